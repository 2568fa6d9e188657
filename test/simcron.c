/* simcron.c - the judge of `run cron` in the simulated world, see sim.c.
 *
 * As the Jepsen test of Chronos has it: each activation of the schedule is a window, and what the commands recorded
 * (BALLOT_SCHEDULED_TIME) is matched to it. What README.md and ballot.h promise decides what is a violation:
 *
 * - extra: an activation started twice, or behind a later one. Two ways are documented: a `keep` leader out of
 *   contact, and run-anyway; and servers, or a stranger, that lose the record.
 * - unrecorded: started by a leader in contact, but the node does not say so first.
 * - early: over a minute ahead of the servers' clock; late: older than catch-up.
 * - missing: an activation that a leader could have run, and did not. It could if for so long as it may need (patience)
 *   it led, in contact, with nothing wrong, its clock right and no command on, and that activation was its latest and
 *   no older than catch-up. This holds for each moment, so it is judged then. What is lost though nobody could run it is
 *   counted by the reason: see losses[]. */
#define _POSIX_C_SOURCE 200809L

#include "simcron.h"
#include "simos.h"
#include "simzk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NODE     "/ballot/election/schedule"
#define NONE     INT64_MIN
#define APART    60 /* seconds: a clock so far from the servers' is wrong              */
#define NEAR     (50 * SIM_SECOND) /* it surely is not, whatever passes until it is compared */
#define BERLIN   "CET-1CEST,M3.5.0,M10.5.0/3"

/* --- schedules ------------------------------------------------------------------------- */

/* Worked out by hand, so that the judge does not ask ballot.c: activations are at phase + n * period, in
 * seconds of UTC; but of `@every` at its last mark + n * period. */
static const struct periodic { const char *spec; int period, phase; } periodic[] = {
    { "* * * * * *", 1, 0 }, { "*/2 * * * * *", 2, 0 }, { "*/5 * * * * *", 5, 0 }, { "3-59/5 * * * * *", 5, 3 },
    { "0,10,20,30,40,50 * * * * *", 10, 0 }, { "7/15 * * * * *", 15, 7 }, { "*/30 * * * * *", 30, 0 },
    { "* * * * *", 60, 0 }, { "47 * * * * *", 60, 47 }, { "*/2 * * * *", 120, 0 }, { "20 1/3 * * * ?", 180, 80 },
    { "@every 1s", 1, 0 }, { "@every 3s", 3, 0 }, { "@every 7s", 7, 0 }, { "@every 45s", 45, 0 }, { "@every 1m10s", 70, 0 },
};

/* A day on which the clocks change, in Berlin. */
static const struct change { const char *spec; bool wall; int64_t begins, at[4]; } changes[] = {
    { "30 2 * * *", false, 1711846760, { 1711762200, 1711846800, 1711931400 } }, /* into the gap: at its end */
    { "30 2 * * *", true, 1711846760, { 1711762200, 1711931400 } },              /* lost in it               */
    { "30 2 * * *", false, 1698539360, { 1698453000, 1698539400, 1698629400 } }, /* the first of two         */
    { "30 2 * * *", false, 1698542960, { 1698453000, 1698539400, 1698629400 } }, /* the second: not again    */
    { "30 2 * * *", true, 1698542960, { 1698453000, 1698539400, 1698543000, 1698629400 } },
};

struct start {
    int64_t activation, at; /* at: true time                               */
    int host, candidate;
    bool recorded, ahead;   /* ahead: its clock was over a minute ahead       */
};

struct node {
    bool there;
    int64_t written, mark, run; /* mark: what counts of the one that is written */
    int64_t start;          /* of the run,                                  */
    int by;                 /* and the host                                 */
    int64_t mtime;          /* milliseconds                                 */
    int version;
};

struct host {
    bool runs;              /* a command, or it has recorded one that is to start */
    int64_t busy_until;     /* true time                                    */
    int64_t skipped;        /* activations up to that one came while it ran */
    int64_t recorded, recorded_at, recorded_mtime; /* the last activation that it has recorded; true time */
    bool pending;           /* it was not started yet                       */
    bool struck;            /* and something was wrong meanwhile            */
};

