/* Reading YAML nodes and talking about them. */
#include "gateway/config/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#define SHOWN_MAX 60 /* characters of a wrong value in a message */
#define WORD_MAX 64  /* longer words are compared by nobody */

const struct lt_yaml_node *lt_yaml_get(const struct lt_yaml_node *n, const char *key)
{
    if (!n || n->kind != LT_YAML_MAP)
        return NULL;
    for (size_t i = 0; i < n->len; i++) {
        if (strcmp(n->keys[i]->text, key) == 0)
            return n->items[i];
    }
    return NULL;
}

struct lt_span lt_yaml_text(const struct lt_yaml_node *n)
{
    return n && n->kind == LT_YAML_SCALAR ? lt_span(n->text, n->text_len) : LT_SPAN_LIT("");
}

bool lt_yaml_is_null(const struct lt_yaml_node *n)
{
    if (!n)
        return true;
    return n->kind == LT_YAML_SCALAR && !n->quoted &&
           (n->text_len == 0 || strcmp(n->text, "~") == 0 || strcasecmp(n->text, "null") == 0);
}

const char *lt_yaml_kind_name(const struct lt_yaml_node *n)
{
    if (lt_yaml_is_null(n))
        return "nothing";
    switch (n->kind) {
    case LT_YAML_SCALAR:
        return "a text";
    case LT_YAML_SEQ:
        return "a list";
    case LT_YAML_MAP:
        return "a mapping";
    }
    return "something unknown";
}

static void say(struct lt_diags *diags, enum lt_severity severity, const struct lt_yaml_node *n, const char *fmt,
                va_list ap)
{
    LT_AUTOFREE char *text = NULL;
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    lt_diags_add(diags, severity, n ? n->file : NULL, n ? n->line : 0, n ? n->column : 0, "%s", text);
}

void lt_yaml_error(struct lt_diags *diags, const struct lt_yaml_node *n, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(diags, LT_DIAG_ERROR, n, fmt, ap);
    va_end(ap);
}

void lt_yaml_warning(struct lt_diags *diags, const struct lt_yaml_node *n, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(diags, LT_DIAG_WARNING, n, fmt, ap);
    va_end(ap);
}

void lt_yaml_expected(struct lt_diags *diags, const struct lt_yaml_node *n, const char *key, const char *expected)
{
    if (lt_yaml_is_null(n) || n->kind != LT_YAML_SCALAR) {
        lt_yaml_error(diags, n, "%s: expected %s, got %s", key, expected, lt_yaml_kind_name(n));
        return;
    }
    size_t shown = LT_MIN(n->text_len, (size_t)SHOWN_MAX);
    while (shown < n->text_len && shown > 0 && ((unsigned char)n->text[shown] & 0xC0) == 0x80)
        shown--; /* never half a character */
    lt_yaml_error(diags, n, "%s: expected %s, got '%.*s%s'%s", key, expected, (int)shown, n->text,
                  shown < n->text_len ? "…" : "", n->quoted && n->text_len ? " (a quoted text)" : "");
}

static char low(char c)
{
    if (c == '_')
        return '-'; /* body_max for body-max is no mistake worth a point */
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Edit distance with neighbours swapped counting once (restricted Damerau-Levenshtein). */
static size_t distance(struct lt_span a, struct lt_span b)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b.len; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned cost = low(a.ptr[i - 1]) != low(b.ptr[j - 1]);
            unsigned best = LT_MIN(LT_MIN(last[j] + 1, now[j - 1] + 1), last[j - 1] + cost);
            if (i > 1 && j > 1 && low(a.ptr[i - 1]) == low(b.ptr[j - 2]) && low(a.ptr[i - 2]) == low(b.ptr[j - 1]))
                best = LT_MIN(best, before[j - 2] + 1);
            now[j] = best;
        }
        unsigned *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b.len];
}

const char *lt_nearest(struct lt_span word, const char *const *known)
{
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    if (word.len == 0 || word.len > WORD_MAX)
        return NULL;
    for (; *known; known++) {
        struct lt_span k = lt_span_str(*known);
        if (k.len > WORD_MAX || k.len == 0)
            continue;
        size_t longer = LT_MAX(k.len, word.len), allowed = longer <= 3 ? 1 : longer <= 7 ? 2 : longer / 3;
        size_t d = distance(word, k);
        if (d <= allowed && d < best_distance && d < longer) {
            best = *known;
            best_distance = d;
        }
    }
    return best;
}

void lt_yaml_only_keys(struct lt_diags *diags, const struct lt_yaml_node *n, const char *context,
                       const char *const *known)
{
    if (!n || n->kind != LT_YAML_MAP)
        return;
    for (size_t i = 0; i < n->len; i++) {
        const struct lt_yaml_node *k = n->keys[i];
        bool found = false;
        for (const char *const *at = known; *at && !found; at++)
            found = strcmp(k->text, *at) == 0;
        if (found)
            continue;
        const char *near = lt_nearest(lt_yaml_text(k), known);
        LT_AUTOBUF struct lt_buf list = LT_BUF_INIT(4096);
        for (const char *const *at = known; !near && *at; at++)
            lt_buf_printf(&list, "%s%s", at == known ? "" : ", ", *at);
        if (near)
            lt_yaml_error(diags, k, "%s: expected a known key, got '%.60s' (did you mean '%s'?)", context, k->text,
                          near);
        else
            lt_yaml_error(diags, k, "%s: expected one of %s, got '%.60s'", context, list.ptr ? list.ptr : "no keys",
                          k->text);
    }
}
