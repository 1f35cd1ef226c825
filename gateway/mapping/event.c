/* One place of the input -> one canonical event: attributes, unit and province, data, identity and digest (protocol 4).
 */
#include <stdio.h>

#include "gateway/base/text.h"
#include "gateway/mapping/rules.h"

#define EVENT_DATA_MAX (64u << 20)
#define EVENT_SUBJECT_MAX 200
#define EVENT_TIME_MIN                                                                                                 \
    INT64_C(946684800000) /* 2000: no one-stop system is older, but digits misread as an epoch are                     \
                           */

struct event_make {
    struct lt_translator *t;
    const struct lt_mapping *m;
    struct lt_place *at;
    struct lt_eval e;
    struct lt_value attrs[LT_ATTRS];
    struct lt_value data;
    int type;
    struct lt_span province, unit;
};

static void event_start(struct event_make *x, struct lt_translator *t, const struct lt_mapping *m, struct lt_place *at,
                        struct lt_refusal *refusal)
{
    memset(x, 0, sizeof(*x));
    x->t = t;
    x->m = m;
    x->at = at;
    x->e = (struct lt_eval){.arena = &t->item, .refusal = refusal, .tracing = t->observer != NULL};
    x->e.walk.xpath = t->xpath;
    x->e.walk.arena = &t->item;
}

static int event_attr(struct event_make *x, enum lt_attr a)
{
    if (!x->m->attrs[a].node)
        return 0;
    return lt_rule_eval(&x->e, &x->m->attrs[a], x->at, &x->attrs[a]);
}

#define event_refuse(x, a, code, ...)                                                                                  \
    (lt_refusal_set((x)->e.refusal, 422, (code), (x)->m->attrs[a].field ? (x)->m->attrs[a].field : lt_attr_names[a],   \
                    __VA_ARGS__),                                                                                      \
     lt_refusal_at(&(x)->e, &(x)->m->attrs[a], (x)->at), -1)

/* ---- attributes ---- */

static int event_type(struct event_make *x)
{
    if (event_attr(x, LT_ATTR_TYPE))
        return -1;
    x->type = lt_mappings_type(x->t->m, x->attrs[LT_ATTR_TYPE].text);
    if (x->type < 0 || !x->t->m->canonical[x->type])
        return event_refuse(x, LT_ATTR_TYPE, "unknown-type",
                            "type: expected an event type of schemas/canonical/steps.yaml, got \"" LT_SPAN_FMT "\"",
                            (int)LT_MIN(x->attrs[LT_ATTR_TYPE].text.len, (size_t)64), x->attrs[LT_ATTR_TYPE].text.ptr);
    x->e.type_bit = UINT32_C(1) << x->type;
    return 0;
}

static int event_subject(struct event_make *x)
{
    struct lt_span s;

    if (event_attr(x, LT_ATTR_SUBJECT))
        return -1;
    s = x->attrs[LT_ATTR_SUBJECT].normal;
    if (s.len > EVENT_SUBJECT_MAX)
        return event_refuse(x, LT_ATTR_SUBJECT, "too-long", "MaHoSo: expected at most %d bytes, got %zu",
                            EVENT_SUBJECT_MAX, s.len);
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return event_refuse(x, LT_ATTR_SUBJECT, "bad-value",
                                "MaHoSo: expected no control characters, got byte 0x%02x", (unsigned char)s.ptr[i]);
    return 0;
}

static int event_source(struct event_make *x)
{
    if (event_attr(x, LT_ATTR_SOURCE))
        return -1;
    if (!lt_profile_serves(x->m->profile, x->attrs[LT_ATTR_SOURCE].normal))
        return event_refuse(x, LT_ATTR_SOURCE, "unknown-source",
                            "source: expected a system of digest profile %s, got \"" LT_SPAN_FMT "\"",
                            x->m->profile->name, (int)LT_MIN(x->attrs[LT_ATTR_SOURCE].normal.len, (size_t)64),
                            x->attrs[LT_ATTR_SOURCE].normal.ptr);
    return 0;
}

static int event_attributes(struct event_make *x)
{
    if (event_source(x) || event_type(x) || event_subject(x) || event_attr(x, LT_ATTR_TIME))
        return -1;
    if (!x->attrs[LT_ATTR_TIME].has_ms) /* a default stood in */
        return event_refuse(x, LT_ATTR_TIME, "bad-date", "time: expected a moment, got none");
    x->e.time_ms = x->attrs[LT_ATTR_TIME].ms;
    if (x->e.time_ms < EVENT_TIME_MIN)
        return event_refuse(x, LT_ATTR_TIME, "bad-date", "time: expected a moment from 2000 to 2199, got " LT_SPAN_FMT,
                            LT_SPAN_ARG(x->attrs[LT_ATTR_TIME].text));
    return event_attr(x, LT_ATTR_PROVINCE) || event_attr(x, LT_ATTR_UNIT) || event_attr(x, LT_ATTR_PROCEDURE) ||
                   event_attr(x, LT_ATTR_CHANNEL)
               ? -1
               : 0;
}

