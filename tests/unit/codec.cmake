foreach(part pattern json json_schema xml xpath xsd threads mutations)
  lt_test(codec_${part} DEPS codec test_harness Threads::Threads)
endforeach()
