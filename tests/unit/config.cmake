foreach(part yaml opt)
  lt_test(config_${part} DEPS config test_harness)
endforeach()
