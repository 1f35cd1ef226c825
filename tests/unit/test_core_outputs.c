/*
 * What the core writes: the headers of its copies, what a replay reaches, and the rows of lt.position with the counters
 * that a restart takes up again.
 */
#include "tests/unit/core_world.h"
#include "tests/unit/remade.h"

#include "gateway/codec/json.h"

#include <stdio.h>

static int setup(void **state)
{
    return core_world_setup(state, &(struct core_world_plan){.partitions = 2, .commit_records = 8});
}

static void run_to_the_end(struct core_world *w)
{
    for (int i = 0; i < 50 && !core_world_finished(w); i++)
        core_world_turn(w);
    core_world_must_finish(w);
}

static void append(struct core_world *w, int32_t partition, int id, struct lt_header *more)
{
    (void)core_world_append(
        w, &(struct core_event){.partition = partition, .subject = id, .id = id, .digest = id, .more = more});
}

static void assert_verdicts(struct core_world *w, int32_t partition, const uint64_t want[LT_VERDICTS])
{
    struct lt_position position;
    (void)core_world_committed(w, partition, &position);
    for (int v = 0; v < LT_VERDICTS; v++)
        if (position.verdicts[v] != want[v])
            fail_msg("partition %d: %u records are %s, expected %u", (int)partition, (unsigned)position.verdicts[v],
                     lt_verdict_name((enum lt_verdict_kind)v), (unsigned)want[v]);
}

/* ---- headers of copies ---- */

/* Values of one header, one a record, each followed by a semicolon; "-" where a record has none. */
struct header_values {
    const char *name;
    struct lt_buf out;
};

static void take_header(void *ctx, const struct lt_log_record *r)
{
    struct header_values *h = ctx;
    struct lt_span v = lt_headers_value(&r->headers, h->name);
    lt_buf_printf(&h->out, LT_SPAN_FMT ";", LT_SPAN_ARG(v.ptr ? v : LT_SPAN_LIT("-")));
}

static void assert_header(struct core_world *w, const char *topic, const char *name, const char *want)
{
    struct header_values h = {name, LT_BUF_INIT(4096)};
    lt_memory_read(w->memory, topic, 0, take_header, &h);
    assert_span_is(lt_buf_view(&h.out), want);
    lt_buf_deinit(&h.out);
}

static void delivery_copies_carry_their_path_and_plain_copies_do_not(void **state)
{
    struct core_world *w = *state;
    append(w, 0, 1, NULL);
    append(w, 1, 2, NULL);
    append(w, 1, 3, NULL);
    run_to_the_end(w);
    assert_header(w, CORE_HOP, "lt_path", "population,portal;population,portal;population,portal;");
    assert_header(w, CORE_HOP, "lt_hop", "0;0;0;");
    assert_header(w, CORE_PLAIN, "lt_path", "-;-;-;");
    assert_header(w, CORE_PLAIN, "lt_hop", "-;-;-;");
    static const char *const copies[] = {CORE_HOP, CORE_PLAIN};
    for (size_t i = 0; i < LT_ARRAY_LEN(copies); i++) {
        assert_header(w, copies[i], "lt_origin",
                      CORE_INCARNATION_HEX "/0/0;" CORE_INCARNATION_HEX "/1/0;" CORE_INCARNATION_HEX "/1/1;");
        assert_header(w, copies[i], "ce_subject", "HS-1;HS-2;HS-3;");
    }
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_UNROUTED), 0);
}

static void a_path_that_came_with_the_event_does_not_get_through(void **state)
{
    struct core_world *w = *state;
    struct lt_header forged[] = {CORE_HEADER("lt_path", "portal"), CORE_HEADER("lt_hop", "1"),
                                 CORE_HEADER("lt_origin", "elsewhere"), CORE_HEADERS_END};
    append(w, 0, 1, forged);
    run_to_the_end(w);
    assert_header(w, CORE_HOP, "lt_path", "population,portal;");
    assert_header(w, CORE_HOP, "lt_hop", "0;");
    assert_header(w, CORE_PLAIN, "lt_path", "-;");
    assert_header(w, CORE_PLAIN, "lt_hop", "-;");
    assert_header(w, CORE_PLAIN, "lt_origin", CORE_INCARNATION_HEX "/0/0;");
}

#define OF_THE_EVENT 13 /* headers that core_world_append gives it */

