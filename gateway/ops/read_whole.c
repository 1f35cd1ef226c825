#include "gateway/ops/read_whole.h"

#include <inttypes.h>

int lt_read_whole(struct lt_admin *a, struct lt_reader *reader, const char *topic, int32_t partition, int64_t from,
                  int (*fn)(void *ctx, const struct lt_log_record *r), void *ctx, struct lt_err *err)
{
    int64_t low = 0, high = 0, stable = 0;
    int r = lt_admin_watermarks(a, topic, partition, &low, &high, err);
    if (r == LT_OK)
        r = lt_reader_ends(reader, topic, partition, &low, &stable, err);
    if (r == LT_OK)
        r = lt_reader_range(reader, topic, partition, LT_MAX(from, low), high, fn, ctx, err);
    if (r != LT_E_TIMEOUT || stable >= high)
        return r;
    return lt_err_set(err, LT_E_TIMEOUT, "held-back",
                      "%s partition %" PRId32 ": a transaction has been open for 10 s and holds back what was written "
                      "from offset %" PRId64 " on; Kafka ends one that a gateway left within half a minute: try again",
                      topic, partition, stable);
}
