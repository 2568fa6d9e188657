#!/bin/bash
# `step-down`: the present leader hands over, without overlap.
. "$(dirname "$0")/lib.sh"
zk_start zk
T2=(--zookeeper-session-timeout=2s --restart-delay=0s)
step_down() { # OPTION...: output in $T/said, status in STATUS
    timeout 60 "$BALLOT" step-down --zookeeper-servers="$(servers "$SERVER")" --zookeeper-base-path="$BASE" "$@" >"${SAID:=$T/said}" 2>"$SAID.err"
    STATUS=$?
}
cannot() { # TEXT DESCRIPTION OPTION...
    step_down "${@:3}"
    is "$STATUS" 125 "$2: 125"
    check "... which is said" grep -q -- "$1" "$T/said.err" || cat "$T/said.err"
}

# --- nobody to ask, nobody to follow

cannot "no candidate leads $BASE" "no base node"
zk create /ballot "" >/dev/null
zk create $BASE "" >/dev/null
cannot "no candidate leads $BASE" "an empty base"
candidate a "${T2[@]}" --on-child-error=exit --on-child-success=exit -- "$JOB" "$JOBS" -1
within 10 started_least 1
command=$(last_pid)
cannot "no other candidate stands in $BASE: a (" "no other candidate stands"
check "... the leader is not asked, its command undisturbed" alive "$command"

# --- a handover

candidate b "${T2[@]}" --on-child-error=exit --on-child-success=exit -- "$JOB" "$JOBS" -1
within 10 proposals_are 2
step_down
is "$STATUS" 0 "another stands: 0"
check "... says who leads now, and after whom" grep -qE "^b \(.*, pid ${PID[b]}, proposal-[0-9]+\) leads $BASE now, after a \(.*, pid ${PID[a]}, " "$T/said"
is "$(wc -c <"$T/said.err")" 0 "... and nothing else"
check "... the old command is dead" dead "$command"
check "... the new one runs" within 5 started_least 2
check "... the old leader stands again, at the end: no policy applies" within 5 proposals_are 2
check "... and says why" logged a "asked to step down"
for i in 1 2 3 4; do
    step_down
    is "$STATUS" 0 "back and forth, $i"
    within 5 proposals_are 2
    within 5 started_least $((i + 2)) # asked sooner, the next one would hand over before it starts anything
done
check "... six starts" started_least 6
is "$(overlaps)" 0 "... without overlap"
check "... with growing fencing tokens" tokens_grow
check "... both are alive" eval "alive ${PID[a]} && alive ${PID[b]}"
stop a b

# --- restart-delay does not double: the third stand is not later than the first

fresh
for c in a b; do candidate $c --zookeeper-session-timeout=2s --restart-delay=100ms --on-child-error=exit -- "$JOB" "$JOBS" -1; done
within 10 started_least 1
within 10 proposals_are 2
slowest=0
for _ in $(seq 12); do # it would have doubled to 3.2 s
    step_down
    at=$(now)
    within 5 proposals_are 2
    took=$(ms_since "$at")
    [ "$took" -gt "$slowest" ] && slowest=$took
done
below "$slowest" 1000 "after twelve step-downs in a row the old leader stands again within the same delay, in ms"
stop a b

# --- a command that ignores SIGTERM

fresh
for c in a b; do candidate $c "${T2[@]}" --stop-timeout=1s -- "$JOB" "$JOBS" -1 ignore-term fork; done
within 10 started_least 1
within 10 proposals_are 2
command=$(last_pid)
at=$(now)
step_down
took=$(ms_since "$at")
is "$STATUS" 0 "a command that ignores SIGTERM"
check "... is killed after stop-timeout, 1 s: handed over after $took ms" test "$took" -ge 1000 -a "$took" -le 4000
within 5 started_least 2
is "$(overlaps)" 0 "... without overlap, its children included"
at=$(now)
cannot "has not handed over within 300ms: its command may still be ending; it stays asked" "not within --timeout" --timeout=300ms
below "$(ms_since "$at")" 1000 "... after that time, in ms"
step_down
is "$STATUS" 0 "a second request waits for the same handover"
within 5 started_least 3
is "$(overlaps)" 0 "... without overlap"
stop a b

# --- before the command runs: a leader at rest, the moment after the claim

fresh
rm "$T/a.log"
candidate a "${T2[@]}" --on-child-success=rerun -- true
within 10 logged a "status 0" 2>/dev/null
candidate b "${T2[@]}" -- sleep 1000
within 10 proposals_are 2
step_down
is "$STATUS" 0 "a leader whose command comes and goes"
check "... has handed over" leader_is b
stop a b
rm "$T/a.log"
candidate a --zookeeper-session-timeout=2s --restart-delay=60s --on-child-success=rerun -- true
within 10 logged a "status 0" 2>/dev/null
candidate b "${T2[@]}" -- sleep 1000
within 10 proposals_are 2
step_down
is "$STATUS" 0 "a leader that waits for restart-delay"
check "... has handed over" leader_is b
stop a b

# --- stop mode; several at once; three in a row

fresh
for c in a b c; do candidate $c "${T2[@]}" --on-disconnect=stop -- "$JOB" "$JOBS" -1; done
within 10 started_least 1
within 10 proposals_are 3
for i in 1 2 3; do
    (trap - EXIT; SAID=$T/said$i; step_down; exit "$STATUS") &
    PID[down$i]=$!
