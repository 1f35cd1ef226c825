#include "gateway/core/batch.h"

#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/codec/json.h"
#include "gateway/model/partition.h"

#include <inttypes.h>
#include <stdio.h>

#define DEADLETTER_KEEP (64 * 1024) /* of a value that does not fit (protocol 4) */
#define DEADLETTER_ROOM 4096        /* for what Kafka adds */
#define DEADLETTER_HEADERS 8        /* headers that are added to a dead letter */
#define DEADLETTER_HEADER_MAX 1024

void lt_batch_add_take(struct lt_batch *b, struct lt_log_record *r, struct lt_partition *p)
{
    *lt_vec_push(&b->items) = (struct lt_batch_item){.record = r, .partition = p, .epoch = p->epoch};
    b->bytes += r->key.len + r->value.len;
}

void lt_batch_reset(struct lt_batch *b, struct lt_log *log)
{
    for (size_t i = 0; i < b->items.len; i++)
        log->ops->record_free(log, b->items.v[i].record);
    b->items.len = b->copies.len = b->bytes = 0;
    b->judged = false;
}

void lt_batch_deinit(struct lt_batch *b, struct lt_log *log)
{
    lt_batch_reset(b, log);
    lt_vec_deinit(&b->items);
    lt_vec_deinit(&b->copies);
}

static bool item_current(const struct lt_batch_item *it)
{
    return it->partition->epoch == it->epoch && it->partition->state == LT_PARTITION_RUNNING;
}

void lt_batch_prune(struct lt_batch *b, struct lt_log *log)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->items.len; i++) {
        if (item_current(&b->items.v[i]))
            b->items.v[kept++] = b->items.v[i];
        else
            log->ops->record_free(log, b->items.v[i].record);
    }
    b->items.len = kept;
}

static void add_copy(struct lt_batch *b, struct lt_batch_item *it, int output, const char *path)
{
    *lt_vec_push(&b->copies) = (struct lt_batch_copy){.output = output, .path = path};
    it->copy_len++;
}

/* Receipts read the index from other threads: it changes only under the lock. */
static int remember(struct lt_partition *p, const struct lt_index_key *k, int64_t offset, uint64_t generation,
                    struct lt_finding *ret, uint64_t *ret_sum, struct lt_err *err)
{
    pthread_mutex_lock(&p->lock);
    int r = lt_index_reserve(p->index, 1, err);
    if (r == LT_OK)
        r = lt_index_judge(p->index, k, offset, generation, ret, err);
    *ret_sum = lt_index_sum(p->index);
    pthread_mutex_unlock(&p->lock);
    return r;
}

static void judge_one(struct lt_batch *b, struct lt_batch_item *it, const struct lt_routes *routes)
{
    struct lt_partition *p = it->partition;
    const struct lt_log_record *r = it->record;
    struct lt_index_key k;
    struct lt_err err = LT_ERR_INIT;
    struct lt_span replay = lt_headers_value(&r->headers, "lt_replay");
    it->clock_ms = p->clock_ms = lt_position_clock(p->clock_ms, r);
    uint64_t g = lt_generation_of(&p->position.window, it->clock_ms);
    it->copy_first = b->copies.len;

    if (lt_event_read(r->key, &r->headers, r->value, &it->event, &err) < 0 ||
        !lt_index_key_of(it->event.id, it->event.digest, it->event.digest_v, replay, &k)) {
        pthread_mutex_lock(&p->lock);
        lt_index_advance(p->index, g);
        it->sum = lt_index_sum(p->index);
        pthread_mutex_unlock(&p->lock);
        it->verdict = LT_VERDICT_INVALID;
        snprintf(it->reason, sizeof(it->reason), "%.127s",
                 err.text[0] ? err.text : "ce_id or lt_digest is not hexadecimal");
        add_copy(b, it, LT_OUTPUT_DEADLETTER, NULL);
    } else {
        struct lt_finding f;
        int result = remember(p, &k, r->offset, g, &f, &it->sum, &err);
        if (result == LT_E_LIMIT) {
            lt_partition_stop(p, LT_STOP_INDEX_FULL, NULL, "%s", err.text);
            return;
        }
        if (result < 0) {
            /* Rule 12: ours; load again from the log. */
            lt_error("core", "index-ahead", "partition %d: %s; the partition is loaded again", (int)p->number,
                     err.text);
            lt_partition_stop(p, LT_STOP_WAITING, NULL, "the index is built again: %s", err.text);
            return;
        }
        it->verdict = f.verdict == LT_VERDICT_NEW && replay.len ? LT_VERDICT_REPLAY : f.verdict;
        it->remapped = f.remapped;
        it->first_offset = f.first_offset;
        if (it->verdict == LT_VERDICT_NEW || it->verdict == LT_VERDICT_REPLAY) {
            struct lt_copy copies[LT_ROUTE_COPIES_MAX];
            size_t n = lt_routes_match(routes, &it->event, replay.len > 0, lt_headers_value(&r->headers, "lt_effects"),
                                       copies);
            for (size_t i = 0; i < n; i++)
                add_copy(b, it, copies[i].output, copies[i].path);
        } else if (it->verdict == LT_VERDICT_CONFLICT) {
            add_copy(b, it, LT_OUTPUT_QUARANTINE, NULL);
        }
    }
}

