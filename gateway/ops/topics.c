#include "gateway/ops/topics.h"

#include "gateway/base/crypto.h"
#include "gateway/codec/json.h"
#include "gateway/core/position.h"
#include "gateway/delivery/mend.h"
#include "gateway/delivery/position.h"
#include "gateway/model/event.h"
#include "gateway/ops/ledger_read.h"

#include <inttypes.h>

#define HEADERS_ROOM 4096                 /* what the gateway adds to a record on its way (protocol 4) */
#define POSITION_SEGMENT_BYTES "16777216" /* small, so that compaction keeps the topic short to read */
#define LEDGER_SEGMENT_BYTES "67108864"

static struct lt_topic_plan *add(struct lt_topics_plan *p, const struct lt_config *c, const char *name,
                                 int64_t partitions)
{
    for (size_t i = 0; i < p->topics.len; i++)
        if (strcmp(p->topics.v[i].name, name) == 0)
            return NULL;
    struct lt_topic_plan *t = lt_vec_push(&p->topics);
    *t = (struct lt_topic_plan){.name = lt_arena_str(&p->arena, lt_span_str(name)),
                                .partitions = (int32_t)partitions,
                                .replication = (int32_t)c->topics.replication};
    return t;
}

static void set(struct lt_topics_plan *p, struct lt_topic_plan *t, const char *name, const char *value)
{
    if (t)
        t->settings[t->settings_len++] = (struct lt_topic_setting){name, lt_arena_str(&p->arena, lt_span_str(value))};
}

static void set_number(struct lt_topics_plan *p, struct lt_topic_plan *t, const char *name, int64_t value)
{
    if (t)
        t->settings[t->settings_len++] = (struct lt_topic_setting){name, lt_arena_printf(&p->arena, "%" PRId64, value)};
}

static void add_kept(struct lt_topics_plan *p, const struct lt_config *c, const char *name, int64_t partitions,
                     int64_t retention_ms, int64_t record_max)
{
    struct lt_topic_plan *t = add(p, c, name, partitions);
    set(p, t, "cleanup.policy", "delete");
    set_number(p, t, "retention.ms", retention_ms);
    set(p, t, "retention.bytes", "-1");
    set_number(p, t, "max.message.bytes", record_max);
    set_number(p, t, "min.insync.replicas", c->topics.min_insync);
}

/*
 * What delivery to a target needs beside its queue (protocol 3): the ledger of what is open, kept by key for ever, the
 * operators' decisions, and every attempt. Divided as the queue is.
 */
static void add_ledger(struct lt_topics_plan *p, const struct lt_config *c, const char *target)
{
    struct lt_topic_plan *t =
        add(p, c, lt_arena_printf(&p->arena, LT_TOPIC_LEDGER_PREFIX "%s", target), c->topics.queue_partitions);
    set(p, t, "cleanup.policy", "compact");
    set(p, t, "segment.bytes", LEDGER_SEGMENT_BYTES);
    set(p, t, "min.cleanable.dirty.ratio", "0.1");
    set_number(p, t, "max.message.bytes", c->topics.record_max + HEADERS_ROOM); /* a parked event and why */
    set_number(p, t, "min.insync.replicas", c->topics.min_insync);
    add_kept(p, c, lt_arena_printf(&p->arena, LT_TOPIC_CONTROL_PREFIX "%s", target), c->topics.queue_partitions,
             c->topics.long_retention_ms, c->topics.record_max + HEADERS_ROOM);
    add_kept(p, c, lt_arena_printf(&p->arena, LT_TOPIC_HISTORY_PREFIX "%s", target), c->topics.queue_partitions,
             c->topics.queue_retention_ms, c->topics.record_max);
}

void lt_topics_plan_init(struct lt_topics_plan *p, const struct lt_config *c, const struct lt_routes *routes)
{
    *p = (struct lt_topics_plan){0};
    add_kept(p, c, LT_TOPIC_INTAKE, c->topics.intake_partitions, c->topics.intake_retention_ms,
             c->topics.record_max - HEADERS_ROOM);
    set(p, &p->topics.v[0], "message.timestamp.type", "LogAppendTime");

    struct lt_topic_plan *position = add(p, c, LT_TOPIC_POSITION, 1);
    set(p, position, "cleanup.policy", "compact");
    set(p, position, "segment.bytes", POSITION_SEGMENT_BYTES);
    set(p, position, "min.cleanable.dirty.ratio", "0.1");
    set_number(p, position, "min.insync.replicas", c->topics.min_insync);

    for (size_t i = 0; i < c->targets_len; i++) {
        add_kept(p, c, lt_arena_printf(&p->arena, LT_TOPIC_QUEUE_PREFIX "%s", c->targets[i].name),
                 c->topics.queue_partitions, c->topics.queue_retention_ms, c->topics.record_max);
        add_ledger(p, c, c->targets[i].name);
    }
    for (size_t i = 0; i < lt_routes_outputs(routes); i++)
        add_kept(p, c, lt_routes_output(routes, i), c->topics.events_partitions, c->topics.events_retention_ms,
                 c->topics.record_max);
    add_kept(p, c, LT_TOPIC_PROVINCE, c->topics.queue_partitions, c->topics.queue_retention_ms, c->topics.record_max);
    add_kept(p, c, LT_TOPIC_ANSWERS, c->topics.events_partitions, c->topics.events_retention_ms, c->topics.record_max);
    add_kept(p, c, LT_TOPIC_QUARANTINE, c->topics.events_partitions, c->topics.long_retention_ms, c->topics.record_max);
    add_kept(p, c, LT_TOPIC_DEADLETTER, c->topics.events_partitions, c->topics.long_retention_ms, c->topics.record_max);
    add_kept(p, c, LT_TOPIC_AUDIT, 1, c->topics.long_retention_ms, c->topics.record_max);
}

