#!/bin/bash
# A leader that is frozen as a whole, its guard and its command too, and thaws when another leads: under `stop`, too,
# nothing could end its command in time. What protects then is a resource that checks the fencing token.
. "$(dirname "$0")/lib.sh"
zk_start zk

# The command adds one to a number, five times: it reads the number, pauses, writes it back. The resource is the
# README's three lines, or the same without the check.
lines=$(sed -n '/^exec 9>>/,/^```$/p' "$here/../README.md" | grep -v '^```')
command='#!/bin/sh
cd "$0.d" || exit
while [ "$(wc -l <added)" -lt 5 ]; do
    n=$(./resource cat number) || exit
    if [ -e hold ]; then
        echo $$ >held.new && mv held.new held
        while [ -e hold ]; do sleep 0.02; done
    fi
    sleep 0.01
    if ./resource sh -c "echo $((n + 1)) >number.new && mv number.new number"; then
        echo "$BALLOT_LEADER_ID" >>added
    else
        echo "$BALLOT_LEADER_ID" >>refused
    fi
done
exec sleep 100'
resource() { # KIND: fenced or not; $T/KIND works on it, and stops between reading and writing
    local at=$T/$1.d checked=${lines//\/srv/$T/$1.d}
    mkdir "$at"
    printf '%s\n' "$command" >"$T/$1"
    printf '#!/bin/sh\n%s\n' "$checked" >"$at/resource"
    [ "$1" = fenced ] || sed -i '/TOKEN" -ge/d' "$at/resource"
    chmod +x "$T/$1" "$at/resource"
    echo 0 | tee "$at/number" >"$at/resource.token"
    touch "$at/hold" "$at/added" "$at/refused"
}
add() { # KIND NAME: a candidate for that work
    BASE=/$1 candidate "$1-$2" --zookeeper-session-timeout=2s --restart-delay=0s -- "$T/$1"
}
held() { [ -e "$T/$1.d/held" ] && alive "$(cat "$T/$1.d/held")"; } # KIND: the number has been read
declare -A FROZEN # by KIND: the pid of the command
freeze() { # KIND: all of a
    FROZEN[$1]=$(cat "$T/$1.d/held")
    kill -STOP "${PID[$1-a]}" "$(guard_of "$1-a")" "-${FROZEN[$1]}"
    rm "$T/$1.d/hold"
}
lines_of() { wc -l <"$T/$1.d/$2"; } # KIND added|refused
tried() { grep -qx "$1-a" "$T/$1.d/added" "$T/$1.d/refused"; } # KIND: to write back what it had read
lost() { echo $(($(lines_of "$1" added) - $(cat "$T/$1.d/number"))); } # KIND: of what was added

describe "A leader that was frozen as a whole writes when another leads: updates are lost, but for a fenced resource"
for kind in unfenced fenced; do
    resource "$kind"
    add "$kind" a
done
for kind in unfenced fenced; do
    within 10 held "$kind"
    freeze "$kind"
    add "$kind" b
done
for kind in unfenced fenced; do
    check "$kind: the first is frozen after it has read, the next adds 5" within 20 prints 5 lines_of "$kind" added
    kill -CONT "-${FROZEN[$kind]}" # its guard, thawed first, might end it in time
    check "... thawed, the command of the first writes back what it had read" within 5 tried "$kind"
    kill -CONT "$(guard_of "$kind-a")" "${PID[$kind-a]}"
    check "... and its candidate sees that it has lost" within 10 logged "$kind-a" "lost the leadership"
    stop "$kind-a" "$kind-b"
done
is "$(lines_of unfenced added) $(lost unfenced)" "6 5" "without the check, what the next had added is lost"
is "$(lines_of fenced added) $(lost fenced)" "5 0" "with it, nothing is lost"
is "$(lines_of fenced refused)" 1 "... the write of the first was refused"
