# shellcheck disable=SC2034 # TARGET and MEASURED are for rows.sh
# Sourced by bench.sh: how each system is brought up, where its files are, which processes are its daemons,
# and how it goes down. Everything happens in the namespaces of bench.sh, so that fixed paths and ports
# are free: the machine's own glusterd and rpcbind see none of it.
# SPDX-License-Identifier: Apache-2.0

VOLUME_HOST=bench.trivet

# disk_up NAME: an XFS image of its own, mounted at $WORK/NAME. The image has no name any more once it is
# attached, and the loop device clears itself when it is unmounted: nothing can stay behind.
disk_up()
{
    local image=$WORK/$1.img
    mkdir -p "$WORK/$1"
    fallocate -l "${DISK_SIZE:-6G}" "$image" && mkfs.xfs -q -f "$image" &&
        mount -o loop "$image" "$WORK/$1" || fail "cannot make disk $1 below $WORK (room? mkfs.xfs?)"
    losetup --direct-io=on "$(findmnt -no SOURCE "$WORK/$1")" 2>/dev/null ||
        echo "bench: no direct I/O on $1: caches of image and file system add up" >&2
    rm "$image"
}

disks_up()
{
    local disk
    for disk in local brick1 brick2 brick3; do
        disk_up "$disk"
    done
    BRICKS=("$WORK/brick1/b" "$WORK/brick2/b" "$WORK/brick3/b")
}

bricks_clean()
{
    rm -rf "$WORK"/brick[123]/b "$WORK"/local/*
    mkdir -p "$WORK"/brick{1,2,3}/b
}

# ---- local: the floor
local_up() { TARGET=$WORK/local MEASURED=$TARGET; }
local_pids() { :; }
local_down() { :; }

# ---- trivet, native
trivet_native_up()
{
    trivetd_start
    volume_create >/dev/null 2>&1
    check "volume start" trivet volume start gv0 >/dev/null
    volume_mount
    TARGET=$MNT MEASURED=$MNT
}
trivet_native_pids() { daemon_pids; }
trivet_native_down() { volume_unmount; trivet_down; }

trivet_down()
{
    volume_stop >/dev/null
    check "volume delete" trivet volume delete gv0 >/dev/null
    trivetd_stop
    rm -rf "$STATE" "$RUN"
    mkdir "$STATE" "$RUN"
}

# ---- trivet, NFS
trivet_nfs_up()
{
    trivetd_start
    volume_create >/dev/null 2>&1
    check "volume start" trivet volume start gv0 >/dev/null
    gateway_start >/dev/null
    TARGET=$NFS MEASURED=
}
trivet_nfs_pids() { daemon_pids; }
trivet_nfs_down() { gateway_stop >/dev/null; trivet_down; }

# ---- GlusterFS, replica 3, every option as it comes
gluster_available() { command -v glusterd >/dev/null && command -v glusterfs >/dev/null; }

gluster_volume_up()
{
    local directory bricks=() brick
    for directory in /var/lib/glusterd /var/log/glusterfs; do
        mkdir -p "$directory"
        mountpoint -q "$directory" || mount -t tmpfs tmpfs "$directory"
    done
    mkdir -p /run/gluster
    if ! getent hosts "$VOLUME_HOST" >/dev/null; then # gluster takes no "localhost"
        printf '127.0.0.1 localhost %s\n' "$VOLUME_HOST" >"$WORK/hosts"
        mount --bind "$WORK/hosts" /etc/hosts
    fi
    for brick in "${BRICKS[@]}"; do
        bricks+=("$VOLUME_HOST:$brick")
    done
    glusterd -p "$WORK/glusterd.pid" </dev/null >/dev/null 2>&1 || fail "glusterd does not start"
    wait_for 20 gluster --mode=script volume list || fail "glusterd does not answer"
    gluster --mode=script volume create gv0 replica 3 "${bricks[@]}" force >/dev/null ||
        fail "gluster volume create"
    gluster --mode=script volume start gv0 >/dev/null || fail "gluster volume start"
}

gluster_up()
{
    gluster_volume_up
    glusterfs --volfile-server="$VOLUME_HOST" --volfile-id=/gv0 --log-file="$LOGS/gluster.log" "$MNT"
    wait_for 20 is_mounted || fail "gluster does not mount"
    stat "$MNT" >/dev/null || fail "gluster's mount does not answer"
    TARGET=$MNT MEASURED=$MNT
}
gluster_pids() { pgrep '^gluster'; }

gluster_down()
{
    ! is_mounted || umount "$MNT"
    gluster --mode=script volume stop gv0 force >/dev/null
    gluster --mode=script volume delete gv0 >/dev/null
    pkill -9 '^gluster' # in this process namespace, which has only ours
    wait_for 10 no_gluster || fail "gluster's daemons do not end"
    umount /var/lib/glusterd && mount -t tmpfs tmpfs /var/lib/glusterd # no memory of this volume
}
no_gluster() { ! pgrep '^gluster' >/dev/null; }

# ---- NFS-Ganesha over that volume
ganesha_available()
{
    gluster_available && command -v ganesha.nfsd >/dev/null && command -v rpcbind >/dev/null &&
        find /usr/lib -name 'libfsalgluster.so' 2>/dev/null | grep -q .
}

ganesha_up()
{
    gluster_volume_up
    mkdir -p /run/ganesha /run/rpcbind /var/lib/nfs/ganesha
    rpcbind -w </dev/null >/dev/null 2>&1 || fail "rpcbind"
    cat >"$WORK/ganesha.conf" <<TEXT
NFS_CORE_PARAM { Protocols = 3; NFS_Port = 2049; MNT_Port = 20048; Enable_NLM = false;
    Enable_RQUOTA = false; Bind_addr = 127.0.0.1; }
EXPORT { Export_Id = 1; Path = "/gv0"; Pseudo = "/gv0"; Access_Type = RW; Squash = No_Root_Squash;
    SecType = sys; Protocols = 3; Transports = TCP;
    FSAL { Name = GLUSTER; Hostname = "$VOLUME_HOST"; Volume = "gv0"; } }
LOG { Default_Log_Level = EVENT; }
TEXT
    ganesha.nfsd -f "$WORK/ganesha.conf" -L "$LOGS/ganesha.log" -p "$WORK/ganesha.pid" \
        </dev/null >/dev/null 2>&1 || fail "ganesha does not start"
    wait_for 30 nfs-ls "$NFS?version=3" || fail "ganesha's export does not answer"
    TARGET=$NFS MEASURED=
}
ganesha_pids() { pgrep '^gluster'; pgrep '^ganesha'; }

ganesha_down()
{
    pkill -9 '^ganesha'
    pkill '^rpcbind'
    gluster_down
}
