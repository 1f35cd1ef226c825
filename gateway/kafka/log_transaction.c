#include "gateway/kafka/log_kafka.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/kafka/record.h"

#include <stdio.h>
#include <time.h>

#define INIT_MS 10000
#define INIT_STEP_MS 30
#define INIT_ANEW_MAX 10
#define CONNECT_MS 1000
#define CALL_MS 5000 /* one call of librdkafka; callers repeat */
#define ABORT_MS 10000
#define FULL_MS 1000 /* how long produce waits for room in the queue */
#define LOOK_MS 2000 /* a transaction whose records take so long: do their topics still exist? */

/* ---- deliveries ---- */

/* A record's own fault says more than a missing topic, and that more than a time-out. */
static int severity(rd_kafka_resp_err_t code)
{
    switch (lt_kafka_result(code)) {
    case LT_LOG_TOO_LARGE:
        return 3;
    case LT_LOG_PERMANENT:
        return 2;
    default:
        return 1;
    }
}

/* Called for failures only (delivery.report.only.error), inside poll, flush, commit and abort, on the owner's thread
 * or, while that waits, on the helper's. */
static void on_delivery(rd_kafka_t *rk LT_UNUSED, const rd_kafka_message_t *m, void *opaque)
{
    struct lt_log_kafka *k = opaque;
    if (!m->err || m->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || m->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        return; /* purged because another record failed or the transaction is being aborted */
    if (k->delivery.code && severity(k->delivery.code) >= severity(m->err))
        return;
    k->delivery.code = m->err;
    snprintf(k->delivery.topic, sizeof(k->delivery.topic), "%s", m->rkt ? rd_kafka_topic_name(m->rkt) : "");
}

static int delivery_result(struct lt_log_kafka *k, struct lt_err *err)
{
    int r = lt_kafka_fail(err, k->delivery.code, "a record for topic %s was not accepted", k->delivery.topic);
    if (err)
        snprintf(err->source, sizeof(err->source), "%s", k->delivery.topic); /* which output: the owner looks here */
    return r == LT_LOG_TOO_LARGE || r == LT_LOG_PERMANENT ? r : LT_LOG_ABORTABLE;
}

/* ---- results ---- */

/*
 * A call that is under way when the transaction fails answers _STATE and nothing of the cause; the library keeps that
 * and tells it to the next call. Asked by beginning another one, which changes nothing while one is there. NULL: it
 * does not say.
 */
static rd_kafka_error_t *kept_error(struct lt_log_kafka *k)
{
    rd_kafka_error_t *kept = rd_kafka_begin_transaction(k->producer);
    if (kept && rd_kafka_error_code(kept) != RD_KAFKA_RESP_ERR__STATE)
        return kept;
    rd_kafka_error_destroy(kept);
    return NULL;
}

/* Takes error; to be freed, whichever it is. */
static rd_kafka_error_t *cause(struct lt_log_kafka *k, rd_kafka_error_t *error)
{
    if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__STATE || !rd_kafka_error_txn_requires_abort(error))
        return error;
    rd_kafka_error_t *kept = kept_error(k);
    if (!kept)
        return error;
    rd_kafka_error_destroy(error);
    return kept;
}

/* What a transactional call's error means. Takes error. */
static int result(struct lt_log_kafka *k, rd_kafka_error_t *error, const char *what, struct lt_err *err)
{
    error = cause(k, error);
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    int r = lt_kafka_result(code);
    lt_err_set(err, lt_kafka_error(code), rd_kafka_err2name(code), "%s: %s", what, rd_kafka_error_string(error));
    if (rd_kafka_error_is_fatal(error)) {
        k->transaction = LT_TXN_UNKNOWN;
        r = r == LT_LOG_FENCED ? LT_LOG_FENCED : LT_LOG_UNKNOWN;
    } else if (rd_kafka_error_txn_requires_abort(error)) {
        if (k->delivery.code)
            r = delivery_result(k, err);
        else if ((r != LT_LOG_TOO_LARGE && r != LT_LOG_PERMANENT) || code == RD_KAFKA_RESP_ERR__STATE)
            r = LT_LOG_ABORTABLE; /* _STATE: the transaction failed while this call was under way */
    } else if (rd_kafka_error_is_retriable(error)) {
        r = LT_LOG_RETRY;
    } else if (r == LT_LOG_RETRY || code == RD_KAFKA_RESP_ERR__STATE) {
        r = LT_LOG_ABORTABLE;
    }
    rd_kafka_error_destroy(error);
    return r;
}

