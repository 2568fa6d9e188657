#!/bin/bash
# Help, the man page and completion: all from one table, and fit to be read.
. "$(dirname "$0")/lib.sh"
fits_80_columns() { awk 'length($0) > 80 { exit 1 }' "$1"; } # FILE
names() { sort -u | tr '\n' ' '; }
table=$(sed -n 's/^    X([A-Z_]*, "\([a-z-]*\)".*/\1/p' "$here/../ballot.c" | names)
words=$(sed -n '/^#define COMMANDS/,/^$/s/^    ROW([A-Z_]*, "\([a-z -]*\)".*/\1/p' "$here/../ballot.c")

describe "Each command has its help, with an example, and the overview names it"
"$BALLOT" help >"$T/help"
is $? 0 "help"
is "$("$BALLOT" --help)" "$(cat "$T/help")" "--help is the same"
is "$("$BALLOT" help run)" "$(cat "$T/help")" "... also where a command is not complete"
: >"$T/all"
while read -r command; do
    # shellcheck disable=SC2086
    "$BALLOT" help $command >"$T/one"
    is $? 0 "help $command"
    # shellcheck disable=SC2086
    is "$("$BALLOT" $command --help)" "$(cat "$T/one")" "$command --help"
    check "... has an example" grep -A1 '^Example' "$T/one"
    check "... fits 80 columns" fits_80_columns "$T/one"
    check "... and the overview names it" grep -q "^  ballot $command " "$T/help"
    cat "$T/one" >>"$T/all"
done <<<"$words"
check "the overview fits 80 columns" fits_80_columns "$T/help"

describe "Help explains each word to choose where it is chosen, offers no other, and names the short forms"
for word in reelect rerun exit ignore; do
    check "on-child-success: $word" prints_like "\b$word \(" tr -s ' \n' ' ' <<<"$("$BALLOT" help run once)"
done
for words in 'info yaml json table' 'watch human json' 'step-down human json'; do
    check "its formats: $words" prints_like "-o, --output-format=.*one of: ${words#* } [^a-z]" \
        tr -s ' \n' ' ' <<<"$("$BALLOT" help "${words%% *}")"
done
check "next: -n" prints_like '^  -n, --count=NUMBER' "$BALLOT" help next
check "-h" prints_like '^  -h, --help$' "$BALLOT" help next
for name in TimeoutStopSec RuntimeMaxSec startingDeadlineSeconds; do
    check "run cron: $name" prints_like "$name" "$BALLOT" help run cron
done

describe "Help for what does not exist is an error"
"$BALLOT" help runn >"$T/out" 2>&1
is $? 125 "help for what is no command is an error"
"$BALLOT" help --completion=csh >"$T/out" 2>&1
is "$? $(cat "$T/out")" "125 ballot: --completion is for bash, zsh or fish" "... so is completion for another shell"

describe "--version names ballot, the ZooKeeper client and inih"
check "all three" prints_like '^ballot [0-9.]+ \(ZooKeeper client [0-9.]+, inih [0-9.a-z ]+\)$' "$BALLOT" --version

describe "What cannot be printed is an error"
for words in help 'help run once' 'help --man' 'help --ini' 'help --completion=zsh' --version \
    'next @daily' 'next @daily -n 1000'; do
    # shellcheck disable=SC2086
    "$BALLOT" $words >/dev/full 2>"$T/err"
    is "$? $(cat "$T/err")" "125 ballot: cannot write to stdout: No space left on device" "a full disk: $words"
done

describe "Help, man page, example and README name the settings of the table, all of them"
ini_names() { sed -n 's/^; \?\([a-z-]*\) = .*/\1/p' "$here/../ballot.ini.example"; }
readme_names() { sed -n 's/^| `\([a-z-]*\)` | .* | .*/\1/p' "$here/../README.md" | grep -v '^make'; }
"$BALLOT" help --man >"$T/ballot.1"
"$BALLOT" help --ini >"$T/ballot.ini"
is "$(sed -n 's/^  \(-., \)\?--\([a-z-]*\)=.*/\2/p' "$T/all" | names)" "$table" "--help of all commands"
is "$(sed -n 's/^\\-\\-\(.*\)=.*/\1/p' "$T/ballot.1" | sed 's/\\-/-/g' | names)" "$table" "... the man page too"
is "$( (echo config-file; ini_names) | names)" "$table" "... and ballot.ini.example, but for its own place"
is "$(readme_names | names)" "$table" "... and the README"

