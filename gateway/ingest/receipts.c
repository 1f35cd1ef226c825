#include "gateway/ingest/receipts.h"

#include <inttypes.h>
#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/http/client.h"

#define QUEUE_MAX 512
#define PENDING_RETRY_S 1
#define PEER_TIMEOUT_MS 4000
#define DOCUMENT_MAX 4096

struct job {
    struct job *next;
    struct lt_http_request *request;
    bool internal;
    struct lt_receipt receipt;
    char digest[65];
    const struct lt_config_client *client;
};

struct queue {
    struct job *first, **tail;
    size_t len;
};

struct worker {
    struct lt_receipts *receipts;
    size_t number;
    bool internal;
    pthread_t thread;
    struct lt_http_client *peers; /* made when first needed */
};

struct lt_receipts {
    struct lt_intake *intake;
    struct lt_fate_port fate;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct queue queues[2]; /* clients', other instances' */
    bool stopping;
    struct worker workers[LT_RECEIPT_WORKERS + 1];
    size_t workers_len;
};

/* ---- the answer ---- */

static void write_fate(const struct lt_receipt *receipt, const struct lt_fate *fate, struct lt_buf *out)
{
    struct lt_json_writer w;
    lt_json_writer_init(&w, out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "id", lt_span_str(receipt->ce_id));
    switch (fate->state) {
    case LT_FATE_DECIDED:
        lt_json_str(&w, "status", LT_SPAN_LIT("decided"));
        lt_json_str(&w, "verdict", lt_span_str(lt_verdict_name(fate->verdict)));
        if (fate->first_offset >= 0)
            lt_json_num(&w, "first_offset", fate->first_offset);
        break;
    case LT_FATE_EXPIRED:
        lt_json_str(&w, "status", LT_SPAN_LIT("expired"));
        lt_json_str(&w, "detail", LT_SPAN_LIT("decided; the details have expired"));
        break;
    case LT_FATE_PENDING:
    case LT_FATE_ELSEWHERE:
        lt_json_str(&w, "status", LT_SPAN_LIT("pending"));
        break;
    }
    lt_json_num(&w, "partition", receipt->partition);
    lt_json_num(&w, "offset", receipt->offset);
    lt_json_end_object(&w);
}

static void answer(struct job *j, const struct lt_fate *fate)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(DOCUMENT_MAX);
    char seconds[8];
    struct lt_http_header_out retry = {"Retry-After", seconds};
    bool pending = fate->state == LT_FATE_PENDING || fate->state == LT_FATE_ELSEWHERE;
    snprintf(seconds, sizeof(seconds), "%d", PENDING_RETRY_S);
    write_fate(&j->receipt, fate, &out);
    lt_http_reply(j->request, 200, &retry, pending ? 1 : 0, "application/json", lt_buf_view(&out));
}

/* ---- the other instance ---- */

struct peer_answer {
    bool came;
    struct lt_fate fate;
};

/* What write_fate wrote; anything else leaves `pending`: the owner is away or speaks otherwise. */
static void on_peer(void *ctx, const struct lt_http_answer *a)
{
    struct peer_answer *p = ctx;
    static const struct lt_json_limits limits = {DOCUMENT_MAX, 8};
    LT_AUTO_JSON struct lt_json *json = NULL;
    struct lt_span status, verdict;
    p->came = true;
    if (a->failure != LT_HTTP_ANSWERED || a->status != 200 || lt_json_parse(a->body, &limits, &json, NULL) != LT_OK ||
        !lt_json_string(lt_json_get(lt_json_root(json), "status"), &status)) {
        lt_info("ingest", "owner-away", "the partition's owner gave no answer about a receipt: %s",
                a->failure == LT_HTTP_ANSWERED ? "not the expected document" : a->text);
        return;
    }
    if (lt_span_is(status, "expired")) {
        p->fate.state = LT_FATE_EXPIRED;
    } else if (lt_span_is(status, "decided") && lt_json_string(lt_json_get(lt_json_root(json), "verdict"), &verdict)) {
        for (int v = 0; v < LT_VERDICTS; v++) {
            if (lt_span_is(verdict, lt_verdict_name((enum lt_verdict_kind)v))) {
                p->fate.state = LT_FATE_DECIDED;
                p->fate.verdict = (enum lt_verdict_kind)v;
            }
        }
        p->fate.first_offset = -1;
        lt_json_int(lt_json_get(lt_json_root(json), "first_offset"), &p->fate.first_offset);
    }
}

