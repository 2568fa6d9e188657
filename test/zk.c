/* zk - a ZooKeeper client for the tests: one request a run.
 *
 *     zk HOST:PORT ls|get|stat|rm|seal PATH           (seal: no client may read it)
 *     zk HOST:PORT set|create|ephemeral PATH DATA     ("-": standard input)
 *     zk HOST:PORT acl PATH LIST        as zkCli.sh has it: world:anyone:cdrwa,digest:USER:HASH:r
 *     zk HOST:PORT crowd BASE COUNT     that many candidates in one session
 *     zk HOST:PORT litter PREFIX COUNT  that many persistent nodes, PREFIX0000000000 and so on
 *
 * `ephemeral` and `crowd` stay until they are killed. Exit status 0, 1 (refused: the reason on
 * stderr), 2 (no answer in 5 s).
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

static bool connected, done;
static int result;

static void on_event(zhandle_t *zh, int type, int state, const char *path, void *context)
{
    (void)zh, (void)path, (void)context;
    connected = connected || (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE);
}

static void finish(int rc)
{
    done = true;
    result = rc;
    if (rc != ZOK)
        fprintf(stderr, "%s\n", zerror(rc));
}

static void on_list(int rc, const struct String_vector *names, const void *data)
{
    (void)data;
    for (int32_t i = 0; rc == ZOK && i < names->count; i++)
        puts(names->data[i]);
    finish(rc);
}

static void on_data(int rc, const char *value, int length, const struct Stat *stat, const void *data)
{
    (void)stat, (void)data;
    if (rc == ZOK && length > 0)
        fwrite(value, 1, (size_t)length, stdout);
    finish(rc);
}

static void on_stat(int rc, const struct Stat *stat, const void *data)
{
    (void)data;
    if (rc == ZOK)
        printf("version=%d czxid=%" PRId64 " mzxid=%" PRId64 " owner=0x%" PRIx64 " length=%d mtime=%" PRId64 "\n",
            stat->version,
               stat->czxid, stat->mzxid, stat->ephemeralOwner, stat->dataLength, stat->mtime);
    finish(rc);
}

static void on_void(int rc, const void *data)
{
    (void)data;
    finish(rc);
}

static void on_string(int rc, const char *value, const void *data)
{
    (void)data;
    if (rc == ZOK) {
        puts(value);
        fflush(stdout);
    }
    finish(rc);
}

static int crowd_left;

static void on_crowd(int rc, const char *value, const void *data)
{
    (void)data;
    if (--crowd_left == 0 || rc != ZOK)
        on_string(rc, value, NULL);
}

static int crowd(zhandle_t *zh, const char *base)
{
    char path[1024], json[512];
    snprintf(path, sizeof path, "%s/proposal-", base);
    for (int i = 0, rc = ZOK, count = crowd_left; i < count; i++) {
        int n = snprintf(json, sizeof json,
                         "{\"candidateId\":\"crowd-%d\",\"hostname\":\"host-%d\",\"pid\":\"%d\",\"proposalTime\":"
                         "\"2026-01-07 13:40:17.537208 -0800 PST m=+1.119309658\",\"proposalNode\":\"\","
                         "\"sessionTimeout\":\"5s\"}", i, i, i);
        rc = zoo_acreate(zh, path, json, n, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL_SEQUENTIAL, on_crowd, NULL);
        if (rc != ZOK)
            return rc;
    }
    return ZOK;
}

static int litter(zhandle_t *zh, const char *prefix)
{
    char path[1024];
    int rc = ZOK;
    for (int i = 0, count = crowd_left; i < count && rc == ZOK; i++) {
        snprintf(path, sizeof path, "%s%010d", prefix, i);
        rc = zoo_acreate(zh, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, on_crowd, NULL);
    }
    return rc;
}

/* SCHEME:ID:RIGHTS,... with at most 8 entries. */
static int set_acl(zhandle_t *zh, const char *path, const char *text)
{
    static char copy[1024];
    struct ACL entries[8];
    struct ACL_vector list = { 0, entries };
    snprintf(copy, sizeof copy, "%s", text);
    for (char *entry = strtok(copy, ","); entry && list.count < 8; entry = strtok(NULL, ",")) {
        char *id = strchr(entry, ':'), *rights = strrchr(entry, ':');
        if (!id || rights == id)
            return ZBADARGUMENTS;
        *id++ = *rights++ = '\0';
        int32_t perms = (strchr(rights, 'r') ? ZOO_PERM_READ : 0) | (strchr(rights, 'w') ? ZOO_PERM_WRITE : 0) |
                        (strchr(rights, 'c') ? ZOO_PERM_CREATE : 0) | (strchr(rights, 'd') ? ZOO_PERM_DELETE : 0) |
                        (strchr(rights, 'a') ? ZOO_PERM_ADMIN : 0);
        entries[list.count++] = (struct ACL){ perms, { entry, id } };
    }
    return zoo_aset_acl(zh, path, -1, &list, on_void, NULL);
}

