/*
 * What the C++ files behind json.h share: RapidJSON with our settings, the document, small text helpers. Private to
 * gateway/codec. Include this and never a RapidJSON header directly, so that all files see one configuration of it.
 */
#ifndef LT_CODEC_JSON_INTERNAL_HPP
#define LT_CODEC_JSON_INTERNAL_HPP

#include <string>
#include <string_view>

#include <rapidjson/document.h>
#include <rapidjson/reader.h>

/* In C++ the function lt_span hides the constructor of the struct. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "gateway/codec/json.h"
#pragma GCC diagnostic pop

namespace lt::json
{
using Value = rapidjson::Value;
using Pool = rapidjson::MemoryPoolAllocator<>;

/* Deeper documents are refused whatever the caller's limit is: walking, writing and checking recurse once a level. */
constexpr unsigned depth_cap = 1000;

inline const Value *of(lt_json_value v)
{
    return static_cast<const Value *>(v.v);
}

inline lt_json_value lend(const Value *v)
{
    return lt_json_value{v};
}

inline std::string_view view(const Value &string)
{
    return {string.GetString(), string.GetStringLength()};
}

inline std::string_view view(struct lt_span s)
{
    return {s.ptr ? s.ptr : "", s.len};
}

enum lt_json_type type_of(const Value &v);

/* RFC 6901: '/' and the token with ~ and / escaped. */
void pointer_append(std::string &pointer, std::string_view token);

/* At most max code points of s, "…" behind when something was cut. */
std::string clip(std::string_view s, std::size_t max);

/* 1-based line and column (in code points) of a byte offset. */
void locate(std::string_view s, std::size_t offset, int *ret_line, int *ret_column);

void set_pointer(struct lt_err *err, std::string_view pointer);

/* Shortest text that reads back as the same number; integral numbers without point. */
std::string_view number_text(const Value &v, char (&buf)[40]);
} // namespace lt::json

/* The document: text decoded in place, values in the pool behind it, all in one allocation for ordinary sizes. */
struct lt_json {
    lt::json::Pool pool;
    rapidjson::Document doc;

    lt_json(void *memory, std::size_t size) : pool(memory, size), doc(&pool, 512)
    {
    }
};

#endif
