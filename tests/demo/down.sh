#!/bin/bash
# make demo-down: unmount, stop every daemon of the demo, and remove what it wrote. KEEP=1 keeps the data.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/settings.sh"
if [ ! -d "$DEMO_DIR" ]; then
    echo "demo-down: there is no demo at $DEMO_DIR"
    exit 0
fi
[ "$(id -u)" = 0 ] || fail "needs root"
cluster_down
no_pids || fail "still running: $(demo_pids | paste -sd' ')"
! is_mounted || fail "$MNT is still mounted"
if [ -n "${KEEP:-}" ]; then
    echo "demo-down: stopped. The files are in $DEMO_DIR/brick1, brick2 and brick3, three times the same;"
    echo "           make demo goes on with them, make demo-down without KEEP removes them."
else
    rm -rf --one-file-system "$DEMO_DIR"
    echo "demo-down: stopped, and $DEMO_DIR removed"
fi
