/* Who may send what: the clients of clients.yaml. */
#include "gateway/config/load.h"

static const char *const roles[] = {"province", "postal", "operator", "gateway", NULL}; /* enum lt_role */

static const struct lt_opt file_opts[] = {
    {.key = "clients", .type = LT_OPT_NODE, .offset = LT_OPT_NOWHERE, .required = true, .help = "List of clients."},
};

#define CLIENT(member) offsetof(struct lt_config_client, member)
static const struct lt_opt client_opts[] = {
    {.key = "name",
     .type = LT_OPT_STRING,
     .offset = CLIENT(name),
     .required = true,
     .help = "Stands in receipts, the audit and the header lt_client."},
    {.key = "role",
     .type = LT_OPT_ENUM,
     .offset = CLIENT(role),
     .words = roles,
     .required = true,
     .help = "province and postal send events; operator sends none; gateway is another instance."},
    {.key = "match",
     .type = LT_OPT_NODE,
     .offset = LT_OPT_NOWHERE,
     .help =
         "Which certificate it is, see clients.match below. Left out for a client that only folders and bridges use."},
    {.key = "provinces",
     .type = LT_OPT_STRINGS,
     .offset = CLIENT(provinces),
     .help = "Codes (H22) it may send for; an event of another is 403. Required for role province."},
    {.key = "sources",
     .type = LT_OPT_STRINGS,
     .offset = CLIENT(sources),
     .help = "Patterns of ce_source it may send; any when left out."},
    {.key = "units",
     .type = LT_OPT_STRINGS,
     .offset = CLIENT(units),
     .help = "Patterns of unit codes it may send; any when left out."},
    {.key = "types",
     .type = LT_OPT_STRINGS,
     .offset = CLIENT(types),
     .help = "Event words it may send (received, supplement-*); any when left out."},
    {.key = "rate",
     .type = LT_OPT_INT,
     .offset = CLIENT(rate),
     .fallback = "0",
     .min = 0,
     .max = 1000000,
     .help = "Events a second, 0 for no limit."},
    {.key = "body_max",
     .type = LT_OPT_SIZE,
     .offset = CLIENT(body_max),
     .fallback = "0",
     .help = "Largest request body, at most ingest.body_max; 0 for that."},
};
static const struct lt_opt match_opts[] = {
    {.key = "san", .type = LT_OPT_STRING, .offset = CLIENT(san), .help = "A subject alternative name, DNS or URI."},
    {.key = "subject", .type = LT_OPT_STRING, .offset = CLIENT(subject_cn), .help = "The common name of the subject."},
    {.key = "fingerprint",
     .type = LT_OPT_STRING,
     .offset = CLIENT(fingerprint),
     .help = "SHA-256 of the certificate in hex, colons allowed: one certificate only."},
};

static bool word_form(const char *s, size_t max, const char *others)
{
    size_t n = strlen(s);
    if (n < 1 || n > max)
        return false;
    for (; *s; s++) {
        if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || strchr(others, *s)))
            return false;
    }
    return true;
}

/* The node of entry i of a list option, or the option itself when it is one text. */
static const struct lt_yaml_node *entry(const struct lt_yaml_node *n, const char *key, size_t i)
{
    const struct lt_yaml_node *v = lt_yaml_get(n, key);
    return v && v->kind == LT_YAML_SEQ && i < v->len ? v->items[i] : v;
}

static void check_provinces(struct lt_config_load *l, const struct lt_config_client *c)
{
    if (c->role == LT_ROLE_PROVINCE && c->provinces.len == 0 && !lt_yaml_get(c->node, "provinces"))
        lt_yaml_error(l->diags, c->node,
                      "clients.provinces: expected the codes a province may send for ([H22]), got nothing");
    else if (c->role == LT_ROLE_PROVINCE && lt_yaml_get(c->node, "provinces") && c->provinces.len == 0)
        lt_yaml_error(l->diags, lt_yaml_get(c->node, "provinces"),
                      "clients.provinces: expected the codes a province may send for ([H22]), got none");
    for (size_t i = 0; i < c->provinces.len; i++) {
        const char *p = c->provinces.v[i];
        if (!(strlen(p) == 3 && p[0] >= 'A' && p[0] <= 'Z' && p[1] >= '0' && p[1] <= '9' && p[2] >= '0' && p[2] <= '9'))
            lt_yaml_expected(l->diags, entry(c->node, "provinces", i), "clients.provinces",
                             "a code of one letter and two digits (H22)");
    }
}

static void check_types(struct lt_config_load *l, const struct lt_config_client *c)
{
    const char *const *words = l->event_words;
    for (size_t i = 0; words && i < c->types.len; i++) {
        bool any = false;
        for (const char *const *w = words; *w && !any; w++)
            any = lt_glob_match(c->types.v[i], lt_span_str(*w));
        if (!any)
            lt_yaml_error(l->diags, entry(c->node, "types", i),
                          "clients.types: expected an event word of schemas/canonical/steps.yaml or a pattern of them, "
                          "got '%.60s'%s",
                          c->types.v[i], lt_config_suggest(l, c->types.v[i], words));
    }
}

