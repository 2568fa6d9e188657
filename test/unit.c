/* Unit tests of the pure parts; includes ballot.c to reach them. Prints TAP. */
#define BALLOT_NO_ENTRY
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

/* The wall clock is set by tests, as far as it differs from the machine's. */
static int64_t wall_offset;

static int wall_gettime(clockid_t id, struct timespec *t)
{
    int rc = clock_gettime(id, t);
    t->tv_sec += id == CLOCK_REALTIME ? (time_t)wall_offset : 0;
    return rc;
}

static bool fork_fails;

static pid_t noted_fork(void)
{
    errno = EAGAIN;
    return fork_fails ? -1 : fork();
}
#define clock_gettime wall_gettime
#define fork noted_fork
#define zoo_amulti noted_multi
#define zoo_adelete noted_delete
#define zookeeper_process noted_process
#define zookeeper_interest noted_interest
#include "ballot.c"
#undef zoo_amulti
#undef zoo_adelete
#undef zookeeper_process
#undef zookeeper_interest
#include <sys/resource.h>

#include "tap.h"

/* The last transaction, which is not sent. */
static struct { int type, version, length; char path[80]; } noted[OPS_MAX];

int noted_multi(zhandle_t *handle, int count, const zoo_op_t *ops, zoo_op_result_t *results,
                void_completion_t completion, const void *data)
{
    (void)handle, (void)results, (void)completion, (void)data;
    for (int i = 0; i < count; i++) {
        const zoo_op_t *op = &ops[i];
        bool set = op->type == ZOO_SETDATA_OP, check = op->type == ZOO_CHECK_OP, delete = op->type == ZOO_DELETE_OP;
        noted[i].type = op->type;
        noted[i].version = set ? op->set_op.version : check ? op->check_op.version : delete ? op->delete_op.version : 0;
        noted[i].length = set ? op->set_op.datalen : 0;
        string_copy(noted[i].path, sizeof noted[i].path,
            set ? op->set_op.path : check ? op->check_op.path : delete ? op->delete_op.path : op->create_op.path);
    }
    return ZBADARGUMENTS;
}

int noted_delete(zhandle_t *handle, const char *path, int version, void_completion_t completion, const void *data)
{
    zoo_op_t op;
    zoo_delete_op_init(&op, path, version);
    return noted_multi(handle, 1, &op, NULL, completion, data);
}

/* What the library was last told to do: read, or write. */
static int processed;

int noted_process(zhandle_t *handle, int events)
{
    (void)handle;
    processed = events;
    return ZOK;
}

/* The descriptor that it waits for; -1: none. */
static int interested = -1;

int noted_interest(zhandle_t *handle, int *fd, int *interest, struct timeval *tv)
{
    (void)handle;
    *fd = interested;
    *interest = ZOOKEEPER_READ;
    *tv = (struct timeval){ .tv_sec = 1 };
    return ZOK;
}

