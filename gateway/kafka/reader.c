#include "gateway/kafka/reader.h"

#include "gateway/kafka/client.h"
#include "gateway/kafka/scan.h"

#include <inttypes.h>

#define ASK_MS 5000
#define SILENCE_MS 10000

struct lt_reader {
    rd_kafka_t *rk;
};

int lt_reader_new(const struct lt_config_prop *props, size_t n_props, struct lt_reader **ret, struct lt_err *err)
{
    static const struct lt_kafka_setting defaults[] = {{"fetch.error.backoff.ms", "100"}};
    static const struct lt_kafka_setting forced[] = {
        {"isolation.level", "read_committed"}, {"auto.offset.reset", "error"}, {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"}, {"check.crcs", "true"},         {"enable.partition.eof", "true"},
        {"allow.auto.create.topics", "false"}, LT_KAFKA_SCAN_SETTINGS,
    };
    const struct lt_kafka_spec spec = {props, n_props, defaults, forced, LT_ARRAY_LEN(defaults), LT_ARRAY_LEN(forced)};
    rd_kafka_t *rk;
    int r = lt_kafka_open(RD_KAFKA_CONSUMER, &spec, &rk, err);
    if (r != LT_OK)
        return r;
    struct lt_reader *reader = lt_alloc(sizeof(*reader));
    reader->rk = rk;
    *ret = reader;
    return LT_OK;
}

void lt_reader_free(struct lt_reader *r)
{
    if (!r)
        return;
    rd_kafka_destroy(r->rk);
    free(r);
}

/* Results of a scan as the errors of this module. */
static int as_error(int result, const struct lt_err *err)
{
    switch (result) {
    case LT_LOG_OK:
        return LT_OK;
    case LT_LOG_RETRY:
        return LT_E_TIMEOUT;
    case LT_LOG_ABSENT:
        return LT_E_NOT_FOUND;
    default:
        return result < 0 ? result : err->code < 0 ? err->code : LT_E_UNAVAILABLE;
    }
}

struct wanted {
    int64_t offset;
    bool found;
    void (*fn)(void *ctx, const struct lt_log_record *rec);
    void *ctx;
};

static int take_wanted(void *ctx, const struct lt_log_record *rec)
{
    struct wanted *w = ctx;
    if (rec->offset == w->offset) {
        w->found = true;
        w->fn(w->ctx, rec);
    }
    return 1; /* a later record: the wanted one was compacted, aborted or is a marker */
}

int lt_reader_get(struct lt_reader *r, const char *topic, int32_t partition, int64_t offset, int timeout_ms,
                  void (*fn)(void *ctx, const struct lt_log_record *rec), void *ctx, struct lt_err *err)
{
    struct lt_err own = LT_ERR_INIT;
    if (!err)
        err = &own;
    /* Asked first: a position at or past the end would otherwise only be told by silence. */
    int64_t low, high;
    int asked = lt_kafka_low(r->rk, topic, partition, timeout_ms, &low, err);
    if (asked == LT_LOG_OK)
        asked = lt_kafka_end(r->rk, topic, partition, timeout_ms, &high, err);
    if (asked != LT_LOG_OK)
        return asked == LT_LOG_RETRY ? LT_E_TIMEOUT : err->code;
    struct wanted w = {.offset = offset, .fn = fn, .ctx = ctx};
    if (offset >= low && offset < high) {
        struct lt_kafka_scan s = {
            .rk = r->rk,
            .topic = topic,
            .partition = partition,
            .from = offset,
            .to = offset + 1,
            .silence_ms = timeout_ms,
            .fn = take_wanted,
            .ctx = &w,
        };
        int result = lt_kafka_scan(&s, err);
        if (result != LT_LOG_OK && result != LT_LOG_ABSENT)
            return as_error(result, err);
    }
    return w.found
               ? LT_OK
               : lt_err_set(err, LT_E_NOT_FOUND, "offset-absent",
                            "%s partition %d has no record at offset %" PRId64 " (it has %" PRId64 " to %" PRId64 ")",
                            topic, (int)partition, offset, low, high);
}

struct end {
    int64_t low, high;
};

struct whole {
    int (*fn)(void *ctx, const struct lt_log_record *rec);
    void *ctx;
    bool enough;
};

static int take_each(void *ctx, const struct lt_log_record *rec)
{
    struct whole *w = ctx;
    w->enough = w->fn(w->ctx, rec) != 0;
    return w->enough;
}

int lt_reader_scan(struct lt_reader *r, const char *topic, int (*fn)(void *ctx, const struct lt_log_record *rec),
                   void *ctx, struct lt_err *err)
{
    struct lt_err own = LT_ERR_INIT;
    if (!err)
        err = &own;
    int32_t n;
    int result = lt_reader_partitions(r, topic, &n, err);
    if (result != LT_OK)
        return result;
    LT_VEC(struct end) ends = {0};
    for (int32_t p = 0; p < n; p++) {
        /* read_committed: the last stable offset, so an open transaction does not hold the scan up */
        struct end end;
        if (lt_kafka_low(r->rk, topic, p, ASK_MS, &end.low, err) != LT_LOG_OK ||
            lt_kafka_end(r->rk, topic, p, ASK_MS, &end.high, err) != LT_LOG_OK) {
            lt_vec_deinit(&ends);
            return err->code;
        }
        *lt_vec_push(&ends) = end;
    }
    struct whole w = {.fn = fn, .ctx = ctx};
    result = LT_LOG_OK;
    for (int32_t p = 0; p < n && result == LT_LOG_OK && !w.enough; p++) {
        struct lt_kafka_scan s = {
            .rk = r->rk,
            .topic = topic,
            .partition = p,
            .from = ends.v[p].low,
            .to = ends.v[p].high,
            .silence_ms = SILENCE_MS,
            .fn = take_each,
            .ctx = &w,
        };
        result = lt_kafka_scan(&s, err);
    }
    lt_vec_deinit(&ends);
    return as_error(result, err);
}

int lt_reader_partitions(struct lt_reader *r, const char *topic, int32_t *ret, struct lt_err *err)
{
    struct lt_err own = LT_ERR_INIT;
    if (!err)
        err = &own;
    return as_error(lt_kafka_partitions(r->rk, topic, ASK_MS, ret, err), err);
}

int lt_reader_range(struct lt_reader *r, const char *topic, int32_t partition, int64_t from, int64_t to,
                    int (*fn)(void *ctx, const struct lt_log_record *rec), void *ctx, struct lt_err *err)
{
    struct lt_err own = LT_ERR_INIT;
    if (!err)
        err = &own;
    struct lt_kafka_scan s = {
        .rk = r->rk,
        .topic = topic,
        .partition = partition,
        .from = from,
        .to = to,
        .silence_ms = SILENCE_MS,
        .fn = fn,
        .ctx = ctx,
    };
    return as_error(lt_kafka_scan(&s, err), err);
}

int lt_reader_ends(struct lt_reader *r, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_stable,
                   struct lt_err *err)
{
    struct lt_err own = LT_ERR_INIT;
    int64_t low, stable;
    err = err ? err : &own;
    if (lt_kafka_low(r->rk, topic, partition, ASK_MS, &low, err) != LT_LOG_OK ||
        lt_kafka_end(r->rk, topic, partition, ASK_MS, &stable, err) != LT_LOG_OK)
        return err->code;
    *ret_low = low;
    *ret_stable = stable;
    return LT_OK;
}

int lt_reader_offset_at(struct lt_reader *r, const char *topic, int32_t partition, int64_t ms, int64_t *ret,
                        struct lt_err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *e = rd_kafka_topic_partition_list_add(list, topic, partition);
    e->offset = LT_MAX(ms, 0); /* in: time; out: offset, or the logical end */
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(r->rk, list, ASK_MS);
    if (!code)
        code = e->err;
    int64_t offset = e->offset, low;
    rd_kafka_topic_partition_list_destroy(list);
    if (code) {
        lt_kafka_fail(err, code, "offset of %s partition %d at time %" PRId64, topic, (int)partition, ms);
        return lt_kafka_error(code);
    }
    if (offset < 0)
        return lt_reader_ends(r, topic, partition, &low, ret, err);
    *ret = offset;
    return LT_OK;
}
