#include "gateway/base/base.h"
#include "gateway/base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* Room for len more bytes and the NUL. Once over, always over: what is there stays a prefix of what was meant. */
static bool buf_room(struct lt_buf *b, size_t len)
{
    if (b->over || len > b->max - b->len || b->max - b->len > b->max) {
        b->over = true;
        return false;
    }
    size_t need = b->len + len + 1;
    if (need > b->size) {
        size_t size = LT_MAX(b->size * 2, (size_t)64);
        if (b->max < SIZE_MAX)
            size = LT_MIN(size, b->max + 1);
        b->size = LT_MAX(size, need);
        b->ptr = lt_realloc(b->ptr, b->size);
    }
    return true;
}

void lt_buf_reserve(struct lt_buf *b, size_t len)
{
    if (len <= b->max - b->len)
        (void)buf_room(b, len);
}

void lt_buf_deinit(struct lt_buf *b)
{
    free(b->ptr);
    *b = LT_BUF_INIT(b->max);
}

void lt_buf_reset(struct lt_buf *b)
{
    b->len = 0;
    b->over = false;
    if (b->ptr)
        b->ptr[0] = '\0';
}

void lt_buf_append(struct lt_buf *b, const void *p, size_t len)
{
    if (!buf_room(b, len))
        return;
    if (len)
        memcpy(b->ptr + b->len, p, len);
    b->len += len;
    b->ptr[b->len] = '\0';
}

void lt_buf_span(struct lt_buf *b, struct lt_span s)
{
    lt_buf_append(b, s.ptr, s.len);
}

void lt_buf_str(struct lt_buf *b, const char *s)
{
    lt_buf_append(b, s, strlen(s));
}

void lt_buf_char(struct lt_buf *b, char c)
{
    if (!buf_room(b, 1))
        return;
    b->ptr[b->len++] = c;
    b->ptr[b->len] = '\0';
}

void lt_buf_printf(struct lt_buf *b, const char *fmt, ...)
{
    char small[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof(small), fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->over = true;
        return;
    }
    if ((size_t)n < sizeof(small)) {
        lt_buf_append(b, small, (size_t)n);
        return;
    }
    if (!buf_room(b, (size_t)n))
        return;
    va_start(ap, fmt);
    vsnprintf(b->ptr + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

/* Escape sequence of an ASCII character in a JSON string, NULL: as it is. */
static const char *json_escape(unsigned char c, char out[8])
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (c >= 0x20)
            return NULL;
        snprintf(out, 8, "\\u%04x", c);
        return out;
    }
}

/* White space goes as references, so that it survives attribute and line-end normalisation alike. */
static const char *xml_escape(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\t':
        return "&#9;";
    case '\n':
        return "&#10;";
    case '\r':
        return "&#13;";
    default:
        return c < 0x20 || c == 0x7F ? "" : NULL;
    }
}

/* Runs of bytes that need nothing are copied at once; instead: what replaces the n bytes after the run. */
static void buf_replace(struct lt_buf *b, struct lt_span s, size_t *from, size_t at, size_t n, const char *instead)
{
    lt_buf_append(b, s.ptr + *from, at - *from);
    lt_buf_str(b, instead);
    *from = at + n;
}

/* ASCII that stands for itself in a JSON string. */
static inline bool json_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The same of eight at once: none below 0x20, none above 0x7f, no quote, no backslash. */
static inline bool json_plain_word(const unsigned char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
    uint64_t w, quote, slash;
    memcpy(&w, p, sizeof(w));
    quote = w ^ ones * '"';
    slash = w ^ ones * '\\';
    /* A byte below n borrows in w - n * ones; while no high bit is set in w, nothing else does so first. */
    return !((w | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & high);
}

void lt_buf_json(struct lt_buf *b, struct lt_span s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t from = 0, i = 0;
    char esc[8];
    lt_buf_reserve(b, s.len + 2);
    lt_buf_char(b, '"');
    for (;;) {
        while (i + 8 <= s.len && json_plain_word(p + i))
            i += 8;
        while (i < s.len && json_plain(p[i]))
            i++;
        if (i == s.len)
            break;
        uint32_t cp;
        int n = lt_utf8_step(p + i, s.len - i, &cp);
        size_t width = (size_t)abs(n);
        const char *instead = n < 0 ? replacement : n == 1 ? json_escape(p[i], esc) : NULL;
        if (instead)
            buf_replace(b, s, &from, i, width, instead);
        i += width;
    }
    if (s.len > from)
        lt_buf_append(b, s.ptr + from, s.len - from);
    lt_buf_char(b, '"');
}

void lt_buf_xml(struct lt_buf *b, struct lt_span s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t from = 0, i = 0;
    while (i < s.len) {
        uint32_t cp;
        int n = lt_utf8_step(p + i, s.len - i, &cp);
        size_t width = (size_t)abs(n);
        const char *instead = NULL;
        if (n < 0)
            instead = replacement;
        else if (n == 1)
            instead = xml_escape(p[i]);
        else if (cp < 0xA0 || cp == 0xFFFE || cp == 0xFFFF) /* C1 controls; the two XML 1.0 forbids */
            instead = "";
        if (instead)
            buf_replace(b, s, &from, i, width, instead);
        i += width;
    }
    if (s.len > from || !s.len)
        lt_buf_append(b, s.ptr ? s.ptr + from : NULL, s.len - from);
}

/* `over` stays until reset, so that a check after taking still sees it. */
char *lt_buf_take(struct lt_buf *b)
{
    char *p = b->ptr ? b->ptr : lt_alloc(1);
    p[b->len] = '\0';
    b->ptr = NULL;
    b->len = b->size = 0;
    return p;
}