static void test_durations(void)
{
    describe("Durations are read and written as Go's are");
    static const struct { const char *in, *out; } good[] = {
        { "0", "0s" }, { "5s", "5s" }, { "300ms", "300ms" }, { "1h30m", "1h30m0s" }, { "1.5h", "1h30m0s" },
        { "-1.5s", "-1.5s" }, { "+90s", "1m30s" }, { "1us", "1\xc2\xb5s" }, { "1\xc2\xb5s", "1\xc2\xb5s" },
        { "1\xce\xbcs", "1\xc2\xb5s" }, { "2.25ms", "2.25ms" }, { ".5s", "500ms" }, { "1.s", "1s" },
        { "1ns", "1ns" }, { "0.000000001s", "1ns" }, { "100h", "100h0m0s" }, { "0.3s", "300ms" },
        { "2562047h47m16.854775807s", "2562047h47m16.854775807s" }, { "3.0000000000000000001s", "3s" },
        { "9223372036854775807ns", "2562047h47m16.854775807s" },
        { "-9223372036854775807ns", "-2562047h47m16.854775807s" },
    };
    static const char *const bad[] = {
        "", "5", "s", ".", "-", "+", ".s", "1x", "1 s", " 1s", "1s ", "1d", "--1s", "1e3s", "9223372036854775808ns",
        "-9223372036854775809ns", "2562048h", "99999999999999999999s", "1s2"
    };
    nanos value;
    for (size_t i = 0; i < COUNT(good); i++) {
        bool ok = duration_parse(good[i].in, &value);
        same(ok ? duration_string(value).data : "refused", good[i].out, good[i].in);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        check(!duration_parse(bad[i], &value), bad[i]);
}

static void test_json(void)
{
    describe("A string is found in JSON, whatever else is in it");
    char buffer[200], out[100];
    struct text t = text_in(buffer, sizeof buffer);
    json_string(&t, "a\"\\\n\0\x1f\xff\xc3\xa9\xed\xa0\x80", 12);
    same(buffer, "\"a\\\"\\\\\\n\\u0000\\u001f\\ufffd\xc3\xa9\\ufffd\\ufffd\\ufffd\"", "json_string");
    static const struct { const char *in, *out; } cases[] = {
        { "{\"k\":\"v\"}", "v" }, { " { \"x\" : [1,{\"k\":\"no\"}], \"k\" : \"v\" } ", "v" },
        { "{\"k\":\"\\u00e9\\n\"}", "\xc3\xa9\n" },
        { "{\"k\":\"\\ud83d\\ude00\"}", "\xf0\x9f\x98\x80" }, { "{\"k\":\"\\ud83d\"}", "\xef\xbf\xbd" },
        { "{\"k\":\"\\u0000\"}", "\xef\xbf\xbd" },
        { "{\"x\":\"\\\"}{\",\"k\":\"v\"}", "v" }, { "{\"x\":-1.5e3,\"y\":null,\"k\":\"v\"}", "v" },
        { "{\"k\":7}", NULL }, { "{\"k\":\"v", NULL }, { "{\"k\"", NULL }, { "{\"k\":\"\\x\"}", NULL },
        { "[\"k\"]", NULL }, { "", NULL },
        { "{\"x\":[[[[}", NULL }, { "{\"x\":,\"k\":\"v\"}", NULL }, { "{\"other\":\"v\"}", NULL }, { "{", NULL },
        { "null", NULL },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool found = json_get(cases[i].in, strlen(cases[i].in), "k", out, sizeof out);
        same(found ? out : "none", cases[i].out ? cases[i].out : "none", cases[i].in);
    }
    check(!json_get("{\"k\":\"a\0b\"}", 11, "k", out, sizeof out), "a NUL within a string");
    check(json_get("{\"k\":\"12345\"}", 13, "k", out, 4) && !strcmp(out, "123"), "a value that does not fit is cut");
}

static void test_visible(void)
{
    describe("What a terminal might obey is escaped");
    static const struct { const char *in, *out; } cases[] = {
        { "caf\xc3\xa9 \\ \"~", "caf\xc3\xa9 \\ \"~" }, { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
        { "a\x1b[2J\n\x7f", "a\\x1b[2J\\x0a\\x7f" },
        { "\xc2\x9b", "\\xc2\\x9b" }, { "\xe2\x80\xae", "\\xe2\\x80\\xae" }, { "\xe2\x81\xa6", "\\xe2\\x81\\xa6" },
        { "\xd8\x9c", "\\xd8\\x9c" },
        { "\x9b" "1m", "\\x9b1m" }, { "cut\xe2\x80", "cut\\xe2\\x80" }, { "", "" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[64];
        struct text t = text_in(out, sizeof out);
        text_visible(&t, cases[i].in, strlen(cases[i].in));
        same(out, cases[i].out, "what a terminal shows, and does not obey");
    }
}

static void test_names(void)
{
    describe("Paths of znodes, addresses of servers, and words that are almost right");
    static const char *const good[] = { "/a", "/ballot/election", "/a/..b/.c/...", "/\xc3\xa9" };
    static const char *const bad[] = {
        "", "/", "a", "/a/", "//a", "/a//b", "/.", "/a/..", "/a/./b", "/a\n", "/\xff", "/a\x7f"
    };
    for (size_t i = 0; i < COUNT(good); i++)
        check(path_valid(good[i]), good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        check(!path_valid(bad[i]), bad[i]);
    static const struct { const char *in, *host, *port; } servers[] = {
        { "h", "h", "2181" }, { "h:1", "h", "1" }, { "[::1]", "::1", "2181" }, { "[::1]:65535", "::1", "65535" },
        { "", NULL, NULL }, { ":1", NULL, NULL }, { "h:", NULL, NULL }, { "h:0", NULL, NULL },
        { "h:65536", NULL, NULL },
        { "::1", NULL, NULL }, { "[::1", NULL, NULL }, { "[]:1", NULL, NULL }, { "h:1:2", NULL, NULL },
        { "h:1x", NULL, NULL },
    };
    struct server split;
    for (size_t i = 0; i < COUNT(servers); i++) {
        bool ok = server_parse(servers[i].in, &split);
        check(ok == (servers[i].host != NULL) &&
            (!ok || (!strcmp(split.host, servers[i].host) && !strcmp(split.port, servers[i].port))), servers[i].in);
    }
    check(word_distance("onec", "once") == 2 && word_distance("", "abc") == 3 && word_distance("same", "same") == 0,
        "word_distance");
}

/* An answer to a request of `b` that was sent at a moment: nothing but these facts, unless `more` has some. */
static void answer(ballot *b, enum step request, nanos sent, struct reply more)
{
    static const struct Stat no_stat = { .czxid = 0 };
    static const struct String_vector no_names = { .count = 0 };
    more.request = (int)request;
    more.sent = sent;
    more.data = more.data ? more.data : "";
    more.length = strlen(more.data);
    more.stat = more.stat ? more.stat : &no_stat;
    more.names = more.names ? more.names : &no_names;
    election_learn(b, &more);
}

static void flies(ballot *b, enum step request, bool flying)
{
    b->client.flying[request] = flying;
    b->client.sent[request] = clock_now();
}

/* A candidate that stands as proposal-5, connected, with all facts fresh. */
static ballot *member(enum ballot_mode mode)
{
    ballot *b;
    const struct ballot_config c = { .servers = "127.0.0.1", .base_path = "/b", .candidate_id = "me",
        .timeout_ms = 6000, .mode = mode };
    if (ballot_open(&b, &c) != BALLOT_OK)
        abort();
    b->client.connected = b->list_fresh = b->base.fresh = b->base.seen = b->base.exists = b->base.empty = true;
    b->signed_own = b->own_fresh = true;
    b->want = WANT_STAND;
    b->client.session.client_id = b->proposal_session = 77;
    b->own_exists = true;
    b->base.timeout = b->client.timeout;
    string_copy(b->proposal, sizeof b->proposal, "proposal-5");
    names_add(&b->queue, "proposal-5");
    b->base.read_at = b->base.moved_at = b->base.silent_since = 100 * SECOND;
    return b;
}

static void names(ballot *b, const char *name, bool stop)
{
    b->base.empty = false;
    b->base.stop = stop;
    string_copy(b->base.named, sizeof b->base.named, name);
}

/* The step at a moment after the base was last read and moved. T is 6 s. */
static enum step step_at(ballot *b, nanos after)
{
    nanos wake = NEVER;
    b->base.read_at = b->base.read_at ? 100 * SECOND + after : 0; /* it is being asked all the time */
    return election_step(b, 100 * SECOND + after, &wake);
}

/* Whether a step is first due at a moment: nothing is a millisecond before. */
static bool begins_at(ballot *b, nanos after, enum step step)
{
    return step_at(b, after - MILLISECOND) == STEP_NONE && step_at(b, after) == step;
}

static void test_claims(void)
{
    describe("Rule 2: when the first of the queue claims");
    ballot *b = member(BALLOT_KEEP);
    check(step_at(b, 0) == REQUEST_WRITE, "(a) the first claims an empty base");
    b->want = WANT_HOLD;
    check(step_at(b, 0) == STEP_NONE, "... unless it holds");
    b->want = WANT_STAND;
    b->base.fresh = false;
    check(step_at(b, 0) == REQUEST_BASE, "... or the base is not known");
    b->base.fresh = true;
    b->list_fresh = false;
    check(step_at(b, 0) == REQUEST_LIST, "... or the queue is not");
    b->list_fresh = true;
    b->unsettled = true;
    check(step_at(b, 0) == REQUEST_SYNC, "... or something is in doubt");
    b->unsettled = false;
    b->base.lost_until = 106 * SECOND;
    check(begins_at(b, 6 * SECOND, REQUEST_WRITE), "what the servers have lost is waited for: T");
    names(b, "proposal-5", false);
    check(begins_at(b, 6 * SECOND, REQUEST_WRITE), "... also where the base names us");
    b->base.lost_until = 0;

    describe("... where the base names a leader that is gone, one that lives, or the candidate itself");
    names(b, "proposal-1", true);
    check(begins_at(b, 5 * SECOND, REQUEST_WRITE), "(b) a leader of stop that is gone: after 5/6 T");
    b->base.timeout = 12 * SECOND;
    check(begins_at(b, 10 * SECOND, REQUEST_WRITE), "... of its T");
    names(b, "proposal-1", false);
    check(begins_at(b, 12 * SECOND, REQUEST_WRITE), "(c) of keep: after the greater T");
    b->base.timeout = 3 * SECOND;
    check(begins_at(b, 6 * SECOND, REQUEST_WRITE), "... which may be our own");
    names(b, "", true);
    check(begins_at(b, 6 * SECOND, REQUEST_WRITE), "... also where the base names no proposal, whatever else it says");
    names(b, "proposal-1", false);
    b->base.timeout = 12 * SECOND;
    b->base.restarted = true;
    check(begins_at(b, 24 * SECOND, REQUEST_WRITE), "... after 2 T where the clock restarted");
    b->base.restarted = false;
    b->base.timeout = b->client.timeout;
    names_add(&b->queue, "proposal-9");
    names(b, "proposal-9", false);
    check(step_at(b, HOUR) == REQUEST_AHEAD, "a leader that lives is watched, not superseded");
    string_copy(b->watched[0], NODE_MAX, "proposal-9");
    check(step_at(b, HOUR) == STEP_NONE, "... however long it is silent");
    names(b, "proposal-5", false);
    check(step_at(b, 0) == REQUEST_WRITE, "(d) the base names us, and we do not lead: claim");
    ballot_close(b);

    describe("The second of the queue watches the first, and asks whether the servers answer");
    b = member(BALLOT_STOP);
    string_copy(b->queue.at[0], NODE_MAX, "proposal-1");
    names_add(&b->queue, "proposal-5");
    check(step_at(b, 0) == REQUEST_AHEAD, "the second watches the first");
    string_copy(b->watched[0], NODE_MAX, "proposal-1");
    check(step_at(b, 11 * SECOND) == STEP_NONE, "... and claims nothing, empty base or not");
    names(b, "proposal-1", false);
    b->base.read_at = 100 * SECOND;
    nanos wake = NEVER;
    check(election_step(b, 100 * SECOND + 599 * MILLISECOND, &wake) == STEP_NONE &&
        wake == 100 * SECOND + 600 * MILLISECOND,
        "the second asks every T/10 whether the servers answer");
    check(election_step(b, 100 * SECOND + 600 * MILLISECOND, &wake) == REQUEST_PROBE, "... then");
    flies(b, REQUEST_PROBE, true);
    check(election_step(b, HOUR, &wake) == STEP_NONE, "... once, and does nothing until it is answered");
    flies(b, REQUEST_PROBE, false);
    answer(b, REQUEST_PROBE, clock_now(), (struct reply){ .rc = ZOK });
    check(clock_now() - b->base.read_at < MINUTE && !b->broke_at, "... which counts as a read");

    describe("A waiting candidate leaves by deleting its proposal");
    b->want = WANT_LEAVE;
    check(step_at(b, 0) == REQUEST_WITHDRAW, "a waiting candidate leaves by deleting its proposal");
    names(b, "proposal-5", true);
    check(step_at(b, 0) == REQUEST_RESIGN, "... or resigns where the base names it");
    ballot_close(b);
}

static void test_leading(void)
{
    describe("A leader's heartbeat, its resignation, and what it makes of doubt");
    ballot *b = member(BALLOT_KEEP);
    nanos wake = NEVER;
    names(b, "proposal-5", false);
    b->leading = b->orders_fresh = true;
    b->lease = (struct ballot_lease){ .sent = 99 * SECOND, .timeout = b->client.timeout };
    b->beat_at = 100 * SECOND;
    check(election_step(b, 100 * SECOND, &wake) == REQUEST_WRITE, "a heartbeat when it is due");
    check(election_step(b, 99 * SECOND, &wake) == STEP_NONE && wake == 100 * SECOND, "... not before");
    flies(b, REQUEST_WRITE, true);
    check(election_step(b, 100 * SECOND, &wake) == STEP_NONE, "one write at a time");
    flies(b, REQUEST_WRITE, false);
    b->want = WANT_LEAVE;
    check(election_step(b, 99 * SECOND, &wake) == REQUEST_RESIGN, "resign");
    b->want = WANT_STAND;

    describe("A leader is unsure when its lease is over, and when it may have resigned");
    b->lease.sent = clock_now();
    check(ballot_role(b) == BALLOT_LEADER && ballot_lease_ms(b) > 0, "a leader, while the lease lasts");
    b->resigning = true;
    check(ballot_role(b) == BALLOT_UNSURE && ballot_lease_ms(b) == 0,
        "... not once its resignation is on its way: it may be carried out, whatever it wants meanwhile");
    b->resigning = false;

    describe("Rule 5: what is in doubt is settled when all is read: our bytes and our proposal keep the lead");
    b->lease.sent = 99 * SECOND;
    b->unsettled = b->synced = true;
    b->base.ours = true;
    check(election_step(b, 99 * SECOND, &wake) == STEP_SETTLE, "settle when all is read");
    election_settle(b);
    check(b->leading && b->losses == 0, "rule 5: our bytes, our proposal: goes on");
    b->own_exists = false;
    election_settle(b);
    check(!b->leading && b->losses == 1 && b->revoked && b->want == WANT_HOLD,
        "our proposal deleted: revoked, and holding");

    describe("Rule 10: the session has expired: under keep the leader leads on, under stop it has lost");
    for (int stop = 0; stop < 2; stop++) {
        ballot_close(b);
        b = member(stop ? BALLOT_STOP : BALLOT_KEEP);
        names(b, "proposal-5", stop);
        b->leading = b->base.ours = true;
        b->client.session.client_id = 78;
        election_settle(b);
        check(b->leading == !stop && !b->proposal[0],
            stop ? "expired under stop: lost" : "expired under keep: leads on, with a new proposal");
        wake = NEVER;
        check(election_step(b, 0, &wake) == (stop ? STEP_NONE : REQUEST_PROPOSE), "... next");
    }
    ballot_close(b);
}

/* A candidate behind proposal-1, where the base was read now and names `leader`. */
static ballot *second(enum ballot_mode mode, const char *leader)
{
    ballot *b = member(mode);
    string_copy(b->queue.at[0], NODE_MAX, "proposal-1");
    names_add(&b->queue, "proposal-5");
    string_copy(b->watched[0], NODE_MAX, "proposal-1");
    queue_changed(b);
    b->first_since = 100 * SECOND;
    names(b, leader, mode == BALLOT_STOP);
    b->base.revocable = true;
    return b;
}

static bool noted_op(int place, int type, const char *path, int version)
{
    return noted[place].type == type && !strcmp(noted[place].path, path) && noted[place].version == version;
}

static void test_transactions(void)
{
    describe("Rules 3 and 4: what is written checks our proposal, and goes by the version that was read last");
    ballot *b = second(BALLOT_KEEP, "proposal-1");
    b->base.version = 7;
    write_send(b);
    check(noted_op(0, ZOO_CHECK_OP, "/b/proposal-5", -1) && noted_op(1, ZOO_SETDATA_OP, "/b", 7) &&
        noted[1].length == (int)b->sent_length && b->sent_length > 0, "a claim, or a heartbeat");
    resign_send(b);
    check(noted_op(0, ZOO_SETDATA_OP, "/b", 7) && noted[0].length == 0 &&
        noted_op(1, ZOO_DELETE_OP, "/b/proposal-5", -1), "a resignation empties the base");
    check(b->resigning, "... and may be carried out from here on");
    b->unrecorded = true;
    resign_send(b);
    check(noted_op(0, ZOO_CHECK_OP, "/b", 7) && noted_op(1, ZOO_DELETE_OP, "/b/proposal-5", -1),
        "... but not one that says \"unrecorded\"");
    b->record.version = 3;
    b->record.exists = true;
    save_send(b);
    check(noted_op(0, ZOO_CHECK_OP, "/b/proposal-5", -1) && noted_op(1, ZOO_SETDATA_OP, "/b/schedule", 3), "a record");
    b->record.exists = false;
    save_send(b);
    check(noted_op(1, ZOO_CREATE_OP, "/b/schedule", 0), "... that is not there yet");
    client_ask(&b->client, REQUEST_WITHDRAW, ASK_DELETE, "/b/proposal-5", false);
    check(noted_op(0, ZOO_DELETE_OP, "/b/proposal-5", -1), "a candidate that leaves deletes its proposal");
    revoke_send(b);
    check(noted_op(0, ZOO_CHECK_OP, "/b", 7) && noted_op(1, ZOO_DELETE_OP, "/b/proposal-1", -1),
        "a revocation, if the base is as silent as we believe");
    ballot_close(b);

    describe("... and the last word of the record comes before the resignation");
    b = member(BALLOT_KEEP);
    names(b, "proposal-5", false);
    b->leading = b->record.pending = b->record.fresh = true;
    b->beat_at = NEVER;
    b->want = WANT_LEAVE;
    check(step_at(b, 0) == REQUEST_SAVE, "the record first");
    b->record.pending = false;
    check(step_at(b, 0) == REQUEST_RESIGN, "... then the resignation");
    ballot_close(b);

    describe("Rule 9: all that stand are asked, the newest first, until one is found to be ours");
    b = member(BALLOT_KEEP);
    election_doubt(b);
    b->synced = b->list_fresh = b->base.fresh = b->ghost = true;
    b->proposal[0] = '\0';
    check(step_at(b, 0) == REQUEST_GHOST, "one stands");
    b->suspects = 1;
    check(step_at(b, 0) == REQUEST_GHOST, "it is the last");
    b->suspects = 0;
    check(step_at(b, 0) == STEP_SETTLE, "it was");
    b->suspects = 1;
    b->queue.count = 0;
    check(step_at(b, 0) == STEP_SETTLE, "none stands");
    ballot_close(b);

    describe("Rule 5: if the answer to what sets is lost, all is read again");
    static const enum step sets[] = { REQUEST_WRITE, REQUEST_RESIGN, REQUEST_SAVE, REQUEST_PROPOSE, REQUEST_REVOKE };
    for (size_t i = 0; i < COUNT(sets); i++) {
        b = member(BALLOT_KEEP);
        b->record.fresh = b->record.pending = true;
        nanos sent = clock_now() + HOUR; /* no gap, however slow we are */
        answer(b, sets[i], sent, (struct reply){ .rc = ZCONNECTIONLOSS });
        check(b->unsettled && !b->synced && !b->base.fresh && !b->list_fresh, requests[sets[i]].text);
        check(b->ghost == (sets[i] == REQUEST_PROPOSE), "... and a proposal that may be ours is looked for");
        check(b->record.pending == (sets[i] != REQUEST_SAVE), "... a record that may be written is not written again");
        check((b->broke_at != 0) == (sets[i] == REQUEST_REVOKE), "... a revocation counts the silence anew");
        ballot_close(b);
    }
}

static void test_mute(void)
{
    describe("Rule 18: a revocation that comes too late proves the base's silence, if the base is as it was");
    for (int op = 0; op < 2; op++) {
        ballot *b = member(BALLOT_KEEP);
        answer(b, REQUEST_REVOKE, clock_now(), (struct reply){ .rc = ZNONODE, .refused = op });
        const char *title = op == 1 ? "the proposal is gone: the silence counts" : "the base is gone: it does not";
        check((b->broke_at == 0) == (op == 1), title);
        ballot_close(b);
    }

    describe("Rule 18: a leader that is silent though its session lives is revoked after 2 T, but never a Go ballot");
    for (int stop = 0; stop < 2; stop++) {
        ballot *b = second(stop ? BALLOT_STOP : BALLOT_KEEP, "proposal-1");
        check(begins_at(b, 12 * SECOND, REQUEST_REVOKE),
            "a leader that holds its session and is silent for 2 T is revoked");
        b->base.timeout = 10 * SECOND;
        check(begins_at(b, 20 * SECOND, REQUEST_REVOKE), "... by the greater T");
        b->base.silent_since += 5 * SECOND;
        check(begins_at(b, 25 * SECOND, REQUEST_REVOKE), "... counted while the servers answered");
        b->base.revocable = false;
        check(step_at(b, HOUR) == STEP_NONE, "... never a Go ballot");
        ballot_close(b);
    }
    describe("... by the second of the queue first, then by those behind it, each T later");
    ballot *b = second(BALLOT_KEEP, "proposal-9");
    names_add(&b->queue, "proposal-9");
    check(step_at(b, SECOND) == REQUEST_BEYOND, "the second watches a leader behind it");
    string_copy(b->watched[1], NODE_MAX, "proposal-9");
    check(begins_at(b, 18 * SECOND, REQUEST_REVOKE),
        "a leader at the end of the queue: by the second T later than by the first");
    ballot_close(b);

    b = second(BALLOT_KEEP, "proposal-1");
    names_add(&b->queue, "proposal-3");
    names_sort(&b->queue);
    string_copy(b->watched[0], NODE_MAX, "proposal-3");
    string_copy(b->watched[1], NODE_MAX, "proposal-1");
    b->base.read_at = 0;
    b->client.sent[REQUEST_LOOK] = 100 * SECOND;
    check(begins_at(b, 1998 * MILLISECOND, REQUEST_LOOK),
        "the third in the queue looks at the base just before a ping is due");
    b->client.sent[REQUEST_LOOK] = 117 * SECOND;
    check(begins_at(b, 12 * SECOND, REQUEST_LIST), "... counts anew after 2 T how many stand before it");
    b->client.sent[REQUEST_LIST] = 112 * SECOND;
    check(begins_at(b, 18 * SECOND, REQUEST_REVOKE),
        "... and revokes a silent leader, T later than the second: two may be mute");
    b->base.fresh = false;
    check(step_at(b, 18 * SECOND) == STEP_DOUBT, "... when it has read all again");
    b->base.moved_at = 0;
    check(step_at(b, 0) == REQUEST_LOOK, "... from the first look on");
    ballot_close(b);

    describe("A first of the queue that does not claim is revoked after 2 T, if it is like us");
    b = second(BALLOT_KEEP, "");
    b->base.empty = true;
    check(begins_at(b, 12 * SECOND, REQUEST_FIRST),
        "no candidate leads, and the first does not claim for 2 T: what is it?");
    b->examined = true;
    check(step_at(b, HOUR) == STEP_NONE, "... a Go ballot, or not known yet: wait");
    b->examined_revocable = true;
    check(step_at(b, 12 * SECOND) == REQUEST_REVOKE, "... one like us: revoked");
    b->first_since += SECOND;
    check(begins_at(b, 13 * SECOND, REQUEST_REVOKE), "... counted from when it came to the front");
    string_copy(b->base.led, NODE_MAX, "proposal-1");
    check(step_at(b, HOUR) == STEP_NONE,
        "... not where it led, and something else emptied the base: its command may still be dying");
    b->base.led[0] = '\0';
    names(b, "proposal-0", false);
    check(begins_at(b, 18 * SECOND, REQUEST_REVOKE), "... it had to wait for (c) itself: as much later");
    ballot_close(b);
}

/* Nodes called like proposals that no candidate made. */
static void test_strangers(void)
{
    describe("Nodes with names like proposals that no candidate made are left out of the queue");
    static const char *const good[] = {
        "proposal-0000000000", "proposal-2147483647", "proposal--000000001", "proposal--2147483648"
    };
    static const char *const bad[] = {
        "proposal-", "proposal-!", "proposal-5", "proposal-00000000000", "proposal-000000000x", "proposal--00000001",
        "proposal--00000000001", "proposal-000000000", "proposals-000000000", "schedule", ""
    };
    for (size_t i = 0; i < COUNT(good); i++)
        check(name_numbered(good[i]), good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        check(!name_numbered(bad[i]), bad[i]);

    describe("... and so is what is not ephemeral, whatever its name");
    const struct Stat persistent = { .version = 0 }, ephemeral = { .ephemeralOwner = 78 };
    ballot *b = member(BALLOT_KEEP);
    b->queue.count = 0;
    for (char name[] = "proposal-1"; name[9] <= '5'; name[9]++)
        names_add(&b->queue, name);
    queue_changed(b);
    check(step_at(b, 0) == REQUEST_AHEAD, "five in the queue: the last watches the one before it");
    answer(b, REQUEST_AHEAD, clock_now(), (struct reply){ .rc = ZOK, .path = "/b/proposal-4", .stat = &persistent });
    check(b->queue.count == 4 && b->list_fresh && step_at(b, 0) == REQUEST_SIFT,
        "... it is not ephemeral: what of those before it?");
    b->sift = false;
    flies(b, REQUEST_SIFT, true);
    b->client.sent[REQUEST_LOOK] = 100 * SECOND;
    check(step_at(b, 0) == STEP_NONE, "... asked for once");
    flies(b, REQUEST_SIFT, false);
    answer(b, REQUEST_SIFT, clock_now(), (struct reply){ .rc = ZOK, .path = "/b/proposal-3", .stat = &persistent });
    answer(b, REQUEST_SIFT, clock_now(), (struct reply){ .rc = ZOK, .path = "/b/proposal-2", .stat = &ephemeral });
    answer(b, REQUEST_SIFT, clock_now(), (struct reply){ .rc = ZNONODE, .path = "/b/proposal-1" });
    check(b->queue.count == 3 && b->ignored.count == 2 && !strcmp(b->queue.at[1], "proposal-2") &&
        step_at(b, 0) == REQUEST_AHEAD, "... another is not: the next is watched");
    static char *listed[] = { "proposal-0000000003", "proposal-!", "proposal-0000000001" };
    const struct String_vector names = { COUNT(listed), listed };
    names_add(&b->ignored, "proposal-0000000001");
    answer(b, REQUEST_LIST, clock_now(), (struct reply){ .rc = ZOK, .names = &names });
    check(b->queue.count == 1 && !strcmp(b->queue.at[0], "proposal-0000000003"),
        "a list that is read later is without them, and without other names");
    ballot_close(b);
}

/* What a read of the base says. */
static void base_read(ballot *b, nanos sent, int64_t czxid, int32_t version, const char *data)
{
    const struct Stat stat = { .czxid = czxid, .ctime = czxid, .version = version, .mzxid = version };
    answer(b, REQUEST_BASE, sent, (struct reply){ .rc = ZOK, .data = data, .stat = &stat });
}

/* ... sent and answered now. */
static void base_reads(ballot *b, int64_t czxid, int32_t version, const char *data)
{
    base_read(b, clock_now(), czxid, version, data);
}

#define GONE "{\"proposalNode\":\"/b/proposal-1\",\"onDisconnect\":\"keep\",\"sessionTimeout\":\"6s\"}"
#define OURS "{\"proposalNode\":\"/b/proposal-5\",\"onDisconnect\":\"keep\",\"sessionTimeout\":\"6s\"}"

static void test_leader_described(void)
{
    describe("Who leads is described by what its heartbeat says, and nobody where the base names none");
    ballot *b = member(BALLOT_KEEP);
    struct base *base = &b->base;
    const char *full = "{\"candidateId\":\"c\\u001b1\",\"hostname\":\"h\",\"pid\":\"7\","
        "\"proposalNode\":\"/b/proposal-1\",\"leaderSince\":\"2022-01-07 13:40:17.5 +0000 UTC m=+1\"}";
    base_learn(b, base, full, strlen(full));
    check(strstr(base->leader, "(h, pid 7, since 2022-01-07 13:40:17)") && !strchr(base->leader, '\033'), "in words");
    const char *none = "{\"candidateId\":\"c2\"}";
    base_learn(b, base, none, strlen(none));
    same(base->leader, "", "none");
    check(!base->ours && !base->named[0], "... nor is it ours, if we have written nothing");
    ballot_close(b);
}

static void says(const char *json, size_t length, const char *name, const char *expected)
{
    char word[200];
    same(json_get(json, length, name, word, sizeof word) ? word : "nothing", expected, name);
}

static void test_our_json(void)
{
    describe("What a proposal and a heartbeat say");
    char json[DATA_MAX], word[200];
    for (int stop = 0; stop < 2; stop++) {
        ballot *b = member(stop ? BALLOT_STOP : BALLOT_KEEP);
        propose_send(b);
        size_t n = candidate_json(b, json, false);
        says(json, n, "candidateId", "me");
        says(json, n, "proposalNode", "/b/proposal-5");
        says(json, n, "sessionTimeout", "6s");
        says(json, n, "onDisconnect", stop ? "stop" : "keep");
        says(json, n, "version", BALLOT_VERSION);
        says(json, n, "lastSeenTime", "nothing");
        says(json, n, "requests", "nothing");
        check(json_get(json, n, "proposalTime", word, sizeof word) && strstr(word, " m=+"), "proposalTime");
        b->leading = true;
        b->orders = 12;
        n = candidate_json(b, json, true);
        says(json, n, "requests", "12");
        says(json, n, "unrecorded", "nothing");
        check(json_get(json, n, "lastSeenTime", word, sizeof word) && strstr(word, " m=+"), "lastSeenTime");
        b->unrecorded = true;
        n = candidate_json(b, json, true);
        says(json, n, "unrecorded", "true");
        ballot_close(b);
    }
}

static void test_watches(void)
{
    describe("Rule 1: a watch that has fired, or that an old handle had, is set again");
    nanos began = clock_now();
    ballot *b = second(BALLOT_KEEP, "proposal-1");
    check(step_at(b, 0) == STEP_NONE, "watched");
    election_event(b, ZOO_CHILD_EVENT, "/b/proposal-1");
    check(step_at(b, 0) == REQUEST_AHEAD, "fired");
    string_copy(b->watched[0], NODE_MAX, "proposal-1");
    election_event(b, CONTACT_ANEW, "");
    check(step_at(b, 0) == REQUEST_AHEAD, "a new handle");
    string_copy(b->watched[0], NODE_MAX, "proposal-1");
    election_event(b, ZOO_CHANGED_EVENT, "/b");
    check(step_at(b, 0) == REQUEST_BASE, "the base has changed: it is read");
    b->base.fresh = true;
    election_event(b, ZOO_DELETED_EVENT, "/b/proposal-5");
    check(!b->own_fresh && queue_place(b) == 1, "our own proposal is gone: it is read before that counts");
    election_event(b, ZOO_DELETED_EVENT, "/b/proposal-1");
    check(queue_place(b) == 0, "the one before us is gone: we are the first");
    check(b->calm_at > began, "... and what can wait, waits until another leads");
    ballot_close(b);

    describe("What is before us is watched, unless it is our own, of our session: it would wait for itself");
    struct Stat stat = { .ephemeralOwner = 78 };
    b = second(BALLOT_KEEP, "proposal-1");
    b->watched[0][0] = '\0';
    answer(b, REQUEST_AHEAD, clock_now(), (struct reply){ .rc = ZOK, .path = "/b/proposal-1", .stat = &stat });
    answer(b, REQUEST_BEYOND, clock_now(), (struct reply){ .rc = ZOK, .path = "/b/proposal-0", .stat = &stat });
    check(!strcmp(b->watched[0], "proposal-1") && !strcmp(b->watched[1], "proposal-0") && !b->denied, "watched");
    answer(b, REQUEST_AHEAD, clock_now(), (struct reply){ .rc = ZNONODE, .path = "/b/proposal-1" });
    check(!b->list_fresh && !b->warned_unreadable, "gone: the queue is listed");
    answer(b, REQUEST_AHEAD, clock_now(), (struct reply){ .rc = ZNOAUTH, .path = "/b/proposal-1" });
    check(b->retry_at && b->warned_unreadable, "refused: ... again and again");
    b->retry_at = 0;
    stat.ephemeralOwner = 77;
    answer(b, REQUEST_AHEAD, clock_now(), (struct reply){ .rc = ZOK, .path = "/b/proposal-1", .stat = &stat });
    check(step_at(b, 0) == STEP_END_SESSION, "our own: the session is closed");
    ballot_close(b);

    describe("A base that names a proposal that is not in our list, and did not before, has the list read again");
    b = second(BALLOT_KEEP, "proposal-1");
    b->base.seen = false;
    base_reads(b, 1, 7, "{\"proposalNode\":\"/b/proposal-1\"}");
    check(b->list_fresh, "one that is in the list");
    base_reads(b, 1, 8, "{\"proposalNode\":\"/b/proposal-9\"}");
    check(!b->list_fresh, "one that is newer than it, or gone");
    ballot_close(b);
}

/* Round trips of over T/5: each answer is a gap, and the base is not read again for ever. */
static void test_slow_claims(void)
{
    describe("The claims that need no clock are made however slow the answers are");
    ballot *b = member(BALLOT_KEEP);
    b->broke_at = 101 * SECOND;
    check(step_at(b, 0) == REQUEST_WRITE, "an empty base is claimed, however slow the answers are");
    b->base.read_at = 0;
    check(step_at(b, 0) == STEP_DOUBT, "... if it was read since we stand");
    b->base.read_at = 1;
    names(b, "proposal-5", false);
    check(step_at(b, 0) == REQUEST_WRITE, "... and one that names us");
    names(b, "proposal-1", true);
    check(step_at(b, 4999 * MILLISECOND) == STEP_NONE && step_at(b, 5 * SECOND) == REQUEST_WRITE,
        "... and that of a leader with stop, 5/6 T after its last change");
    names(b, "proposal-1", false);
    check(step_at(b, HOUR) == STEP_DOUBT, "... not that of one with keep: it may not have been heard");
    names_add(&b->queue, "proposal-6");
    names(b, "proposal-6", true);
    check(step_at(b, HOUR) == STEP_DOUBT, "... nor of one that still stands");
    string_copy(b->queue.at[0], NODE_MAX, "proposal-4");
    string_copy(b->queue.at[1], NODE_MAX, "proposal-5");
    names(b, "", false);
    b->base.empty = true;
    check(step_at(b, HOUR) == STEP_DOUBT, "... nor, by who is not the first, an empty one");
    ballot_close(b);
}

/* The clock of rule (c) starts anew whenever the leader could not have been heard. */
static void test_silence(void)
{
    describe("The clock of (c) starts anew whenever the leader could not have been heard");
    nanos wake = NEVER;
    ballot *b = member(BALLOT_KEEP);
    b->base.seen = false;
    base_reads(b, 1, 1, GONE);
    b->broke_at = 0;
    base_reads(b, 1, 1, GONE);
    nanos since = b->base.silent_since;
    check(!b->base.restarted && claim_time(b) == since + 6 * SECOND, "(c) counts from the first read of a version");
    base_reads(b, 1, 1, GONE);
    check(b->base.silent_since == since, "... reading it again changes nothing");

    describe("... where an answer took longer than T/5");
    answer(b, REQUEST_PROBE, clock_now() - b->client.timeout / 8, (struct reply){ .rc = ZOK });
    check(!b->broke_at, "an answer after T/8 is no gap");
    answer(b, REQUEST_PROBE, clock_now() - b->client.timeout / 5 - 1, (struct reply){ .rc = ZOK });
    b->list_fresh = true;
    check(b->broke_at && election_step(b, clock_now(), &wake) == STEP_DOUBT,
        "one after more than T/5 is: sync, and read again");
    base_read(b, b->broke_at - 1, 1, 1, GONE);
    check(b->broke_at && !b->base.restarted, "... a read that was on its way before does not count");
    base_reads(b, 1, 1, GONE);
    check(!b->broke_at && b->base.restarted && b->base.silent_since > since &&
        claim_time(b) == b->base.silent_since + 12 * SECOND,
        "... from the next one on, the clock has begun anew, and (c) takes 2 T");
    base_reads(b, 1, 2, GONE);
    check(!b->base.restarted && claim_time(b) == b->base.silent_since + 6 * SECOND,
        "... unless the version moves: then T");
    base_reads(b, 1, 2, "{\"proposalNode\":\"/b/proposal-1\",\"onDisconnect\":\"stop\","
        "\"sessionTimeout\":\"9223372036854775808ns\"}");
    check(claim_time(b) == b->base.moved_at + 5 * SECOND, "an advertised T that cannot be counted is not used");

    describe("... where a leader has lost the lead behind such a gap: T alone");
    b->leading = true;
    b->sent_timeout = b->client.timeout;
    const struct Stat written = { .czxid = 1, .ctime = 1, .version = 3 };
    b->base.restarted = true;
    b->broke_at = clock_now() - SECOND;
    answer(b, REQUEST_WRITE, b->broke_at - 1, (struct reply){ .rc = ZOK, .stat = &written });
    check(b->broke_at, "a heartbeat of before a gap does not end it");
    answer(b, REQUEST_WRITE, b->broke_at, (struct reply){ .rc = ZOK, .stat = &written });
    leadership_ends(b);
    base_reads(b, 1, 3, GONE);
    check(!b->base.restarted && claim_time(b) == b->base.silent_since + 6 * SECOND,
        "... one of after it does: a leader that loses the lead waits T, not 2 T");

    describe("... after a reconnect");
    string_copy(b->client.addresses, sizeof b->client.addresses, "127.0.0.1:1");
    handle_open(&b->client);
    b->client.met = true;
    since = b->base.silent_since;
    on_event(b->client.handle, ZOO_SESSION_EVENT, ZOO_CONNECTED_STATE, "", &b->client);
    check(b->unsettled && !b->base.fresh, "after a reconnect all is read again");
    base_reads(b, 1, 2, GONE);
    check(b->base.restarted && b->base.silent_since > since, "... and the clock of (c) begins anew");
    handle_close(&b->client);

    describe("... after a standstill of its own");
    int timeout = 0;
    struct pollfd slots[BALLOT_POLLFDS];
    b->client.connected = false;
    b->client.retry_at = b->client.remind_at = b->client.resolver.since = NEVER - MINUTE;
    b->planned_at = clock_now() - b->client.timeout / 4;
    ballot_prepare(b, slots, BALLOT_POLLFDS, &timeout);
    check(b->broke_at, "a standstill of ours is a gap, too");
    b->broke_at = 0;
    ballot_prepare(b, slots, BALLOT_POLLFDS, &timeout);
    check(!b->broke_at, "... not a wait that was planned");
    ballot_close(b);
}

static void looked(ballot *b, int64_t czxid, int32_t version, int64_t mzxid)
{
    const struct Stat stat = { .czxid = czxid, .ctime = czxid, .version = version, .mzxid = mzxid };
    answer(b, REQUEST_LOOK, clock_now(), (struct reply){ .rc = ZOK, .stat = &stat });
}

/* Of the base's version alone, from behind the first two. */
static void test_looks(void)
{
    describe("From behind the first two, a look at the base's version alone keeps the clock of (c)");
    ballot *b = member(BALLOT_KEEP);
    b->base.seen = false;
    looked(b, 1, 7, 7);
    nanos since = b->base.silent_since;
    base_reads(b, 1, 7, GONE);
    check(b->base.silent_since == since, "the silence of a base that was never read counts from the first look at it");
    since = b->base.silent_since = clock_now() - 3 * SECOND;
    looked(b, 1, 7, 7);
    check(b->base.fresh && b->base.silent_since == since, "a look at a base that has not moved changes nothing");
    b->broke_at = clock_now();
    looked(b, 1, 8, 8);
    check(!b->base.fresh && b->base.silent_since > since && b->base.restarted && !b->broke_at,
        "... at one that moved before or after a break: the clock of (c) begins anew, and takes 2 T");
    looked(b, 1, 9, 9);
    check(!b->base.restarted, "... unless it moves again: then T");
    since = b->base.silent_since;
    base_reads(b, 1, 9, GONE);
    check(b->base.silent_since == since && !b->base.lost_until, "... and goes on when it is read in our turn");
    b->refused = true;
    proposal_adopt(b, "proposal-6");
    check(!b->base.fresh, "... and is read anew when we stand again");
    check(!b->refused && !b->signed_own && !b->own_fresh && !b->list_fresh,
        "... as is all else; what was refused is past");
    base_reads(b, 1, 9, GONE);
    check(b->base.silent_since > since && claim_time(b) > clock_now() + 5 * SECOND,
        "... with a clock that begins anew");
    proposal_adopt(b, "proposal-7");
    looked(b, 1, 9, 9);
    check(b->base.moved_at && !b->unsettled, "... which is begun by a look, too");
    looked(b, 1, 9, 10);
    check(b->unsettled && !b->base.fresh, "... at one that went back: all is read again");
    base_reads(b, 1, 8, "");
    b->unsettled = false;
    base_reads(b, 1, 7, "");
    check(b->base.lost_until, "... and nothing is claimed for T");
    ballot_close(b);
}

/* Does what is next, as if it were `after` later, and answers it: our proposal is there, the base names `leader`. */
static enum step proceeds(ballot *b, nanos after, const char *leader)
{
    static char *listed[] = { "proposal-0000000001", "proposal-0000000003", "proposal-0000000005" };
    const struct String_vector names = { (int32_t)b->queue.count, listed + COUNT(listed) - b->queue.count };
    const struct Stat own = { .ephemeralOwner = 77 };
    nanos wake = NEVER, now = clock_now();
    enum step step = election_step(b, now + after, &wake);
    if (step < REQUEST_COUNT)
        b->client.sent[step] = now;
    if (step == REQUEST_BASE)
        base_reads(b, 1, 7, leader);
    else if (step == REQUEST_LOOK)
        looked(b, 1, 7, 7);
    else if (step < REQUEST_COUNT)
        answer(b, step, now, (struct reply){ .rc = ZOK, .names = step == REQUEST_LIST ? &names : NULL,
            .stat = step == REQUEST_OWN ? &own : NULL });
    else if (step != STEP_NONE)
        election_do(b, step);
    return step;
}

/* The third in the queue. */
static ballot *third(const char *leader)
{
    ballot *b = member(BALLOT_KEEP);
    string_copy(b->proposal, sizeof b->proposal, "proposal-0000000005");
    b->queue.count = 0;
    for (int i = 1; i <= 5; i += 2) {
        char name[NODE_MAX];
        snprintf(name, sizeof name, "proposal-%010d", i);
        names_add(&b->queue, name);
    }
    string_copy(b->watched[0], NODE_MAX, b->queue.at[1]);
    string_copy(b->watched[1], NODE_MAX, b->queue.at[0]);
    b->base.seen = false;
    base_reads(b, 1, 7, leader);
    flies(b, REQUEST_LOOK, false);
    b->client.met = true;
    return b;
}

static void reconnects(ballot *b)
{
    election_event(b, CONTACT_LOST, "");
    b->client.contact_since = clock_now();
    election_event(b, CONTACT_MADE, "");
}

#define FIRST "{\"proposalNode\":\"/b/proposal-0000000001\",\"onDisconnect\":\"keep\",\"sessionTimeout\":\"6s\"}"

static void test_far_behind(void)
{
    describe("The third in the queue, as the base falls silent");
    ballot *b = third("");
    reconnects(b);
    check(proceeds(b, 0, "") == REQUEST_OWN && proceeds(b, 0, "") == STEP_SETTLE && proceeds(b, 0, "") == STEP_NONE,
        "after a reconnect a candidate far behind reads its own proposal, and nothing else");
    check(proceeds(b, 2 * SECOND, "") == REQUEST_PROBE && proceeds(b, 2 * SECOND, "") == REQUEST_LOOK &&
        proceeds(b, 0, "") == STEP_NONE,
        "... but for the look that is due, at a server that has been asked to catch up");
    check(b->base.restarted && !b->broke_at, "... from where the time of (c) counts, twice as long");
    nanos since = b->base.silent_since;
    election_event(b, ZOO_DELETED_EVENT, "/b/proposal-0000000001");
    election_event(b, ZOO_DELETED_EVENT, "/b/proposal-0000000003");
    check(proceeds(b, SECOND, GONE) == REQUEST_BASE && b->base.silent_since == since &&
        claim_time(b) == since + 12 * SECOND,
        "... and goes on where it comes to the front");
    ballot_close(b);

    b = third("");
    reconnects(b);
    proceeds(b, 0, "");
    proceeds(b, 0, "");
    election_event(b, ZOO_DELETED_EVENT, "/b/proposal-0000000001");
    check(proceeds(b, SECOND, "") == STEP_DOUBT && proceeds(b, SECOND, "") == REQUEST_SYNC &&
        proceeds(b, SECOND, "") == REQUEST_LIST &&
        proceeds(b, SECOND, "") == REQUEST_BASE && proceeds(b, SECOND, "") == REQUEST_OWN &&
        proceeds(b, SECOND, "") == STEP_SETTLE,
        "... all else when it comes to the front");
    check(b->base.restarted && !b->broke_at, "... from where the time of (c) counts, twice as long");
    ballot_close(b);

    b = third("");
    b->client.session.client_id++;
    reconnects(b);
    check(proceeds(b, 0, "") == REQUEST_SYNC, "after an expiry it reads all at once");
    ballot_close(b);

    b = third("");
    b->list_fresh = false;
    reconnects(b);
    check(proceeds(b, 0, "") == REQUEST_SYNC && proceeds(b, 0, "") == REQUEST_LIST,
        "... or where it did not know the queue before");
    static char *listed[] = { "proposal-0000000001", "proposal-0000000003", "proposal-0000000005" };
    const struct String_vector three = { COUNT(listed), listed };
    b->base.read_at = 1;
    answer(b, REQUEST_LIST, clock_now(), (struct reply){ .rc = ZOK, .names = &three });
    check(b->base.read_at == 0, "... and a base that was read with the list is read again in its turn");
    ballot_close(b);

    b = third(FIRST);
    reconnects(b);
    b->base.silent_since -= HOUR;
    while (proceeds(b, 0, FIRST) != STEP_SETTLE)
        ;
    flies(b, REQUEST_LOOK, false);
    check(proceeds(b, 0, FIRST) == REQUEST_LIST && proceeds(b, 0, FIRST) == STEP_DOUBT &&
        proceeds(b, 0, FIRST) == REQUEST_SYNC && proceeds(b, 0, FIRST) == REQUEST_LIST &&
        proceeds(b, 0, FIRST) == REQUEST_BASE && proceeds(b, 0, FIRST) == REQUEST_OWN &&
        proceeds(b, 0, FIRST) == STEP_SETTLE, "before it revokes a mute leader it reads all");
    check(proceeds(b, 0, FIRST) == STEP_NONE && b->base.silent_since > clock_now() - MINUTE,
        "... and counts from then: it could not have heard of a heartbeat");
    b->client.sent[REQUEST_LOOK] += MINUTE;
    check(proceeds(b, 17 * SECOND, FIRST) == REQUEST_LIST, "... how many stand before it is counted after 2 T");
    check(proceeds(b, 17 * SECOND, FIRST) == STEP_NONE && proceeds(b, 19 * SECOND, FIRST) == REQUEST_REVOKE, "... 3 T");
    ballot_close(b);
}

static void orders(ballot *b, int rc, int64_t mzxid, const char *json)
{
    const struct Stat stat = { .mzxid = mzxid };
    answer(b, REQUEST_ORDERS, clock_now(),
        (struct reply){ .rc = rc, .stat = &stat, .data = json, .length = strlen(json) });
}

static const char *acknowledged(ballot *b)
{
    static char number[24];
    char json[DATA_MAX];
    number[0] = '\0';
    json_get(json, candidate_json(b, json, true), "requests", number, sizeof number);
    return number;
}

static void test_orders(void)
{
    describe("Rule 13: a leader knows what operators ask before it starts anything, and says what it acts on");
    struct ballot_status status;
    ballot *b = member(BALLOT_KEEP);
    orders(b, ZOK, 8, "{\"stepDown\":\"proposal-5\"}");
    same(acknowledged(b), "0", "a claim acts on no request, whatever was read");
    b->client.met = true;
    const struct Stat written = { .czxid = 1, .ctime = 1, .version = 3, .mzxid = 3 };
    b->sent_timeout = b->client.timeout;
    b->sent_length = candidate_json(b, b->sent, true);
    answer(b, REQUEST_WRITE, clock_now(), (struct reply){ .rc = ZOK, .stat = &written });
    ballot_status(b, &status);
    check(status.role == BALLOT_LEADER && !status.requests_known,
        "behind a claim, what operators ask is not known yet");
    nanos beat = b->beat_at;
    orders(b, ZOK, 9, "{\"stepDown\":\"proposal-4\"}");
    ballot_status(b, &status);
    check(status.requests_known && !status.step_down && b->beat_at == beat,
        "... then it is: a request for another proposal, which counts for nothing");
    same(acknowledged(b), "9", "... and heartbeats repeat it");
    election_event(b, ZOO_CHANGED_EVENT, "/b/requests");
    nanos wake = NEVER;
    check(election_step(b, clock_now(), &wake) == REQUEST_ORDERS, "another request is read at once");
    orders(b, ZOK, 10, "{\"stepDown\":\"proposal-5\"}");
    check(b->step_down && b->beat_at == 0, "... and acknowledged at once, if it is for us");
    orders(b, ZNONODE, 0, "");
    check(b->step_down && b->orders_missing, "a request that was acted on is not taken back with its node");
    same(acknowledged(b), "0", "... which is not acknowledged any more");
    answer(b, REQUEST_AWAIT, clock_now(), (struct reply){ .rc = ZNONODE });
    check(!b->orders_missing && b->orders_fresh, "... it is waited for");
    orders(b, ZNOAUTH, 0, "");
    check(b->orders_fresh && !b->orders_missing && b->warned_orders && !b->denied,
        "a leader that may not read it leads on, and does nothing that is asked there");
    reconnects(b);
    check(!b->orders_fresh && b->leading, "after a reconnect it is read again");
    leadership_ends(b);
    check(b->orders == -1 && !b->step_down, "a later leadership begins anew");
    ballot_close(b);
}

static void test_base_made_again(void)
{
    describe("Rule 11: a base that was made again is another one, whatever it says");
    nanos wake = NEVER, began = clock_now();
    ballot *b = member(BALLOT_KEEP);
    b->base.seen = false;
    base_reads(b, 1, 7, GONE);
    base_reads(b, 1, 8, GONE);
    check(!b->base.lost_until, "a base that has moved is the same");
    base_reads(b, 2, 9, GONE);
    check(b->base.lost_until >= began + 6 * SECOND && b->unsettled,
        "... one that was made again is not, also where it has moved on since");
    b->base.lost_until = clock_now() + HOUR;
    string_copy(b->stood, NODE_MAX, "proposal-5");
    proposal_adopt(b, "proposal-0");
    check(b->base.lost_until > clock_now() + MINUTE, "... nor is less waited for if more is found to be lost");
    ballot_close(b);
    b = member(BALLOT_KEEP);
    base_reads(b, 1, 7, OURS);
    string_copy(b->wrote.proposal, NODE_MAX, "proposal-5");
    base_reads(b, 1, 7, OURS);
    check(b->base.ours, "what we wrote into the base is ours");
    b->examined = true;
    string_copy(b->base.led, sizeof b->base.led, "proposal-1");
    base_reads(b, 2, 0, OURS);
    check(!b->examined && strcmp(b->base.led, "proposal-1") != 0,
        "in a base that was made again proposal-1 is another one: whether it may be revoked is asked anew");
    check(!b->base.ours, "the same bytes in a base that was made again are not");
    check(b->unsettled && !b->own_fresh, "... and the owner of the proposal of our name has to be read");
    base_reads(b, 2, 0, OURS);
    check(!b->base.ours, "... nor when they are read again");
    b->leading = true;
    b->client.session.client_id++; /* it has expired */
    election_settle(b);
    check(!b->leading, "... they keep no candidate in the lead");

    describe("A base that was read before we stand is read again: its silence was not watched");
    answer(b, REQUEST_BASE, clock_now(), (struct reply){ .rc = ZNONODE });
    proposal_adopt(b, "proposal-0");
    check(!b->base.fresh, "a base that was missing is read again when we stand: nothing tells that it was made");
    base_reads(b, 2, 1, GONE);
    proposal_adopt(b, "proposal-5");
    b->list_fresh = true;
    check(election_step(b, b->base.lost_until + HOUR, &wake) == REQUEST_BASE,
        "a base that was read before we stand is read again: its silence was not watched");
    ballot_close(b);
}

/* The answer to the write of each proposal is lost, and so is the session. */
static void test_own_bytes(void)
{
    describe("Rule 10: whichever of our proposals the base names, it shows our bytes");
    static const char sixth[] = "{\"proposalNode\":\"/b/proposal-6\",\"onDisconnect\":\"keep\"}";
    ballot *b = member(BALLOT_KEEP);
    base_reads(b, 1, 6, GONE);
    string_copy(b->wrote.proposal, NODE_MAX, "proposal-5");
    base_reads(b, 1, 7, OURS);
    check(b->base.ours, "what the last write wrote");
    string_copy(b->wrote.proposal, NODE_MAX, "proposal-6");
    base_reads(b, 1, 7, OURS);
    check(b->base.ours, "... the write before it, if the last was not carried out");
    base_reads(b, 1, 8, sixth);
    check(b->base.ours, "... the last");
    string_copy(b->wrote.proposal, NODE_MAX, "proposal-7");
    base_reads(b, 1, 8, sixth);
    check(b->base.ours, "... and again the one before it, which was never acknowledged either");
    string_copy(b->wrote.proposal, NODE_MAX, "proposal-6");
    base_reads(b, 1, 9, "{\"proposalNode\":\"/b/proposal-6\",\"proposalTime\":\"later\",\"onDisconnect\":\"keep\"}");
    check(!b->base.ours, "... not one of that name that was made at another time: the servers gave the name again");
    base_reads(b, 1, 10, GONE);
    check(!b->base.ours, "another candidate's are not ours");
    ballot_close(b);

    describe("A leader whose session has expired is named by nothing, whatever was read of the base before");
    struct ballot_status s;
    b = member(BALLOT_KEEP);
    b->leading = true;
    names(b, "proposal-5", false);
    ballot_status(b, &s);
    check(!s.unnamed, "the base names our proposal");
    b->client.session.client_id++;
    ballot_status(b, &s);
    check(s.unnamed, "... and it is gone, with its session");
    ballot_close(b);
}

/* The servers hold an earlier state than the one that was seen. */
static void test_rolled_back(void)
{
    describe("The servers hold an earlier state than the one that was seen: nothing is claimed for T");
    ballot *b = member(BALLOT_STOP);
    b->base.seen = false;
    base_reads(b, 1, 7, GONE);
    base_reads(b, 1, 8, "");
    check(!b->base.lost_until, "a base that goes on is not lost");
    string_copy(b->base.led, NODE_MAX, "proposal-1");
    names_add(&b->ignored, "proposal-6");
    base_reads(b, 1, 6, "");
    check(b->base.lost_until > clock_now() + 5 * SECOND && claim_time(b) == b->base.lost_until,
        "one with a smaller version is: nothing is claimed for T");
    check(!b->base.led[0] && !b->ignored.count && b->unsettled, "... names may be others' now, and all is read again");
    b->base.lost_until = 0;
    base_reads(b, 1, 6, "");
    check(!b->base.lost_until, "... which is found once");
    const struct Stat other = { .czxid = 1, .ctime = 1, .version = 6, .mzxid = 9 },
        later = { .czxid = 1, .ctime = 1, .version = 9, .mzxid = 8 };
    answer(b, REQUEST_BASE, clock_now(), (struct reply){ .rc = ZOK, .stat = &other });
    check(b->base.lost_until && b->base.moved_at > clock_now() - SECOND,
        "the same version, written at another time: lost, too");
    b->base.lost_until = 0;
    answer(b, REQUEST_BASE, clock_now(), (struct reply){ .rc = ZOK, .stat = &later });
    check(b->base.lost_until, "... and a greater one that was written before it");
    ballot_close(b);

    for (int stop = 0; stop < 2; stop++)
        for (int over = 0; over < 2; over++) {
            b = member(stop ? BALLOT_STOP : BALLOT_KEEP);
            b->base.seen = false;
            b->leading = true;
            b->token = 3;
            b->lease = (struct ballot_lease){ .sent = clock_now() - (over ? MINUTE : 0), .timeout = b->client.timeout };
            base_reads(b, 1, 8, OURS);
            string_copy(b->wrote.proposal, NODE_MAX, "proposal-5");
            base_reads(b, 1, 7, OURS);
            election_settle(b);
            check(b->leading != (stop && over),
                stop && over ? "a leader whose lease was over, under stop: another may have led since, lost"
                             : "a leader that the base still names leads on");
            const struct Stat written = { .mzxid = 12 };
            b->sent_timeout = b->client.timeout;
            answer(b, REQUEST_WRITE, clock_now(), (struct reply){ .rc = ZOK, .stat = &written });
            check(ballot_token(b) == 12, "... with a token of its next write");
            ballot_close(b);
        }
}

/* No ghost: of an earlier state, in which our session had another proposal. */
static void test_earlier_proposal(void)
{
    describe("In an earlier state our session may have another proposal: it is looked for");
    nanos wake = NEVER;
    ballot *b = member(BALLOT_KEEP);
    string_copy(b->stood, NODE_MAX, "proposal-5");
    names_add(&b->queue, "proposal-3");
    names_sort(&b->queue);
    election_doubt(b);
    b->synced = b->list_fresh = b->own_fresh = b->base.fresh = true;
    b->own_exists = false;
    election_settle(b);
    check(!b->proposal[0] && election_step(b, 0, &wake) == REQUEST_SYNC,
        "our proposal is gone, our session is not: is there another of ours?");
    b->synced = b->list_fresh = b->base.fresh = true;
    check(election_step(b, 0, &wake) == REQUEST_GHOST, "... looking");
    b->suspects = 1;
    const struct Stat stat = { .ephemeralOwner = 77 };
    answer(b, REQUEST_GHOST, clock_now(), (struct reply){ .rc = ZOK, .path = "/b/proposal-3", .stat = &stat });
    check(!strcmp(b->proposal, "proposal-3") && claim_time(b) > clock_now() + 5 * SECOND,
        "... found: it is the one we stand with, and nothing is claimed for T");
    b->base.fresh = true;
    check(election_step(b, 0, &wake) == REQUEST_OWN, "... and it is read once more, to be watched");
    ballot_close(b);

    b = member(BALLOT_KEEP);
    string_copy(b->stood, NODE_MAX, "proposal-5");
    proposal_adopt(b, "proposal-6");
    check(!b->base.lost_until, "a proposal with a greater number: nothing is lost");
    proposal_adopt(b, "proposal-5");
    check(b->base.lost_until, "... with a smaller or the same: it is");
    ballot_close(b);

    describe("A proposal is looked for only in the session that made it");
    for (int same = 0; same < 2; same++) {
        b = member(BALLOT_KEEP);
        string_copy(b->client.addresses, sizeof b->client.addresses, "127.0.0.1:1");
        handle_open(&b->client);
        b->client.session = *zoo_client_id(b->client.handle);
        b->client.session.client_id += !same;
        b->client.met = true;
        b->proposal[0] = '\0';
        on_event(b->client.handle, ZOO_SESSION_EVENT, ZOO_CONNECTED_STATE, "", &b->client);
        check(b->ghost == same, same ? "back in contact without a proposal: is there one?"
            : "... not in another session");
        ballot_close(b);
    }
}

static void test_lease_pair(void)
{
    describe("Rule 7: the lease is cut before a heartbeat that advertises a shorter T is sent");
    nanos wake = NEVER;
    ballot *b = member(BALLOT_STOP);
    names(b, "proposal-5", true);
    b->leading = true;
    b->lease = (struct ballot_lease){ .sent = 100 * SECOND, .timeout = 6 * SECOND };
    b->client.timeout = MINUTE;
    check(lease_moment(&b->lease, PART_LEASE) == 104 * SECOND && election_step(b, 102 * SECOND, &wake) == REQUEST_WRITE,
        "a longer T: the lease ends as before");
    b->client.timeout = 3 * SECOND;
    check(election_step(b, 102 * SECOND + 1, &wake) == REQUEST_WRITE,
        "a shorter one, whose lease ends later: heartbeat at once");
    check(election_step(b, 101 * SECOND, &wake) == STEP_CUT, "... or would end sooner: the lease is cut first");
    b->lease.sent = clock_now() - SECOND;
    lease_cut(b);
    check(lease_moment(&b->lease, PART_LEASE) == b->lease.cut_sent + 2 * SECOND &&
        lease_moment(&b->lease, PART_STOP_TERM) == b->lease.cut_sent + 3 * SECOND / 2,
        "... to what the heartbeat allows");
    check(election_step(b, clock_now(), &wake) == STEP_NONE && b->client.news,
        "... and the heartbeat waits until the guard could be told");
    b->cut_unseen = false;
    check(election_step(b, clock_now(), &wake) == REQUEST_WRITE, "... then goes out");
    struct ballot_lease cut = b->lease;
    b->sent_timeout = b->client.timeout;
    answer(b, REQUEST_WRITE, clock_now(), (struct reply){ .rc = ZCONNECTIONLOSS });
    check(!memcmp(&cut, &b->lease, sizeof cut), "... if its answer is lost, the cut stays");
    answer(b, REQUEST_WRITE, clock_now(), (struct reply){ .rc = ZOK });
    check(b->lease.timeout == 3 * SECOND && !b->lease.cut_timeout, "... if it is acknowledged, it is the lease");
    check(b->beat_at == b->lease.sent + 600 * MILLISECOND, "... and the next one follows T/5 after its sending");
    check(b->client.hurry_until == b->lease.sent + 3 * SECOND && b->client.hurry_timeout == 3 * SECOND,
        "... until T has passed, it hurries to be back");
    nanos sent = clock_now() - SECOND / 10;
    b->client.timeout = MINUTE;
    answer(b, REQUEST_WRITE, sent, (struct reply){ .rc = ZOK });
    check(b->lease.sent == sent && b->lease.timeout == 3 * SECOND,
        "... from its sending on, by the T that it advertised, whatever T is now");
    b->record.pending = true;
    answer(b, REQUEST_WRITE, clock_now(), (struct reply){ .rc = ZOK });
    check(b->record.pending, "what is to be written into the record waits for a heartbeat");
    b->lease.sent -= MINUTE;
    answer(b, REQUEST_WRITE, clock_now(), (struct reply){ .rc = ZOK });
    check(!b->record.pending, "... but not longer than the lease under which it was to be written");
    ballot_close(b);
}

/* Its own proposal, what it names, and the clocks. */
static struct reply learned;
static size_t names_learned;

static void learn_reply(void *owner, const struct reply *reply)
{
    (void)owner;
    learned = *reply;
    names_learned = 0;
    for (int32_t i = 0; i < reply->names->count; i++)
        names_learned += reply->names->data[i][0] == 'n' && reply->names->data[i][1] == '0' + i;
}

/* What the client library hands on of a server's lies. */
static void test_lies(void)
{
    describe("What the client library hands on of a server's lies harms nothing");
    ballot *b = member(BALLOT_KEEP);
    struct client *c = &b->client;
    char one[] = "n0", two[] = "n1", *all[] = { one, two }, *some[] = { one, NULL };
    const struct String_vector listed = { COUNT(all), all }, torn = { COUNT(some), some }, none = { 7, NULL },
                               negative = { -1, all };
    c->learn = learn_reply;
    answered_names(ZOK, &listed, NULL, request_new(c, REQUEST_LIST, "/b"));
    check(learned.rc == ZOK && names_learned == 2, "names");
    answered_names(ZOK, &torn, NULL, request_new(c, REQUEST_LIST, "/b"));
    check(learned.rc == ZMARSHALLINGERROR && learned.names->count == 0, "... one of which is not there: no answer");
    answered_names(ZOK, &none, NULL, request_new(c, REQUEST_LIST, "/b"));
    check(learned.rc == ZMARSHALLINGERROR && learned.names->count == 0, "... counted and not there: no answer");
    answered_names(ZOK, &negative, NULL, request_new(c, REQUEST_LIST, "/b"));
    check(learned.rc == ZOK && learned.names->count == 0, "... less than none");
    answered_names(ZNONODE, NULL, NULL, request_new(c, REQUEST_LIST, "/b"));
    check(learned.rc == ZNONODE && learned.names->count == 0, "... of no node");
    answered_string(ZOK, NULL, request_new(c, REQUEST_PROPOSE, "/b"));
    check(learned.data && !*learned.data, "a path that is NULL");
    answered_data(ZOK, NULL, 9, NULL, request_new(c, REQUEST_BASE, "/b"));
    check(learned.rc == ZMARSHALLINGERROR && learned.data && learned.length == 0 && learned.stat,
        "data that is counted and not there, for want of memory: no answer");
    answered_data(ZOK, NULL, -1, NULL, request_new(c, REQUEST_BASE, "/b"));
    check(learned.rc == ZOK && learned.length == 0, "... that a node has never had");
    answered_data(ZOK, "abc", -9, NULL, request_new(c, REQUEST_BASE, "/b"));
    check(learned.length == 0 && c->flying[REQUEST_BASE] == 0, "a length below 0");
    learned.rc = ZOK;
    struct request *kept = request_new(c, REQUEST_BASE, "/b");
    check(request_sent(kept, ZMARSHALLINGERROR) == ZMARSHALLINGERROR && c->flying[REQUEST_BASE] == 0,
        "a request for which there is no memory is not sent");
    answered_data(ZCONNECTIONLOSS, NULL, 0, NULL, kept);
    check(learned.rc == ZOK && c->flying[REQUEST_BASE] == 0, "... and nothing is learnt of the answer to it");
    c->learn = election_learn;
    b->proposal[0] = '\0';
    answer(b, REQUEST_PROPOSE, clock_now(), (struct reply){ .rc = ZOK, .data = "" });
    check(!b->proposal[0] && b->ghost && b->unsettled && b->trouble[0] && b->retry_at > clock_now(),
        "a proposal without a name is looked for, after a pause");
    ballot_close(b);
}

/* How often something was said. */
static void count_line(void *data, enum ballot_log_level level, int where, const char *message)
{
    (void)where, (void)message;
    if (level == BALLOT_LOG_WARN)
        ++*(int *)data;
}

static void test_mismatch(void)
{
    describe("Rule 14: a leader with another on-disconnect or session timeout is warned of, once");
    static const struct { const char *json; int lines; } cases[] = {
        { GONE, 0 }, { "", 0 }, { "{\"onDisconnect\":\"stop\",\"sessionTimeout\":\"6s\"}", 0 },
        { "{\"proposalNode\":\"/b/proposal-1\",\"onDisconnect\":\"keep\",\"sessionTimeout\":\"7s\"}", 1 },
        { "{\"proposalNode\":\"/b/proposal-1\",\"onDisconnect\":\"stop\",\"sessionTimeout\":\"6s\"}", 1 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int lines = 0;
        ballot *b = member(BALLOT_KEEP);
        b->config.log = count_line;
        b->config.log_data = &lines;
        b->base.seen = false;
        base_reads(b, 1, 7, cases[i].json);
        base_reads(b, 1, 8, cases[i].json);
        check(lines == cases[i].lines, cases[i].json);
        ballot_close(b);
    }
}

static void test_lease_said(void)
{
    describe("A leader says once that its lease is over, one with on-disconnect=stop also that it ends soon");
    static const int seconds[] = { 102, 103, 103, 104, 105 }, keep[] = { 0, 0, 0, 1, 1 }, stop[] = { 0, 1, 1, 2, 2 };
    for (int stops = 0; stops < 2; stops++) {
        int lines = 0;
        ballot *b = member(stops ? BALLOT_STOP : BALLOT_KEEP);
        b->config.log = count_line;
        b->config.log_data = &lines;
        b->lease = (struct ballot_lease){ .sent = 100 * SECOND, .timeout = 6 * SECOND };
        lease_say(b, HOUR);
        check(lines == 0, "one that waits has none");
        b->leading = true;
        for (size_t i = 0; i < COUNT(seconds); i++) {
            lease_say(b, seconds[i] * SECOND);
            check(lines == (stops ? stop : keep)[i], stops ? "stop" : "keep");
        }
        ballot_close(b);
    }
}

static void test_access(void)
{
    describe("An access list that a server shows in part is given to no other node");
    static const struct { const char *scheme, *id; bool complete; } cases[] = {
        { "world", "anyone", true }, { "digest", "u:x", false }, { "digest", "user:x", false },
        { "digest", "u:xy", true },
        { "digest", "u:", true }, { "ip", "u:x", true }, { NULL, "u", false }, { "digest", NULL, false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ACL entries[2] = { { .perms = ZOO_PERM_READ } };
        entries[0].id = ZOO_ANYONE_ID_UNSAFE;
        entries[1].id = (struct Id){ (char *)(uintptr_t)cases[i].scheme, (char *)(uintptr_t)cases[i].id };
        check(access_complete(&(struct ACL_vector){ COUNT(entries), entries }) == cases[i].complete,
            cases[i].id ? cases[i].id : "no id");
    }

    describe("A node is open if any client may do more than read it");
    const struct { int perms; bool open; } rights[] = {
        { ZOO_PERM_READ, false }, { ZOO_PERM_WRITE, true }, { ZOO_PERM_READ | ZOO_PERM_CREATE, true }, { 0, false },
    };
    for (size_t i = 0; i < COUNT(rights); i++) {
        struct ACL entries[2] = { { .perms = ZOO_PERM_ALL } };
        entries[0].id = ZOO_AUTH_IDS;
        entries[1].perms = rights[i].perms;
        entries[1].id = ZOO_ANYONE_ID_UNSAFE;
        check(access_open(&(struct ACL_vector){ COUNT(entries), entries }) == rights[i].open, "rights of anyone");
    }
}

static void test_contact(void)
{
    describe("What a broken connection leaves unanswered may have been carried out, or not");
    static const int unknown[] = { ZSYSTEMERROR, ZRUNTIMEINCONSISTENCY, ZCONNECTIONLOSS, ZOPERATIONTIMEOUT,
        ZSESSIONEXPIRED, ZCLOSING, ZSESSIONMOVED, ZAPIERROR },
        known[] = { ZOK, ZNONODE, ZBADVERSION, ZNODEEXISTS, ZNOAUTH, ZTHROTTLEDOP };
    for (size_t i = 0; i < COUNT(unknown); i++)
        check(outcome_unknown(unknown[i]), zerror(unknown[i]));
    for (size_t i = 0; i < COUNT(known); i++)
        check(!outcome_unknown(known[i]), zerror(known[i]));

    describe("A request that could not be sent is not waited for; that the connection is gone is seen then");
    ballot *b = member(BALLOT_KEEP);
    struct client *c = &b->client;
    nanos began = clock_now();
    request_sent(request_new(c, REQUEST_BASE, "/b"), ZINVALIDSTATE);
    check(c->flying[REQUEST_BASE] == 0, "not waited for");
    check(!c->connected && c->contact_since >= began, "the library closes a connection without an event");
    c->news = false;
    answered_void(ZNONODE, request_new(c, REQUEST_BASE, "/b"));
    check(c->news && c->flying[REQUEST_BASE] == 0, "an answer is news");

    describe("A transaction goes by versions");
    struct Stat stat;
    zoo_op_t out;
    op_convert(c, &out, &(struct op){ OP_SET, "/b", "xy", 2, 7 }, &stat);
    check(out.set_op.version == 7 && out.set_op.datalen == 2, "to set");
    op_convert(c, &out, &(struct op){ OP_CHECK, "/b", NULL, 0, 8 }, &stat);
    check(out.check_op.version == 8, "to check");
    op_convert(c, &out, &(struct op){ OP_DELETE, "/b", NULL, 0, 9 }, &stat);
    check(out.delete_op.version == 9, "to delete");

    describe("Rule 12: servers that accept a client and cut it off, for 3 T, get it with a new handle");
    nanos wake = NEVER;
    string_copy(c->addresses, sizeof c->addresses, "127.0.0.1:1");
    handle_open(c);
    c->numeric = c->associated = c->met = true;
    c->contact_since = 100 * SECOND;
    c->opened_at = 99 * SECOND;
    c->remind_at = 115 * SECOND;
    check(contact_due(c, 115 * SECOND, &wake) == contact_remind && wake == 118 * SECOND, "an outage is told");
    contact_remind(c);
    check(c->remind_at >= began + MINUTE, "... once a minute");
    c->remind_at = NEVER;
    check(!contact_due(c, 118 * SECOND - 1, &wake) && contact_due(c, 118 * SECOND, &wake) == handle_open, "after 3 T");
    c->opened_at = 101 * SECOND;
    check(!contact_due(c, 119 * SECOND - 1, &wake), "... of each handle");
    c->met = false;
    check(!contact_due(c, HOUR, &wake), "... that has seen something");
    c->session.client_id = 77;
    c->expired = true;
    check(contact_due(c, 0, &wake) == session_renew, "an expired session is given up at once");
    c->session_since = clock_now() - 2 * SECOND;
    session_renew(c);
    check(!c->handle && !c->session.client_id && !c->expired, "... for a new one");
    check(contact_due(c, clock_now(), &wake) == handle_open, "... at once");
    c->session_since = clock_now();
    session_renew(c);
    check(!contact_due(c, clock_now(), &wake) && wake < clock_now() + 5 * SECOND, "... or after a pause, if it was new");

    describe("A connection that brings no answer for T/5 is left, once in a lease, if there is another server");
    int ends[2];
    char byte;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        abort();
    c->fd = ends[0];
    c->connected = b->leading = true;
    b->lease.sent = 5;
    flies(b, REQUEST_WRITE, true);
    c->sent[REQUEST_WRITE] = 100 * SECOND;
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    election_watchdog(b, 102 * SECOND, &wake);
    check(read(ends[1], &byte, 1) < 0, "there is no other");
    string_copy(c->addresses, sizeof c->addresses, "127.0.0.1:1,127.0.0.1:2,127.0.0.1:1");
    election_watchdog(b, 101 * SECOND, &wake);
    check(read(ends[1], &byte, 1) < 0, "it is not late yet");
    b->watchdog_lease = 5;
    election_watchdog(b, 102 * SECOND, &wake);
    check(read(ends[1], &byte, 1) < 0, "that was tried in this lease");
    b->watchdog_lease = 4;
    election_watchdog(b, 102 * SECOND, &wake);
    check(read(ends[1], &byte, 1) == 0 && b->watchdog_lease == 5 && c->attempt_at == 0, "else it is left");
    fd_close_both(ends);
    c->fd = -1;
    flies(b, REQUEST_WRITE, false);
    c->connected = b->leading = false;

    describe("Where a server refuses our identity, others are tried soon, then all of them seldom");
    handle_open(c);
    for (int i = 0; i < 2; i++) {
        nanos pause = i ? 30 * SECOND : 1200 * MILLISECOND, before = clock_now();
        on_event(c->handle, ZOO_SESSION_EVENT, ZOO_AUTH_FAILED_STATE, "", c);
        check(c->rejected && c->retry_at >= before + pause && c->retry_at <= clock_now() + pause,
            i ? "after 30 s" : "after T/5");
        check(!c->connected && contact_due(c, c->retry_at, &wake) == handle_open, "... with a new handle");
    }
    c->rejected = c->denied = false;

    describe("Why a server cannot be connected to is said at the first failure");
    static const struct { int rc, error; const char *said; } fails[] = {
        { ZOK, ECONNREFUSED, "" }, { ZNOTHING, ECONNREFUSED, "" }, { ZOPERATIONTIMEOUT, 0, "no answer" },
        { ZCONNECTIONLOSS, EHOSTDOWN, "it closes the connection" }, { ZCONNECTIONLOSS, ECONNREFUSED, "refused" },
        { ZCONNECTIONLOSS, 0, "connection loss" },
    };
    for (size_t i = 0; i < COUNT(fails); i++) {
        c->trouble[0] = '\0';
        contact_fails(c, fails[i].rc, fails[i].error);
        check(fails[i].said[0] ? strstr(c->trouble, fails[i].said) != NULL : !c->trouble[0], fails[i].said);
    }
    contact_fails(c, ZOPERATIONTIMEOUT, 0);
    check(strstr(c->trouble, "connection loss") != NULL, "... not at the next one");
    c->trouble[0] = '\0';

    describe("Who hangs up breaks the connection off, and lets the library see it; the server is not told");
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        abort();
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    c->fd = ends[0];
    c->session.client_id = 0;
    ballot_hang_up(b);
    check(read(ends[1], &byte, 1) < 0, "without a session there is nothing to break off");
    c->session.client_id = 77;
    processed = -1;
    ballot_hang_up(b);
    check(read(ends[1], &byte, 1) == 0 && processed == ZOOKEEPER_READ, "broken off");
    fd_close_both(ends);
    c->session.client_id = 0;
    c->fd = -1;

    describe("What poll() says goes to the library, or to the resolver");
    char text[] = "1.2.3.4:1";
    if (!fd_pipe(ends) || write(ends[1], text, sizeof text) != sizeof text)
        abort();
    c->fd = ends[1];
    c->resolver.pid = getpid();
    c->resolver.fd = ends[0];
    c->resolver.answer = TEXT_IN(c->resolver.buffer);
    const struct { short revents; int events; } said[] = {
        { POLLIN, ZOOKEEPER_READ }, { POLLOUT, ZOOKEEPER_WRITE }, { POLLHUP, ZOOKEEPER_READ },
        { POLLERR, ZOOKEEPER_READ }, { POLLIN | POLLOUT, ZOOKEEPER_READ | ZOOKEEPER_WRITE }, { 0, -1 },
    };
    for (size_t i = 0; i < COUNT(said); i++) {
        processed = -1;
        client_dispatch(c, &(struct pollfd){ .fd = c->fd, .revents = said[i].revents }, 1);
        check(processed == said[i].events && c->resolver.answer.length == 0, "the library");
    }
    client_dispatch(c, &(struct pollfd){ .fd = ends[0], .revents = POLLIN }, 1);
    same(c->resolver.buffer, text, "the resolver");
    c->resolver.pid = 0;

    describe("After a stall of ours the library reads what has come before it counts how long nothing has come");
    if (write(ends[1], "x", 1) != 1)
        abort();
    interested = c->fd = ends[0];
    processed = -1;
    c->hold_until = 0;
    c->processed_at = 100 * SECOND;
    contact_interest(c, 102 * SECOND);
    check(processed == -1, "no stall");
    c->processed_at = 100 * SECOND;
    contact_interest(c, 102 * SECOND + 1);
    check(processed == ZOOKEEPER_READ, "over T/3");
    fd_close_both(ends);

    describe("A server that accepts and does not answer is left after T/5");
    struct pollfd slots[BALLOT_POLLFDS];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        abort();
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    interested = ends[0];
    c->met = false;
    c->remind_at = NEVER;
    c->attempt_at = clock_now() + HOUR;
    wake = NEVER;
    check(client_prepare(c, slots, BALLOT_POLLFDS, &wake) == 1 && slots[0].fd == ends[0] && slots[0].events == POLLIN,
        "it is waited for");
    check(read(ends[1], &byte, 1) < 0 && c->attempt_at && wake <= clock_now() + SECOND, "... for that long");
    c->attempt_at = clock_now() - 1200 * MILLISECOND;
    client_prepare(c, slots, BALLOT_POLLFDS, &wake);
    check(read(ends[1], &byte, 1) == 0 && !c->attempt_at, "... no longer");
    interested = c->fd = -1;
    fd_close_both(ends);

    describe("An attempt to connect has T/5; while others count us as the leader, by the T that they know");
    check(contact_patience(c, 100 * SECOND) == 1200 * MILLISECOND, "T/5");
    c->hurry_until = 101 * SECOND;
    c->hurry_timeout = 3 * SECOND;
    check(contact_patience(c, 100 * SECOND) == 600 * MILLISECOND, "of the shorter T");
    check(contact_patience(c, 101 * SECOND) == 1200 * MILLISECOND, "... no longer than that");
    ballot_close(b);
}

static void test_opening(void)
{
    describe("ballot_open refuses a wrong configuration");
    static const struct { struct ballot_config config; int error; } cases[] = {
        { { .servers = "localhost", .base_path = "/b", .candidate_id = "me", .timeout_ms = 5000, .auth = "digest:me" }, BALLOT_EAUTH },
        { { .servers = "localhost", .base_path = "/b", .candidate_id = "me", .timeout_ms = 0 }, BALLOT_ETIMEOUT },
        { { .servers = "localhost", .base_path = "b", .candidate_id = "me", .timeout_ms = 5000 }, BALLOT_EPATH },
        { { .servers = "", .base_path = "/b", .candidate_id = "me", .timeout_ms = 5000 }, BALLOT_ESERVER },
        { { .servers = "localhost", .base_path = "/b", .candidate_id = "", .timeout_ms = 5000 }, BALLOT_EID },
    };
    ballot *b;
    for (size_t i = 0; i < COUNT(cases); i++)
        check(ballot_open(&b, &cases[i].config) == cases[i].error && !b, ballot_strerror(cases[i].error));

    describe("ballot_trouble says why a candidate cannot stand");
    b = member(BALLOT_KEEP);
    same(ballot_trouble(b), "", "in contact, and all is well: no trouble");
    b->client.connected = false;
    same(ballot_trouble(b), "not in contact with a ZooKeeper server", "no server answers: that is trouble");
    string_copy(b->client.trouble, sizeof b->client.trouble, "names");
    same(ballot_trouble(b), "names", "... or what the client knows better");
    ballot_close(b);
}

static void test_own(void)
{
    describe("A proposal of our name that another session owns is not ours");
    nanos wake = NEVER;
    ballot *b = member(BALLOT_KEEP);
    struct Stat stat = { .ephemeralOwner = 78, .mtime = 0 };
    answer(b, REQUEST_OWN, clock_now(), (struct reply){ .rc = ZOK, .stat = &stat });
    check(!b->own_exists && b->unsettled, "a proposal of our name that another session owns is not ours");
    ballot_close(b);

    describe("A leader's base, clock and resignation: what follows from each");
    b = member(BALLOT_KEEP);
    names(b, "proposal-4", false);
    b->leading = true;
    b->lease = (struct ballot_lease){ .sent = 99 * SECOND, .timeout = b->client.timeout };
    b->beat_at = HOUR;
    check(election_step(b, 100 * SECOND, &wake) == REQUEST_WRITE,
        "a base that names another proposal of ours gets a heartbeat at once");
    b->ahead = 5 * SECOND;
    int64_t mtime = clock_read(CLOCK_REALTIME) / MILLISECOND;
    b->sent_shift = clock_shift() - 3 * SECOND;
    clocks_compare(b, clock_now(), mtime);
    check(b->ahead == 5 * SECOND,
        "a clock that was set while a write was on its way is not compared with the servers'");
    b->sent_shift = clock_shift();
    clocks_compare(b, clock_now(), mtime);
    check(b->ahead > -SECOND && b->ahead < SECOND, "... one that was not is");
    answer(b, REQUEST_RESIGN, clock_now(), (struct reply){ .rc = ZOK });
    check(election_step(b, b->calm_at - 1, &wake) == STEP_NONE &&
        election_step(b, b->calm_at, &wake) == REQUEST_PROPOSE,
        "after a resignation the next one goes first: a new proposal waits");
    check(b->calm_at > clock_now() - MINUTE, "... a moment");
    ballot_close(b);
}

/* A transaction on the base is answered: by `rc` on its operation `refused`. */
static void answered(ballot *b, enum step request, int rc, int refused)
{
    answer(b, request, clock_now(), (struct reply){ .rc = rc, .refused = refused });
}

static bool troubled(const ballot *b, const char *what, const char *right)
{
    return strstr(ballot_trouble(b), what) && strstr(ballot_trouble(b), right);
}

static void test_rights(void)
{
    describe("Rule 15: a candidate to which a right is denied leaves the queue, and stands again after a pause");
    ballot *b = member(BALLOT_KEEP);
    nanos wake = NEVER;
    answered(b, REQUEST_WRITE, ZNOAUTH, 1);
    check(troubled(b, "writing /b is refused", "no right \"write\"") && ballot_step_down(b),
        "the claim is refused: it says why, and hands over");
    check(step_at(b, 0) == REQUEST_WITHDRAW, "... by leaving the queue, without its owner's help, and at once");
    b->want = WANT_HOLD;
    check(step_at(b, 0) != REQUEST_WITHDRAW, "... but not while its owner still ends what it did as leader");
    b->want = WANT_STAND;
    answered(b, REQUEST_WITHDRAW, ZNOAUTH, 0);
    check(troubled(b, "writing /b is refused", "\"write\""),
        "deleting the proposal is refused, too: the trouble is still the first one");
    check(step_at(b, 0) == STEP_END_SESSION, "... the session is closed");
    session_end(b);
    check(!b->proposal[0] && !ballot_step_down(b) && !b->client.session.client_id,
        "... and the proposal is gone with it");
    check(b->retry_at > clock_now() + 11 * SECOND && b->retry_at <= clock_now() + 12 * SECOND,
        "it stands again after 2 T");
    b->client.connected = true;
    check(election_step(b, b->retry_at - 1, &wake) == STEP_NONE &&
        election_step(b, b->retry_at, &wake) == REQUEST_PROPOSE, "... not before");
    b->client.timeout = 10 * MINUTE;
    election_left(b);
    check(b->retry_at <= clock_now() + 30 * SECOND, "... nor after more than 30 s");
    b->step_down = b->leading = true;
    check(ballot_step_down(b), "a leader that is to hand over has a proposal, or had one");
    b->leading = false;
    check(!ballot_step_down(b), "... one that is out has nothing to hand over");
    ballot_close(b);

    describe("A path that is there is not made again after a refusal, but where it is gone");
    b = member(BALLOT_KEEP);
    b->proposal[0] = '\0';
    answered(b, REQUEST_PROPOSE, ZNOAUTH, 0);
    check(b->path_length == strlen("/b") && b->retry_at > clock_now(), "refused: it is tried again");
    answered(b, REQUEST_PROPOSE, ZNONODE, 0);
    check(b->path_length == 0, "gone: it is made first");
    ballot_close(b);

    describe("Only a denied right is one, and where something is in doubt the session is closed");
    b = member(BALLOT_KEEP);
    answered(b, REQUEST_WRITE, ZTHROTTLEDOP, 1);
    check(!b->denied && !ballot_step_down(b), "a server that is too busy denies no right");
    answered(b, REQUEST_WRITE, ZBADVERSION, 1);
    check(!b->denied && b->unsettled, "nor does another one's claim");
    answered(b, REQUEST_WRITE, ZNOAUTH, 0);
    check(b->denied && troubled(b, "checking /b/proposal-5 is refused", "\"read\""), "a proposal that we may not read");
    check(step_at(b, 0) == STEP_END_SESSION, "where something is in doubt, the session is closed");
    ballot_close(b);

    describe("A leader to which a right is denied resigns when its owner lets it, or leaves otherwise");
    b = member(BALLOT_KEEP);
    names(b, "proposal-5", false);
    b->leading = true;
    b->beat_at = 100 * SECOND;
    answered(b, REQUEST_WRITE, ZNOAUTH, 1);
    check(ballot_step_down(b) && b->leading, "a leader's heartbeat is refused: it is to hand over");
    check(election_step(b, clock_now(), &wake) == STEP_NONE, "... when its owner lets it");
    b->want = WANT_LEAVE;
    check(election_step(b, clock_now(), &wake) == REQUEST_RESIGN, "... by resigning");
    answered(b, REQUEST_RESIGN, ZNOAUTH, 0);
    check(election_step(b, clock_now(), &wake) == REQUEST_WITHDRAW,
        "... or, if that is refused, by deleting its proposal");
    answered(b, REQUEST_WITHDRAW, ZOK, 0);
    check(!b->leading && ballot_role(b) == BALLOT_OUT && !ballot_step_down(b), "... then it is out");
    ballot_close(b);
}

static void test_session_timeouts(void)
{
    describe("Rule 16: with a foolish session timeout no election is held, and another server is tried");
    static const int64_t fit[] = { 100, 5000, BALLOT_TIMEOUT_MAX },
        unfit[] = { 0, -1, 99, INT_MIN, INT_MAX, BALLOT_TIMEOUT_MAX + 1 };
    ballot *b = member(BALLOT_KEEP), *other = NULL;
    nanos wake = NEVER;
    for (size_t i = 0; i < COUNT(fit); i++)
        check(timeout_fit(fit[i] * MILLISECOND), "a session timeout to lead with");
    for (size_t i = 0; i < COUNT(unfit); i++)
        check(!timeout_fit(unfit[i] * MILLISECOND), "... and one that is none");
    check((int)(2 * (int64_t)BALLOT_TIMEOUT_MAX) == 2 * (int64_t)BALLOT_TIMEOUT_MAX,
        "the client library can double the longest");
    struct ballot_config c = b->config;
    c.timeout_ms = BALLOT_TIMEOUT_MAX + 1;
    check(ballot_open(&other, &c) == BALLOT_ETIMEOUT && !other, "no longer one may be asked for");

    describe("A server that gives a foolish session timeout is left, and the others are tried first");
    b->client.connected = false;
    b->client.unfit = true;
    check(contact_due(&b->client, 0, &wake) == client_break_off, "a server that gives an unfit one is not talked to");
    client_break_off(&b->client);
    string_copy(b->client.addresses, sizeof b->client.addresses, "1.1.1.1:1,::2:2,3.3.3.3:3");
    b->client.retry_at = 5;
    check(contact_due(&b->client, 4, &wake) == NULL && wake == 5 && contact_due(&b->client, 5, &wake) == handle_open,
        "... but again, or another, after a pause");
    char chosen[200];
    struct text t = text_in(chosen, sizeof chosen);
    string_copy(b->client.avoided, sizeof b->client.avoided, "::2:2");
    addresses_choose(&b->client, &t);
    same(chosen, "1.1.1.1:1,3.3.3.3:3,1.1.1.1:1", "... the others first, in odd number");
    t = text_in(chosen, sizeof chosen);
    addresses_choose(&b->client, &t);
    same(chosen, b->client.addresses, "... then all");

    describe("Pauses between two attempts end soon, whatever the session timeout");
    b->client.timeout = TIMEOUT_MAX;
    for (int i = 0; i < 40; i++)
        contact_back_off(&b->client, 0);
    check(b->client.hold_until <= 30 * SECOND,
        "no session timeout makes the pauses between two attempts longer than 30 s");
    ballot_close(b);

    b = member(BALLOT_KEEP);
    answer(b, REQUEST_WRITE, 0, (struct reply){ .rc = ZOK });
    for (int i = 0; i < 40; i++)
        contact_back_off(&b->client, 0);
    check(b->client.hold_until <= SECOND, "a leader tries again within T/6 while others do not count it as gone");

    describe("Of a longer session timeout 10 minutes count");
    b->config.timeout_ms = 3600000;
    string_copy(b->client.addresses, sizeof b->client.addresses, "127.0.0.1:1");
    handle_open(&b->client);
    on_event(b->client.handle, ZOO_SESSION_EVENT, ZOO_CONNECTED_STATE, "", &b->client);
    check(b->client.timeout == 10 * MINUTE, "a session timeout of an hour counts as 10 min");
    ballot_close(b);
}

static struct facts facts(void)
{
    return (struct facts){
        .observed = { .now = 1000 * SECOND, .election.role = BALLOT_LEADER, .election.requests_known = true,
            .timeout = 6 * SECOND, .start_until = 1004 * SECOND },
        .memory.lease = { .sent = 1000 * SECOND, .timeout = 6 * SECOND },
    };
}

static void test_end_told(void)
{
    describe("How the command ended is told with what comes next, also where that is no policy's doing");
    static const struct { enum candidacy candidacy; enum ballot_role role; const char *next; enum cause cause; }
        cases[] = {
        { CANDIDACY_STAND, BALLOT_LEADER, "; running it again in 0s", CAUSE_ITSELF },
        /* asked to step down; without a guard */
        { CANDIDACY_LEAVE, BALLOT_LEADER, "; standing again in 0s", CAUSE_RUNTIME },
        { CANDIDACY_HOLD, BALLOT_OUT, "; standing again in 0s", CAUSE_ITSELF },
        { CANDIDACY_STAND, BALLOT_LEADER, "; ballot stopped it", CAUSE_BALLOT },
    };
    struct agent *a = calloc(1, sizeof *a);
    struct log *log = calloc(1, sizeof *log);
    if (!a || !log)
        abort();
    a->log = log;
    log->err = &log->out;
    log->out.fd = -1;
    log->id = "a";
    for (size_t i = 0; i < COUNT(cases); i++) {
        a->facts.observed.election.role = cases[i].role;
        a->facts.memory.cause = cases[i].cause;
        string_copy(a->end, sizeof a->end, "the end");
        agent_describe_next(a, &(struct decision){ .candidacy = cases[i].candidacy });
        agent_say_end(a);
        log->out.data[log->out.end] = '\0';
        check(strstr(log->out.data, cases[i].next) != NULL, cases[i].next);
        size_t length = log->out.end;
        agent_say_end(a);
        check(length > 0 && log->out.end == length, "... once");
        log->out.start = log->out.end = 0;
    }
    free(log);
    free(a);
}

static void test_late_stop(void)
{
    describe("A stop of a command that has died with its guard since it was decided is not one of the next command");
    struct agent *a = calloc(1, sizeof *a);
    if (!a)
        abort();
    a->pair = -1;
    agent_stop(a, false, CAUSE_BALLOT);
    a->facts.memory = (struct memory){ .life = LIFE_RUNNING, .stop_sent = a->facts.memory.stop_sent,
        .stop_due = a->facts.memory.stop_due };
    a->facts.observed = facts().observed;
    a->facts.observed.now = clock_now() + MINUTE;
    check(!agent_decide(&a->facts).replace_guard, "the next one's guard is not replaced when that stop would be due");
    check(a->facts.memory.stop_sent == 0, "... and the next stop is sent");
    free(a);
}

static void test_decisions(void)
{
    describe("A leader starts the command within its lease, after restart-delay; a waiting candidate waits");
    struct facts f = facts();
    check(agent_decide(&f).command == COMMAND_START, "a leader starts the command");
    f.observed.start_until = f.observed.now;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS, "... not when the lease is over");
    f = facts();
    f.observed.election.requests_known = false;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS, "... nor before it knows what operators ask");
    f = facts();
    f.memory.after.next_start = f.observed.now + 1;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS && agent_decide(&f).wake <= f.memory.after.next_start,
        "... nor before restart-delay is over");
    f.observed.election.role = BALLOT_OUT;
    check(agent_decide(&f).candidacy == CANDIDACY_HOLD, "... which it waits for outside of the queue");
    f = facts();
    f.observed.election.role = BALLOT_FOLLOWER;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS && agent_decide(&f).candidacy == CANDIDACY_STAND,
        "a waiting candidate waits");

    describe("A running command is stopped when the leadership is lost, killed when it is revoked");
    f = facts();
    f.memory.life = LIFE_RUNNING;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS, "a running command is left alone");
    f.observed.election.role = BALLOT_UNSURE;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS, "... out of contact too (stop is the guard's)");
    f.observed.election.role = BALLOT_FOLLOWER;
    f.observed.lost = true;
    check(agent_decide(&f).command == COMMAND_STOP && agent_decide(&f).candidacy == CANDIDACY_HOLD,
        "the leadership lost: stopped, and nothing claimed meanwhile");
    f.observed.revoked = true;
    check(agent_decide(&f).command == COMMAND_KILL, "... revoked: killed");

    describe("A running command is stopped at max-runtime and by a signal, killed by a second one");
    f = facts();
    f.memory.life = LIFE_RUNNING;
    f.rules.max_runtime = SECOND;
    f.memory.started_at = f.observed.now - SECOND;
    check(agent_decide(&f).command == COMMAND_STOP && agent_decide(&f).cause == CAUSE_RUNTIME, "max-runtime");
    f.memory.end_signals = 1;
    check(agent_decide(&f).command == COMMAND_STOP && agent_decide(&f).cause == CAUSE_BALLOT, "told to end: stop");
    f.observed.lost = f.observed.revoked = true;
    check(agent_decide(&f).command == COMMAND_KILL, "... and revoked meanwhile: kill");
    f.observed.lost = f.observed.revoked = false;
    f.memory.end_signals = 2;
    check(agent_decide(&f).command == COMMAND_KILL, "... twice: kill");

    describe("A guard that does not do what it should is replaced");
    f = facts();
    f.memory.life = LIFE_RUNNING;
    f.rules.stop = true;
    f.observed.now = f.memory.lease.sent + 4 * SECOND;
    check(agent_decide(&f).replace_guard, "stop: still alive when the lease is over: the guard is replaced");
    f.rules.stop = false;
    check(!agent_decide(&f).replace_guard, "... not with keep");
    f.memory.unacknowledged_since = f.observed.now - 4 * SECOND;
    check(agent_decide(&f).replace_guard, "a guard that has not acknowledged for 2/3 T is replaced");
    f.memory.unacknowledged_since = 0;
    f.memory.stop_sent = 1;
    f.memory.stop_due = f.observed.now + 1;
    check(!agent_decide(&f).replace_guard && agent_decide(&f).wake <= f.memory.stop_due,
        "... one that has been asked to stop the command has its time");
    f.memory.stop_due = f.observed.now;
    check(agent_decide(&f).replace_guard, "... and is replaced after that");

    describe("While no guard can be forked nothing is started, and the queue is left");
    f = facts();
    f.memory.guard_dead = true;
    f.memory.guard_due = f.observed.now + SECOND;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS && agent_decide(&f).candidacy == CANDIDACY_LEAVE,
        "no guard can be forked: a leader starts nothing, and leaves");
    check(!agent_decide(&f).new_guard && !agent_decide(&f).replace_guard &&
        agent_decide(&f).wake == f.memory.guard_due, "... and tries again after a second");
    f.observed.now = f.memory.guard_due;
    check(agent_decide(&f).new_guard, "... then");
    f.observed.election.role = BALLOT_OUT;
    f.memory.standing_since = f.observed.now - f.observed.timeout;
    f.rules.on_failure = FAILURE_RUN_ANYWAY;
    check(agent_decide(&f).candidacy == CANDIDACY_HOLD && agent_decide(&f).command == COMMAND_AS_IT_IS,
        "... it does not stand, and runs nothing anyway");
    f.memory.end_signals = 1;
    check(agent_decide(&f).finish && !agent_decide(&f).new_guard, "... told to end: at once");
    f = facts();
    f.memory.guard_due = f.observed.now;
    f.memory.ended = true;
    f.rules.on_error = POLICY_EXIT;
    f.memory.status = 3 << 8;
    check(agent_decide(&f).after.ending && agent_decide(&f).after.exit_status == 3,
        "... the policy applies all the same");
    f.rules.on_error = POLICY_RERUN;
    check(!agent_decide(&f).after.ending && agent_decide(&f).candidacy == CANDIDACY_LEAVE,
        "... but for rerun, which has to wait");

    describe("Told to end, a candidate without a command leaves first, then ends");
    f = facts();
    f.memory.end_signals = 1;
    check(agent_decide(&f).candidacy == CANDIDACY_LEAVE && !agent_decide(&f).finish, "no command: leave first");
    f.observed.election.role = BALLOT_OUT;
    check(agent_decide(&f).finish, "... then end");
    f.memory.ended = true;
    check(!agent_decide(&f).finish, "... once it is told how the command ended");
    f.memory.ended = false;
    f.observed.election.role = BALLOT_LEADER;
    f.memory.leaving_since = f.observed.now - SECOND;
    check(agent_decide(&f).finish, "... after 1 s in any case");
}

