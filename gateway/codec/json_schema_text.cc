/* Why a value was refused, in words taken from the schema: "expected ..., got ...". */
#include <algorithm>

#include "gateway/codec/json_schema.hpp"
extern "C" {
#include "gateway/base/text.h"
}

using lt::json::clip;
using lt::json::Finding;
using lt::json::type_of;
using lt::json::Value;
using lt::json::view;

namespace
{
constexpr std::size_t shown_max = 40, list_max = 200;

std::string shown(const Value &v)
{
    char number[40];
    switch (v.GetType()) {
    case rapidjson::kStringType:
        return "\"" + clip(view(v), shown_max) + "\"";
    case rapidjson::kNumberType:
        return std::string(lt::json::number_text(v, number));
    case rapidjson::kNullType:
        return "null";
    case rapidjson::kTrueType:
        return "true";
    case rapidjson::kFalseType:
        return "false";
    default:
        return lt_json_type_name(type_of(v));
    }
}

std::string count(std::size_t n, const char *one, const char *many)
{
    return std::to_string(n) + " " + (n == 1 ? one : many);
}

std::string any_of(const Value &list, const char *before_last, bool names)
{
    std::string out;
    for (rapidjson::SizeType i = 0; i < list.Size(); i++) {
        if (out.size() > list_max)
            return out + ", \u2026";
        if (i)
            out += i + 1 == list.Size() ? before_last : ", ";
        out += names ? std::string(view(list[i])) : shown(list[i]);
    }
    return out;
}

std::string types(const Value &schema)
{
    auto type = schema.FindMember("type");
    if (type == schema.MemberEnd())
        return "another type";
    return type->value.IsString() ? std::string(view(type->value)) : any_of(type->value, " or ", true);
}

unsigned number_of(const Value &schema, const char *keyword)
{
    auto found = schema.FindMember(keyword);
    return found != schema.MemberEnd() && found->value.IsUint() ? found->value.GetUint() : 0;
}

std::vector<std::string> known_names(const Value &schema)
{
    std::vector<std::string> out;
    auto properties = schema.FindMember("properties");
    if (properties != schema.MemberEnd()) {
        for (const auto &m : properties->value.GetObject())
            out.emplace_back(view(m.name));
    }
    return out;
}

/* Members of v that the schema does not name: one of them may be the missing one, misspelt. */
std::vector<std::string> unknown_names(const Value &schema, const Value &v)
{
    std::vector<std::string> known = known_names(schema), out;
    for (const auto &m : v.GetObject()) {
        if (out.size() < 100 && m.name.GetStringLength() < 100 &&
            std::find(known.begin(), known.end(), view(m.name)) == known.end())
            out.emplace_back(view(m.name));
    }
    return out;
}

struct Explainer {
    const struct lt_json_schema &s;
    struct lt_err *err;

    void say(const std::string &pointer, const std::string &text)
    {
        char kind[sizeof(err->kind)];
        std::memcpy(kind, err->kind, sizeof(kind));
        lt_err_set(err, err->code, kind, "%s", text.c_str());
        lt::json::set_pointer(err, pointer);
    }

    void missing(const Finding &f, const Value &schema, std::string_view name, const std::string &because)
    {
        std::string pointer = f.pointer;
        lt::json::pointer_append(pointer, name);
        std::string near = lt::json::nearest(name, unknown_names(schema, *f.v));
        say(pointer, "missing member " + clip(name, 60) + because +
                         (near.empty() ? near : " (is " + clip(near, 60) + " meant to be it?)"));
    }

    void required(const Finding &f, const Value &schema)
    {
        for (const Value &name : schema["required"].GetArray()) {
            if (!f.v->HasMember(name))
                return missing(f, schema, view(name), "");
        }
    }

    void dependencies(const Finding &f, const Value &schema)
    {
        for (const auto &m : schema["dependencies"].GetObject()) {
            if (!f.v->HasMember(m.name) || !m.value.IsArray())
                continue;
            for (const Value &name : m.value.GetArray()) {
                if (!f.v->HasMember(name))
                    return missing(f, schema, view(name), ", which " + clip(view(m.name), 60) + " asks for");
            }
        }
        say(f.pointer, "expected other members beside those that were sent");
    }

    void unknown(const Finding &f, const Value &schema)
    {
        std::string pointer = f.pointer;
        lt::json::pointer_append(pointer, view(*f.member));
        std::string near = lt::json::nearest(view(*f.member), known_names(schema));
        say(pointer,
            "unknown member " + clip(view(*f.member), 60) + (near.empty() ? near : " (did you mean " + near + "?)"));
    }

    void bound(const Finding &f, const Value &schema, const char *keyword, const char *exclusive, const char *open,
               const char *closed)
    {
        auto ex = schema.FindMember(exclusive);
        bool strict = ex != schema.MemberEnd() && ex->value.IsTrue();
        say(f.pointer, std::string("expected a number ") + (strict ? open : closed) + " " + shown(schema[keyword]) +
                           ", got " + shown(*f.v));
    }

