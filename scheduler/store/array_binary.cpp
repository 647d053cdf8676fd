#include "scheduler/store/array_binary.hpp"

#include "scheduler/store/array_text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace {
namespace {

constexpr std::size_t place_of_size = 12; ///< dimensions, flags and element type come before it
constexpr auto epoch = std::chrono::sys_days(std::chrono::year(2000) / 1 / 1);

template <class Number>
std::array<char, sizeof(Number)> big_endian(Number number) {
    std::array<char, sizeof(Number)> bytes;
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[bytes.size() - 1 - i] = static_cast<char>(number >> (8 * i));
    return bytes;
}

} // namespace

template <class Number>
void ArrayBinary::put(Number number) {
    const auto bytes = big_endian(number);
    bytes_.append(bytes.data(), bytes.size());
}

void ArrayBinary::begin() {
    bytes_.clear();
    put(std::int32_t{1});
    put(std::int32_t{0});
    put(static_cast<std::uint32_t>(element_));
    put(std::int32_t{0});
    put(std::int32_t{1}); // the index of the first
    size_ = 0;
}

void ArrayBinary::add(std::int64_t number) {
    ++size_;
    const bool wide = element_ == Of::Int8;
    put(std::int32_t{wide ? 8 : 4});
    if (wide)
        put(number);
    else
        put(static_cast<std::int32_t>(number));
}

void ArrayBinary::add_null() {
    ++size_;
    put(std::int32_t{-1});
}

void ArrayBinary::add_word(std::string_view word) {
    ++size_;
    put(static_cast<std::int32_t>(word.size()));
    bytes_ += word;
}

void ArrayBinary::add_text(std::string_view text) { add_word(fit_text(text)); }

void ArrayBinary::add_json(std::string_view json) {
    if (json.empty()) return add_null();
    constexpr char format = 1;
    add_word(format + fit_json(json));
}

void ArrayBinary::add_instant(std::optional<Instant> t) {
    if (!t) return add_null();
    ++size_;
    put(std::int32_t{8});
    put(std::int64_t{std::chrono::duration_cast<std::chrono::microseconds>(*t - epoch).count()});
}

std::string ArrayBinary::take() {
    const auto size = big_endian(size_);
    std::copy(size.begin(), size.end(), bytes_.begin() + place_of_size);
    std::string out = std::exchange(bytes_, {});
    begin();
    return out;
}

} // namespace millrace
