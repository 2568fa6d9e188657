/* What cron costs: ns to parse a schedule, and to find the next activation in
 * UTC and in America/New_York, along a chain of activations from many starts.
 * The best of several rounds, because others only make it slower. */
#define BALLOT_NO_ELECTION
#include "ballot.c"

#include <math.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ROUNDS = 9, PARSES = 20000, STARTS = 400, CHAIN = 50 };

static const char *const schedules[] = {
    "* * * * *", "*/5 * * * *", "0 2 * * *", "30 4 1,15 * 5", "*/15 9-17 * * mon-fri", "0 0 1 1 *", "59 23 31 12 *",
    "0 0 29 2 *",
    "5,10,15,20,25,30,35,40 1-5,7,9,11-23/3 1-10/2 jan,mar-jun *", "23 0-20/2 * * *", "0 0 30 2 *",
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double bench_parse(const char *spec)
{
    struct ballot_zone zone;
    struct ballot_cron cron;
    struct ballot_cron_error error;
    uint64_t sum = 0;
    double before = now();
    for (int i = 0; i < PARSES; i++) {
        const char *volatile text = spec; /* read anew each time */
        sum += (uint64_t)ballot_cron_parse(&cron, &zone, text, &error) + cron.minutes;
    }
    double ns = (now() - before) / (double)PARSES;
    return sum == 1 ? 0 : ns; /* it is used */
}

/* From moments 37 days and some apart, 2024 to 2064. */
static double bench_next(const char *spec, const struct ballot_zone *zone)
{
    struct ballot_zone unused;
    struct ballot_cron cron;
    struct ballot_cron_error error;
    ballot_cron_parse(&cron, &unused, spec, &error);
    int64_t calls = 0;
    double before = now();
    for (int i = 0; i < STARTS; i++) {
        int64_t at = 1704067200 + INT64_C(3211111) * i;
        for (int j = 0; j < CHAIN && at != BALLOT_NEVER; j++, calls++)
            at = ballot_cron_next(&cron, zone, at, BALLOT_DST_VIXIE);
    }
    return (now() - before) / (double)calls;
}

int main(void)
{
    static struct ballot_zone utc, york;
    double product[3] = { 0 };
    ballot_zone_utc(&utc);
    if (ballot_zone_load(&york, "America/New_York") != BALLOT_OK)
        return fprintf(stderr, "no zone America/New_York: set TZDIR\n"), 1;
    printf("%-60s %9s %9s %9s\n", "cron: ns", "parse", "next UTC", "New_York");
    for (size_t i = 0; i < COUNT(schedules); i++) {
        double best[3] = { HUGE_VAL, HUGE_VAL, HUGE_VAL };
        for (int round = 0; round < ROUNDS; round++) {
            best[0] = fmin(best[0], bench_parse(schedules[i]));
            best[1] = fmin(best[1], bench_next(schedules[i], &utc));
            best[2] = fmin(best[2], bench_next(schedules[i], &york));
        }
        for (int k = 0; k < 3; k++)
            product[k] += log(best[k]);
        printf("%-60s %9.1f %9.1f %9.1f\n", schedules[i], best[0], best[1], best[2]);
    }
    double n = COUNT(schedules);
    printf("%-60s %9.1f %9.1f %9.1f\n", "geometric mean", exp(product[0] / n), exp(product[1] / n),
        exp(product[2] / n));
    return 0;
}
