#include <skald/skald.h>

const char *skald_status_text(skald_status status) {
    switch (status) {
#define TEXT(name, number, text)                                                                                       \
    case number: return text;
        SKALD_STATUS_LIST(TEXT)
#undef TEXT
    }
    return "unknown status";
}

uint32_t skald_version(void) {
    return (uint32_t)SKALD_VERSION_MAJOR << 16 | (uint32_t)SKALD_VERSION_MINOR << 8 | SKALD_VERSION_PATCH;
}
