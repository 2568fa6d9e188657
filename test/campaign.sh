# Sourced by campaign.t and soak.t, behind lib.sh: five ballots on three servers, each ballot behind
# a proxy of its own, and what a seed decides to do to them (see plan), judged by what the commands
# recorded (see judge).
# shellcheck shell=bash disable=SC2034,SC2046,SC2068,SC2086,SC2153,SC2154

BALLOTS=(a b c d e)
STOP_TIMEOUT=200 # ms
STUCK=0
PERIOD=2         # seconds between two activations
# the servers elect within a second
ZK_JAVA=(java -Dzookeeper.fastleader.maxNotificationInterval=400 -Dzookeeper.cnxTimeout=500)
declare -A BUSY  # proc:NAME, end:NAME, link:NAME, server:N, ...: by the fault that it has

zk() { timeout 2 "$ZK" "$(servers zk1 zk2 zk3)" "$@"; }
tell() { echo "$1 $(now) ${*:2}" >>"$T/faults"; } # WHAT VALUE...
link() { # NAME WORD...: what its proxy does from now on
    echo "${*:2}" >"$T/control-$1.new" && mv "$T/control-$1.new" "$T/control-$1"
}
server_limits() { # NUMBER MS: which session timeout it gives whoever asks for 2 s, from its next start on
    local least=1000 most=60000
    [ "$2" -gt 2000 ] && least=$2
    [ "$2" -lt 2000 ] && most=$2
    zk_config "zk$1" tickTime=300 initLimit=30 syncLimit=10 clientPortListenBacklog=1000 \
        "minSessionTimeout=$least" "maxSessionTimeout=$most" "${quorum[@]/#/server.}"
    LIMITS[$1]=$2
}
serves() { timeout 2 "$ZK" "$(servers "zk$1")" stat / >/dev/null 2>&1; } # NUMBER: a session, which is a write
servers_serve() { serves 1 && serves 2 && serves 3; }
campaign_servers() { # once for all campaigns
    local n name doors
    for n in 1 2 3; do
        PORT[zk$n]=$(port_choose)
        quorum[n]=$n=127.0.0.1:$(port_choose):$(port_choose)
    done
    for n in 1 2 3; do
        server_limits $n 2000
        echo $n >"$T/zk$n/data/myid"
        zk_launch zk$n
    done
    for name in "${BALLOTS[@]}"; do
        doors=()
        for n in 1 2 3; do
            PORT[$name$n]=$(port_choose)
            doors+=("${PORT[$name$n]}" "${PORT[zk$n]}")
        done
        link "$name" pass
        "$here/proxy" "${doors[@]:0:2}" "$T/control-$name" "${doors[@]:2}" 2>>"$T/proxy.err" &
    done
    for name in "${BALLOTS[@]}"; do within 10 not port_free "${PORT[${name}3]}"; done
    within 60 servers_serve || { echo "Bail out! no ensemble: $(tail -n 3 "$T"/zk?/out)"; exit 1; }
}

# --- ballots