    /* The branch that came furthest is the one the sender most likely meant. */
    void branches(const Finding &f, const Value &schema, const std::string &place, const char *keyword, unsigned depth)
    {
        std::string list = place + "/" + keyword;
        rapidjson::SizeType n = schema[keyword].Size();
        Finding best;
        bool fits = false;
        for (rapidjson::SizeType i = 0; i < n; i++) {
            auto branch = s.branches.find(list + "/" + std::to_string(i));
            if (branch == s.branches.end())
                break;
            Finding one;
            if (lt::json::schema_conforms(*branch->second, *f.v, f.pointer, one)) {
                fits = true;
            } else if (best.event == Finding::none || one.steps > best.steps) {
                best = one;
            }
        }
        bool all = std::strcmp(keyword, "allOf") == 0;
        if (fits && !all)
            return say(f.pointer,
                       "expected exactly one of " + std::to_string(n) + " allowed forms, got one that fits several");
        if (best.event == Finding::none || depth > 8)
            return say(f.pointer, all ? std::string("expected all of several forms, got a value that fits not all")
                                      : "expected one of " + std::to_string(n) + " allowed forms, got none of them");
        explain(best, depth + 1);
        if (!all && n > 1)
            lt_err_prefix(err, "none of %u allowed forms fits; the nearest", n);
    }

    void explain(const Finding &f, unsigned depth)
    {
        if (f.event == Finding::nul)
            return say(f.pointer, "expected texts and names without U+0000");
        std::string place = f.place;
        const Value *found = lt::json::schema_at(s, place);
        const std::string &k = f.keyword;
        if (!found || (k != "items" && !found->HasMember(k.c_str())))
            return say(f.pointer, "does not fit the schema" + (k.empty() ? std::string() : " (" + k + ")"));
        const Value &schema = *found;
        if (k == "type")
            say(f.pointer, "expected " + types(schema) + ", got " + lt_json_type_name(type_of(*f.v)));
        else if (k == "enum")
            say(f.pointer, (schema["enum"].Size() == 1 ? "expected " : "expected one of ") +
                               any_of(schema["enum"], ", ", false) + ", got " + shown(*f.v));
        else if (k == "required")
            required(f, schema);
        else if (k == "dependencies")
            dependencies(f, schema);
        else if (k == "additionalProperties")
            unknown(f, schema);
        else if (k == "minLength" || k == "maxLength")
            say(f.pointer, std::string("expected a text of at ") + (k == "minLength" ? "least " : "most ") +
                               count(number_of(schema, k.c_str()), "character", "characters") + ", got " +
                               std::to_string(lt_text_chars(lt_span(f.v->GetString(), f.v->GetStringLength()))));
        else if (k == "pattern")
            say(f.pointer, "expected a text like " + clip(view(schema["pattern"]), 120) + ", got " + shown(*f.v));
        else if (k == "minimum")
            bound(f, schema, "minimum", "exclusiveMinimum", "above", "of at least");
        else if (k == "maximum")
            bound(f, schema, "maximum", "exclusiveMaximum", "below", "of at most");
        else if (k == "minItems" || k == "maxItems")
            say(f.pointer, std::string("expected at ") + (k == "minItems" ? "least " : "most ") +
                               count(number_of(schema, k.c_str()), "element", "elements") + ", got " +
                               std::to_string(f.v->Size()));
        else if (k == "items")
            say(f.pointer,
                "expected at most " +
                    count(schema.HasMember("items") && schema["items"].IsArray() ? schema["items"].Size() : 0,
                          "element", "elements") +
                    ", got more");
        else if (k == "minProperties" || k == "maxProperties")
            say(f.pointer, std::string("expected at ") + (k == "minProperties" ? "least " : "most ") +
                               count(number_of(schema, k.c_str()), "member", "members") + ", got " +
                               std::to_string(f.v->MemberCount()));
        else if (k == "not")
            say(f.pointer, "expected a value that does not fit the form excluded here, got " + shown(*f.v));
        else
            branches(f, schema, place, k.c_str(), depth);
    }
};

unsigned distance(std::string_view a, std::string_view b)
{
    std::vector<unsigned> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); j++)
        row[j] = static_cast<unsigned>(j);
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    for (std::size_t i = 1; i <= a.size(); i++) {
        unsigned corner = row[0];
        row[0] = static_cast<unsigned>(i);
        for (std::size_t j = 1; j <= b.size(); j++) {
            unsigned change = corner + (lower(a[i - 1]) != lower(b[j - 1]));
            corner = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
        }
    }
    return row[b.size()];
}
} // namespace

namespace lt::json
{
std::string nearest(std::string_view word, const std::vector<std::string> &candidates)
{
    if (word.size() > 100)
        return "";
    std::string best;
    std::size_t best_distance = (word.size() < 6 ? 1 : word.size() < 10 ? 2 : 3) + 1;
    for (const std::string &c : candidates) {
        if (c.size() > word.size() + 3 || word.size() > c.size() + 3)
            continue;
        unsigned d = distance(word, c);
        if (d < best_distance) {
            best_distance = d;
            best = c;
        }
    }
    return best;
}

void schema_explain(const struct lt_json_schema &s, const Finding &finding, struct lt_err *err)
{
    Explainer{s, err}.explain(finding, 0);
}
} // namespace lt::json