/* As many as there can be: a copy without its path would never be forwarded. */
static void a_copy_has_its_origin_and_path_however_many_headers_its_event_has(void **state)
{
    struct core_world *w = *state;
    struct lt_header many[LT_HEADERS_MAX + 1] = {0};
    char names[LT_HEADERS_MAX][16];
    for (size_t i = 0; i < LT_HEADERS_MAX - OF_THE_EVENT; i++) {
        snprintf(names[i], sizeof(names[i]), "foreign%zu", i);
        many[i] = (struct lt_header){lt_span_str(names[i]), LT_SPAN_LIT("x")};
    }
    append(w, 0, 1, many);
    (void)core_world_append(w, &(struct core_event){.subject = 1, .id = 1, .digest = 2, .more = many});
    run_to_the_end(w);
    assert_verdicts(w, 0, (uint64_t[LT_VERDICTS]){[LT_VERDICT_NEW] = 1, [LT_VERDICT_CONFLICT] = 1});
    assert_header(w, CORE_HOP, "lt_origin", CORE_INCARNATION_HEX "/0/0;");
    assert_header(w, CORE_HOP, "lt_path", "population,portal;");
    assert_header(w, CORE_HOP, "lt_hop", "0;");
    assert_header(w, CORE_HOP, "ce_subject", "HS-1;");
    assert_header(w, LT_TOPIC_QUARANTINE, "lt_reason", "conflict;");
    assert_header(w, LT_TOPIC_QUARANTINE, "lt_first", CORE_INCARNATION_HEX "/0/0;");
}

static void a_conflict_names_the_record_it_conflicts_with(void **state)
{
    struct core_world *w = *state;
    append(w, 1, 1, NULL);
    append(w, 1, 2, NULL);
    (void)core_world_append(w, &(struct core_event){.partition = 1, .subject = 2, .id = 2, .digest = 99});
    run_to_the_end(w);
    assert_header(w, LT_TOPIC_QUARANTINE, "lt_reason", "conflict;");
    assert_header(w, LT_TOPIC_QUARANTINE, "lt_origin", CORE_INCARNATION_HEX "/1/2;");
    assert_header(w, LT_TOPIC_QUARANTINE, "lt_first", CORE_INCARNATION_HEX "/1/1;");
    assert_header(w, LT_TOPIC_QUARANTINE, "lt_path", "-;");
}

/* ---- replays ---- */

static void a_replay_reaches_plain_topics_only(void **state)
{
    struct core_world *w = *state;
    struct lt_header replay[] = {CORE_HEADER("lt_replay", "r1"), CORE_HEADERS_END};
    append(w, 0, 1, NULL);
    append(w, 0, 1, replay);
    run_to_the_end(w);
    assert_header(w, CORE_PLAIN, "lt_replay", "-;r1;");
    assert_header(w, CORE_HOP, "lt_replay", "-;");
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_UNROUTED), 0);
    assert_verdicts(w, 0, (const uint64_t[LT_VERDICTS]){[LT_VERDICT_NEW] = 1, [LT_VERDICT_REPLAY] = 1});
}

static void a_replay_reaches_a_target_that_its_effects_name(void **state)
{
    struct core_world *w = *state;
    struct lt_header named[] = {CORE_HEADER("lt_replay", "r1"), CORE_HEADER("lt_effects", "other, portal"),
                                CORE_HEADERS_END};
    struct lt_header hop[] = {CORE_HEADER("lt_replay", "r2"), CORE_HEADER("lt_effects", "population"),
                              CORE_HEADERS_END};
    append(w, 0, 1, named);
    append(w, 0, 1, hop); /* a hop on the way is no target of the route */
    run_to_the_end(w);
    assert_header(w, CORE_PLAIN, "lt_replay", "r1;r2;");
    assert_header(w, CORE_HOP, "lt_replay", "r1;");
    assert_header(w, CORE_HOP, "lt_path", "population,portal;");
    assert_verdicts(w, 0, (const uint64_t[LT_VERDICTS]){[LT_VERDICT_REPLAY] = 2});
}

