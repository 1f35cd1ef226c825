/* Compiling value rules and the tree of `data`, with a finding for every mistake. */
#include <stdio.h>

#include "gateway/base/text.h"
#include "gateway/mapping/rules.h"

#define RULE_PATHS_MAX 8 /* alternatives of `from`, parts of `join` */

const char *lt_compile_text(struct lt_compile *c, const struct lt_yaml_node *n, const char *key)
{
    const struct lt_yaml_node *v = lt_yaml_get(n, key);

    if (!v)
        return NULL;
    if (v->kind != LT_YAML_SCALAR || (lt_yaml_is_null(v) && !v->quoted)) {
        lt_yaml_expected(c->diags, v, key, "a text");
        return NULL;
    }
    return v->text;
}

static struct lt_span rule_literal(struct lt_compile *c, const struct lt_yaml_node *n)
{
    return lt_arena_span(&c->all->arena, lt_text_normal(&c->all->arena, lt_yaml_text(n)));
}

/* ---- value rules ---- */

static void rule_paths(struct lt_compile *c, const struct lt_yaml_node *n, const char *key, struct lt_rule *r)
{
    const struct lt_yaml_node *one[1] = {n};
    const struct lt_yaml_node **items = n->kind == LT_YAML_SEQ ? n->items : one;
    size_t len = n->kind == LT_YAML_SEQ ? n->len : 1;

    if (n->kind == LT_YAML_MAP || !len || len > RULE_PATHS_MAX) {
        lt_yaml_expected(c->diags, n, key, "a path, or a list of up to 8 paths");
        return;
    }
    r->from = lt_arena_alloc(&c->all->arena, len * sizeof(*r->from));
    for (size_t i = 0; i < len; i++) {
        if (items[i]->kind != LT_YAML_SCALAR)
            lt_yaml_expected(c->diags, items[i], key, "a path");
        else if (lt_path_compile(&c->scope, items[i], lt_yaml_text(items[i]), false, &r->from[r->from_len], c->diags))
            r->from_len++;
    }
}

static void rule_source(struct lt_compile *c, const struct lt_yaml_node *n, struct lt_rule *r)
{
    const struct lt_yaml_node *from = lt_yaml_get(n, "from"), *join = lt_yaml_get(n, "join"),
                              *constant = lt_yaml_get(n, "const"), *with = lt_yaml_get(n, "with");

    if (!!from + !!join + !!constant != 1)
        lt_yaml_expected(c->diags, n, r->field, "exactly one of from, join, const");
    if (from)
        rule_paths(c, from, "from", r);
    if (join) {
        r->join = true;
        rule_paths(c, join, "join", r);
    }
    r->with = LT_SPAN_LIT(" ");
    if (with && !join)
        lt_yaml_expected(c->diags, n, "with", "a `join` beside it");
    if (with)
        r->with = lt_yaml_text(with);
    if (constant) {
        r->is_const = true;
        if (constant->kind != LT_YAML_SCALAR)
            lt_yaml_expected(c->diags, constant, "const", "a text");
        r->constant = rule_literal(c, constant);
    }
}

