#!/bin/bash
# Install or uninstall: install.sh install|uninstall
# Called by make with DESTDIR PREFIX VERSION BUILD PROGRAMS CC. One list says what goes where, for both.
# SPDX-License-Identifier: Apache-2.0
set -u
root=$DESTDIR$PREFIX
case $PREFIX in
/usr) etc=$DESTDIR/etc ;;
*) etc=$root/etc ;;
esac

# Lines "mode source target".
list_files()
{
    local name header page
    for name in $PROGRAMS; do
        echo "755 $BUILD/$name $root/sbin/$name"
    done
    echo "644 $BUILD/libtrivet.a $root/lib/libtrivet.a"
    for header in $($CC -I. -MM gateway/trivet.h | grep -o '[^ ]*\.h'); do
        echo "644 $header $root/include/trivet/$header"
    done
    for page in $(find backend frontends gateway mgmt etc -name '*.[1-8]' | sort); do
        echo "644 $page $root/share/man/man${page##*.}/$(basename "$page" | tr _ -)"
    done
    echo "644 etc/trivetd.service $root/lib/systemd/system/trivetd.service"
    echo "644 etc/trivet.bash-completion $root/share/bash-completion/completions/trivet"
    for name in $(find etc -maxdepth 1 -name '*.conf' | sort); do
        echo "644 $name $etc/trivet/$(basename "$name")"
    done
}

write_pkg_config()
{
    mkdir -p "$root/lib/pkgconfig"
    cat >"$root/lib/pkgconfig/trivet.pc" <<TEXT
prefix=$PREFIX
libdir=\${prefix}/lib
includedir=\${prefix}/include/trivet

Name: trivet
Description: volumes of Trivet, by the calls of gateway/trivet.h
Version: $VERSION
Requires.private: libtirpc
Libs: -L\${libdir} -ltrivet
Libs.private: -ljansson -linih -lxxhash -lcrypto -lpthread
Cflags: -I\${includedir}
TEXT
}

install_all()
{
    local mode source target
    while read -r mode source target; do
        # A configuration file that the administrator has changed stays; the new one goes beside it.
        case $target in
        "$etc"/*) [ -e "$target" ] && ! cmp -s "$source" "$target" && target+=.new ;;
        esac
        install -D -m "$mode" "$source" "$target" || return 1
    done < <(list_files)
    sed -i "s|/usr/sbin/|$PREFIX/sbin/|" "$root/lib/systemd/system/trivetd.service"
    ln -sf trivet-fuse "$root/sbin/mount.trivet"
    write_pkg_config
}

uninstall_all()
{
    local mode source target
    while read -r mode source target; do
        case $target in
        "$etc"/*) cmp -s "$source" "$target" || continue ;;
        esac
        rm -f "$target"
    done < <(list_files)
    rm -f "$root/sbin/mount.trivet" "$root/lib/pkgconfig/trivet.pc"
    find "$root/include/trivet" "$etc/trivet" -depth -type d -empty -delete 2>/dev/null
    return 0
}

case ${1:-} in
install) install_all ;;
uninstall) uninstall_all ;;
*) echo "usage: install.sh install|uninstall (by make)" >&2; exit 2 ;;
esac
