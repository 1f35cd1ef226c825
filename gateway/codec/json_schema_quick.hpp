/*
 * Schemas compiled to what nearly every value needs: types, lengths, patterns, words, numbers, names, lists. Private to
 * gateway/codec (docs/decisions/0016-schema-yes-at-once.md).
 *
 * A Quick says yes only to values that RapidJSON accepts too, and is silent otherwise: about a value that does not
 * conform, and about one whose schema uses a keyword that is not known here (allOf, anyOf, oneOf, not, items as a list,
 * schemas in additionalProperties or dependencies, …). Then RapidJSON is asked, whose verdict and reason count. So a
 * mistake here can make a check slower or, if it says yes, weaker; the tests compare both on mutated documents.
 *
 * A Quick is immutable and shared by threads; a QuickRun is one value's way through it, told in the value's own order.
 */
#ifndef LT_CODEC_JSON_SCHEMA_QUICK_HPP
#define LT_CODEC_JSON_SCHEMA_QUICK_HPP

#include <map>
#include <memory>
#include <vector>

#include "gateway/codec/json_internal.hpp"
#include "gateway/codec/pattern.h"

struct lt_json_schema;

namespace lt::json
{
enum QuickType : unsigned {
    quick_null = 1,
    quick_boolean = 2,
    quick_object = 4,
    quick_array = 8,
    quick_string = 16,
    quick_integer = 32,
    quick_fraction = 64, /* a number that was written with a point or an exponent, or beyond 64 bits */
    quick_all = 127,
};

struct QuickNode {
    struct PatternFree {
        void operator()(struct lt_pattern *p) const
        {
            lt_pattern_free(p);
        }
    };
    struct Name {
        std::string_view name;
        const QuickNode *node = nullptr; /* NULL: the place is empty */
        std::uint64_t bit = 0;
    };
    struct Dependency {
        std::uint64_t bit, needs;
    };

    bool known = true; /* false: RapidJSON is asked about whatever stands here */
    unsigned types = quick_all;
    bool has_enum = false;
    std::vector<std::string_view> words;
    std::vector<std::int64_t> integers;
    bool enum_null = false, enum_true = false, enum_false = false;
    std::size_t length_min = 0, length_max = SIZE_MAX;
    std::unique_ptr<struct lt_pattern, PatternFree> pattern;
    bool bounded = false; /* fractions are RapidJSON's affair then */
    std::int64_t minimum = INT64_MIN, maximum = INT64_MAX;
    std::vector<Name> names; /* hashed; a power of two, half of it empty at least */
    std::uint64_t required = 0;
    std::vector<Dependency> dependencies;
    bool closed = false;
    const QuickNode *items = nullptr; /* NULL: anything */
    std::size_t items_min = 0, items_max = SIZE_MAX;

    const Name *find(std::string_view name) const;
};

class Quick
{
  public:
    explicit Quick(const struct lt_json_schema &s);
    const QuickNode &root() const
    {
        return *root_;
    }

  private:
    const QuickNode *make(const struct lt_json_schema &s, std::string pointer);
    void fill(const struct lt_json_schema &s, const std::string &pointer, const Value &v, QuickNode &n);
    void fill_names(const struct lt_json_schema &s, const std::string &pointer, const Value &v, QuickNode &n);

    std::map<std::string, std::unique_ptr<QuickNode>> nodes; /* by place in the bundle: schemas may hold themselves */
    const QuickNode *root_;
};

/* Each call: true while all is well. After false the run is over. */
class QuickRun
{
  public:
    // cppcheck-suppress uninitMemberVar ; a level is written when it is entered
    explicit QuickRun(const Quick &q) : root(q.root())
    {
    }
    bool null();
    bool boolean(bool b);
    bool integer(std::int64_t i);
    bool fraction();
    bool string(std::string_view s);
    bool begin_object();
    bool key(std::string_view name);
    bool end_object();
    bool begin_array();
    bool end_array();
    bool value(const Value &v); /* all of it */

  private:
    struct Level {
        const QuickNode *node, *next; /* next: of the value that follows */
        std::uint64_t seen;
        std::size_t elements;
        bool is_array;
    };
    static constexpr std::size_t depth_max = 64;

    const QuickNode *take(unsigned type);
    bool open(const QuickNode *n, bool is_array);

    const QuickNode &root;
    std::size_t depth = 0;
    Level levels[depth_max];
};
} // namespace lt::json

#endif
