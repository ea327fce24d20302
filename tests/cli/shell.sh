#!/usr/bin/env bash
# The interactive shell on a pseudo-terminal, with a cluster in its own process and with one that runs elsewhere.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
. tests/cli/lib/cluster.bash
# every word the parser looks for can be completed
missing=$(comm -23 \
    <(grep -ohE '_word\([a-z&]+, "[A-Z_]+"' engine/sql/*.c | grep -oE '[A-Z_]+"' | tr -d '"' | sort -u) \
    <(grep -oE 'K\([A-Z_]+' client/cli/keywords.def | cut -c3- | sort -u))
[ -z "$missing" ] || fail "client/cli/keywords.def lacks, as K(WORD): $missing"
mkdir "$work/local" "$work/remote"
export PYTHONDONTWRITEBYTECODE=1
python3 tests/cli/lib/shell.py "$sluice" 'local[2]' "$work/local" || fail "on local[2]"
start_driver driver
start_worker w1 && wait_for_file "$work/w1.log" WORKER-REGISTERED 10 || fail "no worker"
python3 tests/cli/lib/shell.py "$sluice" "ipc://$work/d.ipc" "$work/remote" || fail "on a driver that runs elsewhere"
"$sluice" sql --master "ipc://$work/d.ipc" -e "STOP STREAMING QUERY last" || fail "the query of the shell that has ended does not go on"
echo ok
