/*
 * Verdicts of a range of intake computed anew, and compared with what the core has written.
 *
 * Independent of the core's index on purpose: whole identities and digests instead of fingerprints, a plain hash table
 * instead of the packed one, only the protocol's rules in common (protocol 2, "Clock and expiry", "Verdict"). Fed in
 * this order: the range's records (lt_verify_want), then the log from far enough before the range up to its end
 * (lt_verify_log), then each output's partitions (lt_verify_head) with the core's copies in them (lt_verify_copy); then
 * lt_verify_finish. Memory grows with the range, not
 * with the log: only identities that occur in the range are followed.
 */
#ifndef LT_OPS_VERIFY_H
#define LT_OPS_VERIFY_H

#include "gateway/core/position.h"
#include "gateway/core/routes.h"
#include "gateway/ops/outputs.h"

#define LT_VERIFY_RANGE_MAX 5000000
#define LT_VERIFY_FINDINGS_MAX 1000

struct lt_verify;
/* routes may be NULL: then only verdicts are compared, not which outputs. incarnation: other copies are not looked at.
 */
struct lt_verify *lt_verify_new(const struct lt_routes *routes, const struct lt_window *window, uint64_t incarnation,
                                int32_t partition, int64_t from, int64_t to);
void lt_verify_free(struct lt_verify *v);

void lt_verify_want(struct lt_verify *v, const struct lt_log_record *r);
void lt_verify_log(struct lt_verify *v, const struct lt_log_record *r);
void lt_verify_head(struct lt_verify *v, const struct lt_output_head *head);
void lt_verify_copy(struct lt_verify *v, const struct lt_output_copy *copy);

enum lt_verify_what {
    LT_VERIFY_LOST,          /* nothing of it was written, and no output's retention can have taken it since */
    LT_VERIFY_DOUBLED,       /* the same copy twice in one topic */
    LT_VERIFY_WRONG_VERDICT, /* written as another verdict's record */
    LT_VERIFY_OTHER_ROUTES,  /* other topics than the routes of today name, or told where core.tell_province of today
                                tells nothing or the reverse: a changed configuration, or a bug */
    LT_VERIFY_WHATS
};
const char *lt_verify_what_name(enum lt_verify_what w); /* lost doubled wrong-verdict other-routes */

struct lt_verify_finding {
    enum lt_verify_what what;
    int64_t offset;
    enum lt_verdict_kind verdict; /* as computed */
    char text[200];
};
struct lt_verify_result {
    uint64_t records, holes, verdicts[LT_VERDICTS], copies;
    uint64_t gone; /* records without a copy whose outputs begin, by their retention, after it: no finding */
    uint64_t counts[LT_VERIFY_WHATS];
    const struct lt_verify_finding *findings; /* the first ones; lent until lt_verify_free */
    size_t findings_len;
};
void lt_verify_finish(struct lt_verify *v, struct lt_verify_result *ret);
#endif
