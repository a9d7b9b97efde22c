// The Keras network @LABEL@ in NeoML: texts and numbers in, Keras' outputs out. Written by porting.
//
//     porting::@NAME@::Net net("@NAME@.neoml");
//     porting::@NAME@::Inputs inputs;
@EXAMPLE@
//     porting::@NAME@::Outputs outputs = net.predict(inputs);
//
// Needs the archive @NAME@.neoml, NeoML @NEOML@, and C++14.

#pragma once

#include <algorithm>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
@INCLUDES@#include <vector>

#include <NeoML/NeoML.h>

namespace porting {
namespace @NAME@ {

@RUNTIME@
@TERMINALS@
/// What `predict` takes, by Keras' names. Every array begins with the axis of rows.
struct Inputs {
@INPUTS@
};

/// What `predict` gives, by Keras' names.
struct Outputs {
@OUTPUTS@
};

/// The network. One thread at a time may call it; threads of their own have nets of their own.
class Net {
public:
    /// Loads the archive. Throws BadArchive for any other file than the one that this header was written for.
    explicit Net(const std::string& archive = "@NAME@.neoml",
        NeoML::IMathEngine& math_engine = NeoML::GetDefaultCpuMathEngine())
        : path(archive), engine(math_engine)
    {
        load();
    }

    Net(const Net&) = delete;
    Net& operator=(const Net&) = delete;

    /// Runs the network on one batch. Throws Mismatch for inputs that Keras or NeoML would answer with garbage.
    Outputs predict(const Inputs& inputs)
    {
        detail::Problems problems;
@CHECKS@
        detail::raise_if_any(problems);
@PREPARE@        if (dnn == nullptr) {
            load();
        }
@FEED@
        run();
@GUARDS@        Outputs outputs;
@READ@
        return outputs;
    }

    /// The SHA-256 of the archive.
    static const char* archive_sha256()
    {
        return "@SHA256@";
    }

private:
    std::string path;
    NeoML::IMathEngine& engine;
    NeoML::CRandom random;
    std::unique_ptr<NeoML::CDnn> dnn;

    void load()
    {
        detail::check_archive(path, archive_sha256());
        try {
            std::unique_ptr<NeoML::CDnn> loaded(new NeoML::CDnn(random, engine));
            NeoML::CArchiveFile file(path.c_str(), CArchive::load);
            CArchive archive(&file, CArchive::load);
            loaded->Serialize(archive);
            dnn = std::move(loaded);
        } catch (const std::exception& error) {
            throw BadArchive(path + " is not loaded by this NeoML: " + error.what());
        }
    }

    void run()
    {
        try {
            dnn->RunOnce();
        } catch (const std::exception& error) {
            // A net whose run was refused must not run again.
            dnn.reset();
            throw Mismatch(std::string("NeoML cannot run the network on these inputs: ") + error.what());
        }
    }
};
@TABLES@
} // namespace @NAME@
} // namespace porting