static void test_policies(void)
{
    static const enum policy policies[] = { POLICIES(MEANING) };
    static const enum failure ways[] = { FAILURES(MEANING) };
    describe("Each policy for each end of the command, and for an election that is not possible");
    for (size_t p = 0; p < COUNT(policies); p++)
        for (int good = 0; good < 2; good++)
            for (int cause = CAUSE_ITSELF; cause <= CAUSE_BALLOT; cause++) {
                struct facts f = facts();
                enum policy policy = policies[p], other = policies[(p + 1) % COUNT(policies)];
                f.memory.ended = true;
                f.memory.status = good ? 0 : 3 << 8;
                f.memory.cause = (enum cause)cause;
                bool success = good && cause == CAUSE_ITSELF;
                f.rules.on_success = success ? policy : other;
                f.rules.on_error = success ? other : policy;
                struct decision d = agent_decide(&f);
                char what[80];
                snprintf(what, sizeof what, "policy %d, status %d, cause %d", policy, f.memory.status, cause);
                if (cause == CAUSE_BALLOT)
                    check(!d.after.ending && d.candidacy == CANDIDACY_STAND, what);
                else if (policy == POLICY_EXIT || policy == POLICY_IGNORE)
                    check(d.after.ending && d.after.exit_status == (policy == POLICY_EXIT && !good ? 3 : 0) &&
                        d.command == COMMAND_AS_IT_IS, what);
                else
                    check(!d.after.ending && (d.candidacy == CANDIDACY_LEAVE) == (policy == POLICY_REELECT) &&
                        (d.command == COMMAND_START) == (policy == POLICY_RERUN), what);
            }
    /* What an operator asks comes first, whatever the policy. */
    for (size_t p = 0; p < COUNT(policies); p++) {
        struct facts f = facts();
        f.memory.ended = true;
        f.rules.on_success = policies[p];
        f.observed.election.step_down = true;
        struct decision d = agent_decide(&f);
        check((d.candidacy == CANDIDACY_LEAVE || d.after.ending) && d.command == COMMAND_AS_IT_IS,
            "step-down at the command's end");
        f.memory.after = d.after;
        f.memory.ended = false;
        d = agent_decide(&f);
        check(d.candidacy == CANDIDACY_LEAVE && d.command == COMMAND_AS_IT_IS, "... and after it");
        f.observed.election.step_down = false;
        f.memory.end_signals = 1;
        d = agent_decide(&f);
        check(d.candidacy == CANDIDACY_LEAVE && !d.finish, "... told to end");
        f.observed.election.role = BALLOT_OUT;
        check(agent_decide(&f).finish, "... at once");
    }
    for (size_t p = 0; p < COUNT(ways); p++) {
        enum failure policy = ways[p];
        struct facts f = facts();
        f.observed.election.role = BALLOT_OUT;
        f.memory.standing_since = f.observed.now - 6 * SECOND;
        f.rules.on_failure = policy;
        struct decision d = agent_decide(&f);
        check(d.give_up == (policy == FAILURE_EXIT) && (d.command == COMMAND_START) == (policy == FAILURE_RUN_ANYWAY),
            "on-election-failure after T");
        f.memory.standing_since++;
        d = agent_decide(&f);
        check(!d.give_up && d.command == COMMAND_AS_IT_IS, "... not before");
    }
}

