#!/bin/bash
# kill -STOP, at the candidate and at its guard, in both modes.
. "$(dirname "$0")/lib.sh"
zk_start zk
T6=(--zookeeper-session-timeout=6s)
two() { # MODE OPTION...: a leads, b waits
    local stubborn=("${T2[@]}" --on-disconnect="$1" --stop-timeout=300ms --restart-delay=0s "${@:2}" --
        "$JOB" "$JOBS" -1 fork daemon ignore-term)
    candidate a "${stubborn[@]}"
    within 10 ready
    candidate b "${stubborn[@]}"
    within 10 proposals_are 2
}

describe "stop, the candidate is frozen: its guard ends the command before another can start"
two stop "${T6[@]}"
at=$(now)
check "while it waits, the other says for which leader, and its place" \
    within 2 logged b "waiting: a ($(hostname), pid ${PID[a]}, since 2[-0-9: ]*) leads; we are next"
kill -STOP "${PID[a]}"
check "stop: the candidate is frozen: its command dies" within 8 lock_free
below "$(ms_since "$at")" 4900 "... before another may start, after five sixths of 6 s"
check "... then another takes over" within 12 started_least 2
is "$(overlaps)" 0 "... without overlap"
kill -CONT "${PID[a]}"
check "thawed, it says how long it stood still" \
    within 5 logged a "this process stood still for over [0-9.]*s: it was stopped, or the machine asleep"
check "... and which candidate leads now" \
    within 5 logged a "lost the leadership: another candidate leads, b ($(hostname), pid ${PID[b]}, since 2"
check "... and stands again" within 5 proposals_are 2
refuse "... and finds its guard well" logged a "does not answer"
stop b
check "... and leads again when it is its turn" within 5 started_least 3
is "$(overlaps)" 0 "... without overlap"
stop a

describe "The command ends while its candidate is frozen: thawed, it knows the status, and the policy holds"
candidate a "${T2[@]}" --on-disconnect=stop --on-child-error=exit -- sh -c '"$0" "$1" 600; exit 7' "$JOB" "$JOBS"
within 10 started_least 1
kill -STOP "${PID[a]}"
pause 2
kill -CONT "${PID[a]}"
ended a
is "$STATUS $(started)" "7 1" "ballot ends with the command's status, after one run"

describe "stop, the candidate is frozen for less than the lease: the command goes on"
two stop "${T6[@]}"
kill -STOP "${PID[a]}"
pause 0.3
kill -CONT "${PID[a]}"
pause 1
is "$(started)" 1 "it has been started once"
stop a b

describe "keep, the candidate is frozen: its command goes on until it wakes, and is stopped then"
two keep
first=$(last_pid)
kill -STOP "${PID[a]}"
check "keep: the candidate is frozen: another takes over" within 10 started_least 2
check "... while the command of the first goes on" alive "$first"
kill -CONT "${PID[a]}"
check "thawed, it notices the loss" within 5 logged a "lost the leadership"
check "... stops its command" within 5 dead "$first"
check "... and stands again" within 5 proposals_are 2
refuse "... and that its session has expired is no failure to connect" logged a "cannot connect"
stop a b

describe "A leader is frozen, another one leads and ends meanwhile: thawed, it blames no stranger"
two keep
kill -STOP "${PID[a]}"
within 10 started_least 2
stop b
kill -CONT "${PID[a]}"
check "it says that another candidate has led" within 5 logged a "lost the leadership: another candidate has led since"
stop a

for mode in stop keep; do
    describe "$mode, the guard is frozen: the candidate ends the command, and all that it started"
    two $mode
    at=$(now)
    kill -STOP "$(guard_of a)"
    check "$mode: the guard is frozen: the command is ended" within 5 logged a "does not answer"
    check "... and run again, by a new guard or by the other candidate" within 6 started_least 2
    is "$(overlaps)" 0 "... without overlap"
    note "after $(ms_since "$at") ms"
    stop a b
    check "... and all of it can be stopped" within 2 lock_free
done
