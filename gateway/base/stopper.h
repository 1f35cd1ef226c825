/*
 * A thread that can be told to stop, and waits so that the telling wakes it: for whatever works, waits and works again.
 * Its main function is a loop of the owner's:
 *
 *     do
 *         work();
 *     while (!lt_stopper_wait(s, ms));
 *
 * Waits go by CLOCK_MONOTONIC: a wall clock that is set neither prolongs nor ends them. init, start, stop and deinit
 * are for the owner alone; wait and stopping for the thread and whoever works for it.
 */
#ifndef LT_BASE_STOPPER_H
#define LT_BASE_STOPPER_H

#include <pthread.h>

#include "gateway/base/base.h"

struct lt_stopper {
    pthread_mutex_t lock; /* also guards what the owner shows of itself */
    pthread_cond_t changed;
    pthread_t thread;
    bool started, stopping;
};
void lt_stopper_init(struct lt_stopper *s);
void lt_stopper_deinit(struct lt_stopper *s); /* after stop, or where start failed */
/* false: no thread. Once; arg is lent until stop. */
bool lt_stopper_start(struct lt_stopper *s, void *(*main)(void *), void *arg) LT_MUST_CHECK;
bool lt_stopper_wait(struct lt_stopper *s, int64_t ms); /* true: stop now, at once when it is told meanwhile */
bool lt_stopper_stopping(struct lt_stopper *s);         /* to be asked in the midst of long work */
void lt_stopper_stop(struct lt_stopper *s);             /* tells, and waits for what is under way; again is fine */
#endif
