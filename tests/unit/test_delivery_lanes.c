/* Order per dossier, outcomes, stops: one process, no faults of the log. */
#include "tests/unit/delivery_world.h"

#include "gateway/base/file.h"

#include <stdio.h>
#include <unistd.h>

static void events_of_a_dossier_go_out_in_order_and_dossiers_side_by_side(void **state)
{
    (void)state;
    struct world *w = world_new(); /* the target fails the test when two calls of a dossier are out at once */
    char code[16];
    for (int n = 0; n < 5; n++)
        for (int d = 0; d < 12; d++) {
            snprintf(code, sizeof(code), "D%d", d);
            world_received(w, d % 2, code, n);
        }
    world_open(w);
    world_run_until_forwarded(w, 60);
    assert_int_equal(w->flying_most, 8); /* concurrency */
    for (int d = 0; d < 12; d++) {
        snprintf(code, sizeof(code), "D%d", d);
        world_check_forwarded_in_order(w, code, 5);
        for (int n = 0; n < 5; n++) {
            assert_int_equal(world_applied_count(w, code, n, LT_STEP_UPSERT), 1);
            assert_int_equal(world_applied_count(w, code, n, LT_STEP_PROGRESS), 1);
        }
    }
    int last[12] = {0}; /* progress after its dossier, event after event */
    for (size_t i = 0; i < w->applied_len; i++) {
        int d = atoi(w->applied[i].dossier + 1),
            at = w->applied[i].number * 2 + (w->applied[i].step == LT_STEP_PROGRESS);
        assert_int_equal(at, last[d]);
        last[d]++;
    }
    assert_int_equal(world_answers(w), 60);
    world_expect_status(w, "\"ok\":60");
    world_expect_status(w, "\"unowned\":0");
    struct lt_log_offset at;
    world_committed(w, 0, &at);
    assert_int_equal(at.offset, 30);
    world_free(w);
}

static void what_is_forwarded_is_the_same_event_one_hop_on(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_received(w, 0, "A", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    world_check_forwarded_in_order(w, "A", 1); /* looks at value and lt_hop */
    assert_int_equal(world_answers(w), 1);
    world_free(w);
}

static size_t no_steps(const struct lt_event_type *t, const enum lt_step **ret)
{
    (void)t;
    *ret = NULL;
    return 0;
}

static void an_event_without_steps_here_passes(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->adapter.steps = no_steps;
    world_received(w, 0, "A", 0);
    world_received(w, 0, "A", 1);
    world_open(w);
    world_run_until_forwarded(w, 2);
    world_check_forwarded_in_order(w, "A", 2);
    world_expect_status(w, "\"pass\":2");
    assert_int_equal(w->calls, 0);
    world_free(w);
}

static void a_retry_waits_and_others_go_on(void **state)
{
    (void)state;
    struct world_first f = {.n = 5, .reply = REPLY_RETRY, .step = LT_STEP_UPSERT};
    struct world *w = world_that_answers_first(&f);
    world_received(w, 0, "A", 0);
    world_received(w, 0, "A", 1);
    world_received(w, 0, "B", 0);
    world_open(w);
    world_run_until_forwarded(w, 3);
    world_check_forwarded_in_order(w, "A", 2);
    world_check_forwarded_in_order(w, "B", 1);
    world_expect_status(w, "\"retry\":5");
    world_free(w);
}

static void a_row_that_was_certainly_not_taken_is_sent_again_with_a_new_intent(void **state)
{
    (void)state;
    struct world_first f = {.n = 3, .reply = REPLY_RETRY, .step = LT_STEP_PROGRESS};
    struct world *w = world_that_answers_first(&f);
    world_received(w, 0, "A", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 1);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_UPSERT), 1); /* done before, not repeated */
    world_free(w);
}

