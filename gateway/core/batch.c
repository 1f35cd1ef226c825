#include "gateway/core/batch.h"

#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/codec/json.h"
#include "gateway/core/tell.h"
#include "gateway/model/partition.h"

#include <inttypes.h>
#include <stdio.h>

#define DEADLETTER_ROOM 4096 /* for what Kafka adds */
#define DEADLETTER_HEADERS 9 /* headers that are added to a dead letter */
#define DEADLETTER_HEADER_MAX 1024
#define DETAIL_MAX 127   /* of an invalid record's reason, as a header */
#define ORIGIN_HEADERS 3 /* lt_origin, lt_path, lt_hop; of a conflict lt_origin, lt_reason, lt_first */
#define JUDGE_GROUP 32   /* look-ups that wait for memory together */

static void item_free(struct lt_batch_item *it, struct lt_log *log)
{
    free(it->reason);
    log->ops->record_free(log, it->record);
}

void lt_batch_reset(struct lt_batch *b, struct lt_log *log)
{
    for (size_t i = 0; i < b->items.len; i++)
        item_free(&b->items.v[i], log);
    b->items.len = b->copies.len = b->bytes = 0;
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
            item_free(&b->items.v[i], log);
    }
    b->items.len = kept;
}

/* ---- what a record says by itself ---- */

static void add_copy(struct lt_batch *b, struct lt_batch_item *it, int output, const char *path)
{
    *lt_vec_push(&b->copies) = (struct lt_batch_copy){.output = output, .path = path};
    it->copy_len++;
}

void lt_batch_add_take(struct lt_batch *b, struct lt_log_record *r, struct lt_partition *p,
                       const struct lt_routes *routes)
{
    struct lt_event event;
    struct lt_err err;
    lt_err_clear(&err);
    struct lt_event_marks own;
    int read = lt_event_read_marks(r->key, &r->headers, r->value, &event, &own, &err);
    size_t room = LT_HEADERS_MAX - ORIGIN_HEADERS;
    struct lt_batch_item *it = lt_vec_push(&b->items);
    *it = (struct lt_batch_item){.record = r,
                                 .partition = p,
                                 .epoch = p->epoch,
                                 .time_ms = lt_position_time_of(r->append_ms, own.time),
                                 .is_replay = own.replay.len > 0,
                                 .is_plain = !own.is_routed && !r->headers.over && r->headers.len <= room,
                                 .tell = lt_routes_told(routes, own.replay.len > 0, own.effects),
                                 .copy_first = (uint32_t)b->copies.len};
    b->bytes += r->key.len + r->value.len + lt_headers_bytes(&r->headers);
    if (read < 0 || !lt_index_key_of(event.id, event.digest, event.digest_v, own.replay, &it->key)) {
        it->reason = lt_strdup(err.text[0] ? err.text : "ce_id or lt_digest is not hexadecimal");
        if (!lt_tell_has_addressee(r->key, &r->headers))
            it->tell = 0;
        return;
    }
    struct lt_copy copies[LT_ROUTE_COPIES_MAX];
    size_t n = lt_routes_match(routes, &event, it->is_replay, own.effects, copies);
    for (size_t i = 0; i < n; i++)
        add_copy(b, it, copies[i].output, copies[i].path);
}

/* ---- verdicts ---- */

/* The only copy the record gets, instead of those of a new event. */
static void only_copy(struct lt_batch *b, struct lt_batch_item *it, int output)
{
    it->copy_first = (uint32_t)b->copies.len;
    it->copy_len = 0;
    add_copy(b, it, output, NULL);
}

/* One more copy; those the record has already move along, because they stand together. */
static void and_tell(struct lt_batch *b, struct lt_batch_item *it, size_t output)
{
    uint32_t first = it->copy_first;
    it->copy_first = (uint32_t)b->copies.len;
    for (uint32_t i = first; i < first + it->copy_len; i++) {
        struct lt_batch_copy copy = b->copies.v[i]; /* by value: the vector may move */
        *lt_vec_push(&b->copies) = copy;
    }
    *lt_vec_push(&b->copies) = (struct lt_batch_copy){.output = (int)output, .told = true};
    it->copy_len++;
}

