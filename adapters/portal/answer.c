#include "adapters/portal/answer.h"

static const char *const operations[] = {[LT_PORTAL_LOGIN] = "login",         [LT_PORTAL_LOOKUP] = "lookup",
                                         [LT_PORTAL_CREATE] = "create",       [LT_PORTAL_UPDATE] = "update",
                                         [LT_PORTAL_PROGRESS] = "progress",   [LT_PORTAL_STATUS] = "status",
                                         [LT_PORTAL_RATING] = "rating",       [LT_PORTAL_PROCEDURES] = "procedures",
                                         [LT_PORTAL_PROCEDURE] = "procedure", NULL};

const struct lt_classifier_form lt_portal_answers = {
    .who = "the portal",
    .operations = operations,
    .asks = 1u << LT_PORTAL_LOGIN | 1u << LT_PORTAL_LOOKUP | 1u << LT_PORTAL_PROCEDURES | 1u << LT_PORTAL_PROCEDURE,
    .classes = (1u << LT_CLASSES) - 1,
    .quotes = true,
};

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

static void says(struct lt_portal_answer *r, enum lt_portal_meaning m, const char *code, const char *reason)
{
    r->meaning = m;
    r->code = code;
    r->reason = reason;
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

/* A login is good when it brought a session. */
static void login(lt_json_value root, struct lt_arena *a, struct lt_portal_answer *r)
{
    lt_json_value v = lt_json_get(root, "session");
    if (lt_json_present(v) && lt_json_string(v, &r->session) && r->session.len > 0)
        r->session = lt_arena_span(a, r->session);
    else
        says(r, LT_PORTAL_DENIED, "no-session", "the portal answered the login without a session");
}

static enum lt_portal_meaning meaning_of(enum lt_class c)
{
    static const enum lt_portal_meaning meanings[LT_CLASSES] = {[LT_CLASS_OK] = LT_PORTAL_DONE,
                                                                [LT_CLASS_EXISTS] = LT_PORTAL_ALREADY,
                                                                [LT_CLASS_ABSENT] = LT_PORTAL_EMPTY,
                                                                [LT_CLASS_SESSION] = LT_PORTAL_SESSION,
                                                                [LT_CLASS_RETRY] = LT_PORTAL_BUSY,
                                                                [LT_CLASS_UNAVAILABLE] = LT_PORTAL_BUSY,
                                                                [LT_CLASS_THROTTLE] = LT_PORTAL_THROTTLED,
                                                                [LT_CLASS_CREDENTIAL] = LT_PORTAL_DENIED,
                                                                [LT_CLASS_REJECT] = LT_PORTAL_REFUSED,
                                                                [LT_CLASS_UNKNOWN] = LT_PORTAL_UNCERTAIN};
    return meanings[c];
}

void lt_portal_answer_read(struct lt_classifier *answers, enum lt_portal_call call, struct lt_span mahoso,
                           const struct lt_http_answer *http, struct lt_arena *a, struct lt_portal_answer *ret)
{
    LT_AUTO_CLASSIFIED struct lt_classified c;
    lt_classifier_read(answers, call, http, a, &c);
    *ret = (struct lt_portal_answer){.meaning = meaning_of(c.is),
                                     .error_code = c.error_code,
                                     .message = c.message,
                                     .code = c.code,
                                     .reason = c.reason,
                                     .wait_ms = c.wait_ms};
    lt_json_value root = c.json ? lt_json_root(c.json) : (lt_json_value){NULL};
    if (ret->meaning == LT_PORTAL_DONE && call == LT_PORTAL_LOGIN)
        login(root, a, ret);
    else if (ret->meaning == LT_PORTAL_DONE && call == LT_PORTAL_LOOKUP)
        lookup(root, mahoso, a, ret);
}
