# cmake -DREPORT=<file> -DPACKAGE=<file> -DWARN_ONLY=<bool> -P SutureRunPatchgen.cmake -- <patchgen> create <argument>...
# Runs patchgen for suture_add_hotpatch(): its exit code decides whether the build goes on.
set(command "")
set(begun FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(begun)
    # A list's separator in an argument stays part of it.
    string(REPLACE ";" "\\;" argument "${CMAKE_ARGV${i}}")
    list(APPEND command "${argument}")
  elseif(CMAKE_ARGV${i} STREQUAL "--")
    set(begun TRUE)
  endif()
endforeach()

get_filename_component(folder ${PACKAGE} DIRECTORY)
# An older package, which is not what this run is about, must not be taken for its result.
file(REMOVE ${PACKAGE} ${REPORT})
file(MAKE_DIRECTORY ${folder})
execute_process(COMMAND ${command} RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(result EQUAL 0)
  # A package: nothing to say, the report is in its file.
elseif(result EQUAL 3)
  message(STATUS "No hotpatch: the images do the same")
elseif(result EQUAL 4 AND WARN_ONLY)
  message(WARNING "The update cannot be hotpatched, the ordinary update is needed:\n${said}")
else()
  message("${said}")
  if(result EQUAL 4)
    message(FATAL_ERROR "The update cannot be hotpatched: the reasons are above")
  endif()
  message(FATAL_ERROR "patchgen failed: ${result}")
endif()
file(WRITE ${REPORT} "${said}")
