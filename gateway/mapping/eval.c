/* Running rules over places: values, their normal form, tables, limits; and what a refusal says about its spot. */
#include <stdarg.h>
#include <stdio.h>

#include "gateway/base/text.h"
#include "gateway/mapping/rules.h"

/* ---- refusals and traces ---- */

void lt_refusal_set(struct lt_refusal *r, int status, const char *code, const char *field, const char *fmt, ...)
{
    va_list ap;

    memset(r, 0, sizeof(*r));
    r->status = status;
    snprintf(r->code, sizeof(r->code), "%s", code);
    snprintf(r->field, sizeof(r->field), "%s", field ? field : "");
    va_start(ap, fmt);
    vsnprintf(r->detail, sizeof(r->detail), fmt, ap);
    va_end(ap);
}

void lt_refusal_at(struct lt_eval *e, const struct lt_rule *r, struct lt_place *at)
{
    struct lt_refusal *out = e->refusal;

    if (r->from_len)
        lt_path_spot(&e->walk, &r->from[0], at, out->pointer, sizeof(out->pointer), &out->line);
    else
        lt_place_spot(at, out->pointer, sizeof(out->pointer), &out->line);
}

#define eval_refuse(e, r, at, code, ...)                                                                               \
    (lt_refusal_set((e)->refusal, 422, (code), (r)->field, __VA_ARGS__), lt_refusal_at((e), (r), (at)), -1)

void lt_eval_step(struct lt_eval *e, struct lt_value *v, const char *fmt, ...)
{
    char step[512];
    va_list ap;

    if (!v->trace)
        return;
    va_start(ap, fmt);
    vsnprintf(step, sizeof(step), fmt, ap);
    va_end(ap);
    v->trace->steps = lt_arena_printf(e->arena, "%s%s%s", v->trace->steps, v->trace->steps[0] ? "; " : "", step);
}

static void eval_trace_spot(struct lt_eval *e, struct lt_value *v, const struct lt_path *p, struct lt_place *at)
{
    char spot[256];

    if (!v->trace || v->trace->place[0])
        return;
    lt_path_spot(&e->walk, p, at, spot, sizeof(spot), &v->trace->line);
    v->trace->place = lt_arena_str(e->arena, lt_span_str(spot));
}

/* ---- steps of a value rule ---- */

/* Text of one path in normal form; empty when there is none. */
static int eval_path(struct lt_eval *e, const struct lt_rule *r, const struct lt_path *p, struct lt_place *at,
                     struct lt_span *ret)
{
    struct lt_span text = LT_SPAN_NULL;
    int rc = lt_path_text(&e->walk, p, at, &text);

    *ret = LT_SPAN_NULL;
    if (rc == LT_PATH_ABSENT)
        return 0;
    if (rc == LT_PATH_TEXT) {
        *ret = lt_text_normal(e->arena, text);
        return 0;
    }
    if (rc == LT_PATH_NO_TEXT)
        lt_refusal_set(e->refusal, 422, "bad-value", r->field, "%s: %s", r->field, e->walk.err.text);
    else
        lt_refusal_set(e->refusal, 422, "path-limit", r->field, "%s: %s", r->field, e->walk.err.text);
    lt_path_spot(&e->walk, p, at, e->refusal->pointer, sizeof(e->refusal->pointer), &e->refusal->line);
    return -1;
}

static int eval_join(struct lt_eval *e, const struct lt_rule *r, struct lt_place *at, struct lt_value *v)
{
    struct lt_span parts[8];
    size_t n = 0, len = 0;
    char *out;

    for (size_t i = 0; i < r->from_len && n < LT_ARRAY_LEN(parts); i++) {
        if (eval_path(e, r, &r->from[i], at, &parts[n]))
            return -1;
        if (!parts[n].len)
            continue;
        eval_trace_spot(e, v, &r->from[i], at);
        len += parts[n++].len + r->with.len;
    }
    out = lt_arena_alloc(e->arena, len + 1);
    len = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && r->with.len) {
            memcpy(out + len, r->with.ptr, r->with.len);
            len += r->with.len;
        }
        memcpy(out + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    v->text = lt_text_normal(e->arena, lt_span(out, len)); /* a join can bring combining characters together */
    if (n > 1)
        lt_eval_step(e, v, "joined %zu", n);
    return 0;
}

