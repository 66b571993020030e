#!/bin/bash
# The whole tree keeps the rules of tidy, and its scripts those of shellcheck, if that is installed.
# SPDX-License-Identifier: Apache-2.0
set -u
cd "$(dirname "$0")/../.." || exit 1
programs=${TRIVET_BIN:-build/debug}
failed=0
"$programs/tests/tidy/tidy" -p "$programs" . || failed=1

mapfile -t scripts < <(find .ci etc tests -type f \( -name '*.sh' -o -path .ci/run \) | sort)
if command -v shellcheck >/dev/null; then
    shellcheck -s bash -S error -f gcc "${scripts[@]}" || failed=1
fi
while read -r script; do
    echo "$script: a test that cannot be executed"
    failed=1
done < <(find "${scripts[@]}" -name '*_test.sh' ! -perm -u+x)
exit "$failed"