/* What stands in the way of going on with the open transaction; LT_LOG_OK when nothing does. */
static int obstacle(struct lt_log_kafka *k, const char *what, struct lt_err *err)
{
    switch (k->transaction) {
    case LT_TXN_OPEN:
        return LT_LOG_OK;
    case LT_TXN_UNKNOWN:
    case LT_TXN_RENEWING:
        lt_err_set(err, LT_E_UNAVAILABLE, "transaction-unknown",
                   "%s: the outcome of the last transaction is unknown, renew first", what);
        return LT_LOG_UNKNOWN;
    default:
        return lt_err_set(err, LT_E_BUG, "no-transaction", "%s: no transaction is open", what);
    }
}

/* ---- the producer ---- */

void lt_log_kafka_producer_free(struct lt_log_kafka *k)
{
    lt_log_kafka_topics_doubt(k);
    if (!k->producer)
        return;
    /* What it still holds belongs to a transaction that a new init_transactions ends. */
    (void)rd_kafka_purge(k->producer,
                         RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    rd_kafka_destroy(k->producer);
    k->producer = NULL;
}

static int producer_new(struct lt_log_kafka *k, struct lt_err *err)
{
    char timeout[16], queue_kib[24], record_max[24], batch_size[24];
    snprintf(timeout, sizeof(timeout), "%d", k->transaction_timeout_ms);
    snprintf(queue_kib, sizeof(queue_kib), "%zu", LT_MAX(k->queue_bytes / 1024, (size_t)4096));
    /* The library must not refuse what the topics take, and a batch must fit them too: the broker measures whole
     * batches. */
    size_t largest = k->record_max ? k->record_max : 1000000;
    snprintf(record_max, sizeof(record_max), "%zu", LT_MAX(largest, (size_t)1000));
    snprintf(batch_size, sizeof(batch_size), "%zu",
             LT_MIN(largest - LT_MIN(largest / 2, (size_t)8192), (size_t)1000000));
    /* A transaction that begins while the broker still writes the markers of the one before it is told
     * CONCURRENT_TRANSACTIONS, and the library asks again after retry.backoff.ms (100 by default, most of a commit). */
    const struct lt_kafka_setting defaults[] = {{"linger.ms", "2"}, {"retry.backoff.ms", "10"}};
    const struct lt_kafka_setting forced[] = {
        {"transactional.id", k->instance_id},
        {"client.id", k->instance_id},
        {"transaction.timeout.ms", timeout},
        {"message.timeout.ms", timeout},
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"message.max.bytes", record_max},
        {"batch.size", batch_size},
        {"delivery.report.only.error", "true"},
        {"queue.buffering.max.kbytes", queue_kib},
        {"queue.buffering.max.messages", "10000000"},  /* bytes bound it */
        {"topic.metadata.propagation.max.ms", "5000"}, /* a topic that was deleted fails soon, not after 30 s */
    };
    const struct lt_kafka_spec spec =
        lt_log_kafka_spec(k, defaults, LT_ARRAY_LEN(defaults), forced, LT_ARRAY_LEN(forced));
    rd_kafka_conf_t *conf;
    int r = lt_kafka_conf(&spec, &conf, err);
    if (r != LT_OK)
        return r;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, k);
    r = lt_kafka_handle(RD_KAFKA_PRODUCER, conf, &k->producer, err);
    int32_t n;
    /*
     * init_transactions of a producer that has no connection yet tries again only after half a second; so it gets one
     * first. The topic exists, the handle that never creates one has seen it: asking for it creates nothing.
     */
    if (r == LT_OK && lt_kafka_partitions(k->peek, k->topic, CONNECT_MS, &n, NULL) == LT_LOG_OK &&
        lt_kafka_partitions(k->producer, k->topic, CONNECT_MS, &n, NULL) != LT_LOG_OK)
        lt_debug(k->instance_id, "producer-connect", "no broker answered yet");
    return r;
}