static void a_replay_that_is_sent_again_is_a_duplicate_also_after_a_restart(void **state)
{
    struct core_world *w = *state;
    struct lt_header replay[] = {CORE_HEADER("lt_replay", "r1"), CORE_HEADERS_END};
    append(w, 0, 1, replay);
    append(w, 0, 1, replay);
    run_to_the_end(w);
    core_world_close(w);
    append(w, 0, 1, replay);
    append(w, 0, 1, NULL); /* the event itself was not seen yet */
    run_to_the_end(w);
    assert_header(w, CORE_PLAIN, "lt_replay", "r1;-;");
    assert_verdicts(
        w, 0, (const uint64_t[LT_VERDICTS]){[LT_VERDICT_NEW] = 1, [LT_VERDICT_DUPLICATE] = 2, [LT_VERDICT_REPLAY] = 1});
}

/* ---- lt.position ---- */

struct row {
    const char *key;
    char text[2048]; /* of the last record of the key, which is what compaction leaves */
};

static void take_row(void *ctx, const struct lt_log_record *r)
{
    struct row *row = ctx;
    if (lt_span_is(r->key, row->key))
        snprintf(row->text, sizeof(row->text), LT_SPAN_FMT, LT_SPAN_ARG(r->value));
}

/* The row is what the group committed, tells where receipts are answered, and counts these copies per output. */
static void assert_row(struct core_world *w, int32_t partition, int64_t plain, int64_t hop)
{
    struct row row = {.key = partition == 0 ? "0" : "1"};
    lt_memory_read(w->memory, LT_TOPIC_POSITION, 0, take_row, &row);
    static const struct lt_json_limits limits = {.bytes_max = sizeof(row.text), .depth_max = 8};
    LT_AUTO_JSON struct lt_json *j = NULL;
    assert_int_equal(lt_json_parse(lt_span_str(row.text), &limits, &j, NULL), LT_OK);
    lt_json_value root = lt_json_root(j), outputs = lt_json_get(root, "outputs");
    struct lt_log_offset at;
    lt_memory_offset_get(w->memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, partition, &at);
    const struct {
        lt_json_value value;
        int64_t want;
    } numbers[] = {{lt_json_get(root, "partition"), partition},
                   {lt_json_get(root, "offset"), at.offset},
                   {lt_json_get(outputs, CORE_PLAIN), plain},
                   {lt_json_get(outputs, CORE_HOP), hop},
                   {lt_json_get(outputs, LT_TOPIC_UNROUTED), 0}};
    for (size_t i = 0; i < LT_ARRAY_LEN(numbers); i++) {
        int64_t n;
        assert_true(lt_json_int(numbers[i].value, &n));
        assert_int_equal(n, numbers[i].want);
    }
    const struct {
        const char *name, *want;
    } texts[] = {{"metadata", at.metadata}, {"instance", "gw1"}, {"address", "127.0.0.1:1"}};
    for (size_t i = 0; i < LT_ARRAY_LEN(texts); i++) {
        struct lt_span text;
        assert_true(lt_json_string(lt_json_get(root, texts[i].name), &text));
        assert_span_is(text, texts[i].want);
    }
}

static void the_position_topic_says_what_was_committed_and_counts_go_on_after_a_restart(void **state)
{
    struct core_world *w = *state;
    struct lt_header replay[] = {CORE_HEADER("lt_replay", "r1"), CORE_HEADERS_END};
    for (int i = 0; i < 10; i++) /* more than a batch */
        append(w, 0, i, NULL);
    append(w, 0, 3, NULL);   /* a duplicate: no copy */
    append(w, 0, 3, replay); /* one to the plain topic */
    append(w, 1, 20, NULL);
    run_to_the_end(w);
    assert_row(w, 0, 11, 10);
    assert_row(w, 1, 1, 1);
    core_world_close(w);
    append(w, 0, 50, NULL);
    run_to_the_end(w);
    assert_row(w, 0, 12, 11);
    assert_row(w, 1, 1, 1);
}

static void a_worker_has_the_counters_again_before_it_judges(void **state)
{
    struct core_world *w = *state;
    append(w, 0, 1, NULL);
    append(w, 0, 2, NULL);
    run_to_the_end(w);
    core_world_close(w);
    core_world_turns(w, 3);
    const struct lt_partition *p = &w->worker.partitions[0];
    assert_int_equal(p->state, LT_PARTITION_RUNNING);
    assert_int_equal(p->routed_len, lt_routes_outputs(w->routes));
    for (size_t i = 0; i < p->routed_len; i++) {
        const char *topic = lt_routes_output(w->routes, i);
        bool copied = strcmp(topic, CORE_PLAIN) == 0 || strcmp(topic, CORE_HOP) == 0;
        assert_int_equal(p->routed[i], copied ? 2 : 0);
    }
}

