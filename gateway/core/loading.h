/*
 * A load under way: what its steps share (protocol 2, rules 2-9). Inside gateway/core only; load.c asks and proves,
 * build.c reads the log into an index.
 *
 * Every blocking step may serve rebalance callbacks: after each, lt_loading_lost says whether the assignment is still
 * ours. One thread, the worker's.
 */
#ifndef LT_CORE_LOADING_H
#define LT_CORE_LOADING_H

#include "gateway/core/partition.h"

struct lt_loading {
    struct lt_partition *p;
    const struct lt_load *load;
    uint64_t epoch;
    uint64_t disturbances;       /* of the log, before anything was read */
    struct lt_window window;     /* under which the index is built */
    struct lt_position position; /* as committed */
    int64_t committed, low, high;
    int64_t next; /* first offset to judge: committed, or past a hole there that was accepted */
    bool fresh;   /* another window is configured, or the position's sum is of the old format: no comparison this once
                     (rule 8) */
    int64_t next_clock_ms; /* of the record at next, when rule 7 had to ask it; 0 not */
    bool outlived; /* only the clock of the next record shows that what is missing has expired: its sum cannot be
                      compared */
    bool accepted; /* by an operator: this index at this offset */
    /* what lt_loading_build leaves */
    struct lt_index *index;    /* owned; from `from` up to committed */
    int64_t from;              /* where the read started */
    bool head_proved;          /* the place it started at proves that nothing live lies before it */
    uint64_t first_generation; /* nothing before the first record read is younger */
    uint64_t last_anchor;      /* of the record at committed - 1, when that was read */
    int64_t clock_ms;          /* of the last record read */
    int64_t first_ms;          /* append time of the first record read; -1: none was */
    bool from_files;           /* part of it came from local files: what does not agree is built again without */
    uint64_t files_records;    /* so many records they stood for */
    bool no_files;             /* set by the caller: from the log alone */
    char files_why[192];       /* why there are none to write; "" when there are */
    char passed_over[192];     /* why not all that lay there was used; "" when it was */
};

static inline bool lt_loading_lost(const struct lt_loading *l)
{
    return l->p->epoch != l->epoch;
}

/* The dependency did not answer: try again soon. */
void lt_loading_wait(struct lt_loading *l, const char *what, const struct lt_err *err);

/*
 * Rules 5 to 7: local files as far as they can be used, then the log, up to the committed offset. false: stopped,
 * waiting or lost.
 */
bool lt_loading_build(struct lt_loading *l);
#endif
