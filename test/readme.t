#!/bin/bash
# What the README shows is so: its commands run, its settings are the program's.
. "$(dirname "$0")/lib.sh"
readme=$here/../README.md

describe "The table of settings names each of the program's, with its default and its words"
program_names() { sed -n 's/^    X([A-Z_]*, "\([a-z-]*\)".*/\1/p' "$here/../ballot.c" | sort | tr '\n' ' '; }
table_names() { sed -n 's/^| `\([a-z-]*\)` | .* | .*/\1/p' "$readme" | grep -v '^make' | sort | tr '\n' ' '; }
is "$(table_names)" "$(program_names)" "its table names the settings of the program, no others"
"$BALLOT" help --ini >"$T/help"
while IFS='|' read -r _ name default _; do
    name=$(tr -d ' `' <<<"$name")
    default=$(sed 's/(.*)//; s/[ `]//g' <<<"$default")
    [ -z "$default" ] || check "$name: the default is $default" grep -qxF -- ";$name = $default" "$T/help"
done < <(grep '^| `[a-z-]*` | .* | .* |$' "$readme")
while IFS=';' read -r words name; do
    is "$(grep "^| .$name. |" "$readme" | cut -d '|' -f 4 | grep -o '`[a-z-]*`' | tr -d '`' | paste -sd ' ')" \
        "$(xargs <<<"$words")" "$name: its words"
done < <(sed 's/^; //' "$T/help" | tr '\n' ' ' | grep -o 'one of: [^;]*;[a-z-]*' | sed 's/^one of: //')

describe "The first pages tell what is promised"
# (That it is so: kill.t, outage.t, and election.t where a leader is cut off alone.)
"$BALLOT" help --man >"$T/man"
for page in "$readme" "$here/../ballot.c" "$T/man"; do
    head -n 40 "$page" | tr -d '\\*' | tr -s ' \n' ' ' >"$T/page"
    for promise in 'in milliseconds; where its machine dies, [^.]*the session timeout' \
        'on-disconnect=keep.* cut off alone and its successor may both run .* until the first is back in contact' \
        'at most one may run, .*on-disconnect=stop.*fencing token'; do
        check "${page##*/}: $promise" grep -q -- "$promise" "$T/page"
    done
done
check "... and that each job needs a path of its own" \
    grep -q '^| `zookeeper-base-path` .* give each job its own' "$readme"

describe "Each block of code is run, by what follows or by another test, or it is said why not"
mkdir "$T/blocks"
awk -v folder="$T/blocks" '
    /^```$/ && file { close(file); file = ""; next }
    /^```/ { file = sprintf("%s/%02d.%s", folder, ++count, substr($0, 4)); next }
    file { print >file }' "$readme"
block() { grep -lF -- "$1" "$T"/blocks/*; } # TEXT: the file of the one block that has it
declare -A TRIED # by block: where it is run, or why not
tried() { TRIED[$(basename "$(block "$1")")]=$2; } # TEXT WHERE
tried 'ballot run once --candidate-id="$(hostname)" -- my-singleton' below
tried 'ballot run cron' below
tried 'make deps demo' "below, without deps: skipped, as it installs packages (setup.t tries it)"
tried 'make deps test' "skipped: this is a part of it"
tried 'sudo make install' "below, without sudo"
tried '[Unit]' below
tried 'FROM debian' "its last line below"
tried 'exec 9>>' "below, and by fence.t"
tried 'ballot next' below
tried 'ballot info -o table' below
tried 'ballot info --check' below
tried 'ballot watch' below
tried 'ballot step-down' below
tried 'ballot config' below
tried 'zookeeper-servers = ' below
tried 'leading, with fencing token' "below: the same words in the same order"
tried 'joined        b' "skipped: an example of what watch prints (watch.t)"
tried 'day-of-month' "skipped: a grammar (cron.t)"
tried '[zk1]' "by tls.t"
tried 'secureClientPort' "by tls.t"
tried '#include "ballot.h"' "by embed.t"
for file in "$T"/blocks/*; do
    name=$(basename "$file")
    note "block $name, \"$(head -n 1 "$file" | cut -c1-60)\": ${TRIED[$name]:-}"
    check "block $name is accounted for" test -n "${TRIED[$name]:-}"
done
note "$(printf '%s\n' "$T"/blocks/* | wc -l) blocks, $(printf '%s\n' "${TRIED[@]}" | grep -c ^skipped) skipped"

describe "The table of test/compare, which takes minutes, has the rows that it prints"
is "$(sed -n '/^| eight at once/,/^$/s/^| \([^|]*\) |.*/\1/p' "$readme")" \
    "$(sed -n 's/^    row "\([^"]*\)" .*/\1/p' "$here/compare" | sed 's/\\`/`/g')" "its rows"

