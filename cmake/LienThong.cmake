# How a folder says what it is made of:
#
#   lt_module(codec SOURCES json.cc xml.c DEPS base PRIVATE_DEPS PkgConfig::libxml2)
#       static library lt_codec; DEPS are for those who include its headers, PRIVATE_DEPS for its own sources
#   lt_test(codec_xml SOURCES test_codec_xml.c DEPS codec)
#       cmocka program test_codec_xml, in ctest as codec_xml with label "unit" (LABELS, TIMEOUT in seconds, ARGS to change).
#       SOURCES may be left out when it is test_<name>.c. Runs in the root of the project.
#
# In DEPS a module goes by its name with or without lt_; anything else is a target or a library.

include(CheckPIESupported)
check_pie_supported()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(lt_warnings INTERFACE)
target_compile_options(lt_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wpointer-arith -Wwrite-strings -Wvla -Wformat=2 -Wno-format-nonliteral -Wundef
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes;-Wmissing-prototypes>
  $<$<BOOL:${LT_WERROR}>:-Werror>)

# _FORTIFY_SOURCE needs the optimiser and gets in the way of the sanitizers.
add_library(lt_hardening INTERFACE)
target_compile_options(lt_hardening INTERFACE -fstack-protector-strong
  $<$<AND:$<NOT:$<CONFIG:Debug>>,$<STREQUAL:${LT_SANITIZE},>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>)
target_link_options(lt_hardening INTERFACE -Wl,-z,relro -Wl,-z,now)

# Empty on purpose: a source that says "#define _GNU_SOURCE" itself is then no redefinition.
add_compile_definitions($<$<COMPILE_LANGUAGE:C>:_GNU_SOURCE=>)

if(LT_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(LT_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(LT_SANITIZE)
  message(FATAL_ERROR "LT_SANITIZE: expected address, thread or nothing, got \"${LT_SANITIZE}\"")
endif()
if(LT_COVERAGE)
  add_compile_options(--coverage -fprofile-abs-path)
  add_link_options(--coverage)
endif()

# The version, for those who print it: #include "gateway/base/version.h" (LT_VERSION, a string).
configure_file(${CMAKE_CURRENT_LIST_DIR}/version.h.in ${PROJECT_BINARY_DIR}/generated/gateway/base/version.h)

# Folders are read in any order, so whether lt_<word> exists is only known when the build files are written.
function(lt_resolve_deps ret)
  set(found)
  foreach(word IN LISTS ARGN)
    if(word MATCHES "::|^lt_|^-|^\\$<")
      list(APPEND found ${word})
    else()
      list(APPEND found $<IF:$<TARGET_EXISTS:lt_${word}>,lt_${word},${word}>)
    endif()
  endforeach()
  set(${ret} ${found} PARENT_SCOPE)
endfunction()

function(lt_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS;PRIVATE_DEPS")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "lt_module(${name}): expected SOURCES, DEPS, PRIVATE_DEPS, got \"${arg_UNPARSED_ARGUMENTS}\"")
  endif()
  lt_resolve_deps(deps ${arg_DEPS})
  lt_resolve_deps(private_deps ${arg_PRIVATE_DEPS})
  add_library(lt_${name} STATIC ${arg_SOURCES})
  target_include_directories(lt_${name} PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
  target_link_libraries(lt_${name} PUBLIC ${deps} PRIVATE lt_warnings lt_hardening ${private_deps})
endfunction()

function(lt_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;DEPS;LABELS;ARGS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "lt_test(${name}): what is \"${arg_UNPARSED_ARGUMENTS}\"?")
  endif()
  if(NOT arg_SOURCES)
    set(arg_SOURCES test_${name}.c)
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  if(LT_SANITIZE STREQUAL "thread")
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 5") # every access is watched
  endif()
  lt_resolve_deps(deps ${arg_DEPS})
  add_executable(test_${name} ${arg_SOURCES})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(test_${name} PRIVATE lt_warnings lt_hardening ${deps} PkgConfig::cmocka)
  add_test(NAME ${name} COMMAND test_${name} ${arg_ARGS} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()

# Target and ctest `name`: every header below the folders compiles alone.
function(lt_check_headers name)
  set(includes ${RAPIDJSON_INCLUDE_DIR} ${UTHASH_INCLUDE_DIR})
  foreach(library rdkafka libxml2 openssl libcurl yaml libevent utf8proc re2)
    list(APPEND includes ${${library}_INCLUDE_DIRS})
  endforeach()
  list(REMOVE_DUPLICATES includes)
  list(REMOVE_ITEM includes /usr/include)
  set(check ${CMAKE_COMMAND} "-DROOT=${PROJECT_SOURCE_DIR}" "-DGENERATED=${PROJECT_BINARY_DIR}/generated"
    "-DCC=${CMAKE_C_COMPILER}" "-DCXX=${CMAKE_CXX_COMPILER}" "-DINCLUDES=${includes}" "-DFOLDERS=${ARGN}"
    -P ${PROJECT_SOURCE_DIR}/cmake/CheckHeaders.cmake)
  add_custom_target(${name} COMMAND ${check} VERBATIM COMMENT "Each header alone")
  add_test(NAME ${name} COMMAND ${check})
  set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()
