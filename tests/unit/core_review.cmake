lt_test(core_review DEPS core test_harness)
