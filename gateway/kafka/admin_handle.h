/* The inside of lt_admin, shared by admin.c (topics) and group_offsets.c (genesis). Private to gateway/kafka. */
#ifndef LT_KAFKA_ADMIN_HANDLE_H
#define LT_KAFKA_ADMIN_HANDLE_H

#include "gateway/base/base.h"

#include <librdkafka/rdkafka.h>

struct lt_config_prop;

struct lt_admin {
    rd_kafka_t *rk;                     /* read_uncommitted, no group: its watermarks are high watermarks */
    const struct lt_config_prop *props; /* lent by the maker until lt_admin_free */
    size_t props_len;
};
#endif
