/* simwatch.c - the judge of `watch` in the simulated world, see sim.c.
 *
 * What its lines tell, replayed, is the state: none joins twice, or leaves without having joined; the leadership is
 * taken and lost by turns; and when nothing has changed for some time, while it was in contact, the candidates and the
 * leader that the lines give are those of the tree. */
#define _POSIX_C_SOURCE 200809L

#include "simwatch.h"
#include "simos.h"
#include "simzk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BASE  "/ballot/election"
#define MOST  64
#define NAME  64

struct state {
    char names[MOST][NAME]; /* of proposals, sorted                          */
    int count;
    char leader[NAME];      /* "": nobody leads                              */
};

struct watcher {
    int pid;
    char line[8192];
    size_t length;
    struct state told;
    char last[NAME];        /* the leader, or who it was                     */
    bool begun, greeted;    /* greeted: the present state is told            */
    bool away;              /* `disconnected` was the last that it said of its contact */
};

static struct {
    struct watcher watchers[HOSTS];
    struct state tree;
    int64_t changed;
} judge;

enum event { LEADER, VACANT, CANDIDATE, ELECTED, RESIGNED, LOST, JOINED, LEFT, DISCONNECTED, CONNECTED, EVENTS };

static const char *const events[EVENTS] = {
    "leader", "vacant", "candidate", "elected", "resigned", "lost", "joined", "left", "disconnected", "connected",
};

static struct { uint64_t lines[EVENTS], compared, stories; } totals;

static int place(const struct state *s, const char *name)
{
    int i = 0;
    while (i < s->count && strcmp(s->names[i], name) < 0)
        i++;
    return i;
}

static bool stands(const struct state *s, const char *name)
{
    int i = place(s, name);
    return i < s->count && !strcmp(s->names[i], name);
}

static void add(struct state *s, const char *name)
{
    int i = place(s, name);
    if (s->count == MOST)
        return;
    for (int k = s->count++; k > i; k--)
        strcpy(s->names[k], s->names[k - 1]);
    snprintf(s->names[i], NAME, "%s", name);
}

static void take(struct state *s, const char *name)
{
    for (int i = place(s, name) + 1; i < s->count; i++)
        strcpy(s->names[i - 1], s->names[i]);
    s->count--;
}

/* The last part of the path that stands in that field; "": none. */
static void field(const char *line, const char *key, char name[NAME])
{
    char mark[40];
    snprintf(mark, sizeof mark, "\"%s\":\"", key);
    const char *at = strstr(line, mark);
    name[0] = '\0';
    if (!at)
        return;
    at += strlen(mark);
    size_t n = strcspn(at, "\"");
    for (const char *slash; (slash = memchr(at, '/', n)); at = slash + 1)
        n -= (size_t)(slash + 1 - at);
    snprintf(name, NAME, "%.*s", (int)n, at);
}

/* What is wrong with that event now; NULL: nothing. */
static const char *wrong(const struct watcher *w, enum event e, const char *who, const char *before)
{
    const struct state *s = &w->told;
    bool named = *who, there = named && stands(s, who), leads = named && !strcmp(s->leader, who);
    switch (e) {
    case LEADER:       return w->begun || !named ? "a second beginning, or of nobody" : NULL;
    case VACANT:       return w->begun ? "a second beginning" : NULL;
    case CANDIDATE:    return !w->begun || w->greeted || there || !named ? "told twice, or after the present state" : NULL;
    case JOINED:       return !w->begun || there || !named ? "joined twice" : NULL;
    case LEFT:         return !there ? "left, but had not joined" : leads ? "left as the leader" : NULL;
    case ELECTED:      return !w->begun || !named || leads ? "elected twice" : strcmp(before, w->last) ? "elected after another" : NULL;
    case RESIGNED:
    case LOST:         return !leads ? "has not led" : NULL;
    case DISCONNECTED: return w->away ? "twice" : NULL;
    case CONNECTED:    return !w->away ? "twice" : NULL;
    case EVENTS:       break;
    }
    return "no such event";
}

