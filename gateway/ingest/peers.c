#include "gateway/ingest/peers.h"

#include "gateway/base/log.h"
#include "gateway/ingest/receipts.h"

#define BODY_MAX 1024
#define HEADER_MAX 16384
#define CONNECTIONS_MAX 256 /* a few for each instance; what is beyond asks again */
#define IDLE_TIMEOUT_S 60
#define REQUEST_TIMEOUT_S 10

struct lt_peers {
    struct lt_intake intake; /* without a port: only questions of other instances are answered */
    struct lt_clients *clients;
    struct lt_receipts *receipts;
    struct lt_http_server *server;
};

static void handle(void *ctx, struct lt_http_request *r)
{
    struct lt_peers *p = ctx;
    const struct lt_config_client *client = lt_clients_of(p->clients, lt_http_peer(r));
    if (!client)
        lt_http_problem(r, 403, "unknown-client", "no client is configured for this certificate", NULL, 0);
    else if (strcmp(lt_http_path(r), LT_RECEIPTS_FATE_PATH) == 0)
        lt_receipts_fate(p->receipts, r, client);
    else
        lt_http_problem(r, 421, "no-ingest", "this instance takes no events and no receipts (its roles lack ingest)",
                        NULL, 0);
}

static bool anybody_may_ask(const struct lt_config *c)
{
    for (size_t i = 0; i < c->clients_len; i++)
        if (c->clients[i].role == LT_ROLE_GATEWAY)
            return true;
    return false;
}

int lt_peers_start(const struct lt_config *c, struct lt_fate_port fate, struct lt_peers **ret, struct lt_err *err)
{
    *ret = NULL;
    if (!anybody_may_ask(c)) {
        lt_info("peers", "no-peers", "no client has the role gateway: other instances cannot ask for verdicts here");
        return LT_OK;
    }
    struct lt_peers *p = lt_alloc(sizeof(*p));
    p->intake.config = c;
    p->clients = lt_clients_new(c);
    p->receipts = lt_receipts_new(&p->intake, fate);
    struct lt_http_settings s = {.listen = c->ingest.listen,
                                 .threads = 1,
                                 .certificate = c->ingest.tls.certificate,
                                 .key = c->ingest.tls.key,
                                 .client_ca = c->ingest.tls.ca,
                                 .body_max = BODY_MAX,
                                 .header_max = HEADER_MAX,
                                 .connections_max = CONNECTIONS_MAX,
                                 .idle_timeout_s = IDLE_TIMEOUT_S,
                                 .request_timeout_s = REQUEST_TIMEOUT_S,
                                 .name = "peers",
                                 .ctx = p,
                                 .handle = handle};
    int rc = lt_http_server_start(&s, &p->server, err);
    if (rc != LT_OK) {
        lt_peers_free(p, 0);
        return rc;
    }
    lt_info("peers", "listening", "%s, port %u, for questions of other instances", c->ingest.listen, lt_peers_port(p));
    *ret = p;
    return LT_OK;
}

int lt_peers_renew(struct lt_peers *p, bool force, struct lt_err *err)
{
    return lt_http_server_renew(p->server, force, err);
}

unsigned lt_peers_port(const struct lt_peers *p)
{
    return lt_http_server_port(p->server);
}

void lt_peers_free(struct lt_peers *p, int deadline_ms)
{
    if (!p)
        return;
    lt_http_server_drain(p->server, deadline_ms);
    lt_http_server_free(p->server);
    lt_receipts_free(p->receipts);
    lt_clients_free(p->clients);
    free(p);
}
