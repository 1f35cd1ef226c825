/*
 * One connection as conn.c (socket, turning) and input.c (bytes to requests) share it. Belongs to its loop's thread.
 */
#ifndef LT_HTTP_CONN_H
#define LT_HTTP_CONN_H

#include "gateway/http/internal.h"
#include "gateway/http/tls.h"

#define LINGER_MS 5000 /* after a refusal: take what still comes, so that the answer is not lost to a reset */

enum lt_http_state { HANDSHAKE, HEAD, BODY, CHUNK_LINE, CHUNK_DATA, CHUNK_END, TRAILER, HANDLING, ENDING, LINGER };

struct lt_http_conn {
    struct lt_http_loop *loop;
    struct lt_http_conn *next, **prev;
    int fd;
    SSL *ssl;
    struct event *read_event, *write_event;
    struct lt_http_peer_ref *peer;
    enum lt_http_state state;
    bool running;                              /* inside conn_run: replies only leave their bytes */
    bool dead;                                 /* free at the end of conn_run */
    bool close_after;                          /* when out is written */
    bool linger_after;                         /* the same, taking what still comes first */
    bool tls_broken;                           /* no close_notify any more */
    char tls_refused[LT_HTTP_TLS_REFUSED_MAX]; /* whose certificate was not taken, and why */
    bool want_write;                           /* OpenSSL must write before it can read on */
    bool scarce;                               /* input buffer full while a request is handled: not reading */
    bool counted;                              /* in its client's share */
    int64_t deadline_ms;                       /* 0 none */
    int64_t over_until_ms;                     /* of a body above body_max, at most */
    char *in;
    size_t in_at, in_end, in_size, head_scanned;
    uint64_t body_left; /* of the body or the chunk */
    struct lt_http_request *req;
    char *out;
    size_t out_at, out_len, out_seen;
    size_t out_allowed; /* paced: how far out may go now */
    struct lt_http_pace pace;
    struct event *pace_event;
    size_t lingered;
};

/* input.c: one step over the input; false when more input or an answer is awaited. */
bool lt_http_input_step(struct lt_http_conn *c);
/* Answer what never becomes a request of the handler's; the connection ends because the rest of it has no meaning. */
void lt_http_input_refuse(struct lt_http_conn *c, int status, const char *code, const char *detail, int retry_after_s);
/* input.c: bytes of a body above body_max. */
void lt_http_input_spill(struct lt_http_conn *c, const char *bytes, size_t len);
/* input.c: give a request above body_max to the handler as far as it came. c may be gone afterwards. */
void lt_http_input_cut(struct lt_http_conn *c);
/* conn.c: put bytes behind what is to be written; frees them. */
void lt_http_out_take(struct lt_http_conn *c, char *bytes, size_t len);

static inline size_t lt_http_in_len(const struct lt_http_conn *c)
{
    return c->in_end - c->in_at;
}
static inline void lt_http_set_deadline(struct lt_http_conn *c, int64_t ms)
{
    c->deadline_ms = c->loop->now_ms + ms;
}
#endif
