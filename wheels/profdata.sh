#!/bin/sh
# Prints an llvm-profdata that reads what the usual rustc writes: rustup's, else one of the same LLVM on the path, else
# Debian's, unpacked in .venv.
set -eu
cd "$(dirname "$0")/.."
. wheels/debian.sh
major=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
host=$(rustc -vV | sed -n 's/^host: //p')

for found in "$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata" "llvm-profdata-$major" "$DEBIAN/llvm-profdata"; do
    if command -v "$found" >/dev/null && "$found" --version | grep -q "LLVM version $major\."; then
        echo "$found"
        exit
    fi
done

missing="llvm-profdata of LLVM $major is not there" cure="Get it with: rustup component add llvm-tools"
architecture=$(dpkg --print-architecture 2>/dev/null) || say "$missing" "$cure"
debian_ready "$architecture" "$cure" "$missing"
echo "make: no llvm-profdata of LLVM $major here; unpacking Debian's into $DEBIAN" >&2
debian_files "$architecture" "llvm-$major" "libllvm$major" libz3-4 libedit2 || say "$missing" "$cure"
cat >"$DEBIAN/llvm-profdata" <<END
#!/bin/sh
LD_LIBRARY_PATH="\$(echo '$DEBIAN/$architecture/root/usr/lib/'*-linux-gnu)" \\
    exec '$DEBIAN/$architecture/root/usr/lib/llvm-$major/bin/llvm-profdata' "\$@"
END
chmod +x "$DEBIAN/llvm-profdata"
"$DEBIAN/llvm-profdata" --version >/dev/null || say "Debian's llvm-profdata does not start here" "$cure"
echo "$DEBIAN/llvm-profdata"
