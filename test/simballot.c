/* simballot.c - ballot.c as it is, on a simulated system: see sim.c.
 *
 * Another ballot.c: -DBALLOT_C='"/path/ballot.c"'. */
#define _POSIX_C_SOURCE 200809L

#define SIM_LIBC
#define SIM_BALLOT
#include "simos.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

/* Names that libc's headers, too, may have as macros, or use. */
#undef putchar
#define printf(...) sim_printf(__VA_ARGS__)
#define puts(line) sim_printf("%s\n", line)
#define putchar(c) sim_printf("%c", c)
#define signal sim_signal
#define raise(number) sim_kill(sim_getpid(), number)
#define send(fd, data, size, flags) sim_write(fd, data, size)
#define getenv(name) sim_getenv(name)
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
