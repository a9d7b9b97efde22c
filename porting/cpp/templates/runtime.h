/// Inputs that the network does not take; what() names every problem, one in a line.
class Mismatch : public std::invalid_argument {
public:
    using std::invalid_argument::invalid_argument;
};

/// An archive that cannot be read, or is not the one that this header was written for.
class BadArchive : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// An array as Keras has it: the batch is the first axis, and the last axis is the fastest in `values`.
template <typename T>
struct Array {
    std::vector<int> shape;
    std::vector<T> values;
};

namespace detail {

using Problems = std::vector<std::string>;

/// A source or a sink of the net. A layout has a letter for each of Keras' axes: the dimension of NeoML's blob that
/// holds it. Sizes of -1 are open; `at_least` and `at_most` are empty where any size will do, `ids_below` is 0 for
/// what picks no rows from a table.
struct Terminal {
    const char* name;
    const char* layout;
    std::vector<int> shape;
    std::vector<int> at_least;
    std::vector<int> at_most;
    std::int64_t ids_below;
};

inline void raise_if_any(const Problems& problems)
{
    if (problems.empty()) {
        return;
    }
    std::string text = problems[0];
    for (std::size_t i = 1; i < problems.size(); ++i) {
        text += "\n" + problems[i];
    }
    throw Mismatch(text);
}

inline std::string to_text(const std::vector<int>& shape)
{
    std::string text;
    for (int size : shape) {
        text += (text.empty() ? "" : ", ") + (size < 0 ? std::string("any") : std::to_string(size));
    }
    return "(" + text + ")";
}

template <typename T>
std::string number_to_text(T value)
{
    std::ostringstream text;
    text << +value;
    return text.str();
}

inline std::string input_named(const char* name)
{
    return "input '" + std::string(name) + "' ";
}

inline std::size_t count_of(const std::vector<int>& shape)
{
    std::size_t count = 1;
    for (int size : shape) {
        count *= static_cast<std::size_t>(size);
    }
    return count;
}

/// Whether a shape has no size below 1, and fewer elements than NeoML can count.
inline bool is_countable(const std::vector<int>& shape)
{
    std::int64_t count = 1;
    for (int size : shape) {
        if (size < 1 || (count *= size) > INT_MAX) {
            return false;
        }
    }
    return true;
}

inline bool fits(const std::vector<int>& shape, const std::vector<int>& wanted)
{
    if (shape.size() != wanted.size()) {
        return false;
    }
    for (std::size_t axis = 1; axis < shape.size(); ++axis) {
        if (wanted[axis] >= 0 && shape[axis] != wanted[axis]) {
            return false;
        }
    }
    return true;
}

template <typename T>
void check_shape(const char* name, const Array<T>& array, const std::vector<int>& wanted, Problems& problems)
{
    const std::string has = input_named(name) + "has shape " + to_text(array.shape);
    if (!fits(array.shape, wanted)) {
        problems.push_back(has + ", needs " + to_text(wanted));
    } else if (!is_countable(array.shape)) {
        problems.push_back(has + ": every size must be at least 1, and NeoML counts elements in 31 bits");
    } else if (array.values.size() != count_of(array.shape)) {
        problems.push_back(has + ", which is not that of its " + std::to_string(array.values.size()) + " values");
    }
}

/// Each size within what the net can be run on.
template <typename T>
void check_sizes(const Terminal& source, const Array<T>& array, Problems& problems)
{
    for (std::size_t axis = 0; axis < array.shape.size(); ++axis) {
        const std::string has = input_named(source.name) + "has shape " + to_text(array.shape) + ": ";
        const std::string of_axis = "axis " + std::to_string(axis);
        if (!source.at_least.empty() && array.shape[axis] < source.at_least[axis]) {
            problems.push_back(has + of_axis + " needs a size of at least " + std::to_string(source.at_least[axis]));
        }
        if (!source.at_most.empty() && source.at_most[axis] >= 0 && array.shape[axis] > source.at_most[axis]) {
            problems.push_back(
                has + "tables hold " + std::to_string(source.at_most[axis]) + " steps of " + of_axis);
        }
    }
}

/// Finite numbers, whole ones within int32, and ids within their table: NeoML looks at none of these.
template <typename T>
void check_values(const Terminal& source, const Array<T>& array, Problems& problems)
{
    const std::string has = input_named(source.name) + "holds ";
    for (const T value : array.values) {
        const double number = static_cast<double>(value);
        if (!std::isfinite(number)) {
            return problems.push_back(has + number_to_text(value) + ": give finite numbers");
        }
        if (source.ids_below != 0 && !(number > -1 && number < static_cast<double>(source.ids_below))) {
            return problems.push_back(
                has + "id " + number_to_text(value) + ", outside 0 ... " + std::to_string(source.ids_below - 1));
        }
        if (std::is_integral<T>::value && (number < INT_MIN || number > INT_MAX)) {
            return problems.push_back(has + number_to_text(value) + "; whole numbers of NeoML are int32");
        }
    }
}

/// Everything that is looked at before the net is given a source.
template <typename T>
void check_source(const Terminal& source, const Array<T>& array, Problems& problems)
{
    const std::size_t before = problems.size();
    check_shape(source.name, array, source.shape, problems);
    if (problems.size() == before) {
        check_sizes(source, array, problems);
        check_values(source, array, problems);
    }
}

struct Rows {
    const char* input;
    int count;
};

/// One number of rows in all inputs.
inline void check_batch(const std::vector<Rows>& rows, Problems& problems)
{
    std::string counts;
    bool differ = false;
    for (const Rows& one : rows) {
        differ = differ || one.count != rows[0].count;
        counts += (counts.empty() ? "" : ", ") + std::string(one.input) + ": " + std::to_string(one.count);
    }
    if (differ) {
        problems.push_back("inputs have different numbers of rows: " + counts);
    }
}

/// The place of a letter of a layout among a blob's dimensions. Their memory is row-major in this order, so the
/// batch length, which holds the steps of recurrent layers, comes before the batch: time first.
inline int dimension_of(char letter)
{
    static const char letters[] = "LBSHWDC";
    return static_cast<int>(std::strchr(letters, letter) - letters);
}

/// Calls `visit(place in Keras' order, place in the blob's memory)` for every element.
template <typename Visit>
void for_each_element(const char* layout, const std::vector<int>& shape, Visit visit)
{
    std::vector<std::size_t> strides(shape.size(), 1);
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        for (std::size_t other = 0; other < shape.size(); ++other) {
            if (dimension_of(layout[other]) > dimension_of(layout[axis])) {
                strides[axis] *= static_cast<std::size_t>(shape[other]);
            }
        }
    }
    std::vector<int> at(shape.size(), 0);
    std::size_t place = 0;
    for (std::size_t element = 0, count = count_of(shape); element < count; ++element) {
        visit(element, place);
        for (std::size_t axis = shape.size(); axis-- > 0;) {
            place += strides[axis];
            if (++at[axis] < shape[axis]) {
                break;
            }
            place -= strides[axis] * static_cast<std::size_t>(shape[axis]);
            at[axis] = 0;
        }
    }
}

