#!/bin/bash
# sluice test: the examples of its page run; what fails says where and why; --update; exit codes.
set -eu
sluice=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

fail() { echo "FAILED: $*"; exit 1; }

# 1. every ```stest block of docs/stest.md, and the example of --help
awk -v n=0 '/^```stest$/ { n++; on = 1; next } /^```$/ { on = 0 } on { print > ("doc" n ".stest") }' "$root/docs/stest.md"
[ "$(ls doc*.stest | wc -l)" -ge 5 ] || fail "docs/stest.md has lost its examples"
"$sluice" test doc*.stest >out || { cat out; fail "an example of docs/stest.md does not pass"; }
"$sluice" test --restart-every-batch doc1.stest doc3.stest doc4.stest >out || { cat out; fail "examples replayed"; }
"$sluice" test --help | sed -n '/^  input/,/^docs/p' | sed '$d; s/^  //' >help.stest
"$sluice" test help.stest >out || { cat out; fail "the example of --help does not pass"; }

# 2. a wrong expectation: exit 1, the line, a diff; --update repairs it and keeps comments
cat >wrong.stest <<'END'
-- a comment that stays
input t (id STRING, n INT)

CREATE STREAMING QUERY q OUTPUT MODE append INTO test AS SELECT id, n FROM STREAM t;

feed t
a | 1
long name | 22
" b" | NULL

-- the middle one is wrong
expect q
a | 1
x | 22
" b" | NULL

SELECT n FROM t ORDER BY n;
expect
-- and there is nothing here

progress q numInputRows=7
SELECT x FROM t;
error NO_SUCH_CLASS
END
if "$sluice" test wrong.stest >out; then fail "a wrong expectation passes"; fi
grep -q '^not ok 1 - wrong.stest$' out || { cat out; fail "no 'not ok'"; }
grep -q '^# wrong.stest:12: query q, 1 batch: other rows than expected' out || { cat out; fail "line of rows"; }
grep -q '^#   - x | 22$' out || { cat out; fail "expected row of the diff"; }
grep -q '^#   + long name | 22$' out || { cat out; fail "actual row of the diff"; }
grep -q '^# wrong.stest:21: query q, batch 0: numInputRows is 3, not 7$' out || { cat out; fail "a figure"; }
"$sluice" test --update wrong.stest >out || { cat out; fail "--update"; }
"$sluice" test wrong.stest >out || { cat out; cat wrong.stest; fail "not right after --update"; }
cat >right <<'END'
-- a comment that stays
input t (id STRING, n INT)

CREATE STREAMING QUERY q OUTPUT MODE append INTO test AS SELECT id, n FROM STREAM t;

feed t
a | 1
long name | 22
" b" | NULL

-- the middle one is wrong
expect q
a         | 1
long name | 22
" b"      | NULL

SELECT n FROM t ORDER BY n;
expect
NULL
1
22
-- and there is nothing here

progress q numInputRows=3
SELECT x FROM t;
error UNRESOLVED_COLUMN.WITH_SUGGESTION
END
diff right wrong.stest || fail "--update wrote something else"
cp wrong.stest before
"$sluice" test --update wrong.stest >out
cmp before wrong.stest || fail "--update changed a file that was right"

# 3. what --update cannot mend stays a failure
printf 'input t (id INT)\n\nSELECT id FROM t;\nexpect\n1\n\nSELECT nope FROM t;\n' >both.stest
if "$sluice" test --update both.stest >out; then fail "--update hides a statement that fails"; fi
grep -q 'the statement fails' out || { cat out; fail "--update does not tell"; }
grep -q '^expect nothing$' both.stest || { cat both.stest; fail "--update of the rest"; }

# 4. an error nobody expected is told with its place in the file
printf 'input t (id INT)\n\nSELECT id,\n  nope\nFROM t;\n' >error.stest
if "$sluice" test error.stest >out; then fail "an error passes"; fi
grep -q '^# error.stest:4: the statement fails: \[UNRESOLVED_COLUMN' out || { cat out; fail "place of an error"; }

