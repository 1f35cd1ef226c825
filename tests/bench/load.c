/*
 * A lean HTTPS load client: THREADS threads, each with CONNECTIONS keep-alive connections with a client certificate,
 * one request in flight each, for SECONDS. Prints one JSON line: requests, seconds, errors, status counts, latency
 * percentiles in microseconds.
 *
 *   bench_load HOST PORT PATH MEDIA BODY-FILE CERT KEY CA THREADS CONNECTIONS SECONDS
 *
 * It is the same for every server it measures, so a ratio of two runs compares the servers.
 */
#include "tests/bench/common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 65536
#define SAMPLES_MAX 2000000

static struct sockaddr_in server;
static SSL_CTX *tls;
static char *request;
static size_t request_len;
static double seconds;
static int connections;

struct connection {
    SSL *ssl;
    int fd;
    size_t written;
    char answer[ANSWER_MAX];
    size_t got;
    double begun;
};

struct worker {
    pthread_t thread;
    uint64_t requests, errors, ok, refused, other;
    uint32_t *samples;
    size_t n_samples;
};

static bool open_connection(struct connection *c)
{
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&server, sizeof(server)) != 0)
        return false;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->ssl = SSL_new(tls);
    SSL_set_fd(c->ssl, c->fd);
    if (SSL_connect(c->ssl) != 1)
        return false;
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->written = c->got = 0;
    c->begun = bench_now();
    return true;
}

/* Length of the whole answer once its head is there, 0 before. */
static size_t answer_length(const struct connection *c)
{
    const char *end = memmem(c->answer, c->got, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t head = (size_t)(end - c->answer) + 4, body = 0;
    for (const char *p = c->answer; p < end; p++)
        if (strncasecmp(p, "\r\ncontent-length:", 17) == 0)
            body = strtoul(p + 17, NULL, 10);
    return head + body;
}

static void count(struct worker *w, struct connection *c)
{
    int status = atoi(c->answer + 9);
    w->requests++;
    if (status >= 200 && status < 300)
        w->ok++;
    else if (status == 429 || status == 503)
        w->refused++;
    else
        w->other++;
    if (w->n_samples < SAMPLES_MAX)
        w->samples[w->n_samples++] = (uint32_t)((bench_now() - c->begun) * 1e6);
    c->written = c->got = 0;
    c->begun = bench_now();
}

/* Move one connection as far as it goes; false when it broke. */
static bool advance(struct worker *w, struct connection *c)
{
    for (;;) {
        if (c->written < request_len) {
            int n = SSL_write(c->ssl, request + c->written, (int)(request_len - c->written));
            if (n <= 0) {
                int e = SSL_get_error(c->ssl, n);
                return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
            }
            c->written += (size_t)n;
            continue;
        }
        int n = SSL_read(c->ssl, c->answer + c->got, (int)(ANSWER_MAX - c->got));
        if (n <= 0) {
            int e = SSL_get_error(c->ssl, n);
            return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
        }
        c->got += (size_t)n;
        size_t whole = answer_length(c);
        if (whole > ANSWER_MAX)
            return false;
        if (whole && c->got >= whole)
            count(w, c);
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    int poll = epoll_create1(0);
    struct connection *all = calloc((size_t)connections, sizeof(*all));
    w->samples = malloc(SAMPLES_MAX * sizeof(*w->samples));
    for (int i = 0; i < connections; i++) {
        if (!open_connection(&all[i])) {
            w->errors++;
            all[i].fd = -1;
            continue;
        }
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = &all[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &e);
    }
    double until = bench_now() + seconds;
    struct epoll_event events[64];
    while (bench_now() < until) {
        int n = epoll_wait(poll, events, 64, 50);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (c->fd >= 0 && !advance(w, c)) {
                w->errors++;
                epoll_ctl(poll, EPOLL_CTL_DEL, c->fd, NULL);
                close(c->fd);
                c->fd = -1;
            }
        }
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static char *read_file(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *text = malloc(1 << 20);
    *ret_len = fread(text, 1, 1 << 20, f);
    fclose(f);
    return text;
}

int main(int argc, char **argv)
{
    if (argc != 12) {
        fprintf(stderr, "usage: bench_load HOST PORT PATH MEDIA BODY-FILE CERT KEY CA THREADS CONNECTIONS SECONDS\n");
        return 2;
    }
    size_t body_len;
    char *body = read_file(argv[5], &body_len);
    tls = SSL_CTX_new(TLS_client_method());
    if (!body || SSL_CTX_use_certificate_chain_file(tls, argv[6]) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, argv[7], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_load_verify_locations(tls, argv[8], NULL) != 1) {
        fprintf(stderr, "bench_load: body or certificates cannot be read\n");
        return 2;
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(argv[2]));
    inet_pton(AF_INET, argv[1], &server.sin_addr);
    int threads = atoi(argv[9]);
    connections = atoi(argv[10]);
    seconds = atof(argv[11]);
    request = malloc(body_len + 1024);
    request_len =
        (size_t)sprintf(request, "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                        argv[3], argv[1], argv[2], argv[4], body_len);
    memcpy(request + request_len, body, body_len);
    request_len += body_len;

    struct worker *w = calloc((size_t)threads, sizeof(*w));
    double begun = bench_now();
    for (int i = 0; i < threads; i++)
        pthread_create(&w[i].thread, NULL, work, &w[i]);
    struct worker sum = {.samples = malloc((size_t)threads * SAMPLES_MAX * sizeof(uint32_t))};
    for (int i = 0; i < threads; i++) {
        pthread_join(w[i].thread, NULL);
        sum.requests += w[i].requests;
        sum.errors += w[i].errors;
        sum.ok += w[i].ok;
        sum.refused += w[i].refused;
        sum.other += w[i].other;
        memcpy(sum.samples + sum.n_samples, w[i].samples, w[i].n_samples * sizeof(uint32_t));
        sum.n_samples += w[i].n_samples;
    }
    double took = bench_now() - begun;
    qsort(sum.samples, sum.n_samples, sizeof(uint32_t), by_size);
    uint32_t p50 = sum.n_samples ? sum.samples[sum.n_samples / 2] : 0,
             p99 = sum.n_samples ? sum.samples[sum.n_samples * 99 / 100] : 0;
    printf("{\"requests\":%llu,\"seconds\":%.3f,\"ok\":%llu,\"refused\":%llu,\"other\":%llu,\"errors\":%llu,\"p50_us\":"
           "%u,\"p99_us\":%u}\n",
           (unsigned long long)sum.requests, took, (unsigned long long)sum.ok, (unsigned long long)sum.refused,
           (unsigned long long)sum.other, (unsigned long long)sum.errors, p50, p99);
    return 0;
}
