/* A thread that can be told to stop, and waits so that the telling wakes it. For folders and bridges. */
#ifndef LT_INGEST_STOPPER_H
#define LT_INGEST_STOPPER_H

#include <pthread.h>

#include "gateway/base/base.h"

struct lt_stopper {
    pthread_mutex_t lock; /* also guards what the owner shows of itself */
    pthread_cond_t changed;
    pthread_t thread;
    bool started, stopping;
};
void lt_stopper_init(struct lt_stopper *s);
void lt_stopper_deinit(struct lt_stopper *s);
bool lt_stopper_start(struct lt_stopper *s, void *(*main)(void *), void *arg); /* false: no thread */
bool lt_stopper_wait(struct lt_stopper *s, int64_t ms);                        /* true: stop now */
bool lt_stopper_stopping(struct lt_stopper *s);
void lt_stopper_stop(struct lt_stopper *s); /* tells and joins; again is fine */
#endif
