/*
 * One step of a strict UTF-8 decoder (no overlong forms, no surrogates, nothing above U+10FFFF), shared by the
 * escapers of buf.c and by text.c. Private to gateway/base. Pure, any thread.
 */
#ifndef LT_BASE_UTF8_H
#define LT_BASE_UTF8_H

#include "gateway/base/base.h"

/*
 * Decode the code point at p (len >= 1 bytes left).
 *
 * Results  n > 0: well-formed, n bytes long, *ret_cp set;
 *          n < 0: ill-formed, skip -n bytes (the maximal subpart: one U+FFFD stands for them), *ret_cp unchanged
 */
static inline int lt_utf8_step(const unsigned char *p, size_t len, uint32_t *ret_cp)
{
    unsigned char lead = p[0], low = 0x80, high = 0xBF;
    uint32_t cp;
    int need;

    if (lead < 0x80) {
        *ret_cp = lead;
        return 1;
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        need = 1;
        cp = lead & 0x1Fu;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        need = 2;
        cp = lead & 0x0Fu;
        low = lead == 0xE0 ? 0xA0 : 0x80;
        high = lead == 0xED ? 0x9F : 0xBF;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        need = 3;
        cp = lead & 0x07u;
        low = lead == 0xF0 ? 0x90 : 0x80;
        high = lead == 0xF4 ? 0x8F : 0xBF;
    } else {
        return -1;
    }
    for (int i = 1; i <= need; i++) {
        if ((size_t)i >= len || p[i] < low || p[i] > high)
            return -i;
        cp = (cp << 6) | (p[i] & 0x3Fu);
        low = 0x80; /* only the second byte has the narrower range */
        high = 0xBF;
    }
    *ret_cp = cp;
    return need + 1;
}

/* Where from i on the first byte above 0x7f stands; len when there is none. */
static inline size_t lt_utf8_ascii(const unsigned char *p, size_t i, size_t len)
{
    uint64_t word;
    for (; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, p + i, sizeof(word));
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    while (i < len && p[i] < 0x80)
        i++;
    return i;
}

/* Length of s without the first bytes of a code point that was cut off at its end. */
static inline size_t lt_utf8_whole(const char *s, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        unsigned char c = (unsigned char)s[len - back];
        if ((c & 0xC0) == 0x80)
            continue;
        size_t need = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
        return need > back ? len - back : len;
    }
    return len;
}
#endif
