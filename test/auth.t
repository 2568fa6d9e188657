#!/bin/bash
# An identity for the ensemble: what others may not do then, and that it stays secret.
. "$(dirname "$0")/lib.sh"
zk_start zk
printf 'digest:fleet:%s\n' 'pass:word with blanks' >"$T/identity"
chmod 600 "$T/identity"
secret='pass:word'
me=(--zookeeper-auth-file="$T/identity" --zookeeper-session-timeout=10s --restart-delay=0s)
job() { candidate "$1" "${@:2}" -- "$JOB" "$JOBS" -1; } # NAME OPTION...

describe "Candidates with one identity elect a leader"
BASE=/guarded/election
candidate a "${me[@]}" -- "$JOB" "$JOBS" -1
check "a candidate with an identity leads" within 5 started_least 1
candidate b "${me[@]}" -- "$JOB" "$JOBS" -1
check "another one of the same identity stands" within 5 logged b "standing as"

goes_on "A client without the identity may not touch the election, nor stand in it"
proposal=$(sed -n 's/.*standing as //p' "$T/a.log")
refused() { zk "$@" 2>&1 | grep -q 'not authenticated'; }
check "it cannot read the base" refused get "$BASE"
check "... nor list it" refused ls "$BASE"
check "... nor its parent" refused ls /guarded
check "... nor delete a proposal" refused rm "$proposal"
check "... nor join" refused create "$BASE/proposal-" x
job c --on-election-failure=exit
ended c
is "$STATUS" 125 "a candidate without identity fails"
refusal="creating a proposal below $BASE is refused: not authenticated"
check "... and says why" \
    logged c "$refusal (its access list gives clients without zookeeper-auth no right \"create\""
job d --zookeeper-auth=digest:fleet:wrong --on-election-failure=exit
ended d
is "$STATUS" 125 "one with a wrong identity fails too"
check "... and says why" logged d "gives our zookeeper-auth no right \"create\""
refuse "... without showing it" logged d wrong

goes_on "A base that was made without the identity is warned of"
warns() { # CANDIDATE BASE
    local which="setAcl $2 auth::cdrwa, likewise for its children requests and schedule, if"
    grep -q "warn  any client may change $2, although zookeeper-auth is set; .*$which" "$T/$1.log"
}
refuse "not one for that identity alone: a" warns a "$BASE"
refuse "not one for that identity alone: b" warns b "$BASE"
mine=$BASE
BASE=/open
zk create $BASE "" >/dev/null
for c in f g; do
    candidate $c "${me[@]}" --log-level=trace -- sleep 1000
    check "one that is open to all: $c" within 5 warns $c $BASE
done
stop f
within 5 logged g leading
for c in f g; do is "$(times_logged $c 'request: read access')" 1 "each candidate reads it once: $c"; done
stop g
BASE=$mine

goes_on "The leader is killed: its last will has the identity as well"
kill -KILL "${PID[a]}"
check "another takes over without waiting for its session" within 5 started_least 2
is "$(overlaps)" 0 "... never two at a time"

goes_on "A server that was away is told the identity again"
job e "${me[@]}"
within 5 logged e "standing as"
zk_kill zk
zk_restart zk
check "a server that was away knows the identity again" within 10 logged b "connected to ZooKeeper.*after"
within 10 logged e "connected to ZooKeeper.*after"
stop b
check "... so that the leader can resign" within 6 started_least 3
stop e

describe "An identity from the environment is shown neither to the command nor in /proc"
BALLOT_ZOOKEEPER_AUTH="digest:fleet:pass:word with blanks" candidate a --debug --log-level=trace -- \
    sh -c 'env; tr "\0" "\n" </proc/$PPID/environ; exec sleep 100'
within 5 grep -q BALLOT_FENCING_TOKEN "$T/a.out"
guard=$(guard_of a)
refuse "the variable is gone from the command's environment" grep -q "$secret" "$T/a.out"
refuse "... and overwritten in ballot's own" grep -q "$secret" "/proc/${PID[a]}/environ" "/proc/$guard/environ"
stop a

describe "An identity from a flag is overwritten in ps, and no log shows it"
job f --debug --log-level=trace --zookeeper-auth "digest:fleet:pass:word with blanks"
within 5 started_least 1
job g --debug --log-level=trace --zookeeper-auth="digest:fleet:pass:word with blanks"
within 5 logged g "standing as"
refuse "the flag is overwritten in ps" \
    grep -q "$secret" "/proc/${PID[f]}/cmdline" "/proc/${PID[g]}/cmdline" "/proc/$(guard_of g)/cmdline"
check "... which still shows that there was one" grep -qa 'zookeeper-auth=\*\*\*' "/proc/${PID[g]}/cmdline"
timeout 20 "$BALLOT" step-down --zookeeper-auth-file="$T/identity" --zookeeper-servers="$(servers zk)" \
    --zookeeper-base-path="$BASE" >"$T/down.out"
is $? 0 "step-down, with the identity"
check "... what it asks is for that identity alone, as the base is" refused get "$BASE/requests"
stop f g
refuse "no log ever shows it, at --debug --log-level=trace" grep -rqa "$secret" "$T" --include='*.log' --include='*.out'
check "... \`ballot config\` that there is one" grep -qx 'zookeeper-auth = (not shown) ; --zookeeper-auth' \
    <("$BALLOT" config --zookeeper-auth="digest:fleet:pass:word with blanks")

describe "No process of ballot may leave a core, but with --debug"
# In /proc a process that is not dumpable belongs to root; so this is tried as another user.
plain=()
[ "$(id -u)" = 0 ] && plain=(setpriv --reuid=65534 --regid=65534 --clear-groups)
cp "$BALLOT" "$T/ballot"
chmod 755 "$T" "$T/ballot"
PORT[none]=$(port_choose)
is_ballot() { [ "$(cat "/proc/$1/comm" 2>/dev/null)" = ballot ]; } # PID: by now
undumpable() { is_ballot "$1" && [ "$(stat -c %u "/proc/$1/environ")" = 0 ]; } # PID
dumpable() { is_ballot "$1" && [ "$(stat -c %u "/proc/$1/environ")" != 0 ]; } # PID
for words in 'run once --candidate-id=a true' info watch step-down; do
    for debug in false true; do
        # shellcheck disable=SC2086
        (cd / && HOME=/ exec "${plain[@]}" "$T/ballot" --debug=$debug --zookeeper-session-timeout=1m \
            --zookeeper-servers="$(servers none)" $words) >>"$T/plain.log" 2>&1 &
        PID[plain]=$!
        if [ $debug = true ]; then
            check "... with --debug it may" within 5 dumpable "${PID[plain]}"
        else
            check "$words: may leave no core" within 5 undumpable "${PID[plain]}"
        fi
        kill -KILL "${PID[plain]}" && wait "${PID[plain]}" 2>/dev/null
        : >"$T/plain.log"
    done
done

describe "Servers that take no identity at all: a candidate with one says so, and soon is quiet"
ZK_JAVA=(java -Dzookeeper.DigestAuthenticationProvider.enabled=false)
zk_start plain
SERVER=plain
job h "${me[@]}" --on-election-failure=exit
ended h
is "$STATUS" 125 "servers without a digest provider: a candidate with an identity fails"
check "... and says why" logged h "the server refuses zookeeper-auth (is its digest provider switched off?)"
job i "${me[@]}"
check "... retry: says so" within 5 logged i "the server refuses zookeeper-auth"
pause 3
below "$(lines "$T/i.log")" 15 "... in a few lines of log"
below "$(grep -c "connected to ZooKeeper" "$T/i.log")" 3 "... and a few sessions"
stop i