/* The client of this worker's, NULL when there can be none. */
static struct lt_http_client *peers_of(struct worker *w)
{
    const struct lt_config_tls *tls = &w->receipts->intake->config->ingest.peer_tls;
    struct lt_err err = LT_ERR_INIT;
    struct lt_http_client_settings s = {.certificate = tls->certificate,
                                        .key = tls->key,
                                        .ca = tls->ca,
                                        .timeout_ms = PEER_TIMEOUT_MS,
                                        .connect_timeout_ms = PEER_TIMEOUT_MS / 2,
                                        .answer_max = DOCUMENT_MAX,
                                        .connections_max = 8};
    if (!w->peers && tls->certificate && lt_http_client_new(&s, &w->peers, &err) != LT_OK)
        lt_warn(
            "ingest", "peer-tls",
            "cannot ask other instances about receipts: %s; those of partitions that others have are told as pending",
            err.text);
    return w->peers;
}

static void ask_owner(struct worker *w, const struct job *j, const char *digest, struct lt_fate *fate)
{
    struct peer_answer answer = {.fate = {.state = LT_FATE_PENDING, .first_offset = -1}};
    struct lt_http_client *peers = *fate->owner ? peers_of(w) : NULL;
    LT_AUTOFREE char *url =
        lt_asprintf("https://%s/internal/v1/fate?partition=%" PRId32 "&offset=%" PRId64 "&id=%s&digest=%s", fate->owner,
                    j->receipt.partition, j->receipt.offset, j->receipt.ce_id, digest);
    *fate = answer.fate;
    if (!peers || lt_http_client_call(peers, "GET", url, NULL, LT_SPAN_NULL, on_peer, &answer, NULL) != LT_OK)
        return;
    while (!answer.came)
        lt_http_client_run(peers, 100);
    *fate = answer.fate;
}

/* ---- jobs ---- */

static void run_internal(struct lt_receipts *rs, struct job *j)
{
    struct lt_fate fate = {.state = LT_FATE_PENDING, .first_offset = -1};
    rs->fate.ask(rs->fate.ctx, j->receipt.partition, j->receipt.offset, lt_span_str(j->receipt.ce_id),
                 lt_span_str(j->digest), &fate);
    answer(j, &fate); /* elsewhere is pending: the asker asks again, by then the owner's address is right */
}

static void run_external(struct worker *w, struct job *j)
{
    struct lt_receipts *rs = w->receipts;
    struct lt_intake_port *port = &rs->intake->port;
    struct lt_intake_facts facts = {0};
    struct lt_fate fate = {.state = LT_FATE_EXPIRED, .first_offset = -1};
    struct lt_err err = LT_ERR_INIT;
    int rc = port->read(port->ctx, w->number, j->receipt.partition, j->receipt.offset, &facts, &err);
    if (rc == LT_E_NOT_FOUND) { /* signed by us, so it was there */
        answer(j, &fate);
        return;
    }
    if (rc != LT_OK) {
        lt_info("ingest", "receipt-unread", "a receipt's record could not be read: %s", err.text);
        lt_http_problem(j->request, 503, "kafka-away", "the record could not be read just now; ask again later", NULL,
                        3);
        return;
    }
    if (strcmp(facts.id, j->receipt.ce_id) != 0 || strcmp(facts.client, j->client->name) != 0) {
        lt_http_problem(j->request, 404, "unknown-receipt",
                        "this is no receipt of yours, or the topic was made anew since", NULL, 0);
        return;
    }
    fate.state = LT_FATE_PENDING;
    rs->fate.ask(rs->fate.ctx, j->receipt.partition, j->receipt.offset, lt_span_str(facts.id),
                 lt_span_str(facts.digest), &fate);
    if (fate.state == LT_FATE_ELSEWHERE)
        ask_owner(w, j, facts.digest, &fate);
    answer(j, &fate);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct lt_receipts *rs = w->receipts;
    struct queue *q = &rs->queues[w->internal];
    pthread_mutex_lock(&rs->lock);
    for (;;) {
        while (!rs->stopping && !q->first)
            pthread_cond_wait(&rs->changed, &rs->lock);
        if (rs->stopping)
            break;
        struct job *j = q->first;
        q->first = j->next;
        if (!q->first)
            q->tail = &q->first;
        q->len--;
        pthread_mutex_unlock(&rs->lock);
        if (j->internal)
            run_internal(rs, j);
        else
            run_external(w, j);
        free(j);
        pthread_mutex_lock(&rs->lock);
    }
    pthread_mutex_unlock(&rs->lock);
    return NULL;
}

static void enqueue(struct lt_receipts *rs, struct job *j)
{
    struct queue *q = &rs->queues[j->internal];
    pthread_mutex_lock(&rs->lock);
    bool full = rs->stopping || q->len >= QUEUE_MAX;
    if (!full) {
        *q->tail = j;
        q->tail = &j->next;
        q->len++;
        pthread_cond_broadcast(&rs->changed);
    }
    pthread_mutex_unlock(&rs->lock);
    if (!full)
        return;
    lt_http_problem(j->request, 503, "busy", "too many receipts are being looked up just now; ask again later", NULL,
                    2);
    free(j);
}

