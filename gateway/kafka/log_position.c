#include "gateway/kafka/log_kafka.h"

#include <inttypes.h>
#include <stdio.h>

#define ASK_MS 5000

int lt_log_kafka_committed(struct lt_log *l, int32_t partition, int timeout_ms, struct lt_log_offset *ret,
                           struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    /* Alone: a list times out as a whole, and its elements then look like partitions without an offset. */
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *e = rd_kafka_topic_partition_list_add(list, k->topic, partition);
    rd_kafka_resp_err_t code = rd_kafka_committed(k->consumer, list, timeout_ms);
    if (!code)
        code = e->err;
    int r = LT_LOG_OK;
    if (code) {
        r = lt_kafka_fail(err, code, "committed offset of group %s, %s partition %d", k->group, k->topic,
                          (int)partition);
    } else {
        ret->partition = partition;
        ret->offset = e->offset >= 0 ? e->offset : -1;
        if (e->metadata_size >= sizeof(ret->metadata)) { /* longer than any of ours: a tool's, which nobody can read */
            snprintf(ret->metadata, sizeof(ret->metadata), "%zu bytes of another program", e->metadata_size);
            rd_kafka_topic_partition_list_destroy(list);
            return LT_LOG_OK;
        }
        if (e->metadata_size)
            memcpy(ret->metadata, e->metadata, e->metadata_size);
        ret->metadata[e->metadata_size] = '\0';
    }
    rd_kafka_topic_partition_list_destroy(list);
    return r;
}

int lt_log_kafka_watermarks(struct lt_log *l, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_high,
                            struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    int64_t low, high;
    topic = topic ? topic : k->topic;
    int r = lt_kafka_low(k->peek, topic, partition, ASK_MS, &low, err);
    if (r == LT_LOG_OK)
        r = lt_kafka_end(k->peek, topic, partition, ASK_MS, &high, err);
    if (r != LT_LOG_OK)
        return r;
    *ret_low = low;
    *ret_high = high;
    return LT_LOG_OK;
}

int lt_log_kafka_stable_end(struct lt_log *l, int32_t partition, int64_t *ret, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    return lt_kafka_end(k->consumer, k->topic, partition, ASK_MS, ret, err); /* a read_committed handle */
}

int lt_log_kafka_partitions(struct lt_log *l, const char *topic, int32_t *ret, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    return lt_kafka_partitions(k->peek, topic ? topic : k->topic, ASK_MS, ret, err);
}

int lt_log_kafka_offset_at(struct lt_log *l, int32_t partition, int64_t ms, int64_t *ret, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *e = rd_kafka_topic_partition_list_add(list, k->topic, partition);
    e->offset = LT_MAX(ms, 0); /* in: time; out: offset, or the logical end */
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(k->peek, list, ASK_MS);
    if (!code)
        code = e->err;
    int64_t offset = e->offset;
    rd_kafka_topic_partition_list_destroy(list);
    if (code)
        return lt_kafka_fail(err, code, "offset of %s partition %d at time %" PRId64, k->topic, (int)partition, ms);
    if (offset < 0)
        return lt_kafka_end(k->peek, k->topic, partition, ASK_MS, ret, err);
    *ret = offset;
    return LT_LOG_OK;
}
