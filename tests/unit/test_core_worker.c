/*
 * The worker on the in-memory log: every fault at every step, and every stop. The oracle is the list of what was
 * appended, judged by a few lines that share nothing with the code under test.
 */
#include "gateway/core/worker.h"

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/kafka/log_memory.h"
#include "tests/unit/harness.h"

#include <inttypes.h>
#include <stdio.h>

#define PARTITIONS 2
#define WINDOW_MS (400LL * 86400000)
#define START_MS 1700000000000LL
#define SENT_MAX 256

static const char routes_text[] =
    "routes:\n"
    "  - {name: portal, when: {type: \"vn.lienthong.dossier.*\"}, via: [population], to: portal}\n"
    "  - {name: all, to: \"topic:lt.events.all\"}\n";

/* One record of intake as the test knows it. */
struct sent {
    int32_t partition;
    int64_t offset;
    int key, id, digest;
    bool broken; /* without ce_id */
};

struct world {
    struct lt_memory *memory;
    struct lt_config config;
    struct lt_config_target targets[2];
    const struct lt_yaml_node *routes_nodes[1];
    struct lt_yaml *routes_file;
    struct lt_tables *tables;
    struct lt_routes *routes;
    struct lt_diags diags;
    struct lt_core_settings settings;
    struct lt_worker worker;
    bool worker_open;
    int fatal_code;
    struct sent sent[SENT_MAX];
    size_t sent_len;
};

static int open_memory(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    struct world *w = ctx;
    return lt_log_memory_new(w->memory, s, ret, err);
}

static void on_fatal(void *ctx, int code, const char *text)
{
    struct world *w = ctx;
    (void)text;
    w->fatal_code = code;
}

static void genesis(struct world *w)
{
    char metadata[LT_POSITION_MAX];
    lt_position_genesis(0xfeed, PARTITIONS, WINDOW_MS, metadata);
    for (int32_t p = 0; p < PARTITIONS; p++)
        lt_memory_offset_set(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, p, 0, metadata);
}

static struct world *world_new(size_t record_max)
{
    struct world *w = lt_alloc(sizeof(*w));
    lt_log_threshold = LT_LOG_ERROR + 1;
    w->memory = lt_memory_new(START_MS);
    lt_memory_topic(w->memory, LT_TOPIC_INTAKE, PARTITIONS, 0, true);
    static const char *const outputs[] = {LT_TOPIC_POSITION, "lt.population",     "lt.events.all",
                                          LT_TOPIC_UNROUTED, LT_TOPIC_QUARANTINE, LT_TOPIC_DEADLETTER};
    for (size_t i = 0; i < LT_ARRAY_LEN(outputs); i++)
        lt_memory_topic(w->memory, outputs[i], 1, i == 2 ? record_max : 0, false);
    w->targets[0] = (struct lt_config_target){.name = "portal", .adapter = "portal"};
    w->targets[1] = (struct lt_config_target){.name = "population", .adapter = "population"};
    assert_int_equal(lt_yaml_parse("routes.yaml", lt_span_str(routes_text), &w->routes_file, &w->diags), LT_OK);
    w->routes_nodes[0] = lt_yaml_root(w->routes_file);
    w->config = (struct lt_config){.path = "gateway.yaml",
                                   .instance = "gw1",
                                   .window_ms = WINDOW_MS,
                                   .targets = w->targets,
                                   .targets_len = 2,
                                   .routes = w->routes_nodes,
                                   .routes_len = 1};
    w->config.topics.record_max = 1 << 20;
    w->config.core.workers = 1;
    w->config.core.commit_records = 7;
    w->config.core.commit_bytes = 1 << 20;
    w->config.core.index_memory = 64 << 20;
    w->config.ingest.advertise = "127.0.0.1:1";
    assert_int_equal(lt_tables_new(&w->config, &w->diags, &w->tables), LT_OK);
    assert_int_equal(lt_routes_new(&w->config, w->tables, &w->diags, &w->routes), LT_OK);
    w->settings = (struct lt_core_settings){.config = &w->config,
                                            .routes = w->routes,
                                            .ctx = w,
                                            .open_log = open_memory,
                                            .on_fatal = on_fatal,
                                            .backoff_ms_min = 1};
    return w;
}

