#!/bin/bash
# The crates' tests, offline: with the library that pkg-config finds, and with the feature `bundled`; and skald-sys as it is
# published. tests/package/rust.sh FOLDER builds in FOLDER. (bindings.rust has clippy and rustfmt where they are.)
set -eu
mkdir -p "${1:?usage: tests/package/rust.sh FOLDER}"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/../../bindings/rust"
unset SKALD_LIB_DIR
tests() { cargo test --offline --quiet --target-dir "$folder/$1" "${@:2}"; }
shared() { readelf -d "$folder/$1/debug/examples/hello" | grep -q 'NEEDED.*libskald'; }

tests installed
shared installed
tests bundled --features skald/bundled
if shared bundled; then echo "bundled: hello asks for libskald.so" && exit 1; fi
./package.sh "$folder/package"
echo "rust: ok, $(cargo --version)"