static void test_leases(void)
{
    describe("The moments of a lease: TERM, KILL, its end");
    struct ballot_lease l = { .sent = 100 * SECOND, .timeout = 6 * SECOND }, none = { 0 };
    check(lease_moment(&l, PART_STOP_TERM) == 103 * SECOND &&
        lease_moment(&l, PART_STOP_KILL) < lease_moment(&l, PART_LEASE) &&
        lease_moment(&l, PART_LEASE) == 104 * SECOND, "stop: TERM at T/2, dead before 2/3 T");
    check(lease_moment(&l, PART_LEASE) < 100 * SECOND + l.timeout / 6 * 5, "... which is before others may claim");
    check(lease_moment(&none, PART_LEASE) == NEVER && lease_moment(&none, PART_STOP_TERM) == NEVER,
        "no lease never ends");
}

/* A START as it comes from the candidate, `age` after the sending of the write that it leans on, to a guard that has
 * ended an earlier command. */
static bool starts(bool stop, nanos timeout, nanos age, bool stop_asked, bool alone)
{
    char *command[] = { "true", NULL };
    const struct plan plan = { .command = command, .config.candidate_id = "a", .stop = stop };
    struct guard g = { .plan = &plan, .exec_error = -1, .outputs = { -1, -1 }, .reaped = true, .stopping_since = 1,
        .ending.due = NEVER };
    struct message start = { .kind = MESSAGE_START, .lease = { .sent = clock_now() - age, .timeout = timeout },
        .scheduled = BALLOT_NEVER }, told;
    int ends[2] = { -1, -1 }, passed[2] = { -1, -1 };
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
        abort();
    g.pair = ends[0];
    guard_obey(&g, &start, passed);
    g.stop_asked = stop_asked;
    g.alone = alone;
    guard_start(&g);
    pid_t child = g.command;
    fd_close(&g.exec_error);
    bool answered = message_receive(ends[1], &told, passed) == RECEIVED_MESSAGE &&
        (child ? told.kind == MESSAGE_STARTED && told.number == child : told.kind == MESSAGE_ENDED && told.ours);
    check(answered && (child == 0 || waitpid(child, NULL, 0) == child), "the guard answers a START");
    check(child == 0 || (!g.stopping_since && !g.reaped && !g.ours && !g.ending.due && !g.start_due),
        "... and what an earlier command met with does not count for the next");
    fd_close(&ends[0]);
    fd_close(&ends[1]);
    return child != 0;
}

/* A leader of stop stood still between cutting its lease and telling the guard: what is
 * cut is over. Returns whether the guard is told, as the heartbeat goes out next. */
