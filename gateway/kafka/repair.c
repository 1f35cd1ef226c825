#include "gateway/kafka/repair.h"

#include "gateway/kafka/client.h"

#include <stdio.h>

#define INIT_MS 30000 /* waits for a transaction of a predecessor to end */
#define COMMIT_MS 15000
#define OFFSETS_ROOM 64

struct lt_repair {
    char group[128];
    rd_kafka_t *rk;
    bool open;
    rd_kafka_topic_partition_list_t *offsets;
};

static int error_take(const struct lt_repair *r, rd_kafka_error_t *error, const char *what, struct lt_err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    lt_err_set(err, lt_kafka_error(code), rd_kafka_err2name(code), "writing positions of group %s, %s: %s", r->group,
               what, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return lt_kafka_error(code);
}

int lt_repair_begin(const struct lt_config_prop *props, size_t n_props, const char *group, struct lt_repair **ret,
                    struct lt_err *err)
{
    char id[160];
    snprintf(id, sizeof(id), "%s.repair", group);
    const struct lt_kafka_setting forced[] = {{"transactional.id", id},
                                              {"client.id", id},
                                              {"transaction.timeout.ms", "15000"},
                                              {"message.timeout.ms", "15000"}};
    const struct lt_kafka_spec spec = {props, n_props, NULL, forced, 0, LT_ARRAY_LEN(forced)};
    struct lt_repair *r = lt_alloc(sizeof(*r));
    snprintf(r->group, sizeof(r->group), "%s", group);
    int result = lt_kafka_open(RD_KAFKA_PRODUCER, &spec, &r->rk, err);
    rd_kafka_error_t *error = NULL;
    if (result == LT_OK && (error = rd_kafka_init_transactions(r->rk, INIT_MS)))
        result = error_take(r, error, "init_transactions", err);
    if (result == LT_OK && (error = rd_kafka_begin_transaction(r->rk)))
        result = error_take(r, error, "begin", err);
    if (result != LT_OK) {
        lt_repair_free(r);
        return result;
    }
    r->open = true;
    r->offsets = rd_kafka_topic_partition_list_new(OFFSETS_ROOM);
    *ret = r;
    return LT_OK;
}

void lt_repair_free(struct lt_repair *r)
{
    if (!r)
        return;
    if (r->open) {
        rd_kafka_error_t *error = rd_kafka_abort_transaction(r->rk, COMMIT_MS);
        rd_kafka_error_destroy(error); /* the next init_transactions ends it otherwise */
    }
    if (r->offsets)
        rd_kafka_topic_partition_list_destroy(r->offsets);
    if (r->rk)
        rd_kafka_destroy(r->rk);
    free(r);
}

void lt_repair_offset(struct lt_repair *r, const char *topic, int32_t partition, int64_t offset, const char *metadata)
{
    size_t len = strlen(metadata);
    rd_kafka_topic_partition_t *e = rd_kafka_topic_partition_list_add(r->offsets, topic, partition);
    e->offset = offset;
    e->metadata = rd_kafka_mem_malloc(NULL, len + 1); /* freed with the list */
    memcpy(e->metadata, metadata, len);
    e->metadata_size = len;
}

int lt_repair_record(struct lt_repair *r, const char *topic, int32_t partition, struct lt_span key,
                     const struct lt_headers *headers, struct lt_span value, struct lt_err *err)
{
    rd_kafka_headers_t *h = lt_kafka_headers(headers);
    rd_kafka_resp_err_t code = rd_kafka_producev(
        r->rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(key.ptr, key.len), RD_KAFKA_V_VALUE((void *)(uintptr_t)value.ptr, value.len),
        RD_KAFKA_V_HEADERS(h), RD_KAFKA_V_END);
    if (!code)
        return LT_OK;
    if (h)
        rd_kafka_headers_destroy(h);
    lt_kafka_fail(err, code, "writing a record to %s", topic);
    return lt_kafka_error(code);
}

int lt_repair_commit(struct lt_repair *r, struct lt_err *err)
{
    rd_kafka_error_t *error = NULL;
    if (r->offsets->cnt > 0) {
        rd_kafka_consumer_group_metadata_t *any = rd_kafka_consumer_group_metadata_new(r->group);
        error = rd_kafka_send_offsets_to_transaction(r->rk, r->offsets, any, COMMIT_MS);
        rd_kafka_consumer_group_metadata_destroy(any);
        if (error)
            return error_take(r, error, "sending offsets", err);
    }
    error = rd_kafka_commit_transaction(r->rk, COMMIT_MS);
    if (error)
        return error_take(r, error, "commit (look at the offsets before trying again)", err);
    r->open = false;
    return LT_OK;
}
