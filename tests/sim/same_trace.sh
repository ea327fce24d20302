#!/usr/bin/env bash
# A seed is a schedule: in another process, at other addresses, every event happens at the same virtual time.
set -eu
simulate=$1
traces() {
    "$simulate" --trace 1 60 2>/dev/null | grep -E '^[0-9]+ [0-9a-f]{16}$'
}
first=$(traces) again=$(traces)
[ "$(cut -d' ' -f2 <<<"$first" | sort -u | wc -l)" -eq 60 ] || {
    echo "not 60 different traces: $first"
    exit 1
}
diff <(echo "$first") <(echo "$again") || {
    echo "the same seed gave another trace"
    exit 1
}
