#include "gateway/delivery/effects.h"

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"
#include "gateway/codec/json.h"

#include <inttypes.h>

#define DEADLETTER_ROOM 4096             /* for what Kafka adds */
#define DEADLETTER_HEADERS 10            /* that are added */
#define DEADLETTER_PART_MAX (size_t)1024 /* of a header's name or value, and of a key where the whole does not fit */

int lt_effect_forward(const struct lt_log_record *r, const char *target, struct lt_span data, struct lt_arena *a,
                      struct lt_effect *ret, struct lt_err *err)
{
    struct lt_span path, hop, part;
    int64_t at;
    if (!lt_headers_get(&r->headers, "lt_path", &path))
        return LT_EFFECTS_LAST;
    if (!lt_headers_get(&r->headers, "lt_hop", &hop) || !lt_span_i64(hop, &at) || at < 0)
        return lt_err_set(err, LT_E_INVALID, "bad-header", "lt_hop: expected a number beside lt_path");
    struct lt_span rest = path;
    for (bool here = false; lt_span_cut(&rest, ',', &part);) {
        if (!here) {
            here = lt_span_is(part, target);
            continue;
        }
        ret->topic = lt_arena_printf(a, LT_TOPIC_QUEUE_PREFIX LT_SPAN_FMT, LT_SPAN_ARG(part));
        ret->headers = r->headers;
        lt_headers_put(&ret->headers, "lt_hop", lt_span_str(lt_arena_printf(a, "%" PRId64, at + 1)));
        ret->key = r->key;
        ret->value = data.ptr ? data : r->value;
        return LT_OK;
    }
    /* The last part is this target, or the path is not about it. */
    for (rest = path; lt_span_cut(&rest, ',', &part);)
        if (lt_span_is(part, target))
            return LT_EFFECTS_LAST;
    return lt_err_set(err, LT_E_INVALID, "bad-header", "lt_path: expected %s in it, got " LT_SPAN_FMT, target,
                      LT_SPAN_ARG(path));
}

void lt_effect_note(const struct lt_log_record *r, const struct lt_event *e, const char *target, const char *step,
                    int64_t round, const struct lt_note *n, int64_t now_ms, struct lt_arena *a, struct lt_effect *ret)
{
    uint8_t digest[LT_SHA256_SIZE];
    struct lt_sha256 *h = lt_sha256_new();
    lt_sha256_field(h, lt_span_str(target));
    lt_sha256_field(h, e->id);
    lt_sha256_field(h, lt_headers_value(&r->headers, "lt_replay"));
    lt_sha256_field(h, lt_span_str(step));
    lt_sha256_field(h, lt_span_str(n->type));
    if (round > 0)
        lt_sha256_field(h, lt_span_str(lt_arena_printf(a, "%" PRId64, round)));
    lt_sha256_final(h, digest);
    lt_sha256_free(h);
    char *id = lt_arena_alloc(a, LT_EVENT_ID_LEN + 1), *time = lt_arena_alloc(a, 30);
    lt_hex(digest, LT_EVENT_ID_LEN / 2, id);
    lt_time_rfc3339(now_ms, time);

    static const char *const topics[] = {
        [LT_NOTE_ANSWER] = LT_TOPIC_ANSWERS, [LT_NOTE_PROVINCE] = LT_TOPIC_PROVINCE, [LT_NOTE_AUDIT] = LT_TOPIC_AUDIT};
    ret->topic = topics[n->to];
    ret->key = n->key.ptr ? n->key : r->key;
    ret->value = n->data;
    struct lt_headers *out = &ret->headers;
    lt_headers_reset(out);
    lt_headers_put(out, "ce_specversion", LT_SPAN_LIT("1.0"));
    lt_headers_put(out, "ce_id", lt_span_str(id));
    lt_headers_put(out, "ce_source", lt_span_str(lt_arena_printf(a, "urn:lienthong:target:%s", target)));
    lt_headers_put(out, "ce_type", lt_span_str(n->type));
    lt_headers_put(out, "ce_subject", e->subject);
    lt_headers_put(out, "ce_time", lt_span_str(time));
    lt_headers_put(out, "content-type", LT_SPAN_LIT("application/json"));
    lt_headers_put(out, "ce_province", e->province);
    const struct {
        const char *name;
        struct lt_span value;
    } optional[] = {{"ce_unit", e->unit}, {"ce_procedure", e->procedure}};
    for (size_t i = 0; i < LT_ARRAY_LEN(optional); i++)
        if (optional[i].value.len > 0)
            lt_headers_put(out, optional[i].name, optional[i].value);
    /* What every reader of canonical events demands, so that a queue can carry it on (lt.province). */
    char *value_digest = lt_arena_alloc(a, LT_EVENT_DIGEST_LEN + 1);
    lt_sha256_once(n->data, digest);
    lt_hex(digest, sizeof(digest), value_digest);
    lt_headers_put(out, "lt_digest", lt_span_str(value_digest));
    lt_headers_put(out, "lt_digest_v", LT_SPAN_LIT("0"));
    lt_headers_put(out, "lt_cause", e->id);
    struct lt_span replay;
    if (lt_headers_get(&r->headers, "lt_replay", &replay))
        lt_headers_put(out, "lt_replay", replay);
}

