/*
 * bench_consume BROKERS TOPIC [headers]: a plain consumer over the whole topic, one partition after the other as a
 * rebuild reads them; {"records", "seconds"} on stdout. The seconds are those between first and last record of each
 * partition. With `headers` each record's headers are asked for, which librdkafka takes apart only then.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_consume: %s: %s\n", what, why);
    exit(1);
}

int main(int argc, char **argv)
{
    char text[512];
    if (argc != 3 && (argc != 4 || strcmp(argv[3], "headers") != 0))
        die("usage", "bench_consume BROKERS TOPIC [headers]");
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    const char *const props[][2] = {{"bootstrap.servers", argv[1]},
                                    {"group.id", "bench-consume"},
                                    {"enable.auto.commit", "false"},
                                    {"isolation.level", "read_committed"},
                                    {"check.crcs", "true"}};
    for (size_t i = 0; i < sizeof(props) / sizeof(props[0]); i++)
        if (rd_kafka_conf_set(c, props[i][0], props[i][1], text, sizeof(text)) != RD_KAFKA_CONF_OK)
            die(props[i][0], text);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, c, text, sizeof(text));
    if (!rk)
        die("consumer", text);
    rd_kafka_poll_set_consumer(rk);
    double seconds = 0;
    long long records = 0;
    for (int32_t p = 0;; p++) {
        int64_t low, high;
        if (rd_kafka_query_watermark_offsets(rk, argv[2], p, &low, &high, 10000) != RD_KAFKA_RESP_ERR_NO_ERROR)
            break; /* there are no more partitions */
        if (low == high)
            continue;
        rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(l, argv[2], p)->offset = low;
        rd_kafka_assign(rk, l);
        rd_kafka_topic_partition_list_destroy(l);
        double begun = 0;
        for (int64_t next = low; next < high;) {
            rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 30000);
            if (!m || m->err)
                die("poll", m ? rd_kafka_message_errstr(m) : "nothing came");
            if (begun == 0)
                begun = now_s();
            rd_kafka_headers_t *headers;
            if (argc == 4 && rd_kafka_message_headers(m, &headers))
                die("headers", "a record has none");
            next = m->offset + 1;
            records++;
            rd_kafka_message_destroy(m);
        }
        seconds += now_s() - begun;
        rd_kafka_assign(rk, NULL);
    }
    printf("{\"records\": %lld, \"seconds\": %.4f}\n", records, seconds);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return records > 0 ? 0 : 1;
}
