# Sourced. isolate "$@" runs the calling script once more in network, mount and process namespaces of its own:
# ports 111, 2049 and 24007 are free there, its mounts are seen by nobody else, and whatever it
# started ends with it, however it ends. The machine's own services are not touched.
# SPDX-License-Identifier: Apache-2.0

SELF=$(realpath "$0")

# A test that cannot run here says why, and counts neither way.
skip()
{
    echo "skipped: $*"
    exit 77
}

isolate()
{
    if [ "${TRIVET_ISOLATED:-}" = "$SELF" ]; then
        ip link set lo up
        # Sockets with fixed names, rpcbind's for one, are the machine's: not ours to talk to.
        mount -t tmpfs -o mode=755 run /run
        return
    fi
    [ "$(id -u)" = 0 ] || skip "needs root"
    [ -c /dev/fuse ] || skip "no /dev/fuse here; load the module: modprobe fuse"
    unshare --net --mount --pid --fork --mount-proc true 2>/dev/null ||
        skip "this machine does not permit namespaces (in a container: run it with --privileged)"
    TRIVET_ISOLATED=$SELF exec \
        unshare --net --mount --pid --fork --kill-child --mount-proc "$SELF" "$@"
}
