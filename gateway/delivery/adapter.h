/*
 * What a target brings: an adapter that turns one step of one event into calls and their answers into one outcome.
 *
 * Everything runs on the engine's thread of the target; nothing here blocks. The engine owns order per dossier,
 * retries, back-off, pauses, rate, concurrency and transactions, so all adapters behave alike; the adapter owns the
 * wire. A submit completes exactly once, through lt_delivery_done, at any later time or at once. An adapter keeps no
 * state that must survive a restart.
 */
#ifndef LT_DELIVERY_ADAPTER_H
#define LT_DELIVERY_ADAPTER_H

#include "gateway/codec/json.h"
#include "gateway/config/config.h"
#include "gateway/delivery/outcome.h"
#include "gateway/http/client.h"
#include "gateway/model/event.h"
#include "gateway/model/steps.h"

struct lt_engine;

/* One step of one event. Owned by the engine, the same object for all steps and attempts of the event. */
struct lt_work {
    const struct lt_event *event;
    enum lt_step step;
    unsigned attempt;    /* of this step, from 1 */
    bool after_unknown;  /* an attempt of this step ended unknown: the target may have applied it */
    bool probe;          /* its call shows whether a target that was paused is back: what can be asked is asked, though
                            the answer be remembered, before anything is sent that cannot be repeated */
    int64_t start_by_ms; /* 0, or: its call may not start after this moment of the engine's clock (rule 4) */
    struct lt_arena *arena; /* lives until the event is finished */
    void *adapter;          /* the adapter's own; NULL at submit, not looked at after done */
};

/* An event that the outcome transaction writes beside the forward, keyed like the dossier. */
struct lt_note {
    enum { LT_NOTE_ANSWER /* lt.answers */, LT_NOTE_PROVINCE /* lt.province */, LT_NOTE_AUDIT /* lt.audit */ } to;
    const char *type;    /* ce_type, static */
    struct lt_span data; /* JSON, in the work's arena; never citizen data */
    struct lt_span
        key; /* of the record, in the work's arena: lt.audit is keyed by the actor; ptr NULL: the dossier's */
};
#define LT_NOTES_MAX 3

struct lt_result {
    enum lt_outcome outcome;
    int64_t wait_ms;        /* RETRY, THROTTLE, CREDENTIAL: what the target asked for, -1 when it did not */
    const char *code;       /* short and free of personal data, for logs: "http-503", "error_code -1" */
    const char *reason;     /* a sentence for `status`; may quote the target */
    struct lt_span forward; /* changed data for the next target; ptr NULL: unchanged */
    /* Written when the step is done or refused. Those to lt.audit also when it is to be tried again: that somebody was
     * asked stands on record whatever came of it, each attempt by itself. */
    struct lt_note notes[LT_NOTES_MAX];
    size_t notes_len;
    bool local; /* it says something about this event or its own corner of the target (an endpoint of one province)
                   only: breaker and pause of the target do not take it for theirs */
    bool anew;  /* REJECT: what the event's former steps saw to is not there any more. When an operator lets it go on it
                   begins with its first step, which may be repeated (rule 7), not with this one */
};
#define LT_RESULT(o) ((struct lt_result){.outcome = (o), .wait_ms = -1, .code = "", .reason = ""})

struct lt_adapter_settings {
    const struct lt_config_target *target; /* lent until free */
    struct lt_engine *engine;              /* for lt_delivery_call and lt_delivery_done */
};

/* What the engine needs to know of an instance; filled by new, constant afterwards. */
struct lt_adapter_traits {
    size_t batch_max;      /* works one call may carry, >= 1 */
    bool repeat_unknown;   /* unknown outcome of a step that cannot be asked: send again (counted) instead of hold (rule
                              7) */
    bool tell_no_refusals; /* the engine writes no event to the province when it parks a refused one: the adapter was
                              told not to tell, or tells it itself */
};

struct lt_adapter_type {
    const char *name;          /* `adapter:` of a target */
    const struct lt_opt *opts; /* of target.options, for `lienthong check --options` */
    size_t opts_len;
    /*
     * Decode target->options. LT_OK, or LT_E_INVALID with all findings in diags. settings->engine may be NULL: then
     * only the options are checked and nothing is submitted.
     */
    int (*new)(const struct lt_adapter_settings *s, void **ret, struct lt_adapter_traits *ret_traits,
               struct lt_diags *diags);
    /*
     * The struct that opts fill. The engine replaces the secrets in it (LT_OPT_SECRET) when their files change, between
     * two turns: read a secret where a call is made, keep no copy; sessions got with the former one go on until the
     * target ends or refuses them. NULL only where no option is a secret.
     */
    void *(*options)(void *self);
    /* Works that were not completed are forgotten without done; no answer comes any more. free(NULL) is fine. */
    void (*free)(void *self);
    /*
     * The steps of this target for an event type (model/steps.h). t NULL: an event of a type that is not in the table
     * (answers, mismatches and conflicts on their way to a province); none: the target does not take such events.
     */
    size_t (*steps)(const struct lt_event_type *t, const enum lt_step **ret);
    /*
     * A step whose repetition can change the result and that the target cannot be asked about: an intent is committed
     * before each submit, and an unknown outcome parks the dossier (rules 4, 7). Steps that are not listed are
     * repeated freely: the adapter must make that safe (create only after a definite empty look-up, update with the
     * same values).
     */
    bool (*once)(enum lt_step step);
    void (*submit)(void *self, struct lt_work *w);
    /* Timers: called in every turn of the loop; returns when it wants to be called again, INT64_MAX for no matter when.
     * NULL: none. */
    int64_t (*tick)(void *self, int64_t now_ms);
    /*
     * An operator had the target resumed, or our identity towards it was replaced: what the adapter paused by itself
     * (an endpoint of one province) may be tried at that moment of the engine's clock. false: nothing was paused. NULL:
     * it pauses nothing.
     */
    bool (*try_at)(void *self, int64_t at_ms);
    /* Members of an object that `lienthong status` shows beside the engine's own (counts by row of the classifier …).
     * NULL: nothing to show. */
    void (*status)(const void *self, struct lt_json_writer *w);
    /* Lines of Prometheus text, labelled target="<target>". NULL: none. */
    void (*metrics)(const void *self, const char *target, struct lt_buf *out);
};

/*
 * Make a call. Everything is copied. fn comes exactly once from a later turn of the loop, never from inside this
 * function, with an LT_HTTP_NOT_SENT when the call could not start before start_by_ms (0: no limit) or the target is
 * being closed. Concurrency and rate of the target apply: calls wait their turn.
 */
void lt_delivery_call(struct lt_engine *e, const char *method, const char *url, const char *const *headers,
                      struct lt_span body, int64_t start_by_ms, lt_http_done_fn fn, void *ctx);
/* Complete a submit. r with code and reason is copied; forward and the notes' data are lent from the work's arena. */
void lt_delivery_done(struct lt_engine *e, struct lt_work *w, const struct lt_result *r);
int64_t lt_delivery_now_ms(const struct lt_engine *e);

#endif
