#!/usr/bin/env bash
# Runs a file of tests for Node, and ends with the line that `.ci/run` adds up: node_tests.sh FILE MINUTES
#
# MINUTES is far more than it takes; without a limit, one that never ends would hold up everything.
set -euo pipefail

counts=$(mktemp)
trap 'rm -f "$counts"' EXIT
status=0
"${NODE:-node}" --test --test-timeout="$(($2 * 60000))" --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$counts" "$1" </dev/null || status=1
count() { awk -v name="$1" '$1 == "#" && $2 == name { n = $3 } END { print n + 0 }' "$counts"; }
passed=$(count pass)
# A suite whose set-up failed is cancelled: that is no pass either.
failed=$(($(count fail) + $(count cancelled)))
if ((status != 0 && failed == 0)) || ((passed + failed == 0)); then
    failed=$((failed + 1))
fi
verdict=ok
((failed == 0)) || verdict=FAILED
echo "test result: $verdict. $passed passed; $failed failed"
((failed == 0))
