#include "gateway/kafka/log_kafka.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/kafka/record.h"

#include <inttypes.h>

#define SPARE_RECORDS 32768 /* a full transaction's worth */
#define SETTLED_MS 1000     /* after a rebalance the group is looked at */

struct lt_log_membership {
    rd_kafka_consumer_group_metadata_t *metadata;
    int32_t generation;
    char *member_id;
};

/*
 * librdkafka 2.0.2 shows generation and member id only through the serialised form:
 *   "CGMDv2:" int32 generation, group id NUL, member id NUL, int8 instance id is null, [instance id NUL]
 */
static bool membership_parse(const void *buffer, size_t size, int32_t *ret_generation, char **ret_member_id)
{
    static const char magic[] = "CGMDv2:";
    const char *p = buffer, *end = p + size;
    size_t head = sizeof(magic) - 1;
    if (size < head + sizeof(int32_t) || memcmp(p, magic, head) != 0)
        return false;
    memcpy(ret_generation, p + head, sizeof(int32_t));
    p += head + sizeof(int32_t);
    const char *nul = memchr(p, '\0', (size_t)(end - p));
    if (!nul)
        return false;
    p = nul + 1;
    nul = memchr(p, '\0', (size_t)(end - p));
    if (!nul)
        return false;
    *ret_member_id = lt_strndup(p, (size_t)(nul - p));
    return true;
}

static int membership_read(struct lt_log_kafka *k, struct lt_log_membership **ret, struct lt_err *err)
{
    rd_kafka_consumer_group_metadata_t *metadata = rd_kafka_consumer_group_metadata(k->consumer);
    if (!metadata) {
        lt_err_set(err, LT_E_UNAVAILABLE, "membership", "group %s: not a member yet", k->group);
        return LT_LOG_RETRY;
    }
    struct lt_log_membership *m = lt_alloc(sizeof(*m));
    m->metadata = metadata;
    void *buffer = NULL;
    size_t size = 0;
    rd_kafka_error_t *error = rd_kafka_consumer_group_metadata_write(metadata, &buffer, &size);
    bool ok = !error && membership_parse(buffer, size, &m->generation, &m->member_id);
    rd_kafka_error_destroy(error);
    if (buffer)
        rd_kafka_mem_free(NULL, buffer);
    if (!ok) {
        lt_log_kafka_membership_free(&k->base, m);
        return lt_err_set(err, LT_E_BUG, "membership",
                          "librdkafka %s writes group metadata in a form this program does not know (expected CGMDv2)",
                          rd_kafka_version_str());
    }
    *ret = m;
    return LT_LOG_OK;
}

int lt_log_kafka_capture(struct lt_log *l, struct lt_log_membership **ret, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    int r = lt_log_kafka_alive(k, err);
    if (r != LT_LOG_OK)
        return r;
    struct lt_log_membership *m = NULL;
    r = membership_read(k, &m, err);
    if (r != LT_LOG_OK)
        return r;
    if (m->generation < 0 || !m->member_id[0])
        lt_err_set(err, LT_E_UNAVAILABLE, "membership", "group %s: not a member yet", k->group);
    else if (m->generation != k->served_generation)
        lt_err_set(err, LT_E_UNAVAILABLE, "membership",
                   "group %s: generation %d has callbacks that were not served yet", k->group, (int)m->generation);
    else {
        *ret = m;
        return LT_LOG_OK;
    }
    lt_log_kafka_membership_free(l, m);
    return LT_LOG_RETRY;
}

void lt_log_kafka_membership_free(struct lt_log *l LT_UNUSED, struct lt_log_membership *m)
{
    if (!m)
        return;
    rd_kafka_consumer_group_metadata_destroy(m->metadata);
    free(m->member_id);
    free(m);
}

bool lt_log_kafka_membership_same(struct lt_log *l, const struct lt_log_membership *m)
{
    struct lt_log_membership *now = NULL;
    if (membership_read(lt_log_kafka_of(l), &now, NULL) != LT_LOG_OK)
        return false;
    bool same = strcmp(now->member_id, m->member_id) == 0;
    lt_log_kafka_membership_free(l, now);
    return same;
}

bool lt_log_kafka_is_member(struct lt_log_kafka *k)
{
    struct lt_log_membership *m = NULL;
    bool is = membership_read(k, &m, NULL) == LT_LOG_OK && m->member_id[0];
    lt_log_kafka_membership_free(&k->base, m);
    return is;
}

