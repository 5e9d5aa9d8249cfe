# ./dev package: the Debian packages.
# shellcheck shell=bash

# What goes into which package; the first pattern that fits counts.
package_of() {
    case $1 in
    usr/lib/*/liblanyard.so.*) echo liblanyard0 ;;
    usr/lib/* | usr/include/* | usr/share/man/man3/* | usr/share/lanyard/*) echo liblanyard-dev ;;
    *) echo lanyard ;;
    esac
}

# usage: stage_package STAGE TREE: what is installed, as Debian has it.
stage_package() {
    local stage=$1 tree=$2 file package
    install -D -m 644 packaging/lanyard.conf "$stage/etc/lanyard/lanyard.conf"
    mkdir -p "$stage/usr/share/zsh/vendor-completions"
    mv "$stage/usr/share/zsh/site-functions/_lanyard" "$stage/usr/share/zsh/vendor-completions/"
    rmdir "$stage/usr/share/zsh/site-functions"
    find "$stage/usr/share/man" -type f -exec gzip -9n {} +
    strip --strip-unneeded --remove-section=.comment --remove-section=.note "$stage/usr/bin/lanyard" \
        "$stage"/usr/lib/*/liblanyard.so.*.*
    [ ! -f "$stage/usr/libexec/lanyard/lanyard-server" ] || strip --strip-unneeded "$stage/usr/libexec/lanyard/lanyard-server"
    strip --strip-debug "$stage"/usr/lib/*/liblanyard.a
    while IFS= read -r file; do
        package=$(package_of "$file")
        mkdir -p "$tree/$package/$(dirname "$file")"
        mv "$stage/$file" "$tree/$package/$file"
    done < <(cd "$stage" && find . ! -type d -printf '%P\n')
}

# usage: document_package FOLDER PACKAGE VERSION DATE
document_package() {
    local doc=$1/usr/share/doc/$2
    mkdir -p "$doc"
    {
        sed '/@LICENSE@/,$d' packaging/debian/copyright
        sed -n '5,$p' LICENSE | sed 's/^$/./; s/^/ /'
    } >"$doc/copyright"
    printf 'lanyard (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- The Lanyard authors <lanyard@packages.invalid>  %s\n' \
        "$3" "$4" | gzip -9n >"$doc/changelog.gz"
    [ ! -f "packaging/debian/$2.lintian-overrides" ] ||
        install -D -m 644 "packaging/debian/$2.lintian-overrides" "$1/usr/share/lintian/overrides/$2"
}

# The shared libraries that a package's programs need. usage: depends_of TREE PACKAGE
depends_of() {
    local -a files
    mapfile -t files < <(find "$1/$2/usr/bin" "$1/$2/usr/libexec" "$1/$2"/usr/lib/*/*.so.* -type f 2>/dev/null)
    [ ${#files[@]} -gt 0 ] || return 0
    (
        cd "$1" && mkdir -p debian && printf 'Source: lanyard\n\nPackage: %s\nArchitecture: any\n' "$2" >debian/control &&
            dpkg-shlibdeps --ignore-missing-info -O "${files[@]#"$1/"}" 2>/dev/null | sed -n 's/^shlibs:Depends=//p'
    )
}

# The source packages of what the program is linked with.
built_using() {
    dpkg-query -W -f='${source:Package} (= ${source:Version})\n' libc6-dev libssl-dev libsqlite3-dev libgsasl-dev libseccomp-dev \
        liburing-dev | sort -u | paste -sd, | sed 's/,/, /g'
}

# usage: control_of PACKAGE TREE VERSION
control_of() {
    local depends size arch
    depends=$(depends_of "$2" "$1")
    size=$(du -k -s --apparent-size "$2/$1" | cut -f1)
    arch=$(dpkg --print-architecture)
    [ "$1" != lanyard ] || depends=${depends:+, $depends}
    awk -v RS= -v name="$1" '$2 == name' packaging/debian/control |
        sed "s/@ARCH@/$arch/; s/@VERSION@/$3/g; s/@SIZE@/$size/; s/@DEPENDS@/$depends/; s/@BUILT_USING@/$(built_using)/"
}

# usage: finish_package PACKAGE TREE VERSION OUT
finish_package() {
    local name=$1 folder=$2/$1 script
    mkdir -p "$folder/DEBIAN"
    control_of "$name" "$2" "$3" >"$folder/DEBIAN/control"
    (cd "$folder" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
    (cd "$folder" && find etc -type f -printf '/%p\n' 2>/dev/null) >"$folder/DEBIAN/conffiles" || true
    [ -s "$folder/DEBIAN/conffiles" ] || rm "$folder/DEBIAN/conffiles"
    for script in preinst postinst prerm postrm; do
        [ ! -f "packaging/debian/$name.$script" ] || install -m 755 "packaging/debian/$name.$script" "$folder/DEBIAN/$script"
    done
    [ ! -f "packaging/debian/$name.triggers" ] || install -m 644 "packaging/debian/$name.triggers" "$folder/DEBIAN/triggers"
    [ "$name" != liblanyard0 ] || printf 'liblanyard 0 liblanyard0 (>= %s)\n' "$3" >"$folder/DEBIAN/shlibs"
    chmod -R u=rwX,go=rX "$folder"
    find "$folder" -name '*.so.*' -type f -exec chmod 644 {} +
    quietly dpkg-deb --root-owner-group -Zxz --build "$folder" "$4"
}

# usage: dev_package [FOLDER]
dev_package() {
    local out=${1:-build-package/packages} multiarch version date stage tree name
    need build package
    multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
    # The time of the newest change, so that the same source gives the same packages.
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y meson.build)}
    export SOURCE_DATE_EPOCH
    configure build-package -Dtests=disabled -Dexamples=false -Dprefix=/usr -Dsysconfdir=/etc "-Dlibdir=lib/$multiarch" \
        -Dsystemd_units=/lib/systemd/system
    compile build-package product
    version=$(python3 -c 'import json; print(json.load(open("build-package/meson-info/intro-projectinfo.json"))["version"])')
    date=$(date -u -R -d "@$SOURCE_DATE_EPOCH")
    stage=$PWD/build-package/stage tree=$PWD/build-package/tree
    rm -rf "$stage" "$tree"
    mkdir -p "$out" "$tree"
    DESTDIR=$stage quietly meson install -C build-package --no-rebuild
    stage_package "$stage" "$tree"
    for name in lanyard liblanyard0 liblanyard-dev; do
        document_package "$tree/$name" "$name" "$version" "$date"
        finish_package "$name" "$tree" "$version" "$out"
    done
    ls "$out"/*.deb
}
