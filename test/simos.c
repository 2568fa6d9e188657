/* simos.c - a simulated operating system: time, processes, signals, descriptors.
 *
 * Processes are coroutines that share one stack region: what is used of it is copied
 * out and in when another runs, so that fork() can return twice. A process gives way
 * inside poll() only, or where sim.c holds it up. Candidate and guard
 * share their heap, which is harmless: after its fork the guard reads what is constant
 * and writes what is its own. What a guard forks has a copy of what the guard allocated,
 * for it writes there before it executes the command. */
#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE 700

#define SIM_LIBC
#include "simos.h"
#include "simzk.h"

#include <stdarg.h>
#include <ucontext.h>

#pragma GCC diagnostic ignored "-Wunused-parameter" /* much of what libc is told means nothing here */

/* --- chance and time ---------------------------------------------------------- */

struct event {
    int64_t when;
    uint64_t tie;
    void (*fn)(void *);
    void *arg;
};

struct clock {
    int64_t boot, at;  /* it showed boot at the true time at */
    int permille;      /* of its rate                        */
    int64_t wall;      /* wall clock less boot clock         */
};

#define STACK_SIZE (1024 * 1024)

static struct os {
    uint64_t seed, hash;
    int64_t now;
    bool stopped;
    struct event *heap;
    size_t events, room;
    struct clock clocks[HOSTS];
    struct process *processes[PROCESSES];
    int slots;         /* of these were ever in use          */
    int generation;
    struct process *current;
    jmp_buf scheduler;
} os;

/* The simulation's own memory; ballot's is sim_malloc()'s. */
static void *allocate(size_t size)
{
    void *memory = malloc(size);
    if (!memory)
        abort();
    return memory;
}

/* What a call returns that fails. */
static int fail(int error)
{
    errno = error;
    return -1;
}

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators". */
uint64_t sim_random(void)
{
    uint64_t z = os.seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int64_t sim_between(int64_t least, int64_t most)
{
    return most <= least ? least : least + (int64_t)(sim_random() % (uint64_t)(most - least + 1));
}

bool sim_chance(int percent)
{
    return sim_between(1, 100) <= percent;
}

int64_t sim_now(void)
{
    return os.now;
}

void os_hash_add(uint64_t value)
{
    os.hash = (os.hash ^ value) * UINT64_C(0x100000001b3);
}

uint64_t os_hash(void)
{
    return os.hash;
}

static bool event_before(const struct event *a, const struct event *b)
{
    return a->when != b->when ? a->when < b->when : a->tie < b->tie;
}

void sim_at(int64_t when, void (*fn)(void *), void *arg)
{
    if (os.events == os.room) {
        os.room = 2 * os.room + 1024;
        os.heap = realloc(os.heap, os.room * sizeof *os.heap);
        if (!os.heap)
            abort();
    }
    const struct event new = { when < os.now ? os.now : when, sim_random(), fn, arg };
    size_t i = os.events++;
    for (; i > 0 && event_before(&new, &os.heap[(i - 1) / 2]); i = (i - 1) / 2)
        os.heap[i] = os.heap[(i - 1) / 2];
    os.heap[i] = new;
}

static struct event event_take(void)
{
    const struct event first = os.heap[0], last = os.heap[--os.events];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < os.events; i = child) {
        if (child + 1 < os.events && event_before(&os.heap[child + 1], &os.heap[child]))
            child++;
        if (!event_before(&os.heap[child], &last))
            break;
        os.heap[i] = os.heap[child];
    }
    os.heap[i] = last;
    return first;
}

bool os_run(int64_t until)
{
    while (!os.stopped && os.events && os.heap[0].when <= until) {
        const struct event e = event_take();
        os.now = e.when;
        e.fn(e.arg);
    }
    if (!os.stopped && os.now < until)
        os.now = until;
    return !os.stopped;
}

void os_stop(void)
{
    os.stopped = true;
}

int64_t os_boot_clock(int host)
{
    const struct clock *c = &os.clocks[host];
    int64_t span = os.now - c->at;
    return c->boot + span / 1000 * c->permille + span % 1000 * c->permille / 1000;
}

int64_t os_wall_clock(int host)
{
    return os_boot_clock(host) + os.clocks[host].wall;
}

void os_clock(int host, int permille, int64_t step)
{
    struct clock *c = &os.clocks[host];
    c->boot = os_boot_clock(host);
    c->at = os.now;
    c->permille = permille;
    c->wall += step;
}

int64_t os_true_span(int host, int64_t span)
{
    int permille = os.clocks[host].permille;
    return span / permille * 1000 + (span % permille * 1000 + permille - 1) / permille;
}

/* --- memory: freed with its family, for another process of it may read what one frees --- */

struct block {
    struct block *next; /* allocated before it                   */
    size_t size;
    unsigned forks;     /* of its family until then                          */
    bool freed;
    long double data[]; /* of any alignment                      */
};

void *sim_malloc(size_t size)
{
    struct family *f = os.current->family;
    struct block **heap = os.current->pid == f->candidate ? &f->blocks : &f->guard_blocks;
    struct block *b = malloc(sizeof *b + size);
    if (!b)
        abort();
    *b = (struct block){ *heap, size, f->forks, false };
    *heap = b;
    return memset(b->data, 0xa5, size); /* what is not set reads the same in each story */
}

static struct block *block_of(void *memory)
{
    return (struct block *)memory - 1;
}

/* Not given back, but overwritten, so that use after free shows; unless a process that was
 * forked since may read it still. */
void sim_free(void *memory)
{
    if (!memory)
        return;
    struct block *b = block_of(memory);
    if (b->freed)
        sim_violation("memory is freed twice");
    b->freed = true;
    if (b->forks == os.current->family->forks || os.current->family->members == 1)
        memset(memory, 0x5a, b->size);
}

