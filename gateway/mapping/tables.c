#include "gateway/mapping/tables.h"

#include <pthread.h>
#include <uthash.h>

#include "gateway/base/clock.h"
#include "gateway/mapping/findings.h"

/* All entries of one code, by time. */
struct table_code {
    const char *code;
    const struct lt_table_entry **v;
    size_t len;
    UT_hash_handle hh;
};

struct lt_table {
    const char *name;
    const struct lt_yaml_node *node;
    bool units;
    struct lt_table_entry *entries;
    size_t len;
    struct table_code *codes;
};

struct lt_tables {
    pthread_rwlock_t *lock;   /* over the contents: v[].entries and codes, and the arena they are in */
    struct lt_arena arena;    /* of the contents */
    struct lt_arena skeleton; /* of v and names, which stay */
    struct lt_table *v;
    size_t len;
    const char **names;
};

void lt_tables_hold(const struct lt_tables *t)
{
    pthread_rwlock_rdlock(t->lock);
}

void lt_tables_release(const struct lt_tables *t)
{
    pthread_rwlock_unlock(t->lock);
}

/* ---- look-up ---- */

const struct lt_table *lt_table_find(const struct lt_tables *t, struct lt_span name)
{
    for (size_t i = 0; i < t->len; i++)
        if (lt_span_is(name, t->v[i].name))
            return &t->v[i];
    return NULL;
}

const char *const *lt_tables_names(const struct lt_tables *t)
{
    return t->names;
}

const char *lt_table_name(const struct lt_table *t)
{
    return t->name;
}

bool lt_table_is_units(const struct lt_table *t)
{
    return t->units;
}

size_t lt_table_len(const struct lt_table *t)
{
    return t->len;
}

const struct lt_table_entry *lt_table_at(const struct lt_table *t, size_t i)
{
    return &t->entries[i];
}

const struct lt_table_entry *lt_table_lookup(const struct lt_table *t, struct lt_span code, int64_t at_ms,
                                             const struct lt_table_entry **ret_other)
{
    const struct lt_table_entry *other = NULL;
    struct table_code *c = NULL;

    if (ret_other)
        *ret_other = NULL;
    HASH_FIND(hh, t->codes, code.ptr ? code.ptr : "", code.len, c);
    for (size_t i = 0; c && i < c->len; i++) {
        const struct lt_table_entry *e = c->v[i];
        if (e->from_ms <= at_ms && at_ms < e->to_ms)
            return e;
        if (!other || e->to_ms <= at_ms)
            other = e;
    }
    if (ret_other)
        *ret_other = other;
    return NULL;
}

const struct lt_table_entry *lt_table_successor(const struct lt_table *t, const struct lt_table_entry *e, int64_t at_ms)
{
    for (size_t i = 0; e && i <= t->len; i++) {
        const struct lt_table_entry *found, *other = NULL;
        if (e->from_ms <= at_ms && at_ms < e->to_ms)
            return e;
        if (!e->successor[0] || at_ms < e->from_ms)
            return NULL;
        found = lt_table_lookup(t, lt_span_str(e->successor), at_ms, &other);
        e = found ? found : other;
    }
    return NULL;
}

const char *lt_table_field(const struct lt_table_entry *e, const char *field)
{
    const struct lt_yaml_node *n;

    if (strcmp(field, "value") == 0)
        return e->value;
    if (strcmp(field, "code") == 0)
        return e->code;
    n = lt_yaml_get(e->node, field);
    return n && n->kind == LT_YAML_SCALAR && !lt_yaml_is_null(n) ? n->text : "";
}

/* ---- compiling ---- */

static bool table_moment(const struct lt_yaml_node *entry, const char *key, int64_t fallback, int64_t *ret,
                         struct lt_diags *diags)
{
    const struct lt_yaml_node *n = lt_yaml_get(entry, key);

    *ret = fallback;
    if (lt_yaml_is_null(n))
        return true;
    if (n->kind == LT_YAML_SCALAR &&
        (lt_time_parse(LT_TIME_DATE_ISO, lt_yaml_text(n), ret) || lt_time_parse(LT_TIME_RFC3339, lt_yaml_text(n), ret)))
        return true;
    lt_yaml_expected(diags, n, key, "a date yyyy-MM-dd");
    return false;
}

