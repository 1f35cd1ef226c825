/*
 * The configuration: gateway.yaml and what it includes, as one frozen snapshot.
 *
 * Loading never stops at the first mistake: every finding goes to the diags, and a snapshot is returned only when there
 * is no error. The snapshot owns its strings and YAML trees; mappings, tables, digests and routes are kept as trees and
 * compiled by their own modules. Immutable after load, shared by all threads.
 */
#ifndef LT_CONFIG_CONFIG_H
#define LT_CONFIG_CONFIG_H

#include "gateway/config/opt.h"

struct lt_config_tls {
    const char *certificate, *key; /* PEM files */
    const char *ca;                /* PEM bundle the other side must chain to */
};

enum lt_role { LT_ROLE_PROVINCE, LT_ROLE_POSTAL, LT_ROLE_OPERATOR, LT_ROLE_GATEWAY };

/* Who may send what: a client certificate becomes a client. */
struct lt_config_client {
    const char *name;
    int role; /* enum lt_role */
    /* One of: SAN (DNS or URI), CN of the subject, SHA-256 of the certificate in lower-case hex. None: folders and
     * bridges only. */
    const char *san, *subject_cn, *fingerprint;
    struct lt_opt_strings
        provinces; /* H22 …; events of another province are 403. Empty = any, never for role province */
    struct lt_opt_strings sources, units, types; /* globs; empty = any. types are words: received, progressed … */
    int64_t rate;                                /* events per second, 0 = no limit */
    int64_t body_max;                            /* bytes, 0 = ingest.body_max */
    const struct lt_yaml_node *node;
};

struct lt_config_folder {
    const char *name, *path, *client;
    int64_t poll_ms;
    const struct lt_yaml_node *node;
};

struct lt_config_bridge {
    const char *name, *topic, *client, *media; /* media: application/xml or application/json */
    const struct lt_yaml_node *node;
};

struct lt_config_prop {
    const char *name, *value; /* librdkafka property */
};

struct lt_config_target {
    const char *name;    /* queue and group lt.<name> */
    const char *adapter; /* portal | population | provincial | notify */
    const char *url;
    struct lt_config_tls tls; /* all NULL when url is plain http */
    int64_t timeout_ms, connect_timeout_ms;
    int64_t concurrency;                /* calls in flight, whole instance */
    int64_t rate;                       /* calls per second, 0 = no limit */
    int64_t retry_min_ms, retry_max_ms; /* full jitter between 0 and min(max, min * 2^n) */
    int64_t settle_ms;                  /* after an unknown outcome (rule 7) */
    int64_t park_after_ms;              /* a dossier that fails for so long while others do not (rule 6); 0 = never */
    int64_t refused_max;                /* percent of the last answers; more pause the target (rule 8); 0 = no limit */
    const struct lt_yaml_node *options; /* adapter's own, decoded by the adapter */
    const struct lt_yaml_node *answers; /* classifier table, compiled by gateway/delivery */
    const struct lt_yaml_node *node;
};

struct lt_config {
    const char *path;     /* of gateway.yaml */
    const char *instance; /* [a-z0-9-]{1,32} */
    const char *state_dir;
    uint64_t generation; /* first 8 bytes of SHA-256 over all YAML files read (secrets are not): lt_generation */
    struct {
        int level; /* enum lt_log_level */
        bool json;
    } log;
    struct {
        struct lt_config_prop *props; /* bootstrap.servers and anything librdkafka takes; secrets resolved */
        size_t props_len;
        const char *bootstrap;
    } kafka;
    struct {
        int64_t replication, min_insync;
        int64_t intake_partitions, queue_partitions, events_partitions;
        int64_t intake_retention_ms, queue_retention_ms, events_retention_ms, long_retention_ms;
        int64_t record_max; /* bytes: max.message.bytes of routed topics; intake's own is this - 4 KiB (protocol 4) */
    } topics;
    int64_t window_ms;
    struct {
        const char *listen;    /* host:port */
        const char *advertise; /* host:port other instances reach this one at; default listen */
        int64_t threads;
        struct lt_config_tls tls; /* server identity; ca = clients' CA */
        struct lt_config_tls
            peer_tls; /* identity towards other instances (role gateway), ca = server CA; all NULL: none */
        int64_t body_max, memory, depth_max, batch_max, connections_max;
        int64_t client_share;         /* percent of connections_max and memory that one client certificate may hold */
        int64_t ack_timeout_ms;       /* how long a request waits for Kafka before 503 */
        struct lt_secret receipt_key; /* >= 32 bytes */
    } ingest;
    struct {
        const char *listen; /* health, readiness, metrics, status: loopback by default, plain HTTP */
    } admin;
    struct {
        int64_t workers, commit_records, commit_bytes, commit_linger_ms, index_memory;
        const struct lt_yaml_node *tell_province; /* compiled with the routes; NULL: not given */
    } core;
    struct lt_config_client *clients;
    size_t clients_len;
    struct lt_config_folder *folders;
    size_t folders_len;
    struct lt_config_bridge *bridges;
    size_t bridges_len;
    struct lt_config_target *targets;
    size_t targets_len;
    /* Roots of the included files, compiled elsewhere. */
    const struct lt_yaml_node **mappings, **digests, **tables, **routes;
    size_t mappings_len, digests_len, tables_len, routes_len;
    const char *schemas_dir; /* the folder that "schemas/" stands for in "schemas/canonical/received.json" */
    struct lt_arena arena;
    struct lt_yaml **files;
    size_t files_len;
};

/*
 * Load and check the structure. LT_OK; LT_E_INVALID / LT_E_NOT_FOUND / LT_E_LIMIT / LT_E_IO (diags say what). Includes
 * are globs relative to the file, read in name order; a pattern that matches nothing is an error.
 */
int lt_config_load(const char *path, struct lt_config **ret, struct lt_diags *diags) LT_MUST_CHECK;
/*
 * For `check`: what could be read is given even when there are errors (the results are those of load), so that one run
 * finds the mistakes of every part. Fields that are wrong are NULL or 0; never run such a snapshot. Free it in every
 * case.
 */
int lt_config_survey(const char *path, struct lt_config **ret, struct lt_diags *diags) LT_MUST_CHECK;
void lt_config_free(struct lt_config *c);

/* For adapters that append paths to the target's url: what would not stay its end is an error. */
void lt_config_target_appended(const struct lt_config_target *t, struct lt_diags *diags);
/* c->generation, which alone may change while others read it (tables that were taken up). */
uint64_t lt_config_generation(const struct lt_config *c);
void lt_config_generation_set(struct lt_config *c, uint64_t generation);
const struct lt_config_client *lt_config_client(const struct lt_config *c, struct lt_span name);
/* Every option of the configuration, one a line: "section.key: type and range, default. help". */
void lt_config_print_options(struct lt_buf *out);
/*
 * Certificates readable, key fits certificate, not expired (error) or ending within 30 days (warning), key file 0600.
 * starting: what is out of date towards a target or a peer is a warning. It pauses that target until its file is
 * replaced, and is no reason to keep everybody else's events from the others.
 */
void lt_config_check_certificates(const struct lt_config *c, int64_t now_ms, bool starting, struct lt_diags *diags);
#endif
