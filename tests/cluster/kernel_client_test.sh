#!/bin/bash
# A Linux kernel mounts the volume over NFSv3 as its users do, and sees what the native client sees.
# Method: the kernel is a process (tests/kernel-client); mount(8) and busybox's mount without a port, a tree copied
# each way, all contents compared. make check-kernel-client is the long form.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"
# shellcheck source=tests/kernel-client/guest.sh
. tests/kernel-client/guest.sh
# shellcheck source=tests/kernel-client/client.sh
. tests/kernel-client/client.sh
lacking=$(guest_needs)
[ -z "$lacking" ] || skip "$lacking"
cluster_test "$@"

step "a kernel client boots"
client_start

step "mount(8): a tree copied in by the guest"
nfs_mount "$PLAIN"
check "cp -a in the guest" in_guest cp -a frontends "$NFS_MNT/from-guest"
check "diff" diff -r frontends "$MNT/from-guest"
check "cp -a" cp -a mgmt "$MNT/native"
same_in_guest
nfs_unmount

step "busybox: the same, as Alpine mounts it"
nfs_mount_busybox "$PLAIN"
same_in_guest
check "cp -a out" in_guest cp -a "$NFS_MNT/native" "$WORK/out"
check "diff" diff -r mgmt "$WORK/out"
check "rm -r" in_guest rm -r "$NFS_MNT/native"
[ ! -e "$MNT/native" ] || fail "rm -r in the guest is not seen natively"
nfs_unmount busybox

step "what is not exported"
refused_in_guest 'No such file or directory' mount -t nfs -o "$PLAIN" server:/none "$NFS_MNT"

guest_stop
cp -a "$MNT" "$WORK/copy" || fail "cp -a out of the mount"
gateway_stop
volume_unmount
same_on_bricks "$WORK/copy"
cluster_finish
