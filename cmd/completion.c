/* completion: scripts that complete commands and flags in a shell, and the manual page, all out of the table of
 * commands and the rows of their flags. */
#include "cmd.h"

#include <stdio.h>

#include "countersign/base/vec.h"
#include "countersign/version.h"

typedef struct command {
    const char *name, *summary, *usage;
    cs_cmd_fn *run;
    const cs_arg *args; /* filled in by cs_args_describe */
    size_t n;
} command;

static const command table[] = {
#define CS_COMMAND(name, function, summary, usage) {#name, summary, usage, function, NULL, 0},
#include "commands.def"
#undef CS_COMMAND
};
enum { N_COMMANDS = sizeof table / sizeof *table };

typedef struct book {
    cs_arena arena;
    command commands[N_COMMANDS];
    size_t at;
    cs_buf out;
} book;

static void keep_rows(void *self, const cs_arg *args, size_t n)
{
    book *b = self;
    cs_arg *copy = cs_arena_array(&b->arena, cs_arg, n + 1);
    memcpy(copy, args, n * sizeof *copy);
    b->commands[b->at].args = copy;
    b->commands[b->at].n = n;
}

static void collect(book *b)
{
    memcpy(b->commands, table, sizeof table);
    for (b->at = 0; b->at < N_COMMANDS; b->at++) {
        cs_args_describe(b->commands[b->at].run, b->commands[b->at].name, keep_rows, b);
    }
}

static bool takes_value(const cs_arg *arg)
{
    return arg->type != CS_ARG_BOOL && arg->type != CS_ARG_COUNTED;
}

/* Text with each byte of `special` behind `escape`. */
static void escaped(cs_buf *out, const char *text, const char *special, const char *escape)
{
    for (; *text != '\0'; text++) {
        if (strchr(special, *text) != NULL) {
            cs_buf_text(out, escape);
        }
        cs_buf_byte(out, *text);
    }
}

static void spaced_words(cs_buf *out, const char *words)
{
    for (; *words != '\0'; words++) {
        cs_buf_byte(out, *words == '|' ? ' ' : *words);
    }
}

/* ---- bash */
static void bash_values(cs_buf *out, const command *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const cs_arg *arg = &c->args[i];
        if (arg->words == NULL) {
            continue;
        }
        cs_buf_printf(out, "        %s:--%s", c->name, arg->name);
        if (arg->letter != '\0') {
            cs_buf_printf(out, "|%s:-%c", c->name, arg->letter);
        }
        cs_buf_text(out, ") COMPREPLY=($(compgen -W \"");
        spaced_words(out, arg->words);
        cs_buf_text(out, "\" -- \"$cur\")); return ;;\n");
    }
}

static void bash(book *b)
{
    cs_buf *out = &b->out;
    cs_buf_text(out,
                "# bash completion for countersign\n"
                "_countersign() {\n"
                "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}\n"
                "    COMPREPLY=()\n"
                "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                "        COMPREPLY=($(compgen -W \"");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        cs_buf_printf(out, "%s%s", i ? " " : "", b->commands[i].name);
    }
    cs_buf_text(out, "\" -- \"$cur\"))\n        return\n    fi\n    case \"$command:$prev\" in\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        bash_values(out, &b->commands[i]);
    }
    cs_buf_text(out, "    esac\n    case \"$cur\" in\n    -*) ;;\n"
                     "    *) if [ \"$command\" = completion ]; then\n"
                     "            COMPREPLY=($(compgen -W \"bash fish man powershell zsh\" -- \"$cur\"))\n"
                     "        else\n            COMPREPLY=($(compgen -f -- \"$cur\"))\n        fi\n"
                     "        return ;;\n    esac\n    local flags=--help\n    case \"$command\" in\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        cs_buf_printf(out, "    %s) flags=\"--help", b->commands[i].name);
        for (size_t k = 0; k < b->commands[i].n; k++) {
            cs_buf_printf(out, " --%s", b->commands[i].args[k].name);
        }
        cs_buf_text(out, "\" ;;\n");
    }
    cs_buf_text(out, "    esac\n    COMPREPLY=($(compgen -W \"$flags\" -- \"$cur\"))\n}\n"
                     "complete -o filenames -F _countersign countersign\n");
}

