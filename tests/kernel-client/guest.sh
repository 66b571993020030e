# Sourced after tests/lib/cluster.sh: a Linux kernel with an NFS client of its own, run as a process.
#
#     guest_needs                   prints what the machine lacks for it; nothing: it can be started
#     guest_start                   in the network namespace of the test; a tap device joins the two
#     in_guest COMMAND ARGUMENT…    runs there, with its output and exit status
#     guest_stop
#
# The guest sees the machine's files, read-only but for $WORK, so that it runs the tree's own scripts.
# Its server is the host's side of the tap: $GUEST_HOST, in the guest also by the name "server".
# SPDX-License-Identifier: Apache-2.0
GUEST_HOST=10.213.0.1
GUEST_ADDRESS=10.213.0.2
GUEST_MEMORY=${GUEST_MEMORY:-768}
GUEST_SECONDS=${GUEST_SECONDS:-60}

guest_needs()
{
    local pair missing=()
    for pair in linux.uml:user-mode-linux ip:iproute2 mount.nfs:nfs-common busybox:busybox-static modprobe:kmod; do
        [ -n "$(PATH=$PATH:/usr/sbin:/sbin command -v "${pair%:*}")" ] || missing+=("${pair#*:}")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        echo "a kernel client needs the packages ${missing[*]}: make packages-optional"
    elif [ -z "$(find /usr/lib/uml/modules -name 'nfsv3.ko*' 2>/dev/null)" ]; then
        echo "user-mode-linux has no module nfsv3 in /usr/lib/uml/modules"
    elif [ ! -c /dev/net/tun ]; then
        echo "a kernel client needs a tap device, and there is no /dev/net/tun: modprobe tun"
    fi
}

# Where the guest's memory lies, as a file without a name: in memory, where that has room.
guest_memory_directory()
{
    local free
    free=$(df -m --output=avail /dev/shm 2>/dev/null | tail -n 1)
    if [ "${free:-0}" -ge "$GUEST_MEMORY" ]; then echo /dev/shm; else echo "$GUEST"; fi
}

guest_start()
{
    local ready='' linux
    linux=$(command -v linux.uml) || fail "there is no linux.uml"
    GUEST=$WORK/guest
    mkdir "$GUEST"
    declare -p WORK BIN GUEST_HOST GUEST_ADDRESS >"$GUEST/settings"
    printf 'export WORK BIN GUEST_HOST\nGUEST_TREE=%q\n' "$PWD" >>"$GUEST/settings"
    ip tuntap add dev guest0 mode tap || fail "cannot make a tap device"
    ip addr add "$GUEST_HOST/30" dev guest0
    ip link set guest0 up
    mkfifo "$GUEST/in" "$GUEST/out"
    exec 5<>"$GUEST/in" 6<>"$GUEST/out" 7>>"$LOGS/guest-kernel.log"
    TMPDIR=$(guest_memory_directory) setsid "$linux" "mem=${GUEST_MEMORY}M" umid=guest "uml_dir=$GUEST/" \
        rootfstype=hostfs rootflags=/ ro "init=$PWD/tests/kernel-client/guest_init.sh" \
        "guest_control=$GUEST" con=null con0=null,fd:7 con1=fd:5,fd:6 ssl=null console=tty0 loglevel=5 \
        vec0:transport=tap,ifname=guest0,depth=128,gro=1 noreboot </dev/null >>"$LOGS/guest.log" 2>&1 &
    GUEST_PID=$!
    read -r -t 60 ready <&6
    [ "$ready" = ready ] || fail "the guest did not boot: $(tail -n 5 "$LOGS/guest.log" "$LOGS/guest-kernel.log")"
}

in_guest()
{
    local request name='' status=''
    ! guest_gone || fail "the guest is gone: $(tail -n 20 "$LOGS/guest-kernel.log")"
    request=$(mktemp "$GUEST/request-XXXXXX") || fail "no room for a request"
    printf '%q ' "$@" >"$request"
    echo "${request##*/}" >&5
    read -r -t "$GUEST_SECONDS" name status <&6
    cat "$request.out" 2>/dev/null
    if [ "$name" != "${request##*/}" ]; then
        tail -n 20 "$LOGS/guest-kernel.log"
        kill -9 "$GUEST_PID"
        fail "the guest did not end in $GUEST_SECONDS seconds: $*"
    fi
    rm -f "$request" "$request.out"
    return "$status"
}

guest_gone()
{
    ! kill -0 "$GUEST_PID" 2>/dev/null
}

# A client that complains of its server's answers, or worse, is a failure as well.
guest_stop()
{
    local complaint='BUG:|Oops|Call Trace|RPC: .*(garbage|fail)|NFS: .*(buggy|loop|error|bad)|readdir loop'
    check "guest: left mounted" in_guest bash -c '! grep " nfs" /proc/self/mounts'
    echo halt >&5
    wait_for 10 guest_gone || kill -9 -- "-$GUEST_PID"
    wait "$GUEST_PID" 2>/dev/null
    exec 5>&- 6>&- 7>&-
    ip link del guest0
    ! grep -E "$complaint" "$LOGS/guest-kernel.log" || fail "the client's kernel complains"
}
