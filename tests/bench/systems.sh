# shellcheck disable=SC2034 # TARGET and MEASURED are for rows.sh
# Sourced by bench.sh: how each system is brought up, where its files are, which processes are its daemons,
# and how it goes down. Everything happens in the namespaces of bench.sh, so that fixed paths and ports
# are free: the machine's own glusterd and rpcbind see none of it.
# SPDX-License-Identifier: Apache-2.0

VOLUME_HOST=bench.trivet
PASSTHROUGH_SOURCE=/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c

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

# ---- plain FUSE over that directory: libfuse's own example of a pass-through
passthrough_available()
{
    [ -f "$PASSTHROUGH_SOURCE" ] && command -v cc >/dev/null && pkg-config --exists fuse3
}

passthrough_up()
{
    local flags
    mkdir -p "$WORK/local/passthrough"
    read -ra flags <<<"$(pkg-config --cflags --libs fuse3)"
    cc -O2 -w -o "$WORK/passthrough_ll" "$PASSTHROUGH_SOURCE" "${flags[@]}" ||
        fail "cannot build $PASSTHROUGH_SOURCE"
    "$WORK/passthrough_ll" -f -o "source=$WORK/local/passthrough,cache=auto,timeout=1" "$MNT" \
        >"$LOGS/passthrough.log" 2>&1 </dev/null &
    wait_for 10 is_mounted || fail "passthrough_ll does not mount"
    TARGET=$MNT MEASURED=$MNT
}
passthrough_pids() { pgrep '^passthrough_ll'; }

passthrough_down()
{
    umount "$MNT"
    wait_for 10 no_passthrough || fail "passthrough_ll lives on after umount"
}
no_passthrough() { ! pgrep '^passthrough_ll' >/dev/null; }

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

# ---- trivet, NFS: with an async export, as the others are, and with a sync one
trivet_nfs_up() { EXPORT_SYNC=no trivet_export_up; }
trivet_sync_up() { EXPORT_SYNC=yes trivet_export_up; }

trivet_export_up()
{
    trivetd_start
    volume_create >/dev/null 2>&1
    check "volume start" trivet volume start gv0 >/dev/null
    gateway_start >/dev/null
    TARGET=$NFS MEASURED=
}
trivet_nfs_pids() { daemon_pids; }
trivet_nfs_down() { gateway_stop >/dev/null; trivet_down; }
trivet_sync_pids() { daemon_pids; }
trivet_sync_down() { trivet_nfs_down; }

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

# ---- NFS-Ganesha, over that volume and over the local directory
ganesha_has() { command -v ganesha.nfsd >/dev/null && command -v rpcbind >/dev/null &&
    find /usr/lib -name "libfsal$1.so" 2>/dev/null | grep -q .; }
ganesha_available() { gluster_available && ganesha_has gluster; }
ganesha_local_available() { ganesha_has vfs; }

# ganesha_start PATH FSAL: export it. It listens on every address, of which this namespace has one.
ganesha_start()
{
    mkdir -p /run/ganesha /run/rpcbind /var/lib/nfs/ganesha
    rpcbind -w </dev/null >/dev/null 2>&1 || fail "rpcbind"
    cat >"$WORK/ganesha.conf" <<TEXT
NFS_CORE_PARAM { Protocols = 3; NFS_Port = 2049; MNT_Port = 20048; Enable_NLM = false;
    Enable_RQUOTA = false; }
EXPORT { Export_Id = 1; Path = "$1"; Pseudo = "/gv0"; Access_Type = RW; Squash = No_Root_Squash;
    SecType = sys; Protocols = 3; Transports = TCP; FSAL { $2 } }
LOG { Default_Log_Level = EVENT; }
TEXT
    ganesha.nfsd -f "$WORK/ganesha.conf" -L "$LOGS/ganesha.log" -p "$WORK/ganesha.pid" \
        </dev/null >/dev/null 2>&1 || fail "ganesha does not start"
    TARGET=nfs://127.0.0.1$1 MEASURED=
    wait_for 30 nfs-ls "$TARGET?version=3" || fail "ganesha's export does not answer: $(tail -n 3 "$LOGS/ganesha.log")"
}

ganesha_stop()
{
    pkill -9 '^ganesha'
    pkill '^rpcbind'
    wait_for 10 no_ganesha || fail "ganesha does not end"
}
no_ganesha() { ! pgrep '^(ganesha|rpcbind)' >/dev/null; }

ganesha_up()
{
    gluster_volume_up
    ganesha_start /gv0 "Name = GLUSTER; Hostname = \"$VOLUME_HOST\"; Volume = \"gv0\";"
}
ganesha_pids() { pgrep '^gluster'; pgrep '^ganesha'; }
ganesha_down() { ganesha_stop; gluster_down; }

ganesha_local_up()
{
    mkdir -p "$WORK/local/export"
    ganesha_start "$WORK/local/export" "Name = VFS;"
}
ganesha_local_pids() { pgrep '^ganesha'; }
ganesha_local_down() { ganesha_stop; }
