#include "gateway/ops/genesis_watch.h"

#include "gateway/base/log.h"
#include "gateway/base/stopper.h"
#include "gateway/model/event.h"
#include "gateway/ops/topics.h"

#include <stdatomic.h>

#define ASK_EVERY_MS 1000
#define CONFIRM_EVERY_MS 60000

struct lt_genesis_watch {
    const struct lt_config *config;
    struct lt_stopper stopper;
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
    do
        look(w);
    while (!lt_stopper_wait(&w->stopper, atomic_load(&w->ready) ? CONFIRM_EVERY_MS : ASK_EVERY_MS));
    return NULL;
}

int lt_genesis_watch_start(const struct lt_config *c, struct lt_genesis_watch **ret, struct lt_err *err)
{
    struct lt_genesis_watch *w = lt_alloc(sizeof(*w));
    w->config = c;
    lt_stopper_init(&w->stopper);
    if (!lt_stopper_start(&w->stopper, watch_main, w)) {
        lt_genesis_watch_stop(w);
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
    lt_stopper_stop(&w->stopper);
    lt_stopper_deinit(&w->stopper);
    free(w);
}
