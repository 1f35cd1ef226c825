/*
 * Reading one partition by position with librdkafka's simple consumer (no group, no offsets kept): what the log's scans
 * and the reader share. Private to gateway/kafka. The handle must have enable.partition.eof, auto.offset.reset=error
 * and LT_KAFKA_SCAN_SETTINGS; one thread.
 */
#ifndef LT_KAFKA_SCAN_H
#define LT_KAFKA_SCAN_H

#include "gateway/kafka/client.h"

/*
 * What lies fetched ahead of a scan, at most; twice that while the part that was taken is worked off. And a short
 * fetch.wait: the end of a partition is told by an empty fetch, and scans wait for that.
 */
#define LT_KAFKA_SCAN_RECORDS 16384
#define LT_KAFKA_SCAN_KIB 8192
#define LT_KAFKA_SCAN_TEXT_(n) #n
#define LT_KAFKA_SCAN_TEXT(n) LT_KAFKA_SCAN_TEXT_(n)
#define LT_KAFKA_SCAN_SETTINGS                                                                                         \
    {"queued.min.messages", LT_KAFKA_SCAN_TEXT(LT_KAFKA_SCAN_RECORDS)},                                                \
        {"queued.max.messages.kbytes", LT_KAFKA_SCAN_TEXT(LT_KAFKA_SCAN_KIB)},                                         \
    {                                                                                                                  \
        "fetch.wait.max.ms", "5"                                                                                       \
    }

struct lt_kafka_scan {
    rd_kafka_t *rk;
    const char *topic;
    int32_t partition;
    int64_t from, to; /* records with from <= offset < to */
    int silence_ms;   /* LT_LOG_RETRY when nothing came for so long */
    int tick_ms;      /* how often tick is called; anything but LT_LOG_OK ends the scan with it. NULL: none */
    int (*tick)(void *tick_ctx, struct lt_err *err);
    void *tick_ctx;
    int (*fn)(void *ctx, const struct lt_log_record *r); /* not 0: enough */
    void *ctx;
};

/*
 * Transaction markers occupy offsets: the scan ends when the position reaches `to`, which the end-of-partition event
 * tells, not only when a record with to - 1 came. LT_LOG_OK, LT_LOG_RETRY, LT_LOG_ABSENT (from is not in the log),
 * LT_LOG_PERMANENT.
 */
int lt_kafka_scan(const struct lt_kafka_scan *s, struct lt_err *err) LT_MUST_CHECK;
#endif
