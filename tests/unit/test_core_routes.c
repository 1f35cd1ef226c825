#include "gateway/core/routes.h"
#include "tests/unit/harness.h"

#include <stdio.h>

static const char tables_text[] = "table: procedures\n"
                                  "kind: codes\n"
                                  "entries:\n"
                                  "  - {code: \"1.001193\", value: \"1.001193\", sector: ho-tich}\n"
                                  "  - {code: \"2.000815\", value: \"2.000815\", sector: dat-dai}\n";
static const char units_text[] = "table: units\n"
                                 "kind: units\n"
                                 "entries:\n"
                                 "  - {code: H22.01, name: \"Sở Mẫu\"}\n"
                                 "  - {code: H40.02, name: \"Sở Khác\"}\n";

/* A configuration made by hand: two targets, two tables, the routes of the test. */
struct fixture {
    struct lt_config config;
    struct lt_config_target targets[2];
    const struct lt_yaml_node *tables[2], *routes[1];
    struct lt_yaml *files[4];
    struct lt_tables *compiled;
    struct lt_diags diags;
    struct lt_routes *r;
};

static int compile_told(struct fixture *f, const char *routes, const char *told)
{
    *f = (struct fixture){
        .targets = {{.name = "portal", .adapter = "portal"}, {.name = "population", .adapter = "population"}}};
    assert_int_equal(lt_yaml_parse("procedures.yaml", lt_span_str(tables_text), &f->files[0], &f->diags), LT_OK);
    assert_int_equal(lt_yaml_parse("units.yaml", lt_span_str(units_text), &f->files[1], &f->diags), LT_OK);
    assert_int_equal(lt_yaml_parse("routes.yaml", lt_span_str(routes), &f->files[2], &f->diags), LT_OK);
    f->tables[0] = lt_yaml_root(f->files[0]);
    f->tables[1] = lt_yaml_root(f->files[1]);
    f->routes[0] = lt_yaml_root(f->files[2]);
    f->config = (struct lt_config){.path = "gateway.yaml",
                                   .targets = f->targets,
                                   .targets_len = 2,
                                   .tables = f->tables,
                                   .tables_len = 2,
                                   .routes = f->routes,
                                   .routes_len = 1};
    if (told) {
        assert_int_equal(lt_yaml_parse("gateway.yaml", lt_span_str(told), &f->files[3], &f->diags), LT_OK);
        f->config.core.tell_province = lt_yaml_root(f->files[3]);
    }
    assert_int_equal(lt_tables_new(&f->config, &f->diags, &f->compiled), LT_OK);
    return lt_routes_new(&f->config, f->compiled, &f->diags, &f->r);
}

static int compile(struct fixture *f, const char *routes)
{
    return compile_told(f, routes, NULL);
}

static void done(struct fixture *f)
{
    lt_routes_free(f->r);
    lt_tables_free(f->compiled);
    lt_diags_deinit(&f->diags);
    for (size_t i = 0; i < LT_ARRAY_LEN(f->files); i++)
        lt_yaml_free(f->files[i]);
}

static bool says(const struct fixture *f, const char *words)
{
    for (size_t i = 0; i < f->diags.items.len; i++)
        if (strstr(f->diags.items.v[i].text, words))
            return true;
    for (size_t i = 0; i < f->diags.items.len; i++)
        fprintf(stderr, "finding: %s\n", f->diags.items.v[i].text);
    return false;
}

static struct lt_event event(const char *type, const char *province, const char *procedure)
{
    return (struct lt_event){.type = lt_span_str(type),
                             .province = lt_span_str(province),
                             .procedure = lt_span_str(procedure),
                             .unit = LT_SPAN_LIT("H22.01"),
                             .channel = LT_SPAN_LIT("1"),
                             .source = LT_SPAN_LIT("urn:x"),
                             .time = LT_SPAN_LIT("2024-01-01T08:30:00+07:00")};
}

static const char *topic(const struct fixture *f, const struct lt_copy *c)
{
    return lt_routes_output(f->r, c->output);
}

