/*
 * Read schema files, and refuse what could not be kept.
 *
 * RapidJSON ignores keywords it does not know, values of the wrong kind, patterns it cannot compile and references that
 * lead nowhere: such a schema would check less than it says. So every keyword is looked at here first, and a schema
 * that passes means to RapidJSON what it means to its author. Left out on purpose because 1.1.0 does them wrong:
 * patternProperties (accepts what only additionalProperties allows, and loses count of its own stack),
 * multipleOf (rounding), uniqueItems (quadratic, so an open door for slow input).
 */
#include <climits>
#include <set>

#include "gateway/codec/json_schema.hpp"
extern "C" {
#include "gateway/base/file.h"
}

using lt::json::pointer_append;
using lt::json::Value;
using lt::json::view;

namespace
{
constexpr std::size_t file_bytes_max = 1 << 20, files_max = 64;

const std::set<std::string_view> types = {"null", "boolean", "object", "array", "string", "number", "integer"};
const std::set<std::string_view> annotations = {"$schema", "id",      "$id",      "title",    "description",
                                                "default", "example", "examples", "$comment", "format"};
const std::vector<std::string> keywords = {
    "type",       "enum",     "const",   "allOf",           "anyOf",         "oneOf",           "not",
    "properties", "required", "items",   "dependencies",    "minProperties", "maxProperties",   "additionalProperties",
    "minItems",   "maxItems", "pattern", "minLength",       "maxLength",     "additionalItems", "minimum",
    "maximum",    "$ref",     "$defs",   "definitions",     "title",         "description",     "exclusiveMinimum",
    "format",     "default",  "$schema", "exclusiveMaximum"};

struct Loader {
    struct lt_json_schema &s;
    std::vector<std::string> &branches;
    struct lt_err *err;

    struct File {
        std::string path; /* real */
        std::string shown;
    };
    std::vector<File> files;
    std::string folder;                                         /* real */
    std::set<std::string> schemas;                              /* places that hold a schema */
    std::map<std::string, std::vector<std::string>> same_value; /* place -> places checked against the same value */
    struct Reference {
        std::string from, to;
        std::size_t file;
    };
    std::vector<Reference> references;
    std::size_t file = 0; /* being looked at */
    int rc = LT_OK;

    bool fail(const std::string &pointer, const std::string &text)
    {
        rc = lt_err_set(err, LT_E_INVALID, "json-schema-file", "%s", text.c_str());
        if (err) {
            std::string_view inside = pointer;
            std::string prefix = std::string("/f/f") + std::to_string(file);
            if (inside.substr(0, prefix.size()) == prefix)
                inside.remove_prefix(prefix.size());
            snprintf(err->source, sizeof(err->source), "%s", files[file].shown.c_str());
            lt::json::set_pointer(err, inside);
        }
        return false;
    }

    /* Reads the file into the bundle unless it is there; *ret_index is its number. */
    bool open(const std::string &path, const std::string &shown, std::size_t *ret_index)
    {
        char real[PATH_MAX];
        if (!realpath(path.c_str(), real)) {
            rc = lt_err_set(err, LT_E_NOT_FOUND, "json-schema-file", "%s: %s", shown.c_str(), strerror(errno));
            return false;
        }
        for (std::size_t i = 0; i < files.size(); i++) {
            if (files[i].path == real) {
                *ret_index = i;
                return true;
            }
        }
        std::string dir(real);
        dir.resize(dir.rfind('/'));
        if (files.empty())
            folder = dir;
        else if (dir != folder)
            return fail("", "$ref to " + shown + ": only files in the folder of the schema can be referred to");
        if (files.size() >= files_max)
            return fail("", "more than " + std::to_string(files_max) + " files in one schema");
        files.push_back({real, shown});

        char *text = nullptr;
        std::size_t len = 0;
        rc = lt_file_read(real, file_bytes_max, &text, &len, err);
        if (rc)
            return false;
        struct lt_json_limits limits = {file_bytes_max, 64};
        struct lt_json *j = nullptr;
        rc = lt_json_parse(lt_span(text, len), &limits, &j, err);
        free(text);
        if (rc) {
            if (err)
                snprintf(err->source, sizeof(err->source), "%s", shown.c_str());
            return false;
        }
        s.sources.emplace_back(j);
        auto &pool = s.bundle.GetAllocator();
        Value copy, name(("f" + std::to_string(files.size() - 1)).c_str(), pool);
        copy.CopyFrom(j->doc, pool);
        s.bundle["f"].AddMember(name, copy, pool);
        *ret_index = files.size() - 1;
        return true;
    }

