#!/bin/sh
# The same bits from other compilers and other machines: the short hashes, and the logits that `skald eval` writes.
#     tests/golden/cross.sh [FOLDER]      builds in FOLDER (build/cross)
# Needs aarch64-linux-gnu-gcc, clang, qemu-aarch64-static and qemu-x86_64-static.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$root/build/cross}
hashes=$root/tests/golden/data/hashes.txt
failed=0
mkdir -p "$folder"

build() { # name, arguments of cmake
    name=$1
    shift
    cmake -S "$root" -B "$folder/$name" -DSKALD_TESTS=ON "$@" >"$folder/$name.log" 2>&1 &&
        cmake --build "$folder/$name" --parallel 2 --target test_golden_same_bits skald >>"$folder/$name.log" 2>&1 ||
        { tail -n 20 "$folder/$name.log"; exit 1; }
}

same() { # what, file with the wanted text, file with the text found
    if cmp -s "$2" "$3"; then return; fi
    echo "$1 differs:"
    diff "$2" "$3" || true
    failed=1
}

check() { # title, build, emulator and its arguments
    title=$1 from=$folder/$2
    shift 2
    begin=$(date +%s)
    "$@" "$from/tests/test_golden_same_bits" short >"$folder/got.txt"
    same "$title: hashes" "$folder/want.txt" "$folder/got.txt"
    "$@" "$from/bin/skald" eval -m "$folder/model.gguf" --tokens "$folder/ids.json" --logits "$folder/logits.npy"
    sha256sum "$folder/logits.npy" | cut -d ' ' -f 1 >"$folder/got.txt"
    same "$title: skald eval" "$folder/want_eval.txt" "$folder/got.txt"
    echo "$title: $(($(date +%s) - begin)) s"
}

build native -DCMAKE_C_COMPILER=gcc
build clang -DCMAKE_C_COMPILER=clang
build aarch64 -DCMAKE_TOOLCHAIN_FILE="$root/tests/support/aarch64.cmake"
head -n 3 "$hashes" >"$folder/want.txt"
sed -n 's/^eval //p' "$hashes" >"$folder/want_eval.txt"
"$folder/native/tests/test_golden_same_bits" model "$folder/model.gguf" "$folder/ids.json"

check "gcc" native env
check "clang" clang env
"$folder/clang/tests/test_golden_same_bits" >"$folder/clang.txt" 2>&1 || { tail -n 20 "$folder/clang.txt"; failed=1; }
check "gcc, Nehalem" native qemu-x86_64-static -cpu Nehalem
check "gcc, Haswell" native qemu-x86_64-static -cpu Haswell-noTSX,-pcid,-x2apic,-tsc-deadline,-invpcid
check "gcc, ARM" aarch64 qemu-aarch64-static
exit $failed
