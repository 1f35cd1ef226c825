#include "gateway/ingest/ingest.h"

#include <inttypes.h>
#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/ingest/bridge.h"
#include "gateway/ingest/folder.h"
#include "gateway/ingest/http.h"
#include "gateway/ingest/parts.h"

struct lt_ingest {
    const struct lt_config *config;
    struct lt_ingest_counters counters;
    struct lt_intake intake;
    struct lt_clients *clients;
    struct lt_receipts *receipts;
    struct lt_ingest_http *http;
    struct lt_folder **folders;
    size_t folders_len;
    struct lt_bridge **bridges;
    size_t bridges_len;
    bool drained;
    pthread_mutex_t lock;
    char certificates[512]; /* under lock: why the last good ones are kept, "" */
};

int lt_ingest_start_with(const struct lt_ingest_settings *s, const struct lt_intake_port *port, struct lt_ingest **ret,
                         struct lt_err *err)
{
    const struct lt_config *c = s->config;
    struct lt_ingest *i = lt_alloc(sizeof(*i));
    i->config = c;
    pthread_mutex_init(&i->lock, NULL);
    lt_ingest_counters_init(&i->counters);
    i->intake = (struct lt_intake){.config = c,
                                   .port = *port,
                                   .counters = &i->counters,
                                   .genesis_ctx = s->genesis_ctx,
                                   .genesis_ready = s->genesis_ready};
    i->clients = lt_clients_new(c);
    i->receipts = lt_receipts_new(&i->intake, s->fate);
    i->folders = lt_calloc(LT_MAX(c->folders_len, 1), sizeof(struct lt_folder *));
    i->bridges = lt_calloc(LT_MAX(c->bridges_len, 1), sizeof(struct lt_bridge *));
    int rc = lt_ingest_http_start(&i->intake, i->clients, s->mappings, i->receipts, &i->http, err);
    for (size_t n = 0; rc == LT_OK && n < c->folders_len; n++) {
        rc = lt_folder_start(&i->intake, i->clients, s->mappings, &c->folders[n], &i->folders[n], err);
        i->folders_len += rc == LT_OK;
    }
    for (size_t n = 0; rc == LT_OK && n < c->bridges_len; n++) {
        rc = lt_bridge_start(&i->intake, i->clients, s->mappings, &c->bridges[n], NULL, &i->bridges[n], err);
        i->bridges_len += rc == LT_OK;
    }
    if (rc != LT_OK) {
        lt_ingest_free(i);
        return rc;
    }
    lt_info("ingest", "listening", "%s, port %u; %zu clients, %zu folders, %zu bridges", c->ingest.listen,
            lt_ingest_http_port(i->http), c->clients_len, i->folders_len, i->bridges_len);
    *ret = i;
    return LT_OK;
}

int lt_ingest_start(const struct lt_ingest_settings *s, struct lt_ingest **ret, struct lt_err *err)
{
    struct lt_intake_port port;
    /* Of ingest.memory a quarter is for bodies in work, a quarter for records in librdkafka's queue, half for what
     * translation makes of them. */
    int rc = lt_intake_port_kafka(s->config, (size_t)s->config->ingest.memory / 4, LT_RECEIPT_WORKERS, &port, err);
    return rc == LT_OK ? lt_ingest_start_with(s, &port, ret, err) : rc;
}

void lt_ingest_drain(struct lt_ingest *i, int deadline_ms)
{
    if (!i || i->drained)
        return;
    i->drained = true;
    if (i->http)
        lt_ingest_http_drain(i->http, deadline_ms);
    for (size_t n = 0; n < i->bridges_len; n++)
        lt_bridge_stop(i->bridges[n]);
    for (size_t n = 0; n < i->folders_len; n++)
        lt_folder_stop(i->folders[n]);
}

