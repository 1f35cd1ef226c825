#include "gateway/core/rows.h"

#include "gateway/core/accepted.h"
#include "gateway/model/event.h"

#include <inttypes.h>
#include <stdio.h>

void lt_rows_reset(struct lt_rows *rows, int32_t partitions)
{
    for (int32_t i = 0; i < rows->len; i++) {
        free(rows->v[i].position);
        free(rows->v[i].decision);
    }
    free(rows->v);
    *rows =
        (struct lt_rows){.v = partitions ? lt_calloc((size_t)partitions, sizeof(*rows->v)) : NULL, .len = partitions};
}

static void keep(char **to, size_t *to_len, struct lt_span value)
{
    free(*to);
    *to = lt_strndup(value.ptr, value.len);
    *to_len = value.len;
}

static int take(void *ctx, const struct lt_log_record *r)
{
    static const struct lt_span accepted = LT_SPAN_LIT(LT_ACCEPTED_KEY_PREFIX);
    struct lt_rows *rows = ctx;
    rows->next = r->offset + 1;
    struct lt_span number = r->key;
    bool is_decision = lt_span_starts(number, accepted.ptr);
    if (is_decision)
        number = lt_span(number.ptr + accepted.len, number.len - accepted.len);
    uint64_t partition;
    if (r->value_null || !lt_span_u64(number, &partition) || partition >= (uint64_t)rows->len)
        return 0;
    struct lt_row *row = &rows->v[partition];
    if (is_decision)
        keep(&row->decision, &row->decision_len, r->value);
    else
        keep(&row->position, &row->position_len, r->value);
    return 0;
}

int lt_rows_read(struct lt_rows *rows, struct lt_log *log, struct lt_err *err)
{
    int64_t low, high;
    int r = log->ops->watermarks(log, LT_TOPIC_POSITION, 0, &low, &high, err);
    if (r != LT_LOG_OK)
        return r;
    if (high < rows->next) /* made anew: what the former one said is gone */
        lt_rows_reset(rows, rows->len);
    rows->next = LT_MAX(rows->next, low);
    if (rows->next < high)
        r = log->ops->scan(log, LT_TOPIC_POSITION, 0, rows->next, high, take, rows, err);
    if (r == LT_LOG_OK)
        rows->next = high; /* past the markers */
    return r;
}

struct lt_span lt_rows_position(const struct lt_rows *rows, int32_t partition)
{
    return partition < rows->len ? lt_span(rows->v[partition].position, rows->v[partition].position_len) : LT_SPAN_NULL;
}

struct lt_span lt_rows_decision(const struct lt_rows *rows, int32_t partition)
{
    return partition < rows->len ? lt_span(rows->v[partition].decision, rows->v[partition].decision_len) : LT_SPAN_NULL;
}
