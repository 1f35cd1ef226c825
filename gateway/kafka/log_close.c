#include "gateway/kafka/log_kafka.h"

#define CLOSE_ABORT_MS 5000

void lt_log_kafka_close(struct lt_log *l)
{
    if (!l)
        return;
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    k->closing = true; /* the owner is going away: no more callbacks */
    /* An open transaction would hold up read_committed readers until its timeout. */
    if (k->producer && (k->transaction == LT_TXN_OPEN || k->transaction == LT_TXN_ABORTING)) {
        rd_kafka_error_t *error = rd_kafka_abort_transaction(k->producer, CLOSE_ABORT_MS);
        rd_kafka_error_destroy(error); /* the next init_transactions or the timeout ends it otherwise */
    }
    if (k->consumer) {
        (void)rd_kafka_consumer_close(k->consumer); /* a static member sends no LeaveGroup: it stays known */
        lt_log_kafka_kept_drop(k, -1);
        rd_kafka_destroy(k->consumer);
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
    for (size_t i = 0; i < k->props_len; i++) {
        free((void *)(uintptr_t)k->props[i].name);
        free((void *)(uintptr_t)k->props[i].value);
    }
    free(k->props);
    lt_vec_deinit(&k->partitions);
    lt_vec_deinit(&k->kept);
    free(k->group);
    free(k->topic);
    free(k->instance_id);
    free(k);
}