static void credential_trouble_pauses_the_target_and_it_resumes_by_itself(void **state)
{
    (void)state;
    struct world_first f = {.n = 4, .reply = REPLY_CREDENTIAL, .step = LT_STEP_UPSERT};
    struct world *w = world_that_answers_first(&f);
    w->target.retry_min_ms = 1000;
    w->target.retry_max_ms = 1000;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 10);
    world_expect_status(w, "\"state\":\"paused\",\"reason\":\"credential\"");
    world_received(w, 1, "A2", 0);
    world_turns(w, 20);
    assert_int_equal(w->calls, 1);           /* nothing while it is paused */
    assert_true(lt_engine_ready(w->engine)); /* the gateway is: what is sent to it waits in Kafka */
    for (int i = 0; i < 3; i++) {
        world_advance(w, 1000);
        world_turns(w, 10);
        assert_int_equal(w->calls, (size_t)i + 2); /* one probe each time */
    }
    world_advance(w, 1000);
    world_run_until_forwarded(w, 2);
    world_expect_status(w, "\"state\":\"running\"");
    assert_true(lt_engine_ready(w->engine));
    world_free(w);
}

static void write_file(const char *path, const char *text)
{
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_file_write(path, lt_span_str(text), 0600, &err), LT_OK);
}

/* After the one call that failed. */
static void renew_certificate_until_forwarded(struct world *w, const char *path)
{
    write_file(path, "renewed");
    world_advance(w, 1000);
    world_turns(w, 10);
    assert_int_equal(w->calls, 1); /* connections of the old one are given up first */
    world_advance(w, 5000);
    world_run_until_forwarded(w, 1);
}

/* Nobody waits for the end of a long back-off after the certificate was renewed. */
static void a_replaced_certificate_is_tried_within_seconds(void **state)
{
    (void)state;
    struct world_first f = {.n = 3, .reply = REPLY_CREDENTIAL, .step = LT_STEP_UPSERT};
    struct world *w = world_that_answers_first(&f);
    LT_AUTOFREE char *path = lt_asprintf("/tmp/lt-identity-%d.crt", (int)getpid());
    write_file(path, "expired");
    w->target.tls.certificate = path;
    w->target.retry_min_ms = w->target.retry_max_ms = 3600000;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 10);
    world_expect_status(w, "\"reason\":\"credential\"");
    world_advance(w, 60000);
    world_turns(w, 10);
    assert_int_equal(w->calls, 1);
    f.n = 0;
    renew_certificate_until_forwarded(w, path);
    world_expect_status(w, "\"state\":\"running\"");
    unlink(path);
    world_free(w);
}

static bool has_a_paused_corner(void *self, int64_t at_ms)
{
    (void)self;
    (void)at_ms;
    return true;
}

/* An endpoint of one province is paused by the adapter, not by the gate: who waits for it is woken all the same. */
static void who_waits_for_a_paused_corner_of_the_target_is_woken_by_a_replaced_certificate_and_by_a_resume(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_RETRY, .step = LT_STEP_UPSERT};
    struct world *w = world_that_answers_first(&f);
    LT_AUTOFREE char *path = lt_asprintf("/tmp/lt-corner-%d.crt", (int)getpid());
    write_file(path, "expired");
    w->target.tls.certificate = path;
    w->target.retry_min_ms = w->target.retry_max_ms = 1000000000; /* nobody goes on because he waited */
    w->adapter.try_at = has_a_paused_corner;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 10);
    assert_int_equal(w->calls, 1);
    renew_certificate_until_forwarded(w, path);

    f.n = 1;
    world_received(w, 0, "A2", 0);
    world_turns(w, 10);
    size_t calls = w->calls;
    assert_int_equal(world_forwarded(w), 1);
    world_advance(w, 60000);
    world_turns(w, 10);
    assert_int_equal(w->calls, calls);
    world_decide(w, 0, "*", "d1", LT_VERB_RESUME, -1, NULL);
    world_run_until_forwarded(w, 2);
    unlink(path);
    world_free(w);
}

