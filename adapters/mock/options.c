#include "adapters/mock/options.h"

#define SOURCE "command line"
#define CONFIG "config"

/* A YAML map built from the words, so that both sources are decoded by the same code with the same messages. */
struct map {
    const struct lt_yaml_node **keys, **items;
    size_t len;
};

static struct lt_yaml_node *node_new(struct lt_arena *a, enum lt_yaml_kind kind, int word)
{
    struct lt_yaml_node *n = lt_arena_alloc(a, sizeof *n);
    n->kind = kind;
    n->file = SOURCE;
    n->line = 1;
    n->column = word;
    n->text = "";
    return n;
}

static struct lt_yaml_node *text_new(struct lt_arena *a, int word, struct lt_span text, bool quoted)
{
    struct lt_yaml_node *n = node_new(a, LT_YAML_SCALAR, word);
    n->text = lt_arena_str(a, text);
    n->text_len = text.len;
    n->quoted = quoted;
    return n;
}

static size_t map_find(const struct map *m, const char *key)
{
    size_t i = 0;
    while (i < m->len && strcmp(m->keys[i]->text, key) != 0)
        i++;
    return i;
}

static void list_append(struct lt_arena *a, struct lt_yaml_node *list, struct lt_yaml_node *item)
{
    const struct lt_yaml_node **items = lt_arena_alloc(a, (list->len + 1) * sizeof *items);
    if (list->len)
        memcpy(items, list->items, list->len * sizeof *items);
    items[list->len++] = item;
    list->items = items;
}

static void map_set(struct map *m, struct lt_arena *a, const struct lt_opt *o, int word, const char *value, bool split)
{
    bool is_list = o->type == LT_OPT_STRINGS;
    bool quoted = is_list || o->type == LT_OPT_STRING || o->type == LT_OPT_PATH;
    size_t at = map_find(m, o->key);
    if (at == m->len) {
        m->keys[at] = text_new(a, word, lt_span_str(o->key), true);
        m->items[at] = is_list ? node_new(a, LT_YAML_SEQ, word) : NULL;
        m->len++;
    }
    if (!is_list) {
        m->items[at] = text_new(a, word, lt_span_str(value), quoted);
        return;
    }
    struct lt_span rest = lt_span_str(value), part;
    while (lt_span_cut(&rest, split ? ',' : '\0', &part))
        list_append(a, (struct lt_yaml_node *)m->items[at], text_new(a, word, part, true));
}

/* "--key=value" or "--key value"; NULL: no value. */
static const char *value_of(int argc, char **argv, int *at, const char *inlined)
{
    if (inlined)
        return inlined;
    return *at + 1 < argc ? argv[++*at] : NULL;
}

static const struct lt_opt *opt_find(const struct lt_opt *opts, size_t n, const char *key, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (lt_span_is(lt_span(key, len), opts[i].key))
            return &opts[i];
    return NULL;
}

static void unknown_switch(const struct lt_opt *opts, size_t n_opts, struct lt_span key, int word,
                           struct lt_diags *diags)
{
    LT_AUTOFREE const char **known = lt_calloc(n_opts + 1, sizeof *known);
    for (size_t i = 0; i < n_opts; i++)
        known[i] = opts[i].key;
    const char *near = lt_nearest(key, known);
    lt_diags_add(diags, LT_DIAG_ERROR, SOURCE, 1, word, "--" LT_SPAN_FMT ": no such switch%s%s%s", LT_SPAN_ARG(key),
                 near ? ", did you mean --" : "", near ? near : "", near ? "?" : "");
}

