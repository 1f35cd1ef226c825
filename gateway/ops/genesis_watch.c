#include "gateway/ops/genesis_watch.h"

#include "gateway/base/log.h"
#include "gateway/model/event.h"
#include "gateway/ops/topics.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define ASK_EVERY_S 1
#define CONFIRM_EVERY_S 60

struct lt_genesis_watch {
    const struct lt_config *config;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    atomic_bool ready;
};

static void look(struct lt_genesis_watch *w)
{
    static const struct lt_topics_group core = {LT_GROUP_CORE, LT_TOPIC_INTAKE, true};
    struct lt_admin *a = NULL;
    struct lt_err err = LT_ERR_INIT;
    int r = lt_admin_new(w->config->kafka.props, w->config->kafka.props_len, &a, &err);
    if (r == LT_OK)
        r = lt_topics_genesis_done(a, &core, &err);
    lt_admin_free(a);
    if (r < 0)
        return; /* Kafka is away: what was known stays known, producing will say so itself */
    /* One that grew under us: the producer keeps each dossier's partition, and those have their positions. */
    bool before = atomic_load(&w->ready), is = r == 1 || (r == LT_TOPICS_GENESIS_GROWN && before);
    atomic_store(&w->ready, is);
    if (!is && before)
        lt_error("ingest", "not-initialised",
                 "the positions of group " LT_GROUP_CORE " are gone: nothing is accepted until they are restored");
    else if (is && !before)
        lt_info("ingest", "initialised", "group " LT_GROUP_CORE " has its positions: events are accepted");
}

static void *watch_main(void *ctx)
{
    struct lt_genesis_watch *w = ctx;
    pthread_mutex_lock(&w->lock);
    while (!w->stopping) {
        pthread_mutex_unlock(&w->lock);
        look(w);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until); /* a wall clock set back must not keep ingest shut */
        until.tv_sec += atomic_load(&w->ready) ? CONFIRM_EVERY_S : ASK_EVERY_S;
        pthread_mutex_lock(&w->lock);
        while (!w->stopping && pthread_cond_timedwait(&w->wake, &w->lock, &until) != ETIMEDOUT)
            ;
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int lt_genesis_watch_start(const struct lt_config *c, struct lt_genesis_watch **ret, struct lt_err *err)
{
    struct lt_genesis_watch *w = lt_alloc(sizeof(*w));
    w->config = c;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&w->thread, NULL, watch_main, w) != 0) {
        pthread_cond_destroy(&w->wake);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return lt_err_set(err, LT_E_IO, "thread", "cannot start a thread");
    }
    *ret = w;
    return LT_OK;
}

bool lt_genesis_watch_ready(void *watch)
{
    struct lt_genesis_watch *w = watch;
    return atomic_load(&w->ready);
}

void lt_genesis_watch_stop(struct lt_genesis_watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
