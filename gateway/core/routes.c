#include "gateway/core/routes.h"

#include "gateway/base/clock.h"
#include "gateway/model/steps.h"

#include <stdio.h>

enum field { FIELD_TYPE, FIELD_SOURCE, FIELD_PROVINCE, FIELD_UNIT, FIELD_PROCEDURE, FIELD_CHANNEL, FIELDS };

static const char *const field_names[] = {"type", "source", "province", "unit", "procedure", "channel", NULL};

struct condition {
    bool present;
    const char **globs;
    size_t globs_len;
    const struct lt_tables *tables; /* of table, for whoever replaces its content */
    const struct lt_table *table;   /* instead of globs */
    const char *table_field;
    const char **values; /* of the table's field */
    size_t values_len;
};

struct rule {
    const char *name;
    const struct lt_yaml_node *node;
    struct condition when[FIELDS];
    uint16_t output;
    const char *target; /* NULL: a plain topic */
    const char *path;   /* "population,portal" */
};

struct lt_routes {
    LT_VEC(struct rule) rules;
    LT_VEC(const char *) outputs;
    uint16_t unrouted;
    uint16_t province; /* output, when any verdict is told */
    unsigned told;     /* bits 1 << enum lt_verdict_kind */
    struct lt_arena arena;
};

static uint16_t output_of(struct lt_routes *r, const char *topic)
{
    for (size_t i = 0; i < r->outputs.len; i++)
        if (strcmp(r->outputs.v[i], topic) == 0)
            return (uint16_t)i;
    *lt_vec_push(&r->outputs) = lt_arena_str(&r->arena, lt_span_str(topic));
    return (uint16_t)(r->outputs.len - 1);
}

/* A text or a list of texts. */
static bool texts(struct lt_routes *r, const struct lt_yaml_node *n, const char *key, const char ***ret,
                  size_t *ret_len, struct lt_diags *diags)
{
    const struct lt_yaml_node *one[] = {n};
    const struct lt_yaml_node **items = n->kind == LT_YAML_SEQ ? n->items : one;
    size_t len = n->kind == LT_YAML_SEQ ? n->len : 1;
    const char **v = lt_arena_alloc(&r->arena, (len ? len : 1) * sizeof(*v));
    for (size_t i = 0; i < len; i++) {
        if (items[i]->kind != LT_YAML_SCALAR || items[i]->text_len == 0) {
            lt_yaml_expected(diags, items[i], key, "a text or a list of texts");
            return false;
        }
        v[i] = items[i]->text;
    }
    if (len == 0) {
        lt_yaml_expected(diags, n, key, "at least one text");
        return false;
    }
    *ret = v;
    *ret_len = len;
    return true;
}

static void table_names(const struct lt_config *c, const char **names, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < c->tables_len && n + 1 < max; i++) {
        const struct lt_yaml_node *t = lt_yaml_get(c->tables[i], "table");
        if (t)
            names[n++] = t->text;
    }
    names[n] = NULL;
}

