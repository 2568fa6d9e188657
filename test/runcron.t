#!/bin/bash
# `run cron`: each activation on one machine, once; the record of them, and the policies.
. "$(dirname "$0")/lib.sh"
zk_start zk

# --- what cannot be

refused() { # MESSAGE ARGUMENT...: says it, ends with 125
    timeout 10 "$BALLOT" run cron --candidate-id=a "${@:2}" -- true 2>"$T/refused.log"
    is $? 125 "refused: ${*:2}"
    check "... with: $1" grep -qF -- "$1" "$T/refused.log"
}
refused '--schedule: "0 0 30 2 *": it never comes' --schedule="0 0 30 2 *"
refused '--schedule: ",": ' --schedule=,
refused '--schedule: "0 61 * * *": hour: "61" is not a number from 0 to 23, at byte 3; `ballot next` shows the place' --schedule="0 61 * * *"
refused "--schedule: \"$(head -c 200 /dev/zero | tr '\0' 0)\" is not 1 to 1000 bytes of text" --schedule="$(head -c 1001 /dev/zero | tr '\0' 0)"
refused '--schedule is missing: it says when the command is to run'
printf '[run cron]\n\nschedule = @dayly\n' >"$T/bad.ini"
refused "$T/bad.ini:3: schedule: \"@dayly\": " --config-file="$T/bad.ini"
TZ=Mars/Phobos refused '--schedule: "@daily": it is for the time zone of this machine' --schedule=@daily

# --- the command's view, and the record

