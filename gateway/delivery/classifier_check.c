/* Proving a table: every example ends in its row, and no row is hidden by an earlier one. */
#include "gateway/delivery/classifier_internal.h"

#include <stdio.h>
#include <strings.h>

/* ---- hidden rows ---- */

/* Everything that fits one of b fits one of a. A glob of a that fits the text of a glob of b fits whatever that fits:
 * only the star stands for more than itself, and it takes a star too. */
static bool globs_cover(const struct lt_opt_strings *a, const struct lt_opt_strings *b)
{
    for (size_t i = 0; i < b->len; i++) {
        bool covered = false;
        for (size_t k = 0; !covered && k < a->len; k++)
            covered = lt_glob_match(a->v[k], lt_span_str(b->v[i]));
        if (!covered)
            return false;
    }
    return b->len > 0;
}

/* A message with one of b's words in it has one of a's: b's word holds a's. */
static bool messages_cover(const struct lt_opt_strings *a, const struct lt_opt_strings *b)
{
    for (size_t i = 0; i < b->len; i++) {
        bool covered = false;
        for (size_t k = 0; !covered && k < a->len; k++)
            covered = *a->v[k] ? strstr(b->v[i], a->v[k]) != NULL : *b->v[i] == '\0';
        if (!covered)
            return false;
    }
    return b->len > 0;
}

static bool statuses_cover(const struct lt_class_cond *a, const struct lt_class_cond *b)
{
    for (size_t i = 0; i < b->statuses_len; i++) {
        bool covered = false;
        for (size_t k = 0; !covered && k < a->statuses_len; k++)
            covered = a->statuses[k].from <= b->statuses[i].from && a->statuses[k].to >= b->statuses[i].to;
        if (!covered)
            return false;
    }
    return b->statuses_len > 0;
}

static bool places_cover(const struct lt_class_place *a, size_t a_len, const struct lt_class_place *b, size_t b_len)
{
    for (size_t k = 0; k < a_len; k++) {
        bool covered = false;
        for (size_t i = 0; !covered && i < b_len; i++)
            covered = strcasecmp(a[k].name, b[i].name) == 0 && globs_cover(&a[k].globs, &b[i].globs);
        if (!covered)
            return false;
    }
    return true;
}

static bool cond_covers(const struct lt_class_cond *a, const struct lt_class_cond *b)
{
    return (!a->transports || (b->transports && (a->transports & b->transports) == b->transports)) &&
           (!a->forms || (b->forms && (a->forms & b->forms) == b->forms)) &&
           (!a->statuses_len || statuses_cover(a, b)) &&
           places_cover(a->headers, a->headers_len, b->headers, b->headers_len) &&
           places_cover(a->bodies, a->bodies_len, b->bodies, b->bodies_len) &&
           (!a->curls.len || globs_cover(&a->curls, &b->curls)) &&
           (!a->alerts.len || globs_cover(&a->alerts, &b->alerts)) &&
           (!a->faults.len || globs_cover(&a->faults, &b->faults)) &&
           (!a->missing.len || globs_cover(&a->missing, &b->missing)) &&
           (!a->messages.len || messages_cover(&a->messages, &b->messages));
}

static bool row_hides(const struct lt_class_row *a, const struct lt_class_row *b)
{
    return (a->operations & b->operations) == b->operations && !a->unless.written && cond_covers(&a->when, &b->when);
}

/* ---- examples ---- */

static struct lt_span text_at(const struct lt_yaml_node *n, const char *key)
{
    return lt_yaml_text(lt_yaml_get(n, key));
}

