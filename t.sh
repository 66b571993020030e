#!/bin/bash
. /tmp/me/tests/lib/cluster.sh
cluster_test "$@"
cluster_start
trivet volume status gv0
mkdir "$MNT/a"; cp -a /usr/include/linux "$MNT/a/" || fail cp
trivet volume status gv0
p=$(daemon_pids trivet-brick | head -1)
kill -9 $p
for i in 1 2 3 4 5 6 7 8; do date +%s.%N; trivet volume status gv0 | head -12; touch "$MNT/x$i"; date +%s.%N; sleep 0.5; done
tail -40 "$STATE"/log/*.log
cluster_finish
