#!/bin/bash
# make demo: the main job, end to end, on this machine. A cluster with three bricks, a tree copied in natively, read
# back over NFS by a client that nobody here wrote, compared everywhere, and both ways measured.
# Leaves the cluster running; running it again works as well. Down: make demo-down.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/settings.sh"
. tests/demo/table.sh

title()
{
    printf '\n== %s\n' "$*"
}

check()
{
    local text=$1
    shift
    "$@" || fail "$text failed (exit status $?): $*
      logs: $LOGS and $STATE"
}

# A run before may have left older programs running, or a client that is gone.
old_down()
{
    local pid
    for pid in $(demo_pids); do
        case $(readlink "/proc/$pid/exe") in
        *'(deleted)') echo "  programs have been built anew: stopping what runs" && cluster_down && return ;;
        esac
    done
    ! is_mounted || stat "$MNT" >/dev/null 2>&1 || umount -l "$MNT"
}

trivetd_up()
{
    if is_running trivetd && trivet volume list >/dev/null 2>&1; then
        echo "  trivetd runs already"
        return
    fi
    check "trivetd" "$BIN/trivetd" --state-dir "$STATE" --run-dir "$RUN"
    wait_for 15 trivet volume list || fail "trivetd does not answer; logs: $LOGS and $STATE"
}

volume_up()
{
    trivet volume info gv0 >/dev/null 2>&1 || check "volume create" trivet volume create gv0 \
        replica 3 "localhost:${BRICKS[0]}" "localhost:${BRICKS[1]}" "localhost:${BRICKS[2]}" force
    grep -qi 'started' <<<"$(trivet volume info gv0)" || check "volume start" trivet volume start gv0
}

client_up()
{
    is_mounted || check "mount" timeout 60 "$BIN/trivet-fuse" localhost:/gv0 "$MNT"
}

gateway_up()
{
    cat >"$DEMO_DIR/gateway.conf" <<TEXT
[gateway]
management = 127.0.0.1:24007
listen = 127.0.0.1
nfs-port = 2049
mount-port = 2049
portmap-port = 111
portmap = auto

[export gv0]
clients = *
access = rw
squash = none
TEXT
    is_running trivet-gateway ||
        check "gateway" trivet gateway start --config "$DEMO_DIR/gateway.conf" >/dev/null
    wait_for 30 nfs-ls "$NFS?version=3" ||
        fail "the NFS export does not answer: $(nfs-ls "$NFS?version=3" 2>&1 | tail -n 1)"
}

# The objects below a directory: paths, one per line, in one order.
names_of()
{
    (cd "$1" && find . -mindepth 1 -printf '%P\n') | LC_ALL=C sort
}

