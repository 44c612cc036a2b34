/* Writes to counts.txt, 20 times a second, what its three functions answer. Of the hotpatches, each of which is
 * cumulative, 1 counts in a global of its own and changes `second`; 2 and 3 count too, change `third`, and not
 * `second`; 2 has a further global, and in 3 the count has another size. */
#include <windows.h>

/* Where no other one ends, so that its address means nothing else. */
#if UPDATED == 3
__attribute__((aligned(64))) long long ticks_so_far;
#elif UPDATED
__attribute__((aligned(64))) int ticks_so_far;
#endif
#if UPDATED == 1
int only_in_the_first = 5;
#elif UPDATED == 2
int only_in_the_second = 7;
#endif

__attribute__((noipa)) int first(int baseline) {
    (void)baseline;
#if UPDATED == 1
    return ++ticks_so_far + (only_in_the_first++ < 5);
#elif UPDATED == 2
    return ++ticks_so_far + (only_in_the_second++ < 7);
#elif UPDATED
    return (int)++ticks_so_far;
#else
    return baseline;
#endif
}

__attribute__((noipa)) const char* second(int baseline) {
#if UPDATED == 1
    return baseline > 1000 ? "?" : "changed";
#else
    return baseline > 1000 ? "?" : "baseline";
#endif
}

__attribute__((noipa)) const char* third(int baseline) {
#if UPDATED >= 2
    return baseline > 1000 ? "?" : "changed";
#else
    return baseline > 1000 ? "?" : "baseline";
#endif
}

int main(void) {
    HANDLE lines =
        CreateFileA("counts.txt", FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, CREATE_ALWAYS, 0, NULL);
    for (;;) {
        char line[100];
        DWORD done;
        wsprintfA(line, "first=%d second=%s third=%s\n", first(0), second(0), third(0));
        WriteFile(lines, line, lstrlenA(line), &done, NULL);
        Sleep(50);
    }
}