/* ---- unit and province ---- */

static bool event_is_level1(struct lt_span s)
{
    return s.len == 3 && s.ptr[0] >= 'A' && s.ptr[0] <= 'Z' && s.ptr[1] >= '0' && s.ptr[1] <= '9' && s.ptr[2] >= '0' &&
           s.ptr[2] <= '9';
}

/* Letter and two digits, last in the old form of the code (000.00.01.H22), first in the new (H22.01): domain 5. */
static bool event_province_of(struct lt_span unit, struct lt_span *ret)
{
    struct lt_span part;

    while (lt_span_cut(&unit, '.', &part))
        if (event_is_level1(part)) {
            *ret = part;
            return true;
        }
    return false;
}

/* <unit>-<yyMMdd>-<seq> or <unit>-<yyyyMMdd>-<seq> (domain 5). */
static bool event_date_of_code(struct lt_span code, int64_t *ret)
{
    struct lt_span part, before = LT_SPAN_NULL;
    char day[9];

    while (lt_span_cut(&code, '-', &part)) {
        if (!code.ptr)
            break; /* the number at the end */
        before = part;
    }
    if (before.len != 6 && before.len != 8)
        return false;
    snprintf(day, sizeof(day), "%s" LT_SPAN_FMT, before.len == 6 ? "20" : "", LT_SPAN_ARG(before));
    return lt_time_parse(LT_TIME_DATE_COMPACT, lt_span_str(day), ret);
}

static const struct lt_value *event_member(const struct lt_value *v, const char *name)
{
    for (size_t i = 0; v && v->kids && i < v->len; i++)
        if (v->kids[i].present && lt_span_is(v->kids[i].shape->name, name))
            return &v->kids[i];
    return NULL;
}

/* When the dossier was received: /HoSo/NgayTiepNhan, else the date in its code, else the event's time. */
static int64_t event_received(const struct event_make *x)
{
    const struct lt_value *v = event_member(event_member(&x->data, "HoSo"), "NgayTiepNhan");
    int64_t ms;

    if (v && v->has_ms)
        return v->ms;
    if (event_date_of_code(x->attrs[LT_ATTR_SUBJECT].normal, &ms))
        return ms;
    return x->e.time_ms;
}

static int event_unit_ended(struct event_make *x, const struct lt_table *t, const struct lt_table_entry *ended)
{
    const struct lt_table_entry *now = lt_table_successor(t, ended, x->e.time_ms);
    char day[30];

    if (event_received(x) >= ended->to_ms) {
        lt_time_rfc3339(ended->to_ms, day);
        if (ended->successor[0])
            return event_refuse(
                x, LT_ATTR_UNIT, "unit-abolished",
                "unit: expected a unit in force when the dossier was received, got %s, which ended on %.10s; its "
                "successor is %s",
                ended->code, day, now ? now->code : ended->successor);
        return event_refuse(
            x, LT_ATTR_UNIT, "unit-abolished",
            "unit: expected a unit in force when the dossier was received, got %s, which ended on %.10s without "
            "a successor",
            ended->code, day);
    }
    x->unit = lt_span_str(now ? now->code : ended->code);
    lt_eval_step(&x->e, &x->attrs[LT_ATTR_UNIT], "table %s: %s ended, dossier from before, successor %s",
                 lt_table_name(t), ended->code, now ? now->code : "none");
    return 0;
}

/* Before the data, whose own look-ups of the same code would else be what is refused. */
static int event_unit_known(struct event_make *x)
{
    const struct lt_rule *r = &x->m->attrs[LT_ATTR_UNIT];
    const struct lt_table_entry *other;
    char day[30];

    x->unit = x->attrs[LT_ATTR_UNIT].text;
    if (!r->table_later || !x->unit.len || r->unknown == LT_UNKNOWN_KEEP)
        return 0;
    if (lt_table_lookup(r->table, x->unit, x->e.time_ms, &other) || (other && other->to_ms <= x->e.time_ms))
        return 0;
    if (r->unknown == LT_UNKNOWN_DEFAULT && r->has_default) {
        x->unit = r->fallback;
        return 0;
    }
    if (!other)
        return event_refuse(x, LT_ATTR_UNIT, r->unknown_code,
                            "unit: expected a code of the table %s, got \"" LT_SPAN_FMT "\"", lt_table_name(r->table),
                            (int)LT_MIN(x->unit.len, (size_t)64), x->unit.ptr);
    lt_time_rfc3339(other->from_ms, day);
    return event_refuse(x, LT_ATTR_UNIT, r->unknown_code,
                        "unit: expected a unit in force at the event's time, got %s, which begins on %.10s",
                        other->code, day);
}

