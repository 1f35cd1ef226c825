/* Who is parked and who is not, what an assignment demands of the ledger, and what keeps memory and rate bounded. */
#include "tests/unit/delivery_world.h"

#include "gateway/delivery/position.h"

#include <stdio.h>

static enum reply fail_a(struct world *w, const struct seen *call)
{
    (void)w;
    return call->dossier[0] == 'A' ? REPLY_RETRY : REPLY_OK;
}

static void a_dossier_that_alone_fails_for_long_is_parked(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->script = fail_a;
    w->target.park_after_ms = 3000;
    world_received(w, 0, "A", 0);
    world_received(w, 0, "A", 1);
    world_open(w);
    for (int n = 0; n < 8; n++) {
        world_received(w, 0, "B", n);
        world_turns(w, 1000);
    }
    assert_int_equal(world_parked(w, "A"), 2);
    world_check_forwarded_in_order(w, "B", 8);
    struct lt_ledger l;
    world_ledger(w, 0, &l);
    assert_string_equal(world_lane(&l, "A")->record.reason, "retrying");
    lt_ledger_deinit(&l);
    world_free(w);
}

static enum reply fail_all(struct world *w, const struct seen *call)
{
    (void)w;
    (void)call;
    return REPLY_RETRY;
}

static void while_the_target_is_in_trouble_nobody_is_parked(void **state)
{
    (void)state;
    struct world *w = world_new();
    char code[16];
    w->script = fail_all;
    w->target.park_after_ms = 3000;
    for (int d = 0; d < 20; d++) {
        snprintf(code, sizeof(code), "D%d", d);
        world_received(w, d % 2, code, 0);
    }
    world_open(w);
    for (int i = 0; i < 40; i++) {
        world_advance(w, 1000);
        world_turns(w, 50);
    }
    world_expect_status(w, "\"parked_now\":0");
    w->script = NULL;
    world_advance(w, 60000);
    world_run_until_forwarded(w, 20);
    world_free(w);
}

static enum reply keep_a_out(struct world *w, const struct seen *call)
{
    const enum reply *said = w->ctx;
    return call->dossier[0] == 'A' ? *said : REPLY_OK;
}

/* A page of a firewall that dislikes what one event says (403), or a busy signal that only it gets, however often. */
static void a_dossier_that_alone_is_never_let_in_is_parked_and_the_others_go_on(void **state)
{
    (void)state;
    static const enum reply replies[] = {REPLY_CREDENTIAL, REPLY_THROTTLE};
    for (size_t i = 0; i < LT_ARRAY_LEN(replies); i++) {
        enum reply said = replies[i];
        struct world *w = world_new();
        w->script = keep_a_out;
        w->ctx = &said;
        w->target.park_after_ms = 100000;
        world_received(w, 0, "A", 0);
        world_received(w, 0, "A", 1);
        world_open(w);
        for (int n = 0; n < 8; n++) {
            world_received(w, 0, "B", n);
            world_advance(w, 31000);
            world_turns(w, 1000);
        }
        world_check_forwarded_in_order(w, "B", 8);
        assert_int_equal(world_parked(w, "A"), 2);
        struct lt_ledger l;
        world_ledger(w, 0, &l);
        assert_string_equal(world_lane(&l, "A")->record.reason, "retrying");
        lt_ledger_deinit(&l);
        said = REPLY_OK;
        world_decide(w, 0, "A", "d1", LT_VERB_RETRY, 0, NULL);
        world_advance(w, 31000);
        world_run_until_forwarded(w, 10);
        world_check_forwarded_in_order(w, "A", 2);
        world_free(w);
    }
}

struct outage {
    size_t let_in; /* calls taken before it begins, and each time it seems to be over */
    bool over;
};

static enum reply not_let_in_for_long(struct world *w, const struct seen *call)
{
    struct outage *o = w->ctx;
    (void)call;
    if (o->over || o->let_in > 0) {
        o->let_in -= o->let_in > 0;
        return REPLY_OK;
    }
    return REPLY_CREDENTIAL;
}

