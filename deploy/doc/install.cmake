# Installs the pages of deploy/doc, README.md and the design to share/doc/breakwater. Links lead to where the pages and what they
# name lie there; a link to what only the sources have becomes its text.
set(documents ${CMAKE_CURRENT_LIST_DIR})
set(source_only "tests|src|chaos|include|[.]github")

function(bw_install_page page folder)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page})
  file(READ ${page} text)
  string(REGEX REPLACE "!?\\[([^]]*)\\]\\(([.][.]/)*(${source_only})/[^)]*\\)" "\\1 (in the sources)" text "${text}")
  string(REGEX REPLACE "\\]\\(([.][.]/)*deploy/doc/" "](" text "${text}")
  string(REGEX REPLACE "\\]\\([.][.]/[.][.]/" "](" text "${text}")
  string(REGEX REPLACE "\\]\\([.][.]/scripts/" "](../../breakwater/" text "${text}")
  string(REGEX REPLACE "\\]\\([.][.]/examples/" "](examples/" text "${text}")
  string(REGEX REPLACE "\\]\\([.][.]/(prometheus|grafana)/" "](../../breakwater/\\1/" text "${text}")
  string(REGEX REPLACE "\\]\\(([.][.]/|deploy/)(README.md|container/|kubernetes/|runit/)" "](../../breakwater/deploy/\\2" text
         "${text}")
  get_filename_component(name ${page} NAME)
  file(WRITE ${CMAKE_BINARY_DIR}/doc/${folder}/${name} "${text}")
  install(FILES ${CMAKE_BINARY_DIR}/doc/${folder}/${name} DESTINATION share/doc/breakwater/${folder})
endfunction()

file(GLOB pages CONFIGURE_DEPENDS ${documents}/*.md)
foreach(page ${pages} ${CMAKE_SOURCE_DIR}/README.md)
  bw_install_page(${page} .)
endforeach()
foreach(page DESIGN PROTOCOL RULES)
  bw_install_page(${CMAKE_SOURCE_DIR}/proto/${page}.md proto)
endforeach()
install(DIRECTORY ${documents}/pictures DESTINATION share/doc/breakwater)