static int event_unit(struct event_make *x)
{
    const struct lt_rule *r = &x->m->attrs[LT_ATTR_UNIT];
    const struct lt_table_entry *other;

    if (!r->table_later)
        return 0;
    if (lt_table_lookup(r->table, x->unit, x->e.time_ms, &other)) {
        lt_eval_step(&x->e, &x->attrs[LT_ATTR_UNIT], "table %s: in force", lt_table_name(r->table));
        return 0;
    }
    return other && other->to_ms <= x->e.time_ms ? event_unit_ended(x, r->table, other) : 0;
}

/* From the code that was sent, not from its successor: a dossier keeps its key when provinces merge. */
static int event_province(struct event_make *x)
{
    x->province = x->attrs[LT_ATTR_PROVINCE].text;
    if (x->province.len) {
        if (event_is_level1(x->province))
            return 0;
        return event_refuse(x, LT_ATTR_PROVINCE, "unknown-province",
                            "province: expected a letter and two digits, got \"" LT_SPAN_FMT "\"",
                            (int)LT_MIN(x->province.len, (size_t)64), x->province.ptr);
    }
    if (event_province_of(x->attrs[LT_ATTR_UNIT].text, &x->province))
        return 0;
    return event_refuse(x, LT_ATTR_UNIT, "unknown-province",
                        "unit: expected a code with a province (letter and two digits, as in H22.01 or 000.00.01.H22), "
                        "got \"" LT_SPAN_FMT "\"",
                        (int)LT_MIN(x->attrs[LT_ATTR_UNIT].text.len, (size_t)64), x->attrs[LT_ATTR_UNIT].text.ptr);
}

/* ---- data ---- */

static bool event_tell(void *ctx, struct lt_json_teller *t)
{
    return lt_value_tell(ctx, t);
}

static int event_data(struct event_make *x)
{
    struct lt_json_limits limits = {.bytes_max = EVENT_DATA_MAX, .depth_max = LT_SHAPE_DEPTH * 3};
    struct lt_err err = LT_ERR_INIT;
    LT_AUTO_JSON struct lt_json *json = NULL;
    struct lt_json_writer w;

    lt_buf_reset(&x->t->out);
    lt_json_writer_init(&w, &x->t->out);
    lt_value_write(&x->data, &w);
    if (!lt_buf_ok(&x->t->out)) {
        lt_refusal_set(x->e.refusal, 422, "canonical-schema", "", "data: expected at most %u bytes", EVENT_DATA_MAX);
        return -1;
    }
    /* Nearly always it conforms: the document that names the place is made only when it does not. */
    if (lt_json_schema_accepts(x->t->m->canonical[x->type], event_tell, &x->data))
        return 0;
    if (lt_json_parse(lt_buf_view(&x->t->out), &limits, &json, &err) == LT_OK &&
        lt_json_schema_check(x->t->m->canonical[x->type], lt_json_root(json), &err) == LT_OK)
        return 0;
    lt_refusal_set(x->e.refusal, 422, "canonical-schema", err.pointer, "canonical data of %s: %s: %s",
                   x->t->m->types[x->type].word, err.pointer[0] ? err.pointer : "/", err.text);
    lt_place_spot(x->at, x->e.refusal->pointer, sizeof(x->e.refusal->pointer), &x->e.refusal->line);
    return -1;
}

/* ---- identity and digest ---- */

static struct lt_span event_hash_end(struct event_make *x, struct lt_arena *keep, size_t bytes)
{
    uint8_t sum[LT_SHA256_SIZE];
    char *hex = lt_arena_alloc(keep, 2 * bytes + 1);

    lt_sha256_final(x->t->sha, sum);
    lt_hex(sum, bytes, hex);
    return lt_span(hex, 2 * bytes);
}

static struct lt_span event_id(struct event_make *x, struct lt_arena *keep)
{
    struct lt_sha256 *h = x->t->sha;

    lt_sha256_field(h, x->attrs[LT_ATTR_SOURCE].normal);
    lt_sha256_field(h, x->attrs[LT_ATTR_SUBJECT].normal);
    for (size_t i = 0; i < x->m->identity_len; i++) {
        const struct lt_identity *id = &x->m->identity[i];
        const struct lt_value *v = id->is_ref ? lt_ref_value(&id->ref, &x->data) : &x->attrs[id->attr];
        if (!id->is_ref && id->attr == LT_ATTR_TYPE)
            lt_sha256_field(h, lt_span_str(x->t->m->types[x->type].word));
        else
            lt_sha256_field(h, v ? v->normal : LT_SPAN_NULL);
    }
    return event_hash_end(x, keep, LT_EVENT_ID_LEN / 2);
}

