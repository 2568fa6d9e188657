/* job - a command for ballot to run, that keeps a record which can be judged.
 *
 *     job now                   prints the clock that all records use, in ns
 *     job spawn                 prints how long it takes to start itself, in ns
 *     job spew MB               writes lines of 80 bytes
 *     job beside N deep|flat    N processes, each the child of the last, or all of one;
 *                               prints "ready", ends when its input does
 *     job witness FOLDER        records the end of each job, its children's included, however they die
 *     job FOLDER MS [WORD...]   runs MS milliseconds (-1: until it is stopped)
 *
 * FOLDER/record gets lines of "start|ready|end|term NS PID TOKEN CANDIDATE ACTIVATION": ready when
 * all WORDs are done. FOLDER/lock and FOLDER/one are held from the first moment to the
 * last, by the children too; the kernel frees them with the last of them, however
 * they die. A job that finds one held while it starts writes "OVERLAP": two ran at a time.
 * A witness writes "gone NS PID".
 *
 * WORDs: ignore-term, fork (a child in the group), daemon (one that leaves it),
 * children (100 of them), exit=N, signal=N, silent (closes stdout and stderr).
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t termed;
static pid_t first; /* the process that keeps the record */

static void on_term(int number)
{
    (void)number;
    if (getpid() != first)
        _exit(143); /* a child that has not set its own disposition yet */
    termed = 1;
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static const char *given(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value ? value : "-";
}

static void record(int fd, const char *what, int64_t when)
{
    char line[400];
    int n = snprintf(line, sizeof line, "%s %" PRId64 " %ld %s %.99s %.99s\n", what, when, (long)getpid(),
                     given("BALLOT_FENCING_TOKEN"), given("BALLOT_LEADER_ID"), given("BALLOT_SCHEDULED_TIME"));
    if (write(fd, line, (size_t)n) != n)
        _exit(99);
}

static int witness_socket(const char *folder, struct sockaddr_un *address)
{
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path, sizeof address->sun_path, "%.90s/witness", folder);
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

/* Each job and its children share a connection to it, which the kernel closes with the last of them. */
static int witness(const char *folder)
{
    enum { MOST = 1000 };
    static struct pollfd fds[MOST];
    static int32_t pid[MOST];
    struct sockaddr_un address;
    char path[512], line[100];
    snprintf(path, sizeof path, "%s/record", folder);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600), count = 1;
    fds[0] = (struct pollfd){ witness_socket(folder, &address), POLLIN, 0 };
    if (bind(fds[0].fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fds[0].fd, 100) < 0)
        return 1;
    while (poll(fds, (nfds_t)count, -1) >= 0) {
        int64_t at = now();
        for (int i = count - 1; i > 0; i--) {
            if (!fds[i].revents || read(fds[i].fd, &pid[i], sizeof *pid) > 0)
                continue;
            int n = snprintf(line, sizeof line, "gone %" PRId64 " %ld\n", at, (long)pid[i]);
            if (write(log, line, (size_t)n) != n)
                return 1;
            close(fds[i].fd);
            fds[i] = fds[--count];
            pid[i] = pid[count];
        }
        if (fds[0].revents && count < MOST)
            fds[count++] = (struct pollfd){ accept(fds[0].fd, NULL, NULL), POLLIN, 0 };
    }
    return 1;
}

static void witness_tell(const char *folder)
{
    struct sockaddr_un address;
    int fd = witness_socket(folder, &address);
    int32_t pid = (int32_t)getpid();
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        close(fd); /* there is none */
    else if (write(fd, &pid, sizeof pid) != (ssize_t)sizeof pid)
        _exit(97);
}

/* A FIFO has a reader as long as one of those that share it lives: a lock that can
 * be looked at without taking it. But two that look at the same moment see no reader;
 * of flock(), which children share as well, one of them is told. */
static void hold(const char *folder, int log)
{
    char path[512];
    snprintf(path, sizeof path, "%s/lock", folder);
    mkfifo(path, 0600);
    int writer = open(path, O_WRONLY | O_NONBLOCK); /* fails while it has no reader */
    if (writer >= 0)
        record(log, "OVERLAP", now());
    if (open(path, O_RDONLY | O_NONBLOCK) < 0)
        _exit(98);
    if (writer >= 0)
        close(writer);
    snprintf(path, sizeof path, "%s/one", folder);
    int one = open(path, O_RDONLY | O_CREAT, 0600);
    if (one < 0)
        _exit(98);
    if (flock(one, LOCK_EX | LOCK_NB) < 0)
        record(log, "OVERLAP", now());
}

