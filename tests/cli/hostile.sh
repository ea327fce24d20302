#!/usr/bin/env bash
# What nobody should type, store or do to files: each a clear error with its place and the right exit
# code, nothing lost, no crash.  All output is compared with expected/hostile.out;
# SLUICE_REFRESH=1 tests/cli/hostile.sh build/release/sluice writes it anew (read the diff).
set -u
sluice=$(readlink -f "$1")
cd "$(dirname "$0")"
expected=$PWD/expected/hostile.out
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
log=$work.log
order=cat
: >"$log"
try() { # title, arguments...
    local title=$1
    shift
    timeout 60 "$sluice" "$@" >one 2>&1 </dev/null
    local code=$?
    { # what is not text becomes ?, paths of this run become WORK, long lines are cut
        echo "## $title"
        LC_ALL=C tr -c '\11\12\40-\176' '?' <one | sed -E "s|$work|WORK|g; s/(runId = )[0-9a-f-]+/\1RUN/" |
            cut -c1-500 | head -n 40 | $order
        echo "exit $code"
        echo
    } >>"$log"
}
sql() { try "$1" sql -e "$2"; }
file() { # title; the text is in q.sql
    try "$1" run q.sql
}
repeat() { printf "%0$2d" 0 | sed "s/0/$1/g"; } # text, count

# ---- text that is no SQL ----
: >q.sql
file "an empty file"
printf '\n  -- only a comment\n ; ;;' >q.sql
file "a file without a statement"
try "a directory as file" run .
try "a file that is not there" run nowhere.sql
printf 'SELECT 1\0 + 1' >q.sql
file "a NUL byte"
printf 'SELECT `a\0b` FROM t' >q.sql
file "a NUL byte in a name"
printf "SELECT 1 AS one;\nSELECT 'a\377b'" >q.sql
file "bytes that are not UTF-8 in a string"
printf 'SELECT \303' >q.sql
file "half a character"
head -c 20000 /dev/zero | tr '\0' '\377' >q.sql
file "20000 bytes of 0xff"
printf "SELECT 'never closed\nFROM t" >q.sql
file "an open string"
printf 'SELECT 1 /* never closed' >q.sql
file "an open comment"
printf 'SELECT 1 +\n\n\tFROM t' >q.sql
file "a place on the third line"
sql "a keyword misspelt" "SELCT 1"
sql "nothing behind WHERE" "SELECT 1 WHERE"

# ---- too much of it ----
echo "SELECT $(repeat '(' 1000)1$(repeat ')' 1000)" >q.sql
file "1000 nested parentheses"
echo "SELECT $(repeat '(' 200)1$(repeat ')' 200) AS deep" >q.sql
file "200 nested parentheses"
echo "SELECT $(repeat 'NOT ' 2000)true" >q.sql
file "2000 NOTs"
echo "SELECT $(repeat '- ' 2000)1" >q.sql
file "2000 minus signs"
echo "SELECT 1$(repeat ' + 1' 3000) AS sum" >q.sql
file "3000 additions"
echo "SELECT $(repeat 'upper(' 600)'x'$(repeat ')' 600)" >q.sql
file "600 nested calls"
echo "SELECT CASE$(repeat ' WHEN false THEN 1' 2000) ELSE 2 END AS branch" >q.sql
file "a CASE of 2000 branches"
python3 -c 'print("SELECT " + ", ".join(f"{i} AS c{i}" for i in range(1000)))' >q.sql
"$sluice" sql --json -f q.sql >one 2>&1
{ echo "## 1000 columns"; grep -o '"rows": \[\[0, 1, 2,' one; grep -o '998, 999\]\]' one; echo; } >>"$log"
python3 -c 'print("SELECT " + ", ".join(f"{i} AS c{i}" for i in range(5000)))' >q.sql
file "5000 columns"
echo "SELECT $(repeat x 255) FROM (VALUES (1)) t($(repeat x 255))" >q.sql
"$sluice" sql --json -f q.sql 2>&1 | grep -c '"rows": \[\[1\]\]' | sed 's/^/## a name of 255 bytes: rows /' >>"$log"
echo "SELECT $(repeat x 256) FROM (VALUES (1)) t(a)" >q.sql
file "a name of 256 bytes"
echo "SELECT \`$(repeat x 100000)\` FROM (VALUES (1)) t(a)" >q.sql
file "a name of 100000 bytes"
python3 -c "print(\"SELECT length('\" + 'x' * 3000000 + \"') AS n\")" >q.sql
file "a string of 3 MB in the text"
python3 -c "print(\"SELECT '\" + 'x' * 5000000 + \"'\")" >q.sql
file "a text of 5 MB"

