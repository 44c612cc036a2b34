# cmake -DFOLDER=page -DSTYLE=page.css -DCODE=first.js,second.js -DOUTPUT=resources.cpp -P embed.cmake
# Writes the files, one after the other, as C++ string literals. A literal is at most 64 KiB long for some compilers: they
# are cut in pieces.
function(literal_of files output)
  string(REPLACE "," ";" files "${files}")
  set(content "")
  foreach(file IN LISTS files)
    file(READ ${FOLDER}/${file} part)
    string(APPEND content "${part}")
  endforeach()
  string(LENGTH "${content}" length)
  set(text "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${content}" ${at} 8000 piece)
    string(APPEND text "    R\"~~~(${piece})~~~\"\n")
    math(EXPR at "${at} + 8000")
  endwhile()
  set(${output} "${text}" PARENT_SCOPE)
endfunction()

literal_of("${STYLE}" style)
literal_of("${CODE}" code)
file(WRITE ${OUTPUT} "#include \"patchgen/cli/html/resources.hpp\"

namespace suture::cli {

std::string_view page_style() {
    return
${style}    ;
}

std::string_view page_code() {
    return
${code}    ;
}

} // namespace suture::cli
")
