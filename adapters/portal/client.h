/*
 * The portal as commands call it: one call after the other, waiting for each. For `lienthong procedures` and
 * `lienthong ratings`; deliveries go through the engine. One thread.
 */
#ifndef LT_PORTAL_CLIENT_H
#define LT_PORTAL_CLIENT_H

#include "adapters/portal/answer.h"

struct lt_portal_client;
/* t is lent until free. LT_E_INVALID: its options or table, in diags; LT_E_IO: certificates. */
int lt_portal_client_new(const struct lt_config_target *t, struct lt_portal_client **ret, struct lt_diags *diags,
                         struct lt_err *err) LT_MUST_CHECK;
void lt_portal_client_free(struct lt_portal_client *c);

/*
 * Call a service: {session, madonvi, service, members…}; members is JSON "\"a\":\"b\"" without braces, or empty. Logs
 * in when there is no session, and once more when it has ended. share: the endpoint of dictionaries.
 *
 * LT_OK and the answer (json: free it); LT_E_UNAVAILABLE (away, busy, throttled, unknown: try again), LT_E_AUTH (not
 * let in), LT_E_INVALID (refused): err has the portal's words.
 */
int lt_portal_client_call(struct lt_portal_client *c, enum lt_portal_call kind, const char *service, bool share,
                          struct lt_span members, struct lt_json **ret, struct lt_err *err) LT_MUST_CHECK;

#endif
