/* sim.c - ballot.c in a simulated world: elections under faults, each of them repeatable.
 *
 *     sim --seed N [--faults 3,7] [--hosts 0,1]   the story of one seed
 *     --story once|cron|watch                     what its candidates run; watch: once, with `watch` beside them
 *     sim --seconds S | --hours H [--from N]      seeds, until so much real (simulated) time has passed
 *     sim --file test/sim.seeds                   seeds that once found something
 *     --table 1                                   how long nobody ran, and which rule met which fault
 *     --skip "a;b"                                kinds of fault that do not strike
 *
 * A seed decides all: machines, servers, timeouts, delays, what commands do, and when
 * which fault strikes. Judged is from outside: by the commands that run, and when. A
 * seed that breaks a rule is shrunk: faults and machines that are not needed are left out.
 *
 * simos.c is the operating system, simzk.c the ensemble and the client library,
 * simballot.c the program. simcron.c and simwatch.c are the judges of schedules and of `watch`. */
#define _POSIX_C_SOURCE 200809L

#include "simcron.h"
#include "simos.h"
#include "simwatch.h"
#include "simzk.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SERVERS      5
#define FAULTS       400
#define BASE         "/ballot/election"
#define MOST_BLOCKS  400     /* of a process, when all is quiet                     */
#define MOST_BYTES   6000000
#define MOST_REQUESTS 25.0

/* --- the world ------------------------------------------------------------------- */

/* One life of a candidate, with its guards. */
struct instance {
    struct instance *next;
    int host, candidate, guard; /* pids                                            */
    bool helpless;          /* neither of them can act                             */
    int64_t helpless_at;    /* when that was so last                               */
    int64_t lease_end;      /* as far as acknowledged writes show; by its host's clock */
    int64_t advertised;     /* T of the last of them                               */
    bool killed;            /* both were: what lives on belongs to nobody          */
    int64_t started;
    int64_t told_at;        /* of the base, or of its own proposal, last               */
    int64_t told_lost;      /* so since what the servers went back to; 0: not          */
};

struct run {
    struct run *next;
    struct instance *instance;
    int alive;              /* processes                                           */
    int64_t token, started;
    int first;              /* pid of the command itself                           */
    int host;
};

struct host {
    bool present, down, no_fork, stop; /* stop: on-disconnect                      */
    int64_t timeout, stop_timeout;
    int candidate;          /* pid; 0: none                                        */
    bool watches;           /* `watch` runs beside it:                             */
    int watcher;            /* pid; 0: none                                        */
    int64_t watches_at;     /* since then                                          */
    struct instance *instance;
    const char *on_success, *on_error;
    int64_t sent;           /* its last transaction,                               */
    int64_t off_at;         /* its clock was so far from the servers', last; 0: never */
    int64_t sent_at, beat_at, answered; /* by true time; beat_at: the servers took one that wrote the base; answered:
                               when the last of these was sent that has had its answer */
    int64_t alone_at;       /* see alone()                                         */
    int beat;               /* the base's version then                             */
    int64_t base_delay, busy;
    int disturbances;       /* faults at work on it                                */
    bool unheard;           /* cut off, or a process of it frozen, and no answer has come since */
    int64_t lost_at;        /* when that was so last; -1: never                    */
    int denials;            /* faults at work that take its rights                 */
    bool denied;            /* there are such, or no answer has come since         */
    int64_t denied_at;      /* when that was so last                               */
    char evicted[256];      /* the proposal that it lost early, until the base names its next one; "": none */
    int trips;              /* which it needs until then, at most;                 */
    int64_t unable, looked_at, deaf_until; /* for so long nothing could be written meanwhile; as of then; */
    bool was_unable;        /* and could not at that time                          */
    int64_t swept_at;       /* its guard was killed before it had done everything; 0: never */
    int64_t died_at;        /* its last candidate; 0: none                         */
    int cut_out[SERVERS], cut_in[SERVERS];
    int mute_out, mute_in;  /* lost, but for TCP's handshake                       */
    int64_t slow;
    int patience;           /* what its commands do with SIGTERM, in %             */
};

enum moment_kind { AIM_NONE, AIM_REQUEST, AIM_CALL };

struct fault {
    int kind, host, server;
    bool leader;            /* strikes the leader's host instead                   */
    bool next;              /* or that of the next in the queue                    */
    bool back;              /* a clock is set back by as much in the end           */
    int64_t at, span, amount;
    enum moment_kind aim;
    enum sim_moment moment;
    enum sim_request request;
    const char *call;
    int countdown;          /* of such moments                                     */
    bool left_out, armed, working;
    int struck;             /* the host                                            */
    int pid;                /* or the process that is frozen                       */
    int64_t began_at, ended_at;
};

#define GO_SESSION 1        /* of simzk.c's strangers                              */

struct go {                 /* see "a Go ballot in the queue"                      */
    int life;               /* counts them                                         */
    const struct fault *of;
    char proposal[256];
    bool leads, silent, frozen;
    int version, seen;      /* of the base                                         */
    int64_t beat_at, seen_at;
};

enum story { STORY_ONCE, STORY_CRON, STORY_WATCH, STORIES };

static const char *const story_names[STORIES] = { "once", "cron", "watch" };

static struct world {
    uint64_t seed, dice;    /* dice: for what is decided before the start          */
    enum story story;
    struct cron_options cron;
    int64_t healed_at;      /* all clocks were set; 0: not yet                     */
    bool anyway;            /* on-election-failure=run-anyway                      */
    int servers, hosts, faults, armed;
    struct zk_options options;
    struct host host[HOSTS];
    struct fault fault[FAULTS];
    struct instance *instances;
    struct run *runs;
    int64_t asked, longest, shortest; /* T: of the settings; whatever is negotiated  */
    int64_t emptied_at;     /* the base was overwritten by a stranger;             */
    int emptied_first;      /* whose proposal was the first then: its host, or -1  */
    bool renegotiated;
    int64_t slowest;        /* round trip                                          */
    int64_t end_of_faults, end;
    int64_t calm_since, ran_at; /* ran_at: a command was alive,                    */
    int ran_host;           /* the last that died on that host                     */
    int64_t tampered_at;    /* a fault that may make two of one; -1: never         */
    int tampering, global;  /* such faults at work                                 */
    int lagging;            /* such that have all followers answer too late        */
    int64_t lag[SERVERS];   /* how late each of them answers, if it is one         */
    struct go go;
    bool go_led;            /* since the last record: activations count from now   */
    int64_t go_took_at;     /* it claimed a base that was not empty; -1: never     */
    int64_t last_token;
    int last_host;          /* that started with it                                */
    int server_cut[SERVERS];
    int calls_left;         /* to the next preemption                              */
    bool ending, telling, tracing;
    bool rights_taken;      /* else they are given back, until the servers have committed it */
    uint64_t rollbacks;     /* of the servers,                                     */
    int64_t rolled_at;      /* the last; 0: never                                  */
    int64_t unknown_until;  /* the same; see outage_look()                         */
    uint64_t moved;         /* connections that ended because their session was elsewhere: */
    int64_t moved_at;       /* a request to connect had arrived late. The last; 0: never   */
    char violation[256];
    uint64_t claims, starts, elections;
    int64_t elected_at;     /* the servers, last                                   */
} world;

/* --- how long until a command runs again ------------------------------------------- */

/* From the last change of the world (a fault that begins or ends, a start, a death), while a candidate is well
 * and a majority of the servers serves. Of several faults the longest counts. A command that is being ended
 * still runs: stop-timeout is in none of the rows. */
enum row { ENDED, GONE, TWO_GONE, MUTE, TWO_MUTE, OUTAGE, OUTAGE_KEEP, FORGOTTEN, DENIED, ROWS };

static const struct { const char *name; int thirds, ticks; } rows[ROWS] = {
    [ENDED] = { "command ended, or candidate alone killed", 0, 0 },        /* d                           */
    [GONE] = { "killed with its guard, cut off, frozen", 3, 1 },           /* T + tick + d                */
    [TWO_GONE] = { "the first two at once", 4, 1 },                        /* T + T/3 + tick + d          */
    [MUTE] = { "answers alone lost", 9, 0 },                               /* 3 T + d; also if requests of before it died reach a
                                                                              server late, and keep its session        */
    [TWO_MUTE] = { "answers alone lost, of the first two", 16, 0 },        /* 3 T from a look, each T/3, and 2 T for the second */
    [OUTAGE] = { "outage of the servers, stop", 3, 0 },                    /* T + d                       */
    [OUTAGE_KEEP] = { "outage of the servers, keep", 7, 0 },               /* 2 T + T/3 + d               */
    [FORGOTTEN] = { "servers that lost data", 15, 1 },                     /* 3 T until a new handle believes them, T in which
                                                                              nothing is claimed, T as after an outage */
    [DENIED] = { "rights taken and given back", 13, 0 },                   /* 2 T, the pause of rule 15, more than an outage */
};

static const char *skipped = ""; /* kinds of fault that do not strike */

struct worst { uint64_t gaps; double share; uint64_t seed; };


static struct totals {
    uint64_t seeds, faults, starts, claims;
    int64_t simulated;
    struct zk_counts zk;
    uint64_t kinds[64], rules[24][64];
    size_t most_blocks, most_bytes;
    double most_requests;
    struct worst worst[ROWS]; /* the longest gap, as a share of its bound              */
} totals;

/* T: of before the first fault that changes it, or the longest. */
static int64_t longest_timeout(void)
{
    return world.renegotiated ? world.longest : world.asked;
}

/* For decisions before the start: they must not depend on what happens later. */
static int64_t dice(int64_t least, int64_t most)
{
    uint64_t z = world.dice += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return most <= least ? least : least + (int64_t)(z % (uint64_t)(most - least + 1));
}

static bool dice_chance(int percent)
{
    return dice(1, 100) <= percent;
}

/* --- the story -------------------------------------------------------------------- */

static void tell_head(void)
{
    printf("%11.6f  ", (double)sim_now() / 1e9);
}

void sim_tell(const char *format, ...)
{
    if (!world.telling)
        return;
    va_list args;
    va_start(args, format);
    tell_head();
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

/* Whether a list with semicolons between has that name of n bytes. */
static bool listed(const char *list, const char *name, size_t n)
{
    for (const char *p = list; p; p = strchr(p, ';')) {
        p += *p == ';';
        if (!strncmp(p, name, n) && (p[n] == ';' || p[n] == '\0'))
            return true;
    }
    return false;
}

static bool fault_skipped(const char *name)
{
    return listed(skipped, name, strlen(name));
}

void sim_violation(const char *format, ...)
{
    va_list args;
    if (world.violation[0] || world.ending)
        return;
    va_start(args, format);
    vsnprintf(world.violation, sizeof world.violation, format, args);
    va_end(args);
    sim_tell("VIOLATION: %s", world.violation);
    os_stop();
}

static const char *process_role(const struct process *p)
{
    const struct instance *i = p->family ? p->family->instance : NULL;
    return !i ? "operator" : p->pid == i->candidate ? "candidate" : "guard";
}

/* What tells that a rule of the design, or the guard, has decided something: words of a log line; or, without them,
 * the outcome of a request (rules_request). */
enum { UNKNOWN_WRITE, UNKNOWN_CREATE, ANEW, BY_REQUEST };

static const struct { const char *rule, *text; } rules[] = {
    [UNKNOWN_WRITE] = { "5 unknown", NULL }, [UNKNOWN_CREATE] = { "9 create", NULL }, [ANEW] = { "10 anew", NULL },
    { "1 names", "is not ephemeral" }, { "2,3,8 claim", "leading, with fencing" }, { "3 too late", "command was not started" },
    { "4 resign", "info  resigned" }, { "6 lost", "error lost the lead" }, { "7 lease", "the lease ends soon" }, { "7 other T", "the servers allow" },
    { "11 proposal", "deleted our proposal" }, { "12 handle", "connecting anew" }, { "13 step-down", "asked to step" },
    { "14 unlike", "the leader has on-disconnect" }, { "15 rights", "is refused" }, { "16 foolish", "gives a session timeout" },
    { "17 base", "base node was deleted" }, { "18 mute", "keeps its session" }, { "guard dead", "guard process has died" },
    { "guard mute", "guard process does" }, { "orphan", "candidate process has died" }, { "will", "the dead candidate has left" },
    { "no guard", "cannot start the guard" },
};

static void rule_count(size_t rule)
{
    for (int i = 0; i < world.faults; i++) {
        const struct fault *f = &world.fault[i];
        if (f->working || (f->ended_at && sim_now() - f->ended_at < 2 * world.longest))
            totals.rules[rule][f->kind]++;
    }
}

static void rules_line(const char *message, size_t length)
{
    char line[200];
    snprintf(line, sizeof line, "%.*s", (int)length, message);
    for (size_t r = BY_REQUEST; r < COUNT(rules); r++)
        if (strstr(line, rules[r].text))
            rule_count(r);
}

static void rules_request(enum sim_moment moment, enum sim_request request, int host)
{
    bool runs = false;
    for (const struct run *r = world.runs; r; r = r->next)
        runs |= r->host == host && r->alive;
    if (moment == SIM_LOST && request == SIM_MULTI)
        rule_count(UNKNOWN_WRITE);
    if (moment == SIM_LOST && request == SIM_CREATE)
        rule_count(UNKNOWN_CREATE);
    if (moment == SIM_LEARNED && request == SIM_CREATE && runs && !world.host[host].stop)
        rule_count(ANEW);
}

static bool tampered(const struct host *h);

/* The base as text; returns whether that host has written it. */
static bool base_written(int host, char data[2048])
{
    struct zk_view view;
    char mark[32];
    bool any = zk_look(BASE, &view);
    snprintf(data, 2048, "%.*s", any ? (int)view.length : 0, any ? view.data : "");
    snprintf(mark, sizeof mark, "\"hostname\":\"host%d\"", host);
    return strstr(data, mark) != NULL;
}

/* A `keep` leader that says that another leads, while the base names it, does not know its own bytes. */
static void judge_loss(int host, const char *message)
{
    const struct host *h = &world.host[host];
    char data[2048];
    if (!h->stop && !strncmp(message, "error lost the leadership: another cand", 39) && !tampered(h) && base_written(host, data))
        sim_violation("lost, though the base names it: host%d", host);
}

/* A log line without its time. */
void world_output(struct process *p, int fd, const char *text, size_t length)
{
    const char *end = text + length;
    if (fd == STDOUT_FILENO && p->pid == world.host[p->host].watcher) {
        watch_read(p->host, text, length);
        return;
    }
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end, *message = text;
        if (stop - text > 24 && text[4] == '-' && text[10] == ' ')
            message += strlen("2023-11-17 14:07:58.305 ");
        os_hash_add((uint64_t)(stop - message));
        if (strncmp(message, "trace", 5) != 0)
            rules_line(message, (size_t)(stop - message));
        if (!strncmp(message, "info  leading, ", 15))
            world.claims++;
        judge_loss(p->host, message);
        if (world.tracing || strncmp(message, "trace", 5) != 0)
            sim_tell("host%d %s %d: %.*s", p->host, process_role(p), p->pid, (int)(stop - message), message);
        text = stop + 1;
    }
}

