# Provides LlvmPdb::LlvmPdb: LLVM's PDB reader and its disassembler of Arm64, of the version asked for. From LLVM's
# archives: its shared library brings every target and their dependencies along, which takes longer to load than a small
# image takes to be analysed.
set(_root /usr/lib/llvm-${LlvmPdb_FIND_VERSION_MAJOR})
find_path(LlvmPdb_INCLUDE_DIR llvm/DebugInfo/PDB/Native/NativeSession.h HINTS ${_root}/include)
set(_variables)
set(_archives)
# In the order in which they need each other.
foreach(_part
    AArch64Disassembler MCDisassembler AArch64Desc CodeGenTypes AArch64Utils AArch64Info DebugInfoPDB DebugInfoMSF Object
    TextAPI MCParser IRReader AsmParser MC DebugInfoCodeView BitReader Core Remarks BitstreamReader BinaryFormat
    TargetParser Support Demangle)
  find_library(LlvmPdb_${_part}_LIBRARY NAMES libLLVM${_part}.a HINTS ${_root}/lib)
  mark_as_advanced(LlvmPdb_${_part}_LIBRARY)
  list(APPEND _variables LlvmPdb_${_part}_LIBRARY)
  list(APPEND _archives ${LlvmPdb_${_part}_LIBRARY})
endforeach()
find_package(ZLIB QUIET)
find_library(LlvmPdb_ZSTD_LIBRARY NAMES zstd)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  LlvmPdb REQUIRED_VARS LlvmPdb_INCLUDE_DIR LlvmPdb_ZSTD_LIBRARY ZLIB_FOUND ${_variables})
if(LlvmPdb_FOUND AND NOT TARGET LlvmPdb::LlvmPdb)
  add_library(LlvmPdb::LlvmPdb INTERFACE IMPORTED)
  target_link_libraries(
    LlvmPdb::LlvmPdb INTERFACE ${_archives} ZLIB::ZLIB ${LlvmPdb_ZSTD_LIBRARY} ${CMAKE_DL_LIBS})
  target_include_directories(LlvmPdb::LlvmPdb SYSTEM INTERFACE ${LlvmPdb_INCLUDE_DIR})
endif()
mark_as_advanced(LlvmPdb_INCLUDE_DIR LlvmPdb_ZSTD_LIBRARY)