static const char *table_text(const struct lt_yaml_node *entry, const char *key, struct lt_diags *diags)
{
    const struct lt_yaml_node *n = lt_yaml_get(entry, key);

    if (!n || (n->kind == LT_YAML_SCALAR && lt_yaml_is_null(n)))
        return "";
    if (n->kind != LT_YAML_SCALAR) {
        lt_yaml_expected(diags, n, key, "a text");
        return "";
    }
    return n->text;
}

static bool table_entry(struct lt_table *t, const struct lt_yaml_node *n, struct lt_diags *diags)
{
    static const char *const reserved[] = {"code", "value", "from", "to", "successor", NULL};
    struct lt_table_entry *e = &t->entries[t->len];

    if (n->kind != LT_YAML_MAP) {
        lt_yaml_expected(diags, n, "entries", "{code: …, from: …}");
        return false;
    }
    for (size_t i = 0; i < n->len; i++) {
        const char *near = lt_nearest(lt_yaml_text(n->keys[i]), reserved);
        if (near && !lt_span_is(lt_yaml_text(n->keys[i]), near) && !lt_yaml_get(n, near) &&
            (near[0] != 'f' && near[0] != 't')) /* further fields such as `form` are allowed */
            lt_yaml_warning(diags, n->keys[i], "%s: a further field; did you mean %s?", n->keys[i]->text, near);
    }
    e->node = n;
    e->code = table_text(n, "code", diags);
    if (!e->code[0]) {
        lt_yaml_error(diags, n, "code: expected a text, got nothing");
        return false;
    }
    e->value = table_text(n, "value", diags);
    if (!e->value[0])
        e->value = e->code;
    e->successor = table_text(n, "successor", diags);
    if (!table_moment(n, "from", INT64_MIN, &e->from_ms, diags) || !table_moment(n, "to", INT64_MAX, &e->to_ms, diags))
        return false;
    if (e->from_ms >= e->to_ms) {
        lt_yaml_error(diags, lt_yaml_get(n, "to"), "to: expected a date after from of %s, got %s", e->code,
                      lt_yaml_get(n, "to")->text);
        return false;
    }
    t->len++;
    return true;
}

static void table_short_entries(struct lt_table *t, const struct lt_yaml_node *n, struct lt_diags *diags)
{
    for (size_t i = 0; i < n->len; i++) {
        struct lt_table_entry *e = &t->entries[t->len];
        if (n->items[i]->kind != LT_YAML_SCALAR) {
            lt_yaml_expected(diags, n->items[i], n->keys[i]->text, "a text");
            continue;
        }
        *e = (struct lt_table_entry){n->keys[i]->text, n->items[i]->text, INT64_MIN, INT64_MAX, "", n->items[i]};
        t->len++;
    }
}

static int table_by_code_and_time(const void *a, const void *b)
{
    const struct lt_table_entry *x = *(const struct lt_table_entry *const *)a,
                                *y = *(const struct lt_table_entry *const *)b;
    int d = strcmp(x->code, y->code);
    return d ? d : (x->from_ms > y->from_ms) - (x->from_ms < y->from_ms);
}

static void table_index(struct lt_tables *ts, struct lt_table *t, struct lt_diags *diags)
{
    const struct lt_table_entry **sorted = lt_arena_alloc(&ts->arena, t->len * sizeof(*sorted));
    size_t i, j;

    for (i = 0; i < t->len; i++)
        sorted[i] = &t->entries[i];
    if (t->len)
        qsort(sorted, t->len, sizeof(*sorted), table_by_code_and_time);
    for (i = 0; i < t->len; i = j) {
        struct table_code *c = lt_arena_alloc(&ts->arena, sizeof(*c));
        for (j = i + 1; j < t->len && strcmp(sorted[j]->code, sorted[i]->code) == 0; j++)
            if (sorted[j]->from_ms < sorted[j - 1]->to_ms)
                lt_yaml_error(
                    diags, sorted[j]->node,
                    "%s: expected entries of one code that do not overlap, got the time of the entry in line %d too",
                    sorted[j]->code, sorted[j - 1]->node->line);
        c->code = sorted[i]->code;
        c->v = sorted + i;
        c->len = j - i;
        HASH_ADD_KEYPTR(hh, t->codes, c->code, strlen(c->code), c);
    }
}

