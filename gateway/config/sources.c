/* Inputs beside HTTP: spool folders and bridges from foreign Kafka topics. */
#include "gateway/config/load.h"

static const char *const media[] = {"application/xml", "application/json", NULL};

static const struct lt_opt folder_opts[] = {
    {.key = "name",
     .type = LT_OPT_STRING,
     .offset = offsetof(struct lt_config_folder, name),
     .required = true,
     .help = "Stands in logs and metrics."},
    {.key = "path",
     .type = LT_OPT_PATH,
     .offset = offsetof(struct lt_config_folder, path),
     .required = true,
     .help = "The folder that files are put into by rename."},
    {.key = "client",
     .type = LT_OPT_STRING,
     .offset = offsetof(struct lt_config_folder, client),
     .required = true,
     .help = "The client whose rights the files have."},
    {.key = "poll",
     .type = LT_OPT_DURATION,
     .offset = offsetof(struct lt_config_folder, poll_ms),
     .fallback = "2s",
     .min = 100,
     .max = 3600000,
     .help = "How often the folder is looked at."},
};

struct bridge_form {
    const char *name, *topic, *client;
    int media;
};
static const struct lt_opt bridge_opts[] = {
    {.key = "name",
     .type = LT_OPT_STRING,
     .offset = offsetof(struct bridge_form, name),
     .required = true,
     .help = "Stands in logs and metrics and in the name of the consumer group."},
    {.key = "topic",
     .type = LT_OPT_STRING,
     .offset = offsetof(struct bridge_form, topic),
     .required = true,
     .help = "The foreign topic."},
    {.key = "client",
     .type = LT_OPT_STRING,
     .offset = offsetof(struct bridge_form, client),
     .required = true,
     .help = "The client whose rights the records have."},
    {.key = "media",
     .type = LT_OPT_ENUM,
     .offset = offsetof(struct bridge_form, media),
     .required = true,
     .words = media,
     .help = "What the records hold."},
};

static bool name_form(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-_.");
    return n > 0 && n <= 64 && !s[n];
}

/* What folders and bridges have in common: a name of their own and a client that may send. */
static void check_source(struct lt_config_load *l, const struct lt_yaml_node *n, const char *section, const char *name,
                         const char *client)
{
    LT_AUTOFREE char *name_key = lt_asprintf("%s.name", section), *client_key = lt_asprintf("%s.client", section);
    if (name && !name_form(name))
        lt_yaml_expected(l->diags, lt_yaml_get(n, "name"), name_key,
                         "1 to 64 of lower-case letters, digits, '-', '_' and '.'");
    if (!client)
        return;
    const struct lt_yaml_node *at = lt_yaml_get(n, "client");
    const struct lt_config_client *found = lt_config_client(l->c, lt_span_str(client));
    if (found && found->role != LT_ROLE_PROVINCE && found->role != LT_ROLE_POSTAL) {
        lt_yaml_error(l->diags, at, "%s: expected a client with role province or postal, got '%.60s'", client_key,
                      client);
    } else if (!found) {
        LT_AUTOFREE const char **names = lt_calloc(l->c->clients_len + 1, sizeof(*names));
        size_t len = 0;
        for (size_t i = 0; i < l->c->clients_len; i++) {
            if (l->c->clients[i].name)
                names[len++] = l->c->clients[i].name;
        }
        lt_yaml_error(l->diags, at, "%s: expected the name of a client, got '%.60s'%s", client_key, client,
                      lt_config_suggest(l, client, names));
    }
}

static bool is_list(struct lt_config_load *l, const struct lt_yaml_node *n, const char *key)
{
    if (n && n->kind != LT_YAML_SEQ)
        lt_yaml_expected(l->diags, n, key, "a list");
    return n && n->kind == LT_YAML_SEQ;
}

static void name_taken(struct lt_config_load *l, const struct lt_yaml_node *n, const char *key,
                       const struct lt_yaml_node *by)
{
    lt_yaml_error(l->diags, lt_yaml_get(n, "name"), "%s: expected a name of its own, got the one of line %d", key,
                  by->line);
}

static void load_folders(struct lt_config_load *l, const struct lt_yaml_node *list)
{
    struct lt_config *c = l->c;
    if (!is_list(l, list, "folders"))
        return;
    c->folders = lt_arena_alloc(&c->arena, LT_MAX(list->len, 1) * sizeof(*c->folders));
    for (size_t i = 0; i < list->len; i++) {
        struct lt_config_folder f = {.node = list->items[i]};
        lt_opts_decode(f.node, "folders", folder_opts, LT_ARRAY_LEN(folder_opts), &f, &c->arena, l->diags);
        check_source(l, f.node, "folders", f.name, f.client);
        for (size_t o = 0; o < c->folders_len; o++) {
            const struct lt_config_folder *other = &c->folders[o];
            if (f.name && other->name && strcmp(f.name, other->name) == 0)
                name_taken(l, f.node, "folders.name", other->node);
            if (f.path && other->path && strcmp(f.path, other->path) == 0)
                lt_yaml_error(l->diags, lt_yaml_get(f.node, "path"),
                              "folders.path: expected a folder of its own, got the one of line %d", other->node->line);
        }
        c->folders[c->folders_len++] = f;
    }
}

static void check_topic(struct lt_config_load *l, const struct lt_yaml_node *n, const char *topic)
{
    size_t len = strspn(topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    if (topic[len] || len > 249)
        lt_yaml_expected(l->diags, lt_yaml_get(n, "topic"), "bridges.topic",
                         "a topic: up to 249 letters, digits, '.', '_' and '-'");
    else if (strncmp(topic, "lt.", 3) == 0)
        lt_yaml_expected(l->diags, lt_yaml_get(n, "topic"), "bridges.topic",
                         "a foreign topic, not one of the gateway's own (lt.)");
}

static void load_bridges(struct lt_config_load *l, const struct lt_yaml_node *list)
{
    struct lt_config *c = l->c;
    if (!is_list(l, list, "bridges"))
        return;
    c->bridges = lt_arena_alloc(&c->arena, LT_MAX(list->len, 1) * sizeof(*c->bridges));
    for (size_t i = 0; i < list->len; i++) {
        const struct lt_yaml_node *n = list->items[i];
        struct bridge_form form = {0};
        lt_opts_decode(n, "bridges", bridge_opts, LT_ARRAY_LEN(bridge_opts), &form, &c->arena, l->diags);
        check_source(l, n, "bridges", form.name, form.client);
        if (form.topic)
            check_topic(l, n, form.topic);
        for (size_t o = 0; o < c->bridges_len; o++) {
            if (form.name && c->bridges[o].name && strcmp(form.name, c->bridges[o].name) == 0)
                name_taken(l, n, "bridges.name", c->bridges[o].node);
        }
        c->bridges[c->bridges_len++] =
            (struct lt_config_bridge){form.name, form.topic, form.client, media[form.media], n};
    }
}

void lt_config_load_sources(struct lt_config_load *l, const struct lt_yaml_node *folders,
                            const struct lt_yaml_node *bridges)
{
    load_folders(l, folders);
    load_bridges(l, bridges);
}

void lt_config_sources_sections(lt_config_section_fn fn, void *ctx)
{
    fn(&(struct lt_config_section){"folders", folder_opts, LT_ARRAY_LEN(folder_opts)}, ctx);
    fn(&(struct lt_config_section){"bridges", bridge_opts, LT_ARRAY_LEN(bridge_opts)}, ctx);
}
