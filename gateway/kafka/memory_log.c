#include "gateway/kafka/memory.h"

#include <inttypes.h>
#include <stdio.h>

#define SCAN_STEP 64 /* records between two steps of a scan: callbacks run and faults happen in its middle too */

/* ---- polling ---- */

static struct lt_log_record *lend(struct memory_record *r)
{
    struct lt_log_record *rec = lt_alloc(sizeof(*rec));
    *rec = r->rec;
    rec->impl = r;
    r->refs++;
    return rec;
}

static void memory_record_free(struct lt_log *l LT_UNUSED, struct lt_log_record *rec)
{
    if (!rec)
        return;
    if (rec->impl)
        memory_record_unref(rec->impl);
    free(rec);
}

static int memory_poll(struct lt_log *log, int timeout_ms LT_UNUSED, struct lt_log_record **ret, struct lt_err *err)
{
    struct lt_log_memory *l = memory_log_of(log);
    enum lt_memory_fault fault = memory_step(l, LT_STEP_POLL);
    if (fault == LT_FAULT_CRASH)
        return memory_dead(l, err);
    int r = memory_alive(l, err);
    if (r != LT_LOG_OK)
        return r;
    if (fault == LT_FAULT_NOTHING)
        return LT_LOG_NONE;
    memory_serve(l);
    if (l->crashed || fault == LT_FAULT_CRASH_AFTER)
        return memory_after(l, LT_FAULT_CRASH_AFTER, 0, err);
    int32_t n = (int32_t)l->fetch.len;
    for (int32_t i = 0; i < n; i++) {
        int32_t number = (l->cursor + i) % n;
        struct memory_fetch *f = &l->fetch.v[number];
        if (!f->started || f->paused)
            continue;
        const struct memory_partition *p = &l->topic->partitions[number];
        if (f->position < p->low || f->position > p->next) {
            lt_err_set(err, LT_E_NOT_FOUND, "out-of-range", "topic %s partition %d: offset %" PRId64 " is out of range",
                       l->topic->name, (int)number, f->position);
            struct lt_log_record *rec = lt_alloc(sizeof(*rec));
            rec->topic = l->topic->name;
            rec->partition = number;
            *ret = rec;
            return LT_LOG_PARTITION;
        }
        struct memory_record *found = memory_next(p, f->position, &f->position);
        if (found) {
            l->cursor = (number + 1) % n;
            *ret = lend(found);
            return LT_LOG_OK;
        }
    }
    return LT_LOG_NONE;
}

static struct memory_fetch *fetch_of(struct lt_log_memory *l, int32_t partition)
{
    return partition >= 0 && (size_t)partition < l->fetch.len ? &l->fetch.v[partition] : NULL;
}

static int unusable(const struct lt_log_memory *l, int32_t partition, struct lt_err *err)
{
    return lt_err_set(err, LT_E_BUG, "not-assigned",
                      "partition %d of %s is not assigned to this member or is started already", (int)partition,
                      l->topic->name);
}

static int memory_start(struct lt_log *log, int32_t partition, int64_t offset, struct lt_err *err)
{
    struct lt_log_memory *l = memory_log_of(log);
    struct memory_fetch *f = fetch_of(l, partition);
    if (!f || !f->assigned || f->started || offset < 0)
        return unusable(l, partition, err);
    f->started = true;
    f->paused = false;
    f->position = offset;
    return LT_LOG_OK;
}

static int memory_stop(struct lt_log *log, int32_t partition, struct lt_err *err LT_UNUSED)
{
    struct memory_fetch *f = fetch_of(memory_log_of(log), partition);
    if (f)
        f->started = f->paused = false;
    return LT_LOG_OK;
}

static int memory_pause(struct lt_log *log, int32_t partition, bool paused, struct lt_err *err)
{
    struct lt_log_memory *l = memory_log_of(log);
    struct memory_fetch *f = fetch_of(l, partition);
    if (!f || !f->started)
        return unusable(l, partition, err);
    f->paused = paused;
    return LT_LOG_OK;
}

/* ---- reading ---- */

