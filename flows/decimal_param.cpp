#include "flows/decimal_param.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace millrace {

std::string decimal_mistake(std::string_view text) {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    const auto point = std::min(text.find('.'), text.size());
    const auto whole = text.substr(0, point), fraction = text.substr(std::min(point + 1, text.size()));
    const auto is_digits = [](std::string_view part) { return part.find_first_not_of("0123456789") == std::string_view::npos; };
    if (whole.size() + fraction.size() == 0 || !is_digits(whole) || !is_digits(fraction)) return "is no number such as 12.50";
    if (fraction.size() > decimal_param_scale) return fmt::format("has more than {} digits behind the point", decimal_param_scale);
    constexpr std::size_t most = decimal_param_width - decimal_param_scale;
    if (whole.size() - std::min(whole.find_first_not_of('0'), whole.size()) > most)
        return fmt::format("has more than {} digits before the point", most);
    return {};
}

} // namespace millrace
