/*
 * The listener of an instance that judges but takes no events (role core without ingest): GET /internal/v1/fate for the
 * other instances, whose receipts end in partitions of this one (protocol 4). An instance with role ingest answers the
 * same question on its own listener.
 */
#ifndef LT_INGEST_PEERS_H
#define LT_INGEST_PEERS_H

#include "gateway/config/config.h"
#include "gateway/http/server.h"
#include "gateway/model/verdict.h"

struct lt_peers;
/*
 * On ingest.listen with ingest.tls. Results as lt_http_server_start. ret is NULL with LT_OK when no client has the role
 * gateway: nobody may ask. c lent until free; NULL is fine for everything but start.
 */
int lt_peers_start(const struct lt_config *c, struct lt_fate_port fate, struct lt_peers **ret,
                   struct lt_err *err) LT_MUST_CHECK;
int lt_peers_renew(struct lt_peers *p, bool force, struct lt_err *err) LT_MUST_CHECK; /* lt_http_server_renew */
unsigned lt_peers_port(const struct lt_peers *p);
/* Answers what was begun, at most deadline_ms. */
void lt_peers_free(struct lt_peers *p, int deadline_ms);
#endif
