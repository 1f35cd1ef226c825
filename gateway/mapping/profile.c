/* Digest profiles: which canonical values make an event's content, per source system and type (protocol 4). */
#include "gateway/mapping/rules.h"

#define PROFILE_VERSIONS 16 /* lt_digest_v has 4 bits in the index entry (protocol 2) */

static void profile_fields(struct lt_compile *c, const struct lt_yaml_node *n)
{
    const char *words[64];
    size_t len = 0;

    for (; len < c->all->types_len && len + 2 < LT_ARRAY_LEN(words); len++)
        words[len] = c->all->types[len].word;
    words[len++] = "*";
    words[len] = NULL;
    lt_yaml_only_keys(c->diags, n, "fields", words);
    for (size_t i = 0; i < n->len; i++) {
        const struct lt_yaml_node *list = n->items[i];
        if (list->kind != LT_YAML_SEQ) {
            lt_yaml_expected(c->diags, list, n->keys[i]->text, "a list of canonical pointers");
            continue;
        }
        for (size_t j = 0; j < list->len; j++)
            if (!lt_yaml_text(list->items[j]).len || list->items[j]->text[0] != '/')
                lt_yaml_expected(c->diags, list->items[j], n->keys[i]->text,
                                 "a canonical pointer such as /HoSo/MaHoSo");
    }
}

static void profile_sources(struct lt_compile *c, const struct lt_yaml_node *root, struct lt_profile *p)
{
    const struct lt_yaml_node *n = lt_yaml_get(root, "sources");

    if (!n || n->kind != LT_YAML_SEQ || !n->len) {
        lt_yaml_expected(c->diags, n ? n : root, "sources", "a list of globs of source systems");
        return;
    }
    p->sources = lt_arena_alloc(&c->all->arena, n->len * sizeof(*p->sources));
    for (size_t i = 0; i < n->len; i++) {
        if (n->items[i]->kind == LT_YAML_SCALAR && n->items[i]->text_len)
            p->sources[p->sources_len++] = n->items[i]->text;
        else
            lt_yaml_expected(c->diags, n->items[i], "sources", "a glob");
    }
}

static void profile_compile(struct lt_compile *c, const struct lt_yaml_node *n)
{
    static const char *const keys[] = {"digest", "version", "sources", "fields", "title", "description", NULL};
    struct lt_profile *p = &c->all->profiles[c->all->profiles_len];
    const struct lt_yaml_node *version = lt_yaml_get(n, "version");
    uint64_t v = 0;

    if (n->kind != LT_YAML_MAP || !lt_yaml_text(lt_yaml_get(n, "digest")).len) {
        lt_yaml_expected(c->diags, n, "digest", "the name of the digest profile");
        return;
    }
    lt_yaml_only_keys(c->diags, n, "digest", keys);
    p->node = n;
    p->name = lt_yaml_get(n, "digest")->text;
    if (!lt_span_u64(lt_yaml_text(version), &v) || v >= PROFILE_VERSIONS)
        lt_yaml_expected(c->diags, version ? version : n, "version", "a number from 0 to 15");
    p->version = (unsigned)(v % PROFILE_VERSIONS);
    for (size_t i = 0; i < c->all->profiles_len; i++)
        if (strcmp(c->all->profiles[i].name, p->name) == 0 && c->all->profiles[i].version == p->version)
            lt_yaml_error(c->diags, version ? version : n,
                          "version: expected a number that digest %s has not used, got %u again (%s:%d)", p->name,
                          p->version, c->all->profiles[i].node->file, c->all->profiles[i].node->line);
    profile_sources(c, n, p);
    p->fields = lt_yaml_get(n, "fields");
    if (!p->fields || p->fields->kind != LT_YAML_MAP || !p->fields->len)
        lt_yaml_expected(c->diags, p->fields ? p->fields : n, "fields",
                         "lists of canonical pointers by event type or \"*\"");
    else
        profile_fields(c, p->fields);
    c->all->profiles_len++;
}

void lt_profiles_compile(struct lt_compile *c)
{
    c->all->profiles = lt_arena_alloc(&c->all->arena, c->config->digests_len * sizeof(*c->all->profiles));
    for (size_t i = 0; i < c->config->digests_len; i++)
        profile_compile(c, c->config->digests[i]);
}

const struct lt_profile *lt_profile_find(const struct lt_mappings *all, struct lt_span name)
{
    const struct lt_profile *best = NULL;

    for (size_t i = 0; i < all->profiles_len; i++)
        if (lt_span_is(name, all->profiles[i].name) && (!best || all->profiles[i].version > best->version))
            best = &all->profiles[i];
    return best;
}

bool lt_profile_serves(const struct lt_profile *p, struct lt_span source)
{
    for (size_t i = 0; i < p->sources_len; i++)
        if (lt_glob_match(p->sources[i], source))
            return true;
    return false;
}

/* ---- linking ---- */

