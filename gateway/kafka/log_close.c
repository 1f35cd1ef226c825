#include "gateway/kafka/log_kafka.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

#include <pthread.h>

#define CLOSE_ABORT_MS 5000
#define CLOSE_MAX_MS 10000
#define CLOSE_JOIN_MS 3000
#define CLOSE_LEAVE_MS 3000
#define CLOSE_DRAIN_MS 3000

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

struct closing {
    rd_kafka_t *consumer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done, abandoned; /* who comes second frees it */
};

static void closing_free(struct closing *c)
{
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static void *close_consumer(void *arg)
{
    struct closing *c = arg;
    (void)rd_kafka_consumer_close(c->consumer);
    pthread_mutex_lock(&c->lock);
    c->done = true;
    bool last = c->abandoned;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (last)
        closing_free(c);
    return NULL;
}

/*
 * rd_kafka_consumer_close, within a time. In 2.0.2 it can wait for ever: it serves our rebalance callback, the callback
 * gives partitions back, and the answer to that is thrown away when a heartbeat's error has ended the membership in the
 * same moment (seen while a broker came back). So it runs on a thread of its own. false: it does not end; the consumer
 * and k, which its callback uses, stay behind, and the membership ends with its session or its successor's claim.
 */
static bool consumer_closed(struct lt_log_kafka *k)
{
    struct closing *c = lt_calloc(1, sizeof(*c));
    c->consumer = k->consumer;
    lt_mono_cond_init(&c->changed);
    pthread_mutex_init(&c->lock, NULL);
    pthread_t thread;
    if (pthread_create(&thread, NULL, close_consumer, c) != 0) {
        closing_free(c);
        (void)rd_kafka_consumer_close(k->consumer);
        return true;
    }
    pthread_detach(thread);
    struct timespec until = lt_mono_after(CLOSE_MAX_MS);
    pthread_mutex_lock(&c->lock);
    while (!c->done && pthread_cond_timedwait(&c->changed, &c->lock, &until) == 0)
        ;
    bool done = c->done;
    c->abandoned = !done;
    pthread_mutex_unlock(&c->lock);
    if (done)
        closing_free(c);
    return done;
}

/*
 * A consumer with a fatal error is closed by its destruction alone. In 2.0.2 that never ends, with a thread that spins,
 * where an assignment waited for our answer when the error came: the answer is taken for an unassign, which does not
 * lead out of that state (docs/decisions/0004-librdkafka-traps.md). What lies in the queue shows whether one did.
 */
static bool consumer_terminates(struct lt_log_kafka *k)
{
    if (rd_kafka_consumer_closed(k->consumer))
        return true;
    (void)rd_kafka_assign(k->consumer, NULL); /* with a fatal error always legal: nothing more is fetched */
    for (int64_t until = lt_mono_ms() + CLOSE_DRAIN_MS;
         !k->undead && rd_kafka_queue_length(k->queue) > 0 && lt_mono_ms() < until;)
        poll_unseen(k);
    return !k->undead && rd_kafka_queue_length(k->queue) == 0;
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
    lt_log_kafka_producer_free(k);
    if (k->scanner)
        rd_kafka_destroy(lt_steal(&k->scanner));
    if (k->peek)
        rd_kafka_destroy(lt_steal(&k->peek));
    if (k->consumer) {
        bool destroy = consumer_may_be_destroyed(k);
        if (k->leaving && atomic_load(k->leaving))
            leave_group(k);
        if (!consumer_closed(k)) {
            lt_warn(k->instance_id, "close-abandoned",
                    "group %s: the membership could not be closed within %d s; it ends with its session", k->group,
                    CLOSE_MAX_MS / 1000);
            return;
        }
        lt_log_kafka_kept_drop(k, -1);
        destroy = consumer_terminates(k) && destroy;
        rd_kafka_queue_destroy(k->queue);
        if (destroy)
            rd_kafka_destroy(k->consumer); /* else it goes with the process: better than an abort, or than to hang */
    }
    struct lt_kafka_topic *t, *next;
    HASH_ITER (hh, k->topics, t, next) {
        HASH_DEL(k->topics, t);
        free(t->name);
        free(t);
    }
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