void lt_batch_judge(struct lt_batch *b, const struct lt_batch_env *env)
{
    for (size_t i = 0; i < b->items.len; i++) {
        if (item_current(&b->items.v[i]))
            judge_one(b, &b->items.v[i], env->routes);
    }
    lt_batch_prune(b, env->log); /* partitions that were stopped on the way */
    b->judged = true;
}

/* The position of it's partition once everything up to and including it is final. */
struct running {
    struct lt_partition *partition;
    struct lt_position position;
    uint64_t *routed;
    int64_t after;
    const struct lt_batch_item *last;
};

/* One row a partition. */
struct running_rows {
    LT_VEC(struct running) rows;
};

static struct running *running_of(struct running_rows *all, struct lt_partition *p)
{
    for (size_t i = 0; i < all->rows.len; i++)
        if (all->rows.v[i].partition == p)
            return &all->rows.v[i];
    struct running *r = lt_vec_push(&all->rows);
    *r = (struct running){.partition = p, .position = p->position, .after = p->offset};
    r->routed = lt_calloc(LT_MAX(p->routed_len, 1), sizeof(*r->routed));
    memcpy(r->routed, p->routed, p->routed_len * sizeof(*r->routed));
    return r;
}

/* Positions after the first n items (of one partition, or of all); running_free afterwards. */
static struct running_rows accumulate(const struct lt_batch *b, size_t n, const struct lt_partition *only)
{
    struct running_rows all = {0};
    for (size_t i = 0; i < n; i++) {
        const struct lt_batch_item *it = &b->items.v[i];
        if (only && it->partition != only)
            continue;
        struct running *r = running_of(&all, it->partition);
        r->position.verdicts[it->verdict]++;
        r->position.clock_ms = it->clock_ms;
        r->position.sum = it->sum;
        r->position.holes += (uint64_t)(it->record->offset - r->after); /* what is missing before it was accepted */
        r->after = it->record->offset + 1;
        r->last = it;
        for (size_t c = it->copy_first; c < it->copy_first + it->copy_len; c++) {
            const struct lt_batch_copy *copy = &b->copies.v[c];
            if (copy->undeliverable)
                r->position.undeliverable++;
            else if (copy->output >= 0)
                r->routed[copy->output]++;
        }
    }
    for (size_t i = 0; i < all.rows.len; i++)
        all.rows.v[i].position.anchor = lt_position_anchor(all.rows.v[i].last->record);
    return all;
}

static void running_free(struct running_rows *all)
{
    for (size_t i = 0; i < all->rows.len; i++)
        free(all->rows.v[i].routed);
    lt_vec_deinit(&all->rows);
}

/* lt.position: offset, metadata, counters per output, and where receipts of this partition are answered. */
static int write_position(const struct lt_batch_env *env, const struct running *r, const char *metadata,
                          struct lt_err *err)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(64 * 1024);
    struct lt_json_writer w;
    char key[16];
    snprintf(key, sizeof(key), "%" PRId32, r->partition->number);
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_num(&w, "partition", r->partition->number);
    lt_json_num(&w, "offset", r->after);
    lt_json_str(&w, "metadata", lt_span_str(metadata));
    lt_json_str(&w, "instance", lt_span_str(env->instance));
    lt_json_str(&w, "address", lt_span_str(env->address));
    lt_json_key(&w, LT_SPAN_LIT("outputs"));
    lt_json_begin_object(&w);
    for (size_t i = 0; i < r->partition->routed_len; i++)
        lt_json_num(&w, lt_routes_output(env->routes, i), (int64_t)r->routed[i]);
    lt_json_end_object(&w);
    lt_json_end_object(&w);
    struct lt_headers none;
    lt_headers_reset(&none);
    return env->log->ops->produce(env->log, LT_TOPIC_POSITION, 0, lt_span_str(key), &none, lt_buf_view(&out), err);
}

struct destination {
    const char *topic;
    int32_t partitions;
};

