// A call that goes elsewhere, a string, a constant and a table that differ, a new function, a new global.
__declspec(noinline) int twice(int x) { return 2 * x + 1; }
__declspec(noinline) int thrice(int x) { return 3 * x + 5; }

__declspec(dllexport) int call(int x) {
#if UPDATED
    return thrice(x) - 4;
#else
    return twice(x) - 4;
#endif
}

__declspec(dllexport) const char *text(int x) {
#if UPDATED
    return x > 3 ? "hello there" : "good morning";
#else
    return x > 3 ? "hello thera" : "good morning";
#endif
}

static const long long primes[] = {2, 3, 5, 7, 11, 13, 17, 19, UPDATED ? 23 : 21, 29};
__declspec(dllexport) long long prime(unsigned i) { return i < 10 ? primes[i] : 0; }

__declspec(dllexport) double scale(double x) { return x * (UPDATED ? 3.25481 : 3.25482) + 1.1; }

int calls;
__declspec(dllexport) int count(int x) {
    calls += x;
#if UPDATED
    static int highest;
    if (x > highest)
        highest = x;
    return calls + highest;
#else
    return calls;
#endif
}

__declspec(dllexport) int stays(int x) { return twice(thrice(x)) + calls; }

#if UPDATED
__declspec(noinline) static int limit(int x) {
    static const int limits[] = {11, 22, 33, 44, 57};
    return limits[(unsigned)x % 5];
}
#endif
__declspec(dllexport) int limited(int x) {
#if UPDATED
    return x > limit(x) ? limit(x) : x;
#else
    return x;
#endif
}
