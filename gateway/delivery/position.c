#include "gateway/delivery/position.h"

#include "gateway/base/crypto.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define FORMAT "d1"
#define PER_CHAR 3

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

_Static_assert(LT_DELIVERY_WINDOW % PER_CHAR == 0, "marks end on a character");
/* format, incarnation, number, base, four spaces, NUL */
_Static_assert(sizeof(FORMAT) - 1 + 16 + 20 + 19 + 4 + LT_DELIVERY_WINDOW / PER_CHAR + 1 <= LT_DELIVERY_POSITION_MAX,
               "a full window fits");

void lt_delivery_position_format(const struct lt_delivery_position *p, char out[LT_DELIVERY_POSITION_MAX])
{
    size_t used = LT_DELIVERY_WINDOW;
    while (used > 0 && p->marks[used - 1] == LT_MARK_OPEN)
        used--;
    int n = snprintf(out, LT_DELIVERY_POSITION_MAX, FORMAT " %016" PRIx64 " %" PRIu64 " %" PRId64 " ", p->incarnation,
                     p->number, p->base);
    char *at = out + n;
    for (size_t i = 0; i < used; i += PER_CHAR)
        *at++ = alphabet[p->marks[i] | p->marks[i + 1] << 2 | p->marks[i + 2] << 4];
    /* "-" is a letter of the alphabet too, but a mark of 3 is never written: it cannot be mistaken. */
    if (used == 0)
        *at++ = '-';
    *at = 0;
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

static bool parse_marks(struct lt_span s, uint8_t *marks)
{
    if (lt_span_is(s, "-"))
        return true;
    if (s.len == 0 || s.len > LT_DELIVERY_WINDOW / PER_CHAR)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        const char *c = memchr(alphabet, s.ptr[i], sizeof(alphabet) - 1);
        if (!c)
            return false;
        unsigned bits = (unsigned)(c - alphabet);
        for (size_t j = 0; j < PER_CHAR; j++, bits >>= 2) {
            if ((bits & 3) > LT_MARK_INTENT)
                return false;
            marks[i * PER_CHAR + j] = bits & 3;
        }
    }
    return true;
}

int lt_delivery_position_parse(struct lt_span s, struct lt_delivery_position *ret, struct lt_err *err)
{
    struct lt_span field[6], part;
    size_t n = 0;
    while (n < LT_ARRAY_LEN(field) && lt_span_cut(&s, ' ', &part))
        field[n++] = part;
    if (n == 0 || !lt_span_is(field[0], FORMAT)) {
        if (n > 0 && field[0].len >= 2 && field[0].ptr[0] == 'd' && field[0].ptr[1] >= '0' && field[0].ptr[1] <= '9')
            return LT_DELIVERY_POSITION_OTHER_FORMAT;
        return lt_err_set(err, LT_E_INVALID, "bad-position", "the offset metadata is not of a delivery queue");
    }
    struct lt_delivery_position p = {0};
    if (n != 5 || !parse_hex16(field[1], &p.incarnation) || !lt_span_u64(field[2], &p.number) ||
        !lt_span_i64(field[3], &p.base) || p.base < 0 || !parse_marks(field[4], p.marks))
        return lt_err_set(err, LT_E_INVALID, "bad-position", "the offset metadata of the delivery queue is damaged");
    *ret = p;
    return LT_OK;
}

enum lt_mark lt_delivery_position_mark(const struct lt_delivery_position *p, int64_t offset)
{
    if (offset < p->base)
        return LT_MARK_DONE;
    return lt_delivery_position_covers(p, offset) ? p->marks[offset - p->base] : LT_MARK_OPEN;
}

void lt_delivery_position_set(struct lt_delivery_position *p, int64_t offset, enum lt_mark m)
{
    assert(lt_delivery_position_covers(p, offset));
    p->marks[offset - p->base] = (uint8_t)m;
}

void lt_delivery_position_advance(struct lt_delivery_position *p, int64_t base)
{
    assert(base >= p->base);
    int64_t by = base - p->base;
    if (by >= LT_DELIVERY_WINDOW) {
        memset(p->marks, LT_MARK_OPEN, sizeof(p->marks));
    } else if (by > 0) {
        memmove(p->marks, p->marks + by, LT_DELIVERY_WINDOW - (size_t)by);
        memset(p->marks + LT_DELIVERY_WINDOW - by, LT_MARK_OPEN, (size_t)by);
    }
    p->base = base;
}

int64_t lt_delivery_position_first(const struct lt_delivery_position *p, enum lt_mark m)
{
    for (size_t i = 0; i < LT_DELIVERY_WINDOW; i++)
        if (p->marks[i] == m)
            return p->base + (int64_t)i;
    return -1;
}

void lt_delivery_genesis(uint64_t incarnation, char out[LT_DELIVERY_POSITION_MAX])
{
    struct lt_delivery_position p = {.incarnation = incarnation};
    lt_delivery_position_format(&p, out);
}
