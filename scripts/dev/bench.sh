# ./dev bench
# shellcheck shell=bash

dev_bench() {
    local -a peers
    [ -x bench/run ] || die "there is no bench/run"
    # One package a line; a # begins a comment.
    mapfile -t peers < <(sed 's/#.*//' bench/packages | tr -s ' \t' '\n' | sed '/^$/d')
    need build
    install_packages "${peers[@]}"
    configure build-bench -Dtests=disabled -Dexamples=false -Dbench=true
    compile build-bench
    bench/run "$@"
}
