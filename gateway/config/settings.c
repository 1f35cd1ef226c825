/* The sections of plain settings: log, topics, ingest, admin, core. */
#include "gateway/config/load.h"

#include "gateway/base/log.h"

#define C(member) offsetof(struct lt_config, member)
#define DAYS(n) ((int64_t)(n)*86400000)
#define SECONDS(n) ((int64_t)(n)*1000)
#define KIB(n) ((int64_t)(n) << 10)
#define MIB(n) ((int64_t)(n) << 20)

static const char *const levels[] = {"debug", "info", "warn", "error", NULL}; /* enum lt_log_level */
static const char *const formats[] = {"text", "json", NULL};

struct log_form {
    int level, format;
};
static const struct lt_opt log_opts[] = {
    {.key = "level",
     .type = LT_OPT_ENUM,
     .offset = offsetof(struct log_form, level),
     .fallback = "info",
     .words = levels,
     .help = "The least important lines that are written."},
    {.key = "format",
     .type = LT_OPT_ENUM,
     .offset = offsetof(struct log_form, format),
     .fallback = "text",
     .words = formats,
     .help = "One line an event, for people or for machines."},
};

static const struct lt_opt topics_opts[] = {
    {.key = "replication",
     .type = LT_OPT_INT,
     .offset = C(topics.replication),
     .fallback = "3",
     .min = 1,
     .max = 15,
     .help = "Copies of every topic the gateway creates."},
    {.key = "min_insync",
     .type = LT_OPT_INT,
     .offset = C(topics.min_insync),
     .fallback = "2",
     .min = 1,
     .max = 15,
     .help = "Copies that must have a record before it counts as written."},
    {.key = "record_max",
     .type = LT_OPT_SIZE,
     .offset = C(topics.record_max),
     .fallback = "1MiB",
     .min = KIB(128),
     .max = MIB(64),
     .help = "Largest record of routed topics; intake takes 4 KiB less, so that every accepted event can be routed."},
    {.key = "partitions", .type = LT_OPT_NODE, .offset = LT_OPT_NOWHERE, .help = "See topics.partitions below."},
    {.key = "retention", .type = LT_OPT_NODE, .offset = LT_OPT_NOWHERE, .help = "See topics.retention below."},
};

static const struct lt_opt partitions_opts[] = {
    {.key = "intake",
     .type = LT_OPT_INT,
     .offset = C(topics.intake_partitions),
     .fallback = "12",
     .min = 1,
     .max = 1000,
     .help = "Of lt.intake. Fixed for ever once created."},
    {.key = "queues",
     .type = LT_OPT_INT,
     .offset = C(topics.queue_partitions),
     .fallback = "12",
     .min = 1,
     .max = 1000,
     .help = "Of each target's queue and its ledger, control and history."},
    {.key = "events",
     .type = LT_OPT_INT,
     .offset = C(topics.events_partitions),
     .fallback = "12",
     .min = 1,
     .max = 1000,
     .help = "Of lt.events.<route>, answers, quarantine, dead letter and audit."},
};
static const struct lt_opt retention_opts[] = {
    {.key = "intake",
     .type = LT_OPT_DURATION,
     .offset = C(topics.intake_retention_ms),
     .fallback = "440d",
     .min = SECONDS(60),
     .max = DAYS(3650),
     .help = "Of lt.intake: at least the window, two of its generations (window / 200) and a day; the rest is the "
             "longest outage."},
    {.key = "queues",
     .type = LT_OPT_DURATION,
     .offset = C(topics.queue_retention_ms),
     .fallback = "30d",
     .min = SECONDS(60),
     .max = DAYS(3650),
     .help = "Of the targets' queues: longer than a target may be away."},
    {.key = "events",
     .type = LT_OPT_DURATION,
     .offset = C(topics.events_retention_ms),
     .fallback = "30d",
     .min = SECONDS(60),
     .max = DAYS(3650),
     .help = "Of lt.events.<route> and answers."},
    {.key = "long",
     .type = LT_OPT_DURATION,
     .offset = C(topics.long_retention_ms),
     .fallback = "400d",
     .min = SECONDS(60),
     .max = DAYS(3650),
     .help = "Of quarantine, dead letter, audit and history."},
};

