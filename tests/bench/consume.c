/*
 * bench_consume BROKERS TOPIC [headers]: a plain consumer over the whole topic, one partition after the other as a
 * rebuild reads them; {"records", "seconds"} on stdout. The seconds are those between first and last record of each
 * partition. With `headers` each record's headers are asked for, which librdkafka takes apart only then.
 */
#include "tests/bench/common.h"
#include "tests/bench/kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc != 3 && (argc != 4 || strcmp(argv[3], "headers") != 0))
        bench_die("usage", "bench_consume BROKERS TOPIC [headers]");
    const struct setting settings[] = {{"group.id", "bench-consume"},
                                       {"enable.auto.commit", "false"},
                                       {"isolation.level", "read_committed"},
                                       {"check.crcs", "true"},
                                       {NULL, NULL}};
    rd_kafka_t *rk = bench_kafka(RD_KAFKA_CONSUMER, argv[1], settings);
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
                bench_die("poll", m ? rd_kafka_message_errstr(m) : "nothing came");
            if (begun == 0)
                begun = bench_now();
            rd_kafka_headers_t *headers;
            if (argc == 4 && rd_kafka_message_headers(m, &headers))
                bench_die("headers", "a record has none");
            next = m->offset + 1;
            records++;
            rd_kafka_message_destroy(m);
        }
        seconds += bench_now() - begun;
        rd_kafka_assign(rk, NULL);
    }
    printf("{\"records\": %lld, \"seconds\": %.4f}\n", records, seconds);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return records > 0 ? 0 : 1;
}
