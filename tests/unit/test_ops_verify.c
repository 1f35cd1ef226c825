/*
 * Verification and relog on what a real worker wrote to the log in memory: verdicts computed anew agree with an
 * undisturbed run, and every way in which outputs and log can differ is found.
 */
#include "gateway/ops/relog.h"
#include "gateway/ops/verify.h"
#include "tests/unit/core_world.h"

#include <stdio.h>

static void init_world(struct core_world *w)
{
    core_world_init(
        w, &(struct core_world_plan){
               .partitions = 1, .plain_max = 900, .commit_records = 7, .told = "[duplicate, conflict, invalid]"});
    core_world_genesis(w);
}

static void append(struct core_world *w, int id, int digest)
{
    (void)core_world_append(w, &(struct core_event){.partition = 0, .subject = id, .id = id, .digest = digest});
}

static void run_to_the_end(struct core_world *w)
{
    for (int i = 0; i < 100 && !core_world_finished(w); i++) {
        core_world_retry_now(w);
        core_world_turn(w);
    }
    core_world_must_finish(w);
}

/* Re-sends, conflicts, one that is no event, one copy that does not fit. 24 records. */
static void append_mix(struct core_world *w)
{
    char big[1024];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    for (int i = 0; i < 22; i++)
        append(w, i % 9, i % 5 == 4 ? 100 + i % 3 : i % 9);
    (void)core_world_append(w, &(struct core_event){.partition = 0, .subject = 1, .broken = true});
    (void)core_world_append(w, &(struct core_event){.subject = 77, .id = 77, .digest = 77, .value = big});
}

static void want(void *ctx, const struct lt_log_record *r)
{
    lt_verify_want(ctx, r);
}

static void judge(void *ctx, const struct lt_log_record *r)
{
    lt_verify_log(ctx, r);
}

static void feed_verify(void *ctx, const struct lt_log_record *r)
{
    struct lt_output_copy copy;
    if (lt_output_copy_of(r, &copy))
        lt_verify_copy(ctx, &copy);
}

static void feed_relog(void *ctx, const struct lt_log_record *r)
{
    struct lt_output_copy copy;
    if (lt_output_copy_of(r, &copy))
        lt_relog_copy(ctx, &copy);
}

static void read_outputs(struct core_world *w, void (*fn)(void *ctx, const struct lt_log_record *r), void *ctx)
{
    static const char *const topics[] = {LT_TOPIC_QUARANTINE, LT_TOPIC_DEADLETTER, CORE_HOP,
                                         CORE_PLAIN,          LT_TOPIC_UNROUTED,   LT_TOPIC_PROVINCE};
    for (size_t i = 0; i < LT_ARRAY_LEN(topics); i++)
        lt_memory_read(w->memory, topics[i], 0, fn, ctx);
}

struct first {
    int64_t offset;
};

static void take_first(void *ctx, const struct lt_log_record *r)
{
    struct first *f = ctx;
    if (f->offset < 0)
        f->offset = r->offset;
}

static struct lt_verify *verified(struct core_world *w, int64_t from, int64_t to, struct lt_verify_result *ret)
{
    struct lt_window window = lt_window_of(CORE_WINDOW_MS);
    struct lt_verify *v = lt_verify_new(w->routes, &window, CORE_INCARNATION, 0, from, to);
    lt_memory_read(w->memory, LT_TOPIC_INTAKE, 0, want, v);
    lt_memory_read(w->memory, LT_TOPIC_INTAKE, 0, judge, v);
    read_outputs(w, feed_verify, v);
    lt_verify_finish(v, ret);
    return v;
}

static void must_find(const struct lt_verify_result *x, uint64_t lost, uint64_t doubled, uint64_t wrong)
{
    assert_int_equal(x->counts[LT_VERIFY_LOST], lost);
    assert_int_equal(x->counts[LT_VERIFY_DOUBLED], doubled);
    assert_int_equal(x->counts[LT_VERIFY_WRONG_VERDICT], wrong);
}

