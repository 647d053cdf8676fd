/// nlohmann/json with std::optional (absent or null <-> nullopt), and structs whose JSON has the names of their members.
#pragma once

#include <nlohmann/json.hpp>

#include <optional>

namespace millrace {
using Json = nlohmann::json;
} // namespace millrace

namespace nlohmann {
template <typename T>
struct adl_serializer<std::optional<T>> {
    static void to_json(json& j, const std::optional<T>& value) {
        if (value)
            j = *value;
        else
            j = nullptr;
    }
    static void from_json(const json& j, std::optional<T>& value) {
        if (j.is_null())
            value.reset();
        else
            value = j.get<T>();
    }
};
} // namespace nlohmann

/// Says beside a struct that it is JSON; a member that the text lacks keeps its default. MILLRACE_JSON_MEMBERS in one .cpp names
/// the members. Two macros, because nlohmann's own one compiles every struct's code again in each file that sees the struct.
#define MILLRACE_JSON(Type)                                                                                                                \
    void to_json(::millrace::Json& j, const Type& value);                                                                                  \
    void from_json(const ::millrace::Json& j, Type& value);

#define MILLRACE_JSON_MEMBERS(Type, ...)                                                                                                   \
    void to_json(::millrace::Json& nlohmann_json_j, const Type& nlohmann_json_t) {                                                         \
        NLOHMANN_JSON_EXPAND(NLOHMANN_JSON_PASTE(NLOHMANN_JSON_TO, __VA_ARGS__))                                                           \
    }                                                                                                                                      \
    void from_json(const ::millrace::Json& nlohmann_json_j, Type& nlohmann_json_t) {                                                       \
        const Type nlohmann_json_default_obj;                                                                                              \
        NLOHMANN_JSON_EXPAND(NLOHMANN_JSON_PASTE(NLOHMANN_JSON_FROM_WITH_DEFAULT, __VA_ARGS__))                                            \
    }
