lt_test(ops_verify DEPS ops core test_harness lt_test_core_world)
lt_test(ops_topic_book DEPS ops core test_harness lt_test_core_world)