static bool cut_is_told(void)
{
    struct agent *a = calloc(1, sizeof *a);
    struct message told = { .text = "" };
    int ends[2] = { -1, -1 }, passed[2];
    if (!a || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
        abort();
    a->pair = ends[0];
    a->ballot = member(BALLOT_STOP);
    a->told_session = a->ballot->client.session.client_id;
    a->ballot->leading = a->facts.rules.stop = true;
    a->ballot->token = 1;
    a->facts.memory.life = LIFE_RUNNING;
    a->facts.observed.now = clock_now();
    a->facts.memory.lease = a->ballot->lease = (struct ballot_lease){ .sent = clock_now() - 3 * SECOND,
        .timeout = 30 * SECOND };
    a->ballot->lease.cut_sent = clock_now() - 3 * SECOND;
    a->ballot->lease.cut_timeout = 4 * SECOND;
    agent_learn_election(a);
    agent_inform_guard(a);
    bool got = message_receive(ends[1], &told, passed) == RECEIVED_MESSAGE && told.kind == MESSAGE_LEASE &&
               told.lease.cut_timeout == 4 * SECOND;
    fd_close(&ends[0]);
    fd_close(&ends[1]);
    ballot_close(a->ballot);
    free(a);
    return got;
}

/* A guard whose command runs under a lease of 6 s that was sent at 100 s. */
static void test_guard_moments(void)
{
    describe("When the guard ends the command unasked, and when it kills it");
    struct plan plan = { .stop_timeout = 10 * SECOND };
    struct guard g = { .plan = &plan, .pair = -1, .command = 1, .grace = plan.stop_timeout,
        .lease = { .sent = 100 * SECOND, .timeout = 6 * SECOND } };
    check(guard_stop_time(&g) == NEVER, "keep: no lease ends the command");
    plan.stop = true;
    check(guard_stop_time(&g) == 103 * SECOND, "stop: SIGTERM at T/2");
    check(guard_wake(&g, 100 * SECOND) == 101 * SECOND, "... by a clock that is looked at each second");
    g.stopping_since = 103 * SECOND;
    check(guard_kill_time(&g) == 103800 * MILLISECOND,
        "... SIGKILL T/30 before the lease is over, whatever stop-timeout is");
    g.grace = SECOND / 2;
    check(guard_kill_time(&g) == 103500 * MILLISECOND, "... or after stop-timeout, if that is earlier");
    plan.stop = false;
    g.grace = plan.stop_timeout;
    check(guard_kill_time(&g) == 113 * SECOND, "keep: SIGKILL after stop-timeout");
    g.alone = true;
    check(guard_kill_time(&g) == 104 * SECOND, "... of a dead candidate: at the end of its lease");
    g.ending.due = 105 * SECOND;
    check(guard_kill_time(&g) == 105 * SECOND, "... and again after a pause");

    describe("The guard ends the command at once when it is asked to, or alone, and what its first process left");
    g.alone = false;
    g.stopping_since = 0;
    bool *const reasons[] = { &g.stop_asked, &g.alone, &g.reaped };
    for (size_t i = 0; i < COUNT(reasons); i++) {
        *reasons[i] = true;
        check(guard_stop_time(&g) == 0, i == 0 ? "asked" : i == 1 ? "alone" : "reaped");
        *reasons[i] = false;
    }
    check(guard_stop_time(&g) == NEVER, "else not");
}

static void test_guard_obeys(void)
{
    describe("The guard keeps what it is told");
    const struct plan plan = { .stop_timeout = 10 * SECOND };
    struct guard g = { .plan = &plan, .pair = -1, .outputs = { -1, -1 } };
    int passed[2] = { -1, -1 };
    struct message m = { .kind = MESSAGE_STOP, .number = SIGINT, .span = SECOND, .text = "" };
    guard_obey(&g, &m, passed);
    check(g.stop_asked && g.stop_signal == SIGINT && g.grace == SECOND, "a STOP: its signal, its time until SIGKILL");
    m = (struct message){ .kind = MESSAGE_START, .lease = { .sent = 1, .timeout = 2 } };
    guard_obey(&g, &m, passed);
    check(g.start_due && g.lease.sent == 1 && g.lease.timeout == 2, "a START and its lease");
    check(!g.stop_asked && g.stop_signal == SIGTERM && g.grace == plan.stop_timeout,
        "... without what the last command was told");
    m = (struct message){ .kind = MESSAGE_LEASE, .lease = { .sent = 3, .timeout = 4 } };
    guard_obey(&g, &m, passed);
    check(g.lease.sent == 3 && g.lease.timeout == 4, "a later lease");
    m = (struct message){ .kind = MESSAGE_GOODBYE };
    guard_obey(&g, &m, passed);
    check(g.goodbye, "a goodbye");
}

/* A leader's agent, and the guard's end of its pair. */
static struct agent *agent(int *guard)
{
    static char *command[] = { "true", NULL };
    struct agent *a = calloc(1, sizeof *a);
    struct log *log = calloc(1, sizeof *log);
    int ends[2];
    if (!a || !log || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
        abort();
    a->pair = ends[0];
    *guard = ends[1];
    a->log = log;
    log->err = &log->out;
    log->out.fd = -1;
    log->id = "a";
    a->plan = (struct plan){ .command = command, .stop_timeout = SECOND, .log = log };
    a->ballot = member(BALLOT_KEEP);
    a->ballot->leading = true;
    a->ballot->token = 9;
    a->ballot->lease = (struct ballot_lease){ .sent = clock_now() + HOUR, .timeout = 6 * SECOND };
    a->facts.observed.now = clock_now();
    agent_learn_election(a);
    return a;
}

static void agent_free(struct agent *a, int guard)
{
    fd_close(&guard);
    fd_close(&a->pair);
    ballot_close(a->ballot);
    free(a->log);
    free(a);
}

/* What the guard is told next; its kind is GOODBYE if nothing. */
static const struct message *told_next(int guard)
{
    static struct message told;
    int passed[2];
    told = (struct message){ .kind = MESSAGE_GOODBYE };
    message_receive(guard, &told, passed);
    return &told;
}

static void test_guard_informed(void)
{
    describe("The guard learns of each session, of where it can be continued, and of each lease of a running command");
    int guard;
    struct agent *a = agent(&guard);
    string_copy(a->ballot->client.addresses, ADDRESSES_MAX, "127.0.0.1:1");
    agent_inform_guard(a);
    const struct message *told = told_next(guard);
    check(told->kind == MESSAGE_SESSION && told->session == 77 && told->span == 6 * SECOND, "a session");
    same(told->text, "127.0.0.1:1", "... and its servers");
    agent_inform_guard(a);
    check(told_next(guard)->kind == MESSAGE_GOODBYE, "... once; without a command no lease");
    string_copy(a->ballot->client.addresses, ADDRESSES_MAX, "127.0.0.1:2");
    agent_inform_guard(a);
    same(told_next(guard)->text, "127.0.0.1:2", "the servers, if they have moved");
    a->ballot->client.session.client_id = 78;
    agent_learn_election(a);
    agent_inform_guard(a);
    check(told_next(guard)->session == 78, "another session");

    describe("A START says under what lease; a loss before it does not count");
    a->ballot->losses = 3;
    agent_learn_election(a);
    agent_start(a, false, BALLOT_NEVER);
    told = told_next(guard);
    check(told->kind == MESSAGE_START && told->token == 9 && told->lease.timeout == 6 * SECOND &&
        told->lease.sent == a->ballot->lease.sent, "a START, its token and lease");
    check(a->facts.memory.life == LIFE_ASKED && a->facts.memory.unacknowledged_since, "... which is to be answered");
    agent_learn_election(a);
    check(!a->facts.observed.lost, "a loss before the start is none of this command");
    agent_inform_guard(a);
    check(told_next(guard)->kind == MESSAGE_GOODBYE, "the lease of the START is known");
    a->ballot->lease.sent++;
    agent_learn_election(a);
    agent_inform_guard(a);
    check(told_next(guard)->kind == MESSAGE_LEASE, "a later one is told");
    a->ballot->losses++;
    agent_learn_election(a);
    check(a->facts.observed.lost, "... one after it is");

    describe("A stall of this process may be one of the guard, too: it gets its time again");
    struct memory *m = &a->facts.memory;
    m->unacknowledged_since = 1;
    a->poll_due = clock_now();
    agent_learn_time(a);
    check(m->unacknowledged_since == 1 && !m->stalled_at, "hardly late: no stall");
    a->poll_due = clock_now() - 3 * SECOND;
    agent_learn_time(a);
    check(m->unacknowledged_since == m->stalled_at && m->stalled_at == a->facts.observed.now, "... by T/2: one");

    describe("A guard that is replaced is killed first");
    a->guard = fork();
    if (a->guard == 0)
        for (;;)
            pause();
    int status = 0;
    agent_orphan(a);
    check(m->life == LIFE_ORPHANED && waitpid(a->guard, &status, 0) == a->guard && WIFSIGNALED(status) &&
        WTERMSIG(status) == SIGKILL, "it starts nothing any more");
    m->unacknowledged_since = 1;
    m->guard_dead = true;
    agent_next_guard(a);
    check(a->guard > 0 && a->pair >= 0 && !m->guard_dead && !m->guard_due, "another takes its place");
    check(!a->told_session && !a->unacknowledged && !m->unacknowledged_since, "... which knows and owes nothing");
    for (int i = 0; i < 10000 && getsid(a->guard) != a->guard; i++)
        poll(NULL, 0, 1);
    check(getsid(a->guard) == a->guard, "... in a session of its own: no terminal's signals reach it");
    message_send(a->pair, &(struct message){ .kind = MESSAGE_GOODBYE }, NULL);
    fd_close(&a->pair);
    check(waitpid(a->guard, &status, 0) == a->guard && status == 0, "... and ends when it is told goodbye");
    agent_free(a, guard);
}

/* Where orphans become our children. */
static void test_left_behind(void)
{
    describe("A command has ended when all that it started is dead, not when its first process is");
    struct guard g = { .outputs = { -1, -1 }, .exec_error = -1, .adopts = process_adopt_orphans() };
    int pair[2], tells[2];
    pid_t left = 0;
    siginfo_t dead;
    if (!g.adopts)
        return;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0 || !fd_pipe(tells))
        abort();
    g.pair = pair[0];
    g.command = fork();
    if (g.command == 0) {
        left = fork();
        if (left == 0)
            for (;;)
                pause();
        _exit(write(tells[1], &left, sizeof left) == sizeof left ? 3 : 4);
    }
    if (read(tells[0], &left, sizeof left) != sizeof left ||
        waitid(P_PID, (id_t)g.command, &dead, WEXITED | WNOWAIT) != 0)
        abort();
    guard_reap(&g);
    const struct message *told = told_next(pair[1]);
    check(told->kind == MESSAGE_REAPED && told->number == 3 << 8 && g.reaped, "its first process is dead");
    guard_reap(&g);
    check(told_next(pair[1])->kind == MESSAGE_GOODBYE && g.command, "... what that left is not");
    kill(left, SIGKILL);
    waitid(P_PID, (id_t)left, &dead, WEXITED | WNOWAIT);
    guard_reap(&g);
    told = told_next(pair[1]);
    check(told->kind == MESSAGE_ENDED && told->number == 3 << 8 && !g.command, "all of it is");
    fd_close_both(pair);
    fd_close_both(tells);
}

static void test_rounds(void)
{
    describe("A round of the agent: when poll() should return is known, also where it does not wait");
    int guard;
    struct agent *a = agent(&guard);
    struct client *c = &a->ballot->client;
    a->streams[0].fd = a->streams[1].fd = a->log->library.fd = -1;
    c->connected = false;
    c->retry_at = c->remind_at = c->resolver.since = NEVER - MINUTE;
    agent_wait(a, a->facts.observed.now);
    check(a->poll_due > 0 && a->poll_due <= clock_now(), "it does not wait");

    describe("A heartbeat by which a lease was cut waits for a guard that could be told of it");
    a->ballot->cut_unseen = true;
    a->facts.memory.guard_dead = true;
    a->facts.memory.life = LIFE_RUNNING;
    agent_wait(a, a->facts.observed.now);
    check(a->ballot->cut_unseen, "the command runs, and the guard is dead: it is not sent");
    a->facts.memory.life = LIFE_ORPHANED;
    agent_wait(a, a->facts.observed.now);
    check(!a->ballot->cut_unseen, "the guard has been killed, and what it ran is being ended: it is");

    describe("How a command ended is told in words");
    struct memory *m = &a->facts.memory;
    static const struct { int status; struct exec_failure failure; const char *words; } ends[] = {
        { 3 << 8, { false, 0 }, "status 3" }, { SIGKILL, { false, 0 }, "signal 9" },
        { 127 << 8, { false, ENOENT }, "cannot execute true" }, { 126 << 8, { true, ENOENT }, "true was not executed" },
    };
    for (size_t i = 0; i < COUNT(ends); i++) {
        m->life = LIFE_RUNNING;
        m->ended = false;
        m->stop_sent = 1;
        agent_ended(a, ends[i].status, ends[i].failure, false);
        check(strstr(a->end, ends[i].words) && m->ended && m->status == ends[i].status && m->life == LIFE_NONE &&
            m->cause == CAUSE_ITSELF && !m->stop_sent && a->streams[0].last && a->streams[1].last, ends[i].words);
    }
    m->life = LIFE_ASKED;
    agent_ended(a, 0, (struct exec_failure){ .error = 0 }, true);
    check(!a->end[0] && m->cause == CAUSE_BALLOT, "one that was not started has not ended");

    describe("A command that was started without a leader is the leader's once the candidate is elected");
    m->life = LIFE_RUNNING;
    m->anyway = true;
    m->losses = 0;
    a->ballot->losses = 4;
    a->ballot->token = 0;
    agent_learn_election(a);
    check(m->anyway && !a->facts.observed.lost, "not elected yet");
    a->ballot->token = 9;
    agent_learn_election(a);
    check(!m->anyway && m->losses == 4 && !a->facts.observed.lost, "elected");
    agent_free(a, guard);
}

static void test_standing(void)
{
    describe("What is decided on standing reaches the election; how long that is tried is counted while it is out");
    int guard;
    struct agent *a = agent(&guard);
    const ballot *b = a->ballot;
    struct memory *m = &a->facts.memory;
    struct observed *o = &a->facts.observed;
    o->election.role = BALLOT_OUT;
    agent_candidacy(a, CANDIDACY_STAND);
    check(b->want == WANT_STAND && m->standing && m->standing_since == o->now && !m->leaving_since, "stand");
    o->now += SECOND;
    agent_candidacy(a, CANDIDACY_STAND);
    check(m->standing_since == o->now - SECOND, "... since then");
    agent_candidacy(a, CANDIDACY_LAST_WORD);
    check(b->want == WANT_STAND && m->leaving_since == o->now && !m->standing_since, "the last word first");
    o->now += SECOND;
    agent_candidacy(a, CANDIDACY_LEAVE);
    check(b->want == WANT_LEAVE && m->leaving_since == o->now - SECOND && !m->standing, "... then leave");
    agent_candidacy(a, CANDIDACY_HOLD);
    check(b->want == WANT_HOLD && !m->leaving_since, "hold");
    m->life = LIFE_RUNNING;
    agent_candidacy(a, CANDIDACY_STAND);
    check(b->want == WANT_STAND && !m->standing && !m->standing_since, "while a command runs no standing begins");
    m->life = LIFE_NONE;
    o->election.role = BALLOT_FOLLOWER;
    agent_candidacy(a, CANDIDACY_STAND);
    check(m->standing && !m->standing_since, "in the queue already: nothing is being tried");
    agent_free(a, guard);
}

static void test_configured(void)
{
    describe("What the settings say reaches the agent; an activation does not wait for restart-delay");
    static struct settings s;
    static struct cron_run cron;
    char name[] = "/bin/true", *command[] = { name, NULL };
    int guard;
    for (int i = 0; i < SETTING_COUNT; i++)
        s.values[i].number = 1000 + i;
    s.values[SET_ON_DISCONNECT].number = DISCONNECT_STOP;
    for (int scheduled = 0; scheduled < 2; scheduled++) {
        struct agent *a = agent(&guard);
        a->facts.cron = scheduled ? &cron : NULL;
        agent_configure(a, &s, command);
        const struct rules *r = &a->facts.rules;
        check(r->stop && r->max_runtime == 1000 + SET_MAX_RUNTIME && (int)r->on_success == 1000 + SET_ON_SUCCESS &&
            (int)r->on_error == 1000 + SET_ON_ERROR && (int)r->on_failure == 1000 + SET_ON_FAILURE, "the rules");
        check(r->restart_delay == (scheduled ? 0 : 1000 + SET_RESTART_DELAY) &&
            r->restart_delay_max == (scheduled ? 0 : 1000 + SET_RESTART_DELAY_MAX), "the delays");
        check(a->plan.stop && a->plan.wrap && a->plan.stop_timeout == 1000 + SET_STOP_TIMEOUT &&
            a->plan.config.record == scheduled, "what the guard knows from the start");
        same(a->plan.config.command, "true", "... what is run");
        command[0] = name + 1;
        agent_configure(a, &s, command);
        same(a->plan.config.command, "true", "... wherever it is");
        command[0] = name + 5;
        agent_configure(a, &s, command);
        same(a->plan.config.command, "true", "... or with no folder");
        command[0] = name;
        same(a->plan.config.kind, scheduled ? "cron" : "once", "... and how");
        agent_free(a, guard);
    }
}

static void test_delays(void)
{
    describe("restart-delay doubles with each error in a row, up to restart-delay-max");
    static const int seconds[] = { 1, 2, 4, 5, 5 };
    struct facts f = facts();
    f.rules.on_error = f.rules.on_success = POLICY_RERUN;
    f.rules.restart_delay = SECOND;
    f.rules.restart_delay_max = 5 * SECOND;
    f.memory.started_at = f.observed.now - MINUTE;
    f.memory.ended = true;
    f.memory.status = 1 << 8;
    for (unsigned i = 0; i < COUNT(seconds); i++) {
        f.memory.after = agent_decide(&f).after;
        check(f.memory.after.errors == i + 1 && f.memory.after.next_start == f.memory.started_at + seconds[i] * SECOND,
            "an error");
    }
    f.memory.cause = CAUSE_BALLOT;
    check(agent_decide(&f).after.errors == COUNT(seconds), "an end that ballot caused is none, and no success");
    f.memory.cause = CAUSE_RUNTIME;
    f.memory.status = 0;
    check(agent_decide(&f).after.errors == COUNT(seconds) + 1, "max-runtime is one, whatever the status");
    f.memory.cause = CAUSE_ITSELF;
    check(agent_decide(&f).after.errors == 0 &&
        agent_decide(&f).after.next_start == f.memory.started_at + SECOND, "a success ends the row");

    describe("Who ended the command: the guard alone knows");
    struct memory m = { .stop_sent = 1, .cause = CAUSE_RUNTIME };
    agent_learn_cause(&m, true);
    check(m.cause == CAUSE_RUNTIME, "the guard, which was asked to: for the reason that was given");
    agent_learn_cause(&m, false);
    check(m.cause == CAUSE_ITSELF, "itself, before it could be stopped");
    m.stop_sent = 0;
    agent_learn_cause(&m, true);
    check(m.cause == CAUSE_BALLOT, "the guard, unasked");
}

static int lowest_free(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

/* Sends `count` bytes of a message and `fds` descriptors; what becomes of it. */
static int received(const struct message *message, size_t count, int fds, int passed[2])
{
    static struct message got;
    int ends[2], numbers[3] = { 1, 1, 1 };
    union { struct cmsghdr align; char space[CMSG_SPACE(sizeof numbers)]; } control = { .space = "" };
    struct iovec part = { (void *)(uintptr_t)message, count };
    struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
        abort();
    if (fds) {
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE((size_t)fds * sizeof(int));
        CMSG_FIRSTHDR(&header)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&header)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&header)->cmsg_len = CMSG_LEN((size_t)fds * sizeof(int));
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), numbers, (size_t)fds * sizeof(int));
    }
    if (sendmsg(ends[0], &header, 0) < 0)
        abort();
    int result = message_receive(ends[1], &got, passed);
    close(ends[0]);
    close(ends[1]);
    return result;
}

static void test_messages(void)
{
    describe("Between candidate and guard, what is not a whole message is the end");
    static const size_t least = offsetof(struct message, text) + 1;
    static struct { struct message message; char more; } long_one = { .message = { .kind = MESSAGE_LEASE } };
    struct message *message = &long_one.message;
    int passed[2], free_before = lowest_free();
    check(received(message, least, 0, passed) == RECEIVED_MESSAGE && passed[0] == -1,
        "a message between candidate and guard");
    check(received(message, least - 1, 2, passed) == RECEIVED_END && passed[0] == -1,
        "one that is too short is the end");
    check(received(message, sizeof *message + 1, 2, passed) == RECEIVED_END && passed[0] == -1,
        "... so is one that is cut");
    memset(message->text, 'x', sizeof message->text);
    check(received(message, sizeof *message, 0, passed) == RECEIVED_END, "... and one whose text does not end");
    message->text[0] = '\0';
    check(received(message, least, 1, passed) == RECEIVED_MESSAGE && passed[0] == -1, "one descriptor is none");
    check(received(message, least, 3, passed) == RECEIVED_MESSAGE && passed[0] == -1, "... nor are two of three");
    check(lowest_free() == free_before, "... and none of them stays open");
    check(received(message, least, 2, passed) == RECEIVED_MESSAGE && passed[0] >= 0 && passed[1] >= 0, "two are two");
    fd_close_both(passed);
}

/* The other process has sent `last`, and died before it read what we sent. */
static void test_last_message(void)
{
    describe("The last message of a process that died is read, though it left one unread");
    const struct message last = { .kind = MESSAGE_ENDED, .number = 7 }, unread = { .kind = MESSAGE_LEASE };
    struct message told = { .kind = MESSAGE_LEASE };
    int ends[2], passed[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0 || !message_send(ends[0], &unread, NULL) ||
        !message_send(ends[1], &last, NULL))
        abort();
    close(ends[1]);
    check(message_receive(ends[0], &told, passed) == RECEIVED_MESSAGE && told.kind == MESSAGE_ENDED && told.number == 7,
        "what a process said last counts, though it died without reading what it was told");
    check(message_receive(ends[0], &told, passed) == RECEIVED_END, "... then comes the end");
    close(ends[0]);
}

/* The guard is sent a START with two pipes, or a LEASE, where it can open `room` descriptors
 * more; what it answers to the START. */
static struct message guard_answer(enum message_kind kind, rlim_t room)
{
    char *command[] = { "true", NULL };
    const struct plan plan = { .command = command, .config.candidate_id = "a", .wrap = true };
    struct guard g = { .plan = &plan, .exec_error = -1, .outputs = { -1, -1 } };
    struct message sent = { .kind = kind, .scheduled = BALLOT_NEVER }, told = { .kind = MESSAGE_GOODBYE };
    int ends[2], pipes[2] = { 1, 2 }, passed[2];
    struct rlimit before, now;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0 || !message_send(ends[1], &sent, pipes))
        abort();
    g.pair = ends[0];
    getrlimit(RLIMIT_NOFILE, &before);
    now = before;
    now.rlim_cur = (rlim_t)lowest_free() + room;
    setrlimit(RLIMIT_NOFILE, &now);
    guard_receive(&g);
    setrlimit(RLIMIT_NOFILE, &before);
    if (g.start_due)
        guard_start(&g);
    message_receive(ends[1], &told, passed);
    fd_close_both(g.outputs);
    fd_close_both(ends);
    if (g.command)
        kill(g.command, SIGKILL);
    return told;
}

static void test_exec_failures(void)
{
    describe("A command that cannot be executed ends as a shell would have it, and it is known why");
    static const struct { const char *name; int status, error; } cases[] = {
        { "/nonexistent/command", 127, ENOENT }, { "/", 126, EACCES },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char name[40], *command[] = { name, NULL };
        const struct plan plan = { .command = command, .config.candidate_id = "a" };
        struct guard g = { .plan = &plan, .pair = -1, .exec_error = -1, .outputs = { -1, -1 } };
        struct exec_failure failure = { .error = 0 };
        int status = 0;
        string_copy(name, sizeof name, cases[i].name);
        g.start.scheduled = BALLOT_NEVER;
        guard_start(&g);
        bool told = read(g.exec_error, &failure, sizeof failure) == sizeof failure;
        check(told && failure.error == cases[i].error && !failure.no_input, name);
        check(waitpid(g.command, &status, 0) == g.command && WIFEXITED(status) &&
            WEXITSTATUS(status) == cases[i].status, "... and its status");
        fd_close(&g.exec_error);
    }
}

static void test_command_descriptors(void)
{
    describe("A command gets /dev/null, the pipes for its output, and no other descriptor");
    char script[] = "echo out; echo err >&2; read -r line; echo \"$?\"; [ -e /dev/fd/3 ] && echo three; "
        "echo \"$BALLOT_LEADER_ID $BALLOT_LEADER_NODE $BALLOT_FENCING_TOKEN $BALLOT_SCHEDULED_TIME\"";
    char sh[] = "sh", option[] = "-c", *command[] = { sh, option, script, NULL };
    const struct plan plan = { .command = command, .config.candidate_id = "a", .wrap = true };
    struct guard g = { .plan = &plan, .pair = -1, .exec_error = -1, .outputs = { -1, -1 } };
    struct message start = { .kind = MESSAGE_START, .token = 9, .scheduled = 1000000, .text = "/b/proposal-5" };
    int out[2], err[2];
    char said[200] = "";
    if (!fd_pipe(out) || !fd_pipe(err))
        abort();
    fcntl(3, F_SETFD, FD_CLOEXEC); /* whatever it is */
    guard_obey(&g, &start, (int[2]){ out[1], err[1] });
    guard_start(&g);
    fd_close_both(g.outputs);
    waitpid(g.command, NULL, 0);
    size_t n = (size_t)read(out[0], said, sizeof said - 1);
    check(n < sizeof said && g.exec_error >= 0, "it says something");
    same(said, "out\n1\na /b/proposal-5 9 1970-01-12T13:46:40Z\n", "stdin, stdout and what it is told");
    memset(said, 0, sizeof said);
    check(read(err[0], said, sizeof said - 1) == 4 && !strcmp(said, "err\n"), "stderr");
    fd_close(&g.exec_error);
    fd_close(&out[0]);
    fd_close(&err[0]);
}

static void test_no_fork(void)
{
    describe("A command that cannot be forked has ended, with the reason; nothing stays open");
    char *command[] = { "true", NULL };
    const struct plan plan = { .command = command, .config.candidate_id = "a" };
    struct guard g = { .plan = &plan, .exec_error = -1, .outputs = { -1, -1 }, .start.scheduled = BALLOT_NEVER };
    int pair[2], free_before;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
        abort();
    free_before = lowest_free();
    g.pair = pair[0];
    fork_fails = true;
    guard_start(&g);
    const struct message *told = told_next(pair[1]);
    check(told->kind == MESSAGE_ENDED && told->failure.error == EAGAIN && !told->ours && !g.command, "the command");
    check(lowest_free() == free_before, "... and no descriptor stays open");
    fd_close_both(pair);

    describe("If no guard can be forked, that is tried again after a second");
    int guard;
    struct agent *a = agent(&guard);
    struct memory *m = &a->facts.memory;
    m->guard_dead = true;
    agent_next_guard(a);
    check(m->guard_dead && m->guard_due == a->facts.observed.now + SECOND && a->pair < 0, "a second");
    check(a->lack_logged_at == a->facts.observed.now, "... which is said");
    a->facts.observed.now += 59 * SECOND;
    nanos said_at = a->lack_logged_at;
    agent_next_guard(a);
    check(a->lack_logged_at == said_at, "... once");
    a->facts.observed.now += SECOND;
    agent_next_guard(a);
    check(a->lack_logged_at == a->facts.observed.now, "... a minute");
    fork_fails = false;
    agent_free(a, guard);
}

static void test_start_without_pipes(void)
{
    describe("A START whose pipes did not come starts nothing; a LEASE needs none");
    int free_before = lowest_free();
    for (rlim_t room = 0; room < 2; room++) {
        struct message told = guard_answer(MESSAGE_START, room);
        check(told.kind == MESSAGE_ENDED && told.failure.error == EMFILE && !told.ours,
            "a START whose pipes did not come starts nothing, which is an error");
    }
    check(guard_answer(MESSAGE_LEASE, 10).kind == MESSAGE_ACKNOWLEDGED, "a LEASE with pipes is a LEASE");
    check(lowest_free() == free_before, "... and no descriptor stays open");
}

