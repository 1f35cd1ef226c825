#include "gateway/config/value.h"

#include "gateway/base/clock.h"
#include "gateway/base/file.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *name;
    int64_t factor;
};
static const struct unit size_units[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}};
static const struct unit time_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

bool lt_size_parse(struct lt_span s, int64_t *ret)
{
    int64_t factor = 1, n;
    for (size_t i = 0; i < LT_ARRAY_LEN(size_units); i++) {
        if (s.len > 3 && memcmp(s.ptr + s.len - 3, size_units[i].name, 3) == 0) {
            factor = size_units[i].factor;
            s.len -= 3;
            break;
        }
    }
    uint64_t digits;
    if (!lt_span_u64(s, &digits) || digits > INT64_MAX || __builtin_mul_overflow((int64_t)digits, factor, &n))
        return false;
    *ret = n;
    return true;
}

/* The largest unit that leaves a whole number. */
static const char *with_unit(int64_t v, const struct unit *units, size_t n, struct lt_arena *a)
{
    for (size_t i = 0; i < n; i++) {
        if (v && v % units[i].factor == 0)
            return lt_arena_printf(a, "%" PRId64 "%s", v / units[i].factor, units[i].name);
    }
    return lt_arena_printf(a, "%" PRId64, v);
}

const char *lt_duration_text(int64_t ms, struct lt_arena *a)
{
    return ms ? with_unit(ms, time_units, LT_ARRAY_LEN(time_units), a) : "0s";
}

static const char *bound(enum lt_opt_type type, int64_t v, struct lt_arena *a)
{
    if (type == LT_OPT_SIZE)
        return with_unit(v, size_units, LT_ARRAY_LEN(size_units), a);
    if (type == LT_OPT_DURATION)
        return lt_duration_text(v, a);
    return lt_arena_printf(a, "%" PRId64, v);
}

static const char *range(const struct lt_opt *o, const char *what, const char *forms, struct lt_arena *a)
{
    if (o->min == 0 && o->max == 0)
        return lt_arena_printf(a, "%s%s", what, forms);
    return lt_arena_printf(a, "%s from %s to %s%s", what, bound(o->type, o->min, a), bound(o->type, o->max, a), forms);
}

const char *lt_value_expected(const struct lt_opt *o, struct lt_arena *a)
{
    switch (o->type) {
    case LT_OPT_STRING:
        return "a text";
    case LT_OPT_PATH:
        return "a path";
    case LT_OPT_INT:
        return range(o, "a whole number", "", a);
    case LT_OPT_BOOL:
        return "true or false";
    case LT_OPT_DURATION:
        return range(o, "a duration", " (500ms 10s 5m 2h 400d)", a);
    case LT_OPT_SIZE:
        return range(o, "a size", " (4096 64KiB 4MiB 2GiB)", a);
    case LT_OPT_STRINGS:
        return "a text or a list of texts";
    case LT_OPT_ENUM: {
        LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(1024);
        lt_buf_str(&b, o->words[1] ? "one of " : "");
        for (const char *const *w = o->words; *w; w++)
            lt_buf_printf(&b, "%s%s", w == o->words ? "" : ", ", *w);
        return lt_arena_str(a, lt_buf_view(&b));
    }
    case LT_OPT_SECRET:
        return "{file: PATH} or {env: NAME}";
    case LT_OPT_ADDRESS:
        return "an address host:port";
    case LT_OPT_URL:
        return "a URL https://… (http:// only to 127.0.0.1, [::1] or localhost)";
    case LT_OPT_URL_PATH:
        return "a path that begins with '/'";
    case LT_OPT_NODE:
        return "a section or list of its own";
    }
    return "a value";
}

static bool is_text(const struct lt_yaml_node *n)
{
    return n->kind == LT_YAML_SCALAR && !lt_yaml_is_null(n) && n->text_len;
}

