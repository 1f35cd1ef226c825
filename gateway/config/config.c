#include "gateway/config/load.h"

#include <unistd.h>

struct top_form {
    const char *instance, *state_dir, *schemas_dir;
    int64_t window_ms;
    const struct lt_yaml_node *kafka, *clients, *folders, *bridges;
};
#define TOP(member) offsetof(struct top_form, member)
static const struct lt_opt top_opts[] = {
    {.key = "instance",
     .type = LT_OPT_STRING,
     .offset = TOP(instance),
     .required = true,
     .help = "Name of this process among equal ones: 1 to 32 of lower-case letters, digits and '-'."},
    {.key = "state_dir",
     .type = LT_OPT_PATH,
     .offset = TOP(state_dir),
     .required = true,
     .help = "Folder for what is rebuilt from Kafka when it is lost."},
    {.key = "schemas_dir",
     .type = LT_OPT_PATH,
     .offset = TOP(schemas_dir),
     .fallback = "../schemas",
     .help = "The folder that schemas/ stands for in mappings; canonical/ in it holds the schemas of the events."},
    {.key = "window",
     .type = LT_OPT_DURATION,
     .offset = TOP(window_ms),
     .fallback = "400d",
     .min = 60000,
     .max = (int64_t)3000 * 86400000,
     .help = "How long after its last sending an event is known as a duplicate."},
    {.key = "kafka",
     .type = LT_OPT_NODE,
     .offset = TOP(kafka),
     .help = "Properties of librdkafka, as it names them; a value may be {file: PATH} or {env: NAME}."},
    {.key = "clients",
     .type = LT_OPT_NODE,
     .offset = TOP(clients),
     .help = "File or pattern, or a list of them: who may send what."},
    {.key = "folders", .type = LT_OPT_NODE, .offset = TOP(folders), .help = "Spool folders, see folders below."},
    {.key = "bridges", .type = LT_OPT_NODE, .offset = TOP(bridges), .help = "Foreign Kafka topics, see bridges below."},
    {.key = "log", .type = LT_OPT_NODE, .offset = LT_OPT_NOWHERE, .help = "See log below."},
    {.key = "topics", .type = LT_OPT_NODE, .offset = LT_OPT_NOWHERE, .help = "See topics below."},
    {.key = "ingest", .type = LT_OPT_NODE, .offset = LT_OPT_NOWHERE, .help = "See ingest below."},
    {.key = "admin", .type = LT_OPT_NODE, .offset = LT_OPT_NOWHERE, .help = "See admin below."},
    {.key = "core", .type = LT_OPT_NODE, .offset = LT_OPT_NOWHERE, .help = "See core below."},
    {.key = "include", .type = LT_OPT_NODE, .offset = LT_OPT_NOWHERE, .help = "See include below."},
};

struct include_form {
    const struct lt_yaml_node *mappings, *digests, *tables, *routes, *targets;
};
#define INCLUDE(member) offsetof(struct include_form, member)
static const struct lt_opt include_opts[] = {
    {.key = "mappings",
     .type = LT_OPT_NODE,
     .offset = INCLUDE(mappings),
     .help = "Files of mappings: pattern or list of patterns."},
    {.key = "digests", .type = LT_OPT_NODE, .offset = INCLUDE(digests), .help = "Files of digest profiles."},
    {.key = "tables", .type = LT_OPT_NODE, .offset = INCLUDE(tables), .help = "Files of code tables."},
    {.key = "routes", .type = LT_OPT_NODE, .offset = INCLUDE(routes), .help = "Files of routes."},
    {.key = "targets", .type = LT_OPT_NODE, .offset = INCLUDE(targets), .help = "Files of targets, one target a file."},
};

static void take(struct lt_config_roots roots, const struct lt_yaml_node ***v, size_t *len)
{
    *v = roots.v;
    *len = roots.len;
}

static void load_includes(struct lt_config_load *l)
{
    struct lt_config *c = l->c;
    struct include_form in = {0};
    lt_opts_decode(lt_yaml_get(l->root, "include"), "include", include_opts, LT_ARRAY_LEN(include_opts), &in, &c->arena,
                   l->diags);
    take(lt_config_read_all(l, in.mappings, "include.mappings"), &c->mappings, &c->mappings_len);
    take(lt_config_read_all(l, in.digests, "include.digests"), &c->digests, &c->digests_len);
    take(lt_config_read_all(l, in.tables, "include.tables"), &c->tables, &c->tables_len);
    take(lt_config_read_all(l, in.routes, "include.routes"), &c->routes, &c->routes_len);
    struct lt_config_roots targets = lt_config_read_all(l, in.targets, "include.targets");
    lt_config_load_targets(l, &targets);
    free(targets.v);
}

