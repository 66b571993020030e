#!/bin/bash
# The first program of the guest: makes it ready, then runs what the host asks for, until there is no more.
# Its root is the machine's, read-only; $WORK is writable; /run and /mnt are its own.
# A request is a line on tty1, the name of a file in $control, or "halt"; the answer, the name and an exit status.
# SPDX-License-Identifier: Apache-2.0
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

power_off()
{
    sync
    echo o >/proc/sysrq-trigger
    sleep 60
}

# Modules lie where the package has them, not where modprobe and the kernel look.
modules_find()
{
    local kernel
    kernel=$(uname -r)
    mkdir -p /run/modules/lib/modules
    ln -s "/usr/lib/uml/modules/$kernel" "/run/modules/lib/modules/$kernel"
    printf '#!/bin/sh\nexec /sbin/modprobe -d /run/modules "$@"\n' >/run/modules/modprobe
    chmod 755 /run/modules/modprobe
    echo /run/modules/modprobe >/proc/sys/kernel/modprobe
    /run/modules/modprobe nfsv3
}

network_start()
{
    local tries=100
    ip link set lo up
    while [ ! -e /sys/class/net/vec0 ] && [ $((tries--)) -gt 0 ]; do
        sleep 0.05
    done
    ip addr add "$GUEST_ADDRESS/30" dev vec0
    ip link set vec0 up
    printf '127.0.0.1 localhost\n%s guest\n%s server\n' "$GUEST_ADDRESS" "$GUEST_HOST" >/run/hosts
    mount --bind /run/hosts /etc/hosts
    hostname guest
}

serve()
{
    local name
    echo ready >&4
    while read -r name <&3 && [ "$name" != halt ]; do
        (
            cd "$GUEST_TREE" || exit 1
            # shellcheck source=/dev/null
            . "$control/$name"
        ) >"$control/$name.out" 2>&1 </dev/null 3<&- 4>&-
        echo "$name $?" >&4
    done
}

mount -t proc proc /proc
control=$(sed 's/.*guest_control=\([^ ]*\).*/\1/' /proc/cmdline)
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
for directory in /dev/shm /run /mnt /var/lib/nfs; do
    [ ! -d $directory ] || mount -t tmpfs -o mode=755 tmpfs $directory
done
# shellcheck source=/dev/null
. "$control/settings"
mount -t hostfs -o "$WORK" hostfs "$WORK"
mkdir /run/tmp /run/home
chmod 1777 /run/tmp
export TMPDIR=/run/tmp HOME=/run/home LC_ALL=C
stty -F /dev/tty1 raw -echo
exec 3</dev/tty1 4>/dev/tty1 </dev/null >>"$control/init.log" 2>&1
umask 022
modules_find
network_start
serve
power_off
