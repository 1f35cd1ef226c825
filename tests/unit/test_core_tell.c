/*
 * What a province is told of the core's verdicts: which ones, once, in the transaction that decides, and nothing that
 * an event holds.
 */
#include "tests/unit/core_world.h"

#include "gateway/codec/json.h"
#include "gateway/core/tell.h"

#include <stdio.h>

#define TOLD_MAX 16

struct told {
    char id[64], verdict[16], type[64], subject[64], province[16], origin[64], cause[64], time[64];
    char data[4096];
    size_t data_len;
};

struct world {
    struct core_world core;
    struct told told[TOLD_MAX];
    size_t told_len;
};

static struct world *world_new(const char *told, size_t province_max)
{
    struct world *w = lt_alloc(sizeof(*w));
    core_world_init(
        &w->core,
        &(struct core_world_plan){
            .partitions = 1, .plain_first = true, .commit_records = 8, .told = told, .province_max = province_max});
    core_world_genesis(&w->core);
    return w;
}

static void world_free(struct world *w)
{
    core_world_deinit(&w->core);
    free(w);
}

static void append(struct world *w, int id, int digest, struct lt_header *more)
{
    (void)core_world_append(&w->core, &(struct core_event){.subject = id,
                                                           .id = id,
                                                           .digest = digest,
                                                           .value = "{\"HoSo\":{\"CongDan\":\"Nguyen Van A\"}}",
                                                           .more = more});
}

static void append_invalid(struct world *w, int subject)
{
    (void)core_world_append(&w->core, &(struct core_event){.subject = subject, .broken = true});
}

#define KEEP(field, name)                                                                                              \
    snprintf(t->field, sizeof(t->field), LT_SPAN_FMT, LT_SPAN_ARG(lt_headers_value(&r->headers, name)))

/* A queue's reader must be able to carry it on: it is an event. */
static void take(void *ctx, const struct lt_log_record *r)
{
    struct world *w = ctx;
    struct lt_event e;
    struct lt_err err = LT_ERR_INIT;
    assert_true(w->told_len < TOLD_MAX);
    struct told *t = &w->told[w->told_len++];
    if (lt_event_read(r->key, &r->headers, r->value, &e, &err) != LT_OK)
        fail_msg("what the province is told is no event: %s", err.text);
    KEEP(id, "ce_id");
    KEEP(verdict, "lt_verdict");
    KEEP(type, "ce_type");
    KEEP(subject, "ce_subject");
    KEEP(province, "ce_province");
    KEEP(origin, "lt_origin");
    KEEP(cause, "lt_cause");
    KEEP(time, "ce_time");
    snprintf(t->data, sizeof(t->data), LT_SPAN_FMT, LT_SPAN_ARG(r->value));
    t->data_len = r->value.len;
}

static void run_to_the_end(struct world *w)
{
    for (int i = 0; i < 50 && !core_world_finished(&w->core); i++)
        core_world_turn(&w->core);
    core_world_must_finish(&w->core);
    w->told_len = 0;
    lt_memory_read(w->core.memory, LT_TOPIC_PROVINCE, 0, take, w);
}

static void assert_told(const struct world *w, size_t n, const char *verdict, const char *subject)
{
    char type[64];
    assert_true(n < w->told_len);
    assert_string_equal(w->told[n].verdict, verdict);
    assert_string_equal(w->told[n].subject, subject);
    snprintf(type, sizeof(type), "vn.lienthong.verdict.%s.v1", verdict);
    assert_string_equal(w->told[n].type, type);
    assert_string_equal(w->told[n].province, "H22");
}

static void a_conflict_and_an_invalid_record_are_told_once_and_nothing_else_is(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, 0);
    append(w, 1, 1, NULL);
    append(w, 1, 2, NULL);
    append(w, 1, 2, NULL); /* a re-send of what is in quarantine: a duplicate */
    append_invalid(w, 7);
    append(w, 2, 3, NULL);
    run_to_the_end(w);
    assert_int_equal(w->told_len, 2);
    assert_told(w, 0, "conflict", "HS-1");
    assert_told(w, 1, "invalid", "HS-7");
    assert_string_equal(w->told[0].origin, CORE_INCARNATION_HEX "/0/1");
    char id[LT_EVENT_ID_LEN + 1];
    assert_string_equal(w->told[0].cause, core_event_id(id, 1).ptr);
    assert_string_not_equal(w->told[0].id, id);
    core_world_close(&w->core);
    run_to_the_end(w); /* a restart tells nothing again */
    assert_int_equal(w->told_len, 2);
    world_free(w);
}

