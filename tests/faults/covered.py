"""Each exported function occurs in a fault scenario, or needs none.

usage: covered.py ROOT

A fault scenario is a program in tests/faults/, or a room's test that refuses requests of memory. NO_FAULT needs none, for
the reason that stands before the names.
"""
import glob
import os
import re
import sys

NO_FAULT = {
    "a constant or a table": ["skald_version", "skald_numerics_version", "skald_status_text", "skald_dtype_name",
                              "skald_dtype_bytes", "skald_dtype_to_f32", "skald_cpu_backend"],
    "reads what the model holds": ["skald_model_end", "skald_model_is_end", "skald_model_kernel", "skald_model_tensor",
                                   "skald_model_token"],
    "works in the caller's struct": ["skald_decoder_push"],
}


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def scenarios(root):
    yield from (read(path) for path in glob.glob(os.path.join(root, "tests/faults/*.c")))
    yield read(os.path.join(root, "tests/support/world.h"))
    for path in glob.glob(os.path.join(root, "tests/rooms/*.c")):
        text = read(path)
        if "refuse_at" in text:
            yield text


def main():
    root = sys.argv[1]
    exported = set(read(os.path.join(root, "tests/abi/exports.txt")).split())
    used = set()
    for text in scenarios(root):
        used |= set(re.findall(r"\bskald_[a-z0-9_]+", text))
    free = {name for names in NO_FAULT.values() for name in names}
    new = sorted(exported - used - free)
    for name in new:
        print(f"{name}: in no fault scenario")
    for name in sorted(free - exported):
        print(f"{name}: has a reason and is not exported")
    print(f"{len(exported & used)} of {len(exported)} functions in fault scenarios, {len(free - used)} need none")
    return 1 if new or free - exported else 0


if __name__ == "__main__":
    sys.exit(main())
