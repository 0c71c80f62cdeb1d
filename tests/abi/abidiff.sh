#!/bin/sh
# The recorded ABI against that of the sources: abidiff.sh FOLDER [record]
# Builds the library with debug information in FOLDER and compares it with skald.abi; "record" writes skald.abi anew, which
# is a change that a reviewer looks at.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cmake -S "$root" -B "$folder" -DCMAKE_BUILD_TYPE=Debug -DSKALD_PROGRAMS=OFF -DSKALD_TESTS=OFF \
    -DCMAKE_C_FLAGS="-ffile-prefix-map=$root=." > "$folder/configure.log"
cmake --build "$folder" --target skald_shared > "$folder/build.log"
# Paths, lines and the library's own types would only make noise. Comparing two records, made alike, sees every public
# struct; abidiff on the library itself leaves some out as private.
abidw --headers-dir "$root/include" --drop-private-types --exported-interfaces-only --no-show-locs --no-corpus-path \
    --no-comp-dir-path --no-parameter-names --type-id-style hash --out-file "$folder/skald.abi" "$folder/lib/libskald.so"
if [ "${2:-}" = record ]; then
    cp "$folder/skald.abi" "$here/skald.abi"
else
    abidiff "$here/skald.abi" "$folder/skald.abi"
fi
