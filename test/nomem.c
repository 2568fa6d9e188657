/* nomem - for LD_PRELOAD: a machine without memory.
 *
 * NOMEM=n: there is no block of n bytes. NOMEM_AT=n: of what is asked for, the n-th block is not there; with
 * NOMEM_ON=1 nor any behind it. NOMEM_SAYS: a file that gets a line if that came to pass, and one with the object
 * file that a crash is in. NOMEM_GUARDS: while that file is there, what fork() makes dies at once. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t count);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t count);
pid_t __fork(void);

static unsigned long number(const char *name)
{
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : 0;
}

static void say(const char *first, const char *second)
{
    int fd = open(getenv("NOMEM_SAYS"), O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (write(fd, first, strlen(first)) < 0 || write(fd, second, strlen(second)) < 0 || write(fd, "\n", 1) < 0)
        _exit(99);
    close(fd);
}

/* In which of ballot and the libraries above libc. */
static void crashed(int signal_number)
{
    void *frames[40];
    const char *where = "?";
    Dl_info info;
    int count = backtrace(frames, 40);
    for (int i = 0; i < count && *where == '?'; i++)
        if (dladdr(frames[i], &info) && !strstr(info.dli_fname, "libc.so") && !strstr(info.dli_fname, "nomem.so"))
            where = info.dli_fname;
    say("crash in ", where);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static bool counting;

static void __attribute__((constructor)) begin(void)
{
    void *frame;
    if (getenv("NOMEM_SAYS")) {
        backtrace(&frame, 1); /* the first one needs memory */
        signal(SIGSEGV, crashed);
        signal(SIGBUS, crashed);
        signal(SIGABRT, crashed);
    }
    counting = true;
}

static bool none(size_t count)
{
    static unsigned long blocks;
    unsigned long at = counting ? number("NOMEM_AT") : 0;
    blocks += counting;
    bool hit = at && (number("NOMEM_ON") ? blocks >= at : blocks == at);
    if (blocks == at && getenv("NOMEM_SAYS"))
        say("none", "");
    hit = hit || (getenv("NOMEM") && count == number("NOMEM"));
    errno = hit ? ENOMEM : errno;
    return hit;
}

void *malloc(size_t count)
{
    return none(count) ? NULL : __libc_malloc(count);
}

void *calloc(size_t count, size_t size)
{
    return none(count * size) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t count)
{
    return none(count) ? NULL : __libc_realloc(block, count);
}

pid_t fork(void)
{
    pid_t pid = __fork();
    const char *while_there = getenv("NOMEM_GUARDS");
    if (pid == 0 && while_there && access(while_there, F_OK) == 0)
        _exit(1);
    return pid;
}
