/* Input -> items: media type, parsing, the choice of the mapping, batches, schemas; refusals of the whole input or of
 * one item. */
#include <stdio.h>
#include <strings.h>

#include "gateway/mapping/rules.h"

#define TRANSLATE_DEPTH_MAX 64 /* when the caller gives no limit */
#define TRANSLATE_OUT_MAX (64u << 20)

/* One run of lt_translate. */
struct translate_run {
    struct lt_translator *t;
    const struct lt_input *in;
    struct lt_translation *ret;
    struct lt_walk walk;
    const struct lt_mapping *m;
};

void lt_translation_init(struct lt_translation *t)
{
    memset(t, 0, sizeof(*t));
    t->arena = LT_ARENA_INIT;
}

void lt_translation_deinit(struct lt_translation *t)
{
    lt_vec_deinit(&t->items);
    lt_arena_deinit(&t->arena);
    lt_translation_init(t);
}

struct lt_translator *lt_translator_new(const struct lt_mappings *m)
{
    struct lt_translator *t = lt_alloc(sizeof(*t));

    t->m = m;
    t->xpath = lt_xpath_eval_new();
    t->sha = lt_sha256_new();
    t->doc = LT_ARENA_INIT;
    t->item = LT_ARENA_INIT;
    t->out = LT_BUF_INIT(TRANSLATE_OUT_MAX);
    return t;
}

void lt_translator_free(struct lt_translator *t)
{
    if (!t)
        return;
    lt_xpath_eval_free(t->xpath);
    lt_sha256_free(t->sha);
    lt_arena_deinit(&t->doc);
    lt_arena_deinit(&t->item);
    lt_buf_deinit(&t->out);
    free(t);
}

/* ---- refusals ---- */

static struct lt_refusal *translate_refuse_all(struct translate_run *r)
{
    r->ret->refused = true;
    r->ret->items.len = 0;
    return &r->ret->refusal;
}

static int translate_status(const struct lt_err *err)
{
    size_t n = strlen(err->kind);

    if (err->code == LT_E_LIMIT && n > 5 && strcmp(err->kind + n - 5, "-size") == 0)
        return 413;
    return strcmp(err->kind, "xml-schema") == 0 || strcmp(err->kind, "json-schema") == 0 ? 422 : 400;
}

/* The field is the last step of the place: the sender's own name of it. */
static void translate_last_step(const char *pointer, char *out, size_t size)
{
    const char *last = strrchr(pointer, '/');
    const char *colon;
    size_t len;

    last = last ? last + 1 : pointer;
    colon = strchr(last, ':');
    if (colon)
        last = colon + 1;
    len = strcspn(last, "[");
    snprintf(out, size, "%.*s", (int)len, last);
}

static void translate_from_err(struct lt_refusal *out, const struct lt_err *err, const char *code)
{
    lt_refusal_set(out, translate_status(err), err->kind[0] ? err->kind : code, "", "%s", err->text);
    snprintf(out->pointer, sizeof(out->pointer), "%s", err->pointer);
    translate_last_step(err->pointer, out->field, sizeof(out->field));
    out->line = err->line;
    out->column = err->column;
}

static bool translate_too_many(struct translate_run *r, size_t n)
{
    if (!r->in->batch_max || n <= r->in->batch_max)
        return false;
    lt_refusal_set(translate_refuse_all(r), 413, "batch-too-large", "",
                   "expected at most %zu events in a batch, got %zu", r->in->batch_max, n);
    return true;
}

static void translate_no_mapping(struct translate_run *r, const char *what)
{
    lt_refusal_set(translate_refuse_all(r), 415, "no-mapping", "", "expected an input that a mapping accepts, got %s",
                   what);
}

static struct lt_item *translate_push(struct translate_run *r, struct lt_span raw)
{
    struct lt_item *item = lt_vec_push(&r->ret->items);

