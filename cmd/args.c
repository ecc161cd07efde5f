/* Flags as rows. */
#include "cmd.h"
#include "granted.h"

#include <stdarg.h>
#include <stdio.h>

#include "countersign/base/file.h"
#include "countersign/config.h"

static const struct {
    const char *name, *summary, *usage;
} commands[] = {
#define CS_COMMAND(name, function, summary, usage) {#name, summary, usage},
#include "commands.def"
#undef CS_COMMAND
};

typedef struct parse {
    cs_arena *arena;
    const char *command;
    const cs_arg *args;
    size_t n;
    bool *seen; /* one a row */
    bool help;
} parse;

/* What the command is for is told to who asks, not with an error. */
static void print_usage(FILE *out, const parse *p, bool asked)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, p->command) == 0) {
            fprintf(out, "%s%sUsage:\n  countersign %s %s [flags]\n\nFlags:\n", asked ? commands[i].summary : "",
                    asked ? "\n\n" : "", p->command, commands[i].usage);
        }
    }
    for (size_t i = 0; i < p->n; i++) {
        const cs_arg *arg = &p->args[i];
        char letter[5] = "    ";
        if (arg->letter != '\0') {
            (void)snprintf(letter, sizeof letter, "-%c, ", arg->letter);
        }
        fprintf(out, "  %s--%-26s %s%s%s%s\n", letter, arg->name, arg->help, arg->words != NULL ? " (" : "",
                arg->words != NULL ? arg->words : "", arg->words != NULL ? ")" : "");
    }
    fprintf(out, "  -h, --%-26s %s\n", "help", "this text");
}

static int say_wrong(const parse *p, const char *format, va_list args) CS_PRINTF(2, 0);
static int say_wrong(const parse *p, const char *format, va_list args)
{
    fprintf(stderr, "Error: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    print_usage(stderr, p, false);
    return 1;
}

static int wrong(const parse *p, const char *format, ...) CS_PRINTF(2, 3);
static int wrong(const parse *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int status = say_wrong(p, format, args);
    va_end(args);
    return status;
}

/* The command whose flags were parsed last: the program runs one, on one thread. */
static parse called;

int cs_args_wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int status = say_wrong(&called, format, args);
    va_end(args);
    return status;
}

/* A value that a flag cannot have; `why` ends the sentence. */
static int wrong_value(const parse *p, const cs_arg *arg, const char *text, const char *why)
{
    if (arg->letter) {
        return wrong(p, "invalid argument \"%s\" for \"-%c, --%s\" flag: %s", text, arg->letter, arg->name, why);
    }
    return wrong(p, "invalid argument \"%s\" for \"--%s\" flag: %s", text, arg->name, why);
}

/* As the reference's language says that a text is no number. */
static int wrong_syntax(const parse *p, const cs_arg *arg, const char *text, const char *function, bool range)
{
    const char *why = cs_arena_printf(p->arena, NULL, "strconv.%s: parsing \"%s\": %s", function, text,
                                      range ? "value out of range" : "invalid syntax");
    return wrong_value(p, arg, text, why);
}

/* Digits only, with a sign perhaps: a number, though one that is too large. */
static bool is_digits(const char *text)
{
    text += *text == '-' || *text == '+';
    return *text && text[strspn(text, "0123456789")] == '\0';
}

static int wrong_word(const parse *p, const cs_arg *arg, const char *text)
{
    char *words = (char *)(uintptr_t)cs_arena_printf(p->arena, NULL, "must be one of {%s}", arg->words);
    for (char *at = words; *at; at++) {
        *at = *at == '|' ? ',' : *at;
    }
    return wrong_value(p, arg, text, words);
}

static void push(cs_arena *a, cs_arg_list *list, const char *text)
{
    const char **v = cs_arena_alloc(a, (list->n + 1) * sizeof *v);
    if (list->n > 0) {
        memcpy(v, list->v, list->n * sizeof *v);
    }
    v[list->n++] = text;
    list->v = v;
}

static bool one_of(const char *text, const char *words)
{
    cs_slice rest = cs_slice_of(words), word;
    while (cs_slice_next(&rest, '|', &word)) {
        if (cs_slice_is(word, text)) {
            return true;
        }
    }
    return false;
}