static void rule_format(struct lt_compile *c, const struct lt_yaml_node *n, struct lt_rule *r)
{
    static const char *names[LT_TIME_FORMATS + 2];
    const struct lt_yaml_node *format = lt_yaml_get(n, "format"), *as = lt_yaml_get(n, "as");
    const struct lt_yaml_node *one[1] = {format};
    size_t len = format && format->kind == LT_YAML_SEQ ? format->len : format != NULL;

    for (size_t i = 0; i < LT_TIME_FORMATS; i++)
        names[i] = lt_time_format_name((enum lt_time_format)i);
    names[LT_FORMAT_YEAR] = "yyyy";
    for (size_t i = 0; i < len; i++) {
        const struct lt_yaml_node *item = format->kind == LT_YAML_SEQ ? format->items[i] : one[0];
        enum lt_time_format f;
        if (r->formats_len == LT_ARRAY_LEN(r->formats)) {
            lt_yaml_expected(c->diags, item, "format", "every form once");
            break;
        }
        if (lt_span_is(lt_yaml_text(item), "yyyy")) {
            r->formats[r->formats_len++] = LT_FORMAT_YEAR;
        } else if (lt_time_format_parse(lt_yaml_text(item), &f)) {
            r->formats[r->formats_len++] = (int)f;
        } else {
            const char *near = lt_nearest(lt_yaml_text(item), names);
            lt_yaml_error(c->diags, item, "format: expected a form such as yyyyMMddHHmmss or rfc3339, got \"%s\"%s%s%s",
                          item->kind == LT_YAML_SCALAR ? item->text : lt_yaml_kind_name(item),
                          near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
        }
    }
    if (!as)
        return;
    r->as_date = lt_span_is(lt_yaml_text(as), "date");
    if (!r->as_date && !lt_span_is(lt_yaml_text(as), "portal"))
        lt_yaml_expected(c->diags, as, "as", "portal or date");
    if (!format)
        lt_yaml_expected(c->diags, as, "as", "a `format` beside it");
}

static void rule_normal(struct lt_compile *c, const struct lt_yaml_node *n, struct lt_rule *r)
{
    const struct lt_yaml_node *v = lt_yaml_get(n, "normal");
    const char **names, *near;
    size_t len = c->m->vocabularies_len;

    if (!v)
        return;
    names = lt_alloc((len + 1) * sizeof(*names));
    for (size_t i = 0; i < len; i++) {
        names[i] = c->m->vocabularies[i].name;
        if (lt_span_is(lt_yaml_text(v), names[i]))
            r->normal = &c->m->vocabularies[i];
    }
    near = lt_nearest(lt_yaml_text(v), names);
    if (!r->normal)
        lt_yaml_error(c->diags, v, "normal: expected a vocabulary of `normal:`, got \"" LT_SPAN_FMT "\"%s%s%s",
                      LT_SPAN_ARG(lt_yaml_text(v)), near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    free(names);
}

static bool rule_table_has_field(const struct lt_table *t, const char *field)
{
    for (size_t i = 0; i < lt_table_len(t); i++)
        if (lt_table_field(lt_table_at(t, i), field)[0])
            return true;
    return lt_table_len(t) == 0;
}

static const char *rule_unknown_code(struct lt_compile *c, const struct lt_table *t)
{
    struct lt_span name = lt_span_str(lt_table_name(t));

    if (name.len && name.ptr[name.len - 1] == 's')
        name.len--;
    return lt_arena_printf(&c->all->arena, "unknown-" LT_SPAN_FMT, LT_SPAN_ARG(name));
}

static void rule_table(struct lt_compile *c, const struct lt_yaml_node *n, struct lt_rule *r)
{
    static const char *const words[] = {"refuse", "keep", "default", NULL};
    const struct lt_yaml_node *table = lt_yaml_get(n, "table"), *unknown = lt_yaml_get(n, "unknown"),
                              *field = lt_yaml_get(n, "field");

    if (!table) {
        if (unknown || field)
            lt_yaml_expected(c->diags, unknown ? unknown : field, unknown ? "unknown" : "field", "a `table` beside it");
        return;
    }
    r->table = lt_table_find(c->all->tables, lt_yaml_text(table));
    if (!r->table) {
        const char *near = lt_nearest(lt_yaml_text(table), lt_tables_names(c->all->tables));
        lt_yaml_error(c->diags, table, "table: expected the name of a table, got \"" LT_SPAN_FMT "\"%s%s%s",
                      LT_SPAN_ARG(lt_yaml_text(table)), near ? "; did you mean " : "", near ? near : "",
                      near ? "?" : "");
        return;
    }
    r->unknown_code = rule_unknown_code(c, r->table);
    if (unknown) {
        int word = -1;
        for (int i = 0; words[i]; i++)
            if (lt_span_is(lt_yaml_text(unknown), words[i]))
                word = i;
        if (word < 0)
            lt_yaml_expected(c->diags, unknown, "unknown", "refuse, keep or default");
        r->unknown = word < 0 ? LT_UNKNOWN_REFUSE : (enum lt_unknown)word;
    }
    if (field) {
        r->table_field = lt_compile_text(c, n, "field");
        if (r->table_field && !rule_table_has_field(r->table, r->table_field))
            lt_yaml_error(c->diags, field, "field: expected a field of table %s, got \"%s\", which no entry has",
                          lt_table_name(r->table), r->table_field);
    }
}

static void rule_limits(struct lt_compile *c, const struct lt_yaml_node *n, struct lt_rule *r)
{
    const struct lt_yaml_node *v;
    uint64_t max;

    if ((v = lt_yaml_get(n, "default"))) {
        if (v->kind != LT_YAML_SCALAR)
            lt_yaml_expected(c->diags, v, "default", "a text");
        r->has_default = true;
        r->fallback = rule_literal(c, v);
    }
    if ((v = lt_yaml_get(n, "max"))) {
        if (!lt_span_u64(lt_yaml_text(v), &max) || !max || max > 1000000)
            lt_yaml_expected(c->diags, v, "max", "a number of characters, 1 to 1000000");
        else
            r->max = (size_t)max;
    }
    if ((v = lt_yaml_get(n, "over"))) {
        r->truncate = lt_span_is(lt_yaml_text(v), "truncate");
        if (!r->truncate && !lt_span_is(lt_yaml_text(v), "refuse"))
            lt_yaml_expected(c->diags, v, "over", "truncate or refuse");
        if (!lt_yaml_get(n, "max"))
            lt_yaml_expected(c->diags, v, "over", "a `max` beside it");
    }
    if ((v = lt_yaml_get(n, "required"))) {
        r->required = lt_span_is(lt_yaml_text(v), "true");
        if (!r->required && !lt_span_is(lt_yaml_text(v), "false"))
            lt_yaml_expected(c->diags, v, "required", "true or false");
    }
    if ((v = lt_yaml_get(n, "one-of"))) {
        if (v->kind != LT_YAML_SEQ || !v->len) {
            lt_yaml_expected(c->diags, v, "one-of", "a list of texts");
        } else {
            r->one_of = lt_arena_alloc(&c->all->arena, v->len * sizeof(*r->one_of));
            for (size_t i = 0; i < v->len; i++) {
                if (v->items[i]->kind != LT_YAML_SCALAR)
                    lt_yaml_expected(c->diags, v->items[i], "one-of", "a text");
                r->one_of[r->one_of_len++] = rule_literal(c, v->items[i]);
            }
        }
    }
    r->pattern = lt_compile_text(c, n, "pattern");
}

static void rule_only_keys(struct lt_compile *c, const struct lt_yaml_node *n, const char *field,
                           const char *const *extra)
{
    static const char *const own[] = {"from",   "join",     "with",    "const",   "format",  "as",
                                      "normal", "table",    "unknown", "field",   "default", "max",
                                      "over",   "required", "one-of",  "pattern", NULL};
    const char *keys[LT_ARRAY_LEN(own) + 8];
    size_t len = 0;

    for (size_t i = 0; own[i]; i++)
        keys[len++] = own[i];
    for (size_t i = 0; extra && extra[i]; i++)
        keys[len++] = extra[i];
    keys[len] = NULL;
    lt_yaml_only_keys(c->diags, n, field, keys);
}

void lt_rule_compile(struct lt_compile *c, const struct lt_yaml_node *n, const char *field, const char *const *extra,
                     struct lt_rule *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (!n)
        return;
    ret->node = n;
    ret->field = field;
    if (n->kind == LT_YAML_SCALAR) {
        rule_paths(c, n, field, ret);
        return;
    }
    if (n->kind == LT_YAML_SEQ) {
        lt_yaml_expected(c->diags, n, field, "a path or {from: path, …}");
        return;
    }
    rule_only_keys(c, n, field, extra);
    rule_source(c, n, ret);
    rule_format(c, n, ret);
    rule_normal(c, n, ret);
    rule_table(c, n, ret);
    rule_limits(c, n, ret);
}

void lt_rule_deinit(struct lt_rule *r)
{
    for (size_t i = 0; i < r->from_len; i++)
        lt_path_deinit(&r->from[i]);
    r->from_len = 0;
}

/* ---- conditions ---- */

/* The '=' of `path=value`, not one of a selector. */
static const char *condition_equals(struct lt_span s)
{
    bool in_selector = false;

    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '[')
            in_selector = true;
        else if (s.ptr[i] == ']')
            in_selector = false;
        else if (s.ptr[i] == '=' && !in_selector)
            return s.ptr + i;
    }
    return NULL;
}

