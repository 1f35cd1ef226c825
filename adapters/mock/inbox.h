/*
 * A mock that takes whatever is posted to it and remembers it in order: a province's call-back endpoint
 * (`lienthong-mock province`) or a message gateway (`lienthong-mock notify`). JSON and XML; every call may come from
 * any thread, one lock inside.
 *
 * It knows a message by its id: /id of a JSON object or the element named id or --id-field. A second one of an id is
 * answered 409 and counted, so that repeats are seen.
 *
 * Oracle: GET /oracle/messages?offset=&limit= (in the order of arrival), GET /oracle/counters, GET /oracle/arrivals,
 * POST /oracle/reset, /control/faults (faults.h; the service of a call is the last part of its path).
 */
#ifndef LT_MOCK_INBOX_H
#define LT_MOCK_INBOX_H

#include "adapters/mock/call.h"
#include "gateway/config/opt.h"

struct lt_mock_inbox_settings {
    const char *id_field;
    struct lt_opt_strings refuse; /* globs of paths that are answered 422 */
    int64_t hold_ms;
    struct lt_opt_strings fault_every;
    const char *fault_schedule;
};
extern const struct lt_opt lt_mock_inbox_opts[];
extern const size_t lt_mock_inbox_opts_len;

struct lt_mock_inbox;
/* s and its strings are lent until free. */
int lt_mock_inbox_new(const struct lt_mock_inbox_settings *s, struct lt_mock_inbox **ret,
                      struct lt_err *err) LT_MUST_CHECK;
void lt_mock_inbox_free(struct lt_mock_inbox *p);
void lt_mock_inbox_handle(void *self, const struct lt_mock_call *call, struct lt_mock_reply *reply);

#endif
