#!/bin/bash
# Every cell of the policy tables, and the delays between starts.
. "$(dirname "$0")/lib.sh"
zk_start zk
quick=(--restart-delay=20ms)
tokens() { awk '$1 == "start" { print $4 }' "$JOBS/record" | head -n 3 | sort -u | wc -l; }
printf 'not executable' >"$T/plain"
cat >"$T/missing.sh" <<'X'
#!/nonexistent/interpreter
X
chmod +x "$T/missing.sh"

# --- on-child-success, on-child-error: how the job ends

cell() { # OPTION POLICY END STATUS: END is a word for job; STATUS is what `exit` gives
    fresh
    rm -f "$T/a.log"
    candidate a "${quick[@]}" "--on-child-$1=$2" -- "$JOB" "$JOBS" 1 "$3"
    case $2 in
    rerun)
        check "$1, $3, rerun: it runs again" within 10 started_least 3
        is "$(tokens)" 1 "... without resigning" ;;
    reelect)
        check "$1, $3, reelect: it runs again" within 10 started_least 3
        is "$(tokens)" 3 "... each time elected anew" ;;
    exit)
        ended a
        is "$STATUS" "$4" "$1, $3, exit: ballot ends with the command's status"
        is "$(started)" 1 "... after one run" ;;
    ignore)
        ended a
        is "$STATUS" 0 "$1, $3, ignore: ballot ends with 0"
        is "$(started)" 1 "... after one run" ;;
    esac
    stop a
    is "$(proposals)" 0 "... and leaves no proposal"
}
for policy in rerun reelect exit ignore; do
    cell success $policy exit=0 0
    cell error $policy exit=3 3
    cell error $policy signal=9 137
done

# --- commands that cannot be executed

hopeless() { # COMMAND STATUS TEXT
    local policy
    for policy in exit ignore reelect rerun; do
        rm -f "$T/a.log"
        candidate a "${quick[@]}" --on-child-error=$policy -- "$1"
        case $policy in
        exit) ended a; is "$STATUS" "$2" "$3, exit: status $2" ;;
        ignore) ended a; is "$STATUS" 0 "$3, ignore: status 0" ;;
        *) check "$3, $policy: tried again" within 10 eval "[ \$(grep -c 'cannot execute' $T/a.log) -ge 3 ]" ;;
        esac
        check "... and the log says why" logged a "cannot execute $1: "
        stop a
    done
}
hopeless "$T/nowhere" 127 "a command that cannot be found"
hopeless "$T/plain" 126 "a file that is not executable"
hopeless "$T" 126 "a folder"
hopeless "$T/missing.sh" 127 "a script whose interpreter is missing"

# --- on-election-failure

PORT[nobody]=$(port_choose)
"$ZK" "$(servers zk)" ephemeral /short-lived "" >/dev/null &
PID[stranger]=$!
within 5 "$ZK" "$(servers zk)" stat /short-lived >/dev/null
failing() { # HOW OPTION...: no server, or an ensemble that refuses
    if [ "$1" = absent ]; then
        SERVER=nobody candidate a "${@:2}"
    else
        BASE=/short-lived/election candidate a "${@:2}"
    fi
}
for how in absent refused; do
    fresh
    rm -f "$T/a.log"
    failing $how --zookeeper-session-timeout=1s --on-election-failure=exit -- "$JOB" "$JOBS" 1
    ended a
    is "$STATUS" 125 "$how, exit: status 125"
    check "... with a reason" grep -q 'no election is possible' "$T/a.log"
    is "$(started)" 0 "... and nothing was run"

    failing $how --zookeeper-session-timeout=1s --on-election-failure=retry -- "$JOB" "$JOBS" 1
    sleep 2.5
    check "$how, retry: it goes on trying" alive "${PID[a]}"
    is "$(started)" 0 "... and nothing was run"
    stop a

    failing $how --zookeeper-session-timeout=1s --on-election-failure=run-anyway --on-child-success=exit -- "$JOB" "$JOBS" 1
    ended a
    is "$STATUS" 0 "$how, run-anyway: the command is run, its status counts"
    is "$(awk '$1 == "start" { print $4 }' "$JOBS/record")" - "... without a fencing token"
    check "... and the log warns" logged a "running the command anyway"
done
check "the refusal is told with its place and cause" logged a "below /short-lived is refused: no children for ephemerals\|below /short-lived is refused: ephemeral nodes may not have children"

# run-anyway, and then contact: kept if elected, else left to end
fresh
zk_config nobody
candidate_anyway() { SERVER=nobody candidate "$1" --zookeeper-session-timeout=1s --on-election-failure=run-anyway --restart-delay=20ms -- "$JOB" "$JOBS" -1; }
candidate_anyway a
check "run-anyway without a server" within 5 started_least 1
zk_restart nobody
SERVER=nobody
check "... contact comes: elected with the command running" within 5 leader_is a
is "$(started)" 1 "... which is kept"
candidate_anyway b
within 5 proposals_are 2
sleep 1.2
is "$(started)" 1 "... and is the leader's: nobody else starts"
stop a b
SERVER=zk

# --- max-runtime, stop-timeout, restart-delay

fresh
candidate a --max-runtime=300ms --stop-timeout=200ms --on-child-error=exit -- "$JOB" "$JOBS" -1 ignore-term
ended a
is "$STATUS" 137 "max-runtime: stopped, killed after stop-timeout, and an error"
check "... as the log says" logged a "has run for 300ms, which is max-runtime"

fresh
candidate a --max-runtime=300ms --on-child-error=ignore -- "$JOB" "$JOBS" -1
ended a
is "$STATUS" 0 "max-runtime with on-child-error=ignore"

# (from one command's first instruction to the next one's: give or take what a loaded machine takes to get there)
gaps() { awk '$1 == "start" { if (t) printf "%d ", ($2 - t) / 1e6 + 0.5; t = $2 } END { print "" }' "$JOBS/record"; }
fresh
candidate a --restart-delay=300ms --on-child-success=rerun -- "$JOB" "$JOBS" 1
within 10 started_least 4
stop a
check "restart-delay is the least time between two starts ($(gaps)ms)" eval "gaps | awk '{ for (i = 1; i <= NF; i++) if (\$i >= 150) n++; if (n < 3 || n < NF) exit 1 }'"

fresh
candidate a --restart-delay=300ms --restart-delay-max=1s -- "$JOB" "$JOBS" 1 exit=1
within 10 started_least 6
stop a
check "it doubles with each further error, up to restart-delay-max ($(gaps)ms)" \
    eval "gaps | awk '\$1 >= 200 && \$2 >= 500 && \$3 >= 900 && \$4 >= 900 && \$5 < 2000 { ok = 1 } END { exit !ok }'"

# While it waits to stand again, it is out of the line
fresh
candidate a --restart-delay=2s -- "$JOB" "$JOBS" 1
within 10 started_least 1
check "after reelect, restart-delay is served out of the line" within 1 proposals_are 0
stop a
