# Which Debian packages each command needs, and how they get there.
# shellcheck shell=bash

# One group a purpose; 'need GROUP...' installs what is missing and says nothing when all is there.
# valgrind is there to build with because its header puts the hooks into the library's stacks.
declare -A packages=(
    [build]="gcc libc6-dev meson ninja-build pkg-config python3 liburing-dev libssl-dev libseccomp-dev libxxhash-dev
            libgsasl-dev libsqlite3-dev zlib1g-dev valgrind"
    [test]="libcmocka-dev libfaketime libjansson-dev curl gdb libc6-dbg procps util-linux iproute2 sslscan testssl.sh
            qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    [lint]="clang clang-format clang-tidy g++ shellcheck"
    [fuzz]="clang llvm libclang-rt-14-dev"
    [demo]="iproute2 util-linux"
    [package]="dpkg-dev binutils"
    [fresh]="debootstrap"
    [units]="qemu-system-x86 e2fsprogs"
    [kernel_tls]="qemu-system-x86 busybox-static kmod cpio"
)

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "dev: $*"
    exit 1
}

# The names among the arguments that dpkg does not call installed.
missing_packages() {
    local name
    for name; do
        [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$name" 2>/dev/null)" = "ii " ] || printf '%s\n' "$name"
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        command -v sudo >/dev/null || die "this needs root, and there is no sudo: $*"
        sudo "$@"
    fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600 \
        -o APT::Update::Error-Mode=any "$@" </dev/null 2>&1
}

install_packages() {
    command -v dpkg-query >/dev/null || die "this needs a Debian system: dpkg is not here"
    local missing
    missing=$(missing_packages "$@" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
        die "these packages are missing and neither root nor sudo is at hand: $missing"
    say "dev: installing $missing"
    # The lists may be absent or older than the mirror: fetch them only when the first try shows it.
    local output
    # shellcheck disable=SC2086
    output=$(apt_install --no-install-recommends install $missing) && return 0
    output=$(apt_install update) || say "dev: apt-get update failed; trying with the lists at hand:" "$output"
    # shellcheck disable=SC2086
    output=$(apt_install --no-install-recommends install $missing) && return 0
    say "$output"
    die "could not install $missing"
}

need() {
    local group
    local -a names=()
    for group; do
        read -r -d '' -a group_names <<<"${packages[$group]}" || true
        names+=("${group_names[@]}")
    done
    install_packages "${names[@]}"
}
