/*
 * Every call to a mock in the order it arrived: what it asked, about whom, and what was done wrong with it. Guarded by
 * the mock's lock; bounded: beyond LT_MOCK_ARRIVALS_MAX only the count goes on.
 */
#ifndef LT_MOCK_ARRIVALS_H
#define LT_MOCK_ARRIVALS_H

#include "adapters/mock/call.h"

#define LT_MOCK_ARRIVALS_MAX 1000000
#define LT_MOCK_ARRIVAL_NOTE 48

struct lt_mock_arrival {
    char *service, *subject;         /* owned */
    const char *what;                /* static: "create", "update", "" */
    const char *fault;               /* static: its name, "none" */
    bool late;                       /* applied now, long after it came */
    bool applied;                    /* it changed what the mock remembers */
    char note[LT_MOCK_ARRIVAL_NOTE]; /* what the call says of itself, cut; "" nothing */
    int64_t at_ms;
};

struct lt_mock_arrivals {
    LT_VEC(struct lt_mock_arrival) list;
    uint64_t total;
};

void lt_mock_arrivals_deinit(struct lt_mock_arrivals *a);
void lt_mock_arrivals_reset(struct lt_mock_arrivals *a);
void lt_mock_arrivals_add(struct lt_mock_arrivals *a, const char *service, const char *what, struct lt_span subject,
                          const char *fault, bool late, int64_t now_ms);
/* Of the last one added: what its item says, by which a checker knows it again, and whether it was applied. */
void lt_mock_arrivals_note(struct lt_mock_arrivals *a, struct lt_span note);
void lt_mock_arrivals_applied(struct lt_mock_arrivals *a);
/* {"total", "arrivals": [{"seq", "at", "service", "what", "subject", "note", "fault", "late", "applied"}]}; offset and
 * limit in the query. */
void lt_mock_arrivals_page(const struct lt_mock_arrivals *a, const struct lt_mock_call *c, struct lt_mock_reply *r);

#endif