cron a "TZ=Asia/Kolkata * * * * * *" "${T2[@]}" -- sh -c 'env | grep ^BALLOT_ >>"$0"; sleep 0.3' "$RUNS"
within 10 runs_least 8
check "the command is told the activation, in the schedule's time zone" grep -qE '^BALLOT_SCHEDULED_TIME=[0-9-]{10}T[0-9:]{8}\+05:30$' "$RUNS"
check "... and the fencing token" grep -qE '^BALLOT_FENCING_TOKEN=[0-9]+$' "$RUNS"
info() { "$BALLOT" info --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" "$@"; }
yaml() { info | perl -MYAML::XS -0 -e 'my $i = Load(<STDIN>); print $i->{schedule}{$ARGV[0]} // "-"' "$1"; }
json() { info -o json | perl -MJSON::PP -0 -e 'my $i = decode_json(<STDIN>); print $i->{schedule}{$ARGV[0]} // "-"' "$1"; }
running() { info | grep -qE '^  - running for [0-9]+s$'; }
check "info: the command runs" within 10 running
within 10 recorded '"exitStatus"'
is "$(yaml schedule)" "TZ=Asia/Kolkata * * * * * *" "info: the schedule"
is "$(json schedule)" "TZ=Asia/Kolkata * * * * * *" "... in JSON"
stop a
is "$(yaml exitStatus)" 0 "... how the last run ended"
is "$(yaml id)" a "... whose it was"
is "$(json candidateId)" a "... in JSON"
check "... its activation, start and end" eval '[[ "$(yaml lastRun) $(yaml start) $(yaml end)" =~ ^20.*T.*\+05:30\ 20.*T.*\+05:30\ 20.*T.*\+05:30$ ]]'
is "$(date -d "$(yaml nextActivation)" +%s)" $(($(date -d "$(yaml activation)" +%s) + 1)) "... the next activation"
check "... in the table" eval "info -o table | grep -q '^schedule TZ=Asia/Kolkata .*, next 20.*+05:30 (.*)\$'"
check "... the last run, too" eval "info -o table | grep -q '^last run 20.* by a, ended with 0 at 20'"
cron a "TZ=Asia/Kolkata 0 2 * * *" "${T2[@]}" -- true
check "another schedule: a warning that names both" within 10 logged a 'was "TZ=Asia/Kolkata [*] .*", ours is "TZ=Asia/Kolkata 0 2 .*"'
check "... which info shows" within 5 eval '[ "$(yaml schedule)" = "TZ=Asia/Kolkata 0 2 * * *" ]'
check "... with what comes next" eval '[[ "$(yaml nextActivation)" =~ T02:00:00\+05:30$ ]]'
for garbage in '' '[]' '{"schedule":7}' '{"schedule":"* * * * *","activation":{}}' "$(head -c 20000 /dev/zero | tr '\0' x)"; do
    zk set $BASE/schedule "$garbage" >/dev/null
    notes=$(info -o json | perl -MJSON::PP -0 -e 'print join " ", @{decode_json(<STDIN>)->{schedule}{notes}}')
    is "$notes" unparseable "a stranger's record is shown as what it is: ${garbage:0:30}"
done
stop a
rm -f "$RUNS"
cron a "* * * * * *" "${T2[@]}" "${RUN[@]}"
check "... and the schedule begins anew over it" within 10 runs_least 1
stop a

# --- the record is written by another meanwhile

rm -f "$RUNS"
BASE=/other
cron a "* * * * * *" "${T2[@]}" --on-child-success=rerun "${RUN[@]}"
within 10 runs_least 2
within 3 eval '[[ $(date +%N) = [456]* ]]' # in mid-second: the latest run has written its line
until=$(date -u -d '4 seconds' +%Y-%m-%dT%H:%M:%SZ)
zk set $BASE/schedule "{\"schedule\":\"* * * * * *\",\"activation\":\"$until\"}" >/dev/null
n=$(runs)
check "what another has recorded is seen" within 10 runs_least $((n + 2))
is "$(tail -n +$((n + 1)) "$RUNS" | cut -d ' ' -f 1 | while read -r at; do [ "$(date -d "$at" +%s)" -gt "$(date -d "$until" +%s)" ] || echo "$at"; done)" "" \
    "... and what is dealt with by then is not run"
stop a

# --- the record is deleted, or sealed

zk rm $BASE/schedule
rm -f "$RUNS"
cron a "* * * * * *" "${T2[@]}" --on-child-success=rerun "${RUN[@]}"
within 10 runs_least 2
zk rm $BASE/schedule
n=$(runs)
check "a deleted record is made again" within 10 recorded activation
check "... and it goes on" within 10 runs_least $((n + 2))
is "$(twice)" 0 "... none twice"
stop a
zk seal $BASE/schedule
n=$(runs)
cron a "* * * * * *" "${T2[@]}" "${RUN[@]}"
check "a record that may not be read: said" within 10 logged a "reading $BASE/schedule is refused"
is "$("$BALLOT" info --zookeeper-servers="$(servers zk)" --zookeeper-base-path=$BASE | tail -n 2 | tr -d '\n')" "  notes:  - unreadable" "... and by info"
within 3 false
stop a
is "$(runs)" "$n" "... and nothing is run"

# --- skipped while it runs

rm -f "$RUNS"
BASE=/skip
cron a "* * * * * *" "${T2[@]}" --on-child-success=ignore -- sh -c "echo \$BALLOT_SCHEDULED_TIME >>$RUNS; sleep 2.5"
check "a run that takes three activations" within 10 runs_least 2
check "... skips them" logged a "the command still runs: the activation of .* is skipped"
is "$(($(date -d "$(sed -n 2p "$RUNS")" +%s) - $(date -d "$(sed -n 1p "$RUNS")" +%s)))" 3 "... and runs at the next one"
check "... and the record counts them" within 5 recorded '"skipped":"2"'
stop a

# --- policies

BASE=/policies
ends() { # STATUS OPTION... -- COMMAND...: run cron ends with it
    cron once "* * * * * *" "${T2[@]}" "${@:2}"
    ended once
    is "$STATUS" "$1" "cron, ${*:2}: ends with $1"
}
ends 0 --on-child-success=exit -- true
ends 3 --on-child-error=exit -- sh -c 'exit 3'
ends 127 --on-child-error=exit -- /no/such/command
check "... which the record says" recorded '"exitStatus":"127"'
ends 143 --on-child-error=exit --max-runtime=200ms -- sleep 10
check "... which the record says" recorded '"signal":"15"'
for policy in ignore rerun; do
    rm -f "$RUNS" "$T/a.log"
    cron a "* * * * * *" "${T2[@]}" --on-child-success=$policy --on-child-error=$policy -- sh -c "echo x >>$RUNS; exit \$((\$(wc -l <$RUNS) % 2))"
    check "$policy: waits for the next activation, whatever the end" within 10 runs_least 4
    is "$(grep -c 'leading, with' "$T/a.log")" 1 "... and stays the leader"
    stop a
done
rm -f "$RUNS"
cron a "* * * * * *" "${T2[@]}" "${RUN[@]}"
cron b "* * * * * *" "${T2[@]}" "${RUN[@]}"
check "reelect: the other one's turn" within 10 eval "grep -qs ' a\$' $RUNS && grep -qs ' b\$' $RUNS"
stop a b
is "$(twice)" 0 "... none twice"

# --- stopped by an operator, by a signal

rm -f "$RUNS"
BASE=/step
cron a "* * * * * *" "${T2[@]}" -- sh -c "echo \$BALLOT_SCHEDULED_TIME >>$RUNS; exec sleep 100"
within 10 runs_least 1
cron b "* * * * * *" "${T2[@]}" "${RUN[@]}"
within 10 proposals_are 2
check "step-down: the command is stopped, another leads" eval 'timeout 20 "$BALLOT" step-down --zookeeper-servers="$(servers zk)" --zookeeper-base-path=$BASE >"$T/down.out"'
check "... and runs" within 10 runs_least 3
is "$(twice)" 0 "... but not what was stopped"
stop a b
check "a candidate that is told to end says how its run ended" recorded '"exitStatus":"0"\|"signal":"15"'

# --- idle

BASE=/idle
cron a "0 0 1 1 *" --zookeeper-session-timeout=10s -- true
within 10 leader_is a
within 10 recorded nextActivation
ticks() { awk '{ print $14 + $15 }' "/proc/${PID[a]}/stat"; }
wakes() { awk '/^voluntary/ { print $2 }' "/proc/${PID[a]}/status"; }
t=$(ticks) w=$(wakes)
within 4 false
below $(($(ticks) - t)) 4 "a leader that waits uses no processor: ticks of 10 ms in 4 s"
below $(($(wakes) - w)) 30 "... and wakes up once a second and for its heartbeats: in 4 s"
stop a

# --- to the second

rm -f "$RUNS"
BASE=/exact
cron a "* * * * * *" "${T2[@]}" --on-child-success=rerun -- sh -c "echo \$BALLOT_SCHEDULED_TIME \$(date +%s%N) >>$RUNS"
within 20 runs_least 8
stop a
late=$(tail -n +3 "$RUNS" | while read -r at started; do echo $(((started - $(date -d "$at" +%s%N)) / 1000000)); done | sort -n)
below "$(tail -n 1 <<<"$late")" 999 "an activation is started in its second: the latest, in ms"
check "... and never before: $(head -n 1 <<<"$late") ms" test "$(head -n 1 <<<"$late")" -ge 0

# --- clocks that are wrong

rm -f "$RUNS"
BASE=/wrong
CLOCK=+1y cron ahead "* * * * * *" "${T2[@]}" "${RUN[@]}"
check "a clock a year ahead: hands over" within 10 logged ahead "our clock is 8760h0m0s ahead of the servers'"
cron a "* * * * * *" "${T2[@]}" "${RUN[@]}"
check "... the others run" within 10 runs_least 3
CLOCK='@1970-01-02 00:00:00' cron behind "* * * * * *" "${T2[@]}" "${RUN[@]}"
n=$(runs)
check "one in 1970: hands over" within 20 logged behind "behind the servers'"
check "... the others run" within 10 runs_least $((n + 3))
is "$(cat "$T/ahead.log" "$T/behind.log" | grep -c "handing over")" 2 "... the two stand aside for a while, and lead no more"
again() { [ "$(grep -c "handing over" "$T/ahead.log")" -ge 2 ]; }
[ -z "${SOAK:-}" ] || check "... and stand again a minute later" within 90 again
stop a ahead behind
refuse "... nor have they run anything" grep -qE ' (ahead|behind)$' "$RUNS"
zk set $BASE/schedule '{"schedule":"* * * * * *","activation":"2099-01-01T00:00:00Z"}' >/dev/null
rm -f "$RUNS"
cron a "* * * * * *" "${T2[@]}" "${RUN[@]}"
check "a poisoned record: the fleet goes on" within 10 runs_least 3
stop a

# --- missed activations

rm -f "$RUNS"
BASE=/missed
cron a "0 0 1 1 *" "${T2[@]}" "${RUN[@]}"
check "the first ballot ever records now" within 10 recorded '"activation"'
stop a
is "$(runs)" 0 "... and runs nothing"
minutes_ago() { date -u -d "$1 minutes ago" +%Y-%m-%dT%H:%M:00Z; }
hourly="$(date -u -d '2 minutes ago' +%M) * * * *"
missed() { zk set $BASE/schedule "{\"schedule\":\"TZ=UTC $hourly\",\"activation\":\"$(minutes_ago 50)\"}" >/dev/null; }
missed
cron a "TZ=UTC $hourly" "${T2[@]}" --catch-up=10m "${RUN[@]}"
check "an activation of 2 minutes ago, catch-up=10m: is run" within 10 runs_least 1
is "$(date -u -d "$(runs_last)" +%M)" "${hourly%% *}" "... as that of its minute"
stop a
rm -f "$RUNS"
missed
cron a "TZ=UTC $hourly" "${T2[@]}" --catch-up=10m -- sh -c "echo x >>$RUNS; exec sleep 100"
within 10 runs_least 1
within 10 recorded '"start"'
kill -KILL "$(guard_of a)" "${PID[a]}"
check "a run that nobody is left to see the end of: info says so" within 10 eval 'info | grep -qE "^  - started [0-9]+s ago, how it ended is not known$"'
rm -f "$RUNS"
missed
cron b "TZ=UTC $hourly" "${T2[@]}" "${RUN[@]}"
check "... the default, 1m: a warning" within 10 logged b "was missed, and is older than catch-up=1m0s: it is not run"
stop b
is "$(runs)" 0 "... and it is not run"
cron a "TZ=UTC ${hourly%% *} */1 * * *" "${T2[@]}" --catch-up=10m "${RUN[@]}"
check "another schedule: recorded" within 10 recorded 'UTC .. \*/1'
stop a
is "$(runs)" 0 "... and nothing is caught up"

# --- @every

rm -f "$RUNS"
BASE=/every
phases() { cut -d ' ' -f 1 "$RUNS" | while read -r at; do echo $(($(date -d "$at" +%s) % 3)); done | sort -u | wc -l; }
cron a "@every 3s" "${T2[@]}" "${RUN[@]}"
cron b "@every 3s" "${T2[@]}" "${RUN[@]}"
within 15 runs_least 2
for n in a b; do leader_is $n && kill -KILL "${PID[$n]}"; done
within 15 runs_least 3
stop a b
one_missed() { [ $(($(date +%s) - $(date -d "$(runs_last)" +%s))) -ge 4 ]; } # a second ago
within 10 one_missed
cron a "@every 3s" "${T2[@]}" "${RUN[@]}"
check "@every goes on over leaders, kills and restarts" within 15 runs_least 5
is "$(phases)" 1 "... in the same cadence"
is "$(twice)" 0 "... none twice"
stop a

# --- an identity

rm -f "$RUNS"
BASE=/sealed
cron a "* * * * * *" "${T2[@]}" --zookeeper-auth=digest:u:p "${RUN[@]}"
check "with zookeeper-auth" within 10 runs_least 2
check "... a stranger cannot read the record" eval 'zk get $BASE/schedule 2>&1 | grep -q "not authenticated"'
stop a
