#!/bin/bash
# The configuration file: where it is found, what it may say, what is said about
# what it may not. No server is ever reached.
. "$(dirname "$0")/lib.sh"
PORT[none]=$(port_choose)
umask 022 # what others may write is not read
case $BALLOT in */asan/*) ;; *) ulimit -v 1000000 ;; esac # what grows without bound is to fail
no_server() { # sets the environment so that ballot soon gives up
    export BALLOT_ZOOKEEPER_SERVERS=127.0.0.1:${PORT[none]} BALLOT_ZOOKEEPER_SESSION_TIMEOUT=100ms
}
no_server
export HOME=$T/home
mkdir -p "$T/home/.config/ballot" "$T/xdg/ballot" "$T/cwd"
cd "$T/cwd" || exit
block() { # SENTENCE: a behaviour; no configuration file is there yet
    describe "$1"
    rm -rf "$T/cwd"/* "$T/home/.config/ballot"/* "$T/xdg/ballot"/*
}
try() { # ARG...: output in $T/out, status in STATUS
    timeout 20 "$BALLOT" "$@" >"$T/out" 2>&1
    STATUS=$?
}
# shellcheck disable=SC2059 # formats, for \n and the like
ini() { printf "$@" >"$T/cwd/ballot.ini"; } # FORMAT [ARG...]
shows() { # SETTING=VALUE SOURCE: in what `ballot config` has listed
    grep -qxF "${1%%=*} = ${1#*=} ; $2" "$T/out"
}
gives() { # SETTING=VALUE SOURCE [ARG...]
    try config run once "${@:3}" -- true
    check "$1 from $2" shows "$1" "$2" || cat "$T/out"
}
refused_with() { # TEXT: with 125, in one line, and nothing was started
    [ "$STATUS" = 125 ] && [ "$(lines "$T/out")" = 1 ] && holds "$T/out" "$1" && [ ! -e "$T/started" ]
}
fails() { # TEXT [ARG...]
    try run once "${@:2}" -- touch "$T/started"
    check "=> $1" refused_with "$1" || cat "$T/out"
}
put() { echo "candidate-id = $2" >"$1"; } # FILE ID

block "The configuration file is the one that is named, else ~/.config, else ./ballot.ini"
put ballot.ini here
gives candidate-id=here ./ballot.ini:1
put "$T/home/.config/ballot/ballot.ini" home
gives candidate-id=home "$T/home/.config/ballot/ballot.ini:1"
put "$T/xdg/ballot/ballot.ini" xdg
XDG_CONFIG_HOME=$T/xdg gives candidate-id=xdg "$T/xdg/ballot/ballot.ini:1"
put "$T/home/other.conf" other
gives candidate-id=other "$T/home/other.conf:1" --config-file="$T/home/other.conf"
gives candidate-id=other "$T/home/other.conf:1" --config-file='~/other.conf'
BALLOT_CONFIG_FILE=$T/home/other.conf gives candidate-id=other "$T/home/other.conf:1"
CONFIG_FILE=$T/home/other.conf gives candidate-id=other "$T/home/other.conf:1"
BALLOT_CONFIG_FILE=$T/home/other.conf gives config-file=ballot.ini --config-file --config-file=ballot.ini

block "A file that cannot be read is an error, unless it is only a link to nothing"
fails "--config-file: cannot read nowhere.ini: No such file or directory" --config-file=nowhere.ini
fails "--config-file: cannot read $T: Is a directory" --config-file="$T"
fails '--config-file: "" is not the path of a file' --config-file=
mkfifo "$T/xdg/ballot/ballot.ini"
XDG_CONFIG_HOME=$T/xdg fails "cannot read $T/xdg/ballot/ballot.ini: it is not a regular file"
ln -s /nowhere/at/all ballot.ini
gives candidate-id=flag --candidate-id --candidate-id=flag
refuse "... a link to nothing is no file" grep -q 'not read' "$T/out"
rm ballot.ini
put ballot.ini here && chmod 0 ballot.ini
ordinary=()
[ "$(id -u)" != 0 ] || ordinary=(setpriv --reuid=65534 --regid=65534 --clear-groups) # root may read all
chmod 755 "$T" && cp "$BALLOT" "$T/home/ballot" && chmod 755 "$T/home" "$T/cwd"
timeout 20 "${ordinary[@]}" "$T/home/ballot" run once --candidate-id=a -- true >"$T/out" 2>&1
is "$? $(cat "$T/out")" "125 ballot: cannot read ./ballot.ini: Permission denied" \
    "a file that may not be read is an error"

block "./ballot.ini is not read where another user may have planted it"
not_read() { # WHY
    holds "$T/out" "warn  ./ballot.ini is not read: $1; " && shows stop-timeout=10s default
}
planted() { # WHY COMMAND...: what COMMAND does to it, or to its folder, keeps it from being read
    put ballot.ini planted && echo 'stop-timeout = 7s' >>ballot.ini
    "${@:2}"
    try config run once --candidate-id=flag -- true
    check "${*:2}: ./ballot.ini is not read: $1" not_read "$1" || cat "$T/out"
    chmod 755 . && chown "$(id -u)" . && rm -rf ballot.ini
}
instead() { rm ballot.ini && "$@" ballot.ini; } # COMMAND...: another thing of that name
planted 'others may write it' chmod 666 ballot.ini
planted 'others may write it' chmod 664 ballot.ini
planted 'others may write into its folder' chmod 777 .
planted 'others may write into its folder' chmod 1777 .
planted 'others may write into its folder' chmod 775 .
endless() { chmod 777 . && instead ln -s ballot.ini; } # open() fails for it
planted 'others may write into its folder' endless
planted 'it is not a regular file' instead mkfifo
planted 'it is not a regular file' instead ln -s /dev/zero
planted 'Is a directory' instead mkdir
if [ "$(id -u)" = 0 ]; then
    planted 'it belongs to another user' chown 65534 ballot.ini
    planted 'its folder belongs to another user' chown 65534 .
else
    skip "./ballot.ini of another user" "only root can make one"
fi
put ballot.ini here && chmod 666 ballot.ini
gives candidate-id=here ballot.ini:1 --config-file=ballot.ini

block "A file may be a pipe, such as a shell's <(...)"
mkfifo "$T/pipe"
(sleep 0.2; echo 'candidate-id = pipe' >"$T/pipe") &
gives candidate-id=pipe "$T/pipe:1" --config-file="$T/pipe"
try config run once --config-file=<(echo 'candidate-id = substituted') -- true
check "... a shell's <(...) too" grep -q 'candidate-id = substituted ; /dev/fd/[0-9]*:1' "$T/out"
for words in 'next @daily' info watch 'step-down --timeout=100ms'; do
    # shellcheck disable=SC2086
    timeout 1 "$BALLOT" config $words --config-file=<(echo 'log-format = raw') >"$T/out" 2>&1
    check "... $words" grep -q 'log-format = raw ; /dev/fd/[0-9]*:1' "$T/out"
done
for words in 'run once --candidate-id=a --on-election-failure=exit true' info watch 'step-down --timeout=100ms'; do
    # shellcheck disable=SC2086
    timeout 1 "$BALLOT" config --zookeeper-auth-file=<(echo digest:u:p) $words >"$T/out" 2>&1
    check "an identity from <(...): $words" grep -q 'zookeeper-auth = (not shown) ; /dev/fd/[0-9]*' "$T/out"
done
(echo digest:u:p >"$T/pipe") &
gives "zookeeper-auth=(not shown)" "$T/pipe" --candidate-id=a --zookeeper-auth-file="$T/pipe"

block "A file is not a device, ends somewhere, and has no read errors"
(exec yes '' >"$T/pipe" 2>/dev/null) &
fails "$T/pipe:100001: is one line more than a file may have" --config-file="$T/pipe"
for name in config-file zookeeper-auth-file; do
    fails "--$name: cannot read /dev/zero: it is neither a regular file nor a pipe" --candidate-id=a --$name=/dev/zero
done
fails "/proc/self/mem:1: cannot be read: Input/output error" --config-file=/proc/self/mem
fails "--zookeeper-auth-file: cannot read /proc/self/mem: Input/output error" \
    --candidate-id=a --zookeeper-auth-file=/proc/self/mem

block "A terminal shows what an error repeats, and does not obey it"
hostile=$'\e[2J\xc2\x9b5n\x9b5n\xe2\x80\xae'
shown() { # ARG...: an error that repeats $hostile
    try "$@"
    check "shown, not obeyed: ${*//"$hostile"/(hostile)}" refused_printably || cat -A "$T/out"
}
refused_printably() { [ "$STATUS" = 125 ] && printable "$T/out"; }
shown run once --candidate-id=a "--stop-timeout=$hostile" -- true
shown run once "--$hostile=1"
shown run once "-$hostile"
shown "$hostile"
shown info "$hostile"
shown next "$hostile"
shown next @daily "$hostile"
shown run once "--config-file=$hostile" -- true
BALLOT_STOP_TIMEOUT=$hostile shown run once --candidate-id=a -- "BALLOT_STOP_TIMEOUT=$hostile"
TZ=$hostile shown next @daily "--from=2030-01-01T00:00:00Z"
for line in "stop-timeout = $hostile" "$hostile = 5s" "[$hostile]"$'\na = b' "$hostile"; do
    echo "$line" >ballot.ini
    shown run once --candidate-id=a -- "ballot.ini: ${line%%$'\n'*}"