/* SIGTERM ends a child from its first moment: the handler is its parent's. */
static void spawn(bool leave)
{
    sigset_t term, before;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    pid_t pid = fork();
    if (pid == 0)
        signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid != 0)
        return;
    if (leave) {
        setsid();
        if (fork() != 0)
            _exit(0);
    }
    for (;;)
        pause();
}

static void rest(int64_t until)
{
    while (!termed && (until < 0 || now() < until)) {
        int64_t left = until < 0 ? 1000000000 : until - now();
        if (left < 0)
            break;
        struct timespec t = { (time_t)(left / 1000000000), (long)(left % 1000000000) };
        nanosleep(&t, NULL);
    }
}

/* What a fork and an exec of this program cost on this machine. */
static int spawned(const char *program)
{
    char before[32];
    snprintf(before, sizeof before, "%" PRId64, now());
    if (fork() == 0) {
        execl(program, program, "spawned", before, (char *)NULL);
        _exit(1);
    }
    return wait(NULL) < 0;
}

static int spew(long bytes)
{
    char lines[800 * 80];
    for (size_t i = 0; i < sizeof lines; i++)
        lines[i] = i % 80 == 79 ? '\n' : (char)('a' + i / 80 % 26);
    for (size_t done = 0; bytes > 0; bytes -= (long)sizeof lines)
        for (done = 0; done < sizeof lines;) {
            ssize_t n = write(STDOUT_FILENO, lines + done, sizeof lines - done);
            if (n < 0)
                return 1;
            done += (size_t)n;
        }
    return 0;
}

/* Processes that have nothing to do with a ballot that runs beside them. In depth each
 * is executed anew: the kernel takes ever longer to fork what has forked ever so often. */
static int beside(const char *program, long count, bool deep)
{
    char none, left[24];
    pid_t child = 1;
    long wanted = deep && count ? 1 : count;
    for (long i = 0; i < wanted && child; i++)
        if ((child = fork()) < 0)
            return 1;
    snprintf(left, sizeof left, "%ld", count - 1);
    if (!child && deep)
        execl(program, program, "beside", left, "deep", (char *)NULL);
    if (child && !(deep && count) && write(STDOUT_FILENO, "ready\n", 6) != 6)
        return 1;
    while (read(STDIN_FILENO, &none, 1) > 0)
        ;
    while (wait(NULL) > 0)
        ;
    return 0;
}

int main(int argc, char **argv)
{
    int64_t begun = now();
    if (argc == 2 && !strcmp(argv[1], "now")) {
        printf("%" PRId64 "\n", now());
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "spawn"))
        return spawned(argv[0]);
    if (argc == 3 && !strcmp(argv[1], "spawned"))
        return printf("%" PRId64 "\n", begun - (int64_t)strtoll(argv[2], NULL, 10)) < 0;
    if (argc == 3 && !strcmp(argv[1], "spew"))
        return spew(atol(argv[2]) * 1000000);
    if (argc == 3 && !strcmp(argv[1], "witness"))
        return witness(argv[2]);
    if (argc == 4 && !strcmp(argv[1], "beside"))
        return beside(argv[0], atol(argv[2]), argv[3][0] == 'd');
    if (argc < 3)
        return 2;
    char path[512];
    snprintf(path, sizeof path, "%s/record", argv[1]);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600), status = 0, number = 0;
    witness_tell(argv[1]);
    hold(argv[1], log);
    record(log, "start", begun);
    struct sigaction action = { .sa_handler = on_term };
    first = getpid();
    sigaction(SIGTERM, &action, NULL);
    for (int i = 3; i < argc; i++) {
        if (!strcmp(argv[i], "ignore-term"))
            signal(SIGTERM, SIG_IGN);
        if (!strcmp(argv[i], "fork") || !strcmp(argv[i], "daemon"))
            spawn(argv[i][0] == 'd');
        for (int n = 0; !strcmp(argv[i], "children") && n < 100; n++)
            spawn(n % 2);
        if (!strcmp(argv[i], "silent")) {
            close(STDOUT_FILENO);
            close(STDERR_FILENO);
        }
        if (!strncmp(argv[i], "exit=", 5))
            status = atoi(argv[i] + 5);
        if (!strncmp(argv[i], "signal=", 7))
            number = atoi(argv[i] + 7);
    }
    record(log, "ready", now());
    long ms = atol(argv[2]);
    rest(ms < 0 ? -1 : begun + ms * 1000000);
    record(log, termed ? "term" : "end", now());
    if (number)
        raise(number);
    return termed ? 143 : status;
}
