#!/bin/bash
# `step-down`: the present leader hands over, without overlap.
. "$(dirname "$0")/lib.sh"
zk_start zk
T2=(--zookeeper-session-timeout=2s --restart-delay=0s)
T4=(--zookeeper-session-timeout=4s --restart-delay=0s)
step_down() { # OPTION...: output in $SAID and $SAID.err, status in STATUS
    timeout 60 "$BALLOT" step-down --zookeeper-servers="$(servers "$SERVER")" --zookeeper-base-path="$BASE" "$@" \
        >"${SAID:=$T/said}" 2>"$SAID.err"
    STATUS=$?
}
cannot() { # STATUS TEXT DESCRIPTION OPTION...
    step_down "${@:4}"
    is "$STATUS" "$1" "$3: $1"
    check "... which is said" grep -q -- "$2" "$T/said.err" || cat "$T/said.err"
}
job() { candidate "$1" "${@:2}" -- "$JOB" "$JOBS" -1; } # NAME OPTION...: its command runs until it is stopped

describe "Where no candidate leads, there is nothing to ask"
cannot 3 "no candidate leads $BASE" "no base node"
zk create "$BASE" "" >/dev/null
cannot 3 "no candidate leads $BASE" "an empty base"

describe "Where no other candidate stands, the leader is not asked"
job a "${T2[@]}" --on-child-error=exit --on-child-success=exit
within 10 started_least 1
command=$(last_pid)
cannot 125 "no other candidate stands in $BASE: a (" "no other candidate stands"
check "... its command is undisturbed" alive "$command"

goes_on "Another candidate stands: the leader hands over, and stands again at the end of the queue"
job b "${T2[@]}" --on-child-error=exit --on-child-success=exit
within 10 proposals_are 2
step_down
is "$STATUS" 0 "another stands: 0"
check "it says which candidate leads now, and after which" \
    grep -qE "^b \(.*, pid ${PID[b]}, proposal-[0-9]+\) leads $BASE now, after a \(.*, pid ${PID[a]}, " "$T/said"
is "$(wc -c <"$T/said.err")" 0 "... and nothing else"
check "the old command is dead" dead "$command"
check "the new one runs" within 5 started_least 2
check "the old leader stands again, at the end: no policy applies" within 5 proposals_are 2
check "... and says by whom it was asked" logged a "asked to step down by $(hostname), pid [0-9]*, at 2"

goes_on "step-down -o json prints the line that watch has for it"
step_down -o json
is "$STATUS $(perl -MJSON::PP -0 -ne 'print "@{decode_json($_)}{qw(event candidateId previousId)}"' "$T/said")" \
    "0 elected a b" "elected, and after which candidate"
within 5 proposals_are 2
within 5 started_least 3

goes_on "The leadership goes back and forth, as often as it is asked for"
for i in 1 2 3 4; do
    step_down
    is "$STATUS" 0 "back and forth, $i"
    within 5 proposals_are 2
    within 5 started_least $((i + 3)) # asked sooner, the next one would hand over before it starts anything
done
check "seven starts" started_least 7
"$BALLOT" step-down --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" >/dev/full 2>"$T/err"
is "$? $(cat "$T/err")" "125 ballot: cannot write to stdout: No space left on device" "a full disk is an error"
asked() { zk get "$BASE/requests"; }
acknowledged() {
    zk get "$BASE" | grep -q "\"requests\":\"$(zk stat "$BASE/requests" | grep -o 'mzxid=[0-9]*' | cut -c 7-)\""
}
zk set "$BASE/requests" '{"later" : [{"kind":"}"}],"stepDown":"proposal-0000000000","stepDownBy":"x"}' >/dev/null
step_down
is "$STATUS" 0 "other requests are there"
check "... they stay" prints_like '^\{"later" : \[\{"kind":"}"}],"stepDown":"proposal-0*[1-9]' asked
within 5 proposals_are 2
check "... the next leader's heartbeats say that it acts on them" within 5 acknowledged
for text in 'no JSON' "{\"$(printf '%017000d' 0)\":\"\"}" "{\"$(printf '%016350d' 0)\":\"\"}"; do
    zk set "$BASE/requests" "$text" >/dev/null
    cannot 125 'is too long, or no JSON object; delete that node' "the request does not fit beside ${#text} bytes"