done
rm ballot.ini
DEBUG=$'x\n2030-01-01 forged' try run once --on-election-failure=exit --candidate-id=a -- true
refuse "a warning begins no second line" grep -q 'warn  2030' "$T/out"

block "A Go ballot's configuration file is told apart"
for end in yaml yml json toml; do
    fails "is not an INI file; write each \`name: value\` as a line \`name = value\`" --config-file="ballot.$end"
done
translates() { # LINE...: the message has these lines, in the form of an INI file
    is "$STATUS $(sed -n '2,$s/^    //p' "$T/out")" "125 $(printf '%s\n' "$@")" "its lines in ours"
}
printf '%s\n' '{' '  "candidate-id": "x",' '  "zookeeper-servers": [' '    "zk1",' '    "[::1]:2181"' '  ],' \
    '  "debug": true' '}' >ballot.json
try info --config-file=ballot.json
translates 'candidate-id = x' 'zookeeper-servers = zk1, [::1]:2181' 'debug = true'
printf 'candidate-id = "\e[2J"\nzookeeper-servers = ["zk1", "zk2"]\n' >ballot.toml
try info --config-file=ballot.toml
translates 'candidate-id = \x1b[2J' 'zookeeper-servers = zk1, zk2'

printf 'zookeeper-servers:\n  - zk1\nrun:\n  zookeeper-auth: digest:u:deep\n  zookeeper_auth: "digest:u:deep"\n' >ballot.yaml
try info --config-file=ballot.yaml
translates 'zookeeper-servers = zk1' '; run:' 'zookeeper-auth = (not shown)' '; (not shown)'

