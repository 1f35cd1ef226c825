#include "gateway/base/text.h"
#include "gateway/base/utf8.h"

#include <utf8proc.h>

bool lt_utf8_valid(struct lt_span s, size_t *ret_bad)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t i = 0;
    while (i < s.len) {
        uint32_t cp;
        int n = lt_utf8_step(p + i, s.len - i, &cp);
        if (n < 0) {
            if (ret_bad)
                *ret_bad = i;
            return false;
        }
        i += (size_t)n;
    }
    return true;
}

/* Code points that NFC never changes and that never combine: enough for nearly every Vietnamese text sent composed. */
static bool surely_nfc(struct lt_span s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t i = 0;
    while ((i = lt_utf8_ascii(p, i, s.len)) < s.len) {
        uint32_t cp;
        int n = lt_utf8_step(p + i, s.len - i, &cp);
        if (n < 0)
            return false;
        if (cp >= 0x300 && !(cp >= 0x1EA0 && cp <= 0x1EF9) && !(cp >= 0x2010 && cp <= 0x2027))
            return false;
        i += (size_t)n;
    }
    return true;
}

/* s through utf8proc, copied to the arena; s itself when it is not UTF-8 (the caller broke the contract, no guess). */
static struct lt_span text_map(struct lt_arena *a, struct lt_span s, int options)
{
    utf8proc_uint8_t *mapped = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)s.ptr, (utf8proc_ssize_t)s.len, &mapped,
                                      (utf8proc_option_t)(UTF8PROC_STABLE | options));
    if (n == UTF8PROC_ERROR_NOMEM)
        abort();
    if (n < 0)
        return s;
    struct lt_span out = lt_span(mapped, (size_t)n);
    out = lt_span_eq(out, s) ? s : lt_arena_span(a, out);
    free(mapped);
    return out;
}

struct lt_span lt_text_normal(struct lt_arena *a, struct lt_span s)
{
    s = lt_span_trim(s);
    return surely_nfc(s) ? s : text_map(a, s, UTF8PROC_COMPOSE);
}

/* Đ is a letter of its own, no D with a mark; Ð (Icelandic) and Ɖ (Ewe) look alike and are typed for it. */
static char stroke_letter(uint32_t cp)
{
    switch (cp) {
    case 0x110:
    case 0xD0:
    case 0x189:
        return 'D';
    case 0x111:
    case 0xF0:
    case 0x256:
        return 'd';
    default:
        return '\0';
    }
}

static uint32_t upper_letter(uint32_t cp)
{
    return (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp);
}

static uint32_t plain_letter(uint32_t cp)
{
    char plain = stroke_letter(cp);
    return plain ? (uint32_t)plain : cp;
}

/* Each code point through one function; what is not UTF-8 is copied as it is. */
static struct lt_span each_letter(struct lt_arena *a, struct lt_span s, uint32_t (*letter)(uint32_t))
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(SIZE_MAX);
    size_t i = 0;
    while (i < s.len) {
        uint32_t cp;
        int n = lt_utf8_step(p + i, s.len - i, &cp);
        if (n > 0) {
            utf8proc_uint8_t encoded[4];
            lt_buf_append(&out, encoded, (size_t)utf8proc_encode_char((utf8proc_int32_t)letter(cp), encoded));
        } else {
            lt_buf_append(&out, p + i, (size_t)-n);
        }
        i += (size_t)abs(n);
    }
    return lt_arena_span(a, lt_buf_view(&out));
}

struct lt_span lt_text_strip_accents(struct lt_arena *a, struct lt_span s)
{
    return each_letter(a, text_map(a, s, UTF8PROC_COMPOSE | UTF8PROC_STRIPMARK), plain_letter);
}

struct lt_span lt_text_upper(struct lt_arena *a, struct lt_span s)
{
    return each_letter(a, s, upper_letter);
}

size_t lt_text_chars(struct lt_span s)
{
    size_t chars = 0;
    for (size_t i = 0; i < s.len; i++)
        chars += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
    return chars;
}

struct lt_span lt_text_first_chars(struct lt_span s, size_t max)
{
    size_t chars = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (((unsigned char)s.ptr[i] & 0xC0) != 0x80 && chars++ == max)
            return lt_span(s.ptr, i);
    }
    return s;
}
