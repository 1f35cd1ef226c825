#include "gateway/ops/stop_limit.h"

#include "gateway/base/clock.h"
#include "gateway/kafka/admin.h"
#include "gateway/model/event.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define ASK_MS 1000

struct lt_stop_limit {
    const struct lt_config *config;
    int64_t silence_ms;
    void (*on_silent)(void *ctx);
    void *ctx;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ending;
};

/* Until it ends or the time between two questions has passed. */
static bool ended_meanwhile(struct lt_stop_limit *l)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ASK_MS / 1000;
    pthread_mutex_lock(&l->lock);
    while (!l->ending && pthread_cond_timedwait(&l->wake, &l->lock, &until) != ETIMEDOUT)
        ;
    bool ending = l->ending;
    pthread_mutex_unlock(&l->lock);
    return ending;
}

static void *limit_main(void *ctx)
{
    struct lt_stop_limit *l = ctx;
    struct lt_admin *a = NULL;
    int64_t heard = lt_mono_ms();
    bool told = false;
    if (lt_admin_new(l->config->kafka.props, l->config->kafka.props_len, &a, NULL) != LT_OK)
        return NULL; /* a property that does not fit: nothing could be begun with it either */
    do {
        if (lt_admin_answers(a, LT_TOPIC_INTAKE, ASK_MS))
            heard = lt_mono_ms();
        else if (!told && lt_mono_ms() - heard >= l->silence_ms) {
            told = true;
            l->on_silent(l->ctx);
        }
    } while (!ended_meanwhile(l));
    lt_admin_free(a);
    return NULL;
}

struct lt_stop_limit *lt_stop_limit_start(const struct lt_config *c, int64_t silence_ms, void (*on_silent)(void *ctx),
                                          void *ctx)
{
    struct lt_stop_limit *l = lt_alloc(sizeof(*l));
    *l = (struct lt_stop_limit){.config = c, .silence_ms = silence_ms, .on_silent = on_silent, .ctx = ctx};
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&l->thread, NULL, limit_main, l) == 0)
        return l;
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l);
    return NULL;
}

void lt_stop_limit_end(struct lt_stop_limit *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->ending = true;
    pthread_cond_broadcast(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