static const struct lt_opt ingest_opts[] = {
    {.key = "listen",
     .type = LT_OPT_ADDRESS,
     .offset = C(ingest.listen),
     .fallback = "127.0.0.1:8443",
     .help = "Where clients reach the gateway, by mutual TLS."},
    {.key = "advertise",
     .type = LT_OPT_ADDRESS,
     .offset = C(ingest.advertise),
     .help = "Where other instances reach this one; the same as listen when left out."},
    {.key = "threads",
     .type = LT_OPT_INT,
     .offset = C(ingest.threads),
     .fallback = "2",
     .min = 1,
     .max = 64,
     .help = "Event loops that share the port."},
    {.key = "body_max",
     .type = LT_OPT_SIZE,
     .offset = C(ingest.body_max),
     .fallback = "4MiB",
     .min = KIB(1),
     .max = MIB(64),
     .help = "Largest request body; a larger one is answered 413."},
    {.key = "memory",
     .type = LT_OPT_SIZE,
     .offset = C(ingest.memory),
     .fallback = "256MiB",
     .min = MIB(1),
     .max = MIB(1 << 20),
     .help = "Bytes of requests and of records waiting for Kafka; beyond it 503 with Retry-After."},
    {.key = "depth_max",
     .type = LT_OPT_INT,
     .offset = C(ingest.depth_max),
     .fallback = "64",
     .min = 4,
     .max = 1000,
     .help = "Deepest nesting of XML elements or JSON values."},
    {.key = "batch_max",
     .type = LT_OPT_INT,
     .offset = C(ingest.batch_max),
     .fallback = "1000",
     .min = 1,
     .max = 100000,
     .help = "Most events in one request."},
    {.key = "connections_max",
     .type = LT_OPT_INT,
     .offset = C(ingest.connections_max),
     .fallback = "1000",
     .min = 1,
     .max = 1000000,
     .help = "Most open client connections."},
    {.key = "client_share",
     .type = LT_OPT_INT,
     .offset = C(ingest.client_share),
     .fallback = "30",
     .min = 1,
     .max = 100,
     .help = "Percent of connections_max and of memory that one client certificate may hold; beyond it 503."},
    {.key = "ack_timeout",
     .type = LT_OPT_DURATION,
     .offset = C(ingest.ack_timeout_ms),
     .fallback = "15s",
     .min = 100,
     .max = SECONDS(300),
     .help = "How long a request waits for Kafka before it is answered 503."},
    {.key = "receipt_key",
     .type = LT_OPT_SECRET,
     .offset = C(ingest.receipt_key),
     .required = true,
     .help = "Signs receipts, at least 32 bytes; the same on all instances."},
    {.key = "tls",
     .type = LT_OPT_NODE,
     .offset = LT_OPT_NOWHERE,
     .help = "Identity of the server, see ingest.tls below."},
    {.key = "peer_tls",
     .type = LT_OPT_NODE,
     .offset = LT_OPT_NOWHERE,
     .help = "Identity towards other instances, see ingest.peer_tls below."},
};

static const struct lt_opt admin_opts[] = {
    {.key = "listen",
     .type = LT_OPT_ADDRESS,
     .offset = C(admin.listen),
     .fallback = "127.0.0.1:9464",
     .help = "Health, readiness, metrics and status, plain HTTP: keep it on loopback or behind a firewall."},
};

static const struct lt_opt core_opts[] = {
    {.key = "workers",
     .type = LT_OPT_INT,
     .offset = C(core.workers),
     .fallback = "1",
     .min = 1,
     .max = 64,
     .help = "Threads that judge and route; never more than intake has partitions."},
    {.key = "index_memory",
     .type = LT_OPT_SIZE,
     .offset = C(core.index_memory),
     .fallback = "1GiB",
     .min = MIB(1),
     .max = MIB(1 << 20),
     .help = "Memory of the index over all partitions; a partition that does not fit stays paused."},
    {.key = "tell_province",
     .type = LT_OPT_NODE,
     .offset = C(core.tell_province),
     .help = "Verdicts that are told in lt.province, for call-backs: a list of new, duplicate, conflict, invalid; "
             "[conflict, invalid] when left out."},
    {.key = "commit", .type = LT_OPT_NODE, .offset = LT_OPT_NOWHERE, .help = "See core.commit below."},
};

static const struct lt_opt commit_opts[] = {
    {.key = "records",
     .type = LT_OPT_INT,
     .offset = C(core.commit_records),
     .fallback = "30000",
     .min = 1,
     .max = 100000,
     .help = "Most records in one transaction."},
    {.key = "bytes",
     .type = LT_OPT_SIZE,
     .offset = C(core.commit_bytes),
     .fallback = "24MiB",
     .min = KIB(64),
     .max = MIB(256),
     .help = "Most bytes in one transaction: keys, values and headers."},
    {.key = "linger",
     .type = LT_OPT_DURATION,
     .offset = C(core.commit_linger_ms),
     .fallback = "50ms",
     .min = 1,
     .max = SECONDS(5),
     .help = "How long a transaction waits for more records."},
};