/* What a candidate holds of its heap. */
size_t os_memory(const struct process *p, size_t *bytes)
{
    size_t count = 0;
    *bytes = 0;
    for (const struct block *b = p->family ? p->family->blocks : NULL; b; b = b->next) {
        count += !b->freed;
        *bytes += b->freed ? 0 : b->size;
    }
    return count;
}

void *sim_calloc(size_t count, size_t size)
{
    return memset(sim_malloc(count * size), 0, count * size);
}

void *sim_realloc(void *memory, size_t size)
{
    void *larger = sim_malloc(size);
    if (memory) {
        size_t old = block_of(memory)->size;
        memcpy(larger, memory, old < size ? old : size);
        sim_free(memory);
    }
    return larger;
}

char *sim_strdup(const char *string)
{
    size_t size = strlen(string) + 1;
    return memcpy(sim_malloc(size), string, size);
}

/* A copy of the guard's blocks: p's own while it does not run, the guard's while it does. */
static void heap_copy(struct process *p)
{
    size_t size = 0;
    p->heap = p->family->guard_blocks;
    for (const struct block *b = p->heap; b; b = b->next)
        size += b->size;
    char *copy = p->heap_copy = allocate(size + 1);
    for (const struct block *b = p->heap; b; copy += b->size, b = b->next)
        memcpy(copy, b->data, b->size);
}

static void heap_swap(const struct process *p)
{
    char *copy = p->heap_copy;
    for (struct block *b = p->heap; b; b = b->next)
        for (char *byte = (char *)b->data; byte < (char *)b->data + b->size; byte++, copy++) {
            char other = *copy;
            *copy = *byte;
            *byte = other;
        }
}

static void blocks_free(struct block *b)
{
    for (struct block *next; b; b = next) {
        next = b->next;
        free(b);
    }
}

/* A process that is dead, or a command by now, has no memory. */
static void heap_leave(struct process *p)
{
    struct family *f = p->family;
    free(p->heap_copy);
    p->heap_copy = NULL;
    p->heap = NULL;
    p->family = NULL;
    if (!f || --f->members > 0)
        return;
    blocks_free(f->blocks);
    blocks_free(f->guard_blocks);
    free(f->region);
    free(f);
}

/* --- descriptors ------------------------------------------------------------------ */

/* What one write puts into a channel. */
struct packet {
    struct packet *next;
    size_t length, taken;     /* taken: has been read            */
    struct file *passed[2];   /* descriptors; NULL: none         */
    char data[];
};

/* One direction of a pipe or of a socket pair. */
struct channel {
    struct file *reader, *writer; /* its ends; NULL: closed          */
    bool packets;                 /* a read takes one, whole         */
    struct packet *first, **end;
    size_t bytes;                 /* that fill it                    */
};

#define CHANNEL_ROOM    65536
#define PACKET_OVERHEAD 512 /* that a socket counts besides a packet's bytes */

/* A socket of the client library. */
struct sim_socket {
    const struct sim_socket_ops *ops;
    void *owner;
    short events;             /* that poll() finds               */
    struct file *file;
};

/* An open file: what fork() and dup2() share. */
struct file {
    int references;           /* descriptors, and packets that pass it on */
    enum file_kind { FILE_NULL, FILE_CHANNEL, FILE_SOCKET, FILE_PROCESS } kind;
    bool nonblocking;
    bool reset;               /* the other end of its pair was closed with packets unread: the next call says so */
    struct channel *in, *out; /* of FILE_CHANNEL; NULL: not that way */
    struct sim_socket socket; /* of FILE_SOCKET                  */
    int pid;                  /* of FILE_PROCESS: a pidfd        */
};

static void process_wake(struct process *p, int64_t when);

static struct file *file_new(enum file_kind kind)
{
    struct file *f = allocate(sizeof *f);
    *f = (struct file){ .kind = kind };
    return f;
}

static struct file *end_new(struct channel *in, struct channel *out)
{
    struct file *f = file_new(FILE_CHANNEL);
    f->in = in;
    f->out = out;
    if (in)
        in->reader = f;
    if (out)
        out->writer = f;
    return f;
}

static struct channel *channel_new(bool packets)
{
    struct channel *c = allocate(sizeof *c);
    *c = (struct channel){ .packets = packets, .end = &c->first };
    return c;
}

static bool process_polls(const struct process *p, const struct file *f)
{
    for (int i = 0; p->waiting && i < p->polled_count; i++)
        if (p->polled[i] == f)
            return true;
    return false;
}

/* What polls it looks again. */
static void file_wake(const struct file *f)
{
    for (int i = 0; i < os.slots; i++)
        if (os.processes[i] && process_polls(os.processes[i], f))
            process_wake(os.processes[i], os.now + world_latency(os.processes[i]));
}

static void file_release(struct file *f);

static void packet_free(struct packet *p)
{
    for (int i = 0; i < 2; i++)
        if (p->passed[i])
            file_release(p->passed[i]);
    free(p);
}

static struct packet *packet_take(struct channel *c)
{
    struct packet *p = c->first;
    c->first = p->next;
    if (!c->first)
        c->end = &c->first;
    c->bytes -= p->length + (c->packets ? PACKET_OVERHEAD : 0);
    return p;
}

static void channel_leave(struct channel *c, struct file *f)
{
    bool reads = c->reader == f;
    struct file **end = reads ? &c->reader : &c->writer, *other = reads ? c->writer : c->reader;
    *end = NULL;
    if (reads && other && c->packets && c->first)
        other->reset = true;
    while (c->first && (reads || !other))
        packet_free(packet_take(c));
    if (other)
        file_wake(other);
    else
        free(c);
}

