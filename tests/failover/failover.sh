# Sourced after tests/lib/cluster.sh: rounds of failures under a load that checks everything, and what is
# looked at afterwards. A round begins and ends with all bricks in sync.
#
#     load_start TARGET…; round KIND; …; load_end
#
# Kinds: kill-backup kill-primary (SIGKILL), stop-backup stop-primary (SIGSTOP, SIGCONT later), none (what this
# machine does to the load by itself). Each round adds a line to $WORK/rounds. RANDOM is seeded by SEED.
# SPDX-License-Identifier: Apache-2.0
SEED=${SEED:-1}
RANDOM=$SEED
KIND_LIST="none kill-backup kill-primary stop-backup stop-primary"

# ---- the load

load_start()
{
    coproc LOAD { exec "$BIN/tests/failover/load" "$@" 2>>"$LOGS/load.log"; }
    # Bash forgets these variables as soon as the program has ended.
    LOAD_FROM=${LOAD[0]} LOAD_TO=${LOAD[1]} LOAD_ID=$LOAD_PID
    load_mark
}

# Sets MARK to a line of the load: the longest stalls since the last one.
load_mark()
{
    echo mark >&"$LOAD_TO"
    read -r -t 60 MARK <&"$LOAD_FROM" || fail "the load has ended, or does not answer: $(cat "$LOGS/load.log")"
}

# marked NAME: a value of the last mark; of "MILLISECONDS@WHEN" the milliseconds. Nothing if there is none.
marked()
{
    [[ " $MARK " =~ " $1="([0-9.]+) ]] && echo "${BASH_REMATCH[1]}"
}

# Sets VERDICT. Returns the load's exit status: 0 if nothing was wrong.
load_end()
{
    echo end >&"$LOAD_TO"
    read -r -t 300 VERDICT <&"$LOAD_FROM" || fail "the load gives no verdict: $(cat "$LOGS/load.log")"
    wait "$LOAD_ID"
}

# ---- the bricks

# A line for each: number, pid, role (one word), in_sync, online.
bricks_now()
{
    trivet volume status gv0 --json 2>/dev/null | tr -d ' \n' | grep -o '{"number":[^{}]*}' | sed -E \
        's/.*"number":([0-9]+),.*"pid":([0-9]+),"online":([a-z]+),.*"role":"([a-z]+)","in_sync":([a-z]+),.*/\1 \2 \4 \5 \3/'
}

# pid_of_role ROLE [WHICH]: the process of the first, second … brick that has it.
pid_of_role()
{
    bricks_now | awk -v role="$1" -v which="${2:-1}" '$3 == role && ++found == which { print $2 }'
}

# all_in_sync [GONE]: every brick in sync, one leads, and none is the process GONE.
all_in_sync()
{
    bricks_now | awk -v gone="${1:-}" '
        $4 == "true" && $5 == "true" && $2 != gone { whole++ }
        $3 == "primary" { primaries++ }
        $3 == "backup" { backups++ }
        END { exit !(whole == 3 && primaries == 1 && backups == 2) }'
}

# Asked rarely: this is measured.
wait_in_sync()
{
    local tries=$((${IN_SYNC_SECONDS:-60} * 5))
    while [ $((tries--)) -gt 0 ]; do
        all_in_sync "${1:-}" && return
        sleep 0.2
    done
    trivet volume status gv0 >&2
    fail "not all bricks are in sync after ${IN_SYNC_SECONDS:-60} s"
}

# ---- rounds

# How long a brick is stopped: mostly longer than any grace, one time in four shorter than the contact.
stop_seconds()
{
    if [ $((RANDOM % 4)) = 0 ]; then
        echo "0.$((1 + RANDOM % 9))"
    else
        echo "$((3 + RANDOM % 2)).$((5 + RANDOM % 5))"
    fi
}

kill_brick()
{
    kill -9 "$1"
    wait_in_sync "$1"
}

stop_brick()
{
    kill -STOP "$1"
    sleep "$STOPPED_SECONDS"
    # trivetd may have ended it.
    kill -CONT "$1" 2>/dev/null
    wait_in_sync
}

do_kind()
{
    local kind=$1 role=${1#*-} pid
    pid=$(pid_of_role "$role" $([ "$role" = primary ] || echo $((1 + RANDOM % 2))))
    [ "$kind" = none ] || [ -n "$pid" ] || fail "no $role: $(bricks_now)"
    case $kind in
    none) sleep 2 ;;
    kill-*) kill_brick "$pid" ;;
    stop-*) stop_brick "$pid" ;;
    *) fail "no such kind: $kind; these are: $KIND_LIST" ;;
    esac
}

