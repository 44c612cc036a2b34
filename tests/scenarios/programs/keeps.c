/* A program with a variable that the update (-DUPDATED=1) starts with another value. It writes "value=V sum=S" ten times
   a second to the file that --out names, and ends after the seconds given by --seconds. */
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

volatile int kept_value = UPDATED ? 20 : 10;

__attribute__((noinline)) static int sum_with(int more) {
    return kept_value + (UPDATED ? 2000 : 1000) + more;
}

int main(int argc, char** argv) {
    const char* path = "out.txt";
    int seconds = 60;
    for (int i = 1; i + 1 < argc; ++i) {
        if (strcmp(argv[i], "--out") == 0)
            path = argv[i + 1];
        if (strcmp(argv[i], "--seconds") == 0)
            seconds = atoi(argv[i + 1]);
    }
    FILE* out = fopen(path, "w");
    if (!out)
        return 1;
    for (int i = 0; i < 10 * seconds; ++i) {
        fprintf(out, "value=%d sum=%d end\n", kept_value, sum_with(argc - argc));
        fflush(out);
        Sleep(100);
    }
    return 0;
}
