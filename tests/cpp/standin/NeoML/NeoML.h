// A stand-in for the part of NeoML 2.0.210 that porting's programs use, for tests on machines without NeoML.
//
// It has NeoML's names, signatures and rules of use, and computes nothing: a run is looked up among recorded ones, by
// the exact blobs that every source was given (type, seven dimensions, every bit), and leaves the recorded blobs in
// the sinks. What NeoML asserts is asserted here, and what it would take without a word (a source without a blob, a
// net run again after a refusal, an object that is never freed) as well.
//
// The recorded runs are in the file that the environment variable STANDIN_RUNS names; test_cpp.py writes it.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <map>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace FObj {

inline void standin_assert(bool condition, const std::string& what)
{
    if (!condition) {
        throw std::logic_error("stand-in: " + what);
    }
}

class IObject {
public:
    IObject() { ++Alive().count; }
    IObject(const IObject&) = delete;
    IObject& operator=(const IObject&) = delete;

protected:
    virtual ~IObject() { --Alive().count; }

private:
    // Objects are counted, and all must be gone at the end.
    struct CAlive {
        int count = 0;

        ~CAlive()
        {
            if (count != 0) {
                std::fprintf(stderr, "stand-in: %d objects were never freed\n", count);
                std::_Exit(97);
            }
        }
    };

    static CAlive& Alive()
    {
        static CAlive alive;
        return alive;
    }

    int refCounter = 0;

    void addRef() { ++refCounter; }

    void release()
    {
        if (--refCounter == 0) {
            delete this;
        }
    }

    template <class T>
    friend class CPtr;
};

template <class T>
class CPtr final {
public:
    CPtr() = default;
    CPtr(T* other) : ptr(other) { hold(); }
    CPtr(const CPtr<T>& other) : CPtr(other.Ptr()) {}
    CPtr(CPtr<T>&& other) { Swap(other); }
    ~CPtr() { Release(); }

    void Release()
    {
        IObject* old = ptr;
        ptr = nullptr;
        if (old != nullptr) {
            old->release();
        }
    }

    T& operator*() const { return *operator->(); }

    T* operator->() const
    {
        standin_assert(ptr != nullptr, "a null CPtr is used");
        return ptr;
    }

    operator T*() const { return ptr; }
    T* Ptr() const { return ptr; }

    const CPtr<T>& operator=(CPtr<T> other)
    {
        Swap(other);
        return *this;
    }

    void Swap(CPtr<T>& other) { std::swap(ptr, other.ptr); }

private:
    T* ptr = nullptr;

    void hold()
    {
        IObject* object = ptr;
        if (object != nullptr) {
            object->addRef();
        }
    }
};

template <typename TDest, typename TSrc>
inline TDest* CheckCast(TSrc* ptr)
{
    TDest* ret = dynamic_cast<TDest*>(ptr);
    standin_assert(ret != nullptr, "a layer is not there, or is of another class");
    return ret;
}

class CBaseFile {
public:
    virtual ~CBaseFile() = default;
    virtual int Read(void* buffer, int bytesCount) = 0;
};

class CArchive {
public:
    enum TDirection { SD_Undefined, SD_Loading, SD_Storing, load = SD_Loading, store = SD_Storing };

    CArchive(CBaseFile* baseFile, TDirection direction) : file(baseFile), direction(direction)
    {
        standin_assert(baseFile != nullptr, "an archive without a file");
    }
    virtual ~CArchive() = default;

    bool IsLoading() const { return direction == SD_Loading; }
    bool IsStoring() const { return direction == SD_Storing; }

    void Read(void* ptr, int size) { standin_assert(file->Read(ptr, size) == size, "the archive ends too early"); }

private:
    CBaseFile* file;
    TDirection direction;
};

} // namespace FObj

using namespace FObj;

