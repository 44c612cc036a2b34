#include "loader/cli/entry.hpp"
#include "loader/cli/windows/text.hpp"

#include <string>
#include <vector>

// What main() gets has lost all letters that the code page of the system has not.
int wmain(int argc, wchar_t** argv) {
    std::vector<std::string> words;
    for (int i = 0; i < argc; ++i)
        words.push_back(suture::cli::utf8(argv[i]));
    std::vector<char*> pointers;
    for (std::string& word : words)
        pointers.push_back(word.data());
    pointers.push_back(nullptr);
    return suture::cli::enter(argc, pointers.data());
}
