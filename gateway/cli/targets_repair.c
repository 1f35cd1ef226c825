/* lienthong targets position, accept-loss, accept-queue, pass-over: the ways out of a queue partition's stops. */
#include "gateway/cli/ask.h"
#include "gateway/cli/targets.h"
#include "gateway/codec/json.h"
#include "gateway/ops/queue_repair.h"

#include <inttypes.h>
#include <stdio.h>

#define LOST_SHOWN 20

struct told {
    const struct lt_decide *d;
    const char *target;
    size_t refused;
};

static void print_line(const struct told *t, int32_t partition, const char *outcome, int64_t offset, const char *text,
                       const struct lt_mend *mend)
{
    size_t lost = mend ? mend->lost.len : 0;
    if (t->d->cli.json) {
        LT_AUTOBUF struct lt_buf out = LT_BUF_INIT((size_t)64 << 20);
        struct lt_json_writer w;
        lt_json_writer_init(&w, &out);
        lt_json_begin_object(&w);
        lt_json_str(&w, "target", lt_span_str(t->target));
        lt_json_num(&w, "partition", partition);
        lt_json_str(&w, "outcome", lt_span_str(outcome));
        lt_json_num(&w, "offset", offset);
        lt_json_str(&w, "text", lt_span_str(text));
        lt_json_key(&w, LT_SPAN_LIT("given_up"));
        lt_json_begin_array(&w);
        for (size_t i = 0; i < lost; i++)
            lt_json_put_string(&w, lt_span_str(mend->lost.v[i]->key));
        lt_json_end_array(&w);
        lt_json_end_object(&w);
        puts(lt_buf_view(&out).ptr);
        return;
    }
    printf("%s partition %" PRId32 ": %s: ", t->target, partition, outcome);
    if (offset >= 0)
        printf("offset %" PRId64 ": ", offset);
    printf("%s\n", text);
    for (size_t i = 0; i < LT_MIN(lost, (size_t)LOST_SHOWN); i++) /* dossier, ce_id, run, step, offset */
        printf("  given up: %s, %s\n", mend->lost.v[i]->key + 2, lt_open_state_name(mend->lost.v[i]->state));
    if (lost > LOST_SHOWN)
        printf("  … %zu more; --json lists them\n", lost - LOST_SHOWN);
}

static void tell(void *ctx, const struct lt_queue_report *r)
{
    struct told *t = ctx;
    const struct lt_mend *m = r->mend;
    bool done = m->outcome == LT_MEND_DONE;
    t->refused += m->outcome == LT_MEND_REFUSED;
    print_line(t, r->partition,
               done                               ? (t->d->cli.dry_run ? "would be written" : "written")
               : m->outcome == LT_MEND_NOT_NEEDED ? "nothing to do"
                                                  : "refused",
               done ? m->after.base : -1, m->text, m);
}

/* Does the gateway of this configuration say that this partition of the target is stopped for this reason? */
static bool stopped_here(const struct lt_config *config, const char *target, int64_t partition, const char *reason)
{
    static const struct lt_json_limits limits = {.bytes_max = LT_ASK_BYTES_MAX, .depth_max = 32};
    LT_AUTOBUF struct lt_buf body = LT_BUF_INIT(LT_ASK_BYTES_MAX);
    LT_AUTO_JSON struct lt_json *j = NULL;
    struct lt_err err = LT_ERR_INIT;
    if (lt_ask_status(config, &body, &err) != LT_OK || lt_json_parse(lt_buf_view(&body), &limits, &j, &err) != LT_OK)
        return false;
    lt_json_value targets = lt_json_get(lt_json_root(j), "targets");
    for (size_t i = 0; i < lt_json_len(targets); i++) {
        lt_json_value t = lt_json_at(targets, i), parts = lt_json_get(t, "partitions");
        struct lt_span name;
        if (!lt_json_string(lt_json_get(t, "target"), &name) || !lt_span_is(name, target))
            continue;
        for (size_t n = 0; n < lt_json_len(parts); n++) {
            lt_json_value p = lt_json_at(parts, n);
            int64_t number;
            struct lt_span is;
            if (lt_json_int(lt_json_get(p, "partition"), &number) && number == partition &&
                lt_json_string(lt_json_get(lt_json_get(p, "stop"), "reason"), &is) && lt_span_is(is, reason))
                return true;
        }
    }
    return false;
}

