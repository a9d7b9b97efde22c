// What three nets in one program say to inputs that they do not take; the arguments are their folders.

#include <cmath>
#include <cstdlib>
#include <iostream>

#include "digits.h"
#include "seq2seq.h"
#include "tutorial.h"

namespace {

template <typename Net, typename Inputs>
void refused(Net& net, const Inputs& inputs)
{
    try {
        net.predict(inputs);
        std::cout << "taken\n";
    } catch (const std::invalid_argument& error) {
        std::string text = error.what();
        for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n')) {
            text.replace(at, 1, "; ");
        }
        std::cout << text << "\n";
    }
}

void of_ids(porting::tutorial::Net& net)
{
    using porting::tutorial::Inputs;
    refused(net, Inputs{{{2, 3, 1}, {1, 2, 3, 4, 1, 2}}});
    refused(net, Inputs{{{2, 0}, {}}});
    refused(net, Inputs{{{65536, 65536}, {1}}});
    refused(net, Inputs{{{2, 3}, {1, 2, 3, 4, 1}}});
    refused(net, Inputs{{{2, 3}, {1, 2, 3, 4, 5, 1}}});
    refused(net, Inputs{{{2, 3}, {1, 2, 3, 4, -1, 1}}});
    // The stand-in knows no such run, and no net that runs after a refusal.
    refused(net, Inputs{{{3, 1}, {1, 1, 1}}});
    try {
        net.predict(Inputs{{{3, 1}, {1, 1, 1}}});
    } catch (const porting::tutorial::Mismatch& error) {
        const bool says = std::string(error.what()).find("no recorded run") != std::string::npos;
        std::cout << (says ? "runs after a refusal" : error.what()) << "\n";
    }
}

void of_numbers(porting::digits::Net& net)
{
    porting::digits::Inputs inputs;
    inputs.images = {{1, 8, 8, 1}, std::vector<float>(64, 0.5f)};
    inputs.images.values[7] = std::nanf("");
    refused(net, inputs);
    inputs.images = {{1, 8, 9, 1}, std::vector<float>(72, 0.5f)};
    refused(net, inputs);
}

void of_two_inputs(porting::seq2seq::Net& net)
{
    porting::seq2seq::Inputs inputs;
    inputs.source = {{1}, {1}};
    inputs.target = {{1, 1}, {1000}};
    refused(net, inputs);
    inputs.source = {{2, 1}, {1, 1}};
    inputs.target = {{3, 1}, {1, 1, 1}};
    refused(net, inputs);
}

std::string with_runs(const std::string& folder)
{
    setenv("STANDIN_RUNS", (folder + "/runs").c_str(), 1);
    return folder;
}

} // namespace

int main(int, char** folders)
{
    porting::tutorial::Net tutorial(with_runs(folders[1]) + "/tutorial.neoml");
    of_ids(tutorial);
    porting::digits::Net digits(with_runs(folders[2]) + "/digits.neoml");
    of_numbers(digits);
    porting::seq2seq::Net seq2seq(with_runs(folders[3]) + "/seq2seq.neoml");
    of_two_inputs(seq2seq);
    return 0;
}
