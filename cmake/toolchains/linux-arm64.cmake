# Linux on Arm64, built on another machine: clang, which takes less time than GCC, and the libraries that
# cmake/arm64-root.sh unpacks.
# Programs that the build itself runs, such as patchgen, run under qemu-user.
execute_process(
  COMMAND ${CMAKE_CURRENT_LIST_DIR}/../arm64-root.sh build
  OUTPUT_VARIABLE SUTURE_ARM64_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_C_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_CXX_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_EXE_LINKER_FLAGS_INIT --ld-path=/usr/bin/ld.lld-19)
set(CMAKE_SYSROOT ${SUTURE_ARM64_ROOT})
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L ${SUTURE_ARM64_ROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${SUTURE_ARM64_ROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${SUTURE_ARM64_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${SUTURE_ARM64_ROOT}/usr/share/pkgconfig)