/*
 * A predecessor that was killed in a transaction: the broker answers that it is ending that one, and librdkafka asks
 * again only after half a second. A new producer asks at once.
 */
static int init(struct lt_log_kafka *k, rd_kafka_error_t **ret_error, struct lt_err *err)
{
    int64_t until = lt_mono_ms() + INIT_MS;
    for (int anew = 0;;) {
        bool soon = anew < INIT_ANEW_MAX;
        *ret_error = rd_kafka_init_transactions(k->producer, soon ? INIT_STEP_MS : INIT_MS);
        rd_kafka_poll(k->producer, 0);
        rd_kafka_resp_err_t code = rd_kafka_error_code(*ret_error);
        bool ending = code == RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
        bool loading = code == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS || /* a broker that has just come back */
                       code == RD_KAFKA_RESP_ERR_NOT_COORDINATOR || code == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE;
        if (!soon || (!ending && !loading && code != RD_KAFKA_RESP_ERR__TIMED_OUT) || lt_mono_ms() >= until)
            return LT_OK;
        rd_kafka_error_destroy(*ret_error); /* the same call goes on where it was */
        *ret_error = NULL;
        if (loading)
            nanosleep(&(struct timespec){.tv_nsec = INIT_STEP_MS * 1000000L}, NULL);
        if (!ending)
            continue;
        anew++;
        lt_log_kafka_producer_free(k);
        int r = producer_new(k, err);
        if (r != LT_OK)
            return r;
    }
}

int lt_log_kafka_renew(struct lt_log *l, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    /* First, or the twin would be fenced in turn. */
    int claimed = lt_log_kafka_claim_check(k, err);
    if (claimed != LT_LOG_OK)
        return claimed;
    /* After a time-out of init_transactions the same producer resumes it; a fatal one is replaced. */
    if (k->transaction != LT_TXN_RENEWING || !k->producer || rd_kafka_fatal_error(k->producer, NULL, 0)) {
        k->transaction = LT_TXN_RENEWING;
        lt_log_kafka_producer_free(k);
        int made = producer_new(k, err);
        if (made != LT_OK)
            return made;
    }
    rd_kafka_error_t *error;
    int r = init(k, &error, err);
    if (r != LT_OK)
        return r;
    if (!error) {
        k->transaction = LT_TXN_NONE;
        k->delivery.code = RD_KAFKA_RESP_ERR_NO_ERROR;
        return LT_LOG_OK;
    }
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    bool again = rd_kafka_error_is_retriable(error) || lt_kafka_result(code) == LT_LOG_RETRY ||
                 lt_kafka_result(code) == LT_LOG_FENCED; /* somebody else initialised in between: once more */
    lt_err_set(err, again ? LT_E_UNAVAILABLE : lt_kafka_error(code), rd_kafka_err2name(code), "transactional id %s: %s",
               k->instance_id, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return again ? LT_LOG_RETRY : LT_LOG_PERMANENT;
}

/* ---- the transaction ---- */

int64_t lt_log_kafka_age(struct lt_log *l)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    return k->begun_ms ? lt_boottime_ms() - k->begun_ms : 0;
}

static int64_t left_ms(struct lt_log_kafka *k)
{
    return k->transaction_timeout_ms - lt_log_kafka_age(&k->base);
}

