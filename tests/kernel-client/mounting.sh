# Sourced by check.sh: stories of mounting, by mount(8) and by busybox, and of what is not to be mounted.
# SPDX-License-Identifier: Apache-2.0

# udp_missing: the reason why this kernel does not mount over UDP, if it does not.
udp_missing()
{
    local output
    output=$(in_guest mount -t nfs -o "$PLAIN,proto=udp" server:/gv0 "$NFS_MNT" 2>&1) && nfs_unmount && return
    # Without portmapper and MOUNT in the way: an option that the kernel does not know at all.
    in_guest mount -i -t nfs -o "vers=3,nolock,proto=udp,addr=$GUEST_HOST,mountproto=tcp" server:/gv0 "$NFS_MNT" \
        >/dev/null 2>&1 && fail "mount over UDP fails, though the kernel can: $output"
    echo "this kernel does not do NFS over UDP: $output"
}

# works MOUNTER OPTIONS WANTED…: mounts so, /proc/self/mounts shows the options wanted, and it can be used.
# busybox's umount does not tell the server.
works()
{
    local mounter=$1 options=$2 name wanted shown
    shift 2
    "$mounter" "$options"
    shown=$(in_guest grep " $NFS_MNT nfs " /proc/self/mounts) || fail "nothing is mounted"
    echo "   $mounter $options: $(cut -d' ' -f4 <<<"$shown")"
    for wanted in vers=3 "$@"; do
        grep -q "[ ,]${wanted}[, ]" <<<"$shown" || fail "$wanted is not in: $shown"
    done
    name=made-$RANDOM
    in_guest bash -ec "echo '$options' >$NFS_MNT/$name; mkdir $NFS_MNT/$name.d; cat $NFS_MNT/$name" >/dev/null ||
        fail "cannot use it"
    [ "$(cat "$MNT/$name")" = "$options" ] || fail "not seen natively"
    in_guest showmount --no-headers -a server | grep -q "^${GUEST_ADDRESS}:/gv0\$" || fail "showmount -a does not show it"
    if [ "$mounter" = nfs_mount ]; then
        nfs_unmount
        ! in_guest showmount --no-headers -a server | grep "^$GUEST_ADDRESS:" ||
            fail "showmount -a shows what is unmounted"
    else
        nfs_unmount busybox
    fi
    rm -r "${MNT:?}/$name" "$MNT/$name.d"
}

# The way users do it: the portmapper, which is the gateway, says where MOUNT and NFS are.
story_ports_by_portmapper()
{
    local mounter
    in_guest rpcinfo -p server | awk '{print $1, $2, $3, $4}' >"$WORK/rpcinfo"
    for entry in '100000 2 tcp 111' '100003 3 tcp 2049' '100003 3 udp 2049' '100005 3 tcp 2049' '100005 3 udp 2049' \
        '100005 1 udp 2049'; do
        grep -qx "$entry" "$WORK/rpcinfo" || fail "rpcinfo -p does not say $entry"
    done
    for mounter in nfs_mount nfs_mount_busybox; do
        works $mounter "$PLAIN" proto=tcp
        works $mounter "$PLAIN,proto=tcp,mountproto=udp" proto=tcp mountproto=udp
        works $mounter "$PLAIN,rsize=4096,wsize=8192,nordirplus,actimeo=1,soft" rsize=4096 wsize=8192
    done
    in_guest showmount -e --no-headers server >"$WORK/exports"
    grep -q '^/gv0 ' "$WORK/exports" || fail "showmount -e does not show /gv0: $(cat "$WORK/exports")"
}

story_udp()
{
    local missing
    missing=$(udp_missing) || fail "$missing"
    [ -z "$missing" ] || story_skip "$missing"
    works nfs_mount "$PLAIN,proto=udp" proto=udp
    works nfs_mount_busybox "$PLAIN,proto=udp" proto=udp
}

# With ports of their own, and no portmapper anywhere.
story_ports_explicit()
{
    local mounter
    gateway_serve $'portmap = off\nnfs-port = 2050\nmount-port = 20048' 'access = rw'
    for mounter in nfs_mount nfs_mount_busybox; do
        "$mounter" "$PLAIN,proto=tcp,port=2050,mountport=20048,mountproto=tcp"
        in_guest ls "$NFS_MNT" >/dev/null || fail "cannot use it"
        nfs_unmount
        "$mounter" "$PLAIN,proto=tcp,port=2050,mountport=20048,mountproto=udp"
        nfs_unmount
    done
    refused_in_guest 'refused|timed out|not registered|failed' mount -t nfs -o "$PLAIN,retry=0" server:/gv0 "$NFS_MNT"
    gateway_serve 'portmap = own' 'access = rw'
    works nfs_mount "$PLAIN,port=2049,mountport=2049" mountport=2049
}

