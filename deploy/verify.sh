#!/usr/bin/env bash
# Checks the systemd unit: that systemd reads it without a complaint, and that its exposure stays low.
#
#   deploy/verify.sh        exit code 0: well, or skipped since systemd-analyze is missing; 1: a finding
#
# The binary need not be installed: a copy of the unit names one that exists.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Tenths: 15 is an exposure of 1.5.
most=15

if ! command -v systemd-analyze >/dev/null; then
    echo "skipped: systemd-analyze is missing (Debian: apt-get install systemd)"
    exit 0
fi

copies=$(mktemp -d)
trap 'rm -rf "$copies"' EXIT
sed 's|^ExecStart=/usr/local/bin/cometgate |ExecStart=/bin/true |' cometgate.service >"$copies/cometgate.service"

# `verify` warns and succeeds at an unknown directive, so any line about this unit counts; other units are not ours.
said=$(systemd-analyze verify --man=no "$copies/cometgate.service" 2>&1) || {
    printf '%s\n' "$said"
    echo "FAILED: systemd-analyze verify"
    exit 1
}
if findings=$(grep -F cometgate.service <<<"$said"); then
    printf '%s\nFAILED: systemd-analyze verify\n' "$findings"
    exit 1
fi
echo "systemd-analyze verify: no finding"

# Fails above the threshold. Old versions cannot look at a file.
if ! systemd-analyze security --help 2>/dev/null | grep -q -- --offline; then
    echo "skipped: this systemd-analyze cannot score a file (before systemd 250)"
    exit 0
fi
if scored=$(systemd-analyze security --offline=true --no-pager --threshold=$most "$copies/cometgate.service" 2>&1); then
    tail -n 1 <<<"$scored"
else
    printf '%s\nFAILED: the exposure is above %s tenths\n' "$scored" "$most"
    exit 1
fi
