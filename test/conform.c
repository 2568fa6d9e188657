/* conform - whether the simulated ZooKeeper (simzk.c) does what the real one does.
 *
 *     conform HOST:PORT[,...] SEED STEPS BATCH    with the real library, to new, empty servers
 *     simconform SERVERS SEED STEPS BATCH         with simzk.c: the same steps
 *
 * STEPS is a list such as 1-300,305: a step depends on the seed and its number alone.
 * BATCH is the most requests that a handle has under way at once.
 *
 * Both print what every call, answer and event brought; all of it must be the same.
 * Zxids are compared to the number, children without their order, times by bounds.
 * A step ends when every handle has got all events that it can expect: events of a
 * change come before any later answer.
 *
 * Real servers of an ensemble are at liberty in two things. A read at the leader waits for
 * nothing that other sessions wrote: where the order of sessions matters, its clients
 * write instead (calm). And up to 3.8.0 a server may keep an answer to itself until its
 * next transaction (ZOOKEEPER-4537): where an answer is late, the leader's anchor makes
 * one (nudge), and zxids are counted without those. How often goes to stderr. A follower may
 * lag as much as it likes: the simulated one does, and all is the same. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <zookeeper/zookeeper.h>

#define NUDGE_AFTER INT64_C(500000000)
#define PATIENCE    INT64_C(20000000000)

/* The server's settings, which conform.t gives to the real one, too. */
enum { TICK_MS = 100, LEAST_MS = 2000, MOST_MS = 60000 };
enum { WHEN_CONNECTED = -2, IN_ORDER = -1, HANDLES = 3, SPARE = HANDLES, ANCHORS = HANDLES + 2, MEMBERS = ANCHORS + 3 };
enum { NUDGES_MAX = 1000, SESSIONS_MAX = 4096, LINES_MAX = 2048, NAMES_MAX = 20, MADE_MAX = 64, MADE_USED = 4,
    MADE_KEPT = 16 };

#ifdef SIMULATED
#include "simzk.h"
#define POLL sim_poll
#define DEAD_PREFIX "10.0.0.10"
#define DEAD_ADDRESS DEAD_PREFIX "%d:2181"
#define SHUTDOWN(fd) sim_shut(fd)

/* The least that can be called an operating system: one process, a network of any delay. */
struct event {
    struct event *next;
    int64_t when;
    void (*fn)(void *);
    void *arg;
};
struct sim_socket {
    const struct sim_socket_ops *ops;
    void *owner;
    short ready;
};
static int64_t true_time = SIM_SECOND;
static struct event *to_come;
static struct sim_socket sockets[64];
static uint64_t chance = 1;

int64_t sim_now(void) { return true_time; }
int64_t sim_clock(void) { return true_time; }
int sim_host(void) { return 0; }
void *sim_calloc(size_t count, size_t size) { return calloc(count, size); }
void sim_free(void *memory) { free(memory); }
uint64_t sim_random(void) { return chance = chance * 6364136223846793005 + 1442695040888963407; }
int64_t sim_between(int64_t least, int64_t most) { return least + (int64_t)(sim_random() >> 33) % (most - least + 1); }
bool sim_link(int from, int to, int64_t *delay)
{
    (void)from, (void)to;
    *delay = sim_between(0, 2 * SIM_MS);
    return true;
}
bool sim_mute(int from, int to) { (void)from, (void)to; return false; }
void sim_request(enum sim_moment m, enum sim_request r, int host, int server, const char *path)
{
    (void)m, (void)r, (void)host, (void)server, (void)path;
}
void sim_tell(const char *format, ...) { (void)format; }
void sim_violation(const char *format, ...) { (void)format; }

void sim_at(int64_t when, void (*fn)(void *), void *arg)
{
    struct event **link = &to_come, *e = malloc(sizeof *e);
    while (*link && (*link)->when <= when)
        link = &(*link)->next;
    *e = (struct event){ *link, when, fn, arg };
    *link = e;
}

struct sim_socket *sim_socket_new(const struct sim_socket_ops *ops, void *owner, int *fd)
{
    for (*fd = 0; sockets[*fd].ops; ++*fd) { }
    sockets[*fd] = (struct sim_socket){ ops, owner, 0 };
    return &sockets[*fd];
}

void sim_socket_ready(struct sim_socket *socket, short ready) { socket->ready = ready; }

void sim_fd_close(int fd)
{
    struct sim_socket s = sockets[fd];
    sockets[fd].ops = NULL;
    s.ops->closed(s.owner);
}

static void sim_shut(int fd) { sockets[fd].ops->shut(sockets[fd].owner); }

