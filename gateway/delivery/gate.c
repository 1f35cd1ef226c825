#include "gateway/delivery/gate.h"

#define TROUBLE_MAX_MS 30000
#define ANSWERS 64
#define ANSWERS_MIN 20

void lt_gate_init(struct lt_gate *g, int64_t rate, unsigned failures_max, int64_t retry_min_ms, int64_t retry_max_ms,
                  uint64_t seed, int64_t now_ms)
{
    *g = (struct lt_gate){.failures_max = failures_max,
                          .retry_min_ms = LT_MAX(retry_min_ms, 1),
                          .retry_max_ms = LT_MAX(retry_max_ms, LT_MAX(retry_min_ms, 1)),
                          .rate = (double)rate,
                          .tokens = (double)rate,
                          .filled_ms = now_ms,
                          .random = seed};
}

void lt_gate_refuse_at(struct lt_gate *g, unsigned percent)
{
    g->refused_max = percent;
}

void lt_gate_rate(struct lt_gate *g, double rate)
{
    g->rate = rate;
    g->tokens = LT_MIN(g->tokens, LT_MAX(rate, 1.0));
}

void lt_gate_try_at(struct lt_gate *g, int64_t at_ms)
{
    if (g->state == LT_GATE_PAUSED)
        g->until_ms = LT_MIN(g->until_ms, at_ms);
}

void lt_gate_resume(struct lt_gate *g, int64_t now_ms)
{
    g->answers_len = 0;
    g->failures = 0;
    g->pauses = 0;
    if (g->state == LT_GATE_PAUSED)
        g->until_ms = now_ms;
    if (g->reason == LT_OUTCOME_REJECT) /* known and wanted: what is refused is parked */
        g->state = LT_GATE_FLOWING;
}

/* splitmix64: jitter needs spread, not secrecy. */
static uint64_t next_random(struct lt_gate *g)
{
    uint64_t z = g->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int64_t backoff_max(const struct lt_gate *g, unsigned n)
{
    return n < 30 && g->retry_min_ms < g->retry_max_ms >> n ? g->retry_min_ms << n : g->retry_max_ms;
}

int64_t lt_gate_jitter(struct lt_gate *g, unsigned n)
{
    return (int64_t)(next_random(g) % ((uint64_t)backoff_max(g, n) + 1));
}

bool lt_gate_admits(struct lt_gate *g, int64_t now_ms, size_t running)
{
    if (g->state == LT_GATE_FLOWING)
        return true;
    if (running > 0 || (g->state == LT_GATE_PAUSED && now_ms < g->until_ms))
        return false;
    g->state = LT_GATE_PROBING;
    return true;
}

bool lt_gate_take_call(struct lt_gate *g, int64_t now_ms)
{
    if (g->rate <= 0)
        return true;
    if (now_ms > g->filled_ms) {
        double full = LT_MAX(g->rate, 1.0);
        g->tokens += g->rate * (double)(now_ms - g->filled_ms) / 1000.0;
        g->tokens = LT_MIN(g->tokens, full);
        g->filled_ms = now_ms;
    }
    if (g->tokens < 1.0)
        return false;
    g->tokens -= 1.0;
    return true;
}

static bool pause_gate(struct lt_gate *g, enum lt_outcome reason, int64_t wait_ms, int64_t now_ms)
{
    if (g->state == LT_GATE_PAUSED) { /* work that was out already: one pause, the longer one */
        if (wait_ms > 0)
            g->until_ms = LT_MAX(g->until_ms, now_ms + wait_ms);
        return false;
    }
    /* A pause is never shorter than half of its back-off: the jitter only spreads the instances. */
    int64_t most = backoff_max(g, g->pauses);
    if (reason == LT_OUTCOME_RETRY) /* one probe costs little, and a target that is back should not wait for us */
        most = LT_MIN(most, TROUBLE_MAX_MS);
    int64_t wait = most / 2 + (int64_t)(next_random(g) % (uint64_t)(most / 2 + 1));
    if (g->state == LT_GATE_FLOWING)
        g->since_ms = now_ms;
    g->state = LT_GATE_PAUSED;
    g->reason = reason;
    g->until_ms = now_ms + LT_MAX(wait_ms, wait);
    g->pauses++;
    g->failures = 0;
    return true;
}

/* Do the last answers say that the target refuses whatever it gets? */
static bool refuses(struct lt_gate *g, bool refused)
{
    g->answers = g->answers << 1 | refused;
    g->answers_len = LT_MIN(g->answers_len + 1, ANSWERS);
    if (!refused || g->refused_max == 0 || g->answers_len < ANSWERS_MIN)
        return false;
    uint64_t seen = g->answers_len == ANSWERS ? UINT64_MAX : (UINT64_C(1) << g->answers_len) - 1;
    return (unsigned)__builtin_popcountll(g->answers & seen) * 100 > g->refused_max * g->answers_len;
}

bool lt_gate_outcome(struct lt_gate *g, enum lt_outcome o, int64_t wait_ms, int64_t now_ms)
{
    switch (o) {
    case LT_OUTCOME_CREDENTIAL:
    case LT_OUTCOME_THROTTLE:
        return pause_gate(g, o, wait_ms, now_ms);
    case LT_OUTCOME_RETRY:
    case LT_OUTCOME_UNKNOWN:
        if (g->state == LT_GATE_PROBING || (g->state == LT_GATE_FLOWING && ++g->failures >= g->failures_max))
            return pause_gate(g, LT_OUTCOME_RETRY, wait_ms, now_ms);
        return false;
    case LT_OUTCOME_PASS: /* no call was made: says nothing about the target */
        if (g->state == LT_GATE_PROBING) {
            g->state = LT_GATE_PAUSED;
            g->until_ms = now_ms;
        }
        return false;
    case LT_OUTCOME_REJECT:
        if (g->state == LT_GATE_PROBING && g->reason == LT_OUTCOME_REJECT)
            return pause_gate(g, LT_OUTCOME_REJECT, wait_ms, now_ms);
        if (g->state == LT_GATE_FLOWING && refuses(g, true))
            return pause_gate(g, LT_OUTCOME_REJECT, wait_ms, now_ms);
        break;
    default:
        (void)refuses(g, false);
        if (g->state == LT_GATE_PROBING && g->reason == LT_OUTCOME_REJECT)
            g->answers_len = 0; /* the rules are mended: earlier refusals say nothing */
        break;
    }
    g->failures = 0;
    if (g->state == LT_GATE_PROBING) {
        g->state = LT_GATE_FLOWING;
        g->pauses = 0;
    }
    return false;
}

int64_t lt_gate_wait_ms(const struct lt_gate *g, int64_t now_ms)
{
    return g->state == LT_GATE_PAUSED && g->until_ms > now_ms ? g->until_ms - now_ms : 0;
}

const char *lt_gate_state_name(const struct lt_gate *g)
{
    return g->state == LT_GATE_FLOWING ? "running" : g->state == LT_GATE_PAUSED ? "paused" : "probing";
}

const char *lt_gate_reason(const struct lt_gate *g)
{
    if (g->state == LT_GATE_FLOWING)
        return "";
    if (g->reason == LT_OUTCOME_REJECT)
        return "refusals";
    return g->reason == LT_OUTCOME_RETRY ? "trouble" : lt_outcome_name(g->reason);
}
