/* Unit tests of the pure parts; includes ballot.c to reach them. Prints TAP. */
#define BALLOT_NO_ENTRY
#include "ballot.c"

static int tests, failures;

static void check(bool passed, const char *what)
{
    tests++;
    failures += !passed;
    printf("%sok %d - %s\n", passed ? "" : "not ", tests, what);
}

static void same(const char *got, const char *expected, const char *what)
{
    check(!strcmp(got, expected), what);
    if (strcmp(got, expected) != 0)
        printf("#   got \"%s\", expected \"%s\"\n", got, expected);
}

static void test_durations(void)
{
    static const struct { const char *in, *out; } good[] = {
        { "0", "0s" }, { "5s", "5s" }, { "300ms", "300ms" }, { "1h30m", "1h30m0s" }, { "1.5h", "1h30m0s" },
        { "-1.5s", "-1.5s" }, { "+90s", "1m30s" }, { "1us", "1\xc2\xb5s" }, { "1\xc2\xb5s", "1\xc2\xb5s" },
        { "1\xce\xbcs", "1\xc2\xb5s" }, { "2.25ms", "2.25ms" }, { ".5s", "500ms" }, { "1.s", "1s" },
        { "1ns", "1ns" }, { "0.000000001s", "1ns" }, { "100h", "100h0m0s" }, { "0.3s", "300ms" },
        { "2562047h47m16.854775807s", "2562047h47m16.854775807s" }, { "3.0000000000000000001s", "3s" },
        { "9223372036854775807ns", "2562047h47m16.854775807s" }, { "-9223372036854775807ns", "-2562047h47m16.854775807s" },
    };
    static const char *const bad[] = { "", "5", "s", ".", "-", "+", ".s", "1x", "1 s", " 1s", "1s ", "1d", "--1s", "1e3s",
                                       "9223372036854775808ns", "-9223372036854775809ns", "2562048h", "99999999999999999999s", "1s2" };
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
    char buffer[200], out[100];
    struct text t = text_in(buffer, sizeof buffer);
    json_string(&t, "a\"\\\n\0\x1f\xff\xc3\xa9\xed\xa0\x80", 12);
    same(buffer, "\"a\\\"\\\\\\n\\u0000\\u001f\\ufffd\xc3\xa9\\ufffd\\ufffd\\ufffd\"", "json_string");
    static const struct { const char *in, *out; } cases[] = {
        { "{\"k\":\"v\"}", "v" }, { " { \"x\" : [1,{\"k\":\"no\"}], \"k\" : \"v\" } ", "v" }, { "{\"k\":\"\\u00e9\\n\"}", "\xc3\xa9\n" },
        { "{\"k\":\"\\ud83d\\ude00\"}", "\xf0\x9f\x98\x80" }, { "{\"k\":\"\\ud83d\"}", "\xef\xbf\xbd" }, { "{\"k\":\"\\u0000\"}", "\xef\xbf\xbd" },
        { "{\"x\":\"\\\"}{\",\"k\":\"v\"}", "v" }, { "{\"x\":-1.5e3,\"y\":null,\"k\":\"v\"}", "v" },
        { "{\"k\":7}", NULL }, { "{\"k\":\"v", NULL }, { "{\"k\"", NULL }, { "{\"k\":\"\\x\"}", NULL }, { "[\"k\"]", NULL }, { "", NULL },
        { "{\"x\":[[[[}", NULL }, { "{\"x\":,\"k\":\"v\"}", NULL }, { "{\"other\":\"v\"}", NULL }, { "{", NULL }, { "null", NULL },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool found = json_get(cases[i].in, strlen(cases[i].in), "k", out, sizeof out);
        same(found ? out : "none", cases[i].out ? cases[i].out : "none", cases[i].in);
    }
    check(!json_get("{\"k\":\"a\0b\"}", 11, "k", out, sizeof out), "a NUL within a string");
    check(json_get("{\"k\":\"12345\"}", 13, "k", out, 4) && !strcmp(out, "123"), "a value that does not fit is cut");
}

