# Sourced by the tests: TAP, private ZooKeeper servers, candidates, bounded waits.
# Everything lives in $T and is ended by exact pid when the test ends.
#
# A test is read from top to bottom, one behaviour a block:
#
#     describe "A leader that is killed is followed by the next candidate"
#     candidate a -- "$JOB" "$JOBS" -1
#     within 10 started_least 1
#     ...
#     check "its guard resigns for it" within 2 leader_is b
#
# A block that needs what the one above has left begins with goes_on instead. What is checked or
# waited for is a command with its arguments: those below, or a small function that stands above
# its first use. It ends with 0 for yes, with 1 for no; anything else is an error.
# shellcheck shell=bash disable=SC2034

[ -r /proc/self/status ] || { echo "1..0 # skip /proc is not mounted, which bash, Java and these tests need"; exit; }
(($(awk '$1 == "SigIgn:" { print "0x" $2 }' /proc/$$/status) & 1)) && # by nohup, say
    exec perl -e '$SIG{HUP} = "DEFAULT"; exec @ARGV' bash "$0" "$@"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BALLOT=${BALLOT:-$here/../ballot}
JOB=$here/bin/job
ZK=$here/bin/zk
shm=/dev/shm
[ -w $shm ] || shm=${TMPDIR:-/tmp}
T=$(mktemp -d "$shm/ballot-test.XXXXXX")
declare -A PID    # candidates and servers by name
declare -A PORT   # of servers
TESTS=0 FAILED=0
# without the shell's job news
exec 2> >(exec grep --line-buffered -vE \
    'line [0-9]+: +[0-9]+ (Killed|Aborted|Segmentation fault|Terminated|Hangup|Quit)' >&2)
unset BALLOT_DEBUG DEBUG
export LC_ALL=C.UTF-8 # for sort, grep and wc; ballot itself knows no locale

# --- TAP

BLOCK=0
# describe resets BASE, SERVER and JOBS: set others inside the block.
describe() { # SENTENCE: a behaviour; the block has an election of its own, and nothing is recorded yet
    note "$1"
    TITLE=$1
    BLOCK=$((BLOCK + 1))
    BASE=/block-$BLOCK
    SERVER=zk
    runs_to "$T/runs-$BLOCK"
    JOBS=$T/jobs
    fresh
    rm -f "$T"/*.log
}
goes_on() { # SENTENCE: a behaviour; the block goes on from what the one above has left
    note "$1"
    TITLE=$1
}
ok() { # STATUS DESCRIPTION
    TESTS=$((TESTS + 1))
    if [ "$1" = 0 ]; then
        echo "ok $TESTS - $2"
    else
        FAILED=$((FAILED + 1))
        echo "not ok $TESTS - $2"
        complain "check $TESTS failed: $2${TITLE:+ (in: $TITLE)}"
        [ $FAILED = 1 ] && for f in "$T"/*.log; do
            [ -f "$f" ] && complain "the end of $f:" && tail -n 25 "$f" | cut -c1-300 | sed 's/^/#     /' >&2
        done
        return 1
    fi
}
complain() { echo "# ${0##*/}: $*" >&2; } # prove hides what stdout says
check() { # DESCRIPTION COMMAND...: passes if COMMAND does
    local what=$1
    shift
    "$@"
    ok $? "$what"
}
refuse() { check "$1" not "${@:2}"; } # DESCRIPTION COMMAND...: passes if COMMAND says no
is() { # GOT EXPECTED DESCRIPTION
    [ "$1" = "$2" ]
    ok $? "$3" || complain "got \"$1\", expected \"$2\""
}
below() { # GOT LIMIT DESCRIPTION: both whole numbers, from 0
    [ -n "$1" ] && [ "$1" -ge 0 ] && [ "$1" -le "$2" ]
    ok $? "$3 ($1, at most $2)"
}
note() { echo "# $*"; }
skip() { # DESCRIPTION REASON: a check that this machine cannot make
    TESTS=$((TESTS + 1))
    echo "ok $TESTS - $1 # skip $2"
    complain "skipped: $1: $2"
}

