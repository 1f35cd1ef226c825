#include "gateway/ops/topic_book.h"

#include "gateway/base/log.h"
#include "gateway/delivery/ledger.h"
#include "gateway/model/event.h"

#include <inttypes.h>
#include <stdio.h>

#define LOOKS_UNTIL_GONE 2

/* What a topic is for: what is safe without it, and what leads out, follow from that. */
enum kind { INTAKE, POSITION, OUTPUT, QUEUE, LEDGER, CONTROL, HISTORY, AUDIT, KINDS };

static const struct {
    const char *safe, *advice;
} gone[KINDS] = {
    [INTAKE] =
        {"what was decided stands in the outputs; nothing more is accepted (503) or decided. What was accepted "
         "and not yet decided went with the topic, and so did the past by which duplicates are known",
         "Bring the old topic back if a backup or another cluster has it. An empty one is another log: lienthong "
         "topics create makes it, and says what must be decided before anything is accepted again."},
    [POSITION] = {"positions and their proofs stand in the group lt.core as well; nothing is decided meanwhile, new "
                  "events wait in lt.intake, and what was begun is written again with the same verdicts",
                  "Run lienthong topics create; it goes on by itself. What operators accepted (accept-hole, "
                  "accept-index) was kept there and may have to be accepted again."},
    [OUTPUT] = {"nothing is decided or passed over meanwhile: events wait in lt.intake and in the queues, and what was "
                "begun is written again as it was",
                "Run lienthong topics create; it goes on by itself. What the topic held went with it and is not "
                "written again: lienthong core verify tells what of it the log still holds."},
    [QUEUE] = {"what was delivered is at the target, what is open or parked stands in the ledger; new events wait in "
               "lt.intake. What waited in the queue and had not been begun went with it",
               "Bring the old topic back if it exists. Else run lienthong topics create: where something had been "
               "delivered the queue then stops as QUEUE-CHANGED until that is accepted; compare the target with "
               "lt.intake for what is missing."},
    [LEDGER] =
        {"nothing is sent to the target any more; its queue waits",
         "Restore the topic: it alone says what is open, parked, and done beyond the position. With an empty one "
         "(lienthong topics create) only partitions in which nothing was open or parked go on; the others stop "
         "as LEDGER-DIFFERS."},
    [CONTROL] =
        {"what is delivered, open and parked stands in the ledger; decisions that were carried out too",
         "Run lienthong topics create; it goes on by itself. Decide again what was not carried out yet: lt.audit "
         "has what was decided, lt.history what came of it."},
    [HISTORY] = {"what is delivered, open and parked stands in the ledger; outcomes wait and are written as they are",
                 "Run lienthong topics create; it goes on by itself. The list of past attempts went with it."},
    [AUDIT] = {"what must be audited is not done without it", "Run lienthong topics create; it goes on by itself. What "
                                                              "was audited went with it."},
};

struct row {
    const struct lt_topic_plan *plan;
    enum kind kind;
    enum lt_topic_finding seen, settings; /* of the last look; of the last look at the settings */
    int32_t partitions, partitions_first; /* 0: never seen */
    int looks;                            /* in a row that did not find it */
    int64_t since_ms;
    char text[256], command[320];
    char settings_text[256], settings_command[320];
};

struct lt_topic_book {
    struct lt_topics_plan plan;
    LT_VEC(struct row) rows;
};

static bool has_prefix(const char *name, const char *prefix)
{
    return lt_span_starts(lt_span_str(name), prefix);
}

static enum kind kind_of(const struct lt_config *c, const char *name)
{
    if (strcmp(name, LT_TOPIC_INTAKE) == 0)
        return INTAKE;
    if (strcmp(name, LT_TOPIC_POSITION) == 0)
        return POSITION;
    if (strcmp(name, LT_TOPIC_AUDIT) == 0)
        return AUDIT;
    if (has_prefix(name, LT_TOPIC_LEDGER_PREFIX))
        return LEDGER;
    if (has_prefix(name, LT_TOPIC_CONTROL_PREFIX))
        return CONTROL;
    if (has_prefix(name, LT_TOPIC_HISTORY_PREFIX))
        return HISTORY;
    for (size_t i = 0; i < c->targets_len; i++)
        if (strcmp(name + strlen(LT_TOPIC_QUEUE_PREFIX), c->targets[i].name) == 0)
            return QUEUE;
    return OUTPUT;
}

