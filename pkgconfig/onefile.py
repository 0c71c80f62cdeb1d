"""Joins the library into one file: skald.c and skald.h, for hosts that would rather add two files than a build.

    python3 pkgconfig/onefile.py FOLDER        then: cc -O3 -c FOLDER/skald.c, and link with -lm -lpthread -ldl

Each source keeps its own world: a name of its own that another file has too gets the file's number behind it, and its
macros end with it. Headers come once, but for those that a leaf reads in its own instruction set. The compiler options that
the bits depend on stand in the file."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOMS = ("lib", "backends/cpu")
LEAVES = {"avx2": "__x86_64__", "avxvnni": "__x86_64__", "avx512": "__x86_64__", "amx": "__x86_64__", "neon": "__aarch64__"}
LOOKS = re.compile(r"\bSK_(VEC|LANES|NEON)_\w+")  # what a leaf says about its instruction set
PUBLIC_HEADERS = ("include/skald/dtype.h", "include/skald/skald.h", "include/skald/backend.h")
LOCAL = re.compile(r'^#\s*include "([^"]+)"')
PUBLIC = re.compile(r"^#\s*include <(skald/[^>]+)>")

LIBC = {"raise"}  # what system headers that another file wants say too

HEAD = """/* skald {version} in one file, made by pkgconfig/onefile.py: cc -O3 -c skald.c, and link with -lm -lpthread -ldl. */
#define SKALD_BUILDING
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif
/* One rounding per operation: the bits depend on it. */
#if defined(__clang__)
#pragma clang fp contract(off)
#pragma clang diagnostic ignored "-Wunused-function" /* a leaf takes from vec.h what it needs */
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off", "no-math-errno")
#pragma GCC diagnostic ignored "-Wstringop-overflow" /* sees writes behind sizes that never are there */
#endif
#include "skald.h"
{system}
#if defined(__GNUC__)
#pragma GCC visibility push(hidden) /* behind the headers of the system, which are not ours to hide */
#endif
"""
TAIL = """
#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
"""


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def sources():
    for room in ROOMS:
        for folder, inner, names in os.walk(os.path.join(ROOT, room)):
            inner.sort()
            for name in sorted(names):
                if name.endswith(".c"):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def find(name, beside):
    """The file that #include "name" means, from the root of the repository."""
    for path in (os.path.join(os.path.dirname(beside), name), os.path.join("lib", name), name):
        if os.path.isfile(os.path.join(ROOT, path)):
            return os.path.normpath(path)
    raise SystemExit(f"{beside}: {name} is nowhere")


class Joiner:
    """Expands includes. What comes once is cut into pieces by header, so that each is renamed as its own room wants it."""

    def __init__(self):
        self.seen = set()
        self.own = {}
        self.near = {}

    def includes(self, path):
        found = [LOCAL.match(line) for line in read(path).splitlines()]
        return [find(m[1], path) for m in found if m]

    def closure(self, path):
        """The headers that a file sees, itself among them."""
        if path not in self.near:
            self.near[path] = {path}
            self.near[path] = {path}.union(*(self.closure(p) for p in self.includes(path)))
        return self.near[path]

    def looks(self, path):
        """Whether a header asks for which instruction set it is read."""
        return path.endswith("_body.h") or any(LOOKS.search(read(near)) for near in self.closure(path))

    def is_own(self, path):
        """Whether a header means something else in each file: it has no guard, or looks at what a leaf defined."""
        if path not in self.own:
            self.own[path] = not re.search(r"^#ifndef \w+_H\b", read(path), flags=re.M) or self.looks(path)
        return self.own[path]

    def expand(self, path, to, shared):
        """Appends the lines of a file to `to`; headers that come once become pieces of `shared`: (path, lines)."""
        for line in read(path).splitlines():
            local, public = LOCAL.match(line), PUBLIC.match(line)
            if public:
                self.once(os.path.join("include", public[1]), shared, public[1] == "skald/backend.h")
            elif not local:
                to.append(line)
            elif self.is_own(find(local[1], path)):
                self.expand(find(local[1], path), to, shared)
            else:
                self.once(find(local[1], path), shared, True)

    def once(self, path, shared, wanted):
        """skald.h and dtype.h stand beside skald.c already."""
        if wanted and path not in self.seen:
            self.seen.add(path)
            lines = []
            self.expand(path, lines, shared)
            shared.append((path, lines))


TOKEN = re.compile(r'^#\s*include[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|(?:\.|->)\s*\w+|\b[A-Za-z_]\w*\b', flags=re.S | re.M)


