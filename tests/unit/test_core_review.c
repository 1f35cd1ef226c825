/*
 * Cases of the core that the sweep over single faults does not reach: two things going wrong at once, and what the
 * log's ends look like while it grows. Same in-memory log as test_core_worker.c.
 */
#include "gateway/core/worker.h"

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/kafka/log_memory.h"
#include "tests/unit/harness.h"

#include <inttypes.h>
#include <stdio.h>

#define WINDOW_MS (400LL * 86400000)
#define START_MS 1700000000000LL

static const char routes_text[] =
    "routes:\n"
    "  - {name: all, to: \"topic:lt.events.all\"}\n"
    "  - {name: portal, when: {type: \"vn.lienthong.dossier.*\"}, via: [population], to: portal}\n";

struct world {
    struct lt_memory *memory;
    int32_t partitions;
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
    int next_id;
    /* the schedule */
    uint64_t asked[LT_STEPS];
    enum lt_memory_fault (*plan)(struct world *w, enum lt_memory_step step, uint64_t nth);
    /* the log, with a hand in it */
    struct lt_log_ops ops;
    const struct lt_log_ops *real;
    bool busy; /* ingest appends between any two questions */
};

static void append(struct world *w, int32_t partition, const char *value);

static int busy_stable_end(struct lt_log *l, int32_t partition, int64_t *ret, struct lt_err *err);
static int busy_watermarks(struct lt_log *l, const char *topic, int32_t partition, int64_t *low, int64_t *high,
                           struct lt_err *err);
static struct world *current;

static int open_memory(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    struct world *w = ctx;
    int r = lt_log_memory_new(w->memory, s, ret, err);
    if (r != LT_OK)
        return r;
    w->real = (*ret)->ops;
    w->ops = *w->real;
    w->ops.stable_end = busy_stable_end;
    w->ops.watermarks = busy_watermarks;
    (*ret)->ops = &w->ops;
    return LT_OK;
}

static void on_fatal(void *ctx, int code, const char *text)
{
    (void)ctx;
    fail_msg("ended with %d: %s", code, text);
}

static int busy_stable_end(struct lt_log *l, int32_t partition, int64_t *ret, struct lt_err *err)
{
    int r = current->real->stable_end(l, partition, ret, err);
    if (current->busy)
        append(current, partition, "{}");
    return r;
}

static int busy_watermarks(struct lt_log *l, const char *topic, int32_t partition, int64_t *low, int64_t *high,
                           struct lt_err *err)
{
    int r = current->real->watermarks(l, topic, partition, low, high, err);
    if (current->busy && !topic)
        append(current, partition, "{}");
    return r;
}

static enum lt_memory_fault schedule(void *ctx, const char *instance, enum lt_memory_step step, uint64_t number)
{
    struct world *w = ctx;
    (void)instance;
    (void)number;
    uint64_t nth = ++w->asked[step];
    return w->plan ? w->plan(w, step, nth) : LT_FAULT_NONE;
}

static void plan_set(struct world *w,
                     enum lt_memory_fault (*plan)(struct world *w, enum lt_memory_step step, uint64_t nth))
{
    memset(w->asked, 0, sizeof(w->asked));
    w->plan = plan;
}

static struct world *world_new(int32_t partitions, size_t narrow_max, size_t deadletter_max)
{
    struct world *w = lt_alloc(sizeof(*w));
    current = w;
    lt_log_threshold = LT_LOG_ERROR + 1;
    w->partitions = partitions;
    w->memory = lt_memory_new(START_MS);
    lt_memory_topic(w->memory, LT_TOPIC_INTAKE, partitions, 0, true);
    lt_memory_topic(w->memory, LT_TOPIC_POSITION, 1, 0, false);
    lt_memory_topic(w->memory, "lt.population", 1, 0, false);
    lt_memory_topic(w->memory, "lt.events.all", 1, narrow_max, false);
    lt_memory_topic(w->memory, LT_TOPIC_UNROUTED, 1, 0, false);
    lt_memory_topic(w->memory, LT_TOPIC_QUARANTINE, 1, 0, false);
    lt_memory_topic(w->memory, LT_TOPIC_DEADLETTER, 1, deadletter_max, false);
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
    w->config.core.commit_records = 8;
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
    char metadata[LT_POSITION_MAX];
    lt_position_genesis(0xfeed, partitions, WINDOW_MS, metadata);
    for (int32_t p = 0; p < partitions; p++)
        lt_memory_offset_set(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, p, 0, metadata);
    lt_memory_schedule(w->memory, schedule, w);
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

static void turn(struct world *w)
{
    if (!w->worker_open)
        lt_worker_init(&w->worker, &w->settings, 0);
    w->worker_open = true;
    lt_worker_turn(&w->worker);
}

static int64_t committed(struct world *w, int32_t partition)
{
    struct lt_log_offset at;
    lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, partition, &at);
    return at.offset;
}