done
proposal_leads() { zk get "$BASE" | grep -o '"proposalNode":"[^"]*"'; }
leader=$(proposal_leads)
zk rm "$BASE/requests"
zk create "$BASE/requests" '{}' >/dev/null
check "the node is made anew: the leader sees it" within 5 acknowledged
zk seal "$BASE/requests"
cannot 125 "to step down is refused: not authenticated (the right to read .*/requests" "no right to read what is asked"
is "$(proposal_leads)" "$leader" "... the same candidate leads on"
zk rm "$BASE/requests"
is "$(overlaps)" 0 "... without overlap"
check "... with growing fencing tokens" tokens_grow
check "... both candidates are alive" all_live a b
stop a b

describe "A leader that could not read what is asked when it claimed reads it once it can"
zk create "$BASE" "" >/dev/null
zk create "$BASE/requests" "{}" >/dev/null
zk seal "$BASE/requests"
job a "${T2[@]}"
check "it leads without" within 10 started_least 1
job b "${T2[@]}"
within 10 proposals_are 2
check "... with a warning" logged a "reading $BASE/requests is refused"
zk rm "$BASE/requests"
step_down --timeout=5s
is "$STATUS" 0 "the node is deleted, and made anew by step-down: the leader sees it"
stop a b

describe "restart-delay does not double with each step-down"
for c in a b; do job $c --zookeeper-session-timeout=2s --restart-delay=100ms --on-child-error=exit; done
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

describe "A command that ignores SIGTERM is killed after stop-timeout, then another candidate leads"
for c in a b; do candidate $c "${T2[@]}" --stop-timeout=1s -- "$JOB" "$JOBS" -1 ignore-term fork; done
within 10 started_least 1
within 10 proposals_are 2
at=$(now)
step_down
took=$(ms_since "$at")
is "$STATUS" 0 "a command that ignores SIGTERM"
check "... is killed after stop-timeout, 1 s: handed over after $took ms" test "$took" -ge 1000 -a "$took" -le 4000
within 5 started_least 2
is "$(overlaps)" 0 "... without overlap, its children included"

goes_on "step-down gives up after --timeout, but the leader stays asked"
within 5 proposals_are 2
at=$(now)
cannot 75 "has not handed over within 300ms: its command may still be ending; it stays asked" \
    "not within --timeout" --timeout=300ms
below "$(ms_since "$at")" 1000 "... after that time, in ms"
step_down
is "$STATUS" 0 "a second request waits for the same handover"
within 5 started_least 3
is "$(overlaps)" 0 "... without overlap"
stop a b

describe "A leader hands over while its command does not run: between two runs, and in restart-delay"
for delay in 0s 60s; do
    rm -f "$T/a.log"
    candidate a --zookeeper-session-timeout=2s --restart-delay=$delay --on-child-success=rerun -- true
    within 10 logged a "status 0" 2>/dev/null
    candidate b "${T2[@]}" -- sleep 1000
    within 10 proposals_are 2
    step_down
    is "$STATUS" 0 "restart-delay=$delay"
    check "... it has handed over" leader_is b
    stop a b
done

describe "Three ask at once: all are granted, with not more starts than requests"
for c in a b c; do job $c "${T2[@]}" --on-disconnect=stop; done
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
    check "request $i: handed over" grep -q " leads $BASE now" "$T/said$i" || cat "$T/said$i.err"
done
is $done 3 "all three are granted"
check "all stand" within 5 proposals_are 3
is "$(overlaps)" 0 "... without overlap"
check "... not more starts than requests" test "$(started)" -le 4
stop a b c

proxy_start
cut_off() { # OPTION...: a leads and is cut off, b waits
    SERVER=proxy job a "${T4[@]}" "$@"
    within 10 started_least 1
    job b "${T4[@]}" "$@"
    within 10 proposals_are 2
    mode cut
    within 5 logged a "lost contact"
}