    memset(item, 0, sizeof(*item));
    item->raw = raw;
    return item;
}

/* An item that its schema refuses; what can be found of its dossier is kept. */
static void translate_refuse_item(struct translate_run *r, struct lt_item *item, struct lt_place *at,
                                  const struct lt_err *err, const char *code)
{
    lt_event_sketch(r->t, r->m, at, &r->ret->arena, item);
    translate_from_err(&item->refusal, err, code);
    if (r->t->observer)
        r->t->observer->item(r->t->observer->arg, r->m, item, NULL, NULL);
}

static void translate_make(struct translate_run *r, struct lt_place *at, struct lt_span raw)
{
    lt_event_make(r->t, r->m, at, &r->ret->arena, translate_push(r, raw));
}

/* The next item's memory: what hangs below its place goes with it. */
static void translate_next(struct translate_run *r, struct lt_place *at)
{
    lt_place_reset(at);
    lt_arena_reset(&r->t->item);
}

static struct lt_span translate_keep(struct translate_run *r)
{
    return lt_arena_span(&r->ret->arena, lt_buf_view(&r->t->out));
}

/* ---- XML ---- */

static const struct lt_mapping *translate_choose_xml(struct translate_run *r, lt_xml_node root)
{
    struct lt_span name = lt_xml_name(root), uri = lt_xml_namespace(root);
    char what[256];

    for (size_t i = 0; i < r->t->m->len; i++) {
        const struct lt_mapping *m = &r->t->m->v[i];
        if (m->broken)
            continue;
        if (m->kind == LT_DOC_XML && lt_span_eq(m->root_name, name) && lt_span_eq(m->root_uri, uri))
            return m;
    }
    snprintf(what, sizeof(what), "an XML document with the root element {" LT_SPAN_FMT "}" LT_SPAN_FMT,
             (int)LT_MIN(uri.len, (size_t)100), uri.ptr ? uri.ptr : "", (int)LT_MIN(name.len, (size_t)100), name.ptr);
    translate_no_mapping(r, what);
    return NULL;
}

static bool translate_inside(const char *spot, const char *of)
{
    size_t n = strlen(of);
    return strncmp(spot, of, n) == 0 && (!spot[n] || spot[n] == '/');
}

/*
 * The whole document failed its schema, and holds several items. A violation outside of all items is the envelope's and
 * refuses the whole; else each bad item is refused for itself. A violation after that of an item shows when the bad
 * items are left out.
 */
static void translate_xml_bad_items(struct translate_run *r, const struct lt_xml *x, struct lt_place **items, size_t n,
                                    const struct lt_err *first, struct lt_err **ret_bad)
{
    lt_xml_node *bad = lt_arena_alloc(&r->t->doc, n * sizeof(*bad));
    struct lt_err err = LT_ERR_INIT;
    bool inside = false;
    size_t n_bad = 0;
    char spot[256];
    int line;

    for (size_t i = 0; i < n && !inside; i++) {
        lt_place_spot(items[i], spot, sizeof(spot), &line);
        inside = translate_inside(first->pointer, spot);
    }
    for (size_t i = 0; i < n && inside; i++) {
        if (lt_xsd_check_node(r->m->xsd, items[i]->xml, &err) == LT_OK)
            continue;
        ret_bad[i] = lt_arena_alloc(&r->t->doc, sizeof(err));
        *ret_bad[i] = err;
        bad[n_bad++] = items[i]->xml;
    }
    if (!n_bad)
        translate_from_err(translate_refuse_all(r), first, "xml-schema");
    else if (n_bad < n && lt_xsd_check_without(r->m->xsd, x, bad, n_bad, &err) < 0)
        translate_from_err(translate_refuse_all(r), &err, "xml-schema");
}

static struct lt_span translate_xml_raw(struct translate_run *r, lt_xml_node n)
{
    if (!r->ret->batch)
        return r->in->body;
    lt_buf_reset(&r->t->out);
    lt_xml_write(n, &r->t->out);
    return translate_keep(r);
}

