/*
 * Text to document. RapidJSON's iterative parser does the grammar; what it leaves open or gets wrong (1.1.0) is done
 * here: encoding, depth, duplicate members, a lone low surrogate (it accepts \udc00), and numbers (its arithmetic on
 * exponents overflows, so it hands over the digits and std::from_chars makes the number).
 */
#include <algorithm>
#include <charconv>
#include <new>
#include <vector>

#include "gateway/codec/json_internal.hpp"
extern "C" {
#include "gateway/codec/utf8_check.h"
}

using lt::json::locate;
using lt::json::pointer_append;
using lt::json::Value;

namespace
{
constexpr unsigned parse_flags =
    rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;

enum class Stop { none, depth, surrogate, number };

/* A number that from_chars calls out of range is either too large or too small: the place of its first digit tells. */
bool is_tiny(std::string_view s)
{
    long long place = 0, exponent = 0;
    bool seen_point = false, seen_digit = false;
    std::size_t i = 0;
    for (; i < s.size() && s[i] != 'e' && s[i] != 'E'; i++) {
        if (s[i] == '.')
            seen_point = true;
        else if (s[i] >= '1' && s[i] <= '9')
            seen_digit = true;
        if (s[i] >= '0' && s[i] <= '9') {
            if (seen_digit && !seen_point)
                place++;
            else if (!seen_digit && seen_point)
                place--;
        }
    }
    if (i < s.size()) {
        std::string_view e = s.substr(i + 1);
        bool minus = !e.empty() && e[0] == '-';
        for (char c : e) {
            if (c >= '0' && c <= '9' && exponent < 1000000000)
                exponent = exponent * 10 + (c - '0');
        }
        if (minus)
            exponent = -exponent;
    }
    return place + exponent < 0;
}

/* Between the reader and the document it builds. */
struct Filter {
    rapidjson::Document &doc;
    unsigned depth, depth_max;
    bool surrogates; /* the text has an escape that may be one */
    Stop stop = Stop::none;

    bool halt(Stop why)
    {
        stop = why;
        return false;
    }
    bool enter()
    {
        return ++depth <= depth_max || halt(Stop::depth);
    }
    /* Valid UTF-8 never holds ED A0..BF; RapidJSON makes it from \udc00. */
    bool whole(const char *s, rapidjson::SizeType len)
    {
        if (!surrogates)
            return true;
        for (rapidjson::SizeType i = 0; i + 1 < len; i++) {
            if (static_cast<unsigned char>(s[i]) == 0xED && static_cast<unsigned char>(s[i + 1]) >= 0xA0)
                return halt(Stop::surrogate);
        }
        return true;
    }

