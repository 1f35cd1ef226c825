foreach(part event headers partition receipt)
  lt_test(model_${part} DEPS model test_harness)
endforeach()
lt_test(model_steps DEPS model config test_harness)
