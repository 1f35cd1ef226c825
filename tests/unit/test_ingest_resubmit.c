#include "tests/unit/test_ingest_kit.h"

#include <stdio.h>

#include "gateway/ingest/resubmit.h"
#include "gateway/model/event.h"

/* A unit that the tables do not know is refused; "mended" is the same dialect with that unit known. */
#define UNKNOWN_UNIT "H22.ZZ9"

struct fixture {
    struct ingest_kit k;
    struct kit mended;
    struct lt_resubmitter r;
    struct lt_log_record record; /* the dead letter as a reader would bring it */
    struct lt_letter letter;
};

static int setup(void **state)
{
    struct fixture *f = lt_alloc(sizeof(*f));
    ingest_kit_init(&f->k);
    kit_init(&f->mended);
    kit_text(&f->mended, KIT_MAPPING, "small-xml.yaml", kit_small_xml);
    kit_text(&f->mended, KIT_MAPPING, "small-json.yaml", kit_small_json);
    kit_text_with(&f->mended, KIT_TABLE, "units.yaml", kit_units, "H22.01", UNKNOWN_UNIT);
    kit_text(&f->mended, KIT_TABLE, "procedures.yaml", kit_procedures);
    kit_text(&f->mended, KIT_DIGEST, "digest.yaml", kit_digest);
    kit_compile(&f->mended);
    f->r = (struct lt_resubmitter){.intake = &f->k.intake,
                                   .mappings = f->mended.m,
                                   .translator = f->mended.t,
                                   .actor = "lan@may-1",
                                   .rounds_max = LT_RESUBMITS_MAX};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    kit_deinit(&f->mended);
    ingest_kit_deinit(&f->k);
    free(f);
    return 0;
}

/* Dead letter i as it stands in the log. */
static void read_letter(struct fixture *f, size_t i)
{
    const struct fake_record *r = fake_at(&f->k.log, LT_TOPIC_DEADLETTER, i);
    assert_non_null(r);
    f->record = (struct lt_log_record){.topic = LT_TOPIC_DEADLETTER,
                                       .partition = 3,
                                       .offset = (int64_t)i,
                                       .append_ms = 1000,
                                       .key = lt_span_str(r->key),
                                       .value = lt_span(r->value, r->value_len)};
    f->record.headers = r->headers;
    assert_true(lt_letter_read(&f->record, &f->letter));
}

/* Sent as the client would, and refused by the mappings as they were. */
static void refused_with(struct fixture *f, int client, const char *media, const char *body)
{
    struct lt_submission *s = lt_submission_new(&f->k.intake, &f->k.clients[client], "http");
    lt_submission_add(s, f->k.mapping.t, lt_span_str(media), lt_span_str(body), "");
    lt_submission_run(s);
    lt_submission_free(s);
    read_letter(f, fake_count(&f->k.log, LT_TOPIC_DEADLETTER) - 1);
}

static void refused(struct fixture *f, const char *code)
{
    refused_with(f, H22, JSON, small_event(code, "receive", UNKNOWN_UNIT));
}

static struct lt_resubmit_count resubmit(struct fixture *f)
{
    struct lt_submission *s = NULL;
    struct lt_refusal why;
    struct lt_resubmit_count n;
    if (lt_resubmit_prepare(&f->r, &f->letter, &s, &why) != LT_OK)
        fail_msg("left out: %s", why.detail);
    lt_submission_run(s);
    lt_resubmit_count(s, &n);
    if (n.refused)
        print_message("%s: %s\n", s->items.v[0].refusal.code, s->items.v[0].refusal.detail);
    lt_submission_free(s);
    return n;
}

static void expect_left_out(struct fixture *f, const char *code, const char *part)
{
    struct lt_submission *s = NULL;
    struct lt_refusal why;
    size_t intake = fake_count(&f->k.log, LT_TOPIC_INTAKE), letters = fake_count(&f->k.log, LT_TOPIC_DEADLETTER);
    assert_int_equal(lt_resubmit_prepare(&f->r, &f->letter, &s, &why), LT_E_INVALID);
    assert_null(s);
    assert_string_equal(why.code, code);
    if (!strstr(why.detail, part))
        fail_msg("expected %s in: %s", part, why.detail);
    assert_int_equal(fake_count(&f->k.log, LT_TOPIC_INTAKE), intake);
    assert_int_equal(fake_count(&f->k.log, LT_TOPIC_DEADLETTER), letters);
}

