#!/bin/bash
# Install what is missing of a list of Debian packages: packages.sh [-o] LIST
# -o: the list is optional. What cannot be installed is named, and that is all.
# Asks dpkg first, so that it needs neither root nor network where everything is there already.
# SPDX-License-Identifier: Apache-2.0
set -u
optional=
[ "${1:-}" != -o ] || { optional=1 && shift; }
list=${1:?usage: packages.sh [-o] LIST}

if ! command -v dpkg >/dev/null; then
    echo "packages: no dpkg here; install the counterparts of $list with this system's package manager" >&2
    [ -n "$optional" ]
    exit
fi
missing=()
while read -r package; do
    case $package in '' | '#'*) continue ;; esac
    dpkg -s "$package" 2>/dev/null | grep -q '^Status: install ok installed' || missing+=("$package")
done <"$list"
[ ${#missing[@]} -gt 0 ] || exit 0

command="apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" != 0 ]; then
    printf 'packages: missing: %s\nrun as root: %s\n' "${missing[*]}" "$command" >&2
    [ -n "$optional" ]
    exit
fi
echo "packages: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
# The lists of a fresh image are empty or old: try with them, then once more after an update.
if $command >"$log" 2>&1 || { apt-get update >"$log" 2>&1 && $command >>"$log" 2>&1; }; then
    exit 0
fi
if [ -n "$optional" ]; then
    echo "packages: these could not be installed, and what needs them is skipped: ${missing[*]}"
    exit 0
fi
tail -n 15 "$log" >&2
cat >&2 <<TEXT
packages: apt-get could not install what is missing.
If it says that a host cannot be reached, this machine has no way to a Debian mirror: check /etc/apt/sources.list and
the proxy (http_proxy), then run: $command
TEXT
exit 1
