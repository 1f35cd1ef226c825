#include "gateway/model/receipt.h"

#include "gateway/base/crypto.h"

#include <inttypes.h>
#include <stdio.h>

#define RECEIPT_HMAC_SIZE 16

void lt_receipt_format(const struct lt_receipt *r, struct lt_span client, struct lt_span key, char out[LT_RECEIPT_MAX])
{
    int len = snprintf(out, LT_RECEIPT_MAX, "%" PRId32 ".%" PRId64 ".%s.", r->partition, r->offset, r->ce_id);
    LT_AUTOBUF struct lt_buf signed_text = LT_BUF_INIT(SIZE_MAX);
    lt_buf_append(&signed_text, out, (size_t)len);
    lt_buf_span(&signed_text, client);
    uint8_t hmac[LT_SHA256_SIZE];
    lt_hmac_sha256(key, lt_buf_view(&signed_text), hmac);
    lt_hex(hmac, RECEIPT_HMAC_SIZE, out + len);
}

static bool hex_lower(struct lt_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    }
    return true;
}

bool lt_receipt_parse(struct lt_span s, struct lt_span client, struct lt_span key, struct lt_receipt *ret)
{
    struct lt_span rest = s, partition, offset, ce_id;
    uint64_t p, o;
    struct lt_receipt r = {0};
    if (s.len >= LT_RECEIPT_MAX || !lt_span_cut(&rest, '.', &partition) || !lt_span_cut(&rest, '.', &offset) ||
        !lt_span_cut(&rest, '.', &ce_id))
        return false;
    if (!lt_span_u64(partition, &p) || p > INT32_MAX || !lt_span_u64(offset, &o) || o > INT64_MAX)
        return false;
    if (ce_id.len != sizeof(r.ce_id) - 1 || !hex_lower(ce_id))
        return false;
    r.partition = (int32_t)p;
    r.offset = (int64_t)o;
    memcpy(r.ce_id, ce_id.ptr, ce_id.len);
    /* Written again and compared whole: one receipt has one spelling ("007" for 7 is none of ours). */
    char own[LT_RECEIPT_MAX];
    lt_receipt_format(&r, client, key, own);
    if (strlen(own) != s.len || !lt_equal_ct(own, s.ptr, s.len))
        return false;
    *ret = r;
    return true;
}