static void a_target_that_names_a_time_is_left_alone_until_then(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_THROTTLE, .step = LT_STEP_UPSERT};
    struct world *w = world_that_answers_first(&f);
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 100);
    assert_int_equal(w->calls, 1);
    world_advance(w, 29000);
    world_turns(w, 5);
    assert_int_equal(w->calls, 1);
    world_advance(w, 1000);
    world_run_until_forwarded(w, 1);
    world_free(w);
}

static enum reply reject_a(struct world *w, const struct seen *call)
{
    (void)w;
    return strcmp(call->dossier, "A") == 0 ? REPLY_REJECT : REPLY_OK;
}

static void a_rejected_call_parks_its_dossier_and_no_other(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->script = reject_a;
    world_received(w, 0, "A", 0);
    world_received(w, 0, "A", 1);
    world_received(w, 1, "B", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    world_turns(w, 50);
    world_received(w, 0, "C", 0); /* behind it in the same partition: flows */
    world_received(w, 0, "A", 2); /* behind it in the same lane: parked with it */
    world_run_until_forwarded(w, 2);
    world_turns(w, 50);
    assert_int_equal(world_parked(w, "A"), 3);
    assert_int_equal(w->calls, 5); /* one of A, two of B, two of C */
    struct lt_log_offset at;
    world_committed(w, 0, &at);
    assert_int_equal(at.offset, 4); /* nothing holds the position */
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_DEADLETTER), 1);
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_PROVINCE), 1);
    world_expect_status(w, "\"rejects\":1");
    world_expect_status(w, "\"parked_now\":3");
    assert_true(lt_engine_ready(w->engine));
    world_free(w);
}

static void an_unknown_upsert_settles_and_is_tried_again(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_VANISHED, .step = LT_STEP_UPSERT};
    struct world *w = world_that_answers_first(&f);
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 400);
    assert_int_equal(w->calls, 1); /* settle is 500 ms */
    world_run_until_forwarded(w, 1);
    assert_int_equal(w->applied[0].after_unknown, 1); /* the adapter is told, and asks */
    assert_int_equal(w->applied[1].after_unknown, 0);
    world_expect_status(w, "\"unknown\":1");
    world_free(w);
}

static void an_unknown_row_parks_its_dossier_and_stays_parked_over_a_restart(void **state)
{
    (void)state;
    struct world_first f = {.n = 1, .reply = REPLY_LOST, .step = LT_STEP_PROGRESS};
    struct world *w = world_that_answers_first(&f);
    world_received(w, 0, "A", 0);
    world_received(w, 0, "A", 1);
    world_received(w, 1, "B", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    world_turns(w, 50);
    assert_int_equal(world_parked(w, "A"), 2);
    world_expect_status(w, "\"unknowns\":1");
    world_close(w);
    world_open(w);
    world_advance(w, 120000);
    world_turns(w, 100);
    assert_int_equal(world_parked(w, "A"), 2);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 1);
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_DEADLETTER), 0); /* not refused: nothing to explain */
    world_received(w, 1, "B", 1);
    world_run_until_forwarded(w, 2);
    world_free(w);
}

static void with_resend_an_unknown_row_is_repeated_after_settle_and_counted(void **state)
{
    (void)state;
    struct world_first f = {.n = 2, .reply = REPLY_LOST, .step = LT_STEP_PROGRESS};
    struct world *w = world_that_answers_first(&f);
    w->repeat_unknown = true;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 3);
    world_expect_status(w, "\"repeats\":2");
    world_free(w);
}

static void the_rate_of_the_target_is_kept(void **state)
{
    (void)state;
    struct world *w = world_new();
    char code[16];
    w->target.rate = 20;
    for (int d = 0; d < 100; d++) {
        snprintf(code, sizeof(code), "D%d", d);
        world_received(w, 0, code, 0);
    }
    world_open(w);
    world_turns(w, 2000);
    assert_in_range(w->calls, 50, 61);     /* two seconds, and a bucket of one */
    world_expect_status(w, "\"retry\":0"); /* no intent grew old in the line */
    world_free(w);
}

