/* Compiling paths: XPath with a fast form for plain child steps, JSON Pointers with selectors. */
#include <ctype.h>
#include <stdio.h>

#include "gateway/mapping/doc.h"

static bool path_name_char(unsigned char c)
{
    return isalnum(c) || c == '_' || c == '-' || c == '.' || c >= 0x80;
}

static const char *path_uri(const struct lt_path_scope *s, struct lt_span prefix)
{
    for (size_t i = 0; i < s->ns_len; i++)
        if (lt_span_is(prefix, s->ns[i].prefix))
            return s->ns[i].uri;
    return NULL;
}

/* One step `prefix:name`, `name` or `..`; false: not plain, XPath does it. */
static bool path_plain_step(const struct lt_path_scope *s, struct lt_span step, struct lt_seg *ret)
{
    struct lt_span prefix = LT_SPAN_NULL;
    const char *colon;

    if (lt_span_is(step, "..")) {
        *ret = (struct lt_seg){.kind = LT_SEG_UP};
        return true;
    }
    colon = step.len ? memchr(step.ptr, ':', step.len) : NULL;
    if (colon) {
        prefix = lt_span(step.ptr, (size_t)(colon - step.ptr));
        step = lt_span(colon + 1, step.len - prefix.len - 1);
    }
    if (!step.len || (colon && !prefix.len) || isdigit((unsigned char)step.ptr[0]) || step.ptr[0] == '-' ||
        step.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < step.len; i++)
        if (!path_name_char((unsigned char)step.ptr[i]))
            return false;
    *ret = (struct lt_seg){.kind = LT_SEG_NAME, .name = lt_arena_span(s->arena, step)};
    if (colon) {
        const char *uri = path_uri(s, prefix);
        if (!uri)
            return false;
        ret->value = lt_span_str(lt_arena_str(s->arena, lt_span_str(uri)));
    }
    return true;
}

static bool path_plain(const struct lt_path_scope *s, struct lt_span text, struct lt_path *p)
{
    struct lt_span rest = text, step;
    size_t n = 1;

    if (lt_span_is(text, "."))
        return true;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == '/';
    p->segs = lt_arena_alloc(s->arena, n * sizeof(*p->segs));
    while (lt_span_cut(&rest, '/', &step)) {
        struct lt_seg *seg = &p->segs[p->segs_len];
        if (!path_plain_step(s, step, seg))
            return false;
        /* a/.. would need the filter "has an a": leave that to XPath */
        if (seg->kind == LT_SEG_UP && p->segs_len && p->segs[p->segs_len - 1].kind != LT_SEG_UP)
            return false;
        p->segs_len++;
    }
    return p->segs_len == n;
}

static bool path_compile_xml(const struct lt_path_scope *s, const struct lt_yaml_node *n, struct lt_span text,
                             struct lt_path *p, struct lt_diags *diags)
{
    struct lt_err err = LT_ERR_INIT;

    if (lt_xpath_compile(p->text, s->ns, s->ns_len, &p->xpath, &err) < 0) {
        lt_yaml_error(diags, n, "path \"%s\": %s", p->text, err.text);
        return false;
    }
    p->simple = path_plain(s, text, p);
    if (!p->simple)
        p->segs_len = 0;
    return true;
}

/* RFC 6901: ~1 is a slash, ~0 a tilde. */
static bool path_unescape(struct lt_arena *a, struct lt_span in, struct lt_span *ret)
{
    char *out = lt_arena_str(a, in);
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '~') {
            if (i + 1 >= in.len || (in.ptr[i + 1] != '0' && in.ptr[i + 1] != '1'))
                return false;
            c = in.ptr[++i] == '0' ? '~' : '/';
        }
        out[len++] = c;
    }
    out[len] = 0;
    *ret = lt_span(out, len);
    return true;
}

static bool path_json_seg(const struct lt_path_scope *s, const struct lt_yaml_node *n, struct lt_span part, bool many,
                          struct lt_path *p, struct lt_diags *diags)
{
    struct lt_seg *seg = &p->segs[p->segs_len++];
    uint64_t index;

    if (lt_span_is(part, "..")) {
        seg->kind = LT_SEG_UP;
        if (p->segs_len == 1 || seg[-1].kind == LT_SEG_UP)
            return true;
        lt_yaml_error(diags, n, "path \"%s\": expected \"..\" at the beginning only", p->text);
        return false;
    }
    if (lt_span_is(part, "*")) {
        seg->kind = LT_SEG_ALL;
        if (!many)
            lt_yaml_error(diags, n, "path \"%s\": expected one value, got \"*\" (allowed in `each` only)", p->text);
        return many;
    }
    if (part.len && part.ptr[0] == '[') {
        const char *eq = memchr(part.ptr, '=', part.len);
        if (!eq || part.ptr[part.len - 1] != ']' || eq == part.ptr + 1) {
            lt_yaml_error(diags, n, "path \"%s\": expected a selector [name=value], got \"" LT_SPAN_FMT "\"", p->text,
                          LT_SPAN_ARG(part));
            return false;
        }
        seg->kind = LT_SEG_SELECT;
        if (path_unescape(s->arena, lt_span(part.ptr + 1, (size_t)(eq - part.ptr) - 1), &seg->name) &&
            path_unescape(s->arena, lt_span(eq + 1, part.len - (size_t)(eq - part.ptr) - 2), &seg->value))
            return true;
    } else {
        seg->kind = LT_SEG_NAME;
        if (path_unescape(s->arena, part, &seg->name)) {
            seg->is_index = lt_span_u64(part, &index);
            seg->index = seg->is_index ? (size_t)index : 0;
            return true;
        }
    }
    lt_yaml_error(diags, n, "path \"%s\": expected ~0 or ~1 after ~, got \"" LT_SPAN_FMT "\"", p->text,
                  LT_SPAN_ARG(part));
    return false;
}

static bool path_compile_json(const struct lt_path_scope *s, const struct lt_yaml_node *n, struct lt_span text,
                              bool many, struct lt_path *p, struct lt_diags *diags)
{
    struct lt_span rest = text, part;
    size_t parts = 1;

    if (lt_span_is(text, "-") || lt_span_is(text, "."))
        return true;
    if (text.len && text.ptr[0] == '/') {
        p->absolute = true;
        rest = lt_span(text.ptr + 1, text.len - 1);
        if (!rest.len)
            return true;
    }
    for (size_t i = 0; i < rest.len; i++)
        parts += rest.ptr[i] == '/';
    p->segs = lt_arena_alloc(s->arena, parts * sizeof(*p->segs));
    while (lt_span_cut(&rest, '/', &part))
        if (!path_json_seg(s, n, part, many, p, diags))
            return false;
    return true;
}

bool lt_path_compile(const struct lt_path_scope *s, const struct lt_yaml_node *n, struct lt_span text, bool many,
                     struct lt_path *ret, struct lt_diags *diags)
{
    *ret = (struct lt_path){.text = lt_arena_str(s->arena, text)};
    if (!text.len) {
        lt_yaml_error(diags, n, "path: expected %s, got nothing",
                      s->kind == LT_DOC_XML ? "an XPath" : "a JSON Pointer");
        return false;
    }
    if (s->kind == LT_DOC_XML)
        return path_compile_xml(s, n, text, ret, diags);
    return path_compile_json(s, n, text, many, ret, diags);
}

void lt_path_deinit(struct lt_path *p)
{
    lt_xpath_free(p->xpath);
    p->xpath = NULL;
}
