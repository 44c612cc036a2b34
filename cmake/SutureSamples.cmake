# Builds PE images for the samples with cross compilers, whatever the host's compiler is.
#
# Variants, each built where its compiler is found:
#   clang            clang + lld, PDB beside the image
#   clang-hotpatch   the same, with a pad before each function and no 1-byte first instruction
#   gcc              GCC MinGW-w64, COFF symbols in the image
#
# Programs are for the machine that Suture itself is built for. For Arm64 there is one variant, clang: GCC has no Windows
# on Arm64, and any entry can be redirected there without a pad.
#
# All images are the same bytes in whatever directory they are built. `clang` images have a hash of their content as
# TimeDateStamp, `gcc` images a date that depends on baseline or updated.

find_program(SUTURE_SAMPLES_CLANG NAMES clang-19 clang)
find_program(SUTURE_SAMPLES_CLANGXX NAMES clang++-19 clang++)
find_program(SUTURE_SAMPLES_LLD NAMES ld.lld-19 ld.lld)
find_program(SUTURE_SAMPLES_GCC x86_64-w64-mingw32-gcc)
find_program(SUTURE_SAMPLES_GXX x86_64-w64-mingw32-g++)
mark_as_advanced(SUTURE_SAMPLES_CLANG SUTURE_SAMPLES_CLANGXX SUTURE_SAMPLES_LLD SUTURE_SAMPLES_GCC SUTURE_SAMPLES_GXX)

