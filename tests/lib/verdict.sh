#!/bin/bash
# Run one test and leave its verdict: verdict.sh SECONDS PREFIX PROGRAM
# PREFIX.ok gets one line "pass|fail|skip SECONDS [why]", PREFIX.log what the test printed. Always ends
# with 0, so that the other tests run. A test that exits 77 was skipped; the last line of its output says why.
# The test finds a directory of its own in TMPDIR, which is removed with what it left there.
# SPDX-License-Identifier: Apache-2.0
set -u
limit=$1 prefix=$2 program=$3
mkdir -p "$(dirname "$prefix")"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/trivet-XXXXXX") || exit 1
chmod 755 "$scratch"
trap 'rm -rf --one-file-system "$scratch"' EXIT

case $program in /*) ;; *) program=./$program ;; esac
start=$(date +%s.%N)
TMPDIR=$scratch timeout --kill-after=20 "$limit" "$program" >"$prefix.log" 2>&1 </dev/null
status=$?
seconds=$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')

case $status in
0) verdict=pass why= ;;
77) verdict=skip why=$(tail -n 1 "$prefix.log") ;;
124 | 137) verdict=fail why="not finished after $limit seconds" ;;
*) verdict=fail why="exit status $status" ;;
esac
if [ "$verdict" = fail ]; then
    printf -- '---- %s: %s\n' "$program" "$why"
    tail -n 60 "$prefix.log"
    printf -- '---- all of it in %s.log; once more: %s\n' "$prefix" \
        "TRIVET_BIN=$TRIVET_BIN $program"
fi
echo "$verdict $seconds $why" >"$prefix.ok"
