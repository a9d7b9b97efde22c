namespace detail {

/// A string of bytes; it may hold zeros.
struct Word {
    const char* text;
    std::size_t length;

    operator std::string() const { return std::string(text, length); }
};

/// The index of each token, as Keras' StringLookup and IntegerLookup give them.
///
/// `unknown` is the first index of tokens that are not in the table, and `unknowns` how many there are.
template <typename Token>
class Lookup {
public:
    template <typename Stored>
    Lookup(const Stored* tokens, std::size_t count, std::int64_t unknown, std::int64_t unknowns)
        : unknown(unknown), unknowns(unknowns)
    {
        for (std::size_t place = 0; place < count; ++place) {
            ids[tokens[place]] = unknown + unknowns + static_cast<std::int64_t>(place);
        }
    }

    Lookup& with(const Token& token, std::int64_t id)
    {
        ids[token] = id;
        return *this;
    }

    /// The index of a token; `bin` gives the one of several that an unknown token falls into.
    template <typename Bin>
    std::int64_t find(const Token& token, Bin bin) const
    {
        const auto found = ids.find(token);
        if (found != ids.end()) {
            return found->second;
        }
        if (unknowns == 0) {
            std::ostringstream text;
            text << "'" << token << "' is not in the vocabulary, and the network has no index for unknown values";
            throw Mismatch(text.str());
        }
        return unknowns == 1 ? unknown : unknown + bin(token);
    }

    /// The index of a token where all unknown ones share one.
    std::int64_t find(const Token& token) const
    {
        return find(token, [](const Token&) { return std::int64_t(0); });
    }

private:
    std::int64_t unknown;
    std::int64_t unknowns;
    std::unordered_map<Token, std::int64_t> ids;
};

template <typename Token, typename Find>
Array<std::int64_t> looked_up(const Array<Token>& tokens, Find find)
{
    Array<std::int64_t> ids{tokens.shape, {}};
    for (const Token& token : tokens.values) {
        ids.values.push_back(find(token));
    }
    return ids;
}

} // namespace detail