static unsigned users_of(enum kind k, const char *name)
{
    if (strcmp(name, LT_TOPIC_DEADLETTER) == 0)
        return LT_TOPIC_OF_INGEST | LT_TOPIC_OF_CORE | LT_TOPIC_OF_DELIVERY;
    switch (k) {
    case INTAKE:
        return LT_TOPIC_OF_INGEST | LT_TOPIC_OF_CORE;
    case POSITION:
        return LT_TOPIC_OF_CORE;
    case AUDIT:
        return LT_TOPIC_OF_INGEST | LT_TOPIC_OF_DELIVERY;
    case LEDGER:
    case CONTROL:
    case HISTORY:
        return LT_TOPIC_OF_DELIVERY;
    default:
        return LT_TOPIC_OF_CORE | (strcmp(name, LT_TOPIC_QUARANTINE) == 0 ? 0u : LT_TOPIC_OF_DELIVERY);
    }
}

struct lt_topic_book *lt_topic_book_new(const struct lt_config *c, const struct lt_routes *routes, unsigned users)
{
    struct lt_topic_book *b = lt_alloc(sizeof(*b));
    lt_topics_plan_init(&b->plan, c, routes);
    for (size_t i = 0; i < b->plan.topics.len; i++) {
        const struct lt_topic_plan *t = &b->plan.topics.v[i];
        enum kind k = kind_of(c, t->name);
        if (users_of(k, t->name) & users)
            *lt_vec_push(&b->rows) = (struct row){.plan = t, .kind = k};
    }
    return b;
}

void lt_topic_book_free(struct lt_topic_book *b)
{
    if (!b)
        return;
    lt_vec_deinit(&b->rows);
    lt_topics_plan_deinit(&b->plan);
    free(b);
}

size_t lt_topic_book_len(const struct lt_topic_book *b)
{
    return b->rows.len;
}

const struct lt_topic_plan *lt_topic_book_plan(const struct lt_topic_book *b, size_t i)
{
    return b->rows.v[i].plan;
}

/* ---- looks ---- */

static enum lt_topic_finding finding_of(const struct row *t)
{
    return LT_MAX(t->seen, t->settings);
}

static const char *reason_of(enum lt_topic_finding f)
{
    static const char *const names[LT_TOPIC_FINDINGS] = {"", "TOPIC-SETTINGS", "TOPIC-DIVIDED", "TOPIC-REFUSED",
                                                         "TOPIC-MISSING"};
    return names[f];
}

static const char *event_of(enum lt_topic_finding f)
{
    static const char *const names[LT_TOPIC_FINDINGS] = {"", "topic-settings", "topic-divided", "topic-refused",
                                                         "topic-missing"};
    return names[f];
}

/* Each change is said once. */
static void tell(struct row *t, enum lt_topic_finding before, int64_t now_ms)
{
    enum lt_topic_finding now = finding_of(t);
    if (now == before)
        return;
    t->since_ms = now_ms;
    if (now == LT_TOPIC_FINE)
        lt_info("topics", "topic-well", "topic %s is as it should be again", t->plan->name);
    else
        lt_error("topics", event_of(now), "%s; see `lienthong status`",
                 now == LT_TOPIC_SETTINGS ? t->settings_text : t->text);
}

