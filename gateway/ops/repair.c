#include "gateway/ops/repair.h"

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"
#include "gateway/codec/json.h"
#include "gateway/kafka/repair.h"
#include "gateway/ops/outputs.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define SCAN_MARGIN_MS (24 * 3600 * 1000LL) /* clocks of gateways and brokers may differ so much */
#define VALUE_MAX (64 * 1024)

int lt_repairer_open(struct lt_repairer *r, struct lt_err *err)
{
    const struct lt_config *c = r->config;
    r->admin = NULL;
    r->reader = NULL;
    int result = lt_admin_new(c->kafka.props, c->kafka.props_len, &r->admin, err);
    if (result == LT_OK)
        result = lt_reader_new(c->kafka.props, c->kafka.props_len, &r->reader, err);
    if (result != LT_OK)
        lt_repairer_close(r);
    return result;
}

void lt_repairer_close(struct lt_repairer *r)
{
    lt_reader_free(lt_steal(&r->reader));
    lt_admin_free(lt_steal(&r->admin));
}

/* ---- a repair under way ---- */

struct repair {
    struct lt_repairer *r;
    struct lt_repair *transaction; /* NULL in a dry run */
    struct lt_positions positions;
    bool writes;
};

static int repair_begin(struct repair *m, struct lt_repairer *r, struct lt_err *err)
{
    *m = (struct repair){.r = r};
    const struct lt_config *c = r->config;
    int result = LT_OK;
    if (!r->dry_run)
        result = lt_repair_begin(c->kafka.props, c->kafka.props_len, LT_GROUP_CORE, &m->transaction, err);
    return result == LT_OK ? lt_positions_read(r->admin, r->reader, &m->positions, err) : result;
}

static int repair_end(struct repair *m, int result, struct lt_err *err)
{
    if (result == LT_OK && m->transaction && m->writes)
        result = lt_repair_commit(m->transaction, err);
    lt_repair_free(m->transaction);
    lt_positions_deinit(&m->positions);
    return result;
}

static const struct lt_position_row *row_of(const struct repair *m, int32_t partition, struct lt_repair_report *ret)
{
    *ret = (struct lt_repair_report){.partition = partition, .offset = -1};
    if (partition >= 0 && (size_t)partition < m->positions.rows.len)
        return &m->positions.rows.v[partition];
    ret->outcome = LT_REPAIR_REFUSED;
    snprintf(ret->text, sizeof(ret->text), LT_TOPIC_INTAKE " has no partition %" PRId32 ", only 0 to %zu", partition,
             m->positions.rows.len - 1);
    return NULL;
}

static void conclude(struct lt_repair_report *ret, enum lt_repair_outcome outcome, const char *fmt, ...)
    LT_PRINTF(3, 4);
static void conclude(struct lt_repair_report *ret, enum lt_repair_outcome outcome, const char *fmt, ...)
{
    va_list ap;
    ret->outcome = outcome;
    va_start(ap, fmt);
    vsnprintf(ret->text, sizeof(ret->text), fmt, ap);
    va_end(ap);
}

/* Same transaction as what it tells of. */
static int audit(struct repair *m, const char *action, const struct lt_repair_report *report, struct lt_err *err)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(VALUE_MAX);
    struct lt_json_writer w;
    char time[30];
    if (!m->transaction)
        return LT_OK;
    m->writes = true;
    lt_time_rfc3339(lt_now_ms(), time);
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "time", lt_span_str(time));
    lt_json_str(&w, "actor", lt_span_str(m->r->actor));
    lt_json_str(&w, "action", lt_span_str(action));
    lt_json_num(&w, "partition", report->partition);
    if (report->offset >= 0)
        lt_json_num(&w, "offset", report->offset);
    lt_json_str(&w, "detail", lt_span_str(report->text));
    lt_json_end_object(&w);
    return lt_repair_record(m->transaction, LT_TOPIC_AUDIT, 0, lt_span_str(m->r->actor), NULL, lt_buf_view(&out), err);
}