static void an_undisturbed_run_verifies_and_the_verdicts_are_those_of_the_position(void **state)
{
    (void)state;
    struct core_world w;
    struct lt_verify_result x;
    struct lt_position p;
    init_world(&w);
    append_mix(&w);
    run_to_the_end(&w);
    lt_memory_advance(w.memory, CORE_WINDOW_MS + 3 * lt_window_of(CORE_WINDOW_MS).generation_ms);
    append(&w, 1, 1); /* expired: new again */
    append(&w, 1, 1);
    run_to_the_end(&w);
    int64_t end = core_world_committed(&w, 0, &p);
    struct lt_verify *v = verified(&w, 0, end, &x);
    must_find(&x, 0, 0, 0);
    assert_int_equal(x.counts[LT_VERIFY_OTHER_ROUTES], 0);
    assert_int_equal(x.records, end);
    for (int i = 0; i < LT_VERDICTS; i++)
        assert_int_equal(x.verdicts[i], p.verdicts[i]);
    assert_true(p.verdicts[LT_VERDICT_CONFLICT] > 0 && p.verdicts[LT_VERDICT_INVALID] == 1 && p.undeliverable == 1);
    lt_verify_free(v);

    v = verified(&w, end - 2, end, &x); /* a part of it, judged by what lies before */
    must_find(&x, 0, 0, 0);
    assert_int_equal(x.verdicts[LT_VERDICT_NEW], 1);
    assert_int_equal(x.verdicts[LT_VERDICT_DUPLICATE], 1);
    lt_verify_free(v);
    core_world_deinit(&w);
}

static void replays_are_told_apart_by_ids_of_any_length(void **state)
{
    (void)state;
    struct core_world w;
    struct lt_verify_result x;
    char id[400];
    init_world(&w);
    append(&w, 1, 1);
    memset(id, 'r', sizeof(id));
    for (int i = 0; i < 3; i++) { /* two of one replay, one of another that begins alike */
        struct lt_header more[] = {{LT_SPAN_LIT("lt_replay"), lt_span(id, sizeof(id) - (i == 2))},
                                   {LT_SPAN_NULL, LT_SPAN_NULL}};
        (void)core_world_append(&w, &(struct core_event){.subject = 1, .id = 1, .digest = 1, .more = more});
    }
    run_to_the_end(&w);
    struct lt_verify *v = verified(&w, 0, 4, &x);
    must_find(&x, 0, 0, 0);
    assert_int_equal(x.verdicts[LT_VERDICT_REPLAY], 2);
    assert_int_equal(x.verdicts[LT_VERDICT_DUPLICATE], 1);
    lt_verify_free(v);
    core_world_deinit(&w);
}

/* The first copy in the topic, written again with the origin of another offset. */
struct forged {
    struct core_world *w;
    int64_t offset;
    bool done;
};

static void forge(void *ctx, const struct lt_log_record *r)
{
    struct forged *f = ctx;
    char origin[64];
    if (f->done)
        return;
    f->done = true;
    struct lt_headers h = r->headers;
    snprintf(origin, sizeof(origin), CORE_INCARNATION_HEX "/0/%lld", (long long)f->offset);
    lt_headers_put(&h, "lt_origin", lt_span_str(origin));
    lt_memory_append(f->w->memory, r->topic, 0, r->key, &h, r->value);
}

static void a_copy_too_many_and_a_copy_of_a_duplicate_are_found(void **state)
{
    (void)state;
    struct core_world w;
    struct lt_verify_result x;
    init_world(&w);
    append(&w, 1, 1);
    append(&w, 1, 1);
    append(&w, 1, 2);
    run_to_the_end(&w);
    struct forged doubled = {.w = &w, .offset = 0}, duplicate = {.w = &w, .offset = 1},
                  conflict = {.w = &w, .offset = 2};
    lt_memory_read(w.memory, CORE_HOP, 0, forge, &doubled);
    lt_memory_read(w.memory, CORE_HOP, 0, forge, &duplicate);
    lt_memory_read(w.memory, CORE_HOP, 0, forge, &conflict);
    struct lt_verify *v = verified(&w, 0, 3, &x);
    must_find(&x, 0, 1, 2);
    assert_int_equal(x.findings_len, 3);
    assert_int_equal(x.findings[0].offset, 0);
    assert_int_equal(x.findings[1].verdict, LT_VERDICT_DUPLICATE);
    lt_verify_free(v);
    core_world_deinit(&w);
}