/* Why an activation was lost, the strongest first; of the moments at which it was the latest by the right clock. */
enum loss { DROPPED, BUSY, OFF, STRUCK, NOBODY, PASSED, TIGHT, LOSSES };

static const struct { const char *name, *promise; } losses[LOSSES] = {
    [DROPPED] = { "recorded, then struck", "recorded, but killed before the start: it is not run again" },
    [BUSY] = { "still running", "still running when the next one comes: skipped" },
    [OFF] = { "leader's clock off", "a clock over 1 min from the servers': hands over, stands again a minute later" },
    [STRUCK] = { "leader struck", "out of contact, killed, frozen: the next leader, or it on return, runs the latest only" },
    [NOBODY] = { "nobody led", "missed: the new leader runs the latest, if it is no older than catch-up" },
    [PASSED] = { "clock passed over", "the clock jumps forward, or the next leader's is ahead: as if missed; back: it has passed" },
    [TIGHT] = { "no time", "a later one came, or catch-up was over, sooner than the servers can answer" },
};

struct window { int64_t activation; unsigned reasons; };

static struct judge {
    struct cron_options o;
    const struct periodic *periodic;
    const struct change *change;
    struct node node;
    struct host host[HOSTS];
    struct start *starts;
    size_t count, room;
    int64_t last, last_at;  /* the last recorded activation that was started; true time */
    int64_t forgotten_at;   /* true time; -1: never                                 */
    int64_t known;          /* the mark before that: a leader goes on from it       */
    int64_t first;          /* all before the first record does not count           */
    struct window *windows; /* of the right clock                                   */
    size_t window_count, window_room;
    int leader;             /* since then, could and should have run: */
    int64_t due, due_since;
} judge;

static struct {
    uint64_t starts, killed, not_executed, activations, once, owed, documented[CRON_CONTACTS], lost[LOSSES];
} totals;

static const char *const documented[CRON_CONTACTS] = {
    [CRON_IN_CONTACT] = "the record was lost", [CRON_ALONE] = "out of contact, keep", [CRON_ANYWAY] = "run-anyway",
    [CRON_THAWED] = "forked, then frozen until now",
};

