#include "gateway/kafka/properties.h"

#include "gateway/config/config.h"
#include "gateway/kafka/client.h"

int lt_kafka_property_check(const struct lt_config_prop *p, struct lt_err *err)
{
    const struct lt_kafka_spec spec = {.props = p, .props_len = 1};
    rd_kafka_conf_t *conf;
    int r = lt_kafka_conf(&spec, &conf, err);
    if (r == LT_OK)
        rd_kafka_conf_destroy(conf);
    return r;
}

int lt_kafka_properties_check(const struct lt_config_prop *props, size_t n, struct lt_err *err)
{
    /* Without brokers a handle connects to nobody. */
    LT_AUTOFREE struct lt_config_prop *some = lt_calloc(n + 1, sizeof(*some));
    struct lt_kafka_spec spec = {.props = some};
    for (size_t i = 0; i < n; i++)
        if (strcmp(props[i].name, "bootstrap.servers") != 0)
            some[spec.props_len++] = props[i];
    rd_kafka_conf_t *conf;
    rd_kafka_t *rk;
    int r = lt_kafka_conf(&spec, &conf, err);
    if (r != LT_OK)
        return r;
    rd_kafka_conf_set_log_cb(conf, NULL); /* what is wrong stands in err */
    r = lt_kafka_handle(RD_KAFKA_CONSUMER, conf, &rk, err);
    if (r == LT_OK)
        rd_kafka_destroy(rk);
    return r;
}
