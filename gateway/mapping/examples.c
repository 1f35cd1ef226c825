/* Running the examples of mappings: what `lienthong check` proves. */
#include <stdio.h>

#include "gateway/base/file.h"
#include "gateway/mapping/item_json.h"
#include "gateway/mapping/rules.h"

#define EXAMPLE_FILE_MAX (16u << 20)
#define EXAMPLE_DEPTH_MAX 64

struct examples {
    const struct lt_mappings *m;
    struct lt_translator *t;
    struct lt_diags *diags;
};

static char *example_read(struct examples *x, const struct lt_example *e, const char *path, const char *key,
                          size_t *ret_len)
{
    LT_AUTOFREE char *full = lt_path_beside(e->node->file, path);
    struct lt_err err = LT_ERR_INIT;
    char *text = NULL;

    if (lt_file_read(full, EXAMPLE_FILE_MAX, &text, ret_len, &err) == LT_OK)
        return text;
    lt_yaml_error(x->diags, lt_yaml_get(e->node, key), "%s: %s", key, err.text);
    return NULL;
}

static bool example_translate(struct examples *x, const struct lt_mapping *m, const struct lt_example *e,
                              struct lt_translation *ret)
{
    size_t len = 0, name_len = strlen(e->in);
    LT_AUTOFREE char *body = example_read(x, e, e->in, "in", &len);
    bool lines = name_len > 7 && strcmp(e->in + name_len - 7, ".ndjson") == 0;
    struct lt_input in = {.body = lt_span(body, len), .depth_max = EXAMPLE_DEPTH_MAX};

    if (!body)
        return false;
    in.media = lines                   ? LT_SPAN_LIT("application/x-ndjson")
               : m->kind == LT_DOC_XML ? LT_SPAN_LIT("application/xml")
                                       : LT_SPAN_LIT("application/json");
    lt_translate(x->t, &in, ret);
    for (size_t i = 0; i < ret->items.len; i++)
        ret->items.v[i].raw = LT_SPAN_NULL; /* lent from the body, which goes */
    return true;
}

/* ---- refused ---- */

static const char *example_last(const char *s)
{
    const char *slash = strrchr(s, '/');
    return slash ? slash + 1 : s;
}

static bool example_is_field(const char *want, const struct lt_refusal *r)
{
    return strcmp(want, r->field) == 0 || strcmp(want, example_last(r->field)) == 0 || strcmp(want, r->pointer) == 0 ||
           strcmp(want, example_last(r->pointer)) == 0;
}

static void example_check_refused(struct examples *x, const struct lt_example *e, const struct lt_translation *t)
{
    const struct lt_refusal *r = t->refused                                     ? &t->refusal
                                 : t->items.len == 1 && !t->items.v[0].accepted ? &t->items.v[0].refusal
                                                                                : NULL;
    const struct lt_yaml_node *at = lt_yaml_get(e->node, "refused");

    if (!r)
        lt_yaml_error(x->diags, at, "example %s: expected the refusal %s, got %zu item%s%s", e->in, e->refused,
                      t->items.len, t->items.len == 1 ? "" : "s", t->items.len == 1 ? ", accepted" : "");
    else if (strcmp(r->code, e->refused) != 0)
        lt_yaml_error(x->diags, at, "example %s: expected the refusal %s, got %s: %s", e->in, e->refused, r->code,
                      r->detail);
    else if (e->field && !example_is_field(e->field, r))
        lt_yaml_error(x->diags, lt_yaml_get(e->node, "field"), "example %s: expected the field %s, got %s at %s (%s)",
                      e->in, e->field, r->field[0] ? r->field : "none", r->pointer[0] ? r->pointer : "no place",
                      r->detail);
    else if (e->status && e->status != r->status)
        lt_yaml_error(x->diags, lt_yaml_get(e->node, "status"), "example %s: expected status %d, got %d", e->in,
                      e->status, r->status);
}

/* ---- out ---- */

