/* Fuzzers of Cron: any bytes as a schedule, or (FUZZ_ZONE) as a zone file; then
 * what must hold of whatever was accepted.
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all [-DFUZZ_ZONE] -I. test/fuzz_cron.c
 */
#define BALLOT_NO_ELECTION
#include "ballot.c"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MOMENT_MOST  (INT64_C(1) << 40)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLD(condition) do if (!(condition)) abort(); while (0)

static const int64_t moments[] = { -62135596800, -5000000000, -1, 0, 1709164800, 1772949599, 1793511000, 4102444800,
    253402300799 };

/* Whether the wall clock matches. */
static bool fires(const struct ballot_cron *c, const struct ballot_zone *z, int64_t at)
{
    int64_t local = at + ballot_zone_offset(z, at);
    return cron_match(c, local, local + INT64_C(400) * 366 * DAY_SECONDS) == local;
}

static void check_next(const struct ballot_cron *c, const struct ballot_zone *z, int64_t after)
{
    int64_t wall = ballot_cron_next(c, z, after, BALLOT_DST_WALL),
        vixie = ballot_cron_next(c, z, after, BALLOT_DST_VIXIE);
    HOLD(wall > after && vixie > after);
    if (c->every)
        return;
    struct span before = zone_span(z, after), span = zone_span(z, vixie == BALLOT_NEVER ? after : vixie);
    HOLD(before.start <= after && after < before.end);
    HOLD(wall == BALLOT_NEVER || fires(c, z, wall));
    HOLD(vixie == BALLOT_NEVER || fires(c, z, vixie) ||
        (vixie == span.start && span.before < span.offset)); /* the gap's end */
    HOLD(!c->follows || vixie == wall);
    HOLD(wall > MOMENT_MOST || ballot_cron_next(c, z, wall - 1, BALLOT_DST_WALL) == wall);
}

static void fuzz_schedule(const char *spec)
{
    static const char *const rules[] = { "UTC0", "EST5EDT,M3.2.0,M11.1.0", "AEST-10AEDT,M10.1.0,M4.1.0/3",
        "XXX3EDT4,0/0,J365/23" };
    for (size_t i = 0; i < COUNT(rules); i++) {
        struct ballot_zone zone;
        struct ballot_cron cron;
        struct ballot_cron_error error = { .message = "" };
        ballot_zone_utc(&zone);
        HOLD(rule_parse(&zone, rules[i]));
        if (ballot_cron_parse(&cron, &zone, spec, &error) != BALLOT_OK) {
            HOLD(error.message[0] && !strpbrk(error.message, "\n\x1b") && error.offset <= strlen(spec));
            return;
        }
        for (size_t m = 0; m < COUNT(moments); m++)
            check_next(&cron, &zone, moments[m]);
    }
}

static void fuzz_zone(const uint8_t *data, size_t size)
{
    static struct ballot_zone zone;
    static const char *const specs[] = { "* * * * *", "30 2 * * *", "15 */3 * * *", "0 0 29 2 *", "59 59 23 31 12 *",
        "10 0-2 1 * 1", "*/7 * 1 1 ?" };
    if (!tzif_read(&zone, data, size))
        return;
    for (size_t i = 0; i < COUNT(specs); i++) {
        struct ballot_zone unused;
        struct ballot_cron cron;
        struct ballot_cron_error error;
        HOLD(ballot_cron_parse(&cron, &unused, specs[i], &error) == BALLOT_OK);
        for (size_t m = 0; m < COUNT(moments); m++)
            check_next(&cron, &zone, moments[m]);
        for (int n = 0; n < zone.count && n < 20; n++)
            if (zone.changes[n] > -MOMENT_MOST && zone.changes[n] < MOMENT_MOST)
                check_next(&cron, &zone, zone.changes[n] - 1);
    }
}

#ifdef FUZZ_ZONE
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_zone(data, size);
    (void)fuzz_schedule;
    return 0;
}
#else
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *spec = malloc(size + 1);
    HOLD(spec);
    memcpy(spec, data, size);
    spec[size] = '\0';
    fuzz_schedule(spec);
    (void)fuzz_zone;
    free(spec);
    return 0;
}
#endif
