#!/bin/bash
# Take rules out one by one: mutations.sh [NAME...]. Each row of mutations.list changes one line of a copy of
# the tree, which is built there; the attacks, or SCHEDULES= random schedules, must fail. Needs a built
# build/release. Prints a line for each; ends with 1 if one is not noticed.
# SPDX-License-Identifier: Apache-2.0
set -u
cd "$(dirname "$0")/../.." || exit 1
copy=$(mktemp -d "${TMPDIR:-/tmp}/trivet-mutations-XXXXXX") || exit 1
trap 'rm -rf --one-file-system "$copy"' EXIT
tar -cf - --exclude='build/*/tests/*_test*' --exclude=.git $(ls -d ./*/ ./*.md GNUmakefile config.mk 2>/dev/null |
    grep -v '^./build') build/release | tar -xf - -C "$copy" || exit 1

tests='build/release/tests/sim/attacks_test build/release/tests/sim/schedules_test'
build() { nice make -C "$copy" -s -j2 FLAVOUR=release $tests >"$copy/build.log" 2>&1; }
build || { tail "$copy/build.log"; exit 1; }

# What notices: the first attack that fails, or the first seed.
notices() {
    local log=$copy/run.log
    (cd "$copy" && timeout 60 build/release/tests/sim/attacks_test >"$log" 2>&1) ||
        { sed -n 's/.*Test: \(.*\) \.\.\.FAILED.*/\1/p; s/^Suite attacks, Test \(.*\) had failures:/\1/p' "$log" |
            head -n 1 | grep . || echo "attacks: $(grep -m 1 -E 'invariant|condition' "$log" || echo ended)"; return 0; }
    (cd "$copy" && SCHEDULES=${SCHEDULES:-3000} timeout 300 build/release/tests/sim/schedules_test >"$log" 2>&1) ||
        { grep -m 1 -oE '^seed [0-9]*: [^;]*' "$log" || echo "schedules: $(tail -n 1 "$log")"; return 0; }
    return 1
}

missed=0 count=0
while IFS='|' read -r name file change; do
    case $name in '' | '#'*) continue ;; esac
    name=$(echo $name) file=$(echo $file) change=${change# }
    [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
    count=$((count + 1))
    cp -p "$copy/$file" "$copy/original"
    sed -i -E "$change" "$copy/$file"
    if cmp -s "$copy/original" "$copy/$file"; then
        echo "STALE    $name: changes nothing in $file"
        missed=$((missed + 1))
    elif ! build; then
        echo "BROKEN   $name: $(grep -m 1 error "$copy/build.log")"
        missed=$((missed + 1))
    elif by=$(notices); then
        echo "noticed  $name: $by"
    else
        echo "MISSED   $name"
        missed=$((missed + 1))
    fi
    cp "$copy/original" "$copy/$file" # newer than its object: built again
done <tests/sim/mutations.list 2>/dev/null # a test that aborts is no news
echo "$count mutations, $missed missed"
[ "$missed" = 0 ]
