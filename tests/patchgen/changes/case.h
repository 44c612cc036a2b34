// What the cases are written with. Each is compiled twice: as baseline with UPDATED 0, and with UPDATED 1.
#pragma once

#ifdef __cplusplus
#define EXPORT extern "C" __declspec(dllexport)
inline void *operator new(decltype(sizeof 0), void *place) {
    return place;
}
#else
#define EXPORT __declspec(dllexport)
#endif
#define NOINLINE __attribute__((noinline))

#ifdef __cplusplus
extern "C" {
#endif
int _fltused = 1;

static inline void *allocate(unsigned size) {
    static char memory[4096];
    static unsigned used;
    void *place = memory + used;
    used += size;
    return place;
}
int entry(void *module, unsigned reason, void *reserved) {
    return module && reason != 1000 && !reserved;
}
#ifdef __cplusplus
}
#endif