static void file_release(struct file *f)
{
    if (--f->references > 0)
        return;
    if (f->kind == FILE_SOCKET)
        f->socket.ops->closed(f->socket.owner);
    if (f->in)
        channel_leave(f->in, f);
    if (f->out)
        channel_leave(f->out, f);
    free(f);
}

static bool channel_full(const struct channel *c)
{
    return c->bytes >= CHANNEL_ROOM;
}

static int file_events(const struct file *f)
{
    int events = 0;
    if (f->kind == FILE_SOCKET)
        return f->socket.events;
    if (f->kind != FILE_CHANNEL)
        return POLLIN | POLLOUT;
    if (f->reset)
        events |= POLLERR;
    if (f->in && !f->in->writer)
        events |= f->in->packets ? POLLHUP | POLLIN : POLLHUP;
    if (f->in && f->in->first)
        events |= POLLIN;
    if (f->out && !f->out->reader)
        events |= f->in ? POLLHUP | POLLOUT : POLLERR;
    else if (f->out && !channel_full(f->out))
        events |= POLLOUT;
    return events;
}

/* Returns the descriptor, or -1. */
static int fd_install(struct file *f)
{
    struct process *p = os.current;
    for (int fd = 0; fd < FDS; fd++)
        if (!p->files[fd]) {
            p->files[fd] = f;
            p->cloexec[fd] = false;
            f->references++;
            return fd;
        }
    sim_violation("a process has %d descriptors open", FDS);
    return fail(EMFILE);
}

static struct file *fd_file(int fd)
{
    struct file *f = fd >= 0 && fd < FDS ? os.current->files[fd] : NULL;
    if (!f)
        errno = EBADF;
    return f;
}

static void fd_close(struct process *p, int fd)
{
    struct file *f = p->files[fd];
    p->files[fd] = NULL;
    if (f)
        file_release(f);
}

void sim_fd_close(int fd)
{
    if (fd_file(fd))
        fd_close(os.current, fd);
}

int os_fds(const struct process *p)
{
    int count = 0;
    for (int fd = 0; fd < FDS; fd++)
        count += p->files[fd] != NULL;
    return count;
}

struct sim_socket *sim_socket_new(const struct sim_socket_ops *ops, void *owner, int *fd)
{
    struct file *f = file_new(FILE_SOCKET);
    f->socket = (struct sim_socket){ ops, owner, 0, f };
    *fd = fd_install(f);
    return &f->socket;
}

void sim_socket_ready(struct sim_socket *s, short events)
{
    if (s->events == events)
        return;
    s->events = events;
    file_wake(s->file);
}

/* --- processes ------------------------------------------------------------------------ */

struct process *os_current(void)
{
    return os.current;
}

struct process *os_each(int slot)
{
    return os.processes[slot];
}

struct process *os_process(int pid)
{
    struct process *p = pid > PID_INIT ? os.processes[pid % PROCESSES] : NULL;
    return p && p->pid == pid ? p : NULL;
}

int sim_host(void)
{
    return os.current->host;
}

int64_t sim_clock(void)
{
    return os_boot_clock(os.current->host);
}

static struct process *process_new(int host)
{
    for (int slot = PID_INIT + 1; slot < PROCESSES; slot++)
        if (!os.processes[slot]) {
            struct process *p = allocate(sizeof *p);
            int pid = slot + PROCESSES * ++os.generation;
            *p = (struct process){ .pid = pid, .group = pid, .host = host, .wake_at = NO_TIME, .born = os.now };
            os.processes[slot] = p;
            os.slots = slot < os.slots ? os.slots : slot + 1;
            return p;
        }
    abort();
}

static void process_free(struct process *p)
{
    os.processes[p->pid % PROCESSES] = NULL;
    free(p->stack);
    free(p);
}

/* The region's lowest byte that is in use, seen from a function that is called. */
static __attribute__((noinline)) char *stack_low(void)
{
    return __builtin_frame_address(0);
}

static void stack_save(struct process *p)
{
    p->used = (size_t)(p->family->region + STACK_SIZE - p->low);
    if (p->used > p->room) {
        p->room = p->used + 4096;
        free(p->stack);
        p->stack = allocate(p->room);
    }
    memcpy(p->stack, p->low, p->used);
}

static void process_begin(void)
{
    os.current->entry();
    sim_exit(EXIT_FAILURE);
}

static void process_first(void)
{
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = os.current->family->region;
    context.uc_stack.ss_size = STACK_SIZE;
    context.uc_link = NULL;
    makecontext(&context, process_begin, 0);
    setcontext(&context);
}

static void process_enter(struct process *p)
{
    struct family *f = p->family;
    if (f->holder != p) {
        if (f->holder)
            stack_save(f->holder);
        if (p->low)
            memcpy(p->low, p->stack, p->used);
        f->holder = p;
    }
    if (p->low)
        _longjmp(p->context, 1);
    process_first();
}

/* Runs a process until it gives way. */
static void process_run(struct process *p)
{
    os.current = p;
    p->calls = 0;
    memcpy(sim_signal_pipe(), p->signal_pipe, sizeof p->signal_pipe);
    heap_swap(p);
    if (_setjmp(os.scheduler) == 0)
        process_enter(p);
    memcpy(os.current->signal_pipe, sim_signal_pipe(), sizeof os.current->signal_pipe);
    struct process *ran = os.current;
    os.current = NULL;
    heap_swap(ran);
    if (ran->state != ALIVE)
        heap_leave(ran);
    if (ran->state == ZOMBIE && !os_process(ran->parent))
        process_free(ran);
}

static void process_turn(void *arg)
{
    struct process *p = os_process((int)(intptr_t)arg);
    if (!p || p->state != ALIVE || p->wake_at != os.now)
        return;
    p->wake_at = NO_TIME;
    if (p->frozen) {
        p->missed = true;
        return;
    }
    if (p->held_until > os.now) {
        process_wake(p, p->held_until);
        return;
    }
    os_hash_add((uint64_t)os.now * 31 + (uint64_t)p->pid);
    process_run(p);
}

