#include "gateway/delivery/position.h"

#include "gateway/base/crypto.h"

#include <inttypes.h>
#include <stdio.h>

#define FORMAT "d2"
#define FORMER "d1" /* <incarnation> <number> <base> <marks>; marks "-": nothing done beyond base, nothing out */

/* format, incarnation, number, base, control, open, the counters, a space before each, NUL */
_Static_assert(sizeof(FORMAT) - 1 + 17 + 21 + 3 * 20 + LT_COUNTS * 20 + 1 <= LT_DELIVERY_POSITION_MAX, "it fits");

const char *lt_count_name(enum lt_count c)
{
    static const char *const names[LT_COUNTS] = {
        [LT_COUNT_OK] = "ok",           [LT_COUNT_EXISTS] = "exists",     [LT_COUNT_PASS] = "pass",
        [LT_COUNT_SKIPPED] = "skipped", [LT_COUNT_PARKED] = "parked",     [LT_COUNT_UNPARKED] = "unparked",
        [LT_COUNT_REJECTS] = "rejects", [LT_COUNT_UNKNOWNS] = "unknowns", [LT_COUNT_REPEATS] = "repeats",
    };
    return (unsigned)c < LT_COUNTS ? names[c] : "?";
}

void lt_delivery_position_format(const struct lt_delivery_position *p, char out[LT_DELIVERY_POSITION_MAX])
{
    int n =
        snprintf(out, LT_DELIVERY_POSITION_MAX, FORMAT " %016" PRIx64 " %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64,
                 p->incarnation, p->number, p->base, p->control, p->open);
    for (size_t i = 0; i < LT_COUNTS; i++)
        n += snprintf(out + n, LT_DELIVERY_POSITION_MAX - (size_t)n, " %" PRId64, p->counts[i]);
}

static bool parse_hex16(struct lt_span s, uint64_t *ret)
{
    uint8_t b[8];
    if (s.len != 16 || !lt_unhex(s, b, sizeof(b)))
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < sizeof(b); i++)
        v = v << 8 | b[i];
    *ret = v;
    return true;
}

static bool parse_count(struct lt_span s, int64_t *ret)
{
    return lt_span_i64(s, ret) && *ret >= 0;
}

static bool parse_head(const struct lt_span *field, struct lt_delivery_position *p)
{
    return parse_hex16(field[1], &p->incarnation) && lt_span_u64(field[2], &p->number) &&
           parse_count(field[3], &p->base);
}

int lt_delivery_position_parse(struct lt_span s, struct lt_delivery_position *ret, struct lt_err *err)
{
    struct lt_span field[6 + LT_COUNTS + 1], part;
    struct lt_delivery_position p = {0};
    size_t n = 0;
    while (n < LT_ARRAY_LEN(field) && lt_span_cut(&s, ' ', &part))
        field[n++] = part;
    if (n == 5 && lt_span_is(field[0], FORMER) && parse_head(field, &p)) {
        if (!lt_span_is(field[4], "-"))
            return LT_DELIVERY_POSITION_FORMER_OPEN;
        *ret = p;
        return LT_OK;
    }
    if (n > 0 && !lt_span_is(field[0], FORMAT) && !lt_span_is(field[0], FORMER) && field[0].len >= 2 &&
        field[0].ptr[0] == 'd' && field[0].ptr[1] >= '0' && field[0].ptr[1] <= '9')
        return LT_DELIVERY_POSITION_OTHER_FORMAT;
    if (n == 0 || !lt_span_is(field[0], FORMAT))
        return lt_err_set(err, LT_E_INVALID, "bad-position", "the offset metadata is not of a delivery queue");
    bool good = n == 6 + LT_COUNTS && parse_head(field, &p) && parse_count(field[4], &p.control) &&
                parse_count(field[5], &p.open);
    for (size_t i = 0; good && i < LT_COUNTS; i++)
        good = parse_count(field[6 + i], &p.counts[i]);
    if (!good || lt_delivery_position_parked(&p) < 0)
        return lt_err_set(err, LT_E_INVALID, "bad-position", "the offset metadata of the delivery queue is damaged");
    *ret = p;
    return LT_OK;
}

void lt_delivery_genesis(uint64_t incarnation, char out[LT_DELIVERY_POSITION_MAX])
{
    struct lt_delivery_position p = {.incarnation = incarnation};
    lt_delivery_position_format(&p, out);
}