/* That others were taken while the first ones were refused already shows nothing: they were out before. */
static void while_nobody_is_let_in_nobody_is_parked(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct outage o = {.let_in = 3};
    char code[16];
    w->script = not_let_in_for_long;
    w->ctx = &o;
    w->target.park_after_ms = 3000;
    for (int d = 0; d < 20; d++) {
        snprintf(code, sizeof(code), "D%d", d);
        world_received(w, d % 2, code, 0);
    }
    world_open(w);
    for (int i = 0; i < 100; i++) {
        world_advance(w, 1000);
        world_turns(w, 20);
        o.let_in = i == 50; /* one of them gets through */
    }
    world_expect_status(w, "\"parked_now\":0");
    o.over = true;
    world_advance(w, 60000);
    world_run_until_forwarded(w, 20);
    world_free(w);
}

static void hold_the_done_set(script_fn script, enum reply said, int64_t retry_ms)
{
    struct world *w = world_new();
    char code[16];
    w->script = script;
    w->ctx = &said;
    w->span_max = 50;
    w->target.retry_min_ms = w->target.retry_max_ms = retry_ms;
    world_received(w, 0, "A", 0);
    world_open(w);
    for (int d = 0; d < 120; d++) {
        snprintf(code, sizeof(code), "D%d", d);
        world_received(w, 0, code, 0);
        world_turns(w, d % 10 == 9 ? 50 : 0);
    }
    world_run_until_forwarded(w, 120);
    world_turns(w, 50);
    assert_int_equal(world_parked(w, "A"), 1);
    struct lt_log_offset at;
    world_committed(w, 0, &at);
    assert_int_equal(at.offset, 121);
    struct lt_ledger l;
    world_ledger(w, 0, &l);
    assert_int_equal(l.opens_len, 0); /* passed: closed */
    lt_ledger_deinit(&l);
    world_free(w);
}

static void a_dossier_that_waits_holds_the_done_set_only_so_far(void **state)
{
    (void)state;
    hold_the_done_set(fail_a, REPLY_RETRY, 100000);
    hold_the_done_set(keep_a_out, REPLY_CREDENTIAL, 2); /* it pauses the target each time, and waits for its turn */
}

static enum reply refuse_all(struct world *w, const struct seen *call)
{
    bool *refuse = w->ctx;
    (void)call;
    return *refuse ? REPLY_REJECT : REPLY_OK;
}

static void a_target_that_refuses_everything_is_paused_instead_of_parking_everything(void **state)
{
    (void)state;
    struct world *w = world_new();
    char code[16];
    bool refuse = true;
    w->script = refuse_all;
    w->ctx = &refuse;
    for (int d = 0; d < 200; d++) {
        snprintf(code, sizeof(code), "D%d", d);
        world_received(w, d % 2, code, 0);
    }
    world_open(w);
    for (int i = 0; i < 20; i++) {
        world_advance(w, 1000);
        world_turns(w, 50);
    }
    world_expect_status(w, "\"reason\":\"refusals\"");
    size_t rejected = lt_memory_count(w->memory, LT_TOPIC_DEADLETTER);
    assert_in_range(rejected, 19, 40);
    refuse = false; /* the rules are mended */
    world_advance(w, 60000);
    world_run_until_forwarded(w, 200 - rejected);
    world_expect_status(w, "\"state\":\"running\"");
    world_free(w);
}

static enum reply hold_creates(struct world *w, const struct seen *call)
{
    bool *held = w->ctx;
    return *held && call->step == LT_STEP_UPSERT ? REPLY_HOLD : REPLY_OK;
}

