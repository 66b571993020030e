#!/bin/bash
# Two native mounts and an NFS client see each other's changes at once, though both kernels cache what
# they were granted. Goal: nobody reads anything older than what was acknowledged before he asked.
# Method: a program that changes through one mount and looks through the other in the next
# instruction; a client that is frozen while the other goes on, which may cost a lease of 300 ms, once.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"
seed=${SEED:-1}
steps=${STEPS:-3000}

MNT2=$WORK/mnt2
mkdir "$MNT2"
is_mounted2()
{
    grep -q " $MNT2 " /proc/self/mounts
}

cluster_start
"$BIN/trivet-fuse" -f localhost:/gv0 "$MNT2" >>"$LOGS/fuse2.log" 2>&1 </dev/null &
second=$!
wait_for 20 is_mounted2 || fail "no second mount: $(tail -n 3 "$LOGS/fuse2.log")"

step "$steps changes, seed $seed"
check "no mount shows an old state" "$BIN/tests/cluster/coherent" "$MNT" "$MNT2" "$seed" "$steps"

step "a file that grows is followed through the other mount"
: >"$MNT/log"
for i in $(seq 50); do
    echo "line $i" >>"$MNT/log"
    [ "$(tail -n 1 "$MNT2/log")" = "line $i" ] || fail "the other mount does not see line $i"
done
check "and over NFS" test "$(nfs-cat "$NFS/log?version=3" | tail -n 1)" = "line 50"

step "what is written over NFS is seen natively at once"
for i in 1 2 3 4 5; do
    cat "$MNT/log" "$MNT2/log" >/dev/null
    echo "by NFS $i" >"$WORK/text"
    check "nfs-cp" nfs-cp "$WORK/text" "$NFS/shared$i?version=3" >/dev/null
    [ "$(cat "$MNT/shared$i" "$MNT2/shared$i")" = "by NFS $i"$'\n'"by NFS $i" ] || fail "old bytes of shared$i"
done

step "a frozen client delays the other by its lease, once"
echo one >"$MNT/frozen"
cat "$MNT2/frozen" >/dev/null
stat "$MNT2/frozen" >/dev/null
kill -STOP "$second"
start=$(date +%s%N)
check "write while the other is frozen" sh -c "echo two >'$MNT/frozen'"
first=$((($(date +%s%N) - start) / 1000000))
start=$(date +%s%N)
check "write again" sh -c "echo three >'$MNT/frozen'"
again=$((($(date +%s%N) - start) / 1000000))
kill -CONT "$second"
echo "delayed $first ms, then $again ms"
[ "$first" -lt 1500 ] || fail "the frozen client delayed a write by $first ms"
[ "$(cat "$MNT2/frozen")" = three ] || fail "the client that was frozen shows an old state"

check "umount" timeout 30 umount "$MNT2"
wait "$second"
cluster_finish
