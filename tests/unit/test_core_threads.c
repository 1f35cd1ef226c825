/*
 * The core in its own thread while another reads status, metrics and receipts. The in-memory log belongs to the
 * worker's thread from start to stop: meanwhile this thread asks the core only.
 */
#include "tests/unit/core_world.h"

#include "gateway/base/clock.h"

#include <sched.h>

#define DEADLINE_MS 60000
#define PARTITIONS 2
#define EVENTS 400 /* a partition; each is sent twice */

/* Deadline passed? Lets the worker run. */
static bool is_late(int64_t since_ms)
{
    sched_yield();
    return lt_mono_ms() - since_ms > DEADLINE_MS;
}

static void append_all(struct core_world *w)
{
    for (int round = 0; round < 2; round++)
        for (int n = 0; n < EVENTS; n++)
            for (int32_t p = 0; p < PARTITIONS; p++)
                assert_int_equal(
                    core_world_append(w, &(struct core_event){.partition = p, .subject = n, .id = n, .digest = n}),
                    round * EVENTS + n);
}

static int64_t number_at(lt_json_value v, const char *name)
{
    int64_t n;
    assert_true(lt_json_int(lt_json_get(v, name), &n));
    return n;
}

/* Every status is one whole document whose numbers fit each other. Returns how many records are judged. */
static int64_t look_at_status(struct lt_core *core)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(64 * 1024);
    struct lt_json_writer writer;
    lt_json_writer_init(&writer, &out);
    lt_core_status(core, &writer);
    static const struct lt_json_limits limits = {.bytes_max = 64 * 1024, .depth_max = 8};
    LT_AUTO_JSON struct lt_json *j = NULL;
    assert_int_equal(lt_json_parse(lt_buf_view(&out), &limits, &j, NULL), LT_OK);
    lt_json_value root = lt_json_root(j), partitions = lt_json_get(root, "partitions");
    int64_t judged = 0;
    for (size_t i = 0; i < lt_json_len(partitions); i++) {
        lt_json_value p = lt_json_at(partitions, i);
        struct lt_span state;
        assert_true(lt_json_string(lt_json_get(p, "state"), &state));
        assert_false(lt_span_is(state, "stopped"));
        if (!lt_span_is(state, "running"))
            continue;
        struct lt_span files = LT_SPAN_NULL;
        assert_true(lt_json_string(lt_json_get(lt_json_get(p, "files"), "state"), &files));
        assert_true(lt_span_is(files, "off")); /* this world has no folder for them */
        int64_t offset = number_at(p, "offset");
        assert_int_equal(number_at(p, "new") + number_at(p, "duplicate"), offset);
        assert_int_equal(number_at(p, "conflict"), 0);
        judged += offset;
    }
    return judged;
}

static void look_at_metrics(struct lt_core *core)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(64 * 1024);
    lt_core_metrics(core, &out);
    assert_true(lt_span_starts(lt_buf_view(&out), "# HELP lt_core_events_total"));
    assert_non_null(strstr(out.ptr, "lt_core_index_files{state=\"gone-on-without\"} 0\n"));
    assert_non_null(strstr(out.ptr, "lt_core_index_files_passed_over 0\n"));
}

/* A receipt is pending or true. */
static bool is_decided(const struct lt_fate_port *port, int32_t partition, int n, int round)
{
    char id[LT_EVENT_ID_LEN + 1], digest[LT_EVENT_DIGEST_LEN + 1];
    struct lt_fate fate;
    int64_t offset = round * EVENTS + n;
    port->ask(port->ctx, partition, offset, core_event_id(id, n), core_event_digest(digest, n), &fate);
    if (fate.state == LT_FATE_PENDING)
        return false;
    assert_int_equal(fate.state, LT_FATE_DECIDED);
    assert_int_equal(fate.verdict, round == 0 ? LT_VERDICT_NEW : LT_VERDICT_DUPLICATE);
    assert_int_equal(fate.first_offset, n);
    return true;
}

/* A world full of events and a running core on it. */
static struct core_world *core_begin(struct lt_core **ret)
{
    struct core_world *w = lt_alloc(sizeof(*w));
    core_world_init(w, &(struct core_world_plan){.partitions = PARTITIONS, .commit_records = 7});
    core_world_genesis(w);
    append_all(w);
    *ret = lt_core_new(&w->settings);
    assert_int_equal(look_at_status(*ret), 0); /* may be asked before it runs */
    assert_false(lt_core_ready(*ret));
    assert_int_equal(lt_core_run(*ret, NULL), LT_OK);
    return w;
}