describe "groff shows the man page as it is meant"
"$BALLOT" help --man >"$T/ballot.1"
groff -man -ww -z "$T/ballot.1" 2>"$T/groff"
is "$(cat "$T/groff")" "" "groff has nothing to say against the man page"
groff -man -Tascii -P-cbou "$T/ballot.1" 2>/dev/null >"$T/man"
check "... it shows a setting with its default" grep -q -- '--stop-timeout=DURATION' "$T/man"
check "it fits 80 columns" fits_80_columns "$T/man"
is "$(sed -n 's/^\([A-Z][A-Z ]*\)$/\1/p' "$T/man" | paste -sd,)" "NAME,SYNOPSIS,DESCRIPTION,COMMANDS,EXAMPLES,OPTIONS,\
ENVIRONMENT,FILES,EXIT STATUS,SIGNALS,SCHEDULES,FAULTS,SEE ALSO" "... and has all sections"
check "so does the example of a configuration file" fits_80_columns "$T/ballot.ini"
check "... and a ~ and quotes as they are" grep -q 'candidate-id="$(hostname)" -- ' "$T/man"

describe "ballot tells a shell what can come next"
offers() { # TEXT: what is typed behind "ballot"; the words alone
    local words
    read -ra words <<<"$1"
    [[ $1 == *' ' || -z $1 ]] && words+=("")
    "$BALLOT" __complete "${words[@]}" | cut -f 1 | paste -sd ' '
}
levels=(trace debug info warn error fatal panic)
while IFS='|' read -r typed expected; do
    is "$(offers "$typed")" "${expected/LEVELS/${levels[*]/#/--log-level=}}" "ballot $typed"
done <<'LIST'
|run config next info watch step-down help
h|help
ru|run
run |once cron
run o|once
config run |once cron
config in|info
config run once --on-disconnect |keep stop
--debug run c|cron
bogus |
info x|
--|--help --version
run --|--help
next --d|--debug --dst=
next --s|
run cron --s|--stop-timeout= --schedule=
run once --schedule=@d --s|--stop-timeout=
run once --log-l|--log-level=
run once --log-level |trace debug info warn error fatal panic
run once --log-level=|LEVELS
run once --log-level=de|--log-level=debug
run once --log-level de|debug
run once --debug=|--debug=true --debug=false
run once --on-disconnect |keep stop
run once --stop-timeout=|
info -o |yaml json table
watch -o |human json
info -o|-oyaml -ojson -otable
info -oj|-ojson
watch -o=|-o=human -o=json
step-down -o|-ohuman -ojson
next -n|
info --debug t|
info -- --|
help -- --|
next -- --d|--debug --dst=
watch --output-format=|--output-format=human --output-format=json
run once --config-file=x|:files
info --zookeeper-auth-file |:files
run once |:command 2
run once --debug tr|:command 3
run once --log-level info tr|:command 4
run once -- |:command 3
run once -- cat --d|:command 3
help |run config next info watch step-down
help run |once cron
help run once |
help --m|--man
help --completion=|--completion=bash --completion=zsh --completion=fish
LIST
check "options are described" prints_like "^--dst=	skipped" "$BALLOT" __complete next --ds
check "... and commands" prints_like "^info	show the leader" "$BALLOT" __complete in
refuse "... and it is not told of" grep -q __complete "$T/help" "$T/all" "$T/ballot.1"

"$BALLOT" help --completion bash >"$T/ballot.bash"
"$BALLOT" help --completion=zsh >"$T/_ballot"
"$BALLOT" help --completion=fish >"$T/ballot.fish"