    bool Null()
    {
        return doc.Null();
    }
    bool Bool(bool b)
    {
        return doc.Bool(b);
    }
    bool Int(int i)
    {
        return doc.Int(i);
    }
    bool Uint(unsigned u)
    {
        return doc.Uint(u);
    }
    bool Int64(int64_t i)
    {
        return doc.Int64(i);
    }
    bool Uint64(uint64_t u)
    {
        return doc.Uint64(u);
    }
    bool Double(double d)
    {
        return doc.Double(d);
    }
    bool RawNumber(const char *s, rapidjson::SizeType len, bool)
    {
        const char *end = s + len;
        int64_t i;
        uint64_t u;
        double d;
        std::from_chars_result r = std::from_chars(s, end, i);
        if (r.ec == std::errc() && r.ptr == end)
            return doc.Int64(i);
        if (*s != '-') {
            r = std::from_chars(s, end, u);
            if (r.ec == std::errc() && r.ptr == end)
                return doc.Uint64(u);
        }
        r = std::from_chars(s, end, d);
        if (r.ec == std::errc())
            return doc.Double(d);
        return is_tiny({s, len}) ? doc.Double(*s == '-' ? -0.0 : 0.0) : halt(Stop::number);
    }
    bool String(const char *s, rapidjson::SizeType len, bool copy)
    {
        return whole(s, len) && doc.String(s, len, copy);
    }
    bool Key(const char *s, rapidjson::SizeType len, bool copy)
    {
        return whole(s, len) && doc.Key(s, len, copy);
    }
    bool StartObject()
    {
        return enter() && doc.StartObject();
    }
    bool EndObject(rapidjson::SizeType n)
    {
        depth--;
        return doc.EndObject(n);
    }
    bool StartArray()
    {
        return enter() && doc.StartArray();
    }
    bool EndArray(rapidjson::SizeType n)
    {
        depth--;
        return doc.EndArray(n);
    }
};

const char *text_of(rapidjson::ParseErrorCode code)
{
    switch (code) {
    case rapidjson::kParseErrorDocumentEmpty:
        return "expected a JSON value, got nothing";
    case rapidjson::kParseErrorDocumentRootNotSingular:
        return "expected the end of the text after the JSON value, got more";
    case rapidjson::kParseErrorValueInvalid:
        return "expected a value: an object, an array, a string in double quotes, a number, true, false or null";
    case rapidjson::kParseErrorObjectMissName:
        return "expected the name of a member in double quotes";
    case rapidjson::kParseErrorObjectMissColon:
        return "expected : after the name of a member";
    case rapidjson::kParseErrorObjectMissCommaOrCurlyBracket:
        return "expected , or } after a member";
    case rapidjson::kParseErrorArrayMissCommaOrSquareBracket:
        return "expected , or ] after an element";
    case rapidjson::kParseErrorStringUnicodeEscapeInvalidHex:
        return "expected four hexadecimal digits after \\u";
    case rapidjson::kParseErrorStringUnicodeSurrogateInvalid:
        return "half of a surrogate pair: \\ud800 to \\udfff come in pairs only";
    case rapidjson::kParseErrorStringEscapeInvalid:
        return "unknown escape after \\, or a control character that must be escaped";
    case rapidjson::kParseErrorStringMissQuotationMark:
        return "a string without its closing \"";
    case rapidjson::kParseErrorNumberTooBig:
        return "a number that is too large";
    case rapidjson::kParseErrorNumberMissFraction:
        return "expected digits after the decimal point";
    case rapidjson::kParseErrorNumberMissExponent:
        return "expected digits in the exponent";
    default:
        return "this is not JSON";
    }
}

int encoding_error(std::string_view s, std::size_t offset, const char *what, struct lt_err *err)
{
    lt_err_set(err, LT_E_INVALID, "json-encoding", "%s; expected UTF-8 without byte order mark", what);
    if (err)
        locate(s, offset, &err->line, &err->column);
    return LT_E_INVALID;
}

/* Marks first, then NUL bytes: JSON text begins with ASCII, so their places tell UTF-16 and UTF-32. */
int check_encoding(std::string_view s, struct lt_err *err)
{
    using namespace std::literals;
    if (s.substr(0, 3) == "\xEF\xBB\xBF"sv)
        return encoding_error(s, 0, "the text begins with a UTF-8 byte order mark", err);
    if (s.substr(0, 4) == "\xFF\xFE\0\0"sv || s.substr(0, 4) == "\0\0\xFE\xFF"sv)
        return encoding_error(s, 0, "the text is UTF-32", err);
    if (s.substr(0, 2) == "\xFF\xFE"sv || s.substr(0, 2) == "\xFE\xFF"sv)
        return encoding_error(s, 0, "the text is UTF-16", err);
    std::size_t nul = s.find('\0');
    if (nul != s.npos) {
        if (s.size() >= 4 && nul < 2 && s.substr(nul ? 1 : 0, 3) == "\0\0\0"sv)
            return encoding_error(s, 0, "the text is UTF-32", err);
        if (nul < 2)
            return encoding_error(s, 0, "the text is UTF-16", err);
        return encoding_error(s, nul, "a NUL byte in the text", err);
    }
    std::size_t bad = 0;
    if (!lt_codec_utf8_valid(lt_span(s.data(), s.size()), &bad))
        return encoding_error(s, bad, "a byte that is not UTF-8", err);
    return LT_OK;
}

bool may_have_surrogates(std::string_view s)
{
    for (std::size_t i = s.find('\\'); i != s.npos && i + 2 < s.size(); i = s.find('\\', i + 2)) {
        if (s[i + 1] == 'u' && (s[i + 2] == 'd' || s[i + 2] == 'D'))
            return true;
    }
    return false;
}

/* ---- duplicate members ---- */

bool name_less(const Value *a, const Value *b)
{
    return lt::json::view(*a) < lt::json::view(*b);
}

/*
 * Walks in the order of the text and counts names, so that the place of the second one can be found again. Small
 * objects go through a table on the stack; wide ones are sorted: n log n whatever the names are.
 */
struct Duplicates {
    std::vector<const Value *> sorted;
    std::size_t names = 0;  /* members of objects that were seen so far */
    std::size_t second = 0; /* which name, counted from 1 in the order of the text */
    std::string pointer;

