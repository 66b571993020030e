# Sourced after tests/lib/cluster.sh and guest.sh: a cluster whose gateway a guest reaches, and mounts in the guest.
#
#     client_start                          bricks, a native mount at $MNT, the gateway, the guest
#     nfs_mount OPTIONS [EXPORT]            by mount(8), at $NFS_MNT in the guest
#     nfs_mount_busybox OPTIONS [EXPORT]    by busybox's, as Alpine does
#     nfs_unmount [busybox]
#     client_finish
#
# SPDX-License-Identifier: Apache-2.0
NFS_MNT=/mnt/nfs
# shellcheck disable=SC2034 # for the stories
PLAIN=vers=3,nolock

# gateway_serve GATEWAY EXPORT: (again) with these lines in the sections [gateway] and [export gv0]. Beside gv0
# there is /refused, which the guest may not mount.
gateway_serve()
{
    no_daemon trivet-gateway || gateway_stop
    mkdir -p "$WORK/refused"
    cat >"$WORK/gateway.conf" <<TEXT
[gateway]
management = 127.0.0.1:24007
listen = 0.0.0.0
$1
[export gv0]
$2
[export refused]
volume = local:$WORK/refused
clients = 10.255.255.1
TEXT
    check "gateway start" trivet gateway start --config "$WORK/gateway.conf"
}

client_start()
{
    trivetd_start
    volume_create
    check "volume start" trivet volume start gv0
    volume_mount
    gateway_serve 'portmap = own' 'access = rw'
    guest_start
    wait_for 20 nfs-ls "$NFS/?version=3" || fail "the export does not answer"
    in_guest mkdir -p "$NFS_MNT"
}

nfs_mount()
{
    in_guest mount -t nfs -o "$1" "server:${2:-/gv0}" "$NFS_MNT" || fail "mount -t nfs -o $1 ${2:-/gv0}"
}

nfs_mount_busybox()
{
    in_guest busybox mount -t nfs -o "$1" "server:${2:-/gv0}" "$NFS_MNT" ||
        fail "busybox mount -t nfs -o $1 ${2:-/gv0}"
}

# nfs_unmount [busybox]
nfs_unmount()
{
    check "umount" in_guest "$@" umount "$NFS_MNT"
    ! in_guest grep -q " nfs " /proc/self/mounts || fail "umount ended with 0, but it is mounted still"
}

# refused_in_guest PATTERN COMMAND…: like refused, of cluster.sh.
refused_in_guest()
{
    local pattern=$1 output status
    shift
    output=$(in_guest timeout 50 "$@" 2>&1)
    status=$?
    printf '   %s\n      -> %s, exit status %d\n' "$*" "$output" "$status"
    [[ $status != 0 && $status -lt 124 ]] || fail "was not refused: $*"
    grep -Eiq -- "$pattern" <<<"$output" || fail "the message does not match /$pattern/"
}

# The tree in the guest is the one that the native mount shows.
same_in_guest()
{
    in_guest "$BIN/tests/bench/measure" "$NFS_MNT" sums / >"$WORK/guest.sums" || fail "the guest cannot read $NFS_MNT"
    "$BIN/tests/bench/measure" "$MNT" sums / >"$WORK/native.sums" || fail "cannot read $MNT"
    [ -s "$WORK/native.sums" ] || fail "nothing to compare"
    diff -u "$WORK/native.sums" "$WORK/guest.sums" >"$WORK/sums.diff" && return
    head -n 20 "$WORK/sums.diff"
    fail "the guest and the native mount differ"
}

client_finish()
{
    guest_stop
    cluster_finish
}