struct tls_form {
    const char *certificate, *key, *ca;
};
#define TLS_OPTS(name_of_ca, help_of_ca)                                                                               \
    {                                                                                                                  \
        {.key = "certificate",                                                                                         \
         .type = LT_OPT_PATH,                                                                                          \
         .offset = offsetof(struct tls_form, certificate),                                                             \
         .required = true,                                                                                             \
         .help = "PEM file: the certificate and what leads to its CA."},                                               \
            {.key = "key",                                                                                             \
             .type = LT_OPT_PATH,                                                                                      \
             .offset = offsetof(struct tls_form, key),                                                                 \
             .required = true,                                                                                         \
             .help = "PEM file, readable by its owner only."},                                                         \
            {.key = (name_of_ca),                                                                                      \
             .type = LT_OPT_PATH,                                                                                      \
             .offset = offsetof(struct tls_form, ca),                                                                  \
             .required = true,                                                                                         \
             .help = (help_of_ca)},                                                                                    \
    }
static const struct lt_opt server_tls_opts[] =
    TLS_OPTS("client_ca", "PEM bundle that clients' certificates must lead to.");
static const struct lt_opt client_tls_opts[] = TLS_OPTS("ca", "PEM bundle that the server's certificate must lead to.");

void lt_config_decode_tls(struct lt_config_load *l, const struct lt_yaml_node *n, const char *context,
                          const char *ca_key, struct lt_config_tls *ret)
{
    const struct lt_opt *opts = strcmp(ca_key, "client_ca") == 0 ? server_tls_opts : client_tls_opts;
    struct tls_form form = {0};
    lt_opts_decode(n, context, opts, LT_ARRAY_LEN(client_tls_opts), &form, &l->c->arena, l->diags);
    *ret = (struct lt_config_tls){form.certificate, form.key, form.ca};
}

static const struct lt_config_section sections[] = {
    {"topics", topics_opts, LT_ARRAY_LEN(topics_opts)},
    {"topics.partitions", partitions_opts, LT_ARRAY_LEN(partitions_opts)},
    {"topics.retention", retention_opts, LT_ARRAY_LEN(retention_opts)},
    {"ingest", ingest_opts, LT_ARRAY_LEN(ingest_opts)},
    {"admin", admin_opts, LT_ARRAY_LEN(admin_opts)},
    {"core", core_opts, LT_ARRAY_LEN(core_opts)},
    {"core.commit", commit_opts, LT_ARRAY_LEN(commit_opts)},
};

/* The node of a section, or an empty mapping at the place of the deepest one on the way to it. */
static const struct lt_yaml_node *section(struct lt_config_load *l, const char *context)
{
    const struct lt_yaml_node *at = l->root;
    struct lt_span rest = lt_span_str(context), part;
    while (lt_span_cut(&rest, '.', &part)) {
        const char *key = lt_arena_str(&l->c->arena, part);
        at = lt_config_section(l, lt_yaml_get(at, key), at);
    }
    return at;
}

void lt_config_load_settings(struct lt_config_load *l)
{
    struct log_form log = {0};
    lt_opts_decode(section(l, "log"), "log", log_opts, LT_ARRAY_LEN(log_opts), &log, &l->c->arena, l->diags);
    l->c->log.level = log.level;
    l->c->log.json = log.format == 1;
    for (size_t i = 0; i < LT_ARRAY_LEN(sections); i++)
        lt_opts_decode(section(l, sections[i].context), sections[i].context, sections[i].opts, sections[i].n_opts, l->c,
                       &l->c->arena, l->diags);
    if (!l->c->ingest.advertise)
        l->c->ingest.advertise = l->c->ingest.listen;
    lt_config_decode_tls(l, section(l, "ingest.tls"), "ingest.tls", "client_ca", &l->c->ingest.tls);
    const struct lt_yaml_node *peer = lt_yaml_get(lt_yaml_get(l->root, "ingest"), "peer_tls");
    if (peer)
        lt_config_decode_tls(l, peer, "ingest.peer_tls", "ca", &l->c->ingest.peer_tls);
}

void lt_config_settings_sections(lt_config_section_fn fn, void *ctx)
{
    fn(&(struct lt_config_section){"log", log_opts, LT_ARRAY_LEN(log_opts)}, ctx);
    for (size_t i = 0; i < LT_ARRAY_LEN(sections); i++)
        fn(&sections[i], ctx);
    fn(&(struct lt_config_section){"ingest.tls", server_tls_opts, LT_ARRAY_LEN(server_tls_opts)}, ctx);
    fn(&(struct lt_config_section){"ingest.peer_tls", client_tls_opts, LT_ARRAY_LEN(client_tls_opts)}, ctx);
    fn(&(struct lt_config_section){"targets.tls", client_tls_opts, LT_ARRAY_LEN(client_tls_opts)}, ctx);
}
