namespace detail {

/// FarmHash's Fingerprint64 (farmhashna), behind tf.strings.to_hash_bucket_fast: https://github.com/google/farmhash.
class Fingerprint {
public:
    static std::uint64_t of(const std::string& text) { return Fingerprint(text).value(); }

private:
    static const std::uint64_t k0 = 0xC3A5C85C97CB3127u, k1 = 0xB492B66FBE98F273u, k2 = 0x9AE16A3B2F90404Fu;

    struct Pair {
        std::uint64_t first, second;
    };

    const std::string& text;
    const std::size_t length;

    explicit Fingerprint(const std::string& text) : text(text), length(text.size()) {}

    std::uint64_t word(std::size_t place, std::size_t bytes = 8) const
    {
        std::uint64_t found = 0;
        for (std::size_t at = bytes; at-- > 0;) {
            found = found << 8 | static_cast<unsigned char>(text[place + at]);
        }
        return found;
    }

    static std::uint64_t rotated(std::uint64_t word, int bits) { return word >> bits | word << (64 - bits); }
    static std::uint64_t mixed(std::uint64_t word) { return word ^ word >> 47; }

    static std::uint64_t joined(std::uint64_t first, std::uint64_t second, std::uint64_t factor)
    {
        return mixed((second ^ mixed((first ^ second) * factor)) * factor) * factor;
    }

    std::uint64_t value() const
    {
        return length <= 16 ? to_16() : length <= 32 ? to_32() : length <= 64 ? to_64() : beyond_64();
    }

    std::uint64_t to_16() const
    {
        const std::uint64_t factor = k2 + 2 * length;
        if (length >= 8) {
            const std::uint64_t a = word(0) + k2, b = word(length - 8);
            return joined(rotated(b, 37) * factor + a, (rotated(a, 25) + b) * factor, factor);
        }
        if (length >= 4) {
            return joined(length + (word(0, 4) << 3), word(length - 4, 4), factor);
        }
        if (length > 0) {
            const std::uint64_t y = word(0, 1) + (word(length / 2, 1) << 8), z = length + (word(length - 1, 1) << 2);
            return mixed(y * k2 ^ z * k0) * k2;
        }
        return k2;
    }

    std::uint64_t to_32() const
    {
        const std::uint64_t factor = k2 + 2 * length;
        const std::uint64_t a = word(0) * k1, b = word(8), c = word(length - 8) * factor, d = word(length - 16) * k2;
        return joined(rotated(a + b, 43) + rotated(c, 30) + d, a + rotated(b + k2, 18) + c, factor);
    }

    std::uint64_t to_64() const
    {
        const std::uint64_t factor = k2 + 2 * length;
        const std::uint64_t a = word(0) * k2, b = word(8), c = word(length - 8) * factor, d = word(length - 16) * k2;
        const std::uint64_t y = rotated(a + b, 43) + rotated(c, 30) + d;
        const std::uint64_t z = joined(y, a + rotated(b + k2, 18) + c, factor);
        const std::uint64_t e = word(16) * factor, f = word(24);
        const std::uint64_t g = (y + word(length - 32)) * factor, h = (z + word(length - 24)) * factor;
        return joined(rotated(e + f, 43) + rotated(g, 30) + h, e + rotated(f + a, 18) + g, factor);
    }

    Pair weak(std::size_t place, std::uint64_t a, std::uint64_t b) const
    {
        a += word(place);
        b = rotated(b + a + word(place + 24), 21);
        const std::uint64_t sum = a + word(place + 8) + word(place + 16);
        return {sum + word(place + 24), b + rotated(sum, 44) + a};
    }

