/*
 * HTTP client over libcurl's multi interface: keep-alive, client certificate, TLS 1.2+, one thread owns it. A call is
 * given bytes and ends in exactly one callback with the facts an outcome needs: whether the first byte could have left
 * (rule 7). Redirects are never followed, answers are bounded, content encodings are not asked for.
 */
#ifndef LT_HTTP_CLIENT_H
#define LT_HTTP_CLIENT_H

#include "gateway/base/err.h"

struct lt_http_client;
struct lt_http_client_settings {
    const char *certificate, *key, *ca; /* NULL certificate: plain or server-auth only */
    long timeout_ms, connect_timeout_ms;
    size_t answer_max;
    size_t connections_max;
};

enum lt_http_failure {
    LT_HTTP_ANSWERED,   /* a whole answer came: status, body */
    LT_HTTP_NOT_SENT,   /* refused, DNS, handshake: the first byte cannot have left: retry */
    LT_HTTP_CREDENTIAL, /* TLS alert about our certificate, theirs does not verify: pause the target */
    LT_HTTP_UNKNOWN,    /* cut or timed out after the first byte could have left */
    LT_HTTP_TOO_LARGE,  /* answer above answer_max: the call was made, what came is no answer */
};
struct lt_http_answer {
    enum lt_http_failure failure;
    bool kept_back; /* NOT_SENT by whoever holds the client, for reasons of his own; the client itself never says it */
    long status;
    struct lt_span body;      /* lent during the callback */
    const char *content_type; /* "" */
    struct lt_span headers;   /* of the answer, as it came: one "Name: value" a line; lent during the callback */
    /*
     * Retry-After, -1 none or senseless. A date counts from the answer's own Date where it has one, so that a clock of
     * ours that is wrong changes nothing; clamped to 0..86400.
     */
    long retry_after_s;
    const char *curl;      /* libcurl's word for what failed, "COULDNT_CONNECT"; "" when nothing did; static */
    int64_t clock_ahead_s; /* their Date minus our clock, 0 when they sent none */
    char text[256];        /* why, for messages */
};
/* The value of the first header of that name, trimmed; false: none. */
bool lt_http_answer_header(const struct lt_http_answer *a, const char *name, struct lt_span *ret);
/* Is it one of the words that `curl` can hold? "" is none. */
bool lt_http_curl_word(struct lt_span word);
typedef void (*lt_http_done_fn)(void *ctx, const struct lt_http_answer *a);

int lt_http_client_new(const struct lt_http_client_settings *s, struct lt_http_client **ret,
                       struct lt_err *err) LT_MUST_CHECK;
/* Cancels what is in flight: each callback comes with LT_HTTP_UNKNOWN or NOT_SENT before this returns. */
void lt_http_client_free(struct lt_http_client *c);
/* Start a call; everything is copied. headers: NULL-terminated list of "Name: value". fn comes from a later
 * lt_http_client_run. */
int lt_http_client_call(struct lt_http_client *c, const char *method, const char *url, const char *const *headers,
                        struct lt_span body, lt_http_done_fn fn, void *ctx, struct lt_err *err) LT_MUST_CHECK;
/* Move bytes for up to timeout_ms or until something finished. Returns the number of calls in flight. fn may start
 * further calls. */
size_t lt_http_client_run(struct lt_http_client *c, int timeout_ms);
#endif
