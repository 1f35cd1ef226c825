/*
 * A server of gateway/http with a handler that does by path what a test wants of it: /hold keeps the request in `held`,
 * /thread, /back, /later, /never, /slow, /cut, /drop, /reset and /large say themselves, a body above body_max is told
 * as 413, everything else answers its body and notes the peer. The program's certificates are those of pki_setup.
 */
#ifndef LT_TESTS_UNIT_HTTP_FIXTURE_H
#define LT_TESTS_UNIT_HTTP_FIXTURE_H

#include <pthread.h>

#include "gateway/http/server.h"
#include "tests/unit/http_pki.h"
#include "tests/unit/http_wire.h"

struct fixture {
    char *folder;
    struct lt_http_server *server;
    unsigned port;
    pthread_mutex_t lock;
    struct lt_http_request *held[64]; /* by path /hold */
    size_t held_len;
    char peer[500];
};

size_t held_len(struct fixture *f);
struct lt_http_stats stats_of(struct fixture *f);
void *reply_late(void *arg);
void handle(void *ctx, struct lt_http_request *r);
void start(struct fixture *f, bool tls, void (*change)(struct lt_http_settings *));
struct fixture *fixture_new(void);
int setup_plain(void **state);
int setup_tls(void **state);
int setup_bare(void **state);
int teardown(void **state);
void exchange(struct wire *w, const char *request, int status, const char *part);
void one_exchange(struct fixture *f, const char *request, int status, const char *part);

#define PLAIN(t) cmocka_unit_test_setup_teardown(t, setup_plain, teardown)
#define TLS(t) cmocka_unit_test_setup_teardown(t, setup_tls, teardown)
#define BARE(t) cmocka_unit_test_setup_teardown(t, setup_bare, teardown)
#endif
