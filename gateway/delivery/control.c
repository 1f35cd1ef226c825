#include "gateway/delivery/control.h"

#include "gateway/base/log.h"
#include "gateway/delivery/internal.h"

#include <inttypes.h>
#include <stdio.h>

#define LOOK_MS 1000
#define BATCH_MAX 1000
#define VALUE_MAX ((size_t)8 << 20)
#define DEPTH_MAX 64

static const char *const verbs[LT_VERBS] = {
    [LT_VERB_RETRY] = "retry",     [LT_VERB_REPLACE] = "replace", [LT_VERB_SKIP] = "skip",
    [LT_VERB_RELEASE] = "release", [LT_VERB_PAUSE] = "pause",     [LT_VERB_RESUME] = "resume",
    [LT_VERB_PASS] = "pass-over",
};

const char *lt_verb_name(enum lt_verb v)
{
    return (unsigned)v < LT_VERBS ? verbs[v] : "?";
}

bool lt_verb_parse(struct lt_span name, enum lt_verb *ret)
{
    for (size_t i = 0; i < LT_VERBS; i++)
        if (lt_span_is(name, verbs[i])) {
            *ret = (enum lt_verb)i;
            return true;
        }
    return false;
}

char *lt_decision_value(const struct lt_decision *d)
{
    struct lt_buf out = LT_BUF_INIT(VALUE_MAX);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "decision", lt_span_str(d->id));
    lt_json_str(&w, "verb", lt_span_str(lt_verb_name(d->verb)));
    lt_json_num(&w, "order", d->order);
    lt_json_str(&w, "who", lt_span_str(d->who));
    lt_json_num(&w, "at", d->at_ms);
    if (d->data.ptr) {
        lt_json_key(&w, LT_SPAN_LIT("data"));
        lt_json_put_raw(&w, d->data);
    }
    lt_json_end_object(&w);
    return lt_buf_take(&out);
}

int lt_decision_parse(struct lt_span value, struct lt_arena *a, struct lt_decision *ret, struct lt_err *err)
{
    LT_AUTO_JSON struct lt_json *j = NULL;
    const struct lt_json_limits limits = {.bytes_max = VALUE_MAX, .depth_max = DEPTH_MAX};
    struct lt_span id = LT_SPAN_NULL, verb = LT_SPAN_NULL, who = LT_SPAN_NULL;
    struct lt_decision d = {.order = -1};
    int r = lt_json_parse(value, &limits, &j, err);
    if (r != LT_OK)
        return LT_E_INVALID;
    lt_json_value v = lt_json_root(j), data = lt_json_get(v, "data");
    (void)lt_json_string(lt_json_get(v, "decision"), &id);
    (void)lt_json_string(lt_json_get(v, "verb"), &verb);
    (void)lt_json_string(lt_json_get(v, "who"), &who);
    (void)lt_json_int(lt_json_get(v, "order"), &d.order);
    (void)lt_json_int(lt_json_get(v, "at"), &d.at_ms);
    if (id.len == 0 || id.len >= sizeof(d.id) || memchr(id.ptr, '/', id.len) || !lt_verb_parse(verb, &d.verb))
        return lt_err_set(err, LT_E_INVALID, "bad-decision", "not a decision: no decision id or an unknown verb");
    if (d.verb == LT_VERB_REPLACE && (!lt_json_present(data) || lt_json_type_of(data) != LT_JSON_OBJECT))
        return lt_err_set(err, LT_E_INVALID, "bad-decision", "replace without data");
    snprintf(d.id, sizeof(d.id), LT_SPAN_FMT, LT_SPAN_ARG(id));
    snprintf(d.who, sizeof(d.who), LT_SPAN_FMT, LT_SPAN_ARG(who));
    if (lt_json_present(data)) {
        struct lt_buf out = LT_BUF_INIT(VALUE_MAX);
        lt_json_write(data, &out);
        d.data = lt_arena_span(a, lt_buf_view(&out));
        lt_buf_deinit(&out);
    }
    *ret = d;
    return LT_OK;
}

/* ---- applying ---- */

static void history(struct lt_engine *e, struct lt_part *p, struct lt_span dossier, const struct lt_decision *d,
                    int64_t order, const char *what)
{
    LT_AUTOFREE char *text = lt_asprintf("%s by %s", lt_verb_name(d->verb), d->who);
    const struct lt_attempt t = {.wall_ms = lt_engine_wall(e),
                                 .offset = order,
                                 .took_ms = -1,
                                 .run = lt_span_str(d->id),
                                 .step = "",
                                 .what = what,
                                 .code = lt_verb_name(d->verb),
                                 .text = text};
    struct lt_write *w = lt_write_add(&p->writes, e->history, p->number);
    w->key = lt_arena_span(&w->arena, dossier);
    lt_effect_history(&t, &w->arena, &w->value);
}