story_not_mountable()
{
    local path
    for path in /none /gv0/none /gv; do
        refused_in_guest 'No such file or directory' mount -t nfs -o "$PLAIN" "server:$path" "$NFS_MNT"
        refused_in_guest 'No such file or directory' busybox mount -t nfs -o "$PLAIN" "server:$path" "$NFS_MNT"
    done
    refused_in_guest 'access denied|permission denied' mount -t nfs -o "$PLAIN" server:/refused "$NFS_MNT"
    refused_in_guest 'permission denied' busybox mount -t nfs -o "$PLAIN" server:/refused "$NFS_MNT"
    echo text >"$MNT/file"
    refused_in_guest 'not a directory|is not a directory|No such' mount -t nfs -o "$PLAIN" server:/gv0/file "$NFS_MNT"
    rm "$MNT/file"
    ! in_guest grep " nfs" /proc/self/mounts || fail "mounted all the same"
}

story_directory_below()
{
    mkdir -p "$MNT/below/deeper"
    echo text >"$MNT/below/deeper/file"
    nfs_mount "$PLAIN" /gv0/below/deeper
    [ "$(in_guest cat "$NFS_MNT/file")" = text ] || fail "cannot read in it"
    [ "$(in_guest ls -a "$NFS_MNT" | paste -sd' ')" = ". .. file" ] || fail "ls -a: $(in_guest ls -a "$NFS_MNT")"
    nfs_unmount
    rm -r "$MNT/below"
}

story_read_only()
{
    mkdir "$MNT/directory"
    echo text >"$MNT/directory/file"
    gateway_serve 'portmap = own' 'access = ro'
    nfs_mount "$PLAIN"
    [ "$(in_guest cat "$NFS_MNT/directory/file")" = text ] || fail "cannot read"
    for command in "touch $NFS_MNT/new" "mkdir $NFS_MNT/new" "rm $NFS_MNT/directory/file" "rmdir $NFS_MNT/directory" \
        "mv $NFS_MNT/directory $NFS_MNT/other" "chmod 700 $NFS_MNT/directory" "ln $NFS_MNT/directory/file $NFS_MNT/new" \
        "ln -s x $NFS_MNT/new" "mkfifo $NFS_MNT/new"; do
        # shellcheck disable=SC2086 # several words
        refused_in_guest 'Read-only file system' $command
    done
    # Before it opens a file the client asks by ACCESS, which has no answer for this but "no".
    refused_in_guest 'Read-only file system|Permission denied' truncate -s 0 "$NFS_MNT/directory/file"
    refused_in_guest 'Read-only file system|Permission denied' tee -a "$NFS_MNT/directory/file"
    nfs_unmount
    gateway_serve 'portmap = own' 'access = rw'
    [ "$(cat "$MNT/directory/file")" = text ] || fail "the file has changed"
    rm -r "$MNT/directory"
}

story_root_squash()
{
    mkdir "$MNT/open" "$MNT/closed"
    chmod 777 "$MNT/open"
    chmod 755 "$MNT/closed"
    echo secret >"$MNT/closed/secret"
    chmod 600 "$MNT/closed/secret"
    gateway_serve 'portmap = own' 'squash = root'
    nfs_mount "$PLAIN"
    check "touch in an open directory" in_guest touch "$NFS_MNT/open/file"
    [ "$(stat -c %u:%g "$MNT/open/file")" = 65534:65534 ] || fail "made by $(stat -c %u:%g "$MNT/open/file")"
    refused_in_guest 'Permission denied' touch "$NFS_MNT/closed/file"
    refused_in_guest 'Permission denied' cat "$NFS_MNT/closed/secret"
    refused_in_guest 'not permitted' chown 0 "$NFS_MNT/open/file"
    refused_in_guest 'not permitted' chmod 777 "$NFS_MNT/closed"
    check "another user" in_guest setpriv --reuid 1000 --regid 1000 --clear-groups touch "$NFS_MNT/open/user"
    [ "$(stat -c %u:%g "$MNT/open/user")" = 1000:1000 ] || fail "a user was squashed"
    nfs_unmount
    gateway_serve 'portmap = own' 'access = rw'
    rm -r "$MNT/open" "$MNT/closed"
}

# df in the guest says what df says natively, but for what was written in between.
story_df()
{
    local native guest column
    nfs_mount "$PLAIN"
    for column in size avail itotal iavail; do
        native=$(df -k --output=$column "$MNT" | tail -n 1)
        guest=$(in_guest df -k --output=$column "$NFS_MNT" | tail -n 1)
        echo "   $column: native $native, guest $guest"
        awk -v a="$native" -v b="$guest" 'BEGIN { exit !(a > 0 && b > 0.98 * a && b < 1.02 * a) }' ||
            fail "df: $column is $guest in the guest and $native natively"
    done
    nfs_unmount
}
