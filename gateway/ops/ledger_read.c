#include "gateway/ops/ledger_read.h"

#include "gateway/ops/read_whole.h"

struct reading {
    struct lt_ledger *ledger;
    struct lt_err *err;
    int failed;
};

static int take_record(void *ctx, const struct lt_log_record *r)
{
    struct reading *x = ctx;
    x->failed = lt_ledger_take(x->ledger, r, x->err);
    return x->failed != LT_OK;
}

/* Protocol 3, rule 1: to the read_uncommitted end, so that nothing committed just now is missed. */
int lt_ledger_read(struct lt_admin *a, struct lt_reader *reader, const char *topic, int32_t partition,
                   struct lt_ledger *ret, struct lt_err *err)
{
    struct reading x = {.ledger = ret, .err = err};
    int r = lt_read_whole(a, reader, topic, partition, 0, take_record, &x, err);
    return r == LT_OK ? x.failed : r;
}
