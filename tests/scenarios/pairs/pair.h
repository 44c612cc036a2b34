/* What the pairs are written with. Each source is compiled as baseline with UPDATED 0, and with UPDATED 1; patchgen
   must refuse it for the reason that the file is named for. */
#define EXPORT __declspec(dllexport)

int entry(void* module, unsigned reason, void* reserved) {
    return module && reason != 1000 && !reserved;
}
EXPORT int unchanged(int value) {
    return value * 3 + 1;
}
EXPORT int unchanged_too(int value) {
    return value * 7 - 1;
}
