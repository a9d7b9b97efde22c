namespace detail {

/// From a text to its tokens, as TensorFlow's string kernels do it: they work on bytes and know ASCII only.
struct Tokenizer {
    bool lowers;
    bool strips;
    enum class Split { none, whitespace, character } split;
    std::vector<int> ngrams;
    bool keeps_noncharacters;

    std::string standardized(const std::string& text) const
    {
        static const char punctuation[] = "!\"#$%&'()*+,-./:;<=>\?@[\\]^_`{|}~";
        std::string found;
        for (char one : text) {
            if (strips && one != '\0' && std::strchr(punctuation, one) != nullptr) {
                continue;
            }
            found += lowers && one >= 'A' && one <= 'Z' ? static_cast<char>(one - 'A' + 'a') : one;
        }
        return found;
    }

    std::vector<std::string> tokens(const std::string& text) const
    {
        const std::string plain = standardized(text);
        if (split == Split::whitespace) {
            return joined(words(plain));
        }
        return split == Split::character ? joined(characters(plain)) : std::vector<std::string>{plain};
    }

    /// All n-grams of a row of tokens, those of the first length in front.
    std::vector<std::string> joined(const std::vector<std::string>& tokens) const
    {
        if (ngrams.empty()) {
            return tokens;
        }
        std::vector<std::string> found;
        for (int width : ngrams) {
            for (std::size_t first = 0; first + static_cast<std::size_t>(width) <= tokens.size(); ++first) {
                std::string gram = tokens[first];
                for (std::size_t next = 1; next < static_cast<std::size_t>(width); ++next) {
                    gram += " " + tokens[first + next];
                }
                found.push_back(gram);
            }
        }
        return found;
    }

private:
    static bool is_blank(char one) { return one == ' ' || (one >= '\t' && one <= '\r'); }

    static std::vector<std::string> words(const std::string& text)
    {
        std::vector<std::string> found;
        bool inside = false;
        for (char one : text) {
            if (!is_blank(one)) {
                if (!inside) {
                    found.emplace_back();
                }
                found.back() += one;
            }
            inside = !is_blank(one);
        }
        return found;
    }

    /// How many bytes from a place are the beginning of one UTF-8 character, and whether they are all of it.
    static std::size_t length_of_character(const std::string& text, std::size_t place, bool& whole)
    {
        const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
        const unsigned char first = byte(place);
        const std::size_t wanted = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3
            : first < 0xF5 ? 4 : 0;
        std::size_t length = 1;
        for (; length < wanted && place + length < text.size(); ++length) {
            const unsigned char low = length > 1 ? 0x80 : first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
            const unsigned char high = length > 1 ? 0xBF : first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
            if (byte(place + length) < low || byte(place + length) > high) {
                break;
            }
        }
        whole = length == wanted;
        return length;
    }

    static bool is_noncharacter(const std::string& one)
    {
        const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(one[at]); };
        if (one.size() < 3) {
            return false;
        }
        const std::size_t last = one.size() - 1;
        const bool ends_plane = byte(last) >= 0xBE && byte(last - 1) == 0xBF
            && (one.size() == 3 ? byte(0) == 0xEF : (byte(1) & 0x0F) == 0x0F);
        return ends_plane || (byte(0) == 0xEF && byte(1) == 0xB7 && byte(2) >= 0x90 && byte(2) < 0xB0);
    }

    /// Code points; what is no UTF-8 becomes U+FFFD, one for each maximal part of a character.
    std::vector<std::string> characters(const std::string& text) const
    {
        std::vector<std::string> found;
        for (std::size_t place = 0; place < text.size();) {
            bool whole = false;
            const std::size_t length = length_of_character(text, place, whole);
            const std::string one = text.substr(place, length);
            found.push_back(whole && (keeps_noncharacters || !is_noncharacter(one)) ? one : "\xEF\xBF\xBD");
            place += length;
        }
        return found;
    }
};

/// The indices of the tokens of each text.
using Rows_of_ids = std::vector<std::vector<std::int64_t>>;

