#include "gateway/config/yaml.h"

#include "gateway/base/file.h"
#include "gateway/base/text.h"

#include <yaml.h>

struct lt_yaml {
    struct lt_arena arena;
    const struct lt_yaml_node *root;
};

/* A list or mapping whose end has not come yet. */
struct open_node {
    struct lt_yaml_node *node;
    LT_VEC(const struct lt_yaml_node *) items;
    LT_VEC(const struct lt_yaml_node *) keys;
    const struct lt_yaml_node *key; /* waiting for its value */
};

struct reader {
    yaml_parser_t parser;
    struct lt_yaml *y;
    const char *file;
    struct lt_diags *diags;
    struct open_node open[LT_YAML_DEPTH_MAX];
    size_t depth, nodes;
    bool findings; /* something that can be read past */
    int code;      /* < 0: reading ends here */
};

static void at_mark(struct reader *r, const yaml_mark_t *m, const char *text)
{
    if (r->diags)
        lt_diags_add(r->diags, LT_DIAG_ERROR, r->file, (int)m->line + 1, (int)m->column + 1, "%s", text);
}

static void stop(struct reader *r, int code, const yaml_mark_t *m, const char *text)
{
    at_mark(r, m, text);
    r->code = code;
}

static void syntax_error(struct reader *r)
{
    yaml_parser_t *p = &r->parser;
    LT_AUTOFREE char *text = NULL;
    yaml_mark_t mark = p->problem_mark;
    if (p->error == YAML_READER_ERROR) {
        text = lt_asprintf("expected UTF-8 text, got a byte that is none at offset %zu (%s)", p->problem_offset,
                           p->problem ? p->problem : "unreadable");
        mark = p->mark;
    } else {
        text = lt_asprintf("expected YAML, got something else: %s%s%s", p->problem ? p->problem : "unreadable",
                           p->context ? ", " : "", p->context ? p->context : "");
    }
    stop(r, LT_E_INVALID, &mark, text);
}

static struct lt_yaml_node *node_new(struct reader *r, enum lt_yaml_kind kind, const yaml_event_t *ev)
{
    if (++r->nodes > LT_YAML_NODES_MAX) {
        stop(r, LT_E_LIMIT, &ev->start_mark, "expected at most 1048576 values in a file, got more: split the file");
        return NULL;
    }
    struct lt_yaml_node *n = lt_arena_alloc(&r->y->arena, sizeof(*n));
    n->kind = kind;
    n->file = r->file;
    n->line = (int)ev->start_mark.line + 1;
    n->column = (int)ev->start_mark.column + 1;
    n->text = "";
    return n;
}

static void refuse_decoration(struct reader *r, const yaml_event_t *ev, const yaml_char_t *anchor,
                              const yaml_char_t *tag)
{
    if (anchor) {
        at_mark(r, &ev->start_mark, "expected the value alone, got an anchor (&): write the value where it is used");
        r->findings = true;
    }
    if (tag) {
        at_mark(r, &ev->start_mark, "expected the value alone, got a tag (!): types come from the key");
        r->findings = true;
    }
}

/* A finished value goes into the list or mapping that is open, or is the root. */
static void place(struct reader *r, const struct lt_yaml_node *n)
{
    if (r->depth == 0) {
        r->y->root = n;
        return;
    }
    struct open_node *o = &r->open[r->depth - 1];
    if (o->node->kind == LT_YAML_SEQ) {
        *lt_vec_push(&o->items) = n;
    } else if (!o->key) {
        o->key = n;
    } else {
        *lt_vec_push(&o->keys) = o->key;
        *lt_vec_push(&o->items) = n;
        o->key = NULL;
    }
}

static bool is_key_place(const struct reader *r)
{
    return r->depth && r->open[r->depth - 1].node->kind == LT_YAML_MAP && !r->open[r->depth - 1].key;
}