static int repair(const struct lt_command *c, const struct lt_decide *d, const struct lt_config *config,
                  const char *target, enum lt_queue_repair_verb verb)
{
    static const char *const reasons[] = {[LT_QUEUE_POSITION] = "",
                                          [LT_QUEUE_ACCEPT_LOSS] = "UNDELIVERED-DELETED",
                                          [LT_QUEUE_ACCEPT_QUEUE] = "QUEUE-CHANGED"};
    struct told t = {.d = d, .target = target};
    struct lt_err err = LT_ERR_INIT;
    const struct lt_queue_repair q = {.config = config,
                                      .target = target,
                                      .who = d->who,
                                      .verb = verb,
                                      .partition = (int32_t)d->partition,
                                      .from = d->from,
                                      .to = d->to,
                                      .dry_run = d->cli.dry_run,
                                      .stands_still = verb != LT_QUEUE_POSITION &&
                                                      stopped_here(config, target, d->partition, reasons[verb])};
    if (lt_queue_repair(&q, tell, &t, &err) != LT_OK)
        return lt_decide_complain(c, &err);
    return t.refused ? LT_EXIT_FINDING : LT_EXIT_OK;
}

/* Carried out by the partition's owner, which reads the record itself (control.h). */
static int pass_over(const struct lt_command *c, const struct lt_decide *d, const struct lt_config *config,
                     const char *target)
{
    struct told t = {.d = d, .target = target};
    struct lt_decider *decider = NULL;
    struct lt_err err = LT_ERR_INIT;
    char why[400], id[LT_DECISION_MAX] = "";
    int32_t partition = (int32_t)d->partition;
    int r = lt_queue_look(config, target, partition, d->offset, why, sizeof(why), &err);
    if (r == LT_E_NOT_FOUND || (r == LT_OK && !why[0])) {
        print_line(&t, partition, "refused", -1,
                   r == LT_OK ? "this record is an event and must be delivered" : err.text, NULL);
        return LT_EXIT_FINDING;
    }
    if (r == LT_OK && !d->cli.dry_run)
        r = lt_decider_new(config, target, d->who, &decider, &err);
    if (r == LT_OK && !d->cli.dry_run)
        r = lt_decider_send_one(decider, partition, LT_VERB_PASS, d->offset, id, &err);
    lt_decider_free(decider);
    if (r != LT_OK)
        return lt_decide_complain(c, &err);
    LT_AUTOFREE char *text =
        lt_asprintf("it is no event: %s; it goes to " LT_TOPIC_DEADLETTER "%s%s", why, *id ? ", decision " : "", id);
    print_line(&t, partition, d->cli.dry_run ? "would be asked" : "asked", d->offset, text, NULL);
    return LT_EXIT_OK;
}

bool lt_cli_targets_repair(const struct lt_command *c, const struct lt_decide *d, const struct lt_config *config,
                           const char *verb, const char *target, int *ret_code)
{
    bool one = d->partition >= 0 && d->partition <= INT32_MAX, range = one && d->from >= 0 && d->to >= 0;
    if (strcmp(verb, "position") == 0)
        *ret_code = repair(c, d, config, target, LT_QUEUE_POSITION);
    else if (strcmp(verb, "accept-loss") == 0)
        *ret_code = range ? repair(c, d, config, target, LT_QUEUE_ACCEPT_LOSS) : lt_cli_usage(c);
    else if (strcmp(verb, "accept-queue") == 0)
        *ret_code = range ? repair(c, d, config, target, LT_QUEUE_ACCEPT_QUEUE) : lt_cli_usage(c);
    else if (strcmp(verb, "pass-over") == 0)
        *ret_code = one && d->offset >= 0 ? pass_over(c, d, config, target) : lt_cli_usage(c);
    else
        return false;
    return true;
}