static void run_to_the_end(struct world *w)
{
    for (int i = 0; i < 100; i++) {
        bool done = true;
        for (int32_t p = 0; p < w->partitions; p++)
            done = done && committed(w, p) == lt_memory_end(w->memory, LT_TOPIC_INTAKE, p);
        if (done)
            return;
        for (int32_t p = 0; w->worker_open && p < w->worker.partitions_len; p++)
            w->worker.partitions[p].retry_at_ms = 0;
        turn(w);
    }
    fail_msg("the worker did not get to the end of the log: %s", w->worker.trouble);
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

/* An event nobody sent before. */
static void append(struct world *w, int32_t partition, const char *value)
{
    struct lt_headers h;
    char id[65], digest[65], key[32], subject[24], time[24];
    int n = w->next_id++;
    lt_headers_reset(&h);
    snprintf(subject, sizeof(subject), "HS-%d", n);
    snprintf(key, sizeof(key), "H22/%s", subject);
    snprintf(time, sizeof(time), "%" PRId64, lt_memory_clock(w->memory));
    lt_headers_add(&h, LT_SPAN_LIT("ce_specversion"), LT_SPAN_LIT("1.0"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_id"), hex_of(id, 32, n));
    lt_headers_add(&h, LT_SPAN_LIT("ce_source"), LT_SPAN_LIT("urn:test"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_type"), LT_SPAN_LIT("vn.lienthong.dossier.received.v1"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_subject"), lt_span_str(subject));
    lt_headers_add(&h, LT_SPAN_LIT("ce_time"), LT_SPAN_LIT("2024-01-01T08:30:00+07:00"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_province"), LT_SPAN_LIT("H22"));
    lt_headers_add(&h, LT_SPAN_LIT("lt_digest"), hex_of(digest, 64, 100000 + n));
    lt_headers_add(&h, LT_SPAN_LIT("lt_digest_v"), LT_SPAN_LIT("1"));
    lt_headers_add(&h, LT_SPAN_LIT("lt_time"), lt_span_str(time));
    (void)lt_memory_append(w->memory, LT_TOPIC_INTAKE, partition, lt_span_str(key), &h, lt_span_str(value));
}

static void append_many(struct world *w, int32_t partition, int n)
{
    for (int i = 0; i < n; i++)
        append(w, partition, "{}");
}

/* ---- rule 15 after rule 14 ---- */

static enum lt_memory_fault second_commit_is_lost_but_applied(struct world *w, enum lt_memory_step step, uint64_t nth)
{
    (void)w;
    return step == LT_STEP_COMMIT && nth == 2 ? LT_FAULT_LOST_APPLIED : LT_FAULT_NONE;
}

static void an_unknown_commit_of_half_a_batch_settles_that_half_and_no_more(void **state)
{
    (void)state;
    struct world *w = world_new(2, 900, 0);
    char big[1024];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    for (int i = 0; i < 4; i++) {
        append(w, 0, i == 3 ? big : "{}"); /* the whole batch does not fit, its first half does */
        append(w, 1, "{}");
    }
    plan_set(w, second_commit_is_lost_but_applied);
    run_to_the_end(w);
    assert_int_equal(lt_memory_count(w->memory, "lt.population"), 8);
    assert_int_equal(lt_memory_count(w->memory, "lt.events.all"), 7);
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_DEADLETTER), 1);
    world_free(w);
}

/* ---- rule 10: records of dropped epochs go ---- */

static enum lt_memory_fault two_aborts_then_a_rebalance(struct world *w, enum lt_memory_step step, uint64_t nth)
{
    if (step == LT_STEP_COMMIT && nth <= 2)
        return LT_FAULT_ABORTABLE;
    static uint64_t polls_at_second_commit;
    if (step == LT_STEP_COMMIT)
        return LT_FAULT_NONE;
    if (step == LT_STEP_ABORT && w->asked[LT_STEP_COMMIT] == 2)
        polls_at_second_commit = w->asked[LT_STEP_POLL];
    return step == LT_STEP_POLL && w->asked[LT_STEP_COMMIT] == 2 && nth == polls_at_second_commit + 1
               ? LT_FAULT_REBALANCE
               : LT_FAULT_NONE;
}

static void a_record_kept_from_before_a_rebalance_is_no_hole_after_it(void **state)
{
    (void)state;
    struct world *w = world_new(1, 0, 0);
    append_many(w, 0, 20);
    plan_set(w, two_aborts_then_a_rebalance);
    for (int i = 0; i < 10; i++) {
        turn(w);
        assert_string_equal(lt_stop_name(w->worker.partitions[0].stop), "NONE");
    }
    assert_int_equal(committed(w, 0), 20);
    world_free(w);
}

/* ---- rule 10: FOREIGN-TRANSACTION ---- */

static void a_log_that_grows_all_the_time_is_no_foreign_transaction(void **state)
{
    (void)state;
    struct world *w = world_new(1, 0, 0);
    append_many(w, 0, 8);
    run_to_the_end(w);
    w->busy = true;
    for (int i = 0; i < 3; i++) {
        struct lt_partition *p = &w->worker.partitions[0];
        w->worker.looked_for_foreign_ms -= 60000;
        if (p->unstable_since_ms)
            p->unstable_since_ms -= 60000;
        turn(w);
        assert_false(p->foreign_transaction);
    }
    world_free(w);
}

static void a_foreign_transaction_raises_the_alarm_after_half_a_minute_and_lowers_it(void **state)
{
    (void)state;
    struct world *w = world_new(1, 0, 0);
    append_many(w, 0, 8);
    run_to_the_end(w);
    struct lt_partition *p = &w->worker.partitions[0];
    lt_memory_foreign_open(w->memory, LT_TOPIC_INTAKE, 0);
    w->worker.looked_for_foreign_ms -= 60000;
    turn(w);
    assert_false(p->foreign_transaction);
    p->unstable_since_ms -= 60000;
    w->worker.looked_for_foreign_ms -= 60000;
    turn(w);
    assert_true(p->foreign_transaction);
    lt_memory_foreign_close(w->memory, LT_TOPIC_INTAKE, 0);
    w->worker.looked_for_foreign_ms -= 60000;
    turn(w);
    assert_false(p->foreign_transaction);
    world_free(w);
}

/* ---- rule 10: the anchor after a broker loss ---- */

static enum lt_memory_fault nothing_comes(struct world *w, enum lt_memory_step step, uint64_t nth)
{
    (void)w;
    (void)nth;
    return step == LT_STEP_POLL ? LT_FAULT_NOTHING : LT_FAULT_NONE;
}

static void a_log_cut_below_the_anchor_is_not_taken_for_an_expired_one(void **state)
{
    (void)state;
    struct world *w = world_new(1, 0, 0);
    append_many(w, 0, 6);
    run_to_the_end(w);
    turn(w);
    lt_memory_truncate(w->memory, LT_TOPIC_INTAKE, 0, 3);
    lt_memory_disturb(w->memory);
    plan_set(w, nothing_comes); /* the consumer has not fetched again yet */
    turn(w);
    plan_set(w, NULL);
    append_many(w, 0, 5); /* 3 to 7: ingest goes on with the new leader */
    for (int i = 0; i < 3; i++)
        turn(w);
    assert_int_equal(committed(w, 0), 6); /* judging 6 and 7 would leave 3 to 5 unjudged for ever */
    world_free(w);
}

static enum lt_memory_fault scans_time_out(struct world *w, enum lt_memory_step step, uint64_t nth)
{
    (void)w;
    (void)nth;
    return step == LT_STEP_SCAN ? LT_FAULT_RETRY : LT_FAULT_NONE;
}

static void nothing_is_committed_while_the_anchor_could_not_be_read(void **state)
{
    (void)state;
    struct world *w = world_new(1, 0, 0);
    append_many(w, 0, 6);
    run_to_the_end(w);
    turn(w);
    lt_memory_truncate(w->memory, LT_TOPIC_INTAKE, 0, 5);
    append_many(w, 0, 3);
    lt_memory_disturb(w->memory);
    plan_set(w, scans_time_out);
    for (int i = 0; i < 3; i++)
        turn(w);
    assert_int_equal(committed(w, 0), 6);
    world_free(w);
}

/* ---- rule 8: another window says nothing about the log ---- */

static void another_window_does_not_excuse_another_log(void **state)
{
    (void)state;
    struct world *w = world_new(1, 0, 0);
    append_many(w, 0, 6);
    run_to_the_end(w);
    worker_close(w);
    lt_memory_truncate(w->memory, LT_TOPIC_INTAKE, 0, 5);
    append_many(w, 0, 3);
    w->config.window_ms = WINDOW_MS / 2;
    for (int i = 0; i < 3; i++)
        turn(w);
    assert_string_equal(lt_stop_name(w->worker.partitions[0].stop), "INTAKE-CHANGED");
    world_free(w);
}

/* ---- rule 14: blame ---- */

static enum lt_memory_fault dead_letters_fit_later(struct world *w, enum lt_memory_step step, uint64_t nth)
{
    (void)nth;
    if (step == LT_STEP_POLL && w->asked[LT_STEP_COMMIT] == 8) { /* no transaction is open here */
        w->asked[LT_STEP_COMMIT]++;
        lt_memory_topic_drop(w->memory, LT_TOPIC_DEADLETTER);
        lt_memory_topic(w->memory, LT_TOPIC_DEADLETTER, 1, 0, false);
    }
    return LT_FAULT_NONE;
}

static void a_dead_letter_that_does_not_fit_is_not_blamed_on_another_copy(void **state)
{
    (void)state;
    struct world *w = world_new(1, 900, 900);
    char big[1024];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    append(w, 0, big);
    plan_set(w, dead_letters_fit_later);
    run_to_the_end(w);
    assert_int_equal(lt_memory_count(w->memory, "lt.population"), 1); /* this copy always fitted */
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_DEADLETTER), 1);
    world_free(w);
}

/* ---- rule 9: a hole ---- */

static void records_after_a_hole_do_not_keep_the_worker_in_one_turn(void **state)
{
    (void)state;
    struct world *w = world_new(1, 0, 0);
    append_many(w, 0, 8);
    run_to_the_end(w);
    lt_memory_hole(w->memory, LT_TOPIC_INTAKE, 0, 1);
    append_many(w, 0, 1000);
    plan_set(w, NULL);
    turn(w);
    assert_string_equal(lt_stop_name(w->worker.partitions[0].stop), "HOLE");
    assert_in_range(w->asked[LT_STEP_POLL], 1, 100);
    world_free(w);
}

static void records_before_a_hole_are_judged(void **state)
{
    (void)state;
    struct world *w = world_new(1, 0, 0);
    append_many(w, 0, 3);
    lt_memory_hole(w->memory, LT_TOPIC_INTAKE, 0, 1);
    append_many(w, 0, 3);
    for (int i = 0; i < 4; i++) {
        turn(w);
        w->worker.partitions[0].retry_at_ms = 0;
    }
    assert_string_equal(lt_stop_name(w->worker.partitions[0].stop), "HOLE");
    assert_int_equal(committed(w, 0), 3);
    world_free(w);
}

/* ---- the index ---- */

static void an_index_that_is_full_of_dead_entries_makes_room_within_its_limit(void **state)
{
    (void)state;
    struct lt_index *ix = lt_index_new(1, 80000); /* 2048 slots beside 1024, never twice 2048 */
    uint64_t n = 0;
    struct lt_err err = LT_ERR_INIT;
    for (uint64_t generation = 1; generation < 40; generation += 3)
        for (int i = 0; i < 1200; i++) {
            struct lt_finding f;
            struct lt_index_key k = {.fingerprint = ++n * 0x9e3779b97f4a7c15ULL >> 4, .digest = 1, .version = 1};
            if (lt_index_reserve(ix, 1, &err) != LT_OK)
                fail_msg("%zu live entries: %s", lt_index_live(ix), err.text);
            assert_int_equal(lt_index_judge(ix, &k, (int64_t)n, generation, &f, &err), LT_OK);
        }
    lt_index_free(ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_commit_of_half_a_batch_settles_that_half_and_no_more),
        cmocka_unit_test(a_record_kept_from_before_a_rebalance_is_no_hole_after_it),
        cmocka_unit_test(a_log_that_grows_all_the_time_is_no_foreign_transaction),
        cmocka_unit_test(a_foreign_transaction_raises_the_alarm_after_half_a_minute_and_lowers_it),
        cmocka_unit_test(a_log_cut_below_the_anchor_is_not_taken_for_an_expired_one),
        cmocka_unit_test(nothing_is_committed_while_the_anchor_could_not_be_read),
        cmocka_unit_test(another_window_does_not_excuse_another_log),
        cmocka_unit_test(a_dead_letter_that_does_not_fit_is_not_blamed_on_another_copy),
        cmocka_unit_test(records_after_a_hole_do_not_keep_the_worker_in_one_turn),
        cmocka_unit_test(records_before_a_hole_are_judged),
        cmocka_unit_test(an_index_that_is_full_of_dead_entries_makes_room_within_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
