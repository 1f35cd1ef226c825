#include "gateway/ops/queue_repair.h"

#include "gateway/base/clock.h"
#include "gateway/codec/json.h"
#include "gateway/delivery/effects.h"
#include "gateway/kafka/repair.h"
#include "gateway/model/event.h"
#include "gateway/ops/ledger_read.h"

#include <inttypes.h>
#include <stdio.h>

#define VALUE_MAX (64 * 1024)
#define CLOCKS_MS 60000 /* those of two gateways may differ so much */

static const char *const verbs[] = {[LT_QUEUE_POSITION] = "targets-position",
                                    [LT_QUEUE_ACCEPT_LOSS] = "targets-accept-loss",
                                    [LT_QUEUE_ACCEPT_QUEUE] = "targets-accept-queue"};

/* What was found of a partition; told when it is written, because what was said cannot be taken back. */
struct found {
    int32_t partition;
    struct lt_ledger ledger;
    struct lt_mend mend; /* points into the ledger */
};

struct repair {
    const struct lt_queue_repair *q;
    struct lt_admin *admin;
    struct lt_reader *reader;
    struct lt_repair *transaction; /* NULL in a dry run */
    char *queue, *ledger, *history;
    LT_VEC(struct lt_genesis_row) rows;
    LT_VEC(struct found) found;
};

static void take_row(void *ctx, const struct lt_genesis_row *row)
{
    struct repair *m = ctx;
    *lt_vec_push(&m->rows) = *row;
}

/* ---- reading ---- */

/*
 * What stands below the ledger's last position was written to the queue before that. So where the first record that the
 * queue holds is below it and younger, all of it is another queue's: it was made again.
 */
static int look_for_remade(struct repair *m, const struct lt_ledger *ledger, struct lt_mend_facts *f,
                           struct lt_err *err)
{
    struct lt_delivery_position last;
    int64_t first = 0, younger = 0, low = 0, stable = 0;
    if (ledger->position_ms <= 0 || lt_delivery_position_parse(lt_span_str(ledger->position), &last, NULL) != LT_OK)
        return LT_OK;
    int r = lt_reader_ends(m->reader, m->queue, f->partition, &low, &stable, err);
    if (r == LT_OK) /* the end, when there is none */
        r = lt_reader_offset_at(m->reader, m->queue, f->partition, 0, &first, err);
    if (r == LT_OK)
        r = lt_reader_offset_at(m->reader, m->queue, f->partition, ledger->position_ms + CLOCKS_MS, &younger, err);
    f->remade = r == LT_OK && first == younger && first < last.base && first < stable;
    return r;
}

/* ---- writing ---- */

static int tell_lost(struct repair *m, int32_t partition, const struct lt_open *o, struct lt_err *err)
{
    LT_AUTOFREE char *text = lt_asprintf("%s by %s: its event was lost with the queue, its step was %s",
                                         verbs[m->q->verb], m->q->who, lt_open_state_name(o->state));
    const struct lt_attempt t = {.wall_ms = lt_now_ms(),
                                 .offset = o->offset,
                                 .took_ms = -1,
                                 .run = LT_SPAN_LIT("-"),
                                 .step = o->step,
                                 .what = "lost",
                                 .code = verbs[m->q->verb],
                                 .text = text};
    struct lt_arena a = LT_ARENA_INIT;
    enum lt_ledger_kind kind;
    struct lt_span dossier, value;
    int64_t order;
    (void)lt_ledger_key(lt_span_str(o->key), &kind, &dossier, &order); /* it was read as one */
    lt_effect_history(&t, &a, &value);
    int r = lt_repair_record(m->transaction, m->history, partition, dossier, NULL, value, err);
    lt_arena_deinit(&a);
    return r;
}

static int audit(struct repair *m, int32_t partition, const struct lt_mend *mend, struct lt_err *err)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(VALUE_MAX);
    struct lt_json_writer w;
    char time[30];
    lt_time_rfc3339(lt_now_ms(), time);
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "time", lt_span_str(time));
    lt_json_str(&w, "actor", lt_span_str(m->q->who));
    lt_json_str(&w, "action", lt_span_str(verbs[m->q->verb]));
    lt_json_str(&w, "target", lt_span_str(m->q->target));
    lt_json_num(&w, "partition", partition);
    lt_json_num(&w, "offset", mend->after.base);
    lt_json_num(&w, "given_up", (int64_t)mend->lost.len);
    lt_json_str(&w, "detail", lt_span_str(mend->text));
    lt_json_end_object(&w);
    return lt_repair_record(m->transaction, LT_TOPIC_AUDIT, 0, lt_span_str(m->q->who), NULL, lt_buf_view(&out), err);
}

