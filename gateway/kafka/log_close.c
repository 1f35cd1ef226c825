#include "gateway/kafka/log_kafka.h"

#include "gateway/base/clock.h"

#define CLOSE_ABORT_MS 5000
#define CLOSE_JOIN_MS 3000
#define CLOSE_LEAVE_MS 3000

static void poll_unseen(struct lt_log_kafka *k)
{
    rd_kafka_message_t *m = rd_kafka_consumer_poll(k->consumer, 20);
    if (m)
        rd_kafka_message_destroy(m);
}

/*
 * librdkafka 2.0.2 aborts the process (assertion in rd_kafka_sticky_assignor_state_destroy) when a consumer is
 * destroyed after it joined its group and before its first assignment. Wait for that, within reason.
 */
static bool consumer_may_be_destroyed(struct lt_log_kafka *k)
{
    for (int64_t until = lt_mono_ms() + CLOSE_JOIN_MS; !k->assigned_once && lt_mono_ms() < until;)
        poll_unseen(k);
    return k->assigned_once;
}

/*
 * A static member that is closed sends no LeaveGroup; one that unsubscribes does (docs/decisions/0013-leaving.md), as
 * soon as its partitions are unassigned, which the callback does that is served here. The answer is waited for by
 * consumer_close, up to the 5 s that librdkafka gives it. Who is alone stays known: nobody waits for its partitions,
 * and a group that was empty costs the next start the broker's group.initial.rebalance.delay.ms.
 */
static void leave_group(struct lt_log_kafka *k)
{
    if (k->watch.known && k->watch.last.members <= 1)
        return;
    if (rd_kafka_fatal_error(k->consumer, NULL, 0) || rd_kafka_unsubscribe(k->consumer))
        return; /* the membership is somebody else's already */
    for (int64_t until = lt_mono_ms() + CLOSE_LEAVE_MS; lt_log_kafka_is_member(k) && lt_mono_ms() < until;)
        poll_unseen(k);
}

void lt_log_kafka_close(struct lt_log *l)
{
    if (!l)
        return;
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    k->closing = true; /* the owner is going away: no more callbacks */
    lt_log_kafka_aside_free(k->aside);
    k->aside = NULL;
    /* An open transaction would hold up read_committed readers until its timeout. */
    if (k->producer && (k->transaction == LT_TXN_OPEN || k->transaction == LT_TXN_ABORTING)) {
        rd_kafka_error_t *error = rd_kafka_abort_transaction(k->producer, CLOSE_ABORT_MS);
        rd_kafka_error_destroy(error); /* the next init_transactions or the timeout ends it otherwise */
    }
    if (k->consumer) {
        bool destroy = consumer_may_be_destroyed(k);
        if (k->leaving && atomic_load(k->leaving))
            leave_group(k);
        (void)rd_kafka_consumer_close(k->consumer);
        lt_log_kafka_kept_drop(k, -1);
        rd_kafka_queue_destroy(k->queue);
        if (destroy)
            rd_kafka_destroy(k->consumer); /* else it goes with the process: better than an abort */
    }
    lt_log_kafka_producer_free(k);
    struct lt_kafka_topic *t, *next;
    HASH_ITER (hh, k->topics, t, next) {
        HASH_DEL(k->topics, t);
        free(t->name);
        free(t);
    }
    if (k->scanner)
        rd_kafka_destroy(k->scanner);
    if (k->peek)
        rd_kafka_destroy(k->peek);
    lt_kafka_props_free(k->props, k->props_len);
    lt_vec_deinit(&k->partitions);
    lt_vec_deinit(&k->kept);
    for (size_t i = 0; i < k->spare.len; i++)
        free(k->spare.v[i]);
    lt_vec_deinit(&k->spare);
    free(k->group);
    free(k->topic);
    free(k->other_topic);
    free(k->instance_id);
    free(k);
}
