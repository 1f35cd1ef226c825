/*
 * HTTP/1.1 server: N event loops (libevent) share one port (SO_REUSEPORT), each its own thread; TLS 1.2+ (OpenSSL) with
 * a required client certificate, or plain for the admin listener and mocks' tests. TCP_NODELAY is on (measured: 700
 * against 40,000 requests/s).
 *
 * The requests are read by an own small parser (head.h) and not by evhttp, because evhttp 2.1 hands over whole bodies
 * only: the memory budget and body_max are answered here at the head, before a byte of the body is kept.
 *
 * The handler runs on the loop of the connection and must not block. It answers at once or keeps the request and
 * answers later from any thread: lt_http_reply is thread-safe and wakes the loop. Every request is answered exactly
 * once; a client that went away swallows the answer: the request stays valid until its reply all the same. Also after
 * lt_http_server_free (a report that comes late) a reply is legal and does nothing.
 *
 * What the handler never sees (all problem+json, code in brackets): a head that is no HTTP or too long (400
 * bad-request, 431 header-too-large), bodies above body_max (413 body-too-large, before the body; with give_over they
 * are the handler's to refuse, see lt_http_over), truncated or too slow requests (408 timeout after request_timeout_s
 * from their first byte), an unknown transfer encoding (501). Expect: 100-continue is answered here. HEAD is answered
 * like GET without a body. The sum of bodies being read and held is bounded by `memory`: above it new requests get 503
 * busy + Retry-After. Connections above connections_max are closed at accept, unless one that has dawdled over its
 * handshake can make room. One request of a connection is handled at a time, in order.
 *
 * One client certificate holds at most memory_client of `memory` (503 busy) and connections_client_max of the
 * connections (503 too-many-connections, and the connection ends), so that one client cannot lock out the others.
 *
 * Mocks and tests: lt_http_later delays without a thread, lt_http_reply_paced sends slowly or cuts, lt_http_drop and
 * lt_http_reset end the connection without an answer.
 */
#ifndef LT_HTTP_SERVER_H
#define LT_HTTP_SERVER_H

#include "gateway/base/err.h"

struct lt_http_server;
struct lt_http_request; /* one request, until its reply */

struct lt_http_peer {     /* of the client certificate, read once a connection; all "" on a plain listener */
    char subject_cn[128]; /* "" also when the subject has several, or one that is too long */
    char san[8][128];     /* DNS and URI names */
    size_t san_len;
    char fingerprint[65]; /* SHA-256 of the DER, hex */
    char not_after[30];   /* RFC 3339 */
};

struct lt_http_settings {
    const char *listen; /* host:port; port 0 = any */
    size_t threads;
    const char *certificate, *key, *client_ca; /* NULL certificate = plain HTTP */
    size_t body_max, header_max, connections_max, memory;
    size_t connections_client_max, memory_client; /* of one certificate; 0: as much as all together */
    bool give_over;                               /* bodies above body_max go to the handler */
    int idle_timeout_s;                           /* between requests, and for a client that does not take its answer */
    int request_timeout_s;                        /* handshake; and first to last byte of a request */
    const char *name;                             /* for the log */
    void *ctx;
    void (*handle)(void *ctx, struct lt_http_request *req); /* must lead to exactly one lt_http_reply */
};

/* LT_E_IO: port taken, certificate unreadable …: text says which and what to do. */
int lt_http_server_start(const struct lt_http_settings *s, struct lt_http_server **ret,
                         struct lt_err *err) LT_MUST_CHECK;
unsigned lt_http_server_port(const struct lt_http_server *s);
#define LT_HTTP_RENEWED 1
/*
 * Take certificate, key and client CA anew from their files when one of them changed, or in every case when forced. New
 * connections have the new ones, those that are open keep theirs.
 *
 * LT_OK nothing to do; LT_HTTP_RENEWED; LT_E_IO and others: they cannot be used (err says why), the last good ones go
 * on. The same files are not tried again until they change. Thread-safe; reads files.
 */
int lt_http_server_renew(struct lt_http_server *s, bool force, struct lt_err *err) LT_MUST_CHECK;
/*
 * Mocks and tests: new connections get this certificate, whatever it is worth (an expired one too), until a forced
 * renew takes the server's own again. LT_OK, or what is wrong with the files. Thread-safe; reads files.
 */
int lt_http_server_present(struct lt_http_server *s, const char *certificate, const char *key,
                           struct lt_err *err) LT_MUST_CHECK;
