#!/bin/bash
# kill -9 of any one daemon under load: it is started again, a writer sees no error, and nothing is lost.
# Method: one steady client through the mount and one over NFS, which check every result and all contents
# at the end, while one daemon after the other is killed.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"
seconds=${SECONDS_EACH:-6}

pid_changed()
{
    local now
    now=$(daemon_pids "$1" | sort | paste -sd,)
    [ "$(tr -cd , <<<"$now" | wc -c)" = "$(tr -cd , <<<"$2" | wc -c)" ] && [ "$now" != "$2" ]
}

# under_load WHAT COMMAND…: both clients run while the command does its work.
under_load()
{
    local what=$1 native nfs
    shift
    step "$what under load"
    "$BIN/tests/bench/measure" -l "$seconds" "$MNT" steady "/native-$RANDOM" >"$LOGS/native.log" 2>&1 &
    native=$!
    "$BIN/tests/bench/measure" -l "$seconds" "$NFS" steady "/nfs-$RANDOM" >"$LOGS/nfs.log" 2>&1 &
    nfs=$!
    sleep 2
    "$@"
    wait "$native" || fail "the native client saw an error: $(cat "$LOGS/native.log")"
    wait "$nfs" || fail "the NFS client saw an error: $(cat "$LOGS/nfs.log")"
    cat "$LOGS/native.log" "$LOGS/nfs.log"
}

# The brick on port 49152 plus number; trivetd gives ports in the order of the bricks.
brick_pid()
{
    ss -ltnpH "sport = :$((49152 + $1))" | grep -o 'pid=[0-9]*' | head -n 1 | cut -d= -f2
}

kill_one()
{
    local program=$1 pid=$2 before
    before=$(daemon_pids "$program" | sort | paste -sd,)
    [ -n "$pid" ] || fail "no such process: $program"
    kill -9 "$pid"
    wait_for 15 pid_changed "$program" "$before" || fail "$program was not started again"
}

kill_trivetd()
{
    local bricks
    bricks=$(daemon_pids trivet-brick | paste -sd,)
    xargs kill -9 <<<"$(daemon_pids trivetd)"
    wait_for 5 no_daemon trivetd || fail "trivetd outlived SIGKILL"
    trivetd_start
    sleep 1
    [ "$(daemon_pids trivet-brick | paste -sd,)" = "$bricks" ] ||
        fail "trivetd did not take over the bricks that run"
}

cluster_start
primary=$(trivet volume status gv0 --json | tr -d ' \n' | grep -o '"port":[0-9]*,[^{}]*"role":"primary"' |
    grep -o '[0-9]*' | head -n 1)
primary=$((${primary:-49152} - 49152))
under_load "kill -9 of a backup" kill_one trivet-brick "$(brick_pid $(((primary + 1) % 3)))"
under_load "kill -9 of the other backup" kill_one trivet-brick "$(brick_pid $(((primary + 2) % 3)))"
under_load "kill -9 of the primary" kill_one trivet-brick "$(brick_pid "$primary")"
under_load "kill -9 of trivetd" kill_trivetd
under_load "kill -9 of the gateway" kill_one trivet-gateway "$(daemon_pids trivet-gateway)"

step "the three bricks are equal"
cp -a /usr/include/linux "$MNT/linux" || fail "cp -a"
cp -a "$MNT" "$WORK/copy" || fail "cp -a out of the mount"
gateway_stop
volume_unmount
same_on_bricks "$WORK/copy"
cluster_finish
