// What the texts' part of a header makes of strings and indices that test_text.py gives it.
//
//     text tokens|farm|sip FILE    of each string in FILE (a count, then lengths and bytes)
//     text encode                  of made-up indices, in every mode and up to three axes

#include <algorithm>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include <NeoML/NeoML.h>

namespace porting {
namespace text {

#include "runtime.h"

#include "encoding.h"

#include "lookup.h"

#include "text.h"

#include "hashes.h"

} // namespace text
} // namespace porting

namespace {

using namespace porting::text;
using detail::Tokenizer;

std::vector<std::string> strings_of(const char* path)
{
    std::ifstream file(path, std::ios::binary);
    const auto number = [&file] {
        std::uint32_t found = 0;
        file.read(reinterpret_cast<char*>(&found), sizeof(found));
        return found;
    };
    std::vector<std::string> found(number());
    for (std::string& one : found) {
        one.resize(number());
        file.read(&one[0], static_cast<std::streamsize>(one.size()));
    }
    return found;
}

void print_hex(const std::vector<std::string>& tokens)
{
    static const char digits[] = "0123456789abcdef";
    for (const std::string& token : tokens) {
        std::cout << ".";
        for (char one : token) {
            std::cout << digits[static_cast<unsigned char>(one) >> 4] << digits[one & 15];
        }
    }
    std::cout << "\n";
}

void tokenize(const std::string& text)
{
    print_hex(Tokenizer{true, true, Tokenizer::Split::whitespace, {}, true}.tokens(text));
    print_hex(Tokenizer{false, false, Tokenizer::Split::whitespace, {1, 3}, true}.tokens(text));
    print_hex(Tokenizer{true, false, Tokenizer::Split::character, {}, true}.tokens(text));
    print_hex(Tokenizer{false, true, Tokenizer::Split::character, {2}, false}.tokens(text));
    print_hex(Tokenizer{true, true, Tokenizer::Split::none, {}, true}.tokens(text));
}

void encode(const Array<std::int64_t>& ids)
{
    using detail::Mode;
    for (Mode mode : {Mode::as_int, Mode::one_hot, Mode::multi_hot, Mode::count}) {
        const Array<float> found = detail::encoded<float>(ids, mode, 5);
        std::cout << detail::to_text(found.shape) << ":";
        for (float one : found.values) {
            std::cout << " " << one;
        }
        std::cout << "\n";
    }
}

} // namespace

int main(int, char** words)
{
    const std::string mode = words[1];
    if (mode == "encode") {
        std::vector<std::int64_t> ids;
        for (int i = 0; i < 24; ++i) {
            ids.push_back(i * i % 7);
        }
        for (const std::vector<int>& shape : {std::vector<int>{24}, {24, 1}, {6, 4}, {2, 3, 4}, {2, 12, 1}}) {
            encode({shape, ids});
        }
        return 0;
    }
    for (const std::string& text : strings_of(words[2])) {
        if (mode == "tokens") {
            tokenize(text);
        } else {
            std::cout << (mode == "farm" ? detail::Fingerprint::of(text) : detail::SipHash::of(text, 1, ~0ull)) << "\n";
        }
    }
    return 0;
}
