#include "gateway/delivery/mend.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- what is wrong ---- */

static const struct {
    const char *reason, *safe, *advice;
} stops[] = {
    {"OFFSETS-LOST", "what was delivered, is open and is parked stands in the ledger; new events wait in the queue",
     "if a broker was killed just before, start the coordinator of the group once more; else write the position back; "
     "never start anew: everything in the queue would be sent again"},
    {"MOVED", "what was delivered, is open and is parked stands in the ledger; new events wait in the queue",
     "write the position back; never use a reset-offsets tool on a target's group"},
    {"UNDELIVERED-DELETED", "what is parked or was delivered; new events wait in the queue",
     "raise topics.retention.queues; compare the target with lt.intake for the lost range; then accept the loss"},
    {"QUEUE-CHANGED", "what was delivered; parked events stand in the ledger; new events wait in the queue",
     "bring the old topic back if it exists. If it was made again, go on at its begin; if it lost its end, at its end"},
    {"NOT-INITIALISED", "nothing was sent yet", "create the first position"},
    {"LEDGER-MISSING", "what was delivered; nothing is sent without its ledger; new events wait in the queue",
     "restore what is missing, or create it: an empty ledger goes on only where nothing was open or parked"},
    {"LEDGER-DIVIDED", "what was delivered, is open and is parked stands in the ledger; new events wait in the queue",
     "a partition count cannot be taken back, and dossiers would move away from what the ledger knows of them. A "
     "process that began before goes on with the partitions that it knew: restart nothing until nothing waits there "
     "and "
     "nothing is parked. docs/operations.md says what then, and what after a restart"},
    {"LEDGER-DIFFERS",
     "what was delivered; nothing is sent while it is not known what is; new events wait in the queue",
     "find out who made the ledger again or deleted from it, and restore it; docs/operations.md has the one exception"},
    {"LEDGER-UNREADABLE",
     "what was delivered, is open and is parked stands in the ledger; new events wait in the queue",
     "find out who writes to the ledger besides the gateway, mend the ACL; a tombstone for the foreign key lets it "
     "load"},
    {"OTHER-FORMAT", "what was delivered, is open and is parked; new events wait in the queue",
     "run the version that wrote the position, or a newer one"},
    {"OLD-FORMAT", "what was delivered, and what is open, which the former version accounts for",
     "run the former version until this target is idle, stop it, start this one"},
    {"FETCH-FAILED", "what was delivered; calls that are out end and are committed",
     "nothing the first time: it is loaded again when its calls have ended. If it stays so, the text has Kafka's "
     "error: give the right to read the queue back, look at the brokers"},
    {"BAD-RECORD", "everything before the record, and what comes after it, which waits in the queue",
     "find out who writes to the queue besides the core, mend the ACL; then pass the record over"},
};

const char *lt_mend_safe(const char *reason)
{
    for (size_t i = 0; i < LT_ARRAY_LEN(stops); i++)
        if (strcmp(stops[i].reason, reason) == 0)
            return stops[i].safe;
    return "";
}

const char *lt_mend_advice(const char *reason)
{
    for (size_t i = 0; i < LT_ARRAY_LEN(stops); i++)
        if (strcmp(stops[i].reason, reason) == 0)
            return stops[i].advice;
    return "";
}

static int parse(const struct lt_mend_facts *f, struct lt_delivery_position *ret)
{
    return lt_delivery_position_parse(lt_span_str(f->metadata), ret, NULL);
}

bool lt_mend_went_back(const struct lt_mend_facts *f)
{
    struct lt_delivery_position told, last;
    return f->offset >= 0 && f->ledger && f->ledger->position[0] && parse(f, &told) == LT_OK &&
           lt_delivery_position_parse(lt_span_str(f->ledger->position), &last, NULL) == LT_OK &&
           last.incarnation == told.incarnation && last.number > told.number;
}

bool lt_mend_lived_before(const struct lt_ledger *ledger)
{
    struct lt_delivery_position last;
    return ledger->position[0] && lt_delivery_position_parse(lt_span_str(ledger->position), &last, NULL) == LT_OK &&
           last.base > 0;
}

const char *lt_mend_diagnose(const struct lt_mend_facts *f)
{
    struct lt_delivery_position p;
    if (f->offset < 0)
        return f->high == 0 && !(f->ledger && lt_mend_lived_before(f->ledger)) ? "NOT-INITIALISED" : "OFFSETS-LOST";
    int r = parse(f, &p);
    if (r == LT_DELIVERY_POSITION_OTHER_FORMAT)
        return "OTHER-FORMAT";
    if (r == LT_DELIVERY_POSITION_FORMER_OPEN)
        return "OLD-FORMAT";
    if (r != LT_OK || p.base != f->offset)
        return "MOVED";
    if (lt_mend_went_back(f))
        return "OFFSETS-LOST";
    return f->low > f->offset ? "UNDELIVERED-DELETED" : f->high < f->offset ? "QUEUE-CHANGED" : "";
}

