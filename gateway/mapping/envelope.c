/* The envelope that an item of an XML list once stood in, made anew. */
#include "gateway/mapping/rules.h"

#include <stdio.h>

static void envelope_attribute(struct lt_buf *out, struct lt_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '&')
            lt_buf_str(out, "&amp;");
        else if (c == '<')
            lt_buf_str(out, "&lt;");
        else if (c == '"')
            lt_buf_str(out, "&quot;");
        else
            lt_buf_char(out, c);
    }
}

/* A prefix of its own for each, never the default: what the item inherits, it declares itself. */
static void envelope_open(struct lt_buf *out, struct lt_span uri, struct lt_span name, size_t depth)
{
    if (!uri.len) {
        lt_buf_printf(out, "<" LT_SPAN_FMT ">", LT_SPAN_ARG(name));
        return;
    }
    lt_buf_printf(out, "<lt%zu:" LT_SPAN_FMT " xmlns:lt%zu=\"", depth, LT_SPAN_ARG(name), depth);
    envelope_attribute(out, uri);
    lt_buf_str(out, "\">");
}

static void envelope_close(struct lt_buf *out, struct lt_span uri, struct lt_span name, size_t depth)
{
    if (uri.len)
        lt_buf_printf(out, "</lt%zu:" LT_SPAN_FMT ">", depth, LT_SPAN_ARG(name));
    else
        lt_buf_printf(out, "</" LT_SPAN_FMT ">", LT_SPAN_ARG(name));
}

static bool envelope_known(const struct lt_mapping *m)
{
    if (m->broken || m->kind != LT_DOC_XML || !m->has_each || !m->each.simple || !m->each.segs_len)
        return false;
    for (size_t i = 0; i < m->each.segs_len; i++)
        if (m->each.segs[i].kind != LT_SEG_NAME)
            return false;
    return true;
}

bool lt_mappings_envelope(const struct lt_mappings *all, struct lt_span mapping, struct lt_span item,
                          struct lt_buf *out)
{
    for (size_t i = 0; i < all->len; i++) {
        const struct lt_mapping *m = &all->v[i];
        if (!lt_span_is(mapping, m->name) || !envelope_known(m))
            continue;
        size_t between = m->each.segs_len - 1; /* the last step is the item itself */
        envelope_open(out, m->root_uri, m->root_name, 0);
        for (size_t s = 0; s < between; s++)
            envelope_open(out, m->each.segs[s].value, m->each.segs[s].name, s + 1);
        lt_buf_span(out, item);
        for (size_t s = between; s-- > 0;)
            envelope_close(out, m->each.segs[s].value, m->each.segs[s].name, s + 1);
        envelope_close(out, m->root_uri, m->root_name, 0);
        return true;
    }
    return false;
}
