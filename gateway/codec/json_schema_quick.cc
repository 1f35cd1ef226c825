#include "gateway/codec/json_schema_quick.hpp"

#include <algorithm>
#include <cstring>

#include "gateway/codec/json_schema.hpp"

namespace
{
using lt::json::QuickNode;
using lt::json::Value;

constexpr std::size_t names_max = 64; /* bits of a word: which were seen */

const QuickNode anything;

std::size_t hash(std::string_view s)
{
    std::size_t h = s.size();
    if (!s.empty()) {
        h = h * 33 + static_cast<unsigned char>(s[0]);
        h = h * 33 + static_cast<unsigned char>(s[s.size() / 2]);
        h = h * 33 + static_cast<unsigned char>(s[s.size() - 1]);
    }
    return h ^ h >> 7;
}

bool same(std::string_view a, std::string_view b)
{
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

bool has_nul(std::string_view s)
{
    return std::memchr(s.data(), 0, s.size()) != nullptr;
}

std::size_t characters(std::string_view s)
{
    std::size_t n = 0;
    for (char c : s)
        n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    return n;
}

unsigned type_bit(std::string_view word)
{
    return word == "null"      ? lt::json::quick_null
           : word == "boolean" ? lt::json::quick_boolean
           : word == "object"  ? lt::json::quick_object
           : word == "array"   ? lt::json::quick_array
           : word == "string"  ? lt::json::quick_string
           : word == "integer" ? lt::json::quick_integer
           : word == "number"  ? lt::json::quick_integer | lt::json::quick_fraction
                               : 0u;
}

unsigned type_bits(const Value &v)
{
    unsigned bits = 0;
    if (v.IsString())
        return type_bit(lt::json::view(v));
    for (const Value &one : v.GetArray())
        bits |= type_bit(lt::json::view(one));
    return bits;
}

/* A fraction in the list is left out: only RapidJSON says yes to one. */
void fill_enum(const Value &v, QuickNode &n)
{
    n.has_enum = true;
    for (const Value &one : v.GetArray()) {
        if (one.IsString())
            n.words.push_back(lt::json::view(one));
        else if (one.IsInt64())
            n.integers.push_back(one.GetInt64());
        n.enum_null |= one.IsNull();
        n.enum_true |= one.IsTrue();
        n.enum_false |= one.IsFalse();
    }
}

bool whole_limit(const Value &v, QuickNode &n, std::int64_t &ret)
{
    n.bounded = true;
    if (!v.IsInt64())
        return false;
    ret = v.GetInt64();
    return true;
}

/* One keyword that speaks of no names. False: not known. */
bool fill_keyword(std::string_view word, const Value &v, QuickNode &n)
{
    if (word == "type") {
        n.types = type_bits(v);
    } else if (word == "enum") {
        fill_enum(v, n);
    } else if (word == "minLength") {
        n.length_min = v.GetUint();
    } else if (word == "maxLength") {
        n.length_max = v.GetUint();
    } else if (word == "minItems") {
        n.items_min = v.GetUint();
    } else if (word == "maxItems") {
        n.items_max = v.GetUint();
    } else if (word == "minimum") {
        return whole_limit(v, n, n.minimum);
    } else if (word == "maximum") {
        return whole_limit(v, n, n.maximum);
    } else if (word == "additionalProperties") {
        n.closed = v.IsFalse();
        return v.IsBool();
    } else if (word == "pattern") {
        struct lt_pattern *p = nullptr;
        if (lt_pattern_compile(lt_span(v.GetString(), v.GetStringLength()), &p, nullptr))
            return false;
        lt_pattern_prepare(p);
        n.pattern.reset(p);
    } else {
        return word == "definitions" || word == "$defs" || word == "uniqueItems"; /* which is false, see the loader */
    }
    return true;
}

std::size_t place_of(const QuickNode &n, std::string_view name)
{
    std::size_t mask = n.names.size() - 1, at = hash(name) & mask;
    while (n.names[at].node && !same(n.names[at].name, name))
        at = (at + 1) & mask;
    return at;
}

std::uint64_t bit_of(const QuickNode &n, const Value &name)
{
    return n.names[place_of(n, lt::json::view(name))].bit;
}
} // namespace

namespace lt::json
{
const QuickNode::Name *QuickNode::find(std::string_view name) const
{
    if (names.empty())
        return nullptr;
    const Name *found = &names[place_of(*this, name)];
    return found->node ? found : nullptr;
}

Quick::Quick(const struct lt_json_schema &s) : root_(make(s, bundle_root))
{
}

const QuickNode *Quick::make(const struct lt_json_schema &s, std::string pointer)
{
    const Value *v = schema_at(s, pointer);
    auto &node = nodes[pointer];
    if (!node) {
        node = std::make_unique<QuickNode>();
        QuickNode *n = node.get(); /* the map may grow below */
        if (v)
            fill(s, pointer, *v, *n);
        else
            n->known = false;
        return n;
    }
    return node.get();
}

void Quick::fill(const struct lt_json_schema &s, const std::string &pointer, const Value &v, QuickNode &n)
{
    for (const auto &m : v.GetObject()) {
        std::string_view word = view(m.name);
        if (word == "properties" || word == "required" || word == "dependencies")
            continue;
        if (word == "items" && m.value.IsObject())
            n.items = make(s, pointer + "/items");
        else
            n.known &= fill_keyword(word, m.value, n);
    }
    fill_names(s, pointer, v, n);
}

/* Names that are only required or depended on are known names of any value, as RapidJSON takes them. */
void Quick::fill_names(const struct lt_json_schema &s, const std::string &pointer, const Value &v, QuickNode &n)
{
    const auto properties = v.FindMember("properties"), required = v.FindMember("required"),
               dependencies = v.FindMember("dependencies"), none = v.MemberEnd();
    std::map<std::string_view, const QuickNode *> all;

    if (properties != none) {
        for (const auto &m : properties->value.GetObject()) {
            std::string below = pointer + "/properties";
            pointer_append(below, view(m.name));
            all[view(m.name)] = make(s, below);
        }
    }
    if (required != none) {
        for (const Value &name : required->value.GetArray())
            all.emplace(view(name), &anything);
    }
    if (dependencies != none) {
        for (const auto &m : dependencies->value.GetObject()) {
            all.emplace(view(m.name), &anything);
            if (!m.value.IsArray()) {
                n.known = false;
                return;
            }
            for (const Value &name : m.value.GetArray())
                all.emplace(view(name), &anything);
        }
    }
    if (all.empty())
        return;
    if (all.size() > names_max || std::any_of(all.begin(), all.end(), [](const auto &m) { return has_nul(m.first); })) {
        n.known = false; /* texts with NUL are refused by every schema, also where it names them */
        return;
    }
    std::size_t size = 4;
    while (size < all.size() * 2)
        size *= 2;
    n.names.resize(size);
    std::uint64_t bit = 1;
    for (const auto &[name, node] : all) {
        n.names[place_of(n, name)] = {name, node, bit};
        bit <<= 1;
    }
    if (required != none) {
        for (const Value &name : required->value.GetArray())
            n.required |= bit_of(n, name);
    }
    if (dependencies != none) {
        for (const auto &m : dependencies->value.GetObject()) {
            QuickNode::Dependency d = {bit_of(n, m.name), 0};
            for (const Value &name : m.value.GetArray())
                d.needs |= bit_of(n, name);
            n.dependencies.push_back(d);
        }
    }
}

/* ---- one value ---- */

/* What the next value has to be; NULL: not this type, or not known. */
const QuickNode *QuickRun::take(unsigned type)
{
    const QuickNode *n = &root;
    if (depth) {
        Level &l = levels[depth - 1];
        n = l.next;
        l.elements++;
    }
    return n->known && n->types & type ? n : nullptr;
}

bool QuickRun::open(const QuickNode *n, bool is_array)
{
    if (!n || n->has_enum || depth == depth_max)
        return false;
    levels[depth++] = {n, n->items ? n->items : &anything, 0, 0, is_array};
    return true;
}

bool QuickRun::null()
{
    const QuickNode *n = take(quick_null);
    return n && (!n->has_enum || n->enum_null);
}

bool QuickRun::boolean(bool b)
{
    const QuickNode *n = take(quick_boolean);
    return n && (!n->has_enum || (b ? n->enum_true : n->enum_false));
}

bool QuickRun::integer(std::int64_t i)
{
    const QuickNode *n = take(quick_integer);
    return n && i >= n->minimum && i <= n->maximum &&
           (!n->has_enum || std::find(n->integers.begin(), n->integers.end(), i) != n->integers.end());
}

bool QuickRun::fraction()
{
    const QuickNode *n = take(quick_fraction);
    return n && !n->bounded && !n->has_enum;
}

bool QuickRun::string(std::string_view s)
{
    const QuickNode *n = take(quick_string);
    if (!n || has_nul(s))
        return false;
    /* As many characters as bytes at most, a quarter of them at least. */
    if (s.size() > n->length_max || s.size() / 4 < n->length_min) {
        std::size_t length = characters(s);
        if (length > n->length_max || length < n->length_min)
            return false;
    }
    if (n->has_enum && std::find_if(n->words.begin(), n->words.end(),
                                    [s](std::string_view word) { return same(word, s); }) == n->words.end())
        return false;
    return !n->pattern || lt_pattern_search(n->pattern.get(), lt_span(s.data(), s.size()));
}

bool QuickRun::begin_object()
{
    return open(take(quick_object), false);
}

bool QuickRun::key(std::string_view name)
{
    Level &l = levels[depth - 1];
    const QuickNode::Name *known = l.node->find(name);
    if (known) {
        l.seen |= known->bit;
        l.next = known->node;
        return true;
    }
    l.next = &anything;
    return !l.node->closed && !has_nul(name);
}

bool QuickRun::end_object()
{
    const Level &l = levels[--depth];
    if ((l.seen & l.node->required) != l.node->required)
        return false;
    for (const QuickNode::Dependency &d : l.node->dependencies) {
        if (l.seen & d.bit && (l.seen & d.needs) != d.needs)
            return false;
    }
    return true;
}

bool QuickRun::begin_array()
{
    return open(take(quick_array), true);
}

bool QuickRun::end_array()
{
    const Level &l = levels[--depth];
    return l.elements >= l.node->items_min && l.elements <= l.node->items_max;
}

bool QuickRun::value(const Value &v)
{
    switch (v.GetType()) {
    case rapidjson::kNullType:
        return null();
    case rapidjson::kFalseType:
    case rapidjson::kTrueType:
        return boolean(v.GetBool());
    case rapidjson::kStringType:
        return string(view(v));
    case rapidjson::kNumberType:
        return v.IsInt64() ? integer(v.GetInt64()) : fraction();
    case rapidjson::kArrayType:
        if (!begin_array())
            return false;
        for (const Value &element : v.GetArray()) {
            if (!value(element))
                return false;
        }
        return end_array();
    default:
        if (!begin_object())
            return false;
        for (const auto &m : v.GetObject()) {
            if (!key(view(m.name)) || !value(m.value))
                return false;
        }
        return end_object();
    }
}
} // namespace lt::json
