# A .deb for Debian 12 and later, for witnesses and sites alike: `cpack -G DEB` in a release build. Which of the
# daemons runs on a machine is said by the files in /etc/breakwater and by what is enabled there.
set(debian ${CMAKE_CURRENT_LIST_DIR})
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME breakwater)
set(CPACK_PACKAGE_VENDOR breakwater)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "The breakwater authors <authors@breakwater.example>")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, libraft0 (>= 0.22.1)") # more than its symbols ask for
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "systemd, chrony | time-daemon")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION # below the line that project() has
"Three witnesses agree which site is primary; at each site an agent holds the
lease, and a guard runs the scripts of the service and ends it with its lease,
so that never two sites serve at once. Witness, agent, guard and the commands
of operators are one program.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${debian}/postinst ${debian}/prerm ${debian}/postrm)
set(CPACK_PRE_BUILD_SCRIPTS ${debian}/compress.cmake)

set(VERSION ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
string(TIMESTAMP DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(${debian}/changelog.in ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian @ONLY)
install(FILES ${debian}/copyright DESTINATION share/doc/breakwater)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian DESTINATION share/doc/breakwater)
include(CPack)