static void a_record_of_which_nothing_was_written_is_lost_and_one_copy_of_two_is_told(void **state)
{
    (void)state;
    struct core_world w;
    struct lt_verify_result x;
    init_world(&w);
    append(&w, 1, 1);
    append(&w, 2, 2);
    run_to_the_end(&w);
    append(&w, 3, 3); /* not judged */
    lt_memory_topic_drop(w.memory, CORE_PLAIN);
    lt_memory_topic(w.memory, CORE_PLAIN, 1, 0, false);
    struct lt_verify *v = verified(&w, 0, 3, &x);
    must_find(&x, 1, 0, 0);
    assert_int_equal(x.counts[LT_VERIFY_OTHER_ROUTES], 2);
    assert_int_equal(x.findings[2].offset, 2);
    lt_verify_free(v);
    core_world_deinit(&w);
}

/* As lt_outputs_scan feeds them: where a partition begins, then what it holds. */
static struct lt_verify *verified_with_heads(struct core_world *w, int64_t to, struct lt_verify_result *ret)
{
    static const char *const topics[] = {LT_TOPIC_QUARANTINE, LT_TOPIC_DEADLETTER, CORE_HOP,
                                         CORE_PLAIN,          LT_TOPIC_UNROUTED,   LT_TOPIC_PROVINCE};
    struct lt_window window = lt_window_of(CORE_WINDOW_MS);
    struct lt_verify *v = lt_verify_new(w->routes, &window, CORE_INCARNATION, 0, 0, to);
    lt_memory_read(w->memory, LT_TOPIC_INTAKE, 0, want, v);
    lt_memory_read(w->memory, LT_TOPIC_INTAKE, 0, judge, v);
    for (size_t i = 0; i < LT_ARRAY_LEN(topics); i++) {
        struct first first = {-1};
        lt_memory_read(w->memory, topics[i], 0, take_first, &first);
        lt_verify_head(v,
                       &(struct lt_output_head){.topic = topics[i], .partitions = 1, .low = LT_MAX(first.offset, 0)});
        lt_memory_read(w->memory, topics[i], 0, feed_verify, v);
    }
    lt_verify_finish(v, ret);
    return v;
}

static void copies_that_an_outputs_retention_took_are_no_findings_and_those_after_them_are(void **state)
{
    (void)state;
    struct core_world w;
    struct lt_verify_result x;
    init_world(&w);
    for (int id = 0; id < 6; id++)
        append(&w, id, id);
    run_to_the_end(&w);
    lt_memory_delete_head(w.memory, CORE_PLAIN, 0, 3); /* of six copies */
    struct lt_verify *v = verified_with_heads(&w, 6, &x);
    must_find(&x, 0, 0, 0);
    assert_int_equal(x.counts[LT_VERIFY_OTHER_ROUTES], 0);
    assert_int_equal(x.gone, 0); /* their copies in the other output are there */
    lt_verify_free(v);

    lt_memory_delete_head(w.memory, CORE_HOP, 0, 2);
    v = verified_with_heads(&w, 6, &x);
    must_find(&x, 0, 0, 0);
    assert_int_equal(x.gone, 2);
    lt_verify_free(v);

    lt_memory_remove(w.memory, CORE_PLAIN, 0, 4); /* after its first: nobody's retention */
    lt_memory_remove(w.memory, CORE_HOP, 0, 4);
    v = verified_with_heads(&w, 6, &x);
    must_find(&x, 1, 0, 0);
    assert_int_equal(x.findings[0].offset, 4);
    assert_int_equal(x.gone, 2);
    lt_verify_free(v);
    core_world_deinit(&w);
}

