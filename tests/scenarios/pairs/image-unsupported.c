// flags: -Wl,-noentry
__declspec(dllexport) int table[4] = {1, 2, 3, 4 + UPDATED};
