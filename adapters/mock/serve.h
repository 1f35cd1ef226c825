/*
 * A mock behind mutual TLS. The loops of the server answer; the thread in lt_mock_server_run waits for SIGTERM or
 * SIGINT and cuts the connections that a fault holds in silence.
 */
#ifndef LT_MOCK_SERVE_H
#define LT_MOCK_SERVE_H

#include "adapters/mock/call.h"
#include "gateway/base/err.h"

struct lt_mock_serve_settings {
    const char *listen, *certificate, *key, *ca;
    size_t threads;
    int64_t service_ms;                            /* every call but oracle and control is answered that much later */
    const char *expired_certificate, *expired_key; /* of the fault certificate-expired; NULL: it cannot be had */
};

/* Blocks SIGTERM and SIGINT for every thread started later: call it before anything starts a thread. */
void lt_mock_block_signals(void);

struct lt_mock_server;
/* mock is lent until free. LT_E_IO: port taken, certificate unreadable; err says which and what to do. */
int lt_mock_server_start(const struct lt_mock_serve_settings *s, const struct lt_mock *mock,
                         struct lt_mock_server **ret, struct lt_err *err) LT_MUST_CHECK;
unsigned lt_mock_server_port(const struct lt_mock_server *s);
/* Until the signal comes to this thread or to the process. */
void lt_mock_server_run(struct lt_mock_server *s);
/* Answers what was begun, cuts what is held, ends. free(NULL) is fine. */
void lt_mock_server_free(struct lt_mock_server *s);

#endif
