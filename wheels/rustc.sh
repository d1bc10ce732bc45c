#!/bin/sh
# Prints a rustc that can build for a target such as aarch64-unknown-linux-gnu: the usual one where rustup has added the
# target, else Debian's, unpacked in .venv. It is not for the other tools: cargo stays the usual one.
set -eu
cd "$(dirname "$0")/.."
. wheels/debian.sh
target=$1 rustc=${RUSTC:-rustc}
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

builds_for_target() {
    folder=$("$1" --print target-libdir --target "$target" 2>/dev/null) && ls "$folder"/libcore-*.rlib >/dev/null 2>&1
}

if builds_for_target "$rustc"; then
    echo "$rustc"
    exit
fi

missing="Rust's standard library for $target is not there" cure="Get it with: rustup target add $target"
wrapper=$DEBIAN/rustc
if [ -x "$wrapper" ] && builds_for_target "$wrapper"; then
    echo "$wrapper"
    exit
fi
case $target in
aarch64-unknown-linux-gnu) arm=arm64 ;;
*) say "$missing" "$cure" ;;
esac
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || say "$missing" "$cure"
debian_ready amd64 "$cure" "$missing"
debian_ready $arm "$cure" "$missing"

# A stable Debian keeps its first rustc, and a newer one beside it for its browsers.
for name in -web ""; do
    version=$(debian_field amd64 "rustc$name" Version)
    if [ -n "$version" ] && dpkg --compare-versions "$version" ge $oldest; then break; fi
    version=
done
[ -n "$version" ] || say "$missing, and Debian's rustc is older than $oldest" "$cure"
std=libstd-rust$name-dev
runtime=$(debian_field amd64 "$std" Depends | sed 's/[ ,].*//')
llvm=$(debian_field amd64 "$runtime" Depends | grep -o 'libllvm[0-9]*')
echo "make: no standard library for $target here; unpacking Debian's rustc $version into $DEBIAN" >&2
debian_files amd64 "rustc$name" "$std" "$runtime" "$llvm" libz3-4 libedit2 &&
    debian_files $arm "$std" || say "Debian's rustc cannot be had" "$cure"
# rustc finds the standard libraries of all targets in one folder.
cp -r "$DEBIAN/$arm/root/usr/lib/rustlib/$target" "$DEBIAN/amd64/root/usr/lib/rustlib/"
rm -r "$DEBIAN/$arm/root/usr/lib/rustlib"
cat >"$wrapper" <<END
#!/bin/sh
LD_LIBRARY_PATH='$DEBIAN/amd64/root/usr/lib/x86_64-linux-gnu' exec '$DEBIAN/amd64/root/usr/bin/rustc' "\$@"
END
chmod +x "$wrapper"
builds_for_target "$wrapper" || say "Debian's rustc does not start here" "$cure"
echo "$wrapper"