void lt_ingest_free(struct lt_ingest *i)
{
    if (!i)
        return;
    lt_ingest_drain(i, 0);
    if (i->http)
        lt_ingest_http_stop(i->http);
    lt_receipts_free(i->receipts);
    i->intake.port.free(i->intake.port.ctx); /* the last report has come, no submission is open */
    lt_ingest_http_free(i->http);
    for (size_t n = 0; n < i->bridges_len; n++)
        lt_bridge_free(i->bridges[n]);
    for (size_t n = 0; n < i->folders_len; n++)
        lt_folder_free(i->folders[n]);
    free(i->bridges);
    free(i->folders);
    lt_clients_free(i->clients);
    lt_ingest_counters_deinit(&i->counters);
    pthread_mutex_destroy(&i->lock);
    free(i);
}

bool lt_ingest_ready(struct lt_ingest *i, struct lt_buf *ret_why)
{
    if (!i->intake.genesis_ready(i->intake.genesis_ctx)) {
        lt_buf_str(ret_why, "ingest: lt.intake is not initialised: run `lienthong topics`");
        return false;
    }
    if (!i->intake.port.ready(i->intake.port.ctx)) {
        lt_buf_str(ret_why, "ingest: Kafka does not answer");
        return false;
    }
    return true;
}

void lt_ingest_renew(struct lt_ingest *i, bool force)
{
    struct lt_err err = LT_ERR_INIT;
    int rc = lt_ingest_http_renew(i->http, force, &err);
    if (rc == LT_OK)
        return;
    if (rc == LT_HTTP_RENEWED)
        lt_info("ingest", "certificates-renewed", "new connections are served with %s",
                i->config->ingest.tls.certificate);
    else
        lt_error("ingest", "certificates-kept", "%s; the last good ones go on", err.text);
    pthread_mutex_lock(&i->lock);
    snprintf(i->certificates, sizeof(i->certificates), "%s", rc < 0 ? err.text : "");
    pthread_mutex_unlock(&i->lock);
}

unsigned lt_ingest_port(const struct lt_ingest *i)
{
    return lt_ingest_http_port(i->http);
}

void lt_ingest_status(struct lt_ingest *i, struct lt_json_writer *w)
{
    struct lt_http_stats http;
    LT_AUTOBUF struct lt_buf why = LT_BUF_INIT(1024);
    lt_ingest_http_stats(i->http, &http);
    lt_json_begin_object(w);
    lt_json_flag(w, "ready", lt_ingest_ready(i, &why));
    if (why.len)
        lt_json_str(w, "why", lt_buf_view(&why));
    lt_json_num(w, "port", lt_ingest_port(i));
    pthread_mutex_lock(&i->lock);
    if (*i->certificates)
        lt_json_str(w, "certificates_kept", lt_span_str(i->certificates));
    pthread_mutex_unlock(&i->lock);
    lt_ingest_counters_json(&i->counters, w);
    lt_json_key(w, LT_SPAN_LIT("http"));
    lt_json_begin_object(w);
    lt_json_num(w, "connections_now", (int64_t)http.connections_now);
    lt_json_num(w, "requests", (int64_t)http.requests);
    lt_json_num(w, "refused_400", (int64_t)http.refused_400);
    lt_json_num(w, "refused_408", (int64_t)http.refused_408);
    lt_json_num(w, "refused_413", (int64_t)http.refused_413);
    lt_json_num(w, "refused_503", (int64_t)http.refused_503);
    lt_json_num(w, "refused_connections", (int64_t)http.refused_connections);
    lt_json_num(w, "tls_failures", (int64_t)http.tls_failures);
    lt_json_num(w, "gone", (int64_t)http.gone);
    lt_json_num(w, "memory_now", (int64_t)http.memory_now);
    lt_json_end_object(w);
    lt_json_key(w, LT_SPAN_LIT("folders"));
    lt_json_begin_array(w);
    for (size_t n = 0; n < i->folders_len; n++)
        lt_folder_status(i->folders[n], w);
    lt_json_end_array(w);
    lt_json_key(w, LT_SPAN_LIT("bridges"));
    lt_json_begin_array(w);
    for (size_t n = 0; n < i->bridges_len; n++)
        lt_bridge_status(i->bridges[n], w);
    lt_json_end_array(w);
    lt_json_end_object(w);
}

