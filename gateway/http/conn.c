/*
 * One connection: handshake, reading a request, waiting for its answer, writing it. A state machine driven by
 * readiness; OpenSSL works on the non-blocking socket itself (a bufferevent would stop reading when its buffer is full
 * and forget what OpenSSL holds back).
 */
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/http/conn.h"

#define READ_ROUNDS 16 /* reads of a turn before other connections have theirs */
#define SCRATCH 16384
#define LINGER_BYTES ((size_t)256 << 20)

static void conn_run(struct lt_http_conn *c, bool readable);

/* ---- life ---- */

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct lt_http_conn *c = arg;
    (void)fd;
    conn_run(c, (what & EV_READ) || c->want_write || c->state == HANDSHAKE);
}

void lt_http_conn_new(struct lt_http_loop *loop, int fd)
{
    struct lt_http_server *s = loop->server;
    struct lt_http_conn *c = lt_alloc(sizeof(*c));
    c->loop = loop;
    c->fd = fd;
    c->peer = s->nobody;
    atomic_fetch_add(&c->peer->refs, 1);
    c->next = loop->conns;
    c->prev = &loop->conns;
    if (c->next)
        c->next->prev = &c->next;
    loop->conns = c;
    c->state = HEAD;
    c->pace.cut_after = SIZE_MAX;
    c->out_allowed = SIZE_MAX;
    c->read_event = event_new(loop->base, fd, EV_READ | EV_PERSIST, on_ready, c);
    c->write_event = event_new(loop->base, fd, EV_WRITE, on_ready, c);
    if (s->s.certificate) { /* not s->tls, which a renewal replaces meanwhile */
        pthread_mutex_lock(&s->lock);
        c->ssl = SSL_new(s->tls); /* holds the context it was made of */
        pthread_mutex_unlock(&s->lock);
        c->state = HANDSHAKE;
        if (!c->ssl || SSL_set_fd(c->ssl, fd) != 1) {
            lt_http_conn_free(c);
            return;
        }
        SSL_set_accept_state(c->ssl);
        SSL_set_app_data(c->ssl, c->tls_refused);
    }
    lt_http_set_deadline(c, 1000 * (int64_t)(s->s.certificate ? s->s.request_timeout_s : s->s.idle_timeout_s));
    if (!c->read_event || !c->write_event || event_add(c->read_event, NULL) != 0)
        lt_http_conn_free(c);
}

void lt_http_conn_free(struct lt_http_conn *c)
{
    struct lt_http_server *s = c->loop->server;
    if (c->req) {
        if (c->state == HANDLING) {
            c->req->conn = NULL; /* the answer will find nobody */
            atomic_fetch_add(&s->gone, 1);
        } else {
            lt_http_request_free(c->req);
        }
    }
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    if (c->read_event)
        event_free(c->read_event);
    if (c->write_event)
        event_free(c->write_event);
    if (c->pace_event)
        event_free(c->pace_event);
    if (c->ssl) {
        if (!c->tls_broken && SSL_is_init_finished(c->ssl)) {
            ERR_clear_error();
            SSL_shutdown(c->ssl); /* one way: our close_notify */
            ERR_clear_error();
        }
        SSL_free(c->ssl);
    }
    close(c->fd);
    if (c->counted)
        lt_http_share_leave(s, c->peer);
    lt_http_peer_unref(s, c->peer);
    free(c->in);
    free(c->out);
    free(c);
    pthread_mutex_lock(&s->lock);
    atomic_fetch_sub(&s->conns_now, 1);
    pthread_cond_broadcast(&s->conns_changed);
    pthread_mutex_unlock(&s->lock);
}

/* ---- socket ---- */

/* > 0 bytes; 0 nothing now; -1 over. */
static ssize_t conn_recv(struct lt_http_conn *c, char *to, size_t size)
{
    if (!c->ssl || c->tls_broken) {
        ssize_t n = recv(c->fd, to, size, 0);
        if (n > 0)
            return n;
        return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    size_t got = 0;
    ERR_clear_error();
    int rc = SSL_read_ex(c->ssl, to, size, &got);
    if (rc == 1)
        return (ssize_t)got;
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_WANT_WRITE:
        c->want_write = true;
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return -1;
    default:
        c->tls_broken = true;
        ERR_clear_error();
        return -1;
    }
}

