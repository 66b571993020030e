#!/bin/bash
# Malformed records on every port: no daemon ends, none leaks descriptors, and the volume goes on.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"
seed=${SEED:-$$} count=${COUNT:-150}

cluster_start
echo contents >"$MNT/file" || fail "write"
before=$(daemon_pids | sort | paste -sd' ')
step "SEED=$seed"
for port in 24007 49152 49153 49154 2049 111; do
    step "$count connections to $port"
    check "garbage to $port" timeout 60 "$BIN/tests/cluster/garbage" "$port" "$seed" "$count"
done
for port in 111 2049; do
    ss -lunH "sport = :$port" | grep -q . || continue
    step "$count datagrams to $port"
    check "garbage to $port by UDP" timeout 60 "$BIN/tests/cluster/garbage" "$port" "$seed" "$count" udp
done

step "nobody ended, everybody answers"
[ "$(daemon_pids | sort | paste -sd' ')" = "$before" ] ||
    fail "other processes than before ($before): $(daemon_pids | sort | paste -sd' ')"
for pid in $before; do
    descriptors=$(find "/proc/$pid/fd" -mindepth 1 | wc -l)
    [ "$descriptors" -lt 100 ] || fail "$(readlink "/proc/$pid/exe") holds $descriptors descriptors"
done
check "read natively" test "$(cat "$MNT/file")" = contents
check "read over NFS" test "$(nfs-cat "$NFS/file?version=3")" = contents
check "write natively" sh -c "echo new >'$MNT/file'"
check "status" trivet volume status gv0
cluster_finish
