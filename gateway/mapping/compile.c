/* Compiling a mapping file: what it accepts, its vocabularies, attributes, identity and examples. */
#include <stdio.h>
#include <unistd.h>

#include "gateway/base/file.h"
#include "gateway/base/text.h"
#include "gateway/mapping/findings.h"
#include "gateway/mapping/rules.h"

const char *const lt_attr_names[LT_ATTRS + 1] = {"source", "type",      "subject", "time", "province",
                                                 "unit",   "procedure", "channel", NULL};

int lt_mappings_type(const struct lt_mappings *m, struct lt_span word)
{
    for (size_t i = 0; i < m->types_len; i++)
        if (lt_span_is(word, m->types[i].word))
            return (int)i;
    return -1;
}

/* schemas_dir may be the folder `schemas` itself or the one that holds it. */
char *lt_compile_schema_path(struct lt_compile *c, const char *path)
{
    const char *dir = c->config->schemas_dir ? c->config->schemas_dir : ".";
    char *full = lt_asprintf("%s/%s", dir, path);

    if (access(full, F_OK) == 0 || strncmp(path, "schemas/", 8) != 0)
        return full;
    free(full);
    return lt_asprintf("%s/%s", dir, path + 8);
}

/* ---- accepts ---- */

static void compile_root(struct lt_compile *c, const struct lt_yaml_node *accepts)
{
    const struct lt_yaml_node *n = lt_yaml_get(accepts, "root");
    struct lt_span root = lt_yaml_text(n);
    const char *end;

    if (root.len && root.ptr[0] == '{') {
        end = memchr(root.ptr, '}', root.len);
        if (end) {
            c->m->root_uri = lt_span(root.ptr + 1, (size_t)(end - root.ptr) - 1);
            root = lt_span(end + 1, root.len - c->m->root_uri.len - 2);
        }
    }
    c->m->root_name = root;
    if (!root.len || memchr(root.ptr, '{', root.len) || memchr(root.ptr, ':', root.len))
        lt_yaml_expected(c->diags, n ? n : accepts, "root", "the root element as \"{namespace}Name\"");
}

static void compile_discriminators(struct lt_compile *c, const struct lt_yaml_node *accepts)
{
    const struct lt_yaml_node *n = lt_yaml_get(accepts, "discriminator");

    if (!n || n->kind != LT_YAML_SEQ || !n->len) {
        lt_yaml_expected(c->diags, n ? n : accepts, "discriminator", "a list of pointers that tell this dialect");
        return;
    }
    c->m->discriminators = lt_arena_alloc(&c->all->arena, n->len * sizeof(*c->m->discriminators));
    for (size_t i = 0; i < n->len; i++)
        if (lt_condition_compile(c, n->items[i], &c->m->discriminators[c->m->discriminators_len]))
            c->m->discriminators_len++;
}

static void compile_schema(struct lt_compile *c, const struct lt_yaml_node *accepts)
{
    const struct lt_yaml_node *n = lt_yaml_get(accepts, "schema");
    struct lt_err err = LT_ERR_INIT;
    int rc;

    if (!lt_yaml_text(n).len) {
        lt_yaml_expected(c->diags, n ? n : accepts, "schema",
                         c->m->kind == LT_DOC_XML ? "the path of an XSD" : "the path of a JSON Schema");
        return;
    }
    LT_AUTOFREE char *path = lt_compile_schema_path(c, n->text);
    rc =
        c->m->kind == LT_DOC_XML ? lt_xsd_load(path, &c->m->xsd, &err) : lt_json_schema_load(path, &c->m->schema, &err);
    if (rc < 0)
        lt_yaml_error(c->diags, n, "schema: expected %s that can be used, got %s: %s",
                      c->m->kind == LT_DOC_XML ? "an XSD" : "a JSON Schema", n->text, err.text);
}