static int write_accepted(struct repair *m, int32_t partition, const struct lt_accepted *a, struct lt_err *err)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(VALUE_MAX);
    char key[LT_ACCEPTED_KEY_MAX], time[30];
    if (!m->transaction)
        return LT_OK;
    m->writes = true;
    lt_time_rfc3339(lt_now_ms(), time);
    lt_accepted_key(partition, key);
    lt_accepted_write(a, partition, m->positions.incarnation, m->r->actor, time, &out);
    return lt_repair_record(m->transaction, LT_TOPIC_POSITION, 0, lt_span_str(key), NULL, lt_buf_view(&out), err);
}

/* Beside an offset that is set back on purpose, or the next load would take it for one that went back by itself. */
static int write_row(struct repair *m, const struct lt_position_row *row, int64_t offset, const char *metadata,
                     struct lt_err *err)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(VALUE_MAX);
    struct lt_json_writer w;
    char key[16];
    m->writes = true;
    snprintf(key, sizeof(key), "%" PRId32, row->partition);
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_num(&w, "partition", row->partition);
    lt_json_num(&w, "offset", offset);
    lt_json_str(&w, "metadata", lt_span_str(metadata));
    lt_json_key(&w, LT_SPAN_LIT("outputs"));
    lt_json_put_raw(&w, lt_span_str(row->outputs ? row->outputs : "{}"));
    lt_json_end_object(&w);
    return lt_repair_record(m->transaction, LT_TOPIC_POSITION, 0, lt_span_str(key), NULL, lt_buf_view(&out), err);
}

/* ---- position ---- */

struct highest { /* output origin of a partition */
    LT_VEC(int64_t) offsets;
    uint64_t incarnation;
};

static void take_highest(void *ctx, const struct lt_output_copy *copy)
{
    struct highest *h = ctx;
    if (copy->incarnation == h->incarnation && (size_t)copy->partition < h->offsets.len &&
        copy->offset > h->offsets.v[copy->partition])
        h->offsets.v[copy->partition] = copy->offset;
}

/* Needs its position back: gone, or set by somebody else. A format of another version is left to that version. */
static bool is_lost(const struct lt_position_row *row, struct lt_repair_report *ret)
{
    struct lt_position ignored;
    if (lt_position_went_back(row))
        return true;
    if (row->proved) {
        conclude(ret, LT_REPAIR_NOT_NEEDED, "offset %" PRId64 " stands with its proof", row->offset);
    } else if (row->offset < 0 && row->high == 0 && row->kept_offset <= 0) {
        conclude(ret, LT_REPAIR_REFUSED,
                 "no position and no records: that is a first beginning; run: lienthong topics create");
    } else if (row->offset >= 0 && row->metadata[0] &&
               lt_position_parse(lt_span_str(row->metadata), &ignored, NULL) == LT_POSITION_OTHER_FORMAT) {
        conclude(ret, LT_REPAIR_REFUSED, "offset %" PRId64 " was written by another version of the gateway: use that",
                 row->offset);
    } else {
        return true;
    }
    return false;
}

/* From when on outputs must be looked at, for copies beyond this kept position: its clock is the last judged record's,
 * and later ones were written later. 0: everything. */
static int64_t look_since(const struct lt_position_row *row)
{
    if (row->kept_offset < 0 || row->kept.clock_ms <= SCAN_MARGIN_MS || row->kept.clock_ms > lt_now_ms())
        return 0;
    return row->kept.clock_ms - SCAN_MARGIN_MS;
}

