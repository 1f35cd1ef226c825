/* The verdicts of the core and the port through which receipts learn them. */
#ifndef LT_MODEL_VERDICT_H
#define LT_MODEL_VERDICT_H

#include "gateway/base/base.h"

enum lt_verdict_kind {
    LT_VERDICT_NEW,
    LT_VERDICT_DUPLICATE,
    LT_VERDICT_CONFLICT,
    LT_VERDICT_REPLAY,
    LT_VERDICT_INVALID,
    LT_VERDICTS
};
const char *lt_verdict_name(enum lt_verdict_kind v); /* "new" "duplicate" "conflict" "replay" "invalid" */

/* What is known of one accepted record (protocol 4, receipts). */
enum lt_fate_state {
    LT_FATE_PENDING,   /* not judged yet, or the owner is loading: ask again */
    LT_FATE_DECIDED,   /* verdict filled */
    LT_FATE_EXPIRED,   /* decided, details expired */
    LT_FATE_ELSEWHERE, /* another instance owns the partition: its address is in `owner` */
};
struct lt_fate {
    enum lt_fate_state state;
    enum lt_verdict_kind verdict;
    int64_t first_offset; /* first record of the same content, a hint for people; -1 unknown */
    char owner[128];      /* internal mTLS address host:port of the owner, for ELSEWHERE; "" when nobody owns it */
};

/* Port from ingest to core. ask() is thread-safe and may block up to 2 s. */
struct lt_fate_port {
    void *ctx;
    void (*ask)(void *ctx, int32_t partition, int64_t offset, struct lt_span ce_id, struct lt_span digest,
                struct lt_fate *ret);
};
#endif
