/*
 * One request to a mock and what it wants done with it: the seam between the mocks and the HTTP server.
 *
 * A mock is a function from a call to a reply, so unit tests drive it without sockets. It may be called from several
 * loops at once and keeps its own lock; it never blocks. A reply is initialised by LT_MOCK_REPLY_INIT, filled once and
 * owned by the caller, who ends it with lt_mock_reply_deinit.
 */
#ifndef LT_MOCK_CALL_H
#define LT_MOCK_CALL_H

#include "gateway/base/base.h"

struct lt_mock_call {
    const char *method, *path, *query; /* path percent-decoded; query raw, "" when none */
    const char *content_type;          /* NULL: header absent */
    const char *dstcode;               /* NULL: header absent */
    struct lt_span body;
    int64_t now_ms; /* wall clock */
    bool late;      /* the second coming of a call that is applied late: no fault, nobody hears the answer */
    /* NULL: header absent */
    const char *authorization, *timestamp, *xroad_client;
    const char *peer; /* name in the client's certificate, "" on a plain listener */
};

enum lt_mock_action {
    LT_MOCK_ANSWER, /* send status and body */
    LT_MOCK_DROP,   /* close the connection, no answer */
    LT_MOCK_HOLD,   /* silence for hold_ms, then close: the caller has given up by then */
    LT_MOCK_RESET,  /* close with a TCP reset */
    LT_MOCK_LATER,  /* silence for hold_ms, then handle the call again as `late` and close */
};

#define LT_MOCK_ANSWER_MAX ((size_t)64 << 20)
#define LT_MOCK_JSON "application/json; charset=utf-8"
#define LT_MOCK_XML "text/xml; charset=utf-8"

struct lt_mock_reply {
    enum lt_mock_action action;
    int status;
    const char *content_type; /* static */
    int retry_after_s;        /* 0: no header */
    int64_t hold_ms;
    struct lt_buf body;
    int64_t delay_ms;   /* ANSWER: that much later */
    int64_t slow_ms;    /* ANSWER: dripping, so that the whole would take so long */
    bool half;          /* ANSWER: cut in the middle */
    int64_t expired_ms; /* > 0: for so long new connections meet an expired certificate; < 0: no longer */
};
#define LT_MOCK_REPLY_INIT                                                                                             \
    ((struct lt_mock_reply){LT_MOCK_ANSWER, 200, LT_MOCK_JSON, 0, 0, LT_BUF_INIT(LT_MOCK_ANSWER_MAX), 0, 0, false, 0})

static inline void lt_mock_reply_deinit(struct lt_mock_reply *r)
{
    lt_buf_deinit(&r->body);
}

/* A mock as the server sees it. */
struct lt_mock {
    const char *name; /* "portal", "population" */
    void *self;
    void (*handle)(void *self, const struct lt_mock_call *call, struct lt_mock_reply *reply);
};

/* ---- small answers for oracle and control ---- */

/* {"error": text} with a 4xx status. */
void lt_mock_refuse(struct lt_mock_reply *r, int status, const char *fmt, ...) LT_PRINTF(3, 4);
/* true when method is the one named; otherwise r is a 405 already. */
bool lt_mock_method_is(const struct lt_mock_call *c, const char *method, struct lt_mock_reply *r);
/* Value of `name` in the query as a number, or fallback when it is absent; false: no number, r is a 400 already. */
bool lt_mock_query_u64(const struct lt_mock_call *c, const char *name, uint64_t fallback, uint64_t *ret,
                       struct lt_mock_reply *r);
/*
 * Path of oracle or control. A path that ends in a slash takes everything below it, and `rest` is what follows.
 * method NULL: fn looks for itself.
 */
struct lt_mock_path {
    const char *path, *method;
    void (*fn)(void *self, const struct lt_mock_call *c, const char *rest, struct lt_mock_reply *r);
};
/* Runs the first that fits, or refuses another method than its own. false: none fits, r is untouched. */
bool lt_mock_dispatch(const struct lt_mock_path *paths, size_t n, void *self, const struct lt_mock_call *c,
                      struct lt_mock_reply *r);
/* What follows prefix in path, NULL when path does not start so. */
const char *lt_mock_after(const char *path, const char *prefix);

#endif