# ---- numbers ----
sql "an integer past 64 bits" "SELECT 99999999999999999999999999"
sql "a double past its range" "SELECT 1e400"
sql "a number with letters" "SELECT 12abc"
sql "overflow" "SELECT 9223372036854775807 + 1"
sql "the least long by minus one" "SELECT (-9223372036854775807L - 1L) div -1L"
sql "a modulus of zero" "SELECT 5 % 0"
sql "a cast that does not hold" "SELECT cast('12x' AS INT)"
sql "a cast past the range" "SELECT cast(3e9 AS INT)"
sql "a huge LIMIT" "SELECT 1 AS one LIMIT 9223372036854775807"
sql "a LIMIT past 64 bits" "SELECT 1 LIMIT 9223372036854775808"
sql "a negative LIMIT" "SELECT 1 LIMIT -1"
sql "a LIMIT that is no number" "SELECT 1 LIMIT 'x'"
sql "a negative window" "SELECT window(ts, '-5 minutes') FROM (VALUES (TIMESTAMP '2020-01-01')) t(ts)"
sql "a window of nothing" "SELECT window(ts, '0 seconds') FROM (VALUES (TIMESTAMP '2020-01-01')) t(ts)"
sql "a slide of a microsecond" "SELECT window(ts, '1 day', '1 microsecond') FROM (VALUES (TIMESTAMP '2020-01-01')) t(ts)"
sql "a window of months" "SELECT window(ts, '1 month') FROM (VALUES (TIMESTAMP '2020-01-01')) t(ts)"
sql "a month that is none" "SELECT DATE '2020-13-01'"
sql "an interval that is none" "SELECT INTERVAL '5 parsecs'"

# ---- names ----
sql "a table" "CREATE TABLE readings (a INT) USING json OPTIONS (path '.'); SELECT * FROM reading"
sql "a column" "SELECT actoin FROM (VALUES (1)) t(action)"
sql "a field" "SELECT p.ab FROM (SELECT named_struct('a', 1, 'abc', 2) AS p) t"
sql "a function" "SELECT uper('x')"
sql "a type" "SELECT cast(1 AS STRNG)"
sql "a type in a table" "CREATE TABLE t (a INTEGR) USING json OPTIONS (path '.')"
sql "a connector" "CREATE TABLE t (a INT) USING jso OPTIONS (path '.')"
sql "an option" "CREATE TABLE t (a INT) USING json OPTIONS (path '.', maxFilesPerTriger 1); SELECT * FROM t"
sql "a value of an option" "CREATE TABLE t (a INT) USING json OPTIONS (path '.', mode 'LENIENT'); SELECT * FROM t"
sql "a setting" "SET sluice.state.partition = 3"
sql "a value of a setting" "SET sluice.state.partitions = many"
sql "too many arguments" "SELECT upper('a', 'b')"
sql "a type that does not fit" "SELECT 1 + true"
sql "one name twice" "SELECT a FROM (VALUES (1, 2)) t(a, a)"
sql "an aggregate in WHERE" "SELECT 1 FROM (VALUES (1)) t(a) WHERE count(*) > 1"
sql "a column that is not grouped" "SELECT a, count(*) FROM (VALUES (1, 2)) t(a, b) GROUP BY b"
echo "SELECT 1" >q.sql
try "a flag" sql --jsn -e "SELECT 1"
try "a flag without its value" run q.sql --master
try "a conf that is none" run q.sql --conf nonsense
try "no executors" run q.sql --master 'local[0]'