bool lt_condition_compile(struct lt_compile *c, const struct lt_yaml_node *n, struct lt_condition *ret)
{
    struct lt_span path = lt_yaml_text(n);
    const char *eq;

    *ret = (struct lt_condition){0};
    if (n->kind != LT_YAML_SCALAR) {
        lt_yaml_expected(c->diags, n, "if", "a path");
        return false;
    }
    eq = c->scope.kind == LT_DOC_JSON ? condition_equals(path) : NULL;
    if (eq) {
        ret->has_value = true;
        ret->value = lt_span_trim(lt_span(eq + 1, path.len - (size_t)(eq - path.ptr) - 1));
        path = lt_span_trim(lt_span(path.ptr, (size_t)(eq - path.ptr)));
    }
    return lt_path_compile(&c->scope, n, path, false, &ret->path, c->diags);
}

/* ---- the tree of data ---- */

static uint32_t shape_types(struct lt_compile *c, const struct lt_yaml_node *n)
{
    const struct lt_yaml_node *v = lt_yaml_get(n, "types");
    uint32_t mask = 0;

    if (!v)
        return 0;
    if (v->kind != LT_YAML_SEQ || !v->len) {
        lt_yaml_expected(c->diags, v, "types", "a list of event types");
        return 0;
    }
    for (size_t i = 0; i < v->len; i++) {
        int type = lt_mappings_type(c->all, lt_yaml_text(v->items[i]));
        if (type < 0)
            lt_yaml_expected(c->diags, v->items[i], "types", "an event type of schemas/canonical/steps.yaml");
        else
            mask |= UINT32_C(1) << type;
    }
    return mask;
}

