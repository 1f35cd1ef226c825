/*
 * What the core has written, read back from Kafka: routed copies, quarantine, dead letters, each with the intake record
 * it came from (header lt_origin). For repairs and verification, which must not rest on the running index.
 *
 * What the province was told of a verdict (gateway/core/tell.h) counts among the copies, with the identity of the event
 * it speaks of. Copies that later hops forward (lt_hop above 0) and dead letters that ingest or an adapter wrote are
 * not the core's and are left out.
 */
#ifndef LT_OPS_OUTPUTS_H
#define LT_OPS_OUTPUTS_H

#include "gateway/core/routes.h"
#include "gateway/kafka/admin.h"
#include "gateway/kafka/reader.h"

enum lt_output_kind {
    LT_OUTPUT_KIND_ROUTED,        /* by a route: verdict new or replay */
    LT_OUTPUT_KIND_CONFLICT,      /* lt.quarantine */
    LT_OUTPUT_KIND_INVALID,       /* lt.deadletter */
    LT_OUTPUT_KIND_UNDELIVERABLE, /* lt.deadletter instead of the topic: its verdict is another copy's to tell */
    LT_OUTPUT_KIND_TOLD,          /* lt.province */
};

struct lt_output_copy {
    enum lt_output_kind kind;
    uint64_t incarnation; /* of intake */
    int32_t partition;
    int64_t offset;
    const char *topic;      /* where it was found */
    struct lt_span missing; /* UNDELIVERABLE: the topic it did not fit */
    struct lt_span id;      /* ce_id, empty when the record has none */
    struct lt_span key;
    struct lt_span told; /* TOLD, or UNDELIVERABLE in its stead: the verdict's name; else empty */
    bool replay;
};

#define LT_OUTPUT_TOPIC_MAX 250 /* Kafka's own limit and a NUL */
/* Where a partition of an output begins. */
struct lt_output_head {
    const char *topic;
    int32_t partition, partitions;
    int64_t low; /* above 0: retention, or somebody, may have deleted some of what was written since since_ms */
};

/* Is this record of an output the core's, and which? */
bool lt_output_copy_of(const struct lt_log_record *r, struct lt_output_copy *ret);

/*
 * Every copy the core wrote at or after since_ms (0: all), topic by topic and partition by partition. on_head (NULL:
 * none) is called before a partition's copies. Output records bear the gateway's clock, so leave a margin. Up to the
 * end with what open transactions hold back, which are waited for: behind one that a killed gateway left, committed
 * copies would look lost. LT_OK; LT_E_TIMEOUT: one stays open (err says where); else what the reader says.
 */
int lt_outputs_scan(struct lt_admin *admin, struct lt_reader *reader, const struct lt_routes *routes, int64_t since_ms,
                    void (*on_head)(void *ctx, const struct lt_output_head *head),
                    void (*fn)(void *ctx, const struct lt_output_copy *copy), void *ctx,
                    struct lt_err *err) LT_MUST_CHECK;
#endif
