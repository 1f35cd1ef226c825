/* A queue, or a topic of its ledger, that got more partitions: nothing is written or read by another division unseen.
 */
#include "tests/unit/delivery_world.h"

#include <stdio.h>

static struct {
    const struct lt_log_ops *real;
    struct lt_log_ops ops;
    const char *topic;
    int32_t told; /* of the topic, whatever it has */
} divided;

static int divided_partitions(struct lt_log *l, const char *topic, int32_t *ret, struct lt_err *err)
{
    int r = divided.real->partitions(l, topic, ret, err);
    bool meant = topic && divided.topic ? strcmp(topic, divided.topic) == 0 : topic == divided.topic;
    if (r == LT_LOG_OK && meant)
        *ret = divided.told;
    return r;
}

static void hook_partitions(struct world *w)
{
    divided.real = w->log->ops;
    divided.ops = *w->log->ops;
    divided.ops.partitions = divided_partitions;
    w->log->ops = &divided.ops;
}

/* The queue has three partitions; topic (NULL: the queue) is said to have so many, its ledger has two. */
static struct world *world_divided(const char *topic, int32_t told)
{
    struct world *w = world_new();
    lt_memory_topic_drop(w->memory, w->queue);
    lt_memory_topic(w->memory, w->queue, WORLD_PARTITIONS + 1, 0, false);
    world_genesis(w);
    divided.topic = topic;
    divided.told = told;
    w->on_log = hook_partitions;
    return w;
}

/* Each loading asks anew how the queue is divided: what is known of that must not change under a process. */
static void a_queue_that_grew_is_gone_on_with_by_the_process_that_knew_it_before(void **state)
{
    (void)state;
    struct world *w = world_divided(NULL, WORLD_PARTITIONS);
    world_received(w, 0, "A", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    divided.told = WORLD_PARTITIONS + 1;
    world_expect_status(w, "\"reason\":\"LEDGER-DIVIDED\""); /* the added one is nobody's */
    world_expect_status(w, "partition 2 of lt.sim was added");
    lt_memory_rebalance(w->memory, w->queue); /* given back, and loaded again */
    world_received(w, 0, "A", 1);
    world_received(w, 1, "B", 0);
    world_run_until_forwarded(w, 3);
    world_check_forwarded_in_order(w, "A", 2);
    world_free(w);
}

static void a_ledger_that_grew_is_gone_on_with_by_the_process_that_knew_it_before(void **state)
{
    (void)state;
    struct world *w = world_new();
    divided.topic = w->ledger;
    divided.told = WORLD_PARTITIONS;
    w->on_log = hook_partitions;
    world_received(w, 0, "A", 0);
    world_open(w);
    world_run_until_forwarded(w, 1);
    divided.told = WORLD_PARTITIONS + 1;
    lt_memory_rebalance(w->memory, w->queue);
    world_received(w, 0, "A", 1);
    world_run_until_forwarded(w, 2);
    world_free(w);
}

static void a_queue_divided_otherwise_than_its_ledger_stops_a_new_process_and_says_so(void **state)
{
    (void)state;
    struct world *w = world_divided(NULL, WORLD_PARTITIONS + 1);
    world_received(w, 0, "A", 0);
    world_open(w);
    world_turns(w, 50);
    assert_int_equal(w->calls, 0);
    world_expect_status(w, "\"reason\":\"LEDGER-DIVIDED\"");
    world_expect_status(w, "lt.sim has 3 partitions, lt.ledger.sim has 2");
    world_expect_status(w, "\"command\":\"lienthong topics\"");
    world_expect_status(w, "a partition count cannot be taken back");
    world_free(w);
}

static void a_partition_that_was_added_adds_nothing_to_the_rate(void **state)
{
    (void)state;
    struct world *w = world_divided(NULL, WORLD_PARTITIONS);
    w->target.rate = 10;
    world_open(w);
    world_turns(w, 50);
    for (int n = 0; n < 60; n++) {
        char dossier[8];
        snprintf(dossier, sizeof(dossier), "D%d", n);
        world_received(w, n % WORLD_PARTITIONS, dossier, 0);
    }
    world_turns(w, 2000);
    assert_in_range(w->calls, 25, 10 + 2 * 10 + 1); /* what it may at once, and in two seconds */
    world_free(w);
}

/* "Nothing new leaves once status shows it": a partition that cannot be asked to pause sends nothing either. */
static void a_pause_is_shown_although_a_partition_is_stopped(void **state)
{
    (void)state;
    struct world *w = world_divided(NULL, WORLD_PARTITIONS);
    world_open(w);
    world_turns(w, 50);
    world_decide(w, 0, "*", "pause-0", LT_VERB_PAUSE, -1, NULL);
    world_advance(w, 1000);
    world_turns(w, 50);
    world_expect_status(w, "\"state\":\"running\",\"ready\""); /* the other one sends still */
    world_decide(w, 1, "*", "pause-1", LT_VERB_PAUSE, -1, NULL);
    world_advance(w, 1000);
    world_turns(w, 50);
    world_expect_status(w, "\"state\":\"paused\",\"reason\":\"operator\"");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_that_grew_is_gone_on_with_by_the_process_that_knew_it_before),
        cmocka_unit_test(a_ledger_that_grew_is_gone_on_with_by_the_process_that_knew_it_before),
        cmocka_unit_test(a_queue_divided_otherwise_than_its_ledger_stops_a_new_process_and_says_so),
        cmocka_unit_test(a_partition_that_was_added_adds_nothing_to_the_rate),
        cmocka_unit_test(a_pause_is_shown_although_a_partition_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