static void http_metrics(struct lt_ingest *i, struct lt_buf *out)
{
    struct lt_http_stats h;
    lt_ingest_http_stats(i->http, &h);
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } rows[] = {
        {"lt_ingest_http_connections_total", "counter", "Connections accepted.", h.connections},
        {"lt_ingest_http_requests_total", "counter", "Requests read whole.", h.requests},
        {"lt_ingest_http_bad_requests_total", "counter", "Requests that were no HTTP, or too long a head.",
         h.refused_400},
        {"lt_ingest_http_timeouts_total", "counter", "Requests that did not come whole in time.", h.refused_408},
        {"lt_ingest_http_too_large_total", "counter", "Requests above ingest.body_max.", h.refused_413},
        {"lt_ingest_http_busy_total", "counter", "Requests refused because the memory budget was used up.",
         h.refused_503},
        {"lt_ingest_http_connections_refused_total", "counter", "Connections above ingest.connections_max.",
         h.refused_connections},
        {"lt_ingest_http_tls_failures_total", "counter", "TLS handshakes that failed.", h.tls_failures},
        {"lt_ingest_http_gone_total", "counter", "Clients that went away before their answer.", h.gone},
        {"lt_ingest_http_connections", "gauge", "Open connections.", h.connections_now},
        {"lt_ingest_http_body_bytes", "gauge", "Bytes of request bodies in work.", h.memory_now},
    };
    for (size_t n = 0; n < LT_ARRAY_LEN(rows); n++)
        lt_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", rows[n].name, rows[n].help, rows[n].name,
                      rows[n].type, rows[n].name, rows[n].value);
}

void lt_ingest_metrics(struct lt_ingest *i, struct lt_buf *out)
{
    LT_AUTOBUF struct lt_buf why = LT_BUF_INIT(1024);
    lt_buf_printf(out,
                  "# HELP lt_ingest_ready Events can be accepted.\n# TYPE lt_ingest_ready gauge\nlt_ingest_ready %d\n",
                  lt_ingest_ready(i, &why));
    pthread_mutex_lock(&i->lock);
    lt_buf_printf(
        out,
        "# HELP lt_ingest_certificates_kept 1: the files' new certificates cannot be used, the last good ones "
        "go on.\n# TYPE lt_ingest_certificates_kept gauge\nlt_ingest_certificates_kept %d\n",
        *i->certificates != '\0');
    pthread_mutex_unlock(&i->lock);
    lt_ingest_counters_metrics(&i->counters, out);
    http_metrics(i, out);
    if (i->folders_len)
        lt_buf_str(
            out,
            "# HELP lt_ingest_folder_files_total Spool files put away.\n# TYPE lt_ingest_folder_files_total counter\n"
            "# HELP lt_ingest_folder_trouble 1: the folder cannot be used, or its file waits for Kafka.\n"
            "# TYPE lt_ingest_folder_trouble gauge\n");
    for (size_t n = 0; n < i->folders_len; n++)
        lt_folder_metrics(i->folders[n], out);
    if (i->bridges_len)
        lt_buf_str(out, "# HELP lt_ingest_bridge_records_total Records of the foreign topic finished.\n"
                        "# TYPE lt_ingest_bridge_records_total counter\n"
                        "# HELP lt_ingest_bridge_trouble 1: the topic cannot be read, or records wait for Kafka.\n"
                        "# TYPE lt_ingest_bridge_trouble gauge\n");
    for (size_t n = 0; n < i->bridges_len; n++)
        lt_bridge_metrics(i->bridges[n], out);
}