static void compile_accepts(struct lt_compile *c)
{
    static const char *const xml_keys[] = {"media", "root", "schema", NULL};
    static const char *const json_keys[] = {"media", "discriminator", "schema", NULL};
    const struct lt_yaml_node *n = lt_yaml_get(c->m->node, "accepts"), *media = lt_yaml_get(n, "media");

    if (!n || n->kind != LT_YAML_MAP) {
        lt_yaml_expected(c->diags, n ? n : c->m->node, "accepts", "{media: …, schema: …}");
        return;
    }
    c->m->kind = lt_span_is(lt_yaml_text(media), "application/json") ? LT_DOC_JSON : LT_DOC_XML;
    if (c->m->kind == LT_DOC_XML && !lt_span_is(lt_yaml_text(media), "application/xml"))
        lt_yaml_expected(c->diags, media ? media : n, "media", "application/xml or application/json");
    c->scope.kind = c->m->kind;
    lt_yaml_only_keys(c->diags, n, "accepts", c->m->kind == LT_DOC_XML ? xml_keys : json_keys);
    if (c->m->kind == LT_DOC_XML)
        compile_root(c, n);
    else
        compile_discriminators(c, n);
    compile_schema(c, n);
}

static void compile_namespaces(struct lt_compile *c)
{
    const struct lt_yaml_node *n = lt_yaml_get(c->m->node, "namespaces");

    if (!n)
        return;
    if (n->kind != LT_YAML_MAP ||
        lt_span_is(lt_yaml_text(lt_yaml_get(lt_yaml_get(c->m->node, "accepts"), "media")), "application/json")) {
        lt_yaml_expected(c->diags, n, "namespaces", "{prefix: URI}, in a mapping of application/xml");
        return;
    }
    c->m->ns = lt_arena_alloc(&c->all->arena, n->len * sizeof(*c->m->ns));
    for (size_t i = 0; i < n->len; i++) {
        if (n->items[i]->kind != LT_YAML_SCALAR || !n->items[i]->text_len)
            lt_yaml_expected(c->diags, n->items[i], n->keys[i]->text, "a namespace URI");
        else
            c->m->ns[c->m->ns_len++] = (struct lt_xml_ns){n->keys[i]->text, n->items[i]->text};
    }
    c->scope.ns = c->m->ns;
    c->scope.ns_len = c->m->ns_len;
}

/* ---- vocabularies ---- */

static int compile_word_order(const void *a, const void *b)
{
    const struct lt_span *x = &((const struct lt_word *)a)->from, *y = &((const struct lt_word *)b)->from;
    int d = memcmp(x->ptr, y->ptr, LT_MIN(x->len, y->len));
    return d ? d : (x->len > y->len) - (x->len < y->len);
}

static void compile_vocabulary(struct lt_compile *c, const struct lt_yaml_node *key, const struct lt_yaml_node *n)
{
    struct lt_vocabulary *v = &c->m->vocabularies[c->m->vocabularies_len++];
    struct lt_arena *a = &c->all->arena;

    v->name = key->text;
    if (n->kind != LT_YAML_MAP) {
        lt_yaml_expected(c->diags, n, key->text, "{word of the dialect: canonical word}");
        return;
    }
    v->words = lt_arena_alloc(a, n->len * sizeof(*v->words));
    for (size_t i = 0; i < n->len; i++) {
        struct lt_word w = {lt_arena_span(a, lt_text_normal(a, lt_yaml_text(n->keys[i]))),
                            lt_arena_span(a, lt_text_normal(a, lt_yaml_text(n->items[i])))};
        if (n->items[i]->kind != LT_YAML_SCALAR || !w.from.len)
            lt_yaml_expected(c->diags, n->items[i], n->keys[i]->text, "a text");
        else
            v->words[v->len++] = w;
    }
    if (v->len)
        qsort(v->words, v->len, sizeof(*v->words), compile_word_order);
}

static void compile_normal(struct lt_compile *c)
{
    const struct lt_yaml_node *n = lt_yaml_get(c->m->node, "normal"), *version = lt_yaml_get(n, "version");
    uint64_t v;

    if (!n)
        return;
    if (n->kind != LT_YAML_MAP) {
        lt_yaml_expected(c->diags, n, "normal", "vocabularies by name, and their version");
        return;
    }
    if (!lt_span_u64(lt_yaml_text(version), &v) || v < 1)
        lt_yaml_expected(c->diags, version ? version : n, "version",
                         "a number from 1: vocabularies are part of the identity");
    c->m->vocabularies = lt_arena_alloc(&c->all->arena, n->len * sizeof(*c->m->vocabularies));
    for (size_t i = 0; i < n->len; i++)
        if (strcmp(n->keys[i]->text, "version") != 0)
            compile_vocabulary(c, n->keys[i], n->items[i]);
}