/* As conn_recv. */
static ssize_t conn_send(struct lt_http_conn *c, const char *from, size_t len)
{
    if (!c->ssl) {
        ssize_t n = send(c->fd, from, len, MSG_NOSIGNAL);
        if (n >= 0)
            return n;
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    size_t sent = 0;
    ERR_clear_error();
    int rc = SSL_write_ex(c->ssl, from, len, &sent);
    if (rc == 1)
        return (ssize_t)sent;
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_WRITE:
    case SSL_ERROR_WANT_READ:
        return 0;
    default:
        c->tls_broken = true;
        ERR_clear_error();
        return -1;
    }
}

void lt_http_out_take(struct lt_http_conn *c, char *bytes, size_t len)
{
    if (c->out_at == c->out_len) {
        free(c->out);
        c->out = bytes;
        c->out_at = 0;
        c->out_len = len;
        return;
    }
    c->out = lt_realloc(c->out, c->out_len + len); /* behind an unsent 100 Continue */
    memcpy(c->out + c->out_len, bytes, len);
    c->out_len += len;
    free(bytes);
}

static void end_output(struct lt_http_conn *c)
{
    free(c->out);
    c->out = NULL;
    c->out_at = c->out_len = 0;
    c->out_allowed = SIZE_MAX;
    if (!c->close_after)
        return;
    if (!c->linger_after) {
        c->dead = true;
        return;
    }
    if (c->ssl && !c->tls_broken) {
        ERR_clear_error();
        SSL_shutdown(c->ssl);
        c->tls_broken = true; /* from here the raw bytes are thrown away */
    }
    shutdown(c->fd, SHUT_WR);
    c->state = LINGER;
    lt_http_set_deadline(c, LINGER_MS);
}

/* True when something was written. */
static bool flush(struct lt_http_conn *c)
{
    bool moved = false;
    while (c->out && !c->dead) {
        size_t end = LT_MIN(c->out_len, c->out_allowed);
        if (c->out_at == c->out_len) {
            end_output(c);
            return true;
        }
        if (c->out_at >= end) { /* paced: the timer goes on */
            if (end >= c->pace.cut_after)
                c->dead = true;
            return moved;
        }
        ssize_t n = conn_send(c, c->out + c->out_at, end - c->out_at);
        if (n < 0) {
            c->dead = true;
            return moved;
        }
        if (n == 0) {
            event_add(c->write_event, NULL);
            return moved;
        }
        c->out_at += (size_t)n;
        moved = true;
    }
    return moved;
}

static void on_pace(evutil_socket_t fd, short what, void *arg)
{
    struct lt_http_conn *c = arg;
    (void)fd;
    (void)what;
    if (c->out_allowed < c->out_len)
        c->out_allowed = LT_MIN(c->out_allowed + c->pace.piece, c->pace.cut_after);
    if (c->out_allowed >= c->out_len)
        event_del(c->pace_event);
    lt_http_set_deadline(c, 1000 * (int64_t)c->loop->server->s.idle_timeout_s);
    conn_run(c, false);
}

static void start_pace(struct lt_http_conn *c, const struct lt_http_pace *pace)
{
    c->pace = *pace;
    c->out_allowed = LT_MIN(pace->piece ? pace->piece : SIZE_MAX, pace->cut_after);
    if (!pace->piece)
        return;
    struct timeval every = {pace->every_ms / 1000, (pace->every_ms % 1000) * 1000};
    if (!c->pace_event)
        c->pace_event = event_new(c->loop->base, -1, EV_PERSIST, on_pace, c);
    if (c->pace_event)
        event_add(c->pace_event, &every);
}

/* ---- input buffer ---- */

/* Room for reading into; 0 bytes when full. */
static size_t in_room(struct lt_http_conn *c)
{
    size_t limit = c->loop->server->s.header_max + SCRATCH;
    if (c->in_at == c->in_end)
        c->in_at = c->in_end = 0;
    if (c->in_end == c->in_size && c->in_at > 0) {
        memmove(c->in, c->in + c->in_at, lt_http_in_len(c));
        c->in_end -= c->in_at;
        c->in_at = 0;
    }
    if (c->in_end == c->in_size && c->in_size < limit) {
        c->in_size = c->in_size ? LT_MIN(c->in_size * 2, limit) : 4096;
        c->in = lt_realloc(c->in, c->in_size);
    }
    return c->in_size - c->in_end;
}

