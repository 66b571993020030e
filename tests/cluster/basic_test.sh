#!/bin/bash
# Files written by one way in are there by the other, at once, and on all three bricks.
# Goal: every kind of change natively and over NFS. Method: the ordinary tools of both ways, libnfs-utils for NFS,
# which finds the ports through the portmapper on 111; the bricks are read as plain directories.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"

step "a cluster from nothing"
cluster_start
check "volume info names the volume" grep -q gv0 <(trivet volume info gv0)
check "volume status in JSON" grep -q '"' <(trivet volume status gv0 --json)
check "gateway status" trivet gateway status
listens=$(ss -ltunH | awk '{ print $5 }')
for port in 111 2049 24007; do
    grep -qx "127.0.0.1:$port" <<<"$listens" || fail "nothing listens on 127.0.0.1:$port: $listens"
done
! grep -v '^127.0.0.1:' <<<"$listens" || fail "a port is open on another interface"

step "natively: make, write, read, rename, link, remove"
cd "$MNT" || fail "cannot enter the mount"
check "mkdir" mkdir -p a/b
check "write" sh -c 'echo hello >a/b/file && seq 100000 >a/numbers'
check "append" sh -c 'echo world >>a/b/file'
check "read back" test "$(cat a/b/file)" = $'hello\nworld'
check "symlink" ln -s b/file a/link
check "read through it" test "$(cat a/link)" = $'hello\nworld'
check "link" ln a/numbers a/same
check "link count" test "$(stat -c %h a/numbers)" = 2
check "rename" mv a/b/file a/b/renamed
check "old name is gone" test ! -e a/b/file
check "rename over another" sh -c 'echo old >a/target && mv a/b/renamed a/target && grep -q world a/target'
check "truncate" sh -c 'cp a/numbers a/short && truncate -s 10 a/short && [ $(stat -c %s a/short) = 10 ]'
check "sparse file" truncate -s 5M a/sparse
check "mode" sh -c 'chmod 640 a/target && [ $(stat -c %a a/target) = 640 ]'
check "owner" sh -c 'chown 12:34 a/target && [ $(stat -c %u:%g a/target) = 12:34 ]'
check "time" sh -c 'touch -d "2001-02-03 04:05:06.789 UTC" a/target && [ $(stat -c %Y a/target) = 981173106 ]'
check "fsync" dd if=/dev/zero of=a/synced bs=4k count=3 conv=fsync status=none
check "statfs" sh -c '[ $(stat -f -c %b .) -gt 0 ]'
check "many names" sh -c 'mkdir many && cd many && seq -f name%04g 1500 | xargs touch && [ $(ls | sort -u | wc -l) = 1500 ]'
check "remove" sh -c 'rm many/name0[0-4]*  && [ $(ls many | wc -l) = 1001 ]'
refused 'not empty' rmdir a
refused 'exists' mkdir a
refused 'no such file' cat none
check "longest name" touch "$(printf 'n%.0s' $(seq 255))"
refused 'too long' touch "$(printf 'n%.0s' $(seq 256))"
cd / || exit 1

step "the same over NFS"
check "nfs-cat" cmp <(nfs-cat "$NFS/a/target?version=3") "$MNT/a/target"
check "nfs-cp out" nfs-cp "$NFS/a/numbers?version=3" "$WORK/numbers" >/dev/null
check "what it copied" cmp "$WORK/numbers" "$MNT/a/numbers"
check "names" diff <(nfs-ls "$NFS/many?version=3" | awk '{print $NF}' | sort) <(ls "$MNT/many" | sort)
"$BIN/tests/bench/measure" -a "$MNT" sums / >"$WORK/native" || fail "sums natively"
"$BIN/tests/bench/measure" -a "$NFS" sums / >"$WORK/nfs" || fail "sums over NFS"
check "contents, sizes, modes, owners, times and inode numbers are equal both ways" \
    diff "$WORK/native" "$WORK/nfs"

step "written over NFS, read natively"
seq 200000 >"$WORK/source"
check "nfs-cp in" nfs-cp "$WORK/source" "$NFS/from-nfs?version=3" >/dev/null
check "read natively" cmp "$WORK/source" "$MNT/from-nfs"
check "copy a tree in over NFS" "$BIN/tests/bench/measure" "$NFS" put /usr/include /arpa
same_tree /usr/include "$MNT" /arpa
check "remove it over NFS" "$BIN/tests/bench/measure" "$NFS" remove /arpa
check "it is gone natively" test ! -e "$MNT/arpa"

step "change natively what NFS has just read, and the other way round"
for round in 1 2 3 4 5; do
    echo "native $round" >"$MNT/turn"
    [ "$(nfs-cat "$NFS/turn?version=3")" = "native $round" ] || fail "NFS read old contents"
    echo "over nfs $round" >"$WORK/turn"
    # nfs-cp makes new files only.
    "$BIN/tests/bench/measure" "$NFS" unlink /turn && test ! -e "$MNT/turn" || fail "remove over NFS"
    nfs-cp "$WORK/turn" "$NFS/turn?version=3" >/dev/null || fail "nfs-cp"
    [ "$(cat "$MNT/turn")" = "over nfs $round" ] || fail "old contents natively in round $round"
done

step "all of it on all three bricks"
cp -a "$MNT" "$WORK/copy" || fail "cp -a out of the mount"
gateway_stop
volume_unmount
same_on_bricks "$WORK/copy"

step "mounted again, in the background, and gateway started again"
volume_mount_background
gateway_start
same_tree "$WORK/copy" "$MNT"
same_tree "$WORK/copy" "$NFS"
cluster_finish
