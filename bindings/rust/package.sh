#!/bin/sh
# skald-sys as it is published, with the library's sources in vendor/: package.sh FOLDER works there, and leaves the crate in
# FOLDER/target/package when it builds by itself with the feature `bundled`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?usage: package.sh FOLDER}/vendor"
cd "$1"
cp -r "$here/skald-sys/." "$here/../../LICENSE" .
for room in include lib backends; do
    cp -r "$here/../../$room" vendor/
done
cargo package --offline --quiet --allow-dirty --features bundled --target-dir target
