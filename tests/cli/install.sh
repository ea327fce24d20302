#!/usr/bin/env bash
# What cmake --install leaves is enough: the binary runs, and the example of the C API compiles against header, library and
# pkg-config file alone, as C and as C++, and runs.
set -u
sluice=$1
build=$(cd "$(dirname "$sluice")" && pwd)
cd "$(dirname "$0")/../.."
if grep -q '^SLUICE_SANITIZE:STRING=.' "$build/CMakeCache.txt"; then
    echo "a sanitized library is not for installing"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "$*"
    exit 1
}
cmake --install "$build" --prefix "$work/usr" --strip >"$work/log" 2>&1 || { cat "$work/log"; fail "cmake --install failed"; }
[ "$("$work/usr/bin/sluice" --version | head -n 1)" = "$("$sluice" --version | head -n 1)" ] || fail "the installed binary is another"
export PKG_CONFIG_PATH=$(dirname "$(find "$work/usr" -name sluice.pc)")
mv "$work/usr" "$work/moved" # a package may be put anywhere
PKG_CONFIG_PATH=${PKG_CONFIG_PATH/#$work\/usr/$work/moved}
[ "$(pkg-config --modversion sluice)" = "$("$sluice" --version | sed -n 's/^sluice //p')" ] || fail "sluice.pc has another version"
cp examples/c/window_counts.c "$work/app.c"
cc -std=c17 -Wall -Wextra -Wpedantic -Werror "$work/app.c" -o "$work/app" $(pkg-config --cflags --libs sluice) || fail "the example does not compile"
"$work/app" examples/mobile/input | diff examples/c/window_counts.out - || fail "the example prints something else"
"$work/app" /nowhere >/dev/null 2>"$work/err"
[ $? -eq 1 ] && grep -q "PATH_NOT_FOUND" "$work/err" || { cat "$work/err"; fail "a missing directory is not told"; }
printf '#include <sluice/sluice.h>\nint main() { return sl_client_version()[0] == 0; }\n' >"$work/app.cc"
c++ -std=c++17 -Wall -Wextra -Werror "$work/app.cc" -o "$work/appcc" $(pkg-config --cflags --libs sluice) || fail "the header is not C++"
"$work/appcc" || fail "the C++ program failed"