inline Rows_of_ids rows_of(const Array<std::string>& texts, const Tokenizer& tokenizer, const Lookup<std::string>& lookup)
{
    Rows_of_ids rows;
    for (const std::string& text : texts.values) {
        rows.emplace_back();
        for (const std::string& token : tokenizer.tokens(text)) {
            rows.back().push_back(lookup.find(token));
        }
    }
    return rows;
}

/// Texts are (batch,) or (batch, 1).
inline std::vector<int> batch_of(const Array<std::string>& texts)
{
    if (texts.shape.size() < 2) {
        return texts.shape;
    }
    if (texts.shape.back() != 1) {
        throw Mismatch("texts have shape " + to_text(texts.shape) + "; to be split, they are (batch) or (batch, 1)");
    }
    return std::vector<int>(texts.shape.begin(), texts.shape.end() - 1);
}

/// Indices of tokens, filled up with 0 to `length`, or to the longest text where that is -1.
inline Array<std::int64_t> ids_of_texts(
    const Array<std::string>& texts, const Tokenizer& tokenizer, const Lookup<std::string>& lookup, int length)
{
    const Rows_of_ids rows = rows_of(texts, tokenizer, lookup);
    std::size_t width = length < 0 ? 0 : static_cast<std::size_t>(length);
    for (const auto& row : rows) {
        width = length < 0 ? (std::max)(width, row.size()) : width;
    }
    Array<std::int64_t> ids{batch_of(texts), std::vector<std::int64_t>(rows.size() * width)};
    ids.shape.push_back(static_cast<int>(width));
    for (std::size_t place = 0; place < rows.size(); ++place) {
        const std::size_t kept = (std::min)(width, rows[place].size());
        std::copy(rows[place].begin(), rows[place].begin() + static_cast<std::ptrdiff_t>(kept),
            ids.values.begin() + static_cast<std::ptrdiff_t>(place * width));
    }
    return ids;
}

/// How often each token stands in each text, or whether it does.
template <typename T>
Array<T> counts_of_texts(const Array<std::string>& texts, const Tokenizer& tokenizer,
    const Lookup<std::string>& lookup, Mode mode, int depth)
{
    const Rows_of_ids rows = rows_of(texts, tokenizer, lookup);
    Array<T> counts{batch_of(texts), {}};
    counts.shape.push_back(depth);
    for (const auto& row : rows) {
        // A text without tokens has an axis without steps, which counts nothing.
        const Array<std::int64_t> ids{{static_cast<int>(row.size())}, row};
        const Array<T> found = counted<T>(ids, mode, depth);
        counts.values.insert(counts.values.end(), found.values.begin(), found.values.end());
    }
    return counts;
}

/// Each string a token, or the n-grams of those along the last axis.
inline Array<std::string> tokens_of_axis(const Array<std::string>& texts, const Tokenizer& tokenizer)
{
    Array<std::string> tokens{texts.shape, {}};
    const std::size_t width = static_cast<std::size_t>(texts.shape.back());
    for (std::size_t first = 0; first < texts.values.size(); first += width) {
        std::vector<std::string> row;
        for (std::size_t place = first; place < first + width; ++place) {
            row.push_back(tokenizer.standardized(texts.values[place]));
        }
        const std::vector<std::string> joined = tokenizer.joined(row);
        tokens.shape.back() = static_cast<int>(joined.size());
        tokens.values.insert(tokens.values.end(), joined.begin(), joined.end());
    }
    return tokens;
}

/// The last axis cut, or filled up with 0.
inline Array<std::int64_t> fitted(const Array<std::int64_t>& ids, int length)
{
    Array<std::int64_t> found{ids.shape, {}};
    const std::size_t width = static_cast<std::size_t>(ids.shape.back()), wanted = static_cast<std::size_t>(length);
    found.shape.back() = length;
    found.values.resize(count_of(found.shape));
    for (std::size_t place = 0; place < found.values.size(); ++place) {
        const std::size_t step = place % wanted;
        found.values[place] = step < width ? ids.values[place / wanted * width + step] : 0;
    }
    return found;
}

} // namespace detail
