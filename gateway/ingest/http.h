/* The HTTP endpoints of ingest: POST /v1/events, GET /v1/receipts/{id}, and GET /internal/v1/fate for other instances.
 */
#ifndef LT_INGEST_HTTP_H
#define LT_INGEST_HTTP_H

#include "gateway/ingest/intake.h"
#include "gateway/ingest/receipts.h"

struct lt_ingest_http;
/* Starts the listener. Everything is lent until free. LT_E_IO …, err says what to do. */
int lt_ingest_http_start(struct lt_intake *in, struct lt_clients *clients, const struct lt_mappings *mappings,
                         struct lt_receipts *receipts, struct lt_ingest_http **ret, struct lt_err *err) LT_MUST_CHECK;
void lt_ingest_http_drain(struct lt_ingest_http *h, int deadline_ms);
/* After drain. Submissions that still wait for Kafka may end later: free the port first, or keep nothing of theirs. */
void lt_ingest_http_stop(struct lt_ingest_http *h);
/* After stop and after the last report of the port. */
void lt_ingest_http_free(struct lt_ingest_http *h);
int lt_ingest_http_renew(struct lt_ingest_http *h, bool force,
                         struct lt_err *err) LT_MUST_CHECK; /* lt_http_server_renew */
unsigned lt_ingest_http_port(const struct lt_ingest_http *h);
void lt_ingest_http_stats(const struct lt_ingest_http *h, struct lt_http_stats *ret);
#endif
