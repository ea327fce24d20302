#!/usr/bin/env bash
# The processes of local-cluster[W,N] are the client's: named for what they do, out of reach of its terminal's Ctrl-C, gone
# when it is, however it ended; what goes wrong in one while it starts is told.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
# shellcheck source=tests/cli/lib/cluster.bash
source tests/cli/lib/cluster.bash
export TMPDIR=$work
cat >"$work/endless.sql" <<'END'
CREATE TABLE r USING rate;
CREATE STREAMING QUERY q INTO console AS SELECT value FROM STREAM r;
END

# "PID (COMMAND) STATE PARENT GROUP ..." of the client's children
stats_of_children() {
    cat /proc/[0-9]*/stat 2>/dev/null | awk -v parent="${pids[client]}" '$4 == parent'
}

start_client() {
    "$sluice" run "$work/endless.sql" --master 'local-cluster[2,1]' >"$work/client.out" 2>"$work/client.log" </dev/null &
    pids[client]=$!
    wait_for_file "$work/client.out" ' 0|$' 30 || fail "no row of the query"
    mapfile -t children < <(stats_of_children | cut -d' ' -f1)
}

wait_until_gone() { # pids; also out of the hands of who waits for them
    local pid
    for pid in "$@"; do
        wait_for_end "$pid" 20 || fail "process $pid of a client that ended is still there"
    done
}

start_client
[ "$(stats_of_children | cut -d' ' -f2 | sort)" = $'(sluice-driver)\n(sluice-worker)\n(sluice-worker)' ] ||
    fail "the children are $(stats_of_children | cut -c1-60)"
for pid in "${children[@]}"; do
    read -r _ name _ _ group _ <"/proc/$pid/stat"
    role=${name:8:6}
    [[ $(tr '\0' ' ' <"/proc/$pid/cmdline") == "sluice $role --"* ]] || fail "ps shows '$(tr '\0' ' ' <"/proc/$pid/cmdline")' of a $role"
    [ "$group" = "$pid" ] || fail "Ctrl-C reaches the $role"
done
kill -TERM "${pids[client]}"
wait "${pids[client]}" || fail "a client that was asked to end exits with $?"
unset "pids[client]"
wait_until_gone "${children[@]}"
[ -z "$(find "$work" -maxdepth 1 -name 'sluice-cluster-*')" ] || fail "the cluster's directory is left"

start_client
kill_hard client
wait_until_gone "${children[@]}"

# the path of a socket may have 107 bytes
long=$work/$(printf 'x%.0s' $(seq 100))
mkdir "$long"
TMPDIR=$long "$sluice" run "$work/endless.sql" --master 'local-cluster[1,1]' >"$work/client.out" 2>"$work/client.log"
[ $? = 1 ] && grep -q "ended before it was ready" "$work/client.log" && grep -q "choose a shorter directory" "$work/client.log" ||
    fail "a driver that cannot start is not told"
echo ok
