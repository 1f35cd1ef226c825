/* The server's life: sockets, threads, drain. Connections are conn.c's. */
#include "gateway/http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/http/internal.h"
#include "gateway/http/tls.h"

#define TICK_MS 100

/* ---- sockets ---- */

static int resolve(const char *listen_at, struct sockaddr_storage *ret, socklen_t *ret_len, struct lt_err *err)
{
    const char *colon = strrchr(listen_at, ':');
    if (!colon || !colon[1])
        return lt_err_set(err, LT_E_INVALID, "bad-address", "listen: expected host:port, got %s", listen_at);
    bool brackets = listen_at[0] == '[' && colon > listen_at && colon[-1] == ']';
    LT_AUTOFREE char *host = brackets ? lt_strndup(listen_at + 1, (size_t)(colon - listen_at - 2))
                                      : lt_strndup(listen_at, (size_t)(colon - listen_at));
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
    int rc = getaddrinfo(*host ? host : NULL, colon + 1, &hints, &list);
    if (rc != 0)
        return lt_err_set(err, LT_E_IO, "bad-address", "cannot listen on %s: %s", listen_at, gai_strerror(rc));
    memcpy(ret, list->ai_addr, list->ai_addrlen);
    *ret_len = list->ai_addrlen;
    freeaddrinfo(list);
    return LT_OK;
}

static unsigned port_of(const struct sockaddr_storage *a)
{
    return ntohs(a->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)a)->sin6_port
                                          : ((const struct sockaddr_in *)a)->sin_port);
}

static void set_port(struct sockaddr_storage *a, unsigned port)
{
    if (a->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)a)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)a)->sin_port = htons((uint16_t)port);
}