int lt_log_kafka_begin(struct lt_log *l, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    if (k->transaction == LT_TXN_ABORTING || k->transaction == LT_TXN_OPEN) {
        int r = lt_log_kafka_abort(l, err); /* of the one before, which timed out or was left open */
        if (r != LT_LOG_OK)
            return r;
    }
    if (k->transaction != LT_TXN_NONE)
        return obstacle(k, "beginning a transaction", err);
    rd_kafka_error_t *error = rd_kafka_begin_transaction(k->producer);
    if (error) {
        k->transaction = LT_TXN_UNKNOWN; /* the producer is not what we think it is */
        int r = result(k, error, "beginning a transaction", err);
        return r == LT_LOG_FENCED || r == LT_LOG_RETRY ? r : LT_LOG_UNKNOWN;
    }
    k->transaction = LT_TXN_OPEN;
    k->transactions++;
    k->begun_ms = lt_boottime_ms();
    k->delivery.code = RD_KAFKA_RESP_ERR_NO_ERROR;
    return LT_LOG_OK;
}

/* Takes *headers when it succeeds. */
static rd_kafka_error_t *produce(struct lt_log_kafka *k, const struct lt_kafka_topic *t, int32_t partition,
                                 struct lt_span key, rd_kafka_headers_t *headers, struct lt_span value)
{
    rd_kafka_vu_t v[6] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = t->handle},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key.ptr, key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value.ptr, value.len}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    return rd_kafka_produceva(k->producer, v, headers ? 6 : 5);
}

/* The transaction had failed by itself (rights that were taken away) before this record: that is what stands in the
 * way. */
static int failed_before(struct lt_log_kafka *k, struct lt_err *err)
{
    rd_kafka_error_t *kept = kept_error(k);
    if (!kept)
        return LT_LOG_ABORTABLE;
    rd_kafka_resp_err_t code = rd_kafka_error_code(kept);
    lt_err_set(err, lt_kafka_error(code), rd_kafka_err2name(code), "producing: %s", rd_kafka_error_string(kept));
    rd_kafka_error_destroy(kept);
    return lt_kafka_result(code) == LT_LOG_PERMANENT ? LT_LOG_PERMANENT : LT_LOG_ABORTABLE;
}

/* What a refused record means for the transaction. Takes error. */
static int refused(struct lt_log_kafka *k, const char *topic, rd_kafka_error_t *error, struct lt_err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    char text[256];
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(k->producer, text, sizeof(text));
    rd_kafka_poll(k->producer, 0); /* reports of earlier records say why the transaction no longer takes any */
    lt_err_set(err, lt_kafka_error(code), rd_kafka_err2name(code), "producing to %s: %s", topic,
               rd_kafka_error_string(error));
    if (err)
        snprintf(err->source, sizeof(err->source), "%s", topic);
    rd_kafka_error_destroy(error);
    if (fatal) {
        k->transaction = LT_TXN_UNKNOWN;
        lt_err_set(err, LT_E_UNAVAILABLE, rd_kafka_err2name(fatal), "producing to %s: %s", topic, text);
        return lt_kafka_result(fatal) == LT_LOG_FENCED ? LT_LOG_FENCED : LT_LOG_UNKNOWN;
    }
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return LT_LOG_RETRY;
    if (code == RD_KAFKA_RESP_ERR__STATE)
        return k->delivery.code ? delivery_result(k, err) : failed_before(k, err);
    int r = lt_kafka_result(code);
    return r == LT_LOG_TOO_LARGE || r == LT_LOG_PERMANENT ? r : LT_LOG_ABORTABLE;
}

