# Sourced by the cluster tests: a whole cluster on three directories, in namespaces of its own.
#
#     . tests/lib/cluster.sh; cluster_test "$@"      first; then the story, then
#     cluster_finish                                 last: stops all and looks for what is left
#
# Everything lies below $WORK; a test that ends before cluster_finish has failed, and what it started
# is ended by the trap and by the end of its process namespace.
# SPDX-License-Identifier: Apache-2.0
set -u
. "$(dirname "${BASH_SOURCE[0]}")/isolate.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
BIN=${TRIVET_BIN:-$PWD/build/debug}
NFS=nfs://127.0.0.1/gv0

cluster_test()
{
    isolate "$@"
    cluster_paths "${TMPDIR:-/tmp}/c"
    trap cluster_end EXIT
    trap 'exit 143' TERM INT HUP
}

# cluster_paths PREFIX: where everything of this cluster lies. Short: a socket's path has 107 bytes.
cluster_paths()
{
    WORK=$(mktemp -d "$1-XXXXXX") || exit 1
    STATE=$WORK/state RUN=$WORK/run MNT=$WORK/mnt LOGS=$WORK/log
    BRICKS=("$WORK/b1" "$WORK/b2" "$WORK/b3")
    mkdir "$STATE" "$RUN" "$MNT" "$LOGS" "${BRICKS[@]}"
}

step()
{
    echo "== $*"
}

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

# check TEXT COMMAND…: the command must succeed.
check()
{
    local text=$1
    shift
    "$@" || fail "$text (exit status $? of: $*)"
}

# refused PATTERN COMMAND…: the command must end by itself with an error, and its message match.
refused()
{
    local pattern=$1 output status
    shift
    output=$(timeout 30 "$@" 2>&1 </dev/null)
    status=$?
    printf '%s\n   -> %s, exit status %d\n' "$*" "$output" "$status"
    [ "$status" != 0 ] || fail "was not refused: $*"
    [ "$status" != 124 ] || fail "did not end: $*"
    [ "$status" -lt 128 ] || fail "ended by a signal ($((status - 128))): $*"
    grep -Eiq -- "$pattern" <<<"$output" || fail "the message does not match /$pattern/"
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

trivet()
{
    timeout 60 "$BIN/trivet" --run-dir "$RUN" "$@"
}

# Process ids of Trivet's daemons in this namespace: all, or those of the programs named.
daemon_pids()
{
    local link path
    for link in /proc/[0-9]*/exe; do
        path=$(readlink "$link" 2>/dev/null) || continue
        case " ${*:-trivetd trivet-brick trivet-gateway trivet-fuse} " in
        *" ${path##*/} "*) link=${link%/exe} && echo "${link##*/}" ;;
        esac
    done
}

no_daemon()
{
    [ -z "$(daemon_pids "$@")" ]
}

trivetd_start()
{
    "$BIN/trivetd" --state-dir "$STATE" --run-dir "$RUN" --foreground \
        >>"$LOGS/trivetd.log" 2>&1 </dev/null &
    wait_for 10 trivet volume list || fail "trivetd does not answer"
}

trivetd_stop()
{
    local pids
    pids=$(daemon_pids trivetd)
    [ -z "$pids" ] || kill "$pids"
    wait_for 20 no_daemon trivetd || fail "trivetd did not end on SIGTERM"
}

volume_create()
{
    check "volume create" trivet volume create gv0 replica 3 \
        "localhost:${BRICKS[0]}" "localhost:${BRICKS[1]}" "localhost:${BRICKS[2]}" force
}

# Also true of a mount whose client is gone, where mountpoint(1) fails.
is_mounted()
{
    grep -q " $MNT fuse" /proc/self/mounts
}

# In the foreground of its own process, so that what it says last is in a log.
volume_mount()
{
    "$BIN/trivet-fuse" -f localhost:/gv0 "$MNT" >>"$LOGS/fuse.log" 2>&1 </dev/null &
    wait_for 20 is_mounted || fail "trivet-fuse does not mount: $(tail -n 3 "$LOGS/fuse.log")"
}

# As a person does; what it says goes to the system's log.
volume_mount_background()
{
    check "mount" timeout 60 "$BIN/trivet-fuse" localhost:/gv0 "$MNT"
    is_mounted || fail "trivet-fuse ended with 0, but nothing is mounted at $MNT"
}

