/*
 * The committed position of one partition of a delivery queue: what stands in the offset's metadata. ASCII, under 480
 * bytes:
 *
 *   d1 <incarnation> <number> <base> <marks>
 *
 * incarnation: 16 hex digits, drawn by genesis. number: counts the transactions of this partition, so that a commit of
 * unknown outcome can be told from its absence (protocol 3 rule 11). base: the committed offset again, the oldest
 * record that is neither finished nor passed; a position whose base differs was moved by a tool. marks: two bits for
 * each offset from base on, three offsets a character of the base64url alphabet, trailing open ones left out, "-" when
 * there are none:
 *
 *   open    nothing known; the record is delivered
 *   done    finished beyond base: neither forwarded nor called again after a restart or rebalance
 *   intent  a call that cannot be repeated was about to be sent; without a later "done" its outcome is unknown
 *
 * Offsets of transaction markers stay open and cost nothing. Records at base + LT_DELIVERY_WINDOW and beyond cannot be
 * marked, so they are not started: memory of the done set is bounded by construction, never cut.
 */
#ifndef LT_DELIVERY_POSITION_H
#define LT_DELIVERY_POSITION_H

#include "gateway/base/err.h"

#define LT_DELIVERY_WINDOW 1152
#define LT_DELIVERY_POSITION_MAX 480

enum lt_mark { LT_MARK_OPEN, LT_MARK_DONE, LT_MARK_INTENT };

struct lt_delivery_position {
    uint64_t incarnation;
    uint64_t number;
    int64_t base;
    uint8_t marks[LT_DELIVERY_WINDOW]; /* enum lt_mark of base + i */
};

enum lt_delivery_position_result { LT_DELIVERY_POSITION_OTHER_FORMAT = 1 };

void lt_delivery_position_format(const struct lt_delivery_position *p, char out[LT_DELIVERY_POSITION_MAX]);
/* LT_OK; LT_DELIVERY_POSITION_OTHER_FORMAT (written by another version); LT_E_INVALID. */
int lt_delivery_position_parse(struct lt_span s, struct lt_delivery_position *ret, struct lt_err *err) LT_MUST_CHECK;

static inline bool lt_delivery_position_covers(const struct lt_delivery_position *p, int64_t offset)
{
    return offset >= p->base && offset - p->base < LT_DELIVERY_WINDOW;
}
/* Open outside the window; below base everything is done. */
enum lt_mark lt_delivery_position_mark(const struct lt_delivery_position *p, int64_t offset);
/* offset must be covered. */
void lt_delivery_position_set(struct lt_delivery_position *p, int64_t offset, enum lt_mark m);
/* Move base forward; marks below it are forgotten. base never goes back. */
void lt_delivery_position_advance(struct lt_delivery_position *p, int64_t base);
/* The first offset with this mark, or -1. */
int64_t lt_delivery_position_first(const struct lt_delivery_position *p, enum lt_mark m);

/* What `lienthong topics` writes for a queue's group at offset 0 (protocol 3 rule 1). */
void lt_delivery_genesis(uint64_t incarnation, char out[LT_DELIVERY_POSITION_MAX]);

#endif
