/*
 * The simulation's own world: one seed, one clock, tasks that take turns.
 *
 * A task is a stack of its own (a process of the gateway); exactly one runs at a time and it runs until it sleeps or
 * yields, so that a seed decides every interleaving and a run replays to the step. Time is the clock of the in-memory
 * log and stands still unless somebody moves it: the code under test sees it through clock_gettime and
 * pthread_cond_timedwait, which this program replaces when it is linked, so nothing in the gateway knows of the
 * simulation and no second of a pause is waited for.
 *
 * One simulation at a time, one thread. A failure ends the process: whoever runs many seeds gives them a child process.
 */
#ifndef LT_TESTS_SIM_KERNEL_H
#define LT_TESTS_SIM_KERNEL_H

#include "gateway/kafka/log_memory.h"

struct sim_task;

void sim_begin(uint64_t seed, bool trace, struct lt_memory *m); /* m is lent until sim_end */
uint64_t sim_end(void);                                         /* every task is done; returns the hash of the run */

/* ---- chance: splitmix64 of the seed ---- */

uint64_t sim_random(void);
bool sim_chance(unsigned per_mille);
int64_t sim_between(int64_t from, int64_t to); /* both included */

/* ---- time, in ms ---- */

int64_t sim_now(void);
void sim_advance(int64_t ms); /* sessions and transactions that are over by then end */

/* ---- what happened ---- */

/* One step of the run: enters the hash, and with trace it is printed. what and detail are not kept. */
void sim_note(const char *who, const char *what, int64_t a, int64_t b);
uint64_t sim_steps(void); /* notes so far */
bool sim_tracing(void);
void sim_fail(const char *fmt, ...) LT_PRINTF(1, 2) __attribute__((noreturn));
void sim_on_fail(void (*fn)(void)); /* called before a failure ends the process; NULL: nothing */
#define sim_check(condition, ...)                                                                                      \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            sim_fail(__VA_ARGS__);                                                                                     \
    } while (0)

/* ---- tasks ---- */

struct sim_task *sim_task_new(const char *name, void (*fn)(void *ctx), void *ctx);
bool sim_task_done(const struct sim_task *t);
void sim_task_free(struct sim_task *t);                   /* done only; free(NULL) is fine */
void sim_task_hold(struct sim_task *t, int64_t until_ms); /* does not run before, whatever it waits for */
void sim_task_wake(struct sim_task *t);                   /* ends its sleep */
struct sim_task *sim_task_current(void);                  /* NULL: the director */
void sim_yield(void);                                     /* the others may have their turn; no-op in the director */
void sim_sleep(int64_t ms);                               /* a task's only way to let time pass for itself */
/* One turn of a task that is due, drawn by the seed; when none is, time moves on to the next one, but not beyond
 * limit_ms. false: the clock has reached limit_ms. */
bool sim_turn(int64_t limit_ms);
#endif
