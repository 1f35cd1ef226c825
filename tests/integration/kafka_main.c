/* The Kafka module against a real broker: LT_TEST_BOOTSTRAP says where. Topics and groups are new in every run. */
#include "kafka_support.h"

#include "gateway/base/log.h"

int main(int argc, char **argv)
{
    if (!support_init())
        return 2;
    lt_log_init(LT_LOG_ERROR, false);
    if (argc == 4 && strcmp(argv[1], "die") == 0)
        return group_die(argv + 2);
    return edges_tests() + headers_tests() + group_tests() + order_tests() + transaction_tests() ? 1 : 0;
}
