#!/bin/bash
# Five candidates race with commands of 1 to 100 ms: never two at a time.
. "$(dirname "$0")/lib.sh"
seconds=10
[ -n "${SOAK:-}" ] && seconds=60

zk_start zk
names=(a b c d e)

describe "Five candidates whose commands are short take turns, without overlap and without trouble"
random_ms='$(($(od -An -N2 -tu2 /dev/urandom) % 100 + 1))'
for n in "${names[@]}"; do
    candidate "$n" --restart-delay=0s -- sh -c '"$0" "$1" '"$random_ms"'; echo "ran $?"' "$JOB" "$JOBS"
done
check "the first command starts" within 10 started_least 1
pause $seconds
stop "${names[@]}"
check "many commands ran ($(started))" started_least $((seconds * 6))
is "$(overlaps)" 0 "no two commands ran at a time"
check "the fencing tokens grew with each" tokens_grow
for n in "${names[@]}"; do
    check "$n had its turn ($(grep -c 'ran 0' "$T/$n.out") times)" grep -q 'ran 0' "$T/$n.out"
done
is "$(proposals)" 0 "no proposal is left behind"
is "$(zk get "$BASE")" "" "and no candidate is named as the leader"
refuse "nothing went wrong in the meantime" grep -hE 'error|lost|warn' "$T"/[a-e].log