/* With its time, as the engine writes it: by that a queue that is made again is known (look_for_remade). */
static int put_position(struct repair *m, int32_t partition, const char *metadata, struct lt_err *err)
{
    char time[24];
    struct lt_headers h = {0};
    snprintf(time, sizeof(time), "%" PRId64, lt_now_ms());
    lt_headers_put(&h, LT_LEDGER_TIME, lt_span_str(time));
    return lt_repair_record(m->transaction, m->ledger, partition, LT_SPAN_LIT(LT_LEDGER_POSITION_KEY), &h,
                            lt_span_str(metadata), err);
}

static int write_mend(struct repair *m, int32_t partition, const struct lt_mend *mend, struct lt_err *err)
{
    char metadata[LT_DELIVERY_POSITION_MAX];
    int r = LT_OK;
    lt_delivery_position_format(&mend->after, metadata);
    for (size_t i = 0; i < mend->lost.len && r == LT_OK; i++)
        r = tell_lost(m, partition, mend->lost.v[i], err);
    for (size_t i = 0; i < mend->closed.len && r == LT_OK; i++)
        r = lt_repair_record(m->transaction, m->ledger, partition, lt_span_str(mend->closed.v[i]->key), NULL,
                             LT_SPAN_NULL, err);
    if (r == LT_OK)
        r = put_position(m, partition, metadata, err);
    if (r == LT_OK)
        r = audit(m, partition, mend, err);
    lt_repair_offset(m->transaction, m->queue, partition, mend->after.base, metadata);
    return r;
}

/* ---- one partition ---- */

static void plan(const struct repair *m, const struct lt_mend_facts *f, struct lt_mend *ret)
{
    const struct lt_queue_repair *q = m->q;
    if (q->verb == LT_QUEUE_POSITION)
        lt_mend_position(f, ret);
    else if (q->verb == LT_QUEUE_ACCEPT_LOSS)
        lt_mend_accept_loss(f, q->from, q->to, ret);
    else
        lt_mend_accept_queue(f, q->from, q->to, ret);
}

/* Its owner must not write over what is written here. */
static int must_stand_still(struct repair *m, const struct lt_mend_facts *f, struct lt_mend *mend, struct lt_err *err)
{
    /* Nobody runs without a position. One that only went back may have gone on between our two looks. */
    bool nobody_runs = f->offset < 0 || (m->q->verb == LT_QUEUE_POSITION && !lt_mend_went_back(f));
    int members = 0;
    int r = LT_OK;
    if (mend->outcome != LT_MEND_DONE || nobody_runs || m->q->stands_still)
        return LT_OK;
    r = lt_admin_group_members(m->admin, m->queue, &members, err);
    if (r != LT_OK || members == 0)
        return r;
    mend->outcome = LT_MEND_REFUSED;
    if (m->q->verb == LT_QUEUE_POSITION)
        snprintf(mend->text, sizeof(mend->text),
                 "the group tells of an older position than the ledger, and %d members are in it: one of them may go "
                 "on any moment, when Kafka tells of the right one again. Stop the gateways with role delivery first",
                 members);
    else
        snprintf(mend->text, sizeof(mend->text),
                 "%d members are in group %s, and the gateway of this configuration does not say that it stopped the "
                 "partition: run this where its owner runs, or stop the gateways with role delivery",
                 members, m->queue);
    return LT_OK;
}

static int plan_one(struct repair *m, const struct lt_genesis_row *row, struct lt_err *err)
{
    struct found found = {.partition = row->partition};
    int r = lt_ledger_read(m->admin, m->reader, m->ledger, row->partition, &found.ledger, err);
    if (r == LT_OK) {
        struct lt_mend_facts f = {.target = m->q->target,
                                  .partition = row->partition,
                                  .offset = row->offset,
                                  .metadata = row->metadata,
                                  .low = row->low,
                                  .high = row->high,
                                  .ledger = &found.ledger};
        r = look_for_remade(m, &found.ledger, &f, err);
        if (r == LT_OK) {
            plan(m, &f, &found.mend);
            r = must_stand_still(m, &f, &found.mend, err);
        }
    }
    *lt_vec_push(&m->found) = found;
    return r;
}

