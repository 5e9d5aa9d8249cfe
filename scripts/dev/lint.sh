# ./dev lint: what a reader should not have to look for.
# shellcheck shell=bash

lint_format() {
    find src include examples tests fuzz bench -name '*.[ch]' -print0 | xargs -0 -r clang-format --dry-run --Werror
}

# Each file once; again only when it, a header or the settings are newer than its last clean pass.
lint_tidy() {
    CC=clang configure build-lint -Dtests=enabled -Dbuildtype=debug || return 1
    local file stamp newest
    local -a sources todo=()
    mapfile -t sources < <(python3 -c '
import json, os
for entry in json.load(open("build-lint/compile_commands.json")):
    path = os.path.relpath(os.path.join(entry["directory"], entry["file"]))
    if path.endswith(".c"):
        print(path)' | sort -u)
    [ ${#sources[@]} -gt 0 ] || return 1
    newest=$(find .clang-tidy src include tests fuzz examples \( -name '*.h' -o -name .clang-tidy \) -printf '%T@ %p\n' |
        sort -n | tail -n 1 | cut -d' ' -f2-)
    for file in "${sources[@]}"; do
        stamp=build-lint/tidy/$file
        if [ "$file" -nt "$stamp" ] || [ "$newest" -nt "$stamp" ]; then
            todo+=("$file")
        fi
    done
    [ ${#todo[@]} -eq 0 ] && return 0
    printf '%s\0' "${todo[@]}" | xargs -0 -n 1 -P "$(nproc)" scripts/lint-tidy-one
}

lint_floors() {
    scripts/lint-floors
}

# Public headers alone under the strictest C and as C++; inner headers alone as the library compiles them.
lint_headers() {
    local header failed=0
    for header in include/lanyard/*.h; do
        gcc -std=c11 -pedantic-errors -Wall -Wextra -Werror -Wundef -Wstrict-prototypes -fsyntax-only -Iinclude -x c - \
            <<<"#include <${header#include/}>" || failed=1
        g++ -std=c++11 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -Iinclude -x c++ - \
            <<<"#include <${header#include/}>" || failed=1
    done
    while read -r header; do
        gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -Iinclude -Isrc -x c - \
            <<<"#include \"${header#src/}\"" || failed=1
    done < <(find src -name '*.h')
    return $failed
}

# What is left to do, and what a merge has left.
lint_markers() {
    ! grep -rnE '\b(TODO|FIXME|XXX)\b|^(<<<<<<<|>>>>>>>) ' src include examples tests fuzz bench scripts/dev docs man ./*.md \
        --include='*.[chS]' --include='*.py' --include='*.md' --include='*.[0-9]'
}

lint_readmes() {
    local folder failed=0
    for folder in src/*/ examples/ fuzz/ bench/ tests/ scripts/; do
        if [ ! -f "$folder/README.md" ] && [ -n "$(find "$folder" -type f ! -name meson.build -print -quit)" ]; then
            printf '%s: no README.md\n' "$folder"
            failed=1
        fi
    done
    return $failed
}

# What the manual pages and completions list, what is made from headers and tests, and where the pages' links lead.
lint_pages() {
    local failed=0
    scripts/lint-manual || failed=1
    scripts/lint-options || failed=1
    scripts/reference check || failed=1
    scripts/conformance check || failed=1
    scripts/lint-links || failed=1
    return $failed
}

lint_shell() {
    shellcheck -x dev .ci/run scripts/check-installed scripts/check-packages scripts/check-kernel-tls scripts/packages-inside scripts/fresh-inside scripts/lint-tidy-one scripts/dev/*.sh
}

# usage: dev_lint [CHECK...]
dev_lint() {
    need build test lint
    local check failed=0
    [ $# -gt 0 ] || set -- format markers readmes pages floors headers shell tidy
    for check; do
        if "lint_$check"; then
            printf 'ok      %s\n' "$check"
        else
            printf 'FAILED  %s\n' "$check"
            failed=1
        fi
    done
    return $failed
}
