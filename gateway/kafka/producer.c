#include "gateway/kafka/producer.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/config/config.h"
#include "gateway/kafka/client.h"
#include "gateway/model/partition.h"

#include <pthread.h>
#include <stdio.h>
#include <uthash.h>

#define POLL_MS 100
#define KEEP_MS 1000  /* how often a broker is asked for a sign of life */
#define FIRST_MS 2000 /* how long the very first record of a topic waits for its partition count */
#define FRESH_MS 5000 /* ready: a broker answered within */
#define METADATA_MS 3000
#define REFRESH_MS 60000

struct topic {
    char *name;
    int32_t partitions; /* 0: not known yet */
    bool grew;          /* it has more by now */
    int trouble;        /* what the last question met, LT_LOG_OK nothing: told when it changes */
    bool asked;
    bool prepared; /* the owner means to send to it: it counts for lt_producer_ready */
    int64_t asked_ms;
    rd_kafka_topic_t *handle; /* of the present producer */
    UT_hash_handle hh;
};

struct pending {
    lt_delivery_fn fn;
    void *ctx;
};

/*
 * Two threads: the poller owns the producer (delivery reports, replacement after a fatal error), the keeper asks
 * brokers for partitions through a handle of its own, because that blocks, and for a sign of life through the
 * producer's: another connection would not tell whether this one is back. `lock` guards everything below it; it is
 * never held across a call that blocks.
 */
struct lt_producer {
    struct lt_config_prop *props;
    size_t props_len;
    char *client_id;
    size_t queue_bytes;
    int message_timeout_ms;
    rd_kafka_t *peek;
    pthread_t poller, keeper;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* monotonic clock */
    rd_kafka_t *rk;         /* NULL while being replaced */
    struct topic *topics;
    bool fatal, stopping, keeper_ends;
    bool keeper_uses;    /* the producer: it is not destroyed meanwhile */
    int64_t answered_ms; /* monotonic; 0: never */
};

/* ---- delivery reports (poller's thread) ---- */

static enum lt_delivery outcome_of(const rd_kafka_message_t *m)
{
    rd_kafka_msg_status_t status = rd_kafka_message_status(m);
    if (!m->err && status == RD_KAFKA_MSG_STATUS_PERSISTED && m->offset >= 0)
        return LT_DELIVERY_PERSISTED;
    if (!m->err) /* acknowledged through a later record of the sequence: written, but where is not known */
        return LT_DELIVERY_UNKNOWN;
    if (status != RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
        return LT_DELIVERY_UNKNOWN;
    return lt_kafka_result(m->err) == LT_LOG_TOO_LARGE ? LT_DELIVERY_TOO_LARGE : LT_DELIVERY_REFUSED;
}

static void on_delivery(rd_kafka_t *rk LT_UNUSED, const rd_kafka_message_t *m, void *opaque)
{
    struct lt_producer *p = opaque;
    struct pending *pending = m->_private;
    struct lt_delivery_report r = {.outcome = outcome_of(m), .partition = m->partition, .offset = -1};
    if (r.outcome == LT_DELIVERY_PERSISTED)
        r.offset = m->offset;
    else
        snprintf(r.reason, sizeof(r.reason), "%s", m->err ? rd_kafka_err2str(m->err) : "written, offset not known");
    pending->fn(pending->ctx, &r);
    free(pending);
    if (!m->err) {
        pthread_mutex_lock(&p->lock);
        p->answered_ms = lt_mono_ms();
        pthread_mutex_unlock(&p->lock);
    }
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct lt_producer *p = opaque;
    char text[256];
    if (code != RD_KAFKA_RESP_ERR__FATAL) {
        lt_debug(p->client_id, "kafka-error", "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)code), reason);
        return;
    }
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(rk, text, sizeof(text));
    lt_error(p->client_id, "producer-fatal", "%s: %s; replacing the producer", rd_kafka_err2name(fatal), text);
    pthread_mutex_lock(&p->lock);
    p->fatal = true;
    pthread_mutex_unlock(&p->lock);
}

/* ---- the handle ---- */

static int handle_new(struct lt_producer *p, rd_kafka_t **ret, struct lt_err *err)
{
    char timeout[16], queue_kib[24];
    snprintf(timeout, sizeof(timeout), "%d", p->message_timeout_ms);
    snprintf(queue_kib, sizeof(queue_kib), "%zu", LT_MAX(p->queue_bytes / 1024, (size_t)1));
    const struct lt_kafka_setting defaults[] = {{"linger.ms", "5"}};
    const struct lt_kafka_setting forced[] = {
        {"client.id", p->client_id},
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"message.timeout.ms", timeout},
        {"queue.buffering.max.kbytes", queue_kib},
        {"queue.buffering.max.messages", "10000000"}, /* bytes bound it */
        {"topic.metadata.propagation.max.ms", "5000"},
        {"delivery.report.only.error", "false"},
    };
    const struct lt_kafka_spec spec = {p->props, p->props_len,           defaults,
                                       forced,   LT_ARRAY_LEN(defaults), LT_ARRAY_LEN(forced)};
    rd_kafka_conf_t *conf;
    int r = lt_kafka_conf(&spec, &conf, err);
    if (r != LT_OK)
        return r;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, p);
    return lt_kafka_handle(RD_KAFKA_PRODUCER, conf, ret, err);
}

