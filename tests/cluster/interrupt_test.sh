#!/bin/bash
# Ctrl-C, kill and umount end what waits on a volume that does not answer, and the volume goes on afterwards.
# Method: the bricks are stopped with SIGSTOP, so that they hold their connections and say nothing.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"

cluster_start
"$BIN/tests/bench/measure" -m 8 "$WORK" stream-write /large >/dev/null || fail "no source"
cp "$WORK/large" "$MNT/before"

bricks_signal()
{
    daemon_pids trivet-brick | xargs kill "-$1"
}

ended()
{
    ! kill -0 "$1" 2>/dev/null
}

# ends_by SIGNAL COMMAND…: blocked while the bricks are stopped, ended by the signal.
ends_by()
{
    local signal=$1 pid
    shift
    step "$* ends by SIG$signal"
    env --default-signal=INT "$@" >/dev/null 2>&1 &
    pid=$!
    sleep 1
    ! ended "$pid" || fail "did not wait for the stopped bricks: $*"
    kill "-$signal" "$pid"
    wait_for 5 ended "$pid" || {
        cat "/proc/$pid/stack" "/proc/$pid/status" 2>/dev/null
        fail "SIG$signal does not end it"
    }
    wait "$pid" 2>/dev/null
}

bricks_signal STOP
ends_by INT cp "$WORK/large" "$MNT/int"
ends_by TERM cp "$WORK/large" "$MNT/term"
ends_by KILL cp "$WORK/large" "$MNT/kill"
ends_by INT cat "$MNT/before"
ends_by INT ls -l "$MNT/some-name"
ends_by INT mkdir "$MNT/directory"
ends_by INT rm -f "$MNT/before"

step "the volume goes on when the bricks do"
bricks_signal CONT
check "write" timeout 30 cp "$WORK/large" "$MNT/after"
check "read" timeout 30 cmp "$WORK/large" "$MNT/after"

step "umount ends while the bricks are stopped"
bricks_signal STOP
cp "$WORK/large" "$MNT/blocked" 2>/dev/null &
blocked=$!
sleep 1
kill "$blocked"
wait_for 5 ended "$blocked" || fail "SIGTERM does not end cp"
check "umount" timeout 20 umount "$MNT"
wait_for 20 no_daemon trivet-fuse || fail "trivet-fuse lives on after umount"

step "the gateway can be stopped, too"
timeout 20 nfs-cat "$NFS/after?version=3" >/dev/null 2>&1 &
sleep 1
gateway_stop
wait

step "and started again"
bricks_signal CONT
volume_mount
check "read" timeout 30 cmp "$WORK/large" "$MNT/after"
cluster_finish
