/* Tests of Cron; includes ballot.c to reach it, without ZooKeeper. Prints TAP.
 * Its argument is the absolute path of the folder of the vectors and of the zone files that they were
 * made with.
 *
 * The vectors are a selection, with each kind of row, from larger files that follow the Go package robfig/cron v3
 * (ParseStandard) less its faults, and for dst=vixie the table in README.md. The zone files are those of tzdata 2025b
 * (public domain). In accept.tsv, the 30 rows that only our additions accept (six fields, weekday 7) are marked `ok`. */
#define BALLOT_NO_ELECTION
#include "ballot.c"

#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void equal(int64_t got, int64_t expected, const char *what)
{
    check(got == expected, what);
    if (got != expected)
        printf("#   got %" PRId64 ", expected %" PRId64 "\n", got, expected);
}

/* "2026-03-08T01:30:00-05:00" or "...Z" as a moment; "never". */
static int64_t moment(const char *text)
{
    int year, month, day, h, m, s, n, oh = 0, om = 0;
    if (!strcmp(text, "never"))
        return BALLOT_NEVER;
    if (sscanf(text, "%d-%d-%dT%d:%d:%d%n", &year, &month, &day, &h, &m, &s, &n) != 6)
        abort();
    text += n;
    text += *text == '.' ? 1 + strspn(text + 1, "0123456789") : 0;
    if (*text != 'Z' && sscanf(text + 1, "%d:%d", &oh, &om) != 2)
        abort();
    int64_t offset = (*text == '-' ? -1 : 1) * (oh * HOUR_SECONDS + om * MINUTE_SECONDS);
    return days_from_date(year, month, day) * DAY_SECONDS + h * HOUR_SECONDS + m * MINUTE_SECONDS + s - offset;
}

/* --- the vectors --- */

/* Undoes \t \n \r \\ \xHH in place. */
static void unescape(char *s)
{
    char *out = s;
    for (; *s; s++) {
        if (*s != '\\') {
            *out++ = *s;
        } else if (*++s == 'x') {
            char hex[] = { s[1], s[2], '\0' };
            *out++ = (char)strtol(hex, NULL, 16);
            s += 2;
        } else
            *out++ = (char)(*s == 't' ? '\t' : *s == 'n' ? '\n' : *s == 'r' ? '\r' : *s);
    }
    *out = '\0';
}

/* Splits a line at its tabs; the first column is a specification. */
static int columns(char *line, char **column, int most)
{
    int n = 0;
    line[strcspn(line, "\n")] = '\0';
    for (char *p = line; p && n < most; n++) {
        column[n] = p;
        p = strchr(p, '\t');
        if (p)
            *p++ = '\0';
    }
    unescape(column[0]);
    return n;
}

static bool accept_row(char **column)
{
    struct ballot_zone zone;
    struct ballot_cron cron;
    struct ballot_cron_error error = { .message = "" };
    ballot_zone_utc(&zone);
    bool ok = ballot_cron_parse(&cron, &zone, column[0], &error) == BALLOT_OK;
    if (!ok && (!error.message[0] || error.offset > strlen(column[0]) || strpbrk(error.message, "\n\t")))
        return false; /* an error is one sentence, and its place within the text */
    return ok == !strcmp(column[1], "ok");
}

static bool next_row(char **column, enum ballot_dst dst)
{
    struct ballot_zone zone;
    struct ballot_cron cron;
    struct ballot_cron_error error;
    if (ballot_zone_load(&zone, column[1]) != BALLOT_OK ||
        ballot_cron_parse(&cron, &zone, column[0], &error) != BALLOT_OK)
        return false;
    int64_t at = moment(column[2]);
    for (int i = 3; i < 8; i++) {
        at = at == BALLOT_NEVER ? at : ballot_cron_next(&cron, &zone, at, dst);
        if (at != moment(column[i]))
            return false;
    }
    return true;
}

static void test_vectors(const char *folder, const char *name, int width, enum ballot_dst dst)
{
    char path[1024], line[4096], copy[4096], *column[8];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    int rows = 0, passed = 0;
    while (f && fgets(line, sizeof line, f)) {
        strcpy(copy, line);
        bool ok = columns(line, column, 8) == width && (width == 2 ? accept_row(column) : next_row(column, dst));
        rows++;
        passed += ok;
        if (!ok)
            printf("# %s: %s", name, copy);
    }
    if (f)
        fclose(f);
    snprintf(copy, sizeof copy, "%s, %s: %d rows of %d", name, dst == BALLOT_DST_WALL ? "wall" : "vixie", passed, rows);
    check(rows > 0 && passed == rows, copy);
}