/* ---- routes that go and come back ---- */

/* The next worker has these routes. */
static void start_with(struct core_world *w, const struct lt_routes *routes)
{
    core_world_close(w);
    w->settings.routes = routes;
}

static void the_counter_of_a_route_that_was_away_goes_on_where_it_stood(void **state)
{
    struct core_world *w = *state;
    append(w, 0, 1, NULL);
    append(w, 0, 2, NULL);
    run_to_the_end(w);
    assert_row(w, 0, 2, 2);
    struct lt_yaml *file;
    struct lt_routes *fewer;
    assert_int_equal(lt_yaml_parse("routes.yaml",
                                   LT_SPAN_LIT("routes:\n  - {name: portal, when: {type: \"vn.lienthong.dossier.*\"}, "
                                               "via: [population], to: portal}\n"),
                                   &file, &w->diags),
                     LT_OK);
    w->routes_nodes[0] = lt_yaml_root(file);
    assert_int_equal(lt_routes_new(&w->config, w->tables, &w->diags, &fewer), LT_OK);
    start_with(w, fewer);
    append(w, 0, 3, NULL);
    run_to_the_end(w);
    assert_row(w, 0, 2, 3);
    core_world_close(w); /* and once more without: nobody has written the route's counter but who carried it on */
    append(w, 0, 4, NULL);
    run_to_the_end(w);
    assert_row(w, 0, 2, 4);
    start_with(w, w->routes);
    append(w, 0, 5, NULL);
    run_to_the_end(w);
    assert_row(w, 0, 3, 5);
    core_world_close(w);
    lt_routes_free(fewer);
    lt_yaml_free(file);
}

/* ---- reading lt.position ---- */

static struct {
    struct lt_log_ops ops;
    const struct lt_log_ops *real;
    int scans;
    int64_t records; /* of lt.position that were read */
} reading;

static struct {
    int (*fn)(void *ctx, const struct lt_log_record *r);
    void *ctx;
} counted_fn;

static int count_record(void *ctx LT_UNUSED, const struct lt_log_record *r)
{
    reading.records++;
    return counted_fn.fn(counted_fn.ctx, r);
}

static int counted_scan(struct lt_log *l, const char *topic, int32_t partition, int64_t from, int64_t to,
                        int (*fn)(void *ctx, const struct lt_log_record *r), void *ctx, struct lt_err *err)
{
    if (!topic || strcmp(topic, LT_TOPIC_POSITION) != 0)
        return reading.real->scan(l, topic, partition, from, to, fn, ctx, err);
    reading.scans++;
    counted_fn.fn = fn;
    counted_fn.ctx = ctx;
    return reading.real->scan(l, topic, partition, from, to, count_record, NULL, err);
}

static int open_counted(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    int r = lt_log_memory_new(((struct core_world *)ctx)->memory, s, ret, err);
    if (r != LT_OK)
        return r;
    reading.real = (*ret)->ops;
    reading.ops = *reading.real;
    reading.ops.scan = counted_scan;
    (*ret)->ops = &reading.ops;
    return LT_OK;
}

static void count_row(void *ctx, const struct lt_log_record *r LT_UNUSED)
{
    ++*(int64_t *)ctx;
}

static void the_position_topic_is_read_once_however_many_partitions_are_loaded(void **state)
{
    struct core_world *w = *state;
    for (int i = 0; i < 40; i++)
        append(w, i % 2, i, NULL);
    run_to_the_end(w);
    core_world_close(w);
    int64_t rows = 0;
    lt_memory_read(w->memory, LT_TOPIC_POSITION, 0, count_row, &rows);
    assert_true(rows > 2);
    reading.scans = 0;
    reading.records = 0;
    w->settings.open_log = open_counted;
    core_world_turns(w, 3);
    for (int i = 0; i < 2; i++)
        assert_int_equal(w->worker.partitions[i].state, LT_PARTITION_RUNNING);
    assert_int_equal(reading.records, rows);
    assert_int_equal(reading.scans, 1);
    /* Loaded again, a partition sees what was committed since, and no more than that is read. */
    append(w, 1, 50, NULL);
    run_to_the_end(w);
    int64_t more = -rows;
    lt_memory_read(w->memory, LT_TOPIC_POSITION, 0, count_row, &more);
    assert_true(more > 0);
    atomic_store(&w->worker.partitions[1].rebuild, true);
    core_world_turns(w, 3);
    assert_int_equal(w->worker.partitions[1].state, LT_PARTITION_RUNNING);
    assert_int_equal(reading.records, rows + more);
    append(w, 1, 51, NULL);
    run_to_the_end(w);
    assert_row(w, 1, 22, 22);
    core_world_close(w);
}

