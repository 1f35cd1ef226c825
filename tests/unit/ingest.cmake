foreach(part clients record intake folder bridge http resubmit)
  lt_test(ingest_${part} SOURCES test_ingest_${part}.c test_ingest_kit.c test_mapping_kit.c
    DEPS ingest test_harness lt_test_http_wire Threads::Threads)
endforeach()
lt_test(ingest_audit_gate SOURCES test_ingest_audit_gate.c DEPS ingest test_harness)
