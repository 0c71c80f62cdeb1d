"""Writes cases.h: upper and lower case of single characters (Unicode's simple case mapping), as ranges.

usage: make_cases.py > cases.h
"""
import unicodedata


def ranges(change):
    found = []
    for code in range(0x80, 0x110000):
        other = change(chr(code))
        if len(other) != 1 or other == chr(code):
            continue
        delta = ord(other) - code
        last = found[-1] if found else None
        if last and last[3] == delta:
            step = code - last[1]
            if step in (1, 2) and (last[0] == last[1] or last[2] == step):
                last[1], last[2] = code, step
                continue
        found.append([code, code, 1, delta])
    return found


def write(name, found):
    print(f"#define SK_N_{name.upper()} {len(found)}u")
    print(f"static const sk_case_range sk_{name}[SK_N_{name.upper()}] = {{")
    line = "   "
    for first, last, step, delta in found:
        item = f" {{0x{first:x}, 0x{last:x}, {step}, {delta}}},"
        if len(line) + len(item) > 118:
            print(line)
            line = "   "
        line += item
    print(line)
    print("};")


print(f"/* Written by make_cases.py from Unicode {unicodedata.unidata_version}. Characters whose other case is several are left alone. */")
print("""#ifndef SK_TEMPLATE_CASES_H
#define SK_TEMPLATE_CASES_H
#include <stdint.h>

/* Every step-th character from first to last becomes itself + delta. In ascending order. */
typedef struct sk_case_range {
    uint32_t first, last, step;
    int32_t delta;
} sk_case_range;
""")
write("to_upper", ranges(str.upper))
print()
write("to_lower", ranges(str.lower))
print("#endif")
