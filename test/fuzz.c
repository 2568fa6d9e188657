/* Bytes from a fuzzer for what reads foreign text: clang's libFuzzer drives it.
 * TARGET says which reader; see `make fuzz`. */
#define BALLOT_NO_ENTRY
#include "ballot.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a configuration file says. */
static void fuzz_ini(const char *text, size_t size)
{
    FILE *file = size ? fmemopen((void *)(uintptr_t)text, size, "r") : NULL;
    struct settings *s = calloc(1, sizeof *s);
    if (file && s && settings_read_ini(s, file, "fuzz.ini", FOR_ONCE))
        settings_from_defaults(s);
    if (file)
        fclose(file);
    if (s)
        settings_free(s);
    free(s);
}

/* A command line: one word a line. Files are not read: that is fuzz_ini's. */
static void fuzz_flags(const char *text, size_t size)
{
    char *copy = strndup(text, size), *argv[66] = { copy }, *rest = copy;
    struct settings *s = calloc(1, sizeof *s);
    struct invocation in = { .rest = NULL };
    for (size_t i = 1; i < COUNT(argv) - 1 && rest; i++) {
        argv[i] = rest;
        rest = strchr(rest, '\n');
        if (rest)
            *rest++ = '\0';
    }
    bool fine = s && copy && invocation_parse(&in, s, argv);
    assert(!s || fine != (s->error[0] != '\0'));
    if (fine)
        settings_from_defaults(s);
    if (fine && settings_check_together(s, FOR_ONCE))
        assert(setting_text(s, SET_CANDIDATE_ID));
    if (s)
        settings_free(s);
    free(s);
    free(copy);
}

/* What is read and printed must be read as the same again. */
static void fuzz_duration(const char *text, size_t size)
{
    char copy[200];
    nanos value, again;
    struct text t = text_in(copy, sizeof copy);
    text_bytes(&t, text, size);
    if (!duration_parse(copy, &value) || value == INT64_MIN)
        return;
    bool fine = duration_parse(duration_string(value).data, &again);
    assert(fine && again == value);
}

/* A stranger's run record: what a leader and `info` make of it. */
static void fuzz_record(const char *text, size_t size)
{
    static struct cron_run c = { .schedule = { .spec = "*/7 3 * * mon", .catch_up = HOUR }, .known = true };
    static char out[DATA_MAX];
    const nanos now = 1800000000 * SECOND;
    struct ballot_cron_error error;
    ballot_zone_utc(&c.schedule.zone);
    ballot_cron_parse(&c.schedule.cron, &c.schedule.zone, c.schedule.spec, &error);
    struct run_record r = run_record_read(text, size, now), again;
    nanos wake = NEVER;
    if (r.mark == BALLOT_NEVER)
        return;
    c.wall = now;
    c.memory = (struct cron_memory){ .record = r, .recorded = BALLOT_NEVER, .fits = true };
    struct cron_step step = cron_decide(&c, AUTHORITY_LEADER, false, 0, &wake);
    assert(step.at == BALLOT_NEVER || (step.at > r.mark && step.at * SECOND <= now));
    again = run_record_read(out, run_record_json(&r, &c.schedule, now / SECOND, out, sizeof out), now);
    assert((again.mark == r.mark || r.mark < -62167219200) /* before the year 0 */ && again.skipped == r.skipped);
    (void)step;
    (void)again;
}

/* A stranger's object; and any string of ours must come back as it was. */
static void fuzz_json(const char *text, size_t size)
{
    static const char *const names[] = { "candidateId", "proposalNode", "sessionTimeout", "a", "" };
    char out[300], written[6 * 280 + 40], read[300];
    fuzz_record(text, size);
    for (size_t i = 0; i < COUNT(names); i++)
        (void)json_get(text, size, names[i], out, sizeof out);
    char copy[280];
    struct text c = text_in(copy, sizeof copy), t = text_in(written, sizeof written);
    text_bytes(&c, text, size);
    text_string(&t, "{");
    json_field(&t, "a", copy);
    text_string(&t, "}");
    assert(!t.cut);
    bool fine = json_get(t.data, t.length, "a", read, sizeof read);
    bool valid = true;
    unsigned character;
    for (size_t i = 0, n; i < strlen(copy) && valid; i += n)
        valid = (n = utf8_read(copy + i, strlen(copy) - i, &character)) > 0;
    assert(!valid || (fine && !strcmp(read, copy)) || strlen(copy) >= sizeof read);
    (void)fine;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    TARGET((const char *)data, size);
    return 0;
}
