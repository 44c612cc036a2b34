// Of jq's interface.
#pragma once

#include "trigger.h"

typedef struct {
    unsigned char kind, pad;
    unsigned short offset;
    int size;
    void* value;
} jv;

/// "valid", or the message of what is not.
static inline const char* message_of(HMODULE library, jv value) {
    if ((value.kind & 0xf) != 0)
        return "valid";
    const jv text = NEED(jv(*)(jv), "jv_invalid_get_msg")(value);
    return (text.kind & 0xf) == 5 ? NEED(const char* (*)(jv), "jv_string_value")(text) : "invalid";
}
