#include "gateway/delivery/delivery.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/pulse.h"
#include "gateway/delivery/caller.h"
#include "gateway/delivery/engine.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#define TURN_MS 100
#define SNAPSHOT_MS 200
#define SNAPSHOT_MAX ((size_t)4 << 20)
#define EXIT_TWIN 78

struct lt_delivery_engine {
    struct lt_delivery_settings set;
    struct lt_engine *engine;
    pthread_t thread;
    atomic_bool stopping;
    pthread_mutex_t lock; /* of the snapshot */
    struct lt_buf status, metrics;
    bool ready;
    struct lt_pulse pulse; /* beats with each snapshot */
};

static int open_kafka(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    (void)ctx;
    return lt_log_kafka_new(s, ret, err);
}

static void snapshot(struct lt_delivery_engine *d)
{
    struct lt_buf status = LT_BUF_INIT(SNAPSHOT_MAX), metrics = LT_BUF_INIT(SNAPSHOT_MAX);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &status);
    lt_engine_status(d->engine, &w);
    lt_engine_metrics(d->engine, &metrics);
    bool ready = lt_engine_ready(d->engine);

    pthread_mutex_lock(&d->lock);
    struct lt_buf old_status = d->status, old_metrics = d->metrics;
    d->status = status;
    d->metrics = metrics;
    d->ready = ready;
    pthread_mutex_unlock(&d->lock);
    lt_buf_deinit(&old_status);
    lt_buf_deinit(&old_metrics);
    lt_pulse_beat(&d->pulse);
}

static void *run(void *arg)
{
    struct lt_delivery_engine *d = arg;
    int64_t shown = lt_mono_ms();
    while (!atomic_load(&d->stopping)) {
        int64_t began = lt_mono_ms();
        int r = lt_engine_step(d->engine, TURN_MS);
        int64_t now = lt_mono_ms();
        if (r == LT_ENGINE_FATAL) {
            snapshot(d);
            if (d->set.on_fatal)
                d->set.on_fatal(d->set.ctx, EXIT_TWIN, lt_engine_fatal_text(d->engine));
            break;
        }
        if (now - shown >= SNAPSHOT_MS) {
            snapshot(d);
            shown = now;
        }
        /* A turn that found the log away comes back at once. */
        if (now - began < 1 && !lt_engine_ready(d->engine))
            nanosleep(&(struct timespec){.tv_nsec = 5 * 1000 * 1000}, NULL);
    }
    lt_engine_close(d->engine);
    return NULL;
}

int lt_delivery_start(const struct lt_delivery_settings *s, struct lt_delivery_engine **ret, struct lt_diags *diags)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_engine_settings es = {
        .target = s->target,
        .adapter = s->adapter,
        .kafka_props = s->config->kafka.props,
        .kafka_props_len = s->config->kafka.props_len,
        .record_max = (size_t)s->config->topics.record_max,
        .instance = s->config->instance,
        .leaving = s->leaving,
        .ctx = s->ctx,
        .open_log = s->open_log ? s->open_log : open_kafka,
    };
    int r = lt_caller_http(s->target, &es.caller, &err);
    if (r != LT_OK) {
        lt_yaml_error(diags, s->target->node, "%s: %s", s->target->name, err.text);
        return r;
    }
    struct lt_delivery_engine *d = lt_alloc(sizeof(*d));
    d->set = *s;
    d->status = LT_BUF_INIT(SNAPSHOT_MAX);
    d->metrics = LT_BUF_INIT(SNAPSHOT_MAX);
    pthread_mutex_init(&d->lock, NULL);
    r = lt_engine_new(&es, &d->engine, diags);
    if (r == LT_OK) {
        snapshot(d);
        if (pthread_create(&d->thread, NULL, run, d) == 0) {
            *ret = d;
            return LT_OK;
        }
        r = lt_err_set(&err, LT_E_LIMIT, "thread", "no thread for target %s", s->target->name);
        lt_yaml_error(diags, s->target->node, "%s", err.text);
        lt_engine_free(d->engine);
    }
    lt_buf_deinit(&d->status);
    lt_buf_deinit(&d->metrics);
    pthread_mutex_destroy(&d->lock);
    free(d);
    return r;
}

void lt_delivery_stop(struct lt_delivery_engine *d)
{
    atomic_store(&d->stopping, true);
}

void lt_delivery_free(struct lt_delivery_engine *d)
{
    if (!d)
        return;
    lt_delivery_stop(d);
    pthread_join(d->thread, NULL);
    lt_engine_free(d->engine);
    lt_buf_deinit(&d->status);
    lt_buf_deinit(&d->metrics);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

void lt_delivery_status(struct lt_delivery_engine *d, struct lt_json_writer *w)
{
    pthread_mutex_lock(&d->lock);
    lt_json_put_raw(w, lt_buf_view(&d->status));
    pthread_mutex_unlock(&d->lock);
}

void lt_delivery_metrics(struct lt_delivery_engine *d, struct lt_buf *out)
{
    pthread_mutex_lock(&d->lock);
    lt_buf_span(out, lt_buf_view(&d->metrics));
    pthread_mutex_unlock(&d->lock);
    lt_buf_printf(out, "lienthong_delivery_silent_ms{target=\"%s\"} %" PRId64 "\n", d->set.target->name,
                  lt_delivery_silent_ms(d));
}

bool lt_delivery_ready(struct lt_delivery_engine *d)
{
    pthread_mutex_lock(&d->lock);
    bool ready = d->ready;
    pthread_mutex_unlock(&d->lock);
    return ready && !lt_delivery_hangs(d);
}

int64_t lt_delivery_silent_ms(struct lt_delivery_engine *d)
{
    return lt_pulse_silent_ms(&d->pulse);
}

bool lt_delivery_hangs(struct lt_delivery_engine *d)
{
    const struct lt_config_target *t = d->set.target;
    int64_t hangs_ms = d->set.hangs_ms > 0 ? d->set.hangs_ms : LT_PULSE_HANGS_MS;
    return lt_delivery_silent_ms(d) > hangs_ms + t->timeout_ms + t->connect_timeout_ms;
}

int lt_delivery_check(const struct lt_config_target *t, const struct lt_adapter_type *adapter, struct lt_diags *diags)
{
    const struct lt_adapter_settings s = {.target = t};
    struct lt_adapter_traits traits = {.batch_max = 1};
    void *self = NULL;
    int r = adapter->new (&s, &self, &traits, diags);
    if (r == LT_OK)
        adapter->free(self);
    return r;
}
