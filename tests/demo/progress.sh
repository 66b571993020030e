#!/bin/bash
# A progress bar on standard output: progress.sh TOTAL WHAT, one line of input for each step. On a terminal
# one line that grows; in a log a line for each quarter.
# SPDX-License-Identifier: Apache-2.0
total=$1 what=$2 count=0 shown=0 width=40
[ -t 1 ] && steps=100 || steps=4
start=$EPOCHREALTIME

show()
{
    local percent=$((total > 0 ? count * 100 / total : 100)) bar
    printf -v bar '%*s' $((percent * width / 100)) ''
    [ -t 1 ] && printf '\r' || printf '  '
    printf '  [%-*s] %3d %%  %d of %d %s' "$width" "${bar// /#}" "$percent" "$count" "$total" "$what"
    [ -t 1 ] || echo
}

while IFS= read -r _; do
    [ "$count" -lt "$total" ] && count=$((count + 1))
    now=$((count * steps / (total > 0 ? total : 1)))
    [ "$now" = "$shown" ] || { shown=$now && show; }
done
[ -t 1 ] && show && echo
awk -v a="$start" -v b="$EPOCHREALTIME" -v n="$count" -v what="$what" \
    'BEGIN { printf "    %d %s in %.1f s, %.0f a second\n", n, what, b - a, n / (b - a) }'