void lt_mend_command(const struct lt_mend_facts *f, const char *reason, char *out, size_t size)
{
    out[0] = '\0';
    if (strcmp(reason, "OFFSETS-LOST") == 0 || strcmp(reason, "MOVED") == 0)
        snprintf(out, size, "lienthong targets position %s --partition %" PRId32, f->target, f->partition);
    else if (strcmp(reason, "UNDELIVERED-DELETED") == 0)
        snprintf(out, size, "lienthong targets accept-loss %s --partition %" PRId32 " --from %" PRId64 " --to %" PRId64,
                 f->target, f->partition, f->offset, f->low);
    else if (strcmp(reason, "QUEUE-CHANGED") == 0)
        snprintf(out, size,
                 "lienthong targets accept-queue %s --partition %" PRId32 " --from %" PRId64 " --to %" PRId64
                 " --dry-run",
                 f->target, f->partition, f->offset, f->low);
}

/* ---- what may be written ---- */

static LT_PRINTF(3, 4) void conclude(struct lt_mend *m, enum lt_mend_outcome outcome, const char *fmt, ...)
{
    va_list args;
    m->outcome = outcome;
    va_start(args, fmt);
    vsnprintf(m->text, sizeof(m->text), fmt, args);
    va_end(args);
}

void lt_mend_deinit(struct lt_mend *m)
{
    lt_vec_deinit(&m->closed);
    lt_vec_deinit(&m->lost);
}

/* A ledger that was cut or made again says nothing of what is done. */
static bool is_whole(const struct lt_mend_facts *f, const struct lt_delivery_position *p, struct lt_mend *m)
{
    int64_t parked = lt_delivery_position_parked(p);
    if ((int64_t)f->ledger->opens_len == p->open && (int64_t)f->ledger->parked_len == parked)
        return true;
    conclude(m, LT_MEND_REFUSED,
             "the ledger holds %zu open deliveries and %zu parked events, the position counts %" PRId64 " and %" PRId64
             ": it is not the one that belongs to it. Restore the ledger first",
             f->ledger->opens_len, f->ledger->parked_len, p->open, parked);
    return false;
}

void lt_mend_position(const struct lt_mend_facts *f, struct lt_mend *ret)
{
    const char *reason = lt_mend_diagnose(f);
    *ret = (struct lt_mend){0};
    if (strcmp(reason, "OTHER-FORMAT") == 0 || strcmp(reason, "OLD-FORMAT") == 0) {
        conclude(ret, LT_MEND_REFUSED, "the position was written by another version of the gateway: use that");
    } else if (strcmp(reason, "NOT-INITIALISED") == 0) {
        conclude(ret, LT_MEND_REFUSED,
                 "no position and no records: that is a first beginning; run: lienthong topics create");
    } else if (strcmp(reason, "MOVED") != 0 && strcmp(reason, "OFFSETS-LOST") != 0) {
        conclude(ret, LT_MEND_NOT_NEEDED, "offset %" PRId64 " stands with its counts%s%s", f->offset,
                 reason[0] ? "; it is stopped for another reason: " : "", reason);
    } else if (!f->ledger->position[0]) {
        conclude(ret, LT_MEND_REFUSED,
                 "the ledger holds no position: the former version wrote none, or nothing was ever committed. What is "
                 "finished leaves no trace in a ledger, so it cannot be computed either: restore the group's offsets "
                 "from a backup of the cluster");
    } else if (lt_delivery_position_parse(lt_span_str(f->ledger->position), &ret->after, NULL) != LT_OK) {
        conclude(ret, LT_MEND_REFUSED, "the position in the ledger is damaged, or of another version");
    } else if (f->remade) {
        conclude(ret, LT_MEND_REFUSED,
                 "the position is %" PRId64 ", but the queue, from %" PRId64 " to %" PRId64
                 ", holds only records that were written after it: it was made again, and the position would pass "
                 "over those below it unseen. Bring the old topic back; or go on at its begin: lienthong targets "
                 "accept-queue %s --partition %" PRId32 " --from %" PRId64 " --to %" PRId64,
                 ret->after.base, f->low, f->high, f->target, f->partition, ret->after.base, f->low);
    } else if (is_whole(f, &ret->after, ret)) {
        ret->after.number++;
        conclude(ret, LT_MEND_DONE,
                 "the position of the last transaction of the ledger, with %" PRId64 " open deliveries and %" PRId64
                 " parked events, all of which it holds",
                 ret->after.open, lt_delivery_position_parked(&ret->after));
    }
}

