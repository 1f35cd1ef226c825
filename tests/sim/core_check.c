/* The oracle. What it reads is what anybody could read: committed offsets, read_committed outputs, lt.position. */
#include "tests/sim/core.h"

#include "gateway/codec/json.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- positions ---- */

struct metadata {
    uint64_t incarnation, anchor, sum;
    int partitions;
    struct window window;
    int64_t clock_ms;
    uint64_t verdicts[VERDICTS], undeliverable, holes;
};

/* The format as docs and protocol give it, read by other code than the core's. */
static struct metadata metadata_of(const struct lt_log_offset *at, int partition)
{
    struct metadata m;
    int n =
        sscanf(at->metadata,
               "c2 %" SCNx64 " %d %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNx64 " %" SCNx64 " %" SCNu64 " %" SCNu64
               " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
               &m.incarnation, &m.partitions, &m.window.generation_ms, &m.window.generations, &m.clock_ms, &m.anchor,
               &m.sum, &m.verdicts[VERDICT_NEW], &m.verdicts[VERDICT_DUPLICATE], &m.verdicts[VERDICT_CONFLICT],
               &m.verdicts[VERDICT_REPLAY], &m.verdicts[VERDICT_INVALID], &m.undeliverable, &m.holes);
    sim_check(n == 14 && strlen(at->metadata) < 400, "partition %d: metadata \"%s\"", partition, at->metadata);
    return m;
}

static bool window_configured(const struct world *w, struct window x)
{
    for (int i = 0; i < 2; i++) {
        struct window c = model_window(w->plan.window_ms[i]);
        if (c.generation_ms == x.generation_ms && c.generations == x.generations)
            return true;
    }
    return false;
}

/* Would the record have been a duplicate or conflict without expiry? */
static bool forgotten(const struct sent_log *log, size_t o)
{
    const struct sent *s = &log->v.v[o];
    if (s->verdict != VERDICT_NEW)
        return false;
    for (size_t q = o; q-- > 0;)
        if (!log->v.v[q].broken && log->v.v[q].id == s->id && log->v.v[q].replay == s->replay)
            return true;
    return false;
}

static void judge_up_to(struct world *w, int partition, int64_t committed, struct window window)
{
    struct observed *seen = &w->seen[partition];
    struct sent_log *log = &w->logs[partition];
    for (; seen->committed < committed; seen->committed++) {
        size_t o = (size_t)seen->committed;
        struct sent *s = &log->v.v[o];
        model_judge(log, o, window);
        seen->verdicts[s->verdict]++;
        seen->undeliverable += s->undeliverable;
        for (int t = 0; t < OUTPUTS; t++)
            seen->routed[t] += s->want >> t & 1;
        w->coverage->n[COUNT_VERDICTS + s->verdict]++;
        w->coverage->n[COUNT_REMAPPED] += s->remapped;
        w->coverage->n[COUNT_UNDELIVERABLE] += s->undeliverable;
        w->coverage->n[COUNT_FORGOTTEN] += forgotten(log, o);
    }
}

static void check_position(struct world *w, int partition)
{
    struct observed *seen = &w->seen[partition];
    struct lt_log_offset at;
    lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, partition, &at);
    if (seen->tampered) { /* nobody goes on from it */
        sim_check(at.offset == seen->planted.offset && strcmp(at.metadata, seen->planted.metadata) == 0,
                  "partition %d is committed at %" PRId64 " though its position was not the core's own", partition,
                  at.offset);
        return;
    }
    sim_check(at.offset >= seen->committed, "partition %d went back from %" PRId64 " to %" PRId64, partition,
              seen->committed, at.offset);
    if (at.offset == seen->committed)
        return;
    sim_check(at.offset <= (int64_t)w->logs[partition].v.len, "partition %d is committed at %" PRId64 " of %zu",
              partition, at.offset, w->logs[partition].v.len);
    struct metadata m = metadata_of(&at, partition);
    *lt_vec_push(&seen->past) = at;
    sim_check(window_configured(w, m.window), "partition %d: nobody configured G %" PRId64 " K %" PRId64, partition,
              m.window.generation_ms, m.window.generations);
    judge_up_to(w, partition, at.offset, m.window);
    sim_check(m.incarnation == INCARNATION && m.partitions == w->plan.partitions && m.holes == 0,
              "partition %d: metadata %s", partition, at.metadata);
    uint64_t sum = 0;
    for (int v = 0; v < VERDICTS; v++) {
        sim_check(m.verdicts[v] == seen->verdicts[v],
                  "partition %d at %" PRId64 ": counter %d says %" PRIu64 ", it ought to be %" PRIu64, partition,
                  at.offset, v, m.verdicts[v], seen->verdicts[v]);
        sum += m.verdicts[v];
    }
    sim_check((int64_t)sum == at.offset, "partition %d: counters give %" PRIu64 " at %" PRId64, partition, sum,
              at.offset);
    sim_check(m.undeliverable == seen->undeliverable, "partition %d: %" PRIu64 " undeliverable, not %" PRIu64,
              partition, m.undeliverable, seen->undeliverable);
    sim_check(m.clock_ms == w->logs[partition].v.v[at.offset - 1].clock_ms,
              "partition %d at %" PRId64 ": clock %" PRId64 ", it ought to be %" PRId64, partition, at.offset,
              m.clock_ms, w->logs[partition].v.v[at.offset - 1].clock_ms);
}

