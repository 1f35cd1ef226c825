/*
 * What `tools/bench delivery` is measured with: fills a target's queue as the core would, and follows events from the
 * queue to their outcome.
 *
 *   bench_delivery fill    BOOTSTRAP QUEUE PARTITIONS TARGET VALUE-FILE FIRST COUNT
 *   bench_delivery latency BOOTSTRAP QUEUE PARTITIONS TARGET VALUE-FILE FIRST RATE SECONDS ANSWERS
 *
 * VALUE-FILE holds the data of a received event, @CODE@ in it stands for the dossier's code; each event is a dossier of
 * its own. latency prints for every event when it was handed to the producer and when its last outcome (operation
 * progress) was committed in ANSWERS, in milliseconds of the wall clock, which the mock's list of arrivals has too.
 * Uses librdkafka alone, and of the gateway only the function that says which partition a key belongs to.
 */
#include "gateway/model/partition.h"
#include "tests/bench/common.h"
#include "tests/bench/kafka.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VALUE_MAX 65536
#define EVENTS_MAX 1000000
#define PATIENCE_S 60
#define MARK "@CODE@"
#define CODE "H22.00847-250902-%09" PRIu64

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- events ---- */

static char *value_template(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = malloc(VALUE_MAX);
    if (!f)
        bench_die(path, "cannot be read");
    text[fread(text, 1, VALUE_MAX / 2, f)] = 0;
    fclose(f);
    return text;
}

static size_t value_make(const char *from, const char *code, char *to)
{
    char *at = to;
    for (const char *mark; (mark = strstr(from, MARK)); from = mark + sizeof(MARK) - 1) {
        memcpy(at, from, (size_t)(mark - from));
        at += mark - from;
        at = stpcpy(at, code);
    }
    return (size_t)(stpcpy(at, from) - to);
}

