#include "gateway/kafka/memory.h"

#include <stdio.h>

/* ---- producers ---- */

void memory_producer_end(struct lt_memory *m, struct memory_producer *p, bool commit)
{
    if (!p->txn)
        return;
    for (size_t i = 0; i < p->touched.len; i++)
        memory_mark(m, p->touched.v[i].topic, p->touched.v[i].partition, p->txn, commit);
    memory_offsets_end(m, p->txn, commit);
    p->touched.len = 0;
    p->txn = 0;
}

struct memory_producer *memory_producer_init(struct lt_memory *m, const char *id, int timeout_ms)
{
    struct memory_producer *p = NULL;
    for (size_t i = 0; i < m->producers.len && !p; i++)
        if (strcmp(m->producers.v[i]->id, id) == 0)
            p = m->producers.v[i];
    if (!p) {
        p = lt_alloc(sizeof(*p));
        p->id = lt_strdup(id);
        *lt_vec_push(&m->producers) = p;
    }
    memory_producer_end(m, p, false);
    p->epoch++;
    p->timeout_ms = timeout_ms;
    return p;
}

void memory_producer_free(struct memory_producer *p)
{
    lt_vec_deinit(&p->touched);
    free(p->id);
    free(p);
}

void memory_transactions_expire(struct lt_memory *m)
{
    for (size_t i = 0; i < m->producers.len; i++) {
        struct memory_producer *p = m->producers.v[i];
        if (p->txn && m->clock_ms - p->begun_ms > p->timeout_ms) {
            memory_producer_end(m, p, false);
            p->epoch++; /* its owner finds itself fenced */
        }
    }
}

/* ---- the port ---- */

static int fenced(struct lt_log_memory *l, struct lt_err *err)
{
    l->transaction = MEMORY_TXN_UNKNOWN;
    lt_err_set(err, LT_E_UNAVAILABLE, "fenced", "transactional id %s was initialised by another producer",
               l->instance_id);
    return LT_LOG_FENCED;
}

/* What every step of an open transaction looks at first. */
static int obstacle(struct lt_log_memory *l, struct lt_err *err)
{
    if (l->transaction == MEMORY_TXN_UNKNOWN) {
        lt_err_set(err, LT_E_UNAVAILABLE, "transaction-unknown",
                   "the outcome of the last transaction is unknown, renew first");
        return LT_LOG_UNKNOWN;
    }
    if (l->transaction == MEMORY_TXN_NONE)
        return lt_err_set(err, LT_E_BUG, "no-transaction", "no transaction is open");
    return l->epoch == l->producer->epoch ? LT_LOG_OK : fenced(l, err);
}

static int abortable(struct lt_log_memory *l, const char *why, struct lt_err *err)
{
    l->must_abort = true;
    lt_err_set(err, LT_E_UNAVAILABLE, "abortable", "%s: the transaction must be aborted", why);
    return LT_LOG_ABORTABLE;
}

static int timed_out(struct lt_err *err)
{
    lt_err_set(err, LT_E_TIMEOUT, "timed-out", "timed out");
    return LT_LOG_RETRY;
}

int64_t memory_age(struct lt_log *log)
{
    struct lt_log_memory *l = memory_log_of(log);
    return l->begun_ms ? l->m->clock_ms - l->begun_ms : 0;
}

/* The producer's transaction becomes open at the first thing it writes. */
static void touch(struct lt_log_memory *l, struct memory_topic *t, int32_t partition)
{
    struct memory_producer *p = l->producer;
    if (!p->txn) {
        p->txn = ++l->m->txn_last;
        p->begun_ms = l->m->clock_ms;
    }
    if (!t)
        return;
    for (size_t i = 0; i < p->touched.len; i++)
        if (p->touched.v[i].topic == t && p->touched.v[i].partition == partition)
            return;
    *lt_vec_push(&p->touched) = (struct memory_touched){t, partition};
}

static void close_transaction(struct lt_log_memory *l, bool commit)
{
    memory_producer_end(l->m, l->producer, commit);
    l->transaction = MEMORY_TXN_NONE;
    l->must_abort = false;
    l->too_large[0] = '\0';
}

