#include "gateway/base/version.h"
#include "gateway/cli/cli.h"

#include <signal.h>
#include <stdio.h>

static const struct lt_command *const commands[] = {
    &lt_command_run,        &lt_command_check,   &lt_command_explain, &lt_command_topics,     &lt_command_core,
    &lt_command_status,     &lt_command_submit,  &lt_command_parked,  &lt_command_deadletter, &lt_command_targets,
    &lt_command_procedures, &lt_command_ratings, &lt_command_version,
};

static int version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("lienthong %s\n", LT_VERSION);
    return LT_EXIT_OK;
}

const struct lt_command lt_command_version = {"version", "", "print the version", version, NULL};

static void print_commands(FILE *to)
{
    fprintf(to, "usage: lienthong COMMAND [--config FILE] …\n\n");
    for (size_t i = 0; i < LT_ARRAY_LEN(commands); i++)
        fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(to, "\nlienthong COMMAND --help tells more. Exit codes: 0 ok, 1 finding, 2 usage, 69 dependency down, 78 "
                "configuration.\n");
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a peer that goes away is an error code, not the end of the process */
    if (argc < 2) {
        print_commands(stderr);
        return LT_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_commands(stdout);
        return LT_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0)
        return version(argc, argv);
    for (size_t i = 0; i < LT_ARRAY_LEN(commands); i++)
        if (strcmp(argv[1], commands[i]->name) == 0)
            return commands[i]->run(argc - 1, argv + 1);
    const char *names[LT_ARRAY_LEN(commands) + 1] = {0};
    for (size_t i = 0; i < LT_ARRAY_LEN(commands); i++)
        names[i] = commands[i]->name;
    const char *near = lt_nearest(lt_span_str(argv[1]), names);
    fprintf(stderr, "lienthong: no command '%s'%s%s%s\n\n", argv[1], near ? ", did you mean '" : "", near ? near : "",
            near ? "'?" : "");
    print_commands(stderr);
    return LT_EXIT_USAGE;
}