/* Rule 7: a create may still be at work at the target after the process that sent it is gone. */
static void a_create_that_was_out_at_a_crash_is_asked_for_only_when_it_is_settled(void **state)
{
    (void)state;
    struct world *w = world_new();
    bool held = true;
    w->script = hold_creates;
    w->ctx = &held;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 20);
    assert_int_equal(w->calls, 1);
    int64_t sent = w->now_ms;
    world_crash(w);
    held = false;
    world_open(w);
    world_turns(w, 400); /* shorter than settle alone */
    assert_int_equal(w->calls, 1);
    world_run_until_forwarded(w, 1);
    assert_true(w->now_ms - sent > w->target.settle_ms + w->target.timeout_ms);
    assert_int_equal(w->applied[0].after_unknown, 1); /* the adapter is told, and asks */
    world_free(w);
}

static void a_ledger_that_is_missing_or_not_the_one_of_the_position_stops(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->script = fail_a;
    w->target.park_after_ms = 100;
    world_received(w, 0, "A", 0);
    world_open(w);
    for (int n = 0; n < 5; n++) {
        world_received(w, 0, "B", n);
        world_turns(w, 200);
    }
    assert_int_equal(world_parked(w, "A"), 1);
    world_close(w);
    lt_memory_topic_drop(w->memory, "lt.ledger.sim");
    world_open(w);
    world_turns(w, 20);
    world_expect_status(w, "\"reason\":\"LEDGER-MISSING\"");
    lt_memory_topic(w->memory, "lt.ledger.sim", WORLD_PARTITIONS, 0, false); /* somebody made it again, empty */
    world_advance(w, 30000);
    world_turns(w, 20);
    world_advance(w, 20000);
    world_turns(w, 20);
    world_expect_status(w, "\"reason\":\"LEDGER-DIFFERS\"");
    world_received(w, 1, "C", 0); /* the other partition had nothing in it */
    world_run_until_forwarded(w, 6);
    world_free(w);
}

static void a_position_of_the_former_version_goes_on_when_it_left_nothing_open_and_stops_otherwise(void **state)
{
    (void)state;
    struct world *w = world_new();
    for (int n = 0; n < 3; n++)
        world_received(w, 0, "A", n);
    world_received(w, 1, "B", 0);
    lt_memory_offset_set(w->memory, "lt.sim", "lt.sim", 0, 2, "d1 000000000000feed 9 2 -");
    lt_memory_offset_set(w->memory, "lt.sim", "lt.sim", 1, 0, "d1 000000000000feed 9 0 AB");
    world_open(w);
    world_run_until_forwarded(w, 1);
    world_turns(w, 50);
    struct lt_log_offset at;
    struct lt_delivery_position p;
    world_committed(w, 0, &at);
    assert_int_equal(lt_delivery_position_parse(lt_span_str(at.metadata), &p, NULL), LT_OK);
    assert_int_equal(strncmp(at.metadata, "d2 ", 3), 0);
    assert_int_equal(p.base, 3);
    assert_int_equal(p.incarnation, 0xfeed);
    world_expect_status(w, "\"reason\":\"OLD-FORMAT\"");
    assert_int_equal(world_forwarded(w), 1);
    world_free(w);
}

/* Issue: a day's records while the target is down. The queue stays in the log, the other partitions' memory with it. */
static void a_target_that_is_down_costs_no_more_memory_than_its_budget(void **state)
{
    (void)state;
    struct world *w = world_new();
    char code[16];
    w->script = fail_all;
    w->memory_bytes = 200000;
    world_open(w);
    for (int hour = 0; hour < 24; hour++) {
        for (int d = 0; d < 200; d++) {
            snprintf(code, sizeof(code), "D%d", d);
            world_received(w, d % 2, code, hour);
        }
        world_advance(w, 3600000);
        world_turns(w, 20);
        LT_AUTOFREE char *status = world_status(w);
        const char *bytes = strstr(status, "\"bytes\":");
        assert_non_null(bytes);
        assert_in_range(atol(bytes + 8), 0, 200000 + 260 * 4000); /* one burst of polling beyond it */
    }
    w->script = NULL;
    world_advance(w, 60000);
    world_run_until_forwarded(w, 24 * 200);
    for (int d = 0; d < 200; d += 37) {
        snprintf(code, sizeof(code), "D%d", d);
        world_check_forwarded_in_order(w, code, 24);
    }
    world_free(w);
}