static void open_container(struct reader *r, enum lt_yaml_kind kind, const yaml_event_t *ev)
{
    if (is_key_place(r)) {
        stop(r, LT_E_INVALID, &ev->start_mark, "expected a text as key, got a list or a mapping");
        return;
    }
    if (r->depth == LT_YAML_DEPTH_MAX) {
        stop(r, LT_E_LIMIT, &ev->start_mark, "expected at most 64 levels of nesting, got more");
        return;
    }
    struct lt_yaml_node *n = node_new(r, kind, ev);
    if (n)
        r->open[r->depth++] = (struct open_node){.node = n};
}

static void scalar(struct reader *r, const yaml_event_t *ev)
{
    struct lt_span text = lt_span(ev->data.scalar.value, ev->data.scalar.length);
    if (memchr(text.ptr, '\0', text.len) || !lt_utf8_valid(text, NULL)) {
        stop(r, LT_E_INVALID, &ev->start_mark, "expected UTF-8 text without NUL, got a text that has one");
        return;
    }
    struct lt_yaml_node *n = node_new(r, LT_YAML_SCALAR, ev);
    if (!n)
        return;
    n->text = lt_arena_str(&r->y->arena, text);
    n->text_len = text.len;
    n->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    place(r, n);
}

struct key_place {
    const char *text;
    size_t at;
};

static int key_order(const void *pa, const void *pb)
{
    const struct key_place *a = pa, *b = pb;
    int by = strcmp(a->text, b->text);
    return by ? by : (a->at > b->at) - (a->at < b->at);
}

/* Every key that an earlier one has too is told, and dropped from the tree. */
static void drop_duplicates(struct reader *r, struct open_node *o)
{
    size_t len = o->keys.len;
    if (len < 2)
        return;
    LT_AUTOFREE struct key_place *sorted = lt_calloc(len, sizeof(*sorted));
    LT_AUTOFREE bool *twice = lt_calloc(len, sizeof(*twice));
    for (size_t i = 0; i < len; i++)
        sorted[i] = (struct key_place){o->keys.v[i]->text, i};
    qsort(sorted, len, sizeof(*sorted), key_order);
    bool any = false;
    for (size_t i = 1, first = 0; i < len; i++) {
        if (strcmp(sorted[first].text, sorted[i].text) != 0) {
            first = i;
            continue;
        }
        const struct lt_yaml_node *k = o->keys.v[sorted[i].at], *before = o->keys.v[sorted[first].at];
        twice[sorted[i].at] = any = true;
        if (r->diags)
            lt_yaml_error(r->diags, k, "%.100s: expected each key once, got it again (first at line %d, column %d)",
                          k->text, before->line, before->column);
    }
    if (!any)
        return;
    r->findings = true;
    size_t kept = 0;
    for (size_t i = 0; i < len; i++) {
        if (twice[i])
            continue;
        o->keys.v[kept] = o->keys.v[i];
        o->items.v[kept++] = o->items.v[i];
    }
    o->keys.len = o->items.len = kept;
}

static void close_container(struct reader *r)
{
    struct open_node *o = &r->open[r->depth - 1];
    drop_duplicates(r, o);
    struct lt_yaml_node *n = o->node;
    n->len = o->items.len;
    n->items = lt_arena_alloc(&r->y->arena, LT_MAX(n->len, 1) * sizeof(*n->items));
    if (n->len)
        memcpy(n->items, o->items.v, n->len * sizeof(*n->items));
    if (n->kind == LT_YAML_MAP) {
        n->keys = lt_arena_alloc(&r->y->arena, LT_MAX(n->len, 1) * sizeof(*n->keys));
        if (n->len)
            memcpy(n->keys, o->keys.v, n->len * sizeof(*n->keys));
    }
    lt_vec_deinit(&o->items);
    lt_vec_deinit(&o->keys);
    r->depth--;
    place(r, n);
}