static void worker_close(struct world *w)
{
    if (!w->worker_open)
        return;
    lt_worker_close(&w->worker);
    lt_worker_deinit(&w->worker);
    w->worker_open = false;
}

static void world_free(struct world *w)
{
    worker_close(w);
    lt_routes_free(w->routes);
    lt_tables_free(w->tables);
    lt_yaml_free(w->routes_file);
    lt_diags_deinit(&w->diags);
    lt_memory_free(w->memory);
    free(w);
}

static void worker_open(struct world *w)
{
    lt_worker_init(&w->worker, &w->settings, 0);
    w->worker_open = true;
}

/* One turn; a process that crashed or was told to end is started again, as a service manager would. */
static void turn(struct world *w)
{
    if (!w->worker_open)
        worker_open(w);
    for (int32_t p = 0; p < w->worker.partitions_len; p++)
        w->worker.partitions[p].retry_at_ms = 0; /* no waiting for the next try */
    lt_worker_turn(&w->worker);
    if (w->fatal_code || (w->worker.log && lt_memory_crashed(w->worker.log))) {
        w->fatal_code = 0;
        worker_close(w);
    }
}

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

static void append_value(struct world *w, int key, int id, int digest, bool broken, const char *value)
{
    struct lt_headers h;
    char id_hex[65], digest_hex[65], key_text[32], subject[24], time[24];
    lt_headers_reset(&h);
    snprintf(subject, sizeof(subject), "HS-%d", key);
    snprintf(key_text, sizeof(key_text), "H22/%s", subject);
    snprintf(time, sizeof(time), "%" PRId64, lt_memory_clock(w->memory));
    lt_headers_add(&h, LT_SPAN_LIT("ce_specversion"), LT_SPAN_LIT("1.0"));
    if (!broken)
        lt_headers_add(&h, LT_SPAN_LIT("ce_id"), hex_of(id_hex, 32, id));
    lt_headers_add(&h, LT_SPAN_LIT("ce_source"), LT_SPAN_LIT("urn:test"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_type"), LT_SPAN_LIT("vn.lienthong.dossier.received.v1"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_subject"), lt_span_str(subject));
    lt_headers_add(&h, LT_SPAN_LIT("ce_time"), LT_SPAN_LIT("2024-01-01T08:30:00+07:00"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_province"), LT_SPAN_LIT("H22"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_unit"), LT_SPAN_LIT("H22.01"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_procedure"), LT_SPAN_LIT("1.001193"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_channel"), LT_SPAN_LIT("1"));
    lt_headers_add(&h, LT_SPAN_LIT("lt_digest"), hex_of(digest_hex, 64, 1000 + digest));
    lt_headers_add(&h, LT_SPAN_LIT("lt_digest_v"), LT_SPAN_LIT("1"));
    lt_headers_add(&h, LT_SPAN_LIT("lt_time"), lt_span_str(time));
    int32_t p = key % PARTITIONS;
    assert_true(w->sent_len < SENT_MAX);
    int64_t offset = lt_memory_append(w->memory, LT_TOPIC_INTAKE, p, lt_span_str(key_text), &h, lt_span_str(value));
    w->sent[w->sent_len++] = (struct sent){p, offset, key, id, digest, broken};
}

static void append(struct world *w, int key, int id, int digest)
{
    append_value(w, key, id, digest, false, "{\"HoSo\":{}}");
}

/* 40 records over 5 dossiers with re-sends, conflicts, and two that are no events. */
static void append_mix(struct world *w)
{
    static const int ids[] = {1, 2, 3, 1, 4, 5, 2, 6, 1, 7, 8, 3, 9, 10, 4, 11, 1, 12, 13, 5};
    for (int i = 0; i < 40; i++) {
        int id = ids[i % 20] + (i / 20) * 9;
        append(w, id % 5, id, i % 7 == 3 ? 100 + i : id);
        if (i == 11 || i == 30)
            append_value(w, i % 5, 0, 0, true, "x");
    }
}

/* ---- the oracle ---- */

