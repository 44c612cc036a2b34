# suture_add_hotpatch(<target> BASELINE <image> [UPDATED <image>] [OUTPUT <package>]
#   [BASELINE_SYMBOLS <file>] [UPDATED_SYMBOLS <file>] [NO_SYMBOLS] [ID <text>] [SEQUENCE <n>] [HTML <file>] [JSON <file>]
#   [CERTIFICATES <file> KEY <file> [TIMESTAMP_URL <url>] | SIGN_COMMAND <command>...]
#   [ALLOW_DATA_CHANGE <name>...] [WARN_ONLY] [EXCLUDE_FROM_ALL] [DEPENDS <file or target>...])
#
# Adds the target <target>_hotpatch, which makes a hotpatch that turns BASELINE, an image that was released, into the
# image that <target> links, or into UPDATED, where <target> may be any name. It is made anew when one of the images
# changes. Names may hold generator expressions; a relative OUTPUT, HTML or JSON lies in the current binary folder.
#
#   OUTPUT            the package; default: <stem of BASELINE>_hotpatch<extension>
#   BASELINE_SYMBOLS, UPDATED_SYMBOLS, NO_SYMBOLS, ID, SEQUENCE, ALLOW_DATA_CHANGE: as the options of `patchgen create`
#   HTML, JSON        the report
#   CERTIFICATES, KEY the package is signed by osslsigncode: the signer's certificate, PEM, with those of authorities
#                     behind it, and its key; with a time stamp of RFC 3161 from TIMESTAMP_URL
#   SIGN_COMMAND      a command that signs the file named behind its last argument, in its place
#   WARN_ONLY         where the update cannot be hotpatched, the build goes on; otherwise it fails with the reasons
#   EXCLUDE_FROM_ALL  built only when <target>_hotpatch is asked for
#   DEPENDS           what else has to be built before
#
# Where the images do the same, the build goes on: there is nothing to patch. In both cases no package is left, an older
# one included. The properties SUTURE_PACKAGE and SUTURE_REPORT of <target>_hotpatch hold the path of the package, and
# of a text file with what patchgen said.

set(SUTURE_RUN_PATCHGEN ${CMAKE_CURRENT_LIST_DIR}/SutureRunPatchgen.cmake CACHE INTERNAL "")
set(SUTURE_SIGN_PACKAGE ${CMAKE_CURRENT_LIST_DIR}/SutureSignPackage.cmake CACHE INTERNAL "")