static int bind_one(const struct sockaddr_storage *a, socklen_t len, bool share)
{
    int on = 1;
    int fd = socket(a->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* Set on the listening socket, inherited by what it accepts: without it small TLS answers wait for Nagle (design
     * 4). */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if ((share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) ||
        bind(fd, (const struct sockaddr *)a, len) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/*
 * One socket a loop on the same port. SO_REUSEPORT would share the port with any other process of this user as well, so
 * a socket without it asks first whether somebody listens there.
 */
static int open_sockets(struct lt_http_server *s, int *fds, struct lt_err *err)
{
    struct sockaddr_storage a;
    socklen_t len = 0;
    int rc = resolve(s->s.listen, &a, &len, err);
    if (rc != LT_OK)
        return rc;
    int probe = bind_one(&a, len, false);
    if (probe < 0)
        goto taken;
    close(probe);
    for (size_t i = 0; i < s->s.threads; i++) {
        fds[i] = bind_one(&a, len, true);
        if (fds[i] < 0 || listen(fds[i], 1024) != 0)
            goto taken;
        if (i == 0) {
            struct sockaddr_storage got;
            socklen_t got_len = sizeof(got);
            if (getsockname(fds[0], (struct sockaddr *)&got, &got_len) != 0)
                goto taken;
            s->port = port_of(&got);
            set_port(&a, s->port);
        }
    }
    return LT_OK;
taken:
    return lt_err_set(err, LT_E_IO, errno == EADDRINUSE ? "port-taken" : "listen-failed",
                      "%s: cannot listen on %s: %s%s", s->s.name, s->s.listen, strerror(errno),
                      errno == EADDRINUSE ? "; another process has the port: stop it, or choose another one" : "");
}

/* ---- loops ---- */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int from_len,
                      void *arg)
{
    struct lt_http_loop *loop = arg;
    struct lt_http_server *s = loop->server;
    (void)listener;
    (void)from;
    (void)from_len;
    loop->now_ms = lt_mono_ms();
    bool draining = atomic_load(&s->draining); /* asked once: what was counted for a refused one is taken back */
    if (draining || (atomic_fetch_add(&s->conns_now, 1) >= s->s.connections_max && !lt_http_conns_make_room(loop))) {
        if (!draining) {
            atomic_fetch_sub(&s->conns_now, 1);
            atomic_fetch_add(&s->refused_connections, 1);
        }
        close(fd);
        return;
    }
    atomic_fetch_add(&s->connections, 1);
    lt_http_conn_new(loop, fd);
}

/* Out of descriptors, for instance: rest until the next tick rather than spin. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct lt_http_loop *loop = arg;
    lt_warn(loop->server->s.name, "accept-failed", "cannot accept connections: %s; trying again every %d ms",
            strerror(errno), TICK_MS);
    evconnlistener_disable(listener);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct lt_http_loop *loop = arg;
    uint64_t count;
    ssize_t n = read((int)fd, &count, sizeof(count));
    (void)n;
    (void)what;
    pthread_mutex_lock(&loop->lock);
    struct lt_http_request *mail = loop->mail;
    loop->mail = NULL;
    loop->mail_tail = &loop->mail;
    pthread_mutex_unlock(&loop->lock);
    loop->now_ms = lt_mono_ms();
    while (mail) {
        struct lt_http_request *r = mail;
        mail = r->next;
        if (r->answered)
            lt_http_conn_answer(r);
        else
            r->later_fn(r->later_ctx, r);
    }
    if (atomic_load(&loop->server->stopping)) {
        event_base_loopbreak(loop->base);
    } else if (atomic_load(&loop->server->draining)) {
        if (loop->listener)
            evconnlistener_free(loop->listener);
        loop->listener = NULL;
        lt_http_conns_close_idle(loop);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct lt_http_loop *loop = arg;
    (void)fd;
    (void)what;
    loop->now_ms = lt_mono_ms();
    if (loop->listener)
        evconnlistener_enable(loop->listener);
    lt_http_conns_tick(loop);
}

static void *loop_main(void *arg)
{
    struct lt_http_loop *loop = arg;
    lt_http_current_loop = loop;
    event_base_dispatch(loop->base);
    return NULL;
}

static void wake(struct lt_http_loop *loop)
{
    uint64_t one = 1;
    ssize_t n = write(loop->wake_fd, &one, sizeof(one));
    (void)n;
}

static int loop_init(struct lt_http_loop *loop, struct lt_http_server *s, size_t number, int fd)
{
    loop->server = s;
    loop->number = number;
    loop->mail_tail = &loop->mail;
    loop->now_ms = lt_mono_ms();
    struct event_config *config = event_config_new();
    /* Without a change list: epoll would be told of a closed connection in the loop's next turn only, when its number
     * may be another loop's connection. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!loop->base || loop->wake_fd < 0) {
        close(fd);
        return -1;
    }
    loop->listener =
        evconnlistener_new(loop->base, on_accept, loop, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    loop->tick = event_new(loop->base, -1, EV_PERSIST, on_tick, loop);
    struct timeval period = {0, TICK_MS * 1000};
    if (!loop->listener) {
        close(fd);
        return -1;
    }
    evconnlistener_set_error_cb(loop->listener, on_accept_error);
    return loop->wake && loop->tick && event_add(loop->wake, NULL) == 0 && event_add(loop->tick, &period) == 0 ? 0 : -1;
}

/* After its thread has ended. */
static void loop_deinit(struct lt_http_loop *loop)
{
    while (loop->laters) { /* what still waits must get its reply: the handler's memory hangs on it */
        struct lt_http_request *r = loop->laters;
        loop->laters = r->later_next;
        if (loop->laters)
            loop->laters->later_prev = &loop->laters;
        event_free(r->timer);
        r->timer = NULL;
        r->later_fn(r->later_ctx, r);
    }
    while (loop->conns) /* leaves their requests without a connection, so that only the replier touches them */
        lt_http_conn_free(loop->conns);
    pthread_mutex_lock(&loop->lock);
    struct lt_http_request *mail = loop->mail;
    loop->mail = NULL;
    loop->closed = true;
    pthread_mutex_unlock(&loop->lock);
    while (mail) {
        struct lt_http_request *r = mail;
        mail = r->next;
        lt_http_end(r);
    }
    if (loop->listener)
        evconnlistener_free(loop->listener);
    if (loop->wake)
        event_free(loop->wake);
    if (loop->tick)
        event_free(loop->tick);
    if (loop->base)
        event_base_free(loop->base);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    loop->listener = NULL;
    loop->base = NULL;
}

/* ---- shares ---- */

void lt_http_peer_unref(struct lt_http_server *s, struct lt_http_peer_ref *p)
{
    if (atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    pthread_mutex_lock(&s->lock);
    struct lt_http_share *share = p->share;
    if (share && --share->refs == 0)
        HASH_DEL(s->shares, share);
    else
        share = NULL;
    pthread_mutex_unlock(&s->lock);
    free(share);
    free(p);
}

bool lt_http_share_join(struct lt_http_server *s, struct lt_http_peer_ref *p)
{
    struct lt_http_share *share;
    pthread_mutex_lock(&s->lock);
    HASH_FIND_STR(s->shares, p->peer.fingerprint, share);
    if (!share) {
        share = lt_alloc(sizeof(*share));
        memcpy(share->fingerprint, p->peer.fingerprint, sizeof(share->fingerprint));
        HASH_ADD_STR(s->shares, fingerprint, share);
    }
    share->refs++;
    p->share = share;
    bool fits = !s->s.connections_client_max || share->connections < s->s.connections_client_max;
    share->connections += fits;
    pthread_mutex_unlock(&s->lock);
    return fits;
}

void lt_http_share_leave(struct lt_http_server *s, struct lt_http_peer_ref *p)
{
    pthread_mutex_lock(&s->lock);
    p->share->connections--;
    pthread_mutex_unlock(&s->lock);
}

bool lt_http_memory_take(struct lt_http_server *s, struct lt_http_peer_ref *p, size_t bytes)
{
    bool fits = atomic_fetch_add(&s->memory_now, bytes) + bytes <= s->s.memory;
    if (p->share)
        fits &= atomic_fetch_add(&p->share->memory, bytes) + bytes <= s->s.memory_client;
    if (!fits)
        lt_http_memory_give(s, p, bytes);
    return fits;
}

void lt_http_memory_give(struct lt_http_server *s, struct lt_http_peer_ref *p, size_t bytes)
{
    atomic_fetch_sub(&s->memory_now, bytes);
    if (p->share)
        atomic_fetch_sub(&p->share->memory, bytes);
}

/* ---- server ---- */

void lt_http_server_unref(struct lt_http_server *s)
{
    if (atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    for (size_t i = 0; i < s->s.threads; i++)
        pthread_mutex_destroy(&s->loops[i].lock);
    SSL_CTX_free(s->tls);
    free(s->nobody);
    free(s->loops);
    pthread_cond_destroy(&s->conns_changed);
    pthread_mutex_destroy(&s->renewing);
    pthread_mutex_destroy(&s->lock);
    free((char *)s->s.listen);
    free((char *)s->s.name);
    free((char *)s->s.certificate);
    free((char *)s->s.key);
    free((char *)s->s.client_ca);
    free(s);
}

static struct lt_http_server *server_new(const struct lt_http_settings *settings)
{
    struct lt_http_server *s = lt_alloc(sizeof(*s));
    s->s = *settings;
    s->s.listen = lt_strdup(settings->listen);
    s->s.name = lt_strdup(settings->name ? settings->name : "http");
    s->s.certificate = settings->certificate ? lt_strdup(settings->certificate) : NULL;
    s->s.key = settings->key ? lt_strdup(settings->key) : NULL;
    s->s.client_ca = settings->client_ca ? lt_strdup(settings->client_ca) : NULL;
    if (!s->s.threads)
        s->s.threads = 1;
    if (!s->s.header_max)
        s->s.header_max = 16384;
    if (!s->s.connections_max)
        s->s.connections_max = 1024;
    if (!s->s.memory)
        s->s.memory = SIZE_MAX;
    if (!s->s.memory_client)
        s->s.memory_client = SIZE_MAX;
    if (s->s.idle_timeout_s <= 0)
        s->s.idle_timeout_s = 60;
    if (s->s.request_timeout_s <= 0)
        s->s.request_timeout_s = 30;
    atomic_init(&s->refs, 1);
    s->nobody = lt_alloc(sizeof(*s->nobody));
    atomic_init(&s->nobody->refs, 1);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->renewing, NULL);
    lt_mono_cond_init(&s->conns_changed);
    s->loops = lt_calloc(s->s.threads, sizeof(*s->loops));
    for (size_t i = 0; i < s->s.threads; i++) {
        s->loops[i].server = s;
        s->loops[i].wake_fd = -1;
        pthread_mutex_init(&s->loops[i].lock, NULL);
    }
    return s;
}

/* true: one is not as it was. */
static bool files_changed(struct lt_http_server *s)
{
    const char *const paths[] = {s->s.certificate, s->s.key, s->s.client_ca};
    bool changed = false;
    for (size_t i = 0; i < LT_ARRAY_LEN(paths); i++)
        changed = lt_file_mark_look(paths[i], &s->tls_files[i]) || changed;
    return changed;
}

int lt_http_server_start(const struct lt_http_settings *settings, struct lt_http_server **ret, struct lt_err *err)
{
    struct lt_http_server *s = server_new(settings);
    LT_AUTOFREE int *fds = lt_calloc(s->s.threads, sizeof(*fds));
    int rc = LT_OK;
    for (size_t i = 0; i < s->s.threads; i++)
        fds[i] = -1;
    signal(SIGPIPE, SIG_IGN); /* a write to a client that went away is an error code, not the end of the process */
    if (settings->certificate) {
        (void)files_changed(s);
        rc = lt_http_tls_server(settings->certificate, settings->key, settings->client_ca, &s->tls, err);
    }
    if (rc == LT_OK)
        rc = open_sockets(s, fds, err);
    for (size_t i = 0; i < s->s.threads; i++) {
        if (rc == LT_OK && loop_init(&s->loops[i], s, i, fds[i]) != 0)
            rc =
                lt_err_set(err, LT_E_IO, "event-loop", "%s: cannot make an event loop: %s", s->s.name, strerror(errno));
        else if (rc != LT_OK && fds[i] >= 0 && !s->loops[i].listener)
            close(fds[i]);
    }
    for (size_t i = 0; rc == LT_OK && i < s->s.threads; i++) {
        s->loops[i].started = pthread_create(&s->loops[i].thread, NULL, loop_main, &s->loops[i]) == 0;
        if (!s->loops[i].started)
            rc = lt_err_set(err, LT_E_IO, "thread", "%s: cannot start a thread", s->s.name);
    }
    if (rc != LT_OK) {
        lt_http_server_free(s);
        return rc;
    }
    *ret = s;
    return LT_OK;
}

/* New connections have it; open ones hold the one they began with. */
static void tls_take(struct lt_http_server *s, SSL_CTX *fresh)
{
    pthread_mutex_lock(&s->lock);
    SSL_CTX *old = s->tls;
    s->tls = fresh;
    pthread_mutex_unlock(&s->lock);
    SSL_CTX_free(old);
}

int lt_http_server_present(struct lt_http_server *s, const char *certificate, const char *key, struct lt_err *err)
{
    SSL_CTX *fresh = NULL;
    pthread_mutex_lock(&s->renewing);
    int rc = lt_http_tls_server(certificate, key, s->s.client_ca, &fresh, err);
    if (rc == LT_OK)
        tls_take(s, fresh);
    pthread_mutex_unlock(&s->renewing);
    return rc;
}

int lt_http_server_renew(struct lt_http_server *s, bool force, struct lt_err *err)
{
    SSL_CTX *fresh = NULL;
    int rc = LT_OK;
    if (!s->s.certificate)
        return LT_OK;
    pthread_mutex_lock(&s->renewing);
    bool changed = files_changed(s); /* before reading: a change meanwhile is seen at the next look */
    if (changed || force) {
        rc = lt_http_tls_server(s->s.certificate, s->s.key, s->s.client_ca, &fresh, err);
        if (rc == LT_OK)
            rc = lt_http_tls_in_force(fresh, s->s.certificate, err);
        if (rc == LT_OK) {
            tls_take(s, lt_steal(&fresh));
            rc = LT_HTTP_RENEWED;
        }
        SSL_CTX_free(fresh);
    }
    pthread_mutex_unlock(&s->renewing);
    return rc;
}

unsigned lt_http_server_port(const struct lt_http_server *s)
{
    return s->port;
}

void lt_http_server_drain(struct lt_http_server *s, int deadline_ms)
{
    if (!s)
        return;
    struct timespec until = lt_mono_after(deadline_ms);
    atomic_store(&s->draining, true);
    for (size_t i = 0; i < s->s.threads; i++)
        wake(&s->loops[i]);
    pthread_mutex_lock(&s->lock);
    while (atomic_load(&s->conns_now) > 0)
        if (pthread_cond_timedwait(&s->conns_changed, &s->lock, &until) == ETIMEDOUT)
            break;
    pthread_mutex_unlock(&s->lock);
}

void lt_http_server_free(struct lt_http_server *s)
{
    if (!s)
        return;
    atomic_store(&s->draining, true);
    atomic_store(&s->stopping, true);
    for (size_t i = 0; i < s->s.threads; i++) {
        if (!s->loops[i].started)
            continue;
        wake(&s->loops[i]);
        pthread_join(s->loops[i].thread, NULL);
        s->loops[i].started = false;
    }
    for (size_t i = 0; i < s->s.threads; i++)
        loop_deinit(&s->loops[i]);
    lt_http_server_unref(s);
}

void lt_http_server_stats(const struct lt_http_server *s, struct lt_http_stats *ret)
{
    struct lt_http_server *m = (struct lt_http_server *)s; /* atomics are read through a plain pointer */
    *ret = (struct lt_http_stats){
        .connections = atomic_load(&m->connections),
        .requests = atomic_load(&m->requests),
        .refused_400 = atomic_load(&m->refused_400),
        .refused_408 = atomic_load(&m->refused_408),
        .refused_413 = atomic_load(&m->refused_413),
        .refused_503 = atomic_load(&m->refused_503),
        .refused_connections = atomic_load(&m->refused_connections),
        .tls_failures = atomic_load(&m->tls_failures),
        .gone = atomic_load(&m->gone),
        .connections_now = atomic_load(&m->conns_now),
        .memory_now = atomic_load(&m->memory_now),
    };
}