static void a_province_told_another_verdict_or_twice_is_found(void **state)
{
    (void)state;
    struct core_world w;
    struct lt_verify_result x;
    init_world(&w);
    append(&w, 1, 1);
    append(&w, 1, 1); /* duplicate, told */
    append(&w, 1, 2); /* conflict, told */
    run_to_the_end(&w);
    struct forged doubled = {.w = &w, .offset = 1}, new = {.w = &w, .offset = 0};
    lt_memory_read(w.memory, LT_TOPIC_PROVINCE, 0, forge, &doubled);
    lt_memory_read(w.memory, LT_TOPIC_PROVINCE, 0, forge, &new);
    struct lt_verify *v = verified(&w, 0, 3, &x);
    must_find(&x, 0, 1, 1);
    assert_int_equal(x.findings[0].offset, 0);
    assert_int_equal(x.findings[1].offset, 1);
    lt_verify_free(v);
    core_world_deinit(&w);
}

static void a_province_that_was_not_told_is_said_like_other_routes(void **state)
{
    (void)state;
    struct core_world w;
    struct lt_verify_result x;
    init_world(&w);
    append(&w, 1, 1);
    append(&w, 1, 2);
    append(&w, 2, 2);
    append(&w, 2, 2);
    run_to_the_end(&w);
    lt_memory_topic_drop(w.memory, LT_TOPIC_PROVINCE);
    lt_memory_topic(w.memory, LT_TOPIC_PROVINCE, 1, 0, false);
    struct lt_verify *v = verified(&w, 0, 4, &x);
    must_find(&x, 0, 0, 0);
    assert_int_equal(x.counts[LT_VERIFY_OTHER_ROUTES], 2);
    lt_verify_free(v);
    core_world_deinit(&w);
}

static void what_the_core_did_not_write_is_no_copy(void **state)
{
    (void)state;
    struct lt_output_copy copy;
    struct lt_log_record r = {.topic = CORE_HOP};
    const char *good = CORE_INCARNATION_HEX "/3/17";
    lt_headers_put(&r.headers, "lt_origin", lt_span_str(good));
    assert_true(lt_output_copy_of(&r, &copy));
    assert_true(copy.incarnation == CORE_INCARNATION && copy.partition == 3 && copy.offset == 17);
    lt_headers_put(&r.headers, "lt_hop", LT_SPAN_LIT("1")); /* a later hop's */
    assert_false(lt_output_copy_of(&r, &copy));
    lt_headers_put(&r.headers, "lt_hop", LT_SPAN_LIT("0"));
    assert_true(lt_output_copy_of(&r, &copy));
    r.topic = LT_TOPIC_DEADLETTER;
    lt_headers_put(&r.headers, "lt_reason", LT_SPAN_LIT("rejected")); /* an adapter's */
    assert_false(lt_output_copy_of(&r, &copy));
    static const char *const bad[] = {"",
                                      "x",
                                      "feed/3/17",
                                      CORE_INCARNATION_HEX "/3",
                                      CORE_INCARNATION_HEX "/3/17/1",
                                      CORE_INCARNATION_HEX "/-3/17",
                                      CORE_INCARNATION_HEX "/3/x"};
    r.topic = CORE_HOP;
    for (size_t i = 0; i < LT_ARRAY_LEN(bad); i++) {
        lt_headers_put(&r.headers, "lt_origin", lt_span_str(bad[i]));
        assert_false(lt_output_copy_of(&r, &copy));
    }
}

/* ---- relog ---- */

static void compare(void *ctx, const struct lt_log_record *r)
{
    lt_relog_compare(ctx, r);
}

static void rebuild(void *ctx, const struct lt_log_record *r)
{
    lt_relog_rebuild(ctx, r);
}

