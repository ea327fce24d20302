# Tools of script/bench: build/<preset>/bench/{generate,measure}.
foreach(tool generate measure)
  add_executable(bench_${tool} ${CMAKE_SOURCE_DIR}/bench/${tool}.c)
  set_target_properties(bench_${tool} PROPERTIES OUTPUT_NAME ${tool} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
  target_compile_options(bench_${tool} PRIVATE ${SLUICE_WARNINGS})
  target_link_libraries(bench_${tool} PRIVATE PkgConfig::XXHASH Threads::Threads)
endforeach()