static void process_wake(struct process *p, int64_t when)
{
    if (p->wake_at <= when || p->state != ALIVE)
        return;
    p->wake_at = when;
    sim_at(when, process_turn, (void *)(intptr_t)p->pid);
}

/* Back to the scheduler; returns when the process is run again. */
static __attribute__((noinline)) void process_yield(void)
{
    os.current->low = stack_low();
    if (_setjmp(os.current->context) == 0)
        _longjmp(os.scheduler, 1);
}

void os_freeze(struct process *p, bool frozen)
{
    p->frozen += frozen ? 1 : p->frozen ? -1 : 0;
    if (!p->frozen && p->missed && p->state == ALIVE)
        process_wake(p, os.now + world_latency(p));
    p->missed = p->missed && p->frozen;
}

/* Its machine sleeps: what it waits for does not come nearer meanwhile. */
void os_sleep(struct process *p, bool asleep)
{
    if (asleep && !p->frozen)
        p->asleep_at = os.now;
    os_freeze(p, asleep);
    if (!asleep && !p->frozen && p->asleep_at) {
        p->slept += os.now - p->asleep_at;
        p->asleep_at = 0;
    }
}

void os_hold(struct process *p, int64_t until)
{
    if (p->held_until < until)
        p->held_until = until;
}

struct process *os_spawn(int host, void (*entry)(void))
{
    struct process *p = process_new(host);
    struct file *null = file_new(FILE_NULL);
    p->family = allocate(sizeof *p->family);
    *p->family = (struct family){ .host = host, .members = 1, .candidate = p->pid, .region = allocate(STACK_SIZE) };
    p->parent = PID_INIT;
    p->signal_pipe[0] = p->signal_pipe[1] = -1;
    strcpy(p->name, "ballot");
    for (int fd = 0; fd < 3; fd++) {
        p->files[fd] = null;
        null->references++;
    }
    p->entry = entry;
    process_wake(p, os.now);
    return p;
}

struct process *os_child(struct process *parent)
{
    struct process *p = process_new(parent->host);
    p->state = SCRIPTED;
    p->parent = parent->pid;
    p->group = parent->group;
    p->run = parent->run;
    strcpy(p->name, "child");
    return p;
}

static void process_reap(struct process *p)
{
    if (p != os.current)
        process_free(p);
}

/* To the nearest ancestor that adopts, else to init, which reaps. */
static int process_heir(const struct process *p)
{
    for (const struct process *a = os_process(p->parent); a; a = os_process(a->parent))
        if (a->subreaper && (a->state == ALIVE || a->state == SCRIPTED))
            return a->pid;
    return PID_INIT;
}

static void process_orphan(struct process *child, int heir)
{
    int pid = child->pid;
    bool dead = child->state == ZOMBIE;
    child->parent = heir;
    if (child->death_signal && !dead)
        os_signal(child, child->death_signal);
    if (!dead || os_process(pid) != child)
        return;
    if (heir == PID_INIT)
        process_reap(child);
    else
        os_signal(os_process(heir), SIGCHLD);
}

void os_kill(struct process *p, int status)
{
    if (p->state == ZOMBIE)
        return;
    p->state = ZOMBIE;
    p->status = status;
    p->waiting = false;
    if (p->family && p->family->holder == p)
        p->family->holder = NULL;
    for (int fd = 0; fd < FDS; fd++)
        fd_close(p, fd);
    int pid = p->pid, heir = process_heir(p);
    for (int i = 0; i < os.slots; i++)
        if (os.processes[i] && os.processes[i]->parent == pid)
            process_orphan(os.processes[i], heir);
    world_ended(p);
    if (p != os.current)
        heap_leave(p);
    if (os_process(pid) != p)
        return;
    struct process *parent = os_process(p->parent);
    if (parent && parent->state != ZOMBIE)
        os_signal(parent, SIGCHLD);
    else
        process_reap(p);
}

static void __attribute__((noreturn)) process_leave(void)
{
    _longjmp(os.scheduler, 1);
}

/* Ends the one that runs. */
static void __attribute__((noreturn)) current_end(int status)
{
    os_kill(os.current, status);
    process_leave();
}

/* Before each call: time for what sim.c wants to happen between two of them. */
static void call(const char *name)
{
    struct process *p = os.current;
    if (++p->calls > 1000000) {
        sim_violation("a process makes a million calls without waiting; the last is %s()", name);
        os_stop();
        p->doomed = true;
    }
    world_call(p, name);
    if (p->doomed)
        current_end(SIGKILL);
    while (p->frozen || p->held_until > os.now) {
        p->missed = p->missed || p->frozen;
        if (!p->frozen)
            process_wake(p, p->held_until);
        process_yield();
    }
}

pid_t sim_getpid(void)
{
    return os.current->pid;
}

pid_t sim_getppid(void)
{
    call("getppid");
    return os.current->parent;
}

pid_t sim_getpgid(pid_t pid)
{
    const struct process *p = os_process(pid);
    if (p)
        return p->group;
    return fail(ESRCH);
}

int sim_setpgid(pid_t pid, pid_t group)
{
    struct process *p = pid ? os_process(pid) : os.current;
    if (!p || p->state == ZOMBIE || (p->state == SCRIPTED && p != os.current))
        return fail(p ? EACCES : ESRCH); /* EACCES: it has executed */
    p->group = group ? group : p->pid;
    return 0;
}

pid_t sim_setsid(void)
{
    return os.current->group = os.current->pid;
}