# 5. rows nobody looked at, a query that failed unseen
printf 'input t (id INT)\nCREATE STREAMING QUERY q OUTPUT MODE append INTO test AS SELECT id FROM STREAM t;\nfeed t\n1\n' >unseen.stest
if "$sluice" test unseen.stest >out; then fail "unseen rows pass"; fi
grep -q 'wrote rows that nobody expected' out || { cat out; fail "unseen rows"; }
printf 'input t (id INT)\nCREATE STREAMING QUERY q OUTPUT MODE append INTO test AS SELECT 1 / id AS x FROM STREAM t;\nfeed t\n0\n' >failed.stest
if "$sluice" test failed.stest >out; then fail "a failed query passes"; fi
grep -q 'query q failed: \[DIVIDE_BY_ZERO\]' out || { cat out; fail "a failed query"; }

# 6. on processes: the examples of the page pass, or are skipped for the clock; what is wrong fails; restarts and
# crashes are real, and a death that nobody asked for is told
on_cluster() { "$sluice" test --master 'local-cluster[2,1]' "$@"; }
on_cluster doc*.stest >out || { cat out; fail "examples on processes"; }
grep -q '^ok 2 - doc2.stest # SKIP moves processing time$' out || { cat out; fail "the clock is not moved"; }
[ "$(grep -c SKIP out)" = 1 ] || { cat out; fail "skipped without need"; }
sed -i 's/^long name | 22$/long name | 23/' right
if on_cluster right unseen.stest failed.stest error.stest >out; then fail "wrong expectations pass on processes"; fi
[ "$(grep -c '^not ok' out)" = 4 ] || { cat out; fail "wrong expectations on processes"; }
grep -q '^#   + 23$' out && grep -q 'wrote rows that nobody expected' out &&
    grep -q 'query q failed: \[DIVIDE_BY_ZERO\]' out && grep -q '^# error.stest:4: the statement fails' out ||
    { cat out; fail "what is told on processes"; }
cat >lives.stest <<'END'
file /in/a.json
{"id": 1}

CREATE TABLE t (id INT) USING json OPTIONS (path '/in');
CREATE STREAMING QUERY q OUTPUT MODE append CHECKPOINT LOCATION '/cp' INTO test AS SELECT id FROM STREAM t;

expect q
batch 0
1

restart

crash at driver.commit

file /in/b.json
{"id": 2}

expect q
batch 1
2

crash at worker.done.before

file /in/c.json
{"id": 3}

expect q
batch 2
3

progress q sources.0.description=FileStreamSource[file:/in]
END
on_cluster lives.stest >out || { cat out; fail "restart and crashes on processes"; }
printf '\ncrash at driver.publish:9\n\nrun\n' >>lives.stest
if on_cluster lives.stest >out; then fail "a failpoint that nobody passes"; fi
grep -q 'the failpoint driver.publish was never passed' out || { cat out; fail "an armed failpoint"; }
if SLUICE_FAILPOINT=driver.commit:2 TMPDIR=$dir on_cluster doc1.stest >out; then fail "a death nobody asked for"; fi
grep -q '^# .*the driver died of signal 9; the log of all processes is' out || { cat out; fail "an unasked death"; }
[ -s "$dir"/sluice-test-*/log ] || fail "the log of an unasked death"

# 7. usage: exit 2
expect2() { local code=0; "$sluice" test "$@" >out 2>&1 || code=$?; [ $code = 2 ] || { cat out; fail "exit $code of test $*"; }; }
expect2
expect2 absent.stest
expect2 --nope wrong.stest
expect2 --partitions 0 wrong.stest
expect2 --update --partitions 2 wrong.stest
expect2 --update --master 'local-cluster[2,1]' wrong.stest
expect2 --master 'local[2]' wrong.stest
expect2 --master 'local-cluster[2]' wrong.stest
expect2 --master 'local-cluster[2,1]' --workers 2 wrong.stest
printf 'exepct q\n1\n' >typo.stest
expect2 typo.stest
grep -q 'typo.stest:1: unknown directive; did you mean `expect`?' out || { cat out; fail "a misspelt directive"; }
printf 'SELECT 1\n' >open.stest
expect2 open.stest
echo ok
