/*
 * Inside of the server, shared by server.c, conn.c and reply.c only.
 *
 * Threads: a connection and everything it points to belongs to its loop's thread. Of a request, the parsed input is
 * immutable once the handler has it; `reply` is written by whoever answers and handed over through the loop's mailbox.
 * The server struct is counted: the handle and each open request hold it, so a late reply finds its mailbox closed
 * rather than gone.
 */
#ifndef LT_HTTP_INTERNAL_H
#define LT_HTTP_INTERNAL_H

#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

#include "gateway/base/crypto.h"
#include "gateway/base/file.h"
#include "gateway/http/head.h"
#include "gateway/http/server.h"

struct lt_http_conn;

/* What one client certificate holds of the server. Counted by its peers; found by fingerprint under the server's lock.
 */
struct lt_http_share {
    char fingerprint[65];
    unsigned refs;      /* under the server's lock */
    size_t connections; /* under the server's lock */
    atomic_size_t memory;
    UT_hash_handle hh;
};

struct lt_http_peer_ref {
    atomic_uint refs;
    struct lt_http_peer peer;
    struct lt_http_share *share; /* NULL: a plain connection, or one before its handshake */
};

enum lt_http_ending { LT_HTTP_END_REPLY, LT_HTTP_END_DROP, LT_HTTP_END_RESET };

struct lt_http_request {
    struct lt_http_loop *loop;
    struct lt_http_conn *conn; /* loop's thread only; NULL once the client is gone */
    struct lt_http_peer_ref *peer;
    char *head_text;
    struct lt_http_head head;
    char *body;
    size_t body_len, body_reserved; /* reserved: counted in the server's memory */
    bool is_over;                   /* above body_max: hashed and thrown away but for its beginning */
    struct lt_http_over over;
    struct lt_sha256 *over_sha;
    bool keep_alive;
    /* the answer */
    enum lt_http_ending ending;
    char *reply;
    size_t reply_len;
    struct lt_http_pace pace;
    bool answered;
    struct lt_http_request *next; /* mailbox */
    /* lt_http_later, lt_http_come_back */
    struct event *timer;
    void (*later_fn)(void *ctx, struct lt_http_request *r);
    void *later_ctx;
    struct lt_http_request *later_next, **later_prev;
};

struct lt_http_loop {
    struct lt_http_server *server;
    size_t number;
    pthread_t thread;
    bool started; /* handle's owner only */
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *wake, *tick;
    int wake_fd;
    struct lt_http_conn *conns;
    struct lt_http_request *laters;
    int64_t now_ms, tls_logged_ms;
    pthread_mutex_t lock; /* mailbox */
    struct lt_http_request *mail, **mail_tail;
    bool closed; /* under lock: the thread has ended, replies end at once */
};

struct lt_http_server {
    atomic_uint refs;
    struct lt_http_settings s;        /* strings owned */
    SSL_CTX *tls;                     /* replaced under the lock */
    pthread_mutex_t renewing;         /* one at a time; before `lock` */
    struct lt_file_mark tls_files[3]; /* certificate, key, client CA, as last read; under `renewing` */
    struct lt_http_share *shares;     /* under the lock */
    struct lt_http_peer_ref *nobody;  /* peer of plain connections */
    unsigned port;
    struct lt_http_loop *loops;
    atomic_bool draining, stopping;
    pthread_mutex_t lock;
    pthread_cond_t conns_changed;
    atomic_size_t conns_now, memory_now;
    atomic_uint_fast64_t connections, requests, refused_400, refused_408, refused_413, refused_503, refused_connections,
        tls_failures, gone;
};

extern _Thread_local struct lt_http_loop *lt_http_current_loop; /* of a loop's thread, NULL elsewhere */

void lt_http_server_unref(struct lt_http_server *s);
void lt_http_peer_unref(struct lt_http_server *s, struct lt_http_peer_ref *p);
/* Count a connection whose client is now known into its share. False: it holds as many as it may. */
bool lt_http_share_join(struct lt_http_server *s, struct lt_http_peer_ref *p);
void lt_http_share_leave(struct lt_http_server *s, struct lt_http_peer_ref *p);
/* Count bytes of body against the budget and the client's share of it; false: neither is counted. */
bool lt_http_memory_take(struct lt_http_server *s, struct lt_http_peer_ref *p, size_t bytes);
void lt_http_memory_give(struct lt_http_server *s, struct lt_http_peer_ref *p, size_t bytes);
struct lt_http_request *lt_http_request_new(struct lt_http_loop *loop, struct lt_http_conn *c,
                                            struct lt_http_peer_ref *peer);
void lt_http_request_free(struct lt_http_request *r);
/* Put a request that is answered, or comes back, into its loop's mailbox, or end it when the loop has. */
void lt_http_post(struct lt_http_request *r);
/* A request whose loop has ended: let go of it, after what it came back for. */
void lt_http_end(struct lt_http_request *r);
/* Build status line, headers and body as one block in r->reply. */
void lt_http_build(struct lt_http_request *r, int status, const struct lt_http_header_out *headers, size_t n_headers,
                   const char *content_type, struct lt_span body, bool head_only);

/* conn.c, on the loop's thread */
void lt_http_conn_new(struct lt_http_loop *loop, int fd);
void lt_http_conn_free(struct lt_http_conn *c);
/* End the connection that has dawdled longest over its handshake; false: there is none. */
bool lt_http_conns_make_room(struct lt_http_loop *loop);
void lt_http_conn_answer(struct lt_http_request *r);      /* deliver r's answer; r is gone afterwards */
void lt_http_conns_tick(struct lt_http_loop *loop);       /* deadlines */
void lt_http_conns_close_idle(struct lt_http_loop *loop); /* draining */
#endif
