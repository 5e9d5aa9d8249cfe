# ./dev build and ./dev install.
# shellcheck shell=bash

# Meson's build folder with these options; set up once and reconfigured when an option changes. usage: configure DIR OPTION...
configure() {
    local dir=$1 stamp=$1/.options
    shift
    # The warning set is gcc's; clang has its say in clang-tidy.
    [ "${CC:-}" = clang ] || set -- --werror "$@"
    set -- -Dlibdir=lib "$@"
    if [ ! -f "$dir/build.ninja" ]; then
        quietly meson setup "$dir" "$@"
    elif [ "$(cat "$stamp" 2>/dev/null)" != "$*" ]; then
        quietly meson setup --reconfigure "$dir" "$@"
    fi
    printf '%s\n' "$*" >"$stamp"
    quietly ninja -C "$dir" build.ninja
}

# What a command prints is worth reading only when it fails.
quietly() {
    local output
    output=$("$@" 2>&1 </dev/null) || {
        say "$output"
        die "failed: $*"
    }
}

# On a terminal one line that moves; elsewhere only what went wrong.
compile() {
    local -a quiet=()
    [ -t 2 ] || quiet=(--quiet)
    ninja "${quiet[@]}" -C "$@" >&2
}

dev_build() {
    [ $# -eq 0 ] || die "build takes no arguments, not '$*'"
    need build
    # Where tests were once configured they stay so: going back and forth would configure each time.
    if [ -f build/.options ] && grep -q tests=enabled build/.options; then
        configure build -Dtests=enabled
    else
        configure build -Dtests=disabled
    fi
    compile build product
}

dev_install() {
    local prefix=${1:-/usr/local}
    case $prefix in
    -*) die "no option '$prefix': a prefix is a folder's name" ;;
    /*) ;;
    *) prefix=$PWD/$prefix ;;
    esac
    need build
    local -a root=()
    writable "$prefix" || root=(as_root)
    "${root[@]}" mkdir -p "$prefix" || die "cannot make the folder $prefix"
    configure build-install -Dtests=disabled -Dexamples=false "-Dprefix=$prefix"
    compile build-install product
    "${root[@]}" meson install -C build-install --no-rebuild --quiet
    # Only where the run-time linker looks by itself does its cache need to hear of a new library.
    if [ "$prefix" = /usr/local ] || [ "$prefix" = /usr ]; then
        "${root[@]}" /sbin/ldconfig
    fi
    say "dev: installed in $prefix"
}

# Whether this user may create files in that folder, or in its nearest ancestor that exists.
writable() {
    local folder=$1
    while [ ! -e "$folder" ]; do
        folder=$(dirname "$folder")
    done
    [ -w "$folder" ]
}