    static constexpr unsigned small_max = 64, slots = 128;

    static unsigned hash(const Value &name)
    {
        std::string_view s = lt::json::view(name);
        unsigned h = static_cast<unsigned>(s.size()) * 31;
        if (!s.empty()) {
            unsigned char a = static_cast<unsigned char>(s[0]), m = static_cast<unsigned char>(s[s.size() / 2]),
                          z = static_cast<unsigned char>(s[s.size() - 1]),
                          y = static_cast<unsigned char>(s[s.size() - s.size() / 4 - 1]);
            h = ((h * 33 + a) * 33 + m) * 33 + z;
            h = h * 33 + y;
        }
        return (h * 2654435761u) >> 25;
    }

    /* Index of a member whose name stands before it already, or the number of members. */
    rapidjson::SizeType twice(const Value &v)
    {
        rapidjson::SizeType n = v.MemberCount();
        const Value::ConstMemberIterator m = v.MemberBegin();
        if (n <= small_max) {
            unsigned char table[slots];
            std::memset(table, 0, sizeof(table));
            for (rapidjson::SizeType i = 0; i < n; i++) {
                unsigned at = hash(m[i].name);
                for (; table[at]; at = (at + 1) % slots) {
                    if (lt::json::view(m[table[at] - 1].name) == lt::json::view(m[i].name))
                        return i;
                }
                table[at] = static_cast<unsigned char>(i + 1);
            }
            return n;
        }
        sorted.clear();
        for (rapidjson::SizeType i = 0; i < n; i++)
            sorted.push_back(&m[i].name);
        std::sort(sorted.begin(), sorted.end(), [](const Value *a, const Value *b) {
            return name_less(a, b) || (!name_less(b, a) && a < b); /* members lie in one array: equal names by place */
        });
        const Value *first = nullptr;
        for (std::size_t i = 1; i < sorted.size(); i++) {
            if (!name_less(sorted[i - 1], sorted[i]) && (!first || sorted[i] < first))
                first = sorted[i];
        }
        if (!first)
            return n;
        return static_cast<rapidjson::SizeType>(reinterpret_cast<const Value::Member *>(first) - &m[0]);
    }

    bool find(const Value &v)
    {
        if (v.IsArray()) {
            rapidjson::SizeType i = 0;
            for (const Value &element : v.GetArray()) {
                if ((element.IsObject() || element.IsArray()) && find(element))
                    return prepend(std::to_string(i));
                i++;
            }
        } else if (v.IsObject()) {
            rapidjson::SizeType bad = twice(v), i = 0;
            for (const auto &member : v.GetObject()) {
                names++;
                if (i++ == bad) {
                    second = names;
                    return prepend(lt::json::view(member.name));
                }
                if ((member.value.IsObject() || member.value.IsArray()) && find(member.value))
                    return prepend(lt::json::view(member.name));
            }
        }
        return false;
    }

