#include "gateway/delivery/ledger.h"

#include "gateway/codec/json.h"
#include "gateway/model/event.h"

#include <inttypes.h>
#include <stdio.h>

#define VALUE_MAX ((size_t)16 * 1024)
#define DEPTH_MAX 4
#define MARKS 5 /* lt_park_* headers of a parked event */

static const char *const states[] = {[LT_OPEN_NONE] = "none",
                                     [LT_OPEN_WAITING] = "waiting",
                                     [LT_OPEN_INTENT] = "intent",
                                     [LT_OPEN_UNKNOWN] = "unknown",
                                     [LT_OPEN_DONE] = "done"};

const char *lt_open_state_name(enum lt_open_state s)
{
    return (unsigned)s < LT_ARRAY_LEN(states) ? states[s] : "?";
}

/* ---- keys ---- */

/* The part after the last '/' of s, which loses it. */
static bool cut_last(struct lt_span *s, struct lt_span *ret)
{
    for (size_t i = s->len; i > 0; i--)
        if (s->ptr[i - 1] == '/') {
            *ret = lt_span(s->ptr + i, s->len - i);
            s->len = i - 1;
            return true;
        }
    return false;
}

bool lt_ledger_key(struct lt_span key, enum lt_ledger_kind *ret_kind, struct lt_span *ret_dossier, int64_t *ret_order)
{
    struct lt_span rest, part;
    *ret_dossier = LT_SPAN_NULL;
    *ret_order = -1;
    if (key.len == 0)
        return false;
    *ret_kind = (enum lt_ledger_kind)key.ptr[0];
    if (key.ptr[0] == LT_LEDGER_CONTROL || key.ptr[0] == LT_LEDGER_TARGET || key.ptr[0] == LT_LEDGER_POSITION)
        return key.len == 1;
    if (key.len < 3 || key.ptr[1] != '/')
        return false;
    rest = lt_span(key.ptr + 2, key.len - 2);
    switch (key.ptr[0]) {
    case LT_LEDGER_LANE:
        break;
    case LT_LEDGER_OPEN:
        for (int i = 0; i < 4; i++)
            if (!cut_last(&rest, &part))
                return false;
        break;
    case LT_LEDGER_PARKED:
    case LT_LEDGER_DATA:
        if (!cut_last(&rest, &part) || !lt_span_i64(part, ret_order) || *ret_order < 0)
            return false;
        break;
    default:
        return false;
    }
    *ret_dossier = rest;
    return rest.len > 0;
}

char *lt_ledger_open_key(struct lt_span dossier, struct lt_span id, struct lt_span run, const char *step, int64_t order)
{
    return lt_asprintf("I/" LT_SPAN_FMT "/" LT_SPAN_FMT "/" LT_SPAN_FMT "/%s/%" PRId64, LT_SPAN_ARG(dossier),
                       LT_SPAN_ARG(id), LT_SPAN_ARG(run), step, order);
}

char *lt_ledger_order_key(enum lt_ledger_kind kind, struct lt_span dossier, int64_t order)
{
    return lt_asprintf("%c/" LT_SPAN_FMT "/%020" PRId64, (int)kind, LT_SPAN_ARG(dossier), order);
}

char *lt_ledger_lane_key(struct lt_span dossier)
{
    return lt_asprintf("L/" LT_SPAN_FMT, LT_SPAN_ARG(dossier));
}

/* ---- values ---- */

char *lt_ledger_open_value(const struct lt_open *o)
{
    struct lt_buf out = LT_BUF_INIT(VALUE_MAX);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "state", lt_span_str(lt_open_state_name(o->state)));
    lt_json_num(&w, "offset", o->offset);
    lt_json_str(&w, "step", lt_span_str(o->step));
    lt_json_str(&w, "outcome", lt_span_str(lt_outcome_name(o->outcome)));
    lt_json_num(&w, "since", o->since_ms);
    lt_json_num(&w, "until", o->until_ms);
    lt_json_end_object(&w);
    return lt_buf_take(&out);
}