    bool load(const char *path)
    {
        auto &pool = s.bundle.GetAllocator();
        s.bundle.SetObject();
        s.bundle.AddMember("$ref", Value(""), pool);
        s.bundle.AddMember("f", Value(rapidjson::kObjectType), pool);
        std::size_t index;
        if (!open(path, path, &index))
            return false;
        for (file = 0; file < files.size(); file++) { /* grows while references are met */
            std::string key = "f" + std::to_string(file);
            /* Out of the bundle while it is looked at: opening files moves the bundle's members. */
            Value root;
            root.Swap(s.bundle["f"][key.c_str()]);
            bool good = schema(root, "/f/" + key);
            root.Swap(s.bundle["f"][key.c_str()]);
            if (!good)
                return false;
        }
        return resolve();
    }

    /* ---- one schema ---- */

    bool schema(Value &v, const std::string &at)
    {
        if (!v.IsObject())
            return fail(at,
                        std::string("expected a schema (an object), got ") + lt_json_type_name(lt::json::type_of(v)));
        schemas.insert(at);
        for (std::string_view word : annotations) /* a "default" may look like a schema to RapidJSON */
            v.EraseMember(std::string(word).c_str());
        if (v.HasMember("$ref"))
            return reference(v, at);
        if (!constant(v, at))
            return false;
        for (auto &m : v.GetObject()) {
            std::string place = at;
            pointer_append(place, view(m.name));
            if (!keyword(view(m.name), m.value, v, at, place))
                return false;
        }
        return required_known(v, at);
    }

    bool keyword(std::string_view word, Value &v, const Value &all, const std::string &at, const std::string &place)
    {
        if (word == "type")
            return type(v, place);
        if (word == "enum")
            return enumeration(v, place);
        if (word == "allOf" || word == "anyOf" || word == "oneOf")
            return alternatives(v, at, place);
        if (word == "not")
            return also(at, place), schema(v, place);
        if (word == "properties" || word == "definitions" || word == "$defs")
            return map(v, place);
        if (word == "required")
            return names(v, place);
        if (word == "dependencies")
            return dependencies(v, at, place);
        if (word == "additionalProperties" || word == "additionalItems")
            return v.IsBool() || schema(v, place);
        if (word == "items")
            return v.IsArray() ? list(v, place) : schema(v, place);
        if (word == "minProperties" || word == "maxProperties" || word == "minItems" || word == "maxItems" ||
            word == "minLength" || word == "maxLength")
            return v.IsUint() || fail(place, std::string(word) + ": expected a number of 0 or more");
        if (word == "minimum" || word == "maximum")
            return v.IsNumber() || fail(place, std::string(word) + ": expected a number");
        if (word == "exclusiveMinimum" || word == "exclusiveMaximum")
            return exclusive(word, v, all, place);
        if (word == "pattern")
            return pattern(v, place);
        if (word == "patternProperties" || word == "multipleOf")
            return fail(place, std::string(word) + ": this keyword is not supported");
        if (word == "uniqueItems")
            return v.IsFalse() || fail(place, "uniqueItems: this keyword is not supported");
        std::string near = lt::json::nearest(word, keywords);
        return fail(place, "unknown keyword " + lt::json::clip(word, 60) +
                               (near.empty() ? near : " (did you mean " + near + "?)"));
    }

    void also(const std::string &at, const std::string &place)
    {
        same_value[at].push_back(place);
    }

    /* const x is enum [x], which RapidJSON knows. */
    bool constant(Value &v, const std::string &at)
    {
        auto found = v.FindMember("const");
        if (found == v.MemberEnd())
            return true;
        if (v.HasMember("enum"))
            return fail(at, "const and enum in one schema");
        auto &pool = s.bundle.GetAllocator();
        Value one(rapidjson::kArrayType);
        one.PushBack(found->value, pool);
        v.RemoveMember(found);
        v.AddMember("enum", one, pool);
        return true;
    }

    bool type(const Value &v, const std::string &place)
    {
        if (v.IsString())
            return types.count(view(v)) || fail(place, "type: unknown type " + lt::json::clip(view(v), 40));
        if (!v.IsArray() || v.Empty())
            return fail(place, "type: expected the name of a type or a list of names");
        for (const Value &one : v.GetArray()) {
            if (!one.IsString() || !types.count(view(one)))
                return fail(place, "type: expected names of types");
        }
        return true;
    }

