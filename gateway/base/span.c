#include "gateway/base/base.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct lt_span lt_span_trim(struct lt_span s)
{
    while (s.len && is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/* "a,b" has two parts, "a," has "a" and "", "" has one empty part. A spent rest has ptr NULL. */
bool lt_span_cut(struct lt_span *rest, char sep, struct lt_span *ret_part)
{
    if (!rest->ptr)
        return false;
    const char *at = rest->len ? memchr(rest->ptr, sep, rest->len) : NULL;
    if (!at) {
        *ret_part = *rest;
        *rest = LT_SPAN_NULL;
        return true;
    }
    size_t n = (size_t)(at - rest->ptr);
    *ret_part = lt_span(rest->ptr, n);
    *rest = lt_span(at + 1, rest->len - n - 1);
    return true;
}

bool lt_span_u64(struct lt_span s, uint64_t *ret)
{
    uint64_t value = 0;
    if (!s.len)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value))
            return false;
    }
    *ret = value;
    return true;
}

bool lt_span_i64(struct lt_span s, int64_t *ret)
{
    bool negative = s.len && s.ptr[0] == '-';
    uint64_t value;
    if (negative) {
        s.ptr++;
        s.len--;
    }
    if (!lt_span_u64(s, &value) || value > (uint64_t)INT64_MAX + negative)
        return false;
    *ret = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

/* Linear in practice: on a mismatch only the last '*' takes one more byte. */
bool lt_glob_match(const char *pattern, struct lt_span s)
{
    const char *star = NULL;
    size_t i = 0, resume = 0;
    while (i < s.len) {
        if (*pattern == '*') {
            star = pattern++;
            resume = i;
        } else if (*pattern && *pattern == s.ptr[i]) {
            pattern++;
            i++;
        } else if (star) {
            pattern = star + 1;
            i = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
