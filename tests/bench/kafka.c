#include "tests/bench/kafka.h"

#include "tests/bench/common.h"

static void set(rd_kafka_conf_t *conf, const struct setting *s)
{
    char text[256];
    if (rd_kafka_conf_set(conf, s->name, s->value, text, sizeof(text)) != RD_KAFKA_CONF_OK)
        bench_die(s->name, text);
}

rd_kafka_t *bench_kafka(rd_kafka_type_t type, const char *bootstrap, const struct setting *settings)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, &(struct setting){"bootstrap.servers", bootstrap});
    for (const struct setting *s = settings; s->name; s++)
        set(conf, s);
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
    if (!rk)
        bench_die("rd_kafka_new", text);
    return rk;
}
