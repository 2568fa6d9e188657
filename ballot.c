/* ballot - runs a command on one of many machines
 *
 *     ballot run once --candidate-id NAME -- COMMAND [ARG...]
 *     ballot run cron --candidate-id NAME --schedule SPEC -- COMMAND [ARG...]
 *
 * Every machine starts the same command line. The processes elect a leader through ZooKeeper; the leader
 * runs COMMAND, the others wait. Where its process dies, another takes over in milliseconds; where its
 * machine dies, after the session timeout. With on-disconnect=keep, the default, a leader that is cut off
 * alone and its successor may both run COMMAND until the first is back in contact; if at most one may run,
 * use on-disconnect=stop, or check the fencing token.
 *
 * The election in a dozen lines. T is the session timeout.
 *
 *   A candidate adds an ephemeral sequential node below the election's base node: its proposal. The base
 *   holds the leader's heartbeat; if it is empty, there is no leader. The candidate with the lowest proposal
 *   may claim: one transaction checks that the proposal still exists and writes the candidate's heartbeat
 *   into the base, if the base has not changed since it was read. The leader repeats that transaction every
 *   T/5. Once one is acknowledged, a lease of 2/3 T counts from the moment at which it was sent; a command is
 *   started only under a lease (exceptions: goes_on_alone(), run-anyway). To resign, one transaction empties the
 *   base and deletes the proposal, after the command and all that it started are dead. If the base names a
 *   proposal that is gone, because its candidate crashed or is cut off, the base may be claimed after a silence
 *   that outlasts that lease. If an answer is lost, the nodes are read again before anything depends on them.
 *
 * A ballot is two processes. The candidate talks to ZooKeeper and decides. Its guard owns the command, and
 * ends it when the candidate says so, before the lease runs out (on-disconnect=stop), or when the candidate is
 * gone: in that case the guard also resigns in the candidate's name.
 *
 *   Ground     clocks, text, durations, descriptors
 *   JSON       writing strings, reading one field of a foreign object
 *   Cron       when is the next activation; time zones; a library of its own
 *   Moments    wall times, written; read by the program alone
 *   Timing     the deadlines, as parts of T, in one table
 *   Client     one session with a ZooKeeper ensemble, driven by poll()
 *   Election   the rules; a library: see ballot.h
 *   -- the program --
 *   Settings   tables: commands, settings, their types; flags, environment, file
 *   Log        lines, and the queues in front of stdout and stderr
 *   Signals    the pipe that they arrive through
 *   Subtree    the descendants of a process: finding, ending, reaping them
 *   Guard      the process that owns the command; its last will
 *   Schedule   which activation is due, and the run record
 *   Agent      what should be true now, and making it so
 *   Viewer     reading an election without standing: by Client alone
 *   Report     `info`: YAML, JSON, a table
 *   Watch      a line for each change
 *   Step-down  asking the leader to hand over
 *   Commands   `config`, `next`, and the array of all; their rows are in Settings
 *   Help       usage, man page, example file, completion, from the tables
 *   Main       the words of the command line. Start reading here, from the end
 *
 * Switches: BALLOT_NO_MAIN (the library alone), BALLOT_NO_ENTRY (all but main() itself, for programs that call
 * ballot_main()), BALLOT_NO_ELECTION (Cron alone, without ZooKeeper), BALLOT_API (linkage). ballot.h says more.
 *
 * Copyright 2026 the ballot authors. Licensed under the Apache License 2.0.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "ballot.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef BALLOT_NO_ELECTION
#include <zookeeper/zookeeper.h>
#include <zookeeper/zookeeper_version.h>
#endif

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#ifndef BALLOT_NO_MAIN
#include <ini.h>
#ifndef INIH_VERSION /* its header does not say */
#define INIH_VERSION "of unknown version"
#endif
#endif

#ifdef SIGRTMAX
#define SIGNAL_LAST SIGRTMAX
#else
#define SIGNAL_LAST 31
#endif

/* ---------------------------------------------------------------------------
 * Ground: clocks, text, durations, descriptors
 * ------------------------------------------------------------------------ */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef int64_t nanos; /* a moment of clock_now(), or a span; in nanoseconds */

#define MICROSECOND ((nanos)1000)
#define MILLISECOND (1000 * MICROSECOND)
#define SECOND      (1000 * MILLISECOND)
#define MINUTE      (60 * SECOND)
#define HOUR        (60 * MINUTE)
#define NEVER       INT64_MAX

static const char *const errors[] = {
    [BALLOT_OK] = "no error",
    [BALLOT_ENOMEM] = "out of memory",
    [BALLOT_EPATH] = "not an absolute znode path below the root",
    [BALLOT_ESERVER] = "not a list of host, host:port or [v6]:port",
    [BALLOT_EID] = "empty or too long a candidate id",
    [BALLOT_ETIMEOUT] = "not a session timeout from 1ms to 298h",
    [BALLOT_EAUTH] = "not an identity of the form digest:USER:PASSWORD",
    [BALLOT_ESCHEDULE] = "not a schedule",
    [BALLOT_EZONE] = "no time zone of that name",
    [BALLOT_EZONEFILE] = "a time zone's file that is damaged, too large, or counts leap seconds",
};

BALLOT_API const char *ballot_strerror(int error)
{
    return error >= 0 && (size_t)error < COUNT(errors) ? errors[error] : "unknown error";
}

/* Text that grows in a fixed buffer; what does not fit is cut, never overrun. Always NUL terminated. */
struct text {
    char *data;
    size_t size; /* of the buffer   */
    size_t length;
    bool cut;    /* something did not fit */
};

static struct text text_in(char *buffer, size_t size)
{
    buffer[0] = '\0';
    return (struct text){ buffer, size, 0, false };
}

#define TEXT_IN(array) text_in(array, sizeof(array))

static void text_bytes(struct text *t, const char *bytes, size_t count)
{
    size_t room = t->size - 1 - t->length;
    if (count > room) {
        count = room;
        t->cut = true;
    }
    memcpy(t->data + t->length, bytes, count);
    t->length += count;
    t->data[t->length] = '\0';
}

static void text_vformat(struct text *t, const char *format, va_list args)
{
    size_t room = t->size - t->length;
    int n = vsnprintf(t->data + t->length, room, format, args);
    if (n < 0)
        return;
    t->cut = t->cut || (size_t)n >= room;
    t->length += (size_t)n >= room ? room - 1 : (size_t)n;
}

static void __attribute__((format(printf, 2, 3))) text_format(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_vformat(t, format, args);
    va_end(args);
}

/* Reads the UTF-8 sequence at `p`; returns its length, or 0 and U+FFFD if it is not valid
 * (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). */
static size_t utf8_read(const char *p, size_t left, unsigned *character)
{
    static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 }; /* of a sequence of that length */
    unsigned c = (unsigned char)*p;
    size_t n = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 0;
    *character = 0xfffd;
    if (n == 0 || n > left)
        return 0;
    c &= n == 1 ? 0x7f : 0x7fu >> n;
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    }
    if (c < least[n] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
        return 0;
    *character = c;
    return n;
}

/* Durations as Go writes them: time.ParseDuration, Duration.String.
 *
 *     duration = [sign] ( "0" | { decimal unit } )
 *     unit     = "ns" | "us" | "\u00b5s" | "\u03bcs" | "ms" | "s" | "m" | "h"
 */
static const struct { const char *name; nanos length; } duration_units[] = {
    { "ns", 1 }, { "us", MICROSECOND }, { "\xc2\xb5s", MICROSECOND }, { "\xce\xbcs", MICROSECOND },
    { "ms", MILLISECOND }, { "s", SECOND }, { "m", MINUTE }, { "h", HOUR },
};

/* Reads the unit at *p and moves *p behind it; 0: there is none. */
static nanos duration_unit(const char **p)
{
    for (size_t i = 0; i < COUNT(duration_units); i++) {
        size_t n = strlen(duration_units[i].name);
        if (!strncmp(*p, duration_units[i].name, n)) {
            *p += n;
            return duration_units[i].length;
        }
    }
    return 0;
}

static const uint64_t DURATION_MOST = UINT64_C(1) << 63; /* without the sign: a negative one goes so far */

/* Reads digits at *at as a number; false: more than fits. */
static inline bool duration_digits(const char **at, uint64_t *number)
{
    const char *p = *at;
    uint64_t value = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (value >= DURATION_MOST / 10 && value > (DURATION_MOST - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *at = p;
    *number = value;
    return true;
}

/* Adds the "1.5h" at *p to *sum. */
static bool duration_part(const char **p, uint64_t *sum)
{
    const char *start = *p;
    uint64_t whole;
    if (!duration_digits(p, &whole))
        return false;
    const char *fraction = *p;
    if (**p == '.')
        *p += 1 + strspn(*p + 1, "0123456789");
    if (*p == start || (*p == start + 1 && *start == '.'))
        return false;
    uint64_t unit = (uint64_t)duration_unit(p);
    if (unit == 0 || whole > (DURATION_MOST - *sum) / unit)
        return false;
    uint64_t total = *sum + whole * unit, place = unit;
    if (*fraction == '.')
        for (fraction++; isdigit((unsigned char)*fraction) && place > 0; fraction++) {
            place /= 10;
            total += place * (uint64_t)(*fraction - '0');
        }
    *sum = total;
    return total <= DURATION_MOST;
}

/* Reads all of `string`; false: it is no duration, or does not fit. */
static bool duration_parse(const char *string, nanos *out)
{
    const char *p = string;
    uint64_t sum = 0;
    bool negative = *p == '-';
    p += negative || *p == '+';
    *out = 0;
    if (!strcmp(p, "0"))
        return true;
    if (*p == '\0')
        return false;
    while (*p)
        if (!duration_part(&p, &sum))
            return false;
    *out = (nanos)(negative ? -sum : sum);
    return negative || sum < DURATION_MOST;
}

#ifndef BALLOT_NO_ELECTION /* up to Cron: what it has no use for */

/* A lease must count suspended time: CLOCK_MONOTONIC stands still meanwhile. */
#ifdef CLOCK_BOOTTIME
#define CLOCK_LEASE CLOCK_BOOTTIME
#else
#define CLOCK_LEASE CLOCK_MONOTONIC
#endif

/* So many units since 1970. A clock may say anything: from 1955 to 2233, differences fit into nanos. */
static nanos clock_limit(int64_t count, nanos unit)
{
    const nanos least = -(NEVER / 20) / unit, most = NEVER / 10 * 9 / unit;
    return (count < least ? least : count > most ? most : count) * unit;
}

static nanos clock_read(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return clock_limit(t.tv_sec, SECOND) + t.tv_nsec;
}

static nanos clock_now(void)
{
    return clock_read(CLOCK_LEASE);
}

/* The wall clock less the steady one: nothing but setting the clock changes it.
 * What passes between the two readings may make it too small, never too large. */
static nanos clock_shift(void)
{
    nanos wall = clock_read(CLOCK_REALTIME);
    return wall - clock_now();
}

static nanos nanos_min(nanos a, nanos b)
{
    return a < b ? a : b;
}

static nanos nanos_max(nanos a, nanos b)
{
    return a > b ? a : b;
}

/* Milliseconds for poll() until `when`: rounded up, so that it is due then. */
static int poll_timeout(nanos when, nanos now)
{
    if (when == NEVER)
        return -1;
    return (int)nanos_min((nanos_max(when - now, 0) + MILLISECOND - 1) / MILLISECOND, INT_MAX);
}

static void text_string(struct text *t, const char *string)
{
    text_bytes(t, string, strlen(string));
}

/* Copies a string into a buffer of `size` bytes; what does not fit is cut. */
static void string_copy(char *to, size_t size, const char *from)
{
    struct text t = text_in(to, size);
    text_string(&t, from);
}

#define STRING_COPY(array, from) string_copy(array, sizeof(array), from)

/* Overwrites what is secret with `by`. The stores are volatile: a memset() in front of
 * free(), or at the end of a function, is one that compilers leave out. */
static void secret_erase(char *secret, size_t count, char by)
{
    for (volatile char *p = secret; count > 0; count--)
        *p++ = by;
}

/* As free(), of a string that may be secret. */
static void secret_free(char *secret)
{
    if (secret)
        secret_erase(secret, strlen(secret), '\0');
    free(secret);
}

struct short_text { char data[64]; };

/* "1.5ms" for 1500000: no needless zeros. */
static void duration_decimal(struct text *t, nanos value, nanos unit, const char *name)
{
    nanos rest = value % unit;
    text_format(t, "%" PRId64 "%s", value / unit, rest ? "." : "");
    for (nanos place = unit / 10; rest; rest %= place, place /= 10)
        text_format(t, "%d", (int)(rest / place));
    text_string(t, name);
}

static struct short_text duration_string(nanos value)
{
    struct short_text out = { "" };
    struct text t = TEXT_IN(out.data);
    if (value < 0) {
        text_string(&t, "-");
        value = value == INT64_MIN ? INT64_MAX : -value;
    }
    if (value == 0)
        text_string(&t, "0s");
    else if (value < MICROSECOND)
        text_format(&t, "%" PRId64 "ns", value);
    else if (value < MILLISECOND)
        duration_decimal(&t, value, MICROSECOND, "\xc2\xb5s");
    else if (value < SECOND)
        duration_decimal(&t, value, MILLISECOND, "ms");
    else {
        if (value >= HOUR)
            text_format(&t, "%" PRId64 "h", value / HOUR);
        if (value >= MINUTE)
            text_format(&t, "%" PRId64 "m", value / MINUTE % 60);
        duration_decimal(&t, value % MINUTE, SECOND, "s");
    }
    return out;
}

/* As people read it: no finer than a millisecond. */
static struct short_text duration_round(nanos value)
{
    return duration_string((value + MILLISECOND / 2) / MILLISECOND * MILLISECOND);
}

/* No command inherits it. */
static void fd_private(int fd)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0)
        fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A pipe that no command inherits; false: errno says why. */
static bool fd_pipe(int ends[2])
{
    if (pipe(ends) != 0) {
        ends[0] = ends[1] = -1;
        return false;
    }
    fd_private(ends[0]);
    fd_private(ends[1]);
    return true;
}

/* Closes every descriptor from 3 on but `spared` (-1: none). /dev/fd names them all; where it cannot be read
 * (no /proc, or a process that is not dumpable), the lowest ones, among which ballot's own always are. */
static void fd_close_all(int spared)
{
    DIR *folder = opendir("/dev/fd");
    if (!folder) {
        for (int fd = 3; fd < 1024; fd++)
            if (fd != spared)
                close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        int fd = atoi(entry->d_name);
        if (fd > 2 && fd != spared && fd != dirfd(folder))
            close(fd);
    }
    closedir(folder);
}

static bool fd_ready(int fd, short events)
{
    struct pollfd one = { .fd = fd, .events = events };
    return poll(&one, 1, 0) > 0 && (one.revents & (events | POLLHUP | POLLERR));
}

/* ---------------------------------------------------------------------------
 * JSON (RFC 8259): writing strings, reading one field of a foreign object
 * ------------------------------------------------------------------------ */

/* Returns whether a character acts on a terminal, ends a line for some reader, turns the direction of
 * writing, or may not stand in YAML. */
static bool character_special(unsigned c)
{
    bool control = c < 0x20 || (c >= 0x7f && c < 0xa0), line = c == 0x2028 || c == 0x2029;
    bool turns = c == 0x61c || c == 0x200e || c == 0x200f ||
                 (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    return control || line || turns || c == 0xfeff || c == 0xfffe || c == 0xffff;
}

static void json_special(struct text *t, unsigned c)
{
    static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
    const char *found = c && c < 0x80 ? strchr(from, (int)c) : NULL;
    if (found)
        text_format(t, "\\%c", to[found - from]);
    else
        text_format(t, "\\u%04x", c);
}

static bool json_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Any bytes as a JSON string, which is a YAML string too; a byte that is not UTF-8 becomes U+FFFD. */
static void json_string(struct text *t, const char *bytes, size_t count)
{
    text_string(t, "\"");
    for (size_t i = 0, n; i < count; i += n) {
        for (n = 0; i + n < count && json_plain(bytes[i + n]); n++)
            ;
        text_bytes(t, bytes + i, n);
        if ((i += n) == count)
            break;
        unsigned c;
        n = utf8_read(bytes + i, count - i, &c);
        n = n ? n : 1;
        if (c == 0xfffd || c == '"' || c == '\\' || character_special(c))
            json_special(t, c);
        else
            text_bytes(t, bytes + i, n);
    }
    text_string(t, "\"");
}

/* Adds "name":"value" to an object that text_string(t, "{") began. */
static void json_field(struct text *t, const char *name, const char *value)
{
    if (t->length && t->data[t->length - 1] != '{')
        text_string(t, ",");
    json_string(t, name, strlen(name));
    text_string(t, ":");
    json_string(t, value, strlen(value));
}

/* What is being read: foreign bytes, not NUL terminated. */
struct json {
    const char *at, *end;
};

static void json_space(struct json *j)
{
    while (j->at < j->end && strchr(" \t\r\n", *j->at) && *j->at)
        j->at++;
}

static bool json_take(struct json *j, char c)
{
    json_space(j);
    if (j->at >= j->end || *j->at != c)
        return false;
    j->at++;
    return true;
}

/* Reads the four digits of \uXXXX; -1: they are not there. */
static int json_hex(struct json *j)
{
    char digits[5] = "";
    memcpy(digits, j->at, j->end - j->at < 4 ? 0 : 4);
    if (strspn(digits, "0123456789abcdefABCDEF") != 4)
        return -1;
    j->at += 4;
    return (int)strtol(digits, NULL, 16);
}

/* Adds a character in UTF-8. Foreign text: messages use text_visible(), columns text_cell(), data json_string(). */
static void text_character(struct text *t, unsigned c)
{
    if (c == 0 || (c >= 0xd800 && c <= 0xdfff))
        c = 0xfffd; /* no NUL in a C string, no half of a pair */
    char utf8[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        utf8[i] = (char)(0x80 | (c & 0x3f));
    utf8[0] = (char)(n == 1 ? c : (0xf00u >> n & 0xf0u) | c);
    text_bytes(t, utf8, n);
}

/* Behind the backslash of an escape. */
static bool json_escape(struct json *j, struct text *t)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (j->at >= j->end)
        return false;
    char c = *j->at++;
    if (c != 'u') {
        const char *found = c ? strchr(from, c) : NULL;
        if (found)
            text_bytes(t, to + (found - from), 1);
        return found != NULL;
    }
    int unit = json_hex(j);
    if (unit < 0)
        return false;
    unsigned c32 = (unsigned)unit;
    if (c32 >= 0xd800 && c32 < 0xdc00 && j->end - j->at >= 6 && j->at[0] == '\\' && j->at[1] == 'u') {
        struct json low = { j->at + 2, j->end };
        int second = json_hex(&low);
        if (second >= 0xdc00 && second < 0xe000) {
            c32 = 0x10000 + ((c32 - 0xd800) << 10) + ((unsigned)second - 0xdc00);
            j->at = low.at;
        }
    }
    text_character(t, c32);
    return true;
}

/* Reads a string into `t`; false: there is none, or it does not end. */
static bool json_read_string(struct json *j, struct text *t)
{
    if (!json_take(j, '"'))
        return false;
    while (j->at < j->end) {
        char c = *j->at++;
        if (c == '"')
            return true;
        if (c == '\0')
            return false;
        if (c != '\\')
            text_bytes(t, &c, 1);
        else if (!json_escape(j, t))
            return false;
    }
    return false;
}

/* Passes over one value of any kind without recursion: what is nested is only counted, so that depth costs nothing. */
static bool json_skip(struct json *j)
{
    long depth = 0;
    char scrap[2];
    do {
        json_space(j);
        if (j->at >= j->end)
            return false;
        char c = *j->at;
        if (c == '"') {
            struct text t = TEXT_IN(scrap);
            if (!json_read_string(j, &t))
                return false;
            continue;
        }
        j->at++;
        if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        else if (depth == 0) {
            if (c == ',' || c == ':')
                return false;
            while (j->at < j->end && !strchr(",}] \t\r\n", *j->at))
                j->at++;
        }
    } while (depth > 0);
    return depth == 0;
}

/* Goes to the value of the field `name` of an object; false: no object, or it has none. */
static bool json_find(struct json *j, const char *name)
{
    char key[64];
    if (!json_take(j, '{'))
        return false;
    do {
        struct text t = TEXT_IN(key);
        if (!json_read_string(j, &t) || !json_take(j, ':'))
            return false;
        if (!t.cut && !strcmp(key, name))
            return true;
        if (!json_skip(j))
            return false;
    } while (json_take(j, ','));
    return false;
}

/* Copies the string field `name` of the object in `bytes` (cut to `size` bytes)
 * to `out`. False: no object, no such field, not a string. */
static bool json_get(const char *bytes, size_t count, const char *name, char *out, size_t size)
{
    struct json j = { bytes, bytes + count };
    struct text value = text_in(out, size);
    return json_find(&j, name) && json_read_string(&j, &value);
}

/* For a message, in which a tab begins a field: see EVENT. */
static void string_plain(char *string)
{
    for (char *p = string; *p; p++)
        *p = (unsigned char)*p < 0x20 ? '?' : *p;
}

/* As json_get(), for a message. */
static bool json_get_plain(const char *bytes, size_t count, const char *name, char *out, size_t size)
{
    bool there = json_get(bytes, count, name, out, size);
    string_plain(out);
    return there;
}

static bool json_has(const char *bytes, size_t count, const char *name)
{
    struct json j = { bytes, bytes + count };
    return json_find(&j, name);
}

#endif /* BALLOT_NO_ELECTION */

/* ---------------------------------------------------------------------------
 * Cron: when is the next activation. ballot.h is this chapter's manual.
 *
 * Three parts: the calendar, time zones, schedules. All is pure but the reading of zone files. A moment is a count of
 * POSIX seconds; a `local` one is what the wall clock shows then, as the same count: moment + offset.
 * ------------------------------------------------------------------------ */

enum { MINUTE_SECONDS = 60, HOUR_SECONDS = 3600, DAY_SECONDS = 86400 };

/* --- the calendar: proleptic Gregorian, days from 1970-01-01 --------------- */

struct date {
    int64_t year;
    int month, day; /* both from 1 */
};

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Years count from March here, so that the leap day is the last of its year;
 * 400 years are 146097 days, and 719468 of them pass from 0000-03-01 to 1970. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = floor_divide(year, 400), of_era = year - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static struct date date_from_days(int64_t days)
{
    int64_t era = floor_divide(days + 719468, 146097);
    unsigned of_era = (unsigned)(days + 719468 - era * 146097);
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153;
    return (struct date){ era * 400 + year + (month >= 10), (int)(month < 10 ? month + 3 : month - 9),
                          (int)(of_year - (153 * month + 2) / 5 + 1) };
}

static bool year_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_length(int64_t year, int month)
{
    return month == 2 ? 28 + year_leap(year) : 30 + ((month + (month > 7)) & 1);
}

/* 0 is Sunday; 1970-01-01 was a Thursday. */
static int days_weekday(int64_t days)
{
    return (int)(days + 4 - floor_divide(days + 4, 7) * 7);
}

/* --- rules of summer time: what POSIX has in TZ, TZif files in their footer ---
 *
 *     rule   = name offset [ name [ offset ] [ "," date "," date ] ]
 *     name   = 3 or more letters | "<" 3 or more letters, digits, "+", "-" ">"
 *     offset = [ "+" | "-" ] hours [ ":" minutes [ ":" seconds ] ]
 *     date   = ( "J" day | day | "M" month "." week "." weekday ) [ "/" offset ]
 *
 * Offsets grow to the west, those in struct ballot_zone to the east. The time of
 * a date may be from -167 to 167 hours (RFC 8536, 3.3.1); J1-J365 never count 29
 * February, 0-365 do; week 5 is the last one. */

static bool rule_number(const char **p, int least, int most, int *value)
{
    const char *start = *p;
    for (*value = 0; isdigit((unsigned char)**p); (*p)++)
        if ((*value = *value * 10 + (**p - '0')) > most)
            return false;
    return *p > start && *value >= least;
}

static bool rule_take(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

/* Reads an offset or time of at most `hours`, as seconds with the sign as it stands. */
static bool rule_offset(const char **p, int hours, int32_t *seconds)
{
    int sign = rule_take(p, '-') ? -1 : 1, h, m = 0, s = 0;
    if (sign > 0)
        rule_take(p, '+');
    if (!rule_number(p, 0, hours, &h))
        return false;
    if (rule_take(p, ':') && (!rule_number(p, 0, 59, &m) || (rule_take(p, ':') && !rule_number(p, 0, 59, &s))))
        return false;
    *seconds = sign * (h * HOUR_SECONDS + m * MINUTE_SECONDS + s);
    return true;
}

static bool rule_name(const char **p)
{
    bool quoted = rule_take(p, '<');
    const char *start = *p;
    while (isalpha((unsigned char)**p) || (quoted && (isdigit((unsigned char)**p) || **p == '+' || **p == '-')))
        (*p)++;
    return *p - start >= 3 && (!quoted || rule_take(p, '>'));
}

static bool rule_date(const char **p, struct ballot_zone_date *d)
{
    *d = (struct ballot_zone_date){ .kind = **p == 'J' || **p == 'M' ? **p : '0', .time = 2 * HOUR_SECONDS };
    if (d->kind != '0')
        (*p)++;
    if (d->kind == 'M' && !(rule_number(p, 1, 12, &d->month) && rule_take(p, '.') &&
                            rule_number(p, 1, 5, &d->week) && rule_take(p, '.')))
        return false;
    if (!rule_number(p, d->kind == 'J', d->kind == 'M' ? 6 : 365, &d->day))
        return false;
    return !rule_take(p, '/') || rule_offset(p, 167, &d->time);
}

/* When the date comes in a year, on the wall clock that it ends. */
static int64_t rule_date_local(const struct ballot_zone_date *d, int64_t year)
{
    int64_t days = days_from_date(year, 1, 1) + d->day;
    if (d->kind == 'J')
        days -= d->day < 60 || !year_leap(year);
    if (d->kind == 'M') {
        days = days_from_date(year, d->month, 1);
        int day = (d->day - days_weekday(days) + 7) % 7 + 7 * (d->week - 1);
        days += day < month_length(year, d->month) ? day : day - 7;
    }
    return days * DAY_SECONDS + d->time;
}

/* Takes a whole rule; false: it is none, and *z is as it was but for the rule. */
static bool rule_parse(struct ballot_zone *z, const char *p)
{
    if (!rule_name(&p) || !rule_offset(&p, 24, &z->standard))
        return false;
    z->standard = -z->standard;
    z->summer = z->standard;
    if (!*p)
        return true;
    if (!rule_name(&p))
        return false;
    z->summer = z->standard + HOUR_SECONDS;
    if (*p && *p != ',') {
        if (!rule_offset(&p, 24, &z->summer))
            return false;
        z->summer = -z->summer;
    }
    if (!*p)
        p = ",M3.2.0,M11.1.0"; /* as libc has it */
    if (!rule_take(&p, ',') || !rule_date(&p, &z->begin) || !rule_take(&p, ',') || !rule_date(&p, &z->end) || *p)
        return false;
    z->over_new_year = rule_date_local(&z->end, 2001) < rule_date_local(&z->begin, 2001);
    return true;
}

/* --- zones: offset by moment --------------------------------------------------- */

/* A time without a change of offset. */
struct span {
    int64_t start, end;     /* start <= moment < end                           */
    int32_t offset, before; /* seconds east; `before` held just before `start` */
};

/* Before and after all: sums with an offset do not overflow. */
static const int64_t TIME_BEGIN = INT64_MIN / 2, TIME_END = INT64_MAX / 2;

/* The span by the rule alone: the year's summer, the one before, those after. Where a summer ends as the next begins (a
 * rule may have it all year), nothing changes there: `before` says so. */
static struct span zone_rule_span(const struct ballot_zone *z, int64_t at)
{
    struct span s = { TIME_BEGIN, TIME_END, z->standard, z->standard };
    if (z->standard == z->summer)
        return s;
    int64_t year = date_from_days(floor_divide(at + z->standard, DAY_SECONDS)).year - 1;
    for (int64_t last = year + 3; year <= last; year++) {
        int64_t begin = rule_date_local(&z->begin, year) - z->standard;
        int64_t end = rule_date_local(&z->end, year + z->over_new_year) - z->summer;
        if (at < begin) {
            s.end = begin;
            return s;
        }
        if (begin < end && at < end)
            return (struct span){ begin, end, z->summer, begin > s.start ? z->standard : z->summer };
        if (begin < end)
            s = (struct span){ end, TIME_END, z->standard, z->summer };
    }
    return s;
}

/* How many of the table's changes have come at a moment. */
static int zone_changes_until(const struct ballot_zone *z, int64_t at)
{
    int low = 0, high = z->count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (z->changes[middle] <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The offset when so many changes have come. */
static int32_t zone_table_offset(const struct ballot_zone *z, int changes)
{
    return changes > 0 ? z->offsets[changes - 1] : z->first;
}

static struct span zone_span(const struct ballot_zone *z, int64_t at)
{
    int last = z->count - 1;
    if (last >= 0 && at < z->changes[last]) {
        int n = zone_changes_until(z, at);
        return (struct span){ n > 0 ? z->changes[n - 1] : TIME_BEGIN, z->changes[n],
                              zone_table_offset(z, n), zone_table_offset(z, n - 1) };
    }
    struct span s = zone_rule_span(z, at);
    if (last >= 0 && s.start <= z->changes[last]) {
        s.start = z->changes[last];
        s.before = zone_table_offset(z, last);
    }
    return s;
}

BALLOT_API int32_t ballot_zone_offset(const struct ballot_zone *zone, int64_t at)
{
    return zone_span(zone, at).offset;
}

BALLOT_API void ballot_zone_utc(struct ballot_zone *zone)
{
    zone->count = 0;
    zone->first = zone->standard = zone->summer = 0;
}

/* --- zone files: TZif, RFC 8536 ---------------------------------------------------
 *
 *     file   = header block                         ; version 1: 4 byte times
 *            | header block header block footer     ; 2 and later: 8 byte times in the second
 *     header = "TZif" version 15-zeros isutcnt isstdcnt leapcnt timecnt typecnt charcnt
 *     block  = times indices types names leaps isstd isut
 *     footer = newline [ rule ] newline
 *
 * Numbers are big endian, counts have 4 bytes. The file is foreign input. */

enum { TZIF_HEADER = 44, TZIF_TYPE = 6, TZIF_MAX = 65536, TZIF_TYPES = 256 };
enum { OFFSET_LEAST = -89999, OFFSET_MOST = 93599 }; /* seconds: the range of RFC 8536, 3.2 */

struct tzif {
    const unsigned char *at; /* what is to be read next */
    size_t left;
    int version; /* 1 is written as 0 */
    uint64_t isuts, isstds, leaps, times, types, chars;
};

static int64_t tzif_number(const unsigned char *p, size_t width)
{
    uint64_t value = p[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | p[i];
    return (int64_t)value;
}

static void tzif_skip(struct tzif *f, size_t count)
{
    f->at += count;
    f->left -= count;
}

static uint64_t tzif_block_size(const struct tzif *f, size_t width)
{
    return f->times * (width + 1) + f->types * TZIF_TYPE + f->chars + f->leaps * (width + 4) + f->isstds + f->isuts;
}

/* Reads a header; false: it is none, or its block of such times is not all there. */
static bool tzif_header(struct tzif *f, size_t width)
{
    if (f->left < TZIF_HEADER || memcmp(f->at, "TZif", 4) != 0)
        return false;
    uint64_t *counts[] = { &f->isuts, &f->isstds, &f->leaps, &f->times, &f->types, &f->chars };
    for (size_t i = 0; i < COUNT(counts); i++)
        *counts[i] = (uint64_t)tzif_number(f->at + 20 + 4 * i, 4) & UINT32_MAX;
    f->version = f->at[4];
    tzif_skip(f, TZIF_HEADER);
    return tzif_block_size(f, width) <= f->left;
}

static bool tzif_types(const struct tzif *f, const unsigned char *p, int32_t *offsets)
{
    for (uint64_t i = 0; i < f->types; i++, p += TZIF_TYPE) {
        int64_t offset = tzif_number(p, 4);
        if (offset < OFFSET_LEAST || offset > OFFSET_MOST || p[4] > 1 || p[5] >= f->chars)
            return false;
        offsets[i] = (int32_t)offset;
    }
    return true;
}

/* Reads the block into the table, which need not have a rule then. */
static bool tzif_block(struct tzif *f, size_t width, struct ballot_zone *z)
{
    int32_t types[TZIF_TYPES];
    const unsigned char *index = f->at + f->times * width;
    if (f->types > TZIF_TYPES || f->chars == 0 || f->times > BALLOT_ZONE_CHANGES || f->leaps > 0)
        return false;
    if ((f->isuts > 0 && f->isuts != f->types) || (f->isstds > 0 && f->isstds != f->types))
        return false;
    if (f->types == 0 || !tzif_types(f, index + f->times, types))
        return false;
    for (size_t i = 0; i < f->times; i++) {
        z->changes[i] = tzif_number(f->at + i * width, width);
        if (z->changes[i] < TIME_BEGIN || z->changes[i] > TIME_END || (i > 0 && z->changes[i] <= z->changes[i - 1]) ||
            index[i] >= f->types)
            return false;
        z->offsets[i] = types[index[i]];
    }
    z->count = (int)f->times;
    z->first = types[0]; /* RFC 8536, 3.2: type 0 holds before the first change */
    z->standard = z->summer = zone_table_offset(z, z->count);
    tzif_skip(f, (size_t)tzif_block_size(f, width));
    return true;
}

/* Reads the rule that holds after the table; an empty one: nothing changes again. */
static bool tzif_footer(const struct tzif *f, struct ballot_zone *z)
{
    char rule[128];
    const unsigned char *end = f->left > 1 ? memchr(f->at + 1, '\n', f->left - 1) : NULL;
    if (!end || f->at[0] != '\n' || (size_t)(end - f->at) > sizeof rule)
        return false;
    size_t length = (size_t)(end - f->at) - 1;
    memcpy(rule, f->at + 1, length);
    rule[length] = '\0';
    return strlen(rule) == length && (length == 0 || rule_parse(z, rule));
}

/* False: these bytes are no sound TZif file; *z is of no use then. */
static bool tzif_read(struct ballot_zone *z, const void *data, size_t size)
{
    struct tzif f = { .at = data, .left = size };
    if (!tzif_header(&f, 4))
        return false;
    if (f.version == 0)
        return tzif_block(&f, 4, z);
    tzif_skip(&f, (size_t)tzif_block_size(&f, 4));
    return tzif_header(&f, 8) && tzif_block(&f, 8, z) && tzif_footer(&f, z);
}

/* --- zones by name ----------------------------------------------------------------- */

/* Reads a regular file of at most `size` bytes; -1: there is none. A larger one is cut, which no TZif file survives. */
static ssize_t zone_file_read(const char *path, unsigned char *data, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -1;
    struct stat info;
    size_t length = 0;
    ssize_t n = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? 1 : -1;
    while (n > 0 && length < size)
        if ((n = read(fd, data + length, size - length)) > 0)
            length += (size_t)n;
    close(fd);
    return n < 0 ? -1 : (ssize_t)length;
}

/* If it fails, the zone is UTC. */
static int zone_file_load(struct ballot_zone *z, const char *path)
{
    unsigned char data[TZIF_MAX];
    ssize_t size = zone_file_read(path, data, sizeof data);
    if (size >= 0 && tzif_read(z, data, (size_t)size))
        return BALLOT_OK;
    ballot_zone_utc(z);
    return size < 0 ? BALLOT_EZONE : BALLOT_EZONEFILE;
}

/* Looks for a name below TZDIR, else where systems keep their zones. */
static int zone_find(struct ballot_zone *z, const char *name)
{
    static const char *const usual[] = {
        "/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo",
    };
    const char *given = getenv("TZDIR");
    bool one = given && *given;
    int error = BALLOT_EZONE;
    for (size_t i = 0; error == BALLOT_EZONE && i < (one ? 1 : COUNT(usual)); i++) {
        char path[1024];
        int length = snprintf(path, sizeof path, "%s/%s", one ? given : usual[i], name);
        if (length > 0 && (size_t)length < sizeof path)
            error = zone_file_load(z, path);
    }
    return error;
}

BALLOT_API int ballot_zone_load(struct ballot_zone *zone, const char *name)
{
    ballot_zone_utc(zone);
    if (!*name || !strcmp(name, "UTC"))
        return BALLOT_OK;
    if (*name == '/' || *name == '\\' || strstr(name, ".."))
        return BALLOT_EZONE;
    return zone_find(zone, name);
}

/* The process's own zone is its operator's: any path, as libc has it. */
BALLOT_API int ballot_zone_local(struct ballot_zone *zone)
{
    const char *name = getenv("TZ");
    ballot_zone_utc(zone);
    if (!name) {
        int error = zone_file_load(zone, "/etc/localtime");
        return error == BALLOT_EZONE ? BALLOT_OK : error;
    }
    name += *name == ':';
    if (!*name || !strcmp(name, "UTC"))
        return BALLOT_OK;
    int error = *name == '/' ? zone_file_load(zone, name) : zone_find(zone, name);
    if (error == BALLOT_OK)
        return BALLOT_OK;
    if (rule_parse(zone, name))
        error = BALLOT_OK;
    else
        ballot_zone_utc(zone);
    zone->first = zone->standard;
    return error;
}

/* --- schedules: parsing ---------------------------------------------------------------
 *
 *     spec     = [ ( "TZ=" | "CRON_TZ=" ) zone " " ] ( descriptor | "@every " duration | fields )
 *     fields   = [ second ] minute hour day-of-month month day-of-week ; white space between
 *     field    = item { "," item }                                     ; empty items are dropped
 *     item     = base [ "/" step ]
 *     base     = ( "*" | "?" ) [ "-" anything ] | value [ "-" value ]
 *     value    = [ "+" ] digits | name                                 ; names in month and weekday only
 */

enum field { FIELD_SECOND, FIELD_MINUTE, FIELD_HOUR, FIELD_DAY, FIELD_MONTH, FIELD_WEEKDAY, FIELD_COUNT };

static const struct cron_field {
    const char *name;
    unsigned least, most; /* of a value                                           */
    unsigned last;        /* where "*" and "N/step" end: 7 is no day beside 0    */
    const char *names;    /* three letters each, from `least` on                  */
    const char *wrong;    /* what any other value is                              */
} cron_fields[FIELD_COUNT] = {
    [FIELD_SECOND] = { "second", 0, 59, 59, "", "is not a number from 0 to 59" },
    [FIELD_MINUTE] = { "minute", 0, 59, 59, "", "is not a number from 0 to 59" },
    [FIELD_HOUR] = { "hour", 0, 23, 23, "", "is not a number from 0 to 23" },
    [FIELD_DAY] = { "day of month", 1, 31, 31, "", "is not a number from 1 to 31" },
    [FIELD_MONTH] = { "month", 1, 12, 12, "janfebmaraprmayjunjulaugsepoctnovdec",
                      "is not a number from 1 to 12 or a name from jan to dec" },
    [FIELD_WEEKDAY] = { "day of week", 0, 7, 6, "sunmontuewedthufrisat",
                        "is not a number from 0 to 7 or a name from sun to sat" },
};

static const struct { const char *name, *spec; } cron_descriptors[] = {
    { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" }, { "@weekly", "0 0 * * 0" },
    { "@daily", "0 0 * * *" }, { "@midnight", "0 0 * * *" }, { "@hourly", "0 * * * *" },
};

/* A field being read. */
struct cron_reader {
    const char *spec, *at;
    const struct cron_field *field;
    uint64_t set; /* bit n: the value n is in it                       */
    bool star;    /* an item is all values: "*", "?", with step 1 or none */
    bool own_zone;
    struct ballot_cron_error *error;
};

/* The length of the white space beyond ASCII at `p`; 0: none. Not inline: its frame would slow down all of ASCII. */
static size_t __attribute__((noinline)) cron_space_wide(const char *p)
{
    unsigned c;
    size_t n = utf8_read(p, strlen(p), &c);
    bool wide = (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
    return c == 0x85 || c == 0xa0 || c == 0x1680 || wide ? n : 0;
}

/* The length of the white space at `p`; 0: none. */
static inline size_t cron_space(const char *p)
{
    unsigned char c = (unsigned char)*p;
    if (c > ' ' && c < 0x80)
        return 0;
    return c < 0x80 ? c == ' ' || (c >= '\t' && c <= '\r') : cron_space_wide(p);
}

static const char *cron_space_skip(const char *p)
{
    for (size_t n; (n = cron_space(p)) > 0;)
        p += n;
    return p;
}

/* The end of the field at `p`. */
static const char *cron_word_end(const char *p)
{
    while (*p && cron_space(p) == 0)
        p++;
    return p;
}

/* Says what is wrong with the text from `from` to `to`; a control character in
 * it must not reach a terminal. Returns false. */
static bool cron_fail(struct cron_reader *r, const char *from, const char *to, const char *what)
{
    struct text t = TEXT_IN(r->error->message);
    r->error->offset = (size_t)(from - r->spec);
    text_format(&t, "%s: \"", r->field ? r->field->name : "schedule");
    size_t start = t.length;
    text_format(&t, "%.*s", (int)(to - from > 60 ? 60 : to - from), from);
    for (size_t i = start; i < t.length; i++)
        if ((unsigned char)t.data[i] < 0x20 || t.data[i] == 0x7f)
            t.data[i] = '?';
    text_format(&t, "%s\" %s", to - from > 60 ? "..." : "", what);
    return false;
}

/* Fails about what goes up to the next of `ends`, or the field's end. */
static bool cron_fail_part(struct cron_reader *r, const char *from, const char *ends, const char *what)
{
    const char *to = from;
    while (*to && !strchr(ends, *to) && cron_space(to) == 0)
        to++;
    return cron_fail(r, from, to, what);
}

static inline bool cron_part_ends(const char *p)
{
    return *p == ' ' || *p == '\0' || *p == ',' || *p == '-' || *p == '/' || cron_space(p) > 0;
}

/* The value of the three letters at `p`; -1: no name of this field. */
static int cron_name(const struct cron_field *f, const char *p)
{
    for (const char *name = f->names; *name; name += 3)
        if ((p[0] | 0x20) == name[0] && (p[1] | 0x20) == name[1] && (p[2] | 0x20) == name[2]) /* in any case of ASCII */
            return (int)f->least + (int)(name - f->names) / 3;
    return -1;
}

/* Reads digits, with a plus or not, as a number of at most 2^63 - 1; -1: none. */
static int64_t cron_number(const char **p)
{
    uint64_t value;
    const char *start = *p += **p == '+';
    return duration_digits(p, &value) && *p > start && value <= INT64_MAX && cron_part_ends(*p) ? (int64_t)value : -1;
}

static bool cron_value(struct cron_reader *r, unsigned *value)
{
    const char *start = r->at;
    const struct cron_field *f = r->field;
    int64_t number = *f->names && *r->at > '9' ? cron_name(f, r->at) : -1;
    if (number >= 0 && cron_part_ends(r->at + 3))
        r->at += 3;
    else
        number = cron_number(&r->at);
    if (number < f->least || number > f->most)
        return cron_fail_part(r, start, ",-/", f->wrong);
    *value = (unsigned)number;
    return true;
}

/* Reads "*" or "?", and what may follow it. */
static bool cron_all(struct cron_reader *r)
{
    const char *start = r->at++;
    if (*r->at == '-')
        while (*r->at && *r->at != '/' && *r->at != ',' && cron_space(r->at) == 0)
            r->at++;
    return cron_part_ends(r->at) || cron_fail_part(r, start, ",", r->field->wrong);
}

/* Reads a value or two; one with a step goes on to the last. */
static bool cron_range(struct cron_reader *r, unsigned *low, unsigned *high)
{
    if (!cron_value(r, low))
        return false;
    if (*r->at != '/' || *low > *high)
        *high = *low;
    return !rule_take(&r->at, '-') || cron_value(r, high);
}

static bool cron_item(struct cron_reader *r)
{
    const char *start = r->at;
    unsigned low = r->field->least, high = r->field->last;
    int64_t step = 1;
    bool all = *start == '*' || *start == '?';
    if (!(all ? cron_all(r) : cron_range(r, &low, &high)))
        return false;
    if (rule_take(&r->at, '/')) {
        const char *number = r->at;
        step = cron_number(&r->at);
        if (step < 1)
            return cron_fail_part(r, number, ",/", "is not a step, a whole number from 1 on");
    }
    if (*r->at == '-' || *r->at == '/')
        return cron_fail_part(r, start, ",", "is not one range with one step at most");
    if (low > high)
        return cron_fail_part(r, start, ",/", "runs backwards: a range does not wrap, write two");
    if (step == 1)
        r->set |= (UINT64_C(2) << high) - (UINT64_C(1) << low);
    else
        for (uint64_t i = low; i <= high; i += (uint64_t)step)
            r->set |= UINT64_C(1) << i;
    r->star = r->star || (all && step == 1);
    return true;
}

/* Reads one field, up to white space or the end. */
static bool cron_field(struct cron_reader *r, enum field id)
{
    r->field = &cron_fields[id];
    r->set = 0;
    r->star = false;
    while (*r->at && cron_space(r->at) == 0)
        if (*r->at == ',')
            r->at++;
        else if (!cron_item(r))
            return false;
    return true;
}

enum {
    DAYS_IN_ALL = 0x3ffffffe, /* bits 1 to 29: the days that every month has, some year */
    MONTHS_OF_30 = (1 << 13) - 2 - (1 << 2),
    MONTHS_OF_31 = 1 << 1 | 1 << 3 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 12,
};

/* Takes the months away in which no day can match; without a month, a schedule never fires, and no search is needed. */
static void cron_prune(struct ballot_cron *c)
{
    if (!c->seconds || !c->minutes || !c->hours || (c->both ? !c->days || !c->weekdays : !c->days && !c->weekdays))
        c->months = 0;
    if ((c->both || !c->weekdays) && !(c->days & DAYS_IN_ALL))
        c->months &= (uint16_t)(c->days & UINT32_C(1) << 30 ? MONTHS_OF_30 : MONTHS_OF_31);
}

static bool cron_parse_fields(struct cron_reader *r, struct ballot_cron *c)
{
    uint64_t sets[FIELD_COUNT] = { [FIELD_SECOND] = 1 };
    const char *start = r->at;
    int count = 0;
    for (const char *p = cron_space_skip(start); *p; p = cron_space_skip(cron_word_end(p)))
        count++;
    if (count != FIELD_COUNT - 1 && count != FIELD_COUNT)
        return cron_fail(r, start, start + strlen(start), "is not 5 fields, minute hour day-of-month month "
                         "day-of-week, or 6 with the second before them");
    *c = (struct ballot_cron){ .every = 0 };
    for (enum field id = count == FIELD_COUNT ? FIELD_SECOND : FIELD_MINUTE; id < FIELD_COUNT; id++) {
        r->at = cron_space_skip(r->at);
        c->follows = c->follows || ((id == FIELD_MINUTE || id == FIELD_HOUR) && (*r->at == '*' || *r->at == '?'));
        if (!cron_field(r, id))
            return false;
        sets[id] = r->set;
        c->both = c->both || ((id == FIELD_DAY || id == FIELD_WEEKDAY) && r->star);
    }
    c->seconds = sets[FIELD_SECOND];
    c->minutes = sets[FIELD_MINUTE];
    c->hours = (uint32_t)sets[FIELD_HOUR];
    c->days = (uint32_t)sets[FIELD_DAY];
    c->months = (uint16_t)sets[FIELD_MONTH];
    c->weekdays = (uint8_t)((sets[FIELD_WEEKDAY] | sets[FIELD_WEEKDAY] >> 7) & 0x7f);
    cron_prune(c);
    return true;
}

/* Reads what follows "@every ", up to `end`. */
static bool cron_parse_every(struct cron_reader *r, struct ballot_cron *c, const char *end)
{
    char duration[256];
    nanos every;
    struct text t = TEXT_IN(duration);
    text_bytes(&t, r->at, (size_t)(end - r->at));
    if (t.cut || !duration_parse(duration, &every))
        return cron_fail(r, r->at, end, "is not a duration such as 90s or 1h30m");
    *c = (struct ballot_cron){ .every = every < SECOND ? 1 : every / SECOND, .cut = every < SECOND || every % SECOND };
    return true;
}

static bool cron_parse_descriptor(struct cron_reader *r, struct ballot_cron *c, const char *end)
{
    static const char every[] = "@every ";
    size_t length = (size_t)(end - r->at);
    if (!strncmp(r->at, every, sizeof every - 1)) {
        r->at += sizeof every - 1;
        return cron_parse_every(r, c, r->at < end ? end : r->at);
    }
    for (size_t i = 0; i < COUNT(cron_descriptors); i++)
        if (strlen(cron_descriptors[i].name) == length && !memcmp(r->at, cron_descriptors[i].name, length)) {
            r->at = cron_descriptors[i].spec;
            return cron_parse_fields(r, c);
        }
    return cron_fail(r, r->at, end,
                     "is not @yearly @annually @monthly @weekly @daily @midnight @hourly or @every DURATION");
}

/* Reads "TZ=zone " or "CRON_TZ=zone ", which begins with `length` bytes. */
static int cron_parse_zone(struct cron_reader *r, struct ballot_zone *zone, size_t length)
{
    char name[256];
    const char *start = r->spec + length, *end = strchr(start, ' ');
    if (!end) {
        cron_fail(r, r->spec, start + strlen(start), "names a zone, but no space and schedule follow");
        return BALLOT_ESCHEDULE;
    }
    r->at = cron_space_skip(end);
    struct text t = TEXT_IN(name);
    text_bytes(&t, start, (size_t)(end - start));
    if (!strcmp(name, "Local"))
        return BALLOT_OK;
    int error = t.cut ? BALLOT_EZONE : ballot_zone_load(zone, name);
    if (error != BALLOT_OK)
        cron_fail(r, start, end, error == BALLOT_EZONE ? "is no time zone's name, such as UTC or Europe/Berlin"
                                                       : "is a time zone whose file is damaged, or no zone file");
    r->own_zone = true;
    return error;
}

BALLOT_API int ballot_cron_parse(struct ballot_cron *cron, struct ballot_zone *zone, const char *spec,
                                 struct ballot_cron_error *error)
{
    struct cron_reader r = { .spec = spec, .at = spec, .error = error };
    const char *end = spec + strlen(spec);
    size_t prefix = !strncmp(spec, "TZ=", 3) ? 3 : !strncmp(spec, "CRON_TZ=", 8) ? 8 : 0;
    if (prefix > 0) {
        int failed = cron_parse_zone(&r, zone, prefix);
        if (failed)
            return failed;
        for (const char *p = end = r.at; *p; p = cron_space_skip(end)) /* white space at the end is trimmed */
            end = cron_word_end(p);
    }
    bool parsed = *r.at == '@' ? cron_parse_descriptor(&r, cron, end) : cron_parse_fields(&r, cron);
    cron->own_zone = r.own_zone;
    return parsed ? BALLOT_OK : BALLOT_ESCHEDULE;
}

/* --- schedules: the next activation -------------------------------------------------- */

enum { GAP_MOVED = 3 * HOUR_SECONDS }; /* vixie: an activation in a smaller gap moves to its end */

/* Of a set that is not empty. */
static int bit_first(uint64_t set)
{
    return __builtin_ctzll(set);
}

/* The part of a set from a value on. */
static uint64_t bits_from(uint64_t set, int value)
{
    return set >> value << value;
}

/* The first matching second of the day that is not before `from`; -1: none. */
static int cron_match_time(const struct ballot_cron *c, int from)
{
    int hour = from / HOUR_SECONDS, minute = from / MINUTE_SECONDS % 60;
    if (c->hours >> hour & 1) {
        uint64_t seconds = c->minutes >> minute & 1 ? bits_from(c->seconds, from % 60) : 0;
        if (seconds)
            return from - from % 60 + bit_first(seconds);
        uint64_t minutes = bits_from(c->minutes, minute + 1);
        if (minutes)
            return hour * HOUR_SECONDS + bit_first(minutes) * MINUTE_SECONDS + bit_first(c->seconds);
    }
    uint64_t hours = bits_from(c->hours, hour + 1);
    int first = bit_first(c->minutes) * MINUTE_SECONDS + bit_first(c->seconds); /* of an hour */
    return hours ? bit_first(hours) * HOUR_SECONDS + first : -1;
}

/* The matching days of a month, as bits from 1 on. The weekdays are turned so that
 * bit 0 is the first day's, and repeated every 7 bits. */
static uint64_t cron_match_days(const struct ballot_cron *c, int64_t year, int month, int64_t first)
{
    if (!(c->months >> month & 1))
        return 0;
    uint64_t week = (uint64_t)((c->weekdays | c->weekdays << 7) >> days_weekday(first) & 0x7f);
    uint64_t weekdays = week * UINT64_C(0x10204081) << 1;
    uint64_t days = c->both ? c->days & weekdays : c->days | weekdays;
    return days & ((UINT64_C(2) << month_length(year, month)) - 2);
}

/* The first matching local time that is not before `from`; `limit`, a new year's
 * midnight, if there is none before it. */
static int64_t cron_match(const struct ballot_cron *c, int64_t from, int64_t limit)
{
    int64_t today = floor_divide(from, DAY_SECONDS);
    struct date date = date_from_days(today);
    int64_t first = today - date.day + 1;
    uint64_t days = cron_match_days(c, date.year, date.month, first);
    if (days >> date.day & 1) {
        int time = cron_match_time(c, (int)(from - today * DAY_SECONDS));
        if (time >= 0)
            return today * DAY_SECONDS + time;
    }
    days = bits_from(days, date.day + 1);
    while (!days) {
        first += month_length(date.year, date.month);
        if (first * DAY_SECONDS >= limit)
            return limit;
        date.year += date.month == 12;
        date.month = date.month % 12 + 1;
        days = cron_match_days(c, date.year, date.month, first);
    }
    return (first + bit_first(days) - 1) * DAY_SECONDS + cron_match_time(c, 0);
}

/* From one change of the offset to the next, as long as nothing matches between them. What was found before a change
 * stands, unless the change skips it or offers earlier times again. */
static int64_t cron_search(const struct ballot_cron *c, const struct ballot_zone *z, int64_t after, bool fixed)
{
    struct span span = zone_span(z, after); /* a gap may begin right after it */
    int64_t local = after + 1 + span.offset;
    int32_t offset = after + 1 < span.end ? span.offset : ballot_zone_offset(z, after + 1);
    int64_t year = date_from_days(floor_divide(after + 1 + offset, DAY_SECONDS)).year;
    int64_t limit = days_from_date(year + 6, 1, 1) * DAY_SECONDS; /* the end of the fifth calendar year from then */
    int64_t searched = TIME_END, found = TIME_END;
    for (;;) {
        if (fixed && local < span.start + span.before) /* fixed times do not repeat */
            local = span.start + span.before;
        if (local >= limit)
            return BALLOT_NEVER;
        if (local < searched || found < local)
            found = cron_match(c, searched = local, limit);
        if (found - span.offset < span.end)
            return found < limit ? found - span.offset : BALLOT_NEVER;
        struct span next = zone_span(z, span.end);
        int32_t gap = next.offset - span.offset;
        if (fixed && gap < GAP_MOVED && found < limit && found < span.end + next.offset)
            return span.end;
        local = span.end + next.offset;
        span = next;
    }
}

BALLOT_API int64_t ballot_cron_next(const struct ballot_cron *cron, const struct ballot_zone *zone, int64_t after,
                                    enum ballot_dst dst)
{
    const int64_t most = INT64_C(1) << 40; /* seconds from 1970, either way: no caller asks beyond */
    if (after < -most || after > most)
        return BALLOT_NEVER;
    if (cron->every > 0)
        return after + cron->every;
    return cron->months ? cron_search(cron, zone, after, dst == BALLOT_DST_VIXIE && !cron->follows) : BALLOT_NEVER;
}

#ifndef BALLOT_NO_ELECTION

/* ---------------------------------------------------------------------------
 * Moments: wall times, written and read
 *
 *     moment   = date ( "T" | " " ) time [ "." digits ] ( "Z" | ( "+" | "-" ) hour ":" minute )   RFC 3339
 *     Go's     = date " " time [ "." digits ] " " ( "+" | "-" ) hour minute more                  time.String()
 *     log line = date ( "T" | " " ) time "." digits [ "Z" ]
 *     date     = year "-" month "-" day
 *     time     = hour ":" minute ":" second
 * ------------------------------------------------------------------------ */

/* Writes date and time of day, `offset` seconds east of UTC, and `digits` digits of the fraction of its second. */
static void text_moment(struct text *t, int64_t at, nanos fraction, int digits, int32_t offset, char separator)
{
    int64_t local = at + offset, days = floor_divide(local, DAY_SECONDS);
    struct date date = date_from_days(days);
    int time = (int)(local - days * DAY_SECONDS);
    text_format(t, "%04" PRId64 "-%02d-%02d%c%02d:%02d:%02d", date.year, date.month, date.day, separator,
                time / HOUR_SECONDS, time / MINUTE_SECONDS % 60, time % 60);
    for (int i = digits; i < 9; i++)
        fraction /= 10;
    if (digits > 0)
        text_format(t, ".%0*" PRId64, digits, fraction);
}

/* The offset from UTC of local time, whose parts are stored in `parts`. */
static int32_t offset_local(int64_t at, struct tm *parts)
{
    localtime_r(&(time_t){ (time_t)at }, parts);
    int64_t days = days_from_date(parts->tm_year + 1900, parts->tm_mon + 1, parts->tm_mday);
    int time = parts->tm_hour * HOUR_SECONDS + parts->tm_min * MINUTE_SECONDS + parts->tm_sec;
    return (int32_t)(days * DAY_SECONDS + time - at);
}

/* Now as Go's time.String() writes it; m=+ is the time since the process began, which `born` says. */
static void time_string(struct text *t, nanos born)
{
    nanos wall = clock_read(CLOCK_REALTIME), age = clock_now() - born;
    struct tm local;
    char zone[64];
    int digits = 9;
    int64_t at = floor_divide(wall, SECOND);
    for (nanos f = wall - at * SECOND; digits > 0 && f % 10 == 0; f /= 10)
        digits--;
    text_moment(t, at, wall - at * SECOND, digits, offset_local(at, &local), ' ');
    strftime(zone, sizeof zone, " %z %Z", &local);
    text_format(t, "%s m=+%" PRId64 ".%09" PRId64, zone, age / SECOND, age % SECOND);
}

#ifndef BALLOT_NO_MAIN /* up to Timing: the library reads no times */

/* Returns whether `p` begins as `shape`, in which a 0 stands for any digit and _ for any character. */
static bool moment_shaped(const char *p, const char *shape)
{
    for (; *shape; shape++, p++)
        if (!*p || !(*shape == '0' ? isdigit((unsigned char)*p) : *shape == '_' || *shape == *p))
            return false;
    return true;
}

/* Takes the offset that ends a moment, in seconds: Go's form has no colon, and no Z. RFC 3339 has less than 24 h,
 * time zones may have more. */
static bool moment_offset(const char **p, bool go, int *offset)
{
    int hours, minutes;
    char sign = *(*p)++;
    *offset = 0;
    if (!go && (sign == 'Z' || sign == 'z'))
        return true;
    if ((sign != '+' && sign != '-') || !moment_shaped(*p, go ? "0000" : "00:00"))
        return false;
    sscanf(*p, go ? "%2d%2d" : "%2d:%2d", &hours, &minutes);
    *p += go ? 4 : 5;
    *offset = (sign == '-' ? -1 : 1) * (hours * HOUR_SECONDS + minutes * MINUTE_SECONDS);
    return hours < 26 && minutes < 60;
}

/* Takes a moment, by RFC 3339 or in Go's form. */
static bool moment_read(const char **p, bool go, int64_t *at, nanos *fraction)
{
    int year, month, day, hour, minute, second, offset;
    char between;
    if (!moment_shaped(*p, "0000-00-00_00:00:00"))
        return false;
    sscanf(*p, "%4d-%2d-%2d%c%2d:%2d:%2d", &year, &month, &day, &between, &hour, &minute, &second);
    if (month < 1 || month > 12 || day < 1 || day > month_length(year, month))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    *p += strlen("0000-00-00_00:00:00");
    *fraction = 0;
    if (**p == '.' && isdigit((unsigned char)(*p)[1]))
        for (nanos place = SECOND / 10; isdigit((unsigned char)*++*p); place /= 10)
            *fraction += place * (**p - '0');
    if (!strchr(go ? " " : "Tt ", between) || (go && *(*p)++ != ' ') || !moment_offset(p, go, &offset))
        return false;
    int time = hour * HOUR_SECONDS + minute * MINUTE_SECONDS + second;
    *at = days_from_date(year, month, day) * DAY_SECONDS + time - offset;
    return true;
}

/* Reads an RFC 3339 moment; its fraction is cut. Returns false if it is not one. */
static bool moment_parse(const char *p, int64_t *at)
{
    nanos fraction;
    return moment_read(&p, false, at, &fraction) && *p == '\0';
}

/* Reads what time_string() writes, as nanoseconds since 1970; what follows the offset is passed over. */
static bool time_parse(const char *p, nanos *out)
{
    int64_t at;
    nanos fraction;
    if (!moment_read(&p, true, &at, &fraction) || at < 0 || at != clock_limit(at, SECOND) / SECOND)
        return false;
    *out = at * SECOND + fraction;
    return true;
}

/* Now, in POSIX seconds: time() may be behind the second that a fine clock has begun. */
static int64_t moment_now(void)
{
    return floor_divide(clock_read(CLOCK_REALTIME), SECOND);
}

/* A moment with that offset. RFC 3339 has whole minutes there: seconds of an offset (local mean time has them) are
 * cut from both, so that the moment is right. */
static struct short_text moment_string(int64_t at, int32_t offset)
{
    struct short_text out = { "" };
    struct text t = TEXT_IN(out.data);
    int minutes = offset / MINUTE_SECONDS;
    text_moment(&t, at, 0, 0, minutes * MINUTE_SECONDS, 'T');
    text_format(&t, offset ? "%c%02d:%02d" : "Z", minutes < 0 ? '-' : '+', abs(minutes) / 60, abs(minutes) % 60);
    return out;
}

/* The wall clock: for people in local time, to the millisecond; or in UTC to the nanosecond, by RFC 3339. */
static void text_wall(struct text *t, nanos wall, bool utc)
{
    struct tm parts;
    int64_t at = floor_divide(wall, SECOND);
    int32_t offset = utc ? 0 : offset_local(at, &parts);
    text_moment(t, at, wall - at * SECOND, utc ? 9 : 3, offset, utc ? 'T' : ' ');
    text_string(t, utc ? "Z" : "");
}

/* "5s", "3m", "2h5m", "4d": so many seconds in the two greatest units. None, where clocks that differ make it less. */
static struct short_text age_string(int64_t seconds)
{
    static const struct { int64_t length; char name; } units[] = {
        { DAY_SECONDS, 'd' }, { HOUR_SECONDS, 'h' }, { MINUTE_SECONDS, 'm' }, { 1, 's' },
    };
    struct short_text out = { "" };
    struct text t = TEXT_IN(out.data);
    size_t i = 0;
    while (i < COUNT(units) - 2 && seconds < units[i].length)
        i++;
    for (size_t last = i + 1; i <= last; seconds %= units[i++].length)
        if (seconds >= units[i].length)
            text_format(&t, "%" PRId64 "%c", seconds / units[i].length, units[i].name);
    text_string(&t, t.length ? "" : "0s");
    return out;
}

#endif /* BALLOT_NO_MAIN */

/* ---------------------------------------------------------------------------
 * Timing: the deadlines, as parts of T, the session timeout, in sixtieths of it
 * ------------------------------------------------------------------------ */

enum part {
    PART_ASK = 6,         /* T/10: a candidate at the front asks whether the servers answer       */
    PART_HURRY = 10,      /* T/6: the longest pause between two connects of a leader              */
    PART_HEARTBEAT = 12,  /* T/5: from one heartbeat to the next                                  */
    PART_GAP = 12,        /* no answer to a request, or no round of ours, so long: nothing heard  */
    PART_ATTEMPT = 12,    /* a connect without an answer for so long is given up                  */
    PART_LOOK = 20,       /* T/3, less LOOK_AHEAD: a candidate farther behind looks at the base   */
    PART_PAUSE = 20,      /* T/3: the longest pause between two connects                          */
    PART_STALL = 20,      /* we were stalled for so long: answers may be waiting                  */
    PART_STOP_TERM = 30,  /* T/2: on-disconnect=stop: SIGTERM, unless the lease was renewed       */
    PART_STOP_KILL = 38,  /* ... SIGKILL: what is left of the lease is for dying, and being reaped */
    PART_LEASE = 40,      /* 2/3 T from the sending of an acknowledged write: no other leads       */
    PART_CLAIM_STOP = 50, /* 5/6 T of silence: a leader of `stop` that is gone has stopped        */
    PART_CLAIM = 60,      /* T: any other that is gone; with `keep`, its command may still run    */
    PART_REFUSED = 90,    /* 3/2 T: a leader whose heartbeats are refused kills its command, before it is revoked */
    PART_CLAIM_LATE = 120, /* ... if its silence may be the ensemble's or ours: see rule 2         */
    PART_REVOKE = 120,    /* a leader that is there and writes nothing is revoked                 */
};

static const nanos LOOK_AHEAD = 2 * MILLISECOND; /* before the library, which counts whole ones, would ping */

/* Compiles only if what must end comes before what may begin after it. */
typedef char part_order[PART_ASK < PART_HEARTBEAT && PART_HEARTBEAT < PART_STOP_TERM &&
                        PART_STOP_TERM < PART_STOP_KILL && PART_STOP_KILL < PART_LEASE &&
                        PART_LEASE < PART_CLAIM_STOP && PART_CLAIM_STOP < PART_CLAIM &&
                        2 * PART_GAP + PART_HURRY < PART_LEASE && PART_CLAIM < PART_CLAIM_LATE &&
                        PART_CLAIM < PART_REFUSED && PART_REFUSED < PART_REVOKE ? 1 : -1];

static nanos part(nanos timeout, int sixtieths)
{
    return timeout * sixtieths / 60;
}

/* ---------------------------------------------------------------------------
 * Client: one session with a ZooKeeper ensemble, driven by poll()
 *
 * It knows nothing of elections. It resolves the servers' names, connects, comes
 * back after a loss, opens a new session when the old one has expired, and hands
 * each reply, and each watch that fires, to its owner, under the number that the
 * owner gave the request. What it waits for goes into the owner's poll(). `The
 * library` is ZooKeeper's C client from here on.
 * ------------------------------------------------------------------------ */

#define AUTH_SCHEME "digest"

enum {
    ADDRESSES_MAX = 4096, /* what the servers' names resolve to               */
    REQUESTS_MAX = 32,    /* numbers that an owner gives its requests, from 0 */
    OPS_MAX = 3,          /* in one transaction                               */
    SYNCS_MAX = 20,       /* in T/3, or in a second                           */
    TROUBLE_MAX = 320,
};

static const nanos TIMEOUT_COUNTED = 10 * MINUTE; /* a longer session timeout counts as that */
static const nanos TIMEOUT_MIN = 100 * MILLISECOND; /* a server's; no candidate keeps up with less */
static const nanos TIMEOUT_MAX = BALLOT_TIMEOUT_MAX * MILLISECOND;
static const nanos PAUSE_MAX = 30 * SECOND; /* between two attempts to connect */

/* What a request was answered, while its owner learns of it. */
struct reply {
    int request;             /* its number                                      */
    const char *path;        /* the node that it was about; "" of a transaction */
    nanos sent;
    int rc;                  /* ZOK, or what ZooKeeper has against it           */
    int refused;             /* of a transaction: the op that failed, from 0; -1: none, or not known */
    const char *data;        /* of a node, or the path of a new one; never NULL */
    size_t length;
    const struct Stat *stat; /* of the node that was read or set; never NULL    */
    const struct String_vector *names; /* of a list; never NULL                 */
    bool open;               /* of an access list: any client may change the node */
};

/* A request on its way. */
struct request {
    struct client *client;
    int number;
    nanos sent;
    const char *data;        /* of client_create_like()                         */
    size_t length;
    zoo_op_result_t results[OPS_MAX];
    struct Stat stat;        /* of the node that a transaction sets             */
    char path[];
};

/* A change of one node, in a transaction. */
struct op {
    enum { OP_CHECK, OP_SET, OP_CREATE, OP_DELETE } kind;
    const char *path, *data;
    size_t length;
    int version;             /* that the node must have; -1: any               */
};

/* A request about one node that sends no data. */
enum ask { ASK_SYNC, ASK_DATA, ASK_STAT, ASK_LIST, ASK_ACCESS, ASK_DELETE };

/* Names turned into addresses by a child, because libc can only block. */
struct resolver {
    pid_t pid;               /* 0: none                                         */
    int fd;
    nanos since, until;
    struct text answer;
    char buffer[ADDRESSES_MAX];
};

/* What an owner is told beside the library's types of event (ZOO_DELETED_EVENT ...). */
enum contact_event {
    CONTACT_MADE = 100,
    CONTACT_LOST,
    CONTACT_ANEW, /* with a new handle: its watches are gone; with session 0 also the session */
};

struct client {
    const struct ballot_config *config;
    void *owner;
    void (*learn)(void *owner, const struct reply *reply);
    void (*event)(void *owner, int type, const char *path); /* a watch has fired, or enum contact_event */

    /* the servers */
    char addresses[ADDRESSES_MAX]; /* numeric, odd in number; "": not resolved yet */
    bool numeric;            /* they were given by address: nothing to resolve  */
    bool moved;              /* their names mean other addresses now            */
    struct resolver resolver;
    char avoided[80];        /* one whose T is not fit: the next handle does without it */
    bool avoiding;           /* this handle does                                */

    /* the session */
    zhandle_t *handle;
    clientid_t session;
    nanos timeout;           /* T: asked for, then negotiated                   */
    bool connected, expired;
    bool met;                /* connected at least once                         */
    bool resumed;            /* the last connect went on with our session       */
    bool unfit;              /* connected, with a T that leaves no time to lead */
    bool rejected;           /* the server refuses our identity                 */
    bool denied;             /* ... since it was last connected                 */
    nanos contact_since;     /* since when `connected` is as it is              */
    nanos opened_at;         /* the handle                                      */
    nanos session_since;     /* the session                                     */
    char trouble[TROUBLE_MAX];       /* why there is no session; "": nothing is wrong   */

    /* connecting */
    int fd;                  /* -1: none                                        */
    short events;
    bool associated;         /* a server accepted a connect since contact was lost */
    bool accepted;           /* the present connect is accepted                 */
    bool exhausted;          /* all servers were tried in vain                  */
    nanos attempt_at;        /* the present connect began, or was accepted; 0: none */
    nanos processed_at;
    nanos hurry_until;       /* until then no pause is longer than T/6,         */
    nanos hurry_timeout;     /* and an answer has a fifth of this T, if that is shorter */
    nanos backoff;           /* the last pause                                  */
    nanos hold_until;        /* no connect before                               */
    nanos retry_at;          /* no new handle before                            */
    nanos remind_at;
    unsigned seed;           /* of the jitter                                   */

    /* requests */
    int flying[REQUESTS_MAX];
    nanos sent[REQUESTS_MAX];
    int syncs;               /* so many have been sent                          */
    nanos syncs_since;       /* since then; counted anew each T/3, or each second */
    bool news;               /* something has changed: the owner must look, or may do more, at once */
};

static void __attribute__((format(printf, 4, 5)))
say(const struct ballot_config *config, enum ballot_log_level level, int where, const char *format, ...)
{
    if (!config->log)
        return;
    char buffer[1024];
    struct text t = TEXT_IN(buffer);
    va_list args;
    va_start(args, format);
    text_vformat(&t, format, args);
    va_end(args);
    config->log(config->log_data, level, where, buffer);
}

#define SAY(config, level, ...) say(config, BALLOT_LOG_##level, __LINE__, __VA_ARGS__)

/* Behind a message: the event that it tells of, then "\tNAME=VALUE" for each of its values, in which no tab is. */
#define EVENT "\tevent="

static const char *error_text(int rc)
{
    return rc == ZMARSHALLINGERROR ? "out of memory" : zerror(rc);
}

/* Returns whether the server may have carried out what was answered so: by anything but a refusal. */
static bool outcome_unknown(int rc)
{
    bool refused = (rc < ZAPIERROR && rc >= ZTHROTTLEDOP) || rc == ZUNIMPLEMENTED || rc == ZBADARGUMENTS;
    bool unsent = rc == ZMARSHALLINGERROR; /* for want of memory: answer_check() */
    return rc != ZOK && !unsent && (!refused || rc == ZSESSIONEXPIRED || rc == ZCLOSING || rc == ZSESSIONMOVED);
}

/* Returns whether a transaction was refused because something has changed since we looked. */
static bool outdated(int rc)
{
    return rc == ZBADVERSION || rc == ZNONODE || rc == ZNODEEXISTS;
}

/* Due at `when`? If not, wake up then. */
static bool due(nanos when, nanos now, nanos *wake)
{
    if (now >= when)
        return true;
    *wake = nanos_min(*wake, when);
    return false;
}

/* --- the servers, as they are configured -------------------------------------- */

struct server { char host[300], port[8]; };

/* Reads "host", "host:port", "[v6]:port" or "[v6]"; false: it is none of them. */
static bool server_parse(const char *text, struct server *server)
{
    bool v6 = *text == '[';
    const char *start = text + v6, *end = start + strcspn(start, v6 ? "]" : ":");
    const char *rest = end + (v6 && *end), *digits = *rest ? rest + 1 : "2181";
    size_t length = (size_t)(end - start), n = strspn(digits, "0123456789");
    if ((v6 && *end != ']') || (*rest && *rest != ':') || length == 0)
        return false;
    for (const char *p = start; p < end; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-._:%", *p))
            return false;
    if (n == 0 || n > 5 || digits[n] || atoi(digits) < 1 || atoi(digits) > 65535)
        return false;
    struct text host = TEXT_IN(server->host);
    text_bytes(&host, start, length);
    STRING_COPY(server->port, digits);
    return !host.cut;
}

/* Copies the next item of a comma separated list; false at its end. */
static bool list_next(const char **list, char *item, size_t size)
{
    while (**list == ',')
        (*list)++;
    if (**list == '\0')
        return false;
    size_t n = strcspn(*list, ",");
    struct text t = text_in(item, size);
    text_bytes(&t, *list, n);
    *list += n;
    return true;
}

static bool servers_valid(const char *servers)
{
    char item[512];
    struct server server;
    bool any = false;
    for (; list_next(&servers, item, sizeof item); any = true)
        if (strlen(item) > 300 || !server_parse(item, &server))
            return false;
    return any;
}

/* "digest:USER:PASSWORD"; the password may hold anything but control characters. */
static bool identity_valid(const char *text)
{
    const char *user = text + strlen(AUTH_SCHEME ":");
    if (strncmp(text, AUTH_SCHEME ":", strlen(AUTH_SCHEME ":")) != 0 || strlen(text) > BALLOT_AUTH_MAX)
        return false;
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    const char *colon = strchr(user, ':');
    return colon && colon > user && colon[1] != '\0';
}

/* Says what is wrong, unless that is what was said last; returns when to try again. */
static nanos __attribute__((format(printf, 4, 5)))
trouble_say(const struct ballot_config *config, char trouble[TROUBLE_MAX], nanos pause, const char *format, ...)
{
    char before[TROUBLE_MAX];
    STRING_COPY(before, trouble);
    struct text t = text_in(trouble, TROUBLE_MAX);
    va_list args;
    va_start(args, format);
    text_vformat(&t, format, args);
    va_end(args);
    if (strcmp(before, trouble) != 0)
        SAY(config, ERROR, "%s; trying again in %s", trouble, duration_round(pause).data);
    return clock_now() + pause;
}

/* --- the resolver: getaddrinfo() in a child, because it can only block ------- */

/* Adds one address and a comma, in order: servers of names often shuffle what they answer. */
static void resolver_add(struct text *t, const struct addrinfo *a, const char *port)
{
    char address[64], entry[80], *at = t->data;
    if (getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST) != 0)
        return;
    size_t n = (size_t)snprintf(entry, sizeof entry, "%s:%s,", address, port);
    if (t->size - t->length < 3 * sizeof entry) /* room for this one, and to repeat the first */
        return;
    while (*at && strncmp(at, entry, n) < 0)
        at += strcspn(at, ",") + 1;
    if (strncmp(at, entry, n) == 0)
        return;
    memmove(at + n, at, strlen(at) + 1);
    memcpy(at, entry, n);
    t->length += n;
}

/* All addresses of all servers, as "1.2.3.4:2181,::1:2181"; with `flags`
 * AI_NUMERICHOST it asks no server. Returns 0, or the last error of getaddrinfo(). */
static int servers_resolve(const char *servers, int flags, struct text *t)
{
    char item[512];
    struct server server;
    int last = 0;
    const struct addrinfo hints = { .ai_flags = flags, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    while (list_next(&servers, item, sizeof item)) {
        struct addrinfo *found = NULL;
        server_parse(item, &server);
        int rc = getaddrinfo(server.host, NULL, &hints, &found);
        for (struct addrinfo *a = rc == 0 ? found : NULL; a; a = a->ai_next)
            resolver_add(t, a, server.port);
        if (rc == 0)
            freeaddrinfo(found);
        else
            last = rc;
    }
    if (t->length)
        t->data[--t->length] = '\0'; /* the last comma */
    return last;
}

static void addresses_set(struct client *c, const char *addresses)
{
    c->moved = c->handle && strcmp(addresses, c->addresses) != 0;
    STRING_COPY(c->addresses, addresses);
}

static void __attribute__((noreturn)) resolver_child(const char *servers, int out)
{
    char buffer[ADDRESSES_MAX];
    struct text t = TEXT_IN(buffer);
    for (int s = 1; s <= SIGNAL_LAST; s++)
        if (s != SIGKILL && s != SIGSTOP)
            signal(s, SIG_DFL);
    fd_close_all(out);
    int rc = servers_resolve(servers, 0, &t);
    if (t.length == 0)
        text_format(&t, "?%s", gai_strerror(rc));
    ssize_t n = write(out, t.data, t.length);
    _exit(n < 0);
}

static void resolver_start(struct client *c)
{
    struct resolver *r = &c->resolver;
    int ends[2];
    r->answer = TEXT_IN(r->buffer);
    r->since = clock_now();
    r->until = r->since + 30 * SECOND;
    c->numeric = servers_resolve(c->config->servers, AI_NUMERICHOST, &r->answer) == 0;
    if (c->numeric) {
        addresses_set(c, r->buffer);
        return;
    }
    r->answer = TEXT_IN(r->buffer);
    r->pid = fd_pipe(ends) ? fork() : -1;
    if (r->pid == 0)
        resolver_child(c->config->servers, ends[1]);
    fd_close(&ends[1]);
    r->fd = ends[0];
    if (r->pid < 0) {
        fd_close(&r->fd);
        r->pid = 0;
        c->retry_at = trouble_say(c->config, c->trouble, 5 * SECOND,
                                  "cannot start a child to resolve the servers' names: %s", strerror(errno));
    }
}

enum child_state { CHILD_NONE, CHILD_ALIVE, CHILD_DEAD };

/* NONE: it is not a child of ours, or has been reaped. Until it is, no other process gets its pid. */
static enum child_state child_state(pid_t pid)
{
    siginfo_t seen = { .si_pid = 0 };
    if (pid <= 0 || waitid(P_PID, (id_t)pid, &seen, WEXITED | WNOHANG | WNOWAIT) != 0)
        return CHILD_NONE;
    return seen.si_pid ? CHILD_DEAD : CHILD_ALIVE;
}

static void resolver_end(struct resolver *r)
{
    if (r->pid == 0)
        return;
    if (child_state(r->pid) == CHILD_ALIVE) /* the program around us may reap any child */
        kill(r->pid, SIGKILL);
    while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    fd_close(&r->fd);
    r->pid = 0;
}

static void resolver_read(struct client *c)
{
    struct resolver *r = &c->resolver;
    char chunk[512];
    ssize_t n = read(r->fd, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR)
        return;
    if (n > 0) {
        text_bytes(&r->answer, chunk, (size_t)n);
        return;
    }
    resolver_end(r);
    r->until = clock_now() + 5 * SECOND;
    const char *why = r->answer.length ? r->buffer + 1 : "the child process for it died";
    if (r->answer.length && r->buffer[0] != '?')
        addresses_set(c, r->buffer);
    else if (!c->connected) /* else the answer is not needed any more */
        c->retry_at = trouble_say(c->config, c->trouble, 5 * SECOND, "cannot resolve any of zookeeper-servers %s: %s",
                                  c->config->servers, why);
}

/* --- what the library tells --------------------------------------------------------- */

/* Some servers' session timeouts leave no time to lead, with others the library cannot count. */
static bool timeout_fit(nanos timeout)
{
    return timeout >= TIMEOUT_MIN && timeout <= TIMEOUT_MAX;
}

static void on_unfit(struct client *c, nanos timeout)
{
    nanos least = nanos_max(nanos_min(part(c->timeout, PART_HURRY), SECOND) / MILLISECOND * MILLISECOND, TIMEOUT_MIN);
    c->unfit = true;
    struct text t = TEXT_IN(c->avoided);
    for (const char *p = zoo_get_current_server(c->handle); *p; p++)
        text_bytes(&t, p, *p != '[' && *p != ']'); /* as `addresses` has it */
    c->backoff = nanos_min(nanos_max(2 * c->backoff, least), 5 * SECOND);
    c->retry_at = trouble_say(c->config, c->trouble, c->backoff,
                              "the server at %s gives a session timeout of %s, not %s to %s: it is not used",
                              c->avoided, duration_string(timeout).data,
                              duration_string(TIMEOUT_MIN).data, duration_string(TIMEOUT_MAX).data);
}

static void on_connected(struct client *c)
{
    const clientid_t *id = zoo_client_id(c->handle);
    nanos asked = c->config->timeout_ms * MILLISECOND, negotiated = zoo_recv_timeout(c->handle) * MILLISECOND;
    nanos now = clock_now();
    if (!timeout_fit(negotiated)) {
        on_unfit(c, negotiated);
        return;
    }
    if (nanos_min(negotiated, TIMEOUT_COUNTED) != c->timeout && negotiated != asked)
        SAY(c->config, WARN, "the servers allow a session timeout of %s, not %s",
            duration_string(negotiated).data, duration_string(asked).data);
    const struct short_text after = duration_round(now - c->contact_since);
    SAY(c->config, INFO, "connected to ZooKeeper at %s, session 0x%" PRIx64 ", timeout %s%s%s" EVENT
        "connected\tafter=%s", zoo_get_current_server(c->handle), id->client_id, duration_string(negotiated).data,
        c->met ? ", after " : "", c->met ? after.data : "", after.data);
    c->resumed = c->session.client_id == id->client_id;
    c->session_since = c->resumed ? c->session_since : now;
    c->session = *id;
    c->timeout = nanos_min(negotiated, TIMEOUT_COUNTED);
    c->connected = true;
    c->contact_since = now;
    c->attempt_at = c->hold_until = c->retry_at = 0;
    c->associated = c->exhausted = c->denied = false;
    c->trouble[0] = '\0';
    c->event(c->owner, CONTACT_MADE, "");
    c->met = true;
}

static void on_disconnected(struct client *c)
{
    if (!c->connected)
        return;
    nanos now = clock_now();
    c->connected = false;
    if (now - c->contact_since >= part(c->timeout, PART_PAUSE)) /* a server may greet us and cut us off for ever */
        c->backoff = 0;
    c->contact_since = now;
    c->remind_at = c->contact_since + nanos_max(c->timeout, MINUTE);
    c->attempt_at = 0;
    c->event(c->owner, CONTACT_LOST, "");
}

static void on_event(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    struct client *c = context;
    (void)handle;
    c->news = true;
    if (type != ZOO_SESSION_EVENT) {
        c->event(c->owner, type, path ? path : "");
        return;
    }
    if (state == ZOO_CONNECTED_STATE)
        on_connected(c);
    else
        on_disconnected(c);
    c->expired = c->expired || state == ZOO_EXPIRED_SESSION_STATE;
    if (state == ZOO_AUTH_FAILED_STATE) { /* with a new handle, another server may accept the session */
        c->retry_at = trouble_say(c->config, c->trouble, c->denied ? PAUSE_MAX : part(c->timeout, PART_ATTEMPT),
                                  "the server refuses zookeeper-auth (is its digest provider switched off?)");
        c->rejected = c->denied = true;
    }
}

/* This connection is no good: the library tries the next server. */
static void client_next_server(struct client *c)
{
    if (c->fd >= 0)
        shutdown(c->fd, SHUT_RDWR);
    c->attempt_at = 0;
}

/* --- requests: sending ---------------------------------------------------------------- */

/* Returns NULL if memory is out. */
static struct request *request_new(struct client *c, int number, const char *path)
{
    struct request *r = calloc(1, sizeof *r + strlen(path) + 1);
    if (!r)
        return NULL;
    r->client = c;
    r->number = number;
    r->sent = c->sent[number] = clock_now();
    memcpy(r->path, path, strlen(path) + 1);
    c->flying[number]++;
    return r;
}

/* With this error the library, out of memory, may have kept what it did not send, to answer it when contact is lost. */
static void request_free(struct request *r, int rc)
{
    if (rc == ZMARSHALLINGERROR)
        r->client = NULL;
    else
        free(r);
}

/* `rc`: of the library's function, which keeps the request if it is ZOK. */
static int request_sent(struct request *r, int rc)
{
    struct client *c = r->client;
    if (rc != ZOK) {
        c->flying[r->number]--;
        request_free(r, rc);
    }
    if (zoo_state(c->handle) != ZOO_CONNECTED_STATE) /* a send that fails closes the socket without an event */
        on_disconnected(c);
    return rc;
}

static void request_learn(struct request *r, struct reply reply)
{
    static const struct String_vector no_names = { .count = 0 };
    struct client *c = r->client;
    if (!c)
        return;
    reply.request = r->number;
    reply.path = r->path;
    reply.sent = r->sent;
    reply.refused = -1;
    for (int i = OPS_MAX - 1; i >= 0 && reply.rc != ZOK; i--)
        if (r->results[i].err == reply.rc)
            reply.refused = i;
    bool ok = reply.rc == ZOK; /* else what the library points to says nothing */
    reply.data = ok && reply.data ? reply.data : "";
    reply.length = ok ? reply.length : 0;
    reply.stat = ok && reply.stat ? reply.stat : &r->stat;
    reply.names = ok && reply.names && reply.names->count > 0 ? reply.names : &no_names;
    bool broken = outcome_unknown(reply.rc) && c->connected && zoo_state(c->handle) == ZOO_CONNECTED_STATE;
    c->news = true;
    c->flying[r->number]--;
    c->learn(c->owner, &reply);
    if (broken) { /* asked again, the server would answer so again, at once */
        SAY(c->config, WARN, "an answer of %s is refused: %s", zoo_get_current_server(c->handle), zerror(reply.rc));
        client_next_server(c);
        on_disconnected(c);
    }
}

/* Every answer comes here, through one of the six below. */
static void request_answered(const void *data, struct reply reply)
{
    struct request *r = (struct request *)(uintptr_t)data;
    request_learn(r, reply);
    free(r);
}

/* ZMARSHALLINGERROR is ours: memory is out. If the library has none for an answer, it calls back as if all were well,
 * with a Stat that it has not filled in, which must not be taken for an empty base, or a queue without its first. A
 * server says the same after it has carried out what was asked. */
static int answer_check(int rc, bool whole)
{
    return rc == ZMARSHALLINGERROR ? ZSYSTEMERROR : rc == ZOK && !whole ? ZMARSHALLINGERROR : rc;
}

static void answered_void(int rc, const void *data)
{
    request_answered(data, (struct reply){ .rc = answer_check(rc, true) });
}

static void answered_string(int rc, const char *value, const void *data)
{
    size_t length = value ? strlen(value) : 0;
    request_answered(data, (struct reply){ .rc = answer_check(rc, true), .data = value, .length = length });
}

static void answered_stat(int rc, const struct Stat *stat, const void *data)
{
    request_answered(data, (struct reply){ .rc = answer_check(rc, true), .stat = stat });
}

static void answered_data(int rc, const char *value, int length, const struct Stat *stat, const void *data)
{
    size_t count = value && length > 0 ? (size_t)length : 0;
    rc = answer_check(rc, value || length < 0); /* below 0: the node has none */
    request_answered(data, (struct reply){ .rc = rc, .data = value, .length = count, .stat = stat });
}

static void answered_names(int rc, const struct String_vector *listed, const struct Stat *stat, const void *data)
{
    bool whole = true;
    for (int32_t i = 0; rc == ZOK && listed && i < listed->count; i++)
        whole = whole && listed->data && listed->data[i];
    request_answered(data, (struct reply){ .rc = answer_check(rc, whole), .names = listed, .stat = stat });
}

static bool access_open(const struct ACL_vector *access)
{
    bool open = false;
    for (int32_t i = 0; i < access->count; i++) {
        const struct ACL *entry = &access->data[i];
        bool world = entry->id.scheme && !strcmp(entry->id.scheme, "world");
        open = open || (world && (entry->perms & ~ZOO_PERM_READ));
    }
    return open;
}

/* A server names no digest to a client without the right "admin": such a list cannot be given to another node. */
static bool access_complete(const struct ACL_vector *access)
{
    for (int32_t i = 0; i < access->count; i++) {
        const char *id = access->data[i].id.id, *scheme = access->data[i].id.scheme;
        if (!id || !scheme || (!strcmp(scheme, AUTH_SCHEME) && strlen(id) > 2 && !strcmp(id + strlen(id) - 2, ":x")))
            return false;
    }
    return true;
}

/* Of ASK_ACCESS, or of client_create_like(), which goes on with the node itself. What a server counts, but has not
 * sent, is not there. */
static void answered_access(int rc, struct ACL_vector *listed, struct Stat *stat, const void *data)
{
    struct request *r = (struct request *)(uintptr_t)data;
    rc = answer_check(rc, true);
    const struct ACL_vector none = { 0, NULL }, *access = rc == ZOK && listed && listed->data ? listed : &none;
    bool create = r->data && rc == ZOK;
    if (create)
        rc = !access_complete(access) ? ZNOAUTH
             : zoo_acreate(r->client->handle, r->path, r->data, (int)r->length, access, 0, answered_string, r);
    if (create && rc == ZOK)
        return;
    request_learn(r, (struct reply){ .rc = rc, .stat = stat, .open = access_open(access) });
    request_free(r, create ? rc : ZOK);
}

/* The requests. ZOK: sent, and `learn` will be called once, with outcome_unknown() if the
 * connection breaks first. Else it was not sent: a ZooKeeper error. */

/* With credentials configured, only they may access the nodes that we create. */
static const struct ACL_vector *client_access(const struct client *c)
{
    return c->config->auth ? &ZOO_CREATOR_ALL_ACL : &ZOO_OPEN_ACL_UNSAFE;
}

static int client_create(struct client *c, int request, const char *path, const char *data, size_t length, int flags)
{
    struct request *r = request_new(c, request, path);
    const struct ACL_vector *access = client_access(c);
    return r ? request_sent(r, zoo_acreate(c->handle, path, data, (int)length, access, flags, answered_string, r))
             : ZMARSHALLINGERROR;
}

static int client_set(struct client *c, int request, const char *path, const char *data, size_t length, int version)
{
    struct request *r = request_new(c, request, path);
    return r ? request_sent(r, zoo_aset(c->handle, path, data, (int)length, version, answered_stat, r))
             : ZMARSHALLINGERROR;
}

/* All that is read anew begins with a sync. If the answers of a server contradict each other, that would go on as
 * fast as it answers. */
static bool client_may_sync(struct client *c)
{
    nanos now = clock_now();
    if (now - c->syncs_since > nanos_min(part(c->timeout, PART_PAUSE), SECOND)) {
        c->syncs_since = now;
        c->syncs = 0;
    }
    return ++c->syncs <= SYNCS_MAX;
}

/* A request about one node that sends no data. With `watch` the owner's `event` is called once when the node
 * (ASK_LIST: its children) changes. */
static int client_ask(struct client *c, int request, enum ask what, const char *path, bool watch)
{
    if (what == ASK_SYNC && !client_may_sync(c))
        return ZTHROTTLEDOP;
    struct request *r = request_new(c, request, path);
    watcher_fn watcher = watch ? on_event : NULL;
    int rc = ZMARSHALLINGERROR;
    if (!r)
        return rc;
    switch (what) {
    case ASK_SYNC:   rc = zoo_async(c->handle, path, answered_string, r); break;
    case ASK_DATA:   rc = zoo_awget(c->handle, path, watcher, c, answered_data, r); break;
    case ASK_STAT:   rc = zoo_awexists(c->handle, path, watcher, c, answered_stat, r); break;
    case ASK_LIST:   rc = zoo_awget_children2(c->handle, path, watcher, c, answered_names, r); break;
    case ASK_ACCESS: rc = zoo_aget_acl(c->handle, path, answered_access, r); break;
    case ASK_DELETE: rc = zoo_adelete(c->handle, path, -1, answered_void, r); break;
    }
    return request_sent(r, rc);
}

static void op_convert(const struct client *c, zoo_op_t *out, const struct op *op, struct Stat *stat)
{
    switch (op->kind) {
    case OP_CHECK:  zoo_check_op_init(out, op->path, op->version); break;
    case OP_SET:    zoo_set_op_init(out, op->path, op->data, (int)op->length, op->version, stat); break;
    case OP_CREATE: zoo_create_op_init(out, op->path, op->data, (int)op->length, client_access(c), 0, NULL, 0); break;
    case OP_DELETE: zoo_delete_op_init(out, op->path, op->version); break;
    }
}

/* All of the changes, or none. The reply's `stat` is that of the node that they set. */
static int client_commit(struct client *c, int request, const struct op *ops, int count)
{
    zoo_op_t converted[OPS_MAX];
    struct request *r = request_new(c, request, "");
    for (int i = 0; r && i < count; i++)
        op_convert(c, &converted[i], &ops[i], &r->stat);
    return r ? request_sent(r, zoo_amulti(c->handle, count, converted, r->results, answered_void, r))
             : ZMARSHALLINGERROR;
}

/* --- the handle ------------------------------------------------------------------------- */

static void library_silence(const char *message)
{
    (void)message;
}

/* All addresses, but for one to be avoided, if there are others. The client library never tries half of
 * a list of even length (ZOOKEEPER-2466): such a one gets its first twice. */
static void addresses_choose(struct client *c, struct text *t)
{
    char item[80];
    int count = 0;
    for (const char *list = c->addresses; c->avoided[0] && list_next(&list, item, sizeof item);)
        if (strcmp(item, c->avoided) != 0)
            text_format(t, "%s%s", count++ ? "," : "", item);
    c->avoiding = count > 0;
    c->avoided[0] = '\0';
    if (count == 0)
        text_string(t, c->addresses);
    size_t commas = 0;
    for (const char *p = t->data; *p; p++)
        commas += *p == ',';
    if (commas % 2)
        text_format(t, ",%.*s", (int)strcspn(t->data, ","), t->data);
}

/* Out of contact or expired, closing sends nothing and does not block; in contact it
 * ends the session, in some milliseconds, or in 1.5 s where the server does not answer. */
static void handle_close(struct client *c)
{
    c->connected = false;
    if (c->handle)
        zookeeper_close(c->handle);
    c->handle = NULL;
    c->fd = -1;
}

/* In the place of the old one, if there is one. */
static void handle_open(struct client *c)
{
    char addresses[ADDRESSES_MAX];
    struct text chosen = TEXT_IN(addresses);
    if (c->handle && !c->avoiding) /* else it is the first, or one more attempt, as the library makes them */
        SAY(c->config, INFO, "connecting anew to %s", c->addresses);
    addresses_choose(c, &chosen);
    handle_close(c);
    c->expired = c->rejected = c->exhausted = c->moved = c->associated = c->unfit = false;
    c->attempt_at = c->hold_until = 0;
    c->opened_at = clock_now();
    c->event(c->owner, CONTACT_ANEW, "");
    c->handle = zookeeper_init2(addresses, on_event, c->config->timeout_ms,
                                c->session.client_id ? &c->session : NULL, c,
                                ZOO_NO_LOG_CLIENTENV, c->config->library_log ? NULL : library_silence);
    if (!c->handle) {
        c->retry_at = trouble_say(c->config, c->trouble, 5 * SECOND,
                                  "the ZooKeeper client cannot start: %s", strerror(errno));
        return;
    }
    zoo_set_servers_resolution_delay(c->handle, -1);
    if (c->config->auth) { /* sent at each connect, before anything else */
        const char *certificate = c->config->auth + strlen(AUTH_SCHEME ":");
        zoo_add_auth(c->handle, AUTH_SCHEME, certificate, (int)strlen(certificate), NULL, NULL);
    }
}

/* Not at once, where a server ends each session as soon as it is open. */
static void session_renew(struct client *c)
{
    nanos now = clock_now(), pause = part(c->timeout, PART_PAUSE);
    SAY(c->config, WARN, "session 0x%" PRIx64 " has expired; opening a new one", c->session.client_id);
    memset(&c->session, 0, sizeof c->session);
    handle_close(c);
    c->expired = false;
    c->retry_at = now - c->session_since < pause ? now + pause : 0;
}

/* Breaks contact off without telling the server, so that closing does not wait for an answer. */
static void client_hang_up(struct client *c)
{
    if (c->fd < 0 || !c->session.client_id)
        return;
    shutdown(c->fd, SHUT_RDWR);
    zookeeper_process(c->handle, ZOOKEEPER_READ);
}

/* From a server that is not to be used. A session that this server opened is closed; one
 * that was good before goes on at another server, or expires. */
static void client_break_off(struct client *c)
{
    client_hang_up(c);
    handle_close(c);
    c->unfit = false;
}

/* Ends the session, and all that is ephemeral with it; the next one is opened after a pause. */
static void client_end_session(struct client *c, nanos pause)
{
    handle_close(c);
    memset(&c->session, 0, sizeof c->session);
    c->contact_since = clock_now();
    c->remind_at = c->contact_since + MINUTE;
    c->retry_at = c->contact_since + pause;
}

/* --- coming into contact: what is due, doing it ----------------------------------------------- */

/* The first failure says why: the others until there is contact have the same reason, most likely. */
static void contact_fails(struct client *c, int rc, int error)
{
    if (rc == ZOK || rc == ZNOTHING || rc == ZSESSIONEXPIRED || c->connected || c->trouble[0])
        return;
    const char *why = rc == ZOPERATIONTIMEOUT ? "no answer"
                    : error == EHOSTDOWN ? "it closes the connection" /* so the library has it */
                    : error ? strerror(error) : zerror(rc);
    struct text t = TEXT_IN(c->trouble);
    text_format(&t, "cannot connect to ZooKeeper at %s: %s", zoo_get_current_server(c->handle), why);
    SAY(c->config, WARN, "%s; still trying", c->trouble);
}

static void resolver_give_up(struct client *c)
{
    resolver_end(&c->resolver);
    c->retry_at = trouble_say(c->config, c->trouble, 5 * SECOND,
                              "resolving zookeeper-servers %s takes over 30s", c->config->servers);
}

static void contact_remind(struct client *c)
{
    nanos now = clock_now();
    c->remind_at = now + MINUTE;
    SAY(c->config, WARN, "no contact with ZooKeeper at %s for %s; still trying",
        c->addresses[0] ? c->addresses : c->config->servers,
        duration_string((now - c->contact_since) / SECOND * SECOND).data);
}

typedef void contact_step(struct client *c);

/* What is due; NULL: nothing before *wake. */
static contact_step *contact_due(const struct client *c, nanos now, nanos *wake)
{
    const struct resolver *r = &c->resolver;
    if (c->expired)
        return session_renew;
    if (c->connected)
        return NULL;
    if (c->unfit)
        return client_break_off;
    if (c->rejected)
        return due(c->retry_at, now, wake) ? handle_open : NULL;
    if (r->pid && due(r->until, now, wake))
        return resolver_give_up;
    if (!c->handle && c->addresses[0])
        return due(c->retry_at, now, wake) ? handle_open : NULL;
    bool ask = (!c->handle || (c->exhausted && !c->numeric)) && !r->pid;
    if (ask && due(nanos_max(c->retry_at, r->since + 5 * SECOND), now, wake))
        return resolver_start;
    if (c->moved || (c->avoiding && c->exhausted))
        return handle_open;
    /* An ensemble that lost its data refuses a client that has seen more than it holds: each connect is cut off, for
     * ever. A new handle forgets what was seen; the session is kept, in case the ensemble has it still. */
    bool refused = c->handle && c->associated && c->met;
    if (refused && due(nanos_max(c->contact_since, c->opened_at) + 3 * c->timeout, now, wake))
        return handle_open;
    return due(c->remind_at, now, wake) ? contact_remind : NULL;
}

/* All servers were tried in vain: wait longer each time, never over T/3 nor 30 s, and
 * not in step with other clients. */
static void contact_back_off(struct client *c, nanos now)
{
    nanos least = nanos_max(c->timeout / 60, 10 * MILLISECOND);
    nanos most = part(c->timeout, now < c->hurry_until ? PART_HURRY : PART_PAUSE);
    c->exhausted = true;
    c->backoff = nanos_min(nanos_max(2 * c->backoff, least), nanos_min(most, PAUSE_MAX));
    c->hold_until = now + c->backoff / 4 * 3 + (nanos)rand_r(&c->seed) % (c->backoff / 4 + 1);
}

/* Lets the client library say what it waits for; returns until when. */
static nanos contact_interest(struct client *c, nanos now)
{
    int fd = -1, events = 0;
    struct timeval tv = { 0, 0 };
    if (now < c->hold_until)
        return c->hold_until;
    /* After a stall it would drop a connection that has answers waiting. */
    if (c->fd >= 0 && now - c->processed_at > part(c->timeout, PART_STALL) && fd_ready(c->fd, POLLIN))
        zookeeper_process(c->handle, ZOOKEEPER_READ);
    c->processed_at = now;
    bool connecting = !c->connected;
    errno = 0;
    int rc = zookeeper_interest(c->handle, &fd, &events, &tv);
    if (connecting)
        contact_fails(c, rc, errno);
    c->fd = rc == ZOK ? fd : -1;
    if (zoo_state(c->handle) != ZOO_CONNECTED_STATE)
        on_disconnected(c);
    bool accepted = zoo_state(c->handle) == ZOO_ASSOCIATING_STATE;
    if (accepted && !c->accepted)
        c->attempt_at = now; /* a connect takes two round trips, and each its time */
    c->accepted = accepted;
    c->associated = c->associated || accepted;
    if (rc != ZOK) {
        c->attempt_at = 0;
        c->hold_until = now + 2 * MILLISECOND; /* one address failed: on to the next */
        return c->hold_until;
    }
    if (fd < 0) {
        contact_back_off(c, now);
        return c->hold_until;
    }
    fd_private(fd);
    if (!c->connected && c->attempt_at == 0)
        c->attempt_at = now;
    c->events = (short)((events & ZOOKEEPER_READ ? POLLIN : 0) | (events & ZOOKEEPER_WRITE ? POLLOUT : 0));
    return now + (nanos)tv.tv_sec * SECOND + tv.tv_usec * MICROSECOND;
}

static nanos contact_patience(const struct client *c, nanos now)
{
    return part(now < c->hurry_until ? nanos_min(c->timeout, c->hurry_timeout) : c->timeout, PART_ATTEMPT);
}

/* --- for the owner's loop --------------------------------------------------------------------- */

/* `config` must outlive the client. Nothing is sent before the first client_prepare(). The first reminder comes later
 * than an owner's patience ends that waits for T. */
static void client_open(struct client *c, const struct ballot_config *config, void *owner,
                        void (*learn)(void *, const struct reply *), void (*event)(void *, int, const char *))
{
    nanos now = clock_now(), timeout = config->timeout_ms * MILLISECOND;
    *c = (struct client){
        .config = config, .owner = owner, .learn = learn, .event = event, .timeout = timeout, .fd = -1,
        .contact_since = now, .remind_at = now + nanos_max(timeout, MINUTE) + SECOND,
        .seed = (unsigned)now ^ (unsigned)getpid() << 16,
        .resolver = { .since = now - 5 * SECOND, .fd = -1 },
    };
    SAY(config, INFO, "connecting to ZooKeeper at %s", config->servers);
}

/* Ends the session, if there is one and the server answers. `learn` is called for what is on its way. */
static void client_close(struct client *c)
{
    resolver_end(&c->resolver);
    handle_close(c);
}

/* Does what is due; returns when to come again. */
static nanos contact_advance(struct client *c)
{
    for (;;) {
        nanos wake = NEVER;
        contact_step *step = contact_due(c, clock_now(), &wake);
        if (!step)
            return wake;
        step(c);
    }
}

/* Does what is due; fills at most BALLOT_POLLFDS slots, and brings *wake forward to
 * when to come again. Returns the number of slots. */
static int client_prepare(struct client *c, struct pollfd *slots, int room, nanos *wake)
{
    int count = 0;
    *wake = nanos_min(*wake, contact_advance(c));
    nanos now = clock_now();
    if (c->handle) {
        *wake = nanos_min(*wake, contact_interest(c, now));
        /* A server that accepts and never answers would cost 2/3 T: no longer than T/5. */
        nanos patience = nanos_min(contact_patience(c, now), PAUSE_MAX);
        if (c->fd >= 0 && !c->connected && c->attempt_at && due(c->attempt_at + patience, now, wake)) {
            contact_fails(c, ZOPERATIONTIMEOUT, 0);
            client_next_server(c);
        }
        if (c->fd >= 0 && now >= c->hold_until && count < room)
            slots[count++] = (struct pollfd){ .fd = c->fd, .events = c->events };
    }
    if (c->resolver.pid && count < room)
        slots[count++] = (struct pollfd){ .fd = c->resolver.fd, .events = POLLIN };
    return count;
}

static void client_dispatch(struct client *c, const struct pollfd *slots, int count)
{
    for (int i = 0; i < count; i++) {
        if (slots[i].revents == 0)
            continue;
        if (c->resolver.pid && slots[i].fd == c->resolver.fd)
            resolver_read(c);
        else if (c->handle && slots[i].fd == c->fd) {
            int events = (slots[i].revents & POLLOUT ? ZOOKEEPER_WRITE : 0) |
                         (slots[i].revents & (POLLIN | POLLHUP | POLLERR) ? ZOOKEEPER_READ : 0);
            bool connecting = !c->connected;
            c->processed_at = clock_now();
            errno = 0;
            int rc = zookeeper_process(c->handle, events);
            if (connecting)
                contact_fails(c, rc, errno);
            if (rc != ZOK)
                c->attempt_at = 0;
        }
    }
}

/* ---------------------------------------------------------------------------
 * Election: the rules. ballot.h is this chapter's manual.
 *
 * Replies and watches only record facts (the on_... functions). One pure function, election_step(), looks at the facts
 * and names the next thing to do; election_do() does it.
 *
 * Layout on the ensemble, shared with an earlier tool of the same name, the Go ballot:
 *
 *     <base>                       data: the leader's JSON, or empty
 *     <base>/proposal-NNNNNNNNNN   ephemeral, sequential; data: the candidate's
 *     <base>/requests              what operators ask of leaders
 *     <base>/schedule              what leaders hand on: the record, see ballot.h
 *
 * The rules. T is the session timeout that the servers grant, counted as 10 min at most: a candidate's own, or the
 * advertised one, which the leader wrote. The owner is the program that holds the handle. The first and the next are
 * the first two of the queue.
 *
 *  1 Queue. Children of the base that are called proposal-NNNNNNNNNN and are ephemeral, in the order of strcmp().
 *    All else is ignored, and warned of once. A waiting candidate watches the proposal before it and the one before
 *    that. The first and the next, if they wait, also watch the base and ask every T/10 whether the servers answer;
 *    those farther behind look at the base's version just before the library would send a ping. So all know how long
 *    the base has been silent, a handover costs the same number of requests however many wait, and silence is counted
 *    while sessions still expire.
 *  2 Claim. Only the first may, and only if the base
 *      (a) is empty; or
 *      (b) names a proposal that is gone, of a leader with `stop`, and has not changed for 5/6 of the advertised T;
 *          or
 *      (c) names a proposal that is gone, or none, and has not changed for the greater of the advertised T and the
 *          own; or
 *      (d) names the own proposal (the answer to its claim was lost; the next may, too).
 *    After a reconnect, a request without an answer for T/5, or a standstill of ours, the time of (c) begins anew
 *    with the next read, and is twice as long until the base changes: when an ensemble comes back, a leader that
 *    went on needs time to say so.
 *  3 Heartbeat. One transaction every T/5: check that the own proposal exists, set the base with the version that
 *    was read or written last. The first is the claim. A leader starts nothing unless its answer comes within the
 *    lease.
 *  4 Resignation. One transaction: empty the base with that version, delete the own proposal. Only after the
 *    command and all that it started are dead. The next one claims at once. A base that says "unrecorded" is not
 *    emptied: the next one must read that, and claims by (b) or (c).
 *  5 Lost answers. After a reconnect sync, then read what is in doubt. Bytes in the base that name our proposal
 *    were written by us: their version counts, but the lease does not grow by a read: a heartbeat must be
 *    acknowledged first. A transaction that was refused means loss only if the base shows bytes that are not ours,
 *    or the own proposal is gone.
 *  6 Loss. The owner stops what it did as leader at once, then stands again.
 *  7 Lease. It lasts 2/3 T from the sending of the last acknowledged write, with the T which that write advertised.
 *    Before a heartbeat with a shorter T is sent, the lease is cut to what that one allows, and the owner is told:
 *    others may count by it whether its answer comes or not. Reads and pings prove nothing. The clock is one that
 *    no operator sets.
 *  8 Fencing token. The mzxid of the claim: it grows with each claim in the ensemble.
 *  9 One proposal. A create whose answer was lost is looked for: the proposal that our session owns is adopted. A
 *    session never has two.
 * 10 Expiry with `keep`. If the base still shows our own bytes, a new proposal is made and the leadership goes on.
 * 11 Other nodes of the same name. A proposal that another session owns is not ours. A base with another czxid or
 *    ctime was made again: what we wrote before is forgotten, and nothing is claimed for the greater T.
 * 12 Servers that lost data. They refuse a client that has seen more than they hold: after 3 T of accepted
 *    connections that end, a new handle forgets what was seen. A base whose version or mzxid is smaller than one
 *    that was seen, or a proposal with a smaller number than our last, shows the same: nothing is claimed for the
 *    greater T, the next write gives a new fencing token, and a leader with `stop` whose lease is over has lost.
 * 13 Operators' requests. JSON in one persistent node, written by its version: "stepDown" names the proposal of a
 *    leader that is to end its work and resign; it counts for no other. The leader reads the node behind its claim,
 *    on the same connection, again after each reconnect, and watches it; if that is refused, it reads again with each
 *    heartbeat. Heartbeats repeat the mzxid that it acts on. Nothing is written into a leader's proposal: a Go ballot
 *    that watches it would fail. If the proposal is deleted by hand, the leadership is lost at once.
 * 14 Mismatch. A leader with another `onDisconnect` or T than ours is warned of once.
 * 15 Rights. A candidate that is refused something that leading needs leaves the queue: by resigning, else by
 *    deleting its proposal, else by closing the session; and stands again after 2 T, 30 s at most. It never blocks
 *    those that have the rights.
 * 16 A server with a session timeout that is too short to lead with, or too long for the library to count, is not
 *    used.
 * 17 A reconnect of a candidate that is neither first nor next costs one read, of its own proposal, and a sync before
 *    its next look at the base, from which the time of (c) counts: all else is read when it comes to the front.
 * 18 Mute candidates. A leader that keeps its session while its base has not changed for 2 T (the clock of (c))
 *    gets no answers: the first that waits deletes its proposal, in one transaction with a check of the base's
 *    version, or each one behind, T later than the one before it. The next alone does so to a first that does not
 *    claim for 2 T. Never to one that does not advertise `onDisconnect`: a Go ballot, whose command would go on.
 * ------------------------------------------------------------------------ */

#define NODE_PREFIX   "proposal-"
#define RECORD_NAME   "schedule"
#define ORDERS_NAME   "requests" /* orders: what operators ask of the leader; not requests to the servers */
#define ORDER_STEP_DOWN "stepDown"

enum {
    NODE_MAX = 64,                /* of a candidate: "proposal-2147483647"; a longer name is cut, and is none's */
    CHILD_MAX = 1024,             /* of any child of the base                          */
    NODE_PATH_MAX = BALLOT_PATH_MAX + CHILD_MAX + 2,
    DATA_MAX = BALLOT_RECORD_MAX, /* our JSON: every byte of id, host, path escaped    */
};

/* The requests to the servers, one of a kind at a time. The columns: its name; what the log calls it; whether it
 * asks, reads what leading needs, or sets (nothing else is sent while one that sets is on its way; if its answer is
 * lost, all is read again); what `b` learns by the reply `r`; how it is sent, through the client `c`, under the number
 * `n`. To add a request, add a row. */
#define REQUESTS(ROW)                                                                                                  \
    ROW(SYNC,     "sync",         ASKS,  b->synced = true,    client_ask(c, n, ASK_SYNC, b->path, false))              \
    ROW(LIST,     "list",         READS, on_list(b, r),       client_ask(c, n, ASK_LIST, b->path, false))              \
    ROW(BASE,     "read base",    READS, on_base(b, r),       client_ask(c, n, ASK_DATA, b->path, true))               \
    /* its version alone, just before the library would send a ping */                                                 \
    ROW(LOOK,     "look at base", ASKS,  on_look(b, r),       client_ask(c, n, ASK_STAT, b->path, false))              \
    ROW(OWN,      "read own",     READS, on_own(b, r),        client_ask(c, n, ASK_DATA, own_path(b), true))           \
    /* do the servers answer? A sync: what changed comes before its answer */                                          \
    ROW(PROBE,    "ask",          ASKS,  on_probe(b),         client_ask(c, n, ASK_SYNC, b->path, false))              \
    /* the first proposal: may it be revoked? */                                                                       \
    ROW(FIRST,    "read first",   ASKS,  on_first(b, r),                                                               \
        client_ask(c, n, ASK_DATA, child_path(b, b->first), false))                                                    \
    ROW(REVOKE,   "revoke",       SETS,  on_revoke(b, r),     revoke_send(b))                                          \
    /* a list's watch fires when the node goes, not when an operator writes to it */                                   \
    ROW(AHEAD,    "watch ahead",  ASKS,  on_watch(b, r),      client_ask(c, n, ASK_LIST, watch_path(b, 1), true))      \
    /* are those before us ephemeral? All at once */                                                                   \
    ROW(SIFT,     "sift",         ASKS,  on_sift(b, r),       sift_send(b))                                            \
    ROW(BEYOND,   "watch second", ASKS,  on_watch(b, r),      client_ask(c, n, ASK_LIST, watch_path(b, 2), true))      \
    ROW(GHOST,    "find ghost",   ASKS,  on_ghost(b, r),      ghost_send(b))                                           \
    ROW(PATH,     "make path",    SETS,  on_path(b, r),       path_send(b))                                            \
    ROW(PROPOSE,  "propose",      SETS,  on_propose(b, r),    propose_send(b))                                         \
    /* our proposal, with its name; nothing depends on it. Refused: it was written to since, and that stays */         \
    ROW(SIGN,     "sign",         ASKS,  b->signed_own = true, sign_send(b))                                           \
    ROW(ACCESS,   "read access",  ASKS,  on_access(b, r),     client_ask(c, n, ASK_ACCESS, b->path, false))            \
    /* claim and heartbeat: the same transaction */                                                                    \
    ROW(WRITE,    "write base",   SETS,  on_write(b, r),      write_send(b))                                           \
    ROW(RESIGN,   "resign",       SETS,  on_resign(b, r),     resign_send(b))                                          \
    ROW(WITHDRAW, "withdraw",     SETS,  on_withdraw(b, r),   client_ask(c, n, ASK_DELETE, own_path(b), false))        \
    ROW(RECORD,   "read record",  READS, on_record(b, r),                                                              \
        client_ask(c, n, ASK_DATA, child_path(b, RECORD_NAME), false))                                                 \
    ROW(SAVE,     "write record", SETS,  on_save(b, r),       save_send(b))                                            \
    /* what operators ask; then, if there is no such node, a watch for it */                                           \
    ROW(ORDERS,   "read orders",  ASKS,  on_orders(b, r),                                                              \
        client_ask(c, n, ASK_DATA, child_path(b, ORDERS_NAME), true))                                                  \
    ROW(AWAIT,    "await orders", ASKS,  on_await(b, r),                                                               \
        client_ask(c, n, ASK_STAT, child_path(b, ORDERS_NAME), true))

/* The next thing to do: a request, or something of our own. */
enum step {
#define ROW(name, ...) REQUEST_##name,
    REQUESTS(ROW)
#undef ROW
    REQUEST_COUNT,
    STEP_NONE = REQUEST_COUNT,
    STEP_DOUBT,       /* something is not known for sure any more            */
    STEP_SETTLE,      /* all that was in doubt is read: draw the conclusions */
    STEP_CUT,         /* shorten the lease                                   */
    STEP_END_SESSION,
};

enum kind { ASKS, READS, SETS };

/* The moment of a lease at which so much of T is over; NEVER without one. */
static nanos lease_moment(const struct ballot_lease *l, int sixtieths)
{
    nanos when = l->timeout ? l->sent + part(l->timeout, sixtieths) : NEVER;
    return l->cut_timeout ? nanos_min(when, l->cut_sent + part(l->cut_timeout, sixtieths)) : when;
}

/* How a candidate that may not lead gets out of the queue. */
enum denial {
    DENIED_NOTHING,
    DENIED_LEADING,   /* by resigning, or by deleting its proposal              */
    DENIED_RESIGNING, /* resigning is refused: by deleting its proposal         */
    DENIED_DELETING,  /* that is refused as well: by closing the session        */
};

/* Whose bytes are in the base. Servers that have lost data give the names of proposals again, to others. */
struct author {
    char proposal[NODE_MAX];
    char proposed[128]; /* "proposalTime" */
};

/* What the base is known to hold, and since when it has been silent. */
struct base {
    bool fresh;       /* read since whatever made it doubtful             */
    bool seen;        /* read at least once, ever                         */
    bool exists;
    bool empty;       /* there is no leader                               */
    bool ours;        /* a write of ours                                  */
    bool stop;        /* its leader stops before its lease ends           */
    bool revocable;   /* its leader advertises onDisconnect: it is no Go ballot */
    bool unrecorded;  /* its leader says that the record does not count       */
    char named[NODE_MAX]; /* its leader's proposal; "": none below this base */
    char leader[256]; /* its id, host and pid, in words; "": none         */
    nanos timeout;    /* the session timeout that its leader advertises   */
    int32_t version;
    int64_t czxid, ctime, mzxid; /* ctime, too: an ensemble that lost its data counts anew */
    int64_t newest;   /* the greatest mzxid that was ever seen            */
    char led[NODE_MAX]; /* the proposal that it named last                */
    nanos read_at;    /* the last read, or answer to a PROBE; 0: none since we are at the front */
    nanos moved_at;   /* when its version was first seen; 0: the next read counts as that */
    nanos silent_since; /* the clock of rule (c): moved_at, or a restart  */
    bool restarted;   /* that clock began anew, the version has not moved since */
    nanos lost_until; /* the servers have lost what was seen: a leader of then may lead until then; 0: they have not */
};

/* What leaders hand on to each other, in a node beside the proposals, as bytes that only their owners
 * read. Written like the base: by its version, and only while our proposal exists. */
struct record_state {
    bool fresh;        /* what follows is what the servers hold              */
    bool exists;
    bool pending;      /* `next` is to be written                            */
    int32_t version;
    nanos changed;     /* the servers' wall clock at the last change         */
    unsigned reads;    /* counts them                                        */
    char data[DATA_MAX], next[DATA_MAX];
    size_t length, next_length;
};

/* Names of children of the base. */
struct names {
    char (*at)[NODE_MAX];
    size_t count;
};

struct ballot {
    char *servers, *path, *id, *auth; /* auth: NULL, or our identity */
    struct ballot_config config; /* its strings are the copies above */
    char host[256];
    nanos born;
    char proposed[128]; /* the wall time of the proposal, as time_string() writes it */
    char claimed[128];  /* ... of our claim                                  */
    enum { WANT_LEAVE, WANT_HOLD, WANT_STAND } want;

    struct client client;
    char trouble[TROUBLE_MAX];
    bool refused;       /* the trouble is that the ensemble says no          */
    enum denial denied; /* what is refused is needed to lead: we leave the queue */
    nanos retry_at;     /* after a refusal                                   */

    /* the tree */
    bool own_only;      /* in doubt is our own proposal alone                 */
    bool unsettled, synced, list_fresh, own_fresh, signed_own;
    bool ghost;         /* a proposal of ours may exist whose name we do not know */
    nanos broke_at;     /* we heard nothing, or could not have: the clock of rule (c)
                           starts anew at the first read sent since; 0: it need not */
    nanos planned_at;   /* the owner was asked to come again by then          */
    char proposal[NODE_MAX]; /* "": none                                     */
    char stood[NODE_MAX]; /* the last that we had                            */
    int64_t proposal_session;
    bool own_exists;
    struct names queue; /* sorted as strcmp                                  */
    char first[NODE_MAX]; /* the first of them,                               */
    nanos first_since;
    bool examined;      /* its proposal was read,                            */
    bool examined_revocable; /* and advertises onDisconnect                   */
    struct names ignored; /* persistent "proposals" of strangers             */
    bool sift;          /* one was met: as many again are to be asked for at once */
    nanos calm_at;      /* a handover is on its way until then: what can wait, waits */
    char watched[2][NODE_MAX]; /* armed: the one before us, the one before that */
    size_t suspects;           /* names of the queue still to be asked       */
    size_t path_length;        /* of the base path that is made, or need not be */
    int path_error;
    size_t path_refused;       /* that much of it is the node that took no child */
    struct base base;

    /* leading */
    bool leading;
    struct author wrote;         /* of the last write                           */
    struct author wrote_before;  /* and of the one of ours that was in the base before */
    bool revoked;       /* lost because another client deleted our proposal  */
    bool step_down;     /* an operator asked us to hand over                 */
    bool resigning;     /* the servers may have carried out our resignation  */
    bool unrecorded;    /* the leader before us kept no record, and ours is not written since: we say so in
                           the base, which we leave as it is if we resign or die before: the next must know */
    unsigned losses;    /* counts each loss of the leadership                */
    struct ballot_lease lease;
    bool cut_unseen;    /* the lease was cut: its owner must learn of it before the write goes out */
    nanos beat_at;      /* the next heartbeat                                */
    int64_t token;
    bool token_old;     /* the servers went back since: the next write gives another token */
    bool orders_fresh;  /* what operators ask is read in this contact, and watched */
    bool orders_missing; /* there is no such node, and it is not watched for yet */
    int64_t orders;     /* the mzxid of what we act on; 0: there is no such node; -1: not read, or refused */
    bool access_read;   /* of the base, once                                 */
    bool warned_fields[3], warned_differs, warned_strangers, warned_unreadable, warned_orders;
    nanos sent_shift;   /* clock_shift() at the last write of the base,      */
    nanos ahead_shift;  /* and when its answer came;                         */
    nanos ahead;        /* our wall clock less the servers', as far as that proves it */
    struct record_state record;

    char waiting[512];  /* what was said last of who leads and who waits before us */
    nanos waiting_at;   /* no more of it before that                         */
    int lease_said;     /* 1: that it ends soon, 2: that it is over          */
    nanos watchdog_lease; /* the sending of the lease in which the watchdog has acted */

    char node[NODE_PATH_MAX]; /* of node_path()                */
    char sent[DATA_MAX]; /* the last write of the base                          */
    size_t sent_length;
    nanos sent_timeout; /* the T that it advertises */
};

/* --- names and order: pure ------------------------------------------------ */

/* ZooKeeper's rules for a path, and not the root itself. */
static bool path_valid(const char *path)
{
    size_t n = strlen(path);
    if (n < 2 || n > BALLOT_PATH_MAX || path[0] != '/' || path[n - 1] == '/')
        return false;
    for (const char *p = path; *p; p++) {
        size_t part = strcspn(p + 1, "/");
        if (*p == '/' && (part == 0 || (part == 1 && p[1] == '.') || (part == 2 && p[1] == '.' && p[2] == '.')))
            return false;
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    }
    size_t step = 1;
    unsigned c;
    for (size_t i = 0; i < n && step; i += step)
        step = utf8_read(path + i, n - i, &c);
    return step != 0;
}

/* As the servers name what is created with NODE_PREFIX: by "%010d" of a counter that may wrap. */
static bool name_numbered(const char *name)
{
    if (strncmp(name, NODE_PREFIX, strlen(NODE_PREFIX)) != 0)
        return false;
    const char *number = name + strlen(NODE_PREFIX);
    size_t sign = *number == '-', digits = strspn(number + sign, "0123456789");
    return number[sign + digits] == '\0' && (digits == 10 || (sign && digits == 9));
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void names_sort(struct names *n)
{
    if (n->count)
        qsort(n->at, n->count, sizeof *n->at, name_compare);
}

/* The place of `name` in what is sorted, from 0; -1: it is not there. */
static long names_place(const struct names *n, const char *name)
{
    char (*found)[NODE_MAX] = n->count ? bsearch(name, n->at, n->count, sizeof *n->at, name_compare) : NULL;
    return found ? (long)(found - n->at) : -1;
}

/* Returns false if memory is out. */
static bool names_add(struct names *n, const char *name)
{
    char (*larger)[NODE_MAX] = realloc(n->at, (n->count + 1) * sizeof *larger);
    if (!larger)
        return false;
    n->at = larger;
    string_copy(larger[n->count++], NODE_MAX, name);
    return true;
}

static void names_remove(struct names *n, const char *name)
{
    long place = names_place(n, name);
    if (place >= 0)
        memmove(n->at + place, n->at + place + 1, (--n->count - (size_t)place) * sizeof *n->at);
}

/* Our place in the queue, 0 the first; -1: we are not in it. */
static long queue_place(const struct ballot *b)
{
    return names_place(&b->queue, b->proposal);
}

static bool queued(const struct ballot *b, const char *name)
{
    return names_place(&b->queue, name) >= 0;
}

/* Our proposal was made in the session that we have. */
static bool session_same(const struct ballot *b)
{
    return b->proposal_session == b->client.session.client_id;
}

/* As our own heartbeat does, or a claim of ours whose answer was lost. */
static bool base_names_us(const struct ballot *b)
{
    return !strcmp(b->base.named, b->proposal);
}

/* The child of the base that `node` is the path of, "" if it is none. */
static const char *node_name(const char *base, const char *node)
{
    size_t n = strlen(base);
    bool below = !strncmp(node, base, n) && node[n] == '/' && !strchr(node + n + 1, '/');
    return below ? node + n + 1 : "";
}

/* The path of a child of the base. */
static const char *node_path(char out[NODE_PATH_MAX], const char *base, const char *name)
{
    snprintf(out, NODE_PATH_MAX, "%s/%s", base, name);
    return out;
}

static const char *child_path(struct ballot *b, const char *name)
{
    return node_path(b->node, b->path, name);
}

static const char *own_path(struct ballot *b)
{
    return child_path(b, b->proposal);
}

/* --- our JSON, and theirs --------------------------------------------------- */

static size_t candidate_json(const struct ballot *b, char out[DATA_MAX], bool leader)
{
    char number[24], when[128], node[NODE_PATH_MAX];
    struct text t = text_in(out, DATA_MAX), time = TEXT_IN(when);
    snprintf(number, sizeof number, "%ld", (long)getpid());
    snprintf(node, sizeof node, "%s/%s", b->path, b->proposal);
    text_string(&t, "{");
    json_field(&t, "candidateId", b->id);
    json_field(&t, "hostname", b->host);
    json_field(&t, "pid", number);
    json_field(&t, "proposalTime", b->proposed);
    json_field(&t, "proposalNode", b->proposal[0] ? node : "");
    json_field(&t, "sessionTimeout", duration_string(b->client.timeout).data);
    json_field(&t, "onDisconnect", b->config.mode == BALLOT_STOP ? "stop" : "keep");
    json_field(&t, "version", BALLOT_VERSION);
    if (b->config.kind)
        json_field(&t, "kind", b->config.kind);
    if (b->config.command)
        json_field(&t, "command", b->config.command);
    if (leader) {
        snprintf(number, sizeof number, "%" PRId64, b->leading && b->orders > 0 ? b->orders : 0);
        json_field(&t, ORDERS_NAME, number);
        time_string(&time, b->born);
        json_field(&t, "lastSeenTime", when);
        json_field(&t, "leaderSince", b->claimed);
        if (b->unrecorded)
            json_field(&t, "unrecorded", "true");
    }
    text_string(&t, "}");
    assert(!t.cut); /* DATA_MAX holds the longest id, host and path, escaped */
    return t.length;
}

/* The proposal of the base at `path` that a heartbeat names, "" if it names none. */
static void leader_named(char *named, size_t size, const char *path, const char *data, size_t length)
{
    char node[NODE_PATH_MAX];
    bool found = json_get(data, length, "proposalNode", node, sizeof node);
    string_copy(named, size, found ? node_name(path, node) : "");
}

/* Who leads, in words, and without control characters. */
static void leader_describe(struct base *base, const char *data, size_t length)
{
    char id[101], host[101] = "", pid[21] = "", since[20]; /* without fraction and zone */
    struct text t = TEXT_IN(base->leader);
    if (!base->named[0] || !json_get(data, length, "candidateId", id, sizeof id))
        return;
    json_get(data, length, "hostname", host, sizeof host);
    json_get(data, length, "pid", pid, sizeof pid);
    bool dated = json_get(data, length, "leaderSince", since, sizeof since);
    text_format(&t, "%s (%s, pid %s%s%s)", id, host, pid, dated ? ", since " : "", dated ? since : "");
    string_plain(base->leader);
}

static bool author_same(const struct author *a, const struct author *b)
{
    return !strcmp(a->proposal, b->proposal) && !strcmp(a->proposed, b->proposed);
}

/* What the base's data say, a heartbeat or whatever a stranger wrote. */
static void base_learn(struct ballot *b, struct base *base, const char *data, size_t length)
{
    char word[64];
    struct author author = { .proposed = "" };
    nanos timeout;
    bool timed = json_get(data, length, "sessionTimeout", word, sizeof word) && duration_parse(word, &timeout);
    leader_named(base->named, sizeof base->named, b->path, data, length);
    leader_describe(base, data, length);
    base->timeout = timed && timeout > 0 ? nanos_min(timeout, TIMEOUT_COUNTED) : b->client.timeout;
    base->empty = length == 0;
    base->revocable = json_get(data, length, "onDisconnect", word, sizeof word);
    base->stop = base->revocable && !strcmp(word, "stop");
    base->unrecorded = json_has(data, length, "unrecorded");
    /* A late heartbeat of ours, whose answer was lost, is told by it as well as the last one. */
    STRING_COPY(author.proposal, base->named);
    json_get(data, length, "proposalTime", author.proposed, sizeof author.proposed);
    base->ours = base->named[0] && (author_same(&author, &b->wrote) || author_same(&author, &b->wrote_before));
    if (base->ours) /* what may still be there if our next write is not carried out */
        b->wrote_before = author;
}

/* --- facts ------------------------------------------------------------------ */

/* Something is not known for sure any more: sync, read all again, then settle. */
static void election_doubt(struct ballot *b)
{
    b->unsettled = true;
    b->synced = b->list_fresh = b->own_fresh = b->base.fresh = b->own_only = false;
    b->suspects = SIZE_MAX;
}

static nanos denial_pause(const struct ballot *b)
{
    return nanos_min(2 * b->client.timeout, PAUSE_MAX);
}

/* Leading needs what is refused: `right`, which the access list of `path` must give. A candidate
 * that stayed in the queue would block those that can lead. It leaves by itself; a leader when its
 * owner says that it may. A busy server, or a refusal before we stand, is tried again. */
static void election_denied(struct ballot *b, const char *what, const char *path, int rc, const char *right)
{
    nanos T = b->client.timeout, pause = b->leading ? part(T, PART_HEARTBEAT) : nanos_min(T, 5 * SECOND);
    char why[TROUBLE_MAX];
    struct text t = TEXT_IN(why);
    text_format(&t, "%s %s is refused: %s", what, path, error_text(rc));
    if (rc == ZNOAUTH)
        text_format(&t, " (its access list gives %s no right \"%s\"; grant it with setAcl, or set %szookeeper-auth)",
                    b->auth ? "our zookeeper-auth" : "clients without zookeeper-auth", right,
                    b->auth ? "another " : "");
    b->refused = true;
    if (rc == ZTHROTTLEDOP || (!b->proposal[0] && !b->leading)) {
        b->retry_at = trouble_say(&b->config, b->trouble, pause, "%s", why);
        return;
    }
    if (b->denied && strcmp(why, b->trouble) != 0)
        SAY(&b->config, WARN, "%s", why);
    if (!b->denied) {
        STRING_COPY(b->trouble, why);
        SAY(&b->config, ERROR, "%s; %s, and standing again after %s", why, b->leading ? "handing over the leadership"
            : "leaving the queue, so that it does not wait for us", duration_round(denial_pause(b)).data);
        b->denied = DENIED_LEADING;
    }
    b->step_down = true;
    b->retry_at = clock_now() + part(T, PART_HEARTBEAT); /* until a leader may leave */
}

/* What can wait, waits until another leads. */
static void handover_begins(struct ballot *b)
{
    b->calm_at = clock_now() + b->client.timeout / 500;
}

static void queue_changed(struct ballot *b)
{
    const char *first = b->queue.count ? b->queue.at[0] : "";
    if (!strcmp(first, b->first))
        return;
    STRING_COPY(b->first, first);
    b->examined = false;
    b->first_since = clock_now();
}

/* After a reconnect. Far behind, our own proposal is all that we need: the library watches
 * again what was watched, and all else is read when we come to the front. Were everything
 * read, the bytes would grow with the square of the candidates. */
static void contact_doubt(struct ballot *b)
{
    bool behind = !b->leading && session_same(b) && queue_place(b) > 1;
    bool own_only = behind && !b->unsettled && b->list_fresh;
    b->broke_at = b->client.contact_since;
    if (b->client.resumed && !b->proposal[0]) /* servers that went back hold what we deleted since */
        b->ghost = true;
    election_doubt(b);
    b->own_only = b->synced = b->list_fresh = own_only;
    b->orders_fresh = false;
}

static void on_contact(struct ballot *b, int event)
{
    struct client *c = &b->client;
    if (event == CONTACT_ANEW) {
        memset(b->watched, 0, sizeof b->watched);
        b->ghost = b->ghost && c->session.client_id;
        if (!c->session.client_id && !b->leading)
            b->proposal[0] = '\0';
    } else if (event == CONTACT_LOST)
        SAY(&b->config, WARN, "lost contact with ZooKeeper at %s; reconnecting%s" EVENT "disconnected", c->addresses,
            !b->leading ? "" : b->config.mode == BALLOT_KEEP ? ", and leading on meanwhile"
                             : "; unless it succeeds, the lease ends soon");
    else {
        b->retry_at = b->denied ? b->retry_at : 0;
        if (c->met)
            contact_doubt(b);
    }
}

static void on_node(struct ballot *b, int event, const char *name)
{
    for (size_t i = 0; i < COUNT(b->watched); i++)
        if (!strcmp(name, b->watched[i]))
            b->watched[i][0] = '\0';
    if (!strcmp(name, b->proposal))
        b->own_fresh = false;
    else if (!strcmp(name, ORDERS_NAME))
        b->orders_fresh = false;
    else if (event == ZOO_DELETED_EVENT) { /* none can come in before us: no need to list again */
        names_remove(&b->queue, name);
        queue_changed(b);
        handover_begins(b);
    }
}

static void election_event(void *owner, int event, const char *path)
{
    struct ballot *b = owner;
    const char *name = node_name(b->path, path);
    if (event >= CONTACT_MADE)
        on_contact(b, event);
    else if (!strcmp(path, b->path))
        b->base.fresh = false;
    else if (*name)
        on_node(b, event, name);
}

static void on_probe(struct ballot *b)
{
    if (b->base.read_at)
        b->base.read_at = clock_now();
}

static void on_list(struct ballot *b, const struct reply *reply)
{
    b->queue.count = 0;
    names_sort(&b->ignored);
    bool strangers = false, complete = true;
    for (int32_t i = 0; reply->rc == ZOK && i < reply->names->count; i++) {
        const char *name = reply->names->data[i];
        if (!name_numbered(name))
            strangers = strangers || (strcmp(name, RECORD_NAME) != 0 && strcmp(name, ORDERS_NAME) != 0);
        else if (names_place(&b->ignored, name) < 0 || !strcmp(name, b->proposal))
            complete = names_add(&b->queue, name) && complete;
    }
    names_sort(&b->queue);
    queue_changed(b);
    b->list_fresh = complete;
    if (queue_place(b) > 1)
        b->base.read_at = 0;
    if (strangers && !b->warned_strangers) {
        b->warned_strangers = true;
        SAY(&b->config, WARN, "%s has children that are no proposals; they are ignored", b->path);
    }
}

/* After silence, or a time in which we could not hear, the clock of rule (c) starts anew:
 * an ensemble that returns must give its leader time to say that it is still there. */
static void base_clock(struct ballot *b, bool moved, nanos sent, nanos now)
{
    struct base *base = &b->base;
    if (moved || base->moved_at == 0)
        base->moved_at = base->silent_since = now;
    base->restarted = base->restarted && !moved;
    if (b->broke_at && sent >= b->broke_at) {
        base->silent_since = now;
        base->restarted = true;
        b->broke_at = 0;
    }
}

static void base_warn(struct ballot *b)
{
    const struct base *base = &b->base;
    bool same = base->stop == (b->config.mode == BALLOT_STOP) && base->timeout == b->client.timeout;
    if (same || b->warned_differs || base->empty || base->ours || !base->named[0])
        return;
    b->warned_differs = true;
    SAY(&b->config, WARN, "the leader has on-disconnect=%s and a session timeout of %s, we have %s and %s; "
        "give all candidates the same, else takeovers are slower or less safe",
        base->stop ? "stop" : "keep", duration_string(base->timeout).data,
        b->config.mode == BALLOT_STOP ? "stop" : "keep", duration_string(b->client.timeout).data);
}

/* What candidates of one job have in common, and what no two of them have. */
static void leader_compare(struct ballot *b, const char *data, size_t length)
{
    char theirs[256], id[BALLOT_ID_MAX + 1];
    if (!b->base.named[0] || b->base.ours)
        return;
    bool same_id = json_get(data, length, "candidateId", id, sizeof id) && !strcmp(id, b->id);
    const struct { const char *name, *ours; } fields[] = { { "kind", b->config.kind }, { "command", b->config.command },
                                                           { "hostname", same_id ? b->host : NULL } };
    for (size_t i = 0; i < COUNT(fields); i++) {
        const char *name = fields[i].name, *ours = fields[i].ours;
        if (!ours || b->warned_fields[i] || !json_get_plain(data, length, name, theirs, sizeof theirs) ||
            !strncmp(theirs, ours, sizeof theirs - 1))
            continue;
        b->warned_fields[i] = true;
        SAY(&b->config, WARN, "the leader's %s is %s, ours is %s: give each %s of its own", name, theirs, ours,
            i < 2 ? "job a base path" : "candidate an id");
    }
}

/* The servers went back to an earlier state, or the base was made again. They may have given
 * the same numbers again since: what we know of other proposals says nothing any more. And a
 * leader of which the servers know nothing now may run its command until its lease is over. */
static void servers_lost_data(struct ballot *b, nanos longest)
{
    b->base.lost_until = nanos_max(b->base.lost_until, clock_now() + longest);
    b->base.led[0] = '\0';
    b->examined = false;
    b->token_old = b->leading;
    b->ignored.count = 0;
    b->list_fresh = false;
}

/* Version and mzxid of a node grow together. */
static bool base_reverted(const struct base *base, const struct Stat *stat)
{
    return stat->mzxid < base->mzxid || (stat->mzxid != base->mzxid && stat->version <= base->version);
}

static void base_stamp(struct base *base, const struct Stat *stat)
{
    base->seen = true;
    base->czxid = stat->czxid;
    base->ctime = stat->ctime;
    base->version = stat->version;
    base->mzxid = stat->mzxid;
    base->newest = base->mzxid > base->newest ? base->mzxid : base->newest;
}

static void on_base(struct ballot *b, const struct reply *reply)
{
    struct base *base = &b->base;
    char before_named[NODE_MAX];
    STRING_COPY(before_named, base->named);
    nanos longest = base->seen ? nanos_max(base->timeout, b->client.timeout) : b->client.timeout;
    base->fresh = true;
    base->exists = reply->rc == ZOK;
    base->read_at = queue_place(b) > 1 ? 0 : clock_now();
    if (!base->exists) {
        base_learn(b, base, "", 0);
        base->timeout = longest;
        return;
    }
    const struct Stat *stat = reply->stat;
    bool same_node = base->seen && stat->czxid == base->czxid && stat->ctime == base->ctime;
    bool moved = !same_node || stat->version != base->version || stat->mzxid != base->mzxid;
    bool lost = base->seen && (!same_node || base_reverted(base, stat));
    if (!same_node)
        b->wrote.proposal[0] = b->wrote_before.proposal[0] = '\0'; /* into another node, if at all: not ours */
    base_learn(b, base, reply->data, reply->length);
    if (base->empty)
        base->timeout = longest; /* of the last leader */
    if (lost)
        servers_lost_data(b, longest);
    if (base->named[0])
        STRING_COPY(base->led, base->named);
    base_stamp(base, stat);
    base_clock(b, moved, reply->sent, clock_now());
    base_warn(b);
    leader_compare(b, reply->data, reply->length);
    bool known_name = !base->named[0] || base_names_us(b) || queued(b, base->named);
    if (strcmp(before_named, base->named) != 0 && !known_name)
        b->list_fresh = false; /* gone, or newer than our list? */
    if (lost)
        election_doubt(b); /* the proposal of our name may be another candidate's */
}

/* What that version holds is read when we come to the front. */
static void on_look(struct ballot *b, const struct reply *reply)
{
    struct base *base = &b->base;
    const struct Stat *stat = reply->stat;
    bool moved = reply->rc == ZOK && (!base->seen || stat->mzxid != base->mzxid);
    if (moved && base->seen && (stat->czxid != base->czxid || base_reverted(base, stat))) {
        election_doubt(b);
        return;
    }
    if (moved)
        base_stamp(base, stat);
    base->fresh = base->fresh && !moved;
    base_clock(b, moved, reply->sent, clock_now());
}

static void on_own(struct ballot *b, const struct reply *reply)
{
    /* Only its owner makes it ours: a node of that name made by another session, or by hand, is another node. */
    b->own_exists = reply->rc == ZOK && reply->stat->ephemeralOwner == b->client.session.client_id;
    b->own_fresh = true;
    if (!b->own_exists && !b->unsettled) {
        election_doubt(b);
        b->own_fresh = false;
    }
}

/* A server sends no event about a node that it does not let us read, so its end is seen in the list. */
static void watch_denied(struct ballot *b, const char *name, int rc)
{
    nanos pause = nanos_min(part(b->client.timeout, PART_HEARTBEAT), SECOND);
    b->retry_at = clock_now() + pause;
    if (!b->warned_unreadable)
        SAY(&b->config, WARN, "%s/%s, before us in the queue, cannot be watched: %s; listing the queue every "
            "%s until it is gone; give all candidates the same zookeeper-auth",
            b->path, name, error_text(rc), duration_round(pause).data);
    b->warned_unreadable = true;
}

static void name_ignore(struct ballot *b, const char *name)
{
    if (b->ignored.count == 0)
        SAY(&b->config, WARN, "%s/%s is not ephemeral: no candidate made it; all such nodes are ignored",
            b->path, name);
    if (names_add(&b->ignored, name))
        names_remove(&b->queue, name);
    queue_changed(b);
}

static void on_watch(struct ballot *b, const struct reply *reply)
{
    const char *name = node_name(b->path, reply->path);
    if (reply->rc == ZOK && reply->stat->ephemeralOwner == b->client.session.client_id) { /* rule 9 */
        SAY(&b->config, WARN, "standing as %s/%s", b->path, name);
        b->denied = DENIED_DELETING; /* it would wait for itself */
        return;
    }
    if (reply->rc == ZOK && reply->stat->ephemeralOwner != 0) {
        string_copy(b->watched[reply->request == REQUEST_BEYOND], NODE_MAX, name);
        return;
    }
    if (reply->rc == ZOK) {
        name_ignore(b, name);
        b->sift = true;
        return;
    }
    b->list_fresh = false; /* all that we knew of before it may be gone as well */
    if (reply->rc != ZNONODE)
        watch_denied(b, name, reply->rc);
}

/* A node that is gone is noticed when we are to watch it. */
static void on_sift(struct ballot *b, const struct reply *reply)
{
    if (reply->rc == ZOK && reply->stat->ephemeralOwner == 0)
        name_ignore(b, node_name(b->path, reply->path));
}

/* A proposal is ours from here on. */
static void proposal_adopt(struct ballot *b, const char *name)
{
    if (strcmp(name, b->stood) <= 0) /* numbers grow as long as the servers forget nothing */
        servers_lost_data(b, nanos_max(b->base.timeout, b->client.timeout));
    STRING_COPY(b->proposal, name);
    STRING_COPY(b->stood, name);
    b->proposal_session = b->client.session.client_id;
    b->own_exists = true;
    b->own_fresh = b->signed_own = b->list_fresh = b->ghost = false;
    b->base.fresh = false; /* a missing one has no watch, and the silence of any was not watched */
    b->base.moved_at = 0;
    b->trouble[0] = '\0';
    b->refused = false;
    b->step_down = b->step_down && b->leading;
    b->waiting[0] = '\0';
    b->waiting_at = 0;
    SAY(&b->config, INFO, "standing as %s/%s", b->path, name);
}

static void on_ghost(struct ballot *b, const struct reply *reply)
{
    b->suspects--;
    if (reply->rc == ZOK && reply->stat->ephemeralOwner == b->client.session.client_id) {
        proposal_adopt(b, node_name(b->path, reply->path));
        b->list_fresh = true;
    }
}

static void on_path(struct ballot *b, const struct reply *reply)
{
    /* A parent that we may not add to may well have the child already: only the last word, on the proposal, counts. */
    if (reply->rc != ZOK && reply->rc != ZNODEEXISTS && !(reply->rc == ZNONODE && b->path_error)) {
        b->path_error = reply->rc;
        b->path_refused = b->path_length;
    }
    b->path_length += 1 + strcspn(b->path + b->path_length + 1, "/");
}

static void on_propose(struct ballot *b, const struct reply *reply)
{
    const char *name = node_name(b->path, reply->data);
    if (reply->rc == ZOK && name_numbered(name)) {
        proposal_adopt(b, name);
        return;
    }
    if (reply->rc == ZOK) {
        b->retry_at = trouble_say(&b->config, b->trouble, SECOND,
                                  "the server made a proposal of no name, at \"%.100s\"", reply->data);
        b->ghost = true;
        election_doubt(b);
        return;
    }
    if (b->path_error) {
        char parent[BALLOT_PATH_MAX + 1] = "/";
        if (b->path_refused)
            snprintf(parent, sizeof parent, "%.*s", (int)b->path_refused, b->path);
        election_denied(b, "creating the base's path below", parent, b->path_error, "create");
    } else if (reply->rc != ZNONODE)
        election_denied(b, "creating a proposal below", b->path, reply->rc, "create");
    b->path_length = reply->rc == ZNONODE ? 0 : strlen(b->path);
    b->path_error = 0;
}

/* The servers took the write, and said when, at some moment between its sending and
 * now. If our clock was set meanwhile that proves nothing. */
static void clocks_compare(struct ballot *b, nanos sent, int64_t mtime)
{
    nanos shift = clock_shift(), jumped = shift - b->sent_shift, taken = clock_limit(mtime, MILLISECOND);
    if (jumped > SECOND || jumped < -SECOND)
        return;
    b->ahead_shift = shift;
    b->ahead = nanos_max(0, sent + shift - taken) + nanos_min(0, clock_now() + shift - taken);
}

static void token_take(struct ballot *b, int64_t token)
{
    b->token = token;
    b->token_old = false;
    SAY(&b->config, INFO, "leading%s, with fencing token %" PRId64 EVENT "elected\tfencingToken=%" PRId64,
        b->leading ? " on" : "", b->token, b->token);
    if (b->token <= b->base.newest)
        SAY(&b->config, WARN, "%s was written at %" PRId64 " before: the servers went back to an earlier state, "
            "and a resource that has seen a greater fencing token refuses this one", b->path, b->base.newest);
}

/* `what`: the op after the check of our proposal; that check needs the right to read it. */
static void write_denied(struct ballot *b, const struct reply *reply,
                         const char *what, const char *path, const char *right)
{
    if (reply->refused == 0)
        election_denied(b, "checking", own_path(b), reply->rc, "read");
    else
        election_denied(b, what, path, reply->rc, right);
}

/* Of a claim or heartbeat: only an acknowledged one proves leadership, and extends the lease. */
static void on_write(struct ballot *b, const struct reply *reply)
{
    const struct Stat *stat = reply->stat;
    if (outdated(reply->rc))
        election_doubt(b);
    else if (reply->rc != ZOK)
        write_denied(b, reply, "writing", b->path, "write");
    if (reply->rc != ZOK)
        return;
    if (!b->leading || b->token_old)
        token_take(b, stat->mzxid);
    if (!b->leading) {
        b->leading = true;
        b->revoked = b->step_down = false;
        b->own_fresh = false;
        handover_begins(b);
    }
    b->refused = b->denied != DENIED_NOTHING;
    clocks_compare(b, reply->sent, stat->mtime);
    if (lease_moment(&b->lease, PART_LEASE) < reply->sent)
        b->record.pending = false; /* it waited longer than the lease under which it was to be written */
    b->lease = (struct ballot_lease){ reply->sent, b->sent_timeout, 0, 0 };
    b->lease_said = 0;
    b->beat_at = reply->sent + part(b->client.timeout, PART_HEARTBEAT);
    b->client.hurry_until = reply->sent + b->client.timeout; /* others count us as gone after that */
    b->client.hurry_timeout = b->sent_timeout;
    struct base *base = &b->base;
    base_learn(b, base, b->sent, b->sent_length);
    base_stamp(base, stat);
    base->exists = true;
    base->restarted = false; /* a leader before us would have been heard of */
    if (reply->sent >= b->broke_at)
        b->broke_at = 0;
}

/* What operators ask of the leader. Without the right to read it, nothing is asked of us: that is no reason not to
 * lead. To add a kind of request: a field, which is read here. */
static void on_orders(struct ballot *b, const struct reply *reply)
{
    char name[NODE_MAX], by[512];
    bool there = reply->rc == ZOK, known = b->orders >= 0;
    int64_t before = b->orders;
    if (!b->leading) /* the claim before it was refused */
        return;
    b->orders_fresh = true;
    b->orders_missing = reply->rc == ZNONODE;
    b->orders = there ? reply->stat->mzxid : b->orders_missing ? 0 : -1;
    if (known && b->orders != before)
        b->beat_at = 0; /* an operator waits for it */
    if (!there && !b->orders_missing && !b->warned_orders) {
        b->warned_orders = true;
        SAY(&b->config, WARN, "reading %s is refused: %s; what operators ask there, such as step-down, is not done",
            reply->path, error_text(reply->rc));
    }
    bool us = json_get(reply->data, reply->length, ORDER_STEP_DOWN, name, sizeof name) && !strcmp(name, b->proposal);
    bool named = json_get_plain(reply->data, reply->length, ORDER_STEP_DOWN "By", by, sizeof by);
    if (us && !b->step_down)
        SAY(&b->config, WARN, "asked to step down by %s", named ? by : "an unknown client");
    b->step_down = b->step_down || us;
}

static void on_await(struct ballot *b, const struct reply *reply)
{
    b->orders_missing = false;
    b->orders_fresh = b->orders_fresh && reply->rc != ZOK; /* it was made meanwhile */
}

static void leadership_ends(struct ballot *b)
{
    b->orders = -1;
    b->orders_fresh = b->orders_missing = false;
    b->leading = b->step_down = b->resigning = false;
    b->token = b->client.hurry_until = b->ahead = b->ahead_shift = 0;
    b->lease = (struct ballot_lease){ 0 };
    b->base.read_at = b->base.moved_at = 0;
    b->list_fresh = b->base.fresh = b->record.fresh = b->record.pending = false;
}

static void on_record(struct ballot *b, const struct reply *reply)
{
    struct record_state *r = &b->record;
    r->fresh = true;
    r->exists = reply->rc == ZOK;
    r->reads++;
    r->length = reply->length;
    if (r->length > sizeof r->data)
        r->length = 0; /* none of ours is so long */
    memcpy(r->data, reply->data, r->length);
    if (r->exists) {
        r->version = reply->stat->version;
        r->changed = clock_limit(reply->stat->mtime, MILLISECOND);
    }
}

static void on_save(struct ballot *b, const struct reply *reply)
{
    struct record_state *r = &b->record;
    r->pending = false;
    r->fresh = reply->rc == ZOK && r->exists; /* only reading tells when it was created */
    if (reply->rc == ZOK) {
        b->unrecorded = false;
        r->version = r->exists ? reply->stat->version : 0;
        r->changed = r->exists ? clock_limit(reply->stat->mtime, MILLISECOND) : 0;
        r->exists = true;
        memcpy(r->data, r->next, r->next_length);
        r->length = r->next_length;
        return;
    }
    if (reply->rc != ZBADVERSION && reply->rc != ZNODEEXISTS)
        election_doubt(b);
    if (!outdated(reply->rc) && r->exists)
        write_denied(b, reply, "writing", child_path(b, RECORD_NAME), "write");
    else if (!outdated(reply->rc))
        write_denied(b, reply, "creating the record below", b->path, "create");
}

/* Our proposal is gone, as we wanted. */
static void election_left(struct ballot *b)
{
    if (b->leading)
        leadership_ends(b);
    b->proposal[0] = '\0';
    b->step_down = false;
    b->client.news = true;
    if (b->denied)
        b->retry_at = clock_now() + denial_pause(b);
}

static void on_resign(struct ballot *b, const struct reply *reply)
{
    if (reply->rc == ZOK) {
        leadership_ends(b);
        SAY(&b->config, INFO, "resigned" EVENT "resigned");
        election_left(b);
        handover_begins(b);
    } else if (outdated(reply->rc))
        election_doubt(b);
    else {
        bool set = reply->refused == 0;
        const char *what = set ? "emptying" : "deleting our proposal below", *right = set ? "write" : "delete";
        election_denied(b, what, b->path, reply->rc, right);
        b->denied = DENIED_RESIGNING;
    }
}

static void on_withdraw(struct ballot *b, const struct reply *reply)
{
    if (reply->rc == ZOK || reply->rc == ZNONODE) {
        SAY(&b->config, INFO, "left the queue");
        election_left(b);
    } else {
        election_denied(b, "deleting our proposal below", b->path, reply->rc, "delete");
        b->denied = DENIED_DELETING;
    }
}

static void on_first(struct ballot *b, const struct reply *reply)
{
    b->examined = !strcmp(b->first, node_name(b->path, reply->path));
    b->examined_revocable = reply->rc == ZOK && json_has(reply->data, reply->length, "onDisconnect");
}

/* Refused: the base has moved, or the proposal is gone: then the base has been as silent as we believed. */
static void on_revoke(struct ballot *b, const struct reply *reply)
{
    b->list_fresh = false;
    if (reply->rc == ZOK || (reply->rc == ZNONODE && reply->refused == 1))
        return;
    b->broke_at = clock_now();
    if (!outdated(reply->rc))
        election_denied(b, "deleting a mute candidate's proposal below", b->path, reply->rc, "delete");
}

/* With credentials, a base that was made without them is most likely a mistake. */
static void on_access(struct ballot *b, const struct reply *reply)
{
    b->access_read = true;
    if (reply->open)
        SAY(&b->config, WARN, "any client may change %s, although zookeeper-auth is set; to give it to "
            "that identity alone, in zkCli.sh: addauth digest USER:PASSWORD, then setAcl %s auth::cdrwa, likewise for "
            "its children " ORDERS_NAME " and " RECORD_NAME ", if they are there", b->path, b->path);
}

static const struct {
    const char *text;
    enum kind kind;
} requests[] = {
#define ROW(name, text, kind, learn, send) { text, kind },
    REQUESTS(ROW)
#undef ROW
};

/* --- the next step: a pure function of the facts ------------------------------ */

static bool flying(const struct ballot *b, enum step request)
{
    return b->client.flying[request] > 0;
}

/* Of that kind, or of one after it. */
static bool flying_kind(const struct ballot *b, enum kind least)
{
    bool any = false;
    for (enum step request = 0; request < REQUEST_COUNT; request++)
        any = any || (requests[request].kind >= least && flying(b, request));
    return any;
}

/* Asked for once, until it is answered. */
static enum step once(const struct ballot *b, enum step request)
{
    return flying(b, request) ? STEP_NONE : request;
}

/* Rules 5, 9, 10, 11: after each reconnect and each unknown outcome. */
static enum step settle_step(const struct ballot *b)
{
    bool own_known = b->proposal[0] && session_same(b);
    if (!b->synced)
        return flying_kind(b, ASKS) ? STEP_NONE : REQUEST_SYNC;
    if (!b->list_fresh)
        return once(b, REQUEST_LIST);
    if (!b->base.fresh && !b->own_only)
        return once(b, REQUEST_BASE);
    if (own_known && !b->own_fresh)
        return once(b, REQUEST_OWN);
    if (b->ghost && !b->proposal[0] && b->suspects > 0 && b->queue.count > 0)
        return once(b, REQUEST_GHOST);
    return STEP_SETTLE;
}

static enum step leader_step(const struct ballot *b, nanos now, nanos *wake)
{
    if (!b->proposal[0]) /* rule 10: the session expired, the base still names us */
        return b->path[b->path_length] ? STEP_DOUBT : REQUEST_PROPOSE;
    bool beat_due = due(b->beat_at, now, wake) || !base_names_us(b);
    if (beat_due && b->want != WANT_LEAVE) {
        struct ballot_lease allowed = { now, b->client.timeout, 0, 0 }; /* others may claim by it once it is sent */
        bool shorter = lease_moment(&b->lease, PART_LEASE) > lease_moment(&allowed, PART_LEASE);
        return b->cut_unseen ? STEP_NONE : shorter ? STEP_CUT : REQUEST_WRITE;
    }
    if (b->record.pending && b->record.fresh) /* before we resign, too: it says how the last run ended */
        return REQUEST_SAVE;
    if (b->want == WANT_LEAVE)
        return REQUEST_RESIGN;
    if (!b->orders_fresh && !flying(b, REQUEST_ORDERS))
        return REQUEST_ORDERS;
    if (b->config.record && !b->record.fresh)
        return once(b, REQUEST_RECORD);
    if (!due(b->calm_at, now, wake))
        return STEP_NONE;
    if (!b->signed_own)
        return once(b, REQUEST_SIGN);
    if (b->orders_missing)
        return once(b, REQUEST_AWAIT);
    if (!b->own_fresh)
        return once(b, REQUEST_OWN);
    return b->config.auth && !b->access_read ? once(b, REQUEST_ACCESS) : STEP_NONE;
}

/* When the first in the queue may claim a base that it knows to be up to date.
 * NEVER: not before something changes. The letters are the rule's cases. */
static nanos claim_time(const struct ballot *b)
{
    const struct base *base = &b->base;
    nanos longest = nanos_max(base->timeout, b->client.timeout);
    if (base->empty || base_names_us(b)) /* (a); (d) it names us: the answer to our claim was lost */
        return base->lost_until;
    if (queued(b, base->named))
        return NEVER;
    nanos stopped = base->moved_at + part(base->timeout, PART_CLAIM_STOP); /* (b) */
    nanos silent = base->silent_since + part(longest, base->restarted ? PART_CLAIM_LATE : PART_CLAIM); /* (c) */
    return nanos_max(base->lost_until, base->stop && base->named[0] ? stopped : silent);
}

/* (a), (b), (d): the version in the claim proves that nothing was written meanwhile, whatever we could not hear. */
static bool claim_by_version(const struct ballot *b)
{
    const struct base *base = &b->base;
    bool stopped = base->stop && base->named[0] && !queued(b, base->named);
    return stopped || base->empty || base_names_us(b);
}

/* When a candidate that holds its session and writes nothing has been silent for too long: one of which only
 * the answers are lost can reconnect for ever. It is the leader that the base names, or the first in the queue,
 * which does not claim. Its proposal is deleted then, as if the session had expired. Never a Go ballot's: its
 * command would run on. Nor that of a leader whose base was overwritten: it may still be stopping its command. */
static nanos revoke_time(const struct ballot *b, long place)
{
    const struct base *base = &b->base;
    nanos longest = nanos_max(base->timeout, b->client.timeout);
    if (queued(b, base->named)) {
        bool behind = strcmp(base->named, b->proposal) > 0;
        return base->revocable ? base->silent_since + part(longest, PART_REVOKE) + (place - !behind) * longest : NEVER;
    }
    bool protected = b->examined && !b->examined_revocable;
    if (place != 1 || protected || !strcmp(base->led, b->first))
        return NEVER;
    return nanos_max(claim_time(b), nanos_max(base->silent_since, b->first_since)) + part(longest, PART_REVOKE);
}

static enum step revoke_step(const struct ballot *b, long place, nanos now, nanos *wake)
{
    if (!due(revoke_time(b, place), now, wake))
        return STEP_NONE;
    return queued(b, b->base.named) || b->examined ? REQUEST_REVOKE : once(b, REQUEST_FIRST);
}

/* The proposal `before` places before the candidate at `place`, which watches it: when the nearest goes it
 * may be the first, when the other goes the next. The first two watch a leader behind them: without it the
 * first is the one that does not claim. "": nothing. */
static const char *watch_name(const struct ballot *b, long place, long before)
{
    const char *named = b->base.named;
    if (place >= before)
        return b->queue.at[place - before];
    bool behind = strcmp(named, b->proposal) > 0 && queued(b, named);
    return place + 1 == before && b->base.fresh && behind ? named : "";
}

static enum step watch_step(const struct ballot *b, long place)
{
    if (b->sift || flying(b, REQUEST_SIFT))
        return once(b, REQUEST_SIFT);
    for (int i = 0; i < 2; i++) {
        const char *name = watch_name(b, place, i + 1);
        if (*name && strcmp(b->watched[i], name) != 0)
            return once(b, i == 0 ? REQUEST_AHEAD : REQUEST_BEYOND);
    }
    return STEP_NONE;
}

/* The first two in the queue: they know the base, and how long it has been silent. */
static enum step front_step(const struct ballot *b, long place, nanos now, nanos *wake)
{
    const struct base *base = &b->base;
    bool names_us = base_names_us(b), mine = place == 0 || names_us;
    bool watched = base->fresh && base->read_at && base->moved_at; /* its silence, since it was read */
    if (place == 1 && base->read_at == 0 && !due(b->calm_at, now, wake))
        return STEP_NONE;
    if (b->broke_at && !(watched && mine && claim_by_version(b))) /* else every slow answer would put off the claim */
        return STEP_DOUBT;
    if (!watched)
        return once(b, REQUEST_BASE);
    if (!b->list_fresh || b->want != WANT_STAND)
        return STEP_NONE;
    /* Silence counts only while the servers answer. */
    if (due(base->read_at + part(b->client.timeout, PART_ASK), now, wake))
        return once(b, REQUEST_PROBE);
    if (mine && due(claim_time(b), now, wake))
        return REQUEST_WRITE;
    return place < 0 || names_us ? STEP_NONE : revoke_step(b, place, now, wake);
}

/* Behind the first two. They may be mute, too: each one behind waits T longer than the one
 * before. Until then a look at the base's version costs no more than the ping that it replaces. */
static enum step patient_step(const struct ballot *b, long place, nanos now, nanos *wake)
{
    const struct base *base = &b->base;
    const nanos *sent = b->client.sent, T = b->client.timeout;
    nanos look_at = nanos_max(sent[REQUEST_LOOK], sent[REQUEST_BASE]) + part(T, PART_LOOK) - LOOK_AHEAD;
    if (base->moved_at == 0 || due(look_at, now, wake)) {
        bool behind = b->broke_at && sent[REQUEST_PROBE] < b->broke_at; /* the server, perhaps: a sync comes first */
        return once(b, behind ? REQUEST_PROBE : REQUEST_LOOK);
    }
    if (b->want != WANT_STAND)
        return STEP_NONE;
    /* the first two are watched, not all that have left since */
    bool old = sent[REQUEST_LIST] < base->silent_since;
    if (old && due(base->silent_since + part(T, PART_REVOKE), now, wake))
        return once(b, REQUEST_LIST);
    if (!due(base->silent_since + (1 + place) * T, now, wake))
        return STEP_NONE;
    return b->broke_at || !base->fresh ? STEP_DOUBT : revoke_step(b, place, now, wake);
}

static enum step follower_step(const struct ballot *b, nanos now, nanos *wake)
{
    long place = queue_place(b);
    if (b->list_fresh && place < 0)
        return STEP_DOUBT;
    bool first = place < 0 && b->queue.count == 0; /* most likely alone: read both at once */
    bool front = first || place == 0 || place == 1;
    if (!b->list_fresh && !flying(b, REQUEST_LIST))
        return REQUEST_LIST;
    if (front) {
        enum step step = front_step(b, place, now, wake);
        if (step != STEP_NONE)
            return step;
    }
    if (!b->list_fresh)
        return STEP_NONE;
    enum step watch = watch_step(b, place);
    if (watch != STEP_NONE)
        return watch;
    if (!b->signed_own)
        return once(b, REQUEST_SIGN);
    if (!b->own_fresh) /* watched: it may be deleted by hand, or revoked */
        return once(b, REQUEST_OWN);
    if (b->config.auth && !b->access_read)
        return once(b, REQUEST_ACCESS);
    return place > 1 ? patient_step(b, place, now, wake) : STEP_NONE;
}

/* Out of the queue by what is not refused. The end of the session takes our proposal
 * along whatever our rights are, and whatever else has happened. */
static enum step denied_step(const struct ballot *b)
{
    if (b->denied == DENIED_DELETING || b->unsettled || !b->proposal[0])
        return STEP_END_SESSION;
    return b->leading && b->denied == DENIED_LEADING ? REQUEST_RESIGN : REQUEST_WITHDRAW;
}

static enum step election_step(const struct ballot *b, nanos now, nanos *wake)
{
    if (!b->client.connected || flying_kind(b, SETS)) /* what is being set is not known */
        return STEP_NONE;
    /* What the owner did as leader has ended. */
    bool may_leave = b->want == WANT_LEAVE || (b->want == WANT_STAND && !b->leading);
    if (b->denied && may_leave && (b->leading || b->proposal[0]))
        return denied_step(b);
    if (!due(b->retry_at, now, wake))
        return STEP_NONE;
    bool bystander = b->want == WANT_LEAVE && !b->proposal[0] && !b->leading && !b->ghost;
    if (bystander) /* nothing of ours is there: what is in doubt can wait until we stand */
        return STEP_NONE;
    if (b->unsettled)
        return settle_step(b);
    if (b->leading)
        return leader_step(b, now, wake);
    if (b->want == WANT_LEAVE && b->proposal[0]) /* the base names us if the answer to a claim was lost */
        return b->base.fresh && base_names_us(b) ? REQUEST_RESIGN : REQUEST_WITHDRAW;
    if (b->proposal[0])
        return follower_step(b, now, wake);
    if (b->want != WANT_STAND || !due(b->calm_at, now, wake)) /* we have resigned just now: the next one first */
        return STEP_NONE;
    return b->path[b->path_length] ? REQUEST_PATH : REQUEST_PROPOSE;
}

/* --- doing it ------------------------------------------------------------------ */

static void session_end(struct ballot *b)
{
    SAY(&b->config, INFO, "closing session 0x%" PRIx64 ", and with it our proposal", b->client.session.client_id);
    client_end_session(&b->client, denial_pause(b));
    b->unsettled = b->ghost = false;
    election_left(b);
}

/* From here on nothing is claimed or proposed until the owner has stopped what it did as leader, and
 * asks to stand again. */
static void election_lose(struct ballot *b, bool own)
{
    const struct base *base = &b->base;
    b->revoked = !own && base->exists && base->ours && session_same(b);
    if (b->want == WANT_LEAVE && base->empty && !own)
        SAY(&b->config, INFO, "resigned" EVENT "resigned");
    else {
        b->losses++;
        b->client.news = true; /* the owner must learn of it at once */
        b->want = WANT_HOLD;
        const char *why = b->revoked ? "another client deleted our proposal"
            : !base->exists ? "the base node was deleted"
            : clock_now() < base->lost_until ? "the base was made again, or the servers went back to an earlier state"
            : !base->empty ? NULL
            : own ? "another client emptied the base" : "another candidate has led since";
        const char *leader = why ? "" : base->leader;
        SAY(&b->config, ERROR, "lost the leadership: %s%s" EVENT "lost\tnewLeader=%s",
            why ? why : *leader ? "another candidate leads, " : "another client overwrote the base", leader, leader);
    }
    leadership_ends(b);
}

static void election_settle(struct ballot *b)
{
    bool own = b->proposal[0] && session_same(b) && b->own_exists;
    bool ours = b->base.exists && b->base.ours;
    nanos now = clock_now(), lease = lease_moment(&b->lease, PART_LEASE);
    /* Another may have led since our lease, in what the servers have lost. */
    bool may_overlap = b->config.mode == BALLOT_STOP && now < b->base.lost_until && now >= lease;
    b->unsettled = b->ghost = b->resigning = false;
    if (b->leading && (may_overlap || !(ours && (own || (!session_same(b) && b->config.mode == BALLOT_KEEP)))))
        election_lose(b, own);
    if (b->leading)
        b->beat_at = 0;
    if (own || !b->proposal[0])
        return;
    b->proposal[0] = '\0';
    if (session_same(b)) { /* servers that went back have an earlier one of ours */
        b->ghost = true;
        election_doubt(b);
    }
}

/* Before a heartbeat that advertises a shorter T is sent: as soon as it is, others may
 * count by it, whatever becomes of its answer. */
static void lease_cut(struct ballot *b)
{
    b->lease.cut_sent = clock_now();
    b->lease.cut_timeout = b->client.timeout;
    b->cut_unseen = b->client.news = true;
}

/* The claim and the heartbeat. Of two candidates that send the same version, only one succeeds. Right behind it,
 * without waiting for its answer, goes the read of what operators ask: nothing is started before that is known. */
static int write_send(struct ballot *b)
{
    if (!b->leading) {
        struct text time = TEXT_IN(b->claimed);
        time_string(&time, b->born);
        b->unrecorded = b->config.record && b->base.named[0] && (!b->base.revocable || b->base.unrecorded);
    }
    b->sent_timeout = b->client.timeout;
    b->sent_length = candidate_json(b, b->sent, true);
    STRING_COPY(b->wrote.proposal, b->proposal);
    STRING_COPY(b->wrote.proposed, b->proposed);
    b->sent_shift = clock_shift();
    const struct op ops[] = { { OP_CHECK, own_path(b), NULL, 0, -1 },
                              { OP_SET, b->path, b->sent, b->sent_length, b->base.version } };
    int rc = client_commit(&b->client, REQUEST_WRITE, ops, COUNT(ops));
    bool unread = !b->orders_fresh || b->orders < 0; /* refused: no watch tells when it may be read */
    if (rc == ZOK && b->client.connected && unread && !flying(b, REQUEST_ORDERS))
        client_ask(&b->client, REQUEST_ORDERS, ASK_DATA, child_path(b, ORDERS_NAME), true);
    return rc;
}

static int resign_send(struct ballot *b)
{
    const struct op ops[] = { { b->unrecorded ? OP_CHECK : OP_SET, b->path, "", 0, b->base.version },
                              { OP_DELETE, own_path(b), NULL, 0, -1 } };
    b->resigning = true;
    return client_commit(&b->client, REQUEST_RESIGN, ops, COUNT(ops));
}

static int save_send(struct ballot *b)
{
    const struct record_state *r = &b->record;
    char path[NODE_PATH_MAX];
    node_path(path, b->path, RECORD_NAME);
    const struct op ops[] = { { OP_CHECK, own_path(b), NULL, 0, -1 },
                              { r->exists ? OP_SET : OP_CREATE, path, r->next, r->next_length, r->version } };
    return client_commit(&b->client, REQUEST_SAVE, ops, COUNT(ops));
}

static int propose_send(struct ballot *b)
{
    char json[DATA_MAX];
    struct text time = TEXT_IN(b->proposed);
    time_string(&time, b->born);
    size_t n = candidate_json(b, json, false);
    b->refused = false; /* what the answer will say counts, not what was refused before */
    b->denied = DENIED_NOTHING;
    return client_create(&b->client, REQUEST_PROPOSE, child_path(b, NODE_PREFIX), json, n, ZOO_EPHEMERAL_SEQUENTIAL);
}

static int sign_send(struct ballot *b)
{
    char json[DATA_MAX];
    size_t n = candidate_json(b, json, false);
    /* Only as it was created: what was written since stays. */
    return client_set(&b->client, REQUEST_SIGN, own_path(b), json, n, 0);
}

static int path_send(struct ballot *b)
{
    size_t n = b->path_length + 1 + strcspn(b->path + b->path_length + 1, "/");
    snprintf(b->node, sizeof b->node, "%.*s", (int)n, b->path);
    return client_create(&b->client, REQUEST_PATH, b->node, "", 0, ZOO_PERSISTENT);
}

static const char *watch_path(struct ballot *b, long before)
{
    return child_path(b, watch_name(b, queue_place(b), before));
}

/* One transaction: if the base is as silent as we believe, the proposal goes. */
static int revoke_send(struct ballot *b)
{
    const char *name = queued(b, b->base.named) ? b->base.named : b->queue.at[0];
    const struct op ops[] = { { OP_CHECK, b->path, NULL, 0, b->base.version },
                              { OP_DELETE, child_path(b, name), NULL, 0, -1 } };
    SAY(&b->config, WARN, "%s/%s keeps its session but writes nothing, for %s: it seems that no answer reaches it; "
        "deleting it", b->path, name,
        duration_round(clock_now() - b->base.moved_at).data);
    return client_commit(&b->client, REQUEST_REVOKE, ops, COUNT(ops));
}

/* Strangers' nodes come in crowds, and each might be asked for in vain: before the one that was
 * met, as many are asked for at once as are known by now. */
static int sift_send(struct ballot *b)
{
    long place = queue_place(b);
    size_t count = place > 0 ? (size_t)place : 0;
    int rc = ZOK;
    b->sift = false;
    if (count > b->ignored.count)
        count = b->ignored.count;
    for (size_t i = 1; i <= count && rc == ZOK; i++)
        rc = client_ask(&b->client, REQUEST_SIFT, ASK_STAT, child_path(b, b->queue.at[(size_t)place - i]), false);
    return rc;
}

/* A proposal made by a create whose answer was lost: the newest are asked first. */
static int ghost_send(struct ballot *b)
{
    if (b->suspects > b->queue.count)
        b->suspects = b->queue.count;
    return client_ask(&b->client, REQUEST_GHOST, ASK_STAT, child_path(b, b->queue.at[b->suspects - 1]), false);
}

static void election_do(struct ballot *b, enum step step)
{
    struct client *c = &b->client;
    int rc = ZOK, n = (int)step;
    if (step < REQUEST_COUNT)
        SAY(&b->config, TRACE, "request: %s", requests[n].text);
    switch (step) {
#define ROW(name, text, kind, learn, send) case REQUEST_##name: rc = send; break;
    REQUESTS(ROW)
#undef ROW
    case STEP_NONE:        break;
    case STEP_DOUBT:       election_doubt(b); break;
    case STEP_SETTLE:      election_settle(b); break;
    case STEP_CUT:         lease_cut(b); break;
    case STEP_END_SESSION: session_end(b); break;
    }
    if (rc == ZOK)
        return;
    b->denied = b->denied ? DENIED_DELETING : DENIED_NOTHING;
    b->retry_at = trouble_say(&b->config, b->trouble, SECOND, "the ZooKeeper client refuses a request (%s): %s",
                              requests[n].text, error_text(rc));
}

/* What was to be set may be set, or not: all that depends on it is read again. */
static void answer_lost(struct ballot *b, int request)
{
    if (request == REQUEST_PROPOSE)
        b->ghost = true;
    else if (request == REQUEST_SAVE)
        b->record.fresh = b->record.pending = false;
    else if (request == REQUEST_REVOKE)
        b->broke_at = clock_now();
    election_doubt(b);
}

static void election_learn(void *owner, const struct reply *r)
{
    struct ballot *b = owner;
    int n = r->request, rc = r->rc;
    if (clock_now() - r->sent > part(b->client.timeout, PART_GAP))
        b->broke_at = clock_now();
    if (outcome_unknown(rc)) {
        if (requests[n].kind == SETS)
            answer_lost(b, n);
    } else if (requests[n].kind == READS && rc != ZOK && rc != ZNONODE)
        election_denied(b, "reading", r->path, rc, "read");
    else
        switch (n) {
#define ROW(name, text, kind, learn, send) case REQUEST_##name: learn; break;
        REQUESTS(ROW)
#undef ROW
        }
}

static nanos election_advance(struct ballot *b)
{
    for (;;) {
        nanos wake = NEVER;
        enum step step = election_step(b, clock_now(), &wake);
        if (step == STEP_NONE)
            return wake;
        election_do(b, step);
    }
}

/* What is waited for: a leader's write, or what it reads before it writes; the question of
 * a candidate at the front. STEP_NONE: nothing. */
static enum step election_awaited(const struct ballot *b)
{
    static const enum step leading[] = { REQUEST_SAVE, REQUEST_WRITE, REQUEST_SYNC, REQUEST_LIST, REQUEST_BASE,
                                         REQUEST_OWN, REQUEST_PROPOSE };
    for (size_t i = 0; b->leading && i < COUNT(leading); i++)
        if (flying(b, leading[i]))
            return leading[i];
    return !b->leading && flying(b, REQUEST_PROBE) ? REQUEST_PROBE : STEP_NONE;
}

/* No answer for T/5: another server may answer. A leader tries that once a lease; while it
 * lasts, the T counts by which others judge it, whatever T the servers have given since. */
static void election_watchdog(struct ballot *b, nanos now, nanos *wake)
{
    struct client *c = &b->client;
    enum step awaited = election_awaited(b);
    nanos patience = contact_patience(c, now);
    bool waiting = awaited != STEP_NONE && c->connected && c->fd >= 0 && strchr(c->addresses, ',') &&
                   (!b->leading || b->watchdog_lease != b->lease.sent);
    if (!waiting || !due(c->sent[awaited] + patience, now, wake))
        return;
    SAY(&b->config, WARN, "no answer to a %s for %s; trying another server",
        awaited == REQUEST_WRITE || awaited == REQUEST_SAVE ? "write" : "request", duration_round(patience).data);
    client_next_server(c);
    b->watchdog_lease = b->lease.sent;
}

/* Who leads, and how many wait before us: where that is new, and no oftener than each 10 s. */
static void waiting_say(struct ballot *b, nanos now)
{
    const struct base *base = &b->base;
    long place = queue_place(b);
    bool there = queued(b, base->named), known = b->client.connected && !b->unsettled && b->list_fresh && base->seen;
    if (!known || b->leading || place < 0 || now < b->waiting_at || base_names_us(b))
        return;
    if (place == 0 && (base->empty || !base->fresh)) /* it is our turn */
        return;
    const char *leader = base->leader[0] ? base->leader : base->named;
    long before = place - (there && strcmp(base->named, b->proposal) < 0);
    char what[sizeof b->waiting];
    struct text t = TEXT_IN(what);
    if (there)
        text_format(&t, "%s leads; ", leader);
    else if (base->fresh && base->named[0])
        text_format(&t, "%s led last, and is gone: it must have been silent for long enough; ", leader);
    text_format(&t, before ? "%ld before us" : "we are next", before);
    if (!strcmp(what, b->waiting))
        return;
    STRING_COPY(b->waiting, what);
    b->waiting_at = now + 10 * SECOND;
    SAY(&b->config, INFO, "waiting: %s" EVENT "waiting\tleader=%s\tplace=%ld", what, there ? leader : "", before + 1);
}

static void lease_say(struct ballot *b, nanos now)
{
    bool stop = b->config.mode == BALLOT_STOP;
    nanos over = lease_moment(&b->lease, PART_LEASE);
    if (!b->leading)
        return;
    if (now >= over && b->lease_said < 2) {
        b->lease_said = 2;
        SAY(&b->config, WARN, "the lease is over: another may lead soon%s" EVENT "lease-over",
            stop ? "" : "; leading on until one does");
    } else if (stop && b->lease_said == 0 && now >= lease_moment(&b->lease, PART_STOP_TERM)) {
        b->lease_said = 1;
        SAY(&b->config, WARN, "the lease ends in %s: what depends on it has to stop", duration_round(over - now).data);
    }
}

/* --- the public functions -------------------------------------------------------- */

static int config_check(const struct ballot_config *c)
{
    if (!c->base_path || !path_valid(c->base_path))
        return BALLOT_EPATH;
    if (!c->servers || !servers_valid(c->servers))
        return BALLOT_ESERVER;
    if (!c->candidate_id || !*c->candidate_id || strlen(c->candidate_id) > BALLOT_ID_MAX)
        return BALLOT_EID;
    if (c->auth && !identity_valid(c->auth))
        return BALLOT_EAUTH;
    return c->timeout_ms > 0 && c->timeout_ms <= BALLOT_TIMEOUT_MAX ? BALLOT_OK : BALLOT_ETIMEOUT;
}

BALLOT_API int ballot_open(ballot **out, const struct ballot_config *config)
{
    *out = NULL;
    int error = config_check(config);
    if (error != BALLOT_OK)
        return error;
    struct ballot *b = calloc(1, sizeof *b);
    if (!b)
        return BALLOT_ENOMEM;
    b->config = *config;
    b->config.servers = b->servers = strdup(config->servers);
    b->config.base_path = b->path = strdup(config->base_path);
    b->config.candidate_id = b->id = strdup(config->candidate_id);
    b->config.auth = b->auth = config->auth ? strdup(config->auth) : NULL;
    if (!b->servers || !b->path || !b->id || (config->auth && !b->auth)) {
        ballot_close(b);
        return BALLOT_ENOMEM;
    }
    gethostname(b->host, sizeof b->host - 1);
    b->born = clock_now();
    b->path_length = strlen(b->path);
    b->planned_at = NEVER;
    b->orders = -1;
    client_open(&b->client, &b->config, b, election_learn, election_event);
    *out = b;
    return BALLOT_OK;
}

BALLOT_API void ballot_close(ballot *b)
{
    if (!b)
        return;
    b->config.log = NULL;
    client_close(&b->client);
    free(b->queue.at);
    free(b->ignored.at);
    free(b->servers);
    free(b->path);
    free(b->id);
    secret_free(b->auth);
    free(b);
}

BALLOT_API void ballot_stand(ballot *b)
{
    b->want = WANT_STAND;
}

BALLOT_API void ballot_hold(ballot *b)
{
    b->want = WANT_HOLD;
}

BALLOT_API void ballot_leave(ballot *b)
{
    b->want = WANT_LEAVE;
}

BALLOT_API int ballot_prepare(ballot *b, struct pollfd *fds, int room, int *timeout_ms)
{
    struct client *c = &b->client;
    if (b->planned_at != NEVER && clock_now() > b->planned_at + part(c->timeout, PART_GAP))
        b->broke_at = clock_now(); /* we were stalled */
    b->cut_unseen = c->news = false;
    nanos wake = election_advance(b);
    int count = client_prepare(c, fds, room, &wake);
    nanos now = clock_now();
    election_watchdog(b, now, &wake);
    waiting_say(b, now);
    lease_say(b, now);
    int ms = poll_timeout(c->news ? now : wake, now);
    if (ms >= 0 && (*timeout_ms < 0 || ms < *timeout_ms))
        *timeout_ms = ms;
    b->planned_at = *timeout_ms < 0 ? NEVER : now + *timeout_ms * MILLISECOND;
    return count;
}

BALLOT_API void ballot_dispatch(ballot *b, const struct pollfd *fds, int count)
{
    client_dispatch(&b->client, fds, count);
}

/* For how long no other can lead. Not once our resignation is on its way: the next one may lead already. */
static nanos lease_left(const ballot *b)
{
    return b->leading && !b->resigning ? nanos_max(0, lease_moment(&b->lease, PART_LEASE) - clock_now()) : 0;
}

BALLOT_API enum ballot_role ballot_role(const ballot *b)
{
    if (b->leading)
        return lease_left(b) > 0 ? BALLOT_LEADER : BALLOT_UNSURE;
    return b->proposal[0] ? BALLOT_FOLLOWER : BALLOT_OUT;
}

BALLOT_API bool ballot_step_down(const ballot *b)
{
    return b->step_down && (b->leading || b->proposal[0]);
}

BALLOT_API void ballot_status(const ballot *b, struct ballot_status *out)
{
    const struct client *c = &b->client;
    *out = (struct ballot_status){
        .role = ballot_role(b), .connected = c->connected, .step_down = ballot_step_down(b), .resigning = b->resigning,
        .requests_known = b->orders_fresh, .refused = b->refused || c->denied,
        .unnamed = b->leading && !(session_same(b) && base_names_us(b)), .losses = b->losses, .revoked = b->revoked,
        .unrecorded = b->unrecorded, .token = b->token,
        .lease = b->lease, .timeout = c->timeout, .clock_ahead = b->ahead, .clock_shift = b->ahead_shift,
        .session = c->session.client_id, .servers = c->addresses, .resolver = c->resolver.pid,
    };
    memcpy(out->password, c->session.passwd, sizeof out->password);
}

BALLOT_API bool ballot_record(const ballot *b, struct ballot_record *out)
{
    const struct record_state *r = &b->record;
    bool written = r->next_length > 0 && r->length == r->next_length && !memcmp(r->data, r->next, r->length);
    *out = (struct ballot_record){ r->data, r->length, r->changed, r->reads, written };
    return r->fresh && !r->pending;
}

BALLOT_API void ballot_record_write(ballot *b, const void *data, size_t length)
{
    struct record_state *r = &b->record;
    if (length > sizeof r->next)
        return;
    memcpy(r->next, data, length);
    r->next_length = length;
    r->pending = true;
}

BALLOT_API void ballot_hang_up(ballot *b)
{
    client_hang_up(&b->client);
}

BALLOT_API int64_t ballot_lease_ms(const ballot *b)
{
    return lease_left(b) / MILLISECOND;
}

BALLOT_API int64_t ballot_token(const ballot *b)
{
    return b->token;
}

BALLOT_API const char *ballot_node(const ballot *b)
{
    return b->proposal[0] ? child_path((struct ballot *)(uintptr_t)b, b->proposal) : "";
}

BALLOT_API const char *ballot_trouble(const ballot *b)
{
    const struct client *c = &b->client;
    if (b->trouble[0])
        return b->trouble;
    return c->trouble[0] || c->connected ? c->trouble : "not in contact with a ZooKeeper server";
}

#ifndef BALLOT_NO_MAIN

/* ---------------------------------------------------------------------------
 * Settings: tables. To add a setting, its type, its group, a command, an output format or a word to choose, add a
 * row: flags, environment, configuration file, help, the man page, completion and `ballot config` follow, and
 * a cell that is missing does not compile. What a row does is written elsewhere: a setting is read with setting_text()
 * or setting_number() (the agent's: agent_configure(), struct rules); a policy is a case in decide_outcome(). Then
 * `ballot help --ini >ballot.ini.example`, and a row in README's table.
 * ------------------------------------------------------------------------ */

#define FILE_MAX         4096 /* bytes of a file's path, and its NUL */

#define EXIT_NO_LEADER     3 /* of info --check, step-down                */
#define EXIT_UNHEALTHY     4 /* of info --check-schedule                  */
#define EXIT_LATE         75 /* EX_TEMPFAIL: not in time                  */
#define EXIT_BALLOT      125 /* ballot itself failed                      */
#define EXIT_CANNOT_EXEC 126 /* as shells have it: found, cannot be run   */
#define EXIT_NOT_FOUND   127
#define EXIT_BY_SIGNAL   128 /* plus the signal's number                  */

/* Commands: whose settings (FOR_...), words, whether COMMAND [ARG...] follows, the one operand that follows among
 * options or NULL, function, what follows in words, summary, example. */
#define COMMANDS(ROW)                                                                                                  \
    ROW(ONCE, "run once", true, NULL, run, "[--] COMMAND [ARG...]",                                                    \
        "run COMMAND on one of the machines that run this line",                                                       \
        "ballot run once --candidate-id=\"$(hostname)\" -- backup --full")                                             \
    ROW(CRON, "run cron", true, NULL, run, "--schedule=SPEC [--] COMMAND [ARG...]",                                    \
        "run COMMAND by a schedule, each time on one of the machines",                                                 \
        "ballot run cron --candidate-id=\"$(hostname)\" --schedule=@daily -- backup")                                  \
    ROW(CONFIG, "config", false, NULL, config, "[COMMAND LINE]",                                                       \
        "print the settings of a command line and where each comes from",                                              \
        "ballot config run once --candidate-id=a -- backup")                                                           \
    ROW(NEXT, "next", false, "SPEC", next_run, "SPEC",                                                                 \
        "print when a schedule's next activations are, in its time zone", "ballot next '30 2 * * mon-fri' -n 10")      \
    ROW(INFO, "info", false, NULL, info, "", "show the leader and the waiting candidates", "ballot info -o table")     \
    ROW(WATCH, "watch", false, NULL, watch, "", "print a line for each change, until it is ended",                     \
        "ballot watch -o json")                                                                                        \
    ROW(STEP_DOWN, "step-down", false, NULL, step_down, "", "make the leader hand over to the next",                   \
        "ballot step-down --timeout=1m")

#define COMMAND_NUMBER(id, ...) NUMBER_##id,
#define COMMAND_BIT(id, ...) FOR_##id = 1 << NUMBER_##id,

enum { COMMANDS(COMMAND_NUMBER) };

/* Which commands something is for: one bit a command. */
enum {
    COMMANDS(COMMAND_BIT)
    FOR_RUN = FOR_ONCE | FOR_CRON,
    FOR_EVENTS = FOR_WATCH | FOR_STEP_DOWN,
    FOR_ELECTION = FOR_RUN | FOR_CONFIG | FOR_INFO | FOR_WATCH | FOR_STEP_DOWN,
    FOR_ALL = FOR_ELECTION | FOR_NEXT,
};

/* Words to choose from: what each one means, a constant or a function; the word. */
#define LEVELS(ROW) /* SGR colours */                                                                                  \
    ROW("2", "trace") ROW("36", "debug") ROW("32", "info") ROW("33", "warn") ROW("31", "error") ROW("31;1", "fatal")   \
    ROW("31;1", "panic")
#define LOG_FORMATS(ROW) ROW(FORMAT_HUMAN, "human") ROW(FORMAT_JSON, "json") ROW(FORMAT_RAW, "raw")
#define POLICIES(ROW)                                                                                                  \
    ROW(POLICY_RERUN, "rerun") ROW(POLICY_REELECT, "reelect") ROW(POLICY_EXIT, "exit") ROW(POLICY_IGNORE, "ignore")
#define FAILURES(ROW) ROW(FAILURE_RETRY, "retry") ROW(FAILURE_RUN_ANYWAY, "run-anyway") ROW(FAILURE_EXIT, "exit")
#define DISCONNECTS(ROW) ROW(DISCONNECT_KEEP, "keep") ROW(DISCONNECT_STOP, "stop")
#define DSTS(ROW) ROW(BALLOT_DST_VIXIE, "vixie") ROW(BALLOT_DST_WALL, "wall")
#define INFO_FORMATS(ROW) /* the default comes first */                                                                \
    ROW(report_yaml, "yaml") ROW(report_json, "json") ROW(report_table, "table")
#define EVENT_FORMATS(ROW) ROW(notice_human, "human") ROW(notice_json, "json")

#define MEANING(meaning, word) meaning,
#define WORD(meaning, word) " " word
#define SPELLING(meaning, word) word,
#define WORDS(LIST) (&LIST(WORD)[1])

enum log_format { LOG_FORMATS(MEANING) };
enum policy { POLICIES(MEANING) };
enum failure { FAILURES(MEANING) };
enum { DISCONNECTS(MEANING) };

/* The output formats of a command; NULL: it has none. */
static const char *format_words(int commands)
{
    return commands & FOR_INFO ? WORDS(INFO_FORMATS) : commands & FOR_EVENTS ? WORDS(EVENT_FORMATS) : NULL;
}

#define SERVERS_ARE "HOST, HOST:PORT or [V6]:PORT, separated by commas"

/* Types: name, what a message says is expected, whether `text` is a value of the setting `row` (its number goes to
 * *number). */
#define TYPES(ROW)                                                                                                     \
    ROW(TEXT, "TEXT", "1 to 1000 bytes of text", *text && strlen(text) <= BALLOT_ID_MAX)                               \
    ROW(FILE, "FILE", "the path of a file", *text && strlen(text) < FILE_MAX)                                          \
    ROW(SERVERS, "LIST", strchr(text, '/') ? SERVERS_ARE "; a path behind them belongs in front of "                   \
        "zookeeper-base-path" : SERVERS_ARE, servers_valid(text))                                                      \
    ROW(PATH, "PATH", "a path such as /ballot/election: absolute, no \"//\", \".\" or \"..\", no / at its end",        \
        path_valid(text))                                                                                              \
    ROW(DURATION, "DURATION", "a duration such as 300ms, 5s or 1h30m, at most 10000h",                                 \
        duration_parse(text, number) && *number >= 0 && *number <= 10000 * HOUR)                                       \
    ROW(CHOICE, "WORD", row->choices, (*number = choice_index(row->choices, text)) >= 0)                               \
    ROW(FORMAT, "WORD", "a format: info has" INFO_FORMATS(WORD) ", others" EVENT_FORMATS(WORD),                        \
        choice_index(INFO_FORMATS(WORD) EVENT_FORMATS(WORD), text) >= 0)                                               \
    ROW(BOOL, "true|false", "true or false", (*number = bool_parse(text)) >= 0)                                        \
    ROW(IDENTITY, "digest:USER:PASSWORD", "digest:USER:PASSWORD", identity_valid(text))                                \
    ROW(NUMBER, "NUMBER", "a whole number from 1 to 1000000", (*number = number_parse(text)) >= 0)                     \
    ROW(MOMENT, "TIME", "a time such as 2030-01-31T12:00:00Z or 2030-01-31T12:00:00+01:00", moment_parse(text, number))

#define TYPE_ID(id, ...) TYPE_##id,
#define TYPE_NAME(id, name, ...) name,
#define TYPE_CHECK(id, name, expected, valid) case TYPE_##id: return valid ? NULL : expected;

enum setting_type { TYPES(TYPE_ID) };

static const char type_names[][24] = { TYPES(TYPE_NAME) };

/* In the order in which help shows them. */
#define GROUPS(ROW)                                                                                                    \
    ROW(GROUP_COMMAND, "The command") ROW(GROUP_SCHEDULE, "The schedule") ROW(GROUP_ANSWER, "The answer")              \
    ROW(GROUP_ELECTION, "The election") ROW(GROUP_LOG, "Configuration and log")

enum group { GROUPS(MEANING) GROUP_COUNT };

#define LOG_FORMAT_HELP "how log lines look; raw: key=\"value\" pairs"
#define LEVEL_HELP "the least level that is logged; the command's stdout counts as info, its stderr as error"

/*  X(identifier, name, group, type, default, choices, commands,
 *    read from the plain variable too (as the Go ballot does), help) */
#define SETTINGS(X)                                                                                                    \
    X(CONFIG_FILE, "config-file", LOG, FILE, NULL, NULL, FOR_ALL, true,                                                \
      "configuration file; else the first of ~/.config/ballot/ballot.ini, /etc/ballot/ballot.ini, ./ballot.ini "       \
      "that exists")                                                                                                   \
    X(LOG_LEVEL, "log-level", LOG, CHOICE, "info", WORDS(LEVELS), FOR_ALL, true, LEVEL_HELP)                           \
    X(LOG_FORMAT, "log-format", LOG, CHOICE, "human", WORDS(LOG_FORMATS), FOR_ALL, true, LOG_FORMAT_HELP)              \
    X(DEBUG, "debug", LOG, BOOL, "false", NULL, FOR_ALL, true,                                                         \
      "log source lines and the ZooKeeper client's own log")                                                           \
    X(SERVERS, "zookeeper-servers", ELECTION, SERVERS, "localhost", NULL, FOR_ELECTION, true,                          \
      "servers of the ensemble: " SERVERS_ARE)                                                                         \
    X(BASE_PATH, "zookeeper-base-path", ELECTION, PATH, "/ballot/election", NULL, FOR_ELECTION, true,                  \
      "znode of the election; all candidates with the same path compete for one leader: give each job its own")        \
    X(SESSION_TIMEOUT, "zookeeper-session-timeout", ELECTION, DURATION, "5s", NULL, FOR_ELECTION, true,                \
      "a machine that has been silent for this long counts as dead; the servers may change it")                        \
    X(AUTH, "zookeeper-auth", ELECTION, IDENTITY, NULL, NULL, FOR_ELECTION, false,                                     \
      "credentials for the ensemble; only they may then access the nodes that we create")                              \
    X(AUTH_FILE, "zookeeper-auth-file", ELECTION, FILE, NULL, NULL, FOR_ELECTION, false,                               \
      "a file that holds zookeeper-auth, so that ps does not show it")                                                 \
    X(CANDIDATE_ID, "candidate-id", COMMAND, TEXT, NULL, NULL, FOR_RUN, true,                                          \
      "mandatory: the name of this candidate, shown to others")                                                        \
    X(ON_SUCCESS, "on-child-success", COMMAND, CHOICE, "reelect", WORDS(POLICIES), FOR_RUN, true,                      \
      "what to do when the command ends with 0: reelect (resign, stand again), rerun (run it again; cron: at the next "\
      "activation), exit (with its status), ignore (once: end with 0; cron: as rerun)")                                \
    X(ON_ERROR, "on-child-error", COMMAND, CHOICE, "reelect", WORDS(POLICIES), FOR_RUN, true,                          \
      "the same, when it ends in any other way, or cannot be executed")                                                \
    X(ON_FAILURE, "on-election-failure", COMMAND, CHOICE, "retry", WORDS(FAILURES), FOR_RUN, true,                     \
      "what to do when standing for election fails: retry, run-anyway (without a fencing token), exit (with 125)")     \
    X(ON_DISCONNECT, "on-disconnect", COMMAND, CHOICE, "keep", WORDS(DISCONNECTS), FOR_RUN, false,                     \
      "a leader out of contact is to keep the command (another may run it, too), or to stop it before others may lead")\
    X(WRAP, "wrap-child-logs", COMMAND, BOOL, "true", NULL, FOR_RUN, true,                                             \
      "the command's output as log lines; false: directly")                                                            \
    X(STOP_TIMEOUT, "stop-timeout", COMMAND, DURATION, "10s", NULL, FOR_RUN, false,                                    \
      "from SIGTERM to SIGKILL when the command is stopped (systemd: TimeoutStopSec)")                                 \
    X(RESTART_DELAY, "restart-delay", COMMAND, DURATION, "1s", NULL, FOR_RUN, false,                                   \
      "least time between two starts; doubles with each further error in a row")                                       \
    X(RESTART_DELAY_MAX, "restart-delay-max", COMMAND, DURATION, "1m", NULL, FOR_RUN, false,                           \
      "the most that restart-delay grows to")                                                                          \
    X(MAX_RUNTIME, "max-runtime", COMMAND, DURATION, "0s", NULL, FOR_RUN, false,                                       \
      "the command is stopped when it runs longer (RuntimeMaxSec), which counts as an error; 0s: never")               \
    X(SCHEDULE, "schedule", SCHEDULE, TEXT, NULL, NULL, FOR_CRON, true,                                                \
      "mandatory: when the command is to run, such as \"30 2 * * mon-fri\" or \"@every 10m\"")                         \
    X(CATCH_UP, "catch-up", SCHEDULE, DURATION, "1m", NULL, FOR_CRON, false,                                           \
      "a missed activation is run late if it is at most this old (startingDeadlineSeconds); 0s: never")                \
    X(DST, "dst", SCHEDULE, CHOICE, "vixie", WORDS(DSTS), FOR_CRON | FOR_NEXT, false,                                  \
      "skipped and repeated times: as Vixie's cron has them (vixie), or by the wall clock alone (wall)")               \
    X(NEXT_COUNT, "count", SCHEDULE, NUMBER, "5", NULL, FOR_NEXT, false, "how many activations to print")              \
    X(NEXT_FROM, "from", SCHEDULE, MOMENT, NULL, NULL, FOR_NEXT, false,                                                \
      "print those after that time, such as 2030-01-31T12:00:00Z, instead of now")                                     \
    X(OUTPUT_FORMAT, "output-format", ANSWER, FORMAT, NULL, NULL, FOR_INFO | FOR_EVENTS, true,                         \
      "how the answer is printed; the first is the default")                                                           \
    X(CHECK, "check", ANSWER, BOOL, "false", NULL, FOR_INFO, false,                                                    \
      "print nothing; end with 0 if a candidate leads, with 3 if none does")                                           \
    X(CHECK_SCHEDULE, "check-schedule", ANSWER, BOOL, "false", NULL, FOR_INFO, false,                                  \
      "end with 4, and say why, if an activation is a minute overdue and nothing runs, or the last run failed")        \
    X(TIMEOUT, "timeout", ANSWER, DURATION, "30s", NULL, FOR_STEP_DOWN, false, "how long to wait for another leader")

#define SETTING_ID(id, ...) SET_##id,
#define SETTING_ROW(id, name, group, type, initial, choices, commands, plain, help) \
    { name, GROUP_##group, TYPE_##type, initial, choices, commands, plain, help },

enum setting_id { SETTINGS(SETTING_ID) SETTING_COUNT };

static const struct setting {
    const char *name;
    enum group group;
    enum setting_type type;
    const char *initial, *choices;
    int commands;
    bool plain_variable;
    const char *help;
} settings_table[] = { SETTINGS(SETTING_ROW) };

/* Short forms: "-n 3" and "-n3" are "--count=3". */
static const struct { char letter; enum setting_id id; } setting_letters[] = {
    { 'n', SET_NEXT_COUNT }, { 'o', SET_OUTPUT_FORMAT },
};

/* Sections of the configuration file, from the widest to the most exact. */
#define COMMAND_SECTION(id, words, ...) { words, FOR_##id },
static const struct section { char name[16]; int commands; } sections[] = {
    { "", FOR_ALL }, { "run", FOR_RUN }, COMMANDS(COMMAND_SECTION)
};

/* The weakest first. A file's origin is ORIGIN_FILE plus how exact its section is. */
enum origin {
    ORIGIN_NONE, ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENVIRONMENT = ORIGIN_FILE + COUNT(sections), ORIGIN_FLAG
};

struct value {
    char *text;      /* as given; the source stands behind it               */
    nanos number;    /* a duration, a boolean, the index of a choice, a moment in seconds */
    enum origin origin;
    const char *source; /* "--debug", "BALLOT_DEBUG in the environment", "ballot.ini:7", ... */
};

struct settings {
    int command;           /* FOR_...: whose they are                         */
    struct value values[SETTING_COUNT];
    char error[6000];      /* the first thing that is wrong, "" if nothing is */
    char warnings[3000];   /* each ends with a newline                        */
};

static const char *setting_text(const struct settings *s, enum setting_id id)
{
    return s->values[id].text;
}

static nanos setting_number(const struct settings *s, enum setting_id id)
{
    return s->values[id].number;
}

static bool setting_secret(enum setting_id id)
{
    return settings_table[id].type == TYPE_IDENTITY;
}

/* SETTING_COUNT: there is none of that name. */
static enum setting_id setting_named(const char *name)
{
    enum setting_id id = 0;
    while (id < SETTING_COUNT && strcmp(settings_table[id].name, name) != 0)
        id++;
    return id;
}

/* The setting of an option, "--count" or "-n"; SETTING_COUNT: there is none. */
static enum setting_id setting_option(const char *option)
{
    for (size_t i = 0; i < COUNT(setting_letters); i++)
        if (option[0] == '-' && option[1] == setting_letters[i].letter && !option[2])
            return setting_letters[i].id;
    return !strncmp(option, "--", 2) ? setting_named(option + 2) : SETTING_COUNT;
}

/* The index of `word` among space separated words, in any case; -1: not there. */
static int choice_index(const char *choices, const char *word)
{
    int index = 0;
    size_t length = strlen(strcasecmp(word, "warning") ? word : "warn"); /* the Go ballot takes both */
    for (const char *p = choices + strspn(choices, " "); *p; index++) {
        size_t n = strcspn(p, " ");
        if (length == n && !strncasecmp(p, word, n))
            return index;
        p += n + strspn(p + n, " ");
    }
    return -1;
}

/* The words that Go's strconv.ParseBool takes, by turns false and true; -1: none of them. */
static int bool_parse(const char *word)
{
    int index = choice_index("0 1 f t false true", word);
    return index < 0 ? -1 : index % 2;
}

/* -1: none. */
static long number_parse(const char *digits)
{
    long value = digits[strspn(digits, "0123456789")] ? -1 : strtol(digits, NULL, 10);
    return value > 0 && value <= 1000000 ? value : -1;
}

/* Levenshtein's distance, for "did you mean". */
static size_t word_distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(b);
    if (n >= COUNT(row))
        return SIZE_MAX;
    for (size_t i = 0; i <= n; i++)
        row[i] = i;
    for (; *a; a++) {
        size_t corner = row[0]++;
        for (size_t i = 1; i <= n; i++) {
            size_t least = corner + (*a != b[i - 1]);
            if (row[i] + 1 < least)
                least = row[i] + 1;
            if (row[i - 1] + 1 < least)
                least = row[i - 1] + 1;
            corner = row[i];
            row[i] = least;
        }
    }
    return row[n];
}

static bool word_close(const char *typed, const char *known)
{
    return word_distance(typed, known) <= 1 + strlen(known) / 4;
}

/* Text as it is, but for what is special and for bytes that are not UTF-8: these become \xNN. */
static void text_visible(struct text *t, const char *bytes, size_t count)
{
    for (size_t i = 0, n; i < count; i += n ? n : 1) {
        unsigned c;
        n = utf8_read(bytes + i, count - i, &c);
        if (n && !character_special(c))
            text_bytes(t, bytes + i, n);
        else
            for (size_t k = 0; k < (n ? n : 1); k++)
                text_format(t, "\\x%02x", (unsigned char)bytes[i + k]);
    }
}

/* Adds a message that may repeat what was read or typed: a terminal is to show it, not to obey it. */
static void message_add(struct text *t, const char *format, va_list args)
{
    char message[6000];
    vsnprintf(message, sizeof message, format, args);
    text_visible(t, message, strlen(message));
}

static bool __attribute__((format(printf, 2, 3))) settings_fail(struct settings *s, const char *format, ...)
{
    if (s->error[0])
        return false;
    struct text t = TEXT_IN(s->error);
    va_list args;
    va_start(args, format);
    message_add(&t, format, args);
    va_end(args);
    return false;
}

static void __attribute__((format(printf, 2, 3))) settings_warn(struct settings *s, const char *format, ...)
{
    size_t used = strlen(s->warnings);
    struct text t = { s->warnings, sizeof s->warnings, used, false };
    va_list args;
    va_start(args, format);
    message_add(&t, format, args);
    va_end(args);
    text_string(&t, "\n");
    if (t.cut)
        s->warnings[used] = '\0';
}

/* How far `typed` is from a setting's name, or from that name without one of its parts, as in --servers; SIZE_MAX: too
 * far. */
static size_t name_distance(const char *typed, const char *name)
{
    size_t least = word_close(typed, name) ? word_distance(typed, name) : SIZE_MAX;
    for (const char *part = name, *end; *part; part = end) {
        char rest[64];
        end = part + strcspn(part, "-");
        end += *end == '-';
        int before = (int)(part - name) - (!*end && part > name);
        snprintf(rest, sizeof rest, "%.*s%s", before, name, end);
        size_t distance = word_distance(typed, rest);
        if (distance <= strlen(rest) / 5 && distance < least)
            least = distance;
    }
    return least;
}

/* The name of the setting that is closest to what was typed; NULL: none is close. */
static const char *setting_close(const char *typed, int commands)
{
    const char *close = NULL;
    size_t least = SIZE_MAX - 1;
    for (enum setting_id id = 0; id < SETTING_COUNT; id++) {
        const struct setting *row = &settings_table[id];
        size_t distance = row->commands & commands ? name_distance(typed, row->name) : SIZE_MAX;
        close = distance <= least ? row->name : close;
        least = distance < least ? distance : least;
    }
    return close;
}

/* Checks a value and gives its number; NULL, or what was expected instead. */
static const char *setting_check(const struct setting *row, const char *text, nanos *number)
{
    switch (row->type) {
        TYPES(TYPE_CHECK)
    }
    return NULL;
}

/* A bad value: where it stands, the value unless it is secret, what was expected. */
static bool setting_refuse(struct settings *s, enum setting_id id, const char *text, enum origin origin,
                           const char *source, const char *expected)
{
    const struct setting *row = &settings_table[id];
    const char *is = row->type == TYPE_CHOICE ? "is not one of" : "is not";
    bool named = origin >= ORIGIN_ENVIRONMENT; /* such a source names the setting itself */
    const char *colon = named ? "" : ": ", *name = named ? "" : row->name;
    if (setting_secret(id))
        return settings_fail(s, "%s%s%s: its value (not shown) %s %s", source, colon, name, is, expected);
    return settings_fail(s, "%s%s%s: \"%.200s\" %s %s", source, colon, name, text, is, expected);
}

/* A value as it is kept: a list added to what is there, and normalized; behind it, its source. NULL: no memory. The
 * caller frees it. */
static char *value_text(const struct setting *row, const char *before, const char *text, const char *source)
{
    char *copy = malloc(strlen(before) + 1 + strlen(text) + 1 + strlen(source) + 1);
    if (!copy)
        return NULL;
    sprintf(copy, "%s%s%s%c%s", before, *before ? "," : "", text, '\0', source);
    for (char *p = copy; row->type == TYPE_SERVERS && *p; p++)
        if (isspace((unsigned char)*p)) /* separates items as commas do */
            *p = ',';
    return copy;
}

/* Sets a value from a source, unless a stronger source has, or it is only to be checked (ORIGIN_NONE). What comes
 * again from the same source replaces, but adds to a list. */
static bool setting_set(struct settings *s, enum setting_id id, const char *text, enum origin origin,
                        const char *source)
{
    const struct setting *row = &settings_table[id];
    struct value *v = &s->values[id];
    bool add = row->type == TYPE_SERVERS && v->origin == origin && v->text;
    char *copy = value_text(row, add ? v->text : "", text, source);
    if (!copy)
        return settings_fail(s, "out of memory");
    nanos number = 0;
    const char *expected = setting_check(row, copy, &number);
    if (expected || v->origin > origin || origin == ORIGIN_NONE) {
        secret_free(copy);
        return !expected || setting_refuse(s, id, text, origin, source, expected);
    }
    secret_free(v->text);
    *v = (struct value){ .text = copy, .number = number, .origin = origin, .source = copy + strlen(copy) + 1 };
    return true;
}

/* --- from the environment -------------------------------------------------- */

static void setting_variable(char *out, size_t size, const char *prefix, const char *name)
{
    struct text t = text_in(out, size);
    text_string(&t, prefix);
    for (; *name; name++) {
        char c = *name == '-' ? '_' : (char)toupper((unsigned char)*name);
        text_bytes(&t, &c, 1);
    }
}

/* Takes one setting from one variable. A plain DEBUG is often meant for another program. */
static void setting_from_variable(struct settings *s, enum setting_id id, const char *variable, bool plain)
{
    char *text = getenv(variable), source[80];
    if (!text || !*text)
        return;
    if (plain && id == SET_DEBUG && bool_parse(text) < 0) {
        settings_warn(s, "DEBUG=\"%.100s\" in the environment is not true or false: ignored", text);
        return;
    }
    snprintf(source, sizeof source, "%s in the environment", variable);
    setting_set(s, id, text, ORIGIN_ENVIRONMENT, source);
    if (setting_secret(id)) {
        secret_erase(text, strlen(text), '*'); /* /proc shows the environment */
        unsetenv(variable);
    }
}

static void settings_from_environment(struct settings *s, int commands)
{
    char variable[64];
    for (enum setting_id id = 0; id < SETTING_COUNT; id++) {
        const struct setting *row = &settings_table[id];
        setting_variable(variable, sizeof variable, "BALLOT_", row->name);
        if (row->commands & commands)
            setting_from_variable(s, id, variable, false);
        setting_variable(variable, sizeof variable, "", row->name);
        if ((row->commands & commands) && row->plain_variable && s->values[id].origin < ORIGIN_ENVIRONMENT)
            setting_from_variable(s, id, variable, true);
    }
}

static void settings_from_defaults(struct settings *s)
{
    for (enum setting_id id = 0; id < SETTING_COUNT; id++)
        if (settings_table[id].initial)
            setting_set(s, id, settings_table[id].initial, ORIGIN_DEFAULT, "default");
}

/* The format is one of the command's; the first, where none is given. */
static bool settings_settle_format(struct settings *s, int command)
{
    const char *words = format_words(command);
    struct value *v = &s->values[SET_OUTPUT_FORMAT];
    char first[16];
    if (!words)
        return true;
    string_copy(first, strcspn(words, " ") + 1, words);
    if (!v->text && !setting_set(s, SET_OUTPUT_FORMAT, first, ORIGIN_DEFAULT, "default"))
        return false;
    v->number = choice_index(words, v->text);
    return v->number >= 0 || settings_fail(s, "%s: \"%s\" is not one of %s", v->source, v->text, words);
}

/* --- from the command line --------------------------------------------------- */

/* The setting of an option, named in front of "=value", or of "value" behind a letter; SETTING_COUNT: of none. */
static enum setting_id option_split(const char *word, char name[80], size_t *end)
{
    *end = strncmp(word, "--", 2) ? strnlen(word, 2) : strcspn(word, "=");
    snprintf(name, 80, "%.*s", (int)*end, word);
    return setting_option(name);
}

/* Takes the option argv[*at]: "--name=value" or "--name value", "-n3", "-n=3" or "-n 3"; a boolean needs no value.
 * Leaves *at on the last word used. `commands`: to which of them it may belong. */
static bool setting_from_flag(struct settings *s, char **argv, int *at, int commands)
{
    char option[80], on[] = "true", *word = argv[*at];
    size_t end;
    enum setting_id id = option_split(word, option, &end);
    if (id == SETTING_COUNT && word[1] != '-')
        return settings_fail(s, "unknown option %.60s; options are long, as in --log-level=debug", word);
    if (id == SETTING_COUNT) {
        const char *close = setting_close(option + 2, commands);
        return close ? settings_fail(s, "unknown option %s; did you mean --%s?", option, close)
                     : settings_fail(s, "unknown option %s; `ballot help` lists them all", option);
    }
    char *value = word[end] ? word + end + (word[end] == '=') : settings_table[id].type == TYPE_BOOL ? on : argv[++*at];
    if (!value)
        return settings_fail(s, "%s needs a value", option);
    bool fine = setting_set(s, id, value, ORIGIN_FLAG, option);
    if (setting_secret(id))
        secret_erase(value, strlen(value), '*'); /* ps shows it */
    return fine;
}

/* --- from the configuration file ----------------------------------------------
 *
 *     file    = { line }
 *     line    = blank | comment | "[" section "]" | name ( "=" | ":" ) value | continuation
 *     comment = ( ";" | "#" ) text       at the start of a line; after a value, blank ";" text
 *     continuation = blank more          of the list above it
 *
 * inih reads it; what inih would cut or misread in silence is refused before.
 */

#define INI_LINES_MAX 100000 /* a pipe may never end */

struct ini {
    struct settings *settings;
    FILE *file;
    const char *path;
    int command;       /* whose settings are wanted                        */
    int number;        /* of the line                                      */
    bool indented;     /* it goes on with the value above                  */
    bool list;         /* which is a list                                  */
    size_t section;    /* in `sections`                                    */
    unsigned given[SETTING_COUNT]; /* bit by bit: in which sections         */
};

static bool __attribute__((format(printf, 2, 3))) ini_fail(struct ini *ini, const char *format, ...)
{
    char message[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return settings_fail(ini->settings, "%s:%d: %s", ini->path, ini->number, message);
}

/* What inih takes in silence is refused: an unknown section that is empty, and what stands behind a section's name. */
static bool ini_section(struct ini *ini, const char *line)
{
    char name[64];
    struct text t = TEXT_IN(name);
    size_t n = strcspn(line, "]");
    if (!line[n])
        return false; /* inih says so */
    text_bytes(&t, line + 1, n - 1);
    ini->list = false;
    for (ini->section = 0; ini->section < COUNT(sections) && strcmp(sections[ini->section].name, name) != 0;)
        ini->section++;
    if (ini->section == COUNT(sections) || !*name)
        return ini_fail(ini, "unknown section [%s]; sections are called as commands are, such as [run once]", name);
    const char *behind = line + n + 1 + strspn(line + n + 1, " \t\r\n");
    return !*behind || strchr(";#", *behind) || ini_fail(ini, "more than a comment stands behind [%s]", name);
}

/* Indented settings and sections are meant as such; inih takes every indented line for more of the value above it, and
 * a comment in it, too. */
static void ini_line(struct ini *ini, char *line)
{
    char *start = line + (ini->number == 1 && !strncmp(line, "\xef\xbb\xbf", 3) ? 3 : 0), name[64];
    struct text t = TEXT_IN(name);
    start += strspn(start, " \t");
    text_bytes(&t, start, strcspn(start, " \t=:\r\n"));
    const char *behind = start + t.length + strspn(start + t.length, " \t");
    bool setting = setting_named(name) != SETTING_COUNT && (*behind == '=' || *behind == ':');
    bool section = *start == '[' && !(start > line && ini->list); /* in a list it is an address */
    ini->indented = start > line && !setting && !section;
    for (char *p = start; ini->indented && *p; p++)
        if (*p == ';' && isspace((unsigned char)p[-1]))
            *p = '\0';
    if (!ini->indented)
        memmove(line, start, strlen(start) + 1);
    if (section)
        ini_section(ini, line);
}

/* Has the type of inih's reader: like fgets(). However long a line is, no more of it is read than it may have. */
static char *ini_read(char *out, int room, void *context)
{
    struct ini *ini = context;
    size_t n = 0, most = (size_t)room - 1;
    int c = 0;
    while (!ini->settings->error[0] && n < most && c != '\n' && (c = getc(ini->file)) != EOF)
        out[n++] = (char)c;
    out[n] = '\0';
    ini->number++;
    if (ferror(ini->file))
        ini_fail(ini, "cannot be read: %s", strerror(errno));
    else if (memchr(out, '\0', n))
        ini_fail(ini, "holds a NUL byte: this is no text file");
    else if (n == most)
        ini_fail(ini, "is longer than %d bytes, the most that a line may have; "
                 "a list may go on in the next line, indented", room - 2);
    else if (ini->number > INI_LINES_MAX)
        ini_fail(ini, "is one line more than a file may have");
    if (n > 0 && !ini->settings->error[0])
        ini_line(ini, out);
    return n > 0 && !ini->settings->error[0] ? out : NULL;
}

static bool ini_check(struct ini *ini, enum setting_id id, const char *name)
{
    const struct section *section = &sections[ini->section];
    if (id == SETTING_COUNT) {
        const char *close = setting_close(name, section->commands);
        return close ? ini_fail(ini, "unknown setting \"%.100s\"; did you mean %s?", name, close)
                     : ini_fail(ini, "unknown setting \"%.100s\"", name);
    }
    if (!(settings_table[id].commands & section->commands))
        return ini_fail(ini, "%s is not a setting of %s", name, section->name);
    if (id == SET_CONFIG_FILE)
        return ini_fail(ini, "config-file cannot be set in a configuration file");
    if (ini->indented && settings_table[id].type != TYPE_SERVERS)
        return ini_fail(ini, "begins with a blank, so it goes on with %s above, which takes one line", name);
    if (!ini->indented && (ini->given[id] & 1u << ini->section))
        return ini_fail(ini, "%s is set twice in this section", name);
    ini->given[id] |= 1u << ini->section;
    ini->list = settings_table[id].type == TYPE_SERVERS;
    return true;
}

/* Has the type of inih's handler; 0 makes it an error, but the first one that settings_fail() heard of counts. */
static int ini_setting(void *context, const char *section, const char *name, const char *text)
{
    struct ini *ini = context;
    enum setting_id id = setting_named(name);
    char source[FILE_MAX + 16];
    (void)section;
    if (ini->settings->error[0] || !ini_check(ini, id, name))
        return 0;
    snprintf(source, sizeof source, "%s:%d", ini->path, ini->number);
    bool ours = sections[ini->section].commands & ini->command;
    return setting_set(ini->settings, id, text, ours ? (enum origin)(ORIGIN_FILE + ini->section) : ORIGIN_NONE, source);
}

/* A secret in a file that others may read is none. */
static void secret_warn(struct settings *s, int fd, const char *path)
{
    struct stat about;
    if (fstat(fd, &about) == 0 && (about.st_mode & 077))
        settings_warn(s, "%s holds a secret, and others may read it: chmod 600 %s", path, path);
}

static bool settings_read_ini(struct settings *s, FILE *file, const char *path, int command)
{
    struct ini ini = { .settings = s, .file = file, .path = path, .command = command };
    int line = ini_parse_stream(ini_read, &ini, ini_setting, &ini);
    if (line > 0 && !s->error[0]) {
        ini.number = line;
        ini_fail(&ini, "is neither [section] nor name = value");
    }
    if (ini.given[SET_AUTH])
        secret_warn(s, fileno(file), path);
    return s->error[0] == '\0';
}

/* "~/file" is below the home folder; returns false if there is none, or it is too long. */
static bool file_path(const char *name, char out[FILE_MAX])
{
    struct text t = text_in(out, FILE_MAX);
    const char *home = getenv("HOME");
    bool tilde = name[0] == '~' && name[1] == '/';
    text_string(&t, tilde && home ? home : "");
    text_string(&t, tilde ? name + 1 : name);
    errno = t.cut ? ENAMETOOLONG : ENOENT;
    return !t.cut && (!tilde || home);
}

/* Named by a setting; the same, and it holds a secret; in its usual place; in the working folder. */
enum file_kind { FILE_NAMED, FILE_SECRET, FILE_FOUND, FILE_HERE };

#define PIPE_PATIENCE (30 * SECOND) /* for a pipe's writer */

/* Why other users may have planted a file or its folder; NULL: they cannot have. */
static const char *file_planted(const struct stat *about, bool folder)
{
    if (about->st_uid != 0 && about->st_uid != geteuid())
        return folder ? "its folder belongs to another user" : "it belongs to another user";
    if (about->st_mode & (S_IWGRP | S_IWOTH))
        return folder ? "others may write into its folder" : "others may write it";
    return NULL;
}

/* Why nothing of that name in the working folder is opened, not even a link that leads nowhere; NULL: it may be. */
static const char *folder_refused(const char *path)
{
    struct stat about;
    if (lstat(path, &about) != 0)
        return NULL;
    return stat(".", &about) == 0 ? file_planted(&about, true) : strerror(errno);
}

/* Why what has been opened is not read; NULL: it is. Waits until a pipe has a writer. */
static const char *file_refused(int fd, enum file_kind kind)
{
    struct stat about;
    struct pollfd one = { fd, POLLIN, 0 };
    if (fstat(fd, &about) != 0)
        return strerror(errno);
    bool regular = S_ISREG(about.st_mode), named = kind == FILE_NAMED || kind == FILE_SECRET;
    if (S_ISDIR(about.st_mode))
        return strerror(EISDIR);
    if (!regular && !named)
        return "it is not a regular file";
    if (!regular && !S_ISFIFO(about.st_mode))
        return "it is neither a regular file nor a pipe";
    const char *planted = kind == FILE_HERE || kind == FILE_SECRET ? file_planted(&about, false) : NULL;
    if (planted || regular)
        return planted;
    if (poll(&one, 1, (int)(PIPE_PATIENCE / MILLISECOND)) <= 0)
        return "nothing was written into this pipe within 30s";
    fcntl(fd, F_SETFL, 0); /* from here on it is read as a file is */
    return NULL;
}

/* Opens a file to be read, without waiting for it: it may be a pipe, or a link to a
 * device. NULL: *why says why; errno is EINVAL if it is there and not to be read. */
static FILE *file_open(const char *path, enum file_kind kind, const char **why)
{
    *why = kind == FILE_HERE ? folder_refused(path) : NULL;
    int fd = *why ? -1 : open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && !*why) {
        *why = strerror(errno);
        return NULL;
    }
    *why = *why ? *why : file_refused(fd, kind);
    FILE *file = *why ? NULL : fdopen(fd, "r");
    if (file)
        return file;
    *why = *why ? *why : strerror(errno);
    fd_close(&fd);
    errno = EINVAL;
    return NULL;
}

/* NULL: it has been said why not. */
static FILE *file_named(struct settings *s, const struct value *named, enum file_kind kind, char path[FILE_MAX])
{
    const char *why = NULL;
    FILE *file = file_path(named->text, path) ? file_open(path, kind, &why) : NULL;
    if (!file)
        settings_fail(s, "%s: cannot read %s: %s", named->source, named->text, why ? why : strerror(errno));
    return file;
}

static const char *const foreign_ends[] = { ".yaml", ".yml", ".json", ".toml" };

/* The Go ballot's files are YAML, JSON or TOML. */
static bool file_foreign(const char *path)
{
    const char *end = strrchr(path, '.');
    for (size_t i = 0; end && end > path && i < COUNT(foreign_ends); i++)
        if (!strcmp(end, foreign_ends[i]))
            return true;
    return false;
}

/* What the Go ballot would have read here is not read, and that is said. The first one goes to `found`. */
static void settings_warn_foreign(struct settings *s, const char *path, enum file_kind kind, char found[FILE_MAX])
{
    for (size_t i = 0; i < COUNT(foreign_ends); i++) {
        char other[FILE_MAX];
        const char *why;
        struct text t = TEXT_IN(other);
        text_format(&t, "%.*s%s", (int)(strlen(path) - strlen(".ini")), path, foreign_ends[i]);
        FILE *file = file_open(other, kind, &why);
        if (!file && errno != EINVAL)
            continue;
        settings_warn(s, "%s is not read; write each `name: value` of it as a line `name = value` into %s", other,
                      path);
        if (file && !*found)
            string_copy(found, FILE_MAX, other);
        if (file)
            fclose(file);
    }
}

/* A line of YAML, JSON or TOML without its quotes, brackets and comment. */
static void foreign_plain(struct text *t, const char *line)
{
    char quote = '\0';
    for (; *line && (quote || !strchr("#\r\n", *line)); line++)
        if (quote ? *line == quote : *line == '"' || *line == '\'')
            quote = quote ? '\0' : *line;
        else if (quote || !strchr(t->length ? "[]{}" : "[]{} \t-", *line))
            text_bytes(t, line, 1);
    while (t->length > 0 && strchr(" \t\r\n,", t->data[t->length - 1]))
        t->data[--t->length] = '\0';
}

/* Adds it as a line of ours: a setting, an item of the list above it, or a comment. */
static void foreign_line(struct text *t, const char *line, bool *list)
{
    char name[64], plain[1024];
    struct text p = TEXT_IN(plain), n = TEXT_IN(name);
    foreign_plain(&p, line);
    text_bytes(&n, plain, strcspn(plain, " \t:="));
    enum setting_id id = setting_named(name);
    const char *value = plain + n.length + strspn(plain + n.length, " \t:=");
    bool ours = id < SETTING_COUNT, key = strstr(plain, ": ") || (p.length && plain[p.length - 1] == ':');
    bool item = *list && !ours && !key, secret = (ours && setting_secret(id)) || strstr(plain, AUTH_SCHEME ":");
    *list = item || (ours && settings_table[id].type == TYPE_SERVERS);
    if (!*plain)
        return;
    text_string(t, !item ? "\n    " : t->data[t->length - 2] == '=' ? "" : ", ");
    text_format(t, "%s%s", ours ? name : item ? "" : "; ", ours ? " = " : "");
    const char *shown = secret ? "(not shown)" : ours ? value : plain;
    text_visible(t, shown, strlen(shown));
}

/* Refuses a Go ballot's file, and says how to translate what stands in it. */
static bool settings_refuse_foreign(struct settings *s, const char *source, const char *path, const char *otherwise)
{
    const char *why;
    char line[1024];
    bool list = false;
    FILE *file = file_open(path, FILE_FOUND, &why);
    settings_fail(s, "%s: %s is not an INI file; write each `name: value` as a line `name = value`, lists with "
                  "commas, into a file such as /etc/ballot/ballot.ini%s%s", source, path, otherwise, file ? ":" : "");
    struct text t = { s->error, sizeof s->error, strlen(s->error), false };
    while (file && fgets(line, sizeof line, file))
        foreign_line(&t, line, &list);
    if (file)
        fclose(file);
    return false;
}

/* Opens the first of the usual files that exists; NULL: there is none, or an error: one that is there and cannot be
 * read may say what matters. One in the working folder that others may have planted is not read. */
static FILE *file_usual(struct settings *s, char path[FILE_MAX], char foreign[FILE_MAX])
{
    const char *config = getenv("XDG_CONFIG_HOME"), *why;
    char home[FILE_MAX];
    snprintf(home, sizeof home, "%s/ballot/ballot.ini", config && *config ? config : "~/.config");
    const char *const places[] = { home, "/etc/ballot/ballot.ini", "./ballot.ini" };
    for (size_t i = 0; i < COUNT(places) && !s->error[0]; i++) {
        bool here = i == COUNT(places) - 1;
        enum file_kind kind = here ? FILE_HERE : FILE_FOUND;
        if (!file_path(places[i], path))
            continue;
        FILE *file = file_open(path, kind, &why);
        if (file) {
            setting_set(s, SET_CONFIG_FILE, path, ORIGIN_DEFAULT, "found");
            return file;
        }
        if (errno == ENOENT || errno == ENOTDIR)
            settings_warn_foreign(s, path, kind, foreign);
        else if (here && errno == EINVAL)
            settings_warn(s, "%s is not read: %s; --config-file=%s reads it", path, why, path);
        else
            settings_fail(s, "cannot read %s: %s", path, why);
    }
    return NULL;
}

static bool settings_from_file(struct settings *s, int command)
{
    const struct value *named = &s->values[SET_CONFIG_FILE];
    char path[FILE_MAX], foreign[FILE_MAX] = "";
    if (named->text && file_foreign(named->text))
        return settings_refuse_foreign(s, named->source, named->text, "");
    FILE *file = named->text ? file_named(s, named, FILE_NAMED, path) : file_usual(s, path, foreign);
    bool says_where = setting_text(s, SET_SERVERS) && setting_text(s, SET_BASE_PATH);
    if (!file && *foreign && (command & FOR_ELECTION) && !says_where)
        return settings_refuse_foreign(s, "no INI file is found", foreign, ", or give zookeeper-servers and "
                                       "zookeeper-base-path, without which this is the default election");
    if (file) {
        settings_read_ini(s, file, path, command);
        fclose(file);
    }
    return !s->error[0];
}

/* --- all of them together ------------------------------------------------------- */

/* The identity from its file, where that is the stronger of the two settings. */
static bool settings_read_identity(struct settings *s)
{
    const struct value *named = &s->values[SET_AUTH_FILE], *given = &s->values[SET_AUTH];
    char path[FILE_MAX], text[BALLOT_AUTH_MAX + 3] = "";
    if (!named->text || given->origin > named->origin)
        return true;
    if (given->origin == named->origin)
        return settings_fail(s, "%s and %s exclude each other", given->source, named->source);
    FILE *file = file_named(s, named, FILE_SECRET, path);
    if (!file)
        return false;
    secret_warn(s, fileno(file), path);
    setvbuf(file, NULL, _IONBF, 0);
    size_t n = fread(text, 1, sizeof text - 1, file);
    if (ferror(file))
        settings_fail(s, "%s: cannot read %s: %s", named->source, named->text, strerror(errno));
    fclose(file);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = '\0';
    bool fine = setting_set(s, SET_AUTH, text, named->origin, path);
    secret_erase(text, sizeof text, '\0');
    return fine;
}

/* The next character of foreign text as a terminal may have it: what would act on it becomes U+FFFD. Moves *p on. */
static unsigned character_next(const char **p)
{
    unsigned c;
    size_t n = utf8_read(*p, strlen(*p), &c);
    *p += n ? n : 1;
    return character_special(c) ? 0xfffd : c;
}

/* Adds the schedule, and a mark below the place that is wrong. */
static void schedule_mark(struct text *t, const char *spec, size_t offset)
{
    int column = 0;
    text_string(t, "\n    ");
    for (const char *p = spec, *next = spec; *p; p = next) {
        bool special = character_next(&next) == 0xfffd;
        text_bytes(t, special ? " " : p, special ? 1 : (size_t)(next - p));
        column += p < spec + offset;
    }
    text_format(t, "\n    %*s^", column, "");
}

static bool settings_check_schedule(struct settings *s)
{
    struct ballot_zone zone;
    struct ballot_cron cron;
    struct ballot_cron_error error = { .offset = 0 };
    const struct value *v = &s->values[SET_SCHEDULE];
    const char *why = error.message, *spec = v->text;
    int local = ballot_zone_local(&zone);
    unsigned character;
    for (size_t n; (n = utf8_read(spec + error.offset, strlen(spec + error.offset), &character)) > 0; error.offset += n)
        ;
    if (spec[error.offset])
        why = "the record of runs is text, this is not UTF-8";
    else if (ballot_cron_parse(&cron, &zone, spec, &error) == BALLOT_OK) {
        error.offset = 0;
        int64_t next = ballot_cron_next(&cron, &zone, moment_now(), (enum ballot_dst)setting_number(s, SET_DST));
        bool runs = s->command & FOR_CRON;
        why = local != BALLOT_OK && !cron.own_zone ? "the time zone of this machine (TZ, /etc/localtime) cannot be read"
            : runs && next == BALLOT_NEVER ? "it never comes" : NULL;
        if (runs && !cron.own_zone && !cron.every && !getenv("TZ") && access("/etc/localtime", R_OK) != 0)
            settings_warn(s, "there is neither TZ nor /etc/localtime: the schedule is in UTC; TZ= in front of it names "
                          "its zone");
        if (cron.cut)
            settings_warn(s, "\"%.100s\" counts whole seconds, and one at least: it is taken as \"@every %s\"", spec,
                          duration_string(cron.every * SECOND).data);
    }
    if (!why)
        return true;
    settings_fail(s, "%s%s: %s", v->source, v->origin < ORIGIN_ENVIRONMENT ? ": schedule" : "", why);
    struct text t = { s->error, sizeof s->error, strlen(s->error), false };
    schedule_mark(&t, spec, error.offset);
    return false;
}

static bool settings_check_together(struct settings *s, int commands)
{
    nanos timeout = setting_number(s, SET_SESSION_TIMEOUT);
    if (timeout < MILLISECOND || timeout > TIMEOUT_MAX)
        return settings_fail(s, "%s: \"%s\" is not between 1ms and 298h", s->values[SET_SESSION_TIMEOUT].source,
                             setting_text(s, SET_SESSION_TIMEOUT));
    if (!(commands & FOR_RUN))
        return !(commands & FOR_NEXT) || settings_check_schedule(s);
    if ((commands & FOR_CRON) && !setting_text(s, SET_SCHEDULE))
        return settings_fail(s, "--schedule is missing: it says when the command is to run, "
                             "try --schedule=\"30 2 * * *\"");
    if (!setting_text(s, SET_CANDIDATE_ID))
        return settings_fail(s, "--candidate-id is missing: it names this candidate, "
                             "try --candidate-id=\"$(hostname)\"");
    bool stop = setting_number(s, SET_ON_DISCONNECT) == DISCONNECT_STOP;
    if (stop && setting_number(s, SET_ON_FAILURE) == FAILURE_RUN_ANYWAY)
        return settings_fail(s, "on-election-failure=run-anyway contradicts on-disconnect=stop: "
                             "the one runs the command without an election, the other never does");
    nanos grace = part(timeout, PART_STOP_KILL - PART_STOP_TERM);
    if (stop && s->values[SET_STOP_TIMEOUT].origin > ORIGIN_DEFAULT && setting_number(s, SET_STOP_TIMEOUT) > grace)
        settings_warn(s, "stop-timeout=%s cannot be honoured when contact is lost: with on-disconnect=stop "
                      "the command then has %s between SIGTERM and SIGKILL",
                      setting_text(s, SET_STOP_TIMEOUT), duration_round(grace).data);
    return !(commands & FOR_CRON) || settings_check_schedule(s);
}

/* Completes what the flags said: each setting comes from the first of command line, environment, configuration file,
 * default. */
static bool settings_complete(struct settings *s, int command, const char *words)
{
    for (enum setting_id id = 0; id < SETTING_COUNT; id++)
        if (s->values[id].origin == ORIGIN_FLAG && !(settings_table[id].commands & command))
            return settings_fail(s, "--%s is not an option of %s", settings_table[id].name, words);
    s->command = command;
    settings_from_environment(s, command);
    if (s->error[0] || !settings_from_file(s, command))
        return false;
    settings_from_defaults(s);
    return !s->error[0] && settings_read_identity(s) && settings_settle_format(s, command) &&
           settings_check_together(s, command);
}

static void settings_free(struct settings *s)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        secret_free(s->values[i].text);
}

/* ---------------------------------------------------------------------------
 * Log: lines, and the queues in front of stdout and stderr
 *
 * Nothing here blocks for long: a queue is written when poll() says that it can be, PIPE_BUF bytes at a time, and a
 * write that waits all the same is interrupted. Other processes share these descriptors, so O_NONBLOCK is never set
 * on them. When a queue is full, ballot's own lines are dropped and counted; the command's are not read in the first
 * place.
 * ------------------------------------------------------------------------ */

#define LINE_MAX_BYTES (64 * 1024)                  /* a longer line of the command is cut in pieces */
#define ENTRY_MAX      (6 * LINE_MAX_BYTES + 16384) /* a line as JSON, every byte escaped            */
#define QUEUE_SIZE     (2 * ENTRY_MAX)

#define WRITE_TICK     (2 * MILLISECOND)   /* a write that waits is interrupted at the first or second of these */
#define WRITE_PAUSE    (20 * MILLISECOND)  /* to the next attempt after a write that took less than it was given */
#define UNREAD_PAUSE   (200 * MILLISECOND) /* ... or nothing: it may be long until the next reader              */
#define FLUSH_MAX      (20 * MILLISECOND)  /* a disk may be slow: the election comes in between                  */

struct queue { /* of bytes; no part of the election */
    int fd;              /* to write to                                         */
    bool colour, socket;
    bool waits;          /* a write may wait for room                           */
    bool dead;           /* its reader has gone: what comes is thrown away      */
    nanos retry_at;      /* no attempt to write before that                     */
    nanos failed_since;  /* writing is refused since then, as by a full disk; 0: it is not */
    size_t start, end;
    unsigned long dropped;
    char data[QUEUE_SIZE];
};

/* Lines that come out of a pipe and are to be logged: the command's, and those of the client library. */
struct stream {
    int fd;          /* our end of the pipe; -1: none         */
    bool last;       /* the writers are dead: empty means end */
    const char *name;
    enum ballot_log_level level;
    struct queue *queue;
    size_t length;
    char data[LINE_MAX_BYTES];
};

struct log {
    enum ballot_log_level level;
    enum log_format format;
    bool debug;
    const char *id;
    char host[256];
    char wall[40];         /* when the lines that are being logged were read */
    struct queue out, own_err;
    struct queue *err;     /* where lines for stderr go: stdout's queue if both are one file */
    struct stream library; /* the client library's own log, with debug      */
    char entry[ENTRY_MAX];
};

static const char level_names[][8] = { LEVELS(SPELLING) };
static const char level_colours[][8] = { LEVELS(MEANING) };

static size_t queue_room(const struct queue *q)
{
    return sizeof q->data - (q->end - q->start);
}

/* A terminal may say that it can be written and then block all the same, and so may a pipe into which others write,
 * such as the command. These are opened anew: that description is ours, and may be told never to block. Returns -1 if
 * `fd` is neither, or may not be opened: another user's terminal, say. A terminal that this mount namespace has no
 * name for can still be opened below /dev/fd. */
static int output_reopen(int fd, mode_t type)
{
    char path[32];
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    const char *const names[] = { isatty(fd) ? ttyname(fd) : NULL, isatty(fd) || S_ISFIFO(type) ? path : NULL };
    int own = -1;
    for (size_t i = 0; own < 0 && i < COUNT(names); i++)
        own = names[i] ? open(names[i], O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC) : -1;
    if (own >= 0 && !(fcntl(own, F_GETFL) & O_NONBLOCK)) /* a mere duplicate, as BSD's /dev/fd has it */
        fd_close(&own);
    return own;
}

static void alarm_arrived(int number)
{
    (void)number; /* that a write was interrupted is all that is wanted */
}

/* From here on SIGALRM interrupts what waits. */
static void alarm_open(void)
{
    struct sigaction action = { .sa_handler = alarm_arrived }; /* without SA_RESTART */
    sigset_t alarm;
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &alarm, NULL);
}

/* Has SIGALRM come again and again, because the first one may arrive before the write has begun to wait; 0: no more. */
static void alarm_every(nanos span)
{
    struct timeval tick = { .tv_usec = (suseconds_t)(span / MICROSECOND) };
    setitimer(ITIMER_REAL, &(struct itimerval){ tick, tick }, NULL);
}

static void queue_open(struct queue *q, int fd)
{
    struct stat stat;
    mode_t type = fstat(fd, &stat) == 0 ? stat.st_mode : 0;
    int own = output_reopen(fd, type);
    const char *no_colour = getenv("NO_COLOR");
    q->fd = own >= 0 ? own : fd;
    q->socket = S_ISSOCK(type); /* a pipe to systemd's journal is one */
    q->waits = own < 0 && !q->socket && !S_ISREG(type);
    if (q->waits)
        alarm_open();
    q->colour = isatty(fd) && !(no_colour && *no_colour);
    q->start = q->end = 0;
}

static bool queue_waits(const struct queue *q)
{
    return q->end > q->start;
}

/* When to try again to write what a full disk has not taken. */
static nanos queue_retry(const struct queue *q)
{
    return queue_waits(q) && q->retry_at ? q->retry_at : NEVER;
}

static ssize_t queue_write(struct queue *q)
{
    size_t left = q->end - q->start, count = left < PIPE_BUF ? left : PIPE_BUF, lines = count;
    while (lines > 0 && q->data[q->start + lines - 1] != '\n')
        lines--;
    count = lines ? lines : count; /* whole lines: other processes may write into the same pipe */
    if (q->socket)
        return send(q->fd, q->data + q->start, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (!q->waits)
        return write(q->fd, q->data + q->start, count);
    alarm_every(WRITE_TICK);
    ssize_t n = write(q->fd, q->data + q->start, count);
    int why = errno;
    alarm_every(0);
    if (n < (ssize_t)count) /* interrupted: it had to wait */
        q->retry_at = clock_now() + (n > 0 ? WRITE_PAUSE : UNREAD_PAUSE);
    errno = why;
    return n;
}

static void queue_flush(struct queue *q)
{
    if (queue_waits(q) && q->retry_at && clock_now() < q->retry_at)
        return;
    q->retry_at = 0;
    nanos until = clock_now() + FLUSH_MAX;
    bool more = true;
    for (; more && queue_waits(q) && !q->retry_at && fd_ready(q->fd, POLLOUT); more = clock_now() < until) {
        ssize_t n = queue_write(q);
        if (n > 0) {
            q->start += (size_t)n;
            q->failed_since = 0;
        } else if (n == 0 || errno == EAGAIN)
            q->retry_at = clock_now() + WRITE_PAUSE; /* "writable", yet not for us */
        else if (errno == EPIPE || errno == EBADF) {
            q->dead = true; /* its reader has gone */
            q->start = q->end;
        } else if (errno != EINTR) {
            q->retry_at = clock_now() + SECOND; /* a full disk may be mended */
            q->failed_since = q->failed_since ? q->failed_since : clock_now();
        }
    }
    if (q->start == q->end)
        q->start = q->end = 0;
}

/* Throws away what a full disk does not take for so long; how much. */
static size_t queue_give_up(struct queue *q, nanos patience)
{
    size_t lost = q->end - q->start;
    if (!q->failed_since || clock_now() - q->failed_since < patience)
        return 0;
    q->start = q->end = 0;
    return lost;
}

/* Returns false if there is no room. */
static bool queue_add(struct queue *q, const struct text *t)
{
    if (q->dead)
        return true;
    if (t->length > queue_room(q))
        return false;
    if (t->length > sizeof q->data - q->end) {
        memmove(q->data, q->data + q->start, q->end - q->start);
        q->end -= q->start;
        q->start = 0;
    }
    memcpy(q->data + q->end, t->data, t->length);
    q->end += t->length;
    return true;
}

static void log_clock(struct log *l)
{
    struct text t = TEXT_IN(l->wall);
    text_wall(&t, clock_read(CLOCK_REALTIME), l->format != FORMAT_HUMAN);
}

/* What stands in front of a message; JSON and raw (key="value" pairs) differ in their punctuation only. */
static void entry_head(struct log *l, const struct queue *q, enum ballot_log_level level, struct text *t)
{
    bool human = l->format == FORMAT_HUMAN, json = l->format == FORMAT_JSON;
    text_string(t, human ? "" : json ? "{\"time\":\"" : "time=\"");
    text_string(t, l->wall);
    if (!human)
        text_format(t, json ? "\",\"level\":\"%s\",\"msg\":" : "\" level=\"%s\" msg=", level_names[level]);
    else if (q->colour)
        text_format(t, " \033[%sm%-5s \033[0m", level_colours[level], level_names[level]);
    else
        text_format(t, " %-5s ", level_names[level]);
}

static void entry_field(struct log *l, const char *name, size_t length, const char *value, size_t count,
                        struct text *t)
{
    text_format(t, l->format == FORMAT_JSON ? ",\"%.*s\":" : " %.*s=", (int)length, name);
    json_string(t, value, count);
}

/* `fields`: "event=..." and its values, each up to a tab. */
static void entry_tail(struct log *l, const char *name, const char *fields, struct text *t)
{
    for (const char *p = fields; *p; p += strcspn(p, "\t"), p += *p == '\t') {
        size_t n = strcspn(p, "=");
        entry_field(l, p, n, p + n + 1, strcspn(p + n + 1, "\t"), t);
    }
    const char *const keys[] = { "name", "hostname", "candidateId" };
    const char *const values[] = { name ? name : "ballot", l->host, l->id };
    for (size_t i = 0; i < COUNT(keys); i++)
        entry_field(l, keys[i], strlen(keys[i]), values[i], strlen(values[i]), t);
    text_string(t, l->format == FORMAT_JSON ? "}" : "");
}

/* Returns false if there is no room. */
static bool log_entry(struct log *l, struct queue *q, enum ballot_log_level level, const char *name,
                      const char *line, size_t length, const char *fields)
{
    struct text t = TEXT_IN(l->entry);
    entry_head(l, q, level, &t);
    if (l->format != FORMAT_HUMAN) {
        json_string(&t, line, length);
        entry_tail(l, name, fields, &t);
    } else {
        if (name)
            text_format(&t, "[%s] ", name);
        if (name && name != l->library.name)
            text_bytes(&t, line, length); /* the command may speak to its terminal */
        else
            text_visible(&t, line, length);
    }
    text_string(&t, "\n");
    return queue_add(q, &t);
}

static void log_dropped(struct log *l)
{
    char line[80];
    if (l->err->dropped == 0)
        return;
    int n = snprintf(line, sizeof line, "%lu lines of this log were dropped: its reader was too slow", l->err->dropped);
    if (log_entry(l, l->err, BALLOT_LOG_WARN, NULL, line, (size_t)n, ""))
        l->err->dropped = 0;
}

/* Has the type of ballot_config.log, for the library to speak through. */
static void log_message(void *log, enum ballot_log_level level, int where, const char *message)
{
    struct log *l = log;
    char line[1200];
    if (level < l->level)
        return;
    struct text t = TEXT_IN(line);
    const char *event = strstr(message, EVENT);
    text_bytes(&t, message, event ? (size_t)(event - message) : strlen(message));
    if (l->debug)
        text_format(&t, " (ballot.c:%d)", where);
    log_clock(l);
    log_dropped(l);
    if (l->err->dropped || !log_entry(l, l->err, level, NULL, t.data, t.length, event ? event + 1 : ""))
        l->err->dropped++;
    queue_flush(l->err);
}

static void __attribute__((format(printf, 4, 5)))
log_say(struct log *l, enum ballot_log_level level, int where, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    log_message(l, level, where, line);
}

#define LOG(l, level, ...) log_say(l, BALLOT_LOG_##level, __LINE__, __VA_ARGS__)

static bool stream_wants(const struct stream *s)
{
    return s->fd >= 0 && (s->queue->dead || queue_room(s->queue) > ENTRY_MAX);
}

/* The length of what is whole: less the beginning of a character in the last bytes. */
static size_t utf8_cut(const char *bytes, size_t count)
{
    for (size_t k = 1; k < 4; k++)
        if ((unsigned char)bytes[count - k] >= 0x100 - (0x80 >> k)) /* it begins one of more than k bytes */
            return count - k;
    return count;
}

/* Logs the complete lines; at the end, or when the buffer is full, the rest too. */
static void stream_lines(struct stream *s, struct log *l, bool all)
{
    size_t start = 0;
    while (start < s->length && stream_wants(s)) {
        size_t left = s->length - start;
        const char *newline = memchr(s->data + start, '\n', left);
        bool full = left == sizeof s->data;
        if (!newline && !all && !full)
            break;
        size_t n = newline ? (size_t)(newline - (s->data + start)) : full ? utf8_cut(s->data, left) : left;
        if (s->level >= l->level)
            log_entry(l, s->queue, s->level, s->name, s->data + start, n, "");
        start += n + (newline != NULL);
    }
    memmove(s->data, s->data + start, s->length - start);
    s->length -= start;
}

/* A few reads at a time: a command that never pauses must not keep the election waiting. */
static void stream_read(struct stream *s, struct log *l)
{
    for (int reads = 8; reads > 0 && stream_wants(s); reads--) {
        size_t room = sizeof s->data - s->length;
        ssize_t n = room ? read(s->fd, s->data + s->length, room) : -1;
        if (n < 0 && errno == EINTR && room)
            continue;
        bool end = room && (n == 0 || (n < 0 && (errno != EAGAIN || s->last)));
        s->length += n > 0 ? (size_t)n : 0;
        log_clock(l);
        stream_lines(s, l, end);
        if (end && s->length == 0)
            fd_close(&s->fd);
        if (n <= 0)
            break;
    }
    queue_flush(s->queue);
}

/* The client library writes its log to a stdio stream, and only while it is
 * called: a pipe that we read behind each call makes log lines of it. */
static void log_library_open(struct log *l)
{
    int ends[2];
    zoo_set_debug_level(l->debug ? ZOO_LOG_LEVEL_INFO : ZOO_LOG_LEVEL_ERROR);
    if (!l->debug || !fd_pipe(ends))
        return;
    for (int i = 0; i < 2; i++)
        fcntl(ends[i], F_SETFL, O_NONBLOCK);
    FILE *in = fdopen(ends[1], "w");
    l->library = (struct stream){ .fd = ends[0], .name = "zookeeper", .level = BALLOT_LOG_INFO, .queue = l->err };
    if (!in)
        return;
    setvbuf(in, NULL, _IOLBF, 0);
    zoo_set_log_stream(in);
}

/* What the client library has said, and all that can be written now. */
static void log_turn(struct log *l)
{
    if (l->library.fd >= 0)
        stream_read(&l->library, l);
    queue_flush(&l->out);
    queue_flush(l->err);
}

/* In two queues the lines for one file would tear each other: a write ends where there is no more room. */
static void log_outputs_open(struct log *l)
{
    struct stat out, err;
    bool both = fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0;
    l->err = both && out.st_dev == err.st_dev && out.st_ino == err.st_ino ? &l->out : &l->own_err;
    queue_open(&l->out, STDOUT_FILENO);
    if (l->err != &l->out)
        queue_open(l->err, STDERR_FILENO);
}

static struct log *log_open(const struct settings *s)
{
    struct log *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->level = (enum ballot_log_level)setting_number(s, SET_LOG_LEVEL);
    l->format = (enum log_format)setting_number(s, SET_LOG_FORMAT);
    l->debug = setting_number(s, SET_DEBUG);
    l->id = setting_text(s, SET_CANDIDATE_ID) ? setting_text(s, SET_CANDIDATE_ID) : "";
    l->library.fd = -1;
    log_outputs_open(l);
    gethostname(l->host, sizeof l->host - 1);
    log_library_open(l);
    return l;
}

/* All zero. NULL: there is none, and that is said. */
static void *memory_new(struct log *l, size_t size)
{
    void *memory = calloc(1, size);
    if (!memory)
        LOG(l, FATAL, "out of memory");
    return memory;
}

/* What the settings tell the library. Its strings are theirs. */
static struct ballot_config settings_config(const struct settings *s, struct log *log)
{
    return (struct ballot_config){
        .servers = setting_text(s, SET_SERVERS),
        .base_path = setting_text(s, SET_BASE_PATH),
        .candidate_id = setting_text(s, SET_CANDIDATE_ID),
        .timeout_ms = (int)(setting_number(s, SET_SESSION_TIMEOUT) / MILLISECOND),
        .mode = setting_number(s, SET_ON_DISCONNECT) == DISCONNECT_STOP ? BALLOT_STOP : BALLOT_KEEP,
        .auth = setting_text(s, SET_AUTH),
        .log = log_message,
        .log_data = log,
        .library_log = setting_number(s, SET_DEBUG),
    };
}

/* ---------------------------------------------------------------------------
 * Signals: the pipe that they arrive through
 * ------------------------------------------------------------------------ */

#define SIGNAL_KEPT 31 /* those that have names; we handle no others */

static int signal_pipe[2] = { -1, -1 }; /* the one thing global: a handler has no argument */

static void signal_arrived(int number)
{
    int saved = errno;
    unsigned char byte = (unsigned char)number;
    if (write(signal_pipe[1], &byte, 1) < 0) {
        /* full: poll() will wake all the same */
    }
    errno = saved;
}

static void signal_handle(int number, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART | SA_NOCLDSTOP };
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static void signals_unblock(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* From here on the signals in `caught` arrive through the pipe; those in `ignored`
 * do not arrive. Both lists end with 0. */
static bool signals_open(const int *caught, const int *ignored)
{
    if (!fd_pipe(signal_pipe))
        return false;
    for (int i = 0; i < 2; i++)
        fcntl(signal_pipe[i], F_SETFL, O_NONBLOCK);
    for (; *ignored; ignored++)
        signal_handle(*ignored, SIG_IGN);
    struct sigaction hup;
    sigaction(SIGHUP, NULL, &hup);
    for (; *caught; caught++)
        if (*caught != SIGHUP || hup.sa_handler != SIG_IGN) /* nohup */
            signal_handle(*caught, signal_arrived);
    signals_unblock();
    return true;
}

/* As fork(), but the child begins with all signals blocked: none is lost, or
 * taken for the parent's, before the child has made its own arrangements. */
static pid_t signals_fork(void)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    int why = errno;
    if (pid != 0)
        sigprocmask(SIG_SETMASK, &before, NULL);
    errno = why;
    return pid;
}

/* The dispositions and the mask that a program expects at its start. */
static void signals_default(void)
{
    for (int number = 1; number <= SIGNAL_LAST; number++)
        if (number != SIGKILL && number != SIGSTOP)
            signal_handle(number, SIG_DFL);
    signals_unblock();
}

/* Takes one signal off the pipe; 0: there is none. */
static int signals_next(void)
{
    unsigned char byte;
    return read(signal_pipe[0], &byte, 1) == 1 ? byte : 0;
}

/* ---------------------------------------------------------------------------
 * Subtree: the descendants of a process: finding, ending, reaping them
 *
 * On Linux a subreaper inherits every orphan below it, so that no process that a command started can escape; `no child
 * is left` then means that all of them are dead. Elsewhere a process group is all that can be seen.
 * ------------------------------------------------------------------------ */

#ifdef __linux__
static int process_control(int option, unsigned long value)
{
    return prctl(option, value, 0, 0, 0);
}
#else
enum { PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_GET_DUMPABLE };

static int process_control(int option, unsigned long value)
{
    (void)option, (void)value;
    errno = ENOSYS;
    return -1;
}
#endif

static bool process_adopt_orphans(void)
{
    return process_control(PR_SET_CHILD_SUBREAPER, 1) == 0;
}

static void fd_close_both(int ends[2])
{
    fd_close(&ends[0]);
    fd_close(&ends[1]);
}

/* What we change of a process, as the program that calls ballot_main() has set it up. */
struct process_kept {
    int dumpable, adopts;
    struct sigaction actions[SIGNAL_KEPT + 1];
    sigset_t blocked;
};

static void process_keep(struct process_kept *k)
{
    k->adopts = 0;
    k->dumpable = process_control(PR_GET_DUMPABLE, 0);
    process_control(PR_GET_CHILD_SUBREAPER, (unsigned long)(uintptr_t)&k->adopts);
    for (int number = 1; number <= SIGNAL_KEPT; number++)
        sigaction(number, NULL, &k->actions[number]);
    sigprocmask(SIG_SETMASK, NULL, &k->blocked);
}

static void process_restore(const struct process_kept *k)
{
    for (int number = 1; number <= SIGNAL_KEPT; number++)
        sigaction(number, &k->actions[number], NULL);
    sigprocmask(SIG_SETMASK, &k->blocked, NULL);
    fd_close_both(signal_pipe);
    process_control(PR_SET_DUMPABLE, (unsigned long)k->dumpable);
    process_control(PR_SET_CHILD_SUBREAPER, (unsigned long)k->adopts);
}

#if defined __linux__ && defined SYS_pidfd_open && defined SYS_pidfd_send_signal
long syscall(long number, ...); /* <unistd.h> hides it from a program that asks for POSIX alone */

/* A descriptor that refers to this process even after its pid has been reused; -1: none. */
static int process_open(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int process_signal(int fd, int number)
{
    return (int)syscall(SYS_pidfd_send_signal, fd, number, NULL, 0);
}
#else
static int process_open(pid_t pid) { return (void)pid, -1; }
static int process_signal(int fd, int number) { return (void)fd, (void)number, -1; }
#endif

/* A process of our subtree. A pid is used again, a pid with its start time is not. */
struct descendant {
    pid_t pid, parent, group;
    unsigned long long start; /* in ticks since boot */
};

struct subtree {
    struct descendant *all; /* parents before their children */
    size_t count, room;
    bool complete;   /* false: /proc is of no use, or memory or descriptors were short */
};

/* Children of the candidate that no guard started: they are neither ended nor waited
 * for. Their pids stay theirs until we reap them. */
struct spared {
    pid_t *pids;
    size_t count;
    pid_t resolver; /* 0, or the client's child, which ends by itself */
};

/* Reads /proc/PID/stat: "PID (NAME) STATE PARENT GROUP ..."; see proc(5). NAME
 * may hold anything, so the last parenthesis counts. */
static bool descendant_read(pid_t pid, struct descendant *d)
{
    char path[64], stat[512];
    *d = (struct descendant){ .pid = pid }; /* which is all that is known where /proc hides it */
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, stat, sizeof stat - 1);
    close(fd);
    stat[n > 0 ? n : 0] = '\0';
    const char *rest = strrchr(stat, ')');
    return rest && sscanf(rest + 1, " %*c %d %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                          &d->parent, &d->group, &d->start) == 3;
}

/* Whether /proc is there and shows the PID namespace that we live in. */
static bool proc_usable(void)
{
    char self[32];
    ssize_t n = readlink("/proc/self", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    return atoi(self) == (int)getpid();
}

static bool spared_has(const struct spared *s, pid_t pid)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->pids[i] == pid)
            return true;
    return pid == s->resolver;
}

static void spared_remove(struct spared *s, pid_t pid)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->pids[i] == pid)
            s->pids[i--] = s->pids[--s->count];
}

static void subtree_add(struct subtree *t, const struct descendant *d)
{
    if (t->count == t->room) {
        size_t room = 2 * t->room + 64;
        struct descendant *larger = realloc(t->all, room * sizeof *larger);
        t->complete = t->complete && larger;
        if (!larger)
            return;
        t->all = larger;
        t->room = room;
    }
    t->all[t->count++] = *d;
}

/* Adds the children of one thread. A child of our own counts even if /proc hides it (hidepid). */
static void subtree_read_thread(struct subtree *t, pid_t parent, const char *thread, const struct spared *spared)
{
    char path[64];
    int pid;
    snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", (int)parent, thread);
    FILE *list = fopen(path, "r");
    bool own = parent == getpid();
    t->complete = t->complete && (list || !own);
    while (list && fscanf(list, "%d", &pid) == 1) {
        struct descendant d;
        if (spared_has(spared, pid))
            continue;
        if (descendant_read(pid, &d) ? d.parent == parent : own) {
            d.parent = parent;
            d.group = d.group ? d.group : getpgid(pid);
            subtree_add(t, &d);
        }
    }
    if (list)
        fclose(list);
}

/* Adds the children of a descendant; none if its pid is another process's by now. */
static void subtree_read_children(struct subtree *t, const struct descendant *parent, const struct spared *spared)
{
    char path[64];
    size_t before = t->count;
    struct descendant again, expected = *parent; /* t->all may move */
    snprintf(path, sizeof path, "/proc/%d/task", (int)expected.pid);
    DIR *threads = opendir(path);
    t->complete = t->complete && (threads || expected.pid != getpid());
    for (struct dirent *entry; threads && (entry = readdir(threads));)
        if (isdigit((unsigned char)entry->d_name[0]))
            subtree_read_thread(t, expected.pid, entry->d_name, spared);
    if (threads)
        closedir(threads);
    if (t->count > before && expected.start &&
        (!descendant_read(expected.pid, &again) || again.start != expected.start))
        t->count = before;
}

/* All processes: for kernels that list no children. */
static struct subtree subtree_scan(void)
{
    struct subtree all = { .complete = true };
    struct descendant d;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && (entry = readdir(proc));)
        if (isdigit((unsigned char)entry->d_name[0]) && descendant_read((pid_t)atoi(entry->d_name), &d))
            subtree_add(&all, &d);
    if (proc)
        closedir(proc);
    all.complete = all.complete && all.count; /* we ourselves are among them */
    return all;
}

/* Adds the children of `parent` from it. */
static void subtree_pick(struct subtree *t, const struct subtree *all, pid_t parent, const struct spared *spared)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->all[i].parent == parent && !spared_has(spared, all->all[i].pid))
            subtree_add(t, &all->all[i]);
}

/* What descends from this process, without the spared and their descendants; or its
 * children alone. The caller frees `all`. */
static struct subtree subtree_read(const struct spared *spared, bool children_only)
{
    char path[64];
    struct descendant self = { .pid = getpid() };
    struct subtree t = { .complete = proc_usable() }, all = { .complete = true };
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)self.pid, (int)self.pid);
    bool listed = access(path, R_OK) == 0;
    if (t.complete && !listed)
        all = subtree_scan();
    for (size_t i = 0; t.complete && i <= (children_only ? 0 : t.count); i++) {
        const struct descendant *parent = i ? &t.all[i - 1] : &self;
        if (listed)
            subtree_read_children(&t, parent, spared);
        else
            subtree_pick(&t, &all, parent->pid, spared);
    }
    t.complete = t.complete && all.complete;
    free(all.all);
    return t;
}

/* Adds the children that no guard has started: those that are there before the first guard, and later, as long as the
 * guard lives and adopts its own orphans, those that dead spared ones left to us. */
static void spared_add_children(struct spared *s, pid_t guard)
{
    struct subtree t = subtree_read(s, true);
    pid_t *larger = t.count ? realloc(s->pids, (s->count + t.count) * sizeof *larger) : NULL;
    if (larger)
        s->pids = larger;
    if (larger && (guard == 0 || child_state(guard) == CHILD_ALIVE))
        for (size_t i = 0; i < t.count; i++)
            if (t.all[i].pid != guard)
                s->pids[s->count++] = t.all[i].pid;
    free(t.all);
}

/* Signals a whole group at once, which leaves it no time to fork. Returns false unless a
 * child of ours is in it that has not been reaped: else its number may be another group's. */
static bool group_signal(pid_t group, int number)
{
    siginfo_t seen;
    return group > 0 && waitid(P_PGID, (id_t)group, &seen, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           kill(-group, number) == 0;
}

/* Returns 0, or errno. A child's pid stays its own until we reap it; any other process is
 * compared again once a descriptor holds it, or just before the kill() where there is none. */
static int descendant_signal(const struct descendant *d, int number)
{
    struct descendant again;
    if (d->parent == getpid())
        return kill(d->pid, number) == 0 ? 0 : errno;
    int fd = process_open(d->pid), rc = 0;
    if (descendant_read(d->pid, &again) && again.start == d->start)
        rc = fd >= 0 ? process_signal(fd, number) : kill(d->pid, number);
    int why = rc == 0 ? 0 : errno;
    fd_close(&fd);
    return why;
}

/* Two subtrees with the same sum count as the same. */
static uint64_t descendant_sum(const struct descendant *d)
{
    return (uint64_t)d->pid * 1000003 + d->start;
}

/* As subtree_read(), but repeated until it stays the same: a process that dies meanwhile
 * leaves its children to us unseen. One that keeps forking is not waited for. */
static struct subtree subtree_read_settled(const struct spared *spared)
{
    struct subtree t = { .count = 0 };
    uint64_t before = 0, sum = 1;
    for (int reads = 0; reads < 6 && sum != before; reads++) {
        free(t.all);
        t = subtree_read(spared, false);
        before = sum;
        sum = 0;
        for (size_t i = 0; i < t.count; i++)
            sum += descendant_sum(&t.all[i]);
    }
    return t;
}

/* Asks all that descends from this process to end; a stopped process receives a signal
 * only when it is continued. */
static void subtree_stop(int number, pid_t group, const struct spared *spared)
{
    const int numbers[] = { number, SIGCONT };
    struct subtree t = subtree_read_settled(spared); /* first: what they start to clean up is not to be stopped */
    for (size_t n = 0; n < COUNT(numbers); n++) {
        pid_t done = group_signal(group, numbers[n]) ? group : 0;
        for (size_t i = 0; i < t.count; i++)
            if (done == 0 || t.all[i].group != done)
                descendant_signal(&t.all[i], numbers[n]);
    }
    free(t.all);
}

/* What SIGKILL has not ended yet. */
struct ending {
    uint64_t killed; /* stands for the processes that took the last SIGKILL       */
    nanos since;     /* since when it is the same ones                            */
    nanos due;       /* the next try                                              */
    pid_t named;     /* the first that was left when that was logged; -1: unseen  */
};

static void ending_say(const struct subtree *t, int why, struct log *log)
{
    char buffer[256];
    struct text pids = TEXT_IN(buffer);
    for (size_t i = 0; i < t->count; i++)
        text_format(&pids, " %d", (int)t->all[i].pid);
    if (t->count)
        LOG(log, ERROR, "cannot end pid%s, which the command has left behind: %s; waiting for its end, "
            "trying again every second", pids.data, why ? strerror(why) : "SIGKILL has no effect");
    else
        LOG(log, ERROR, "what the command has left behind does not end, and is not to be found in /proc; "
            "waiting for its end");
}

/* Kills all that descends from this process. What is left after a second of tries
 * is named, and tried again every second: a process of another user, say. */
static void subtree_kill(struct ending *e, pid_t group, const struct spared *spared, struct log *log)
{
    nanos now = clock_now();
    pid_t done = group_signal(group, SIGKILL) ? group : 0;
    struct subtree t = subtree_read(spared, false);
    int why = 0;
    uint64_t killed = 1;
    for (size_t i = 0; i < t.count; i++) {
        int error = done && t.all[i].group == done ? 0 : descendant_signal(&t.all[i], SIGKILL);
        why = error && error != ESRCH ? error : why;
        killed += error ? 0 : descendant_sum(&t.all[i]);
    }
    e->since = killed == e->killed ? e->since : now;
    e->killed = killed;
    bool stuck = now - e->since >= SECOND;
    pid_t first = t.count ? t.all[0].pid : -1;
    if (stuck && first != e->named) {
        ending_say(&t, why, log);
        e->named = first;
    }
    e->due = now + (stuck ? SECOND : 5 * MILLISECOND);
    free(t.all);
}

/* Reaps dead children, as PID 1 inherits some of all processes; but for guard and resolver,
 * which others reap. Returns whether there were any. */
static bool spared_reap(struct spared *s, pid_t guard)
{
    bool any = false;
    siginfo_t dead = { .si_pid = 0 };
    while (waitid(P_ALL, 0, &dead, WEXITED | WNOHANG | WNOWAIT) == 0 && dead.si_pid != 0 &&
           dead.si_pid != guard && dead.si_pid != s->resolver) {
        waitpid(dead.si_pid, NULL, 0);
        spared_remove(s, dead.si_pid);
        dead.si_pid = 0;
        any = true;
    }
    return any;
}

/* Returns whether any child is left, without the spared. */
static bool subtree_left(const struct spared *spared)
{
    if (spared->count == 0 && spared->resolver == 0)
        return true;
    struct subtree t = subtree_read(spared, true);
    free(t.all);
    return t.count || !t.complete;
}

/* Reaps what is dead. The status of `watched` goes to *status, and *ended is
 * set. Returns whether any child is left but the spared. */
static bool subtree_reap(pid_t watched, int *status, bool *ended, struct spared *spared)
{
    for (;;) {
        int any;
        pid_t pid = waitpid(-1, &any, WNOHANG);
        if (pid == 0)
            return subtree_left(spared);
        if (pid < 0 && errno != EINTR)
            return false;
        spared_remove(spared, pid);
        if (pid == watched && pid > 0) {
            *status = any;
            *ended = true;
        }
    }
}

/* Warns at the start of what will not be found and ended: nothing shows it later. */
static void subtree_warn(bool adopts, struct log *log)
{
    int why = errno;
    if (!adopts)
        LOG(log, WARN, "orphans cannot be adopted (%s): "
            "of what the command starts only its process group is sure to be ended", strerror(why));
    if (!proc_usable())
        LOG(log, WARN, "/proc is not mounted, or shows another PID namespace: "
            "what leaves the command's process group cannot be found; ballot waits until it has ended");
    else if (access("/proc/1/stat", R_OK) != 0)
        LOG(log, WARN, "/proc hides other users' processes (hidepid): "
            "of what the command starts under another user, some may not be found; ballot waits until it has ended");
}

/* ---------------------------------------------------------------------------
 * Guard: the process that owns the command; its last will
 *
 * The candidate decides, the guard acts: it forks the command, watches, ends
 * and reaps it. They exchange messages over one socket pair. The guard acts
 * unasked in two cases: before the lease runs out (on-disconnect=stop; the
 * candidate may be frozen), and when the candidate is gone (killed, say).
 * ------------------------------------------------------------------------ */

/* What both processes know from the start on. */
struct plan {
    char **command;     /* argv of the command, NULL terminated        */
    struct ballot_config config;
    bool stop;          /* on-disconnect=stop                          */
    bool wrap;          /* the command writes into pipes of ours       */
    nanos stop_timeout; /* from SIGTERM to SIGKILL                     */
    struct log *log;
};

/* Until when a command may be started under a lease. Without leadership (run-anyway) there is none. */
static nanos start_deadline(const struct ballot_lease *l, bool stop)
{
    return lease_moment(l, stop ? PART_STOP_TERM : PART_LEASE);
}

/* Why the command could not be executed. */
struct exec_failure {
    bool no_input; /* /dev/null could not be opened */
    int error;     /* errno; 0: it was executed     */
};

enum message_kind {
    /* candidate to guard */
    MESSAGE_START,        /* lease, token, text: our proposal; with two descriptors where the plan wraps */
    MESSAGE_LEASE,        /* lease: a later one                                            */
    MESSAGE_STOP,         /* number: the first signal; span: from that to SIGKILL          */
    MESSAGE_SIGNAL,       /* number: to be forwarded                                       */
    MESSAGE_SESSION,      /* session, password, span: its timeout, text: the servers' addresses */
    MESSAGE_GOODBYE,      /* an orderly end follows: no last will                          */
    /* guard to candidate */
    MESSAGE_ACKNOWLEDGED, /* a LEASE has been read; STARTED or ENDED answers a START       */
    MESSAGE_STARTED,      /* number: the pid                                               */
    MESSAGE_REAPED,       /* as ENDED, which follows once all that the command left is dead */
    MESSAGE_ENDED,        /* number: status as of waitpid(), failure: of the exec, ours: the guard
                             ended it or did not start it; all that it started is dead and reaped */
};

struct message {
    enum message_kind kind;
    int number;
    struct exec_failure failure;
    bool ours;
    nanos span;
    struct ballot_lease lease;
    int64_t token;
    int64_t scheduled; /* the activation; BALLOT_NEVER: none                  */
    int32_t offset;    /* of its time zone then                               */
    int64_t session;
    char password[16];
    char text[ADDRESSES_MAX]; /* last: only what is used is sent */
};

union control { struct cmsghdr align; char space[CMSG_SPACE(2 * sizeof(int))]; };

/* Returns false if the pair is full or closed. `passed`: two descriptors, or NULL. */
static bool message_send(int pair, const struct message *message, const int *passed)
{
    union control control;
    struct iovec part = { (void *)(uintptr_t)message, offsetof(struct message, text) + strlen(message->text) + 1 };
    struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
    if (passed) {
        memset(&control, 0, sizeof control);
        header.msg_control = &control;
        header.msg_controllen = sizeof control.space;
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(2 * sizeof(int));
        memcpy(CMSG_DATA(c), passed, 2 * sizeof(int));
    }
    return sendmsg(pair, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

enum { RECEIVED_MESSAGE, RECEIVED_NOTHING, RECEIVED_END };

/* Takes two descriptors out of what has come, if they are in it. If there was no room for both, the one that came is
 * closed. */
static void message_descriptors(struct msghdr *header, int passed[2])
{
    struct cmsghdr *c = CMSG_FIRSTHDR(header);
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len <= CMSG_LEN(0))
        return;
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(passed, CMSG_DATA(c), (count > 2 ? 2 : count) * sizeof(int));
    fd_private(passed[0]);
    fd_private(passed[1]);
    if (count != 2 || header->msg_flags & MSG_CTRUNC)
        fd_close_both(passed);
}

/* `passed` gets two descriptors, or -1 and -1. A message that is not whole counts as the end
 * of the pair: its sender cannot be understood. */
static int message_receive(int pair, struct message *message, int passed[2])
{
    union control control;
    struct iovec part = { message, sizeof *message };
    struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1,
                              .msg_control = &control, .msg_controllen = sizeof control.space };
    ssize_t n;
    passed[0] = passed[1] = -1;
    do /* RESET, once: it left something unread. What it said follows */
        n = recvmsg(pair, &header, MSG_DONTWAIT);
    while (n < 0 && (errno == EINTR || errno == ECONNRESET));
    if (n < 0)
        return errno == EAGAIN ? RECEIVED_NOTHING : RECEIVED_END;
    message_descriptors(&header, passed);
    bool whole = (size_t)n > offsetof(struct message, text) && !(header.msg_flags & MSG_TRUNC);
    if (whole && ((char *)message)[n - 1] == '\0')
        return RECEIVED_MESSAGE;
    fd_close_both(passed);
    return RECEIVED_END;
}

struct guard {
    const struct plan *plan;
    pid_t candidate;
    int pair;
    bool alone;           /* the candidate has closed the pair                  */
    bool goodbye;
    struct message session; /* the last MESSAGE_SESSION; session.kind says if any */
    struct ballot_lease lease;
    struct message start; /* the MESSAGE_START that is to be carried out        */
    bool start_due;
    int outputs[2];       /* for the command's stdout and stderr; -1: our own   */
    pid_t command;        /* 0: none                                            */
    int exec_error;       /* descriptor: an exec_failure comes out of it, or nothing */
    struct exec_failure failure;
    bool reaped;          /* the command's first process is; what it left may live */
    int status;
    bool ours;            /* the guard ended it, or did not start it            */
    bool stop_asked;
    int stop_signal;
    nanos grace;          /* from the first signal to SIGKILL                   */
    nanos stopping_since; /* 0: not stopping                                    */
    bool adopts;          /* orphans become our children                        */
    struct ending ending; /* by SIGKILL                                         */
    struct spared none;   /* a guard has none                                   */
};

/* NULL: not this one; an outer ballot may have set it. */
static void command_export(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

/* In the child: becomes the command, or writes into `error` why not. */
static void __attribute__((noreturn)) command_exec(const struct guard *g, pid_t guard, int error)
{
    const struct message *start = &g->start;
    char **argv = g->plan->command;
    process_control(PR_SET_PDEATHSIG, SIGKILL); /* the kernel sends it when our parent dies */
    if (getppid() != guard)
        _exit(EXIT_BALLOT);
    setpgid(0, 0);
    signals_default();
    int null = open("/dev/null", O_RDONLY);
    struct exec_failure failure = { .no_input = null < 0, .error = errno };
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    fd_private(null);
    for (int i = 0; i < 2; i++)
        if (g->outputs[i] >= 0)
            dup2(g->outputs[i], STDOUT_FILENO + i);
    char token[24];
    snprintf(token, sizeof token, "%" PRId64, start->token);
    const struct short_text activation = moment_string(start->scheduled, start->offset);
    command_export("BALLOT_SCHEDULED_TIME", start->scheduled != BALLOT_NEVER ? activation.data : NULL);
    command_export("BALLOT_LEADER_ID", g->plan->config.candidate_id);
    command_export("BALLOT_LEADER_NODE", start->token ? start->text : NULL);
    command_export("BALLOT_FENCING_TOKEN", start->token ? token : NULL);
    if (!failure.no_input) {
        execvp(argv[0], argv);
        failure.error = errno;
    }
    ssize_t n = write(error, &failure, sizeof failure);
    _exit(n < 0 ? EXIT_BALLOT : failure.error == ENOENT && !failure.no_input ? EXIT_NOT_FOUND : EXIT_CANNOT_EXEC);
}

static void guard_report(struct guard *g, enum message_kind kind, int number)
{
    struct message message = { .kind = kind, .number = number, .failure = g->failure, .ours = g->ours };
    message_send(g->pair, &message, NULL); /* a candidate that cannot read has closed the pair, or kills us soon */
}

/* The command could not be started. */
static void guard_fail(struct guard *g, int error)
{
    g->failure = (struct exec_failure){ .error = error };
    g->ours = false;
    guard_report(g, MESSAGE_ENDED, EXIT_CANNOT_EXEC << 8);
}

/* Starts the command, unless it is too late for that, or the candidate no longer wants it. */
static void guard_start(struct guard *g)
{
    int ends[2];
    g->start_due = false;
    g->ours = true;
    g->failure.error = 0;
    if (g->stop_asked || g->alone || clock_now() >= start_deadline(&g->lease, g->plan->stop)) {
        guard_report(g, MESSAGE_ENDED, 0);
        return;
    }
    if (g->plan->wrap && g->outputs[0] < 0) {
        guard_fail(g, EMFILE); /* the pipes did not come with it, for want of descriptors */
        return;
    }
    pid_t self = getpid();
    g->command = fd_pipe(ends) ? signals_fork() : -1;
    if (g->command == 0)
        command_exec(g, self, ends[1]);
    int why = errno;
    fd_close(&ends[1]);
    g->ours = g->reaped = false;
    g->stopping_since = 0;
    g->ending = (struct ending){ .due = 0 };
    g->exec_error = ends[0];
    if (g->command < 0) {
        fd_close(&g->exec_error);
        g->command = 0;
        guard_fail(g, why);
        return;
    }
    setpgid(g->command, g->command); /* here too: it may be signalled before it got there */
    guard_report(g, MESSAGE_STARTED, (int)g->command);
}

/* Descriptors that are `passed` are kept with a START alone. */
static void guard_obey(struct guard *g, const struct message *message, int passed[2])
{
    if (message->kind != MESSAGE_START)
        fd_close_both(passed);
    switch (message->kind) {
    case MESSAGE_START:
        g->start = *message;
        g->start_due = true;
        g->stop_asked = false;
        g->stop_signal = SIGTERM;
        g->grace = g->plan->stop_timeout;
        g->lease = message->lease;
        fd_close_both(g->outputs);
        memcpy(g->outputs, passed, sizeof g->outputs);
        break;
    case MESSAGE_LEASE:
        g->lease = message->lease;
        guard_report(g, MESSAGE_ACKNOWLEDGED, 0);
        break;
    case MESSAGE_STOP:
        g->stop_asked = true;
        g->stop_signal = message->number;
        g->grace = message->span;
        break;
    case MESSAGE_SIGNAL:
        if (g->command && !g->reaped)
            kill(-g->command, message->number);
        break;
    case MESSAGE_SESSION: g->session = *message; break;
    case MESSAGE_GOODBYE: g->goodbye = true; break;
    default: break; /* the guard's own */
    }
}

static void guard_receive(struct guard *g)
{
    struct message message = { .text = "" };
    int passed[2], got = RECEIVED_MESSAGE;
    while (!g->alone && (got = message_receive(g->pair, &message, passed)) == RECEIVED_MESSAGE)
        guard_obey(g, &message, passed);
    if (got == RECEIVED_END && !g->alone) {
        g->alone = true;
        fd_close(&g->pair); /* so that a candidate that is alive notices, and replaces this guard */
        g->grace = g->plan->stop_timeout;
        if (!g->goodbye)
            LOG(g->plan->log, ERROR, "the candidate process has died; its guard ends %s and hands on what it held",
                g->command ? "the command" : "its membership");
    }
}

/* 0: at once; NEVER: not yet. */
static nanos guard_stop_time(const struct guard *g)
{
    if (g->stopping_since || g->stop_asked || g->alone || g->reaped)
        return 0;
    return g->plan->stop ? lease_moment(&g->lease, PART_STOP_TERM) : NEVER;
}

static nanos guard_kill_time(const struct guard *g)
{
    nanos when = g->stopping_since + g->grace;
    if (g->plan->stop)
        when = nanos_min(when, lease_moment(&g->lease, PART_STOP_KILL));
    if (g->alone)
        when = nanos_min(when, lease_moment(&g->lease, PART_LEASE));
    return nanos_max(when, g->ending.due);
}

/* Ends the command when it must end; harmless at any time. */
static void guard_enforce(struct guard *g, nanos now)
{
    if (!g->command || now < guard_stop_time(g))
        return;
    g->ours = g->ours || !g->reaped;
    if (!g->stopping_since) {
        g->stopping_since = now;
        subtree_stop(g->stop_asked ? g->stop_signal : SIGTERM, g->command, &g->none);
    }
    if (now >= guard_kill_time(g))
        subtree_kill(&g->ending, g->command, &g->none, g->plan->log);
}

/* Reaps; when all of the command is dead, tells how its first process ended. */
static void guard_reap(struct guard *g)
{
    if (g->command && !g->adopts && !g->reaped && child_state(g->command) == CHILD_DEAD)
        kill(-g->command, SIGKILL); /* once it is reaped, nothing shows what is left of its group */
    bool ran = !g->reaped, left = subtree_reap(g->command, &g->status, &g->reaped, &g->none);
    if (!g->command || !g->reaped)
        return;
    if (left) {
        if (ran)
            guard_report(g, MESSAGE_REAPED, g->status);
        return;
    }
    if (read(g->exec_error, &g->failure, sizeof g->failure) != sizeof g->failure)
        g->failure.error = 0; /* end of file: the exec succeeded */
    fd_close(&g->exec_error);
    guard_report(g, MESSAGE_ENDED, g->status);
    g->command = 0;
    g->stop_asked = false;
}

static nanos guard_wake(const struct guard *g, nanos now)
{
    if (!g->command)
        return NEVER;
    if (g->stopping_since)
        return guard_kill_time(g);
    return nanos_min(guard_stop_time(g), g->plan->stop ? now + SECOND : NEVER);
}

/* --- the last will: resign in the name of a candidate that died ------------------- */

enum will_step { WILL_SYNC, WILL_READ, WILL_OWNER, WILL_RESIGN, WILL_ATTACH, WILL_CLOSE };

struct will {
    struct ballot_config config;
    struct client client;
    enum will_step step;        /* the last                                             */
    bool answered;              /* that step has its answer                             */
    int rc, refusals;
    int32_t version;            /* of the base                                          */
    bool unrecorded;            /* it says so: it is not emptied, as the next leader must know */
    int64_t candidate, owner;   /* sessions: the dead candidate's; of the proposal that the base names */
    char named[NODE_MAX];       /* that proposal                                        */
};

static void will_event(void *owner, int type, const char *path)
{
    (void)owner;
    (void)type;
    (void)path;
}

static void will_learn(void *owner, const struct reply *reply)
{
    struct will *w = owner;
    if (reply->request != (int)w->step)
        return; /* of a sync, or of a step that is asked again since contact was lost */
    w->answered = true;
    w->rc = reply->rc;
    if (reply->request == WILL_READ) {
        w->version = reply->stat->version;
        w->unrecorded = json_has(reply->data, reply->length, "unrecorded");
        leader_named(w->named, sizeof w->named, w->config.base_path, reply->data, reply->length);
    } else if (reply->request == WILL_OWNER)
        w->owner = reply->stat->ephemeralOwner;
    else
        w->refusals += reply->rc != ZOK;
}

static void will_ask(struct will *w)
{
    struct client *c = &w->client;
    char node[NODE_PATH_MAX];
    const char *base = w->config.base_path;
    const struct op ops[] = { { OP_SET, base, "", 0, w->version },
                              { OP_DELETE, node_path(node, base, w->named), NULL, 0, -1 } };
    int rc = ZOK;
    w->answered = false;
    if (w->step == WILL_READ) {
        client_ask(c, WILL_SYNC, ASK_SYNC, base, false);
        rc = client_ask(c, WILL_READ, ASK_DATA, base, false);
    } else if (w->step == WILL_OWNER)
        rc = client_ask(c, WILL_OWNER, ASK_STAT, node, false);
    else if (w->step == WILL_RESIGN)
        rc = client_commit(c, WILL_RESIGN, ops, COUNT(ops));
    if (rc != ZOK) {
        w->answered = true;
        w->rc = rc;
    }
}

/* The next step: a pure function of the answer. */
static enum will_step will_next(const struct will *w)
{
    if (!w->client.connected || (w->answered && outcome_unknown(w->rc)))
        return w->client.connected ? WILL_READ : WILL_ATTACH;
    if (w->step == WILL_ATTACH)
        return WILL_READ;
    if (w->step == WILL_READ)
        return w->named[0] && !w->unrecorded ? WILL_OWNER : WILL_CLOSE;
    if (w->step == WILL_OWNER)
        return w->rc == ZOK && w->owner == w->candidate ? WILL_RESIGN : WILL_CLOSE;
    return w->rc != ZOK && w->refusals < 2 ? WILL_READ : WILL_CLOSE;
}

/* One round of the client, no longer than until `limit`. */
static void will_round(struct will *w, nanos limit)
{
    struct client *c = &w->client;
    struct pollfd slots[BALLOT_POLLFDS];
    nanos wake = limit, now = clock_now();
    if (c->connected && c->flying[w->step] && due(c->sent[w->step] + part(c->timeout, PART_ATTEMPT), now, &wake))
        client_next_server(c);
    int count = client_prepare(c, slots, BALLOT_POLLFDS, &wake);
    if (poll(slots, (nfds_t)count, poll_timeout(wake, clock_now())) > 0)
        client_dispatch(c, slots, count);
}

/* Attaches to the dead candidate's session (any client that knows id and password may),
 * resigns if the base names a proposal of that session, and closes it, which
 * takes the proposal out of the queue. Gives up at `limit`: the session expires
 * by itself then. */
static void guard_will(const struct guard *g, nanos limit)
{
    struct will *w = calloc(1, sizeof *w);
    if (!w)
        return;
    w->config = g->plan->config;
    w->config.timeout_ms = (int)(g->session.span / MILLISECOND);
    w->config.log = NULL;
    w->step = WILL_ATTACH;
    w->candidate = g->session.session;
    client_open(&w->client, &w->config, w, will_learn, will_event);
    w->client.session.client_id = g->session.session;
    memcpy(w->client.session.passwd, g->session.password, sizeof w->client.session.passwd);
    w->client.numeric = true;
    STRING_COPY(w->client.addresses, g->session.text);
    while (w->step != WILL_CLOSE && !w->client.expired && !w->client.rejected && clock_now() < limit) {
        will_round(w, limit);
        if (w->step == WILL_ATTACH || w->answered || !w->client.connected) {
            w->step = will_next(w);
            will_ask(w);
        }
    }
    client_close(&w->client);
    log_turn(g->plan->log);
    if (w->step == WILL_CLOSE)
        LOG(g->plan->log, WARN, "the dead candidate has left the queue");
    else
        LOG(g->plan->log, ERROR, "could not resign for the dead candidate: others take over when its session expires");
    free(w);
}

/* The candidate is dead once it is our parent no longer; a closed pair proves nothing. */
static void guard_bequeath(const struct guard *g)
{
    nanos limit = clock_now() + g->session.span;
    if (g->session.kind != MESSAGE_SESSION)
        return;
    while (getppid() == g->candidate && clock_now() < limit)
        poll(NULL, 0, 1);
    if (getppid() != g->candidate)
        guard_will(g, limit);
}

static void __attribute__((noreturn)) guard_main(struct guard *g)
{
    static const int caught[] = { SIGCHLD, 0 };
    static const int ignored[] = { SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGUSR1, SIGUSR2,
                                SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE, SIGWINCH, 0 };
    fd_close_all(g->pair);
    log_outputs_open(g->plan->log);
    log_library_open(g->plan->log); /* the candidate's went with its descriptors */
    setsid();
    g->adopts = process_adopt_orphans();
    if (!signals_open(caught, ignored))
        _exit(EXIT_BALLOT);
    for (;;) {
        while (signals_next())
            ;
        guard_receive(g);
        if (g->start_due)
            guard_start(g);
        fd_close_both(g->outputs);
        guard_reap(g);
        nanos now = clock_now();
        guard_enforce(g, now);
        if (g->alone && !g->command)
            break;
        struct pollfd slots[2] = { { signal_pipe[0], POLLIN, 0 }, { g->alone ? -1 : g->pair, POLLIN, 0 } };
        poll(slots, 2, poll_timeout(guard_wake(g, now), now));
    }
    if (!g->goodbye)
        guard_bequeath(g);
    _exit(0);
}

/* *pair gets the candidate's end. Returns the guard's pid, or -1. */
static pid_t guard_fork(const struct plan *plan, int *pair)
{
    int ends[2];
    *pair = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
        return -1;
    fd_private(ends[0]);
    fd_private(ends[1]);
    pid_t candidate = getpid(), pid = signals_fork();
    if (pid == 0) {
        struct guard *g = calloc(1, sizeof *g);
        if (!g)
            _exit(EXIT_BALLOT);
        g->plan = plan;
        g->candidate = candidate;
        g->pair = ends[1];
        g->outputs[0] = g->outputs[1] = g->exec_error = -1;
        guard_main(g);
    }
    fd_close(&ends[1]);
    if (pid < 0)
        fd_close(&ends[0]);
    *pair = ends[0];
    return pid;
}

/* ---------------------------------------------------------------------------
 * Schedule: which activation is due, and the run record
 *
 * `run cron` is `run once` with a struct cron_run; `run once` has NULL in its place. In each phase the agent calls one
 * function with it: cron_learn(), cron_decide(), cron_act(), cron_start(), cron_ended().
 * ------------------------------------------------------------------------ */

#define CLOCK_APART (60 * SECOND) /* a clock so far from the servers' is wrong */

struct schedule {
    struct ballot_cron cron;
    struct ballot_zone zone;
    enum ballot_dst dst;
    const char *spec;
    nanos catch_up;
};

/* In the schedule's time zone, as RFC 3339 has it. */
static struct short_text schedule_moment(const struct schedule *s, int64_t at)
{
    const struct short_text never = { "never" };
    return at == BALLOT_NEVER ? never : moment_string(at, ballot_zone_offset(&s->zone, at));
}

/* settings_check_schedule() has read it already. */
static void schedule_open(struct schedule *c, const struct settings *s)
{
    struct ballot_cron_error error;
    c->spec = setting_text(s, SET_SCHEDULE);
    c->dst = (enum ballot_dst)setting_number(s, SET_DST);
    c->catch_up = setting_number(s, SET_CATCH_UP);
    ballot_zone_local(&c->zone);
    ballot_cron_parse(&c->cron, &c->zone, c->spec, &error);
}

/* The first activation after `mark` that is still to come. */
static int64_t activation_following(const struct schedule *s, int64_t mark, int64_t now)
{
    if (!s->cron.every) /* else its cadence is counted from the mark */
        return ballot_cron_next(&s->cron, &s->zone, mark > now ? mark : now, s->dst);
    return mark > now ? mark + s->cron.every : mark + (floor_divide(now - mark, s->cron.every) + 1) * s->cron.every;
}

/* The last activation after `mark`, up to now; or BALLOT_NEVER. As the next one never comes before
 * that of an earlier moment, halving finds it. */
static int64_t activation_latest(const struct schedule *s, int64_t mark, int64_t now)
{
    if (s->cron.every) { /* its cadence is counted from the mark */
        int64_t at = mark + floor_divide(now - mark, s->cron.every) * s->cron.every;
        return at > mark ? at : BALLOT_NEVER;
    }
    int64_t low = mark, high = now;
    if (low >= now || ballot_cron_next(&s->cron, &s->zone, low, s->dst) > now)
        return BALLOT_NEVER;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (ballot_cron_next(&s->cron, &s->zone, middle, s->dst) <= now)
            low = middle;
        else
            high = middle;
    }
    return ballot_cron_next(&s->cron, &s->zone, low, s->dst);
}

/* --- the run record: the content of the schedule node ----------------------------- */

/* Moments are POSIX seconds. */
struct run_record {
    char spec[BALLOT_ID_MAX + 1]; /* as it was read                            */
    int64_t mark;             /* activations up to that one are dealt with     */
    int64_t confirmed;        /* a mark that the servers' clock bore out; BALLOT_NEVER: none */
    int64_t run, start, end;  /* activation, start and end of the last run; BALLOT_NEVER: none */
    int64_t status;           /* as of waitpid()                               */
    bool stopped;             /* ballot ended it                               */
    int64_t token, skipped;   /* skipped: activations since it began           */
    char id[BALLOT_ID_MAX + 1], host[256], proposal[NODE_MAX];
};

static void run_record_moment(struct text *t, const char *name, int64_t at)
{
    if (at != BALLOT_NEVER)
        json_field(t, name, moment_string(at, 0).data);
}

static void run_record_number(struct text *t, const char *name, int64_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, number);
    json_field(t, name, digits);
}

/* It also says what comes next: readers may be in another time zone. No name is one of a candidate's: the
 * earlier tool's `info` takes all children of the base for candidates. */
static size_t run_record_json(const struct run_record *r, const struct schedule *s, int64_t now, char *out, size_t size)
{
    struct text t = text_in(out, size);
    text_string(&t, "{");
    json_field(&t, "schedule", s->spec);
    run_record_moment(&t, "nextActivation", activation_following(s, r->mark, now));
    run_record_moment(&t, "activation", r->mark);
    run_record_moment(&t, "confirmed", r->confirmed);
    run_record_number(&t, "skipped", r->skipped);
    if (r->run != BALLOT_NEVER) {
        int status = (int)r->status;
        run_record_moment(&t, "lastRun", r->run);
        json_field(&t, "id", r->id);
        json_field(&t, "host", r->host);
        json_field(&t, "proposal", r->proposal);
        run_record_number(&t, "fencingToken", r->token);
        run_record_moment(&t, "start", r->start);
        run_record_moment(&t, "end", r->end);
        if (r->end != BALLOT_NEVER)
            run_record_number(&t, WIFSIGNALED(status) ? "signal" : "exitStatus",
                              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        if (r->stopped)
            json_field(&t, "stopped", "true");
    }
    text_string(&t, "}");
    assert(!t.cut); /* DATA_MAX holds the longest id, host and schedule, escaped */
    return t.length;
}

static int64_t run_record_read_moment(const char *data, size_t length, const char *name)
{
    char word[64];
    int64_t at;
    return json_get(data, length, name, word, sizeof word) && moment_parse(word, &at) ? at : BALLOT_NEVER;
}

static int64_t run_record_read_number(const char *data, size_t length, const char *name)
{
    char word[24];
    int64_t number = json_get(data, length, name, word, sizeof word) ? strtoll(word, NULL, 10) : 0;
    return number >= 0 && number < INT64_MAX / 2 ? number : 0; /* a count may grow yet */
}

/* Earlier versions called whose the last run was, and where, as a candidate does. */
static void run_record_name(const char *data, size_t length, const char *name, const char *earlier,
                            char *out, size_t size)
{
    if (!json_get(data, length, name, out, size))
        json_get(data, length, earlier, out, size);
}

/* A mark over a minute after `now` is that of a wrong clock, but for one that was confirmed: it counts as `now`. */
static int64_t mark_limit(int64_t mark, int64_t confirmed, int64_t now)
{
    int64_t least = confirmed != BALLOT_NEVER && confirmed > now ? confirmed : now;
    return mark > now + CLOCK_APART / SECOND ? least : mark;
}

/* Reads a record that was last changed at `changed`, by the servers' clock. A mark that a
 * wrong clock wrote must not keep all candidates from running: it counts as that moment. But
 * the servers' clock may have been set back since it has confirmed a mark, which the record says. */
static struct run_record run_record_read(const char *data, size_t length, nanos changed)
{
    struct run_record r = { .spec = "" };
    int64_t latest = floor_divide(changed, SECOND);
    json_get(data, length, "schedule", r.spec, sizeof r.spec);
    json_get(data, length, "proposal", r.proposal, sizeof r.proposal);
    run_record_name(data, length, "id", "candidateId", r.id, sizeof r.id);
    run_record_name(data, length, "host", "hostname", r.host, sizeof r.host);
    r.mark = run_record_read_moment(data, length, "activation");
    r.confirmed = run_record_read_moment(data, length, "confirmed");
    r.confirmed = r.mark = r.mark == BALLOT_NEVER ? r.mark : mark_limit(r.mark, r.confirmed, latest);
    r.run = run_record_read_moment(data, length, "lastRun");
    r.start = run_record_read_moment(data, length, "start");
    r.end = run_record_read_moment(data, length, "end");
    r.token = run_record_read_number(data, length, "fencingToken");
    r.skipped = run_record_read_number(data, length, "skipped");
    r.stopped = json_has(data, length, "stopped");
    int64_t number = run_record_read_number(data, length, "signal") & 0x7f;
    r.status = number ? number : (run_record_read_number(data, length, "exitStatus") & 0xff) << 8;
    return r;
}

/* --- a run by schedule: what is known --------------------------------------------- */

/* What is kept across rounds. */
struct cron_memory {
    struct run_record record; /* what we have to say                                    */
    struct run_record before; /* the same before the last start, which the guard may refuse */
    struct run_record sent;   /* what was sent to the schedule node last                */
    int64_t recorded;         /* the activation to start: it was sent, and the node holds it; BALLOT_NEVER: none */
    int64_t missed;           /* the last one that was warned of                        */
    nanos early;              /* an activation of ours came so long before the servers' time that no reader
                                 believes it; 0: none                                   */
    char other_spec[BALLOT_ID_MAX + 1]; /* another schedule, which was warned of        */
    unsigned reads;           /* the node's count of reads when it was read last        */
    bool unanswered;          /* whether `sent` was written is not known yet            */
    bool fits;                /* the node is there, and of this schedule                */
    bool written;             /* it says all that `record` says; only then we resign    */
};

/* All that `run cron` has beyond `run once`. */
struct cron_run {
    struct schedule schedule;
    const char *id, *base_path;
    struct log *log;
    /* observed in each round */
    nanos wall;          /* our wall clock                                           */
    nanos timeout;       /* T                                                        */
    bool unrecorded;     /* the last leader kept no record                           */
    nanos shift;         /* clock_shift()                                            */
    nanos ahead;         /* by so much it was ahead of the servers' at their last answer, */
    nanos jumped;        /* and by so much it has jumped since                       */
    bool known;          /* what the schedule node holds                             */
    struct cron_memory memory;
};

/* How much the agent may do: start what is recorded, or, out of contact, what is not. */
enum authority {
    AUTHORITY_NONE,
    AUTHORITY_LEADER,
    AUTHORITY_ALONE,  /* a leader out of contact under keep */
    AUTHORITY_ANYWAY, /* no election is possible            */
};

struct cron_step {
    enum { CRON_NOTHING, CRON_BEGIN, CRON_WRITE, CRON_RECORD, CRON_START, CRON_SKIP, CRON_MISS, CRON_HAND_OVER } kind;
    int64_t at; /* the activation of RECORD, START, SKIP, MISS */
};

static bool far_apart(nanos difference)
{
    return difference > CLOCK_APART || difference < -CLOCK_APART;
}

/* The first second whose activation is not older than catch-up, and `more`. */
static int64_t activation_oldest(const struct cron_run *c, nanos more)
{
    return floor_divide(c->wall - nanos_max(c->schedule.catch_up, SECOND) - more + SECOND - 1, SECOND);
}

/* A mark for which only our clock speaks, which was wrong and has been set, or is `wrong` by so much, counts as now. */
static void cron_limit_mark(struct cron_run *c, nanos wrong)
{
    struct run_record *r = &c->memory.record;
    r->mark = mark_limit(r->mark, r->confirmed, floor_divide(c->wall - wrong, SECOND));
}

static void cron_learn_clock(struct cron_run *c, const struct ballot_status *e, nanos now)
{
    nanos shift = clock_shift(), jump = shift - c->shift;
    bool blank = e->role == BALLOT_LEADER && c->memory.record.run == BALLOT_NEVER; /* else it would forget a run */
    c->wall = now + shift;
    c->ahead = e->clock_ahead;
    c->jumped = e->token ? shift - e->clock_shift : 0;
    if (e->role != BALLOT_UNSURE) /* out of contact only we know what has run: it is not run again */
        cron_limit_mark(c, blank && far_apart(c->ahead) ? c->ahead + c->jumped : 0);
    if (jump >= SECOND)
        LOG(c->log, WARN, "the wall clock has jumped forward by %s: of the activations in between the latest is run, "
            "if catch-up allows it", duration_round(jump).data);
    else if (jump <= -SECOND)
        LOG(c->log, WARN, "the wall clock has jumped backward by %s: activations up to %s do not come again",
            duration_round(-jump).data,
            schedule_moment(&c->schedule, c->memory.record.mark).data);
    c->shift = shift;
    c->timeout = e->timeout;
    c->unrecorded = e->unrecorded;
}

/* The answer to what was sent last: the node holds it, or it does not. What a reader of the
 * node would not believe is not started: it would run it again. */
static void cron_learn_answer(struct cron_run *c, const struct ballot_record *node)
{
    struct cron_memory *m = &c->memory;
    struct run_record read = run_record_read(node->data, node->length, node->changed);
    m->unanswered = false;
    if (!node->written)
        return;
    m->reads = node->reads;
    m->fits = true;
    bool activation = m->sent.run == m->sent.mark && m->sent.run != m->record.run; /* else it was about the last one */
    bool same = m->sent.mark == m->record.mark, believed = read.mark == m->sent.mark;
    m->written = same && m->sent.end == m->record.end;
    if (believed)
        m->sent.confirmed = m->sent.mark;
    if (believed && same)
        m->record.confirmed = m->record.mark;
    if (activation && believed)
        m->recorded = m->sent.mark;
    else if (activation)
        m->early = m->sent.mark * SECOND - node->changed;
}

/* Whether we go on with what was read. A leader that knew the record goes on from what it knows. */
static void cron_judge(struct cron_run *c, const struct run_record *read)
{
    struct cron_memory *m = &c->memory;
    const struct schedule *s = &c->schedule;
    bool same = !strcmp(read->spec, s->spec), ours = same && read->mark != BALLOT_NEVER;
    if (m->fits && !ours)
        LOG(c->log, WARN, "%s/%s was deleted or overwritten by another client: "
            "it is written again, and what comes after %s is run",
            c->base_path, RECORD_NAME, schedule_moment(s, m->record.mark).data);
    else if (*read->spec && !same && strcmp(read->spec, m->other_spec) != 0) {
        char shown[201];
        STRING_COPY(m->other_spec, read->spec);
        STRING_COPY(shown, read->spec);
        string_plain(shown);
        LOG(c->log, WARN, "the schedule of this election was \"%s\", ours is \"%.200s\", which counts from now; "
            "give all candidates the same", shown, s->spec);
    }
    if (ours && c->unrecorded)
        LOG(c->log, WARN, "the last leader was a Go ballot, which keeps no run record: what it has run is not known, "
            "so activations count from now");
    m->fits = m->fits || (ours && !c->unrecorded);
    if (ours && read->mark > floor_divide(c->wall, SECOND) + CLOCK_APART / SECOND)
        LOG(c->log, WARN, "%s/%s says that activations up to %s are done, which is to come: nothing is run before; "
            "if the servers' clock was wrong then, delete that node, and let the leader step down",
            c->base_path, RECORD_NAME, schedule_moment(s, read->mark).data);
}

/* An older mark than ours is that of servers that went back. */
static void cron_learn_node(struct cron_run *c, const struct ballot_record *node)
{
    struct cron_memory *m = &c->memory;
    struct run_record read = run_record_read(node->data, node->length, node->changed), *r = &m->record;
    bool begins = !m->fits;
    m->reads = node->reads;
    cron_judge(c, &read);
    bool blank = m->written && r->confirmed != r->mark, newer = read.mark > r->mark;
    bool same = read.mark == r->mark && (m->written || read.token != r->token);
    bool unstarted = newer && read.token == m->sent.token && read.mark == m->sent.mark; /* ours, and withdrawn */
    m->written = read.mark != BALLOT_NEVER && !unstarted && (blank || newer || same);
    if (m->written)
        *r = read;
    else if (read.mark == BALLOT_NEVER) {
        r->confirmed = BALLOT_NEVER;
        cron_limit_mark(c, 0);
    }
    int64_t next = activation_following(&c->schedule, r->mark, floor_divide(c->wall, SECOND));
    if (begins)
        LOG(c->log, INFO, "the next activation is %s", schedule_moment(&c->schedule, next).data);
}

/* Without the lease nothing is started that was sent or recorded under it; if we lead on, it is written over. */
static void cron_forget(struct cron_run *c, bool leads)
{
    struct cron_memory *m = &c->memory;
    if (m->recorded != BALLOT_NEVER)
        LOG(c->log, WARN, "the activation of %s was recorded as ours, but our lease ended before its start: "
            "it is not started", schedule_moment(&c->schedule, m->recorded).data);
    m->written = m->written && !m->unanswered;
    m->recorded = BALLOT_NEVER;
    m->unanswered = false;
    m->fits = m->fits && leads;
    m->early = leads ? m->early : 0;
}

/* --- a run by schedule: deciding and acting ---------------------------------------- */

/* What is due by the clock alone. */
static struct cron_step cron_due(const struct cron_run *c, bool leader, bool running, nanos now, nanos *wake)
{
    const struct cron_memory *m = &c->memory;
    const struct schedule *s = &c->schedule;
    int64_t second = floor_divide(c->wall, SECOND), at = activation_latest(s, m->record.mark, second);
    if (at != BALLOT_NEVER && at >= activation_oldest(c, 0))
        return (struct cron_step){ running ? CRON_SKIP : leader ? CRON_RECORD : CRON_START, at };
    if (at != BALLOT_NEVER && at > m->missed)
        return (struct cron_step){ CRON_MISS, at };
    int64_t next = activation_following(s, m->record.mark, second);
    if (next <= second + 1)
        *wake = nanos_min(*wake, now + next * SECOND - c->wall);
    return (struct cron_step){ leader && c->known && !m->written ? CRON_WRITE : CRON_NOTHING, BALLOT_NEVER };
}

/* `run once` (no c) only starts. An activation is recorded first, and started when that is acknowledged; slow servers
 * must not make it too old. A leader that goes on alone must have read the record: others may have led before. Its
 * clock is all that it has then. */
static struct cron_step cron_decide(const struct cron_run *c, enum authority authority, bool running, nanos now,
                                    nanos *wake)
{
    bool leader = authority == AUTHORITY_LEADER;
    struct cron_step step = { CRON_NOTHING, BALLOT_NEVER };
    if (!c) {
        step.kind = !running && (leader || authority == AUTHORITY_ANYWAY) ? CRON_START : CRON_NOTHING;
        return step;
    }
    const struct cron_memory *m = &c->memory;
    if (authority == AUTHORITY_NONE || (authority == AUTHORITY_ALONE && !running && !m->fits))
        return step;
    *wake = nanos_min(*wake, now + SECOND); /* the wall clock may jump, the lease end */
    /* If our clock has jumped, the next answer tells whether the servers' has, too. */
    if (leader && (m->early || far_apart(c->ahead + c->jumped)))
        step.kind = !running && (m->early || far_apart(c->ahead)) ? CRON_HAND_OVER : CRON_NOTHING;
    else if (leader && (!c->known || !m->fits))
        step.kind = c->known ? CRON_BEGIN : CRON_NOTHING;
    else if (!running && m->recorded != BALLOT_NEVER && m->recorded >= activation_oldest(c, c->timeout))
        step = (struct cron_step){ CRON_START, m->recorded };
    else
        step = cron_due(c, leader, running, now, wake);
    return step;
}

/* Returns true if the schedule node has to be told something before the leader may resign, or
 * the next one would run the same activation again. */
static bool cron_unwritten(const struct cron_run *c, struct cron_step *step)
{
    if (!c || (c->memory.written && !c->unrecorded) || (c->known && !c->memory.fits && !c->unrecorded))
        return false;
    if (c->known && step->kind == CRON_NOTHING)
        step->kind = c->memory.fits ? CRON_WRITE : CRON_BEGIN;
    return true;
}

/* The run record of a leader that runs an activation now. */
static struct run_record cron_record(const struct cron_run *c, const ballot *b, int64_t at)
{
    struct run_record r = {
        .mark = at, .confirmed = c->memory.record.confirmed, .run = at, .start = moment_now(), .end = BALLOT_NEVER,
        .token = ballot_token(b),
    };
    STRING_COPY(r.id, c->id);
    gethostname(r.host, sizeof r.host - 1);
    STRING_COPY(r.proposal, node_name(c->base_path, ballot_node(b)));
    return r;
}

static void cron_send(struct cron_run *c, ballot *b, const struct run_record *record)
{
    char json[DATA_MAX];
    size_t length = run_record_json(record, &c->schedule, floor_divide(c->wall, SECOND), json, sizeof json);
    struct cron_memory *m = &c->memory;
    if (m->recorded != BALLOT_NEVER)
        LOG(c->log, WARN, "the activation of %s was recorded, but not started in time: its record is withdrawn",
            schedule_moment(&c->schedule, m->recorded).data);
    m->recorded = BALLOT_NEVER;
    m->sent = *record;
    m->unanswered = true;
    ballot_record_write(b, json, length);
}

/* Carries out what was decided, but for the start of the command. */
static void cron_act(struct cron_run *c, ballot *b, const struct cron_step *step)
{
    if (!c)
        return;
    struct run_record next, *record = &c->memory.record;
    nanos ahead = c->memory.early ? c->memory.early : c->ahead;
    const struct short_text moment = schedule_moment(&c->schedule, step->at);
    int64_t now = floor_divide(c->wall - (far_apart(ahead) ? ahead + c->jumped : 0), SECOND);
    switch (step->kind) {
    case CRON_BEGIN: /* no record of this schedule: it counts from now, and what was done stays done */
        record->mark = record->mark > now ? record->mark : now;
        c->memory.written = false;
        cron_send(c, b, record);
        break;
    case CRON_WRITE:
        cron_send(c, b, record);
        break;
    case CRON_RECORD:
        next = cron_record(c, b, step->at);
        cron_send(c, b, &next);
        break;
    case CRON_SKIP:
        LOG(c->log, WARN, "the command still runs: the activation of %s is skipped" EVENT "skipped\tactivation=%s",
            moment.data, moment.data);
        record->mark = step->at;
        record->skipped++;
        c->memory.written = false;
        break;
    case CRON_MISS:
        LOG(c->log, WARN, "the activation of %s was missed, and is older than catch-up=%s: it is not run" EVENT
            "missed\tactivation=%s", moment.data, duration_string(c->schedule.catch_up).data, moment.data);
        c->memory.missed = step->at;
        break;
    case CRON_HAND_OVER:
        LOG(c->log, ERROR, "our clock is %s %s the servers': handing over, standing again in 1m; "
            "set the clock that is wrong",
            duration_string((nanos_max(ahead, -ahead) + SECOND / 2) / SECOND * SECOND).data,
            ahead < 0 ? "behind" : "ahead of");
        break;
    case CRON_START:
    case CRON_NOTHING:
        break;
    }
}

/* --- a run by schedule: the rest of what the agent calls ------------------------------ */

static struct cron_run *cron_open(const struct settings *s, struct log *log)
{
    struct cron_run *c = memory_new(log, sizeof *c);
    if (!c)
        return NULL;
    schedule_open(&c->schedule, s);
    c->id = setting_text(s, SET_CANDIDATE_ID);
    c->base_path = setting_text(s, SET_BASE_PATH);
    c->log = log;
    c->shift = clock_shift();
    c->memory.written = true;
    c->memory.recorded = BALLOT_NEVER;
    c->memory.record = (struct run_record){
        .mark = moment_now(), .confirmed = BALLOT_NEVER, .run = BALLOT_NEVER, .start = BALLOT_NEVER,
        .end = BALLOT_NEVER,
    };
    return c;
}

static void cron_learn(struct cron_run *c, const ballot *b, const struct ballot_status *e, nanos now)
{
    struct ballot_record node;
    if (!c)
        return;
    cron_learn_clock(c, e, now);
    c->known = ballot_record(b, &node);
    if (e->role != BALLOT_LEADER)
        cron_forget(c, e->token != 0);
    if (c->known && c->memory.unanswered)
        cron_learn_answer(c, &node);
    if (c->known && c->memory.reads != node.reads)
        cron_learn_node(c, &node);
}

/* The command is started for an activation. One that is not recorded gets its record here. */
static void cron_start(struct cron_run *c, const ballot *b, struct message *start, int64_t at)
{
    start->scheduled = at;
    if (!c)
        return;
    start->offset = ballot_zone_offset(&c->schedule.zone, at);
    struct cron_memory *m = &c->memory;
    m->before = m->record;
    m->written = at == m->recorded;
    m->record = m->written ? m->sent : cron_record(c, b, at);
    m->recorded = BALLOT_NEVER;
}

/* The last run has ended. `never_started`: the guard has not started it. */
static void cron_ended(struct cron_run *c, int status, bool never_started, bool stopped)
{
    if (!c)
        return;
    struct run_record *r = &c->memory.record;
    c->memory.written = false;
    if (never_started) {
        *r = c->memory.before;
        return;
    }
    r->end = moment_now();
    r->status = status;
    r->stopped = stopped;
}

static struct short_text cron_upcoming(const struct cron_run *c)
{
    return schedule_moment(&c->schedule, activation_following(&c->schedule, c->memory.record.mark, moment_now()));
}

/* ---------------------------------------------------------------------------
 * Agent: what should be true now, and making it so
 *
 * The loop: prepare, poll, learn, decide, act. Learning fills in `struct facts`: what is observed, anew in each round,
 * and the memory. agent_decide() is a pure function of them. agent_act() carries it out; doing the
 * same again changes nothing. If it changes the memory, the next round follows at once.
 * ------------------------------------------------------------------------ */

#define LEAVING_MAX SECOND /* for resigning and the last output, when told to end */

enum life {
    LIFE_NONE,     /* no command                                             */
    LIFE_ASKED,    /* START is sent, the guard has not answered yet          */
    LIFE_RUNNING,
    LIFE_ORPHANED, /* the guard is gone: we end and reap what it left behind */
};

enum cause { CAUSE_ITSELF, CAUSE_RUNTIME, CAUSE_BALLOT }; /* what ended the command */

enum candidacy {
    CANDIDACY_HOLD,      /* stay in the queue or out of it: no new proposal, no claim; the default of a decision */
    CANDIDACY_STAND,
    CANDIDACY_LAST_WORD, /* lead until the run record is written, then LEAVE  */
    CANDIDACY_LEAVE,
};

struct rules {
    bool stop;
    enum policy on_success, on_error;
    enum failure on_failure;
    nanos max_runtime, restart_delay, restart_delay_max;
};

/* What is found out anew in each round. */
struct observed {
    nanos now;           /* read first: if we stall after that, everything else is newer than `now`, never older */
    struct ballot_status election;
    nanos timeout;       /* T, or that of the lease if shorter                         */
    nanos start_until;   /* the guard starts nothing later under the present lease     */
    bool lost, revoked;  /* the leadership since the command was started; revoked: our proposal was deleted */
    bool output_pending; /* of the last command                                        */
    bool log_pending;
};

/* What the ends of commands have led to. */
struct aftermath {
    unsigned errors;      /* in a row                                                  */
    nanos next_start;     /* not before that                                           */
    bool resign;          /* resign before anything else is started: reelect, a clock that is wrong */
    bool ending;          /* ballot ends, with exit_status                             */
    int exit_status;
};

/* What is kept across rounds. */
struct memory {
    bool standing;        /* in the queue, or on the way into it: STAND was decided    */
    nanos standing_since; /* when that began; 0: not standing, or in the queue         */
    nanos leaving_since;

    /* the guard */
    bool guard_dead;
    nanos guard_due;      /* when to start one; 0: there is one                        */
    struct ballot_lease lease;   /* the last one that it was told                      */
    nanos unacknowledged_since;  /* since when it owes an acknowledgement and has given none; 0: owes none */
    nanos stalled_at;     /* when this process last went on after a stall              */

    /* the command */
    enum life life;
    bool anyway;          /* started without being leader                              */
    unsigned losses;      /* the election's count when it was started                  */
    nanos started_at;
    int stop_sent;        /* 0, 1: asked to stop, 2: told to kill                      */
    nanos stop_due;       /* if it is not reported dead by then, the guard is replaced */
    nanos orphans_due;    /* ORPHANED: when to try again to end what is left           */

    /* an event: the command has ended */
    bool ended;
    int status;           /* as of waitpid()                                           */
    enum cause cause;
    struct aftermath after;

    int end_signal, end_signals; /* the first one, and how many                        */
};

struct facts {
    struct rules rules;
    struct observed observed;
    struct memory memory;
    struct cron_run *cron; /* NULL: run once */
};

struct decision {
    enum { COMMAND_AS_IT_IS, COMMAND_START, COMMAND_STOP, COMMAND_KILL } command;
    enum cause cause;     /* of a stop                                                 */
    bool anyway;          /* of a start                                                */
    struct cron_step step;
    enum candidacy candidacy;
    bool replace_guard;
    bool new_guard;       /* where there is none                                       */
    struct aftermath after;
    bool give_up;         /* no election is possible, and ballot is to end             */
    bool finish;          /* now                                                       */
    nanos wake;           /* when to decide again, if nothing happens before           */
};

/* The guard is dead, or has not done in time what only a live one can have done. */
static bool guard_overdue(const struct facts *f, nanos *wake)
{
    const struct memory *m = &f->memory;
    const struct observed *o = &f->observed;
    if (m->life == LIFE_ORPHANED || m->guard_due)
        return false;
    if (m->guard_dead)
        return true;
    if (m->unacknowledged_since && due(m->unacknowledged_since + part(o->timeout, PART_LEASE), o->now, wake))
        return true;
    if (m->life == LIFE_NONE)
        return false;
    if (m->stop_sent && due(m->stop_due, o->now, wake))
        return true;
    return f->rules.stop && due(lease_moment(&m->lease, PART_LEASE), o->now, wake);
}

/* `run cron` under keep goes on out of contact, unless our resignation may have been committed. */
static bool goes_on_alone(const struct facts *f)
{
    return f->cron && !f->rules.stop && f->observed.election.role == BALLOT_UNSURE && !f->observed.election.resigning;
}

/* The event: the command has ended. Policies and errors are for ends that ballot did not cause. */
static void decide_outcome(const struct facts *f, struct decision *d)
{
    const struct rules *r = &f->rules;
    const struct memory *m = &f->memory;
    bool success = m->cause == CAUSE_ITSELF && m->status == 0;
    nanos delay = r->restart_delay, most = nanos_max(r->restart_delay, r->restart_delay_max);
    if (m->cause != CAUSE_BALLOT)
        d->after.errors = success ? 0 : d->after.errors + 1;
    for (unsigned i = 1; i < d->after.errors && delay < most; i++)
        delay *= 2;
    d->after.next_start = m->started_at + nanos_min(delay, most);
    enum policy policy = m->cause == CAUSE_BALLOT ? POLICY_RERUN : success ? r->on_success : r->on_error;
    switch (policy) {
    case POLICY_EXIT:
        d->after.ending = true;
        /* as a shell's */
        d->after.exit_status = WIFSIGNALED(m->status) ? EXIT_BY_SIGNAL + WTERMSIG(m->status) : WEXITSTATUS(m->status);
        break;
    case POLICY_IGNORE:
        d->after.ending = !f->cron; /* which waits for the next activation */
        break;
    case POLICY_REELECT:
        d->after.resign = !f->cron || f->observed.election.role != BALLOT_OUT; /* activations do not wait again */
        break;
    case POLICY_RERUN:
        break;
    }
}

/* The state: a command runs, or is being ended. */
static void decide_alive(const struct facts *f, struct decision *d)
{
    const struct memory *m = &f->memory;
    const struct observed *o = &f->observed;
    bool leads = o->election.role == BALLOT_LEADER || o->election.role == BALLOT_UNSURE;
    d->candidacy = leads || m->anyway ? CANDIDACY_STAND : CANDIDACY_HOLD;
    d->cause = CAUSE_BALLOT;
    d->wake = nanos_min(d->wake, o->now + SECOND); /* that the machine was asleep must be noticed */
    if (m->life == LIFE_ORPHANED) {
        d->wake = nanos_min(d->wake, m->orphans_due);
        return;
    }
    /* Of a leader whose heartbeats are refused: others revoke it after 2 T; if its proposal is gone, they claim
     * after T. */
    nanos latest = lease_moment(&m->lease, o->election.unnamed ? PART_CLAIM_STOP : PART_REFUSED);
    bool asked = o->election.step_down && leads;
    bool overdue = asked && o->election.refused && due(latest, o->now, &d->wake);
    if (m->end_signals > 1 || (o->lost && o->revoked) || overdue)
        d->command = COMMAND_KILL;
    else if (m->end_signals || o->lost || asked)
        d->command = COMMAND_STOP;
    else if (f->rules.max_runtime && due(m->started_at + f->rules.max_runtime, o->now, &d->wake)) {
        d->command = COMMAND_STOP;
        d->cause = CAUSE_RUNTIME;
    }
    if ((leads || m->anyway) && !o->lost)
        d->step = cron_decide(f->cron, o->election.role == BALLOT_LEADER ? AUTHORITY_LEADER : AUTHORITY_ALONE, true,
                              o->now, &d->wake);
}

/* The state: ballot ends. Out of the queue first; but not for ever, if no server answers. */
static void decide_ending(const struct facts *f, struct decision *d)
{
    const struct memory *m = &f->memory;
    const struct observed *o = &f->observed;
    d->candidacy = CANDIDACY_LEAVE;
    bool overdue = m->leaving_since && due(m->leaving_since + LEAVING_MAX, o->now, &d->wake);
    bool left = o->election.role == BALLOT_OUT || overdue, pending = o->output_pending || o->log_pending;
    d->finish = left && !m->ended && (!pending || (m->end_signals && overdue)); /* an end is logged first */
}

/* What may be started. After a stall (frozen, asleep) a candidate does not go on alone: others may have led. */
static enum authority decide_authority(const struct facts *f, const struct decision *d, nanos *wake)
{
    const struct observed *o = &f->observed;
    if (o->election.role == BALLOT_LEADER && o->election.requests_known && o->now < o->start_until)
        return AUTHORITY_LEADER;
    if (d->anyway)
        return AUTHORITY_ANYWAY;
    return goes_on_alone(f) && due(f->memory.stalled_at + o->timeout, o->now, wake) ? AUTHORITY_ALONE : AUTHORITY_NONE;
}

/* The state: no command runs. */
static void decide_idle(const struct facts *f, struct decision *d)
{
    const struct memory *m = &f->memory;
    const struct observed *o = &f->observed;
    if (o->election.step_down || (d->after.resign && !goes_on_alone(f))) {
        d->candidacy = CANDIDACY_LEAVE;
        return;
    }
    bool rested = due(d->after.next_start, o->now, &d->wake), able = rested && !o->output_pending && !d->replace_guard;
    if (o->election.role == BALLOT_OUT && (!rested || o->output_pending) && !m->standing_since)
        return; /* HOLD: out, and may not start yet: others would only wait for us; not so if no election is on */
    d->candidacy = CANDIDACY_STAND;
    bool failed = m->standing_since && (o->election.refused || due(m->standing_since + o->timeout, o->now, &d->wake));
    if (failed && f->rules.on_failure == FAILURE_EXIT) {
        d->give_up = d->after.ending = true;
        d->after.exit_status = EXIT_BALLOT;
    }
    d->anyway = failed && f->rules.on_failure == FAILURE_RUN_ANYWAY;
    d->step = cron_decide(f->cron, decide_authority(f, d, &d->wake), false, o->now, &d->wake);
    if (d->step.kind == CRON_START && able)
        d->command = COMMAND_START;
    else if (d->step.kind == CRON_RECORD && !able)
        d->step.kind = CRON_NOTHING; /* record nothing that we could not start at once: recorded and not run is lost */
    else if (d->step.kind == CRON_HAND_OVER) {
        d->candidacy = CANDIDACY_LEAVE;
        d->after.resign = true;
        d->after.next_start = o->now + MINUTE;
    }
}

/* Before a leader resigns, the run record is written: waited for a second at most if that is refused or ballot ends. */
static void decide_last_word(const struct facts *f, struct decision *d)
{
    const struct memory *m = &f->memory;
    const struct observed *o = &f->observed;
    bool hurry = o->election.refused || m->after.ending || m->end_signals;
    if (d->candidacy != CANDIDACY_LEAVE || o->election.role != BALLOT_LEADER)
        return;
    if (hurry && m->leaving_since && due(m->leaving_since + LEAVING_MAX, o->now, &d->wake))
        return;
    if (cron_unwritten(f->cron, &d->step))
        d->candidacy = CANDIDACY_LAST_WORD;
}

static struct decision agent_decide(const struct facts *f)
{
    const struct memory *m = &f->memory;
    struct decision d = { .wake = NEVER, .step = { CRON_NOTHING, BALLOT_NEVER }, .after = m->after };
    d.after.resign = d.after.resign && f->observed.election.role != BALLOT_OUT;
    d.replace_guard = guard_overdue(f, &d.wake);
    if (m->ended)
        decide_outcome(f, &d);
    if (m->life != LIFE_NONE)
        decide_alive(f, &d);
    else if (m->end_signals || m->after.ending)
        decide_ending(f, &d);
    else if (m->guard_due) { /* without a guard nothing can be run: out of the queue until there is one */
        d.candidacy = f->observed.election.role == BALLOT_OUT ? CANDIDACY_HOLD : CANDIDACY_LEAVE;
        d.new_guard = due(m->guard_due, f->observed.now, &d.wake);
    } else if (!d.after.ending) /* ending was decided just now: act on it in the next round */
        decide_idle(f, &d);
    decide_last_word(f, &d);
    return d;
}

/* --- the agent -------------------------------------------------------------------- */

struct agent {
    struct facts facts;
    struct plan plan;
    struct log *log;
    ballot *ballot;
    struct stream streams[2];
    pid_t guard;
    nanos guard_at, guard_pause; /* when it was started, and the least time from that to the next */
    nanos lack_logged_at;  /* when it was last said that there is no guard; 0: there is one */
    int pair;
    unsigned unacknowledged; /* START and LEASE messages that the guard has not acknowledged */
    pid_t command_pid;     /* of its first process; 0: not known                         */
    bool end_unreported;   /* the guard died while it ran one: we find out ourselves how it ended */
    int command_status;    /* as of waitpid(), for when the guard dies; -1: it has not ended */
    struct short_text activation; /* for which it is started; "": none                    */
    char end[1024];         /* how it ended, and what comes next: said behind its last output; "": not started */
    struct short_text runtime; /* of the command                                        */
    bool failed;           /* that is an error                                          */
    struct ending ending;  /* of what a dead guard left                                 */
    struct spared spared;
    int64_t told_session;  /* that the guard knows                                      */
    char told_servers[ADDRESSES_MAX]; /* and where it can be continued                  */
    bool terminal;         /* started from one: SIGHUP means that it is gone            */
    nanos poll_due;        /* when the last poll() should have returned                 */
};

static void agent_send(struct agent *a, const struct message *message, const int *passed)
{
    struct memory *m = &a->facts.memory;
    if (!message_send(a->pair, message, passed))
        m->guard_dead = true; /* dead, or silent for so long that the pair is full */
    if (message->kind != MESSAGE_START && message->kind != MESSAGE_LEASE)
        return;
    m->lease = message->lease;
    a->unacknowledged++;
    if (m->unacknowledged_since == 0)
        m->unacknowledged_since = clock_now();
}

/* Starts a guard in place of one that has died; if it dies within a second, for want of memory, say, the next after a
 * pause, which doubles as long as they die within it. The lack of one is logged once a minute. */
static void agent_next_guard(struct agent *a)
{
    struct memory *m = &a->facts.memory;
    nanos now = a->facts.observed.now, due = a->guard_at + a->guard_pause;
    bool early = now < due, waited = m->guard_due;
    fd_close(&a->pair);
    a->guard = early ? -1 : guard_fork(&a->plan, &a->pair);
    m->guard_due = a->guard >= 0 ? 0 : early ? due : now + SECOND;
    if (a->guard >= 0) {
        if (a->lack_logged_at)
            LOG(a->log, INFO, "a new guard process has been started; standing again");
        a->guard_pause = nanos_max(SECOND, waited ? nanos_min(2 * a->guard_pause, MINUTE / 2) : 0);
        a->guard_at = now;
        a->lack_logged_at = m->unacknowledged_since = a->told_session = 0;
        a->unacknowledged = 0;
        m->guard_dead = false;
    } else if (!a->lack_logged_at || now >= a->lack_logged_at + MINUTE) {
        LOG(a->log, ERROR, "cannot start the guard process: %s; without one nothing can be run: leaving the queue, "
            "and standing again once there is one", early ? "it dies too soon" : strerror(errno));
        a->lack_logged_at = now;
    }
}

/* --- learning --------------------------------------------------------------------- */

/* Only the guard knows who ended the command: it may have done so unasked, or may have been asked too late. */
static void agent_learn_cause(struct memory *m, bool ours)
{
    if (!ours)
        m->cause = CAUSE_ITSELF;
    else if (m->stop_sent == 0)
        m->cause = CAUSE_BALLOT; /* else agent_stop() has said why */
}

static void agent_describe_end(struct agent *a, int status, struct exec_failure failure)
{
    const struct short_text after = a->runtime = duration_round(clock_now() - a->facts.memory.started_at);
    struct text t = text_in(a->end, sizeof a->end);
    if (failure.error && failure.no_input)
        text_format(&t, "cannot open /dev/null, the command's standard input: %s; %.100s was not executed. In a chroot "
                    "or container it has to be there: mknod -m 666 /dev/null c 1 3, or a bind mount of the host's",
                    strerror(failure.error), a->plan.command[0]);
    else if (failure.error)
        text_format(&t, "cannot execute %.300s: %s", a->plan.command[0], strerror(failure.error));
    else if (WIFSIGNALED(status))
        text_format(&t, "the command was ended by signal %d (%s) after %s", WTERMSIG(status),
                    strsignal(WTERMSIG(status)), after.data);
    else
        text_format(&t, "the command ended with status %d after %s", WEXITSTATUS(status), after.data);
}

/* All of the command is dead, and it is known how it ended. */
static void agent_ended(struct agent *a, int status, struct exec_failure failure, bool ours)
{
    struct memory *m = &a->facts.memory;
    bool never_started = m->life == LIFE_ASKED && ours;
    a->end[0] = '\0';
    if (never_started)
        LOG(a->log, WARN, "the command was not started: the lease ran out first");
    else
        agent_describe_end(a, status, failure);
    agent_learn_cause(m, ours);
    m->life = LIFE_NONE;
    m->ended = true;
    m->status = status;
    m->stop_sent = 0;
    m->anyway = false;
    a->command_pid = 0;
    for (size_t i = 0; i < COUNT(a->streams); i++)
        a->streams[i].last = true;
    cron_ended(a->facts.cron, status, never_started, m->cause == CAUSE_BALLOT);
}

static void agent_learn_message(struct agent *a, const struct message *message)
{
    struct memory *m = &a->facts.memory;
    nanos now = a->facts.observed.now;
    if (message->kind == MESSAGE_ACKNOWLEDGED || m->life == LIFE_ASKED) {
        a->unacknowledged -= a->unacknowledged > 0;
        m->unacknowledged_since = a->unacknowledged ? now : 0;
    }
    switch (message->kind) {
    case MESSAGE_STARTED:
        a->command_pid = message->number;
        if (m->life == LIFE_ASKED) {
            m->life = LIFE_RUNNING;
            m->started_at = now;
        }
        LOG(a->log, INFO, "starting %s%s%s, pid %d" EVENT "started\tpid=%d\tactivation=%s", a->plan.command[0],
            a->activation.data[0] ? " for the activation of " : "", a->activation.data, message->number,
            message->number, a->activation.data);
        break;
    case MESSAGE_REAPED:
        a->command_pid = 0;
        a->command_status = message->number;
        agent_learn_cause(m, message->ours);
        break;
    case MESSAGE_ENDED:
        if (m->life == LIFE_ASKED || m->life == LIFE_RUNNING)
            agent_ended(a, message->number, message->failure, message->ours);
        break;
    default:
        break; /* ACKNOWLEDGED says no more; the rest is for the guard */
    }
}

static void agent_learn_guard(struct agent *a)
{
    struct message message = { .text = "" };
    int passed[2], got;
    while ((got = message_receive(a->pair, &message, passed)) == RECEIVED_MESSAGE) {
        fd_close_both(passed);
        agent_learn_message(a, &message);
    }
    if (got == RECEIVED_END)
        a->facts.memory.guard_dead = true;
}

/* The resolver is a child, too, and may be a new one. */
static void agent_read_status(struct agent *a)
{
    ballot_status(a->ballot, &a->facts.observed.election);
    a->spared.resolver = a->facts.observed.election.resolver;
}

static void agent_learn_signal(struct agent *a, int number)
{
    struct memory *m = &a->facts.memory;
    bool ends = number == SIGINT || number == SIGQUIT || number == SIGTERM || (number == SIGHUP && a->terminal);
    if (number == SIGCHLD) { /* the guard's death is learned from the pair, the command's from the guard */
        if (m->life != LIFE_ORPHANED && spared_reap(&a->spared, a->guard))
            spared_add_children(&a->spared, a->guard);
        return;
    }
    if (!ends) {
        if (m->life == LIFE_RUNNING)
            agent_send(a, &(struct message){ .kind = MESSAGE_SIGNAL, .number = number }, NULL);
        return;
    }
    if (m->end_signals++ == 0)
        m->end_signal = number;
    LOG(a->log, INFO, "told to end by signal %d (%s)%s", number, strsignal(number),
        m->life != LIFE_NONE && m->end_signals > 1 ? "; killing the command" : "");
}

static void agent_learn_election(struct agent *a)
{
    struct memory *m = &a->facts.memory;
    struct observed *o = &a->facts.observed;
    const struct ballot_status *e = &o->election;
    agent_read_status(a);
    if (m->life != LIFE_NONE && m->anyway && e->token) {
        m->anyway = false; /* elected meanwhile: it is the leader's command now */
        m->losses = e->losses;
    }
    if (e->role != BALLOT_OUT)
        m->standing_since = 0;
    o->timeout = nanos_min(e->timeout, e->lease.timeout ? e->lease.timeout : NEVER);
    o->start_until = start_deadline(&e->lease, a->facts.rules.stop);
    o->lost = m->life != LIFE_NONE && !m->anyway && e->losses != m->losses;
    o->revoked = o->lost && e->revoked;
}

static void agent_say_end(struct agent *a)
{
    if (a->end[0])
        log_say(a->log, a->failed ? BALLOT_LOG_ERROR : BALLOT_LOG_INFO, __LINE__, "%s", a->end);
    a->end[0] = '\0';
}

/* Once the command has ended, or ballot ends, output that a full disk does not take is given
 * up: nothing but the status is left to be told. */
static void agent_learn_output(struct agent *a)
{
    struct observed *o = &a->facts.observed;
    const struct memory *m = &a->facts.memory;
    struct log *l = a->log;
    if (a->streams[0].last || m->after.ending || m->end_signals) {
        size_t lost = queue_give_up(&l->out, LEAVING_MAX);
        queue_give_up(l->err, LEAVING_MAX);
        if (lost)
            LOG(l, ERROR, "stdout takes nothing (is its disk full?): %zu bytes of output are lost", lost);
    }
    o->output_pending = false;
    for (size_t i = 0; i < COUNT(a->streams); i++) {
        struct stream *s = &a->streams[i];
        if (s->fd >= 0 && (s->last || s->length))
            stream_read(s, l);
        o->output_pending = o->output_pending || s->fd >= 0;
    }
    if (!m->ended && !o->output_pending)
        agent_say_end(a);
    log_turn(l);
    o->log_pending = queue_waits(&l->out) || queue_waits(l->err);
}

/* --- acting --------------------------------------------------------------------------- */

/* Pipes for the command's output; the other ends go to the guard. */
static bool agent_pipes(struct agent *a, int passed[2])
{
    for (int i = 0; i < 2; i++) {
        int ends[2];
        if (!fd_pipe(ends)) {
            fd_close(&passed[0]);
            return false;
        }
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        a->streams[i].fd = ends[0];
        a->streams[i].last = false;
        passed[i] = ends[1];
    }
    return true;
}

static void agent_start(struct agent *a, bool anyway, int64_t activation)
{
    struct memory *m = &a->facts.memory;
    const struct ballot_status *e = &a->facts.observed.election;
    int passed[2] = { -1, -1 };
    struct message start = { .kind = MESSAGE_START, .token = anyway ? 0 : e->token };
    cron_start(a->facts.cron, a->ballot, &start, activation);
    if (e->role == BALLOT_LEADER) /* without a lease the guard does not look at the clock */
        start.lease = e->lease;
    STRING_COPY(start.text, ballot_node(a->ballot));
    bool scheduled = start.scheduled != BALLOT_NEVER;
    m->started_at = clock_now();
    m->life = LIFE_ASKED;
    m->anyway = anyway;
    m->losses = e->losses;
    m->cause = CAUSE_ITSELF;
    a->command_status = -1;
    if (anyway)
        LOG(a->log, WARN, "no election is possible; running the command anyway, "
            "as on-election-failure=run-anyway demands");
    a->activation = scheduled ? moment_string(start.scheduled, start.offset) : (struct short_text){ "" };
    if (a->plan.wrap && !agent_pipes(a, passed)) {
        agent_ended(a, EXIT_CANNOT_EXEC << 8, (struct exec_failure){ .error = errno }, false);
        return;
    }
    agent_send(a, &start, a->plan.wrap ? passed : NULL);
    fd_close_both(passed);
}

static void agent_stop(struct agent *a, bool kill_now, enum cause cause)
{
    struct memory *m = &a->facts.memory;
    int level = kill_now ? 2 : 1;
    if (m->life == LIFE_NONE || m->stop_sent >= level) /* NONE: dead since that was decided, with its guard */
        return;
    if (m->stop_sent == 0 && a->command_status < 0)
        m->cause = cause;
    if (cause == CAUSE_RUNTIME)
        LOG(a->log, ERROR, "the command has run for %s, which is max-runtime; stopping it" EVENT
            "stopped\twhy=max-runtime", duration_string(a->facts.rules.max_runtime).data);
    else if (m->stop_sent == 0) {
        const char *why = m->end_signals ? "told to end"
                        : a->facts.observed.lost ? "lost the leadership" : "stepping down";
        LOG(a->log, INFO, "stopping the command: %s" EVENT "stopped\twhy=%s", why, why);
    }
    struct message stop = { .kind = MESSAGE_STOP, .number = m->end_signal ? m->end_signal : SIGTERM };
    stop.span = kill_now ? 0 : a->plan.stop_timeout;
    m->stop_sent = level;
    m->stop_due = clock_now() + stop.span + part(a->facts.observed.timeout, PART_LEASE);
    agent_send(a, &stop, NULL);
}

/* A guard that died or fell silent: it is killed first, so that it can start
 * nothing any more, then all that it leaves to us as their subreaper. */
static void agent_orphan(struct agent *a)
{
    struct memory *m = &a->facts.memory;
    LOG(a->log, ERROR, "the guard process %s; ending all that it ran and starting another",
        m->guard_dead ? "has died" : "does not answer");
    a->end_unreported = m->life != LIFE_NONE;
    if (a->end_unreported && a->command_status < 0) {
        a->command_status = SIGKILL;
        if (m->stop_sent == 0)
            m->cause = m->guard_dead ? CAUSE_ITSELF : CAUSE_BALLOT;
    }
    m->stop_sent = m->stop_sent ? m->stop_sent : 1;
    m->life = LIFE_ORPHANED;
    a->ending = (struct ending){ .due = 0 };
    if (a->guard > 0)
        kill(a->guard, SIGKILL);
}

static void agent_end_orphans(struct agent *a)
{
    struct memory *m = &a->facts.memory;
    bool reaped;
    if (clock_now() >= a->ending.due)
        subtree_kill(&a->ending, a->command_pid, &a->spared, a->log);
    m->orphans_due = a->ending.due;
    if (subtree_reap(a->command_pid, &a->command_status, &reaped, &a->spared))
        return;
    if (a->end_unreported)
        agent_ended(a, a->command_status, (struct exec_failure){ .error = 0 }, true); /* the cause is known */
    m->life = LIFE_NONE;
    m->stop_sent = 0;
    agent_next_guard(a);
}

/* The guard learns of each session before a proposal is made in it, and of each lease of a running command. */
static void agent_inform_guard(struct agent *a)
{
    const struct memory *m = &a->facts.memory;
    const struct ballot_status *e = &a->facts.observed.election;
    if (m->life == LIFE_ORPHANED || m->guard_dead)
        return;
    if (e->session && (a->told_session != e->session || strcmp(a->told_servers, e->servers) != 0)) {
        struct message session = { .kind = MESSAGE_SESSION, .session = e->session, .span = e->timeout };
        memcpy(session.password, e->password, sizeof session.password);
        STRING_COPY(session.text, e->servers);
        agent_send(a, &session, NULL);
        a->told_session = e->session;
        STRING_COPY(a->told_servers, e->servers);
    }
    /* stop: a lease that was cut and is over, too */
    bool counts = e->role == BALLOT_LEADER || (a->facts.rules.stop && e->token);
    if (m->life != LIFE_NONE && counts && memcmp(&e->lease, &m->lease, sizeof m->lease) != 0) {
        spared_add_children(&a->spared, a->guard); /* what dead spared ones left: no signal tells */
        agent_send(a, &(struct message){ .kind = MESSAGE_LEASE, .lease = e->lease }, NULL);
    }
}

/* Standing begins where no command runs. While one runs (anyway), it begins not, and ends by HOLD or LEAVE alone. */
static void agent_candidacy(struct agent *a, enum candidacy candidacy)
{
    struct memory *m = &a->facts.memory;
    const struct observed *o = &a->facts.observed;
    bool stands = candidacy == CANDIDACY_STAND;
    bool leaves = candidacy == CANDIDACY_LEAVE || candidacy == CANDIDACY_LAST_WORD;
    m->leaving_since = !leaves ? 0 : m->leaving_since ? m->leaving_since : o->now;
    if (!stands || (!m->standing && m->life == LIFE_NONE))
        m->standing_since = stands && o->election.role == BALLOT_OUT ? o->now : 0;
    m->standing = stands && (m->standing || m->life == LIFE_NONE);
    switch (candidacy) {
    case CANDIDACY_STAND: ballot_stand(a->ballot); break;
    case CANDIDACY_HOLD: ballot_hold(a->ballot); break;
    case CANDIDACY_LEAVE: ballot_leave(a->ballot); break;
    case CANDIDACY_LAST_WORD: break; /* leading on */
    }
}

/* Adds to how the command ended what comes next, and when. */
static void agent_describe_next(struct agent *a, const struct decision *d)
{
    const struct facts *f = &a->facts;
    nanos pause = nanos_max(d->after.next_start - f->observed.now, 0);
    bool leaves = d->candidacy == CANDIDACY_LEAVE || d->candidacy == CANDIDACY_LAST_WORD;
    bool out = f->observed.election.role == BALLOT_OUT;
    struct text t = { a->end, sizeof a->end, strlen(a->end), false };
    int status = f->memory.status, number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    char next[128];
    const size_t before = t.length;
    a->failed = f->memory.cause != CAUSE_BALLOT && status != 0;
    if (!before)
        return;
    if (f->memory.cause == CAUSE_BALLOT || f->memory.end_signals)
        text_string(&t, f->memory.cause == CAUSE_BALLOT ? "; ballot stopped it" : "");
    else if (d->after.ending)
        text_format(&t, "; ending with status %d", d->after.exit_status);
    else if (f->cron)
        text_format(&t, "; %sthe next activation is %s", leaves && !out ? "handing over; " : "",
                    cron_upcoming(f->cron).data);
    else
        text_format(&t, "; %s again in %s", leaves || out ? "standing" : "running it", duration_round(pause).data);
    STRING_COPY(next, a->end + before + (t.length > before ? 2 : 0)); /* without "; " */
    text_format(&t, EVENT "ended\t%s=%d\truntime=%s\tnext=%s", WIFSIGNALED(status) ? "signal" : "exitStatus", number,
                a->runtime.data, next);
}

static void agent_act(struct agent *a, const struct decision *d)
{
    struct memory *m = &a->facts.memory;
    if (m->ended)
        agent_describe_next(a, d);
    m->ended = false;
    m->after = d->after;
    if (d->replace_guard)
        agent_orphan(a);
    if (d->new_guard)
        agent_next_guard(a);
    if (m->life == LIFE_ORPHANED)
        agent_end_orphans(a);
    cron_act(a->facts.cron, a->ballot, &d->step);
    agent_candidacy(a, d->candidacy);
    if (d->give_up)
        LOG(a->log, FATAL, "no election is possible%s%s; ending, as on-election-failure=exit demands",
            ballot_trouble(a->ballot)[0] ? ": " : "", ballot_trouble(a->ballot));
    if (d->command == COMMAND_START)
        agent_start(a, d->anyway, d->step.at);
    else if (d->command == COMMAND_STOP || d->command == COMMAND_KILL)
        agent_stop(a, d->command == COMMAND_KILL, d->cause);
    agent_inform_guard(a);
}

/* --- the loop ------------------------------------------------------------------------- */

enum { SLOT_SIGNAL, SLOT_GUARD, SLOT_STDOUT, SLOT_STDERR, SLOT_OUT, SLOT_ERR, SLOT_ELECTION,
       SLOT_COUNT = SLOT_ELECTION + BALLOT_POLLFDS };

static void agent_learn_time(struct agent *a)
{
    struct memory *m = &a->facts.memory;
    nanos now = a->facts.observed.now = clock_now();
    if (a->poll_due != NEVER && now > a->poll_due + part(a->facts.observed.timeout, PART_STALL)) {
        LOG(a->log, WARN, "this process stood still for over %s: it was stopped, or the machine asleep",
            duration_round(now - a->poll_due).data);
        m->stalled_at = now;
        m->unacknowledged_since = m->unacknowledged_since ? now : 0; /* the guard may have been stopped, too */
    }
}

static void agent_wait(struct agent *a, nanos wake)
{
    const struct memory *m = &a->facts.memory;
    struct log *l = a->log;
    nanos now = clock_now();
    int timeout = poll_timeout(nanos_min(wake, nanos_min(queue_retry(&l->out), queue_retry(l->err))), now);
    struct pollfd slots[SLOT_COUNT] = {
        [SLOT_SIGNAL] = { signal_pipe[0], POLLIN, 0 },
        [SLOT_GUARD] = { m->life == LIFE_ORPHANED ? -1 : a->pair, POLLIN, 0 },
        [SLOT_STDOUT] = { stream_wants(&a->streams[0]) ? a->streams[0].fd : -1, POLLIN, 0 },
        [SLOT_STDERR] = { stream_wants(&a->streams[1]) ? a->streams[1].fd : -1, POLLIN, 0 },
        [SLOT_OUT] = { queue_waits(&l->out) && !l->out.retry_at ? l->out.fd : -1, POLLOUT, 0 },
        [SLOT_ERR] = { queue_waits(l->err) && !l->err->retry_at ? l->err->fd : -1, POLLOUT, 0 },
    };
    /* A guard that could not be told of a cut lease is killed before the heartbeat is sent. */
    bool untold = m->guard_dead && (m->life == LIFE_ASKED || m->life == LIFE_RUNNING);
    timeout = untold ? 0 : timeout;
    int count = untold ? 0 : ballot_prepare(a->ballot, slots + SLOT_ELECTION, BALLOT_POLLFDS, &timeout);
    agent_read_status(a);
    log_turn(l);
    a->poll_due = timeout < 0 ? NEVER : clock_now() + timeout * MILLISECOND;
    while (poll(slots, SLOT_ELECTION + (nfds_t)count, timeout) < 0 && errno == EINTR)
        timeout = 0; /* a signal: whatever else has arrived counts as well, before anything is decided */
    agent_learn_time(a);
    for (int number; (number = signals_next());)
        agent_learn_signal(a, number);
    if (slots[SLOT_GUARD].fd >= 0) /* whatever poll() said: if we stalled behind it, the guard has said more since */
        agent_learn_guard(a);
    ballot_dispatch(a->ballot, slots + SLOT_ELECTION, count);
    for (int i = 0; i < 2; i++)
        if (slots[SLOT_STDOUT + i].revents)
            stream_read(&a->streams[i], l);
}

static bool bytes_differ(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size) != 0;
}

static int agent_run(struct agent *a)
{
    struct facts *f = &a->facts;
    struct memory before;
    struct cron_memory cron_before;
    f->observed.now = clock_now();
    for (;;) {
        agent_learn_output(a);
        agent_learn_election(a);
        cron_learn(f->cron, a->ballot, &f->observed.election, f->observed.now);
        struct decision decision = agent_decide(f);
        if (decision.finish) {
            agent_say_end(a); /* a reader that is too slow has not taken all of the output */
            return f->memory.after.exit_status;
        }
        memcpy(&before, &f->memory, sizeof before);
        if (f->cron)
            memcpy(&cron_before, &f->cron->memory, sizeof cron_before);
        agent_act(a, &decision);
        bool moved = bytes_differ(&before, &f->memory, sizeof before) ||
                     (f->cron && bytes_differ(&cron_before, &f->cron->memory, sizeof cron_before));
        agent_wait(a, moved ? f->observed.now : decision.wake); /* moved: decide again at once */
    }
}

static void agent_configure(struct agent *a, const struct settings *s, char **command)
{
    bool stop = setting_number(s, SET_ON_DISCONNECT) == DISCONNECT_STOP, cron = a->facts.cron != NULL;
    a->facts.rules = (struct rules){
        .stop = stop,
        .on_success = (enum policy)setting_number(s, SET_ON_SUCCESS),
        .on_error = (enum policy)setting_number(s, SET_ON_ERROR),
        .on_failure = (enum failure)setting_number(s, SET_ON_FAILURE),
        .max_runtime = setting_number(s, SET_MAX_RUNTIME),
        .restart_delay = cron ? 0 : setting_number(s, SET_RESTART_DELAY), /* an activation does not wait */
        .restart_delay_max = cron ? 0 : setting_number(s, SET_RESTART_DELAY_MAX),
    };
    a->plan = (struct plan){
        .command = command,
        .config = settings_config(s, a->log),
        .stop = stop,
        .wrap = setting_number(s, SET_WRAP),
        .stop_timeout = setting_number(s, SET_STOP_TIMEOUT),
        .log = a->log,
    };
    const char *slash = strrchr(command[0], '/');
    a->plan.config.record = cron;
    a->plan.config.kind = cron ? "cron" : "once";
    a->plan.config.command = slash ? slash + 1 : command[0];
    a->streams[0] = (struct stream){
        .fd = -1, .name = "cmd-run-stdout", .level = BALLOT_LOG_INFO, .queue = &a->log->out,
    };
    a->streams[1] = (struct stream){
        .fd = -1, .name = "cmd-run-stderr", .level = BALLOT_LOG_ERROR, .queue = a->log->err,
    };
}

static bool agent_open(struct agent *a)
{
    static const int caught[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGCHLD, 0 };
    /* `stty tostop` must not stop an election. */
    static const int ignored[] = { SIGPIPE, SIGTTOU, 0 };
    int tty = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK);
    a->terminal = tty >= 0;
    fd_close(&tty);
    subtree_warn(process_adopt_orphans(), a->log);
    spared_add_children(&a->spared, 0);
    if (!signals_open(caught, ignored) || (a->guard = guard_fork(&a->plan, &a->pair)) < 0) {
        LOG(a->log, FATAL, "cannot start the guard process: %s", strerror(errno));
        return false;
    }
    int error = ballot_open(&a->ballot, &a->plan.config);
    if (error != BALLOT_OK)
        LOG(a->log, FATAL, "cannot start: %s", ballot_strerror(error));
    return error == BALLOT_OK;
}

/* Leaves nothing behind: the session is closed, the guard told that all is well. */
static void agent_close(struct agent *a)
{
    if (a->ballot && ballot_role(a->ballot) != BALLOT_OUT)
        ballot_hang_up(a->ballot); /* no server answered in time: do not wait again */
    ballot_close(a->ballot);
    free(a->spared.pids);
    if (a->pair >= 0)
        message_send(a->pair, &(struct message){ .kind = MESSAGE_GOODBYE }, NULL);
    fd_close(&a->pair);
}

/* `run once` and `run cron`: only the latter has a schedule. */
static int run(const struct settings *s, struct log *log, char **command)
{
    bool scheduled = setting_text(s, SET_SCHEDULE);
    struct cron_run *cron = scheduled ? cron_open(s, log) : NULL;
    struct agent *a = scheduled && !cron ? NULL : memory_new(log, sizeof *a);
    if (!a) {
        free(cron);
        return EXIT_BALLOT;
    }
    a->log = log;
    a->pair = -1;
    a->facts.cron = cron;
    agent_configure(a, s, command);
    int status = agent_open(a) ? agent_run(a) : EXIT_BALLOT, number = a->facts.memory.end_signal;
    agent_close(a);
    free(a);
    free(cron);
    if (number == 0)
        return status;
    signal_handle(number, SIG_DFL); /* it dies of the signal that it was told to end by */
    raise(number);
    return EXIT_BY_SIGNAL + number; /* as PID 1 no signal kills */
}

/* ---------------------------------------------------------------------------
 * Viewer: an election, read by a process that does not stand
 *
 * As in the election, replies and watches only record what was read, and one pure function, viewer_step(), names the
 * next thing to ask for. What is asked for goes out at once, without waiting for other answers: sync, base and list
 * together, then all proposals together.
 * ------------------------------------------------------------------------ */

enum znode_state { ZNODE_UNREAD, ZNODE_ASKED, ZNODE_READ, ZNODE_GONE, ZNODE_REFUSED };

/* A znode as it was read. */
struct znode {
    char name[CHILD_MAX];
    enum znode_state state;
    bool listed;       /* in the last list; else kept only to show its end    */
    bool shown;        /* `watch` has shown it                                 */
    char *data;        /* NULL: none, or more than any candidate writes       */
    size_t length;
    struct Stat stat;
};

enum reading { READ_NO_PROPOSAL, READ_ORDERS, READ_ALL, READ_ORDERS_AND_SCHEDULE };

/* What is asked of the servers. */
enum query {
    QUERY_SYNC, QUERY_BASE, QUERY_LIST, QUERY_NODE,
    QUERY_CREATION,      /* where there is no base: a watch for it              */
    QUERY_ASK,           /* the step-down's: write what is asked of the leader  */
    QUERY_NOTHING,
    QUERY_ANEW,          /* forget, and read all again                          */
};

struct viewer {
    struct ballot_config config; /* its strings are the settings'              */
    struct client client;
    nanos born;
    enum reading reading;
    bool watching;      /* go on after the first complete picture              */
    nanos contact_since; /* of the contact in which the rest was read          */
    bool sync_sent;
    bool base_fresh, list_fresh, creation_watched;
    bool base_exists;
    nanos base_read_at;
    bool hold_base;     /* what the base said is not shown yet: do not read over it */
    struct znode base;
    char named[CHILD_MAX]; /* the proposal that it names; "": none             */
    struct Stat list_stat; /* of the base, with the list                       */
    struct znode schedule; /* the node of the run record                       */
    struct znode orders;   /* what operators ask of the leader                  */
    struct znode *nodes; /* sorted as by znode_compare()                        */
    size_t count;
    bool lost;          /* there was no memory for what was read               */
    int refused;        /* what no waiting mends: a ZooKeeper error, or 0      */
    const char *refused_what;
    int ask_refused;    /* why QUERY_ASK is refused: a ZooKeeper error, or 0   */
    char node[NODE_PATH_MAX]; /* of viewer_path()                              */
};

static const char *viewer_path(struct viewer *v, const char *name)
{
    return node_path(v->node, v->config.base_path, name);
}

/* The node beside the proposals that has this name; NULL: there is none of that name. */
static struct znode *node_beside(struct viewer *v, const char *name)
{
    return !strcmp(name, v->schedule.name) ? &v->schedule : !strcmp(name, v->orders.name) ? &v->orders : NULL;
}

/* Whether the candidate with that proposal is asked to step down. */
static bool step_down_asked(const struct viewer *v, const char *proposal)
{
    const struct znode *n = &v->orders;
    char name[CHILD_MAX];
    return n->state == ZNODE_READ && n->data && json_get(n->data, n->length, ORDER_STEP_DOWN, name, sizeof name) &&
           !strcmp(name, proposal);
}

/* Whether `bytes` are one object and nothing else; what is nested in it is read as leniently as by json_skip(). */
static bool json_is_object(const char *bytes, size_t count)
{
    struct json j = { bytes, bytes + count };
    char scrap[2];
    if (!json_take(&j, '{'))
        return false;
    if (!json_take(&j, '}')) {
        do {
            struct text t = TEXT_IN(scrap);
            if (!json_read_string(&j, &t) || !json_take(&j, ':') || !json_skip(&j))
                return false;
        } while (json_take(&j, ','));
        if (!json_take(&j, '}'))
            return false;
    }
    json_space(&j);
    return j.at == j.end;
}

static bool node_in_queue(const struct znode *n)
{
    bool named = !strncmp(n->name, NODE_PREFIX, strlen(NODE_PREFIX));
    bool persistent = n->state == ZNODE_READ && n->stat.ephemeralOwner == 0;
    return n->listed && named && !persistent && n->state != ZNODE_GONE;
}

/* By name; one that is listed comes before others of its name. */
static int znode_compare(const void *a, const void *b)
{
    const struct znode *one = a, *other = b;
    int order = strcmp(one->name, other->name);
    return order ? order : other->listed - one->listed;
}

static struct znode *node_find(const struct viewer *v, const char *name)
{
    struct znode key = { .listed = true };
    STRING_COPY(key.name, name);
    return v->count ? bsearch(&key, v->nodes, v->count, sizeof key, znode_compare) : NULL;
}

/* The leader's proposal: named by the base, and there. NULL: no candidate leads. */
static struct znode *viewer_leader(const struct viewer *v)
{
    struct znode *n = v->named[0] ? node_find(v, v->named) : NULL;
    return n && n->state != ZNODE_GONE ? n : NULL;
}

/* Base and list were read one after the other: of one moment they are if either
 * the base or its children have not changed in between. */
static bool viewer_torn(const struct viewer *v)
{
    return v->base.stat.mzxid != v->list_stat.mzxid && v->base.stat.pzxid != v->list_stat.pzxid;
}

/* --- facts -------------------------------------------------------------------- */

static void znode_keep(struct viewer *v, struct znode *n, const struct reply *reply)
{
    free(n->data);
    n->length = reply->length;
    n->data = n->length <= DATA_MAX ? malloc(n->length + 1) : NULL;
    if (n->data)
        memcpy(n->data, reply->data, n->length);
    else if (n->length <= DATA_MAX)
        v->lost = true;
    n->stat = *reply->stat;
    n->state = ZNODE_READ;
}

static void viewer_refused(struct viewer *v, const char *what, int rc)
{
    if (v->refused)
        return; /* one reason is enough */
    v->refused = rc;
    v->refused_what = what;
}

static void viewer_event(void *owner, int type, const char *path)
{
    struct viewer *v = owner;
    if (type >= CONTACT_MADE || strcmp(path, v->config.base_path) != 0)
        return;
    if (type != ZOO_CHANGED_EVENT)
        v->list_fresh = false;
    if (type != ZOO_CHILD_EVENT)
        v->base_fresh = false;
    if (type == ZOO_CREATED_EVENT)
        v->creation_watched = false;
}

static void on_query_base(struct viewer *v, const struct reply *reply)
{
    if (reply->rc != ZOK && reply->rc != ZNONODE) {
        viewer_refused(v, "reading", reply->rc);
        return;
    }
    v->base_fresh = true;
    v->base_read_at = clock_now();
    v->list_fresh = v->list_fresh && v->list_stat.pzxid >= reply->stat->pzxid;
    v->base_exists = reply->rc == ZOK;
    znode_keep(v, &v->base, reply);
    leader_named(v->named, sizeof v->named, v->config.base_path, reply->data, reply->length);
}

/* Puts a new list in the place of the old one. What stayed keeps what was read
 * of it; what left is kept until its end is shown. */
static bool nodes_replace(struct viewer *v, const struct String_vector *names, const struct Stat *stat)
{
    int32_t listed = names->count;
    struct znode *nodes = calloc(v->count + (size_t)listed + 1, sizeof *nodes);
    bool same_base = stat->czxid == v->list_stat.czxid;
    size_t count = 0;
    if (!nodes)
        return false;
    v->schedule.listed = v->orders.listed = false;
    v->schedule.state = v->orders.state = ZNODE_UNREAD;
    for (int32_t i = 0; i < listed; i++) {
        const char *name = names->data[i];
        struct znode *beside = node_beside(v, name);
        if (beside)
            beside->listed = true;
        if (beside || strlen(name) >= CHILD_MAX)
            continue;
        struct znode *old = same_base ? node_find(v, name) : NULL;
        if (old) {
            nodes[count] = *old;
            old->listed = old->shown = false;
            old->data = NULL;
        } else
            string_copy(nodes[count].name, CHILD_MAX, name);
        nodes[count++].listed = true;
    }
    for (size_t i = 0; i < v->count; i++)
        if (v->nodes[i].shown) {
            nodes[count] = v->nodes[i];
            nodes[count++].listed = false;
        } else
            free(v->nodes[i].data);
    qsort(nodes, count, sizeof *nodes, znode_compare);
    free(v->nodes);
    v->nodes = nodes;
    v->count = count;
    return true;
}

static void on_query_list(struct viewer *v, const struct reply *reply)
{
    if (reply->rc != ZOK && reply->rc != ZNONODE)
        viewer_refused(v, "listing", reply->rc);
    else if (nodes_replace(v, reply->names, reply->stat)) {
        v->list_stat = *reply->stat;
        v->list_fresh = true;
    }
}

static void on_query_node(struct viewer *v, const struct reply *reply)
{
    const char *name = node_name(v->config.base_path, reply->path);
    struct znode *beside = node_beside(v, name), *n = beside ? beside : node_find(v, name);
    if (n && reply->rc == ZOK)
        znode_keep(v, n, reply);
    else if (n)
        n->state = outcome_unknown(reply->rc) ? ZNODE_UNREAD : reply->rc == ZNONODE ? ZNODE_GONE : ZNODE_REFUSED;
}

/* Refused, or the answer is lost: what is there now? */
static void on_query_ask(struct viewer *v, const struct reply *reply)
{
    v->orders.state = ZNODE_UNREAD;
    if (reply->rc == ZNODEEXISTS || reply->rc == ZNONODE)
        v->list_fresh = false;
    if (reply->rc != ZOK && !outcome_unknown(reply->rc) && !outdated(reply->rc))
        v->ask_refused = reply->rc;
}

static void viewer_learn(void *owner, const struct reply *reply)
{
    struct viewer *v = owner;
    if (reply->request == QUERY_NODE)
        on_query_node(v, reply);
    else if (reply->request == QUERY_ASK)
        on_query_ask(v, reply);
    else if (outcome_unknown(reply->rc))
        return;
    else if (reply->request == QUERY_BASE)
        on_query_base(v, reply);
    else if (reply->request == QUERY_LIST)
        on_query_list(v, reply);
    else if (reply->request == QUERY_CREATION) {
        v->creation_watched = reply->rc == ZNONODE;
        if (reply->rc == ZOK) /* made meanwhile */
            v->base_fresh = v->list_fresh = false;
    }
}

/* --- the next thing to ask for ------------------------------------------------- */

static bool node_wanted(const struct viewer *v, const struct znode *n)
{
    if (!n->listed || n->state != ZNODE_UNREAD)
        return false;
    if (n == &v->orders)
        return v->reading == READ_ORDERS || v->reading == READ_ORDERS_AND_SCHEDULE;
    return n == &v->schedule ? v->reading == READ_ORDERS_AND_SCHEDULE : v->reading >= READ_ALL;
}

static bool node_in_state(const struct viewer *v, const struct znode *n, enum znode_state state)
{
    return state == ZNODE_UNREAD ? node_wanted(v, n) : n->state == state;
}

static bool nodes_in_state(const struct viewer *v, enum znode_state state)
{
    for (size_t i = 0; i < v->count; i++)
        if (node_in_state(v, &v->nodes[i], state))
            return true;
    return node_in_state(v, &v->schedule, state) || node_in_state(v, &v->orders, state);
}

static enum query viewer_step(const struct viewer *v)
{
    if (!v->client.connected || v->refused)
        return QUERY_NOTHING;
    if (v->contact_since != v->client.contact_since)
        return QUERY_ANEW;
    if (!v->sync_sent)
        return QUERY_SYNC;
    if (!v->base_fresh && !v->hold_base && !v->client.flying[QUERY_BASE])
        return QUERY_BASE;
    if (!v->list_fresh && !v->client.flying[QUERY_LIST])
        return QUERY_LIST;
    if (!v->base_fresh || !v->list_fresh)
        return v->list_fresh && nodes_in_state(v, ZNODE_UNREAD) ? QUERY_NODE : QUERY_NOTHING;
    if (v->watching ? v->base.stat.czxid != v->list_stat.czxid : viewer_torn(v))
        return QUERY_ANEW; /* (one of them found no base, which leaves no watch) */
    if (v->watching && !v->base_exists && !v->creation_watched)
        return v->client.flying[QUERY_CREATION] ? QUERY_NOTHING : QUERY_CREATION;
    return nodes_in_state(v, ZNODE_UNREAD) ? QUERY_NODE : QUERY_NOTHING;
}

/* Base and list are of one moment, and the proposals are read. */
static bool viewer_whole(const struct viewer *v)
{
    return v->client.connected && v->contact_since == v->client.contact_since && v->base_fresh && v->list_fresh &&
           !viewer_torn(v) && !nodes_in_state(v, ZNODE_UNREAD) && !nodes_in_state(v, ZNODE_ASKED);
}

/* --- asking --------------------------------------------------------------------- */

/* With the access list that the node `like` has; `data` must stay until the reply. */
static int client_create_like(struct client *c, int request, const char *path, const char *data, size_t length,
                              const char *like)
{
    struct request *r = request_new(c, request, path);
    if (!r)
        return ZSYSTEMERROR;
    r->data = data;
    r->length = length;
    return request_sent(r, zoo_aget_acl(c->handle, like, answered_access, r));
}

static int query_node_send(struct viewer *v, struct znode *n)
{
    if (!node_wanted(v, n))
        return ZOK;
    int rc = client_ask(&v->client, QUERY_NODE, ASK_DATA, viewer_path(v, n->name), false);
    n->state = rc == ZOK ? ZNODE_ASKED : ZNODE_UNREAD;
    return rc;
}

static int query_nodes_send(struct viewer *v)
{
    int rc = query_node_send(v, &v->schedule);
    if (rc == ZOK)
        rc = query_node_send(v, &v->orders);
    for (size_t i = 0; i < v->count && rc == ZOK; i++)
        rc = query_node_send(v, &v->nodes[i]);
    return rc;
}

static int query_send(struct viewer *v, enum query query)
{
    const char *base = v->config.base_path;
    switch (query) {
    case QUERY_SYNC:
        v->sync_sent = true;
        return client_ask(&v->client, QUERY_SYNC, ASK_SYNC, base, false);
    case QUERY_BASE:     return client_ask(&v->client, QUERY_BASE, ASK_DATA, base, v->watching);
    case QUERY_LIST:     return client_ask(&v->client, QUERY_LIST, ASK_LIST, base, v->watching);
    case QUERY_NODE:     return query_nodes_send(v);
    case QUERY_CREATION: return client_ask(&v->client, QUERY_CREATION, ASK_STAT, base, true);
    case QUERY_ANEW:
        v->contact_since = v->client.contact_since;
        v->sync_sent = v->base_fresh = v->list_fresh = v->creation_watched = v->hold_base = false;
        break;
    case QUERY_ASK:
    case QUERY_NOTHING:
        break;
    }
    return ZOK;
}

/* Ends the session; what was read stays. Where no answer came, it does not wait for one. */
static void viewer_end(struct viewer *v, bool answered)
{
    if (!answered)
        client_hang_up(&v->client);
    client_close(&v->client);
}

static void viewer_free(struct viewer *v)
{
    client_close(&v->client);
    for (size_t i = 0; i < v->count; i++)
        free(v->nodes[i].data);
    free(v->nodes);
    free(v->base.data);
    free(v->schedule.data);
    free(v->orders.data);
    free(v);
}

/* --- its place in the program ----------------------------------------------------- */

/* One round: sends what is due, waits until something happens or `until`, learns. */
static void viewer_round(struct viewer *v, struct pollfd *slots, int used, nanos until)
{
    struct client *c = &v->client;
    c->news = false;
    /* While we may not read a node, no server tells us of its changes, and our watch is gone (CVE-2024-23944). */
    if (v->watching && v->base_fresh && due(v->base_read_at + c->timeout, clock_now(), &until))
        v->base_fresh = false;
    for (enum query query; (query = viewer_step(v)) != QUERY_NOTHING;)
        if (query_send(v, query) != ZOK)
            client_hang_up(c);
    int count = client_prepare(c, slots + used, BALLOT_POLLFDS, &until);
    log_turn(v->config.log_data);
    if (poll(slots, (nfds_t)used + (nfds_t)count, c->news ? 0 : poll_timeout(until, clock_now())) >= 0)
        client_dispatch(c, slots + used, count);
}

/* What matters to a candidate is a detail here. */
static void viewer_log(void *log, enum ballot_log_level level, int where, const char *message)
{
    log_message(log, level < BALLOT_LOG_ERROR ? BALLOT_LOG_DEBUG : level, where, message);
}

static struct viewer *viewer_open(const struct settings *s, struct log *log, enum reading reading, bool watching)
{
    struct viewer *v = memory_new(log, sizeof *v);
    if (!v)
        return NULL;
    v->config = settings_config(s, log);
    v->config.log = viewer_log;
    v->born = clock_now();
    v->reading = reading;
    v->watching = watching;
    string_copy(v->schedule.name, CHILD_MAX, RECORD_NAME);
    string_copy(v->orders.name, CHILD_MAX, ORDERS_NAME);
    client_open(&v->client, &v->config, v, viewer_learn, viewer_event);
    return v;
}

static void viewer_complain(const struct viewer *v, struct log *log, nanos waited)
{
    const struct client *c = &v->client;
    if (v->refused)
        LOG(log, FATAL, "%s %s is refused: %s", v->refused_what, v->config.base_path, error_text(v->refused));
    else
        LOG(log, FATAL, "no answer from ZooKeeper at %s within %s%s%s",
            c->addresses[0] ? c->addresses : v->config.servers,
            duration_string(waited).data, c->trouble[0] ? ": " : "", c->trouble);
}

/* ---------------------------------------------------------------------------
 * Report: `info`, for scripts (YAML, JSON) and for eyes (a table)
 * ------------------------------------------------------------------------ */

/* What is shown: of the run record, then of a candidate; the names in znodes and JSON. */
#define MEMBERS(ROW)                                                                                                   \
    ROW(MEMBER_SPEC, "schedule") ROW(MEMBER_NEXT, "nextActivation") ROW(MEMBER_ACTIVATION, "activation")               \
    ROW(MEMBER_SKIPPED, "skipped") ROW(MEMBER_RUN, "lastRun") ROW(MEMBER_START, "start") ROW(MEMBER_END, "end")        \
    ROW(MEMBER_STATUS, "exitStatus") ROW(MEMBER_SIGNAL, "signal") ROW(MEMBER_RUNNER, "id")                             \
    ROW(MEMBER_RUNNER_HOST, "host") ROW(MEMBER_RUNNER_NODE, "proposal") ROW(MEMBER_TOKEN, "fencingToken")              \
    ROW(MEMBER_ID, "candidateId") ROW(MEMBER_HOST, "hostname") ROW(MEMBER_PID, "pid")                                  \
    ROW(MEMBER_TIME, "proposalTime") ROW(MEMBER_NODE, "proposalNode")                                                  \
    ROW(MEMBER_TIMEOUT, "sessionTimeout") ROW(MEMBER_HEARTBEAT, "lastSeenTime")

enum member { MEMBERS(MEANING) MEMBER_COUNT };

static const char member_names[][16] = { MEMBERS(SPELLING) };

/* What is shown of the leader, a candidate or the schedule: fields that are empty are not. */
struct record {
    char fields[MEMBER_COUNT][NODE_PATH_MAX];
    char notes[8][128];
    size_t note_count;
    const char *brief; /* a candidate's, for the table; NULL: none */
};

/* What a report is made from. */
struct report {
    const struct viewer *viewer;
    nanos now;          /* since 1970 */
    struct record leader, schedule, candidate; /* the candidate is the one that is being written */
    bool filled;        /* the base holds data: a leader's heartbeat              */
    bool silent;        /* ... which is late, or has no time                      */
    const char *lowest; /* the first of the queue; "": there is none              */
    char heartbeat[64], next[64]; /* for the table: how long ago, in how long      */
};

static void __attribute__((format(printf, 2, 3))) record_note(struct record *r, const char *format, ...)
{
    if (r->note_count == COUNT(r->notes))
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(r->notes[r->note_count++], sizeof r->notes[0], format, args);
    va_end(args);
}

/* Returns false, and no field, if it is not what candidates write. */
static bool record_read(struct record *r, const struct znode *n, enum member first, enum member end)
{
    bool fine = n->data && json_is_object(n->data, n->length);
    for (enum member f = first; fine && f < end; f++) {
        const char *name = member_names[f];
        fine = json_get(n->data, n->length, name, r->fields[f], sizeof r->fields[f]) ||
               !json_has(n->data, n->length, name);
    }
    if (!fine)
        memset(r->fields, 0, sizeof r->fields);
    return fine;
}

static void report_leader(struct report *p)
{
    const struct viewer *v = p->viewer;
    struct record *r = &p->leader;
    nanos heartbeat, timeout;
    if (!p->filled)
        return;
    if (!record_read(r, &v->base, MEMBER_ID, MEMBER_COUNT)) {
        record_note(r, "unparseable");
        return;
    }
    record_note(r, "is leader");
    bool timed = time_parse(r->fields[MEMBER_HEARTBEAT], &heartbeat);
    nanos silent = timed ? p->now - heartbeat : 0;
    if (!duration_parse(r->fields[MEMBER_TIMEOUT], &timeout))
        timeout = 0;
    p->silent = !timed || silent > timeout / 2;
    if (timed)
        record_note(r, "last heartbeat %s ago", duration_string(silent).data);
    if (p->silent)
        record_note(r, "last heartbeat is older than the expected publish interval");
    if (!viewer_leader(v)) {
        record_note(r, "possibly resigning");
        record_note(r, "election may be in progress");
    }
    snprintf(p->heartbeat, sizeof p->heartbeat, timed ? "last heartbeat %s ago" : "no time of a heartbeat",
             age_string(silent / SECOND).data);
}

/* "next activation in 3h2m", or how long ago it should have been. */
static void report_next(struct report *p)
{
    struct record *r = &p->schedule;
    int64_t next, now = p->now / SECOND;
    if (!moment_parse(r->fields[MEMBER_NEXT], &next))
        return;
    snprintf(p->next, sizeof p->next, next < now ? "was due %s ago" : "in %s",
             age_string(next < now ? now - next : next - now).data);
    record_note(r, "next activation %s", p->next);
}

static void report_run(struct report *p)
{
    struct record *r = &p->schedule;
    int64_t start;
    if (!moment_parse(r->fields[MEMBER_START], &start) || r->fields[MEMBER_END][0])
        return;
    const struct short_text age = age_string(p->now / SECOND - start);
    if (viewer_leader(p->viewer) && !strcmp(r->fields[MEMBER_RUNNER_NODE], p->viewer->named))
        record_note(r, "running for %s", age.data);
    else
        record_note(r, "started %s ago, how it ended is not known", age.data);
}

static void report_schedule(struct report *p)
{
    const struct znode *n = &p->viewer->schedule;
    struct record *r = &p->schedule;
    if (!n->listed || n->state == ZNODE_GONE)
        return;
    if (n->state != ZNODE_READ || !record_read(r, n, MEMBER_SPEC, MEMBER_ID)) {
        record_note(r, n->state == ZNODE_READ ? "unparseable" : "unreadable");
        return;
    }
    run_record_name(n->data, n->length, "id", "candidateId", r->fields[MEMBER_RUNNER], sizeof r->fields[0]);
    run_record_name(n->data, n->length, "host", "hostname", r->fields[MEMBER_RUNNER_HOST], sizeof r->fields[0]);
    report_next(p);
    report_run(p);
}

static void report_open(struct report *p, const struct viewer *v)
{
    *p = (struct report){ .viewer = v, .now = clock_read(CLOCK_REALTIME), .lowest = "" };
    p->filled = v->base_exists && v->base.length > 0;
    for (size_t i = v->count; i-- > 0;)
        if (node_in_queue(&v->nodes[i]))
            p->lowest = v->nodes[i].name;
    report_leader(p);
    report_schedule(p);
}

static bool record_there(const struct record *r)
{
    return r->note_count || r->fields[MEMBER_SPEC][0];
}

/* Why there is nothing to read of it; NULL: there is. */
static const char *record_missing(struct record *r, const struct znode *n)
{
    if (n->state == ZNODE_GONE)
        return "gone";
    if (n->state == ZNODE_REFUSED)
        return "unreadable";
    return record_read(r, n, MEMBER_ID, MEMBER_COUNT) ? NULL : "unparseable";
}

static void report_lowest(const struct report *p, struct record *r)
{
    if (!p->filled) {
        record_note(r, "election may be in progress");
        r->brief = "about to lead";
        return;
    }
    record_note(r, "should be leader but another candidate is claiming the role");
    record_note(r, "possibly waiting for previous leader resignation");
    r->brief = viewer_leader(p->viewer) ? "next after the leader" : "waiting for the last leader's silence";
}

static void report_times(const struct report *p, struct record *r, const struct znode *n)
{
    nanos proposed;
    if (step_down_asked(p->viewer, n->name)) {
        record_note(r, "asked to step down");
        r->brief = "asked to step down";
    }
    if (!time_parse(r->fields[MEMBER_TIME], &proposed))
        return;
    record_note(r, "proposal node created %s ago", duration_string(p->now - proposed).data);
    nanos drift = clock_limit(n->stat.ctime, MILLISECOND) - proposed;
    if (drift > MILLISECOND || drift < -MILLISECOND)
        record_note(r, "time drift of %s between proposal and zookeeper write", duration_string(drift).data);
}

static void report_candidate(const struct report *p, const struct znode *n, struct record *r)
{
    const struct viewer *v = p->viewer;
    const struct znode *leader = viewer_leader(v);
    *r = (struct record){ .note_count = 0 };
    if (leader && n == leader) {
        record_note(r, "this proposal node claimed leadership");
        r->brief = "leads";
    } else if (!strcmp(n->name, p->lowest))
        report_lowest(p, r);
    if (n->state != ZNODE_GONE && !node_in_queue(n)) {
        record_note(r, "not an ephemeral proposal, ignored");
        r->brief = "ignored: not an ephemeral proposal";
    }
    const char *missing = record_missing(r, n);
    if (missing) {
        string_copy(r->fields[MEMBER_ID], sizeof r->fields[0], n->name);
        record_note(r, "%s", missing);
        r->brief = r->brief ? r->brief : missing;
    } else if (p->leader.fields[MEMBER_ID][0] && !strcmp(r->fields[MEMBER_ID], p->leader.fields[MEMBER_ID])) {
        record_note(r, "this candidate id claimed leadership");
        if (p->silent)
            record_note(r, "possibly resigning");
    }
    if (!r->fields[MEMBER_NODE][0])
        snprintf(r->fields[MEMBER_NODE], sizeof r->fields[0], "%s/%s", p->viewer->config.base_path, n->name);
    r->fields[MEMBER_HEARTBEAT][0] = '\0';
    if (!missing)
        report_times(p, r, n);
}

/* --- YAML and JSON ------------------------------------------------------------------- */

/* Whether a scalar may stand without quotes and is read as text all the same, by
 * readers of YAML 1.1 and 1.2. What is in doubt is quoted. */
static bool yaml_plain(const char *s)
{
    static const char words[] = "y n yes no on off true false null";
    size_t n = strlen(s);
    if (n == 0 || s[n - 1] == ' ' || s[n - 1] == ':' || !(isalnum((unsigned char)*s) || *s == '/'))
        return false;
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p >= 0x80 || (!isalnum((unsigned char)*p) && !strchr(" /._=+-:,()", *p)) ||
            (*p == ':' && p[1] == ' '))
            return false;
    if (isdigit((unsigned char)*s) && strspn(s, "0123456789abcdefABCDEFxXoOTtZz_.:+- ") == n)
        return false; /* it may be a number or a date */
    return choice_index(words, s) < 0;
}

static const char *yaml_name(const char *name)
{
    return !strcmp(name, "candidateId") ? "id" : !strcmp(name, "hostname") ? "host" : name;
}

static void print_value(bool json, const char *value)
{
    char quoted[6 * sizeof ((struct record *)0)->fields[0] + 3];
    struct text t = TEXT_IN(quoted);
    json_string(&t, value, strlen(value));
    printf(" %s", !json && yaml_plain(value) ? value : quoted);
}

/* The fields that are there: `first` before the first name, `next` before each other one (in JSON the same behind a
 * comma). Returns false if there are none. */
static bool print_record(bool json, const char *first, const char *next, const struct record *r)
{
    const char *before = first;
    for (int f = 0; f < MEMBER_COUNT; f++) {
        if (f == MEMBER_HEARTBEAT && r->note_count) {
            printf(json ? "%s\"notes\": [" : "%snotes:", before);
            before = next;
            for (size_t i = 0; i < r->note_count; i++) {
                printf(json ? "%s   " : "%s-", json && i == 0 ? first : next);
                print_value(json, r->notes[i]);
            }
            if (json)
                printf("%s]", first);
        }
        if (r->fields[f][0]) {
            printf(json ? "%s\"%s\":" : "%s%s:", before, json ? member_names[f] : yaml_name(member_names[f]));
            print_value(json, r->fields[f]);
            before = next;
        }
    }
    return before == next;
}

static void report_yaml(struct report *p)
{
    const struct viewer *v = p->viewer;
    fputs(p->leader.note_count ? "leader:" : "leader: {}", stdout);
    print_record(false, "\n  ", "\n  ", &p->leader);
    fputs(v->count ? "\nallCandidates:" : "\nallCandidates: []", stdout);
    for (size_t i = 0; i < v->count; i++) {
        report_candidate(p, &v->nodes[i], &p->candidate);
        print_record(false, "\n- ", "\n  ", &p->candidate);
    }
    if (record_there(&p->schedule)) {
        fputs("\nschedule:", stdout);
        print_record(false, "\n  ", "\n  ", &p->schedule);
    }
    putchar('\n');
}

static void report_json(struct report *p)
{
    const struct viewer *v = p->viewer;
    fputs("{\n    \"leader\": {", stdout);
    fputs(print_record(true, "\n        ", ",\n        ", &p->leader) ? "\n    }" : "}", stdout);
    fputs(",\n    \"candidates\": [", stdout);
    for (size_t i = 0; i < v->count; i++) {
        report_candidate(p, &v->nodes[i], &p->candidate);
        fputs(i ? ",\n        {" : "\n        {", stdout);
        print_record(true, "\n            ", ",\n            ", &p->candidate);
        fputs("\n        }", stdout);
    }
    fputs(v->count ? "\n    ]" : "]", stdout);
    if (record_there(&p->schedule)) {
        fputs(",\n    \"schedule\": {", stdout);
        print_record(true, "\n        ", ",\n        ", &p->schedule);
        fputs("\n    }", stdout);
    }
    fputs("\n}\n", stdout);
}

/* --- the table ---------------------------------------------------------------------------- */

#define TABLE_WIDTH 100 /* columns */

struct range { unsigned first, last; };

static bool range_has(const struct range *ranges, size_t count, unsigned c)
{
    while (count > 0 && (c < ranges->first || c > ranges->last))
        ranges++, count--;
    return count > 0;
}

/* The columns that a terminal gives to a character: none to marks of the commonest scripts, which stand on the
 * character before them, two to those of East Asia and to pictures. */
static size_t character_columns(unsigned c)
{
    static const struct range marks[] = {
        { 0x300, 0x36f }, { 0x483, 0x489 }, { 0x591, 0x5bd }, { 0x5bf, 0x5c7 }, { 0x610, 0x61a }, { 0x64b, 0x65f },
        { 0x670, 0x670 }, { 0x6d6, 0x6ed }, { 0x900, 0x902 }, { 0x93a, 0x93c }, { 0x941, 0x948 }, { 0x94d, 0x94d },
        { 0x951, 0x957 }, { 0x962, 0x963 }, { 0xe31, 0xe31 }, { 0xe34, 0xe3a }, { 0xe47, 0xe4e }, { 0x1160, 0x11ff },
        { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x200b, 0x200d }, { 0x2060, 0x2064 }, { 0x20d0, 0x20ff },
        { 0x302a, 0x302d }, { 0x3099, 0x309a }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f }, { 0xe0020, 0xe01ef },
    }, wide[] = {
        { 0x1100, 0x115f }, { 0x231a, 0x231b }, { 0x23e9, 0x23ec }, { 0x23f0, 0x23f0 }, { 0x23f3, 0x23f3 },
        { 0x2614, 0x2615 }, { 0x2648, 0x2653 }, { 0x26a1, 0x26a1 }, { 0x26aa, 0x26ab }, { 0x26bd, 0x26be },
        { 0x26c4, 0x26c5 }, { 0x26d4, 0x26d4 }, { 0x2705, 0x2705 }, { 0x270a, 0x270b }, { 0x2728, 0x2728 },
        { 0x274c, 0x274c }, { 0x2753, 0x2755 }, { 0x2757, 0x2757 }, { 0x2795, 0x2797 }, { 0x2b1b, 0x2b1c },
        { 0x2b50, 0x2b50 }, { 0x2b55, 0x2b55 }, { 0x2e80, 0x303e }, { 0x3041, 0xa4c6 }, { 0xa960, 0xa97c },
        { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe6b }, { 0xff01, 0xff60 }, { 0xffe0, 0xffe6 },
        { 0x16fe0, 0x1b2fb }, { 0x1f18e, 0x1f19a }, { 0x1f200, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f7e0, 0x1f7f0 },
        { 0x1f900, 0x1faff }, { 0x20000, 0x3fffd },
    };
    return range_has(marks, COUNT(marks), c) ? 0 : range_has(wide, COUNT(wide), c) ? 2 : 1;
}

static size_t text_columns(const char *s)
{
    size_t columns = 0;
    while (*s)
        columns += character_columns(character_next(&s));
    return columns;
}

/* Adds `s`, harmless for a terminal; what is wider than `width` columns ends in
 * an ellipsis, what is narrower is filled up if `fill`. */
static void text_cell(struct text *t, const char *s, size_t width, bool fill)
{
    bool fits = text_columns(s) <= width;
    size_t used = 0;
    while (*s) {
        unsigned c = character_next(&s);
        size_t columns = character_columns(c);
        if (!fits && used + columns + 1 > width)
            break;
        text_character(t, c);
        used += columns;
    }
    if (!fits) {
        text_string(t, "\xe2\x80\xa6");
        used++;
    }
    for (; fill && used < width; used++)
        text_string(t, " ");
}

static const struct { const char *title; size_t most; } columns[] = {
    { "CANDIDATE", 28 }, { "HOST", 24 }, { "PID", 8 }, { "AGE", 6 }, { "NOTES", 80 },
};

enum { COLUMN_COUNT = COUNT(columns), COLUMN_NOTES = COLUMN_COUNT - 1 };

struct row {
    const char *mark, *colour, *cells[COLUMN_COUNT];
    struct short_text age;
};

/* Row 0 has the titles. */
static void table_row(struct row *row, struct report *p, size_t i)
{
    struct record *r = &p->candidate;
    row->mark = "  ";
    row->colour = "\033[2m";
    for (int c = 0; c < COLUMN_COUNT; c++)
        row->cells[c] = columns[c].title;
    if (i == 0)
        return;
    const struct znode *n = &p->viewer->nodes[i - 1];
    bool leads = n == viewer_leader(p->viewer), odd = n->state != ZNODE_READ || !node_in_queue(n);
    report_candidate(p, n, r);
    row->mark = leads ? "* " : "  ";
    row->colour = leads ? "\033[32;1m" : odd ? "\033[33m" : "";
    row->age = age_string((p->now - n->stat.ctime * MILLISECOND) / SECOND);
    const char *const cells[COLUMN_COUNT] = {
        r->fields[MEMBER_ID], r->fields[MEMBER_HOST], r->fields[MEMBER_PID],
        n->state == ZNODE_READ ? row->age.data : "", r->brief ? r->brief : "",
    };
    memcpy(row->cells, cells, sizeof cells);
}

static void table_print(const struct row *row, const size_t *widths, bool colour)
{
    char buffer[4 * TABLE_WIDTH * 8];
    struct text t = TEXT_IN(buffer);
    text_string(&t, row->mark);
    for (int c = 0; c < COLUMN_COUNT; c++) {
        text_cell(&t, row->cells[c], widths[c], c != COLUMN_NOTES);
        text_string(&t, c == COLUMN_NOTES ? "" : "  ");
    }
    while (t.length && t.data[t.length - 1] == ' ')
        t.data[--t.length] = '\0';
    bool coloured = colour && *row->colour;
    printf("%s%s%s\n", coloured ? row->colour : "", buffer, coloured ? "\033[0m" : "");
}

static void table_head(const struct report *p)
{
    const struct viewer *v = p->viewer;
    const char *id = p->leader.fields[MEMBER_ID];
    char line[16 * TABLE_WIDTH];
    struct text t = TEXT_IN(line);
    bool leads = viewer_leader(v);
    if (leads)
        text_cell(&t, id, 40, false);
    text_string(&t, leads ? " leads " : "no candidate leads ");
    text_cell(&t, v->config.base_path, 40, false);
    printf("%s\n", line);
    t = TEXT_IN(line);
    if (p->filled && !leads && *id) {
        text_string(&t, "last led by ");
        text_cell(&t, id, 40, false);
        text_format(&t, ", whose proposal is gone; %s", p->heartbeat);
    } else
        text_string(&t, !v->base_exists ? "it does not exist: there has never been a candidate" :
                        p->filled ? (*p->heartbeat ? p->heartbeat : "its data is not a leader's heartbeat") :
                        v->count ? "it is empty: an election may be in progress" :
                        "it is empty, and has no candidates");
    printf("%s%s\n", line, p->silent && leads ? ", later than expected" : "");
}

/* The parts of the schedule's line, and of that about the last run: fields that are there, each behind its words. */
static const struct { enum member member; bool last_run; const char *words; } schedule_parts[] = {
    { MEMBER_SPEC, false, "schedule " }, { MEMBER_NEXT, false, ", next " },
    { MEMBER_RUN, true, "last run " }, { MEMBER_RUNNER, true, " by " }, { MEMBER_STATUS, true, ", ended with " },
    { MEMBER_SIGNAL, true, ", ended by signal " }, { MEMBER_END, true, " at " },
};

static void text_parts(struct text *t, const struct record *r, bool last_run)
{
    for (size_t i = 0; i < COUNT(schedule_parts); i++)
        if (schedule_parts[i].last_run == last_run && r->fields[schedule_parts[i].member][0]) {
            text_string(t, schedule_parts[i].words);
            text_cell(t, r->fields[schedule_parts[i].member], 40, false);
        }
}

static void table_schedule(const struct report *p)
{
    const struct record *r = &p->schedule;
    char line[64 * TABLE_WIDTH];
    struct text t = TEXT_IN(line);
    if (!record_there(r))
        return;
    text_parts(&t, r, false);
    text_format(&t, *p->next ? " (%s)" : "%s", p->next);
    printf("%s\n", *line ? line : "its record of activations cannot be read");
    t = TEXT_IN(line);
    text_parts(&t, r, true);
    for (size_t i = *p->next ? 1 : 0; i < r->note_count && *line; i++)
        text_format(&t, ", %s", r->notes[i]);
    if (*line)
        printf("%s\n", line);
}

static void report_table(struct report *p)
{
    struct row row;
    size_t widths[COLUMN_COUNT] = { 0 }, rest = TABLE_WIDTH - 2, rows = p->viewer->count ? p->viewer->count + 1 : 0;
    bool colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    table_head(p);
    table_schedule(p);
    for (size_t i = 0; i < rows; i++) {
        table_row(&row, p, i);
        for (int c = 0; c < COLUMN_COUNT; c++) {
            size_t wide = text_columns(row.cells[c]);
            widths[c] = wide > columns[c].most ? columns[c].most : wide > widths[c] ? wide : widths[c];
        }
    }
    for (int c = 0; c < COLUMN_NOTES; c++)
        rest -= widths[c] + 2;
    widths[COLUMN_NOTES] = rest;
    for (size_t i = 0; i < rows; i++) {
        table_row(&row, p, i);
        table_print(&row, widths, colour);
    }
}

/* --- the command --------------------------------------------------------------------------- */

/* What there was no memory for must not be taken for a base that names no leader, or for a Go ballot's proposal.
 * Says so. */
static bool viewer_lost(const struct viewer *v, struct log *log)
{
    if (v->lost)
        LOG(log, FATAL, "out of memory for what ZooKeeper holds");
    return v->lost;
}

/* Returns false if the picture was not whole within `limit`. */
static bool viewer_read(struct viewer *v, nanos limit)
{
    nanos deadline = clock_now() + limit;
    struct pollfd slots[BALLOT_POLLFDS];
    while (!viewer_whole(v) && !v->refused && clock_now() < deadline)
        viewer_round(v, slots, 0, deadline);
    return viewer_whole(v);
}

/* Returns false if there is no memory. */
static bool report_print(const struct viewer *v, struct log *log, nanos format)
{
    static void (*const writers[])(struct report *) = { INFO_FORMATS(MEANING) };
    struct report *p = memory_new(log, sizeof *p);
    if (!p)
        return false;
    report_open(p, v);
    writers[format](p);
    free(p);
    return true;
}

/* An activation is overdue by the servers' clock, which a leader's heartbeat tells, and nothing runs; or the last run
 * failed, and ballot had not stopped it. */
static int schedule_check(const struct viewer *v, struct log *log)
{
    const struct znode *n = &v->schedule;
    struct report *p = calloc(1, sizeof *p);
    int64_t next;
    if (!p || n->state == ZNODE_REFUSED) {
        LOG(log, FATAL, "cannot read the record of runs");
        free(p);
        return EXIT_BALLOT;
    }
    report_open(p, v);
    char (*const fields)[NODE_PATH_MAX] = p->schedule.fields;
    bool leads = viewer_leader(v), runs = leads && fields[MEMBER_START][0] && !fields[MEMBER_END][0];
    int64_t now = leads ? v->base.stat.mtime / 1000 : p->now / SECOND;
    bool due = !runs && moment_parse(fields[MEMBER_NEXT], &next) && next + 60 < now;
    int number = atoi(fields[MEMBER_SIGNAL]), status = atoi(fields[MEMBER_STATUS]);
    bool failed = (number || status) && !json_has(n->data, n->length, "stopped");
    if (due)
        printf("the next activation %s\n", p->next);
    else if (failed)
        printf("the last run ended with %s %d\n", number ? "signal" : "status", number + status);
    free(p);
    return due || failed ? EXIT_UNHEALTHY : 0;
}

static int info(const struct settings *s, struct log *log, char **command)
{
    bool check = setting_number(s, SET_CHECK);
    nanos limit = setting_number(s, SET_SESSION_TIMEOUT);
    struct viewer *v = viewer_open(s, log, check ? READ_NO_PROPOSAL : READ_ORDERS_AND_SCHEDULE, false);
    (void)command;
    if (!v)
        return EXIT_BALLOT;
    signal_handle(SIGPIPE, SIG_IGN);
    int status = EXIT_BALLOT;
    bool whole = viewer_read(v, limit);
    viewer_end(v, whole);
    if (whole && !check && !v->base_exists)
        LOG(log, WARN, "%s does not exist: there has never been a candidate", setting_text(s, SET_BASE_PATH));
    if (!whole)
        viewer_complain(v, log, limit);
    else if (viewer_lost(v, log))
        ; /* it is said */
    else if (check)
        status = viewer_leader(v) ? 0 : EXIT_NO_LEADER;
    else if (setting_number(s, SET_CHECK_SCHEDULE))
        status = schedule_check(v, log);
    else if (report_print(v, log, setting_number(s, SET_OUTPUT_FORMAT)))
        status = 0;
    viewer_free(v);
    return status;
}

/* ---------------------------------------------------------------------------
 * Watch: the present state, then a line for each change
 *
 * watch_next() compares what was read with what was shown and names the next line: a pure function. watch_show()
 * writes it, and makes it shown. The base is not read again before what it said is shown: only ZooKeeper, whose watches
 * fire once, ever makes two changes one.
 * ------------------------------------------------------------------------ */

#define WATCH_LINE_MAX 32768 /* bytes: every byte of foreign fields escaped */

/* The present state; changes of the leadership; of the queue; of our own contact. */
#define CHANGES(ROW)                                                                                                   \
    ROW(CHANGE_LEADER, "leader") ROW(CHANGE_VACANT, "vacant") ROW(CHANGE_CANDIDATE, "candidate")                       \
    ROW(CHANGE_ELECTED, "elected") ROW(CHANGE_RESIGNED, "resigned") ROW(CHANGE_LOST, "lost")                           \
    ROW(CHANGE_JOINED, "joined") ROW(CHANGE_LEFT, "left")                                                              \
    ROW(CHANGE_DISCONNECTED, "disconnected") ROW(CHANGE_CONNECTED, "connected")

enum change { CHANGES(MEANING) CHANGE_NONE };

static const char change_names[][16] = { CHANGES(SPELLING) };

/* As levels have them: well, on the way, lost; the queue. */
static const char change_colours[CHANGE_NONE] = {
    [CHANGE_LEADER] = 32, [CHANGE_ELECTED] = 32, [CHANGE_CONNECTED] = 32, [CHANGE_VACANT] = 33, [CHANGE_RESIGNED] = 33,
    [CHANGE_LOST] = 31, [CHANGE_DISCONNECTED] = 31, [CHANGE_CANDIDATE] = 36, [CHANGE_JOINED] = 36, [CHANGE_LEFT] = 36,
};

/* A candidate as a line names it: "" for what is not known. */
struct candidate {
    char id[BALLOT_ID_MAX + 1], host[256], pid[32], node[CHILD_MAX];
};

struct watch {
    struct viewer *viewer;
    bool begun;          /* the leader of the present state is shown           */
    bool greeting;       /* its candidates are being shown                     */
    bool connected;      /* as shown                                           */
    bool leads;          /* `leader` leads, as shown; else it was the last     */
    struct candidate leader;
    int64_t led;         /* czxid of the base that it led: another has other proposals, though of the same names */
    nanos since;         /* of the present state of `leads`; 0: not known      */
    nanos began_at, lost_contact_at;
};

static struct candidate candidate_read(const struct znode *n, const char *node)
{
    struct candidate p = { .id = "" };
    STRING_COPY(p.node, node);
    if (!n->data)
        return p;
    json_get(n->data, n->length, "candidateId", p.id, sizeof p.id);
    json_get(n->data, n->length, "hostname", p.host, sizeof p.host);
    json_get(n->data, n->length, "pid", p.pid, sizeof p.pid);
    return p;
}

/* A candidate of which all is known that ever will be. */
static bool node_showable(const struct znode *n)
{
    bool named = n->listed && !strncmp(n->name, NODE_PREFIX, strlen(NODE_PREFIX));
    return named && !n->shown &&
           (n->state == ZNODE_GONE || n->state == ZNODE_REFUSED || (n->state == ZNODE_READ && n->stat.ephemeralOwner));
}

/* How the leadership that was shown has ended, if it has. */
static enum change watch_end(const struct watch *w, const char *named)
{
    const struct viewer *v = w->viewer;
    if (v->base.stat.czxid != w->led)
        return CHANGE_LOST;
    if (!strcmp(named, w->leader.node))
        return !node_find(v, named) && !viewer_torn(v) ? CHANGE_LOST : CHANGE_NONE;
    if (v->base_exists && v->base.length == 0)
        return CHANGE_RESIGNED;
    return *named ? CHANGE_NONE : CHANGE_LOST;
}

/* The base names a candidate that is not shown as leader: shown, put off until it is known, or of no account. */
static enum change watch_claim(const struct watch *w, const char *named, bool *wait)
{
    const struct viewer *v = w->viewer;
    const struct znode *n = node_find(v, named);
    bool same = !strcmp(named, w->leader.node) && v->base.stat.czxid == w->led;
    if (!*named || (same && (w->leads || !n)))
        return CHANGE_NONE;
    bool unknown = n && !n->shown && (n->state == ZNODE_UNREAD || n->state == ZNODE_ASKED || node_showable(n));
    *wait = unknown || v->list_stat.czxid != v->base.stat.czxid || v->list_stat.pzxid < v->base.stat.pzxid;
    return *wait ? CHANGE_NONE : CHANGE_ELECTED;
}

/* The next change of the queue, which a leader leaves after its leadership. */
static enum change watch_queue(const struct watch *w, struct znode **about)
{
    const struct viewer *v = w->viewer;
    enum change change = CHANGE_NONE;
    if (v->list_stat.czxid != v->base.stat.czxid)
        return CHANGE_NONE; /* is the leader in this queue, or was it in the last? Both are read again */
    for (size_t i = 0; i < v->count && change != CHANGE_LEFT; i++) {
        struct znode *n = &v->nodes[i];
        bool gone = n->shown && !n->listed && !(w->leads && !strcmp(n->name, w->leader.node));
        if (!gone && (change != CHANGE_NONE || !node_showable(n)))
            continue;
        *about = n;
        change = gone ? CHANGE_LEFT : w->greeting ? CHANGE_CANDIDATE : CHANGE_JOINED;
    }
    return change;
}

static enum change watch_next(const struct watch *w, nanos now, struct znode **about, bool *wait)
{
    const struct viewer *v = w->viewer;
    bool connected = v->client.connected;
    *wait = false;
    if (w->connected && !connected && (w->begun || now - w->began_at >= v->client.timeout))
        return CHANGE_DISCONNECTED;
    if (!w->connected && connected)
        return CHANGE_CONNECTED;
    if (!w->begun)
        return !viewer_whole(v) ? CHANGE_NONE : viewer_leader(v) ? CHANGE_LEADER : CHANGE_VACANT;
    const char *named = v->named;
    enum change change = w->leads ? watch_end(w, named) : CHANGE_NONE;
    if (change == CHANGE_NONE && !w->greeting)
        change = watch_claim(w, named, wait);
    return change == CHANGE_NONE ? watch_queue(w, about) : change;
}

/* --- lines ------------------------------------------------------------------------ */

/* What a line says. */
struct notice {
    enum change change;
    struct candidate who, before; /* the candidate; the leader before it; no node: none                 */
    nanos span;                  /* without a leader, or out of contact, so long; negative: not known  */
    int colour;                  /* SGR; 0: none                                                       */
};

static const char *span_string(struct short_text *buffer, nanos span)
{
    *buffer = duration_round(span);
    return span < 0 ? "" : buffer->data;
}

static void json_node(struct text *t, const char *name, const char *path, const char *node)
{
    char whole[NODE_PATH_MAX];
    snprintf(whole, sizeof whole, "%s/%s", path, node);
    json_field(t, name, *node ? whole : "");
}

static void notice_json(struct text *t, const struct notice *n, const char *path)
{
    char when[64];
    struct text time = TEXT_IN(when);
    struct short_text span;
    bool contact = n->change == CHANGE_CONNECTED;
    text_wall(&time, clock_read(CLOCK_REALTIME), true);
    text_string(t, "{");
    json_field(t, "time", when);
    json_field(t, "event", change_names[n->change]);
    json_field(t, "candidateId", n->who.id);
    json_field(t, "hostname", n->who.host);
    json_field(t, "pid", n->who.pid);
    json_node(t, "proposalNode", path, n->who.node);
    json_field(t, "previousId", n->before.id);
    json_node(t, "previousNode", path, n->before.node);
    json_field(t, "vacantFor", contact ? "" : span_string(&span, n->span));
    json_field(t, "awayFor", contact ? span_string(&span, n->span) : "");
    text_string(t, "}\n");
}

/* `words` and what is known of a candidate, harmless for a terminal; nothing if it is empty. */
static void text_part(struct text *t, const char *words, const char *part)
{
    text_string(t, *part ? words : "");
    text_cell(t, part, SIZE_MAX, false);
}

static void candidate_text(struct text *t, const struct candidate *c)
{
    text_part(t, "", c->id[0] ? c->id : c->node);
    text_string(t, " (");
    text_part(t, "", c->host);
    text_part(t, c->host[0] ? ", pid " : "pid ", c->pid);
    text_part(t, c->host[0] || c->pid[0] ? ", " : "", c->node);
    text_string(t, ")");
}

static bool candidate_same(const struct candidate *one, const struct candidate *other)
{
    return !strcmp(one->id, other->id) && !strcmp(one->host, other->host) && !strcmp(one->pid, other->pid);
}

static void notice_human(struct text *t, const struct notice *n, const char *path)
{
    struct short_text span;
    (void)path;
    text_wall(t, clock_read(CLOCK_REALTIME), false);
    text_format(t, n->colour ? " \033[%dm%-12s\033[0m  " : " %.0d%-12s  ", n->colour, change_names[n->change]);
    if (n->who.node[0])
        candidate_text(t, &n->who);
    if (n->change == CHANGE_VACANT)
        text_string(t, n->who.node[0] ? " was the last leader, and its proposal is gone" : "no candidate leads");
    if (n->before.node[0] && candidate_same(&n->who, &n->before))
        text_string(t, ", again, with a new proposal");
    else
        text_part(t, ", after ", n->before.id[0] ? n->before.id : n->before.node);
    if (n->change == CHANGE_ELECTED && n->span >= 0)
        text_format(t, "; no candidate led for %s", span_string(&span, n->span));
    if (n->change == CHANGE_DISCONNECTED)
        text_string(t, "no contact with ZooKeeper");
    if (n->change == CHANGE_CONNECTED)
        text_format(t, "in contact again, after %s", span_string(&span, n->span));
    text_string(t, "\n");
}

/* --- showing ------------------------------------------------------------------------ */

/* The leader of the present state, or of the last one if no candidate leads; or one that is elected. */
static void watch_lead(struct watch *w, struct notice *n, nanos now)
{
    const struct viewer *v = w->viewer;
    if (n->change == CHANGE_ELECTED) {
        n->before = w->leader;
        n->span = !w->leads && w->since ? now - w->since : -1;
    } else
        w->begun = w->greeting = true;
    w->leads = n->change != CHANGE_VACANT;
    w->led = v->base.stat.czxid;
    if (v->named[0])
        w->leader = n->who = candidate_read(&v->base, v->named);
    struct znode *own = node_find(v, v->named);
    if (own && n->change == CHANGE_LEADER)
        own->shown = true; /* one line is enough */
}

static void watch_show(struct watch *w, struct log *log, nanos format, enum change change, struct znode *about,
                       nanos now)
{
    static void (*const writers[])(struct text *, const struct notice *, const char *path) = { EVENT_FORMATS(MEANING) };
    struct notice n = { .change = change, .span = -1, .colour = log->out.colour ? change_colours[change] : 0 };
    char line[WATCH_LINE_MAX];
    struct text t = TEXT_IN(line);
    if (change == CHANGE_CONNECTED || change == CHANGE_DISCONNECTED) {
        w->connected = change == CHANGE_CONNECTED;
        w->lost_contact_at = w->connected ? w->lost_contact_at : w->viewer->client.contact_since;
        n.span = w->connected ? now - w->lost_contact_at : -1;
    } else if (change == CHANGE_LEADER || change == CHANGE_VACANT || change == CHANGE_ELECTED)
        watch_lead(w, &n, now);
    else if (change == CHANGE_RESIGNED || change == CHANGE_LOST) {
        n.who = w->leader;
        w->leads = false;
        w->since = now;
    } else {
        n.who = candidate_read(about, about->name);
        about->shown = change != CHANGE_LEFT;
    }
    writers[format](&t, &n, w->viewer->config.base_path);
    queue_add(&log->out, &t);
}

/* Shows all that there is to show and room for; the rest can wait. */
static void watch_show_all(struct watch *w, struct log *log, nanos format)
{
    struct znode *about = NULL;
    bool wait = false;
    while (queue_room(&log->out) >= WATCH_LINE_MAX) {
        nanos now = clock_now();
        enum change change = watch_next(w, now, &about, &wait);
        if (change == CHANGE_NONE)
            break;
        watch_show(w, log, format, change, about, now);
    }
    bool full = queue_room(&log->out) < WATCH_LINE_MAX;
    w->greeting = w->greeting && full;
    w->viewer->hold_base = wait || full;
    log_turn(log);
}

enum { WATCH_SIGNAL, WATCH_OUT, WATCH_SLOTS };

/* Returns false if it is time to end. */
static bool watch_wait(struct watch *w, struct log *log)
{
    const struct viewer *v = w->viewer;
    struct queue *out = &log->out;
    struct pollfd slots[WATCH_SLOTS + BALLOT_POLLFDS] = {
        [WATCH_SIGNAL] = { signal_pipe[0], POLLIN, 0 },
        [WATCH_OUT] = { out->fd, (short)(queue_waits(out) && !out->retry_at ? POLLOUT : 0), 0 },
    };
    nanos wake = queue_retry(out);
    if (!w->begun && w->connected && !v->client.connected)
        wake = nanos_min(wake, w->began_at + v->client.timeout);
    viewer_round(w->viewer, slots, WATCH_SLOTS, wake);
    return !out->dead && !v->refused && !(slots[WATCH_OUT].revents & (POLLERR | POLLHUP | POLLNVAL)) &&
           signals_next() == 0;
}

static int watch(const struct settings *s, struct log *log, char **command)
{
    static const int caught[] = { SIGINT, SIGTERM, 0 }, ignored[] = { SIGPIPE, 0 };
    (void)command;
    if (!signals_open(caught, ignored)) {
        LOG(log, FATAL, "cannot start: %s", strerror(errno));
        return EXIT_BALLOT;
    }
    struct watch w = { .viewer = viewer_open(s, log, READ_ALL, true), .connected = true, .began_at = clock_now() };
    if (!w.viewer)
        return EXIT_BALLOT;
    bool lost = false;
    do
        watch_show_all(&w, log, setting_number(s, SET_OUTPUT_FORMAT));
    while (watch_wait(&w, log) && !(lost = viewer_lost(w.viewer, log)));
    bool refused = w.viewer->refused;
    if (refused)
        viewer_complain(w.viewer, log, 0);
    viewer_free(w.viewer);
    return refused || lost ? EXIT_BALLOT : 0;
}

/* ---------------------------------------------------------------------------
 * Step-down: asking the present leader to hand over
 *
 * The request is a field "stepDown" of the node "requests" (rule 13), which names the leader's proposal.
 * handover_next() is a pure function of what was read.
 * ------------------------------------------------------------------------ */

struct handover {
    struct viewer *viewer;
    struct log *log;
    bool begun;           /* `old` is known                              */
    struct candidate old; /* the leader when we came; node "": none      */
    int64_t led;          /* czxid of the base that it led, as `watch` has it */
    char name[8 * BALLOT_ID_MAX]; /* ... in words                        */
    bool gone_said;       /* that it cannot be asked                     */
    char json[DATA_MAX];  /* what is asked, until it is written          */
    bool json_wanted;     /* as the answer                               */
    bool unfit;           /* it cannot be added to what the node holds   */
};

enum handover_step {
    HANDOVER_WAIT, HANDOVER_BEGIN, HANDOVER_ASK, HANDOVER_TELL_GONE, HANDOVER_DONE,
    HANDOVER_NO_LEADER, HANDOVER_NO_OTHER, HANDOVER_AGAIN, HANDOVER_FOREIGN, HANDOVER_OLDER, HANDOVER_UNFIT,
    HANDOVER_REFUSED,
};

/* Whether there is a candidate besides the one with the proposal `node`. */
static bool handover_others(const struct viewer *v, const char *node)
{
    for (size_t i = 0; i < v->count; i++)
        if (node_in_queue(&v->nodes[i]) && strcmp(v->nodes[i].name, node) != 0)
            return true;
    return false;
}

static bool base_says(const struct viewer *v, const char *name)
{
    return v->base.data && json_has(v->base.data, v->base.length, name);
}

static enum handover_step handover_next(const struct handover *d)
{
    const struct viewer *v = d->viewer;
    if (v->ask_refused || d->unfit)
        return d->unfit ? HANDOVER_UNFIT : HANDOVER_REFUSED;
    if (v->client.flying[QUERY_ASK] || !viewer_whole(v))
        return HANDOVER_WAIT;
    const char *named = v->named;
    if (!d->begun) /* no leader, but candidates: one of them is about to lead */
        return *named || handover_others(v, "") ? HANDOVER_BEGIN : HANDOVER_NO_LEADER;
    if (*named && (strcmp(named, d->old.node) != 0 || v->base.stat.czxid != d->led)) {
        const struct candidate now = candidate_read(&v->base, named);
        return candidate_same(&now, &d->old) ? HANDOVER_AGAIN : HANDOVER_DONE;
    }
    if (!*named)
        return HANDOVER_WAIT;
    if (!viewer_leader(v))
        return d->gone_said || step_down_asked(v, d->old.node) ? HANDOVER_WAIT : HANDOVER_TELL_GONE;
    if (!base_says(v, "onDisconnect"))
        return HANDOVER_FOREIGN;
    if (!base_says(v, ORDERS_NAME))
        return HANDOVER_OLDER;
    if (step_down_asked(v, d->old.node))
        return HANDOVER_WAIT;
    return handover_others(v, d->old.node) ? HANDOVER_ASK : HANDOVER_NO_OTHER;
}

/* Copies the fields of an object, but for those whose names begin with `but`. */
static void json_copy(struct text *t, const char *bytes, size_t count, const char *but)
{
    struct json j = { bytes, bytes + count };
    char key[64];
    if (!json_take(&j, '{') || json_take(&j, '}'))
        return;
    do {
        json_space(&j);
        const char *field = j.at;
        struct text name = TEXT_IN(key);
        if (!json_read_string(&j, &name) || !json_take(&j, ':') || !json_skip(&j))
            return;
        if (!strncmp(key, but, strlen(but)))
            continue;
        text_string(t, t->length > 1 ? "," : "");
        text_bytes(t, field, (size_t)(j.at - field));
    } while (json_take(&j, ','));
}

/* Writes the request into what else is asked, which stays. */
static void handover_ask(struct handover *d)
{
    struct viewer *v = d->viewer;
    const struct znode *n = &v->orders;
    char when[128], host[256] = "", by[512];
    struct text t = TEXT_IN(d->json), time = TEXT_IN(when);
    bool there = n->listed && n->state == ZNODE_READ;
    d->unfit = there && n->length > 0 && (!n->data || !json_is_object(n->data, n->length));
    v->ask_refused = n->listed && n->state == ZNODE_REFUSED ? ZNOAUTH : 0;
    time_string(&time, v->born);
    gethostname(host, sizeof host - 1);
    snprintf(by, sizeof by, "%s, pid %ld, at %s", host, (long)getpid(), when);
    text_string(&t, "{");
    if (there && n->data)
        json_copy(&t, n->data, n->length, ORDER_STEP_DOWN);
    json_field(&t, ORDER_STEP_DOWN, d->old.node);
    json_field(&t, ORDER_STEP_DOWN "By", by);
    text_string(&t, "}");
    d->unfit = d->unfit || t.cut;
    if (d->unfit || v->ask_refused)
        return;
    const char *base = v->config.base_path, *path = viewer_path(v, ORDERS_NAME);
    int rc = there ? client_set(&v->client, QUERY_ASK, path, d->json, t.length, n->stat.version)
                   : client_create_like(&v->client, QUERY_ASK, path, d->json, t.length, base);
    if (rc != ZOK)
        client_hang_up(&v->client);
}

/* Why the leader was not asked, and what to do. */
static const char *handover_refusal(enum handover_step end)
{
    switch (end) {
    case HANDOVER_FOREIGN:
        return "it says no \"onDisconnect\", so it is a Go ballot, which knows no step-down; end it to make it hand "
               "over";
    case HANDOVER_OLDER:
        return "it says no \"" ORDERS_NAME "\", so it is an earlier ballot; end it (SIGTERM) to make it hand over, and "
               "start the present version in its place";
    default:
        return "what the node \"" ORDERS_NAME "\" below the base holds is too long, or no JSON object; delete that "
               "node, then ask again";
    }
}

/* What the end is, in words; the exit status. */
static int handover_report(const struct handover *d, enum handover_step end)
{
    const char *path = d->viewer->config.base_path, *old = d->name;
    char leader[sizeof d->name], buffer[4 * BALLOT_PATH_MAX + 1];
    struct text shown = TEXT_IN(buffer), name = TEXT_IN(leader);
    const struct candidate now = candidate_read(&d->viewer->base, d->viewer->named);
    candidate_text(&name, &now);
    switch (end) {
    case HANDOVER_DONE:
        if (d->json_wanted) {
            char line[WATCH_LINE_MAX];
            struct text t = TEXT_IN(line);
            notice_json(&t, &(struct notice){ CHANGE_ELECTED, now, d->old, -1, 0 }, path);
            fputs(line, stdout);
            return 0;
        }
        text_visible(&shown, path, strlen(path));
        printf("%s leads %s now, %s%s\n", leader, shown.data, *old ? "after " : "where no candidate led", old);
        return 0;
    case HANDOVER_NO_LEADER:
        LOG(d->log, FATAL, "no candidate leads %s: none can step down", path);
        return EXIT_NO_LEADER;
    case HANDOVER_NO_OTHER:
        LOG(d->log, FATAL, "no other candidate stands in %s: %s leads on, it was not asked", path, old);
        break;
    case HANDOVER_AGAIN:
        LOG(d->log, FATAL, "no other candidate took over in %s: %s leads again", path, leader);
        break;
    case HANDOVER_REFUSED:
        LOG(d->log, FATAL, "asking %s to step down is refused: %s (the right to read %s and its access list, and to "
            "read and write %s/" ORDERS_NAME " or to create it, is needed)", old,
            error_text(d->viewer->ask_refused), path, path);
        break;
    default:
        LOG(d->log, FATAL, "%s cannot be asked: %s", old, handover_refusal(end));
    }
    return EXIT_BALLOT;
}

/* Whether the leader's heartbeats say that it acts on what is asked. */
static bool handover_acknowledged(const struct viewer *v)
{
    char number[24];
    return v->base.data && json_get(v->base.data, v->base.length, ORDERS_NAME, number, sizeof number) &&
           strtoll(number, NULL, 10) >= v->orders.stat.mzxid;
}

/* Why it took too long: what is known of the leader that was asked. */
static int handover_late(const struct handover *d, nanos waited)
{
    const struct viewer *v = d->viewer;
    const struct short_text within = duration_string(waited);
    if (!v->client.connected || !d->begun) {
        viewer_complain(v, d->log, waited);
        return EXIT_BALLOT;
    }
    if (!*v->named && !d->name[0])
        LOG(d->log, FATAL, "no candidate leads %s, and none has begun to within %s", v->config.base_path, within.data);
    else if (!*v->named)
        LOG(d->log, FATAL, "%s has resigned, but no candidate has taken over within %s", d->name, within.data);
    else if (!viewer_leader(v))
        LOG(d->log, FATAL, "%s is gone or cut off, and no candidate has taken over within %s: the others wait until "
            "it has been silent for long enough", d->name, within.data);
    else
        LOG(d->log, FATAL, "%s has not handed over within %s: %s; it stays asked", d->name, within.data,
            handover_acknowledged(v) ? "its command may still be ending"
            : "it has not acknowledged the request, and most likely is out of contact");
    return EXIT_LATE;
}

static void handover_begin(struct handover *d)
{
    struct text name = TEXT_IN(d->name);
    d->begun = true;
    d->old = (struct candidate){ .node = "" };
    if (!d->viewer->named[0])
        return;
    d->old = candidate_read(&d->viewer->base, d->viewer->named);
    d->led = d->viewer->base.stat.czxid;
    candidate_text(&name, &d->old);
}

/* Follows the election to its end, or to the deadline. */
static int handover_run(struct handover *d, nanos limit)
{
    struct viewer *v = d->viewer;
    struct pollfd slots[BALLOT_POLLFDS];
    nanos deadline = clock_now() + limit;
    while (!v->refused && clock_now() < deadline) {
        if (viewer_lost(v, d->log))
            return EXIT_BALLOT;
        enum handover_step step = handover_next(d);
        if (step == HANDOVER_BEGIN)
            handover_begin(d);
        else if (step == HANDOVER_ASK)
            handover_ask(d);
        else if (step == HANDOVER_TELL_GONE) {
            d->gone_said = true;
            LOG(d->log, WARN, "%s cannot be asked: its proposal is gone; waiting for another to take over", d->name);
        } else if (step != HANDOVER_WAIT)
            return handover_report(d, step);
        else
            viewer_round(v, slots, 0, deadline);
    }
    if (!v->refused)
        return handover_late(d, limit);
    viewer_complain(v, d->log, limit);
    return EXIT_BALLOT;
}

static int step_down(const struct settings *s, struct log *log, char **command)
{
    struct handover *d = memory_new(log, sizeof *d);
    struct viewer *v = d ? viewer_open(s, log, READ_ORDERS, true) : NULL;
    int status = EXIT_BALLOT;
    (void)command;
    if (v) {
        d->viewer = v;
        d->log = log;
        d->json_wanted = setting_number(s, SET_OUTPUT_FORMAT);
        signal_handle(SIGPIPE, SIG_IGN);
        status = handover_run(d, setting_number(s, SET_TIMEOUT));
        viewer_end(v, viewer_whole(v));
        viewer_free(v);
    }
    free(d);
    return status;
}

/* ---------------------------------------------------------------------------
 * Commands: `config`, `next`, and the array of all; their rows are in Settings
 * ------------------------------------------------------------------------ */

static void next_print(int64_t at, const struct ballot_zone *zone, bool distance)
{
    char line[128];
    struct text t = TEXT_IN(line);
    text_string(&t, at == BALLOT_NEVER ? "never" : moment_string(at, ballot_zone_offset(zone, at)).data);
    int64_t away = at - moment_now();
    if (distance && at != BALLOT_NEVER)
        text_format(&t, away < 0 ? "  %s ago" : "  in %s", age_string(away < 0 ? -away : away).data);
    puts(line);
}

static int next_run(const struct settings *s, struct log *log, char **spec)
{
    struct ballot_zone zone;
    struct ballot_cron cron = { .every = 0 };
    struct ballot_cron_error error; /* settings_check_schedule() has found none */
    (void)log;
    ballot_zone_local(&zone);
    ballot_cron_parse(&cron, &zone, *spec, &error);
    int64_t at = setting_text(s, SET_NEXT_FROM) ? setting_number(s, SET_NEXT_FROM) : moment_now();
    for (nanos i = setting_number(s, SET_NEXT_COUNT); i > 0 && at != BALLOT_NEVER; i--) {
        at = ballot_cron_next(&cron, &zone, at, (enum ballot_dst)setting_number(s, SET_DST));
        next_print(at, &zone, isatty(STDOUT_FILENO));
    }
    return 0;
}

/* When what happens, in milliseconds. */
static void config_deadlines(nanos timeout, bool stop)
{
    static const struct { const char *name; enum part part; bool keep; } deadlines[] = {
        { "heartbeat", PART_HEARTBEAT, true }, { "term", PART_STOP_TERM, false }, { "kill", PART_STOP_KILL, false },
        { "lease", PART_LEASE, true }, { "claim", PART_CLAIM_STOP, false }, { "claim", PART_CLAIM, true },
    };
    fputs("; ms from the sending of the last acknowledged heartbeat:", stdout);
    for (size_t i = 0; i < COUNT(deadlines); i++)
        if (stop ? deadlines[i].part != PART_CLAIM : deadlines[i].keep)
            printf(" %s %" PRId64, deadlines[i].name,
                   (part(timeout, (int)deadlines[i].part) + MILLISECOND / 2) / MILLISECOND);
    putchar('\n');
}

/* As lines of a configuration file. */
static int config(const struct settings *s, struct log *log, char **command)
{
    char shown[4 * FILE_MAX];
    (void)log;
    (void)command;
    for (enum setting_id id = 0; id < SETTING_COUNT; id++) {
        const struct value *v = &s->values[id];
        struct text t = TEXT_IN(shown);
        if (!(settings_table[id].commands & s->command))
            continue;
        text_format(&t, v->text ? "%s = " : "; %s is not set", settings_table[id].name);
        const char *text = setting_secret(id) ? "(not shown)" : v->text;
        if (v->text) {
            text_visible(&t, text, strlen(text));
            text_string(&t, " ; ");
            text_visible(&t, v->source, strlen(v->source));
        }
        puts(shown);
    }
    bool stop = setting_number(s, SET_ON_DISCONNECT) == DISCONNECT_STOP;
    if (s->command & FOR_RUN)
        config_deadlines(setting_number(s, SET_SESSION_TIMEOUT), stop);
    return 0;
}

#define COMMAND_ROW(id, words, takes_command, operand, run, arguments, summary, example) \
    { words, FOR_##id, takes_command, operand, run, arguments, summary, example },

static const struct command {
    const char *words;
    int bit;             /* FOR_...: which settings are its own           */
    bool takes_command;  /* COMMAND [ARG...] follows                      */
    const char *operand; /* the one word that follows, among options      */
    int (*run)(const struct settings *, struct log *, char **command);
    const char *arguments, *summary, *example;
} commands[] = { COMMANDS(COMMAND_ROW) };

/* ---------------------------------------------------------------------------
 * Help: usage, the man page, the example of a configuration file, completion for shells; all from the tables
 * ------------------------------------------------------------------------ */

#define HELP_WIDTH  80
#define HELP_COLUMN 30 /* where the text beside an option begins */

/* Prints words, broken at HELP_WIDTH, from column `at` on; later lines begin with `lead`, filled up to `indent`. */
static void help_wrap(const char *text, int at, int indent, const char *lead)
{
    for (const char *p = text; *p; p += strspn(p, " ")) {
        int n = (int)strcspn(p, " ");
        if (at > indent && at + 1 + n > HELP_WIDTH) {
            printf("\n%-*s", indent, lead);
            at = indent;
        }
        at += printf("%*s%.*s", at < indent ? indent - at : at > indent ? 1 : 0, "", n, p);
        p += n;
    }
    putchar('\n');
}

/* What a setting is for these commands: its help, its words, its default. */
static void setting_about(const struct setting *row, int wanted, char *buffer, size_t size, bool initial)
{
    struct text t = text_in(buffer, size);
    text_string(&t, row->help);
    const char *words = row->type == TYPE_FORMAT && wanted != FOR_ALL ? format_words(wanted) : row->choices;
    if (words)
        text_format(&t, "; one of: %s", words);
    else if (row->type == TYPE_FORMAT)
        text_string(&t, "; info:" INFO_FORMATS(WORD) "; others:" EVENT_FORMATS(WORD));
    if (row->initial && initial)
        text_format(&t, " (default %s)", row->initial);
}

/* Shows the settings of the commands that are wanted, group by group, each with a title. */
static void settings_show(int wanted, const char *title, void (*show)(const struct setting *row, int wanted))
{
    static const char titles[][24] = { GROUPS(SPELLING) };
    for (enum group g = 0; g < GROUP_COUNT; g++) {
        bool titled = false;
        for (enum setting_id id = 0; id < SETTING_COUNT; id++) {
            const struct setting *row = &settings_table[id];
            if (row->group != g || !(row->commands & wanted))
                continue;
            if (!titled)
                printf("%s%s\n", title, titles[g]);
            titled = true;
            show(row, wanted);
        }
    }
}

static void help_setting(const struct setting *row, int wanted)
{
    char about[512];
    setting_about(row, wanted, about, sizeof about, true);
    int at = printf("  ");
    for (size_t i = 0; i < COUNT(setting_letters); i++)
        if (row == &settings_table[setting_letters[i].id])
            at += printf("-%c, ", setting_letters[i].letter);
    at += printf("--%s=%s", row->name, type_names[row->type]);
    if (at + 2 > HELP_COLUMN) {
        putchar('\n');
        at = 0;
    }
    help_wrap(about, at, HELP_COLUMN, "");
}

static void help_command(const struct command *c)
{
    printf("ballot %s: %s\n\nusage: ballot %s [OPTIONS] %s\n", c->words, c->summary, c->words, c->arguments);
    settings_show(c->bit, "\n", help_setting);
    printf("\n  -h, --help\n\nExample\n  %s\n", c->example);
}

static void help_overview(void)
{
    puts("ballot: runs a command on one of many machines\n\nusage:");
    for (size_t i = 0; i < COUNT(commands); i++)
        printf("  ballot %s [OPTIONS] %s\n", commands[i].words, commands[i].arguments);
    puts("  ballot help [COMMAND]            or --help behind it: its options\n"
         "  ballot help --man                the manual, for `man -l -`\n"
         "  ballot help --ini                a configuration file with all settings\n"
         "  ballot help --completion=SHELL   completion for bash, zsh or fish\n"
         "  ballot --version\n\ncommands:");
    for (size_t i = 0; i < COUNT(commands); i++)
        help_wrap(commands[i].summary, printf("  %-12s", commands[i].words), 14, "");
    putchar('\n');
    help_wrap("Each option is also a variable (--log-level: BALLOT_LOG_LEVEL) and a line of the configuration file "
              "(log-level = debug). The command line is stronger than the environment, the environment than the file.",
              0, 0, "");
}

/* --- the man page (man(7), roff) ---------------------------------------------- */

/* Text as roff takes it literally. */
static void man_text(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++)
        switch (*text) {
        case '-':  fputs("\\-", stdout); break;
        case '\\': fputs("\\e", stdout); break;
        case '~':  fputs("\\(ti", stdout); break;
        case '\'': fputs("\\(aq", stdout); break;
        case '`':  fputs("\\(ga", stdout); break;
        default:   putchar(*text);
        }
    putchar('\n');
}

static void man_section(const char *title, const char *text)
{
    printf(".SH %s\n", title);
    man_text(text);
}

static void man_setting(const struct setting *row, int wanted)
{
    char about[512], option[128];
    setting_about(row, wanted, about, sizeof about, true);
    snprintf(option, sizeof option, "--%s=%s", row->name, type_names[row->type]);
    puts(".TP");
    man_text(option);
    man_text(about);
}

static void man_commands(void)
{
    puts(".SH COMMANDS");
    for (size_t i = 0; i < COUNT(commands); i++) {
        printf(".TP\n.B %s\n", commands[i].words);
        man_text(commands[i].summary);
    }
    puts(".SH EXAMPLES");
    for (size_t i = 0; i < COUNT(commands); i++) {
        puts(".PP\n.nf");
        man_text(commands[i].example);
        puts(".fi");
    }
}

/* What follows the options. */
static const struct { const char *title, *text; } man_sections[] = {
    { "ENVIRONMENT",
      "Each option is also a variable: --log-level is BALLOT_LOG_LEVEL. An empty variable counts as not "
      "set. The command gets BALLOT_LEADER_ID, BALLOT_LEADER_NODE and BALLOT_FENCING_TOKEN, a number that "
      "is greater for each new leader; of run cron also BALLOT_SCHEDULED_TIME." },
    { "FILES",
      "~/.config/ballot/ballot.ini (or in XDG_CONFIG_HOME), /etc/ballot/ballot.ini or ./ballot.ini: "
      "the first that exists, or what config-file names. Each option is a line name = value there. Lines "
      "before any section hold for all commands, those below [run] or [run once] for that one. Precedence: "
      "command line, environment, file." },
    { "EXIT STATUS",
      "The command's own; 128+n if it died of signal n; 126 if it cannot be executed, 127 if it was not "
      "found; 125 where ballot itself failed: usage, configuration, no contact, on-election-failure=exit. "
      "3 of info --check and of step-down: no candidate leads. 75 (EX_TEMPFAIL) of "
      "step-down: not in time. Told to end by a signal, ballot dies of that signal, after the command." },
    { "SIGNALS",
      "HUP, INT, QUIT, TERM, USR1, USR2, WINCH and CONT are passed on to the command. INT, QUIT and TERM "
      "(HUP, too, if started from a terminal, not by nohup) also mean: stop the command, "
      "resign, end. A second one kills it." },
    { "SCHEDULES",
      "Five fields: minute hour day-of-month month day-of-week, or six, the first for seconds. Each is a "
      "list of * (or ?), numbers, names (jan, mon) and ranges (1-5), each with a step or not (*/15). If "
      "neither day field has a star, one of them is enough. @yearly, @annually, @monthly, @weekly, @daily, "
      "@midnight, @hourly; @every 90s. TZ=Europe/Berlin in front names the zone, else it is the machine's. "
      "ballot next shows what a schedule means." },
    { "FAULTS",
      "T is the session timeout. A process ends or is killed: another takes over in milliseconds. A machine "
      "or its network dies: after T. Leader cut off: with keep the command goes on, another runs it, too, "
      "from T on, until the first is back in contact; with stop it gets SIGTERM at T/2, is dead at 2/3 T, "
      "another starts after 5/6 T at the earliest. Servers down: with keep all goes on, with stop nothing "
      "runs until they are back. Machine or both processes frozen: only the fencing token protects. "
      "ballot config shows the times." },
    { "SEE ALSO",
      "crontab(5), systemd.service(5), flock(1)" },
};

static void help_man(void)
{
    puts(".TH BALLOT 1 \"\" \"ballot " BALLOT_VERSION "\" \"User Commands\"");
    man_section("NAME", "ballot - runs a command on one of many machines");
    puts(".SH SYNOPSIS\n.nf");
    for (size_t i = 0; i < COUNT(commands); i++) {
        char line[200];
        snprintf(line, sizeof line, "ballot %s [OPTIONS] %s", commands[i].words, commands[i].arguments);
        man_text(line);
    }
    man_text("ballot help [COMMAND]");
    puts(".fi");
    man_section("DESCRIPTION",
                "Every machine starts the same line. They elect a leader through ZooKeeper; the leader runs the "
                "command, the others wait. Where the leader's process ends, or is killed, another machine takes over "
                "in milliseconds; where its machine dies, when the session timeout is over. With on-disconnect=keep, "
                "the default, a leader that is cut off alone and its successor may both run the command, until the "
                "first is back in contact; if at most one may run, set on-disconnect=stop on all machines, or let the "
                "resource that the command works on check its fencing token. A ballot is two processes: the candidate "
                "talks to ZooKeeper, its guard owns the command, and ends it when the candidate is gone.");
    man_commands();
    puts(".SH OPTIONS");
    settings_show(FOR_ALL, ".SS ", man_setting);
    for (size_t i = 0; i < COUNT(man_sections); i++)
        man_section(man_sections[i].title, man_sections[i].text);
}

/* --- the example of a configuration file ------------------------------------------ */

static void ini_setting_show(const struct setting *row, int wanted)
{
    char about[512];
    if (row == &settings_table[SET_CONFIG_FILE])
        return; /* says where this file is */
    setting_about(row, wanted, about, sizeof about, false);
    printf("\n; ");
    help_wrap(about, 2, 2, ";");
    printf(row->initial ? ";%s = %s\n" : "; %s = %s\n", row->name, row->initial ? row->initial : type_names[row->type]);
}

static void help_ini(void)
{
    puts("; ballot's settings and their defaults. Copy it to /etc/ballot/ballot.ini, and\n"
         "; take the semicolon away in front of what you change. Lines before any section\n"
         "; hold for all commands, those below [run] or [run once] for that one. A list\n"
         "; may go on in the next lines, indented. The command line and the environment\n"
         "; are stronger.");
    settings_show(FOR_ALL, "\n; --- ", ini_setting_show);
}

/* --- completion: what shells are told; the rest is `ballot __complete`, see Main -------- */

static void help_bash(void)
{
    puts("# bash completion for ballot, as `ballot help --completion=bash` prints it\n"
         "_ballot() { # the words up to the cursor; bash may have cut them at each =\n"
         "    local word about prefix= typed=${COMP_WORDS[COMP_CWORD]} words=() at=() i n\n"
         "    for ((i = 1; i <= COMP_CWORD; i++)); do\n"
         "        n=${#words[@]}\n"
         "        if ((n)) && [[ ${COMP_WORDS[i]} == = || ${COMP_WORDS[i - 1]} == = ]]; then "
         "words[n - 1]+=${COMP_WORDS[i]}\n"
         "        else words[n]=${COMP_WORDS[i]} at[n]=$i; fi\n"
         "    done\n"
         "    [[ $typed == = ]] && typed=\n"
         "    word=${words[${#words[@]} - 1]}\n"
         "    prefix=${word%\"$typed\"}\n"
         "    COMPREPLY=()\n"
         "    while IFS=$'\\t' read -r word about; do\n"
         "        case $word in\n"
         "        :files)\n"
         "            compopt -o filenames 2>/dev/null\n"
         "            while read -r word; do COMPREPLY+=(\"$word\"); done < <(compgen -f -- \"$typed\") ;;\n"
         "        :command*)\n"
         "            i=${at[${word#:command }]}\n"
         "            if declare -F _command_offset >/dev/null; then _command_offset \"$i\"; return; fi\n"
         "            ((i == COMP_CWORD)) && while read -r word; do COMPREPLY+=(\"$word\"); done "
         "< <(compgen -c -- \"$typed\")\n"
         "            while read -r word; do COMPREPLY+=(\"$word\"); done < <(compgen -f -- \"$typed\") ;;\n"
         "        *)\n"
         "            COMPREPLY+=(\"${word#\"$prefix\"}\")\n"
         "            [[ $word == *= ]] && compopt -o nospace 2>/dev/null ;;\n"
         "        esac\n"
         "    done < <(\"${1/#\\~\\//$HOME/}\" __complete \"${words[@]}\" 2>/dev/null)\n"
         "}\n"
         "complete -F _ballot ballot");
}

static void help_zsh(void)
{
    puts("#compdef ballot\n"
         "# zsh completion for ballot, as `ballot help --completion=zsh` prints it\n"
         "_ballot() {\n"
         "    local line word\n"
         "    local -a open whole\n"
         "    for line in \"${(@f)$(${~${(Q)words[1]}} __complete \"${(@Q)words[2,CURRENT-1]}\" \"$PREFIX\" "
         "2>/dev/null)}\"; do\n"
         "        case $line in\n"
         "        (:files) compset -P '--*='; _files; return ;;\n"
         "        (:command*)\n"
         "            shift $((${line#:command } + 1)) words\n"
         "            ((CURRENT -= ${line#:command } + 1))\n"
         "            _normal; return ;;\n"
         "        (*$'\\t'*) word=${line%%$'\\t'*}; word=${word//:/\\\\:}:${line#*$'\\t'} ;;\n"
         "        (*) word=${line//:/\\\\:} ;;\n"
         "        esac\n"
         "        if [[ ${line%%$'\\t'*} == *= ]]; then open+=(\"$word\"); elif [[ -n $line ]]; then "
         "whole+=(\"$word\"); fi\n"
         "    done\n"
         "    ((#open)) && _describe option open -S ''\n"
         "    ((#whole)) && _describe word whole\n"
         "}\n"
         "if [[ $funcstack[1] == _ballot ]]; then _ballot \"$@\"; else compdef _ballot ballot; fi");
}

static void help_fish(void)
{
    puts("# fish completion for ballot, as `ballot help --completion=fish` prints it\n"
         "function __ballot_complete\n"
         "    set -l words (commandline -opc)\n"
         "    set -l typed (commandline -ct)\n"
         "    set -l program $words[1]\n"
         "    set -e words[1]\n"
         "    for line in (command $program __complete $words \"$typed\" 2>/dev/null)\n"
         "        switch $line\n"
         "            case ':files'\n"
         "                set -l prefix (string match -r -- '^--[^=]*=' $typed)\n"
         "                for path in (__fish_complete_path (string replace -r -- '^--[^=]*=' '' $typed))\n"
         "                    echo $prefix$path\n"
         "                end\n"
         "            case ':command *'\n"
         "                set -a words \"$typed\"\n"
         "                set -e words[1..(string replace ':command ' '' $line)]\n"
         "                __fish_complete_subcommand --commandline $words\n"
         "            case '*'\n"
         "                echo $line\n"
         "        end\n"
         "    end\n"
         "end\n"
         "complete -c ballot -f -a '(__ballot_complete)'");
}

static void version(void)
{
    printf("ballot %s (ZooKeeper client %s, inih %s)\n", BALLOT_VERSION, ZOO_VERSION, INIH_VERSION);
}

/* ---------------------------------------------------------------------------
 * Main: from words to a command
 * ------------------------------------------------------------------------ */

struct invocation {
    char words[64];                /* command words so far, "run once"      */
    const struct command *command; /* the one that they name                */
    char **rest;                   /* COMMAND [ARG...], or the operand      */
    bool help, config;             /* `help`, `config` stand in front of it */
    void (*page)(void);            /* --version, or of help: --man, ...     */
};

/* Options of `help` alone. */
static const struct { char word[24]; void (*page)(void); } help_pages[] = {
    { "--man", help_man }, { "--ini", help_ini },
    { "--completion=bash", help_bash }, { "--completion=zsh", help_zsh }, { "--completion=fish", help_fish },
};

/* Takes argv[*at] as one of them; "--completion bash" is two words. */
static bool invocation_page(struct invocation *in, char **argv, int *at)
{
    char word[64];
    bool two = !strcmp(argv[*at], "--completion") && argv[*at + 1];
    snprintf(word, sizeof word, "%s%s%s", argv[*at], two ? "=" : "", two ? argv[*at + 1] : "");
    for (size_t i = 0; in->help && i < COUNT(help_pages); i++)
        if (!strcmp(word, help_pages[i].word)) {
            in->page = help_pages[i].page;
            *at += two;
            return true;
        }
    return false;
}

/* The command's words behind those of `in`; "": there are none, or it begins otherwise. */
static const char *command_next(const struct command *c, const struct invocation *in)
{
    size_t n = strlen(in->words);
    if (n == 0)
        return c->words;
    return !strncmp(c->words, in->words, n) && c->words[n] == ' ' ? c->words + n + 1 : "";
}

/* Takes a word as the next command word. Returns false if it is not one. */
static bool invocation_word(struct invocation *in, const char *word)
{
    size_t n = strlen(word), used = strlen(in->words);
    bool help = used == 0 && !strcmp(word, "help"), begins = false;
    const struct command *whole = NULL;
    for (size_t i = 0; i < COUNT(commands); i++) {
        const char *next = command_next(&commands[i], in);
        if (!*next || strncmp(next, word, n) != 0 || strcspn(next, " ") != n)
            continue;
        begins = true;
        if (!next[n])
            whole = &commands[i];
    }
    in->command = begins ? whole : in->command;
    if (whole && whole->bit == FOR_CONFIG)
        in->config = true; /* the words of another may follow */
    else if (begins)
        snprintf(in->words + used, sizeof in->words - used, "%s%s", used ? " " : "", word);
    in->help = in->help || help;
    return begins || help;
}

static bool invocation_unknown(struct settings *s, const struct invocation *in, const char *word)
{
    const char *space = in->words[0] ? " " : "";
    for (size_t i = 0; i < COUNT(commands); i++) {
        const char *rest = command_next(&commands[i], in);
        char next[32];
        string_copy(next, strcspn(rest, " ") + 1, rest);
        if (*rest && word_close(word, next))
            return settings_fail(s, "unknown command \"%s%s%.60s\"; did you mean \"%s\"?", in->words, space, word,
                                 commands[i].words);
    }
    return settings_fail(s, "unknown command \"%s%s%.60s\"; `ballot help` lists them", in->words, space, word);
}

/* The Go ballot takes options behind COMMAND for its own; here they are COMMAND's. */
static void invocation_warn_behind(const struct invocation *in, struct settings *s)
{
    for (char **word = in->rest + 1; word[0] && strcmp(word[0], "--") != 0; word++) {
        char option[80];
        size_t end;
        enum setting_id id = option_split(*word, option, &end);
        if (id < SETTING_COUNT && (settings_table[id].commands & in->command->bit))
            settings_warn(s, "%s stands behind the command, %.100s, and is passed on to it: ballot's own options stand "
                          "in front; if that is meant, put -- in front of the command", option, *in->rest);
    }
}

/* Sorts the words of the command line into options, command words and COMMAND. */
static bool invocation_parse(struct invocation *in, struct settings *s, char **argv)
{
    for (int i = 1; argv[i]; i++) {
        const char *word = argv[i];
        if (!strcmp(word, "--")) {
            if (in->command && in->command->operand)
                continue; /* nothing that begins with - can follow */
            in->rest = argv + i + 1;
            return true;
        }
        if (!strcmp(word, "-h") || !strcmp(word, "--help"))
            in->help = true;
        else if (!strcmp(word, "--version"))
            in->page = version;
        else if (invocation_page(in, argv, &i))
            continue;
        else if (in->help && !strncmp(word, "--completion", strlen("--completion")))
            return settings_fail(s, "--completion is for bash, zsh or fish");
        else if (word[0] == '-' && word[1]) {
            if (!setting_from_flag(s, argv, &i, in->command ? in->command->bit : FOR_ALL))
                return false;
        } else if (in->command && in->command->operand) {
            if (in->rest)
                return settings_fail(s, "%s takes one %s, but \"%.60s\" follows it: put quotes around it all",
                                     in->words, in->command->operand, word);
            in->rest = argv + i;
        } else if (in->command && in->command->takes_command) {
            in->rest = argv + i;
            invocation_warn_behind(in, s);
            return true;
        } else if (!invocation_word(in, word))
            return invocation_unknown(s, in, word);
    }
    return true;
}

static bool invocation_check(const struct invocation *in, struct settings *s)
{
    if (!in->command)
        return settings_fail(s, "\"%s\" is not the whole command: it goes on as in \"run once\"", in->words);
    if (in->command->takes_command && (!in->rest || !in->rest[0]) && !in->config)
        return settings_fail(s, "%s: which COMMAND? As in: %s", in->words, in->command->example);
    if (in->command->operand && !in->rest)
        return settings_fail(s, "%s: which %s? As in: %s", in->words, in->command->operand, in->command->example);
    if (!in->command->takes_command && !in->command->operand && in->rest && in->rest[0])
        return settings_fail(s, "%s takes no COMMAND, but \"%.60s\" follows", in->words, in->rest[0]);
    if (in->command->operand) /* a schedule */
        setting_set(s, SET_SCHEDULE, in->rest[0], ORIGIN_ENVIRONMENT, in->command->operand);
    return !s->error[0] && settings_complete(s, in->command->bit, in->command->words);
}

static int invocation_run(const struct invocation *in, const struct settings *s)
{
    fd_close_all(-1); /* a setting may have named one of them, as --config-file=<(...) does */
    signal_handle(SIGXFSZ, SIG_IGN); /* a file size limit is like a full disk */
    struct log *log = log_open(s);
    if (!log) {
        fputs("ballot: out of memory\n", stderr);
        return EXIT_BALLOT;
    }
    for (const char *p = s->warnings; *p; p += strcspn(p, "\n") + 1)
        LOG(log, WARN, "%.*s", (int)strcspn(p, "\n"), p);
    if (!setting_number(s, SET_DEBUG))
        /* A core dump would delay the notice of our death, and contain zookeeper-auth. Not before log_open(): from here
         * on /dev/fd may be closed to us. */
        process_control(PR_SET_DUMPABLE, 0);
    int status = (in->config ? config : in->command->run)(s, log, in->rest);
    free(log);
    return status;
}

/* --- completion -----------------------------------------------------------------------
 *
 * `ballot __complete WORD...` is for shells: the words behind `ballot`, of which the last is
 * being typed. It prints what that may become, one a line, with a tab and a description; or
 * ":files", if the value is a file's name; or ":command N", if word N, from 0, begins COMMAND.
 */

struct completion {
    struct invocation in;    /* from the words before                              */
    const char *typed;       /* the last word                                      */
    enum setting_id value;   /* it is a value of this; SETTING_COUNT: of none      */
    int command_at;          /* where COMMAND begins; -1: not yet                  */
};

/* Offers before + the first n bytes of `word` + after, if that is what is being typed. */
static void complete_offer(const struct completion *c, const char *before, const char *word, size_t n,
                           const char *after, const char *about)
{
    char whole[160];
    snprintf(whole, sizeof whole, "%s%.*s%s", before, (int)n, word, after);
    if (!strncmp(whole, c->typed, strlen(c->typed)))
        printf("%s%s%s\n", whole, about ? "\t" : "", about ? about : "");
}

static void complete_words(const struct completion *c, const char *before, const char *words)
{
    for (const char *p = words; *p; p += strcspn(p, " "), p += strspn(p, " "))
        complete_offer(c, before, p, strcspn(p, " "), "", NULL);
}

static void complete_value(const struct completion *c, const char *before)
{
    const struct setting *row = &settings_table[c->value];
    const char *words = row->type == TYPE_BOOL ? "true false" : row->choices;
    if (row->type == TYPE_FORMAT && c->in.command)
        words = format_words(c->in.command->bit);
    if (row->type == TYPE_FILE)
        puts(":files");
    complete_words(c, before, words ? words : "");
}

static void complete_options(const struct completion *c)
{
    for (enum setting_id id = 0; id < SETTING_COUNT && c->in.command && !c->in.help; id++)
        if (settings_table[id].commands & c->in.command->bit)
            complete_offer(c, "--", settings_table[id].name, strlen(settings_table[id].name),
                           settings_table[id].type == TYPE_BOOL ? "" : "=", settings_table[id].help);
    for (size_t i = 0; i < COUNT(help_pages) && c->in.help; i++)
        complete_words(c, "", help_pages[i].word);
    complete_words(c, "", c->in.words[0] || c->in.help ? "--help" : "--help --version");
}

static void complete_commands(const struct completion *c)
{
    const char *before = "";
    for (size_t i = 0; i < COUNT(commands); i++) {
        const char *next = command_next(&commands[i], &c->in);
        size_t n = strcspn(next, " ");
        bool again = strcspn(before, " ") == n && !memcmp(before, next, n); /* "run" begins two */
        if (n && !again)
            complete_offer(c, "", next, n, "", next[n] ? NULL : commands[i].summary);
        before = next;
    }
    if (!c->in.words[0] && !c->in.help && !c->in.config)
        complete_offer(c, "", "help", 4, "", "options, manual, completion");
}

/* Learns from the words before the last one. Returns false if they make no sense. */
static bool complete_learn(struct completion *c, char **words, int last)
{
    for (int i = 0; i <= last; i++) {
        bool takes = c->in.command && c->in.command->takes_command && !c->in.help;
        bool dashes = i < last && !strcmp(words[i], "--");
        if (takes && (dashes || words[i][0] != '-')) {
            c->command_at = i + dashes;
            return true;
        }
        if (dashes && !(c->in.command && c->in.command->operand))
            return false; /* nothing can follow */
        if (i < last && words[i][0] == '-') {
            enum setting_id id = setting_option(words[i]);
            if (id < SETTING_COUNT && settings_table[id].type != TYPE_BOOL && ++i == last)
                c->value = id; /* the next word is its value */
        } else if (i < last && (!c->in.command || !c->in.words[0]) && !invocation_word(&c->in, words[i]))
            return false;
    }
    return true;
}

static int complete(char **words, int count)
{
    struct completion c = { .typed = count > 0 ? words[count - 1] : "", .value = SETTING_COUNT, .command_at = -1 };
    char option[80] = "", before[80] = ""; /* "--name", "--name=" or "-n" */
    size_t n;
    if (count < 1 || !complete_learn(&c, words, count - 1))
        return 0;
    enum setting_id named = option_split(c.typed, option, &n);
    if (c.value == SETTING_COUNT && (c.typed[n] || option[1] != '-')) {
        snprintf(before, sizeof before, "%.*s", (int)n + (c.typed[n] == '='), c.typed);
        c.value = named;
    }
    if (c.command_at >= 0)
        printf(":command %d\n", c.command_at);
    else if (c.value != SETTING_COUNT)
        complete_value(&c, before);
    else if (c.typed[0] == '-')
        complete_options(&c);
    else
        complete_commands(&c);
    return 0;
}

/* The parent may have closed 0, 1 or 2: what we open must not land there. Without /dev/null, a folder will do. */
static void standard_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
        fd = fd >= 0 ? fd : open("/", O_RDONLY);
    } while (fd >= 0 && fd <= 2);
    fd_close(&fd);
}

/* Says if what was printed has not arrived. A reader that has seen enough is no error. */
static bool stdout_flushed(void)
{
    errno = EIO;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || errno == EPIPE)
        return true;
    fprintf(stderr, "ballot: cannot write to stdout: %s\n", strerror(errno));
    return false;
}

static int invocation_main(int argc, char **argv)
{
    struct invocation in = { .rest = NULL };
    struct settings *s = calloc(1, sizeof *s);
    if (!s || argc < 1) {
        fputs(s ? "ballot: no arguments\n" : "ballot: out of memory\n", stderr);
        free(s);
        return EXIT_BALLOT;
    }
    standard_descriptors();
    if (argc > 1 && !strcmp(argv[1], "__complete")) {
        free(s);
        return complete(argv + 2, argc - 2);
    }
    int status = EXIT_BALLOT;
    bool parsed = invocation_parse(&in, s, argv);
    bool bare = !in.command && !in.words[0];
    if ((in.help || in.page || bare) && !s->error[0]) {
        status = bare && !in.help && !in.page ? EXIT_BALLOT : 0;
        if (in.page)
            in.page();
        else if (in.command)
            help_command(in.command);
        else
            help_overview();
    } else if (parsed && invocation_check(&in, s) && in.command)
        status = invocation_run(&in, s);
    else
        fprintf(stderr, "ballot: %s\n", s->error);
    settings_free(s);
    free(s);
    return stdout_flushed() ? status : EXIT_BALLOT;
}

BALLOT_API int ballot_main(int argc, char **argv)
{
    struct process_kept kept;
    process_keep(&kept);
    int status = invocation_main(argc, argv);
    process_restore(&kept);
    return status;
}

#ifndef BALLOT_NO_ENTRY
int main(int argc, char **argv)
{
    return ballot_main(argc, argv);
}
#endif

#endif /* BALLOT_NO_MAIN */
#endif /* BALLOT_NO_ELECTION */

#ifdef BALLOT_NO_MAIN /* a program that includes this file may have such names, too */
#undef SIGNAL_LAST
#undef COUNT
#undef TEXT_IN
#undef STRING_COPY
#undef MICROSECOND
#undef MILLISECOND
#undef SECOND
#undef MINUTE
#undef HOUR
#undef NEVER
#undef CLOCK_LEASE
#undef AUTH_SCHEME
#undef SAY
#undef EVENT
#undef NODE_PREFIX
#undef RECORD_NAME
#undef ORDERS_NAME
#undef ORDER_STEP_DOWN
#undef REQUESTS
#endif
