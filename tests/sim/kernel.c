#include "tests/sim/kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define STACK_SIZE ((size_t)1 << 20)
#else
#define STACK_SIZE ((size_t)256 << 10)
#endif
#define TASKS_MAX 8
#define STEPS_MAX 2000000 /* of a run; beyond it something turns in circles */

struct sim_task {
    char name[16];
    ucontext_t context;
    char *stack;
    void (*fn)(void *ctx);
    void *ctx;
    int64_t wake_ms, held_ms;
    bool done;
};

static struct {
    uint64_t seed, random, hash, steps;
    bool active, trace;
    void (*on_fail)(void);
    struct lt_memory *memory;
    struct sim_task *tasks[TASKS_MAX];
    struct sim_task *current;
    ucontext_t director;
    const void *director_stack; /* for the address sanitizer */
    size_t director_stack_size;
    char *spare[TASKS_MAX]; /* stacks to use again, across runs */
} k;

/* ---- life ---- */

void sim_begin(uint64_t seed, bool trace, struct lt_memory *m)
{
    k.seed = k.random = seed;
    k.hash = 0xcbf29ce484222325u;
    k.steps = 0;
    k.trace = trace;
    k.memory = m;
    k.active = true;
    (void)sim_random();
}

uint64_t sim_end(void)
{
    for (size_t i = 0; i < TASKS_MAX; i++)
        sim_check(!k.tasks[i], "a task was left");
    k.active = false;
    return k.hash;
}

uint64_t sim_random(void)
{
    uint64_t z = k.random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

bool sim_chance(unsigned per_mille)
{
    return per_mille && sim_random() % 1000 < per_mille;
}

int64_t sim_between(int64_t from, int64_t to)
{
    return from + (int64_t)(sim_random() % (uint64_t)(to - from + 1));
}

/* ---- what happened ---- */

static void mix(uint64_t v)
{
    for (int i = 0; i < 8; i++, v >>= 8)
        k.hash = (k.hash ^ (v & 0xff)) * 0x100000001b3u;
}

void sim_note(const char *who, const char *what, int64_t a, int64_t b)
{
    k.steps++;
    for (const char *c = what; *c; c++)
        k.hash = (k.hash ^ (unsigned char)*c) * 0x100000001b3u;
    mix((uint64_t)a);
    mix((uint64_t)b);
    mix((uint64_t)sim_now());
    if (k.trace)
        printf("%7" PRIu64 " %12.3f %-9s %-20s %" PRId64 " %" PRId64 "\n", k.steps,
               (double)(sim_now() % 100000000) / 1000, who, what, a, b);
    if (k.steps > STEPS_MAX)
        sim_fail("the run does not end");
}

uint64_t sim_steps(void)
{
    return k.steps;
}

bool sim_tracing(void)
{
    return k.trace;
}

void sim_fail(const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fflush(stdout);
    fprintf(stderr, "seed %" PRIu64 ", step %" PRIu64 ", %s: %s\n", k.seed, k.steps,
            k.current ? k.current->name : "director", text);
    fflush(stderr);
    if (k.on_fail)
        k.on_fail();
    _exit(1);
}

void sim_on_fail(void (*fn)(void))
{
    k.on_fail = fn;
}

/* ---- tasks ---- */

/* The sanitizer must know which stack is in use. */
static void enter(const void *stack, size_t size, void **ret_fake)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(ret_fake, stack, size);
#else
    (void)stack, (void)size, (void)ret_fake;
#endif
}

static void entered(void *fake, const void **ret_stack, size_t *ret_size)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, ret_stack, ret_size);
#else
    (void)fake, (void)ret_stack, (void)ret_size;
#endif
}

static void task_main(void)
{
    entered(NULL, &k.director_stack, &k.director_stack_size);
    struct sim_task *t = k.current;
    t->fn(t->ctx);
    t->done = true;
    enter(k.director_stack, k.director_stack_size, NULL);
    swapcontext(&t->context, &k.director);
}

static char *stack_new(void)
{
    for (size_t i = 0; i < TASKS_MAX; i++)
        if (k.spare[i])
            return lt_steal(&k.spare[i]);
    char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sim_check(stack != MAP_FAILED, "no memory for a stack");
    sim_check(mprotect(stack, 4096, PROT_NONE) == 0, "no guard below a stack");
    return stack;
}

