/* The topics that the producer writes to: there before anything is produced to them, and noticed when they go away. */
#include "gateway/kafka/log_kafka.h"

#include "gateway/base/log.h"

#include <stdio.h>

#define METADATA_MS 5000

static int no_partition(const char *name, int32_t partitions, int32_t partition, struct lt_err *err)
{
    lt_err_set(err, LT_E_NOT_FOUND, "partition", "topic %s has %d partitions, there is no partition %d", name,
               (int)partitions, (int)partition);
    if (err)
        snprintf(err->source, sizeof(err->source), "%s", name);
    return LT_LOG_PERMANENT;
}

/* Through the handle that never creates: a topic that is not there must stay so. */
static int ask(struct lt_log_kafka *k, const char *name, int32_t *ret_partitions, struct lt_err *err)
{
    int r = lt_kafka_partitions(k->peek, name, METADATA_MS, ret_partitions, err);
    if (r == LT_LOG_PERMANENT && err) {
        if (err->code == LT_E_NOT_FOUND)
            lt_err_set(err, LT_E_NOT_FOUND, "topic-missing", "topic %s does not exist: run lienthong topics create",
                       name);
        snprintf(err->source, sizeof(err->source), "%s", name);
    }
    return r;
}

/*
 * The topic must exist before anything is produced to it: a broker with auto-create would make the misspelt one and
 * commit (protocol 4), and without it librdkafka would hold the record back until it times out. Asked once, and again
 * after each transaction that failed.
 */
int lt_log_kafka_topic_for(struct lt_log_kafka *k, const char *name, int32_t partition, struct lt_kafka_topic **ret,
                           struct lt_err *err)
{
    struct lt_kafka_topic *t = NULL;
    HASH_FIND_STR(k->topics, name, t);
    if (!t || !t->handle || partition >= t->partitions) {
        int32_t partitions = 0;
        int r = ask(k, name, &partitions, err);
        if (r != LT_LOG_OK)
            return r;
        /* One that was made again is not known to the producer until it asks too; it exists, so nothing is created. */
        if (t) {
            if (lt_kafka_partitions(k->producer, name, METADATA_MS, &t->partitions, NULL) != LT_LOG_OK)
                lt_debug(k->instance_id, "producer-topic", "%s: the producer does not see it yet", name);
        } else {
            t = lt_alloc(sizeof(*t));
            t->name = lt_strdup(name);
            HASH_ADD_KEYPTR(hh, k->topics, t->name, strlen(t->name), t);
        }
        t->partitions = partitions;
    }
    if (partition < 0 || partition >= t->partitions)
        return no_partition(name, t->partitions, partition, err);
    if (!t->handle && !(t->handle = rd_kafka_topic_new(k->producer, name, NULL)))
        return lt_kafka_fail(err, rd_kafka_last_error(), "topic %s", name);
    t->transaction = k->transactions;
    *ret = t;
    return LT_LOG_OK;
}

void lt_log_kafka_topics_doubt(struct lt_log_kafka *k)
{
    for (struct lt_kafka_topic *t = k->topics; t; t = t->hh.next) {
        if (t->handle)
            rd_kafka_topic_destroy(t->handle);
        t->handle = NULL;
    }
}

bool lt_log_kafka_topics_gone(struct lt_log_kafka *k, struct lt_err *err)
{
    for (const struct lt_kafka_topic *t = k->topics; t; t = t->hh.next) {
        int32_t partitions = 0;
        if (t->transaction != k->transactions)
            continue;
        int r = ask(k, t->name, &partitions, err);
        if (r == LT_LOG_PERMANENT)
            return true;
        if (r != LT_LOG_OK)
            return false; /* Kafka is away: nothing is known of any */
    }
    return false;
}
