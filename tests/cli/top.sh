#!/usr/bin/env bash
# `sluice top` looks at a driver and workers that run: one page for scripts, and the page of a terminal.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
. tests/cli/lib/cluster.bash
master=ipc://$work/d.ipc
"$sluice" top --master 'local[2]' --once >"$work/out" 2>&1
[ $? -eq 2 ] && grep -q "a cluster of its own" "$work/out" || fail "a local master is not refused: $(cat "$work/out")"
"$sluice" top --master "$master" </dev/null >"$work/out" 2>&1
[ $? -eq 2 ] && grep -q -- "--once" "$work/out" || fail "without a terminal: $(cat "$work/out")"
start_driver driver
slots=2 start_worker w1
wait_for_file "$work/w1.log" WORKER-REGISTERED 10 || fail "no worker"
"$sluice" sql --master "$master" -e "
CREATE TABLE r (timestamp TIMESTAMP, value BIGINT) USING rate OPTIONS (rowsPerSecond 20);
CREATE STREAMING QUERY counting OUTPUT MODE update TRIGGER PROCESSING TIME '500 ms' INTO noop
AS SELECT window(timestamp, '1 second') AS w, count(*) AS n FROM STREAM r WATERMARK timestamp DELAY OF INTERVAL 2 SECONDS
GROUP BY window(timestamp, '1 second')" >"$work/start" 2>&1 &
client=$!
for _ in $(seq 200); do # until a batch with state is reported
    "$sluice" top --master "$master" --once >"$work/page" || fail "top --once ends with $?"
    grep -qE '^counting +[A-Z]+ +[0-9]+ +[0-9.]+ +[0-9.]+ +[0-9]+ +[0-9.]+[smh0-9]* +[1-9][0-9]* +[0-9.]+ [KM]?i?B' "$work/page" && break
    sleep 0.1
done
grep -qE '^counting .* [1-9][0-9]* +[0-9.]+ [KM]?i?B' "$work/page" || fail "no query with its figures: $(cat "$work/page" "$work/start")"
grep -qE '^w1 +ACTIVE +2 +[0-9]+ +[1-9]' "$work/page" || fail "no worker with its partitions: $(cat "$work/page")"
grep -q $'\e' "$work/page" && fail "--once writes escape sequences"
export PYTHONDONTWRITEBYTECODE=1 NO_COLOR=
python3 - "$sluice" "$master" <<'PY' || fail "on a terminal"
import os, signal, sys
sys.path.insert(0, "tests/cli/lib")
from terminal import Terminal

sluice, master = sys.argv[1:]
for leave in ("q", "\x03", None):
    t = Terminal([sluice, "top", "--master", master], columns=100, rows=12)
    t.wait(r"\x1b\[\?1049h")
    t.wait(r"\x1b\[32mw1 .*counting ")
    t.wait(r"counting ")  # again, a second later
    t.resize(20, 12)
    t.wait(r"WORKER  STATE   SLOT\x1b\[0m\x1b\[K.*QUERY     STATE [A-Z ]{4}\x1b\[0m\x1b\[K")  # cut at 20
    if leave:
        t.type(leave)
    else:
        os.kill(t.pid, signal.SIGTERM)
    t.wait(r"\x1b\[\?25h\x1b\[\?1049l")
    t.leave()
os.environ["NO_COLOR"] = "1"
t = Terminal([sluice, "top", "--master", master])
t.wait("counting ")
assert "\x1b[32m" not in t.text, "NO_COLOR is not honoured"
t.type("q")
t.leave()
PY
kill -INT "$client"
wait_for_end "$client" 20 || fail "the client does not end"

# Shuffle in flight, in both directions, while two workers group what does not shrink.
slots=1 start_worker w2
wait_for_file "$work/w2.log" WORKER-REGISTERED 10 || fail "no second worker"
"$sluice" sql --master "$master" -e "
CREATE TABLE many USING \`rate-micro-batch\` OPTIONS (rowsPerBatch 1000000);
CREATE STREAMING QUERY shuffling OUTPUT MODE update INTO noop
AS SELECT value % 400000 AS k, count(*) AS n FROM STREAM many GROUP BY value % 400000" >"$work/start" 2>&1 &
client=$!
sent= received=
for _ in $(seq 400); do
    "$sluice" cluster status --master "$master" --json >"$work/status" || fail "no status"
    grep -qE '"shuffleSentBytes": ?[1-9]' "$work/status" && sent=1
    grep -qE '"shuffleReceivedBytes": ?[1-9]' "$work/status" && received=1
    [ -n "$sent$received" ] && [ "$sent$received" = 11 ] && break
    sleep 0.05
done
[ "$sent$received" = 11 ] || fail "no shuffle in flight is told (sent '$sent', received '$received'): $(cat "$work/status" "$work/start")"
kill -INT "$client"
wait_for_end "$client" 30 || fail "the client does not end"
within_rest() { # in flight goes to nothing when nothing runs
    "$sluice" cluster status --master "$master" --json | tr ',' '\n' | grep -E 'shuffle(Sent|Received)Bytes' | grep -qvE ': ?0\}?$' && return 1
    return 0
}
for _ in $(seq 200); do within_rest && break; sleep 0.05; done
within_rest || fail "shuffle in flight on a cluster that rests"
"$sluice" top --master "$master" --once | grep -qE 'MEMORY  SHUFFLE OUT  SHUFFLE IN  HEARD' || fail "no shuffle in flight on the page"
echo ok
