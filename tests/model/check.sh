#!/bin/bash
# make check-model: both tests, to be looked at; with LARGE=1 the large searches.
# SPDX-License-Identifier: Apache-2.0
set -u
cd "$(dirname "$0")" || exit 1
failed=0
./intact_test.sh || failed=1
[ "${LARGE:-0}" != 0 ] || ./variants_test.sh || failed=1
exit "$failed"