static int eval_fetch(struct lt_eval *e, const struct lt_rule *r, struct lt_place *at, struct lt_value *v)
{
    if (r->is_const) {
        v->text = r->constant;
        lt_eval_step(e, v, "const");
        return 0;
    }
    if (r->join)
        return eval_join(e, r, at, v);
    for (size_t i = 0; i < r->from_len; i++) {
        if (eval_path(e, r, &r->from[i], at, &v->text))
            return -1;
        if (v->text.len) {
            eval_trace_spot(e, v, &r->from[i], at);
            return 0;
        }
    }
    return 0;
}

static bool eval_is_year(struct lt_span s)
{
    uint64_t year;
    return s.len == 4 && lt_span_u64(s, &year) && year >= 1800 && year < 2200;
}

/* 1900 to 2199: digits of another form that are read as an epoch (20240105083000) land far outside. */
static bool eval_is_plausible(int64_t ms)
{
    return ms >= INT64_C(-2208988800000) && ms < INT64_C(7258118400000);
}

static int eval_format(struct lt_eval *e, const struct lt_rule *r, struct lt_place *at, struct lt_value *v)
{
    for (size_t i = 0; i < r->formats_len; i++) {
        if (r->formats[i] == LT_FORMAT_YEAR) {
            if (!eval_is_year(v->text))
                continue;
            lt_eval_step(e, v, "format yyyy");
            return 0;
        }
        if (!lt_time_parse((enum lt_time_format)r->formats[i], v->text, &v->ms) || !eval_is_plausible(v->ms))
            continue;
        v->has_ms = true;
        char *out = lt_arena_alloc(e->arena, 16);
        if (r->as_date)
            lt_time_date(v->ms, out);
        else
            lt_time_portal(v->ms, out);
        if (v->trace)
            lt_eval_step(e, v, "format %s: " LT_SPAN_FMT " -> %s",
                         lt_time_format_name((enum lt_time_format)r->formats[i]), LT_SPAN_ARG(v->text), out);
        v->text = lt_span_str(out);
        return 0;
    }
    return eval_refuse(
        e, r, at, "bad-date", "%s: expected a date that exists, as %s%s, got \"" LT_SPAN_FMT "\"", r->field,
        r->formats[0] == LT_FORMAT_YEAR ? "yyyy" : lt_time_format_name((enum lt_time_format)r->formats[0]),
        r->formats_len > 1 ? " or another form of the rule" : "", (int)LT_MIN(v->text.len, (size_t)64), v->text.ptr);
}

static int eval_word_compare(const void *key, const void *word)
{
    const struct lt_span *a = key, *b = &((const struct lt_word *)word)->from;
    int d = memcmp(a->ptr, b->ptr, LT_MIN(a->len, b->len));
    return d ? d : (a->len > b->len) - (a->len < b->len);
}

static int eval_vocabulary(struct lt_eval *e, const struct lt_rule *r, struct lt_place *at, struct lt_value *v)
{
    const struct lt_vocabulary *voc = r->normal;
    const struct lt_word *word = bsearch(&v->text, voc->words, voc->len, sizeof(*voc->words), eval_word_compare);

    if (!word)
        return eval_refuse(e, r, at, "unknown-word",
                           "%s: expected a word of the vocabulary %s, got \"" LT_SPAN_FMT "\"", r->field, voc->name,
                           (int)LT_MIN(v->text.len, (size_t)64), v->text.ptr);
    if (v->trace)
        lt_eval_step(e, v, "normal %s: " LT_SPAN_FMT " -> " LT_SPAN_FMT, voc->name, LT_SPAN_ARG(v->text),
                     LT_SPAN_ARG(word->to));
    v->text = word->to;
    return 0;
}

