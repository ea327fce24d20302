#!/usr/bin/env bash
# A seed is a schedule: in another process, at other addresses, every event happens at the same virtual time.
set -eu
simulate=$1
traces() { # WORKERS
    "$simulate" --workers "$1" --trace 1 60 2>/dev/null | grep -E '^[0-9]+ [0-9a-f]{16}$'
}
for workers in 0 3; do
    first=$(traces $workers) again=$(traces $workers)
    [ "$(cut -d' ' -f2 <<<"$first" | sort -u | wc -l)" -eq 60 ] || {
        echo "not 60 different traces of $workers workers: $first"
        exit 1
    }
    diff <(echo "$first") <(echo "$again") || {
        echo "the same seed gave another trace, with $workers workers"
        exit 1
    }
done