/* --- candidates ------------------------------------------------------------------------ */

static void candidate_entry(void)
{
    const struct host *h = &world.host[sim_host()];
    bool cron = world.story == STORY_CRON;
    char id[32], servers[256] = "", timeout[32], stop[32], catch_up[32];
    snprintf(id, sizeof id, "host%d", sim_host());
    snprintf(timeout, sizeof timeout, "%" PRId64 "ms", h->timeout / SIM_MS);
    snprintf(stop, sizeof stop, "%" PRId64 "ms", h->stop_timeout / SIM_MS);
    for (int s = 0; s < world.servers; s++)
        snprintf(servers + strlen(servers), sizeof servers - strlen(servers), "%s10.0.0.%d:2181", s ? "," : "", s + 1);
    snprintf(catch_up, sizeof catch_up, "%" PRId64 "s", world.cron.catch_up / SIM_SECOND);
    char *argv[] = { "ballot", "run", cron ? "cron" : "once", "--candidate-id", id, "--zookeeper-servers", servers, "--zookeeper-base-path", BASE,
                     "--zookeeper-session-timeout", timeout, "--stop-timeout", stop, "--on-disconnect", h->stop ? "stop" : "keep",
                     "--on-child-success", (char *)(uintptr_t)h->on_success, "--on-child-error", (char *)(uintptr_t)h->on_error,
                     "--log-level", "trace", "--restart-delay", "100ms", "--restart-delay-max", "400ms", "--", "command", NULL };
    char *scheduled[] = { "--schedule", (char *)(uintptr_t)cron_spec(), "--catch-up", catch_up, "--dst", world.cron.dst_wall ? "wall" : "vixie",
                          "--on-election-failure", world.anyway ? "run-anyway" : "retry" };
    char *all[COUNT(argv) + COUNT(scheduled)];
    size_t words = 3, more = cron ? COUNT(scheduled) : 0;
    memcpy(all, argv, words * sizeof *all);
    memcpy(all + words, scheduled, more * sizeof *all);
    memcpy(all + words + more, argv + words, sizeof argv - words * sizeof *all);
    sim_exit(sim_ballot_main((int)(COUNT(argv) + more) - 1, all));
}

char *world_time_zone(void)
{
    return world.story == STORY_CRON ? cron_zone() : NULL;
}

static void operator_entry(void)
{
    char servers[] = "10.0.0.1:2181,10.0.0.2:2181,10.0.0.3:2181";
    char *argv[] = { "ballot", "step-down", "--zookeeper-servers", servers, "--zookeeper-base-path", BASE, NULL };
    if (world.servers == 1)
        servers[strlen("10.0.0.1:2181")] = '\0';
    sim_exit(sim_ballot_main(COUNT(argv) - 1, argv));
}

static void watcher_entry(void)
{
    char servers[256] = "", timeout[32];
    snprintf(timeout, sizeof timeout, "%" PRId64 "ms", world.asked / SIM_MS);
    for (int s = 0; s < world.servers; s++)
        snprintf(servers + strlen(servers), sizeof servers - strlen(servers), "%s10.0.0.%d:2181", s ? "," : "", s + 1);
    char *argv[] = { "ballot", "watch", "-o", "json", "--zookeeper-servers", servers, "--zookeeper-base-path", BASE,
                     "--zookeeper-session-timeout", timeout, NULL };
    sim_exit(sim_ballot_main(COUNT(argv) - 1, argv));
}

static void watcher_start(void *arg)
{
    struct host *h = &world.host[(intptr_t)arg];
    if (!h->watches || h->down || h->watcher || world.ending)
        return;
    h->watcher = os_spawn((int)(intptr_t)arg, watcher_entry)->pid;
    h->watches_at = sim_now();
    watch_born((int)(intptr_t)arg, h->watcher);
}

static void host_start(void *arg)
{
    int number = (int)(intptr_t)arg;
    struct host *h = &world.host[number];
    if (h->down || h->candidate || world.ending)
        return;
    for (int i = 0; i < PROCESSES; i++) /* what the last one left: a service manager ends it */
        if (os_each(i) && os_each(i)->host == number && os_each(i)->pid != h->watcher) {
            h->swept_at = sim_now();
            os_kill(os_each(i), SIGKILL);
        }
    struct process *p = os_spawn(number, candidate_entry);
    struct instance *new = calloc(1, sizeof *new);
    assert(new);
    *new = (struct instance){ .next = world.instances, .host = number, .candidate = p->pid, .helpless_at = -1, .started = sim_now() };
    world.instances = p->family->instance = h->instance = new;
    h->candidate = p->pid;
    world.calm_since = sim_now();
    sim_tell("host%d starts candidate %d", number, p->pid);
}

static bool process_out(int pid)
{
    const struct process *p = os_process(pid);
    return !p || p->state != ALIVE || p->frozen;
}

/* Candidate and guard: if neither can act, nobody ends the command. */
static void instance_look(struct instance *i)
{
    const struct process *p = os_process(i->candidate);
    if (p && p->state == ALIVE)
        i->guard = p->family->guard;
    bool helpless = i->guard && process_out(i->candidate) && process_out(i->guard);
    if (i->helpless || helpless)
        i->helpless_at = sim_now();
    i->helpless = helpless;
}

/* Cut off, or farther than a round trip of T/8, from every server that runs and reaches the others, or from all but
 * the servers' leader, which it finds by chance; or it does not run itself. */
static bool host_lost(const struct host *h)
{
    const struct process *c = os_process(h->candidate), *g = h->instance ? os_process(h->instance->guard) : NULL;
    bool reached = false, cut = false;
    for (int s = 0; s < world.servers; s++) {
        bool away = h->cut_out[s] || h->cut_in[s] || world.lag[s] > world.shortest / 8;
        cut |= away;
        reached |= zk_server_runs(s) && !world.server_cut[s] && !away;
    }
    bool slow = h->slow > world.shortest / 16 || world.lagging;
    return h->mute_in || h->mute_out || slow || (cut && !reached) || (c && c->frozen) || (g && g->frozen);
}

/* The proposal that the base names, or else the first. */
static bool proposal_path(char *path, size_t size, bool leader)
{
    struct zk_view view;
    const char *mark = "\"proposalNode\":\"", *name = zk_child(BASE, 0);
    if (leader && zk_look(BASE, &view) && view.length) {
        char data[2048];
        snprintf(data, sizeof data, "%.*s", (int)view.length, view.data);
        const char *at = strstr(data, mark);
        if (!at)
            return false;
        snprintf(path, size, "%.*s", (int)strcspn(at + strlen(mark), "\""), at + strlen(mark));
        return true;
    }
    if (!name || strncmp(name, "proposal-", 9) != 0)
        return false;
    snprintf(path, size, "%s/%s", BASE, name);
    return true;
}

/* Whether the base names a proposal of that host that stands. */
static bool base_names(const struct host *h, char *path, size_t size)
{
    struct zk_view view;
    return zk_look(BASE, &view) && view.length && proposal_path(path, size, true) && zk_look(path, &view) &&
           zk_session_host(view.ephemeral_owner) == h - world.host;
}

/* Whose proposal that stands the base names; -1: nobody's. */
static int named_host(void)
{
    char path[512];
    for (int i = 0; i < world.hosts; i++)
        if (base_names(&world.host[i], path, sizeof path))
            return i;
    return -1;
}

/* It is about to lose its session or its proposal; or it breaks a connection, which it needs for the next one. */
static void evict(struct host *h, bool loses)
{
    if (h->evicted[0])
        h->trips += 12;
    else if (loses && base_names(h, h->evicted, sizeof h->evicted)) {
        h->trips = 12;
        h->unable = h->denied ? world.longest : 0; /* it has been silent before */
        h->was_unable = false;
    } else
        h->evicted[0] = '\0';
}

/* Whether a majority of the servers runs and can reach each other, whatever their leader knows of it yet. */
static bool servers_agree(void)
{
    int together = 0;
    for (int s = 0; s < world.servers; s++)
        together += zk_server_runs(s) && !world.server_cut[s];
    return 2 * together > world.servers;
}

/* A leader that loses its session, or its proposal, by a fault has about T: then the others have counted its silence.
 * Within that it makes another one and has the base name it (rule 10), or reads that it has none: six round trips
 * there and back, as many again after each break. Where they take longer, or nothing can be written for half of the
 * time, it counts as cut off: until the base names it again, or, once another leads, while it could not read that. */
static void evicted_look(struct host *h)
{
    char named[512] = "";
    bool unable = world.global || h->denied || !zk_serves() || !servers_agree() || sim_now() < h->deaf_until;
    if (!h->evicted[0])
        return;
    h->unable += h->was_unable ? sim_now() - h->looked_at : 0;
    h->looked_at = sim_now();
    h->was_unable = unable;
    bool again = base_names(h, named, sizeof named) && strcmp(named, h->evicted) != 0;
    if (2 * h->unable + h->trips * world.slowest > world.shortest && (unable || !strcmp(named, h->evicted)))
        h->lost_at = sim_now();
    if (again)
        h->evicted[0] = '\0';
}

static void instances_look(void)
{
    for (struct instance *i = world.instances; i; i = i->next)
        instance_look(i);
    for (struct host *h = world.host; h < world.host + world.hosts; h++) {
        h->unheard = h->unheard || host_lost(h);
        h->denied = h->denials || (h->denied && h->unheard);
        if (h->unheard)
            h->lost_at = sim_now();
        if (h->denied)
            h->denied_at = sim_now();
        evicted_look(h);
    }
}

/* --- commands ----------------------------------------------------------------------------- */

/* What a command's process is like: its script[]. */
enum { LIFE_MS, STATUS, TERM_MS, CHILD_MS, CHILD_KIND, GENERATION };
enum { CHILD_NONE, CHILD_IN_GROUP, CHILD_LEAVES, CHILD_ORPHAN };
#define IGNORES_TERM (-1)

static void command_script(struct process *p, int generation)
{
    int64_t T = world.longest / SIM_MS;
    const struct host *h = &world.host[p->host];
    bool brief = sim_chance(25), child = sim_chance(generation == 0 ? 35 : 20) && generation < 3;
    p->script[LIFE_MS] = (int)(brief ? sim_between(0, T / 4) : sim_between(T, 30 * T));
    if (world.story == STORY_CRON)
        p->script[LIFE_MS] = (int)sim_between(0, sim_chance(80) ? cron_period() / SIM_MS / 2 : 3 * cron_period() / SIM_MS);
    p->script[STATUS] = sim_chance(75) ? 0 : (int)sim_between(1, 3);
    p->script[TERM_MS] = sim_chance(h->patience) ? 0 : sim_chance(60) ? (int)sim_between(0, h->stop_timeout / SIM_MS) : IGNORES_TERM;
    p->script[CHILD_MS] = (int)sim_between(0, sim_chance(50) ? 3 : T);
    p->script[CHILD_KIND] = child ? (int)sim_between(CHILD_IN_GROUP, CHILD_ORPHAN) : CHILD_NONE;
    p->script[GENERATION] = generation;
}

static void command_begin(struct process *p, int generation);

/* A step of a command that is due: not while it is stopped. */
static struct process *command_due(void *arg, void (*again)(void *))
{
    struct process *p = os_process((int)(intptr_t)arg);
    if (p && p->state == SCRIPTED && !p->frozen)
        return p;
    if (p && p->state == SCRIPTED)
        sim_at(sim_now() + 20 * SIM_MS, again, arg);
    return NULL;
}

static void command_end(void *arg)
{
    struct process *p = command_due(arg, command_end);
    if (p)
        os_kill(p, p->script[STATUS] << 8);
}

static void command_fork(void *arg)
{
    struct process *p = command_due(arg, command_fork);
    if (!p)
        return;
    struct process *child = os_child(p);
    int pid = child->pid;
    if (p->script[CHILD_KIND] != CHILD_IN_GROUP)
        child->group = pid;
    child->run->alive++;
    command_begin(child, p->script[GENERATION] + 1);
    if (p->script[CHILD_KIND] != CHILD_ORPHAN || !os_process(pid))
        return;
    struct process *orphan = os_child(child);
    orphan->run->alive++;
    command_begin(orphan, p->script[GENERATION] + 2);
    os_kill(child, 0);
}

static void command_begin(struct process *p, int generation)
{
    command_script(p, generation);
    void *pid = (void *)(intptr_t)p->pid;
    sim_at(sim_now() + p->script[LIFE_MS] * SIM_MS, command_end, pid);
    if (p->script[CHILD_KIND] != CHILD_NONE)
        sim_at(sim_now() + p->script[CHILD_MS] * SIM_MS, command_fork, pid);
}

static void judge_touch(const struct process *p);

void world_signalled(struct process *p, int number)
{
    if (number == SIGKILL || number == SIGTERM)
        judge_touch(p);
    if (number == SIGKILL) {
        os_kill(p, SIGKILL);
        return;
    }
    if (number == SIGCHLD || number == SIGCONT || number == SIGSTOP || p->script[TERM_MS] == IGNORES_TERM)
        return;
    sim_at(sim_now() + p->script[TERM_MS] * SIM_MS + sim_between(0, SIM_MS), command_end, (void *)(intptr_t)p->pid);
}

/* --- the judges of commands ------------------------------------------------------------------ */

/* For how long a fault excuses what comes after it. */
static int64_t excuse_span(const struct host *h)
{
    return 2 * longest_timeout() + h->stop_timeout + 4 * world.slowest;
}

static bool recent(int64_t at, const struct host *h)
{
    return at >= 0 && sim_now() - at <= excuse_span(h);
}

static bool instance_excused(const struct instance *i)
{
    return i->killed || i->helpless || recent(i->helpless_at, &world.host[i->host]);
}