static void example_check_item(struct examples *x, const struct lt_example *e, lt_json_value want,
                               const struct lt_item *item, const char *prefix)
{
    LT_AUTOBUF struct lt_buf json = LT_BUF_INIT(EXAMPLE_FILE_MAX), pointer = LT_BUF_INIT(512),
                             expected = LT_BUF_INIT(400), found = LT_BUF_INIT(400);
    struct lt_json_limits limits = {.bytes_max = EXAMPLE_FILE_MAX, .depth_max = EXAMPLE_DEPTH_MAX};
    struct lt_err err = LT_ERR_INIT;
    LT_AUTO_JSON struct lt_json *got = NULL;
    const struct lt_yaml_node *at = lt_yaml_get(e->node, "out");
    struct lt_json_writer w;

    if (!item->accepted && !lt_json_present(lt_json_get(want, "refused"))) {
        lt_yaml_error(x->diags, at, "example %s: expected %s to be accepted, got %s at %s: %s", e->in,
                      prefix[0] ? prefix : "the event", item->refusal.code,
                      item->refusal.pointer[0] ? item->refusal.pointer : "/", item->refusal.detail);
        return;
    }
    lt_json_writer_init(&w, &json);
    lt_item_json(item, &w);
    if (lt_json_parse(lt_buf_view(&json), &limits, &got, &err) < 0) {
        lt_yaml_error(x->diags, at, "example %s: the event is no JSON: %s", e->in, err.text);
        return;
    }
    if (item->accepted && !lt_json_present(lt_json_get(want, "data")) && !lt_json_present(lt_json_get(want, "refused")))
        lt_yaml_error(x->diags, at, "out: expected an object with `data` or `refused` in %s%s%s", e->out,
                      prefix[0] ? ", " : "", prefix);
    else if (!lt_json_same(want, lt_json_root(got), false, &pointer, &expected, &found))
        lt_yaml_error(x->diags, at, "example %s: %s" LT_SPAN_FMT ": expected " LT_SPAN_FMT ", got " LT_SPAN_FMT, e->in,
                      prefix, LT_SPAN_ARG(lt_buf_view(&pointer)), LT_SPAN_ARG(lt_buf_view(&expected)),
                      LT_SPAN_ARG(lt_buf_view(&found)));
}

static void example_check_out(struct examples *x, const struct lt_example *e, const struct lt_translation *t)
{
    struct lt_json_limits limits = {.bytes_max = EXAMPLE_FILE_MAX, .depth_max = EXAMPLE_DEPTH_MAX};
    const struct lt_yaml_node *at = lt_yaml_get(e->node, "out");
    struct lt_err err = LT_ERR_INIT;
    LT_AUTO_JSON struct lt_json *want = NULL;
    size_t len = 0, n = 1;
    LT_AUTOFREE char *text = example_read(x, e, e->out, "out", &len);
    lt_json_value root;
    char prefix[32] = "";
    bool list;

    if (!text)
        return;
    if (lt_json_parse(lt_span(text, len), &limits, &want, &err) < 0) {
        lt_yaml_error(x->diags, at, "out: %s:%d:%d: %s", e->out, err.line, err.column, err.text);
        return;
    }
    if (t->refused) {
        lt_yaml_error(x->diags, at, "example %s: expected events, got the refusal %s: %s", e->in, t->refusal.code,
                      t->refusal.detail);
        return;
    }
    root = lt_json_root(want);
    list = lt_json_type_of(root) == LT_JSON_ARRAY;
    if (list)
        n = lt_json_len(root);
    if (n != t->items.len) {
        lt_yaml_error(x->diags, at, "example %s: expected %zu event%s, got %zu", e->in, n, n == 1 ? "" : "s",
                      t->items.len);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (list)
            snprintf(prefix, sizeof(prefix), "/%zu", i);
        example_check_item(x, e, list ? lt_json_at(root, i) : root, &t->items.v[i], prefix);
    }
}

/* ---- same-as ---- */

static const struct lt_example *example_find(const struct lt_mappings *all, const char *name,
                                             const struct lt_mapping **ret_m)
{
    for (size_t i = 0; i < all->len; i++) {
        const struct lt_mapping *m = &all->v[i];
        size_t n = strlen(m->name);
        if (strncmp(name, m->name, n) != 0 || name[n] != '/')
            continue;
        *ret_m = m;
        for (size_t j = 0; j < m->examples_len; j++)
            if (strcmp(m->examples[j].in, name + n + 1) == 0 ||
                strcmp(example_last(m->examples[j].in), name + n + 1) == 0)
                return &m->examples[j];
    }
    return NULL;
}

static void example_explain_difference(struct examples *x, const struct lt_example *e, const struct lt_item *mine,
                                       const struct lt_item *other)
{
    LT_AUTOBUF struct lt_buf a = LT_BUF_INIT(EXAMPLE_FILE_MAX), b = LT_BUF_INIT(EXAMPLE_FILE_MAX),
                             pointer = LT_BUF_INIT(512), expected = LT_BUF_INIT(400), found = LT_BUF_INIT(400);
    struct lt_json_limits limits = {.bytes_max = EXAMPLE_FILE_MAX, .depth_max = EXAMPLE_DEPTH_MAX};
    struct lt_err err = LT_ERR_INIT;
    LT_AUTO_JSON struct lt_json *want = NULL, *got = NULL;
    const struct lt_yaml_node *at = lt_yaml_get(e->node, "same-as");
    const char *what = lt_span_eq(mine->event.id, other->event.id) ? "digest" : "ce_id";
    struct lt_json_writer w;

    lt_json_writer_init(&w, &a);
    lt_item_json(other, &w);
    lt_json_writer_init(&w, &b);
    lt_item_json(mine, &w);
    bool same = lt_json_parse(lt_buf_view(&a), &limits, &want, &err) == LT_OK &&
                lt_json_parse(lt_buf_view(&b), &limits, &got, &err) == LT_OK &&
                lt_json_same(lt_json_get(lt_json_root(want), "data"), lt_json_get(lt_json_root(got), "data"), true,
                             &pointer, &expected, &found);
    if (same || !got)
        lt_yaml_error(x->diags, at,
                      "example %s: expected the %s of %s, got another one; the data is equal, so attributes differ, or "
                      "values that "
                      "tables and defaults make equal afterwards",
                      e->in, what, e->same_as);
    else
        lt_yaml_error(x->diags, at,
                      "example %s: expected the %s of %s, got another one; first difference of the data: " LT_SPAN_FMT
                      ": expected " LT_SPAN_FMT ", got " LT_SPAN_FMT,
                      e->in, what, e->same_as, LT_SPAN_ARG(lt_buf_view(&pointer)), LT_SPAN_ARG(lt_buf_view(&expected)),
                      LT_SPAN_ARG(lt_buf_view(&found)));
}

