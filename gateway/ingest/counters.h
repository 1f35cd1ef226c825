/* What ingest counts: items by outcome, refusals by code. Thread-safe. */
#ifndef LT_INGEST_COUNTERS_H
#define LT_INGEST_COUNTERS_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/codec/json.h"

#define LT_INGEST_CODES 64

struct lt_ingest_counters {
    atomic_uint_fast64_t accepted, refused, not_attempted, unavailable; /* items */
    atomic_uint_fast64_t truncated;                                     /* fields of accepted items */
    atomic_uint_fast64_t rate_limited, unknown_client, receipts;        /* requests */
    pthread_mutex_t lock;
    struct {
        char code[40];
        uint64_t count;
    } codes[LT_INGEST_CODES]; /* the last one takes what does not fit: "other" */
    size_t codes_len;
};

void lt_ingest_counters_init(struct lt_ingest_counters *c);
void lt_ingest_counters_deinit(struct lt_ingest_counters *c);
void lt_ingest_count_refused(struct lt_ingest_counters *c, const char *code);
void lt_ingest_counters_json(struct lt_ingest_counters *c, struct lt_json_writer *w); /* members of an open object */
void lt_ingest_counters_metrics(struct lt_ingest_counters *c, struct lt_buf *out);
#endif
