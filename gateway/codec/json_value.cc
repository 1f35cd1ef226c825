/* Reading a parsed document, and writing values as text. */
#include <charconv>
#include <cmath>

#include "gateway/codec/json_internal.hpp"

using lt::json::lend;
using lt::json::of;
using lt::json::Value;

namespace lt::json
{
enum lt_json_type type_of(const Value &v)
{
    switch (v.GetType()) {
    case rapidjson::kNullType:
        return LT_JSON_NULL;
    case rapidjson::kFalseType:
    case rapidjson::kTrueType:
        return LT_JSON_BOOL;
    case rapidjson::kObjectType:
        return LT_JSON_OBJECT;
    case rapidjson::kArrayType:
        return LT_JSON_ARRAY;
    case rapidjson::kStringType:
        return LT_JSON_STRING;
    default:
        return LT_JSON_NUMBER;
    }
}

void pointer_append(std::string &pointer, std::string_view token)
{
    pointer += '/';
    for (char c : token) {
        if (c == '~')
            pointer += "~0";
        else if (c == '/')
            pointer += "~1";
        else
            pointer += c;
    }
}

std::string clip(std::string_view s, std::size_t max)
{
    std::size_t i = 0, chars = 0;
    while (i < s.size()) {
        if (chars++ == max)
            return std::string(s.substr(0, i)) + "\u2026";
        do
            i++;
        while (i < s.size() && (static_cast<unsigned char>(s[i]) & 0xC0) == 0x80);
    }
    return std::string(s);
}

void locate(std::string_view s, std::size_t offset, int *ret_line, int *ret_column)
{
    int line = 1, column = 1;
    for (std::size_t i = 0; i < offset && i < s.size(); i++) {
        if (s[i] == '\n') {
            line++;
            column = 1;
        } else if ((static_cast<unsigned char>(s[i]) & 0xC0) != 0x80) {
            column++;
        }
    }
    *ret_line = line;
    *ret_column = column;
}

void set_pointer(struct lt_err *err, std::string_view pointer)
{
    if (!err)
        return;
    std::size_t len = pointer.size();
    if (len >= sizeof(err->pointer)) {
        len = sizeof(err->pointer) - 1;
        while (len && (static_cast<unsigned char>(pointer[len]) & 0xC0) == 0x80)
            len--;
    }
    std::memcpy(err->pointer, pointer.data(), len);
    err->pointer[len] = '\0';
}

/* Up to 2^53 a double is exactly the integer that it looks like. */
static bool is_whole(double d)
{
    return std::fabs(d) <= 9007199254740992.0 && std::trunc(d) == d;
}

std::string_view number_text(const Value &v, char (&buf)[40])
{
    std::to_chars_result r;
    if (v.IsInt64())
        r = std::to_chars(buf, buf + sizeof(buf), v.GetInt64());
    else if (v.IsUint64())
        r = std::to_chars(buf, buf + sizeof(buf), v.GetUint64());
    else if (is_whole(v.GetDouble())) /* 1e15, 1.0 and -0.0 are the integers they equal */
        r = std::to_chars(buf, buf + sizeof(buf), static_cast<int64_t>(v.GetDouble()));
    else
        r = std::to_chars(buf, buf + sizeof(buf), v.GetDouble());
    return {buf, static_cast<std::size_t>(r.ptr - buf)};
}
} // namespace lt::json

static void write_value(const Value &v, struct lt_buf *out)
{
    char number[40];
    switch (v.GetType()) {
    case rapidjson::kNullType:
        lt_buf_str(out, "null");
        break;
    case rapidjson::kFalseType:
        lt_buf_str(out, "false");
        break;
    case rapidjson::kTrueType:
        lt_buf_str(out, "true");
        break;
    case rapidjson::kStringType:
        lt_buf_json(out, lt_span(v.GetString(), v.GetStringLength()));
        break;
    case rapidjson::kNumberType: {
        std::string_view text = lt::json::number_text(v, number);
        lt_buf_append(out, text.data(), text.size());
        break;
    }
    case rapidjson::kArrayType: {
        char before = '[';
        for (const Value &element : v.GetArray()) {
            lt_buf_char(out, before);
            write_value(element, out);
            before = ',';
        }
        lt_buf_str(out, before == '[' ? "[]" : "]");
        break;
    }
    case rapidjson::kObjectType: {
        char before = '{';
        for (const auto &member : v.GetObject()) {
            lt_buf_char(out, before);
            lt_buf_json(out, lt_span(member.name.GetString(), member.name.GetStringLength()));
            lt_buf_char(out, ':');
            write_value(member.value, out);
            before = ',';
        }
        lt_buf_str(out, before == '{' ? "{}" : "}");
        break;
    }
    }
}

