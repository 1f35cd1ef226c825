#include "tests/unit/core_world.h"

#include "gateway/base/crypto.h"
#include "gateway/base/log.h"

#include <inttypes.h>
#include <stdio.h>

#define ROUTE_PLAIN "  - {name: all, to: \"topic:" CORE_PLAIN "\"}\n"
#define ROUTE_PORTAL "  - {name: portal, when: {type: \"vn.lienthong.dossier.*\"}, via: [population], to: portal}\n"

static int open_memory(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    struct core_world *w = ctx;
    return lt_log_memory_new(w->memory, s, ret, err);
}

static void on_fatal(void *ctx, int code, const char *text)
{
    struct core_world *w = ctx;
    (void)text;
    w->fatal_code = code;
}

static void make_topics(struct core_world *w, const struct core_world_plan *plan)
{
    const struct {
        const char *name;
        size_t record_max;
    } outputs[] = {{LT_TOPIC_POSITION, 0},
                   {CORE_HOP, 0},
                   {CORE_PLAIN, plan->plain_max},
                   {LT_TOPIC_UNROUTED, 0},
                   {LT_TOPIC_QUARANTINE, 0},
                   {LT_TOPIC_DEADLETTER, plan->deadletter_max},
                   {LT_TOPIC_PROVINCE, plan->province_max}};
    w->memory = lt_memory_new(CORE_START_MS);
    lt_memory_topic(w->memory, LT_TOPIC_INTAKE, plan->partitions, 0, true);
    for (size_t i = 0; i < LT_ARRAY_LEN(outputs); i++)
        lt_memory_topic(w->memory, outputs[i].name, 1, outputs[i].record_max, false);
}

void core_world_init(struct core_world *w, const struct core_world_plan *plan)
{
    *w = (struct core_world){.partitions = plan->partitions};
    lt_log_threshold = LT_LOG_ERROR + 1;
    make_topics(w, plan);
    w->targets[0] = (struct lt_config_target){.name = "portal", .adapter = "portal"};
    w->targets[1] = (struct lt_config_target){.name = "population", .adapter = "population"};
    const char *text = plan->plain_first ? "routes:\n" ROUTE_PLAIN ROUTE_PORTAL : "routes:\n" ROUTE_PORTAL ROUTE_PLAIN;
    assert_int_equal(lt_yaml_parse("routes.yaml", lt_span_str(text), &w->routes_file, &w->diags), LT_OK);
    w->routes_nodes[0] = lt_yaml_root(w->routes_file);
    w->config = (struct lt_config){.path = "gateway.yaml",
                                   .instance = "gw1",
                                   .window_ms = CORE_WINDOW_MS,
                                   .targets = w->targets,
                                   .targets_len = 2,
                                   .routes = w->routes_nodes,
                                   .routes_len = 1};
    w->config.topics.record_max = 1 << 20;
    w->config.core.workers = 1;
    w->config.core.commit_records = plan->commit_records;
    w->config.core.commit_bytes = 1 << 20;
    w->config.core.index_memory = 64 << 20;
    w->config.ingest.advertise = "127.0.0.1:1";
    if (plan->told) {
        assert_int_equal(lt_yaml_parse("gateway.yaml", lt_span_str(plan->told), &w->told_file, &w->diags), LT_OK);
        w->config.core.tell_province = lt_yaml_root(w->told_file);
    }
    assert_int_equal(lt_tables_new(&w->config, &w->diags, &w->tables), LT_OK);
    assert_int_equal(lt_routes_new(&w->config, w->tables, &w->diags, &w->routes), LT_OK);
    w->settings = (struct lt_core_settings){.config = &w->config,
                                            .routes = w->routes,
                                            .ctx = w,
                                            .open_log = open_memory,
                                            .on_fatal = on_fatal,
                                            .backoff_ms_min = 1};
}

void core_world_deinit(struct core_world *w)
{
    core_world_close(w);
    lt_routes_free(w->routes);
    lt_tables_free(w->tables);
    lt_yaml_free(w->routes_file);
    lt_yaml_free(w->told_file);
    lt_diags_deinit(&w->diags);
    lt_memory_free(w->memory);
}

void core_world_genesis(struct core_world *w)
{
    char metadata[LT_POSITION_MAX];
    lt_position_genesis(CORE_INCARNATION, w->partitions, CORE_WINDOW_MS, metadata);
    for (int32_t p = 0; p < w->partitions; p++)
        lt_memory_offset_set(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, p, 0, metadata);
}

int core_world_setup(void **state, const struct core_world_plan *plan)
{
    struct core_world *w = lt_alloc(sizeof(*w));
    core_world_init(w, plan);
    core_world_genesis(w);
    *state = w;
    return 0;
}

int core_world_teardown(void **state)
{
    core_world_deinit(*state);
    free(*state);
    return 0;
}

void core_world_open(struct core_world *w)
{
    lt_worker_init(&w->worker, &w->settings, 0);
    w->worker_open = true;
}

void core_world_close(struct core_world *w)
{
    if (!w->worker_open)
        return;
    lt_worker_close(&w->worker);
    lt_worker_deinit(&w->worker);
    w->worker_open = false;
}