/* ---- what the province is told ---- */

static void a_refusal_is_told_to_the_province_unless_the_target_is_not_to_tell_it(void **state)
{
    (void)state;
    for (int quiet = 0; quiet < 2; quiet++) {
        struct world *w = world_new();
        bool refuse = true;
        w->script = refuse_all;
        w->ctx = &refuse;
        w->tell_no_refusals = quiet;
        world_received(w, 0, "A", 0);
        world_open(w);
        world_turns(w, 50);
        assert_int_equal(world_parked(w, "A"), 1);
        assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_DEADLETTER), 1);
        assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_PROVINCE), quiet ? 0 : 1);
        world_free(w);
    }
}

static void count_refused(void *ctx, const struct lt_log_record *r)
{
    size_t *n = ctx;
    *n += lt_span_is(lt_headers_value(&r->headers, "ce_type"), "vn.lienthong.delivery.refused.v1");
}

/* Its steps were taken and told of; that it cannot be forwarded is another matter and told as well. */
static void a_record_that_cannot_be_forwarded_is_a_refusal_that_the_province_hears_of(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->tells = true;
    world_stray(w, 0, "A");
    world_open(w);
    world_turns(w, 100);
    assert_int_equal(world_parked(w, "A"), 1);
    assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_DEADLETTER), 1);
    size_t refused = 0;
    lt_memory_read(w->memory, LT_TOPIC_PROVINCE, 0, count_refused, &refused);
    assert_int_equal(refused, 1);
    world_free(w);
}

/* ---- more than one transaction takes ---- */

#define MANY 1300

struct crash {
    bool away; /* nothing is committed yet */
    int at, commits;
};

static enum lt_memory_fault crash_at_commit(void *ctx, const char *instance, enum lt_memory_step step, uint64_t number)
{
    struct crash *c = ctx;
    (void)instance;
    (void)number;
    if (step != LT_STEP_COMMIT)
        return LT_FAULT_NONE;
    if (c->away)
        return LT_FAULT_ABORTABLE;
    return c->commits++ == c->at ? LT_FAULT_CRASH_AFTER : LT_FAULT_NONE;
}

/* Whatever falls between two transactions: each refusal is told once, with its reason, and counted once. */
static void more_events_parked_at_once_than_a_transaction_takes_are_explained_and_counted_once(void **state)
{
    (void)state;
    for (int at = 0; at < 3; at++) {
        struct world *w = world_new();
        struct crash c = {.away = true, .at = at};
        char code[16];
        w->target.refused_max = 0;
        for (int d = 0; d < MANY; d++) {
            snprintf(code, sizeof(code), "D%d", d);
            world_event(w, 0, code, 0, "vn.lienthong.nobody.knows.v1");
        }
        lt_memory_schedule(w->memory, crash_at_commit, &c);
        world_open(w);
        world_turns(w, 20);
        c.away = false;
        world_advance(w, 20000);
        for (int i = 0; i < 200; i++) {
            if (w->crashed)
                world_crash(w);
            if (!w->engine)
                world_open(w);
            world_turn(w);
        }
        assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_DEADLETTER), MANY);
        assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_PROVINCE), MANY);
        LT_AUTOFREE char *rejects = lt_asprintf("\"rejects\":%d", MANY);
        world_expect_status(w, rejects);
        struct lt_ledger l;
        world_ledger(w, 0, &l);
        assert_int_equal(l.parked_len, MANY);
        for (struct lt_ledger_lane *lane = l.lanes; lane; lane = lane->hh.next)
            assert_string_equal(lane->record.reason, "rejected");
        lt_ledger_deinit(&l);
        world_free(w);
    }
}