static int peek_new(struct lt_producer *p, struct lt_err *err)
{
    const struct lt_kafka_setting forced[] = {{"client.id", p->client_id}, {"allow.auto.create.topics", "false"}};
    const struct lt_kafka_spec spec = {p->props, p->props_len, NULL, forced, 0, LT_ARRAY_LEN(forced)};
    return lt_kafka_open(RD_KAFKA_CONSUMER, &spec, &p->peek, err);
}

/* Every report has come when this returns: what is not delivered by the deadline is purged, and reported so. */
static void drain(rd_kafka_t *rk, int64_t deadline_ms)
{
    bool purged = false;
    while (rd_kafka_outq_len(rk) > 0) {
        if (!purged && lt_mono_ms() >= deadline_ms) {
            (void)rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
            purged = true;
        }
        rd_kafka_poll(rk, 10);
    }
}

static void topics_release(struct lt_producer *p)
{
    for (struct topic *t = p->topics; t; t = t->hh.next) {
        if (t->handle)
            rd_kafka_topic_destroy(t->handle);
        t->handle = NULL;
    }
}

/* Protocol 4: a fatal producer is drained and destroyed before its successor produces. */
static void replace(struct lt_producer *p)
{
    pthread_mutex_lock(&p->lock);
    rd_kafka_t *old = lt_steal(&p->rk);
    topics_release(p);
    p->fatal = false;
    while (p->keeper_uses) /* METADATA_MS at most */
        pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
    drain(old, lt_mono_ms()); /* a fatal producer sends nothing more */
    rd_kafka_destroy(old);
    rd_kafka_t *fresh = NULL;
    struct lt_err err = LT_ERR_INIT;
    if (handle_new(p, &fresh, &err) != LT_OK) {
        /* The same settings were good before: no threads, no memory. The next turn tries again. */
        lt_error(p->client_id, "producer-new",
                 "no new producer could be made: %s; trying again every second, nothing is accepted meanwhile",
                 err.text);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->rk = fresh;
    pthread_mutex_unlock(&p->lock);
    lt_info(p->client_id, "producer-replaced", "a new producer took over");
}

static void *poller_main(void *arg)
{
    struct lt_producer *p = arg;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        rd_kafka_t *rk = p->rk; /* only this thread changes it */
        bool fatal = p->fatal, stopping = p->stopping;
        pthread_mutex_unlock(&p->lock);
        if (stopping)
            return NULL;
        if (fatal && rk) {
            replace(p);
        } else if (!rk) {
            struct lt_err err = LT_ERR_INIT;
            rd_kafka_t *fresh;
            if (handle_new(p, &fresh, &err) == LT_OK) {
                pthread_mutex_lock(&p->lock);
                p->rk = fresh;
                pthread_mutex_unlock(&p->lock);
            } else {
                nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
            }
        } else {
            rd_kafka_poll(rk, POLL_MS);
        }
    }
}

/* ---- the keeper ---- */

/* The name of a topic whose partitions must be asked for, copied; NULL when none. */
static char *topic_due(struct lt_producer *p)
{
    int64_t now = lt_mono_ms();
    for (struct topic *t = p->topics; t; t = t->hh.next)
        if (!t->asked || now - t->asked_ms >= (t->partitions ? REFRESH_MS : KEEP_MS))
            return lt_strdup(t->name);
    return NULL;
}