namespace NeoML {

enum TBlobType { CT_Invalid = 0, CT_Float, CT_Int };

enum TBlobDim { BD_BatchLength = 0, BD_BatchWidth, BD_ListSize, BD_Height, BD_Width, BD_Depth, BD_Channels, BD_Count };

template <class T>
struct CBlobType {
    static TBlobType GetType() { return CT_Invalid; }
};

template <>
struct CBlobType<float> {
    static TBlobType GetType() { return CT_Float; }
};

template <>
struct CBlobType<int> {
    static TBlobType GetType() { return CT_Int; }
};

class IMathEngine {
public:
    virtual ~IMathEngine() = default;
};

inline IMathEngine& GetDefaultCpuMathEngine()
{
    static IMathEngine engine;
    return engine;
}

class CDnnBlob : public IObject {
public:
    static CDnnBlob* CreateTensor(IMathEngine& mathEngine, TBlobType type, std::initializer_list<int> dimensions)
    {
        standin_assert(type == CT_Float || type == CT_Int, "a blob of an invalid type");
        standin_assert(dimensions.size() <= BD_Count, "a blob has seven dimensions");
        // NeoML divides by the sizes, and counts elements in an int.
        long long count = 1;
        for (int size : dimensions) {
            count *= size;
            standin_assert(size > 0 && count <= 0x7FFFFFFF, "a blob of no elements, or of too many");
        }
        CDnnBlob* blob = new CDnnBlob(mathEngine, type);
        std::copy(dimensions.begin(), dimensions.end(), blob->sizes);
        blob->bytes.resize(sizeof(float) * static_cast<std::size_t>(count));
        return blob;
    }

    int DimSize(int d) const { return sizes[d]; }
    int DimSize(TBlobDim d) const { return sizes[d]; }
    TBlobType GetDataType() const { return type; }
    IMathEngine& GetMathEngine() const { return mathEngine; }

    int GetDataSize() const
    {
        int size = 1;
        for (int one : sizes) {
            size *= one;
        }
        return size;
    }

    template <class T = float>
    void CopyFrom(const T* src)
    {
        standin_assert(type == CBlobType<T>::GetType(), "data of another type than the blob's");
        std::memcpy(bytes.data(), src, bytes.size());
    }

    template <class T = float>
    void CopyTo(T* dst) const
    {
        standin_assert(type == CBlobType<T>::GetType(), "data of another type than the blob's");
        std::memcpy(dst, bytes.data(), bytes.size());
    }

    bool StandinEquals(const CDnnBlob& other) const
    {
        return type == other.type && std::memcmp(sizes, other.sizes, sizeof(sizes)) == 0 && bytes == other.bytes;
    }

    std::string StandinText() const
    {
        std::string text = type == CT_Int ? "int" : "float";
        for (int size : sizes) {
            text += " " + std::to_string(size);
        }
        return text;
    }

protected:
    ~CDnnBlob() override = default;

private:
    IMathEngine& mathEngine;
    TBlobType type;
    int sizes[BD_Count] = {1, 1, 1, 1, 1, 1, 1};
    std::vector<char> bytes;

    CDnnBlob(IMathEngine& mathEngine, TBlobType type) : mathEngine(mathEngine), type(type) {}
};

class CBaseLayer : public IObject {
public:
    const char* GetName() const { return name.c_str(); }

protected:
    explicit CBaseLayer(const std::string& name) : name(name) {}

private:
    std::string name;
};

class CSourceLayer : public CBaseLayer {
public:
    void SetBlob(CDnnBlob* given)
    {
        standin_assert(given != nullptr, "a source is given no blob");
        blob = given;
        isNew = true;
    }

    const CPtr<CDnnBlob>& GetBlob() const { return blob; }

private:
    CPtr<CDnnBlob> blob;
    bool isNew = false;

    explicit CSourceLayer(const std::string& name) : CBaseLayer(name) {}

    friend class CDnn;
};

class CSinkLayer : public CBaseLayer {
public:
    const CPtr<CDnnBlob>& GetBlob() const
    {
        standin_assert(blob != nullptr, std::string("the sink ") + GetName() + " is read before a run");
        return blob;
    }

private:
    CPtr<CDnnBlob> blob;

    explicit CSinkLayer(const std::string& name) : CBaseLayer(name) {}

    friend class CDnn;
};

class CRandom {
public:
    explicit CRandom(unsigned int seed = 0xBADF00D) { (void)seed; }
};

class CArchiveFile : public CBaseFile {
public:
    CArchiveFile(const char* fileName, CArchive::TDirection direction, void* platformEnv = nullptr)
    {
        (void)platformEnv;
        standin_assert(direction == CArchive::load, "the archive is to be read");
        file.open(fileName, std::ios::binary);
        if (!file) {
            throw std::system_error(2, std::generic_category(), fileName);
        }
    }

    int Read(void* buffer, int bytesCount) override
    {
        file.read(static_cast<char*>(buffer), bytesCount);
        return static_cast<int>(file.gcount());
    }

private:
    std::ifstream file;
};

class CCompositeLayer;

class CDnn {
public:
    CDnn(CRandom&, IMathEngine& mathEngine, const CCompositeLayer* = nullptr) : mathEngine(mathEngine) {}
    CDnn(const CDnn&) = delete;
    virtual ~CDnn() = default;