static void shape_kids(struct lt_compile *c, const struct lt_yaml_node *n, const char *pointer, unsigned depth,
                       struct lt_shape *s)
{
    if (!n || n->kind != LT_YAML_MAP) {
        lt_yaml_expected(c->diags, n ? n : s->node, "data", "a mapping of fields");
        return;
    }
    s->kids = lt_arena_alloc(&c->all->arena, n->len * sizeof(*s->kids));
    for (size_t i = 0; i < n->len; i++) {
        struct lt_span name = lt_yaml_text(n->keys[i]);
        const char *below = lt_arena_printf(&c->all->arena, "%s/" LT_SPAN_FMT, pointer, LT_SPAN_ARG(name));
        if (name.len && !memchr(name.ptr, '/', name.len) && !memchr(name.ptr, '~', name.len))
            lt_shape_compile(c, n->items[i], name, below, depth + 1, &s->kids[s->kids_len++]);
        else
            lt_yaml_error(c->diags, n->keys[i], "data: expected a field name without / and ~, got \"%s\"",
                          n->keys[i]->text);
    }
}

static void shape_place(struct lt_compile *c, const struct lt_yaml_node *n, const char *key, bool many,
                        struct lt_shape *s)
{
    const struct lt_yaml_node *v = lt_yaml_get(n, key);

    if (!v)
        return;
    if (v->kind != LT_YAML_SCALAR)
        lt_yaml_expected(c->diags, v, key, "a path");
    else
        s->has_place = lt_path_compile(&c->scope, v, lt_yaml_text(v), many, &s->place, c->diags);
}

static void shape_list(struct lt_compile *c, const struct lt_yaml_node *n, unsigned depth, struct lt_shape *s)
{
    static const char *const keys[] = {"if", "types", "each", "data", NULL};
    static const char *const extra[] = {"if", "types", "each", NULL};
    const struct lt_yaml_node *data = lt_yaml_get(n, "data");
    struct lt_shape *element = lt_arena_alloc(&c->all->arena, sizeof(*element));

    shape_place(c, n, "each", true, s);
    s->kind = LT_SHAPE_LIST;
    s->element = element;
    element->node = n;
    element->pointer = lt_arena_printf(&c->all->arena, "%s/*", s->pointer);
    if (data) {
        lt_yaml_only_keys(c->diags, n, s->pointer, keys);
        element->kind = LT_SHAPE_OBJECT;
        shape_kids(c, data, element->pointer, depth, element);
    } else {
        element->kind = LT_SHAPE_VALUE;
        lt_rule_compile(c, n, element->pointer, extra, &element->rule);
    }
}

