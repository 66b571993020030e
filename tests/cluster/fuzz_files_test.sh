#!/bin/bash
# Operations on files, by seed, against a model in memory: several processes on one mount, on two mounts of
# the volume, and through a mount and NFS at once. Goal: what was acknowledged is what anyone sees in the
# next instruction, whatever he uses, mapped pages and space operations included. Method:
# tests/stress/files; on a plain directory too, which shows that the fuzzer itself is right.
# SEED, OPERATIONS (of each of the four); FULL=1: at length.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"
seed=${SEED:-1}
operations=${OPERATIONS:-${FULL:+100000}}
operations=${operations:-5000}
# A name that two mounts change at the same time makes one wait for the end of a grant, now and then.
all=(--require-all)

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

# fuzz TEXT OPTIONS… TARGETS…
fuzz()
{
    local text=$1
    shift
    step "$text"
    check "$text" timeout 1200 "$BIN/tests/stress/files" -s "$seed" -n "$operations" "$@"
}

fuzz "a plain directory" "$WORK/plain" "$WORK/plain"
cluster_start
"$BIN/trivet-fuse" -f localhost:/gv0 "$MNT2" >>"$LOGS/fuse2.log" 2>&1 </dev/null &
second=$!
wait_for 20 is_mounted2 || fail "no second mount: $(tail -n 3 "$LOGS/fuse2.log")"

fuzz "three processes on one mount" "${all[@]}" "$MNT" "$MNT" "$MNT"
fuzz "two mounts" "${all[@]}" --slow-most 25 "$MNT" "$MNT2" "$MNT2"
fuzz "a mount and NFS" "${all[@]}" --slow-most 25 "$MNT" "$NFS" "$NFS"

check "umount" timeout 30 umount "$MNT2"
wait "$second"
cluster_finish
