#include "gateway/mapping/findings.h"

static bool findings_same(const struct lt_diag *a, const struct lt_diag *b)
{
    return a->severity == b->severity && a->line == b->line && a->column == b->column &&
           strcmp(a->text, b->text) == 0 && strcmp(a->file ? a->file : "", b->file ? b->file : "") == 0;
}

static bool findings_has(const struct lt_diags *d, const struct lt_diag *x)
{
    for (size_t i = 0; i < d->items.len; i++)
        if (findings_same(&d->items.v[i], x))
            return true;
    return false;
}

void lt_findings_merge(struct lt_diags *into, struct lt_diags *from)
{
    for (size_t i = 0; i < from->items.len; i++) {
        const struct lt_diag *x = &from->items.v[i];
        if (into && !findings_has(into, x))
            lt_diags_add(into, x->severity, x->file, x->line, x->column, "%s", x->text);
    }
    lt_diags_deinit(from);
}
