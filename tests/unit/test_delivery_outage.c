/*
 * A target that is down while a day's records arrive (issue 5, item 6): the clock is the test's, the log is in memory.
 *
 * ctest runs RECORDS of them; `LT_OUTAGE_RECORDS=1000000 test_delivery_outage` the whole million, which takes minutes
 * and some 6 GB, most of it the log itself.
 */
#include "tests/unit/delivery_world.h"

#include <stdio.h>

#define RECORDS 30000
#define DAY_MINUTES 1440
#define MINUTE_MS 60000
#define DOSSIER_EVENTS 5
#define OTHER_SHARE 8 /* every n-th record goes to the other target too */
#define RATE 2000     /* calls a second */
#define TURN_MS 10
#define BUDGET ((size_t)4 << 20)
/* What one burst of polling may bring beyond the budget: 256 records, each counted with what an item takes. */
#define BUDGET_SLACK ((size_t)256 * 4096)

/* What a target has been asked, in order. */
struct ledger_of_calls {
    int *next; /* of each dossier, the event whose turn it is */
    size_t dossiers, done, refused, second_calls;
    int64_t second;
    bool down;
};

static size_t records_wanted(void)
{
    const char *text = getenv("LT_OUTAGE_RECORDS");
    return text ? (size_t)strtoull(text, NULL, 10) : RECORDS;
}

static enum reply answer(struct world *w, const struct seen *call)
{
    struct ledger_of_calls *l = w->ctx;
    unsigned dossier;
    if (l->down) {
        l->refused++;
        return REPLY_RETRY;
    }
    assert_int_equal(sscanf(call->dossier, "D%u", &dossier), 1);
    assert_true(dossier < l->dossiers);
    assert_int_equal(call->number, l->next[dossier]);
    if (call->step == LT_STEP_PROGRESS) { /* the last step of a received event */
        l->next[dossier]++;
        l->done++;
    }
    /* Never more calls in a second than the rate, and the bucket of one second once. */
    if (w->now_ms / 1000 != l->second) {
        l->second = w->now_ms / 1000;
        l->second_calls = 0;
    }
    l->second_calls++;
    assert_true(w->target.rate == 0 || l->second_calls <= 2 * (size_t)w->target.rate);
    return REPLY_OK;
}

static struct ledger_of_calls calls_of(struct world *w, size_t dossiers)
{
    struct ledger_of_calls l = {.next = lt_calloc(dossiers, sizeof(int)), .dossiers = dossiers};
    w->script = answer;
    w->keeps_nothing = true;
    w->target.concurrency = 64;
    w->memory_bytes = BUDGET;
    return l;
}

static long number_of(struct world *w, const char *member)
{
    LT_AUTOFREE char *status = world_status(w);
    const char *at = strstr(status, member);
    assert_non_null(at);
    return atol(at + strlen(member));
}

/* Record `n` of a world: dossiers take turns, so that each lives through the whole time. */
static void arrive(struct world *w, size_t n, size_t dossiers)
{
    char code[24];
    snprintf(code, sizeof(code), "D%zu", n % dossiers);
    world_received(w, (int32_t)(n % dossiers % WORLD_PARTITIONS), code, (int)(n / dossiers));
}

/* What no engine reads again; a test of a million records has no room for it. */
static void forget_written(struct world *w)
{
    const char *const topics[] = {w->history, w->ledger, "lt.next", LT_TOPIC_ANSWERS};
    for (size_t i = 0; i < LT_ARRAY_LEN(topics); i++)
        for (int32_t p = 0; p < (i < 2 ? WORLD_PARTITIONS : 1); p++)
            lt_memory_delete_head(w->memory, topics[i], p, lt_memory_end(w->memory, topics[i], p));
}

static void turn(struct world *w)
{
    world_advance(w, TURN_MS - 1);
    world_turn(w);
    assert_false(w->fatal);
}