describe "on-disconnect=stop, the leader is cut off: another candidate takes over when its lease is over"
cut_off --on-disconnect=stop
cannot 75 "has not handed over within 500ms" "a leader that is cut off" --timeout=500ms
step_down
is "$STATUS" 0 "with patience, another has taken over"
check "... b" grep -q '^b (.* leads .* now, after a (' "$T/said"
within 10 started_least 2
is "$(overlaps)" 0 "... without overlap"
mode pass
within 10 proposals_are 2
stop a b

describe "on-disconnect=keep, the leader is cut off when it is asked: it hands over once it is back in contact"
cut_off
step_down --timeout=500ms
mode pass
check "back in contact it hands over" within 10 started_least 2
is "$(overlaps)" 0 "... without overlap"
stop a b

stranger() { # NAME NODE JSON: a proposal that no ballot of ours has made
    "$ZK" "$(servers zk)" ephemeral "$BASE/$2" "$3" >/dev/null &
    PID[$1]=$!
}
describe "A leader whose proposal is gone cannot be asked"
zk create "$BASE" "" >/dev/null
stranger waiting proposal-0000009999 '{"candidateId":"waiting"}'
within 5 proposals_are 1
old='{"candidateId":"old","hostname":"h","pid":"7","proposalNode":"'$BASE'/proposal-0000000001"}'
zk set "$BASE" "$old" >/dev/null
cannot 75 "old (h, pid 7, proposal-0000000001) is gone or cut off, and no candidate has taken over within 1s" \
    "a leader whose proposal is gone" --timeout=1s
check "... said at once" grep -q "cannot be asked: its proposal is gone; waiting" "$T/said.err"

goes_on "A leader that is a Go ballot cannot be asked"
go='{"candidateId":"go","hostname":"h","pid":"7"}'
stranger go proposal-0000000001 "$go"
within 5 proposals_are 2
zk set "$BASE" "${go%\}},\"proposalNode\":\"$BASE/proposal-0000000001\"}" >/dev/null
cannot 125 "go (h, pid 7, proposal-0000000001) cannot be asked: .* it is a Go ballot" "a Go ballot's leader"
is "$(zk get "$BASE/proposal-0000000001")" "$go" "... whose node is not touched"

describe "Without a server, step-down fails after --timeout"
SERVER=none PORT[none]=$(port_choose)
at=$(now)
cannot 125 "no answer from ZooKeeper at 127.0.0.1:${PORT[none]} within 1s" "no server" --timeout=1s
below "$(ms_since "$at")" 2500 "... after the timeout of 1 s, in ms"

# A command that ends once $JOBS/go is there, but for a child that ignores SIGTERM; its pid: $JOBS/pid.
leaves_child=(sh -c '"$0" "$1" -1 ignore-term & echo $$ >"$1/pid"; until [ -e "$1/go" ]; do sleep 0.02; done'
    "$JOB" "$JOBS")
ends_but_for_child() { # OPTION...: the command of a, with b waiting
    candidate a "${T2[@]}" "$@" --on-child-success=exit --on-child-error=exit -- "${leaves_child[@]}"
    within 10 ready
    guard=$(guard_of a)
    child=$(last_pid)
    job b "${T2[@]}"
    within 10 proposals_are 2
    : >"$JOBS/go"
    within 3 dead "$(cat "$JOBS/pid")"
}
describe "A command has ended by itself when step-down comes, but not its child: the policy applies"
ends_but_for_child --stop-timeout=3s
check "the command has ended" dead "$(cat "$JOBS/pid")"
check "... but not a child that it left" alive "$child"
step_down
ended a
is "$STATUS" 0 "the leader is asked to step down meanwhile: the policy applies"
check "... and another leads" within 5 leader_is b
stop b

describe "A command has ended by itself when step-down comes, then its guard is killed: the policy applies"
ends_but_for_child --stop-timeout=60s
step_down &
check "the leader is asked to step down" within 5 prints 1 times_logged a "asked to step down"
kill -KILL "$guard"
ended a
is "$STATUS" 0 "... and its guard is killed: the policy applies all the same"
wait $!
stop b