static void ledger_write(struct lt_engine *e, struct lt_part *p, const char *key, struct lt_span value)
{
    struct lt_write *w = lt_write_add(&p->writes, e->ledger, p->number);
    w->key = lt_arena_span(&w->arena, lt_span_str(key));
    if (value.ptr)
        w->value = lt_arena_span(&w->arena, value);
}

static void wake_heads(struct lt_engine *e, struct lt_part *p)
{
    struct lt_lane *lane, *next;
    HASH_ITER (hh, p->lanes, lane, next) {
        if (lane->head && lane->head->state == LT_ITEM_QUEUED && p->state == LT_PART_RUNNING)
            lt_item_ready(e, lane->head, false);
    }
}

/* From now on nothing new leaves; what is out ends. */
static void withdraw_intents(struct lt_engine *e, const struct lt_part *p)
{
    struct lt_item *i, *next;
    DL_FOREACH_SAFE(e->lists[LT_ITEM_INTENT], i, next)
    if (i->part == p)
        lt_item_ready(e, i, false); /* dirty still: the ledger is told */
}

static void apply_to_partition(struct lt_engine *e, struct lt_part *p, const struct lt_decision *d)
{
    if (d->verb == LT_VERB_PAUSE) {
        LT_AUTOFREE char *value = lt_ledger_pause_value(d->who, d->at_ms);
        snprintf(p->paused_by, sizeof(p->paused_by), "%s", d->who[0] ? d->who : "?");
        ledger_write(e, p, "T", lt_span_str(value));
        withdraw_intents(e, p);
        return;
    }
    p->paused_by[0] = 0;
    ledger_write(e, p, "T", LT_SPAN_NULL);
    lt_gate_resume(&e->gate, lt_engine_now(e));
    (void)lt_engine_try_corners(e, lt_engine_now(e));
    wake_heads(e, p);
}

/*
 * A record that is no event (BAD-RECORD) goes to the dead letters as it is, and from now on counts as done: the done
 * set lets the position pass it, by whomever. record: what stands at that offset, NULL nothing.
 */
static const char *apply_to_record(struct lt_engine *e, struct lt_part *p, const struct lt_decision *d,
                                   const struct lt_log_record *record)
{
    struct lt_event ev;
    struct lt_err err = LT_ERR_INIT;
    struct lt_open *o;
    HASH_FIND(hh, p->opens, &d->order, sizeof(d->order), o);
    if (d->order < p->position.base || (o && o->state == LT_OPEN_DONE))
        return "ignored: the position is beyond it";
    if (!record)
        return "ignored: the queue has no record there";
    if (lt_event_read(record->key, &record->headers, record->value, &ev, &err) == LT_OK)
        return "ignored: it is an event and must be delivered";
    o = lt_alloc(sizeof(*o));
    *o = (struct lt_open){
        .key = lt_ledger_open_key(LT_SPAN_LIT("*"), LT_SPAN_LIT("-"), lt_span_str(d->id), "passed", d->order),
        .offset = d->order,
        .state = LT_OPEN_DONE,
        .step = "passed",
        .outcome = LT_OUTCOME_PASS,
        .since_ms = lt_engine_wall(e)};
    HASH_ADD(hh, p->opens, offset, sizeof(o->offset), o);
    LT_AUTOFREE char *value = lt_ledger_open_value(o);
    ledger_write(e, p, o->key, lt_span_str(value));
    p->passed_over++;

    struct lt_write *w = lt_write_add(&p->writes, LT_TOPIC_DEADLETTER, -1);
    const struct lt_refused why = {.target = e->name,
                                   .step = "queue",
                                   .reason = "bad-record",
                                   .code = "bad-record",
                                   .text = err.text,
                                   .wall_ms = lt_engine_wall(e)};
    struct lt_effect f = {0};
    lt_effect_deadletter(lt_record_copy(&w->arena, record), &why, e->set.record_max, &w->arena, &f);
    w->key = f.key;
    w->headers = f.headers;
    w->value = f.value;
    if (p->state == LT_PART_STOPPED && strcmp(p->reason, "BAD-RECORD") == 0)
        p->retry_at_ms = lt_engine_now(e); /* when this is committed */
    return NULL;
}

