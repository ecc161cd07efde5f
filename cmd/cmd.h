/* What the commands share: the table, flags as rows, errors on stderr. Flags follow OPA's (pflag): --name=value, --name
 * value, -n value, -nvalue, several one-letter switches together, arguments and flags in any order, "--" ends the
 * flags. A flag that is not given is looked up in the environment as OPA_<COMMAND>_<FLAG>. */
#ifndef CS_CMD_H
#define CS_CMD_H

#include "countersign/base/buf.h"
#include "countersign/base/err.h"
#include "countersign/bundle.h"

/* Exit status of a command: 0 = done, 1 = it failed or was called wrongly, 2 = what OPA's command answers with 2. */
typedef int cs_cmd_fn(int argc, char **argv);

#define CS_COMMAND(name, function, summary, usage) cs_cmd_fn function;
#include "commands.def"
#undef CS_COMMAND

typedef enum cs_arg_type {
    CS_ARG_BOOL,        /* bool */
    CS_ARG_STRING,      /* const char * */
    CS_ARG_INT,         /* int64_t */
    CS_ARG_LIST,        /* cs_arg_list; may be repeated */
    CS_ARG_COMMAS,      /* cs_arg_list; may be repeated, and commas separate values */
    CS_ARG_ENUM,        /* const char *, one of the words in `words` ("a|b") */
    CS_ARG_COUNTED,     /* as CS_ARG_INT; without a value 1 (-v) */
    CS_ARG_CAPABILITIES /* const cs_capabilities *, by file or version (granted.h) */
} cs_arg_type;

typedef struct cs_arg_list {
    const char **v;
    size_t n;
} cs_arg_list;

typedef struct cs_arg {
    const char *name; /* without dashes */
    char letter;      /* '\0' without one */
    cs_arg_type type;
    void *out;         /* holds the default before */
    const char *words; /* CS_ARG_ENUM */
    const char *help;
    bool *given; /* if wanted: was it on the command line or in the environment? */
} cs_arg;

/* Parses argv (argv[0] is the command's name) into the rows' outs and the rest into *positional. Everything lives in
 * the arena or in argv. Answers -1 to go on, else the exit status: 0 after --help, 1 after a wrong flag (both have been
 * printed). */
int cs_args_parse(cs_arena *a, int argc, char **argv, const cs_arg *args, size_t n, cs_arg_list *positional);

/* "Error: text" and the flags of the command whose cs_args_parse came last (its rows must be there still); returns 1.
 */
int cs_args_wrong(const char *format, ...) CS_PRINTF(1, 2);

/* Calls a command only as far as its cs_args_parse, which hands its rows to `each` instead of parsing. The rows are
 * gone when `each` returns; the texts in them stay. For what is made out of them: completion, the manual page. */
void cs_args_describe(cs_cmd_fn *command, const char *name, void (*each)(void *self, const cs_arg *args, size_t n),
                      void *self);

/* "error: text" on stderr; returns 1. */
int cs_cmd_fail(const char *format, ...) CS_PRINTF(1, 2);
/* What stands in e, likewise. */
int cs_cmd_fail_error(const cs_error *e);
/* Writes to stdout; false if that fails. */
bool cs_cmd_write(cs_slice bytes);

/* Texts as slices, in the arena. */
const cs_slice *cs_cmd_slices(cs_arena *a, const cs_arg_list *list);
/* The content of the file of that name if there is one, else the text itself: what --signing-key and --verification-key
 * take. */
CS_MUST_CHECK cs_err cs_cmd_key_text(cs_arena *a, const char *key, cs_slice *out, cs_error *e);

/* The signing key, algorithm and claims file (NULL = none) of `sign` and `build`; no key id. */
CS_MUST_CHECK cs_err cs_cmd_signing(cs_arena *a, const char *key, const char *alg, const char *claims,
                                    cs_bundle_signing *out, cs_error *e);

/* The flags with which commands verify bundles, and what they amount to. */
typedef struct cs_cmd_verify_flags {
    const char *key, *keyid, *alg, *scope;
    cs_arg_list exclude;
    bool skip;
} cs_cmd_verify_flags;
#define CS_CMD_VERIFY_ARGS(flags)                                                                                      \
    {"verification-key",                                                                                               \
     0,                                                                                                                \
     CS_ARG_STRING,                                                                                                    \
     &(flags).key,                                                                                                     \
     NULL,                                                                                                             \
     "the secret (HMAC) or path of the PEM file with the public key (RSA and ECDSA)",                                  \
     NULL},                                                                                                            \
        {"verification-key-id", 0, CS_ARG_STRING, &(flags).keyid, NULL, "name of the verification key", NULL},         \
        {"scope", 0, CS_ARG_STRING, &(flags).scope, NULL, "scope that the signature must have", NULL},                 \
        {"exclude-files-verify", 0, CS_ARG_COMMAS, &(flags).exclude, NULL, "files that need no signature", NULL},      \
    {                                                                                                                  \
        "signing-alg", 0, CS_ARG_STRING, &(flags).alg, NULL, "name of the signing algorithm", NULL                     \
    }
/* *verify stays NULL without --verification-key. */
CS_MUST_CHECK cs_err cs_cmd_verify_config(cs_arena *a, const cs_cmd_verify_flags *flags,
                                          const cs_bundle_verify **verify, cs_error *e);

#endif