block "A Go ballot's configuration file in its usual place does not lead into the default election"
cat >ballot.yaml <<'YAML'
# of a Go ballot
candidate-id: "x"
zookeeper-servers:
  - zk1:2181
  - "zk2:2181" # the second

log-level: 'warn'
no-such-setting: 5s
schedule: "30 2 * * *"
YAML
told() { grep -q 'warn .*\./ballot.yaml is not read' "$T/out"; }
unset BALLOT_ZOOKEEPER_SERVERS
for words in 'run once --candidate-id=a true' info 'info --zookeeper-servers=h' 'watch --zookeeper-base-path=/a'; do
    # shellcheck disable=SC2086
    try $words
    check "refused: $words" holds "$T/out" "no INI file is found: ./ballot.yaml is not an INI file; write each"
    translates 'candidate-id = x' 'zookeeper-servers = zk1:2181, zk2:2181' 'log-level = warn' '; no-such-setting: 5s' \
        'schedule = 30 2 * * *'
done
try next @daily
is "$STATUS" 0 "not where no election is meant"
no_server
try config run once --candidate-id=a --zookeeper-base-path=/a -- true
check "a warning where servers and base path are given" told
put "$T/home/.config/ballot/ballot.ini" home
try config run once -- true
check "nothing where an INI file is found" shows candidate-id=home "$T/home/.config/ballot/ballot.ini:1"
rm "$T/home/.config/ballot/ballot.ini"
chmod 777 .
try config run once --candidate-id=a -- true
check "a warning where others may have planted it" told
chmod 755 .

