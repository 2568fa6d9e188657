#!/bin/bash
# kill -9, at every process of a ballot: the command dies with all it started,
# another candidate takes over, never before.
. "$(dirname "$0")/lib.sh"
rounds=5
[ -n "${SOAK:-}" ] && rounds=40
zk_start zk
leader() { # the candidate whose command runs
    local n
    for n in a b c; do
        alive "${PID[$n]:-0}" && logged "$n" "pid $(last_pid)\$" && echo $n && return
    done
    return 1
}

kill_both() { # PID...: all in one moment, so that none sees another die
    kill -STOP "$@" && kill -KILL "$@"
}
new_guard() { # NAME PID: it has another guard than that one
    local new
    new=$(guard_of "$1") && [ "$new" != "$2" ]
}

takeovers() { # SIGNAL WORDS...: the leader gets the signal; sets starts, and worst, the longest takeover in ms
    local n=0 led at took signal=$1
    shift
    worst=0
    for n in a b c; do
        candidate $n --restart-delay=0s --zookeeper-session-timeout=10s -- "$JOB" "$JOBS" -1 "$@"
    done
    within 10 started_least 1
    for _ in $(seq $rounds); do
        n=$(started)
        within 5 leader >/dev/null
        led=$(leader)
        within 5 proposals_are 3
        within 5 ready_least "$n" # a process that is just being forked may miss the SIGTERM
        at=$(now)
        kill "-$signal" "${PID[$led]}"
        within 20 started_least $((n + 1)) || break
        took=$((($(last_start) - at) / 1000000))
        [ $took -gt $worst ] && worst=$took
        wait "${PID[$led]}" 2>/dev/null
        candidate "$led" --restart-delay=0s --zookeeper-session-timeout=10s -- "$JOB" "$JOBS" -1 "$@"
    done
    starts=$(started)
    stop a b c
}
# (Killed, consul lock leaves its command running: hashicorp/consul issues 1210, 2489.)
for signal in KILL ABRT; do
    describe "The leader is ended by SIG$signal: its guard ends the command, then resigns for it"
    takeovers $signal fork daemon
    is "$starts" $((rounds + 1)) "ended $rounds times: another takes over each time"
    below "$worst" 2000 "... long before its session of 10 s expires: by the last will; the slowest in ms"
    is "$(overlaps)" 0 "... never before the old command and its children are dead"
done

describe "A waiting candidate is killed: its proposal goes at once"
candidate a --zookeeper-session-timeout=10s -- "$JOB" "$JOBS" -1
within 10 started_least 1
candidate b --zookeeper-session-timeout=10s -- "$JOB" "$JOBS" -1
within 10 proposals_are 2
at=$(now)
kill -KILL "${PID[b]}"
check "its proposal goes" within 2 proposals_are 1
note "after $(ms_since "$at") ms"
check "the leader is not disturbed" leader_is a
check "... and stands alone" proposals_are 1
is "$(started)" 1 "... nor is its command disturbed"

goes_on "The guard of a waiting candidate is killed: it gets another one"
candidate b --zookeeper-session-timeout=10s -- "$JOB" "$JOBS" -1
within 10 proposals_are 2
old=$(guard_of b)
kill -KILL "$old"
check "there is another" within 2 new_guard b "${old:?}"
stop a
check "... and it can run the command" within 5 started_least 2
stop b

describe "The leader's guard is killed: all of the command is ended, then the policy decides"
candidate a --on-child-error=exit -- "$JOB" "$JOBS" -1 fork daemon ignore-term
within 10 ready
kill -KILL "$(guard_of a)"
check "the candidate ends" within 5 dead "${PID[a]}"
ended a
is "$STATUS" 137 "... by the policy, with the status of a killed command"
check "... and all of the command is dead" lock_free
is "$(proposals)" 0 "... and it has resigned"

describe "The command has ended, then the guard is killed: the policy for the command's own end applies"
candidate d --restart-delay=0s --on-child-success=reelect --on-child-error=exit -- \
    sh -c 'echo ran >>"$0/record"; until [ -e "$0/go" ]; do sleep 0.02; done' "$JOBS"
