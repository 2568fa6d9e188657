#!/bin/bash
# What the README shows is so: its commands run, its settings are the program's.
. "$(dirname "$0")/lib.sh"
readme=$here/../README.md
commands() { sed '/^```c$/,/^```$/d' "$readme" | sed -n 's/^    \(\(sudo \)\?\(make\|ballot\).*\)/\1/p'; }

settings=$(sed -n 's/^    X([A-Z_]*, "\([a-z-]*\)".*/\1/p' "$here/../ballot.c" | sort | tr '\n' ' ')
is "$(sed -n 's/^| `\([a-z-]*\)` | .* | .*/\1/p' "$readme" | grep -v '^make' | sort | tr '\n' ' ')" "$settings" "its table names the settings of the program, no others"
"$BALLOT" help --ini >"$T/help"
while IFS='|' read -r _ name default _; do
    name=$(tr -d ' `' <<<"$name")
    default=$(sed 's/(.*)//; s/[ `]//g' <<<"$default")
    [ -z "$default" ] || check "$name: the default is $default" grep -qxF -- ";$name = $default" "$T/help"
done < <(grep '^| `[a-z-]*` | .* | .* |$' "$readme")

# The first pages tell what is promised. (That it is so: kill.t, outage.t, and election.t where a leader is cut off alone.)
"$BALLOT" help --man >"$T/man"
for page in "$readme" "$here/../ballot.c" "$T/man"; do
    head -n 40 "$page" | tr -d '\\*' | tr -s ' \n' ' ' >"$T/page"
    for promise in 'in milliseconds; where its machine dies, [^.]*the session timeout' \
        'on-disconnect=keep.* cut off alone and its successor may both run .* until the first is back in contact' \
        'at most one may run, .*on-disconnect=stop.*fencing token'; do
        check "${page##*/}: $promise" grep -q -- "$promise" "$T/page"
    done
done
check "... and that each job needs a path of its own" grep -q '^| `zookeeper-base-path` .* give each job its own' "$readme"

is "$(commands | sort | tr '\n' ';')" \
    'ballot info -o table;ballot run cron --candidate-id="$(hostname)" --schedule='"'30 2 * * mon-fri'"' -- make-backup;ballot run once --candidate-id="$(hostname)" -- /usr/bin/my-singleton --verbose;ballot step-down;ballot watch;make;make deps demo;make deps test;sudo make install;' \
    "these are its commands"

# `make test` is this; `make demo`:
make -s -C "$here/.." demo >"$T/demo" 2>&1
is $? 0 "make demo"
check "... shows three candidates, the kill and the takeover" eval "grep -q 'b is at work [0-9]* ms later' $T/demo && grep -q 'c is at work [0-9]* ms later' $T/demo && grep -q 'kill -9' $T/demo"

# `make` and `make install`, from a copy, as a stranger would
mkdir "$T/copy"
cp "$here"/../{ballot.c,ballot.h,Makefile} "$T/copy"
make -s -C "$T/copy" >"$T/make.log" 2>&1
is $? 0 "make, in a fresh copy"
make -s -C "$T/copy" install DESTDIR="$T/root" PREFIX=/usr >>"$T/make.log" 2>&1
is $? 0 "make install, with DESTDIR and PREFIX"
check "... installs ballot" test -x "$T/root/usr/bin/ballot"
installed=$(cd "$T/root" && find . -type f | sort | tr '\n' ' ')
is "$installed" "./usr/bin/ballot ./usr/share/bash-completion/completions/ballot ./usr/share/fish/vendor_completions.d/ballot.fish ./usr/share/man/man1/ballot.1 ./usr/share/zsh/site-functions/_ballot " "... its manual and completion"
make -s -C "$T/copy" uninstall DESTDIR="$T/root" PREFIX=/usr
is "$(find "$T/root" -type f)" "" "make uninstall removes them"

# the first command, with a singleton of our own
zk_start zk
mkdir "$T/bin"
cp "$here/../ballot" "$T/bin/ballot"
printf '#!/bin/sh\necho "singleton $*"; exec sleep 100\n' >"$T/bin/my-singleton"
chmod +x "$T/bin/my-singleton"
first=$(commands | grep '^ballot run once' | sed "s|/usr/bin/|$T/bin/|")
BALLOT_ZOOKEEPER_SERVERS=$(servers zk) PATH="$T/bin:$PATH" setsid bash -c "exec $first" >"$T/a.out" 2>"$T/a.log" &
PID[a]=$!
check "$first" within 10 grep -q 'singleton --verbose' "$T/a.out"
check "ballot info -o table" eval 'BALLOT_ZOOKEEPER_SERVERS=$(servers zk) timeout 10 "$BALLOT" info -o table | grep -q "leads /ballot/election"'
stop a

# what is to come
next=$(grep -o '`ballot next [^`]*`' "$readme" | tr -d '`')
is "$(eval "${next/ballot/$BALLOT}" | grep -c T02:30:00)" 10 "$next"

# the second
cp "$T/bin/my-singleton" "$T/bin/make-backup"
second=$(commands | grep '^ballot run cron')
BALLOT_ZOOKEEPER_SERVERS=$(servers zk) PATH="$T/bin:$PATH" setsid bash -c "exec $second" >"$T/c.out" 2>"$T/c.log" &
PID[c]=$!
check "$second" within 10 eval 'BALLOT_ZOOKEEPER_SERVERS=$(servers zk) timeout 10 "$BALLOT" info -o table | grep -q "^schedule 30 2 [*] [*] mon-fri, next 20.*T02:30:00"'
stop c
zk rm $BASE/schedule

# the systemd unit and the container's entry point name what exists
unit=$(sed -n '/^```ini/,/^```/p' "$readme")
line=$(sed -n 's|^ExecStart=/usr/local/bin/ballot ||p' <<<"$unit" | sed "s|%H|$(hostname)|; s|/usr/bin/my-singleton|$T/bin/my-singleton|")
# shellcheck disable=SC2046,SC2086
env $(sed -n 's/^Environment=//p' <<<"$unit") BALLOT_ZOOKEEPER_SERVERS="$(servers zk)" setsid "$BALLOT" $line >"$T/b.out" 2>"$T/b.log" &
PID[b]=$!
check "the systemd unit's line runs" within 10 grep -qs 'singleton --verbose' "$T/b.out"
BASE=/my/singleton
check "... in the election of its Environment" within 5 leader_is "$(hostname)"
stop b
entry=$(sed -n 's/^ENTRYPOINT //p' "$readme" | perl -MJSON::PP -e 'my @w = @{decode_json(<STDIN>)}; shift @w; print join "\n", @w' | sed "s|/usr/bin/my-singleton|$T/bin/my-singleton|")
mapfile -t words <<<"$entry"
BALLOT_ZOOKEEPER_SERVERS="$(servers zk)" setsid "$BALLOT" "${words[@]}" >"$T/c.out" 2>"$T/c.log" &
PID[c]=$!
check "the container's entry point runs" within 10 grep -q 'singleton' "$T/c.out"
stop c
