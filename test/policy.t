#!/bin/bash
# Every cell of the policy tables, and the delays between starts.
. "$(dirname "$0")/lib.sh"
zk_start zk
quick=(--restart-delay=20ms)
printf 'not executable' >"$T/plain"
cat >"$T/missing.sh" <<'X'
#!/nonexistent/interpreter
X
chmod +x "$T/missing.sh"

# How the command ends; the policy for that (on-child-success for exit=0, else on-child-error; unit.c shows that the
# other one does not matter); what ballot does next, and what the Go ballot was seen to do: it runs the command again in
# the same leadership, or in another, or ends with that status.
table='
exit=0   rerun   again   again
exit=0   reelect elected elected
exit=0   exit    0       0
exit=0   ignore  0       0
exit=3   rerun   again   again
exit=3   reelect elected elected
exit=3   exit    3       3
exit=3   ignore  0       0
signal=9 rerun   again   again
signal=9 reelect elected elected
signal=9 exit    137     255
signal=9 ignore  0       0
missing  rerun   again   again
missing  reelect elected elected
missing  exit    127     0
missing  ignore  0       0
'
describe "on-child-success, on-child-error: each policy for each way that a command can end"
from_go() { sed -n '/^## Moving from the Go ballot/,/^## /p' "$here/../README.md" | grep '^|'; }
starts() { # END POLICY: a candidate whose command ends so
    local command=("$JOB" "$JOBS" 1 "$1") kind=error
    [ "$1" != exit=0 ] || kind=success
    [ "$1" != missing ] || command=("$T/nowhere")
    fresh
    rm -f "$T/a.log"
    candidate a "${quick[@]}" "--on-child-$kind=$2" -- "${command[@]}"
}
cell() { # END POLICY NEXT GO: a row of the table
    starts "$1" "$2"
    case $3 in
    again)
        check "$1, $2: it runs again" within 10 prints_least 3 times_logged a '; running it again in [0-9]*ms'
        is "$(times_logged a 'leading, with')" 1 "... without resigning" ;;
    elected)
        check "$1, $2: it runs again" within 10 prints_least 3 times_logged a '; standing again in [0-9]*ms'
        check "... each time elected anew" prints_least 3 times_logged a 'leading, with' ;;
    *)
        ended a
        is "$STATUS" "$3" "$1, $2: ballot ends with status $3"
        is "$(times_logged a ' starting ')" 1 "... after one run" ;;
    esac
    stop a
    is "$(proposals)" 0 "... and leaves no proposal"
    [ "$3" = "$4" ] || check "... where the Go ballot ends with $4, as the README says" \
        prints_like "\\b$4\\b.*\\|.*\\b($3|128\\+n)\\b" from_go
}
while read -r row; do
    # shellcheck disable=SC2086
    [ -z "$row" ] || cell $row
done <<<"$table"

describe "A command that cannot be executed is an error with a status of its own"
hopeless() { # COMMAND STATUS TEXT
    rm -f "$T/a.log"
    candidate a "${quick[@]}" --on-child-error=exit -- "$1"
    ended a
    is "$STATUS" "$2" "$3: status $2"
    check "... and the log says why" logged a "error cannot execute $1: .*; ending with status $2"
}
hopeless "$T/nowhere" 127 "a command that cannot be found"
hopeless "$T/plain" 126 "a file that is not executable"
hopeless "$T" 126 "a folder"
hopeless "$T/missing.sh" 127 "a script whose interpreter is missing"

PORT[late]=$(port_choose) # no server is there yet
"$ZK" "$(servers zk)" ephemeral /short-lived "" >/dev/null &
PID[stranger]=$!
within 5 exists /short-lived # no node can be made below it
failing() { # absent|refused POLICY: no server, or an ensemble that refuses
    [ "$1" = refused ] && BASE=/short-lived/election || SERVER=late
    candidate a --zookeeper-session-timeout=1s --on-election-failure="$2" --on-child-success=exit -- "$JOB" "$JOBS" 1
}
for how in absent refused; do
    describe "on-election-failure=exit, servers $how: ballot ends with 125, and nothing is run"
    failing $how exit
    ended a
    is "$STATUS" 125 "status 125"
    check "... with a reason" grep -q 'no election is possible' "$T/a.log"
    check "... which is the last word: no line says that it tries on" \
        prints_like '; ending, as on-election-failure=exit demands$' tail -n 1 "$T/a.log"
    is "$(started)" 0 "... and nothing was run"

    describe "on-election-failure=retry, servers $how: the candidate is still trying, and nothing is run"
    failing $how retry
    pause 2.5
    check "it is still trying" alive "${PID[a]}"
    is "$(started)" 0 "... and nothing was run"
    stop a

    describe "on-election-failure=run-anyway, servers $how: the command is run, without a fencing token"
    failing $how run-anyway
    ended a
    is "$STATUS" 0 "the command is run, its status counts"
    is "$(awk '$1 == "start" { print $4 }' "$JOBS/record")" - "... without a fencing token"
    check "... and the log warns" logged a "running the command anyway"
