/* crowd - many candidates in one process, and what they cost.
 *
 *     crowd SERVERS COUNT TIMEOUT_MS IDLE_S
 *
 * Opens COUNT memberships in one poll() loop and prints a line for each of these: all have
 * joined; IDLE_S seconds in which nothing happens; a reconnect, for which the caller restarts
 * the server, and its end: nothing is read any more. What moved is counted where the
 * client library sends and receives, with a line for each kind of request.
 */
#define _DEFAULT_SOURCE
#include "../ballot.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define DESCRIPTORS 65536
#define XIDS 16 /* of requests on their way, over one connection */

enum { TYPES = 128, CONNECT = 0, OTHER = 127 };

static const char *const type_names[TYPES] = {
    [CONNECT] = "connect", [1] = "create", [2] = "delete", [3] = "exists", [4] = "read", [5] = "set", [8] = "list",
    [9] = "sync", [11] = "ping", [12] = "list with Stat", [14] = "transaction", [101] = "watches again",
    [105] = "watches again", [OTHER] = "events",
};

static struct { uint64_t count, sent, received; } traffic[TYPES];
static struct { uint32_t xid; unsigned char type; } asked[DESCRIPTORS][XIDS];
static unsigned char sending[DESCRIPTORS], receiving[DESCRIPTORS]; /* the type of the present frame */
static uint64_t rounds;
static int64_t read_at; /* when something other than what goes on all the time was sent last */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint32_t number_at(const void *bytes)
{
    uint32_t n;
    memcpy(&n, bytes, sizeof n);
    return ntohl(n);
}

/* Pings, looks at the base, syncs and transactions go on all the time. */
static void frame_sent(int fd, const void *bytes)
{
    uint32_t xid = number_at(bytes), type = number_at((const char *)bytes + 4);
    sending[fd] = (unsigned char)(xid == 0 ? CONNECT : type < OTHER ? type : OTHER);
    asked[fd][xid % XIDS].xid = xid;
    asked[fd][xid % XIDS].type = sending[fd];
    traffic[sending[fd]].count++;
    if (sending[fd] != 11 && sending[fd] != 3 && sending[fd] != 9 && sending[fd] != 14)
        read_at = now_ms();
}

/* The library sends and receives a frame's length alone, then the rest. */
ssize_t send(int fd, const void *bytes, size_t count, int flags)
{
    if (count > sizeof(uint32_t) * 2)
        frame_sent(fd, bytes);
    ssize_t n = sendto(fd, bytes, count, flags, NULL, 0);
    traffic[sending[fd]].sent += n > 0 ? (size_t)n : 0;
    return n;
}

ssize_t recv(int fd, void *bytes, size_t count, int flags)
{
    ssize_t n = recvfrom(fd, bytes, count, flags, NULL, NULL);
    if (n >= 16) {
        uint32_t xid = number_at(bytes);
        receiving[fd] = asked[fd][xid % XIDS].xid == xid ? asked[fd][xid % XIDS].type : OTHER;
    }
    traffic[receiving[fd]].received += n > 0 ? (size_t)n : 0;
    return n;
}

struct member {
    ballot *b;
    struct pollfd slots[BALLOT_POLLFDS];
    int count;
    int64_t due; /* ms; to be prepared again */
};

static struct member *members;
static struct pollfd *slots;
static struct member **owners; /* of the slots */
static size_t count;

static void members_prepare(int64_t now)
{
    for (size_t i = 0; i < count; i++) {
        struct member *m = &members[i];
        if (m->due > now)
            continue;
        int timeout = 60000;
        m->count = ballot_prepare(m->b, m->slots, BALLOT_POLLFDS, &timeout);
        m->due = now_ms() + timeout;
        rounds++;
    }
}

static void members_round(void)
{
    size_t filled = 0;
    int64_t now = now_ms(), due = now + 100;
    members_prepare(now);
    for (size_t i = 0; i < count; i++) {
        due = members[i].due < due ? members[i].due : due;
        for (int s = 0; s < members[i].count; s++) {
            owners[filled] = &members[i];
            slots[filled++] = members[i].slots[s];
        }
    }
    now = now_ms();
    poll(slots, filled, due > now ? (int)(due - now) : 0);
    for (size_t i = 0; i < filled; i++)
        if (slots[i].revents) {
            ballot_dispatch(owners[i]->b, &slots[i], 1);
            owners[i]->due = 0;
        }
}

static size_t members_in(enum ballot_role role)
{
    size_t in = 0;
    for (size_t i = 0; i < count; i++) {
        struct ballot_status s;
        ballot_status(members[i].b, &s);
        in += s.connected && s.role == role;
    }
    return in;
}

static bool complete(void)
{
    return members_in(BALLOT_LEADER) == 1 && members_in(BALLOT_FOLLOWER) == count - 1;
}

static void report(const char *what, int64_t ms)
{
    uint64_t sent = 0, received = 0;
    for (size_t t = 0; t < TYPES; t++) {
        sent += traffic[t].sent;
        received += traffic[t].received;
    }
    printf("%s ms=%" PRId64 " bytes=%" PRIu64 " rounds=%" PRIu64 "\n", what, ms, sent + received, rounds);
    for (size_t t = 0; t < TYPES; t++)
        if (traffic[t].count || traffic[t].received)
            printf("  %s count=%" PRIu64 " sent=%" PRIu64 " received=%" PRIu64 "\n",
                type_names[t] ? type_names[t] : "other",
                   traffic[t].count, traffic[t].sent, traffic[t].received);
    fflush(stdout);
    memset(traffic, 0, sizeof traffic);
    rounds = 0;
}

/* Until all stand and nothing was read for two seconds; returns when the last was. */
static int64_t settle(void)
{
    read_at = now_ms();
    while (now_ms() < read_at + 2000 || !complete())
        members_round();
    return read_at;
}

static int64_t run(int64_t ms)
{
    int64_t until = now_ms() + ms;
    while (now_ms() < until)
        members_round();
    return ms;
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    if (argc < 5)
        return 2;
    count = strtoul(argv[2], NULL, 10);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    setrlimit(RLIMIT_NOFILE, &limit);
    members = calloc(count, sizeof *members);
    slots = calloc(count * BALLOT_POLLFDS, sizeof *slots);
    owners = calloc(count * BALLOT_POLLFDS, sizeof *owners);
    if (!members || !slots || !owners)
        return 1;
    const struct ballot_config config = { .servers = argv[1], .base_path = "/crowd", .candidate_id = "crowd",
        .timeout_ms = atoi(argv[3]) };
    int64_t began = now_ms();
    for (size_t i = 0; i < count; i++) {
        if (ballot_open(&members[i].b, &config) != BALLOT_OK)
            return 1;
        ballot_stand(members[i].b);
    }
    report("joined", settle() - began);
    report("idle", run(1000 * atoi(argv[4])));
    while (complete())
        members_round();
    began = now_ms();
    while (members_in(BALLOT_FOLLOWER) + members_in(BALLOT_LEADER) == 0)
        members_round();
    began = now_ms();
    report("reconnected", settle() - began);
    for (size_t i = 0; i < count; i++)
        ballot_close(members[i].b);
    return 0;
}
