foreach(part bytes buf err clock crypto text file log stopper)
  lt_test(base_${part} DEPS base test_harness)
endforeach()
