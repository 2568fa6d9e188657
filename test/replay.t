#!/bin/bash
# What `watch` has told, replayed, is the state that `info` shows, whatever happens to the
# election and to the watcher. SEED and ACTIONS say which random actions, and how many.
. "$(dirname "$0")/lib.sh"
seed=${SEED:-$(($(now) / 1000 % 1000000))} actions=${ACTIONS:-${SOAK:+200}}
RANDOM=$seed
zk_start zk
proxy_start
names=() number=0
signal_all() { # SIGNAL: to all candidates
    local name
    for name in "${names[@]}"; do kill "-$1" "${PID[$name]}"; done
}
join() {
    names+=("c$((++number))")
    candidate "c$number" --zookeeper-session-timeout=1s --restart-delay=0s -- sleep 1000
}
wipe() { # base and proposals are deleted, and made again once a candidate stands
    local node
    signal_all STOP
    for node in $(zk ls "$BASE"); do zk rm "$BASE/$node"; done
    zk rm "$BASE"
    signal_all CONT
}
action() { # KIND: what does not apply is refused, or does nothing
    local name=${names[RANDOM % ${#names[@]}]} node=$((RANDOM % 5 + 1)) # in no subshell, which has its own RANDOM
    case $1 in
    join) if [ ${#names[@]} -lt 5 ]; then join; else kill -TERM "${PID[$name]}"; fi ;;
    leave) kill -TERM "${PID[$name]}" ;;
    kill-candidate) kill -KILL "${PID[$name]}" ;;
    kill-both) kill -KILL "$(guard_of "$name")" "${PID[$name]}" ;;
    step-down) timeout 10 "$BALLOT" step-down --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" & ;;
    wipe) wipe ;;
    overwrite) zk set "$BASE" overwritten ;;
    empty) zk set "$BASE" '' ;;
    revoke) zk rm "$BASE/$(zk ls "$BASE" | grep ^proposal- | sed -n "${node}p")" ;;
    stop-watcher) kill -STOP "${PID[w]}" ;;
    go-on) kill -CONT "${PID[w]}" ;;
    cut) mode cut ;;
    pass) mode pass ;;
    pause) pause "0.$((RANDOM % 10))" ;;
    led) within 3 prints_like '^leader /' truth ;;
    esac >/dev/null 2>&1
}
kinds=(join join leave kill-candidate kill-both step-down wipe wipe wipe overwrite empty revoke stop-watcher go-on cut
    cut pass led led led pause)
survivors() { # as names: those that live; at least one
    local name all=("${names[@]}")
    names=()
    for name in "${all[@]}"; do ! alive "${PID[$name]}" || names+=("$name"); done
    [ ${#names[@]} != 0 ] || join
}
led_and_true() { survivors; true_in_the_end && grep -q '^leader /' "$T/seen"; }
rest() { # a candidate leads, and the watcher, which is in contact again, agrees with info
    kill -CONT "${PID[w]}"
    mode pass
    within 20 led_and_true
}

describe "Random actions with seed $seed: at each rest the lines of watch, replayed, are the state that info shows"
join
SERVER=proxy watcher w -o json --zookeeper-session-timeout=1s
for ((i = 1; i <= ${actions:-20}; i++)); do
    kind=${kinds[RANDOM % ${#kinds[@]}]}
    action "$kind"
    did+=" $kind"
    survivors
    [ $((i % 5)) != 0 ] || rest || break
done
check "$((i - 1)) actions, and a rest behind each five" rest || {
    believe
    truth
    complain "SEED=$seed, the last actions:$did"
}
check "... and no line contradicts another" consistent || cat "$T/err"
note "$(grep -c . "$T/w.out") lines, $(grep -c '"elected"' "$T/w.out") elections"
kill -TERM "${PID[w]}"
ended w
is "$STATUS" 0 "the watcher ends with 0"
stop "${names[@]}"