static void a_small_memory_only_slows_it_down(void **state)
{
    (void)state;
    struct world *w = world_new();
    char code[16];
    w->memory_bytes = 40000; /* a handful of records */
    for (int n = 0; n < 4; n++)
        for (int d = 0; d < 50; d++) {
            snprintf(code, sizeof(code), "D%d", d);
            world_received(w, d % 2, code, n);
        }
    world_open(w);
    world_run_until_forwarded(w, 200);
    for (int d = 0; d < 50; d++) {
        snprintf(code, sizeof(code), "D%d", d);
        world_check_forwarded_in_order(w, code, 4);
    }
    world_free(w);
}

static void a_queue_without_a_position_stops_until_it_has_one(void **state)
{
    (void)state;
    struct world *w = world_new();
    lt_memory_offset_set(w->memory, "lt.sim", "lt.sim", 0, -1, "");
    lt_memory_offset_set(w->memory, "lt.sim", "lt.sim", 1, 0, "");
    world_open(w);
    world_turns(w, 20);
    world_expect_status(w, "\"reason\":\"NOT-INITIALISED\"");
    world_expect_status(w, "\"command\":\"lienthong topics create\"");
    world_expect_status(w, "\"reason\":\"MOVED\"");
    assert_false(lt_engine_ready(w->engine));
    world_genesis(w);
    world_received(w, 0, "A", 0);
    world_turns(w, 100);
    assert_int_equal(world_forwarded(w), 0); /* looked at again after 30 s */
    world_advance(w, 30000);
    world_run_until_forwarded(w, 1);
    world_turns(w, 10);
    assert_true(lt_engine_ready(w->engine));
    world_free(w);
}

static void a_lost_position_and_deleted_records_are_not_guessed_over(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_received(w, 0, "A", 0);
    world_received(w, 1, "B", 0);
    world_received(w, 1, "B", 1);
    lt_memory_offset_set(w->memory, "lt.sim", "lt.sim", 0, -1, "");
    lt_memory_delete_head(w->memory, "lt.sim", 1, 1);
    world_open(w);
    world_turns(w, 50);
    world_advance(w, 20000); /* what a broker that has just started may say is not believed at once */
    world_turns(w, 50);
    world_expect_status(w, "\"reason\":\"OFFSETS-LOST\"");
    world_expect_status(w, "\"reason\":\"UNDELIVERED-DELETED\"");
    assert_int_equal(w->calls, 0);
    world_free(w);
}

static void a_record_that_is_no_event_stops_its_partition_and_one_of_no_known_type_is_parked(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct lt_headers none = {0};
    world_event(w, 0, "A", 0, "vn.lienthong.postal.order.v1");
    lt_memory_append(w->memory, "lt.sim", 1, LT_SPAN_LIT("H22/B"), &none, LT_SPAN_LIT("{}"));
    world_open(w);
    world_turns(w, 50);
    assert_int_equal(world_parked(w, "A"), 1);
    world_expect_status(w, "\"reason\":\"BAD-RECORD\"");
    assert_int_equal(w->calls, 0);
    world_free(w);
}

static void record_size(void *ctx, const struct lt_log_record *r)
{
    size_t n = r->key.len + r->value.len;
    for (size_t i = 0; i < r->headers.len; i++)
        n += r->headers.v[i].name.len + r->headers.v[i].value.len;
    *(size_t *)ctx = n;
}