static void test_starts(void)
{
    describe("A START that comes too late for its lease starts nothing");
    check(starts(false, MINUTE, 39 * SECOND, false, false), "keep: the guard starts a command within 2/3 T of a write");
    check(!starts(false, MINUTE, 40 * SECOND, false, false), "... none after that: the order was too long on its way");
    check(starts(true, MINUTE, 29 * SECOND, false, false), "stop: within T/2");
    check(!starts(true, MINUTE, 30 * SECOND, false, false), "... none after that: it would be ended at once");
    check(starts(false, 0, HOUR, false, false), "without a lease (run-anyway) it does not look at the clock");
    check(!starts(false, MINUTE, 0, true, false), "none that the candidate has asked to stop meanwhile");
    check(!starts(false, MINUTE, 0, false, true), "none for a candidate that is dead");
    check(cut_is_told(), "the guard is told of a lease that was cut, even if it is over by then");
}

/* --- the viewer ------------------------------------------------------------- */

static struct viewer *viewer(void)
{
    struct viewer *v = calloc(1, sizeof *v);
    if (!v)
        abort();
    v->config = (struct ballot_config){ .servers = "127.0.0.1", .base_path = "/b", .timeout_ms = 6000 };
    client_open(&v->client, &v->config, v, viewer_learn, viewer_event);
    v->client.connected = true;
    v->client.contact_since = v->contact_since = 5;
    v->sync_sent = v->base_fresh = v->list_fresh = v->base_exists = true;
    v->base.stat = v->list_stat = (struct Stat){ .czxid = 1, .mzxid = 100, .pzxid = 90 };
    v->reading = READ_ALL;
    return v;
}

static void data(struct viewer *v, struct znode *n, const char *json, nanos mtime)
{
    struct Stat stat = n->stat;
    stat.mtime = mtime / MILLISECOND;
    stat.ephemeralOwner = 7;
    znode_keep(v, n, &(struct reply){ .rc = ZOK, .data = json, .length = strlen(json), .stat = &stat });
}

static void base_data(struct viewer *v, const char *json)
{
    data(v, &v->base, json, 0);
    leader_named(v->named, sizeof v->named, "/b", json, strlen(json));
}

static void leads(struct viewer *v, int number, nanos seen)
{
    char json[512], node[64];
    struct text t = text_in(json, sizeof json);
    snprintf(node, sizeof node, "/b/proposal-%d", number);
    text_format(&t, "{\"candidateId\":\"c%d\",\"proposalNode\":\"%s\",\"sessionTimeout\":\"5s\",\"lastSeenTime\":"
                "\"2026-01-07 13:40:%02d +0000 UTC m=+1.0\"}", number, node, (int)(seen / SECOND));
    base_data(v, json);
    v->base.stat = (struct Stat){ .czxid = 1, .mzxid = v->list_stat.mzxid, .pzxid = v->list_stat.pzxid };
}

static void nobody_leads(struct viewer *v)
{
    base_data(v, "");
    v->base.stat = (struct Stat){ .czxid = 1, .mzxid = v->list_stat.mzxid, .pzxid = v->list_stat.pzxid };
}

/* The list is read: proposals by number, ended by -1. */
static void listed(struct viewer *v, const int *numbers)
{
    char names[10][NODE_MAX], *all[10];
    struct String_vector vector = { 0, all };
    for (; *numbers >= 0; numbers++, vector.count++) {
        all[vector.count] = names[vector.count];
        snprintf(names[vector.count], NODE_MAX, "proposal-%d", *numbers);
    }
    nodes_replace(v, &vector, &v->list_stat);
    for (size_t i = 0; i < v->count; i++)
        if (v->nodes[i].state == ZNODE_UNREAD) {
            char json[200];
            snprintf(json, sizeof json, "{\"candidateId\":\"c%s\",\"onDisconnect\":\"keep\"}",
                v->nodes[i].name + strlen(NODE_PREFIX));
            data(v, &v->nodes[i], json, 0);
        }
}
#define LISTED(v, ...) listed(v, (const int[]){ __VA_ARGS__, -1 })

static void test_reading(void)
{
    describe("A JSON object is told from what is not one");
    static const struct { const char *json; bool object; } objects[] = {
        { "{}", true }, { " {\"a\":[{}],\"b\":null} ", true }, { "{\"a\":1,}", false }, { "{", false }, { "", false },
        { "{}x", false },
        { "[]", false }, { "{]", false }, { "{\"a\"}", false }, { "{\"a\":1 \"b\":2}", false }, { "null", false },
    };
    for (size_t i = 0; i < COUNT(objects); i++)
        check(json_is_object(objects[i].json, strlen(objects[i].json)) == objects[i].object, objects[i].json);

    describe("Times in Go's form are read");
    nanos t;
    check(time_parse("2022-01-07 13:40:17.537208 -0800 PST m=+1.119309658", &t) && t == 1641591617537208000,
        "a Go time");
    check(time_parse("1970-01-01 00:00:00 +0000 UTC", &t) && t == 0, "the epoch");
    check(time_parse("2024-02-29 23:59:59.999999999 +0545 X", &t) && t == 1709230499999999999,
        "a leap day, to the nanosecond, in Nepal");
    static const char *const times[] = {
        "", "x", "2022-01-07", "2022-01-07 13:40:17", "2022-13-07 13:40:17 +0000", "99999-01-07 13:40:17 +0000",
        "1969-01-07 13:40:17 +0000"
    };
    for (size_t i = 0; i < COUNT(times); i++)
        check(!time_parse(times[i], &t), times[i]);

    describe("Moments in the form of RFC 3339 are read and written");
    int64_t at;
    check(moment_parse("2024-02-29T23:59:59.9z", &at) && at == 1709251199 &&
        moment_parse("2024-03-01 05:44:59+05:45", &at) && at == 1709251199, "RFC 3339");
    static const char *const moments[] = {
        "", "2024-02-30T00:00:00Z", "2024-02-29T24:00:00Z", "2024-02-29T00:00:00", "2024-02-29T00:00:00 +01:00",
        "2024-02-29T00:00:00+0100", "2024-02-29T00:00:00Zx", "2024-02-29x00:00:00Z", "2024-02-29T00:00:00.Z",
        "2024-02-29"
    };
    for (size_t i = 0; i < COUNT(moments); i++)
        check(!moment_parse(moments[i], &at), moments[i]);
    check(!time_parse("2024-02-29T23:59:59 +0545 X", &t) && !time_parse("2024-02-29 23:59:59 Z", &t),
        "... which is not Go's form");
    same(moment_string(1709251199, -12600).data, "2024-02-29T20:29:59-03:30", "a moment with an offset");
    same(moment_string(-1, 0).data, "1969-12-31T23:59:59Z", "... in UTC, before 1970");
    char wall[64];
    struct text fine = text_in(wall, sizeof wall);
    text_wall(&fine, 1709251199 * SECOND + 5, true);
    same(wall, "2024-02-29T23:59:59.000000005Z", "... to the nanosecond");

    describe("A time that was written in Go's form is read as the same");
    struct text written = text_in(wall, sizeof wall);
    time_string(&written, clock_now());
    nanos now = clock_read(CLOCK_REALTIME);
    check(time_parse(wall, &t) && t <= now && now - t < MINUTE && strstr(wall, " m=+0."),
        "Go's form is read as it was written");

    describe("YAML: what needs quotes has them");
    static const char *const plain[] = {
        "a", "candidate-2", "/ballot/x", "10s", "1m0s", "is leader", "2022-01-07 13:40:17.5 -0800 PST m=+1.1",
        "yes sir", "nullable", "a:b"
    };
    static const char *const quoted[] = {
        "", "1", "-1", "0x1f", "1e3", "1_0", "1:30", "2022-01-07", "2022-01-07 13:40:17 Z", "yes", "No", "TRUE",
        "null", "~", "n", "a: b", "a:", "a #b", "a ", " a", "#", "- a", "-", "?", "!x", "&a", "*a", "[a", "{a",
        "a\nb", "a\tb", "\xc3\xa9", "'", "\"", "%a", "@a", "`a", "|", ">", ".inf", "=", "<<"
    };
    for (size_t i = 0; i < COUNT(plain); i++)
        check(yaml_plain(plain[i]), plain[i]);
    for (size_t i = 0; i < COUNT(quoted); i++)
        check(!yaml_plain(quoted[i]), quoted[i]);

    describe("The table: ages, and cells that are cut, wide, harmless");
    static const struct { int64_t age; const char *text; } ages[] = {
        { -5, "0s" }, { 59, "59s" }, { 60, "1m" }, { 185, "3m5s" }, { 125 * 60, "2h5m" }, { 50 * 3600, "2d2h" } };
    char out[64];
    for (size_t i = 0; i < COUNT(ages); i++)
        same(age_string(ages[i].age).data, ages[i].text, "an age");
    struct text cell = text_in(out, sizeof out);
    text_cell(&cell, "abcdef", 4, true);
    text_cell(&cell, "\xe6\xbc\xa2\xe6\xbc\xa2", 4, true);
    text_cell(&cell, "\033\n\xff", 4, true);
    text_cell(&cell, "\xe6\xbc\xa2\xe6\xbc\xa2", 3, true);
    same(out, "abc\xe2\x80\xa6\xe6\xbc\xa2\xe6\xbc\xa2\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xe6\xbc\xa2\xe2\x80\xa6",
        "cells of a table: cut, wide, harmless");
    static const struct { const char *text; size_t columns; } texts[] = {
        { "e\xcc\x81", 1 }, { "\xd7\xa9\xd6\xb8\xd7\x81\xd7\x9c", 2 }, { "\xd9\x85\xd9\x8e", 1 },
        { "\xe0\xa4\xb9\xe0\xa5\x81\xe0\xa4\xb0\xe0\xa5\x8d", 2 }, { "\xe0\xb8\x97\xe0\xb8\xb5\xe0\xb9\x88", 1 },
        { "a\xe2\x80\x8b\xe2\x80\x8d\xef\xb8\x8f\xe2\x81\xa0", 1 }, { "\xe3\x81\x8b\xe3\x82\x99", 2 },
        { "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", 2 }, { "\xe2\x9c\x85\xe2\x9a\xa1", 4 }, { "\xf0\x9f\x98\x80", 2 },
        { "\xe2\x9c\x93\xe2\x86\x92\xc3\xa9", 3 }, { "\xe2\x80\xae\xe2\x80\x8f\xe2\x81\xa6", 3 },
    };
    for (size_t i = 0; i < COUNT(texts); i++) /* as wcwidth() has it, but for the last, which is replaced */
        check(text_columns(texts[i].text) == texts[i].columns, "marks take no column, pictures two");
}

static void test_asking(void)
{
    describe("What a viewer asks, and when it has a whole picture");
    struct viewer *v = viewer();
    v->sync_sent = v->base_fresh = v->list_fresh = false;
    check(viewer_step(v) == QUERY_SYNC, "a sync first");
    v->sync_sent = true;
    check(viewer_step(v) == QUERY_BASE, "... without waiting, the base");
    v->client.flying[QUERY_BASE] = 1;
    check(viewer_step(v) == QUERY_LIST, "... and the list");
    v->client.flying[QUERY_LIST] = 1;
    check(viewer_step(v) == QUERY_NOTHING && !viewer_whole(v), "... then wait");
    v->client.flying[QUERY_BASE] = v->client.flying[QUERY_LIST] = 0;
    v->base_fresh = v->list_fresh = true;
    check(viewer_whole(v), "an empty base is soon read");
    v->list_stat.mzxid = 101;
    check(viewer_whole(v), "a heartbeat between base and list does no harm");
    v->list_stat.pzxid = 101;
    check(!viewer_whole(v) && viewer_step(v) == QUERY_ANEW, "a torn picture is taken anew");
    v->watching = true;
    check(!viewer_whole(v) && viewer_step(v) == QUERY_NOTHING, "... but watch says so");
    v->base_exists = false;
    check(viewer_step(v) == QUERY_CREATION, "no base: wait for it");
    v->list_stat.czxid = 0;
    check(viewer_step(v) == QUERY_ANEW, "a base and the list of none: both are read anew");
    v->list_stat.czxid = 1;
    v->client.contact_since++;
    check(viewer_step(v) == QUERY_ANEW, "a new contact: all is read anew");
    v->client.connected = false;
    check(viewer_step(v) == QUERY_NOTHING, "nothing is asked out of contact");
    viewer_free(v);
}

/* Tells all, as words. */
static const char *told(struct watch *w, struct log *log)
{
    static char out[400];
    struct text t = text_in(out, sizeof out);
    struct znode *about = NULL;
    bool wait = false;
    enum change change;
    while ((change = watch_next(w, clock_now(), &about, &wait)) != CHANGE_NONE && !t.cut) {
        watch_show(w, log, 0, change, about, clock_now());
        bool line = change == CHANGE_JOINED || change == CHANGE_LEFT || change == CHANGE_CANDIDATE;
        bool contact = change == CHANGE_CONNECTED || change == CHANGE_DISCONNECTED;
        text_format(&t, "%s%s %s", t.length ? ", " : "", change_names[change], line ? about->name + 9 : contact ? ""
            : w->leader.id);
    }
    w->greeting = false;
    log->out.start = log->out.end = 0;
    return out;
}

static void test_watching(void)
{
    describe("watch tells each change, in an order in which no line contradicts another");
    struct viewer *v = viewer();
    struct log *log = calloc(1, sizeof *log);
    struct watch w = { .viewer = v, .connected = true, .began_at = clock_now() };
    if (!log)
        abort();
    v->watching = true;
    v->base_fresh = false;
    same(told(&w, log), "", "nothing before all is read");
    v->base_fresh = true;
    leads(v, 1, 0);
    LISTED(v, 1, 2);
    same(told(&w, log), "leader c1, candidate 2", "the present state: the leader once");
    same(told(&w, log), "", "... once");
    v->list_stat.pzxid = 95;
    LISTED(v, 1, 2, 3);
    same(told(&w, log), "joined 3", "joined");
    v->base.stat.mzxid = 105;
    same(told(&w, log), "", "a heartbeat is no change");
    v->list_stat = (struct Stat){ .czxid = 1, .mzxid = 110, .pzxid = 110 };
    LISTED(v, 2, 3);
    same(told(&w, log), "", "the leader has left; the base is not read yet: resigned or lost?");
    nobody_leads(v);
    same(told(&w, log), "resigned c1, left 1", "resigned, then left");
    leads(v, 2, 0);
    same(told(&w, log), "elected c2", "elected");
    v->list_stat.pzxid = 120;
    v->base.stat.pzxid = 110; /* read before; it has not changed since */
    LISTED(v, 3);
    same(told(&w, log), "lost c2, left 2", "the base still names a leader that is gone: lost");
    leads(v, 3, 0);
    same(told(&w, log), "elected c3", "taken over");
    leads(v, 4, 0);
    v->base.stat.pzxid = 130;
    same(told(&w, log), "", "a leader that the list does not have yet is put off");
    v->list_stat = (struct Stat){ .czxid = 1, .mzxid = 100, .pzxid = 130 };
    LISTED(v, 4);
    node_find(v, "proposal-4")->state = ZNODE_ASKED;
    same(told(&w, log), "", "... until its proposal is read");
    node_find(v, "proposal-4")->state = ZNODE_READ;
    same(told(&w, log), "joined 4, elected c4, left 3",
        "... joined before elected; the last leader leaves after its leadership");
    LISTED(v, 5);
    leads(v, 5, 0);
    LISTED(v, 6);
    same(told(&w, log), "elected c5, lost c5, left 4, joined 6", "one that came, led and went between two looks");
    v->client.connected = false;
    same(told(&w, log), "disconnected ", "contact is lost");
    v->client.connected = true;
    same(told(&w, log), "connected ", "... and back");
    base_data(v, "garbage");
    leads(v, 6, 0);
    same(told(&w, log), "elected c6", "elected");
    base_data(v, "garbage");
    same(told(&w, log), "lost c6", "the base is overwritten: lost");
    leads(v, 6, 0);
    same(told(&w, log), "elected c6", "elected");
    struct Stat again = { .czxid = 200, .mzxid = 210, .pzxid = 205 }; /* deleted and made again meanwhile */
    v->base.stat = again;
    same(told(&w, log), "lost c6", "a base that was made again names a proposal of the same name: another leader");
    v->list_stat = again;
    listed(v, (const int[]){ -1 });
    LISTED(v, 6);
    same(told(&w, log), "left 6, joined 6, elected c6", "... whose proposal is another one, too");
    viewer_free(v);
    free(log);
}

static void test_notes(void)
{
    describe("The remarks of info on the leader and on each candidate");
    struct viewer *v = viewer();
    struct report p;
    struct record *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    LISTED(v, 1, 2);
    leads(v, 1, 0);
    report_open(&p, v);
    same(p.leader.notes[0], "is leader", "the remarks on the leader");
    check(p.leader.note_count == 3 && p.silent &&
        !strcmp(p.leader.notes[2], "last heartbeat is older than the expected publish interval"),
        "... an old heartbeat");
    report_candidate(&p, &v->nodes[0], r);
    check(!strcmp(r->notes[0], "this proposal node claimed leadership") &&
        !strcmp(r->notes[1], "this candidate id claimed leadership"), "the leader's proposal");
    report_candidate(&p, &v->nodes[1], r);
    check(r->note_count == 0, "a waiting candidate has none");
    LISTED(v, 2);
    report_open(&p, v);
    check(p.leader.note_count == 5 && !strcmp(p.leader.notes[3], "possibly resigning") &&
        !strcmp(p.leader.notes[4], "election may be in progress"), "its proposal is gone");
    report_candidate(&p, &v->nodes[0], r);
    check(!strcmp(r->notes[0], "should be leader but another candidate is claiming the role") &&
        !strcmp(r->notes[1], "possibly waiting for previous leader resignation"), "the lowest waits");
    nobody_leads(v);
    report_open(&p, v);
    report_candidate(&p, &v->nodes[0], r);
    check(p.leader.note_count == 0 && !strcmp(r->notes[0], "election may be in progress"), "no candidate leads");
    v->nodes[0].state = ZNODE_GONE;
    report_open(&p, v);
    report_candidate(&p, &v->nodes[0], r);
    check(r->note_count == 1 && !strcmp(r->notes[0], "gone") && !strcmp(r->fields[MEMBER_ID], "proposal-2") &&
        !strcmp(r->fields[MEMBER_NODE], "/b/proposal-2"), "gone");
    data(v, &v->nodes[0], "{\"pid\":7}", 0);
    report_candidate(&p, &v->nodes[0], r);
    check(!strcmp(r->notes[0], "unparseable"), "a field of another type: unparseable");
    free(r);
    viewer_free(v);
}

/* The leader's heartbeat, with more than leads() has. */
static void speaks(struct viewer *v, const char *more)
{
    char json[256];
    const struct Stat stat = v->base.stat;
    snprintf(json, sizeof json, "{\"candidateId\":\"c1\",\"proposalNode\":\"/b/proposal-1\"%s}", more);
    base_data(v, json);
    v->base.stat = stat;
}