/* By a stranger. */
static bool meddled(const struct host *h)
{
    return world.tampering || (world.tampered_at >= 0 && sim_now() - world.tampered_at <= 3 * excuse_span(h));
}

static bool rolled_back(const struct host *h)
{
    bool unseen = zk_counts()->rollbacks != world.rollbacks; /* see rollback_look() */
    return unseen || (world.unknown_until && sim_now() - world.unknown_until <= 3 * excuse_span(h));
}

static bool tampered(const struct host *h)
{
    return meddled(h) || rolled_back(h);
}

/* Rule 12: whoever has seen what the servers have lost waits until a leader of `stop` has stopped. Who was cut off
 * from its start until then has seen nothing: not its T either, where that is not everybody's. */
static bool must_know(const struct instance *i, const struct run *older)
{
    return world.host[older->host].stop && world.rolled_at && older->started < world.rolled_at && i->told_lost &&
           (world.longest == world.shortest || i->told_lost >= older->started) &&
           i->started < world.rolled_at - 3 * world.longest;
}

/* Also where a Go ballot took the lead: it counts the silence of an outage, too, and may resign before a
 * heartbeat shows it. */
static bool disturbed(const struct run *r)
{
    const struct host *h = &world.host[r->host];
    return host_lost(h) || recent(h->lost_at, h) || recent(world.go_took_at, h);
}

static bool emptied_alone(const struct run *r);
static bool go_runs(void);
static void go_expire(void *life);

/* What was promised upon what the servers have lost is lost, too. */
static void rollback_look(void)
{
    if (zk_counts()->rollbacks == world.rollbacks)
        return;
    world.rollbacks = zk_counts()->rollbacks;
    world.rolled_at = world.unknown_until = world.calm_since = sim_now();
    for (struct instance *i = world.instances; i; i = i->next)
        i->told_lost = i->told_at > zk_counts()->rolled_to ? i->told_at : 0;
    world.last_token = 0;
    cron_forgotten();
    world.go.frozen = true; /* it ends, and what is back of its proposals expires again */
    sim_at(sim_now() + world.asked, go_expire, (void *)(intptr_t)world.go.life);
}

/* Forked within its lease, but it could only execute the command when its machine went on: the guard kills it at once. */
static bool thawed(const struct instance *i)
{
    return i->helpless || (i->helpless_at >= 0 && sim_now() - i->helpless_at < world.shortest / 20);
}

/* It may count its lease as over, and go on: 2/3 of the shortest T, by a clock that may be fast, after the sending of
 * its last heartbeat that was answered. So it may have decided when it was held up behind that. */
static bool alone(const struct host *h)
{
    bool decided = h->alone_at && sim_now() - h->alone_at < world.longest / 20 + 100 * SIM_MS;
    return !h->stop && (decided || sim_now() - h->answered > world.shortest / 2);
}

static void judge_start(const struct run *new)
{
    const struct host *h = &world.host[new->host];
    instances_look();
    rollback_look();
    if (!new->token) /* run-anyway */
        return;
    bool goes_on = world.story == STORY_CRON && alone(h);
    bool longer = new->instance->advertised > world.asked; /* than the T of a Go ballot, which counts by its own */
    if (go_runs() && !goes_on && !longer && !thawed(new->instance) && !tampered(h))
        sim_violation("two commands (Go): the Go ballot's, host%d's since now", new->host);
    for (const struct run *r = world.runs; r; r = r->next) {
        const struct host *older = &world.host[r->host];
        bool knows = emptied_alone(r) && r->started < world.emptied_at - world.longest && /* who led before: */
                     new->instance->started < world.emptied_at - 3 * world.longest; /* it has read that */
        if (r == new || !r->alive || !r->token || instance_excused(r->instance) || thawed(new->instance) ||
            (tampered(older) && !knows && (meddled(older) || !must_know(new->instance, r))))
            continue;
        if (!goes_on && (older->stop || !disturbed(r)))
            sim_violation("two commands (%s): host%d's since %.3f, host%d's since now", older->stop ? "stop" : "keep",
                          r->host, (double)r->started / 1e9, new->host);
    }
    bool again = new->token == world.last_token && new->host == world.last_host; /* rerun */
    if (goes_on)
        return;
    if (new->token <= world.last_token && !again && !thawed(new->instance) && !tampered(h))
        sim_violation("token out of order: host%d starts with %" PRId64 " after %" PRId64, new->host, new->token, world.last_token);
    if (new->token > world.last_token || tampered(h)) {
        world.last_token = rolled_back(h) ? 0 : new->token; /* it may not know yet */
        world.last_host = new->host;
    }
}

static void judge_lease(const struct run *r)
{
    const struct host *h = &world.host[r->host];
    if (!h->stop || !r->instance->lease_end || instance_excused(r->instance) || tampered(h))
        return;
    int64_t over = os_boot_clock(r->host) - r->instance->lease_end;
    if (over > h->timeout / 20 + 20 * SIM_MS)
        sim_violation("lease outlived: host%d's command by %" PRId64 " ms", r->host, over / SIM_MS);
}

static bool cron_steady(const struct host *h);

static void cron_start(const struct process *p, bool executed)
{
    const struct host *h = &world.host[p->host];
    enum cron_contact contact = !p->token ? CRON_ANYWAY : thawed(p->family->instance) ? CRON_THAWED : alone(h) ? CRON_ALONE : CRON_IN_CONTACT;
    sim_tell("host%d command %d is for %s", p->host, p->pid, p->scheduled);
    cron_started(p->host, h->candidate, p->scheduled, cron_steady(h), contact, executed);
}

bool world_exec(struct process *p)
{
    const struct family *f = p->family;
    bool fails = sim_chance(2) && !world.ending;
    if (world.story == STORY_CRON)
        cron_start(p, !fails);
    if (fails) {
        world.calm_since = sim_now(); /* it ends as if it had started, and delays the next start as much */
        return false;
    }
    struct run *new = calloc(1, sizeof *new);
    assert(new && f->instance);
    *new = (struct run){ .next = world.runs, .instance = f->instance, .alive = 1, .token = p->token,
                          .started = sim_now(), .first = p->pid, .host = p->host };
    world.runs = p->run = new;
    world.starts++;
    strcpy(p->name, "command");
    sim_tell("host%d command %d starts, token %" PRId64, p->host, p->pid, p->token);
    judge_start(new);
    command_begin(p, 0);
    p->state = SCRIPTED;
    return true;
}

static void run_leave(struct process *p)
{
    struct run *r = p->run;
    world.ran_at = sim_now();
    if (--r->alive > 0)
        return;
    world.ran_host = r->host;
    sim_tell("host%d the last of its command is dead", r->host);
    if (world.story == STORY_CRON)
        cron_ended(r->host, WIFSIGNALED(p->status));
    instances_look();
    judge_lease(r);
    for (struct run **at = &world.runs; *at; at = &(*at)->next)
        if (*at == r) {
            *at = r->next;
            free(r);
            return;
        }
}

static void host_restart(int number, int64_t delay)
{
    sim_at(sim_now() + delay, host_start, (void *)(intptr_t)number);
}

void world_ended(struct process *p)
{
    struct instance *i = p->family ? p->family->instance : NULL;
    struct host *h = &world.host[p->host];
    if (p->run)
        run_leave(p);
    if (i && (p->pid == i->candidate || p->pid == i->guard)) {
        i->guard = p->pid == i->candidate ? p->family->guard : i->guard;
        instance_look(i);
        i->killed = process_out(i->candidate) && process_out(i->guard) && p->status == SIGKILL;
        h->swept_at = i->killed ? sim_now() : h->swept_at;
        sim_tell("host%d %s %d is dead, status %d", p->host, process_role(p), p->pid, p->status);
    }
    if (p->pid == h->watcher) {
        h->watcher = 0;
        sim_at(sim_now() + world.asked / 10, watcher_start, (void *)(intptr_t)p->host);
    }
    if (p->pid != h->candidate)
        return;
    h->candidate = 0;
    h->died_at = sim_now();
    world.calm_since = sim_now();
    if (!h->down && !world.ending)
        host_restart(p->host, sim_between(world.longest / 50, world.longest));
}

/* --- links ------------------------------------------------------------------------------------- */

bool sim_link(int from, int to, int64_t *delay)
{
    bool out = from < SIM_SERVER;
    if (from >= SIM_SERVER && to >= SIM_SERVER) {
        *delay = sim_between(100000, 1000000);
        return !world.server_cut[from - SIM_SERVER] && !world.server_cut[to - SIM_SERVER];
    }
    const struct host *h = &world.host[out ? from : to];
    int server = (out ? to : from) - SIM_SERVER;
    *delay = h->base_delay + sim_between(0, h->base_delay / 8) + (h->slow ? sim_between(h->slow / 2, h->slow) : 0);
    return !(out ? h->cut_out : h->cut_in)[server];
}

bool sim_mute(int from, int to)
{
    return to < SIM_SERVER ? world.host[to].mute_in : from < SIM_SERVER && world.host[from].mute_out;
}

int64_t world_latency(const struct process *p)
{
    int64_t busy = world.host[p->host].busy;
    return sim_between(10000, 60000) + (busy && sim_chance(20) ? sim_between(0, busy) : 0);
}

bool world_fork_fails(struct process *p)
{
    return world.host[p->host].no_fork;
}

/* --- faults ---------------------------------------------------------------------------------------- */

static int leader_host(void)
{
    for (const struct run *r = world.runs; r; r = r->next)
        if (r->alive)
            return r->host;
    return -1;
}

/* Of the first in the queue that is not that host; or it. */
static int next_host(int leader)
{
    struct zk_view view;
    const char *name;
    char path[256];
    for (int i = 0; (name = zk_child(BASE, i)); i++) {
        snprintf(path, sizeof path, BASE "/%s", name);
        int host = zk_look(path, &view) && view.ephemeral_owner ? zk_session_host(view.ephemeral_owner) : -1;
        if (host >= 0 && host != leader)
            return host;
    }
    return leader;
}

static struct process *candidate_of(int host)
{
    return os_process(world.host[host].candidate);
}

static struct process *guard_of(int host)
{
    const struct process *c = candidate_of(host);
    return c && c->family ? os_process(c->family->guard) : NULL;
}

static void freeze(struct process *p, bool frozen)
{
    if (p && p->state != ZOMBIE)
        os_freeze(p, frozen);
}

static void end_process(struct process *p)
{
    if (p && p->state != ZOMBIE)
        os_signal(p, SIGKILL);
}

static void kill_candidate(struct fault *f) { end_process(candidate_of(f->struck)); }
static void kill_guard(struct fault *f) { end_process(guard_of(f->struck)); }

static void kill_both(struct fault *f)
{
    const struct process *guard = guard_of(f->struck);
    int pid = guard ? guard->pid : 0;
    end_process(candidate_of(f->struck));
    end_process(os_process(pid));
}

static void freeze_one(struct fault *f, struct process *p)
{
    f->pid = p ? p->pid : 0;
    freeze(p, true);
}

static void freeze_candidate(struct fault *f) { freeze_one(f, candidate_of(f->struck)); }
static void freeze_guard(struct fault *f) { freeze_one(f, guard_of(f->struck)); }
static void thaw_one(struct fault *f) { freeze(os_process(f->pid), false); } /* not the one that has replaced it */

static void machine(int host, bool frozen)
{
    for (int i = 0; i < PROCESSES; i++)
        if (os_each(i) && os_each(i)->host == host)
            freeze(os_each(i), frozen);
}

static void freeze_machine(struct fault *f) { machine(f->struck, true); }
static void thaw_machine(struct fault *f) { machine(f->struck, false); }

/* The clocks go on, but for what its processes have still to wait; nothing reaches it. */
static void asleep(int host, bool frozen)
{
    for (int i = 0; i < PROCESSES; i++)
        if (os_each(i) && os_each(i)->host == host)
            os_sleep(os_each(i), frozen);
}

static void cut(int host, int out, int in)
{
    for (int s = 0; s < world.servers; s++) {
        world.host[host].cut_out[s] += out;
        world.host[host].cut_in[s] += in;
    }
}

static void suspend_machine(struct fault *f)
{
    cut(f->struck, 1, 1);
    asleep(f->struck, true);
}

static void wake_machine(struct fault *f)
{
    cut(f->struck, -1, -1);
    asleep(f->struck, false);
}

static void crash_machine(struct fault *f)
{
    struct host *h = &world.host[f->struck];
    cut(f->struck, 1, 1);
    h->down = true;
    for (int i = 0; i < PROCESSES; i++)
        if (os_each(i) && os_each(i)->host == f->struck)
            end_process(os_each(i));
}

static void boot_machine(struct fault *f)
{
    cut(f->struck, -1, -1);
    world.host[f->struck].down = !world.host[f->struck].present;
    host_restart(f->struck, 1);
    watcher_start((void *)(intptr_t)f->struck);
}

static void term(struct fault *f)
{
    if (candidate_of(f->struck))
        os_signal(candidate_of(f->struck), SIGTERM);
}

static void busy(struct fault *f) { world.host[f->struck].busy = world.host[f->struck].timeout / 60; }
static void idle(struct fault *f) { world.host[f->struck].busy = 0; }
static void fork_fails(struct fault *f) { world.host[f->struck].no_fork = true; }
static void fork_works(struct fault *f) { world.host[f->struck].no_fork = false; }
static void cut_both(struct fault *f) { cut(f->struck, 1, 1); }
static void join_both(struct fault *f) { cut(f->struck, -1, -1); }
static void cut_answers(struct fault *f) { cut(f->struck, 0, 1); }
static void join_answers(struct fault *f) { cut(f->struck, 0, -1); }
static void cut_requests(struct fault *f) { cut(f->struck, 1, 0); }
static void join_requests(struct fault *f) { cut(f->struck, -1, 0); }

static void mute_answers(struct fault *f) { world.host[f->struck].mute_in++; }
static void hear_answers(struct fault *f) { world.host[f->struck].mute_in--; }
static void mute_requests(struct fault *f) { world.host[f->struck].mute_out++; }
static void hear_requests(struct fault *f) { world.host[f->struck].mute_out--; }

static void cut_one(struct fault *f)
{
    world.host[f->struck].cut_out[f->server]++;
    world.host[f->struck].cut_in[f->server]++;
}

static void join_one(struct fault *f)
{
    world.host[f->struck].cut_out[f->server]--;
    world.host[f->struck].cut_in[f->server]--;
}

