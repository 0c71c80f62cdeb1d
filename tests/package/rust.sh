#!/bin/bash
# The crates offline, with the library that pkg-config finds and with the feature `bundled`; clippy and rustfmt where they
# are. tests/package/rust.sh FOLDER builds in FOLDER.
set -eu
mkdir -p "${1:?usage: tests/package/rust.sh FOLDER}"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/../../bindings/rust"
unset SKALD_LIB_DIR
has() { cargo "$1" --version >/dev/null 2>&1 || { echo "cargo $1 is missing: not run"; return 1; }; }
shared() { readelf -d "$folder/$1/debug/examples/hello" | grep -q 'NEEDED.*libskald'; }
crates() { # KIND OPTIONS...: kind is the folder
    cargo test --offline --quiet --target-dir "$folder/$1" "${@:2}"
    has clippy || return 0
    cargo clippy --offline --quiet --all-targets --target-dir "$folder/$1" "${@:2}" -- -D warnings
}

crates installed
shared installed
crates bundled --features skald/bundled
if shared bundled; then echo "bundled: hello asks for libskald.so" && exit 1; fi
if has fmt; then cargo fmt --check; fi
echo "rust: ok, $(cargo --version)"