static bool in_range(const struct lt_opt *o, int64_t v)
{
    return o->min == 0 && o->max == 0 ? v >= 0 : v >= o->min && v <= o->max;
}

static bool number(const struct lt_opt *o, const struct lt_yaml_node *n, int64_t *ret)
{
    struct lt_span s = lt_yaml_text(n);
    int64_t v;
    bool read = o->type == LT_OPT_INT    ? !n->quoted && lt_span_i64(s, &v)
                : o->type == LT_OPT_SIZE ? lt_size_parse(s, &v)
                                         : lt_duration_parse(s, &v) || (lt_span_is(s, "0") && (v = 0, true));
    if (!read || !in_range(o, v))
        return false;
    *ret = v;
    return true;
}

static bool host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
}

/* A name or IPv4 address, or an IPv6 address in brackets; ret_rest is what follows. */
static bool host(struct lt_span s, struct lt_span *ret_host, struct lt_span *ret_rest)
{
    size_t n = 0;
    if (s.len && s.ptr[0] == '[') {
        for (n = 1; n < s.len && strchr("0123456789abcdefABCDEF:.", s.ptr[n]); n++)
            ;
        if (n < 4 - 1 || n >= s.len || s.ptr[n] != ']')
            return false;
        n++;
    } else {
        while (n < s.len && host_char(s.ptr[n]))
            n++;
    }
    *ret_host = lt_span(s.ptr, n);
    *ret_rest = lt_span(s.ptr + n, s.len - n);
    return n > 0;
}

static bool port(struct lt_span s, uint64_t min)
{
    uint64_t v;
    return lt_span_u64(s, &v) && v >= min && v <= 65535 && s.len <= 5;
}

static bool address(struct lt_span s)
{
    struct lt_span name, rest;
    return host(s, &name, &rest) && rest.len > 1 && rest.ptr[0] == ':' && port(lt_span(rest.ptr + 1, rest.len - 1), 0);
}

static bool url(struct lt_span s)
{
    bool plain = lt_span_starts(s, "http://");
    if (!plain && !lt_span_starts(s, "https://"))
        return false;
    size_t scheme = plain ? strlen("http://") : strlen("https://");
    struct lt_span name, rest, authority;
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7f)
            return false;
    }
    if (!host(lt_span(s.ptr + scheme, s.len - scheme), &name, &rest))
        return false;
    size_t n = 0;
    while (n < rest.len && !strchr("/?#", rest.ptr[n]))
        n++;
    authority = lt_span(rest.ptr, n);
    if (authority.len && (authority.ptr[0] != ':' || !port(lt_span(authority.ptr + 1, authority.len - 1), 1)))
        return false;
    return !plain || lt_span_is(name, "127.0.0.1") || lt_span_is(name, "[::1]") || lt_span_is(name, "localhost");
}

/* https://host + .other.example would be another host, and http://127.0.0.1 + @other.example no loopback. */
static bool url_path(struct lt_span s)
{
    bool good = lt_span_starts(s, "/");
    for (size_t i = 0; i < s.len; i++)
        good = good && (unsigned char)s.ptr[i] > ' ' && s.ptr[i] != 0x7f && s.ptr[i] != '#';
    return good;
}

static bool strings(const struct lt_yaml_node *n, const char *key, struct lt_opt_strings *ret, struct lt_arena *a,
                    struct lt_diags *diags)
{
    const struct lt_yaml_node *const one[] = {n};
    const struct lt_yaml_node *const *items = n->kind == LT_YAML_SEQ ? n->items : one;
    size_t len = n->kind == LT_YAML_SEQ ? n->len : 1;
    const char **v = lt_arena_alloc(a, LT_MAX(len, 1) * sizeof(*v));
    bool good = n->kind != LT_YAML_MAP;
    if (!good)
        lt_yaml_expected(diags, n, key, "a text or a list of texts");
    for (size_t i = 0; good && i < len; i++) {
        v[i] = items[i]->text;
        if (!is_text(items[i])) {
            lt_yaml_expected(diags, items[i], key, "a text or a list of texts");
            good = false;
        }
    }
    if (good)
        *ret = (struct lt_opt_strings){v, len};
    return good;
}

