# Another system by clang and the libraries that zig brings: cmake -DCMAKE_TOOLCHAIN_FILE=tests/support/zig.cmake
# -DSKALD_ZIG=FOLDER -DSKALD_ZIG_SYSTEM=Darwin|Linux|WASI -DSKALD_ZIG_PROCESSOR=aarch64|x86_64|wasm32, where FOLDER has the
# programs zig-cc, with the target in it, zig-ar and zig-ranlib, as tests/golden/platforms.sh writes them.
set(CMAKE_SYSTEM_NAME ${SKALD_ZIG_SYSTEM})
set(CMAKE_SYSTEM_PROCESSOR ${SKALD_ZIG_PROCESSOR})
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES SKALD_ZIG SKALD_ZIG_SYSTEM SKALD_ZIG_PROCESSOR)
set(CMAKE_C_COMPILER ${SKALD_ZIG}/zig-cc)
set(CMAKE_AR ${SKALD_ZIG}/zig-ar)
set(CMAKE_RANLIB ${SKALD_ZIG}/zig-ranlib)
set(CMAKE_OSX_SYSROOT "")
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