static enum reply refuse_first(struct world *w, const struct seen *call)
{
    const bool *held = w->ctx;
    return *held ? REPLY_HOLD : call->number == 0 ? REPLY_REJECT : REPLY_OK;
}

/* One dossier with more events than a transaction takes: its first one goes into the ledger first. */
static void a_dossier_parked_in_several_transactions_is_never_without_its_first_event(void **state)
{
    (void)state;
    for (int at = 0; at < 4; at++) {
        struct world *w = world_new();
        struct crash c = {.at = at};
        bool held = true;
        w->script = refuse_first;
        w->ctx = &held;
        for (int n = 0; n < 2 * MANY; n++)
            world_received(w, 0, "A", n);
        world_open(w);
        world_turns(w, 30);
        assert_int_equal(w->flying_len, 1);
        lt_memory_schedule(w->memory, crash_at_commit, &c);
        held = false;
        for (int i = 0; i < 200; i++) {
            if (w->crashed)
                world_crash(w);
            if (!w->engine)
                world_open(w);
            world_turn(w);
            struct lt_ledger l;
            world_ledger(w, 0, &l);
            const struct lt_ledger_lane *lane = world_lane(&l, "A");
            if (lane && lane->parked.len > 0) {
                assert_int_equal(lane->parked.v[0], 0);
                assert_string_equal(lane->record.reason, "rejected");
            }
            lt_ledger_deinit(&l);
            if (i % 50 == 49)
                world_advance(w, 2000);
        }
        assert_int_equal(world_parked(w, "A"), 2 * MANY);
        assert_int_equal(lt_memory_count(w->memory, LT_TOPIC_DEADLETTER), 1);
        world_free(w);
    }
}

/* ---- the same event twice in a queue: no ledger may confuse the two ---- */

static enum reply hold_b(struct world *w, const struct seen *call)
{
    (void)w;
    return call->dossier[0] == 'B' ? REPLY_HOLD : REPLY_OK;
}

static void an_event_that_stands_twice_in_the_queue_does_not_spoil_the_ledger(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->script = hold_b;
    world_received(w, 0, "B", 0); /* nothing passes it */
    world_received(w, 0, "A", 0);
    world_received(w, 0, "A", 0);
    world_open(w);
    world_run_until_forwarded(w, 2);
    world_turns(w, 50);
    world_crash(w);
    world_open(w);
    world_turns(w, 50);
    world_expect_status(w, "\"partition\":0,\"state\":\"running\"");
    w->script = NULL;
    world_run_until_forwarded(w, 3);
    world_turns(w, 50);
    assert_int_equal(world_forwarded(w), 3);
    struct lt_ledger l;
    world_ledger(w, 0, &l);
    assert_int_equal(l.opens_len, 0);
    lt_ledger_deinit(&l);
    world_free(w);
}

static void assigned(void *ctx, int32_t partition)
{
    (void)ctx;
    (void)partition;
}

static void revoked(void *ctx, int32_t partition, bool lost)
{
    (void)ctx;
    (void)partition;
    (void)lost;
}

static void instances_share_the_rate_by_the_partitions_they_own(void **state)
{
    (void)state;
    struct world *w = world_new();
    char code[16];
    w->target.rate = 40;
    const struct lt_log_settings s = {.group = "lt.sim",
                                      .topic = "lt.sim",
                                      .instance_id = "lt.sim.gw2.0",
                                      .callbacks = {.on_assign = assigned, .on_revoke = revoked}};
    struct lt_log *other = NULL;
    world_open(w);
    world_turns(w, 20);
    assert_int_equal(lt_log_memory_new(w->memory, &s, &other, NULL), LT_OK);
    for (int i = 0; i < 50; i++) {
        struct lt_log_record *r = NULL;
        (void)other->ops->poll(other, 0, &r, NULL);
        if (r)
            other->ops->record_free(other, r);
        world_turn(w);
    }
    LT_AUTOFREE char *status = world_status(w);
    bool first = strstr(status, "\"partition\":0") != NULL;
    assert_true(first != (strstr(status, "\"partition\":1") != NULL)); /* one each */
    for (int d = 0; d < 300; d++) {
        snprintf(code, sizeof(code), "D%d", d);
        world_received(w, first ? 0 : 1, code, 0);
    }
    world_turns(w, 3000);
    assert_in_range(w->calls, 50, 101); /* three seconds of half the rate, and a bucket of one */
    other->ops->close(other);
    world_free(w);
}