static int set(parse *p, const cs_arg *arg, const char *text)
{
    int64_t number;
    if (arg->given != NULL) {
        *arg->given = true;
    }
    p->seen[arg - p->args] = true;
    switch (arg->type) {
    case CS_ARG_BOOL:
        if (!one_of(text, "true|false|1|0|t|f|T|F|TRUE|FALSE|True|False")) {
            return wrong_syntax(p, arg, text, "ParseBool", false);
        }
        *(bool *)arg->out = one_of(text, "true|1|t|T|TRUE|True");
        return -1;
    case CS_ARG_STRING:
        *(const char **)arg->out = text;
        return -1;
    case CS_ARG_INT:
    case CS_ARG_COUNTED:
        if (!cs_slice_i64(cs_slice_of(text), &number)) {
            return wrong_syntax(p, arg, text, "ParseInt", is_digits(text));
        }
        *(int64_t *)arg->out = number;
        return -1;
    case CS_ARG_LIST:
        push(p->arena, arg->out, text);
        return -1;
    case CS_ARG_COMMAS: {
        cs_slice rest = cs_slice_of(text), part;
        while (cs_slice_next(&rest, ',', &part)) {
            push(p->arena, arg->out, cs_arena_dup(p->arena, part.p, part.n));
        }
        return -1;
    }
    case CS_ARG_ENUM:
        if (!one_of(text, arg->words)) {
            return wrong_word(p, arg, text);
        }
        *(const char **)arg->out = text;
        return -1;
    case CS_ARG_CAPABILITIES: {
        cs_error e = {0};
        if (cs_cmd_granted(p->arena, text, arg->out, &e) != CS_OK) {
            return wrong_value(p, arg, text, e.text);
        }
        return -1;
    }
    }
    return -1;
}

static const cs_arg *find(const parse *p, cs_slice name, char letter)
{
    for (size_t i = 0; i < p->n; i++) {
        if (letter != '\0' ? p->args[i].letter == letter : cs_slice_is(name, p->args[i].name)) {
            return &p->args[i];
        }
    }
    return NULL;
}

static bool is_switch(const cs_arg *arg)
{
    return arg->type == CS_ARG_BOOL || arg->type == CS_ARG_COUNTED;
}

static const char *switch_value(const cs_arg *arg)
{
    return arg->type == CS_ARG_BOOL ? "true" : "1";
}

static int long_flag(parse *p, int argc, char **argv, int *i)
{
    cs_slice all = cs_slice_of(argv[*i] + 2);
    size_t equals = cs_slice_find_byte(all, '=', 0);
    cs_slice name = cs_slice_sub(all, 0, equals);
    if (cs_slice_is(name, "help")) {
        p->help = true;
        return -1;
    }
    const cs_arg *arg = find(p, name, '\0');
    if (arg == NULL || name.n == 0) {
        return wrong(p, "unknown flag: --%.*s", CS_FMT(name));
    }
    if (equals != SIZE_MAX) {
        return set(p, arg, all.p + equals + 1);
    }
    if (is_switch(arg)) {
        return set(p, arg, switch_value(arg));
    }
    if (*i + 1 >= argc) {
        return wrong(p, "flag needs an argument: --%s", arg->name);
    }
    return set(p, arg, argv[++*i]);
}

static int short_flags(parse *p, int argc, char **argv, int *i)
{
    for (const char *at = argv[*i] + 1; *at != '\0'; at++) {
        const cs_arg *arg = find(p, CS_LIT(""), *at);
        if (arg == NULL && *at == 'h') {
            p->help = true;
            return -1;
        }
        if (arg == NULL) {
            return wrong(p, "unknown shorthand flag: '%c' in %s", *at, argv[*i]);
        }
        if (at[1] == '=') {
            return set(p, arg, at + 2);
        }
        if (is_switch(arg)) {
            int status = set(p, arg, switch_value(arg));
            if (status != -1) {
                return status;
            }
            continue;
        }
        if (at[1] != '\0') {
            return set(p, arg, at + 1);
        }
        if (*i + 1 >= argc) {
            return wrong(p, "flag needs an argument: '%c' in %s", *at, argv[*i]);
        }
        return set(p, arg, argv[++*i]);
    }
    return -1;
}

