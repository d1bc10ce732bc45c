# Debian's packages in a folder of our own: to be sourced. Needs no root and changes nothing on the machine: lists, cache and
# files all stay in $DEBIAN. apt checks the signatures as ever.
#
# Used where rustup cannot help: for an Arm userland to test in, and on machines that reach Debian but not rustup.

DEBIAN=${DEBIAN:-$PWD/.venv/debian}

# say WHAT CURE: one line, then the end.
say() {
    echo "make: $1. $2" >&2
    exit 1
}

# debian_apt ARCHITECTURE COMMAND...: apt-get or apt-cache with its own state. Nothing counts as installed.
debian_apt() {
    architecture=$1 command=$2
    shift 2
    set -- -o APT::Architecture="$architecture" -o APT::Architectures::="$architecture" \
        -o APT::Sandbox::User="$(id -un)" -o Dir::State="$DEBIAN/$architecture/state" \
        -o Dir::State::status="$DEBIAN/$architecture/status" -o Dir::Cache="$DEBIAN/$architecture/cache" \
        -o Dir::Etc::sourcelist="$DEBIAN/sources.list" -o Dir::Etc::sourceparts="$DEBIAN/sources" "$@"
    "$command" "$@"
}

# debian_ready ARCHITECTURE CURE MISSING: the package lists are there, or the end.
debian_ready() {
    [ ! -e "$DEBIAN/$1/ready" ] || return 0
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null && [ -e /etc/debian_version ] || say "$3" "$2"
    mkdir -p "$DEBIAN/sources" "$DEBIAN/$1/state/lists/partial" "$DEBIAN/$1/cache/archives/partial" "$DEBIAN/$1/root"
    : >"$DEBIAN/$1/status"
    # The distribution's own sources alone: others need not know the architecture.
    [ ! -e /etc/apt/sources.list.d/debian.sources ] || cp /etc/apt/sources.list.d/debian.sources "$DEBIAN/sources/"
    if [ -e /etc/apt/sources.list ]; then cp /etc/apt/sources.list "$DEBIAN/"; else : >"$DEBIAN/sources.list"; fi
    debian_apt "$1" apt-get -qq update >&2 || say "Debian's package lists cannot be had" "$2"
    touch "$DEBIAN/$1/ready"
}

# debian_files ARCHITECTURE PACKAGE...: just these, unpacked.
debian_files() {
    of=$1
    shift
    rm -f "$DEBIAN/$of/cache/archives/"*.deb
    for package in "$@"; do
        (cd "$DEBIAN/$of/cache/archives" && debian_apt "$of" apt-get -qq download "$package") >&2 || return 1
    done
    debian_unpack "$of"
}

# debian_closure ARCHITECTURE PACKAGE...: these and all that they need, down to the C library, unpacked.
debian_closure() {
    of=$1
    shift
    debian_apt "$of" apt-get -qq -y --no-install-recommends --download-only install "$@" >&2 || return 1
    debian_unpack "$of"
}

debian_unpack() {
    for file in "$DEBIAN/$1/cache/archives/"*.deb; do
        dpkg-deb -x "$file" "$DEBIAN/$1/root" || return 1
    done
    rm -f "$DEBIAN/$1/cache/archives/"*.deb
}

# debian_field ARCHITECTURE PACKAGE FIELD: of the version that would be installed.
debian_field() {
    debian_apt "$1" apt-cache -q show --no-all-versions "$2" 2>/dev/null | sed -n "s/^$3: //p"
}
