#!/bin/bash
# What ballot.h and the README say to those who embed ballot compiles, and does what they say.
. "$(dirname "$0")/lib.sh"
source=$(cd "$here/.." && pwd)
strict=(-std=c99 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -g -I"$source" -I"$T")
fragment() { # NUMBER: of the pieces of code in ballot.h's comments
    awk -v wanted="$1" '
        !inside && /^ \*     [^ ]/ { inside = 1; n++ }
        !/^ \*     / { inside = 0 }
        inside && n == wanted { print substr($0, 8) }' "$source/ballot.h"
}
build() { # NAME FLAG...: $T/NAME from $T/NAME.c
    cc "${strict[@]}" "${@:2}" -o "$T/$1" "$T/$1.c" "$T/ballot.o" -lzookeeper_st >"$T/cc" 2>&1 && return
    complain "$(head -n 5 "$T/cc")"
    return 1
}
zk_start zk
cc "${strict[@]}" -DBALLOT_NO_MAIN -c -o "$T/ballot.o" "$source/ballot.c"
is $? 0 "the library alone"

describe "The README's program compiles, and does its three jobs"
sed -n '/^```c$/,/^```$/p' "$source/README.md" | sed "/^\`\`\`/d; s/\"localhost\"/\"$(servers zk)\"/" >"$T/three.c"
check "the README's program compiles" build three
timeout 20 "$T/three" >"$T/three.out"
is $? 0 "... runs, and resigns"
is "$(grep -c '^job [123], with fencing token [1-9]' "$T/three.out")" 3 "... after its three jobs"
is "$(zk get /jobs 2>&1)$(zk ls /jobs 2>&1)" "" "... and leaves nothing behind"

describe "ballot.h's loop, with poll(), leads and works while its lease lasts"
begin='#include "ballot.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
static int left, rounds;
#define poll(fds, count, ms) (rounds++, poll(fds, count, ms))
#define epoll_wait(set, events, room, ms) (rounds++, epoll_wait(set, events, room, ms))
static bool work(int64_t token, int64_t ms)
{
    static int64_t before;
    left -= ms > before; /* another heartbeat was acknowledged */
    before = ms;
    printf("%" PRId64 " %" PRId64 "\n", token, ms);
    fflush(stdout);
    return left > 0;
}
int main(int argc, char **argv)
{
    const struct ballot_config config = {
        .servers = argv[argc - 2], .base_path = "/loop", .candidate_id = "x", .timeout_ms = 2000
    };
    int set = epoll_create1(EPOLL_CLOEXEC);
    bool wanted = set >= 0;
    left = atoi(argv[argc - 1]);'
end='    printf("rounds %d\n", rounds); }'
{ echo "$begin"; fragment 2; echo "$end"; } >"$T/loop.c"
check "the loop in ballot.h compiles" build loop
timeout 20 "$T/loop" "$(servers zk)" 4 >"$T/loop.out"
is $? 0 "... leads, and works"
check "... while its lease lasts" grep -q '^[1-9][0-9]* 1[0-9][0-9][0-9]$' "$T/loop.out"
below "$(sed -n 's/^rounds //p' "$T/loop.out")" 100 "... and does not spin"
if able_to_resolve localhost; then
    timeout 20 perl -e '$SIG{CHLD} = "IGNORE"; exec @ARGV' "$T/loop" "localhost:${PORT[zk]}" 2 >"$T/loop.out"
    is $? 0 "... also where SIGCHLD is ignored, and the servers' names are to be resolved"
else
    skip "... also where SIGCHLD is ignored, and the servers' names are to be resolved" "$WHY"
fi

goes_on "ballot.h's loop, with epoll, does the same, also after its connection was lost"
with_epoll() { # stdin, with ballot.h's lines for epoll instead of poll()
    local line
    sed '/ballot_dispatch/d' | while IFS= read -r line; do
        case $line in *' poll('*) fragment 3 ;; *) printf '%s\n' "$line" ;; esac
    done
}
{ echo "$begin"; fragment 2 | with_epoll; echo "$end"; } >"$T/epoll.c"
check "it compiles" build epoll
"$T/epoll" "$(servers zk)" 12 >"$T/epoll.out" &
PID[epoll]=$!
check "... and leads" within 10 prints_least 3 lines "$T/epoll.out"
zk_kill zk
zk_restart zk
check "... also after its connection was lost" within 20 dead "${PID[epoll]}"
below "$(sed -n 's/^rounds //p' "$T/epoll.out")" 1000 "... and does not spin"

