#!/bin/bash
# The rules keep the promises P1 to P4, and do not keep them by forbidding everything.
# Method: complete searches of the small configurations of configurations.list, or with LARGE=1 of
# the large ones; then a way to each of goals.list.
# SPDX-License-Identifier: Apache-2.0
set -u
# shellcheck source=tests/model/model.sh
. "$(dirname "$0")/model.sh"

when=check
[ "${LARGE:-0}" = 0 ] || { when=large && MODEL_HASH=26 MODEL_DEPTH=1000000; }
while read -r _ configuration; do
    # shellcheck disable=SC2086 # options
    model_run intact $configuration || model_fails "$configuration: $found"
    [ "$found" = none ] || model_fails "$found is broken: $configuration"
    printf '%-70s %10d states %6d MB %7s s\n' "$configuration" "$states" "$megabytes" "$seconds"
done < <(model_rows configurations.list | grep "^$when ")

while read -r goal configuration; do
    # shellcheck disable=SC2086 # options
    model_run intact GOAL="$goal" $configuration || model_fails "goal $goal, $configuration: $found"
    [ "$found" = goal ] || model_fails "goal $goal is out of reach: $configuration"
    printf 'goal %d %-63s %10d states\n' "$goal" "$configuration" "$states"
done < <(model_rows goals.list)
exit "$model_failed"