char *lt_ledger_lane_value(const struct lt_lane_record *l)
{
    struct lt_buf out = LT_BUF_INIT(VALUE_MAX);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "state", lt_span_str(l->retrying ? "retrying" : "parked"));
    lt_json_str(&w, "reason", lt_span_str(l->reason));
    lt_json_str(&w, "step", lt_span_str(l->step));
    lt_json_str(&w, "code", lt_span_str(l->code));
    lt_json_str(&w, "text", lt_span_str(l->text));
    lt_json_num(&w, "since", l->since_ms);
    lt_json_num(&w, "rounds", l->rounds);
    lt_json_num(&w, "release", l->release);
    lt_json_num(&w, "skip", l->skip);
    lt_json_str(&w, "decision", lt_span_str(l->decision));
    lt_json_end_object(&w);
    return lt_buf_take(&out);
}

char *lt_ledger_pause_value(const char *who, int64_t at_ms)
{
    struct lt_buf out = LT_BUF_INIT(VALUE_MAX);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "who", lt_span_str(who));
    lt_json_num(&w, "at", at_ms);
    lt_json_end_object(&w);
    return lt_buf_take(&out);
}

char *lt_ledger_decisions_value(char *const *ids, size_t n, const struct lt_decided *d)
{
    struct lt_buf out = LT_BUF_INIT(VALUE_MAX);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_key(&w, LT_SPAN_LIT("decisions"));
    lt_json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        lt_json_put_string(&w, lt_span_str(ids[i]));
    lt_json_end_array(&w);
    lt_json_num(&w, "newest", d->newest_ms);
    lt_json_num(&w, "after", d->after_ms);
    lt_json_end_object(&w);
    return lt_buf_take(&out);
}

/* ---- reading ---- */

static void get_text(lt_json_value v, const char *name, char *out, size_t size)
{
    struct lt_span s = LT_SPAN_NULL;
    (void)lt_json_string(lt_json_get(v, name), &s);
    snprintf(out, size, LT_SPAN_FMT, LT_SPAN_ARG(s));
}

static bool get_int(lt_json_value v, const char *name, int64_t *ret)
{
    return lt_json_int(lt_json_get(v, name), ret);
}

static enum lt_outcome outcome_of(struct lt_span s)
{
    for (int o = LT_OUTCOME_OK; o < LT_OUTCOME_PASS; o++)
        if (lt_span_is(s, lt_outcome_name((enum lt_outcome)o)))
            return (enum lt_outcome)o;
    return LT_OUTCOME_PASS;
}

void lt_open_free(struct lt_open *o)
{
    free(o->key);
    free(o);
}

static bool take_open(struct lt_ledger *l, struct lt_span key, lt_json_value v)
{
    struct lt_open *o;
    HASH_FIND(hh, l->opens, key.ptr, key.len, o);
    if (!lt_json_present(v)) {
        if (o) {
            HASH_DEL(l->opens, o);
            lt_open_free(o);
            l->opens_len--;
        }
        return true;
    }
    struct lt_open got = {0};
    struct lt_span state = LT_SPAN_NULL, outcome = LT_SPAN_NULL;
    (void)lt_json_string(lt_json_get(v, "state"), &state);
    (void)lt_json_string(lt_json_get(v, "outcome"), &outcome);
    for (size_t i = LT_OPEN_WAITING; i < LT_ARRAY_LEN(states); i++)
        if (lt_span_is(state, states[i]))
            got.state = (enum lt_open_state)i;
    got.outcome = outcome_of(outcome);
    get_text(v, "step", got.step, sizeof(got.step));
    if (got.state == LT_OPEN_NONE || !get_int(v, "offset", &got.offset) || !get_int(v, "since", &got.since_ms) ||
        !get_int(v, "until", &got.until_ms))
        return false;
    if (!o) {
        o = lt_alloc(sizeof(*o));
        o->key = lt_strndup(key.ptr, key.len);
        HASH_ADD_KEYPTR(hh, l->opens, o->key, key.len, o);
        l->opens_len++;
    }
    o->state = got.state;
    o->outcome = got.outcome;
    o->offset = got.offset;
    o->since_ms = got.since_ms;
    o->until_ms = got.until_ms;
    memcpy(o->step, got.step, sizeof(o->step));
    return true;
}