/* ---- attributes ---- */

static void compile_attributes(struct lt_compile *c)
{
    static const char *const keys[] = {"province", "unit", "procedure", "channel", NULL};
    static const bool required[LT_ATTRS] = {true, true, true, true, false, true, true, false};
    const struct lt_yaml_node *attributes = lt_yaml_get(c->m->node, "attributes");

    if (!attributes || attributes->kind != LT_YAML_MAP)
        lt_yaml_expected(c->diags, attributes ? attributes : c->m->node, "attributes", "{unit: …, procedure: …}");
    else
        lt_yaml_only_keys(c->diags, attributes, "attributes", keys);
    for (int i = 0; i < LT_ATTRS; i++) {
        const struct lt_yaml_node *in = i >= LT_ATTR_PROVINCE ? attributes : c->m->node,
                                  *n = lt_yaml_get(in, lt_attr_names[i]);
        struct lt_rule *r = &c->m->attrs[i];
        if (!n) {
            if (required[i] && (in != attributes || attributes))
                lt_yaml_expected(c->diags, in, lt_attr_names[i], "a rule such as {from: …}");
            continue;
        }
        /* the subject is known by its canonical name to everybody who reads a refusal */
        lt_rule_compile(c, n, i == LT_ATTR_SUBJECT ? "MaHoSo" : lt_attr_names[i], NULL, r);
        r->required |= required[i] && !r->has_default;
        r->table_later = i == LT_ATTR_UNIT && r->table && lt_table_is_units(r->table);
    }
    struct lt_rule *time = &c->m->attrs[LT_ATTR_TIME];
    if (time->node && (!time->formats_len || time->is_const))
        lt_yaml_expected(c->diags, time->node, "time", "{from: …, format: …}");
    for (size_t i = 0; i < time->formats_len; i++)
        if (time->formats[i] == LT_FORMAT_YEAR)
            lt_yaml_expected(c->diags, time->node, "format", "a moment: a year alone is none");
    if (time->as_date)
        lt_yaml_expected(c->diags, time->node, "as", "nothing: the time of an event is a moment");
    for (int i = 0; i < LT_ATTR_TIME; i++) /* tables are looked up at the time, and identity must not depend on them */
        if (c->m->attrs[i].table)
            lt_yaml_error(c->diags, c->m->attrs[i].node,
                          "%s: expected `normal`, got a table: tables change, identities must not", lt_attr_names[i]);
}