static int from_environment(parse *p)
{
    for (size_t i = 0; i < p->n; i++) {
        char name[128];
        int n = snprintf(name, sizeof name, "OPA_%s_%s", p->command, p->args[i].name);
        if (p->seen[i] || n < 0 || (size_t)n >= sizeof name) {
            continue;
        }
        for (char *c = name; *c != '\0'; c++) {
            *c = *c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        }
        const char *value = cs_config_env(name);
        if (value != NULL && value[0] != '\0') {
            int status = set(p, &p->args[i], value);
            if (status != -1) {
                return status;
            }
        }
    }
    return -1;
}

/* While cs_args_describe runs a command: who wants its rows. The program's commands run on one thread. */
static struct {
    void (*each)(void *self, const cs_arg *args, size_t n);
    void *self;
} describing;

void cs_args_describe(cs_cmd_fn *command, const char *name, void (*each)(void *self, const cs_arg *args, size_t n),
                      void *self)
{
    char word[64];
    (void)snprintf(word, sizeof word, "%s", name);
    char *argv[] = {word, NULL};
    describing.each = each;
    describing.self = self;
    (void)command(1, argv);
    describing.each = NULL;
}

int cs_args_parse(cs_arena *a, int argc, char **argv, const cs_arg *args, size_t n, cs_arg_list *positional)
{
    parse p = {.arena = a, .command = argv[0], .args = args, .n = n, .seen = cs_arena_array(a, bool, n + 1)};
    *positional = (cs_arg_list){0};
    called = p;
    if (describing.each != NULL) {
        describing.each(describing.self, args, n);
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        int status = -1;
        if (strcmp(argv[i], "--") == 0) {
            while (++i < argc) {
                push(a, positional, argv[i]);
            }
        } else if (strncmp(argv[i], "--", 2) == 0) {
            status = long_flag(&p, argc, argv, &i);
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            status = short_flags(&p, argc, argv, &i);
        } else {
            push(a, positional, argv[i]);
        }
        if (status != -1) {
            return status;
        }
    }
    if (p.help) {
        print_usage(stdout, &p, true);
        return 0;
    }
    return from_environment(&p);
}

int cs_cmd_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "error: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    return 1;
}

int cs_cmd_fail_error(const cs_error *e)
{
    return cs_cmd_fail("%s", e->text);
}

bool cs_cmd_write(cs_slice bytes)
{
    return fwrite(bytes.p, 1, bytes.n, stdout) == bytes.n;
}

const cs_slice *cs_cmd_slices(cs_arena *a, const cs_arg_list *list)
{
    cs_slice *out = cs_arena_array(a, cs_slice, list->n + 1);
    for (size_t i = 0; i < list->n; i++) {
        out[i] = cs_slice_of(list->v[i]);
    }
    return out;
}

#define KEY_FILE_MAX_BYTES ((size_t)1 << 20)

cs_err cs_cmd_key_text(cs_arena *a, const char *key, cs_slice *out, cs_error *e)
{
    if (strncmp(key, "-----BEGIN", 10) == 0 || !cs_file_exists(key)) {
        *out = cs_slice_of(key);
        return CS_OK;
    }
    cs_buf bytes;
    cs_buf_init(&bytes);
    cs_err err = cs_file_read(key, KEY_FILE_MAX_BYTES, &bytes, e);
    if (err == CS_OK) {
        *out = cs_slice_make(cs_arena_dup(a, cs_buf_view(&bytes).p, bytes.n), bytes.n);
    }
    cs_buf_destroy(&bytes);
    return err;
}

cs_err cs_cmd_verify_config(cs_arena *a, const cs_cmd_verify_flags *flags, const cs_bundle_verify **verify, cs_error *e)
{
    *verify = NULL;
    if (flags->key == NULL || flags->key[0] == '\0') {
        return CS_OK;
    }
    cs_bundle_key *key = cs_arena_new(a, cs_bundle_key);
    key->id = cs_slice_of(flags->keyid != NULL ? flags->keyid : "default");
    key->algorithm = cs_slice_of(flags->alg != NULL ? flags->alg : "RS256");
    key->scope = cs_slice_of(flags->scope != NULL ? flags->scope : "");
    CS_TRY(cs_cmd_key_text(a, flags->key, &key->key, e));
    cs_bundle_verify *v = cs_arena_new(a, cs_bundle_verify);
    v->keys = key;
    v->n_keys = 1;
    v->keyid = key->id;
    v->scope = key->scope;
    v->exclude = cs_cmd_slices(a, &flags->exclude);
    v->n_exclude = flags->exclude.n;
    *verify = v;
    return CS_OK;
}