void lt_repair_plan_position(const struct lt_positions *all, const struct lt_position_row *row, int64_t above,
                             int64_t window_ms, struct lt_repair_report *ret, char metadata[LT_POSITION_MAX])
{
    *ret = (struct lt_repair_report){.partition = row->partition, .offset = -1};
    metadata[0] = '\0';
    if (!is_lost(row, ret))
        return;
    if (row->kept_offset >= 0 && row->kept.incarnation != all->incarnation) {
        conclude(ret, LT_REPAIR_REFUSED,
                 LT_TOPIC_POSITION " holds a position of incarnation %016" PRIx64 ", the other partitions are of "
                                   "%016" PRIx64 ": bring the old " LT_TOPIC_INTAKE " back",
                 row->kept.incarnation, all->incarnation);
        return;
    }
    if (row->kept_offset >= 0 && row->kept.partitions != (int32_t)all->rows.len) {
        conclude(ret, LT_REPAIR_REFUSED, "the kept position was written for %" PRId32 " partitions, there are %zu now",
                 row->kept.partitions, all->rows.len);
        return;
    }
    if (above >= LT_MAX(row->kept_offset, 0)) {
        conclude(ret, LT_REPAIR_REFUSED,
                 "an output holds a copy of offset %" PRId64
                 ", but %s: written back, it would be decided again. Was " LT_TOPIC_POSITION
                 " restored from an older copy? Bring the newer one back",
                 above, row->kept_offset >= 0 ? "the kept position is not beyond it" : "no position was kept");
        return;
    }
    ret->offset = LT_MAX(row->kept_offset, 0);
    if (row->kept_offset >= 0)
        snprintf(metadata, LT_POSITION_MAX, "%s", row->kept_metadata);
    else
        lt_position_genesis(all->incarnation, (int32_t)all->rows.len, window_ms, metadata);
    conclude(ret, LT_REPAIR_DONE, "%s; no output holds a copy from beyond it",
             row->kept_offset >= 0 ? "the last position in " LT_TOPIC_POSITION
                                   : "nothing was ever committed for it: it begins at 0");
}

static int restore(struct repair *m, const struct lt_position_row *row, const struct highest *h,
                   struct lt_repair_report *ret, struct lt_err *err)
{
    char metadata[LT_POSITION_MAX];
    lt_repair_plan_position(&m->positions, row, h->offsets.v[row->partition], m->r->config->window_ms, ret, metadata);
    if (ret->outcome != LT_REPAIR_DONE)
        return LT_OK;
    if (m->transaction)
        lt_repair_offset(m->transaction, LT_TOPIC_INTAKE, row->partition, ret->offset, metadata);
    return audit(m, "core-position", ret, err);
}

static int restore_all(struct repair *m, int32_t partition,
                       void (*fn)(void *ctx, const struct lt_repair_report *report), void *ctx, struct lt_err *err)
{
    struct highest h = {0};
    struct lt_repair_report report;
    int64_t since = INT64_MAX;
    size_t lost = 0;
    while (m->positions.incarnation == 0) /* no partition ever committed: the first incarnation is this one */
        lt_random(&m->positions.incarnation, sizeof(m->positions.incarnation));
    h.incarnation = m->positions.incarnation;
    for (size_t i = 0; i < m->positions.rows.len; i++) {
        const struct lt_position_row *row = &m->positions.rows.v[i];
        *lt_vec_push(&h.offsets) = -1;
        if ((partition >= 0 && row->partition != partition) || !is_lost(row, &report))
            continue;
        lost++;
        since = LT_MIN(since, look_since(row));
    }
    int result =
        lost ? lt_outputs_scan(m->r->admin, m->r->reader, m->r->routes, since, NULL, take_highest, &h, err) : LT_OK;
    for (size_t i = 0; i < m->positions.rows.len && result == LT_OK; i++) {
        const struct lt_position_row *row = &m->positions.rows.v[i];
        if (partition >= 0 && row->partition != partition)
            continue;
        result = restore(m, row, &h, &report, err);
        if (result == LT_OK)
            fn(ctx, &report);
    }
    lt_vec_deinit(&h.offsets);
    return result;
}

int lt_repair_positions(struct lt_repairer *r, int32_t partition,
                        void (*fn)(void *ctx, const struct lt_repair_report *report), void *ctx, struct lt_err *err)
{
    struct repair m;
    struct lt_repair_report report;
    int result = repair_begin(&m, r, err);
    if (result == LT_OK && partition >= 0 && !row_of(&m, partition, &report))
        fn(ctx, &report);
    else if (result == LT_OK)
        result = restore_all(&m, partition, fn, ctx, err);
    return repair_end(&m, result, err);
}

/* ---- position --relog ---- */

static void feed_copy(void *ctx, const struct lt_output_copy *copy)
{
    lt_relog_copy(ctx, copy);
}

static int feed_compare(void *ctx, const struct lt_log_record *rec)
{
    lt_relog_compare(ctx, rec);
    return 0;
}

static int feed_rebuild(void *ctx, const struct lt_log_record *rec)
{
    lt_relog_rebuild(ctx, rec);
    return 0;
}