describe "ballot.h's example for cron compiles, and finds the next activation"
{ echo '#include "ballot.h"
#include <stdio.h>
#include <time.h>
int main(void) { int64_t when = 0;'; fragment 4; echo 'return when <= time(NULL); }'; } >"$T/cron.c"
check "it compiles" build cron
check "... and finds the next activation" "$T/cron"

describe "ballot.c can be included in a file of one's own, and leaves no macro behind"
{
    fragment 1
    echo 'int main(void)
    {
        ballot *b;
        struct ballot_config c = { .servers = "" };
        return ballot_open(&b, &c) != BALLOT_EPATH;
    }'
} >"$T/included.c"
cc "${strict[@]}" -Wno-unused-function -o "$T/included" "$T/included.c" -lzookeeper_st
is $? 0 "ballot.c included in a file of one's own"
check "... works" "$T/included"
cc "${strict[@]}" -dM -E "$T/included.c" | awk '{ print $2 }' | sed 's/(.*//' | sort >"$T/macros"
sed -n 's/^#define \([A-Za-z_0-9]*\).*/\1/p' "$source/ballot.c" | grep -v _POSIX_C_SOURCE | sort -u >"$T/ours"
is "$(comm -12 "$T/macros" "$T/ours" | tr '\n' ' ')" "" "... and leaves no macro behind"

describe "BALLOT_NO_ELECTION alone needs no header of another library"
mkdir -p "$T/bare/zookeeper"
echo '#error "not needed"' | tee "$T/bare/ini.h" >"$T/bare/zookeeper/zookeeper.h"
cc "${strict[@]}" -I"$T/bare" -DBALLOT_NO_ELECTION -c -o "$T/cron.o" "$source/ballot.c"
is $? 0 "it compiles"

describe "ballot.h is C++, too, and links"
printf '#include "ballot.h"\nint main() { return ballot_strerror(BALLOT_OK) == nullptr; }\n' >"$T/plus.cc"
if able g++ --version; then
    g++ -Wall -Wextra -Wpedantic -Werror -I"$source" -o "$T/plus" "$T/plus.cc" "$T/ballot.o" -lzookeeper_st
    is $? 0 "a program in C++"
else
    skip "a program in C++" "$WHY"
fi

describe "ballot_main() runs twice in a program of one's own, which is as before after it"
cat >"$T/host.c" <<'EOF'
#define _DEFAULT_SOURCE
#include "ballot.h"
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
static void handler(int number) { (void)number; }
static int once(char *servers)
{
    char *words[] = {
        "ballot", "run", "once", "--candidate-id=host", servers, "--on-child-success=exit", "--", "true", NULL
    };
    return ballot_main(8, words);
}
int main(int argc, char **argv)
{
    static const int numbers[] = { SIGTERM, SIGCHLD, SIGPIPE, SIGALRM, SIGXFSZ };
    struct sigaction action = { .sa_handler = handler };
    sigset_t blocked, now;
    int first, adopts = 1, wrong = argc != 2;
    sigemptyset(&action.sa_mask);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    for (size_t i = 0; i < 5; i++)
        sigaction(numbers[i], &action, NULL);
    for (int round = 0; round < 2; round++)
        wrong += once(argv[1]) != 0;
    for (size_t i = 0; i < 5; i++)
        if (sigaction(numbers[i], NULL, &action) != 0 || action.sa_handler != handler)
            wrong += printf("signal %d\n", numbers[i]);
    sigprocmask(SIG_SETMASK, NULL, &now);
    first = dup(0);
    prctl(PR_GET_CHILD_SUBREAPER, &adopts, 0, 0, 0);
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    int usr1 = sigismember(&now, SIGUSR1), term = sigismember(&now, SIGTERM);
    if (!usr1 || term || dumpable != 1 || adopts || first != 3)
        wrong += printf("mask %d %d, dumpable %d, adopts %d, descriptor %d\n", usr1, term, dumpable, adopts, first);
    return wrong != 0;
}
EOF
cc "${strict[@]}" -DBALLOT_NO_ENTRY -o "$T/host" "$T/host.c" "$source/ballot.c" -lzookeeper_st -linih
is $? 0 "ballot_main() in a program of one's own"
"$T/host" --zookeeper-servers="$(servers zk)" >"$T/host.out" 2>"$T/host.log"
is "$? $(cat "$T/host.out")" "0 " "... runs twice, and what it set up is as before"
