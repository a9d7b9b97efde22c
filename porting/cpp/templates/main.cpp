// Runs the network of @NAME@.h on what Keras ran it on.
//
//     @NAME@ [FOLDER]            what it makes of the first batch, beside Keras' numbers
//     @NAME@ --check [FOLDER]    whether it gives Keras' outputs for every batch
//
// FOLDER holds @NAME@.neoml and @NAME@.references [the current folder]. Exit codes: 0 exact, 1 departs, 2 wrong usage,
// 3 files that cannot be used.

#include <cstdio>
#include <exception>
#include <iostream>
#include <limits>

#include "@NAME@.h"

namespace {

using namespace porting::@NAME@;

/// The file of references: the archive's hash, then for each batch its name, the inputs, and the outputs, each with
/// how far every value may be from it. Little-endian.
class References {
public:
    explicit References(const std::string& path) : path(path), file(path, std::ios::binary)
    {
        if (!file || text() != "porting references 1") {
            throw BadArchive(path + " holds no references");
        }
        if (text() != Net::archive_sha256()) {
            throw BadArchive(path + " is of another archive");
        }
        left = number();
    }

    bool next()
    {
        if (left == 0) {
            return false;
        }
        --left;
        name = text();
        return true;
    }

    template <typename T>
    Array<T> array()
    {
        Array<T> found;
        found.shape = shape();
        for (std::size_t i = 0, count = detail::count_of(found.shape); i < count; ++i) {
            found.values.push_back(value(static_cast<T*>(nullptr)));
        }
        return found;
    }

    std::string name;
    std::uint32_t left = 0;

private:
    std::string path;
    std::ifstream file;

    void raw(char* into, std::size_t bytes)
    {
        if (!file.read(into, static_cast<std::streamsize>(bytes))) {
            throw BadArchive(path + " ends too early");
        }
    }

    template <typename T>
    T value(T*)
    {
        T found;
        raw(reinterpret_cast<char*>(&found), sizeof(T));
        return found;
    }

    bool value(bool*) { return value(static_cast<std::uint8_t*>(nullptr)) != 0; }

    std::string value(std::string*) { return text(); }

    std::uint32_t number() { return value(static_cast<std::uint32_t*>(nullptr)); }

    std::string text()
    {
        std::string found;
        for (std::uint32_t left_of_text = number(); left_of_text > 0; --left_of_text) {
            char one = 0;
            raw(&one, 1);
            found += one;
        }
        return found;
    }

    std::vector<int> shape()
    {
        std::vector<int> found(number());
        for (int& size : found) {
            size = static_cast<int>(number());
        }
        return found;
    }
};

struct Verdict {
    int outputs = 0;
    int departing = 0;
};

/// How far two numbers are from each other; infinite where one is not finite and the other is another.
template <typename T>
double distance(T got, T want)
{
    const double a = static_cast<double>(got), b = static_cast<double>(want);
    if (got == want || (std::isnan(a) && std::isnan(b))) {
        return 0;
    }
    const double apart = std::fabs(a - b);
    return std::isfinite(apart) ? apart : std::numeric_limits<double>::infinity();
}

template <typename T>
void judge(const std::string& batch, const char* name, const Array<T>& got, References& file, Verdict& verdict)
{
    const Array<T> want = file.array<T>();
    const Array<double> allowed = file.array<double>();
    ++verdict.outputs;
    std::cout << batch << ": " << name << " ";
    if (got.shape != want.shape) {
        ++verdict.departing;
        std::cout << "DEPARTS: shape " << detail::to_text(got.shape) << " instead of "
                  << detail::to_text(want.shape) << "\n";
        return;
    }
    double largest = 0;
    bool agrees = true;
    for (std::size_t i = 0; i < want.values.size(); ++i) {
        const double apart = distance<T>(got.values[i], want.values[i]);
        largest = (std::max)(largest, apart);
        agrees = agrees && apart <= allowed.values[i];
    }
    verdict.departing += agrees ? 0 : 1;
    std::cout << (agrees ? "agrees" : "DEPARTS") << ", largest difference " << largest << "\n";
}

template <typename T>
void show(const char* name, const Array<T>& got, References& file)
{
    const Array<T> want = file.array<T>();
    file.array<double>();
    std::cout << name << " " << detail::to_text(got.shape) << "\n";
    const std::size_t shown = (std::min)(got.values.size(), static_cast<std::size_t>(8));
    std::cout << "  NeoML ";
    for (std::size_t i = 0; i < shown; ++i) {
        std::cout << " " << +got.values[i];
    }
    std::cout << "\n  Keras ";
    for (std::size_t i = 0; i < shown && i < want.values.size(); ++i) {
        std::cout << " " << +want.values[i];
    }
    std::cout << "\n";
}

Inputs read_inputs(References& file)
{
    Inputs inputs;
@READ_INPUTS@
    return inputs;
}

int check(Net& net, References& file)
{
    Verdict verdict;
    while (file.next()) {
        const Outputs outputs = net.predict(read_inputs(file));
@JUDGE@
    }
    if (verdict.outputs == 0) {
        std::cerr << "the net was stored without references: nothing is proved\n";
        return 2;
    }
    std::cout << verdict.outputs << " outputs, " << verdict.departing << " depart: "
              << (verdict.departing == 0 ? "exact\n" : "NOT exact\n");
    return verdict.departing == 0 ? 0 : 1;
}

int show_first(Net& net, References& file)
{
    if (!file.next()) {
        std::cerr << "the net was stored without references: nothing to show\n";
        return 2;
    }
    std::cout << "batch: " << file.name << "\n";
    const Outputs outputs = net.predict(read_inputs(file));
@SHOW@
    return 0;
}

} // namespace

int main(int count, char** words)
{
    const bool checks = count > 1 && std::string(words[1]) == "--check";
    const int used = checks ? 2 : 1;
    if (count > used + 1 || (count > used && words[used][0] == '-')) {
        std::cerr << "usage: @NAME@ [--check] [FOLDER]\n";
        return 2;
    }
    const std::string folder = count > used ? words[used] : ".";
    try {
        Net net(folder + "/@NAME@.neoml");
        References file(folder + "/@NAME@.references");
        std::cout.precision(std::numeric_limits<float>::max_digits10);
        return checks ? check(net, file) : show_first(net, file);
    } catch (const BadArchive& error) {
        std::cerr << error.what() << "\n";
        return 3;
    } catch (const std::exception& error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
