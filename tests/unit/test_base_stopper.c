#include "tests/unit/harness.h"

#include <stdatomic.h>

#include "gateway/base/clock.h"
#include "gateway/base/stopper.h"

#define LONG_MS 600000 /* longer than any test may take */

struct worker {
    struct lt_stopper stopper;
    int64_t pause_ms;
    bool until_told; /* each work lasts until the thread is to stop */
    atomic_int works;
    _Atomic int64_t second_ms, first_ms;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    do {
        int n = atomic_load(&w->works);
        if (n < 2)
            atomic_store(n == 0 ? &w->first_ms : &w->second_ms, lt_mono_ms());
        atomic_store(&w->works, n + 1);
        while (w->until_told && !lt_stopper_stopping(&w->stopper))
            ;
    } while (!lt_stopper_wait(&w->stopper, w->pause_ms));
    return NULL;
}

static void begin(struct worker *w)
{
    lt_stopper_init(&w->stopper);
    assert_true(lt_stopper_start(&w->stopper, work, w));
}

/* How long it took. */
static int64_t end(struct worker *w)
{
    int64_t from = lt_mono_ms();
    lt_stopper_stop(&w->stopper);
    lt_stopper_stop(&w->stopper);
    lt_stopper_deinit(&w->stopper);
    return lt_mono_ms() - from;
}

static void it_works_at_once_and_again_when_the_pause_is_over(void **state LT_UNUSED)
{
    struct worker w = {.pause_ms = 50};
    begin(&w);
    WAIT_UNTIL(atomic_load(&w.works) >= 2);
    end(&w);
    assert_true(w.second_ms - w.first_ms >= 49); /* each is cut to whole milliseconds */
}

static void a_long_pause_ends_when_it_is_told_to_stop(void **state LT_UNUSED)
{
    struct worker w = {.pause_ms = LONG_MS};
    begin(&w);
    WAIT_UNTIL(atomic_load(&w.works) == 1);
    assert_true(end(&w) < LONG_MS / 10);
    assert_int_equal(w.works, 1);
}

/* What shares the lock may also share the condition. */
static void a_pause_is_not_cut_short_by_being_woken(void **state LT_UNUSED)
{
    struct worker w = {.pause_ms = 50};
    begin(&w);
    while (atomic_load(&w.works) < 2) {
        pthread_mutex_lock(&w.stopper.lock);
        pthread_cond_broadcast(&w.stopper.changed);
        pthread_mutex_unlock(&w.stopper.lock);
    }
    end(&w);
    assert_true(w.second_ms - w.first_ms >= 49);
}

static void long_work_sees_that_it_is_to_stop_and_is_waited_for(void **state LT_UNUSED)
{
    struct worker w = {.until_told = true, .pause_ms = LONG_MS};
    begin(&w);
    WAIT_UNTIL(atomic_load(&w.works) == 1);
    assert_false(lt_stopper_stopping(&w.stopper));
    assert_true(end(&w) < LONG_MS / 10);
    assert_int_equal(w.works, 1);
}

static void one_that_was_never_started_can_be_ended(void **state LT_UNUSED)
{
    struct worker w = {0};
    lt_stopper_init(&w.stopper);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_works_at_once_and_again_when_the_pause_is_over),
        cmocka_unit_test(a_long_pause_ends_when_it_is_told_to_stop),
        cmocka_unit_test(a_pause_is_not_cut_short_by_being_woken),
        cmocka_unit_test(long_work_sees_that_it_is_to_stop_and_is_waited_for),
        cmocka_unit_test(one_that_was_never_started_can_be_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
