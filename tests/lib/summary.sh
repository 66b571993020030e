#!/bin/bash
# Count verdicts: summary.sh VERDICT-FILE...
# Names what failed and what was skipped; the last line is "N passed, N failed". A missing file is a
# failure: the test was not built. Non-zero if anything failed.
# SPDX-License-Identifier: Apache-2.0
set -u
passed=0 failed=0 lines=
for file in "$@"; do
    name=${file#build/*/} name=${name%.ok}
    verdict=fail seconds='' why='not built or not run'
    [ -s "$file" ] && read -r verdict seconds why <"$file"
    case $verdict in
    pass) passed=$((passed + 1)) ;;
    skip) lines+="skipped: $name: ${why#skipped: }"$'\n' ;;
    *) failed=$((failed + 1)) lines+="failed: $name${seconds:+ after $seconds s}${why:+: $why}"$'\n' ;;
    esac
done
printf '%s%d passed, %d failed\n' "$lines" "$passed" "$failed"
[ "$failed" = 0 ]
