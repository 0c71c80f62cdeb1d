#!/bin/sh
# The same bits from other compilers and other machines: the short hashes, and the logits that `skald eval` writes; on ARM
# also the kernels, since no leaf of it runs anywhere else.
#     tests/golden/cross.sh [FOLDER [NATIVE]]      builds in FOLDER (build/cross)
# NATIVE: a folder where this machine's programs are built with their tests. Needs aarch64-linux-gnu-gcc, clang,
# qemu-aarch64-static and qemu-x86_64-static.
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
        cmake --build "$folder/$name" --parallel 2 --target test_golden_same_bits skald $targets \
            >>"$folder/$name.log" 2>&1 || { tail -n 20 "$folder/$name.log"; exit 1; }
}

same() { # what, file with the wanted text, file with the text found
    if cmp -s "$2" "$3"; then return; fi
    echo "$1 differs:"
    diff "$2" "$3" || true
    failed=1
}

check() { # title, folder of the build, emulator and its arguments
    title=$1 from=$2
    shift 2
    begin=$(date +%s)
    "$@" "$from/tests/test_golden_same_bits" short >"$folder/got.txt"
    same "$title: hashes" "$folder/want.txt" "$folder/got.txt"
    eval_logits "$title" "$@" "$from/bin/skald"
    echo "$title: $(($(date +%s) - begin)) s"
}

eval_logits() { # title, program with its emulator
    title=$1
    shift
    "$@" eval -m "$folder/model.gguf" --tokens "$folder/ids.json" --logits "$folder/logits.npy"
    sha256sum "$folder/logits.npy" | cut -d ' ' -f 1 >"$folder/got.txt"
    same "$title: skald eval" "$folder/want_eval.txt" "$folder/got.txt"
}

# The kernel tests beside everything else; what fails stands in a file.
kernels() { # build, model of qemu
    for test in rows attend matmul delta gates; do
        log=$folder/kernels-$2-$test.txt
        qemu-aarch64-static -cpu "$2" "$folder/$1/tests/test_kernels_$test" >"$log" 2>&1 ||
            { echo "test_kernels_$test on $2:" && tail -n 20 "$log"; } >>"$folder/kernels.txt"
    done
}

targets=
native=${2:-$folder/native}
[ $# -gt 1 ] || build native
build clang-aarch64 -DCMAKE_TOOLCHAIN_FILE="$root/tests/support/aarch64.cmake" -DCMAKE_C_COMPILER=clang
targets="test_kernels_rows test_kernels_attend test_kernels_matmul test_kernels_delta test_kernels_gates"
build aarch64 -DCMAKE_TOOLCHAIN_FILE="$root/tests/support/aarch64.cmake"
grep -E ' (model|f32 A 24|f16 A 136) ' "$hashes" >"$folder/want.txt"
sed -n 's/^eval //p' "$hashes" >"$folder/want_eval.txt"
"$native/tests/test_golden_same_bits" model "$folder/model.gguf" "$folder/ids.json"

: >"$folder/kernels.txt"
for model in max cortex-a57; do kernels aarch64 $model; done & # max goes through every level, cortex-a57 has the lowest
check "native" "$native" env
check "Nehalem" "$native" qemu-x86_64-static -cpu Nehalem
check "Haswell" "$native" qemu-x86_64-static -cpu Haswell-noTSX,-pcid,-x2apic,-tsc-deadline,-invpcid
# What the models can: max has i8mm, neoverse-n1 has dotprod, cortex-a57 has neither.
for model in max neoverse-n1 cortex-a57; do check "gcc, $model" "$folder/aarch64" qemu-aarch64-static -cpu $model; done
for level in scalar neon dotprod i8mm; do
    eval_logits "gcc, max, SKALD_CPU=$level" env SKALD_CPU=$level qemu-aarch64-static -cpu max "$folder/aarch64/bin/skald"
done
check "clang, max" "$folder/clang-aarch64" qemu-aarch64-static -cpu max
wait
if [ -s "$folder/kernels.txt" ]; then cat "$folder/kernels.txt"; failed=1; fi
exit $failed
