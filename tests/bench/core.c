/*
 * What `tools/bench core` is measured with: fills lt.intake, runs the bare consume-produce-commit loop over it,
 * measures end-to-end latency, and sets the core's group back to where it began.
 *
 *   bench_core fill      BOOTSTRAP TOPIC PARTITIONS COUNT BYTES DUPLICATES-PERCENT SEED
 *   bench_core bare      BOOTSTRAP FROM TO COUNT RECORDS GROUP     at most RECORDS records a transaction
 *   bench_core latency   BOOTSTRAP FROM TO PARTITIONS RATE SECONDS BYTES SEED
 *   bench_core save      BOOTSTRAP GROUP TOPIC PARTITIONS FILE      committed offsets and metadata to a file
 *   bench_core restore   BOOTSTRAP GROUP TOPIC PARTITIONS FILE      and back; the group has no running member
 *   bench_core committed BOOTSTRAP GROUP TOPIC PARTITIONS           their sum
 *
 * Results are one JSON line. It uses librdkafka alone, nothing of the gateway except the function that says which
 * partition a key belongs to: a yardstick must not share what it measures.
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
#include <sys/resource.h>
#include <time.h>

#define SAMPLES_MAX 4000000
#define POLLED_MAX 1000

static void must(const char *what, rd_kafka_error_t *error)
{
    if (error)
        bench_die(what, rd_kafka_error_string(error));
}

static long peak_kib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* ---- events ---- */

