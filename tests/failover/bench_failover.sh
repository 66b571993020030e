#!/bin/bash
# make bench-failover: how long clients wait, natively and over NFS, when a brick is killed or stopped, and whether
# anything is lost or done twice.
#
#     ROUNDS=100  SEED=1     kinds come in an order that the seed decides
#     KINDS="none kill-backup kill-primary stop-backup stop-primary"
#     GLUSTER=1              then the same with GlusterFS, natively, GLUSTER_ROUNDS=2 of each kind
#     BENCH_DIR=/var/tmp     BENCH_OUT=build/bench/failover-DATE.txt
#     KEEP=DIR               logs and the record of rounds are copied there
#
# A stall is the longest time in which a worker of the load (writer, reader, creator, fsyncer, each with pauses of 3
# ms) completed nothing, from the failure until all bricks are in sync again. "none" is what the machine does by itself.
# Slowness is never a failure; errors, lost and doubled operations are.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
. tests/bench/systems.sh
. tests/failover/failover.sh
isolate "$@"
ROUNDS=${ROUNDS:-100}
KINDS=${KINDS:-$KIND_LIST}
OUT=${BENCH_OUT:-build/bench/failover-$(date +%Y%m%d-%H%M%S).txt}

trivet_rounds()
{
    local kinds number status
    read -ra kinds <<<"$KINDS"
    cluster_start
    wait_in_sync
    load_start "$MNT" "$NFS"
    for ((number = 0; number < ROUNDS; number++)); do
        round "${kinds[$((RANDOM % ${#kinds[@]}))]}"
        printf 'round %d: %s\n' "$number" "$(tail -n 1 "$WORK/rounds")" | tee -a "$OUT"
    done
    load_end
    status=$?
    {
        echo
        echo "trivet, SEED=$SEED"
        rounds_table
        echo "$VERDICT"
        cat "$LOGS/load.log"
    } | tee -a "$OUT"
    keep # the next steps remove logs
    volume_unmount
    gateway_stop
    trivet_down
    return $status
}

# ---- GlusterFS: no brick leads, and a killed one is started by hand

gluster_healed()
{
    ! gluster --mode=script volume heal gv0 info 2>/dev/null | grep -q 'Number of entries: [^0]' &&
        [ "$(pgrep -c '^glusterfsd')" = 3 ]
}

gluster_kind()
{
    local pid
    pid=$(pgrep '^glusterfsd' | sed -n "$((1 + RANDOM % 3))p")
    if [ "$1" = kill-backup ]; then
        kill -9 "$pid"
        sleep 5
        gluster --mode=script volume start gv0 force >/dev/null
    else
        kill -STOP "$pid"
        sleep "${GLUSTER_STOP_SECONDS:-100}" # longer than it takes to notice: twice its network.ping-timeout
        kill -CONT "$pid"
    fi
    wait_for 120 gluster_healed || echo "gluster has not healed after 120 s"
}

gluster_rounds()
{
    local kind number
    gluster_available || { echo "GlusterFS is not installed: left out"; return; }
    mkdir -p "$WORK/local"
    bricks_clean
    BRICKS=("$WORK/brick1/b" "$WORK/brick2/b" "$WORK/brick3/b")
    gluster_up
    : >"$WORK/rounds"
    load_start "$MNT"
    for kind in kill-backup stop-backup; do
        for ((number = 0; number < ${GLUSTER_ROUNDS:-2}; number++)); do
            load_mark
            gluster_kind "$kind"
            load_mark
            printf '%s %s 0 %s 0 - %s\n' "$kind" "$(marked native)" "$(marked errors)" "$MARK" |
                tee -a "$WORK/rounds" "$OUT"
        done
    done
    load_end || true # is in the verdict; not ours
    {
        echo
        echo "GlusterFS"
        rounds_table
        echo "$VERDICT"
    } | tee -a "$OUT"
    gluster_down
}

keep()
{
    [ -z "${KEEP:-}" ] || { rm -rf "$KEEP" && mkdir "$KEEP" && cp -a "$LOGS" "$STATE" "$WORK/rounds" "$KEEP"; }
}

failover_end()
{
    local status=$?
    [ "$status" = 0 ] || keep
    ! is_mounted || umount -l "$MNT"
    cd / && rm -rf --one-file-system "$WORK"
    exit "$status" # the end of this process namespace ends every daemon
}

cluster_paths "${BENCH_DIR:-/var/tmp}/trivet-failover"
trap failover_end EXIT
trap 'exit 143' TERM INT HUP
mkdir -p "$(dirname "$OUT")"
: >"$OUT"
failed=0
[ "$ROUNDS" = 0 ] || trivet_rounds || failed=1
[ -z "${GLUSTER:-}" ] || gluster_rounds
echo "all of it: $OUT"
exit $failed