/// Gives an array to a source as a blob of floats or ints. An input that no output reads has no layer.
template <typename Stored, typename T>
void feed(NeoML::CDnn& dnn, const Terminal& source, const Array<T>& array)
{
    if (!dnn.HasLayer(source.name)) {
        return;
    }
    int sizes[] = {1, 1, 1, 1, 1, 1, 1};
    for (std::size_t axis = 0; axis < array.shape.size(); ++axis) {
        sizes[dimension_of(source.layout[axis])] = array.shape[axis];
    }
    std::vector<Stored> stored(array.values.size());
    for_each_element(source.layout, array.shape, [&](std::size_t element, std::size_t place) {
        stored[place] = static_cast<Stored>(array.values[element]);
    });
    CPtr<NeoML::CDnnBlob> blob = NeoML::CDnnBlob::CreateTensor(dnn.GetMathEngine(),
        NeoML::CBlobType<Stored>::GetType(), {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6]});
    blob->CopyFrom(stored.data());
    CheckCast<NeoML::CSourceLayer>(dnn.GetLayer(source.name).Ptr())->SetBlob(blob);
}

inline CPtr<NeoML::CDnnBlob> blob_of(NeoML::CDnn& dnn, const Terminal& sink)
{
    return CheckCast<NeoML::CSinkLayer>(dnn.GetLayer(sink.name).Ptr())->GetBlob();
}

/// What a run left in a sink, in Keras' order.
template <typename Stored, typename T>
Array<T> read(NeoML::CDnn& dnn, const Terminal& sink)
{
    const CPtr<NeoML::CDnnBlob> blob = blob_of(dnn, sink);
    std::vector<Stored> stored(static_cast<std::size_t>(blob->GetDataSize()));
    blob->CopyTo(stored.data());
    Array<T> array;
    for (const char* letter = sink.layout; *letter != '\0'; ++letter) {
        array.shape.push_back(blob->DimSize(dimension_of(*letter)));
    }
    if (count_of(array.shape) != stored.size()) {
        throw BadArchive("the sink '" + std::string(sink.name) + "' has more axes than its layout");
    }
    array.values.resize(stored.size());
    for_each_element(sink.layout, array.shape, [&](std::size_t element, std::size_t place) {
        array.values[element] = static_cast<T>(stored[place]);
    });
    return array;
}

