#include "gateway/model/headers.h"

void lt_headers_add(struct lt_headers *h, struct lt_span name, struct lt_span value)
{
    if (h->len == LT_HEADERS_MAX) {
        h->over = true;
        return;
    }
    h->v[h->len++] = (struct lt_header){name, value};
}

static void remove_at(struct lt_headers *h, size_t at)
{
    memmove(&h->v[at], &h->v[at + 1], (h->len - at - 1) * sizeof(h->v[0]));
    h->len--;
}

void lt_headers_put(struct lt_headers *h, const char *name, struct lt_span value)
{
    bool placed = false;
    for (size_t i = 0; i < h->len;) {
        if (!lt_span_is(h->v[i].name, name)) {
            i++;
        } else if (!placed) {
            h->v[i++].value = value;
            placed = true;
        } else {
            remove_at(h, i); /* a name that came twice must not keep its second value */
        }
    }
    if (!placed)
        lt_headers_add(h, lt_span_str(name), value);
}

void lt_headers_drop_prefix(struct lt_headers *h, const char *prefix)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->len; i++) {
        if (!lt_span_starts(h->v[i].name, prefix))
            h->v[kept++] = h->v[i];
    }
    h->len = kept;
}

void lt_headers_trim(struct lt_headers *h, size_t room, size_t part_max)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->len && kept < LT_HEADERS_MAX - room; i++)
        if (h->v[i].value.len <= part_max && h->v[i].name.len <= part_max)
            h->v[kept++] = h->v[i];
    h->len = kept;
    h->over = false;
}

bool lt_headers_get(const struct lt_headers *h, const char *name, struct lt_span *ret)
{
    for (size_t i = 0; i < h->len; i++) {
        if (lt_span_is(h->v[i].name, name)) {
            *ret = h->v[i].value;
            return true;
        }
    }
    return false;
}

struct lt_span lt_headers_value(const struct lt_headers *h, const char *name)
{
    struct lt_span value = LT_SPAN_NULL;
    (void)lt_headers_get(h, name, &value); /* absent and empty are the same here */
    return value;
}
