#include "tests/unit/harness.h"

#include "tests/unit/http_wire.h"

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/unit/http_pki.h"

static struct sockaddr_in loopback(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

int wire_listen(unsigned *ret_port)
{
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

bool wire_open(struct wire *w, unsigned port, const char *pki, const char *certificate)
{
    struct sockaddr_in a = loopback(port);
    struct timeval limit = {10, 0};
    memset(w, 0, sizeof(*w));
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(w->fd >= 0);
    setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(w->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    if (!pki)
        return true;
    LT_AUTOFREE char *ca = pki_file(pki, "ca.pem");
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, ca, NULL), 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (certificate) {
        LT_AUTOFREE char *pem = lt_asprintf("%s/%s.pem", pki, certificate);
        LT_AUTOFREE char *key = lt_asprintf("%s/%s.key", pki, certificate);
        assert_int_equal(SSL_CTX_use_certificate_file(ctx, pem, SSL_FILETYPE_PEM), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM), 1);
    }
    w->ctx = ctx;
    w->ssl = SSL_new(ctx);
    SSL_set_fd(w->ssl, w->fd);
    bool ok = SSL_connect(w->ssl) == 1;
    ERR_clear_error();
    return ok;
}

bool wire_try_send(struct wire *w, const void *p, size_t len)
{
    const char *at = p;
    while (len > 0) {
        ssize_t n = w->ssl ? SSL_write(w->ssl, at, (int)len) : send(w->fd, at, len, MSG_NOSIGNAL);
        if (n <= 0) {
            ERR_clear_error();
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

void wire_send(struct wire *w, const char *text)
{
    assert_true(wire_try_send(w, text, strlen(text)));
}

static ssize_t more(struct wire *w)
{
    assert_true(w->in_len < sizeof(w->in) - 1);
    size_t room = sizeof(w->in) - 1 - w->in_len;
    ssize_t n = w->ssl ? SSL_read(w->ssl, w->in + w->in_len, (int)room) : recv(w->fd, w->in + w->in_len, room, 0);
    ERR_clear_error();
    if (n > 0)
        w->in_len += (size_t)n;
    w->in[w->in_len] = '\0';
    return n;
}

char *wire_answer(struct wire *w)
{
    for (;;) {
        w->in[w->in_len] = '\0';
        char *end = strstr(w->in, "\r\n\r\n");
        if (end) {
            size_t len = (size_t)(end - w->in) + 4;
            const char *length = strcasestr(w->in, "\r\nContent-Length:");
            if (length && length < end)
                len += strtoul(length + 17, NULL, 10);
            if (w->in_len >= len) {
                char *answer = lt_strndup(w->in, len);
                memmove(w->in, w->in + len, w->in_len - len);
                w->in_len -= len;
                return answer;
            }
        }
        if (more(w) <= 0)
            return NULL;
    }
}

bool wire_ended(struct wire *w)
{
    return w->in_len == 0 && more(w) <= 0;
}

void wire_server_name(struct wire *w, char *out, size_t size)
{
    X509 *cert = SSL_get1_peer_certificate(w->ssl);
    assert_non_null(cert);
    assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, out, (int)size) > 0);
    X509_free(cert);
}

void wire_close(struct wire *w)
{
    SSL_free(w->ssl);
    SSL_CTX_free(w->ctx);
    close(w->fd);
}

int wire_status(const char *answer)
{
    assert_non_null(answer);
    assert_int_equal(strncmp(answer, "HTTP/1.1 ", 9), 0);
    return atoi(answer + 9);
}

/* ---- the server ---- */

static void *server_main(void *arg)
{
    struct wire_server *s = arg;
    for (;;) {
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        if (!atomic_load(&s->stop))
            s->serve(s->ctx, fd);
        close(fd);
    }
}

void wire_server_start(struct wire_server *s, void (*serve)(void *ctx, int fd), void *ctx)
{
    s->serve = serve;
    s->ctx = ctx;
    s->fd = wire_listen(&s->port);
    atomic_store(&s->stop, false);
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

void wire_server_stop(struct wire_server *s)
{
    atomic_store(&s->stop, true);
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

bool wire_request(int fd, char *buf, size_t size)
{
    for (size_t len = 0; len < size - 1;) {
        ssize_t n = recv(fd, buf + len, size - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        buf[len] = '\0';
        const char *end = strstr(buf, "\r\n\r\n"), *length = strcasestr(buf, "\r\nContent-Length: ");
        if (end && (!length || len >= (size_t)(end + 4 - buf) + strtoul(length + 18, NULL, 10)))
            return true;
    }
    return false;
}
