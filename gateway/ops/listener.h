/*
 * The admin listener: GET /health, /ready, /metrics, /status, and POST /core/look?partition=N and
 * /core/rebuild?partition=N on loopback, plain HTTP: who reaches it may look at everything and cost some time, but
 * change no verdict. Answers come from the modules' own thread-safe functions through a port; nothing here knows what
 * runs.
 */
#ifndef LT_OPS_LISTENER_H
#define LT_OPS_LISTENER_H

#include "gateway/codec/json.h"
#include "gateway/http/server.h"

struct lt_listener_port {
    void *ctx;
    bool (*ready)(void *ctx, struct lt_buf *ret_why); /* false: why, one line each */
    void (*metrics)(void *ctx, struct lt_buf *out);
    void (*status)(void *ctx, struct lt_json_writer *w); /* one object */
    /* A stopped partition is tried again at once, or built again from the log. false: not owned here; NULL: never */
    bool (*look)(void *ctx, int32_t partition, bool rebuild);
};

struct lt_listener;
int lt_listener_start(const char *listen, const struct lt_listener_port *port, struct lt_listener **ret,
                      struct lt_err *err) LT_MUST_CHECK;
void lt_listener_stop(struct lt_listener *l); /* and free; NULL is fine */
#endif
