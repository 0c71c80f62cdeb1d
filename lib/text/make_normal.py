"""python make_normal.py > normal_table.h

Writes what normalization needs of every code point, from the package unicodedata2 where it is installed, else from Python's
own unicodedata: the header says which Unicode version it holds."""
import unicodedata as python
try:
    import unicodedata2 as data
except ImportError:
    import unicodedata as data

LEAF, MIDDLE = 16, 32
LAST = 0x110000
HANGUL = range(0xac00, 0xd7a4) # these are computed


def is_character(c):
    return not 0xd800 <= c < 0xe000


def canonical(c):
    """What U+c decomposes to in one step: none, one or two code points."""
    text = data.decomposition(chr(c)) if is_character(c) and c not in HANGUL else ""
    return [] if not text or text[0] == "<" else [int(x, 16) for x in text.split()]


def fold(values, length):
    blocks, index = {}, []
    for i in range(0, len(values), length):
        index.append(blocks.setdefault(tuple(values[i:i + length]), len(blocks)))
    return index, [v for block in blocks for v in block]


def array(kind, name, values, columns):
    print(f"static const {kind} {name}[{len(values)}] = {{")
    for i in range(0, len(values), columns):
        print("    " + ", ".join(map(str, values[i:i + columns])) + ",")
    print("};")


steps = {c: canonical(c) for c in range(LAST) if canonical(c)}
pairs = {tuple(to): c for c, to in steps.items()
         if len(to) == 2 and data.normalize("NFC", "".join(map(chr, to))) == chr(c)}
second = {b for a, b in pairs} | set(range(0x1161, 0x1176)) | set(range(0x11a8, 0x11c3))
changes = {c for c in steps if data.normalize("NFC", chr(c)) != chr(c)}
joins = second | changes
classes = [data.combining(chr(c)) if is_character(c) else 0 for c in range(LAST)]
kinds = sorted({(classes[c], c in joins, c in steps or c in HANGUL) for c in range(LAST)})
number = {kind: i for i, kind in enumerate(kinds)}
index, leaf = fold([number[classes[c], c in joins, c in steps or c in HANGUL] for c in range(LAST)], LEAF)
top, middle = fold(index, MIDDLE)
assert max(top) < 256 and max(middle) < 65536 and len(kinds) < 256
lower = [(c, ord(chr(c).lower())) for c in range(0x80, LAST)
         if is_character(c) and len(chr(c).lower()) == 1 and chr(c).lower() != chr(c)]
print(f"/* Made by make_normal.py from Unicode {data.unidata_version}: the kind of code point c is\n"
      f" * leaf[middle[top[c / {LEAF * MIDDLE}] * {MIDDLE} + c / {LEAF} % {MIDDLE}] * {LEAF} + c % {LEAF}]. Of a kind: the"
      "\n * canonical combining class, whether NFC changes the character or may join it to the one before, and whether it"
      f"\n * decomposes. The other arrays are sorted. Lower case is that of Python's Unicode {python.unidata_version}. */")
array("uint8_t", "normal_top", top, 18)
array("uint16_t", "normal_middle", middle, 18)
array("uint8_t", "normal_leaf", leaf, 18)
array("sk_normal_kind", "normal_kind", [f"{{{k}, {int(j)}, {int(d)}}}" for k, j, d in kinds], 8)
array("sk_decomposition", "decompositions",
      [f"{{{c:#x}, {to[0]:#x}, {to[1] if len(to) > 1 else 0:#x}}}" for c, to in sorted(steps.items())], 4)
array("sk_decomposition", "compositions", [f"{{{c:#x}, {a:#x}, {b:#x}}}" for (a, b), c in sorted(pairs.items())], 4)
array("sk_lower_case", "lower_case", [f"{{{c:#x}, {to:#x}}}" for c, to in lower], 6)
