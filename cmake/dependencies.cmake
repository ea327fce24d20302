# All dependencies are Debian packages found through pkg-config; script/bootstrap installs them.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(ROCKSDB REQUIRED IMPORTED_TARGET rocksdb)
pkg_check_modules(PROTOBUFC REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(SIMDJSON REQUIRED IMPORTED_TARGET simdjson)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(ZMQ REQUIRED IMPORTED_TARGET libzmq)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)
find_program(PROTOC_C protoc-c REQUIRED)

# Turn .proto files into C under build/gen/gen, compiled without our warnings.
function(sluice_proto target)
  set(sources)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/gen/gen)
  foreach(proto ${ARGN})
    get_filename_component(name ${proto} NAME_WE)
    get_filename_component(dir ${proto} DIRECTORY)
    set(out ${CMAKE_BINARY_DIR}/gen/gen/${name}.pb-c.c)
    add_custom_command(
      OUTPUT ${out} ${CMAKE_BINARY_DIR}/gen/gen/${name}.pb-c.h
      COMMAND ${PROTOC_C} --c_out=${CMAKE_BINARY_DIR}/gen/gen --proto_path=${CMAKE_SOURCE_DIR}/${dir} ${CMAKE_SOURCE_DIR}/${proto}
      DEPENDS ${CMAKE_SOURCE_DIR}/${proto})
    list(APPEND sources ${out})
  endforeach()
  add_library(${target} OBJECT ${sources})
  target_include_directories(${target} SYSTEM PUBLIC ${CMAKE_BINARY_DIR}/gen)
  target_link_libraries(${target} PUBLIC PkgConfig::PROTOBUFC)
  target_compile_options(${target} PRIVATE -w)
endfunction()
