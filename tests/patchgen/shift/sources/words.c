// Strings, tables of strings, and switches that become tables.
const char* const kDays[] = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};
static const struct {
    const char* key;
    int value;
} kPrices[] = {{"apple", 12}, {"pear", 15}, {"plum", 9}, {"quince", 31}};

__attribute__((noinline)) int length_of(const char* text) {
    int length = 0;
    while (text[length])
        ++length;
    return length;
}

__attribute__((noinline)) int same_text(const char* a, const char* b) {
    while (*a && *a == *b)
        ++a, ++b;
    return *a == *b;
}

int day_length(unsigned day) {
    return day < 7 ? length_of(kDays[day]) : -1;
}

int price_of(const char* key) {
    for (int i = 0; i < 4; ++i)
        if (same_text(kPrices[i].key, key))
            return kPrices[i].value;
    return length_of("nothing is known of its price");
}

int compute(int operation, int a, int b) {
    switch (operation) {
    case 0:
        return a + b;
    case 1:
        return a - b;
    case 2:
        return a * b;
    case 3:
        return b ? a / b : length_of("division by zero");
    case 4:
        return a & b;
    case 5:
        return a | b;
    case 6:
        return length_of(a > b ? "the first" : "the other");
    case 7:
        return a << (b & 7);
#ifdef CHANGED
    case 8:
        return a % 7 + b;
#else
    case 8:
        return a % 5 + b;
#endif
    default:
        return -1;
    }
}

const char* name_of_operation(int operation) {
    switch (operation) {
    case 0:
        return "add";
    case 1:
        return "sub";
    case 2:
        return "mul";
    case 3:
        return "div";
    case 4:
        return "and";
    case 5:
        return "or";
    default:
        return "none";
    }
}