static int missing(const char *topic, int32_t partition, struct lt_err *err)
{
    lt_err_set(err, LT_E_NOT_FOUND, "topic-missing", "topic %s partition %d does not exist", topic, (int)partition);
    return LT_LOG_PERMANENT;
}

/* What every question about a partition needs: a process that lives and a partition that is there. topic NULL: the
 * consumed one. */
static int asked(struct lt_log *log, const char *topic, int32_t partition, const struct memory_partition **ret,
                 struct lt_err *err)
{
    struct lt_log_memory *l = memory_log_of(log);
    if (l->crashed)
        return memory_dead(l, err);
    topic = topic ? topic : l->topic->name;
    *ret = memory_partition_find(l->m, topic, partition);
    return *ret ? LT_LOG_OK : missing(topic, partition, err);
}

static int memory_committed(struct lt_log *log, int32_t partition, int timeout_ms LT_UNUSED, struct lt_log_offset *ret,
                            struct lt_err *err)
{
    struct lt_log_memory *l = memory_log_of(log);
    enum lt_memory_fault fault = memory_step(l, LT_STEP_COMMITTED);
    if (fault == LT_FAULT_CRASH)
        return memory_dead(l, err);
    const struct memory_offset *o = memory_offset_of(l->group, l->topic->name, partition);
    if (fault == LT_FAULT_RETRY || o->pending_txn) {
        lt_err_set(err, LT_E_TIMEOUT, "offset-unstable", "partition %d: a transaction with offsets is open",
                   (int)partition);
        return LT_LOG_RETRY;
    }
    lt_memory_offset_get(l->m, l->group->name, l->topic->name, partition, ret);
    return memory_after(l, fault, LT_LOG_OK, err);
}

static int memory_watermarks(struct lt_log *log, const char *topic, int32_t partition, int64_t *ret_low,
                             int64_t *ret_high, struct lt_err *err)
{
    const struct memory_partition *p = NULL;
    int r = asked(log, topic, partition, &p, err);
    if (r != LT_LOG_OK)
        return r;
    *ret_low = p->low;
    *ret_high = p->next;
    return LT_LOG_OK;
}

static int memory_stable(struct lt_log *log, int32_t partition, int64_t *ret, struct lt_err *err)
{
    const struct memory_partition *p = NULL;
    int r = asked(log, NULL, partition, &p, err);
    if (r != LT_LOG_OK)
        return r;
    *ret = memory_stable_end(p);
    return LT_LOG_OK;
}

static int memory_partitions(struct lt_log *log, const char *topic, int32_t *ret, struct lt_err *err)
{
    struct lt_log_memory *l = memory_log_of(log);
    if (l->crashed)
        return memory_dead(l, err);
    const struct memory_topic *t = topic ? memory_topic_find(l->m, topic) : l->topic;
    if (!t)
        return missing(topic, 0, err);
    *ret = t->partitions_len;
    return LT_LOG_OK;
}

static int memory_offset_at(struct lt_log *log, int32_t partition, int64_t ms, int64_t *ret, struct lt_err *err)
{
    const struct memory_partition *p = NULL;
    int r = asked(log, NULL, partition, &p, err);
    if (r != LT_LOG_OK)
        return r;
    int64_t at = p->next;
    for (size_t i = 0; i < p->records.len && at == p->next; i++)
        if (p->records.v[i]->rec.append_ms >= ms)
            at = p->records.v[i]->rec.offset;
    *ret = at;
    return LT_LOG_OK;
}

static int silent(const char *topic, int32_t partition, int64_t at, int64_t to, struct lt_err *err)
{
    lt_err_set(err, LT_E_TIMEOUT, "scan-silent",
               "reading %s partition %d: nothing came at offset %" PRId64 ", expected up to %" PRId64, topic,
               (int)partition, at, to);
    return LT_LOG_RETRY;
}