static void table_unknown_successor(const struct lt_table *t, const struct lt_table_entry *e, struct lt_diags *diags)
{
    const char **codes = lt_alloc((t->len + 1) * sizeof(*codes));
    const char *near;

    for (size_t i = 0; i < t->len; i++)
        codes[i] = t->entries[i].code;
    near = lt_nearest(lt_span_str(e->successor), codes);
    lt_yaml_error(diags, lt_yaml_get(e->node, "successor"), "successor: expected a code of table %s, got %s%s%s%s",
                  t->name, e->successor, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    free(codes);
}

/* Follows the chain at the moment each link ends; a chain longer than the table turns in a circle. */
static void table_check_chain(const struct lt_table *t, const struct lt_table_entry *first, struct lt_diags *diags)
{
    const struct lt_yaml_node *at = lt_yaml_get(first->node, "successor");
    const struct lt_table_entry *e = first, *next, *other;

    if (!first->successor[0])
        return;
    if (!t->units) {
        lt_yaml_error(diags, at, "successor: expected in tables of kind units only, got one in %s", t->name);
        return;
    }
    if (first->to_ms == INT64_MAX) {
        lt_yaml_error(diags, at, "successor: expected only beside `to`: %s has no end", first->code);
        return;
    }
    next = lt_table_lookup(t, lt_span_str(first->successor), first->to_ms, &other);
    if (!next && !other) {
        table_unknown_successor(t, first, diags);
        return;
    }
    if (!next) {
        lt_yaml_error(diags, at, "successor: expected a unit in force at %s, when %s ends, got %s, which is not",
                      lt_yaml_get(first->node, "to")->text, first->code, first->successor);
        return;
    }
    for (size_t steps = 0; e && e->successor[0]; steps++) {
        if (steps > t->len || (steps && e == first)) {
            lt_yaml_error(diags, at, "successor: expected a chain with an end, got a circle from %s back to %s",
                          first->code, e->code);
            return;
        }
        next = lt_table_lookup(t, lt_span_str(e->successor), e->to_ms, &other);
        e = next ? next : other;
    }
}

static bool table_known_name(const struct lt_tables *ts, const char *name)
{
    return lt_table_find(ts, lt_span_str(name)) != NULL;
}

static void table_compile(struct lt_tables *ts, const struct lt_yaml_node *n, struct lt_diags *diags)
{
    static const char *const keys[] = {"table", "kind", "entries", "title", "description", NULL};
    const struct lt_yaml_node *name = lt_yaml_get(n, "table"), *kind = lt_yaml_get(n, "kind"),
                              *entries = lt_yaml_get(n, "entries");
    struct lt_table *t = &ts->v[ts->len];

    if (n->kind != LT_YAML_MAP || !lt_yaml_text(name).len) {
        lt_yaml_expected(diags, name ? name : n, "table", "the name of the table");
        return;
    }
    lt_yaml_only_keys(diags, n, "table", keys);
    if (table_known_name(ts, name->text)) {
        lt_yaml_error(diags, name, "table: expected a name used once, got %s again (%s:%d)", name->text,
                      lt_table_find(ts, lt_yaml_text(name))->node->file,
                      lt_table_find(ts, lt_yaml_text(name))->node->line);
        return;
    }
    t->name = name->text;
    t->node = n;
    t->units = lt_span_is(lt_yaml_text(kind), "units");
    if (!t->units && !lt_span_is(lt_yaml_text(kind), "codes"))
        lt_yaml_expected(diags, kind ? kind : n, "kind", "units or codes");
    ts->names[ts->len++] = t->name;
    if (!entries || entries->kind == LT_YAML_SCALAR) {
        lt_yaml_expected(diags, entries ? entries : n, "entries", "a list of entries, or {code: value}");
        return;
    }
    t->entries = lt_arena_alloc(&ts->arena, entries->len * sizeof(*t->entries));
    if (entries->kind == LT_YAML_MAP)
        table_short_entries(t, entries, diags);
    else
        for (size_t i = 0; i < entries->len; i++)
            if (!table_entry(t, entries->items[i], diags))
                memset(&t->entries[t->len], 0, sizeof(t->entries[0]));
    table_index(ts, t, diags);
    for (size_t i = 0; i < t->len; i++)
        table_check_chain(t, &t->entries[i], diags);
}

struct lt_tables *lt_tables_compile(const struct lt_config *c, struct lt_diags *diags)
{
    struct lt_tables *ts = lt_alloc(sizeof(*ts));
    struct lt_diags found = LT_DIAGS_INIT;

    ts->lock = lt_alloc(sizeof(*ts->lock));
    pthread_rwlock_init(ts->lock, NULL);
    ts->v = lt_arena_alloc(&ts->skeleton, c->tables_len * sizeof(*ts->v));
    ts->names = lt_arena_alloc(&ts->skeleton, (c->tables_len + 1) * sizeof(*ts->names));
    for (size_t i = 0; i < c->tables_len; i++)
        table_compile(ts, c->tables[i], &found);
    lt_findings_merge(diags, &found);
    return ts;
}

int lt_tables_survey(const struct lt_config *c, struct lt_diags *diags, struct lt_tables **ret)
{
    struct lt_diags found = LT_DIAGS_INIT;
    *ret = lt_tables_compile(c, &found);
    bool bad = found.errors > 0;

    lt_findings_merge(diags, &found);
    return bad ? LT_E_INVALID : LT_OK;
}

int lt_tables_new(const struct lt_config *c, struct lt_diags *diags, struct lt_tables **ret)
{
    struct lt_tables *ts;
    int r = lt_tables_survey(c, diags, &ts);
    if (r < 0)
        lt_tables_free(ts);
    else
        *ret = ts;
    return r;
}

void lt_tables_free(struct lt_tables *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->len; i++)
        HASH_CLEAR(hh, t->v[i].codes);
    lt_arena_deinit(&t->arena);
    lt_arena_deinit(&t->skeleton);
    pthread_rwlock_destroy(t->lock);
    free(t->lock);
    free(t);
}