static struct lt_ledger_lane *lane_of(struct lt_ledger *l, struct lt_span dossier)
{
    struct lt_ledger_lane *lane;
    HASH_FIND(hh, l->lanes, dossier.ptr, dossier.len, lane);
    if (!lane) {
        lane = lt_alloc(sizeof(*lane));
        lane->key = lt_strndup(dossier.ptr, dossier.len);
        lane->record.release = lane->record.skip = -1;
        HASH_ADD_KEYPTR(hh, l->lanes, lane->key, dossier.len, lane);
    }
    return lane;
}

static void lane_settle(struct lt_ledger *l, struct lt_ledger_lane *lane)
{
    if (lane->recorded || lane->parked.len > 0)
        return;
    HASH_DEL(l->lanes, lane);
    lt_vec_deinit(&lane->parked);
    free(lane->key);
    free(lane);
}

static bool take_lane(struct lt_ledger *l, struct lt_span dossier, lt_json_value v)
{
    struct lt_ledger_lane *lane = lane_of(l, dossier);
    lane->recorded = lt_json_present(v);
    lane->record = (struct lt_lane_record){.release = -1, .skip = -1};
    if (!lane->recorded) {
        lane_settle(l, lane);
        return true;
    }
    struct lt_lane_record *r = &lane->record;
    struct lt_span state = LT_SPAN_NULL;
    (void)lt_json_string(lt_json_get(v, "state"), &state);
    r->retrying = lt_span_is(state, "retrying");
    get_text(v, "reason", r->reason, sizeof(r->reason));
    get_text(v, "step", r->step, sizeof(r->step));
    get_text(v, "code", r->code, sizeof(r->code));
    get_text(v, "text", r->text, sizeof(r->text));
    get_text(v, "decision", r->decision, sizeof(r->decision));
    return (r->retrying || lt_span_is(state, "parked")) && get_int(v, "since", &r->since_ms) &&
           get_int(v, "rounds", &r->rounds) && get_int(v, "release", &r->release) && get_int(v, "skip", &r->skip);
}

static void take_parked(struct lt_ledger *l, struct lt_span dossier, int64_t order, bool tombstone)
{
    struct lt_ledger_lane *lane = lane_of(l, dossier);
    size_t at = 0;
    while (at < lane->parked.len && lane->parked.v[at] < order)
        at++;
    bool known = at < lane->parked.len && lane->parked.v[at] == order;
    if (tombstone && known) {
        memmove(&lane->parked.v[at], &lane->parked.v[at + 1], (lane->parked.len - at - 1) * sizeof(order));
        lane->parked.len--;
        l->parked_len--;
    } else if (!tombstone && !known) {
        (void)lt_vec_push(&lane->parked);
        memmove(&lane->parked.v[at + 1], &lane->parked.v[at], (lane->parked.len - 1 - at) * sizeof(order));
        lane->parked.v[at] = order;
        l->parked_len++;
    }
    lane_settle(l, lane);
}

static void take_decisions(struct lt_ledger *l, lt_json_value v)
{
    lt_json_value ids = lt_json_get(v, "decisions");
    for (size_t i = 0; i < l->decisions.len; i++)
        free(l->decisions.v[i]);
    l->decisions.len = 0;
    for (size_t i = 0; i < lt_json_len(ids); i++) {
        struct lt_span s;
        if (lt_json_string(lt_json_at(ids, i), &s))
            *lt_vec_push(&l->decisions) = lt_strndup(s.ptr, s.len);
    }
    l->decided = (struct lt_decided){0};
    (void)get_int(v, "newest", &l->decided.newest_ms);
    (void)get_int(v, "after", &l->decided.after_ms);
}

