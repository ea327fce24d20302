#!/usr/bin/env bash
# The counters of a run are in sluice.metrics.file at its end, and right.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$sluice" run examples/mobile/tutorial.sql --conf sluice.metrics.file="$work/metrics" \
    >/dev/null 2>"$work/err" || {
    cat "$work/err"
    exit 1
}
for line in 'sluice_batches_total 3' 'sluice_rows_in_total 8' 'sluice_queries_active 0' \
    'sluice_batch_tries_failed_total 0' '# TYPE sluice_state_rows gauge' \
    '# TYPE sluice_rows_late_total counter'; do
    grep -qx "$line" "$work/metrics" || {
        echo "no line \"$line\" in:"
        cat "$work/metrics"
        exit 1
    }
done
grep -q '^sluice_journal_syncs_total [1-9]' "$work/metrics" || exit 1
# A place that cannot be written is said, and the work goes on.
"$sluice" sql -e 'SELECT 1' --conf sluice.metrics.file="$work/no/such/dir" \
    >/dev/null 2>"$work/err" || exit 1
grep -q METRICS-FILE "$work/err" || {
    echo "nothing said of a file that cannot be written:"
    cat "$work/err"
    exit 1
}

# ---- a cluster: each process its own file and label, whatever the setting they share ----
fail() {
    echo "$1"
    tail -n +1 "$work"/m/* "$work"/c/logs/* 2>/dev/null
    "$sluice" cluster stop --config "$work/c.yaml" >/dev/null 2>&1
    exit 1
}
within() { # seconds, command: until it succeeds
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}
mkdir "$work/m"
cat >"$work/c.yaml" <<END
directory: $work/c
driver:
  bind: ipc://$work/d.ipc
workers:
  count: 2
  slots: 1
settings:
  sluice.metrics.file: $work/m/sluice.prom
  sluice.metrics.interval: 100 ms
END
"$sluice" cluster start --config "$work/c.yaml" >/dev/null || fail "no cluster"
"$sluice" run examples/mobile/tutorial.sql --master "ipc://$work/d.ipc" >/dev/null || fail "no run on the cluster"
has() { # process, line
    grep -qx "$2" "$work/m/sluice.$1.prom" 2>/dev/null
}
for line in 'sluice_batches_total{process="driver"} 3' 'sluice_rows_in_total{process="driver"} 8'; do
    within 20 has driver "$line" || fail "no line $line"
done
for worker in worker-1 worker-2; do
    within 20 has "$worker" "sluice_attempts_total{process=\"$worker\"} [1-9][0-9]*" || fail "$worker counts no tasks"
    has "$worker" "sluice_shuffle_frames_stale_total{process=\"$worker\"} 0" || fail "$worker counts no frames"
    has "$worker" 'sluice_batches_total.*' && fail "$worker counts what the driver does"
done
has driver 'sluice_attempts_total.*' && fail "the driver counts what workers do"
[ "$(ls "$work/m" | grep -v 'part$')" = "$(printf '%s\n' sluice.driver.prom sluice.worker-1.prom sluice.worker-2.prom)" ] ||
    fail "other files than of the three processes"
# a collector reads all: no sample twice, one HELP for a name
cat "$work"/m/*.prom | grep -v '^#' | cut -d' ' -f1 | sort | uniq -d | grep . && fail "a sample is there twice"
cat "$work"/m/*.prom | grep '^# HELP' | sort -u | cut -d' ' -f3 | uniq -d | grep . && fail "two HELPs of one name"
# another worker of the same name is told of
"$sluice" worker --driver "ipc://$work/d.ipc" --slots 1 --dir "$work/w" --name worker-1 \
    --conf sluice.metrics.file="$work/m/sluice.prom" --conf sluice.metrics.interval='100 ms' >"$work/w.log" 2>&1 &
twin=$!
told() { cat "$work/w.log" "$work/c/logs/worker-1.log" | grep -q 'METRICS-FILE.*--name'; }
within 20 told || { kill "$twin"; fail "two processes write one file, and nobody says so"; }
kill "$twin"
wait "$twin"
code=0
"$sluice" worker --driver "ipc://$work/d.ipc" --name 'a/b' >"$work/err" 2>&1 || code=$?
[ $code = 2 ] && grep -q "'a/b'" "$work/err" || fail "a name that is no file's: exit $code"
# a worker that leaves takes its file along, and so do all at the end
"$sluice" cluster scale 1 --config "$work/c.yaml" >/dev/null || fail "no scale"
[ ! -e "$work/m/sluice.worker-2.prom" ] || fail "a worker that left is collected for ever"
"$sluice" cluster stop --config "$work/c.yaml" >/dev/null || fail "no stop"
ls "$work"/m/*.prom 2>/dev/null && fail "processes that ended are collected for ever"
# local-cluster[W,N] hands the setting on
cat >"$work/endless.sql" <<'END'
CREATE TABLE r USING rate;
CREATE STREAMING QUERY q INTO noop AS SELECT value FROM STREAM r;
END
"$sluice" run "$work/endless.sql" --master 'local-cluster[1,1]' --conf sluice.metrics.file="$work/m/own.prom" \
    --conf sluice.metrics.interval='100 ms' >/dev/null 2>"$work/err" &
run=$!
within 20 test -s "$work/m/own.worker-1.prom" && within 20 test -s "$work/m/own.driver.prom" || { kill "$run"; fail "local-cluster without metrics"; }
kill -TERM "$run"
wait "$run"
ls "$work"/m/*.prom 2>/dev/null && fail "a local-cluster that ended is collected for ever"
exit 0
