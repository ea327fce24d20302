#!/usr/bin/env bash
# Input files that change or vanish after they were planned stop the query with their name (exit 5); cleanSource takes away only
# what was counted, whenever the process is killed.
set -u
sluice=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "$*"
    [ -f "$work/err" ] && cat "$work/err"
    exit 1
}
query() { # options
    cat >"$work/q.sql" <<SQL
CREATE TABLE t (n INT) USING json OPTIONS (path '$work/in', maxFilesPerTrigger 1 $1);
CREATE STREAMING QUERY q TRIGGER AVAILABLE NOW CHECKPOINT LOCATION '$work/cp' INTO json OPTIONS (path '$work/out')
AS SELECT n FROM STREAM t;
SQL
    rm -rf "$work/in" "$work/cp" "$work/out" "$work/done"
    mkdir "$work/in"
    for n in $(seq 1 12); do
        echo "{\"n\":$n}" >"$work/in/$n.json"
        touch -d "@$((1700000000 + n))" "$work/in/$n.json" # files of one tick go by name
    done
}
run() { "$sluice" run "$work/q.sql" >/dev/null 2>"$work/err"; }
output() { cat "$work/out"/*.json | sed 's/[^0-9]//g' | sort -n; }

# --- changed or vanished between planning and reading ---
for change in 'echo "{\"n\":77}" >>' 'truncate -s 3' 'touch -d @1600000000' 'rm' 'replace'; do
    query ""
    SLUICE_FAILPOINT=driver.task.send:3 run
    [ $? -eq 137 ] || fail "driver.task.send was not reached"
    planned=$("$sluice" checkpoint inspect "$work/cp" | sed -n 's/^pending  *batch \([0-9]*\).*/\1/p')
    [ "$planned" = 2 ] || fail "batch 2 is not pending"
    file=$work/in/3.json
    cp -p "$file" "$work/saved"
    if [ "$change" = replace ]; then
        cp -p "$file" "$work/other" && mv "$work/other" "$file" # the same bytes and time, another file
    else
        eval "$change \"$file\""
    fi
    run
    code=$?
    [ $code -eq 5 ] || fail "'$change' of a planned file: exit $code, wanted 5"
    grep -qF "$file" "$work/err" || fail "the file is not named"
    [ "$(output | wc -l)" -eq 2 ] || fail "something was written from another file than planned"
done
query ""
SLUICE_FAILPOINT=driver.task.send:3 run
mv "$work/in" "$work/away"
run
[ $? -ne 0 ] || fail "a directory that is gone was not told"
mv "$work/away" "$work/in"
run || fail "with the files back the query does not go on"
output | diff - <(seq 1 12) || fail "rows are missing or came twice"

# --- cleanSource ---
for clean in delete archive; do
    for point in driver.commit:3 journal.commit.after:3 driver.publish:3 sink.publish.rename:3 manifest.synced:3; do
        query ", cleanSource '$clean', sourceArchiveDir '$work/done'"
        SLUICE_FAILPOINT=$point run
        [ $? -eq 137 ] || fail "$point was not reached"
        for f in "$work/in"/*.json; do basename "$f" .json; done >"$work/left"
        { cat "$work/left"; output; } | sort -nu | diff - <(seq 1 12) || fail "$clean: a file was removed before it was counted, killed at $point"
        run || fail "$clean after a kill at $point"
        output | diff - <(seq 1 12) || fail "$clean: rows are missing or came twice, killed at $point"
        left=$(ls "$work/in" | wc -l)
        [ "$left" -le 1 ] || fail "$clean left $left files after a kill at $point"
        if [ $clean = archive ]; then
            [ "$(ls "$work/done$work/in" | wc -l)" -eq $((12 - left)) ] || fail "the archive has $(ls "$work/done$work/in" | wc -l) files"
        fi
    done
done