static enum lt_verdict_kind verdict_of(const struct world *w, size_t n)
{
    bool id_seen = false;
    if (w->sent[n].broken)
        return LT_VERDICT_INVALID;
    for (size_t i = 0; i < n; i++) {
        if (w->sent[i].broken || w->sent[i].partition != w->sent[n].partition || w->sent[i].id != w->sent[n].id)
            continue;
        if (w->sent[i].digest == w->sent[n].digest)
            return LT_VERDICT_DUPLICATE;
        id_seen = true;
    }
    return id_seen ? LT_VERDICT_CONFLICT : LT_VERDICT_NEW;
}

struct collected {
    int32_t partition[SENT_MAX];
    int64_t offset[SENT_MAX];
    size_t len;
};

static void collect_origin(void *ctx, const struct lt_log_record *r)
{
    struct collected *c = ctx;
    struct lt_span origin = lt_headers_value(&r->headers, "lt_origin"), part[3];
    for (int i = 0; i < 3; i++)
        assert_true(lt_span_cut(&origin, '/', &part[i]));
    uint64_t p, o;
    assert_true(lt_span_u64(part[1], &p) && lt_span_u64(part[2], &o));
    assert_span_is(part[0], "000000000000feed");
    assert_true(c->len < SENT_MAX);
    c->partition[c->len] = (int32_t)p;
    c->offset[c->len++] = (int64_t)o;
}

/* The topic holds exactly the records of that verdict, each once, each partition's in order. */
static void assert_output(struct world *w, const char *topic, enum lt_verdict_kind verdict)
{
    struct collected *c = lt_alloc(sizeof(*c));
    lt_memory_read(w->memory, topic, 0, collect_origin, c);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        size_t at = 0;
        for (size_t i = 0; i < w->sent_len; i++) {
            if (w->sent[i].partition != p || verdict_of(w, i) != verdict)
                continue;
            while (at < c->len && c->partition[at] != p)
                at++;
            if (at == c->len)
                fail_msg("%s: record %d/%" PRId64 " is missing", topic, (int)p, w->sent[i].offset);
            if (c->offset[at] != w->sent[i].offset)
                fail_msg("%s: expected %d/%" PRId64 " next, got %" PRId64, topic, (int)p, w->sent[i].offset,
                         c->offset[at]);
            at++;
        }
        for (; at < c->len; at++)
            if (c->partition[at] == p)
                fail_msg("%s: %d/%" PRId64 " stands there once too often", topic, (int)p, c->offset[at]);
    }
    free(c);
}

static void assert_positions(struct world *w)
{
    for (int32_t p = 0; p < PARTITIONS; p++) {
        struct lt_log_offset at;
        struct lt_position position;
        uint64_t want[LT_VERDICTS] = {0};
        int64_t end = lt_memory_end(w->memory, LT_TOPIC_INTAKE, p);
        lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, p, &at);
        assert_int_equal(at.offset, end);
        assert_int_equal(lt_position_parse(lt_span_str(at.metadata), &position, NULL), LT_OK);
        for (size_t i = 0; i < w->sent_len; i++)
            if (w->sent[i].partition == p)
                want[verdict_of(w, i)]++;
        uint64_t sum = 0;
        for (int v = 0; v < LT_VERDICTS; v++) {
            assert_int_equal(position.verdicts[v], want[v]);
            sum += position.verdicts[v];
        }
        assert_int_equal(sum, end);
    }
}

static void assert_as_undisturbed(struct world *w)
{
    assert_output(w, "lt.population", LT_VERDICT_NEW);
    assert_output(w, "lt.events.all", LT_VERDICT_NEW);
    assert_output(w, LT_TOPIC_QUARANTINE, LT_VERDICT_CONFLICT);
    assert_output(w, LT_TOPIC_DEADLETTER, LT_VERDICT_INVALID);
    assert_positions(w);
}

static bool finished(struct world *w)
{
    for (int32_t p = 0; p < PARTITIONS; p++) {
        struct lt_log_offset at;
        lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, p, &at);
        if (at.offset != lt_memory_end(w->memory, LT_TOPIC_INTAKE, p))
            return false;
    }
    return true;
}