static void all_matching_rules_apply_and_via_goes_to_the_first_hop(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(compile(&f, "routes:\n"
                                 "  - {name: portal, when: {type: \"vn.lienthong.dossier.*\", province: [H22, H40]}, "
                                 "via: [population], to: portal}\n"
                                 "  - {name: land, when: {procedure: {table: procedures, sector: dat-dai}}, to: "
                                 "\"topic:lt.events.land\"}\n"),
                     LT_OK);
    struct lt_copy c[LT_ROUTE_COPIES_MAX];
    struct lt_event e = event("vn.lienthong.dossier.received.v1", "H22", "2.000815");
    assert_int_equal(lt_routes_match(f.r, &e, false, LT_SPAN_NULL, c), 2);
    assert_string_equal(topic(&f, &c[0]), "lt.population");
    assert_string_equal(c[0].path, "population,portal");
    assert_string_equal(topic(&f, &c[1]), "lt.events.land");
    assert_null(c[1].path);
    e = event("vn.lienthong.dossier.received.v1", "H22", "1.001193");
    assert_int_equal(lt_routes_match(f.r, &e, false, LT_SPAN_NULL, c), 1);
    done(&f);
}

static void an_event_no_rule_takes_goes_to_unrouted(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(compile(&f, "routes:\n  - {name: portal, when: {province: H22}, to: portal}\n"), LT_OK);
    struct lt_copy c[LT_ROUTE_COPIES_MAX];
    struct lt_event e = event("vn.lienthong.dossier.received.v1", "H29", "1.001193");
    assert_int_equal(lt_routes_match(f.r, &e, false, LT_SPAN_NULL, c), 1);
    assert_string_equal(topic(&f, &c[0]), "lt.events.unrouted");
    done(&f);
}

static void a_target_gets_an_event_once_though_two_rules_lead_to_it(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(compile(&f, "routes:\n"
                                 "  - {name: a, when: {province: H22}, to: portal}\n"
                                 "  - {name: b, when: {channel: \"1\"}, to: portal}\n"),
                     LT_OK);
    struct lt_copy c[LT_ROUTE_COPIES_MAX];
    struct lt_event e = event("vn.lienthong.dossier.received.v1", "H22", "1.001193");
    assert_int_equal(lt_routes_match(f.r, &e, false, LT_SPAN_NULL, c), 1);
    done(&f);
}

static void two_paths_to_one_target_are_refused_unless_province_or_procedure_keeps_them_apart(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(compile(&f, "routes:\n"
                                 "  - {name: a, when: {province: H22}, via: [population], to: portal}\n"
                                 "  - {name: b, when: {unit: H22.01}, to: portal}\n"),
                     LT_E_INVALID);
    assert_true(says(&f, "expected one path to portal"));
    done(&f);
    assert_int_equal(compile(&f, "routes:\n"
                                 "  - {name: a, when: {province: H22}, via: [population], to: portal}\n"
                                 "  - {name: b, when: {province: [H29, H40]}, to: portal}\n"),
                     LT_OK);
    done(&f);
}

static void a_replay_reaches_a_target_only_when_its_effects_name_it(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(compile(&f, "routes:\n"
                                 "  - {name: portal, to: portal}\n"
                                 "  - {name: all, to: \"topic:lt.events.all\"}\n"),
                     LT_OK);
    struct lt_copy c[LT_ROUTE_COPIES_MAX];
    struct lt_event e = event("vn.lienthong.dossier.received.v1", "H22", "1.001193");
    assert_int_equal(lt_routes_match(f.r, &e, true, LT_SPAN_NULL, c), 1);
    assert_string_equal(topic(&f, &c[0]), "lt.events.all");
    assert_int_equal(lt_routes_match(f.r, &e, true, LT_SPAN_LIT("population, portal"), c), 2);
    done(&f);
}

static void every_mistake_of_a_routes_file_is_a_message_of_its_own(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(compile(&f, "routes:\n"
                                 "  - {name: a, when: {provinse: H22}, to: portal}\n"
                                 "  - {name: a, to: portl}\n"
                                 "  - {name: c, to: \"topic:somewhere\"}\n"
                                 "  - {name: d, when: {procedure: {table: procedure, sector: x}}, to: portal}\n"
                                 "  - {name: e, via: [postal], to: portal}\n"
                                 "  - {name: f, when: {procedure: {table: procedures, sectr: x}}, to: portal}\n"
                                 "  - {when: {}}\n"),
                     LT_E_INVALID);
    assert_true(says(&f, "province"));
    assert_true(says(&f, "did you mean 'portal'"));
    assert_true(says(&f, "a name of its own"));
    assert_true(says(&f, "lt.events.NAME"));
    assert_true(says(&f, "did you mean 'procedures'"));
    assert_true(says(&f, "via: expected a target"));
    assert_true(says(&f, "sectr"));
    assert_true(says(&f, "name: expected a name"));
    assert_true(f.diags.errors >= 8);
    done(&f);
}

