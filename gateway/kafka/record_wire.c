#include "gateway/kafka/record_wire.h"

#define VARINT_MAX 5   /* of 32 bits */
#define VARLONG_MAX 10 /* of 64 bits */

typedef const unsigned char *bytes;

/* Kafka's varint: zigzag, seven bits a byte, the lowest first, the high bit set on all but the last. */
static size_t varint_put(size_t value, unsigned char out[VARLONG_MAX])
{
    uint64_t raw = (uint64_t)value << 1;
    size_t n = 0;
    for (; raw > 0x7f; raw >>= 7)
        out[n++] = (unsigned char)(raw | 0x80);
    out[n++] = (unsigned char)raw;
    return n;
}

/* From *at, not beyond `end`; false: it does not end in time or has too many bytes. */
static bool varint_take(bytes *at, bytes end, int64_t *ret)
{
    uint64_t raw = 0;
    for (unsigned n = 0; n < VARINT_MAX && *at < end; n++) {
        unsigned char c = *(*at)++;
        raw |= (uint64_t)(c & 0x7f) << (7 * n);
        if (!(c & 0x80)) {
            *ret = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
            return true;
        }
    }
    return false;
}

static bool is_varint_of(bytes at, size_t n, const unsigned char *expected)
{
    return memcmp(at, expected, n) == 0;
}

/* Back over one varint that ends before *at: the high bit tells where. */
static bool varint_skip_back(bytes *at, size_t bytes_max)
{
    bytes p = *at - 1;
    if (*p & 0x80)
        return false;
    size_t n = 1;
    while (n <= bytes_max && p[-1] & 0x80) {
        p--;
        n++;
    }
    *at = p;
    return n <= bytes_max;
}

/*
 * The end of the record whose fields begin at `fields` and which reaches at least to `known`; NULL: there is none.
 *
 * Its length ends right before `fields`, but where it begins cannot be told: the byte before it is the former record's
 * last one. So the shortest of the possible lengths is taken that is not too short. The true one is among those, and
 * what the last bytes of a varint give is never more than the whole: the end is never beyond the true one.
 */
static bytes end_of(bytes fields, bytes known)
{
    if (fields[-1] & 0x80)
        return NULL;
    uint64_t raw = 0;
    for (size_t n = 1; n <= VARINT_MAX && (n == 1 || fields[-(ptrdiff_t)n] & 0x80); n++) {
        raw = raw << 7 | (fields[-(ptrdiff_t)n] & 0x7f);
        if (!(raw & 1) && raw >> 1 > (uint64_t)(known - fields))
            return fields + (raw >> 1);
    }
    return NULL;
}

/* The record's end, when key and value stand in one; NULL: they do not. */
static bytes record_end(struct lt_span key, struct lt_span value)
{
    unsigned char expected[VARLONG_MAX];
    if (!key.ptr || !value.ptr)
        return NULL;
    /* The value's length, and nothing else, lies between key and value. Formats 0 and 1 have four bytes there that are
     * no varint of a length that short. */
    size_t n = varint_put(value.len, expected);
    bytes at = (bytes)key.ptr + key.len;
    if ((uintptr_t)value.ptr - (uintptr_t)at != n || !is_varint_of(at, n, expected))
        return NULL;
    n = varint_put(key.len, expected);
    at = (bytes)key.ptr - n;
    if (!is_varint_of(at, n, expected))
        return NULL;
    if (!varint_skip_back(&at, VARINT_MAX) /* offset delta */ || !varint_skip_back(&at, VARLONG_MAX) /* time delta */ ||
        *--at != 0 /* attributes: none are defined */)
        return NULL;
    return end_of(at, (bytes)value.ptr + value.len);
}

/* So many bytes from *at. */
static bool span_take(bytes *at, bytes end, int64_t len, struct lt_span *ret)
{
    if (len < 0 || len > end - *at)
        return false;
    *ret = lt_span(*at, (size_t)len);
    *at += len;
    return true;
}

static bool header_take(bytes *at, bytes end, struct lt_header *ret)
{
    int64_t len;
    if (!varint_take(at, end, &len) || !span_take(at, end, len, &ret->name) ||
        memchr(ret->name.ptr, 0, ret->name.len) || !varint_take(at, end, &len))
        return false;
    ret->value = lt_span(NULL, 0);
    return len == -1 || span_take(at, end, len, &ret->value);
}

bool lt_record_wire_headers(struct lt_span key, struct lt_span value, struct lt_headers *ret)
{
    int64_t count;
    lt_headers_reset(ret);
    bytes end = record_end(key, value), at = (bytes)value.ptr + value.len;
    if (!end || !varint_take(&at, end, &count) || count < 0 || count > LT_HEADERS_MAX)
        return false;
    for (; count > 0; count--) {
        struct lt_header h;
        if (!header_take(&at, end, &h)) {
            lt_headers_reset(ret);
            return false;
        }
        lt_headers_add(ret, h.name, h.value);
    }
    if (at == end)
        return true;
    lt_headers_reset(ret);
    return false;
}