static void slow(struct fault *f) { world.host[f->struck].slow = f->amount; }
static void fast(struct fault *f) { world.host[f->struck].slow = 0; }
static void cut_server(struct fault *f) { world.server_cut[f->server]++; }
static void join_server(struct fault *f) { world.server_cut[f->server]--; }
static void reset_connection(struct fault *f) { zk_disconnect(f->struck, true); }

/* Its library finds out after 2/3 T, its watchdog, if there is another server, after T/5. */
static void lose_connection(struct fault *f)
{
    zk_disconnect(f->struck, false);
    world.host[f->struck].deaf_until = sim_now() + longest_timeout() / 15 * (world.servers == 1 ? 10 : 3);
}

static void server_kill(struct fault *f) { zk_server_kill(f->server); }
static void server_start(struct fault *f) { zk_server_start(f->server, ZK_KEPT); }
static void server_stale(struct fault *f) { zk_server_start(f->server, ZK_STALE); }
static void server_lost(struct fault *f) { zk_server_start(f->server, ZK_LOST); }
static void server_freeze(struct fault *f) { zk_server_freeze(f->server, true); }
static void server_thaw(struct fault *f) { zk_server_freeze(f->server, false); }
static void all_kill(struct fault *f) { (void)f; zk_server_kill(-1); }
static void all_start(struct fault *f) { (void)f; zk_server_start(-1, ZK_KEPT); }
static void all_stale(struct fault *f) { (void)f; zk_server_start(-1, ZK_STALE); }
static void all_lost(struct fault *f) { (void)f; zk_server_start(-1, ZK_LOST); }
static void all_freeze(struct fault *f) { (void)f; zk_server_freeze(-1, true); }
static void all_thaw(struct fault *f) { (void)f; zk_server_freeze(-1, false); }

static void most(void (*fn)(int))
{
    for (int s = 0; s <= world.servers / 2; s++)
        fn(s);
}

static void start_kept(int server) { zk_server_start(server, ZK_KEPT); }
static void most_kill(struct fault *f) { (void)f; most(zk_server_kill); }
static void most_start(struct fault *f) { (void)f; most(start_kept); }
static void nothing(struct fault *f) { (void)f; }
static void stall(struct fault *f) { zk_disk_stall(f->server, f->span); }
static int lagging_server(const struct fault *f) { return f->amount % 2 ? f->server : -1; } /* or all followers */
static bool lag_all(const struct fault *f) { return lagging_server(f) < 0 && f->amount > world.shortest / 8; }

static void lag_set(const struct fault *f, int64_t span)
{
    int only = lagging_server(f);
    for (int s = 0; s < world.servers; s++)
        world.lag[s] = only < 0 || s == only ? span : world.lag[s];
    zk_follower_lag(only, span);
}

static void lag(struct fault *f)
{
    world.lagging += lag_all(f);
    lag_set(f, f->amount);
}

static void lag_no_more(struct fault *f)
{
    world.lagging -= lag_all(f);
    lag_set(f, 0);
}

static void forget(struct fault *f) { zk_server_forget(f->server); }
static void elect(struct fault *f) { (void)f; zk_leader_resign(); }
static void expire(struct fault *f)
{
    evict(&world.host[f->struck], true);
    zk_session_expire(f->struck);
}

static void renegotiate(struct fault *f)
{
    zk_timeouts(-1, f->amount, f->amount);
    zk_disconnect(f->struck, true);
}

static void negotiate_all(struct fault *f)
{
    zk_timeouts(-1, f->amount, f->amount);
    for (int h = 0; h < world.hosts; h++)
        zk_disconnect(h, true);
}

static void negotiate(struct fault *f) { (void)f; zk_timeouts(-1, world.options.least, world.options.most); }
static void clock_rate(struct fault *f) { os_clock(f->struck, 1000 + (int)(f->amount % 101) * (f->span % 2 ? 1 : -1), 0); }
static void clock_true(struct fault *f) { os_clock(f->struck, 1000, 0); }
/* Seen by a leader meanwhile, it is a clock that is off, also where the servers' is set as well. */
static void clock_sets(int host, int64_t step)
{
    world.host[host].off_at = sim_now();
    os_clock(host, 1000, step);
}

static void clock_set(struct fault *f) { clock_sets(f->struck, f->amount); }
static void clock_back(struct fault *f) { clock_sets(f->struck, f->back ? -f->amount : 0); }

static void servers_set_by(int64_t step)
{
    zk_clock(step);
    for (int h = 0; h < world.hosts; h++)
        world.host[h].off_at = sim_now();
}

static void servers_set(struct fault *f) { servers_set_by(f->amount); }
static void servers_back(struct fault *f) { servers_set_by(f->back ? -f->amount : 0); }

static void all_set_by(int64_t step)
{
    zk_clock(step);
    for (int h = 0; h < world.hosts; h++)
        clock_sets(h, step);
}

static void all_set(struct fault *f) { all_set_by(f->amount); }
static void all_back(struct fault *f) { all_set_by(f->back ? -f->amount : 0); }
static void clock_step(struct fault *f) { os_clock(f->struck, 1000, (f->amount - world.longest) * 1000); }

static void delete_proposal(struct fault *f)
{
    char path[512];
    struct zk_view view;
    if (!proposal_path(path, sizeof path, f->leader))
        return;
    for (struct host *h = world.host; h < world.host + world.hosts; h++)
        if (zk_look(path, &view) && zk_session_host(view.ephemeral_owner) == h - world.host)
            evict(h, true);
    zk_stranger_delete(path);
}

static void delete_base(struct fault *f)
{
    (void)f;
    zk_stranger_delete(BASE);
    cron_forgotten();
}

static void delete_record(struct fault *f)
{
    (void)f;
    zk_stranger_delete(BASE "/schedule");
    cron_forgotten();
}

/* With nonsense, or with what a clock that is years ahead would have written. */
static void overwrite_record(struct fault *f)
{
    char json[200];
    snprintf(json, sizeof json, "{\"schedule\":\"%s\",\"activation\":\"2031-01-01T00:00:00Z\"}", cron_spec());
    zk_stranger_set(BASE "/schedule", f->amount % 2 ? json : "{\"schedule\":7");
    cron_forgotten();
}

static void overwrite_base(const char *data)
{
    world.emptied_first = next_host(-1);
    world.emptied_at = sim_now();
    zk_stranger_set(BASE, data);
}

static void empty_base(struct fault *f) { (void)f; overwrite_base(""); }
static void rewrite_base(struct fault *f) { (void)f; overwrite_base("{\"candidateId\":7"); }
static void odd_child(struct fault *f) { (void)f; zk_stranger_create(BASE "/proposal-", "x", true, false); }

static void deny(int host, int more)
{
    for (int h = 0; h < world.hosts; h++)
        world.host[h].denials += host == h || host < 0 ? more : 0;
}

static void refuse(struct fault *f)
{
    deny(-1, 1);
    world.rights_taken = true;
    zk_stranger_access(BASE, (enum zk_access)(ZK_READ_ONLY + f->amount % 4));
}

static void allow(struct fault *f)
{
    (void)f;
    deny(-1, -1);
    world.rights_taken = false;
}

static void refuse_one(struct fault *f)
{
    deny(f->struck, 1);
    zk_host_refuse(f->struck, true);
}

static void allow_one(struct fault *f)
{
    deny(f->struck, -1);
    zk_host_refuse(f->struck, false);
}

/* --- a Go ballot in the queue: one at a time ------------------------------------------------------- */

/* It leads when it stands first and the base is empty or has been silent for T; it beats each T/2, and one failed
 * beat silences it for ever, while its command runs on. */
static void go_beat(struct go *go)
{
    char data[512];
    int64_t T = world.asked;
    snprintf(data, sizeof data, "{\"candidateId\":\"go\",\"hostname\":\"go\",\"pid\":\"1\",\"proposalNode\":\"%s\",\"sessionTimeout\":\"%" PRId64 "s\"}",
             go->proposal, T / SIM_SECOND);
    struct zk_view base;
    bool done = zk_look(BASE, &base) && (!go->leads || base.version == go->version) && zk_stranger_set(BASE, data) == 0;
    if (done && !go->leads && base.length)
        world.go_took_at = sim_now();
    if (done != go->leads)
        sim_tell("the Go ballot %s", done ? "leads" : "is silent from now on");
    go->beat_at = sim_now() + T / 2;
    go->silent = go->leads && !done;
    go->version = base.version + 1;
    go->leads = go->leads || done;
    world.go_led = world.go_led || go->leads;
}

/* The first ephemeral child of the base, or the first of that session; false: there is none. */
static bool queue_find(int64_t session, char *path, size_t size)
{
    struct zk_view view;
    const char *name;
    for (int i = 0; (name = zk_child(BASE, i)); i++) {
        snprintf(path, size, BASE "/%s", name);
        if (zk_look(path, &view) && view.ephemeral_owner && (!session || view.ephemeral_owner == session))
            return true;
    }
    return false;
}

static bool go_first(const struct go *go)
{
    char first[256];
    return queue_find(0, first, sizeof first) && !strcmp(first, go->proposal);
}

static void go_turn(void *arg)
{
    struct go *go = &world.go;
    struct zk_view base;
    if (go->life != (intptr_t)arg || go->frozen || world.ending)
        return;
    sim_at(sim_now() + world.asked / 10, go_turn, arg);
    if (!queue_find(GO_SESSION, go->proposal, sizeof go->proposal) || go->silent || !zk_look(BASE, &base) || sim_now() < go->beat_at)
        return;
    if (base.version != go->seen) {
        go->seen = base.version;
        go->seen_at = sim_now();
    }
    if (go->leads || (go_first(go) && (!base.length || sim_now() - go->seen_at > world.asked)))
        go_beat(go);
}

static void go_stand(struct fault *f)
{
    struct go *go = &world.go;
    if (go->of || zk_stranger_create(BASE "/proposal-", "{\"candidateId\":\"go\"}", true, true) != 0)
        return;
    *go = (struct go){ .life = go->life + 1, .of = f, .seen = -1 };
    sim_at(sim_now() + world.asked / 10, go_turn, (void *)(intptr_t)go->life);
}

/* What it asked before it died may be committed later: its proposal is looked for until another one stands. */
static void go_expire(void *arg)
{
    struct go *go = &world.go;
    if (go->life != (intptr_t)arg || world.ending)
        return;
    bool there = queue_find(GO_SESSION, go->proposal, sizeof go->proposal), waits = there || !zk_serves();
    if (there)
        zk_stranger_delete(go->proposal);
    if (there || (go->of && !waits))
        world.calm_since = sim_now();
    if (!waits)
        *go = (struct go){ .life = go->life, .frozen = true };
    sim_at(sim_now() + (waits && !there ? 10 * SIM_MS : world.asked / 10), go_expire, arg);
}

/* It resigns: the base first, if nobody has written it since, then its proposal. Or it dies, or is frozen: the
 * proposal is gone T later. */
static void go_leave(struct fault *f)
{
    struct go *go = &world.go;
    struct zk_view base;
    if (go->of != f)
        return;
    bool resigns = f->amount % 2 && zk_serves();
    if (resigns && go->leads && !go->silent && zk_look(BASE, &base) && base.version == go->version)
        zk_stranger_set(BASE, "");
    go->frozen = true;
    sim_at(sim_now() + (resigns ? 0 : world.asked), go_expire, (void *)(intptr_t)go->life);
}

/* Its command runs: nobody else's may start. */
static bool go_runs(void)
{
    char path[256];
    return world.go.leads && !world.go.frozen && queue_find(GO_SESSION, path, sizeof path);
}

static void step_down(struct fault *f)
{
    if (!world.host[f->struck].down)
        os_spawn(f->struck, operator_entry);
}

/* LOCAL: disturbs the host; DATA: may make two of one; THREE: of 3 servers; LONGER: its amount is a T;
 * GLOBAL: nobody can lead; UNREAD: who led cannot be read from the base any more;
 * REMOTE: the row of a host, by a fault of its server;
 * SWIZZLE: one host after the other, and they heal in another order;
 * PAIR: the leader and the next in the queue; CLOCKS: no election may care, but a schedule */
enum { LOCAL = 1, DATA = 2, THREE = 4, LONGER = 8, GLOBAL = 16, UNREAD = 32, REMOTE = 64, SWIZZLE = 128, PAIR = 256, CLOCKS = 512 };

