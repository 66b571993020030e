#!/bin/bash
# Each rule of tidy finds what breaks it, and nothing in a tree that breaks none. Method: a small tree with
# one offence for each rule, and the same without them.
# SPDX-License-Identifier: Apache-2.0
set -u
tidy=${TRIVET_BIN:-$PWD/build/debug}/tests/tidy/tidy
root=$(mktemp -d "${TMPDIR:-/tmp}/tidy-XXXXXX") || exit 1
trap 'rm -rf "$root"' EXIT
cd "$root" || exit 1
failed=0
spdx='/* SPDX-License-Identifier: Apache-2.0 */'

# expect LINE: tidy prints it, or a line that begins so.
expect()
{
    grep -qF -- "$1" found && return
    echo "not found: $1"
    failed=1
}

good_tree()
{
    mkdir -p backend/base backend/proto mgmt bin
    echo 'Files.' | tee backend/base/README backend/proto/README >mgmt/README.md
    printf '%s\n' "$spdx" '#include "backend/base/a.h"' 'int a(void)' '{' \
        '    /* return in a comment, strcpy(in, it) */' '    return "//"[0];' '}' >backend/base/a.c
    printf '%s\n' "$spdx" 'int a(void);' >backend/base/a.h
    printf '%s\n' "$spdx" '#ifndef LIMITS_H' '#define LIMITS_H' '/* Why. */' '#define ONE 1' '#define TWO 2' \
        '#endif' >backend/proto/limits.h
    printf '%s\n' "$spdx" '#ifdef RPC_HDR' '%#include "backend/proto/limits.h"' '#endif' \
        'struct x { string name<255>; };' >backend/proto/x.x
    printf '%s\n' "$spdx" '#include <rpc/rpc.h>' '#include "backend/proto/x.h"' \
        '#define FORM(a) ((a) + 1)' 'typedef struct x *made(int);' >mgmt/trivet.c
    printf '%s\n' '.TP' '.B \-\-known' '.It Fl -listed Ns = Ns Ar x' 'See trivetd \-\-other.' >mgmt/trivet.8
    printf '#!/bin/sh\necho "  --known  --listed=X"\n' >bin/trivet
    chmod +x bin/trivet
}

good_tree
"$tidy" -q -p bin . >found || { cat found; failed=1; }
expect '9 files, 0 findings'

{
    printf '%s\n' '#include "backend/proto/limits.h"' '#include "a.h"' '#include <rpc/rpc.h>' \
        '#include <lmdb.h>' "$(printf '\tint tab;')" 'int blanks; ' "int $(printf 'é%.0s' {1..90});" \
        "int $(printf 'x%.0s' {1..96});" 'int c; // comment' "/* TO""DO */" 'void f(void) { strcpy(a, b); }' \
        'void g(void) { x.strcpy(a); h->system(b); }' '#define LEAVE \' '    do { return; } while (0)' \
        'typedef struct a { int b; } c;' 'void h(void) { assert(1); }'
} >backend/base/bad.c
printf '%s\n' "$spdx" >backend/base/alone.h
printf '%s\n' "$spdx" 'struct y { opaque data< >; };' >backend/proto/y.x
printf '%s\n' '' '#define THREE 3' '#define FOUR 4' '#define FIVE 5 /* Why. */' >>backend/proto/limits.h
printf '#!/bin/sh\necho "  --known  --unknown=X"\n' >bin/trivet
rm mgmt/README.md
seq 30 >backend/base/README
printf '%s\n' "$spdx" >mgmt/trivetd.c
"$tidy" -q -p bin . >found && { echo 'tidy passes a bad tree'; failed=1; }
expect 'backend/base/bad.c:1: may not include backend/proto/limits.h'
expect 'backend/base/bad.c:2: "a.h" is no path'
expect 'backend/base/bad.c:3: <rpc/rpc.h> belongs to'
expect 'backend/base/bad.c:4: <lmdb.h> belongs to backend/store/ only'
expect 'backend/base/bad.c:5: a tab'
expect 'backend/base/bad.c:6: blanks'
expect 'backend/base/bad.c:8: 101 columns'
expect 'backend/base/bad.c:9: a line comment'
expect 'backend/base/bad.c:10: TO''DO is left over'
expect 'backend/base/bad.c:11: strcpy is banned'
expect 'backend/base/bad.c:13: return in a macro'
expect 'backend/base/bad.c:15: a typedef of a struct'
expect 'backend/base/bad.c:16: assert is banned'
expect 'backend/base/bad.c:1: no line "SPDX'
expect 'backend/base/alone.h:1: no other file includes'
expect 'backend/proto/y.x:2: <> is no bound'
expect 'backend/proto/limits.h:9: THREE has no reason'
expect 'backend/proto/limits.h:10: FOUR has no reason'
expect 'mgmt/trivet.8:1: --unknown, which trivet --help lists, is missing'
expect 'mgmt/trivet.8:1: --listed is missing from trivet --help'
expect 'mgmt/trivetd.c:1: trivetd has no man page'
expect 'mgmt/README.md:1: missing'
expect 'backend/base/README'
expect 'files, 23 findings'
[ "$failed" = 0 ] || cat found
exit "$failed"
