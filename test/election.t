#!/bin/bash
# The rules against strangers, lost answers, and a leader that is cut off.
. "$(dirname "$0")/lib.sh"
zk_start zk
T1=(--zookeeper-session-timeout=1s --restart-delay=0s)
T2=(--zookeeper-session-timeout=2s --restart-delay=0s)

# --- paths

BASE=/deep/er/and/deeper/é
candidate a -- "$JOB" "$JOBS" -1
check "the parents of the base are made" within 10 started_least 1
fresh
BASE=/another candidate b -- "$JOB" "$JOBS" -1
check "another path is another election, with a leader of its own" within 10 started_least 1
check "... beside the first" leader_is a
stop a b
check "proposals are ephemeral, the base stays" eval "zk stat $BASE >/dev/null && proposals_are 0"
BASE=/ballot/election

# --- servers by name, and by an address of version 6

fresh
if able_to_resolve localhost; then
    setsid "$BALLOT" run once --candidate-id=n --zookeeper-servers="localhost:${PORT[zk]}" -- "$JOB" "$JOBS" -1 >"$T/n.out" 2>"$T/n.log" &
    PID[n]=$!
    check "a server's name is resolved" within 10 started_least 1
    stop n
else
    skip "a server's name is resolved" "$WHY"
fi
if able grep ' lo$' /proc/net/if_inet6; then
    PORT[six]=$(port_choose)
    zk_config six
    sed -i 's/^clientPortAddress=.*/clientPortAddress=::1/' "$T/six/zoo.cfg"
    zk_launch six
    fresh
    setsid "$BALLOT" run once --candidate-id=n --zookeeper-servers="[::1]:${PORT[six]}" -- "$JOB" "$JOBS" -1 >"$T/n.out" 2>"$T/n.log" &
    PID[n]=$!
    check "[::1]:PORT" within 20 started_least 1
    stop n
    zk_kill six
else
    skip "[::1]:PORT" "$WHY"
fi

# --- what candidates write

fresh
id='id "quoted" \ ünï'
candidate "$id" "${T2[@]}" -- "$JOB" "$JOBS" -1
within 10 started_least 1
json() { zk get "$1" | perl -CO -MJSON::PP -e 'my $o = decode_json(join "", <STDIN>); print join "|", map { $o->{$_} // "-" } @ARGV' "${@:2}"; }
node=$BASE/$(zk ls $BASE | grep ^proposal-)
within 2 eval '[ -n "$(json "$node" proposalNode)" ]'
is "$(json "$node" candidateId pid proposalNode sessionTimeout onDisconnect lastSeenTime)" \
    "$id|${PID[$id]}|$node|2s|keep|-" "the proposal holds the candidate's JSON"
is "$(json $BASE candidateId proposalNode sessionTimeout onDisconnect)" "$id|$node|2s|keep" "the base holds the leader's"
check "... with Go's time" eval "json $BASE lastSeenTime | grep -qE '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}(\.[0-9]{1,9})? [+-][0-9]{4} [A-Z0-9+-]+ m=\+[0-9]+\.[0-9]{9}\$'"
seen=$(json $BASE lastSeenTime)
check "... renewed by each heartbeat" within 1 eval "[ '$seen' != \"\$(json $BASE lastSeenTime)\" ]"
version=$("$BALLOT" --version | cut -d ' ' -f 2)
is "$(json "$node" version) $(json $BASE version)" "$version $version" "proposal and heartbeat say which ballot wrote them"
stop "$id"

# --- strangers below the base

fresh
zk create $BASE/proposal-0000000000 "not ephemeral" >/dev/null
zk create $BASE/unrelated "" >/dev/null
zk create $BASE/schedule "" >/dev/null
candidate a "${T1[@]}" -- "$JOB" "$JOBS" -1
check "a persistent \"proposal\" is ignored" within 5 started_least 1
check "... with a warning" logged a "proposal-0000000000 is not ephemeral"
check "... and so are other children" logged a "children that are no proposals"
stop a
zk rm $BASE/proposal-0000000000
zk rm $BASE/unrelated

# --- a base that strangers wrote