/*
 * The words of events, from the table that names them. It is compiled into gateway/model too, which this folder does
 * not include; reading it here proves schemas_dir at the same time.
 */
static void load_event_words(struct lt_config_load *l)
{
    const struct lt_yaml_node *at = lt_config_at(l, "schemas_dir");
    const char *path = lt_arena_printf(&l->c->arena, "%s/canonical/steps.yaml", l->c->schemas_dir);
    struct lt_yaml *y;
    if (access(path, R_OK) != 0) {
        lt_yaml_error(l->diags, at, "schemas_dir: expected the folder schemas with canonical/steps.yaml in it, got %s",
                      l->c->schemas_dir);
        return;
    }
    if (lt_yaml_load(path, &y, l->diags) < 0)
        return;
    const struct lt_yaml_node *events = lt_yaml_get(lt_yaml_root(y), "events");
    size_t len = events && events->kind == LT_YAML_SEQ ? events->len : 0;
    l->event_words = lt_arena_alloc(&l->c->arena, (len + 1) * sizeof(*l->event_words));
    for (size_t i = 0; i < len; i++)
        l->event_words[i] = lt_arena_str(&l->c->arena, lt_yaml_text(lt_yaml_get(events->items[i], "word")));
    lt_yaml_free(y);
}

static void load_all(struct lt_config_load *l)
{
    struct lt_config *c = l->c;
    struct top_form top = {0};
    lt_opts_decode(l->root, "", top_opts, LT_ARRAY_LEN(top_opts), &top, &c->arena, l->diags);
    c->instance = top.instance;
    c->state_dir = top.state_dir;
    c->schemas_dir = top.schemas_dir;
    c->window_ms = top.window_ms;
    load_event_words(l);
    lt_config_load_settings(l);
    lt_config_load_kafka(l, top.kafka);
    lt_config_load_clients(l, top.clients);
    lt_config_load_sources(l, top.folders, top.bridges);
    load_includes(l);
    lt_config_check(l);
}

static uint64_t generation(struct lt_sha256 *hash)
{
    uint8_t digest[LT_SHA256_SIZE];
    uint64_t g = 0;
    lt_sha256_final(hash, digest);
    for (int i = 0; i < 8; i++)
        g = g << 8 | digest[i];
    return g;
}

int lt_config_survey(const char *path, struct lt_config **ret, struct lt_diags *diags)
{
    size_t errors = diags->errors;
    struct lt_config *c = lt_alloc(sizeof(*c));
    c->arena = LT_ARENA_INIT;
    c->path = lt_arena_str(&c->arena, lt_span_str(path));
    struct lt_config_load l = {.c = c, .diags = diags, .hash = lt_sha256_new()};
    int r = lt_config_read(&l, path, NULL, &l.root);
    if (r == LT_OK) {
        load_all(&l);
        c->generation = generation(l.hash);
        r = diags->errors > errors ? LT_E_INVALID : LT_OK;
    }
    lt_sha256_free(l.hash);
    if (!l.root) /* nothing at all could be read */
        lt_config_free(lt_steal(&c));
    *ret = c;
    return r;
}

int lt_config_load(const char *path, struct lt_config **ret, struct lt_diags *diags)
{
    struct lt_config *c;
    int r = lt_config_survey(path, &c, diags);
    if (r < 0)
        lt_config_free(c);
    else
        *ret = c;
    return r;
}

uint64_t lt_config_generation(const struct lt_config *c)
{
    return __atomic_load_n(&c->generation, __ATOMIC_RELAXED);
}

void lt_config_generation_set(struct lt_config *c, uint64_t generation)
{
    __atomic_store_n(&c->generation, generation, __ATOMIC_RELAXED);
}

void lt_config_free(struct lt_config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->files_len; i++)
        lt_yaml_free(c->files[i]);
    free(c->files);
    lt_secret_deinit(&c->ingest.receipt_key);
    free(c->clients);
    free(c->mappings);
    free(c->digests);
    free(c->tables);
    free(c->routes);
    lt_arena_deinit(&c->arena);
    free(c);
}

static void print_section(const struct lt_config_section *s, void *out)
{
    lt_opts_print(s->context, s->opts, s->n_opts, out);
}

void lt_config_print_options(struct lt_buf *out)
{
    lt_opts_print("", top_opts, LT_ARRAY_LEN(top_opts), out);
    lt_config_settings_sections(print_section, out);
    lt_opts_print("include", include_opts, LT_ARRAY_LEN(include_opts), out);
    lt_config_clients_sections(print_section, out);
    lt_config_sources_sections(print_section, out);
    lt_config_targets_sections(print_section, out);
}