# ---- rows ----
mkdir in
printf '{"a":1,"s":"x"}\n{"a":"two","s":"y"}\nnot json\n{"a":3\n{"s":"\377"}\n\n{"a":1e400}\n{"a":99999999999}\n{"a":4,"s":"z"}\n' >in/rows.json
table() { echo "CREATE TABLE t (a INT, s STRING, _corrupt_record STRING) USING json OPTIONS (path 'in', mode '$1');"; }
sql "malformed rows, PERMISSIVE" "$(table PERMISSIVE) SELECT * FROM t"
sql "malformed rows, DROPMALFORMED" "$(table DROPMALFORMED) SELECT * FROM t"
sql "malformed rows, FAILFAST" "$(table FAILFAST) SELECT * FROM t"
sql "malformed rows, counted" "$(table PERMISSIVE) SELECT count(*) AS n FROM t"
sql "malformed rows, counted but dropped" "CREATE TABLE t (a INT) USING json OPTIONS (path 'in', mode 'DROPMALFORMED'); SELECT count(a) AS n FROM t"
rm in/rows.json
python3 -c 'print("{\"a\":1,\"s\":\"" + "x" * (64 << 20) + "\"}\n{\"a\":2,\"s\":\"y\"}")' >in/long.json
sql "a string of 64 MB" "$(table FAILFAST) SELECT a, length(s) AS n, substring(s, 1, 3) AS start FROM t ORDER BY a"
rm in/long.json
python3 - <<'PY'
open("in/deep.json", "w").write('{"a":1,"x":' + "[" * 2000 + "]" * 2000 + '}\n{"a":2}\n')
PY
sql "an array nested 2000 deep" "CREATE TABLE t (a INT) USING json OPTIONS (path 'in'); SELECT * FROM t"
rm in/deep.json
: >in/empty.json
sql "an empty file of rows" "$(table FAILFAST) SELECT * FROM t"
rm in/empty.json
sql "an empty directory" "$(table FAILFAST) SELECT count(*) AS n FROM t"
sql "an empty directory, inferred" "CREATE TABLE t USING json OPTIONS (path 'in'); SELECT * FROM t"
sql "a directory that is not there" "CREATE TABLE t (a INT) USING json OPTIONS (path '$work/no/such'); SELECT * FROM t"
mkfifo in/pipe.json
sql "a pipe among the files" "$(table FAILFAST) SELECT a FROM t"
rm in/pipe.json
echo '{"a":1}' >in/row.json
mkdir in/folder.json in/_hidden
echo '{"a":2}' | tee in/folder.json/x.json in/_hidden/y.json in/.z.json >in/_w.json
sql "folders and hidden files among the files" "$(table FAILFAST) SELECT a FROM t"
rm -r in/row.json in/folder.json in/_hidden in/.z.json in/_w.json

# ---- files that change under a planned batch ----
order="sort" # the query's end and the statement's are told by two threads
export LC_ALL=C
stream() { # directory of the checkpoint and output
    cat >q.sql <<SQL
CREATE TABLE t (a INT, s STRING) USING json OPTIONS (path '$work/in');
CREATE STREAMING QUERY q TRIGGER AVAILABLE NOW CHECKPOINT LOCATION '$work/$1/cp' INTO json OPTIONS (path '$work/$1/out')
AS SELECT a, s FROM STREAM t;
SQL
}
plan_then() { # title, what happens to in/f.json between plan and read, what undoes it
    local dir=${1// /-}
    rm -rf in && mkdir in
    printf '{"a":1,"s":"one"}\n{"a":2,"s":"two"}\n' >in/f.json
    touch -d '2024-01-01 10:00:00' in/f.json
    stream "$dir"
    SLUICE_FAILPOINT=journal.offsets.after:1 "$sluice" run q.sql >/dev/null 2>&1
    [ $? -eq 137 ] || echo "## $1: the failpoint was not reached" >>"$log"
    eval "$2"
    file "$1"
    ls "$dir/out"/*.json >/dev/null 2>&1 && echo "half of it is out" >>"$log"
    eval "$3"
    file "$1, undone"
    { cat "$dir/out"/*.json; echo; } >>"$log" 2>&1
}
plan_then "a file that shrinks" 'cp -p in/f.json kept; truncate -s 18 in/f.json' \
    'cat kept >in/f.json; touch -r kept in/f.json'
plan_then "a file that grows" 'cp -p in/f.json kept; echo "{}" >>in/f.json' \
    'cat kept >in/f.json; touch -r kept in/f.json'
plan_then "a file that vanishes" 'mv in/f.json kept' 'mv kept in/f.json'
plan_then "a file that is replaced" 'mv in/f.json kept; tr 1 7 <kept >in/f.json; touch -r kept in/f.json' \
    'mv kept in/f.json'
plan_then "a file that becomes a directory" 'mv in/f.json kept; mkdir in/f.json' 'rmdir in/f.json; mv kept in/f.json'

if [ -n "${SLUICE_REFRESH:-}" ]; then
    cp "$log" "$expected"
else
    diff "$expected" "$log" || { echo "output differs from $expected"; rm -f "$log"; exit 1; }
fi
rm -f "$log"
