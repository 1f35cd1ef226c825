/*
 * The worker on the in-memory log: every fault at every step, and every stop. The oracle is the list of what was
 * appended, judged by a few lines that share nothing with the code under test.
 */
#include "tests/unit/core_world.h"

#include <inttypes.h>
#include <stdio.h>

#define PARTITIONS 2
#define SENT_MAX 256

/* One record of intake as the test knows it. */
struct sent {
    int32_t partition;
    int64_t offset;
    int key, id, digest;
    bool broken; /* without ce_id */
};

struct world {
    struct core_world core;
    struct sent sent[SENT_MAX];
    size_t sent_len;
};

static struct world *world_new(size_t plain_max)
{
    struct world *w = lt_alloc(sizeof(*w));
    core_world_init(&w->core,
                    &(struct core_world_plan){.partitions = PARTITIONS, .plain_max = plain_max, .commit_records = 7});
    return w;
}

static void world_free(struct world *w)
{
    core_world_deinit(&w->core);
    free(w);
}

/* One turn; a process that crashed or was told to end is started again, as a service manager would. */
static void turn(struct world *w)
{
    core_world_retry_now(&w->core);
    core_world_turn(&w->core);
    struct lt_log *log = w->core.worker.log;
    if (w->core.fatal_code || (log && lt_memory_crashed(log))) {
        w->core.fatal_code = 0;
        core_world_close(&w->core);
    }
}

static void append_value(struct world *w, int key, int id, int digest, bool broken, const char *value)
{
    struct core_event e = {key % PARTITIONS, key, id, digest, broken, value, NULL, 0};
    assert_true(w->sent_len < SENT_MAX);
    int64_t offset = core_world_append(&w->core, &e);
    w->sent[w->sent_len++] = (struct sent){e.partition, offset, key, id, digest, broken};
}

static void append(struct world *w, int key, int id, int digest)
{
    append_value(w, key, id, digest, false, NULL);
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
    assert_span_is(part[0], CORE_INCARNATION_HEX);
    assert_true(c->len < SENT_MAX);
    c->partition[c->len] = (int32_t)p;
    c->offset[c->len++] = (int64_t)o;
}

/* The topic holds exactly the records of that verdict, each once, each partition's in order. */
static void assert_output(struct world *w, const char *topic, enum lt_verdict_kind verdict)
{
    struct collected *c = lt_alloc(sizeof(*c));
    lt_memory_read(w->core.memory, topic, 0, collect_origin, c);
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
        struct lt_position position;
        uint64_t want[LT_VERDICTS] = {0};
        int64_t end = lt_memory_end(w->core.memory, LT_TOPIC_INTAKE, p);
        assert_int_equal(core_world_committed(&w->core, p, &position), end);
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
    assert_output(w, CORE_HOP, LT_VERDICT_NEW);
    assert_output(w, CORE_PLAIN, LT_VERDICT_NEW);
    assert_output(w, LT_TOPIC_QUARANTINE, LT_VERDICT_CONFLICT);
    assert_output(w, LT_TOPIC_DEADLETTER, LT_VERDICT_INVALID);
    assert_positions(w);
}

static void run_to_the_end(struct world *w, int turns)
{
    for (int i = 0; i < turns && !core_world_finished(&w->core); i++)
        turn(w);
    core_world_must_finish(&w->core);
}

/* ---- undisturbed ---- */

static void every_event_gets_its_verdict_once_and_its_copies(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    core_world_genesis(&w->core);
    append_mix(w);
    run_to_the_end(w, 50);
    assert_as_undisturbed(w);
    world_free(w);
}

static void the_same_events_sent_again_change_no_output(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    core_world_genesis(&w->core);
    append_mix(w);
    run_to_the_end(w, 50);
    size_t before = lt_memory_count(w->core.memory, CORE_PLAIN) + lt_memory_count(w->core.memory, LT_TOPIC_QUARANTINE);
    struct sent first[SENT_MAX];
    size_t n = w->sent_len;
    memcpy(first, w->sent, sizeof(first));
    for (size_t i = 0; i < n; i++)
        if (!first[i].broken)
            append(w, first[i].key, first[i].id, first[i].digest);
    run_to_the_end(w, 50);
    assert_int_equal(lt_memory_count(w->core.memory, CORE_PLAIN) + lt_memory_count(w->core.memory, LT_TOPIC_QUARANTINE),
                     before);
    assert_as_undisturbed(w);
    world_free(w);
}