static void test_names(void)
{
    static const char *const good[] = { "/a", "/ballot/election", "/a/..b/.c/...", "/\xc3\xa9" };
    static const char *const bad[] = { "", "/", "a", "/a/", "//a", "/a//b", "/.", "/a/..", "/a/./b", "/a\n", "/\xff", "/a\x7f" };
    for (size_t i = 0; i < COUNT(good); i++)
        check(path_valid(good[i]), good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        check(!path_valid(bad[i]), bad[i]);
    static const struct { const char *in, *host, *port; } servers[] = {
        { "h", "h", "2181" }, { "h:1", "h", "1" }, { "[::1]", "::1", "2181" }, { "[::1]:65535", "::1", "65535" },
        { "", NULL, NULL }, { ":1", NULL, NULL }, { "h:", NULL, NULL }, { "h:0", NULL, NULL }, { "h:65536", NULL, NULL },
        { "::1", NULL, NULL }, { "[::1", NULL, NULL }, { "[]:1", NULL, NULL }, { "h:1:2", NULL, NULL }, { "h:1x", NULL, NULL },
    };
    char host[64], port[8];
    for (size_t i = 0; i < COUNT(servers); i++) {
        bool ok = server_split(servers[i].in, host, sizeof host, port, sizeof port);
        check(ok == (servers[i].host != NULL) && (!ok || (!strcmp(host, servers[i].host) && !strcmp(port, servers[i].port))), servers[i].in);
    }
    check(word_distance("onec", "once") == 2 && word_distance("", "abc") == 3 && word_distance("same", "same") == 0, "word_distance");
}

/* A candidate that stands as proposal-5, connected, with all facts fresh. */
static ballot *member(enum ballot_mode mode)
{
    ballot *b;
    const struct ballot_config c = { .servers = "127.0.0.1", .base_path = "/b", .candidate_id = "me", .timeout_ms = 6000, .mode = mode };
    if (ballot_open(&b, &c) != BALLOT_OK)
        abort();
    b->connected = b->list_fresh = b->base.fresh = b->base.seen = b->base.exists = b->base.empty = b->signed_own = b->own_fresh = true;
    b->want = WANT_STAND;
    b->session.client_id = b->proposal_session = 77;
    b->own_exists = true;
    b->base.timeout = b->timeout;
    string_copy(b->proposal, sizeof b->proposal, "proposal-5");
    names_add(&b->line, &b->line_count, "proposal-5");
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

static void test_claims(void)
{
    ballot *b = member(BALLOT_KEEP);
    check(step_at(b, 0) == STEP_CLAIM, "(a) the lowest claims an empty base");
    b->want = WANT_HOLD;
    check(step_at(b, 0) == STEP_NONE, "... unless it holds");
    b->want = WANT_STAND;
    b->base.fresh = false;
    check(step_at(b, 0) == STEP_BASE, "... or the base is not known");
    b->base.fresh = true;
    b->list_fresh = false;
    check(step_at(b, 0) == STEP_LIST, "... or the line is not");
    b->list_fresh = true;
    b->unsettled = true;
    check(step_at(b, 0) == STEP_SYNC, "... or something is in doubt");
    b->unsettled = false;
    b->base.recreated = true;
    check(step_at(b, 5 * SECOND) == STEP_NONE && step_at(b, 6 * SECOND) == STEP_CLAIM, "a base made again is claimed after T");
    b->base.recreated = false;

    names(b, "proposal-1", true);
    check(step_at(b, 4999 * MILLISECOND) == STEP_NONE && step_at(b, 5 * SECOND) == STEP_CLAIM, "(b) a leader of stop who is gone: after 5/6 T");
    b->base.timeout = 12 * SECOND;
    check(step_at(b, 9999 * MILLISECOND) == STEP_NONE && step_at(b, 10 * SECOND) == STEP_CLAIM, "... of his T");
    names(b, "proposal-1", false);
    check(step_at(b, 11999 * MILLISECOND) == STEP_NONE && step_at(b, 12 * SECOND) == STEP_CLAIM, "(c) of keep: after the greater T");
    b->base.restarted = true;
    check(step_at(b, 23999 * MILLISECOND) == STEP_NONE && step_at(b, 24 * SECOND) == STEP_CLAIM, "... after 2 T where the clock restarted");
    b->base.restarted = false;
    b->base.timeout = b->timeout;
    names_add(&b->line, &b->line_count, "proposal-9");
    names(b, "proposal-9", false);
    check(step_at(b, HOUR) == STEP_AHEAD, "a leader who lives is watched, not superseded");
    string_copy(b->watched[0], NODE_MAX, "proposal-9");
    check(step_at(b, HOUR) == STEP_NONE, "... however long he is silent");
    names(b, "proposal-5", false);
    check(step_at(b, 0) == STEP_CLAIM, "(d) the base names us, and we do not lead: claim");
    ballot_close(b);

    b = member(BALLOT_STOP);
    free(b->line[0]);
    b->line[0] = strdup("proposal-1");
    names_add(&b->line, &b->line_count, "proposal-5");
    check(step_at(b, 0) == STEP_AHEAD, "the second watches the first");
    string_copy(b->watched[0], NODE_MAX, "proposal-1");
    check(step_at(b, HOUR) == STEP_NONE, "... and claims nothing, empty base or not");
    names(b, "proposal-1", false);
    b->base.read_at = 100 * SECOND;
    nanos wake = NEVER;
    check(election_step(b, 102 * SECOND, &wake) == STEP_DOUBT, "the second asks on when the leader of keep is silent");
    b->want = WANT_LEAVE;
    check(step_at(b, 0) == STEP_WITHDRAW, "a follower leaves by deleting its proposal");
    names(b, "proposal-5", true);
    check(step_at(b, 0) == STEP_RESIGN, "... or resigns where the base names it");
    ballot_close(b);
}

static void test_leading(void)
{
    ballot *b = member(BALLOT_KEEP);
    nanos wake = NEVER;
    names(b, "proposal-5", false);
    b->leading = true;
    b->beat_at = 100 * SECOND;
    check(election_step(b, 100 * SECOND, &wake) == STEP_BEAT, "a heartbeat when it is due");
    check(election_step(b, 99 * SECOND, &wake) == STEP_NONE && wake == 100 * SECOND, "... not before");
    b->requests[REQUEST_WRITE].flying = true;
    check(election_step(b, 100 * SECOND, &wake) == STEP_NONE, "one write at a time");
    b->requests[REQUEST_WRITE].flying = false;
    b->want = WANT_LEAVE;
    check(election_step(b, 99 * SECOND, &wake) == STEP_RESIGN, "resign");
    b->want = WANT_STAND;
    b->unsettled = b->synced = true;
    b->base.ours = true;
    check(election_step(b, 99 * SECOND, &wake) == STEP_SETTLE, "settle when all is read");
    election_settle(b);
    check(b->leading && b->losses == 0, "rule 5: our bytes, our proposal: goes on");
    b->own_exists = false;
    election_settle(b);
    check(!b->leading && b->losses == 1 && b->revoked && b->want == WANT_HOLD, "our proposal deleted: revoked, and holding");

    for (int stop = 0; stop < 2; stop++) {
        ballot_close(b);
        b = member(stop ? BALLOT_STOP : BALLOT_KEEP);
        names(b, "proposal-5", stop);
        b->leading = b->base.ours = true;
        b->session.client_id = 78;
        election_settle(b);
        check(b->leading == !stop && !b->proposal[0], stop ? "rule 10: expired under stop: lost" : "rule 10: expired under keep: leads on, with a new proposal");
        wake = NEVER;
        check(election_step(b, 0, &wake) == (stop ? STEP_NONE : STEP_PROPOSE), "... next");
    }
    ballot_close(b);
}

static struct facts facts(void)
{
    return (struct facts){ .now = 1000 * SECOND, .role = BALLOT_LEADER, .timeout = 6 * SECOND, .start_until = 1004 * SECOND,
                           .lease = { 1000 * SECOND, 6 * SECOND }, .rules = { .stop_timeout = 10 * SECOND } };
}

static void test_decisions(void)
{
    struct facts f = facts();
    check(agent_decide(&f).command == COMMAND_START, "a leader starts the command");
    f.start_until = f.now;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS, "... not when the lease is over");
    f = facts();
    f.next_start = f.now + 1;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS && agent_decide(&f).wake <= f.next_start, "... nor before restart-delay is over");
    f.role = BALLOT_OUT;
    check(agent_decide(&f).line == LINE_HOLD, "... which is served out of the line");
    f = facts();
    f.role = BALLOT_FOLLOWER;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS && agent_decide(&f).line == LINE_STAND, "a follower waits");

    f = facts();
    f.life = LIFE_RUNNING;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS, "a running command is left alone");
    f.role = BALLOT_SUSPENDED;
    check(agent_decide(&f).command == COMMAND_AS_IT_IS, "... out of contact too (stop is the guard's)");
    f.role = BALLOT_FOLLOWER;
    f.lost = true;
    check(agent_decide(&f).command == COMMAND_STOP && agent_decide(&f).line == LINE_HOLD, "the leadership lost: stopped, and nothing claimed meanwhile");
    f.revoked = true;
    check(agent_decide(&f).command == COMMAND_KILL, "... revoked: killed");
    f = facts();
    f.life = LIFE_RUNNING;
    f.rules.max_runtime = SECOND;
    f.started_at = f.now - SECOND;
    check(agent_decide(&f).command == COMMAND_STOP && agent_decide(&f).cause == CAUSE_RUNTIME, "max-runtime");
    f.end_signals = 1;
    check(agent_decide(&f).command == COMMAND_STOP && agent_decide(&f).cause == CAUSE_BALLOT, "told to end: stop");
    f.end_signals = 2;
    check(agent_decide(&f).command == COMMAND_KILL, "... twice: kill");

    f = facts();
    f.life = LIFE_RUNNING;
    f.rules.stop = true;
    f.now = f.lease.sent + 4 * SECOND;
    check(agent_decide(&f).replace_guard, "stop: still alive when the lease is over: the guard is replaced");
    f.rules.stop = false;
    check(!agent_decide(&f).replace_guard, "... not with keep");
    f.unheard_since = f.now - 4 * SECOND;
    check(agent_decide(&f).replace_guard, "a guard that has not acknowledged for 2/3 T is replaced");

    f = facts();
    f.end_signals = 1;
    check(agent_decide(&f).line == LINE_LEAVE && !agent_decide(&f).finish, "no command: leave first");
    f.role = BALLOT_OUT;
    check(agent_decide(&f).finish, "... then end");
    f.role = BALLOT_LEADER;
    f.leaving_since = f.now - SECOND;
    check(agent_decide(&f).finish, "... after 1 s in any case");
}