/* An event as the ingest writes it: these headers in this order, the rest of its bytes is the value. */
struct event {
    char key[48], id[33], digest[65], time[24];
    rd_kafka_headers_t *headers;
    size_t bytes; /* key, names and values of the headers */
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

static void header(struct event *e, const char *name, const char *value)
{
    rd_kafka_header_add(e->headers, name, -1, value, -1);
    e->bytes += strlen(name) + strlen(value);
}

static void event_make(struct event *e, uint64_t seed, uint64_t number)
{
    uint64_t a = mix(seed ^ mix(number + 1)), b = mix(a + 1), c = mix(b + 1), d = mix(c + 1);
    struct timespec t;
    char subject[40];
    clock_gettime(CLOCK_REALTIME, &t);
    /* A dossier lives through six events. */
    snprintf(subject, sizeof(subject), "H22.21.16-240516-%09" PRIu64, number / 6);
    snprintf(e->key, sizeof(e->key), "H22/%s", subject);
    snprintf(e->id, sizeof(e->id), "%016" PRIx64 "%016" PRIx64, a, b);
    snprintf(e->digest, sizeof(e->digest), "%016" PRIx64 "%016" PRIx64 "%016" PRIx64 "%016" PRIx64, c, d, a ^ c, b ^ d);
    snprintf(e->time, sizeof(e->time), "%" PRId64, (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000);
    e->headers = rd_kafka_headers_new(24);
    e->bytes = strlen(e->key);
    header(e, "content-type", "application/json");
    header(e, "ce_specversion", "1.0");
    header(e, "ce_id", e->id);
    header(e, "ce_source", "urn:motcua:h22:onegate");
    header(e, "ce_type", "vn.lienthong.dossier.progressed.v1");
    header(e, "ce_subject", subject);
    header(e, "ce_time", "2024-05-16T08:30:00+07:00");
    header(e, "ce_province", "H22");
    header(e, "ce_unit", "H22.21.16");
    header(e, "ce_procedure", "1.001193");
    header(e, "ce_channel", "1");
    header(e, "lt_digest", e->digest);
    header(e, "lt_digest_v", "1");
    header(e, "lt_time", e->time);
    header(e, "lt_client", "h22");
    header(e, "lt_generation", "0123456789abcdef");
}

/* Produce event `number` with a total of `bytes`; value_head goes into the value first. */
static void event_send(rd_kafka_t *rk, rd_kafka_topic_t *topic, int32_t partitions, uint64_t seed, uint64_t number,
                       size_t bytes, const char *value_head)
{
    struct event e;
    char value[4096];
    event_make(&e, seed, number);
    size_t len = bytes > e.bytes + 64 ? bytes - e.bytes : 64;
    if (len >= sizeof(value))
        len = sizeof(value) - 1;
    memset(value, 'x', len);
    memcpy(value + len - 2, "\"}", 2);
    value[snprintf(value, 48, "{\"t\":\"%.24s\",\"x\":\"", value_head)] = 'x';
    int32_t partition = lt_partition_of(lt_span_str(e.key), partitions);
    for (;;) {
        rd_kafka_vu_t v[] = {
            {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
            {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
            {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
            {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {e.key, strlen(e.key)}},
            {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {value, len}},
            {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = e.headers},
        };
        rd_kafka_error_t *error = rd_kafka_produceva(rk, v, sizeof(v) / sizeof(v[0]));
        if (!error)
            return;
        if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            must("produce", error);
        rd_kafka_error_destroy(error);
        rd_kafka_poll(rk, 20);
    }
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    (void)opaque;
    if (m->err)
        bench_die("delivery", rd_kafka_err2str(m->err));
}

static rd_kafka_t *filler_new(const char *bootstrap, const char *linger)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const struct setting settings[] = {{"bootstrap.servers", bootstrap},
                                       {"enable.idempotence", "true"},
                                       {"linger.ms", linger},
                                       {"queue.buffering.max.messages", "200000"},
                                       {"delivery.report.only.error", "true"}};
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (rd_kafka_conf_set(conf, settings[i].name, settings[i].value, text, sizeof(text)) != RD_KAFKA_CONF_OK)
            bench_die(settings[i].name, text);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (!rk)
        bench_die("producer", text);
    return rk;
}

static int fill(char **a)
{
    int32_t partitions = atoi(a[2]);
    uint64_t count = strtoull(a[3], NULL, 10), seed = strtoull(a[6], NULL, 10), fresh = 0;
    size_t bytes = strtoull(a[4], NULL, 10);
    unsigned duplicates = (unsigned)atoi(a[5]);
    rd_kafka_t *rk = filler_new(a[0], "20");
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, a[1], NULL);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t draw = mix(seed * 31 + i);
        /* A re-send is of any event before it, so that its index entry is somewhere in memory and not in a cache. */
        bool again = fresh > 0 && draw % 100 < duplicates;
        event_send(rk, topic, partitions, seed, again ? mix(draw) % fresh : fresh++, bytes, "0");
        if (i % 1000 == 0)
            rd_kafka_poll(rk, 0);
    }
    if (rd_kafka_flush(rk, 120000))
        bench_die("fill", "not all records were accepted");
    printf("{\"records\": %" PRIu64 ", \"fresh\": %" PRIu64 "}\n", count, fresh);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    return 0;
}

/* ---- the bare loop ---- */

static void begin(rd_kafka_t *producer)
{
    must("begin", rd_kafka_begin_transaction(producer));
}

static void commit(rd_kafka_t *producer, rd_kafka_t *consumer, const char *from, const int64_t *next,
                   int32_t partitions)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int32_t p = 0; p < partitions; p++)
        if (next[p] >= 0)
            rd_kafka_topic_partition_list_add(list, from, p)->offset = next[p];
    rd_kafka_consumer_group_metadata_t *m = rd_kafka_consumer_group_metadata(consumer);
    must("offsets", rd_kafka_send_offsets_to_transaction(producer, list, m, CALL_MS));
    must("commit", rd_kafka_commit_transaction(producer, CALL_MS));
    rd_kafka_consumer_group_metadata_destroy(m);
    rd_kafka_topic_partition_list_destroy(list);
}

/* The same key, value and headers to the same partition of another topic; the headers change hands, nothing is copied
 * twice. */
