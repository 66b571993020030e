#!/bin/bash
# The protocol suites of conformance/ against the gateway: a replicated volume and a plain directory, each with
# exports of every kind beside it. FULL=1: also what takes long.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib/cluster.sh"
cluster_test "$@"

# What is mounted here goes first, so that the directory can.
conformance_end()
{
    local status=$?
    ! mountpoint -q "$WORK/small" || umount -l "$WORK/small"
    (exit "$status")
    cluster_end
}

exports_start()
{
    local name
    mkdir "$WORK/small"
    check "a small file system" mount -t tmpfs -o size=4m,nr_inodes=600 small "$WORK/small"
    cat >"$WORK/gateway.conf" <<TEXT
[gateway]
management = 127.0.0.1:24007
listen = 127.0.0.1
portmap = own
[export gv0]
access = rw
TEXT
    printf '[export gv1]\nsync = no\n' >>"$WORK/gateway.conf"
    for name in local read-only root-squash all-squash secure refused small other async; do
        [ -d "$WORK/$name" ] || mkdir "$WORK/$name"
        chmod 777 "$WORK/$name"
        printf '[export %s]\nvolume = local:%s\n' "$name" "$WORK/$name"
        case $name in
        read-only) echo access = ro ;;
        root-squash) echo squash = root ;;
        all-squash) echo squash = all ;;
        secure) echo secure = yes ;;
        refused) echo clients = 10.255.255.1 ;;
        async) echo sync = no ;;
        esac
    done >>"$WORK/gateway.conf"
    check "gateway start" trivet gateway start --config "$WORK/gateway.conf"
    wait_for 20 nfs-ls "$NFS/?version=3" || fail "the export does not answer"
}

# suites EXPORT ASYNC: both, at one export, beside which there is one that is async.
suites()
{
    local suite name options=(--async "$2")
    for name in read-only root-squash all-squash secure refused small other; do
        options+=("--$name" "/$name")
    done
    [ -z "${FULL:-}" ] || options+=(--long)
    for suite in nfs3 mount3; do
        step "$suite-suite at $1"
        "$BIN/conformance/$suite/$suite-suite" "${options[@]}" "127.0.0.1:$1" >"$LOGS/$suite.out" 2>&1 ||
            FAILED=1
        grep -v '^ok ' "$LOGS/$suite.out"
    done
}

# The table in the tree must be what the cases declare.
coverage()
{
    local suite
    for suite in nfs3 mount3; do
        check "coverage of $suite" "$BIN/conformance/$suite/$suite-suite" \
            --coverage "conformance/$suite/explained.txt" >"$WORK/coverage.md"
        cmp -s "$WORK/coverage.md" "conformance/$suite/COVERAGE.md" ||
            fail "conformance/$suite/COVERAGE.md is old: make conformance-coverage"
    done
}

FAILED=
trap conformance_end EXIT
coverage
trivetd_start
volume_create
check "volume start" trivet volume start gv0
mkdir "$WORK"/a{1,2,3}
check "volume create" trivet volume create gv1 replica 3 \
    "localhost:$WORK/a1" "localhost:$WORK/a2" "localhost:$WORK/a3" force
check "volume start" trivet volume start gv1
exports_start
suites /gv0 /gv1
suites /local /async
[ -z "$FAILED" ] || fail "a suite failed"
check "gateway stop" trivet gateway stop
wait_for 20 no_daemon trivet-gateway || fail "trivet-gateway did not end"
check "umount" umount "$WORK/small"
check "volume stop" trivet volume stop gv1
cluster_finish