static void read_words(int argc, char **argv, const struct lt_opt *opts, size_t n_opts, struct lt_arena *a,
                       struct map *m, const char **ret_config, struct lt_diags *diags)
{
    static const struct lt_opt config = {.key = CONFIG, .type = LT_OPT_PATH};
    for (int i = 0; i < argc; i++) {
        int word = i + 1;
        if (strncmp(argv[i], "--", 2) != 0) {
            lt_diags_add(diags, LT_DIAG_ERROR, SOURCE, 1, word, "expected a switch --KEY, got '%s'", argv[i]);
            continue;
        }
        const char *key = argv[i] + 2, *equals = strchr(key, '=');
        size_t len = equals ? (size_t)(equals - key) : strlen(key);
        const struct lt_opt *o = lt_span_is(lt_span(key, len), CONFIG) ? &config : opt_find(opts, n_opts, key, len);
        const char *value = value_of(argc, argv, &i, equals ? equals + 1 : NULL);
        if (!o) {
            unknown_switch(opts, n_opts, lt_span(key, len), word, diags);
        } else if (!value) {
            lt_diags_add(diags, LT_DIAG_ERROR, SOURCE, 1, word, "--%s: expected a value, got nothing", o->key);
        } else if (o == &config) {
            *ret_config = value;
        } else if (strcmp(o->key, "fault-every") == 0) {
            const char *kind = equals || i + 1 >= argc ? "" : argv[++i];
            map_set(m, a, o, word, lt_arena_printf(a, "%s %s", value, kind), false);
        } else {
            map_set(m, a, o, word, value, true);
        }
    }
}

int lt_mock_options_read(int argc, char **argv, const struct lt_opt *opts, size_t n_opts, void *ret, struct lt_arena *a,
                         struct lt_diags *diags)
{
    const char *config = NULL;
    struct lt_yaml *file = NULL;
    struct map m = {.len = 0};
    m.keys = lt_arena_alloc(a, (n_opts + 1) * sizeof *m.keys);
    m.items = lt_arena_alloc(a, (n_opts + 1) * sizeof *m.items);
    read_words(argc, argv, opts, n_opts, a, &m, &config, diags);

    struct lt_yaml_node *merged = node_new(a, LT_YAML_MAP, 1);
    if (config && lt_yaml_load(config, &file, diags) == LT_OK) {
        const struct lt_yaml_node *root = lt_yaml_root(file);
        if (root->kind != LT_YAML_MAP)
            lt_yaml_expected(diags, root, "configuration", "a mapping");
        size_t n = root->kind == LT_YAML_MAP ? root->len : 0;
        struct map both = {.len = m.len};
        both.keys = lt_arena_alloc(a, (n + m.len + 1) * sizeof *both.keys);
        both.items = lt_arena_alloc(a, (n + m.len + 1) * sizeof *both.items);
        memcpy(both.keys, m.keys, m.len * sizeof *m.keys);
        memcpy(both.items, m.items, m.len * sizeof *m.items);
        for (size_t i = 0; i < n; i++) {
            if (map_find(&m, root->keys[i]->text) < m.len)
                continue;
            both.keys[both.len] = root->keys[i];
            both.items[both.len++] = root->items[i];
        }
        m = both;
    }
    merged->keys = m.keys;
    merged->items = m.items;
    merged->len = m.len;
    (void)lt_opts_decode(merged, "", opts, n_opts, ret, a, diags); /* what it found is in diags */

    /* Lists point into the file's tree: their texts move to the arena before it goes. */
    for (size_t i = 0; file && i < n_opts; i++) {
        struct lt_opt_strings *list = (struct lt_opt_strings *)((char *)ret + opts[i].offset);
        for (size_t k = 0; opts[i].type == LT_OPT_STRINGS && k < list->len; k++)
            list->v[k] = lt_arena_str(a, lt_span_str(list->v[k]));
    }
    lt_yaml_free(file);
    return diags->errors ? LT_E_INVALID : LT_OK;
}

void lt_mock_options_print(const struct lt_opt *opts, size_t n_opts, struct lt_buf *out)
{
    for (size_t i = 0; i < n_opts; i++) {
        const struct lt_opt *o = &opts[i];
        lt_buf_printf(out, "  --%-18s %s", o->key, o->help);
        if (o->fallback)
            lt_buf_printf(out, " (default %s)", o->fallback);
        lt_buf_char(out, '\n');
        for (const char *const *w = o->words; w && *w; w++)
            lt_buf_printf(out, "%s%s%s", w == o->words ? "                       one of " : ", ", *w, w[1] ? "" : "\n");
    }
}
