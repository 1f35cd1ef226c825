#include "gateway/kafka/record.h"

#include "gateway/kafka/record_wire.h"

static void view_headers(struct lt_headers *to, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *from;
    const char *name;
    const void *value;
    size_t len;
    lt_headers_reset(to);
    if (rd_kafka_message_headers(m, &from) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (size_t i = 0; rd_kafka_header_get_all(from, i, &name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        lt_headers_add(to, lt_span_str(name), lt_span(value, value ? len : 0));
}

/* All but the headers. */
static void view_body(struct lt_log_record *rec, const rd_kafka_message_t *m)
{
    rec->topic = m->rkt ? rd_kafka_topic_name(m->rkt) : "";
    rec->partition = m->partition;
    rec->offset = m->offset;
    rec->append_ms = -1;
    rec->key = rec->value = LT_SPAN_NULL;
    rec->value_null = true;
    rec->impl = NULL;
    lt_headers_reset(&rec->headers);
    if (m->err)
        return;
    rd_kafka_timestamp_type_t type;
    int64_t ms = rd_kafka_message_timestamp(m, &type);
    rec->append_ms = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? ms : -1;
    rec->key = lt_span(m->key, m->key ? m->key_len : 0);
    rec->value = lt_span(m->payload, m->payload ? m->len : 0);
    rec->value_null = !m->payload;
}

void lt_record_view(struct lt_log_record *rec, const rd_kafka_message_t *m)
{
    view_body(rec, m);
    if (!m->err && !lt_record_wire_headers(rec->key, rec->value, &rec->headers))
        view_headers(&rec->headers, m);
}

struct lt_log_record *lt_record_take(rd_kafka_message_t *m)
{
    struct lt_log_record *r = lt_realloc(NULL, sizeof(*r)); /* the header table need not be zeroed */
    view_body(r, m);
    if (!m->err) /* taken apart by librdkafka, because what forwards the record hands them on */
        view_headers(&r->headers, m);
    r->impl = m;
    return r;
}

void lt_record_view_headers(struct lt_log_record *r)
{
    view_headers(&r->headers, r->impl);
}

void lt_record_free(struct lt_log_record *r)
{
    if (!r)
        return;
    rd_kafka_message_destroy(r->impl);
    free(r);
}