int memory_begin(struct lt_log *log, struct lt_err *err)
{
    struct lt_log_memory *l = memory_log_of(log);
    enum lt_memory_fault fault = memory_step(l, LT_STEP_BEGIN);
    if (fault == LT_FAULT_CRASH)
        return memory_dead(l, err);
    if (fault == LT_FAULT_RETRY)
        return timed_out(err);
    if (l->transaction == MEMORY_TXN_UNKNOWN)
        return obstacle(l, err);
    if (l->epoch != l->producer->epoch)
        return fenced(l, err);
    if (l->transaction == MEMORY_TXN_OPEN)
        close_transaction(l, false);
    l->transaction = MEMORY_TXN_OPEN;
    l->begun_ms = l->m->clock_ms;
    return memory_after(l, fault, LT_LOG_OK, err);
}

int memory_produce(struct lt_log *log, const char *topic, int32_t partition, struct lt_span key,
                   const struct lt_headers *headers, struct lt_span value, struct lt_err *err)
{
    struct lt_log_memory *l = memory_log_of(log);
    enum lt_memory_fault fault = memory_step(l, LT_STEP_PRODUCE);
    if (fault == LT_FAULT_CRASH)
        return memory_dead(l, err);
    int r = obstacle(l, err);
    if (r != LT_LOG_OK)
        return r;
    if (fault == LT_FAULT_RETRY)
        return timed_out(err);
    if (fault == LT_FAULT_ABORTABLE || l->must_abort)
        return abortable(l, "producing", err);
    struct memory_topic *t = memory_topic_find(l->m, topic);
    if (!t || partition < 0 || partition >= t->partitions_len) {
        lt_err_set(err, LT_E_NOT_FOUND, "topic-missing", "topic %s partition %d does not exist", topic, (int)partition);
        if (err)
            snprintf(err->source, sizeof(err->source), "%s", topic);
        return LT_LOG_PERMANENT;
    }
    touch(l, t, partition);
    size_t size = memory_append(l->m, t, partition, key, headers, value, l->producer->txn)->size;
    if (t->record_max && size > t->record_max) /* as with Kafka: the failure is told at commit */
        snprintf(l->too_large, sizeof(l->too_large), "%s", topic);
    return memory_after(l, fault, LT_LOG_OK, err);
}

const struct lt_headers *memory_headers(struct lt_log *log LT_UNUSED, struct lt_log_record *r)
{
    if (r->headers.len == 0)
        r->headers = ((const struct memory_record *)r->impl)->rec.headers;
    return &r->headers;
}

int memory_forward(struct lt_log *log, const char *topic, int32_t partition, struct lt_log_record *r,
                   const struct lt_header *add, size_t add_len, struct lt_err *err)
{
    struct lt_headers h = *memory_headers(log, r);
    r->headers.len = 0; /* as with Kafka: an owner who goes on reading them must find out */
    for (size_t i = 0; i < add_len; i++)
        lt_headers_add(&h, add[i].name, add[i].value);
    return log->ops->produce(log, topic, partition, r->key, &h, r->value_null ? LT_SPAN_NULL : r->value, err);
}

/* The owner does what it would do while Kafka takes its time. */
static void memory_meanwhile(struct lt_log_memory *l)
{
    if (l->callbacks.meanwhile)
        (void)l->callbacks.meanwhile(l->callbacks.ctx);
}

