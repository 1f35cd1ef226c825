/*
 * What an operator has accepted about one partition of intake and the loader may rely on: offsets that hold no record
 * (rule 9), and an index that differs from the committed one (rule 8). Kept in lt.position under the key
 * "accepted/<partition>", apart from the worker's own record, which it would overwrite otherwise:
 *
 *   {"partition":3,"incarnation":"<16 hex>","holes":[[120,122]],"index":{"offset":900,"sum":"<16
 * hex>"},"by":…,"time":…}
 *
 * Holes are half-open, apart and in order. Decisions of another incarnation of intake mean nothing.
 */
#ifndef LT_CORE_ACCEPTED_H
#define LT_CORE_ACCEPTED_H

#include "gateway/base/err.h"

#define LT_ACCEPTED_HOLES_MAX 256

struct lt_hole {
    int64_t from, to;
};

struct lt_accepted {
    struct lt_hole holes[LT_ACCEPTED_HOLES_MAX];
    size_t holes_len;
    bool index; /* an index was accepted: the one of sum index_sum at the committed offset index_offset */
    int64_t index_offset;
    uint64_t index_sum;
};

#define LT_ACCEPTED_KEY_PREFIX "accepted/"
#define LT_ACCEPTED_KEY_MAX 32
void lt_accepted_key(int32_t partition, char out[LT_ACCEPTED_KEY_MAX]);

/* *a is emptied first. LT_OK; LT_E_NOT_FOUND: of another incarnation; LT_E_INVALID: not ours. Empty on failure. */
int lt_accepted_parse(struct lt_span json, uint64_t incarnation, struct lt_accepted *a,
                      struct lt_err *err) LT_MUST_CHECK;
/* by: who decided; at: RFC 3339. */
void lt_accepted_write(const struct lt_accepted *a, int32_t partition, uint64_t incarnation, const char *by,
                       const char *at, struct lt_buf *out);

/* Joined with what it touches. LT_E_LIMIT: too many holes apart. `low` is the start of the log: what ends before it is
 * forgotten when room is needed, because nothing reads there any more. */
int lt_accepted_add_hole(struct lt_accepted *a, struct lt_hole hole, int64_t low, struct lt_err *err) LT_MUST_CHECK;
/* Were all offsets from <= o < to accepted as missing? */
bool lt_accepted_covers(const struct lt_accepted *a, int64_t from, int64_t to);
#endif