static int eval_unknown_code(struct lt_eval *e, const struct lt_rule *r, struct lt_place *at, struct lt_value *v,
                             const struct lt_table_entry *other)
{
    char day[30];

    if (r->unknown == LT_UNKNOWN_KEEP) {
        lt_eval_step(e, v, "table %s: not there, kept", lt_table_name(r->table));
        return 0;
    }
    if (r->unknown == LT_UNKNOWN_DEFAULT) {
        lt_eval_step(e, v, "table %s: not there", lt_table_name(r->table));
        v->text = LT_SPAN_NULL;
        return 0;
    }
    if (!other)
        return eval_refuse(e, r, at, r->unknown_code, "%s: expected a code of the table %s, got \"" LT_SPAN_FMT "\"",
                           r->field, lt_table_name(r->table), (int)LT_MIN(v->text.len, (size_t)64), v->text.ptr);
    bool ended = other->to_ms <= e->time_ms;
    lt_time_rfc3339(ended ? other->to_ms : other->from_ms, day);
    return eval_refuse(
        e, r, at, r->unknown_code,
        "%s: expected a code of the table %s that is in force at the event's time, got %s, which %s %.10s", r->field,
        lt_table_name(r->table), other->code, ended ? "ended on" : "begins on", day);
}

static int eval_table(struct lt_eval *e, const struct lt_rule *r, struct lt_place *at, struct lt_value *v)
{
    const struct lt_table_entry *other, *entry = lt_table_lookup(r->table, v->text, e->time_ms, &other);
    struct lt_span was = v->text;

    /* The name of the unit that received the dossier outlives the unit; whether the event is accepted is the
     * attribute's affair. */
    if (!entry && other && lt_table_is_units(r->table) && other->to_ms <= e->time_ms)
        entry = other;
    if (!entry)
        return eval_unknown_code(e, r, at, v, other);
    v->text = lt_span_str(r->table_field ? lt_table_field(entry, r->table_field) : entry->value);
    if (v->trace)
        lt_eval_step(e, v, "table %s%s%s: " LT_SPAN_FMT " -> " LT_SPAN_FMT, lt_table_name(r->table),
                     r->table_field ? " field " : "", r->table_field ? r->table_field : "", LT_SPAN_ARG(was),
                     LT_SPAN_ARG(v->text));
    return 0;
}

static int eval_limits(struct lt_eval *e, const struct lt_rule *r, struct lt_place *at, struct lt_value *v)
{
    bool allowed = !r->one_of_len || !v->text.len;

    if (r->max && v->text.len > r->max) { /* no more characters than bytes */
        size_t chars = lt_text_chars(v->text);
        if (chars > r->max && !r->truncate)
            return eval_refuse(e, r, at, "too-long", "%s: expected at most %zu characters, got %zu", r->field, r->max,
                               chars);
        if (chars > r->max) {
            v->text = lt_span_trim(lt_text_first_chars(v->text, r->max));
            if (e->truncated < LT_ARRAY_LEN(e->cut))
                e->cut[e->truncated] = r->field;
            e->truncated++;
            lt_eval_step(e, v, "truncated %zu -> %zu characters", chars, r->max);
        }
    }
    if (r->required && !v->text.len)
        return eval_refuse(e, r, at, "field-missing", "%s: expected a value, got nothing", r->field);
    for (size_t i = 0; i < r->one_of_len && !allowed; i++)
        allowed = lt_span_eq(v->text, r->one_of[i]);
    if (!allowed)
        return eval_refuse(e, r, at, "bad-value",
                           "%s: expected one of %zu values (" LT_SPAN_FMT "%s), got \"" LT_SPAN_FMT "\"", r->field,
                           r->one_of_len, LT_SPAN_ARG(r->one_of[0]), r->one_of_len > 1 ? ", …" : "",
                           (int)LT_MIN(v->text.len, (size_t)64), v->text.ptr);
    if (r->pattern && v->text.len && !lt_glob_match(r->pattern, v->text))
        return eval_refuse(e, r, at, "bad-value", "%s: expected the form %s, got \"" LT_SPAN_FMT "\"", r->field,
                           r->pattern, (int)LT_MIN(v->text.len, (size_t)64), v->text.ptr);
    return 0;
}