# sha256 of every file below a directory, in one order.
sums_of()
{
    (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
}

copy_in()
{
    rm -rf "$MNT/tree" "$MNT/.measure"
    mkdir "$MNT/tree" || fail "cannot write to the mount"
    cp -av "$TREE/." "$MNT/tree/" | tests/demo/progress.sh "$OBJECTS" "objects" ||
        fail "copying in failed"
}

# libnfs-utils: nfs-ls for the names, and nfs-cp, one process per file, for the contents.
copy_out()
{
    rm -rf "$OUT"
    mkdir -p "$OUT"
    (cd "$TREE" && find . -type d -print0) | (cd "$OUT" && xargs -0 mkdir -p)
    (cd "$TREE" && find . -type f -printf '%P\0') |
        xargs -0 -P 4 -I '{}' nfs-cp "$NFS/tree/{}?version=3" "$OUT/{}" |
        tests/demo/progress.sh "$REGULAR" "files" || fail "nfs-cp failed"
}

names_over_nfs()
{
    nfs-ls -R "$NFS/tree?version=3" | awk '{ $1 = $2 = $3 = $4 = $5 = ""; sub(/^ +/, ""); print }' |
        sed 's|^/*||' | LC_ALL=C sort
}

compare_names()
{
    names_of "$TREE" >"$DEMO_DIR/names.source"
    names_over_nfs >"$DEMO_DIR/names.nfs" || fail "nfs-ls -R failed"
    diff "$DEMO_DIR/names.source" "$DEMO_DIR/names.nfs" >"$DEMO_DIR/names.diff" ||
        fail "nfs-ls lists other names than the source has: $DEMO_DIR/names.diff"
    echo "  nfs-ls -R: $OBJECTS names, the same as at the source"
    local one
    one=$(cd "$TREE" && find . -type f -size +1k -printf '%P\n' | head -n 1)
    nfs-cat "$NFS/tree/$one?version=3" | cmp - "$TREE/$one" || fail "nfs-cat of $one"
    echo "  nfs-cat: $one, the same as at the source"
}

# compare NAME DIRECTORY: its line of the comparison.
compare()
{
    sums_of "$2" >"$DEMO_DIR/sums.$1" || fail "cannot read $2"
    printf '  %-8s %6d files  %s\n' "$1" "$(wc -l <"$DEMO_DIR/sums.$1")" \
        "$(sha256sum <"$DEMO_DIR/sums.$1" | cut -c1-32)…"
    cmp -s "$DEMO_DIR/sums.source" "$DEMO_DIR/sums.$1" ||
        fail "$1 differs from the source: diff $DEMO_DIR/sums.source $DEMO_DIR/sums.$1"
}

compare_all()
{
    local brick
    compare source "$TREE"
    compare native "$MNT/tree"
    compare nfs "$OUT"
    # The bricks are plain directories; nobody else is at them now.
    client_stop
    check "gateway stop" trivet gateway stop >/dev/null
    for brick in 1 2 3; do
        compare "brick$brick" "$DEMO_DIR/brick$brick/tree"
    done
    client_up
    gateway_up
    rm -rf "$OUT" "$DEMO_DIR"/sums.* "$DEMO_DIR"/names.*
}

title "Preflight"
tests/demo/preflight.sh || fail "not ready; nothing was started"
mkdir -p "$STATE" "$RUN" "$MNT" "$LOGS" "${BRICKS[@]}" 2>/dev/null
old_down
OUT=$DEMO_DIR/over-nfs
OBJECTS=$(find "$TREE" -mindepth 1 | wc -l)
REGULAR=$(find "$TREE" -type f | wc -l)
echo "  root, /dev/fuse, xattrs and file handles, ports and room: all there"

title "A cluster on this machine: trivetd, three bricks, a gateway; below $DEMO_DIR"
trivetd_up
volume_up
client_up
gateway_up
trivet volume status gv0 | sed 's/^/  /'

title "Copy $TREE in through the native mount: cp -a"
copy_in

title "Read it back over NFSv3 with libnfs-utils; ports by the portmapper on 111"
compare_names
copy_out

title "sha256 of every file (nfs: what nfs-cp fetched; bricks: read with client and gateway stopped)"
compare_all
echo "  all the same"

title "How fast is which way in? ($FILES files of 4 KiB, one thread; one file of $MEBIBYTES MiB)"
measure_both

cat <<TEXT

== It is running. What now?
  files            $MNT  (native), $NFS?version=3  (NFS), three copies in $DEMO_DIR/brick1 2 3
  mount natively   $BIN/trivet-fuse localhost:/gv0 /mnt
  mount by NFS     mount -t nfs -o vers=3,nolock 127.0.0.1:/gv0 /mnt     (apt-get install nfs-common)
  without a mount  nfs-ls '$NFS?version=3'
  look at it       $BIN/trivet --run-dir $RUN volume status gv0
                   $BIN/trivet --run-dir $RUN volume info gv0      (also: gateway status; --json)
  stop it          make demo-down$([ "$DEMO_DIR" = /var/tmp/trivet-demo ] || echo " DEMO_DIR=$DEMO_DIR")
TEXT
