/* The targets' files: one target a file. */
#include "gateway/config/load.h"

static const char *const adapters[] = {"portal", "population", "provincial", "notify", NULL};

/* lt.<name> is the queue: these are topics of another kind. */
static const char *const reserved[] = {"intake",  "position", "events", "unrouted", "quarantine", "deadletter",
                                       "answers", "province", "notify", "audit",    "ledger",     "control",
                                       "history", "core",     "bridge", "topic",    NULL};

struct target_form {
    struct lt_config_target t;
    int adapter;
};
#define T(member) offsetof(struct target_form, t.member)
static const struct lt_opt target_opts[] = {
    {.key = "target",
     .type = LT_OPT_STRING,
     .offset = T(name),
     .required = true,
     .help = "Name of its queue and group: lt.<target>."},
    {.key = "adapter",
     .type = LT_OPT_ENUM,
     .offset = offsetof(struct target_form, adapter),
     .required = true,
     .words = adapters,
     .help = "Which protocol it speaks."},
    {.key = "url",
     .type = LT_OPT_URL,
     .offset = T(url),
     .required = true,
     .help = "Where it is; the adapter adds its paths."},
    {.key = "tls",
     .type = LT_OPT_NODE,
     .offset = LT_OPT_NOWHERE,
     .help = "Our identity towards it, see targets.tls below."},
    {.key = "timeout",
     .type = LT_OPT_DURATION,
     .offset = T(timeout_ms),
     .fallback = "30s",
     .min = 100,
     .max = 600000,
     .help = "Of one call, from its first byte to the last of the answer."},
    {.key = "connect_timeout",
     .type = LT_OPT_DURATION,
     .offset = T(connect_timeout_ms),
     .fallback = "5s",
     .min = 50,
     .max = 120000,
     .help = "Of the connection with its TLS handshake."},
    {.key = "concurrency",
     .type = LT_OPT_INT,
     .offset = T(concurrency),
     .fallback = "32",
     .min = 1,
     .max = 10000,
     .help = "Calls in flight, over all dossiers."},
    {.key = "rate",
     .type = LT_OPT_INT,
     .offset = T(rate),
     .fallback = "0",
     .min = 0,
     .max = 1000000,
     .help = "Calls a second, 0 for no limit."},
    {.key = "retry", .type = LT_OPT_NODE, .offset = LT_OPT_NOWHERE, .help = "See targets.retry below."},
    {.key = "settle",
     .type = LT_OPT_DURATION,
     .offset = T(settle_ms),
     .fallback = "2m",
     .min = 0,
     .max = 86400000,
     .help = "After a call whose outcome is unknown: the target's longest processing time, waited before it is asked."},
    {.key = "park_after",
     .type = LT_OPT_DURATION,
     .offset = T(park_after_ms),
     .fallback = "1h",
     .min = 100,
     .max = 2592000000,
     .help = "A dossier that fails for so long while the target serves others is parked with its later events."},
    {.key = "refused_max",
     .type = LT_OPT_INT,
     .offset = T(refused_max),
     .fallback = "50",
     .min = 0,
     .max = 100,
     .help = "When more than so many percent of the last 64 answers are refusals the target is paused instead of "
             "parking everything; 0 for no limit."},
    {.key = "options", .type = LT_OPT_NODE, .offset = T(options), .help = "The adapter's own options."},
    {.key = "answers",
     .type = LT_OPT_NODE,
     .offset = T(answers),
     .help = "What the target's answers mean, a table: docs/adding-a-target.md."},
};
static const struct lt_opt retry_opts[] = {
    {.key = "min",
     .type = LT_OPT_DURATION,
     .offset = T(retry_min_ms),
     .fallback = "1s",
     .min = 10,
     .max = 3600000,
     .help = "Longest wait before the second attempt; doubled for each one after it."},
    {.key = "max",
     .type = LT_OPT_DURATION,
     .offset = T(retry_max_ms),
     .fallback = "5m",
     .min = 10,
     .max = 86400000,
     .help = "Longest wait before any attempt."},
};

static bool name_form(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return s[0] >= 'a' && s[0] <= 'z' && n <= 32 && !s[n];
}

