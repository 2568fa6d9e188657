/* ballot.h - leader election through ZooKeeper, and cron's schedules, as a
 * library and as a program.
 *
 * Copy ballot.c and ballot.h into your program, compile ballot.c with
 * -DBALLOT_NO_MAIN, link with -lzookeeper_st. The switches, for both files:
 *
 *   BALLOT_NO_MAIN      the library alone
 *   BALLOT_NO_ENTRY     all but main(), for a program that calls ballot_main(); it
 *                       links with -linih, too
 *   BALLOT_NO_ELECTION  cron alone, which needs no other library: see the end of this
 *                       file. Implies BALLOT_NO_MAIN
 *   BALLOT_API          linkage of the functions below, in front of each
 *
 * Or include ballot.c in one file of yours, before all other headers, because it
 * defines _POSIX_C_SOURCE (if your compiler options do not define it, or more):
 *
 *     #define BALLOT_NO_MAIN
 *     #define BALLOT_API static
 *     #include "ballot.c"
 *
 * Its static functions and its types are in that file then; its macros are not.
 *
 * A `ballot` is one membership in one election. It owns no thread, installs no
 * signal handler and keeps no global state; a program may hold several. It is
 * not safe to use one handle from two threads at a time. What the client library
 * does: it calls srandom() and srand48() at each new session, and keeps one log level
 * for all. Ignore or handle SIGPIPE: a server may hang up at any moment.
 *
 * Where `servers` holds names, a child is forked to resolve them: your SIGCHLD
 * handler may see its end. It is reaped by its pid; that you reap it first, or ignore
 * SIGCHLD, does no harm. It takes its signals' default actions, closes what it
 * inherited, and runs none of your atexit() functions.
 *
 * The library is driven by the program's own poll loop:
 *
 *     ballot *b;
 *     struct pollfd fds[BALLOT_POLLFDS];
 *     int error = ballot_open(&b, &config);
 *     if (error != BALLOT_OK) {
 *         fprintf(stderr, "%s\n", ballot_strerror(error));
 *         return 1;
 *     }
 *     ballot_stand(b);
 *     while (wanted) {
 *         int timeout_ms = 1000; // until your own next timer, or -1; prepare shortens it
 *         int n = ballot_prepare(b, fds, BALLOT_POLLFDS, &timeout_ms);
 *         poll(fds, (nfds_t)n, timeout_ms);
 *         ballot_dispatch(b, fds, n);
 *         int64_t ms = ballot_lease_ms(b);
 *         if (ms > 0) // nobody else leads for so long: be done by then
 *             wanted = work(ballot_token(b), ms);
 *     }
 *     ballot_close(b);
 *
 * prepare sends what has been decided, dispatch learns what has happened. The role may
 * change in both, and without either: a leader is BALLOT_UNSURE from the moment at
 * which its lease is over. So ask when you act, each time. A loop that does not come
 * round at least once in a fifth of the session timeout loses its lease, and then its
 * leadership.
 *
 * With epoll: closed sockets leave the set by themselves, and the client library opens
 * new ones, often under the same number. So after each prepare
 *
 *     for (int i = 0; i < n; i++) {
 *         struct epoll_event slot = { .events = (uint32_t)fds[i].events, .data.u32 = (uint32_t)i };
 *         if (epoll_ctl(set, EPOLL_CTL_MOD, fds[i].fd, &slot) != 0)
 *             epoll_ctl(set, EPOLL_CTL_ADD, fds[i].fd, &slot);
 *     }
 *     struct epoll_event seen[BALLOT_POLLFDS];
 *     int count = epoll_wait(set, seen, BALLOT_POLLFDS, timeout_ms);
 *     for (int i = 0; i < count; i++)
 *         fds[seen[i].data.u32].revents = (short)seen[i].events;
 *     ballot_dispatch(b, fds, n);
 *
 * Copyright 2026 the ballot authors. Licensed under the Apache License 2.0.
 */
#ifndef BALLOT_H
#define BALLOT_H

#if defined BALLOT_NO_ELECTION && !defined BALLOT_NO_MAIN
#define BALLOT_NO_MAIN
#endif

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BALLOT_VERSION "0.1.0"

#ifndef BALLOT_API
#define BALLOT_API
#endif

