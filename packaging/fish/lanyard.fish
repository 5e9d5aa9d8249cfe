# SPDX-License-Identifier: MIT
# Completion of lanyard's commands and options, which it lists itself.

function __lanyard_commands
    lanyard help 2>/dev/null | string replace -rf '^  ([a-z]+) +(.+)$' '$1\t$2'
end

# The words of the command so far that are no options: "user add" has two.
function __lanyard_words
    string match -v -- '-*' (commandline -opc)[2..-1]
end

function __lanyard_second
    set -l words (__lanyard_words)
    test (count $words) -eq 1; and lanyard $words[1] --help 2>/dev/null | string replace -rf '^  ([a-z]+) +(.+)$' '$1\t$2'
end

function __lanyard_options
    set -l words (__lanyard_words)
    set -q words[1]; or return
    contains -- $words[1] user devices sessions config; and set words $words[1..2]; or set words $words[1]
    lanyard $words --help 2>/dev/null | string match -ra -- '--[a-z][a-z-]+' | sort -u
end

complete -c lanyard -n 'test (count (__lanyard_words)) -eq 0' -f -a '(__lanyard_commands)'
complete -c lanyard -n 'contains -- (__lanyard_words)[1] user devices sessions config known; and test (count (__lanyard_words)) -eq 1' -f \
    -a '(__lanyard_second)'
complete -c lanyard -n 'string match -q -- "-*" (commandline -ct)' -f -a '(__lanyard_options)'
