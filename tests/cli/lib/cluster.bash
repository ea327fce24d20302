# A cluster of real processes for tests: start, kill, wait. Source it after setting `sluice`; it makes the directory
# `work` and removes it at the end. Every process started is in `pids` and ended by cluster_end; waits are bounded.
declare -A pids=()
work=$(mktemp -d)
trap 'cluster_end; rm -rf "$work"' EXIT
port_file=$work/driver.address

start_driver() { # name, then NAME=VALUE of the environment
    local name=$1
    shift
    env "$@" "$sluice" driver --bind "${bind:-ipc://$work/d.ipc}" --dir "$work/driver" \
        --conf sluice.worker.deadAfter="${dead_after:-5 s}" --conf sluice.worker.suspectAfter="${suspect_after:-2 s}" \
        >>"$work/$name.log" 2>&1 &
    pids[$name]=$!
}

start_worker() { # name, then NAME=VALUE of the environment
    local name=$1
    shift
    env "$@" "$sluice" worker --driver "${bind:-ipc://$work/d.ipc}" --slots "${slots:-1}" --dir "$work/w" \
        --conf sluice.worker.fenceAfter="${fence_after:-4 s}" >>"$work/$name.log" 2>&1 &
    pids[$name]=$!
}

kill_hard() { # name
    kill -9 "${pids[$1]}" 2>/dev/null
    { wait "${pids[$1]}"; } 2>/dev/null # the shell's own notice too
    unset "pids[$1]"
}

is_dead() { ! kill -0 "${pids[$1]}" 2>/dev/null; }

wait_for_file() { # file, text, seconds
    for _ in $(seq $(($3 * 20))); do
        grep -q -- "$2" "$1" 2>/dev/null && return 0
        sleep 0.05
    done
    echo "waited $3 s for '$2' in $1:"
    tail -n 20 "$1" 2>/dev/null
    return 1
}

wait_for_end() { # pid, seconds
    for _ in $(seq $(($2 * 20))); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.05
    done
    return 1
}

cluster_end() {
    local name
    for name in "${!pids[@]}"; do
        kill -CONT "${pids[$name]}" 2>/dev/null
        kill -TERM "${pids[$name]}" 2>/dev/null
    done
    for name in "${!pids[@]}"; do
        wait_for_end "${pids[$name]}" 10 || kill -9 "${pids[$name]}" 2>/dev/null
    done
    pids=()
}

show_logs() {
    local log
    for log in "$work"/*.log; do
        echo "== ${log##*/}"
        tail -n 15 "$log" | cut -c1-400
    done
}

fail() { # what
    echo "$1"
    show_logs
    exit 1
}
