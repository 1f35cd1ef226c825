/* Which call finds out whether a target is back: one that may be repeated, for it may end unknown like those before. */
#include "tests/unit/delivery_world.h"

#include <stdio.h>

enum weather { ROWS_BUSY, AWAY, FINE };

static enum reply weather(struct world *w, const struct seen *call)
{
    const enum weather *now = w->ctx;
    if (*now == FINE)
        return REPLY_OK;
    if (*now == AWAY) /* cut, each and every one */
        return REPLY_VANISHED;
    return call->step == LT_STEP_UPSERT && call->dossier[1] < '3' ? REPLY_OK : REPLY_RETRY;
}

static void of_all_that_waits_what_may_be_repeated_probes(void **state)
{
    (void)state;
    struct world *w = world_new();
    enum weather now = ROWS_BUSY;
    char code[16];
    w->script = weather;
    w->ctx = &now;
    w->target.retry_max_ms = 100;
    for (int d = 0; d < 20; d++) { /* D0, D1, D2 are at their row when the target goes away */
        snprintf(code, sizeof(code), "D%c", 'A' + d - (d < 3 ? 'A' - '0' : 0));
        world_received(w, d % 2, code, 0);
    }
    world_open(w);
    for (int i = 0; i < 500 && w->engine; i++)
        world_turn(w);
    world_expect_status(w, "\"reason\":\"trouble\"");
    now = AWAY;
    size_t before = w->calls;
    for (int i = 0; i < 100; i++) {
        world_advance(w, 1000);
        world_turns(w, 50);
    }
    assert_true(w->calls > before + 50);
    world_expect_status(w, "\"parked_now\":0");
    now = FINE;
    world_advance(w, 60000);
    world_run_until_forwarded(w, 20);
    world_expect_status(w, "\"repeats\":0");
    world_free(w);
}

static void (*submit_sim)(void *self, struct lt_work *w);
static size_t probes, others;

static void submit_counted(void *self, struct lt_work *w)
{
    probes += w->probe;
    others += !w->probe;
    submit_sim(self, w);
}

static void the_adapter_is_told_which_step_probes(void **state)
{
    (void)state;
    struct world_first f = {.n = 2, .reply = REPLY_CREDENTIAL, .step = LT_STEP_UPSERT};
    struct world *w = world_that_answers_first(&f);
    w->target.retry_min_ms = w->target.retry_max_ms = 1000;
    probes = others = 0;
    submit_sim = w->adapter.submit;
    w->adapter.submit = submit_counted;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 20);
    assert_int_equal(probes, 0);
    assert_int_equal(others, 1);
    for (int i = 0; i < 2; i++) {
        world_advance(w, 1000);
        world_turns(w, 20);
    }
    world_run_until_forwarded(w, 1);
    assert_int_equal(probes, 2); /* the second one found it back */
    assert_int_equal(others, 2); /* and its row went as ever */
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_all_that_waits_what_may_be_repeated_probes),
        cmocka_unit_test(the_adapter_is_told_which_step_probes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
