/* One request: its life, its delays, and what the handler reads of it. */
#include "gateway/http/internal.h"

void lt_http_request_free(struct lt_http_request *r)
{
    struct lt_http_server *s = r->loop->server;
    if (r->body_reserved)
        lt_http_memory_give(s, r->peer, r->body_reserved);
    lt_http_peer_unref(s, r->peer);
    lt_sha256_free(r->over_sha);
    free(r->head_text);
    free(r->body);
    free(r->reply);
    free(r);
    lt_http_server_unref(s);
}

struct lt_http_request *lt_http_request_new(struct lt_http_loop *loop, struct lt_http_conn *c,
                                            struct lt_http_peer_ref *peer)
{
    struct lt_http_request *r = lt_alloc(sizeof(*r));
    r->loop = loop;
    r->conn = c;
    r->peer = peer;
    atomic_fetch_add(&r->peer->refs, 1);
    atomic_fetch_add(&loop->server->refs, 1);
    r->pace.cut_after = SIZE_MAX;
    return r;
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct lt_http_request *r = arg;
    (void)fd;
    (void)what;
    event_free(r->timer);
    r->timer = NULL;
    *r->later_prev = r->later_next;
    if (r->later_next)
        r->later_next->later_prev = r->later_prev;
    r->later_fn(r->later_ctx, r);
}

void lt_http_later(struct lt_http_request *r, int ms, void (*fn)(void *ctx, struct lt_http_request *r), void *ctx)
{
    struct timeval after = {ms / 1000, (ms % 1000) * 1000};
    r->later_fn = fn;
    r->later_ctx = ctx;
    r->timer = evtimer_new(r->loop->base, on_later, r);
    if (!r->timer || event_add(r->timer, &after) != 0)
        abort(); /* out of memory */
    r->later_next = r->loop->laters;
    r->later_prev = &r->loop->laters;
    if (r->later_next)
        r->later_next->later_prev = &r->later_next;
    r->loop->laters = r;
}

/* ---- what the handler reads ---- */

const char *lt_http_method(const struct lt_http_request *r)
{
    return r->head.method;
}

const char *lt_http_path(const struct lt_http_request *r)
{
    return r->head.path;
}

const char *lt_http_query(const struct lt_http_request *r)
{
    return r->head.query;
}

const char *lt_http_header(const struct lt_http_request *r, const char *name)
{
    return lt_http_head_field(&r->head, name);
}

struct lt_span lt_http_body(const struct lt_http_request *r)
{
    return lt_span(r->body ? r->body : "", r->body_len);
}

const struct lt_http_over *lt_http_over(const struct lt_http_request *r)
{
    return r->is_over ? &r->over : NULL;
}

const struct lt_http_peer *lt_http_peer(const struct lt_http_request *r)
{
    return &r->peer->peer;
}

size_t lt_http_loop(const struct lt_http_request *r)
{
    return r->loop->number;
}
