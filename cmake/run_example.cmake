# Run PROGRAM with ARGUMENT; its output must be the text of the file EXPECTED.
execute_process(COMMAND ${PROGRAM} ${ARGUMENT} OUTPUT_VARIABLE output RESULT_VARIABLE result)
file(READ ${EXPECTED} expected)
if(NOT result EQUAL 0 OR NOT output STREQUAL expected)
  message(FATAL_ERROR "exit ${result}; printed:\n${output}\nwanted:\n${expected}")
endif()
