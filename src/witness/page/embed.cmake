# The files of the status page as bytes in C: cmake -D FOLDER=... -D OUT=... -P embed.cmake
set(text "/* Made by src/witness/page/embed.cmake. */\n")
foreach(name page.html page.js page.css)
  file(READ ${FOLDER}/${name} bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(REPLACE "." "_" symbol ${name})
  string(APPEND text "static const unsigned char ${symbol}[] = {${bytes}};\n")
endforeach()
file(WRITE ${OUT} "${text}")