/* With the partition's lock held. LT_OK, or why the partition cannot go on. */
static int judge_one(struct lt_batch *b, struct lt_batch_item *it, const struct lt_routes *routes, struct lt_err *err)
{
    struct lt_partition *p = it->partition;
    int64_t clock_ms = LT_MAX(p->clock_ms, it->time_ms);
    uint64_t g = lt_generation_of(&p->position.window, clock_ms);
    lt_index_advance(p->index, g); /* before room is asked for: what expires by this record's clock makes room */
    if (it->reason) {
        it->verdict = LT_VERDICT_INVALID;
        only_copy(b, it, LT_OUTPUT_DEADLETTER);
    } else {
        struct lt_finding f;
        int r = lt_index_reserve(p->index, 1, err);
        if (r == LT_OK)
            r = lt_index_judge(p->index, &it->key, it->record->offset, g, &f, err);
        if (r != LT_OK)
            return r;
        it->verdict = f.verdict == LT_VERDICT_NEW && it->is_replay ? LT_VERDICT_REPLAY : f.verdict;
        it->remapped = f.remapped;
        it->first_offset = f.first_offset;
        if (it->verdict == LT_VERDICT_CONFLICT)
            only_copy(b, it, LT_OUTPUT_QUARANTINE);
        else if (it->verdict == LT_VERDICT_DUPLICATE)
            it->copy_len = 0;
    }
    if (it->tell & 1u << it->verdict)
        and_tell(b, it, lt_routes_province(routes));
    it->clock_ms = p->clock_ms = clock_ms;
    it->sum = lt_index_sum(p->index);
    return LT_OK;
}

static void give_up(struct lt_partition *p, int why, const struct lt_err *err)
{
    if (why == LT_E_LIMIT) {
        lt_partition_stop(p, LT_STOP_INDEX_FULL, NULL, "%s", err->text);
        return;
    }
    /* Rule 12: ours; load again from the log. */
    lt_error("core", "index-ahead", "partition %d: %s; the partition is loaded again", (int)p->number, err->text);
    lt_partition_stop(p, LT_STOP_WAITING, NULL, "the index is built again: %s", err->text);
}

/*
 * Verdicts in offset order. Receipts read the index from other threads: it changes only under the lock, which is taken
 * once for a run of records of one partition.
 */
static void judge_group(struct lt_batch *b, const struct lt_routes *routes, size_t from, size_t to)
{
    struct lt_partition *held = NULL;
    struct lt_err err = LT_ERR_INIT;
    for (size_t i = from; i < to; i++) {
        struct lt_batch_item *it = &b->items.v[i];
        if (!item_current(it))
            continue;
        if (it->partition != held) {
            if (held)
                pthread_mutex_unlock(&held->lock);
            held = it->partition;
            pthread_mutex_lock(&held->lock);
        }
        int r = judge_one(b, it, routes, &err);
        if (r != LT_OK) {
            pthread_mutex_unlock(&held->lock);
            give_up(lt_steal(&held), r, &err);
        }
    }
    if (held)
        pthread_mutex_unlock(&held->lock);
}

void lt_batch_judge(struct lt_batch *b, const struct lt_batch_env *env)
{
    for (size_t from = 0; from < b->items.len; from += JUDGE_GROUP) {
        size_t to = LT_MIN(from + JUDGE_GROUP, b->items.len);
        for (size_t i = from; i < to; i++)
            if (item_current(&b->items.v[i]) && !b->items.v[i].reason)
                lt_index_prefetch(b->items.v[i].partition->index, &b->items.v[i].key);
        for (size_t i = from; i < to; i++)
            if (item_current(&b->items.v[i]) && !b->items.v[i].reason)
                lt_index_prefetch_next(b->items.v[i].partition->index, &b->items.v[i].key, true);
        judge_group(b, env->routes, from, to);
    }
    lt_batch_prune(b, env->log); /* partitions that were stopped on the way */
}

/* ---- positions ---- */

/* The position of a partition once the plan's records of it are final. */
struct running {
    struct lt_partition *partition;
    uint64_t epoch;
    struct lt_position position;
    uint64_t *routed;
    int64_t after;
    const struct lt_batch_item *last;
};

struct lt_batch_plan {
    size_t n;                             /* the first n items of the batch … */
    const struct lt_partition *only;      /* … of this partition; NULL: of all */
    LT_VEC(struct running) rows;          /* one a partition */
    LT_VEC(struct lt_batch_range) ranges; /* the same, as others see it */
};

static struct running *running_of(struct lt_batch_plan *plan, struct lt_partition *p)
{
    for (size_t i = 0; i < plan->rows.len; i++)
        if (plan->rows.v[i].partition == p)
            return &plan->rows.v[i];
    struct running *r = lt_vec_push(&plan->rows);
    *r = (struct running){.partition = p, .epoch = p->epoch, .position = p->position, .after = p->offset};
    r->routed = lt_calloc(LT_MAX(p->routed_len, 1), sizeof(*r->routed));
    memcpy(r->routed, p->routed, p->routed_len * sizeof(*r->routed));
    return r;
}