claims() { # TEXT DATA LEAST MOST OPTION...: ms until the only candidate, with a timeout of 1 s, claims
    local at took
    fresh
    printf %b "$2" | zk set $BASE - >/dev/null
    at=$(now)
    candidate a "${T1[@]}" "${@:5}" -- "$JOB" "$JOBS" -1
    within 10 started_least 1
    took=$((($(last_start) - at) / 1000000))
    [ $took -ge "$3" ] && [ $took -le "$4" ]
    ok $? "$1: claimed after $took ms, not before $3 nor after $4"
    stop a
}
claims "an empty base" '' 0 4000 --zookeeper-session-timeout=5s
claims "broken JSON" '{"proposalNode":' 1000 9000
claims "NUL bytes" 'a\0b' 1000 9000
claims "a JSON of other types" '{"proposalNode":[1,{"a":"]}"}],"sessionTimeout":7,"onDisconnect":null}' 1000 9000
claims "a leader of keep who is gone" '{"proposalNode":"/ballot/election/proposal-0000000000","sessionTimeout":"2s","onDisconnect":"keep"}' 2000 9000
claims "a Go ballot's leader who is gone" '{"candidateId":"go","proposalNode":"/ballot/election/proposal-0000000000","sessionTimeout":"2s","lastSeenTime":"x"}' 2000 9000
claims "a leader of stop who is gone" '{"proposalNode":"/ballot/election/proposal-0000000000","sessionTimeout":"2s","onDisconnect":"stop"}' 1666 9000
claims "a negative timeout" '{"proposalNode":"/x","sessionTimeout":"-5s"}' 1000 9000
perl -e 'print "[" x 900_000' | zk set $BASE - >/dev/null
fresh
candidate a "${T1[@]}" -- "$JOB" "$JOBS" -1
check "900 KB of brackets" within 5 started_least 1
stop a

# --- a leader that lives is waited for

fresh
"$ZK" "$(servers zk)" ephemeral $BASE/proposal-0000000000 "" >/dev/null &
PID[go]=$!
within 5 proposals_are 1
zk set $BASE '{"proposalNode":"/ballot/election/proposal-0000000000","sessionTimeout":"1s"}' >/dev/null
candidate a "${T1[@]}" -- "$JOB" "$JOBS" -1
sleep 4
is "$(started)" 0 "a silent leader whose proposal lives is waited for"
kill -KILL "${PID[go]}"
check "... and followed when it is gone" within 8 started_least 1

# --- what operators do by hand

candidate b "${T1[@]}" -- "$JOB" "$JOBS" -1
within 5 proposals_are 2
stop a b
fresh
rm -f "$T"/[ab].log
candidate a --restart-delay=0s --zookeeper-session-timeout=10s -- "$JOB" "$JOBS" -1 ignore-term # heartbeats every 2 s
within 10 started_least 1
candidate b "${T1[@]}" -- "$JOB" "$JOBS" -1
within 5 proposals_are 2
within 2 eval 'zk stat $BASE >/dev/null && four zk wchp | grep -q proposal-'
command=$(last_pid)
lowest=$(zk ls $BASE | grep ^proposal- | sort | head -n 1)
at=$(now)
zk rm "$BASE/$lowest"
check "the leader's proposal is deleted: its command is killed at once" within 2 dead "$command"
below "$(ms_since "$at")" 1000 "... not with the next heartbeat, in ms"
check "... it says why" logged a "deleted our proposal"
check "... and somebody leads again" within 30 started_least 2
is "$(overlaps)" 0 "... without overlap"
stop a b

fresh
rm -f "$T"/[abc].log
candidate a "${T1[@]}" -- "$JOB" "$JOBS" -1
within 10 started_least 1
zk set $BASE overwritten >/dev/null
check "the base is overwritten: the leader stops" within 3 logged a "lost the leadership"
check "... and the base is claimed again after a silence" within 15 started_least 2
for n in b c; do
    candidate $n "${T2[@]}" -- "$JOB" "$JOBS" -1
    within 5 logged $n "standing as"
done
kill -STOP "${PID[a]}" "${PID[b]}" "${PID[c]}" # else they are faster than we
for n in $(zk ls $BASE); do zk rm "$BASE/$n"; done
zk rm $BASE
kill -CONT "${PID[a]}" "${PID[b]}" "${PID[c]}"
check "base and proposals are deleted: the leader stops" within 3 eval "[ \$(grep -c 'lost the leadership' $T/a.log) = 2 ]"
check "... and an election is held again" within 15 started_least 3
check "... by all of them" within 8 proposals_are 3
is "$(overlaps)" 0 "... without overlap"
stop a b c

# --- a stranger's proposal, then all is deleted, and its name is a candidate's

