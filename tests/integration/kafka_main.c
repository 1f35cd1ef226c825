/* The Kafka module against a real broker: LT_TEST_BOOTSTRAP says where. Topics and groups are new in every run. */
#include "kafka_support.h"

#include "gateway/base/log.h"

int main(void)
{
    if (!support_init())
        return 2;
    lt_log_init(LT_LOG_ERROR, false);
    return edges_tests() + group_tests() + transaction_tests() ? 1 : 0;
}
