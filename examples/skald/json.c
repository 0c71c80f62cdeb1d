/* Reads lists of ids and objects with a "text"; writes strings. A cursor walks a text that ends with a NUL. */
#include "json.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 64 };

static const char *skip_space(const char *at) { return at + strspn(at, " \t\r\n"); }

static int append_id(id_lists *lists, size_t *n_ids, int32_t id) {
    if ((*n_ids & (*n_ids - 1)) == 0) { /* room is the next power of two */
        int32_t *room = realloc(lists->ids, (*n_ids ? 2 * *n_ids : 1) * sizeof *room);
        if (!room) return 0;
        lists->ids = room;
    }
    lists->ids[(*n_ids)++] = id;
    return 1;
}

static int append_end(id_lists *lists, size_t n_ids) {
    size_t *room = realloc(lists->ends, (lists->n_lists + 1) * sizeof *room);
    if (!room) return 0;
    lists->ends = room;
    lists->ends[lists->n_lists++] = n_ids;
    return 1;
}

/* From behind "[" to behind "]"; NULL when it is no list of ids. */
static const char *read_list(id_lists *lists, size_t *n_ids, const char *at) {
    at = skip_space(at);
    while (*at != ']') {
        if (*at < '0' || *at > '9') return NULL;
        char *end;
        unsigned long id = strtoul(at, &end, 10);
        if (id > INT32_MAX || !append_id(lists, n_ids, (int32_t)id)) return NULL;
        at = skip_space(end);
        if (*at == ',') {
            at = skip_space(at + 1);
            if (*at == ']') return NULL;
        } else if (*at != ']') {
            return NULL;
        }
    }
    return append_end(lists, *n_ids) ? at + 1 : NULL;
}

const char *json_read_ids(id_lists *lists, const char *text) {
    static const char not_ids[] = "a JSON list of token ids is expected";
    *lists = (id_lists){0};
    size_t n_ids = 0;
    const char *at = skip_space(text);
    if (*at++ != '[') return not_ids;
    lists->nested = *skip_space(at) == '[';
    if (!lists->nested) {
        at = read_list(lists, &n_ids, at);
        return at && !*skip_space(at) ? NULL : not_ids;
    }
    for (at = skip_space(at);; at = skip_space(at + 1)) {
        if (*at != '[') return not_ids;
        at = read_list(lists, &n_ids, at + 1);
        if (!at) return not_ids;
        at = skip_space(at);
        if (*at == ']') return *skip_space(at + 1) ? not_ids : NULL;
        if (*at != ',') return not_ids;
    }
}

void id_lists_free(id_lists *lists) {
    free(lists->ids);
    free(lists->ends);
    *lists = (id_lists){0};
}

static const char *read_hex(uint32_t *value, const char *at) {
    *value = 0;
    for (int i = 0; i < 4; i++, at++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *digit = *at ? strchr(digits, *at) : NULL;
        if (!digit) return NULL;
        *value = *value << 4 | (uint32_t)((digit - digits) & 15);
    }
    return at;
}

/* "\u1234" from behind its "u"; half a pair becomes U+FFFD. */
static const char *read_escape(uint32_t *code, const char *at) {
    at = read_hex(code, at);
    if (!at || *code < 0xd800 || *code > 0xdfff) return at;
    uint32_t second;
    const char *behind = at[0] == '\\' && at[1] == 'u' ? read_hex(&second, at + 2) : NULL;
    if (*code <= 0xdbff && behind && second >= 0xdc00 && second <= 0xdfff) {
        *code = 0x10000 + ((*code - 0xd800) << 10) + (second - 0xdc00);
        return behind;
    }
    *code = 0xfffd;
    return at;
}

static char *write_utf8(char *to, uint32_t code) {
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    *to++ = (char)(lead[more] | code >> 6 * more);
    while (more--) *to++ = (char)(0x80 | (code >> 6 * more & 0x3f));
    return to;
}

/* From behind the quote to behind the closing one; `to` may lie before `at` in the same bytes, or be NULL. An escape is
 * never shorter than what it stands for. */