finish() {
    local status=$? name pids
    [ "$BASHPID" = "$$" ] || return # a candidate that is told to stop before its exec
    trap - EXIT
    if [ $status != 0 ] && [ $FAILED = 0 ]; then
        FAILED=1
        complain "the script ended with status $status"
    fi
    mapfile -t pids < <(jobs -pr; jobs -ps) # not those of PID that are other processes' by now
    if [ ${#pids[@]} != 0 ]; then
        kill -CONT "${pids[@]}" 2>/dev/null
        kill -KILL "${pids[@]}" 2>/dev/null
        wait "${pids[@]}" 2>/dev/null
    fi
    for name in $(cat "$T/clocked" 2>/dev/null); do # libfaketime's, by the pid of what was killed
        rm -f "/dev/shm/faketime_shm_$name" "/dev/shm/sem.faketime_sem_$name"
    done
    if [ -n "${KEEP:-}" ]; then echo "# kept: $T"; else rm -rf "$T"; fi
    echo "1..$TESTS"
    exit $((FAILED > 0))
}
trap finish EXIT
trap 'FAILED=1; exit' INT TERM HUP

# --- what not every machine has: able_to_... || skip DESCRIPTION "$WHY"

declare -A ABLE            # by command: yes, or why not
UNSHARE=(unshare)          # a plain user may do it as root of a namespace of its own
[ "$(id -u)" = 0 ] || UNSHARE+=(--user --map-root-user)
able() { # COMMAND...: whether it passes here, which is tried once; sets WHY if not
    [ -n "${ABLE["$*"]:-}" ] || if WHY=$(timeout 10 "$@" 2>&1 </dev/null); then
        ABLE["$*"]=yes
    else
        ABLE["$*"]="\"$*\" fails here: $(head -n 1 <<<"$WHY" | tr -d '\r')"
    fi
    WHY=${ABLE["$*"]}
    [ "$WHY" = yes ]
}
able_to_resolve() { able getent hosts "$1"; }                              # NAME
able_to_pty() { able script -qec true /dev/null; }                         # a terminal, by script or zpty
able_to_unshare() { able "${UNSHARE[@]}" "$@" true; }                      # OPTION..., such as --pid --fork
able_to_mount() { able "${UNSHARE[@]}" --mount mount -t tmpfs none /tmp; } # in a mount namespace

# --- conditions: for check, refuse and within

not() { # COMMAND...: COMMAND says no, by status 1; others are errors
    "$@"
    [ $? = 1 ]
}
prints() { [ "$("${@:2}")" = "$1" ]; }                                   # TEXT COMMAND...
prints_other() { local got; got=$("${@:2}") && [ "$got" != "$1" ]; }     # TEXT COMMAND...
prints_least() { local got; got=$("${@:2}"); [ "$got" -ge "$1" ]; }      # NUMBER COMMAND...
prints_like() { grep -qE -- "$1" <<<"$("${@:2}")"; }                     # REGEX COMMAND...
holds() { grep -qF -- "$2" "$1"; }                                       # FILE TEXT
lines() { wc -l <"$1"; }                                                 # FILE
printable() { LC_ALL=C not grep -q '[^ -~]' "$1"; }                      # FILE
alive() { kill -0 "$1" 2>/dev/null && ! grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null; }   # PID
dead() { [ -n "$1" ] && ! alive "$1"; }                                  # PID
all_live() { local name; for name; do alive "${PID[$name]}" || return 1; done; } # NAME...

# --- time

exec {NEVER}<> <(:) # a pipe that is never written: reading it is a pause without a process

now() { "$JOB" now; }                              # ns, the clock of job's records
ms_since() { echo $((($(now) - $1) / 1000000)); }  # NS
within() { # SECONDS COMMAND...: waits until COMMAND passes
    local limit=$(($(now) + $1 * 1000000000)) ms=5
    shift
    until "$@"; do
        [ "$(now)" -lt "$limit" ] || return 1
        pause "0.0$((ms / 10))$((ms % 10))"
        [ $ms -ge 40 ] || ms=$((ms + 1)) # other suites want the processor, too
    done
    return 0
}
pause() { read -r -t "$1" -u "$NEVER" || :; } # SECONDS

# --- servers

port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
port_choose() { # no other suite gets it while $T exists, whether something listens there or not
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        [ -e "$T/port.$port" ] && continue
        : >"$T/port.$port"
        [ "$(echo "$shm"/ballot-test.*/port.$port)" = "$T/port.$port" ] && port_free $port && echo $port && return
        rm "$T/port.$port"
    done
    return 1
}
four() { # NAME WORD: a four letter command
    (exec 3<>"/dev/tcp/127.0.0.1/${PORT[$1]}" && printf %s "$2" >&3 && timeout 2 cat <&3) 2>/dev/null
}
ZK_JAVA=(java)
zk_mine() { # NAME: it serves, and it is ours
    four "$1" srvr | grep -q '^Mode:' && four "$1" conf | grep -q "dataDir=$T/$1/"
}
zk_launch() { # NAME: (again) with the data it has
    "${ZK_JAVA[@]}" -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel="${ZK_TIER:-1}" -Xshare:auto \
        -Dzookeeper.forceSync=no -Dzookeeper.preAllocSize=64 \
        -cp "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-nop.jar${ZK_JARS:+:$ZK_JARS}" \
        org.apache.zookeeper.server.quorum.QuorumPeerMain "$T/$1/zoo.cfg" >"$T/$1/out" 2>&1 &
    PID[$1]=$!
}
zk_config() { # NAME LINE...
    mkdir -p "$T/$1/data"
    printf '%s\n' "tickTime=${ZK_TICK:-500}" "dataDir=$T/$1/data" "clientPort=${PORT[$1]}" \
        clientPortAddress=127.0.0.1 '4lw.commands.whitelist=*' admin.enableServer=false maxClientCnxns=0 \
        "minSessionTimeout=${ZK_MIN:-1000}" maxSessionTimeout=60000 "${@:2}" >"$T/$1/zoo.cfg"
}
zk_settled() { zk_mine "$1" || dead "${PID[$1]}"; } # NAME: it serves, or has given up
zk_start() { # NAME: a standalone server; another port is tried if that one is taken
    for _ in 1 2 3; do
        PORT[$1]=$(port_choose)
        zk_config "$1"
        zk_launch "$1"
        within 20 zk_settled "$1"
        zk_mine "$1" && return
        kill -KILL "${PID[$1]}" 2>/dev/null
    done
    echo "Bail out! no ZooKeeper server: $(tail -n 3 "$T/$1/out")"
    exit 1
}
zk_restart() { # NAME
    zk_launch "$1"
    within 20 zk_mine "$1"
}
zk_kill() { kill -KILL "${PID[$1]}" && wait "${PID[$1]}" 2>/dev/null; }
servers() { # NAME...: for --zookeeper-servers
    local name list=
    for name; do list+=,127.0.0.1:${PORT[$name]}; done
    echo "${list#,}"
}
proxy_start() { # a proxy in front of the server zk
    PORT[proxy]=$(port_choose)
    echo pass >"$T/control"
    "$here/proxy" "${PORT[proxy]}" "${PORT[zk]}" "$T/control" 2>"$T/proxy.log" &
    PID[proxy]=$!
    within 5 not port_free "${PORT[proxy]}"
}
mode() { # pass|cut|freeze|slow MS|deaf|last: what the proxy does from now on
    echo "$*" >"$T/control.new" && mv "$T/control.new" "$T/control"
}
zk() { "$ZK" "$(servers "$SERVER")" "$@"; }
exists() { zk stat "$1" >/dev/null 2>&1; } # ZNODE
proposals() { # how many, or "none" where there is no base or no answer
    local names
    names=$(zk ls "$BASE" 2>/dev/null) || { echo none; return; }
    grep -c ^proposal- <<<"$names"
}
proposals_are() { [ "$(proposals)" = "$1" ]; }
leader_is() { zk get "$BASE" 2>/dev/null | grep -q "\"candidateId\":\"$1\""; }
requests() { four "$SERVER" mntr | awk '$1 == "zk_packets_received" { print $2 }'; }

# --- candidates

SERVER=zk
BASE=/ballot/election
candidate() { # NAME OPTION... -- COMMAND...
    : >>"$T/$1.log"
    setsid "$BALLOT" run once --candidate-id="$1" --zookeeper-servers="$(servers "$SERVER")" \
        --zookeeper-base-path="$BASE" "${@:2}" >"$T/$1.out" 2>>"$T/$1.log" &
    PID[$1]=$!
}
execed() { [ "$(cat "/proc/$1/comm" 2>/dev/null)" != bash ]; }
stop() { # NAME...: in good order, or it is a failure
    local name
    for name; do within 5 execed "${PID[$name]}"; done # a bash that has forked and not yet exec'ed loses a TERM
    for name; do kill -TERM "${PID[$name]}" 2>/dev/null; done
    for name; do
        if within 15 dead "${PID[$name]}"; then wait "${PID[$name]}" 2>/dev/null; else ok 1 "$name is to end"; fi
    done
    return 0
}
logged() { grep -q -- "$2" "$T/$1.log"; } # NAME TEXT
times_logged() { grep -c -- "$2" "$T/$1.log"; } # NAME TEXT
ended() { # NAME: waits for its end, puts its exit status into STATUS
    STATUS=alive
    within 20 dead "${PID[$1]}" || return
    wait "${PID[$1]}" 2>/dev/null
    STATUS=$?
}
guard_of() { # NAME: the pid of its guard
    local p
    for p in $(cat "/proc/${PID[$1]}/task/${PID[$1]}/children"); do
        [ "$(cat "/proc/$p/comm")" = ballot ] && echo "$p" && return
    done
    return 1
}

# --- a terminal

# Soon after the shell's end script(1) takes no more of what the terminal still holds: the shell
# ends once what it says last has arrived.
on_screen() { # FILE COMMAND-LINE: what bash's COMMAND-LINE shows on a terminal, to FILE; its status
    SHELL=$BASH script -qfec "$2
        status=\$?
        for _ in {1..1200}; do
            echo 'end of screen'
            tail -c 99 ${1@Q} | grep -q 'end of screen' && exit \$status
            sleep 0.05
        done" /dev/null </dev/null >"$1" 2>&1
    local status=$?
    sed -i -e '/^end of screen/d' -e 's/\r$//' "$1"
    return $status
}

# --- activations

# Whose clock is to be off: CLOCK=+0.5s cron ... (as libfaketime has it); a file's
# name is read again and again, so that the clock can be set while things run.
FAKETIME_LIBRARY=$(dpkg -L libfaketime 2>/dev/null | grep 'libfaketime\.so\.1$')
clocked() { # CLOCK COMMAND...: with another wall clock, and the same steady one
    local fake=(LD_PRELOAD="$FAKETIME_LIBRARY" FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_FORCE_MONOTONIC_FIX=0)
    echo "$BASHPID" >>"$T/clocked"
    case $1 in
    '') exec "${@:2}" ;;
    /*) exec env "${fake[@]}" FAKETIME_TIMESTAMP_FILE="$1" FAKETIME_NO_CACHE=1 "${@:2}" ;;
    *) exec env "${fake[@]}" FAKETIME="$1" "${@:2}" ;;
    esac
}
T2=(--zookeeper-session-timeout=2s) # two seconds
# shellcheck disable=SC2016
runs_to() { # FILE: where $RUN, a command, writes each activation and on which candidate it was
    RUNS=$1
    RUN=(-- sh -c 'echo "$BALLOT_SCHEDULED_TIME $BALLOT_LEADER_ID" >>"$0"' "$RUNS")
}
runs_to "$T/runs"
cron() { # NAME SCHEDULE OPTION... -- COMMAND...
    : >>"$T/$1.log"
    (clocked "${CLOCK:-}" setsid "$BALLOT" run cron --candidate-id="$1" --schedule="$2" \
        --zookeeper-servers="$(servers "$SERVER")" --zookeeper-base-path="$BASE" "${@:3}" \
        >>"$T/$1.out" 2>>"$T/$1.log") &
    PID[$1]=$!
}
runs() { if [ -f "$RUNS" ]; then wc -l <"$RUNS"; else echo 0; fi; }
runs_least() { [ "$(runs)" -ge "$1" ]; }
runs_last() { tail -n 1 "$RUNS" | cut -d ' ' -f 1; }
twice() { cut -d ' ' -f 1 "$RUNS" | sort | uniq -d | wc -l; }
record() { zk get "$BASE/schedule" 2>/dev/null; }
recorded() { record | grep -q -- "$1"; }

# --- watchers

watcher() { # NAME OPTION...: lines to $T/NAME.out
    setsid "$BALLOT" watch --zookeeper-servers="$(servers "$SERVER")" --zookeeper-base-path="$BASE" "${@:2}" \
        >"$T/$1.out" 2>"$T/$1.log" &
    PID[$1]=$!
}
# A reader that believes every line of the watcher w: prints which candidates it sees in the
# end as leader and in the queue, and fails where a line contradicts what it saw.
believe() {
    perl -MJSON::PP -ne '
        my $o = decode_json($_);
        my ($e, $n) = @$o{qw(event proposalNode)};
        join(" ", sort keys %$o) eq "awayFor candidateId event hostname pid previousId previousNode " .
            "proposalNode time vacantFor" or die "other keys: $_";
        sub wrong { die "it $_[0], but line $. says: $_" }
        if ($e eq "joined" or $e eq "candidate") {
            wrong("is in the queue") if $in{$n};
            $in{$n} = "$n=$o->{candidateId}";
        }
        elsif ($e eq "left") { wrong("is not in the queue") if !delete $in{$n}; wrong("leads") if $leader eq $n }
        elsif ($e eq "elected" or $e eq "leader") {
            wrong("leads already") if $leader eq $n;
            wrong("after another") if $e eq "elected" and $o->{previousNode} ne $last;
            $last = $leader = $n; $led++;
            $in{$n} = "$n=$o->{candidateId}" if $e eq "leader";
        }
        elsif ($e eq "resigned" or $e eq "lost") { wrong("does not lead") if $leader ne $n; $leader = "" }
        BEGIN { $leader = $last = "" }
        END { print join(" ", "leader $leader", sort values %in), "\n"; print STDERR "# $led leaders\n" }' "$T/w.out"
}
truth() { # the same, as info has it
    timeout 10 "$BALLOT" info -o json --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" |
        perl -MJSON::PP -0 -ne '
            my $i = decode_json($_);
            my ($leader, %in) = $i->{leader}{proposalNode} // "";
            $in{$_->{proposalNode}} = "$_->{proposalNode}=$_->{candidateId}"
                for grep { !grep /ignored/, @{$_->{notes} // []} } @{$i->{candidates}};
            $leader = "" if !$in{$leader};
            print join(" ", "leader $leader", sort values %in), "\n"'
}
consistent() { believe >"$T/seen" 2>"$T/err"; }
true_in_the_end() { consistent && [ "$(cat "$T/seen")" = "$(truth)" ]; }

# --- what the commands recorded (see job.c)

JOBS=$T/jobs
mkdir -p "$JOBS"
fresh() { rm -rf "$JOBS" && mkdir "$JOBS"; }
started() { local n; n=$(grep -cs ^start "$JOBS/record"); echo "${n:-0}"; }
started_least() { [ "$(started)" -ge "$1" ]; }
ready() { grep -qs ^ready "$JOBS/record"; } # the first of them: its handlers are set, its children there
ready_least() { [ "$(grep -cs ^ready "$JOBS/record")" -ge "$1" ]; }
last_start() { awk '$1 == "start" { t = $2 } END { print t }' "$JOBS/record"; }
last_pid() { awk '$1 == "start" { p = $3 } END { print p }' "$JOBS/record"; }
lock_held() { # a command, or a child of one, lives; 1 if none does any more, 2 if none ever did
    perl -MErrno -e 'use Fcntl; exit(sysopen(F, $ARGV[0], O_WRONLY | O_NONBLOCK) ? 0 : $!{ENXIO} ? 1 : 2)' "$JOBS/lock"
}
lock_free() { lock_held; [ $? = 1 ]; }
overlaps() { # of the intervals from start to end (or term), and of the locks
    awk '
        $1 == "OVERLAP" { n++ }
        $1 == "start" { at[++starts] = $2; number[$3] = starts }
        $1 == "end" || $1 == "term" { end[number[$3]] = $2 }
        END {
            for (i = 1; i <= starts; i++) {
                if (at[i] < latest) n++
                if (end[i] > latest) latest = end[i]
            }
            print starts ? n + 0 : "none"
        }' 2>/dev/null <"$JOBS/record" || echo none
}
tokens_grow() { awk '$1 == "start" { if ($4 != "-" && $4 < t) bad = 1; t = $4 } END { exit bad }' "$JOBS/record"; }
