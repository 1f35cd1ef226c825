/* From YAML to rows: every mistake is told with its place, and what can be known impossible is refused. */
#include "gateway/delivery/classifier_internal.h"

#include "gateway/base/text.h"
#include "gateway/config/value.h"

#include <stdio.h>

const char *const lt_class_transports[] = {
    [LT_HTTP_ANSWERED] = "answered", [LT_HTTP_NOT_SENT] = "not-sent",   [LT_HTTP_CREDENTIAL] = "tls",
    [LT_HTTP_UNKNOWN] = "cut",       [LT_HTTP_TOO_LARGE] = "too-large", NULL};
static const char *const forms[] = {[LT_FORM_JSON] = "json",   [LT_FORM_SOAP] = "soap",   [LT_FORM_XML] = "xml",
                                    [LT_FORM_EMPTY] = "empty", [LT_FORM_OTHER] = "other", NULL};

static const char *const class_names[] = {
    [LT_CLASS_OK] = "ok",
    [LT_CLASS_EXISTS] = "exists",
    [LT_CLASS_ABSENT] = "absent",
    [LT_CLASS_SESSION] = "session",
    [LT_CLASS_RETRY] = "retry",
    [LT_CLASS_UNAVAILABLE] = "unavailable",
    [LT_CLASS_THROTTLE] = "throttle",
    [LT_CLASS_CREDENTIAL] = "credential",
    [LT_CLASS_REJECT] = "reject",
    [LT_CLASS_UNKNOWN] = "unknown",
    NULL,
};

const char *lt_class_name(enum lt_class c)
{
    return class_names[c];
}

int lt_class_word(const char *const *words, struct lt_span word)
{
    for (int i = 0; words[i]; i++)
        if (lt_span_is(word, words[i]))
            return i;
    return -1;
}

/* Upper case is what text.h has: both sides go through it. */
struct lt_span lt_class_folded(struct lt_arena *a, struct lt_span s)
{
    return lt_utf8_valid(s, NULL) ? lt_text_upper(a, lt_text_normal(a, s)) : LT_SPAN_NULL;
}

/* ---- lists ---- */

/* One text or a list of texts; told when it is neither. */
static struct lt_opt_strings texts(struct lt_classifier *c, const struct lt_yaml_node *n, const char *key,
                                   struct lt_diags *diags)
{
    struct lt_opt_strings list = {0};
    size_t len = !n ? 0 : n->kind == LT_YAML_SEQ ? n->len : 1;
    if (n && (n->kind == LT_YAML_MAP || len == 0)) {
        lt_yaml_expected(diags, n, key, "a text or a list of texts");
        return list;
    }
    list.v = lt_arena_alloc(&c->arena, (len + 1) * sizeof(*list.v));
    for (size_t i = 0; i < len; i++) {
        const struct lt_yaml_node *item = n->kind == LT_YAML_SEQ ? n->items[i] : n;
        if (item->kind != LT_YAML_SCALAR)
            lt_yaml_expected(diags, item, key, "a text");
        else
            list.v[list.len++] = item->text;
    }
    return list;
}