/* ---- zsh */
static void zsh_flag(cs_buf *out, const cs_arg *arg)
{
    bool many = arg->type == CS_ARG_LIST || arg->type == CS_ARG_COMMAS;
    cs_buf_text(out, " \\\n            ");
    if (arg->letter != '\0' && many) {
        cs_buf_printf(out, "{'*-%c','*--%s'}'", arg->letter, arg->name);
    } else if (arg->letter != '\0') {
        cs_buf_printf(out, "'(-%c --%s)'{-%c,--%s}'", arg->letter, arg->name, arg->letter, arg->name);
    } else {
        cs_buf_printf(out, "'%s--%s", many ? "*" : "", arg->name);
    }
    cs_buf_byte(out, '[');
    for (const char *c = arg->help; *c != '\0'; c++) {
        cs_buf_text(out, *c == '\'' ? "'\\''" : *c == '[' || *c == ']' || *c == ':' ? "\\" : "");
        if (*c != '\'') {
            cs_buf_byte(out, *c);
        }
    }
    cs_buf_byte(out, ']');
    if (takes_value(arg)) {
        cs_buf_printf(out, ":%s:", arg->name);
        if (arg->words != NULL) {
            cs_buf_byte(out, '(');
            spaced_words(out, arg->words);
            cs_buf_byte(out, ')');
        } else {
            cs_buf_text(out, "_files");
        }
    }
    cs_buf_byte(out, '\'');
}

static void zsh(book *b)
{
    cs_buf *out = &b->out;
    cs_buf_text(out, "#compdef countersign\n_countersign() {\n    local -a commands\n    commands=(\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        cs_buf_printf(out, "        '%s:", b->commands[i].name);
        for (const char *c = b->commands[i].summary; *c != '\0'; c++) {
            if (*c == '\'') {
                cs_buf_text(out, "'\\'");
            }
            cs_buf_byte(out, *c);
        }
        cs_buf_text(out, "'\n");
    }
    cs_buf_text(out,
                "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
                "    shift words\n    (( CURRENT-- ))\n    case $words[1] in\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const command *c = &b->commands[i];
        cs_buf_printf(out, "    %s)\n        _arguments", c->name);
        for (size_t k = 0; k < c->n; k++) {
            zsh_flag(out, &c->args[k]);
        }
        bool shells = strcmp(c->name, "completion") == 0;
        cs_buf_printf(out, " \\\n            '(- *)'{-h,--help}'[this text]' '*:%s'\n        ;;\n",
                      shells ? "shell:(bash fish man powershell zsh)" : "path:_files");
    }
    cs_buf_text(out, "    esac\n}\nif [ \"$funcstack[1]\" = _countersign ]; then\n    _countersign\nelse\n"
                     "    compdef _countersign countersign\nfi\n");
}

/* ---- fish */
static void fish(book *b)
{
    cs_buf *out = &b->out;
    cs_buf_text(out, "# fish completion for countersign\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const command *c = &b->commands[i];
        cs_buf_printf(out, "complete -c countersign -n __fish_use_subcommand -f -a %s -d '", c->name);
        escaped(out, c->summary, "'\\", "\\");
        cs_buf_text(out, "'\n");
        for (size_t k = 0; k < c->n; k++) {
            const cs_arg *arg = &c->args[k];
            cs_buf_printf(out, "complete -c countersign -n '__fish_seen_subcommand_from %s' -l %s", c->name, arg->name);
            if (arg->letter != '\0') {
                cs_buf_printf(out, " -s %c", arg->letter);
            }
            if (arg->words != NULL) {
                cs_buf_text(out, " -x -a '");
                spaced_words(out, arg->words);
                cs_buf_byte(out, '\'');
            } else if (takes_value(arg)) {
                cs_buf_text(out, " -r");
            }
            cs_buf_text(out, " -d '");
            escaped(out, arg->help, "'\\", "\\");
            cs_buf_text(out, "'\n");
        }
    }
    cs_buf_text(out,
                "complete -c countersign -n '__fish_seen_subcommand_from completion' -f -a 'bash fish man powershell "
                "zsh'\n");
}

/* ---- PowerShell */
static void powershell(book *b)
{
    cs_buf *out = &b->out;
    cs_buf_text(out, "# PowerShell completion for countersign\n"
                     "Register-ArgumentCompleter -Native -CommandName countersign -ScriptBlock {\n"
                     "    param($word, $ast, $cursor)\n    $flags = @{\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const command *c = &b->commands[i];
        cs_buf_printf(out, "        '%s' = @('--help'", c->name);
        for (size_t k = 0; k < c->n; k++) {
            cs_buf_printf(out, ", '--%s'", c->args[k].name);
        }
        cs_buf_text(out, ")\n");
    }
    cs_buf_text(out, "    }\n"
                     "    $words = @($ast.CommandElements | ForEach-Object { $_.ToString() })\n"
                     "    $first = $words.Count -lt 2 -or ($words.Count -eq 2 -and $word -ne '')\n"
                     "    $all = if ($first) { $flags.Keys | Sort-Object } else { $flags[$words[1]] }\n"
                     "    $all | Where-Object { $_ -like \"$word*\" } | ForEach-Object {\n"
                     "        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)\n"
                     "    }\n}\n");
}

