"""The public headers as Doxygen reads them: `filter.py HEADER` prints one with its comments marked.

What the headers say once for several is said for each: a comment above a member also covers those below it up to a blank line or
another comment, the comment of a struct those of its members that it names, and one above a function the next where no blank
line lies between. Of whom nobody says anything stays without a comment, and Doxygen refuses."""
import re
import sys

EVERYWHERE = [(r"size", "sizeof this struct, set by the caller"), (r"reserved(_\d)?", "0"),
              (r"(\w+_)?user", "first argument of the function beside it")]


def pieces(text):
    """(code, the comment behind it) in turn; the last comment is None."""
    at = 0
    for match in re.finditer(r"/\*.*?\*/", text, re.S):
        yield text[at:match.start()], match[0][2:-2].strip()
        at = match.end()
    yield text[at:], None


def apart(declaration):
    """(name, declaration) of each: `int a, *b;` as `int a;` and `int *b;`."""
    declaration = " ".join(declaration.split())
    function = re.search(r"\(\*(\w+)\)\(", declaration)
    if function:
        return [(function[1], declaration)]
    kind, names = re.match(r"(.*?)((?:\**\w+(?:\[\w*\])*(?:, )?)+);$", declaration).groups()
    return [(re.search(r"\w+", name)[0], f"{kind}{name};") for name in names.split(", ")]


def members(body, about):
    out, above = [], None
    for code, comment in pieces(body):
        *declarations, rest = re.split(r"(?<=;)", code)
        for i, declaration in enumerate(declarations):
            if re.match(r"\s*\n\s*\n", declaration):
                above = None
            behind = comment if i == len(declarations) - 1 and "\n" not in rest else None
            for name, one in apart(declaration):
                said = behind or above or next((s for pattern, s in EVERYWHERE if re.fullmatch(pattern, name)), None)
                if not said and re.search(rf"\b{name}\b", about):
                    said = "as the struct's comment says"
                if not said and re.search(rf"\[{name}\b", body):
                    said = "how many, as said beside it"
                out.append(f"    {one}" + (f" /**< {said} */" if said else ""))
        if declarations and "\n" not in rest:
            above = None
        elif comment:
            above = comment
    return out


def main():
    text = open(sys.argv[1], encoding="utf-8").read()
    lines = re.sub(r"^/\* -{3,} .*? -* \*/$", "", text, flags=re.M).split("\n")
    out, comment, i = [], "", 0
    while i < len(lines):
        line, end = lines[i], i
        if line.startswith("/*"):
            while "*/" not in lines[end]:
                end += 1
            comment = "\n".join(lines[i:end + 1]).replace("/*", "/** @file\n *" if i == 0 else "/**", 1)
            out.append(comment)
        elif re.match(r"(typedef )?struct \w+ \{$", line):
            while not lines[end].startswith("}"):
                end += 1
            out += [line, *members("\n".join(lines[i + 1:end]), comment), lines[end]]
        else:
            if re.match(r"SKALD_API void \w+_init\(", line):
                out.append("/** Fills in the defaults, of a struct of `size` bytes. Any thread. */")
            elif line.startswith(("SKALD_API", "typedef", "#define")) and comment and not out[-1].endswith("*/"):
                out.append(comment)
            out.append(re.sub(r"^(\s*\S.*\S)(\s+)/\* ", r"\1\2/**< ", line))
        comment = comment if line.strip() else ""
        i = end + 1
    print("\n".join(out))


main()