static struct lt_span event_digest(struct event_make *x, struct lt_arena *keep)
{
    struct lt_sha256 *h = x->t->sha;

    lt_sha256_field(h, x->attrs[LT_ATTR_SOURCE].normal);
    lt_sha256_field(h, lt_span_str(x->t->m->types[x->type].word));
    for (size_t i = 0; i < x->m->digest_len[x->type]; i++)
        lt_ref_hash(&x->m->digest[x->type][i], &x->data, h);
    return event_hash_end(x, keep, LT_EVENT_DIGEST_LEN / 2);
}

static void event_fill(struct event_make *x, struct lt_arena *keep, struct lt_item *ret)
{
    struct lt_event *e = &ret->event;
    char *time = lt_arena_alloc(keep, 30);

    lt_time_rfc3339(x->e.time_ms, time);
    *e = (struct lt_event){
        .id = event_id(x, keep),
        .source = lt_arena_span(keep, x->attrs[LT_ATTR_SOURCE].text),
        .type = lt_span_str(x->t->m->types[x->type].type),
        .subject = lt_arena_span(keep, x->attrs[LT_ATTR_SUBJECT].text),
        .time = lt_span_str(time),
        .province = lt_arena_span(keep, x->province),
        .unit = lt_arena_span(keep, x->unit),
        .procedure = lt_arena_span(keep, x->attrs[LT_ATTR_PROCEDURE].text),
        .channel = lt_arena_span(keep, x->attrs[LT_ATTR_CHANNEL].text),
        .digest = event_digest(x, keep),
        .digest_v = x->m->profile->version,
        .data = lt_arena_span(keep, lt_buf_view(&x->t->out)),
    };
    e->key = lt_span_str(
        lt_arena_printf(keep, LT_SPAN_FMT "/" LT_SPAN_FMT, LT_SPAN_ARG(e->province), LT_SPAN_ARG(e->subject)));
    ret->accepted = true;
    ret->type_word = x->t->m->types[x->type].word;
    ret->truncated = x->e.truncated;
    memcpy(ret->cut, x->e.cut, sizeof(ret->cut));
}

/* What is known of a refused event: enough to hold back later events of the same dossier (protocol 4). */
static void event_sketch(struct event_make *x, struct lt_arena *keep, struct lt_event *ret)
{
    struct lt_span province = x->attrs[LT_ATTR_PROVINCE].text;

    if (!event_is_level1(province) && !event_province_of(x->attrs[LT_ATTR_UNIT].text, &province))
        province = LT_SPAN_NULL;
    *ret = (struct lt_event){
        .source = lt_arena_span(keep, x->attrs[LT_ATTR_SOURCE].text),
        .subject = lt_arena_span(keep, x->attrs[LT_ATTR_SUBJECT].text),
        .province = lt_arena_span(keep, province),
        .unit = lt_arena_span(keep, x->attrs[LT_ATTR_UNIT].text),
    };
    if (ret->province.len && ret->subject.len)
        ret->key = lt_span_str(
            lt_arena_printf(keep, LT_SPAN_FMT "/" LT_SPAN_FMT, LT_SPAN_ARG(province), LT_SPAN_ARG(ret->subject)));
}

void lt_event_sketch(struct lt_translator *t, const struct lt_mapping *m, struct lt_place *at, struct lt_arena *keep,
                     struct lt_item *ret)
{
    static const enum lt_attr wanted[] = {LT_ATTR_SOURCE, LT_ATTR_SUBJECT, LT_ATTR_PROVINCE, LT_ATTR_UNIT};
    struct lt_refusal ignored;
    struct event_make x;

    event_start(&x, t, m, at, &ignored);
    x.e.tracing = false;
    for (size_t i = 0; i < LT_ARRAY_LEN(wanted); i++)
        if (event_attr(&x, wanted[i]))
            x.attrs[wanted[i]] = (struct lt_value){0};
    event_sketch(&x, keep, &ret->event);
}

void lt_event_make(struct lt_translator *t, const struct lt_mapping *m, struct lt_place *at, struct lt_arena *keep,
                   struct lt_item *ret)
{
    struct event_make x;

    event_start(&x, t, m, at, &ret->refusal);
    if (event_attributes(&x) || event_unit_known(&x) || lt_shape_eval(&x.e, &m->data, at, &x.data) || event_unit(&x) ||
        event_province(&x) || event_data(&x))
        lt_event_sketch(t, m, at, keep, ret);
    else
        event_fill(&x, keep, ret);
    if (t->observer)
        t->observer->item(t->observer->arg, m, ret, x.attrs, &x.data);
}
