#!/bin/bash
# Flags and environment: where settings come from, and what is said about bad ones.
# No server is ever reached.
. "$(dirname "$0")/lib.sh"
PORT[none]=$(port_choose)
no_server=(--zookeeper-servers="127.0.0.1:${PORT[none]}" --zookeeper-session-timeout=100ms)
try() { # ARG...: output in $T/out, status in STATUS
    timeout 20 "$BALLOT" "$@" >"$T/out" 2>&1
    STATUS=$?
}
refused_with() { [ "$STATUS" = 125 ] && [ "$(lines "$T/out")" = 1 ] && holds "$T/out" "$1"; } # TEXT
fails() { # TEXT ARG...: refused with 125, one line, that text
    try "${@:2}"
    check "${*:2} => $1" refused_with "$1" || cat "$T/out"
}
run_fails() { fails "$1" run once --candidate-id=a "${@:2}" -- true; } # TEXT OPTION...
shows() { holds "$T/out" "${1%%=*} = ${1#*=} ; "; } # SETTING=VALUE: in what `ballot config` has listed
gives() { # SETTING=VALUE SOURCE OPTION...: what `ballot config` lists
    try config run once "${@:3}"
    check "$1 from $2" grep -qxF "${1%%=*} = ${1#*=} ; $2" "$T/out" || cat "$T/out"
}

describe "Usage errors name what is wrong, and what was probably meant"
try
is "$STATUS $(cat "$T/out")" "125 $("$BALLOT" help)" "ballot alone shows its usage"
fails "\"run\" is not the whole command" run
fails "unknown command \"rum\"; did you mean \"run once\"?" rum once
fails "unknown command \"run onec\"; did you mean \"run once\"?" run onec
fails "unknown command \"info runn\"; \`ballot help\` lists them" info runn
fails "which COMMAND?" run once --candidate-id=a
fails "which COMMAND?" run once --candidate-id=a --
fails "--candidate-id is missing" run once -- true
fails "unknown option --candidate; " run once --candidate=a -- true
fails "did you mean --log-level?" --log-leve=debug run once --candidate-id=a -- true
fails "did you mean --output-format?" info --output=json
fails "did you mean --output-format?" info --format=json
fails "did you mean --log-format?" run once --format=json
fails "did you mean --zookeeper-servers?" info --servers=a
fails "did you mean --zookeeper-auth-file?" info --zookeeper-auth-fil=a
fails "did you mean --zookeeper-base-path?" info --base-path=/a
fails "did you mean --on-child-success?" run once --on-sucess=exit -- true
fails "unknown option --if; \`ballot help\` lists them all" info --if=a
fails "--log-level needs a value" run once --candidate-id=a --log-level
fails "options are long" run once -x --candidate-id=a -- true

describe "A bad value is told with its source, the value, and what was expected"
run_fails "--stop-timeout: \"5\" is not a duration such as 300ms, 5s or 1h30m" --stop-timeout=5
run_fails "--stop-timeout: \"-5s\" is not a duration" --stop-timeout=-5s
run_fails "--on-disconnect: \"stay\" is not one of keep stop" --on-disconnect=stay
run_fails "--debug: \"maybe\" is not true or false" --debug=maybe
fails "--candidate-id: \"\" is not 1 to 1000 bytes of text" run once --candidate-id= -- true
run_fails "\"0s\" is not between 1ms and 298h" --zookeeper-session-timeout=0s
for path in relative / /a/ //a /a//b /a/./b /a/../b $'/a\tb' $'/a\xff'; do
    run_fails "is not a path such as /ballot/election" --zookeeper-base-path="$path"
done
for list in '' , 'h#1' 'h=1' $'h\xff' host: host:0 host:65536 host:port ::1 '[::1' '[::1]x' a:1:2; do
    run_fails "is not HOST, HOST:PORT or [V6]:PORT" --zookeeper-servers="$list"
done
run_fails "separated by commas; a path behind them belongs in front of zookeeper-base-path" \
    --zookeeper-servers=h:2181/app
run_fails "on-election-failure=run-anyway contradicts on-disconnect=stop" \
    --on-disconnect=stop --on-election-failure=run-anyway
BALLOT_STOP_TIMEOUT=soon run_fails "BALLOT_STOP_TIMEOUT in the environment: \"soon\" is not a duration"
LOG_LEVEL=loud run_fails "LOG_LEVEL in the environment: \"loud\" is not one of trace debug"

describe "A stop-timeout for which a lease that ends leaves no time: warned, with the time that there is"
stops() { # OPTION...
    try config run once --zookeeper-session-timeout=500ms --on-disconnect=stop --candidate-id=a "$@"
}
stops --stop-timeout=80ms
check "over 2/15 of the session timeout, in milliseconds" \
    grep -q "stop-timeout=80ms cannot be honoured when contact is lost: .* has 67ms between" "$T/out"
stops --stop-timeout=66ms
refuse "... no more than that: nothing is said" grep -q "cannot be honoured" "$T/out"
stops
refuse "... nor where it is not set: what there is follows from the session timeout" \
    grep -q "cannot be honoured" "$T/out"

