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

# The words that an option takes: the command, the option, the words.
function __lanyard_value
    set -l long (string match -r -- '--(.+)' $argv[2])
    complete -c lanyard -n "contains -- (__lanyard_words)[1] $argv[1]" -x -l $long[2] -a "$argv[3..-1]"
end

__lanyard_value serve --reactor epoll io_uring poll select
__lanyard_value serve --audit try need off
__lanyard_value serve --log-format logfmt json
__lanyard_value serve --log-level error warning info debug
__lanyard_value audit --what login pair exec put get ls stat mkdir mv rm partial session_kill killed revoke audit
__lanyard_value audit --result ok begun error
__lanyard_value user --roles read write exec chat admin all none
__lanyard_value sessions --user '(__lanyard_users)'
functions -e __lanyard_value

# The users of this machine, for who may read them.
function __lanyard_users
    lanyard user list 2>/dev/null | string replace -rf '^([^ ]+) .*' '$1' | string match -v NAME
end

complete -c lanyard -n 'string match -qr "^(user (passwd|role|disable|enable|pair|remove)|devices list)\$" -- (string join " " (__lanyard_words))' -f \
    -a '(__lanyard_users)'