static void verdicts_that_are_told_are_those_the_configuration_names_and_a_mistake_says_where(void **state)
{
    (void)state;
    struct fixture f;
    static const char routes[] = "routes:\n  - {name: a, to: portal}\n";
    const unsigned both = 1u << LT_VERDICT_CONFLICT | 1u << LT_VERDICT_INVALID;
    assert_int_equal(compile(&f, routes), LT_OK);
    assert_int_equal(lt_routes_told(f.r, false, LT_SPAN_NULL), both);
    assert_string_equal(lt_routes_output(f.r, lt_routes_province(f.r)), "lt.province");
    done(&f);
    assert_int_equal(compile_told(&f, routes, "[duplicate]"), LT_OK);
    assert_int_equal(lt_routes_told(f.r, false, LT_SPAN_NULL), 1u << LT_VERDICT_DUPLICATE);
    done(&f);
    assert_int_equal(compile_told(&f, routes, "[conflict, replay]"), LT_E_INVALID);
    assert_true(says(&f, "core.tell_province: expected one of new, duplicate, conflict, invalid, got 'replay'"));
    assert_string_equal(f.diags.items.v[0].file, "gateway.yaml");
    assert_int_equal(f.diags.items.v[0].column, 12);
    done(&f);
    assert_int_equal(compile_told(&f, routes, "conflict"), LT_E_INVALID);
    assert_true(says(&f, "core.tell_province: expected a list of verdicts"));
    done(&f);
}

static void units_and_procedures_that_no_route_reaches_are_findings(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(compile(&f, "routes:\n  - {name: a, when: {province: H22, procedure: \"1.*\"}, to: portal}\n"),
                     LT_OK);
    lt_routes_check_reach(f.r, f.compiled, &f.diags);
    assert_true(says(&f, "unit H40.02: no route reaches it"));
    assert_true(says(&f, "procedure 2.000815: no route reaches it"));
    assert_int_equal(f.diags.items.len, 2);
    done(&f);
}

static void a_word_of_when_that_no_table_has_is_a_finding(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(compile(&f,
                             "routes:\n"
                             "  - {name: all, to: portal}\n"
                             "  - {name: a, when: {province: [H22, H99]}, to: \"topic:lt.events.a\"}\n"
                             "  - {name: b, when: {unit: \"H40.0*\", procedure: \"9.*\"}, to: \"topic:lt.events.b\"}\n"
                             "  - {name: c, when: {procedure: {table: procedures, sector: dat-dia}}, to: "
                             "\"topic:lt.events.c\"}\n"),
                     LT_OK);
    lt_routes_check_reach(f.r, f.compiled, &f.diags);
    assert_true(says(&f, "province: no table of the configuration has 'H99'"));
    assert_true(says(&f, "procedure: no table of the configuration has '9.*'"));
    assert_true(says(&f, "procedure: no entry of table procedures has sector 'dat-dia'"));
    assert_int_equal(f.diags.items.len, 3);
    assert_int_equal(f.diags.items.v[1].line, 4);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_matching_rules_apply_and_via_goes_to_the_first_hop),
        cmocka_unit_test(an_event_no_rule_takes_goes_to_unrouted),
        cmocka_unit_test(a_target_gets_an_event_once_though_two_rules_lead_to_it),
        cmocka_unit_test(two_paths_to_one_target_are_refused_unless_province_or_procedure_keeps_them_apart),
        cmocka_unit_test(a_replay_reaches_a_target_only_when_its_effects_name_it),
        cmocka_unit_test(every_mistake_of_a_routes_file_is_a_message_of_its_own),
        cmocka_unit_test(verdicts_that_are_told_are_those_the_configuration_names_and_a_mistake_says_where),
        cmocka_unit_test(units_and_procedures_that_no_route_reaches_are_findings),
        cmocka_unit_test(a_word_of_when_that_no_table_has_is_a_finding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
