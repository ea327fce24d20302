# The input and the query of the tests that kill processes: counts by minute and id, written to files, each row
# once. Source it after setting `sluice` and `work`.

make_input() { # six files of 16 rows in $work/in
    mkdir "$work/in"
    local i k
    for i in 1 2 3 4 5 6; do
        for k in 0 1 2 3 4 5 6 7; do
            echo "{\"id\":\"p$k\",\"ts\":\"2020-01-01T00:0$i:0$k\"}"
            echo "{\"id\":\"p$k\",\"ts\":\"2020-01-01T00:0$i:1$k\"}"
        done >"$work/in/f$i.json"
    done
}

window_counts() { # directory of checkpoint and output; prints the script
    cat <<SQL
CREATE TABLE t (id STRING, ts TIMESTAMP) USING json OPTIONS (path '$work/in', maxFilesPerTrigger 1);
CREATE STREAMING QUERY q OUTPUT MODE append TRIGGER AVAILABLE NOW
  CHECKPOINT LOCATION '$1/cp' INTO json OPTIONS (path '$1/out')
AS SELECT window(ts, '1 minute') AS w, id, count(*) AS n
   FROM STREAM t WATERMARK ts DELAY OF INTERVAL 10 SECONDS GROUP BY window(ts, '1 minute'), id;
SQL
}

# What an undisturbed run writes, sorted, as $work/expected.
make_expected() {
    window_counts "$work/clean" >"$work/clean.sql"
    "$sluice" run "$work/clean.sql" || exit 1
    sort "$work/clean/out/"*.json >"$work/expected"
    [ "$(wc -l <"$work/expected")" -eq 40 ] || {
        echo "the clean run wrote $(wc -l <"$work/expected") rows, not 40"
        exit 1
    }
}
