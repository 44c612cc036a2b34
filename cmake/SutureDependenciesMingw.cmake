# Debian has no libraries for Windows but the compiler's own. What is used by headers alone is taken from the packages
# of this machine, through a folder that holds nothing else of it; Zydis and GoogleTest are built from source packages.
set(staged ${CMAKE_BINARY_DIR}/include)
file(MAKE_DIRECTORY ${staged})
foreach(part fmt spdlog CLI nlohmann Zydis Zycore xxhash.h xxh3.h)
  if(NOT EXISTS /usr/include/${part})
    message(FATAL_ERROR "/usr/include/${part} is missing: cmake/setup-debian.sh --windows installs it")
  endif()
  file(CREATE_LINK /usr/include/${part} ${staged}/${part} SYMBOLIC)
endforeach()

function(suture_headers target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEFINITIONS;LIBRARIES")
  string(MAKE_C_IDENTIFIER ${target} name)
  add_library(${name} INTERFACE)
  add_library(${target} ALIAS ${name})
  target_include_directories(${name} SYSTEM INTERFACE ${staged})
  target_compile_definitions(${name} INTERFACE ${arg_DEFINITIONS})
  target_link_libraries(${name} INTERFACE ${arg_LIBRARIES})
endfunction()
# Compiled once: in every file it would take longer than all else.
add_library(suture_fmt STATIC ${PROJECT_SOURCE_DIR}/cmake/fmt_library.cpp)
add_library(fmt::fmt ALIAS suture_fmt)
target_include_directories(suture_fmt SYSTEM PUBLIC ${staged})
suture_headers(spdlog::spdlog DEFINITIONS SPDLOG_FMT_EXTERNAL=1 LIBRARIES fmt::fmt)
suture_headers(CLI11::CLI11)
suture_headers(nlohmann_json::nlohmann_json)
suture_headers(xxHash::xxhash DEFINITIONS XXH_INLINE_ALL=1)

execute_process(
  COMMAND ${PROJECT_SOURCE_DIR}/cmake/windows-sources.sh
  OUTPUT_VARIABLE zydis OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
# All that decodes; what formats and encodes needs Zycore as a library.
set(sources Decoder DecoderData Disassembler Formatter FormatterATT FormatterBase FormatterBuffer FormatterIntel MetaInfo Mnemonic Register Segment SharedData String Utils Zydis)
list(TRANSFORM sources REPLACE "(.+)" "${zydis}/src/\\1.c")
add_library(suture_zydis STATIC ${sources})
add_library(Zydis::Zydis ALIAS suture_zydis)
target_include_directories(suture_zydis PRIVATE ${zydis}/src)
target_include_directories(suture_zydis SYSTEM PUBLIC ${staged})
target_compile_definitions(suture_zydis PUBLIC ZYDIS_STATIC_BUILD ZYCORE_STATIC_BUILD)

if(SUTURE_BUILD_TESTS)
  set(INSTALL_GTEST OFF CACHE BOOL "" FORCE)
  add_subdirectory(/usr/src/googletest ${CMAKE_BINARY_DIR}/googletest EXCLUDE_FROM_ALL)
endif()
