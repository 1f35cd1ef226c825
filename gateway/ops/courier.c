#include "gateway/ops/courier.h"

#include "gateway/base/clock.h"
#include "gateway/codec/json.h"
#include "gateway/kafka/producer.h"
#include "gateway/model/event.h"

#include <pthread.h>
#include <time.h>

#define QUEUE_BYTES ((size_t)32 << 20)
#define MESSAGE_TIMEOUT_MS 15000
#define TOPIC_WAIT_MS 10000
#define AUDIT_MAX ((size_t)8192)

struct lt_courier {
    struct lt_producer *producer;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    bool done;
    struct lt_delivery_report report;
};

int lt_courier_new(const struct lt_config *config, const char *const *topics, struct lt_courier **ret,
                   struct lt_err *err)
{
    struct lt_courier *c = lt_alloc(sizeof(*c));
    LT_AUTOFREE char *client = lt_asprintf("lienthong-%s-operator", config->instance);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->arrived, NULL);
    int r = lt_producer_new(config->kafka.props, config->kafka.props_len, client, QUEUE_BYTES, MESSAGE_TIMEOUT_MS,
                            &c->producer, err);
    if (r != LT_OK) {
        lt_courier_free(c);
        return r;
    }
    for (; *topics; topics++)
        lt_producer_prepare(c->producer, *topics);
    *ret = c;
    return LT_OK;
}

void lt_courier_free(struct lt_courier *c)
{
    if (!c)
        return;
    lt_producer_free(c->producer);
    pthread_cond_destroy(&c->arrived);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static void on_report(void *ctx, const struct lt_delivery_report *r)
{
    struct lt_courier *c = ctx;
    pthread_mutex_lock(&c->lock);
    c->report = *r;
    c->done = true;
    pthread_cond_signal(&c->arrived);
    pthread_mutex_unlock(&c->lock);
}

int lt_courier_send(struct lt_courier *c, const char *topic, struct lt_span key, struct lt_span value,
                    struct lt_err *err)
{
    struct lt_headers none = {0};
    int64_t until = lt_mono_ms() + TOPIC_WAIT_MS;
    int r;
    c->done = false;
    /* The topic's partitions are being asked for, since prepare: nothing else is unavailable here for long. */
    while ((r = lt_producer_send(c->producer, topic, key, &none, value, on_report, c, err)) == LT_E_UNAVAILABLE &&
           lt_mono_ms() < until)
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    if (r != LT_OK)
        return r;
    pthread_mutex_lock(&c->lock);
    while (!c->done)
        pthread_cond_wait(&c->arrived, &c->lock);
    pthread_mutex_unlock(&c->lock);
    if (c->report.outcome == LT_DELIVERY_PERSISTED)
        return LT_OK;
    return lt_err_set(err, LT_E_UNAVAILABLE, "not-written", "%s: %s", topic, c->report.reason);
}

int lt_courier_audit(struct lt_courier *c, const char *actor, const char *action, struct lt_span members,
                     struct lt_err *err)
{
    struct lt_buf out = LT_BUF_INIT(AUDIT_MAX);
    char time[30];
    lt_time_rfc3339(lt_now_ms(), time);
    lt_buf_printf(&out, "{\"time\":\"%s\",\"actor\":", time);
    lt_buf_json(&out, lt_span_str(actor));
    lt_buf_str(&out, ",\"action\":");
    lt_buf_json(&out, lt_span_str(action));
    if (members.len > 0)
        lt_buf_char(&out, ',');
    lt_buf_span(&out, members);
    lt_buf_char(&out, '}');
    int r = lt_buf_ok(&out) ? lt_courier_send(c, LT_TOPIC_AUDIT, lt_span_str(actor), lt_buf_view(&out), err)
                            : lt_err_set(err, LT_E_LIMIT, "audit", "the audit record is too long");
    lt_buf_deinit(&out);
    return r;
}

int lt_audit(const struct lt_config *c, const char *actor, const char *action, struct lt_span members,
             struct lt_err *err)
{
    static const char *const topics[] = {LT_TOPIC_AUDIT, NULL};
    struct lt_courier *courier = NULL;
    int r = lt_courier_new(c, topics, &courier, err);
    if (r == LT_OK)
        r = lt_courier_audit(courier, actor, action, members, err);
    lt_courier_free(courier);
    return r;
}
