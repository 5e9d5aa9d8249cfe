# ./dev fuzz T [SECONDS]
# shellcheck shell=bash

fuzz_targets() {
    local file
    for file in fuzz/*.c; do
        [ "$file" = fuzz/replay.c ] || basename "$file" .c
    done
}

dev_fuzz() {
    local target=${1:-} seconds=${2:-60}
    [[ -n $target && -f fuzz/$target.c && $target != replay ]] ||
        die "usage: ./dev fuzz T [SECONDS], with T one of: $(fuzz_targets | tr '\n' ' ')"
    [[ $seconds =~ ^[0-9]+$ ]] || die "'$seconds' is no number of seconds"
    need build fuzz
    CC=clang configure build-fuzz -Dfuzz=true -Dtests=disabled -Dexamples=false -Dbuildtype=debugoptimized \
        -Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link
    compile build-fuzz "fuzz/fuzz-$target"
    local found=build-fuzz/found corpus=build-fuzz/corpus/$target status=0 folder
    mkdir -p "$found" "$corpus"
    local -a folders=("$corpus")
    for folder in "fuzz/corpus/$target" "fuzz/regression/$target"; do
        [ ! -d "$folder" ] || folders+=("$folder")
    done
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "build-fuzz/fuzz/fuzz-$target" "-max_total_time=$seconds" \
        -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 "-artifact_prefix=$found/$target-" "${folders[@]}" || status=$?
    [ "$status" -eq 0 ] || say "dev: fuzz/README.md says what to do with the input in $found/"
    return "$status"
}
