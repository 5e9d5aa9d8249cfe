# ./dev bench
# shellcheck shell=bash

# Install without starting: a peer that is measured must not become a service of this machine.
install_unstarted() {
    local policy=/usr/sbin/policy-rc.d
    if [ -z "$(missing_packages "$@")" ] || [ -e "$policy" ]; then
        install_packages "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    local status=0
    (install_packages "$@") || status=$?
    as_root rm -f "$policy"
    return "$status"
}

dev_bench() {
    local -a peers
    [ -x bench/run ] || die "there is no bench/run"
    # One package a line; a # begins a comment.
    mapfile -t peers < <(sed 's/#.*//' bench/packages | tr -s ' \t' '\n' | sed '/^$/d')
    need build
    install_unstarted "${peers[@]}"
    configure build-bench -Dtests=disabled -Dexamples=false -Dbench=true
    compile build-bench
    bench/run "$@"
}
