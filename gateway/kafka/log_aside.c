#include "gateway/kafka/log_kafka.h"

#include "gateway/base/clock.h"

#define IDLE_MS 5 /* how long to wait when the owner has nothing to do meanwhile */

/*
 * One helper thread a log, made when it is first needed. It runs one job at a time while the owner waits for it, so
 * nothing of the log is touched by two threads at once; the lock hands the job over and back.
 */
struct lt_kafka_aside {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int (*job)(struct lt_log_kafka *k, void *arg, struct lt_err *err); /* NULL: none, or done */
    struct lt_log_kafka *log;
    void *arg;
    struct lt_err *err;
    int result;
    bool ending;
};

static void *aside_run(void *ctx)
{
    struct lt_kafka_aside *a = ctx;
    pthread_mutex_lock(&a->lock);
    for (;;) {
        while (!a->job && !a->ending)
            pthread_cond_wait(&a->changed, &a->lock);
        if (!a->job)
            break;
        pthread_mutex_unlock(&a->lock);
        int r = a->job(a->log, a->arg, a->err);
        pthread_mutex_lock(&a->lock);
        a->result = r;
        a->job = NULL;
        pthread_cond_signal(&a->changed);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static struct lt_kafka_aside *aside_new(struct lt_log_kafka *k)
{
    struct lt_kafka_aside *a = lt_alloc(sizeof(*a));
    a->log = k;
    pthread_mutex_init(&a->lock, NULL);
    lt_mono_cond_init(&a->changed);
    if (pthread_create(&a->thread, NULL, aside_run, a) == 0)
        return a;
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
    return NULL;
}

void lt_log_kafka_aside_free(struct lt_kafka_aside *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->ending = true;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static void wait_a_little(struct lt_kafka_aside *a)
{
    struct timespec until = lt_mono_after(IDLE_MS);
    pthread_cond_timedwait(&a->changed, &a->lock, &until);
}

int lt_log_kafka_aside(struct lt_log_kafka *k, int (*job)(struct lt_log_kafka *k, void *arg, struct lt_err *err),
                       void *arg, struct lt_err *err)
{
    if (!k->callbacks.meanwhile || (!k->aside && !(k->aside = aside_new(k))))
        return job(k, arg, err);
    struct lt_kafka_aside *a = k->aside;
    pthread_mutex_lock(&a->lock);
    a->arg = arg;
    a->err = err;
    a->job = job;
    pthread_cond_signal(&a->changed);
    while (a->job) {
        pthread_mutex_unlock(&a->lock);
        bool waited = k->callbacks.meanwhile(k->callbacks.ctx);
        pthread_mutex_lock(&a->lock);
        if (a->job && !waited)
            wait_a_little(a);
    }
    int r = a->result;
    pthread_mutex_unlock(&a->lock);
    return r;
}
