/*
 * Where to go on after lt.intake lost acknowledged records (protocol 2 rule 7, `core position --relog`): after the
 * highest record that the outputs prove to have been judged and that the log still holds. Such a log cannot be exact:
 * what was judged and is gone may be sent again and is then decided again; those records are listed.
 *
 * Fed in this order: every copy of the outputs (lt_relog_copy), the log from its start (lt_relog_compare), the log
 * again (lt_relog_rebuild), then lt_relog_finish. Touches nothing.
 */
#ifndef LT_OPS_RELOG_H
#define LT_OPS_RELOG_H

#include "gateway/core/accepted.h"
#include "gateway/core/position.h"
#include "gateway/ops/outputs.h"

#define LT_RELOG_COPIES_MAX 20000000

struct lt_relog_repeat { /* judged once, not in the log before the new position any more */
    char id[LT_EVENT_ID_LEN + 1];
    char key[64];
    const char *topic; /* it was routed to */
    int64_t offset;    /* it had */
    bool in_log;       /* the log holds it after the new position: it will be decided again for certain */
};

struct lt_relog;
/* position and offset: the last ones known. */
struct lt_relog *lt_relog_new(int32_t partition, const struct lt_position *position, int64_t offset,
                              size_t index_bytes_max);
void lt_relog_free(struct lt_relog *r);

void lt_relog_copy(struct lt_relog *r, const struct lt_output_copy *copy);
void lt_relog_compare(struct lt_relog *r, const struct lt_log_record *rec);
void lt_relog_rebuild(struct lt_relog *r, const struct lt_log_record *rec);

struct lt_relog_result {
    int64_t offset;                        /* the new one; not above the last one known */
    struct lt_position position;           /* its proof and counters */
    const struct lt_relog_repeat *repeats; /* lent until lt_relog_free */
    size_t repeats_len;
};
/*
 * LT_OK; LT_E_INVALID: the outputs are ahead of the position, or the counters cannot be: not a case for relog;
 * LT_E_LIMIT: too many copies, or the index does not fit.
 */
int lt_relog_finish(struct lt_relog *r, const struct lt_accepted *accepted, struct lt_relog_result *ret,
                    struct lt_err *err) LT_MUST_CHECK;
#endif
