# ./dev test: build, run every test, count the cases.
# shellcheck shell=bash

# What each sanitizer is told: stop at the first finding, with a stack; an allocation beyond reason fails as malloc does.
sanitizer_environment() {
    local suppressions=$PWD/tests/suppressions
    export ASAN_OPTIONS=halt_on_error=1:allocator_may_return_null=1:abort_on_error=0:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=0
    export LSAN_OPTIONS=suppressions=$suppressions/leak.supp:print_suppressions=0
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    export TSAN_OPTIONS=halt_on_error=1:allocator_may_return_null=1:second_deadlock_stack=1:suppressions=$suppressions/thread.supp:die_after_fork=0
}

# gcc 12's sanitizers expect the address space as it was laid out by kernels that randomise fewer bits.
without_randomisation() {
    if setarch -R true 2>/dev/null; then
        setarch -R "$@"
    else
        "$@"
    fi
}

dev_test() {
    local sanitizer='' option OPTIND=1
    while getopts s: option; do
        case $option in
        s) sanitizer=$OPTARG ;;
        *) die "usage: ./dev test [-s address|undefined|address,undefined|thread] [NAME...]" ;;
        esac
    done
    shift $((OPTIND - 1))
    need build test
    case $sanitizer in
    '') configure build -Dtests=enabled && run_tests build env "$@" ;;
    address | undefined | address,undefined | thread)
        local dir=build-${sanitizer/,/-}
        configure "$dir" -Dtests=enabled -Dbuildtype=debugoptimized "-Db_sanitize=$sanitizer" -Db_lundef=false
        sanitizer_environment
        run_tests "$dir" without_randomisation "$@"
        ;;
    *) die "no sanitizer '$sanitizer': address, undefined, address,undefined or thread" ;;
    esac
}

# usage: run_tests DIR PREFIX [NAME...]: PREFIX is the command that runs the tests' runner.
run_tests() {
    local dir=$1 prefix=$2
    shift 2
    compile "$dir" product meson-test-prereq
    rm -f "$dir/meson-logs/testlog.json"
    # The report judges from the log, so meson's own verdict is not needed.
    "$prefix" meson test -C "$dir" --no-rebuild --no-suite lint "$@" </dev/null || true
    local all=()
    [ $# -gt 0 ] || all=(--all)
    python3 scripts/test-report "${all[@]}" "$dir/meson-logs/testlog.json"
}
