/*
 * A transaction of somebody else on lt.intake (protocol 2, rule 10): it holds the read_committed reader back without a
 * word, so the last stable offset is compared with the high watermark. Open for 30 s, it is the alarm
 * FOREIGN-TRANSACTION of its partition, until it ends. The worker's thread; each look asks Kafka twice a partition, and
 * is made at most every 5 s.
 */
#ifndef LT_CORE_FOREIGN_H
#define LT_CORE_FOREIGN_H

#include "gateway/core/partition.h"

struct lt_foreign {
    int64_t looked_ms; /* monotonic; 0 not yet */
};

/* Given up without a result when the log does not answer or the process stops. Does nothing before it is due. */
void lt_foreign_look(struct lt_foreign *f, struct lt_log *log, struct lt_partition *partitions, int32_t partitions_len,
                     const atomic_bool *stopping);
#endif