static void fork_files(struct process *child, const struct process *p)
{
    for (int fd = 0; fd < FDS; fd++)
        if ((child->files[fd] = p->files[fd]))
            child->files[fd]->references++;
    memcpy(child->cloexec, p->cloexec, sizeof child->cloexec);
}

static struct process *fork_process(struct process *p)
{
    struct process *child = process_new(p->host);
    child->parent = p->pid;
    child->group = p->group;
    child->family = p->family;
    child->blocked = p->blocked;
    strcpy(child->name, p->name);
    memcpy(child->handlers, p->handlers, sizeof child->handlers);
    memcpy(child->signal_pipe, sim_signal_pipe(), sizeof child->signal_pipe);
    fork_files(child, p);
    p->family->members++;
    p->family->forks++;
    if (p->pid == p->family->candidate)
        p->family->guard = child->pid;
    else
        heap_copy(child);
    return child;
}

__attribute__((noinline)) pid_t sim_fork(void)
{
    call("fork");
    if (world_fork_fails(os.current))
        return fail(EAGAIN);
    struct process *volatile child = fork_process(os.current);
    child->low = stack_low();
    if (_setjmp(child->context) != 0)
        return 0;
    stack_save(child);
    process_wake(child, os.now + world_latency(child));
    return child->pid;
}

int sim_execvp(const char *file, char *const argv[])
{
    call("execvp");
    struct process *p = os.current;
    if (!world_exec(p))
        return fail(ENOENT);
    for (int fd = 0; fd < FDS; fd++)
        if (p->cloexec[fd])
            sim_fd_close(fd);
    if (p->state == ALIVE)
        p->state = SCRIPTED;
    p->family->holder = NULL;
    process_leave();
}

void sim_exit(int status)
{
    call("_exit");
    current_end((status & 0xff) << 8);
}

static bool wait_matches(const struct process *p, idtype_t type, id_t id)
{
    return p && p->parent == os.current->pid && (type == P_ALL || (id_t)(type == P_PID ? p->pid : p->group) == id);
}

/* The first dead child of that kind; *any: there are living ones. */
static struct process *wait_find(idtype_t type, id_t id, bool *any)
{
    *any = false;
    for (int i = 0; i < os.slots; i++) {
        struct process *p = os.processes[i];
        if (!wait_matches(p, type, id))
            continue;
        if (p->state == ZOMBIE)
            return p;
        *any = true;
    }
    return NULL;
}

pid_t sim_waitpid(pid_t pid, int *status, int flags)
{
    call("waitpid");
    bool any;
    struct process *p = wait_find(pid == -1 ? P_ALL : P_PID, (id_t)pid, &any);
    if (!p && any && !(flags & WNOHANG))
        sim_violation("waitpid() of %d blocks", pid);
    if (!p)
        return any ? 0 : fail(ECHILD);
    pid_t found = p->pid;
    if (status)
        *status = p->status;
    process_free(p);
    return found;
}

int sim_waitid(idtype_t type, id_t id, siginfo_t *info, int flags)
{
    call("waitid");
    bool any;
    struct process *p = wait_find(type, id, &any);
    info->si_pid = p ? p->pid : 0;
    if (!p && !any)
        return fail(ECHILD);
    if (p) {
        info->si_code = WIFSIGNALED(p->status) ? CLD_KILLED : CLD_EXITED;
        info->si_status = WIFSIGNALED(p->status) ? WTERMSIG(p->status) : WEXITSTATUS(p->status);
        if (!(flags & WNOWAIT))
            process_free(p);
    }
    return 0;
}

int sim_prctl(int option, ...)
{
    va_list args;
    va_start(args, option);
    int value = (int)va_arg(args, unsigned long);
    va_end(args);
    if (option == PR_SET_CHILD_SUBREAPER)
        os.current->subreaper = value != 0;
    if (option == PR_SET_PDEATHSIG)
        os.current->death_signal = value;
    return 0;
}

long sim_syscall(long number, ...)
{
    va_list args;
    va_start(args, number);
    int first = va_arg(args, int), second = va_arg(args, int);
    va_end(args);
    if (number == SYS_pidfd_open && os_process(first)) {
        struct file *opened = file_new(FILE_PROCESS);
        opened->pid = first;
        return fd_install(opened);
    }
    const struct file *f = number == SYS_pidfd_send_signal ? fd_file(first) : NULL;
    if (f && os_process(f->pid))
        return sim_kill(f->pid, second);
    return fail(f || number == SYS_pidfd_open ? ESRCH : ENOSYS);
}

/* --- signals -------------------------------------------------------------------------- */

static uint64_t signal_bit(int number)
{
    return UINT64_C(1) << (number - 1);
}

static bool signal_harmless(int number)
{
    return number == SIGCHLD || number == SIGCONT || number == SIGWINCH || number == SIGURG;
}

void os_signal(struct process *p, int number)
{
    bool blocked = p->blocked & signal_bit(number);
    if (p->state == ZOMBIE)
        return;
    if (p->state == SCRIPTED)
        world_signalled(p, number);
    else if (number == SIGKILL && p == os.current)
        p->doomed = true;
    else if (number == SIGKILL)
        os_kill(p, SIGKILL);
    else if (number == SIGSTOP || (!blocked && p->handlers[number] == SIG_IGN))
        return; /* one that is blocked waits: it may be ignored no longer when it is not */
    else if (!blocked && p->handlers[number] == SIG_DFL && p != os.current) {
        if (!signal_harmless(number))
            os_kill(p, number);
    } else {
        p->pending |= signal_bit(number);
        if (p->waiting)
            process_wake(p, os.now + world_latency(p));
    }
}

