/* simos.h - a simulated operating system: simos.c, for ballot.c and for test/sim.c. */
#ifndef SIMOS_H
#define SIMOS_H

/* The functions of libc that reach the world, by names of their own: libc's headers,
 * included below and later, declare these, so that what simos.c defines and
 * what ballot.c calls has libc's types. To add one, add a line here, and define it. */
#ifdef SIM_LIBC
#undef _FORTIFY_SOURCE /* it would call libc's */
#define clock_gettime sim_clock_gettime
#define poll sim_poll
#define fork sim_fork
#define getpid sim_getpid
#define getppid sim_getppid
#define getpgid sim_getpgid
#define setpgid sim_setpgid
#define setsid sim_setsid
#define execvp sim_execvp
#define _exit sim_exit
#define waitpid sim_waitpid
#define waitid sim_waitid
#define prctl sim_prctl
#define syscall sim_syscall
#define kill sim_kill
#define sigaction(number, action, before) sim_sigaction(number, action, before) /* not the struct */
#define sigprocmask sim_sigprocmask
#define setitimer sim_setitimer
#define open sim_open
#define close sim_close
#define read sim_read
#define write sim_write
#define sendmsg sim_sendmsg
#define recvmsg sim_recvmsg
#define shutdown sim_shutdown
#define pipe sim_pipe
#define socketpair sim_socketpair
#define dup2 sim_dup2
#define fcntl sim_fcntl
#define fstat sim_fstat
#define isatty sim_isatty
#define ttyname sim_ttyname
#define opendir sim_opendir
#define readdir sim_readdir
#define closedir sim_closedir
#define dirfd sim_dirfd
#define fopen sim_fopen
#define access sim_access
#define readlink sim_readlink
#define gethostname sim_gethostname
#define setenv sim_setenv
#define unsetenv sim_unsetenv
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* More of them, which libc's headers may have as macros, or use. */
void (*sim_signal(int number, void (*handler)(int)))(int);
char *sim_getenv(const char *name);
int sim_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *sim_malloc(size_t size);
void *sim_calloc(size_t count, size_t size);
void *sim_realloc(void *memory, size_t size);
char *sim_strdup(const char *string);
void sim_free(void *memory);
void sim_exit(int status) __attribute__((noreturn));

/* What simballot.c offers of ballot.c. */
int sim_ballot_main(int argc, char **argv);
int *sim_signal_pipe(void); /* its one variable that is not a constant: each process has its own */

/* ---- Beyond libc: simos.c for sim.c. Not for simballot.c: ballot.c has names of its own -- */

#ifndef SIM_BALLOT

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#define PROCESSES  256 /* at a time, on all hosts                            */
#define FDS        64  /* of one process                                     */
#define POLLED     16  /* descriptors in one poll()                          */
#define HOSTS      8
#define NO_TIME    INT64_MAX
#define PID_INIT   1   /* of each host: adopts and reaps                     */

struct file;
struct run;            /* one command and all that it started: sim.c's       */

/* Processes that share memory: a candidate and its guards. */
struct family {
    int host, members;
    unsigned forks;               /* ever                                    */
    struct block *blocks, *guard_blocks; /* all that the candidate allocated, and its guards */
    int candidate, guard;         /* pids; 0: not there                      */
    struct instance *instance;    /* sim.c's                                 */
    char *region;                 /* for their stacks: what is forked goes on at the same addresses */
    struct process *holder;       /* whose stack lies in it                  */
};

struct process {
    int pid, parent, group, host;
    enum { ALIVE, SCRIPTED, ZOMBIE } state; /* SCRIPTED: a command, which has no stack */
    struct family *family;
    struct run *run;
    void (*entry)(void);          /* where it begins                         */
    char name[16];
    int status;                   /* as of waitpid()                         */
    bool subreaper, doomed;       /* doomed: dies at its next call           */
    int death_signal;
    int64_t born;
    /* time */
    int64_t wake_at;
    int64_t held_until;           /* preempted till then                     */
    int64_t asleep_at, slept;     /* with its machine                        */
    int frozen;                   /* by so many faults at a time             */
    bool missed;                  /* it would have run meanwhile             */
    unsigned long calls;          /* since it last waited                    */
    unsigned long polls;          /* ever                                    */
    /* stack */
    jmp_buf context;
    char *low, *stack;            /* low: its lowest byte in the region; NULL: it has not run */
    size_t used, room;
    int signal_pipe[2];
    struct block *heap;           /* the guard's, as it was when it forked this one: */
    char *heap_copy;              /* what this one has there                 */
    /* waiting */
    bool waiting;
    struct file *polled[POLLED];
    int polled_count;
    /* signals, 1 to 64 */
    void (*handlers[65])(int);
    uint64_t blocked, pending;
    /* descriptors */
    struct file *files[FDS];
    bool cloexec[FDS];
    /* of a command, told by its environment and chosen by its script */
    int64_t token;
    char scheduled[40];           /* "": no activation's                      */
    int script[8];
};

void os_begin(uint64_t seed);
void os_end(void);
bool os_run(int64_t until);         /* false: the world asked to stop         */
void os_stop(void);
uint64_t os_hash(void);
void os_hash_add(uint64_t value);

void os_clock(int host, int permille, int64_t step); /* its rate from now on; sets the wall clock by step */
int64_t os_boot_clock(int host);
int64_t os_wall_clock(int host);
int64_t os_true_span(int host, int64_t span); /* how long a span of its clock takes */

struct process *os_spawn(int host, void (*entry)(void)); /* a candidate: child of init */
struct process *os_child(struct process *parent);         /* a command's child */
struct process *os_process(int pid);                      /* NULL: none   */
struct process *os_each(int slot);                        /* NULL: free   */
struct process *os_current(void);
void os_signal(struct process *p, int number);
void os_kill(struct process *p, int status);              /* it is dead, at once */
void os_freeze(struct process *p, bool frozen);
void os_sleep(struct process *p, bool asleep);
void os_hold(struct process *p, int64_t until);
int os_fds(const struct process *p);
size_t os_memory(const struct process *p, size_t *bytes);

/* What sim.c decides. */
int64_t world_latency(const struct process *p); /* from "could run" to running       */
void world_call(struct process *p, const char *name); /* before each call of p's    */
bool world_exec(struct process *p);       /* it becomes a command; false: no such file */
void world_signalled(struct process *p, int number); /* a command gets a signal     */
void world_ended(struct process *p);
void world_output(struct process *p, int fd, const char *text, size_t length);
bool world_fork_fails(struct process *p);
char *world_time_zone(void);              /* TZ; NULL: not set                       */

#endif
#endif
