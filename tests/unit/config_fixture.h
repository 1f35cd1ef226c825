/*
 * A configuration in a folder of its own, for tests of gateway/config: a small one that loads without a finding, whose
 * files a test changes and loads again.
 */
#ifndef LT_TESTS_UNIT_CONFIG_FIXTURE_H
#define LT_TESTS_UNIT_CONFIG_FIXTURE_H

#include "tests/unit/harness.h"

#include "gateway/config/config.h"

struct config_fixture {
    char *folder;
    struct lt_config *c; /* NULL when the last load failed */
    struct lt_diags diags;
    char *said; /* its findings, "FOLDER/" taken out */
    int code;
};

/* setup and teardown of cmocka */
int config_fixture_make(void **state);
int config_fixture_drop(void **state);

void config_write(const struct config_fixture *f, const char *name, const char *text);
/* The small configuration's gateway.yaml with one text in it replaced; fails when it is not there. */
void config_replace(const struct config_fixture *f, const char *name, const char *from, const char *to);
int config_load(struct config_fixture *f);
/* Loads and expects this one message (any part of it) among the findings. */
#define config_says(f, message) config_says_at((f), (message), __FILE__, __LINE__)
void config_says_at(struct config_fixture *f, const char *message, const char *file, int line);

#endif