/* An answer as an example tells it. false: told to diags. */
static bool example_answer(const struct lt_classifier *c, const struct lt_class_row *row, const struct lt_yaml_node *n,
                           struct lt_arena *a, unsigned *ret_operation, struct lt_http_answer *h,
                           struct lt_diags *diags)
{
    static const char *const known[] = {"on", "transport", "curl", "alert", "status", "header", "body", NULL};
    size_t errors = diags->errors;
    if (n->kind != LT_YAML_MAP) {
        lt_yaml_expected(diags, n, "examples", "a mapping with status, body, …");
        return false;
    }
    lt_yaml_only_keys(diags, n, "examples", known);
    *h = (struct lt_http_answer){.failure = LT_HTTP_ANSWERED, .status = 200, .content_type = "", .retry_after_s = -1};
    h->curl = lt_arena_str(a, text_at(n, "curl"));
    h->body = text_at(n, "body");
    uint64_t status;
    if (lt_yaml_get(n, "status")) {
        if (lt_span_u64(text_at(n, "status"), &status) && status >= 100 && status <= 999)
            h->status = (long)status;
        else
            lt_yaml_expected(diags, lt_yaml_get(n, "status"), "status", "a number such as 200");
    }
    if (lt_yaml_get(n, "transport")) {
        int t = lt_class_word(lt_class_transports, text_at(n, "transport"));
        if (t < 0)
            lt_yaml_expected(diags, lt_yaml_get(n, "transport"), "transport",
                             "answered, not-sent, tls, cut or too-large");
        else
            h->failure = (enum lt_http_failure)t;
    }
    if (lt_yaml_get(n, "alert"))
        snprintf(h->text, sizeof(h->text), "SSL routines::alert %s", lt_yaml_get(n, "alert")->text);
    const struct lt_yaml_node *headers = lt_yaml_get(n, "header");
    LT_AUTOBUF struct lt_buf lines = LT_BUF_INIT(65536);
    for (size_t i = 0; headers && headers->kind == LT_YAML_MAP && i < headers->len; i++)
        lt_buf_printf(&lines, "%s: %s\n", headers->keys[i]->text, headers->items[i]->text);
    h->headers = lt_arena_span(a, lt_buf_view(&lines));
    unsigned first = 0;
    while (c->form->operations[first + 1] && !(row->operations & 1u << first))
        first++;
    int op = (int)first;
    if (lt_yaml_get(n, "on") && (op = lt_class_word(c->form->operations, text_at(n, "on"))) < 0)
        lt_yaml_expected(diags, lt_yaml_get(n, "on"), "on", "an operation of the adapter");
    *ret_operation = (unsigned)LT_MAX(op, 0);
    return diags->errors == errors;
}

static void example_run(struct lt_classifier *c, const struct lt_class_row *row, const struct lt_yaml_node *n,
                        struct lt_diags *diags)
{
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_http_answer h;
    unsigned operation;
    if (example_answer(c, row, n, &a, &operation, &h, diags)) {
        LT_AUTO_CLASSIFIED struct lt_classified r = {0};
        struct lt_class_facts f;
        lt_class_facts_read(c, operation, &h, &a, &f, &r);
        const struct lt_class_row *found = lt_class_find(c, &f);
        if (found && found != row)
            lt_yaml_error(diags, n, "examples: expected this answer to end in row '%s', got row '%s' of line %d",
                          row->name, found->name, found->node->line);
        else if (!found)
            lt_yaml_error(diags, n, "examples: expected this answer to end in row '%s', got no row at all", row->name);
        else if (lt_class_bounded(c->form, operation, h.failure, row->is) != row->is)
            lt_yaml_error(diags, n, "examples: expected what can be known of a call that ended %s, got '%s'",
                          lt_class_transports[h.failure], lt_class_name(row->is));
    }
    lt_arena_deinit(&a);
}

void lt_class_rows_check(struct lt_classifier *c, struct lt_diags *diags)
{
    for (size_t i = 0; i < c->rows_len; i++) {
        const struct lt_class_row *row = &c->rows[i], *by = NULL;
        for (size_t k = 0; !by && k < i; k++)
            if (row_hides(&c->rows[k], row))
                by = &c->rows[k];
        if (by) {
            lt_yaml_error(diags, row->node, "row '%s' can never match: row '%s' of line %d takes all its answers",
                          row->name, by->name, by->node->line);
            continue;
        }
        if (!row->examples || row->examples->kind != LT_YAML_SEQ || row->examples->len == 0) {
            lt_yaml_expected(diags, row->examples ? row->examples : row->node, "examples",
                             "a list of answers that end in this row");
            continue;
        }
        for (size_t e = 0; e < row->examples->len; e++)
            example_run(c, row, row->examples->items[e], diags);
    }
}
