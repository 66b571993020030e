#!/bin/bash
# The shortest counterexample of a broken variant, step by step: explain.sh VARIANT [OPTION=N...]
# Without options in the configuration of variants.list. Also as make check-model EXPLAIN=VARIANT.
# SPDX-License-Identifier: Apache-2.0
set -u
: "${1:?usage: explain.sh VARIANT [OPTION=N...]}"
# shellcheck source=tests/model/model.sh
. "$(dirname "$0")/model.sh"
options=("${@:2}")
[ ${#options[@]} -gt 0 ] ||
    read -ra options < <(model_rows variants.list | grep "^$1 " | cut -d' ' -f3-)
# A search for the shortest (-i) needs a checker that is compiled for it, and keeps several trails.
model_pan=$model_scratch/pan
MODEL_FLAGS=-DREACH "$model_tree/tests/model/build.sh" "$model_pan" || exit 1
MODEL_SEARCH=-i model_run "$1" "${options[@]}" || exit 1
echo "$1 with ${options[*]}: ${found/none/every promise is kept}"
[ "$found" != none ] || exit 0
trail=$(ls -t ./*.trail | head -n 1)
env "${options[@]}" BROKEN="$number" "$model_pan" -r "$trail" -n 2>&1 |
    sed -n '/^[bcsp][a-z0-9 ]*:/p;/^pan:1/q'
