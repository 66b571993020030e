#!/bin/bash
# Compile the model into its checker: build.sh PROGRAM. Everything generated goes beside PROGRAM.
# Without spin there is no program, and the tests are skipped.
# SPDX-License-Identifier: Apache-2.0
set -eu
program=$(realpath -m "$1")
source=$(cd "$(dirname "$0")" && pwd)
rm -f "$program"
command -v spin >/dev/null || exit 0
mkdir -p "$program.source"
cp "$source"/*.pml "$source"/*.c "$program.source"
cd "$program.source"
spin -a replication.pml >spin.log || { cat spin.log; exit 1; }
# safety only; one process, so that there is nothing for partial order reduction
${CC:-gcc} -O1 -w -DSAFETY -DNOREDUCE -DMEMLIM=14000 ${MODEL_FLAGS:-} -I. -o "$program" pan.c