static void a_refused_input_becomes_an_event_of_its_client_after_the_table_is_mended(void **state)
{
    struct fixture *f = *state;
    refused(f, "H22.01-1");
    assert_span_is(f->letter.reason, "unknown-unit");
    struct lt_resubmit_count n = resubmit(f);
    assert_int_equal(n.accepted, 1);
    assert_int_equal(n.refused + n.unavailable, 0);
    const struct fake_record *r = fake_at(&f->k.log, LT_TOPIC_INTAKE, 0);
    assert_span_is(fake_header(r, "lt_client"), "tinh-h22");
    assert_string_equal(r->key, "H22/H22.01-1");
}

static void resubmitted_twice_it_has_the_same_identity_and_digest(void **state)
{
    struct fixture *f = *state;
    refused(f, "H22.01-1");
    (void)resubmit(f);
    (void)resubmit(f);
    const struct fake_record *one = fake_at(&f->k.log, LT_TOPIC_INTAKE, 0),
                             *two = fake_at(&f->k.log, LT_TOPIC_INTAKE, 1);
    assert_true(lt_span_eq(fake_header(one, "ce_id"), fake_header(two, "ce_id")));
    assert_true(lt_span_eq(fake_header(one, "lt_digest"), fake_header(two, "lt_digest")));
}

static void refused_again_it_is_a_new_dead_letter_that_names_the_old_one_and_counts(void **state)
{
    struct fixture *f = *state;
    f->r.translator = f->k.mapping.t; /* nothing was mended */
    f->r.mappings = f->k.mapping.m;
    refused(f, "H22.01-1");
    for (int64_t round = 1; round <= LT_RESUBMITS_MAX; round++) {
        char old[LT_LETTER_ID_MAX];
        memcpy(old, f->letter.id, sizeof(old));
        assert_int_equal(resubmit(f).refused, 1);
        read_letter(f, (size_t)round);
        assert_int_equal(f->letter.resubmits, round);
        assert_span_is(lt_headers_value(&f->record.headers, "lt_resubmit_of"), old);
        assert_span_is(f->letter.source, "http");
    }
    expect_left_out(f, "too-often", "--rounds-max");
}

static void a_letter_that_was_cut_is_left_out_in_clear_words(void **state)
{
    struct fixture *f = *state;
    refused(f, "H22.01-1");
    lt_headers_put(&f->record.headers, "lt_truncated", LT_SPAN_LIT("true"));
    assert_true(lt_letter_read(&f->record, &f->letter));
    expect_left_out(f, "truncated", "64 KiB");
}

static void a_client_has_todays_rights_and_no_others(void **state)
{
    struct fixture *f = *state;
    refused(f, "H22.01-1");
    f->k.clients[H22].provinces.v[0] = "H40";
    assert_int_equal(resubmit(f).refused, 1);
    assert_int_equal(fake_count(&f->k.log, LT_TOPIC_INTAKE), 0);
    read_letter(f, 1);
    assert_span_is(f->letter.reason, "other-province");
    assert_int_equal(fake_count(&f->k.log, LT_TOPIC_AUDIT), 1);
}

static void a_client_that_is_gone_may_not_send_or_sends_too_much_is_left_out(void **state)
{
    struct fixture *f = *state;
    refused(f, "H22.01-1");
    f->k.clients[H22].body_max = 10;
    expect_left_out(f, "body-too-large", "larger");
    f->k.clients[H22].role = LT_ROLE_OPERATOR;
    expect_left_out(f, "role-not-allowed", "role");
    f->k.clients[H22].name = "another";
    expect_left_out(f, "unknown-client", "does not know");
}

static const char xml_list[] =
    "<Lo xmlns=\"urn:small\">"
    "<SuKien><HeThong>motcua.h22</HeThong><Loai>TIEP_NHAN</Loai><MaHoSo>H22-1</MaHoSo><Luc>20240105083000</Luc>"
    "<DonVi>" UNKNOWN_UNIT
    "</DonVi><ThuTuc>1.001193</ThuTuc><HoSo><Chu>A &amp; B</Chu><NgayNhan>20240105082900</NgayNhan>"
    "</HoSo></SuKien>"
    "<SuKien><HeThong>motcua.h22</HeThong><Loai>TIEP_NHAN</Loai><MaHoSo>H22-2</MaHoSo><Luc>20240105083000</Luc>"
    "<DonVi>" UNKNOWN_UNIT
    "</DonVi><ThuTuc>1.001193</ThuTuc><HoSo><Chu>VÀNG MẪU</Chu><NgayNhan>20240105082900</NgayNhan>"
    "</HoSo></SuKien></Lo>";

