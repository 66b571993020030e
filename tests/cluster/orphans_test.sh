#!/bin/bash
# Files that are removed while they are open stay readable through their mount, and go when they are
# closed. Goal: whoever has a file open never notices that it was unlinked or replaced, and nothing is
# left on any brick in the end. Method: processes that hold, remove and replace the same few names,
# half of them killed in the midst; a primary's end and a mount's end with files open.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"
seed=${SEED:-1}
seconds=${SECONDS_EACH:-8}

orphans()
{
    find "${BRICKS[0]}/.trivet/orphans" "${BRICKS[1]}/.trivet/orphans" "${BRICKS[2]}/.trivet/orphans" \
        -mindepth 1 | wc -l
}

none_left()
{
    [ "$(orphans)" = 0 ]
}

ended()
{
    ! kill -0 "$1" 2>/dev/null
}

cluster_start
mkdir "$MNT/one"

step "eight processes hold and remove the same names for $seconds s, seed $seed"
check "what is open stays readable" "$BIN/tests/cluster/held" "$seed" "$seconds" 8 "$MNT/one"
wait_for 10 none_left || fail "left on the bricks: $(orphans)"

step "files that are open when the mount ends"
echo open >"$MNT/open"
exec 7<>"$MNT/open"
rm "$MNT/open"
[ "$(orphans)" = 3 ] || fail "an open file has $(orphans) orphans"
[ "$(cat <&7)" = open ] || fail "the open file cannot be read"
pid=$(daemon_pids trivet-fuse)
kill "$pid"
wait_for 20 no_daemon trivet-fuse || fail "trivet-fuse does not end"
wait_for 10 none_left || fail "left on the bricks: $(orphans)"
exec 7>&-
volume_mount

step "a brick that is primary is killed while a file without a name is open"
echo open >"$MNT/open"
exec 7<>"$MNT/open"
rm "$MNT/open"
for pid in $(daemon_pids trivet-brick); do
    kill -9 "$pid"
done
[ "$(cat <&7)" = open ] || fail "the open file cannot be read after the bricks' death"
check "write" sh -c 'echo more >&7'
[ "$(orphans)" = 3 ] || fail "an open file has $(orphans) orphans"
exec 7>&-
wait_for 20 none_left || fail "left on the bricks: $(orphans)"

step "a removal that is killed before a volume that does not answer, and an open that waits for one"
echo open >"$MNT/open"
echo other >"$MNT/other"
exec 7<>"$MNT/open"
stat "$MNT/other" >/dev/null
frozen=$(daemon_pids trivet-brick)
xargs kill -STOP <<<"$frozen"
rm -f "$MNT/open" &
first=$!
rm -f "$MNT/other" &
second=$!
sleep 1
kill "$first" "$second"
wait_for 10 ended "$first" || fail "a killed removal does not end"
wait_for 10 ended "$second" || fail "a killed removal of a closed file does not end"
xargs kill -CONT <<<"$frozen"
[ "$(cat <&7)" = open ] || fail "the open file cannot be read after the removal that was killed"
exec 7>&-
rm -f "$MNT/open" "$MNT/other"
wait_for 20 none_left || fail "left on the bricks: $(orphans)"

same_on_bricks "$MNT"
cluster_finish