static void tell(struct watcher *w, enum event e, const char *who)
{
    struct state *s = &w->told;
    bool leads = e == LEADER || e == ELECTED;
    w->begun = w->begun || e == LEADER || e == VACANT;
    w->greeted = w->greeted || e == JOINED || e == LEFT || e == ELECTED || e == RESIGNED || e == LOST;
    w->away = e == DISCONNECTED || (w->away && e != CONNECTED);
    if (e == LEADER || e == CANDIDATE || e == JOINED)
        add(s, who);
    if (e == LEFT)
        take(s, who);
    if (leads || e == RESIGNED || e == LOST || e == VACANT)
        snprintf(s->leader, NAME, "%s", leads ? who : "");
    if ((leads || e == VACANT) && *who)
        snprintf(w->last, NAME, "%s", who);
}

static void line_read(struct watcher *w, int host)
{
    char name[NAME], who[NAME], before[NAME];
    int e = 0;
    if (w->line[0] != '{') { /* its log: stdout and stderr are one file here */
        sim_tell("host%d watch: %s", host, w->line);
        return;
    }
    field(w->line, "event", name);
    field(w->line, "proposalNode", who);
    field(w->line, "previousNode", before);
    while (e < EVENTS && strcmp(events[e], name) != 0)
        e++;
    sim_tell("host%d watch: %s %s%s%s", host, name, who, *before ? ", after " : "", before);
    const char *why = wrong(w, (enum event)e, who, before);
    if (why) {
        sim_violation("watch: host%d's tells %s of %s: %s", host, name, who, why);
        return;
    }
    totals.lines[e]++;
    tell(w, (enum event)e, who);
}

void watch_read(int host, const char *text, size_t length)
{
    struct watcher *w = &judge.watchers[host];
    for (size_t i = 0; i < length; i++)
        if (text[i] != '\n') {
            if (w->length < sizeof w->line - 1)
                w->line[w->length++] = text[i];
        } else {
            w->line[w->length] = '\0';
            w->length = 0;
            line_read(w, host);
        }
}

void watch_begin(void)
{
    memset(&judge, 0, sizeof judge);
}

void watch_born(int host, int pid)
{
    judge.watchers[host] = (struct watcher){ .pid = pid };
    totals.stories++;
}

/* Who stands, and whom the base names that does. */
static void tree_read(struct state *s)
{
    struct zk_view view;
    char path[256], data[4096], named[NAME];
    const char *name;
    memset(s, 0, sizeof *s);
    for (int i = 0; (name = zk_child(BASE, i)); i++) {
        snprintf(path, sizeof path, BASE "/%s", name);
        if (!strncmp(name, "proposal-", 9) && zk_look(path, &view) && view.ephemeral_owner)
            add(s, name);
    }
    if (!zk_look(BASE, &view))
        return;
    snprintf(data, sizeof data, "%.*s", (int)view.length, view.data);
    field(data, "proposalNode", named);
    if (*named && stands(s, named))
        strcpy(s->leader, named);
}

void watch_tree(void)
{
    struct state now;
    tree_read(&now);
    if (memcmp(&now, &judge.tree, sizeof now) != 0)
        judge.changed = sim_now();
    judge.tree = now;
}

static bool same(const struct state *a, const struct state *b)
{
    for (int i = 0; i < a->count; i++)
        if (i >= b->count || strcmp(a->names[i], b->names[i]) != 0)
            return false;
    return a->count == b->count && !strcmp(a->leader, b->leader);
}

void watch_judge(int host, long long patience)
{
    const struct watcher *w = &judge.watchers[host];
    const struct state *told = &w->told, *tree = &judge.tree;
    if (!w->pid || sim_now() - judge.changed <= patience)
        return;
    totals.compared++;
    if (!w->begun || w->away)
        sim_violation("watch: host%d's %s, though it can reach the servers", host, w->begun ? "is out of contact" : "tells nothing");
    else if (!same(told, tree))
        sim_violation("watch: host%d's says that \"%s\" leads %d, it is \"%s\" and %d, since %.3f", host, told->leader, told->count,
                      tree->leader, tree->count, (double)judge.changed / 1e9);
}

void watch_totals(void)
{
    if (!totals.stories)
        return;
    printf("# watch: %" PRIu64 " lives, compared with the tree %" PRIu64 " times; lines:", totals.stories, totals.compared);
    for (int e = 0; e < EVENTS; e++)
        printf(" %" PRIu64 " %s", totals.lines[e], events[e]);
    printf("\n");
}