static void forward(rd_kafka_t *producer, rd_kafka_topic_t *to, rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_message_detach_headers(m, &headers);
    for (;;) {
        rd_kafka_vu_t v[] = {
            {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = to},
            {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = m->partition},
            {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
            {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {m->key, m->key_len}},
            {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {m->payload, m->len}},
            {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
        };
        rd_kafka_error_t *error = rd_kafka_produceva(producer, v, headers ? 6 : 5);
        if (!error)
            return;
        if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            must("produce", error);
        rd_kafka_error_destroy(error);
        rd_kafka_poll(producer, 10);
    }
}

static int bare(char **a)
{
    enum { PARTITIONS_MAX = 256 };
    uint64_t count = strtoull(a[3], NULL, 10), records = strtoull(a[4], NULL, 10), done = 0, counted = 0;
    const struct setting consumer_settings[] = {{"group.id", a[5]},
                                                {"enable.auto.commit", "false"},
                                                {"enable.auto.offset.store", "false"},
                                                {"auto.offset.reset", "earliest"},
                                                {"isolation.level", "read_committed"},
                                                {NULL, NULL}};
    const struct setting producer_settings[] = {
        {"transactional.id", a[5]}, {"linger.ms", "5"}, {"queue.buffering.max.messages", "1000000"}, {NULL, NULL}};
    rd_kafka_t *producer = bench_kafka(RD_KAFKA_PRODUCER, a[0], producer_settings);
    must("init", rd_kafka_init_transactions(producer, CALL_MS));
    rd_kafka_t *consumer = bench_kafka(RD_KAFKA_CONSUMER, a[0], consumer_settings);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, a[1], RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    rd_kafka_topic_t *to = rd_kafka_topic_new(producer, a[2], NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);

    int64_t next[PARTITIONS_MAX];
    for (int p = 0; p < PARTITIONS_MAX; p++)
        next[p] = -1;
    double began = 0, cpu_began = 0, deadline = bench_now() + 120;
    uint64_t open = 0;
    int32_t partitions = 0;
    rd_kafka_message_t *polled[POLLED_MAX];
    while (done < count) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, 100, polled, POLLED_MAX);
        for (ssize_t i = 0; i < n; i++) {
            rd_kafka_message_t *m = polled[i];
            if (m->err || m->partition >= PARTITIONS_MAX)
                bench_die("consume", rd_kafka_message_errstr(m));
            if (open++ == 0)
                begin(producer);
            forward(producer, to, m);
            next[m->partition] = m->offset + 1;
            partitions = m->partition >= partitions ? m->partition + 1 : partitions;
            rd_kafka_message_destroy(m);
            done++;
        }
        if (open >= records - POLLED_MAX || (open > 0 && (n == 0 || done >= count))) {
            commit(producer, consumer, a[1], next, partitions);
            open = 0;
            if (began == 0) { /* joining the group and the first, cold transaction are not measured */
                began = bench_now();
                cpu_began = bench_cpu();
                counted = done;
            }
        }
        if (bench_now() > deadline)
            bench_die("bare", "did not get through within two minutes");
    }
    printf("{\"records\": %" PRIu64 ", \"seconds\": %.4f, \"cpu_s\": %.4f, \"peak_kib\": %ld}\n", done - counted,
           bench_now() - began, bench_cpu() - cpu_began, peak_kib());
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(to);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
    return 0;
}

/* ---- latency ---- */

struct pace {
    char **a;
    uint64_t sent;
    atomic_bool ended;
};

static void *send_paced(void *ctx)
{
    struct pace *p = ctx;
    char **a = p->a;
    int32_t partitions = atoi(a[3]);
    double rate = atof(a[4]), seconds = atof(a[5]), began = bench_now();
    size_t bytes = strtoull(a[6], NULL, 10);
    uint64_t seed = strtoull(a[7], NULL, 10);
    rd_kafka_t *rk = filler_new(a[0], "0");
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, a[1], NULL);
    while (bench_now() - began < seconds) {
        while ((double)p->sent < (bench_now() - began) * rate) {
            char at[32];
            snprintf(at, sizeof(at), "%.6f", bench_now());
            event_send(rk, topic, partitions, seed, p->sent++, bytes, at);
        }
        rd_kafka_poll(rk, 0);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    if (rd_kafka_flush(rk, CALL_MS))
        bench_die("latency", "not all records were accepted");
    atomic_store(&p->ended, true);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    return NULL;
}

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return a < b ? -1 : a > b;
}

static int latency(char **a)
{
    int32_t partitions = atoi(a[3]);
    const struct setting settings[] = {{"group.id", "bench-latency"},
                                       {"isolation.level", "read_committed"},
                                       {"enable.auto.commit", "false"},
                                       {"fetch.wait.max.ms", "5"},
                                       {NULL, NULL}};
    rd_kafka_t *rk = bench_kafka(RD_KAFKA_CONSUMER, a[0], settings);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int32_t p = 0; p < partitions; p++) {
        int64_t low, high;
        if (rd_kafka_query_watermark_offsets(rk, a[2], p, &low, &high, CALL_MS))
            bench_die("latency", "no end of the output");
        rd_kafka_topic_partition_list_add(list, a[2], p)->offset = high;
    }
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    double *samples = malloc(SAMPLES_MAX * sizeof(*samples));
    size_t n = 0;
    struct pace p = {.a = a};
    pthread_t thread;
    pthread_create(&thread, NULL, send_paced, &p);
    double deadline = bench_now() + atof(a[5]) + 30;
    while ((!atomic_load(&p.ended) || n < p.sent) && bench_now() < deadline) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
        if (!m)
            continue;
        double arrived = bench_now();
        if (!m->err && m->len > 16 && memcmp(m->payload, "{\"t\":\"", 6) == 0 && n < SAMPLES_MAX)
            samples[n++] = (arrived - strtod((const char *)m->payload + 6, NULL)) * 1e3;
        rd_kafka_message_destroy(m);
    }
    pthread_join(thread, NULL);
    if (n < p.sent)
        bench_die("latency", "not every event came out");
    size_t skip = n / 10; /* connections warm up */
    qsort(samples + skip, n - skip, sizeof(*samples), by_size);
    printf("{\"sent\": %" PRIu64 ", \"events\": %zu, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f}\n", p.sent,
           n - skip, samples[skip + (n - skip) / 2], samples[skip + (n - skip) * 99 / 100], samples[n - 1]);
    free(samples);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return 0;
}

