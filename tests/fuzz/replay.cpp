/// The short form of the fuzzer, of any compiler: `flow_fuzz SEED COUNT FOLDER...` takes the YAML files of the folders as they
/// are, then COUNT mutations of them. Mutation N of a seed is always the same, so a failure is found again by its number.
/// Exit code 1 with the input on stderr when one of them crashed, was refused without a word, or took 10 seconds.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <new>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);

namespace {

namespace fs = std::filesystem;
using Texts = std::vector<std::string>;

constexpr unsigned seconds_per_input = 10;
constexpr std::size_t largest_input = 20'000;
constexpr std::array tokens = {"${{ ",
                               " }}",
                               "&a ",
                               "*a",
                               "<<: ",
                               "|\n",
                               "\n  ",
                               "- ",
                               "{",
                               "}",
                               "[",
                               "]",
                               "\"",
                               "'",
                               "# ",
                               "\t",
                               "\xff",
                               "\u2028",
                               "~",
                               "null",
                               "1e999",
                               "-1",
                               "9223372036854775808",
                               "0x1",
                               ": ",
                               "/",
                               "..",
                               "tasks:",
                               "load:",
                               "extract:",
                               "transform:",
                               "select ",
                               "when:",
                               "@daily"};

Texts texts_of(const std::vector<std::string>& folders) {
    std::vector<fs::path> files;
    for (const auto& folder : folders)
        for (const auto& entry : fs::recursive_directory_iterator(folder))
            if (entry.path().extension() == ".yaml" && entry.file_size() < largest_input) files.push_back(entry.path());
    std::sort(files.begin(), files.end()); // the order of a folder is not the same everywhere
    Texts texts;
    for (const auto& file : files) {
        std::ifstream in(file, std::ios::binary);
        texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
    return texts;
}

std::string mutation(const Texts& texts, std::size_t seed, std::size_t number) {
    std::mt19937_64 random(seed * 1'000'003 + number);
    const auto below = [&](std::size_t end) { return end == 0 ? 0 : random() % end; };
    const auto cut = [&](std::string& text) { // a piece of it, most of the time a short one
        const auto from = below(text.size());
        return std::pair(from, 1 + below(below(4) == 0 ? text.size() - from : std::min<std::size_t>(40, text.size() - from)));
    };
    auto text = texts[below(texts.size())];
    for (auto left = 1 + below(6); left > 0 && !text.empty(); --left) {
        const auto [from, length] = cut(text);
        const auto& other = texts[below(texts.size())];
        switch (below(6)) {
        case 0: text[from] = static_cast<char>(random()); break;
        case 1: text.erase(from, length); break;
        case 2: text.insert(from, tokens[below(tokens.size())]); break;
        case 3: text.insert(below(text.size()), text.substr(from, length)); break;
        case 4: text.insert(from, other, below(other.size()), length); break;
        default: text.replace(from, length, tokens[below(tokens.size())]);
        }
        if (text.size() > largest_input) text.resize(largest_input);
    }
    return text;
}

void try_text(const std::string& text) {
    ::alarm(seconds_per_input);
    LLVMFuzzerTestOneInput(reinterpret_cast<const unsigned char*>(text.data()), text.size());
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 4) return std::cerr << "flow_fuzz SEED COUNT FOLDER...\n", 2;
    const auto seed = std::stoull(argv[1]);
    const auto texts = texts_of({argv + 3, argv + argc});
    if (texts.empty()) return std::cerr << "flow_fuzz: no YAML file in these folders\n", 2;
    const auto input = [&](std::size_t number) { return number < texts.size() ? texts[number] : mutation(texts, seed, number); };

    void* const shared = ::mmap(nullptr, sizeof(std::size_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return std::cerr << "flow_fuzz: no memory to share\n", 2;
    auto& number = *new (shared) std::atomic<std::size_t>(0); // survives the process that the input kills
    const auto end = texts.size() + std::stoull(argv[2]);
    const auto child = ::fork();
    if (child == 0) {
        for (; number < end; ++number) try_text(input(number));
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status == 0) return std::cout << number << " inputs of seed " << seed << '\n', 0;
    const auto reason = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status)) : "code " + std::to_string(WEXITSTATUS(status));
    std::cerr << "input " << number << " of seed " << seed << " ended the process with " << reason << ":\n" << input(number) << '\n';
    return 1;
}
