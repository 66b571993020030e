#!/bin/bash
# The rules of HACKING.md that a machine can check, over all sources; prints every line that breaks one.
# Sizes are printed as a table and break nothing: they are a guide.
# SPDX-License-Identifier: Apache-2.0
set -u
export LC_ALL=C.UTF-8
cd "$(dirname "$0")/../.." || exit 1
mapfile -t sources < <(find backend frontends gateway mgmt tests conformance -name '*.[chx]' 2>/dev/null | sort)
mapfile -t product < <(printf '%s\n' "${sources[@]}" | grep -Ev '^(tests|conformance)/')
mapfile -t scripts < <(find .ci etc tests -type f \( -name '*.sh' -o -path .ci/run \) | sort)
broken=$(mktemp) || exit 1
trap 'rm -f "$broken"' EXIT

# rule TEXT: what comes on standard input are the lines that break it.
rule()
{
    local lines
    lines=$(cat)
    [ -n "$lines" ] || return
    printf -- '-- %s\n%s\n' "$1" "$lines"
    echo "$lines" >>"$broken"
}

# note TEXT: the same, but only worth a look.
note()
{
    local lines
    lines=$(cat)
    [ -z "$lines" ] || printf -- '-- worth a look: %s (%d)\n' "$1" "$(wc -l <<<"$lines")"
}

# Lines of code and comments that match, strings left alone.
found()
{
    local pattern=$1
    shift
    [ $# -eq 0 ] || grep -nP -- "$pattern" "$@" /dev/null
}

# may LAYER INCLUDE-PATTERN: the files of a layer include nothing of ours but that.
may()
{
    local layer=$1 allowed=$2
    [ -d "$layer" ] || return
    grep -nE '^#include "(backend|frontends|gateway|mgmt|tests|conformance)/' \
        "$layer"/*.[ch] /dev/null | grep -Ev "#include \"($allowed)/"
}

rules_of_text()
{
    # A message is better found in one piece.
    found '^.{101,}$' "${sources[@]}" | grep -v '"' | note "longer than 100 columns"
    found '\t|[ ]+$' "${sources[@]}" | rule "a tab, or blanks at the end"
    found '(^|[^:"])//' "${sources[@]}" | grep -v '"[^"]*//[^"]*"' | rule "a // comment"
    found '\b(TODO|FIXME|XXX|HACK)\b' "${sources[@]}" "${scripts[@]}" | grep -v '^tests/tidy/' |
        rule "a leftover"
    grep -L 'SPDX-License-Identifier: Apache-2.0' "${sources[@]}" "${scripts[@]}" | rule "no licence line"
    found '<[ ]*>' $(printf '%s\n' "${sources[@]}" | grep '\.x$') | rule "an unbounded array in a .x"
}

rules_of_calls()
{
    found '(?<![a-z_>.])(vsprintf|gets|strtok|atoi|atol|alloca|rand|system)\(' "${product[@]}" |
        rule "a banned call"
    found '(?<![a-z_>.])(strcpy|strcat|sprintf)\(' "${product[@]}" | note "strcpy and sprintf: is the size checked right before?"
    found '(?<![a-z_])assert\(' "${product[@]}" | rule "assert: PRE, POST or INVARIANT"
    found '#include <(rpc|tirpc)/' "${product[@]}" | 
        grep -Ev '^(backend/rpc/|backend/proto/|[^:]*\.x:|frontends/nfs3/nfs3_wire\.h:)' |
        rule "libtirpc outside backend/rpc and XDR"
    found '#include <fuse' "${product[@]}" | grep -v '^frontends/fuse/' | rule "libfuse outside frontends/fuse"
    found '#include <nfsc/' "${product[@]}" | rule "libnfs outside tests and conformance"
}

rules_of_layers()
{
    {
        may backend/base 'backend/base'
        may backend/proto 'backend/(proto|base)'
        may backend/rpc 'backend/(rpc|proto|base)'
        may backend/store 'backend/(store|proto|base)'
        may backend/replica 'backend/(replica|store|proto|base)' | grep -v '/replica_driver\.[ch]:'
        may backend/brick 'backend/(brick|replica|store|rpc|proto|base)'
        may gateway 'gateway|backend/(rpc|proto|base)' | grep -v '^gateway/trivet_gateway.c:'
        may frontends/nfs3 'frontends/nfs3|gateway|backend/(rpc|proto|base)'
        may frontends/fuse 'frontends/fuse|gateway|backend/(rpc|proto|base)'
        may mgmt 'mgmt|backend/(rpc|proto|base)'
    } | rule "an include against the arrows of ARCHITECTURE.md"
}

rules_of_headers()
{
    local header
    printf '%s\n' "${sources[@]}" | grep '\.h$' | while read -r header; do
        grep -qrF --include='*.[ch]' "#include \"$header\"" backend frontends gateway mgmt tests \
            conformance 2>/dev/null || echo "$header"
    done | rule "a header that nobody includes"
    # A comment, or another limit right above, which shares its reason.
    awk '/^#define [A-Z]/ && $3 != "" && before !~ /(\*\/|^#define|\\)$|^#define/ { print FILENAME ":" FNR ": " $0 }
         { before = $0 }' backend/proto/limits.h | rule "a limit without its reason"
}

rules_of_scripts()
{
    ! command -v shellcheck >/dev/null ||
        shellcheck -s bash -S error -f gcc "${scripts[@]}" | rule "shellcheck"
    find "${scripts[@]}" -name '*_test.sh' ! -perm -u+x | rule "a test that cannot be executed"
}

table_of_sizes()
{
    local folder files lines long
    printf '%-18s %6s %7s  %s\n' folder files lines 'longest file'
    for folder in backend/{base,proto,rpc,store,replica,brick} gateway frontends/{nfs3,fuse} mgmt tests; do
        files=$(printf '%s\n' "${sources[@]}" | grep -c "^$folder/")
        [ "$files" -gt 0 ] || continue
        lines=$(printf '%s\n' "${sources[@]}" | grep "^$folder/" | xargs cat | wc -l)
        long=$(printf '%s\n' "${sources[@]}" | grep "^$folder/" | xargs wc -l | grep -v ' total$' |
            sort -rn | head -n 1 | awk '{ print $2 " (" $1 ")" }')
        printf '%-18s %6d %7d  %s\n' "$folder" "$files" "$lines" "$long"
    done
}

table_of_sizes
rules_of_text
rules_of_calls
rules_of_layers
rules_of_headers
rules_of_scripts
[ ! -s "$broken" ]
