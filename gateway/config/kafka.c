/* The section kafka: properties of librdkafka, passed on as they are written, except those the protocol fixes. */
#include "gateway/config/load.h"
#include "gateway/config/value.h"

static const struct {
    const char *name, *why;
} owned[] = {
    {"acks", "2xx means acks=all"},
    {"request.required.acks", "2xx means acks=all"},
    {"enable.idempotence", "every producer is idempotent"},
    {"transactional.id", "it follows from instance"},
    {"transaction.timeout.ms", "the core's recovery depends on it"},
    {"group.id", "it follows from the target"},
    {"group.instance.id", "it follows from instance"},
    {"group.protocol", "the core's assignment depends on it"},
    {"group.remote.assignor", "the core's assignment depends on it"},
    {"client.id", "it follows from instance"},
    {"partition.assignment.strategy", "the core's assignment depends on it"},
    {"partitioner", "the gateway computes partitions itself"},
    {"session.timeout.ms", "the core's recovery depends on it"},
    {"heartbeat.interval.ms", "the core's recovery depends on it"},
    {"max.poll.interval.ms", "the core's recovery depends on it"},
    {"isolation.level", "readers see committed records only"},
    {"enable.auto.commit", "offsets are committed in transactions"},
    {"auto.commit.enable", "offsets are committed in transactions"},
    {"auto.commit.interval.ms", "offsets are committed in transactions"},
    {"enable.auto.offset.store", "offsets are committed in transactions"},
    {"auto.offset.reset", "a lost offset is a stop, never a guess"},
    {"enable.partition.eof", "readers decide it"},
    {"check.crcs", "it is always on"},
    {"allow.auto.create.topics", "topics are made by `lienthong topics`"},
    {"message.timeout.ms", "set ingest.ack_timeout"},
    {"delivery.timeout.ms", "set ingest.ack_timeout"},
    {"message.max.bytes", "set topics.record_max"},
    {"queue.buffering.max.kbytes", "set ingest.memory"},
    {"queue.buffering.max.messages", "set ingest.memory"},
    {"queued.max.messages.kbytes", "it counts in the byte budget"},
    {"metadata.broker.list", "write bootstrap.servers"},
};

/* Written into a file that many may read these would be no secrets. */
static const char *const secrets[] = {
    "sasl.password",    "ssl.key.password",        "ssl.keystore.password",          "ssl.key.pem",
    "sasl.jaas.config", "sasl.oauthbearer.config", "sasl.oauthbearer.client.secret", NULL,
};

static bool in(const char *const *list, const char *name)
{
    for (; *list; list++) {
        if (strcmp(*list, name) == 0)
            return true;
    }
    return false;
}

static bool refused(struct lt_config_load *l, const struct lt_yaml_node *key)
{
    for (size_t i = 0; i < LT_ARRAY_LEN(owned); i++) {
        if (strcmp(owned[i].name, key->text) != 0)
            continue;
        lt_yaml_error(l->diags, key,
                      "kafka: expected a property of the connection, got '%s', which the gateway sets itself (%s)",
                      key->text, owned[i].why);
        return true;
    }
    for (const char *p = key->text; *p; p++) {
        if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '.' || *p == '_' || *p == '-')) {
            lt_yaml_expected(l->diags, key, "kafka", "a property of librdkafka in lower case (security.protocol)");
            return true;
        }
    }
    return false;
}

/* ssl.ca.location and its like are paths; "probe" is a word that librdkafka knows. */
static bool is_path(const char *name, const struct lt_yaml_node *v)
{
    size_t n = strlen(name), tail = strlen(".location");
    return n > tail && strcmp(name + n - tail, ".location") == 0 && strcmp(v->text, "probe") != 0;
}

static const char *value_of(struct lt_config_load *l, const struct lt_yaml_node *key, const struct lt_yaml_node *v)
{
    const char *full = lt_arena_printf(&l->c->arena, "kafka.%s", key->text);
    if (v->kind == LT_YAML_MAP || in(secrets, key->text)) {
        struct lt_secret s = {0};
        const char *held =
            lt_secret_read(v, full, &s, l->diags) ? lt_arena_str(&l->c->arena, lt_span_str(s.text)) : NULL;
        lt_secret_deinit(&s);
        return held;
    }
    if (v->kind != LT_YAML_SCALAR || lt_yaml_is_null(v) || !v->text_len) {
        lt_yaml_expected(l->diags, v, full, "a text, {file: PATH} or {env: NAME}");
        return NULL;
    }
    struct lt_opt path = {.type = is_path(key->text, v) ? LT_OPT_PATH : LT_OPT_STRING};
    const char *text = NULL;
    (void)lt_value_decode(&path, v, full, &text, &l->c->arena, l->diags);
    return text;
}

static void check_bootstrap(struct lt_config_load *l, const struct lt_yaml_node *v)
{
    struct lt_opt each = {.type = LT_OPT_ADDRESS};
    struct lt_span rest = lt_span_str(l->c->kafka.bootstrap), part;
    while (lt_span_cut(&rest, ',', &part)) {
        part = lt_span_trim(part);
        const char *one = lt_arena_str(&l->c->arena, part), *slot;
        struct lt_yaml_node n = {.kind = LT_YAML_SCALAR, .text = one, .text_len = part.len};
        struct lt_diags none = LT_DIAGS_INIT;
        /* librdkafka takes a protocol before the address and a missing port too; one form is enough here. */
        if (!lt_value_decode(&each, &n, "", &slot, &l->c->arena, &none))
            lt_yaml_expected(l->diags, v, "kafka.bootstrap.servers",
                             "host:port, or several of them with commas between");
        bool bad = none.errors > 0;
        lt_diags_deinit(&none);
        if (bad)
            return;
    }
}

void lt_config_load_kafka(struct lt_config_load *l, const struct lt_yaml_node *n)
{
    n = lt_config_section(l, n, l->root);
    if (n->kind != LT_YAML_MAP) {
        lt_yaml_expected(l->diags, n, "kafka", "a mapping of librdkafka properties");
        return;
    }
    l->c->kafka.props = lt_arena_alloc(&l->c->arena, LT_MAX(n->len, 1) * sizeof(*l->c->kafka.props));
    for (size_t i = 0; i < n->len; i++) {
        if (refused(l, n->keys[i]))
            continue;
        const char *value = value_of(l, n->keys[i], n->items[i]);
        if (value)
            l->c->kafka.props[l->c->kafka.props_len++] = (struct lt_config_prop){n->keys[i]->text, value};
        if (value && strcmp(n->keys[i]->text, "bootstrap.servers") == 0) {
            l->c->kafka.bootstrap = value;
            check_bootstrap(l, n->items[i]);
        }
    }
    if (!lt_yaml_get(n, "bootstrap.servers"))
        lt_yaml_error(l->diags, n, "kafka.bootstrap.servers: expected host:port of at least one broker, got nothing");
}
