/*
 * The yardstick of `tools/bench ingest`: a bare libevent HTTPS server that requires a client certificate and answers
 * every request with a short body. N event loops share the port, as the gateway's do; nothing else happens.
 *
 *   bench_echo PORT CERT KEY CA LOOPS
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static SSL_CTX *tls;
static int port;

static void answer(struct evhttp_request *r, void *ctx)
{
    (void)ctx;
    struct evbuffer *body = evbuffer_new();
    evbuffer_add_printf(body, "{\"status\":\"accepted\",\"length\":%zu}\n",
                        evbuffer_get_length(evhttp_request_get_input_buffer(r)));
    evhttp_add_header(evhttp_request_get_output_headers(r), "Content-Type", "application/json");
    evhttp_send_reply(r, 202, "Accepted", body);
    evbuffer_free(body);
}

static struct bufferevent *secure(struct event_base *base, void *ctx)
{
    (void)ctx;
    return bufferevent_openssl_socket_new(base, -1, SSL_new(tls), BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
}

static void *loop(void *ctx)
{
    (void)ctx;
    struct event_base *base = event_base_new();
    struct evhttp *http = evhttp_new(base);
    evhttp_set_bevcb(http, secure, NULL);
    evhttp_set_gencb(http, answer, NULL);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* inherited by what it accepts */
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 512) != 0 ||
        evhttp_accept_socket(http, fd) != 0) {
        perror("bench_echo");
        exit(1);
    }
    event_base_dispatch(base);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: bench_echo PORT CERT KEY CA LOOPS\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    port = atoi(argv[1]);
    tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    if (SSL_CTX_use_certificate_chain_file(tls, argv[2]) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, argv[3], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_load_verify_locations(tls, argv[4], NULL) != 1) {
        fprintf(stderr, "bench_echo: certificates cannot be read\n");
        return 2;
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    int loops = atoi(argv[5]);
    pthread_t thread;
    for (int i = 1; i < loops; i++)
        pthread_create(&thread, NULL, loop, NULL);
    loop(NULL);
    return 0;
}