static int64_t floor_part(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool every(void)
{
    return judge.periodic && judge.periodic->spec[0] == '@';
}

/* The last activation up to that moment; NONE: none that is known. */
static int64_t latest(int64_t moment)
{
    int64_t second = floor_part(moment, SIM_SECOND), at = NONE;
    if (judge.periodic) {
        int64_t phase = every() ? judge.node.mark : judge.periodic->phase;
        if (phase == NONE)
            return NONE;
        return floor_part(second - phase, judge.periodic->period) * judge.periodic->period + phase;
    }
    for (size_t i = 0; i < COUNT(judge.change->at) && judge.change->at[i]; i++)
        at = judge.change->at[i] <= second ? judge.change->at[i] : at;
    return at;
}

void cron_begin(struct cron_options *o, int64_t length, int64_t (*dice)(int64_t, int64_t))
{
    free(judge.starts);
    free(judge.windows);
    judge = (struct judge){ .last = NONE, .known = NONE, .forgotten_at = -1, .first = NONE, .leader = -1, .due = NONE };
    for (struct host *h = judge.host; h < judge.host + HOSTS; h++)
        h->skipped = h->recorded = NONE;
    if (dice(1, 100) <= 8)
        judge.change = &changes[dice(0, COUNT(changes) - 1)];
    else
        do /* some activations must come */
            judge.periodic = &periodic[dice(0, COUNT(periodic) - 1)];
        while (judge.periodic->period * 4 * SIM_SECOND > length);
    o->wall = (judge.change ? judge.change->begins : 1700000000 + dice(0, 100000)) * SIM_SECOND + dice(0, SIM_SECOND - 1);
    o->dst_wall = judge.change ? judge.change->wall : dice(0, 1);
    judge.o = *o;
}

const char *cron_spec(void)
{
    return judge.periodic ? judge.periodic->spec : judge.change ? judge.change->spec : "";
}

char *cron_zone(void)
{
    static char berlin[] = BERLIN;
    return judge.change ? berlin : NULL;
}

bool cron_one_day(void)
{
    return judge.change != NULL;
}

int64_t cron_period(void)
{
    return (judge.periodic ? judge.periodic->period : 60) * SIM_SECOND;
}

/* --- text to moments ---------------------------------------------------------------------- */

static int64_t days(int64_t year, int64_t month, int64_t day) /* since 1970-01-01 */
{
    year -= month <= 2;
    int64_t era = floor_part(year, 400), of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* RFC 3339; NONE: it is none. */
static int64_t moment(const char *text)
{
    int y, m, d, h, min, s, n = 0, zone_h, zone_m;
    char sign;
    if (sscanf(text, "%d-%d-%dT%d:%d:%d%n", &y, &m, &d, &h, &min, &s, &n) != 6)
        return NONE;
    int64_t at = days(y, m, d) * 86400 + h * 3600 + min * 60 + s;
    if (sscanf(text + n, "%c%d:%d", &sign, &zone_h, &zone_m) == 3)
        at -= (sign == '-' ? -1 : 1) * (zone_h * 3600 + zone_m * 60);
    return at;
}

static int64_t field(const char *json, const char *name)
{
    char key[40];
    snprintf(key, sizeof key, "\"%s\":\"", name);
    const char *at = strstr(json, key);
    return at ? moment(at + strlen(key)) : NONE;
}

static struct node node_read(void)
{
    struct zk_view view;
    char json[8192];
    struct node n = { .mark = NONE, .run = NONE };
    if (!zk_look(NODE, &view))
        return n;
    snprintf(json, sizeof json, "%.*s", (int)view.length, view.data);
    n.mark = n.written = field(json, "activation");
    n.run = field(json, "lastRun");
    n.start = field(json, "start");
    const char *by = strstr(json, "\"host\":\"host");
    n.by = by ? atoi(by + strlen("\"host\":\"host")) : 0;
    n.there = n.mark != NONE;
    n.version = view.version;
    n.mtime = view.mtime;
    int64_t taken = floor_part(n.mtime, 1000), confirmed = field(json, "confirmed");
    if (n.there && n.mark > taken + APART) /* a clock over a minute from the servers' has written it */
        n.mark = confirmed > taken ? confirmed : taken;
    return n;
}

/* --- what happens ------------------------------------------------------------------------------ */

static const struct start *started(int64_t activation)
{
    for (size_t i = judge.count; i > 0; i--)
        if (judge.starts[i - 1].activation == activation)
            return &judge.starts[i - 1];
    return NULL;
}

void cron_forgotten(void)
{
    judge.forgotten_at = sim_now();
    judge.last = NONE;
    judge.known = judge.node.mark > judge.known ? judge.node.mark : judge.known;
    judge.node = node_read();
}

static bool forgotten_since(int64_t at)
{
    return judge.forgotten_at >= 0 && judge.forgotten_at + 3 * judge.o.timeout >= at;
}

static void busy(int host)
{
    struct host *h = &judge.host[host];
    int64_t at = latest(os_wall_clock(host));
    h->busy_until = sim_now() + judge.o.patience;
    h->skipped = h->skipped > at ? h->skipped : at;
}

/* A run that was recorded: its start is awaited. */
static void recorded(int host, int candidate, const struct node *n)
{
    struct host *h = &judge.host[host];
    const struct start *s = started(n->run);
    h->recorded = n->run;
    h->recorded_at = sim_now();
    h->recorded_mtime = n->mtime;
    int64_t age = os_wall_clock(host) - n->start * SIM_SECOND;
    if ((s && s->candidate == candidate) || age < -3 * SIM_SECOND || age > 3 * SIM_SECOND)
        return; /* it is written again; or it ran out of contact, and is recorded on return */
    h->pending = h->runs = true;
    h->struck = false;
    busy(host);
    if (judge.window_count && judge.windows[judge.window_count - 1].activation == n->run)
        judge.windows[judge.window_count - 1].reasons |= 1U << DROPPED; /* if it is not started */
}

/* The last activation before that one that this candidate has started. */
static int64_t own_last(int candidate, int64_t activation)
{
    int64_t last = NONE;
    for (size_t i = 0; i < judge.count; i++)
        if (judge.starts[i].candidate == candidate && judge.starts[i].activation < activation && judge.starts[i].activation > last)
            last = judge.starts[i].activation;
    return last;
}

bool cron_record(int host, int candidate, bool able, bool excused)
{
    const struct node old = judge.node, new = node_read();
    bool run = new.there && new.run == new.written && new.run != old.run && new.written > old.mark;
    if (old.there == new.there && old.version == new.version && old.written == new.written && old.run == new.run)
        return false;
    sim_tell("host%d writes the record: mark %" PRId64 ", run %" PRId64 ", servers' clock %.3f, its clock %.3f", host, new.written,
             new.run == NONE ? 0 : new.run, (double)zk_wall() / 1e9, (double)os_wall_clock(host) / 1e9);
    if (run && new.by != host) { /* the answer to it was lost with the servers */
        host = new.by;
        candidate = 0;
    }
    struct host *h = &judge.host[host];
    if (h->runs)
        busy(host);
    if (h->pending && new.there && new.written < h->recorded) { /* withdrawn */
        h->pending = h->runs = false;
        h->recorded = NONE;
    }
    judge.node = new;
    if (judge.first == NONE && new.there)
        judge.first = new.mark;
    const struct start *alone = started(new.run);
    if (new.mark < new.written && new.mark < old.mark && alone && !alone->recorded)
        cron_forgotten(); /* a clock over a minute ahead records what it ran alone, which counts as the servers' time */
    if (run)
        recorded(host, candidate, &new);
    excused = excused || !old.there || !new.there || forgotten_since(sim_now());
    if (excused)
        return true;
    int64_t own = own_last(candidate, new.written), period = every() ? judge.periodic->period : 1; /* own: out of contact */
    bool again = started(new.written) && started(new.written)->candidate == candidate;
    if (run && !again && (new.written - old.mark) % period && (own == NONE || (new.written - own) % period))
        sim_violation("cadence: %" PRId64 " s after the last mark, by host%d", new.written - old.mark, host);
    int64_t at = latest(new.mark * SIM_SECOND);
    if (!run && able && new.mark > old.mark && !every() && at > old.mark && at > h->skipped && !started(at))
        sim_violation("missing: the mark of host%d passes %" PRId64 ", which it has not run", host, at);
    return true;
}

/* Whether that candidate has started anything since by a clock that was over a minute ahead: a mark that counts as now,
 * when that clock is set, and forgets what it ran before, too. */
static bool ahead_since(int candidate, int64_t at)
{
    for (size_t i = 0; i < judge.count; i++)
        if (judge.starts[i].candidate == candidate && judge.starts[i].at >= at && judge.starts[i].ahead)
            return true;
    return false;
}

/* One that came twice, or behind a later one. */
static void judge_extra(const struct start *s, enum cron_contact contact)
{
    const struct start *before = started(s->activation);
    if (!before && (!s->recorded || judge.last == NONE || s->activation > judge.last))
        return;
    bool twice_by_one = before && before->candidate == s->candidate && !ahead_since(s->candidate, before->at);
    if (contact == CRON_ANYWAY || contact == CRON_THAWED)
        totals.documented[contact]++;
    else if ((before && !before->recorded && !twice_by_one) || (!s->recorded && !twice_by_one))
        totals.documented[CRON_ALONE]++;
    else if (forgotten_since(before ? before->at : judge.last_at))
        totals.documented[CRON_IN_CONTACT]++;
    else if (before)
        sim_violation("extra: activation %" PRId64 " of host%d, at %.3f, and of host%d now", s->activation, before->host,
                      (double)before->at / 1e9, s->host);
    else
        sim_violation("order: activation %" PRId64 " of host%d behind %" PRId64, s->activation, s->host, judge.last);
}

static void judge_moment(const struct start *s, bool steady)
{
    const struct host *h = &judge.host[s->host];
    int64_t catch_up = judge.o.catch_up > SIM_SECOND ? judge.o.catch_up : SIM_SECOND;
    int64_t age = os_wall_clock(s->host) - s->activation * SIM_SECOND;
    if (s->recorded && s->activation * 1000 > h->recorded_mtime + APART * 1000)
        sim_violation("early: activation %" PRId64 " of host%d, recorded at %" PRId64, s->activation, s->host, h->recorded_mtime / 1000);
    if (steady && age > catch_up + (s->recorded ? judge.o.timeout : 0) + judge.o.patience + SIM_SECOND)
        sim_violation("late: activation %" PRId64 " of host%d, %" PRId64 " ms after it", s->activation, s->host, age / SIM_MS);
    if (steady && age < 0)
        sim_violation("early: activation %" PRId64 " of host%d, %" PRId64 " ms before it", s->activation, s->host, -age / SIM_MS);
}

void cron_started(int host, int candidate, const char *activation, bool steady, enum cron_contact contact, bool executed)
{
    struct host *h = &judge.host[host];
    struct start s = { .activation = moment(activation), .at = sim_now(), .host = host, .candidate = candidate };
    s.recorded = h->recorded == s.activation && contact != CRON_ANYWAY && contact != CRON_THAWED;
    int64_t right = judge.o.wall + sim_now(), least = right < zk_wall() ? right : zk_wall();
    s.ahead = os_wall_clock(host) - least > APART * SIM_SECOND;
    totals.starts++;
    totals.not_executed += !executed;
    if (s.activation == NONE)
        sim_violation("unknown: host%d starts \"%s\"", host, activation);
    else if (!every() && latest(s.activation * SIM_SECOND) != s.activation)
        sim_violation("no activation: host%d starts %s", host, activation);
    if (!s.recorded && contact == CRON_IN_CONTACT)
        sim_violation("unrecorded: activation %" PRId64 " of host%d", s.activation, host);
    judge_extra(&s, contact);
    judge_moment(&s, steady);
    if (judge.count == judge.room) {
        judge.room = 2 * judge.room + 64;
        judge.starts = realloc(judge.starts, judge.room * sizeof *judge.starts);
        if (!judge.starts)
            abort();
    }
    judge.starts[judge.count++] = s;
    if (s.recorded && s.activation > judge.last) {
        judge.last = s.activation;
        judge.last_at = sim_now();
    }
    h->pending = false;
    h->runs = executed;
    busy(host);
}

void cron_ended(int host, bool killed)
{
    totals.killed += killed;
    judge.host[host].runs = false;
    busy(host);
}

/* --- what does not happen ------------------------------------------------------------------------- */

static void judge_pending(int host, bool able)
{
    struct host *h = &judge.host[host];
    if (h->runs)
        busy(host);
    if (!h->pending)
        return;
    h->struck = h->struck || !able;
    if (!h->struck && sim_now() - h->recorded_at > judge.o.patience)
        sim_violation("missing: activation %" PRId64 " of host%d, recorded %.3f s ago, is not started", h->recorded, host,
                      (double)(sim_now() - h->recorded_at) / 1e9);
    if (sim_now() - h->recorded_at > judge.o.timeout + judge.o.patience)
        h->pending = h->runs = false;
}

/* What that leader should run now; NONE: nothing. */
static int64_t owed(int leader, bool able)
{
    const struct host *h = &judge.host[leader];
    int64_t wall = os_wall_clock(leader), off = wall - zk_wall(), at = latest(wall);
    int64_t catch_up = judge.o.catch_up > SIM_SECOND ? judge.o.catch_up : SIM_SECOND;
    bool idle = !h->runs && sim_now() >= h->busy_until;
    if (!able || !idle || !judge.node.there || off > NEAR || off < -NEAR || at == NONE || wall - at * SIM_SECOND >= catch_up)
        return NONE;
    return at > h->skipped && at > judge.node.mark && at > judge.known && !started(at) ? at : NONE;
}

static enum loss blocked(int leader, bool able, int64_t at)
{
    if (leader < 0)
        return NOBODY;
    const struct host *h = &judge.host[leader];
    int64_t off = os_wall_clock(leader) - zk_wall();
    if (h->runs || sim_now() < h->busy_until)
        return BUSY;
    if (off > NEAR || off < -NEAR)
        return OFF;
    if (!able)
        return STRUCK;
    return judge.node.mark >= at || latest(os_wall_clock(leader)) != at ? PASSED : TIGHT;
}

/* The windows that are open, by the right clock. */
static void windows_look(int leader, bool able)
{
    int64_t now = latest(judge.o.wall + sim_now()), before = judge.window_count ? judge.windows[judge.window_count - 1].activation : NONE;
    if (judge.first == NONE || now == NONE || now <= judge.first)
        return;
    if (now != before) {
        if (judge.window_count == judge.window_room) {
            judge.window_room = 2 * judge.window_room + 64;
            judge.windows = realloc(judge.windows, judge.window_room * sizeof *judge.windows);
            if (!judge.windows)
                abort();
        }
        judge.windows[judge.window_count++] = (struct window){ now, 0 };
        for (int h = 0; h < HOSTS; h++)
            if (judge.host[h].recorded == now)
                judge.windows[judge.window_count - 1].reasons = 1U << DROPPED;
    }
    judge.windows[judge.window_count - 1].reasons |= 1U << blocked(leader, able, now);
}

void cron_look(const struct cron_seen *seen, int hosts)
{
    int leader = -1;
    for (int h = 0; h < hosts; h++) {
        leader = seen[h].named ? h : leader;
        judge_pending(h, seen[h].able && seen[h].named);
    }
    bool able = leader >= 0 && seen[leader].able;
    windows_look(leader, able);
    int64_t due = leader < 0 ? NONE : owed(leader, able);
    if (due == NONE || due != judge.due || leader != judge.leader) {
        totals.owed += due != NONE;
        judge.due_since = sim_now();
    }
    judge.due = due;
    judge.leader = leader;
    if (due != NONE && sim_now() - judge.due_since > judge.o.patience)
        sim_violation("missing: activation %" PRId64 ", though host%d could have run it since %.3f", due, leader,
                      (double)judge.due_since / 1e9);
}

/* --- the count ---------------------------------------------------------------------------------------- */

static enum loss window_loss(const struct window *w)
{
    for (int r = 0; r < LOSSES; r++)
        if (w->reasons & 1U << r)
            return (enum loss)r;
    return TIGHT;
}

void cron_end(void)
{
    for (size_t i = 0; i + 1 < judge.window_count; i++) { /* the last is still open */
        totals.activations++;
        if (started(judge.windows[i].activation))
            totals.once++;
        else
            totals.lost[window_loss(&judge.windows[i])]++;
    }
}

void cron_totals(void)
{
    if (!totals.starts)
        return;
    printf("# cron: %" PRIu64 " activations by the right clock, %" PRIu64 " of them started; %" PRIu64 " starts, %" PRIu64
           " could not be executed, %" PRIu64 " were killed; %" PRIu64 " times a leader owed a start\n",
           totals.activations, totals.once, totals.starts, totals.not_executed, totals.killed, totals.owed);
    for (size_t i = 0; i < COUNT(documented); i++)
        printf("# started twice, or behind a later one: %8" PRIu64 " %s\n", totals.documented[i], documented[i]);
    for (int r = 0; r < LOSSES; r++)
        printf("# lost: %8" PRIu64 " %-24s %s\n", totals.lost[r], losses[r].name, losses[r].promise);
}