const rd_kafka_consumer_group_metadata_t *lt_log_kafka_metadata(const struct lt_log_membership *m)
{
    return m->metadata;
}

/* ---- rebalance ---- */

static void report(const struct lt_log_kafka *k, const char *what, rd_kafka_error_t *error)
{
    if (error && !k->closing)
        lt_warn(k->instance_id, "rebalance", "group %s: %s: %s", k->group, what, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

static void on_assigned(struct lt_log_kafka *k, rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
    /* Rule 1: the group's assignment is accepted, nothing of it is fetched; start() adds each at its exact offset. */
    rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
    report(k, "accepting an assignment", rd_kafka_incremental_assign(rk, none));
    rd_kafka_topic_partition_list_destroy(none);
    k->undead = rd_kafka_fatal_error(rk, NULL, 0) != 0; /* log_close.c */
    for (int i = 0; i < list->cnt; i++) {
        if (strcmp(list->elems[i].topic, k->topic) != 0)
            continue; /* other_topic: never read */
        struct lt_kafka_partition *p = lt_log_kafka_partition(k, list->elems[i].partition);
        *p = (struct lt_kafka_partition){.assigned = true};
        if (!k->closing)
            k->callbacks.on_assign(k->callbacks.ctx, list->elems[i].partition);
    }
}

/*
 * librdkafka keeps the application's pause of a partition over unassign and assign: one that was paused when it went
 * would be silent for good when it comes back. So it is resumed first; what is fetched in between is dropped unseen.
 */
static rd_kafka_error_t *unassign(struct lt_log_kafka *k, rd_kafka_topic_partition_list_t *list)
{
    if (list->cnt)
        (void)rd_kafka_resume_partitions(k->consumer, list); /* fails for unknown partitions only */
    return rd_kafka_incremental_unassign(k->consumer, list);
}

static void on_revoked(struct lt_log_kafka *k, const rd_kafka_topic_partition_list_t *list, bool lost)
{
    rd_kafka_topic_partition_list_t *started = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; i < list->cnt; i++) {
        int32_t n = list->elems[i].partition;
        if (strcmp(list->elems[i].topic, k->topic) != 0)
            continue;
        lt_log_kafka_partition(k, n)->revoking = true;
        /* Before the unassign: the owner may still finish its work, the partition is nobody else's yet. */
        if (!k->closing && lt_log_kafka_partition(k, n)->assigned)
            k->callbacks.on_revoke(k->callbacks.ctx, n, lost);
        struct lt_kafka_partition *p = lt_log_kafka_partition(k, n);
        if (p->started) /* unassigning what was never assigned fails the whole list */
            rd_kafka_topic_partition_list_add(started, k->topic, n);
        *p = (struct lt_kafka_partition){0};
        lt_log_kafka_kept_drop(k, n);
    }
    report(k, "giving back partitions", unassign(k, started));
    rd_kafka_topic_partition_list_destroy(started);
}

/* Something is out of order in the group: everything is given up; a new assignment follows. */
static void on_broken(struct lt_log_kafka *k, rd_kafka_t *rk, rd_kafka_resp_err_t code)
{
    if (!k->closing)
        lt_warn(k->instance_id, "rebalance", "group %s: %s; giving up all partitions", k->group,
                rd_kafka_err2str(code));
    rd_kafka_topic_partition_list_t *started = rd_kafka_topic_partition_list_new((int)k->partitions.len);
    for (size_t i = 0; i < k->partitions.len; i++) {
        bool assigned = k->partitions.v[i].assigned;
        k->partitions.v[i].revoking = true;
        if (assigned && !k->closing)
            k->callbacks.on_revoke(k->callbacks.ctx, (int32_t)i, true);
        if (k->partitions.v[i].started)
            rd_kafka_topic_partition_list_add(started, k->topic, (int32_t)i);
        k->partitions.v[i] = (struct lt_kafka_partition){0};
    }
    lt_log_kafka_kept_drop(k, -1);
    if (strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE") == 0)
        report(k, "giving back partitions", unassign(k, started));
    else
        (void)rd_kafka_assign(rk, NULL); /* no protocol in force: the one call that is always legal */
    rd_kafka_topic_partition_list_destroy(started);
}

void lt_log_kafka_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
                            void *opaque)
{
    struct lt_log_kafka *k = opaque;
    int32_t before = k->served_generation;
    struct lt_log_membership *m = NULL;
    k->assigned_once = true;
    k->watch.next_ms = lt_mono_ms() + SETTLED_MS;
    k->served_generation = -1;
    if (!k->closing && membership_read(k, &m, NULL) == LT_LOG_OK)
        k->served_generation = m->generation;
    lt_log_kafka_membership_free(&k->base, m);
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        on_assigned(k, rk, list);
    } else if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        /*
         * The group waits for this callback, so it cannot be two generations ahead, unless stop() answered in its
         * place: then the partitions may be somebody else's already, and the owner must not finish anything for them.
         */
        bool overtaken = before >= 0 && k->served_generation > before + 1;
        on_revoked(k, list, rd_kafka_assignment_lost(rk) || overtaken);
    } else {
        on_broken(k, rk, code);
    }
    rd_kafka_yield(rk); /* the poll that served this returns: the owner has work, and need not wait for a record */
}

