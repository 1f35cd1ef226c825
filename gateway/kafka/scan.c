#include "gateway/kafka/scan.h"

#include "gateway/base/clock.h"
#include "gateway/kafka/record.h"

#include <inttypes.h>

#define STEP_MS 100

/* One message. LT_LOG_NONE: go on; LT_LOG_OK: the scan is over. */
static int take(const struct lt_kafka_scan *s, const rd_kafka_message_t *m, int64_t *next, struct lt_err *err)
{
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        *next = LT_MAX(*next, m->offset); /* the position: past the markers that stand at the end */
        return *next >= s->to ? LT_LOG_OK : LT_LOG_NONE;
    }
    if (m->err) {
        int r = lt_kafka_fail(err, m->err, "reading %s partition %d at %" PRId64, s->topic, (int)s->partition, *next);
        return r == LT_LOG_RETRY ? LT_LOG_NONE : r; /* librdkafka itself goes on; silence ends the scan */
    }
    if (m->offset >= s->to)
        return LT_LOG_OK;
    struct lt_log_record record;
    lt_record_view(&record, m);
    *next = m->offset + 1;
    return s->fn(s->ctx, &record) != 0 || *next >= s->to ? LT_LOG_OK : LT_LOG_NONE;
}

static int run(const struct lt_kafka_scan *s, rd_kafka_topic_t *rkt, struct lt_err *err)
{
    int64_t ticked = lt_mono_ms(), heard = ticked, next = s->from;
    for (;;) {
        int64_t now = lt_mono_ms();
        if (s->tick && now - ticked >= s->tick_ms) {
            int r = s->tick(s->tick_ctx, err);
            if (r != LT_LOG_OK)
                return r;
            ticked = lt_mono_ms();
        }
        rd_kafka_message_t *m = rd_kafka_consume(rkt, s->partition, LT_MIN(STEP_MS, s->silence_ms));
        if (!m) {
            rd_kafka_poll(s->rk, 0);
            if (lt_mono_ms() - heard < s->silence_ms)
                continue;
            lt_err_set(err, LT_E_TIMEOUT, "scan-silent",
                       "reading %s partition %d: nothing came for %d ms at offset %" PRId64
                       ", expected records up to %" PRId64,
                       s->topic, (int)s->partition, s->silence_ms, next, s->to);
            return LT_LOG_RETRY;
        }
        int64_t before = next;
        int r = take(s, m, &next, err);
        rd_kafka_message_destroy(m);
        if (r != LT_LOG_NONE)
            return r;
        if (next > before)
            heard = lt_mono_ms();
    }
}

int lt_kafka_scan(const struct lt_kafka_scan *s, struct lt_err *err)
{
    if (s->from >= s->to)
        return LT_LOG_OK;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(s->rk, s->topic, NULL);
    if (!rkt || rd_kafka_consume_start(rkt, s->partition, s->from) != 0) {
        int r = lt_kafka_fail(err, rd_kafka_last_error(), "reading %s partition %d", s->topic, (int)s->partition);
        if (rkt)
            rd_kafka_topic_destroy(rkt);
        return r;
    }
    int r = run(s, rkt, err);
    (void)rd_kafka_consume_stop(rkt, s->partition); /* fails only for what was never started */
    rd_kafka_topic_destroy(rkt);
    return r;
}
