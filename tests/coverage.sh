#!/bin/bash
# Which lines and branches of lib/ the tests reach, by clang and llvm-cov: at least 95 % and 85 %, or it fails. By hand: half a
# dozen minutes. Prints the sum, then each file with how many branches and lines were not reached.
#     tests/coverage.sh [FOLDER]             builds in FOLDER (build/coverage) and runs every test there
#     tests/coverage.sh FOLDER FILE...       shows what a run did not reach in the files
# Left out: tests that look at the library itself, and the long part of the one of bits, whose texts are read once.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$root/build/coverage}
mkdir -p "$folder/profiles"
folder=$(cd "$folder" && pwd)
objects() {
    find "$folder/tests" "$folder/bin" -maxdepth 1 -type f -perm -100 -printf '-object %p '
}

if [ $# -gt 1 ]; then
    shift
    llvm-cov show "$folder/lib/libskald.so" -show-branches=count -instr-profile="$folder/all.profdata" $(objects) "$@" 2>/dev/null |
        grep -E '^ *[0-9]+\| *0\||False: 0\]|True: 0,|^/'
    exit
fi

# Static functions are told apart by the name of their file without its folder: here the name is the path.
cat >"$folder/named" <<'END'
#!/bin/sh
for word; do case $word in *.c) path=$word ;; esac; done
exec "$@" ${path:+-Xclang -main-file-name -Xclang "$path"}
END
chmod +x "$folder/named"
cmake -S "$root" -B "$folder" -DCMAKE_C_COMPILER=clang -DCMAKE_C_COMPILER_LAUNCHER="$folder/named" -DCMAKE_BUILD_TYPE=Debug \
    -DSKALD_TESTS=ON -DCMAKE_C_FLAGS="-O1 -fprofile-instr-generate -fcoverage-mapping" >/dev/null
cmake --build "$folder" --parallel "$(nproc)" >/dev/null
rm -f "$folder"/profiles/*
export LLVM_PROFILE_FILE="$folder/profiles/%4m.profraw"
ctest --test-dir "$folder" -j "$(nproc)" -E '^(abi\.(library|recorded|rooms|headers)|package|docs|golden\.same_bits|faults\.visits|bindings)' |
    tail -n 4
"$folder/tests/test_golden_same_bits" hashes >/dev/null

llvm-profdata merge -sparse "$folder"/profiles/*.profraw -o "$folder/all.profdata"
llvm-cov export "$folder/lib/libskald.so" -summary-only -instr-profile="$folder/all.profdata" $(objects) $(find "$root/lib" -name '*.c') \
    >"$folder/summary.json" 2>/dev/null
python3 - "$folder/summary.json" "$root/" <<'END'
import json
import sys

data = json.load(open(sys.argv[1]))["data"][0]
missed = lambda f, kind: f["summary"][kind]["count"] - f["summary"][kind]["covered"]
for f in sorted(data["files"], key=lambda f: -missed(f, "branches")):
    if missed(f, "branches") or missed(f, "lines"):
        print(f'{missed(f, "branches"):5} branches {missed(f, "lines"):4} lines  {f["filename"].replace(sys.argv[2], "")}')
lines, branches = (data["totals"][kind] for kind in ("lines", "branches"))
print(f'lines {lines["percent"]:.2f} % of {lines["count"]}, branches {branches["percent"]:.2f} % of {branches["count"]}')
sys.exit(lines["percent"] < 95 or branches["percent"] < 85)
END
