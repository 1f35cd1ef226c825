/* `lienthong explain`: for each canonical field the rule that made it, the place it came from and the steps in between.
 */
#include <stdio.h>

#include "gateway/base/text.h"
#include "gateway/mapping/item_json.h"
#include "gateway/mapping/rules.h"

#define EXPLAIN_CELL_MAX 60 /* characters of a value in the text table */

enum { COL_FIELD, COL_VALUE, COL_RULE, COL_PLACE, COL_STEPS, COLS };

struct explain_row {
    struct lt_span cell[COLS];
    int line; /* of the place */
};

struct explain_item {
    struct lt_span json; /* the item in the form of examples */
    struct lt_span head; /* the same for people */
    struct explain_row *rows;
    size_t len;
};

struct explain {
    struct lt_arena arena;
    LT_VEC(struct explain_item) items;
    LT_VEC(struct explain_row) rows; /* of the item at hand */
};

/* ---- collecting ---- */

static void explain_row(struct explain *x, struct lt_span field, const struct lt_value *v)
{
    struct explain_row *row = lt_vec_push(&x->rows);
    struct lt_arena *a = &x->arena;

    memset(row, 0, sizeof(*row));
    row->cell[COL_FIELD] = lt_arena_span(a, field);
    row->cell[COL_VALUE] = lt_arena_span(a, v->text);
    row->cell[COL_RULE] = lt_span_str(lt_arena_printf(a, "%s:%d", v->rule->node->file, v->rule->node->line));
    row->cell[COL_PLACE] = lt_arena_span(a, lt_span_str(v->trace ? v->trace->place : ""));
    row->cell[COL_STEPS] = lt_arena_span(a, lt_span_str(v->trace ? v->trace->steps : ""));
    row->line = v->trace ? v->trace->line : 0;
}

static void explain_tree(struct explain *x, struct lt_buf *pointer, const struct lt_value *v)
{
    size_t mark = pointer->len;

    if (!v->shape || !v->present)
        return;
    if (v->shape->kind == LT_SHAPE_VALUE) {
        explain_row(x, lt_buf_view(pointer), v);
        return;
    }
    for (size_t i = 0, n = 0; i < v->len; i++) {
        if (!v->kids[i].shape || !v->kids[i].present)
            continue;
        if (v->shape->kind == LT_SHAPE_LIST)
            lt_buf_printf(pointer, "/%zu", n++);
        else
            lt_buf_printf(pointer, "/" LT_SPAN_FMT, LT_SPAN_ARG(v->kids[i].shape->name));
        explain_tree(x, pointer, &v->kids[i]);
        pointer->len = mark;
    }
}

static struct lt_span explain_head(struct explain *x, const struct lt_mapping *m, const struct lt_item *item)
{
    const struct lt_event *e = &item->event;
    const struct lt_refusal *r = &item->refusal;
    char line[32] = "";

    if (item->accepted)
        return lt_span_str(lt_arena_printf(
            &x->arena,
            "accepted " LT_SPAN_FMT "\n  key " LT_SPAN_FMT ", time " LT_SPAN_FMT ", unit " LT_SPAN_FMT
            ", procedure " LT_SPAN_FMT "\n  ce_id " LT_SPAN_FMT ", digest " LT_SPAN_FMT " (%s version %u)",
            LT_SPAN_ARG(e->type), LT_SPAN_ARG(e->key), LT_SPAN_ARG(e->time), LT_SPAN_ARG(e->unit),
            LT_SPAN_ARG(e->procedure), LT_SPAN_ARG(e->id), LT_SPAN_ARG(e->digest), m->profile->name, e->digest_v));
    if (r->line)
        snprintf(line, sizeof(line), ", line %d", r->line);
    return lt_span_str(lt_arena_printf(&x->arena, "refused %d %s: %s\n  at %s%s", r->status, r->code, r->detail,
                                       r->pointer[0] ? r->pointer : "/", line));
}

static void explain_item(void *arg, const struct lt_mapping *m, const struct lt_item *item,
                         const struct lt_value *attrs, const struct lt_value *data)
{
    struct explain *x = arg;
    struct explain_item *out = lt_vec_push(&x->items);
    LT_AUTOBUF struct lt_buf json = LT_BUF_INIT(64u << 20), pointer = LT_BUF_INIT(1024);
    struct lt_json_writer w;

    memset(out, 0, sizeof(*out));
    x->rows.len = 0;
    for (int i = 0; attrs && i < LT_ATTRS; i++)
        if (attrs[i].rule && attrs[i].present)
            explain_row(x, lt_span_str(lt_attr_names[i]), &attrs[i]);
    if (data)
        explain_tree(x, &pointer, data);
    lt_json_writer_init(&w, &json);
    lt_item_json(item, &w);
    out->json = lt_arena_span(&x->arena, lt_buf_view(&json));
    out->head = explain_head(x, m, item);
    out->len = x->rows.len;
    out->rows = lt_arena_alloc(&x->arena, out->len * sizeof(*out->rows));
    if (out->len)
        memcpy(out->rows, x->rows.v, out->len * sizeof(*out->rows));
}

/* ---- printing ---- */

static size_t explain_width(struct lt_span s)
{
    return LT_MIN(lt_text_chars(s), (size_t)EXPLAIN_CELL_MAX);
}

