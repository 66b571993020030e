#!/bin/bash
# Ordinary programs on a directory: programs.sh DIRECTORY NAME…. What they make is compared with a copy on
# another file system, or checked by the program itself. It runs in the guest, or anywhere else.
# SPDX-License-Identifier: Apache-2.0
set -eu
directory=$1
shift
tree=$PWD
local_directory=$(mktemp -d)
trap 'rm -rf "$local_directory"' EXIT

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

equal()
{
    [ "$2" = "$3" ] || fail "$1: $2 instead of $3"
}

# metadata DIRECTORY: a line for each file: all that a copy has to keep.
metadata()
{
    (cd "$1" && find . ! -name . \( -type d -printf '%P d %m %U %G %T@\n' -o -printf '%P %y %m %U %G %s %T@ %n %l\n' \)) |
        sort
}

same()
{
    metadata "$1" >"$local_directory/one"
    metadata "$2" >"$local_directory/two"
    diff "$local_directory/one" "$local_directory/two" || fail "$2 is not like $1"
    [ -s "$local_directory/one" ] || fail "$1 is empty"
    equal "contents of $2" "$(contents "$2")" "$(contents "$1")"
}

contents()
{
    (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
}

# sample DIRECTORY: a small tree with one of everything that a copy may get wrong.
sample()
{
    mkdir -p "$1/sub/deeper" "$1/empty"
    cp -r "$tree/frontends/nfs3" "$tree/etc" "$1"
    : >"$1/sub/nothing"
    head -c 3000001 /dev/urandom >"$1/sub/large"
    truncate -s 5M "$1/sub/hole"
    echo end >>"$1/sub/hole"
    ln "$1/sub/large" "$1/sub/deeper/link"
    ln -s ../../nowhere "$1/sub/deeper/dangling"
    ln -s "$(printf 'a%.0s' {1..200})" "$1/long-target"
    mkfifo -m 640 "$1/fifo"
    mknod "$1/device" c 1 3
    echo x >"$1/-a name with \"blanks\", \$ and ü"
    chown 1234:4321 "$1/sub/nothing" "$1/etc"
    chmod 4750 "$1/sub/nothing"
    chmod 1777 "$1/empty"
    find "$1" -depth -exec touch -h -d '2001-02-03 04:05:06.123456789' {} +
    touch -d "2005-06-07 08:09:10.111213141" "$1/sub/large"
    touch -h -d '1999-12-31 23:59:59.987654321' "$1/sub/deeper/dangling" "$1/sub/nothing" "$1/empty"
}

program_git()
{
    export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org
    export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
    git init -q -b main repository
    cp -r "$tree/frontends" "$tree/etc" repository
    git -C repository add .
    git -C repository commit -q -m one
    git -C repository checkout -q -b side
    git -C repository mv etc moved
    git -C repository commit -q -m two
    git -C repository checkout -q main
    echo more >>repository/etc/gateway.conf
    git -C repository commit -q -a -m three
    git -C repository merge -q -m merged side
    equal "git status" "$(git -C repository status --porcelain)" ""
    git clone -q repository cloned
    git clone -q "file://$PWD/repository" packed
    git -C repository gc -q --prune=now
    for clone in repository cloned packed; do
        git -C $clone fsck --full --strict 2>&1 | grep -v '^Checking' && fail "git fsck in $clone"
        equal "$clone" "$(git -C $clone rev-parse HEAD)" "$(git -C repository rev-parse HEAD)"
        equal "git status of $clone" "$(git -C $clone status --porcelain)" ""
    done
    grep -q more cloned/moved/gateway.conf || fail "a renamed file lost its change"
}

database()
{
    sqlite3 -bail -cmd '.timeout 20000' "$@"
}

# fill FILE SQL: a table, and 300 rows in 30 transactions.
fill()
{
    local number
    {
        echo "$2"
        echo "create table t (a integer primary key, b text, c text);"
        echo "create index i on t (b);"
        for number in {1..30}; do
            echo "begin;"
            echo "insert into t (b, c) select hex(randomblob(20)), printf('%0500d', value) from generate_series(1, 10);"
            echo "commit;"
        done
    } | database "${@:3}" "$1" >"$local_directory/output" || fail "sqlite3 $1"
    equal "rows of $1" "$(database "${@:3}" "$1" 'select count(*), count(distinct b) from t')" "300|300"
    equal "$1" "$(database "${@:3}" "$1" 'pragma integrity_check')" "ok"
}

# Two writers at once: a row of either must not be lost, whatever the journal is.
two_writers()
{
    local name number
    for name in one two; do
        for number in {1..10}; do
            echo "insert into t (b, c) values ('$name-$number', '');"
        done | database "$1" &
    done
    wait
    equal "rows of two writers in $1" "$(database "$1" "select count(*) from t where c = ''")" 20
    equal "$1 after two writers" "$(database "$1" 'pragma integrity_check')" ok
}

program_sqlite()
{
    fill journal.db 'pragma journal_mode = delete;'
    two_writers journal.db
    database journal.db 'delete from t where a % 2; vacuum'
    equal "journal.db after vacuum" "$(database journal.db 'pragma integrity_check')" ok
    fill wal.db 'pragma journal_mode = wal;'
    grep -q wal "$local_directory/output" || fail "sqlite3 did not choose WAL"
    two_writers wal.db
    fill exclusive.db 'pragma locking_mode = exclusive; pragma journal_mode = wal;'
    fill none.db 'pragma journal_mode = truncate;' -vfs unix-none
    database journal.db '.dump' | database again.db
    equal "dump and load" "$(database again.db 'select count(*) from t')" \
        "$(database journal.db 'select count(*) from t')"
}

program_tar()
{
    sample "$local_directory/sample"
    tar -C "$local_directory" --format=posix -c sample | tar -xp
    same "$local_directory/sample" sample
    tar --format=posix -cf archive.tar sample
    tar -df archive.tar || fail "tar finds differences with its own archive"
    mkdir again
    tar -C again -xpf archive.tar
    same sample again/sample
}

program_rsync()
{
    sample "$local_directory/sample"
    rsync -aH --specials --devices "$local_directory/sample/" copy/
    same "$local_directory/sample" copy
    equal "a second rsync" "$(rsync -aHi --specials --devices "$local_directory/sample/" copy/)" ""
    equal "rsync on the same directory" "$(rsync -aHi --checksum "$local_directory/sample/" copy/)" ""
    echo changed >"$local_directory/sample/etc/gateway.conf"
    rm "$local_directory/sample/fifo"
    rsync -aH --specials --devices --delete "$local_directory/sample/" copy/
    same "$local_directory/sample" copy
    rsync -aH --specials --devices copy/ copied/
    equal "rsync within it" "$(rsync -aHi --specials --devices copy/ copied/)" ""
    rsync -aH --inplace --no-whole-file copy/ copied/
    same copy copied
}

program_cp()
{
    sample "$local_directory/sample"
    cp -a "$local_directory/sample" in
    same "$local_directory/sample" in
    cp -a in within
    same in within
    cp -a within "$local_directory/out"
    same "$local_directory/sample" "$local_directory/out"
    rm -r within
    [ ! -e within ] || fail "rm -r left something"
}

program_find()
{
    sample "$local_directory/sample"
    cp -a "$local_directory/sample" in
    for test in '-type f' '-type l' '-type p' '-type c' '-size +1000k' '-links +1' '-empty' '-perm -4000' \
        '-user 1234' '-mtime +3000' '-newer in/etc/gateway.conf' '-inum +0 -name *.c' '-xtype l'; do
        # shellcheck disable=SC2086 # several words
        equal "find $test" "$(set -f && find in $test | sort)" \
            "$(set -f && cd "$local_directory" && find sample ${test/in\//sample/} | sed 's/^sample/in/' | sort)"
    done
    equal "du --apparent-size" "$(files_size in)" "$(files_size "$local_directory/sample")"
    [ "$(du -k in/sub/large | cut -f1)" -ge 2929 ] || fail "du: $(du -k in/sub/large)"
    [ "$(du -k in/sub/hole | cut -f1)" -le 5120 ] || fail "du of a hole: $(du -k in/sub/hole)"
    find in -name '*.c' -exec chmod 600 {} +
    find in -name '*.h' -delete
    equal "find -delete" "$(find in -name '*.h' | wc -l)" 0
    equal "find -exec chmod" "$(find in -name '*.c' ! -perm 600)" ""
}

files_size()
{
    find "$1" -type f -print0 | du --apparent-size -cb --files0-from=- | tail -n 1 | cut -f1
}

program_build()
{
    local number all=()
    mkdir project
    for number in {1..12}; do
        printf '#include <stdio.h>\n#include "all.h"\nint f%d(int a)\n{\n    return a + ONE;\n}\n' "$number" \
            >"project/f$number.c"
        echo "int f$number(int a);"
        all+=("f$number.o")
    done >project/all.h
    echo '#define ONE 1' >>project/all.h
    {
        printf '#include <stdio.h>\n#include "all.h"\nint main(void)\n{\n    int sum = 0;\n'
        for number in {1..12}; do echo "    sum = f$number(sum);"; done
        printf '    printf("%%d\\n", sum);\n    return 0;\n}\n'
    } >project/main.c
    {
        printf 'program: main.o lib.a\n\tgcc -o $@ $^\n'
        printf 'lib.a: %s\n\tar rcs $@ $^\n' "${all[*]}"
        printf '%%.o: %%.c all.h\n\tgcc -g -O1 -c -o $@ $<\n'
    } >project/Makefile
    make -s -j2 -C project
    equal "the program" "$(./project/program)" 12
    equal "a second make" "$(make -s -C project --question && echo nothing)" nothing
    sed -i 's/ONE 1/ONE 2/' project/all.h
    make -s -j2 -C project
    equal "the program after a change" "$(./project/program)" 24
    touch project/f3.c
    equal "make after a touch" "$(make -C project | grep -c '^gcc -g')" 1
}

for program in "$@"; do
    mkdir -p "$directory/$program"
    cd "$directory/$program"
    "program_$program"
    cd "$tree"
    rm -rf "${directory:?}/$program" "${local_directory:?}"/*
    [ ! -e "$directory/$program" ] || fail "rm -rf left $directory/$program"
done
