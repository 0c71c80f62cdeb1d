#!/bin/sh
# More platforms: a static program with musl has every committed hash. zig's clang builds the library for aarch64-macos,
# for glibc 2.17, where it asks for nothing newer, and for wasm32-wasi, without a warning; what runs here has the short hashes.
#     tests/golden/platforms.sh [FOLDER]      builds in FOLDER (build/platforms); 77 where musl-gcc or zig cannot be had
# zig and wasmtime come from PyPI into a virtual environment in FOLDER.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$root/build/platforms}
hashes=$root/tests/golden/data/hashes.txt
model=golden/data/tiny/llama_gqa_tied/model-f32.gguf
mkdir -p "$folder" && folder=$(cd "$folder" && pwd)
command -v musl-gcc >/dev/null || { echo "skipped: musl-gcc is not there"; exit 77; }
if ! [ -x "$folder/python/bin/python" ] || ! "$folder/python/bin/python" -c 'import ziglang, wasmtime' 2>/dev/null; then
    python3 -m venv "$folder/python" && "$folder/python/bin/pip" install -q 'ziglang==0.17.*' wasmtime ||
        { echo "skipped: ziglang or wasmtime cannot be had"; exit 77; }
fi
python=$folder/python/bin/python

build() { # name, targets, arguments of cmake
    build=$folder/$1 targets=$2
    shift 2
    begin=$(date +%s)
    cmake -S "$root" -B "$build" -DSKALD_TESTS=ON -DSKALD_WERROR=ON "$@" >"$build.log" 2>&1 &&
        cmake --build "$build" --parallel 2 --target $targets >>"$build.log" 2>&1 ||
        { tail -n 30 "$build.log"; exit 1; }
    echo "$(basename "$build"): built in $(($(date +%s) - begin)) s"
}

# system, processor, target of zig, targets of the build
zig() {
    [ "$1" = WASI ] || set -- "$@" "-DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS=-O1" # builds in half the time, and has the same bits
    tools=$folder/$3-tools
    mkdir -p "$tools"
    for tool in "cc -target $3" ar ranlib; do
        printf '#!/bin/sh\nexec "%s" -m ziglang %s "$@"\n' "$python" "$tool" >"$tools/zig-${tool%% *}"
        chmod +x "$tools/zig-${tool%% *}"
    done
    build "$3" "$4" ${5-} -DCMAKE_TOOLCHAIN_FILE="$root/tests/support/zig.cmake" -DSKALD_ZIG="$tools" \
        -DSKALD_ZIG_SYSTEM="$1" -DSKALD_ZIG_PROCESSOR="$2"
}

short() { # name, command: prints the short hashes
    name=$1
    shift
    "$@" short >"$folder/got.txt"
    diff "$folder/short.txt" "$folder/got.txt"
    echo "$name: $(wc -l <"$folder/got.txt") hashes are equal"
}

grep -E ' (model|f32 A 24|f16 A 136) ' "$hashes" >"$folder/short.txt"

build musl "test_golden_same_bits hello" -DCMAKE_C_COMPILER=musl-gcc -DCMAKE_EXE_LINKER_FLAGS=-static
"$folder/musl/tests/test_golden_same_bits" hashes | grep -v ' what others ' >"$folder/got.txt"
grep -v '^eval ' "$hashes" | diff - "$folder/got.txt"
echo "musl: $(wc -l <"$folder/got.txt") hashes are equal"
"$folder/musl/bin/hello" "$root/tests/$model" "Hello" >"$folder/hello.txt"

zig Darwin aarch64 aarch64-macos "skald_static skald_shared"

zig Linux x86_64 x86_64-linux-gnu.2.17 "skald_static skald_shared test_golden_same_bits"
newest=$(objdump -T "$folder/x86_64-linux-gnu.2.17/lib/libskald.so" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
[ "$newest" = "$(printf '%s\nGLIBC_2.17\n' "$newest" | sort -V | head -n 1)" ] || { echo "$newest is asked for"; exit 1; }
short x86_64-linux-gnu.2.17 "$folder/x86_64-linux-gnu.2.17/tests/test_golden_same_bits"

zig WASI wasm32 wasm32-wasi "skald_static test_golden_same_bits hello"
wasi() { "$python" "$root/tests/support/wasi.py" "$root/tests" "$@"; }
short wasm32-wasi wasi "$folder/wasm32-wasi/tests/test_golden_same_bits"
wasi "$folder/wasm32-wasi/bin/hello" "/$model" "Hello" | diff "$folder/hello.txt" -
echo "wasm32-wasi: hello says the same"
