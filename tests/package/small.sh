#!/bin/bash
# A library without the rooms that a small target leaves out: tests/package/small.sh BUILD FOLDER builds it in FOLDER and holds it
# against that of BUILD.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
usage="usage: tests/package/small.sh BUILD FOLDER"
build=$(cd "${1:?$usage}" && pwd)
mkdir -p "${2:?$usage}"
folder=$(cd "$2" && pwd)
model=$root/tests/golden/data/tiny/llama_gqa_tied/model-f32.gguf

cmake -S "$root" -B "$folder/small" -DSKALD_WITHOUT="template;avxvnni;avx512" -DSKALD_WERROR=ON
cmake --build "$folder/small" -j "$(nproc)"
if nm -D "$folder/small/lib/libskald.so" | grep -E 'skald_(engine|grammar|answer|template)_'; then exit 1; fi
[ "$("$folder/small/bin/hello" "$model" return | sha256sum)" = "$("$build/bin/hello" "$model" return | sha256sum)" ]
strip -o "$folder/stripped.so" "$folder/small/lib/libskald.so"
size=$(stat -c %s "$folder/stripped.so")
echo "small: $size bytes"
[ "$size" -lt 900000 ]
if cmake -S "$root" -B "$folder/none" -DSKALD_WITHOUT=rooms 2>/dev/null; then exit 1; fi
