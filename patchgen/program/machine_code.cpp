#include "patchgen/program/machine_code.hpp"

#include "patchgen/program/arm64/machine_code.hpp"
#include "patchgen/program/x64/machine_code.hpp"

namespace suture::program {

const MachineCode& machine_code(Machine machine) {
    return machine == Machine::arm64 ? arm64::machine_code() : x64::machine_code();
}

} // namespace suture::program
