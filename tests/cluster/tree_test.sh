#!/bin/bash
# A large file and a whole tree, copied in natively, are the same at the source, through FUSE, over NFS and
# on all three bricks: by sha256. FULL=1: a file of 1 GiB and 20,000 files; else a tenth of it.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"
[ -n "${FULL:-}" ] && mebibytes=1024 files=20000 || mebibytes=100 files=2000

step "a source of $files files and a file of $mebibytes MiB"
source=$WORK/source
mkdir "$source"
"$BIN/tests/bench/measure" -p create -n "$files" -d 40 -s 3000 "$source" small /small >/dev/null ||
    fail "cannot make the source"
"$BIN/tests/bench/measure" -m "$mebibytes" "$source" stream-write /large >/dev/null ||
    fail "cannot make the source"
cp -a /usr/include/linux "$source/linux"
ln -s ../small "$source/linux/link"
mkdir "$source/empty"
: >"$source/empty-file"
printf 'names\n' >"$source/a name with  blanks and ü and \$"

step "copied in natively"
cluster_start
check "cp -a" cp -a "$source/." "$MNT/"
same_tree "$source" "$MNT"

step "read over NFS"
same_tree "$source" "$NFS"
check "nfs-cp of the large file" nfs-cp "$NFS/large?version=3" "$WORK/large" >/dev/null
check "its contents" cmp "$source/large" "$WORK/large"
rm "$WORK/large"
check "nfs-ls -R names every object" test \
    "$(nfs-ls -R "$NFS/?version=3" | wc -l)" -ge "$(find "$source" -mindepth 1 -type f | wc -l)"

step "on the bricks, with client and gateway stopped"
gateway_stop
volume_unmount
same_on_bricks "$source"

step "removed natively, gone from the bricks"
volume_mount
check "rm -rf" find "$MNT" -mindepth 1 -delete
volume_unmount
mkdir "$WORK/nothing"
same_on_bricks "$WORK/nothing"
cluster_finish
