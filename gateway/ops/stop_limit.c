#include "gateway/ops/stop_limit.h"

#include "gateway/base/clock.h"
#include "gateway/base/stopper.h"
#include "gateway/kafka/admin.h"
#include "gateway/model/event.h"

#define ASK_MS 1000

struct lt_stop_limit {
    const struct lt_config *config;
    int64_t silence_ms;
    void (*on_silent)(void *ctx);
    void *ctx;
    struct lt_stopper stopper;
};

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
    } while (!lt_stopper_wait(&l->stopper, ASK_MS));
    lt_admin_free(a);
    return NULL;
}

struct lt_stop_limit *lt_stop_limit_start(const struct lt_config *c, int64_t silence_ms, void (*on_silent)(void *ctx),
                                          void *ctx)
{
    struct lt_stop_limit *l = lt_alloc(sizeof(*l));
    *l = (struct lt_stop_limit){.config = c, .silence_ms = silence_ms, .on_silent = on_silent, .ctx = ctx};
    lt_stopper_init(&l->stopper);
    if (lt_stopper_start(&l->stopper, limit_main, l))
        return l;
    lt_stop_limit_end(l);
    return NULL;
}

void lt_stop_limit_end(struct lt_stop_limit *l)
{
    if (!l)
        return;
    lt_stopper_stop(&l->stopper);
    lt_stopper_deinit(&l->stopper);
    free(l);
}
