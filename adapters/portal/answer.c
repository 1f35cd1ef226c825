#include "adapters/portal/answer.h"

#include "gateway/base/text.h"
#include "gateway/codec/json.h"

#define ANSWER_BYTES_MAX ((size_t)4 << 20)
#define ANSWER_DEPTH_MAX 32
#define MESSAGE_CHARS_MAX 500

const char *lt_portal_meaning_name(enum lt_portal_meaning m)
{
    static const char *const names[] = {
        [LT_PORTAL_DONE] = "done",           [LT_PORTAL_FOUND] = "found",     [LT_PORTAL_EMPTY] = "empty",
        [LT_PORTAL_ALREADY] = "already",     [LT_PORTAL_SESSION] = "session", [LT_PORTAL_BUSY] = "busy",
        [LT_PORTAL_THROTTLED] = "throttled", [LT_PORTAL_DENIED] = "denied",   [LT_PORTAL_REFUSED] = "refused",
        [LT_PORTAL_UNCERTAIN] = "uncertain",
    };
    return names[m];
}

/* For comparing: NFC, trimmed, lower case (upper is what text.h has: both sides go through it). */
static struct lt_span folded(struct lt_arena *a, struct lt_span s)
{
    return lt_utf8_valid(s, NULL) ? lt_text_upper(a, lt_text_normal(a, s)) : LT_SPAN_NULL;
}

static bool contains(struct lt_span s, struct lt_span part)
{
    return part.len > 0 && s.len >= part.len && memmem(s.ptr, s.len, part.ptr, part.len) != NULL;
}

static bool any_message(const struct lt_opt_strings *words, struct lt_span message, struct lt_arena *a)
{
    for (size_t i = 0; i < words->len; i++)
        if (contains(message, folded(a, lt_span_str(words->v[i]))))
            return true;
    return false;
}

static bool any_code(const struct lt_opt_strings *codes, struct lt_span code)
{
    for (size_t i = 0; i < codes->len; i++)
        if (lt_span_is(code, codes->v[i]))
            return true;
    return false;
}

static void says(struct lt_portal_answer *r, enum lt_portal_meaning m, const char *code, const char *reason)
{
    r->meaning = m;
    r->code = code;
    r->reason = reason;
}

/* Everything that is no 200. false: the body speaks. */
static bool transport(const struct lt_http_answer *h, struct lt_arena *a, struct lt_portal_answer *r)
{
    r->wait_ms = h->retry_after_s >= 0 ? (int64_t)h->retry_after_s * 1000 : -1;
    const char *text = lt_arena_str(a, lt_span_str(h->text));
    switch (h->failure) {
    case LT_HTTP_NOT_SENT:
        says(r, LT_PORTAL_BUSY, "not-sent", text);
        return true;
    case LT_HTTP_CREDENTIAL:
        says(r, LT_PORTAL_DENIED, "tls", text);
        return true;
    case LT_HTTP_UNKNOWN:
        says(r, LT_PORTAL_UNCERTAIN, "cut", text);
        return true;
    case LT_HTTP_TOO_LARGE:
        says(r, LT_PORTAL_UNCERTAIN, "answer-too-large", text);
        return true;
    case LT_HTTP_ANSWERED:
        break;
    }
    if (h->status == 200)
        return false;
    const char *code = lt_arena_printf(a, "http-%ld", h->status);
    const char *reason = lt_arena_printf(a, "the portal answered HTTP %ld", h->status);
    if (h->status == 401 || h->status == 403)
        says(r, LT_PORTAL_DENIED, code, reason);
    else if (h->status == 429 || (h->status == 503 && r->wait_ms >= 0))
        says(r, LT_PORTAL_THROTTLED, code, reason);
    else if (h->status == 503 ||
             h->status == 404) /* out of service, or not (yet) at this address: nobody took the call */
        says(r, LT_PORTAL_BUSY, code, reason);
    else if (h->status >= 400 && h->status < 500 && h->status != 408)
        says(r, LT_PORTAL_REFUSED, code, reason);
    else /* 500, 502, 504, 408, redirects, 204: somebody may have applied it before it went wrong */
        says(r, LT_PORTAL_UNCERTAIN, code, reason);
    return true;
}

static void lookup(lt_json_value root, struct lt_span mahoso, struct lt_arena *a, struct lt_portal_answer *r)
{
    lt_json_value result = lt_json_get(root, "result");
    if (!lt_json_present(result)) {
        says(r, LT_PORTAL_UNCERTAIN, "no-result", "the look-up was answered without a result");
        return;
    }
    enum lt_json_type t = lt_json_type_of(result);
    if (t == LT_JSON_ARRAY && lt_json_len(result) == 0) {
        says(r, LT_PORTAL_EMPTY, "empty", "the portal has no such dossier");
        return;
    }
    lt_json_value first = t == LT_JSON_ARRAY ? lt_json_at(result, 0) : result;
    struct lt_span name;
    if (t == LT_JSON_NULL || lt_json_type_of(first) != LT_JSON_OBJECT || lt_json_len(first) == 0) {
        says(r, LT_PORTAL_UNCERTAIN, "bad-result",
             "the look-up was answered with something that is neither a dossier nor an empty list");
        return;
    }
    static const char *const members[] = {"MaHoSo", "mahoso", "MAHOSO"};
    for (size_t i = 0; i < LT_ARRAY_LEN(members); i++) {
        lt_json_value v = lt_json_get(first, members[i]);
        if (lt_json_present(v) && lt_json_scalar(v, a, &name) && !lt_span_eq(lt_span_trim(name), mahoso)) {
            says(r, LT_PORTAL_UNCERTAIN, "other-dossier", "the look-up was answered with another dossier");
            return;
        }
    }
    says(r, LT_PORTAL_FOUND, "found", "the portal has the dossier");
}

