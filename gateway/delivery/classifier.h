/*
 * What a target's answers mean, as a table in YAML (`answers:` of a target): rows tried from the top, the first that
 * fits speaks; an answer that no row fits counts as `unlisted`, which is stated and is `unknown` or `reject`.
 *
 *     answers:
 *       unlisted: unknown
 *       code: /error_code              # where the target's code and words stand in a JSON answer
 *       message: /message
 *       rows:
 *         - name: exists
 *           on: [create]               # operations of the adapter; left out: all
 *           when: {message: [đã tồn tại]}
 *           unless: {status: 5xx}
 *           is: exists
 *           examples: [{body: '{"error_code":"-3","message":"Hồ sơ A đã tồn tại"}'}]
 *
 * Conditions of `when` (all must hold) and `unless` (not all may hold):
 *     transport  answered, not-sent, tls, cut, too-large; left out: any, but answered as soon as one below is there
 *     curl       libcurl's word for the failure: COULDNT_RESOLVE_HOST …
 *     alert      words of a TLS alert: certificate expired …
 *     status     200, 5xx, 400-499
 *     header     {Name: glob}
 *     form       json (an object), soap (an envelope), xml (another document), empty, other
 *     body       {/json/pointer: glob}; a number and a text of the same characters are equal
 *     missing    /json/pointer that is absent, null or an empty text, in a JSON object
 *     message    words in the target's message (JSON: at `message`; SOAP: faultstring), compared in NFC and without
 *                regard to case; "" stands for no message
 *     fault      glob of a SOAP fault code, without its prefix
 * Each takes one value or a list (any of them).
 *
 * What no table may say: that a call which may have reached the target was certainly not applied, unless the operation
 * only asks; and that an unanswered call succeeded. Every row has examples, which `lienthong check` and every start run
 * through the whole table: a row that an earlier one always takes is found by it.
 *
 * One thread. Compiled rows point into the YAML tree, which outlives the classifier.
 */
#ifndef LT_DELIVERY_CLASSIFIER_H
#define LT_DELIVERY_CLASSIFIER_H

#include "gateway/codec/json.h"
#include "gateway/codec/xml.h"
#include "gateway/config/yaml.h"
#include "gateway/http/client.h"

enum lt_class {
    LT_CLASS_OK,          /* applied, or answered */
    LT_CLASS_EXISTS,      /* a create met what is there already: nothing applied */
    LT_CLASS_ABSENT,      /* definitely not there */
    LT_CLASS_SESSION,     /* the session has ended: certainly not applied */
    LT_CLASS_RETRY,       /* certainly not applied, may go later */
    LT_CLASS_UNAVAILABLE, /* the same, and the whole target is away */
    LT_CLASS_THROTTLE,    /* certainly not applied, the target names a time */
    LT_CLASS_CREDENTIAL,  /* certainly not applied, we are not let in */
    LT_CLASS_REJECT,      /* certainly refused */
    LT_CLASS_UNKNOWN,     /* may have been applied */
    LT_CLASSES
};
const char *lt_class_name(enum lt_class c); /* the word in the table */

/* What an adapter's tables may say. Static. */
struct lt_classifier_form {
    const char *who;               /* "the portal": begins sentences */
    const char *const *operations; /* NULL-terminated */
    uint32_t asks;                 /* bit per operation: it changes nothing over there */
    uint32_t classes;              /* bit per enum lt_class */
    bool quotes;                   /* sentences may quote the target's message */
};

struct lt_classifier;
/*
 * answers: the table, NULL is an error at `at`. LT_OK; LT_E_INVALID with all findings in diags, examples and rows that
 * can never match among them.
 */
int lt_classifier_new(const struct lt_classifier_form *f, const struct lt_yaml_node *answers,
                      const struct lt_yaml_node *at, struct lt_classifier **ret, struct lt_diags *diags) LT_MUST_CHECK;
void lt_classifier_free(struct lt_classifier *c);

struct lt_classified {
    enum lt_class is;
    const char *row;                    /* its name, "unlisted" */
    const char *code;                   /* short, for logs: "error_code -1", "http-502", "fault Server.Busy", or row */
    const char *reason;                 /* a sentence, in the arena or static */
    struct lt_span error_code, message; /* as answered, in the arena; empty when there was none */
    int64_t wait_ms;                    /* Retry-After, else the row's `wait`; -1 none */
    struct lt_json *json;               /* the answer as an object, or NULL */
    struct lt_xml *xml;                 /* the answer as a document, or NULL */
    bool soap;                          /* xml is a SOAP 1.1 envelope with a Body */
};
void lt_classified_deinit(struct lt_classified *r);
#define LT_AUTO_CLASSIFIED LT_CLEANUP(lt_classified_deinit)

/* Classify and count. http is lent during the call; ret is filled whole and owes a deinit. */
void lt_classifier_read(struct lt_classifier *c, unsigned operation, const struct lt_http_answer *http,
                        struct lt_arena *a, struct lt_classified *ret);

/* "answers": {"unlisted": n, "rows": {name: n}} for status; lines for /metrics. */
void lt_classifier_status(const struct lt_classifier *c, struct lt_json_writer *w);
void lt_classifier_metrics(const struct lt_classifier *c, const char *target, struct lt_buf *out);

#endif
