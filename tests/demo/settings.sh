# Sourced by the demo's scripts: where the demo lies, and what they share. The demo is a real cluster on this
# machine's own well-known ports; it installs nothing, and everything of it is below DEMO_DIR.
# SPDX-License-Identifier: Apache-2.0
set -u
set -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
BIN=${TRIVET_BIN:-$PWD/build/release}
MEASURE=$BIN/tests/bench/measure
DEMO_DIR=${DEMO_DIR:-/var/tmp/trivet-demo}
STATE=$DEMO_DIR/state RUN=$DEMO_DIR/run MNT=$DEMO_DIR/mnt LOGS=$DEMO_DIR/log
BRICKS=("$DEMO_DIR/brick1" "$DEMO_DIR/brick2" "$DEMO_DIR/brick3")
NFS=nfs://127.0.0.1/gv0
if [ -n "${DEMO_SHORT:-}" ]; then
    TREE=${TREE:-/usr/include/linux} FILES=500 MEBIBYTES=64
else
    TREE=${TREE:-/usr/include} FILES=2000 MEBIBYTES=256
fi

fail()
{
    printf '\ndemo: %s\n' "$*" >&2
    exit 1
}

trivet()
{
    timeout 90 "$BIN/trivet" --run-dir "$RUN" "$@"
}

# Process ids of the demo's own daemons, by the files in its run directory; never by name alone, since
# another cluster may run here.
demo_pids()
{
    local file pid
    for file in "$RUN"/*.pid "$RUN"/bricks/*.pid; do
        [ -s "$file" ] && read -r pid _ <"$file" || continue
        case $(readlink "/proc/${pid:-none}/exe") in
        */"${1:-trivet}"*) echo "$pid" ;;
        esac
    done | sort -un
}

is_running()
{
    [ -n "$(demo_pids "$1")" ]
}

# Also true of a mount whose client is gone, where mountpoint(1) fails.
is_mounted()
{
    grep -q " $MNT fuse" /proc/self/mounts
}

# wait_for SECONDS COMMAND…
wait_for()
{
    local tries=$(($1 * 20))
    shift
    while [ $((tries--)) -gt 0 ]; do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.05
    done
    return 1
}

client_stop()
{
    ! is_mounted || timeout 30 umount "$MNT" || umount -l "$MNT" ||
        fail "$MNT cannot be unmounted; is somebody in it? fuser -vm $MNT"
}

cluster_down()
{
    local pids
    client_stop
    if is_running trivetd; then
        trivet gateway stop >/dev/null 2>&1
        trivet volume stop gv0 >/dev/null 2>&1
    fi
    pids=$(demo_pids)
    [ -z "$pids" ] || xargs kill <<<"$pids" 2>/dev/null
    wait_for 20 no_pids && return
    echo "demo: some daemons did not end when asked; killing them" >&2
    demo_pids | xargs -r kill -9
    wait_for 5 no_pids
}

no_pids()
{
    [ -z "$(demo_pids)" ]
}
