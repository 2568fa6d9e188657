#!/bin/bash
# The Makefile on a machine where packages are missing: it says which, and only `make deps`
# installs them, before anything else. The package manager here is a pretence.
. "$(dirname "$0")/lib.sh"
mkdir "$T/bin"
pretend() { printf '#!/bin/sh\n%s\n' "$2" >"$T/bin/$1" && chmod +x "$T/bin/$1"; } # COMMAND SCRIPT
pretend dpkg-query "[ -e $T/installed ] || exit 1; shift 3; for p; do echo \"\$p ii \"; done"
pretend apt-get "echo \"apt-get \$*\" >>$T/calls; [ \$1 != install ] || { sleep 0.5; : >$T/installed; }"
pretend sudo "echo \"sudo \$*\" >>$T/calls; exec \"\$@\""
pretend id "echo \${PRETEND_ID:-0}"
try() { # ARG...: make; output in $T/out, the package manager's calls in $T/calls
    : >"$T/calls"
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS PATH="$T/bin:$PATH" make -C "$here/.." TESTS=test/unit.t "$@" >"$T/out" 2>&1
    STATUS=$?
}
called() { grep -q -- "$1" "$T/calls"; }

describe "Where packages are missing, each goal names them and installs nothing"
for goal in test demo bench conform lint soak fuzz; do
    try $goal
    check "make $goal: fails where packages are missing" [ $STATUS != 0 ]
    check "... names them" grep -q '^missing here: bash .*zookeeper' "$T/out"
    check "... and the line that installs them" grep -q '^    apt-get install -y .* zookeeper' "$T/out"
    is "$(cat "$T/calls")" "" "... which it does not call"
done
try lint
check "make lint: names what only checking needs" grep -q "^missing here: .*clang-tidy" "$T/out"

describe "make deps installs all packages, before anything else, and only once"
try -j4 deps test
is $STATUS 0 "make -j4 deps test: the packages come first"
check "... both kinds of them" called 'install .* zookeeper .*clang-tidy'
refuse "... root needs no sudo" called sudo
check "... then the tests" grep -q '^Result: PASS' "$T/out"
try deps
is "$STATUS $(cat "$T/calls")" "0 " "make deps: nothing is done where all is there"

describe "make deps as another user than root calls sudo, or says what root has to do"
rm "$T/installed"
PRETEND_ID=1000 try deps
check "it calls sudo" called '^sudo .*apt-get install'
rm -f "$T/installed" "$T/bin/sudo"
for command in bash awk grep env sed; do ln -s "$(command -v $command)" "$T/bin/$command"; done
PRETEND_ID=1000 PATH=$T/bin "$here/deps" install zookeeper >"$T/out" 2>&1
is $? 1 "... or fails, without sudo"
check "... and shows what root has to do" grep -q '^    apt-get install -y --no-install-recommends zookeeper$' "$T/out"