/* What went wrong. */
enum ballot_error {
    BALLOT_OK = 0,
    BALLOT_ENOMEM,    /* out of memory                                           */
    BALLOT_EPATH,     /* base_path is not an absolute znode path below the root  */
    BALLOT_ESERVER,   /* servers is not a list of host, host:port or [v6]:port   */
    BALLOT_EID,       /* candidate_id is empty, or over BALLOT_ID_MAX bytes      */
    BALLOT_ETIMEOUT,  /* timeout_ms is not within 1 .. BALLOT_TIMEOUT_MAX        */
    BALLOT_EAUTH,     /* auth is not digest:USER:PASSWORD                        */
    BALLOT_ESCHEDULE, /* no schedule: struct ballot_cron_error says why          */
    BALLOT_EZONE,     /* no time zone of that name                               */
    BALLOT_EZONEFILE, /* the zone's file is damaged, too large, or counts leap
                         seconds                                                 */
};

/* A sentence for a value of enum ballot_error; never NULL. */
BALLOT_API const char *ballot_strerror(int error);

/* ---- The election ------------------------------------------------------- */

#ifndef BALLOT_NO_ELECTION

/* The most slots that ballot_prepare() fills. */
#define BALLOT_POLLFDS 2

typedef struct ballot ballot;

enum ballot_role {
    BALLOT_OUT,       /* not in the queue: no proposal of ours is known        */
    BALLOT_FOLLOWER,  /* in the queue, not leading                             */
    BALLOT_LEADER,    /* leading, and the lease holds                          */
    BALLOT_UNSURE,    /* led, and no acknowledgement has come within the lease:
                         others may lead soon                                  */
};

enum ballot_mode {
    BALLOT_KEEP, /* out of contact, the leader goes on; others lead after a silence
                    of one session timeout, or two                             */
    BALLOT_STOP, /* out of contact, the leader stops before its lease ends     */
};

enum ballot_log_level {
    BALLOT_LOG_TRACE, BALLOT_LOG_DEBUG, BALLOT_LOG_INFO, BALLOT_LOG_WARN,
    BALLOT_LOG_ERROR, BALLOT_LOG_FATAL, BALLOT_LOG_PANIC,
};

#define BALLOT_ID_MAX   1000 /* bytes of a candidate id                        */
#define BALLOT_PATH_MAX 1000 /* bytes of a base path                           */
#define BALLOT_AUTH_MAX 1000 /* bytes of an identity                           */
#define BALLOT_TIMEOUT_MAX 1072800000 /* ms of a session timeout, 298 h: the ZooKeeper
                                         client doubles it in an int                 */

struct ballot_config {
    const char *servers;      /* comma separated; port 2181 where none is given */
    const char *base_path;    /* the election: an absolute znode path           */
    const char *candidate_id; /* shown to others; need not be unique            */
    int timeout_ms;           /* session timeout asked for, 1 to BALLOT_TIMEOUT_MAX; the
                                 server decides. A server that gives less than 100 or
                                 more than BALLOT_TIMEOUT_MAX is not used           */
    enum ballot_mode mode;
    const char *auth;         /* NULL, or "digest:USER:PASSWORD": sent at each connect;
                                 nodes are then made for that identity alone    */
    /* Called with each message, without newline; may be NULL. `where` is the
     * line of ballot.c that speaks. Behind some stands what a monitor could act on:
     * "\tevent=" and one of elected, resigned, lost, waiting, disconnected, connected,
     * lease-over, then "\tNAME=VALUE" for each of its values. */
    void (*log)(void *data, enum ballot_log_level level, int where, const char *message);
    void *log_data;
    const char *kind, *command; /* shown to others, which warn where theirs differ; NULL: not
                                   shown. Not copied: they outlive the membership */
    bool record;      /* keep a record: see ballot_record()                     */
    bool library_log; /* the client library's own log goes where its zoo_set_log_stream()
                         and zoo_set_debug_level() say; false: it is dropped    */
};

/* Makes a membership that is not standing yet; nothing is sent before the
 * first ballot_prepare(). The strings of `config` are copied. On success *out
 * is the caller's, to be given to ballot_close(); else *out is NULL.
 * Returns BALLOT_OK, BALLOT_ENOMEM, BALLOT_EPATH, BALLOT_ESERVER, BALLOT_EID,
 * BALLOT_EAUTH or BALLOT_ETIMEOUT. */
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
BALLOT_API void ballot_stand(ballot *b); /* be in the queue, lead when it is our turn    */
BALLOT_API void ballot_hold(ballot *b);  /* stay as we are: no new proposal, no claim    */
BALLOT_API void ballot_leave(ballot *b); /* resign, or leave the queue. A leader calls it
                                            only after all that it did as leader has ended:
                                            the next one starts within milliseconds       */