int lt_rule_eval(struct lt_eval *e, const struct lt_rule *r, struct lt_place *at, struct lt_value *ret)
{
    *ret = (struct lt_value){.rule = r};
    if (e->tracing) {
        ret->trace = lt_arena_alloc(e->arena, sizeof(*ret->trace));
        ret->trace->place = ret->trace->steps = "";
    }
    if (eval_fetch(e, r, at, ret))
        return -1;
    if (ret->text.len && r->formats_len && eval_format(e, r, at, ret))
        return -1;
    if (ret->text.len && r->normal && eval_vocabulary(e, r, at, ret))
        return -1;
    ret->normal = ret->text;
    if (ret->text.len && r->table && !r->table_later && eval_table(e, r, at, ret))
        return -1;
    if (!ret->text.len && r->has_default) {
        ret->text = r->fallback;
        ret->present = true; /* `default: ""` writes the empty text */
        lt_eval_step(e, ret, "default");
    }
    ret->present |= ret->text.len > 0;
    return eval_limits(e, r, at, ret);
}

/* ---- the tree ---- */

static int eval_path_failed(struct lt_eval *e, const struct lt_shape *s, struct lt_place *at)
{
    lt_refusal_set(e->refusal, 422, "path-limit", s->pointer, "%s: %s", s->pointer, e->walk.err.text);
    lt_place_spot(at, e->refusal->pointer, sizeof(e->refusal->pointer), &e->refusal->line);
    return -1;
}

static int eval_object(struct lt_eval *e, const struct lt_shape *s, struct lt_place *at, struct lt_value *ret)
{
    if (s->has_place) {
        struct lt_place *inner;
        if (lt_path_place(&e->walk, &s->place, at, &inner) < 0)
            return eval_path_failed(e, s, at);
        if (!inner)
            return 0;
        at = inner;
    }
    ret->kids = lt_arena_alloc(e->arena, s->kids_len * sizeof(*ret->kids));
    ret->len = s->kids_len;
    for (size_t i = 0; i < s->kids_len; i++) {
        if (lt_shape_eval(e, &s->kids[i], at, &ret->kids[i]))
            return -1;
        ret->present |= ret->kids[i].present;
    }
    return 0;
}

static int eval_list(struct lt_eval *e, const struct lt_shape *s, struct lt_place *at, struct lt_value *ret)
{
    struct lt_place **places;
    size_t n = 0;

    if (lt_path_places(&e->walk, &s->place, at, &places, &n) < 0)
        return eval_path_failed(e, s, at);
    ret->present = true;
    ret->kids = lt_arena_alloc(e->arena, n * sizeof(*ret->kids));
    ret->len = n; /* also those that come out empty: a default must not change the count that the digest sees */
    for (size_t i = 0; i < n; i++)
        if (lt_shape_eval(e, s->element, places[i], &ret->kids[i]))
            return -1;
    return 0;
}

int lt_condition_holds(struct lt_walk *w, const struct lt_condition *c, struct lt_place *at)
{
    struct lt_span text;
    int rc;

    if (!c->has_value)
        return lt_path_exists(w, &c->path, at);
    rc = lt_path_text(w, &c->path, at, &text);
    return rc < 0 ? rc : rc == LT_PATH_TEXT && lt_span_eq(lt_span_trim(text), c->value);
}

