/*
 * Receipts: <partition>.<offset>.<ce_id>.<hmac> — self-contained, so any instance with the key can answer for them
 * (protocol 4). hmac = first 16 bytes of HMAC-SHA-256(key, "<partition>.<offset>.<ce_id>.<client>") in hex: a receipt
 * of another client does not verify.
 */
#ifndef LT_MODEL_RECEIPT_H
#define LT_MODEL_RECEIPT_H

#include "gateway/base/base.h"

#define LT_RECEIPT_MAX 128
struct lt_receipt {
    int32_t partition;
    int64_t offset;
    char ce_id[33];
};
void lt_receipt_format(const struct lt_receipt *r, struct lt_span client, struct lt_span key, char out[LT_RECEIPT_MAX]);
/* false: not a receipt of ours, or not this client's. */
bool lt_receipt_parse(struct lt_span s, struct lt_span client, struct lt_span key, struct lt_receipt *ret);
#endif