/* Sends what is due, fills at most `room` (at least BALLOT_POLLFDS) slots of
 * `fds` and shortens *timeout_ms (-1: forever) to what the election needs.
 * Returns the number of slots filled. Set *timeout_ms before each call: it is never
 * made longer. Does not block. */
BALLOT_API int ballot_prepare(ballot *b, struct pollfd *fds, int room, int *timeout_ms);

/* Learns from the `count` slots that ballot_prepare() filled, after poll(). */
BALLOT_API void ballot_dispatch(ballot *b, const struct pollfd *fds, int count);

BALLOT_API enum ballot_role ballot_role(const ballot *b);

/* Milliseconds for which nobody else can lead, by the rule that a lease lasts
 * two thirds of the session timeout from the *sending* of the last acknowledged
 * heartbeat; 0 when not leading or when it is over. Measured on a clock that
 * counts suspended time where the system has one. Where a new connection has a
 * shorter session timeout, the lease is cut in one prepare, and the heartbeat that
 * advertises it is sent in a later one: ask in between. */
BALLOT_API int64_t ballot_lease_ms(const ballot *b);

/* The fencing token: the zxid of our claim; greater than the token of every
 * earlier leader of any election of the ensemble. 0 when not leading. */
BALLOT_API int64_t ballot_token(const ballot *b);

/* True when we are to hand over: because an operator asks for it (`ballot step-down`,
 * or a field "stepDown" with the name of our proposal in the node "requests" beside the
 * proposals), or because the ensemble refuses what
 * leading needs, which ballot_trouble() names. End what you do as leader, call
 * ballot_leave(), wait for BALLOT_OUT, then ballot_stand() again if you like, at the
 * end of the queue. A candidate that does not lead, and is refused what leading needs,
 * leaves the queue by itself, and stands again after a pause. True until BALLOT_OUT. */
BALLOT_API bool ballot_step_down(const ballot *b);

/* Path of our proposal, "" when not in the queue. Valid until the next prepare
 * or dispatch. */
BALLOT_API const char *ballot_node(const ballot *b);

/* Why we are not in the queue although we want to be, or that no server answers: a
 * sentence, or "" where nothing is wrong. Valid until the next prepare or dispatch. */
BALLOT_API const char *ballot_trouble(const ballot *b);

/* For how long leadership is certain: for 2/3 of `timeout` from `sent`, both of the last
 * acknowledged heartbeat. All in nanoseconds; moments are of CLOCK_BOOTTIME, where there
 * is none of CLOCK_MONOTONIC. The next connection may have another session timeout. */
struct ballot_lease {
    int64_t sent, timeout;         /* 0, 0: not leading                         */
    int64_t cut_sent, cut_timeout; /* of a later heartbeat that advertises a shorter timeout
                                      and is not acknowledged yet; 0, 0: none. The lease
                                      ends with the earlier of both              */
};

/* What a membership knows at a moment. */
struct ballot_status {
    enum ballot_role role;
    bool connected;      /* in contact with a server                            */
    bool step_down;      /* as ballot_step_down()                               */
    bool requests_known; /* a leader has read what operators ask, since it came into contact;
                            an owner that obeys them waits for it before a start */
    bool resigning;      /* the ensemble may have carried out our resignation: do not go on
                            without contact                                     */
    bool refused;        /* the ensemble refuses something: ballot_trouble()    */
    bool unnamed;        /* we lead in a new session, which the base does not name yet: other
                            candidates count our silence                        */
    unsigned losses;     /* counts each loss of the leadership                  */
    bool revoked;        /* the last one: another client deleted our proposal   */
    bool unrecorded;     /* the leader before us kept no record, and ours was not written since */
    int64_t token;       /* as ballot_token(); 0: not leading                   */
    struct ballot_lease lease;
    int64_t timeout;     /* session timeout of the present or last connection, ns */
    int64_t clock_ahead; /* our wall clock less the servers', as far as a heartbeat's answer
                            proves it, ns; 0 when not leading                   */
    int64_t clock_shift; /* our wall clock less the lease's then, ns: another difference now
                            means that the wall clock was set                   */
    /* What another process needs to continue the session, as every client may that has it. */
    int64_t session;     /* 0: none                                             */
    char password[16];
    const char *servers; /* numeric addresses; until the next prepare or dispatch */
    int resolver;        /* pid of a child that resolves the servers' names, which is to be
                            left alone; 0: none                                 */
};

