# Sourced by check.sh: stories of what is seen: native client and guest, listings, names, restarts, programs.
# SPDX-License-Identifier: Apache-2.0

# A file that one side has closed has its new contents when the other side opens it, whatever it had cached;
# also when size and second are the same. So have its attributes and its directory's listing.
story_close_to_open()
{
    local round
    nfs_mount "$PLAIN"
    mkdir "$MNT/both"
    for round in {10..25}; do
        echo "native $round" >"$MNT/both/a"
        [ "$(in_guest cat "$NFS_MNT/both/a")" = "native $round" ] || fail "round $round: the guest reads old contents"
        in_guest bash -c "echo 'guests $round' >$NFS_MNT/both/a"
        [ "$(cat "$MNT/both/a")" = "guests $round" ] || fail "round $round: the native client reads old contents"
        touch "$MNT/both/n$round"
        in_guest bash -c "ls $NFS_MNT/both; touch $NFS_MNT/both/g$round" >"$WORK/listed"
        grep -qx "n$round" "$WORK/listed" || fail "round $round: the guest does not list the new file"
        [ -e "$MNT/both/g$round" ] || fail "round $round: the guest's new file is not seen natively"
        mv "$MNT/both/n$round" "$MNT/both/moved"
        [ "$(in_guest stat -c %h "$NFS_MNT/both/moved")" = 1 ] || fail "round $round: a moved file"
        in_guest rm "$NFS_MNT/both/moved"
        [ ! -e "$MNT/both/moved" ] || fail "round $round: a removed file is seen natively"
    done
    head -c 5000000 /dev/urandom >"$MNT/both/large"
    in_guest cp "$NFS_MNT/both/large" "$NFS_MNT/both/copy"
    cmp "$MNT/both/large" "$MNT/both/copy" || fail "a large file's copy"
    chmod 640 "$MNT/both/copy"
    [ "$(in_guest bash -c "exec 3<$NFS_MNT/both/copy; stat -c %a $NFS_MNT/both/copy")" = 640 ] || fail "an old mode"
    same_in_guest
    nfs_unmount
    rm -r "$MNT/both"
}

# The number that a listing gives is the file's, natively too; folded to 32 bits no two are the same.
story_inode_numbers()
{
    local entries=$MNT/numbers options
    mkdir "$entries"
    (cd "$entries" && seq 1000 | xargs touch)
    for options in "$PLAIN" "$PLAIN,nordirplus"; do
        nfs_mount "$options"
        in_guest "$BIN/conformance/posix/posix-suite" -s dir.inode-numbers -s dir.inode-number-of-dot "$NFS_MNT" ||
            fail "a listing gives other inode numbers with $options"
        nfs_unmount
    done
    nfs_mount "$PLAIN"
    (cd "$entries" && stat -c '%i %n' -- * | sort) >"$WORK/native.numbers"
    in_guest bash -c "cd $NFS_MNT/numbers && stat -c '%i %n' * | sort" >"$WORK/guest.numbers"
    cmp "$WORK/native.numbers" "$WORK/guest.numbers" || fail "stat in the guest gives another inode number"
    nfs_unmount
    in_guest bash -c 'echo N >/sys/module/nfs/parameters/enable_ino64' || fail "cannot ask for 32 bits"
    nfs_mount "$PLAIN"
    in_guest bash -c "cd $NFS_MNT/numbers && stat -c '%i' *" >"$WORK/short.numbers"
    nfs_unmount
    in_guest bash -c 'echo Y >/sys/module/nfs/parameters/enable_ino64'
    awk '$1 >= 4294967296 || seen[$1]++ { bad++ } END { exit bad > 0 || NR != 1000 }' "$WORK/short.numbers" ||
        fail "folded to 32 bits, inode numbers are not unique: $(sort "$WORK/short.numbers" | uniq -d | head -n 3)"
    rm -r "$entries"
}

# calls NAME: how many calls of a procedure this mount has made.
calls()
{
    # shellcheck disable=SC2016 # awk's field
    in_guest awk -v name="$1:" '$1 == name { print $2 }' /proc/self/mountstats
}

# 5,000 entries with READDIRPLUS, without it, and with small answers: each exactly once; with READDIRPLUS
# what ls -l needs comes with the listing.
story_listing()
{
    local options
    mkdir "$MNT/many"
    (cd "$MNT/many" && seq -f 'entry-with-a-long-name-%05g' 5000 | xargs touch)
    for options in "$PLAIN" "$PLAIN,nordirplus" "$PLAIN,rsize=4096,wsize=4096"; do
        nfs_mount "$options"
        in_guest bash -c "ls -lU $NFS_MNT/many | awk 'NF == 9 { print \$9 }' | sort" >"$WORK/listed"
        [ "$(wc -l <"$WORK/listed")" = 5000 ] || fail "$(wc -l <"$WORK/listed") entries with $options"
        [ "$(uniq "$WORK/listed" | wc -l)" = 5000 ] || fail "an entry twice with $options"
        echo "   $options: $(calls READDIRPLUS) READDIRPLUS, $(calls READDIR) READDIR, $(calls LOOKUP) LOOKUP"
        case $options in
        *nordirplus) [ "$(calls READDIR)" -gt 0 ] || fail "no READDIR" ;;
        *) [ "$(calls LOOKUP)" -le 100 ] || fail "READDIRPLUS saves nothing: $(calls LOOKUP) LOOKUPs" ;;
        esac
        nfs_unmount
    done
    nfs_mount "$PLAIN"
    # Removing while listing, as rm -r does: nothing is left out.
    check "rm -r" in_guest rm -r "$NFS_MNT/many"
    [ ! -e "$MNT/many" ] || fail "rm -r left something"
    nfs_unmount
}

