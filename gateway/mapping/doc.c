/* Walking paths over places: XML child lists read once, JSON values directly; names of spots for messages. */
#include "gateway/mapping/doc.h"

#include <stdio.h>

struct lt_kid {
    lt_xml_node node;
    struct lt_span name, uri;
    struct lt_place *place; /* made when something below it is asked for */
};

struct lt_place *lt_place_xml(struct lt_arena *a, lt_xml_node n, struct lt_place *up)
{
    struct lt_place *p = lt_arena_alloc(a, sizeof(*p));
    p->kind = LT_DOC_XML;
    p->up = up;
    p->arena = a;
    p->xml = n;
    return p;
}

struct lt_place *lt_place_json(struct lt_arena *a, lt_json_value v, const struct lt_place *up)
{
    struct lt_place *p = lt_arena_alloc(a, sizeof(*p));
    p->kind = LT_DOC_JSON;
    p->up = up;
    p->arena = a;
    p->json = v;
    return p;
}

void lt_place_reset(struct lt_place *p)
{
    p->kids = NULL;
    p->kids_len = 0;
    p->kids_read = false;
}

/* ---- XML ---- */

static void doc_read_kids(struct lt_place *p)
{
    size_t n = 0;

    if (p->kids_read)
        return;
    for (lt_xml_node k = lt_xml_first_child(p->xml); lt_xml_present(k); k = lt_xml_next(k))
        n++;
    p->kids = lt_arena_alloc(p->arena, n * sizeof(*p->kids));
    for (lt_xml_node k = lt_xml_first_child(p->xml); lt_xml_present(k); k = lt_xml_next(k))
        p->kids[p->kids_len++] = (struct lt_kid){.node = k, .name = lt_xml_name(k), .uri = lt_xml_namespace(k)};
    p->kids_read = true;
}

static bool doc_kid_fits(const struct lt_kid *k, const struct lt_seg *s)
{
    return lt_span_eq(k->name, s->name) && lt_span_eq(k->uri, s->value);
}

static struct lt_place *doc_kid_place(struct lt_place *p, struct lt_kid *k)
{
    if (!k->place)
        k->place = lt_place_xml(p->arena, k->node, p);
    return k->place;
}

/* Leading `..` steps. false: a parent is not known here (or the root has none) and XPath must say. */
static bool doc_climb(const struct lt_path *p, struct lt_place **place, size_t *ret_seg)
{
    size_t i = 0;

    for (; i < p->segs_len && p->segs[i].kind == LT_SEG_UP; i++) {
        if (!(*place)->up)
            return false;
        *place = (struct lt_place *)(*place)->up;
    }
    *ret_seg = i;
    return true;
}

/* First element in document order that the steps lead to. */
static struct lt_kid *doc_first(struct lt_place *at, const struct lt_seg *s, size_t n, struct lt_place **ret_in)
{
    doc_read_kids(at);
    for (size_t i = 0; i < at->kids_len; i++) {
        struct lt_kid *k = &at->kids[i], *below;
        if (!doc_kid_fits(k, s))
            continue;
        if (n == 1) {
            *ret_in = at;
            return k;
        }
        below = doc_first(doc_kid_place(at, k), s + 1, n - 1, ret_in);
        if (below)
            return below;
    }
    return NULL;
}

/* 0 found, 1 absent, 2 not walkable: XPath. ret_place only when want_place. */
static int doc_walk_xml(const struct lt_path *p, struct lt_place *from, lt_xml_node *ret, struct lt_place **ret_place)
{
    struct lt_place *in;
    struct lt_kid *k;
    size_t seg;

    if (!p->simple || !doc_climb(p, &from, &seg))
        return 2;
    if (seg == p->segs_len) {
        *ret = from->xml;
        if (ret_place)
            *ret_place = from;
        return 0;
    }
    k = doc_first(from, p->segs + seg, p->segs_len - seg, &in);
    if (!k)
        return 1;
    *ret = k->node;
    if (ret_place)
        *ret_place = doc_kid_place(in, k);
    return 0;
}

static void doc_collect(struct lt_place *at, const struct lt_seg *s, size_t n, struct lt_place **out, size_t *len)
{
    doc_read_kids(at);
    for (size_t i = 0; i < at->kids_len; i++) {
        struct lt_kid *k = &at->kids[i];
        if (!doc_kid_fits(k, s))
            continue;
        if (n > 1)
            doc_collect(doc_kid_place(at, k), s + 1, n - 1, out, len);
        else {
            if (out)
                out[*len] = doc_kid_place(at, k);
            ++*len;
        }
    }
}