    bool enumeration(const Value &v, const std::string &place)
    {
        if (!v.IsArray() || v.Empty())
            return fail(place, "enum: expected a list with at least one value");
        for (const Value &one : v.GetArray()) {
            if (one.IsObject() || one.IsArray())
                return fail(place, "enum: expected strings, numbers, true, false or null");
        }
        return true;
    }

    bool alternatives(Value &v, const std::string &at, const std::string &place)
    {
        if (!v.IsArray() || v.Empty())
            return fail(place, "expected a list with at least one schema");
        for (rapidjson::SizeType i = 0; i < v.Size(); i++) {
            branches.push_back(place + "/" + std::to_string(i));
            also(at, branches.back());
        }
        return list(v, place);
    }

    bool list(Value &v, const std::string &place)
    {
        for (rapidjson::SizeType i = 0; i < v.Size(); i++) {
            if (!schema(v[i], place + "/" + std::to_string(i)))
                return false;
        }
        return true;
    }

    bool map(Value &v, const std::string &place)
    {
        if (!v.IsObject())
            return fail(place, "expected an object with a schema for each name");
        for (auto &m : v.GetObject()) {
            std::string below = place;
            pointer_append(below, view(m.name));
            if (!schema(m.value, below))
                return false;
        }
        return true;
    }

    bool names(const Value &v, const std::string &place)
    {
        if (!v.IsArray())
            return fail(place, "expected a list of names");
        for (const Value &one : v.GetArray()) {
            if (!one.IsString())
                return fail(place, "expected a list of names");
        }
        return true;
    }

    bool dependencies(Value &v, const std::string &at, const std::string &place)
    {
        if (!v.IsObject())
            return fail(place, "expected an object with a list of names or a schema for each name");
        for (auto &m : v.GetObject()) {
            std::string below = place;
            pointer_append(below, view(m.name));
            if (m.value.IsObject())
                also(at, below);
            if (!(m.value.IsObject() ? schema(m.value, below) : names(m.value, below)))
                return false;
        }
        return true;
    }

    bool exclusive(std::string_view word, const Value &v, const Value &all, const std::string &place)
    {
        const char *limit = word == "exclusiveMinimum" ? "minimum" : "maximum";
        if (v.IsBool() && all.HasMember(limit))
            return true;
        return fail(place, std::string(word) + ": expected true or false beside " + limit + " (draft 4)");
    }

    bool pattern(const Value &v, const std::string &place)
    {
        if (!v.IsString())
            return fail(place, "pattern: expected a string");
        if (std::memchr(v.GetString(), 0, v.GetStringLength()))
            return fail(place, "pattern: U+0000 cannot be matched");
        struct lt_pattern *p = nullptr;
        struct lt_err why = {};
        if (lt_pattern_compile(lt_span(v.GetString(), v.GetStringLength()), &p, &why))
            return fail(place, why.text);
        lt_pattern_free(p);
        return true;
    }

    /* RapidJSON takes a required name for a known one; with additionalProperties false it could never be sent. */
    bool required_known(const Value &v, const std::string &at)
    {
        auto closed = v.FindMember("additionalProperties"), required = v.FindMember("required"),
             properties = v.FindMember("properties");
        if (closed == v.MemberEnd() || !closed->value.IsFalse() || required == v.MemberEnd())
            return true;
        for (const Value &name : required->value.GetArray()) {
            if (properties == v.MemberEnd() || !properties->value.HasMember(name))
                return fail(at + "/required",
                            "required names " + lt::json::clip(view(name), 60) +
                                ", which properties does not know while additionalProperties is false");
        }
        return true;
    }

    /* ---- references ---- */

    bool reference(Value &v, const std::string &at)
    {
        for (auto &m : v.GetObject()) {
            std::string_view word = view(m.name);
            if (word == "definitions" || word == "$defs") {
                std::string below = at;
                pointer_append(below, word);
                if (!map(m.value, below))
                    return false;
            } else if (word != "$ref") {
                return fail(at,
                            lt::json::clip(word, 60) + " beside $ref has no effect in draft 4; put both into allOf");
            }
        }
        Value &ref = v["$ref"];
        if (!ref.IsString())
            return fail(at, "$ref: expected a string");
        std::string_view uri = view(ref);
        std::size_t hash = uri.find('#'), index = file;
        std::string name(uri.substr(0, hash)), target;
        if (!name.empty()) {
            if (name.find_first_of("/\\:") != name.npos)
                return fail(at,
                            "$ref to " + lt::json::clip(name, 80) + ": expected the name of a file beside this one");
            if (!open(folder + "/" + name, name, &index)) {
                if (err && rc == LT_E_NOT_FOUND)
                    return fail(at, "$ref to a file that is not there: " + lt::json::clip(name, 80));
                return false;
            }
        }
        if (!unescape(hash == uri.npos ? std::string_view() : uri.substr(hash + 1), target) ||
            (!target.empty() && target[0] != '/'))
            return fail(at, "$ref " + lt::json::clip(uri, 80) + ": expected #/path/to/a/schema behind the file name");
        target = "/f/f" + std::to_string(index) + target;
        references.push_back({at, target, file});
        also(at, target);
        std::string local = lt::json::fragment(target);
        ref.SetString(local.c_str(), static_cast<rapidjson::SizeType>(local.size()), s.bundle.GetAllocator());
        return true;
    }