static void run_to_the_end(struct world *w, int turns)
{
    for (int i = 0; i < turns && !finished(w); i++)
        turn(w);
    if (!finished(w)) {
        for (int32_t p = 0; w->worker_open && p < w->worker.partitions_len; p++)
            fprintf(stderr, "partition %d: state %d %s %s\n", (int)p, (int)w->worker.partitions[p].state,
                    lt_stop_name(w->worker.partitions[p].stop), w->worker.partitions[p].stop_text);
        fail_msg("the worker did not get to the end of the log: %s", w->worker_open ? w->worker.trouble : "");
    }
}

/* ---- undisturbed ---- */

static void every_event_gets_its_verdict_once_and_its_copies(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    genesis(w);
    append_mix(w);
    run_to_the_end(w, 50);
    assert_as_undisturbed(w);
    world_free(w);
}

static void the_same_events_sent_again_change_no_output(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    genesis(w);
    append_mix(w);
    run_to_the_end(w, 50);
    size_t before = lt_memory_count(w->memory, "lt.events.all") + lt_memory_count(w->memory, LT_TOPIC_QUARANTINE);
    struct sent first[SENT_MAX];
    size_t n = w->sent_len;
    memcpy(first, w->sent, sizeof(first));
    for (size_t i = 0; i < n; i++)
        if (!first[i].broken)
            append(w, first[i].key, first[i].id, first[i].digest);
    run_to_the_end(w, 50);
    assert_int_equal(lt_memory_count(w->memory, "lt.events.all") + lt_memory_count(w->memory, LT_TOPIC_QUARANTINE),
                     before);
    assert_as_undisturbed(w);
    world_free(w);
}

static void a_restart_rebuilds_the_index_from_the_log_and_goes_on(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    genesis(w);
    append_mix(w);
    run_to_the_end(w, 50);
    worker_close(w);
    append_mix(w); /* all of it known */
    run_to_the_end(w, 50);
    assert_as_undisturbed(w);
    world_free(w);
}

static void a_re_send_after_the_window_is_new_and_the_rebuilt_index_agrees(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    genesis(w);
    append(w, 0, 1, 1);
    run_to_the_end(w, 50);
    lt_memory_advance(w->memory, WINDOW_MS + 3 * lt_window_of(WINDOW_MS).generation_ms);
    append(w, 0, 1, 1);
    run_to_the_end(w, 50);
    assert_int_equal(lt_memory_count(w->memory, "lt.events.all"), 2);
    worker_close(w);
    append(w, 0, 1, 1);
    run_to_the_end(w, 50);
    assert_int_equal(lt_memory_count(w->memory, "lt.events.all"), 2);
    world_free(w);
}

static void delivery_copies_carry_their_path_and_plain_copies_do_not(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    genesis(w);
    append(w, 0, 1, 1);
    run_to_the_end(w, 50);
    assert_int_equal(lt_memory_count(w->memory, "lt.population"), 1);
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_POSITION) > 0, 1);
    world_free(w);
}

/* ---- one fault, everywhere ---- */

static uint64_t steps_of_an_undisturbed_run(void)
{
    struct world *w = world_new(0);
    genesis(w);
    append_mix(w);
    run_to_the_end(w, 50);
    uint64_t steps = lt_memory_steps(w->memory);
    world_free(w);
    return steps;
}

static void any_one_fault_at_any_step_changes_nothing_in_what_is_committed(void **state)
{
    (void)state;
    uint64_t steps = steps_of_an_undisturbed_run();
    assert_true(steps > 50);
    for (int fault = LT_FAULT_CRASH; fault < LT_FAULTS; fault++)
        for (uint64_t n = 1; n <= steps; n++) {
            struct world *w = world_new(0);
            genesis(w);
            append_mix(w);
            lt_memory_fault_at(w->memory, n, (enum lt_memory_fault)fault);
            run_to_the_end(w, 400);
            assert_as_undisturbed(w);
            world_free(w);
        }
}

static void many_faults_by_seed_change_nothing_in_what_is_committed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world *w = world_new(0);
        genesis(w);
        append_mix(w);
        lt_memory_chaos(w->memory, seed, 60, ~(unsigned)(1u << LT_FAULT_NONE));
        for (int i = 0; i < 300 && !finished(w); i++) {
            turn(w);
            lt_memory_advance(w->memory, 40);
        }
        lt_memory_schedule(w->memory, NULL, NULL);
        lt_memory_advance(w->memory, 60000);
        run_to_the_end(w, 100);
        assert_as_undisturbed(w);
        world_free(w);
    }
}