static struct lt_batch_plan *plan_of(const struct lt_batch *b, struct lt_log *log, size_t n,
                                     const struct lt_partition *only)
{
    struct lt_batch_plan *plan = lt_alloc(sizeof(*plan));
    struct running *r = NULL;
    plan->n = n;
    plan->only = only;
    for (size_t i = 0; i < n; i++) {
        const struct lt_batch_item *it = &b->items.v[i];
        if (only && it->partition != only)
            continue;
        if (!r || r->partition != it->partition)
            r = running_of(plan, it->partition);
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
    for (size_t i = 0; i < plan->rows.len; i++) {
        struct lt_log_record *last = plan->rows.v[i].last->record;
        (void)log->ops->headers(log, last); /* it may have been forwarded */
        plan->rows.v[i].position.anchor = lt_position_anchor(last);
    }
    return plan;
}

struct lt_batch_plan *lt_batch_plan_new(const struct lt_batch *b, struct lt_log *log, size_t n)
{
    struct lt_batch_plan *plan = plan_of(b, log, n, NULL);
    for (size_t i = 0; i < plan->rows.len; i++) {
        const struct running *r = &plan->rows.v[i];
        struct lt_batch_range *range = lt_vec_push(&plan->ranges);
        *range = (struct lt_batch_range){
            .partition = r->partition, .epoch = r->epoch, .before = r->partition->offset, .after = r->after};
        lt_position_format(&r->partition->position, range->metadata_before);
        lt_position_format(&r->position, range->metadata_after);
    }
    return plan;
}

const struct lt_batch_range *lt_batch_plan_ranges(const struct lt_batch_plan *plan, size_t *ret_len)
{
    *ret_len = plan->ranges.len;
    return plan->ranges.v;
}

void lt_batch_plan_free(struct lt_batch_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->rows.len; i++)
        free(plan->rows.v[i].routed);
    lt_vec_deinit(&plan->rows);
    lt_vec_deinit(&plan->ranges);
    free(plan);
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
    for (size_t i = 0; i < r->partition->former_len; i++)
        lt_json_num(&w, r->partition->former[i].topic, (int64_t)r->partition->former[i].n);
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

/* A dead letter always fits: of a value that does not, digest, length and the first 64 KiB are kept (protocol 4). */
static void fit_deadletter(const struct lt_batch_env *env, struct lt_span key, struct lt_headers *h,
                           struct lt_span *value, char digest[2 * LT_SHA256_SIZE + 1], char length[24])
{
    if (key.len + value->len + lt_headers_bytes(h) + DEADLETTER_ROOM <= env->record_max)
        return;
    uint8_t sha[LT_SHA256_SIZE];
    lt_sha256_once(*value, sha);
    lt_hex(sha, sizeof(sha), digest);
    snprintf(length, 24, "%zu", value->len);
    lt_headers_put(h, "lt_length", lt_span_str(length));
    lt_headers_put(h, "lt_sha256", lt_span_str(digest));
    value->len = LT_MIN(value->len, LT_DEADLETTER_KEEP);
}

/* "<incarnation>/<partition>/<offset>": what stands before the offset is the same for a run of records. */
struct origin {
    const struct lt_partition *partition;
    char text[64];
    size_t head;
};

static struct lt_span origin_of(struct origin *o, const struct lt_batch_item *it, int64_t offset)
{
    if (o->partition != it->partition) {
        o->partition = it->partition;
        o->head = (size_t)snprintf(o->text, sizeof(o->text), "%016" PRIx64 "/%" PRId32 "/",
                                   it->partition->position.incarnation, it->partition->number);
    }
    char digits[24];
    size_t n = sizeof(digits);
    for (uint64_t left = (uint64_t)offset; n == sizeof(digits) || left; left /= 10)
        digits[--n] = (char)('0' + left % 10);
    memcpy(o->text + o->head, digits + n, sizeof(digits) - n);
    return lt_span(o->text, o->head + sizeof(digits) - n);
}

/* A copy whose headers must be made anew: of a record that was not routed as it came, or that brought headers which
 * copies must not have. */
static int write_changed(const struct lt_batch_env *env, const struct lt_batch_item *it,
                         const struct lt_batch_copy *copy, struct lt_span origin, struct lt_err *err)
{
    struct lt_headers h = *env->log->ops->headers(env->log, it->record);
    const struct lt_log_record *r = it->record;
    struct destination to = destination_of(env, copy);
    struct lt_span value = r->value;
    struct origin to_first = {0};
    char length[24], digest[2 * LT_SHA256_SIZE + 1];
    bool deadletter = copy->undeliverable || copy->output == LT_OUTPUT_DEADLETTER;
    if (deadletter)
        lt_headers_trim(&h, DEADLETTER_HEADERS, DEADLETTER_HEADER_MAX);
    lt_headers_drop_prefix(&h, "lt_path");
    lt_headers_drop_prefix(&h, "lt_hop");
    lt_headers_drop_prefix(&h, "lt_verdict");
    lt_event_make_room(&h, ORIGIN_HEADERS);
    lt_headers_put(&h, "lt_origin", origin);
    if (copy->undeliverable && copy->told)
        lt_headers_put(&h, "lt_verdict", lt_span_str(lt_verdict_name(it->verdict)));
    if (copy->undeliverable) {
        lt_headers_put(&h, "lt_reason", LT_SPAN_LIT("undeliverable"));
        lt_headers_put(
            &h, "lt_topic",
            lt_span_str(copy->output >= 0 ? lt_routes_output(env->routes, (size_t)copy->output) : LT_TOPIC_QUARANTINE));
    } else if (copy->output == LT_OUTPUT_DEADLETTER) {
        struct lt_span why = lt_span_str(it->reason);
        why.len = LT_MIN(why.len, (size_t)DETAIL_MAX);
        lt_headers_put(&h, "lt_reason", LT_SPAN_LIT("invalid"));
        lt_headers_put(&h, "lt_detail", why);
    } else if (copy->output == LT_OUTPUT_QUARANTINE) {
        lt_headers_put(&h, "lt_reason", lt_span_str(it->remapped ? "remapped" : "conflict"));
        lt_headers_put(&h, "lt_first", origin_of(&to_first, it, it->first_offset));
    } else if (copy->path) {
        lt_headers_put(&h, "lt_path", lt_span_str(copy->path));
        lt_headers_put(&h, "lt_hop", LT_SPAN_LIT("0"));
    }
    if (deadletter)
        fit_deadletter(env, r->key, &h, &value, digest, length);
    return env->log->ops->produce(env->log, to.topic, lt_partition_of(r->key, to.partitions), r->key, &h, value, err);
}

static int write_told(const struct lt_batch_env *env, const struct lt_batch_item *it, const struct lt_batch_copy *copy,
                      struct lt_span origin, struct lt_err *err)
{
    struct lt_arena arena = LT_ARENA_INIT;
    struct lt_headers h;
    struct lt_span value;
    const struct lt_log_record *r = it->record;
    struct destination to = destination_of(env, copy);
    bool conflict = it->verdict == LT_VERDICT_CONFLICT;
    const struct lt_telling t = {.verdict = it->verdict,
                                 .reason = conflict ? it->remapped ? LT_SPAN_LIT("remapped") : LT_SPAN_LIT("conflict")
                                           : it->reason ? lt_span_str(it->reason)
                                                        : LT_SPAN_NULL,
                                 .origin = origin,
                                 .first_offset =
                                     conflict || it->verdict == LT_VERDICT_DUPLICATE ? it->first_offset : -1,
                                 .clock_ms = it->clock_ms};
    lt_tell_write(&t, r, env->log->ops->headers(env->log, it->record), &arena, &h, &value);
    int result =
        env->log->ops->produce(env->log, to.topic, lt_partition_of(r->key, to.partitions), r->key, &h, value, err);
    lt_arena_deinit(&arena);
    return result;
}

static int write_copy(const struct lt_batch_env *env, const struct lt_batch_item *it, const struct lt_batch_copy *copy,
                      struct origin *o, struct lt_err *err)
{
    struct lt_log_record *r = it->record;
    struct lt_span origin = origin_of(o, it, r->offset);
    if (copy->told && !copy->undeliverable)
        return write_told(env, it, copy, origin, err);
    if (!it->is_plain || copy->undeliverable || copy->output < 0)
        return write_changed(env, it, copy, origin, err);
    struct destination to = destination_of(env, copy);
    const struct lt_header add[ORIGIN_HEADERS] = {{LT_SPAN_LIT("lt_origin"), origin},
                                                  {LT_SPAN_LIT("lt_path"), lt_span_str(copy->path)},
                                                  {LT_SPAN_LIT("lt_hop"), LT_SPAN_LIT("0")}};
    return env->log->ops->forward(env->log, to.topic, lt_partition_of(r->key, to.partitions), r, add,
                                  copy->path ? 3 : 1, err);
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
    struct origin o = {0};
    for (size_t i = 0; i < n; i++) {
        const struct lt_batch_item *it = &b->items.v[i];
        for (size_t c = it->copy_first; c < it->copy_first + it->copy_len; c++) {
            int r = write_copy(env, it, &b->copies.v[c], &o, err);
            if (r != LT_LOG_OK)
                return r;
        }
    }
    return LT_LOG_OK;
}

static int write_offsets(const struct lt_batch_env *env, const struct lt_log_membership *m,
                         const struct lt_batch_plan *plan, struct lt_err *err)
{
    struct lt_log_offset *offsets = lt_calloc(plan->ranges.len, sizeof(*offsets));
    for (size_t i = 0; i < plan->ranges.len; i++) {
        const struct lt_batch_range *range = &plan->ranges.v[i];
        offsets[i].partition = range->partition->number;
        offsets[i].offset = range->after;
        snprintf(offsets[i].metadata, sizeof(offsets[i].metadata), "%s", range->metadata_after);
    }
    int r = env->log->ops->send_offsets(env->log, m, offsets, plan->ranges.len, err);
    free(offsets);
    return r;
}

static int write_positions(const struct lt_batch_env *env, const struct lt_batch_plan *plan, struct lt_err *err)
{
    int r = LT_LOG_OK;
    for (size_t i = 0; i < plan->rows.len && r == LT_LOG_OK; i++)
        r = write_position(env, &plan->rows.v[i], plan->ranges.v[i].metadata_after, err);
    return r;
}

int lt_batch_write(struct lt_batch *b, const struct lt_batch_env *env, const struct lt_log_membership *m,
                   const struct lt_batch_plan *plan, int *ret_copy, struct lt_err *err)
{
    *ret_copy = -1;
    int r = env->log->ops->begin(env->log, err);
    if (r != LT_LOG_OK)
        return r;
    /* The offsets last: their round trips pass while the records are on their way. */
    r = write_items(b, env, plan->n, err);
    if (r == LT_LOG_OK)
        r = write_positions(env, plan, err);
    if (r == LT_LOG_OK)
        r = write_offsets(env, m, plan, err);
    if (r == LT_LOG_OK)
        r = env->log->ops->commit(env->log, err);
    if (r == LT_LOG_TOO_LARGE && plan->n == 1 && *ret_copy < 0)
        *ret_copy = copy_to_blame(b, env, 0, err);
    return r;
}

/* What has been committed goes to the partitions' local files. */
static void append_files(const struct lt_batch *b, const struct lt_batch_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++) {
        const struct lt_batch_item *it = &b->items.v[i];
        if (it->partition->files && (!plan->only || it->partition == plan->only))
            lt_files_add(it->partition->files, it->reason ? NULL : &it->key, it->record->offset, it->clock_ms);
    }
    for (size_t i = 0; i < plan->rows.len; i++) {
        const struct running *r = &plan->rows.v[i];
        if (!r->partition->files)
            continue;
        lt_files_flush(r->partition->files, r->position.anchor);
        lt_files_expire(r->partition->files, r->position.clock_ms);
    }
}