static void translate_xml_items(struct translate_run *r, const struct lt_xml *x, struct lt_place **items, size_t n)
{
    struct lt_err **bad = lt_arena_alloc(&r->t->doc, n * sizeof(*bad));
    struct lt_err first = LT_ERR_INIT;
    int rc = lt_xsd_check(r->m->xsd, x, &first);

    if (rc < 0 && !n)
        translate_from_err(translate_refuse_all(r), &first, "xml-schema");
    else if (!n)
        lt_refusal_set(translate_refuse_all(r), 422, "empty-batch", "", "expected at least one event, got none");
    else if (rc < 0 && n == 1)
        bad[0] = &first;
    else if (rc < 0)
        translate_xml_bad_items(r, x, items, n, &first, bad);
    for (size_t i = 0; i < n && !r->ret->refused; i++) {
        struct lt_span raw = translate_xml_raw(r, items[i]->xml);
        items[i]->arena = &r->t->item;
        translate_next(r, items[i]);
        if (bad[i])
            translate_refuse_item(r, translate_push(r, raw), items[i], bad[i], "xml-schema");
        else
            translate_make(r, items[i], raw);
        lt_place_reset(items[i]);
    }
}

static void translate_xml(struct translate_run *r)
{
    struct lt_xml_limits limits = {.bytes_max = r->in->body.len,
                                   .depth_max = r->in->depth_max ? (unsigned)r->in->depth_max : TRANSLATE_DEPTH_MAX};
    struct lt_err err = LT_ERR_INIT;
    LT_AUTO_XML struct lt_xml *x = NULL;
    struct lt_place *root, **items;
    size_t n = 1;

    if (lt_xml_parse(r->in->body, &limits, &x, &err) < 0) {
        translate_from_err(translate_refuse_all(r), &err, "xml-syntax");
        return;
    }
    r->m = translate_choose_xml(r, lt_xml_root(x));
    if (!r->m)
        return;
    r->ret->mapping = r->m->name;
    root = lt_place_xml(&r->t->doc, lt_xml_root(x), NULL);
    root->is_document = true;
    items = &root;
    if (r->m->has_each && lt_path_places(&r->walk, &r->m->each, root, &items, &n) < 0) {
        lt_refusal_set(translate_refuse_all(r), 422, "path-limit", "", "each: %s", r->walk.err.text);
        return;
    }
    if (translate_too_many(r, n))
        return;
    r->ret->batch = n > 1;
    translate_xml_items(r, x, items, n);
}

/* ---- JSON ---- */

static bool translate_fits(struct translate_run *r, const struct lt_mapping *m, struct lt_place *doc)
{
    if (m->kind != LT_DOC_JSON)
        return false;
    for (size_t i = 0; i < m->discriminators_len; i++)
        if (lt_condition_holds(&r->walk, &m->discriminators[i], doc) <= 0)
            return false;
    return true;
}

static const struct lt_mapping *translate_choose_json(struct translate_run *r, struct lt_place *doc)
{
    const struct lt_mapping *found = NULL;

    for (size_t i = 0; i < r->t->m->len; i++) {
        const struct lt_mapping *m = &r->t->m->v[i];
        if (m->broken)
            continue;
        if (!translate_fits(r, m, doc))
            continue;
        if (found) {
            lt_refusal_set(translate_refuse_all(r), 415, "ambiguous-mapping", "",
                           "expected an input that one mapping accepts, got one that %s and %s accept", found->name,
                           m->name);
            return NULL;
        }
        found = m;
    }
    if (!found)
        translate_no_mapping(r, lt_json_type_of(doc->json) == LT_JSON_OBJECT
                                    ? "a JSON object without the members that tell a dialect"
                                    : "a JSON value that is no object");
    return found;
}