volume_unmount()
{
    check "umount" timeout 30 umount "$MNT"
    wait_for 20 no_daemon trivet-fuse || fail "trivet-fuse lives on after umount"
}

gateway_start()
{
    cat >"$WORK/gateway.conf" <<TEXT
[gateway]
management = 127.0.0.1:24007
listen = 127.0.0.1
nfs-port = 2049
mount-port = 2049
portmap-port = 111
portmap = auto

[export gv0]
clients = *
access = rw
squash = none
sync = ${EXPORT_SYNC:-yes}
TEXT
    check "gateway start" trivet gateway start --config "$WORK/gateway.conf"
    wait_for 20 nfs-ls "$NFS/?version=3" || fail "the export does not answer: $(nfs-ls "$NFS/?version=3" 2>&1)"
}

gateway_stop()
{
    check "gateway stop" trivet gateway stop
    wait_for 20 no_daemon trivet-gateway || fail "trivet-gateway did not end"
}

volume_stop()
{
    check "volume stop" trivet volume stop gv0
    wait_for 20 no_daemon trivet-brick || fail "bricks live on after volume stop"
}

cluster_start()
{
    trivetd_start
    volume_create
    check "volume start" trivet volume start gv0
    volume_mount
    gateway_start
}

# True if nothing is started, or every brick is in sync.
bricks_whole()
{
    no_daemon trivet-brick || trivet volume status gv0 | grep -q '^In sync: 3 of 3'
}

# The contents of each brick and of the mount must be those of a directory: paths, contents, link targets, by
# sha256. Bricks are read as plain directories, without their own .trivet.
same_on_bricks()
{
    local brick
    # One that was frozen or killed is brought up to date first.
    wait_for 20 bricks_whole || fail "not all bricks are in sync: $(trivet volume status gv0)"
    "$BIN/tests/bench/measure" "$1" sums / >"$WORK/want.sums" || fail "cannot read $1"
    for brick in "${BRICKS[@]}"; do
        "$BIN/tests/bench/measure" -x .trivet "$brick" sums / >"$WORK/have.sums" ||
            fail "cannot read brick $brick"
        diff -u "$WORK/want.sums" "$WORK/have.sums" >"$WORK/sums.diff" || {
            head -n 20 "$WORK/sums.diff"
            fail "brick $brick differs"
        }
    done
}

same_tree()
{
    "$BIN/tests/bench/measure" "$1" sums "${3:-/}" >"$WORK/want.sums" || fail "cannot read $1"
    "$BIN/tests/bench/measure" "$2" sums "${3:-/}" >"$WORK/have.sums" || fail "cannot read $2"
    diff -u "$WORK/want.sums" "$WORK/have.sums" >"$WORK/sums.diff" && return
    head -n 20 "$WORK/sums.diff"
    fail "$2 differs from $1"
}

# Everything stops by the ordinary commands, and nothing is left: mounts, processes, lines of a sanitizer.
cluster_finish()
{
    step "stop everything, and nothing is left"
    ! is_mounted || volume_unmount
    no_daemon trivet-gateway || gateway_stop
    no_daemon trivet-brick || volume_stop
    trivetd_stop
    no_daemon || fail "left running: $(ps -o pid,args -p "$(daemon_pids | paste -sd,)" | tail -n +2)"
    ! grep -q "$WORK" /proc/self/mounts || fail "left mounted: $(grep "$WORK" /proc/self/mounts)"
    ! grep -rqsE 'ERROR: [A-Za-z]+Sanitizer|WARNING: ThreadSanitizer|runtime error:' "$LOGS" "$RUN" "$STATE" ||
        fail "a sanitizer complained"
    FINISHED=1
}

# The trap. Daemons, mounts, then what they said, and the directory: nothing here may wait for a volume.
cluster_end()
{
    local status=$? pids log
    if [ "$status" = 0 ] && [ -z "${FINISHED:-}" ]; then
        echo "FAILED: the test ended before cluster_finish" >&2
        status=1
    fi
    pids=$(daemon_pids)
    [ -z "$pids" ] || xargs kill -9 <<<"$pids"
    ! is_mounted || umount -l "$MNT"
    if [ "$status" != 0 ]; then
        find "$LOGS" "$STATE" "$RUN" -name '*.log' -size +0 | while read -r log; do
            printf -- '---- end of %s\n' "$log"
            tail -n 15 "$log"
        done
    fi
    rm -rf --one-file-system "$WORK"
    exit "$status"
}
