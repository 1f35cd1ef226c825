/*
 * Headers read where they lie (docs/decisions/0014-headers-where-they-lie.md) against what librdkafka itself tells of
 * the same messages: random records through a real broker, which compresses them anew.
 */
#include "kafka_support.h"

#include "gateway/base/clock.h"
#include "gateway/kafka/record_wire.h"

#include <librdkafka/rdkafka.h>

#define RECORDS 400
#define NUL_KEY "nul" /* key of records with a header's name that holds a NUL */

static uint64_t state_of_chance = 20;

static uint64_t chance(uint64_t below)
{
    uint64_t z = state_of_chance += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % below;
}

/* Lengths about the places where a varint grows by a byte, and others. */
static size_t length(size_t max)
{
    static const size_t edges[] = {0, 1, 2, 62, 63, 64, 65, 126, 127, 128, 129, 8190, 8191, 8192, 8193};
    size_t n = chance(2) ? edges[chance(LT_ARRAY_LEN(edges))] : chance(max);
    return LT_MIN(n, max);
}

/* Few values, so that it compresses, and many high bits; no NUL. */
static char *bytes(size_t n)
{
    char *s = lt_alloc(n + 1);
    unsigned char same = (unsigned char)(1 + chance(255));
    for (size_t i = 0; i < n; i++)
        s[i] = (char)(chance(4) ? same : 1 + chance(255));
    return s;
}

static void add_header(rd_kafka_headers_t *h, const char *name, size_t name_len)
{
    size_t len = length(9000);
    LT_AUTOFREE char *value = bytes(len);
    bool null = chance(8) == 0;
    assert_int_equal(rd_kafka_header_add(h, name, (ssize_t)name_len, null ? NULL : value, null ? 0 : (ssize_t)len), 0);
}

static rd_kafka_headers_t *headers_new(bool nul)
{
    static const size_t counts[] = {0, 1, 16, 47, 48, 49, 63, 64};
    size_t n = chance(2) ? counts[chance(LT_ARRAY_LEN(counts))] : chance(20);
    rd_kafka_headers_t *h = rd_kafka_headers_new(n);
    for (size_t i = 0; i < n; i++) {
        LT_AUTOFREE char *random = bytes(length(200));
        const char *name = chance(6) ? random : "twice";
        add_header(h, name, strlen(name));
    }
    if (nul)
        add_header(h, "ce_id\0x", 7);
    return h;
}

static void produce_one(rd_kafka_t *rk, const char *topic)
{
    bool nul = chance(20) == 0;
    size_t key_len = length(300), value_len = length(60000);
    LT_AUTOFREE char *key = nul ? lt_strdup(NUL_KEY) : bytes(key_len), *value = bytes(value_len);
    rd_kafka_headers_t *h = headers_new(nul);
    bool has_key = nul || chance(20) > 0, has_value = chance(20) > 0;
    for (int64_t end = lt_mono_ms() + SUPPORT_WAIT_MS;;) {
        rd_kafka_resp_err_t code = rd_kafka_producev(
            rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_KEY(has_key ? key : NULL, has_key ? nul ? sizeof(NUL_KEY) - 1 : key_len : 0),
            RD_KAFKA_V_VALUE(has_value ? value : NULL, has_value ? value_len : 0),
            RD_KAFKA_V_TIMESTAMP((int64_t)chance((uint64_t)1 << (1 + chance(42)))), RD_KAFKA_V_HEADERS(h),
            RD_KAFKA_V_END);
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            assert_int_equal(code, RD_KAFKA_RESP_ERR_NO_ERROR);
            return;
        }
        assert_true(lt_mono_ms() < end);
        rd_kafka_poll(rk, 100);
    }
}

static rd_kafka_t *handle(rd_kafka_type_t type, const char *name, const char *value)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, support_props[0].name, support_props[0].value, text, sizeof(text)), 0);
    assert_int_equal(rd_kafka_conf_set(conf, name, value, text, sizeof(text)), 0);
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
    assert_non_null(rk);
    return rk;
}

struct tally {
    size_t read, left;
};

/* Headers so much longer than the rest may be left to librdkafka: a part of the record's length reaches beyond the
 * value then. */
#define MUCH_LONGER 32

static void compare(const rd_kafka_message_t *m, struct tally *t)
{
    struct lt_headers got;
    struct lt_span key = lt_span(m->key, m->key_len);
    rd_kafka_headers_t *told = NULL;
    bool read = lt_record_wire_headers(key, lt_span(m->payload, m->len), &got);
    rd_kafka_resp_err_t code = rd_kafka_message_headers(m, &told);
    size_t n = code ? 0 : rd_kafka_header_cnt(told);
    /* Nothing stands in the broker's answer for an empty one that librdkafka would point to. */
    bool readable = m->key_len > 0 && m->len > 0 && n <= LT_HEADERS_MAX && !lt_span_is(key, NUL_KEY);
    size_t headers_bytes = 0;
    assert_true(readable || !read);
    t->read += read;
    t->left += !read;
    if (read)
        assert_int_equal(got.len, n);
    for (size_t i = 0; i < n; i++) {
        const char *name;
        const void *value;
        size_t len;
        assert_int_equal(rd_kafka_header_get_all(told, i, &name, &value, &len), RD_KAFKA_RESP_ERR_NO_ERROR);
        headers_bytes += strlen(name) + len;
        if (!read)
            continue;
        assert_span_is(got.v[i].name, name);
        assert_int_equal(got.v[i].value.ptr == NULL, value == NULL);
        assert_int_equal(got.v[i].value.len, value ? len : 0);
        if (len > 0 && value)
            assert_memory_equal(got.v[i].value.ptr, value, len);
    }
    assert_true(read || !readable || headers_bytes > MUCH_LONGER * (m->key_len + m->len));
}

static void headers_of_any_record_are_those_that_librdkafka_tells(void **state LT_UNUSED)
{
    static const char *const codecs[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};
    for (size_t c = 0; c < LT_ARRAY_LEN(codecs); c++) {
        char *topic = support_topic_with(codecs[c], 1, "compression.type", codecs[c]);
        rd_kafka_t *producer = handle(RD_KAFKA_PRODUCER, "linger.ms", "20");
        for (int i = 0; i < RECORDS; i++)
            produce_one(producer, topic);
        assert_int_equal(rd_kafka_flush(producer, SUPPORT_WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
        rd_kafka_destroy(producer);

        rd_kafka_t *consumer = handle(RD_KAFKA_CONSUMER, "group.id", topic);
        rd_kafka_topic_partition_list_t *from = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(from, topic, 0)->offset = 0;
        assert_int_equal(rd_kafka_assign(consumer, from), RD_KAFKA_RESP_ERR_NO_ERROR);
        rd_kafka_topic_partition_list_destroy(from);
        struct tally t = {0};
        for (int64_t end = lt_mono_ms() + SUPPORT_WAIT_MS; t.read + t.left < RECORDS;) {
            rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, 200);
            assert_true(lt_mono_ms() < end);
            if (m && !m->err)
                compare(m, &t);
            if (m)
                rd_kafka_message_destroy(m);
        }
        assert_true(t.read > RECORDS / 2 && t.left > 0);
        rd_kafka_consumer_close(consumer);
        rd_kafka_destroy(consumer);
        free(topic);
    }
}

int headers_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_of_any_record_are_those_that_librdkafka_tells),
    };
    return cmocka_run_group_tests_name("kafka headers", tests, NULL, NULL);
}
