#!/bin/bash
# Real programs cannot tell the mount from a local disk: git, sqlite3 in WAL mode, PostgreSQL with checksums,
# tar, rsync, make, coreutils, python3. Method: each does the same on the mount as in a local directory, and what
# it leaves is compared by sha256; or it checks its own files. What is not installed is skipped, and says so.
# FULL=1: larger trees, longer loads. ONLY="git tar": those.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"
chmod 755 "$WORK"
times=${FULL:+10}
times=${times:-1}
LOCAL=$WORK/local
mkdir "$LOCAL"

has()
{
    local program
    for program; do
        command -v "$program" >/dev/null && continue
        echo "skipped: $program is not installed"
        return 1
    done
}

# A tree with what trees have: depth, links of both kinds, modes, times, odd names, an empty file and directory.
make_source()
{
    local source=$WORK/source
    mkdir -p "$source/deep/er/and/deeper" "$source/empty"
    cp -r /usr/include/linux/netfilter "$source/headers"
    [ "$times" = 1 ] || cp -r /usr/include/linux "$source/more"
    head -c 3000000 /dev/urandom >"$source/deep/large"
    echo one >"$source/deep/er/a name with  blanks"
    ln "$source/deep/large" "$source/deep/er/and/hard"
    ln -s ../deep/large "$source/empty-link"
    ln -s /nowhere "$source/dangling"
    mkfifo "$source/fifo"
    : >"$source/empty-file"
    chmod 4751 "$source/deep/er/a name with  blanks"
    chmod 1777 "$source/empty"
    chown 1000:1001 "$source/empty-file"
    touch -d '2001-02-03 04:05:06.123456789' "$source/deep/large" "$source/headers"
    truncate -s 5M "$source/sparse"
    echo end >>"$source/sparse"
    has setfattr setfacl || return 0
    setfattr -n user.color -v blue "$source/deep/large"
    setfattr -n user.empty "$source/headers"
    setfacl -m u:1234:rw,g:4321:r "$source/deep/large"
    setfacl -d -m u:1234:rwx "$source/empty"
}

# Everything of a tree: what ls, getfattr and getfacl say, and contents.
describe()
{
    (cd "$1" && find . \( -type d -printf '%P d %m %U:%G\n' \) -o -printf '%P %y %m %U:%G %s %n %T@ %l\n' | sort &&
        getfattr -h -R -d -m 'user\.' --absolute-names . | sort &&
        find . -type f -o -type d | sort | getfacl -n - &&
        find . -type f -print0 | sort -z | xargs -0 sha256sum) 2>&1
}

same_description()
{
    describe "$1" >"$WORK/want"
    describe "$2" >"$WORK/have"
    grep -q 'user.color="blue"' "$WORK/want" || fail "the source has lost its attributes"
    grep -q '^user:1234:rw-' "$WORK/want" || fail "the source has lost its ACL"
    diff -u "$WORK/want" "$WORK/have" >"$WORK/diff" && return
    head -n 30 "$WORK/diff"
    fail "$2 differs from $1"
}

run_git()
{
    local at=$1
    export HOME=$WORK GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' \
        GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
    git config --global user.name Nobody
    git config --global user.email nobody@example.invalid
    git config --global init.defaultBranch main
    git config --global safe.directory '*'
    git init -q "$at/first"
    cp -r /usr/include/linux/netfilter "$at/first/"
    git -C "$at/first" add .
    git -C "$at/first" commit -q -m one
    git clone -q "$at/first" "$at/second"
    for i in $(seq $((5 * times))); do
        echo "line $i" >>"$at/second/netfilter/x_tables.h"
        git -C "$at/second" mv netfilter/nf_nat.h "netfilter/nat$i.h"
        git -C "$at/second" commit -q -a -m "change $i"
        git -C "$at/second" mv "netfilter/nat$i.h" netfilter/nf_nat.h
    done
    git -C "$at/second" commit -q -a -m back
    git -C "$at/second" push -q origin HEAD:refs/heads/pushed
    git -C "$at/second" gc -q --aggressive --prune=now
    git -C "$at/second" fsck --full --strict --no-progress
    git -C "$at/first" fsck --full --strict --no-progress
    git -C "$at/second" status --porcelain
    git -C "$at/second" log --format=%H%T
    git -C "$at/first" rev-parse pushed
}

test_git()
{
    has git || return 0
    run_git "$LOCAL/git" >"$WORK/git.want"
    check "git" run_git "$MNT/git" >"$WORK/git.have"
    diff "$WORK/git.want" "$WORK/git.have" || fail "git says other things on the mount"
    rm -rf "$LOCAL"/git/*/.git "$MNT"/git/*/.git
    same_tree "$LOCAL/git" "$MNT/git"
}

