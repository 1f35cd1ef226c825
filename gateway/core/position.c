#include "gateway/core/position.h"

#include "gateway/base/crypto.h"

#include <inttypes.h>
#include <stdio.h>

#define CLOCK_AHEAD_MAX_MS (10 * 60 * 1000)
#define WINDOW_PARTS 200

struct lt_window lt_window_of(int64_t window_ms)
{
    struct lt_window w;
    w.generation_ms = LT_MAX((window_ms + WINDOW_PARTS - 1) / WINDOW_PARTS, 1000); /* generations fit 32 bits */
    w.generations = (uint32_t)((window_ms + w.generation_ms - 1) / w.generation_ms);
    return w;
}

void lt_position_format(const struct lt_position *p, char out[LT_POSITION_MAX])
{
    snprintf(out, LT_POSITION_MAX,
             LT_POSITION_FORMAT " %016" PRIx64 " %" PRId32 " %" PRId64 " %" PRIu32 " %" PRId64 " %016" PRIx64
                                " %016" PRIx64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
                                " %" PRIu64,
             p->incarnation, p->partitions, p->window.generation_ms, p->window.generations, p->clock_ms, p->anchor,
             p->sum, p->verdicts[LT_VERDICT_NEW], p->verdicts[LT_VERDICT_DUPLICATE], p->verdicts[LT_VERDICT_CONFLICT],
             p->verdicts[LT_VERDICT_REPLAY], p->verdicts[LT_VERDICT_INVALID], p->undeliverable, p->holes);
}

static bool parse_hex16(struct lt_span s, uint64_t *ret)
{
    uint8_t b[8];
    if (s.len != 16 || !lt_unhex(s, b, sizeof(b)))
        return false;
    *ret = 0;
    for (size_t i = 0; i < sizeof(b); i++)
        *ret = *ret << 8 | b[i];
    return true;
}

int lt_position_parse(struct lt_span s, struct lt_position *ret, struct lt_err *err)
{
    struct lt_span field[16], part;
    size_t n = 0;
    while (n < LT_ARRAY_LEN(field) && lt_span_cut(&s, ' ', &part))
        field[n++] = part;
    bool old = n > 0 && lt_span_is(field[0], LT_POSITION_FORMAT_OLD);
    if (n == 0 || (!old && !lt_span_is(field[0], LT_POSITION_FORMAT))) {
        /* A letter and digits of another version, or not ours at all. */
        if (n > 0 && lt_span_starts(field[0], "c"))
            return LT_POSITION_OTHER_FORMAT;
        return lt_err_set(err, LT_E_INVALID, "bad-position", "the offset metadata is not the core's");
    }
    struct lt_position p = {0};
    uint64_t partitions, generations;
    int64_t i64[2];
    bool ok = n == 15 && parse_hex16(field[1], &p.incarnation) && lt_span_u64(field[2], &partitions) &&
              lt_span_i64(field[3], &i64[0]) && lt_span_u64(field[4], &generations) && lt_span_i64(field[5], &i64[1]) &&
              parse_hex16(field[6], &p.anchor) && parse_hex16(field[7], &p.sum) &&
              lt_span_u64(field[8], &p.verdicts[LT_VERDICT_NEW]) &&
              lt_span_u64(field[9], &p.verdicts[LT_VERDICT_DUPLICATE]) &&
              lt_span_u64(field[10], &p.verdicts[LT_VERDICT_CONFLICT]) &&
              lt_span_u64(field[11], &p.verdicts[LT_VERDICT_REPLAY]) &&
              lt_span_u64(field[12], &p.verdicts[LT_VERDICT_INVALID]) && lt_span_u64(field[13], &p.undeliverable) &&
              lt_span_u64(field[14], &p.holes);
    if (!ok || partitions == 0 || partitions > INT32_MAX || i64[0] <= 0 || generations == 0 ||
        generations > WINDOW_PARTS)
        return lt_err_set(err, LT_E_INVALID, "bad-position", "the offset metadata is damaged");
    p.partitions = (int32_t)partitions;
    p.window.generation_ms = i64[0];
    p.window.generations = (uint32_t)generations;
    p.clock_ms = i64[1];
    p.old_sum = old;
    *ret = p;
    return LT_OK;
}

void lt_position_genesis(uint64_t incarnation, int32_t partitions, int64_t window_ms, char out[LT_POSITION_MAX])
{
    struct lt_position p = {.incarnation = incarnation, .partitions = partitions, .window = lt_window_of(window_ms)};
    lt_position_format(&p, out);
}

uint64_t lt_position_anchor(const struct lt_log_record *r)
{
    struct lt_sha256 *h = lt_sha256_new();
    uint8_t out[LT_SHA256_SIZE];
    char time[24];
    snprintf(time, sizeof(time), "%" PRId64, r->append_ms);
    lt_sha256_field(h, r->key);
    lt_sha256_field(h, r->value);
    for (size_t i = 0; i < r->headers.len; i++) {
        lt_sha256_field(h, r->headers.v[i].name);
        lt_sha256_field(h, r->headers.v[i].value);
    }
    lt_sha256_field(h, lt_span_str(time));
    lt_sha256_final(h, out);
    lt_sha256_free(h);
    uint64_t a = 0;
    for (int i = 0; i < 8; i++)
        a = a << 8 | out[i];
    return a;
}

int64_t lt_position_time_of(int64_t append_ms, struct lt_span lt_time)
{
    int64_t sent;
    if (append_ms < 0 || !lt_span_i64(lt_time, &sent) || sent < 0 || sent > INT64_MAX - CLOCK_AHEAD_MAX_MS)
        return -1;
    return LT_MIN(append_ms, sent + CLOCK_AHEAD_MAX_MS);
}

int64_t lt_position_time(const struct lt_log_record *r)
{
    return r->append_ms < 0 ? -1 : lt_position_time_of(r->append_ms, lt_headers_value(&r->headers, "lt_time"));
}

int64_t lt_position_clock(int64_t before_ms, const struct lt_log_record *r)
{
    return LT_MAX(before_ms, lt_position_time(r));
}
