#!/bin/bash
# Operations on names, by seed, against a model in memory: create, link, symlink, rename of each kind, unlink,
# mkdir, rmdir, list, by several processes on one mount, on two mounts of the volume, and through a mount
# and NFS at once. Goal: every answer is the one that Linux documents, and what was acknowledged is what
# anyone sees in the next instruction, with link counts, inode numbers and types. Method:
# tests/stress/names; on a plain directory too, which shows that the fuzzer itself is right.
# SEED, OPERATIONS (on one mount; half of it otherwise); FULL=1: a million in all.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"
seed=${SEED:-1}
operations=${OPERATIONS:-${FULL:+500000}}
operations=${operations:-10000}

MNT2=$WORK/mnt2
mkdir "$MNT2" "$WORK/plain"
# The second mount goes first, else its directory cannot.
end_both()
{
    local status=$?
    umount -l "$MNT2" 2>/dev/null
    (exit "$status")
    cluster_end
}
trap end_both EXIT
is_mounted2()
{
    grep -q " $MNT2 " /proc/self/mounts
}

# fuzz TEXT OPERATIONS OPTIONS… TARGETS…
fuzz()
{
    local text=$1
    step "$text"
    shift
    check "$text" timeout 3600 "$BIN/tests/stress/names" -s "$seed" -n "$@"
}

fuzz "a plain directory" 2000 --require-all "$WORK/plain" "$WORK/plain"
cluster_start
"$BIN/trivet-fuse" -f localhost:/gv0 "$MNT2" >>"$LOGS/fuse2.log" 2>&1 </dev/null &
second=$!
wait_for 20 is_mounted2 || fail "no second mount: $(tail -n 3 "$LOGS/fuse2.log")"

fuzz "three processes on one mount" "$operations" --require-all "$MNT" "$MNT" "$MNT"
fuzz "two mounts" $((operations / 2)) --require-all "$MNT" "$MNT2" "$MNT2"
fuzz "a mount and NFS" $((operations / 2)) --require-all "$MNT" "$NFS" "$NFS"

check "umount" timeout 30 umount "$MNT2"
wait "$second"
cluster_finish