/* ---- rule 14: a copy that does not fit ---- */

static void a_copy_that_does_not_fit_becomes_a_dead_letter_and_the_others_stay(void **state)
{
    (void)state;
    struct world *w = world_new(900); /* lt.events.all is narrow */
    char big[1024];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    genesis(w);
    append(w, 0, 1, 1);
    append_value(w, 0, 2, 2, false, big);
    append(w, 0, 3, 3);
    run_to_the_end(w, 100);
    assert_int_equal(lt_memory_count(w->memory, "lt.events.all"), 2);
    assert_int_equal(lt_memory_count(w->memory, "lt.population"), 3);
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_DEADLETTER), 1);
    struct lt_log_offset at;
    struct lt_position position;
    lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, &at);
    assert_int_equal(lt_position_parse(lt_span_str(at.metadata), &position, NULL), LT_OK);
    assert_int_equal(position.undeliverable, 1);
    assert_int_equal(position.verdicts[LT_VERDICT_NEW], 3);
    world_free(w);
}

/* ---- stops ---- */

static void turns(struct world *w, int n)
{
    for (int i = 0; i < n; i++)
        turn(w);
}

static void assert_stopped(struct world *w, int32_t partition, enum lt_stop stop)
{
    assert_true(w->worker_open && partition < w->worker.partitions_len);
    const struct lt_partition *p = &w->worker.partitions[partition];
    if (p->state != LT_PARTITION_STOPPED || p->stop != stop)
        fail_msg("expected a stop %s, got state %d, stop %s: %s", lt_stop_name(stop), (int)p->state,
                 lt_stop_name(p->stop), p->stop_text);
    assert_true(p->stop_text[0]);
}

/* A world that has judged the mix, closed, ready to be tampered with. */
static struct world *judged_world(void)
{
    struct world *w = world_new(0);
    genesis(w);
    append_mix(w);
    run_to_the_end(w, 50);
    worker_close(w);
    return w;
}

static void without_a_first_position_it_stops_not_initialised_and_goes_on_once_it_is_there(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    turns(w, 3);
    assert_stopped(w, 0, LT_STOP_NOT_INITIALISED);
    genesis(w);
    append_mix(w);
    run_to_the_end(w, 50);
    assert_as_undisturbed(w);
    world_free(w);
}

static void lost_offsets_stop_one_partition_and_the_other_goes_on(void **state)
{
    (void)state;
    struct world *w = judged_world();
    lt_memory_offset_set(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, -1, "");
    append(w, 1, 77, 77);
    turns(w, 5);
    assert_stopped(w, 0, LT_STOP_OFFSETS_LOST);
    struct lt_log_offset at;
    lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 1, &at);
    assert_int_equal(at.offset, lt_memory_end(w->memory, LT_TOPIC_INTAKE, 1));
    world_free(w);
}

static void an_offset_set_by_a_tool_stops_as_moved(void **state)
{
    (void)state;
    struct world *w = judged_world();
    lt_memory_offset_set(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, 3, "");
    turns(w, 3);
    assert_stopped(w, 0, LT_STOP_MOVED);
    world_free(w);
}

static void another_incarnation_stops_as_intake_changed(void **state)
{
    (void)state;
    struct world *w = judged_world();
    char metadata[LT_POSITION_MAX];
    lt_position_genesis(0xbad, PARTITIONS, WINDOW_MS, metadata);
    lt_memory_offset_set(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 1, 0, metadata);
    turns(w, 3);
    assert_stopped(w, 1, LT_STOP_INTAKE_CHANGED);
    world_free(w);
}

static void records_deleted_before_they_were_judged_stop_with_their_number(void **state)
{
    (void)state;
    struct world *w = judged_world();
    append(w, 0, 70, 70);
    append(w, 0, 71, 71);
    lt_memory_delete_head(w->memory, LT_TOPIC_INTAKE, 0, lt_memory_end(w->memory, LT_TOPIC_INTAKE, 0));
    turns(w, 3);
    assert_stopped(w, 0, LT_STOP_UNJUDGED_DELETED);
    assert_non_null(strstr(w->worker.partitions[0].stop_text, "2 records"));
    world_free(w);
}