/* Returns false when the document is over or reading has to end. */
static bool take_event(struct reader *r, const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->y->root)
            stop(r, LT_E_INVALID, &ev->start_mark, "expected one document in a file, got another (---)");
        break;
    case YAML_ALIAS_EVENT:
        stop(r, LT_E_INVALID, &ev->start_mark, "expected a value, got an alias (*): write the value where it is used");
        break;
    case YAML_SCALAR_EVENT:
        refuse_decoration(r, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
        scalar(r, ev);
        break;
    case YAML_SEQUENCE_START_EVENT:
        refuse_decoration(r, ev, ev->data.sequence_start.anchor, ev->data.sequence_start.tag);
        open_container(r, LT_YAML_SEQ, ev);
        break;
    case YAML_MAPPING_START_EVENT:
        refuse_decoration(r, ev, ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
        open_container(r, LT_YAML_MAP, ev);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        close_container(r);
        break;
    case YAML_STREAM_END_EVENT:
        return false;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return r->code == LT_OK;
}

static void read_all(struct reader *r, struct lt_span text)
{
    yaml_event_t ev;
    if (!yaml_parser_initialize(&r->parser))
        abort();
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING); /* no UTF-16, whatever the first bytes look like */
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)text.ptr, text.len);
    for (bool more = true; more;) {
        if (!yaml_parser_parse(&r->parser, &ev)) {
            syntax_error(r);
            break;
        }
        more = take_event(r, &ev);
        yaml_event_delete(&ev);
    }
    if (r->code == LT_OK && !r->y->root)
        stop(r, LT_E_INVALID, &(yaml_mark_t){0}, "expected a mapping, got an empty file");
    while (r->depth) {
        struct open_node *o = &r->open[--r->depth];
        lt_vec_deinit(&o->items);
        lt_vec_deinit(&o->keys);
    }
    yaml_parser_delete(&r->parser);
}

static int parse(const char *name, struct lt_span text, bool tolerant, struct lt_yaml **ret, struct lt_diags *diags)
{
    if (text.len > LT_YAML_SIZE_MAX) {
        if (diags)
            lt_diags_add(diags, LT_DIAG_ERROR, name, 0, 0,
                         "expected at most 16 MiB of YAML, got %zu bytes: split the file", text.len);
        return LT_E_LIMIT;
    }
    LT_AUTOFREE struct reader *r = lt_alloc(sizeof(*r));
    r->y = lt_alloc(sizeof(*r->y));
    r->y->arena = LT_ARENA_INIT;
    r->file = lt_arena_str(&r->y->arena, lt_span_str(name));
    r->diags = diags;
    read_all(r, text.ptr ? text : LT_SPAN_LIT(""));
    if (r->code < 0 || (r->findings && !tolerant)) {
        lt_yaml_free(r->y);
        return r->code < 0 ? r->code : LT_E_INVALID;
    }
    *ret = r->y;
    return LT_OK;
}

int lt_yaml_parse(const char *name, struct lt_span text, struct lt_yaml **ret, struct lt_diags *diags)
{
    return parse(name, text, false, ret, diags);
}

int lt_yaml_parse_tolerant(const char *name, struct lt_span text, struct lt_yaml **ret, struct lt_diags *diags)
{
    return parse(name, text, true, ret, diags);
}

int lt_yaml_load(const char *path, struct lt_yaml **ret, struct lt_diags *diags)
{
    LT_AUTOFREE char *text = NULL;
    size_t len;
    struct lt_err err = LT_ERR_INIT;
    int r = lt_file_read(path, LT_YAML_SIZE_MAX, &text, &len, &err);
    if (r < 0) {
        if (diags)
            lt_diags_add(diags, LT_DIAG_ERROR, NULL, 0, 0, "%s", err.text);
        return r;
    }
    return lt_yaml_parse(path, lt_span(text, len), ret, diags);
}

void lt_yaml_free(struct lt_yaml *y)
{
    if (!y)
        return;
    lt_arena_deinit(&y->arena);
    free(y);
}

const struct lt_yaml_node *lt_yaml_root(const struct lt_yaml *y)
{
    return y->root;
}
