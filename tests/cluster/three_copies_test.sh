#!/bin/bash
# What write() has acknowledged is on three bricks, and not only on its way there.
# Method: a program changes the mount and a plain directory alike, and kills every daemon in the instruction after its last
# write() has returned; then the bricks are compared with that directory. The seed is printed.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"
seed=${SEED:-1} rounds=${ROUNDS:-10}

trivetd_start
volume_create
check "volume start" trivet volume start gv0
for ((round = seed; round < seed + rounds; round++)); do
    step "round with SEED=$round"
    volume_mount
    # A new directory each time, with what the rounds before left around it.
    mkdir -p "$WORK/shadow/r$round" "$MNT/r$round" || fail "mkdir"
    operations=$((1 + (round * 37) % 120))
    pids=$(daemon_pids trivetd; daemon_pids trivet-brick; daemon_pids trivet-fuse)
    [ "$(wc -w <<<"$pids")" = 5 ] || fail "not five daemons: $pids"
    # shellcheck disable=SC2086 # a list of numbers
    check "the writer" "$BIN/tests/cluster/acknowledged" "$MNT/r$round" "$WORK/shadow/r$round" \
        "$round" "$operations" $pids
    wait_for 10 no_daemon || fail "a daemon outlived SIGKILL"
    umount -l "$MNT"
    same_on_bricks "$WORK/shadow"

    trivetd_start
    wait_for 20 trivet volume start gv0 force || fail "the volume does not start again"
done

step "everything is there once more, by both ways in"
volume_mount
gateway_start
same_tree "$WORK/shadow" "$MNT"
same_tree "$WORK/shadow" "$NFS"
cluster_finish
