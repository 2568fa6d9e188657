#!/bin/bash
# The rules against strangers, lost answers, and a leader that is cut off.
. "$(dirname "$0")/lib.sh"
zk_start zk
T1=(--zookeeper-session-timeout=1s --restart-delay=0s)
T2=(--zookeeper-session-timeout=2s --restart-delay=0s)
job() { candidate "$1" "${@:2}" -- "$JOB" "$JOBS" -1; } # NAME OPTION...: its command runs until it is stopped
proposal_names() { zk ls "$BASE" | grep ^proposal- | sort; }
stranger() { # NAME NODE: an ephemeral proposal of something that is not a candidate
    "$ZK" "$(servers zk)" ephemeral "$BASE/$2" "" >/dev/null &
    PID[$1]=$!
}
delete_all() { # CANDIDATE...: base and proposals, while these are stopped: else they would be faster
    local name pids=()
    for name; do pids+=("${PID[$name]}"); done
    kill -STOP "${pids[@]}"
    for name in $(zk ls "$BASE"); do zk rm "$BASE/$name"; done
    zk rm "$BASE"
    kill -CONT "${pids[@]}"
}

describe "The base path names the election; its parents are made where they are missing"
BASE=/deep/er/and/deeper/é
job a
check "the parents of the base are made" within 10 started_least 1
fresh
BASE=/another job b
check "another path is another election, with a leader of its own" within 10 started_least 1
check "... beside the first" leader_is a
stop a b
check "the base outlives its candidates" exists "$BASE"
check "... but their proposals do not" proposals_are 0

job_at() { # SERVERS: one of the election at the default path
    setsid "$BALLOT" run once --candidate-id=n --zookeeper-servers="$1" -- "$JOB" "$JOBS" -1 \
        >"$T/n.out" 2>"$T/n.log" &
    PID[n]=$!
}
describe "A candidate whose leader does another job, or bears its name on another host, says so"
job a
within 10 leader_is a
is "$(zk get "$BASE" | grep -o '"kind":"[^"]*","command":"[^"]*"')" '"kind":"once","command":"job"' \
    "a leader says what it runs, and how"
candidate b -- true
cron c '@daily' -- "$JOB" "$JOBS" 1
check "another command" \
    within 10 logged b "the leader's command is job, ours is true: give each job a base path of its own"
check "another kind of run" \
    within 10 logged c "the leader's kind is once, ours is cron: give each job a base path of its own"
refuse "... and nothing else on one host" grep -q "the leader's hostname\|the leader's kind" "$T/b.log"
stop c b a
BASE=$BASE-named
zk create "$BASE" '{"candidateId":"d","hostname":"elsewhere","proposalNode":"'"$BASE"'/proposal-0000000000"}' >/dev/null
stranger s proposal-0000000000
within 5 proposals_are 1
job d
check "our candidate-id on another host" \
    within 10 logged d "the leader's hostname is elsewhere, ours is $(hostname): give each candidate an id of its own"
stop d
kill -KILL "${PID[s]}"

describe "A server is found by its name"
if able_to_resolve localhost; then
    job_at "localhost:${PORT[zk]}"
    check "a server's name is resolved" within 10 started_least 1
    stop n
else
    skip "a server's name is resolved" "$WHY"
fi

describe "A server is found by its IPv6 address"
if able grep ' lo$' /proc/net/if_inet6; then
    PORT[six]=$(port_choose)
    zk_config six
    sed -i 's/^clientPortAddress=.*/clientPortAddress=::1/' "$T/six/zoo.cfg"
    zk_launch six
    job_at "[::1]:${PORT[six]}"
    check "[::1]:PORT" within 20 started_least 1
    stop n
    zk_kill six
else
    skip "[::1]:PORT" "$WHY"
fi

