/* simzk.h - what test/sim.c (the simulated operating system) and test/simzk.c
 * (the simulated ensemble and client library) are to each other.
 *
 * One thread, one queue of events, one source of random numbers. Functions named
 * sim_ are sim.c's, functions named zk_ are simzk.c's. The client library itself
 * (zoo_..., zookeeper_...) is declared by <zookeeper/zookeeper.h> and defined in
 * simzk.c. Times are nanoseconds. "True time" is the simulation's own; processes see
 * the clocks of their hosts, which run faster or slower. */
#ifndef SIMZK_H
#define SIMZK_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_MS     INT64_C(1000000)
#define SIM_SECOND INT64_C(1000000000)

/* Ends of links: hosts of candidates are 0, 1, ...; server number s (0, 1, ...) is
 * SIM_SERVER + s. Its address is 10.0.0.(s + 1), port 2181. */
#define SIM_SERVER 100

/* ---- What sim.c provides ---------------------------------------------------- */

int64_t sim_now(void);              /* true time                                      */
uint64_t sim_random(void);          /* the one source: only ever call it in the course of
                                       the simulation, never for output              */
int64_t sim_between(int64_t least, int64_t most); /* both included                   */
bool sim_chance(int percent);
void sim_at(int64_t when, void (*fn)(void *), void *arg); /* true time; cannot be taken back:
                                       count references, or number what arg stands for. Two
                                       events of the same time come in any order    */

/* Of the process that runs now; only valid inside calls from ballot.c. All processes share one
 * stack region, which is copied out and in: write to memory of the program (results and Stats of
 * a multi, what completions get) only inside its own calls, never in events. */
int sim_host(void);
int64_t sim_clock(void);            /* its host's steady clock (CLOCK_BOOTTIME)      */

/* Memory of the process that runs now: freed by itself some time after the process is dead
 * (never before its sockets' `closed` was called). For handles and what hangs on them;
 * what events point to belongs to malloc(). */
void *sim_calloc(size_t count, size_t size);
void sim_free(void *memory);

/* poll(), as the process that runs now would call it: zookeeper_close() waits in it. */
int sim_poll(struct pollfd *fds, nfds_t count, int ms);

/* A link carries a message, or does not. False: nothing gets through now: as TCP does,
 * try that message (and what stands behind it in the same direction of that connection)
 * again later, 200 ms and doubling, while the connection stands. *delay: how long it
 * takes; later messages of one connection must not overtake earlier ones. For links
 * between servers, too. */
bool sim_link(int from, int to, int64_t *delay);
bool sim_mute(int from, int to);    /* the same for all but the handshake of TCP: as behind a
                                       proxy that accepts for a server                */

/* A descriptor of the process that runs now, backed by the library's socket. */
struct sim_socket_ops {
    void (*closed)(void *owner);    /* the last descriptor is closed, or its process died */
    void (*shut)(void *owner);      /* shutdown(fd, SHUT_RDWR): reading gives its end now */
};
struct sim_socket;
struct sim_socket *sim_socket_new(const struct sim_socket_ops *ops, void *owner, int *fd);
void sim_socket_ready(struct sim_socket *socket, short events); /* POLLIN | POLLOUT | POLLERR | POLLHUP:
                                       what poll() finds from now on, until told otherwise */
void sim_fd_close(int fd);          /* as the library does; calls ops->closed        */