    static bool unescape(std::string_view in, std::string &out)
    {
        for (std::size_t i = 0; i < in.size(); i++) {
            if (in[i] != '%') {
                out += in[i];
                continue;
            }
            if (i + 3 > in.size())
                return false;
            auto digit = [](char c) {
                return c >= '0' && c <= '9'                     ? c - '0'
                       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                                : -1;
            };
            int high = digit(in[i + 1]), low = digit(in[i + 2]);
            if (high < 0 || low < 0)
                return false;
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
        return true;
    }

    /* RapidJSON finds a name of digits in an object under another key than a reference to it has. */
    bool names_of_digits(const std::string &pointer)
    {
        const Value *v = &s.bundle;
        for (std::size_t i = 1; i <= pointer.size();) {
            std::size_t end = std::min(pointer.find('/', i), pointer.size());
            std::string token = pointer.substr(i, end - i);
            if (v->IsObject() && !token.empty() && token.find_first_not_of("0123456789") == token.npos)
                return true;
            v = rapidjson::Pointer(pointer.substr(0, end).c_str(), end).Get(s.bundle);
            if (!v)
                return false;
            i = end + 1;
        }
        return false;
    }

    bool resolve()
    {
        for (const Reference &r : references) {
            file = r.file;
            if (!schemas.count(r.to))
                return fail(r.from, "$ref leads to no schema: " + lt::json::clip(r.to.substr(r.to.find('/', 3)), 80));
            if (names_of_digits(r.to))
                return fail(r.from, "$ref through a name that is made of digits is not supported; rename it");
        }
        std::set<std::string> done, open_now;
        for (const auto &entry : same_value) {
            if (!acyclic(entry.first, done, open_now)) {
                file = 0;
                return fail(entry.first, "schemas that refer to each other without end");
            }
        }
        return true;
    }

    bool acyclic(const std::string &at, std::set<std::string> &done, std::set<std::string> &open_now)
    {
        if (done.count(at))
            return true;
        if (!open_now.insert(at).second)
            return false;
        auto found = same_value.find(at);
        if (found != same_value.end()) {
            for (const std::string &next : found->second) {
                if (!acyclic(next, done, open_now))
                    return false;
            }
        }
        open_now.erase(at);
        done.insert(at);
        return true;
    }
};
} // namespace

namespace lt::json
{
std::string fragment(std::string_view pointer)
{
    static const char digits[] = "0123456789ABCDEF";
    std::string out = "#";
    for (unsigned char c : pointer) {
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::strchr("-._~/", c)) {
            out += static_cast<char>(c);
        } else {
            out += '%';
            out += digits[c >> 4];
            out += digits[c & 15];
        }
    }
    return out;
}

const Value *schema_at(const struct lt_json_schema &s, std::string &pointer)
{
    for (;;) {
        const Value *v = rapidjson::Pointer(pointer.c_str(), pointer.size()).Get(s.bundle);
        if (!v || !v->IsObject())
            return nullptr;
        auto ref = v->FindMember("$ref");
        if (ref == v->MemberEnd() || !ref->value.IsString())
            return v;
        rapidjson::StringBuffer plain;
        rapidjson::Pointer(ref->value.GetString(), ref->value.GetStringLength()).Stringify(plain);
        pointer = plain.GetString();
    }
}

int schema_load(const char *path, struct lt_json_schema &s, std::vector<std::string> &ret_branches, struct lt_err *err)
{
    struct lt_err own;
    Loader loader{s, ret_branches, err ? err : &own, {}, {}, {}, {}, {}};
    return loader.load(path) ? LT_OK : loader.rc;
}
} // namespace lt::json