# round KIND: sets MARK to what the load saw of it. A line of $WORK/rounds: kind, native ms, NFS ms, errors and
# stale reads, seconds stopped, when the mark before it was, and the mark.
round()
{
    load_mark
    local wrong begun
    begun=$(date -u +%T.%3N)
    wrong=$(($(marked errors) + $(marked stale)))
    STOPPED_SECONDS=$(stop_seconds)
    do_kind "$1"
    sleep 0.5 # whatever comes right after it belongs to it
    load_mark
    [ "${1%-*}" = stop ] || STOPPED_SECONDS=0
    printf '%s %s %s %s %s %s %s\n' "$1" "$(marked native)" "$(marked nfs || echo 0)" \
        "$(($(marked errors) + $(marked stale) - wrong))" "$STOPPED_SECONDS" "$begun" "$MARK" >>"$WORK/rounds"
}

# bar KIND: how long a client may wait, in milliseconds.
bar()
{
    case $1 in
    kill-backup) echo 50 ;;
    kill-primary) echo 500 ;;
    stop-*) echo 3000 ;; # the grace, and a second
    *) echo 0 ;;
    esac
}

# A table of $WORK/rounds.
rounds_table()
{
    local kind
    printf '%-14s %6s %26s %26s %7s %5s %7s\n' kind rounds 'native ms: median     max' \
        'NFS ms: median     max' bar over errors
    for kind in $(cut -d' ' -f1 "$WORK/rounds" | sort -u); do
        grep "^$kind " "$WORK/rounds" | sort -n -k2,2 | awk -v kind="$kind" -v bar="$(bar "$kind")" '
            function median(list, n) { return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2 }
            { native[NR] = $2 + 0; nfs[NR] = $3 + 0; errors += $4; over += bar && ($2 > bar || $3 > bar) }
            END { for (i = 2; i <= NR; i++) for (j = i; j > 1 && nfs[j] < nfs[j - 1]; j--) {
                      swap = nfs[j]; nfs[j] = nfs[j - 1]; nfs[j - 1] = swap }
                  printf "%-14s %6d %17.1f %8.1f %17.1f %8.1f %7s %5d %7d\n", kind, NR, median(native, NR),
                         native[NR], median(nfs, NR), nfs[NR], bar ? bar : "", over, errors }'
    done
}

# ---- what may not grow, and what must be the same

# A line for each daemon, by its program and brick: descriptors, anonymous memory in KiB. A brick's descriptors of
# objects are a cache with a bound, which comes and goes.
daemons_use()
{
    local pid name
    for pid in $(daemon_pids); do
        name=$(readlink "/proc/$pid/exe")
        name=${name##*/}
        [ "$name" != trivet-brick ] || name=brick-$(bricks_now | awk -v pid="$pid" '$2 == pid { print $1 }')
        printf '%s %s %s\n' "$name" "$(find "/proc/$pid/fd" -mindepth 1 ! -lname "$WORK/b[123]/[!.]*" 2>/dev/null | wc -l)" \
            "$(awk '/^RssAnon:/ { print $2 }' "/proc/$pid/status")"
    done | sort
}

# A line for each brick: KiB of its own data without the log, orphans.
bricks_use()
{
    local brick
    for brick in "${BRICKS[@]}"; do
        printf '%s %s %s\n' "${brick##*/}" "$(du -sk --apparent-size --exclude=log "$brick/.trivet" | cut -f1)" \
            "$(find "$brick/.trivet/orphans" -mindepth 1 2>/dev/null | wc -l)"
    done
}

# Descriptors, memory and disk are as they were when "$WORK/daemons" and "$WORK/bricks" were written: 16
# descriptors, 32 MiB, 8 MiB more at most.
no_growth()
{
    daemons_use >"$WORK/daemons.now"
    bricks_use >"$WORK/bricks.now"
    join "$WORK/daemons" "$WORK/daemons.now" | awk '$4 > $2 + 16 || $5 > $3 + 32768 { print; bad = 1 } END { exit bad }' &&
        join "$WORK/bricks" "$WORK/bricks.now" | awk '$4 > $2 + 8192 || $5 > $3 { print; bad = 1 } END { exit bad }'
}

# After volume stop: the three directories are the same, attribute for attribute.
bricks_equal()
{
    local number
    for number in 0 1 2; do
        "$BIN/tests/failover/brick_sums" "${BRICKS[$number]}" >"$WORK/sums$number" || fail "cannot read ${BRICKS[$number]}"
        cmp -s "$WORK/sums0" "$WORK/sums$number" && continue
        diff "$WORK/sums0" "$WORK/sums$number" | cut -c1-300 | head -n 20
        fail "${BRICKS[$number]} differs from ${BRICKS[0]}: $(diff "$WORK/sums0" "$WORK/sums$number" | grep -c '^>') lines"
    done
    [ "$(wc -l <"$WORK/sums0")" -gt 10 ] || fail "nothing was compared"
}
