/* Functions that every template has: range, namespace, dict, raise_exception, and the date where the host tells it. */
#include "template/machine.h"
#include <string.h>

static bool range(sk_run *r, sk_value *out, const sk_arguments *a) {
    enum { MOST = 100000 }; /* as Jinja's sandbox */
    int64_t limit[3] = {0, 0, 1};
    if (a->n == 0 || a->n > 3) return sk_run_fail(r, SKALD_FORMAT, "range takes one to three arguments");
    for (uint32_t i = 0; i < a->n; i++)
        if (!sk_argument_int(r, a, i, NULL, &limit[a->n == 1 ? 1 : i])) return false;
    int64_t from = limit[0], to = limit[1], step = limit[2];
    const int64_t far = (int64_t)1 << 40;
    if (from < -far || from > far || to < -far || to > far || step == 0 || step < -far || step > far)
        return sk_run_fail(r, SKALD_FORMAT, "range by these numbers");
    int64_t n = step > 0 ? (to - from + step - 1) / step : (from - to - step - 1) / -step;
    if (n < 0) n = 0;
    if (n > MOST) return sk_run_fail(r, SKALD_FORMAT, "range of more than %d numbers", MOST);
    sk_list *list = sk_list_begin(r, (uint32_t)n);
    if (!list) return false;
    for (; list->n < n; list->n++) list->at[list->n] = sk_value_int(from + (int64_t)list->n * step);
    return sk_list_end(r, out, list, SK_LIST);
}

static bool make_dict(sk_run *r, sk_value *out, const sk_arguments *a, sk_value_kind kind) {
    sk_dict *d = sk_dict_new(r, a->n_named);
    if (!d) return false;
    if (a->n > 1 || (a->n == 1 && a->at[0].kind != SK_DICT))
        return sk_run_fail(r, SKALD_FORMAT, "a dict or named arguments are expected");
    for (uint32_t i = 0; a->n && i < a->at[0].as.dict->n; i++)
        if (!sk_dict_set(r, d, a->at[0].as.dict->at[2 * i], a->at[0].as.dict->at[2 * i + 1])) return false;
    for (uint32_t i = 0; i < a->n_named; i++)
        if (!sk_dict_set(r, d, a->named[2 * i], a->named[2 * i + 1])) return false;
    *out = (sk_value){.kind = (uint8_t)kind, .as.dict = d};
    return true;
}

static bool raise(sk_run *r, const sk_arguments *a) {
    sk_value text = sk_value_word("no reason");
    if (a->n && !sk_value_str(r, &text, a->at[0])) return false;
    return sk_run_fail(r, SKALD_ARGUMENT, "the template refuses: %.*s", (int)text.n, text.as.text);
}

bool sk_call_global(sk_run *r, sk_value *out, sk_value which, const sk_arguments *a) {
    const sk_value *format = sk_argument(a, 0, "format");
    switch (which.as.whole) {
    case SK_GLOBAL_range: return range(r, out, a);
    case SK_GLOBAL_namespace: return make_dict(r, out, a, SK_NAMESPACE);
    case SK_GLOBAL_dict: return make_dict(r, out, a, SK_DICT);
    case SK_GLOBAL_raise_exception: return raise(r, a);
    default:
        if (!format || format->kind != SK_STR) return sk_run_fail(r, SKALD_FORMAT, "strftime_now takes a format");
        return sk_date(r, out, *format);
    }
}

/* ---- dates */

typedef struct {
    int64_t year;
    int month, day, hour, minute, second, weekday, yearday; /* month from 1, weekday 0 is Sunday, yearday from 1 */
} date;

/* Days to civil date: Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days. */
static date date_of(int64_t seconds) {
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) rest += 86400, days--;
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    date d = {.day = (int)(doy - (153 * mp + 2) / 5 + 1), .month = (int)(mp < 10 ? mp + 3 : mp - 9)};
    d.year = yoe + era * 400 + (d.month <= 2);
    d.hour = (int)(rest / 3600), d.minute = (int)(rest / 60 % 60), d.second = (int)(rest % 60);
    d.weekday = (int)(((days + 4) % 7 + 7) % 7);
    bool leap = d.year % 4 == 0 && (d.year % 100 != 0 || d.year % 400 == 0);
    d.yearday = before[d.month - 1] + d.day + (leap && d.month > 2);
    return d;
}

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const weekdays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

static size_t field(char *to, size_t room, const date *d, char kind) {
    const char *month = months[d->month - 1], *day = weekdays[d->weekday];
    int number, hour = d->hour % 12 ? d->hour % 12 : 12;
    switch (kind) {
    case 'Y': return sk_format(to, room, "%lld", (long long)d->year);
    case 'B': return sk_format(to, room, "%s", month);
    case 'b':
    case 'h': return sk_format(to, room, "%.*s", 3, month);
    case 'A': return sk_format(to, room, "%s", day);
    case 'a': return sk_format(to, room, "%.*s", 3, day);
    case 'p': return sk_format(to, room, "%s", d->hour < 12 ? "AM" : "PM");
    case 'j': return sk_format(to, room, "%s%d", d->yearday < 10 ? "00" : d->yearday < 100 ? "0" : "", d->yearday);
    case '%': return sk_format(to, room, "%%");
    case 'd': number = d->day; break;
    case 'm': number = d->month; break;
    case 'y': number = (int)(d->year % 100); break;
    case 'H': number = d->hour; break;
    case 'I': number = hour; break;
    case 'M': number = d->minute; break;
    case 'S': number = d->second; break;
    default: return 0;
    }
    return sk_format(to, room, "%s%d", number < 10 ? "0" : "", number);
}

static bool put_date(sk_run *r, sk_builder *b, const date *d, const char *format, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        char text[24], kind = i + 1 < n ? format[i + 1] : 0;
        const char *whole = kind == 'F' ? "%Y-%m-%d" : kind == 'T' ? "%H:%M:%S" : kind == 'D' ? "%m/%d/%y" : NULL;
        bool bare = kind == '-' && i + 2 < n; /* "%-d": without a zero in front */
        if (format[i] != '%') {
            if (!sk_put(r, b, format + i, 1, SK_FROM_TEMPLATE)) return false;
            continue;
        }
        i += bare ? 2 : 1;
        if (whole) {
            if (!put_date(r, b, d, whole, (uint32_t)strlen(whole))) return false;
            continue;
        }
        size_t length = i < n ? field(text, sizeof text, d, format[i]) : 0;
        if (length == 0) return sk_run_fail(r, SKALD_UNSUPPORTED, "this field of a date is not offered: %%%c", kind);
        size_t skip = 0;
        while (bare && skip + 1 < length && text[skip] == '0') skip++;
        if (!sk_put(r, b, text + skip, length - skip, SK_FROM_TEMPLATE)) return false;
    }
    return true;
}

bool sk_date(sk_run *r, sk_value *out, sk_value format) {
    const int64_t far = (int64_t)1 << 40;
    sk_builder b = {0};
    if (r->local_seconds < -far || r->local_seconds > far) return sk_run_fail(r, SKALD_ARGUMENT, "the date is too far");
    date d = date_of(r->local_seconds);
    if (!put_date(r, &b, &d, format.as.text, format.n)) return false;
    *out = sk_built(&b);
    return true;
}