static void check_name(struct lt_config_load *l, const struct lt_config_target *t)
{
    const struct lt_yaml_node *at = lt_yaml_get(t->node, "target");
    if (!name_form(t->name)) {
        lt_yaml_expected(l->diags, at, "target", "a letter and up to 31 lower-case letters, digits and '-'");
        return;
    }
    for (const char *const *r = reserved; *r; r++) {
        /* The call-backs' and notifications' own queues. */
        bool own = (strcmp(*r, "province") == 0 && strcmp(t->adapter, "provincial") == 0) ||
                   (strcmp(*r, "notify") == 0 && strcmp(t->adapter, "notify") == 0);
        if (!own && strcmp(*r, t->name) == 0)
            lt_yaml_error(l->diags, at,
                          "target: expected a name that no topic of the gateway has, got '%s' (lt.%s is another topic)",
                          t->name, t->name);
    }
    for (size_t i = 0; i < l->c->targets_len; i++) {
        const struct lt_config_target *o = &l->c->targets[i];
        if (o->name && strcmp(o->name, t->name) == 0)
            lt_yaml_error(l->diags, at, "target: expected a name of its own, got '%s', which %s:%d has too", t->name,
                          o->node->file, o->node->line);
    }
}

static void check_tls(struct lt_config_load *l, struct lt_config_target *t)
{
    const struct lt_yaml_node *tls = lt_yaml_get(t->node, "tls");
    bool https = !t->url || strncmp(t->url, "https:", 6) == 0;
    if (tls && https)
        lt_config_decode_tls(l, tls, "tls", "ca", &t->tls);
    else if (tls)
        lt_yaml_error(l->diags, tls, "tls: expected none for a url with http://, got %s", lt_yaml_kind_name(tls));
    else if (https && t->url)
        lt_yaml_error(l->diags, t->node,
                      "tls: expected {certificate: …, key: …, ca: …} for a url with https://, got nothing");
}

void lt_config_target_appended(const struct lt_config_target *t, struct lt_diags *diags)
{
    const struct lt_yaml_node *n = lt_yaml_get(t->node, "url");
    if (t->url && strpbrk(t->url, "?#"))
        lt_yaml_error(diags, n ? n : t->node,
                      "url: expected no '?' and no '#', for paths are appended to it, got one (not shown)");
}

static void load_target(struct lt_config_load *l, const struct lt_yaml_node *n)
{
    struct lt_config *c = l->c;
    struct target_form f = {.t.node = n};
    lt_opts_decode(n, "", target_opts, LT_ARRAY_LEN(target_opts), &f, &c->arena, l->diags);
    lt_opts_decode(lt_config_section(l, lt_yaml_get(n, "retry"), n), "retry", retry_opts, LT_ARRAY_LEN(retry_opts), &f,
                   &c->arena, l->diags);
    f.t.adapter = adapters[f.adapter];
    if (f.t.name)
        check_name(l, &f.t);
    check_tls(l, &f.t);
    if (f.t.retry_min_ms > f.t.retry_max_ms)
        lt_yaml_error(l->diags, lt_yaml_get(n, "retry"), "retry.min: expected at most retry.max, got more");
    if (f.t.connect_timeout_ms > f.t.timeout_ms)
        lt_yaml_error(l->diags, lt_yaml_get(n, lt_yaml_get(n, "connect_timeout") ? "connect_timeout" : "timeout"),
                      "connect_timeout: expected at most timeout, got more");
    if (f.t.options && f.t.options->kind != LT_YAML_MAP)
        lt_yaml_expected(l->diags, f.t.options, "options", "a mapping of the adapter's options");
    c->targets[c->targets_len++] = f.t;
}

void lt_config_load_targets(struct lt_config_load *l, const struct lt_config_roots *files)
{
    l->c->targets = lt_arena_alloc(&l->c->arena, LT_MAX(files->len, 1) * sizeof(*l->c->targets));
    for (size_t i = 0; i < files->len; i++)
        load_target(l, files->v[i]);
}

void lt_config_targets_sections(lt_config_section_fn fn, void *ctx)
{
    fn(&(struct lt_config_section){"targets", target_opts, LT_ARRAY_LEN(target_opts)}, ctx);
    fn(&(struct lt_config_section){"targets.retry", retry_opts, LT_ARRAY_LEN(retry_opts)}, ctx);
}