/* ---- outputs ---- */

static struct order *order_of(struct world *w, enum output output, int partition, int subject)
{
    for (size_t i = 0; i < w->orders.len; i++) {
        struct order *o = &w->orders.v[i];
        if (o->output == output && o->partition == partition && o->subject == subject)
            return o;
    }
    struct order *o = lt_vec_push(&w->orders);
    *o = (struct order){.output = output, .partition = partition, .subject = subject, .offset = -1};
    return o;
}

struct reading {
    struct world *w;
    enum output output;
};

static bool parse_origin(struct lt_span s, int *ret_partition, int64_t *ret_offset)
{
    char text[64];
    unsigned long long incarnation;
    if (s.len >= sizeof(text))
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return sscanf(text, "%llx/%d/%" SCNd64, &incarnation, ret_partition, ret_offset) == 3 && incarnation == INCARNATION;
}

static void check_reason(const struct reading *rd, const struct lt_log_record *r, const struct sent_log *log,
                         int partition, int64_t offset)
{
    const struct sent *s = &log->v.v[offset];
    struct lt_span reason = lt_headers_value(&r->headers, "lt_reason");
    if (rd->output == OUTPUT_DEADLETTER)
        sim_check(lt_span_is(reason, s->undeliverable ? "undeliverable" : "invalid"),
                  "%d/%" PRId64 " is a dead letter for another reason", partition, offset);
    if (rd->output != OUTPUT_QUARANTINE)
        return;
    int first_partition;
    int64_t first;
    sim_check(lt_span_is(reason, s->remapped ? "remapped" : "conflict"),
              "%d/%" PRId64 " is in quarantine for another reason: %.*s", partition, offset, (int)reason.len,
              reason.ptr);
    sim_check(parse_origin(lt_headers_value(&r->headers, "lt_first"), &first_partition, &first) &&
                  first_partition == partition && first >= 0 && first < offset && log->v.v[first].id == s->id &&
                  log->v.v[first].digest != s->digest,
              "%d/%" PRId64 " names the wrong record as its first", partition, offset);
}

/* What the province is told says which record it is about, and its verdict; never what the record holds. */
static void check_telling(const struct lt_log_record *r, const struct sent *s, int partition, int64_t offset)
{
    static const char *const words[VERDICTS] = {"new", "duplicate", "conflict", "replay", "invalid"};
    char type[64], receipt[64];
    snprintf(type, sizeof(type), "vn.lienthong.verdict.%s.v1", words[s->verdict]);
    snprintf(receipt, sizeof(receipt), "\"receipt\":\"%d.%" PRId64 ".", partition, offset);
    sim_check(lt_span_is(lt_headers_value(&r->headers, "ce_type"), type) &&
                  lt_span_is(lt_headers_value(&r->headers, "lt_verdict"), words[s->verdict]),
              "the province is told another verdict of %d/%" PRId64, partition, offset);
    sim_check(memmem(r->value.ptr, r->value.len, receipt, strlen(receipt)) &&
                  !memmem(r->value.ptr, r->value.len, "\"n\":", 4),
              "the province is told something else of %d/%" PRId64, partition, offset);
}

static void check_copy(void *ctx, const struct lt_log_record *r)
{
    const struct reading *rd = ctx;
    struct world *w = rd->w;
    int partition;
    int64_t offset;
    char value[32];
    const char *topic = output_topic(rd->output);
    sim_check(parse_origin(lt_headers_value(&r->headers, "lt_origin"), &partition, &offset) && partition >= 0 &&
                  partition < w->plan.partitions,
              "%s: a record without an origin of ours", topic);
    struct sent_log *log = &w->logs[partition];
    sim_check(offset < w->seen[partition].committed, "%s: %d/%" PRId64 " though only %" PRId64 " is committed", topic,
              partition, offset, w->seen[partition].committed);
    struct sent *s = &log->v.v[offset];
    unsigned bit = 1u << rd->output;
    sim_check(s->want & bit, "%s: %d/%" PRId64 " does not belong here (verdict %d)", topic, partition, offset,
              (int)s->verdict);
    sim_check(!(s->seen & bit), "%s: %d/%" PRId64 " stands there twice", topic, partition, offset);
    s->seen |= bit;
    struct order *order = order_of(w, rd->output, partition, s->subject);
    sim_check(order->offset < offset, "%s: %d/%" PRId64 " comes after %" PRId64 " of the same dossier", topic,
              partition, offset, order->offset);
    order->offset = offset;
    if (rd->output == OUTPUT_PROVINCE) {
        check_telling(r, s, partition, offset);
        return;
    }
    int len = snprintf(value, sizeof(value), "{\"n\":%" PRId64 "}", offset);
    sim_check(r->value.len >= (size_t)len && memcmp(r->value.ptr, value, (size_t)len) == 0 &&
                  r->value.len == (size_t)len + (s->big ? PLAIN_MAX + 100 : 0),
              "%s: %d/%" PRId64 " has another value", topic, partition, offset);
    sim_check(lt_span_is(lt_headers_value(&r->headers, "lt_path"), rd->output == OUTPUT_HOP ? "population,portal" : ""),
              "%s: %d/%" PRId64 " has another path", topic, partition, offset);
    check_reason(rd, r, log, partition, offset);
}