/* One read to where its bytes belong. */
static ssize_t fill(struct lt_http_conn *c)
{
    if (c->state == LINGER || c->state == ENDING) {
        char scratch[SCRATCH];
        if (c->state == ENDING && !c->linger_after)
            return 0;
        ssize_t n = conn_recv(c, scratch, sizeof(scratch));
        if (n > 0 && (c->lingered += (size_t)n) > LINGER_BYTES)
            return -1;
        return n;
    }
    if ((c->state == BODY || c->state == CHUNK_DATA) && lt_http_in_len(c) == 0 && c->body_left > 0) {
        struct lt_http_request *r = c->req;
        char scratch[SCRATCH];
        ssize_t n = r->is_over ? conn_recv(c, scratch, LT_MIN(sizeof(scratch), (size_t)c->body_left))
                               : conn_recv(c, r->body + r->body_len, (size_t)c->body_left);
        if (n > 0 && r->is_over) {
            lt_http_input_spill(c, scratch, (size_t)n);
            c->body_left -= (uint64_t)n;
        } else if (n > 0) {
            r->body_len += (size_t)n;
            c->body_left -= (uint64_t)n;
        }
        return n;
    }
    size_t room = in_room(c);
    if (room == 0) { /* pipelined far ahead of its answers */
        c->scarce = true;
        event_del(c->read_event);
        return 0;
    }
    ssize_t n = conn_recv(c, c->in + c->in_end, room);
    if (n > 0)
        c->in_end += (size_t)n;
    return n;
}

/* ---- handshake ---- */

static const char *address_of(int fd, char out[NI_MAXHOST])
{
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);
    if (getpeername(fd, (struct sockaddr *)&a, &len) != 0 ||
        getnameinfo((struct sockaddr *)&a, len, out, NI_MAXHOST, NULL, 0, NI_NUMERICHOST) != 0)
        return "a peer that is gone";
    return out;
}

static void handshake_failed(struct lt_http_conn *c)
{
    char address[NI_MAXHOST];
    struct lt_http_loop *loop = c->loop;
    unsigned long code = ERR_peek_error();
    bool left = code == 0 || ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    if (!left) { /* a port check that connects and goes is no failure */
        char reason[160];
        atomic_fetch_add(&loop->server->tls_failures, 1);
        lt_http_tls_reason(reason, sizeof(reason));
        if (c->tls_refused[0])
            snprintf(reason, sizeof(reason), "%s", c->tls_refused);
        if (loop->now_ms - loop->tls_logged_ms >= 1000) {
            loop->tls_logged_ms = loop->now_ms;
            lt_warn(loop->server->s.name, "tls-refused", "a TLS handshake with %s failed: %s",
                    address_of(c->fd, address), reason);
        }
    }
    ERR_clear_error();
    c->tls_broken = true;
    if (left) {
        c->dead = true;
        return;
    }
    shutdown(c->fd, SHUT_WR); /* our alert must reach the client, so that it knows that its certificate is the reason */
    c->state = LINGER;
    lt_http_set_deadline(c, LINGER_MS);
}

static bool handshake(struct lt_http_conn *c)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(c->ssl);
    if (rc != 1) {
        switch (SSL_get_error(c->ssl, rc)) {
        case SSL_ERROR_WANT_WRITE:
            event_add(c->write_event, NULL);
            return false;
        case SSL_ERROR_WANT_READ:
            return false;
        default:
            handshake_failed(c);
            return false;
        }
    }
    struct lt_http_peer_ref *peer = lt_alloc(sizeof(*peer));
    atomic_init(&peer->refs, 1);
    bool ok = lt_http_tls_peer(c->ssl, &peer->peer);
    struct lt_http_server *s = c->loop->server;
    lt_http_peer_unref(s, c->peer); /* nobody's */
    c->peer = peer;
    if (!ok) {
        atomic_fetch_add(&s->tls_failures, 1);
        c->dead = true;
        return false;
    }
    c->state = HEAD;
    lt_http_set_deadline(c, 1000 * (int64_t)s->s.idle_timeout_s);
    c->counted = lt_http_share_join(s, peer);
    if (!c->counted) {
        atomic_fetch_add(&s->refused_connections, 1);
        lt_http_input_refuse(c, 503, "too-many-connections",
                             "this client holds as many connections as one may; use those, or close some", 5);
    }
    return true;
}

/* ---- turning ---- */

/* Would a read bring something without the socket saying so? */
static bool has_pending(const struct lt_http_conn *c)
{
    return c->ssl && !c->tls_broken && SSL_has_pending(c->ssl);
}

/*
 * readable: the socket may have something, as far as its event or a read that waited says. A read on mere suspicion
 * costs a system call a request; the events are level-triggered, so nothing is missed without it.
 */
