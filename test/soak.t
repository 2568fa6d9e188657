#!/bin/bash
# Chaos: five candidates with on-disconnect=stop, one fault after the other, and
# never two commands at a time. SECONDS_OF_CHAOS says how long.
. "$(dirname "$0")/lib.sh"
seconds=${SECONDS_OF_CHAOS:-90}
zk_start zk
names=(a b c d e)
launch() {
    candidate "$1" --zookeeper-session-timeout=2s --on-disconnect=stop --stop-timeout=200ms --restart-delay=0s \
        --log-level=warn -- "$JOB" "$JOBS" $((RANDOM % 400 + 50)) fork daemon
}
# Where candidate and guard die together, no process is left to end the command's
# children: a container or a systemd unit does it, and here this.
tree() { # PID...: these and all below them, stopped, so that they start no more
    local pid
    for pid; do
        # shellcheck disable=SC2046
        kill -STOP "$pid" && echo "$pid" && tree $(cat "/proc/$pid/task/$pid/children")
    done 2>/dev/null
}
kill_both() { # PID of a candidate; its guard is below it, as are a dead guard's orphans
    local all='' before=none
    while [ "$all" != "$before" ]; do
        before=$all
        all=$(tree "$1")
    done
    # shellcheck disable=SC2086
    kill -KILL $all
}
launch_all() { for n in "${names[@]}"; do alive "${PID[$n]:-1000000}" || launch "$n"; done; }
a_while() { pause "$((RANDOM % 3)).$((RANDOM % 10))"; }
victim() { echo "${names[RANDOM % ${#names[@]}]}"; }
declare -A count
fault() {
    local kind=$1 n pid
    count[$kind]=$((${count[$kind]:-0} + 1))
    n=$(victim)
    pid=${PID[$n]}
    case $kind in
    kill-candidate)
        if guard_of "$n" >/dev/null; then kill -KILL "$pid"; else kill_both "$pid"; fi # its guard died a moment ago
        ;;
    kill-guard) kill -KILL "$(guard_of "$n")" ;;
    kill-both) kill_both "$pid" ;;
    freeze-candidate) kill -STOP "$pid" && a_while && kill -CONT "$pid" ;;
    freeze-guard) pid=$(guard_of "$n") && kill -STOP "$pid" && a_while && kill -CONT "$pid" ;;
    freeze-server) kill -STOP "${PID[zk]}" && a_while && kill -CONT "${PID[zk]}" ;;
    kill-server) zk_kill zk; a_while; zk_restart zk ;;
    delete-proposal) zk rm "$BASE/$(zk ls "$BASE" | grep ^proposal- | sort | head -n 1)" ;;
    end-candidate) kill -TERM "$pid" ;;
    esac 2>/dev/null
}
kinds=(kill-candidate kill-guard kill-both freeze-candidate freeze-guard freeze-server kill-server
    delete-proposal end-candidate)

describe "Whatever fails, one after the other: no two commands run at a time, and the election goes on"
launch_all
within 10 started_least 1
end=$(($(now) + seconds * 1000000000))
while [ "$(now)" -lt "$end" ]; do
    fault "${kinds[RANDOM % ${#kinds[@]}]}"
    a_while
    launch_all
done
for k in "${kinds[@]}"; do note "$k: ${count[$k]:-0}"; done
n=$(started)
check "after $seconds s of faults and $n runs the election goes on" within 20 started_least $((n + 5))
is "$(overlaps)" 0 "no two commands, nor their children, ran at a time"
check "the fencing tokens grew" tokens_grow
stop "${names[@]}"
check "all of it has ended" lock_free
check "no proposal is left behind" within 6 proposals_are 0

describe "valgrind finds nothing in the main path, the guard included"
valgrind -q --leak-check=full --show-leak-kinds=definite --error-exitcode=99 --trace-children=no \
    "$BALLOT" run once --debug --candidate-id=v --zookeeper-servers="$(servers zk)" --on-child-success=exit -- \
    sh -c 'echo out; echo err >&2' >"$T/v.out" 2>"$T/v.log"
is $? 0 "a run"
check "... which did run" grep -q '\] out' "$T/v.out"
