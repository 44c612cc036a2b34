#include "loader/cli/commands.hpp"
#include "loader/cli/operation.hpp"
#include "loader/cli/report.hpp"

namespace suture::cli {

Answer recover(const RecoverOptions& options) {
    return answer_of(options.pid, operate(options.pid, [&](target::Target& target) {
                         return patch::recover(target, options.patch);
                     }));
}

} // namespace suture::cli