void lt_topics_plan_deinit(struct lt_topics_plan *p)
{
    lt_vec_deinit(&p->topics);
    lt_arena_deinit(&p->arena);
}

size_t lt_topics_groups(const struct lt_config *c, struct lt_arena *a, struct lt_topics_group *ret)
{
    size_t n = 0;
    ret[n++] = (struct lt_topics_group){LT_GROUP_CORE, LT_TOPIC_INTAKE, true};
    for (size_t i = 0; i < c->targets_len; i++) {
        const char *name = lt_arena_printf(a, LT_TOPIC_QUEUE_PREFIX "%s", c->targets[i].name);
        ret[n++] = (struct lt_topics_group){name, name, false};
    }
    return n;
}

/* What the group's partitions look like now. */
struct survey {
    bool core;
    uint64_t incarnation; /* of a partition that has a position; 0 none */
    int32_t partitions, without, orphaned, first_orphan;
    int32_t written_for;   /* core: how many partitions the positions count; 0 none */
    LT_VEC(int32_t) fresh; /* without a position and empty */
};

static void survey_row(void *ctx, const struct lt_genesis_row *row)
{
    struct survey *s = ctx;
    s->partitions++;
    if (row->offset < 0) {
        s->without++;
        if (row->high > 0 && s->orphaned++ == 0)
            s->first_orphan = row->partition;
        if (row->high == 0)
            *lt_vec_push(&s->fresh) = row->partition;
        return;
    }
    struct lt_position core;
    struct lt_delivery_position delivery;
    if (s->core && lt_position_parse(lt_span_str(row->metadata), &core, NULL) == LT_OK) {
        s->incarnation = core.incarnation;
        s->written_for = core.partitions;
    }
    if (!s->core && lt_delivery_position_parse(lt_span_str(row->metadata), &delivery, NULL) == LT_OK)
        s->incarnation = delivery.incarnation;
}

struct genesis {
    bool core;
    uint64_t incarnation;
    int32_t partitions;
    int64_t window_ms;
};

static void genesis_metadata(void *ctx, int32_t partition, char out[512])
{
    const struct genesis *g = ctx;
    (void)partition; /* all partitions start alike */
    if (g->core)
        lt_position_genesis(g->incarnation, g->partitions, g->window_ms, out);
    else
        lt_delivery_genesis(g->incarnation, out);
}

/* ---- another life: the topic was deleted, its offsets with it, and made again ---- */

struct trace {
    bool core;
    LT_VEC(int64_t) offsets; /* core: last position of each partition in lt.position */
};

static int take_position(void *ctx, const struct lt_log_record *r)
{
    static const struct lt_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 8};
    struct trace *t = ctx;
    LT_AUTO_JSON struct lt_json *j = NULL;
    uint64_t n;
    int64_t offset;
    if (r->value_null || !lt_span_u64(r->key, &n) || n >= 100000 ||
        lt_json_parse(r->value, &limits, &j, NULL) != LT_OK ||
        !lt_json_int(lt_json_get(lt_json_root(j), "offset"), &offset))
        return 0;
    while (t->offsets.len <= n)
        *lt_vec_push(&t->offsets) = 0;
    t->offsets.v[n] = offset;
    return 0;
}

static int was_judged(struct lt_admin *a, struct lt_reader *reader, struct trace *t, int32_t partition,
                      struct lt_err *err)
{
    int64_t low = 0, high = 0;
    int r = LT_OK;
    if (t->offsets.len == 0) /* it holds every partition's: read once */
        r = lt_admin_watermarks(a, LT_TOPIC_POSITION, 0, &low, &high, err);
    if (r == LT_OK && low < high)
        r = lt_reader_range(reader, LT_TOPIC_POSITION, 0, low, high, take_position, t, err);
    return r == LT_OK ? (size_t)partition < t->offsets.len && t->offsets.v[partition] > 0 : r;
}

static int was_delivered(struct lt_admin *a, struct lt_reader *reader, const char *topic, int32_t partition,
                         struct lt_err *err)
{
    struct lt_ledger ledger = {0};
    int r = lt_ledger_read(a, reader, topic, partition, &ledger, err);
    if (r == LT_OK)
        r = lt_mend_lived_before(&ledger);
    lt_ledger_deinit(&ledger);
    return r;
}