static void test_policies(void)
{
    for (int policy = POLICY_RERUN; policy <= POLICY_IGNORE; policy++)
        for (int good = 0; good < 2; good++)
            for (int cause = CAUSE_ITSELF; cause <= CAUSE_BALLOT; cause++) {
                struct facts f = facts();
                f.ended = true;
                f.status = good ? 0 : 3 << 8;
                f.cause = (enum cause)cause;
                bool success = good && cause == CAUSE_ITSELF;
                f.rules.on_success = success ? policy : -1;
                f.rules.on_error = success ? -1 : policy;
                struct wish w = agent_decide(&f);
                char what[80];
                snprintf(what, sizeof what, "policy %d, status %d, cause %d", policy, f.status, cause);
                if (cause == CAUSE_BALLOT)
                    check(w.outcome_done && !w.end && w.line != LINE_LEAVE, what);
                else if (policy == POLICY_EXIT || policy == POLICY_IGNORE)
                    check(w.end && w.status == (policy == POLICY_EXIT && !good ? 3 : 0), what);
                else
                    check(!w.end && (w.line == LINE_LEAVE) == (policy == POLICY_REELECT) && w.outcome_done == (policy == POLICY_RERUN), what);
            }
    for (int policy = FAILURE_RETRY; policy <= FAILURE_EXIT; policy++) {
        struct facts f = facts();
        f.role = BALLOT_OUT;
        f.standing_since = f.now - 6 * SECOND;
        f.rules.on_failure = policy;
        struct wish w = agent_decide(&f);
        check(w.end == (policy == FAILURE_EXIT) && (w.command == COMMAND_START) == (policy == FAILURE_RUN_ANYWAY), "on-election-failure after T");
        f.standing_since++;
        w = agent_decide(&f);
        check(!w.end && w.command == COMMAND_AS_IT_IS, "... not before");
    }
}

static void test_leases(void)
{
    struct lease l = { 100 * SECOND, 6 * SECOND }, none = { 0, 0 };
    check(lease_term(&l) == 103 * SECOND && lease_kill(&l) < lease_over(&l) && lease_over(&l) == 104 * SECOND, "stop: TERM at T/2, dead before 2/3 T");
    check(lease_over(&l) < 100 * SECOND + l.timeout / 6 * 5, "... which is before others may claim");
    check(lease_over(&none) == NEVER && lease_term(&none) == NEVER, "no lease never ends");
}

int main(void)
{
    test_durations();
    test_json();
    test_names();
    test_claims();
    test_leading();
    test_decisions();
    test_policies();
    test_leases();
    printf("1..%d\n", tests);
    return failures != 0;
}
