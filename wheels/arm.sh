#!/bin/sh
# Prints the command that runs an Arm program here: qemu's user emulation with Debian's Arm userland (C library, Python)
# unpacked in .venv. On an Arm machine nothing is needed and nothing is printed.
set -eu
cd "$(dirname "$0")/.."
. wheels/debian.sh
[ "$(uname -m)" != aarch64 ] || exit 0

cure="On Debian this is unpacked without root; elsewhere run make test on an Arm machine"
missing="an Arm userland to test in is not there"
debian_ready arm64 "$cure" "$missing"
userland=$DEBIAN/arm64/root
# NumPy wants the C++ library.
[ -x "$userland/usr/bin/python3" ] || debian_closure arm64 python3-minimal libpython3-stdlib libstdc++6 || say "$missing" "$cure"

qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64 || true)
if [ -z "$qemu" ]; then
    architecture=$(dpkg --print-architecture)
    qemu=$DEBIAN/$architecture/root/usr/bin/qemu-aarch64-static
    debian_ready "$architecture" "$cure" "qemu-aarch64 is not there"
    if [ ! -x "$qemu" ]; then
        debian_files "$architecture" qemu-user-static || say "qemu-aarch64 is not there" "$cure"
        # The package emulates thirty machines; one is wanted.
        find "${qemu%/*}" -name 'qemu-*' ! -name qemu-aarch64-static -delete
    fi
fi
echo "$qemu -L $userland"