    bool prepend(std::string_view token)
    {
        std::string p;
        pointer_append(p, token);
        pointer.insert(0, p);
        return true;
    }
};

/* Second reading, on the error path only: stops at the wanted name. */
struct Counter : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Counter> {
    std::size_t left;
    explicit Counter(std::size_t n) : left(n)
    {
    }
    bool Key(const char *, rapidjson::SizeType, bool)
    {
        return --left > 0;
    }
};

/* Offset of the opening quote of the nth name. */
std::size_t offset_of_name(std::string_view s, std::size_t nth)
{
    std::string copy(s);
    copy.append(16, '\0'); /* the reader looks at 16 aligned bytes at a time */
    rapidjson::InsituStringStream in(&copy[0]);
    rapidjson::Reader reader;
    Counter counter(nth);
    reader.Parse<parse_flags>(in, counter);
    std::size_t end = std::min(in.Tell(), s.size());
    if (end < 2)
        return 0;
    for (std::size_t i = end - 1; i-- > 0;) {
        if (s[i] != '"')
            continue;
        std::size_t slashes = 0;
        while (slashes < i && s[i - 1 - slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            return i;
    }
    return 0;
}

int check_duplicates(std::string_view s, const rapidjson::Document &doc, struct lt_err *err)
{
    Duplicates d;
    if (!d.find(doc))
        return LT_OK;
    std::size_t slash = d.pointer.rfind('/');
    lt_err_set(err, LT_E_INVALID, "json-duplicate-member", "member %s stands twice in one object; each name once",
               lt::json::clip(std::string_view(d.pointer).substr(slash + 1), 60).c_str());
    if (err) {
        locate(s, offset_of_name(s, d.second), &err->line, &err->column);
        lt::json::set_pointer(err, d.pointer);
    }
    return LT_E_INVALID;
}

int parse_error(std::string_view s, const rapidjson::ParseResult &result, const Filter &filter, struct lt_err *err)
{
    std::size_t offset = std::min(result.Offset(), s.size());
    int code = LT_E_INVALID;
    if (filter.stop == Stop::depth)
        code = lt_err_set(err, LT_E_LIMIT, "json-depth", "objects and arrays nested deeper than %u levels",
                          filter.depth_max);
    else if (filter.stop == Stop::surrogate)
        lt_err_set(err, code, "json-syntax", "%s", text_of(rapidjson::kParseErrorStringUnicodeSurrogateInvalid));
    else if (filter.stop == Stop::number)
        lt_err_set(err, code, "json-syntax", "%s", text_of(rapidjson::kParseErrorNumberTooBig));
    else
        lt_err_set(err, code, "json-syntax", "%s%s",
                   offset >= s.size() && result.Code() != rapidjson::kParseErrorDocumentEmpty
                       ? "the text ends too early: "
                       : "",
                   text_of(result.Code()));
    if (err)
        locate(s, offset, &err->line, &err->column);
    return code;
}
} // namespace

extern "C" {

int lt_json_parse(struct lt_span s, const struct lt_json_limits *limits, struct lt_json **ret, struct lt_err *err)
{
    std::string_view text = lt::json::view(s);
    if (text.size() > limits->bytes_max || text.size() > UINT32_MAX / 2)
        return lt_err_set(err, LT_E_LIMIT, "json-size", "%zu bytes, expected at most %zu", text.size(),
                          limits->bytes_max);
    int rc = check_encoding(text, err);
    if (rc)
        return rc;

    /* Document, pool, text: values take 16 bytes, members 32, for at least 2 and 5 bytes of text. */
    std::size_t pool_size = text.size() * 2 + 1024;
    pool_size -= pool_size % 16;
    std::size_t head = (sizeof(struct lt_json) + 15) / 16 * 16;
    /* The reader looks at 16 aligned bytes at a time: the text's last ones must be ours to read. */
    std::size_t room = (text.size() + 16) / 16 * 16;
    char *memory = static_cast<char *>(lt_realloc(nullptr, head + pool_size + room));
    char *copy = memory + head + pool_size;
    std::memcpy(copy, text.data(), text.size());
    std::memset(copy + text.size(), 0, room - text.size());

    struct lt_json *j = new (memory) struct lt_json(memory + head, pool_size);
    Filter filter{j->doc, 0, std::min(limits->depth_max, lt::json::depth_cap), may_have_surrogates(text)};
    rapidjson::InsituStringStream in(copy);
    rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>> reader;
    rapidjson::ParseResult result;
    auto generate = [&](rapidjson::Document &) {
        result = reader.Parse<parse_flags>(in, filter);
        return !result.IsError();
    };
    j->doc.Populate(generate);
    rc = result.IsError() ? parse_error(text, result, filter, err) : check_duplicates(text, j->doc, err);
    if (rc) {
        lt_json_free(j);
        return rc;
    }
    *ret = j;
    return LT_OK;
}

void lt_json_free(struct lt_json *j)
{
    if (!j)
        return;
    j->~lt_json();
    free(j);
}

void lt_json_freep(struct lt_json **j)
{
    lt_json_free(*j);
    *j = nullptr;
}
}