story_long_names()
{
    local name
    nfs_mount "$PLAIN"
    mkdir "$MNT/names"
    for name in "$(printf 'n%.0s' {1..255})" "$(printf 'ü%.0s' {1..127})x" "$(printf '\xff\x01\xfe')" ' ' $'a\nb' '~' '.x'; do
        in_guest bash -ec "cd $NFS_MNT/names; echo one >$(printf %q "$name"); ln $(printf %q "$name") link; mv link link2" ||
            fail "cannot make $name"
        [ "$(cat "$MNT/names/$name")" = one ] || fail "not seen natively: $name"
        rm "$MNT/names/link2" "$MNT/names/$name"
        in_guest bash -ec "cd $NFS_MNT/names; mkdir $(printf %q "$name"); ln -s $(printf %q "$name") link" ||
            fail "cannot make a directory $name"
        in_guest find "$NFS_MNT/names" -mindepth 1 -printf '%P\0' >"$WORK/names"
        printf '%s\0' link "$name" | sort -z | cmp - <(sort -z "$WORK/names") || fail "listed otherwise: $name"
        [ -d "$MNT/names/$name" ] || fail "no directory: $name"
        [ "$(readlink "$MNT/names/link")" = "$name" ] || fail "link to $name"
        in_guest rm -r "$NFS_MNT/names/link" "$NFS_MNT/names/$name"
    done
    refused_in_guest 'File name too long' touch "$NFS_MNT/names/$(printf 'n%.0s' {1..256})"
    [ -z "$(ls -A "$MNT/names")" ] || fail "left: $(ls -A "$MNT/names")"
    nfs_unmount
    rmdir "$MNT/names"
}

gateway_restarted()
{
    local now
    now=$(daemon_pids trivet-gateway)
    [ -n "$now" ] && [ "$now" != "$1" ]
}

# The gateway is killed under a writer: a hard mount waits, nothing fails, nothing is lost, done twice or mixed up.
story_gateway_killed()
{
    local pid round seconds=${RESTART_SECONDS:-20}
    nfs_mount "$PLAIN,hard"
    in_guest bash -c "'$BIN/tests/bench/measure' -l $seconds $NFS_MNT steady /steady >$WORK/steady.log 2>&1 &
        (cp -a frontends $NFS_MNT/killed && echo copied) >$WORK/copy.log 2>&1 &"
    for round in 1 2 3 4; do
        sleep "$((seconds / 6))"
        pid=$(daemon_pids trivet-gateway)
        kill -9 "$pid"
        wait_for 20 gateway_restarted "$pid" || fail "the gateway was not started again ($round)"
    done
    GUEST_SECONDS=180 in_guest bash -c 'for n in {1..1500}; do pgrep -x "measure|cp" >/dev/null || exit 0; sleep 0.1; done; exit 1' ||
        fail "writers hang after the gateway's restart"
    cat "$WORK/steady.log"
    [ "$(cat "$WORK/copy.log")" = copied ] || fail "cp -a: $(cat "$WORK/copy.log")"
    grep -q ' errors=0$' "$WORK/steady.log" || fail "the writer: $(cat "$WORK/steady.log")"
    diff -r frontends "$MNT/killed" || fail "the copy differs"
    same_in_guest
    nfs_unmount
    rm -r "$MNT/killed"
}

# Each in a directory of its own; PROGRAMS names some of them.
story_programs()
{
    local program needed
    nfs_mount "$PLAIN"
    for program in ${PROGRAMS:-cp tar rsync find build sqlite git}; do
        case $program in sqlite) needed=sqlite3 ;; build) needed='make' ;; *) needed=$program ;; esac
        if [ -z "$(command -v "$needed")" ]; then
            echo "   skipped: $program: there is no $needed here"
            continue
        fi
        echo "   $program"
        GUEST_SECONDS=300 in_guest tests/kernel-client/programs.sh "$NFS_MNT" "$program" || fail "$program"
    done
    nfs_unmount
}

story_posix()
{
    local suite=$BIN/conformance/posix/posix-suite
    [ -x "$suite" ] || fail "not built: make conformance-programs"
    nfs_mount "$PLAIN"
    GUEST_SECONDS=1800 in_guest "$suite" -x conformance/posix/nfs3.except \
        -x conformance/posix/nfs3-acl.except "$NFS_MNT" >"$WORK/posix.log" 2>&1 || {
        grep -A 2 '^FAILED' "$WORK/posix.log"
        tail -n 3 "$WORK/posix.log"
        fail "the POSIX suite"
    }
    tail -n 3 "$WORK/posix.log"
    [ -z "$(find "$MNT" -mindepth 1)" ] || fail "left: $(find "$MNT" -mindepth 1 | head -n 3)"
    nfs_unmount
}
