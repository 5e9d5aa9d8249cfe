# ./dev demo: three machines on this one; scripts/demo tells.
# shellcheck shell=bash

dev_demo() {
    [ "$(id -u)" -eq 0 ] || die "'./dev demo' makes network namespaces: run it as root"
    need demo
    dev_build
    # Its namespaces end with it, so that nothing is left even then.
    timeout --foreground --kill-after=10 300 scripts/demo "$@"
}