static struct lt_span member(lt_json_value root, const char *name)
{
    struct lt_span s = LT_SPAN_NULL;
    (void)lt_json_string(lt_json_get(root, name), &s);
    return s;
}

static void what_is_told_names_codes_and_places_and_nothing_the_event_holds(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, 0);
    append(w, 1, 1, NULL);
    append(w, 1, 2, NULL);
    append_invalid(w, 7);
    run_to_the_end(w);
    static const struct lt_json_limits limits = {.bytes_max = 1 << 16, .depth_max = 4};
    LT_AUTO_JSON struct lt_json *conflict = NULL, *invalid = NULL;
    assert_int_equal(lt_json_parse(lt_span_str(w->told[0].data), &limits, &conflict, NULL), LT_OK);
    assert_int_equal(lt_json_parse(lt_span_str(w->told[1].data), &limits, &invalid, NULL), LT_OK);
    lt_json_value c = lt_json_root(conflict), i = lt_json_root(invalid);
    char id[LT_EVENT_ID_LEN + 1], receipt[64];
    (void)core_event_id(id, 1);
    assert_span_is(member(c, "MaHoSo"), "HS-1");
    assert_span_is(member(c, "verdict"), "conflict");
    assert_span_is(member(c, "reason"), "conflict");
    assert_span_is(member(c, "event"), id);
    assert_span_is(member(c, "type"), "vn.lienthong.dossier.received.v1");
    snprintf(receipt, sizeof(receipt), "0.1.%s", id);
    assert_span_is(member(c, "receipt"), receipt);
    snprintf(receipt, sizeof(receipt), "0.0.%s", id);
    assert_span_is(member(c, "first"), receipt);
    assert_span_is(member(i, "verdict"), "invalid");
    assert_span_is(member(i, "reason"), "ce_id: expected as a header, found none");
    assert_false(lt_json_present(lt_json_get(i, "first")));
    for (size_t n = 0; n < w->told_len; n++)
        assert_null(strstr(w->told[n].data, "CongDan"));
    world_free(w);
}

static void the_same_decision_written_again_has_the_same_id(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, 0);
    append(w, 1, 1, NULL);
    append(w, 1, 2, NULL);
    append(w, 1, 3, NULL);
    append_invalid(w, 7);
    run_to_the_end(w);
    core_world_close(&w->core);
    core_world_genesis(&w->core); /* an operator begins anew: everything is decided again */
    lt_memory_truncate(w->core.memory, LT_TOPIC_POSITION, 0, 0);
    lt_memory_advance(w->core.memory, 60000);
    run_to_the_end(w);
    assert_int_equal(w->told_len, 6);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(w->told[i].id, w->told[i + 3].id);
        assert_string_equal(w->told[i].data, w->told[i + 3].data);
        assert_string_equal(w->told[i].time, w->told[i + 3].time);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(w->told[i].id, w->told[j].id);
    }
    world_free(w);
}

static void new_events_and_duplicates_are_told_where_the_configuration_says_so_and_keep_their_copies(void **state)
{
    (void)state;
    struct world *w = world_new("[new, duplicate]", 0);
    for (int i = 0; i < 3; i++)
        append(w, i, i, NULL);
    append(w, 0, 0, NULL);
    append(w, 0, 9, NULL); /* a conflict is not named */
    append(w, 0, 0, NULL);
    run_to_the_end(w);
    assert_int_equal(w->told_len, 5);
    assert_told(w, 0, "new", "HS-0");
    assert_told(w, 2, "new", "HS-2");
    assert_told(w, 3, "duplicate", "HS-0");
    assert_told(w, 4, "duplicate", "HS-0");
    assert_string_not_equal(w->told[3].id, w->told[4].id);
    assert_int_equal(lt_memory_count(w->core.memory, CORE_PLAIN), 3);
    assert_int_equal(lt_memory_count(w->core.memory, CORE_HOP), 3);
    assert_int_equal(lt_memory_count(w->core.memory, LT_TOPIC_QUARANTINE), 1);
    world_free(w);
}

static void with_an_empty_list_nothing_is_told_and_the_topic_is_no_output(void **state)
{
    (void)state;
    struct world *w = world_new("[]", 0);
    append(w, 1, 1, NULL);
    append(w, 1, 2, NULL);
    append_invalid(w, 7);
    run_to_the_end(w);
    assert_int_equal(w->told_len, 0);
    for (size_t i = 0; i < lt_routes_outputs(w->core.routes); i++)
        assert_string_not_equal(lt_routes_output(w->core.routes, i), LT_TOPIC_PROVINCE);
    world_free(w);
}

