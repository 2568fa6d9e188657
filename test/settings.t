#!/bin/bash
# Flags and environment: where settings come from, and what is said about bad ones.
. "$(dirname "$0")/lib.sh"
PORT[nobody]=$(port_choose)
nobody=127.0.0.1:${PORT[nobody]}
try() { # ARG...: output in $T/out, status in STATUS; never reaches a server
    timeout 20 "$BALLOT" "$@" >"$T/out" 2>&1
    STATUS=$?
}
fails() { # TEXT ARG...: refused with 125, one line, that text
    local text=$1
    shift
    try "$@"
    check "$* => $text" eval "[ $STATUS = 125 ] && [ \$(wc -l <$T/out) = 1 ] && grep -qF -- '$text' $T/out" || cat "$T/out"
}
gives() { # SETTING=VALUE SOURCE ARG...: what --debug lists
    local setting=$1 source=$2
    shift 2
    try run once --debug --zookeeper-servers="$nobody" --zookeeper-session-timeout=100ms --on-election-failure=exit "$@" -- true
    check "$setting from $source" grep -qF "setting $setting ($source)" "$T/out" || grep setting "$T/out"
}

# --- usage

fails "what to do? \`ballot help\` lists the commands"
fails "\"run\" is not the whole command" run
fails "unknown command \"rum\"; did you mean \"run once\"?" rum once
fails "unknown command \"run onec\"; did you mean \"run once\"?" run onec
fails "unknown command \"info runn\"; \`ballot help\` lists them" info runn
fails "which COMMAND?" run once --candidate-id=a
fails "which COMMAND?" run once --candidate-id=a --
fails "--candidate-id is missing" run once -- true
fails "unknown option --candidate; " run once --candidate=a -- true
fails "did you mean --log-level?" --log-leve=debug run once --candidate-id=a -- true
fails "--log-level needs a value" run once --candidate-id=a --log-level
fails "options are long" run once -x --candidate-id=a -- true

# --- values: the source, the value, what was expected

fails "--stop-timeout: \"5\" is not a duration such as 300ms, 5s or 1h30m" run once --candidate-id=a --stop-timeout=5 -- true
fails "--stop-timeout: \"-5s\" is not a duration" run once --candidate-id=a --stop-timeout=-5s -- true
fails "--on-disconnect: \"stay\" is not one of keep stop" run once --candidate-id=a --on-disconnect=stay -- true
fails "--debug: \"maybe\" is not true or false" run once --candidate-id=a --debug=maybe -- true
fails "--candidate-id: \"\" is not 1 to 1000 bytes of text" run once --candidate-id= -- true
fails "\"0s\" is not between 1ms and 298h" run once --candidate-id=a --zookeeper-session-timeout=0s -- true
for path in relative / /a/ //a /a//b /a/./b /a/../b $'/a\tb' $'/a\xff'; do
    fails "is not a path such as /ballot/election" run once --candidate-id=a --zookeeper-base-path="$path" -- true
done
for list in '' , host: host:0 host:65536 host:port ::1 '[::1' '[::1]x' a:1:2; do
    fails "is not HOST, HOST:PORT or [V6]:PORT" run once --candidate-id=a --zookeeper-servers="$list" -- true
done
fails "on-election-failure=run-anyway contradicts on-disconnect=stop" \
    run once --candidate-id=a --on-disconnect=stop --on-election-failure=run-anyway -- true
BALLOT_STOP_TIMEOUT=soon fails "BALLOT_STOP_TIMEOUT in the environment: \"soon\" is not a duration" run once --candidate-id=a -- true
LOG_LEVEL=loud fails "LOG_LEVEL in the environment: \"loud\" is not one of trace debug" run once --candidate-id=a -- true

# --- sources and their precedence

export BALLOT_STOP_TIMEOUT=7s BALLOT_CANDIDATE_ID=ours CANDIDATE_ID=plain ON_CHILD_ERROR=exit BALLOT_WRAP_CHILD_LOGS=false
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
unset BALLOT_STOP_TIMEOUT
STOP_TIMEOUT=1s gives stop-timeout=10s default
BALLOT_LOG_LEVEL='' gives log-level=info default
BALLOT_NO_SUCH=1 gives log-level=info default
DEBUG=yes-please gives log-level=info default
DEBUG=yes-please try run once --zookeeper-servers="$nobody" --zookeeper-session-timeout=100ms --on-election-failure=exit -- true
check "a plain DEBUG of somebody else's is a warning" grep -q 'warn .*DEBUG="yes-please"' "$T/out"
export BALLOT_ZOOKEEPER_SERVERS="h1 h2:2182,[::1]:2183"
try run once --debug --zookeeper-session-timeout=100ms --on-election-failure=exit -- true
check "lists are separated by commas or white space" grep -qF 'setting zookeeper-servers=h1,h2:2182,[::1]:2183 ' "$T/out"
unset BALLOT_ZOOKEEPER_SERVERS
try run once --debug --zookeeper-servers=h1 --zookeeper-servers=h2 --zookeeper-session-timeout=100ms --on-election-failure=exit -- true
check "a repeated list option adds" grep -qF 'setting zookeeper-servers=h1,h2 ' "$T/out"
check "names that cannot be resolved are told" grep -q 'cannot resolve any of zookeeper-servers h1,h2\|no contact with ZooKeeper at h1,h2' "$T/out"

# --- the shape of the command line

quick=(--zookeeper-servers="$nobody" --zookeeper-session-timeout=100ms --on-election-failure=run-anyway --on-child-success=exit --log-level=error)
try "${quick[@]}" run once --wrap-child-logs=false echo --debug "a  b"
check "options before and after the command words; COMMAND keeps its own" grep -qx -- '--debug a  b' "$T/out"
try "${quick[@]}" run --wrap-child-logs=false once -- echo done
check "... between them too, and --" grep -qx done "$T/out"
