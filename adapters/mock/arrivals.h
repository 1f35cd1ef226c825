/*
 * Every call to a mock in the order it arrived: what it asked, about whom, and what was done wrong with it. Guarded by
 * the mock's lock; bounded: beyond LT_MOCK_ARRIVALS_MAX only the count goes on.
 */
#ifndef LT_MOCK_ARRIVALS_H
#define LT_MOCK_ARRIVALS_H

#include "adapters/mock/call.h"

#define LT_MOCK_ARRIVALS_MAX 1000000

struct lt_mock_arrival {
    char *service, *subject; /* owned */
    const char *what;        /* static: "create", "update", "" */
    const char *fault;       /* static: its name, "none" */
    bool late;               /* applied now, long after it came */
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
/* {"total", "arrivals": [{"seq", "at", "service", "what", "subject", "fault", "late"}]}; offset and limit in the query.
 */
void lt_mock_arrivals_page(const struct lt_mock_arrivals *a, const struct lt_mock_call *c, struct lt_mock_reply *r);

#endif
