/*
 * What the core ought to do, said a second time: the verdict of a record as a plain function over the records of its
 * partition before it, written from the protocol's words ("Clock and expiry", "Verdict") and from nothing of
 * gateway/core. It looks at every earlier record each time, keeps no state and is as slow as that.
 */
#ifndef LT_TESTS_SIM_MODEL_H
#define LT_TESTS_SIM_MODEL_H

#include "gateway/base/base.h"

enum verdict { VERDICT_NEW, VERDICT_DUPLICATE, VERDICT_CONFLICT, VERDICT_REPLAY, VERDICT_INVALID, VERDICTS };

/* Where a record is copied to. */
enum output {
    OUTPUT_PLAIN,
    OUTPUT_HOP,
    OUTPUT_UNROUTED,
    OUTPUT_QUARANTINE,
    OUTPUT_DEADLETTER,
    OUTPUT_PROVINCE, /* no copy: what the province is told of the verdict */
    OUTPUTS
};
#define BROKEN_KEY 3 /* a record whose key is not its province's: it says nobody who could be told */

#define LT_TIME_MISSING INT64_MIN

/* One record of intake, as it was sent. */
struct sent {
    int subject, id, digest, version, replay; /* replay 0: none */
    bool effects;                             /* the replay may reach the portal */
    int broken;                               /* 0: an event; else how it is none */
    bool dossier, abroad;                     /* type; a province that no route takes */
    bool big;                                 /* does not fit the plain topic */
    int64_t append_ms, time_ms;               /* -1: none; lt_time, LT_TIME_MISSING: none that can be read */
    int64_t clock_ms;                         /* of the partition after this record */
    /* judged: */
    bool judged, remapped;
    enum verdict verdict;
    unsigned want; /* bits 1 << output */
    bool undeliverable;
    unsigned seen; /* copies that were found */
};

struct sent_log {
    LT_VEC(struct sent) v; /* index = offset */
};

struct window {
    int64_t generation_ms, generations; /* G, K */
};
struct window model_window(int64_t window_ms);

/* clock(o) of the record that would stand at the end of the log. */
int64_t model_clock(const struct sent_log *log, int64_t append_ms, int64_t time_ms);
/* Fill in the verdict of the record at this offset, and what becomes of it. */
void model_judge(struct sent_log *log, size_t offset, struct window w);
#endif