sqlite_insert()
{
    local i
    for i in $(seq $((100 * times))); do
        echo "insert into t(who, text) values('$2', hex(randomblob(200)));"
    done | sqlite3 -cmd '.timeout 60000' "$1" >"$WORK/sqlite-$2.log" 2>&1
}

test_sqlite()
{
    has sqlite3 || return 0
    local database=$MNT/sqlite/db first second count
    sqlite3 "$database" 'pragma journal_mode = wal; create table t(id integer primary key, who, text);' |
        grep -qx wal || fail "no WAL mode"
    sqlite_insert "$database" a &
    first=$!
    sqlite_insert "$database" b &
    second=$!
    wait "$first" || fail "sqlite3: $(cat "$WORK/sqlite-a.log")"
    wait "$second" || fail "sqlite3: $(cat "$WORK/sqlite-b.log")"
    count=$(sqlite3 "$database" 'select count(*) from t;')
    [ "$count" = $((200 * times)) ] || fail "$count rows instead of $((200 * times))"
    [ "$(sqlite3 "$database" 'pragma integrity_check;')" = ok ] || fail "sqlite3: the database is damaged"
    sqlite3 "$database" 'pragma wal_checkpoint(truncate); vacuum; pragma integrity_check;' | tail -n 1 | grep -qx ok ||
        fail "sqlite3: damaged after vacuum"
}

postgres()
{
    local program=$1
    shift
    (cd "$WORK" && setpriv --reuid=postgres --regid=postgres --init-groups env HOME="$WORK" \
        "$postgres_bin/$program" "$@") >>"$LOGS/postgres.log" 2>&1 </dev/null
}

test_postgres()
{
    local postgres_bin data=$MNT/postgres/data socket=$WORK/socket
    postgres_bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
    [ -n "$postgres_bin" ] && has "$postgres_bin/initdb" "$postgres_bin/pgbench" || return 0
    mkdir "$socket"
    chown postgres "$socket" "$MNT/postgres"
    : >"$LOGS/postgres.log"
    chmod 666 "$LOGS/postgres.log"
    chmod 755 "$LOGS"
    check "initdb" postgres initdb -D "$data" --data-checksums --auth=trust --no-instructions
    check "pg_ctl start" postgres pg_ctl -D "$data" -w -t 60 -l "$LOGS/postgres.log" \
        -o "-k $socket -c listen_addresses= -c shared_buffers=16MB -c max_connections=10" start
    check "createdb" postgres createdb -h "$socket" bench
    check "pgbench -i" postgres pgbench -h "$socket" -i -q -s 1 bench
    check "pgbench" postgres pgbench -h "$socket" -n -c 2 -j 2 -t $((50 * times)) bench
    check "kill -9 of the server, as after a crash" postgres pg_ctl -D "$data" -m immediate -w stop
    check "recovery" postgres pg_ctl -D "$data" -w -t 60 -l "$LOGS/postgres.log" \
        -o "-k $socket -c listen_addresses= -c shared_buffers=16MB -c max_connections=10" start
    check "pg_dump" postgres pg_dump -h "$socket" -f "$data/dump" bench
    check "pg_ctl stop" postgres pg_ctl -D "$data" -m fast -w stop
    check "pg_checksums" postgres pg_checksums -D "$data" --check
    grep -q 'Bad checksums:  0' "$LOGS/postgres.log" || fail "PostgreSQL: bad checksums"
}

test_tar()
{
    has tar setfattr setfacl || return 0
    tar -C "$WORK/source" --xattrs --acls --sparse -cf "$WORK/first.tar" .
    check "tar -x" tar -C "$MNT/tar" --xattrs --acls --sparse -xpf "$WORK/first.tar"
    same_description "$WORK/source" "$MNT/tar"
    check "tar -d" tar -C "$MNT/tar" -df "$WORK/first.tar"
    check "tar -c" tar -C "$MNT/tar" --xattrs --acls --sparse -cf "$MNT/second.tar" .
    mkdir "$LOCAL/again"
    check "tar -x" tar -C "$LOCAL/again" --xattrs --acls --sparse -xpf "$MNT/second.tar"
    same_description "$WORK/source" "$LOCAL/again"
    [ "$(du -k "$MNT/tar/sparse" | cut -f1)" -lt 1000 ] || fail "a sparse file is not sparse on the mount"
}

