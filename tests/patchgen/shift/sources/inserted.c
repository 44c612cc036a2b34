// What an update brings in front of everything else and nothing uses.
int inserted_number = 99;
const char inserted_text[] = "inserted in front of the others";
int inserted_history[33];

int inserted_first(int value) {
    return value ^ inserted_number ^ inserted_text[value & 15];
}

int inserted_second(int value) {
    inserted_history[value & 31] = inserted_first(value + 5);
    return inserted_history[(value + 1) & 31];
}