static int feed(const struct repair *m, const struct lt_position_row *row, struct lt_relog *x, struct lt_err *err)
{
    struct lt_reader *reader = m->r->reader;
    int r = lt_outputs_scan(m->r->admin, reader, m->r->routes, 0, NULL, feed_copy, x, err);
    if (r == LT_OK)
        r = lt_reader_range(reader, LT_TOPIC_INTAKE, row->partition, row->low, row->high, feed_compare, x, err);
    if (r == LT_OK)
        r = lt_reader_range(reader, LT_TOPIC_INTAKE, row->partition, row->low, row->high, feed_rebuild, x, err);
    return r;
}

static int relog(struct repair *m, const struct lt_position_row *row, struct lt_repair_report *ret,
                 void (*on_repeat)(void *ctx, const struct lt_relog_repeat *x), void *ctx, struct lt_err *err)
{
    bool proved = row->proved;
    struct lt_relog_result found;
    char metadata[LT_POSITION_MAX];
    if (!proved && row->kept_offset < 0) {
        conclude(ret, LT_REPAIR_REFUSED, "no position is known, neither of the group nor in " LT_TOPIC_POSITION);
        return LT_OK;
    }
    struct lt_relog *x = lt_relog_new(row->partition, proved ? &row->position : &row->kept,
                                      proved ? row->offset : row->kept_offset, (size_t)m->r->config->core.index_memory);
    int r = feed(m, row, x, err);
    if (r == LT_OK) {
        r = lt_relog_finish(x, &row->accepted, &found, err);
        if (r == LT_E_INVALID) {
            conclude(ret, LT_REPAIR_REFUSED, "%s", err->text);
            r = LT_OK;
        } else if (r == LT_OK) {
            for (size_t i = 0; i < found.repeats_len; i++)
                on_repeat(ctx, &found.repeats[i]);
            ret->offset = found.offset;
            conclude(ret, LT_REPAIR_DONE,
                     "it goes on at %" PRId64 " instead of %" PRId64
                     ", after the last record that outputs and log agree on; %zu routed copies have no record before "
                     "it any more and may be repeated",
                     found.offset, proved ? row->offset : row->kept_offset, found.repeats_len);
            lt_position_format(&found.position, metadata);
            if (m->transaction) {
                lt_repair_offset(m->transaction, LT_TOPIC_INTAKE, row->partition, found.offset, metadata);
                r = write_row(m, row, found.offset, metadata, err);
            }
            if (r == LT_OK)
                r = audit(m, "core-position-relog", ret, err);
        }
    }
    lt_relog_free(x);
    return r;
}

int lt_repair_relog(struct lt_repairer *r, int32_t partition, struct lt_repair_report *ret,
                    void (*on_repeat)(void *ctx, const struct lt_relog_repeat *x), void *ctx, struct lt_err *err)
{
    struct repair m;
    struct lt_err own = LT_ERR_INIT;
    err = err ? err : &own;
    int result = repair_begin(&m, r, err);
    const struct lt_position_row *row = result == LT_OK ? row_of(&m, partition, ret) : NULL;
    if (row)
        result = relog(&m, row, ret, on_repeat, ctx, err);
    return repair_end(&m, result, err);
}

/* ---- decisions ---- */

static bool may_decide(const struct repair *m, struct lt_repair_report *ret)
{
    if (m->positions.incarnation == 0 || m->positions.mixed) {
        conclude(ret, LT_REPAIR_REFUSED, "%s; run: lienthong core status",
                 m->positions.mixed ? "the partitions' positions belong to different incarnations of " LT_TOPIC_INTAKE
                                    : "no partition has a position: which incarnation of " LT_TOPIC_INTAKE
                                      " this would be for is not known");
        return false;
    }
    return true;
}

static int note_first(void *ctx, const struct lt_log_record *rec)
{
    int64_t *first = ctx;
    *first = rec->offset;
    return 1;
}

/* Does the log hold a record in the hole? *ret_first: its offset, or -1. */
static int first_record(const struct repair *m, const struct lt_position_row *row, struct lt_hole hole,
                        int64_t *ret_first, struct lt_err *err)
{
    *ret_first = -1;
    int64_t from = LT_MAX(hole.from, row->low);
    return from < hole.to ? lt_reader_range(m->r->reader, LT_TOPIC_INTAKE, row->partition, from, hole.to, note_first,
                                            ret_first, err)
                          : LT_OK;
}

