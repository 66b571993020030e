#!/bin/bash
# What the demo needs of this machine; names everything that is missing, and what to do about it.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/settings.sh"
problems=0

problem()
{
    problems=$((problems + 1))
    printf 'demo: %s\n      %s\n' "$1" "$2" >&2
}

check_port()
{
    local port=$1 what=$2 holder pid name
    holder=$(ss -lntuHp "sport = :$port" 2>/dev/null | head -n 1)
    [ -n "$holder" ] || return
    pid=$(grep -o 'pid=[0-9]*' <<<"$holder" | head -n 1 | cut -d= -f2)
    name=$(grep -o '"[^"]*"' <<<"$holder" | head -n 1 | tr -d '"')
    if [ -n "$pid" ] && grep -qx "$pid" <<<"$(demo_pids)"; then
        return # the demo itself, which runs already
    fi
    if [ "$port" = 111 ] && [ "$name" = rpcbind ]; then
        echo "demo: rpcbind runs on port 111; the gateway registers with it"
        return
    fi
    case $name in
    '') problem "port $port ($what) is taken by the kernel" \
        "its own NFS server? systemctl stop nfs-kernel-server" ;;
    trivet*) problem "port $port ($what) is taken by $name, process $pid, of another cluster" \
        "another demo? DEMO_DIR=… make demo-down; else: kill $pid" ;;
    glusterd) problem "port $port ($what) is taken by GlusterFS's glusterd, process $pid" \
        "stop it: systemctl stop glusterd, or: kill $pid" ;;
    systemd | init) problem "port $port ($what) is taken by a socket that $name holds for a service" \
        "find it: systemctl list-sockets | grep $port; then systemctl stop that socket" ;;
    *) problem "port $port ($what) is taken by $name, process $pid" \
        "stop its service, or: kill $pid" ;;
    esac
}

[ "$(id -u)" = 0 ] || problem "not root" "mounting and well-known ports need root: sudo make demo"
[ -d "$TREE" ] || problem "$TREE is not a directory" "name a tree to copy: make demo TREE=/usr/share/doc"
if [ ! -c /dev/fuse ]; then
    problem "there is no /dev/fuse" \
        "load the module: modprobe fuse; in a container: docker run --privileged, or --device /dev/fuse --cap-add SYS_ADMIN"
elif ! (: <>/dev/fuse) 2>/dev/null; then
    problem "/dev/fuse cannot be opened" \
        "this container may not use it: run it with --privileged, or --device /dev/fuse --cap-add SYS_ADMIN"
fi
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$DEMO_DIR" && "$BIN/tests/demo/probe" "$DEMO_DIR" || problems=$((problems + 1))
    for port in 111:portmapper 2049:NFS 24007:management; do
        check_port "${port%:*}" "${port#*:}"
    done
    # Three copies of the tree and of the large file both ways, the copy that nfs-cp makes, and air.
    need=$((4 * $(du -sm "$TREE" | cut -f1) + 8 * MEBIBYTES + 200))
    have=$(df -m --output=avail "$DEMO_DIR" | tail -n 1)
    [ "$have" -ge "$need" ] || problem "$DEMO_DIR has $have MiB free, the demo needs $need" \
        "name a roomier place: make demo DEMO_DIR=/some/where, or less work: make demo DEMO_SHORT=1"
fi
[ "$problems" = 0 ]
