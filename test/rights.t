#!/bin/bash
# A candidate that may not do all that leading needs never blocks those that may.
. "$(dirname "$0")/lib.sh"
zk_start zk
T1=(--zookeeper-session-timeout=1s --restart-delay=0s)
entry() { # NAME RIGHTS: of an access list, for the identity NAME
    echo "digest:$1:$(perl -MDigest::SHA=sha1_base64 -e 'print sha1_base64($ARGV[0])' "$1:secret")=:$2"
}
as() { echo "--zookeeper-auth=digest:$1:secret"; } # NAME
election() { # NAME [RIGHTS-OF-ONE]: makes it; the identity two has all rights there, anyone may change them
    BASE=/$1 JOBS=$T/jobs/$1
    mkdir -p "$JOBS"
    [ $# = 2 ] || return
    zk create "$BASE" '' >/dev/null
    zk create "$BASE/schedule" '' >/dev/null
    zk acl "$BASE" "world:anyone:a,$(entry one "$2"),$(entry two rwcd)"
}

describe "A candidate without one right that leading needs says which, and the next one leads"
missing="rcd=write,wcd=read,rwd=create,rwc=delete"
for case in ${missing//,/ }; do
    election "no-${case#*=}" "${case%=*}"
    candidate "no-${case#*=}" "$(as one)" "${T1[@]}" -- "$JOB" "$JOBS" 20
done
for case in ${missing//,/ }; do
    right=${case#*=} BASE=/no-${case#*=}
    refusal=" $BASE is refused: not authenticated (its access list gives our zookeeper-auth no right \"$right\";"
    check "a candidate without the right to $right says so" within 8 \
        logged "no-$right" "$refusal grant it with setAcl"
    candidate "after-$right" "$(as two)" "${T1[@]}" -- "$JOB" "$T/jobs/no-$right" -1 "exit=7"
done
for case in ${missing//,/ }; do
    right=${case#*=}
    check "... and one behind it that has all rights leads ($right)" within 10 logged "after-$right" "starting /"
done
stop {no,after}-{read,write,create,delete}

describe "A candidate without rights stands again and again, and never blocks those that have them"
election turns rc
candidate c1 "$(as one)" "${T1[@]}" -- "$JOB" "$JOBS" -1
within 5 logged c1 refused
candidate c2 "$(as two)" "${T1[@]}" -- sh -c '"$0" "$1" 20' "$JOB" "$JOBS"
check "it stands again, at the end of the queue" within 15 prints_least 2 times_logged c1 "standing as"
n=$(started)
check "... and blocks no other" within 5 started_least $((n + 25))
check "... however often it comes" within 15 prints_least 3 times_logged c1 "leaving the queue"
check "... though it cannot but close its session, as it may not delete its proposal" logged c1 \
    'deleting our proposal below /turns is refused: .* no right "delete"'

goes_on "on-election-failure applies to a candidate without rights"
candidate exits "$(as one)" "${T1[@]}" --on-election-failure=exit -- "$JOB" "$JOBS" -1
ended exits
is "$STATUS" 125 "on-election-failure=exit: it ends"
check "... and says why" logged exits 'no election is possible: .* /turns is refused'
mkdir "$T/anyway"
candidate anyway "$(as one)" "${T1[@]}" --on-election-failure=run-anyway -- "$JOB" "$T/anyway" -1
check "on-election-failure=run-anyway: it runs" within 5 grep -qs ^start "$T/anyway/record"
check "... and stands" within 10 prints_least 2 times_logged anyway "leaving the queue"
is "$(grep -c ^start "$T/anyway/record") $(grep -c ^end "$T/anyway/record")" "1 0" "... without touching its command"
n=$(started)
check "... and blocks no other, either" within 5 started_least $((n + 25))
stop c1 c2 anyway

describe "A leader whose right to write is taken away ends its command, then another leads"
election taken rwcd
candidate c3 "$(as one)" "${T1[@]}" --on-child-error=exit -- "$JOB" "$JOBS" -1
within 5 started_least 1
command=$(last_pid)
candidate c4 "$(as two)" "${T1[@]}" -- "$JOB" "$JOBS" -1
within 5 logged c4 "standing as"
zk acl "$BASE" "world:anyone:a,$(entry one rcd),$(entry two rwcd)"
check "its command ends" within 8 dead "$command"
check "... another one takes over" within 8 started_least 2
is "$(overlaps)" 0 "... not two at a time"
check "... the log says which right" logged c3 'writing /taken is refused: .* no right "write"'
zk acl "$BASE" "world:anyone:a,$(entry one rwcd),$(entry two rd)"
check "the rights are exchanged: so are the leaders" within 12 started_least 3
is "$(overlaps)" 0 "... not two at a time"
stop c3 c4

describe "A leader that may not write the base any more gives it up only once its command is dead"
election slow
zk create "$BASE" "" >/dev/null
candidate c5 --zookeeper-session-timeout=2s -- "$JOB" "$JOBS" -1 ignore-term # it takes 10 s to end, stop-timeout
within 5 ready
candidate c6 "$(as two)" --zookeeper-session-timeout=2s -- "$JOB" "$JOBS" -1
within 5 logged c6 "standing as"
zk acl "$BASE" "world:anyone:rcda,$(entry two rwcd)"
check "a command that is slow to end: another one takes over" within 12 started_least 2
is "$(overlaps)" 0 "... when the command is dead"
below "$(grep -c 'writing /slow is refused' "$T/c5.log")" 1 "... and the log says it once"
stop c5 c6

describe "run cron: a candidate that may not read or write the run record hands over"
for rights in wcd rcd; do
    election "record-$rights" rwcd
    zk acl "$BASE/schedule" "world:anyone:a,$(entry one $rights),$(entry two rwcd)"
    cron "one-$rights" "* * * * * *" "$(as one)" "${T1[@]}" -- true
done
for rights in wcd rcd; do
    election "record-$rights"
    right=$([ $rights = wcd ] && echo read || echo write)
    check "run cron, without the right to $right the record: it says so" within 5 logged "one-$rights" \
        "$BASE/schedule is refused: not authenticated (its access list gives our zookeeper-auth no right \"$right\""
    cron "two-$rights" "* * * * * *" "$(as two)" "${T1[@]}" -- sh -c 'echo "$0" >>"$1"' "$rights" "$T/runs"
done
for rights in wcd rcd; do
    check "... and hands over to one that has all rights ($rights)" within 8 grep -qs "$rights" "$T/runs"
done
stop {one,two}-{wcd,rcd}

describe "A fleet that is given an identity, one candidate after the other, does not fall silent"
zk create "$BASE" "" >/dev/null
took_turns() { # NAME...: each has run since the first $n runs
    local name
    for name; do tail -n +$((n + 1)) "$RUNS" | grep -q " $name\$" || return; done
}
cron r1 "* * * * * *" "$(as one)" "${T1[@]}" "${RUN[@]}"
within 10 runs_least 1
cron r2 "* * * * * *" "${T1[@]}" "${RUN[@]}"
cron r3 "* * * * * *" "${T1[@]}" "${RUN[@]}"
within 10 logged r2 "reading $BASE/schedule is refused"
n=$(runs)
check "the record is closed to all but one: that one runs on" within 10 runs_least $((n + 4))
stop r2
cron r2 "* * * * * *" "$(as one)" "${T1[@]}" "${RUN[@]}"
check "... the next one that is given the identity runs, too" within 10 took_turns r1 r2
stop r3
cron r3 "* * * * * *" "$(as one)" "${T1[@]}" "${RUN[@]}"
n=$(runs)
check "... and the last one" within 15 took_turns r1 r2 r3
is "$(twice)" 0 "... none twice"
stop r1 r2 r3
