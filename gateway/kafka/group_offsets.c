#include "gateway/kafka/admin.h"

#include "gateway/base/clock.h"
#include "gateway/kafka/admin_handle.h"
#include "gateway/kafka/client.h"
#include "gateway/kafka/repair.h"

#include <stdio.h>
#include <time.h>

#define ASK_MS 10000
#define SETTLE_MS 15000

/* A handle that may ask for the group's offsets; it never joins. */
static int group_handle(const struct lt_admin *a, const char *group, rd_kafka_t **ret, struct lt_err *err)
{
    const struct lt_kafka_setting forced[] = {{"group.id", group},
                                              {"enable.auto.commit", "false"},
                                              {"isolation.level", "read_committed"},
                                              {"allow.auto.create.topics", "false"}};
    const struct lt_kafka_spec spec = {a->props, a->props_len, NULL, forced, 0, LT_ARRAY_LEN(forced)};
    return lt_kafka_open(RD_KAFKA_CONSUMER, &spec, ret, err);
}

int lt_admin_group_members(struct lt_admin *a, const char *group, int *ret, struct lt_err *err)
{
    const struct rd_kafka_group_list *list;
    struct lt_err own = LT_ERR_INIT;
    err = err ? err : &own;
    if (lt_kafka_group(a->rk, group, ASK_MS, &list, err) != LT_LOG_OK)
        return err->code;
    *ret = list ? list->groups[0].member_cnt : 0;
    if (list)
        rd_kafka_group_list_destroy(list);
    return LT_OK;
}

static int row_read_once(struct lt_admin *a, rd_kafka_t *member, const char *topic, int32_t partition,
                         struct lt_genesis_row *ret, struct lt_err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *e = rd_kafka_topic_partition_list_add(list, topic, partition);
    rd_kafka_resp_err_t code = rd_kafka_committed(member, list, ASK_MS);
    if (!code)
        code = e->err;
    struct lt_genesis_row row = {.partition = partition, .offset = e->offset >= 0 ? e->offset : -1};
    if (!code)
        snprintf(row.metadata, sizeof(row.metadata), "%.*s", (int)e->metadata_size,
                 e->metadata ? (const char *)e->metadata : "");
    rd_kafka_topic_partition_list_destroy(list);
    if (code) {
        lt_kafka_fail(err, code, "committed offset of %s partition %d", topic, (int)partition);
        return lt_kafka_error(code);
    }
    int r = lt_admin_watermarks(a, topic, partition, &row.low, &row.high, err);
    if (r != LT_OK)
        return r;
    *ret = row;
    return LT_OK;
}

/* Brokers of a topic that was created a moment ago may not know yet that they lead it. */
static int row_read(struct lt_admin *a, rd_kafka_t *member, const char *topic, int32_t partition,
                    struct lt_genesis_row *ret, struct lt_err *err)
{
    for (int64_t until = lt_mono_ms() + SETTLE_MS;;) {
        int r = row_read_once(a, member, topic, partition, ret, err);
        if (r != LT_E_UNAVAILABLE || lt_mono_ms() >= until)
            return r;
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
}

static int partitions_of(const struct lt_admin *a, const char *topic, int32_t *ret, struct lt_err *err)
{
    struct lt_err own = LT_ERR_INIT;
    err = err ? err : &own;
    return lt_kafka_partitions(a->rk, topic, ASK_MS, ret, err) == LT_LOG_OK ? LT_OK : err->code;
}

int lt_admin_group_offsets(struct lt_admin *a, const char *group, const char *topic,
                           void (*fn)(void *ctx, const struct lt_genesis_row *row), void *ctx, struct lt_err *err)
{
    int32_t n;
    int r = partitions_of(a, topic, &n, err);
    if (r != LT_OK)
        return r;
    rd_kafka_t *member;
    r = group_handle(a, group, &member, err);
    if (r != LT_OK)
        return r;
    for (int32_t p = 0; p < n && r == LT_OK; p++) {
        struct lt_genesis_row row;
        r = row_read(a, member, topic, p, &row, err);
        if (r == LT_OK)
            fn(ctx, &row);
    }
    rd_kafka_destroy(member);
    return r;
}

/* ---- genesis ---- */

int lt_admin_genesis(struct lt_admin *a, const char *group, const char *topic,
                     void (*metadata_for)(void *ctx, int32_t partition, char out[512]), void *ctx, struct lt_err *err)
{
    int32_t n;
    int r = partitions_of(a, topic, &n, err);
    if (r != LT_OK)
        return r;
    struct lt_repair *repair = NULL;
    rd_kafka_t *member = NULL;
    r = lt_repair_begin(a->props, a->props_len, group, &repair, err);
    if (r == LT_OK)
        r = group_handle(a, group, &member, err);
    int written = 0;
    /* Offsets are read after the repair has begun: whatever another command began with its id has ended. */
    for (int32_t p = 0; p < n && r == LT_OK; p++) {
        struct lt_genesis_row row;
        r = row_read(a, member, topic, p, &row, err);
        if (r != LT_OK || row.offset >= 0 || row.high != 0)
            continue;
        char metadata[512] = "";
        metadata_for(ctx, p, metadata);
        metadata[sizeof(metadata) - 1] = '\0';
        lt_repair_offset(repair, topic, p, 0, metadata);
        written++;
    }
    if (member)
        rd_kafka_destroy(member);
    if (r == LT_OK && written > 0)
        r = lt_repair_commit(repair, err);
    lt_repair_free(repair);
    return r == LT_OK ? written : r;
}

int lt_admin_watermarks(struct lt_admin *a, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_high,
                        struct lt_err *err)
{
    int64_t low, high;
    struct lt_err asked = LT_ERR_INIT;
    if (lt_kafka_low(a->rk, topic, partition, ASK_MS, &low, &asked) != LT_LOG_OK ||
        lt_kafka_end(a->rk, topic, partition, ASK_MS, &high, &asked) != LT_LOG_OK) {
        if (err)
            *err = asked;
        return asked.code;
    }
    *ret_low = low;
    *ret_high = high;
    return LT_OK;
}