static void profile_unknown_pointer(struct lt_compile *c, const struct lt_profile *p, const struct lt_yaml_node *n)
{
    const char *near = NULL;

    for (size_t i = 0; i < c->all->len && !near; i++) {
        if (c->all->v[i].profile != p)
            continue;
        const char **pointers = lt_shape_pointers(&c->all->v[i].data);
        near = lt_nearest(lt_yaml_text(n), pointers);
        free(pointers);
    }
    lt_yaml_error(c->diags, n, "fields: expected a value that a mapping of digest %s makes, got %s%s%s%s", p->name,
                  n->text, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static void profile_check_pointer(struct lt_compile *c, const struct lt_profile *p, const struct lt_yaml_node *n)
{
    size_t with = 0, all = 0;
    const char *without = "";
    struct lt_ref ref;

    if (n->kind != LT_YAML_SCALAR || n->text[0] != '/')
        return;
    for (size_t i = 0; i < c->all->len; i++) {
        struct lt_mapping *m = &c->all->v[i];
        if (m->profile != p)
            continue;
        all++;
        if (lt_ref_compile(&m->data, n->text, &ref))
            with++;
        else
            without = m->name;
    }
    if (!all)
        return;
    if (!with)
        profile_unknown_pointer(c, p, n);
    else if (with < all)
        lt_yaml_warning(
            c->diags, n,
            "fields: %s has no rule in mapping %s: the same event in another dialect of digest %s would be a conflict",
            n->text, without, p->name);
}

static void profile_check(struct lt_compile *c, const struct lt_profile *p)
{
    if (!p->fields || p->fields->kind != LT_YAML_MAP)
        return;
    for (size_t i = 0; i < p->fields->len; i++)
        for (size_t j = 0; p->fields->items[i]->kind == LT_YAML_SEQ && j < p->fields->items[i]->len; j++)
            profile_check_pointer(c, p, p->fields->items[i]->items[j]);
}

static void profile_refs(const struct lt_yaml_node *list, const struct lt_mapping *m, struct lt_ref *out, size_t *len)
{
    for (size_t i = 0; list && list->kind == LT_YAML_SEQ && i < list->len; i++) {
        struct lt_ref ref = {.len = 0};
        if (list->items[i]->kind != LT_YAML_SCALAR)
            continue;
        /* What this dialect never has still counts as empty, in the list's order: a ref to nowhere. */
        (void)lt_ref_compile(&m->data, list->items[i]->text, &ref);
        if (out)
            out[*len] = ref;
        ++*len;
    }
}

static void profile_bind(struct lt_compile *c, struct lt_mapping *m)
{
    const struct lt_yaml_node *fields = m->profile->fields;

    m->digest = lt_arena_alloc(&c->all->arena, c->all->types_len * sizeof(*m->digest));
    m->digest_len = lt_arena_alloc(&c->all->arena, c->all->types_len * sizeof(*m->digest_len));
    for (size_t t = 0; t < c->all->types_len; t++) {
        const struct lt_yaml_node *own = lt_yaml_get(fields, c->all->types[t].word), *any = lt_yaml_get(fields, "*");
        size_t n = 0;
        profile_refs(own, m, NULL, &n);
        profile_refs(any, m, NULL, &n);
        m->digest[t] = lt_arena_alloc(&c->all->arena, n * sizeof(*m->digest[t]));
        profile_refs(own, m, m->digest[t], &m->digest_len[t]);
        profile_refs(any, m, m->digest[t], &m->digest_len[t]);
    }
}

static bool profile_same_list(const struct lt_yaml_node *a, const struct lt_yaml_node *b)
{
    if (!a || !b || a->kind != LT_YAML_SEQ || b->kind != LT_YAML_SEQ || a->len != b->len)
        return a == b;
    for (size_t i = 0; i < a->len; i++)
        if (!lt_span_eq(lt_yaml_text(a->items[i]), lt_yaml_text(b->items[i])))
            return false;
    return true;
}

/* Events of one source must get one identity, whatever dialect they come in. */
static void profile_check_sisters(struct lt_compile *c, const struct lt_mapping *m)
{
    const struct lt_yaml_node *identity = lt_yaml_get(m->node, "identity");

    for (const struct lt_mapping *other = c->all->v; other < m; other++) {
        if (other->profile != m->profile)
            continue;
        if (!profile_same_list(identity, lt_yaml_get(other->node, "identity")))
            lt_yaml_error(
                c->diags, identity ? identity : m->node,
                "identity: expected the list of mapping %s, which shares the digest profile %s: one event would get "
                "two ce_id",
                other->name, m->profile->name);
        return;
    }
}

static bool profiles_overlap(const struct lt_profile *a, const struct lt_profile *b)
{
    for (size_t i = 0; i < a->sources_len; i++)
        for (size_t j = 0; j < b->sources_len; j++)
            if (lt_glob_match(a->sources[i], lt_span_str(b->sources[j])) ||
                lt_glob_match(b->sources[j], lt_span_str(a->sources[i])))
                return true;
    return false;
}

void lt_profiles_link(struct lt_compile *c)
{
    for (size_t i = 0; i < c->all->len; i++) {
        struct lt_mapping *m = &c->all->v[i];
        if (!m->profile)
            continue;
        profile_bind(c, m);
        profile_check_sisters(c, m);
    }
    for (size_t i = 0; i < c->all->profiles_len; i++) {
        const struct lt_profile *p = &c->all->profiles[i];
        if (lt_profile_find(c->all, lt_span_str(p->name)) != p)
            continue; /* an older version: kept for its number */
        profile_check(c, p);
        for (size_t j = 0; j < i; j++) {
            const struct lt_profile *q = &c->all->profiles[j];
            if (strcmp(q->name, p->name) != 0 && lt_profile_find(c->all, lt_span_str(q->name)) == q &&
                profiles_overlap(p, q))
                lt_yaml_error(
                    c->diags, lt_yaml_get(p->node, "sources"),
                    "sources: expected systems that no other digest profile serves, got an overlap with %s (%s:%d)",
                    q->name, q->node->file, q->node->line);
        }
    }
}