static const struct kind {
    const char *name;
    int weight;
    enum row row;           /* how long nobody may run after it                    */
    int flags;
    void (*begin)(struct fault *);
    void (*end)(struct fault *);
} kinds[] = {
    { "kill candidate", 6, ENDED, LOCAL, kill_candidate, NULL }, { "kill guard", 6, ENDED, 0, kill_guard, NULL },
    { "kill both", 3, GONE, LOCAL, kill_both, NULL }, { "freeze candidate", 6, GONE, LOCAL, freeze_candidate, thaw_one },
    { "freeze guard", 6, GONE, LOCAL, freeze_guard, thaw_one }, { "freeze machine", 4, GONE, LOCAL, freeze_machine, thaw_machine },
    { "machine asleep", 3, GONE, LOCAL, suspend_machine, wake_machine }, { "swizzle", 2, GONE, LOCAL | SWIZZLE, cut_both, join_both },
    { "a Go ballot", 4, GONE, UNREAD, go_stand, go_leave },
    { "crash machine", 3, GONE, LOCAL, crash_machine, boot_machine }, { "SIGTERM", 3, ENDED, 0, term, NULL },
    { "busy machine", 3, ENDED, LOCAL, busy, idle }, { "no fork", 1, ENDED, 0, fork_fails, fork_works },
    { "cut", 8, GONE, LOCAL, cut_both, join_both }, { "answers lost", 10, MUTE, LOCAL, cut_answers, join_answers },
    { "requests lost", 4, MUTE, LOCAL, cut_requests, join_requests }, { "answers lost behind a proxy", 6, MUTE, LOCAL, mute_answers, hear_answers },
    { "requests lost behind a proxy", 3, MUTE, LOCAL, mute_requests, hear_requests }, { "cut from one server", 5, OUTAGE, LOCAL, cut_one, join_one },
    { "slow link", 5, MUTE, LOCAL, slow, fast }, { "server cut off", 3, MUTE, THREE | REMOTE, cut_server, join_server },
    { "connection reset", 8, OUTAGE, 0, reset_connection, NULL }, { "connection lost", 5, OUTAGE, 0, lose_connection, NULL },
    { "server killed", 6, OUTAGE, 0, server_kill, server_start }, { "server killed, stale", 1, FORGOTTEN, THREE, server_kill, server_stale },
    { "server killed, empty", 1, FORGOTTEN, THREE, server_kill, server_lost }, { "server frozen", 5, MUTE, REMOTE, server_freeze, server_thaw },
    { "ensemble killed", 2, OUTAGE, 0, all_kill, all_start }, { "ensemble killed, stale", 1, FORGOTTEN, 0, all_kill, all_stale },
    { "ensemble killed, empty", 1, FORGOTTEN, 0, all_kill, all_lost }, { "ensemble frozen", 3, OUTAGE, 0, all_freeze, all_thaw },
    { "majority killed", 2, OUTAGE, 0, most_kill, most_start }, { "disk stalls", 3, OUTAGE, GLOBAL, stall, nothing },
    { "follower lags", 4, MUTE, THREE | REMOTE, lag, lag_no_more }, { "server mute until a write", 2, MUTE, THREE | REMOTE, forget, nothing }, { "servers elect", 2, OUTAGE, THREE, elect, NULL },
    { "session expired early", 3, GONE, 0, expire, NULL }, { "T renegotiated", 8, OUTAGE, LONGER, renegotiate, negotiate },
    { "T renegotiated by all", 3, OUTAGE, LONGER, negotiate_all, negotiate }, { "clock rate", 3, GONE, 0, clock_rate, clock_true },
    { "clock set", 2, GONE, 0, clock_step, NULL }, { "proposal deleted", 3, GONE, 0, delete_proposal, NULL },
    { "base deleted", 1, GONE, DATA | UNREAD, delete_base, NULL }, { "base emptied", 2, GONE, DATA, empty_base, NULL },
    { "base rewritten", 2, GONE, DATA | UNREAD, rewrite_base, NULL }, { "odd child", 1, ENDED, 0, odd_child, NULL },
    { "rights taken", 2, DENIED, GLOBAL, refuse, allow }, { "rights of one taken", 3, DENIED, LOCAL, refuse_one, allow_one }, { "step-down", 3, ENDED, 0, step_down, NULL },
    { "answers lost, of the first two", 2, TWO_MUTE, LOCAL | PAIR, mute_answers, hear_answers },
    /* of run cron alone: dice_cron() */
    { "wall clock set", 0, ENDED, CLOCKS, clock_set, clock_back }, { "servers' clock set", 0, ENDED, CLOCKS, servers_set, servers_back },
    { "all clocks set", 0, ENDED, CLOCKS, all_set, all_back }, { "record deleted", 0, ENDED, CLOCKS, delete_record, NULL },
    { "record overwritten", 0, ENDED, CLOCKS, overwrite_record, NULL },
};

/* A leader whose base was overwritten, and nothing else has happened, keeps its place, the first, until its command is dead. */
static bool emptied_alone(const struct run *r)
{
    if (!world.emptied_at || r->host != world.emptied_first || r->started > world.emptied_at || world.rolled_at ||
        process_out(r->instance->candidate))
        return false;
    for (const struct fault *f = world.fault; f < world.fault + world.faults; f++)
        if (f->began_at && kinds[f->kind].begin != empty_base && kinds[f->kind].begin != rewrite_base &&
            (f->working || f->ended_at > world.emptied_at - 3 * world.longest))
            return false;
    return true;
}

static void fault_describe(const struct fault *f, char *out, size_t size)
{
    int n = snprintf(out, size, "%s, host%d, server %d, %" PRId64 " ms, amount %" PRId64 " ms", kinds[f->kind].name,
                     f->struck, f->server, f->span / SIM_MS, f->amount / SIM_MS);
    if (f->aim != AIM_NONE && n > 0 && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, ", aimed at %s %d/%d", f->aim == AIM_CALL ? f->call : "request", f->moment, f->request);
}

static void fault_end(void *arg)
{
    struct fault *f = &world.fault[(intptr_t)arg];
    const struct kind *k = &kinds[f->kind];
    struct host *h = &world.host[f->struck];
    if (!f->working || world.ending)
        return;
    instances_look();
    f->working = false;
    f->ended_at = sim_now();
    if (k->end)
        k->end(f);
    if (k->flags & LOCAL)
        h->disturbances--;
    if (k->flags & GLOBAL)
        world.global--;
    if (k->flags & DATA) {
        world.tampering--;
        world.last_token = 0;
    }
    world.tampered_at = k->flags & DATA ? sim_now() : world.tampered_at;
    world.calm_since = sim_now();
    instances_look();
    if (k->end)
        sim_tell("--- fault %d ends: %s, host%d", (int)(intptr_t)arg, k->name, f->struck);
}

static void fault_strike(struct fault *f)
{
    const struct kind *k = &kinds[f->kind];
    int leader = f->leader ? leader_host() : -1;
    leader = f->next ? next_host(leader) : leader;
    char text[160];
    f->struck = leader >= 0 ? leader : f->host;
    f->working = true;
    f->began_at = sim_now();
    if (k->flags & LOCAL)
        world.host[f->struck].disturbances++;
    world.renegotiated = world.renegotiated || k->flags & LONGER;
    bool one = k->flags & LOCAL || k->begin == reset_connection || k->begin == lose_connection || k->begin == renegotiate;
    for (struct host *h = world.host; k->row == OUTAGE && h < world.host + world.hosts; h++)
        if (!one || h == &world.host[f->struck])
            evict(h, false);
    if (k->flags & GLOBAL)
        world.global++;
    if (k->flags & DATA)
        world.tampering++;
    if (f->span > world.end_of_faults - sim_now())
        f->span = world.end_of_faults - sim_now();
    fault_describe(f, text, sizeof text);
    sim_tell("--- fault %d: %s", (int)(f - world.fault), text);
    instances_look();
    totals.kinds[f->kind]++;
    k->begin(f);
    instances_look();
    world.calm_since = sim_now();
    sim_at(sim_now() + (k->end ? f->span : 1), fault_end, (void *)(intptr_t)(f - world.fault));
}

static void fault_due(void *arg)
{
    struct fault *f = &world.fault[(intptr_t)arg];
    if (f->left_out || fault_skipped(kinds[f->kind].name) || sim_now() >= world.end_of_faults)
        return;
    if (f->aim == AIM_NONE) {
        fault_strike(f);
        return;
    }
    f->armed = true;
    world.armed++;
}

static void fault_hit(void *arg)
{
    if (sim_now() < world.end_of_faults)
        fault_strike(&world.fault[(intptr_t)arg]);
}

/* Inside a server what it does is finished first: it is one step. */
static void fault_aimed(struct fault *f)
{
    if (--f->countdown > 0)
        return;
    f->armed = false;
    world.armed--;
    if (os_current())
        fault_hit((void *)(intptr_t)(f - world.fault));
    else
        sim_at(sim_now(), fault_hit, (void *)(intptr_t)(f - world.fault));
}

static bool fault_meant(const struct fault *f, int host)
{
    int leader = f->leader ? leader_host() : -1;
    return f->armed && host == (leader >= 0 ? leader : f->host);
}

void world_call(struct process *p, const char *name)
{
    if (--world.calls_left <= 0) {
        world.calls_left = (int)sim_between(1, 8000);
        os_hold(p, sim_now() + sim_between(0, sim_chance(10) ? world.longest / 100 : SIM_MS / 5));
    }
    if (!world.armed || !p->family || !p->family->instance)
        return;
    for (int i = 0; i < world.faults; i++) {
        struct fault *f = &world.fault[i];
        if (f->armed && f->aim == AIM_CALL && !strcmp(f->call, name) && fault_meant(f, p->host))
            fault_aimed(f);
    }
}

/* --- requests: what leases are made of -------------------------------------------------------- */

static int64_t duration_ms(const char *text)
{
    double value = 0, sum = 0;
    char unit[4];
    int n;
    for (; sscanf(text, "%lf%3[a-z]%n", &value, unit, &n) == 2; text += n)
        sum += value * (!strcmp(unit, "ms") ? 1 : !strcmp(unit, "s") ? 1000 : !strcmp(unit, "m") ? 60000 : 3600000);
    return (int64_t)sum;
}

/* A transaction after which the base names that host. Acknowledged: a lease. Before that, others count by its T
 * already: no lease may be longer. */
static void lease_learn(int host, bool acknowledged)
{
    struct host *h = &world.host[host];
    char data[2048];
    const char *timeout = h->instance && base_written(host, data) ? strstr(data, "\"sessionTimeout\":\"") : NULL;
    if (!timeout)
        return;
    int64_t T = duration_ms(timeout + strlen("\"sessionTimeout\":\"")) * SIM_MS;
    int64_t end = h->sent + T / 3 * 2;
    h->instance->advertised = acknowledged ? T : h->instance->advertised;
    if (acknowledged ? h->instance->lease_end < end : h->instance->lease_end > end)
        h->instance->lease_end = end;
}

static void beat_look(struct host *h)
{
    struct zk_view base;
    char data[2048];
    if (!base_written((int)(h - world.host), data) || !zk_look(BASE, &base) || base.version == h->beat)
        return;
    h->beat = base.version;
    h->beat_at = sim_now();
}

static void beat_answered(struct host *h)
{
    if (h->beat_at < h->sent_at)
        return;
    h->alone_at = alone(h) ? sim_now() : h->alone_at;
    h->answered = h->sent_at;
}

static void cron_written(int host);

void sim_request(enum sim_moment moment, enum sim_request request, int host, int server, const char *path)
{
    (void)server;
    const struct process *p = os_current();
    bool ours = p && p->family && p->family->instance;
    if (p && !ours && moment == SIM_SENT && request == SIM_SET && strstr(path, "/proposal-"))
        sim_violation("written by an operator: %s, which a Go ballot may watch", path);
    if (ours)
        rules_request(moment, request, host);
    if (moment == SIM_LEARNED && ours)
        world.host[host].unheard = false;
    if (moment == SIM_LEARNED && ours && request < SIM_SYNC && !strncmp(path, BASE, strlen(BASE)) &&
        zk_counts()->rollbacks == world.rollbacks)
        p->family->instance->told_at = sim_now();
    if (request == SIM_MULTI && moment == SIM_SENT && ours) {
        world.host[host].sent = os_boot_clock(host);
        world.host[host].sent_at = sim_now();
    }
    if (request == SIM_MULTI && moment == SIM_APPLIED && host < world.hosts)
        beat_look(&world.host[host]);
    if (request == SIM_MULTI && moment == SIM_LEARNED && ours)
        beat_answered(&world.host[host]);
    if (world.story != STORY_ONCE && moment == SIM_APPLIED)
        watch_tree();
    if (world.story == STORY_CRON && moment == SIM_APPLIED && request >= SIM_CREATE && request <= SIM_MULTI && host < world.hosts)
        cron_written(host);
    if (request == SIM_MULTI && (moment == SIM_LEARNED ? ours : moment == SIM_APPLIED && host < world.hosts))
        lease_learn(host, moment == SIM_LEARNED);
    for (int i = 0; world.armed && i < world.faults; i++) {
        struct fault *f = &world.fault[i];
        if (f->armed && f->aim == AIM_REQUEST && f->moment == moment && f->request == request && fault_meant(f, host))
            fault_aimed(f);
    }
}

/* --- what may touch a command ---------------------------------------------------------------- */

/* What leaves a mark that is found later, if an outage comes between: in the tree, or on that host. */
static bool marks(const struct fault *f, const struct run *r)
{
    const struct kind *k = &kinds[f->kind];
    return k->flags & (DATA | GLOBAL | UNREAD) || k->begin == delete_proposal || k->begin == step_down || k->begin == expire ||
           (k->flags & LOCAL && f->struck == r->host);
}

/* Whether that fault, or more of its kind, is no reason to touch the command of a `keep` leader: an outage, a
 * reconnect, answers that are lost for less than T/4, or what strikes another host. Where all followers answer too
 * late, until the last of these answers, a leader may be cut off alone, and ends its command when it sees another. */
static bool harmless(const struct fault *f, const struct run *r)
{
    const struct kind *k = &kinds[f->kind];
    bool late = k->begin == lag && lag_all(f);
    int64_t end = f->working ? sim_now() : f->ended_at + (late ? f->amount : 0);
    bool brief = end - f->began_at < world.shortest / 4 && (k->row == MUTE || k->begin == cut_both);
    int64_t since = marks(f, r) ? r->started - 6 * world.longest : sim_now() - excuse_span(&world.host[r->host]);
    if (!f->began_at || k->flags & CLOCKS || (end < since && k->begin != step_down)) /* a request may be on its way for long */
        return true;
    if ((brief && k->flags & LOCAL) || marks(f, r))
        return brief && k->flags & LOCAL;
    if (late)
        return brief;
    return k->row == OUTAGE || k->row == FORGOTTEN || k->flags & REMOTE || (f->struck != r->host && k->begin != term);
}

static void judge_touch(const struct process *p)
{
    const struct run *r = p->run;
    const struct host *h = &world.host[p->host];
    if (!r->token || h->stop || h->down || p->pid != r->first || tampered(h) || world.ending)
        return;
    for (int i = 0; i < world.faults; i++)
        if (!harmless(&world.fault[i], r))
            return;
    sim_violation("touched (keep): the command of host%d, pid %d", p->host, p->pid);
}

/* --- the judges of the whole ---------------------------------------------------------------------- */

/* So far from the servers' that it may have handed over for that, in the last minute. */
static bool clock_off(const struct host *h)
{
    return h->off_at && sim_now() - h->off_at < 75 * SIM_SECOND + world.longest;
}

static bool host_well(const struct host *h)
{
    const struct process *p = os_process(h->candidate);
    if (world.story == STORY_CRON && clock_off(h))
        return false;
    return h->present && !h->down && !h->no_fork && !h->disturbances && p && p->state == ALIVE && !p->frozen;
}

/* d: the way of some requests, the servers' disks, and restart-delay-max. */
static int64_t row_bound(enum row row)
{
    int64_t T = longest_timeout();
    int64_t d = 20 * (world.slowest + world.options.disk_most) + 600 * SIM_MS;
    int64_t tick = world.options.tick * 3 / 2; /* a follower tells its leader each half a tick of whom it has heard */
    int64_t span = T / 3 * rows[row].thirds + tick * rows[row].ticks;
    return span + span / 20 + d; /* a twentieth: processes are held up, by up to T/100 at a time */
}

