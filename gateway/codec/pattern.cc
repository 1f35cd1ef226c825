/* In C++ the function lt_span hides the constructor of the struct. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "gateway/codec/pattern.h"
#pragma GCC diagnostic pop

#include <algorithm>
#include <cctype>
#include <memory>
#include <string>
#include <string_view>

#include <re2/re2.h>

struct lt_pattern {
    RE2 re;
    lt_pattern(const std::string &source, const RE2::Options &options) : re(source, options)
    {
    }
};

namespace
{
/* \s of ECMA 262; RE2's knows ASCII only. The second: all the others, as a class cannot be negated inside another. */
constexpr const char *spaces =
    R"(\t-\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF})";
constexpr const char *no_spaces =
    R"(\x{0}-\x{8}\x{E}-\x{1F}!-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}\x{202A}-\x{202E})"
    R"(\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{FEFE}\x{FF00}-\x{10FFFF})";

constexpr const char *nothing_to_repeat = "nothing to repeat before *, +, ? or {";
constexpr const char *set_in_range = "a \\d, \\s or \\w neither begins nor ends a range; write \\- for the character";
constexpr int too_often = 1001; /* for RE2 */

/* From the syntax of ECMA 262 to that of RE2: what both write alike passes, what RE2 takes otherwise or knows beyond is
 * written anew or refused. */
class Translation
{
  public:
    std::string out;
    const char *wrong = nullptr;

    explicit Translation(struct lt_span source) : s(source.ptr, source.len)
    {
        while (at < s.size() && !wrong)
            step();
        if (in_class && !wrong)
            wrong = "a [ without ]";
    }
    int column() const
    {
        return static_cast<int>(at) + 1;
    }

  private:
    std::string_view s;
    std::size_t at = 0;
    bool in_class = false;
    enum { NOTHING, CHARACTER, SET, RANGE } before = NOTHING; /* within a class; RANGE: a character and - */

    bool follows(std::string_view word) const
    {
        return s.substr(at).substr(0, word.size()) == word;
    }
    void pass(std::size_t n)
    {
        out += s.substr(at, n);
        at += n;
    }
    void write(const char *text, std::size_t n)
    {
        out += text;
        at += n;
    }

    void step()
    {
        if (s[at] == '\\')
            return escape();
        if (in_class)
            return class_member();
        switch (s[at]) {
        case '[':
            return class_begin();
        case ']':
        case '}':
            wrong = "a ] or } without its opening one; write \\] or \\}";
            return;
        case '.':
            return write(R"([^\n\r\x{2028}\x{2029}])", 1);
        case '{':
            return count();
        case '(':
            if (follows("(?") && !follows("(?:"))
                wrong = "only (...) and (?:...) groups are supported";
            else
                pass(1);
            return;
        case '^':
        case '$':
            if (at + 1 < s.size() && std::string_view("*+?{").find(s[at + 1]) != std::string_view::npos)
                wrong = nothing_to_repeat;
            else
                pass(1);
            return;
        default:
            pass(1);
        }
    }

    void class_begin()
    {
        in_class = true;
        before = NOTHING;
        pass(follows("[^") ? 2 : 1);
        if (at < s.size() && s[at] == ']')
            wrong = "an empty [ ]; write \\] for the character";
    }
    /* A set ends no range: RE2 would make one of a part of it. */
    void class_took(bool set)
    {
        if (set && before == RANGE)
            wrong = set_in_range;
        before = set ? SET : before == RANGE ? NOTHING : CHARACTER;
    }
    void class_member()
    {
        bool hyphen = s[at] == '-' && !follows("-]");
        if (hyphen && before == SET)
            wrong = set_in_range;
        else if (hyphen && before == CHARACTER)
            before = RANGE;
        else if ((s[at] & 0xC0) != 0x80) /* not inside a character */
            class_took(false);
        if (s[at] == '[')
            return write("\\[", 1); /* RE2 would begin [:alpha:] here */
        in_class = s[at] != ']';
        pass(1);
    }

    /* -1: none. What is too much stays too much: RE2 says so. */
    int number(std::size_t &end) const
    {
        int n = -1;
        for (; end < s.size() && s[end] >= '0' && s[end] <= '9'; end++)
            n = std::min(std::max(n, 0) * 10 + s[end] - '0', too_often);
        return n;
    }