static void a_restart_rebuilds_the_index_from_the_log_and_goes_on(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    core_world_genesis(&w->core);
    append_mix(w);
    run_to_the_end(w, 50);
    core_world_close(&w->core);
    append_mix(w); /* all of it known */
    run_to_the_end(w, 50);
    assert_as_undisturbed(w);
    world_free(w);
}

static void a_re_send_after_the_window_is_new_and_the_rebuilt_index_agrees(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    core_world_genesis(&w->core);
    append(w, 0, 1, 1);
    run_to_the_end(w, 50);
    lt_memory_advance(w->core.memory, CORE_WINDOW_MS + 3 * lt_window_of(CORE_WINDOW_MS).generation_ms);
    append(w, 0, 1, 1);
    run_to_the_end(w, 50);
    assert_int_equal(lt_memory_count(w->core.memory, CORE_PLAIN), 2);
    core_world_close(&w->core);
    append(w, 0, 1, 1);
    run_to_the_end(w, 50);
    assert_int_equal(lt_memory_count(w->core.memory, CORE_PLAIN), 2);
    world_free(w);
}

/* ---- one fault, everywhere ---- */

static uint64_t steps_of_an_undisturbed_run(void)
{
    struct world *w = world_new(0);
    core_world_genesis(&w->core);
    append_mix(w);
    run_to_the_end(w, 50);
    uint64_t steps = lt_memory_steps(w->core.memory);
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
            core_world_genesis(&w->core);
            append_mix(w);
            lt_memory_fault_at(w->core.memory, n, (enum lt_memory_fault)fault);
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
        core_world_genesis(&w->core);
        append_mix(w);
        lt_memory_chaos(w->core.memory, seed, 60, ~(unsigned)(1u << LT_FAULT_NONE));
        for (int i = 0; i < 300 && !core_world_finished(&w->core); i++) {
            turn(w);
            lt_memory_advance(w->core.memory, 40);
        }
        lt_memory_schedule(w->core.memory, NULL, NULL);
        lt_memory_advance(w->core.memory, 60000);
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
    core_world_genesis(&w->core);
    append(w, 0, 1, 1);
    append_value(w, 0, 2, 2, false, big);
    append(w, 0, 3, 3);
    run_to_the_end(w, 100);
    assert_int_equal(lt_memory_count(w->core.memory, CORE_PLAIN), 2);
    assert_int_equal(lt_memory_count(w->core.memory, CORE_HOP), 3);
    assert_int_equal(lt_memory_count(w->core.memory, LT_TOPIC_DEADLETTER), 1);
    struct lt_position position;
    (void)core_world_committed(&w->core, 0, &position);
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

/* A world that has judged the mix, closed, ready to be tampered with. */
static struct world *judged_world(void)
{
    struct world *w = world_new(0);
    core_world_genesis(&w->core);
    append_mix(w);
    run_to_the_end(w, 50);
    core_world_close(&w->core);
    return w;
}

static void without_a_first_position_it_stops_not_initialised_and_goes_on_once_it_is_there(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    turns(w, 3);
    core_world_must_stop(&w->core, 0, LT_STOP_NOT_INITIALISED);
    core_world_genesis(&w->core);
    append_mix(w);
    run_to_the_end(w, 50);
    assert_as_undisturbed(w);
    world_free(w);
}

/* As if it had been seen so much longer. */
static void lose_for(struct world *w, int64_t ms)
{
    core_world_must_stop(&w->core, 0, LT_STOP_WAITING);
    w->core.worker.partitions[0].lost_since_ms -= ms;
    core_world_retry_now(&w->core);
    turns(w, 3);
}

static void lost_offsets_stop_one_partition_and_the_other_goes_on(void **state)
{
    (void)state;
    struct world *w = judged_world();
    lt_memory_offset_set(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, -1, "");
    append(w, 1, 77, 77);
    turns(w, 5);
    lose_for(w, 20000);
    core_world_must_stop(&w->core, 0, LT_STOP_OFFSETS_LOST);
    assert_int_equal(core_world_committed(&w->core, 1, NULL), lt_memory_end(w->core.memory, LT_TOPIC_INTAKE, 1));
    world_free(w);
}

/* Deleting a topic deletes its offsets. Begun anew at 0 it would forget what was judged and what never was. */
static void an_intake_that_was_deleted_and_made_again_is_not_a_first_beginning(void **state)
{
    (void)state;
    struct world *w = judged_world();
    for (int32_t p = 0; p < 2; p++) {
        lt_memory_truncate(w->core.memory, LT_TOPIC_INTAKE, p, 0);
        lt_memory_offset_set(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, p, -1, "");
    }
    turns(w, 3);
    core_world_must_stop(&w->core, 0, LT_STOP_WAITING);
    lose_for(w, 20000);
    core_world_must_stop(&w->core, 0, LT_STOP_OFFSETS_LOST);
    assert_non_null(strstr(w->core.worker.partitions[0].stop_text, "was made again"));
    world_free(w);
}

static void offsets_that_a_broker_tells_only_after_a_while_are_waited_for(void **state)
{
    (void)state;
    struct world *w = judged_world();
    struct lt_log_offset at;
    lt_memory_offset_get(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, &at);
    lt_memory_offset_set(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, -1, "");
    append(w, 0, 77, 77);
    turns(w, 3);
    lose_for(w, 19000);
    core_world_must_stop(&w->core, 0, LT_STOP_WAITING);
    lt_memory_offset_set(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, at.offset, at.metadata);
    run_to_the_end(w, 50);
    assert_int_equal(core_world_committed(&w->core, 0, NULL), lt_memory_end(w->core.memory, LT_TOPIC_INTAKE, 0));
    assert_int_equal(w->core.worker.partitions[0].lost_since_ms, 0); /* the next time counts anew */
    world_free(w);
}

static enum lt_memory_fault no_answer(void *ctx LT_UNUSED, const char *instance_id LT_UNUSED, enum lt_memory_step step,
                                      uint64_t number LT_UNUSED)
{
    return step == LT_STEP_COMMITTED ? LT_FAULT_RETRY : LT_FAULT_NONE;
}

/* A broker that starts tells of none, is away for long, and tells of none once more: that is one look, not a long one.
 */
static void offsets_that_were_not_looked_at_meanwhile_are_not_taken_for_lost(void **state)
{
    (void)state;
    struct world *w = judged_world();
    lt_memory_offset_set(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, -1, "");
    append(w, 0, 77, 77);
    turns(w, 3);
    lt_memory_schedule(w->core.memory, no_answer, NULL);
    lose_for(w, 60000);
    core_world_must_stop(&w->core, 0, LT_STOP_WAITING);
    lt_memory_schedule(w->core.memory, NULL, NULL);
    core_world_retry_now(&w->core);
    turns(w, 3);
    core_world_must_stop(&w->core, 0, LT_STOP_WAITING);
    lose_for(w, 20000);
    core_world_must_stop(&w->core, 0, LT_STOP_OFFSETS_LOST);
    world_free(w);
}

/* What lt.position holds is newer than what the group tells of: Kafka 4.1.1 does that after a kill -9 (decision 15).
 */
static void an_older_position_than_was_committed_is_never_decided_from(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    struct lt_log_offset before, at;
    core_world_genesis(&w->core);
    append(w, 0, 1, 1);
    run_to_the_end(w, 50);
    lt_memory_offset_get(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, &before);
    append(w, 0, 2, 2);
    append(w, 1, 3, 3);
    run_to_the_end(w, 50);
    lt_memory_offset_get(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, &at);
    assert_true(at.offset > before.offset);
    core_world_close(&w->core);
    lt_memory_offset_set(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, before.offset, before.metadata);
    append(w, 1, 4, 4);
    turns(w, 5);
    lose_for(w, 20000);
    core_world_must_stop(&w->core, 0, LT_STOP_OFFSETS_LOST);
    assert_int_equal(core_world_committed(&w->core, 1, NULL), lt_memory_end(w->core.memory, LT_TOPIC_INTAKE, 1));
    lt_memory_offset_set(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, at.offset, at.metadata);
    core_world_retry_now(&w->core);
    turns(w, 3);
    run_to_the_end(w, 50);
    assert_int_equal(w->core.worker.partitions[0].state, LT_PARTITION_RUNNING);
    assert_int_equal(w->core.worker.partitions[0].lost_since_ms, 0);
    assert_as_undisturbed(w);
    world_free(w);
}

static void an_offset_set_by_a_tool_stops_as_moved(void **state)
{
    (void)state;
    struct world *w = judged_world();
    lt_memory_offset_set(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, 3, "");
    turns(w, 3);
    core_world_must_stop(&w->core, 0, LT_STOP_MOVED);
    world_free(w);
}

static void another_incarnation_stops_as_intake_changed(void **state)
{
    (void)state;
    struct world *w = judged_world();
    char metadata[LT_POSITION_MAX];
    lt_position_genesis(0xbad, PARTITIONS, CORE_WINDOW_MS, metadata);
    lt_memory_offset_set(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 1, 0, metadata);
    turns(w, 3);
    core_world_must_stop(&w->core, 1, LT_STOP_INTAKE_CHANGED);
    world_free(w);
}

static void a_position_written_for_another_partition_count_stops_as_intake_changed(void **state)
{
    (void)state;
    struct world *w = judged_world();
    struct lt_position position;
    char metadata[LT_POSITION_MAX];
    int64_t offset = core_world_committed(&w->core, 0, &position);
    position.partitions = PARTITIONS + 1;
    lt_position_format(&position, metadata);
    lt_memory_offset_set(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, offset, metadata);
    append(w, 0, 70, 70);
    append(w, 1, 71, 71);
    turns(w, 5);
    core_world_must_stop(&w->core, 0, LT_STOP_INTAKE_CHANGED);
    assert_non_null(strstr(w->core.worker.partitions[0].stop_text, "2 partitions, the position was written for 3"));
    assert_int_equal(core_world_committed(&w->core, 0, NULL), offset);
    assert_int_equal(core_world_committed(&w->core, 1, NULL), lt_memory_end(w->core.memory, LT_TOPIC_INTAKE, 1));
    world_free(w);
}

static void records_deleted_before_they_were_judged_stop_with_their_number(void **state)
{
    (void)state;
    struct world *w = judged_world();
    append(w, 0, 70, 70);
    append(w, 0, 71, 71);
    lt_memory_delete_head(w->core.memory, LT_TOPIC_INTAKE, 0, lt_memory_end(w->core.memory, LT_TOPIC_INTAKE, 0));
    turns(w, 3);
    core_world_must_stop(&w->core, 0, LT_STOP_UNJUDGED_DELETED);
    assert_non_null(strstr(w->core.worker.partitions[0].stop_text, "2 records"));
    world_free(w);
}

static void a_log_that_starts_inside_the_window_stops_as_truncated(void **state)
{
    (void)state;
    struct world *w = judged_world();
    lt_memory_delete_head(w->core.memory, LT_TOPIC_INTAKE, 0, 4);
    append(w, 0, 70, 70);
    turns(w, 3);
    core_world_must_stop(&w->core, 0, LT_STOP_TRUNCATED);
    world_free(w);
}

static void a_quiet_partition_whose_log_has_expired_goes_on(void **state)
{
    (void)state;
    struct world *w = judged_world();
    lt_memory_advance(w->core.memory, CORE_WINDOW_MS + 5 * lt_window_of(CORE_WINDOW_MS).generation_ms);
    lt_memory_delete_head(w->core.memory, LT_TOPIC_INTAKE, 0, lt_memory_end(w->core.memory, LT_TOPIC_INTAKE, 0));
    turns(w, 3);
    core_world_must_stop(&w->core, 0, LT_STOP_WAITING); /* no record at the committed offset yet: nothing to decide */
    append(w, 0, 70, 70);
    run_to_the_end(w, 50);
    world_free(w);
}

static void a_hole_in_the_past_or_ahead_stops(void **state)
{
    (void)state;
    struct world *w = judged_world();
    lt_memory_remove(w->core.memory, LT_TOPIC_INTAKE, 0, 5);
    turns(w, 3);
    core_world_must_stop(&w->core, 0, LT_STOP_HOLE);
    world_free(w);

    w = judged_world();
    turns(w, 3);
    lt_memory_hole(w->core.memory, LT_TOPIC_INTAKE, 0, 2);
    append(w, 0, 70, 70);
    turns(w, 3);
    core_world_must_stop(&w->core, 0, LT_STOP_HOLE);
    world_free(w);
}

static void a_log_whose_last_judged_record_is_another_stops_as_intake_changed(void **state)
{
    (void)state;
    struct world *w = judged_world();
    int64_t end = lt_memory_end(w->core.memory, LT_TOPIC_INTAKE, 0);
    lt_memory_truncate(w->core.memory, LT_TOPIC_INTAKE, 0, end - 1);
    append(w, 0, 70, 70);
    append(w, 0, 71, 71);
    turns(w, 3);
    core_world_must_stop(&w->core, 0, LT_STOP_INTAKE_CHANGED);
    world_free(w);
}

static void a_position_whose_sum_the_log_does_not_give_stops_as_index_differs(void **state)
{
    (void)state;
    struct world *w = judged_world();
    struct lt_position position;
    char metadata[LT_POSITION_MAX];
    int64_t offset = core_world_committed(&w->core, 0, &position);
    position.sum ^= 1;
    lt_position_format(&position, metadata);
    lt_memory_offset_set(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, offset, metadata);
    turns(w, 3);
    core_world_must_stop(&w->core, 0, LT_STOP_INDEX_DIFFERS);
    world_free(w);
}

static void another_configured_window_is_taken_over_without_comparison(void **state)
{
    (void)state;
    struct world *w = judged_world();
    w->core.config.window_ms = CORE_WINDOW_MS / 2;
    append(w, 0, 1, 99);
    append(w, 0, 200, 200);
    turns(w, 20);
    struct lt_position position;
    (void)core_world_committed(&w->core, 0, &position);
    assert_int_equal(position.window.generation_ms, lt_window_of(CORE_WINDOW_MS / 2).generation_ms);
    world_free(w);
}

static void a_position_of_the_former_format_is_taken_over_without_comparison_this_once(void **state)
{
    (void)state;
    struct world *w = judged_world();
    struct lt_log_offset at;
    for (int32_t p = 0; p < w->core.partitions; p++) {
        lt_memory_offset_get(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, p, &at);
        struct lt_position position;
        assert_int_equal(lt_position_parse(lt_span_str(at.metadata), &position, NULL), LT_OK);
        position.sum ^= 0x77; /* of an index by other keys */
        lt_position_format(&position, at.metadata);
        at.metadata[1] = '1';
        lt_memory_offset_set(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, p, at.offset, at.metadata);
    }
    append_mix(w); /* the same once more: duplicates all */
    run_to_the_end(w, 50);
    core_world_close(&w->core);
    lt_memory_offset_get(w->core.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, &at);
    assert_memory_equal(at.metadata, "c2 ", 3);
    append(w, 0, 900, 900);
    run_to_the_end(w, 50); /* and from now on it is compared again */
    world_free(w);
}

static void a_missing_output_topic_stops_and_is_never_a_dead_letter(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    core_world_genesis(&w->core);
    append_mix(w);
    lt_memory_topic_drop(w->core.memory, CORE_PLAIN);
    turns(w, 4);
    core_world_must_stop(&w->core, 0, LT_STOP_TOPIC_MISSING);
    assert_int_equal(lt_memory_count(w->core.memory, LT_TOPIC_DEADLETTER), 0);
    lt_memory_topic(w->core.memory, CORE_PLAIN, 1, 0, false);
    run_to_the_end(w, 50);
    assert_as_undisturbed(w);
    world_free(w);
}

static void an_index_that_does_not_fit_its_memory_stops_the_partition(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    core_world_genesis(&w->core);
    w->core.config.core.index_memory = 1; /* not even one entry more than the smallest table */
    append(w, 0, 1, 1);
    run_to_the_end(w, 20); /* the smallest table holds it */
    for (int round = 0; round < 5; round++) {
        core_world_close(&w->core);
        w->sent_len = 0;
        for (int i = 0; i < 220; i++)
            append(w, 0, 1000 + round * 220 + i, i);
        turns(w, 60);
    }
    core_world_must_stop(&w->core, 0, LT_STOP_INDEX_FULL);
    world_free(w);
}

/* Nothing but the clock makes room in a full index, and only the next record moves the clock. */
static void a_partition_that_was_full_goes_on_when_the_next_record_expires_what_filled_it(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    core_world_genesis(&w->core);
    w->core.config.core.index_memory = 1;
    for (int round = 0; round < 5; round++) {
        w->sent_len = 0;
        for (int i = 0; i < 200; i++)
            append(w, 0, 1000 + round * 200 + i, i);
        turns(w, 60);
    }
    assert_int_equal(w->core.worker.partitions[0].state, LT_PARTITION_RUNNING);
    lt_memory_advance(w->core.memory, CORE_WINDOW_MS + 5 * lt_window_of(CORE_WINDOW_MS).generation_ms);
    append(w, 0, 9000, 1);
    run_to_the_end(w, 20);
    world_free(w);
}

static void a_broker_loss_makes_it_read_its_last_record_again(void **state)
{
    (void)state;
    struct world *w = judged_world();
    turns(w, 3);
    assert_int_equal(w->core.worker.partitions[0].state, LT_PARTITION_RUNNING);
    int64_t end = lt_memory_end(w->core.memory, LT_TOPIC_INTAKE, 0);
    lt_memory_truncate(w->core.memory, LT_TOPIC_INTAKE, 0, end - 1);
    append(w, 0, 70, 70);
    lt_memory_disturb(w->core.memory);
    turns(w, 2);
    core_world_must_stop(&w->core, 0, LT_STOP_INTAKE_CHANGED);
    world_free(w);
}

static void a_twin_ends_the_process_with_78(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    core_world_genesis(&w->core);
    append_mix(w);
    core_world_open(&w->core);
    lt_worker_turn(&w->core.worker);
    struct lt_worker second;
    lt_worker_init(&second, &w->core.settings, 0);
    lt_worker_turn(&second);
    for (int i = 0; i < 20 && !w->core.fatal_code; i++)
        lt_worker_turn(&w->core.worker);
    assert_int_equal(w->core.fatal_code, 78);
    w->core.fatal_code = 0;
    core_world_close(&w->core);
    lt_worker_close(&second);
    lt_worker_deinit(&second);
    run_to_the_end(w, 50);
    assert_as_undisturbed(w);
    world_free(w);
}

static enum lt_memory_fault take_often(void *ctx, const char *instance_id LT_UNUSED, enum lt_memory_step step LT_UNUSED,
                                       uint64_t number LT_UNUSED)
{
    uint64_t *n = ctx;
    return ++*n % 40 == 0 ? LT_FAULT_TAKEN : LT_FAULT_NONE;
}

static void a_membership_that_no_twin_took_never_ends_the_process_however_often(void **state)
{
    (void)state;
    struct world *w = world_new(0);
    uint64_t n = 0;
    core_world_genesis(&w->core);
    append_mix(w);
    lt_memory_schedule(w->core.memory, take_often, &n);
    core_world_open(&w->core);
    for (int i = 0; i < 60; i++) {
        lt_worker_turn(&w->core.worker);
        assert_int_equal(w->core.fatal_code, 0);
    }
    assert_true(n > 120); /* it was taken several times */
    lt_memory_schedule(w->core.memory, NULL, NULL);
    core_world_close(&w->core);
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
        cmocka_unit_test(any_one_fault_at_any_step_changes_nothing_in_what_is_committed),
        cmocka_unit_test(many_faults_by_seed_change_nothing_in_what_is_committed),
        cmocka_unit_test(a_copy_that_does_not_fit_becomes_a_dead_letter_and_the_others_stay),
        cmocka_unit_test(without_a_first_position_it_stops_not_initialised_and_goes_on_once_it_is_there),
        cmocka_unit_test(lost_offsets_stop_one_partition_and_the_other_goes_on),
        cmocka_unit_test(an_intake_that_was_deleted_and_made_again_is_not_a_first_beginning),
        cmocka_unit_test(offsets_that_a_broker_tells_only_after_a_while_are_waited_for),
        cmocka_unit_test(offsets_that_were_not_looked_at_meanwhile_are_not_taken_for_lost),
        cmocka_unit_test(an_older_position_than_was_committed_is_never_decided_from),
        cmocka_unit_test(an_offset_set_by_a_tool_stops_as_moved),
        cmocka_unit_test(another_incarnation_stops_as_intake_changed),
        cmocka_unit_test(a_position_written_for_another_partition_count_stops_as_intake_changed),
        cmocka_unit_test(records_deleted_before_they_were_judged_stop_with_their_number),
        cmocka_unit_test(a_log_that_starts_inside_the_window_stops_as_truncated),
        cmocka_unit_test(a_quiet_partition_whose_log_has_expired_goes_on),
        cmocka_unit_test(a_hole_in_the_past_or_ahead_stops),
        cmocka_unit_test(a_log_whose_last_judged_record_is_another_stops_as_intake_changed),
        cmocka_unit_test(a_position_whose_sum_the_log_does_not_give_stops_as_index_differs),
        cmocka_unit_test(another_configured_window_is_taken_over_without_comparison),
        cmocka_unit_test(a_position_of_the_former_format_is_taken_over_without_comparison_this_once),
        cmocka_unit_test(a_missing_output_topic_stops_and_is_never_a_dead_letter),
        cmocka_unit_test(an_index_that_does_not_fit_its_memory_stops_the_partition),
        cmocka_unit_test(a_partition_that_was_full_goes_on_when_the_next_record_expires_what_filled_it),
        cmocka_unit_test(a_broker_loss_makes_it_read_its_last_record_again),
        cmocka_unit_test(a_twin_ends_the_process_with_78),
        cmocka_unit_test(a_membership_that_no_twin_took_never_ends_the_process_however_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
