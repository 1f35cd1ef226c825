#include "gateway/kafka/log_kafka.h"

#include "gateway/base/log.h"
#include "gateway/kafka/scan.h"

#define SERVE_MS 200 /* how often the group's callbacks are served meanwhile */
#define SILENCE_MS 10000

struct aside {
    struct lt_log_kafka *k;
    bool paused; /* the member's own fetching, because the kept records grew */
};

/*
 * Serving polls may bring records of started partitions, which are kept. A long scan must not pull in the whole topic:
 * beyond the queue's budget fetching rests until the scan ends.
 */
static int serve(void *ctx, struct lt_err *err)
{
    struct aside *a = ctx;
    struct lt_log_kafka *k = a->k;
    if (a->paused || k->kept_bytes > LT_MAX(k->queue_bytes, (size_t)1 << 20)) {
        /* Again each time: a partition that was started meanwhile fetches too, and pausing twice does no harm. */
        rd_kafka_topic_partition_list_t *list = lt_log_kafka_running(k);
        (void)rd_kafka_pause_partitions(k->consumer, list); /* what cannot be paused is only kept */
        rd_kafka_topic_partition_list_destroy(list);
        a->paused = true;
    }
    lt_log_kafka_serve(k);
    return lt_log_kafka_alive(k, err);
}

int lt_log_kafka_scan(struct lt_log *l, const char *topic, int32_t partition, int64_t from, int64_t to,
                      int (*fn)(void *ctx, const struct lt_log_record *r), void *ctx, struct lt_err *err)
{
    struct lt_log_kafka *k = lt_log_kafka_of(l);
    if (!k->scanner) {
        int made = lt_log_kafka_reader(k, "read_committed", &k->scanner, err);
        if (made != LT_OK)
            return made;
    }
    struct aside aside = {.k = k};
    int r = serve(&aside, err);
    if (r != LT_LOG_OK)
        return r;
    struct lt_kafka_scan s = {
        .rk = k->scanner,
        .topic = topic ? topic : k->topic,
        .partition = partition,
        .from = from,
        .to = to,
        .silence_ms = SILENCE_MS,
        .tick_ms = SERVE_MS,
        .tick = serve,
        .tick_ctx = &aside,
        .fn = fn,
        .ctx = ctx,
    };
    r = lt_kafka_scan(&s, err);
    if (aside.paused) {
        rd_kafka_topic_partition_list_t *list = lt_log_kafka_running(k);
        rd_kafka_resp_err_t code = rd_kafka_resume_partitions(k->consumer, list);
        if (code)
            lt_warn(k->instance_id, "resume",
                    "group %s: partitions that waited for a look elsewhere are not read on: %s", k->group,
                    rd_kafka_err2str(code));
        rd_kafka_topic_partition_list_destroy(list);
    }
    return r;
}