void core_world_turn(struct core_world *w)
{
    if (!w->worker_open)
        core_world_open(w);
    lt_worker_turn(&w->worker);
}

void core_world_turns(struct core_world *w, int n)
{
    for (int i = 0; i < n; i++)
        core_world_turn(w);
}

void core_world_retry_now(struct core_world *w)
{
    for (int32_t p = 0; w->worker_open && p < w->worker.partitions_len; p++)
        w->worker.partitions[p].retry_at_ms = 0;
}

/* The first `digits` hex digits that stand for the number n. */
static struct lt_span hex_of(char *out, size_t digits, int n)
{
    uint8_t h[LT_SHA256_SIZE];
    char text[16], all[2 * LT_SHA256_SIZE + 1];
    snprintf(text, sizeof(text), "%d", n);
    lt_sha256_once(lt_span_str(text), h);
    lt_hex(h, sizeof(h), all);
    memcpy(out, all, digits);
    out[digits] = '\0';
    return lt_span(out, digits);
}

struct lt_span core_event_id(char out[LT_EVENT_ID_LEN + 1], int id)
{
    return hex_of(out, LT_EVENT_ID_LEN, id);
}

struct lt_span core_event_digest(char out[LT_EVENT_DIGEST_LEN + 1], int digest)
{
    return hex_of(out, LT_EVENT_DIGEST_LEN, 100000 + digest);
}

int64_t core_world_append(struct core_world *w, const struct core_event *e)
{
    struct lt_headers h;
    char id[LT_EVENT_ID_LEN + 1], digest[LT_EVENT_DIGEST_LEN + 1], key[32], subject[24], time[24];
    lt_headers_reset(&h);
    snprintf(subject, sizeof(subject), "HS-%d", e->subject);
    snprintf(key, sizeof(key), "H22/%s", subject);
    snprintf(time, sizeof(time), "%" PRId64, e->sent_ms ? e->sent_ms : lt_memory_clock(w->memory));
    lt_headers_add(&h, LT_SPAN_LIT("ce_specversion"), LT_SPAN_LIT("1.0"));
    if (!e->broken)
        lt_headers_add(&h, LT_SPAN_LIT("ce_id"), core_event_id(id, e->id));
    lt_headers_add(&h, LT_SPAN_LIT("ce_source"), LT_SPAN_LIT("urn:test"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_type"), LT_SPAN_LIT("vn.lienthong.dossier.received.v1"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_subject"), lt_span_str(subject));
    lt_headers_add(&h, LT_SPAN_LIT("ce_time"), LT_SPAN_LIT("2024-01-01T08:30:00+07:00"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_province"), LT_SPAN_LIT("H22"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_unit"), LT_SPAN_LIT("H22.01"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_procedure"), LT_SPAN_LIT("1.001193"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_channel"), LT_SPAN_LIT("1"));
    lt_headers_add(&h, LT_SPAN_LIT("lt_digest"), core_event_digest(digest, e->digest));
    lt_headers_add(&h, LT_SPAN_LIT("lt_digest_v"), LT_SPAN_LIT("1"));
    lt_headers_add(&h, LT_SPAN_LIT("lt_time"), lt_span_str(time));
    for (const struct lt_header *more = e->more; more && more->name.len; more++)
        lt_headers_add(&h, more->name, more->value);
    return lt_memory_append_at(w->memory, LT_TOPIC_INTAKE, e->partition, lt_span_str(key), &h,
                               lt_span_str(e->value ? e->value : "{\"HoSo\":{}}"),
                               w->append_ms ? w->append_ms : lt_memory_clock(w->memory));
}

int64_t core_world_committed(struct core_world *w, int32_t partition, struct lt_position *ret_position)
{
    struct lt_log_offset at;
    lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, partition, &at);
    if (ret_position)
        assert_int_equal(lt_position_parse(lt_span_str(at.metadata), ret_position, NULL), LT_OK);
    return at.offset;
}

bool core_world_finished(struct core_world *w)
{
    for (int32_t p = 0; p < w->partitions; p++)
        if (core_world_committed(w, p, NULL) != lt_memory_end(w->memory, LT_TOPIC_INTAKE, p))
            return false;
    return true;
}

void core_world_must_finish(struct core_world *w)
{
    if (core_world_finished(w))
        return;
    for (int32_t p = 0; w->worker_open && p < w->worker.partitions_len; p++)
        fprintf(stderr, "partition %d: state %d %s %s\n", (int)p, (int)w->worker.partitions[p].state,
                lt_stop_name(w->worker.partitions[p].stop), w->worker.partitions[p].stop_text);
    fail_msg("the worker did not get to the end of the log: %s", w->worker_open ? w->worker.trouble : "");
}

void core_world_must_stop(struct core_world *w, int32_t partition, enum lt_stop stop)
{
    assert_true(w->worker_open && partition < w->worker.partitions_len);
    const struct lt_partition *p = &w->worker.partitions[partition];
    if (p->state != LT_PARTITION_STOPPED || p->stop != stop)
        fail_msg("expected a stop %s, got state %d, stop %s: %s", lt_stop_name(stop), (int)p->state,
                 lt_stop_name(p->stop), p->stop_text);
    assert_true(p->stop_text[0]);
}
