#!/bin/sh
# Windows, by mingw-w64 and wine: hello answers, the DLL gives exactly the public names and needs the system's libraries
# alone, the short hashes are those of every machine, and the tests that need no POSIX pass.
#     tests/golden/windows.sh [FOLDER]      builds in FOLDER (build/windows); 77 where compiler or wine are missing
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$root/build/windows}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd) # wine takes no other than a whole path
export WINEPREFIX="$folder/wine" WINEDEBUG=-all
for tool in x86_64-w64-mingw32-gcc wine; do
    command -v $tool >/dev/null || { echo "skipped: $tool is not there"; exit 77; }
done

cmake -S "$root" -B "$folder" -DCMAKE_TOOLCHAIN_FILE="$root/tests/support/mingw.cmake" -DSKALD_TESTS=ON -DSKALD_WERROR=ON
cmake --build "$folder" --parallel "$(nproc)"
wine wineboot --init || { echo "skipped: wine does not run here"; exit 77; }

tables=$folder/tables.txt
x86_64-w64-mingw32-objdump -p "$folder/bin/libskald.dll" >"$tables"
sed -n 's/^.*\[ *[0-9]*\].* \(skald_[a-z0-9_]*\)$/\1/p' "$tables" | LC_ALL=C sort >"$folder/got.txt"
diff "$root/tests/abi/exports.txt" "$folder/got.txt"
if grep 'DLL Name' "$tables" | grep -viE 'kernel32|msvcrt|ucrt|api-ms-win-crt'; then exit 1; fi

wine "$folder/bin/hello.exe" "$root/tests/golden/data/tiny/llama_gqa_tied/model-f32.gguf" "Hello" >"$folder/hello.txt"
[ -s "$folder/hello.txt" ]
wine "$folder/tests/test_golden_same_bits.exe" short | tr -d '\r' >"$folder/got.txt"
grep -E ' (model|f32 A 24|f16 A 136) ' "$root/tests/golden/data/hashes.txt" | diff - "$folder/got.txt"
ctest --test-dir "$folder" -j 2 --timeout 100 --output-on-failure -E '^(golden\.(same_bits|texts)|faults\.(steps|covered))$'