static void compile_type(struct lt_compile *c)
{
    const struct lt_rule *r = &c->m->attrs[LT_ATTR_TYPE];
    const char *words[64];
    size_t n = 0;

    for (; n < c->all->types_len && n + 1 < LT_ARRAY_LEN(words); n++)
        words[n] = c->all->types[n].word;
    words[n] = NULL;
    for (size_t i = 0; r->normal && i < r->normal->len; i++) {
        struct lt_span to = r->normal->words[i].to;
        const char *near = lt_nearest(to, words);
        if (lt_mappings_type(c->all, to) < 0)
            lt_yaml_error(
                c->diags, r->node,
                "type: expected words of schemas/canonical/steps.yaml in the vocabulary %s, got \"" LT_SPAN_FMT
                "\"%s%s%s",
                r->normal->name, LT_SPAN_ARG(to), near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    if (r->is_const && lt_mappings_type(c->all, r->constant) < 0)
        lt_yaml_expected(c->diags, r->node, "type", "a word of schemas/canonical/steps.yaml");
}

static void compile_identity_entry(struct lt_compile *c, const struct lt_yaml_node *n)
{
    struct lt_identity *id = &c->m->identity[c->m->identity_len];
    struct lt_span text = lt_yaml_text(n);
    const char *near;

    if (text.len && text.ptr[0] == '/') {
        const char **pointers = lt_shape_pointers(&c->m->data);
        near = lt_nearest(text, pointers);
        id->is_ref = lt_ref_compile(&c->m->data, n->text, &id->ref) && !memchr(text.ptr, '*', text.len);
        if (id->is_ref)
            c->m->identity_len++;
        else
            lt_yaml_error(c->diags, n, "identity: expected the pointer of one value of `data`, got %s%s%s%s", n->text,
                          near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
        free(pointers);
        return;
    }
    for (int i = 0; i < LT_ATTRS; i++)
        if (lt_span_is(text, lt_attr_names[i])) {
            id->attr = (enum lt_attr)i;
            c->m->identity_len++;
            return;
        }
    near = lt_nearest(text, lt_attr_names);
    lt_yaml_error(c->diags, n,
                  "identity: expected an attribute or a pointer such as /TienDo/TrangThai, got \"" LT_SPAN_FMT
                  "\"%s%s%s",
                  LT_SPAN_ARG(text), near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static void compile_identity(struct lt_compile *c)
{
    const struct lt_yaml_node *n = lt_yaml_get(c->m->node, "identity");

    if (!n || n->kind != LT_YAML_SEQ || !n->len) {
        lt_yaml_expected(c->diags, n ? n : c->m->node, "identity", "a list such as [type, time]");
        return;
    }
    c->m->identity = lt_arena_alloc(&c->all->arena, n->len * sizeof(*c->m->identity));
    for (size_t i = 0; i < n->len; i++)
        compile_identity_entry(c, n->items[i]);
}

static void compile_data(struct lt_compile *c)
{
    const struct lt_yaml_node *n = lt_yaml_get(c->m->node, "data");
    struct lt_shape *s = &c->m->data;

    s->kind = LT_SHAPE_OBJECT;
    s->node = n ? n : c->m->node;
    s->pointer = "";
    if (!n || n->kind != LT_YAML_MAP || !n->len) {
        lt_yaml_expected(c->diags, n ? n : c->m->node, "data", "a mapping of canonical fields");
        return;
    }
    s->kids = lt_arena_alloc(&c->all->arena, n->len * sizeof(*s->kids));
    for (size_t i = 0; i < n->len; i++) {
        const char *pointer = lt_arena_printf(&c->all->arena, "/%s", n->keys[i]->text);
        lt_shape_compile(c, n->items[i], lt_yaml_text(n->keys[i]), pointer, 1, &s->kids[s->kids_len++]);
    }
}

/* ---- examples ---- */

static void compile_example(struct lt_compile *c, const struct lt_yaml_node *n)
{
    static const char *const keys[] = {"in", "out", "refused", "field", "status", "same-as", NULL};
    struct lt_example *x = &c->m->examples[c->m->examples_len];
    const struct lt_yaml_node *status = lt_yaml_get(n, "status");
    uint64_t v = 0;

    if (n->kind != LT_YAML_MAP) {
        lt_yaml_expected(c->diags, n, "examples", "{in: file, out: file} or {in: file, refused: code}");
        return;
    }
    lt_yaml_only_keys(c->diags, n, "examples", keys);
    x->node = n;
    x->in = lt_compile_text(c, n, "in");
    x->out = lt_compile_text(c, n, "out");
    x->refused = lt_compile_text(c, n, "refused");
    x->field = lt_compile_text(c, n, "field");
    x->same_as = lt_compile_text(c, n, "same-as");
    if (!x->in)
        lt_yaml_error(c->diags, n, "in: expected the path of an input, got nothing");
    if (!x->refused == !(x->out || x->same_as))
        lt_yaml_error(c->diags, n, "examples: expected either `refused`, or `out` and/or `same-as`");
    if (status && (!lt_span_u64(lt_yaml_text(status), &v) || v < 400 || v > 499))
        lt_yaml_expected(c->diags, status, "status", "an HTTP status from 400 to 499");
    x->status = (int)v;
    if (x->in)
        c->m->examples_len++;
}

static void compile_examples(struct lt_compile *c)
{
    const struct lt_yaml_node *n = lt_yaml_get(c->m->node, "examples");

    if (!n || lt_yaml_is_null(n)) {
        lt_yaml_warning(c->diags, n ? n : c->m->node, "examples: none: nothing proves mapping %s", c->m->name);
        return;
    }
    if (n->kind != LT_YAML_SEQ) {
        lt_yaml_expected(c->diags, n, "examples", "a list");
        return;
    }
    c->m->examples = lt_arena_alloc(&c->all->arena, n->len * sizeof(*c->m->examples));
    for (size_t i = 0; i < n->len; i++)
        compile_example(c, n->items[i]);
}

/* ---- one mapping ---- */

static void compile_profile(struct lt_compile *c)
{
    const struct lt_yaml_node *n = lt_yaml_get(c->m->node, "digest");
    const char **names, *near;

    c->m->profile = n ? lt_profile_find(c->all, lt_yaml_text(n)) : NULL;
    if (c->m->profile)
        return;
    names = lt_calloc(c->all->profiles_len + 1, sizeof(*names));
    for (size_t i = 0; i < c->all->profiles_len; i++)
        names[i] = c->all->profiles[i].name;
    near = lt_nearest(lt_yaml_text(n), names);
    lt_yaml_error(c->diags, n ? n : c->m->node,
                  "digest: expected the name of a digest profile, got \"" LT_SPAN_FMT "\"%s%s%s",
                  LT_SPAN_ARG(lt_yaml_text(n)), near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    free(names);
}

static void compile_each(struct lt_compile *c)
{
    const struct lt_yaml_node *n = lt_yaml_get(c->m->node, "each");

    if (!n)
        return;
    if (n->kind != LT_YAML_SCALAR)
        lt_yaml_expected(c->diags, n, "each", "a path");
    else
        c->m->has_each = lt_path_compile(&c->scope, n, lt_yaml_text(n), true, &c->m->each, c->diags);
}

static void compile_mapping(struct lt_compile *c, const struct lt_yaml_node *n)
{
    static const char *const keys[] = {"mapping", "accepts",  "namespaces", "each",        "digest",   "normal",
                                       "source",  "type",     "subject",    "time",        "identity", "attributes",
                                       "data",    "examples", "title",      "description", NULL};

    c->m = &c->all->v[c->all->len];
    c->m->node = n;
    c->m->name = n->kind == LT_YAML_MAP ? lt_compile_text(c, n, "mapping") : NULL;
    if (!c->m->name || !c->m->name[0]) {
        lt_yaml_error(c->diags, n, "mapping: expected the name of the mapping");
        return;
    }
    for (size_t i = 0; i < c->all->len; i++)
        if (strcmp(c->all->v[i].name, c->m->name) == 0)
            lt_yaml_error(c->diags, lt_yaml_get(n, "mapping"),
                          "mapping: expected a name used once, got %s again (%s:%d)", c->m->name,
                          c->all->v[i].node->file, c->all->v[i].node->line);
    c->all->len++;
    c->scope = (struct lt_path_scope){.kind = LT_DOC_XML, .arena = &c->all->arena};
    lt_yaml_only_keys(c->diags, n, "mapping", keys);
    compile_namespaces(c);
    compile_accepts(c);
    compile_normal(c);
    compile_each(c);
    compile_profile(c);
    compile_attributes(c);
    compile_type(c);
    compile_data(c);
    compile_identity(c);
    compile_examples(c);
}

/* ---- two mappings for one input ---- */

/* Can every document that fits `b` fit `a` too? Then nobody can tell them apart. */
static bool compile_covers(const struct lt_mapping *a, const struct lt_mapping *b)
{
    for (size_t i = 0; i < a->discriminators_len; i++) {
        bool found = false;
        for (size_t j = 0; j < b->discriminators_len && !found; j++)
            found = strcmp(a->discriminators[i].path.text, b->discriminators[j].path.text) == 0 &&
                    (!a->discriminators[i].has_value ||
                     (b->discriminators[j].has_value &&
                      lt_span_eq(a->discriminators[i].value, b->discriminators[j].value)));
        if (!found)
            return false;
    }
    return true;
}

static void compile_check_ambiguous(struct lt_compile *c)
{
    for (size_t i = 0; i < c->all->len; i++)
        for (size_t j = 0; j < i; j++) {
            const struct lt_mapping *a = &c->all->v[i], *b = &c->all->v[j];
            bool same = a->kind == b->kind && (a->kind == LT_DOC_XML ? lt_span_eq(a->root_name, b->root_name) &&
                                                                           lt_span_eq(a->root_uri, b->root_uri)
                                                                     : compile_covers(a, b) || compile_covers(b, a));
            if (same)
                lt_yaml_error(c->diags, lt_yaml_get(a->node, "accepts"),
                              "accepts: expected inputs that no other mapping accepts, got those of mapping %s (%s:%d)",
                              b->name, b->node->file, b->node->line);
        }
}

/* ---- all ---- */

static bool compile_makes(const struct lt_mappings *all, size_t type)
{
    for (size_t i = 0; i < all->len; i++) {
        const struct lt_rule *r = &all->v[i].attrs[LT_ATTR_TYPE];
        if (!r->is_const && !r->normal)
            return true;
        if (r->is_const && lt_mappings_type(all, r->constant) == (int)type)
            return true;
        for (size_t j = 0; r->normal && j < r->normal->len; j++)
            if (lt_mappings_type(all, r->normal->words[j].to) == (int)type)
                return true;
    }
    return false;
}

static void compile_canonical(struct lt_compile *c)
{
    c->all->canonical = lt_arena_alloc(&c->all->arena, c->all->types_len * sizeof(*c->all->canonical));
    for (size_t i = 0; i < c->all->types_len; i++) {
        struct lt_err err = LT_ERR_INIT;
        if (!compile_makes(c->all, i))
            continue;
        LT_AUTOFREE char *path = lt_compile_schema_path(c, c->all->types[i].schema);
        if (lt_json_schema_load(path, &c->all->canonical[i], &err) < 0)
            lt_diags_add(c->diags, LT_DIAG_ERROR, path, err.line, err.column, "canonical schema of %s: %s",
                         c->all->types[i].word, err.text);
    }
}

/* A mapping with errors is never chosen and its examples do not run; those of the others do. */
static void compile_one(struct lt_compile *c, const struct lt_yaml_node *n)
{
    size_t errors = c->diags->errors, len = c->all->len;

    compile_mapping(c, n);
    if (c->all->len > len)
        c->all->v[len].broken = c->diags->errors > errors;
}

int lt_mappings_survey(const struct lt_config *config, struct lt_diags *diags, struct lt_mappings **ret)
{
    struct lt_mappings *all = lt_alloc(sizeof(*all));
    struct lt_diags found = LT_DIAGS_INIT;
    struct lt_compile c = {.config = config, .all = all, .diags = &found};
    size_t errors;

    all->arena = LT_ARENA_INIT;
    all->types = lt_event_types(&all->types_len);
    all->tables = lt_tables_compile(config, &found);
    all->v = lt_arena_alloc(&all->arena, config->mappings_len * sizeof(*all->v));
    lt_profiles_compile(&c);
    for (size_t i = 0; i < config->mappings_len; i++)
        compile_one(&c, config->mappings[i]);
    compile_check_ambiguous(&c);
    errors = found.errors;
    lt_profiles_link(&c);
    compile_canonical(&c);
    for (size_t i = 0; i < all->len && found.errors > errors; i++)
        all->v[i].broken = true; /* what all of them rest on is wrong */
    errors = found.errors;
    lt_findings_merge(diags, &found);
    *ret = all;
    return errors ? LT_E_INVALID : LT_OK;
}

int lt_mappings_new(const struct lt_config *config, struct lt_diags *diags, struct lt_mappings **ret)
{
    struct lt_mappings *all;
    int r = lt_mappings_survey(config, diags, &all);
    if (r < 0)
        lt_mappings_free(all);
    else
        *ret = all;
    return r;
}

void lt_mappings_free(struct lt_mappings *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->len; i++) {
        struct lt_mapping *one = &m->v[i];
        lt_xsd_free(one->xsd);
        lt_json_schema_free(one->schema);
        if (one->has_each)
            lt_path_deinit(&one->each);
        for (size_t j = 0; j < one->discriminators_len; j++)
            lt_path_deinit(&one->discriminators[j].path);
        for (int j = 0; j < LT_ATTRS; j++)
            lt_rule_deinit(&one->attrs[j]);
        lt_shape_deinit(&one->data);
    }
    for (size_t i = 0; m->canonical && i < m->types_len; i++)
        lt_json_schema_free(m->canonical[i]);
    lt_tables_free(m->tables);
    lt_arena_deinit(&m->arena);
    free(m);
}

const struct lt_tables *lt_mappings_tables(const struct lt_mappings *m)
{
    return m->tables;
}

void lt_mappings_take_tables(struct lt_mappings *running, struct lt_mappings *fresh)
{
    lt_tables_take(running->tables, fresh->tables);
}