static void a_day_without_the_target_stays_in_the_log_and_is_caught_up_in_order_within_the_rate(void **state)
{
    (void)state;
    size_t records = records_wanted(), dossiers = records / DOSSIER_EVENTS, arrived = 0, arrived_other = 0;
    size_t most = 0;
    struct world *w = world_new(), *other = world_beside(w, "other");
    size_t other_dossiers = dossiers / OTHER_SHARE;
    struct ledger_of_calls down = calls_of(w, dossiers), flowing = calls_of(other, other_dossiers);
    down.down = true;
    w->ctx = &down;
    other->ctx = &flowing;
    w->target.rate = RATE;
    w->target.park_after_ms = 3600000;
    world_open(w);
    world_open(other);

    for (size_t minute = 1; minute <= DAY_MINUTES; minute++) {
        for (; arrived < dossiers * DOSSIER_EVENTS * minute / DAY_MINUTES; arrived++)
            arrive(w, arrived, dossiers);
        for (; arrived_other < other_dossiers * DOSSIER_EVENTS * minute / DAY_MINUTES; arrived_other++)
            arrive(other, arrived_other, other_dossiers);
        /* The other target does not notice: what came in this minute is at it within this minute. */
        for (int i = 0; i < MINUTE_MS / TURN_MS && flowing.done < arrived_other; i++)
            turn(other);
        assert_int_equal(flowing.done, arrived_other);
        for (int i = 0; i < 20; i++)
            turn(w);
        w->now_ms = other->now_ms = (int64_t)minute * MINUTE_MS;
        most = LT_MAX(most, (size_t)number_of(w, "\"bytes\":"));
        assert_true(most <= BUDGET + BUDGET_SLACK);
        forget_written(other);
    }
    assert_int_equal(down.done, 0);
    assert_true(down.refused < (size_t)DAY_MINUTES * 60); /* the breaker: probes, not a storm */
    assert_int_equal(number_of(w, "\"lanes_parked\":"), 0);
    struct lt_log_offset at;
    for (int32_t p = 0; p < WORLD_PARTITIONS; p++) {
        world_committed(w, p, &at);
        assert_int_equal(at.offset, 0); /* all of it is in the queue still */
    }
    assert_int_equal(lt_memory_count(w->memory, w->queue), arrived);

    down.down = false;
    int64_t began = w->now_ms;
    size_t calls = w->calls;
    for (int64_t turns = 0; down.done < arrived; turns++) {
        /* 2 calls an event at RATE; five times as long is a failure, not a slow machine: the clock is ours */
        assert_true(turns < 5 * (int64_t)arrived * 2 * 1000 / RATE / TURN_MS + 60000);
        turn(w);
        if (turns % 1000 == 0) {
            most = LT_MAX(most, (size_t)number_of(w, "\"bytes\":"));
            assert_true(most <= BUDGET + BUDGET_SLACK);
            forget_written(w);
        }
    }
    int64_t took_ms = w->now_ms - began;
    calls = w->calls - calls;
    assert_true(calls <= (size_t)(RATE * (took_ms / 1000 + 2)));
    for (size_t d = 0; d < dossiers; d++)
        assert_int_equal(down.next[d], DOSSIER_EVENTS);
    for (int i = 0; i < 100; i++)
        turn(w);
    assert_int_equal(number_of(w, "\"lag\":"), 0);
    assert_int_equal(number_of(w, "\"lanes_parked\":"), 0);
    print_message("%zu records in a day, %zu calls refused, at most %zu bytes of %zu held; caught up in %.0f s of the "
                  "test's clock, %.0f calls/s of %d; %zu events at the other target meanwhile\n",
                  arrived, down.refused, most, BUDGET, (double)took_ms / 1e3, (double)calls / ((double)took_ms / 1e3),
                  RATE, flowing.done);
    free(down.next);
    free(flowing.next);
    world_free(other);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_without_the_target_stays_in_the_log_and_is_caught_up_in_order_within_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
