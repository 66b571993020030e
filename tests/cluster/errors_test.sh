#!/bin/bash
# Bad input ends with a message that says what to do, an exit status that is not 0, and no crash.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"
bricks=("localhost:${BRICKS[0]}" "localhost:${BRICKS[1]}" "localhost:${BRICKS[2]}")
cli=("$BIN/trivet" --run-dir "$RUN")

step "no trivetd"
refused 'trivetd|start' "${cli[@]}" volume list
refused 'trivetd|24007|connect' "$BIN/trivet-fuse" localhost:/gv0 "$MNT"

step "nonsense on the command line"
for program in trivetd trivet trivet-fuse trivet-gateway trivet-brick; do
    refused 'usage|unknown|unrecognized|help' "$BIN/$program" --no-such-option
    check "--help of $program" timeout 10 "$BIN/$program" --help >/dev/null
done

step "volumes that cannot be made"
trivetd_start
refused 'usage|replica' "${cli[@]}" volume create gv0
refused 'replica|3' "${cli[@]}" volume create gv0 replica 2 "${bricks[0]}" "${bricks[1]}"
refused 'brick|3' "${cli[@]}" volume create gv0 replica 3 "${bricks[0]}" "${bricks[1]}"
refused 'twice|same|different|already' "${cli[@]}" volume create gv0 replica 3 "${bricks[0]}" "${bricks[0]}" "${bricks[1]}" force
refused 'name' "${cli[@]}" volume create ../evil replica 3 "${bricks[@]}" force
refused 'absolute|path|/' "${cli[@]}" volume create gv0 replica 3 localhost:b1 localhost:b2 localhost:b3 force
refused 'host' "${cli[@]}" volume create gv0 replica 3 no-such-host.invalid:/b1 "${bricks[1]}" "${bricks[2]}" force
: >"$WORK/file"
refused 'not a directory|director' "${cli[@]}" volume create gv0 replica 3 "localhost:$WORK/file" "${bricks[1]}" "${bricks[2]}" force
volume_create
refused 'exist|already' "${cli[@]}" volume create gv0 replica 3 "${bricks[@]}" force

step "a brick directory that belongs to another volume"
refused 'belongs|another|already|gv0' "${cli[@]}" volume create gv1 replica 3 "${bricks[0]}" "localhost:$WORK/x2" "localhost:$WORK/x3" force
refused 'belongs|another|inside|already|gv0' "${cli[@]}" volume create gv1 replica 3 "${bricks[0]}/sub" "localhost:$WORK/x2" "localhost:$WORK/x3" force

step "unknown and stopped volumes"
refused 'no volume|unknown|not exist|does not' "${cli[@]}" volume start none
refused 'no volume|unknown|not exist|does not' "${cli[@]}" volume info none
refused 'no volume|unknown|not exist|does not|none' "$BIN/trivet-fuse" localhost:/none "$MNT"
refused 'start' "$BIN/trivet-fuse" localhost:/gv0 "$MNT"
refused 'start|not running|stopped' "${cli[@]}" volume stop gv0
check "volume start" trivet volume start gv0
refused 'already|started' "${cli[@]}" volume start gv0
refused 'stop' "${cli[@]}" volume delete gv0

step "mount points"
refused 'not a directory|director' "$BIN/trivet-fuse" localhost:/gv0 "$WORK/file"
refused 'no such|exist' "$BIN/trivet-fuse" localhost:/gv0 "$WORK/none"
volume_mount
check "the mount works" touch "$MNT/file"

step "gateway configurations"
refused 'no such|cannot|open' "${cli[@]}" gateway start --config "$WORK/none.conf"
printf '[gateway]\nnfs-port = many\n' >"$WORK/bad.conf"
refused 'nfs-port|number|port' "$BIN/trivet-gateway" --config "$WORK/bad.conf" --foreground
printf '[gateway]\nno-such-key = 1\n' >"$WORK/bad.conf"
refused 'no-such-key' "$BIN/trivet-gateway" --config "$WORK/bad.conf" --foreground

step "ports that are taken"
refused '24007|in use|already' "$BIN/trivetd" --state-dir "$WORK/state2" --run-dir "$WORK/run2" --foreground
gateway_start
refused '2049|in use|already' "$BIN/trivet-gateway" --config "$WORK/gateway.conf" \
    --run-dir "$WORK/run2" --foreground

step "exports and names that are not there"
nfs-ls "nfs://127.0.0.1/none?version=3" >"$WORK/said" 2>&1 && fail "an unknown export was mounted"
check "what it said: $(cat "$WORK/said")" grep -q 'MNT3ERR_NOENT\|MNT3ERR_ACCES' "$WORK/said"
refused 'noent|no such|not exist' nfs-cat "$NFS/none?version=3"
cluster_finish
