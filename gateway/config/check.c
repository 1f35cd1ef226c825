/* What no section sees alone: settings that must fit each other. */
#include "gateway/config/load.h"
#include "gateway/config/value.h"

#include <inttypes.h>

#define DAY_MS ((int64_t)86400000)

/* Protocol 2, "Settings": the log must outlive every entry of the index, with a generation to spare on both sides. */
static void check_window(struct lt_config_load *l)
{
    const struct lt_config *c = l->c;
    int64_t generation = (c->window_ms + 199) / 200, least = c->window_ms + 2 * generation + DAY_MS;
    if (c->topics.intake_retention_ms >= least)
        return;
    int64_t hours = (least + 3599999) / 3600000;
    lt_yaml_error(l->diags, lt_config_at(l, "topics.retention.intake"),
                  "topics.retention.intake: expected at least %s (window + 2 generations of window / 200 + 1 day, and "
                  "the longest outage "
                  "on top), got %s",
                  lt_duration_text(hours * 3600000, &l->c->arena),
                  lt_duration_text(c->topics.intake_retention_ms, &l->c->arena));
}

static void check_instance(struct lt_config_load *l)
{
    const char *s = l->c->instance;
    size_t n = s ? strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;
    if (s && (n == 0 || n > 32 || s[n]))
        lt_yaml_expected(l->diags, lt_config_at(l, "instance"), "instance",
                         "1 to 32 of lower-case letters, digits and '-'");
}

static bool any_host(const char *address)
{
    return strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
}

static bool loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0 ||
           strncmp(address, "localhost:", 10) == 0;
}

static void check_addresses(struct lt_config_load *l)
{
    const struct lt_config *c = l->c;
    size_t n = strlen(c->admin.listen);
    if (strcmp(c->ingest.listen, c->admin.listen) == 0 && n > 2 && strcmp(c->admin.listen + n - 2, ":0") != 0)
        lt_yaml_error(l->diags, lt_config_at(l, "admin.listen"),
                      "admin.listen: expected an address of its own, got that of ingest.listen (%s)", c->admin.listen);
    if (any_host(c->ingest.advertise))
        lt_yaml_warning(
            l->diags,
            lt_config_at(l, lt_yaml_get(lt_config_at(l, "ingest"), "advertise") ? "ingest.advertise" : "ingest.listen"),
            "ingest.advertise: expected an address other instances can reach, got %s", c->ingest.advertise);
    if (!loopback(c->admin.listen))
        lt_yaml_warning(l->diags, lt_config_at(l, "admin.listen"),
                        "admin.listen: expected a loopback address, got %s: whoever reaches it reads the status "
                        "without a certificate",
                        c->admin.listen);
}

static void check_sizes(struct lt_config_load *l)
{
    const struct lt_config *c = l->c;
    if (c->topics.min_insync > c->topics.replication)
        lt_yaml_error(l->diags, lt_config_at(l, "topics.min_insync"),
                      "topics.min_insync: expected at most topics.replication (%" PRId64 "), got %" PRId64,
                      c->topics.replication, c->topics.min_insync);
    if (c->ingest.memory < c->ingest.body_max)
        lt_yaml_error(l->diags, lt_config_at(l, "ingest.memory"),
                      "ingest.memory: expected at least ingest.body_max (%" PRId64 " bytes), got %" PRId64,
                      c->ingest.body_max, c->ingest.memory);
    if (c->ingest.receipt_key.text && strlen(c->ingest.receipt_key.text) < 32)
        lt_yaml_error(l->diags, lt_config_at(l, "ingest.receipt_key"),
                      "ingest.receipt_key: expected a secret of at least 32 bytes, got a shorter one (not shown)");
}

/* A client without a certificate can only be meant for a folder or a bridge. */
static void check_clients_used(struct lt_config_load *l)
{
    const struct lt_config *c = l->c;
    for (size_t i = 0; i < c->clients_len; i++) {
        const struct lt_config_client *client = &c->clients[i];
        if (!client->name || lt_yaml_get(client->node, "match"))
            continue;
        bool used = false;
        for (size_t f = 0; f < c->folders_len && !used; f++)
            used = c->folders[f].client && strcmp(c->folders[f].client, client->name) == 0;
        for (size_t b = 0; b < c->bridges_len && !used; b++)
            used = c->bridges[b].client && strcmp(c->bridges[b].client, client->name) == 0;
        if (!used)
            lt_yaml_error(l->diags, client->node,
                          "clients.match: expected {san: …}, {subject: …} or {fingerprint: …} for '%s', which no "
                          "folder or bridge uses, got "
                          "nothing",
                          client->name);
    }
}

void lt_config_check(struct lt_config_load *l)
{
    check_instance(l);
    check_window(l);
    check_sizes(l);
    check_addresses(l);
    check_clients_used(l);
}