static struct lt_relog *relogged(struct core_world *w, int *ret_result, struct lt_relog_result *ret)
{
    struct lt_position p;
    struct lt_accepted none = {0};
    int64_t offset = core_world_committed(w, 0, &p);
    struct lt_relog *x = lt_relog_new(0, &p, offset, 64 << 20);
    read_outputs(w, feed_relog, x);
    lt_memory_read(w->memory, LT_TOPIC_INTAKE, 0, compare, x);
    lt_memory_read(w->memory, LT_TOPIC_INTAKE, 0, rebuild, x);
    *ret_result = lt_relog_finish(x, &none, ret, NULL);
    return x;
}

static void after_a_log_that_lost_its_end_the_core_goes_on_where_relog_says(void **state)
{
    (void)state;
    struct core_world w;
    struct lt_relog_result found;
    int result;
    init_world(&w);
    append_mix(&w);
    run_to_the_end(&w);
    core_world_close(&w);
    size_t before = lt_memory_count(w.memory, CORE_HOP);
    lt_memory_truncate(w.memory, LT_TOPIC_INTAKE, 0, 15); /* 15 to 23 are gone: 77 was new, the invalid one too */
    append(&w, 500, 500);
    append(&w, 77, 77);
    struct lt_relog *x = relogged(&w, &result, &found);
    assert_int_equal(result, LT_OK);
    /* the last routed or quarantined record before 15 */
    assert_in_range(found.offset, 1, 15);
    uint64_t sum = found.position.holes;
    for (int v = 0; v < LT_VERDICTS; v++)
        sum += found.position.verdicts[v];
    assert_int_equal(sum, found.offset);
    assert_int_equal(found.position.verdicts[LT_VERDICT_INVALID], 0);
    size_t in_log = 0;
    for (size_t i = 0; i < found.repeats_len; i++)
        in_log += found.repeats[i].in_log;
    assert_int_equal(in_log, 1); /* 77 in CORE_HOP; in CORE_PLAIN it had not fitted */
    char metadata[LT_POSITION_MAX];
    lt_position_format(&found.position, metadata);
    lt_memory_offset_set(w.memory, LT_GROUP_CORE, LT_TOPIC_INTAKE, 0, found.offset, metadata);
    /* The repair writes both (gateway/ops/repair.c), or the position would be taken for one that went back by itself.
     */
    lt_memory_truncate(w.memory, LT_TOPIC_POSITION, 0, 0);
    lt_relog_free(x);
    run_to_the_end(&w); /* its sum and anchor are what the loader finds */
    assert_int_equal(lt_memory_count(w.memory, CORE_HOP), before + 2);
    core_world_deinit(&w);
}

static void outputs_ahead_of_the_position_are_no_case_for_relog(void **state)
{
    (void)state;
    struct core_world w;
    struct lt_relog_result found;
    int result;
    init_world(&w);
    append_mix(&w);
    run_to_the_end(&w);
    struct forged ahead = {.w = &w, .offset = 1000};
    lt_memory_read(w.memory, CORE_HOP, 0, forge, &ahead);
    struct lt_relog *x = relogged(&w, &result, &found);
    assert_int_equal(result, LT_E_INVALID);
    lt_relog_free(x);
    core_world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_undisturbed_run_verifies_and_the_verdicts_are_those_of_the_position),
        cmocka_unit_test(replays_are_told_apart_by_ids_of_any_length),
        cmocka_unit_test(a_copy_too_many_and_a_copy_of_a_duplicate_are_found),
        cmocka_unit_test(a_record_of_which_nothing_was_written_is_lost_and_one_copy_of_two_is_told),
        cmocka_unit_test(copies_that_an_outputs_retention_took_are_no_findings_and_those_after_them_are),
        cmocka_unit_test(a_province_told_another_verdict_or_twice_is_found),
        cmocka_unit_test(a_province_that_was_not_told_is_said_like_other_routes),
        cmocka_unit_test(what_the_core_did_not_write_is_no_copy),
        cmocka_unit_test(after_a_log_that_lost_its_end_the_core_goes_on_where_relog_says),
        cmocka_unit_test(outputs_ahead_of_the_position_are_no_case_for_relog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
