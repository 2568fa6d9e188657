/* Whether what is secret is overwritten by the code that the compiler has made, which may
 * leave out a memset() whose bytes are not read after it. Includes ballot.c; `make lint` builds it
 * with each compiler and level. Linked with -Wl,--wrap=free, and with -z now: to bind
 * while it runs leaves registers on the stack. Prints TAP. */
#define _XOPEN_SOURCE 700 /* sigaltstack() */
#define BALLOT_NO_ENTRY
#include "ballot.c"
#include <malloc.h>

#include "tap.h"

static const char password[] = "pass-word-0123456789";
static int freed; /* blocks in which it stood */

static bool holds(const char *bytes, size_t count)
{
    for (size_t i = 0; i + sizeof password - 1 <= count; i++)
        if (!memcmp(bytes + i, password, sizeof password - 1))
            return true;
    return false;
}

void __real_free(void *block);
void __wrap_free(void *block);
void __wrap_free(void *block)
{
    freed += block && holds(block, malloc_usable_size(block));
    __real_free(block);
}

/* What it was told runs on a stack that can be looked at afterwards. */
static char stack[1 << 20];
static void (*volatile on_the_stack)(void);

static void arrived(int number)
{
    (void)number;
    on_the_stack();
}

static bool stays_on_stack(void (*what)(void))
{
    stack_t own = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction action = { .sa_handler = arrived, .sa_flags = SA_ONSTACK };
    on_the_stack = what;
    sigaltstack(&own, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    return holds(stack, sizeof stack);
}

static struct settings settings;
static char file[] = "/tmp/ballot-secret.XXXXXX";

static void forget_badly(void)
{
    char text[sizeof password];
    memcpy(text, password, sizeof text);
    freed += access(text, F_OK) == 0; /* it must be in memory for this; there is no such file */
}

static void read_identity(void)
{
    char name[sizeof file];
    memcpy(name, file, sizeof name);
    settings.values[SET_AUTH_FILE] = (struct value){ .text = name, .origin = ORIGIN_FLAG, .source = name };
    settings_read_identity(&settings);
}

static void write_identity(void)
{
    int fd = mkstemp(file);
    if (fd < 0 || dprintf(fd, "digest:u:%s\n", password) < 0)
        abort();
    close(fd);
}

int main(void)
{
    const struct ballot_config config = { .servers = "h", .base_path = "/b", .candidate_id = "a", .timeout_ms = 5000,
                                          .auth = "digest:u:pass-word-0123456789" };
    char flag[] = "--zookeeper-auth=digest:u:pass-word-0123456789", *argv[] = { flag, NULL };
    ballot *b;
    int at = 0;
    char *volatile block = strdup(password); /* volatile: or both calls are left out */
    free(block);
    check(freed == 1, "a block with a secret is seen when it is freed");
    secret_free(strdup(password));
    check(freed == 1, "... and secret_free() leaves none in it");
    check(stays_on_stack(forget_badly), "a secret on the stack is seen");
    memset(stack, 0, sizeof stack);
    write_identity();
    bool stays = stays_on_stack(read_identity);
    same(setting_text(&settings, SET_AUTH), config.auth, "zookeeper-auth-file is read");
    check(!stays, "... and does not stay on the stack");
    settings.values[SET_AUTH_FILE] = (struct value){ .text = NULL };
    check(setting_from_flag(&settings, argv, &at, FOR_ALL) && !holds(flag, sizeof flag), "the flag is overwritten");
    setenv("BALLOT_ZOOKEEPER_AUTH", config.auth, 1);
    char *variable = getenv("BALLOT_ZOOKEEPER_AUTH");
    settings_from_environment(&settings, FOR_INFO);
    check(!holds(variable, strlen(config.auth)), "... and the variable");
    settings_free(&settings);
    check(freed == 1, "none is freed with the settings");
    if (ballot_open(&b, &config) == BALLOT_OK)
        ballot_close(b);
    check(freed == 1, "... or with a membership");
    unlink(file);
    printf("1..%d\n", tests);
    return failures > 0;
}
