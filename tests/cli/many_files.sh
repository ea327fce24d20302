#!/usr/bin/env bash
# 300 files, one a batch, with kills, restarts and clean-up of old commits in between: no file is read twice, none is lost, and
# the set of seen files stays bounded by maxFileAge.
set -u
sluice=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "$*"
    exit 1
}
mkdir "$work/in"
cat >"$work/q.sql" <<SQL
CREATE TABLE t (n INT) USING json OPTIONS (path '$work/in', maxFilesPerTrigger 1, maxFileAge '20 seconds');
CREATE STREAMING QUERY q TRIGGER AVAILABLE NOW CHECKPOINT LOCATION '$work/cp' INTO json OPTIONS (path '$work/out')
AS SELECT n FROM STREAM t;
SQL
run() {
    "$sluice" run "$work/q.sql" --conf sluice.streaming.batchesRetained=5 --conf sluice.streaming.retentionAge='1 ms' \
        --conf sluice.streaming.cleanUpInterval=7 --conf sluice.streaming.cleanUpGrace='1 ms' 2>"$work/err"
}
put() { # files n..m, each a second younger than the one before
    for n in $(seq "$1" "$2"); do
        echo "{\"n\":$n}" >"$work/.new"
        touch -d "@$((1700000000 + n))" "$work/.new"
        mv "$work/.new" "$work/in/$n.json"
    done
}
points=(driver.commit journal.commit.after driver.publish manifest.append journal.retain journal.offsets.after)
killed=0
for part in $(seq 0 29); do
    put $((part * 10 + 1)) $((part * 10 + 10))
    SLUICE_FAILPOINT=${points[$((part % 6))]}:$((1 + part % 3)) run
    code=$?
    [ $code -eq 137 ] && killed=$((killed + 1))
    [ $code -eq 137 ] || [ $code -eq 0 ] || { cat "$work/err"; fail "part $part: exit $code"; }
done
run || { cat "$work/err"; fail "the last run failed"; }
cat "$work/out"/*.json | sed 's/[^0-9]//g' | sort -n | diff - <(seq 1 300) || fail "files were read twice or lost"
[ "$killed" -ge 20 ] || fail "only $killed kills"
"$sluice" checkpoint verify "$work/cp" >"$work/verify" || { cat "$work/verify"; fail "the checkpoint is damaged"; }

# another run finds nothing: those forgotten are behind the horizon, not new
run || { cat "$work/err"; fail "a run without new files failed"; }
[ "$(cat "$work/out"/*.json | wc -l)" -eq 300 ] || fail "forgotten files were read again"
sed -i "s/maxFileAge '20 seconds'/maxFileAge '7d'/" "$work/q.sql"
run || { cat "$work/err"; fail "a run with a longer maxFileAge failed"; }
[ "$(cat "$work/out"/*.json | wc -l)" -eq 300 ] || fail "a longer maxFileAge brought files back"

# bounded: the files of 20 seconds, and as many as come until the set is swept (64 and a third of it) and then
# cleaned up; old commits are gone
"$sluice" checkpoint inspect "$work/cp" --json >"$work/inspect" || fail "inspect failed"
seen=$(sed 's/.*"seenFiles":\([0-9]*\).*/\1/' "$work/inspect")
first=$(sed 's/.*"firstCommit":\([0-9]*\).*/\1/' "$work/inspect")
[ "$seen" -ge 20 ] && [ "$seen" -le 150 ] || fail "the journal remembers $seen files, wanted 21 and what a sweep leaves"
[ "$first" -ge 280 ] || fail "commits from $first are still there, wanted 5 and a few"