describe "Proposal and heartbeat are JSON that a Go ballot reads, too"
json() { # ZNODE KEY...
    zk get "$1" | perl -CO -MJSON::PP -e '
        my $o = decode_json(join "", <STDIN>);
        print join "|", map { $o->{$_} // "-" } @ARGV' "${@:2}"
}
go_time='^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}(\.[0-9]{1,9})? [+-][0-9]{4} [A-Z0-9+-]+ m=\+[0-9]+\.[0-9]{9}$'
id='id "quoted" \ ünï'
job "$id" "${T2[@]}"
within 10 started_least 1
node=$BASE/$(proposal_names)
within 2 prints_like . json "$node" proposalNode
is "$(json "$node" candidateId pid proposalNode sessionTimeout onDisconnect lastSeenTime)" \
    "$id|${PID[$id]}|$node|2s|keep|-" "the proposal holds the candidate's JSON"
is "$(json "$BASE" candidateId proposalNode sessionTimeout onDisconnect)" "$id|$node|2s|keep" \
    "the base holds the leader's"
check "... with Go's time" prints_like "$go_time" json "$BASE" lastSeenTime
seen=$(json "$BASE" lastSeenTime)
check "... renewed by each heartbeat" within 1 prints_other "$seen" json "$BASE" lastSeenTime
version=$("$BALLOT" --version | cut -d ' ' -f 2)
is "$(json "$node" version) $(json "$BASE" version)" "$version $version" \
    "proposal and heartbeat say which ballot wrote them"
stop "$id"

describe "Children of the base that are not proposals are ignored"
zk create "$BASE" "" >/dev/null
zk create "$BASE/proposal-0000000000" "not ephemeral" >/dev/null
zk create "$BASE/unrelated" "" >/dev/null
zk create "$BASE/schedule" "" >/dev/null
job a "${T1[@]}"
check "a persistent \"proposal\" is ignored" within 5 started_least 1
check "... with a warning" logged a "proposal-0000000000 is not ephemeral"
check "... and so are other children" logged a "children that are no proposals"
stop a

describe "A base that something else has written is claimed after a silence of the timeout that it advertises"
gone=$BASE/proposal-0000000000
claims() { # TEXT DATA LEAST MOST OPTION...: ms until the only candidate, with a timeout of 1 s, claims
    local at took
    fresh
    printf %b "$2" | zk set "$BASE" - >/dev/null
    at=$(now)
    job a "${T1[@]}" "${@:5}"
    within 10 started_least 1
    took=$((($(last_start) - at) / 1000000))
    [ $took -ge "$3" ] && [ $took -le "$4" ]
    ok $? "$1: claimed after $took ms, not before $3 nor after $4"
    stop a
}
zk create "$BASE" "" >/dev/null
claims "an empty base" '' 0 4000 --zookeeper-session-timeout=5s
claims "broken JSON" '{"proposalNode":' 1000 9000
claims "NUL bytes" 'a\0b' 1000 9000
claims "a JSON of other types" '{"proposalNode":[1,{"a":"]"}],"sessionTimeout":7,"onDisconnect":null}' 1000 9000
claims "a leader of keep that is gone" \
    '{"proposalNode":"'$gone'","sessionTimeout":"2s","onDisconnect":"keep"}' 2000 9000
claims "a Go ballot's leader that is gone" \
    '{"candidateId":"go","proposalNode":"'$gone'","sessionTimeout":"2s","lastSeenTime":"x"}' 2000 9000
claims "a leader of stop that is gone" \
    '{"proposalNode":"'$gone'","sessionTimeout":"2s","onDisconnect":"stop"}' 1666 9000
claims "a negative timeout" '{"proposalNode":"/x","sessionTimeout":"-5s"}' 1000 9000
perl -e 'print "[" x 900_000' | zk set "$BASE" - >/dev/null
fresh
job a "${T1[@]}"
check "900 KB of brackets" within 5 started_least 1
stop a

describe "A silent leader whose proposal lives is waited for"
zk create "$BASE" "" >/dev/null
stranger go proposal-0000000000
within 5 proposals_are 1
zk set "$BASE" "{\"proposalNode\":\"$BASE/proposal-0000000000\",\"sessionTimeout\":\"1s\"}" >/dev/null
job a "${T1[@]}"
pause 4
is "$(started)" 0 "it is waited for"
kill -KILL "${PID[go]}"
check "... and followed when it is gone" within 8 started_least 1
stop a

describe "The leader's proposal is deleted by hand: its command is killed at once, and another candidate leads"
watched() { four zk wchp | grep -q "$BASE/proposal-"; }
job a --restart-delay=0s --zookeeper-session-timeout=10s # heartbeats every 2 s
within 10 started_least 1
job b "${T1[@]}"
within 5 proposals_are 2
within 2 watched
command=$(last_pid)
lowest=$(proposal_names | head -n 1)
at=$(now)
zk rm "$BASE/$lowest"
check "its command is killed at once" within 2 dead "$command"
below "$(ms_since "$at")" 1000 "... not with the next heartbeat, in ms"
check "... it says why" logged a "deleted our proposal"
check "another candidate leads" within 30 started_least 2
is "$(overlaps)" 0 "... without overlap"
stop a b

describe "The base is overwritten by hand: the leader stops, and it is claimed again after a silence"
job a "${T1[@]}"
within 10 started_least 1
zk set "$BASE" overwritten >/dev/null
check "the leader stops" within 3 logged a "lost the leadership"
check "... and the base is claimed again after a silence" within 15 started_least 2

goes_on "Base and proposals are deleted by hand: the leader stops, and an election is held again"
for n in b c; do
    job $n "${T2[@]}"
    within 5 logged $n "standing as"
done
delete_all a b c
check "the leader stops" within 3 prints 2 times_logged a 'error lost the leadership'
check "an election is held again" within 15 started_least 3
check "... by all of them" within 8 proposals_are 3
is "$(overlaps)" 0 "... without overlap"
stop a b c

describe "All is deleted, and a candidate gets the name that a persistent proposal had"
zk create "$BASE" "" >/dev/null
zk create "$BASE/proposal-0000000000" "" >/dev/null
candidate a "${T2[@]}" -- sleep 100
within 10 leader_is a
check "a persistent proposal is ignored" logged a "is not ephemeral: no candidate made it; all such nodes are ignored"
delete_all a
check "there is a new election" within 15 prints 2 times_logged a 'leading, with'
check "... in which that name is ours" prints proposal-0000000000 zk ls "$BASE"
n=$(requests)
pause 1
below $(($(requests) - n)) 30 "... and the servers have peace: requests in 1 s"
stop a

describe "A candidate whose mode and timeout are not the leader's warns"
candidate a "${T2[@]}" -- sleep 100
within 10 leader_is a
candidate b "${T1[@]}" --on-disconnect=stop -- sleep 100
check "it names both" within 5 \
    logged b "the leader has on-disconnect=keep and a session timeout of 2s, we have stop and 1s"
stop a b

proxy_start
behind() { SERVER=proxy candidate "$@"; } # as candidate does, but cut off whenever the proxy says so
for how in cut freeze; do
    describe "keep, the leader alone is cut off ($how): another takes over, and it goes on until it sees that"
    behind a "${T2[@]}" -- "$JOB" "$JOBS" -1
    within 10 started_least 1
    job b "${T2[@]}"
    within 10 proposals_are 2
    command=$(last_pid)
    mode $how
    check "another takes over" within 12 started_least 2
    check "the first goes on" alive "$command"
    check "... with the smaller fencing token" tokens_grow
    mode pass
    check "... until it sees that: then it stops at once" within 6 dead "$command"
    check "... and stands again" within 6 proposals_are 2
    stop a b

    # Where others fail: consul lock ends its command minutes after another has the lock (hashicorp/consul issues 9788,
    # 18271), and its shell alone (2022); etcdctl lock does not end it (test/compare).
    describe "stop, the leader alone is cut off ($how): its command dies before another takes over"
    behind a "${T2[@]}" --on-disconnect=stop -- "$JOB" "$JOBS" -1 ignore-term fork
    within 10 started_least 1
    job b "${T2[@]}" --on-disconnect=stop
    within 10 proposals_are 2
    mode $how
    check "its command dies" within 3 lock_free
    check "... then another takes over" within 6 started_least 2
    is "$(overlaps)" 0 "... without overlap"
    mode pass
    check "... and both stand again" within 6 proposals_are 2
    stop a b
done

describe "keep, the session of the only candidate expires: it stands again, and its command goes on"
behind a "${T2[@]}" -- "$JOB" "$JOBS" -1
within 10 started_least 1
mode cut
within 8 proposals_are 0
mode pass
check "the session expires" within 6 logged a "has expired"
check "... a new proposal is made" within 6 proposals_are 1
pause 1
is "$(started)" 1 "... and the command is never touched"
check "... while the base names the new proposal" prints_like "$(proposal_names)" zk get "$BASE"
stop a

describe "Requests arrive, but answers are lost, then the connection breaks: the election goes on"
rounds=6
[ -n "${SOAK:-}" ] && rounds=60
losses_exceed() { # A B: both have lost contact once more than so often
    prints_least $(($1 + 1)) times_logged a "lost contact" && prints_least $(($2 + 1)) times_logged b "lost contact"
}
for n in a b; do behind $n "${T2[@]}" -- sh -c '"$0" "$1" 5' "$JOB" "$JOBS"; done
check "two whose answers are to be lost take turns" within 10 started_least 5
passed=0
for _ in $(seq $rounds); do
    mode deaf
    pause 0.0$((RANDOM % 9 + 1)) # whatever is on its way at that moment
    a=$(times_logged a "lost contact") b=$(times_logged b "lost contact")
    mode cut
    within 5 losses_exceed "$a" "$b" || break
    mode pass
    n=$(started)
    within 8 started_least $((n + 20)) || break
    passed=$((passed + 1))
done
two_proposals_most() { [ "$(proposals)" -le 2 ]; }
is "$passed" "$rounds" "answers are lost $rounds times: the election goes on"
check "... both live" all_live a b
check "... no candidate has two proposals, none is left behind" within 6 two_proposals_most
is "$(overlaps)" 0 "... without overlap"
check "... with growing fencing tokens" tokens_grow

goes_on "Slow answers, 50 ms each way: the election goes on"
mode slow 50
n=$(started)
check "they take turns" within 10 started_least $((n + 5))
stop a b
mode pass
check "... and nothing is left behind" within 4 proposals_are 0
