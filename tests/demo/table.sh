# Sourced by demo.sh: native against NFS, in figures, and what follows from them.
# SPDX-License-Identifier: Apache-2.0

# figure PHASE: the rate in a line of measure.
figure()
{
    awk -v phase="phase=$1" '$1 == phase { for (i = 2; i <= NF; i++) if (sub(/^ops_s=/, "", $i)) print $i }'
}

# measure_way TARGET: six figures, one per line: create stat read list write read.
measure_way()
{
    local target=$1 phase
    "$MEASURE" -n "$FILES" "$target" small /.measure >"$DEMO_DIR/small" || return 1
    for phase in create stat read list; do
        figure "$phase" <"$DEMO_DIR/small"
    done
    "$MEASURE" -m "$MEBIBYTES" "$target" stream-write /.large | figure stream_write || return 1
    if [ "$target" = "$MNT" ]; then # not from this client's cache
        client_stop
        client_up
    fi
    "$MEASURE" -m "$MEBIBYTES" "$target" stream-read /.large | figure stream_read || return 1
    "$MEASURE" "$target" unlink /.large
    rm -f "$DEMO_DIR/small"
}

measure_both()
{
    measure_way "$MNT" >"$DEMO_DIR/native" || fail "measuring natively failed"
    measure_way "$NFS" >"$DEMO_DIR/nfs" || fail "measuring over NFS failed"
    paste "$DEMO_DIR/native" "$DEMO_DIR/nfs" | awk '
        function times(x) { return sprintf(x >= 10 ? "%.0f" : "%.1f", x) }
        BEGIN {
            split("create stat read list write read", name, " ")
            printf "  %-18s %12s %12s  %s\n", "", "native", "NFS", "native / NFS"
        }
        {
            unit = NR > 4 ? "MiB/s" : NR == 4 ? "entries/s" : "files/s"
            printf "  %-18s %12.0f %12.0f  %.2f\n", (NR > 4 ? "large " : "") name[NR] " " unit, $1, $2, $1 / $2
            if (NR > 4) large += log($1 / $2) / 2; else small += log($1 / $2) / 4
        }
        END {
            # Differences below a quarter are noise on a machine that does other work, too.
            small = exp(small); large = exp(large)
            one = small >= 1.25 ? "natively small files are " times(small) " times as fast" : \
                small <= 0.8 ? "small files are " times(1 / small) " times as fast over NFS" : \
                "small files are as fast either way"
            two = large >= 1.25 ? "large ones " times(large) " times as fast natively" : \
                large <= 0.8 ? "large ones " times(1 / large) " times as fast over NFS" : \
                "large ones as fast either way"
            advice = small >= 0.8 && large >= 0.8 ? \
                "mount natively wherever trivet-fuse runs, and keep NFS for machines where it does not" : \
                small >= 0.8 ? "mount natively for trees of small files, by NFS where large ones are streamed" : \
                large >= 0.8 ? "mount natively where large files are streamed, by NFS for trees of small ones" : \
                "mount by NFS, and natively where locks and caching across machines matter"
            printf "\n  Advice: %s (%s, %s).\n", advice, one, two
        }'
    rm -f "$DEMO_DIR/native" "$DEMO_DIR/nfs"
}
