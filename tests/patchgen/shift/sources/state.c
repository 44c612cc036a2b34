// Global variables, statics of functions, tables of functions, and constants of floating point.
int counter = 17;
int history[16];
static int limit = 1000;
static int calls;

static int add_one(int value) {
    return value + 1 + calls;
}
static int add_two(int value) {
    return value + 2 + calls;
}
static int halve(int value) {
    return value / 2 + limit;
}
static int (*const kSteps[])(int) = {add_one, add_two, halve};
static int (*chosen)(int) = halve;

int step(unsigned which, int value) {
    ++calls;
    history[which & 15] = value;
    return which < 3 ? kSteps[which](value) : chosen(value);
}

void choose(unsigned which) {
    chosen = kSteps[which % 3];
}

int next_number(void) {
    static unsigned state = 12345;
    state = state * 1103515245u + 12345u;
    counter += (int)(state >> 16);
    return counter;
}

double scaled(double value) {
    return value * 3.25 + 0.125;
}

float scaled_float(float value) {
    return value * 1.5f - 0.75f;
}

int recent(unsigned back) {
    return history[(counter - back) & 15] + limit;
}