static int memory_scan(struct lt_log *log, const char *topic, int32_t partition, int64_t from, int64_t to,
                       int (*fn)(void *ctx, const struct lt_log_record *r), void *ctx, struct lt_err *err)
{
    struct lt_log_memory *l = memory_log_of(log);
    topic = topic ? topic : l->topic->name;
    for (size_t count = 0;; count++) {
        if (count % SCAN_STEP == 0) {
            enum lt_memory_fault fault = memory_step(l, LT_STEP_SCAN);
            if (fault == LT_FAULT_CRASH || fault == LT_FAULT_CRASH_AFTER) {
                lt_memory_crash(log);
                return memory_dead(l, err);
            }
            int alive = memory_alive(l, err);
            if (alive != LT_LOG_OK)
                return alive;
            if (fault == LT_FAULT_RETRY)
                return silent(topic, partition, from, to, err);
            memory_serve(l);
            if (l->crashed)
                return memory_dead(l, err);
        }
        if (from >= to)
            return LT_LOG_OK;
        const struct memory_partition *p = memory_partition_find(l->m, topic, partition);
        if (!p)
            return missing(topic, partition, err);
        if (from < p->low || from > p->next) {
            lt_err_set(err, LT_E_NOT_FOUND, "out-of-range", "%s partition %d: offset %" PRId64 " is not in the log",
                       topic, (int)partition, from);
            return LT_LOG_ABSENT;
        }
        struct memory_record *r = memory_next(p, from, &from);
        if (!r)
            return from >= to ? LT_LOG_OK : silent(topic, partition, from, to, err);
        if (r->rec.offset >= to)
            return LT_LOG_OK;
        struct lt_log_record *rec = lend(r);
        int enough = fn(ctx, rec);
        memory_record_free(log, rec);
        if (enough)
            return LT_LOG_OK;
    }
}

static uint64_t memory_disturbances(struct lt_log *log)
{
    return memory_log_of(log)->m->disturbances;
}

/* ---- life ---- */

static void memory_close(struct lt_log *log)
{
    if (!log)
        return;
    struct lt_log_memory *l = memory_log_of(log);
    if (!l->crashed) {
        if (l->transaction == MEMORY_TXN_OPEN && l->epoch == l->producer->epoch)
            memory_producer_end(l->m, l->producer, false);
        if (l->leaving && atomic_load(l->leaving))
            memory_group_quit(l);
        else
            memory_group_leave(l); /* a static member stays known */
    }
    lt_vec_deinit(&l->events);
    lt_vec_deinit(&l->fetch);
    free(l->instance_id);
    free(l);
}

static const struct lt_log_ops memory_ops = {
    .close = memory_close,
    .poll = memory_poll,
    .record_free = memory_record_free,
    .start = memory_start,
    .stop = memory_stop,
    .pause = memory_pause,
    .committed = memory_committed,
    .watermarks = memory_watermarks,
    .partitions = memory_partitions,
    .offset_at = memory_offset_at,
    .scan = memory_scan,
    .capture = memory_capture,
    .membership_free = memory_membership_free,
    .membership_same = memory_membership_same,
    .share = memory_share,
    .begin = memory_begin,
    .produce = memory_produce,
    .forward = memory_forward,
    .headers = memory_headers,
    .send_offsets = memory_send_offsets,
    .commit = memory_commit,
    .abort = memory_abort,
    .renew = memory_renew,
    .transaction_age_ms = memory_age,
    .disturbances = memory_disturbances,
    .stable_end = memory_stable,
};

int lt_log_memory_new(struct lt_memory *m, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    struct memory_topic *topic = memory_topic_find(m, s->topic);
    if (!topic)
        return lt_err_set(err, LT_E_NOT_FOUND, "topic-missing", "topic %s does not exist", s->topic);
    struct lt_log_memory *l = lt_alloc(sizeof(*l));
    l->base.ops = &memory_ops;
    l->m = m;
    l->callbacks = s->callbacks;
    l->instance_id = lt_strdup(s->instance_id);
    l->leaving = s->leaving;
    l->topic = topic;
    l->group = memory_group_of(m, s->group);
    l->served_generation = -1;
    l->timeout_ms = s->transaction_timeout_ms > 0 ? s->transaction_timeout_ms : 15000;
    for (int32_t i = 0; i < topic->partitions_len; i++)
        *lt_vec_push(&l->fetch) = (struct memory_fetch){0};
    l->producer = memory_producer_init(m, l->instance_id, l->timeout_ms);
    l->epoch = l->producer->epoch;
    memory_group_join(l);
    *ret = &l->base;
    return LT_OK;
}
