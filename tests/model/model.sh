# What the model's tests share: run a configuration, with a broken rule or none. To be sourced.
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
model_tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) || exit 1
model_pan=${TRIVET_BIN:-$model_tree/build/debug}/tests/model/pan
cd "$(mktemp -d "${TMPDIR:-/tmp}/model-XXXXXX")" || exit 1
model_scratch=$PWD
trap 'rm -rf "$model_scratch"' EXIT
model_failed=0

if [ ! -x "$model_pan" ]; then
    echo "skipped: no model checker: spin is not installed, or 'make check-model' has not built it"
    exit 77
fi

# model_rows LIST: without comments.
model_rows()
{
    grep -v '^#' "$model_tree/tests/model/$1"
}

# model_run BROKEN OPTION=N...: searches; sets found (the violated promise, or none), states,
# megabytes, seconds. Ends with 1 if the search was not complete: too deep, too large, killed.
# shellcheck disable=SC2034 # the results are for the caller
model_run()
{
    local name=${1^^} start
    number=0
    if [ "$1" != intact ]; then
        number=$(awk -v name="${name//-/_}" '$2 == name { print $3 }' \
            "$model_tree/tests/model/breaks.pml")
    fi
    [ -n "$number" ] || { echo "no such variant: $1"; return 1; }
    start=$(date +%s%N)
    env "${@:2}" BROKEN="$number" "$model_pan" -m"${MODEL_DEPTH:-100000}" -w"${MODEL_HASH:-20}" \
        ${MODEL_SEARCH:-} >out 2>&1
    seconds=$(awk -v a="$start" -v b="$(date +%s%N)" 'BEGIN { printf "%.1f", (b - a) / 1e9 }')
    states=$(awk '/states, stored/ { print $1 }' out)
    megabytes=$(awk '/total actual memory usage/ { printf "%d", $1 }' out)
    found=none
    if grep -q 'assertion violated' out; then
        found=$(model_promise)
    elif ! grep -q 'errors: 0' out || grep -qE 'not completed|search depth too small' out; then
        found=incomplete
        tail -n 20 out
        return 1
    fi
}

model_promise()
{
    case $(grep -m1 'assertion violated' out) in
    *'goal=='*) echo goal ;;
    *newest_answer*) echo P2 ;;
    *possible*) echo P4 ;;
    *answered*) echo P1 ;;
    *'==k)'*) echo P3 ;;
    *) echo prefix ;;
    esac
}

model_fails()
{
    echo "FAILED: $*"
    model_failed=1
}
