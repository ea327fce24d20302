#!/usr/bin/env bash
# Output too large to ride in the commit is staged: killed at every failpoint on the way and run again, each row shows exactly
# once and nothing stays in .sluice-staging.  Queries that share a directory, foreign files and impossible directories.
set -u
sluice=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "$*"
    exit 1
}
mkdir "$work/in"
for i in 1 2 3 4; do # 150 kB of output a file, of two slices
    awk -v f=$i 'BEGIN { for (k = 0; k < 1000; k++) printf "{\"id\":\"%d-%04d\",\"pad\":\"%0120d\"}\n", f, k, k }' >"$work/in/f$i.json"
done
query() { # directory, file
    cat >"$2" <<SQL
CREATE TABLE t (id STRING, pad STRING) USING json OPTIONS (path '$work/in', maxFilesPerTrigger 2);
CREATE STREAMING QUERY q TRIGGER AVAILABLE NOW CHECKPOINT LOCATION '$1/cp' INTO json OPTIONS (path '$1/out')
AS SELECT id, pad FROM STREAM t;
SQL
}
run() { "$sluice" run "$1" --conf sluice.source.sliceBytes=80000 2>"$work/err"; }
expect() { # directory of output
    [ "$(cat "$1"/*.json | wc -l)" -eq 4000 ] && [ "$(cat "$1"/*.json | sort -u | wc -l)" -eq 4000 ] ||
        fail "$1 has $(cat "$1"/*.json | wc -l) rows, $(cat "$1"/*.json | sort -u | wc -l) different ones; wanted 4000"
    [ -z "$(ls -A "$1/.sluice-staging")" ] || fail "staged files stay: $(ls -A "$1/.sluice-staging")"
}
query "$work/clean" "$work/clean.sql"
run "$work/clean.sql" || { cat "$work/err"; exit 1; }
expect "$work/clean/out"
[ "$(ls "$work/clean/out"/*.json | wc -l)" -ge 8 ] || fail "output was not split by slices"
[ "$(wc -c <"$(ls "$work/clean/out"/*.json | head -n 1)")" -gt 65536 ] || fail "output would ride in the commit"

killed=0
for point in sink.stage.write sink.stage.sync worker.done.before worker.done.after driver.commit journal.commit.before \
    journal.commit.after driver.publish sink.publish.rename sink.publish.syncdir manifest.append manifest.synced; do
    for nth in 1 2 3 6; do
        dir="$work/k"
        rm -rf "$dir"
        query "$dir" "$work/k.sql"
        SLUICE_FAILPOINT=$point:$nth run "$work/k.sql"
        [ $? -eq 137 ] && killed=$((killed + 1))
        run "$work/k.sql" || { cat "$work/err"; fail "after a kill at $point:$nth"; }
        (expect "$dir/out") || fail "after a kill at $point:$nth"
    done
    "$sluice" checkpoint verify "$dir/cp" >"$work/verify" || { cat "$work/verify"; fail "after a kill at $point"; }
done
[ "$killed" -ge 26 ] || fail "only $killed kills: too few failpoints were reached"

# two queries write to one directory, one of them killed while the other's files are staged and published
rm -rf "$work/k"
query "$work/k" "$work/k.sql"
sed "s|CREATE STREAMING QUERY q|CREATE STREAMING QUERY r|; s|/k/cp|/k/cp2|" "$work/k.sql" >"$work/k2.sql"
SLUICE_FAILPOINT=driver.commit:1 run "$work/k.sql"
staged=$(ls "$work/k/out/.sluice-staging" | wc -l)
[ "$staged" -gt 0 ] || fail "nothing was staged"
run "$work/k2.sql" || { cat "$work/err"; fail "the second query failed"; }
[ "$(ls "$work/k/out/.sluice-staging" | wc -l)" -eq "$staged" ] || fail "a query touched another's staged files"
run "$work/k.sql" || { cat "$work/err"; fail "the first query failed"; }
[ "$(cat "$work/k/out"/*.json | wc -l)" -eq 8000 ] || fail "two queries wrote $(cat "$work/k/out"/*.json | wc -l) rows, not 8000"
[ -z "$(ls -A "$work/k/out/.sluice-staging")" ] || fail "staged files stay"

# a foreign file in the place of output: refused by name, untouched; once it is moved away the batch shows
rm -rf "$work/k"
query "$work/k" "$work/k.sql"
SLUICE_FAILPOINT=driver.publish:1 run "$work/k.sql"
[ $? -eq 137 ] || fail "driver.publish was not reached"
id=$(ls "$work/k/out/.sluice-staging" | head -n 1 | cut -c 1-16)
task=$(ls "$work/k/out/.sluice-staging" | head -n 1 | sed 's/.*-\([0-9]*\)-\([0-9]*\)\.json/\1 \2/')
target=$(printf 'part-00000-%d-%05d-%s.json' $task "$id")
echo "mine" >"$work/k/out/$target"
run "$work/k.sql"
[ $? -eq 1 ] || fail "a foreign file was not refused"
grep -qF "$target stands where a batch's output goes" "$work/err" || { cat "$work/err"; fail "the foreign file is not named"; }
[ "$(cat "$work/k/out/$target")" = mine ] || fail "the foreign file was touched"
mv "$work/k/out/$target" "$work/mine"
run "$work/k.sql" || { cat "$work/err"; fail "after the foreign file was moved away"; }
expect "$work/k/out"

# a directory that cannot be: named, and nothing runs
echo x >"$work/file"
for bad in "$work/file/out" /proc/sluice-out; do
    sed "s|path '$work/k/out'|path '$bad'|; s|/k/cp|/bad/cp|" "$work/k.sql" >"$work/bad.sql"
    rm -rf "$work/bad"
    run "$work/bad.sql"
    [ $? -eq 1 ] || fail "output to $bad was not refused"
    grep -qF "$bad" "$work/err" || { cat "$work/err"; fail "$bad is not named"; }
done
