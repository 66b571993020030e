#!/bin/bash
# A Linux kernel's own NFS client on the gateway: mounting, ordinary programs, the POSIX suite, restarts.
# check.sh [STORY…]; all of them, if none is named. The last line is "N passed, N failed".
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"
# shellcheck source=tests/kernel-client/guest.sh
. tests/kernel-client/guest.sh
# shellcheck source=tests/kernel-client/client.sh
. tests/kernel-client/client.sh
# shellcheck source=tests/kernel-client/mounting.sh
. tests/kernel-client/mounting.sh
# shellcheck source=tests/kernel-client/contents.sh
. tests/kernel-client/contents.sh
lacking=$(guest_needs)
[ -z "$lacking" ] || skip "$lacking"
cluster_test "$@"
PASSED=0 FAILED=0 SKIPPED=

story_skip()
{
    echo "skipped: $*"
    exit 77
}

# Each story in a shell of its own, on a mount of its own; what a failed one left behind does not count.
run_story()
{
    local name=$1 begin=$SECONDS status
    step "$name"
    ("story_$name")
    status=$?
    case $status in
    0) PASSED=$((PASSED + 1)) ;;
    77) SKIPPED+=" $name" ;;
    *)
        FAILED=$((FAILED + 1))
        guest_gone || in_guest umount -f -l "$NFS_MNT" 2>/dev/null
        gateway_serve 'portmap = own' 'access = rw'
        ;;
    esac
    echo "   $((SECONDS - begin)) s"
}

# cluster_end's logs come first, then the count.
check_end()
{
    local status=$?
    (
        # shellcheck disable=SC2181 # cluster_end looks at it
        (exit "$status")
        cluster_end
    )
    status=$?
    [ -z "$SKIPPED" ] || echo "skipped:$SKIPPED"
    echo "$PASSED passed, $FAILED failed"
    exit "$status"
}
trap check_end EXIT

client_start
stories=("$@")
[ $# -gt 0 ] || mapfile -t stories < <(
    grep -hoP '^story_\K(?!skip)[a-z0-9_]+' tests/kernel-client/mounting.sh tests/kernel-client/contents.sh
)
for story in "${stories[@]}"; do
    run_story "$story"
done
client_finish
[ "$FAILED" = 0 ]
