#include "tests/unit/test_ingest_kit.h"

#include <stdio.h>

#include "gateway/model/event.h"

static int fake_send(void *ctx, const char *topic, struct lt_span key, const struct lt_headers *headers,
                     struct lt_span value, lt_delivery_fn fn, void *fn_ctx, struct lt_err *err)
{
    struct fake_log *log = ctx;
    struct lt_delivery_report report = {.outcome = LT_DELIVERY_PERSISTED};
    pthread_mutex_lock(&log->lock);
    bool fault = log->fault.times > 0 && (!log->fault.topic || strcmp(log->fault.topic, topic) == 0);
    if (fault) {
        log->fault.times--;
        if (log->fault.rc != LT_OK) {
            pthread_mutex_unlock(&log->lock);
            return lt_err_set(err, log->fault.rc, "fake", "the fake refuses");
        }
        report.outcome = log->fault.outcome;
        snprintf(report.reason, sizeof(report.reason), "the fake loses it");
    }
    if (report.outcome == LT_DELIVERY_PERSISTED) {
        struct fake_record *r = lt_alloc(sizeof(*r));
        for (size_t i = 0; i < log->records.len; i++)
            report.offset += strcmp(log->records.v[i]->topic, topic) == 0;
        r->arena = LT_ARENA_INIT;
        r->topic = lt_strdup(topic);
        r->key = lt_strndup(key.ptr, key.len);
        r->value = lt_alloc(value.len + 1);
        memcpy(r->value, value.len ? value.ptr : "", value.len);
        r->value_len = value.len;
        for (size_t i = 0; i < headers->len; i++)
            lt_headers_add(&r->headers, lt_arena_span(&r->arena, headers->v[i].name),
                           lt_arena_span(&r->arena, headers->v[i].value));
        *lt_vec_push(&log->records) = r;
    }
    bool hold = log->hold;
    if (hold) {
        assert_true(log->held_len < LT_ARRAY_LEN(log->held));
        log->held[log->held_len].fn = fn;
        log->held[log->held_len].ctx = fn_ctx;
        log->held[log->held_len++].report = report;
    }
    pthread_mutex_unlock(&log->lock);
    if (!hold)
        fn(fn_ctx, &report);
    return LT_OK;
}

void fake_release(struct fake_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->hold = false;
    size_t n = log->held_len;
    log->held_len = 0;
    pthread_mutex_unlock(&log->lock);
    for (size_t i = 0; i < n; i++)
        log->held[i].fn(log->held[i].ctx, &log->held[i].report);
}

static bool fake_ready(void *ctx)
{
    return ((struct fake_log *)ctx)->ready;
}

static int fake_read(void *ctx, size_t worker, int32_t partition, int64_t offset, struct lt_intake_facts *ret,
                     struct lt_err *err)
{
    (void)worker;
    (void)partition;
    const struct fake_record *r = fake_at(ctx, LT_TOPIC_INTAKE, (size_t)offset);
    if (!r)
        return lt_err_set(err, LT_E_NOT_FOUND, "offset-absent", "no such record");
    snprintf(ret->id, sizeof(ret->id), LT_SPAN_FMT, LT_SPAN_ARG(fake_header(r, "ce_id")));
    snprintf(ret->digest, sizeof(ret->digest), LT_SPAN_FMT, LT_SPAN_ARG(fake_header(r, "lt_digest")));
    snprintf(ret->client, sizeof(ret->client), LT_SPAN_FMT, LT_SPAN_ARG(fake_header(r, "lt_client")));
    return LT_OK;
}

static void fake_free(void *ctx)
{
    struct fake_log *log = ctx;
    fake_release(log); /* every report has come when this returns */
    log->freed = true;
}

struct lt_intake_port fake_port(struct fake_log *log)
{
    return (struct lt_intake_port){log, fake_send, fake_ready, fake_read, fake_free};
}

bool ingest_kit_genesis(void *log)
{
    return ((struct fake_log *)log)->genesis;
}

size_t fake_count(struct fake_log *log, const char *topic)
{
    size_t n = 0;
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->records.len; i++)
        n += strcmp(log->records.v[i]->topic, topic) == 0;
    pthread_mutex_unlock(&log->lock);
    return n;
}

const struct fake_record *fake_at(struct fake_log *log, const char *topic, size_t i)
{
    const struct fake_record *found = NULL;
    pthread_mutex_lock(&log->lock);
    for (size_t r = 0; r < log->records.len && !found; r++)
        if (strcmp(log->records.v[r]->topic, topic) == 0 && i-- == 0)
            found = log->records.v[r];
    pthread_mutex_unlock(&log->lock);
    return found;
}

