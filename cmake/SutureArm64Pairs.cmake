# Builds pairs of small Arm64 DLLs for tests, with clang and lld, whatever the host's compiler is.
#
# suture_arm64_pair(<source> [EXPORTS <function>...] [LIBRARY <import library>]) adds the commands for <source> under the current source folder:
# <folder of the include>/arm64/<stem>/{baseline,updated}/<stem>.dll with a PDB beside it, from UPDATED=0 and UPDATED=1.
# Exports of C sources are declared there. SUTURE_ARM64_IMAGES lists what has been made.

find_program(SUTURE_ARM64_CLANG NAMES clang-19 clang)
find_program(SUTURE_ARM64_LLD NAMES lld-link-19 lld-link)
find_program(SUTURE_ARM64_DLLTOOL NAMES llvm-dlltool-19 llvm-dlltool)
mark_as_advanced(SUTURE_ARM64_CLANG SUTURE_ARM64_LLD SUTURE_ARM64_DLLTOOL)
if(SUTURE_ARM64_CLANG AND SUTURE_ARM64_LLD AND SUTURE_ARM64_DLLTOOL)
  set(SUTURE_ARM64_PAIRS ON)
else()
  set(SUTURE_ARM64_PAIRS OFF)
  message(STATUS "No Arm64 pairs for tests: they need clang-19, lld-19 and llvm-19 (cmake/setup-debian.sh)")
endif()

set(SUTURE_ARM64_OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/arm64)

function(suture_arm64_import_library output_variable)
  set(definition ${SUTURE_ARM64_OUTPUT}/kernel32.def)
  set(library ${SUTURE_ARM64_OUTPUT}/kernel32.lib)
  file(CONFIGURE OUTPUT ${definition} CONTENT "LIBRARY kernel32.dll\nEXPORTS\nGetTickCount\nGetCurrentProcessId\n")
  add_custom_command(OUTPUT ${library}
    COMMAND ${SUTURE_ARM64_DLLTOOL} -m arm64 -d ${definition} -l ${library}
    DEPENDS ${definition} VERBATIM)
  set(${output_variable} ${library} PARENT_SCOPE)
endfunction()

function(suture_arm64_pair source)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LIBRARY" "EXPORTS")
  get_filename_component(stem ${source} NAME_WE)
  list(TRANSFORM arg_EXPORTS PREPEND /export: OUTPUT_VARIABLE exports)
  set(images ${SUTURE_ARM64_IMAGES})
  foreach(updated RANGE 1)
    set(version baseline)
    if(updated)
      set(version updated)
    endif()
    set(folder ${SUTURE_ARM64_OUTPUT}/${stem}/${version})
    file(MAKE_DIRECTORY ${folder})
    add_custom_command(OUTPUT ${folder}/${stem}.dll ${folder}/${stem}.pdb
      COMMAND ${SUTURE_ARM64_CLANG} --target=aarch64-pc-windows-msvc -O2 -ffreestanding -fno-builtin -Wall -march=armv8.3-a
        -g -gcodeview -DUPDATED=${updated} -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${stem}.obj
      COMMAND ${SUTURE_ARM64_LLD} /dll /noentry /machine:arm64 /debug /Brepro /pdbaltpath:${stem}.pdb ${exports}
        ${stem}.obj ${arg_LIBRARY} /out:${stem}.dll
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source} ${arg_LIBRARY}
      WORKING_DIRECTORY ${folder}
      COMMENT "arm64/${version}: ${source}"
      VERBATIM)
    list(APPEND images ${folder}/${stem}.dll)
  endforeach()
  set(SUTURE_ARM64_IMAGES ${images} PARENT_SCOPE)
endfunction()