block "Sections, comments, blanks, line ends: what a file may have"
ini 'candidate-id = everywhere\n[run]\ncandidate-id=run\n[run once]\ncandidate-id = once\n'
gives candidate-id=once ./ballot.ini:5
ini '[run once]\ncandidate-id = once\n[run]\ncandidate-id=run\n'
gives candidate-id=once ./ballot.ini:2
ini '; a comment\n# another\n\ncandidate-id: a name with blanks  ; and a comment\n'
gives 'candidate-id=a name with blanks' ./ballot.ini:4
ini '\xef\xbb\xbfcandidate-id = bom\r\nstop-timeout = 7s\r\n'
gives candidate-id=bom ./ballot.ini:1
gives stop-timeout=7s ./ballot.ini:2
ini '[run]\n  candidate-id = indented\n\tstop-timeout = 7s\n'
gives candidate-id=indented ./ballot.ini:2
gives stop-timeout=7s ./ballot.ini:3
ini 'candidate-id = no newline'
gives 'candidate-id=no newline' ./ballot.ini:1

block "A list is separated by commas, blanks and line ends"
unset BALLOT_ZOOKEEPER_SERVERS
for list in 'h1,h2,h3' 'h1 h2  h3' 'h1,\n  h2\n\th3' 'h1,\n  h2 ; two\n\th3\t;three' \
    'h1, h2 ; two\n  ; and a comment between\n  h3'; do
    ini "candidate-id = a\nzookeeper-servers = $list\n"
    try config run once -- true
    check "a list: ${list//$'\n'/ }" grep -qE 'zookeeper-servers = h1,+h2,+h3 ' "$T/out" ||
        cat "$T/out"
done
no_server

