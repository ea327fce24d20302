# tests/fuzz/fuzz_<name>.c is a libFuzzer target.  The preset `fuzz` (clang) makes the fuzzers, which
# script/fuzz runs; every other build feeds them their corpus, tests/fuzz/corpus/<name>, as a test.
file(GLOB fuzz_targets CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_*.c)
add_custom_target(fuzzers)
foreach(target ${fuzz_targets})
  get_filename_component(name ${target} NAME_WE)
  string(REGEX REPLACE "^fuzz_" "" short ${name})
  if(SLUICE_SANITIZE STREQUAL "fuzzer")
    add_executable(${name} ${target})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${target} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
    add_test(NAME ${name} COMMAND ${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${short})
    set_tests_properties(${name} PROPERTIES TIMEOUT 120 LABELS fuzz)
  endif()
  target_compile_options(${name} PRIVATE ${SLUICE_WARNINGS})
  target_link_libraries(${name} PRIVATE sluice_core)
  add_dependencies(fuzzers ${name})
endforeach()

# Not part of any default build: `cmake --build build/release --target make_seeds`.
add_executable(make_seeds EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/tests/fuzz/make_seeds.c)
target_compile_options(make_seeds PRIVATE ${SLUICE_WARNINGS})
target_link_libraries(make_seeds PRIVATE sluice_core)
