#!/bin/bash
# Bricks are killed and stopped, the primary too: clients wait and see no error, nothing acknowledged is lost or
# done twice, and when all are in sync the three directories are the same and nothing has leaked.
# Method: a load natively and over NFS that knows what it was told; FULL=1: 1,000 failovers. First the load's checker
# is shown that it finds each thing that could go wrong.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"
. tests/failover/failover.sh
rounds=${ROUNDS:-8}
[ -z "${FULL:-}" ] || rounds=1000

# checker FAULT WHAT: a load on a plain directory, in which one thing goes wrong, says so; none: that all is right.
checker()
{
    local status
    rm -rf /run/load
    mkdir /run/load
    "$BIN/tests/failover/load" -p 100 -n 400 ${1:+-f "$1"} /run/load /run/load >"$WORK/verdict" 2>/dev/null
    status=$?
    if [ -z "$1" ]; then
        [ $status = 0 ] && grep -q 'errors=0 lost=0 doubled=0 stale=0' "$WORK/verdict"
    else
        [ $status = 1 ] && grep -q " $2=[1-9]" "$WORK/verdict"
    fi || fail "the checker was not right about ${1:-a load with nothing wrong}: $(cat "$WORK/verdict")"
}

step "the checker finds what is wrong"
checker "" ""
checker error-overwrite errors
checker other-read stale
for fault in drop-append other-append drop-overwrite late-overwrite drop-synced drop-rename drop-mkdir \
    drop-unlink drop-rmdir; do
    checker "$fault" lost
done
for fault in double-append double-create late-create double-rename double-mkdir double-unlink double-rmdir; do
    checker "$fault" doubled
done

# A loaded machine gets two seconds more than the bars, which are measured by make bench-failover.
one_round()
{
    local what limit
    round "$1"
    tail -n 1 "$WORK/rounds" | cut -d' ' -f1-5
    limit=$(($(bar "$1") + 2000))
    for what in native nfs; do
        awk -v have="$(marked "$what")" -v limit="$limit" 'BEGIN { exit !(have <= limit) }' ||
            fail "$what waited longer than $limit ms in a round of $1: $MARK"
    done
    [ "$(marked errors) $(marked stale)" = "0 0" ] || fail "errors: $(cat "$LOGS/load.log")"
}

step "$rounds failovers under load, SEED=$SEED"
cluster_start
wait_in_sync
load_start "$MNT" "$NFS"
kinds=(kill-backup kill-primary stop-backup stop-primary)
for ((number = 0; number < rounds; number++)); do
    one_round "${kinds[$((number % 4))]}"
    if [ "$number" = 3 ]; then
        daemons_use >"$WORK/daemons"
        bricks_use >"$WORK/bricks"
    fi
done
rounds_table

step "nothing was lost or done twice"
load_end || fail "$VERDICT: $(cat "$LOGS/load.log")"
echo "$VERDICT"

step "nothing has leaked"
wait_for 30 no_growth || fail "more than after four rounds: $(no_growth)"
paste "$WORK/daemons" "$WORK/daemons.now"
paste "$WORK/bricks" "$WORK/bricks.now"

step "the three bricks are equal, attribute for attribute"
gateway_stop
volume_unmount
volume_stop
bricks_equal
cluster_finish
