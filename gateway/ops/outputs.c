#include "gateway/ops/outputs.h"

#include "gateway/base/crypto.h"
#include "gateway/ops/read_whole.h"

static bool parse_origin(struct lt_span s, struct lt_output_copy *ret)
{
    struct lt_span part[3];
    uint8_t b[8];
    int64_t partition;
    for (size_t i = 0; i < LT_ARRAY_LEN(part); i++)
        if (!lt_span_cut(&s, '/', &part[i]))
            return false;
    if (s.len || part[0].len != 16 || !lt_unhex(part[0], b, sizeof(b)) || !lt_span_i64(part[1], &partition) ||
        !lt_span_i64(part[2], &ret->offset) || partition < 0 || partition > INT32_MAX || ret->offset < 0)
        return false;
    ret->incarnation = 0;
    for (size_t i = 0; i < sizeof(b); i++)
        ret->incarnation = ret->incarnation << 8 | b[i];
    ret->partition = (int32_t)partition;
    return true;
}

bool lt_output_copy_of(const struct lt_log_record *r, struct lt_output_copy *ret)
{
    struct lt_span reason = lt_headers_value(&r->headers, "lt_reason"), hop;
    if (!parse_origin(lt_headers_value(&r->headers, "lt_origin"), ret))
        return false;
    ret->kind = LT_OUTPUT_KIND_ROUTED;
    ret->missing = ret->told = LT_SPAN_NULL;
    ret->id = lt_headers_value(&r->headers, "ce_id");
    if (strcmp(r->topic, LT_TOPIC_QUARANTINE) == 0) {
        ret->kind = LT_OUTPUT_KIND_CONFLICT;
    } else if (strcmp(r->topic, LT_TOPIC_DEADLETTER) == 0) {
        if (!lt_span_is(reason, "invalid") && !lt_span_is(reason, "undeliverable"))
            return false;
        ret->kind = lt_span_is(reason, "invalid") ? LT_OUTPUT_KIND_INVALID : LT_OUTPUT_KIND_UNDELIVERABLE;
        ret->missing = lt_headers_value(&r->headers, "lt_topic");
        if (ret->kind == LT_OUTPUT_KIND_UNDELIVERABLE)
            ret->told = lt_headers_value(&r->headers, "lt_verdict");
    } else if (strcmp(r->topic, LT_TOPIC_PROVINCE) == 0 && lt_headers_get(&r->headers, "lt_verdict", &ret->told)) {
        ret->kind = LT_OUTPUT_KIND_TOLD;
        ret->id = lt_headers_value(&r->headers, "lt_cause");
    } else if (lt_headers_get(&r->headers, "lt_hop", &hop) && !lt_span_is(hop, "0")) {
        return false;
    }
    ret->topic = r->topic;
    ret->key = r->key;
    ret->replay = lt_headers_value(&r->headers, "lt_replay").len > 0;
    return true;
}

struct scan {
    void (*on_head)(void *ctx, const struct lt_output_head *head);
    void (*fn)(void *ctx, const struct lt_output_copy *copy);
    void *ctx;
};

static int take(void *ctx, const struct lt_log_record *r)
{
    struct scan *s = ctx;
    struct lt_output_copy copy;
    if (lt_output_copy_of(r, &copy))
        s->fn(s->ctx, &copy);
    return 0;
}

static int scan_topic(struct lt_admin *admin, struct lt_reader *reader, const char *topic, int64_t since_ms,
                      struct scan *s, struct lt_err *err)
{
    int32_t n;
    int r = lt_reader_partitions(reader, topic, &n, err);
    for (int32_t p = 0; p < n && r == LT_OK; p++) {
        int64_t low, stable, from;
        r = lt_reader_ends(reader, topic, p, &low, &stable, err);
        from = low;
        if (r == LT_OK && since_ms > 0)
            r = lt_reader_offset_at(reader, topic, p, since_ms, &from, err);
        /* Older records are still there: retention has not come so far. */
        int64_t deleted = from > low ? 0 : low;
        if (r == LT_OK && s->on_head)
            s->on_head(s->ctx,
                       &(struct lt_output_head){.topic = topic, .partition = p, .partitions = n, .low = deleted});
        if (r == LT_OK)
            r = lt_read_whole(admin, reader, topic, p, from, take, s, err);
    }
    return r;
}

int lt_outputs_scan(struct lt_admin *admin, struct lt_reader *reader, const struct lt_routes *routes, int64_t since_ms,
                    void (*on_head)(void *ctx, const struct lt_output_head *head),
                    void (*fn)(void *ctx, const struct lt_output_copy *copy), void *ctx, struct lt_err *err)
{
    struct scan s = {on_head, fn, ctx};
    int r = scan_topic(admin, reader, LT_TOPIC_QUARANTINE, since_ms, &s, err);
    if (r == LT_OK)
        r = scan_topic(admin, reader, LT_TOPIC_DEADLETTER, since_ms, &s, err);
    for (size_t i = 0; i < lt_routes_outputs(routes) && r == LT_OK; i++)
        r = scan_topic(admin, reader, lt_routes_output(routes, i), since_ms, &s, err);
    return r;
}
