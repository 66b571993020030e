#!/bin/bash
# The POSIX suite passes on a local XFS, so that its rules are right; and on a mount, so that the mount is.
# Goal: no program can tell the mount from a local disk by what a call gives. Method: conformance/posix, all rules, on a
# fresh XFS on a loop device and on a cluster's native mount; then twice at the same time on one mount.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"
SUITE=$BIN/conformance/posix/posix-suite
LOCAL=$WORK/xfs

# A failure on the XFS leaves it mounted, and the directory could not be removed.
posix_end()
{
    local status=$?
    umount -l "$LOCAL" 2>/dev/null
    (exit $status)
    cluster_end
}
trap posix_end EXIT

# suite_on DIRECTORY LOG OPTION…: every rule passes there, and nothing is left.
suite_on()
{
    local directory=$1 log=$2
    shift 2
    timeout 500 "$SUITE" "$@" "$directory" >"$log" 2>&1 || {
        grep -A 1 '^FAILED' "$log" | head -n 60
        tail -n 3 "$log"
        fail "the POSIX suite on $directory"
    }
    tail -n 3 "$log"
    grep -Eq '^[1-9][0-9]{3} passed, 0 failed$' "$log" || fail "the POSIX suite ran too few rules"
    [ -z "$(find "$directory" -mindepth 1 -name '.posix-suite-*')" ] || fail "the suite left something in $directory"
}

# The image lies on a disk, not in memory; the loop device goes with its last mount.
xfs_mount()
{
    local image
    image=$(mktemp /var/tmp/posix-XXXXXX) || fail "no room for an image in /var/tmp"
    mkdir "$LOCAL"
    truncate -s 400M "$image"
    mkfs.xfs -q "$image" && mount -o loop "$image" "$LOCAL" 2>"$WORK/mount.err"
    local status=$?
    rm -f "$image"
    return $status
}

step "the suite says how to use it, and what it knows"
refused 'usage: posix-suite' "$SUITE"
refused 'there is no such rule' "$SUITE" -s none "$WORK"
[ "$("$SUITE" -l | sort -u | wc -l)" -ge 1000 ] || fail "fewer than 1,000 rules"

step "on a local XFS"
if [ -z "$(command -v mkfs.xfs)" ]; then
    echo "skipped: XFS: no mkfs.xfs (package xfsprogs)"
elif xfs_mount; then
    suite_on "$LOCAL" "$WORK/xfs.log"
    check "umount" umount "$LOCAL"
else
    echo "skipped: XFS: this machine does not mount one: $(cat "$WORK/mount.err")"
fi

step "on a native mount"
trivetd_start
volume_create
check "volume start" trivet volume start gv0
volume_mount
suite_on "$MNT" "$WORK/mount.log" -x conformance/posix/fuse.except

step "twice at the same time on one mount"
"$SUITE" -s mkdir -s rename -s listing "$MNT" >"$WORK/one.log" 2>&1 &
one=$!
timeout 300 "$SUITE" -s rename -s listing -s mkdir "$MNT" >"$WORK/two.log" 2>&1 || fail "the second: $(tail "$WORK/two.log")"
wait $one || fail "the first: $(tail "$WORK/one.log")"
cluster_finish
