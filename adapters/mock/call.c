#include "adapters/mock/call.h"

#include <stdarg.h>
#include <stdio.h>

void lt_mock_refuse(struct lt_mock_reply *r, int status, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);

    r->action = LT_MOCK_ANSWER;
    r->status = status;
    r->content_type = LT_MOCK_JSON;
    lt_buf_reset(&r->body);
    lt_buf_str(&r->body, "{\"error\":");
    lt_buf_json(&r->body, lt_span_str(text));
    lt_buf_str(&r->body, "}");
}

bool lt_mock_method_is(const struct lt_mock_call *c, const char *method, struct lt_mock_reply *r)
{
    if (strcmp(c->method, method) == 0)
        return true;
    lt_mock_refuse(r, 405, "%s: expected %s, got %s", c->path, method, c->method);
    return false;
}

bool lt_mock_query_u64(const struct lt_mock_call *c, const char *name, uint64_t fallback, uint64_t *ret,
                       struct lt_mock_reply *r)
{
    struct lt_span rest = lt_span_str(c->query), part, key;
    while (lt_span_cut(&rest, '&', &part)) {
        if (!lt_span_cut(&part, '=', &key) || !lt_span_is(key, name))
            continue;
        if (lt_span_u64(part, ret))
            return true;
        lt_mock_refuse(r, 400, "%s: expected a number, got " LT_SPAN_FMT, name, LT_SPAN_ARG(part));
        return false;
    }
    *ret = fallback;
    return true;
}

const char *lt_mock_after(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(path, prefix, n) == 0 ? path + n : NULL;
}

bool lt_mock_dispatch(const struct lt_mock_path *paths, size_t n, void *self, const struct lt_mock_call *c,
                      struct lt_mock_reply *r)
{
    for (size_t i = 0; i < n; i++) {
        const char *rest = lt_mock_after(c->path, paths[i].path);
        bool below = paths[i].path[strlen(paths[i].path) - 1] == '/';
        if (!rest || (!below && *rest))
            continue;
        if (!paths[i].method || lt_mock_method_is(c, paths[i].method, r))
            paths[i].fn(self, c, rest, r);
        return true;
    }
    return false;
}