/* Has the partition, empty and without a position, been worked on before? 1, 0, or < 0. */
static int lived_before(struct lt_admin *a, struct lt_reader *reader, const char *topic, struct trace *t,
                        int32_t partition, struct lt_err *err)
{
    int32_t partitions = 0;
    int r = lt_admin_topic_partitions(a, topic, &partitions, err);
    if (r != LT_OK || (t->core ? 0 : partition) >= partitions)
        return r; /* nothing says so */
    return t->core ? was_judged(a, reader, t, partition, err) : was_delivered(a, reader, topic, partition, err);
}

/* LT_OK, or LT_E_INVALID with what to do: a new beginning would forget what was judged or delivered, and what was lost.
 */
static int must_be_first(struct lt_admin *a, const struct lt_config *c, const struct lt_topics_group *group,
                         const struct survey *s, struct lt_err *err)
{
    struct lt_reader *reader = NULL;
    struct trace t = {.core = group->core};
    const char *target = group->topic + strlen(LT_TOPIC_QUEUE_PREFIX);
    LT_AUTOFREE char *topic =
        group->core ? lt_strdup(LT_TOPIC_POSITION) : lt_asprintf(LT_TOPIC_LEDGER_PREFIX "%s", target);
    int r = s->fresh.len ? lt_reader_new(c->kafka.props, c->kafka.props_len, &reader, err) : LT_OK;
    for (size_t i = 0; i < s->fresh.len && r == LT_OK; i++) {
        r = lived_before(a, reader, topic, &t, s->fresh.v[i], err);
        if (r == 1 && group->core)
            r = lt_err_set(
                err, LT_E_INVALID, "made-again",
                "group %s has no position on partition %d of %s, which is empty, but %s holds one: the topic was "
                "made again and is another log. Bring the old one back; else run: lienthong core position, and "
                "then what the stop INTAKE-CHANGED names",
                group->group, (int)s->fresh.v[i], group->topic, topic);
        else if (r == 1)
            r = lt_err_set(
                err, LT_E_INVALID, "made-again",
                "group %s has no position on partition %d of %s, which is empty, but %s holds one: the queue was "
                "made again. Bring the old one back; else run: lienthong targets position %s, and then what the "
                "stop QUEUE-CHANGED names",
                group->group, (int)s->fresh.v[i], group->topic, topic, target);
    }
    lt_reader_free(reader);
    lt_vec_deinit(&t.offsets);
    return r;
}

static int must_not_have_grown(const struct lt_topics_group *group, const struct survey *s, struct lt_err *err)
{
    if (s->written_for == 0 || s->written_for == s->partitions)
        return LT_OK;
    return lt_err_set(
        err, LT_E_INVALID, "partitions-changed",
        "%s has %d partitions, the positions of group %s were written for %d: keys have moved, and their past "
        "cannot be found. A partition count cannot be taken back in place",
        group->topic, (int)s->partitions, group->group, (int)s->written_for);
}

int lt_topics_genesis(struct lt_admin *a, const struct lt_config *c, const struct lt_topics_group *group, bool dry_run,
                      struct lt_err *err)
{
    struct survey s = {.core = group->core};
    int r = lt_admin_group_offsets(a, group->group, group->topic, survey_row, &s, err);
    if (r >= 0)
        r = must_not_have_grown(group, &s, err);
    if (r >= 0)
        r = must_be_first(a, c, group, &s, err);
    lt_vec_deinit(&s.fresh);
    if (r < 0)
        return r;
    if (s.orphaned)
        return lt_err_set(err, LT_E_INVALID, "offsets-lost",
                          "group %s has no position on partition %d of %s although the partition holds records (%d "
                          "such partitions): its "
                          "position was lost and must be restored, a new beginning would decide old events twice",
                          group->group, (int)s.first_orphan, group->topic, (int)s.orphaned);
    if (s.without == 0 || dry_run)
        return s.without;
    struct genesis g = {
        .core = group->core, .incarnation = s.incarnation, .partitions = s.partitions, .window_ms = c->window_ms};
    while (g.incarnation == 0)
        lt_random(&g.incarnation, sizeof(g.incarnation));
    return lt_admin_genesis(a, group->group, group->topic, genesis_metadata, &g, err);
}

int lt_topics_genesis_done(struct lt_admin *a, const struct lt_topics_group *g, struct lt_err *err)
{
    struct survey s = {.core = g->core};
    int r = lt_admin_group_offsets(a, g->group, g->topic, survey_row, &s, err);
    lt_vec_deinit(&s.fresh);
    if (r < 0)
        return r;
    if (s.written_for > 0 && s.partitions > s.written_for && s.partitions - s.without == s.written_for)
        return LT_TOPICS_GENESIS_GROWN;
    return s.partitions > 0 && s.without == 0 && (s.written_for == 0 || s.written_for == s.partitions);
}
