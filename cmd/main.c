/* countersign: a table of commands. */
#include "cmd.h"
#include "countersign/base/thread.h"

#include <stdio.h>
#include <string.h>

typedef struct command {
    const char *name;
    cs_cmd_fn *run;
    const char *summary;
} command;

static const command commands[] = {
#define CS_COMMAND(name, function, summary, usage) {#name, function, summary},
#include "commands.def"
#undef CS_COMMAND
};

static void usage(FILE *out, bool asked)
{
    fprintf(out, "%sUsage:\n  countersign [command]\n\nCommands:\n",
            asked ? "countersign: policy decisions, budgets and approvals for mutations\n\n" : "");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        fprintf(out, "  %-14s%s\n", commands[i].name, commands[i].summary);
    }
    fprintf(out, "\n\"countersign [command] --help\" tells more about a command.\n");
}

int main(int argc, char **argv)
{
    cs_thread_grow_main();
    if (argc < 2) {
        usage(stdout, true);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            int status = commands[i].run(argc - 1, argv + 1);
            /* What could not be written was not done: a full disk behind a pipe must not look like success. */
            return fflush(stdout) == 0 || status != 0 ? status : 1;
        }
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout, true);
        return 0;
    }
    if (argv[1][0] == '-') {
        fprintf(stderr, "Error: unknown %s: %s\n", argv[1][1] == '-' ? "flag" : "shorthand flag", argv[1]);
        usage(stderr, false);
        return 1;
    }
    fprintf(stderr, "Error: unknown command \"%s\" for \"countersign\"\nRun 'countersign --help' for usage.\n",
            argv[1]);
    return 1;
}