static bool word(const struct lt_opt *o, const struct lt_yaml_node *n, const char *key, int *ret, struct lt_arena *a,
                 struct lt_diags *diags)
{
    for (int i = 0; n->kind == LT_YAML_SCALAR && o->words[i]; i++) {
        if (strcmp(n->text, o->words[i]) == 0) {
            *ret = i;
            return true;
        }
    }
    const char *expected = lt_value_expected(o, a), *near = lt_nearest(lt_yaml_text(n), o->words);
    if (near)
        lt_yaml_error(diags, n, "%s: expected %s, got '%.60s' (did you mean '%s'?)", key, expected, n->text, near);
    else
        lt_yaml_expected(diags, n, key, expected);
    return false;
}

static bool truth(const struct lt_yaml_node *n, bool *ret)
{
    bool yes = lt_span_is(lt_yaml_text(n), "true");
    if (n->quoted || (!yes && !lt_span_is(lt_yaml_text(n), "false")))
        return false;
    *ret = yes;
    return true;
}

/* A URL with a name and password in it must not be shown. */
static void url_refused(const struct lt_opt *o, const struct lt_yaml_node *n, const char *key, struct lt_arena *a,
                        struct lt_diags *diags)
{
    if (n->kind == LT_YAML_SCALAR && strchr(n->text, '@'))
        lt_yaml_error(diags, n, "%s: expected %s without a user name, got one with '@' (not shown)", key,
                      lt_value_expected(o, a));
    else
        lt_yaml_expected(diags, n, key, lt_value_expected(o, a));
}

bool lt_value_decode(const struct lt_opt *o, const struct lt_yaml_node *n, const char *key, void *slot,
                     struct lt_arena *a, struct lt_diags *diags)
{
    bool good = false;
    const char *text = n->text;
    switch (o->type) {
    case LT_OPT_INT:
    case LT_OPT_SIZE:
    case LT_OPT_DURATION:
        good = is_text(n) && number(o, n, slot);
        break;
    case LT_OPT_BOOL:
        good = is_text(n) && truth(n, slot);
        break;
    case LT_OPT_STRINGS:
        return strings(n, key, slot, a, diags);
    case LT_OPT_ENUM:
        return word(o, n, key, slot, a, diags);
    case LT_OPT_SECRET:
        return lt_secret_read(n, key, slot, diags);
    case LT_OPT_NODE:
        *(const struct lt_yaml_node **)slot = n;
        return true;
    case LT_OPT_PATH:
        good = is_text(n);
        if (good && n->file) {
            LT_AUTOFREE char *path = lt_path_beside(n->file, text);
            text = lt_arena_str(a, lt_span_str(path));
        }
        break;
    case LT_OPT_STRING: /* "" in quotes is meant */
        good = is_text(n) || (!o->required && n->kind == LT_YAML_SCALAR && n->quoted);
        break;
    case LT_OPT_ADDRESS:
        good = is_text(n) && address(lt_yaml_text(n));
        break;
    case LT_OPT_URL:
        good = is_text(n) && url(lt_yaml_text(n));
        break;
    case LT_OPT_URL_PATH:
        good = is_text(n) && url_path(lt_yaml_text(n));
        break;
    }
    if (!good && o->type == LT_OPT_URL)
        url_refused(o, n, key, a, diags);
    else if (!good)
        lt_yaml_expected(diags, n, key, lt_value_expected(o, a));
    else if (o->type == LT_OPT_STRING || o->type == LT_OPT_PATH || o->type == LT_OPT_ADDRESS || o->type == LT_OPT_URL ||
             o->type == LT_OPT_URL_PATH)
        *(const char **)slot = lt_arena_str(a, lt_span_str(text));
    return good;
}
