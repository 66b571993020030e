#!/bin/bash
# The rules keep the promises P1 to P4: complete searches of a few small configurations, or with LARGE=1 of large ones.
# Method: configurations.list.
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
exit "$model_failed"