set(SUTURE_SAMPLES_MACHINE x64)
set(SUTURE_SAMPLES_COMPILE --target=x86_64-w64-mingw32)
set(SUTURE_SAMPLES_LINK --target=x86_64-w64-mingw32)
set(SUTURE_SAMPLES_IMPORTS "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  include(SutureArm64Windows)
  set(SUTURE_SAMPLES_MACHINE arm64)
  set(SUTURE_SAMPLES_COMPILE ${SUTURE_ARM64_WINDOWS_COMPILE})
  set(SUTURE_SAMPLES_LINK ${SUTURE_ARM64_WINDOWS_LINK})
  set(SUTURE_SAMPLES_IMPORTS suture_arm64_windows)
endif()

set(SUTURE_SAMPLE_VARIANTS "")
# clang uses MinGW's headers and libraries, and so needs GCC's package too.
if(SUTURE_SAMPLES_GXX AND SUTURE_SAMPLES_CLANGXX AND SUTURE_SAMPLES_LLD)
  list(APPEND SUTURE_SAMPLE_VARIANTS clang)
  if(SUTURE_SAMPLES_MACHINE STREQUAL "x64")
    list(APPEND SUTURE_SAMPLE_VARIANTS clang-hotpatch)
  endif()
endif()
if(SUTURE_SAMPLES_GXX AND SUTURE_SAMPLES_MACHINE STREQUAL "x64")
  list(APPEND SUTURE_SAMPLE_VARIANTS gcc)
endif()
if(NOT SUTURE_SAMPLE_VARIANTS)
  message(FATAL_ERROR "SUTURE_BUILD_SAMPLES needs x86_64-w64-mingw32-g++, and clang-19 with lld-19 for two of the three "
    "variants: run cmake/setup-debian.sh, or set SUTURE_BUILD_SAMPLES=OFF")
endif()
message(STATUS "Sample variants: ${SUTURE_SAMPLE_VARIANTS}")

get_filename_component(SUTURE_SAMPLES_ROOT ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)
set(SUTURE_SAMPLES_OUTPUT ${CMAKE_BINARY_DIR}/samples)

# SOURCE_DATE_EPOCH of each version: GNU ld's TimeDateStamp.
set(SUTURE_SAMPLE_DATE_baseline 1767225600) # 2026-01-01
set(SUTURE_SAMPLE_DATE_updated 1770681600)  # 2026-02-10
set(SUTURE_SAMPLE_DATE_another 1767312000)  # 2026-01-02

# suture_sample_image(<output variable>
#   IMAGE <file name> VARIANT <variant> VERSION <baseline|updated|another> OUTPUT_DIR <dir>
#   SOURCES <file under samples>... [ENTRY <function>] [OPTIMIZE <-O2>] [DEFINES <name=value>...]
#   [LIBRARIES <name>...] [LINK_WITH <DLL>...])
#
# Adds the commands that build one PE image, and sets the variable to its path. A .dll is a DLL, an .exe a console
# program. With ENTRY there is no C runtime; without, it is linked in statically.
function(suture_sample_image output_variable)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "IMAGE;VARIANT;VERSION;OUTPUT_DIR;ENTRY;OPTIMIZE"
    "NO_EXCEPTIONS;SOURCES;DEFINES;LIBRARIES;LINK_WITH")
  get_filename_component(stem ${arg_IMAGE} NAME_WE)
  get_filename_component(extension ${arg_IMAGE} EXT)
  set(object_dir ${CMAKE_CURRENT_BINARY_DIR}/objects/${arg_IMAGE}/${arg_VARIANT}/${arg_VERSION})
  file(MAKE_DIRECTORY ${object_dir} ${arg_OUTPUT_DIR})
  if(NOT arg_OPTIMIZE)
    set(arg_OPTIMIZE -O2)
  endif()

  # The prefix map keeps the build machine's paths out of the objects.
  set(compile ${arg_OPTIMIZE} -Wall -Wextra $<$<BOOL:${SUTURE_WERROR}>:-Werror> -DWIN32_LEAN_AND_MEAN
    -I${SUTURE_SAMPLES_ROOT} -ffile-prefix-map=${SUTURE_SAMPLES_ROOT}/=)
  list(TRANSFORM arg_DEFINES PREPEND -D OUTPUT_VARIABLE defines)
  list(APPEND compile ${defines})
  set(link -Wl,--dynamicbase,--high-entropy-va,--nxcompat)
  set(images ${arg_OUTPUT_DIR}/${arg_IMAGE})
  # LIBRARY_PATH would get into the PDB, and so into the image's PDB GUID.
  set(environment --unset=LIBRARY_PATH SOURCE_DATE_EPOCH=${SUTURE_SAMPLE_DATE_${arg_VERSION}})

  if(arg_ENTRY)
    # -ffreestanding drops the unwind tables where they are not asked for.
    list(APPEND compile -ffreestanding -fno-builtin -fasynchronous-unwind-tables)
    list(APPEND link -nostdlib -Wl,-e,${arg_ENTRY})
  else()
    list(APPEND link -static)
  endif()
  # Programs and DLLs prefer the same base, so that a DLL is always relocated. Where Wine relocates to there is no free
  # memory within a branch of Arm64: there a DLL has a base of its own.
  set(base 0x180000000)
  if(SUTURE_SAMPLES_MACHINE STREQUAL "arm64" AND extension STREQUAL ".dll")
    set(base 0x1a0000000)
  endif()
  list(APPEND link -Wl,--image-base,${base})
  if(extension STREQUAL ".dll")
    list(APPEND link -shared)
  else()
    list(APPEND link -Wl,--subsystem,console)
  endif()

  if(arg_VARIANT STREQUAL "gcc")
    set(c_compiler ${SUTURE_SAMPLES_GCC})
    set(cxx_compiler ${SUTURE_SAMPLES_GXX})
    # GCC makes loops into calls of memcpy and memset even where builtins are off.
    list(APPEND compile $<$<BOOL:${arg_ENTRY}>:-fno-tree-loop-distribute-patterns>)
    list(APPEND link -Wl,--enable-reloc-section,--insert-timestamp)
  else()
    set(c_compiler ${SUTURE_SAMPLES_CLANG})
    set(cxx_compiler ${SUTURE_SAMPLES_CLANGXX})
    list(APPEND compile ${SUTURE_SAMPLES_COMPILE} -g -gcodeview -gno-codeview-command-line
      -fdebug-compilation-dir=.)
    # /pdbsourcepath: the PDB's content, whose hash is the image's PDB GUID, holds no path of the build machine.
    list(APPEND link ${SUTURE_SAMPLES_LINK} -fuse-ld=${SUTURE_SAMPLES_LLD} -g -Wl,--pdb=${stem}.pdb
      -Wl,-Xlink=/Brepro,-Xlink=/release,-Xlink=/pdbaltpath:${stem}.pdb,-Xlink=/pdbsourcepath:C:\\suture)
    list(APPEND images ${arg_OUTPUT_DIR}/${stem}.pdb)
    if(arg_VARIANT STREQUAL "clang-hotpatch")
      list(APPEND compile -fms-hotpatch -ffunction-sections)
      list(APPEND link -Wl,-Xlink=/functionpadmin)
    endif()
  endif()

  set(objects "")
  set(object_names "")
  set(linker ${c_compiler})
  foreach(source IN LISTS arg_SOURCES)
    get_filename_component(name ${source} NAME_WE)
    set(object ${object_dir}/${name}.o)
    set(compiler ${c_compiler})
    set(language "")
    if(source MATCHES "\\.cpp$")
      set(compiler ${cxx_compiler})
      set(linker ${cxx_compiler})
      set(language -std=c++20)
    endif()
    if(source IN_LIST arg_NO_EXCEPTIONS)
      list(APPEND language -fno-exceptions)
    endif()
    if(NOT arg_VARIANT STREQUAL "gcc")
      list(APPEND language -Xclang -object-file-name=${name}.o)
    endif()
    add_custom_command(OUTPUT ${object}
      COMMAND ${compiler} ${compile} ${language} -MD -MF ${object}.d
        -c ${SUTURE_SAMPLES_ROOT}/samples/${source} -o ${object}
      DEPENDS ${SUTURE_SAMPLES_ROOT}/samples/${source}
      DEPFILE ${object}.d
      COMMENT "${arg_VARIANT}/${arg_VERSION}: compiling ${source}"
      COMMAND_EXPAND_LISTS VERBATIM)
    list(APPEND objects ${object})
    list(APPEND object_names ${name}.o)
  endforeach()

  list(TRANSFORM arg_LIBRARIES PREPEND -l OUTPUT_VARIABLE libraries)
  set(link_with "")
  foreach(file IN LISTS arg_LINK_WITH)
    file(RELATIVE_PATH relative ${object_dir} ${file})
    list(APPEND link_with ${relative})
  endforeach()
  list(TRANSFORM images REPLACE "^.*/" "" OUTPUT_VARIABLE image_names)
  # In the objects' directory, and then copied: linkers write the names that they are given into PDBs.
  add_custom_command(OUTPUT ${images}
    COMMAND ${CMAKE_COMMAND} -E env ${environment}
      ${linker} ${link} ${object_names} ${link_with} ${libraries} -o ${arg_IMAGE}
    COMMAND ${CMAKE_COMMAND} -E copy ${image_names} ${arg_OUTPUT_DIR}
    DEPENDS ${objects} ${arg_LINK_WITH} ${SUTURE_SAMPLES_IMPORTS}
    WORKING_DIRECTORY ${object_dir}
    COMMENT "${arg_VARIANT}/${arg_VERSION}: linking ${arg_IMAGE}"
    COMMAND_EXPAND_LISTS VERBATIM)
  set_property(GLOBAL APPEND PROPERTY SUTURE_SAMPLE_IMAGES ${images})
  set(${output_variable} ${arg_OUTPUT_DIR}/${arg_IMAGE} PARENT_SCOPE)