test_rsync()
{
    has rsync setfattr setfacl || return 0
    check "rsync" rsync -aHAX "$WORK/source/" "$MNT/rsync/"
    same_description "$WORK/source" "$MNT/rsync"
    check "rsync again" rsync -aHAX --itemize-changes "$WORK/source/" "$MNT/rsync/" >"$WORK/itemized"
    [ ! -s "$WORK/itemized" ] || fail "the second rsync copied: $(head -n 5 "$WORK/itemized")"
    check "rsync, checksums" rsync -aHAXc --itemize-changes "$WORK/source/" "$MNT/rsync/" >"$WORK/itemized"
    [ ! -s "$WORK/itemized" ] || fail "the contents differ: $(head -n 5 "$WORK/itemized")"
    check "rsync back" rsync -aHAX --inplace "$MNT/rsync/" "$LOCAL/rsync/"
    same_description "$WORK/source" "$LOCAL/rsync"
}

# A C project of 30 files that include each other.
make_project()
{
    local at=$1 i
    for i in $(seq 30); do
        printf 'int f%d(void);\n' "$i" >"$at/f$i.h"
        printf '#include <stdio.h>\n#include "f%d.h"\n#include "f%d.h"\nint f%d(void)\n{\n    return %d;\n}\n' \
            "$i" $((i % 30 + 1)) "$i" "$i" >"$at/f$i.c"
    done
    {
        printf '#include <stdio.h>\n'
        seq -f '#include "f%.0f.h"' 30
        printf 'int main(void)\n{\n    printf("%%d\\n", 0'
        seq -f ' + f%.0f()' 30 | tr -d '\n'
        printf ');\n    return 0;\n}\n'
    } >"$at/main.c"
    cat >"$at/Makefile" <<'TEXT'
objects := $(patsubst %.c,%.o,$(wildcard *.c))
sum: $(objects)
	gcc -o $@ $(sort $^)
%.o: %.c
	gcc -O0 -MMD -c -o $@ $<
-include $(wildcard *.d)
TEXT
}

test_make()
{
    has make gcc || return 0
    local at
    for at in "$LOCAL/make" "$MNT/make"; do
        make_project "$at"
        check "make -j2" make -s -j2 -C "$at"
        [ "$("$at/sum")" = 465 ] || fail "what was built in $at is wrong"
        make -q -C "$at" || fail "make would build again in $at"
        sleep 0.02 # a time stamp later than all others, on a disk that counts in ticks
        echo 'extern int more;' >>"$at/f7.h"
        [ "$(make -n -C "$at" | grep -c -- '-c -o')" = 3 ] || fail "make does not see a changed file in $at"
        check "make -j2 again" make -s -j2 -C "$at"
    done
    same_tree "$LOCAL/make" "$MNT/make"
}

