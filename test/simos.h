/* simos.h - the functions of libc that reach the world, as test/sim.c simulates them.
 * test/simballot.c compiles ballot.c, unchanged, with these in place of libc's. */
#ifndef SIMOS_H
#define SIMOS_H

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>

int sim_clock_gettime(clockid_t id, struct timespec *out);
int sim_poll(struct pollfd *slots, nfds_t count, int timeout);

pid_t sim_fork(void);
pid_t sim_getpid(void);
pid_t sim_getppid(void);
pid_t sim_getpgid(pid_t pid);
int sim_setpgid(pid_t pid, pid_t group);
pid_t sim_setsid(void);
int sim_execvp(const char *file, char *const argv[]);
void sim_exit(int status) __attribute__((noreturn));
pid_t sim_waitpid(pid_t pid, int *status, int flags);
int sim_waitid(idtype_t type, id_t id, siginfo_t *info, int flags);
int sim_prctl(int option, ...);
long sim_syscall(long number, ...);

int sim_kill(pid_t pid, int number);
int sim_sigaction(int number, const struct sigaction *action, struct sigaction *before);
int sim_sigprocmask(int how, const sigset_t *set, sigset_t *before);
void (*sim_signal(int number, void (*handler)(int)))(int);
int sim_setitimer(int which, const struct itimerval *value, struct itimerval *before);

int sim_open(const char *path, int flags, ...);
int sim_close(int fd);
ssize_t sim_read(int fd, void *buffer, size_t size);
ssize_t sim_write(int fd, const void *buffer, size_t size);
ssize_t sim_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t sim_recvmsg(int fd, struct msghdr *message, int flags);
int sim_shutdown(int fd, int how);
int sim_pipe(int ends[2]);
int sim_socketpair(int domain, int type, int protocol, int ends[2]);
int sim_dup2(int from, int to);
int sim_fcntl(int fd, int command, ...);
int sim_fstat(int fd, struct stat *out);
int sim_isatty(int fd);
char *sim_ttyname(int fd);

DIR *sim_opendir(const char *path);
struct dirent *sim_readdir(DIR *folder);
int sim_closedir(DIR *folder);
int sim_dirfd(DIR *folder);
FILE *sim_fopen(const char *path, const char *mode);
int sim_access(const char *path, int mode);
ssize_t sim_readlink(const char *path, char *buffer, size_t size);

int sim_gethostname(char *name, size_t size);
char *sim_getenv(const char *name);
int sim_setenv(const char *name, const char *value, int replace);
int sim_unsetenv(const char *name);
int sim_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

void *sim_malloc(size_t size);
void *sim_calloc(size_t count, size_t size);
void *sim_realloc(void *memory, size_t size);
char *sim_strdup(const char *string);
void sim_free(void *memory);

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
    struct block *blocks, *guard_blocks; /* all that the candidate allocated, and its guards */
    int candidate, guard;         /* pids; 0: not there                      */
    struct instance *instance;    /* sim.c's                                 */
};

struct process {
    int pid, parent, group, host;
    enum { ALIVE, SCRIPTED, ZOMBIE } state; /* SCRIPTED: a command, which has no stack */
    struct family *family;
    struct run *run;
    char name[16];
    int status;                   /* as of waitpid()                         */
    bool subreaper, doomed;       /* doomed: dies at its next call           */
    int death_signal;
    int64_t born;
    /* time */
    int64_t wake_at;
    int64_t held_until;           /* preempted till then                     */
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
int64_t os_true_span(int host, int64_t span); /* how long a span of its clock takes */

struct process *os_spawn(int host, void (*entry)(void)); /* a candidate: child of init */
struct process *os_child(struct process *parent);         /* a command's child */
struct process *os_process(int pid);                      /* NULL: none   */
struct process *os_each(int slot);                        /* NULL: free   */
struct process *os_current(void);
void os_signal(struct process *p, int number);
void os_kill(struct process *p, int status);              /* it is dead, at once */
void os_freeze(struct process *p, bool frozen);
void os_hold(struct process *p, int64_t until);
int os_fds(const struct process *p);

/* What sim.c decides. */
int64_t world_latency(const struct process *p); /* from "could run" to running       */
void world_call(struct process *p, const char *name); /* before each call of p's    */
bool world_exec(struct process *p);       /* it becomes a command; false: no such file */
void world_signalled(struct process *p, int number); /* a command gets a signal     */
void world_ended(struct process *p);
void world_output(struct process *p, const char *text, size_t length);
bool world_fork_fails(struct process *p);

#endif
#endif
