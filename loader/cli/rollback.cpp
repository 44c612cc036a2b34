#include "loader/cli/commands.hpp"
#include "loader/cli/operation.hpp"
#include "loader/cli/report.hpp"

namespace suture::cli {

Answer rollback(const RollbackOptions& options) {
    return answer_of(options.pid, operate(options.pid, [&](target::Target& target) {
                         return patch::rollback(target, options.module, options.to, options.patch);
                     }));
}

Answer remove(const RemoveOptions& options) {
    return answer_of(options.pid, operate(options.pid, [&](target::Target& target) {
                         return patch::remove(target, options.module, options.patch);
                     }));
}

} // namespace suture::cli