static int doc_places_xml(struct lt_walk *w, const struct lt_path *p, struct lt_place *from, struct lt_place ***ret,
                          size_t *ret_n)
{
    struct lt_place *at = from;
    lt_xml_node *nodes;
    size_t seg, n = 0;
    int rc;

    if (p->simple && doc_climb(p, &at, &seg)) {
        if (seg == p->segs_len) {
            *ret = lt_arena_alloc(from->arena, sizeof(**ret));
            (*ret)[0] = at;
            *ret_n = 1;
            return 0;
        }
        doc_collect(at, p->segs + seg, p->segs_len - seg, NULL, &n);
        *ret = lt_arena_alloc(from->arena, n * sizeof(**ret));
        n = 0;
        doc_collect(at, p->segs + seg, p->segs_len - seg, *ret, &n);
        *ret_n = n;
        return 0;
    }
    rc = lt_xpath_nodes(w->xpath, p->xpath, from->xml, &nodes, &n, &w->err);
    if (rc < 0)
        return rc;
    *ret = lt_arena_alloc(from->arena, n * sizeof(**ret));
    for (size_t i = 0; i < n; i++)
        (*ret)[i] = lt_place_xml(from->arena, nodes[i], NULL);
    *ret_n = n;
    return 0;
}

static int doc_text_xml(struct lt_walk *w, const struct lt_path *p, struct lt_place *from, struct lt_span *ret)
{
    lt_xml_node node = {NULL};
    bool found = false;
    int rc = doc_walk_xml(p, from, &node, NULL);

    if (rc == 1)
        return LT_PATH_ABSENT;
    if (rc == 0) {
        *ret = lt_xml_text(node, w->arena);
        return LT_PATH_TEXT;
    }
    rc = lt_xpath_string(w->xpath, p->xpath, from->xml, w->arena, ret, &found, &node, &w->err);
    if (rc < 0)
        return rc;
    return found ? LT_PATH_TEXT : LT_PATH_ABSENT;
}

static int doc_exists_xml(struct lt_walk *w, const struct lt_path *p, struct lt_place *from)
{
    lt_xml_node node = {NULL};
    struct lt_span text = LT_SPAN_NULL;
    bool found = false;
    int rc = doc_walk_xml(p, from, &node, NULL);

    if (rc != 2)
        return rc == 0;
    rc = lt_xpath_string(w->xpath, p->xpath, from->xml, w->arena, &text, &found, &node, &w->err);
    if (rc < 0)
        return rc;
    /* An expression like s:A = 'x' answers with a text that belongs to no node. */
    if (found && !lt_xml_present(node))
        return text.len && !lt_span_is(text, "false");
    return found;
}

/* ---- JSON ---- */

static bool doc_selects(const struct lt_seg *s, lt_json_value element, struct lt_arena *a)
{
    struct lt_span text;
    lt_json_value member = lt_json_member(element, s->name);
    return lt_json_present(member) && lt_json_scalar(member, a, &text) && lt_span_eq(text, s->value);
}

static bool doc_is_array(lt_json_value v)
{
    return lt_json_present(v) && lt_json_type_of(v) == LT_JSON_ARRAY;
}

static const struct lt_place *doc_document(const struct lt_place *p)
{
    while (!p->is_document && p->up)
        p = p->up;
    return p;
}

/* One step down; ret_index is set for elements of arrays, SIZE_MAX for members. */
static lt_json_value doc_step(const struct lt_seg *s, lt_json_value v, struct lt_arena *a, size_t *ret_index)
{
    *ret_index = SIZE_MAX;
    if (doc_is_array(v)) {
        if (s->kind == LT_SEG_NAME) {
            *ret_index = s->index;
            return s->is_index ? lt_json_at(v, s->index) : (lt_json_value){NULL};
        }
        for (size_t i = 0, n = lt_json_len(v); i < n; i++) {
            lt_json_value element = lt_json_at(v, i);
            if (s->kind == LT_SEG_ALL || doc_selects(s, element, a)) {
                *ret_index = i;
                return element;
            }
        }
        return (lt_json_value){NULL};
    }
    if (s->kind == LT_SEG_NAME)
        return lt_json_member(v, s->name);
    return (lt_json_value){NULL};
}

