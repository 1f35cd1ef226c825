/*
 * The section kafka: as librdkafka takes it, before anything runs and without a broker: names and values one by one,
 * then all of them together, which also opens the files they name (CA, certificate, key).
 *
 * Values are not in the texts where they could be secrets.
 */
#ifndef LT_KAFKA_PROPERTIES_H
#define LT_KAFKA_PROPERTIES_H

#include "gateway/base/err.h"

struct lt_config_prop;

/* Both: 0, LT_E_INVALID. */
int lt_kafka_property_check(const struct lt_config_prop *p, struct lt_err *err) LT_MUST_CHECK;
int lt_kafka_properties_check(const struct lt_config_prop *props, size_t n, struct lt_err *err) LT_MUST_CHECK;
#endif