static void a_log_that_starts_inside_the_window_stops_as_truncated(void **state)
{
    (void)state;
    struct world *w = judged_world();
    lt_memory_delete_head(w->memory, LT_TOPIC_INTAKE, 0, 4);
    append(w, 0, 70, 70);
    turns(w, 3);
    assert_stopped(w, 0, LT_STOP_TRUNCATED);
    world_free(w);
}

static void a_quiet_partition_whose_log_has_expired_goes_on(void **state)
{
    (void)state;
    struct world *w = judged_world();
    lt_memory_advance(w->memory, WINDOW_MS + 5 * lt_window_of(WINDOW_MS).generation_ms);
    lt_memory_delete_head(w->memory, LT_TOPIC_INTAKE, 0, lt_memory_end(w->memory, LT_TOPIC_INTAKE, 0));
    turns(w, 3);
    assert_stopped(w, 0, LT_STOP_WAITING); /* no record at the committed offset yet: nothing to decide */
    append(w, 0, 70, 70);
    run_to_the_end(w, 50);
    world_free(w);
}

static void a_hole_in_the_past_or_ahead_stops(void **state)
{
    (void)state;
    struct world *w = judged_world();
    lt_memory_remove(w->memory, LT_TOPIC_INTAKE, 0, 5);
    turns(w, 3);
    assert_stopped(w, 0, LT_STOP_HOLE);
    world_free(w);

    w = judged_world();
    turns(w, 3);
    lt_memory_hole(w->memory, LT_TOPIC_INTAKE, 0, 2);
    append(w, 0, 70, 70);
    turns(w, 3);
    assert_stopped(w, 0, LT_STOP_HOLE);
    world_free(w);
}

static void a_log_whose_last_judged_record_is_another_stops_as_intake_changed(void **state)
{
    (void)state;
    struct world *w = judged_world();
    int64_t end = lt_memory_end(w->memory, LT_TOPIC_INTAKE, 0);
    lt_memory_truncate(w->memory, LT_TOPIC_INTAKE, 0, end - 1);
    append(w, 0, 70, 70);
    append(w, 0, 71, 71);
    turns(w, 3);
    assert_stopped(w, 0, LT_STOP_INTAKE_CHANGED);
    world_free(w);
}

static void a_position_whose_sum_the_log_does_not_give_stops_as_index_differs(void **state)
{
    (void)state;
    struct world *w = judged_world();
    struct lt_log_offset at;
    struct lt_position position;
    char metadata[LT_POSITION_MAX];
    lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, &at);
    assert_int_equal(lt_position_parse(lt_span_str(at.metadata), &position, NULL), LT_OK);
    position.sum ^= 1;
    lt_position_format(&position, metadata);
    lt_memory_offset_set(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, at.offset, metadata);
    turns(w, 3);
    assert_stopped(w, 0, LT_STOP_INDEX_DIFFERS);
    world_free(w);
}

static void another_configured_window_is_taken_over_without_comparison(void **state)
{
    (void)state;
    struct world *w = judged_world();
    w->config.window_ms = WINDOW_MS / 2;
    append(w, 0, 1, 99);
    append(w, 0, 200, 200);
    turns(w, 20);
    struct lt_log_offset at;
    struct lt_position position;
    lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, &at);
    assert_int_equal(lt_position_parse(lt_span_str(at.metadata), &position, NULL), LT_OK);
    assert_int_equal(position.window.generation_ms, lt_window_of(WINDOW_MS / 2).generation_ms);
    world_free(w);
}

static void a_missing_output_topic_stops_and_is_never_a_dead_letter(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    genesis(w);
    append_mix(w);
    lt_memory_topic_drop(w->memory, "lt.events.all");
    turns(w, 4);
    assert_stopped(w, 0, LT_STOP_TOPIC_MISSING);
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_DEADLETTER), 0);
    lt_memory_topic(w->memory, "lt.events.all", 1, 0, false);
    run_to_the_end(w, 50);
    assert_as_undisturbed(w);
    world_free(w);
}

