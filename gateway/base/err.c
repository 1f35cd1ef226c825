#include "gateway/base/err.h"
#include "gateway/base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

/* The formatted text goes through a local array because its arguments may be the old content of err. */
static void text_copy(char *to, size_t size, const char *from)
{
    size_t len = strlen(from);
    if (len >= size)
        len = lt_utf8_whole(from, size - 1);
    memcpy(to, from, len);
    to[len] = '\0';
}

int lt_err_set(struct lt_err *err, int code, const char *kind, const char *fmt, ...)
{
    if (!err)
        return code;
    char text[sizeof(err->text) + 4], word[sizeof(err->kind)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    snprintf(word, sizeof(word), "%s", kind ? kind : "");
    *err = LT_ERR_INIT;
    err->code = code;
    text_copy(err->kind, sizeof(err->kind), word);
    text_copy(err->text, sizeof(err->text), text);
    return code;
}

void lt_err_prefix(struct lt_err *err, const char *fmt, ...)
{
    if (!err)
        return;
    char prefix[sizeof(err->text)], text[2 * sizeof(err->text) + 4];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof(prefix), fmt, ap);
    va_end(ap);
    snprintf(text, sizeof(text), "%s: %s", prefix, err->text);
    text_copy(err->text, sizeof(err->text), text);
}

void lt_diags_add(struct lt_diags *d, enum lt_severity severity, const char *file, int line, int column,
                  const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    *lt_vec_push(&d->items) = (struct lt_diag){severity, file ? lt_strdup(file) : NULL, line, column, text};
    if (severity == LT_DIAG_ERROR)
        d->errors++;
}

static int order(long a, long b)
{
    return a < b ? -1 : a > b;
}

/* What has no file comes first; findings of one place stay in the order they were made. */
static int diag_order(const void *pa, const void *pb)
{
    const struct lt_diag *a = *(const struct lt_diag *const *)pa, *b = *(const struct lt_diag *const *)pb;
    int by = strcmp(a->file ? a->file : "", b->file ? b->file : "");
    if (!by)
        by = order(a->line, b->line);
    if (!by)
        by = order(a->column, b->column);
    return by ? by : (a > b) - (a < b); /* both point into one array */
}

void lt_diags_print(struct lt_diags *d, struct lt_buf *out)
{
    if (!d->items.len)
        return;
    LT_AUTOFREE struct lt_diag **sorted = lt_calloc(d->items.len, sizeof(*sorted));
    for (size_t i = 0; i < d->items.len; i++)
        sorted[i] = &d->items.v[i];
    qsort(sorted, d->items.len, sizeof(struct lt_diag *), diag_order);
    for (size_t i = 0; i < d->items.len; i++) {
        const struct lt_diag *at = sorted[i];
        if (at->file) {
            lt_buf_str(out, at->file);
            if (at->line > 0)
                lt_buf_printf(out, ":%d", at->line);
            if (at->line > 0 && at->column > 0)
                lt_buf_printf(out, ":%d", at->column);
            lt_buf_str(out, ": ");
        }
        if (at->severity == LT_DIAG_WARNING)
            lt_buf_str(out, "warning: ");
        lt_buf_str(out, at->text);
        lt_buf_char(out, '\n');
    }
}

void lt_diags_deinit(struct lt_diags *d)
{
    for (size_t i = 0; i < d->items.len; i++) {
        free(d->items.v[i].file);
        free(d->items.v[i].text);
    }
    lt_vec_deinit(&d->items);
    d->errors = 0;
}
