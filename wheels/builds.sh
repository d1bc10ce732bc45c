#!/bin/sh
# Builds the engine in different ways into target/builds, one unpacked wheel each, for `python -m benches builds`.
set -eu
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
profile=$(sh wheels/profile.sh)

# build NAME FLAGS: all else is equal.
build() {
    echo "make: building $1" >&2
    rm -rf "target/builds/$1"
    RUSTFLAGS=$2 .venv/bin/maturin build --quiet --release --locked --target "$host" --target-dir target/builds/cargo \
        --out "target/builds/$1/wheel"
    .venv/bin/python -m pip install --quiet --no-deps --target "target/builds/$1" "target/builds/$1/wheel/"*.whl
}

build portable ""
build profile-guided "-Cprofile-use=$profile"
if grep -qw avx2 /proc/cpuinfo 2>/dev/null && grep -qw bmi2 /proc/cpuinfo && grep -qw movbe /proc/cpuinfo; then
    build x86-64-v3 "-Ctarget-cpu=x86-64-v3"
    build x86-64-v3-profile-guided "-Ctarget-cpu=x86-64-v3 -Cprofile-use=$profile"
fi
