namespace detail {

/// The index that Keras gives to what shall appear in no count.
const std::int64_t dropped = INT64_MAX;

enum class Mode { as_int, one_hot, multi_hot, count };

inline std::int64_t to_int64(double value)
{
    if (!(std::fabs(value) < 9223372036854775808.0)) {
        throw Mismatch(number_to_text(value) + " is no int64: give finite numbers below 2^63");
    }
    return static_cast<std::int64_t>(value);
}

inline std::int64_t to_int64(float value)
{
    return to_int64(static_cast<double>(value));
}

template <typename T>
std::int64_t to_int64(T value)
{
    return static_cast<std::int64_t>(value);
}

/// Whole numbers as TensorFlow casts them: fractions towards zero.
template <typename T>
Array<std::int64_t> to_integers(const Array<T>& array)
{
    Array<std::int64_t> found{array.shape, {}};
    for (const T value : array.values) {
        found.values.push_back(to_int64(value));
    }
    return found;
}

/// One row of `depth` for each index, with 1 at the index; in the place of a last axis of 1 if there is one.
template <typename T>
Array<T> one_hot(const Array<std::int64_t>& ids, std::int64_t depth)
{
    Array<T> hot{ids.shape, std::vector<T>(ids.values.size() * static_cast<std::size_t>(depth))};
    if (hot.shape.size() > 1 && hot.shape.back() == 1) {
        hot.shape.pop_back();
    }
    hot.shape.push_back(static_cast<int>(depth));
    for (std::size_t place = 0; place < ids.values.size(); ++place) {
        if (ids.values[place] >= 0 && ids.values[place] < depth) {
            hot.values[place * static_cast<std::size_t>(depth) + static_cast<std::size_t>(ids.values[place])] = T(1);
        }
    }
    return hot;
}

/// How often each index stands along an axis: the last one, and axis 1 where there are more than two, as in Keras.
template <typename T>
Array<T> counted(const Array<std::int64_t>& ids, Mode mode, std::int64_t depth)
{
    const std::size_t rank = ids.shape.size(), axis = rank > 2 ? 1 : rank - 1;
    std::size_t outer = 1, inner = 1;
    Array<T> counts;
    for (std::size_t at = 0; at < rank; ++at) {
        (at < axis ? outer : inner) *= at == axis ? 1 : static_cast<std::size_t>(ids.shape[at]);
        if (at != axis) {
            counts.shape.push_back(ids.shape[at]);
        }
    }
    counts.shape.push_back(static_cast<int>(depth));
    counts.values.resize(outer * inner * static_cast<std::size_t>(depth));
    const std::size_t steps = static_cast<std::size_t>(ids.shape[axis]);
    for (std::size_t place = 0; place < ids.values.size(); ++place) {
        const std::int64_t id = ids.values[place];
        if (id < 0 && rank <= 2) {
            throw Mismatch(number_to_text(id) + " is negative and cannot be counted: give indices from 0 on");
        }
        if (id >= 0 && id < depth) {
            const std::size_t row = place / (steps * inner) * inner + place % inner;
            T& cell = counts.values[row * static_cast<std::size_t>(depth) + static_cast<std::size_t>(id)];
            cell = mode == Mode::multi_hot ? T(1) : static_cast<T>(cell + 1);
        }
    }
    return counts;
}

/// Indices as an output mode says. Those from `depth` on appear in no count.
template <typename T>
Array<T> encoded(const Array<std::int64_t>& ids, Mode mode, std::int64_t depth)
{
    if (mode == Mode::one_hot) {
        return one_hot<T>(ids, depth);
    }
    if (mode != Mode::as_int) {
        return counted<T>(ids, mode, depth);
    }
    Array<T> found{ids.shape, {}};
    for (const std::int64_t id : ids.values) {
        found.values.push_back(static_cast<T>(id));
    }
    return found;
}

/// Rows of counts times the weight of each column.
template <typename T, std::size_t Depth>
Array<T> weighed(const Array<std::int64_t>& counts, const T (&weights)[Depth])
{
    Array<T> found{counts.shape, {}};
    for (std::size_t place = 0; place < counts.values.size(); ++place) {
        found.values.push_back(static_cast<T>(counts.values[place]) * weights[place % Depth]);
    }
    return found;
}

/// The number of boundaries that are not above a value, all as float32; what is below the least normal number is zero.
template <typename T>
Array<std::int64_t> discretized(const Array<T>& array, const float* boundaries, std::size_t count)
{
    Array<std::int64_t> bins{array.shape, {}};
    for (const T value : array.values) {
        const float given = static_cast<float>(value);
        const float single = std::fabs(given) < FLT_MIN ? 0.0f : given;
        bins.values.push_back(std::upper_bound(boundaries, boundaries + count, single) - boundaries);
    }
    return bins;
}

} // namespace detail