static void an_index_that_does_not_fit_its_memory_stops_the_partition(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    genesis(w);
    w->config.core.index_memory = 1; /* not even one entry more than the smallest table */
    append(w, 0, 1, 1);
    run_to_the_end(w, 20); /* the smallest table holds it */
    for (int round = 0; round < 5; round++) {
        worker_close(w);
        w->sent_len = 0;
        for (int i = 0; i < 220; i++)
            append(w, 0, 1000 + round * 220 + i, i);
        turns(w, 60);
    }
    assert_stopped(w, 0, LT_STOP_INDEX_FULL);
    world_free(w);
}

static void a_broker_loss_makes_it_read_its_last_record_again(void **state)
{
    (void)state;
    struct world *w = judged_world();
    turns(w, 3);
    assert_int_equal(w->worker.partitions[0].state, LT_PARTITION_RUNNING);
    int64_t end = lt_memory_end(w->memory, LT_TOPIC_INTAKE, 0);
    lt_memory_truncate(w->memory, LT_TOPIC_INTAKE, 0, end - 1);
    append(w, 0, 70, 70);
    lt_memory_disturb(w->memory);
    turns(w, 2);
    assert_stopped(w, 0, LT_STOP_INTAKE_CHANGED);
    world_free(w);
}

static void a_twin_ends_the_process_with_78(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    genesis(w);
    append_mix(w);
    worker_open(w);
    lt_worker_turn(&w->worker);
    struct lt_worker second;
    lt_worker_init(&second, &w->settings, 0);
    lt_worker_turn(&second);
    for (int i = 0; i < 20 && !w->fatal_code; i++)
        lt_worker_turn(&w->worker);
    assert_int_equal(w->fatal_code, 78);
    w->fatal_code = 0;
    worker_close(w);
    lt_worker_close(&second);
    lt_worker_deinit(&second);
    run_to_the_end(w, 50);
    assert_as_undisturbed(w);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_gets_its_verdict_once_and_its_copies),
        cmocka_unit_test(the_same_events_sent_again_change_no_output),
        cmocka_unit_test(a_restart_rebuilds_the_index_from_the_log_and_goes_on),
        cmocka_unit_test(a_re_send_after_the_window_is_new_and_the_rebuilt_index_agrees),
        cmocka_unit_test(delivery_copies_carry_their_path_and_plain_copies_do_not),
        cmocka_unit_test(any_one_fault_at_any_step_changes_nothing_in_what_is_committed),
        cmocka_unit_test(many_faults_by_seed_change_nothing_in_what_is_committed),
        cmocka_unit_test(a_copy_that_does_not_fit_becomes_a_dead_letter_and_the_others_stay),
        cmocka_unit_test(without_a_first_position_it_stops_not_initialised_and_goes_on_once_it_is_there),
        cmocka_unit_test(lost_offsets_stop_one_partition_and_the_other_goes_on),
        cmocka_unit_test(an_offset_set_by_a_tool_stops_as_moved),
        cmocka_unit_test(another_incarnation_stops_as_intake_changed),
        cmocka_unit_test(records_deleted_before_they_were_judged_stop_with_their_number),
        cmocka_unit_test(a_log_that_starts_inside_the_window_stops_as_truncated),
        cmocka_unit_test(a_quiet_partition_whose_log_has_expired_goes_on),
        cmocka_unit_test(a_hole_in_the_past_or_ahead_stops),
        cmocka_unit_test(a_log_whose_last_judged_record_is_another_stops_as_intake_changed),
        cmocka_unit_test(a_position_whose_sum_the_log_does_not_give_stops_as_index_differs),
        cmocka_unit_test(another_configured_window_is_taken_over_without_comparison),
        cmocka_unit_test(a_missing_output_topic_stops_and_is_never_a_dead_letter),
        cmocka_unit_test(an_index_that_does_not_fit_its_memory_stops_the_partition),
        cmocka_unit_test(a_broker_loss_makes_it_read_its_last_record_again),
        cmocka_unit_test(a_twin_ends_the_process_with_78),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