/* Whether the example is what it says of itself, apart from another; what it is not goes to x->diags. */
static bool example_holds(struct examples *x, const struct lt_mapping *m, const struct lt_example *e,
                          const struct lt_translation *t)
{
    size_t before = x->diags->errors;

    if (t->mapping && strcmp(t->mapping, m->name) != 0)
        lt_yaml_error(x->diags, lt_yaml_get(e->node, "in"), "example %s: expected mapping %s to be chosen, got %s",
                      e->in, m->name, t->mapping);
    else if (e->refused)
        example_check_refused(x, e, t);
    else if (e->out)
        example_check_out(x, e, t);
    return x->diags->errors == before;
}

/* The same of an example that is run for another's sake: its findings are told where it is run for its own. */
static bool example_holds_aside(const struct examples *x, const struct lt_mapping *m, const struct lt_example *e,
                                const struct lt_translation *t)
{
    struct lt_diags aside = LT_DIAGS_INIT;
    struct examples quiet = *x;
    quiet.diags = &aside;
    bool holds = example_holds(&quiet, m, e, t);
    lt_diags_deinit(&aside);
    return holds;
}

/* Only of two that hold by themselves: one mistake in a mapping is not told once more by everybody who compares. */
static void example_check_same(struct examples *x, const struct lt_example *e, const struct lt_translation *t)
{
    const struct lt_yaml_node *at = lt_yaml_get(e->node, "same-as");
    const struct lt_mapping *m = NULL;
    const struct lt_example *other = example_find(x->m, e->same_as, &m);
    struct lt_translation theirs;

    if (!other) {
        lt_yaml_error(x->diags, at, "same-as: expected <mapping>/<input of one of its examples>, got %s: %s",
                      e->same_as, m ? "the mapping has no such example" : "there is no such mapping");
        return;
    }
    if (m->broken)
        return;
    lt_translation_init(&theirs);
    if (example_translate(x, m, other, &theirs) && example_holds_aside(x, m, other, &theirs)) {
        bool comparable = t->items.len == theirs.items.len && t->items.len;
        for (size_t i = 0; comparable && i < t->items.len; i++)
            comparable = t->items.v[i].accepted && theirs.items.v[i].accepted;
        if (!comparable)
            lt_yaml_error(
                x->diags, at,
                "example %s: expected as many accepted events as %s: it has %zu item%s, the other %zu, or one "
                "of them is refused",
                e->in, e->same_as, t->items.len, t->items.len == 1 ? "" : "s", theirs.items.len);
        for (size_t i = 0; comparable && i < t->items.len; i++)
            if (!lt_span_eq(t->items.v[i].event.id, theirs.items.v[i].event.id) ||
                !lt_span_eq(t->items.v[i].event.digest, theirs.items.v[i].event.digest))
                example_explain_difference(x, e, &t->items.v[i], &theirs.items.v[i]);
    }
    lt_translation_deinit(&theirs);
}

/* ---- all ---- */

static void example_run(struct examples *x, const struct lt_mapping *m, const struct lt_example *e)
{
    struct lt_translation t;

    lt_translation_init(&t);
    if (example_translate(x, m, e, &t) && example_holds(x, m, e, &t) && e->same_as)
        example_check_same(x, e, &t);
    lt_translation_deinit(&t);
}

size_t lt_mappings_run_examples(const struct lt_mappings *m, struct lt_diags *diags)
{
    struct examples x = {.m = m, .t = lt_translator_new(m), .diags = diags};
    size_t n = 0;

    for (size_t i = 0; i < m->len; i++)
        for (size_t j = 0; j < m->v[i].examples_len && !m->v[i].broken; j++, n++)
            example_run(&x, &m->v[i], &m->v[i].examples[j]);
    lt_translator_free(x.t);
    return n;
}
