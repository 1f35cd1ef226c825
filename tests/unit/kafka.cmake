foreach(part client producer record_wire transaction memory_log memory_group memory_faults)
  lt_test(kafka_${part} DEPS kafka model base test_harness PkgConfig::rdkafka)
endforeach()
