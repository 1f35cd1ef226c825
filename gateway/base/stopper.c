#include "gateway/base/stopper.h"

#include "gateway/base/clock.h"

void lt_stopper_init(struct lt_stopper *s)
{
    memset(s, 0, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    lt_mono_cond_init(&s->changed);
}

void lt_stopper_deinit(struct lt_stopper *s)
{
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

bool lt_stopper_start(struct lt_stopper *s, void *(*main)(void *), void *arg)
{
    s->started = pthread_create(&s->thread, NULL, main, arg) == 0;
    return s->started;
}

bool lt_stopper_wait(struct lt_stopper *s, int64_t ms)
{
    struct timespec until = lt_mono_after(ms);
    pthread_mutex_lock(&s->lock);
    while (!s->stopping && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
        continue;
    bool stop = s->stopping;
    pthread_mutex_unlock(&s->lock);
    return stop;
}

bool lt_stopper_stopping(struct lt_stopper *s)
{
    return lt_stopper_wait(s, 0);
}

void lt_stopper_stop(struct lt_stopper *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->started)
        pthread_join(s->thread, NULL);
    s->started = false;
}