/* A value is cut at its end; of a rule or a place the end is what tells (line, element), so the beginning goes. */
static void explain_cell(struct lt_buf *out, struct lt_span s, size_t width, int column)
{
    size_t chars = lt_text_chars(s);

    if (column == COL_STEPS || chars <= EXPLAIN_CELL_MAX) {
        lt_buf_span(out, s);
    } else if (column == COL_RULE || column == COL_PLACE) {
        size_t cut = lt_text_first_chars(s, chars - (EXPLAIN_CELL_MAX - 1)).len;
        lt_buf_str(out, "…");
        lt_buf_span(out, lt_span(s.ptr + cut, s.len - cut));
        chars = EXPLAIN_CELL_MAX;
    } else {
        lt_buf_span(out, lt_text_first_chars(s, EXPLAIN_CELL_MAX - 1));
        lt_buf_str(out, "…");
        chars = EXPLAIN_CELL_MAX;
    }
    for (; column != COL_STEPS && chars < width + 2; chars++)
        lt_buf_char(out, ' ');
}

static void explain_table(struct explain *x, const struct explain_item *item, struct lt_buf *out)
{
    static const char *const titles[COLS] = {"FIELD", "VALUE", "RULE", "PLACE", "STEPS"};
    size_t width[COLS];

    for (int c = 0; c < COLS; c++)
        width[c] = strlen(titles[c]);
    for (size_t i = 0; i < item->len; i++) {
        struct explain_row *row = &item->rows[i];
        if (row->line)
            row->cell[COL_PLACE] = lt_span_str(
                lt_arena_printf(&x->arena, LT_SPAN_FMT " (line %d)", LT_SPAN_ARG(row->cell[COL_PLACE]), row->line));
        for (int c = 0; c < COLS; c++)
            width[c] = LT_MAX(width[c], explain_width(row->cell[c]));
    }
    for (int c = 0; c < COLS; c++)
        explain_cell(out, lt_span_str(titles[c]), width[c], c);
    lt_buf_char(out, '\n');
    for (size_t i = 0; i < item->len; i++) {
        for (int c = 0; c < COLS; c++)
            explain_cell(out, item->rows[i].cell[c], width[c], c);
        lt_buf_char(out, '\n');
    }
}

static void explain_text(struct explain *x, const struct lt_translation *t, struct lt_buf *out)
{
    lt_buf_printf(out, "mapping %s, %s\n", t->mapping ? t->mapping : "none", t->batch ? "a batch" : "one input");
    if (t->refused)
        lt_buf_printf(out, "refused %d %s: %s\n", t->refusal.status, t->refusal.code, t->refusal.detail);
    for (size_t i = 0; i < x->items.len; i++) {
        lt_buf_printf(out, "\nevent %zu: " LT_SPAN_FMT "\n\n", i + 1, LT_SPAN_ARG(x->items.v[i].head));
        if (x->items.v[i].len)
            explain_table(x, &x->items.v[i], out);
    }
}

static void explain_json_row(const struct explain_row *row, struct lt_json_writer *w)
{
    static const char *const names[COLS] = {"field", "value", "rule", "place", "steps"};

    lt_json_begin_object(w);
    for (int c = 0; c < COLS; c++)
        lt_json_str(w, names[c], row->cell[c]);
    if (row->line)
        lt_json_num(w, "line", row->line);
    lt_json_end_object(w);
}

static void explain_json(const struct explain *x, const struct lt_translation *t, struct lt_buf *out)
{
    struct lt_json_writer w;

    lt_json_writer_init(&w, out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "mapping", lt_span_str(t->mapping ? t->mapping : ""));
    lt_json_flag(&w, "batch", t->batch);
    if (t->refused) {
        lt_json_key(&w, LT_SPAN_LIT("refusal"));
        lt_refusal_json(&t->refusal, &w);
    }
    lt_json_key(&w, LT_SPAN_LIT("items"));
    lt_json_begin_array(&w);
    for (size_t i = 0; i < x->items.len; i++) {
        const struct explain_item *item = &x->items.v[i];
        lt_json_begin_object(&w);
        lt_json_key(&w, LT_SPAN_LIT("event"));
        lt_json_put_raw(&w, item->json);
        lt_json_key(&w, LT_SPAN_LIT("rules"));
        lt_json_begin_array(&w);
        for (size_t j = 0; j < item->len; j++)
            explain_json_row(&item->rows[j], &w);
        lt_json_end_array(&w);
        lt_json_end_object(&w);
    }
    lt_json_end_array(&w);
    lt_json_end_object(&w);
    lt_buf_char(out, '\n');
}

void lt_explain(struct lt_translator *t, const struct lt_input *in, bool json, struct lt_buf *out)
{
    struct explain x = {.arena = LT_ARENA_INIT};
    struct lt_observer observer = {explain_item, &x};
    struct lt_translation result;

    lt_translation_init(&result);
    t->observer = &observer;
    lt_translate(t, in, &result);
    t->observer = NULL;
    if (json)
        explain_json(&x, &result, out);
    else
        explain_text(&x, &result, out);
    lt_translation_deinit(&result);
    lt_vec_deinit(&x.items);
    lt_vec_deinit(&x.rows);
    lt_arena_deinit(&x.arena);
}
