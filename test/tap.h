/* TAP for the C tests: included by each, once. */
static int tests, failures;

static void describe(const char *sentence) /* a behaviour: what the checks from here on are about */
{
    printf("# %s\n", sentence);
}

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