void lt_log_kafka_client_error(rd_kafka_t *rk LT_UNUSED, int code, const char *reason, void *opaque)
{
    struct lt_log_kafka *k = opaque;
    switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        k->disturbances++; /* rule 10 */
        break;
    default:
        break;
    }
    lt_debug(k->instance_id, "kafka-error", "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)code), reason);
}

uint64_t lt_log_kafka_disturbances(struct lt_log *l)
{
    return lt_log_kafka_of(l)->disturbances;
}

/* ---- polling ---- */

int lt_log_kafka_alive(struct lt_log_kafka *k, struct lt_err *err)
{
    char text[256];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(k->consumer, text, sizeof(text));
    if (!code)
        return LT_LOG_OK;
    if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) /* rule 16: by a twin, or by a join of our own (log_claim.c) */
        return lt_err_set(err, LT_E_UNAVAILABLE, "membership-taken",
                          "group %s: the membership of %s was taken; joining again unless another process has it",
                          k->group, k->instance_id);
    return lt_err_set(err, LT_E_UNAVAILABLE, rd_kafka_err2name(code), "the consumer of group %s is broken: %s",
                      k->group, text);
}

/* Records are made and freed by the ten thousand a second, each with its table of headers: their memory is kept. */
static struct lt_log_record *record_take(struct lt_log_kafka *k, rd_kafka_message_t *m)
{
    if (k->spare.len == 0)
        return lt_record_take(m);
    struct lt_log_record *r = k->spare.v[--k->spare.len];
    lt_record_view(r, m);
    r->impl = m;
    return r;
}

void lt_log_kafka_record_free(struct lt_log *l, struct lt_log_record *r)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    if (!r || k->spare.len >= SPARE_RECORDS) {
        lt_record_free(r);
        return;
    }
    rd_kafka_message_destroy(r->impl);
    *lt_vec_push(&k->spare) = r;
}

/* What a message of the consumer's queue is: result of poll; *ret for OK and PARTITION. Takes m. */
static int classify(struct lt_log_kafka *k, rd_kafka_message_t *m, struct lt_log_record **ret, struct lt_err *err)
{
    bool of_partition = m->rkt && m->partition >= 0;
    if (of_partition && (size_t)m->partition < k->partitions.len && !k->partitions.v[m->partition].started)
        of_partition = false; /* fetched before stop(): nobody waits for it */
    else if (!m->err) {
        k->seen.records++;
        k->seen.bytes += m->len + m->key_len;
        *ret = record_take(k, m);
        return LT_LOG_OK;
    }
    int r = LT_LOG_NONE;
    if (m->err == RD_KAFKA_RESP_ERR__FATAL || m->err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
        r = lt_log_kafka_alive(k, err);
    else if (m->err && of_partition && lt_kafka_result(m->err) != LT_LOG_RETRY) {
        lt_kafka_fail(err, m->err, "topic %s partition %d", k->topic, (int)m->partition);
        *ret = record_take(k, m);
        return LT_LOG_PARTITION;
    } else if (m->err && lt_kafka_result(m->err) == LT_LOG_PERMANENT)
        r = lt_kafka_fail(err, m->err, "reading topic %s", k->topic);
    else if (m->err)
        lt_debug(k->instance_id, "kafka-poll", "%s", rd_kafka_message_errstr(m)); /* passes by itself */
    rd_kafka_message_destroy(m);
    return r == LT_LOG_OK ? LT_LOG_NONE : r;
}

static size_t weight(const struct lt_log_record *r)
{
    return sizeof(*r) + r->key.len + r->value.len;
}

/* What was given out of the middle leaves a gap. */
static void kept_close_up(struct lt_log_kafka *k)
{
    size_t to = 0;
    for (size_t i = k->kept_first; i < k->kept.len; i++)
        if (k->kept.v[i].record)
            k->kept.v[to++] = k->kept.v[i];
    k->kept_first = 0;
    k->kept.len = to;
}

void lt_log_kafka_kept_drop(struct lt_log_kafka *k, int32_t partition)
{
    for (size_t i = k->kept_first; i < k->kept.len; i++) {
        struct lt_log_record *r = k->kept.v[i].record;
        if (r && (partition < 0 || r->partition == partition)) {
            k->kept_bytes -= weight(r);
            lt_record_free(lt_steal(&k->kept.v[i].record));
        }
    }
    kept_close_up(k);
    for (size_t i = k->fetched_first; i < k->fetched_len; i++) {
        rd_kafka_message_t *m = k->fetched[i];
        if (m && (partition < 0 || m->partition == partition)) {
            rd_kafka_message_destroy(m);
            k->fetched[i] = NULL;
        }
    }
}

void lt_log_kafka_serve(struct lt_log_kafka *k)
{
    kept_close_up(k);
    /* Bounded: a full fetch queue must not keep a scan from going on. */
    for (int i = 0; i < 64; i++) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(k->consumer, 0);
        if (!m)
            return;
        struct lt_kafka_kept kept = {0};
        kept.result = classify(k, m, &kept.record, &kept.err);
        if (!kept.record)
            continue; /* a fatal consumer says so again at the next poll */
        k->kept_bytes += weight(kept.record);
        *lt_vec_push(&k->kept) = kept;
    }
}