static void topic_ask(struct lt_producer *p, const char *name)
{
    struct lt_err err = LT_ERR_INIT;
    int32_t n = 0;
    int r = lt_kafka_partitions(p->peek, name, METADATA_MS, &n, &err);
    pthread_mutex_lock(&p->lock);
    struct topic *t;
    HASH_FIND_STR(p->topics, name, t);
    t->asked = true;
    t->asked_ms = lt_mono_ms();
    bool grew = r == LT_LOG_OK && t->partitions > 0 && n > t->partitions, more = grew && !t->grew;
    bool news = r != t->trouble;
    if (r == LT_LOG_OK && !grew) /* one that grew is written to as before: keys must not move under their readers */
        t->partitions = n;
    else if (r == LT_LOG_PERMANENT)
        t->partitions = 0; /* it is gone, or not ours any more */
    t->grew = grew;
    t->trouble = r;
    n = t->partitions;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    if (more)
        lt_error(p->client_id, "topic-grew",
                 "topic %s has more partitions than the %d it had: written to as before; see `lienthong status`", name,
                 (int)n);
    if (r != LT_LOG_OK)
        lt_log(news ? LT_LOG_WARN : LT_LOG_DEBUG, p->client_id, r == LT_LOG_PERMANENT ? "topic-missing" : "kafka-away",
               "%s; asking again", err.text);
    else if (news)
        lt_info(p->client_id, "topic-back", "topic %s is there", name);
}

static void sign_of_life(struct lt_producer *p)
{
    const struct rd_kafka_metadata *m;
    pthread_mutex_lock(&p->lock);
    rd_kafka_t *rk = p->fatal ? NULL : p->rk;
    p->keeper_uses = rk;
    pthread_mutex_unlock(&p->lock);
    bool answered = rk && !rd_kafka_metadata(rk, 0, NULL, &m, METADATA_MS);
    if (answered)
        rd_kafka_metadata_destroy(m);
    pthread_mutex_lock(&p->lock);
    if (answered)
        p->answered_ms = lt_mono_ms();
    p->keeper_uses = false;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static void wait_until(struct lt_producer *p, int64_t mono_ms)
{
    struct timespec at = {.tv_sec = mono_ms / 1000, .tv_nsec = (mono_ms % 1000) * 1000000};
    pthread_cond_timedwait(&p->changed, &p->lock, &at);
}

static void *keeper_main(void *arg)
{
    struct lt_producer *p = arg;
    int64_t lived = 0;
    pthread_mutex_lock(&p->lock);
    while (!p->keeper_ends) {
        char *due = topic_due(p);
        bool ping = lt_mono_ms() - lived >= KEEP_MS;
        if (!due && !ping) {
            wait_until(p, lived + KEEP_MS);
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        if (due)
            topic_ask(p, due);
        free(due);
        if (ping) {
            sign_of_life(p);
            lived = lt_mono_ms();
        }
        rd_kafka_poll(p->peek, 0);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- public ---- */

static void release(struct lt_producer *p)
{
    struct topic *t, *next;
    topics_release(p);
    if (p->rk)
        rd_kafka_destroy(p->rk);
    if (p->peek)
        rd_kafka_destroy(p->peek);
    HASH_ITER (hh, p->topics, t, next) {
        HASH_DEL(p->topics, t);
        free(t->name);
        free(t);
    }
    lt_kafka_props_free(p->props, p->props_len);
    free(p->client_id);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int lt_producer_new(const struct lt_config_prop *props, size_t n_props, const char *client_id, size_t queue_bytes,
                    int message_timeout_ms, struct lt_producer **ret, struct lt_err *err)
{
    struct lt_producer *p = lt_alloc(sizeof(*p));
    p->props = lt_kafka_props_copy(props, n_props);
    p->props_len = n_props;
    p->client_id = lt_strdup(client_id);
    p->queue_bytes = queue_bytes;
    p->message_timeout_ms = message_timeout_ms;
    pthread_mutex_init(&p->lock, NULL);
    lt_mono_cond_init(&p->changed);

    int r = handle_new(p, &p->rk, err);
    if (r == LT_OK)
        r = peek_new(p, err);
    if (r == LT_OK && pthread_create(&p->poller, NULL, poller_main, p) != 0)
        r = lt_err_set(err, LT_E_UNAVAILABLE, "thread", "producer %s: no thread could be started", client_id);
    if (r != LT_OK) {
        release(p);
        return r;
    }
    if (pthread_create(&p->keeper, NULL, keeper_main, p) != 0) {
        p->keeper_ends = true;
        pthread_mutex_lock(&p->lock);
        p->stopping = true;
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->poller, NULL);
        release(p);
        return lt_err_set(err, LT_E_UNAVAILABLE, "thread", "producer %s: no thread could be started", client_id);
    }
    *ret = p;
    return LT_OK;
}

void lt_producer_free(struct lt_producer *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = p->keeper_ends = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->poller, NULL);
    pthread_join(p->keeper, NULL);
    if (p->rk)
        drain(p->rk, lt_mono_ms() + (p->fatal ? 0 : p->message_timeout_ms));
    release(p);
}

/* Under the lock. */
static struct topic *topic_add(struct lt_producer *p, const char *name)
{
    struct topic *t = lt_alloc(sizeof(*t));
    t->name = lt_strdup(name);
    HASH_ADD_KEYPTR(hh, p->topics, t->name, strlen(t->name), t);
    pthread_cond_broadcast(&p->changed); /* the keeper asks */
    return t;
}

void lt_producer_prepare(struct lt_producer *p, const char *topic)
{
    struct topic *t;
    pthread_mutex_lock(&p->lock);
    HASH_FIND_STR(p->topics, topic, t);
    if (!t)
        t = topic_add(p, topic);
    t->prepared = true;
    pthread_mutex_unlock(&p->lock);
}

/* Under the lock. The topic with its partition count known, or NULL. The first record of a topic waits for it a moment.
 */
static struct topic *topic_known(struct lt_producer *p, const char *name)
{
    struct topic *t;
    HASH_FIND_STR(p->topics, name, t);
    if (!t) {
        t = topic_add(p, name);
        for (int64_t until = lt_mono_ms() + FIRST_MS; !t->asked && !p->stopping && lt_mono_ms() < until;)
            wait_until(p, until);
    }
    if (!p->rk || t->partitions == 0)
        return NULL;
    if (!t->handle)
        t->handle = rd_kafka_topic_new(p->rk, name, NULL);
    return t->handle ? t : NULL;
}

static int enqueue(struct lt_producer *p, struct topic *t, struct lt_span key, const struct lt_headers *headers,
                   struct lt_span value, struct pending *pending, struct lt_err *err)
{
    rd_kafka_headers_t *h = lt_kafka_headers(headers);
    rd_kafka_vu_t v[7] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = t->handle},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = lt_partition_of(key, t->partitions)},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key.ptr, key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value.ptr, value.len}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = pending},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = h},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(p->rk, v, h ? 7 : 6);
    if (!error)
        return LT_OK;
    if (h)
        rd_kafka_headers_destroy(h);
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return lt_err_set(err, LT_E_LIMIT, "queue-full", "%s: records wait for Kafka up to the limit of %zu bytes",
                          t->name, p->queue_bytes);
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        p->fatal = true;
        return lt_err_set(err, LT_E_UNAVAILABLE, "producer-fatal", "%s: the producer is being replaced", t->name);
    }
    lt_kafka_fail(err, code, "sending to %s", t->name);
    /* A topic that is closed to us or gone just now is not the record's fault (protocol 4). */
    return lt_kafka_result(code) == LT_LOG_TOO_LARGE ? LT_E_INVALID : LT_E_UNAVAILABLE;
}

