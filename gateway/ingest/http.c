#include "gateway/ingest/http.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/ingest/answer.h"
#include "gateway/ingest/audit_gate.h"

#define HEADER_MAX 16384
#define IDLE_TIMEOUT_S 60
#define REQUEST_TIMEOUT_S 30

struct lt_ingest_http {
    struct lt_intake *intake;
    struct lt_clients *clients;
    struct lt_receipts *receipts;
    struct lt_translator **translators; /* one a loop */
    size_t translators_len;
    struct lt_http_server *server;
    struct lt_audit_gate *audits;
};

/* One POST until its answer. */
struct post {
    struct lt_http_request *request;
    struct lt_submission *submission;
};

/* On the loop, whose memory all of it is. */
static void answer(void *ctx, struct lt_http_request *r)
{
    struct post *p = ctx;
    struct lt_submission *s = p->submission;
    struct lt_answer a;
    char seconds[16];
    struct lt_http_header_out retry = {"Retry-After", seconds};
    lt_answer_of(s, &a);
    snprintf(seconds, sizeof(seconds), "%d", a.retry_after_s);
    lt_http_reply(r, a.status, &retry, a.retry_after_s > 0 ? 1 : 0,
                  a.problem ? "application/problem+json" : "application/json", lt_buf_view(&a.body));
    lt_answer_deinit(&a);
    lt_submission_free(s);
    free(p);
}

/* Mostly on the producer's thread, which has the next report to bring. */
static void on_submitted(void *ctx, struct lt_submission *s)
{
    struct post *p = ctx;
    (void)s;
    lt_http_come_back(p->request, answer, p);
}

static void audit_seldom(struct lt_ingest_http *h, const char *actor, const char *code, const char *detail)
{
    uint64_t left_out = 0;
    if (!lt_audit_gate_pass(h->audits, actor, code, lt_mono_ms(), &left_out))
        return;
    LT_AUTOFREE char *more =
        left_out ? lt_asprintf("%s; %" PRIu64 " more since the last entry were left out", detail, left_out) : NULL;
    lt_intake_audit(h->intake, actor, "http", code, more ? more : detail);
}

/* Refusals by the request's headers. False: nothing to refuse. */
static bool refuse_headers(const struct lt_ingest_http *h, const struct lt_http_request *r,
                           const struct lt_config_client *c, struct lt_refusal *ret)
{
    const struct lt_http_over *over = lt_http_over(r);
    const char *encoding = lt_http_header(r, "Content-Encoding"), *type = lt_http_header(r, "Content-Type");
    size_t len = lt_http_body(r).len;
    memset(ret, 0, sizeof(*ret));
    if (over) {
        ret->status = 413;
        snprintf(ret->code, sizeof(ret->code), "body-too-large");
        snprintf(ret->detail, sizeof(ret->detail),
                 "the body has %" PRIu64 " bytes%s, at most %" PRId64 " are taken here", over->length,
                 over->whole ? "" : " or more", h->intake->config->ingest.body_max);
    } else if (c->body_max > 0 && len > (size_t)c->body_max) {
        ret->status = 413;
        snprintf(ret->code, sizeof(ret->code), "body-too-large");
        snprintf(ret->detail, sizeof(ret->detail), "the body has %zu bytes, this client may send %lld", len,
                 (long long)c->body_max);
    } else if (encoding && *encoding && strcasecmp(encoding, "identity") != 0) {
        ret->status = 415;
        snprintf(ret->code, sizeof(ret->code), "content-encoding");
        snprintf(ret->detail, sizeof(ret->detail), "the body must be sent as it is, without Content-Encoding");
    } else if (!type || !*type) {
        ret->status = 415;
        snprintf(ret->code, sizeof(ret->code), "content-type-missing");
        snprintf(ret->detail, sizeof(ret->detail),
                 "expected Content-Type: application/xml, application/json or application/x-ndjson");
    }
    return ret->status != 0;
}

static void post_events(struct lt_ingest_http *h, struct lt_http_request *r, const struct lt_config_client *client)
{
    if (!lt_client_sends(client)) {
        audit_seldom(h, client->name, "role-not-allowed", "a client of this role may not send events");
        lt_http_problem(r, 403, "role-not-allowed", "a client of this role may not send events", NULL, 0);
        return;
    }
    int wait_s = lt_clients_admit(h->clients, client, lt_mono_ms());
    if (wait_s > 0) {
        atomic_fetch_add(&h->intake->counters->rate_limited, 1);
        audit_seldom(h, client->name, "rate", "more events a second than agreed");
        lt_http_problem(r, 429, "rate", "more events a second than agreed; send it again later, same content", NULL,
                        wait_s);
        return;
    }
    struct lt_refusal why;
    const char *type = lt_http_header(r, "Content-Type");
    struct lt_span media = lt_span_str(type ? type : ""), body = lt_http_body(r);
    struct post *p = lt_alloc(sizeof(*p));
    struct lt_submission *s = lt_submission_new(h->intake, client, "http");
    p->request = r;
    p->submission = s;
    if (refuse_headers(h, r, client, &why)) {
        const struct lt_http_over *over = lt_http_over(r);
        struct lt_raw raw = {.bytes = body, .length = over ? over->length : body.len};
        if (over)
            memcpy(raw.sha256, over->sha256, sizeof(raw.sha256));
        lt_submission_refuse(s, &why, media, &raw, "");
        lt_clients_charge(h->clients, client, 1);
    } else {
        lt_clients_charge(h->clients, client, lt_submission_add(s, h->translators[lt_http_loop(r)], media, body, ""));
    }
    lt_submission_start(s, on_submitted, p);
}

