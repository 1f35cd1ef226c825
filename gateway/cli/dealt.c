#include "gateway/cli/dealt.h"

#include "gateway/ingest/resubmit.h"
#include "gateway/model/event.h"

#include <uthash.h>

struct lt_dealt { /* one letter; the table of all is its first */
    char id[LT_LETTER_ID_MAX];
    bool refused;
    UT_hash_handle hh;
};

static int remember(void *ctx, const struct lt_log_record *r)
{
    struct lt_dealt **all = ctx, *d;
    struct lt_span id = lt_headers_value(&r->headers, LT_RESUBMIT_AUDITED);
    if (!id.len || id.len >= LT_LETTER_ID_MAX)
        return 0;
    HASH_FIND(hh, *all, id.ptr, id.len, d);
    if (!d) {
        d = lt_alloc(sizeof(*d));
        memcpy(d->id, id.ptr, id.len);
        HASH_ADD(hh, *all, id, id.len, d);
    }
    d->refused |= lt_span_is(lt_headers_value(&r->headers, "lt_result"), "refused");
    return 0;
}

int lt_dealt_read(struct lt_reader *reader, struct lt_dealt **ret, struct lt_err *err)
{
    struct lt_dealt *all = NULL;
    int r = lt_reader_scan(reader, LT_TOPIC_AUDIT, remember, &all, err);
    if (r == LT_OK)
        *ret = all;
    else
        lt_dealt_free(all);
    return r;
}

enum lt_dealt_how lt_dealt_how(const struct lt_dealt *all, const char *id)
{
    const struct lt_dealt *d;
    HASH_FIND_STR(all, id, d);
    return !d ? LT_DEALT_NOT : d->refused ? LT_DEALT_REFUSED : LT_DEALT_ACCEPTED;
}

void lt_dealt_free(struct lt_dealt *all)
{
    struct lt_dealt *d, *next;
    HASH_ITER (hh, all, d, next) {
        HASH_DEL(all, d);
        free(d);
    }
}