/* Absent or null: {NULL}. */
static lt_json_value doc_value(struct lt_walk *w, const struct lt_path *p, const struct lt_place *from)
{
    lt_json_value v;
    size_t i = 0, index;

    if (p->absolute)
        from = doc_document(from);
    for (; i < p->segs_len && p->segs[i].kind == LT_SEG_UP; i++) {
        if (!from->up)
            return (lt_json_value){NULL};
        from = from->up;
    }
    v = from->json;
    for (; i < p->segs_len && lt_json_present(v); i++)
        v = doc_step(&p->segs[i], v, w->arena, &index);
    if (lt_json_present(v) && lt_json_type_of(v) == LT_JSON_NULL)
        return (lt_json_value){NULL};
    return v;
}

static struct lt_place *doc_below(const struct lt_place *up, struct lt_arena *a, const struct lt_seg *s,
                                  lt_json_value v, size_t index)
{
    struct lt_place *p = lt_place_json(a, v, up);
    if (index == SIZE_MAX)
        p->name = s->name;
    p->index = index;
    return p;
}

struct doc_places {
    struct lt_place **v;
    size_t len, size;
    struct lt_arena *arena;
};

static void doc_push(struct doc_places *d, struct lt_place *p)
{
    if (d->len == d->size) {
        size_t size = d->size ? d->size * 2 : 8;
        struct lt_place **v = lt_arena_alloc(d->arena, size * sizeof(*v));
        if (d->len)
            memcpy(v, d->v, d->len * sizeof(*v));
        d->v = v;
        d->size = size;
    }
    d->v[d->len++] = p;
}

/* Depth first, in document order; only the last place of a path without `*` and selectors can be one. */
static void doc_collect_json(struct lt_walk *w, const struct lt_seg *s, size_t n, struct lt_place *at,
                             struct doc_places *out)
{
    size_t index;

    if (!n) {
        if (doc_is_array(at->json)) {
            struct lt_seg all = {.kind = LT_SEG_ALL};
            for (size_t i = 0, len = lt_json_len(at->json); i < len; i++)
                doc_push(out, doc_below(at, out->arena, &all, lt_json_at(at->json, i), i));
        } else if (lt_json_type_of(at->json) != LT_JSON_NULL) {
            doc_push(out, at);
        }
        return;
    }
    if (s->kind == LT_SEG_UP) {
        if (at->up)
            doc_collect_json(w, s + 1, n - 1, (struct lt_place *)at->up, out);
        return;
    }
    if (s->kind == LT_SEG_NAME) {
        lt_json_value v = doc_step(s, at->json, w->arena, &index);
        if (lt_json_present(v))
            doc_collect_json(w, s + 1, n - 1, doc_below(at, out->arena, s, v, index), out);
        return;
    }
    for (size_t i = 0, len = doc_is_array(at->json) ? lt_json_len(at->json) : 0; i < len; i++) {
        lt_json_value v = lt_json_at(at->json, i);
        if (s->kind == LT_SEG_SELECT && !doc_selects(s, v, w->arena))
            continue;
        struct lt_place *below = doc_below(at, out->arena, s, v, i);
        if (n == 1)
            doc_push(out, below); /* the element itself, even when it is an array */
        else
            doc_collect_json(w, s + 1, n - 1, below, out);
    }
}

/* The place of a path that takes one value. */
static struct lt_place *doc_place_json(struct lt_walk *w, const struct lt_path *p, struct lt_place *from)
{
    struct lt_place *at = from;
    size_t index;

    if (p->absolute)
        at = (struct lt_place *)doc_document(at);
    for (size_t i = 0; i < p->segs_len; i++) {
        const struct lt_seg *s = &p->segs[i];
        if (s->kind == LT_SEG_UP) {
            if (!at->up)
                return NULL;
            at = (struct lt_place *)at->up;
            continue;
        }
        lt_json_value v = doc_step(s, at->json, w->arena, &index);
        if (!lt_json_present(v))
            return NULL;
        at = doc_below(at, from->arena, s, v, index);
    }
    return lt_json_type_of(at->json) == LT_JSON_NULL ? NULL : at;
}

static int doc_text_json(struct lt_walk *w, const struct lt_path *p, struct lt_place *from, struct lt_span *ret)
{
    lt_json_value v = doc_value(w, p, from);

    if (!lt_json_present(v))
        return LT_PATH_ABSENT;
    if (lt_json_scalar(v, w->arena, ret))
        return LT_PATH_TEXT;
    (void)lt_err_set(&w->err, LT_E_INVALID, "bad-value", "expected a text, got an %s",
                     lt_json_type_name(lt_json_type_of(v)));
    return LT_PATH_NO_TEXT;
}

/* ---- both ---- */

int lt_path_text(struct lt_walk *w, const struct lt_path *p, struct lt_place *from, struct lt_span *ret)
{
    return from->kind == LT_DOC_XML ? doc_text_xml(w, p, from, ret) : doc_text_json(w, p, from, ret);
}