/* What has been at work in a gap, or less than 2 T before it. */
struct causes {
    enum row row;           /* the longest of the kinds themselves                 */
    bool keep;              /* also where the base says nothing of its leader      */
    bool outage, returned;  /* returned: a host that was out of contact is back   */
    bool again;             /* with its second candidate; the first had died before: as the first two of the queue */
    bool unread;            /* the base names nobody any more, or a leader that was revoked */
    bool gone[HOSTS], mute[HOSTS];
    int gone_hosts, mute_hosts, healthy;
    int thirds;             /* of T, more than the row says                        */
};

static void causes_fault(struct causes *c, const struct fault *f)
{
    const struct kind *k = &kinds[f->kind];
    bool one = k->begin == cut_one && world.servers == 1; /* the only one */
    int64_t died = world.host[f->struck].died_at;
    bool ours = one || ((k->row == GONE || k->row == MUTE || k->row == TWO_MUTE) && !(k->flags & REMOTE));
    c->gone[f->struck] |= ours;
    c->mute[f->struck] |= ours && !one && k->row != GONE;
    bool back = ours && k->end && !f->working;
    c->returned |= back || k->begin == expire; /* out of contact, too, until it has a new session */
    c->again |= back && died > world.ran_at - 2 * world.longest && died < f->began_at;
    c->unread |= k->flags & UNREAD || k->begin == delete_proposal;
    c->keep |= (k->flags & UNREAD) != 0;
    c->outage |= k->row == OUTAGE || k->row == FORGOTTEN || k->flags & REMOTE;
    c->row = k->row > c->row ? k->row : c->row;
    if (k->begin == freeze_guard) /* the next leader's: replaced when a start has had no answer for 2/3 T */
        c->thirds |= 2;
    if (k->begin == go_stand) /* never revoked: others behind it wait a place longer */
        c->thirds |= 4;
}

/* A restart of the servers renews the sessions of those who have died meanwhile. */
static void causes_host(struct causes *c, const struct host *h, int64_t since)
{
    bool died = c->outage && h->died_at && h->died_at >= since;
    bool gone = c->gone[h - world.host] || died || (h->swept_at && h->swept_at >= since);
    c->keep |= !h->stop;
    c->gone_hosts += gone;
    c->mute_hosts += c->mute[h - world.host];
    c->healthy += h->present && !gone;
}

/* Of several rows the longest. A host that is back may be the first of the queue: it has waited in vain, or has
 * lost the lead to what was written into the base meanwhile. A mute first is revoked after it could have claimed,
 * which with `keep` takes 2 T of an outage. */
static enum row gap_row(const struct causes *c)
{
    bool waits = c->outage || !c->healthy || c->again || (c->returned && (c->gone_hosts > 1 || c->unread));
    const enum row also[] = { c->gone_hosts > 1 ? TWO_GONE : c->gone_hosts ? GONE : ENDED,
                              c->mute_hosts > 1 || (c->mute_hosts && (c->gone_hosts > 1 || (c->keep && waits)))
                                  ? TWO_MUTE : c->mute_hosts ? MUTE : ENDED,
                              c->keep && waits ? OUTAGE_KEEP : ENDED };
    enum row row = c->row;
    for (size_t i = 0; i < COUNT(also); i++)
        row = row_bound(also[i]) > row_bound(row) ? also[i] : row;
    return row;
}

/* A leader that was denied a right leaves the queue once it reads so, which it does not while it is frozen, and its
 * command has ended, which takes stop-timeout; the pause of rule 15 begins then, though the fault may have ended long
 * before. One that was out of contact, and has lost the lead meanwhile, stands after as long, and counts from when it
 * came back. */
static int64_t fault_lingers(const struct fault *f)
{
    const struct kind *k = &kinds[f->kind];
    int64_t span = k->flags & LOCAL && f->struck == world.ran_host ? world.host[f->struck].stop_timeout : 0;
    for (const struct host *h = world.host; k->row == DENIED && h < world.host + world.hosts; h++)
        if (k->flags & GLOBAL || h == &world.host[f->struck]) {
            int64_t later = h->stop_timeout + (h->denied_at > f->ended_at ? h->denied_at - f->ended_at : 0);
            span = later > span ? later : span;
        }
    return span;
}

static struct causes gap_causes(void)
{
    struct causes c = { .row = ENDED };
    int64_t since = world.ran_at - 2 * world.longest;
    for (int i = 0; i < world.faults; i++) {
        const struct fault *f = &world.fault[i];
        if (f->working || (f->ended_at && f->ended_at + fault_lingers(f) >= since))
            causes_fault(&c, f);
        if (f->ended_at && kinds[f->kind].begin == delete_base) /* waits T, if it has seen no leader of the new one yet */
            c.thirds |= 4;
        if (f->ended_at && kinds[f->kind].begin == odd_child) /* counts as a place until it is looked at */
            c.thirds |= 4;
    }
    for (int i = 0; i < world.hosts; i++)
        causes_host(&c, &world.host[i], since);
    if ((c.outage && c.gone_hosts) || c.returned) /* the longest pause between two connects */
        c.thirds |= 1;
    if (c.outage && c.mute_hosts) /* the silence of a mute one counts from the end of the outage */
        c.thirds |= 8;
    if (world.go.of) /* as above */
        c.thirds |= 4;
    if (world.moved_at && world.moved_at >= since) { /* by a claim, perhaps: what it had waited for is waited for again */
        c.outage = true;
        c.thirds |= 8;
    }
    if (world.rolled_at) /* seen when the next proposal gets a smaller number: then nothing is claimed for T */
        c.thirds |= 4;
    if (world.rolled_at && world.rolled_at >= since - 4 * world.longest) /* a leader believes them 3 T later, with a new handle */
        c.row = c.row > FORGOTTEN ? c.row : FORGOTTEN;
    return c;
}

static void judge_gap(int64_t gap)
{
    const struct causes c = gap_causes();
    enum row row = gap_row(&c);
    int64_t bound = row_bound(row) + longest_timeout() / 3 * c.thirds;
    struct worst *worst = &totals.worst[row];
    double share = (double)gap / (double)bound;
    worst->gaps++;
    if (share > worst->share)
        *worst = (struct worst){ worst->gaps, share, world.seed };
    if (share > 1)
        sim_violation("nobody runs: for %.3f s, though a candidate is well; %s: %.3f s",
                      (double)gap / 1e9, rows[row].name, (double)bound / 1e9);
}

/* --- run cron: what its judge is told --------------------------------------------------------- */

static bool of_clocks(const struct kind *k)
{
    return k->begin == clock_rate || k->begin == clock_step || k->begin == clock_set || k->begin == servers_set || k->begin == all_set;
}

