/// A running COPY ... FROM STDIN in binary form, fed in large pieces. A copy that is not finished ends with its session.
#pragma once

#include "connectors/targets/postgres/session.hpp"

#include <string>
#include <string_view>

namespace millrace::postgres {

class CopyStream {
public:
    CopyStream(Session& session, const std::string& statement) : session_(session) {
        session.copy_in(statement);
        buffer_.assign("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
    }
    void add(std::string_view row) {
        buffer_ += row;
        if (buffer_.size() >= send_at) flush();
    }
    /// The number of rows.
    std::int64_t finish() {
        buffer_ += "\377\377";
        flush();
        return session_.end_copy();
    }

private:
    static constexpr std::size_t send_at = 64 << 10; ///< bytes

    void flush() {
        session_.send(buffer_);
        buffer_.clear();
    }

    Session& session_;
    std::string buffer_;
};

} // namespace millrace::postgres