/* ---- the manual page */
static void roff(cs_buf *out, const char *text)
{
    if (*text == '.' || *text == '\'') {
        cs_buf_text(out, "\\&");
    }
    escaped(out, text, "\\-", "\\");
}

static void man_flag(cs_buf *out, const cs_arg *arg)
{
    cs_buf_text(out, ".TP\n\\fB");
    if (arg->letter != '\0') {
        cs_buf_printf(out, "\\-%c\\fR, \\fB", arg->letter);
    }
    cs_buf_text(out, "\\-\\-");
    roff(out, arg->name);
    cs_buf_text(out, "\\fR");
    if (arg->words != NULL) {
        cs_buf_text(out, " \\fI");
        roff(out, arg->words);
        cs_buf_text(out, "\\fR");
    } else if (takes_value(arg)) {
        cs_buf_text(out, arg->type == CS_ARG_INT ? " \\fInumber\\fR" : " \\fIvalue\\fR");
    }
    cs_buf_byte(out, '\n');
    roff(out, arg->help);
    cs_buf_text(out, arg->type == CS_ARG_LIST || arg->type == CS_ARG_COMMAS ? "; may be repeated\n" : "\n");
}

static void man(book *b)
{
    cs_buf *out = &b->out;
    cs_buf_printf(out, ".TH COUNTERSIGN 1 \"\" \"countersign %s\" \"User Commands\"\n", CS_VERSION);
    cs_buf_text(out,
                ".SH NAME\ncountersign \\- policy decisions, budgets and approvals for mutations\n"
                ".SH SYNOPSIS\n.B countersign\n.I command\n[\\fIflags\\fR] [\\fIarguments\\fR]\n"
                ".SH DESCRIPTION\nAnswers questions of gateways and services by policies written in Rego. It takes "
                "the place of\n.BR opa (1):\nits commands, flags, configuration and REST API are the same, and "
                "budgets and approvals come on top.\n.PP\nA flag may be given as \\-\\-name=value or \\-\\-name "
                "value. A flag that is not given is looked up in the\nenvironment as "
                "OPA_\\fICOMMAND\\fR_\\fIFLAG\\fR.\n.SH COMMANDS\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const command *c = &b->commands[i];
        cs_buf_printf(out, ".SS \"%s ", c->name);
        roff(out, c->usage);
        cs_buf_text(out, "\"\n");
        roff(out, c->summary);
        cs_buf_text(out, ".\n");
        for (size_t k = 0; k < c->n; k++) {
            man_flag(out, &c->args[k]);
        }
    }
    cs_buf_text(out, ".SH EXIT STATUS\n0 if all went well; 1 if it failed or was called wrongly; 2 where the command "
                     "says so:\nfailed tests, errors of\n.BR eval .\n");
}

int cs_cmd_completion(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*write)(book *b);
    } shells[] = {{"bash", bash}, {"fish", fish}, {"man", man}, {"powershell", powershell}, {"zsh", zsh}};
    cs_arena a;
    cs_arena_init(&a, 0);
    bool bare = false;
    const cs_arg args[] = {
        {"no-descriptions", 0, CS_ARG_BOOL, &bare, NULL, "accepted for OPA's sake", NULL},
    };
    cs_arg_list rest;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &rest);
    for (size_t i = 0; status < 0 && i < sizeof shells / sizeof *shells; i++) {
        if (rest.n == 1 && strcmp(rest.v[0], shells[i].name) == 0) {
            book b = {0};
            cs_arena_init(&b.arena, 0);
            cs_buf_init(&b.out);
            collect(&b);
            shells[i].write(&b);
            status = cs_cmd_write(cs_buf_view(&b.out)) ? 0 : 1;
            cs_buf_destroy(&b.out);
            cs_arena_destroy(&b.arena);
        }
    }
    if (status < 0) {
        status = cs_cmd_fail("specify one of bash, fish, man, powershell, zsh");
    }
    cs_arena_destroy(&a);
    return status;
}
