#!/bin/bash
# make bench: the same work on a local directory, on FUSE over it, on Trivet natively and by NFS (async and
# sync export), and on GlusterFS and NFS-Ganesha (over GlusterFS, over a local directory) where they are
# installed, in one run, one after the other, on the same XFS images.
#
#     ROWS="small4 small1 stream random tree dbench growth memory"
#     SYSTEMS="local passthrough trivet_native trivet_nfs trivet_sync gluster ganesha ganesha_local"
#     BENCH_DIR=/var/tmp (24 GiB while it runs)  BENCH_OUT=build/bench/DATE.jsonl
#
# Prints a table and writes one JSON line per row. Slowness is never a failure; wrong contents are.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
. tests/bench/systems.sh
. tests/bench/rows.sh
isolate "$@"
ROWS=${ROWS:-small4 small1 stream random tree dbench growth memory}
SYSTEMS=${SYSTEMS:-local passthrough trivet_native trivet_nfs trivet_sync gluster ganesha ganesha_local}
MEASURE=$BIN/tests/bench/measure
OUT=${BENCH_OUT:-build/bench/$(date +%Y%m%d-%H%M%S).jsonl}

# record ROW VALUE OPERATIONS UNIT "P50 P99": one JSON line.
record()
{
    local cpu=null
    if [ -n "${TIMED_CPU_MS:-}" ] && [ "${3:-0}" != 0 ] && [ -n "$3" ]; then
        cpu=$(awk -v ms="$TIMED_CPU_MS" -v operations="$3" 'BEGIN { printf "%.4f", ms / operations }')
    fi
    # shellcheck disable=SC2086 # two numbers or none
    set -- "$1" "$2" "$3" "$4" $5
    printf '{"system":"%s","row":"%s","value":"%s","unit":"%s","cpu_ms_per_op":%s,"p50_us":%s,"p99_us":%s}\n' \
        "$SYSTEM" "$1" "$2" "$4" "$cpu" "${5:-null}" "${6:-null}" >>"$OUT"
}

# A system that is not installed is a line, not a failure.
system_run()
{
    SYSTEM=$1
    if declare -F "${SYSTEM}_available" >/dev/null && ! "${SYSTEM}_available"; then
        echo "bench: $SYSTEM is not installed: left out"
        return
    fi
    echo "bench: $SYSTEM"
    bricks_clean
    "${SYSTEM}_up"
    for row in $ROWS; do
        declare -F "row_$row" >/dev/null || fail "no such row: $row"
        echo "bench:   $row"
        "row_$row" || echo "bench: $SYSTEM: $row was not finished" >&2
    done
    "${SYSTEM}_down"
}

bench_end()
{
    local status=$?
    # The end of this process namespace ends every daemon.
    ! is_mounted || umount -l "$MNT"
    cd / && umount -l "$WORK"/brick[123] "$WORK/local" 2>/dev/null
    rm -rf --one-file-system "$WORK"
    exit "$status"
}

cluster_paths "${BENCH_DIR:-/var/tmp}/trivet-bench"
trap bench_end EXIT
trap 'exit 143' TERM INT HUP
command -v mkfs.xfs >/dev/null || fail "mkfs.xfs is missing: apt-get install -y xfsprogs"
mkdir -p "$(dirname "$OUT")"
: >"$OUT"
disks_up
mkdir "$WORK/tree"
for part in linux c++ x86_64-linux-gnu; do
    [ ! -d "/usr/include/$part" ] || cp -aL "/usr/include/$part" "$WORK/tree/"
done
for name in $SYSTEMS; do
    declare -F "${name}_up" >/dev/null || fail "no such system: $name"
    system_run "$name"
done
echo
tests/bench/table.awk "$OUT"
echo "one JSON line per row: $OUT"
