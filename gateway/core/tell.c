#include "gateway/core/tell.h"

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"
#include "gateway/base/text.h"
#include "gateway/codec/json.h"
#include "gateway/model/event.h"

#include <inttypes.h>

#define DATA_MAX (64 * 1024) /* nine texts of LT_TELL_TEXT_MAX characters, each six bytes where JSON escapes it */

/* false: absent, empty, or there more than once. */
static bool one_value(const struct lt_headers *h, const char *name, struct lt_span *ret)
{
    size_t times = 0;
    for (size_t i = 0; i < h->len; i++)
        if (lt_span_is(h->v[i].name, name)) {
            *ret = h->v[i].value;
            times++;
        }
    return times == 1 && ret->len > 0;
}

bool lt_tell_has_addressee(struct lt_span key, const struct lt_headers *h)
{
    struct lt_span province, subject;
    return one_value(h, "ce_province", &province) && one_value(h, "ce_subject", &subject) &&
           key.len == province.len + 1 + subject.len && memcmp(key.ptr, province.ptr, province.len) == 0 &&
           key.ptr[province.len] == '/' && memcmp(key.ptr + province.len + 1, subject.ptr, subject.len) == 0;
}

static struct lt_span bounded(struct lt_span s)
{
    return lt_text_first_chars(s, LT_TELL_TEXT_MAX);
}

static struct lt_span text_of(const struct lt_headers *h, const char *name)
{
    return bounded(lt_headers_value(h, name));
}

static char *hex_of(const uint8_t sha[LT_SHA256_SIZE], size_t digits, struct lt_arena *a)
{
    char *out = lt_arena_alloc(a, digits + 1);
    lt_hex(sha, digits / 2, out);
    return out;
}

static const char *identity_of(const struct lt_telling *t, const struct lt_headers *h, struct lt_arena *a)
{
    uint8_t sha[LT_SHA256_SIZE];
    struct lt_sha256 *s = lt_sha256_new();
    lt_sha256_field(s, t->origin);
    lt_sha256_field(s, lt_headers_value(h, "ce_id"));
    lt_sha256_field(s, lt_headers_value(h, "lt_digest"));
    lt_sha256_field(s, lt_span_str(lt_verdict_name(t->verdict)));
    lt_sha256_final(s, sha);
    lt_sha256_free(s);
    return hex_of(sha, LT_EVENT_ID_LEN, a);
}

static void put_receipt(struct lt_json_writer *w, const char *name, int32_t partition, int64_t offset,
                        struct lt_span id, struct lt_arena *a)
{
    lt_json_str(
        w, name,
        lt_span_str(lt_arena_printf(a, "%" PRId32 ".%" PRId64 "." LT_SPAN_FMT, partition, offset, LT_SPAN_ARG(id))));
}

static struct lt_span data_of(const struct lt_telling *t, const struct lt_log_record *r, const struct lt_headers *h,
                              struct lt_arena *a)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(DATA_MAX);
    struct lt_json_writer w;
    struct lt_span id = text_of(h, "ce_id");
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "MaHoSo", text_of(h, "ce_subject"));
    lt_json_str(&w, "verdict", lt_span_str(lt_verdict_name(t->verdict)));
    if (t->reason.len)
        lt_json_str(&w, "reason", bounded(t->reason));
    lt_json_str(&w, "event", id);
    lt_json_str(&w, "type", text_of(h, "ce_type"));
    lt_json_str(&w, "source", text_of(h, "ce_source"));
    lt_json_str(&w, "time", text_of(h, "ce_time"));
    put_receipt(&w, "receipt", r->partition, r->offset, id, a);
    if (t->first_offset >= 0)
        put_receipt(&w, "first", r->partition, t->first_offset, id, a);
    lt_json_end_object(&w);
    return lt_arena_span(a, lt_buf_view(&out));
}

void lt_tell_write(const struct lt_telling *t, const struct lt_log_record *r, const struct lt_headers *h,
                   struct lt_arena *a, struct lt_headers *ret_headers, struct lt_span *ret_value)
{
    uint8_t sha[LT_SHA256_SIZE];
    const char *verdict = lt_verdict_name(t->verdict);
    char *time = lt_arena_alloc(a, 30);
    struct lt_span data = data_of(t, r, h, a), cause = text_of(h, "ce_id");
    lt_time_rfc3339(r->append_ms >= 0 ? r->append_ms : t->clock_ms, time);
    lt_sha256_once(data, sha);
    struct lt_event e = {.id = lt_span_str(identity_of(t, h, a)),
                         .source = LT_SPAN_LIT(LT_TELL_SOURCE),
                         .type = lt_span_str(lt_arena_printf(a, LT_TELL_TYPE_PREFIX "%s.v1", verdict)),
                         .subject = lt_headers_value(h, "ce_subject"),
                         .time = lt_span_str(time),
                         .province = lt_headers_value(h, "ce_province"),
                         .unit = text_of(h, "ce_unit"),
                         .procedure = text_of(h, "ce_procedure"),
                         .digest = lt_span_str(hex_of(sha, LT_EVENT_DIGEST_LEN, a))};
    lt_event_headers(&e, a, ret_headers);
    lt_headers_put(ret_headers, "lt_origin", t->origin);
    lt_headers_put(ret_headers, "lt_verdict", lt_span_str(verdict));
    if (cause.len)
        lt_headers_put(ret_headers, "lt_cause", cause);
    *ret_value = data;
}