function(suture_add_hotpatch target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NO_SYMBOLS;WARN_ONLY;EXCLUDE_FROM_ALL"
    "BASELINE;UPDATED;OUTPUT;BASELINE_SYMBOLS;UPDATED_SYMBOLS;ID;SEQUENCE;HTML;JSON;CERTIFICATES;KEY;TIMESTAMP_URL"
    "ALLOW_DATA_CHANGE;DEPENDS;SIGN_COMMAND")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "suture_add_hotpatch(${target}): unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_BASELINE)
    message(FATAL_ERROR "suture_add_hotpatch(${target}): BASELINE is missing, the image that was released")
  endif()
  if(arg_NO_SYMBOLS AND (arg_BASELINE_SYMBOLS OR arg_UPDATED_SYMBOLS))
    message(FATAL_ERROR "suture_add_hotpatch(${target}): NO_SYMBOLS excludes files of symbols")
  endif()
  if((arg_CERTIFICATES AND NOT arg_KEY) OR (arg_KEY AND NOT arg_CERTIFICATES))
    message(FATAL_ERROR "suture_add_hotpatch(${target}): CERTIFICATES and KEY belong together")
  endif()
  if(DEFINED arg_SIGN_COMMAND AND arg_CERTIFICATES)
    message(FATAL_ERROR "suture_add_hotpatch(${target}): SIGN_COMMAND excludes CERTIFICATES")
  endif()
  if(arg_TIMESTAMP_URL AND NOT arg_CERTIFICATES)
    message(FATAL_ERROR "suture_add_hotpatch(${target}): TIMESTAMP_URL needs CERTIFICATES and KEY")
  endif()
  set(depends ${arg_DEPENDS})
  if(NOT arg_UPDATED)
    if(NOT TARGET ${target})
      message(FATAL_ERROR "suture_add_hotpatch(${target}): there is no such target, and UPDATED names no image")
    endif()
    set(arg_UPDATED $<TARGET_FILE:${target}>)
    list(APPEND depends ${target})
  endif()
  foreach(input BASELINE UPDATED BASELINE_SYMBOLS UPDATED_SYMBOLS CERTIFICATES KEY)
    if(arg_${input} AND NOT arg_${input} MATCHES "^\\$<")
      get_filename_component(arg_${input} ${arg_${input}} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_SOURCE_DIR})
    endif()
    if(arg_${input})
      list(APPEND depends ${arg_${input}})
    endif()
  endforeach()
  # The PDB beside an image is what patchgen takes; where it is made together with the image, or lies there, it counts.
  if(NOT arg_NO_SYMBOLS AND NOT arg_BASELINE_SYMBOLS AND NOT arg_BASELINE MATCHES "^\\$<")
    string(REGEX REPLACE "\\.[^./]*$" ".pdb" pdb ${arg_BASELINE})
    if(EXISTS ${pdb})
      list(APPEND depends ${pdb})
    endif()
  endif()

  if(NOT arg_OUTPUT)
    if(arg_BASELINE MATCHES "^\\$<")
      message(FATAL_ERROR "suture_add_hotpatch(${target}): OUTPUT is needed where BASELINE is a generator expression")
    endif()
    get_filename_component(stem ${arg_BASELINE} NAME_WLE)
    get_filename_component(extension ${arg_BASELINE} LAST_EXT)
    set(arg_OUTPUT ${stem}_hotpatch${extension})
  endif()
  set(byproducts "")
  foreach(output OUTPUT HTML JSON)
    if(arg_${output})
      get_filename_component(arg_${output} ${arg_${output}} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_BINARY_DIR})
      # The package is none: it is not always made, and what is missing would be made anew each time.
      if(NOT output STREQUAL "OUTPUT")
        list(APPEND byproducts ${arg_${output}})
      endif()
    endif()
  endforeach()
  # What the build waits for is the report, since there may be no package.
  set(report ${arg_OUTPUT}.txt)

  set(options "")
  foreach(pair BASELINE_SYMBOLS=--baseline-symbols UPDATED_SYMBOLS=--updated-symbols ID=--id SEQUENCE=--sequence
      HTML=--html JSON=--json)
    string(REGEX MATCH "^(.*)=(.*)$" match ${pair})
    if(DEFINED arg_${CMAKE_MATCH_1} AND NOT arg_${CMAKE_MATCH_1} STREQUAL "")
      string(REPLACE ";" "$<SEMICOLON>" value "${arg_${CMAKE_MATCH_1}}")
      list(APPEND options ${CMAKE_MATCH_2} "${value}")
    endif()
  endforeach()
  if(arg_NO_SYMBOLS)
    list(APPEND options --no-symbols)
  endif()
  foreach(name IN LISTS arg_ALLOW_DATA_CHANGE)
    list(APPEND options --allow-data-change ${name})
  endforeach()
  set(sign ${arg_SIGN_COMMAND})
  if(arg_CERTIFICATES)
    set(sign ${CMAKE_COMMAND} -DCERTIFICATES=${arg_CERTIFICATES} -DKEY=${arg_KEY} -DTIMESTAMP_URL=${arg_TIMESTAMP_URL}
      -P ${SUTURE_SIGN_PACKAGE})
    list(APPEND depends ${SUTURE_SIGN_PACKAGE})
  endif()
  if(NOT "${sign}" STREQUAL "")
    list(PREPEND sign --sign)
  endif()
  add_custom_command(OUTPUT ${report} BYPRODUCTS ${byproducts}
    COMMAND ${CMAKE_COMMAND} -DREPORT=${report} -DPACKAGE=${arg_OUTPUT} -DWARN_ONLY=${arg_WARN_ONLY}
      -P ${SUTURE_RUN_PATCHGEN} -- $<TARGET_FILE:suture::patchgen-tool> create ${arg_BASELINE} ${arg_UPDATED} -o ${arg_OUTPUT}
      ${options} ${sign}
    DEPENDS ${depends} $<TARGET_FILE:suture::patchgen-tool> ${SUTURE_RUN_PATCHGEN}
    COMMENT "Making the hotpatch of ${target}"
    VERBATIM)
  set(all ALL)
  if(arg_EXCLUDE_FROM_ALL)
    set(all "")
  endif()
  add_custom_target(${target}_hotpatch ${all} DEPENDS ${report})
  set_target_properties(${target}_hotpatch PROPERTIES SUTURE_PACKAGE ${arg_OUTPUT} SUTURE_REPORT ${report}
    ADDITIONAL_CLEAN_FILES ${arg_OUTPUT})
endfunction()
