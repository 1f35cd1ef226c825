/* Decisions on their way to lt.control.<target>, and to lt.audit. */
#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"
#include "gateway/kafka/producer.h"
#include "gateway/kafka/reader.h"
#include "gateway/model/event.h"
#include "gateway/model/partition.h"
#include "gateway/ops/parked.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define QUEUE_BYTES ((size_t)32 << 20)
#define MESSAGE_TIMEOUT_MS 15000
#define TOPIC_WAIT_MS 10000
#define AUDIT_MAX ((size_t)8192)

struct lt_decider {
    struct lt_producer *producer;
    char *control, *target, *who;
    int32_t partitions;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    bool done;
    struct lt_delivery_report report;
};

int lt_decider_new(const struct lt_config *c, const char *target, const char *who, struct lt_decider **ret,
                   struct lt_err *err)
{
    struct lt_decider *d = lt_alloc(sizeof(*d));
    LT_AUTOFREE char *client = lt_asprintf("lienthong-%s-operator", c->instance);
    struct lt_reader *reader = NULL;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->arrived, NULL);
    d->control = lt_asprintf(LT_TOPIC_CONTROL_PREFIX "%s", target);
    d->target = lt_strdup(target);
    d->who = lt_strdup(who);
    int r = lt_reader_new(c->kafka.props, c->kafka.props_len, &reader, err);
    if (r == LT_OK)
        r = lt_reader_partitions(reader, d->control, &d->partitions, err);
    lt_reader_free(reader);
    if (r == LT_OK)
        r = lt_producer_new(c->kafka.props, c->kafka.props_len, client, QUEUE_BYTES, MESSAGE_TIMEOUT_MS, &d->producer,
                            err);
    if (r != LT_OK) {
        lt_decider_free(d);
        return r;
    }
    lt_producer_prepare(d->producer, d->control);
    lt_producer_prepare(d->producer, LT_TOPIC_AUDIT);
    *ret = d;
    return LT_OK;
}

void lt_decider_free(struct lt_decider *d)
{
    if (!d)
        return;
    lt_producer_free(d->producer);
    pthread_cond_destroy(&d->arrived);
    pthread_mutex_destroy(&d->lock);
    free(d->control);
    free(d->target);
    free(d->who);
    free(d);
}

static void on_report(void *ctx, const struct lt_delivery_report *r)
{
    struct lt_decider *d = ctx;
    pthread_mutex_lock(&d->lock);
    d->report = *r;
    d->done = true;
    pthread_cond_signal(&d->arrived);
    pthread_mutex_unlock(&d->lock);
}

/* One record, durable when it returns LT_OK. */
static int send_one(struct lt_decider *d, const char *topic, struct lt_span key, struct lt_span value,
                    struct lt_err *err)
{
    struct lt_headers none = {0};
    int64_t until = lt_mono_ms() + TOPIC_WAIT_MS;
    int r;
    d->done = false;
    /* The topic's partitions are being asked for, since prepare: nothing else is unavailable here for long. */
    while ((r = lt_producer_send(d->producer, topic, key, &none, value, on_report, d, err)) == LT_E_UNAVAILABLE &&
           lt_mono_ms() < until)
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    if (r != LT_OK)
        return r;
    pthread_mutex_lock(&d->lock);
    while (!d->done)
        pthread_cond_wait(&d->arrived, &d->lock);
    pthread_mutex_unlock(&d->lock);
    if (d->report.outcome == LT_DELIVERY_PERSISTED)
        return LT_OK;
    return lt_err_set(err, LT_E_UNAVAILABLE, "not-written", "%s: %s", topic, d->report.reason);
}

static int audit(struct lt_decider *d, const char *key, const struct lt_decision *what, struct lt_err *err)
{
    struct lt_buf out = LT_BUF_INIT(AUDIT_MAX);
    struct lt_json_writer w;
    char time[30];
    LT_AUTOFREE char *action = lt_asprintf("delivery-%s", lt_verb_name(what->verb));
    lt_time_rfc3339(what->at_ms, time);
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "time", lt_span_str(time));
    lt_json_str(&w, "actor", lt_span_str(d->who));
    lt_json_str(&w, "action", lt_span_str(action));
    lt_json_str(&w, "target", lt_span_str(d->target));
    lt_json_str(&w, "dossier", lt_span_str(key));
    lt_json_num(&w, "order", what->order);
    lt_json_str(&w, "decision", lt_span_str(what->id));
    lt_json_end_object(&w);
    int r = send_one(d, LT_TOPIC_AUDIT, lt_span_str(d->who), lt_buf_view(&out), err);
    lt_buf_deinit(&out);
    return r;
}

int lt_decider_send(struct lt_decider *d, const char *key, enum lt_verb verb, int64_t order, struct lt_span data,
                    char ret_id[LT_DECISION_MAX], struct lt_err *err)
{
    struct lt_decision what = {.verb = verb, .order = order, .at_ms = lt_now_ms(), .data = data};
    uint8_t random[8];
    lt_random(random, sizeof(random));
    lt_hex(random, sizeof(random), what.id);
    snprintf(what.who, sizeof(what.who), "%s", d->who);
    LT_AUTOFREE char *value = lt_decision_value(&what);
    /* The audit first: a decision that nobody can find the maker of is worse than a decision that was not carried out.
     */
    int r = audit(d, key, &what, err);
    if (r == LT_OK)
        r = send_one(d, d->control, lt_span_str(key), lt_span_str(value), err);
    if (r == LT_OK)
        snprintf(ret_id, LT_DECISION_MAX, "%s", what.id);
    return r;
}

int lt_decider_send_all(struct lt_decider *d, enum lt_verb verb, struct lt_err *err)
{
    char id[LT_DECISION_MAX];
    int r = LT_OK;
    for (int32_t p = 0; p < d->partitions && r == LT_OK; p++) {
        char key[24]; /* one that the gateway's partitioner puts there */
        unsigned n = 0;
        do
            snprintf(key, sizeof(key), "*%u", n++);
        while (lt_partition_of(lt_span_str(key), d->partitions) != p);
        r = lt_decider_send(d, key, verb, -1, LT_SPAN_NULL, id, err);
    }
    return r;
}