describe "A resource with the three lines refuses a smaller token than it has seen (fence.t: an older leader's)"
mkdir "$T/srv"
lines=$(cat "$(block 'exec 9>>')")
printf '#!/bin/sh\n%s\n' "${lines//\/srv/$T/srv}" >"$T/resource"
echo 0 >"$T/srv/resource.token"
is "$(wc -l <<<"$lines")" 3 "they are three"
accesses() { # STATUS TOKEN
    BALLOT_FENCING_TOKEN=$2 sh "$T/resource" touch "$T/srv/at-$2" 2>/dev/null
    is "$?$([ -e "$T/srv/at-$2" ] && echo " done")" "$1" "token ${2:-(none)}: ${1/75/refused}"
    rm -f "$T/srv/at-$2"
}
for token in 7 7 1234567890123; do accesses "0 done" $token; done
for token in 8 '' x; do accesses 75 "$token"; done
is "$(cat "$T/srv/resource.token")" 1234567890123 "... which is remembered"

describe "make demo shows three candidates, the kill and the takeover"
is "$(cat "$(block 'make deps demo')")" "make deps demo" "as it is written"
make -s -C "$here/.." demo >"$T/demo" 2>&1
is $? 0 "make demo"
for shown in 'b is at work [0-9]* ms later' 'c is at work [0-9]* ms later' 'kill -9'; do
    check "it shows: $shown" grep -q "$shown" "$T/demo"
done

describe "make and make install work in a fresh copy; make uninstall removes all"
mkdir "$T/copy"
cp "$here"/../{ballot.c,ballot.h,Makefile} "$T/copy"
is "$(cat "$(block 'sudo make install')")" "make
sudo make install" "as it is written"
make -s -C "$T/copy" >"$T/make.log" 2>&1
is $? 0 "make, in a fresh copy"
make -s -C "$T/copy" install DESTDIR="$T/root" PREFIX=/usr >>"$T/make.log" 2>&1
is $? 0 "make install, with DESTDIR and PREFIX"
check "... installs ballot" test -x "$T/root/usr/bin/ballot"
installed=$(cd "$T/root" && find . -type f | sort | tr '\n' ' ')
wanted="./usr/bin/ballot ./usr/share/bash-completion/completions/ballot "
wanted+="./usr/share/fish/vendor_completions.d/ballot.fish ./usr/share/man/man1/ballot.1 "
wanted+="./usr/share/zsh/site-functions/_ballot "
is "$installed" "$wanted" "... its manual and completion"
make -s -C "$T/copy" uninstall DESTDIR="$T/root" PREFIX=/usr
is "$(find "$T/root" -type f)" "" "make uninstall removes them"

describe "The first commands, with a singleton of our own, and those that look"
BASE=/ballot/election # the default path
zk_start zk
mkdir "$T/bin"
cp "$here/../ballot" "$T/bin/ballot"
printf '#!/bin/sh\necho "singleton $*"; exec sleep 100\n' >"$T/bin/my-singleton"
cp "$T/bin/my-singleton" "$T/bin/make-backup"
chmod +x "$T/bin/my-singleton" "$T/bin/make-backup"
export BALLOT_ZOOKEEPER_SERVERS
BALLOT_ZOOKEEPER_SERVERS=$(servers zk)
as_typed() { # NAME FILE: what the README says, in a shell
    PATH="$T/bin:$PATH" setsid bash -c "exec $(cat "$2")" >"$T/$1.out" 2>"$T/$1.log" &
    PID[$1]=$!
}
typed() { PATH="$T/bin:$PATH" timeout 15 bash "$(block "$1")" 2>&1; } # TEXT: what its block prints
as_typed a "$(block 'ballot run once --candidate-id="$(hostname)" -- my-singleton')"
check "run once" within 10 grep -q 'singleton --verbose' "$T/a.out"
check "info" prints_like "leads /ballot/election" typed 'ballot info -o table'
is "$(typed 'ballot info --check')" "" "info --check: a candidate leads"
check "step-down: no other stands" prints_like 'it was not handed over: 125' typed 'ballot step-down'
check "config: what follows from stop" prints_like ' heartbeat 1000 term 2500 kill 3167 lease 3333 ' typed 'ballot config'
(typed 'ballot watch' >"$T/watch.out") &
check "watch" within 10 grep -qE ' leader +'"$(hostname)" "$T/watch.out"
stop a
check "... tells of the end" within 10 grep -q ' resigned ' "$T/watch.out"
check "info --check: none leads" prints_like 'no candidate leads: 3' typed 'ballot info --check'