describe "\`ballot config\` shows when what happens, checks all, and starts nothing"
deadlines() { sed -n 's/^; ms from the sending of the last acknowledged heartbeat: //p' "$T/out"; }
try config run once --candidate-id=a --on-disconnect=stop -- touch "$T/touched"
is "$STATUS $(deadlines)" "0 heartbeat 1000 term 2500 kill 3167 lease 3333 claim 4167" "stop"
refuse "... nothing is started" test -e "$T/touched"
try config run cron --candidate-id=a --schedule=@daily --zookeeper-session-timeout=10s
is "$STATUS $(deadlines)" "0 heartbeat 2000 lease 6667 claim 10000" "keep"
try config
is "$STATUS" 0 "without a command's words"
check "... the settings that all have" shows 'log-level=info'
check "... one that is not set" grep -qx '; zookeeper-auth is not set' "$T/out"
fails "--candidate-id is missing" config run once
fails "\"run\" is not the whole command" config run
try config run cron --candidate-id=a --schedule='61 * * * *'
is "$STATUS $(head -n 1 "$T/out")" '125 ballot: --schedule: minute: "61" is not a number from 0 to 59' "a bad schedule"
info_settings=$("$BALLOT" config info | cut -d ' ' -f 1)
for set in log-level output-format check; do check "info has $set" grep -qx "$set" <<<"$info_settings"; done

describe "Precedence: the flag, BALLOT_NAME, the Go ballot's plain NAME, the default"
export BALLOT_STOP_TIMEOUT=7s BALLOT_CANDIDATE_ID=ours BALLOT_WRAP_CHILD_LOGS=false
export CANDIDATE_ID=plain ON_CHILD_ERROR=exit
gives stop-timeout=7s "BALLOT_STOP_TIMEOUT in the environment"
gives stop-timeout=8s --stop-timeout --stop-timeout=8s
gives stop-timeout=9s --stop-timeout --stop-timeout=8s --stop-timeout 9s
gives candidate-id=ours "BALLOT_CANDIDATE_ID in the environment"
gives wrap-child-logs=false "BALLOT_WRAP_CHILD_LOGS in the environment"
gives on-child-error=exit "ON_CHILD_ERROR in the environment"
unset BALLOT_CANDIDATE_ID
gives candidate-id=plain "CANDIDATE_ID in the environment"
gives max-runtime=0s default
STOP_TIMEOUT=1s gives stop-timeout=7s "BALLOT_STOP_TIMEOUT in the environment" # not one of the Go ballot's
unset BALLOT_STOP_TIMEOUT CANDIDATE_ID ON_CHILD_ERROR BALLOT_WRAP_CHILD_LOGS

describe "Variables that are not settings, or plain ones with a bad value, change nothing"
export BALLOT_CANDIDATE_ID=a
STOP_TIMEOUT=1s gives stop-timeout=10s default
BALLOT_LOG_LEVEL='' gives log-level=info default
BALLOT_NO_SUCH=1 gives log-level=info default
DEBUG=yes-please gives log-level=info default
DEBUG=yes-please try run once "${no_server[@]}" --on-election-failure=exit -- true
check "a plain DEBUG that is not for ballot is a warning" grep -q 'warn .*DEBUG="yes-please"' "$T/out"

describe "Words are taken as the Go ballot takes them: in any case, warning for warn, -o=json"
for level in INFO Info WARN warn warning Warning; do
    LOG_LEVEL=$level try next @daily -n 1
    is "$STATUS" 0 "LOG_LEVEL=$level"
done
gives on-child-error=Exit --on-child-error --on-child-error=Exit
LOG_LEVEL=warning try run once "${no_server[@]}" --on-election-failure=run-anyway --on-child-success=exit -- true
check "warning is warn: a warning is logged" grep -q ' warn  .*anyway' "$T/out"
refuse "no info line is" grep -q ' info ' "$T/out"
try next @daily -n=2
is "$(lines "$T/out")" 2 "-n=2 is -n 2"
try config info -o=table
check "-o=table is -o table" shows 'output-format=table'

describe "Lists are separated by commas or white space, and a repeated option adds"
BALLOT_ZOOKEEPER_SERVERS="h1 h2:2182,[::1]:2183" try config
check "lists are separated by commas or white space" shows 'zookeeper-servers=h1,h2:2182,[::1]:2183'
try config run once --zookeeper-servers=h1 --zookeeper-servers=h2
check "a repeated list option adds" shows 'zookeeper-servers=h1,h2'
try run once --candidate-id=a --zookeeper-session-timeout=100ms --on-election-failure=exit \
    --zookeeper-servers=h1,h2 true
check "names that cannot be resolved are told" \
    grep -q 'cannot resolve any of zookeeper-servers h1,h2\|not in contact with a ZooKeeper server' "$T/out"

describe "Options stand before, between and after the command words; COMMAND keeps its own"
runs=("${no_server[@]}" --on-election-failure=run-anyway --on-child-success=exit --log-level=error)
try "${runs[@]}" run once --wrap-child-logs=false echo --debug "a  b"
check "before and after the command words; COMMAND keeps its own" grep -qx -- '--debug a  b' "$T/out"
try "${runs[@]}" run --wrap-child-logs=false once -- echo done
check "between them too, and --" grep -qx done "$T/out"

describe "Options of ballot's behind COMMAND are COMMAND's; where no -- stands in front of it, a warning names them"
runs=(--log-level=warn "${no_server[@]}" --on-election-failure=run-anyway --on-child-success=exit)
behind="warn  %s stands behind the command, echo, and is passed on to it"
try "${runs[@]}" run once echo --on-child-error exit --on-disconnect=stop --count=3 -o json -- --dst=wall
check "--on-child-error exit" holds "$T/out" "${behind/\%s/--on-child-error}"
check "--on-disconnect=stop" holds "$T/out" "${behind/\%s/--on-disconnect}"
is "$(grep -c 'stands behind' "$T/out")" 2 "no other is"
try "${runs[@]}" run once -- echo --on-child-error=exit
refuse "none is behind --" grep -q 'stands behind' "$T/out"
