#include "gateway/delivery/post.h"

#include <assert.h>

#define DATA_BYTES_MAX ((size_t)8 << 20)
#define DATA_DEPTH_MAX 32

const char *const lt_post_operations[] = {"call", NULL};
const char *const lt_post_unknown_words[] = {[LT_POST_HOLD] = "hold", [LT_POST_RESEND] = "resend", NULL};

enum lt_outcome lt_post_outcome(enum lt_class is)
{
    static const enum lt_outcome outcomes[LT_CLASSES] = {
        [LT_CLASS_OK] = LT_OUTCOME_OK,
        [LT_CLASS_EXISTS] = LT_OUTCOME_EXISTS,
        [LT_CLASS_RETRY] = LT_OUTCOME_RETRY,
        [LT_CLASS_UNAVAILABLE] = LT_OUTCOME_RETRY,
        [LT_CLASS_THROTTLE] = LT_OUTCOME_THROTTLE,
        [LT_CLASS_CREDENTIAL] = LT_OUTCOME_CREDENTIAL,
        [LT_CLASS_REJECT] = LT_OUTCOME_REJECT,
        [LT_CLASS_UNKNOWN] = LT_OUTCOME_UNKNOWN,
    };
    assert(LT_POST_CLASSES >> is & 1);
    return outcomes[is];
}

static bool refused(struct lt_result *ret, const char *code, const char *reason)
{
    *ret = LT_RESULT(LT_OUTCOME_REJECT);
    ret->code = code;
    ret->reason = reason;
    ret->local = true; /* the event's fault: no word about the receiver */
    return false;
}

bool lt_post_document(const struct lt_message *m, const struct lt_work *w, struct lt_buf *out, struct lt_result *ret)
{
    const struct lt_json_limits limits = {.bytes_max = DATA_BYTES_MAX, .depth_max = DATA_DEPTH_MAX};
    LT_AUTO_JSON struct lt_json *json = NULL;
    struct lt_err err = LT_ERR_INIT;
    if (lt_json_parse(w->event->data, &limits, &json, &err) != LT_OK)
        return refused(ret, "bad-data", lt_arena_str(w->arena, lt_span_str(err.text)));
    lt_message_write(m, w->event, lt_json_root(json), out);
    if (!lt_buf_ok(out))
        return refused(ret, "message-too-large", "the document is too large: name its fields in `message`");
    return true;
}

size_t lt_post_steps(const struct lt_event_type *t, const enum lt_step **ret)
{
    static const enum lt_step call[] = {LT_STEP_CALL};
    (void)t;
    *ret = call;
    return LT_ARRAY_LEN(call);
}

bool lt_post_once(enum lt_step step)
{
    (void)step;
    return true;
}
