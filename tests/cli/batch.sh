#!/usr/bin/env bash
# The tutorial's files read as a batch: rows, the inferred schema's tree, counts, for any number of executors;
# then a file with actions nobody has seen arrives, in a batch and in a stream that goes on where it was.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() { # expected file, statements...
    local expected=tests/cli/expected/$1
    shift
    "$sluice" "$@" >"$work/out" 2>"$work/err" || {
        cat "$work/err"
        exit 1
    }
    diff "$expected" "$work/out" || {
        echo "sluice $*: differs from $expected"
        exit 1
    }
}

for master in 'local[1]' 'local[2]' 'local[4]'; do
    check batch.out run examples/mobile/batch.sql --master "$master"
done

# A stream over the first three files, then over the new one: the same checkpoint goes on.
mkdir "$work/in"
cp examples/mobile/input/file1.json "$work/in"
touch -d '2020-01-01 00:00:01' "$work/in/file1.json"
cp examples/mobile/input/file2.json "$work/in"
touch -d '2020-01-01 00:00:02' "$work/in/file2.json"
cp examples/mobile/input/file3.json "$work/in"
touch -d '2020-01-01 00:00:03' "$work/in/file3.json"
cat >"$work/stream.sql" <<SQL
CREATE TABLE mobile (id STRING, action STRING, ts TIMESTAMP) USING json OPTIONS (path '$work/in');
CREATE STREAMING QUERY counts OUTPUT MODE complete TRIGGER AVAILABLE NOW CHECKPOINT LOCATION '$work/cp' INTO console
AS SELECT action, count(*) AS count FROM STREAM mobile GROUP BY action;
SQL
check newaction_before.out run "$work/stream.sql"
cp examples/mobile/newaction.json "$work/in"
touch -d '2020-01-01 00:00:04' "$work/in/newaction.json"
check newaction_after.out run "$work/stream.sql"

# As a batch the new actions are rows like any other.
cat >"$work/batch.sql" <<SQL
CREATE TABLE mobile USING json OPTIONS (path '$work/in');
SELECT action, count(*) FROM mobile GROUP BY action;
SQL
check newaction_batch.out sql -f "$work/batch.sql"
