#!/bin/bash
# `run cron` while the clocks change: summer time, jumps, standstills. The servers
# and the candidates share a clock that the test sets, but for one candidate.
. "$(dirname "$0")/lib.sh"
export TZDIR=$here/cron/zoneinfo
CLOCK=$T/clock
set_clock() { echo "$1" >"$2.new" && mv "$2.new" "$2"; } # OFFSET FILE
at() { awk -v to="$(date -u -d "$1" +%s)" -v now="$(date +%s.%N)" 'BEGIN { printf "%+.3f\n", to - now }'; }
clock_at() { set_clock "$(at "$1")" "$CLOCK"; }
clock_at "2027-03-14T06:00:00Z"
ZK_JAVA=(clocked "$CLOCK" java) # the server, with that clock
zk_start zk
calm=(--zookeeper-session-timeout=6s) # a lease that runs out between record and start loses the activation

describe "Summer time begins and ends: what runs in each zone, with dst=vixie and dst=wall"
zone() { # NAME ZONE SCHEDULE: one candidate for each mode
    local mode
    for mode in vixie wall; do
        BASE=/$1-$mode cron "$1-$mode" "TZ=$2 $3" "${calm[@]}" --dst=$mode "${RUN[@]}"
    done
}
zone york America/New_York "30 1,2 * * *"
zone howe Australia/Lord_Howe "15,45 1,2 * * *"
zone cairo Africa/Cairo "30 0,23 * * *"
for n in york howe cairo; do
    for mode in vixie wall; do BASE=/$n-$mode within 15 recorded nextActivation; done
done
event() { # UTC DESCRIPTION RUN...: sets the clock to 2 s before, and these run, and no other
    local run wanted
    rm -f "$RUNS"
    clock_at "$(date -u -d "$1 2 seconds ago" +%Y-%m-%dT%H:%M:%SZ)"
    for run in "${@:3}"; do within 12 grep -qsx "$run" "$RUNS"; done
    pause 1
    wanted=$(printf '%s\n' "${@:3}" | sort)
    is "$(sort "$RUNS" 2>/dev/null)" "$wanted" "$2"
}
event 2027-03-14T07:00:00Z "New York, spring: 02:30 is skipped: vixie at the gap's end, wall not at all" \
    "2027-03-14T03:00:00-04:00 york-vixie"
event 2027-04-03T14:45:00Z "Lord Howe, autumn: the first 01:45 runs in both modes" \
    "2027-04-04T01:45:00+11:00 howe-vixie" "2027-04-04T01:45:00+11:00 howe-wall"
event 2027-04-03T15:15:00Z "... the second, half an hour later, with wall alone" \
    "2027-04-04T01:45:00+10:30 howe-wall"
event 2027-04-29T22:00:00Z "Cairo, spring: 00:30 is skipped: vixie at 01:00, wall not at all" \
    "2027-04-30T01:00:00+03:00 cairo-vixie"
event 2027-10-02T15:30:00Z "Lord Howe, spring: 02:15 is skipped: vixie at 02:30, wall not at all" \
    "2027-10-03T02:30:00+11:00 howe-vixie"
event 2027-10-28T20:30:00Z "Cairo, autumn: the first 23:30 runs in both modes" \
    "2027-10-28T23:30:00+03:00 cairo-vixie" "2027-10-28T23:30:00+03:00 cairo-wall"
event 2027-10-28T21:30:00Z "... the second with wall alone" \
    "2027-10-28T23:30:00+02:00 cairo-wall"
event 2027-11-07T05:30:00Z "New York, autumn: the first 01:30 runs in both modes" \
    "2027-11-07T01:30:00-04:00 york-vixie" "2027-11-07T01:30:00-04:00 york-wall"
event 2027-11-07T06:30:00Z "... the second with wall alone" \
    "2027-11-07T01:30:00-05:00 york-wall"
stop york-vixie york-wall howe-vixie howe-wall cairo-vixie cairo-wall

describe "The clock of all jumps: it is noticed, and no activation is run twice"
clock_at 2028-01-01T00:00:00Z
cron a "TZ=UTC * * * * * *" "${calm[@]}" --on-child-success=rerun "${RUN[@]}"
within 10 runs_least 2
clock_at 2028-01-01T02:00:00Z
check "two hours forward: noticed, and it goes on" within 10 grep -q "T02:00:0[3-9]Z" "$RUNS"
check "... with a word" logged a "the wall clock has jumped forward by "
is "$(grep -c T01: "$RUNS")" 0 "... nothing of what was jumped over but the latest"
n=$(runs)
clock_at 2028-01-01T01:00:00Z
check "an hour backward: noticed" within 5 \
    logged a "the wall clock has jumped backward by .*: activations up to 2028-01-01T02:.* do not come again"
pause 2
below $(($(runs) - n)) 1 "... nothing that was done is done again"
clock_at 2028-01-01T02:01:00Z
check "... and it goes on when that time has come again" within 10 runs_least $((n + 3))
clock_at 2028-01-01T02:01:40Z
check "half a minute forward: it goes on" within 10 grep -q "T02:01:4[3-9]Z" "$RUNS"
n=$(runs)
clock_at 2028-01-01T02:01:41Z
check "some seconds backward: it goes on after them" within 15 runs_least $((n + 3))
is "$(twice)" 0 "... and none has run twice"
refuse "... and it has not handed over" logged a "handing over"
stop a

describe "The leader's clock alone jumps ahead: it hands over before it runs anything"
cp "$CLOCK" "$T/own"
CLOCK=$T/own cron a "TZ=UTC * * * * * *" --zookeeper-session-timeout=20s --on-child-success=rerun "${RUN[@]}"
within 10 runs_least 2
cron b "TZ=UTC * * * * * *" "${calm[@]}" --on-child-success=rerun "${RUN[@]}"
within 10 proposals_are 2
awk '{ printf "%+.3f\n", $1 + 7200 }' "$T/own" >"$T/own.new" && mv "$T/own.new" "$T/own"
check "two hours ahead: it hands over with its next heartbeat, every 4 s" within 15 \
    logged a "our clock is .* ahead of the servers': handing over"
check "... the other one runs" within 10 grep -q ' b$' "$RUNS"
refuse "... and the leader ran nothing of those two hours" grep -q "T04:" "$RUNS"
is "$(twice)" 0 "... none twice"
stop a b

describe "A leader that stands still for a while, as on a machine that is asleep, goes on without a jump"
cron still "TZ=UTC * * * * * *" --zookeeper-session-timeout=20s --on-child-success=rerun "${RUN[@]}"
within 10 runs_least 2
kill -STOP "${PID[still]}"
pause 4
n=$(runs)
kill -CONT "${PID[still]}"
check "after 4 s it goes on" within 5 runs_least $((n + 3))
is "$(twice)" 0 "... none twice"
refuse "... and nothing jumped" logged still "the wall clock has jumped"
stop still
