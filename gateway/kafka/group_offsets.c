#include "gateway/kafka/admin.h"

#include "gateway/base/clock.h"
#include "gateway/kafka/admin_handle.h"
#include "gateway/kafka/client.h"

#include <stdio.h>
#include <time.h>

#define ASK_MS 10000
#define SETTLE_MS 15000
#define INIT_MS 30000 /* waits for a transaction of a predecessor to end */
#define COMMIT_MS 15000

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

static int row_read_once(const struct lt_admin *a, rd_kafka_t *member, const char *topic, int32_t partition,
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
    if (!code)
        code = rd_kafka_query_watermark_offsets(a->rk, topic, partition, &row.low, &row.high, ASK_MS);
    if (code) {
        lt_kafka_fail(err, code, "committed offset of %s partition %d", topic, (int)partition);
        return lt_kafka_error(code);
    }
    *ret = row;
    return LT_OK;
}

/* Brokers of a topic that was created a moment ago may not know yet that they lead it. */
static int row_read(const struct lt_admin *a, rd_kafka_t *member, const char *topic, int32_t partition,
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

static int error_take(rd_kafka_error_t *error, const char *group, const char *what, struct lt_err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    lt_err_set(err, lt_kafka_error(code), rd_kafka_err2name(code), "genesis of group %s, %s: %s", group, what,
               rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return lt_kafka_error(code);
}

/* The one transactional id of genesis and repairs: two commands at once fence each other. */
static int repairer(const struct lt_admin *a, const char *group, rd_kafka_t **ret, struct lt_err *err)
{
    char id[256];
    snprintf(id, sizeof(id), "%s.repair", group);
    const struct lt_kafka_setting forced[] = {{"transactional.id", id},
                                              {"client.id", id},
                                              {"transaction.timeout.ms", "15000"},
                                              {"message.timeout.ms", "15000"}};
    const struct lt_kafka_spec spec = {a->props, a->props_len, NULL, forced, 0, LT_ARRAY_LEN(forced)};
    rd_kafka_t *rk;
    int r = lt_kafka_open(RD_KAFKA_PRODUCER, &spec, &rk, err);
    if (r != LT_OK)
        return r;
    rd_kafka_error_t *error = rd_kafka_init_transactions(rk, INIT_MS);
    if (error) {
        r = error_take(error, group, "init_transactions", err);
        rd_kafka_destroy(rk);
        return r;
    }
    *ret = rk;
    return LT_OK;
}

static int write_offsets(rd_kafka_t *rk, const char *group, const rd_kafka_topic_partition_list_t *list,
                         struct lt_err *err)
{
    rd_kafka_error_t *error = rd_kafka_begin_transaction(rk);
    if (error)
        return error_take(error, group, "begin", err);
    /* Accepted beside live members, where a plain commit is refused. */
    rd_kafka_consumer_group_metadata_t *any = rd_kafka_consumer_group_metadata_new(group);
    error = rd_kafka_send_offsets_to_transaction(rk, list, any, COMMIT_MS);
    rd_kafka_consumer_group_metadata_destroy(any);
    if (error) {
        int r = error_take(error, group, "sending offsets", err);
        rd_kafka_error_destroy(
            rd_kafka_abort_transaction(rk, COMMIT_MS)); /* the next init_transactions ends it otherwise */
        return r;
    }
    error = rd_kafka_commit_transaction(rk, COMMIT_MS);
    return error ? error_take(error, group, "commit (look at the offsets before trying again)", err) : LT_OK;
}

int lt_admin_genesis(struct lt_admin *a, const char *group, const char *topic,
                     void (*metadata_for)(void *ctx, int32_t partition, char out[512]), void *ctx, struct lt_err *err)
{
    int32_t n;
    int r = partitions_of(a, topic, &n, err);
    if (r != LT_OK)
        return r;
    rd_kafka_t *rk = NULL, *member = NULL;
    r = repairer(a, group, &rk, err);
    if (r != LT_OK)
        return r;
    r = group_handle(a, group, &member, err);
    if (r != LT_OK) {
        rd_kafka_destroy(rk);
        return r;
    }
    /* Offsets are read after init_transactions: whatever another command began with this id has ended. */
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);
    for (int32_t p = 0; p < n && r == LT_OK; p++) {
        struct lt_genesis_row row;
        r = row_read(a, member, topic, p, &row, err);
        if (r != LT_OK || row.offset >= 0 || row.high != 0)
            continue;
        char metadata[512] = "";
        metadata_for(ctx, p, metadata);
        size_t len = strnlen(metadata, sizeof(metadata));
        rd_kafka_topic_partition_t *e = rd_kafka_topic_partition_list_add(list, topic, p);
        e->offset = 0;
        e->metadata = rd_kafka_mem_malloc(NULL, len + 1); /* freed with the list */
        memcpy(e->metadata, metadata, len);
        e->metadata_size = len;
    }
    rd_kafka_destroy(member);
    if (r == LT_OK && list->cnt > 0)
        r = write_offsets(rk, group, list, err);
    int written = list->cnt;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return r == LT_OK ? written : r;
}
