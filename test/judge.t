#!/bin/bash
# The judge of the campaigns is judged: made-up records, of which it has to say what is wrong.
. "$(dirname "$0")/lib.sh"
# A record in ms: one run of each of two ballots, the second 1 s after the first.
run() { # NAME TOKEN PID FROM SAID TO [ACTIVATION]: SAID is how it ended, or - if it was killed
    echo "start ${4}000000 $3 $2 $1 ${7:--}"
    [ "$5" = - ] || echo "$5 ${6}000000 $3 $2 $1 ${7:--}"
    echo "gone ${6}000000 $3"
}
overlap() { echo "OVERLAP ${2}000000 $1 - - -"; } # PID MS
campaign() { # KIND MODE LINE...: what was done, until 100 s
    printf '%s\n' "kind $1" "mode $2" "stop-timeout 200" "period 2" "wall 0 1800000000000000000" \
        "limits 0 1 2000" "launch 1000000 a" "launch 1000000 b" "${@:3}" "over 100000000000"
}
verdict() { "$here/judge" <(echo "$1") <(echo "$2"); } # RECORD FAULTS
agrees() { # DESCRIPTION RECORD FAULTS
    verdict "$2" "$3" >"$T/judge.log"
    ok $? "$1"
}
objects() { # DESCRIPTION TEXT RECORD FAULTS
    verdict "$3" "$4" >"$T/judge.log"
    check "$1" prints "1 yes" echo "$? $(grep -q "^WRONG: .*$2" "$T/judge.log" && echo yes)"
}
fault() { printf 'begin %s000000 %s %s %s\nend %s000000 %s\n' "$3" "$1" "$2" "$5" "$4" "$1"; } # ID FAULT FROM TO WHO

note "Two commands at a time"
calm=$(run a 1 10 2000 end 50000 && run b 2 20 50010 end 100500)
two=$(run a 1 10 2000 term 50000 && overlap 20 49000 && run b 2 20 49000 end 100500)
quiet=$(run a 1 10 2000 term 50000 && run b 2 20 49000 end 100500)
cut=$(fault 1 cut 46000 49500 a)
agrees "one after the other is right" "$calm" "$(campaign once stop)"
objects "stop: two at a time are wrong" "two commands at a time" "$two" "$(campaign once stop)"
objects "... also if neither has seen the other's lock" "two commands at a time" "$quiet" "$(campaign once stop)"
objects "... behind a cut, too" "two commands at a time" "$two" "$(campaign once stop "$cut")"
objects "keep: without a cut or a freeze they are wrong" "the first was in contact" "$two" "$(campaign once keep)"
objects "... where the second was cut off" "the first was in contact" "$two" \
    "$(campaign once keep "$(fault 1 cut 46000 49500 b)")"
agrees "... behind a cut of the first they are not" "$two" "$(campaign once keep "$cut")"
objects "... but soon after its beginning, when none may take over" "after the first was out of contact" "$two" \
    "$(campaign once keep "$(fault 1 cut 48500 49500 a)")"
objects "... and longer than stop-timeout after its return" "longer than it may" \
    "$(run a 1 10 2000 term 55000 && overlap 20 49000 && run b 2 20 49000 end 100500)" "$(campaign once keep "$cut")"
agrees "... of the commands of its successor with each" \
    "$(run a 1 10 2000 term 50000 && overlap 20 49000 && run b 2 20 49000 end 49400 && overlap 21 49401 &&
        run b 2 21 49401 end 100500)" "$(campaign once keep "$(fault 1 cut 46000 49500 a)")"
objects "a child that outlives its command, and overlaps" "two commands at a time" \
    "$(run a 1 10 2000 end 48000 | sed 's/gone 48/gone 50/' && overlap 20 49000 && run b 2 20 49000 end 100500)" \
    "$(campaign once stop)"

note "Fencing tokens"
objects "a smaller token after a greater one" "the token 1 of b" "$(run a 2 10 2000 end 50000 && run b 1 20 50010 end 100500)" \
    "$(campaign once stop)"
objects "one token for two" "the token 1 of both a and b" "$(run a 1 10 2000 end 50000 && run b 1 20 50010 end 100500)" \
    "$(campaign once stop)"

note "Nobody runs"
objects "a gap without a fault" "nobody runs from 50.000 for 3.000 s, though a and b are well" \
    "$(run a 1 10 2000 end 50000 && run b 2 20 53000 end 100500)" "$(campaign once stop)"
killed=$(run a 1 10 2000 - 50000 && run b 2 20 53000 end 100500)
objects "a kill of the candidate alone costs no session timeout" "nobody runs" "$killed" \
    "$(campaign once stop "$(fault 1 kill-candidate 50000 50500 a)")"