/* The position as it stands, where it is stopped for just this reason and as whoever decided saw it. */
static bool stands(const struct lt_mend_facts *f, const char *reason, int64_t from, struct lt_mend *m)
{
    const char *is = lt_mend_diagnose(f);
    *m = (struct lt_mend){0};
    bool went_with_topic = f->remade && f->offset < 0 && strcmp(reason, "QUEUE-CHANGED") == 0;
    if (strcmp(is, reason) != 0 && !went_with_topic) {
        conclude(m, is[0] ? LT_MEND_REFUSED : LT_MEND_NOT_NEEDED, "it is not stopped as %s%s%s", reason,
                 is[0] ? " but as " : ": nothing is wrong with its position", is);
        return false;
    }
    struct lt_span position = lt_span_str(went_with_topic ? f->ledger->position : f->metadata);
    if (lt_delivery_position_parse(position, &m->after, NULL) != LT_OK)
        conclude(m, LT_MEND_REFUSED, "the position is damaged, or of another version");
    else if (m->after.base != from)
        conclude(m, LT_MEND_REFUSED, "the position is %" PRId64 ", not %" PRId64 ": the decision would mean nothing",
                 m->after.base, from);
    else
        return is_whole(f, &m->after, m);
    return false;
}

/* Of a parked event that an operator let go on: the ledger holds the event itself, the queue has no part in it. */
static bool is_of_parked(const struct lt_ledger *l, const struct lt_open *o)
{
    enum lt_ledger_kind kind;
    struct lt_span dossier;
    const struct lt_ledger_lane *lane;
    int64_t none;
    (void)lt_ledger_key(lt_span_str(o->key), &kind, &dossier, &none); /* it was read as one */
    HASH_FIND(hh, l->lanes, dossier.ptr, dossier.len, lane);
    for (size_t i = 0; lane && i < lane->parked.len; i++)
        if (lane->parked.v[i] == o->offset)
            return true;
    return false;
}

/* Open deliveries below this offset end. Done ones are over; of the others the event is gone. */
static void close_below(const struct lt_mend_facts *f, int64_t below, struct lt_mend *m)
{
    for (const struct lt_open *o = f->ledger->opens; o; o = o->hh.next) {
        if (o->offset >= below || is_of_parked(f->ledger, o))
            continue;
        *lt_vec_push(&m->closed) = o;
        if (o->state != LT_OPEN_DONE)
            *lt_vec_push(&m->lost) = o;
    }
    m->after.number++;
    m->after.open -= (int64_t)m->closed.len;
    m->after.counts[LT_COUNT_SKIPPED] += (int64_t)m->lost.len;
}

static int64_t parked_between(const struct lt_ledger *l, int64_t from, int64_t to)
{
    int64_t n = 0;
    for (const struct lt_ledger_lane *lane = l->lanes; lane; lane = lane->hh.next)
        for (size_t i = 0; i < lane->parked.len; i++)
            n += lane->parked.v[i] >= from && lane->parked.v[i] < to;
    return n;
}

void lt_mend_accept_loss(const struct lt_mend_facts *f, int64_t from, int64_t to, struct lt_mend *ret)
{
    if (!stands(f, "UNDELIVERED-DELETED", from, ret))
        return;
    if (to != f->low) {
        conclude(ret, LT_MEND_REFUSED, "the queue begins at %" PRId64 ", not at %" PRId64, f->low, to);
        return;
    }
    close_below(f, to, ret);
    int64_t parked = parked_between(f->ledger, from, to), done = (int64_t)(ret->closed.len - ret->lost.len);
    ret->after.base = to;
    conclude(ret, LT_MEND_DONE,
             "offsets %" PRId64 " to %" PRId64 " were deleted: of them %" PRId64 " are done, %" PRId64
             " are parked and kept, %zu were open and are given up, and of at most %" PRId64
             " (markers of transactions among them) nothing is known: they are lost. It goes on at %" PRId64,
             from, to - 1, done, parked, ret->lost.len, to - from - done - parked - (int64_t)ret->lost.len, to);
}

void lt_mend_accept_queue(const struct lt_mend_facts *f, int64_t from, int64_t at, struct lt_mend *ret)
{
    if (!stands(f, "QUEUE-CHANGED", from, ret))
        return;
    if (at != f->low && at != f->high) {
        conclude(ret, LT_MEND_REFUSED, "it can go on at %" PRId64 ", its begin, or at %" PRId64 ", its end", f->low,
                 f->high);
        return;
    }
    int64_t parked = parked_between(f->ledger, at, INT64_MAX);
    if (parked > 0) {
        conclude(ret, LT_MEND_REFUSED,
                 "%" PRId64 " parked events have their places at %" PRId64
                 " or beyond, which new records take now: they would be mixed up. Bring the old topic back; or save "
                 "what is parked (lienthong parked show) and make the target's queue, ledger, control and history anew",
                 parked, at);
        return;
    }
    close_below(f, INT64_MAX, ret);
    ret->after.base = at;
    conclude(ret, LT_MEND_DONE,
             "the queue holds %" PRId64 " to %" PRId64 " and the position was %" PRId64 ": it goes on at %" PRId64
             "%s. %zu deliveries were open and are given up with their events",
             f->low, f->high, from, at,
             at < f->high ? ", so all that the queue holds is delivered; were it the old topic without its end, that "
                            "would be a second time (then go on at its end)"
                          : ", its end: all that it holds counts as delivered, also what came since the loss",
             ret->lost.len);
}
