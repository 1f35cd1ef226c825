/*
 * Translation alone, for a profiler: the same body N times through parsing, schema, mapping, canonical schema, identity
 * and digest, as one HTTP loop does it. What costs instructions shows in
 *
 *   valgrind --tool=callgrind --toggle-collect=lt_translate bench_translate CONFIG MEDIA BODY N
 *
 * on any machine, however busy. Ends with 1 when the body is refused.
 */
#include "gateway/base/file.h"
#include "gateway/mapping/mapping.h"

#include <stdio.h>
#include <time.h>

int main(int argc, char **argv)
{
    struct lt_diags diags = LT_DIAGS_INIT;
    struct lt_err err = LT_ERR_INIT;
    struct lt_config *config = NULL;
    struct lt_mappings *mappings = NULL;
    LT_AUTOFREE char *body = NULL;
    size_t len;
    uint64_t n = 0;

    if (argc != 5 || !lt_span_u64(lt_span_str(argv[4]), &n)) {
        fprintf(stderr, "usage: bench_translate CONFIG MEDIA BODY N\n");
        return 2;
    }
    if (lt_config_load(argv[1], &config, &diags) < 0 || lt_mappings_new(config, &diags, &mappings) < 0 ||
        lt_file_read(argv[3], 16u << 20, &body, &len, &err) < 0) {
        fprintf(stderr, "bench_translate: %s\n", err.text[0] ? err.text : "the configuration has errors");
        return 2;
    }
    struct lt_translator *t = lt_translator_new(mappings);
    struct lt_input in = {lt_span_str(argv[2]), lt_span(body, len), (size_t)config->ingest.depth_max,
                          (size_t)config->ingest.batch_max};
    bool accepted = true;
    clock_t from = clock();
    for (uint64_t i = 0; i < n && accepted; i++) {
        struct lt_translation tr;
        lt_translation_init(&tr);
        lt_translate(t, &in, &tr);
        accepted = !tr.refused && tr.items.len && tr.items.v[0].accepted;
        lt_translation_deinit(&tr);
    }
    printf("{\"bench\": \"translate\", \"accepted\": %s, \"us\": %.2f}\n", accepted ? "true" : "false",
           (double)(clock() - from) * 1e6 / CLOCKS_PER_SEC / (double)LT_MAX(n, UINT64_C(1)));
    lt_translator_free(t);
    lt_mappings_free(mappings);
    lt_config_free(config);
    lt_diags_deinit(&diags);
    return accepted ? 0 : 1;
}