done
refusal="below /short-lived is refused: no children for ephemerals"
refusal+="\|below /short-lived is refused: ephemeral nodes may not have children"
check "the refusal is told with its place and cause" logged a "$refusal"

describe "run-anyway: rerun runs again after restart-delay, reelect waits for an election each time"
mkdir "$T/waits"
again() { # POLICY FOLDER
    SERVER=late candidate "$1" --zookeeper-session-timeout=1s --on-election-failure=run-anyway --restart-delay=50ms \
        --on-child-success="$1" -- "$JOB" "$2" 1
}
again rerun "$JOBS"
again reelect "$T/waits"
check "rerun runs again and again" within 5 started_least 5
below "$(grep -c ^start "$T/waits/record")" 2 "... reelect waits"
stop rerun reelect

describe "run-anyway, then contact: the command of the elected candidate is kept, and no other starts"
anyway() { # NAME
    candidate "$1" --zookeeper-session-timeout=1s --on-election-failure=run-anyway --restart-delay=20ms -- \
        "$JOB" "$JOBS" -1
}
zk_config late
SERVER=late
anyway a
check "run-anyway without a server" within 5 started_least 1
zk_restart late
check "... contact comes: elected with the command running" within 5 leader_is a
is "$(started)" 1 "... which is kept"
anyway b
within 5 proposals_are 2
pause 1.2
is "$(started)" 1 "... and is the leader's: no other candidate starts it"
stop a b

describe "max-runtime: a command that runs longer is stopped, and that is an error"
candidate a --max-runtime=300ms --stop-timeout=200ms --on-child-error=exit -- "$JOB" "$JOBS" -1 ignore-term
ended a
is "$STATUS" 137 "max-runtime: stopped, killed after stop-timeout, and an error"
check "... as the log says" logged a "has run for 300ms, which is max-runtime"

describe "max-runtime with on-child-error=ignore: ballot ends with 0"
candidate a --max-runtime=300ms --on-child-error=ignore -- "$JOB" "$JOBS" -1
ended a
is "$STATUS" 0 "max-runtime with on-child-error=ignore"

# From one command's first instruction to the next one's, give or take what a loaded machine takes to get there.
gaps() { awk '$1 == "start" { if (t) printf "%d ", ($2 - t) / 1e6 + 0.5; t = $2 } END { print "" }' "$JOBS/record"; }

describe "restart-delay is the least time between two starts"
at_rest() { # three gaps at least, none of them under half of the delay
    gaps | awk '{ for (i = 1; i <= NF; i++) if ($i >= 150) n++; if (n < 3 || n < NF) exit 1 }'
}
candidate a --restart-delay=300ms --on-child-success=rerun -- "$JOB" "$JOBS" 1
within 10 started_least 4
stop a
check "three gaps at least, of $(gaps)ms" at_rest

describe "restart-delay doubles with each error in a row, up to restart-delay-max"
doubled() { gaps | awk '$1 >= 200 && $2 >= 500 && $3 >= 900 && $4 >= 900 && $5 < 2000 { ok = 1 } END { exit !ok }'; }
candidate a --restart-delay=300ms --restart-delay-max=1s -- "$JOB" "$JOBS" 1 exit=1
within 10 started_least 6
stop a
check "gaps of $(gaps)ms" doubled

describe "A candidate that waits for restart-delay before it stands again has left the queue"
candidate a --restart-delay=2s -- "$JOB" "$JOBS" 1
within 10 started_least 1
check "after reelect, it has no proposal meanwhile" within 1 proposals_are 0
stop a