static uint32_t word_bits(struct lt_classifier *c, const struct lt_yaml_node *n, const char *key,
                          const char *const *words, struct lt_diags *diags)
{
    uint32_t bits = 0;
    struct lt_opt_strings list = texts(c, n, key, diags);
    for (size_t i = 0; i < list.len; i++) {
        int at = lt_class_word(words, lt_span_str(list.v[i]));
        if (at < 0) {
            const char *near = lt_nearest(lt_span_str(list.v[i]), words);
            LT_AUTOBUF struct lt_buf known = LT_BUF_INIT(1024);
            for (size_t w = 0; words[w]; w++)
                lt_buf_printf(&known, "%s%s", w ? ", " : "", words[w]);
            lt_yaml_error(diags, n, "%s: expected of %s, got '%s'%s%s%s", key, lt_buf_view(&known).ptr, list.v[i],
                          near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
            continue;
        }
        bits |= 1u << at;
    }
    return bits;
}

static bool status_range(struct lt_span s, struct lt_class_range *ret)
{
    struct lt_span first = s, rest = s;
    uint64_t from, to;
    if (s.len == 3 && s.ptr[1] == 'x' && s.ptr[2] == 'x' && s.ptr[0] >= '1' && s.ptr[0] <= '9') {
        *ret = (struct lt_class_range){(s.ptr[0] - '0') * 100L, (s.ptr[0] - '0') * 100L + 99};
        return true;
    }
    if (!lt_span_cut(&rest, '-', &first) || !lt_span_u64(first, &from))
        return false;
    to = from;
    if (rest.len > 0 && !lt_span_u64(rest, &to))
        return false;
    if (from < 100 || to > 999 || from > to)
        return false;
    *ret = (struct lt_class_range){(long)from, (long)to};
    return true;
}

static void statuses(struct lt_classifier *c, const struct lt_yaml_node *n, struct lt_class_cond *cond,
                     struct lt_diags *diags)
{
    struct lt_opt_strings list = texts(c, n, "status", diags);
    cond->statuses = lt_arena_alloc(&c->arena, (list.len + 1) * sizeof(*cond->statuses));
    for (size_t i = 0; i < list.len; i++) {
        if (!status_range(lt_span_str(list.v[i]), &cond->statuses[cond->statuses_len]))
            lt_yaml_expected(diags, n, "status", "200, 5xx or 400-499");
        else
            cond->statuses_len++;
    }
}

static void places(struct lt_classifier *c, const struct lt_yaml_node *n, const char *key, bool pointer,
                   struct lt_class_place **ret, size_t *ret_len, struct lt_diags *diags)
{
    if (!n)
        return;
    if (n->kind != LT_YAML_MAP || n->len == 0) {
        lt_yaml_expected(diags, n, key, pointer ? "{/json/pointer: text}" : "{Name: text}");
        return;
    }
    *ret = lt_arena_alloc(&c->arena, n->len * sizeof(**ret));
    for (size_t i = 0; i < n->len; i++) {
        if (pointer && n->keys[i]->text[0] != '/')
            lt_yaml_expected(diags, n->keys[i], key, "a JSON Pointer that begins with '/'");
        (*ret)[i].name = n->keys[i]->text;
        (*ret)[i].globs = texts(c, n->items[i], n->keys[i]->text, diags);
    }
    *ret_len = n->len;
}

/* ---- conditions ---- */

static bool looks_at_answer(const struct lt_class_cond *w)
{
    return w->forms || w->statuses_len || w->headers_len || w->bodies_len || w->missing.len || w->faults.len ||
           w->messages.len;
}

static void cond_read(struct lt_classifier *c, const struct lt_yaml_node *n, const char *key,
                      struct lt_class_cond *cond, struct lt_diags *diags)
{
    static const char *const known[] = {"transport", "curl",    "alert",   "status", "header", "form",
                                        "body",      "missing", "message", "fault",  NULL};
    if (!n)
        return;
    if (n->kind != LT_YAML_MAP) {
        lt_yaml_expected(diags, n, key, "a mapping of conditions");
        return;
    }
    cond->written = n->len > 0;
    lt_yaml_only_keys(diags, n, key, known);
    cond->transports = word_bits(c, lt_yaml_get(n, "transport"), "transport", lt_class_transports, diags);
    cond->forms = word_bits(c, lt_yaml_get(n, "form"), "form", forms, diags);
    statuses(c, lt_yaml_get(n, "status"), cond, diags);
    places(c, lt_yaml_get(n, "header"), "header", false, &cond->headers, &cond->headers_len, diags);
    places(c, lt_yaml_get(n, "body"), "body", true, &cond->bodies, &cond->bodies_len, diags);
    cond->missing = texts(c, lt_yaml_get(n, "missing"), "missing", diags);
    for (size_t i = 0; i < cond->missing.len; i++)
        if (cond->missing.v[i][0] != '/')
            lt_yaml_expected(diags, lt_yaml_get(n, "missing"), "missing", "a JSON Pointer that begins with '/'");
    cond->curls = texts(c, lt_yaml_get(n, "curl"), "curl", diags);
    for (size_t i = 0; i < cond->curls.len; i++)
        if (!lt_http_curl_word(lt_span_str(cond->curls.v[i])))
            lt_yaml_error(diags, lt_yaml_get(n, "curl"), "curl: expected a word such as COULDNT_CONNECT, got '%s'",
                          cond->curls.v[i]);
    cond->alerts = texts(c, lt_yaml_get(n, "alert"), "alert", diags);
    cond->faults = texts(c, lt_yaml_get(n, "fault"), "fault", diags);
    cond->messages = texts(c, lt_yaml_get(n, "message"), "message", diags);
    for (size_t i = 0; i < cond->messages.len; i++)
        cond->messages.v[i] = lt_arena_str(&c->arena, lt_class_folded(&c->arena, lt_span_str(cond->messages.v[i])));
    if (looks_at_answer(cond)) {
        if (cond->transports & ~(1u << LT_HTTP_ANSWERED))
            lt_yaml_error(diags, lt_yaml_get(n, "transport"),
                          "transport: expected answered beside conditions on the answer: a call without one has no "
                          "status, header or body");
        cond->transports = 1u << LT_HTTP_ANSWERED;
    }
}

/* ---- rows ---- */

enum lt_class lt_class_bounded(const struct lt_classifier_form *f, unsigned operation, enum lt_http_failure failure,
                               enum lt_class is)
{
    bool later =
        is == LT_CLASS_RETRY || is == LT_CLASS_UNAVAILABLE || is == LT_CLASS_THROTTLE || is == LT_CLASS_CREDENTIAL;
    switch (failure) {
    case LT_HTTP_ANSWERED:
        return is;
    case LT_HTTP_NOT_SENT:
    case LT_HTTP_CREDENTIAL:
        return later ? is : LT_CLASS_RETRY;
    default:
        return later && (f->asks & 1u << operation) ? is : LT_CLASS_UNKNOWN;
    }
}

static void row_bounds(const struct lt_classifier *c, const struct lt_class_row *row, struct lt_diags *diags)
{
    for (unsigned op = 0; c->form->operations[op]; op++) {
        for (unsigned t = LT_HTTP_NOT_SENT; lt_class_transports[t]; t++) {
            if (!(row->operations & 1u << op) || !(row->when.transports & 1u << t) ||
                lt_class_bounded(c->form, op, (enum lt_http_failure)t, row->is) == row->is)
                continue;
            lt_yaml_error(diags, row->node, "is: expected what can be known of a call that ended %s (%s), got '%s'",
                          lt_class_transports[t],
                          t == LT_HTTP_NOT_SENT || t == LT_HTTP_CREDENTIAL ? "retry, throttle or credential"
                          : c->form->asks & 1u << op                       ? "unknown, retry, throttle or credential"
                                                                           : "unknown: it may have been applied",
                          lt_class_name(row->is));
            return;
        }
    }
}

static enum lt_class class_read(const struct lt_classifier *c, const struct lt_yaml_node *n, const char *key,
                                uint32_t allowed, const struct lt_yaml_node *at, struct lt_diags *diags)
{
    int i = n ? lt_class_word(class_names, lt_yaml_text(n)) : -1;
    if (i >= 0 && (allowed & 1u << i))
        return (enum lt_class)i;
    LT_AUTOBUF struct lt_buf known = LT_BUF_INIT(1024);
    for (int w = 0; w < LT_CLASSES; w++)
        if (allowed & 1u << w)
            lt_buf_printf(&known, "%s%s", known.len ? ", " : "", class_names[w]);
    lt_yaml_error(diags, n ? n : at, "%s: expected one of %s, got %s%s%s", key, lt_buf_view(&known).ptr,
                  n && n->kind == LT_YAML_SCALAR ? "'" : "",
                  n && n->kind == LT_YAML_SCALAR ? n->text : lt_yaml_kind_name(n),
                  n && n->kind == LT_YAML_SCALAR ? "'" : "");
    (void)c;
    return LT_CLASS_UNKNOWN;
}

struct row_options {
    const char *name, *text;
    int64_t wait_ms;
    const struct lt_yaml_node *on, *when, *unless, *is, *examples;
};
#define AT(member) offsetof(struct row_options, member)
static const struct lt_opt row_opts[] = {
    {.key = "name", .type = LT_OPT_STRING, .offset = AT(name), .required = true, .help = "stands in logs and counters"},
    {.key = "on", .type = LT_OPT_NODE, .offset = AT(on), .help = "operations"},
    {.key = "when", .type = LT_OPT_NODE, .offset = AT(when), .help = "conditions"},
    {.key = "unless", .type = LT_OPT_NODE, .offset = AT(unless), .help = "conditions"},
    {.key = "is", .type = LT_OPT_NODE, .offset = AT(is), .help = "what it means"},
    {.key = "wait", .type = LT_OPT_DURATION, .offset = AT(wait_ms), .max = 86400000, .help = "without a Retry-After"},
    {.key = "text", .type = LT_OPT_STRING, .offset = AT(text), .help = "the sentence in status and dead letter"},
    {.key = "examples", .type = LT_OPT_NODE, .offset = AT(examples), .help = "answers that end in this row"},
};

static void row_read(struct lt_classifier *c, const struct lt_yaml_node *n, struct lt_class_row *row,
                     struct lt_diags *diags)
{
    struct row_options o = {.wait_ms = -1};
    if (n->kind != LT_YAML_MAP) {
        lt_yaml_expected(diags, n, "answers.rows", "a mapping with name, when, is and examples");
        return;
    }
    (void)lt_opts_decode(n, "answers.rows", row_opts, LT_ARRAY_LEN(row_opts), &o, &c->arena, diags);
    if (!lt_yaml_get(n, "wait"))
        o.wait_ms = -1;
    *row = (struct lt_class_row){.name = o.name ? o.name : "?", .text = o.text, .wait_ms = o.wait_ms, .node = n};
    row->examples = o.examples;
    row->operations = word_bits(c, o.on, "on", c->form->operations, diags);
    if (!o.on)
        for (unsigned op = 0; c->form->operations[op]; op++)
            row->operations |= 1u << op;
    cond_read(c, o.when, "when", &row->when, diags);
    cond_read(c, o.unless, "unless", &row->unless, diags);
    row->is = class_read(c, o.is, "is", c->form->classes, n, diags);
    row_bounds(c, row, diags);
}

static const char *pointer_read(const struct lt_yaml_node *answers, const char *key, const char *fallback,
                                struct lt_diags *diags)
{
    const struct lt_yaml_node *n = lt_yaml_get(answers, key);
    if (!n)
        return fallback;
    if (n->kind != LT_YAML_SCALAR || n->text[0] != '/') {
        lt_yaml_expected(diags, n, key, "a JSON Pointer that begins with '/'");
        return fallback;
    }
    return n->text;
}

void lt_class_rows_read(struct lt_classifier *c, const struct lt_yaml_node *answers, struct lt_diags *diags)
{
    static const char *const known[] = {"unlisted", "code", "message", "rows", NULL};
    lt_yaml_only_keys(diags, answers, "answers", known);
    c->code = pointer_read(answers, "code", "/error_code", diags);
    c->message = pointer_read(answers, "message", "/message", diags);
    c->unlisted = class_read(c, lt_yaml_get(answers, "unlisted"), "answers.unlisted",
                             1u << LT_CLASS_UNKNOWN | 1u << LT_CLASS_REJECT, answers, diags);
    const struct lt_yaml_node *rows = lt_yaml_get(answers, "rows");
    if (!rows || rows->kind != LT_YAML_SEQ || rows->len == 0) {
        lt_yaml_expected(diags, rows ? rows : answers, "answers.rows", "a list of rows");
        return;
    }
    c->rows = lt_arena_alloc(&c->arena, rows->len * sizeof(*c->rows));
    for (size_t i = 0; i < rows->len; i++) {
        struct lt_class_row *row = &c->rows[c->rows_len];
        row_read(c, rows->items[i], row, diags);
        for (size_t k = 0; k < c->rows_len && row->name; k++)
            if (strcmp(c->rows[k].name, row->name) == 0)
                lt_yaml_error(diags, row->node, "name: expected a name of its own, got '%s', which line %d has too",
                              row->name, c->rows[k].node->line);
        if (row->name)
            c->rows_len++;
    }
}
