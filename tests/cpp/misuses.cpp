// Uses the stand-in wrongly, in the way that the first argument names: exit code 0 where it says so.

#include <iostream>
#include <memory>

#include <NeoML/NeoML.h>

namespace {

void load(NeoML::CDnn& dnn, const char* path, CArchive::TDirection direction = CArchive::load)
{
    NeoML::CArchiveFile file(path, CArchive::load);
    CArchive archive(&file, direction);
    dnn.Serialize(archive);
}

CPtr<NeoML::CDnnBlob> blob(NeoML::CDnn& dnn, NeoML::TBlobType type, std::initializer_list<int> sizes)
{
    return NeoML::CDnnBlob::CreateTensor(dnn.GetMathEngine(), type, sizes);
}

void misuse(const std::string& how, NeoML::CDnn& dnn, const char* path)
{
    if (how == "stores") {
        return load(dnn, path, CArchive::store);
    }
    load(dnn, path);
    const auto source = CheckCast<NeoML::CSourceLayer>(dnn.GetLayer("ids").Ptr());
    if (how == "reads first") {
        CheckCast<NeoML::CSinkLayer>(dnn.GetLayer("dense:0").Ptr())->GetBlob();
    } else if (how == "feeds nothing") {
        dnn.RunOnce();
    } else if (how == "takes a source for a sink") {
        CheckCast<NeoML::CSinkLayer>(dnn.GetLayer("ids").Ptr());
    } else if (how == "knows another layer") {
        dnn.GetLayer("idz");
    } else if (how == "has no steps") {
        blob(dnn, NeoML::CT_Int, {0, 3});
    } else if (how == "has eight dimensions") {
        blob(dnn, NeoML::CT_Int, {1, 1, 1, 1, 1, 1, 1, 1});
    } else if (how == "copies floats into ints") {
        const float values[] = {1, 2};
        blob(dnn, NeoML::CT_Int, {2})->CopyFrom(values);
    } else if (how == "runs after a refusal") {
        source->SetBlob(blob(dnn, NeoML::CT_Int, {1, 99}));
        try {
            dnn.RunOnce();
        } catch (const std::logic_error&) {
        }
        dnn.RunOnce();
    }
}

} // namespace

int main(int count, char** words)
{
    if (count == 3 && std::string(words[1]) == "frees nothing") {
        NeoML::CDnnBlob::CreateTensor(NeoML::GetDefaultCpuMathEngine(), NeoML::CT_Int, {1});
        return 1;
    }
    try {
        NeoML::CRandom random;
        NeoML::CDnn dnn(random, NeoML::GetDefaultCpuMathEngine());
        misuse(words[1], dnn, words[2]);
    } catch (const std::logic_error& error) {
        std::cout << error.what() << "\n";
        return 0;
    }
    return 1;
}
