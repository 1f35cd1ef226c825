/*
 * The core's committed position of one intake partition: what stands in the offset's metadata and in lt.position
 * (protocol 2, "One transaction"). ASCII, fixed fields, under 400 bytes:
 *
 *   c2 <incarnation> <partitions> <G ms> <K> <clock ms> <anchor> <sum> <new> <duplicate> <conflict> <replay> <invalid>
 * <undeliverable> <holes>
 *
 * incarnation, anchor and sum are 16 hex digits, the rest decimal. "c2" is the format number. "c1" had the
 * same fields over an index of other keys (index.h): its sum is compared with nothing this once (rule 8), the next
 * commit writes c2. Any other number is a newer version's, which alone knows what it means. At every commit new +
 * duplicate + conflict + replay + invalid = offset - holes.
 */
#ifndef LT_CORE_POSITION_H
#define LT_CORE_POSITION_H

#include "gateway/base/err.h"
#include "gateway/kafka/log.h"
#include "gateway/model/verdict.h"

#define LT_POSITION_FORMAT "c2"
#define LT_POSITION_FORMAT_OLD "c1"
#define LT_POSITION_MAX 400

struct lt_window {
    int64_t generation_ms; /* G = ceil(window / 200) */
    uint32_t generations;  /* K = ceil(window / G) */
};
struct lt_window lt_window_of(int64_t window_ms);
static inline uint64_t lt_generation_of(const struct lt_window *w, int64_t clock_ms)
{
    return clock_ms > 0 ? (uint64_t)(clock_ms / w->generation_ms) : 0;
}

struct lt_position {
    uint64_t incarnation;
    int32_t partitions;
    struct lt_window window;
    int64_t clock_ms; /* clock of the last consumed record; 0 before the first */
    uint64_t anchor;  /* of the last consumed record; 0 before the first */
    uint64_t sum;
    bool old_sum; /* read from format c1: of other keys, equal to none of ours */
    uint64_t verdicts[LT_VERDICTS];
    uint64_t undeliverable; /* copies that became dead letters */
    uint64_t holes;         /* offsets accepted as lost */
};

enum lt_position_result { LT_POSITION_OTHER_FORMAT = 1 /* neither c2 nor c1 */ };

void lt_position_format(const struct lt_position *p, char out[LT_POSITION_MAX]);
/* LT_OK; LT_POSITION_OTHER_FORMAT; LT_E_INVALID. */
int lt_position_parse(struct lt_span s, struct lt_position *ret, struct lt_err *err) LT_MUST_CHECK;
/* What genesis writes for the core's group: offset 0, nothing seen. */
void lt_position_genesis(uint64_t incarnation, int32_t partitions, int64_t window_ms, char out[LT_POSITION_MAX]);

/* 64 bits over key, value, headers and append time: tells whether the log still holds the record the position was
 * written for. */
uint64_t lt_position_anchor(const struct lt_log_record *r);
/* What a record lets the clock advance to: min(append time, lt_time + 10 min); -1 without log append time or a readable
 * lt_time. */
int64_t lt_position_time(const struct lt_log_record *r);
/* The same when the record's lt_time has been found already. */
int64_t lt_position_time_of(int64_t append_ms, struct lt_span lt_time);
/* clock(o) = max(clock(o-1), min(append time, lt_time + 10 min)); without log append time or a readable lt_time it does
 * not advance. */
int64_t lt_position_clock(int64_t before_ms, const struct lt_log_record *r);
#endif