/* ---- an output that goes away and is made again ---- */

/* Eight events into the topic as it is made again; how many partitions of it have records then. */
static int32_t spread_when_remade(struct core_world *w, int32_t partitions, int first)
{
    struct remade r = {.memory = w->memory, .topic = CORE_PLAIN, .partitions = partitions, .begun_max = 8};
    int32_t used = 0;
    lt_memory_schedule(w->memory, remake, &r);
    for (int i = first; i < first + 8; i++)
        append(w, 0, i, NULL);
    run_to_the_end(w);
    lt_memory_schedule(w->memory, NULL, NULL);
    assert_true(r.there);
    assert_int_equal(lt_memory_count(w->memory, CORE_PLAIN), 8);
    for (int32_t p = 0; p < partitions; p++)
        used += lt_memory_end(w->memory, CORE_PLAIN, p) > 0;
    return used;
}

/* Of a topic that only grew every dossier keeps its partition: its readers rely on its order. */
static void an_output_that_was_made_again_is_divided_anew_only_where_it_has_fewer_partitions(void **state)
{
    struct core_world *w = *state;
    lt_memory_topic_drop(w->memory, CORE_PLAIN);
    lt_memory_topic(w->memory, CORE_PLAIN, 2, 0, false);
    append(w, 0, 1, NULL);
    run_to_the_end(w);
    assert_int_equal(spread_when_remade(w, 50, 10), 2);
    assert_int_equal(lt_memory_end(w->memory, CORE_PLAIN, 0) > 0, 1);
    assert_int_equal(lt_memory_end(w->memory, CORE_PLAIN, 1) > 0, 1);
    assert_int_equal(spread_when_remade(w, 1, 20), 1);
}

/* It loses its membership now and then; its dossiers keep their partitions as long as it lives. */
static void an_output_that_grew_is_divided_as_before_when_the_log_is_opened_again(void **state)
{
    struct core_world *w = *state;
    append(w, 0, 1, NULL);
    run_to_the_end(w);
    lt_memory_topic_drop(w->memory, CORE_PLAIN);
    lt_memory_topic(w->memory, CORE_PLAIN, 50, 0, false);
    w->worker.broken = true;
    for (int i = 10; i < 18; i++)
        append(w, 0, i, NULL);
    run_to_the_end(w);
    assert_int_equal(lt_memory_end(w->memory, CORE_PLAIN, 0) > 0, 1);
    for (int32_t p = 1; p < 50; p++)
        assert_int_equal(lt_memory_end(w->memory, CORE_PLAIN, p), 0);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, core_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(delivery_copies_carry_their_path_and_plain_copies_do_not),
        IN_A_WORLD(a_path_that_came_with_the_event_does_not_get_through),
        IN_A_WORLD(a_copy_has_its_origin_and_path_however_many_headers_its_event_has),
        IN_A_WORLD(a_conflict_names_the_record_it_conflicts_with),
        IN_A_WORLD(a_replay_reaches_plain_topics_only),
        IN_A_WORLD(a_replay_reaches_a_target_that_its_effects_name),
        IN_A_WORLD(a_replay_that_is_sent_again_is_a_duplicate_also_after_a_restart),
        IN_A_WORLD(the_position_topic_says_what_was_committed_and_counts_go_on_after_a_restart),
        IN_A_WORLD(a_worker_has_the_counters_again_before_it_judges),
        IN_A_WORLD(the_counter_of_a_route_that_was_away_goes_on_where_it_stood),
        IN_A_WORLD(the_position_topic_is_read_once_however_many_partitions_are_loaded),
        IN_A_WORLD(an_output_that_was_made_again_is_divided_anew_only_where_it_has_fewer_partitions),
        IN_A_WORLD(an_output_that_grew_is_divided_as_before_when_the_log_is_opened_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
