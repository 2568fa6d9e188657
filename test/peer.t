#!/bin/bash
# Go ballots in the queue: a stand-in that knows their rules alone (peer.c), before, between and behind our candidates.
. "$(dirname "$0")/lib.sh"
zk_start zk
peer() { # NAME: one more candidate of the other kind
    : >"$T/$1.peer"
    "$here/bin/peer" "$(servers zk)" "$BASE" "$1" 2000 >"$T/$1.peer" 2>&1 &
    PID[$1]=$!
    within 5 says "$1" follows
}
says() { grep -q "^$2" "$T/$1.peer"; } # NAME TEXT
ours() { candidate "$1" --zookeeper-session-timeout=2s --restart-delay=0s -- "$JOB" "$JOBS" -1; } # NAME
step_down() {
    timeout 30 "$BALLOT" step-down --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" --timeout=10s \
        >"$T/said" 2>"$T/said.err"
}
gone() { # NAME...: at once
    local name
    for name; do kill -KILL "${PID[$name]}"; done
    for name; do wait "${PID[$name]}" 2>/dev/null; done
    return 0
}
others() { zk ls "$BASE" | grep -v ^proposal-; }

describe "A Go ballot right behind our leader takes over when that is asked to step down: its watch is not broken"
ours a
within 10 started_least 1
peer go
ours c
within 10 proposals_are 3
check "step-down" step_down
refuse "the Go ballot's watch is not broken" says go broken
check "... it leads" within 5 leader_is go
check "... as step-down says" grep -q '^go (peer, pid [0-9]*, .* now, after a (' "$T/said"
is "$(others)" requests "one node is left by that, beside the proposals"
within 5 proposals_are 3
step_down
is $? 125 "a Go ballot's leader cannot be asked"
check "... which is said" grep -q "go (peer.* cannot be asked: .* it is a Go ballot" "$T/said.err"
at=$(now)
gone go
check "it is gone: one of ours takes over" within 10 leader_is c
below "$(ms_since "$at")" 4500 "... after its timeout, a tick, and a look, in ms"
is "$(overlaps)" 0 "... none of ours overlap"

goes_on "Between two of ours, a Go ballot takes over from each kind of end, and ours from its end"
peer go
stop a
within 5 proposals_are 2
ours d
within 10 proposals_are 3
stop c
check "our leader ends: the Go ballot leads" within 5 leader_is go
gone go
check "it is gone: ours leads" within 10 leader_is d
peer go1
peer go2
gone d
check "our candidate process is killed: its guard hands over to a Go ballot" within 5 leader_is go1
refuse "... no watch is broken" says go1 broken
refuse "... nor behind it" says go2 broken
ours e
within 10 proposals_are 3
gone go1 go2
check "two of them are gone at once: ours leads" within 10 leader_is e
stop e

describe "A leader that is an earlier ballot of ours is not asked: a Go ballot may watch its proposal"
zk create "$BASE" "" >/dev/null
"$ZK" "$(servers zk)" ephemeral "$BASE/proposal-0000000000" '{"candidateId":"old","onDisconnect":"keep"}' >/dev/null &
PID[earlier]=$!
within 5 proposals_are 1
peer go
heartbeat='"candidateId":"old","hostname":"h","pid":"7","onDisconnect":"keep","version":"0.0.1"'
zk set "$BASE" '{"proposalNode":"'"$BASE"'/proposal-0000000000",'"$heartbeat"'}' >/dev/null
step_down
is $? 125 "it cannot be asked"
check "... which is said, and what to do" \
    grep -q 'old (h, pid 7, .* cannot be asked: .* an earlier ballot; end it (SIGTERM)' "$T/said.err"
refuse "... nothing is written into its proposal" says go broken
gone earlier go