int lt_ledger_take(struct lt_ledger *l, const struct lt_log_record *r, struct lt_err *err)
{
    enum lt_ledger_kind kind;
    struct lt_span dossier;
    int64_t order;
    if (!lt_ledger_key(r->key, &kind, &dossier, &order))
        return lt_err_set(err, LT_E_INVALID, "bad-ledger", "offset %" PRId64 " of %s: not a key of a ledger", r->offset,
                          r->topic);
    if (kind == LT_LEDGER_PARKED)
        take_parked(l, dossier, order, r->value_null);
    if (kind == LT_LEDGER_POSITION) { /* looked at by who needs it */
        snprintf(l->position, sizeof(l->position), LT_SPAN_FMT, LT_SPAN_ARG(r->value));
        if (!lt_span_i64(lt_headers_value(&r->headers, LT_LEDGER_TIME), &l->position_ms))
            l->position_ms = 0;
    }
    if (kind == LT_LEDGER_PARKED || kind == LT_LEDGER_DATA || kind == LT_LEDGER_POSITION)
        return LT_OK;

    LT_AUTO_JSON struct lt_json *j = NULL;
    const struct lt_json_limits limits = {.bytes_max = VALUE_MAX, .depth_max = DEPTH_MAX};
    lt_json_value v = {NULL};
    bool good = true;
    if (!r->value_null && lt_json_parse(r->value, &limits, &j, NULL) == LT_OK)
        v = lt_json_root(j);
    else
        good = r->value_null;
    if (good && kind == LT_LEDGER_OPEN)
        good = take_open(l, r->key, v);
    else if (good && kind == LT_LEDGER_LANE)
        good = take_lane(l, dossier, v);
    else if (good && kind == LT_LEDGER_CONTROL)
        take_decisions(l, v);
    else if (good && kind == LT_LEDGER_TARGET) {
        get_text(v, "who", l->paused_by, sizeof(l->paused_by));
        good = r->value_null || get_int(v, "at", &l->paused_ms);
    }
    if (!good)
        return lt_err_set(err, LT_E_INVALID, "bad-ledger", "offset %" PRId64 " of %s: not a value of a ledger",
                          r->offset, r->topic);
    return LT_OK;
}

void lt_ledger_deinit(struct lt_ledger *l)
{
    struct lt_open *o, *next_open;
    HASH_ITER (hh, l->opens, o, next_open) {
        HASH_DEL(l->opens, o);
        lt_open_free(o);
    }
    struct lt_ledger_lane *lane, *next_lane;
    HASH_ITER (hh, l->lanes, lane, next_lane) {
        HASH_DEL(l->lanes, lane);
        lt_vec_deinit(&lane->parked);
        free(lane->key);
        free(lane);
    }
    for (size_t i = 0; i < l->decisions.len; i++)
        free(l->decisions.v[i]);
    lt_vec_deinit(&l->decisions);
    *l = (struct lt_ledger){0};
}

/* ---- parked events ---- */

void lt_parked_state_put(const struct lt_parked_state *s, struct lt_arena *a, struct lt_headers *h)
{
    lt_event_make_room(h, MARKS); /* without them its event would begin anew as one that was never sent */
    lt_headers_put(h, LT_PARK_PREFIX "step", lt_span_str(lt_arena_str(a, lt_span_str(s->step))));
    lt_headers_put(h, LT_PARK_PREFIX "outcome", lt_span_str(lt_outcome_name(s->outcome)));
    if (s->sent[0])
        lt_headers_put(h, LT_PARK_PREFIX "sent", lt_span_str(lt_arena_str(a, lt_span_str(s->sent))));
    if (s->unknown) {
        lt_headers_put(h, LT_PARK_PREFIX "unknown", lt_span_str(lt_arena_printf(a, "%" PRId64, s->until_ms)));
        lt_headers_put(h, LT_PARK_PREFIX "settles", lt_span_str(lt_arena_printf(a, "%" PRId64, s->settles_ms)));
    }
}

void lt_parked_state_get(struct lt_headers *h, struct lt_parked_state *ret)
{
    struct lt_span until;
    *ret = (struct lt_parked_state){.outcome = outcome_of(lt_headers_value(h, LT_PARK_PREFIX "outcome"))};
    snprintf(ret->step, sizeof(ret->step), LT_SPAN_FMT, LT_SPAN_ARG(lt_headers_value(h, LT_PARK_PREFIX "step")));
    snprintf(ret->sent, sizeof(ret->sent), LT_SPAN_FMT, LT_SPAN_ARG(lt_headers_value(h, LT_PARK_PREFIX "sent")));
    if (lt_headers_get(h, LT_PARK_PREFIX "unknown", &until))
        ret->unknown = lt_span_i64(until, &ret->until_ms);
    if (!lt_span_i64(lt_headers_value(h, LT_PARK_PREFIX "settles"), &ret->settles_ms))
        ret->settles_ms = INT64_MAX;
    lt_headers_drop_prefix(h, LT_PARK_PREFIX);
}
