#!/usr/bin/env bash
# The main job prints what Spark prints, for any number of executors and partitions.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for master in 'local[1]' 'local[2]' 'local[4]'; do
    for partitions in 1 2 7; do
        "$sluice" run examples/mobile/tutorial.sql --master "$master" \
            --conf sluice.state.partitions=$partitions >"$work/out" 2>"$work/err" || {
            cat "$work/err"
            exit 1
        }
        diff tests/cli/expected/tutorial.out "$work/out" || {
            echo "differs with $master and $partitions partitions"
            exit 1
        }
    done
done