    /* {n}, {n,} or {n,m}: anything else would be literal text to RE2, also a number with a 0 before it or a very long
     * one. */
    void count()
    {
        std::size_t end = at + 1;
        int n = number(end), m = n;
        bool comma = end < s.size() && s[end] == ',';
        if (comma)
            m = number(++end);
        if (n < 0 || end >= s.size() || s[end] != '}')
            wrong = "expected {n}, {n,} or {n,m}";
        else if (m >= 0 && m < n)
            wrong = "a {n,m} with m below n";
        else
            write(("{" + std::to_string(n) + (comma ? "," : "") + (comma && m >= 0 ? std::to_string(m) : "") + "}")
                      .c_str(),
                  end + 1 - at);
    }

    void escape()
    {
        if (at + 1 == s.size()) {
            wrong = "nothing after the last \\";
            return;
        }
        char c = s[at + 1];
        if (in_class)
            class_took(std::string_view("dDwWsS").find(c) != std::string_view::npos);
        if (c == 'u' || c == 'x')
            return code_point(c == 'u' ? 4 : 2);
        if (std::string_view("dDwWtnrfv").find(c) != std::string_view::npos)
            return pass(2);
        if (c == 's' || c == 'S') {
            const char *set = c == 's' ? spaces : no_spaces;
            return in_class ? write(set, 2) : write(("[" + std::string(set) + "]").c_str(), 2);
        }
        if (c <= ' ' || c > '~' || std::isalnum(static_cast<unsigned char>(c)) || c == '_')
            wrong = "this escape is not supported";
        else
            pass(2);
    }
    void code_point(std::size_t digits)
    {
        std::string_view hex = s.substr(at + 2).substr(0, digits);
        if (hex.size() < digits || hex.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
            wrong = "\\x needs two hexadecimal digits, \\u four";
        else if (digits == 4 && (hex[0] == 'd' || hex[0] == 'D') && hex[1] > '7')
            wrong = "half of a surrogate pair; write the character itself";
        else
            write(("\\x{" + std::string(hex) + "}").c_str(), digits + 2);
    }
};

/* RE2's own words for a sender of schemas. */
const char *in_words(RE2::ErrorCode code)
{
    switch (code) {
    case RE2::ErrorMissingBracket:
        return "a [ without ]";
    case RE2::ErrorMissingParen:
        return "a ( without )";
    case RE2::ErrorUnexpectedParen:
        return "a ) without (";
    case RE2::ErrorBadCharRange:
        return "a range that ends before it starts";
    case RE2::ErrorRepeatArgument:
        return nothing_to_repeat;
    case RE2::ErrorRepeatOp:
        return "a repetition of a repetition; use a group";
    default:
        return nullptr;
    }
}
} // namespace

int lt_pattern_compile(struct lt_span source, struct lt_pattern **ret, struct lt_err *err)
{
    *ret = nullptr;
    Translation t(source);
    if (t.wrong) {
        lt_err_set(err, LT_E_INVALID, "pattern", "pattern " LT_SPAN_FMT ": at character %d: %s", LT_SPAN_ARG(source),
                   t.column(), t.wrong);
        if (err)
            err->column = t.column();
        return LT_E_INVALID;
    }
    RE2::Options options;
    options.set_log_errors(false);
    options.set_never_capture(true);
    auto p = std::make_unique<lt_pattern>(t.out, options);
    if (p->re.ok()) {
        *ret = p.release();
        return LT_OK;
    }
    RE2::ErrorCode code = p->re.error_code();
    if (code == RE2::ErrorRepeatSize || code == RE2::ErrorPatternTooLarge)
        return lt_err_set(err, LT_E_LIMIT, "pattern",
                          "pattern " LT_SPAN_FMT ": too large; a repetition counts to 1000 at most",
                          LT_SPAN_ARG(source));
    const char *words = in_words(code);
    return lt_err_set(err, LT_E_INVALID, "pattern", "pattern " LT_SPAN_FMT ": near \"%s\": %s", LT_SPAN_ARG(source),
                      p->re.error_arg().c_str(), words ? words : p->re.error().c_str());
}

void lt_pattern_free(struct lt_pattern *p)
{
    delete p;
}

bool lt_pattern_search(const struct lt_pattern *p, struct lt_span s)
{
    return p->re.Match(re2::StringPiece(s.ptr, s.len), 0, s.len, RE2::UNANCHORED, nullptr, 0);
}
