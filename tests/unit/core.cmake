lt_test(core_index DEPS core test_harness)
lt_test(core_position DEPS core test_harness)
lt_test(core_routes DEPS core test_harness)
lt_test(core_worker DEPS core test_harness)