block "Precedence for each type of setting: flag, environment, file, default"
precede() { # SETTING DEFAULT FILE ENVIRONMENT FLAG
    local variable=BALLOT_${1//-/_}
    ini 'candidate-id = file\n'
    [ "$1" = candidate-id ] || { [ -z "$2" ] || gives "$1=$2" default; }
    ini 'candidate-id = file\n[run]\n'
    [ "$1" = candidate-id ] || printf '%s = %s\n' "$1" "$3" >>ballot.ini
    gives "$1=$3" "./ballot.ini:$([ "$1" = candidate-id ] && echo 1 || echo 3)"
    export "${variable^^}=$4"
    gives "$1=$4" "${variable^^} in the environment"
    gives "$1=$5" "--$1" "--$1=$5"
    unset "${variable^^}"
}
unset BALLOT_ZOOKEEPER_SERVERS BALLOT_ZOOKEEPER_SESSION_TIMEOUT
precede zookeeper-session-timeout 5s 150ms 200ms 250ms
export BALLOT_ZOOKEEPER_SESSION_TIMEOUT=100ms
precede zookeeper-servers localhost 127.0.0.1:1 127.0.0.1:2 127.0.0.1:3
no_server
precede candidate-id '' file environment flag
precede zookeeper-base-path /ballot/election /file /environment /flag
precede stop-timeout 10s 1s 2s 3s
precede on-child-error reelect exit ignore rerun
precede wrap-child-logs true false true false
precede log-level info debug trace info
for n in file environment flag; do echo "digest:u:$n" >"$T/$n" && chmod 600 "$T/$n"; done
precede zookeeper-auth-file '' "$T/file" "$T/environment" "$T/flag"

block "Precedence for a command of its own section: next"
next_gives() { # SETTING=VALUE SOURCE [ARG...]
    try config next @hourly "${@:3}"
    check "$1 from $2" shows "$1" "$2" || cat "$T/out"
}
ini '[next]\ncount = 2\nfrom = 2031-01-01T00:00:00Z\n'
next_gives count=2 ./ballot.ini:2
next_gives from=2031-01-01T00:00:00Z ./ballot.ini:3
BALLOT_COUNT=3 next_gives count=3 "BALLOT_COUNT in the environment"
BALLOT_FROM=2032-01-01T00:00:00Z next_gives from=2032-01-01T00:00:00Z "BALLOT_FROM in the environment"
BALLOT_COUNT=3 next_gives count=4 --count --count=4
BALLOT_COUNT=3 next_gives count=4 -n -n 4
next_gives from=2033-01-01T00:00:00Z --from --from 2033-01-01T00:00:00Z
ini ''
next_gives count=5 default

block "Precedence for the identity, which is never shown"
identity() { gives "zookeeper-auth=(not shown)" "$1" "${@:2}"; }
ini 'candidate-id = a\nzookeeper-auth = digest:u:file\n'
identity ./ballot.ini:2
BALLOT_ZOOKEEPER_AUTH=digest:u:env identity "BALLOT_ZOOKEEPER_AUTH in the environment"
BALLOT_ZOOKEEPER_AUTH=digest:u:env identity --zookeeper-auth --zookeeper-auth=digest:u:flag
echo digest:u:flag >"$T/identity" && chmod 600 "$T/identity"
identity "$T/identity" --zookeeper-auth-file="$T/identity"
BALLOT_ZOOKEEPER_AUTH_FILE=$T/identity identity --zookeeper-auth --zookeeper-auth=digest:u:flag
fails "--zookeeper-auth and --zookeeper-auth-file exclude each other" \
    --zookeeper-auth=digest:u:flag --zookeeper-auth-file="$T/identity"

block "A bad identity is an error, which does not show it"
ini 'candidate-id = a\n'
for bad in digest: digest:u digest:u: digest::p basic:u:p hunter2; do
    fails "--zookeeper-auth: its value (not shown) is not digest:USER:PASSWORD" --zookeeper-auth="$bad"
done
refuse "... it is not shown" grep -q hunter2 "$T/out"
ini 'candidate-id = a\nzookeeper-auth = hunter2\n'
fails "./ballot.ini:2: zookeeper-auth: its value (not shown) is not digest:USER:PASSWORD"
ini 'candidate-id = a\n'
echo hunter2 >"$T/bad"
fails "$T/bad: its value (not shown) is not digest:USER:PASSWORD" --zookeeper-auth-file="$T/bad"
printf 'digest:u:p\nmore\n' >"$T/bad"
fails "$T/bad: its value (not shown) is not" --zookeeper-auth-file="$T/bad"
fails "--zookeeper-auth-file: cannot read /nowhere: No such file" --zookeeper-auth-file=/nowhere

block "A file with an identity is not read where others may write it; where they may read it: a warning"
secret=$T/secret
fails_with_mode() { # MODE FILE
    chmod "$1" "$2"
    fails "--zookeeper-auth-file: cannot read $2: others may write it" --candidate-id=a --zookeeper-auth-file="$2"
}
echo digest:u:p >"$secret"
rm -f "$T/pipe" && mkfifo "$T/pipe"
fails_with_mode 620 "$secret"
fails_with_mode 602 "$secret"
fails_with_mode 622 "$T/pipe"
chmod 600 "$secret"
if [ "$(id -u)" = 0 ]; then
    chown 65534 "$secret"
    fails "--zookeeper-auth-file: cannot read $secret: it belongs to another user" \
        --candidate-id=a --zookeeper-auth-file="$secret"
    chown 0 "$secret"
else
    skip "an identity in another user's file" "only root can make one"
fi
chmod 644 "$secret"
try config run once --candidate-id=a --zookeeper-auth-file="$secret" -- true
check "a secret that others may read is a warning" \
    grep -q "warn .*$secret holds a secret, and others may read it: chmod 600 $secret" "$T/out"
ini 'candidate-id = a\nzookeeper-auth = digest:u:file\n' && chmod 640 ballot.ini
try config run once -- true
check "... in the configuration file too" grep -q "warn .*ballot.ini holds a secret" "$T/out"
chmod 600 ballot.ini
try config run once -- true
refuse "... not where they may not" grep -q "holds a secret" "$T/out"

block "What a file may not have is told with its line, before anything is started"
while IFS='|' read -r text format; do
    ini "${format/LONG/$(head -c 250 /dev/zero | tr '\0' .)}"
    fails "./ballot.ini:$text"
done <<'LIST'
2: unknown setting "stop-timout"; did you mean stop-timeout?|candidate-id = a\nstop-timout = 5s\n
1: unknown setting "nothing-like-it"|nothing-like-it = 5s\n
3: stop-timeout is set twice in this section|candidate-id = a\nstop-timeout = 5s\nstop-timeout = 6s\n
3: zookeeper-servers is set twice in this section|candidate-id = a\nzookeeper-servers = h1\nzookeeper-servers = h2\n
2: stop-timeout: "soon" is not a duration such as 300ms, 5s or 1h30m|candidate-id = a\nstop-timeout = soon\n
2: stop-timeout: "" is not a duration|candidate-id = a\nstop-timeout =\n
2: on-disconnect: "stay" is not one of keep stop|candidate-id = a\non-disconnect = stay\n
2: debug: "maybe" is not true or false|candidate-id = a\ndebug = maybe\n
3: zookeeper-servers: "h3:x" is not HOST|candidate-id = a\nzookeeper-servers = h1,\n  h3:x\n
2: zookeeper-base-path: "/a//b" is not a path|candidate-id = a\nzookeeper-base-path = /a//b\n
3: begins with a blank, so it goes on with stop-timeout above, which takes one line|candidate-id=a\nstop-timeout=5s\n x
2: unknown section [run twice]; sections are called as commands are|candidate-id = a\n[run twice]\nstop-timeout = 5s\n
2: unknown section [runn]; sections are called as commands are|candidate-id = a\n[runn]\n
2: unknown section []; sections are called as commands are|candidate-id = a\n[]\n
1: unknown section [runn]|\xef\xbb\xbf[runn]\n
2: unknown section [::1]|zookeeper-base-path = /a\n  [::1]\n
1: more than a comment stands behind [run]|[run] candidate-id = a\n
4: zookeeper-servers: "h2 # two" is not HOST|candidate-id = a\nzookeeper-servers = h1,\n  # two\n h2 # two\n
2: is neither [section] nor name = value|candidate-id = a\nwhat is this\n
2: is neither [section] nor name = value|candidate-id = a\n[run\n
1: config-file cannot be set in a configuration file|config-file = /etc/other.ini\n
2: holds a NUL byte: this is no text file|candidate-id = a\nstop\x2dtimeout = \x00 5s\n
1: unknown setting ""|= 5s\n
2: is longer than|candidate-id = a\nstop-timeout = 5s ; LONG\n
LIST
ini 'candidate-id = a\nstop-timeout = soon\n'
fails './ballot.ini:2: stop-timeout: "soon" is not' --stop-timeout=5s

block "10 MB of garbage, or of one line: the error is one line, which says where"
head -c 10000000 /dev/urandom >ballot.ini
try config run once -- touch "$T/started"
check "10 MB of garbage: one line" refused_with ": "
check "... that says where" grep -q '^ballot: ./ballot.ini:[0-9]*: ' "$T/out"
head -c 10000000 /dev/zero | tr '\0' x >ballot.ini
fails './ballot.ini:1: is longer than'

block "ballot.ini.example is what ballot itself prints, and is read without a complaint"
check "ballot.ini.example is what \`ballot help --ini\` prints" \
    cmp "$here/../ballot.ini.example" <("$BALLOT" help --ini)
sed 's/^;\([a-z-]* = .\)/\1/' "$here/../ballot.ini.example" >ballot.ini
try config run once --candidate-id=a -- true
check "... and it is read, with each line in effect" \
    grep -qE 'restart-delay-max = 1m ; \./ballot.ini:[0-9]+' "$T/out" || cat "$T/out"
refuse "... without a complaint" grep -q '^ballot:' "$T/out"