static void compile_table_condition(struct lt_routes *r, const struct lt_config *c, const struct lt_tables *tables,
                                    const struct lt_yaml_node *n, const char *key, struct condition *ret,
                                    struct lt_diags *diags)
{
    const struct lt_yaml_node *table = lt_yaml_get(n, "table");
    if (!table || n->len != 2) {
        lt_yaml_expected(diags, n, key, "{table: NAME, FIELD: value}");
        return;
    }
    ret->tables = tables;
    ret->table = lt_table_find(tables, lt_yaml_text(table));
    if (!ret->table) {
        const char *names[64];
        table_names(c, names, LT_ARRAY_LEN(names));
        const char *near = lt_nearest(lt_yaml_text(table), names);
        lt_yaml_error(diags, table, "%s.table: expected a table of the configuration, got '%s'%s%s%s", key, table->text,
                      near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
        return;
    }
    size_t at = strcmp(n->keys[0]->text, "table") == 0 ? 1 : 0;
    ret->table_field = n->keys[at]->text;
    ret->present = texts(r, n->items[at], key, &ret->values, &ret->values_len, diags);
    bool known = false;
    for (size_t i = 0; i < lt_table_len(ret->table) && !known; i++)
        known = *lt_table_field(lt_table_at(ret->table, i), ret->table_field);
    if (!known)
        lt_yaml_error(diags, n->keys[at], "%s: expected a field of table %s, got '%s', which none of its entries has",
                      key, table->text, ret->table_field);
}

/* A type that no event has is a route that takes nothing, without a word. */
static void check_types(const struct condition *w, const struct lt_yaml_node *n, struct lt_diags *diags)
{
    const char *types[64];
    size_t len;
    const struct lt_event_type *known = lt_event_types(&len);
    for (size_t i = 0; i < len && i + 1 < LT_ARRAY_LEN(types); i++)
        types[i] = known[i].type;
    types[LT_MIN(len, LT_ARRAY_LEN(types) - 1)] = NULL;
    for (size_t g = 0; g < w->globs_len; g++) {
        bool met = false;
        for (size_t i = 0; types[i] && !met; i++)
            met = lt_glob_match(w->globs[g], lt_span_str(types[i]));
        const char *near = met ? NULL : lt_nearest(lt_span_str(w->globs[g]), types);
        if (!met)
            lt_yaml_error(diags, n,
                          "type: expected a type of schemas/canonical/steps.yaml (" LT_TYPE_DOSSIER_PREFIX
                          "*), got '%s', which no event has%s%s%s",
                          w->globs[g], near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
    }
}

static void compile_when(struct lt_routes *r, const struct lt_config *c, const struct lt_tables *tables,
                         const struct lt_yaml_node *n, struct rule *ret, struct lt_diags *diags)
{
    if (n->kind != LT_YAML_MAP) {
        lt_yaml_expected(diags, n, "when",
                         "a mapping of conditions (type, province, unit, procedure, channel, source)");
        return;
    }
    lt_yaml_only_keys(diags, n, "when", field_names);
    for (size_t f = 0; f < FIELDS; f++) {
        const struct lt_yaml_node *v = lt_yaml_get(n, field_names[f]);
        if (!v)
            continue;
        struct condition *w = &ret->when[f];
        if (v->kind == LT_YAML_MAP)
            compile_table_condition(r, c, tables, v, field_names[f], w, diags);
        else
            w->present = texts(r, v, field_names[f], &w->globs, &w->globs_len, diags);
        if (f == FIELD_TYPE && w->present && !w->table)
            check_types(w, v, diags);
    }
}

static bool is_target(const struct lt_config *c, struct lt_span name)
{
    for (size_t i = 0; i < c->targets_len; i++)
        if (c->targets[i].name && lt_span_is(name, c->targets[i].name))
            return true;
    return false;
}

static void unknown_target(const struct lt_config *c, const struct lt_yaml_node *n, const char *key,
                           struct lt_diags *diags)
{
    const char *names[64];
    size_t len = 0;
    for (; len < c->targets_len && len + 1 < LT_ARRAY_LEN(names); len++)
        names[len] = c->targets[len].name ? c->targets[len].name : "";
    names[len] = NULL;
    const char *near = lt_nearest(lt_yaml_text(n), names);
    lt_yaml_error(diags, n, "%s: expected a target of the configuration%s, got '%s'%s%s%s", key,
                  strcmp(key, "to") == 0 ? " or \"topic:NAME\"" : "", lt_yaml_text(n).ptr,
                  near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

/* `to` and `via` become the first hop's topic and the whole path. */
static void compile_destination(struct lt_routes *r, const struct lt_config *c, const struct lt_yaml_node *n,
                                struct rule *ret, struct lt_diags *diags)
{
    const struct lt_yaml_node *to = lt_yaml_get(n, "to"), *via = lt_yaml_get(n, "via");
    if (!to || to->kind != LT_YAML_SCALAR) {
        lt_yaml_expected(diags, to ? to : n, "to", "a target name or \"topic:NAME\"");
        return;
    }
    struct lt_span name = lt_yaml_text(to);
    if (lt_span_starts(name, "topic:")) {
        const char *topic = to->text + strlen("topic:");
        if (!lt_span_starts(lt_span_str(topic), "lt.events.") || strcmp(topic, LT_TOPIC_UNROUTED) == 0)
            lt_yaml_error(diags, to,
                          "to: expected a topic named lt.events.NAME (other than lt.events.unrouted), got '%s'", topic);
        if (via)
            lt_yaml_error(diags, via,
                          "via: expected none for a topic (only targets are reached through others), got %s",
                          lt_yaml_kind_name(via));
        ret->output = output_of(r, topic);
        return;
    }
    if (!is_target(c, name)) {
        unknown_target(c, to, "to", diags);
        return;
    }
    const char **hops = NULL;
    size_t n_hops = 0;
    if (via && !texts(r, via, "via", &hops, &n_hops, diags))
        return;
    LT_AUTOBUF struct lt_buf path = LT_BUF_INIT(1024);
    for (size_t i = 0; i < n_hops; i++) {
        if (!is_target(c, lt_span_str(hops[i]))) {
            unknown_target(c, via->kind == LT_YAML_SEQ ? via->items[i] : via, "via", diags);
            return;
        }
        if (lt_span_is(name, hops[i])) {
            lt_yaml_error(diags, via, "via: expected targets other than the route's own, got '%s'", hops[i]);
            return;
        }
        lt_buf_printf(&path, "%s,", hops[i]);
    }
    lt_buf_span(&path, name);
    ret->target = to->text;
    ret->path = lt_arena_str(&r->arena, lt_buf_view(&path));
    ret->output = output_of(r, lt_arena_printf(&r->arena, LT_TOPIC_QUEUE_PREFIX "%s", n_hops ? hops[0] : to->text));
}

/* May one value satisfy both? Exact texts are compared; a glob or a table may overlap with anything. */
static bool conditions_overlap(const struct condition *a, const struct condition *b)
{
    if (!a->present || !b->present || a->table || b->table)
        return true;
    for (size_t i = 0; i < a->globs_len; i++)
        for (size_t j = 0; j < b->globs_len; j++)
            if (lt_glob_match(a->globs[i], lt_span_str(b->globs[j])) ||
                lt_glob_match(b->globs[j], lt_span_str(a->globs[i])) ||
                (strchr(a->globs[i], '*') && strchr(b->globs[j], '*')))
                return true;
    return false;
}

/* All events of a dossier bound for a target take one path (protocol 3, end). */
static void check_paths(const struct lt_routes *r, struct lt_diags *diags)
{
    for (size_t i = 0; i < r->rules.len; i++)
        for (size_t j = 0; j < i; j++) {
            const struct rule *a = &r->rules.v[i], *b = &r->rules.v[j];
            if (!a->target || !b->target || strcmp(a->target, b->target) != 0 || strcmp(a->path, b->path) == 0)
                continue;
            if (conditions_overlap(&a->when[FIELD_PROVINCE], &b->when[FIELD_PROVINCE]) &&
                conditions_overlap(&a->when[FIELD_PROCEDURE], &b->when[FIELD_PROCEDURE]))
                lt_yaml_error(diags, a->node,
                              "route %s: expected one path to %s for all events of a dossier, got %s here and %s in "
                              "route %s; let the "
                              "two exclude each other by province or procedure",
                              a->name, a->target, a->path, b->path, b->name);
        }
}

static void compile_rule(struct lt_routes *r, const struct lt_config *c, const struct lt_tables *tables,
                         const struct lt_yaml_node *n, struct lt_diags *diags)
{
    static const char *const keys[] = {"name", "when", "via", "to", NULL};
    if (n->kind != LT_YAML_MAP) {
        lt_yaml_expected(diags, n, "routes", "{name: …, when: {…}, to: …}");
        return;
    }
    lt_yaml_only_keys(diags, n, "route", keys);
    struct rule rule = {.node = n, .name = "?"};
    const struct lt_yaml_node *name = lt_yaml_get(n, "name"), *when = lt_yaml_get(n, "when");
    if (!name || name->kind != LT_YAML_SCALAR || !name->text_len)
        lt_yaml_expected(diags, name ? name : n, "name", "a name for the route");
    else
        rule.name = name->text;
    for (size_t i = 0; i < r->rules.len; i++)
        if (name && strcmp(r->rules.v[i].name, rule.name) == 0)
            lt_yaml_error(diags, name, "name: expected a name of its own, got '%s', which %s:%d has too", rule.name,
                          r->rules.v[i].node->file, r->rules.v[i].node->line);
    if (when)
        compile_when(r, c, tables, when, &rule, diags);
    compile_destination(r, c, n, &rule, diags);
    *lt_vec_push(&r->rules) = rule;
}

/* core.tell_province */
static void compile_tell(struct lt_routes *r, const struct lt_yaml_node *n, struct lt_diags *diags)
{
    static const struct {
        const char *word;
        enum lt_verdict_kind verdict;
    } verdicts[] = {{"new", LT_VERDICT_NEW},
                    {"duplicate", LT_VERDICT_DUPLICATE},
                    {"conflict", LT_VERDICT_CONFLICT},
                    {"invalid", LT_VERDICT_INVALID}};
    r->told = 1u << LT_VERDICT_CONFLICT | 1u << LT_VERDICT_INVALID;
    if (n && n->kind != LT_YAML_SEQ) {
        lt_yaml_expected(diags, n, "core.tell_province", "a list of verdicts");
        return;
    }
    if (n)
        r->told = 0;
    for (size_t i = 0; n && i < n->len; i++) {
        size_t v = 0;
        while (v < LT_ARRAY_LEN(verdicts) && !lt_span_is(lt_yaml_text(n->items[i]), verdicts[v].word))
            v++;
        if (v == LT_ARRAY_LEN(verdicts))
            lt_yaml_expected(diags, n->items[i], "core.tell_province", "one of new, duplicate, conflict, invalid");
        else
            r->told |= 1u << verdicts[v].verdict;
    }
    if (r->told)
        r->province = output_of(r, LT_TOPIC_PROVINCE);
}

int lt_routes_new(const struct lt_config *c, const struct lt_tables *tables, struct lt_diags *diags,
                  struct lt_routes **ret)
{
    static const char *const keys[] = {"routes", NULL};
    size_t errors = diags->errors;
    struct lt_routes *r = lt_alloc(sizeof(*r));
    r->unrouted = output_of(r, LT_TOPIC_UNROUTED);
    for (size_t f = 0; f < c->routes_len; f++) {
        lt_yaml_only_keys(diags, c->routes[f], "routes file", keys);
        const struct lt_yaml_node *list = lt_yaml_get(c->routes[f], "routes");
        if (!list || list->kind != LT_YAML_SEQ) {
            lt_yaml_expected(diags, list ? list : c->routes[f], "routes", "a list of rules");
            continue;
        }
        for (size_t i = 0; i < list->len; i++)
            compile_rule(r, c, tables, list->items[i], diags);
    }
    compile_tell(r, c->core.tell_province, diags);
    check_paths(r, diags);
    if (r->rules.len > LT_ROUTE_COPIES_MAX)
        lt_diags_add(diags, LT_DIAG_ERROR, c->path, 0, 0, "routes: expected at most %d rules, got %zu",
                     LT_ROUTE_COPIES_MAX, r->rules.len);
    if (diags->errors > errors) {
        lt_routes_free(r);
        return LT_E_INVALID;
    }
    *ret = r;
    return LT_OK;
}

void lt_routes_free(struct lt_routes *r)
{
    if (!r)
        return;
    lt_vec_deinit(&r->rules);
    lt_vec_deinit(&r->outputs);
    lt_arena_deinit(&r->arena);
    free(r);
}

size_t lt_routes_outputs(const struct lt_routes *r)
{
    return r->outputs.len;
}

const char *lt_routes_output(const struct lt_routes *r, size_t i)
{
    return r->outputs.v[i];
}

static bool any_glob(const char *const *globs, size_t n, struct lt_span s)
{
    for (size_t i = 0; i < n; i++)
        if (lt_glob_match(globs[i], s))
            return true;
    return false;
}

static bool condition_holds(const struct condition *w, struct lt_span value, int64_t at_ms)
{
    if (!w->present)
        return true;
    if (!w->table)
        return any_glob(w->globs, w->globs_len, value);
    lt_tables_hold(w->tables);
    const struct lt_table_entry *e = lt_table_lookup(w->table, value, at_ms, NULL);
    bool holds = e && any_glob(w->values, w->values_len, lt_span_str(lt_table_field(e, w->table_field)));
    lt_tables_release(w->tables);
    return holds;
}

static struct lt_span event_field(const struct lt_event *e, enum field f)
{
    switch (f) {
    case FIELD_TYPE:
        return e->type;
    case FIELD_SOURCE:
        return e->source;
    case FIELD_PROVINCE:
        return e->province;
    case FIELD_UNIT:
        return e->unit;
    case FIELD_PROCEDURE:
        return e->procedure;
    default:
        return e->channel;
    }
}

static bool rule_holds(const struct rule *rule, const struct lt_event *e, int64_t at_ms)
{
    for (enum field f = 0; f < FIELDS; f++)
        if (!condition_holds(&rule->when[f], event_field(e, f), at_ms))
            return false;
    return true;
}

static bool effects_name(struct lt_span effects, const char *target)
{
    struct lt_span part;
    while (lt_span_cut(&effects, ',', &part))
        if (lt_span_is(lt_span_trim(part), target))
            return true;
    return false;
}

static bool copied_already(const struct lt_copy *copies, size_t n, const struct rule *rule)
{
    for (size_t i = 0; i < n; i++)
        if (copies[i].output == rule->output &&
            (copies[i].path == rule->path || (copies[i].path && rule->path && strcmp(copies[i].path, rule->path) == 0)))
            return true;
    return false;
}

size_t lt_routes_match(const struct lt_routes *r, const struct lt_event *e, bool replay, struct lt_span replay_effects,
                       struct lt_copy ret[LT_ROUTE_COPIES_MAX])
{
    int64_t at_ms = 0;
    lt_time_parse(LT_TIME_RFC3339, e->time, &at_ms); /* unreadable: the epoch, where no table entry is in force */
    size_t n = 0;
    bool held_back = false;
    for (size_t i = 0; i < r->rules.len; i++) {
        const struct rule *rule = &r->rules.v[i];
        if (!rule_holds(rule, e, at_ms) || copied_already(ret, n, rule))
            continue;
        if (replay && rule->target && !effects_name(replay_effects, rule->target)) {
            held_back = true;
            continue;
        }
        ret[n++] = (struct lt_copy){.output = rule->output, .path = rule->path};
    }
    if (n == 0 && !held_back)
        ret[n++] = (struct lt_copy){.output = r->unrouted};
    return n;
}

unsigned lt_routes_told(const struct lt_routes *r, bool replay, struct lt_span replay_effects)
{
    return replay && !effects_name(replay_effects, "province") ? 0 : r->told;
}

size_t lt_routes_province(const struct lt_routes *r)
{
    return r->province;
}

/* Could an event with this value in field f be taken by the rule, whatever its other attributes? */
static bool rule_may_take(const struct rule *rule, enum field f, const struct lt_table_entry *entry,
                          struct lt_span value)
{
    int64_t at_ms = entry->from_ms == INT64_MIN ? 0 : entry->from_ms;
    return condition_holds(&rule->when[f], value, at_ms);
}

/* Level-1 code of a unit: a letter and two digits, first or last part (domain 5). */
static struct lt_span unit_province(struct lt_span code)
{
    struct lt_span rest = code, part;
    while (lt_span_cut(&rest, '.', &part))
        if (part.len == 3 && part.ptr[0] >= 'A' && part.ptr[0] <= 'Z' && part.ptr[1] >= '0' && part.ptr[1] <= '9' &&
            part.ptr[2] >= '0' && part.ptr[2] <= '9')
            return part;
    return LT_SPAN_NULL;
}

static void check_table_reach(const struct lt_routes *r, const struct lt_table *t, enum field f, struct lt_diags *diags)
{
    for (size_t i = 0; i < lt_table_len(t); i++) {
        const struct lt_table_entry *e = lt_table_at(t, i);
        /* ce_unit is the code itself, ce_procedure what the local code maps to. */
        struct lt_span value = lt_span_str(f == FIELD_PROCEDURE ? e->value : e->code);
        bool reached = false;
        for (size_t j = 0; j < r->rules.len && !reached; j++) {
            const struct rule *rule = &r->rules.v[j];
            reached = rule_may_take(rule, f, e, value) &&
                      (f != FIELD_UNIT || condition_holds(&rule->when[FIELD_PROVINCE], unit_province(value), 0));
        }
        if (!reached)
            lt_yaml_warning(diags, e->node, "%s %s: no route reaches it; its events go to " LT_TOPIC_UNROUTED,
                            field_names[f], e->code);
    }
}

/* ce_procedure is what a code of a table maps to, ce_unit and ce_province stand in the codes themselves. */
static bool any_entry(const struct lt_table *t, enum field f, const char *glob)
{
    bool found = false;
    if (f == FIELD_PROCEDURE && lt_table_is_units(t))
        return false;
    for (size_t i = 0; i < lt_table_len(t) && !found; i++) {
        const struct lt_table_entry *e = lt_table_at(t, i);
        struct lt_span code = lt_span_str(e->code);
        found = f == FIELD_PROCEDURE ? lt_glob_match(glob, lt_span_str(e->value))
                                     : lt_glob_match(glob, code) || lt_glob_match(glob, unit_province(code));
    }
    return found;
}

static bool any_field(const struct lt_table *t, const char *field, const char *glob)
{
    for (size_t i = 0; i < lt_table_len(t); i++)
        if (lt_glob_match(glob, lt_span_str(lt_table_field(lt_table_at(t, i), field))))
            return true;
    return false;
}

/* A word of `when` that fits nothing in any table is a slip of the pen, and its events would go elsewhere without a
 * word. */
static void check_words(const struct rule *rule, enum field f, const struct lt_tables *tables, struct lt_diags *diags)
{
    const struct condition *w = &rule->when[f];
    const struct lt_yaml_node *at = lt_yaml_get(lt_yaml_get(rule->node, "when"), field_names[f]);
    for (size_t i = 0; w->table && i < w->values_len; i++)
        if (!any_field(w->table, w->table_field, w->values[i]))
            lt_yaml_warning(diags, at, "%s: no entry of table %s has %s '%s'", field_names[f], lt_table_name(w->table),
                            w->table_field, w->values[i]);
    for (size_t i = 0; !w->table && i < w->globs_len; i++) {
        bool found = false;
        for (const char *const *name = lt_tables_names(tables); *name && !found; name++)
            found = any_entry(lt_table_find(tables, lt_span_str(*name)), f, w->globs[i]);
        if (!found)
            lt_yaml_warning(diags, at, "%s: no table of the configuration has '%s'", field_names[f], w->globs[i]);
    }
}

void lt_routes_check_reach(const struct lt_routes *r, const struct lt_tables *tables, struct lt_diags *diags)
{
    static const enum field in_tables[] = {FIELD_PROVINCE, FIELD_UNIT, FIELD_PROCEDURE};
    for (size_t i = 0; i < r->rules.len; i++)
        for (size_t f = 0; f < LT_ARRAY_LEN(in_tables); f++)
            check_words(&r->rules.v[i], in_tables[f], tables, diags);
    const struct lt_table *units = lt_table_find(tables, LT_SPAN_LIT("units"));
    const struct lt_table *procedures = lt_table_find(tables, LT_SPAN_LIT("procedures"));
    if (units)
        check_table_reach(r, units, FIELD_UNIT, diags);
    if (procedures)
        check_table_reach(r, procedures, FIELD_PROCEDURE, diags);
}
