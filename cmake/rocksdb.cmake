# RocksDB, in two ways. Linking its shared library is half of what starting a program costs, and each process touches pages
# of its own for it; so the `sluice` binary takes what it uses from librocksdb.a and the archives of what that compresses with.
# Everything else (the many tests, programs that use libsluice) links the shared one: quicker to build, smaller on disk.
#
# A target with the property SLUICE_STATIC_ROCKSDB gets the archives wherever libsluice is in its link line.
set(ROCKSDB_ARCHIVE_PARTS)
set(parts_found TRUE)
foreach(part rocksdb snappy z bz2 lz4 zstd) # it, then what Debian builds it with
  find_library(ROCKSDB_PART_${part} NAMES lib${part}.a HINTS ${ROCKSDB_LIBRARY_DIRS})
  mark_as_advanced(ROCKSDB_PART_${part})
  list(APPEND ROCKSDB_ARCHIVE_PARTS ${ROCKSDB_PART_${part}})
  if(NOT ROCKSDB_PART_${part})
    set(parts_found FALSE)
  endif()
endforeach()

# Another build of RocksDB may need other libraries: ask the linker.
set(ROCKSDB_ARCHIVE_LINKS FALSE)
if(parts_found AND SLUICE_SANITIZE STREQUAL "")
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_INCLUDES ${ROCKSDB_INCLUDE_DIRS})
  set(CMAKE_REQUIRED_LIBRARIES ${ROCKSDB_ARCHIVE_PARTS} Threads::Threads dl)
  unset(ROCKSDB_ARCHIVE_LINKS)
  check_cxx_source_compiles("
    #include <rocksdb/c.h>
    int main() { char *error = nullptr; return rocksdb_open(rocksdb_options_create(), \"/\", &error) == nullptr; }
  " ROCKSDB_ARCHIVE_LINKS)
  unset(CMAKE_REQUIRED_INCLUDES)
  unset(CMAKE_REQUIRED_LIBRARIES)
endif()
option(SLUICE_STATIC_ROCKSDB "Link librocksdb.a and its compressions into the sluice binary" ${ROCKSDB_ARCHIVE_LINKS})

add_library(sluice_rocksdb INTERFACE)
set(is_static "$<BOOL:$<TARGET_PROPERTY:SLUICE_STATIC_ROCKSDB>>")
target_include_directories(sluice_rocksdb SYSTEM INTERFACE ${ROCKSDB_INCLUDE_DIRS})
target_link_libraries(sluice_rocksdb INTERFACE
  $<${is_static}:$<JOIN:${ROCKSDB_ARCHIVE_PARTS},$<SEMICOLON>>> $<$<NOT:${is_static}>:PkgConfig::ROCKSDB>)