endfunction()

# suture_sample(NAME <sample> IMAGE <file name> [PROGRAM <file name>] [ANOTHER] <the rest as for suture_sample_image>)
#
# Builds a sample in every variant as baseline and updated (UPDATED=0 and 1), with ANOTHER also as another build of the
# baseline's source (-O1), and adds it to the manifest. PROGRAM is the program to start, where IMAGE is a DLL.
function(suture_sample)
  cmake_parse_arguments(PARSE_ARGV 0 arg "ANOTHER" "NAME;IMAGE;PROGRAM" "")
  foreach(variant IN LISTS SUTURE_SAMPLE_VARIANTS)
    set(root ${SUTURE_SAMPLES_OUTPUT}/${arg_NAME}/${variant})
    suture_sample_image(baseline IMAGE ${arg_IMAGE} VARIANT ${variant} VERSION baseline OUTPUT_DIR ${root}/baseline
      DEFINES UPDATED=0 ${arg_UNPARSED_ARGUMENTS})
    suture_sample_image(updated IMAGE ${arg_IMAGE} VARIANT ${variant} VERSION updated OUTPUT_DIR ${root}/updated
      DEFINES UPDATED=1 ${arg_UNPARSED_ARGUMENTS})
    if(arg_ANOTHER)
      suture_sample_image(another IMAGE ${arg_IMAGE} VARIANT ${variant} VERSION another OUTPUT_DIR ${root}/another
        OPTIMIZE -O1 DEFINES UPDATED=0 ${arg_UNPARSED_ARGUMENTS})
    endif()
    get_filename_component(stem ${arg_IMAGE} NAME_WE)
    get_filename_component(extension ${arg_IMAGE} EXT)
    set(package ${root}/${stem}_hotpatch${extension})
    suture_add_hotpatch(${arg_NAME}-${variant} BASELINE ${baseline} UPDATED ${updated} OUTPUT ${package}
      ID "${arg_NAME}, ${variant}" HTML ${root}/report.html JSON ${root}/report.json)
    set_property(GLOBAL APPEND PROPERTY SUTURE_SAMPLE_PACKAGES ${arg_NAME}-${variant}_hotpatch)
    set(symbols pdb)
    if(variant STREQUAL "gcc")
      set(symbols coff)
    endif()
    if(NOT arg_PROGRAM)
      set(arg_PROGRAM ${arg_IMAGE})
    endif()
    set(another_json null)
    if(arg_ANOTHER)
      set(another_json "\"${another}\"")
    endif()
    string(CONCAT entry "{\"sample\": \"${arg_NAME}\", \"variant\": \"${variant}\", \"machine\": \"${SUTURE_SAMPLES_MACHINE}\", "
      "\"symbols\": \"${symbols}\", \"image\": \"${arg_IMAGE}\", \"program\": \"${arg_PROGRAM}\", "
      "\"baseline\": \"${baseline}\", \"updated\": \"${updated}\", \"another\": ${another_json}, "
      "\"package\": \"${package}\"}")
    set_property(GLOBAL APPEND PROPERTY SUTURE_SAMPLE_ENTRIES "${entry}")
  endforeach()
endfunction()

# Writes samples.json, and adds the targets `samples` that builds all images, and `sample-packages` their hotpatches.
function(suture_samples_finish)
  get_property(entries GLOBAL PROPERTY SUTURE_SAMPLE_ENTRIES)
  get_property(images GLOBAL PROPERTY SUTURE_SAMPLE_IMAGES)
  list(JOIN entries ",\n" joined)
  file(CONFIGURE OUTPUT ${SUTURE_SAMPLES_OUTPUT}/samples.json CONTENT "{\"samples\": [\n${joined}\n]}\n" @ONLY)
  add_custom_target(samples ALL DEPENDS ${images})
  get_property(packages GLOBAL PROPERTY SUTURE_SAMPLE_PACKAGES)
  # One target makes the images, and the others wait for it: generators may run targets side by side.
  foreach(package IN LISTS packages)
    add_dependencies(${package} samples)
  endforeach()
  add_custom_target(sample-packages DEPENDS ${packages})
endfunction()