describe "What bash makes of it"
bash_completes() { # WORD...: the last one is being typed; "=" is a word of its own
    bash --norc -c '
        source "$1"
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _ballot "$BALLOT"
        echo "${COMPREPLY[*]}"' bash "$T/ballot.bash" "$@"
}
export BALLOT
is "$(bash --norc -n "$T/ballot.bash" 2>&1)" "" "bash takes it"
is "$(bash_completes ballot ru)" run "bash: ru"
is "$(bash_completes ballot run on)" once "bash: run on"
is "$(bash_completes ballot run once --log-l)" --log-level= "bash: --log-l"
is "$(bash_completes ballot run once --log-level = de)" debug "bash: --log-level=de"
is "$(bash_completes ballot run once --log-level=de)" --log-level=debug "bash: --log-level=de, where = is of the word"
is "$(bash_completes ballot run once --log-level de)" debug "bash: --log-level de"
is "$(bash_completes ballot --debug run once --on-disconnect =)" "keep stop" "bash: --on-disconnect="
check "bash: COMMAND" prints_like '\btrue\b' bash_completes ballot run once --log-level = info tru
cd "$T" || exit
: >"a file"
is "$(bash_completes ballot run once --config-file = ballot.in)" ballot.ini "bash: --config-file=ballot.in"
is "$(bash_completes ballot run once --config-file "a f")" "a file" "bash: a file with a blank in its name"
is "$(bash_completes ballot run once cat "a f")" "a file" "bash: COMMAND's argument"

describe "What fish makes of it"
fish_completes() { # TEXT
    HOME=$T XDG_CONFIG_HOME=$T/fish fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$T/ballot.fish" "$1" \
        2>&1 | cut -f 1 | paste -sd ' '
}
mkdir "$T/bin" && ln -s "$(realpath "$BALLOT")" "$T/bin/ballot"
PATH=$T/bin:$PATH
if able fish --no-config -c true; then
    is "$(fish_completes 'ballot ru')" run "fish: ru"
    is "$(fish_completes 'ballot run once --log-l')" --log-level= "fish: --log-l"
    is "$(fish_completes 'ballot run once --log-level=de')" --log-level=debug "fish: --log-level=de"
    is "$(fish_completes 'ballot run once --on-disconnect ')" "keep stop" "fish: --on-disconnect"
    is "$(fish_completes 'ballot run once --config-file=ballot.in')" --config-file=ballot.ini \
        "fish: --config-file=ballot.in"
    check "fish: COMMAND" prints_like '\btrue\b' fish_completes 'ballot run once --log-level info tru'
    check "fish: COMMAND's argument" prints_like '\bballot\.ini\b' fish_completes 'ballot run once -- cat ballot.in'
else
    skip "fish" "$WHY"
fi

describe "What zsh makes of it, at a terminal"
zsh_completes() { # TEXT: typed, and then the tabulator
    zsh -f <<ZSH
zmodload zsh/zpty
read_until() { # PATTERN: what it has written so far, in \$all
    all=
    for ((i = 0; i < 50; i++)); do
        zpty -r -t it line
        all+=\$line
        [[ \$all == \$~1 ]] && break
        sleep 0.1
    done
}
zpty it zsh -f -i
zpty -w it "PS1=; fpath=($T \$fpath); autoload -U compinit; compinit -u -d $T/zcompdump"
zpty -w it "bindkey '^I' complete-word; unsetopt list_beep; echo READY-\$((1+1))"
read_until '*READY-2*'
zpty -w -n it \$'$1\t\x01echo GOT=\x05=TOG\n'
read_until '*'\$'\n''GOT=*=TOG*'
print -r -- \$all
zpty -d it
ZSH
}
completes() { # TEXT COMPLETED
    local got
    got=$(zsh_completes "$1" | tr -d '\r' | sed -n 's/.*GOT=\(.*\)=TOG.*/\1/p' | tail -n 1)
    is "$got" "$2" "zsh: $1"
}
is "$(zsh -f -n "$T/_ballot" 2>&1)" "" "zsh takes it"
able_to_pty || { skip "zsh: what is typed at a terminal" "$WHY"; exit; }
completes 'ballot ru' 'ballot run'
completes 'ballot run on' 'ballot run once'
completes 'ballot run once --log-l' 'ballot run once --log-level='
completes 'ballot run once --log-level=de' 'ballot run once --log-level=debug'
completes 'ballot run once --on-disconnect=k' 'ballot run once --on-disconnect=keep'
completes 'ballot run once --log-level de' 'ballot run once --log-level debug'
completes 'ballot run once --config-file=ballot.in' 'ballot run once --config-file=ballot.ini'
completes 'ballot run once --debug -- dircolor' 'ballot run once --debug -- dircolors'
completes 'ballot run once cat ballot.in' 'ballot run once cat ballot.ini'