struct lt_span fake_header(const struct fake_record *r, const char *name)
{
    assert_non_null(r);
    return lt_headers_value(&r->headers, name);
}

void fake_fault(struct fake_log *log, const char *topic, int rc, enum lt_delivery outcome, int times)
{
    pthread_mutex_lock(&log->lock);
    log->fault.topic = topic;
    log->fault.rc = rc;
    log->fault.outcome = outcome;
    log->fault.times = times;
    pthread_mutex_unlock(&log->lock);
}

static struct lt_opt_strings one(const char *word)
{
    struct lt_opt_strings s = {lt_calloc(1, sizeof(char *)), 1};
    s.v[0] = word;
    return s;
}

void ingest_kit_init(struct ingest_kit *k)
{
    memset(k, 0, sizeof(*k));
    kit_init(&k->mapping);
    kit_small(&k->mapping);
    kit_compile(&k->mapping);
    struct lt_config *c = &k->mapping.config;
    c->instance = "a";
    c->generation = 0x1234;
    c->topics.record_max = 1 << 20;
    c->topics.replication = 3;
    c->topics.min_insync = 2;
    c->ingest.body_max = 200000;
    c->ingest.memory = 64 << 20;
    c->ingest.depth_max = 64;
    c->ingest.batch_max = 100;
    c->ingest.threads = 2;
    c->ingest.connections_max = 100;
    c->ingest.ack_timeout_ms = 5000;
    c->ingest.receipt_key.text = "0123456789abcdef0123456789abcdef";
    k->clients[H22] = (struct lt_config_client){
        .name = "tinh-h22", .role = LT_ROLE_PROVINCE, .san = "h22.test", .provinces = one("H22")};
    k->clients[H40] = (struct lt_config_client){
        .name = "tinh-h40", .role = LT_ROLE_PROVINCE, .san = "h40.test", .provinces = one("H40")};
    k->clients[POST_OFFICE] = (struct lt_config_client){.name = "post", .role = LT_ROLE_POSTAL, .subject_cn = "post"};
    k->clients[OPERATOR] =
        (struct lt_config_client){.name = "operator", .role = LT_ROLE_OPERATOR, .subject_cn = "operator"};
    k->clients[GATEWAY] =
        (struct lt_config_client){.name = "gateway", .role = LT_ROLE_GATEWAY, .subject_cn = "gateway"};
    c->clients = k->clients;
    c->clients_len = LT_ARRAY_LEN(k->clients);
    pthread_mutex_init(&k->log.lock, NULL);
    k->log.ready = k->log.genesis = true;
    lt_ingest_counters_init(&k->counters);
    k->known = lt_clients_new(c);
    k->intake = (struct lt_intake){.config = c,
                                   .port = fake_port(&k->log),
                                   .counters = &k->counters,
                                   .genesis_ctx = &k->log,
                                   .genesis_ready = ingest_kit_genesis};
}

void ingest_kit_deinit(struct ingest_kit *k)
{
    for (size_t i = 0; i < k->log.records.len; i++) {
        struct fake_record *r = k->log.records.v[i];
        free(r->topic);
        free(r->key);
        free(r->value);
        lt_arena_deinit(&r->arena);
        free(r);
    }
    lt_vec_deinit(&k->log.records);
    pthread_mutex_destroy(&k->log.lock);
    lt_clients_free(k->known);
    lt_ingest_counters_deinit(&k->counters);
    for (size_t i = 0; i < LT_ARRAY_LEN(k->clients); i++) {
        free(k->clients[i].provinces.v);
        free(k->clients[i].sources.v);
        free(k->clients[i].units.v);
        free(k->clients[i].types.v);
    }
    kit_deinit(&k->mapping);
}

const char *small_event(const char *code, const char *action, const char *unit)
{
    static char texts[8][600];
    static size_t next;
    char *text = texts[next++ % LT_ARRAY_LEN(texts)];
    snprintf(text, sizeof(texts[0]),
             "{\"system\": \"motcua.h22\", \"code\": \"%s\", \"action\": \"%s\", \"at\": 1704418200000, \"agency\": "
             "{\"code\": \"%s\"},"
             " \"procedure\": \"1.001193\", \"dossier\": {\"owner\": \"NGUYỄN VĂN MẪU\", \"accepted\": "
             "\"2024-01-05T01:29:00Z\"}, \"step\": {\"at\": 1704418200999, \"office\": \"Một cửa\"}}",
             code, action, unit);
    return text;
}
