/* simzk.c - a simulated ZooKeeper: the ensemble, and the client library over it.
 *
 * The library's functions (zoo_..., zookeeper_...) are declared by the real
 * <zookeeper/zookeeper.h>; a program linked with this file instead of
 * -lzookeeper_st talks to simulated servers over simulated links. What both sides do
 * follows ZooKeeper 3.8, quirks included; test/conform.c compares the two.
 *
 * bytes, tree     the znodes: immutable nodes, shared by all copies of a tree
 * pipe            one direction of a TCP connection
 * request         what a client asks for, later what the ensemble agrees upon
 * connection      a client's connection, and what its server knows of it
 * server          requests, watches, sessions
 * ensemble        elections, the leader and its followers
 * faults          what test/sim.c does to them
 * library         one handle a session, as in zookeeper.c
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

#include "simzk.h"

enum { SERVERS_MAX = 5, IDENTITIES_MAX = 4, STALE_MAX = 8, STALE_EVERY = 32, SYNC_LIMIT = 5, INIT_LIMIT = 10 };

static struct zk_options options;
static int64_t clock_set;                /* by so much, since zk_begin()                    */
static struct zk_counts counts;
static int64_t committed, committed_time; /* the last zxid of any leader's, and when it was proposed */

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* At the end of a list that has `first` and `last`. */
#define LIST_APPEND(list, item) ((list)->last = *((list)->first ? &(list)->last->next : &(list)->first) = (item))

/* ---------------------------------------------------------------------------
 * Bytes: shared, never changed
 * ------------------------------------------------------------------------ */

struct bytes {
    int references, length;
    char at[];
};

static struct bytes *bytes_new(const char *at, int length)
{
    if (length < 0)
        return NULL; /* no data at all: another thing than none of length 0 */
    struct bytes *b = must(malloc(sizeof *b + (size_t)length + 1));
    b->references = 1;
    b->length = length;
    if (length)
        memcpy(b->at, at, (size_t)length);
    b->at[length] = '\0';
    return b;
}

static struct bytes *bytes_text(const char *text)
{
    return bytes_new(text, (int)strlen(text));
}

static struct bytes *bytes_keep(struct bytes *b)
{
    if (b)
        b->references++;
    return b;
}

static void bytes_drop(struct bytes *b)
{
    if (b && --b->references == 0)
        free(b);
}

/* ---------------------------------------------------------------------------
 * The tree of znodes
 * ------------------------------------------------------------------------ */

/* An access list, as far as ballot has any: what everyone may, and what one identity may. */
struct access {
    int world, owner;
    const char *identity; /* of the owner: interned                                   */
};

struct node {
    int references, creates; /* children ever made: numbers the next sequential one      */
    struct bytes *path, *data;
    struct access access;
    struct Stat stat;        /* its cversion stands in `creates`                          */
};

struct session {
    int64_t id;
    int timeout, host;
};

/* Copies share their nodes, so that a copy costs next to nothing. */
struct tree {
    int64_t zxid, time;  /* of the last that was done to it; time: as of a request        */
    int count, room, sessions;
    struct node **nodes; /* by path                                                     */
    struct session *session;
};

static void node_drop(struct node *n)
{
    if (--n->references)
        return;
    bytes_drop(n->path);
    bytes_drop(n->data);
    free(n);
}

static void tree_free(struct tree *t)
{
    for (int i = 0; i < t->count; i++)
        node_drop(t->nodes[i]);
    free(t->nodes);
    free(t->session);
    *t = (struct tree){ .zxid = 0 };
}

static struct tree tree_copy(const struct tree *from)
{
    struct tree t = *from;
    t.room = t.count;
    t.nodes = must(malloc(sizeof *t.nodes * (size_t)(t.count + 1)));
    for (int i = 0; i < t.count; i++) {
        t.nodes[i] = from->nodes[i];
        t.nodes[i]->references++;
    }
    t.session = must(malloc(sizeof *t.session * (size_t)(t.sessions + 1)));
    if (t.sessions)
        memcpy(t.session, from->session, sizeof *t.session * (size_t)t.sessions);
    return t;
}

static void tree_become(struct tree *t, const struct tree *from)
{
    struct tree old = *t;
    *t = tree_copy(from);
    tree_free(&old);
}