static int ask(zhandle_t *zh, const char *what, const char *path, const char *data, int length)
{
    if (!strcmp(what, "ls"))
        return zoo_aget_children(zh, path, 0, on_list, NULL);
    if (!strcmp(what, "get"))
        return zoo_aget(zh, path, 0, on_data, NULL);
    if (!strcmp(what, "stat"))
        return zoo_aexists(zh, path, 0, on_stat, NULL);
    if (!strcmp(what, "rm"))
        return zoo_adelete(zh, path, -1, on_void, NULL);
    if (!strcmp(what, "set"))
        return zoo_aset(zh, path, data, length, -1, on_stat, NULL);
    if (!strcmp(what, "seal"))
        return set_acl(zh, path, "world:anyone:a");
    if (!strcmp(what, "acl"))
        return set_acl(zh, path, data);
    if (!strcmp(what, "crowd") || !strcmp(what, "litter")) {
        crowd_left = atoi(data);
        return (strcmp(what, "crowd") ? litter : crowd)(zh, path);
    }
    int mode = strcmp(what, "ephemeral") ? 0 : ZOO_EPHEMERAL;
    return zoo_acreate(zh, path, data, length, &ZOO_OPEN_ACL_UNSAFE, mode, on_string, NULL);
}

static void turn(zhandle_t *zh)
{
    int fd = -1, events = 0;
    struct timeval tv = { 0, 10000 };
    struct pollfd slot = { .fd = -1 };
    if (zookeeper_interest(zh, &fd, &events, &tv) == ZOK && fd >= 0)
        slot = (struct pollfd){ fd,
            (short)((events & ZOOKEEPER_READ ? POLLIN : 0) | (events & ZOOKEEPER_WRITE ? POLLOUT : 0)), 0 };
    if (poll(&slot, 1, (int)(tv.tv_sec * 1000 + tv.tv_usec / 1000) % 1000 + 1) > 0)
        zookeeper_process(zh,
            (slot.revents & POLLOUT ? ZOOKEEPER_WRITE : 0) | (slot.revents & ~POLLOUT ? ZOOKEEPER_READ : 0));
}

int main(int argc, char **argv)
{
    static char input[2000000];
    if (argc < 4)
        return 2;
    const char *data = argc > 4 ? argv[4] : "";
    int length = (int)strlen(data);
    if (!strcmp(data, "-")) {
        length = (int)fread(input, 1, sizeof input, stdin);
        data = input;
    }
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    zhandle_t *zh = zookeeper_init(argv[1], on_event, 5000, NULL, NULL, ZOO_NO_LOG_CLIENTENV);
    time_t limit = time(NULL) + 5;
    bool asked = false;
    bool stays = !strcmp(argv[2], "ephemeral") || !strcmp(argv[2], "crowd");
    while (zh && (!done || (result == ZOK && stays)) && (time(NULL) < limit || done)) {
        turn(zh);
        if (connected && !asked)
            asked = ask(zh, argv[2], argv[3], data, length) == ZOK;
    }
    if (zh)
        zookeeper_close(zh);
    return done ? result != ZOK : 2;
}
