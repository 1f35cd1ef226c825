#include "gateway/mapping/item_json.h"

void lt_refusal_json(const struct lt_refusal *r, struct lt_json_writer *w)
{
    lt_json_begin_object(w);
    lt_json_str(w, "refused", lt_span_str(r->code));
    lt_json_num(w, "status", r->status);
    lt_json_str(w, "detail", lt_span_str(r->detail));
    if (r->field[0])
        lt_json_str(w, "field", lt_span_str(r->field));
    if (r->pointer[0])
        lt_json_str(w, "pointer", lt_span_str(r->pointer));
    if (r->line)
        lt_json_num(w, "line", r->line);
    if (r->column)
        lt_json_num(w, "column", r->column);
    lt_json_end_object(w);
}

void lt_item_json(const struct lt_item *item, struct lt_json_writer *w)
{
    const struct lt_event *e = &item->event;

    if (!item->accepted) {
        lt_refusal_json(&item->refusal, w);
        return;
    }
    lt_json_begin_object(w);
    lt_json_str(w, "type", lt_span_str(item->type_word));
    lt_json_str(w, "source", e->source);
    lt_json_str(w, "subject", e->subject);
    lt_json_str(w, "time", e->time);
    lt_json_str(w, "province", e->province);
    lt_json_str(w, "unit", e->unit);
    lt_json_str(w, "procedure", e->procedure);
    lt_json_str(w, "channel", e->channel);
    lt_json_str(w, "id", e->id);
    lt_json_str(w, "digest", e->digest);
    lt_json_num(w, "digest_v", e->digest_v);
    lt_json_key(w, LT_SPAN_LIT("data"));
    lt_json_put_raw(w, e->data);
    lt_json_end_object(w);
}

/* ---- comparing ---- */

static void same_write(lt_json_value v, struct lt_buf *out)
{
    if (lt_json_present(v))
        lt_json_write(v, out);
    else
        lt_buf_str(out, "nothing");
}

static bool same_not(lt_json_value want, lt_json_value got, struct lt_buf *expected, struct lt_buf *found)
{
    same_write(want, expected);
    same_write(got, found);
    return false;
}

static void same_push(struct lt_buf *pointer, struct lt_span name)
{
    lt_buf_char(pointer, '/');
    lt_buf_span(pointer, name);
}

static bool same_object(lt_json_value want, lt_json_value got, bool strict, struct lt_buf *pointer,
                        struct lt_buf *expected, struct lt_buf *found)
{
    size_t mark = pointer->len;
    struct lt_span name;

    for (size_t i = 0; i < lt_json_len(want); i++) {
        lt_json_value v = lt_json_member_at(want, i, &name);
        same_push(pointer, name);
        if (!lt_json_same(v, lt_json_member(got, name), true, pointer, expected, found))
            return false;
        pointer->len = mark;
    }
    for (size_t i = 0; strict && i < lt_json_len(got); i++) {
        lt_json_value v = lt_json_member_at(got, i, &name);
        if (lt_json_present(lt_json_member(want, name)))
            continue;
        same_push(pointer, name);
        return same_not((lt_json_value){NULL}, v, expected, found);
    }
    return true;
}

static bool same_array(lt_json_value want, lt_json_value got, struct lt_buf *pointer, struct lt_buf *expected,
                       struct lt_buf *found)
{
    size_t mark = pointer->len;

    for (size_t i = 0; i < lt_json_len(want) || i < lt_json_len(got); i++) {
        lt_buf_printf(pointer, "/%zu", i);
        if (!lt_json_same(lt_json_at(want, i), lt_json_at(got, i), true, pointer, expected, found))
            return false;
        pointer->len = mark;
    }
    return true;
}

bool lt_json_same(lt_json_value want, lt_json_value got, bool strict, struct lt_buf *pointer, struct lt_buf *expected,
                  struct lt_buf *found)
{
    LT_AUTOBUF struct lt_buf a = LT_BUF_INIT(1u << 20), b = LT_BUF_INIT(1u << 20);

    if (!lt_json_present(want) || !lt_json_present(got) || lt_json_type_of(want) != lt_json_type_of(got))
        return same_not(want, got, expected, found);
    if (lt_json_type_of(want) == LT_JSON_OBJECT)
        return same_object(want, got, strict, pointer, expected, found);
    if (lt_json_type_of(want) == LT_JSON_ARRAY)
        return same_array(want, got, pointer, expected, found);
    lt_json_write(want, &a);
    lt_json_write(got, &b);
    return lt_span_eq(lt_buf_view(&a), lt_buf_view(&b)) || same_not(want, got, expected, found);
}
