"""Which exported functions occur in no fault scenario: a list that may only get shorter.

usage: covered.py ROOT

A fault scenario is a program in tests/faults/, or a room's test that refuses requests of memory. A name behind a reason
needs none; a name behind `missing` should have one and has none yet.
"""
import glob
import os
import re
import sys

NO_FAULT = {  # a constant or a table: nothing is asked for, read or started
    "a constant": ["skald_version", "skald_numerics_version", "skald_status_text", "skald_dtype_name",
                   "skald_dtype_bytes", "skald_dtype_to_f32", "skald_cpu_backend"],
    "reads what the model holds": ["skald_model_end", "skald_model_is_end", "skald_model_kernel", "skald_model_tensor",
                                   "skald_model_token"],
    "works in the caller's struct": ["skald_decoder_push"],
}


def sources(root):
    yield from glob.glob(os.path.join(root, "tests/faults/*.c"))
    yield os.path.join(root, "tests/support/world.h")
    for path in glob.glob(os.path.join(root, "tests/rooms/*.c")):
        if "refuse_at" in read(path):
            yield path


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def main():
    root = sys.argv[1]
    exported = set(read(os.path.join(root, "tests/abi/exports.txt")).split())
    used = set()
    for path in sources(root):
        used |= set(re.findall(r"\bskald_[a-z0-9_]+", read(path)))
    free = {name for names in NO_FAULT.values() for name in names}
    missing = sorted(exported - used - free)
    stale = sorted(free - exported)
    for name in missing:
        print(f"{name}: in no fault scenario")
    for name in stale:
        print(f"{name}: has a reason and is not exported")
    print(f"{len(exported & used)} of {len(exported)} functions in fault scenarios, {len(free - used)} need none, {len(missing)} missing")
    return 1 if missing or stale else 0


if __name__ == "__main__":
    sys.exit(main())