/* ---- replacing ---- */

static struct lt_table *table_by_name(const struct lt_tables *ts, const char *name)
{
    for (size_t i = 0; i < ts->len; i++)
        if (strcmp(ts->v[i].name, name) == 0)
            return &ts->v[i];
    return NULL;
}

int lt_tables_fit(const struct lt_tables *running, const struct lt_tables *fresh, struct lt_err *err)
{
    for (size_t i = 0; i < running->len; i++) {
        const struct lt_table *t = table_by_name(fresh, running->v[i].name);
        if (!t || t->units != running->v[i].units)
            return lt_err_set(err, LT_E_INVALID, "table", "table %s: expected kind %s, got %s", running->v[i].name,
                              running->v[i].units ? "units" : "codes", t ? "the other kind" : "no such table");
    }
    return LT_OK;
}

void lt_tables_take(struct lt_tables *running, struct lt_tables *fresh)
{
    pthread_rwlock_wrlock(running->lock);
    for (size_t i = 0; i < running->len; i++) {
        struct lt_table *to = &running->v[i], *from = table_by_name(fresh, to->name);
        struct lt_table former = *to;
        *to = *from;
        *from = former;
        running->names[i] = to->name;
    }
    for (size_t i = 0; i < fresh->len; i++)
        fresh->names[i] = fresh->v[i].name;
    /* Entries of a table that only the fresh ones have go along unused; its index is cleared while they are there. */
    for (size_t i = 0; i < fresh->len; i++)
        if (!table_by_name(running, fresh->v[i].name))
            HASH_CLEAR(hh, fresh->v[i].codes);
    struct lt_arena arena = running->arena;
    running->arena = fresh->arena;
    fresh->arena = arena;
    pthread_rwlock_unlock(running->lock);
}
