#!/bin/bash
# Defects of other tools that their users have reported. Some more are tested where their fault is:
#
#     consul lock ends its command minutes after another has the lock, and not its children: election.t
#     (hashicorp/consul issues 9788, 18271, 2022); killed, it leaves them running: kill.t (1210, 2489)
#     etcdctl lock lets its command run on when the lease is lost: election.t (and `test/compare` shows it)
#     a leader that is elected again schedules nothing: cronfault.t (dkron-io/dkron issue 998)
#
# The elections run at the same time, and are looked at one after the other. Server and candidates share a clock: it is
# two seconds before summer time begins in New York.
. "$(dirname "$0")/lib.sh"
export TZDIR=$here/cron/zoneinfo
CLOCK=$T/clock
clock_at() { # TIME
    awk -v to="$(date -u -d "$1" +%s)" -v now="$(date +%s.%N)" 'BEGIN { printf "%+.3f\n", to - now }' >"$CLOCK.new" &&
        mv "$CLOCK.new" "$CLOCK"
}
seconds_of() { date -d "$1" +%s; } # TIME
election() { # NAME: the one that is looked at
    BASE=/$1
    JOBS=$T/jobs-$1
    runs_to "$T/$1.runs"
    mkdir -p "$JOBS"
}
clock_at 2019-03-10T06:00:00Z
ZK_JAVA=(clocked "$CLOCK" java)
zk_start zk
proxy_start

for dst in vixie wall; do
    election night-$dst
    cron night-$dst "TZ=America/New_York 0 2 * * *" "${T2[@]}" --dst=$dst "${RUN[@]}"
done
for dst in vixie wall; do
    election night-$dst
    within 20 recorded nextActivation
done
clock_at 2019-03-10T06:59:57Z

# In each, a leads and b waits.
change() { cron "change-$1" "TZ=UTC */10 * * * * *" --zookeeper-session-timeout=4s "${RUN[@]}"; } # NAME
overlap() { cron "overlap-$1" "* * * * * *" "${T2[@]}" --on-disconnect=stop -- "$JOB" "$JOBS" -1 fork ignore-term; }
latch() { candidate "$1" "${T2[@]}" --on-disconnect="$mode" --restart-delay=0s -- "$JOB" "$JOBS" -1; }
election change
change a
election overlap
overlap a
for mode in keep stop; do
    election latch-$mode
    SERVER=proxy latch latch-$mode-a
done
election change
within 30 recorded nextActivation
change b
election overlap
within 30 started_least 1
overlap b
for election in change overlap; do
    election $election
    within 30 proposals_are 2
done

old=proposal-0000000000
# The faults: change-a dies with its guard, overlap-a is frozen, latch-keep-a and latch-stop-a are cut off.
election change
mark=$(record | sed 's/.*"activation":"\([^"]*\)".*/\1/')
kill -KILL "$(guard_of change-a)" "${PID[change-a]}"
kill -STOP "${PID[overlap-a]}"
for mode in keep stop; do
    election latch-$mode
    within 20 started_least 1
    zk get "$BASE/$old" >"$T/old-$mode"
done
mode freeze

goes_on "A session expires while its candidate is cut off, and its proposal is deleted late: there is one leader"
# CURATOR-696: reconnected with another session, a leader took the proposal of the old one for its own, led by it, and
# missed its end; the next candidate found no other, and led as well. Here another client makes the old one again.
leads_by_another() { zk get "$BASE" | grep "\"candidateId\":\"$1\"" | grep -qv $old; } # NAME
for mode in keep stop; do
    election latch-$mode
    check "$mode: the session expires" within 20 proposals_are 0
    "$ZK" "$(servers zk)" ephemeral "$BASE/$old" - <"$T/old-$mode" >/dev/null &
    PID[old-$mode]=$!
    within 20 proposals_are 1
done
mode pass
for mode in keep stop; do
    election latch-$mode
    check "$mode: reconnected, the leader makes another proposal" within 20 proposals_are 2
    zk rm "$BASE/$old"
    latch latch-$mode-b
    within 20 proposals_are 2
    check "... and leads by that" within 20 leads_by_another latch-$mode-a
    refuse "... the next candidate does not" logged latch-$mode-b "leading, with"
    stop latch-$mode-a
    check "... until the first has ended" within 20 logged latch-$mode-b "starting .*, pid"
    is "$(overlaps)" 0 "... and no two commands ran at once"
    stop latch-$mode-b
done

goes_on "The leader dies just before an activation: the next one runs it, once"
# dkron-io/dkron issue 1210: the new leader set up its schedule from then on, and the activation was missed.
election change
due=$(date -u -d "@$((($(seconds_of "$mark") / 10 + 1) * 10))" +%Y-%m-%dT%H:%M:%SZ)
check "the next one leads" within 20 leader_is change-b
check "... $due is run" within 20 grep -qs "^$due" "$RUNS"
is "$(twice)" 0 "... none is run twice"

goes_on "The leader changes while its run is on: the next run begins when that is over"
# hashicorp/nomad issue 11052: a new leader started its periodic jobs without a look at what was running.
election overlap
check "the next leader runs the command" within 20 started_least 2
kill -CONT "${PID[overlap-a]}"
check "... the first sees that it has lost" within 20 logged overlap-a "lost the leadership"
is "$(overlaps)" 0 "... and the runs did not overlap"

goes_on "The night in which summer time begins: an activation that it skips is run once, or not at all"
# hashicorp/nomad issue 5410: 02:00 in New York, which that night does not have, was run thousands of times.
nights() { # DST
    "$BALLOT" next "TZ=America/New_York 0 2 * * *" -n 2 --from 2019-03-09T12:00:00-05:00 --dst="$1" | tr '\n' ' '
}
is "$(nights vixie)" "2019-03-10T03:00:00-04:00 2019-03-11T02:00:00-04:00 " "vixie: when the gap ends, and the next day"
is "$(nights wall)" "2019-03-11T02:00:00-04:00 2019-03-12T02:00:00-04:00 " "wall: the next day"
election night-vixie
check "vixie: it is run" within 20 runs_least 1
is "$(cat "$RUNS")" "2019-03-10T03:00:00-04:00 night-vixie" "... once"
election night-wall
is "$(runs)" 0 "wall: it is not run"
