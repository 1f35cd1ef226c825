/* Record headers: an ordered list of name/value spans, lent. Kafka allows repeated names; ours are unique. */
#ifndef LT_MODEL_HEADERS_H
#define LT_MODEL_HEADERS_H

#include "gateway/base/base.h"

#define LT_HEADERS_MAX 48

struct lt_header {
    struct lt_span name, value;
};

struct lt_headers {
    struct lt_header v[LT_HEADERS_MAX];
    size_t len;
    bool over; /* more headers came than fit: the record is not one of ours */
};

static inline void lt_headers_reset(struct lt_headers *h)
{
    h->len = 0;
    h->over = false;
}
void lt_headers_add(struct lt_headers *h, struct lt_span name, struct lt_span value); /* sets over when full */
void lt_headers_put(struct lt_headers *h, const char *name, struct lt_span value);    /* replace or add */
void lt_headers_drop_prefix(struct lt_headers *h, const char *prefix);
/* Room for so many more in a record that is none of ours: the last give way, and those of a name or value above
 * part_max. */
void lt_headers_trim(struct lt_headers *h, size_t room, size_t part_max);
static inline size_t lt_headers_bytes(const struct lt_headers *h)
{
    size_t n = 0;
    for (size_t i = 0; i < h->len; i++)
        n += h->v[i].name.len + h->v[i].value.len;
    return n;
}
bool lt_headers_get(const struct lt_headers *h, const char *name, struct lt_span *ret);
struct lt_span lt_headers_value(const struct lt_headers *h, const char *name); /* empty when absent */
#endif