static struct lt_span translate_json_raw(struct translate_run *r, lt_json_value v)
{
    lt_buf_reset(&r->t->out);
    lt_json_write(v, &r->t->out);
    return translate_keep(r);
}

/* The pointer of a violation is relative to the document that was checked. */
static void translate_below(struct lt_err *err, const struct lt_place *doc)
{
    char spot[256], whole[sizeof(err->pointer)];
    int line;

    lt_place_spot(doc, spot, sizeof(spot), &line);
    snprintf(whole, sizeof(whole), "%.120s%.130s", spot, err->pointer);
    memcpy(err->pointer, whole, sizeof(whole));
}

/* One document: one event, or with `each` several. raw: its bytes. alone: nothing but this document was sent. */
static void translate_json_doc(struct translate_run *r, struct lt_place *doc, struct lt_span raw, bool alone)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_place **items = &doc;
    size_t n = 1;

    translate_next(r, doc);
    if (lt_json_schema_check(r->m->schema, doc->json, &err) < 0) {
        translate_below(&err, doc);
        translate_refuse_item(r, translate_push(r, raw), doc, &err, "json-schema");
        return;
    }
    if (r->m->has_each) {
        doc->arena = &r->t->doc;
        if (lt_path_places(&r->walk, &r->m->each, doc, &items, &n) < 0)
            n = 0;
    }
    if (!n) {
        (void)lt_err_set(&err, LT_E_INVALID, "empty-batch", "expected at least one event, got none");
        if (alone)
            lt_refusal_set(translate_refuse_all(r), 422, err.kind, "", "%s", err.text);
        else
            lt_refusal_set(&translate_push(r, raw)->refusal, 422, err.kind, "", "%s", err.text);
        return;
    }
    if (translate_too_many(r, r->ret->items.len + n))
        return;
    r->ret->batch |= n > 1;
    for (size_t i = 0; i < n; i++) {
        struct lt_span bytes = n > 1 ? translate_json_raw(r, items[i]->json) : raw;
        items[i]->arena = &r->t->item;
        translate_next(r, items[i]);
        translate_make(r, items[i], bytes);
    }
}

static struct lt_json_limits translate_json_limits(const struct translate_run *r, struct lt_span s)
{
    return (struct lt_json_limits){.bytes_max = s.len,
                                   .depth_max = r->in->depth_max ? (unsigned)r->in->depth_max : TRANSLATE_DEPTH_MAX};
}

static struct lt_place *translate_json_place(struct translate_run *r, lt_json_value v, const struct lt_place *up,
                                             size_t index)
{
    struct lt_place *p = lt_place_json(&r->t->doc, v, up);

    p->index = index;
    p->is_document = true;
    p->arena = &r->t->item;
    return p;
}

static bool translate_json_mapping(struct translate_run *r, struct lt_place *first)
{
    if (r->m)
        return true;
    r->m = translate_choose_json(r, first);
    if (r->m)
        r->ret->mapping = r->m->name;
    return r->m != NULL;
}

static void translate_json_array(struct translate_run *r, struct lt_place *list)
{
    size_t n = lt_json_len(list->json);

    r->ret->batch = true;
    if (!n) {
        lt_refusal_set(translate_refuse_all(r), 422, "empty-batch", "", "expected at least one event, got none");
        return;
    }
    if (translate_too_many(r, n))
        return;
    for (size_t i = 0; i < n && !r->ret->refused; i++) {
        struct lt_place *doc = translate_json_place(r, lt_json_at(list->json, i), list, i);
        if (translate_json_mapping(r, doc))
            translate_json_doc(r, doc, translate_json_raw(r, doc->json), false);
    }
}