static void an_item_of_an_xml_list_goes_alone_in_an_envelope_made_anew(void **state)
{
    struct fixture *f = *state;
    refused_with(f, H22, XML, xml_list);
    assert_true(lt_span_starts(f->letter.value, "<SuKien"));
    assert_span_is(f->letter.position, "item 1");
    assert_int_equal(resubmit(f).accepted, 1);
    assert_string_equal(fake_at(&f->k.log, LT_TOPIC_INTAKE, 0)->key, "H22/H22-2");
    read_letter(f, 0);
    assert_int_equal(resubmit(f).accepted, 1);
    assert_string_equal(fake_at(&f->k.log, LT_TOPIC_INTAKE, 1)->key, "H22/H22-1");
}

static void a_part_that_no_mapping_takes_alone_is_left_out(void **state)
{
    struct fixture *f = *state;
    refused_with(f, H22, XML, xml_list);
    f->letter.mapping = LT_SPAN_LIT("one-that-is-gone");
    expect_left_out(f, "part-of-list", "part of an input");
}

static void a_refused_delivery_is_no_refused_input(void **state)
{
    struct fixture *f = *state;
    refused(f, "H22.01-1");
    lt_headers_put(&f->record.headers, "lt_target", LT_SPAN_LIT("portal"));
    assert_false(lt_letter_read(&f->record, &f->letter));
}

static bool matches(struct fixture *f, struct lt_letter_filter filter)
{
    return lt_letter_match(&f->letter, &f->k.mapping.config, &filter);
}

static void letters_are_chosen_by_reason_client_province_and_time(void **state)
{
    struct fixture *f = *state;
    refused(f, "H22.01-1");
    int64_t at = f->letter.time_ms;
    assert_true(matches(f, (struct lt_letter_filter){0}));
    assert_true(matches(f, (struct lt_letter_filter){.reason = "unknown-*", .client = "tinh-h22", .province = "H22"}));
    assert_false(matches(f, (struct lt_letter_filter){.reason = "json-schema"}));
    assert_false(matches(f, (struct lt_letter_filter){.client = "tinh-h40"}));
    assert_false(matches(f, (struct lt_letter_filter){.province = "H40"}));
    assert_true(matches(f, (struct lt_letter_filter){.since_ms = at, .until_ms = at + 1}));
    assert_false(matches(f, (struct lt_letter_filter){.until_ms = at}));
    f->letter.province = LT_SPAN_NULL; /* nothing of it could be read: its client has one province */
    assert_true(matches(f, (struct lt_letter_filter){.province = "H22"}));
}

static void the_audit_entry_names_letter_actor_and_result_and_is_waited_for(void **state)
{
    struct fixture *f = *state;
    struct lt_err err = LT_ERR_INIT;
    refused(f, "H22.01-1");
    struct lt_resubmit_count n = {.accepted = 1};
    assert_int_equal(lt_resubmit_audit(&f->r, &f->letter, &n, &err), LT_OK);
    const struct fake_record *r = fake_at(&f->k.log, LT_TOPIC_AUDIT, 0);
    assert_string_equal(r->key, "lan@may-1");
    assert_span_is(fake_header(r, LT_RESUBMIT_AUDITED), f->letter.id);
    assert_span_is(fake_header(r, "lt_result"), "accepted");
    assert_non_null(strstr(r->value, "\"action\":\"deadletter-resubmit\""));
    fake_fault(&f->k.log, LT_TOPIC_AUDIT, LT_OK, LT_DELIVERY_UNKNOWN, 1);
    assert_int_equal(lt_resubmit_audit(&f->r, &f->letter, &n, &err), LT_E_UNAVAILABLE);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_refused_input_becomes_an_event_of_its_client_after_the_table_is_mended),
        T(resubmitted_twice_it_has_the_same_identity_and_digest),
        T(refused_again_it_is_a_new_dead_letter_that_names_the_old_one_and_counts),
        T(a_letter_that_was_cut_is_left_out_in_clear_words),
        T(a_client_has_todays_rights_and_no_others),
        T(a_client_that_is_gone_may_not_send_or_sends_too_much_is_left_out),
        T(an_item_of_an_xml_list_goes_alone_in_an_envelope_made_anew),
        T(a_part_that_no_mapping_takes_alone_is_left_out),
        T(a_refused_delivery_is_no_refused_input),
        T(letters_are_chosen_by_reason_client_province_and_time),
        T(the_audit_entry_names_letter_actor_and_result_and_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
