#!/bin/bash
# Every header compiles on its own: CC and CFLAGS_ALL come from make.
# SPDX-License-Identifier: Apache-2.0
set -u
cd "$(dirname "$0")/../.." || exit 1
failed=0
for header in $(find backend frontends gateway mgmt tests -name '*.h' | sort); do
    # shellcheck disable=SC2086 # a list of flags
    echo "#include \"$header\"" | ${CC:-gcc} ${CFLAGS_ALL:--std=gnu11 -D_GNU_SOURCE -I. -Ibuild/debug/gen} \
        -Wno-unused-function -fsyntax-only -x c - || { echo "-- $header"; failed=$((failed + 1)); }
done
[ "$failed" = 0 ]
