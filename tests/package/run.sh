#!/bin/bash
# What a host sees of the library: tests/package/run.sh BUILD installs that build, moves the prefix elsewhere, and
# builds hosts against it with CMake and pkg-config, shared and static, and one that has the sources in its tree.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$(cd "${1:?usage: tests/package/run.sh BUILD}" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

check() { # NAME COMMAND...: counts, and shows the output of what fails
    local name=$1
    shift
    if "$@" >"$folder/log" 2>&1; then echo "package $name: ok"; else
        echo "package $name: FAILED"
        tail -30 "$folder/log"
        failed=1
    fi
}
needs() { readelf -d "$1" | grep -q 'NEEDED.*libskald\.so\.0'; }
alone() { [ -x "$1" ] && ! readelf -d "$1" | grep -q 'NEEDED.*libskald'; }

install_and_move() {
    cmake --install "$build" --prefix "$folder/first" || return 1
    mkdir "$folder/elsewhere" && mv "$folder/first" "$folder/elsewhere/prefix"
    ! grep -rl "$folder/first" "$prefix"
}
prefix=$folder/elsewhere/prefix
check "installs, and nothing remembers where" install_and_move
library=$(dirname "$(find "$prefix" -name libskald.so | head -1)")
export PKG_CONFIG_PATH=$library/pkgconfig LD_LIBRARY_PATH=$library

check "soname" sh -c "readelf -d '$library/libskald.so' | grep -q 'SONAME.*\[libskald\.so\.0\]'"
check "symbol version" sh -c "readelf -V '$library/libskald.so' | grep -q 'Name: SKALD_0'"
check "program" "$prefix/bin/skald" --help
if command -v c++ >/dev/null; then
    check "C++ header" sh -c "echo '#include <skald/skald.hpp>' | c++ -std=c++17 -Wall -Werror -fsyntax-only -I '$prefix/include' -x c++ -"
fi

host() { cmake -S "$here/$1" -B "$folder/$1" -DCMAKE_BUILD_TYPE=Debug "${@:2}" && cmake --build "$folder/$1" -j 2; }
check "find_package" host installed -DCMAKE_PREFIX_PATH="$prefix"
check "find_package, shared" "$folder/installed/shared"
check "find_package, shared links the library" needs "$folder/installed/shared"
check "find_package, static" env -u LD_LIBRARY_PATH "$folder/installed/static"
check "find_package, static is alone" alone "$folder/installed/static"

cc=${CC:-cc}
with_pkg_config() { "$cc" "$here/main.c" -o "$folder/$1" "${@:3}" $(pkg-config $2 --cflags --libs skald); }
if command -v pkg-config >/dev/null; then
    check "pkg-config" with_pkg_config shared ""
    check "pkg-config, shared" "$folder/shared"
    check "pkg-config, shared links the library" needs "$folder/shared"
    check "pkg-config --static" with_pkg_config static --static -static
    check "pkg-config, static" env -u LD_LIBRARY_PATH "$folder/static"
fi

check "add_subdirectory" host embedded -DSKALD_SOURCE="$root"
check "add_subdirectory, shared" env -u LD_LIBRARY_PATH "$folder/embedded/shared"
check "add_subdirectory, static" "$folder/embedded/static"
check "add_subdirectory, static is alone" alone "$folder/embedded/static"
exit $failed