agrees "... with its guard, it does" "$killed" "$(campaign once stop "$(fault 1 kill-both 50000 50500 a)")"
objects "... and not two" "nobody runs" "$(run a 1 10 2000 - 50000 && run b 2 20 54500 end 100500)" \
    "$(campaign once stop "$(fault 1 kill-both 50000 50500 a)")"
late=$(run a 1 10 2000 - 50000 && run b 2 20 57500 end 100500)
objects "an outage of the servers costs keep 2 T and a look, not 3 T" "nobody runs" "$late" \
    "$(campaign once keep "$(fault 1 kill-both 50000 50500 a)" "outage 49900000000 50500000000")"
agrees "... unless a frozen server may have moved a session" "$late" \
    "$(campaign once keep "$(fault 1 kill-both 50000 50500 a)" "$(fault 2 freeze-server 49800 50500 1)")"
busy=$(run a 1 10 2000 end 50000 && run b 2 20 51500 end 100500)
objects "one second and a half for a handover is too much" "nobody runs" "$busy" "$(campaign once stop "load 40000000000 100")"
agrees "... unless ten processes want each processor" "$busy" "$(campaign once stop "load 40000000000 1000")"
objects "a command that is ended for nothing" "was ended at 50.000, 48.000 s old, for nothing" \
    "$(run a 1 10 2000 term 50000 && run b 2 20 50010 end 100500)" "$(campaign once stop)"
objects "... for an outage alone, with keep" "for nothing" \
    "$(run a 1 10 2000 term 50000 && run b 2 20 50010 end 100500)" \
    "$(campaign once keep "outage 48000000000 49000000000")"
objects "a command without an end" "has no end" "$(run a 1 10 2000 end 50000 && echo "start 50010000000 20 2 b -")" \
    "$(campaign once stop)"
objects "what the campaign itself has seen" "is left: 7 proposals" "$calm" \
    "$(campaign once stop "wrong 100000000000 is left: 7 proposals")"

note "Activations"
# S seconds from the beginning of the record, which is a full minute
activation() { date -u -d "@$((1800000000 + $1))" +%Y-%m-%dT%H:%M:%SZ; }
each() { # FROM TO: one run each two seconds, by a
    local t
    for ((t = $1; t <= $2; t += 2)); do run a 1 $((t + 100)) $((t * 1000 + 5)) end $((t * 1000 + 300)) "$(activation $t)"; done
}
agrees "each once is right" "$(each 2 98)" "$(campaign cron keep)"
objects "those after the last one, too" "1800000096 is missing" "$(each 2 94)" "$(campaign cron keep)"
objects "one that is missing" "1800000040 is missing" "$(each 2 38 && each 42 98)" "$(campaign cron keep)"
agrees "... with its leader, killed" "$(each 2 38 && each 42 98)" \
    "$(campaign cron keep "$(fault 1 kill-candidate 40001 41000 a)")"
agrees "... since the last one was still running" \
    "$(each 2 36 && run a 1 99 38005 end 41000 "$(activation 38)" && each 42 98)" "$(campaign cron keep)"
again=$(each 2 98 && run b 1 20 41000 end 41200 "$(activation 40)")
again=${again//20 1 b/20 2 b}
objects "one that is run twice" "1800000040 started twice: a at 40.005 and b at 41.000" "$again" "$(campaign cron keep)"
objects "... with stop, behind a cut, too" "started twice" "$again" "$(campaign cron stop "$(fault 1 cut 36000 40500 a)")"
agrees "... but not with keep" "$(each 2 40 && run b 2 20 41000 end 41200 "$(activation 40)" && each 42 98 | sed 's/ 1 a/ 3 a/')" \
    "$(campaign cron keep "$(fault 1 cut 36000 40500 a)")"
objects "one before its time" "before its time" "$(each 2 40 && run a 1 20 41500 end 41800 "$(activation 42)" && each 44 98)" \
    "$(campaign cron keep)"
agrees "... by the servers' clock, and not by its own" \
    "$(each 2 40 && run a 1 20 41505 end 41800 "$(activation 42)" && run a 1 21 43505 end 43700 "$(activation 44)" && each 46 98)" \
    "$(campaign cron keep "clock 40500000000 a +0.500 1.000")"
objects "one that is not of the schedule" "not of the schedule" \
    "$(each 2 40 && run a 1 20 41005 end 41300 "$(activation 41)" && each 42 98)" "$(campaign cron keep)"
objects "one that is late" "when the next was due" \
    "$(each 2 40 && run a 1 20 45500 end 45600 "$(activation 42)" && each 46 98)" "$(campaign cron keep)"
