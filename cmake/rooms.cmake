# A room is a folder; every .c (and .cc shim) in it is compiled. All rooms make one library,
# libsluice; the binary is its main().  Which room may include which: script/check-floors.
set(SLUICE_ROOMS
  base engine/columnar proto objects formats transport checkpoint engine/expr engine/plan
  connectors shuffle statestore engine/sql engine/exec driver worker client)

set(sources)
foreach(room ${SLUICE_ROOMS})
  file(GLOB_RECURSE found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${room}/*.c ${CMAKE_SOURCE_DIR}/${room}/*.cc)
  list(APPEND sources ${found})
endforeach()
list(FILTER sources EXCLUDE REGEX "client/cli/main\\.c$")

file(GLOB protos RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS proto/*.proto)
if(protos)
  sluice_proto(sluice_gen ${protos})
endif()

add_library(sluice_core STATIC ${sources})
set_target_properties(sluice_core PROPERTIES OUTPUT_NAME sluice)
target_include_directories(sluice_core PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
target_compile_options(sluice_core PRIVATE $<$<COMPILE_LANGUAGE:C>:${SLUICE_WARNINGS}> $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra>)
target_link_libraries(sluice_core PUBLIC sluice_rocksdb PkgConfig::ZMQ PkgConfig::XXHASH PkgConfig::JANSSON PkgConfig::SIMDJSON PkgConfig::UTF8PROC PkgConfig::PCRE2 PkgConfig::YAML Threads::Threads m dl)
if(TARGET sluice_gen)
  target_link_libraries(sluice_core PUBLIC sluice_gen)
endif()

if(EXISTS ${CMAKE_SOURCE_DIR}/client/cli/main.c)
  add_executable(sluice client/cli/main.c)
  target_compile_options(sluice PRIVATE ${SLUICE_WARNINGS})
  set_target_properties(sluice PROPERTIES SLUICE_STATIC_ROCKSDB ${SLUICE_STATIC_ROCKSDB})
  target_link_libraries(sluice PRIVATE sluice_core PkgConfig::EDIT) # the shell: no program that links the library needs it
endif()
