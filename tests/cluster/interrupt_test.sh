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

step "umount -f ends what waits, itself and the client included"
bricks_signal STOP
cp "$WORK/large" "$MNT/blocked" 2>/dev/null &
blocked=$!
sleep 1
! ended "$blocked" || fail "cp did not wait for the stopped bricks"
# The first one cuts the connection; it may find the mount in use by cp, which then ends.
timeout 20 umount -f "$MNT" || wait_for 5 ended "$blocked" || fail "umount -f does not end cp"
wait_for 5 ended "$blocked" || fail "umount -f does not end cp"
! is_mounted || check "umount -f" timeout 20 umount -f "$MNT"
wait_for 20 no_daemon trivet-fuse || fail "trivet-fuse lives on after umount"

step "a plain umount of an idle mount ends, too"
bricks_signal CONT
volume_mount
check "read" timeout 30 cmp "$WORK/large" "$MNT/after"
sleep 3 # what the kernel was allowed to remember is forgotten
bricks_signal STOP
check "umount" timeout 20 umount "$MNT"
wait_for 20 no_daemon trivet-fuse || fail "trivet-fuse lives on after umount"

step "so does SIGTERM to trivet-fuse"
bricks_signal CONT
volume_mount
check "read" timeout 30 cmp "$WORK/large" "$MNT/after"
bricks_signal STOP
cp "$WORK/large" "$MNT/blocked2" 2>/dev/null &
blocked=$!
sleep 1
xargs kill <<<"$(daemon_pids trivet-fuse)"
wait_for 30 no_daemon trivet-fuse || fail "trivet-fuse does not end on SIGTERM"
wait_for 5 ended "$blocked" || fail "cp outlived its mount"
! is_mounted || fail "trivet-fuse left its mount behind"

step "the gateway can be stopped, too"
timeout 20 nfs-cat "$NFS/after?version=3" >/dev/null 2>&1 &
waiting=$!
sleep 1
! ended "$waiting" || fail "nfs-cat did not wait for the stopped bricks"
gateway_stop
wait "$waiting"

step "and started again"
bricks_signal CONT
volume_mount
check "read" timeout 30 cmp "$WORK/large" "$MNT/after"
cluster_finish