    IMathEngine& GetMathEngine() const { return mathEngine; }

    bool HasLayer(const char* name) const { return layers.count(name) != 0; }

    CPtr<CBaseLayer> GetLayer(const char* name)
    {
        standin_assert(HasLayer(name), std::string("the net has no layer ") + name);
        return layers[name];
    }

    void Serialize(CArchive& archive)
    {
        standin_assert(archive.IsLoading(), "the archive is to be loaded from");
        int version = 0;
        archive.Read(&version, sizeof(version));
        loadRuns();
    }

    void RunOnce()
    {
        standin_assert(!isRefused, "a net whose run was refused runs again");
        isRefused = true;
        for (const auto& run : runs) {
            if (isOf(run)) {
                give(run);
                isRefused = false;
                return;
            }
        }
        throw std::logic_error("stand-in: no recorded run was given these blobs: " + given());
    }

private:
    using CBlobs = std::map<std::string, CPtr<CDnnBlob>>;

    struct CRun {
        CBlobs sources, sinks;
    };

    IMathEngine& mathEngine;
    std::map<std::string, CPtr<CBaseLayer>> layers;
    std::vector<CRun> runs;
    bool isRefused = false;

    CSourceLayer& source(const std::string& name) { return *CheckCast<CSourceLayer>(layers[name].Ptr()); }

    bool isOf(const CRun& run)
    {
        bool is = true;
        for (const auto& one : run.sources) {
            CSourceLayer& layer = source(one.first);
            standin_assert(layer.blob != nullptr && layer.isNew, "the source " + one.first + " has no new blob");
            is = is && layer.blob->StandinEquals(*one.second);
        }
        return is;
    }

    void give(const CRun& run)
    {
        for (const auto& one : run.sources) {
            source(one.first).isNew = false;
        }
        for (const auto& one : run.sinks) {
            CheckCast<CSinkLayer>(layers[one.first].Ptr())->blob = one.second;
        }
    }

    std::string given()
    {
        std::string text;
        for (const auto& one : runs.front().sources) {
            text += one.first + " " + source(one.first).blob->StandinText() + "; ";
        }
        return text;
    }

    // ---- the recorded runs: counts and texts as in a file of references, blobs as type, sizes and bytes

    void loadRuns()
    {
        const char* path = std::getenv("STANDIN_RUNS");
        standin_assert(path != nullptr, "STANDIN_RUNS names no file of recorded runs");
        std::ifstream file(path, std::ios::binary);
        runs.resize(number(file));
        for (CRun& run : runs) {
            readBlobs(file, run.sources);
            readBlobs(file, run.sinks);
        }
        standin_assert(file.good() && !runs.empty(), "the recorded runs end too early");
        for (const auto& one : runs.front().sources) {
            layers[one.first] = new CSourceLayer(one.first);
        }
        for (const auto& one : runs.front().sinks) {
            layers[one.first] = new CSinkLayer(one.first);
        }
    }

    static std::uint32_t number(std::istream& file)
    {
        std::uint32_t found = 0;
        file.read(reinterpret_cast<char*>(&found), sizeof(found));
        return found;
    }

    void readBlobs(std::istream& file, CBlobs& blobs)
    {
        for (std::uint32_t left = number(file); left > 0; --left) {
            std::string name(number(file), '\0');
            file.read(&name[0], static_cast<std::streamsize>(name.size()));
            const TBlobType type = static_cast<TBlobType>(number(file));
            int d[BD_Count];
            file.read(reinterpret_cast<char*>(d), sizeof(d));
            CPtr<CDnnBlob> blob
                = CDnnBlob::CreateTensor(mathEngine, type, {d[0], d[1], d[2], d[3], d[4], d[5], d[6]});
            std::vector<char> bytes(sizeof(float) * static_cast<std::size_t>(blob->GetDataSize()));
            file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
            if (type == CT_Int) {
                blob->CopyFrom(reinterpret_cast<const int*>(bytes.data()));
            } else {
                blob->CopyFrom(reinterpret_cast<const float*>(bytes.data()));
            }
            blobs[name] = blob;
        }
    }
};

} // namespace NeoML

#ifndef NO_NEOML_NAMESPACE
using namespace NeoML;
#endif
