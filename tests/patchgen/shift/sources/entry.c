// What is exported, and the entry point; calls everything else.
int shapes(int), day_length(unsigned), price_of(const char*), compute(int, int, int), step(unsigned, int);
int next_number(void), recent(unsigned), twins(int);
const char* name_of_operation(int);
void choose(unsigned);
double scaled(double);
float scaled_float(float);
__declspec(dllimport) unsigned long GetTickCount(void);
__declspec(dllimport) void Sleep(unsigned long);
int _fltused;

__declspec(dllexport) int run(int a, int b) {
    choose((unsigned)b);
    return shapes(a) + day_length((unsigned)b) + compute(a, b, 3) + step((unsigned)a, b) + next_number() +
           recent((unsigned)a) + twins(b) + name_of_operation(a)[0] + (int)scaled(a) + (int)scaled_float((float)b);
}

__declspec(dllexport) int wait_for(const char* key) {
    Sleep((unsigned long)price_of(key));
    return (int)GetTickCount();
}

int library_entry(void* module, unsigned reason, void* reserved) {
    (void)module, (void)reserved;
    return reason != 77;
}