int lt_shape_eval(struct lt_eval *e, const struct lt_shape *s, struct lt_place *at, struct lt_value *ret)
{
    int rc = 0;

    if (s->types && !(s->types & e->type_bit)) {
        *ret = (struct lt_value){.shape = s};
        return 0;
    }
    if (s->has_if) {
        rc = lt_condition_holds(&e->walk, &s->condition, at);
        if (rc < 0)
            return eval_path_failed(e, s, at);
        if (!rc) {
            *ret = (struct lt_value){.shape = s};
            return 0;
        }
    }
    if (s->kind == LT_SHAPE_VALUE) {
        rc = lt_rule_eval(e, &s->rule, at, ret);
        ret->shape = s;
        return rc;
    }
    *ret = (struct lt_value){.shape = s};
    return s->kind == LT_SHAPE_OBJECT ? eval_object(e, s, at, ret) : eval_list(e, s, at, ret);
}

void lt_value_write(const struct lt_value *v, struct lt_json_writer *w)
{
    switch (v->shape->kind) {
    case LT_SHAPE_VALUE:
        lt_json_put_string(w, v->text);
        break;
    case LT_SHAPE_LIST:
        lt_json_begin_array(w);
        for (size_t i = 0; i < v->len; i++)
            if (v->kids[i].present)
                lt_value_write(&v->kids[i], w);
        lt_json_end_array(w);
        break;
    case LT_SHAPE_OBJECT:
        lt_json_begin_object(w);
        for (size_t i = 0; i < v->len; i++)
            if (v->kids[i].present) {
                lt_json_key_ready(w, v->kids[i].shape->quoted);
                lt_value_write(&v->kids[i], w);
            }
        lt_json_end_object(w);
        break;
    }
}

bool lt_value_tell(const struct lt_value *v, struct lt_json_teller *t)
{
    size_t n = 0;
    bool on = true;

    switch (v->shape->kind) {
    case LT_SHAPE_VALUE:
        return lt_json_tell_string(t, v->text);
    case LT_SHAPE_LIST:
        on = lt_json_tell_begin_array(t);
        for (size_t i = 0; on && i < v->len; i++)
            if (v->kids[i].present) {
                on = lt_value_tell(&v->kids[i], t);
                n++;
            }
        return on && lt_json_tell_end_array(t, n);
    case LT_SHAPE_OBJECT:
        on = lt_json_tell_begin_object(t);
        for (size_t i = 0; on && i < v->len; i++)
            if (v->kids[i].present) {
                on = lt_json_tell_key(t, v->kids[i].shape->name) && lt_value_tell(&v->kids[i], t);
                n++;
            }
        return on && lt_json_tell_end_object(t, n);
    }
    return false;
}

/* ---- refs ---- */

/* In decimal; snprintf would take as long as hashing a dozen values. */
static void ref_hash_count(size_t n, struct lt_sha256 *h)
{
    char digits[24], *p = digits + sizeof(digits);

    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    lt_sha256_field(h, lt_span(p, (size_t)(digits + sizeof(digits) - p)));
}

static void ref_hash(const int *steps, size_t n, const struct lt_value *v, struct lt_sha256 *h)
{
    if (!n) {
        lt_sha256_field(h, v ? v->normal : LT_SPAN_NULL);
        return;
    }
    if (steps[0] != LT_REF_ALL) {
        bool there = v && v->kids && (size_t)steps[0] < v->len;
        ref_hash(steps + 1, n - 1, there ? &v->kids[steps[0]] : NULL, h);
        return;
    }
    size_t len = v ? v->len : 0;
    ref_hash_count(len, h);
    for (size_t i = 0; i < len; i++)
        ref_hash(steps + 1, n - 1, &v->kids[i], h);
}

void lt_ref_hash(const struct lt_ref *r, const struct lt_value *root, struct lt_sha256 *h)
{
    ref_hash(r->steps, r->len, root, h);
}

const struct lt_value *lt_ref_value(const struct lt_ref *r, const struct lt_value *root)
{
    for (size_t i = 0; i < r->len && root; i++)
        root = root->kids && (size_t)r->steps[i] < root->len ? &root->kids[r->steps[i]] : NULL;
    return root;
}