void lt_topic_book_see(struct lt_topic_book *b, size_t i, int32_t partitions, int64_t now_ms)
{
    struct row *t = &b->rows.v[i];
    const char *name = t->plan->name;
    enum lt_topic_finding before = finding_of(t);
    t->looks = partitions > 0 ? 0 : t->looks + 1;
    if (partitions <= 0 && t->looks < LOOKS_UNTIL_GONE)
        return;
    snprintf(t->command, sizeof(t->command), "lienthong topics%s", partitions == 0 ? " create" : "");
    if (partitions < 0) {
        t->seen = LT_TOPIC_REFUSED;
        snprintf(t->text, sizeof(t->text), "topic %s: Kafka does not let this principal see it", name);
    } else if (partitions == 0) {
        t->seen = LT_TOPIC_GONE;
        snprintf(t->text, sizeof(t->text), "topic %s does not exist%s", name,
                 t->partitions_first ? " any more: it was deleted, or this principal may not see it" : "");
    } else {
        if (t->partitions_first == 0 || t->seen == LT_TOPIC_GONE) /* one that is made again begins anew */
            t->partitions_first = partitions;
        t->seen = partitions == t->partitions_first ? LT_TOPIC_FINE : LT_TOPIC_DIVIDED;
        snprintf(t->text, sizeof(t->text),
                 "topic %s has %" PRId32 " partitions, it had %" PRId32 " when this process began", name, partitions,
                 t->partitions_first);
    }
    t->partitions = partitions;
    tell(t, before, now_ms);
}

/* Does the setting as it is put records in danger, or only differ? Numbers below what is wanted do; -1 is without end.
 */
static bool is_worse(const struct lt_topic_drift *d)
{
    int64_t wanted, actual;
    if (strcmp(d->setting, "cleanup.policy") == 0)
        return true;
    if (strcmp(d->setting, "max.message.bytes") != 0 && strcmp(d->setting, "retention.ms") != 0 &&
        strcmp(d->setting, "retention.bytes") != 0 && strcmp(d->setting, "min.insync.replicas") != 0)
        return false;
    if (!lt_span_i64(lt_span_str(d->wanted), &wanted) || !lt_span_i64(lt_span_str(d->actual), &actual))
        return false;
    return actual >= 0 && (wanted < 0 || actual < wanted);
}

void lt_topic_book_see_settings(struct lt_topic_book *b, size_t i, const struct lt_topic_report *r, int64_t now_ms)
{
    struct row *t = &b->rows.v[i];
    enum lt_topic_finding before = finding_of(t);
    LT_AUTOBUF struct lt_buf text = LT_BUF_INIT(4096), wanted = LT_BUF_INIT(4096);
    for (size_t n = 0; n < r->drift.len; n++) {
        const struct lt_topic_drift *d = &r->drift.v[n];
        if (!is_worse(d))
            continue;
        lt_buf_printf(&text, "%s%s is %s, wanted %s", text.len ? "; " : "", d->setting, d->actual, d->wanted);
        lt_buf_printf(&wanted, "%s%s=%s", wanted.len ? "," : "", d->setting, d->wanted);
    }
    t->settings = text.len ? LT_TOPIC_SETTINGS : LT_TOPIC_FINE;
    if (text.len) {
        snprintf(t->settings_text, sizeof(t->settings_text), "topic %s: %.*s", t->plan->name, (int)text.len, text.ptr);
        snprintf(t->settings_command, sizeof(t->settings_command),
                 "kafka-configs.sh --bootstrap-server BROKER --alter --topic %s --add-config %.*s", t->plan->name,
                 (int)wanted.len, wanted.ptr);
    }
    tell(t, before, now_ms);
}

/* ---- what is shown ---- */

static const char *safe_of(const struct row *t, enum lt_topic_finding f)
{
    if (f == LT_TOPIC_SETTINGS)
        return "what is decided and delivered; large records that do not fit are put aside by name (undeliverable), "
               "and "
               "what retention takes before it was decided or delivered stops its partition with the numbers";
    if (f == LT_TOPIC_DIVIDED && t->kind == INTAKE)
        return "this process goes on with the partitions it began with: each dossier keeps its own";
    if (f == LT_TOPIC_DIVIDED)
        return "this process goes on writing to the partitions it began with: each dossier keeps its own";
    return f == LT_TOPIC_REFUSED ? "nothing is decided or passed over for it; what was begun is written again as it was"
                                 : gone[t->kind].safe;
}

