#include "connectors/duckdb/api.hpp"
#include "connectors/duckdb/connection.hpp"

#include <stdexcept>

namespace millrace::duckdb {

Value::~Value() {
    auto v = static_cast<c::Value>(handle_);
    if (v != nullptr) c::api().destroy_value(&v);
}

Value Value::null() { return Value(c::api().create_null_value()); }
Value Value::boolean(bool v) { return Value(c::api().create_bool(v)); }
Value Value::integer(std::int64_t v) { return Value(c::api().create_int64(v)); }
Value Value::real(double v) { return Value(c::api().create_double(v)); }
Value Value::text(std::string_view v) { return Value(c::api().create_varchar_length(v.data(), v.size())); }
Value Value::instant(std::int64_t micros) { return Value(c::api().create_timestamp_tz(micros)); }
Value Value::date(std::int32_t days) { return Value(c::api().create_date(days)); }

Value Value::decimal(std::string_view text, int width, int scale) {
    Int128 digits = 0;
    int whole = 0, behind = 0;
    bool fraction = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char ch = text[i];
        if (i == 0 && (ch == '-' || ch == '+')) continue;
        if (ch == '.' && !fraction)
            fraction = true;
        else if (ch >= '0' && ch <= '9' && (fraction ? behind < scale : whole < width - scale)) {
            digits = digits * 10 + (ch - '0');
            (fraction ? behind : whole) += fraction || digits != 0 ? 1 : 0;
        } else
            throw std::invalid_argument("'" + std::string(text) + "' is no decimal(" + std::to_string(width) + "," + std::to_string(scale) +
                                        ")");
    }
    for (; behind < scale; ++behind) digits *= 10;
    if (text.starts_with('-')) digits = -digits;
    const c::Hugeint value{static_cast<std::uint64_t>(digits), static_cast<std::int64_t>(digits >> 64)};
    return Value(c::api().create_decimal({static_cast<std::uint8_t>(width), static_cast<std::uint8_t>(scale), value}));
}

Value Value::text_list(const std::vector<std::string>& v) {
    std::vector<Value> items;
    std::vector<c::Value> handles;
    for (const std::string& item : v) {
        items.push_back(text(item));
        handles.push_back(static_cast<c::Value>(items.back().handle()));
    }
    constexpr int varchar = static_cast<int>(TypeId::Varchar);
    c::LogicalType type = c::api().create_logical_type(varchar);
    Value list(c::api().create_list_value(type, handles.data(), handles.size()));
    c::api().destroy_logical_type(&type);
    return list;
}

} // namespace millrace::duckdb
