"""python make_unicode.py [UnicodeData.txt [PropList.txt]] > unicode_table.h

Writes the general category of every code point as a three-stage table. Without a file the data comes from the package
unicodedata2 where it is installed, else from Python's own unicodedata; the header says which Unicode version it holds.
With PropList.txt the rule that unicode.h states for White_Space is checked against it."""
import sys

KINDS = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn".split()
SPACE_CONTROL = len(KINDS)
SPACE_CONTROLS = [9, 10, 11, 12, 13, 0x85]
LEAF, MIDDLE = 16, 32


def from_file(path):
    kinds, first = ["Cn"] * 0x110000, 0
    for line in open(path, encoding="ascii"):
        code, name, category = line.split(";")[:3]
        code = int(code, 16)
        if name.endswith(", First>"):
            first = code
        for c in range(first if name.endswith(", Last>") else code, code + 1):
            kinds[c] = category
    return kinds, path


def from_package():
    try:
        import unicodedata2 as data
    except ImportError:
        import unicodedata as data
    return [data.category(chr(c)) for c in range(0x110000)], "Unicode " + data.unidata_version


def check_white_space(kinds, path):
    white = set()
    for line in open(path, encoding="utf-8"):
        fields = line.split("#")[0].split(";")
        if len(fields) == 2 and fields[1].strip() == "White_Space":
            ends = [int(x, 16) for x in fields[0].strip().split("..")]
            white.update(range(ends[0], ends[-1] + 1))
    assert white == {c for c, k in enumerate(kinds) if k[0] == "Z"} | set(SPACE_CONTROLS), "White_Space has changed"


def fold(values, length):
    blocks, index = {}, []
    for i in range(0, len(values), length):
        index.append(blocks.setdefault(tuple(values[i:i + length]), len(blocks)))
    return index, [v for block in blocks for v in block]


def array(kind, name, values):
    print(f"static const {kind} {name}[{len(values)}] = {{")
    for i in range(0, len(values), 18):
        print("    " + ", ".join(map(str, values[i:i + 18])) + ",")
    print("};")


kinds, source = from_file(sys.argv[1]) if len(sys.argv) > 1 else from_package()
if len(sys.argv) > 2:
    check_white_space(kinds, sys.argv[2])
numbers = [KINDS.index(k) for k in kinds]
for c in SPACE_CONTROLS:
    numbers[c] = SPACE_CONTROL
index, leaf = fold(numbers, LEAF)
top, middle = fold(index, MIDDLE)
assert max(top) < 256 and max(middle) < 65536
print(f"/* Made by make_unicode.py from {source}: the kind of code point c is\n"
      f" * leaf[middle[top[c / {LEAF * MIDDLE}] * {MIDDLE} + c / {LEAF} % {MIDDLE}] * {LEAF} + c % {LEAF}]. */")
array("uint8_t", "unicode_top", top)
array("uint16_t", "unicode_middle", middle)
array("uint8_t", "unicode_leaf", leaf)