/* The story: one line, if it is being told. Cheap if not. */
void sim_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What must never be: a request on a dead handle, an assertion of the library. */
void sim_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Steps of requests, so that faults can be aimed between two of them. May change links,
 * kill servers or processes (not the caller's: that comes with an event of its own). */
enum sim_moment {
    SIM_SENT,     /* submitted by the client (in its process)                       */
    SIM_ARRIVED,  /* at its server                                                  */
    SIM_APPLIED,  /* by the ensemble: committed, or refused                         */
    SIM_ANSWERED, /* the answer leaves the server                                   */
    SIM_LEARNED,  /* the completion runs (in its process)                           */
    SIM_LOST,     /* the completion runs with a code that says outcome unknown      */
};
enum sim_request { SIM_CREATE, SIM_DELETE, SIM_SET, SIM_MULTI, SIM_READ, SIM_SYNC, SIM_PING, SIM_CLOSE };
void sim_request(enum sim_moment moment, enum sim_request request, int host, int server, const char *path);

/* ---- What simzk.c provides ----------------------------------------------------- */

struct zk_options {
    int servers;                    /* 1, 3, 5                                       */
    int64_t tick;                   /* tickTime, default 2 s                         */
    int64_t least, most;            /* of session timeouts; 0: 2 ticks, 20 ticks     */
    int64_t disk_least, disk_most;  /* of one write to disk                          */
    int64_t wall;                   /* the servers' wall clock at true time 0, nanoseconds since 1970 */
};

void zk_begin(const struct zk_options *options); /* a running ensemble, empty          */
void zk_end(void);                  /* frees all; the next zk_begin starts anew. No event of
                                       before may fire behind it                     */

/* Faults. A server is a number from 0; -1: all of them. */
enum zk_data { ZK_KEPT, ZK_STALE, ZK_LOST }; /* STALE: an earlier state of its disk, LOST: empty */
void zk_server_kill(int server);
void zk_server_start(int server, enum zk_data data); /* no effect on one that runs      */
void zk_server_freeze(int server, bool frozen);
bool zk_server_runs(int server);    /* neither dead nor frozen                       */
void zk_disk_stall(int server, int64_t span);   /* writes to its disk wait so long    */
void zk_follower_lag(int server, int64_t span); /* it applies commits so much later; 0: no more */
void zk_clock(int64_t step);        /* sets the wall clocks of all servers             */
int64_t zk_wall(void);              /* what they show, nanoseconds since 1970          */
void zk_server_forget(int server);              /* of an ensemble: it answers nothing until its next transaction, as
                                                   3.6.0 to 3.8.0 sometimes do (ZOOKEEPER-4537) */
void zk_timeouts(int server, int64_t least, int64_t most); /* what it negotiates from now on */
void zk_leader_resign(void);        /* an election without a fault                   */
void zk_disconnect(int host, bool reset); /* breaks the connections of that host: by RST, or silently
                                       (the server forgets, the client is not told) */
void zk_session_expire(int host);   /* early: all sessions of that host's connections */

/* Strangers at the tree; return the code that a client would get. */
int zk_stranger_create(const char *path, const char *data, bool sequential, bool ephemeral);
int zk_stranger_set(const char *path, const char *data);
int zk_stranger_delete(const char *path); /* with everything below                    */
enum zk_access { ZK_OPEN, ZK_READ_ONLY, ZK_NO_CREATE, ZK_NO_DELETE, ZK_NONE };
int zk_stranger_access(const char *path, enum zk_access access);
void zk_host_refuse(int host, bool refused); /* that host may write nothing that is there already */

/* What the ensemble has committed (of the leader, else of the most advanced server). */
struct zk_view {
    const char *data; size_t length; /* valid until the next event                   */
    int64_t ephemeral_owner;
    int version;
    bool open;                       /* its access list gives all rights to all      */
    int64_t mtime;                   /* milliseconds since 1970                      */
};
bool zk_look(const char *path, struct zk_view *view); /* false: no such node            */
const char *zk_child(const char *path, int index);    /* names, sorted; NULL at the end */
int zk_session_host(int64_t session); /* host that opened it; -1: unknown, expired      */
bool zk_serves(void);               /* a majority is up and has a leader              */

struct zk_counts {                  /* since zk_begin()                              */
    uint64_t connects, requests, writes, lost_answers, expiries, elections, renegotiated,
             moved,     /* connections that ended because their session was at another server */
             rollbacks; /* a leader of servers that lacks what was committed             */
    int64_t rolled_to;  /* the true time of the last transaction that such a leader has, 0: none */
};
const struct zk_counts *zk_counts(void);

#endif