/* Stop accepting, answer what was begun, close idle connections; returns when every request has been answered or
 * deadline_ms passed. */
void lt_http_server_drain(struct lt_http_server *s, int deadline_ms);
void lt_http_server_free(struct lt_http_server *s); /* after drain */

/* Valid until the reply, from any thread. method: "GET" … ; path without query, percent-decoded; query raw. */
const char *lt_http_method(const struct lt_http_request *r);
const char *lt_http_path(const struct lt_http_request *r);
const char *lt_http_query(const struct lt_http_request *r);
const char *lt_http_header(const struct lt_http_request *r, const char *name); /* NULL absent */
struct lt_span lt_http_body(const struct lt_http_request *r);
#define LT_HTTP_OVER_KEEP ((size_t)64 * 1024)
struct lt_http_over {
    uint64_t length; /* as announced, or what came when nothing was announced */
    bool whole;      /* all of it came: length and sha256 are of all */
    char sha256[65]; /* hex; "" when not whole */
};
/*
 * Of a body above body_max (give_over): it was read and thrown away but for the first LT_HTTP_OVER_KEEP bytes, which
 * are the request's body. Not whole: the client waits for 100 Continue, paused, was too slow, or sent more than is
 * worth reading; the connection ends with the answer. NULL: the body is all there.
 */
const struct lt_http_over *lt_http_over(const struct lt_http_request *r);
const struct lt_http_peer *lt_http_peer(const struct lt_http_request *r);
size_t lt_http_loop(const struct lt_http_request *r); /* which loop, 0..threads-1: for per-loop state */

struct lt_http_header_out {
    const char *name, *value;
};
/* Thread-safe, once. Bytes are copied. The request is gone afterwards. */
void lt_http_reply(struct lt_http_request *r, int status, const struct lt_http_header_out *headers, size_t n_headers,
                   const char *content_type, struct lt_span body);
/* Close the connection without an answer (mocks: a lost answer); thread-safe, ends the request as a reply does. */
void lt_http_drop(struct lt_http_request *r);
/* The same with a TCP reset. */
void lt_http_reset(struct lt_http_request *r);
/*
 * A reply in pieces of `piece` bytes, one each `every_ms` (0 bytes: all at once); after cut_after bytes of head and
 * body the connection is closed (SIZE_MAX: never). For mocks: slow and half answers.
 */
struct lt_http_pace {
    size_t piece;
    int every_ms;
    size_t cut_after;
};
void lt_http_reply_paced(struct lt_http_request *r, int status, const struct lt_http_header_out *headers,
                         size_t n_headers, const char *content_type, struct lt_span body,
                         const struct lt_http_pace *pace);
/*
 * Call fn on the request's loop after ms; only from the loop itself (the handler, or an earlier fn). The request is not
 * answered yet: fn must lead to the reply. At lt_http_server_free what still waits is called at once. Once per request
 * at a time.
 */
void lt_http_later(struct lt_http_request *r, int ms, void (*fn)(void *ctx, struct lt_http_request *r), void *ctx);
/*
 * Call fn on the request's loop, at once when this is it; thread-safe, for a request that is not answered yet. fn must
 * lead to the reply. What the loop's thread took apart for the request is so put away by the same thread, and whoever
 * brings the news is not kept with it. When the loop has ended fn is called on any thread. Once per request at a time,
 * as above.
 */
void lt_http_come_back(struct lt_http_request *r, void (*fn)(void *ctx, struct lt_http_request *r), void *ctx);
/* RFC 9457 problem+json; extra: further members already as JSON ("\"field\":\"…\""), or NULL. */
void lt_http_problem(struct lt_http_request *r, int status, const char *code, const char *detail,
                     const char *extra_json, int retry_after_s);
/* 405 with the methods that mean something here. */
void lt_http_not_allowed(struct lt_http_request *r, const char *allow);
/* The same document alone, for answers that hold several. */
void lt_http_problem_json(struct lt_buf *out, int status, const char *code, const char *detail, const char *extra_json);
struct lt_http_stats {
    uint64_t connections; /* accepted ever */
    uint64_t requests;    /* given to the handler */
    uint64_t refused_400, refused_408, refused_413, refused_503;
    uint64_t refused_connections; /* closed at accept (connections_max), or more of one client than its share */
    uint64_t tls_failures;        /* handshakes that failed: no or wrong certificate, old protocol … */
    uint64_t gone;                /* clients that went away before their answer */
    size_t connections_now, memory_now;
};
void lt_http_server_stats(const struct lt_http_server *s, struct lt_http_stats *ret);
#endif
