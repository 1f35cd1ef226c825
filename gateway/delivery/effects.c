#include "gateway/delivery/effects.h"

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"

#include <inttypes.h>

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

void lt_effect_note(const struct lt_log_record *r, const struct lt_event *e, const char *target, enum lt_step step,
                    const struct lt_note *n, int64_t now_ms, struct lt_arena *a, struct lt_effect *ret)
{
    uint8_t digest[LT_SHA256_SIZE];
    struct lt_sha256 *h = lt_sha256_new();
    lt_sha256_field(h, lt_span_str(target));
    lt_sha256_field(h, e->id);
    lt_sha256_field(h, lt_headers_value(&r->headers, "lt_replay"));
    lt_sha256_field(h, lt_span_str(lt_step_name(step)));
    lt_sha256_field(h, lt_span_str(n->type));
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