static void conn_run(struct lt_http_conn *c, bool readable)
{
    int rounds = 0;
    if (c->running)
        return;
    c->running = true;
    c->want_write = false;
    if (c->state == HANDSHAKE && !handshake(c))
        goto out;
    for (;;) {
        if (c->out)
            flush(c);
        while (!c->dead && lt_http_input_step(c))
            if (c->out)
                flush(c);
        if (!c->dead && c->out)
            flush(c);
        if (c->dead)
            break;
        if (c->scarce && in_room(c) > 0) {
            c->scarce = false;
            event_add(c->read_event, NULL);
        }
        if (c->scarce || (!readable && !has_pending(c)))
            break;
        if (c->state == HANDLING && rounds > 0 && !has_pending(c))
            break;
        if (rounds++ == READ_ROUNDS) { /* OpenSSL may hold bytes that no socket event announces */
            event_active(c->read_event, EV_READ, 0);
            break;
        }
        ssize_t n = fill(c);
        if (n < 0) {
            c->dead = true;
            break;
        }
        if (n == 0) {
            if (c->want_write)
                event_add(c->write_event, NULL);
            break;
        }
    }
out:
    c->running = false;
    if (c->dead)
        lt_http_conn_free(c);
}

void lt_http_conn_answer(struct lt_http_request *r)
{
    struct lt_http_conn *c = r->conn;
    if (!c) {
        lt_http_request_free(r);
        return;
    }
    c->req = NULL;
    c->state = ENDING;
    c->deadline_ms = 0;
    if (r->ending != LT_HTTP_END_REPLY) {
        if (r->ending == LT_HTTP_END_RESET) {
            struct linger now = {1, 0};
            setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
            c->tls_broken = true;
        }
        c->dead = true;
    } else {
        if (r->pace.piece || r->pace.cut_after != SIZE_MAX)
            start_pace(c, &r->pace);
        lt_http_out_take(c, lt_steal(&r->reply), r->reply_len);
        if (r->keep_alive && !atomic_load(&c->loop->server->draining))
            c->state = HEAD;
        else
            c->close_after = true;
        if (r->is_over && !r->over.whole) { /* the rest of the body is no request */
            c->linger_after = true;
            c->in_at = c->in_end = 0;
        }
        lt_http_set_deadline(c, 1000 * (int64_t)c->loop->server->s.idle_timeout_s);
    }
    lt_http_request_free(r);
    if (!c->running) {
        if (c->dead)
            lt_http_conn_free(c);
        else
            conn_run(c, false);
    }
}

/* ---- room ---- */

#define DAWDLE_MS 2000 /* an honest handshake is over by then */

bool lt_http_conns_make_room(struct lt_http_loop *loop)
{
    int64_t begun_before = loop->now_ms + 1000 * (int64_t)loop->server->s.request_timeout_s - DAWDLE_MS;
    struct lt_http_conn *oldest = NULL;
    for (struct lt_http_conn *c = loop->conns; c; c = c->next)
        if (c->state == HANDSHAKE && c->deadline_ms < begun_before &&
            (!oldest || c->deadline_ms <= oldest->deadline_ms))
            oldest = c;
    if (oldest)
        lt_http_conn_free(oldest);
    return oldest != NULL;
}

/* ---- time ---- */

void lt_http_conns_tick(struct lt_http_loop *loop)
{
    struct lt_http_conn *next;
    for (struct lt_http_conn *c = loop->conns; c; c = next) {
        next = c->next;
        if (!c->deadline_ms || loop->now_ms < c->deadline_ms)
            continue;
        if (c->out && c->out_at != c->out_seen && c->state != LINGER) { /* slow, but taking its answer */
            c->out_seen = c->out_at;
            lt_http_set_deadline(c, 1000 * (int64_t)loop->server->s.idle_timeout_s);
            continue;
        }
        bool begun = (c->state == HEAD && c->head_scanned > 0) || (c->state >= BODY && c->state <= TRAILER);
        if (begun && !c->out && c->req && c->req->is_over) {
            lt_http_input_cut(c); /* what it would be told is known already */
        } else if (begun && !c->out) {
            lt_http_input_refuse(c, 408, "timeout", "the request did not come whole in time", 0);
            conn_run(c, false);
        } else {
            lt_http_conn_free(c);
        }
    }
}

void lt_http_conns_close_idle(struct lt_http_loop *loop)
{
    struct lt_http_conn *next;
    for (struct lt_http_conn *c = loop->conns; c; c = next) {
        next = c->next;
        bool idle = c->state == HEAD && lt_http_in_len(c) == 0 && !c->out;
        if (idle || c->state == HANDSHAKE || c->state == LINGER)
            lt_http_conn_free(c);
        else if (c->out && c->state == HEAD)
            c->close_after = true;
    }
}
