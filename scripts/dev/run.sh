# ./dev run: serve this machine, for a first look.
# shellcheck shell=bash

# What is printed once the server answers. Indented lines are commands; 'dev fresh' runs them as they stand here.
print_welcome() {
    local work=$1
    cat <<TXT

This machine is served now, from the folder $work/root, to you alone, over a Unix socket.
In another terminal, in $PWD:

    build/lanyard exec -- uname -a
    build/lanyard put docs :docs
    build/lanyard ls :
    build/lanyard get :docs $work/back
    diff -r docs $work/back && echo the same

'build/lanyard --help' has the rest. Control-C ends the server and removes that folder.
TXT
}

# usage: wait_until_served SERVER_PID: until a client is answered; fails when the server has ended or stays silent.
wait_until_served() {
    local tries
    for tries in {1..150}; do
        kill -0 "$1" 2>/dev/null || return 1
        build/lanyard ping >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    say "dev: no answer after $((tries / 10)) seconds"
    return 1
}

dev_run() {
    local option
    for option; do
        case $option in
        -l* | --listen*) die "run serves on the default socket, as it prints; elsewhere: build/lanyard serve $*" ;;
        esac
    done
    dev_build
    [ -x build/lanyard ] || die "the program was not built"
    # What answers below must be the server that is started here, on the default socket.
    unset LANYARD_HOST
    ! build/lanyard ping >/dev/null 2>&1 || die "another 'lanyard serve' of yours runs on this machine: end it first"
    local work server status=0
    work=$(mktemp -d "${TMPDIR:-/tmp}/lanyard-run.XXXXXX")
    mkdir "$work/root"
    build/lanyard serve --root "$work/root" "$@" &
    server=$!
    # The terminal sends Control-C to the server too, which then drains; SIGTERM has to be passed on.
    trap ':' INT
    trap 'kill -TERM "$server" 2>/dev/null' TERM HUP
    if wait_until_served "$server"; then
        print_welcome "$work"
    else
        kill -TERM "$server" 2>/dev/null || true
        status=1
    fi
    # A signal ends 'wait' early: go on until the server itself has ended.
    while kill -0 "$server" 2>/dev/null; do
        wait "$server" || true
    done
    wait "$server" || status=$?
    rm -rf "$work"
    return "$status"
}