/* ---- public ---- */

struct lt_receipts *lt_receipts_new(struct lt_intake *in, struct lt_fate_port fate)
{
    struct lt_receipts *rs = lt_alloc(sizeof(*rs));
    rs->intake = in;
    rs->fate = fate;
    pthread_mutex_init(&rs->lock, NULL);
    pthread_cond_init(&rs->changed, NULL);
    rs->queues[0].tail = &rs->queues[0].first;
    rs->queues[1].tail = &rs->queues[1].first;
    for (size_t i = in->port.read ? 0 : LT_RECEIPT_WORKERS; i < LT_ARRAY_LEN(rs->workers); i++) {
        struct worker *w = &rs->workers[rs->workers_len];
        *w = (struct worker){.receipts = rs, .number = i, .internal = i == LT_RECEIPT_WORKERS};
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
            abort(); /* no thread, no memory: as in lt_alloc */
        rs->workers_len++;
    }
    return rs;
}

void lt_receipts_free(struct lt_receipts *rs)
{
    if (!rs)
        return;
    pthread_mutex_lock(&rs->lock);
    rs->stopping = true;
    pthread_cond_broadcast(&rs->changed);
    pthread_mutex_unlock(&rs->lock);
    for (size_t i = 0; i < rs->workers_len; i++) {
        pthread_join(rs->workers[i].thread, NULL);
        lt_http_client_free(rs->workers[i].peers);
    }
    for (size_t q = 0; q < LT_ARRAY_LEN(rs->queues); q++) {
        while (rs->queues[q].first) {
            struct job *j = rs->queues[q].first;
            rs->queues[q].first = j->next;
            lt_http_problem(j->request, 503, "busy", "the gateway is stopping; ask again later", NULL, 5);
            free(j);
        }
    }
    pthread_cond_destroy(&rs->changed);
    pthread_mutex_destroy(&rs->lock);
    free(rs);
}

void lt_receipts_ask(struct lt_receipts *rs, struct lt_http_request *r, const struct lt_config_client *client,
                     const char *id)
{
    struct lt_receipt receipt;
    if (!lt_receipt_parse(lt_span_str(id), lt_span_str(client->name),
                          lt_span_str(rs->intake->config->ingest.receipt_key.text), &receipt)) {
        lt_http_problem(r, 404, "unknown-receipt", "this is no receipt of yours", NULL, 0);
        return;
    }
    struct job *j = lt_alloc(sizeof(*j));
    j->request = r;
    j->receipt = receipt;
    j->client = client;
    enqueue(rs, j);
}

static bool is_hex(struct lt_span s, size_t len)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return s.len == len;
}

void lt_receipts_fate(struct lt_receipts *rs, struct lt_http_request *r, const struct lt_config_client *client)
{
    if (client->role != LT_ROLE_GATEWAY) {
        lt_http_problem(r, 403, "role-not-allowed", "this is for other instances of the gateway", NULL, 0);
        return;
    }
    if (strcmp(lt_http_method(r), "GET") != 0) {
        lt_http_not_allowed(r, "GET");
        return;
    }
    struct lt_span rest = lt_span_str(lt_http_query(r)), part, name;
    struct job *j = lt_alloc(sizeof(*j));
    int64_t partition = -1;
    j->request = r;
    j->internal = true;
    j->receipt.offset = -1;
    while (lt_span_cut(&rest, '&', &part)) {
        if (!lt_span_cut(&part, '=', &name))
            continue;
        if (lt_span_is(name, "partition"))
            (void)lt_span_i64(part, &partition);
        else if (lt_span_is(name, "offset"))
            (void)lt_span_i64(part, &j->receipt.offset);
        else if (lt_span_is(name, "id") && is_hex(part, 32))
            snprintf(j->receipt.ce_id, sizeof(j->receipt.ce_id), LT_SPAN_FMT, LT_SPAN_ARG(part));
        else if (lt_span_is(name, "digest") && is_hex(part, 64))
            snprintf(j->digest, sizeof(j->digest), LT_SPAN_FMT, LT_SPAN_ARG(part));
    }
    if (partition < 0 || partition > INT32_MAX || j->receipt.offset < 0 || !*j->receipt.ce_id || !*j->digest) {
        free(j);
        lt_http_problem(r, 400, "bad-query", "expected partition, offset, id and digest", NULL, 0);
        return;
    }
    j->receipt.partition = (int32_t)partition;
    enqueue(rs, j);
}