static void an_outcome_that_cannot_be_written_parks_its_dossier_and_others_are_committed(void **state)
{
    (void)state;
    size_t size = 0;
    struct world *w = world_new();
    world_received(w, 0, "B", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    lt_memory_read(w->memory, "lt.next", 0, record_size, &size);
    world_free(w);

    w = world_new();
    lt_memory_topic_drop(w->memory, "lt.next");
    lt_memory_topic(w->memory, "lt.next", 1, size + 4, false); /* a longer dossier code does not fit */
    w->audits = true;
    world_received(w, 0, "B", 0);
    world_received(w, 0, "A-dossier-of-20-chars", 0);
    world_received(w, 0, "C", 0);
    world_received(w, 1, "D", 0);
    world_open(w);
    world_turns(w, 500);
    assert_int_equal(world_forwarded(w), 3);
    assert_int_equal(world_parked(w, "A-dossier-of-20-chars"), 1);
    /* Only what does not fit is left out: who asked, and the answer, are on record. */
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_AUDIT), 4);
    assert_int_equal(world_answers(w), 4);
    world_received(w, 1, "E", 0);
    world_run_until_forwarded(w, 4);
    world_free(w);
}

static void audit_id(void *ctx, const struct lt_log_record *r)
{
    char(*ids)[LT_EVENT_ID_LEN + 1] = ctx;
    struct lt_span id = lt_headers_value(&r->headers, "ce_id");
    size_t n = 0;
    while (ids[n][0])
        assert_false(lt_span_is(id, ids[n++]));
    snprintf(ids[n], LT_EVENT_ID_LEN + 1, LT_SPAN_FMT, LT_SPAN_ARG(id));
    assert_span_is(r->key, "officer");
}

static void a_call_is_on_record_under_an_id_of_its_own_whatever_came_of_it(void **state)
{
    (void)state;
    static const struct {
        enum reply reply;
        size_t records; /* with that of the call that was taken */
    } rows[] = {{REPLY_RETRY, 4}, {REPLY_THROTTLE, 4}, {REPLY_CREDENTIAL, 4}, {REPLY_LOST, 4}};
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        char ids[8][LT_EVENT_ID_LEN + 1] = {{0}};
        struct world_first f = {.n = 3, .reply = rows[i].reply, .step = LT_STEP_PROGRESS};
        struct world *w = world_that_answers_first(&f);
        w->audits = true;
        w->repeat_unknown = true;
        world_received(w, 0, "A", 0);
        world_open(w);
        for (int n = 0; n < 20 && world_forwarded(w) == 0; n++) { /* pauses and waits are minutes */
            world_turns(w, 50);
            world_advance(w, 60000);
        }
        assert_int_equal(world_forwarded(w), 1);
        assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_AUDIT), rows[i].records);
        lt_memory_read(w->memory, LT_TOPIC_AUDIT, 0, audit_id, ids);
        world_free(w);
    }
}

static void a_missing_topic_is_waited_for_with_the_same_outcomes(void **state)
{
    (void)state;
    struct world *w = world_new();
    lt_memory_topic_drop(w->memory, "lt.next");
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 300);
    world_expect_status(w, "\"transaction\":");
    lt_memory_topic(w->memory, "lt.next", 1, 0, false);
    world_run_until_forwarded(w, 1);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 1);
    world_free(w);
}

/* ---- while a transaction is being committed ---- */

struct slow_commit {
    struct lt_log_ops ops;
    const struct lt_log_ops *real;
    bool committing, holding;
    size_t answered; /* inside commits */
};

static struct world *slow_world; /* operations of a log have no context of their own */

static int commit_slowly(struct lt_log *l, struct lt_err *err)
{
    struct slow_commit *s = slow_world->ctx;
    size_t before = slow_world->applied_len;
    s->committing = true;
    int r = s->real->commit(l, err);
    s->committing = false;
    s->answered += slow_world->applied_len - before;
    return r;
}

/* The target answers A while a commit is under way, and only then. */
static enum reply answer_inside_commits(struct world *w, const struct seen *call)
{
    struct slow_commit *s = w->ctx;
    s->holding = s->holding || strcmp(call->dossier, "A") == 0;
    return strcmp(call->dossier, "A") != 0 || s->committing ? REPLY_OK : REPLY_HOLD;
}