int sim_poll(struct pollfd *fds, nfds_t count, int ms)
{
    int64_t limit = true_time + ms * SIM_MS;
    for (;;) {
        int ready = 0;
        for (nfds_t i = 0; i < count; i++) {
            fds[i].revents = fds[i].fd < 0 ? 0
                : (short)(sockets[fds[i].fd].ready & (fds[i].events | POLLERR | POLLHUP));
            ready += fds[i].revents != 0;
        }
        if (ready || !to_come || to_come->when > limit) {
            true_time = ready ? true_time : limit;
            return ready;
        }
        struct event e = *to_come;
        free(to_come);
        to_come = e.next;
        true_time = e.when;
        e.fn(e.arg);
    }
}

static int64_t steady(void) { return true_time; }
static int64_t wall_ms(void) { return true_time / SIM_MS; }
#else
#define POLL poll
#define DEAD_PREFIX "127.0.0.10"
#define DEAD_ADDRESS DEAD_PREFIX "%d:1"
#define SHUTDOWN(fd) shutdown(fd, SHUT_RDWR)

static int64_t clock_read(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static int64_t steady(void) { return clock_read(CLOCK_MONOTONIC); }
static int64_t wall_ms(void) { return clock_read(CLOCK_REALTIME) / 1000000; }
#endif

/* --- what is printed ----------------------------------------------------------------- */

struct member {
    int number, fd, server;
    bool silent, gone;            /* silent: nobody turns it. gone: "/bye" is                     */
    zhandle_t *zh;
    const char *auth;
    int waiting, state;           /* answers to come; of the last session event                    */
    char lines[LINES_MAX][800];   /* since the step began                                          */
    int count, sort;              /* lines from `sort` on come in any order; WHEN_CONNECTED: from there on */
};

static struct member members[MEMBERS]; /* the anchors: one at each server, so that all can be waited for */
static int64_t sessions[SESSIONS_MAX]; /* in the order in which they were opened */
static int session_count;
static char made[MADE_MAX][64];        /* sequential nodes, of which the oldest are deleted */
static int made_count, made_deleted, batch_most;
static int64_t nudges[NUDGES_MAX];     /* their zxids */
static int nudge_count;
static uint64_t dice;
static char servers[5][64]; /* one for each handle, in turn; the last is the leader */
static int server_count;

static uint64_t roll(void)
{
    uint64_t z = dice += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static int below(int limit)
{
    return (int)(roll() % (uint64_t)limit);
}

static void say(struct member *m, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (m->count == LINES_MAX)
        abort();
    vsnprintf(m->lines[m->count++], sizeof *m->lines, format, args);
    va_end(args);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void print(struct member *m)
{
    if (m->sort >= 0 && m->sort < m->count)
        qsort(m->lines[m->sort], (size_t)(m->count - m->sort), sizeof *m->lines, by_text);
    for (int i = 0; i < m->count && m->number < ANCHORS; i++)
        printf("  %d %s\n", m->number, m->lines[i]);
    m->count = 0;
    m->sort = IN_ORDER;
}

static void __attribute__((noreturn)) give_up(const char *why)
{
    for (int i = 0; i < MEMBERS; i++)
        print(&members[i]);
    printf("GIVEN UP: %s\n", why);
    exit(1);
}

static int session_number(int64_t id)
{
    for (int i = session_count; i > 0; i--)
        if (sessions[i - 1] == id)
            return i;
    if (id && session_count < SESSIONS_MAX)
        sessions[session_count++] = id;
    return id ? session_count : 0;
}

/* Its number within the epoch, as if there had been no nudges. */
static int64_t zxid_plain(int64_t zxid)
{
    int64_t plain = zxid & 0xffffffff;
    for (int i = 0; i < nudge_count; i++)
        plain -= nudges[i] <= zxid;
    return plain;
}

/* Times are not the same, but go with zxids. */
static bool time_fits(int64_t zxid, int64_t ms)
{
    static int64_t last_zxid, last_ms;
    if (zxid <= last_zxid)
        return zxid == last_zxid ? ms == last_ms : ms <= last_ms;
    bool fits = ms >= last_ms && ms <= wall_ms() + 5;
    last_zxid = zxid;
    last_ms = ms;
    return fits;
}

static const char *stat_text(const struct Stat *s)
{
    static char text[300];
    bool sane = time_fits(s->czxid, s->ctime) && time_fits(s->mzxid, s->mtime);
    snprintf(text, sizeof text, "c%" PRId64 " m%" PRId64 " p%" PRId64 " v%d cv%d av%d owner %d length %d children %d%s",
             zxid_plain(s->czxid), zxid_plain(s->mzxid), zxid_plain(s->pzxid), s->version, s->cversion, s->aversion,
             session_number(s->ephemeralOwner), s->dataLength, s->numChildren, sane ? "" : " BAD TIMES");
    return text;
}

/* --- answers and events -------------------------------------------------------------------- */

static void on_event(zhandle_t *zh, int type, int state, const char *path, void *context)
{
    struct member *m = context;
    say(m, "event %d state %d path \"%s\" zoo_state %d", type, state, path, zoo_state(zh));
    if (type != ZOO_SESSION_EVENT)
        return;
    m->state = state;
    if (state == ZOO_CONNECTED_STATE) {
        say(m, "session %d timeout %d", session_number(zoo_client_id(zh)->client_id), zoo_recv_timeout(zh));
        m->sort = m->sort == WHEN_CONNECTED ? m->count : m->sort;
    }
}

/* Another watcher, so that there can be two for one node. */
static void on_other(zhandle_t *zh, int type, int state, const char *path, void *context)
{
    (void)zh;
    if (type != ZOO_SESSION_EVENT)
        say(context, "other event %d state %d path \"%s\"", type, state, path);
}

static struct member *answered(const void *data, int rc)
{
    struct member *m = (struct member *)(uintptr_t)data;
    m->waiting--;
    say(m, "answer %d zoo_state %d", rc, zoo_state(m->zh));
    return m;
}

static void on_void(int rc, const void *data)
{
    answered(data, rc);
}

static void on_string(int rc, const char *value, const void *data)
{
    struct member *m = answered(data, rc);
    if (!value)
        return;
    say(m, "path %s", value);
    size_t length = strlen(value);
    if (length > 10 && length < sizeof *made && strspn(value + length - 10, "0123456789") == 10)
        strcpy(made[made_count++ % MADE_MAX], value);
}

static void on_stat(int rc, const struct Stat *stat, const void *data)
{
    struct member *m = answered(data, rc);
    if (stat)
        say(m, "%s", stat_text(stat));
}

static void on_data(int rc, const char *value, int length, const struct Stat *stat, const void *data)
{
    struct member *m = answered(data, rc);
    say(m, "%d bytes \"%.*s\"", length, length > 0 ? length : 0, value ? value : "");
    if (stat)
        say(m, "%s", stat_text(stat));
}

/* The few as they are, the many as a number. */
static void on_names(int rc, const struct String_vector *names, const void *data)
{
    struct member *m = answered(data, rc);
    char text[700] = "", sorted[NAMES_MAX][64];
    int count = names ? names->count : 0, shown = count < NAMES_MAX ? count : NAMES_MAX;
    uint32_t sum = 0;
    for (int i = 0; i < count; i++) {
        uint32_t hash = 0;
        for (const char *c = names->data[i]; *c; c++)
            hash = hash * 31u + (unsigned char)*c;
        sum += hash * hash;
        snprintf(sorted[i % NAMES_MAX], sizeof *sorted, " %s", names->data[i]);
    }
    qsort(sorted, (size_t)shown, sizeof *sorted, by_text);
    for (int i = 0; i < shown && count <= NAMES_MAX; i++)
        strncat(text, sorted[i], sizeof text - strlen(text) - 1);
    say(m, "%d names%s %08x", count, names ? text : " none", (unsigned)sum);
}

static void on_names_stat(int rc, const struct String_vector *names, const struct Stat *stat, const void *data)
{
    on_names(rc, names, data);
    if (stat)
        say((struct member *)(uintptr_t)data, "%s", stat_text(stat));
}

static void on_sync(int rc, const char *value, const void *data)
{
    struct member *m = (struct member *)(uintptr_t)data;
    m->waiting--;
    if (rc != ZOK || !value || strcmp(value, "/") != 0)
        say(m, "sync %d %s", rc, value ? value : "");
}

/* --- turning the library ---------------------------------------------------------------------- */

static void turn(struct member *m, int most_ms)
{
    int fd = -1, events = 0;
    struct timeval tv = { 0, 0 };
    struct pollfd slot = { .fd = -1 };
    int rc = zookeeper_interest(m->zh, &fd, &events, &tv), before = zoo_state(m->zh);
    if (rc != ZOK)
        say(m, "interest %d zoo_state %d", rc, before);
    m->fd = rc == ZOK ? fd : -1;
    if (m->fd >= 0)
        slot = (struct pollfd){ fd,
            (short)((events & ZOOKEEPER_READ ? POLLIN : 0) | (events & ZOOKEEPER_WRITE ? POLLOUT : 0)), 0 };
    int wait = (int)(tv.tv_sec * 1000 + tv.tv_usec / 1000) + 1;
    if (m->fd < 0)
        return; /* it would have us wait before the next attempt; asked again, it makes one */
    if (POLL(&slot, 1, wait < most_ms ? wait : most_ms) <= 0)
        return;
    rc = zookeeper_process(m->zh,
        (slot.revents & POLLOUT ? ZOOKEEPER_WRITE : 0) | (slot.revents & ~POLLOUT ? ZOOKEEPER_READ : 0));
    if (rc != ZOK && rc != ZNOTHING)
        say(m, "process %d zoo_state %d", rc, zoo_state(m->zh));
}

static void on_nudged(int rc, const struct Stat *stat, const void *data)
{
    struct member *m = answered(data, rc);
    if (stat && nudge_count < NUDGES_MAX)
        nudges[nudge_count++] = stat->mzxid;
    m->count = 0;
}

/* Late: since then, or since the last nudge. */
static void nudge_if_late(int64_t *since)
{
    struct member *m = &members[ANCHORS + server_count - 1];
    if (server_count == 1 || steady() < *since + NUDGE_AFTER)
        return;
    m->waiting++;
    zoo_aset(m->zh, "/nudge", "", 0, -1, on_nudged, m);
    while (m->waiting && steady() < *since + 5 * NUDGE_AFTER)
        turn(m, 100);
    *since = steady();
}

static void settle(struct member *m)
{
    int64_t began = steady(), late = began;
    while (m->waiting > 0) {
        turn(m, 100);
        nudge_if_late(&late);
        if (steady() > began + PATIENCE)
            give_up("an answer does not come");
    }
}

static void reach(struct member *m, int state)
{
    int64_t began = steady(), late = began;
    while (m->state != state) {
        turn(m, 100);
        nudge_if_late(&late);
        if (steady() > began + PATIENCE)
            give_up("a state is not reached");
    }
}

static void on_none(int rc, const void *data)
{
    struct member *m = (struct member *)(uintptr_t)data;
    m->waiting--;
    if (rc != ZNONODE && rc != ZNOAUTH)
        say(m, "none %d", rc);
}

/* All that was to come has come, for everything that is connected: behind a sync all that was
 * committed before is there, but at the leader of an ensemble only behind a transaction. */
static void calm(void)
{
    for (int i = 0; i < MEMBERS; i++) {
        struct member *m = &members[i];
        if (!m->zh || zoo_state(m->zh) != ZOO_CONNECTED_STATE || m->silent)
            continue;
        m->waiting++;
        if (server_count > 1 && m->server == server_count - 1)
            zoo_adelete(m->zh, "/none", -1, on_none, m);
        else
            zoo_async(m->zh, "/", on_sync, m);
    }
    for (int i = 0; i < MEMBERS; i++)
        if (members[i].zh && !members[i].silent)
            settle(&members[i]);
    for (int i = 0; i < MEMBERS; i++)
        print(&members[i]);
}

static void quiet(const char *message)
{
    (void)message;
}

static void begin(struct member *m, int timeout, const clientid_t *id, int state)
{
    m->state = 0;
    m->zh = zookeeper_init2(servers[m->server], on_event, timeout, id, m, ZOO_NO_LOG_CLIENTENV, quiet);
    if (m->auth)
        say(m, "add auth %d", zoo_add_auth(m->zh, "digest", m->auth, (int)strlen(m->auth), NULL, NULL));
    reach(m, state);
}

/* A session's nodes go in any order. */
static void end(struct member *m)
{
    for (int i = 0; i < MEMBERS; i++)
        if (members[i].sort == IN_ORDER)
            members[i].sort = members[i].count;
    say(m, "close %d", zookeeper_close(m->zh));
    m->zh = NULL;
    m->waiting = 0;
}

/* --- random requests ------------------------------------------------------------------------------ */

static const char *some_path(bool fine)
{
    static const char *const paths[] = { "/c", "/c/a", "/c/b", "/c/a/x", "/c/a/y", "/c/b/x", "/c/a/x/z", "/c/e",
        "/c/e/x", "/d/e" };
    static const char *const odd[] = { "c", "/c/", "/c//a", "/c/.", "/c/..", "", "/c/./x", "/c/\x01", "/", "/c/...",
        "/c/a.b", "/c/a..", "/zookeeper" };
    int n = below(100);
    if (n < 3 && !fine) /* in a transaction they make the library free what it never allocated */
        return odd[below(sizeof odd / sizeof *odd)];
    if (n < 20 && made_count)
        return made[(made_count - 1 - below(made_count < MADE_USED ? made_count : MADE_USED)) % MADE_MAX];
    return paths[below(sizeof paths / sizeof *paths)];
}

static const char *some_prefix(void)
{
    static const char *const prefixes[] = { "/c/p-", "/c/a/", "/c/b/q", "/c/e/p-", "/d/p-", "/c/a/x/." };
    return prefixes[below(sizeof prefixes / sizeof *prefixes)];
}

static int some_version(void)
{
    return below(3) ? -1 : below(4);
}

static const char *some_data(int *length)
{
    static const char *const data[] = { "", "x", "hello", "{\"a\":1}" };
    const char *d = data[below(4)];
    *length = (int)strlen(d);
    if (below(30))
        return d;
    *length = -1;
    return NULL;
}

static struct ACL_vector *some_access(void)
{
    static char world[] = "world", anyone[] = "anyone", auth[] = "auth", none[] = "";
    static struct ACL other[] = { { 0x1e, { world, anyone } }, { 0x1f, { auth, none } } };
    static struct ACL closed[] = { { 0x0b, { world, anyone } } };
    static struct ACL_vector mixed = { 2, other }, partly = { 1, closed }, empty = { 0, NULL };
    int n = below(40);
    return n == 0 ? &ZOO_CREATOR_ALL_ACL : n == 1 ? &ZOO_READ_ACL_UNSAFE : n == 2 ? &mixed : n == 3 ? &empty
        : n == 4 ? &partly : &ZOO_OPEN_ACL_UNSAFE;
}

static int some_mode(void)
{
    const int modes[] = { ZOO_PERSISTENT, ZOO_EPHEMERAL, ZOO_PERSISTENT_SEQUENTIAL, ZOO_EPHEMERAL_SEQUENTIAL };
    return modes[below(4)];
}

enum { OPS_MAX = 4 };
struct transaction {
    struct member *member;
    zoo_op_t ops[OPS_MAX];
    zoo_op_result_t results[OPS_MAX];
    struct Stat stats[OPS_MAX];
    char paths[OPS_MAX][100], buffers[OPS_MAX][100];
    int count;
};

static void on_multi(int rc, const void *data)
{
    struct transaction *t = (struct transaction *)(uintptr_t)data;
    struct member *m = answered(t->member, rc);
    for (int i = 0; i < t->count; i++) {
        const zoo_op_result_t *r = &t->results[i];
        say(m, "result %d%s%s%s%s", r->err, r->value ? " path " : "", r->value ? r->value : "", r->stat ? " " : "",
            r->stat ? stat_text(r->stat) : "");
    }
    free(t);
}

static int some_multi(struct member *m, char *what, size_t size)
{
    struct transaction *t = calloc(1, sizeof *t);
    t->member = m;
    t->count = 1 + below(OPS_MAX);
    size_t n = (size_t)snprintf(what, size, "multi");
    for (int i = 0; i < t->count; i++) {
        int kind = below(4), version = some_version(), mode = some_mode(), length;
        const char *data = some_data(&length);
        snprintf(t->paths[i], sizeof *t->paths, "%s",
            kind == 3 && mode & ZOO_SEQUENCE ? some_prefix() : some_path(true));
        n += (size_t)snprintf(what + n, size - n, "; %s %s %d",
            (const char *[]){ "check", "set", "delete", "create" }[kind], t->paths[i],
                              kind == 3 ? mode : version);
        if (kind == 0)
            zoo_check_op_init(&t->ops[i], t->paths[i], version);
        else if (kind == 1)
            zoo_set_op_init(&t->ops[i], t->paths[i], data, length, version, &t->stats[i]);
        else if (kind == 2)
            zoo_delete_op_init(&t->ops[i], t->paths[i], version);
        else
            zoo_create_op_init(&t->ops[i], t->paths[i], data, length, some_access(), mode, t->buffers[i],
                sizeof *t->buffers);
    }
    int rc = zoo_amulti(m->zh, t->count, t->ops, t->results, on_multi, t);
    if (rc != ZOK)
        free(t);
    return rc;
}

static int some_write(struct member *m, char *what, size_t size)
{
    int length, version = some_version(), mode = some_mode(), kind = below(10);
    const char *data = some_data(&length), *path = some_path(false);
    if (kind < 4) {
        path = mode & ZOO_SEQUENCE ? some_prefix() : path;
        snprintf(what, size, "create %s mode %d", path, mode);
        return zoo_acreate(m->zh, path, data, length, some_access(), mode, on_string, m);
    }
    if (kind < 6) {
        snprintf(what, size, "set %s version %d", path, version);
        return zoo_aset(m->zh, path, data, length, version, on_stat, m);
    }
    if (kind < 8) {
        snprintf(what, size, "delete %s version %d", path, version);
        return zoo_adelete(m->zh, path, version, on_void, m);
    }
    return some_multi(m, what, size);
}

/* Never with others behind it: while it is on its way, the leader goes by the old list. */
static int some_access_set(struct member *m, char *what, size_t size)
{
    int version = some_version();
    const char *path = some_path(false);
    snprintf(what, size, "set access of %s version %d", path, version);
    return zoo_aset_acl(m->zh, path, version, some_access(), on_void, m);
}

static int some_read(struct member *m, char *what, size_t size)
{
    static const char *const names[] = { "exists", "get", "children", "children2", "sync" };
    const char *path = some_path(false);
    int kind = below(5);
    watcher_fn watcher = below(2) ? NULL : below(4) ? on_event : on_other;
    snprintf(what, size, "%s %s%s", names[kind], path, watcher ? " watched" : "");
    switch (kind) {
    case 0: return zoo_awexists(m->zh, path, watcher, m, on_stat, m);
    case 1: return zoo_awget(m->zh, path, watcher, m, on_data, m);
    case 2: return zoo_aget_children(m->zh, path, watcher != NULL, on_names, m);
    case 3: return zoo_awget_children2(m->zh, path, watcher, m, on_names_stat, m);
    default: return zoo_async(m->zh, path, on_string, m);
    }
}

static void ask(struct member *m, int (*some)(struct member *, char *, size_t))
{
    char what[600];
    m->waiting++;
    int rc = some(m, what, sizeof what);
    if (rc != ZOK)
        m->waiting--;
    say(m, "asked %s: %d zoo_state %d", what, rc, zoo_state(m->zh));
}

static void ask_some(struct member *m)
{
    ask(m, below(5) < 3 ? some_write : some_read);
}

/* --- steps: each ends calm ---------------------------------------------------------------------------- */

static void step_batch(struct member *m)
{
    while (made_count - made_deleted > MADE_KEPT) {
        m->waiting++;
        zoo_adelete(m->zh, made[made_deleted++ % MADE_MAX], -1, on_void, m);
    }
    for (int i = 1 + below(batch_most); i > 0; i--)
        ask_some(m);
    settle(m);
    if (below(8) == 0) {
        ask(m, some_access_set);
        settle(m);
    }
}

static void cut(struct member *m)
{
    SHUTDOWN(m->fd);
    reach(m, ZOO_CONNECTING_STATE);
}

/* What it watches changes, or does not, while it is away. */
static void step_reconnect(struct member *m)
{
    const char *path = some_path(true);
    printf("  cut\n");
    m->waiting += 2; /* the last change of all is one that it knows */
    zoo_aset(m->zh, path, "seen", 4, -1, on_stat, m);
    zoo_awget(m->zh, path, on_event, m, on_data, m);
    settle(m);
    cut(m);
    say(m, "add auth %d", zoo_add_auth(m->zh, "digest", "late:one", 8, NULL, NULL));
    calm();
    for (int i = below(4); i > 0; i--) {
        step_batch(&members[(m->number + 1 + below(HANDLES - 1)) % HANDLES]);
        calm();
    }
    for (bool again = true; again; again = below(2)) {
        struct timeval tv;
        int events;
        zookeeper_interest(m->zh, &m->fd, &events, &tv);
        for (int i = below(3); i > 0; i--)
            ask_some(m); /* before the connection stands */
        if (below(3) || m->fd < 0)
            break;
        POLL(&(struct pollfd){ m->fd, POLLOUT, 0 }, 1, 5000);
        SHUTDOWN(m->fd); /* and it never will: they are not sent */
        settle(m);
    }
    m->sort = WHEN_CONNECTED;
    reach(m, ZOO_CONNECTED_STATE);
    settle(m);
}

/* The socket dies unseen: requests wait for the next one; behind one whose answer is lost
 * they are out of order. */
static void step_silent(struct member *m)
{
    printf("  silently closed\n");
    int lost = below(3);
    for (int i = 0; i < lost; i++)
        ask(m, some_read);
    SHUTDOWN(m->fd);
    m->state = 0;
    for (int i = lost ? 1 : 1 + below(3); i > 0; i--) /* out of order, the first ends the connection */
        ask_some(m);
    m->sort = WHEN_CONNECTED;
    settle(m);
    reach(m, ZOO_CONNECTED_STATE);
}

static void on_bye(int rc, const struct Stat *stat, const void *data)
{
    struct member *m = (struct member *)(uintptr_t)data;
    (void)stat;
    m->waiting--;
    m->gone = rc == ZNONODE;
}

/* With answers on their way closing does not wait for its own. */
static void step_close(struct member *m)
{
    const int timeouts[] = { 30000, 20000, 20001, 70000, 60000 };
    struct member *other = &members[(m->number + 1) % HANDLES];
    printf("  close and open\n");
    m->waiting++;
    zoo_acreate(m->zh, "/bye", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, on_string, m);
    settle(m);
    for (int i = below(3); i > 0; i--)
        ask_some(m);
    end(m);
    int64_t began = steady();
    for (other->gone = false; !other->gone; settle(other)) {
        other->waiting++;
        zoo_aexists(other->zh, "/bye", 0, on_bye, other);
        if (steady() > began + PATIENCE)
            give_up("a node stays");
    }
    calm();
    begin(m, timeouts[below(5)], NULL, ZOO_CONNECTED_STATE);
}

static void leave_nodes(struct member *m)
{
    for (int i = below(3); i >= 0; i--) {
        m->waiting++;
        zoo_acreate(m->zh, some_prefix(), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL_SEQUENTIAL, on_string, m);
        settle(m);
    }
    step_batch(m);
}

/* Not looked after for longer than its timeout; the others are. */
static void step_expire(void)
{
    struct member *m = &members[SPARE];
    printf("  expire\n");
    begin(m, 1500, NULL, ZOO_CONNECTED_STATE);
    leave_nodes(m);
    for (int64_t limit = steady() + LEAST_MS * INT64_C(1250000); steady() < limit;)
        turn(m, 50); /* the library's pings keep it alive */
    m->silent = true;
    calm();
    for (int64_t limit = steady() + (LEAST_MS + 4 * TICK_MS) * INT64_C(1000000); steady() < limit;)
        turn(&members[0], 50);
    for (int i = 0; i < HANDLES; i++)
        members[i].sort = 0;
    calm();
    for (int64_t limit = steady() + 5000000000; m->state != ZOO_EXPIRED_SESSION_STATE && steady() < limit;)
        turn(m, 1000);
    m->silent = false;
    turn(m, 10);
    say(m, "unrecoverable: exists %d, process %d", zoo_aexists(m->zh, "/c", 0, on_stat, m),
        zookeeper_process(m->zh, ZOOKEEPER_READ));
    end(m);
}

/* Its session is another's now: a server ends a connection that it has itself, or that
 * asks for something that the leader must decide. */
static void lose_session(struct member *m, const struct member *to)
{
    if (m->server != to->server) {
        m->waiting++;
        zoo_aexists(m->zh, "/c", 0, on_stat, m);
        if (m->server != server_count - 1) { /* a follower answers */
            settle(m);
            m->waiting++;
            zoo_aset(m->zh, "/c", "", 0, -1, on_stat, m);
        }
    }
    reach(m, ZOO_CONNECTING_STATE);
}

/* Another handle goes on with a session; sometimes with a wrong password. */
static void step_attach(void)
{
    struct member *m = &members[SPARE], *heir = &members[SPARE + 1];
    printf("  attach\n");
    m->server = below(server_count);
    heir->server = below(server_count);
    begin(m, 10000, NULL, ZOO_CONNECTED_STATE); /* longer than settle() waits */
    leave_nodes(m);
    calm();
    clientid_t id = *zoo_client_id(m->zh);
    m->silent = true;
    if (below(3) == 0) {
        id.passwd[3] ^= 1;
        begin(heir, 10000, &id, ZOO_EXPIRED_SESSION_STATE);
        end(heir);
        if (m->server == heir->server) { /* it has closed the old one's connection all the same */
            lose_session(m, heir);
            m->sort = WHEN_CONNECTED;
            reach(m, ZOO_CONNECTED_STATE);
        }
        m->silent = false;
        calm();
        end(m);
        return;
    }
    begin(heir, 9000, &id, ZOO_CONNECTED_STATE);
    step_batch(heir);
    calm();
    lose_session(m, heir);
    if (below(2)) {
        end(heir);
        calm(); /* a follower that learns of the end now would close its next connection */
        reach(m, ZOO_EXPIRED_SESSION_STATE);
    } else { /* the first one comes back, and takes it away again */
        m->sort = WHEN_CONNECTED;
        reach(m, ZOO_CONNECTED_STATE);
        heir->silent = true;
        lose_session(heir, m);
        end(heir);
        heir->silent = false;
        step_batch(m);
    }
    m->silent = false;
    end(m);
}

static void step(uint64_t seed, int number)
{
    dice = seed << 32 | (uint64_t)number;
    int n = below(1000);
    printf("%d\n", number);
    if (number % 1000 == 300)
        step_expire();
    else if (n < 40)
        step_reconnect(&members[below(HANDLES)]);
    else if (n < 50)
        step_silent(&members[below(HANDLES)]);
    else if (n < 60)
        step_close(&members[below(HANDLES)]);
    else if (n < 75)
        step_attach();
    else
        step_batch(&members[below(HANDLES)]);
    calm();
}

/* Which of so many servers it tries, if none is there, and when it pauses. */
static void dead_servers(int count)
{
    char list[200] = "";
    struct member m = { .number = 9, .sort = IN_ORDER };
    for (int i = 1; i <= count; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s" DEAD_ADDRESS, i > 1 ? "," : "", i);
    zoo_deterministic_conn_order(1);
    m.zh = zookeeper_init2(list, on_event, 6000, NULL, &m, ZOO_NO_LOG_CLIENTENV, quiet);
    printf("%d dead servers:", count);
    for (int i = 0; i < 5 * count + 5; i++) {
        int fd = -1, events = 0, number = 0;
        struct timeval tv = { 0, 0 };
        int rc = zookeeper_interest(m.zh, &fd, &events, &tv);
        if (rc == ZOK && fd < 0) {
            printf(" pause %d", (int)(tv.tv_sec * 1000 + tv.tv_usec / 1000));
            continue;
        }
        if (rc == ZOK) { /* else it was refused at once, and the next one is current already */
            struct pollfd slot = { fd, POLLOUT, 0 };
            sscanf(zoo_get_current_server(m.zh), DEAD_PREFIX "%d", &number);
            printf(" %d", number);
            POLL(&slot, 1, 1000);
            rc = zookeeper_process(m.zh, ZOOKEEPER_WRITE | ZOOKEEPER_READ);
        }
        printf(number ? " (%d)" : " ? (%d)", rc);
    }
    printf("\n");
    zookeeper_close(m.zh);
    zoo_deterministic_conn_order(0);
}

static void servers_begin(const char *what)
{
#ifdef SIMULATED
    server_count = atoi(what);
    zk_begin(&(struct zk_options){ .servers = server_count, .tick = TICK_MS * SIM_MS, .least = LEAST_MS * SIM_MS,
                                     .most = MOST_MS * SIM_MS, .disk_most = SIM_MS });
    if (server_count > 1)
        zk_follower_lag(0, 20 * SIM_MS); /* what must not matter */
    for (int i = 0; i < server_count; i++)
        snprintf(servers[i], sizeof *servers, "10.0.0.%d:2181", i + 1);
#else
    int n;
    for (; server_count < 5 && sscanf(what, "%63[^,]%n", servers[server_count], &n) == 1; what += what[n] ? n + 1 : n)
        server_count++;
    zoo_set_debug_level((ZooLogLevel)0);
#endif
}

static void steps(uint64_t seed, const char *list)
{
    for (int n, from, to; sscanf(list, "%d%n", &from, &n) == 1; list += n + (list[n] == ',')) {
        list += n;
        n = 0;
        to = from;
        sscanf(list, "-%d%n", &to, &n);
        for (int i = from; i <= to; i++)
            step(seed, i);
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    servers_begin(argv[1]);
    batch_most = atoi(argv[4]);
    for (int i = 1; i <= 5; i++)
        dead_servers(i);
    static const char *const auths[MEMBERS] = { NULL, "user:secret", "nocolon", "user:secret" };
    for (int i = 0; i < MEMBERS; i++)
        members[i] = (struct member){ .number = i, .server = (i < ANCHORS ? i : i - ANCHORS) % server_count, .fd = -1,
                                      .auth = auths[i], .sort = IN_ORDER };
    for (int i = ANCHORS; i < ANCHORS + server_count; i++)
        begin(&members[i], 30000, NULL, ZOO_CONNECTED_STATE);
    members[ANCHORS].waiting++;
    zoo_acreate(members[ANCHORS].zh, "/nudge", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT, on_string,
        &members[ANCHORS]);
    settle(&members[ANCHORS]);
    for (int i = 0; i < HANDLES; i++)
        begin(&members[i], 30000, NULL, ZOO_CONNECTED_STATE);
    calm();
    steps(strtoull(argv[2], NULL, 10), argv[3]);
    for (int i = 0; i < MEMBERS; i++)
        if (members[i].zh)
            end(&members[i]);
    calm();
#ifdef SIMULATED
    zk_end();
#endif
    printf("done\n");
    if (nudge_count)
        fprintf(stderr, "%d\n", nudge_count);
    return 0;
}