/* --- the calendar --- */

static void test_calendar(void)
{
    describe("Every day of 10,000 years is what libc's calendar says");
    bool good = true;
    for (int64_t days = -800000; days < 3000000 && good; days++) {
        time_t t = (time_t)(days * DAY_SECONDS);
        struct tm tm;
        gmtime_r(&t, &tm);
        struct date d = date_from_days(days);
        good = d.year == tm.tm_year + 1900 && d.month == tm.tm_mon + 1 && d.day == tm.tm_mday &&
            days_weekday(days) == tm.tm_wday &&
               days_from_date(d.year, d.month, d.day) == days && d.day <= month_length(d.year, d.month);
    }
    check(good, "every day of 10,000 years is what gmtime() says");
}

/* --- zones --- */

static const char *offset_at(const char *rule, const char *when)
{
    static char out[32];
    struct ballot_zone z;
    ballot_zone_utc(&z);
    if (!rule_parse(&z, rule))
        return "refused";
    snprintf(out, sizeof out, "%d", (int)ballot_zone_offset(&z, moment(when)));
    return out;
}

static void test_rules(void)
{
    describe("Rules of summer time as POSIX's TZ has them: the offset at a moment");
    static const struct { const char *rule, *when, *offset; } good[] = {
        { "UTC0", "2026-01-01T00:00:00Z", "0" }, { "EST5", "2026-07-01T00:00:00Z", "-18000" },
        { "<+0330>-3:30", "2026-07-01T00:00:00Z", "12600" },
        { "<-00>0", "2026-07-01T00:00:00Z", "0" }, { "LMT4:56:02", "2026-07-01T00:00:00Z", "-17762" },
        { "abc-24:59:59", "2026-07-01T00:00:00Z", "89999" },
        /* default dates, default hour of summer time; the second before and after */
        { "EST5EDT", "2026-03-08T06:59:59Z", "-18000" }, { "EST5EDT", "2026-03-08T07:00:00Z", "-14400" },
        { "EST5EDT,M3.2.0,M11.1.0", "2026-11-01T05:59:59Z", "-14400" },
        { "EST5EDT,M3.2.0,M11.1.0", "2026-11-01T06:00:00Z", "-18000" },
        { "EST5EDT,M3.2.0,M11.1.0", "2099-07-01T00:00:00Z", "-14400" },
        { "EST5EDT,M3.2.0,M11.1.0", "1850-07-01T00:00:00Z", "-14400" },
        /* the south: over the new year */
        { "AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-01-01T00:00:00Z", "39600" },
        { "AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-06-01T00:00:00Z", "36000" },
        { "AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-04-04T15:59:59Z", "39600" },
        { "AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-04-04T16:00:00Z", "36000" },
        /* half an hour; a winter that is the odd one (Dublin) */
        { "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-12-01T00:00:00Z", "39600" },
        { "IST-1GMT0,M10.5.0,M3.5.0/1", "2026-01-01T00:00:00Z", "0" },
        { "IST-1GMT0,M10.5.0,M3.5.0/1", "2026-07-01T00:00:00Z", "3600" },
        /* times below 0 and above 24 h: Nuuk, Gaza-like, and a whole week */
        { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z", "-7200" },
        { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", "-3600" },
        { "EET-2EEST,M3.4.4/50,M10.4.4/50", "2026-03-27T23:59:59Z", "7200" },
        { "EET-2EEST,M3.4.4/50,M10.4.4/50", "2026-03-28T00:00:00Z", "10800" },
        { "AAA0BBB,J1/-167,J1/167", "2025-12-25T01:00:00Z", "3600" },
        { "AAA0BBB,J1/-167,J1/167", "2025-12-25T00:59:59Z", "0" },
        /* J60 is 1 March always, 59 is 29 February or 1 March */
        { "AAA0BBB,J60/0,J61/0", "2024-02-29T12:00:00Z", "0" },
        { "AAA0BBB,J60/0,J61/0", "2024-03-01T12:00:00Z", "3600" },
        { "AAA0BBB,59/0,60/0", "2024-02-29T12:00:00Z", "3600" },
        { "AAA0BBB,59/0,60/0", "2025-03-01T12:00:00Z", "3600" },
        /* the fifth week is the last, of four or five */
        { "AAA0BBB,M2.5.4/0,M3.1.0/0", "2024-02-28T12:00:00Z", "0" },
        { "AAA0BBB,M2.5.4/0,M3.1.0/0", "2024-02-29T12:00:00Z", "3600" },
        { "AAA0BBB,M2.5.4/0,M3.1.0/0", "2023-02-23T12:00:00Z", "3600" },
        /* summer time all year (RFC 8536, 3.3.1) */
        { "XXX3EDT4,0/0,J365/23", "2026-01-01T03:00:00Z", "-14400" },
        { "XXX3EDT4,0/0,J365/23", "2026-01-01T02:59:59Z", "-14400" },
        { "XXX3EDT4,0/0,J365/23", "2028-12-31T23:59:59Z", "-14400" },
    };
    static const char *const bad[] = {
        "", "A0", "AB0", "ABC", "ABC25", "ABC24:60", "ABC0:0:60", "ABC0:", "<AB>0", "<ABC0", "A1C0", "ABC0D",
        "ABC0DEF0,", "ABC0DEF,M3.2.0", "ABC0DEF,M3.2.0,", "ABC0DEF,M0.2.0,M11.1.0", "ABC0DEF,M13.2.0,M11.1.0",
        "ABC0DEF,M3.0.0,M11.1.0", "ABC0DEF,M3.6.0,M11.1.0", "ABC0DEF,M3.2.7,M11.1.0", "ABC0DEF,M3.2,M11.1.0",
        "ABC0DEF,J0,J2", "ABC0DEF,J366,J2", "ABC0DEF,366,2", "ABC0DEF,1/168,2", "ABC0DEF,1,2x", "ABC0,1,2", "ABC0 ",
        " ABC0", "ABC99999999999999999999", ":ABC0", "ABC0DEF,,", "ABC0DEF,M3.2.0/,M11.1.0",
    };
    char what[200];
    for (size_t i = 0; i < COUNT(good); i++) {
        snprintf(what, sizeof what, "%s at %s", good[i].rule, good[i].when);
        same(offset_at(good[i].rule, good[i].when), good[i].offset, what);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        same(offset_at(bad[i], "2026-01-01T00:00:00Z"), "refused", bad[i]);
}

/* What libc says, in minutes: an oracle that knows nothing of our code. */
static int64_t libc_offset(int64_t at)
{
    char text[16];
    time_t t = (time_t)at;
    struct tm tm;
    strftime(text, sizeof text, "%z", localtime_r(&t, &tm));
    int hhmm = atoi(text + 1);
    return (text[0] == '-' ? -1 : 1) * (hhmm / 100 * 60 + hhmm % 100);
}

static void test_zone_against_libc(const char *name)
{
    struct ballot_zone z;
    char what[200];
    uint64_t random = 88172645463325252u;
    setenv("TZ", name, 1);
    tzset();
    int result = ballot_zone_local(&z); /* glibc is wrong about bare rules before 1970 */
    int64_t from = moment(z.count ? "1850-01-01T00:00:00Z" : "1971-01-01T00:00:00Z"),
        length = moment("2200-01-01T00:00:00Z") - from, wrong = 0;
    for (int i = 0; i < 20000; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        int64_t at = from + (int64_t)(random % (uint64_t)length);
        if (i < z.count * 2)
            at = z.changes[i / 2] - i % 2; /* before and after each change */
        if (at < from)
            continue;
        if (ballot_zone_offset(&z, at) / MINUTE_SECONDS != libc_offset(at))
            wrong = at;
    }
    snprintf(what, sizeof what, "TZ=%s: as libc has it until 2200", name);
    equal(result == BALLOT_OK ? wrong : -1, 0, what);
}

static void test_zones_against_libc(void)
{
    describe("Zones by name have libc's offsets");
    static const char *const names[] = {
        "America/New_York", "Europe/London", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Gaza", "Africa/Cairo",
        "America/Nuuk", "Europe/Dublin", "America/Santiago", "Pacific/Apia", "Asia/Kathmandu", "Antarctica/Troll",
        "Pacific/Chatham", "Etc/GMT+12", "UTC", ":Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3", "<+0330>-3:30",
        "AAA0BBB,J60/0,J300/-5:30", "AEST-10AEDT,M10.1.0,M4.1.0/3", "",
    };
    for (size_t i = 0; i < COUNT(names); i++)
        test_zone_against_libc(names[i]);
    unsetenv("TZ");
    tzset();
}

static void test_zone_names(const char *folder)
{
    describe("A zone's name leads to no file outside of the folder");
    static const char *const none[] = {
        "..", "../UTC", "Europe/../UTC", "/etc/localtime", "\\x", "Europe", "europe/berlin", "Europe/Berlin ",
        "Nowhere/Land", "UTC0", "."
    };
    struct ballot_zone z;
    char path[1024], long_name[2000];
    for (size_t i = 0; i < COUNT(none); i++)
        equal(ballot_zone_load(&z, none[i]), BALLOT_EZONE, none[i]);
    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    equal(ballot_zone_load(&z, long_name), BALLOT_EZONE, "a name that no path holds");
    check(ballot_zone_load(&z, "") == BALLOT_OK && z.count == 0 && ballot_zone_offset(&z, 0) == 0,
        "the empty name is UTC");
    snprintf(path, sizeof path, "%s/zoneinfo/Asia/Tokyo", folder);
    setenv("TZ", path, 1);
    check(ballot_zone_local(&z) == BALLOT_OK && ballot_zone_offset(&z, 0) == 9 * HOUR_SECONDS,
        "the process's TZ may be a path");
    snprintf(path, sizeof path, "%s/accept.tsv", folder);
    setenv("TZ", path, 1);
    check(ballot_zone_local(&z) == BALLOT_EZONEFILE && ballot_zone_offset(&z, 0) == 0, "... but not of just any file");
    setenv("TZ", "/dev/zero", 1);
    equal(ballot_zone_local(&z), BALLOT_EZONE, "... nor of a device");
    setenv("TZ", "Nowhere/Land", 1);
    equal(ballot_zone_local(&z), BALLOT_EZONE, "... and never silently UTC");
    unsetenv("TZ");

    describe("Before its first change a zone has local mean time, after its last the rule of its file's footer");
    ballot_zone_load(&z, "America/New_York");
    equal(ballot_zone_offset(&z, moment("1800-01-01T00:00:00Z")), -17762, "before the first change: local mean time");
    equal(ballot_zone_offset(&z, moment("2099-07-01T00:00:00Z")), -14400,
        "after the last: the rule of the footer, 2099");
    equal(ballot_zone_offset(&z, moment("9999-12-31T00:00:00Z")), -18000, "... 9999");
    check(zone_span(&z, INT64_C(1) << 60).start > 0 && zone_span(&z, -(INT64_C(1) << 60)).end < 0,
        "... and far beyond");
}

/* --- hostile zone files --- */

static size_t put(unsigned char *p, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++)
        p[i] = (unsigned char)(value >> 8 * (width - 1 - i));
    return width;
}

struct made { unsigned char data[65536]; size_t size; };

static void made_block(struct made *m, char version, uint64_t times, uint64_t types, size_t width)
{
    unsigned char *p = m->data + m->size;
    memset(p, 0, TZIF_HEADER);
    memcpy(p, "TZif", 4);
    p[4] = (unsigned char)version;
    put(p + 32, times, 4);
    put(p + 36, types, 4);
    put(p + 40, 4, 4);
    p += TZIF_HEADER;
    for (uint64_t i = 0; i < times; i++)
        p += put(p, 1000000 * (i + 1), width);
    for (uint64_t i = 0; i < times; i++)
        *p++ = (unsigned char)(i % 2);
    for (uint64_t i = 0; i < types; i++, p += TZIF_TYPE)
        put(p, 3600 * i, 4), p[4] = p[5] = 0;
    memcpy(p, "AAA", 4);
    m->size = (size_t)(p + 4 - m->data);
}

/* A sound file of version 2 (or 1) with so many changes and that footer. */
static struct made *made(char version, uint64_t times, const char *footer)
{
    static struct made m;
    m.size = 0;
    made_block(&m, version, version ? 0 : times, 2, 4);
    if (version) {
        made_block(&m, version, times, 2, 8);
        memcpy(m.data + m.size, footer, strlen(footer));
        m.size += strlen(footer);
    }
    return &m;
}

/* Reads bytes from a block of exactly that size, so that a byte more is seen. */
static bool reads(const unsigned char *data, size_t size)
{
    static struct ballot_zone z;
    static const char *const specs[] = { "* * * * *", "30 2 * * *", "0 0 29 2 *", "*/7 */5 31 * ?" };
    unsigned char *exact = malloc(size + !size);
    memcpy(exact, data, size);
    bool ok = tzif_read(&z, exact, size);
    free(exact);
    for (size_t i = 0; ok && i < COUNT(specs); i++) {
        struct ballot_cron cron;
        struct ballot_cron_error error;
        int64_t at = -3000000000;
        ballot_cron_parse(&cron, &z, specs[i], &error);
        for (int n = 0; n < 4 && at != BALLOT_NEVER; n++) {
            int64_t next = ballot_cron_next(&cron, &z, at, n % 2 ? BALLOT_DST_WALL : BALLOT_DST_VIXIE);
            if (next <= at)
                abort();
            at = next;
        }
    }
    return ok;
}

static bool reads_with(struct made *m, size_t at, int byte)
{
    m->data[at] = (unsigned char)byte;
    return reads(m->data, m->size);
}

static void test_zone_bytes(void)
{
    describe("A zone's file that is cut, damaged, or counts leap seconds is refused");
    struct made *m = made(0, 3, "");
    check(reads(m->data, m->size), "version 1");
    m = made('2', 3, "\nAAA0\n");
    check(reads(m->data, m->size), "version 2");
    m = made('4', BALLOT_ZONE_CHANGES, "\n\n");
    check(reads(m->data, m->size), "a later version, as many changes as fit, no rule");
    m = made('2', BALLOT_ZONE_CHANGES + 1, "\n\n");
    check(!reads(m->data, m->size), "one more");
    static const char *const footers[] = {
        "", "\n", "AAA0", "\nAAA0", "AAA0\n", "\nAAA\n", "\nAAA0 \n", "\nAAA0BBB,M3.2.0\n"
    };
    for (size_t i = 0; i < COUNT(footers); i++) {
        m = made('2', 1, footers[i]);
        check(!reads(m->data, m->size), "a footer that is none");
    }
    bool cut = false;
    m = made('2', 3, "\nAAA0\n");
    for (size_t size = 0; size < m->size; size++)
        cut = cut || reads(m->data, size);
    check(!cut, "cut anywhere");
    size_t second = TZIF_HEADER + 2 * TZIF_TYPE + 4, block = second + TZIF_HEADER;
    check(!reads_with(made('2', 3, "\nAAA0\n"), second, 't'), "no second header");
    for (size_t i = 0; i < 6; i++)
        check(!reads_with(made('2', 3, "\nAAA0\n"), second + 20 + 4 * i, 0xff), "a count of 4 billion");
    for (size_t i = 0; i < 6; i++)
        check(!reads_with(made('2', 3, "\nAAA0\n"), 20 + 4 * i, 0xff), "... in the first header");
    check(!reads_with(made('2', 3, "\nAAA0\n"), second + 39, 0), "no types");
    check(!reads_with(made('2', 3, "\nAAA0\n"), block + 24, 2), "an index of no type");
    check(!reads_with(made('2', 3, "\nAAA0\n"), block + 8 + 5, 0), "changes that do not ascend");
    check(!reads_with(made('2', 3, "\nAAA0\n"), block + 16, 0x7f), "a change at the end of time");
    check(!reads_with(made('2', 3, "\nAAA0\n"), block + 27, 0x80), "an offset of -2^31");
    check(!reads_with(made('2', 3, "\nAAA0\n"), block + 27 + 1, 2), "an offset of a day and a half");
    check(!reads_with(made('2', 3, "\nAAA0\n"), block + 27 + 5, 4), "a name beyond the names");
}

static void test_zone_noise(const char *folder)
{
    describe("A zone's file with any byte changed harms nothing");
    static unsigned char file[TZIF_MAX];
    char path[1024];
    snprintf(path, sizeof path, "%s/zoneinfo/Australia/Lord_Howe", folder);
    ssize_t size = zone_file_read(path, file, sizeof file);
    check(size > 0 && reads(file, (size_t)size), "a zone file");
    int sound = 0;
    for (ssize_t i = 0; i < size; i++)
        for (int bit = 0; bit < 8; bit++) {
            file[i] ^= (unsigned char)(1 << bit);
            sound += reads(file, (size_t)size);
            file[i] ^= (unsigned char)(1 << bit);
        }
    check(sound < (int)size * 8, "... with each of its bits wrong: refused, or another zone, and no harm");
}

/* --- schedules --- */

static void test_errors(void)
{
    describe("A bad schedule is told with the place and the reason");
    static const struct { const char *spec; size_t offset; const char *message; } bad[] = {
        { "60 * * * *", 0, "minute: \"60\" is not a number from 0 to 59" },
        { "* 5,24 * * *", 4, "hour: \"24\" is not a number from 0 to 23" },
        { "* * 0 * *", 4, "day of month: \"0\" is not a number from 1 to 31" },
        { "* * * 1-foo *", 8, "month: \"foo\" is not a number from 1 to 12 or a name from jan to dec" },
        { "* * * * mon-fry", 12, "day of week: \"fry\" is not a number from 0 to 7 or a name from sun to sat" },
        { "* * * * 8", 8, "day of week: \"8\" is not a number from 0 to 7 or a name from sun to sat" },
        { "61 * * * * *", 0, "second: \"61\" is not a number from 0 to 59" },
        { "5x * * * *", 0, "minute: \"5x\" is not a number from 0 to 59" },
        { "- * * * *", 0, "minute: \"\" is not a number from 0 to 59" },
        { "*x * * * *", 0, "minute: \"*x\" is not a number from 0 to 59" },
        { "9,5-2/3 * * * *", 2, "minute: \"5-2\" runs backwards: a range does not wrap, write two" },
        { "* 1-2-3 * * *", 2, "hour: \"1-2-3\" is not one range with one step at most" },
        { "* 1/2/3 * * *", 2, "hour: \"1/2/3\" is not one range with one step at most" },
        { "* */0 * * *", 4, "hour: \"0\" is not a step, a whole number from 1 on" },
        { "* */9223372036854775808 * * *", 4, "hour: \"9223372036854775808\" is not a step, a whole number from 1 on" },
        { "* * * *", 0, "schedule: \"* * * *\" is not 5 fields, minute hour day-of-month month day-of-week, or 6 "
            "with the second before them" },
        { "", 0, "schedule: \"\" is not 5 fields, minute hour day-of-month month day-of-week, or 6 "
            "with the second before them" },
        { "@dayly", 0, "schedule: \"@dayly\" is not @yearly @annually @monthly @weekly @daily @midnight @hourly "
            "or @every DURATION" },
        { "@every 5", 7, "schedule: \"5\" is not a duration such as 90s or 1h30m" },
        { "TZ=UTC", 0, "schedule: \"TZ=UTC\" names a zone, but no space and schedule follow" },
        { "TZ=Mars/Base * * * * *", 3, "schedule: \"Mars/Base\" is no time zone's name, such as UTC or Europe/Berlin" },
        { "CRON_TZ=../UTC * * * * *", 8, "schedule: \"../UTC\" is no time zone's name, such as UTC or Europe/Berlin" },
        { "TZ=UTC  5 70 * * *", 10, "hour: \"70\" is not a number from 0 to 23" },
        { "\x1b[2J * * * *", 0, "minute: \"?[2J\" is not a number from 0 to 59" },
    };
    struct ballot_zone z;
    struct ballot_cron cron;
    ballot_zone_utc(&z);
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct ballot_cron_error error = { .message = "accepted" };
        ballot_cron_parse(&cron, &z, bad[i].spec, &error);
        same(error.message, bad[i].message, bad[i].spec);
        equal((int64_t)error.offset, (int64_t)bad[i].offset, "... and its place");
    }
}

static int64_t next(const char *spec, const char *zone, const char *after, enum ballot_dst dst)
{
    struct ballot_zone z;
    struct ballot_cron cron;
    struct ballot_cron_error error;
    if (ballot_zone_load(&z, zone) != BALLOT_OK || ballot_cron_parse(&cron, &z, spec, &error) != BALLOT_OK)
        return 0;
    return ballot_cron_next(&cron, &z, moment(after), dst);
}

static void test_next(void)
{
    describe("The next activation, in cases that the vectors do not have");
    static const char york[] = "America/New_York";
    const enum ballot_dst vixie = BALLOT_DST_VIXIE, wall = BALLOT_DST_WALL;
    equal(next("30 2 * * *", york, "2026-03-08T01:59:59-05:00", vixie), moment("2026-03-08T03:00:00-04:00"),
        "vixie: 02:30 in the gap comes at its end");
    equal(next("30 2 * * *", york, "2026-03-08T03:00:00-04:00", vixie), moment("2026-03-09T02:30:00-04:00"),
        "... once");
    equal(next("30 2 * * *", york, "2026-03-08T01:59:59-05:00", wall), moment("2026-03-09T02:30:00-04:00"),
        "wall: it is lost");
    equal(next("30 1 * * *", york, "2026-11-01T01:30:00-04:00", vixie), moment("2026-11-02T01:30:00-05:00"),
        "vixie: 01:30 comes once where there are two");
    equal(next("30 1 * * *", york, "2026-11-01T01:30:00-04:00", wall), moment("2026-11-01T01:30:00-05:00"),
        "wall: twice");
    equal(next("*/30 1 * * *", york, "2026-11-01T01:30:00-04:00", vixie), moment("2026-11-01T01:00:00-05:00"),
        "vixie: a star in minute or hour follows the wall clock");
    equal(next("0 12 30 12 *", "Pacific/Apia", "2011-12-29T13:00:00-10:00", vixie),
        moment("2012-12-30T12:00:00+14:00"), "vixie: a skipped day is not made up for");
    equal(next("* * 30 2 *", "UTC", "2026-01-01T00:00:00Z", wall), BALLOT_NEVER, "30 February never comes");
    equal(next("0 0 29 2 *", "UTC", "2096-02-29T00:00:00Z", wall), BALLOT_NEVER,
        "29 February is not searched for beyond five years");
    equal(next("0 0 * * 7", "UTC", "2026-11-23T00:00:00Z", wall), moment("2026-11-29T00:00:00Z"), "7 is Sunday");
    equal(next("0 0 * * 6-7", "UTC", "2026-11-28T00:00:00Z", wall), moment("2026-11-29T00:00:00Z"),
        "... at a range's end");
    equal(next("0 0 * * 5/2", "UTC", "2026-11-28T00:00:00Z", wall), moment("2026-12-04T00:00:00Z"),
        "... but where a step goes on, the last is Saturday");
    equal(next("15 30 2 * * *", york, "2099-07-01T00:00:00Z", vixie), moment("2099-07-01T02:30:15-04:00"),
        "seconds, 2099");
    struct ballot_zone z;
    struct ballot_cron c;
    struct ballot_cron_error error;
    ballot_zone_utc(&z);
    ballot_cron_parse(&c, &z, "TZ=UTC * * * * *", &error);
    check(c.own_zone, "the text names its zone");
    check(ballot_cron_next(&c, &z, INT64_MAX, wall) == BALLOT_NEVER &&
        ballot_cron_next(&c, &z, INT64_MIN, wall) == BALLOT_NEVER, "beyond all calendars: never");
    ballot_zone_load(&z, "Asia/Tokyo");
    ballot_cron_parse(&c, &z, "TZ=Local * * * * *", &error);
    equal(ballot_zone_offset(&z, 0), 9 * HOUR_SECONDS, "TZ=Local leaves the zone as it is");
    check(!c.own_zone, "... and is not the text's own");
    for (int e = BALLOT_OK; e <= BALLOT_EZONEFILE; e++)
        check(strcmp(ballot_strerror(e), "unknown error") != 0, ballot_strerror(e));
}

int main(int argc, char **argv)
{
    char path[1024];
    const char *folder = argv[1];
    if (argc != 2 || folder[0] != '/')
        return fprintf(stderr, "usage: cron FOLDER, absolute\n"), 2;
    snprintf(path, sizeof path, "%s/zoneinfo", folder);
    setenv("TZDIR", path, 1);
    unsetenv("TZ");
    test_calendar();
    test_rules();
    test_zone_bytes();
    test_zone_noise(folder);
    test_zones_against_libc();
    test_zone_names(folder);
    test_errors();
    describe("The vectors: what is accepted, and the activations that follow a moment");
    test_vectors(folder, "accept.tsv", 2, BALLOT_DST_WALL);
    test_vectors(folder, "next-wall.tsv", 8, BALLOT_DST_WALL);
    test_vectors(folder, "next-vixie.tsv", 8, BALLOT_DST_VIXIE);
    test_vectors(folder, "next-seconds.tsv", 8, BALLOT_DST_WALL);
    test_vectors(folder, "next-seconds.tsv", 8, BALLOT_DST_VIXIE);
    test_next();
    printf("1..%d\n", tests);
    return failures != 0;
}