def defined(text):
    """Names that a file keeps to itself: functions, tables, types, tags, enumerators."""
    bare = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    joined = re.sub(r"\\\n", " ", bare)
    code = re.sub(r"^#.*$", "", joined, flags=re.M)
    names = set(re.findall(r"^(?:static|SK_INLINE|SK_LANES_INLINE|\w*INLINE)\b[^;={(]*?(\w+)\s*\(", code, flags=re.M))
    names |= set(re.findall(r"^static\b[^;=(]*?(\w+)\s*(?:\[[^;=]*\])*\s*[;=]", code, flags=re.M))
    names |= set(re.findall(r"^typedef [^;{]*?(\w+)(?:\[[^;]*\])*;", code, flags=re.M))
    names |= set(re.findall(r"^typedef [^;{]*?\(?\*?(\w+)\)?\([^;]*\);", code, flags=re.M))
    names |= set(re.findall(r"^\} (\w+)(?:\[[^\]]*\])*\s*[;=]", code, flags=re.M))
    names |= set(re.findall(r"^\w[^;={(]*?(\w+)\([^;{]*\);", code, flags=re.M))
    names |= set(re.findall(r"^[A-Z][A-Z_0-9]+\(([a-z]\w*)", code, flags=re.M))  # what a macro defines
    names |= set(re.findall(r"^(?:typedef )?(?:struct|union|enum) (\w+) \{", code, flags=re.M))
    for body in re.findall(r"^(?:typedef )?enum(?: \w+)? \{(.*?)\}", code, flags=re.M | re.S):
        names |= set(re.findall(r"(\w+)\s*(?:=[^,]*)?(?:,|$)", body.strip()))
    return {name for name in names if re.match(r"[A-Za-z_]", name)}


def macros(text):
    return sorted(set(re.findall(r"^#\s*define (\w+)", text, flags=re.M)))


STRUCT = re.compile(r"^(\s*(?:typedef |static |const )*(?:struct|union)(?: \w+)? "
                    r"\{(?:[^{}]|\{[^{}]*\})*\})", flags=re.M)


def renamed(text, names):
    """Each of the names gets its other one, but members of structs keep theirs."""
    def inside(found):
        member = re.match(r"\s*[;,\[:)]", found.string[found.end():])
        return found[0] if member else anywhere(found)

    def anywhere(found):
        return names.get(found[0], found[0])

    parts = STRUCT.split(text)
    return "".join(TOKEN.sub(inside if n % 2 else anywhere, part) for n, part in enumerate(parts))


def public_header():
    text = read("include/skald/skald.h")
    for name in ("dtype.h", "prefix.h"):
        text = re.sub(rf"^#include <skald/{name}>.*$", lambda _, n=name: read(f"include/skald/{n}"), text, flags=re.M)
    return text


def system_headers(texts):
    names = {name for text in texts for name in re.findall(r"^#\s*include <([^>]+)>", text, flags=re.M)}
    return "\n".join(f"#if __has_include(<{n}>)\n#include <{n}>\n#endif" for n in sorted(names - {"arm_neon.h"}))


def version():
    return ".".join(re.findall(r"#define SKALD_VERSION_\w+ (\d+)", read("include/skald/skald.h")))


class Names:
    """Who defines what, and what it is called in the one file."""

    def __init__(self, joiner, units, shared):
        self.joiner = joiner
        self.header = {}  # {name: [headers that define it]}
        self.public = set().union(*(defined(read(path)) for path in PUBLIC_HEADERS))
        for path, text in shared.items():
            for name in (defined(text) | {m for m in macros(text) if not m.endswith("_H")}) - self.public:
                self.header.setdefault(name, []).append(path)
        seen = [joiner.closure(path) for path, _ in units]
        for name, headers in self.header.items():  # one that declares what another defines means the same
            if any(len(near.intersection(headers)) > 1 for near in seen):
                self.header[name] = headers[:1]
        every = [defined(text) - self.promised(path) for path, text in units]
        self.often = {n for names in every for n in names
                      if n in self.header or n in LIBC or sum(n in other for other in every) > 1}
        self.units = {path: names & self.often for (path, _), names in zip(units, every)}

    def promised(self, path):
        """What a file defines because a header that it sees said so."""
        near = self.joiner.closure(path)
        return self.public | {name for name, headers in self.header.items() if near.intersection(headers)}

    def seen_by(self, path):
        """{name: its other name} where two headers define it and this file sees the second."""
        near, other = self.joiner.closure(path), {}
        for name, headers in self.header.items():
            for number, header in enumerate(headers[1:], 1):
                if header in near:
                    other[name] = f"{name}_h{number}"
        return other

    def of_unit(self, path, number):
        return {**self.seen_by(path), **{name: f"{name}_{number}" for name in self.units[path]}}


def join():
    joiner, parts = Joiner(), []
    for path in sources():
        shared, own = [], []
        joiner.expand(path, own, shared)
        parts.append((path, [(header, "\n".join(lines)) for header, lines in shared], "\n".join(own)))
    names = Names(joiner, [(path, own) for path, _, own in parts],
                  {header: text for _, shared, _ in parts for header, text in shared})
    out = [HEAD.format(version=version(), system=system_headers(own for _, _, own in parts))]
    for number, (path, shared, own) in enumerate(parts):
        machine = next((LEAVES[part] for part in path.split("/") if part in LEAVES), None)
        out += [f"/* ---- {header} */\n{renamed(text, names.seen_by(header))}" for header, text in shared]
        out.append(f"/* ---- {path} */")
        if machine:
            out.append(f"#if defined({machine})")
        out.append(renamed(own, names.of_unit(path, number)))
        out += [f"#undef {name}" for name in macros(own)]
        if machine:
            out.append("#endif")
    return "\n".join([*out, TAIL])


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, text in (("skald.h", public_header()), ("skald.c", join())):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
