# Arm64 PE programs, built by clang and lld with MinGW-w64's headers, which are for all machines; Debian has its
# libraries for x86 alone, so import libraries are made of those. There is no C++ runtime.
#
# SUTURE_ARM64_WINDOWS_COMPILE and _LINK are the options for clang. `suture_arm64_windows` makes the import libraries.
find_program(SUTURE_LLVM_NM NAMES llvm-nm-19 llvm-nm)
find_program(SUTURE_LLVM_DLLTOOL NAMES llvm-dlltool-19 llvm-dlltool)
find_program(SUTURE_MINGW_DLLTOOL x86_64-w64-mingw32-dlltool)
find_path(SUTURE_MINGW_INCLUDE windows.h PATHS /usr/share/mingw-w64/include /usr/x86_64-w64-mingw32/include
  NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
find_path(SUTURE_MINGW_LIBRARIES libkernel32.a PATHS /usr/x86_64-w64-mingw32/lib
  NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
mark_as_advanced(SUTURE_LLVM_NM SUTURE_LLVM_DLLTOOL SUTURE_MINGW_DLLTOOL SUTURE_MINGW_INCLUDE SUTURE_MINGW_LIBRARIES)
if(NOT (SUTURE_LLVM_NM AND SUTURE_LLVM_DLLTOOL AND SUTURE_MINGW_DLLTOOL AND SUTURE_MINGW_INCLUDE
    AND SUTURE_MINGW_LIBRARIES))
  message(FATAL_ERROR "Arm64 PE programs need llvm-19 and MinGW-w64: run cmake/setup-debian.sh")
endif()

set(SUTURE_ARM64_WINDOWS_LIBRARIES ${CMAKE_BINARY_DIR}/arm64-windows)
set(SUTURE_ARM64_WINDOWS_COMPILE --target=aarch64-w64-mingw32 -isystem ${SUTURE_MINGW_INCLUDE})
set(SUTURE_ARM64_WINDOWS_LINK --target=aarch64-w64-mingw32 -nostdlib -L${SUTURE_ARM64_WINDOWS_LIBRARIES})

if(NOT TARGET suture_arm64_windows)
  file(MAKE_DIRECTORY ${SUTURE_ARM64_WINDOWS_LIBRARIES})
  set(_libraries "")
  foreach(_name kernel32 msvcrt ntdll psapi user32 ws2_32)
    set(_library ${SUTURE_ARM64_WINDOWS_LIBRARIES}/lib${_name}.a)
    add_custom_command(OUTPUT ${_library}
      COMMAND ${CMAKE_CURRENT_LIST_DIR}/arm64-import-library.sh ${SUTURE_LLVM_NM} ${SUTURE_LLVM_DLLTOOL}
        ${SUTURE_MINGW_DLLTOOL} ${SUTURE_MINGW_LIBRARIES}/lib${_name}.a ${_library}
      DEPENDS ${CMAKE_CURRENT_LIST_DIR}/arm64-import-library.sh
      COMMENT "arm64: import library of ${_name}"
      VERBATIM)
    list(APPEND _libraries ${_library})
  endforeach()
  add_custom_target(suture_arm64_windows DEPENDS ${_libraries})
endif()