static struct lt_span shape_quoted(struct lt_compile *c, struct lt_span name)
{
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(SIZE_MAX);
    lt_buf_json(&b, name);
    lt_buf_char(&b, ':');
    return lt_arena_span(&c->all->arena, lt_buf_view(&b));
}

void lt_shape_compile(struct lt_compile *c, const struct lt_yaml_node *n, struct lt_span name, const char *pointer,
                      unsigned depth, struct lt_shape *ret)
{
    static const char *const object_keys[] = {"if", "types", "at", "data", NULL};
    static const char *const value_extra[] = {"if", "types", NULL};

    *ret = (struct lt_shape){.node = n, .name = name, .quoted = shape_quoted(c, name), .pointer = pointer};
    if (depth > LT_SHAPE_DEPTH) {
        lt_yaml_error(c->diags, n, "%s: expected at most %d levels of data", pointer, LT_SHAPE_DEPTH);
        return;
    }
    ret->types = shape_types(c, n);
    if (lt_yaml_get(n, "if"))
        ret->has_if = lt_condition_compile(c, lt_yaml_get(n, "if"), &ret->condition);
    if (lt_yaml_get(n, "each")) {
        shape_list(c, n, depth, ret);
    } else if (lt_yaml_get(n, "data")) {
        ret->kind = LT_SHAPE_OBJECT;
        lt_yaml_only_keys(c->diags, n, pointer, object_keys);
        shape_place(c, n, "at", false, ret);
        shape_kids(c, lt_yaml_get(n, "data"), pointer, depth, ret);
    } else {
        ret->kind = LT_SHAPE_VALUE;
        lt_rule_compile(c, n, pointer, value_extra, &ret->rule);
    }
}

void lt_shape_deinit(struct lt_shape *s)
{
    if (s->has_if)
        lt_path_deinit(&s->condition.path);
    if (s->has_place)
        lt_path_deinit(&s->place);
    lt_rule_deinit(&s->rule);
    for (size_t i = 0; i < s->kids_len; i++)
        lt_shape_deinit(&s->kids[i]);
    if (s->element)
        lt_shape_deinit(s->element);
}

/* ---- pointers into the tree ---- */

bool lt_ref_compile(const struct lt_shape *root, const char *pointer, struct lt_ref *ret)
{
    struct lt_span rest = lt_span_str(pointer), part;
    const struct lt_shape *s = root;

    ret->len = 0;
    (void)lt_span_cut(&rest, '/', &part);
    while (lt_span_cut(&rest, '/', &part)) {
        const struct lt_shape *next = NULL;
        int step = lt_span_is(part, "*") ? LT_REF_ALL : LT_REF_NOWHERE;
        if (ret->len == LT_ARRAY_LEN(ret->steps))
            return false;
        if (s && s->kind == LT_SHAPE_LIST && step == LT_REF_ALL)
            next = s->element;
        for (size_t i = 0; s && s->kind == LT_SHAPE_OBJECT && i < s->kids_len; i++)
            if (lt_span_eq(s->kids[i].name, part)) {
                step = (int)i;
                next = &s->kids[i];
            }
        ret->steps[ret->len++] = step;
        s = next;
    }
    return pointer[0] == '/' && s && s->kind == LT_SHAPE_VALUE;
}

static void shape_pointers(const struct lt_shape *s, const char **out, size_t *len)
{
    if (s->kind == LT_SHAPE_VALUE) {
        if (out)
            out[*len] = s->pointer;
        ++*len;
    }
    for (size_t i = 0; i < s->kids_len; i++)
        shape_pointers(&s->kids[i], out, len);
    if (s->element)
        shape_pointers(s->element, out, len);
}

const char **lt_shape_pointers(const struct lt_shape *root)
{
    const char **out;
    size_t len = 0;

    shape_pointers(root, NULL, &len);
    out = lt_calloc(len + 1, sizeof(*out));
    len = 0;
    shape_pointers(root, out, &len);
    return out;
}