BALLOT_API void ballot_status(const ballot *b, struct ballot_status *out);

/* The record: bytes that each leader hands on to the next, in the node "schedule" beside the
 * proposals. Written only by the leader, in one transaction with a check that its proposal
 * still exists, and with the version that was read. */
#define BALLOT_RECORD_MAX 16384 /* bytes                                        */

struct ballot_record {
    const char *data;    /* until the next prepare or dispatch; not NUL terminated */
    size_t length;
    int64_t changed;     /* the servers' wall clock at the last change, ns since 1970 */
    unsigned reads;      /* counts the reads                                    */
    bool written;        /* it is what ballot_record_write() was given last     */
};

/* Returns false if it is not known what the record holds: not leading, not read yet, or a
 * write is on its way. */
BALLOT_API bool ballot_record(const ballot *b, struct ballot_record *out);

/* Writes the record; ask ballot_record() for the outcome. Only while that returns true. More
 * than BALLOT_RECORD_MAX bytes are not written, nor what has not been sent when the lease ends. */
BALLOT_API void ballot_record_write(ballot *b, const void *data, size_t length);

/* Breaks contact off, so that ballot_close() does not wait for a server that does not answer. */
BALLOT_API void ballot_hang_up(ballot *b);

/* The program: what `ballot ARGS...` does, and its exit status; but where a signal told
 * it to end, it dies of that signal. For use from main(), in a process of one thread that has
 * nothing else to do: it closes all descriptors from 3 on, opens 0, 1 and 2 if they are
 * closed, forks, and reaps every child of the process. When it returns, signals are handled
 * and blocked as before, and so are core dumps and orphans (Linux: PR_SET_DUMPABLE,
 * PR_SET_CHILD_SUBREAPER). Not with BALLOT_NO_MAIN. */
#ifndef BALLOT_NO_MAIN
BALLOT_API int ballot_main(int argc, char **argv);
#endif

#endif /* BALLOT_NO_ELECTION */

/* ---- Cron: when is the next activation? ---------------------------------
 *
 *     struct ballot_zone zone;
 *     struct ballot_cron cron;
 *     struct ballot_cron_error error;
 *     ballot_zone_local(&zone);
 *     if (ballot_cron_parse(&cron, &zone, "30 2 * * mon-fri", &error) != BALLOT_OK)
 *         fprintf(stderr, "%s\n", error.message);
 *     else
 *         when = ballot_cron_next(&cron, &zone, time(NULL), BALLOT_DST_VIXIE);
 *
 * Moments are POSIX seconds: from 1970-01-01 00:00 UTC, negative before, without
 * leap seconds. Both structs are plain values: copy them, keep them, drop them;
 * nothing is ever to be freed, nothing points anywhere. Their fields are not for
 * callers. Zones are read from files once; after that all is pure computation, on
 * any thread. Neither setenv() nor tzset() is called, nor anything else of libc
 * that knows of time zones.
 *
 * Where the rules come from: the fields, and that minute or hour with a star
 * follow the wall clock, from cron's crontab(5) and cron(8) (Vixie's, as Debian
 * and cronie have it); the finer points of the grammar (steps, stars that select
 * both days, empty items, the end of the search after five years, @every) from the Go package
 * robfig/cron v3, ParseStandard, whose schedules mean the same here, with weekday 7
 * and a field for seconds added; zone files from RFC 8536; rules in TZ and in the
 * files' footers from POSIX.1-2008, Base Definitions 8.3. */

/* The most changes of the offset that a zone's table may have. The largest of
 * tzdata 2025b has 242; the years after the table follow its rule. */
#define BALLOT_ZONE_CHANGES 1000

