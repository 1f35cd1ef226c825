#include "gateway/codec/pattern.h"

#include <ctype.h>

/*
 * Compiled form (Thompson): steps that consume one code point and fall through to the next step, and steps that only
 * branch. The parser emits steps in order; repetition copies the steps of its operand, whose jumps are relative.
 */
enum op { OP_CHAR, OP_ANY, OP_CLASS, OP_SPLIT, OP_JUMP, OP_START, OP_END, OP_MATCH };

struct step {
    enum op op;
    uint32_t arg; /* OP_CHAR: code point; OP_CLASS: index */
    int32_t x, y; /* OP_SPLIT: both ways; OP_JUMP: x; relative to this step */
};

struct range {
    uint32_t from, to;
};

struct class
{
    uint64_t ascii[2]; /* complete for code points below 128, negation applied */
    bool negated;      /* for the ranges */
    LT_VEC(struct range) ranges;
};

struct ready;

struct lt_pattern {
    LT_VEC(struct step) steps;
    LT_VEC(struct class) classes;
    struct ready *ready; /* NULL: not prepared, or not worth it */
};

#define DEPTH_MAX 50

struct parser {
    struct lt_pattern *p;
    struct lt_span s;
    size_t at;
    unsigned depth;
    const char *wrong; /* NULL while all is well */
    bool too_big;
};