launch() { # NAME: (again) as soon as it has ended
    local options=("${OPTIONS[@]}") words clock=''
    if [ -n "${PID[$1]:-}" ]; then
        within 15 dead "${PID[$1]}" || tell wrong "$1 is to end, and does not"
        wait "${PID[$1]}" 2>/dev/null
    fi
    LAUNCHES=$((LAUNCHES + 1))
    read -ra words <<<"${COMMANDS[LAUNCHES % ${#COMMANDS[@]}]}"
    [ ! -f "$T/clock-$1" ] || clock=$T/clock-$1
    [ "$KIND" = once ] || options+=("--schedule=TZ=UTC */$PERIOD * * * * *")
    (clocked "$clock" setsid "$BALLOT" run "$KIND" --candidate-id="$1" "${options[@]}" \
        --zookeeper-servers="$(servers "${1}1" "${1}2" "${1}3")" -- "$JOB" "$JOBS" "${words[@]}" \
        >>"$T/$1.out" 2>>"$T/$1.log") &
    PID[$1]=$!
    tell launch "$1"
}
relaunch() { # NAME ID: unless that was done since the fault
    [[ " ${STRUCK[$2]} " != *" ${PID[$1]} "* ]] || launch "$1"
}
# Where candidate and guard die together, no process is left to end the command's
# children: a container or a systemd unit does it, and here this.
tree() { # PID...: these and all below them, stopped, so that they start no more
    local pid
    for pid; do
        kill -STOP "$pid" && echo "$pid" && tree $(cat "/proc/$pid/task/$pid/children")
    done 2>/dev/null
}
kill_both() { # NAME...
    local all='' before=none
    while [ "$all" != "$before" ]; do
        before=$all
        all=$(for name; do tree "${PID[$name]}"; done)
    done
    [ -z "$all" ] || kill -KILL $all
}
kill_candidate() { # NAME: with all below it if its guard has just died, too
    kill -STOP "${PID[$1]}"
    if guard_of "$1" >/dev/null; then kill -KILL "${PID[$1]}"; else kill_both "$1"; fi
}
last_leader() { awk '$1 == "start" { name = $5 } END { print name }' "$JOBS/record" 2>/dev/null; }
command_of() { awk -v name="$1" '$1 == "start" && $5 == name { pid = $3 } $1 == "gone" && $3 == pid { pid = "" }
    END { print pid }' "$JOBS/record" 2>/dev/null; }
proposals_of() { # prints "NAME NODE" for each, in the order of the queue
    local node
    for node in $(zk ls "$BASE" | grep ^proposal- | sort); do
        echo "$(zk get "$BASE/$node" | sed 's/.*"candidateId":"\([^"]*\)".*/\1/') $node"
    done
}

# --- faults

keys() { # FAULT WHO: what no other fault may have meanwhile
    case $1 in
    *-all-servers | kill-two-servers) echo server:1 server:2 server:3 ;;
    *-server) echo "server:$2" ;;
    cut | freeze-link | reset | deaf | last | slow) echo "link:$2" ;;
    step-down | clock) ;;
    *-command) echo "command:$2" ;;
    end-candidate) echo "end:$2" ;;
    freeze-candidate | freeze-both) echo "proc:$2 end:$2" ;; # what is frozen does not end
    *) printf 'proc:%s ' ${2//,/ } ;;
    esac
}
others() { for n in 1 2 3; do [ $n = "$1" ] || echo $n; done; } # NUMBER
fault_begin() { # ID FAULT WHO VALUE...
    local id=$1 kind=$2 who=$3 key
    [ "$who" != leader ] || who=$(last_leader)
    [ "$kind" != kill-first-two ] || who=$(proposals_of 2>/dev/null | head -n 2 | cut -d ' ' -f 1 | paste -sd ,)
    [ -n "$who" ] || return
    for key in $(keys "$kind" "$who"); do [ -z "${BUSY[$key]:-}" ] || return; done
    for key in $(keys "$kind" "$who"); do BUSY[$key]=$id; done
    tell begin "$id" "$kind" "$who" "${@:4}"
    VICTIM[$id]="$kind $who ${*:4}"
    STRUCK[$id]=${PID[*]}
    strike "$id" "$kind" "$who" "${@:4}" 2>/dev/null
}
freeze() { # ID PID...
    FROZEN[$1]=${*:2}
    [ -z "${FROZEN[$1]}" ] || kill -STOP ${FROZEN[$1]}
}
strike() { # ID FAULT WHO VALUE...
    local pid=${PID[$3]:-} n
    case $2 in
    kill-candidate) kill_candidate "$3" ;;
    kill-guard) kill -KILL "$(guard_of "$3")" ;;
    kill-both) kill_both "$3" ;;
    kill-first-two) kill_both ${3//,/ } ;;
    kill-command) kill -KILL "$(command_of "$3")" ;;
    end-candidate) kill -TERM "$pid" ;;
    freeze-candidate) freeze "$1" "$pid" ;;
    freeze-guard) freeze "$1" "$(guard_of "$3")" ;;
    freeze-both) freeze "$1" "$pid" "$(guard_of "$3")" ;;
    freeze-command) freeze "$1" "$(command_of "$3")" ;;
    cut | reset) link "$3" cut ;;
    freeze-link) link "$3" freeze ;;
    deaf | last) link "$3" "$2" ;;
    slow) link "$3" slow "$4" ;;
    kill-server) zk_kill "zk$3" ;;
    end-server) kill -TERM "${PID[zk$3]}" ;;
    kill-two-servers) for n in $(others "$3"); do zk_kill zk$n; done ;;
    kill-all-servers) for n in 1 2 3; do zk_kill zk$n; done ;;
    freeze-server) freeze "$1" "${PID[zk$3]}" ;;
    freeze-all-servers) freeze "$1" "${PID[zk1]}" "${PID[zk2]}" "${PID[zk3]}" ;;
    step-down) "$BALLOT" step-down --timeout=4s --zookeeper-base-path="$BASE" \
        --zookeeper-servers="$(servers zk1 zk2 zk3)" >>"$T/step-down.out" 2>&1 & ;;
    delete-proposal) zk rm "$BASE/$(proposals_of | awk -v name="$3" '$1 == name { print $2; exit }')" ;;
    clock) set_clock "$3" "$4" "$5" ;;
    esac
}
set_clock() { # NAME OFFSET RATE
    echo "$2 x$3" >"$T/clock-$1.new" && mv "$T/clock-$1.new" "$T/clock-$1"
    tell clock "$1" "$2" "$3"
}
server_return() { # NUMBER MS: with those limits
    [ "$2" = "${LIMITS[$1]}" ] || server_limits "$1" "$2"
    wait "${PID[zk$1]}" 2>/dev/null
    zk_launch "zk$1"
    tell limits "$1" "$2"
}
fault_end() { # ID
    local id=$1 kind who value key n
    [ -n "${VICTIM[$1]:-}" ] || return
    read -r kind who value <<<"${VICTIM[$1]}"
    case $kind in
    kill-first-two) for n in ${who//,/ }; do relaunch "$n" "$id"; done ;;
    kill-candidate | kill-both | end-candidate) relaunch "$who" "$id" ;;
    freeze-*server* | freeze-candidate | freeze-guard | freeze-both | freeze-command)
        kill -CONT ${FROZEN[$id]} 2>/dev/null
        unset "FROZEN[$id]"
        ;;
    deaf | last) link "$who" cut && pause 0.1 && link "$who" pass ;; # what was lost was part of a stream
    cut | reset | freeze-link | slow) link "$who" pass ;;
    kill-server | end-server) server_return "$who" "$value" ;;
    kill-two-servers) for n in $(others "$who"); do server_return "$n" "$value"; done ;;
    kill-all-servers) for n in 1 2 3; do server_return $n "$value"; done ;;
    esac
    for key in $(keys "$kind" "$who"); do unset "BUSY[$key]"; done
    tell end "$id"
    unset "VICTIM[$id]" "STRUCK[$id]"
}
thaw() { # whatever the end of the test finds frozen
    local status=$?
    [ ${#FROZEN[@]} = 0 ] || kill -CONT ${FROZEN[@]} 2>/dev/null
    return $status
}
trap 'thaw; finish' EXIT

# --- the campaign

runs_again() { [ "$(started)" -gt "$1" ] || { [ "$KIND" = once ] && lock_held; }; } # COUNT
# ZooKeeper 3.8.0, frozen and thawed, may come to a state in which all servers say that they serve, and none does.
servers_well() { # waits for them; if they do not come back, they are started anew
    within 15 servers_serve && return
    STUCK=$((STUCK + 1))
    fault_begin "stuck-$STUCK" kill-all-servers all 2000
    fault_end "stuck-$STUCK"
    within 60 servers_serve || tell wrong "the servers do not serve again"
}
calm() { # MS: all are well; a command runs, and goes on so long
    local name n
    for name in "${BALLOTS[@]}"; do
        alive "${PID[$name]}" || { tell wrong "$name has ended by itself" && launch "$name"; }
    done
    servers_well
    tell calm
    n=$(started)
    within 25 runs_again "$n"
    pause "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}
until_ms() { # NS MS NS: waits until so many after that, but no longer than that
    local at=$(($1 + $2 * 1000000)) left
    left=$((((at < $3 ? at : $3) - $(now)) / 1000000))
    [ $left -le 0 ] || pause "$(printf '%d.%03d' $((left / 1000)) $((left % 1000)))"
}
campaign_settings() { # reads the head of the plan, and its first event into EVENT
    COMMANDS=()
    while read -r -u "$PLAN" -a EVENT; do
        case ${EVENT[0]} in
        kind) KIND=${EVENT[1]} ;;
        mode) MODE=${EVENT[1]} ;;
        policy) POLICY=${EVENT[1]} ;;
        command) COMMANDS+=("${EVENT[*]:1}") ;;
        clock) set_clock "${EVENT[@]:1}" ;;
        *) return ;;
        esac
    done
}
campaign() { # SEED SECONDS [KIND [MODE [FAULT...]]]
    local begun end name witness pulse n
    declare -gA FROZEN=() VICTIM=() STRUCK=() BUSY=()
    : >"$T/faults"
    rm -f "$T"/clock-*
    exec {PLAN}< <("$here/plan" "$1" "${@:3}")
    campaign_settings
    TITLE="campaign $1, run $KIND, $MODE, $POLICY"
    echo "kind $KIND
mode $MODE
stop-timeout $STOP_TIMEOUT
period $PERIOD" >>"$T/faults"
    for n in 1 2 3; do tell limits $n "${LIMITS[n]}"; done
    OPTIONS=(--zookeeper-base-path="$BASE" --zookeeper-session-timeout=2s --on-disconnect="$MODE" --log-level=info
        "--stop-timeout=${STOP_TIMEOUT}ms" --on-child-success="$POLICY" --on-child-error="$POLICY" --restart-delay=0s)
    LAUNCHES=$1
    PID=([zk1]=${PID[zk1]} [zk2]=${PID[zk2]} [zk3]=${PID[zk3]})
    "$JOB" witness "$JOBS" &
    witness=$!
    "$here/pulse" "${PORT[zk1]}" "${PORT[zk2]}" "${PORT[zk3]}" >>"$T/faults" &
    pulse=$!
    for name in "${BALLOTS[@]}"; do launch "$name"; done
    within 20 started_least 1
    begun=$(now) end=$(($(now) + $2 * 1000000000))
    while :; do
        if [ "${EVENT[0]}" = calm ]; then
            calm "${EVENT[1]}"
            begun=$(now)
            [ "$begun" -lt "$end" ] || break
        else
            until_ms "$begun" "${EVENT[0]}" "$end"
            if [ "${EVENT[1]}" = end ] || [ "$(now)" -lt "$end" ]; then "fault_${EVENT[1]}" "${EVENT[@]:2}"; fi
        fi
        read -r -u "$PLAN" -a EVENT
    done
    exec {PLAN}<&-
    tell over
    stop "${BALLOTS[@]}"
    within 8 lock_free
    kill -TERM "$pulse" && wait "$pulse"
    campaign_left "$witness"
    kill "$witness" && wait "$witness" 2>/dev/null
    return 0
}
left() { # PID: prints the processes that have to do with the campaign's commands, but for that one
    local file pid
    for file in /proc/[0-9]*/cmdline; do
        pid=${file//[!0-9]/}
        [ "$pid" != "$1" ] && tr '\0' '\n' 2>/dev/null <"$file" | grep -qxF -- "$JOBS" && echo "$pid"
    done
}
campaign_left() { # PID: what is left at the end, but for that process
    within 10 prints "" left "$1" || tell wrong "is left: $(ps -o pid=,args= -p "$(left "$1" | paste -sd ,)" | paste -sd ';')"
    within 10 proposals_are 0 || tell wrong "is left: $(proposals) proposals"
    lock_free || tell wrong "is left: a process of a command"
}
judged() { "$here/judge" "$JOBS/record" "$T/faults" >"$T/judgement"; }
judged_count() { awk -F ': ' -v what="  $1" '$1 == what { n = $2 } END { print n + 0 }' "$T/judgement"; } # WHAT
campaign_judge() { # checks what the campaign has recorded
    local status
    judged
    status=$?
    sed 's/^/# /' "$T/judgement"
    ok $status "$TITLE: what was promised" || {
        grep -v '^  ' "$T/judgement" | sed 's/^/#     /' >&2
    }
    [ -z "${CAMPAIGN_KEEP:-}" ] || campaign_keep "$CAMPAIGN_KEEP/$(tr -c '0-9a-z\n' - <<<"$TITLE")"
}
campaign_keep() { # FOLDER: CAMPAIGN_KEEP names where one of each campaign is left
    mkdir -p "$1" && cp "$T"/faults "$T"/*.log "$T"/*.out "$JOBS"/record "$T"/judgement "$1"
}
