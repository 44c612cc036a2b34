# The sources of a target that lie in one folder can be compiled as one, which takes less than half of the time: most of
# it goes into what they all include. This is not for work on the code, where one file is compiled again and again. Nor
# is it for all that a full test run builds: one of its presets compiles each file of the product by itself, and so finds
# the one that does not include what it uses, or that shadows a name.
set(SUTURE_UNITY OFF CACHE STRING "Compile the sources of a folder as one: OFF, tests, ON")
set_property(CACHE SUTURE_UNITY PROPERTY STRINGS OFF tests ON)

# A file stays apart that declares a name which one before it in its folder declares too, for itself; so does what is for
# one machine only, which has the same names for other things. And so do these, for reasons that declarations alone do
# not show: a name of their own is one of a header for others, or means another thing to them.
set(SUTURE_APART
  engine/patch/code_map.cpp patchgen/diff/unreached.cpp
  tests/engine/isa/x64/x64_isa_test.cpp tests/engine/package/contents_rules_test.cpp
  tests/engine/package/manifest_rules_test.cpp
  tests/engine/patch/quiescence_test.cpp tests/engine/patch/stack_walk_arm64_test.cpp
  tests/engine/patch/stack_walk_test.cpp tests/engine/pe/load_config_test.cpp tests/engine/pe/tls_test.cpp
  tests/loader/trust/trust_anchor_test.cpp
  tests/patchgen/emit/arm64/references_test.cpp tests/patchgen/emit/arm64/unwind_test.cpp
  tests/patchgen/match/symbol_truth_test.cpp tests/patchgen/mutation/generate.cpp
  tests/patchgen/program/orphans_test.cpp tests/patchgen/program/texts_test.cpp)

# suture_names(<variable> <file>): what it declares at the beginning of a line.
function(suture_names variable file)
  file(READ ${file} text)
  string(REGEX MATCHALL "\n[a-zA-Z][^]\n;=({[]*[ &*][A-Za-z0-9_]+( =|[({[])" declarations "${text}")
  string(REGEX MATCHALL "\n(struct|class|enum class|enum|union) [A-Za-z0-9_]+" types "${text}")
  string(REGEX MATCHALL "\nusing [A-Za-z0-9_]+ =" aliases "${text}")
  set(names "")
  foreach(declaration ${declarations} ${types} ${aliases})
    string(REGEX MATCH "([A-Za-z0-9_]+)( =|[({[])?$" name "${declaration}")
    list(APPEND names ${CMAKE_MATCH_1})
  endforeach()
  set(${variable} ${names} PARENT_SCOPE)
endfunction()

function(suture_unity_of target)
  get_target_property(sources ${target} SOURCES)
  get_target_property(folder ${target} SOURCE_DIR)
  foreach(source ${sources})
    get_filename_component(path ${source} ABSOLUTE BASE_DIR ${folder})
    file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR} ${path})
    if(name MATCHES "^[a-z].*\\.cpp$" AND EXISTS ${path} AND NOT name IN_LIST SUTURE_APART)
      get_filename_component(group ${name} DIRECTORY)
      string(REGEX MATCH "x64|arm64" machine ${name})
      string(MAKE_C_IDENTIFIER "${group} ${machine}" group)
      suture_names(names ${path})
      set(common ${names})
      list(FILTER common INCLUDE REGEX "^(${names_of_${group}})$")
      if(NOT common)
        string(JOIN "|" names_of_${group} ${names_of_${group}} ${names})
        set_source_files_properties(${path} TARGET_DIRECTORY ${target} PROPERTIES UNITY_GROUP ${group})
      endif()
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # A name of one file may be a local one of another.
  target_compile_options(${target} PRIVATE $<$<NOT:$<STREQUAL:${SUTURE_UNITY},tests>>:-Wno-shadow>)
endfunction()

# Of all targets of a folder, and below it.
function(suture_unity_below folder)
  get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target ${targets})
    get_target_property(kind ${target} TYPE)
    if(kind STREQUAL "EXECUTABLE" OR kind STREQUAL "STATIC_LIBRARY")
      suture_unity_of(${target})
    endif()
  endforeach()
  get_property(folders DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
  foreach(below ${folders})
    suture_unity_below(${below})
  endforeach()
endfunction()

# suture_unity(): once all targets are known.
function(suture_unity)
  if(NOT SUTURE_UNITY)
    return()
  endif()
  foreach(name ${SUTURE_APART})
    if(NOT EXISTS ${PROJECT_SOURCE_DIR}/${name})
      message(FATAL_ERROR "SUTURE_APART names ${name}, which is no more")
    endif()
  endforeach()
  if(SUTURE_UNITY STREQUAL "tests")
    suture_unity_below(${PROJECT_SOURCE_DIR}/tests)
  else()
    suture_unity_below(${PROJECT_SOURCE_DIR})
  endif()
endfunction()
