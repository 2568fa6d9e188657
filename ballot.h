/* ballot.h - leader election through ZooKeeper, as a library and as a program.
 *
 * Copy ballot.c and ballot.h into your program, compile ballot.c with
 * -DBALLOT_NO_MAIN, link with -lzookeeper_st.
 *
 * A `ballot` is one membership in one election. It owns no thread, installs no
 * signal handler and keeps no global state; a program may hold several. It is
 * not safe to use one handle from two threads at a time. Where `servers` holds
 * names, a child is forked to resolve them, and reaped by its pid.
 *
 * The library is driven by the program's own poll loop:
 *
 *     for (;;) {
 *         int n = ballot_prepare(b, fds, BALLOT_POLLFDS, &timeout_ms);
 *         poll(fds, n, timeout_ms);
 *         ballot_dispatch(b, fds, n);
 *         if (ballot_role(b) == BALLOT_LEADER && ballot_lease_ms(b) > 0)
 *             ...             // nobody else leads for that many milliseconds
 *     }
 *
 * prepare sends what has been decided, dispatch learns what has happened; the
 * role changes in dispatch only. A loop that does not come round at least once
 * in a fifth of the session timeout loses its lease, and then its leadership.
 *
 * Copyright 2026 the ballot authors. Licensed under the Apache License 2.0.
 */
#ifndef BALLOT_H
#define BALLOT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#define BALLOT_VERSION "0.1.0"

/* Linkage of the functions below: define it as `static` where ballot.c is
 * included rather than linked. */
#ifndef BALLOT_API
#define BALLOT_API
#endif

/* The most slots that ballot_prepare() fills. */
#define BALLOT_POLLFDS 2

typedef struct ballot ballot;

enum ballot_role {
    BALLOT_OUT,       /* not in the line: no proposal of ours is known         */
    BALLOT_FOLLOWER,  /* in the line, somebody else is to lead                 */
    BALLOT_LEADER,    /* leading, and the lease holds                          */
    BALLOT_SUSPENDED, /* led, and no acknowledgement has come within the lease:
                         others may lead soon                                  */
};

enum ballot_mode {
    BALLOT_KEEP, /* out of contact, the leader goes on: others wait at least
                    one session timeout longer                                 */
    BALLOT_STOP, /* out of contact, the leader stops before its lease ends     */
};

enum ballot_log_level {
    BALLOT_LOG_TRACE, BALLOT_LOG_DEBUG, BALLOT_LOG_INFO, BALLOT_LOG_WARN,
    BALLOT_LOG_ERROR, BALLOT_LOG_FATAL, BALLOT_LOG_PANIC,
};

/* What went wrong, as returned by ballot_open(). */
enum ballot_error {
    BALLOT_OK = 0,
    BALLOT_ENOMEM,  /* out of memory                                           */
    BALLOT_EPATH,   /* base_path is not an absolute znode path below the root  */
    BALLOT_ESERVER, /* servers is not a list of host, host:port or [v6]:port   */
    BALLOT_EID,     /* candidate_id is empty, or over BALLOT_ID_MAX bytes      */
    BALLOT_ETIMEOUT /* timeout_ms is not within 1 .. 24 days                   */
};

#define BALLOT_ID_MAX   1000 /* bytes of a candidate id                        */
#define BALLOT_PATH_MAX 1000 /* bytes of a base path                           */

struct ballot_config {
    const char *servers;      /* comma separated; port 2181 where none is given */
    const char *base_path;    /* the election: an absolute znode path           */
    const char *candidate_id; /* shown to others; need not be unique            */
    int timeout_ms;           /* session timeout asked for; the server decides  */
    enum ballot_mode mode;
    /* Called with each message, without newline; may be NULL. `where` is the
     * line of ballot.c that speaks. */
    void (*log)(void *data, enum ballot_log_level level, int where, const char *message);
    void *log_data;
    /* Receives the client library's own log; NULL: it is dropped. */
    void (*library_log)(const char *message);
};

/* Makes a membership that is not standing yet; nothing is sent before the
 * first ballot_prepare(). The strings of `config` are copied. On success *out
 * is the caller's, to be given to ballot_close(); else *out is NULL.
 * Returns BALLOT_OK or one of enum ballot_error. */
BALLOT_API int ballot_open(ballot **out, const struct ballot_config *config);

/* Ends the session (so that the others need not wait for its expiry) and frees
 * the handle. Takes some milliseconds; where the server does not answer, up to
 * 1.5 s; out of contact none. NULL is allowed. Call ballot_leave() first and
 * wait for BALLOT_OUT: a leader that only closes leaves a base that names it,
 * and the others wait as after a crash. */
BALLOT_API void ballot_close(ballot *b);

/* What the candidate wants from now on. All three are wishes: they are carried
 * out by the following prepares, and may be repeated at will. A leader that has
 * lost the leadership holds, until it is told to stand again: it must first
 * stop what it did as leader. */
BALLOT_API void ballot_stand(ballot *b); /* be in the line, lead when it is our turn     */
BALLOT_API void ballot_hold(ballot *b);  /* stay as we are: no new proposal, no claim    */
BALLOT_API void ballot_leave(ballot *b); /* resign, or leave the line. A leader calls it
                                            only after all that it did as leader has ended:
                                            the next one starts within milliseconds       */

/* Sends what is due, fills at most `room` (at least BALLOT_POLLFDS) slots of
 * `fds` and shortens *timeout_ms (-1: forever) to what the election needs.
 * Returns the number of slots filled. */
BALLOT_API int ballot_prepare(ballot *b, struct pollfd *fds, int room, int *timeout_ms);

/* Learns from the `count` slots that ballot_prepare() filled, after poll(). */
BALLOT_API void ballot_dispatch(ballot *b, const struct pollfd *fds, int count);

BALLOT_API enum ballot_role ballot_role(const ballot *b);

/* Milliseconds for which nobody else can lead, by the rule that a lease lasts
 * two thirds of the session timeout from the *sending* of the last acknowledged
 * heartbeat; 0 when not leading or when it is over. Measured on a clock that
 * counts suspended time where the system has one. */
BALLOT_API int64_t ballot_lease_ms(const ballot *b);

/* The fencing token: the zxid of our claim; greater than the token of every
 * earlier leader of any election of the ensemble. 0 when not leading. */
BALLOT_API int64_t ballot_token(const ballot *b);

/* True when an operator asks the leader to hand over (`ballot step-down`, or
 * whoever writes a field "stepDown" into its proposal): end what you do as
 * leader, call ballot_leave(), wait for BALLOT_OUT, then ballot_stand() again if
 * you like, at the end of the line. It stays true until the leadership ends. */
BALLOT_API bool ballot_step_down(const ballot *b);

/* Path of our proposal, "" when out of the line. Valid until the next prepare
 * or dispatch. */
BALLOT_API const char *ballot_node(const ballot *b);

/* Why we are not in the line although we want to be: a sentence, or "" where
 * nothing is wrong. Valid until the next prepare or dispatch. */
BALLOT_API const char *ballot_trouble(const ballot *b);

/* A sentence for a value of enum ballot_error; never NULL. */
BALLOT_API const char *ballot_strerror(int error);

/* The program: what `ballot ARGS...` does, and its exit status. It forks, waits
 * for children and installs signal handlers: for use from main() only. */
BALLOT_API int ballot_main(int argc, char **argv);

#endif
