#include "gateway/ingest/answer.h"

static void member(struct lt_buf *out, const char *name, const char *value)
{
    if (!*value)
        return;
    if (out->len)
        lt_buf_char(out, ',');
    lt_buf_printf(out, "\"%s\":", name);
    lt_buf_json(out, lt_span_str(value));
}

static void member_number(struct lt_buf *out, const char *name, int value)
{
    if (value <= 0)
        return;
    if (out->len)
        lt_buf_char(out, ',');
    lt_buf_printf(out, "\"%s\":%d", name, value);
}

static void refusal_problem(const struct lt_refusal *r, struct lt_buf *out)
{
    LT_AUTOBUF struct lt_buf extra = LT_BUF_INIT(8192);
    member(&extra, "field", r->field);
    member(&extra, "pointer", r->pointer);
    member_number(&extra, "line", r->line);
    member_number(&extra, "column", r->column);
    lt_http_problem_json(out, r->status, r->code, r->detail, extra.ptr);
}

static const char *durability(const struct lt_submission *s)
{
    const struct lt_config *c = s->intake->config;
    return c->topics.replication >= 2 && c->topics.min_insync >= 2 ? "replicated" : "single-node";
}

static void accepted_members(const struct lt_submission *s, const struct lt_submission_item *it, struct lt_buf *out)
{
    lt_buf_str(out, "\"receipt\":");
    lt_buf_json(out, lt_span_str(it->receipt));
    lt_buf_str(out, ",\"id\":");
    lt_buf_json(out, it->event->id);
    lt_buf_printf(out, ",\"status\":\"accepted\",\"durability\":\"%s\"", durability(s));
    const struct lt_item *item = lt_submission_item_made(it);
    for (size_t i = 0; i < LT_MIN((size_t)item->truncated, LT_ARRAY_LEN(item->cut)); i++) {
        lt_buf_str(out, i ? "," : ",\"truncated\":[");
        lt_buf_json(out, lt_span_str(item->cut[i]));
    }
    if (item->truncated)
        lt_buf_char(out, ']');
}

static void write_item(const struct lt_submission *s, const struct lt_submission_item *it, size_t index,
                       struct lt_buf *out)
{
    lt_buf_printf(out, "%s{\"index\":%zu,", index ? ",\n" : "", index);
    switch (it->state) {
    case LT_ITEM_ACCEPTED:
        accepted_members(s, it, out);
        break;
    case LT_ITEM_REFUSED:
        lt_buf_str(out, "\"status\":\"refused\",\"problem\":");
        refusal_problem(&it->refusal, out);
        break;
    case LT_ITEM_NOT_ATTEMPTED:
        lt_buf_str(out, "\"status\":\"not-attempted\"");
        break;
    case LT_ITEM_UNAVAILABLE:
    case LT_ITEM_PENDING:
        lt_buf_str(out, "\"status\":\"unavailable\",\"problem\":");
        lt_http_problem_json(out, 503, it->code, lt_intake_explain(it->code), NULL);
        break;
    }
    lt_buf_char(out, '}');
}

static void single(const struct lt_submission *s, const struct lt_submission_item *it, struct lt_answer *ret)
{
    if (it->state == LT_ITEM_ACCEPTED) {
        ret->status = 202;
        lt_buf_char(&ret->body, '{');
        accepted_members(s, it, &ret->body);
        lt_buf_char(&ret->body, '}');
    } else if (it->state == LT_ITEM_REFUSED) {
        ret->status = it->refusal.status;
        ret->problem = true;
        refusal_problem(&it->refusal, &ret->body);
    } else {
        ret->status = 503;
        ret->problem = true;
        ret->retry_after_s = lt_intake_retry_after(it->code);
        lt_http_problem_json(&ret->body, 503, it->code, lt_intake_explain(it->code), NULL);
    }
}

/* The item that explains why nothing at all was decided, NULL when something was. */
static const struct lt_submission_item *nothing_decided(const struct lt_submission *s)
{
    const struct lt_submission_item *why = NULL;
    for (size_t i = 0; i < s->items.len; i++) {
        if (s->items.v[i].state == LT_ITEM_ACCEPTED || s->items.v[i].state == LT_ITEM_REFUSED)
            return NULL;
        if (s->items.v[i].state == LT_ITEM_UNAVAILABLE && !why)
            why = &s->items.v[i];
    }
    return why;
}

/* How many items ended how, those that did. */
static void counts(const struct lt_submission *s, struct lt_buf *out)
{
    static const char *const names[] = {[LT_ITEM_ACCEPTED] = "accepted",
                                        [LT_ITEM_REFUSED] = "refused",
                                        [LT_ITEM_NOT_ATTEMPTED] = "not_attempted",
                                        [LT_ITEM_UNAVAILABLE] = "unavailable"};
    size_t n[LT_ARRAY_LEN(names)] = {0};
    for (size_t i = 0; i < s->items.len; i++) /* what is pending is shown as unavailable */
        n[s->items.v[i].state == LT_ITEM_PENDING ? LT_ITEM_UNAVAILABLE : s->items.v[i].state]++;
    for (size_t i = LT_ITEM_ACCEPTED; i < LT_ARRAY_LEN(names); i++)
        lt_buf_printf(out, "%s\"%s\":%zu", i == LT_ITEM_ACCEPTED ? "{" : ",", names[i], n[i]);
}

void lt_answer_of(const struct lt_submission *s, struct lt_answer *ret)
{
    *ret = (struct lt_answer){.body = LT_BUF_INIT(SIZE_MAX)};
    lt_buf_reserve(&ret->body, 256 * s->items.len);
    const struct lt_submission_item *why = nothing_decided(s);
    if (!lt_submission_is_batch(s) || why) {
        single(s, why ? why : &s->items.v[0], ret);
        return;
    }
    ret->status = 200;
    counts(s, &ret->body);
    lt_buf_str(&ret->body, ",\"items\":[\n"); /* a line each: who has 400 of them looks with an editor */
    for (size_t i = 0; i < s->items.len; i++) {
        write_item(s, &s->items.v[i], i, &ret->body);
        if (s->items.v[i].state == LT_ITEM_UNAVAILABLE)
            ret->retry_after_s = LT_MAX(ret->retry_after_s, lt_intake_retry_after(s->items.v[i].code));
    }
    lt_buf_str(&ret->body, "\n]}");
}

void lt_answer_deinit(struct lt_answer *a)
{
    lt_buf_deinit(&a->body);
}
