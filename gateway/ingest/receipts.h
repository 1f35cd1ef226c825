/*
 * Receipts: GET /v1/receipts/{id} and the question one instance asks another (protocol 4). Reading lt.intake and asking
 * for a verdict block, so a few threads of their own do it; a bounded queue is before them, beyond it 503.
 *
 * Questions of other instances have a thread of their own and never lead to further questions: two instances cannot
 * wait for each other.
 */
#ifndef LT_INGEST_RECEIPTS_H
#define LT_INGEST_RECEIPTS_H

#include "gateway/http/server.h"
#include "gateway/ingest/intake.h"
#include "gateway/model/verdict.h"

#define LT_RECEIPT_WORKERS 4
#define LT_RECEIPTS_FATE_PATH "/internal/v1/fate"

struct lt_receipts;
/* Without a port in `in` only questions of other instances are answered. */
struct lt_receipts *lt_receipts_new(struct lt_intake *in, struct lt_fate_port fate);
void lt_receipts_free(struct lt_receipts *rs); /* what still waits is answered 503 */

/* Both lead to exactly one reply. id: the receipt as sent. */
void lt_receipts_ask(struct lt_receipts *rs, struct lt_http_request *r, const struct lt_config_client *client,
                     const char *id);
/* GET LT_RECEIPTS_FATE_PATH ?partition=&offset=&id=&digest=; for role gateway only, others are refused. */
void lt_receipts_fate(struct lt_receipts *rs, struct lt_http_request *r, const struct lt_config_client *client);
#endif