/* Takes headers (NULL: none) in success and failure. */
static int produce_take(struct lt_log_kafka *k, const struct lt_kafka_topic *t, int32_t partition, struct lt_span key,
                        rd_kafka_headers_t *headers, struct lt_span value, struct lt_err *err)
{
    rd_kafka_error_t *error = produce(k, t, partition, key, headers, value);
    if (!error)
        return LT_LOG_OK;
    for (int64_t until = lt_mono_ms() + FULL_MS;
         rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL && lt_mono_ms() < until;) {
        rd_kafka_error_destroy(error);
        rd_kafka_poll(k->producer, 50);
        error = produce(k, t, partition, key, headers, value);
        if (!error)
            return LT_LOG_OK;
    }
    if (headers)
        rd_kafka_headers_destroy(headers);
    return refused(k, t->name, error, err);
}

int lt_log_kafka_produce(struct lt_log *l, const char *topic, int32_t partition, struct lt_span key,
                         const struct lt_headers *headers, struct lt_span value, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    struct lt_kafka_topic *t = NULL;
    int r = obstacle(k, "producing", err);
    if (r == LT_LOG_OK)
        r = lt_log_kafka_topic_for(k, topic, partition, &t, err);
    return r == LT_LOG_OK ? produce_take(k, t, partition, key, lt_kafka_headers(headers), value, err) : r;
}

int lt_log_kafka_forward(struct lt_log *l, const char *topic, int32_t partition, struct lt_log_record *rec,
                         const struct lt_header *add, size_t add_len, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    struct lt_kafka_topic *t = NULL;
    int r = obstacle(k, "producing", err);
    if (r == LT_LOG_OK)
        r = lt_log_kafka_topic_for(k, topic, partition, &t, err);
    if (r != LT_LOG_OK)
        return r;
    /* The parsed headers change hands; librdkafka parses them anew from the fetched bytes when they are asked for
     * again. */
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_detach_headers(rec->impl, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        headers = rd_kafka_headers_new(add_len);
    rec->headers.len = 0;
    for (size_t i = 0; i < add_len; i++)
        (void)rd_kafka_header_add(headers, add[i].name.ptr, (ssize_t)add[i].name.len, add[i].value.ptr,
                                  (ssize_t)add[i].value.len); /* fails on read-only lists only */
    return produce_take(k, t, partition, rec->key, headers,
                        rec->value_null ? LT_SPAN_NULL : lt_span(rec->value.ptr, rec->value.len), err);
}

const struct lt_headers *lt_log_kafka_headers(struct lt_log *l LT_UNUSED, struct lt_log_record *r)
{
    if (r->headers.len == 0)
        lt_record_view_headers(r);
    return &r->headers;
}

struct offsets_job {
    rd_kafka_topic_partition_list_t *list;
    const struct lt_log_membership *membership;
};

static int send_offsets_job(struct lt_log_kafka *k, void *arg, struct lt_err *err)
{
    const struct offsets_job *job = arg;
    rd_kafka_error_t *error = rd_kafka_send_offsets_to_transaction(
        k->producer, job->list, lt_log_kafka_metadata(job->membership), (int)LT_MAX(LT_MIN(left_ms(k), CALL_MS), 100));
    rd_kafka_poll(k->producer, 0);
    if (!error)
        return LT_LOG_OK;
    int r = result(k, error, "sending offsets", err);
    return r == LT_LOG_RETRY && left_ms(k) <= 0 ? LT_LOG_ABORTABLE : r;
}

int lt_log_kafka_send_offsets(struct lt_log *l, const struct lt_log_membership *m, const struct lt_log_offset *offsets,
                              size_t n, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    int r = obstacle(k, "sending offsets", err);
    if (r != LT_LOG_OK || n == 0)
        return r;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++) {
        rd_kafka_topic_partition_t *e = rd_kafka_topic_partition_list_add(list, k->topic, offsets[i].partition);
        size_t len = strnlen(offsets[i].metadata, sizeof(offsets[i].metadata));
        e->offset = offsets[i].offset;
        if (len) {
            e->metadata = rd_kafka_mem_malloc(NULL, len); /* freed with the list */
            memcpy(e->metadata, offsets[i].metadata, len);
            e->metadata_size = len;
        }
    }
    struct offsets_job job = {list, m};
    r = lt_log_kafka_aside(k, send_offsets_job, &job, err);
    rd_kafka_topic_partition_list_destroy(list);
    return r;
}