goes_on "What is to come, and run cron"
is "$(typed 'ballot next' | grep -c T02:30:00)" 10 "next"
as_typed c "$(block 'ballot run cron')"
check "run cron" within 10 prints_like "^schedule 30 2 [*] [*] mon-fri, next 20.*T02:30:00" typed 'ballot info -o table'
stop c
zk rm "$BASE/schedule"

goes_on "A takeover prints what the README shows"
words() { sed -E 's/^([0-9-]+ )?[0-9:.]+ (machine-. )?//; s/[0-9]+/N/g; s/ +/ /g' "$@" | sort; } # FILE...: the lines' words
for n in 1 2; do
    candidate machine-$n -- sh -c 'echo at work; exec sleep 100'
    check "machine-$n stands" within 10 proposals_are $n
    [ $n = 2 ] || check "... and its command runs" within 10 grep -q 'at work' "$T/machine-1.out"
done
kill -KILL "${PID[machine-1]}"
check "the other takes over" within 10 grep -q 'at work' "$T/machine-2.out"
check "... and the guard has said its last" within 10 logged machine-1 'has left the queue'
stop machine-2
words "$T"/machine-[12].{log,out} >"$T/said"
words "$(block 'leading, with fencing token')" | sed 's/my-singleton/sh/' >"$T/shown"
is "$(sort -u "$T/shown" | grep -vxFf "$T/said")" "" "each line that is shown was said"

goes_on "The systemd unit, the container's entry point and the settings' line name what exists"
unit=$(block '[Unit]')
our_singleton() { sed "s|/usr/\(local/\)\?bin/my-singleton|$T/bin/my-singleton|"; }
mkdir "$T/unit"
sed "s|/usr/local/bin/ballot|$BALLOT|; s|/usr/bin/my-singleton|$T/bin/my-singleton|" "$unit" >"$T/unit/my-singleton.service"
verified() { # one line for what systemd has to complain about
    ! systemd-analyze --man=no verify "$T/unit/my-singleton.service" 2>&1 | grep my-singleton
}
if able systemd-analyze --version; then check "systemd has nothing to complain about" verified; else skip "the unit" "$WHY"; fi
line=$(sed -n 's|^ExecStart=/usr/local/bin/ballot ||p' "$unit" | sed "s|%H|$(hostname)|" | our_singleton)
# shellcheck disable=SC2046,SC2086
env $(sed -n 's/^Environment=//p' "$unit") BALLOT_ZOOKEEPER_SERVERS="$(servers zk)" \
    setsid "$BALLOT" $line >"$T/b.out" 2>"$T/b.log" &
PID[b]=$!
check "the systemd unit's line runs" within 10 grep -qs 'singleton --verbose' "$T/b.out"
BASE=/my/singleton
check "... in the election of its Environment" within 5 leader_is "$(hostname)"
stop b
words_of() { perl -MJSON::PP -e 'my (undef, @words) = @{decode_json(<STDIN>)}; print join "\n", @words'; }
mapfile -t words < <(sed -n 's/^ENTRYPOINT //p' "$readme" | words_of | our_singleton)
BALLOT_CANDIDATE_ID=c setsid "$BALLOT" "${words[@]}" >"$T/c.out" 2>"$T/c.log" &
PID[c]=$!
check "the container's entry point runs" within 10 grep -q 'singleton' "$T/c.out"
stop c
unset BALLOT_ZOOKEEPER_SERVERS
check "the settings' line is read" prints_like '^zookeeper-servers = 127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183 ;' \
    "$BALLOT" config info --config-file="$(block 'zookeeper-servers = ')"