/* A queue that was full is half empty: fetching goes on while the rest of it is worked off. */
static void keep_filled(struct lt_log_kafka *k)
{
    size_t waiting = rd_kafka_queue_length(k->queue), max = LT_KAFKA_QUEUE_RECORDS, bytes = k->queue_bytes;
    if (lt_kafka_is_full(&k->seen, waiting, max, bytes)) {
        k->was_full = true;
    } else if (k->was_full && !lt_kafka_is_full(&k->seen, waiting, max / 2, bytes / 2)) {
        k->was_full = false;
        rd_kafka_topic_partition_list_t *list = lt_log_kafka_running(k);
        lt_kafka_wake(k->consumer, list);
        rd_kafka_topic_partition_list_destroy(list);
    }
}

/*
 * Beside the one that was polled, take what else lies in the queue. Callbacks may run in here. That changes nothing for
 * the owner, who finds out before he gets the next record as if he had polled: records of a partition that was given up
 * meanwhile are dropped by lt_log_kafka_kept_drop or classify.
 *
 * One by one: rd_kafka_consume_batch_queue of 2.0.2 counts a message as consumed when it enters the batch, and takes it
 * out again when its partition is paused before the call ends, which a rebalance does from the library's own thread; it
 * never comes again (docs/decisions/0004-librdkafka-traps.md).
 */
static void fetch_more(struct lt_log_kafka *k)
{
    if (k->fetched_first < k->fetched_len)
        return; /* of paused partitions: they wait */
    keep_filled(k);
    k->fetched_first = k->fetched_len = 0;
    rd_kafka_message_t *m;
    while (k->fetched_len < LT_KAFKA_FETCHED && (m = rd_kafka_consume_queue(k->queue, 0)))
        k->fetched[k->fetched_len++] = m;
}

static bool is_paused(const struct lt_log_kafka *k, int32_t partition)
{
    return partition >= 0 && (size_t)partition < k->partitions.len && k->partitions.v[partition].paused;
}

/* The next one that was fetched, of a partition that is not paused; NULL: none. */
static rd_kafka_message_t *fetched_next(struct lt_log_kafka *k)
{
    while (k->fetched_first < k->fetched_len && !k->fetched[k->fetched_first])
        k->fetched_first++;
    for (size_t i = k->fetched_first; i < k->fetched_len; i++) {
        rd_kafka_message_t *m = k->fetched[i];
        if (m && !is_paused(k, m->partition)) {
            k->fetched[i] = NULL;
            return m;
        }
    }
    return NULL;
}

/*
 * The same of what was kept, which is younger than what was fetched: given out while that waits for its partition, it
 * would come first, and the owner take those for records that he has had. record NULL: none.
 */
