/* peer - a candidate of the Go ballot, as others see it: what it asks of the servers, and when it fails.
 *
 *     peer HOST:PORT BASE ID TIMEOUT_MS
 *
 * It knows nothing of ballot.c. It takes all children of the base for proposals, in the order of their names; has a
 * watch on the data of the one before its own, and fails when that fires for another reason than a deletion; as the
 * first it leads when the base is empty or was written longer ago than the session timeout, and from then on
 * writes it every half of that. It prints a line for each: stands NAME, follows NAME, leads, broken.
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

#define NAMES_MAX 1000

static zhandle_t *zh;
static bool connected, answered, fired, deleted;
static int result;
static struct Stat stat_seen;
static char created[1024], names[NAMES_MAX][128];
static int count, data_length;

static void on_event(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    (void)handle, (void)path, (void)context;
    if (type == ZOO_SESSION_EVENT) {
        connected = state == ZOO_CONNECTED_STATE;
        return;
    }
    fired = true;
    deleted = type == ZOO_DELETED_EVENT;
}

static void on_answer(int rc)
{
    answered = true;
    result = rc;
}

static void on_string(int rc, const char *value, const void *data)
{
    (void)data;
    if (rc == ZOK)
        snprintf(created, sizeof created, "%s", value);
    on_answer(rc);
}

static void on_names(int rc, const struct String_vector *list, const void *data)
{
    (void)data;
    count = 0;
    for (int32_t i = 0; rc == ZOK && i < list->count && count < NAMES_MAX; i++)
        snprintf(names[count++], sizeof names[0], "%s", list->data[i]);
    on_answer(rc);
}

static void on_data(int rc, const char *value, int length, const struct Stat *stat, const void *data)
{
    (void)value, (void)data;
    if (rc == ZOK)
        stat_seen = *stat;
    data_length = length;
    on_answer(rc);
}

static void on_stat(int rc, const struct Stat *stat, const void *data)
{
    (void)data;
    if (rc == ZOK)
        stat_seen = *stat;
    on_answer(rc);
}

static void turn(void)
{
    int fd = -1, events = 0;
    struct timeval tv = { 0, 10000 };
    struct pollfd slot = { .fd = -1 };
    if (zookeeper_interest(zh, &fd, &events, &tv) == ZOK && fd >= 0)
        slot = (struct pollfd){ fd, (short)((events & ZOOKEEPER_READ ? POLLIN : 0) |
                                            (events & ZOOKEEPER_WRITE ? POLLOUT : 0)), 0 };
    if (poll(&slot, 1, (int)(tv.tv_sec * 1000 + tv.tv_usec / 1000) % 50 + 1) > 0)
        zookeeper_process(zh, (slot.revents & POLLOUT ? ZOOKEEPER_WRITE : 0) |
                              (slot.revents & ~POLLOUT ? ZOOKEEPER_READ : 0));
}

/* `rc`: of a request that was sent, or was not. Returns what it was answered. */
static int wait_for(int rc)
{
    if (rc != ZOK)
        return rc;
    for (answered = false; !answered;)
        turn();
    return result;
}

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void tell(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Waits until no other stands before it. Returns false if its watch breaks. */
static bool queue_wait(const char *base, const char *own)
{
    char path[1200];
    for (;;) {
        int place = 0;
        if (wait_for(zoo_aget_children(zh, base, 0, on_names, NULL)) != ZOK)
            return false;
        qsort(names, (size_t)count, sizeof names[0], compare);
        while (place < count && strcmp(names[place], own) != 0)
            place++;
        if (place == 0)
            return true;
        snprintf(path, sizeof path, "%s/%s", base, names[place - 1]);
        fired = false;
        if (wait_for(zoo_awget(zh, path, on_event, NULL, on_data, NULL)) != ZOK)
            continue;
        tell("follows %s", names[place - 1]);
        while (!fired)
            turn();
        if (!deleted)
            return false;
    }
}

/* Leads when the base is free, and writes it again and again; one write that is refused silences it for ever. */
static void lead(const char *base, const char *own, const char *id, int64_t timeout)
{
    char json[2048];
    snprintf(json, sizeof json, "{\"candidateId\":\"%s\",\"hostname\":\"peer\",\"pid\":\"%ld\","
             "\"proposalNode\":\"%s/%s\",\"sessionTimeout\":\"%gs\"}",
             id, (long)getpid(), base, own, (double)timeout / 1000);
    while (wait_for(zoo_aget(zh, base, 0, on_data, NULL)) != ZOK ||
           (data_length > 0 && wall_ms() - stat_seen.mtime < timeout))
        for (int64_t until = wall_ms() + 50; wall_ms() < until;)
            turn();
    bool fine = true, led = false;
    for (;;) {
        fine = fine && wait_for(zoo_aset(zh, base, json, (int)strlen(json), stat_seen.version, on_stat, NULL)) == ZOK;
        if (fine && !led)
            tell("leads");
        led = true;
        for (int64_t until = wall_ms() + timeout / 2; wall_ms() < until;)
            turn();
    }
}

int main(int argc, char **argv)
{
    char path[1024], json[1024];
    if (argc != 5)
        return 2;
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    zh = zookeeper_init(argv[1], on_event, atoi(argv[4]), NULL, NULL, ZOO_NO_LOG_CLIENTENV);
    while (zh && !connected)
        turn();
    snprintf(path, sizeof path, "%s/proposal-", argv[2]);
    snprintf(json, sizeof json,
             "{\"candidateId\":\"%s\",\"hostname\":\"peer\",\"pid\":\"%ld\",\"sessionTimeout\":\"%gs\"}", argv[3],
             (long)getpid(), atoi(argv[4]) / 1000.0);
    if (!zh || wait_for(zoo_acreate(zh, path, json, (int)strlen(json), &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL_SEQUENTIAL,
                                    on_string, NULL)) != ZOK)
        return 2;
    const char *own = strrchr(created, '/') + 1;
    tell("stands %s", own);
    if (queue_wait(argv[2], own))
        lead(argv[2], own, argv[3], atoi(argv[4]));
    tell("broken");
    return 1;
}
