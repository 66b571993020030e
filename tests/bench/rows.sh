# Sourced by bench.sh: the rows. Each runs one piece of work on $TARGET and hands its figures to record.
# What has a mount is measured with the ordinary programs for trees; an NFS export with the same work by
# libnfs, since no kernel client is assumed. Fixed sizes: figures of different days are comparable.
# SPDX-License-Identifier: Apache-2.0

SMALL_PHASES=(create stat read list rename unlink)

drop_caches()
{
    sync
    echo 3 >/proc/sys/vm/drop_caches
}

# CPU time of the system's daemons so far, in ticks.
daemon_ticks()
{
    local pid ticks=0 line
    for pid in $("${SYSTEM}_pids"); do
        line=$(sed 's/^.*) //' "/proc/$pid/stat" 2>/dev/null) || continue
        # shellcheck disable=SC2086 # fields
        set -- $line
        ticks=$((ticks + ${12} + ${13}))
    done
    echo "$ticks"
}

# timed ROW COMMAND…: run it, leave its output in $WORK/output and seconds and daemons' CPU in variables.
timed()
{
    local row=$1 ticks start
    shift
    ticks=$(daemon_ticks)
    start=$EPOCHREALTIME
    "$@" >"$WORK/output" 2>"$WORK/errors" || {
        echo "bench: $SYSTEM: $row failed: $(head -n 3 "$WORK/errors")" >&2
        record "$row" failed 0 "" ""
        return 1
    }
    TIMED_SECONDS=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.4f", b - a }')
    TIMED_CPU_MS=$(($(daemon_ticks) - ticks)) && TIMED_CPU_MS=$((TIMED_CPU_MS * 1000 / $(getconf CLK_TCK)))
}

# A value of the line "phase=PHASE …" in the output.
output_value()
{
    awk -v phase="phase=$1" -v key="$2" '$1 == phase { for (i = 2; i <= NF; i++) {
        split($i, pair, "="); if (pair[1] == key) print pair[2] } }' "$WORK/output"
}

# measured ROW PHASE UNIT OPTIONS-AND-COMMAND…
measured()
{
    local row=$1 phase=$2 unit=$3
    shift 3
    timed "$row" "$MEASURE" "$@" || return 1
    record "$row" "$(output_value "$phase" ops_s)" "$(output_value "$phase" ops)" "$unit" \
        "$(output_value "$phase" p50_us) $(output_value "$phase" p99_us)"
}

row_small()
{
    local threads=$1 files=$2 phase
    for phase in "${SMALL_PHASES[@]}"; do
        measured "small${threads}_$phase" "$phase" ops/s -n "$files" -s 4096 -d 20 -t "$threads" \
            -p "$phase" "$TARGET" small /small || return 1
    done
}
row_small1() { row_small 1 1000; }
row_small4() { row_small 4 4000; }

# A virtual machine gets its memory from its host page by page, at the first touch, and may give it back
# when it is free; a fresh page then costs more than writing it, 2.8 ms a MiB where this was seen. Whoever
# fills memory right after others did would win by that alone, so each system begins with pages that
# have just been touched: those freed last are given out first.
memory_warm()
{
    mkdir -p "$WORK/warm" && mount -t tmpfs -o size=8G warm "$WORK/warm" || fail "no tmpfs"
    dd if=/dev/zero of="$WORK/warm/pages" bs=1M count="${WARM_MIB:-6144}" status=none
    umount "$WORK/warm"
}

row_stream()
{
    memory_warm
    measured stream_write stream_write MiB/s -m 512 "$TARGET" stream-write /stream || return 1
    drop_caches
    measured stream_read stream_read MiB/s -m 512 "$TARGET" stream-read /stream
    "$MEASURE" "$TARGET" unlink /stream
}

row_random()
{
    "$MEASURE" -m 512 "$TARGET" stream-write /random >/dev/null || return 1
    measured random_write1 random_write IOPS -m 512 -t 1 -l 5 "$TARGET" random-write /random
    measured random_write4 random_write IOPS -m 512 -t 4 -l 5 "$TARGET" random-write /random
    drop_caches
    measured random_read4 random_read IOPS -m 512 -t 4 -l 5 "$TARGET" random-read /random
    "$MEASURE" "$TARGET" unlink /random
}

tree_row()
{
    local row=$1
    shift
    timed "$row" "$@" && record "$row" "$TIMED_SECONDS" "$TREE_FILES" s ""
}

tar_whole() { tar cf - -C "$1" tree | wc -c; }

row_tree()
{
    TREE_FILES=$(find "$WORK/tree" | wc -l)
    if [ -n "$MEASURED" ]; then
        tree_row tree_copy cp -a "$WORK/tree" "$MEASURED/tree" || return 1
        drop_caches
        tree_row tree_tar tar_whole "$MEASURED"
        tree_row tree_list ls -lR "$MEASURED/tree"
        tree_row tree_remove rm -rf "$MEASURED/tree"
    else
        tree_row tree_copy "$MEASURE" "$TARGET" put "$WORK" /tree || return 1
        drop_caches
        tree_row tree_tar "$MEASURE" "$TARGET" get /tree
        tree_row tree_list "$MEASURE" "$TARGET" list /tree
        tree_row tree_remove "$MEASURE" "$TARGET" remove /tree
    fi
}

# What dbench's script of an office's file server gets through, MiB/s; it needs a mount.
row_dbench()
{
    [ -n "$MEASURED" ] || return 0
    command -v dbench >/dev/null || { echo "bench: dbench is not installed: no such row"; return 0; }
    timed dbench dbench -c /usr/share/dbench/client.txt -t "${DBENCH_SECONDS:-15}" -D "$MEASURED" 4 ||
        return 1
    TIMED_CPU_MS=
    record dbench "$(awk '/^Throughput/ { print $2 }' "$WORK/output")" "" MB/s ""
    rm -rf "$MEASURED"/clients
}

# What the daemons hold in memory after all that, mapped files included.
row_memory()
{
    local pid total=0
    for pid in $("${SYSTEM}_pids"); do
        total=$((total + $(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status" 2>/dev/null || echo 0)))
    done
    TIMED_CPU_MS=
    [ "$total" = 0 ] || record memory "$((total / 1024))" "" MiB ""
}

# Does an operation cost more in a directory that has become large?
row_growth()
{
    local phase
    timed growth "$MEASURE" -n 100000 -l 60 "$TARGET" growth /growth || return 1
    TIMED_CPU_MS=
    for phase in create_first create_last stat_first stat_last; do
        record "growth_$phase" "$(output_value "$phase" ops_s)" "" ops/s ""
    done
    record growth_entries "$(output_value entries ops)" "" files ""
    [ -n "$MEASURED" ] && rm -rf "$MEASURED/growth" || "$MEASURE" "$TARGET" remove /growth >/dev/null
}