/* ---- positions of a group ---- */

static rd_kafka_topic_partition_list_t *committed_of(const char *bootstrap, const char *group, const char *topic,
                                                     int32_t partitions)
{
    const struct setting settings[] = {{"group.id", group}, {NULL, NULL}};
    rd_kafka_t *rk = bench_kafka(RD_KAFKA_CONSUMER, bootstrap, settings);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int32_t p = 0; p < partitions; p++)
        rd_kafka_topic_partition_list_add(list, topic, p);
    rd_kafka_resp_err_t code = rd_kafka_committed(rk, list, CALL_MS);
    if (code)
        bench_die("committed", rd_kafka_err2str(code));
    rd_kafka_destroy(rk);
    return list;
}

static int committed(char **a)
{
    rd_kafka_topic_partition_list_t *list = committed_of(a[0], a[1], a[2], atoi(a[3]));
    int64_t sum = 0;
    for (int i = 0; i < list->cnt; i++)
        sum += list->elems[i].offset > 0 ? list->elems[i].offset : 0;
    printf("{\"committed\": %" PRId64 "}\n", sum);
    rd_kafka_topic_partition_list_destroy(list);
    return 0;
}

static int save(char **a)
{
    rd_kafka_topic_partition_list_t *list = committed_of(a[0], a[1], a[2], atoi(a[3]));
    FILE *f = fopen(a[4], "w");
    if (!f)
        bench_die(a[4], "cannot be written");
    for (int i = 0; i < list->cnt; i++)
        fprintf(f, "%" PRId64 " %.*s\n", list->elems[i].offset, (int)list->elems[i].metadata_size,
                list->elems[i].metadata ? (const char *)list->elems[i].metadata : "");
    fclose(f);
    rd_kafka_topic_partition_list_destroy(list);
    return 0;
}

static int restore(char **a)
{
    char id[128], line[1024];
    snprintf(id, sizeof(id), "%s.repair", a[1]);
    const struct setting settings[] = {{"transactional.id", id}, {NULL, NULL}};
    rd_kafka_t *rk = bench_kafka(RD_KAFKA_PRODUCER, a[0], settings);
    must("init", rd_kafka_init_transactions(rk, CALL_MS));
    begin(rk);
    FILE *f = fopen(a[4], "r");
    if (!f)
        bench_die(a[4], "cannot be read");
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    for (int32_t p = 0; fgets(line, sizeof(line), f); p++) {
        char *metadata = strchr(line, ' ');
        if (!metadata)
            bench_die(a[4], "expected OFFSET METADATA");
        metadata++;
        size_t len = strcspn(metadata, "\n");
        rd_kafka_topic_partition_t *e = rd_kafka_topic_partition_list_add(list, a[2], p);
        e->offset = strtoll(line, NULL, 10);
        e->metadata = rd_kafka_mem_malloc(NULL, len + 1);
        memcpy(e->metadata, metadata, len);
        e->metadata_size = len;
    }
    fclose(f);
    rd_kafka_consumer_group_metadata_t *m = rd_kafka_consumer_group_metadata_new(a[1]);
    must("offsets", rd_kafka_send_offsets_to_transaction(rk, list, m, CALL_MS));
    must("commit", rd_kafka_commit_transaction(rk, CALL_MS));
    rd_kafka_consumer_group_metadata_destroy(m);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int arguments;
        int (*run)(char **a);
    } modes[] = {{"fill", 7, fill}, {"bare", 6, bare},       {"latency", 8, latency},
                 {"save", 5, save}, {"restore", 5, restore}, {"committed", 4, committed}};
    for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(argv[1], modes[i].name) == 0 && argc == modes[i].arguments + 2)
            return modes[i].run(argv + 2);
    fprintf(stderr, "usage: bench_core fill|bare|latency|save|restore|committed … (see tests/bench/core.c)\n");
    return 2;
}