/* A date of every year, where summer time begins or ends. */
struct ballot_zone_date {
    int kind;        /* 'M': month, week (5: the last), weekday; 'J': day 1-365, 29
                        February not counted; '0': day 0-365                     */
    int month, week; /* of kind M                                               */
    int day;         /* of week (0: Sunday) or year                             */
    int32_t time;    /* seconds from that day's midnight, -167 h to 167 h       */
};

/* A time zone. Offsets are seconds east of UTC. 12 KB. */
struct ballot_zone {
    int count;                              /* of changes in the table            */
    int32_t first;                          /* offset before all of them          */
    int32_t standard, summer;               /* after all of them; the same: no summer time */
    bool over_new_year;                     /* a summer ends in the year after its begin */
    struct ballot_zone_date begin, end;     /* of summer, if it differs           */
    int64_t changes[BALLOT_ZONE_CHANGES];   /* moments, ascending                 */
    int32_t offsets[BALLOT_ZONE_CHANGES];   /* from each of them on               */
};

/* A schedule; bit n of a set is the value n. */
struct ballot_cron {
    int64_t every;             /* seconds, of @every; 0: the sets               */
    uint64_t seconds, minutes;
    uint32_t hours, days;
    uint16_t months;           /* none: it never fires                          */
    uint8_t weekdays;          /* 0 is Sunday                                   */
    bool both;                 /* days and weekdays must match, not one of them */
    bool follows;              /* the wall clock, whatever enum ballot_dst      */
    bool own_zone;             /* the text names its zone, and not as Local     */
    bool cut;                  /* of @every: a fraction of a second, or less than one */
};

/* What is wrong with a schedule. */
struct ballot_cron_error {
    size_t offset;     /* of the first wrong byte of the text                    */
    char message[256]; /* one sentence: field, text, what was expected instead   */
};

/* What happens to times that a change of the clock skips or repeats. */
enum ballot_dst {
    BALLOT_DST_VIXIE, /* Fixed times (neither minute nor hour begins with * or ?)
                         that are skipped fire once, when the gap ends, if it is
                         shorter than 3 h; repeated ones fire the first time only.
                         Others follow the wall clock                            */
    BALLOT_DST_WALL,  /* All follow the wall clock: fire when it matches, never in
                         the gap, twice in the repeated hour                     */
};

#define BALLOT_NEVER INT64_MAX

/* UTC. */
BALLOT_API void ballot_zone_utc(struct ballot_zone *zone);

/* The zone of that name, from TZDIR or where systems keep them. "" and "UTC" are
 * UTC, without a file; a name with "..", or with "/" or "\\" in front, is none,
 * so that no name leads out of the folder. Takes 66 KB of stack, for the file; so do
 * ballot_zone_local() and ballot_cron_parse(), which call it. Returns BALLOT_OK, BALLOT_EZONE or
 * BALLOT_EZONEFILE; in these two cases *zone is UTC. */
BALLOT_API int ballot_zone_load(struct ballot_zone *zone, const char *name);

/* The zone of the process: TZ (a name, a path or a POSIX rule, a ":" before it or
 * not; empty: UTC), else /etc/localtime, else UTC. Returns as ballot_zone_load(). */
BALLOT_API int ballot_zone_local(struct ballot_zone *zone);

/* Seconds east of UTC in force at a moment. */
BALLOT_API int32_t ballot_zone_offset(const struct ballot_zone *zone, int64_t at);

/* Reads a schedule. Where the text names a zone by TZ= or CRON_TZ=, that is loaded
 * into *zone; else, and for "Local", *zone is left as it is. Returns BALLOT_OK,
 * BALLOT_ESCHEDULE, BALLOT_EZONE or BALLOT_EZONEFILE; if not BALLOT_OK, *error
 * says why, and *cron is of no use. */
BALLOT_API int ballot_cron_parse(struct ballot_cron *cron, struct ballot_zone *zone, const char *spec,
                                 struct ballot_cron_error *error);

/* The first activation after a moment, strictly; or BALLOT_NEVER: none up to the
 * end of the fifth calendar year after it, in that zone, or the moment is over
 * 2^40 seconds from 1970. A fraction of a second is to be cut towards the past.
 * For @every: so long after the moment. */
BALLOT_API int64_t ballot_cron_next(const struct ballot_cron *cron, const struct ballot_zone *zone, int64_t after,
                                    enum ballot_dst dst);

#ifdef __cplusplus
}
#endif

#endif