static void test_orders_copied(void)
{
    describe("step-down leaves what else is asked as it was written");
    static const char *const cases[][2] = {
        { "", "{" }, { "{}", "{" }, { "[]", "{" }, { "{\"stepDown\":\"proposal-1\",\"stepDownBy\":\"x\"}", "{" },
        { " { \"a\" : [1, {\"b\":\"}\"}] ,\"stepDown\":7, \"until\":\"x\" } ",
            "{\"a\" : [1, {\"b\":\"}\"}],\"until\":\"x\"" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[128];
        struct text t = text_in(out, sizeof out);
        text_string(&t, "{");
        json_copy(&t, cases[i][0], strlen(cases[i][0]), ORDER_STEP_DOWN);
        same(out, cases[i][1], "the other requests");
    }
}

static enum will_step will_reads(struct will *w, const char *json)
{
    static const struct Stat stat = { .version = 3 };
    w->step = WILL_READ;
    will_learn(w, &(struct reply){ .request = WILL_READ, .stat = &stat, .data = json, .length = strlen(json) });
    return will_next(w);
}

static void test_will(void)
{
    describe("The last will empties a base that names the dead candidate, but for one that the next leader must read");
    static struct will w = { .config.base_path = "/b", .client = { .event = will_event, .connected = true } };
    check(will_reads(&w, OURS) == WILL_OWNER, "a base that names a candidate: is it the dead one?");
    check(will_reads(&w, "{\"proposalNode\":\"/b/proposal-5\",\"unrecorded\":\"true\"}") == WILL_CLOSE,
        "... that the record does not count: the session is closed, and that is all");
    check(will_reads(&w, "") == WILL_CLOSE, "no candidate leads: the session is closed");

    describe("... it is the dead candidate's if its session owns it");
    struct Stat stat = { .ephemeralOwner = 77 };
    struct reply reply = { .request = WILL_OWNER, .stat = &stat, .data = "" };
    will_reads(&w, OURS);
    w.step = WILL_OWNER;
    w.candidate = 78;
    will_learn(&w, &reply);
    check(will_next(&w) == WILL_CLOSE, "another's");
    w.candidate = 77;
    check(will_next(&w) == WILL_RESIGN, "its own");
    reply.rc = ZNONODE;
    will_learn(&w, &reply);
    check(will_next(&w) == WILL_CLOSE, "it is gone");

    describe("... as servers that were asked to catch up show it, and if it has not changed since");
    w.client.config = &w.config;
    w.step = WILL_READ;
    will_ask(&w); /* there is no handle: it is not sent, but tried */
    check(w.client.sent[WILL_SYNC] != 0 && w.client.sent[WILL_SYNC] <= w.client.sent[WILL_READ], "a sync, then a read");
    w.step = WILL_RESIGN;
    will_ask(&w);
    check(noted_op(0, ZOO_SETDATA_OP, "/b", 3) && noted[0].length == 0 &&
        noted_op(1, ZOO_DELETE_OP, "/b/proposal-5", -1), "the version that was read");
    w.answered = w.client.connected = true;
    w.rc = ZBADVERSION;
    w.refusals = 1;
    check(will_next(&w) == WILL_READ, "refused: it is read again");
    w.refusals = 2;
    check(will_next(&w) == WILL_CLOSE, "... once");
    w.rc = ZCONNECTIONLOSS;
    check(will_next(&w) == WILL_READ, "unanswered: as long as the session lasts");
    w.client.connected = false;
    check(will_next(&w) == WILL_ATTACH, "out of contact: in contact again first");

    describe("A guard whose pair has closed resigns for no candidate that is alive, nor after its session");
    static struct log log = { .level = BALLOT_LOG_INFO, .id = "a", .library.fd = -1 };
    const struct plan plan = { .config = { .servers = "127.0.0.1:1", .base_path = "/b" }, .log = &log };
    char said[200];
    int ends[2];
    if (!fd_pipe(ends) || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
        abort();
    log.out.fd = ends[1];
    struct guard g = { .plan = &plan, .candidate = getppid(),
        .session = { .kind = MESSAGE_SESSION, .session = 77, .span = 100 * MILLISECOND, .text = "127.0.0.1:1" } };
    log.err = &log.out;
    guard_bequeath(&g);
    log_turn(&log);
    check(read(ends[0], said, sizeof said) < 0, "it is alive");
    nanos began = clock_now();
    g.candidate++;
    guard_bequeath(&g);
    log_turn(&log);
    check(read(ends[0], said, sizeof said) > 0 && clock_now() - began < 8 * SECOND,
        "it is dead: tried until its session has expired");
    fd_close_both(ends);
}

static void test_stepping_down(void)
{
    describe("step-down asks the present leader, once, if another candidate stands");
    struct viewer *v = viewer();
    struct handover d = { .viewer = v };
    v->reading = READ_ORDERS;
    check(handover_next(&d) == HANDOVER_NO_LEADER, "no candidate leads");
    LISTED(v, 1);
    leads(v, 1, 0);
    speaks(v, ",\"onDisconnect\":\"keep\",\"requests\":\"0\"");
    check(handover_next(&d) == HANDOVER_BEGIN, "... one does");
    handover_begin(&d);
    check(handover_next(&d) == HANDOVER_NO_OTHER, "... but no other stands: not asked");
    LISTED(v, 1, 2);
    check(handover_next(&d) == HANDOVER_ASK, "... it is asked");
    v->base_fresh = false;
    check(handover_next(&d) == HANDOVER_WAIT, "... when all is known");
    v->base_fresh = v->orders.listed = true;
    check(handover_next(&d) == HANDOVER_WAIT, "... what others have asked, too");
    data(v, &v->orders, "{\"stepDown\":\"proposal-1\"}", 0);
    check(handover_next(&d) == HANDOVER_WAIT, "... once, by any client");
    v->orders.stat.mzxid = 7;
    check(!handover_acknowledged(v), "... which it has not acknowledged");
    speaks(v, ",\"onDisconnect\":\"keep\",\"requests\":\"7\"");
    check(handover_acknowledged(v), "... and now has");
    data(v, &v->orders, "{\"stepDown\":\"proposal-0\"}", 0);
    check(handover_next(&d) == HANDOVER_ASK, "a request for another proposal does not count");
    v->base.stat.czxid++;
    check(handover_next(&d) == HANDOVER_AGAIN, "a base that was made again has another leader of that number");
    v->base.stat.czxid--;
    speaks(v, ",\"onDisconnect\":\"keep\"");
    check(handover_next(&d) == HANDOVER_OLDER, "an earlier ballot of ours cannot be asked");
    speaks(v, "");
    check(handover_next(&d) == HANDOVER_FOREIGN, "a Go ballot cannot either");
    LISTED(v, 2);
    v->orders.state = ZNODE_READ;
    check(handover_next(&d) == HANDOVER_TELL_GONE, "nor can one whose proposal is gone");
    d.gone_said = true;
    check(handover_next(&d) == HANDOVER_WAIT, "... but another will lead");
    nobody_leads(v);
    check(handover_next(&d) == HANDOVER_WAIT, "resigned: wait");
    d.begun = false;
    check(handover_next(&d) == HANDOVER_BEGIN, "... also where it resigned just before we came");
    handover_begin(&d);
    check(handover_next(&d) == HANDOVER_WAIT && !d.name[0], "... no candidate is asked then");
    leads(v, 2, 0);
    check(handover_next(&d) == HANDOVER_DONE, "another leads");
    string_copy(d.old.id, sizeof d.old.id, "c2");
    check(handover_next(&d) == HANDOVER_AGAIN, "... the same one, with a new proposal");
    viewer_free(v);

    describe("A leader that is asked to step down stops its command, leaves the queue, and stands again");
    struct facts f = facts();
    f.memory.life = LIFE_RUNNING;
    f.observed.election.step_down = true;
    check(agent_decide(&f).command == COMMAND_STOP && agent_decide(&f).cause == CAUSE_BALLOT &&
        agent_decide(&f).candidacy == CANDIDACY_STAND,
        "the leader, asked to step down, stops its command first");
    f.observed.now += 9 * SECOND;
    check(agent_decide(&f).command == COMMAND_STOP, "... in the time that it has");
    f.observed.election.refused = true;
    check(agent_decide(&f).command == COMMAND_KILL, "... which is 3/2 T if heartbeats are refused: it will be revoked");
    f.memory.end_signals = 1;
    check(agent_decide(&f).command == COMMAND_KILL, "... also if it was told to end before");
    f.memory.end_signals = 0;
    f.observed.now -= 4 * SECOND;
    check(agent_decide(&f).command == COMMAND_STOP && agent_decide(&f).wake <= f.observed.now + SECOND,
          "... not before");
    f.observed.election.unnamed = true;
    check(agent_decide(&f).command == COMMAND_KILL,
        "... 5/6 T in a new session, which the base does not name: others claim after T");
    f.observed.election.refused = f.observed.election.unnamed = false;
    f.observed.now -= 5 * SECOND;
    f.memory.life = LIFE_NONE;
    f.memory.ended = true;
    f.memory.cause = CAUSE_BALLOT;
    f.rules.on_success = f.rules.on_error = POLICY_EXIT;
    check(!agent_decide(&f).after.ending && agent_decide(&f).candidacy == CANDIDACY_LEAVE &&
        agent_decide(&f).command == COMMAND_AS_IT_IS, "... no policy applies, whatever it is");
    f.memory.cause = CAUSE_ITSELF;
    check(agent_decide(&f).after.ending, "... unless the command had ended by itself");
    f.memory.ended = false;
    check(agent_decide(&f).candidacy == CANDIDACY_LEAVE && agent_decide(&f).command == COMMAND_AS_IT_IS,
        "... then leaves the queue, and starts nothing meanwhile");
    f.observed.election.step_down = false;
    f.observed.election.role = BALLOT_OUT;
    check(agent_decide(&f).candidacy == CANDIDACY_STAND, "... then stands again");

    f.observed.election.step_down = true;
    f.observed.election.role = BALLOT_FOLLOWER;
    check(agent_decide(&f).candidacy == CANDIDACY_LEAVE, "a candidate that may not lead leaves the queue");
    f.memory.life = LIFE_RUNNING;
    f.memory.anyway = true;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS && agent_decide(&f).candidacy == CANDIDACY_STAND,
        "... without its command, which it runs anyway");
}

/* A leader at `wall` seconds, with nothing to do. */
static struct cron_run cron_run(const struct schedule *s, int64_t wall)
{
    return (struct cron_run){ .schedule = *s, .wall = wall * SECOND, .known = true,
        .memory = { .fits = true, .written = true, .record.mark = wall, .recorded = BALLOT_NEVER } };
}

static struct schedule schedule(const char *spec, nanos catch_up)
{
    struct schedule s = { .spec = spec, .catch_up = catch_up };
    struct ballot_cron_error error;
    ballot_zone_utc(&s.zone);
    if (ballot_cron_parse(&s.cron, &s.zone, spec, &error) != BALLOT_OK)
        check(false, spec);
    return s;
}

static struct cron_step step(const struct cron_run *c, enum authority authority, bool running)
{
    nanos wake = NEVER;
    return cron_decide(c, authority, running, 0, &wake);
}

static void test_activations(void)
{
    describe("An activation is waited for, recorded, then started");
    struct schedule minutely = schedule("* * * * *", MINUTE), never_late = schedule("* * * * *", 0),
        every = schedule("@every 7s", MINUTE);
    struct cron_run c = cron_run(&minutely, 6000);
    nanos wake = NEVER;
    check(step(&c, AUTHORITY_LEADER, false).kind == CRON_NOTHING,
        "an activation that is dealt with does not come again");
    c.wall = 6059 * SECOND + 400 * MILLISECOND;
    check(cron_decide(&c, AUTHORITY_LEADER, false, 5, &wake).kind == CRON_NOTHING && wake == 5 + 600 * MILLISECOND,
        "the next one is waited for, to its second");
    wake = NEVER;
    c.wall = 6030 * SECOND;
    cron_decide(&c, AUTHORITY_LEADER, false, 5, &wake);
    check(wake == 5 + SECOND, "... never over a second, as the wall clock may jump");
    c.wall = 6060 * SECOND;
    check(step(&c, AUTHORITY_LEADER, false).kind == CRON_RECORD && step(&c, AUTHORITY_LEADER, false).at == 6060,
        "it is recorded");
    check(step(&c, AUTHORITY_LEADER, true).kind == CRON_SKIP, "... skipped while the last one runs");
    check(step(&c, AUTHORITY_ALONE, false).kind == CRON_START, "... started at once by a leader on its own");
    check(step(&c, AUTHORITY_NONE, false).kind == CRON_NOTHING, "... not by a waiting candidate");
    c.known = false;
    check(step(&c, AUTHORITY_LEADER, false).kind == CRON_NOTHING, "... not while the record is not known");
    c.known = true;
    c.memory.record.mark = c.memory.recorded = 6060;
    check(step(&c, AUTHORITY_LEADER, false).kind == CRON_START && step(&c, AUTHORITY_LEADER, false).at == 6060,
        "what is recorded as ours is started");
    c.wall = 6119 * SECOND;
    check(step(&c, AUTHORITY_LEADER, false).kind == CRON_START, "... within catch-up");
    c.wall = 6121 * SECOND;
    check(step(&c, AUTHORITY_LEADER, false).kind == CRON_RECORD && step(&c, AUTHORITY_LEADER, false).at == 6120,
        "... and not later");
    c.memory.fits = false;
    check(step(&c, AUTHORITY_LEADER, false).kind == CRON_BEGIN, "no record, or another schedule's: it begins now");

    describe("Of all that was missed the latest is caught up, if catch-up allows it");
    c = cron_run(&minutely, 100000 * 60 + 59);
    c.memory.record.mark = 6000;
    check(step(&c, AUTHORITY_LEADER, false).at == 100000 * 60, "of all that was missed the latest is caught up");
    c.schedule = never_late;
    check(step(&c, AUTHORITY_LEADER, false).kind != CRON_RECORD, "... not with catch-up=0");
    c.wall = 100000 * 60 * SECOND + 900 * MILLISECOND;
    check(step(&c, AUTHORITY_LEADER, false).kind == CRON_RECORD, "... which does not forbid to be on time");

    describe("@every keeps its cadence");
    c = cron_run(&every, 1000);
    c.wall = 1020 * SECOND;
    check(step(&c, AUTHORITY_LEADER, false).at == 1014, "@every keeps its cadence");
    c.memory.record.mark = 1014;
    c.wall = 1020 * SECOND + SECOND / 2;
    wake = NEVER;
    cron_decide(&c, AUTHORITY_LEADER, false, 0, &wake);
    check(wake == SECOND / 2, "... from what was recorded last");

    describe("A clock that has jumped is compared with the servers' before anything is run");
    c = cron_run(&minutely, 6000);
    c.wall += 365 * 24 * HOUR;
    c.jumped = 365 * 24 * HOUR;
    check(step(&c, AUTHORITY_LEADER, false).kind == CRON_NOTHING,
        "the clock has jumped by a year: the servers are asked");
    check(step(&c, AUTHORITY_ALONE, false).kind == CRON_START, "... out of contact it is all that there is");
    c.ahead = c.jumped;
    c.jumped = 0;
    check(step(&c, AUTHORITY_LEADER, false).kind == CRON_HAND_OVER, "a year ahead of the servers: hands over");
    check(step(&c, AUTHORITY_LEADER, true).kind == CRON_NOTHING, "... not while its command runs, and skips nothing");
    c.jumped = -c.ahead;
    c.wall = 6060 * SECOND;
    check(step(&c, AUTHORITY_LEADER, false).kind == CRON_RECORD, "... set right, it goes on at once");
    c.ahead = -1800000000 * SECOND;
    c.jumped = 0;
    check(step(&c, AUTHORITY_LEADER, false).kind == CRON_HAND_OVER, "in 1970: hands over");

    describe("Where all clocks were set back, what is done is not done again");
    c = cron_run(&minutely, 6000);
    c.wall = 3000 * SECOND;
    check(step(&c, AUTHORITY_LEADER, false).kind == CRON_NOTHING,
        "all clocks were set back: what is done is not done again");
    c.wall = 6060 * SECOND;
    check(step(&c, AUTHORITY_LEADER, false).at == 6060, "... and what is not, is");
}

static void test_run_record(void)
{
    describe("What the run record says is read back");
    struct run_record r = { .mark = 1800000000, .run = 1799999940, .start = 1799999940, .end = 1799999950,
        .status = 3 << 8, .token = 77, .skipped = 2 }, back;
    char data[DATA_MAX];
    struct schedule s = schedule("TZ=Asia/Kolkata 0 2 * * *", 0);
    same(schedule_moment(&s, BALLOT_NEVER).data, "never", "no activation has no moment, in any time zone");
    string_copy(r.id, sizeof r.id, "a \"b\"");
    size_t n = run_record_json(&r, &s, 1800000000, data, sizeof data);
    back = run_record_read(data, n, 1800000000 * SECOND);
    check(back.mark == r.mark && back.run == r.run && back.start == r.start && back.end == r.end &&
        back.status == r.status && back.token == 77 && back.skipped == 2 && !strcmp(back.spec, s.spec) &&
        !strcmp(back.id, r.id), "what the run record says is read back");
    char next[64];
    check(json_get(data, n, "nextActivation", next, sizeof next) && !strcmp(next, "2027-01-15T20:30:00Z"),
        "... and it says what comes next, in UTC");
    r.status = SIGKILL;
    n = run_record_json(&r, &s, 1800000000, data, sizeof data);
    check(run_record_read(data, n, 1800000000 * SECOND).status == SIGKILL, "... a signal, too");
    check(run_record_read(data, n, 1799990000 * SECOND).mark == 1799990000,
        "a mark from the future counts as the record's own time");
    check(run_record_read("\0{]", 3, 0).mark == BALLOT_NEVER, "what is no run record");
    static char longest[BALLOT_ID_MAX + 1];
    memset(longest, 1, sizeof longest - 1);
    s.spec = longest;
    memset(r.id, 1, sizeof r.id - 1);
    memset(r.host, 1, sizeof r.host - 1);
    check(run_record_json(&r, &s, 1800000000, data, sizeof data) < sizeof data, "the longest fits");
}

/* A candidate of `run cron` and the servers; the test sets both clocks, in seconds. */
struct fleet {
    ballot b;
    struct cron_run c;
    struct log log;
    struct ballot_status e;
    int64_t servers, wall, changed; /* changed: when the node was, by the servers */
    int32_t version;
};

static void fleet_clock(struct fleet *f, int64_t wall)
{
    struct timespec real;
    f->wall = wall;
    wall_offset = 0;
    clock_gettime(CLOCK_REALTIME, &real);
    wall_offset = wall - real.tv_sec;
}

/* With both clocks at `wall`; nothing is known yet. */
static struct fleet *fleet(const char *spec, nanos catch_up, int64_t wall)
{
    static struct fleet f;
    memset(&f, 0, sizeof f);
    f.servers = wall;
    fleet_clock(&f, wall);
    f.c.schedule = schedule(spec, catch_up);
    f.c.id = "a";
    f.c.base_path = "/e";
    f.c.log = &f.log;
    f.log.level = BALLOT_LOG_INFO;
    f.log.own_err.fd = f.log.out.fd = -1;
    f.log.err = &f.log.own_err;
    f.b.config.base_path = "/e";
    f.b.leading = true;
    f.b.token = f.e.token = 77;
    f.b.client.timeout = f.e.timeout = 6 * SECOND;
    f.e.role = BALLOT_LEADER;
    f.c.shift = f.e.clock_shift = clock_shift();
    f.c.memory.written = true;
    f.c.memory.recorded = BALLOT_NEVER;
    f.c.memory.record = (struct run_record){ .mark = wall, .confirmed = BALLOT_NEVER, .run = BALLOT_NEVER,
                                                .start = BALLOT_NEVER, .end = BALLOT_NEVER };
    return &f;
}

/* The clock of the candidate is set: its heartbeats show by how much it is wrong, unless it is out of contact. */
static void fleet_set(struct fleet *f, int64_t wall, bool shown)
{
    fleet_clock(f, wall);
    if (!shown)
        return;
    f->e.clock_shift = clock_shift();
    f->e.clock_ahead = (wall - f->servers) * SECOND;
}

/* The node is read, as another client wrote it; NULL: it is gone. */
static void fleet_read(struct fleet *f, const char *json)
{
    struct Stat stat = { .version = ++f->version, .mtime = f->servers * 1000 };
    f->changed = f->servers;
    on_record(&f->b, &(struct reply){ .rc = json ? ZOK : ZNONODE, .data = json ? json : "",
                                      .length = json ? strlen(json) : 0, .stat = &stat });
}

/* What was to be written is written, but for an answer that is lost. */
static void fleet_save(struct fleet *f, bool answered)
{
    struct record_state *r = &f->b.record;
    struct Stat stat = { .version = ++f->version, .mtime = f->servers * 1000 };
    bool created = !r->exists;
    if (!r->pending)
        return;
    f->changed = f->servers;
    if (answered)
        on_save(&f->b, &(struct reply){ .rc = ZOK, .data = "", .stat = &stat });
    else
        r->fresh = r->pending = false;
    if (!answered || created)
        on_record(&f->b, &(struct reply){ .rc = ZOK, .data = r->next, .length = r->next_length, .stat = &stat });
}

static struct cron_step fleet_round(struct fleet *f, enum authority authority, bool running)
{
    nanos wake = NEVER;
    f->e.role = authority == AUTHORITY_LEADER ? BALLOT_LEADER : authority == AUTHORITY_ALONE ? BALLOT_UNSURE :
                authority == AUTHORITY_NONE ? BALLOT_FOLLOWER : BALLOT_OUT;
    f->e.token = f->e.role == BALLOT_LEADER || f->e.role == BALLOT_UNSURE ? f->b.token : 0;
    cron_learn(&f->c, &f->b, &f->e, clock_now());
    struct cron_step step = cron_decide(&f->c, authority, running, clock_now(), &wake);
    cron_act(&f->c, &f->b, &step);
    return step;
}

/* The lease is over, and it is not to go on alone. */
static void fleet_silence(struct fleet *f)
{
    f->e.role = BALLOT_UNSURE;
    cron_learn(&f->c, &f->b, &f->e, clock_now());
}

/* Rounds until nothing is to be written: what is done at last. */
static struct cron_step fleet_settle(struct fleet *f, enum authority authority)
{
    struct cron_step step;
    for (int i = 0; i < 9; i++) {
        step = fleet_round(f, authority, false);
        fleet_save(f, true);
        if (step.kind == CRON_START || step.kind == CRON_HAND_OVER)
            break;
    }
    return step;
}

static void fleet_run(struct fleet *f, int64_t at, bool ends)
{
    struct message start;
    cron_start(&f->c, &f->b, &start, at);
    if (ends)
        cron_ended(&f->c, 0, false, false);
}

/* The activation that the next leader would find in the node; BALLOT_NEVER: none. */
static int64_t fleet_mark(const struct fleet *f)
{
    const struct record_state *r = &f->b.record;
    return run_record_read(r->data, r->length, f->changed * SECOND).mark;
}

static bool fleet_says(struct fleet *f, const char *name, const char *value)
{
    char word[300];
    const struct record_state *r = &f->b.record;
    return json_get(r->data, r->length, name, word, sizeof word) ? value && !strcmp(word, value) : !value;
}

static bool fleet_logged(struct fleet *f, const char *text)
{
    struct queue *q = &f->log.own_err;
    q->data[q->end < sizeof q->data ? q->end : sizeof q->data - 1] = '\0';
    bool found = strstr(q->data + q->start, text) != NULL;
    q->start = q->end = 0;
    return found;
}

#define RECORD_AT(mark) "{\"schedule\":\"* * * * *\",\"activation\":\"" mark "\"}"
#define DAY1 INT64_C(1800000000) /* 2027-01-15T08:00:00Z */

static void test_forgotten(void)
{
    describe("What was sent or recorded under a lease that is over is not started, and is written over");
    struct fleet *f = fleet("* * * * *", MINUTE, 1000000);
    struct cron_memory *m = &f->c.memory;
    m->recorded = 1000020;
    m->unanswered = m->fits = true;
    m->early = 5;
    cron_forget(&f->c, true);
    check(m->recorded == BALLOT_NEVER && !m->unanswered && !m->written && m->fits && m->early == 5, "it leads on");
    m->recorded = 1000020;
    m->written = true;
    cron_forget(&f->c, false);
    check(m->recorded == BALLOT_NEVER && m->written && !m->fits && !m->early, "it has lost");
    struct cron_step skip = { CRON_SKIP, 1000080 };
    cron_act(&f->c, &f->b, &skip);
    check(m->record.mark == 1000080 && m->record.skipped == 1 && !m->written,
        "an activation that comes while the command runs is dealt with, and counted");
}

static void test_never_started(void)
{
    describe("A run that the guard refuses, while a skipped activation is being written, is not recorded for that one");
    struct fleet *f = fleet("* * * * *", MINUTE, DAY1 + 1);
    fleet_read(f, RECORD_AT("2027-01-15T07:59:00Z"));
    check(fleet_settle(f, AUTHORITY_LEADER).kind == CRON_START, "an activation is started");
    fleet_run(f, DAY1, false);
    fleet_set(f, f->servers = DAY1 + 61, true);
    check(fleet_round(f, AUTHORITY_LEADER, true).kind == CRON_SKIP, "... the next one comes: skipped");
    check(fleet_round(f, AUTHORITY_LEADER, true).kind == CRON_WRITE, "... which is written");
    cron_ended(&f->c, 0, true, false);
    fleet_save(f, true);
    struct cron_step step = fleet_round(f, AUTHORITY_LEADER, false);
    check(step.kind == CRON_RECORD && step.at == DAY1 + 60,
          "... nothing was started: the next one is recorded before its start");
}

static void test_cron_clocks(void)
{
    describe("A clock that was wrong and is put right does not keep run-anyway, nor the fleet, from running");
    struct fleet *f = fleet("* * * * *", MINUTE, DAY1 + 86400);
    f->servers = DAY1;
    fleet_run(f, DAY1 + 86400, true);
    fleet_set(f, DAY1 + 30, false);
    check(fleet_round(f, AUTHORITY_ANYWAY, false).kind == CRON_NOTHING,
        "run-anyway, a clock a day ahead that is put right");
    fleet_set(f, DAY1 + 61, false);
    check(fleet_round(f, AUTHORITY_ANYWAY, false).at == DAY1 + 60, "... runs on by the right time");
    f = fleet("* * * * *", MINUTE, DAY1 + 7200);
    f->servers = DAY1;
    fleet_run(f, DAY1 + 7200, true);
    fleet_set(f, DAY1 + 30, true);
    fleet_read(f, RECORD_AT("2027-01-15T08:00:00Z"));
    fleet_settle(f, AUTHORITY_LEADER);
    check(f->c.memory.record.mark <= DAY1 + 30 && fleet_mark(f) <= DAY1 + 30,
        "... elected after that, it does not record the future");
    fleet_set(f, f->servers = DAY1 + 61, true);
    check(fleet_settle(f, AUTHORITY_LEADER).at == DAY1 + 60, "... and the fleet runs what comes next");
    f = fleet("* * * * *", MINUTE, DAY1 + 7200);
    fleet_set(f, DAY1 + 30, false);
    fleet_round(f, AUTHORITY_ANYWAY, false);
    fleet_set(f, DAY1 + 61, false);
    check(fleet_round(f, AUTHORITY_ANYWAY, false).kind == CRON_START, "... also if nothing has run yet");

    describe("A leader whose clock is wrong, and that found no record at first, does not write its own mark over one");
    f = fleet("* * * * *", MINUTE, DAY1 + 7200);
    f->servers = DAY1;
    fleet_set(f, DAY1 + 7200, true);
    fleet_read(f, NULL);
    check(fleet_settle(f, AUTHORITY_LEADER).kind == CRON_HAND_OVER, "a clock two hours ahead: it hands over");
    f->servers += 10;
    fleet_read(f, RECORD_AT("2027-01-15T08:01:00Z"));
    struct cron_step word = { CRON_NOTHING, BALLOT_NEVER };
    check(fleet_round(f, AUTHORITY_LEADER, false).kind == CRON_HAND_OVER, "... elected again, it does so again");
    if (cron_unwritten(&f->c, &word))
        cron_act(&f->c, &f->b, &word);
    fleet_save(f, true);
    check(fleet_mark(f) == DAY1 + 60, "... and what others have run by a clock 50 s ahead stays recorded");

    describe("Under keep, out of contact, its own clock is all that a leader has");
    f = fleet("* * * * *", MINUTE, DAY1 + 10);
    fleet_read(f, RECORD_AT("2027-01-15T08:00:00Z"));
    fleet_settle(f, AUTHORITY_LEADER);
    fleet_set(f, DAY1 + 3 * 3600 + 5, false);
    check(fleet_round(f, AUTHORITY_ALONE, false).at == DAY1 + 3 * 3600,
        "keep, out of contact: a clock that is set forward is followed");
    fleet_run(f, DAY1 + 3 * 3600, true);
    fleet_set(f, DAY1 + 3 * 3600 - 90, false);
    check(fleet_round(f, AUTHORITY_ALONE, false).kind == CRON_NOTHING && fleet_logged(f, "do not come again"),
        "... set back, what has run is not run again");
    fleet_set(f, DAY1 + 3 * 3600 + 61, false);
    check(fleet_round(f, AUTHORITY_ALONE, false).at == DAY1 + 3 * 3600 + 60, "... and what comes next is");

    describe("What a reader of the record would not believe, its writer does not start");
    f = fleet("* * * * *", MINUTE, DAY1 + 1);
    f->servers = DAY1 - 61;
    fleet_read(f, RECORD_AT("2027-01-15T07:58:00Z"));
    check(fleet_settle(f, AUTHORITY_LEADER).kind == CRON_HAND_OVER && fleet_mark(f) < DAY1,
        "a clock just over a minute ahead: its writer does not start what no reader believes, but hands over");
    struct cron_step step = { CRON_NOTHING, BALLOT_NEVER };
    check(cron_unwritten(&f->c, &step) && step.kind == CRON_WRITE, "... after it has withdrawn it");

    f = fleet("* * * * *", MINUTE, DAY1 + 1);
    fleet_read(f, RECORD_AT("2027-01-15T07:59:00Z"));
    f->servers = DAY1 - 99;
    check(fleet_settle(f, AUTHORITY_LEADER).kind == CRON_HAND_OVER && fleet_mark(f) == DAY1 - 60,
          "the servers' clock is set back before one is recorded: the one before is not run again, either");

    f = fleet("* * * * *", MINUTE, DAY1 + 1);
    fleet_read(f, RECORD_AT("2027-01-15T07:59:00Z"));
    check(fleet_settle(f, AUTHORITY_LEADER).kind == CRON_START, "an activation is started");
    f->servers = DAY1 - 99;
    fleet_run(f, DAY1, true);
    fleet_settle(f, AUTHORITY_LEADER);
    check(fleet_mark(f) == DAY1,
        "... the servers' clock is set back while it runs: the next leader does not run it again");

    f = fleet("*/1 * * * *", MINUTE, DAY1 - 50);
    fleet_read(f, RECORD_AT("2027-01-15T08:00:30Z"));
    fleet_settle(f, AUTHORITY_LEADER);
    check(fleet_mark(f) > DAY1 - 60, "another schedule");
    f = fleet("* * * * *", MINUTE, DAY1 + 1);
    fleet_read(f, RECORD_AT("2027-01-15T08:00:00Z"));
    fleet_settle(f, AUTHORITY_LEADER);
    fleet_set(f, f->servers = DAY1 - 3590, true);
    fleet_settle(f, AUTHORITY_LEADER);
    fleet_set(f, f->servers = DAY1 - 3530, true);
    check(fleet_settle(f, AUTHORITY_LEADER).kind == CRON_NOTHING && fleet_mark(f) == DAY1,
        "all clocks are set back: what has run is not run again");

    f = fleet("*/1 * * * *", MINUTE, DAY1 - 50);
    f->servers = DAY1 + 5;
    fleet_read(f, RECORD_AT("2027-01-15T08:00:20Z"));
    fleet_settle(f, AUTHORITY_LEADER);
    check(fleet_mark(f) == DAY1 + 20,
        "another schedule, and a clock behind the last leader's: what that has run is not run again");
}

static void test_cron_records(void)
{
    describe("What was sent or recorded, but not started under its lease, is withdrawn");
    struct fleet *f = fleet("*/20 * * * * *", MINUTE, DAY1 + 1);
    fleet_read(f, "{\"schedule\":\"*/20 * * * * *\",\"activation\":\"2027-01-15T07:59:40Z\"}");
    check(fleet_round(f, AUTHORITY_LEADER, false).kind == CRON_RECORD, "an activation is sent");
    fleet_silence(f);
    fleet_save(f, false);
    fleet_set(f, f->servers = DAY1 + 45, true);
    struct cron_step step = fleet_settle(f, AUTHORITY_LEADER);
    check(step.kind == CRON_START && step.at == DAY1 + 40,
        "... not answered when the lease ends: on return the latest one is run");
    check(fleet_says(f, "lastRun", "2027-01-15T08:00:40Z"), "... which the record says");

    f = fleet("* * * * *", 0, DAY1 + 0);
    fleet_read(f, RECORD_AT("2027-01-15T07:59:00Z"));
    check(fleet_round(f, AUTHORITY_LEADER, false).kind == CRON_RECORD, "catch-up=0, slow servers");
    fleet_set(f, f->servers = DAY1 + 2, true);
    fleet_save(f, true);
    check(fleet_round(f, AUTHORITY_LEADER, false).kind == CRON_START, "... it was on time, and is run");

    f = fleet("* * * * *", 0, DAY1 + 0);
    fleet_read(f, RECORD_AT("2027-01-15T07:59:00Z"));
    fleet_round(f, AUTHORITY_LEADER, false);
    fleet_silence(f);
    fleet_save(f, false);
    fleet_set(f, f->servers = DAY1 + 9, true);
    check(fleet_settle(f, AUTHORITY_LEADER).kind != CRON_START,
        "catch-up=0, no answer within the lease: it is not run");
    check(fleet_says(f, "lastRun", NULL), "... and the record does not say that it runs");

    f = fleet("* * * * *", 0, DAY1 + 0);
    fleet_read(f, RECORD_AT("2027-01-15T07:59:00Z"));
    fleet_round(f, AUTHORITY_LEADER, false);
    fleet_silence(f);
    fleet_save(f, true);
    fleet_set(f, f->servers = DAY1 + 9, true);
    check(fleet_settle(f, AUTHORITY_LEADER).kind != CRON_START && fleet_says(f, "lastRun", NULL),
        "... the same if the answer comes after the lease");

    f = fleet("* * * * *", MINUTE, DAY1 + 1);
    fleet_read(f, RECORD_AT("2027-01-15T07:59:00Z"));
    fleet_settle(f, AUTHORITY_LEADER);
    step = (struct cron_step){ CRON_NOTHING, BALLOT_NEVER };
    check(cron_unwritten(&f->c, &step) && step.kind == CRON_WRITE,
        "recorded, but to leave before its start: that is withdrawn");
    cron_act(&f->c, &f->b, &step);
    fleet_save(f, true);
    check(fleet_mark(f) == DAY1 - 60 && fleet_says(f, "lastRun", NULL), "... for the next leader to run it");

    f = fleet("* * * * *", MINUTE, DAY1 + 1);
    fleet_read(f, RECORD_AT("2027-01-15T07:59:00Z"));
    fleet_settle(f, AUTHORITY_LEADER);
    fleet_run(f, DAY1, false);
    cron_ended(&f->c, 0, true, false);
    step = fleet_settle(f, AUTHORITY_LEADER);
    check(step.kind == CRON_START && step.at == DAY1, "one that the guard refuses is not done");
    fleet_run(f, DAY1, false);
    cron_ended(&f->c, 0, true, false);
    fleet_set(f, f->servers = DAY1 + 70, true);
    step = fleet_settle(f, AUTHORITY_LEADER);
    check(step.kind == CRON_START && step.at == DAY1 + 60, "... but does not hide the next one");

    describe("A leader goes on from what it knows, whatever becomes of the record");
    f = fleet("0 8 * * *", MINUTE, DAY1 - 3600);
    fleet_read(f, "{\"schedule\":\"0 8 * * *\",\"activation\":\"2027-01-14T08:00:00Z\"}");
    fleet_settle(f, AUTHORITY_LEADER);
    fleet_set(f, f->servers = DAY1 + 1, true);
    fleet_read(f, NULL);
    check(fleet_settle(f, AUTHORITY_LEADER).at == DAY1, "a record that is deleted under a leader costs no activation");
    check(fleet_logged(f, "/e/schedule was deleted"), "... and is spoken of");
    f = fleet("0 8 * * *", MINUTE, DAY1 - 3600);
    fleet_read(f, "{\"schedule\":\"0 8 * * *\",\"activation\":\"2027-01-14T08:00:00Z\"}");
    fleet_settle(f, AUTHORITY_LEADER);
    fleet_set(f, f->servers = DAY1 + 1, true);
    fleet_read(f, "{}");
    check(fleet_settle(f, AUTHORITY_LEADER).at == DAY1, "... nor does one that is overwritten");

    f = fleet("* * * * *", MINUTE, DAY1 + 1);
    fleet_read(f, RECORD_AT("2027-01-15T08:00:00Z"));
    fleet_settle(f, AUTHORITY_LEADER);
    fleet_round(f, AUTHORITY_NONE, false);
    fleet_read(f, RECORD_AT("2027-01-15T07:59:00Z"));
    check(fleet_settle(f, AUTHORITY_LEADER).kind == CRON_NOTHING && fleet_mark(f) == DAY1,
        "servers that went back: what was known to have run is not run again");

    f = fleet("* * * * *", MINUTE, DAY1 + 1);
    f->servers = DAY1 + 365 * 86400;
    fleet_read(f, RECORD_AT("2028-01-01T00:00:00Z"));
    fleet_settle(f, AUTHORITY_LEADER);
    fleet_round(f, AUTHORITY_NONE, false);
    f->servers = DAY1 + 1;
    fleet_read(f, NULL);
    fleet_settle(f, AUTHORITY_LEADER);
    check(fleet_mark(f) == DAY1 + 1,
        "a record from when the servers' clock was wrong: deleting it and a new leader help");

    describe("After a Go ballot has led, everything counts from then on, and that is recorded");
    f = fleet("* * * * *", MINUTE, DAY1 + 1);
    f->b.unrecorded = f->e.unrecorded = true;
    fleet_read(f, RECORD_AT("2027-01-15T07:59:00Z"));
    check(fleet_round(f, AUTHORITY_LEADER, false).kind == CRON_BEGIN && fleet_logged(f, "was a Go ballot"),
        "a Go ballot led before: everything counts from now");
    fleet_save(f, true);
    check(!f->b.unrecorded && fleet_mark(f) == DAY1 + 1, "... until that is recorded, the next leader must know");
    f = fleet("* * * * *", MINUTE, DAY1 + 1);
    f->b.unrecorded = f->e.unrecorded = true;
    fleet_set(f, DAY1 - 86400, true);
    fleet_read(f, RECORD_AT("2027-01-15T07:59:00Z"));
    check(fleet_round(f, AUTHORITY_LEADER, false).kind == CRON_HAND_OVER, "... also if a clock is wrong");
    step = (struct cron_step){ CRON_NOTHING, BALLOT_NEVER };
    check(cron_unwritten(&f->c, &step) && step.kind == CRON_BEGIN, "... it is recorded before we resign");
    cron_act(&f->c, &f->b, &step);
    fleet_save(f, true);
    check(fleet_mark(f) == DAY1 + 1, "... by the servers' clock");

    f = fleet("* * * * *", MINUTE, DAY1 + 1);
    fleet_read(f, RECORD_AT("2027-01-15T08:00:00Z"));
    fleet_settle(f, AUTHORITY_LEADER);
    fleet_set(f, f->servers = DAY1 + 60 + 90 + 29, true);
    f->c.schedule.catch_up = 10 * SECOND;
    fleet_settle(f, AUTHORITY_LEADER);
    check(fleet_logged(f, "was missed, and is older than catch-up"),
        "after a standstill, what was missed is spoken of");
    fleet_settle(f, AUTHORITY_LEADER);
    check(!fleet_logged(f, "was missed"), "... once");
}

/* Three candidates, the servers and the node, at random: clocks that are set, answers that are late or lost, starts
 * that are refused, crashes. With on-disconnect=stop, where no activation may ever start twice. */
struct story {
    uint64_t random;
    struct fleet fleets[3];
    int64_t ahead[3], servers_ahead, time; /* clocks: ahead of the true one, which is `time` */
    bool connected, leaves;                /* of the leader                                   */
    int leader, lease, run, delay;         /* rounds that are left; -1: no leader; 0: no run, nothing sent */
    int64_t token;
    bool exists, refused;                  /* the node; the last write of it                  */
    int32_t version;
    int64_t changed;
    char node[DATA_MAX];
    size_t length;
    int64_t started[2000];
    int count;
};

static unsigned draw(struct story *s, unsigned below)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return (unsigned)(s->random >> 20) % below;
}

