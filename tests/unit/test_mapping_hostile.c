/* Broken and hostile inputs against the shipped mappings: every answer is an event or a refusal with a reason, on every
 * thread. */
#include <glob.h>
#include <pthread.h>
#include <stdio.h>

#include "gateway/base/file.h"
#include "tests/unit/test_mapping_kit.h"

#define MUTATIONS 60 /* of each example */

static void is_explained(const struct lt_refusal *r)
{
    assert_true(r->status == 400 || r->status == 413 || r->status == 415 || r->status == 422);
    assert_true(r->code[0] && r->detail[0]);
}

static void is_answer(const struct lt_translation *t)
{
    if (t->refused) {
        assert_int_equal(t->items.len, 0);
        is_explained(&t->refusal);
        return;
    }
    assert_true(t->items.len > 0);
    for (size_t i = 0; i < t->items.len; i++) {
        const struct lt_item *item = &t->items.v[i];
        if (!item->accepted) {
            is_explained(&item->refusal);
            continue;
        }
        assert_int_equal(item->event.id.len, LT_EVENT_ID_LEN);
        assert_int_equal(item->event.digest.len, LT_EVENT_DIGEST_LEN);
        assert_true(item->event.key.len == item->event.province.len + 1 + item->event.subject.len);
    }
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return *state >> 33;
}

/* Flips, deletes, doubles or cuts some bytes. */
static size_t mutate(char *s, size_t len, uint64_t *random)
{
    static const char words[] = "<>&\"'{}[]:,/\\0\xff\xc3\n";

    for (uint64_t n = 1 + next_random(random) % 4; n && len > 8; n--) {
        size_t at = next_random(random) % len, run = 1 + next_random(random) % 7;
        switch (next_random(random) % 4) {
        case 0:
            s[at] = words[next_random(random) % (sizeof(words) - 1)];
            break;
        case 1:
            run = LT_MIN(run, len - at);
            memmove(s + at, s + at + run, len - at - run);
            len -= run;
            break;
        case 2:
            s[at] = (char)(s[at] ^ (1 << next_random(random) % 8));
            break;
        default:
            if (next_random(random) % 8 == 0)
                len = at + 1;
        }
    }
    return len;
}

static void mutated_examples_are_answered_and_explained(void **state)
{
    uint64_t random = 20240105;
    struct kit k;
    glob_t found;
    size_t accepted = 0, runs = 0;

    (void)state;
    kit_open_shipped(&k);
    assert_int_equal(glob("config/mappings/examples/*/*", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *path = found.gl_pathv[i];
        char *text, *copy;
        size_t len;
        if (strstr(path, ".out.json"))
            continue;
        assert_int_equal(lt_file_read(path, 1u << 20, &text, &len, NULL), LT_OK);
        copy = lt_alloc(len + 1);
        for (int m = 0; m < MUTATIONS; m++) {
            struct lt_input in = {.media = strstr(path, ".xml") ? LT_SPAN_LIT(XML) : LT_SPAN_LIT(JSON),
                                  .depth_max = 64,
                                  .batch_max = 100};
            LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(1u << 20);
            memcpy(copy, text, len);
            in.body = lt_span(copy, m ? mutate(copy, len, &random) : len);
            lt_translation_deinit(&k.out);
            lt_translate(k.t, &in, &k.out);
            is_answer(&k.out);
            accepted += !k.out.refused && k.out.items.v[0].accepted;
            runs++;
            lt_explain(k.t, &in, m % 2, &out);
            assert_true(out.len > 0);
        }
        free(copy);
        free(text);
    }
    globfree(&found);
    assert_true(runs > 18 * MUTATIONS);
    assert_true(accepted > 18 && accepted < runs);
    kit_deinit(&k);
}

struct worker {
    const struct lt_mappings *m;
    struct lt_input in;
    char want[LT_EVENT_DIGEST_LEN + 1];
    size_t wrong;
    pthread_t thread;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct lt_translator *t = lt_translator_new(w->m);

    for (int i = 0; i < 100; i++) {
        struct lt_translation out;
        lt_translation_init(&out);
        lt_translate(t, &w->in, &out);
        w->wrong += out.refused || out.items.len != 1 || !lt_span_is(out.items.v[0].event.digest, w->want);
        lt_translation_deinit(&out);
    }
    lt_translator_free(t);
    return NULL;
}

static void threads_share_the_mappings_and_get_the_same_events(void **state)
{
    static const struct {
        const char *path, *media;
    } inputs[] = {{"config/mappings/examples/onegate-xml/nhan-ho-so.xml", XML},
                  {"config/mappings/examples/opencps-json/nhan-ho-so.json", JSON},
                  {"config/mappings/examples/igate-json/nhan-ho-so.json", JSON},
                  {"config/mappings/examples/onegate-xml/nhan-ho-so.xml", XML}};
    struct worker w[LT_ARRAY_LEN(inputs)];
    char *text[LT_ARRAY_LEN(inputs)];
    struct kit k;

    (void)state;
    kit_open_shipped(&k);
    for (size_t i = 0; i < LT_ARRAY_LEN(inputs); i++) {
        size_t len;
        assert_int_equal(lt_file_read(inputs[i].path, 1u << 20, &text[i], &len, NULL), LT_OK);
        w[i] = (struct worker){
            .m = k.m, .in = {.media = lt_span_str(inputs[i].media), .body = lt_span(text[i], len), .depth_max = 64}};
        const struct lt_event *e = kit_event(&k, inputs[i].media, text[i]);
        snprintf(w[i].want, sizeof(w[i].want), LT_SPAN_FMT, LT_SPAN_ARG(e->digest));
    }
    for (size_t i = 0; i < LT_ARRAY_LEN(w); i++)
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    for (size_t i = 0; i < LT_ARRAY_LEN(w); i++) {
        pthread_join(w[i].thread, NULL);
        assert_int_equal(w[i].wrong, 0);
        free(text[i]);
    }
    kit_deinit(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutated_examples_are_answered_and_explained),
        cmocka_unit_test(threads_share_the_mappings_and_get_the_same_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