void lt_batch_apply(struct lt_batch *b, struct lt_log *log, const struct lt_batch_plan *plan)
{
    append_files(b, plan);
    for (size_t i = 0; i < plan->rows.len; i++) {
        const struct running *r = &plan->rows.v[i];
        struct lt_partition *p = r->partition;
        pthread_mutex_lock(&p->lock);
        p->position = r->position;
        p->offset = r->after;
        memcpy(p->routed, r->routed, p->routed_len * sizeof(*p->routed));
        lt_partition_note_files(p);
        pthread_mutex_unlock(&p->lock);
    }
    size_t kept = 0;
    for (size_t i = 0; i < b->items.len; i++) {
        if (i < plan->n && (!plan->only || b->items.v[i].partition == plan->only))
            item_free(&b->items.v[i], log);
        else
            b->items.v[kept++] = b->items.v[i];
    }
    b->items.len = kept;
}

void lt_batch_settle(struct lt_batch *b, struct lt_log *log, const struct lt_partition *p, int64_t after)
{
    size_t n = 0;
    for (size_t i = 0; i < b->items.len; i++)
        if (b->items.v[i].partition == p && b->items.v[i].record->offset < after)
            n = i + 1;
    if (!n)
        return;
    struct lt_batch_plan *plan = plan_of(b, log, n, p);
    lt_batch_apply(b, log, plan);
    lt_batch_plan_free(plan);
}
