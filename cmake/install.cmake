# cmake --install: the binary, the static library with its header, and sluice.pc, which names what the
# library stands on, so that `cc app.c $(pkg-config --cflags --libs sluice)` links.
install(TARGETS sluice)
install(TARGETS sluice_core ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/sluice DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# The packages of the library's link line, by the names pkg-config knows.
set(SLUICE_PC_REQUIRES)
foreach(target sluice_core sluice_rocksdb sluice_gen)
  get_target_property(libraries ${target} INTERFACE_LINK_LIBRARIES)
  foreach(library ${libraries})
    if(library MATCHES "PkgConfig::([A-Z0-9]+)")
      list(APPEND SLUICE_PC_REQUIRES ${${CMAKE_MATCH_1}_MODULE_NAME})
    endif()
  endforeach()
endforeach()
list(REMOVE_DUPLICATES SLUICE_PC_REQUIRES)
string(REPLACE ";" " " SLUICE_PC_REQUIRES "${SLUICE_PC_REQUIRES}")
file(RELATIVE_PATH SLUICE_PC_UP "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
configure_file(${CMAKE_SOURCE_DIR}/cmake/sluice.pc.in ${CMAKE_BINARY_DIR}/sluice.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/sluice.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