/* NULL: applied. */
static const char *apply_to_lane(struct lt_engine *e, struct lt_part *p, struct lt_span dossier,
                                 const struct lt_decision *d)
{
    struct lt_lane *lane = lt_lane_find(p, dossier);
    if (!lane || lane->state != LT_LANE_PARKED)
        return lane && lane->state == LT_LANE_RETRYING ? "ignored: it is being retried" : "ignored: it is not parked";
    if (lane->parked.len == 0 || lane->leader)
        return "ignored: it is being parked";
    int64_t order = lane->parked.v[0];
    if (d->order >= 0 && d->order != order)
        return "ignored: another event is the first by now";
    if (d->verb == LT_VERB_SKIP) {
        lane->record.skip = order;
    } else if (d->verb == LT_VERB_RELEASE) {
        lane->record.release = order;
    } else if (d->verb == LT_VERB_REPLACE) {
        LT_AUTOFREE char *key = lt_ledger_order_key(LT_LEDGER_DATA, dossier, order);
        ledger_write(e, p, key, d->data);
    }
    snprintf(lane->record.decision, sizeof(lane->record.decision), "%s", d->id);
    lt_lane_set(p, lane, LT_LANE_RETRYING);
    lt_lane_write(e, p, lane);
    return NULL;
}

static bool seen(const struct lt_part *p, const char *id)
{
    for (size_t n = 0; n < p->decisions.len; n++)
        if (strcmp(p->decisions.v[n], id) == 0)
            return true;
    return false;
}

static void remember(struct lt_part *p, const char *id)
{
    if (p->decisions.len >= LT_DECISIONS_KEPT) {
        free(p->decisions.v[0]);
        memmove(&p->decisions.v[0], &p->decisions.v[1], (p->decisions.len - 1) * sizeof(*p->decisions.v));
        p->decisions.len--;
    }
    *lt_vec_push(&p->decisions) = lt_strdup(id);
}

static void apply(struct lt_engine *e, struct lt_part *p, struct lt_span key, struct lt_span value,
                  const struct lt_log_record *record)
{
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_decision d;
    struct lt_err err = LT_ERR_INIT;
    if (lt_decision_parse(value, &a, &d, &err) != LT_OK) {
        lt_warn(e->subject, "bad-decision", "a record of %s/%" PRId32 " is passed over: %s", e->control, p->number,
                err.text);
    } else if (!seen(p, d.id)) { /* once for each decision id */
        bool whole = lt_span_starts(key, "*"), target = d.verb >= LT_VERB_PAUSE;
        const char *why = whole == target ? NULL : "ignored: it names no dossier";
        if (d.at_ms <= p->decided.after_ms && p->decided.after_ms > 0)
            why = "ignored: older than one that was applied before the control topic was made again";
        if (!why && d.verb == LT_VERB_PASS)
            why = apply_to_record(e, p, &d, record);
        else if (!why && target)
            apply_to_partition(e, p, &d);
        else if (!why)
            why = apply_to_lane(e, p, key, &d);
        remember(p, d.id);
        p->decided.newest_ms = LT_MAX(p->decided.newest_ms, d.at_ms);
        history(e, p, key, &d, d.order, why ? why : "decided");
        lt_info(e->subject, "decision", "partition %" PRId32 ": %s %s%s%s", p->number, lt_verb_name(d.verb), d.id,
                why ? " " : "", why ? why : "");
    }
    lt_arena_deinit(&a);
}

/* ---- reading ---- */

struct batch {
    struct lt_arena arena;
    LT_VEC(struct lt_header) records; /* key and value */
    LT_VEC(struct lt_log_record *)
    named; /* of the queue, beside each; NULL: the decision names none, or it is not there */
    int64_t next, wanted;
};

static int take(void *ctx, const struct lt_log_record *r)
{
    struct batch *b = ctx;
    *lt_vec_push(&b->records) =
        (struct lt_header){lt_arena_span(&b->arena, r->key), lt_arena_span(&b->arena, r->value)};
    b->next = r->offset + 1;
    return b->records.len >= BATCH_MAX;
}

static int take_named(void *ctx, const struct lt_log_record *r)
{
    struct batch *b = ctx;
    if (r->offset == b->wanted)
        b->named.v[b->named.len - 1] = lt_record_copy(&b->arena, r);
    return 1;
}