static struct lt_kafka_kept kept_next(struct lt_log_kafka *k)
{
    while (k->kept_first < k->kept.len && !k->kept.v[k->kept_first].record)
        k->kept_first++;
    if (k->kept_first == k->kept.len)
        k->kept_first = k->kept.len = 0;
    for (size_t i = k->kept_first; i < k->kept.len; i++) {
        struct lt_kafka_kept kept = k->kept.v[i];
        if (kept.record && !is_paused(k, kept.record->partition)) {
            k->kept.v[i].record = NULL;
            k->kept_bytes -= weight(kept.record);
            return kept;
        }
    }
    return (struct lt_kafka_kept){0};
}

static void watch(struct lt_log_kafka *k)
{
    struct lt_log_membership *m = NULL;
    if (k->served_generation < 0 || lt_mono_ms() < k->watch.next_ms || membership_read(k, &m, NULL) != LT_LOG_OK)
        return;
    lt_log_kafka_watch(k, m->member_id);
    lt_log_kafka_membership_free(&k->base, m);
}

int lt_log_kafka_poll(struct lt_log *l, int timeout_ms, struct lt_log_record **ret, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    rd_kafka_message_t *next = fetched_next(k);
    if (next)
        return classify(k, next, ret, err);
    struct lt_kafka_kept kept = kept_next(k);
    if (kept.record) {
        if (kept.result != LT_LOG_OK && err)
            *err = kept.err;
        *ret = kept.record;
        return kept.result;
    }
    watch(k);
    rd_kafka_message_t *m = rd_kafka_consumer_poll(k->consumer, LT_MAX(timeout_ms, 0));
    if (!m) {
        int alive = lt_log_kafka_alive(k, err);
        return alive == LT_LOG_OK ? LT_LOG_NONE : alive;
    }
    fetch_more(k);
    return classify(k, m, ret, err);
}

/* ---- start, stop, pause ---- */

static int unusable(struct lt_log_kafka *k, int32_t partition, struct lt_err *err)
{
    return lt_err_set(err, LT_E_BUG, "not-assigned",
                      "partition %d of %s is not assigned to this member or is started already", (int)partition,
                      k->topic);
}

int lt_log_kafka_start(struct lt_log *l, int32_t partition, int64_t offset, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    struct lt_kafka_partition *p = lt_log_kafka_partition(k, partition);
    if (!p->assigned || p->started || offset < 0)
        return unusable(k, partition, err);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, k->topic, partition)->offset = offset;
    rd_kafka_error_t *error = rd_kafka_incremental_assign(k->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error) {
        int r = lt_kafka_fail(err, rd_kafka_error_code(error), "starting partition %d of %s at %" PRId64,
                              (int)partition, k->topic, offset);
        rd_kafka_error_destroy(error);
        return r == LT_LOG_OK ? LT_LOG_RETRY : r;
    }
    p->started = true;
    p->paused = false;
    return LT_LOG_OK;
}

int lt_log_kafka_stop(struct lt_log *l, int32_t partition, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    struct lt_kafka_partition *p = lt_log_kafka_partition(k, partition);
    if (!p->started || p->revoking)
        return LT_LOG_OK;
    /*
     * librdkafka takes an incremental_unassign for the answer to a revocation whose callback still waits in the queue.
     * The group would then go on before the owner knows; capture() notices it by served_generation.
     */
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, k->topic, partition);
    rd_kafka_error_t *error = unassign(k, list);
    rd_kafka_topic_partition_list_destroy(list);
    p->started = p->paused = false;
    lt_log_kafka_kept_drop(k, partition);
    if (error) {
        int r = lt_kafka_fail(err, rd_kafka_error_code(error), "stopping partition %d of %s", (int)partition, k->topic);
        rd_kafka_error_destroy(error);
        return r == LT_LOG_OK ? LT_LOG_RETRY : r;
    }
    return LT_LOG_OK;
}

int lt_log_kafka_pause(struct lt_log *l, int32_t partition, bool paused, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    struct lt_kafka_partition *p = lt_log_kafka_partition(k, partition);
    if (!p->started)
        return unusable(k, partition, err);
    if (p->paused == paused)
        return LT_LOG_OK;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *elem = rd_kafka_topic_partition_list_add(list, k->topic, partition);
    rd_kafka_resp_err_t code =
        paused ? rd_kafka_pause_partitions(k->consumer, list) : rd_kafka_resume_partitions(k->consumer, list);
    if (!code)
        code = elem->err;
    rd_kafka_topic_partition_list_destroy(list);
    if (code)
        return lt_kafka_fail(err, code, "pausing or resuming partition %d of %s", (int)partition, k->topic);
    p->paused = paused;
    return LT_LOG_OK;
}