/* Runs what is pending; whether a handler was called. */
static bool signals_deliver(void)
{
    struct process *p = os.current;
    bool handled = false;
    for (int n = 1; n <= 64 && (p->pending & ~p->blocked); n++) {
        if (!(p->pending & ~p->blocked & signal_bit(n)))
            continue;
        p->pending &= ~signal_bit(n);
        if (p->handlers[n] == SIG_DFL && !signal_harmless(n))
            current_end(n);
        if (p->handlers[n] == SIG_DFL || p->handlers[n] == SIG_IGN)
            continue;
        p->handlers[n](n);
        handled = true;
    }
    return handled;
}

int sim_kill(pid_t pid, int number)
{
    call("kill");
    bool any = false;
    int host = os.current->host;
    for (int i = 0; i < os.slots; i++) {
        struct process *p = os.processes[i];
        if (!p || p->host != host || (pid > 0 ? p->pid != pid : p->group != -pid))
            continue;
        any = true;
        if (number)
            os_signal(p, number);
    }
    if (!any && number)
        sim_violation("signal %d is sent to %d, which has been reaped: another process may have it by now", number, pid);
    signals_deliver();
    return any ? 0 : fail(ESRCH);
}

void (*sim_signal(int number, void (*handler)(int)))(int)
{
    void (*before)(int) = os.current->handlers[number];
    os.current->handlers[number] = handler;
    if (handler == SIG_IGN || (handler == SIG_DFL && signal_harmless(number)))
        os.current->pending &= ~signal_bit(number);
    return before;
}

int sim_sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
    if (number == SIGKILL || number == SIGSTOP || number < 1 || number > 64)
        return fail(EINVAL);
    if (before) {
        memset(before, 0, sizeof *before);
        before->sa_handler = os.current->handlers[number];
    }
    if (action)
        sim_signal(number, action->sa_handler);
    return 0;
}

int sim_sigprocmask(int how, const sigset_t *set, sigset_t *before)
{
    struct process *p = os.current;
    if (before) {
        sigemptyset(before);
        for (int n = 1; n <= 64; n++)
            if (p->blocked & signal_bit(n))
                sigaddset(before, n);
    }
    uint64_t bits = 0;
    for (int n = 1; set && n <= 64; n++)
        bits |= sigismember(set, n) == 1 ? signal_bit(n) : 0;
    if (set)
        p->blocked = how == SIG_SETMASK ? bits : how == SIG_BLOCK ? p->blocked | bits : p->blocked & ~bits;
    signals_deliver();
    return 0;
}

int sim_setitimer(int which, const struct itimerval *value, struct itimerval *before)
{
    return 0; /* nothing here ever blocks for long */
}

/* --- waiting ---------------------------------------------------------------------------- */

int sim_clock_gettime(clockid_t id, struct timespec *out)
{
    if (id != CLOCK_REALTIME) /* a log line must change nothing */
        call("clock_gettime");
    int host = os.current->host;
    int64_t t = os_boot_clock(host) + (id == CLOCK_REALTIME ? os.clocks[host].wall : 0);
    out->tv_sec = t / SIM_SECOND;
    out->tv_nsec = t % SIM_SECOND;
    return 0;
}

static int poll_look(struct pollfd *slots, nfds_t count)
{
    int ready = 0;
    os.current->polled_count = 0;
    for (nfds_t i = 0; i < count; i++) {
        struct pollfd *s = &slots[i];
        s->revents = 0;
        if (s->fd < 0)
            continue;
        struct file *f = fd_file(s->fd);
        if (!f)
            s->revents = POLLNVAL;
        else {
            s->revents = (short)(file_events(f) & (s->events | POLLHUP | POLLERR));
            os.current->polled[os.current->polled_count++] = f;
        }
        ready += s->revents != 0;
    }
    return ready;
}

#define POLL_COST 5000 /* nanoseconds: so that no loop can stop the time */

int sim_poll(struct pollfd *slots, nfds_t count, int timeout)
{
    if (count > POLLED) {
        sim_violation("poll() of more than %d descriptors", POLLED);
        return fail(EINVAL);
    }
    if (timeout == 0) /* likewise */
        return poll_look(slots, count);
    call("poll");
    struct process *p = os.current;
    int64_t deadline = timeout < 0 ? NO_TIME : os.now + os_true_span(p->host, timeout * SIM_MS);
    int64_t slept = p->slept;
    p->polls++;
    process_wake(p, os.now + POLL_COST);
    process_yield();
    for (;;) {
        call("poll");
        int ready = poll_look(slots, count);
        if (deadline != NO_TIME)
            deadline += p->slept - slept;
        slept = p->slept;
        bool interrupted = signals_deliver();
        if (!ready && interrupted)
            return fail(EINTR);
        if (ready || os.now >= deadline)
            return ready;
        p->waiting = true;
        if (deadline != NO_TIME)
            process_wake(p, deadline + world_latency(p));
        process_yield();
        p->waiting = false;
    }
}

/* --- reading and writing ------------------------------------------------------------------ */

int sim_close(int fd)
{
    call("close");
    bool open = fd_file(fd) != NULL;
    sim_fd_close(fd);
    return open ? 0 : -1;
}

static ssize_t channel_put(struct channel *c, const void *data, size_t length, struct file *const passed[2])
{
    if (!c->reader)
        return fail(EPIPE);
    if (channel_full(c))
        return fail(EAGAIN);
    struct packet *p = allocate(sizeof *p + length);
    *p = (struct packet){ .length = length };
    memcpy(p->data, data, length);
    for (int i = 0; passed && i < 2; i++)
        if ((p->passed[i] = passed[i]))
            passed[i]->references++;
    *c->end = p;
    c->end = &p->next;
    c->bytes += length + (c->packets ? PACKET_OVERHEAD : 0);
    file_wake(c->reader);
    return (ssize_t)length;
}