void check_commits(struct world *w)
{
    for (int p = 0; p < w->plan.partitions; p++)
        check_position(w, p);
    for (int t = 0; t < OUTPUTS; t++) {
        struct reading rd = {.w = w, .output = (enum output)t};
        w->cursor[t] = lt_memory_read_from(w->memory, output_topic(rd.output), 0, w->cursor[t], check_copy, &rd);
    }
}

/* ---- stops ---- */

void check_stops(struct world *w)
{
    for (int i = 0; i < SIM_SLOTS; i++) {
        struct process *p = &w->processes[i];
        if (!sim_process_alive(&p->sim) || p->worker.partitions_len != w->plan.partitions)
            continue;
        for (int n = 0; n < w->plan.partitions; n++) {
            const struct lt_partition *part = &p->worker.partitions[n];
            if (part->state != LT_PARTITION_STOPPED)
                continue;
            sim_check(cause_allows(w, n, part->stop), "%s stops partition %d as %s: %s", p->sim.instance, n,
                      lt_stop_name(part->stop), part->stop_text);
            sim_check(part->stop_text[0], "%s stops partition %d without a text", p->sim.instance, n);
        }
    }
}

/* ---- at rest ---- */

bool all_committed(const struct world *w)
{
    for (int p = 0; p < w->plan.partitions; p++)
        if (w->seen[p].tampered || w->seen[p].committed < (int64_t)w->logs[p].v.len)
            return false;
    return true;
}

struct row {
    int partition;
    struct lt_log_offset at;
    int64_t routed[OUTPUTS];
};

static void take_row(void *ctx, const struct lt_log_record *r)
{
    struct row *row = ctx;
    static const struct lt_json_limits limits = {.bytes_max = 1 << 16, .depth_max = 4};
    LT_AUTO_JSON struct lt_json *j = NULL;
    struct lt_span metadata = LT_SPAN_NULL;
    int64_t n;
    sim_check(lt_json_parse(r->value, &limits, &j, NULL) == LT_OK, "lt.position: a value that is no JSON");
    lt_json_value root = lt_json_root(j);
    if (!lt_json_int(lt_json_get(root, "partition"), &n) || n != row->partition)
        return;
    sim_check(lt_json_int(lt_json_get(root, "offset"), &row->at.offset) &&
                  lt_json_string(lt_json_get(root, "metadata"), &metadata),
              "lt.position: a row without offset or metadata");
    snprintf(row->at.metadata, sizeof(row->at.metadata), "%.*s", (int)metadata.len, metadata.ptr);
    for (int t = 0; t < OUTPUTS; t++) {
        row->routed[t] = 0;
        (void)lt_json_int(lt_json_get(lt_json_get(root, "outputs"), output_topic((enum output)t)), &row->routed[t]);
    }
}

bool position_row(struct world *w, int partition, struct lt_log_offset *ret)
{
    struct row row = {.partition = partition, .at = {.partition = partition, .offset = -1}};
    lt_memory_read(w->memory, LT_TOPIC_POSITION, 0, take_row, &row);
    *ret = row.at;
    return row.at.offset >= 0;
}

static void check_row(struct world *w, int partition)
{
    struct row row = {.partition = partition, .at = {.offset = 0}};
    struct lt_log_offset at;
    lt_memory_read(w->memory, LT_TOPIC_POSITION, 0, take_row, &row);
    lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, partition, &at);
    if (at.offset == 0)
        return;
    sim_check(row.at.offset == at.offset && strcmp(row.at.metadata, at.metadata) == 0,
              "lt.position says %" PRId64 " for partition %d, the group %" PRId64, row.at.offset, partition, at.offset);
    for (int t = 0; t < OUTPUTS; t++)
        if (t != OUTPUT_QUARANTINE && t != OUTPUT_DEADLETTER) /* the verdicts count those */
            sim_check(row.routed[t] == (int64_t)w->seen[partition].routed[t],
                      "lt.position counts %" PRId64 " copies of partition %d in %s, %" PRIu64 " are there",
                      row.routed[t], partition, output_topic((enum output)t), w->seen[partition].routed[t]);
}

void check_all(struct world *w)
{
    check_commits(w);
    for (int p = 0; p < w->plan.partitions; p++) {
        for (size_t o = 0; o < w->logs[p].v.len; o++) {
            const struct sent *s = &w->logs[p].v.v[o];
            sim_check(s->judged, "%d/%zu has no verdict", p, o);
            sim_check(s->seen == s->want, "%d/%zu: copies %x, found %x", p, o, s->want, s->seen);
        }
        check_row(w, p);
    }
}