static void judge(const struct lt_portal_options *o, enum lt_portal_call call, struct lt_span mahoso,
                  lt_json_value root, struct lt_arena *a, struct lt_portal_answer *r)
{
    struct lt_span message = folded(a, r->message);
    const char *code = lt_arena_printf(a, "error_code " LT_SPAN_FMT, LT_SPAN_ARG(r->error_code));
    const char *said = lt_arena_printf(a, "the portal answered error_code " LT_SPAN_FMT ": " LT_SPAN_FMT,
                                       LT_SPAN_ARG(r->error_code), LT_SPAN_ARG(r->message));
    bool success = any_code(&o->success_codes, r->error_code) && !any_message(&o->failure_messages, message, a);

    if (call == LT_PORTAL_CREATE && any_message(&o->exists_messages, message, a)) {
        says(r, LT_PORTAL_ALREADY, code, said);
    } else if (call != LT_PORTAL_LOGIN && !success &&
               (any_code(&o->session_codes, r->error_code) || any_message(&o->session_messages, message, a))) {
        says(r, LT_PORTAL_SESSION, code, said);
    } else if (!success && (any_code(&o->busy_codes, r->error_code) || any_message(&o->busy_messages, message, a))) {
        says(r, LT_PORTAL_BUSY, code, said);
    } else if (call == LT_PORTAL_LOGIN) {
        lt_json_value v = lt_json_get(root, "session");
        bool good = success && lt_json_present(v) && lt_json_string(v, &r->session) && r->session.len > 0;
        if (good)
            r->session = lt_arena_span(a, r->session);
        says(r, good ? LT_PORTAL_DONE : LT_PORTAL_DENIED, code, good ? "logged in" : "the portal refused the login");
    } else if (call == LT_PORTAL_LOOKUP && success) {
        lookup(root, mahoso, a, r);
    } else if (!success &&
               any_message(call == LT_PORTAL_LOOKUP ? &o->lookup_absent_messages : &o->absent_messages, message, a) &&
               call != LT_PORTAL_CREATE) {
        says(r, LT_PORTAL_EMPTY, code, said);
    } else if (!success) {
        says(r, LT_PORTAL_REFUSED, code, said);
    } else if (message.len == 0 || any_message(&o->success_messages, message, a) ||
               (call == LT_PORTAL_UPDATE && any_message(&o->exists_messages, message, a))) {
        says(r, LT_PORTAL_DONE, code, said);
    } else {
        /* A success code with words nobody told us mean success (domain 1.5): what can be sent again is refused, what
         * cannot is unknown. */
        says(r, call == LT_PORTAL_PROGRESS ? LT_PORTAL_UNCERTAIN : LT_PORTAL_REFUSED, code, said);
    }
}

void lt_portal_answer_read(const struct lt_portal_options *o, enum lt_portal_call call, struct lt_span mahoso,
                           const struct lt_http_answer *http, struct lt_arena *a, struct lt_portal_answer *ret)
{
    *ret = (struct lt_portal_answer){.wait_ms = -1, .code = "", .reason = ""};
    if (transport(http, a, ret))
        return;
    LT_AUTO_JSON struct lt_json *json = NULL;
    const struct lt_json_limits limits = {.bytes_max = ANSWER_BYTES_MAX, .depth_max = ANSWER_DEPTH_MAX};
    if (lt_json_parse(http->body, &limits, &json, NULL) != LT_OK ||
        lt_json_type_of(lt_json_root(json)) != LT_JSON_OBJECT) {
        says(ret, LT_PORTAL_UNCERTAIN, "not-json", "the portal answered 200 with something that is no JSON object");
        return;
    }
    lt_json_value root = lt_json_root(json), code = lt_json_get(root, "error_code"),
                  message = lt_json_get(root, "message");
    struct lt_span text;
    if (lt_json_present(message) && lt_json_string(message, &text))
        ret->message = lt_arena_span(a, lt_text_first_chars(text, MESSAGE_CHARS_MAX));
    if (!lt_json_present(code) || !lt_json_scalar(code, a, &text) || lt_span_trim(text).len == 0) {
        says(ret, LT_PORTAL_UNCERTAIN, "no-error_code", "the portal answered without an error_code");
        return;
    }
    ret->error_code = lt_arena_span(a, lt_span_trim(text));
    judge(o, call, mahoso, root, a, ret);
}
