#!/bin/bash
# Listings of a large directory while it changes. Goal: each entry that was there throughout is seen exactly
# once, natively and over NFS, though primary and gateway are killed in mid-listing. Method:
# tests/stress/listing, which runs a command at each quarter; here that kills -9 and waits until the
# supervisor has started another. FULL=1: 100,000 entries, and listings with
# no daemon killed, too; else 10,000.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"
entries=${ENTRIES:-${FULL:+100000}}
entries=${entries:-10000}

# killer NAME: kill-NAME is a command that kills a daemon and waits for the next; its text comes by stdin.
killer()
{
    cat >"$WORK/kill-$1"
    chmod +x "$WORK/kill-$1"
}

list()
{
    local text=$1
    shift
    step "$text"
    check "$text" timeout 300 "$BIN/tests/stress/listing" list "$MNT" "$entries" "$@"
}

cluster_start
port=$(trivet volume status gv0 --json | tr -d ' \n' | grep -o '"port":[0-9]*,[^{}]*"role":"primary"' |
    grep -o '[0-9]*' | head -n 1)
[ -n "$port" ] || fail "no primary in volume status"

for daemon in "brick $port" "gateway 2049"; do
    killer "${daemon% *}" <<TEXT
#!/bin/bash
pid()
{
    ss -ltnpH "sport = :${daemon#* }" | grep -o 'pid=[0-9]*' | head -n 1 | cut -d= -f2
}
old=\$(pid)
[ -n "\$old" ] && kill -9 "\$old" || exit 1
echo "killed ${daemon% *}, pid \$old"
for ((i = 0; i < 400; i++)); do
    new=\$(pid)
    [ -n "\$new" ] && [ "\$new" != "\$old" ] && exit 0
    sleep 0.05
done
exit 1
TEXT
done
killer both <<TEXT
#!/bin/bash
[ "\$1" = 2 ] && exec "$WORK/kill-brick" || exec "$WORK/kill-gateway"
TEXT

step "$entries entries"
check "fill" "$BIN/tests/stress/listing" fill "$MNT" "$entries"
list "natively, the primary killed three times" "$MNT" "$WORK/kill-brick"
list "READDIR, gateway and primary killed" "readdir:$NFS" "$WORK/kill-both"
list "READDIRPLUS, gateway and primary killed" "readdirplus:$NFS" "$WORK/kill-both"
if [ -n "${FULL:-}" ]; then
    list "natively" "$MNT"
    list "READDIR" "readdir:$NFS"
    list "READDIRPLUS" "readdirplus:$NFS"
fi
cluster_finish
