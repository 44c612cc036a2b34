// Functions that are alike but for what they refer to: only that tells them apart.
extern int counter;
int first_value = 1, second_value = 2;
static const char kFirst[] = "the first of two", kSecond[] = "the other of two";
int length_of(const char*);
int day_length(unsigned);

int read_first(void) {
    return first_value;
}
int read_second(void) {
    return second_value;
}
int measure_first(void) {
    return length_of(kFirst);
}
int measure_second(void) {
    return length_of(kSecond);
}
int count_and(int value) {
    return counter + value;
}

int twins(int which) {
    return which ? read_first() + measure_first() : read_second() + measure_second() + count_and(which);
}