/* The records of the queue that decisions speak of. Serves polls: the partition may be gone afterwards. */
static int read_named(struct lt_engine *e, int32_t number, struct batch *b, struct lt_err *err)
{
    int r = LT_OK;
    for (size_t n = 0; n < b->records.len && r == LT_OK; n++) {
        struct lt_decision d;
        int64_t low = 0, high = 0;
        *lt_vec_push(&b->named) = NULL;
        if (lt_decision_parse(b->records.v[n].value, &b->arena, &d, NULL) != LT_OK || d.verb != LT_VERB_PASS)
            continue;
        r = e->log->ops->watermarks(e->log, NULL, number, &low, &high, err);
        b->wanted = d.order;
        if (r == LT_OK && d.order >= low && d.order < high)
            r = e->log->ops->scan(e->log, NULL, number, d.order, d.order + 1, take_named, b, err);
    }
    return r;
}

static void write_applied(struct lt_engine *e, struct lt_part *p)
{
    LT_AUTOFREE char *ids = lt_ledger_decisions_value(p->decisions.v, p->decisions.len, &p->decided);
    ledger_write(e, p, "C", lt_span_str(ids));
}

/*
 * Somebody made the control topic again, or it lost records: its offsets mean others than those that were counted. It
 * is read from its start; what was decided before the last decision that was applied is an old one, brought back
 * perhaps under another id, and must not send anything again.
 */
static void begin_again(struct lt_engine *e, struct lt_part *p, int64_t high)
{
    lt_error(e->subject, "control-changed",
             "%s/%" PRId32 " ends at %" PRId64 ", before %" PRId64
             " where decisions were read: it was made again; decisions from before are not applied, look at "
             "lt.history.%s and decide again where one is missing",
             e->control, p->number, high, p->control_next, e->name);
    p->decided.after_ms = p->decided.newest_ms;
    p->control_next = 0;
    write_applied(e, p);
    lt_part_dirty(e, p);
}

bool lt_control_take(struct lt_engine *e, int32_t number, uint64_t epoch, int64_t high, struct lt_err *err)
{
    struct lt_part *p = lt_part_same(e, number, epoch);
    if (p && p->control_next > high)
        begin_again(e, p, high);
    if (!p || p->control_next >= high)
        return p != NULL;
    struct batch b = {.next = p->control_next};
    int64_t low = 0, end = 0;
    int r = e->log->ops->watermarks(e->log, e->control, number, &low, &end, err);
    if (r == LT_OK)
        r = e->log->ops->scan(e->log, e->control, number, LT_MAX(low, b.next), high, take, &b, err);
    if (r == LT_OK)
        r = read_named(e, number, &b, err);
    p = lt_part_same(e, number, epoch);
    if (p && r == LT_OK) {
        for (size_t n = 0; n < b.records.len; n++)
            apply(e, p, b.records.v[n].name, b.records.v[n].value, b.named.v[n]);
        if (b.records.len > 0)
            write_applied(e, p);
        p->control_next = b.records.len >= BATCH_MAX ? b.next : high;
        lt_part_dirty(e, p);
    }
    lt_vec_deinit(&b.records);
    lt_vec_deinit(&b.named);
    lt_arena_deinit(&b.arena);
    return p && r == LT_OK;
}

/* One that stands before a record that is no event waits for just that: a decision. */
static bool listens(const struct lt_part *p)
{
    return p->state == LT_PART_RUNNING || (p->state == LT_PART_STOPPED && strcmp(p->reason, "BAD-RECORD") == 0);
}

void lt_control_look(struct lt_engine *e)
{
    int64_t now = lt_engine_now(e), low = 0, high = 0, end = 0;
    struct lt_err err = LT_ERR_INIT;
    struct lt_part *p;
    for (p = e->parts; p && (!listens(p) || now < p->look_at_ms); p = p->next_part)
        ;
    if (!p || e->txn.in_doubt)
        return;
    int32_t number = p->number;
    uint64_t epoch = p->epoch;
    p->look_at_ms = now + LOOK_MS;
    if (e->log->ops->watermarks(e->log, NULL, p->number, &low, &high, &err) == LT_OK)
        p->high = high;
    if (e->log->ops->watermarks(e->log, e->control, number, &low, &end, &err) == LT_OK && end != p->control_next &&
        !lt_control_take(e, number, epoch, end, &err) && err.text[0])
        lt_warn(e->subject, "control", "partition %" PRId32 ": decisions could not be read: %s; trying again", number,
                err.text);
    if ((p = lt_part_same(e, number, epoch)) && p->control_next < end && !err.text[0])
        p->look_at_ms = now; /* more of them in the next turn, behind a transaction for these */
}