static struct destination destination_of(const struct lt_batch_env *env, const struct lt_batch_copy *copy)
{
    if (copy->undeliverable || copy->output == LT_OUTPUT_DEADLETTER)
        return (struct destination){LT_TOPIC_DEADLETTER, env->deadletter_partitions};
    if (copy->output == LT_OUTPUT_QUARANTINE)
        return (struct destination){LT_TOPIC_QUARANTINE, env->quarantine_partitions};
    return (struct destination){lt_routes_output(env->routes, (size_t)copy->output),
                                env->output_partitions[copy->output]};
}

static size_t headers_bytes(const struct lt_headers *h)
{
    size_t n = 0;
    for (size_t i = 0; i < h->len; i++)
        n += h->v[i].name.len + h->v[i].value.len;
    return n;
}

/* Names of ours come last in a record that is not: room for them is made, a header too long to keep is left out. */
static void trim_headers(struct lt_headers *h)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->len && kept < LT_HEADERS_MAX - DEADLETTER_HEADERS; i++)
        if (h->v[i].value.len <= DEADLETTER_HEADER_MAX && h->v[i].name.len <= DEADLETTER_HEADER_MAX)
            h->v[kept++] = h->v[i];
    h->len = kept;
    h->over = false;
}

/* A dead letter always fits: of a value that does not, digest, length and the first 64 KiB are kept (protocol 4). */
static void fit_deadletter(const struct lt_batch_env *env, struct lt_span key, struct lt_headers *h,
                           struct lt_span *value, char digest[2 * LT_SHA256_SIZE + 1], char length[24])
{
    if (key.len + value->len + headers_bytes(h) + DEADLETTER_ROOM <= env->record_max)
        return;
    uint8_t sha[LT_SHA256_SIZE];
    lt_sha256_once(*value, sha);
    lt_hex(sha, sizeof(sha), digest);
    snprintf(length, 24, "%zu", value->len);
    lt_headers_put(h, "lt_length", lt_span_str(length));
    lt_headers_put(h, "lt_sha256", lt_span_str(digest));
    value->len = LT_MIN(value->len, (size_t)DEADLETTER_KEEP);
}

static int write_copy(const struct lt_batch_env *env, const struct lt_batch_item *it, const struct lt_batch_copy *copy,
                      uint64_t incarnation, struct lt_err *err)
{
    const struct lt_log_record *r = it->record;
    struct lt_headers h = r->headers;
    struct destination to = destination_of(env, copy);
    struct lt_span value = r->value;
    char origin[64], first[64], length[24], digest[2 * LT_SHA256_SIZE + 1];
    snprintf(origin, sizeof(origin), "%016" PRIx64 "/%" PRId32 "/%" PRId64, incarnation, r->partition, r->offset);
    bool deadletter = copy->undeliverable || copy->output == LT_OUTPUT_DEADLETTER;
    if (deadletter)
        trim_headers(&h);
    lt_headers_drop_prefix(&h, "lt_path");
    lt_headers_drop_prefix(&h, "lt_hop");
    lt_headers_put(&h, "lt_origin", lt_span_str(origin));
    if (copy->undeliverable) {
        lt_headers_put(&h, "lt_reason", LT_SPAN_LIT("undeliverable"));
        lt_headers_put(
            &h, "lt_topic",
            lt_span_str(copy->output >= 0 ? lt_routes_output(env->routes, (size_t)copy->output) : LT_TOPIC_QUARANTINE));
    } else if (copy->output == LT_OUTPUT_DEADLETTER) {
        lt_headers_put(&h, "lt_reason", LT_SPAN_LIT("invalid"));
        lt_headers_put(&h, "lt_detail", lt_span_str(it->reason));
    } else if (copy->output == LT_OUTPUT_QUARANTINE) {
        snprintf(first, sizeof(first), "%016" PRIx64 "/%" PRId32 "/%" PRId64, incarnation, r->partition,
                 it->first_offset);
        lt_headers_put(&h, "lt_reason", lt_span_str(it->remapped ? "remapped" : "conflict"));
        lt_headers_put(&h, "lt_first", lt_span_str(first));
    } else if (copy->path) {
        lt_headers_put(&h, "lt_path", lt_span_str(copy->path));
        lt_headers_put(&h, "lt_hop", LT_SPAN_LIT("0"));
    }
    if (deadletter)
        fit_deadletter(env, r->key, &h, &value, digest, length);
    return env->log->ops->produce(env->log, to.topic, lt_partition_of(r->key, to.partitions), r->key, &h, value, err);
}

/* A failed produce: which copy of a lone record is to blame (rule 14)? The error names its topic when the broker
 * refused it. */