static void world_free(struct core_world *w)
{
    core_world_deinit(w);
    free(w);
}

static void status_and_receipts_are_read_while_the_worker_judges(void **state)
{
    (void)state;
    struct lt_core *core;
    int64_t since = lt_mono_ms();
    struct core_world *w = core_begin(&core);
    while (!lt_core_ready(core)) /* until then nobody owns the partitions, and receipts would ask Kafka who does */
        assert_false(is_late(since));
    struct lt_fate_port port = lt_core_fate(core);
    int64_t judged = 0, looks = 0;
    for (int i = 0; i < 2 * EVENTS * PARTITIONS; i++)
        for (;; looks++) {
            int64_t now = look_at_status(core);
            assert_true(now >= judged); /* never backwards */
            judged = now;
            if (looks % 16 == 0)
                look_at_metrics(core);
            if (is_decided(&port, i % PARTITIONS, i / PARTITIONS % EVENTS, i / PARTITIONS / EVENTS))
                break;
            assert_false(is_late(since));
        }
    assert_int_equal(judged, 2 * EVENTS * PARTITIONS);
    lt_core_stop(core);
    lt_core_free(core);
    assert_int_equal(w->fatal_code, 0);
    assert_true(core_world_finished(w));
    assert_int_equal(lt_memory_count(w->memory, CORE_PLAIN), EVENTS * PARTITIONS);
    world_free(w);
}

static void a_core_told_to_stop_in_the_middle_leaves_whole_batches(void **state)
{
    (void)state;
    struct lt_core *core;
    int64_t since = lt_mono_ms();
    struct core_world *w = core_begin(&core);
    while (look_at_status(core) == 0)
        assert_false(is_late(since));
    lt_core_stop(core);
    lt_core_free(core);
    int64_t judged = 0, copies = 0;
    for (int32_t p = 0; p < PARTITIONS; p++) {
        struct lt_position position;
        judged += core_world_committed(w, p, &position);
        copies += (int64_t)position.verdicts[LT_VERDICT_NEW];
    }
    assert_true(judged > 0);
    assert_int_equal(lt_memory_count(w->memory, CORE_PLAIN), copies);
    for (int i = 0; i < 1000 && !core_world_finished(w); i++) /* another process goes on */
        core_world_turn(w);
    core_world_must_finish(w);
    assert_int_equal(lt_memory_count(w->memory, CORE_PLAIN), EVENTS * PARTITIONS);
    world_free(w);
}

static atomic_bool held; /* no log is opened: the thread that wants one hangs */

static int open_held(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    struct core_world *w = ctx;
    WAIT_UNTIL(!atomic_load(&held));
    return lt_log_memory_new(w->memory, s, ret, err);
}

static bool metrics_have(struct lt_core *core, const char *part)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(64 * 1024);
    lt_core_metrics(core, &out);
    lt_buf_char(&out, '\0');
    return strstr(out.ptr, part) != NULL;
}

static void a_thread_that_hangs_is_seen_by_its_silence(void **state)
{
    (void)state;
    struct core_world w;
    core_world_init(&w, &(struct core_world_plan){.partitions = PARTITIONS, .commit_records = 7});
    core_world_genesis(&w);
    w.settings.open_log = open_held;
    w.settings.hangs_ms = 1000;
    atomic_store(&held, true);
    struct lt_core *core = lt_core_new(&w.settings);
    assert_false(lt_core_hangs(core));
    assert_true(metrics_have(core, "\nlt_core_silent_ms{worker=\"0\"} "));
    assert_int_equal(lt_core_run(core, NULL), LT_OK);
    WAIT_UNTIL(lt_core_hangs(core));
    assert_false(lt_core_ready(core));
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(64 * 1024);
    struct lt_json_writer writer;
    lt_json_writer_init(&writer, &out);
    lt_core_status(core, &writer);
    lt_buf_char(&out, '\0');
    assert_non_null(strstr(out.ptr, "\"hangs\":true"));
    atomic_store(&held, false);
    WAIT_UNTIL(lt_core_ready(core) && !lt_core_hangs(core));
    lt_core_stop(core);
    lt_core_free(core);
    core_world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_and_receipts_are_read_while_the_worker_judges),
        cmocka_unit_test(a_core_told_to_stop_in_the_middle_leaves_whole_batches),
        cmocka_unit_test(a_thread_that_hangs_is_seen_by_its_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
