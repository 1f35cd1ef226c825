/* librdkafka for the programs of tools/bench that write and read topics. */
#ifndef LT_TESTS_BENCH_KAFKA_H
#define LT_TESTS_BENCH_KAFKA_H

#include <librdkafka/rdkafka.h>

#define CALL_MS 30000

struct setting {
    const char *name, *value;
};

/* A producer or consumer with these settings, the last one's name NULL; the program ends where there is none. */
rd_kafka_t *bench_kafka(rd_kafka_type_t type, const char *bootstrap, const struct setting *settings);

#endif
