#!/bin/bash
# make bench-scale: does an operation cost more when there are many objects? A volume of three bricks, filled
# offline, on XFS images; each operation with caches cold and warm, in directories of 1,000 entries and in one
# large one; how long bricks take to start, and how much memory and disk everything takes.
#
#     COUNT="20000 200000"   files of the volumes, one after the other; a tenth as many more in one directory
#     OPERATIONS=2000        of each kind; at most a tenth of the files
#     BENCH_DIR=/var/tmp     3.5 KiB of disk for each file while it runs: 40 GB for 10,000,000
#     WALK=1000000           entries of the large directory that find(1) walks at most
#     HOLD=0                 seconds that a volume stays up when it has been measured, to look into
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
isolate "$@"
COUNT=${COUNT:-20000 200000}
OPERATIONS=${OPERATIONS:-2000}
FILL=$BIN/tests/bench/scale_bench
OPS=$BIN/tests/bench/scale_ops_bench

# disk_mount NUMBER: bit by bit copies of one file system have one UUID. Sizes of the image are apparent only.
disk_mount()
{
    mount -o loop,noatime,nouuid "$WORK/i$1" "$WORK/b$1" || fail "cannot mount image $1"
    losetup --direct-io=on "$(findmnt -no SOURCE "$WORK/b$1")" 2>/dev/null ||
        echo "no direct I/O on image $1: caches of image and file system add up" >&2
}

disks_unmount()
{
    umount "$WORK"/b[123] || fail "cannot unmount the bricks"
}

# Fresh file systems know nothing: their caches, and the bricks', are cold.
disks_cold()
{
    local number
    volume_unmount
    volume_stop >/dev/null
    disks_unmount
    for number in 1 2 3; do
        disk_mount "$number"
    done
    start_measured
}

seconds_since()
{
    awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }'
}

start_measured()
{
    local start=$EPOCHREALTIME
    check "volume start" trivet volume start gv0 >/dev/null
    printf 'volume start       %s s\n' "$(seconds_since "$start")"
    start=$EPOCHREALTIME
    volume_mount
    stat "$MNT" >/dev/null
    printf 'mount, first stat  %s s\n' "$(seconds_since "$start")"
}

disks_make()
{
    local number
    for number in 1 2 3; do
        rm -f "$WORK/i$number"
        truncate -s $((4 + $1 / 250000))G "$WORK/i$number"
        mkfs.xfs -q -f "$WORK/i$number" || fail "mkfs.xfs"
        disk_mount "$number"
        mkdir "$WORK/b$number/b"
    done
    BRICKS=("$WORK/b1/b" "$WORK/b2/b" "$WORK/b3/b")
}

# The first brick is filled; the others' disks become copies of its disk, and bricks by their identity.
volume_fill()
{
    local number
    for number in 2 3; do
        cp "$WORK/b$number/b/.trivet/identity" "$WORK/identity$number" || fail "no identity"
    done
    "$FILL" fill "${BRICKS[0]}" "$1" $(($1 / 1000)) $(($1 / 10)) || fail "cannot fill"
    disks_unmount
    for number in 2 3; do
        rm "$WORK/i$number"
        cp --sparse=always "$WORK/i1" "$WORK/i$number" || fail "no room for copies"
        disk_mount "$number"
        "$FILL" adopt "$WORK/b$number/b" "$WORK/identity$number" || fail "adopt"
    done
    disk_mount 1
}

