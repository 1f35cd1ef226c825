/*
 * The whole of what has been fetched is taken with one call and one lock, and worked off record by record inside
 * librdkafka's callback. While that goes on the next part is fetched.
 */
#include "gateway/kafka/scan.h"

#include "gateway/base/clock.h"
#include "gateway/kafka/record.h"

#include <inttypes.h>

#define STEP_MS 100

struct run {
    const struct lt_kafka_scan *s;
    struct lt_err *err;
    int64_t next;  /* position */
    int result;    /* LT_LOG_NONE: go on; anything else: the scan is over with it */
    bool was_full; /* the part that is being worked off filled the queue: the fetcher sleeps */
    struct lt_kafka_seen seen;
};

/* One message. LT_LOG_NONE: go on; LT_LOG_OK: the scan is over. */
static int take(struct run *run, const rd_kafka_message_t *m)
{
    const struct lt_kafka_scan *s = run->s;
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        run->next = LT_MAX(run->next, m->offset); /* the position: past the markers that stand at the end */
        return run->next >= s->to ? LT_LOG_OK : LT_LOG_NONE;
    }
    if (m->err) {
        int r = lt_kafka_fail(run->err, m->err, "reading %s partition %d at %" PRId64, s->topic, (int)s->partition,
                              run->next);
        return r == LT_LOG_RETRY ? LT_LOG_NONE : r; /* librdkafka itself goes on; silence ends the scan */
    }
    if (m->offset >= s->to)
        return LT_LOG_OK;
    struct lt_log_record record;
    lt_record_view(&record, m);
    run->next = m->offset + 1;
    run->seen.records++;
    run->seen.bytes += m->len + m->key_len;
    return s->fn(s->ctx, &record) != 0 || run->next >= s->to ? LT_LOG_OK : LT_LOG_NONE;
}

static void wake(const struct lt_kafka_scan *s)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, s->topic, s->partition);
    lt_kafka_wake(s->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static void on_message(rd_kafka_message_t *m, void *ctx)
{
    struct run *run = ctx;
    if (run->result != LT_LOG_NONE)
        return;
    if (run->was_full) { /* by now the queue is empty */
        run->was_full = false;
        wake(run->s);
    }
    run->result = take(run, m);
    if (run->result != LT_LOG_NONE)
        rd_kafka_yield(run->s->rk); /* what was taken beyond it goes back to the queue, and away with that */
}

static int work_off(struct run *run, rd_kafka_queue_t *queue)
{
    const struct lt_kafka_scan *s = run->s;
    int64_t ticked = lt_mono_ms(), heard = ticked;
    while (run->result == LT_LOG_NONE) {
        int64_t now = lt_mono_ms(), before = run->next;
        if (s->tick && now - ticked >= s->tick_ms) {
            int r = s->tick(s->tick_ctx, run->err);
            if (r != LT_LOG_OK)
                return r;
            ticked = lt_mono_ms();
        }
        run->was_full =
            lt_kafka_is_full(&run->seen, rd_kafka_queue_length(queue), LT_KAFKA_SCAN_RECORDS, LT_KAFKA_SCAN_KIB * 1024);
        (void)rd_kafka_consume_callback_queue(queue, LT_MIN(STEP_MS, s->silence_ms), on_message, run);
        if (run->next > before) {
            heard = lt_mono_ms();
        } else if (run->result == LT_LOG_NONE) {
            rd_kafka_poll(s->rk, 0);
            if (lt_mono_ms() - heard < s->silence_ms)
                continue;
            lt_err_set(run->err, LT_E_TIMEOUT, "scan-silent",
                       "reading %s partition %d: nothing came for %d ms at offset %" PRId64
                       ", expected records up to %" PRId64,
                       s->topic, (int)s->partition, s->silence_ms, run->next, s->to);
            return LT_LOG_RETRY;
        }
    }
    return run->result;
}

int lt_kafka_scan(const struct lt_kafka_scan *s, struct lt_err *err)
{
    if (s->from >= s->to)
        return LT_LOG_OK;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(s->rk, s->topic, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(s->rk);
    int r;
    if (!rkt || rd_kafka_consume_start_queue(rkt, s->partition, s->from, queue) != 0) {
        r = lt_kafka_fail(err, rd_kafka_last_error(), "reading %s partition %d", s->topic, (int)s->partition);
    } else {
        struct run run = {.s = s, .err = err, .next = s->from, .result = LT_LOG_NONE};
        r = work_off(&run, queue);
        (void)rd_kafka_consume_stop(rkt, s->partition); /* fails only for what was never started */
    }
    rd_kafka_queue_destroy(queue); /* with what is left in it */
    if (rkt)
        rd_kafka_topic_destroy(rkt);
    return r;
}