int lt_path_exists(struct lt_walk *w, const struct lt_path *p, struct lt_place *from)
{
    return from->kind == LT_DOC_XML ? doc_exists_xml(w, p, from) : lt_json_present(doc_value(w, p, from));
}

int lt_path_places(struct lt_walk *w, const struct lt_path *p, struct lt_place *from, struct lt_place ***ret,
                   size_t *ret_n)
{
    struct doc_places out = {.arena = from->arena};
    struct lt_place *at = from;

    if (from->kind == LT_DOC_XML)
        return doc_places_xml(w, p, from, ret, ret_n);
    if (p->absolute)
        at = (struct lt_place *)doc_document(from);
    doc_collect_json(w, p->segs, p->segs_len, at, &out);
    *ret = out.v;
    *ret_n = out.len;
    return 0;
}

int lt_path_place(struct lt_walk *w, const struct lt_path *p, struct lt_place *from, struct lt_place **ret)
{
    struct lt_place **all;
    lt_xml_node node;
    size_t n = 0;
    int rc;

    *ret = NULL;
    if (from->kind == LT_DOC_JSON) {
        *ret = doc_place_json(w, p, from);
        return 0;
    }
    rc = doc_walk_xml(p, from, &node, ret);
    if (rc != 2)
        return 0;
    rc = doc_places_xml(w, p, from, &all, &n);
    if (rc < 0)
        return rc;
    if (n)
        *ret = all[0];
    return 0;
}

/* ---- spots ---- */

static void doc_pointer_seg(struct lt_buf *b, struct lt_span name)
{
    lt_buf_char(b, '/');
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] == '~' || name.ptr[i] == '/')
            lt_buf_str(b, name.ptr[i] == '~' ? "~0" : "~1");
        else
            lt_buf_char(b, name.ptr[i]);
}

static void doc_pointer(const struct lt_place *p, struct lt_buf *b)
{
    if (!p->up)
        return;
    doc_pointer(p->up, b);
    if (p->index == SIZE_MAX)
        doc_pointer_seg(b, p->name);
    else
        lt_buf_printf(b, "/%zu", p->index);
}

void lt_place_spot(const struct lt_place *p, char *out, size_t size, int *ret_line)
{
    *ret_line = 0;
    if (p->kind == LT_DOC_XML) {
        lt_xml_path_of(p->xml, out, size);
        *ret_line = lt_xml_line(p->xml);
        return;
    }
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(size - 1);
    doc_pointer(p, &b);
    snprintf(out, size, LT_SPAN_FMT, LT_SPAN_ARG(lt_buf_view(&b)));
}

static void doc_spot_json(struct lt_walk *w, const struct lt_path *p, struct lt_place *from, char *out, size_t size)
{
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(size - 1);
    const struct lt_place *at = p->absolute ? doc_document(from) : from;
    lt_json_value v;
    size_t i = 0, index;

    for (; i < p->segs_len && p->segs[i].kind == LT_SEG_UP; i++)
        at = at->up ? at->up : at;
    doc_pointer(at, &b);
    v = at->json;
    for (; i < p->segs_len; i++) {
        const struct lt_seg *s = &p->segs[i];
        index = SIZE_MAX;
        if (lt_json_present(v))
            v = doc_step(s, v, w->arena, &index);
        if (index != SIZE_MAX)
            lt_buf_printf(&b, "/%zu", index);
        else if (s->kind == LT_SEG_NAME)
            doc_pointer_seg(&b, s->name);
        else
            break; /* nothing was selected: the array is the place to look at */
    }
    snprintf(out, size, LT_SPAN_FMT, LT_SPAN_ARG(lt_buf_view(&b)));
}

void lt_path_spot(struct lt_walk *w, const struct lt_path *p, struct lt_place *from, char *out, size_t size,
                  int *ret_line)
{
    lt_xml_node node = {NULL};
    struct lt_place **all;
    size_t n = 0, len;

    *ret_line = 0;
    if (from->kind == LT_DOC_JSON) {
        doc_spot_json(w, p, from, out, size);
        return;
    }
    if (doc_walk_xml(p, from, &node, NULL) == 2 && doc_places_xml(w, p, from, &all, &n) == 0 && n)
        node = all[0]->xml;
    if (lt_xml_present(node)) {
        lt_xml_path_of(node, out, size);
        *ret_line = lt_xml_line(node);
        return;
    }
    lt_place_spot(from, out, size, ret_line);
    len = strlen(out);
    if (len < size)
        snprintf(out + len, size - len, "/%s", p->text);
}