static void calls_go_on_while_a_transaction_is_being_committed(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct slow_commit s = {.holding = false};
    slow_world = w;
    w->script = answer_inside_commits;
    w->ctx = &s;
    world_received(w, 0, "A", 0);
    world_open(w);
    for (int i = 0; i < 1000 && !s.holding; i++)
        world_turn(w);
    assert_true(s.holding); /* A's first call is out */
    s.real = w->log->ops;
    s.ops = *s.real;
    s.ops.commit = commit_slowly;
    w->log->ops = &s.ops;
    for (int n = 0; n < 6; n++) { /* others, whose transactions A's calls are answered in */
        char code[16];
        snprintf(code, sizeof(code), "B%d", n);
        world_received(w, 1, code, 0);
        world_turns(w, 60);
    }
    world_run_until_forwarded(w, 7);
    assert_true(s.answered >= 2); /* both steps of A */
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_UPSERT), 1);
    assert_int_equal(world_applied_count(w, "A", 0, LT_STEP_PROGRESS), 1);
    w->log->ops = s.real;
    world_free(w);
}

static void metrics_name_the_target_and_count(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_received(w, 0, "A", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    struct lt_buf out = LT_BUF_INIT(1 << 16);
    lt_engine_metrics(w->engine, &out);
    assert_non_null(
        strstr(lt_buf_view(&out).ptr, "lienthong_delivery_outcomes_total{target=\"sim\",outcome=\"ok\"} 1\n"));
    assert_non_null(
        strstr(lt_buf_view(&out).ptr, "lienthong_delivery_partitions{target=\"sim\",state=\"running\"} 2\n"));
    lt_buf_deinit(&out);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_of_a_dossier_go_out_in_order_and_dossiers_side_by_side),
        cmocka_unit_test(what_is_forwarded_is_the_same_event_one_hop_on),
        cmocka_unit_test(an_event_without_steps_here_passes),
        cmocka_unit_test(a_retry_waits_and_others_go_on),
        cmocka_unit_test(a_row_that_was_certainly_not_taken_is_sent_again_with_a_new_intent),
        cmocka_unit_test(credential_trouble_pauses_the_target_and_it_resumes_by_itself),
        cmocka_unit_test(a_replaced_certificate_is_tried_within_seconds),
        cmocka_unit_test(
            who_waits_for_a_paused_corner_of_the_target_is_woken_by_a_replaced_certificate_and_by_a_resume),
        cmocka_unit_test(a_target_that_names_a_time_is_left_alone_until_then),
        cmocka_unit_test(a_rejected_call_parks_its_dossier_and_no_other),
        cmocka_unit_test(an_unknown_upsert_settles_and_is_tried_again),
        cmocka_unit_test(an_unknown_row_parks_its_dossier_and_stays_parked_over_a_restart),
        cmocka_unit_test(with_resend_an_unknown_row_is_repeated_after_settle_and_counted),
        cmocka_unit_test(the_rate_of_the_target_is_kept),
        cmocka_unit_test(a_small_memory_only_slows_it_down),
        cmocka_unit_test(a_queue_without_a_position_stops_until_it_has_one),
        cmocka_unit_test(a_lost_position_and_deleted_records_are_not_guessed_over),
        cmocka_unit_test(a_record_that_is_no_event_stops_its_partition_and_one_of_no_known_type_is_parked),
        cmocka_unit_test(an_outcome_that_cannot_be_written_parks_its_dossier_and_others_are_committed),
        cmocka_unit_test(a_call_is_on_record_under_an_id_of_its_own_whatever_came_of_it),
        cmocka_unit_test(a_missing_topic_is_waited_for_with_the_same_outcomes),
        cmocka_unit_test(calls_go_on_while_a_transaction_is_being_committed),
        cmocka_unit_test(metrics_name_the_target_and_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