/* Where that path is, or should be. */
static int tree_place(const struct tree *t, const char *path)
{
    int low = 0, high = t->count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (strcmp(t->nodes[middle]->path->at, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct node *tree_find(const struct tree *t, const char *path)
{
    int i = tree_place(t, path);
    return i < t->count && !strcmp(t->nodes[i]->path->at, path) ? t->nodes[i] : NULL;
}

/* A node of this tree alone, which may be changed. */
static struct node *tree_own(struct tree *t, const char *path)
{
    int i = tree_place(t, path);
    struct node *shared = t->nodes[i];
    if (shared->references == 1)
        return shared;
    struct node *n = must(malloc(sizeof *n));
    *n = *shared;
    n->references = 1;
    bytes_keep(n->path);
    bytes_keep(n->data);
    shared->references--;
    return t->nodes[i] = n;
}

static void tree_add(struct tree *t, struct node *n)
{
    int i = tree_place(t, n->path->at);
    if (t->count == t->room) {
        t->room = t->room * 2 + 8;
        t->nodes = must(realloc(t->nodes, sizeof *t->nodes * (size_t)t->room));
    }
    memmove(t->nodes + i + 1, t->nodes + i, sizeof *t->nodes * (size_t)(t->count - i));
    t->nodes[i] = n;
    t->count++;
}

static void tree_remove(struct tree *t, const char *path)
{
    int i = tree_place(t, path);
    struct node *n = t->nodes[i];
    memmove(t->nodes + i, t->nodes + i + 1, sizeof *t->nodes * (size_t)(t->count - i - 1));
    t->count--;
    node_drop(n);
}

static const char *path_parent(const char *path, char *parent, size_t size)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    if (length >= size)
        abort();
    memcpy(parent, path, length);
    parent[length] = '\0';
    return parent;
}

/* The i-th node that is a child of `path`, or NULL. Paths with a common beginning stand
 * together, children among their own children. */
static const char *tree_child(const struct tree *t, const char *path, int *i)
{
    size_t length = strcmp(path, "/") != 0 ? strlen(path) : 0;
    if (*i == 0) {
        char first[2048];
        snprintf(first, sizeof first, "%.*s/", (int)length, path);
        *i = tree_place(t, first);
    }
    for (; *i < t->count; (*i)++) {
        const char *other = t->nodes[*i]->path->at;
        if (strncmp(other, path, length) != 0 || other[length] != '/')
            return NULL;
        if (other[length + 1] && !strchr(other + length + 1, '/'))
            return other + length + 1;
    }
    return NULL;
}

/* As clients see it: the server counts only creates, and shows creates and deletes. */
static struct Stat node_stat(const struct node *n)
{
    struct Stat s = n->stat;
    s.cversion = n->creates * 2 - s.numChildren;
    s.dataLength = n->data ? n->data->length : 0;
    return s;
}

static struct tree tree_new(void)
{
    static const char *const paths[] = { "/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota" };
    struct tree t = { .zxid = 0 };
    for (int i = 0; i < 4; i++) {
        struct node *n = must(calloc(1, sizeof *n));
        *n = (struct node){ .references = 1, .path = bytes_text(paths[i]), .data = bytes_new("", 0), .access = { 31, 0, NULL } };
        n->stat.numChildren = i == 0 ? 1 : i == 1 ? 2 : 0;
        tree_add(&t, n);
    }
    return t;
}

static struct session *tree_session(const struct tree *t, int64_t id)
{
    for (int i = 0; i < t->sessions; i++)
        if (t->session[i].id == id)
            return &t->session[i];
    return NULL;
}

/* ---------------------------------------------------------------------------
 * Requests
 * ------------------------------------------------------------------------ */

/* What changes something comes first; ACT_OPEN and ACT_CLOSE are those of sessions. */
enum act { ACT_CREATE, ACT_DELETE, ACT_SET, ACT_CHECK, ACT_ACCESS, ACT_MULTI, ACT_OPEN, ACT_CLOSE,
           ACT_SYNC, ACT_EXISTS, ACT_GET, ACT_LIST, ACT_REWATCH, ACT_AUTH, ACT_PING };

enum table { TABLE_NODE, TABLE_EXIST, TABLE_CHILD, TABLES };

struct op {
    enum act act;
    struct bytes *path, *data;
    int version, flags, creates; /* to expect; after it was agreed upon: that it makes     */
    struct access access;
    bool expand;                 /* its owner is whoever asks                               */
    int rc;
    struct Stat stat;
};

/* Made by a client, completed by the leader, and never changed from there. */
struct request {
    int references;
    enum act act;
    int xid, rc, origin, host, timeout; /* origin: the server of the client, -1: nobody's   */
    bool watch, stranger, committed;
    int64_t session, zxid, time;        /* time: milliseconds since 1970, as if no clock was ever set */
    int64_t wall;                       /* by the servers' clock                            */
    int64_t behind;                     /* zxid of the last write that its server had then  */
    uint64_t connection;
    struct request *next;               /* in the connection's queue                        */
    const char *identities[IDENTITIES_MAX];
    int count;
    struct op ops[];
};

static struct request *request_new(enum act act, int count)
{
    struct request *r = must(calloc(1, sizeof *r + sizeof *r->ops * (size_t)count));
    r->references = 1;
    r->act = act;
    r->origin = -1;
    r->count = count;
    return r;
}

static struct request *request_keep(struct request *r)
{
    r->references++;
    return r;
}

static void request_drop(struct request *r)
{
    if (!r || --r->references)
        return;
    for (int i = 0; i < r->count; i++) {
        bytes_drop(r->ops[i].path);
        bytes_drop(r->ops[i].data);
    }
    free(r);
}

static bool request_writes(const struct request *r)
{
    return r->act <= ACT_CLOSE;
}

static void request_moment(enum sim_moment moment, const struct request *r, int server)
{
    static const enum sim_request kinds[] = {
        [ACT_CREATE] = SIM_CREATE, [ACT_DELETE] = SIM_DELETE, [ACT_SET] = SIM_SET, [ACT_ACCESS] = SIM_SET, [ACT_CHECK] = SIM_READ,
        [ACT_MULTI] = SIM_MULTI, [ACT_CLOSE] = SIM_CLOSE, [ACT_SYNC] = SIM_SYNC, [ACT_EXISTS] = SIM_READ, [ACT_GET] = SIM_READ,
        [ACT_LIST] = SIM_READ, [ACT_PING] = SIM_PING,
    };
    if (r->act != ACT_OPEN && r->act != ACT_REWATCH && r->act != ACT_AUTH)
        sim_request(moment, kinds[r->act], r->host, server, r->count && r->ops[0].path ? r->ops[0].path->at : "");
}

/* --- what a request may, and does --------------------------------------------------- */

static bool access_gives(const struct access *a, int what, const char *const *identities)
{
    for (int i = 0; i < IDENTITIES_MAX && identities[i]; i++)
        if (a->owner & what && a->identity == identities[i])
            return true;
    return a->world & what;
}

static uint64_t refused_hosts; /* bits: with an identity that may write nothing that is there already */

void zk_host_refuse(int host, bool refused)
{
    refused_hosts = (refused_hosts & ~(UINT64_C(1) << host)) | (uint64_t)refused << host;
}

static bool access_allows(const struct access *a, int what, const struct request *r)
{
    if (!r->stranger && what == ZOO_PERM_WRITE && refused_hosts >> r->host & 1)
        return false;
    return r->stranger || access_gives(a, what, r->identities);
}

static void identity_add(const char **identities, const char *identity)
{
    int i = 0;
    while (i < IDENTITIES_MAX && identities[i])
        i++;
    if (i < IDENTITIES_MAX)
        identities[i] = identity;
}

/* Who asks is known only now. */
static bool access_valid(struct op *op, const struct request *r)
{
    if (op->expand)
        op->access.identity = r->identities[0];
    return op->access.owner + op->access.world != 0 && (!op->expand || op->access.identity);
}

static int create_check(const struct tree *t, const struct request *r, struct op *op)
{
    char parent[2048], name[2048];
    if (!access_valid(op, r))
        return ZINVALIDACL;
    const struct node *up = tree_find(t, path_parent(op->path->at, parent, sizeof parent));
    if (!up)
        return ZNONODE;
    if (!access_allows(&up->access, ZOO_PERM_CREATE, r))
        return ZNOAUTH;
    if (op->flags & ZOO_SEQUENCE) {
        snprintf(name, sizeof name, "%s%010d", op->path->at, up->creates);
        bytes_drop(op->path);
        op->path = bytes_text(name);
    }
    if (tree_find(t, op->path->at))
        return ZNODEEXISTS;
    if (up->stat.ephemeralOwner)
        return ZNOCHILDRENFOREPHEMERALS;
    op->creates = up->creates + 1;
    return ZOK;
}

static int delete_check(const struct tree *t, const struct request *r, const struct op *op)
{
    char parent[2048];
    if (!strcmp(op->path->at, "/") || !strncmp(op->path->at, "/zookeeper", 10))
        return ZBADARGUMENTS;
    const struct node *up = tree_find(t, path_parent(op->path->at, parent, sizeof parent)), *n = tree_find(t, op->path->at);
    if (!up)
        return ZNONODE;
    if (!access_allows(&up->access, ZOO_PERM_DELETE, r))
        return ZNOAUTH;
    if (!n)
        return ZNONODE;
    if (op->version != -1 && op->version != n->stat.version)
        return ZBADVERSION;
    return n->stat.numChildren ? ZNOTEMPTY : ZOK;
}

/* Of a set, a check, or a new access list. */
static int change_check(const struct tree *t, const struct request *r, struct op *op)
{
    const int needed = op->act == ACT_SET ? ZOO_PERM_WRITE : op->act == ACT_CHECK ? ZOO_PERM_READ : ZOO_PERM_ADMIN;
    const struct node *n = tree_find(t, op->path->at);
    if (op->act == ACT_ACCESS && !access_valid(op, r))
        return ZINVALIDACL;
    if (!n)
        return ZNONODE;
    if (!access_allows(&n->access, needed, r))
        return ZNOAUTH;
    int version = op->act == ACT_ACCESS ? n->stat.aversion : n->stat.version;
    if (op->version != -1 && op->version != version)
        return ZBADVERSION;
    op->version = version + 1;
    return ZOK;
}

static int op_check(const struct tree *t, const struct request *r, struct op *op)
{
    return op->act == ACT_CREATE ? create_check(t, r, op) : op->act == ACT_DELETE ? delete_check(t, r, op) : change_check(t, r, op);
}

static void create_apply(struct tree *t, const struct request *r, const struct op *op)
{
    char parent[2048];
    struct node *up = tree_own(t, path_parent(op->path->at, parent, sizeof parent)), *n = must(calloc(1, sizeof *n));
    up->creates = op->creates;
    up->stat.pzxid = r->zxid;
    up->stat.numChildren++;
    *n = (struct node){ .references = 1, .path = bytes_keep(op->path), .data = bytes_keep(op->data), .access = op->access };
    n->stat.czxid = n->stat.mzxid = n->stat.pzxid = r->zxid;
    n->stat.ctime = n->stat.mtime = r->wall;
    n->stat.ephemeralOwner = op->flags & ZOO_EPHEMERAL ? r->session : 0;
    tree_add(t, n);
}

static void delete_apply(struct tree *t, int64_t zxid, const char *path)
{
    char parent[2048];
    struct node *up = tree_own(t, path_parent(path, parent, sizeof parent));
    up->stat.pzxid = zxid;
    up->stat.numChildren--;
    tree_remove(t, path);
}

static void change_apply(struct tree *t, const struct request *r, struct op *op)
{
    struct node *n = tree_own(t, op->path->at);
    if (op->act == ACT_ACCESS) {
        n->access = op->access;
        n->stat.aversion = op->version;
    } else {
        bytes_drop(n->data);
        n->data = bytes_keep(op->data);
        n->stat.version = op->version;
        n->stat.mzxid = r->zxid;
        n->stat.mtime = r->wall;
    }
    op->stat = node_stat(n);
}

static void op_apply(struct tree *t, const struct request *r, struct op *op)
{
    if (op->act == ACT_CREATE)
        create_apply(t, r, op);
    else if (op->act == ACT_DELETE)
        delete_apply(t, r->zxid, op->path->at);
    else if (op->act != ACT_CHECK)
        change_apply(t, r, op);
}

static void session_apply(struct tree *t, const struct request *r)
{
    if (r->act == ACT_OPEN) {
        t->session = must(realloc(t->session, sizeof *t->session * (size_t)(t->sessions + 1)));
        t->session[t->sessions++] = (struct session){ r->session, r->timeout, r->host };
        return;
    }
    struct session *gone = tree_session(t, r->session);
    if (gone)
        *gone = t->session[--t->sessions];
}

/* Hears of each node that came (ACT_CREATE), went or changed, and its access list. */
typedef void change_fn(void *context, enum act act, const char *path, const struct access *access);

/* Does what was agreed upon to a tree. */
static void request_apply(struct tree *t, struct request *r, change_fn *changed, void *context)
{
    t->zxid = r->zxid;
    t->time = r->time;
    for (int i = 0; r->rc == ZOK && i < r->count; i++) {
        struct op *op = &r->ops[i];
        const struct node *before = changed ? tree_find(t, op->path->at) : NULL;
        struct access access = before ? before->access : op->access;
        op_apply(t, r, op);
        if (changed)
            changed(context, op->act, op->path->at, &access);
    }
    if (r->rc != ZOK || (r->act != ACT_OPEN && r->act != ACT_CLOSE))
        return;
    for (int i = 0; r->act == ACT_CLOSE && i < t->count; i++)
        if (t->nodes[i]->stat.ephemeralOwner == r->session) {
            struct bytes *path = bytes_keep(t->nodes[i]->path);
            struct access access = t->nodes[i]->access;
            delete_apply(t, r->zxid, path->at);
            if (changed)
                changed(context, ACT_DELETE, path->at, &access);
            bytes_drop(path);
            i--;
        }
    session_apply(t, r);
}

/* ---------------------------------------------------------------------------
 * Messages and pipes
 * ------------------------------------------------------------------------ */

enum kind {
    /* a client and its server */
    SYN, ACCEPT, END, CONNECT, WELCOME, REQUEST, ANSWER, EVENT,
    /* servers */
    JOIN, STATE, STATE_KEPT, UPTODATE, FORWARD, PROPOSE, KEPT, COMMIT, SYNCED, PING, TOUCHED, RENEW, RENEWED, GONE,
    FLUSHED, /* a server's disk, to it                                                    */
};

struct message {
    struct message *next;
    enum kind kind;
    int from;            /* a server, of servers                                          */
    bool yes;            /* END: by a reset. RENEWED: it lives                          */
    uint64_t join;       /* which membership of a follower; RENEW: which connection; FLUSHED: which life */
    int xid, rc, type, timeout, count;
    int64_t zxid, session, epoch;
    char password[16];
    struct request *request;
    struct bytes *data, *path;
    struct Stat stat;
    struct access access;
    char **names;
    struct session *touched;
    struct tree tree;
    struct connection *connection;
};

static struct message *message_new(enum kind kind)
{
    struct message *m = must(calloc(1, sizeof *m));
    m->kind = kind;
    return m;
}

static struct message *message_about(enum kind kind, uint64_t join, struct request *r)
{
    struct message *m = message_new(kind);
    m->join = join;
    m->request = request_keep(r);
    return m;
}

static void message_free(struct message *m)
{
    if (!m)
        return;
    request_drop(m->request);
    bytes_drop(m->data);
    bytes_drop(m->path);
    for (int i = 0; m->names && i < m->count; i++)
        free(m->names[i]);
    free(m->names);
    free(m->touched);
    tree_free(&m->tree);
    free(m);
}

struct queue { struct message *first, *last; };

static void queue_add(struct queue *q, struct message *m)
{
    m->next = NULL;
    LIST_APPEND(q, m);
}

static struct message *queue_take(struct queue *q)
{
    struct message *m = q->first;
    if (m)
        q->first = m->next;
    return m;
}

static void queue_clear(struct queue *q)
{
    while (q->first)
        message_free(queue_take(q));
}

/* One direction of a connection: in order, and again later what does not get through. */
struct pipe {
    int from, to;
    struct queue flying, waiting;
    int64_t arrives, again; /* the last one's arrival; the pause before the next attempt      */
    bool blocked;
    void (*deliver)(void *owner, struct message *m);
    void (*hold)(void *owner, int by); /* events that are to come count as references       */
    void *owner;
};

static void pipe_push(struct pipe *p);

static void pipe_arrive(void *arg)
{
    struct pipe *p = arg;
    struct message *m = queue_take(&p->flying);
    if (m)
        p->deliver(p->owner, m);
    p->hold(p->owner, -1);
}

static void pipe_again(void *arg)
{
    struct pipe *p = arg;
    p->blocked = false;
    pipe_push(p);
    p->hold(p->owner, -1);
}

static void pipe_fly(struct pipe *p, struct message *m, int64_t delay)
{
    p->arrives = later(p->arrives, sim_now() + delay);
    queue_add(&p->flying, m);
    p->hold(p->owner, 1);
    sim_at(p->arrives, pipe_arrive, p);
}

static void pipe_push(struct pipe *p)
{
    int64_t delay = 0;
    while (!p->blocked && p->waiting.first) {
        bool handshake = p->waiting.first->kind == SYN || p->waiting.first->kind == ACCEPT;
        if (sim_link(p->from, p->to, &delay) && (handshake || !sim_mute(p->from, p->to))) {
            p->again = 200 * SIM_MS;
            pipe_fly(p, queue_take(&p->waiting), delay);
            continue;
        }
        p->blocked = true;
        p->hold(p->owner, 1);
        sim_at(sim_now() + p->again, pipe_again, p);
        p->again = p->again < 60 * SIM_SECOND ? 2 * p->again : p->again;
    }
}

static void pipe_send(struct pipe *p, struct message *m)
{
    queue_add(&p->waiting, m);
    pipe_push(p);
}

static void pipe_clear(struct pipe *p)
{
    queue_clear(&p->waiting);
    queue_clear(&p->flying);
}

/* ---------------------------------------------------------------------------
 * Connections: the client's end, and what the server knows of it
 * ------------------------------------------------------------------------ */

struct watch {
    struct watch *next;
    bool child; /* else: data and existence                                                */
    char path[];
};

struct connection {
    struct connection *next;
    int references, host, server;
    uint64_t id;
    /* the client's end */
    struct sim_socket *socket;  /* NULL: closed                                             */
    struct queue inbox;
    bool accepted, ended, broken, shut; /* ended: nothing more comes. broken: sending fails */
    /* the server's end */
    bool open, ready, closing;
    int64_t session;
    int timeout;
    struct request *first, *last; /* not yet answered                                       */
    struct watch *watches;
    const char *identities[IDENTITIES_MAX];
    struct pipe up, down;
};

static struct connection *connections;
static uint64_t last_id; /* of connections and memberships */

static void connection_free(struct connection *c)
{
    struct connection **link = &connections;
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    pipe_clear(&c->up);
    pipe_clear(&c->down);
    queue_clear(&c->inbox);
    free(c);
}

static void connection_hold(void *owner, int by)
{
    struct connection *c = owner;
    c->references += by;
    if (c->references == 0)
        connection_free(c);
}

/* What poll() finds at the client's end. */
static void connection_poll(struct connection *c)
{
    bool over = c->ended || c->shut;
    if (c->socket)
        sim_socket_ready(c->socket, (short)((c->inbox.first || over ? POLLIN : 0) | (c->accepted || over ? POLLOUT : 0) |
                                            (over && (c->shut || c->broken) ? POLLHUP : 0) | (c->broken ? POLLERR : 0)));
}

static void connection_to_client(void *owner, struct message *m)
{
    struct connection *c = owner;
    if (m->kind == END) {
        c->ended = true;
        c->broken = c->broken || m->yes;
    } else if (m->kind == ACCEPT)
        c->accepted = true;
    else if (c->socket && !c->shut) {
        queue_add(&c->inbox, m);
        m = NULL;
    }
    message_free(m);
    connection_poll(c);
}

static void connection_end(struct connection *c, bool reset)
{
    struct message *m = message_new(END);
    m->yes = reset;
    pipe_send(&c->down, m);
}

/* What the server still has to do for sessions whose connection is gone: their next
 * connection waits for it. */
static struct request *orphans[SERVERS_MAX];

static void connection_forget(struct connection *c)
{
    while (c->watches) {
        struct watch *w = c->watches;
        c->watches = w->next;
        free(w);
    }
    while (c->first) {
        struct request *r = c->first;
        c->first = r->next;
        if (request_writes(r) && !r->committed) {
            r->next = orphans[c->server];
            orphans[c->server] = r;
        } else
            request_drop(r);
    }
}

static void orphans_remove(int server, const struct request *r)
{
    for (struct request **link = &orphans[server]; *link;) {
        struct request *orphan = *link;
        if (orphan == r || !r) {
            *link = orphan->next;
            request_drop(orphan);
        } else
            link = &orphan->next;
    }
}

/* The server's end is closed; `tell`: and the client learns of it. */
static void connection_drop(struct connection *c, bool tell)
{
    if (!c->open)
        return;
    c->open = c->ready = false;
    connection_forget(c);
    if (tell)
        connection_end(c, false);
    connection_hold(c, -1);
}

/* The client's end is closed, or its process has died. */
static void connection_closed(void *owner)
{
    struct connection *c = owner;
    c->socket = NULL;
    queue_clear(&c->inbox);
    if (!c->ended && !c->shut)
        pipe_send(&c->up, message_new(END));
    connection_hold(c, -1);
}

static void connection_shut(void *owner)
{
    struct connection *c = owner;
    if (c->shut)
        return;
    c->shut = c->broken = true;
    if (!c->ended)
        pipe_send(&c->up, message_new(END));
    connection_poll(c);
}

static void connection_watch(struct connection *c, bool child, const char *path)
{
    for (struct watch *w = c->watches; w; w = w->next)
        if (w->child == child && !strcmp(w->path, path))
            return;
    struct watch *w = must(malloc(sizeof *w + strlen(path) + 1));
    *w = (struct watch){ .next = c->watches, .child = child };
    strcpy(w->path, path);
    c->watches = w;
}

static bool connection_unwatch(struct connection *c, bool child, const char *path)
{
    for (struct watch **link = &c->watches; *link; link = &(*link)->next)
        if ((*link)->child == child && !strcmp((*link)->path, path)) {
            struct watch *w = *link;
            *link = w->next;
            free(w);
            return true;
        }
    return false;
}

static void connection_event(struct connection *c, int type, const char *path)
{
    struct message *m = message_new(EVENT);
    m->type = type;
    m->path = bytes_text(path);
    pipe_send(&c->down, m);
}

/* ---------------------------------------------------------------------------
 * Servers
 * ------------------------------------------------------------------------ */

enum role { DEAD, LOOKING, FOLLOWING, LEADING };

/* A transaction on its way: at the leader until a majority has it, at a follower until
 * it is committed. */
struct proposal {
    struct proposal *next;
    struct request *request;
    unsigned kept;        /* by these servers                                               */
    struct queue syncs;   /* to be answered behind it                                       */
};

struct learner {
    uint64_t join;        /* 0: none                                                        */
    bool synced, serving; /* has our state; has said so                                     */
    int64_t heard, epoch;
};

/* Of a session, at the leader. */
struct track {
    int64_t id, expires;
    int owner;            /* the server that its client is at, -1: not yet known            */
    bool closing;
};

struct server {
    int index, leader;
    enum role role;
    bool frozen, late, serving, half, forgets; /* forgets: answers nothing until the next transaction */
    uint64_t life, join;  /* life: changes whenever what is under way counts no more        */
    struct tree tree, ahead, disk, stale[STALE_MAX]; /* committed; proposed; on disk; earlier on disk */
    int stales, writes;
    int64_t epoch, accepted, named; /* of what is on disk; the highest it ever named; the one it leads, 0: none yet */
    int64_t counter, heard, since, phase, look_at, disk_free, lag, least, most, next_session;
    struct learner learners[SERVERS_MAX];
    struct proposal *first, *last;
    struct track *tracks;
    int track_count;
    struct session *touched;
    int touched_count;
    struct queue held;    /* while frozen                                                   */
    struct pipe peers[SERVERS_MAX], applier;
};

static struct server servers[SERVERS_MAX];

/* Each open connection of that server, which may be dropped meanwhile. */
#define FOR_CONNECTIONS(c, s) \
    for (struct connection *c = connections, *next_; c && (next_ = c->next, true); c = next_) \
        if (c->open && c->server == (s)->index)

static bool server_up(const struct server *s)
{
    return s->role != DEAD && !s->frozen;
}

static int quorum(void)
{
    return options.servers / 2 + 1;
}

/* --- sessions, at the leader ------------------------------------------------------------ */

static struct track *track_find(const struct server *s, int64_t id)
{
    for (int i = 0; i < s->track_count; i++)
        if (s->tracks[i].id == id)
            return &s->tracks[i];
    return NULL;
}

/* Sessions expire in buckets of one tick: later than their timeout, at most by that tick. */
static bool track_touch(struct server *s, int64_t id, int timeout)
{
    struct track *t = track_find(s, id);
    if (!t || t->closing)
        return false;
    t->expires = ((sim_now() - s->phase + timeout * SIM_MS) / options.tick + 1) * options.tick + s->phase;
    return true;
}

static void track_open(struct server *s, int64_t id, int timeout, int owner)
{
    if (!track_find(s, id)) {
        s->tracks = must(realloc(s->tracks, sizeof *s->tracks * (size_t)(s->track_count + 1)));
        s->tracks[s->track_count++] = (struct track){ .id = id, .owner = owner };
    }
    track_touch(s, id, timeout);
}

static void track_close(struct server *s, int64_t id)
{
    struct track *t = track_find(s, id);
    if (t)
        *t = s->tracks[--s->track_count];
}

/* Whether that session may ask, through that server. */
static int track_check(struct server *s, int64_t id, int owner)
{
    struct track *t = track_find(s, id);
    if (!t || t->closing)
        return ZSESSIONEXPIRED;
    if (t->owner == -1)
        t->owner = owner;
    return t->owner == owner ? ZOK : ZSESSIONMOVED;
}

static bool track_renew(struct server *s, int64_t id, int timeout, int owner)
{
    if (!track_touch(s, id, timeout))
        return false;
    track_find(s, id)->owner = owner;
    return true;
}

/* Followers collect who was heard, and tell the leader when it pings. */
static bool server_touch(struct server *s, int64_t id, int timeout)
{
    if (s->role == LEADING)
        return track_touch(s, id, timeout);
    for (int i = 0; i < s->touched_count; i++)
        if (s->touched[i].id == id) {
            s->touched[i].timeout = timeout;
            return true;
        }
    s->touched = must(realloc(s->touched, sizeof *s->touched * (size_t)(s->touched_count + 1)));
    s->touched[s->touched_count++] = (struct session){ id, timeout, 0 };
    return true;
}

/* --- answers ----------------------------------------------------------------------------- */

static void answer_welcome(struct connection *c, bool valid)
{
    struct message *m = message_new(WELCOME);
    m->session = valid ? c->session : 0;
    m->timeout = valid ? c->timeout : 0;
    if (valid)
        memcpy(m->password, &c->session, sizeof c->session);
    pipe_send(&c->down, m);
    c->ready = valid;
    if (!valid)
        connection_drop(c, true);
}

static void answer_names(const struct tree *t, const char *path, struct message *m)
{
    int i = 0, room = tree_find(t, path)->stat.numChildren;
    m->names = must(calloc((size_t)room + 1, sizeof *m->names));
    for (const char *name; m->count < room && (name = tree_child(t, path, &i)); i++)
        m->names[m->count++] = must(strdup(name));
}

static int answer_read(struct connection *c, const struct tree *t, const struct request *r, struct message *m)
{
    const char *path = r->ops[0].path->at;
    const struct node *n = tree_find(t, path);
    if (r->act == ACT_EXISTS && r->watch)
        connection_watch(c, false, path);
    if (!n)
        return ZNONODE;
    if (r->act != ACT_EXISTS && !access_allows(&n->access, ZOO_PERM_READ, r))
        return ZNOAUTH;
    if (r->act != ACT_EXISTS && r->watch)
        connection_watch(c, r->act != ACT_GET, path);
    m->stat = node_stat(n);
    m->access = n->access;
    if (r->act == ACT_GET)
        m->data = bytes_keep(n->data);
    else if (r->act != ACT_EXISTS)
        answer_names(t, path, m);
    return ZOK;
}

/* What a client that was away has missed since r->zxid; the rest is watched again. */
static void answer_rewatch(struct connection *c, const struct tree *t, const struct request *r)
{
    for (int i = 0; i < r->count; i++) {
        const char *path = r->ops[i].path->at;
        const struct node *n = tree_find(t, path);
        int table = r->ops[i].flags;
        if (table == TABLE_EXIST ? !n : n && (table == TABLE_CHILD ? n->stat.pzxid : n->stat.mzxid) <= r->zxid)
            connection_watch(c, table == TABLE_CHILD, path);
        else
            connection_event(c, !n ? ZOO_DELETED_EVENT : table == TABLE_EXIST ? ZOO_CREATED_EVENT :
                             table == TABLE_CHILD ? ZOO_CHILD_EVENT : ZOO_CHANGED_EVENT, path);
    }
}

static void answer(struct server *s, struct connection *c, struct request *r)
{
    struct message *m = message_new(ANSWER);
    m->request = request_keep(r);
    m->xid = r->xid;
    m->rc = request_writes(r) ? r->rc : s->role == LEADING ? track_check(s, r->session, s->index) : ZOK;
    if (m->rc == ZOK && r->act == ACT_REWATCH)
        answer_rewatch(c, &s->tree, r);
    else if (m->rc == ZOK && (r->act == ACT_EXISTS || r->act == ACT_GET || r->act == ACT_LIST))
        m->rc = answer_read(c, &s->tree, r, m);
    m->zxid = s->tree.zxid;
    request_moment(SIM_ANSWERED, r, s->index);
    if (m->rc == ZSESSIONMOVED) {
        counts.moved++;
        connection_drop(c, true);
    } else if (c->open && r->act != ACT_OPEN) {
        pipe_send(&c->down, m);
        m = NULL;
        if (r->act == ACT_CLOSE)
            connection_drop(c, true);
    } else if (c->open)
        answer_welcome(c, r->rc == ZOK);
    message_free(m);
}

/* Whether an earlier connection of that session has left something to do: the leader
 * knows of all servers' clients, the others of their own. */
static bool session_waits(const struct server *s, const struct connection *c)
{
    for (const struct proposal *p = s->role == LEADING ? s->first : NULL; p; p = p->next)
        if (p->request->session == c->session && p->request->connection != c->id)
            return true;
    for (const struct request *r = orphans[s->index]; r; r = r->next)
        if (r->session == c->session)
            return true;
    return false;
}

/* A server that is alone hands one request after the other through its disk's thread: while that
 * writes, reads and pings of all its clients wait. A leader of others answers them meanwhile. */
static bool disk_waits(const struct server *s, const struct request *r)
{
    return options.servers == 1 && r->behind > s->tree.zxid;
}

/* In the order in which they were asked: reads wait for what was written before them. */
static void connection_advance(struct server *s, struct connection *c)
{
    while (c->open && c->first && !s->forgets) {
        struct request *r = c->first;
        bool agreed = request_writes(r) || (r->act == ACT_SYNC && s->role == FOLLOWING);
        if (agreed ? !r->committed : session_waits(s, c) || disk_waits(s, r))
            return;
        c->first = r->next;
        answer(s, c, r);
        request_drop(r);
    }
}

static struct connection *connection_find(const struct server *s, uint64_t id)
{
    struct connection *c = connections;
    while (c && !(c->id == id && c->server == s->index && c->open))
        c = c->next;
    return c;
}

/* --- what is committed -------------------------------------------------------------------- */

/* Who may not read the node (by now) is not told: the watch is lost, and the client
 * does not know (CVE-2024-23944: 3.8.4, 3.9.2, and Debian's 3.8.0). */
static void connection_tell(struct connection *c, int type, const char *path, const struct access *access)
{
    if (access_gives(access, ZOO_PERM_READ, c->identities))
        connection_event(c, type, path);
}

static void server_changed(void *context, enum act act, const char *path, const struct access *access)
{
    const struct server *s = context;
    char parent[2048];
    const struct node *up = tree_find(&s->tree, path_parent(path, parent, sizeof parent));
    int type = act == ACT_CREATE ? ZOO_CREATED_EVENT : act == ACT_DELETE ? ZOO_DELETED_EVENT : ZOO_CHANGED_EVENT;
    if (act == ACT_CHECK || act == ACT_ACCESS)
        return;
    FOR_CONNECTIONS(c, s) {
        bool data = connection_unwatch(c, false, path);
        if ((act == ACT_DELETE && connection_unwatch(c, true, path)) || data)
            connection_tell(c, type, path, access);
        if (act != ACT_SET && connection_unwatch(c, true, parent))
            connection_tell(c, ZOO_CHILD_EVENT, parent, &up->access);
    }
}

static void server_apply(struct server *s, struct request *r)
{
    request_apply(&s->tree, r, server_changed, s);
    if (r->act != ACT_CLOSE)
        return;
    if (s->role == LEADING)
        track_close(s, r->session);
    FOR_CONNECTIONS(c, s)
        if (c->session == r->session && c->id != r->connection)
            connection_drop(c, true);
}

static void server_finish(struct server *s, struct request *r)
{
    bool all = s->forgets || options.servers == 1;
    s->forgets = false;
    r->committed = r->committed || r->origin == s->index;
    orphans_remove(s->index, r);
    FOR_CONNECTIONS(c, s)
        if (all || c->session == r->session)
            connection_advance(s, c);
}

/* --- the disk -------------------------------------------------------------------------------- */

static void server_receive(struct server *s, struct message *m);

static void disk_done(void *arg)
{
    struct message *m = arg;
    server_receive(&servers[m->from], m);
}

static void disk_write(struct server *s, struct request *r)
{
    struct message *m = message_about(FLUSHED, s->life, r);
    m->from = s->index;
    s->disk_free = later(s->disk_free, sim_now()) + sim_between(options.disk_least, options.disk_most);
    sim_at(s->disk_free, disk_done, m);
}

static void disk_keep(struct server *s, struct request *r)
{
    request_apply(&s->disk, r, NULL, NULL);
    if (++s->writes % STALE_EVERY)
        return;
    int i = s->stales < STALE_MAX ? s->stales++ : (s->writes / STALE_EVERY) % STALE_MAX;
    tree_become(&s->stale[i], &s->disk);
}

/* ---------------------------------------------------------------------------
 * The ensemble
 * ------------------------------------------------------------------------ */

static void peer_send(struct server *s, int to, struct message *m)
{
    m->from = s->index;
    pipe_send(&s->peers[to], m);
}

static void peer_tell(struct server *s, int to, enum kind kind, uint64_t join)
{
    struct message *m = message_new(kind);
    m->join = join;
    peer_send(s, to, m);
}

static void proposal_add(struct server *s, struct request *r)
{
    struct proposal *p = must(calloc(1, sizeof *p));
    p->request = request_keep(r);
    LIST_APPEND(s, p);
}

/* Takes the first out: the caller frees it. */
static struct proposal *proposal_take(struct server *s)
{
    struct proposal *p = s->first;
    s->first = p->next;
    return p;
}

static void proposal_free(struct proposal *p)
{
    request_drop(p->request);
    queue_clear(&p->syncs);
    free(p);
}

/* --- leading --------------------------------------------------------------------------------- */

int64_t zk_wall(void)
{
    return options.wall + sim_now() + clock_set;
}

static int request_check(struct server *s, struct request *r)
{
    if (r->act == ACT_OPEN || r->stranger)
        return ZOK;
    return r->act == ACT_CLOSE ? ZOK : track_check(s, r->session, r->origin);
}

/* All of it or nothing; s->ahead has it if it is to be. */
static void request_prepare(struct server *s, struct request *r)
{
    struct tree before = { .zxid = 0 };
    r->zxid = s->ahead.zxid = ++s->counter;
    r->time = s->ahead.time = (options.wall + sim_now()) / SIM_MS;
    r->wall = zk_wall() / SIM_MS;
    r->rc = request_check(s, r);
    if (r->act == ACT_OPEN)
        track_open(s, r->session, r->timeout, r->origin);
    if (r->act == ACT_OPEN || r->act == ACT_CLOSE) {
        struct track *t = r->act == ACT_CLOSE ? track_find(s, r->session) : NULL;
        if (t)
            t->closing = true;
        request_apply(&s->ahead, r, NULL, NULL);
        return;
    }
    if (r->count > 1)
        before = tree_copy(&s->ahead);
    for (int i = 0; i < r->count; i++) {
        struct op *op = &r->ops[i];
        op->rc = r->rc != ZOK && i > 0 ? ZRUNTIMEINCONSISTENCY : r->rc != ZOK ? r->rc : op_check(&s->ahead, r, op);
        if (op->rc == ZOK)
            op_apply(&s->ahead, r, op);
        else if (r->rc == ZOK)
            r->rc = op->rc;
    }
    if (r->rc != ZOK && r->count > 1)
        tree_become(&s->ahead, &before);
    s->ahead.zxid = r->zxid;
    s->ahead.time = r->time;
    tree_free(&before);
}

static void leader_commit(struct server *s)
{
    struct proposal *p = proposal_take(s);
    struct request *r = p->request;
    uint64_t life = s->life;
    counts.writes++;
    committed = r->zxid;
    committed_time = r->time;
    server_apply(s, r);
    request_moment(SIM_APPLIED, r, s->index);
    for (int i = 0; s->life == life && i < options.servers; i++)
        if (s->learners[i].join && s->learners[i].synced)
            peer_tell(s, i, COMMIT, s->learners[i].join);
    while (s->life == life && p->syncs.first) {
        struct message *m = queue_take(&p->syncs);
        peer_send(s, m->from, m);
    }
    if (s->life == life && server_up(s))
        server_finish(s, r);
    proposal_free(p);
}

static void leader_kept(struct server *s, int who, int64_t zxid)
{
    uint64_t life = s->life;
    for (struct proposal *p = s->first; p && p->request->zxid <= zxid; p = p->next)
        p->kept |= 1u << who;
    while (s->life == life && server_up(s) && s->first) {
        int keepers = 0;
        for (int i = 0; i < options.servers; i++)
            keepers += (s->first->kept >> i & 1) != 0;
        if (keepers < quorum())
            return;
        leader_commit(s);
    }
}

static void leader_request(struct server *s, struct request *r)
{
    request_prepare(s, r);
    proposal_add(s, r);
    disk_write(s, r);
    for (int i = 0; i < options.servers; i++)
        if (s->learners[i].join && s->learners[i].synced)
            peer_send(s, i, message_about(PROPOSE, s->learners[i].join, r));
}

static void leader_sync(struct server *s, int who, struct request *r)
{
    struct message *m = message_about(SYNCED, s->learners[who].join, r);
    m->from = who; /* where it goes to, until it goes */
    if (s->first)
        queue_add(&s->last->syncs, m);
    else
        peer_send(s, who, m);
}

static void leader_close_session(struct server *s, int64_t session)
{
    struct request *r = request_new(ACT_CLOSE, 0);
    r->session = session;
    counts.expiries++;
    leader_request(s, r);
    request_drop(r);
}

static void leader_expire(struct server *s)
{
    for (int i = 0; i < s->track_count; i++)
        if (s->tracks[i].expires <= sim_now() && !s->tracks[i].closing) {
            sim_tell("session 0x%" PRIx64 " expires", s->tracks[i].id);
            leader_close_session(s, s->tracks[i].id);
        }
}

/* --- elections ---------------------------------------------------------------------------------- */

/* Everything that was under way is over: what was proposed is on disk by now (unless the
 * process died), and may be committed by the next leader. */
static void server_forget(struct server *s)
{
    FOR_CONNECTIONS(c, s)
        connection_drop(c, true);
    for (int i = 0; i < options.servers; i++) {
        if (s->learners[i].join && s->role == LEADING)
            peer_tell(s, i, GONE, s->learners[i].join);
        s->learners[i].join = 0;
    }
    if (s->role == FOLLOWING)
        peer_tell(s, s->leader, GONE, s->join);
    while (s->first)
        proposal_free(proposal_take(s));
    orphans_remove(s->index, NULL);
    pipe_clear(&s->applier);
    s->track_count = s->touched_count = 0;
    s->join = 0;
    s->life++;
    s->serving = s->forgets = false;
}

static void server_seek(void *arg);

static void server_look(struct server *s, const char *why)
{
    sim_tell("server %d looks for a leader: %s", s->index, why);
    if ((s->role == LEADING || s->role == FOLLOWING) && s->serving && s->tree.zxid > s->disk.zxid) /* committed by the others' disks */
        tree_become(&s->disk, &s->tree);
    for (struct proposal *p = s->first; p; p = p->next)
        if (p->request->zxid > s->disk.zxid)
            disk_keep(s, p->request);
    server_forget(s);
    tree_become(&s->tree, &s->disk);
    s->role = LOOKING;
    s->named = 0;
    for (int i = 0; i < options.servers; i++)
        if (i != s->index) { /* other connections: what did not get through is lost */
            queue_clear(&s->peers[i].waiting);
            s->peers[i].again = 200 * SIM_MS;
        }
    s->look_at = sim_now() + 200 * SIM_MS;
    sim_at(s->look_at, server_seek, s);
}

static void server_follow(struct server *s, int leader)
{
    s->role = FOLLOWING;
    s->leader = leader;
    s->join = ++last_id;
    s->heard = sim_now();
    struct message *m = message_new(JOIN);
    m->join = s->join;
    m->epoch = s->epoch;
    m->zxid = s->disk.zxid;
    peer_send(s, leader, m);
}

static void leader_begin(struct server *s);

static bool server_reaches(const struct server *s, const struct server *other)
{
    int64_t delay;
    return server_up(other) && sim_link(SIM_SERVER + s->index, SIM_SERVER + other->index, &delay) &&
           sim_link(SIM_SERVER + other->index, SIM_SERVER + s->index, &delay);
}

/* Whether what the one has on disk is newer, or the same and its number higher. */
static bool server_newer(const struct server *a, int64_t epoch, int64_t zxid, int number)
{
    if (a->epoch != epoch)
        return a->epoch > epoch;
    return a->disk.zxid != zxid ? a->disk.zxid > zxid : a->index > number;
}

/* Five times a second: follows the newest leader within reach; without one, leads if a majority
 * within reach looks for one, too, and none of them has newer data. */
static void server_seek(void *arg)
{
    struct server *s = arg, *leader = NULL;
    int looking = 1;
    bool newest = true;
    if (s->role != LOOKING || sim_now() < s->look_at)
        return;
    for (int i = 0; i < options.servers; i++) {
        struct server *other = &servers[i];
        if (other == s || s->frozen || !server_reaches(s, other))
            continue;
        if (other->role == LEADING && (!leader || other->accepted > leader->accepted))
            leader = other;
        looking += other->role == LOOKING;
        newest = newest && !(other->role == LOOKING && server_newer(other, s->epoch, s->disk.zxid, s->index));
    }
    if (leader)
        server_follow(s, leader->index);
    else if (!s->frozen && newest && looking >= quorum()) {
        s->role = LEADING;
        s->leader = s->index;
        s->since = sim_now();
        tree_become(&s->ahead, &s->disk);
        leader_begin(s);
    } else {
        s->look_at = sim_now() + 200 * SIM_MS;
        sim_at(s->look_at, server_seek, s);
    }
}

/* --- beginning to lead, and to follow ----------------------------------------------------------- */

static void learner_state(struct server *s, int who)
{
    const uint64_t join = s->learners[who].join;
    struct message *m = message_new(STATE);
    m->join = join;
    m->epoch = s->named;
    m->tree = tree_copy(s->serving ? &s->tree : &s->ahead);
    s->learners[who].synced = true;
    peer_send(s, who, m);
    for (struct proposal *p = s->first; p; p = p->next)
        peer_send(s, who, message_about(PROPOSE, join, p->request));
}

static void leader_serve(struct server *s)
{
    s->serving = true;
    s->epoch = s->named;
    s->counter = s->epoch << 32;
    tree_become(&s->tree, &s->ahead);
    tree_become(&s->disk, &s->ahead);
    for (int i = 0; i < s->tree.sessions; i++)
        track_open(s, s->tree.session[i].id, s->tree.session[i].timeout, -1);
    counts.elections++;
    /* also by a server with an older history of higher zxids, from before another loss */
    bool lost = s->tree.zxid < committed || s->tree.time < committed_time;
    sim_tell("server %d leads, epoch %" PRId64 "%s", s->index, s->epoch, lost ? ", and what was committed is lost" : "");
    counts.rollbacks += lost;
    if (lost)
        counts.rolled_to = s->tree.time ? s->tree.time * SIM_MS - options.wall : 0;
    committed = s->tree.zxid;
    committed_time = s->tree.time;
    for (int i = 0; i < options.servers; i++)
        if (s->learners[i].join && s->learners[i].serving)
            peer_tell(s, i, UPTODATE, s->learners[i].join);
}

/* Two steps, each with a majority: a new epoch, then the same state. */
static void leader_begin(struct server *s)
{
    int joined = 1, kept = 1;
    int64_t epoch = later(s->epoch, s->accepted);
    for (int i = 0; i < options.servers; i++) {
        const struct learner *l = &s->learners[i];
        joined += l->join != 0;
        kept += l->join && l->serving;
        epoch = l->join ? later(epoch, l->epoch) : epoch;
    }
    if (!s->named && joined >= quorum()) {
        s->named = s->accepted = epoch + 1;
        for (int i = 0; i < options.servers; i++)
            if (s->learners[i].join)
                learner_state(s, i);
    }
    if (s->named && !s->serving && kept >= quorum())
        leader_serve(s);
}

/* Who has seen a later epoch does not follow; who has newer data must not lose them. */
static void leader_join(struct server *s, const struct message *m)
{
    bool newer = s->role == LEADING && !s->named && !server_newer(s, m->epoch, m->zxid, SERVERS_MAX) &&
                 (m->epoch != s->epoch || m->zxid != s->disk.zxid);
    if (s->role != LEADING || newer || (s->named && m->epoch > s->named)) {
        peer_tell(s, m->from, GONE, m->join);
        if (newer)
            server_look(s, "another has newer data");
        return;
    }
    s->learners[m->from] = (struct learner){ .join = m->join, .epoch = m->epoch, .heard = sim_now() };
    if (s->named)
        learner_state(s, m->from);
    else
        leader_begin(s);
}

static void learner_ready(struct server *s, int who)
{
    s->learners[who].serving = true;
    if (s->serving)
        peer_tell(s, who, UPTODATE, s->learners[who].join);
    else
        leader_begin(s);
}

static void follower_state(struct server *s, struct message *m)
{
    s->epoch = s->accepted = m->epoch;
    tree_become(&s->tree, &m->tree);
    tree_become(&s->disk, &m->tree);
    peer_tell(s, s->leader, STATE_KEPT, s->join);
}

static void follower_commit(struct server *s, struct message *m)
{
    struct proposal *p = m->kind == COMMIT && s->first ? proposal_take(s) : NULL;
    struct request *r = p ? p->request : m->request;
    if (p)
        server_apply(s, r);
    if (r)
        server_finish(s, r);
    if (p)
        proposal_free(p);
}

/* Behind the lag of that server, in order. */
static void applier_deliver(void *owner, struct message *m)
{
    struct server *s = owner;
    if (s->role == FOLLOWING && m->join == s->join) {
        if (s->frozen) {
            queue_add(&s->held, m);
            return;
        }
        follower_commit(s, m);
    }
    message_free(m);
}

static void follower_later(struct server *s, struct message *m)
{
    if (s->lag == 0 && !s->applier.flying.first)
        applier_deliver(s, m);
    else
        pipe_fly(&s->applier, m, s->lag);
}

static void follower_touched(struct server *s)
{
    struct message *m = message_new(TOUCHED);
    m->join = s->join;
    m->touched = s->touched;
    m->count = s->touched_count;
    s->touched = NULL;
    s->touched_count = 0;
    peer_send(s, s->leader, m);
}

/* --- what servers are told ---------------------------------------------------------------------- */

static void client_receive(struct server *s, struct message *m);

static void leader_receive(struct server *s, struct message *m)
{
    struct learner *l = &s->learners[m->from];
    l->heard = sim_now();
    switch (m->kind) {
    case STATE_KEPT: learner_ready(s, m->from); break;
    case KEPT:       leader_kept(s, m->from, m->zxid); break;
    case FORWARD:
        if (m->request->act == ACT_SYNC)
            leader_sync(s, m->from, m->request);
        else
            leader_request(s, m->request);
        break;
    case RENEW: {
        struct message *reply = message_new(RENEWED);
        reply->join = m->join;
        reply->session = m->session;
        reply->zxid = m->zxid;
        reply->yes = track_renew(s, m->session, m->timeout, m->from);
        peer_send(s, m->from, reply);
        break;
    }
    case TOUCHED:
        for (int i = 0; i < m->count; i++)
            track_touch(s, m->touched[i].id, m->touched[i].timeout);
        break;
    case GONE: l->join = 0; break;
    default: break;
    }
}

/* Takes the message. */
static void follower_receive(struct server *s, struct message *m)
{
    struct connection *c;
    s->heard = sim_now();
    switch (m->kind) {
    case STATE:    follower_state(s, m); break;
    case UPTODATE: s->serving = true; break;
    case PROPOSE:
        proposal_add(s, m->request);
        disk_write(s, m->request);
        break;
    case COMMIT:
    case SYNCED: follower_later(s, m); return;
    case PING:   follower_touched(s); break;
    case RENEWED:
        c = connection_find(s, (uint64_t)m->zxid);
        if (c && c->session == m->session)
            answer_welcome(c, m->yes);
        break;
    case GONE: server_look(s, "its leader is gone"); break;
    default: break;
    }
    message_free(m);
}

static void server_flushed(struct server *s, struct message *m)
{
    if (m->join != s->life || m->request->zxid <= s->disk.zxid) /* kept when it began to look for a leader */
        return;
    disk_keep(s, m->request);
    if (s->role == LEADING)
        leader_kept(s, s->index, m->request->zxid);
    else {
        struct message *kept = message_new(KEPT);
        kept->join = s->join;
        kept->zxid = m->request->zxid;
        peer_send(s, s->leader, kept);
    }
}

/* Of a membership that is over: the sender learns it, as by a reset. */
static void server_stranger(struct server *s, const struct message *m)
{
    if (m->kind != GONE)
        peer_tell(s, m->from, GONE, m->join);
}

/* Takes the message. */
static void server_receive(struct server *s, struct message *m)
{
    if (s->role == DEAD) {
        if (m->kind >= JOIN && m->kind != FLUSHED)
            server_stranger(s, m);
    } else if (s->frozen) {
        queue_add(&s->held, m);
        return;
    } else if (m->kind < JOIN)
        client_receive(s, m);
    else if (m->kind == FLUSHED)
        server_flushed(s, m);
    else if (m->kind == JOIN)
        leader_join(s, m);
    else if (s->role == LEADING && s->learners[m->from].join == m->join)
        leader_receive(s, m);
    else if (s->role == FOLLOWING && s->join == m->join) {
        follower_receive(s, m);
        return;
    } else
        server_stranger(s, m);
    message_free(m);
}

/* --- what clients ask ----------------------------------------------------------------------------- */

static void server_submit(struct server *s, struct request *r)
{
    if (s->role == LEADING)
        leader_request(s, r);
    else
        peer_send(s, s->leader, message_about(FORWARD, s->join, r));
}

static void client_connect(struct server *s, struct connection *c, const struct message *m)
{
    char password[sizeof m->password] = { 0 };
    if (!s->serving || m->zxid > s->tree.zxid) {
        connection_drop(c, true);
        return;
    }
    c->timeout = m->timeout * SIM_MS < s->least ? (int)(s->least / SIM_MS) : m->timeout * SIM_MS > s->most ? (int)(s->most / SIM_MS) : m->timeout;
    c->session = m->session ? m->session : ++s->next_session;
    counts.renegotiated += m->session && c->timeout != m->timeout;
    if (m->session == 0) {
        struct request *r = request_new(ACT_OPEN, 0);
        *r = (struct request){ .references = 1, .act = ACT_OPEN, .origin = s->index, .host = c->host, .timeout = c->timeout,
                               .session = c->session, .connection = c->id };
        c->first = c->last = r;
        server_submit(s, r);
        return;
    }
    FOR_CONNECTIONS(other, s)
        if (other != c && other->session == c->session)
            connection_drop(other, true);
    memcpy(password, &m->session, sizeof m->session);
    if (memcmp(password, m->password, sizeof password) != 0 || s->role == LEADING) {
        answer_welcome(c, !memcmp(password, m->password, sizeof password) && track_renew(s, c->session, c->timeout, s->index));
        return;
    }
    struct message *renew = message_new(RENEW);
    renew->join = s->join;
    renew->session = c->session;
    renew->timeout = c->timeout;
    renew->zxid = (int64_t)c->id;
    peer_send(s, s->leader, renew);
}

static void client_request(struct server *s, struct connection *c, struct request *r)
{
    request_moment(SIM_ARRIVED, r, s->index);
    if (!c->open || !server_touch(s, c->session, c->timeout))
        return;
    counts.requests++;
    r->origin = s->index;
    r->session = c->session;
    r->connection = c->id;
    if (r->act == ACT_AUTH) {
        identity_add(c->identities, r->identities[0]);
        answer(s, c, r);
        return;
    }
    memcpy(r->identities, c->identities, sizeof r->identities);
    r->behind = s->first ? s->counter : 0;
    LIST_APPEND(c, request_keep(r));
    if (request_writes(r) || (r->act == ACT_SYNC && s->role == FOLLOWING))
        server_submit(s, r);
    connection_advance(s, c);
}

static void client_receive(struct server *s, struct message *m)
{
    struct connection *c = m->connection;
    if (c->open && m->kind == CONNECT)
        client_connect(s, c, m);
    else if (c->open && m->kind == REQUEST)
        client_request(s, c, m->request);
    else if (m->kind == END)
        connection_drop(c, false);
    connection_hold(c, -1);
}

/* The kernel of the server's host accepts, and resets what no process has open. */
static void connection_to_server(void *owner, struct message *m)
{
    struct connection *c = owner;
    struct server *s = &servers[c->server];
    if (m->kind == SYN && s->role != DEAD) {
        c->open = true;
        connection_hold(c, 1);
        pipe_send(&c->down, message_new(ACCEPT));
    } else if (c->open) {
        m->connection = c;
        connection_hold(c, 1);
        server_receive(s, m);
        return;
    } else if (m->kind != END)
        connection_end(c, true);
    message_free(m);
}

/* --- the clock of a server -------------------------------------------------------------------------- */

static void server_beat(struct server *s)
{
    int64_t now = sim_now();
    int together = 1;
    s->half = !s->half;
    if (s->role == FOLLOWING && now - s->heard > (s->serving ? SYNC_LIMIT : INIT_LIMIT) * options.tick)
        server_look(s, "its leader is silent");
    if (s->role != LEADING)
        return;
    for (int i = 0; i < options.servers; i++)
        together += s->learners[i].join && now - s->learners[i].heard <= SYNC_LIMIT * options.tick;
    if (s->half && (s->serving ? together < quorum() : now - s->since > INIT_LIMIT * options.tick)) {
        server_look(s, "no majority follows it");
        return;
    }
    if (s->serving)
        leader_expire(s);
    for (int i = 0; i < options.servers && s->role == LEADING; i++)
        if (s->learners[i].join)
            peer_tell(s, i, PING, s->learners[i].join);
}

/* Twice a tick, as long as there are servers. */
static void server_tick(void *arg)
{
    struct server *s = arg;
    sim_at(sim_now() + options.tick / 2, server_tick, s);
    s->late = s->frozen;
    if (server_up(s))
        server_beat(s);
}

/* ---------------------------------------------------------------------------
 * Beginning, end, and faults
 * ------------------------------------------------------------------------ */

static void peer_hold(void *owner, int by)
{
    (void)owner;
    (void)by;
}

static void peer_deliver(void *owner, struct message *m)
{
    server_receive(owner, m);
}

static void server_begin(struct server *s, int index)
{
    *s = (struct server){ .index = index, .phase = sim_now() + sim_between(0, options.tick / 2 - 1), .least = options.least, .most = options.most };
    s->tree = tree_new();
    s->ahead = tree_new();
    s->disk = tree_new();
    s->next_session = ((int64_t)index + 1) << 56 | sim_between(0, 0xffffff) << 16;
    s->applier = (struct pipe){ .deliver = applier_deliver, .hold = peer_hold, .owner = s };
    for (int i = 0; i < options.servers; i++)
        s->peers[i] = (struct pipe){ SIM_SERVER + index, SIM_SERVER + i, .again = 200 * SIM_MS, .deliver = peer_deliver,
                                     .hold = peer_hold, .owner = &servers[i] };
    sim_at(s->phase, server_tick, s);
}

void zk_begin(const struct zk_options *o)
{
    options = *o;
    options.tick = options.tick ? options.tick : 2 * SIM_SECOND;
    options.least = options.least ? options.least : 2 * options.tick;
    options.most = options.most ? options.most : 20 * options.tick;
    counts = (struct zk_counts){ 0 };
    last_id = 0;
    committed = committed_time = 0;
    refused_hosts = 0;
    clock_set = 0;
    for (int i = 0; i < options.servers; i++)
        server_begin(&servers[i], i);
    struct server *leader = &servers[options.servers - 1];
    for (int i = 0; i < options.servers; i++) {
        struct server *s = &servers[i];
        s->epoch = s->accepted = 1;
        s->role = s == leader ? LEADING : FOLLOWING;
        s->leader = leader->index;
        s->serving = true;
        s->heard = sim_now();
        s->named = 1;
        s->join = s == leader ? 0 : ++last_id;
        leader->learners[i] = (struct learner){ s->join, true, true, sim_now(), 1 };
    }
    leader->counter = INT64_C(1) << 32;
}

static void server_end(struct server *s)
{
    while (s->first)
        proposal_free(proposal_take(s));
    pipe_clear(&s->applier);
    queue_clear(&s->held);
    orphans_remove(s->index, NULL);
    for (int i = 0; i < options.servers; i++)
        pipe_clear(&s->peers[i]);
    tree_free(&s->tree);
    tree_free(&s->ahead);
    tree_free(&s->disk);
    for (int i = 0; i < s->stales; i++)
        tree_free(&s->stale[i]);
    free(s->tracks);
    free(s->touched);
    *s = (struct server){ .role = DEAD };
}

void zk_end(void)
{
    while (connections) {
        struct connection *c = connections;
        c->open = false;
        connection_forget(c);
        connection_free(c);
    }
    for (int i = 0; i < options.servers; i++)
        server_end(&servers[i]);
}

/* One of them, or (-1) all. */
#define FOR_EACH(s, number) \
    for (struct server *s = &servers[(number) < 0 ? 0 : (number)], *last_ = (number) < 0 ? &servers[options.servers - 1] : s; s <= last_; s++)

static void held_drop(struct server *s)
{
    while (s->held.first) {
        struct message *m = queue_take(&s->held);
        if (m->connection)
            connection_hold(m->connection, -1);
        message_free(m);
    }
}

void zk_server_kill(int server)
{
    FOR_EACH(s, server) {
        if (s->role == DEAD)
            continue;
        server_forget(s);
        held_drop(s);
        s->role = DEAD;
        s->frozen = false;
    }
}

void zk_server_start(int server, enum zk_data data)
{
    FOR_EACH(s, server) {
        if (s->role != DEAD)
            continue;
        if (data == ZK_STALE && s->stales)
            tree_become(&s->disk, &s->stale[sim_between(0, s->stales - 1)]);
        if (data == ZK_LOST || (data == ZK_STALE && !s->stales)) {
            tree_free(&s->disk);
            s->disk = tree_new();
        }
        if (data != ZK_KEPT)
            s->epoch = s->accepted = s->disk.zxid >> 32;
        s->next_session = ((int64_t)s->index + 1) << 56 | (sim_now() / SIM_MS) << 16 | (s->next_session & 0xffff);
        server_look(s, "it starts");
    }
}

void zk_server_freeze(int server, bool frozen)
{
    FOR_EACH(s, server) {
        if (s->role == DEAD || s->frozen == frozen)
            continue;
        s->frozen = frozen;
        if (frozen)
            continue;
        struct queue held = s->held;
        s->held = (struct queue){ NULL, NULL };
        if (s->late)
            server_beat(s);
        while (held.first)
            server_receive(s, queue_take(&held));
    }
}

bool zk_server_runs(int server)
{
    return server_up(&servers[server]);
}

void zk_disk_stall(int server, int64_t span)
{
    FOR_EACH(s, server)
        s->disk_free = later(s->disk_free, sim_now() + span);
}

void zk_follower_lag(int server, int64_t span)
{
    FOR_EACH(s, server)
        s->lag = span;
}

void zk_clock(int64_t step)
{
    clock_set += step;
}

void zk_server_forget(int server)
{
    FOR_EACH(s, server)
        s->forgets = options.servers > 1 && s->serving;
}

void zk_timeouts(int server, int64_t least, int64_t most)
{
    FOR_EACH(s, server) {
        s->least = least;
        s->most = most;
    }
}

/* The newest: one that was replaced while it was frozen or cut off leads on until it notices. */
static struct server *ensemble_leader(void)
{
    struct server *newest = NULL;
    for (struct server *s = servers; s < servers + options.servers; s++)
        if (s->role == LEADING && s->serving && !s->frozen && (!newest || s->accepted > newest->accepted))
            newest = s;
    return newest;
}

bool zk_serves(void)
{
    struct server *leader = ensemble_leader();
    int with = 1;
    for (int i = 0; leader && i < options.servers; i++)
        with += leader->learners[i].join && leader->learners[i].serving && server_up(&servers[i]) && &servers[i] != leader;
    return leader && with >= quorum();
}

void zk_leader_resign(void)
{
    struct server *leader = ensemble_leader();
    if (leader)
        server_look(leader, "it resigns");
}

void zk_disconnect(int host, bool reset)
{
    struct connection *next;
    for (struct connection *c = connections; c; c = next) {
        next = c->next;
        if (c->host != host || !c->open)
            continue;
        if (reset && c->socket) { /* the client's end, too */
            c->ended = c->broken = true;
            connection_poll(c);
        }
        connection_drop(c, false);
    }
}

void zk_session_expire(int host)
{
    struct server *leader = ensemble_leader();
    for (int i = leader ? leader->track_count - 1 : -1; i >= 0; i--) {
        const struct session *session = tree_session(&leader->tree, leader->tracks[i].id);
        if (session && session->host == host && !leader->tracks[i].closing)
            leader_close_session(leader, session->id);
    }
}

/* --- strangers ------------------------------------------------------------------------------------------ */

static int stranger(struct request *r)
{
    struct server *leader = ensemble_leader();
    int rc = ZCONNECTIONLOSS;
    r->stranger = true;
    r->session = 1; /* nobody's: it never expires */
    if (leader) {
        leader_request(leader, r);
        rc = r->rc;
    }
    request_drop(r);
    return rc;
}

static struct request *stranger_request(enum act act, const char *path, const char *data)
{
    struct request *r = request_new(act, 1);
    r->ops[0] = (struct op){ .act = act, .path = bytes_text(path), .data = data ? bytes_text(data) : NULL, .version = -1, .access = { 31, 0, NULL } };
    return r;
}

int zk_stranger_create(const char *path, const char *data, bool sequential, bool ephemeral)
{
    struct request *r = stranger_request(ACT_CREATE, path, data);
    r->ops[0].flags = (sequential ? ZOO_SEQUENCE : 0) | (ephemeral ? ZOO_EPHEMERAL : 0);
    return stranger(r);
}

int zk_stranger_set(const char *path, const char *data)
{
    return stranger(stranger_request(ACT_SET, path, data));
}

int zk_stranger_delete(const char *path)
{
    struct server *leader = ensemble_leader();
    char below[2048];
    int i = 0;
    const char *name;
    while (leader && tree_find(&leader->ahead, path) && (name = tree_child(&leader->ahead, path, &i)) != NULL) {
        snprintf(below, sizeof below, "%s/%s", path, name);
        if (zk_stranger_delete(below) != ZOK)
            break;
        i = 0;
    }
    return stranger(stranger_request(ACT_DELETE, path, NULL));
}

int zk_stranger_access(const char *path, enum zk_access access)
{
    const int world[] = { [ZK_OPEN] = ZOO_PERM_ALL, [ZK_READ_ONLY] = ZOO_PERM_READ, [ZK_NO_CREATE] = ZOO_PERM_ALL & ~ZOO_PERM_CREATE,
                          [ZK_NO_DELETE] = ZOO_PERM_ALL & ~ZOO_PERM_DELETE, [ZK_NONE] = 0 };
    struct request *r = stranger_request(ACT_ACCESS, path, NULL);
    r->ops[0].access = (struct access){ world[access], ZOO_PERM_ALL, "stranger:" };
    return stranger(r);
}

/* --- what is there --------------------------------------------------------------------------------------- */

static const struct tree *ensemble_tree(void)
{
    const struct server *leader = ensemble_leader();
    const struct tree *best = leader ? &leader->tree : &servers[0].disk;
    for (int i = 0; !leader && i < options.servers; i++)
        if (servers[i].disk.zxid > best->zxid)
            best = &servers[i].disk;
    return best;
}

bool zk_look(const char *path, struct zk_view *view)
{
    const struct node *n = tree_find(ensemble_tree(), path);
    if (!n)
        return false;
    *view = (struct zk_view){ n->data ? n->data->at : "", n->data ? (size_t)n->data->length : 0, n->stat.ephemeralOwner,
                              n->stat.version, n->access.world == ZOO_PERM_ALL, n->stat.mtime };
    return true;
}

const char *zk_child(const char *path, int index)
{
    const struct tree *t = ensemble_tree();
    const char *name;
    for (int i = 0; (name = tree_child(t, path, &i)) && index > 0; i++)
        index--;
    return name;
}

int zk_session_host(int64_t id)
{
    const struct session *session = tree_session(ensemble_tree(), id);
    return session ? session->host : -1;
}

const struct zk_counts *zk_counts(void)
{
    return &counts;
}

/* ---------------------------------------------------------------------------
 * The client library
 * ------------------------------------------------------------------------ */

enum { ADDRESSES_MAX = 16, CONNECTING = 1, ASSOCIATING = 2, CONNECTED = 3, NOT_CONNECTED = 999, EXPIRED = -112, AUTH_FAILED = -113,
       XID_PING = -2, XID_AUTH = -4, XID_REWATCH = -8, ALIVE = 0x5a6b };

const int ZOO_PERM_READ = 1, ZOO_PERM_WRITE = 2, ZOO_PERM_CREATE = 4, ZOO_PERM_DELETE = 8, ZOO_PERM_ADMIN = 16, ZOO_PERM_ALL = 31;
const int ZOOKEEPER_WRITE = 1, ZOOKEEPER_READ = 2;
const int ZOO_PERSISTENT = 0, ZOO_EPHEMERAL = 1, ZOO_PERSISTENT_SEQUENTIAL = 2, ZOO_EPHEMERAL_SEQUENTIAL = 3, ZOO_SEQUENCE = 2;
const int ZOO_EXPIRED_SESSION_STATE = EXPIRED, ZOO_AUTH_FAILED_STATE = AUTH_FAILED, ZOO_CONNECTING_STATE = CONNECTING,
          ZOO_ASSOCIATING_STATE = ASSOCIATING, ZOO_CONNECTED_STATE = CONNECTED, ZOO_READONLY_STATE = 5, ZOO_NOTCONNECTED_STATE = NOT_CONNECTED;
const int ZOO_CREATED_EVENT = 1, ZOO_DELETED_EVENT = 2, ZOO_CHANGED_EVENT = 3, ZOO_CHILD_EVENT = 4, ZOO_SESSION_EVENT = -1,
          ZOO_NOTWATCHING_EVENT = -2;
struct Id ZOO_ANYONE_ID_UNSAFE = { (char[]){ "world" }, (char[]){ "anyone" } };
struct Id ZOO_AUTH_IDS = { (char[]){ "auth" }, (char[]){ "" } };
static struct ACL access_open[] = { { 31, { (char[]){ "world" }, (char[]){ "anyone" } } } };
static struct ACL access_read[] = { { 1, { (char[]){ "world" }, (char[]){ "anyone" } } } };
static struct ACL access_creator[] = { { 31, { (char[]){ "auth" }, (char[]){ "" } } } };
struct ACL_vector ZOO_OPEN_ACL_UNSAFE = { 1, access_open };
struct ACL_vector ZOO_READ_ACL_UNSAFE = { 1, access_read };
struct ACL_vector ZOO_CREATOR_ALL_ACL = { 1, access_creator };

/* A watch that the library knows of. */
struct armed {
    struct armed *next;
    watcher_fn fn;
    void *context;
    enum table table;
    char path[];
};

/* Somebody to call, once. */
struct call {
    struct call *next;
    watcher_fn fn;
    void *context;
};

/* A request whose answer is to come. */
struct completion {
    struct completion *next;
    struct request *request;
    int xid;
    void (*on_nothing)(int, const void *);
    stat_completion_t on_stat;
    data_completion_t on_data;
    strings_completion_t on_names;
    strings_stat_completion_t on_names_stat;
    string_completion_t on_string;
    acl_completion_t on_access;
    const void *data;
    watcher_fn fn;
    void *context;
    zoo_op_result_t *results;
};

struct _zhandle {
    int alive, state, timeout, fd, host, depth; /* alive: ALIVE until it is closed                   */
    bool seen, reconfig, delay;                 /* seen: a session, once. The others: see the addresses */
    clientid_t id;
    watcher_fn fn;
    void *context;
    struct connection *c;                       /* NULL: no socket                                   */
    int addresses[ADDRESSES_MAX], count, next, fresh, current; /* numbers of servers; there may be no such one */
    int64_t received, sent, zxid;
    struct queue to_send;
    struct completion *first, *last;            /* asked                                            */
    struct armed *armed;
    const char *identities[IDENTITIES_MAX];
    char server[32];
};

static int last_xid;
static bool in_order; /* the lists of servers are not shuffled */

static int64_t passed(int64_t since, int64_t now)
{
    return (now - since) / SIM_MS;
}

/* --- the list of servers: shuffled, with the steps that it skips ---------------------------------- */

static bool addresses_parse(zhandle_t *zh, const char *hosts)
{
    int a, b, c, d, port, n;
    for (; zh->count < ADDRESSES_MAX; hosts += n + 1) {
        if (sscanf(hosts, "%d.%d.%d.%d:%d%n", &a, &b, &c, &d, &port, &n) != 5)
            return false;
        zh->addresses[zh->count++] = a == 10 && b == 0 && c == 0 && port == 2181 ? d - 1 : 255;
        if (hosts[n] != ',')
            return hosts[n] == '\0';
    }
    return true;
}

static void addresses_shuffle(zhandle_t *zh)
{
    for (int i = zh->count - 1; i > 0; i--) {
        int j = (int)(sim_random() % (uint64_t)(i + 1)), other = zh->addresses[i];
        zh->addresses[i] = zh->addresses[j];
        zh->addresses[j] = other;
    }
}

static void addresses_step(zhandle_t *zh)
{
    if (zh->next >= zh->count)
        zh->next = 0;
    zh->current = zh->addresses[zh->next++];
}

/* The first time round it goes through the list as a new one. */
static void addresses_cycle(zhandle_t *zh)
{
    if (zh->reconfig && zh->fresh < zh->count) {
        zh->current = zh->addresses[zh->fresh++];
        return;
    }
    zh->reconfig = false;
    addresses_step(zh);
}

/* --- watches ------------------------------------------------------------------------------------------ */

static void armed_add(zhandle_t *zh, enum table table, const char *path, watcher_fn fn, void *context)
{
    for (struct armed *a = zh->armed; a; a = a->next)
        if (a->table == table && a->fn == fn && a->context == context && !strcmp(a->path, path))
            return;
    struct armed *a = must(sim_calloc(1, sizeof *a + strlen(path) + 1));
    *a = (struct armed){ zh->armed, fn, context, table };
    strcpy(a->path, path);
    zh->armed = a;
}

static void call_add(struct call **calls, watcher_fn fn, void *context)
{
    for (struct call *c = *calls; c; c = c->next)
        if (c->fn == fn && c->context == context)
            return;
    struct call *c = must(sim_calloc(1, sizeof *c));
    *c = (struct call){ *calls, fn, context };
    *calls = c;
}

/* Of one table, those of one path, which are taken out, or all of them (NULL), which stay. */
static void armed_collect(zhandle_t *zh, enum table table, const char *path, struct call **calls)
{
    for (struct armed **link = &zh->armed; *link;) {
        struct armed *a = *link;
        bool one = a->table == table && (!path || !strcmp(a->path, path));
        if (one)
            call_add(calls, a->fn, a->context);
        if (one && path) {
            *link = a->next;
            sim_free(a);
        } else
            link = &a->next;
    }
}

static void calls_make(zhandle_t *zh, struct call *calls, int type, int state, const char *path)
{
    while (calls) {
        struct call *c = calls;
        calls = c->next;
        c->fn(zh, type, state, path, c->context);
        sim_free(c);
    }
}

/* Of the session: to everybody. */
static void session_event(zhandle_t *zh, int state)
{
    struct call *calls = NULL;
    call_add(&calls, zh->fn, zh->context);
    for (int table = 0; table < TABLES; table++)
        armed_collect(zh, (enum table)table, NULL, &calls);
    calls_make(zh, calls, ZOO_SESSION_EVENT, state, "");
}

static void node_event(zhandle_t *zh, int type, const char *path)
{
    struct call *calls = NULL;
    if (type != ZOO_CHILD_EVENT) {
        armed_collect(zh, TABLE_NODE, path, &calls);
        armed_collect(zh, TABLE_EXIST, path, &calls);
    }
    if (type == ZOO_CHILD_EVENT || type == ZOO_DELETED_EVENT)
        armed_collect(zh, TABLE_CHILD, path, &calls);
    calls_make(zh, calls, type, CONNECTED, path);
}

/* --- completions ---------------------------------------------------------------------------------------- */

static void results_fill(struct completion *c, const struct request *r, int rc)
{
    for (int i = 0; c->results && i < r->count; i++) {
        const struct op *op = &r->ops[i];
        zoo_op_result_t *result = &c->results[i];
        bool fine = rc == ZOK && r->rc == ZOK;
        result->err = rc != ZOK ? rc : op->rc;
        if (op->act == ACT_SET && fine && result->stat)
            *result->stat = op->stat;
        else if (op->act == ACT_SET)
            result->stat = NULL;
        if (op->act == ACT_CREATE && fine && result->value && result->valuelen > 0)
            snprintf(result->value, (size_t)result->valuelen, "%s", op->path->at);
        else if (op->act == ACT_CREATE)
            result->value = NULL;
    }
}

static void completion_access(const struct completion *c, const struct message *m, int rc)
{
    static char world[] = "world", anyone[] = "anyone", digest[] = "digest";
    struct ACL list[2];
    struct ACL_vector access = { 0, list };
    if (m && rc == ZOK && m->access.world)
        list[access.count++] = (struct ACL){ m->access.world, { world, anyone } };
    if (m && rc == ZOK && m->access.owner)
        list[access.count++] = (struct ACL){ m->access.owner, { digest, (char *)(uintptr_t)m->access.identity } };
    c->on_access(rc, rc == ZOK ? &access : NULL, NULL, c->data);
}

/* `m`: the answer; NULL: there will be none, because of `rc`. */
static void completion_run(zhandle_t *zh, struct completion *c, const struct message *m, int rc)
{
    const struct request *r = c->request;
    bool fine = m && m->rc == ZOK;
    const struct op *op = r->count ? &r->ops[0] : NULL;
    struct String_vector names = { m ? m->count : 0, m ? m->names : NULL };
    const struct Stat *stat = !fine ? NULL : r->act == ACT_SET || r->act == ACT_ACCESS ? &op->stat : &m->stat;
    rc = m ? m->rc : rc;
    counts.lost_answers += !m;
    request_moment(m ? SIM_LEARNED : SIM_LOST, r, zh->current);
    if (r->act == ACT_MULTI)
        results_fill(c, r, m ? ZOK : rc);
    if (c->on_nothing)
        c->on_nothing(rc, c->data);
    else if (c->on_stat)
        c->on_stat(rc, stat, c->data);
    else if (c->on_data)
        c->on_data(rc, fine && m->data ? m->data->at : NULL, !fine ? 0 : m->data ? m->data->length : -1, stat, c->data);
    else if (c->on_names)
        c->on_names(rc, fine ? &names : NULL, c->data);
    else if (c->on_names_stat)
        c->on_names_stat(rc, fine ? &names : NULL, stat, c->data);
    else if (c->on_access)
        completion_access(c, m, rc);
    else if (c->on_string)
        c->on_string(rc, fine ? op->path->at : NULL, c->data);
    request_drop(c->request);
    sim_free(c);
}

/* --- the socket --------------------------------------------------------------------------------------------- */

static void socket_open(zhandle_t *zh)
{
    static const struct sim_socket_ops ops = { connection_closed, connection_shut };
    struct connection *c = must(calloc(1, sizeof *c));
    *c = (struct connection){ .next = connections, .references = 1, .host = zh->host, .server = zh->current, .id = ++last_id };
    const int here = zh->host, there = SIM_SERVER + zh->current;
    c->up = (struct pipe){ here, there, .again = SIM_SECOND, .deliver = connection_to_server, .hold = connection_hold, .owner = c };
    c->down = (struct pipe){ there, here, .again = 200 * SIM_MS, .deliver = connection_to_client, .hold = connection_hold, .owner = c };
    connections = c;
    counts.connects++;
    zh->c = c;
    c->socket = sim_socket_new(&ops, c, &zh->fd);
    if (zh->current < options.servers)
        pipe_send(&c->up, message_new(SYN));
    else
        c->ended = c->broken = true;
    connection_poll(c);
}

static void socket_close(zhandle_t *zh)
{
    if (zh->c)
        sim_fd_close(zh->fd);
    zh->c = NULL;
    zh->fd = -1;
}

static bool socket_sends(const zhandle_t *zh)
{
    return zh->c && !zh->c->broken;
}

static int handle_flush(zhandle_t *zh)
{
    while (zh->to_send.first && zh->state == CONNECTED) {
        if (!socket_sends(zh))
            return ZCONNECTIONLOSS;
        pipe_send(&zh->c->up, queue_take(&zh->to_send));
        zh->sent = sim_clock();
    }
    return ZOK;
}

/* The session events first, then all that waits for an answer. */
static void handle_clean(zhandle_t *zh, int rc)
{
    socket_close(zh);
    if (zh->state < 0)
        session_event(zh, zh->state);
    else if (zh->state == CONNECTED)
        session_event(zh, CONNECTING); /* zoo_state() still says: connected */
    queue_clear(&zh->to_send);
    struct completion *c = zh->first;
    zh->first = NULL;
    if (zh->state >= 0)
        zh->state = 0;
    while (c) {
        struct completion *next = c->next;
        completion_run(zh, c, NULL, rc);
        c = next;
    }
}

static int handle_fail(zhandle_t *zh, int rc)
{
    handle_clean(zh, rc);
    zh->delay = zh->count > 0 && zh->next >= zh->count;
    addresses_step(zh);
    return rc;
}

static int handle_greet(zhandle_t *zh)
{
    if (!socket_sends(zh))
        return handle_fail(zh, ZCONNECTIONLOSS);
    struct message *m = message_new(CONNECT);
    m->session = zh->seen ? zh->id.client_id : 0;
    m->timeout = zh->timeout;
    m->zxid = zh->zxid;
    memcpy(m->password, zh->id.passwd, sizeof m->password);
    pipe_send(&zh->c->up, m);
    zh->state = ASSOCIATING;
    return ZOK;
}

/* Requests that no caller waits for. */
static struct message *own_request(zhandle_t *zh, enum act act, int xid, int count)
{
    struct message *m = message_new(REQUEST);
    m->request = request_new(act, count);
    m->request->xid = xid;
    m->request->host = zh->host;
    return m;
}

static void send_first(zhandle_t *zh, struct message *m)
{
    m->next = zh->to_send.first;
    zh->to_send.last = zh->to_send.first ? zh->to_send.last : m;
    zh->to_send.first = m;
}

static void watches_send(zhandle_t *zh)
{
    int count = 0;
    for (struct armed *a = zh->armed; a; a = a->next)
        count++;
    if (!count)
        return;
    struct message *m = own_request(zh, ACT_REWATCH, XID_REWATCH, count);
    m->request->zxid = zh->zxid;
    for (int table = TABLES - 1; table >= 0; table--) /* one table behind the other: the first event takes both watches of a node */
        for (struct armed *a = zh->armed; a; a = a->next)
            if (a->table == (enum table)table)
                m->request->ops[--count] = (struct op){ .flags = table, .path = bytes_text(a->path) };
    send_first(zh, m);
}

static void identity_send(zhandle_t *zh, const char *identity)
{
    struct message *m = own_request(zh, ACT_AUTH, XID_AUTH, 0);
    m->request->identities[0] = identity;
    send_first(zh, m);
}

static int handle_welcome(zhandle_t *zh, const struct message *m)
{
    int64_t before = zh->seen ? zh->id.client_id : 0;
    zh->seen = true;
    if (before && before != m->session) {
        zh->state = EXPIRED;
        return handle_fail(zh, ZSESSIONEXPIRED);
    }
    zh->timeout = m->timeout;
    zh->id.client_id = m->session;
    memcpy(zh->id.passwd, m->password, sizeof m->password);
    zh->state = CONNECTED;
    zh->reconfig = false;
    watches_send(zh);
    for (int i = 0; i < IDENTITIES_MAX && zh->identities[i]; i++)
        identity_send(zh, zh->identities[i]);
    session_event(zh, CONNECTED);
    return ZOK;
}

static void watch_activate(zhandle_t *zh, const struct completion *c, int rc)
{
    enum act act = c->request->act;
    const char *path = c->request->ops[0].path->at;
    if (c->fn && rc == ZOK)
        armed_add(zh, act == ACT_GET || act == ACT_EXISTS ? TABLE_NODE : TABLE_CHILD, path, c->fn, c->context);
    else if (c->fn && rc == ZNONODE && act == ACT_EXISTS)
        armed_add(zh, TABLE_EXIST, path, c->fn, c->context);
}

static int handle_answer(zhandle_t *zh, const struct message *m)
{
    struct completion *c = zh->first;
    if (m->kind == EVENT) {
        node_event(zh, m->type, m->path->at);
        return ZOK;
    }
    if (m->xid == XID_PING || m->xid == XID_REWATCH || m->xid == XID_AUTH)
        return ZOK;
    if (!c) {
        sim_violation("the client library got an answer to nothing (assert(cptr))");
        return ZOK;
    }
    if (c->xid != m->xid)
        return handle_fail(zh, ZRUNTIMEINCONSISTENCY);
    zh->first = c->next;
    if (m->zxid > 0)
        zh->zxid = m->zxid;
    if (c->request->count)
        watch_activate(zh, c, m->rc);
    completion_run(zh, c, m, m->rc);
    return ZOK;
}

/* One message a call, as the library does. */
static int handle_read(zhandle_t *zh)
{
    struct connection *c = zh->c;
    struct message *m = queue_take(&c->inbox);
    if (!m)
        return c->ended || c->shut ? handle_fail(zh, ZCONNECTIONLOSS) : ZNOTHING;
    connection_poll(c);
    zh->received = sim_clock();
    int rc = m->kind == WELCOME ? handle_welcome(zh, m) : handle_answer(zh, m);
    message_free(m);
    return rc;
}

static int handle_process(zhandle_t *zh, int events)
{
    if (!zh->c)
        return ZINVALIDSTATE;
    if (events & ZOOKEEPER_WRITE && zh->state == CONNECTING)
        return zh->c->ended ? handle_fail(zh, ZCONNECTIONLOSS) : handle_greet(zh);
    if (events & ZOOKEEPER_WRITE && handle_flush(zh) != ZOK)
        return handle_fail(zh, ZCONNECTIONLOSS);
    return events & ZOOKEEPER_READ ? handle_read(zh) : ZOK;
}

static void handle_open(zhandle_t *zh, int64_t now)
{
    if (zh->delay)
        zh->delay = false; /* the caller waits before it comes again */
    else {
        addresses_cycle(zh);
        socket_open(zh);
        zh->state = CONNECTING;
    }
    zh->received = zh->sent = now;
}

static int handle_ping(zhandle_t *zh)
{
    if (zh->first)
        return ZOK;
    queue_add(&zh->to_send, own_request(zh, ACT_PING, XID_PING, 0));
    return handle_flush(zh);
}

static int handle_interest(zhandle_t *zh, int *fd, int *interest, struct timeval *tv)
{
    int64_t now = sim_clock(), wait = zh->timeout / 60;
    *fd = zh->fd;
    *interest = 0;
    *tv = (struct timeval){ 0, 0 };
    if (!zh->c)
        handle_open(zh, now);
    *fd = zh->fd;
    if (zh->c) {
        int64_t receive = zh->timeout * INT64_C(2) / 3 - passed(zh->received, now), send = zh->timeout / 3;
        if (receive <= 0)
            return handle_fail(zh, ZOPERATIONTIMEOUT);
        if (zh->state == CONNECTED && (send -= passed(zh->sent, now)) <= 0) {
            int rc = handle_ping(zh);
            if (rc != ZOK)
                return rc;
            send = zh->timeout / 3;
        }
        wait = receive < send ? receive : send;
        *interest = ZOOKEEPER_READ | ((zh->to_send.first && zh->state == CONNECTED) || zh->state == CONNECTING ? ZOOKEEPER_WRITE : 0);
    }
    *tv = (struct timeval){ wait / 1000, wait % 1000 * 1000 };
    return ZOK;
}

/* --- its functions ------------------------------------------------------------------------------------------- */

static bool handle_known(const zhandle_t *zh)
{
    bool known = zh && zh->alive == ALIVE;
    if (!known)
        sim_violation("a call on a handle that is closed");
    return known;
}

zhandle_t *zookeeper_init2(const char *hosts, watcher_fn fn, int timeout, const clientid_t *id, void *context, int flags, log_callback_fn log)
{
    (void)flags, (void)log;
    zhandle_t *zh = must(sim_calloc(1, sizeof *zh));
    *zh = (struct _zhandle){ .alive = ALIVE, .state = NOT_CONNECTED, .timeout = timeout, .fd = -1, .host = sim_host(), .reconfig = true,
                             .fn = fn, .context = context, .current = -1 };
    if (id)
        zh->id = *id;
    zh->seen = id && id->client_id;
    if (!hosts || !*hosts || !addresses_parse(zh, hosts)) {
        sim_free(zh);
        errno = hosts && *hosts ? ENOENT : EINVAL;
        return NULL;
    }
    if (!in_order)
        addresses_shuffle(zh);
    return zh;
}

int zookeeper_interest(zhandle_t *zh, int *fd, int *interest, struct timeval *tv)
{
    if (!handle_known(zh) || zh->state < 0)
        return ZINVALIDSTATE;
    zh->depth++;
    int rc = handle_interest(zh, fd, interest, tv);
    zh->depth--;
    return rc;
}

int zookeeper_process(zhandle_t *zh, int events)
{
    if (!handle_known(zh) || zh->state < 0)
        return ZINVALIDSTATE;
    zh->depth++;
    int rc = handle_process(zh, events);
    zh->depth--;
    return rc;
}

int zookeeper_close(zhandle_t *zh)
{
    if (!handle_known(zh))
        return ZBADARGUMENTS;
    if (zh->depth)
        sim_violation("a handle is closed inside one of its own callbacks");
    if (zh->state == CONNECTED) {
        struct pollfd slot = { .fd = zh->fd, .events = POLLIN };
        queue_add(&zh->to_send, own_request(zh, ACT_CLOSE, ++last_xid, 0));
        request_moment(SIM_SENT, zh->to_send.last->request, zh->current);
        if (handle_flush(zh) == ZOK)
            sim_poll(&slot, 1, 1500);
    }
    queue_clear(&zh->to_send);
    while (zh->first) {
        struct completion *c = zh->first;
        zh->first = c->next;
        completion_run(zh, c, NULL, ZCLOSING);
    }
    socket_close(zh);
    while (zh->armed) {
        struct armed *a = zh->armed;
        zh->armed = a->next;
        sim_free(a);
    }
    zh->alive = 0;
    sim_free(zh);
    return ZOK;
}

int zoo_state(zhandle_t *zh)
{
    return handle_known(zh) ? zh->state : 0;
}

const clientid_t *zoo_client_id(zhandle_t *zh)
{
    return &zh->id;
}

int zoo_recv_timeout(zhandle_t *zh)
{
    return zh->timeout;
}

const char *zoo_get_current_server(zhandle_t *zh)
{
    snprintf(zh->server, sizeof zh->server, "10.0.0.%d:2181", zh->current + 1);
    return zh->server;
}

int zoo_set_servers_resolution_delay(zhandle_t *zh, int ms) { (void)zh, (void)ms; return ZOK; }
void zoo_set_debug_level(ZooLogLevel level) { (void)level; }
void zoo_set_log_stream(FILE *stream) { (void)stream; }
void zoo_deterministic_conn_order(int yes) { in_order = yes; }

/* Kept for ever, so that equal ones are one. */
static const char *identity_intern(const char *text, int length)
{
    static struct identity { struct identity *next; char text[]; } *known;
    for (struct identity *i = known; i; i = i->next)
        if (!strncmp(i->text, text, (size_t)length) && i->text[length] == '\0')
            return i->text;
    struct identity *i = must(calloc(1, sizeof *i + (size_t)length + 1));
    memcpy(i->text, text, (size_t)length);
    i->next = known;
    known = i;
    return i->text;
}

int zoo_add_auth(zhandle_t *zh, const char *scheme, const char *cert, int length, void_completion_t completion, const void *data)
{
    (void)completion, (void)data;
    if (!zh || !scheme)
        return ZBADARGUMENTS;
    if (zh->state <= 0)
        return ZINVALIDSTATE;
    const char *identity = identity_intern(cert, length);
    identity_add(zh->identities, identity);
    if (zh->state == CONNECTED || zh->state == ASSOCIATING)
        identity_send(zh, identity);
    return ZOK;
}

static bool path_valid(const char *path, int mode)
{
    size_t length = path ? strlen(path) : 0;
    if (length == 0 || path[0] != '/')
        return false;
    if (length == 1)
        return true;
    if (path[length - 1] == '/' && !(mode & ZOO_SEQUENCE))
        return false;
    for (size_t i = 1; i < length; i++) {
        bool last = path[i + 1] == '/' || (path[i + 1] == '\0' && !(mode & ZOO_SEQUENCE));
        if ((path[i] == '/' && path[i - 1] == '/') || (path[i] > 0 && path[i] < 0x1f))
            return false;
        if (path[i] == '.' && last && (path[i - 1] == '/' || (path[i - 1] == '.' && path[i - 2] == '/')))
            return false;
    }
    return true;
}

static int path_check(zhandle_t *zh, const char *path, int mode)
{
    if (!handle_known(zh) || !path_valid(path, mode))
        return ZBADARGUMENTS;
    if (zh->state >= 0)
        return ZOK;
    sim_violation("a request on a dead handle");
    return ZINVALIDSTATE;
}

static void op_access(struct op *op, const struct ACL_vector *list)
{
    for (int i = 0; list && i < list->count; i++) {
        const struct ACL *a = &list->data[i];
        if (!strcmp(a->id.scheme, "world"))
            op->access.world |= a->perms;
        else {
            op->access.owner |= a->perms;
            op->expand = true;
        }
    }
}

/* Sends it, and takes it. */
static int submit(zhandle_t *zh, struct request *r, struct completion c)
{
    struct completion *kept = must(sim_calloc(1, sizeof *kept));
    struct message *m = message_new(REQUEST);
    *kept = c;
    kept->xid = r->xid = ++last_xid;
    r->host = zh->host;
    kept->request = r;
    m->request = request_keep(r);
    LIST_APPEND(zh, kept);
    queue_add(&zh->to_send, m);
    request_moment(SIM_SENT, r, zh->current);
    if (handle_flush(zh) != ZOK && zh->c) {
        socket_close(zh); /* without an event */
        zh->state = NOT_CONNECTED;
    }
    return ZOK;
}

/* Takes what the op has. */
static int submit_one(zhandle_t *zh, struct op op, const char *path, bool watch, struct completion c)
{
    int rc = path_check(zh, path, op.flags);
    if (rc != ZOK) {
        bytes_drop(op.data);
        return rc;
    }
    struct request *r = request_new(op.act, 1);
    r->ops[0] = op;
    r->ops[0].path = bytes_text(path);
    r->watch = watch;
    return submit(zh, r, c);
}

int zoo_acreate(zhandle_t *zh, const char *path, const char *value, int length, const struct ACL_vector *access, int mode,
                string_completion_t completion, const void *data)
{
    struct op op = { .act = ACT_CREATE, .flags = mode, .data = bytes_new(value, length) };
    op_access(&op, access);
    return submit_one(zh, op, path, false, (struct completion){ .on_string = completion, .data = data });
}

int zoo_adelete(zhandle_t *zh, const char *path, int version, void_completion_t completion, const void *data)
{
    return submit_one(zh, (struct op){ .act = ACT_DELETE, .version = version }, path, false,
                      (struct completion){ .on_nothing = completion, .data = data });
}

int zoo_aset(zhandle_t *zh, const char *path, const char *value, int length, int version, stat_completion_t completion, const void *data)
{
    return submit_one(zh, (struct op){ .act = ACT_SET, .version = version, .data = bytes_new(value, length) }, path, false,
                      (struct completion){ .on_stat = completion, .data = data });
}

int zoo_aset_acl(zhandle_t *zh, const char *path, int version, struct ACL_vector *access, void_completion_t completion, const void *data)
{
    struct op op = { .act = ACT_ACCESS, .version = version };
    op_access(&op, access);
    return submit_one(zh, op, path, false, (struct completion){ .on_nothing = completion, .data = data });
}

int zoo_aget_acl(zhandle_t *zh, const char *path, acl_completion_t completion, const void *data)
{
    return submit_one(zh, (struct op){ .act = ACT_GET }, path, false,
                      (struct completion){ .on_access = completion, .data = data });
}

int zoo_awexists(zhandle_t *zh, const char *path, watcher_fn fn, void *context, stat_completion_t completion, const void *data)
{
    return submit_one(zh, (struct op){ .act = ACT_EXISTS }, path, fn != NULL,
                      (struct completion){ .on_stat = completion, .data = data, .fn = fn, .context = context });
}

int zoo_aexists(zhandle_t *zh, const char *path, int watch, stat_completion_t completion, const void *data)
{
    return zoo_awexists(zh, path, watch ? zh->fn : NULL, watch ? zh->context : NULL, completion, data);
}

int zoo_awget(zhandle_t *zh, const char *path, watcher_fn fn, void *context, data_completion_t completion, const void *data)
{
    return submit_one(zh, (struct op){ .act = ACT_GET }, path, fn != NULL,
                      (struct completion){ .on_data = completion, .data = data, .fn = fn, .context = context });
}

int zoo_aget(zhandle_t *zh, const char *path, int watch, data_completion_t completion, const void *data)
{
    return zoo_awget(zh, path, watch ? zh->fn : NULL, watch ? zh->context : NULL, completion, data);
}

int zoo_aget_children(zhandle_t *zh, const char *path, int watch, strings_completion_t completion, const void *data)
{
    return submit_one(zh, (struct op){ .act = ACT_LIST }, path, watch != 0,
                      (struct completion){ .on_names = completion, .data = data, .fn = watch ? zh->fn : NULL, .context = zh->context });
}

int zoo_awget_children2(zhandle_t *zh, const char *path, watcher_fn fn, void *context, strings_stat_completion_t completion, const void *data)
{
    return submit_one(zh, (struct op){ .act = ACT_LIST }, path, fn != NULL,
                      (struct completion){ .on_names_stat = completion, .data = data, .fn = fn, .context = context });
}

int zoo_async(zhandle_t *zh, const char *path, string_completion_t completion, const void *data)
{
    return submit_one(zh, (struct op){ .act = ACT_SYNC }, path, false, (struct completion){ .on_string = completion, .data = data });
}

void zoo_create_op_init(zoo_op_t *op, const char *path, const char *value, int length, const struct ACL_vector *access, int mode,
                        char *buffer, int size)
{
    *op = (zoo_op_t){ .type = ACT_CREATE, .create_op = { .path = path, .data = value, .datalen = length, .acl = access, .flags = mode,
                                                         .buf = buffer, .buflen = size } };
}

void zoo_delete_op_init(zoo_op_t *op, const char *path, int version)
{
    *op = (zoo_op_t){ .type = ACT_DELETE, .delete_op = { path, version } };
}

void zoo_set_op_init(zoo_op_t *op, const char *path, const char *value, int length, int version, struct Stat *stat)
{
    *op = (zoo_op_t){ .type = ACT_SET, .set_op = { .path = path, .data = value, .datalen = length, .version = version, .stat = stat } };
}

void zoo_check_op_init(zoo_op_t *op, const char *path, int version)
{
    *op = (zoo_op_t){ .type = ACT_CHECK, .check_op = { path, version } };
}

static struct op multi_op(const zoo_op_t *from, zoo_op_result_t *result, const char **path)
{
    struct op op = { .act = (enum act)from->type };
    *path = from->type == ACT_CREATE ? from->create_op.path : from->type == ACT_SET ? from->set_op.path :
            from->type == ACT_DELETE ? from->delete_op.path : from->check_op.path;
    if (from->type == ACT_CREATE) {
        op.flags = from->create_op.flags;
        op.data = bytes_new(from->create_op.data, from->create_op.datalen);
        op_access(&op, from->create_op.acl);
        result->value = from->create_op.buf;
        result->valuelen = from->create_op.buflen;
    } else if (from->type == ACT_SET) {
        op.version = from->set_op.version;
        op.data = bytes_new(from->set_op.data, from->set_op.datalen);
        result->stat = from->set_op.stat;
    } else
        op.version = from->type == ACT_DELETE ? from->delete_op.version : from->check_op.version;
    return op;
}

int zoo_amulti(zhandle_t *zh, int count, const zoo_op_t *ops, zoo_op_result_t *results, void_completion_t completion, const void *data)
{
    struct request *r = request_new(ACT_MULTI, count);
    for (int i = 0; i < count; i++) {
        const char *path;
        r->ops[i] = multi_op(&ops[i], &results[i], &path);
        if (path_check(zh, path, r->ops[i].flags) != ZOK) {
            sim_violation("a transaction with a bad path: the library frees what it never allocated");
            request_drop(r);
            return ZMARSHALLINGERROR;
        }
        r->ops[i].path = bytes_text(path);
    }
    return submit(zh, r, (struct completion){ .on_nothing = completion, .data = data, .results = results });
}

const char *zerror(int rc)
{
    static const struct { int rc; const char *text; } texts[] = {
        { ZOK, "ok" }, { ZSYSTEMERROR, "system error" }, { ZRUNTIMEINCONSISTENCY, "run time inconsistency" }, { ZCONNECTIONLOSS, "connection loss" },
        { ZMARSHALLINGERROR, "marshalling error" }, { ZOPERATIONTIMEOUT, "operation timeout" }, { ZBADARGUMENTS, "bad arguments" },
        { ZINVALIDSTATE, "invalid zhandle state" }, { ZNONODE, "no node" }, { ZNOAUTH, "not authenticated" }, { ZBADVERSION, "bad version" },
        { ZNOCHILDRENFOREPHEMERALS, "no children for ephemerals" }, { ZNODEEXISTS, "node exists" }, { ZNOTEMPTY, "not empty" },
        { ZSESSIONEXPIRED, "session expired" }, { ZINVALIDACL, "invalid acl" }, { ZAUTHFAILED, "authentication failed" },
        { ZCLOSING, "zookeeper is closing" }, { ZSESSIONMOVED, "session moved to another server, so operation is ignored" },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].rc == rc)
            return texts[i].text;
    return "unknown error";
}
