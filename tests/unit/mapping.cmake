foreach(part tables paths compile translate batch units explain shipped hostile)
  lt_test(mapping_${part} SOURCES test_mapping_${part}.c test_mapping_kit.c DEPS mapping test_harness)
endforeach()