static void translate_json(struct translate_run *r)
{
    struct lt_json_limits limits = translate_json_limits(r, r->in->body);
    struct lt_err err = LT_ERR_INIT;
    LT_AUTO_JSON struct lt_json *json = NULL;
    struct lt_place *doc;

    if (lt_json_parse(r->in->body, &limits, &json, &err) < 0) {
        translate_from_err(translate_refuse_all(r), &err, "json-syntax");
        return;
    }
    doc = translate_json_place(r, lt_json_root(json), NULL, 0);
    if (lt_json_type_of(doc->json) == LT_JSON_ARRAY)
        translate_json_array(r, doc);
    else if (translate_json_mapping(r, doc))
        translate_json_doc(r, doc, r->in->body, true);
}

/* ---- NDJSON ---- */

static void translate_ndjson_line(struct translate_run *r, struct lt_span line, int number)
{
    struct lt_json_limits limits = translate_json_limits(r, line);
    struct lt_err err = LT_ERR_INIT;
    LT_AUTO_JSON struct lt_json *json = NULL;
    struct lt_span raw = lt_arena_span(&r->ret->arena, line);
    size_t first = r->ret->items.len;

    if (lt_json_parse(line, &limits, &json, &err) < 0) {
        struct lt_item *item = translate_push(r, raw);
        translate_from_err(&item->refusal, &err, "json-syntax");
        if (r->t->observer && r->m)
            r->t->observer->item(r->t->observer->arg, r->m, item, NULL, NULL);
    } else {
        struct lt_place *doc = translate_json_place(r, lt_json_root(json), NULL, 0);
        if (translate_json_mapping(r, doc))
            translate_json_doc(r, doc, raw, false);
    }
    for (size_t i = first; i < r->ret->items.len; i++)
        if (!r->ret->items.v[i].accepted)
            r->ret->items.v[i].refusal.line = number;
}

static void translate_ndjson(struct translate_run *r)
{
    struct lt_span rest = r->in->body, line;
    size_t n = 0;

    r->ret->batch = true;
    while (lt_span_cut(&rest, '\n', &line))
        n += lt_span_trim(line).len > 0;
    if (!n) {
        lt_refusal_set(translate_refuse_all(r), 422, "empty-batch", "", "expected at least one event, got none");
        return;
    }
    if (translate_too_many(r, n))
        return;
    rest = r->in->body;
    for (int number = 1; lt_span_cut(&rest, '\n', &line) && !r->ret->refused; number++)
        if (lt_span_trim(line).len)
            translate_ndjson_line(r, lt_span_trim(line), number);
    if (!r->m && !r->ret->refused) { /* not one line was JSON */
        struct lt_refusal first = r->ret->items.v[0].refusal;
        *translate_refuse_all(r) = first;
    }
}

/* ---- the whole ---- */

static bool translate_is_media(struct lt_span media, const char *name)
{
    return media.len == strlen(name) && strncasecmp(media.ptr, name, media.len) == 0;
}

void lt_translate(struct lt_translator *t, const struct lt_input *in, struct lt_translation *ret)
{
    struct translate_run r = {.t = t, .in = in, .ret = ret};
    struct lt_span rest = in->media, media = LT_SPAN_NULL;
    char what[128];

    lt_arena_reset(&t->doc);
    lt_arena_reset(&t->item);
    lt_tables_hold(t->m->tables);
    r.walk.xpath = t->xpath;
    r.walk.arena = &t->doc;
    (void)lt_span_cut(&rest, ';', &media);
    media = lt_span_trim(media);
    if (translate_is_media(media, "application/xml") || translate_is_media(media, "text/xml")) {
        translate_xml(&r);
    } else if (translate_is_media(media, "application/json")) {
        translate_json(&r);
    } else if (translate_is_media(media, "application/x-ndjson")) {
        translate_ndjson(&r);
    } else {
        snprintf(what, sizeof(what), "the media type \"" LT_SPAN_FMT "\"", (int)LT_MIN(media.len, (size_t)64),
                 media.ptr ? media.ptr : "");
        translate_no_mapping(&r, what);
    }
    lt_tables_release(t->m->tables); /* what was taken from them is copied into ret */
}
