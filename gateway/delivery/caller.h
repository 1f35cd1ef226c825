/*
 * The HTTP client as a port: the real one (gateway/http) and, in tests, a target that is a few functions. One thread.
 */
#ifndef LT_DELIVERY_CALLER_H
#define LT_DELIVERY_CALLER_H

#include "gateway/config/config.h"
#include "gateway/http/client.h"

struct lt_caller {
    void *ctx;
    /* As lt_http_client_call: fn comes exactly once from a later run or from close. */
    int (*call)(void *ctx, const char *method, const char *url, const char *const *headers, struct lt_span body,
                lt_http_done_fn fn, void *fn_ctx, struct lt_err *err);
    /* As lt_http_client_run: returns the calls in flight. */
    size_t (*run)(void *ctx, int timeout_ms);
    /* Cancels what is in flight; every fn has come when it returns. */
    void (*close)(void *ctx);
};

/* The client for a target: its certificate, time limits and as many connections as calls in flight. */
int lt_caller_http(const struct lt_config_target *t, struct lt_caller *ret, struct lt_err *err) LT_MUST_CHECK;

#endif