static ssize_t channel_get(struct channel *c, void *out, size_t size, struct file *passed[2])
{
    size_t got = 0;
    while (c->first && got < size) {
        struct packet *p = c->first;
        size_t n = p->length - p->taken < size - got ? p->length - p->taken : size - got;
        memcpy((char *)out + got, p->data + p->taken, n);
        got += n;
        p->taken += n;
        if (p->taken < p->length && !c->packets)
            break;
        for (int i = 0; passed && i < 2; i++) {
            passed[i] = p->passed[i];
            p->passed[i] = NULL;
        }
        packet_free(packet_take(c));
        if (c->packets)
            break;
    }
    if (got && c->writer)
        file_wake(c->writer);
    return (ssize_t)got;
}

/* Says, once, that the other end is gone, before what it sent: as unix(7) sockets do. */
static bool file_fails(struct file *f, bool open)
{
    errno = open ? ECONNRESET : EBADF;
    bool fails = !open || f->reset;
    f->reset = false;
    return fails;
}

static ssize_t file_write(struct file *f, const void *data, size_t size, struct file *const passed[2])
{
    return file_fails(f, f->out) ? -1 : channel_put(f->out, data, size, passed);
}

static ssize_t file_read(struct file *f, void *buffer, size_t size, struct file *passed[2])
{
    if (f->kind == FILE_NULL)
        return 0;
    if (file_fails(f, f->in))
        return -1;
    if (!f->in->first && f->in->writer)
        return fail(EAGAIN);
    return channel_get(f->in, buffer, size, passed);
}

ssize_t sim_read(int fd, void *buffer, size_t size)
{
    call("read");
    struct file *f = fd_file(fd);
    ssize_t n = f ? file_read(f, buffer, size, NULL) : -1;
    if (f && n < 0 && errno == EAGAIN && !f->nonblocking)
        sim_violation("read() of descriptor %d blocks", fd);
    return n;
}

ssize_t sim_write(int fd, const void *buffer, size_t size)
{
    struct file *f = fd_file(fd);
    if (f && f->kind == FILE_NULL) {
        world_output(os.current, fd, buffer, size);
        return (ssize_t)size;
    }
    call("write");
    f = fd_file(fd);
    return f ? file_write(f, buffer, size, NULL) : -1;
}

ssize_t sim_sendmsg(int fd, const struct msghdr *message, int flags)
{
    call("sendmsg");
    struct file *f = fd_file(fd), *passed[2] = { NULL, NULL };
    struct cmsghdr *c = message->msg_controllen ? CMSG_FIRSTHDR(message) : NULL;
    int numbers[2];
    if (!f)
        return -1;
    if (c) {
        memcpy(numbers, CMSG_DATA(c), sizeof numbers);
        for (int i = 0; i < 2; i++)
            passed[i] = fd_file(numbers[i]);
    }
    return file_write(f, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len, passed);
}

ssize_t sim_recvmsg(int fd, struct msghdr *message, int flags)
{
    call("recvmsg");
    struct file *f = fd_file(fd), *passed[2] = { NULL, NULL };
    ssize_t n = f ? file_read(f, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len, passed) : -1;
    int numbers[2];
    if (n < 0 || !passed[0]) {
        message->msg_controllen = 0;
        return n;
    }
    for (int i = 0; i < 2; i++) {
        numbers[i] = fd_install(passed[i]);
        file_release(passed[i]);
    }
    struct cmsghdr *c = message->msg_control;
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof numbers);
    memcpy(CMSG_DATA(c), numbers, sizeof numbers);
    message->msg_controllen = CMSG_SPACE(sizeof numbers);
    return n;
}

int sim_shutdown(int fd, int how)
{
    call("shutdown");
    struct file *f = fd_file(fd);
    if (f && f->kind == FILE_SOCKET)
        f->socket.ops->shut(f->socket.owner);
    return f ? 0 : -1;
}

int sim_pipe(int ends[2])
{
    struct channel *c = channel_new(false);
    ends[0] = fd_install(end_new(c, NULL));
    ends[1] = fd_install(end_new(NULL, c));
    return 0;
}

int sim_socketpair(int domain, int type, int protocol, int ends[2])
{
    struct channel *one = channel_new(true), *other = channel_new(true);
    ends[0] = fd_install(end_new(one, other));
    ends[1] = fd_install(end_new(other, one));
    return 0;
}

int sim_dup2(int from, int to)
{
    struct file *f = fd_file(from);
    if (!f || from == to)
        return f ? to : -1;
    f->references++;
    sim_fd_close(to);
    os.current->files[to] = f;
    os.current->cloexec[to] = false;
    return to;
}

int sim_fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    int value = command == F_SETFD || command == F_SETFL ? va_arg(args, int) : 0;
    va_end(args);
    struct file *f = fd_file(fd);
    if (!f)
        return -1;
    if (command == F_SETFD)
        os.current->cloexec[fd] = value & FD_CLOEXEC;
    if (command == F_SETFL)
        f->nonblocking = value & O_NONBLOCK;
    return command == F_GETFD && os.current->cloexec[fd] ? FD_CLOEXEC : command == F_GETFL && f->nonblocking ? O_NONBLOCK : 0;
}

int sim_fstat(int fd, struct stat *out)
{
    memset(out, 0, sizeof *out);
    out->st_mode = S_IFCHR | 0666;
    return fd_file(fd) ? 0 : -1;
}

int sim_isatty(int fd)
{
    errno = ENOTTY;
    return 0;
}

char *sim_ttyname(int fd)
{
    return NULL;
}

/* --- what can be opened: /dev, and what ballot reads of /proc ----------------------------- */

#define TEXT_SIZE (PROCESSES * 12) /* a number and a blank for each process */

static void text_number(char *text, int number)
{
    sprintf(text + strlen(text), "%d ", number);
}

static void fds_text(char *text, int pid)
{
    for (int fd = 0; fd < FDS; fd++)
        if (os.current->files[fd])
            text_number(text, fd);
}

