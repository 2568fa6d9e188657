#!/bin/bash
# Servers that answer what no server does. Where the client library survives, the candidate does;
# where it does not, the guard ends the command and hands the leadership on.
. "$(dirname "$0")/lib.sh"
T9=(--zookeeper-session-timeout=9s)

describe "Servers that lie about names and lengths: a candidate lives with it, and asks no more than it has to"
BASE=/b # fakezk knows no other
lies=(path names count length)
for lie in "${lies[@]}"; do
    PORT[$lie]=$(port_choose)
    "$here/fakezk" "${PORT[$lie]}" 9000 $lie >"$T/$lie.types" &
    PID[$lie]=$!
    within 5 not port_free "${PORT[$lie]}"
    SERVER=$lie
    candidate "c$lie" "${T9[@]}" -- "$JOB" "$JOBS" -1
done
for lie in "${lies[@]}"; do check "$lie: it is asked for a proposal" within 10 grep -qx 1 "$T/$lie.types"; done
within 2 prints_least 1000 lines "$T/count.types" # it is not to come to that
for lie in "${lies[@]}"; do
    if [ $lie != length ]; then # at that the library reads, and frees, what it never allocated
        check "$lie: the candidate lives" alive "${PID[c$lie]}"
    fi
    below "$(lines "$T/$lie.types")" 300 "$lie: ... and asks no more often than it would an honest server"
    stop "c$lie"
    kill -KILL "${PID[$lie]}"
done

# --- an honest server behind one that lies about what it says (see fakezk)

zk_start zk
relay_start() { # NAME: tells the truth for now
    PORT[$1]=$(port_choose)
    truth_from "$1"
    "$here/fakezk" "${PORT[$1]}" "$T/$1.lies" "${PORT[zk]}" >"$T/$1.types" 2>"$T/$1.relay" &
    PID[$1]=$!
    within 5 not port_free "${PORT[$1]}"
}
lies_from() { # NAME LINE...: what it says from now on
    printf '%s\n' "${@:2}" >"$T/$1.new" && mv "$T/$1.new" "$T/$1.lies"
}
truth_from() { lies_from "$1" ''; }
asked() { grep -cx -- "$2" "$T/$1.types"; } # NAME TYPE: how often it was asked so
election() { # NAME: its candidates come through that relay, to a base of that name
    SERVER=$1 BASE=/$BLOCK-$1 JOBS=$T/jobs/$1
    mkdir -p "$JOBS"
}
leads() { SERVER=zk leader_is "$1"; } # NAME: in truth
stand_in_truth() { [ "$(SERVER=zk proposals)" = "$1" ]; } # NUMBER

describe "What no server answers costs few requests and few lines, and ends with the lie"
all=(codes greets lists creates exists)
timeout=2s
for r in "${all[@]}"; do
    relay_start $r
    [ $r != creates ] || lies_from $r 'edit 1 16 fffffffb' # what was created was not: "marshalling error"
    [ $r != exists ] || lies_from $r 'edit 1 16 ffffff92'  # ... as there is such a node
    [ $r != exists ] || timeout=1s # with which it tries again after a second
    election $r
    SERVER=zk zk create "$BASE" "" >/dev/null
    candidate $r --zookeeper-session-timeout=$timeout -- "$JOB" "$JOBS" -1
done
for r in codes greets lists; do
    election $r
    check "$r: a candidate leads" within 10 leads $r
done
at=$(now)
lies_from codes 'edit * 16 fffffff9'  # whatever is asked: "operation timeout"
lies_from greets 'sever 41'           # each connection ends behind the greeting
lies_from lists 'edit 12 16 ffffff9b' # nothing can be listed: "no node"
election lists
watcher w "${T2[@]}"
candidate listed "${T2[@]}" -- "$JOB" "$JOBS" -1
check "lists: it is asked for a list" within 10 prints_least 2 asked lists 12
per_second() { echo $(($1 * 1000 / $(ms_since "$at"))); } # NUMBER: so many since then
pause 2
below "$(per_second "$(lines "$T/codes.types")")" 60 "codes: a leader does not ask at once what it has just asked: requests a second"
check "... and says what it was answered" logged codes \
    "an answer of 127.0.0.1:${PORT[codes]} is refused: operation timeout"
below "$(per_second "$(lines "$T/codes.log")")" 30 "... in lines a second"
below "$(per_second "$(asked greets connected)")" 15 "greets: a leader does not connect at once again: connections a second"
below "$(per_second "$(lines "$T/greets.log")")" 30 "... nor is its log flooded: lines a second"
below "$(per_second "$(asked lists 9)")" 75 "lists: those that list do not read all anew at once: syncs a second"
stop w listed
check "creates: a proposal is asked for" within 10 prints_least 1 asked creates 1
check "exists: ... again and again" within 15 prints_least 3 asked exists 1
for r in "${all[@]}"; do truth_from $r; done
for r in "${all[@]}"; do
    election $r
    check "$r: with an honest server it leads" within 20 leads $r
    check "... as its only proposal" within 20 stand_in_truth 1
    check "... and its command is started" within 10 started_least 1
    is "$(overlaps)" 0 "... never two at once"
done
is "$(asked creates 1)" 1 "creates: it looks for what may have been created, before it creates another"
stop "${all[@]}"

describe "An event without a path ends the leader, in the library itself: its guard resigns for it"
proxy_start
SERVER=proxy candidate a "${T9[@]}" -- "$JOB" "$JOBS" -1
check "a leads" within 10 started_least 1
command=$(last_pid)
candidate b "${T9[@]}" -- "$JOB" "$JOBS" -1
within 10 proposals_are 2
at=$(now)
mode event
check "the candidate has ended" within 5 dead "${PID[a]}"
check "... and its guard the command" within 2 dead "$command"
check "... and its candidacy: another leads" within 8 started_least 2
below "$((($(last_start) - at) / 1000000))" 4000 "... long before the session would expire"
is "$(overlaps)" 0 "... never two at once"
stop b