extern "C" {

lt_json_value lt_json_root(const struct lt_json *j)
{
    return lend(&j->doc);
}

enum lt_json_type lt_json_type_of(lt_json_value v)
{
    return lt::json::type_of(*of(v));
}

const char *lt_json_type_name(enum lt_json_type t)
{
    static const char *const names[] = {"null", "boolean", "number", "string", "array", "object"};
    return names[t];
}

lt_json_value lt_json_member(lt_json_value v, struct lt_span name)
{
    if (!v.v || !of(v)->IsObject())
        return lend(nullptr);
    for (const auto &member : of(v)->GetObject()) {
        if (member.name.GetStringLength() == name.len &&
            (!name.len || std::memcmp(member.name.GetString(), name.ptr, name.len) == 0))
            return lend(&member.value);
    }
    return lend(nullptr);
}

lt_json_value lt_json_get(lt_json_value v, const char *name)
{
    return lt_json_member(v, lt_span_str(name));
}

size_t lt_json_len(lt_json_value v)
{
    if (!v.v)
        return 0;
    if (of(v)->IsArray())
        return of(v)->Size();
    return of(v)->IsObject() ? of(v)->MemberCount() : 0;
}

lt_json_value lt_json_at(lt_json_value v, size_t i)
{
    if (!v.v || !of(v)->IsArray() || i >= of(v)->Size())
        return lend(nullptr);
    return lend(&(*of(v))[static_cast<rapidjson::SizeType>(i)]);
}

lt_json_value lt_json_member_at(lt_json_value v, size_t i, struct lt_span *ret_name)
{
    if (!v.v || !of(v)->IsObject() || i >= of(v)->MemberCount())
        return lend(nullptr);
    const auto &member = of(v)->MemberBegin()[static_cast<std::ptrdiff_t>(i)];
    *ret_name = lt_span(member.name.GetString(), member.name.GetStringLength());
    return lend(&member.value);
}

bool lt_json_string(lt_json_value v, struct lt_span *ret)
{
    if (!v.v || !of(v)->IsString())
        return false;
    *ret = lt_span(of(v)->GetString(), of(v)->GetStringLength());
    return true;
}

bool lt_json_int(lt_json_value v, int64_t *ret)
{
    if (!v.v || !of(v)->IsNumber())
        return false;
    if (of(v)->IsInt64()) {
        *ret = of(v)->GetInt64();
        return true;
    }
    if (!of(v)->IsDouble())
        return false;
    double d = of(v)->GetDouble();
    if (!lt::json::is_whole(d))
        return false;
    *ret = static_cast<int64_t>(d);
    return true;
}

bool lt_json_bool(lt_json_value v, bool *ret)
{
    if (!v.v || !of(v)->IsBool())
        return false;
    *ret = of(v)->GetBool();
    return true;
}

bool lt_json_scalar(lt_json_value v, struct lt_arena *a, struct lt_span *ret)
{
    char number[40];
    if (!v.v)
        return false;
    switch (of(v)->GetType()) {
    case rapidjson::kStringType:
        *ret = lt_span(of(v)->GetString(), of(v)->GetStringLength());
        return true;
    case rapidjson::kFalseType:
        *ret = LT_SPAN_LIT("false");
        return true;
    case rapidjson::kTrueType:
        *ret = LT_SPAN_LIT("true");
        return true;
    case rapidjson::kNumberType: {
        std::string_view text = lt::json::number_text(*of(v), number);
        *ret = lt_arena_span(a, lt_span(text.data(), text.size()));
        return true;
    }
    default:
        return false;
    }
}

void lt_json_write(lt_json_value v, struct lt_buf *out)
{
    if (v.v)
        write_value(*of(v), out);
}
}