static int commit_job(struct lt_log_kafka *k, void *arg LT_UNUSED, struct lt_err *err)
{
    int r;
    /*
     * The records first, by themselves: as long as no commit was asked for, every failure is one of this transaction
     * and not an unknown outcome. The library holds back records of a topic that was deleted until they time out, and
     * says nothing else of it.
     */
    rd_kafka_resp_err_t code;
    do {
        code = rd_kafka_flush(k->producer, (int)LT_MAX(LT_MIN(left_ms(k), LOOK_MS), 0));
        if (code && !k->delivery.code && lt_log_kafka_topics_gone(k, err))
            return LT_LOG_PERMANENT;
    } while (code && !k->delivery.code && left_ms(k) > 0);
    char text[256];
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(k->producer, text, sizeof(text));
    if (fatal) {
        k->transaction = LT_TXN_UNKNOWN;
        lt_err_set(err, LT_E_UNAVAILABLE, rd_kafka_err2name(fatal), "committing: %s", text);
        return lt_kafka_result(fatal) == LT_LOG_FENCED ? LT_LOG_FENCED : LT_LOG_UNKNOWN;
    }
    if (k->delivery.code)
        return delivery_result(k, err);
    if (code) {
        lt_kafka_fail(err, code, "committing: waiting for the records of the transaction");
        return LT_LOG_ABORTABLE;
    }
    do {
        rd_kafka_error_t *error =
            rd_kafka_commit_transaction(k->producer, (int)LT_MAX(LT_MIN(left_ms(k), CALL_MS), 100));
        if (!error) {
            k->transaction = LT_TXN_NONE;
            return LT_LOG_OK;
        }
        code = rd_kafka_error_code(error);
        r = result(k, error, "committing", err);
    } while (r == LT_LOG_RETRY && left_ms(k) > 0);
    /*
     * Rule 15. Out of time with a commit on its way; or the producer's identity was lost, where librdkafka's abort
     * would succeed by taking a new one, whatever became of the commit.
     */
    if (r == LT_LOG_RETRY || code == RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID ||
        code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING) {
        k->transaction = LT_TXN_UNKNOWN;
        return LT_LOG_UNKNOWN;
    }
    return r;
}

int lt_log_kafka_commit(struct lt_log *l, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    int r = obstacle(k, "committing", err);
    return r == LT_LOG_OK ? lt_log_kafka_aside(k, commit_job, NULL, err) : r;
}

int lt_log_kafka_abort(struct lt_log *l, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    if (k->transaction == LT_TXN_NONE)
        return LT_LOG_OK;
    if (k->transaction != LT_TXN_OPEN && k->transaction != LT_TXN_ABORTING)
        return obstacle(k, "aborting", err);
    lt_log_kafka_topics_doubt(k);
    rd_kafka_error_t *error = rd_kafka_abort_transaction(k->producer, ABORT_MS);
    rd_kafka_poll(k->producer, 0);
    if (!error) {
        k->transaction = LT_TXN_NONE;
        k->delivery.code = RD_KAFKA_RESP_ERR_NO_ERROR;
        return LT_LOG_OK;
    }
    k->transaction = LT_TXN_ABORTING;
    k->delivery.code = RD_KAFKA_RESP_ERR_NO_ERROR;
    int r = result(k, error, "aborting",
                   err); /* fatal: unknown or fenced, also when a commit turns out to have succeeded */
    if (r == LT_LOG_FENCED || r == LT_LOG_RETRY)
        return r;
    k->transaction = LT_TXN_UNKNOWN; /* it cannot be aborted: a new producer ends it */
    return LT_LOG_UNKNOWN;
}
