# examples/c: programs over the C API, built like a user's and run as tests.
file(GLOB c_examples CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/examples/c/*.c)
foreach(example ${c_examples})
  get_filename_component(name ${example} NAME_WE)
  add_executable(example_${name} ${example})
  target_compile_options(example_${name} PRIVATE ${SLUICE_WARNINGS})
  target_include_directories(example_${name} PRIVATE ${CMAKE_SOURCE_DIR}/include)
  target_link_libraries(example_${name} PRIVATE sluice_core)
endforeach()
add_test(NAME example_window_counts
  COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:example_window_counts>
    -DARGUMENT=${CMAKE_SOURCE_DIR}/examples/mobile/input
    -DEXPECTED=${CMAKE_SOURCE_DIR}/examples/c/window_counts.out
    -P ${CMAKE_SOURCE_DIR}/cmake/run_example.cmake)
set_tests_properties(example_window_counts PROPERTIES TIMEOUT 60 LABELS example)
