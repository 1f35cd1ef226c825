/*
 * What the files behind lt_json_schema_* share. Private to gateway/codec.
 *
 * Loading (json_schema_load.cc) reads the files, refuses what RapidJSON 1.1.0 would ignore or get wrong, and puts them
 * into one JSON value, the bundle: {"$ref": "#/f/f0", "f": {"f0": file, "f1": file beside it, ...}}, every $ref made
 * local. RapidJSON compiles the bundle and checks values (json_schema.cc); the bundle stays, because RapidJSON tells
 * only which keyword failed where, and the sentence is made from the schema's own words (json_schema_text.cc).
 */
#ifndef LT_CODEC_JSON_SCHEMA_HPP
#define LT_CODEC_JSON_SCHEMA_HPP

#include <map>
#include <memory>
#include <vector>

#include "gateway/codec/json_internal.hpp"
#include "gateway/codec/pattern.h"

#include <rapidjson/internal/regex.h>

/* RapidJSON's schema uses this class for `pattern`; our engine instead of theirs, for the reasons told in pattern.h. */
namespace rapidjson
{
namespace internal
{
template <> class GenericRegex<UTF8<>, CrtAllocator>
{
  public:
    explicit GenericRegex(const char *source)
    {
        if (lt_pattern_compile(lt_span_str(source), &pattern, nullptr))
            pattern = nullptr;
    }
    ~GenericRegex()
    {
        lt_pattern_free(pattern);
    }
    GenericRegex(const GenericRegex &) = delete;
    GenericRegex &operator=(const GenericRegex &) = delete;
    bool IsValid() const
    {
        return pattern != nullptr;
    }
    /* NUL-terminated: texts with U+0000 in them are refused before they come here. */
    bool Search(const char *s) const
    {
        return lt_pattern_search(pattern, lt_span_str(s));
    }

  private:
    struct lt_pattern *pattern = nullptr;
};
} // namespace internal
} // namespace rapidjson

#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>

struct lt_json_schema {
    struct SourceFree {
        void operator()(struct lt_json *j) const
        {
            lt_json_free(j);
        }
    };
    std::vector<std::unique_ptr<struct lt_json, SourceFree>> sources; /* the bundle's strings point into them */
    rapidjson::Document bundle;
    std::unique_ptr<rapidjson::SchemaDocument> compiled;
    /* Each element of allOf, anyOf, oneOf by its place in the bundle, compiled alone: tells why none of them fits. */
    std::map<std::string, std::unique_ptr<rapidjson::SchemaDocument>> branches;
};

namespace lt::json
{
/* Where in the bundle the first file's schema is. */
constexpr const char *bundle_root = "/f/f0";

/* Fills sources and bundle; ret_branches: places of the elements of allOf, anyOf and oneOf. */
int schema_load(const char *path, struct lt_json_schema &s, std::vector<std::string> &ret_branches, struct lt_err *err);

/* Value of a place, $ref followed; *pointer becomes the place it leads to. NULL when there is none. */
const Value *schema_at(const struct lt_json_schema &s, std::string &pointer);

/* "#" and the pointer as RapidJSON wants it in a URI fragment. */
std::string fragment(std::string_view pointer);

/* One refusal by RapidJSON. */
struct Finding {
    enum Event { none, value, name, object_end, array_end, nul } event = none;
    const Value *v = nullptr;      /* the value that was being read */
    const Value *member = nullptr; /* event name: the name that was refused */
    std::string pointer;           /* of v */
    std::string keyword, place;    /* what failed, and where it stands in the bundle */
    std::size_t steps = 0;         /* events read before: how far this branch came */
};

/* True when v conforms; else finding is filled. */
bool schema_conforms(const rapidjson::SchemaDocument &compiled, const Value &v, std::string_view pointer,
                     Finding &finding);

/* The finding in words: text and pointer of err. */
void schema_explain(const struct lt_json_schema &s, const Finding &finding, struct lt_err *err);

/* The candidate most like the word, empty when none is near: for "did you mean". */
std::string nearest(std::string_view word, const std::vector<std::string> &candidates);
} // namespace lt::json

#endif