static int64_t draw_clock(struct story *s)
{
    unsigned kind = draw(s, 6);
    int64_t most = kind < 2 ? 70 : kind == 2 ? 10000 : 2;
    return (int64_t)draw(s, (unsigned)(2 * most + 1)) - most;
}

/* What heartbeats show, whose round trips take up to 2 s. */
static void story_heartbeat(struct story *s)
{
    struct fleet *f = &s->fleets[s->leader];
    int64_t ahead = s->ahead[s->leader] - s->servers_ahead, trip = draw(s, 3);
    f->e.clock_ahead = (ahead > trip ? ahead - trip : ahead < -trip ? ahead + trip : 0) * SECOND;
    f->e.clock_shift = clock_shift();
    s->lease = 4;
}

static void story_claim(struct story *s, int who)
{
    struct fleet *f = &s->fleets[who];
    s->leader = who;
    s->connected = f->b.leading = true;
    s->leaves = f->b.record.fresh = f->b.record.pending = false;
    s->delay = s->run = 0;
    f->b.token = f->e.token = ++s->token;
    fleet_clock(f, s->time + s->ahead[who]);
    story_heartbeat(s);
}

static void story_lose(struct story *s, bool crash)
{
    struct fleet *f = &s->fleets[s->leader];
    if (s->run && !crash)
        cron_ended(&f->c, SIGTERM, false, true);
    f->b.leading = f->b.record.fresh = f->b.record.pending = false;
    f->b.token = f->e.token = f->e.clock_ahead = 0;
    s->leader = -1;
}

/* The write of the record arrives at once, if its version is right; its answer late, or not at all. */
static void story_save(struct story *s, struct fleet *f)
{
    struct record_state *r = &f->b.record;
    if (!r->pending)
        return;
    if (s->delay == 0) {
        s->delay = draw(s, 6) ? 1 : 1 + (int)draw(s, 4);
        s->refused = r->exists != s->exists || (r->exists && r->version != s->version);
        if (!s->refused) {
            memcpy(s->node, r->next, s->length = r->next_length);
            s->exists = true;
            s->version++;
            s->changed = s->time + s->servers_ahead;
        }
    }
    if (--s->delay > 0)
        return;
    struct Stat stat = { .version = s->version, .mtime = s->changed * 1000 };
    if (draw(s, 10) == 0)
        r->fresh = r->pending = false;
    else
        on_save(&f->b, &(struct reply){ .rc = s->refused ? ZBADVERSION : ZOK, .data = "", .stat = &stat });
}

static void story_contact(struct story *s, struct fleet *f, int64_t passed)
{
    struct Stat stat = { .version = s->version, .mtime = s->changed * 1000 };
    s->connected = draw(s, s->connected ? 25 : 4) != 0 ? s->connected : !s->connected;
    if (!s->connected || s->delay)
        s->lease -= (int)passed;
    if (!s->connected && s->lease < -6) {
        story_lose(s, false);
        return;
    }
    if (!s->connected)
        return;
    if (s->lease <= 0 && !s->delay)
        f->b.record.pending = false; /* as on_write() has it */
    s->lease = s->delay ? s->lease : 4;
    if (!s->delay && draw(s, 2))
        story_heartbeat(s);
    if (!f->b.record.fresh && !f->b.record.pending)
        on_record(&f->b, &(struct reply){ .rc = s->exists ? ZOK : ZNONODE, .data = s->node,
                                          .length = s->exists ? s->length : 0, .stat = &stat });
    story_save(s, f);
}

/* Returns false if that activation had been started before. */
static bool story_start(struct story *s, struct fleet *f, int64_t at)
{
    bool fresh = true;
    fleet_run(f, at, false);
    if (draw(s, 12) == 0) {
        cron_ended(&f->c, 0, true, false); /* the guard refuses it */
        return true;
    }
    for (int i = 0; i < s->count; i++)
        fresh = fresh && s->started[i] != at;
    s->started[s->count++] = at;
    s->run = draw(s, 4) ? 1 : 1 + (int)draw(s, 90);
    return fresh;
}

static bool story_lead(struct story *s, struct fleet *f)
{
    enum authority authority = s->lease > 0 ? AUTHORITY_LEADER : AUTHORITY_NONE;
    struct cron_step step = { CRON_NOTHING, BALLOT_NEVER };
    nanos wake = NEVER;
    f->e.role = s->lease > 0 ? BALLOT_LEADER : BALLOT_UNSURE;
    cron_learn(&f->c, &f->b, &f->e, clock_now());
    if (s->run && --s->run == 0) {
        cron_ended(&f->c, 0, false, false);
        s->leaves = s->leaves || draw(s, 2);
    }
    if (!s->leaves || s->run)
        step = cron_decide(&f->c, authority, s->run > 0, clock_now(), &wake);
    else if (authority == AUTHORITY_LEADER && !cron_unwritten(&f->c, &step)) {
        story_lose(s, false);
        return true;
    }
    s->leaves = s->leaves || step.kind == CRON_HAND_OVER || draw(s, 80) == 0;
    cron_act(&f->c, &f->b, &step);
    return step.kind != CRON_START || story_start(s, f, step.at);
}

/* A new process. */
static void story_boot(struct story *s, int who)
{
    s->fleets[who] = *fleet("* * * * *", s->random % 3 ? MINUTE : 0, s->time + s->ahead[who]);
    s->fleets[who].b.leading = false;
    s->fleets[who].b.token = s->fleets[who].e.token = 0;
    s->fleets[who].c.log = &s->fleets[who].log;
    s->fleets[who].log.level = BALLOT_LOG_PANIC;
}

static void story_fault(struct story *s)
{
    int who = (int)draw(s, 3);
    if (draw(s, s->servers_ahead ? 15 : 60) == 0)
        s->servers_ahead = s->servers_ahead ? 0 : draw(s, 2) ? 100 : -100;
    if (draw(s, 40) == 0)
        s->ahead[who] = draw_clock(s);
    if (draw(s, 150) == 0) {
        if (s->leader == who)
            story_lose(s, true);
        story_boot(s, who);
    }
}

static bool story_play(struct story *s, uint64_t seed)
{
    bool once = true;
    memset(s, 0, sizeof *s);
    *s = (struct story){ .random = seed * UINT64_C(0x9e3779b97f4a7c15), .leader = -1, .time = DAY1 };
    for (int i = 0; i < 3; i++)
        story_boot(s, i);
    for (int round = 0; once && round < 1000; round++) {
        int64_t passed = draw(s, 3) ? draw(s, 3) : draw(s, 20);
        s->time += passed;
        for (int i = 0; i < 3; i++) { /* the steady clock stands still meanwhile */
            s->fleets[i].c.shift += passed * SECOND;
            s->fleets[i].e.clock_shift += passed * SECOND;
        }
        story_fault(s);
        if (s->leader < 0)
            story_claim(s, (int)draw(s, 3));
        struct fleet *f = &s->fleets[s->leader];
        fleet_clock(f, s->time + s->ahead[s->leader]);
        story_contact(s, f, passed);
        for (int i = 0; once && i < 2 && s->leader >= 0; i++)
            once = story_lead(s, f);
    }
    return once;
}

static void test_cron_stories(void)
{
    describe("Whatever clocks, servers and processes do, no activation is started twice under stop");
    static struct story s;
    uint64_t first = getenv("STORY") ? strtoull(getenv("STORY"), NULL, 10) : 1;
    uint64_t seed = first, count = getenv("STORIES") ? strtoull(getenv("STORIES"), NULL, 10) : 60;
    long starts = 0;
    bool once = true;
    for (; once && seed < first + count; seed++) {
        once = story_play(&s, seed);
        starts += s.count;
    }
    check(once, "clocks that are set, lost answers, crashes: no activation is started twice");
    if (!once)
        printf("#   STORY=%" PRIu64 "\n", seed - 1);
    check(starts > (long)count * 10, "... and many are started");
    wall_offset = 0;
}

static void test_record_forms(void)
{
    describe("The record is in UTC, and of the names of today; those of earlier versions are read");
    struct fleet *f = fleet("* * * * *", MINUTE, DAY1 + 1);
    f->c.schedule.zone.first = f->c.schedule.zone.standard = f->c.schedule.zone.summer = 24 * 3600;
    fleet_read(f, RECORD_AT("2027-01-15T07:59:00Z"));
    fleet_settle(f, AUTHORITY_LEADER);
    check(fleet_mark(f) == DAY1, "a zone 24 h from UTC: what the record says can be read");
    static const char *const candidate[] = { "candidateId", "hostname", "pid", "proposalTime", "proposalNode",
                                             "sessionTimeout", "lastSeenTime", "onDisconnect" };
    bool apart = true;
    for (size_t i = 0; i < COUNT(candidate); i++)
        apart = apart && !json_has(f->b.record.data, f->b.record.length, candidate[i]);
    check(apart, "no name in the record is one of a candidate's");
    const char *old = "{\"schedule\":\"* * * * *\",\"activation\":\"2027-01-16T08:00:00+24:00\","
                      "\"candidateId\":\"b\",\"hostname\":\"h\"}";
    struct run_record r = run_record_read(old, strlen(old), DAY1 * SECOND);
    check(r.mark == DAY1 && !strcmp(r.id, "b") && !strcmp(r.host, "h"), "a record of an earlier version is read");
    describe("Times before 1970 and after 2262 do no harm");
    char buffer[80];
    struct text t = text_in(buffer, sizeof buffer);
    text_wall(&t, -1500 * MILLISECOND, true);
    same(buffer, "1969-12-31T23:59:58.500000000Z", "times before 1970");
    fleet_clock(f, INT64_C(1) << 40);
    check(clock_shift() > 0 && clock_shift() <= NEVER - clock_now(), "a clock after 2262 does not overflow");
    struct Stat stat = { .mtime = INT64_MAX };
    on_record(&f->b, &(struct reply){ .data = "", .stat = &stat });
    check(f->b.record.changed > 0, "... nor that of the servers");
    wall_offset = 0;
}

static void test_cron_policies(void)
{
    describe("run cron starts what is recorded, then follows the policy");
    struct schedule s = schedule("* * * * *", MINUTE);
    struct facts f = facts();
    struct cron_run c = cron_run(&s, 6000);
    f.cron = &c;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS && agent_decide(&f).candidacy == CANDIDACY_STAND,
        "cron: a leader waits for the activation");
    c.memory.recorded = 6000;
    check(agent_decide(&f).command == COMMAND_START && agent_decide(&f).step.at == 6000,
        "... and starts what is recorded");
    c.memory.recorded = BALLOT_NEVER;
    f.memory.ended = true;
    f.memory.cause = CAUSE_ITSELF;
    check(agent_decide(&f).candidacy == CANDIDACY_STAND && agent_decide(&f).command == COMMAND_AS_IT_IS,
        "... rerun waits for the next one");
    f.rules.on_success = POLICY_IGNORE;
    check(!agent_decide(&f).after.ending && agent_decide(&f).candidacy == CANDIDACY_STAND, "... so does ignore");
    f.rules.on_success = POLICY_EXIT;
    check(agent_decide(&f).after.ending && agent_decide(&f).after.exit_status == 0, "... exit ends");
    f.rules.on_success = POLICY_REELECT;
    check(agent_decide(&f).candidacy == CANDIDACY_LEAVE, "... reelect resigns");

    describe("run cron resigns after the record says how the command ended");
    c.memory.written = false;
    check(agent_decide(&f).candidacy == CANDIDACY_LAST_WORD && agent_decide(&f).step.kind == CRON_WRITE,
        "... after the record says how it ended");
    c.known = false;
    check(agent_decide(&f).candidacy == CANDIDACY_LAST_WORD && agent_decide(&f).step.kind != CRON_WRITE,
        "... whose answer is waited for");
    f.memory.leaving_since = f.observed.now;
    f.observed.now += 2 * LEAVING_MAX;
    check(agent_decide(&f).candidacy == CANDIDACY_LAST_WORD, "... for as long as it takes");
    f.observed.election.refused = true;
    check(agent_decide(&f).candidacy == CANDIDACY_LEAVE, "... if it is not refused");
    f.observed.election.refused = false;
    f.memory.end_signals = 1;
    check(agent_decide(&f).candidacy == CANDIDACY_LEAVE, "... and ballot is not told to end");
    f.observed.now = f.memory.leaving_since;
    check(agent_decide(&f).candidacy == CANDIDACY_LAST_WORD, "... which waits for it, too, but for a second");

    describe("run cron, keep, out of contact: the next activation is started, unless something is in doubt");
    f.memory.end_signals = 0;
    f.memory.leaving_since = 0;
    c.known = true;
    f.observed.election.role = BALLOT_UNSURE;
    f.rules.stop = false;
    check(agent_decide(&f).after.resign && agent_decide(&f).candidacy == CANDIDACY_STAND,
        "... out of contact: on return, and goes on");
    f.memory.ended = false;
    f.memory.after.resign = true;
    c.wall = 6060 * SECOND;
    check(agent_decide(&f).command == COMMAND_START, "... with the next activation, unrecorded");
    f.rules.stop = true;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS, "... not with on-disconnect=stop");
    f.rules.stop = false;
    f.observed.election.resigning = true;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS, "... not one that may have resigned");
    f.observed.election.resigning = false;
    f.memory.stalled_at = f.observed.now;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS, "... not after a standstill");
    f.memory.stalled_at = 0;
    c.memory.fits = false;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS, "... not without having read the record as a leader");

    describe("run cron back in contact says what it ran, and resigns; a leader records what is due");
    c.memory.fits = true;
    f.observed.election.role = BALLOT_LEADER;
    c.known = true;
    check(agent_decide(&f).candidacy == CANDIDACY_LAST_WORD && agent_decide(&f).step.kind == CRON_WRITE,
        "... contact is back: says what it ran");
    c.memory.written = true;
    check(agent_decide(&f).candidacy == CANDIDACY_LEAVE, "... and resigns");
    f.memory.after.resign = false;
    check(agent_decide(&f).step.kind == CRON_RECORD, "a leader records what is due");
    f.observed.output_pending = true;
    check(agent_decide(&f).step.kind == CRON_NOTHING, "... not while it could not start it");
}

/* What a child that resolves names has said arrives. */
static void resolved(struct client *c, const char *said)
{
    int ends[2];
    if (!fd_pipe(ends) || write(ends[1], said, strlen(said)) < 0)
        exit(1);
    fd_close(&ends[1]);
    c->retry_at = 0;
    c->resolver.fd = ends[0];
    c->resolver.answer = text_in(c->resolver.buffer, sizeof c->resolver.buffer);
    while (c->resolver.fd >= 0 && c->resolver.pid)
        resolver_read(c);
}

static void test_resolving(void)
{
    describe("Names that cannot be resolved matter out of contact only");
    const struct ballot_config config = { .servers = "zk1" };
    struct client c = { .config = &config, .connected = true };
    c.resolver.pid = fork();
    if (c.resolver.pid == 0)
        _exit(0);
    resolved(&c, "?no such host");
    check(c.retry_at == 0, "names that are not resolved do not matter in contact");
    c.connected = false;
    c.resolver.pid = fork();
    if (c.resolver.pid == 0)
        _exit(0);
    resolved(&c, "?no such host");
    check(c.retry_at > clock_now(), "... out of contact they are tried again later");
}

/* poll() promises room for PIPE_BUF bytes; another writer may take it before us. */
static void test_writing(void)
{
    describe("Output that finds no room is kept, and its write can be interrupted");
    struct queue *q = calloc(1, sizeof *q);
    int ends[2], quiet = open("/dev/null", O_WRONLY);
    char page[PIPE_BUF] = "";
    if (!q || quiet < 0 || pipe(ends) != 0)
        abort();
    queue_open(q, quiet); /* no terminal, no pipe: it is not opened anew, and may wait */
    q->fd = ends[1];
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[1], page, sizeof page) > 0)
        ;
    fcntl(ends[1], F_SETFL, 0);
    queue_add(q, &(struct text){ page, sizeof page, sizeof page, false });
    nanos before = clock_now();
    alarm(20); /* the end of a write that waits for ever */
    check(queue_write(q) < 0 && errno == EINTR, "a write that waits for room is interrupted");
    check(clock_now() - before < 10 * SECOND, "... at once");
    check(queue_retry(q) > clock_now(), "... and is not tried again at once");
    check(queue_waits(q), "... nor is anything lost");
    check(read(ends[0], page, sizeof page) > 0 && (q->retry_at = 0) == 0, "once there is room");
    queue_flush(q);
    check(!queue_waits(q), "... it is written");
    check(read(ends[0], page, sizeof page) > 0, "with room again");
    page[99] = '\n';
    queue_add(q, &(struct text){ page, sizeof page, sizeof page, false });
    check(queue_write(q) == 100, "... a write ends with a line, so that no other process tears one");
    close(quiet);
    close(ends[0]);
    close(ends[1]);
    free(q);
}

/* As if the program around us had reaped the child, and its pid were another process's now. */
static void test_resolver_child(void)
{
    describe("Names are resolved in a child, whose answer comes through a pipe");
    ballot *b = member(BALLOT_KEEP);
    struct client *c = &b->client;
    b->config.servers = "localhost:7";
    c->connected = false;
    resolver_start(c);
    check(c->resolver.pid > 0 && !c->numeric, "a child");
    while (c->resolver.pid)
        resolver_read(c);
    check(strstr(c->addresses, ":7") || strstr(c->trouble, "cannot resolve"), "an address, or why there is none");
    check(!strstr(c->trouble, "died"), "... which is what the child says");
    b->config.servers = "127.0.0.2:8";
    resolver_start(c);
    same(c->addresses, "127.0.0.2:8", "an address needs none");
    check(!c->resolver.pid && c->numeric, "... no child");
    ballot_close(b);
}

static void test_resolver_signals(void)
{
    describe("What we ignore, or were started to ignore, ends a resolver: it is not to outlive us");
    char full[4096] = "";
    int ends[2], status = 0, tries = 0;
    if (pipe(ends) != 0)
        abort();
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[1], full, sizeof full) > 0) {}
    fcntl(ends[1], F_SETFL, 0);
    signal(SIGTERM, SIG_IGN);
    pid_t child = fork();
    if (child == 0)
        resolver_child("127.0.0.1:7", ends[1]); /* which waits for room in the pipe */
    while (waitpid(child, &status, WNOHANG) == 0 && ++tries < 5000) {
        kill(child, SIGTERM);
        poll(NULL, 0, 1);
    }
    signal(SIGTERM, SIG_DFL);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "it dies of SIGTERM, which we ignore");
    if (tries == 5000)
        kill(child, SIGKILL);
    close(ends[0]);
    close(ends[1]);
}

static void test_slow_resolver(void)
{
    describe("A resolver that takes too long is ended, and another is started after a pause");
    ballot *b = member(BALLOT_KEEP);
    struct resolver *r = &b->client.resolver;
    nanos wake = NEVER;
    b->client.connected = false;
    r->until = 100 * SECOND;
    r->pid = fork();
    if (r->pid == 0)
        for (;;)
            pause();
    pid_t child = r->pid;
    check(contact_due(&b->client, 100 * SECOND, &wake) == resolver_give_up, "it takes too long");
    resolver_give_up(&b->client);
    check(r->pid == 0 && waitpid(child, NULL, WNOHANG) < 0, "ended and reaped");
    check(b->client.retry_at > clock_now() && strstr(b->client.trouble, "takes over 30s"), "a pause");
    ballot_close(b);
}

static void test_reaped_resolver(void)
{
    describe("A resolver that the program around us has reaped is not killed: its pid may be another process's");
    struct resolver r = { .pid = 0 };
    int ends[2], ends_back[2];
    pid_t stranger = 0;
    char byte;
    if (!fd_pipe(ends) || !fd_pipe(ends_back))
        exit(1);
    pid_t between = fork();
    if (between == 0) {
        stranger = fork(); /* no child of the test's */
        if (stranger == 0)
            _exit(read(ends_back[0], &byte, 1) < 0);
        ssize_t n = write(ends[1], &stranger, sizeof stranger);
        int status = 0;
        waitpid(stranger, &status, 0);
        _exit(n < 0 || !WIFEXITED(status));
    }
    if (read(ends[0], &stranger, sizeof stranger) != sizeof stranger)
        exit(1);
    r.pid = stranger;
    r.fd = ends[0];
    resolver_end(&r);
    int status = 1;
    if (write(ends_back[1], "x", 1) != 1)
        exit(1);
    waitpid(between, &status, 0);
    check(status == 0, "a resolver that the program has reaped: the process that has its pid now is not killed");
    check(r.pid == 0, "... and it counts as ended");
}

static void test_remarks(void)
{
    describe("A record has no more remarks than there is room for");
    struct record r = { .note_count = 0 };
    for (int i = 0; i < 20; i++)
        record_note(&r, "remark %d", i);
    check(r.note_count == COUNT(r.notes), "no more remarks than there is room for");
    same(r.notes[COUNT(r.notes) - 1], "remark 7", "... the first ones");
}

int main(void)
{
    /* Texts, JSON, names */
    test_durations();
    test_json();
    test_visible();
    test_names();
    /* The client of ZooKeeper */
    test_session_timeouts();
    test_resolving();
    test_resolver_child();
    test_resolver_signals();
    test_slow_resolver();
    test_reaped_resolver();
    test_lies();
    test_contact();
    test_mismatch();
    test_lease_said();
    test_access();
    /* The election */
    test_opening();
    test_claims();
    test_leading();
    test_transactions();
    test_leader_described();
    test_our_json();
    test_watches();
    test_mute();
    test_strangers();
    test_slow_claims();
    test_silence();
    test_looks();
    test_far_behind();
    test_orders();
    test_base_made_again();
    test_own_bytes();
    test_rolled_back();
    test_earlier_proposal();
    test_own();
    test_lease_pair();
    test_rights();
    /* The log, the guard */
    test_writing();
    test_leases();
    test_guard_moments();
    test_guard_obeys();
    test_guard_informed();
    test_left_behind();
    test_rounds();
    test_standing();
    test_configured();
    test_delays();
    test_messages();
    test_last_message();
    test_exec_failures();
    test_command_descriptors();
    test_no_fork();
    test_start_without_pipes();
    test_starts();
    /* The schedule, the agent */
    test_activations();
    test_run_record();
    test_forgotten();
    test_never_started();
    test_cron_clocks();
    test_cron_records();
    test_cron_stories();
    test_record_forms();
    test_end_told();
    test_late_stop();
    test_decisions();
    test_policies();
    test_cron_policies();
    /* The viewer, info, watch, step-down */
    test_asking();
    test_reading();
    test_remarks();
    test_notes();
    test_watching();
    test_orders_copied();
    test_will();
    test_stepping_down();
    printf("1..%d\n", tests);
    return failures != 0;
}
