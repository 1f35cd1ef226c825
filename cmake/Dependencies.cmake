# Libraries and the oldest versions they may have (those of Debian 12). Use the targets: PkgConfig::rdkafka,
# PkgConfig::libxml2, PkgConfig::openssl, PkgConfig::libcurl, PkgConfig::yaml, PkgConfig::libevent (with openssl and
# pthreads), PkgConfig::utf8proc, PkgConfig::re2, PkgConfig::jemalloc, PkgConfig::cmocka (tests), RapidJSON::RapidJSON, Threads::Threads.
find_package(PkgConfig REQUIRED)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka>=2.0.2)
pkg_check_modules(libxml2 REQUIRED IMPORTED_TARGET libxml-2.0>=2.9.14)
pkg_check_modules(openssl REQUIRED IMPORTED_TARGET openssl>=3.0)
pkg_check_modules(libcurl REQUIRED IMPORTED_TARGET libcurl>=7.88)
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-0.1>=0.2.5)
pkg_check_modules(libevent REQUIRED IMPORTED_TARGET libevent>=2.1.12 libevent_openssl>=2.1.12
                  libevent_pthreads>=2.1.12)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc>=2.6)
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2) # its .pc of Debian 12 names no version
pkg_check_modules(jemalloc REQUIRED IMPORTED_TARGET jemalloc>=5.3)
if(LT_TESTS)
  pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka>=1.1.5)
endif()

find_path(RAPIDJSON_INCLUDE_DIR rapidjson/document.h)
find_path(UTHASH_INCLUDE_DIR uthash.h)
foreach(needed RAPIDJSON_INCLUDE_DIR UTHASH_INCLUDE_DIR)
  if(NOT ${needed})
    message(FATAL_ERROR "${needed} not found: install the Debian packages rapidjson-dev and uthash-dev")
  endif()
endforeach()
add_library(RapidJSON INTERFACE)
add_library(RapidJSON::RapidJSON ALIAS RapidJSON)
target_include_directories(RapidJSON SYSTEM INTERFACE ${RAPIDJSON_INCLUDE_DIR})