# The tools of each day; everything is done in $1.
run_tools()
{
    local at=$1 i
    cp -a --sparse=always "$WORK/source" "$at/copy"
    cp --reflink=auto "$at/copy/deep/large" "$at/reflink"
    cp --sparse=never "$at/copy/sparse" "$at/filled"
    install -D -m 750 -o 1000 -g 1001 "$at/copy/deep/large" "$at/new/directory/installed"
    sed -i 's/one/two/' "$at/copy/deep/er/a name with  blanks"
    dd if="$at/copy/deep/large" of="$at/dd" bs=64k conv=fsync status=none
    dd if="$at/copy/deep/large" of="$at/dd" bs=4k seek=100 count=10 conv=notrunc,fdatasync status=none
    mv "$at/copy/headers" "$at/moved"
    mv -n "$at/dd" "$at/filled"
    ln -sf target "$at/link" && ln -sfn other "$at/link"
    for i in $(seq 100); do echo "$i"; done | split -l 7 - "$at/part-"
    cat "$at"/part-* | sort -rn | tee "$at/sorted" >/dev/null
    truncate -s 3000 "$at/reflink"
    shred -u -n 1 "$at/part-aa"
    find "$at" -depth -name '*.h' -newermt 2000-01-01 ! -name 'nf*' -delete
    find "$at" -type f -name 'part-*' -exec chmod a-w {} +
    gzip -c "$at/copy/deep/large" >"$at/large.gz" && gunzip -c "$at/large.gz" | cmp - "$at/copy/deep/large"
    gunzip "$at/large.gz"
    comm -12 <(seq 5) <(seq 3 9) >"$at/common"
    head -c 100000 /dev/zero | tee >(md5sum >"$at/sum") "$at/zeros" >/dev/null
    mkdir -p "$at/a/b/c" && rmdir -p --ignore-fail-on-non-empty "$at/a/b/c"
    touch -r "$at/sorted" "$at/zeros"
    stat -c '%s %h %F' "$at"/* | sort
    (cd "$at" && find . -printf '%P %y %s %n\n' | grep -v ' d ' | sort)
    (cd "$at" && du -a --apparent-size -b --exclude=nothing . | awk '!/\/$/ {print $2}' | sort)
    [ "$(du -k "$at/copy/sparse" | cut -f1)" -lt 1000 ] || echo "cp --sparse=always leaves no hole"
}

test_tools()
{
    run_tools "$LOCAL/tools" >"$WORK/tools.want" 2>"$WORK/tools.errors"
    run_tools "$MNT/tools" >"$WORK/tools.have" 2>>"$WORK/tools.errors"
    [ ! -s "$WORK/tools.errors" ] || fail "tools complain: $(head "$WORK/tools.errors")"
    sed -i "s|$LOCAL/tools|.|g" "$WORK/tools.want"
    sed -i "s|$MNT/tools|.|g" "$WORK/tools.have"
    sed -i -E 's/^[0-9]+ ([0-9]+ directory)$/\1/' "$WORK/tools.want" "$WORK/tools.have"
    diff -u "$WORK/tools.want" "$WORK/tools.have" || fail "the tools say other things on the mount"
    same_tree "$LOCAL/tools" "$MNT/tools"
}

test_flock()
{
    has flock || return 0
    local counter=$MNT/flock/counter i pids=()
    echo 0 >"$counter"
    for i in 1 2 3 4; do
        (
            for _ in $(seq 10); do
                flock "$MNT/flock/lock" sh -c "echo \$((\$(cat '$counter') + 1)) >'$counter'" || exit 1
            done
        ) &
        pids+=($!)
    done
    for i in "${pids[@]}"; do
        wait "$i" || fail "flock"
    done
    [ "$(cat "$counter")" = 40 ] || fail "flock(1) let two in at once: $(cat "$counter") instead of 40"
}

test_python()
{
    has python3 || return 0
    check "python3" python3 - "$MNT/python" <<'TEXT'
import mmap, os, pathlib, shelve, shutil, sys, tempfile, zipfile
top = sys.argv[1]
tempfile.tempdir = top
with tempfile.TemporaryFile() as f:
    f.write(b"x" * 100000); f.seek(0); assert f.read() == b"x" * 100000
with tempfile.NamedTemporaryFile() as f:
    f.write(b"named"); f.flush(); assert pathlib.Path(f.name).read_bytes() == b"named"
with tempfile.TemporaryDirectory() as d:
    for i in range(20):
        p = pathlib.Path(d, "a" * (i % 5 + 1), str(i)); p.parent.mkdir(exist_ok=True); p.write_text(str(i))
    assert sum(len(files) for _, _, files in os.walk(d)) == 20
    shutil.copytree(d, os.path.join(top, "tree"))
assert sorted(os.listdir(top)) == ["tree"], os.listdir(top)
with open(os.path.join(top, "map"), "w+b") as f:
    f.truncate(1 << 20)
    with mmap.mmap(f.fileno(), 0) as m:
        m[5000:5005] = b"hello"; m.flush(); m[-3:] = b"end"
    f.seek(5000); assert f.read(5) == b"hello"
    assert os.pread(f.fileno(), 3, (1 << 20) - 3) == b"end"
with shelve.open(os.path.join(top, "shelf")) as s:
    for i in range(50): s[str(i)] = list(range(i))
with shelve.open(os.path.join(top, "shelf")) as s:
    assert s["49"][-1] == 48
with zipfile.ZipFile(os.path.join(top, "z.zip"), "w") as z:
    for p in pathlib.Path(top, "tree").rglob("*"): z.write(p)
assert zipfile.ZipFile(os.path.join(top, "z.zip")).testzip() is None
fd = os.open(top, os.O_RDONLY); os.fsync(fd); os.close(fd)
os.replace(os.path.join(top, "map"), os.path.join(top, "z.zip"))
assert os.stat(os.path.join(top, "z.zip")).st_size == 1 << 20
TEXT
}

cluster_start
make_source
for part in ${ONLY:-git sqlite postgres tar rsync make tools flock python}; do
    step "$part"
    mkdir "$LOCAL/$part" "$MNT/$part"
    start=$(date +%s%N)
    "test_$part"
    printf '%s: %d ms\n' "$part" $((($(date +%s%N) - start) / 1000000))
done
cluster_finish