static const char *advice_of(const struct row *t, enum lt_topic_finding f)
{
    if (f == LT_TOPIC_SETTINGS)
        return "Set it as it was; if the change was meant, change topics.* of the configuration and restart.";
    if (f == LT_TOPIC_REFUSED)
        return "Mend the ACL of this principal (Describe, Read, Write); it goes on by itself.";
    if (f == LT_TOPIC_GONE)
        return gone[t->kind].advice;
    switch (t->kind) {
    case INTAKE:
        return "A partition count cannot be taken back, and keys would move: after a restart ingest answers 503 and "
               "the "
               "core stops as INTAKE-CHANGED. Restart nothing; let what was accepted be decided and delivered, then "
               "begin with new topics.";
    case QUEUE:
    case LEDGER:
    case CONTROL:
        return "A partition count cannot be taken back, and dossiers would move away from what the ledger knows of "
               "them: "
               "after a restart this target stops as LEDGER-DIVIDED. Restart nothing until its queue is empty and "
               "nothing is parked; then make its queue, ledger, control and history anew.";
    default:
        return "Keys move with the next start of the gateway: readers that rely on the order of a dossier should have "
               "read to the end before it.";
    }
}

static const char *text_of(const struct row *t, enum lt_topic_finding f)
{
    return f == LT_TOPIC_SETTINGS ? t->settings_text : t->text;
}

bool lt_topic_book_ready(const struct lt_topic_book *b, struct lt_buf *why)
{
    bool ready = true;
    for (size_t i = 0; i < b->rows.len; i++) {
        const struct row *t = &b->rows.v[i];
        if (t->seen < LT_TOPIC_REFUSED)
            continue;
        lt_buf_printf(why, "topics: %s: %s; run: %s\n", reason_of(t->seen), t->text, t->command);
        ready = false;
    }
    return ready;
}

static void put_finding(const struct row *t, enum lt_topic_finding f, int64_t now_ms, struct lt_json_writer *w)
{
    lt_json_begin_object(w);
    lt_json_str(w, "topic", lt_span_str(t->plan->name));
    lt_json_str(w, "reason", lt_span_str(reason_of(f)));
    lt_json_str(w, "text", lt_span_str(text_of(t, f)));
    lt_json_str(w, "safe", lt_span_str(safe_of(t, f)));
    lt_json_str(w, "advice", lt_span_str(advice_of(t, f)));
    lt_json_str(w, "command", lt_span_str(f == LT_TOPIC_SETTINGS ? t->settings_command : t->command));
    lt_json_num(w, "since_s", (now_ms - t->since_ms) / 1000);
    lt_json_end_object(w);
}

void lt_topic_book_status(const struct lt_topic_book *b, int64_t now_ms, struct lt_json_writer *w)
{
    lt_json_begin_array(w);
    for (size_t i = 0; i < b->rows.len; i++) {
        const struct row *t = &b->rows.v[i];
        if (t->seen != LT_TOPIC_FINE)
            put_finding(t, t->seen, now_ms, w);
        if (t->settings != LT_TOPIC_FINE && t->seen < LT_TOPIC_REFUSED)
            put_finding(t, t->settings, now_ms, w);
    }
    lt_json_end_array(w);
}

void lt_topic_book_metrics(const struct lt_topic_book *b, struct lt_buf *out)
{
    lt_buf_str(out,
               "# HELP lt_topic_trouble Topics this process needs that are missing, refused, divided otherwise or set "
               "dangerously.\n# TYPE lt_topic_trouble gauge\n");
    for (int f = LT_TOPIC_SETTINGS; f < LT_TOPIC_FINDINGS; f++) {
        unsigned n = 0;
        for (size_t i = 0; i < b->rows.len; i++)
            n += b->rows.v[i].seen == (enum lt_topic_finding)f || b->rows.v[i].settings == (enum lt_topic_finding)f;
        lt_buf_printf(out, "lt_topic_trouble{reason=\"%s\"} %u\n", reason_of((enum lt_topic_finding)f), n);
    }
}