/* The headers that the core puts on a routed copy. */
static rd_kafka_headers_t *headers_make(const char *target, const char *code, uint64_t number)
{
    char id[33], digest[65], origin[64], at[24];
    rd_kafka_headers_t *h = rd_kafka_headers_new(24);
    snprintf(id, sizeof(id), "%016" PRIx64 "%016" PRIx64, number, ~number);
    snprintf(digest, sizeof(digest), "%032" PRIx64 "%032" PRIx64, number, ~number);
    snprintf(origin, sizeof(origin), "0123456789abcdef/0/%" PRIu64, number);
    snprintf(at, sizeof(at), "%" PRId64, wall_ms());
    const struct setting all[] = {{"content-type", "application/json"},
                                  {"ce_specversion", "1.0"},
                                  {"ce_id", id},
                                  {"ce_source", "motcua.h22"},
                                  {"ce_type", "vn.lienthong.dossier.received.v1"},
                                  {"ce_subject", code},
                                  {"ce_time", "2025-09-02T08:30:00+07:00"},
                                  {"ce_province", "H22"},
                                  {"ce_unit", "H22.00847"},
                                  {"ce_procedure", "1.001193"},
                                  {"ce_channel", "2"},
                                  {"lt_digest", digest},
                                  {"lt_digest_v", "1"},
                                  {"lt_time", at},
                                  {"lt_client", "h22"},
                                  {"lt_generation", "0123456789abcdef"},
                                  {"lt_origin", origin},
                                  {"lt_path", target},
                                  {"lt_hop", "0"}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        rd_kafka_header_add(h, all[i].name, -1, all[i].value, -1);
    return h;
}

static void event_send(rd_kafka_t *rk, rd_kafka_topic_t *topic, int32_t partitions, const char *target,
                       const char *template, uint64_t number)
{
    static char value[VALUE_MAX];
    char code[40], record_key[48];
    snprintf(code, sizeof(code), CODE, number);
    snprintf(record_key, sizeof(record_key), "H22/%s", code);
    size_t len = value_make(template, code, value);
    rd_kafka_headers_t *headers = headers_make(target, code, number);
    for (;;) {
        rd_kafka_vu_t v[] = {
            {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
            {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = lt_partition_of(lt_span_str(record_key), partitions)},
            {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
            {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {record_key, strlen(record_key)}},
            {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {value, len}},
            {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
        };
        rd_kafka_error_t *error = rd_kafka_produceva(rk, v, sizeof(v) / sizeof(v[0]));
        if (!error)
            return;
        if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            bench_die("produce", rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        rd_kafka_poll(rk, 20);
    }
}

static rd_kafka_t *filler_new(const char *bootstrap, const char *linger)
{
    const struct setting settings[] = {{"enable.idempotence", "true"}, {"linger.ms", linger}, {NULL, NULL}};
    return bench_kafka(RD_KAFKA_PRODUCER, bootstrap, settings);
}

static int fill(char **a)
{
    int32_t partitions = atoi(a[2]);
    uint64_t first = strtoull(a[5], NULL, 10), count = strtoull(a[6], NULL, 10);
    char *template = value_template(a[4]);
    rd_kafka_t *rk = filler_new(a[0], "20");
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, a[1], NULL);
    for (uint64_t i = 0; i < count; i++) {
        event_send(rk, topic, partitions, a[3], template, first + i);
        rd_kafka_poll(rk, 0);
    }
    if (rd_kafka_flush(rk, 120000))
        bench_die("fill", "not all records were accepted");
    printf("{\"records\": %" PRIu64 "}\n", count);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    free(template);
    return 0;
}

/* ---- latency ---- */

struct pace {
    char **a;
    uint64_t first, count;
    int64_t *sent_ms;
    atomic_bool ended;
};

static void *send_paced(void *ctx)
{
    struct pace *p = ctx;
    char **a = p->a;
    int32_t partitions = atoi(a[2]);
    double rate = atof(a[6]), began = bench_now();
    char *template = value_template(a[4]);
    rd_kafka_t *rk = filler_new(a[0], "0");
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, a[1], NULL);
    for (uint64_t i = 0; i < p->count;) {
        for (; i < p->count && (double)i < (bench_now() - began) * rate; i++) {
            p->sent_ms[i] = wall_ms();
            event_send(rk, topic, partitions, a[3], template, p->first + i);
        }
        rd_kafka_poll(rk, 0);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    if (rd_kafka_flush(rk, CALL_MS))
        bench_die("latency", "not all records were accepted");
    atomic_store(&p->ended, true);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    free(template);
    return NULL;
}

static rd_kafka_t *follower_new(const char *bootstrap, const char *topic)
{
    const struct setting settings[] = {{"group.id", "bench-delivery"},
                                       {"isolation.level", "read_committed"},
                                       {"enable.auto.commit", "false"},
                                       {"fetch.wait.max.ms", "2"},
                                       {NULL, NULL}};
    rd_kafka_t *rk = bench_kafka(RD_KAFKA_CONSUMER, bootstrap, settings);
    const struct rd_kafka_metadata *m;
    rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
    if (rd_kafka_metadata(rk, 0, t, &m, CALL_MS))
        bench_die("latency", "no answer about the topic of answers");
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    for (int32_t p = 0; p < m->topics[0].partition_cnt; p++) {
        int64_t low, high;
        if (rd_kafka_query_watermark_offsets(rk, topic, p, &low, &high, CALL_MS))
            bench_die("latency", "no end of the answers");
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = high;
    }
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_metadata_destroy(m);
    rd_kafka_topic_destroy(t);
    return rk;
}

static int latency(char **a)
{
    double seconds = atof(a[7]);
    struct pace p = {.a = a, .first = strtoull(a[5], NULL, 10), .count = (uint64_t)(atof(a[6]) * seconds)};
    if (p.count == 0 || p.count > EVENTS_MAX)
        bench_die("latency", "too many or no events");
    p.sent_ms = calloc(p.count, sizeof(*p.sent_ms));
    int64_t *seen_ms = calloc(p.count, sizeof(*seen_ms));
    rd_kafka_t *rk = follower_new(a[0], a[8]);
    uint64_t seen = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, send_paced, &p);
    for (double deadline = bench_now() + seconds + PATIENCE_S; seen < p.count && bench_now() < deadline;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
        uint64_t number;
        if (!m)
            continue;
        int64_t arrived = wall_ms();
        char record_key[64] = "";
        if (!m->err && m->key && m->key_len < sizeof(record_key))
            memcpy(record_key, m->key, m->key_len);
        if (!m->err && memmem(m->payload, m->len, "\"operation\":\"progress\"", 22) &&
            sscanf(record_key, "H22/H22.00847-250902-%" SCNu64, &number) == 1 && number >= p.first &&
            number - p.first < p.count && seen_ms[number - p.first] == 0) {
            seen_ms[number - p.first] = arrived;
            seen++;
        }
        rd_kafka_message_destroy(m);
    }
    pthread_join(thread, NULL);
    if (seen < p.count)
        bench_die("latency", "not every event came to its end");
    printf("{\"events\":[");
    for (uint64_t i = 0; i < p.count; i++)
        printf("%s[\"" CODE "\",%" PRId64 ",%" PRId64 "]", i ? "," : "", p.first + i, p.sent_ms[i], seen_ms[i]);
    printf("]}\n");
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    free(p.sent_ms);
    free(seen_ms);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 9 && strcmp(argv[1], "fill") == 0)
        return fill(argv + 2);
    if (argc == 11 && strcmp(argv[1], "latency") == 0)
        return latency(argv + 2);
    fprintf(stderr, "usage: bench_delivery fill BOOTSTRAP QUEUE PARTITIONS TARGET VALUE-FILE FIRST COUNT\n"
                    "       bench_delivery latency BOOTSTRAP QUEUE PARTITIONS TARGET VALUE-FILE FIRST RATE SECONDS "
                    "ANSWERS\n");
    return 2;
}
