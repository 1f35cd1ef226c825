foreach(part yaml opt)
  lt_test(config_${part} DEPS config test_harness)
endforeach()
foreach(part load clients)
  lt_test(config_${part} SOURCES test_config_${part}.c config_fixture.c DEPS config test_harness)
endforeach()
lt_test(config_certificates SOURCES test_config_certificates.c config_fixture.c
  DEPS config test_harness PkgConfig::openssl)