void lt_effect_deadletter(const struct lt_log_record *r, const struct lt_refused *why, size_t record_max,
                          struct lt_arena *a, struct lt_effect *ret)
{
    struct lt_headers *h = &ret->headers;
    ret->topic = LT_TOPIC_DEADLETTER;
    ret->key = r->key;
    ret->headers = r->headers;
    lt_headers_trim(h, DEADLETTER_HEADERS, DEADLETTER_PART_MAX);
    ret->value = r->value.ptr ? r->value : lt_span("", 0);
    lt_headers_put(h, "lt_reason", lt_span_str(lt_arena_str(a, lt_span_str(why->reason))));
    lt_headers_put(h, "lt_target", lt_span_str(why->target));
    lt_headers_put(h, "lt_step", lt_span_str(lt_arena_str(a, lt_span_str(why->step))));
    lt_headers_put(h, "lt_code", lt_span_str(lt_arena_str(a, lt_span_str(why->code))));
    lt_headers_put(h, "lt_detail", lt_span_str(lt_arena_str(a, lt_span_str(why->text))));
    lt_headers_put(h, "lt_order", lt_span_str(lt_arena_printf(a, "%" PRId64, r->offset)));
    lt_headers_put(h, "lt_redrives", lt_span_str(lt_arena_printf(a, "%" PRId64, why->rounds)));
    lt_headers_put(h, "lt_refused", lt_span_str(lt_arena_printf(a, "%" PRId64, why->wall_ms)));
    /* The whole event stands in the ledger too; here it must only fit (protocol 4). */
    if (record_max > 0 && r->key.len + ret->value.len + lt_headers_bytes(h) + DEADLETTER_ROOM > record_max) {
        lt_headers_put(h, "lt_length", lt_span_str(lt_arena_printf(a, "%zu", ret->value.len)));
        lt_headers_put(h, "lt_truncated", LT_SPAN_LIT("true"));
        ret->value.len = LT_MIN(ret->value.len, LT_DEADLETTER_KEEP);
        ret->key.len = LT_MIN(ret->key.len, DEADLETTER_PART_MAX);
    }
}

void lt_effect_refused(const struct lt_log_record *r, const struct lt_event *e, const struct lt_refused *why,
                       struct lt_arena *a, struct lt_effect *ret)
{
    struct lt_buf data = LT_BUF_INIT(8192);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &data);
    lt_json_begin_object(&w);
    lt_json_str(&w, "MaHoSo", e->subject);
    lt_json_str(&w, "event", e->id);
    lt_json_str(&w, "target", lt_span_str(why->target));
    lt_json_str(&w, "step", lt_span_str(why->step));
    lt_json_str(&w, "code", lt_span_str(why->code));
    lt_json_str(&w, "reason", lt_span_str(why->text));
    lt_json_num(&w, "redrives", why->rounds);
    lt_json_end_object(&w);
    const struct lt_note n = {
        .to = LT_NOTE_PROVINCE, .type = LT_TYPE_REFUSED, .data = lt_arena_span(a, lt_buf_view(&data))};
    lt_buf_deinit(&data);
    lt_effect_note(r, e, why->target, why->step, why->rounds, &n, why->wall_ms, a, ret);
}

void lt_effect_history(const struct lt_attempt *t, struct lt_arena *a, struct lt_span *ret_value)
{
    struct lt_buf data = LT_BUF_INIT(4096);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &data);
    lt_json_begin_object(&w);
    lt_json_num(&w, "time", t->wall_ms);
    lt_json_num(&w, "offset", t->offset);
    lt_json_str(&w, "id", t->id);
    if (!lt_span_is(t->run, "-"))
        lt_json_str(&w, "run", t->run);
    lt_json_str(&w, "step", lt_span_str(t->step));
    lt_json_num(&w, "attempt", t->attempt);
    lt_json_str(&w, "what", lt_span_str(t->what));
    lt_json_str(&w, "code", lt_span_str(t->code));
    if (t->text[0])
        lt_json_str(&w, "text", lt_span_str(t->text));
    if (t->took_ms >= 0)
        lt_json_num(&w, "ms", t->took_ms);
    lt_json_end_object(&w);
    *ret_value = lt_arena_span(a, lt_buf_view(&data));
    lt_buf_deinit(&data);
}
