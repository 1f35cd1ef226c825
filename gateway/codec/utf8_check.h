/* UTF-8 validity of a whole text, quick over ASCII: every document passes here. Private to gateway/codec; pure. */
#ifndef LT_CODEC_UTF8_CHECK_H
#define LT_CODEC_UTF8_CHECK_H

#include "gateway/base/text.h"

/* A run of bytes above 127 is judged alone: it is valid or not whatever ASCII stands around it. */
static inline bool lt_codec_utf8_valid(struct lt_span s, size_t *ret_bad)
{
    size_t i = 0;
    for (;;) {
        uint64_t word;
        while (i + sizeof(word) <= s.len) {
            memcpy(&word, s.ptr + i, sizeof(word));
            if (word & UINT64_C(0x8080808080808080))
                break;
            i += sizeof(word);
        }
        while (i < s.len && (unsigned char)s.ptr[i] < 0x80)
            i++;
        if (i == s.len)
            return true;
        size_t from = i, bad = 0;
        while (i < s.len && (unsigned char)s.ptr[i] >= 0x80)
            i++;
        if (!lt_utf8_valid(lt_span(s.ptr + from, i - from), &bad)) {
            *ret_bad = from + bad;
            return false;
        }
    }
}
#endif