/* s is valid UTF-8. */
static uint32_t decode(struct lt_span s, size_t *at)
{
    const unsigned char *p = (const unsigned char *)s.ptr + *at;
    if (p[0] < 0x80) {
        *at += 1;
        return p[0];
    }
    if (p[0] < 0xE0) {
        *at += 2;
        return (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    }
    if (p[0] < 0xF0) {
        *at += 3;
        return (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    }
    *at += 4;
    return (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
}

/* ---- compile ---- */

static bool fail(struct parser *ps, const char *wrong)
{
    if (!ps->wrong)
        ps->wrong = wrong;
    return false;
}

static bool more(const struct parser *ps)
{
    return ps->at < ps->s.len;
}

static char peek(const struct parser *ps)
{
    return ps->s.ptr[ps->at];
}

static bool take(struct parser *ps, char c)
{
    if (!more(ps) || peek(ps) != c)
        return false;
    ps->at++;
    return true;
}

static bool emit(struct parser *ps, struct step st)
{
    if (ps->p->steps.len >= LT_PATTERN_SIZE_MAX) {
        ps->too_big = true;
        return fail(ps, "too long once its repetitions are written out");
    }
    *lt_vec_push(&ps->p->steps) = st;
    return true;
}

/* Open a gap for one step in front of step `at`; nothing inside jumps across it. */
static bool insert(struct parser *ps, size_t at, struct step st)
{
    if (!emit(ps, st))
        return false;
    struct step *v = ps->p->steps.v;
    memmove(v + at + 1, v + at, (ps->p->steps.len - at - 1) * sizeof(*v));
    v[at] = st;
    return true;
}

static bool copy_steps(struct parser *ps, size_t from, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!emit(ps, ps->p->steps.v[from + i]))
            return false;
    }
    return true;
}

static void class_add(struct class *c, uint32_t from, uint32_t to)
{
    for (uint32_t cp = from; cp <= to && cp < 128; cp++)
        c->ascii[cp >> 6] |= UINT64_C(1) << (cp & 63);
    if (to >= 128)
        *lt_vec_push(&c->ranges) = (struct range){LT_MAX(from, 128u), to};
}

/* \d \w \s; the capital letter adds all others. */
static bool class_escape(struct class *c, char letter)
{
    static const struct range digit[] = {{'0', '9'}}, word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
                              space[] = {{9, 13},          {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
                                         {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                                         {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
    const struct range *set;
    size_t n;
    switch (letter | 0x20) {
    case 'd':
        set = digit, n = LT_ARRAY_LEN(digit);
        break;
    case 'w':
        set = word, n = LT_ARRAY_LEN(word);
        break;
    case 's':
        set = space, n = LT_ARRAY_LEN(space);
        break;
    default:
        return false;
    }
    bool others = isupper((unsigned char)letter);
    uint32_t next = 0;
    for (size_t i = 0; i < n; i++) {
        if (!others)
            class_add(c, set[i].from, set[i].to);
        else if (set[i].from > next)
            class_add(c, next, set[i].from - 1);
        next = set[i].to + 1;
    }
    if (others)
        class_add(c, next, 0x10FFFF);
    return true;
}

static bool hex(struct parser *ps, int digits, uint32_t *ret)
{
    uint32_t cp = 0;
    for (int i = 0; i < digits; i++) {
        if (!more(ps) || !isxdigit((unsigned char)peek(ps)))
            return fail(ps, "too few hexadecimal digits after \\x or \\u");
        char c = peek(ps);
        cp = cp * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        ps->at++;
    }
    *ret = cp;
    return true;
}

/* After the backslash: one code point. Class escapes were looked for before. */
static bool char_escape(struct parser *ps, uint32_t *ret)
{
    static const char letters[] = "tnrfv", values[] = "\t\n\r\f\v";
    if (!more(ps))
        return fail(ps, "nothing after \\");
    char c = peek(ps);
    const char *known = c ? strchr(letters, c) : NULL;
    if (known) {
        ps->at++;
        *ret = (uint32_t)values[known - letters];
        return true;
    }
    if (c == 'x' || c == 'u') {
        ps->at++;
        return hex(ps, c == 'x' ? 2 : 4, ret);
    }
    if (isalnum((unsigned char)c))
        return fail(ps, "this escape is not supported");
    *ret = decode(ps->s, &ps->at);
    return true;
}

/* After '['. Either a code point or, with *ret_set, a set that went into c. */
static bool class_member(struct parser *ps, struct class *c, uint32_t *ret, bool *ret_set)
{
    *ret_set = false;
    if (!take(ps, '\\')) {
        *ret = decode(ps->s, &ps->at);
        return true;
    }
    if (more(ps) && class_escape(c, peek(ps))) {
        ps->at++;
        *ret_set = true;
        return true;
    }
    return char_escape(ps, ret);
}

static bool parse_class(struct parser *ps)
{
    struct class *c = lt_vec_push(&ps->p->classes);
    *c = (struct class){0};
    c->negated = take(ps, '^');
    while (!take(ps, ']')) {
        uint32_t from = 0, to = 0;
        bool set;
        if (!more(ps))
            return fail(ps, "[ without ]");
        if (!class_member(ps, c, &from, &set))
            return false;
        if (set)
            continue;
        to = from;
        if (ps->at + 1 < ps->s.len && peek(ps) == '-' && ps->s.ptr[ps->at + 1] != ']') {
            ps->at++;
            if (!class_member(ps, c, &to, &set))
                return false;
            if (set || to < from)
                return fail(ps, "a range in [ ] that ends before it starts");
        }
        class_add(c, from, to);
    }
    if (c->negated) {
        c->ascii[0] = ~c->ascii[0];
        c->ascii[1] = ~c->ascii[1];
    }
    return emit(ps, (struct step){.op = OP_CLASS, .arg = (uint32_t)(ps->p->classes.len - 1)});
}

static bool parse_alternatives(struct parser *ps);

static bool parse_group(struct parser *ps)
{
    if (take(ps, '?') && !take(ps, ':'))
        return fail(ps, "only ( ) and (?: ) groups are supported");
    if (++ps->depth > DEPTH_MAX)
        return fail(ps, "groups nested too deeply");
    if (!parse_alternatives(ps))
        return false;
    ps->depth--;
    return take(ps, ')') || fail(ps, "( without )");
}

static bool parse_atom(struct parser *ps)
{
    uint32_t cp;
    switch (peek(ps)) {
    case '(':
        ps->at++;
        return parse_group(ps);
    case '[':
        ps->at++;
        return parse_class(ps);
    case '.':
        ps->at++;
        return emit(ps, (struct step){.op = OP_ANY});
    case '^':
        ps->at++;
        return emit(ps, (struct step){.op = OP_START});
    case '$':
        ps->at++;
        return emit(ps, (struct step){.op = OP_END});
    case '*':
    case '+':
    case '?':
    case '{':
        return fail(ps, "nothing to repeat");
    case ']':
    case '}':
        return fail(ps, "] or } without its opening; write \\] or \\}");
    case '\\':
        ps->at++;
        if (more(ps)) {
            struct class c = {0};
            if (class_escape(&c, peek(ps))) {
                ps->at++;
                *lt_vec_push(&ps->p->classes) = c;
                return emit(ps, (struct step){.op = OP_CLASS, .arg = (uint32_t)(ps->p->classes.len - 1)});
            }
        }
        if (!char_escape(ps, &cp))
            return false;
        return emit(ps, (struct step){.op = OP_CHAR, .arg = cp});
    default:
        return emit(ps, (struct step){.op = OP_CHAR, .arg = decode(ps->s, &ps->at)});
    }
}

static bool number(struct parser *ps, unsigned *ret)
{
    unsigned n = 0;
    if (!more(ps) || !isdigit((unsigned char)peek(ps)))
        return fail(ps, "expected {n}, {n,} or {n,m}");
    while (more(ps) && isdigit((unsigned char)peek(ps))) {
        n = n * 10 + (unsigned)(peek(ps) - '0');
        if (n > LT_PATTERN_SIZE_MAX) {
            ps->too_big = true;
            return fail(ps, "a repetition count that is too large");
        }
        ps->at++;
    }
    *ret = n;
    return true;
}

#define UNBOUNDED (~0u)

static bool parse_counts(struct parser *ps, unsigned *ret_min, unsigned *ret_max)
{
    if (take(ps, '*')) {
        *ret_min = 0;
        *ret_max = UNBOUNDED;
    } else if (take(ps, '+')) {
        *ret_min = 1;
        *ret_max = UNBOUNDED;
    } else if (take(ps, '?')) {
        *ret_min = 0;
        *ret_max = 1;
    } else if (take(ps, '{')) {
        if (!number(ps, ret_min))
            return false;
        *ret_max = *ret_min;
        if (take(ps, ',')) {
            if (more(ps) && peek(ps) == '}')
                *ret_max = UNBOUNDED;
            else if (!number(ps, ret_max))
                return false;
        }
        if (!take(ps, '}'))
            return fail(ps, "expected {n}, {n,} or {n,m}");
        if (*ret_max < *ret_min)
            return fail(ps, "{n,m} with m below n");
    } else {
        *ret_min = *ret_max = 1;
        return true;
    }
    (void)take(ps, '?'); /* lazy: which way is tried first does not matter to whether it matches */
    if (more(ps) && strchr("*+?{", peek(ps)) && peek(ps))
        return fail(ps, "a repetition of a repetition; use a group");
    return true;
}

/* The atom is steps[from..]. Written out: min copies, then max - min optional ones or a loop. */
static bool repeat(struct parser *ps, size_t from, unsigned min, unsigned max)
{
    size_t len = ps->p->steps.len - from;
    if (max == 0) {
        ps->p->steps.len = from;
        return true;
    }
    if (min == 1 && max == 1)
        return true;
    for (unsigned i = 1; i < min; i++) {
        if (!copy_steps(ps, from, len))
            return false;
    }
    if (max == UNBOUNDED && min > 0) /* loop over the last copy */
        return emit(ps, (struct step){.op = OP_SPLIT, .x = -(int32_t)len, .y = 1});
    if (max == UNBOUNDED) {
        if (!insert(ps, from, (struct step){.op = OP_SPLIT, .x = 1, .y = (int32_t)len + 2}))
            return false;
        return emit(ps, (struct step){.op = OP_JUMP, .x = -(int32_t)len - 1});
    }
    size_t optional = from;
    if (min == 0) {
        if (!insert(ps, from, (struct step){.op = OP_SPLIT, .x = 1, .y = (int32_t)len + 1}))
            return false;
        min = 1;
    } else {
        optional = ps->p->steps.len;
        if (min == max)
            return true;
        if (!emit(ps, (struct step){.op = OP_SPLIT, .x = 1, .y = (int32_t)len + 1}) || !copy_steps(ps, from, len))
            return false;
        min++;
    }
    for (; min < max; min++) {
        if (!copy_steps(ps, optional, len + 1))
            return false;
    }
    return true;
}

static bool parse_sequence(struct parser *ps)
{
    while (more(ps) && peek(ps) != '|' && peek(ps) != ')') {
        size_t from = ps->p->steps.len;
        unsigned min, max;
        if (!parse_atom(ps) || !parse_counts(ps, &min, &max) || !repeat(ps, from, min, max))
            return false;
    }
    return true;
}

static bool parse_alternatives(struct parser *ps)
{
    size_t from = ps->p->steps.len;
    if (!parse_sequence(ps))
        return false;
    while (take(ps, '|')) {
        size_t len = ps->p->steps.len - from;
        if (!insert(ps, from, (struct step){.op = OP_SPLIT, .x = 1, .y = (int32_t)len + 2}))
            return false;
        size_t jump = ps->p->steps.len;
        if (!emit(ps, (struct step){.op = OP_JUMP}) || !parse_sequence(ps))
            return false;
        ps->p->steps.v[jump].x = (int32_t)(ps->p->steps.len - jump);
    }
    return true;
}

int lt_pattern_compile(struct lt_span source, struct lt_pattern **ret, struct lt_err *err)
{
    struct parser ps = {.p = lt_alloc(sizeof(*ps.p)), .s = source};
    bool good = parse_alternatives(&ps);
    if (good && more(&ps))
        good = fail(&ps, ") without (");
    if (good)
        good = emit(&ps, (struct step){.op = OP_MATCH});
    if (!good) {
        lt_pattern_free(ps.p);
        lt_err_set(err, ps.too_big ? LT_E_LIMIT : LT_E_INVALID, "pattern",
                   "pattern " LT_SPAN_FMT ": at character %zu: %s", LT_SPAN_ARG(source), ps.at + 1, ps.wrong);
        if (err)
            err->column = (int)ps.at + 1;
        return ps.too_big ? LT_E_LIMIT : LT_E_INVALID;
    }
    *ret = ps.p;
    return LT_OK;
}

void lt_pattern_free(struct lt_pattern *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->classes.len; i++)
        lt_vec_deinit(&p->classes.v[i].ranges);
    lt_vec_deinit(&p->classes);
    lt_vec_deinit(&p->steps);
    free(p->ready);
    free(p);
}

/* ---- match ---- */

static bool class_has(const struct class *c, uint32_t cp)
{
    if (cp < 128)
        return c->ascii[cp >> 6] >> (cp & 63) & 1;
    for (size_t i = 0; i < c->ranges.len; i++) {
        if (cp >= c->ranges.v[i].from && cp <= c->ranges.v[i].to)
            return !c->negated;
    }
    return c->negated;
}

/* The steps that wait for the next code point, each once; `seen` remembers those reached at this place of the text. */
struct places {
    uint16_t list[LT_PATTERN_SIZE_MAX];
    size_t len;
};

struct run {
    const struct lt_pattern *p;
    uint32_t seen[LT_PATTERN_SIZE_MAX], now;
    uint16_t stack[LT_PATTERN_SIZE_MAX + 1];
};

/* Follow the branching steps from `from`; true when the end of the pattern was reached. */
static bool reach(struct run *r, struct places *to, size_t from, bool at_start, bool at_end)
{
    size_t depth = 0;
    if (r->seen[from] == r->now)
        return false;
    r->seen[from] = r->now;
    r->stack[depth++] = (uint16_t)from;
    while (depth) {
        size_t i = r->stack[--depth];
        const struct step *st = &r->p->steps.v[i];
        int32_t ways[2] = {1, 0};
        switch (st->op) {
        case OP_MATCH:
            return true;
        case OP_SPLIT:
            ways[0] = st->x;
            ways[1] = st->y;
            break;
        case OP_JUMP:
            ways[0] = st->x;
            break;
        case OP_START:
            if (!at_start)
                continue;
            break;
        case OP_END:
            if (!at_end)
                continue;
            break;
        default:
            to->list[to->len++] = (uint16_t)i;
            continue;
        }
        for (int w = 0; w < 2 && ways[w]; w++) {
            size_t next = (size_t)((int32_t)i + ways[w]);
            if (r->seen[next] != r->now) {
                r->seen[next] = r->now;
                r->stack[depth++] = (uint16_t)next;
            }
        }
    }
    return false;
}

static bool consumes(const struct lt_pattern *p, const struct step *st, uint32_t cp)
{
    switch (st->op) {
    case OP_CHAR:
        return st->arg == cp;
    case OP_ANY:
        return cp != '\n' && cp != '\r' && cp != 0x2028 && cp != 0x2029;
    default:
        return class_has(&p->classes.v[st->arg], cp);
    }
}

/* All places after one more code point, those of `here` that take it; true when the end of the pattern was reached. */
static bool step_on(struct run *r, const struct places *here, struct places *next, uint32_t cp, bool at_end)
{
    const struct lt_pattern *p = r->p;
    r->now++;
    next->len = 0;
    for (size_t i = 0; i < here->len; i++) {
        if (consumes(p, &p->steps.v[here->list[i]], cp) && reach(r, next, (size_t)here->list[i] + 1, false, at_end))
            return true;
    }
    return p->steps.v[0].op != OP_START && reach(r, next, 0, false, at_end);
}

static void run_init(struct run *r, const struct lt_pattern *p)
{
    r->p = p;
    r->now = 1;
    memset(r->seen, 0, p->steps.len * sizeof(r->seen[0]));
}

static bool search_places(const struct lt_pattern *p, struct lt_span s)
{
    struct places a, b, *here = &a, *next = &b;
    struct run r;
    bool anchored = p->steps.v[0].op == OP_START;
    size_t at = 0;
    run_init(&r, p);
    here->len = 0;
    if (reach(&r, here, 0, true, s.len == 0))
        return true;
    while (at < s.len && (here->len || !anchored)) {
        uint32_t cp = decode(s, &at);
        if (step_on(&r, here, next, cp, at == s.len))
            return true;
        struct places *swap = here;
        here = next;
        next = swap;
    }
    return false;
}

/* ---- prepared: the sets of places that ASCII texts lead to, numbered, with one look-up a byte ---- */

#define READY_STEPS_MAX 128
#define READY_STATES_MAX 60
#define READY_MATCHED 0x80 /* whatever follows */
#define READY_ENDS 0x40    /* matches when the text ends here */
#define READY_STATE 0x3F

struct ready {
    bool always, empty; /* matches before the first character; the empty text */
    size_t len;
    uint8_t next[][128];
};

struct ready_maker {
    struct run run;
    struct places next, states[READY_STATES_MAX];
    size_t len;
};

static int place_compare(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* The number of this set; READY_STATES_MAX: too many. */
static size_t ready_state(struct ready_maker *m, struct places *set)
{
    size_t i = 0;
    qsort(set->list, set->len, sizeof(set->list[0]), place_compare);
    while (i < m->len &&
           (m->states[i].len != set->len || memcmp(m->states[i].list, set->list, set->len * sizeof(set->list[0])) != 0))
        i++;
    if (i == m->len && m->len < READY_STATES_MAX)
        m->states[m->len++] = *set;
    return i;
}

/* Which of the places take it: characters that the same ones take lead to the same set. */
static void takers(const struct lt_pattern *p, const struct places *here, uint32_t cp, bool ret[READY_STEPS_MAX])
{
    for (size_t i = 0; i < here->len; i++)
        ret[i] = consumes(p, &p->steps.v[here->list[i]], cp);
}

static bool ready_row(struct ready_maker *m, const struct lt_pattern *p, size_t state, uint8_t row[128])
{
    bool took[READY_STEPS_MAX] = {false}, takes[READY_STEPS_MAX] = {false};
    const struct places *here = &m->states[state];
    for (unsigned c = 0; c < 128; c++) {
        takers(p, here, c, takes);
        if (c && memcmp(took, takes, sizeof(took)) == 0) {
            row[c] = row[c - 1];
            continue;
        }
        memcpy(took, takes, sizeof(took));
        row[c] = step_on(&m->run, here, &m->next, c, true) ? READY_ENDS : 0;
        if (step_on(&m->run, here, &m->next, c, false)) {
            row[c] |= READY_MATCHED;
            continue;
        }
        size_t to = ready_state(m, &m->next);
        if (to == READY_STATES_MAX)
            return false;
        row[c] |= (uint8_t)to;
    }
    return true;
}

void lt_pattern_prepare(struct lt_pattern *p)
{
    if (p->ready || p->steps.len > READY_STEPS_MAX)
        return;
    struct ready_maker *m = lt_alloc(sizeof(*m));
    struct ready *y = lt_alloc(sizeof(*y) + READY_STATES_MAX * sizeof(y->next[0]));
    bool good = true;
    run_init(&m->run, p);
    y->empty = search_places(p, LT_SPAN_LIT(""));
    y->always = reach(&m->run, &m->next, 0, true, false);
    (void)ready_state(m, &m->next);
    for (size_t i = 0; good && i < m->len; i++)
        good = ready_row(m, p, i, y->next[i]);
    y->len = m->len;
    if (good)
        p->ready = lt_realloc(y, sizeof(*y) + m->len * sizeof(y->next[0]));
    else
        free(y);
    free(m);
}

bool lt_pattern_search(const struct lt_pattern *p, struct lt_span s)
{
    const struct ready *y = p->ready;
    unsigned to = 0;
    if (!y)
        return search_places(p, s);
    if (!s.len || y->always)
        return s.len ? y->always : y->empty;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c >= 128)
            return search_places(p, s);
        to = y->next[to & READY_STATE][c];
        if (to & READY_MATCHED)
            return true;
    }
    return to & READY_ENDS;
}