struct sim_task *sim_task_new(const char *name, void (*fn)(void *ctx), void *ctx)
{
    struct sim_task *t = lt_alloc(sizeof(*t));
    snprintf(t->name, sizeof(t->name), "%s", name);
    t->fn = fn;
    t->ctx = ctx;
    t->wake_ms = sim_now();
    t->stack = stack_new();
    getcontext(&t->context);
    t->context.uc_stack.ss_sp = t->stack;
    t->context.uc_stack.ss_size = STACK_SIZE;
    makecontext(&t->context, task_main, 0);
    for (size_t i = 0; i < TASKS_MAX; i++)
        if (!k.tasks[i]) {
            k.tasks[i] = t;
            return t;
        }
    sim_fail("too many tasks");
}

bool sim_task_done(const struct sim_task *t)
{
    return t->done;
}

void sim_task_free(struct sim_task *t)
{
    if (!t)
        return;
    sim_check(t->done, "task %s is not done", t->name);
    for (size_t i = 0; i < TASKS_MAX; i++)
        if (k.tasks[i] == t)
            k.tasks[i] = NULL;
    for (size_t i = 0; i < TASKS_MAX && t->stack; i++)
        if (!k.spare[i])
            k.spare[i] = lt_steal(&t->stack);
    free(t);
}

void sim_task_hold(struct sim_task *t, int64_t until_ms)
{
    t->held_ms = until_ms;
}

void sim_task_wake(struct sim_task *t)
{
    t->wake_ms = LT_MIN(t->wake_ms, sim_now());
}

struct sim_task *sim_task_current(void)
{
    return k.current;
}

static void back_to_director(void)
{
    struct sim_task *t = k.current;
    void *fake = NULL;
    enter(k.director_stack, k.director_stack_size, &fake);
    swapcontext(&t->context, &k.director);
    entered(fake, &k.director_stack, &k.director_stack_size);
}

static void run(struct sim_task *t)
{
    void *fake = NULL;
    k.current = t;
    enter(t->stack, STACK_SIZE, &fake);
    swapcontext(&k.director, &t->context);
    entered(fake, NULL, NULL);
    k.current = NULL;
}

void sim_yield(void)
{
    if (k.current)
        back_to_director();
}

void sim_sleep(int64_t ms)
{
    if (!k.current)
        return;
    k.current->wake_ms = sim_now() + ms;
    back_to_director();
}

bool sim_turn(int64_t limit_ms)
{
    struct sim_task *due[TASKS_MAX];
    size_t n = 0;
    int64_t next_ms = limit_ms;
    for (size_t i = 0; i < TASKS_MAX; i++) {
        struct sim_task *t = k.tasks[i];
        if (!t || t->done)
            continue;
        int64_t at_ms = LT_MAX(t->wake_ms, t->held_ms);
        if (at_ms <= sim_now())
            due[n++] = t;
        else
            next_ms = LT_MIN(next_ms, at_ms);
    }
    if (n > 0)
        run(due[sim_random() % n]);
    else if (next_ms > sim_now())
        sim_advance(next_ms - sim_now());
    return sim_now() < limit_ms;
}

/* ---- time ---- */

int64_t sim_now(void)
{
    return lt_memory_clock(k.memory);
}

void sim_advance(int64_t ms)
{
    lt_memory_advance(k.memory, ms);
}

/* The linker gives every call of these here (--wrap). */
int __real_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_clock_gettime(clockid_t id, struct timespec *ret);
int __real_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until);

int __wrap_clock_gettime(clockid_t id, struct timespec *ret)
{
    if (!k.active)
        return __real_clock_gettime(id, ret);
    ret->tv_sec = sim_now() / 1000;
    ret->tv_nsec = sim_now() % 1000 * 1000000;
    return 0;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
    if (!k.current)
        return __real_pthread_cond_timedwait(c, m, until);
    int64_t until_ms = (int64_t)until->tv_sec * 1000 + until->tv_nsec / 1000000;
    pthread_mutex_unlock(m);
    sim_sleep(LT_MAX(until_ms - sim_now(), 0));
    pthread_mutex_lock(m);
    return sim_now() >= until_ms ? ETIMEDOUT : 0;
}
