include(CMakePackageConfigHelpers)

set(suture_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/suture)

install(TARGETS suture_engine suture_loader EXPORT suture ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/engine ${PROJECT_SOURCE_DIR}/loader
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/suture
  FILES_MATCHING PATTERN "*.hpp" PATTERN "codes.def" PATTERN "cli" EXCLUDE)
install(EXPORT suture NAMESPACE suture:: FILE sutureTargets.cmake DESTINATION ${suture_config_dir})

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/sutureConfig.cmake.in ${PROJECT_BINARY_DIR}/sutureConfig.cmake
  INSTALL_DESTINATION ${suture_config_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sutureConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_SOURCE_DIR}/patchgen/cmake/SutureHotpatch.cmake
  ${PROJECT_SOURCE_DIR}/patchgen/cmake/SutureRunPatchgen.cmake
  ${PROJECT_SOURCE_DIR}/patchgen/cmake/SutureSignPackage.cmake DESTINATION ${suture_config_dir})
install(FILES ${PROJECT_BINARY_DIR}/sutureConfig.cmake ${PROJECT_BINARY_DIR}/sutureConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/FindxxHash.cmake DESTINATION ${suture_config_dir})