static const char *read_string(char *to, size_t *n_bytes, const char *at) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char *begin = to, none[4];
    while (*at != '"') {
        if ((unsigned char)*at < 0x20) return NULL;
        uint32_t code = (unsigned char)*at;
        if (*at++ != '\\') {
            if (to) *to++ = (char)code;
            continue;
        }
        const char *name = *at ? strchr(names, *at) : NULL;
        if (name) {
            code = (unsigned char)values[name - names];
            at++;
        } else if (*at != 'u' || !(at = read_escape(&code, at + 1))) {
            return NULL;
        }
        char *end = write_utf8(to ? to : none, code);
        if (to) to = end;
    }
    if (to) *n_bytes = (size_t)(to - begin);
    return at + 1;
}

/* Over any value, however deep; an iterative walk that counts brackets. */
static const char *skip_value(const char *at) {
    int depth = 0;
    do {
        at = skip_space(at);
        if (*at == '[' || *at == '{') {
            if (++depth > MOST_DEPTH) return NULL;
            at++;
        } else if (*at == ']' || *at == '}') {
            depth--;
            at++;
        } else if (*at == '"') {
            at = read_string(NULL, NULL, at + 1);
            if (!at) return NULL;
        } else {
            size_t n = strcspn(at, " \t\r\n,:[]{}\"");
            if (n == 0 && (depth == 0 || (*at != ',' && *at != ':'))) return NULL;
            at += n ? n : 1;
        }
    } while (depth > 0);
    return depth < 0 ? NULL : at;
}

const char *json_take_text(char *line, size_t *n_bytes) {
    static const char not_object[] = "a JSON object is expected",
                      no_text[] = "the object has no \"text\" that is a string";
    const char *at = skip_space(line), *text = NULL;
    if (*at++ != '{') return not_object;
    at = skip_space(at);
    while (*at != '}') {
        if (*at != '"') return not_object;
        int is_text = strncmp(at, "\"text\"", 6) == 0;
        at = read_string(NULL, NULL, at + 1);
        if (!at) return not_object;
        at = skip_space(at);
        if (*at++ != ':') return not_object;
        at = skip_space(at);
        if (is_text) text = *at == '"' ? at + 1 : NULL;
        at = skip_value(at);
        if (!at) return not_object;
        at = skip_space(at);
        if (*at == ',') at = skip_space(at + 1);
        else if (*at != '}') return not_object;
    }
    if (*skip_space(at + 1)) return not_object;
    if (!text) return no_text;
    return read_string(line, n_bytes, text) ? NULL : no_text;
}

/* Length of the well-formed UTF-8 character at `s`, 0 when there is none. */
static int character_length(const unsigned char *s, const unsigned char *end) {
    if (s[0] < 0x80) return 1;
    int more = s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : 1;
    if (s[0] < 0xc2 || s[0] > 0xf4 || end - s <= more) return 0;
    for (int i = 1; i <= more; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)) return 0;
    if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0;
    return more + 1;
}

void json_write_bytes(FILE *file, const char *text, size_t n_bytes) {
    const unsigned char *s = (const unsigned char *)text, *end = s + n_bytes;
    fputc('"', file);
    while (s < end) {
        int n = character_length(s, end);
        if (n == 0) fputs("\\ufffd", file);
        else if (*s == '"' || *s == '\\') fprintf(file, "\\%c", *s);
        else if (*s < 0x20) fprintf(file, "\\u%04x", *s);
        else fwrite(s, 1, (size_t)n, file);
        s += n ? n : 1;
    }
    fputc('"', file);
}

void json_write_text(FILE *file, const char *text) { json_write_bytes(file, text, strlen(text)); }

void json_write_ids(FILE *file, const int32_t *ids, size_t n_ids) {
    fputc('[', file);
    for (size_t i = 0; i < n_ids; i++) fprintf(file, "%s%ld", i ? ", " : "", (long)ids[i]);
    fputc(']', file);
}