static void processes_text(char *text, int parent)
{
    for (int i = 0; i < os.slots; i++) {
        const struct process *p = os.processes[i];
        if (p && p->host == os.current->host && (!parent || p->parent == parent))
            text_number(text, p->pid);
    }
}

static void proc_text(char *text, int pid)
{
    processes_text(text, 0);
}

static void stat_text(char *text, int pid)
{
    static const struct process init = { .group = PID_INIT, .name = "init" };
    const struct process *p = pid == PID_INIT ? &init : os_process(pid);
    sprintf(text, "%d (%s) %c %d %d %d 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %lld 0 0", pid, p->name, p->state == ZOMBIE ? 'Z' : 'S',
            p->parent, p->group, p->group, (long long)(p->born / (10 * SIM_MS)));
}

/* To add a path, add a row; # is a pid. The text of a folder is the names in it, of a link where it leads. */
static const struct { const char *pattern; void (*print)(char *text, int pid); } paths[] = {
    { "/dev/fd", fds_text }, { "/proc", proc_text }, { "/proc/self", text_number }, { "/proc/#/stat", stat_text },
    { "/proc/#/task", text_number }, { "/proc/#/task/#/children", processes_text },
};

static bool path_matches(const char *path, const char *pattern)
{
    for (; *pattern; pattern++)
        if (*pattern == '#')
            path += strspn(path, "0123456789");
        else if (*pattern != *path++)
            return false;
    return *path == '\0';
}

/* Returns false if there is no such file. */
static bool path_text(const char *path, char text[TEXT_SIZE])
{
    const char *digits = strpbrk(path, "0123456789");
    int pid = digits ? atoi(digits) : os.current->pid;
    const struct process *p = os_process(pid);
    bool known = pid == PID_INIT || (p && p->host == os.current->host);
    text[0] = '\0';
    for (size_t i = 0; known && i < sizeof paths / sizeof paths[0]; i++)
        if (path_matches(path, paths[i].pattern)) {
            paths[i].print(text, pid);
            return true;
        }
    errno = ENOENT;
    return false;
}

int sim_open(const char *path, int flags, ...)
{
    char text[TEXT_SIZE];
    if (!strcmp(path, "/dev/null"))
        return fd_install(file_new(FILE_NULL));
    if (!path_text(path, text))
        return -1;
    struct channel *c = channel_new(false);
    struct file *f = end_new(c, NULL);
    channel_put(c, text, strlen(text), NULL);
    return fd_install(f);
}

FILE *sim_fopen(const char *path, const char *mode)
{
    char text[TEXT_SIZE];
    FILE *file = path_text(path, text) ? fmemopen(NULL, strlen(text) + 1, "w+") : NULL;
    if (file) {
        fputs(text, file);
        rewind(file);
    }
    return file;
}

int sim_access(const char *path, int mode)
{
    char text[TEXT_SIZE];
    return path_text(path, text) ? 0 : -1;
}

ssize_t sim_readlink(const char *path, char *buffer, size_t size)
{
    char text[TEXT_SIZE];
    if (!path_text(path, text))
        return -1;
    size_t length = strcspn(text, " ");
    memcpy(buffer, text, length < size ? length : size);
    return (ssize_t)(length < size ? length : size);
}

struct folder {
    char *next; /* the rest of names */
    struct dirent entry;
    char names[TEXT_SIZE];
};

DIR *sim_opendir(const char *path)
{
    struct folder *d = allocate(sizeof *d);
    d->next = d->names;
    if (path_text(path, d->names))
        return (DIR *)d;
    free(d);
    return NULL;
}

struct dirent *sim_readdir(DIR *folder)
{
    struct folder *d = (struct folder *)folder;
    int length = 0;
    if (sscanf(d->next, "%255s %n", d->entry.d_name, &length) != 1)
        return NULL;
    d->next += length;
    return &d->entry;
}

int sim_closedir(DIR *folder)
{
    free(folder);
    return 0;
}

int sim_dirfd(DIR *folder)
{
    return FDS; /* no descriptor at all */
}

/* --- the rest ---------------------------------------------------------------------------- */

int sim_gethostname(char *name, size_t size)
{
    snprintf(name, size, "host%d", os.current->host);
    return 0;
}

char *sim_getenv(const char *name)
{
    return strcmp(name, "TZ") ? NULL : world_time_zone();
}

int sim_setenv(const char *name, const char *value, int replace)
{
    if (!strcmp(name, "BALLOT_FENCING_TOKEN"))
        os.current->token = strtoll(value, NULL, 10);
    if (!strcmp(name, "BALLOT_SCHEDULED_TIME"))
        snprintf(os.current->scheduled, sizeof os.current->scheduled, "%s", value);
    return 0;
}

int sim_unsetenv(const char *name)
{
    return 0;
}

int sim_printf(const char *format, ...)
{
    char line[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    world_output(os.current, STDOUT_FILENO, line, strlen(line));
    return n;
}

void os_begin(uint64_t seed)
{
    struct event *heap = os.heap;
    size_t room = os.room;
    os = (struct os){ .seed = seed, .hash = UINT64_C(0xcbf29ce484222325), .heap = heap, .room = room };
    for (int host = 0; host < HOSTS; host++)
        os.clocks[host] = (struct clock){ .boot = sim_between(1, 1000000) * SIM_SECOND + sim_between(0, SIM_SECOND),
                                          .permille = 1000, .wall = INT64_C(1700000000) * SIM_SECOND };
}

void os_end(void)
{
    for (int i = 0; i < os.slots; i++)
        if (os.processes[i])
            os_kill(os.processes[i], SIGKILL);
    for (int i = 0; i < os.slots; i++)
        if (os.processes[i])
            process_free(os.processes[i]);
    os.events = 0;
}
