/*
 * Who sends: from a certificate to a client of the configuration, what that client may send, and how much.
 *
 * Immutable but for the token buckets; thread-safe.
 */
#ifndef LT_INGEST_CLIENTS_H
#define LT_INGEST_CLIENTS_H

#include "gateway/http/server.h"
#include "gateway/mapping/mapping.h"

struct lt_clients;
struct lt_clients *lt_clients_new(const struct lt_config *c); /* c lent until free */
void lt_clients_free(struct lt_clients *cs);

/* The client a certificate stands for: fingerprint before SAN before common name; NULL: none, or no certificate. */
const struct lt_config_client *lt_clients_of(const struct lt_clients *cs, const struct lt_http_peer *p);
/* May this client send events at all? Roles province and postal do. */
bool lt_client_sends(const struct lt_config_client *c);
/* May it send this event? False: ret filled (403: other-province, source-not-allowed, unit-not-allowed,
 * type-not-allowed). */
bool lt_client_may_send(const struct lt_config_client *c, const struct lt_event *e, struct lt_span type_word,
                        struct lt_refusal *ret);

/*
 * Rate: a bucket of one second's worth. Admit asks before the work is done (is there a token?), charge takes what the
 * input turned out to hold; a batch may overdraw, and the next request waits longer. Returns 0, or the seconds to wait,
 * at least 1.
 */
int lt_clients_admit(struct lt_clients *cs, const struct lt_config_client *c, int64_t mono_ms);
void lt_clients_charge(struct lt_clients *cs, const struct lt_config_client *c, size_t events);
#endif