# memory TEXT: of the daemons, and of the kernel for nodes and names.
memory()
{
    local pid
    for pid in $(daemon_pids); do
        awk -v text="$1" -v exe="$(readlink "/proc/$pid/exe")" '
            /^(RssAnon|RssFile|VmHWM):/ { value[$1] = $2 / 1024 }
            END { sub(/.*\//, "", exe)
                  printf "%-18s %-14s anonymous %.1f MiB, mapped %.1f, peak %.1f\n", text, exe,
                         value["RssAnon:"], value["RssFile:"], value["VmHWM:"] }' "/proc/$pid/status"
    done
    awk -v text="$1" '/^(fuse_inode|xfs_inode|dentry) / { printf "%-18s %-14s %.1f MiB\n", text, $1, $3 * $4 / 1048576 }' \
        /proc/slabinfo
}

disk_use()
{
    local objects=$(($1 + $1 / 10 + $1 / 1000))
    du -B1 --apparent-size "${BRICKS[0]}/.trivet/index/data.mdb" "${BRICKS[0]}/.trivet/log" | awk -v n="$objects" '
        { sub(/.*\//, "", $2); printf "%-18s %.1f MiB, %.0f bytes an object\n", $2, $1 / 1048576, $1 / n }'
    printf 'image              %s on disk\n' "$(du -h "$WORK/i1" | cut -f1)"
}

operations()
{
    local seed=$1 size=$2
    shift 2
    "$OPS" -n "$OPERATIONS" -s "$seed" -p "$(daemon_pids | paste -sd,)" \
        "$MNT" "$size" $((size / 1000)) $((size / 10)) "$@" || fail "operations"
}

scale_one()
{
    local start
    step "$1 files in directories of 1,000, $(($1 / 10)) in one"
    disks_make "$1"
    trivetd_start
    volume_create >/dev/null
    check "volume start" trivet volume start gv0 >/dev/null
    volume_stop >/dev/null
    volume_fill "$1"
    disk_use "$1"
    start_measured
    memory started
    step "cold"
    operations 1 "$1" stat
    disks_cold
    operations 2 "$1" open
    disks_cold
    operations 3 "$1" create rename unlink
    disks_cold
    operations 4 "$1" list
    disks_cold
    operations 5 "$1" big-stat
    step "warm"
    operations 1 "$1" stat stat open open chmod chmod create rename unlink list walk stall
    operations 5 "$1" big-stat big-open big-create big-rename big-unlink big-list
    memory "after all"
    step "walk"
    start=$EPOCHREALTIME
    find "$MNT/big" -newermt 2000-01-01 -printf . | head -c "${WALK:-1000000}" | wc -c
    printf 'find               %s s\n' "$(seconds_since "$start")"
    memory "after walk"
    gateway_start >/dev/null
    start=$EPOCHREALTIME
    "$BIN/tests/bench/measure" "$NFS" list /big >/dev/null || fail "cannot list over NFS"
    printf 'the same over NFS  %s s\n' "$(seconds_since "$start")"
    memory "after NFS" | grep gateway
    gateway_stop >/dev/null
    sleep "${HOLD:-0}"
    volume_unmount
    volume_stop >/dev/null
    disk_use "$1"
    check "volume delete" trivet volume delete gv0 >/dev/null
    trivetd_stop
    disks_unmount
    rm -rf "$STATE" "$RUN" "$WORK"/i[123]
    mkdir "$STATE" "$RUN"
}

scale_end()
{
    local status=$? pids
    pids=$(daemon_pids)
    [ -z "$pids" ] || xargs kill -9 <<<"$pids"
    ! is_mounted || umount -l "$MNT"
    cd / && umount -l "$WORK"/b[123] 2>/dev/null
    [ "$status" = 0 ] || tail -n 15 "$LOGS"/*.log
    rm -rf --one-file-system "$WORK"
    exit "$status"
}

cluster_paths "${BENCH_DIR:-/var/tmp}/trivet-scale"
trap scale_end EXIT
trap 'exit 143' TERM INT HUP
command -v mkfs.xfs >/dev/null || fail "mkfs.xfs is missing: apt-get install -y xfsprogs"
for size in $COUNT; do
    [ "$size" -ge $((OPERATIONS * 10)) ] || fail "COUNT=$size is too few for OPERATIONS=$OPERATIONS"
    scale_one "$size"
done