/* 64 lower-case hex digits from AB:CD:… or abcd…. */
static void normal_fingerprint(struct lt_config_load *l, struct lt_config_client *c, const struct lt_yaml_node *match)
{
    char hex[2 * LT_SHA256_SIZE + 1];
    size_t n = 0;
    bool good = true;
    for (const char *p = c->fingerprint; *p && good; p++) {
        char low = *p >= 'A' && *p <= 'F' ? (char)(*p - 'A' + 'a') : *p;
        if (low == ':')
            continue;
        good = n < sizeof(hex) - 1 && ((low >= '0' && low <= '9') || (low >= 'a' && low <= 'f'));
        if (good)
            hex[n++] = low;
    }
    hex[n] = '\0';
    if (good && n == sizeof(hex) - 1)
        c->fingerprint = lt_arena_str(&l->c->arena, lt_span(hex, n));
    else
        lt_yaml_expected(l->diags, lt_yaml_get(match, "fingerprint"), "clients.match.fingerprint",
                         "64 hex digits (openssl x509 -noout -fingerprint -sha256)");
}

static void decode_match(struct lt_config_load *l, struct lt_config_client *c)
{
    const struct lt_yaml_node *match = lt_yaml_get(c->node, "match");
    if (!match)
        return;
    lt_opts_decode(match, "clients.match", match_opts, LT_ARRAY_LEN(match_opts), c, &l->c->arena, l->diags);
    if (match->kind != LT_YAML_MAP)
        return;
    int given = !!lt_yaml_get(match, "san") + !!lt_yaml_get(match, "subject") + !!lt_yaml_get(match, "fingerprint");
    if (given != 1)
        lt_yaml_error(l->diags, match, "clients.match: expected one of san, subject, fingerprint, got %s",
                      given ? "more than one" : "none");
    if (c->fingerprint)
        normal_fingerprint(l, c, match);
    if ((c->san && !*c->san) || (c->subject_cn && !*c->subject_cn))
        lt_yaml_expected(l->diags, match->items[0], "clients.match", "a name of the certificate");
}

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static void check_unique(struct lt_config_load *l, const struct lt_config_client *c)
{
    for (size_t i = 0; i < l->c->clients_len; i++) {
        const struct lt_config_client *o = &l->c->clients[i];
        const char *what = same(o->name, c->name)                 ? "name"
                           : same(o->san, c->san)                 ? "match.san"
                           : same(o->subject_cn, c->subject_cn)   ? "match.subject"
                           : same(o->fingerprint, c->fingerprint) ? "match.fingerprint"
                                                                  : NULL;
        if (!what)
            continue;
        bool by_name = strcmp(what, "name") == 0;
        const struct lt_yaml_node *at = lt_yaml_get(c->node, by_name ? "name" : "match");
        lt_yaml_error(l->diags, at, "clients.%s: expected one that no other client has, got the one of '%s' (%s:%d)",
                      what, o->name ? o->name : "?", o->node->file, o->node->line);
        return;
    }
}

static void decode_client(struct lt_config_load *l, const struct lt_yaml_node *n)
{
    struct lt_config_client c = {.role = -1, .node = n}; /* no role yet: what depends on it is not judged */
    lt_opts_decode(n, "clients", client_opts, LT_ARRAY_LEN(client_opts), &c, &l->c->arena, l->diags);
    if (n->kind != LT_YAML_MAP)
        return;
    if (c.name && !word_form(c.name, 64, "-_."))
        lt_yaml_expected(l->diags, lt_yaml_get(n, "name"), "clients.name",
                         "1 to 64 of lower-case letters, digits, '-', '_' and '.'");
    decode_match(l, &c);
    check_provinces(l, &c);
    check_types(l, &c);
    if (c.body_max > l->c->ingest.body_max)
        lt_yaml_expected(l->diags, lt_yaml_get(n, "body_max"), "clients.body_max", "at most ingest.body_max");
    check_unique(l, &c);
    l->c->clients = lt_realloc(l->c->clients, (l->c->clients_len + 1) * sizeof(c));
    l->c->clients[l->c->clients_len++] = c;
}

void lt_config_load_clients(struct lt_config_load *l, const struct lt_yaml_node *patterns)
{
    if (!patterns)
        lt_yaml_error(l->diags, l->root,
                      "clients: expected the file that says who may send (clients.yaml), got nothing");
    struct lt_config_roots files = lt_config_read_all(l, patterns, "clients");
    for (size_t f = 0; f < files.len; f++) {
        char none; /* the one option is not stored */
        lt_opts_decode(files.v[f], "", file_opts, LT_ARRAY_LEN(file_opts), &none, &l->c->arena, l->diags);
        const struct lt_yaml_node *list = lt_yaml_get(files.v[f], "clients");
        if (list && list->kind != LT_YAML_SEQ)
            lt_yaml_expected(l->diags, list, "clients", "a list of clients");
        for (size_t i = 0; list && list->kind == LT_YAML_SEQ && i < list->len; i++)
            decode_client(l, list->items[i]);
    }
    free(files.v);
}

const struct lt_config_client *lt_config_client(const struct lt_config *c, struct lt_span name)
{
    for (size_t i = 0; i < c->clients_len; i++) {
        if (c->clients[i].name && lt_span_is(name, c->clients[i].name))
            return &c->clients[i];
    }
    return NULL;
}

void lt_config_clients_sections(lt_config_section_fn fn, void *ctx)
{
    fn(&(struct lt_config_section){"clients", client_opts, LT_ARRAY_LEN(client_opts)}, ctx);
    fn(&(struct lt_config_section){"clients.match", match_opts, LT_ARRAY_LEN(match_opts)}, ctx);
}
