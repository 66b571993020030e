#!/bin/bash
# The NFS and MOUNT suites at the machine's nfs-ganesha over a directory (FSAL VFS), in namespaces of its own: with
# rpcbind, which it does not start without. OPTIONS: further options of the suites. SUITES: which of them.
# SPDX-License-Identifier: Apache-2.0
set -u
. "$(dirname "$0")/../../tests/lib/isolate.sh"
cd "$(dirname "$0")/../.." || exit 1
[ -x /usr/bin/ganesha.nfsd ] && [ -x /sbin/rpcbind ] || skip "no nfs-ganesha with nfs-ganesha-vfs and rpcbind here"
isolate "$@"
BIN=${TRIVET_BIN:-$PWD/build/debug}
WORK=$(mktemp -d /var/tmp/ganesha-XXXXXX) || exit 1
KINDS="plain read-only root-squash all-squash secure refused small other"

finish()
{
    local status=$?
    xargs -r kill <<<"$(jobs -p)" 2>/dev/null
    wait
    umount "$WORK/small" 2>/dev/null
    rm -rf --one-file-system "$WORK"
    exit "$status"
}
trap finish EXIT

exports()
{
    local name id=0
    for name in $KINDS; do
        id=$((id + 1))
        local squash=No_Root_Squash access=RW clients='*' more=
        case $name in
        read-only) access=RO ;;
        root-squash) squash=Root_Squash ;;
        all-squash) squash=All_Squash ;;
        secure) more='PrivilegedPort = true;' ;;
        refused) clients=10.255.255.1 ;;
        esac
        cat <<TEXT
EXPORT {
    Export_Id = $id; Path = "$WORK/$name"; Pseudo = "/$name"; Protocols = 3; Transports = TCP, UDP; SecType = sys, none;
    Access_Type = None; Squash = $squash; Anonymous_Uid = 65534; Anonymous_Gid = 65534; $more
    Filesystem_Id = 1.$id;
    CLIENT { Clients = $clients; Access_Type = $access; Squash = $squash; }
    FSAL { Name = VFS; }
}
TEXT
    done
}

for name in $KINDS; do
    mkdir "$WORK/$name" && chmod 777 "$WORK/$name"
done
mount -t tmpfs -o size=4m,nr_inodes=600,mode=777 small "$WORK/small"
mkdir -p /run/rpcbind
rpcbind -f -w >"$WORK/rpcbind.log" 2>&1 &
for _ in $(seq 100); do
    [ -S /run/rpcbind.sock ] && break
    sleep 0.05
done
mkdir -p /run/ganesha
{
    echo "NFS_CORE_PARAM { Protocols = 3; NFS_Port = 2049; MNT_Port = 20048; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = true; }"
    exports
    echo 'LOG { Default_Log_Level = EVENT; }'
} >"$WORK/ganesha.conf"
ganesha.nfsd -F -f "$WORK/ganesha.conf" -L "$WORK/ganesha.log" -p "$WORK/ganesha.pid" -N NIV_EVENT &
for _ in $(seq 400); do
    nfs-ls "nfs://127.0.0.1$WORK/plain?version=3" >/dev/null 2>&1 && break
    sleep 0.05
done
[ -z "${LOG:-}" ] || cp "$WORK/ganesha.log" "$LOG"
options=()
for name in $KINDS; do
    [ "$name" = plain ] || options+=("--$name" "$WORK/$name")
done
ganesha.nfsd -v | head -n 1
failed=0
for suite in ${SUITES:-nfs3 mount3}; do
    # shellcheck disable=SC2086 # options are words
    "$BIN/conformance/$suite/$suite-suite" "${options[@]}" ${OPTIONS:-} "127.0.0.1:$WORK/plain" || failed=1
done
exit "$failed"