static int accept_hole(struct repair *m, const struct lt_position_row *row, struct lt_hole hole,
                       struct lt_repair_report *ret, struct lt_err *err)
{
    struct lt_accepted a = row->accepted;
    int64_t first, low, stable;
    if (!may_decide(m, ret))
        return LT_OK;
    if (lt_accepted_covers(&a, hole.from, hole.to)) {
        conclude(ret, LT_REPAIR_NOT_NEEDED, "these offsets were accepted before");
        return LT_OK;
    }
    int r = lt_reader_ends(m->r->reader, LT_TOPIC_INTAKE, row->partition, &low, &stable, err);
    if (r != LT_OK)
        return r;
    if (hole.to > row->high || hole.to > stable) {
        conclude(ret, LT_REPAIR_REFUSED,
                 hole.to > row->high ? "the log ends at %" PRId64 ": nothing is missing beyond it"
                                     : "a transaction is open from offset %" PRId64 ": what it leaves is not known yet",
                 hole.to > row->high ? row->high : stable);
        return LT_OK;
    }
    r = first_record(m, row, hole, &first, err);
    if (r == LT_OK && first >= 0) {
        conclude(ret, LT_REPAIR_REFUSED, "offset %" PRId64 " holds a record: it must be judged, not given up", first);
        return LT_OK;
    }
    if (r == LT_OK)
        r = lt_accepted_add_hole(&a, hole, row->low, err);
    if (r == LT_OK) {
        conclude(ret, LT_REPAIR_DONE, "offsets %" PRId64 " to %" PRId64 " hold no record and are accepted as lost",
                 hole.from, hole.to - 1);
        r = write_accepted(m, row->partition, &a, err);
    }
    return r == LT_OK ? audit(m, "core-accept-hole", ret, err) : r;
}

int lt_repair_accept_hole(struct lt_repairer *r, int32_t partition, int64_t from, int64_t to,
                          struct lt_repair_report *ret, struct lt_err *err)
{
    struct repair m;
    int result = repair_begin(&m, r, err);
    const struct lt_position_row *row = result == LT_OK ? row_of(&m, partition, ret) : NULL;
    if (row)
        result = accept_hole(&m, row, (struct lt_hole){from, to}, ret, err);
    return repair_end(&m, result, err);
}

int lt_repair_accept_index(struct lt_repairer *r, int32_t partition, int64_t offset, uint64_t sum,
                           struct lt_repair_report *ret, struct lt_err *err)
{
    struct repair m;
    int result = repair_begin(&m, r, err);
    const struct lt_position_row *row = result == LT_OK ? row_of(&m, partition, ret) : NULL;
    if (row && may_decide(&m, ret)) {
        struct lt_accepted a = row->accepted;
        if (!row->proved || row->offset != offset) {
            conclude(ret, LT_REPAIR_REFUSED,
                     "the committed offset is %" PRId64 "%s, not %" PRId64 ": the decision would mean nothing",
                     row->offset, row->proved ? "" : " without its proof", offset);
        } else {
            a.index = true;
            a.index_offset = offset;
            a.index_sum = sum;
            conclude(ret, LT_REPAIR_DONE,
                     "the index of sum %016" PRIx64 " at offset %" PRId64 " is accepted; the position says %016" PRIx64,
                     sum, offset, row->position.sum);
            result = write_accepted(&m, partition, &a, err);
            if (result == LT_OK)
                result = audit(&m, "core-accept-index", ret, err);
        }
    }
    return repair_end(&m, result, err);
}

int lt_repair_note(struct lt_repairer *r, const char *action, const struct lt_repair_report *report, struct lt_err *err)
{
    struct repair m = {.r = r};
    const struct lt_config *c = r->config;
    int result = lt_repair_begin(c->kafka.props, c->kafka.props_len, LT_GROUP_CORE, &m.transaction, err);
    if (result == LT_OK)
        result = audit(&m, action, report, err);
    return repair_end(&m, result, err);
}