int memory_send_offsets(struct lt_log *log, const struct lt_log_membership *ms, const struct lt_log_offset *offsets,
                        size_t n, struct lt_err *err)
{
    struct lt_log_memory *l = memory_log_of(log);
    memory_meanwhile(l);
    enum lt_memory_fault fault = memory_step(l, LT_STEP_SEND_OFFSETS);
    if (fault == LT_FAULT_CRASH)
        return memory_dead(l, err);
    int r = obstacle(l, err);
    if (r != LT_LOG_OK || n == 0)
        return r;
    if (fault == LT_FAULT_RETRY)
        return timed_out(err);
    if (fault == LT_FAULT_ABORTABLE || l->must_abort)
        return abortable(l, "sending offsets", err);
    if (memory_alive(l, err) != LT_LOG_OK)
        return abortable(l, "sending offsets: fenced instance id", err);
    if (!memory_membership_valid(l, ms)) /* generation and member only: the broker does not look at ownership */
        return abortable(l, "sending offsets: illegal generation", err);
    touch(l, NULL, 0);
    for (size_t i = 0; i < n; i++) {
        struct memory_offset *o = memory_offset_of(l->group, l->topic->name, offsets[i].partition);
        o->pending_txn = l->producer->txn;
        o->pending_offset = offsets[i].offset;
        snprintf(o->pending_metadata, sizeof(o->pending_metadata), "%s", offsets[i].metadata);
    }
    return memory_after(l, fault, LT_LOG_OK, err);
}

int memory_commit(struct lt_log *log, struct lt_err *err)
{
    struct lt_log_memory *l = memory_log_of(log);
    memory_meanwhile(l);
    enum lt_memory_fault fault = memory_step(l, LT_STEP_COMMIT);
    if (fault == LT_FAULT_CRASH)
        return memory_dead(l, err);
    int r = obstacle(l, err);
    if (r != LT_LOG_OK)
        return r;
    if (fault == LT_FAULT_ABORTABLE || l->must_abort)
        return abortable(l, "committing", err);
    if (l->too_large[0]) {
        l->must_abort = true;
        lt_err_set(err, LT_E_LIMIT, "record-too-large", "a record for topic %s is larger than the topic allows",
                   l->too_large);
        if (err)
            snprintf(err->source, sizeof(err->source), "%s", l->too_large);
        return LT_LOG_TOO_LARGE;
    }
    if (fault == LT_FAULT_LOST_DROPPED || fault == LT_FAULT_LOST_APPLIED) {
        if (fault == LT_FAULT_LOST_APPLIED)
            close_transaction(l, true);
        l->transaction = MEMORY_TXN_UNKNOWN;
        lt_err_set(err, LT_E_TIMEOUT, "commit-unknown", "the commit was sent and not answered");
        return LT_LOG_UNKNOWN;
    }
    close_transaction(l, true);
    return memory_after(l, fault, LT_LOG_OK, err);
}

int memory_abort(struct lt_log *log, struct lt_err *err)
{
    struct lt_log_memory *l = memory_log_of(log);
    enum lt_memory_fault fault = memory_step(l, LT_STEP_ABORT);
    if (fault == LT_FAULT_CRASH)
        return memory_dead(l, err);
    if (l->transaction == MEMORY_TXN_NONE)
        return LT_LOG_OK;
    int r = obstacle(l, err);
    if (r != LT_LOG_OK)
        return r;
    if (fault == LT_FAULT_RETRY)
        return timed_out(err);
    if (fault != LT_FAULT_LOST_DROPPED)
        close_transaction(l, false);
    if (fault == LT_FAULT_LOST_DROPPED || fault == LT_FAULT_LOST_APPLIED) {
        l->transaction = MEMORY_TXN_UNKNOWN;
        lt_err_set(err, LT_E_TIMEOUT, "abort-unknown", "the abort was sent and not answered");
        return LT_LOG_UNKNOWN;
    }
    return memory_after(l, fault, LT_LOG_OK, err);
}

int memory_renew(struct lt_log *log, struct lt_err *err)
{
    struct lt_log_memory *l = memory_log_of(log);
    enum lt_memory_fault fault = memory_step(l, LT_STEP_RENEW);
    if (fault == LT_FAULT_CRASH)
        return memory_dead(l, err);
    l->transaction = MEMORY_TXN_UNKNOWN;
    if (l->twin)
        return memory_alive(l, err);
    if (fault == LT_FAULT_RETRY)
        return timed_out(err);
    l->producer = memory_producer_init(l->m, l->instance_id, l->timeout_ms);
    l->epoch = l->producer->epoch;
    l->transaction = MEMORY_TXN_NONE;
    l->must_abort = false;
    l->too_large[0] = '\0';
    return memory_after(l, fault, LT_LOG_OK, err);
}
