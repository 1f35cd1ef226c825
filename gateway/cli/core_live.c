/* lienthong core status: what the gateway that runs here adds to what Kafka has; see core.h. */
#include "gateway/cli/ask.h"
#include "gateway/cli/core.h"

#include <inttypes.h>
#include <stdio.h>

static struct lt_span member(lt_json_value v, const char *name)
{
    struct lt_span s = LT_SPAN_NULL;
    lt_json_string(lt_json_get(v, name), &s);
    return s;
}

void lt_cli_live_ask(const struct lt_config *c, struct lt_cli_live *ret)
{
    static const struct lt_json_limits limits = {.bytes_max = LT_ASK_BYTES_MAX, .depth_max = 32};
    LT_AUTOBUF struct lt_buf body = LT_BUF_INIT(LT_ASK_BYTES_MAX);
    struct lt_err err = LT_ERR_INIT;
    *ret = (struct lt_cli_live){.address = c->admin.listen};
    if (lt_ask_status(c, &body, &err) == LT_OK && lt_json_parse(lt_buf_view(&body), &limits, &ret->json, &err) == LT_OK)
        ret->core = lt_json_get(lt_json_root(ret->json), "core");
}

void lt_cli_live_deinit(struct lt_cli_live *l)
{
    lt_json_free(l->json);
}

struct lt_span lt_cli_live_instance(const struct lt_cli_live *l)
{
    return l->json ? member(lt_json_root(l->json), "instance") : LT_SPAN_NULL;
}

/* Absent when the gateway does not own it. */
static lt_json_value partition_of(const struct lt_cli_live *l, int32_t partition)
{
    lt_json_value list = lt_json_get(l->core, "partitions");
    for (size_t i = 0; i < lt_json_len(list); i++) {
        int64_t n = -1;
        if (lt_json_int(lt_json_get(lt_json_at(list, i), "partition"), &n) && n == partition)
            return lt_json_at(list, i);
    }
    return (lt_json_value){NULL};
}

struct lt_span lt_cli_live_state(const struct lt_cli_live *l, int32_t partition)
{
    return member(partition_of(l, partition), "state");
}

static bool take_reason(lt_json_value v, struct lt_cli_reason *ret)
{
    if (!lt_json_present(v))
        return false;
    *ret = (struct lt_cli_reason){.name = member(v, "reason"),
                                  .text = member(v, "text"),
                                  .cause = member(v, "cause"),
                                  .safe = member(v, "safe"),
                                  .advice = member(v, "advice"),
                                  .command = member(v, "command")};
    return true;
}

bool lt_cli_live_reason(const struct lt_cli_live *l, int32_t partition, const char *kind, struct lt_cli_reason *ret)
{
    return take_reason(lt_json_get(partition_of(l, partition), kind), ret);
}

static void put_reason(struct lt_cli_core *s, const char *kind, const struct lt_cli_reason *r)
{
    lt_json_key(&s->w, lt_span_str(kind));
    lt_json_begin_object(&s->w);
    lt_json_str(&s->w, "reason", r->name);
    lt_json_str(&s->w, "text", r->text);
    lt_json_str(&s->w, "cause", r->cause);
    lt_json_str(&s->w, "safe", r->safe);
    lt_json_str(&s->w, "advice", r->advice);
    lt_json_str(&s->w, "command", r->command);
    lt_json_end_object(&s->w);
}

static void print_line(const char *name, struct lt_span text)
{
    if (text.len)
        printf("  %-6s " LT_SPAN_FMT "\n", name, LT_SPAN_ARG(text));
}

void lt_cli_core_tell(struct lt_cli_core *s, const char *kind, const struct lt_cli_reason *r)
{
    if (s->options.json) {
        put_reason(s, kind, r);
        return;
    }
    printf("  %s" LT_SPAN_FMT ": " LT_SPAN_FMT "\n", strcmp(kind, "alarm") == 0 ? "ALARM " : "", LT_SPAN_ARG(r->name),
           LT_SPAN_ARG(r->text));
    print_line("cause:", r->cause);
    print_line("safe:", r->safe);
    print_line("do:", r->advice);
    print_line("run:", r->command);
}

size_t lt_cli_live_workers(struct lt_cli_core *s, const struct lt_cli_live *l)
{
    lt_json_value workers = lt_json_get(l->core, "workers");
    bool hangs = false;
    (void)lt_json_bool(lt_json_get(l->core, "hangs"), &hangs); /* then the rest is what was told last */
    size_t troubles = hangs;
    if (hangs && !s->options.json)
        printf("core: " LT_CLI_HANGS "\n");
    for (size_t i = 0; i < lt_json_len(workers); i++) {
        lt_json_value w = lt_json_at(workers, i);
        struct lt_cli_reason alarm;
        struct lt_span trouble = member(w, "trouble");
        int64_t n = 0;
        if (!trouble.len)
            continue;
        troubles++;
        if (s->options.json)
            continue;
        (void)lt_json_int(lt_json_get(w, "worker"), &n);
        printf("worker %" PRId64 ": " LT_SPAN_FMT "\n", n, LT_SPAN_ARG(trouble));
        if (take_reason(lt_json_get(w, "alarm"), &alarm))
            lt_cli_core_tell(s, "alarm", &alarm);
    }
    if (!s->options.json)
        return troubles;
    LT_AUTOBUF struct lt_buf text = LT_BUF_INIT(LT_ASK_BYTES_MAX);
    if (lt_json_present(workers))
        lt_json_write(workers, &text);
    lt_json_key(&s->w, LT_SPAN_LIT("workers"));
    lt_json_put_raw(&s->w, lt_json_present(workers) ? lt_buf_view(&text) : LT_SPAN_LIT("[]"));
    lt_json_key(&s->w, LT_SPAN_LIT("gateway"));
    lt_json_begin_object(&s->w);
    lt_json_str(&s->w, "address", lt_span_str(l->address));
    lt_json_flag(&s->w, "answers", l->json != NULL);
    lt_json_str(&s->w, "instance", lt_cli_live_instance(l));
    lt_json_flag(&s->w, "hangs", hangs);
    lt_json_end_object(&s->w);
    return troubles;
}