static bool is_method(const struct lt_http_request *r, const char *method)
{
    return strcmp(lt_http_method(r), method) == 0;
}

static void handle(void *ctx, struct lt_http_request *r)
{
    static const char receipts[] = "/v1/receipts/";
    struct lt_ingest_http *h = ctx;
    const char *path = lt_http_path(r);
    const struct lt_config_client *client = lt_clients_of(h->clients, lt_http_peer(r));
    if (!client) {
        const struct lt_http_peer *peer = lt_http_peer(r);
        atomic_fetch_add(&h->intake->counters->unknown_client, 1);
        audit_seldom(h, peer->fingerprint, "unknown-client",
                     "a certificate of our CA that no client is configured for");
        lt_http_problem(r, 403, "unknown-client", "no client is configured for this certificate", NULL, 0);
    } else if (strcmp(path, "/v1/events") == 0) {
        if (is_method(r, "POST"))
            post_events(h, r, client);
        else
            lt_http_not_allowed(r, "POST");
    } else if (strncmp(path, receipts, sizeof(receipts) - 1) == 0 && path[sizeof(receipts) - 1]) {
        atomic_fetch_add(&h->intake->counters->receipts, 1);
        if (is_method(r, "GET"))
            lt_receipts_ask(h->receipts, r, client, path + sizeof(receipts) - 1);
        else
            lt_http_not_allowed(r, "GET");
    } else if (strcmp(path, LT_RECEIPTS_FATE_PATH) == 0) {
        lt_receipts_fate(h->receipts, r, client);
    } else {
        lt_http_problem(r, 404, "not-found", "there is nothing here; events go to POST /v1/events", NULL, 0);
    }
}

int lt_ingest_http_start(struct lt_intake *in, struct lt_clients *clients, const struct lt_mappings *mappings,
                         struct lt_receipts *receipts, struct lt_ingest_http **ret, struct lt_err *err)
{
    const struct lt_config *c = in->config;
    struct lt_ingest_http *h = lt_alloc(sizeof(*h));
    h->intake = in;
    h->clients = clients;
    h->receipts = receipts;
    h->translators_len = (size_t)LT_MAX(c->ingest.threads, 1);
    h->translators = lt_calloc(h->translators_len, sizeof(struct lt_translator *));
    for (size_t i = 0; i < h->translators_len; i++)
        h->translators[i] = lt_translator_new(mappings);
    h->audits = lt_audit_gate_new();
    size_t memory = (size_t)c->ingest.memory / 4, share = (size_t)c->ingest.client_share;
    struct lt_http_settings s = {.listen = c->ingest.listen,
                                 .threads = h->translators_len,
                                 .certificate = c->ingest.tls.certificate,
                                 .key = c->ingest.tls.key,
                                 .client_ca = c->ingest.tls.ca,
                                 .body_max = (size_t)c->ingest.body_max,
                                 .header_max = HEADER_MAX,
                                 .connections_max = (size_t)c->ingest.connections_max,
                                 .memory = memory,
                                 .connections_client_max = (size_t)c->ingest.connections_max * share / 100,
                                 /* The largest body fits into every share, or its sender would wait for ever. */
                                 .memory_client = share ? LT_MAX(memory / 100 * share, (size_t)c->ingest.body_max) : 0,
                                 .give_over = true,
                                 .idle_timeout_s = IDLE_TIMEOUT_S,
                                 .request_timeout_s = REQUEST_TIMEOUT_S,
                                 .name = "ingest",
                                 .ctx = h,
                                 .handle = handle};
    int rc = lt_http_server_start(&s, &h->server, err);
    if (rc != LT_OK) {
        lt_ingest_http_free(h);
        return rc;
    }
    *ret = h;
    return LT_OK;
}

void lt_ingest_http_drain(struct lt_ingest_http *h, int deadline_ms)
{
    lt_http_server_drain(h->server, deadline_ms);
}

void lt_ingest_http_stop(struct lt_ingest_http *h)
{
    lt_http_server_free(lt_steal(&h->server));
}

void lt_ingest_http_free(struct lt_ingest_http *h)
{
    if (!h)
        return;
    lt_http_server_free(h->server);
    for (size_t i = 0; i < h->translators_len; i++)
        lt_translator_free(h->translators[i]);
    free(h->translators);
    lt_audit_gate_free(h->audits);
    free(h);
}

int lt_ingest_http_renew(struct lt_ingest_http *h, bool force, struct lt_err *err)
{
    return lt_http_server_renew(h->server, force, err);
}

unsigned lt_ingest_http_port(const struct lt_ingest_http *h)
{
    return lt_http_server_port(h->server);
}

void lt_ingest_http_stats(const struct lt_ingest_http *h, struct lt_http_stats *ret)
{
    lt_http_server_stats(h->server, ret);
}
