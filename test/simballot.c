/* simballot.c - ballot.c as it is, on a simulated system: see sim.c.
 *
 * Another ballot.c: -DBALLOT_C='"/path/ballot.c"'. */
#define _POSIX_C_SOURCE 200809L

/* Before the names change: what ballot.c includes, for these declare them. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <inttypes.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>
#include <zookeeper/zookeeper_version.h>

#define SIM_BALLOT
#include "simos.h"

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
#define raise(number) sim_kill(sim_getpid(), number)
#define sigaction(number, action, before) sim_sigaction(number, action, before)
#define sigprocmask sim_sigprocmask
#define signal sim_signal
#define setitimer sim_setitimer
#define open sim_open
#define close sim_close
#define read sim_read
#define write sim_write
#define send(fd, data, size, flags) sim_write(fd, data, size)
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
#define getenv sim_getenv
#define setenv sim_setenv
#define unsetenv sim_unsetenv
#define printf(...) sim_printf(__VA_ARGS__)
#define puts(line) sim_printf("%s\n", line)
#undef putchar
#define putchar(c) sim_printf("%c", c)
#define malloc sim_malloc
#define calloc sim_calloc
#define realloc sim_realloc
#define strdup sim_strdup
#define free sim_free

#ifndef BALLOT_C
#define BALLOT_C "../ballot.c"
#endif
#define BALLOT_NO_ENTRY
#include BALLOT_C

int sim_ballot_main(int argc, char **argv)
{
    return ballot_main(argc, argv);
}

int *sim_signal_pipe(void)
{
    return signal_pipe;
}