done
done=0
for i in 1 2 3; do
    wait "${PID[down$i]}" && done=$((done + 1))
    unset "PID[down$i]"
    check "three at once, $i: handed over, or nobody led just then" eval "grep -q ' leads $BASE now' $T/said$i || grep -q 'no candidate leads' $T/said$i.err" || cat "$T/said$i.err"
done
check "... one of them at least" test $done -ge 1
check "... all stand" within 5 proposals_are 3
is "$(overlaps)" 0 "... without overlap"
check "... not more starts than requests" eval "[ $(started) -le 4 ]"
stop a b c

# --- a leader that is cut off

proxy_start
fresh
SERVER=proxy candidate a --zookeeper-session-timeout=4s --restart-delay=0s --on-disconnect=stop -- "$JOB" "$JOBS" -1
within 10 started_least 1
candidate b --zookeeper-session-timeout=4s --restart-delay=0s --on-disconnect=stop -- "$JOB" "$JOBS" -1
within 10 proposals_are 2
mode cut
within 5 logged a "lost contact"
cannot "has not handed over within 500ms" "a leader that is cut off" --timeout=500ms
step_down
is "$STATUS" 0 "... with patience, another has taken over"
check "... b" grep -q '^b (.* leads .* now, after a (' "$T/said"
within 10 started_least 2
is "$(overlaps)" 0 "... without overlap"
mode pass
within 10 proposals_are 2
stop a b
fresh
rm -f "$T"/[ab].log
SERVER=proxy candidate a --zookeeper-session-timeout=4s --restart-delay=0s -- "$JOB" "$JOBS" -1
within 10 started_least 1
candidate b --zookeeper-session-timeout=4s --restart-delay=0s -- "$JOB" "$JOBS" -1
within 10 proposals_are 2
mode cut
within 5 logged a "lost contact"
step_down --timeout=100ms
mode pass
check "keep, cut off when asked: back in contact it hands over" within 10 started_least 2
is "$(overlaps)" 0 "... without overlap"
stop a b

# --- a leader that is gone; one that is a Go ballot

"$ZK" "$(servers zk)" ephemeral $BASE/proposal-0000009999 '{"candidateId":"waiting"}' >/dev/null &
PID[waiting]=$!
within 5 proposals_are 1
zk set $BASE '{"candidateId":"old","hostname":"h","pid":"7","proposalNode":"'$BASE'/proposal-0000000001"}' >/dev/null
cannot "old (h, pid 7, proposal-0000000001) is gone or cut off, and no candidate has taken over within 1s" "a leader whose proposal is gone" --timeout=1s
check "... said at once" grep -q "cannot be asked: its proposal is gone; waiting" "$T/said.err"
"$ZK" "$(servers zk)" ephemeral $BASE/proposal-0000000001 '{"candidateId":"go","hostname":"h","pid":"7"}' >/dev/null &
PID[go]=$!
within 5 proposals_are 2
zk set $BASE '{"candidateId":"go","hostname":"h","pid":"7","proposalNode":"'$BASE'/proposal-0000000001"}' >/dev/null
cannot "go (h, pid 7, proposal-0000000001) cannot be asked: .* it is a Go ballot" "a Go ballot's leader"
is "$(zk get $BASE/proposal-0000000001)" '{"candidateId":"go","hostname":"h","pid":"7"}' "... whose node is not touched"
SERVER=nobody PORT[nobody]=$(port_choose)
at=$(now)
cannot "no answer from ZooKeeper at 127.0.0.1:${PORT[nobody]} within 1s" "no server" --timeout=1s
below "$(ms_since "$at")" 2500 "... after the timeout of 1 s, in ms"

# --- a command that has ended by itself is not run again because of what comes then

fresh
SERVER=zk
BASE=/itself
candidate a "${T2[@]}" --stop-timeout=3s --on-child-success=exit --on-child-error=exit -- \
    sh -c '"$0" "$1" -1 ignore-term & echo $$ >"$1/pid"; until [ -e "$1/go" ]; do sleep 0.02; done' "$JOB" "$JOBS"
within 10 ready
# shellcheck disable=SC2034 # used below
left=$(last_pid)
candidate b "${T2[@]}" -- "$JOB" "$JOBS" -1
within 10 proposals_are 2
: >"$JOBS/go"
check "a command has ended, but not a child that it left" eval 'within 3 dead "$(cat "$JOBS/pid")" && alive "$left"'
step_down
ended a
is "$STATUS" 0 "... the leader is asked to step down meanwhile: the policy applies"
check "... and another leads" within 5 leader_is b
stop b

fresh
BASE=/itself/again
candidate a "${T2[@]}" --stop-timeout=60s --on-child-success=exit --on-child-error=exit -- \
    sh -c '"$0" "$1" -1 ignore-term & echo $$ >"$1/pid"; until [ -e "$1/go" ]; do sleep 0.02; done' "$JOB" "$JOBS"
within 10 ready
guard=$(guard_of a)
candidate b "${T2[@]}" -- sleep 1000
within 10 proposals_are 2
: >"$JOBS/go"
within 3 dead "$(cat "$JOBS/pid")"
step_down &
check "another has ended by itself; its leader is asked to step down" within 5 eval '[ $(grep -c "asked to step down" "$T/a.log") = 2 ]'
kill -KILL "$guard"
ended a
is "$STATUS" 0 "... and its guard is killed: the policy applies all the same"
wait $!
stop b
