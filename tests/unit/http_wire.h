/*
 * A blocking client for tests that says exactly the bytes it is told, plain or TLS. Each wait ends after 10 s with a
 * failed test. And a server for tests of clients.
 */
#ifndef LT_TESTS_UNIT_HTTP_WIRE_H
#define LT_TESTS_UNIT_HTTP_WIRE_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/base/base.h"

struct wire {
    int fd;
    void *ctx, *ssl; /* OpenSSL's, NULL when plain */
    char in[65536];
    size_t in_len;
};

/* pki NULL: plain. certificate NULL: none presented. False: TLS handshake failed (client side). */
bool wire_open(struct wire *w, unsigned port, const char *pki, const char *certificate);
void wire_send(struct wire *w, const char *text);
/* As wire_send for any bytes; false when the other side has closed. */
bool wire_try_send(struct wire *w, const void *p, size_t len);
/* The next whole answer (by Content-Length; 1xx alone) with head, NUL-terminated; NULL at the end of the connection.
 * Caller frees. */
char *wire_answer(struct wire *w);
/* True when the other side has closed, without further bytes. */
bool wire_ended(struct wire *w);
/* CN of the certificate the server showed. */
void wire_server_name(struct wire *w, char *out, size_t size);
void wire_close(struct wire *w);
int wire_status(const char *answer);
/* A listening socket on a free port of loopback. */
int wire_listen(unsigned *ret_port);

/* A server that the test plays itself: serve has one connection after another, on a thread of its own. */
struct wire_server {
    void (*serve)(void *ctx, int fd);
    void *ctx;
    int fd;
    unsigned port;
    pthread_t thread;
    atomic_bool stop;
};
void wire_server_start(struct wire_server *s, void (*serve)(void *ctx, int fd), void *ctx);
void wire_server_stop(struct wire_server *s);
/* For serve: a whole request, NUL-terminated; false when the client closed before. */
bool wire_request(int fd, char *buf, size_t size);
#endif
