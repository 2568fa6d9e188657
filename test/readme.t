#!/bin/bash
# What the README shows is so: its commands run, its settings are the program's.
. "$(dirname "$0")/lib.sh"
readme=$here/../README.md
commands() { sed '/^```c$/,/^```$/d' "$readme" | sed -n 's/^    \(\(sudo \)\?\(make\|ballot\).*\)/\1/p'; }

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

describe "All of its commands are tried here (but make test, which this is)"
is "$(commands | sort)" 'ballot info -o table
ballot run cron --candidate-id="$(hostname)" --schedule='"'30 2 * * mon-fri'"' -- make-backup
ballot run once --candidate-id="$(hostname)" -- /usr/bin/my-singleton --verbose
ballot step-down
ballot watch
make
make deps demo
make deps test
sudo make install' "these are its commands"

describe "A resource with the three lines refuses a smaller token than it has seen (fence.t: an older leader's)"
mkdir "$T/srv"
lines=$(sed -n '/^```sh$/,/^```$/p' "$readme" | grep -v '^```')
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
make -s -C "$here/.." demo >"$T/demo" 2>&1
is $? 0 "make demo"
for shown in 'b is at work [0-9]* ms later' 'c is at work [0-9]* ms later' 'kill -9'; do
    check "it shows: $shown" grep -q "$shown" "$T/demo"
done

describe "make and make install work in a fresh copy; make uninstall removes all"
mkdir "$T/copy"
cp "$here"/../{ballot.c,ballot.h,Makefile} "$T/copy"
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

describe "The first command, with a singleton of our own, and info"
BASE=/ballot/election # the default path
zk_start zk
mkdir "$T/bin"
cp "$here/../ballot" "$T/bin/ballot"
printf '#!/bin/sh\necho "singleton $*"; exec sleep 100\n' >"$T/bin/my-singleton"
chmod +x "$T/bin/my-singleton"
as_typed() { # NAME COMMAND-LINE: of the README, in a shell
    BALLOT_ZOOKEEPER_SERVERS=$(servers zk) PATH="$T/bin:$PATH" setsid bash -c "exec $2" >"$T/$1.out" 2>"$T/$1.log" &
    PID[$1]=$!
}
info_table() { BALLOT_ZOOKEEPER_SERVERS=$(servers zk) timeout 10 "$BALLOT" info -o table; }
first=$(commands | grep '^ballot run once' | sed "s|/usr/bin/|$T/bin/|")
as_typed a "$first"
check "$first" within 10 grep -q 'singleton --verbose' "$T/a.out"
check "ballot info -o table" prints_like "leads /ballot/election" info_table
stop a

goes_on "What is to come, and the second command"
next=$(grep -o '`ballot next [^`]*`' "$readme" | tr -d '`')
is "$(PATH="$T/bin:$PATH" bash -c "$next" | grep -c T02:30:00)" 10 "$next"
cp "$T/bin/my-singleton" "$T/bin/make-backup"
second=$(commands | grep '^ballot run cron')
as_typed c "$second"
check "$second" within 10 prints_like "^schedule 30 2 [*] [*] mon-fri, next 20.*T02:30:00" info_table
stop c
zk rm "$BASE/schedule"

goes_on "The systemd unit and the container's entry point name what exists"
unit=$(sed -n '/^```ini/,/^```/p' "$readme")
our_singleton() { sed "s|/usr/bin/my-singleton|$T/bin/my-singleton|"; }
line=$(sed -n 's|^ExecStart=/usr/local/bin/ballot ||p' <<<"$unit" | sed "s|%H|$(hostname)|" | our_singleton)
# shellcheck disable=SC2046,SC2086
env $(sed -n 's/^Environment=//p' <<<"$unit") BALLOT_ZOOKEEPER_SERVERS="$(servers zk)" \
    setsid "$BALLOT" $line >"$T/b.out" 2>"$T/b.log" &
PID[b]=$!
check "the systemd unit's line runs" within 10 grep -qs 'singleton --verbose' "$T/b.out"
BASE=/my/singleton
check "... in the election of its Environment" within 5 leader_is "$(hostname)"
stop b
words_of() { perl -MJSON::PP -e 'my (undef, @words) = @{decode_json(<STDIN>)}; print join "\n", @words'; }
mapfile -t words < <(sed -n 's/^ENTRYPOINT //p' "$readme" | words_of | our_singleton)
BALLOT_ZOOKEEPER_SERVERS="$(servers zk)" setsid "$BALLOT" "${words[@]}" >"$T/c.out" 2>"$T/c.log" &
PID[c]=$!
check "the container's entry point runs" within 10 grep -q 'singleton' "$T/c.out"
stop c