int lt_producer_send(struct lt_producer *p, const char *topic, struct lt_span key, const struct lt_headers *headers,
                     struct lt_span value, lt_delivery_fn fn, void *ctx, struct lt_err *err)
{
    struct pending *pending = lt_alloc(sizeof(*pending));
    *pending = (struct pending){fn, ctx};
    int r;
    pthread_mutex_lock(&p->lock);
    struct topic *t = p->stopping || p->fatal || !p->rk ? NULL : topic_known(p, topic);
    if (t)
        r = enqueue(p, t, key, headers, value, pending, err);
    else
        r = lt_err_set(err, LT_E_UNAVAILABLE, "kafka-away",
                       "topic %s: Kafka has not told its partitions yet, or the producer is being replaced; try again",
                       topic);
    pthread_mutex_unlock(&p->lock);
    if (r != LT_OK)
        free(pending);
    return r;
}

bool lt_producer_ready(struct lt_producer *p)
{
    pthread_mutex_lock(&p->lock);
    bool ready = p->rk && !p->fatal && !p->stopping && p->answered_ms && lt_mono_ms() - p->answered_ms < FRESH_MS;
    for (const struct topic *t = p->topics; t; t = t->hh.next)
        ready = ready && (!t->prepared || t->partitions > 0); /* else a record would be refused as "Kafka is away" */
    pthread_mutex_unlock(&p->lock);
    return ready;
}
