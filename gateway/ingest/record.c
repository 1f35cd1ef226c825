#include "gateway/ingest/record.h"

#include <inttypes.h>

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"
#include "gateway/codec/json.h"

static void put_text(struct lt_headers *h, const char *name, const char *text)
{
    if (text && *text)
        lt_headers_put(h, name, lt_span_str(text));
}

static void put_span(struct lt_headers *h, const char *name, struct lt_span s)
{
    if (s.len)
        lt_headers_put(h, name, s);
}

static void put_number(struct lt_headers *h, struct lt_arena *a, const char *name, int64_t n)
{
    lt_headers_put(h, name, lt_span_str(lt_arena_printf(a, "%" PRId64, n)));
}

static void put_common(const struct lt_record_source *s, struct lt_arena *a, struct lt_headers *h)
{
    put_number(h, a, "lt_time", s->now_ms);
    put_text(h, "lt_client", s->client->name);
    lt_headers_put(h, "lt_generation", lt_span_str(lt_arena_printf(a, "%016" PRIx64, s->generation)));
}

void lt_record_event(const struct lt_record_source *s, const struct lt_event *e, struct lt_arena *a,
                     struct lt_record *ret)
{
    lt_headers_reset(&ret->headers);
    lt_event_headers(e, a, &ret->headers);
    put_common(s, a, &ret->headers);
    ret->key = e->key;
    ret->value = e->data;
}

size_t lt_record_size(const struct lt_record *r)
{
    size_t size = 128 + r->key.len + r->value.len; /* batch head, record head, lengths */
    for (size_t i = 0; i < r->headers.len; i++)
        size += r->headers.v[i].name.len + r->headers.v[i].value.len + 10;
    return size;
}

/* As near to the dossier as is known, so that one dossier's dead letters stand together. */
static struct lt_span deadletter_key(const struct lt_record_source *s, const struct lt_event *e, struct lt_arena *a)
{
    if (e->key.len)
        return e->key;
    if (e->province.len && e->subject.len)
        return lt_span_str(
            lt_arena_printf(a, LT_SPAN_FMT "/" LT_SPAN_FMT, LT_SPAN_ARG(e->province), LT_SPAN_ARG(e->subject)));
    return e->subject.len ? e->subject : lt_span_str(s->client->name);
}

void lt_record_deadletter(const struct lt_record_source *s, const struct lt_refusal *why, const struct lt_event *e,
                          const struct lt_raw *raw, size_t record_max, struct lt_arena *a, struct lt_record *ret)
{
    struct lt_headers *h = &ret->headers;
    char digest[2 * LT_SHA256_SIZE + 1];
    lt_headers_reset(h);
    const char *sha256 = raw->sha256;
    if (!*sha256 && raw->length == raw->bytes.len) {
        uint8_t sha[LT_SHA256_SIZE];
        lt_sha256_once(raw->bytes, sha);
        lt_hex(sha, sizeof(sha), digest);
        sha256 = digest;
    }
    lt_headers_put(h, "lt_reason", lt_span_str(why->code));
    put_text(h, "lt_detail", why->detail);
    put_number(h, a, "lt_status", why->status);
    put_text(h, "lt_field", why->field);
    put_text(h, "lt_pointer", why->pointer);
    if (why->line)
        put_number(h, a, "lt_line", why->line);
    if (why->column)
        put_number(h, a, "lt_column", why->column);
    put_common(s, a, h);
    put_text(h, "lt_source", s->origin);
    put_text(h, "lt_position", s->position);
    put_span(h, "lt_media", lt_span(s->media.ptr, LT_MIN(s->media.len, (size_t)128)));
    put_text(h, "lt_mapping", s->mapping);
    put_span(h, "lt_sha256", lt_arena_span(a, lt_span_str(sha256)));
    put_number(h, a, "lt_length", (int64_t)raw->length);
    if (s->resubmit_of) {
        put_text(h, "lt_resubmit_of", s->resubmit_of);
        put_number(h, a, "lt_resubmits", s->resubmits);
    }
    put_span(h, "ce_id", e->id);
    put_span(h, "ce_type", e->type);
    put_span(h, "ce_subject", lt_span(e->subject.ptr, LT_MIN(e->subject.len, (size_t)256)));
    put_span(h, "ce_province", lt_span(e->province.ptr, LT_MIN(e->province.len, (size_t)32)));
    ret->key = deadletter_key(s, e, a);
    ret->key.len = LT_MIN(ret->key.len, (size_t)512);
    ret->value = raw->bytes;
    if (raw->length > raw->bytes.len || lt_record_size(ret) + LT_RECORD_ROOM > record_max) {
        ret->value.len = LT_MIN(raw->bytes.len, LT_DEADLETTER_KEEP);
        lt_headers_put(h, "lt_truncated", LT_SPAN_LIT("true"));
    }
}

void lt_record_audit(int64_t now_ms, const char *actor, const char *origin, const char *code, const char *detail,
                     const struct lt_event *e, struct lt_arena *a, struct lt_record *ret)
{
    struct lt_buf out = LT_BUF_INIT(8192);
    struct lt_json_writer w;
    char time[30];
    lt_time_rfc3339(now_ms, time);
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "time", lt_span_str(time));
    lt_json_str(&w, "actor", lt_span_str(actor));
    lt_json_str(&w, "action", LT_SPAN_LIT("submission-refused"));
    lt_json_str(&w, "source", lt_span_str(origin));
    lt_json_str(&w, "code", lt_span_str(code));
    lt_json_str(&w, "detail", lt_span_str(detail));
    if (e && e->subject.len && e->subject.len <= 256)
        lt_json_str(&w, "subject", e->subject);
    if (e && e->province.len && e->province.len <= 32)
        lt_json_str(&w, "province", e->province);
    lt_json_end_object(&w);
    lt_headers_reset(&ret->headers);
    put_number(&ret->headers, a, "lt_time", now_ms);
    ret->key = lt_span_str(actor);
    ret->value = lt_arena_span(a, lt_buf_view(&out));
    lt_buf_deinit(&out);
}