/* How long the engine lets a poll wait, looked at from outside. */
static struct {
    struct lt_log_ops ops;
    const struct lt_log_ops *real;
    int turns, hasty;
} polls;

static int spied_poll(struct lt_log *l, int timeout_ms, struct lt_log_record **ret, struct lt_err *err)
{
    int r = polls.real->poll(l, timeout_ms, ret, err);
    polls.turns += r == LT_LOG_NONE;
    polls.hasty += r == LT_LOG_NONE && timeout_ms == 0;
    return r;
}

/* A backlog that waits for its turn costs no processor time. */
static void a_backlog_that_the_rate_holds_back_does_not_keep_the_engine_spinning(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->target.rate = 2;
    for (int d = 0; d < 40; d++) {
        char code[16];
        snprintf(code, sizeof(code), "D%d", d);
        world_received(w, d % 2, code, 0);
    }
    world_open(w);
    world_turns(w, 100);
    polls.real = w->log->ops;
    polls.ops = *w->log->ops;
    polls.ops.poll = spied_poll;
    polls.turns = polls.hasty = 0;
    w->log->ops = &polls.ops;
    for (int i = 0; i < 2000; i++) {
        w->now_ms++;
        assert_int_equal(lt_engine_step(w->engine, 100), LT_OK);
    }
    assert_in_range(w->calls, 4, 10);
    assert_true(polls.turns > 1000);
    assert_true(polls.hasty < 200);
    w->log->ops = polls.real;
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backlog_that_the_rate_holds_back_does_not_keep_the_engine_spinning),
        cmocka_unit_test(a_dossier_that_alone_fails_for_long_is_parked),
        cmocka_unit_test(while_the_target_is_in_trouble_nobody_is_parked),
        cmocka_unit_test(a_dossier_that_alone_is_never_let_in_is_parked_and_the_others_go_on),
        cmocka_unit_test(while_nobody_is_let_in_nobody_is_parked),
        cmocka_unit_test(a_dossier_that_waits_holds_the_done_set_only_so_far),
        cmocka_unit_test(a_target_that_refuses_everything_is_paused_instead_of_parking_everything),
        cmocka_unit_test(a_create_that_was_out_at_a_crash_is_asked_for_only_when_it_is_settled),
        cmocka_unit_test(a_ledger_that_is_missing_or_not_the_one_of_the_position_stops),
        cmocka_unit_test(a_position_of_the_former_version_goes_on_when_it_left_nothing_open_and_stops_otherwise),
        cmocka_unit_test(a_target_that_is_down_costs_no_more_memory_than_its_budget),
        cmocka_unit_test(a_refusal_is_told_to_the_province_unless_the_target_is_not_to_tell_it),
        cmocka_unit_test(a_record_that_cannot_be_forwarded_is_a_refusal_that_the_province_hears_of),
        cmocka_unit_test(more_events_parked_at_once_than_a_transaction_takes_are_explained_and_counted_once),
        cmocka_unit_test(a_dossier_parked_in_several_transactions_is_never_without_its_first_event),
        cmocka_unit_test(an_event_that_stands_twice_in_the_queue_does_not_spoil_the_ledger),
        cmocka_unit_test(instances_share_the_rate_by_the_partitions_they_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