/* When all has been read: Kafka ends a transaction after 15 s, from its first record on, and ledgers may be long. */
static int write_all(struct repair *m, struct lt_err *err)
{
    int r = LT_OK;
    bool writes = false;
    for (size_t i = 0; m->transaction && i < m->found.len && r == LT_OK; i++) {
        const struct found *f = &m->found.v[i];
        if (f->mend.outcome != LT_MEND_DONE)
            continue;
        writes = true;
        r = write_mend(m, f->partition, &f->mend, err);
    }
    return r == LT_OK && writes ? lt_repair_commit(m->transaction, err) : r;
}

static int open(struct repair *m, struct lt_err *err)
{
    const struct lt_config *c = m->q->config;
    int r = lt_admin_new(c->kafka.props, c->kafka.props_len, &m->admin, err);
    if (r == LT_OK)
        r = lt_reader_new(c->kafka.props, c->kafka.props_len, &m->reader, err);
    if (r == LT_OK && !m->q->dry_run)
        r = lt_repair_begin(c->kafka.props, c->kafka.props_len, m->queue, &m->transaction, err);
    if (r == LT_OK)
        r = lt_admin_group_offsets(m->admin, m->queue, m->queue, take_row, m, err);
    if (r == LT_OK && m->q->partition >= (int32_t)m->rows.len)
        r = lt_err_set(err, LT_E_INVALID, "no-partition", "%s has no partition %" PRId32 ", only 0 to %zu", m->queue,
                       m->q->partition, m->rows.len - 1);
    return r;
}

int lt_queue_repair(const struct lt_queue_repair *q, void (*fn)(void *ctx, const struct lt_queue_report *report),
                    void *ctx, struct lt_err *err)
{
    struct repair m = {.q = q};
    m.queue = lt_asprintf(LT_TOPIC_QUEUE_PREFIX "%s", q->target);
    m.ledger = lt_asprintf(LT_TOPIC_LEDGER_PREFIX "%s", q->target);
    m.history = lt_asprintf(LT_TOPIC_HISTORY_PREFIX "%s", q->target);
    int r = open(&m, err);
    for (size_t i = 0; i < m.rows.len && r == LT_OK; i++)
        if (q->partition < 0 || q->partition == m.rows.v[i].partition)
            r = plan_one(&m, &m.rows.v[i], err);
    if (r == LT_OK)
        r = write_all(&m, err);
    for (size_t i = 0; i < m.found.len; i++) {
        if (r == LT_OK)
            fn(ctx, &(struct lt_queue_report){m.found.v[i].partition, &m.found.v[i].mend});
        lt_mend_deinit(&m.found.v[i].mend);
        lt_ledger_deinit(&m.found.v[i].ledger);
    }
    lt_repair_free(m.transaction);
    lt_reader_free(m.reader);
    lt_admin_free(m.admin);
    lt_vec_deinit(&m.rows);
    lt_vec_deinit(&m.found);
    free(m.queue);
    free(m.ledger);
    free(m.history);
    return r;
}

/* ---- a record that is no event ---- */

struct look {
    char *text;
    size_t size;
};

static void look_at(void *ctx, const struct lt_log_record *r)
{
    struct look *l = ctx;
    struct lt_event ev;
    struct lt_err err = LT_ERR_INIT;
    l->text[0] = '\0';
    if (lt_event_read(r->key, &r->headers, r->value, &ev, &err) != LT_OK)
        snprintf(l->text, l->size, "%s (%zu bytes, %zu headers)", err.text, r->value.len, r->headers.len);
}

int lt_queue_look(const struct lt_config *config, const char *target, int32_t partition, int64_t offset, char *ret_text,
                  size_t size, struct lt_err *err)
{
    LT_AUTOFREE char *queue = lt_asprintf(LT_TOPIC_QUEUE_PREFIX "%s", target);
    struct lt_reader *reader = NULL;
    struct look l = {ret_text, size};
    int r = lt_reader_new(config->kafka.props, config->kafka.props_len, &reader, err);
    if (r == LT_OK)
        r = lt_reader_get(reader, queue, partition, offset, 10000, look_at, &l, err);
    lt_reader_free(reader);
    return r;
}