ran_least() { [ -f "$JOBS/record" ] && [ "$(grep -c ran "$JOBS/record")" -ge "$1" ]; }
within 10 ran_least 1
kill -STOP "${PID[zk]}"
: >"$JOBS/go"
check "a command ends with 0 while the ensemble is away" within 5 logged d "ended with status 0"
guard=$(guard_of d)
kill -KILL "$guard"
check "... the guard is killed meanwhile: there is another" within 5 new_guard d "$guard"
kill -CONT "${PID[zk]}"
check "... the ensemble is back: on-child-success applies" within 10 ran_least 2
check "... and not on-child-error, as if the guard's death were the command's" alive "${PID[d]}"
stop d

describe "The guard is killed while it ends what the command has left behind: the policy applies all the same"
candidate e --on-child-success=ignore --on-child-error=exit -- \
    sh -c '"$0" "$1" -1 ignore-term & echo $$ >"$1/pid"; until grep -q ready "$1/record"; do sleep 0.02; done' \
    "$JOB" "$JOBS"
within 10 ready
guard=$(guard_of e)
reaped() { [ ! -e "/proc/$1" ] && grep -q '^State:.S' "/proc/$guard/status"; }
check "a command ends with 0 and leaves a child that ignores SIGTERM" within 5 reaped "$(cat "$JOBS/pid")"
kill -KILL "$guard"
ended e
is "$STATUS" 0 "... the guard is killed before that has ended: on-child-success applies all the same"
check "... and all of the command is dead" lock_free

for mode in keep stop; do
    describe "$mode, candidate and guard are killed at once: the kernel ends the command, another leads after expiry"
    candidate a --zookeeper-session-timeout=2s --on-disconnect=$mode -- "$JOB" "$JOBS" -1
    within 10 started_least 1
    candidate b --zookeeper-session-timeout=2s --on-disconnect=$mode -- "$JOB" "$JOBS" -1
    within 10 proposals_are 2
    pause 1
    command=$(last_pid)
    guard=$(guard_of a)
    check "the leader has a guard" test -n "$guard"
    at=$(now)
    kill_both "$guard" "${PID[a]}"
    check "both are killed at once: the command's first process dies" within 1 dead "$command"
    check "... and another takes over" within 10 started_least 2
    below $((($(last_start) - at) / 1000000)) 5000 \
        "... when the session of 2 s has expired (make bench tells how soon), in ms"
    is "$(overlaps)" 0 "... not before the old one was dead"
    wait "${PID[a]}" 2>/dev/null
    stop b
done

describe "The first two of the queue are killed at once, then a third comes: it takes over, and asks little meanwhile"
all=()
for n in a b; do
    candidate $n --zookeeper-session-timeout=2s -- "$JOB" "$JOBS" -1
    within 10 logged $n "standing as"
    all+=("${PID[$n]}" "$(guard_of $n)")
done
within 10 started_least 1
kill_both "${all[@]}"
wait "${PID[a]}" "${PID[b]}" 2>/dev/null
candidate c --zookeeper-session-timeout=2s -- "$JOB" "$JOBS" -1
before=$(requests) at=$(now)
check "it takes over" within 10 started_least 2
below $((($(requests) - before) * 1000 / $(ms_since "$at"))) 50 \
    "... and leaves the servers in peace meanwhile, in requests a second"
stop c

describe "The first two are killed in an outage: the third, which has waited, takes over after it, 2 T and a look later"
all=()
for n in a b c; do
    candidate $n --zookeeper-session-timeout=2s -- "$JOB" "$JOBS" -1
    within 10 logged $n "standing as"
    all+=("${PID[$n]}" "$(guard_of $n)")
done
within 10 started_least 1
zk_kill zk
kill_both "${all[@]:0:4}"
wait "${PID[a]}" "${PID[b]}" 2>/dev/null
zk_restart zk
at=$(now)
check "it takes over" within 10 started_least 2
took=$((($(last_start) - at) / 1000000))
below $took 5300 "... 2 T, T/3, and what the machine takes, after the outage, in ms"
log_ms() { # FILE TEXT: the time of its first line with that text
    local line
    line=$(grep -m 1 -- "$2" "$1")
    date -d "${line:0:23}" +%s%3N
}
waited=$(($(log_ms "$T/c.log" "leading, with") - $(log_ms "$T/c.log" "timeout 2s, after")))
check "... not before a leader that lives could have said so ($waited ms)" test $waited -ge 3900
stop c
