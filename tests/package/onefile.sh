#!/bin/bash
# The library in one file: builds with one compiler command, without a warning, and computes the same bits; under other names
# it lives in one process beside the library.
# tests/package/onefile.sh BUILD FOLDER, after a build; the compiler is CC. The tests of bits are linked with it in place
# of the library.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:?usage: tests/package/onefile.sh BUILD FOLDER}" && pwd)
folder=$2
cc=${CC:-cc}
mkdir -p "$folder"
python3 "$root/pkgconfig/onefile.py" "$folder"
cp "$root/examples/hello.c" "$folder/hello.c" && sed -i 's|<skald/skald.h>|"skald.h"|' "$folder/hello.c"
cd "$folder"
"$cc" -Wall -Wextra -Werror -fsyntax-only skald.c
"$cc" -O3 -Werror -c skald.c
"$cc" -O2 -o hello hello.c skald.o -lm -lpthread -ldl
model=$root/tests/golden/data/tiny/llama_gqa_tied/model-f32.gguf
[ "$(./hello "$model" "the sea")" = "$("$build/bin/hello" "$model" "the sea")" ] || {
    echo "hello says something else"
    exit 1
}
"$cc" -o same_bits $(find "$build/tests/CMakeFiles/"{skald_test_objects,test_golden_same_bits}.dir -name "*.o") skald.o -lm -lpthread -ldl
./same_bits short >hashes.txt
grep -E ' (model|f32 A 24|f16 A 136) ' "$root/tests/golden/data/hashes.txt" | cmp - hashes.txt
"$cc" -O1 -fPIC -fvisibility=hidden -shared -DSKALD_PREFIX=mine_ -o mine.so skald.c -lm -lpthread -ldl
[ "$(nm -D --defined-only mine.so | grep -vc ' mine_skald_')" = 0 ]
"$build/tests/test_faults_visits" "$PWD/mine.so" mine_
echo "$(wc -l <hashes.txt) hashes are equal; skald.c has $(wc -l <skald.c) lines"