static void an_invalid_record_that_does_not_say_whose_it_is_is_told_to_nobody(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, 0);
    struct lt_header again[] = {CORE_HEADER("ce_province", "H40"), CORE_HEADERS_END};
    struct lt_headers none;
    lt_headers_reset(&none);
    (void)lt_memory_append(w->core.memory, LT_TOPIC_INTAKE, 0, LT_SPAN_LIT("H22/HS-1"), &none, LT_SPAN_LIT("{}"));
    append(w, 1, 1, again); /* two provinces */
    run_to_the_end(w);
    assert_int_equal(w->told_len, 0);
    assert_int_equal(lt_memory_count(w->core.memory, LT_TOPIC_DEADLETTER), 2);
    world_free(w);
}

static void a_replay_is_told_only_where_its_effects_name_the_province(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, 0);
    struct lt_header silent[] = {CORE_HEADER("lt_replay", "r1"), CORE_HEADER("lt_effects", "portal"), CORE_HEADERS_END};
    struct lt_header told[] = {CORE_HEADER("lt_replay", "r2"), CORE_HEADER("lt_effects", "portal,province"),
                               CORE_HEADERS_END};
    append(w, 1, 1, silent);
    append(w, 1, 2, silent); /* conflict within the replay */
    append(w, 1, 1, told);
    append(w, 1, 2, told);
    run_to_the_end(w);
    assert_int_equal(w->told_len, 1);
    assert_string_equal(w->told[0].origin, CORE_INCARNATION_HEX "/0/3");
    world_free(w);
}

static void a_telling_that_does_not_fit_is_a_dead_letter_and_the_quarantine_keeps_its_copy(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, 64);
    struct lt_position position;
    append(w, 1, 1, NULL);
    append(w, 1, 2, NULL);
    run_to_the_end(w);
    (void)core_world_committed(&w->core, 0, &position);
    assert_int_equal(position.undeliverable, 1);
    assert_int_equal(position.verdicts[LT_VERDICT_CONFLICT], 1);
    assert_int_equal(w->told_len, 0);
    assert_int_equal(lt_memory_count(w->core.memory, LT_TOPIC_QUARANTINE), 1);
    assert_int_equal(lt_memory_count(w->core.memory, LT_TOPIC_DEADLETTER), 1);
    world_free(w);
}

static void a_foreign_records_long_texts_are_cut(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, 0);
    char *many = lt_alloc(100001);
    memset(many, '\001', 100000);
    many[100000] = '\0';
    struct lt_headers h;
    static const char *const cut[] = {"ce_id", "ce_source", "ce_type", "ce_time", "ce_unit", "ce_procedure"};
    lt_headers_reset(&h);
    for (size_t i = 0; i < LT_ARRAY_LEN(cut); i++)
        lt_headers_add(&h, lt_span_str(cut[i]), lt_span_str(many));
    lt_headers_add(&h, LT_SPAN_LIT("ce_specversion"), LT_SPAN_LIT("1.0"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_subject"), LT_SPAN_LIT("HS-1"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_province"), LT_SPAN_LIT("H22"));
    (void)lt_memory_append(w->core.memory, LT_TOPIC_INTAKE, 0, LT_SPAN_LIT("H22/HS-1"), &h, LT_SPAN_LIT("{}"));
    run_to_the_end(w);
    assert_int_equal(w->told_len, 1);
    assert_true(w->told[0].data_len < 6 * 6 * LT_TELL_TEXT_MAX);
    free(many);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conflict_and_an_invalid_record_are_told_once_and_nothing_else_is),
        cmocka_unit_test(what_is_told_names_codes_and_places_and_nothing_the_event_holds),
        cmocka_unit_test(the_same_decision_written_again_has_the_same_id),
        cmocka_unit_test(new_events_and_duplicates_are_told_where_the_configuration_says_so_and_keep_their_copies),
        cmocka_unit_test(with_an_empty_list_nothing_is_told_and_the_topic_is_no_output),
        cmocka_unit_test(an_invalid_record_that_does_not_say_whose_it_is_is_told_to_nobody),
        cmocka_unit_test(a_replay_is_told_only_where_its_effects_name_the_province),
        cmocka_unit_test(a_telling_that_does_not_fit_is_a_dead_letter_and_the_quarantine_keeps_its_copy),
        cmocka_unit_test(a_foreign_records_long_texts_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