/* Whether that kind of fault strikes one host alone. */
static bool of_one(const struct kind *k)
{
    return k->flags & LOCAL || k->begin == kill_guard || k->begin == term || k->begin == fork_fails || k->begin == reset_connection ||
           k->begin == lose_connection || k->begin == expire || k->begin == renegotiate || k->begin == clock_rate ||
           k->begin == clock_step || k->begin == clock_set;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* When something last struck it, as far as the clocks, or all but them, are concerned: began, was at work, ended. */
static int64_t struck_at(const struct host *h, bool clocks_only)
{
    int64_t at = world.healed_at ? world.healed_at : -1;
    for (const struct fault *f = world.fault; f < world.fault + world.faults; f++) {
        const struct kind *k = &kinds[f->kind];
        bool stands = k->begin == freeze_candidate || k->begin == freeze_guard || k->begin == freeze_machine ||
                      k->begin == suspend_machine || k->begin == busy;
        if (!f->began_at || (of_one(k) && f->struck != h - world.host) || (clocks_only && !of_clocks(k) && !stands))
            continue;
        bool at_work = f->working && (k->flags & (LOCAL | GLOBAL) || k->begin == lag || k->begin == fork_fails);
        bool told_to_end = k->begin == term && h->instance && f->began_at >= h->instance->started;
        at = later(at, at_work || told_to_end ? sim_now() : later(f->began_at, f->ended_at));
    }
    return at;
}

#define SETTLED (SIM_SECOND + SIM_SECOND / 5) /* so late a leader may see that its clock was set, or that it stood still */

static bool cron_steady(const struct host *h)
{
    return sim_now() - struck_at(h, true) > SETTLED;
}

/* It leads, in contact, and nothing is wrong, or was just now. */
static bool cron_able(const struct host *h)
{
    const struct process *c = os_process(h->candidate), *g = c && c->family ? os_process(c->family->guard) : NULL;
    if (!host_well(h) || !g || g->state != ALIVE || g->frozen || !zk_serves() || !servers_agree() || tampered(h))
        return false;
    int64_t struck = later(struck_at(h, false), g->born), left = h->instance->lease_end - os_boot_clock((int)(h - world.host));
    return h->answered > struck && sim_now() - struck > SETTLED && left > world.longest / 4;
}

/* What a watcher in contact has told by now: all but what is younger than a reconnect, or than some round trips. */
static void watchers_judge(void)
{
    if (world.story == STORY_ONCE)
        return;
    watch_tree();
    for (struct host *h = world.host; h < world.host + world.hosts; h++) {
        int64_t calm = later(later(struck_at(h, false), h->watches_at), world.elected_at);
        calm = world.rolled_at ? later(calm, world.rolled_at + 5 * world.longest) : calm; /* it believes them 3 T later */
        bool contact = h->watcher && !h->down && !host_lost(h) && zk_serves() && servers_agree();
        if (contact && sim_now() - calm > 4 * world.longest + 40 * world.slowest)
            watch_judge((int)(h - world.host), 12 * world.slowest + 4 * world.options.disk_most + world.longest / 20 + 100 * SIM_MS);
    }
}

static void cron_written(int host)
{
    if (cron_record(host, world.host[host].candidate, cron_able(&world.host[host]), world.go_led))
        world.go_led = false;
}

static void cron_often(void *arg)
{
    struct cron_seen seen[HOSTS];
    int named = named_host();
    (void)arg;
    for (struct host *h = world.host; h < world.host + world.hosts; h++) {
        int64_t off = os_wall_clock((int)(h - world.host)) - zk_wall();
        h->off_at = off > 50 * SIM_SECOND || off < -50 * SIM_SECOND ? sim_now() : h->off_at;
        seen[h - world.host] = (struct cron_seen){ named == h - world.host, named == h - world.host && cron_able(h) };
    }
    cron_look(seen, world.hosts);
    sim_at(sim_now() + (world.shortest < 2500 * SIM_MS ? world.shortest / 10 : 250 * SIM_MS), cron_often, NULL);
}

/* A follower that lags more than a round trip may take: no request has its answer in time, and who waits on it
 * stays there. Where all do, nobody leads as long, nor until what they had for an answer then is out. */
static bool lagging(void)
{
    bool any = false;
    for (const struct fault *f = world.fault; f < world.fault + world.faults; f++) {
        const struct kind *k = &kinds[f->kind];
        bool late = f->working || (k->begin == lag && f->ended_at && sim_now() < f->ended_at + f->amount);
        any |= late && k->flags & REMOTE && f->amount > world.shortest / 8;
    }
    return any;
}

static bool host_mute(int host)
{
    return host >= 0 && (world.host[host].mute_in || world.host[host].mute_out);
}

/* Nobody leads, the first is mute, and so is the second, or it is a Go ballot's: the third may not revoke the
 * first, of which it does not know whether it is a leader that is stopping its command. */
static bool first_blocked(void)
{
    struct zk_view view;
    char path[512];
    const char *name;
    int ahead = 0;
    if (zk_look(BASE, &view) && view.length && proposal_path(path, sizeof path, true) && zk_look(path, &view))
        return false;
    for (int i = 0; ahead < 2 && (name = zk_child(BASE, i)); i++) {
        snprintf(path, sizeof path, BASE "/%s", name);
        if (!zk_look(path, &view) || !view.ephemeral_owner)
            continue;
        if (!host_mute(zk_session_host(view.ephemeral_owner)) && (ahead == 0 || view.ephemeral_owner != GO_SESSION))
            return false;
        ahead++;
    }
    return ahead == 2;
}

static void judge_takeover(void)
{
    bool well = false, rerun = false, mute = false;
    for (int i = 0; i < world.hosts; i++) {
        well = well || host_well(&world.host[i]);
        mute = mute || world.host[i].mute_in;
        rerun = rerun || (world.host[i].no_fork && !strcmp(world.host[i].on_error, "rerun"));
    }
    if (leader_host() >= 0 || (world.story == STORY_CRON && named_host() >= 0) || go_runs())
        world.ran_at = sim_now();
    if (world.moved != zk_counts()->moved)
        world.moved_at = sim_now();
    world.moved = zk_counts()->moved;
    /* A leader that is to rerun what it cannot start leads on. A mute one whose base was
     * overwritten is never revoked: it may still be stopping its command. */
    if (world.elections != zk_counts()->elections)
        world.elected_at = sim_now();
    if (rerun || !zk_serves() || world.elections != zk_counts()->elections || lagging() || first_blocked() ||
        (mute && tampered(&world.host[0])))
        world.calm_since = sim_now();
    world.elections = zk_counts()->elections;
    int64_t since = world.ran_at > world.calm_since ? world.ran_at : world.calm_since;
    if (well && !world.global && sim_now() > since)
        judge_gap(sim_now() - since);
}

/* Nobody twice in the queue; marks who stands in it. */
static void judge_queue(bool *stands)
{
    int64_t owners[64];
    int count = 0;
    const char *name;
    struct zk_view view;
    char path[256];
    for (int i = 0; (name = zk_child(BASE, i)) && count < 64; i++) {
        snprintf(path, sizeof path, "%s/%s", BASE, name);
        if (strncmp(name, "proposal-", 9) != 0 || !zk_look(path, &view) || !view.ephemeral_owner)
            continue;
        int host = zk_session_host(view.ephemeral_owner);
        if (host >= 0)
            stands[host] = true;
        for (int k = 0; k < count; k++)
            if (owners[k] == view.ephemeral_owner)
                sim_violation("in the queue twice: session %" PRIx64, (uint64_t)view.ephemeral_owner);
        owners[count++] = view.ephemeral_owner;
    }
}

static void put_off(int64_t *at)
{
    int64_t later = *at + world.longest / 10;
    if (*at > 0)
        *at = later < sim_now() ? later : sim_now();
}

/* What was done to the tree is not found while the servers do not serve, and excuses as long afterwards. Nor does a
 * leader that was out of contact before find that another leads. */
static void outage_look(void)
{
    if (zk_serves())
        return;
    put_off(&world.tampered_at);
    put_off(&world.unknown_until);
    put_off(&world.go_took_at);
    for (int h = 0; h < world.hosts; h++)
        put_off(&world.host[h].lost_at);
}

static void judge_often(void *arg)
{
    bool stands[HOSTS];
    struct zk_view base;
    (void)arg;
    rollback_look();
    outage_look();
    if (!tampered(&world.host[0]))
        judge_queue(stands); /* rule 9: never, not only in the end */
    for (struct host *h = world.host; h < world.host + world.hosts; h++)
        evicted_look(h);
    if (!world.rights_taken && zk_serves() && zk_look(BASE, &base) && !base.open) {
        zk_stranger_access(BASE, ZK_OPEN);
        world.calm_since = sim_now();
    }
    judge_takeover();
    watchers_judge();
    sim_at(sim_now() + world.longest / 10, judge_often, NULL);
}

/* --- a seed -------------------------------------------------------------------------------------------- */

static int64_t dice_span(int64_t T)
{
    int64_t c = dice(1, 100);
    return c <= 35 ? dice(0, T / 2) : c <= 80 ? dice(T / 2, 2 * T) : dice(2 * T, 14 * T);
}

static void dice_aim(struct fault *f)
{
    static const char *const calls[] = { "sendmsg", "recvmsg", "kill", "fork", "execvp", "waitpid", "poll", "clock_gettime", "close" };
    if (!dice_chance(30))
        return;
    f->aim = dice_chance(60) ? AIM_REQUEST : AIM_CALL;
    f->call = calls[dice(0, COUNT(calls) - 1)];
    f->moment = (enum sim_moment)dice(SIM_SENT, SIM_LEARNED);
    f->request = dice_chance(50) ? SIM_MULTI : (enum sim_request)dice(SIM_CREATE, SIM_SYNC);
    f->countdown = dice_chance(40) ? 1 : (int)dice(1, dice_chance(50) ? 3 : 30);
}

static int dice_kind(void)
{
    int64_t sum = 0, at;
    for (size_t i = 0; i < COUNT(kinds); i++)
        sum += kinds[i].weight;
    at = dice(1, sum);
    for (size_t i = 0; i < COUNT(kinds); i++)
        if ((at -= kinds[i].weight) <= 0)
            return kinds[i].flags & THREE && world.servers < 3 ? 0 : (int)i;
    return 0;
}

static int64_t dice_amount(int64_t T, bool longer)
{
    bool grow = dice_chance(50) || world.slowest > T / 40; /* a connect is two round trips, and has T/5 */
    if (longer)
        return grow ? dice(T, 4 * T) : dice(T / 3, dice_chance(50) ? T / 2 : T); /* half: old leases outlast new waits */
    return dice(T / 50, 2 * T);
}

static void dice_swizzle(int64_t at, int64_t T)
{
    const struct fault first = world.fault[world.faults - 1];
    for (int h = 0; h < world.hosts && world.faults < FAULTS; h++)
        if (h != first.host)
            world.fault[world.faults++] = (struct fault){ .kind = first.kind, .host = h, .at = at + dice(0, T / 2), .span = dice(T / 8, 3 * T) };
}

static void dice_pair(struct fault *first, int64_t T)
{
    first->leader = true;
    first->aim = AIM_NONE;
    first->span = dice(3 * T, 12 * T);
    if (world.faults < FAULTS) {
        world.fault[world.faults] = *first;
        world.fault[world.faults++].next = true;
    }
}

static int kind_of(void (*begin)(struct fault *))
{
    int i = 0;
    while (kinds[i].begin != begin)
        i++;
    return i;
}

/* Behind what makes a host connect anew, or read what is old: the answer to its next write is lost. */
static void dice_behind(const struct fault *before, int64_t T)
{
    void (*const losses[])(struct fault *) = { cut_both, cut_answers, reset_connection };
    if (world.faults == FAULTS || !dice_chance(30))
        return;
    struct fault *f = &world.fault[world.faults++];
    *f = *before;
    f->kind = kind_of(losses[dice(0, COUNT(losses) - 1)]);
    f->span = dice(T / 2, 4 * T);
    f->aim = AIM_REQUEST;
    f->moment = SIM_APPLIED;
    f->request = dice_chance(60) ? SIM_MULTI : SIM_CREATE;
    f->countdown = dice_chance(70) ? 1 : 2;
}

static void dice_storm(int64_t at, int64_t T)
{
    int64_t count = dice_chance(40) ? 1 : dice(2, 6);
    int host = (int)dice(0, world.hosts - 1);
    bool leader = dice_chance(65);
    for (int64_t i = 0; i < count && world.faults < FAULTS; i++) {
        struct fault *f = &world.fault[world.faults++];
        *f = (struct fault){ .kind = dice_kind(), .host = dice_chance(80) ? host : (int)dice(0, world.hosts - 1),
                             .server = (int)dice(0, world.servers - 1), .leader = leader && dice_chance(85), .at = at, .span = dice_span(T) };
        f->amount = dice_amount(T, kinds[f->kind].flags & LONGER);
        if (kinds[f->kind].flags & LONGER && f->amount > world.longest)
            world.longest = f->amount;
        if (kinds[f->kind].flags & LONGER && f->amount < world.shortest)
            world.shortest = f->amount;
        dice_aim(f);
        f->span *= kinds[f->kind].begin == go_stand ? 8 : kinds[f->kind].begin == refuse_one ? 4 : 1; /* until it comes to the front, is revoked */
        if (kinds[f->kind].flags & SWIZZLE)
            dice_swizzle(at, T);
        if (kinds[f->kind].flags & PAIR)
            dice_pair(f, T);
        if (kinds[f->kind].row == OUTAGE || kinds[f->kind].flags & REMOTE || kinds[f->kind].begin == expire)
            dice_behind(f, T);
        at += dice_chance(25) ? 0 : dice_chance(50) ? dice(0, T / 8) : dice(0, T);
    }
}

static void dice_faults(int64_t T)
{
    int storms = (int)dice(3, 9);
    int64_t at = 3 * T + SIM_SECOND;
    for (int i = 0; i < storms; i++) {
        dice_storm(at, T);
        at += dice_chance(40) ? dice(0, 3 * T) : dice(4 * T, 12 * T);
    }
    world.end_of_faults = at;
}

static void dice_host(struct host *h, int64_t T, int mode, int64_t delay)
{
    static const char *const policies[] = { "reelect", "reelect", "rerun", "ignore" };
    *h = (struct host){ .present = true, .stop = mode == 2 ? dice_chance(50) : mode == 1, .lost_at = -1 };
    h->timeout = mode == 2 && dice_chance(50) && delay < T / 60 ? dice(T / 2, T) : T;
    if (h->timeout < world.shortest)
        world.shortest = h->timeout;
    h->stop_timeout = dice_chance(40) ? T / 6 : h->stop || dice_chance(50) ? dice(0, T) : dice(T, 5 * T); /* keep: longer than others wait */
    h->on_success = policies[dice(0, COUNT(policies) - 1)];
    h->on_error = policies[dice(0, COUNT(policies) - 1)];
    h->base_delay = dice(delay / 2, delay);
    h->patience = (int)dice(0, 100);
}

/* Mostly a few seconds; around the minute that is promised; minutes to hours; days to years. */
static int64_t dice_clock(bool far)
{
    int64_t c = dice(1, 100), most = c <= 35 ? 3 : c <= 65 || !far ? 58 : c <= 80 ? 130 : c <= 93 ? 7200 : 3 * 365 * 86400;
    int64_t least = c <= 35 || (c > 93 && far) ? 0 : most == 58 ? 30 : most == 130 ? 55 : 120;
    return (dice_chance(50) ? 1 : -1) * (dice(least, most) * SIM_SECOND + dice(-SIM_SECOND / 2, SIM_SECOND / 2));
}

static void dice_clock_fault(int64_t T)
{
    static void (*const sets[])(struct fault *) = { clock_set, clock_set, clock_set, servers_set, all_set };
    struct fault *f = &world.fault[world.faults++];
    *f = (struct fault){ .kind = kind_of(sets[dice(0, COUNT(sets) - 1)]), .host = (int)dice(0, world.hosts - 1), .leader = dice_chance(60),
                         .at = dice(2 * T, world.end_of_faults), .span = dice_span(T), .amount = dice_clock(!cron_one_day()),
                         .back = dice_chance(60) };
    dice_aim(f);
}

static void dice_record_fault(int64_t T)
{
    struct fault *f = &world.fault[world.faults++];
    *f = (struct fault){ .kind = kind_of(dice_chance(50) ? delete_record : overwrite_record), .leader = true,
                         .at = dice(2 * T, world.end_of_faults), .amount = dice(0, 1) };
    dice_aim(f);
}

/* A rate that lasts. */
static void dice_clock_rate(int64_t T)
{
    struct fault *f = &world.fault[world.faults++];
    *f = (struct fault){ .kind = kind_of(clock_rate), .host = (int)dice(0, world.hosts - 1), .leader = dice_chance(50),
                         .at = dice(0, world.end_of_faults), .span = dice(2 * T, 60 * T), .amount = dice(0, 100) };
}

static void dice_cron(int64_t T)
{
    static const int64_t catch_ups[] = { 0, 0, 10, 60, 60, 60, 300 };
    bool right = dice_chance(35), one = dice_chance(40), stop = false;
    world.cron = (struct cron_options){ .catch_up = catch_ups[dice(0, COUNT(catch_ups) - 1)] * SIM_SECOND, .timeout = world.longest,
                                        .patience = 14 * world.slowest + 6 * world.options.disk_most + T / 20 + 120 * SIM_MS };
    cron_begin(&world.cron, world.end_of_faults + 20 * T, dice);
    world.options.wall = world.cron.wall;
    int off = (int)dice(0, world.hosts - 1);
    for (int h = 0; h < world.hosts; h++) {
        int64_t step = right || (one && h != off) ? dice(-SIM_SECOND, SIM_SECOND) : dice_clock(!cron_one_day());
        os_clock(h, 1000, world.cron.wall + step - os_wall_clock(h));
        stop = stop || world.host[h].stop;
    }
    world.anyway = !stop && dice_chance(15);
    for (int64_t n = dice_chance(30) ? 0 : dice(1, 5); n > 0 && world.faults < FAULTS; n--)
        dice_clock_fault(T);
    for (int64_t n = dice_chance(60) ? 0 : dice(1, 2); n > 0 && world.faults < FAULTS; n--)
        dice_clock_rate(T);
    for (int64_t n = dice_chance(80) ? 0 : dice(1, 2); n > 0 && world.faults < FAULTS; n--)
        dice_record_fault(T);
}

static void dice_world(void)
{
    static const int64_t timeouts[] = { 1000, 2000, 2000, 5000, 10000 };
    int64_t T = timeouts[dice(0, COUNT(timeouts) - 1)] * SIM_MS, net = dice(1, 100);
    world.servers = dice_chance(60) ? 3 : dice_chance(60) ? 1 : 5;
    world.hosts = (int)dice(2, 5);
    int mode = (int)dice(0, 9);
    mode = mode < 4 ? 0 : mode < 9 ? 1 : 2;
    int64_t delay = net <= 70 ? dice(SIM_MS / 10, SIM_MS) : net <= 85 ? dice(T / 200, T / 50) : dice(T / 50, T / 18);
    world.asked = world.longest = world.shortest = T;
    for (int i = 0; i < world.hosts; i++)
        dice_host(&world.host[i], T, mode, delay);
    world.slowest = 2 * delay + delay / 4;
    world.options = (struct zk_options){ .servers = world.servers, .tick = T / dice(4, 10), .least = T / 4, .most = 4 * T,
                                         .disk_least = SIM_MS / 10, .disk_most = dice(1, 10) * SIM_MS, .wall = INT64_C(1700000000) * SIM_SECOND };
    dice_faults(T);
    if (world.story == STORY_CRON)
        dice_cron(T);
    for (int64_t n = world.story == STORY_WATCH || (world.story == STORY_CRON && dice_chance(25)) ? dice(1, 2) : 0; n > 0; n--)
        world.host[dice(0, world.hosts - 1)].watches = true;
}

/* All clocks are right again. */
static void heal_clocks(void)
{
    zk_clock(world.cron.wall + sim_now() - zk_wall());
    for (int h = 0; h < world.hosts; h++)
        os_clock(h, 1000, zk_wall() + sim_between(-SIM_SECOND, SIM_SECOND) - os_wall_clock(h));
    world.healed_at = world.calm_since = sim_now();
}

static void heal(void *arg)
{
    (void)arg;
    world.rights_taken = false;
    sim_tell("--- no more faults");
    for (int i = 0; i < world.faults; i++) {
        world.fault[i].armed = false;
        fault_end((void *)(intptr_t)i);
    }
    world.armed = 0;
    zk_server_freeze(-1, false);
    zk_server_start(-1, ZK_KEPT);
    if (world.story == STORY_CRON && sim_chance(70))
        heal_clocks();
}

/* What a process holds stays bounded, and it rests. */
static void judge_process(const struct process *p, unsigned long polls, unsigned long timeouts)
{
    size_t bytes, blocks = os_memory(p, &bytes);
    totals.most_blocks = blocks > totals.most_blocks ? blocks : totals.most_blocks;
    totals.most_bytes = bytes > totals.most_bytes ? bytes : totals.most_bytes;
    if (os_fds(p) > 20)
        sim_violation("descriptors are lost: %d open", os_fds(p));
    if (blocks > MOST_BLOCKS || bytes > MOST_BYTES)
        sim_violation("memory is lost: %zu blocks, %zu bytes", blocks, bytes);
    if (p->polls > polls + 400 * timeouts)
        sim_violation("a busy loop: %lu polls of pid %d within %lu T", p->polls - polls, p->pid, timeouts);
}

/* Twenty looks at a world that has been quiet for long: everyone stands in the queue in one of them, and the
 * servers are asked no more than while nothing happens. */
static void judge_rest(void)
{
    unsigned long polls[PROCESSES] = { 0 }, timeouts = 5 * (unsigned long)(world.longest / world.shortest + 1);
    bool stands[HOSTS] = { false };
    uint64_t requests = zk_counts()->requests, starts = world.starts;
    for (int i = 0; i < PROCESSES; i++)
        polls[i] = os_each(i) ? os_each(i)->polls : 0;
    for (int i = 0; i < 20; i++) {
        if (!os_run(sim_now() + world.longest / 4))
            return;
        judge_queue(stands);
    }
    double rate = (double)(zk_counts()->requests - requests) / (double)(timeouts * (unsigned long)world.hosts + 2 * (world.starts - starts));
    totals.most_requests = rate > totals.most_requests ? rate : totals.most_requests;
    if (rate > MOST_REQUESTS)
        sim_violation("requests do not rest: %.0f for each T of a host, and start", rate);
    for (int i = 0; i < PROCESSES; i++)
        if (os_each(i) && os_each(i)->state == ALIVE)
            judge_process(os_each(i), polls[i], timeouts);
    for (int i = 0; i < world.hosts; i++)
        if (host_well(&world.host[i]) && !stands[i])
            sim_violation("not in the queue: host%d", i);
}

static void quiet(void)
{
    if (os_run(world.end_of_faults + 2 * row_bound(TWO_MUTE)))
        judge_rest();
}

static void tell_world(void)
{
    sim_tell("seed %" PRIu64 ": %d servers, tick %" PRId64 " ms, round trip up to %.1f ms", world.seed, world.servers,
             world.options.tick / SIM_MS, (double)world.slowest / 1e6);
    for (int i = 0; i < world.hosts; i++)
        if (world.host[i].present)
            sim_tell("host%d: T %" PRId64 " ms, on-disconnect=%s, stop-timeout %" PRId64 " ms, on success %s, on error %s", i,
                     world.host[i].timeout / SIM_MS, world.host[i].stop ? "stop" : "keep", world.host[i].stop_timeout / SIM_MS,
                     world.host[i].on_success, world.host[i].on_error);
}

static void world_end(void)
{
    world.ending = true;
    os_end();
    zk_end();
    for (struct instance *i = world.instances, *next; i; i = next) {
        next = i->next;
        free(i);
    }
    for (struct run *r = world.runs, *next; r; r = next) {
        next = r->next;
        free(r);
    }
}

/* What of a seed is played: all, but for what shrinking left out. */
struct play {
    uint64_t seed;
    enum story story;
    bool left_out[FAULTS];
    bool absent[HOSTS];
    bool tracing;
};

static void totals_add(void)
{
    const struct zk_counts *c = zk_counts();
    totals.seeds++;
    totals.starts += world.starts;
    totals.claims += world.claims;
    totals.simulated += sim_now();
    totals.zk.expiries += c->expiries;
    totals.zk.lost_answers += c->lost_answers;
    totals.zk.requests += c->requests;
    totals.zk.elections += c->elections;
    totals.zk.renegotiated += c->renegotiated;
    totals.zk.connects += c->connects;
}

/* Returns whether nothing was broken; else world.violation says what. */
static bool play(const struct play *p, bool telling)
{
    world = (struct world){ .seed = p->seed, .story = p->story, .dice = p->seed * 7919 + 1, .telling = telling, .tracing = p->tracing, .tampered_at = -1,
                            .go_took_at = -1 };
    os_begin(p->seed);
    dice_world();
    zk_begin(&world.options);
    for (int i = 0; i < world.hosts; i++) {
        world.host[i].present = !p->absent[i];
        world.host[i].down = p->absent[i];
        sim_at(dice(0, world.longest), host_start, (void *)(intptr_t)i);
        if (world.host[i].watches)
            sim_at(dice(0, world.end_of_faults), watcher_start, (void *)(intptr_t)i);
    }
    watch_begin();
    tell_world();
    for (int i = 0; i < world.faults; i++) { /* also what is left out: it must not change what chance brings */
        world.fault[i].left_out = p->left_out[i];
        sim_at(world.fault[i].at, fault_due, (void *)(intptr_t)i);
    }
    sim_at(world.end_of_faults, heal, NULL);
    judge_often(NULL);
    if (world.story == STORY_CRON)
        cron_often(NULL);
    quiet();
    if (world.story == STORY_CRON)
        cron_end();
    totals_add();
    world_end();
    return world.violation[0] == '\0';
}

/* --- shrinking ------------------------------------------------------------------------------------------- */

/* The kind of a violation: what stands before the colon. */
static bool same_kind(const char *a, const char *b)
{
    size_t n = strcspn(a, ":");
    return n == strcspn(b, ":") && !strncmp(a, b, n);
}

static bool try_without(struct play *p, bool *what, size_t count, const char *kind)
{
    bool before[FAULTS], any = false;
    memcpy(before, what, count * sizeof *what);
    for (size_t i = 0; i < count; i++) {
        any = any || !what[i];
        what[i] = true;
    }
    if (any && !play(p, false) && same_kind(world.violation, kind))
        return true;
    memcpy(what, before, count * sizeof *what);
    return false;
}

static void shrink(struct play *p, const char *kind)
{
    int faults = world.faults, hosts = world.hosts;
    for (int size = faults / 2; size > 0; size = size > 1 ? size / 2 : 0)
        for (int i = 0; i + size <= faults; i += size)
            try_without(p, p->left_out + i, (size_t)size, kind);
    for (int i = 0; i < hosts; i++)
        try_without(p, p->absent + i, 1, kind);
    for (int i = 0; i < faults; i++)
        try_without(p, p->left_out + i, 1, kind);
    play(p, false);
}

static bool fault_played(const struct play *p, int fault)
{
    return !p->left_out[fault] && !fault_skipped(kinds[world.fault[fault].kind].name);
}

static void play_print(const struct play *p)
{
    const char *comma = "";
    printf("SEED=%" PRIu64 " FAULTS=", p->seed);
    for (int i = 0; i < world.faults; i++)
        if (fault_played(p, i)) {
            printf("%s%d", comma, i);
            comma = ",";
        }
    printf(" HOSTS=");
    comma = "";
    for (int i = 0; i < world.hosts; i++)
        if (!p->absent[i]) {
            printf("%s%d", comma, i);
            comma = ",";
        }
    if (p->story)
        printf(" STORY=%s", story_names[p->story]);
    printf("  # %s", world.violation);
    for (int i = 0, told = 0; i < world.faults && told < 8; i++)
        if (fault_played(p, i))
            printf("%s%s", told++ ? ", " : "; ", kinds[world.fault[i].kind].name);
    printf("; round trip T/%" PRId64 "\n", world.shortest / (world.slowest + 1));
    fflush(stdout);
}

/* --- from words to seeds ------------------------------------------------------------------------------------ */

/* "3,7": all but these are left out. */
static void play_keep(bool *out, size_t count, const char *list)
{
    for (size_t i = 0; i < count; i++)
        out[i] = true;
    for (char *end; *list; list = *end ? end + 1 : end) {
        unsigned long n = strtoul(list, &end, 10);
        if (end == list)
            return;
        if (n < count)
            out[n] = false;
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void aborted(int number)
{
    char line[80];
    int n = snprintf(line, sizeof line, "# signal %d in seed %" PRIu64 " at %.6f\n", number, world.seed, (double)sim_now() / 1e9);
    if (write(STDOUT_FILENO, line, (size_t)n) < 0)
        _exit(2);
    _exit(2);
}

static void totals_print(double took)
{
    double hours = (double)totals.simulated / 3600e9;
    uint64_t faults = 0;
    for (size_t i = 0; i < COUNT(kinds); i++)
        faults += totals.kinds[i];
    printf("# %" PRIu64 " seeds, %.2f simulated hours in %.1f s: %.0f simulated seconds a second\n", totals.seeds, hours, took,
           hours * 3600 / took);
    printf("# an hour: %.0f faults, %.0f claims, %.0f starts, %.0f expiries, %.0f lost answers, %.0f elections of servers, %.0f renegotiated, %.0f connects, %.0f requests\n",
           (double)faults / hours, (double)totals.claims / hours, (double)totals.starts / hours, (double)totals.zk.expiries / hours,
           (double)totals.zk.lost_answers / hours, (double)totals.zk.elections / hours, (double)totals.zk.renegotiated / hours,
           (double)totals.zk.connects / hours, (double)totals.zk.requests / hours);
}

/* The design's table, with the worst that was seen. */
static void totals_rows(void)
{
    for (size_t r = 0; r < ROWS; r++)
        printf("# %-44s %2d/3 T + %d tick + d: %8" PRIu64 " looks at gaps, the longest %3.0f%% of it, seed %" PRIu64 "\n", rows[r].name,
               rows[r].thirds, rows[r].ticks, totals.worst[r].gaps, 100 * totals.worst[r].share, totals.worst[r].seed);
}

static void totals_most(void)
{
    printf("# at rest at most %zu blocks, %zu bytes, %.1f requests for each T of a host\n",
           totals.most_blocks, totals.most_bytes, totals.most_requests);
}

/* Why a row or a column of the table is empty, or almost. */
static const struct { const char *what, *why; } empty[] = {
    { "16 foolish", "no server here gives a T under a third of what was asked; election.t and unit.c do" },
    { "3 too late", "a start must be held up for 2/3 T between claim and fork: seen with what freezes, cuts or slows, else by chance" },
    { "no guard", "decided by \"no fork\" alone: beside another fault only where the two meet" },
    { "other cells", "rare pairs: within some hundred simulated hours a few are empty by chance" },
};

/* How often each rule decided something while, or soon after, each fault was at work. */
static void totals_table(void)
{
    printf("# %-28s %8s", "fault", "strikes");
    for (size_t r = 0; r < COUNT(rules); r++)
        printf(" %s,", rules[r].rule);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        printf("\n# %-28s %8" PRIu64, kinds[k].name, totals.kinds[k]);
        for (size_t r = 0; r < COUNT(rules); r++)
            printf(" %7" PRIu64, totals.rules[r][k]);
    }
    printf("\n");
    for (size_t i = 0; i < COUNT(empty); i++)
        printf("# %s: %s\n", empty[i].what, empty[i].why);
}

static bool seed_hunt(uint64_t seed, enum story story, bool shrinking, double began)
{
    struct play p = { .seed = seed, .story = story };
    alarm(60);
    if (play(&p, false))
        return true;
    printf("# seed %" PRIu64 ", after %.1f s: %s\n", seed, seconds() - began, world.violation);
    fflush(stdout);
    char kind[sizeof world.violation];
    strcpy(kind, world.violation);
    if (shrinking) {
        alarm(300);
        shrink(&p, kind);
    }
    play_print(&p);
    return false;
}

static enum story story_named(const char *name)
{
    int n = STORIES - 1;
    while (n > 0 && strcmp(story_names[n], name) != 0)
        n--;
    return (enum story)n;
}

/* Lines of a file of seeds: "SEED=n FAULTS=a,b HOSTS=c,d [STORY=name]  # why". */
static int seeds_check(const char *file)
{
    char line[4096], faults[2048], hosts[64], name[16];
    FILE *in = fopen(file, "r");
    int broken = 0, count = 0;
    while (in && fgets(line, sizeof line, in)) {
        struct play p = { .seed = 0 };
        int n = sscanf(line, "SEED=%" SCNu64 " FAULTS=%2047s HOSTS=%63s STORY=%15s", &p.seed, faults, hosts, name);
        if (n < 1)
            continue;
        p.story = n == 4 ? story_named(name) : STORY_ONCE;
        if (n >= 3) {
            play_keep(p.left_out, FAULTS, faults);
            play_keep(p.absent, HOSTS, hosts);
        }
        count++;
        alarm(60);
        bool fine = play(&p, false);
        broken += !fine;
        printf("%s %d - seed %" PRIu64 "%s%s\n", fine ? "ok" : "not ok", count, p.seed, fine ? "" : ": ", world.violation);
    }
    if (in)
        fclose(in);
    return broken != 0;
}

static int tell(struct play *p)
{
    bool fine = play(p, true);
    printf("# hash %016" PRIx64 "\n", os_hash());
    play_print(p);
    return !fine;
}

int main(int argc, char **argv)
{
    struct play p = { .seed = 0 };
    double limit = 0, hours = 0, began = seconds();
    uint64_t from = (uint64_t)time(NULL) * 1000, most = UINT64_MAX, broken = 0;
    const char *file = NULL;
    bool one = false, shrinking = true, check = false, table = false;
    setenv("TZ", "UTC", 1);
    signal(SIGABRT, aborted);
    signal(SIGALRM, aborted);
    signal(SIGSEGV, aborted);
    signal(SIGBUS, aborted);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--seed")) p.seed = strtoull(value, NULL, 10), one = true;
        else if (!strcmp(argv[i], "--story")) p.story = story_named(value);
        else if (!strcmp(argv[i], "--faults")) play_keep(p.left_out, FAULTS, value);
        else if (!strcmp(argv[i], "--hosts")) play_keep(p.absent, HOSTS, value);
        else if (!strcmp(argv[i], "--seconds")) limit = strtod(value, NULL);
        else if (!strcmp(argv[i], "--hours")) hours = strtod(value, NULL);
        else if (!strcmp(argv[i], "--from")) from = strtoull(value, NULL, 10);
        else if (!strcmp(argv[i], "--seeds")) most = strtoull(value, NULL, 10);
        else if (!strcmp(argv[i], "--file")) file = value;
        else if (!strcmp(argv[i], "--skip")) skipped = value;
        else if (!strcmp(argv[i], "--trace")) p.tracing = atoi(value) != 0;
        else if (!strcmp(argv[i], "--table")) table = atoi(value) != 0;
        else if (!strcmp(argv[i], "--shrink")) shrinking = atoi(value) != 0;
        else if (!strcmp(argv[i], "--check")) check = atoi(value) != 0;
    }
    if (one)
        return tell(&p);
    if (file)
        return seeds_check(file);
    for (uint64_t n = 0; n < most && (limit <= 0 || seconds() - began < limit) && (hours <= 0 || (double)totals.simulated < hours * 3600e9); n++) {
        broken += !seed_hunt(from + n, p.story, shrinking, began);
        if (check) {
            const struct play again = { .seed = from + n, .story = p.story };
            play(&again, false);
            uint64_t hash = os_hash();
            play(&again, false);
            if (hash != os_hash())
                printf("# seed %" PRIu64 " is not the same twice\n", from + n);
        }
    }
    totals_print(seconds() - began);
    if (table) {
        cron_totals();
        watch_totals();
        totals_rows();
        totals_most();
        totals_table();
    }
    return broken != 0;
}