    std::uint64_t beyond_64() const
    {
        std::uint64_t x = 81 * k2 + word(0), y = 81 * k1 + 113, z = mixed(y * k2 + 113) * k2;
        Pair v{0, 0}, w{0, 0};
        const auto step = [&](std::size_t place, std::uint64_t factor, std::uint64_t nines) {
            x = rotated(x + y + v.first + word(place + 8), 37) * factor;
            y = rotated(y + v.second + word(place + 48), 42) * factor;
            x ^= w.second * nines;
            y += v.first * nines + word(place + 40);
            z = rotated(z + w.first, 33) * factor;
            v = weak(place, v.second * factor, x + w.first);
            w = weak(place + 32, z + w.second, y + word(place + 16));
            std::swap(x, z);
        };
        for (std::size_t place = 0; place < (length - 1) / 64 * 64; place += 64) {
            step(place, k1, 1);
        }
        const std::uint64_t factor = k1 + ((z & 0xFF) << 1);
        w.first += (length - 1) % 64;
        v.first += w.first;
        w.first += v.first;
        step(length - 64, factor, 9);
        return joined(joined(v.first, w.first, factor) + mixed(y) * k0 + z, joined(v.second, w.second, factor) + x,
            factor);
    }
};

/// SipHash-2-4 under a key of two words (Aumasson and Bernstein, 2012), behind tf.strings.to_hash_bucket_strong.
class SipHash {
public:
    static std::uint64_t of(const std::string& text, std::uint64_t first, std::uint64_t second)
    {
        SipHash hash(first, second);
        std::uint64_t word = 0;
        for (std::size_t place = 0; place < text.size(); ++place) {
            word |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[place])) << (8 * (place % 8));
            if (place % 8 == 7) {
                hash.add(word);
                word = 0;
            }
        }
        hash.add(word | static_cast<std::uint64_t>(text.size()) << 56);
        hash.v2 ^= 0xFF;
        hash.rounds(4);
        return hash.v0 ^ hash.v1 ^ hash.v2 ^ hash.v3;
    }

private:
    std::uint64_t v0, v1, v2, v3;

    SipHash(std::uint64_t first, std::uint64_t second)
        : v0(first ^ 0x736F6D6570736575u), v1(second ^ 0x646F72616E646F6Du), v2(first ^ 0x6C7967656E657261u),
          v3(second ^ 0x7465646279746573u)
    {
    }

    static std::uint64_t rotated(std::uint64_t word, int bits) { return word << bits | word >> (64 - bits); }

    void rounds(int count)
    {
        for (int i = 0; i < count; ++i) {
            v0 += v1;
            v2 += v3;
            v1 = rotated(v1, 13) ^ v0;
            v3 = rotated(v3, 16) ^ v2;
            v0 = rotated(v0, 32) + v3;
            v2 += v1;
            v1 = rotated(v1, 17) ^ v2;
            v3 = rotated(v3, 21) ^ v0;
            v2 = rotated(v2, 32);
        }
    }

    void add(std::uint64_t word)
    {
        v3 ^= word;
        rounds(2);
        v0 ^= word;
    }
};

inline std::int64_t farm_bin(const std::string& text, std::uint64_t bins)
{
    return static_cast<std::int64_t>(Fingerprint::of(text) % bins);
}

inline std::int64_t sip_bin(const std::string& text, std::uint64_t bins, std::uint64_t first, std::uint64_t second)
{
    return static_cast<std::int64_t>(SipHash::of(text, first, second) % bins);
}

/// What is hashed of a value: a string itself, numbers by their decimal digits, floats cut to whole ones.
inline std::string key_of(const std::string& value)
{
    return value;
}

inline std::string key_of(bool value)
{
    return value ? "true" : "false";
}

template <typename T>
std::string key_of(T value)
{
    return std::is_floating_point<T>::value ? std::to_string(to_int64(value)) : number_to_text(value);
}

template <typename T, typename Bin>
Array<std::int64_t> hashed(const Array<T>& values, Bin bin)
{
    Array<std::int64_t> bins{values.shape, {}};
    for (const T& value : values.values) {
        bins.values.push_back(bin(value));
    }
    return bins;
}

inline std::uint64_t print_of(const std::string& value)
{
    return Fingerprint::of(value);
}

template <typename T>
std::uint64_t print_of(T value)
{
    return static_cast<std::uint64_t>(to_int64(value));
}

/// TensorFlow's FingerprintCat64.
inline std::uint64_t combined(std::uint64_t first, std::uint64_t second)
{
    const std::uint64_t factor = 0xC6A4A7935BD1E995u;
    const auto mixed = [](std::uint64_t word) { return word ^ word >> 47; };
    return mixed(mixed((first ^ factor ^ mixed(second * factor) * factor) * factor) * factor);
}

/// One more feature in a crossing.
template <typename T>
void cross(std::vector<std::uint64_t>& prints, const Array<T>& feature)
{
    if (prints.size() != feature.values.size()) {
        throw Mismatch("features of different shapes cannot be crossed");
    }
    for (std::size_t place = 0; place < prints.size(); ++place) {
        prints[place] = combined(prints[place], print_of(static_cast<T>(feature.values[place])));
    }
}

inline Array<std::int64_t> crossed(
    const std::vector<int>& shape, const std::vector<std::uint64_t>& prints, std::uint64_t bins)
{
    Array<std::int64_t> found{shape, {}};
    for (const std::uint64_t print : prints) {
        found.values.push_back(static_cast<std::int64_t>(print % bins));
    }
    return found;
}

} // namespace detail
