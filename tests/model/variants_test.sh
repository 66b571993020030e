#!/bin/bash
# Every rule is needed: without it the model finds a broken promise, and with it none, in the same
# configuration.
# Method: variants.list; the checker's search of each is complete or ends at the first violation.
# SPDX-License-Identifier: Apache-2.0
set -u
# shellcheck source=tests/model/model.sh
. "$(dirname "$0")/model.sh"

model_rows variants.list >rows
while read -r variant rule configuration; do
    # shellcheck disable=SC2086 # options
    model_run "$variant" $configuration || model_fails "$variant: $configuration"
    [ "$found" != none ] || model_fails "$variant was not caught: $configuration"
    printf '%-34s rule %-6s %-7s %9d states %5s s\n' "$variant" "$rule" "$found" "$states" \
        "$seconds"
done <rows

# Every name is in the list, so that none is forgotten.
while read -r name; do
    grep -qi "^${name//_/-} " rows || model_fails "$name is in breaks.pml only"
done < <(awk '$1 == "#define" && !/not needed/ { print $2 }' "$model_tree/tests/model/breaks.pml")

while read -r configuration; do
    # shellcheck disable=SC2086 # options
    model_run intact $configuration || model_fails "$configuration"
    [ "$found" = none ] || model_fails "the intact model breaks $found: $configuration"
    printf '%-66s %9d states %5s s\n' "intact: $configuration" "$states" "$seconds"
done < <(cut -d' ' -f3- rows | sed 's/ P2=0//' | sort -u)
exit "$model_failed"