static int copy_to_blame(const struct lt_batch *b, const struct lt_batch_env *env, size_t item,
                         const struct lt_err *err)
{
    const struct lt_batch_item *it = &b->items.v[item];
    int fallback = -1;
    for (size_t c = it->copy_first; c < it->copy_first + it->copy_len; c++) {
        const struct lt_batch_copy *copy = &b->copies.v[c];
        if (copy->undeliverable || copy->output == LT_OUTPUT_DEADLETTER)
            continue;
        if (strcmp(destination_of(env, copy).topic, err->source) == 0)
            return (int)c;
        if (fallback < 0 && !err->source[0])
            fallback = (int)c;
    }
    return fallback;
}

static int write_items(struct lt_batch *b, const struct lt_batch_env *env, size_t n, struct lt_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct lt_batch_item *it = &b->items.v[i];
        for (size_t c = it->copy_first; c < it->copy_first + it->copy_len; c++) {
            int r = write_copy(env, it, &b->copies.v[c], it->partition->position.incarnation, err);
            if (r != LT_LOG_OK)
                return r;
        }
    }
    return LT_LOG_OK;
}

static int write_offsets(const struct lt_batch_env *env, const struct lt_log_membership *m, const struct running *v,
                         size_t rows, struct lt_err *err)
{
    struct lt_log_offset *offsets = lt_calloc(rows, sizeof(*offsets));
    int r = LT_LOG_OK;
    for (size_t i = 0; i < rows && r == LT_LOG_OK; i++) {
        char metadata[LT_POSITION_MAX];
        lt_position_format(&v[i].position, metadata);
        offsets[i].partition = v[i].partition->number;
        offsets[i].offset = v[i].after;
        snprintf(offsets[i].metadata, sizeof(offsets[i].metadata), "%s", metadata);
        r = write_position(env, &v[i], metadata, err);
    }
    if (r == LT_LOG_OK)
        r = env->log->ops->send_offsets(env->log, m, offsets, rows, err);
    free(offsets);
    return r;
}

int lt_batch_write(struct lt_batch *b, const struct lt_batch_env *env, const struct lt_log_membership *m, size_t n,
                   int *ret_copy, struct lt_err *err)
{
    *ret_copy = -1;
    int r = env->log->ops->begin(env->log, err);
    if (r != LT_LOG_OK)
        return r;
    struct running_rows all = accumulate(b, n, NULL);
    r = write_items(b, env, n, err);
    if (r == LT_LOG_OK)
        r = write_offsets(env, m, all.rows.v, all.rows.len, err);
    running_free(&all);
    if (r == LT_LOG_OK)
        r = env->log->ops->commit(env->log, err);
    if (r == LT_LOG_TOO_LARGE && n == 1 && *ret_copy < 0)
        *ret_copy = copy_to_blame(b, env, 0, err);
    return r;
}

void lt_batch_settle(struct lt_batch *b, struct lt_log *log, const struct lt_partition *p, int64_t after)
{
    size_t n = 0;
    for (size_t i = 0; i < b->items.len; i++)
        if (b->items.v[i].partition == p && b->items.v[i].record->offset < after)
            n = i + 1;
    if (n)
        lt_batch_apply(b, log, n, p);
}

void lt_batch_apply(struct lt_batch *b, struct lt_log *log, size_t n, const struct lt_partition *only)
{
    struct running_rows all = accumulate(b, n, only);
    for (size_t i = 0; i < all.rows.len; i++) {
        const struct running *r = &all.rows.v[i];
        struct lt_partition *p = r->partition;
        pthread_mutex_lock(&p->lock);
        p->position = r->position;
        p->offset = r->after;
        memcpy(p->routed, r->routed, p->routed_len * sizeof(*p->routed));
        pthread_mutex_unlock(&p->lock);
    }
    running_free(&all);

    size_t kept = 0;
    for (size_t i = 0; i < b->items.len; i++) {
        if (i < n && (!only || b->items.v[i].partition == only))
            log->ops->record_free(log, b->items.v[i].record);
        else
            b->items.v[kept++] = b->items.v[i];
    }
    b->items.len = kept;
}

struct lt_batch_range *lt_batch_ranges(const struct lt_batch *b, size_t n, size_t *ret_len)
{
    struct running_rows all = accumulate(b, n, NULL);
    struct lt_batch_range *ranges = lt_calloc(LT_MAX(all.rows.len, 1), sizeof(*ranges));
    for (size_t i = 0; i < all.rows.len; i++) {
        const struct running *r = &all.rows.v[i];
        struct lt_partition *p = r->partition;
        ranges[i] = (struct lt_batch_range){.partition = p, .epoch = p->epoch, .before = p->offset, .after = r->after};
        lt_position_format(&p->position, ranges[i].metadata_before);
        lt_position_format(&r->position, ranges[i].metadata_after);
    }
    *ret_len = all.rows.len;
    running_free(&all);
    return ranges;
}