/// What `ids_below` of a guard says where the numbers are no ids.
constexpr std::int64_t beyond_int32 = std::int64_t{1} << 31;

/// Refuses a run in which the net computed ids outside their table, or whole numbers that int32 does not hold.
inline void check_guard(NeoML::CDnn& dnn, const Terminal& guard, Problems& problems)
{
    const CPtr<NeoML::CDnnBlob> blob = blob_of(dnn, guard);
    std::vector<float> outside(static_cast<std::size_t>(blob->GetDataSize()));
    blob->CopyTo(outside.data());
    const std::ptrdiff_t count = std::count_if(outside.begin(), outside.end(), [](float one) { return one != 0; });
    if (count != 0) {
        const std::string limit = guard.ids_below == beyond_int32
            ? " of the whole numbers that the network computes are beyond int32"
            : " of the ids that the network computes are outside 0 ... " + std::to_string(guard.ids_below - 1);
        problems.push_back("'" + std::string(guard.name) + "': " + std::to_string(count) + limit);
    }
}

/// The SHA-256 of a stream (FIPS 180-4). NeoML's loader can be crashed by one flipped bit, so no archive is loaded
/// whose hash is another than that of the archive that was proved.
class Sha256 {
public:
    static std::string of(std::istream& stream)
    {
        Sha256 hash;
        std::uint8_t block[64];
        std::uint64_t length = 0;
        std::size_t count = 0;
        do {
            stream.read(reinterpret_cast<char*>(block), sizeof(block));
            count = static_cast<std::size_t>(stream.gcount());
            length += count;
            if (count == sizeof(block)) {
                hash.add(block);
            }
        } while (count == sizeof(block));
        hash.finish(block, count, length);
        return hash.text();
    }

private:
    std::uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
        0x5be0cd19};

    static std::uint32_t rotated(std::uint32_t word, int bits) { return (word >> bits) | (word << (32 - bits)); }

    static const std::uint32_t* constants()
    {
        static const std::uint32_t k[64] = {
            0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
            0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
            0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
            0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
            0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
            0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
            0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
            0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
        return k;
    }

    void add(const std::uint8_t* block)
    {
        std::uint32_t w[64];
        for (int i = 0; i < 16; ++i) {
            w[i] = static_cast<std::uint32_t>(block[4 * i]) << 24 | static_cast<std::uint32_t>(block[4 * i + 1]) << 16
                | static_cast<std::uint32_t>(block[4 * i + 2]) << 8 | block[4 * i + 3];
        }
        for (int i = 16; i < 64; ++i) {
            const std::uint32_t s0 = rotated(w[i - 15], 7) ^ rotated(w[i - 15], 18) ^ (w[i - 15] >> 3);
            const std::uint32_t s1 = rotated(w[i - 2], 17) ^ rotated(w[i - 2], 19) ^ (w[i - 2] >> 10);
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        std::uint32_t v[8];
        std::copy(state, state + 8, v);
        for (int i = 0; i < 64; ++i) {
            const std::uint32_t s1 = rotated(v[4], 6) ^ rotated(v[4], 11) ^ rotated(v[4], 25);
            const std::uint32_t first = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants()[i] + w[i];
            const std::uint32_t s0 = rotated(v[0], 2) ^ rotated(v[0], 13) ^ rotated(v[0], 22);
            const std::uint32_t second = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            std::copy_backward(v, v + 7, v + 8);
            v[4] += first;
            v[0] = first + second;
        }
        for (int i = 0; i < 8; ++i) {
            state[i] += v[i];
        }
    }

    void finish(std::uint8_t* block, std::size_t count, std::uint64_t length)
    {
        block[count++] = 0x80;
        std::fill(block + count, block + 64, std::uint8_t(0));
        if (count > 56) {
            add(block);
            std::fill(block, block + 64, std::uint8_t(0));
        }
        for (int i = 0; i < 8; ++i) {
            block[56 + i] = static_cast<std::uint8_t>(8 * length >> (56 - 8 * i));
        }
        add(block);
    }

    std::string text() const
    {
        static const char digits[] = "0123456789abcdef";
        std::string found;
        for (std::uint32_t word : state) {
            for (int shift = 28; shift >= 0; shift -= 4) {
                found += digits[word >> shift & 15];
            }
        }
        return found;
    }
};

inline void check_archive(const std::string& path, const char* sha256)
{
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw BadArchive(path + " cannot be opened");
    }
    if (Sha256::of(file) != sha256) {
        throw BadArchive(path + " is not the archive that this header was written for: its sha256 differs");
    }
}

} // namespace detail
