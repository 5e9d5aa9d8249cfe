# ./dev fresh: the README's two commands inside a minimal Debian 12, so that a missing install step shows.
# shellcheck shell=bash

# The sources of this host's own Debian 12, as one-line entries; the mirror is never written down in the project.
host_sources() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(SITE) deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' | sed -n 's/^Debian bookworm[^ ]* [^ ]* deb /deb /p' | sort -u
}

# A tar file of the minimal system, kept so that the next time begins there.
fresh_base() {
    local cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/lanyard base=$1 mirror
    mkdir -p "$cache"
    if [ ! -f "$cache/bookworm.tar" ]; then
        mirror=$(host_sources | awk '$3 == "bookworm" {print $2; exit}')
        [ -n "$mirror" ] || die "no Debian 12 mirror in this host's apt sources"
        say "dev: making a minimal Debian 12"
        debootstrap --variant=minbase --include=ca-certificates bookworm "$base" "$mirror" >"$base.log" 2>&1 ||
            die "debootstrap failed: $(tail -n 20 "$base.log")"
        rm "$base.log"
        tar -C "$base" -cf "$cache/bookworm.tar.new" . && mv "$cache/bookworm.tar.new" "$cache/bookworm.tar"
    else
        tar -C "$base" -xf "$cache/bookworm.tar"
    fi
    host_sources >"$base/etc/apt/sources.list"
    apt-config dump | grep -E '^Acquire::(http|https|Check|ForceIPv)' >"$base/etc/apt/apt.conf.d/99host" || true
    cp -L /etc/resolv.conf /etc/hosts "$base/etc/"
    cp -L /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/" 2>/dev/null || true
}

# Runs in its own mount namespace, so that nothing stays mounted whatever happens.
fresh_enter() {
    local base=$1
    mount --bind "$base" "$base" # tests that mount need a root that is a mount point, as it is on a system that was booted
    cd "$base" || return # into what was mounted, not below it
    mount -t proc proc "$base/proc"
    mount -t sysfs -o ro sysfs "$base/sys"
    mount --rbind /dev "$base/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$base/dev/shm" 2>/dev/null || true
    exec env -i HOME=/root TERM="${TERM:-dumb}" PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
        chroot "$base" /bin/bash -c 'cd /root/lanyard && exec scripts/fresh-inside'
}

dev_fresh() {
    [ "$(id -u)" -eq 0 ] || die "'./dev fresh' makes a root file system: run it as root"
    need fresh
    local base status=0
    base=$(mktemp -d "${TMPDIR:-/var/tmp}/lanyard-fresh.XXXXXX")
    chmod 755 "$base"
    # shellcheck disable=SC2064
    trap "rm -rf --one-file-system '$base'" EXIT
    fresh_base "$base"
    mkdir "$base/root/lanyard"
    tar -c --exclude=./.git --exclude='./build*' --exclude=__pycache__ . | tar -C "$base/root/lanyard" -x
    export -f fresh_enter
    # shellcheck disable=SC2016
    unshare --mount --propagation private bash -euc 'fresh_enter "$1"' bash "$base" </dev/null || status=$?
    return "$status"
}