rm -f "$T"/[ab].log
BASE=/stranger
zk create $BASE "" >/dev/null
zk create $BASE/proposal-0000000000 "" >/dev/null
candidate a "${T2[@]}" -- sleep 100
within 10 leader_is a
check "a proposal that nobody stands behind is ignored" logged a "is not ephemeral: no candidate made it, it is ignored"
kill -STOP "${PID[a]}"
for n in $(zk ls $BASE); do zk rm "$BASE/$n"; done
zk rm $BASE
kill -CONT "${PID[a]}"
check "base and proposals are deleted: there is a new election" within 15 eval "[ \$(grep -c 'leading, with' $T/a.log) = 2 ]"
check "... in which that name is ours" eval '[ "$(zk ls $BASE)" = proposal-0000000000 ]'
n=$(requests)
within 1 false
below $(($(requests) - n)) 30 "... and the servers have peace"
stop a
BASE=/ballot/election

# --- other settings than the leader's

rm -f "$T"/[ab].log
candidate a "${T2[@]}" -- sleep 100
within 10 leader_is a
candidate b "${T1[@]}" --on-disconnect=stop -- sleep 100
check "a candidate of another mode and timeout warns" within 5 logged b "the leader has on-disconnect=keep and a session timeout of 2s, we have stop and 1s"
stop a b

# --- the leader alone is cut off; and answers that are lost

proxy_start
behind() { SERVER=proxy candidate "$@"; }
for how in cut freeze; do
    fresh
    rm -f "$T"/[ab].log
    behind a "${T2[@]}" -- "$JOB" "$JOBS" -1
    within 10 started_least 1
    candidate b "${T2[@]}" -- "$JOB" "$JOBS" -1
    within 10 proposals_are 2
    command=$(last_pid)
    mode $how
    check "keep, the leader is cut off ($how): another takes over" within 12 started_least 2
    check "... and it goes on" alive "$command"
    check "... with the smaller fencing token" tokens_grow
    mode pass
    check "... until it sees that: then it stops at once" within 6 dead "$command"
    check "... and stands again" within 6 proposals_are 2
    stop a b

    fresh
    behind a "${T2[@]}" --on-disconnect=stop -- "$JOB" "$JOBS" -1 ignore-term fork
    within 10 started_least 1
    candidate b "${T2[@]}" --on-disconnect=stop -- "$JOB" "$JOBS" -1
    within 10 proposals_are 2
    mode $how
    check "stop, the leader is cut off ($how): its command dies" within 3 lock_free
    check "... then another takes over" within 6 started_least 2
    is "$(overlaps)" 0 "... without overlap"
    mode pass
    check "... and both stand again" within 6 proposals_are 2
    stop a b
done

# keep, alone: the session expires, the base still names it
fresh
rm -f "$T/a.log"
behind a "${T2[@]}" -- "$JOB" "$JOBS" -1
within 10 started_least 1
mode cut
within 8 proposals_are 0
mode pass
check "keep, nobody else stands: the session expires" within 6 logged a "has expired"
check "... a new proposal is made" within 6 proposals_are 1
sleep 1
is "$(started)" 1 "... and the command is never touched"
check "... while the base names the new proposal" eval "zk get $BASE | grep -q \$(zk ls $BASE | grep ^proposal-)"
stop a

# lost answers: requests arrive, answers do not, then the connection breaks
rounds=6
[ -n "${SOAK:-}" ] && rounds=60
fresh
rm -f "$T"/[ab].log
for n in a b; do behind $n "${T2[@]}" -- sh -c '"$0" "$1" 5' "$JOB" "$JOBS"; done
check "two whose answers are to be lost take turns" within 10 started_least 5
losses() { grep -c "lost contact" "$T/$1.log"; }
passed=0
for _ in $(seq $rounds); do
    mode deaf
    sleep 0.0$((RANDOM % 9 + 1)) # whatever is on its way at that moment
    a=$(losses a) b=$(losses b)
    mode cut
    within 5 eval '[ "$(losses a)" -gt $a ] && [ "$(losses b)" -gt $b ]' || break
    mode pass
    n=$(started)
    within 8 started_least $((n + 20)) || break
    passed=$((passed + 1))
done
is "$passed" "$rounds" "answers are lost $rounds times: the election goes on"
check "... both live" eval 'alive "${PID[a]}" && alive "${PID[b]}"'
check "... no candidate has two proposals, none is left behind" within 6 eval '[ $(proposals) -le 2 ]'
is "$(overlaps)" 0 "... without overlap"
check "... with growing fencing tokens" tokens_grow
mode slow 50
n=$(started)
check "50 ms of delay each way: it goes on" within 10 started_least $((n + 5))
stop a b
mode pass
check "... and nothing is left behind" within 4 proposals_are 0
