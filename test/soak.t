#!/bin/bash
# The campaign of campaign.t for long: SECONDS_OF_CHAOS of faults from fresh seeds (CAMPAIGN_SEED says from
# which on), by turns for each kind and mode (CAMPAIGN_KINDS, such as "once-keep cron-stop", says for which).
. "$(dirname "$0")/lib.sh"
. "$here/campaign.sh"
seconds=${SECONDS_OF_CHAOS:-90}
seed=${CAMPAIGN_SEED:-$(($(date +%s) % 1000000 * 1000))}
read -ra kinds <<<"${CAMPAIGN_KINDS:-once-stop once-keep cron-stop cron-keep}"
each=$((seconds / ${#kinds[@]}))
[ $each -le 120 ] || each=120 # a seed that finds something is to be played again
overlapped=0 kept=0
campaign_servers
for ((spent = 0, n = 0; spent < seconds; spent += each, n++)); do
    kind=${kinds[n % ${#kinds[@]}]}
    describe "Whatever fails: $each s of faults, run ${kind%-*}, on-disconnect=${kind#*-}, CAMPAIGN_SEED=$((seed + n))"
    # shellcheck disable=SC2086
    campaign $((seed + n)) $each "${kind%-*}" "${kind#*-}" ${CAMPAIGN_FAULTS:-}
    campaign_judge
    [ "$kind" = once-keep ] && kept=$((kept + each))
    overlapped=$((overlapped + $(judged_count overlaps)))
done
note "$overlapped overlaps, each behind a cut or a freeze, with keep"
[ $kept -lt 600 ] || check "the judge of keep is not blind: it has seen overlaps" test $overlapped -gt 0

SERVER=zk
zk() { "$ZK" "$(servers "$SERVER")" "$@"; }
zk_start zk
describe "valgrind finds nothing in the main path, the guard included"
valgrind -q --leak-check=full --show-leak-kinds=definite --error-exitcode=99 --trace-children=no \
    "$BALLOT" run once --debug --candidate-id=v --zookeeper-servers="$(servers zk)" --on-child-success=exit -- \
    sh -c 'echo out; echo err >&2' >"$T/v.out" 2>"$T/v.log"
is $? 0 "a run"
check "... which did run" grep -q '\] out' "$T/v.out"
