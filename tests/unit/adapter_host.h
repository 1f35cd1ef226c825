/*
 * Stands in for the delivery engine in tests of an adapter: keeps the calls that the adapter makes until the test
 * answers them, and the results until the test looks at them. Defines lt_delivery_call, lt_delivery_done and
 * lt_delivery_now_ms itself.
 */
#ifndef LT_TESTS_UNIT_ADAPTER_HOST_H
#define LT_TESTS_UNIT_ADAPTER_HOST_H

#include "gateway/codec/json.h"
#include "gateway/delivery/adapter.h"
#include "tests/unit/harness.h"

#define HOST_CALLS_MAX 64
#define HOST_WORKS_MAX 64

struct host_call {
    char *url, *body, *headers; /* headers: one a line */
    int64_t start_by_ms;
    lt_http_done_fn fn;
    void *ctx;
    bool answered;
};

struct host_work {
    struct lt_work work;
    struct lt_event event;
    struct lt_arena arena;
    bool done;
    struct lt_result result;
    char code[64], reason[512];
};

struct host {
    const struct lt_adapter_type *type;
    void *adapter;
    struct lt_adapter_traits traits;
    struct lt_yaml *options, *shipped;
    struct lt_config_target target;
    struct host_call calls[HOST_CALLS_MAX];
    size_t calls_len;
    struct host_work *works[HOST_WORKS_MAX];
    size_t works_len;
    int64_t now_ms;
};

/* options: YAML of target.options. Fails the test when the adapter does not take them. */
struct host *host_new(const struct lt_adapter_type *type, const char *url, const char *options);
void host_free(struct host *h);
/* Submit a step of an event of dossier `mahoso` of province H22. */
struct host_work *host_submit(struct host *h, enum lt_step step, const char *mahoso, const char *data);
void host_submit_again(struct host *h, struct host_work *w, bool after_unknown);
/* The oldest call that is not answered; fails when there is none. */
struct host_call *host_call(struct host *h);
size_t host_open(const struct host *h); /* calls not answered */
void host_answer(struct host *h, long status, const char *body);
void host_fail(struct host *h, enum lt_http_failure failure);
void host_keep_back(struct host *h);        /* the engine does not let it leave */
void host_tick(struct host *h, int64_t ms); /* time goes on by so much */

/* Another secret is in force, as when its file was replaced. */
void host_secret(struct host *h, const char *option, const char *text);

/* The body of the call at hand has this text in it. */
void host_expect(struct host *h, const char *part);

#endif
