#include "gateway/ingest/counters.h"

#include <inttypes.h>
#include <stdio.h>

void lt_ingest_counters_init(struct lt_ingest_counters *c)
{
    memset(c, 0, sizeof(*c));
    pthread_mutex_init(&c->lock, NULL);
}

void lt_ingest_counters_deinit(struct lt_ingest_counters *c)
{
    pthread_mutex_destroy(&c->lock);
}

void lt_ingest_count_refused(struct lt_ingest_counters *c, const char *code)
{
    size_t i = 0;
    atomic_fetch_add(&c->refused, 1);
    pthread_mutex_lock(&c->lock);
    while (i < c->codes_len && strcmp(c->codes[i].code, code) != 0)
        i++;
    if (i == c->codes_len && c->codes_len < LT_INGEST_CODES)
        snprintf(c->codes[c->codes_len++].code, sizeof(c->codes[0].code), "%s",
                 i == LT_INGEST_CODES - 1 ? "other" : code);
    c->codes[LT_MIN(i, (size_t)LT_INGEST_CODES - 1)].count++;
    pthread_mutex_unlock(&c->lock);
}

void lt_ingest_counters_json(struct lt_ingest_counters *c, struct lt_json_writer *w)
{
    lt_json_num(w, "accepted", (int64_t)atomic_load(&c->accepted));
    lt_json_num(w, "not_attempted", (int64_t)atomic_load(&c->not_attempted));
    lt_json_num(w, "unavailable", (int64_t)atomic_load(&c->unavailable));
    lt_json_num(w, "truncated", (int64_t)atomic_load(&c->truncated));
    lt_json_num(w, "rate_limited", (int64_t)atomic_load(&c->rate_limited));
    lt_json_num(w, "unknown_client", (int64_t)atomic_load(&c->unknown_client));
    lt_json_num(w, "receipts", (int64_t)atomic_load(&c->receipts));
    lt_json_key(w, LT_SPAN_LIT("refused"));
    lt_json_begin_object(w);
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->codes_len; i++)
        lt_json_num(w, c->codes[i].code, (int64_t)c->codes[i].count);
    pthread_mutex_unlock(&c->lock);
    lt_json_end_object(w);
}

void lt_ingest_counters_metrics(struct lt_ingest_counters *c, struct lt_buf *out)
{
    lt_buf_str(out, "# HELP lt_ingest_items_total Events by what became of them at ingest.\n# TYPE "
                    "lt_ingest_items_total counter\n");
    lt_buf_printf(out, "lt_ingest_items_total{outcome=\"accepted\"} %" PRIuFAST64 "\n", atomic_load(&c->accepted));
    lt_buf_printf(out, "lt_ingest_items_total{outcome=\"refused\"} %" PRIuFAST64 "\n", atomic_load(&c->refused));
    lt_buf_printf(out, "lt_ingest_items_total{outcome=\"not-attempted\"} %" PRIuFAST64 "\n",
                  atomic_load(&c->not_attempted));
    lt_buf_printf(out, "lt_ingest_items_total{outcome=\"unavailable\"} %" PRIuFAST64 "\n",
                  atomic_load(&c->unavailable));
    lt_buf_str(out, "# HELP lt_ingest_refused_total Refused events by code.\n# TYPE lt_ingest_refused_total counter\n");
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->codes_len; i++)
        lt_buf_printf(out, "lt_ingest_refused_total{code=\"%s\"} %" PRIu64 "\n", c->codes[i].code, c->codes[i].count);
    pthread_mutex_unlock(&c->lock);
    lt_buf_str(out, "# HELP lt_ingest_requests_refused_total Requests refused before their events were looked at.\n"
                    "# TYPE lt_ingest_requests_refused_total counter\n");
    lt_buf_printf(out, "lt_ingest_requests_refused_total{reason=\"rate\"} %" PRIuFAST64 "\n",
                  atomic_load(&c->rate_limited));
    lt_buf_printf(out, "lt_ingest_requests_refused_total{reason=\"unknown-client\"} %" PRIuFAST64 "\n",
                  atomic_load(&c->unknown_client));
    lt_buf_str(out, "# HELP lt_ingest_truncated_fields_total Fields cut by their mapping (over: truncate).\n"
                    "# TYPE lt_ingest_truncated_fields_total counter\n");
    lt_buf_printf(out, "lt_ingest_truncated_fields_total %" PRIuFAST64 "\n", atomic_load(&c->truncated));
    lt_buf_str(out, "# HELP lt_ingest_receipts_total Receipts asked for.\n# TYPE lt_ingest_receipts_total counter\n");
    lt_buf_printf(out, "lt_ingest_receipts_total %" PRIuFAST64 "\n", atomic_load(&c->receipts));
}
