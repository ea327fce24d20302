# tests/unit/<room>/test_<module>.c is one cmocka program each.
enable_testing()
if(CMOCKA_FOUND)
  file(GLOB_RECURSE unit_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/unit/test_*.c)
  foreach(test ${unit_tests})
    file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR}/tests/unit ${test})
    string(REPLACE "/" "_" name ${name})
    string(REGEX REPLACE "\\.c$" "" name ${name})
    add_executable(${name} ${test})
    target_compile_options(${name} PRIVATE ${SLUICE_WARNINGS})
    target_link_libraries(${name} PRIVATE sluice_core PkgConfig::CMOCKA)
    add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES TIMEOUT 400 LABELS unit)
  endforeach()
endif()

# tests/wire/noise.c: what nobody should send to a port; used by tests/cli/hostile_sockets.sh.
add_executable(noise ${CMAKE_SOURCE_DIR}/tests/wire/noise.c)
target_compile_options(noise PRIVATE ${SLUICE_WARNINGS})
target_link_libraries(noise PRIVATE sluice_core)

# tests/cli/*.sh run the real binary.
if(TARGET sluice)
  file(GLOB cli_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/cli/*.sh)
  foreach(test ${cli_tests})
    get_filename_component(name ${test} NAME_WE)
    add_test(NAME cli_${name} COMMAND bash ${test} $<TARGET_FILE:sluice>)
    set_tests_properties(cli_${name} PROPERTIES TIMEOUT 300 LABELS cli)
  endforeach()
endif()

# tests/sim: fault schedules in virtual time. Four runs, so that they share the processors.
file(GLOB sim_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/sim/*.c)
add_executable(simulate ${sim_sources})
target_compile_options(simulate PRIVATE ${SLUICE_WARNINGS})
target_link_libraries(simulate PRIVATE sluice_core)
if(SLUICE_SANITIZE STREQUAL "")
  set(schedules 250)
else()
  set(schedules 50)
endif()
foreach(part RANGE 0 3)
  math(EXPR first "${part} * ${schedules} + 1")
  math(EXPR last "(${part} + 1) * ${schedules}")
  add_test(NAME sim_${part} COMMAND simulate ${first} ${last})
  set_tests_properties(sim_${part} PROPERTIES TIMEOUT 280 LABELS sim)
endforeach()
# A cluster: a sample here, 2,000 in .ci/run.
if(SLUICE_SANITIZE STREQUAL "")
  add_test(NAME sim_cluster COMMAND simulate --workers 3 1 200)
else()
  add_test(NAME sim_cluster COMMAND simulate --workers 3 1 40)
endif()
set_tests_properties(sim_cluster PROPERTIES TIMEOUT 280 LABELS sim)
add_test(NAME sim_trace COMMAND bash ${CMAKE_SOURCE_DIR}/tests/sim/same_trace.sh $<TARGET_FILE:simulate>)
set_tests_properties(sim_trace PROPERTIES TIMEOUT 120 LABELS sim)

# tests/stream/*.stest: what streaming SQL means, plain and replayed: no restart, number of
# partitions or size of chunks may show in what a query writes.
if(TARGET sluice)
  set(stest_replays
    "plain" "restarts --restart-every-batch" "partitions1 --partitions 1" "partitions2 --partitions 2"
    "partitions7 --partitions 7 --executors 3" "chunks3 --chunk-rows 3" "workers2 --workers 2" "workers3 --workers 3 --restart-every-batch")
  if(NOT SLUICE_SANITIZE STREQUAL "")
    set(stest_replays "plain" "restarts --restart-every-batch")
  endif()
  file(GLOB stests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/stream/*.stest)
  foreach(test ${stests})
    get_filename_component(name ${test} NAME_WE)
    file(RELATIVE_PATH path ${CMAKE_SOURCE_DIR} ${test})
    foreach(replay ${stest_replays})
      separate_arguments(words UNIX_COMMAND "${replay}")
      list(POP_FRONT words suffix)
      add_test(NAME stest_${name}_${suffix} COMMAND sluice test ${words} ${path}
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
      set_tests_properties(stest_${name}_${suffix} PROPERTIES TIMEOUT 60 LABELS stest)
    endforeach()
  endforeach()
endif()

# The same on processes: a sample here, all in .ci/run.
if(TARGET sluice)
  add_test(NAME stest_cluster_sample
    COMMAND sluice test --master "local-cluster[2,2]" tests/stream/recovery.stest tests/stream/late.stest tests/stream/windows.stest
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(stest_cluster_sample PROPERTIES TIMEOUT 240 LABELS stest-cluster)
endif()

# tests/random: random streams against the same query over all rows at once.
find_program(PYTHON3 python3)
if(TARGET sluice AND PYTHON3)
  if(SLUICE_SANITIZE STREQUAL "")
    set(last_seed 60)
  else()
    set(last_seed 8)
  endif()
  add_test(NAME random_streams
    COMMAND ${PYTHON3} ${CMAKE_SOURCE_DIR}/tests/random/stream_against_batch.py $<TARGET_FILE:sluice> 1 ${last_seed})
  set_tests_properties(random_streams PROPERTIES TIMEOUT 240 LABELS random)
endif()

# tests/golden: SQL and what it must answer, as data. `golden --refresh FILE...` rewrites.
add_executable(golden ${CMAKE_SOURCE_DIR}/tests/golden/golden.c)
target_compile_options(golden PRIVATE ${SLUICE_WARNINGS})
target_link_libraries(golden PRIVATE sluice_core)
file(GLOB goldens CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/golden/cases/*.golden)
foreach(file ${goldens})
  get_filename_component(name ${file} NAME_WE)
  add_test(NAME golden_${name} COMMAND golden ${file} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(golden_${name} PROPERTIES TIMEOUT 120 LABELS golden)
endforeach()
