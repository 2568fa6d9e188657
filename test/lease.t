#!/bin/bash
# A session timeout that is another after a reconnect; a link that is slow; a leader
# of which only the answers are lost. In all of them: never two commands, and soon one.
. "$(dirname "$0")/lib.sh"
zk_start zk

timeouts() { # MS: the server is killed and comes back, and allows at most that
    zk_kill zk
    zk_config zk "maxSessionTimeout=$1"
    zk_restart zk
}
pair() { # OPTION...: a leads, through the proxy; b waits, without it
    mode pass
    SERVER=proxy candidate a "$@" -- "$JOB" "$JOBS" -1
    within 20 started_least 1
    candidate b "$@" -- "$JOB" "$JOBS" -1
    within 10 proposals_are 2
}
version() { zk stat "$BASE" | sed 's/version=\([0-9]*\).*/\1/'; }
freeze_kill() { # NAME: candidate and guard die in one moment, as with their machine
    local both
    both=("${PID[$1]}" "$(guard_of "$1")")
    kill -STOP "${both[@]}" && kill -KILL "${both[@]}"
    wait "${PID[$1]}" 2>/dev/null
}
proxy_start

describe "stop, the timeout grows while the leader's candidate is frozen: its old lease does not"
timeouts 2000
pair --zookeeper-session-timeout=30s --on-disconnect=stop --restart-delay=0s
mode slow 40
kill -STOP "${PID[a]}"
check "frozen with T = 2 s: another takes over" within 15 started_least 2
timeouts 60000
back() { [ "$(version)" -gt "$1" ]; } # VERSION: the leader has written since
within 10 back "$(version)"
within 10 lock_held
kill -CONT "${PID[a]}"
check "thawed, with T = 30 s, it sees that it has lost" within 10 logged a "lost the leadership"
is "$(overlaps)" 0 "... and has started nothing meanwhile: the lease was one of 2 s"
stop a b

describe "stop, the timeout shrinks: the guard knows before the others do"
pair --zookeeper-session-timeout=30s --on-disconnect=stop --restart-delay=0s
first=$(last_pid)
mode last
timeouts 4000
check "30 s become 4 s, and the first heartbeat's answer is lost: another takes over" within 20 started_least 2
check "... the first command is dead" dead "$first"
is "$(overlaps)" 0 "... and was before the other began"
mode pass
stop a b
timeouts 60000

slow() { # SECONDS MS: T, and the delay each way
    describe "A link as slow as T/8, T = $1 s: a leader whose machine dies is followed within 2 T"
    pair --zookeeper-session-timeout="$1s" --restart-delay=0s
    stop b
    mode slow "$2"
    SERVER=proxy candidate b --zookeeper-session-timeout="$1s" -- "$JOB" "$JOBS" -1
    within 10 proposals_are 2
    pause "$1" # heartbeats are read by it
    freeze_kill a
    at=$(now)
    check "round trips of $((2 * $2)) ms: another takes over" within 20 started_least 2
    below $((($(last_start) - at) / 1000000)) $((2000 * $1 + 1000)) "... within 2 T + 1 s of the machine's death, in ms"
    stop b
}
slow 2 60
if [ -n "${SOAK:-}" ]; then
    slow 1 60
    slow 5 190
    slow 4 250
fi

for mode in stop keep; do
    describe "$mode, only the answers to the leader are lost: another takes over, though its session lives"
    pair --zookeeper-session-timeout=2s --on-disconnect=$mode --restart-delay=0s
    first=$(last_pid)
    mode deaf
    at=$(now)
    check "another takes over" within 20 started_least 2
    below $((($(last_start) - at) / 1000000)) 7000 "... within 3 T + 1 s, in ms"
    [ $mode = stop ] && is "$(overlaps)" 0 "... when the first command is dead"
    check "... which is said" logged b "keeps its session but writes nothing"
    mode pass
    check "it hears again: its command is ended" within 10 dead "$first"
    check "... and it waits, behind the other" within 10 proposals_are 2
    check "... which leads" leader_is b
    is "$(started)" 2 "... undisturbed"
    stop a b
done

describe "Only the answers to a waiting candidate are lost, and the leader resigns: the next one takes over"
candidate c --zookeeper-session-timeout=2s -- "$JOB" "$JOBS" -1
within 10 started_least 1
SERVER=proxy candidate a --zookeeper-session-timeout=2s -- "$JOB" "$JOBS" -1
within 10 proposals_are 2
candidate b --zookeeper-session-timeout=2s -- "$JOB" "$JOBS" -1
within 10 proposals_are 3
mode deaf
stop c
at=$(now)
check "the next one takes over" within 20 leader_is b
below "$(ms_since "$at")" 7000 "... within 3 T + 1 s, in ms"
mode pass
check "... it hears again, and waits behind the other" within 10 proposals_are 2
stop a b
