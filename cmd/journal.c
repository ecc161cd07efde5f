/* journal export|import: the log of a configuration as lines of JSON on stdout, and from stdin. */
#include "cmd.h"

#include <stdio.h>
#include <string.h>

#include "countersign/app.h"

typedef struct flags {
    const char *config;
    cs_arg_list set;
} flags;

static bool write_line(void *self, cs_slice line)
{
    (void)self;
    return fwrite(line.p, 1, line.n, stdout) == line.n;
}

/* stdin in pieces; a line is good until the next one is read. */
typedef struct input {
    cs_buf bytes;
    size_t at;
    bool ended;
    uint64_t number;
} input;

static bool read_line(void *self, cs_slice *line)
{
    input *in = self;
    for (;;) {
        cs_slice rest = cs_slice_sub(cs_buf_view(&in->bytes), in->at, in->bytes.n);
        size_t n = cs_slice_find_byte(rest, '\n', 0);
        if (n < rest.n || (in->ended && rest.n > 0)) {
            n = n < rest.n ? n : rest.n;
            *line = cs_slice_sub(rest, 0, n);
            in->at += n < rest.n ? n + 1 : n;
            in->number++;
            return true;
        }
        if (in->ended) {
            return false;
        }
        cs_buf left;
        cs_buf_init(&left);
        cs_buf_slice(&left, rest);
        cs_buf_destroy(&in->bytes);
        in->bytes = left;
        in->at = 0;
        char piece[65536];
        size_t got = fread(piece, 1, sizeof piece, stdin);
        cs_buf_slice(&in->bytes, cs_slice_make(piece, got));
        in->ended = got == 0;
    }
}

static void say_refused(void *self, cs_slice why)
{
    const input *in = self;
    (void)fprintf(stderr, "line %llu: not taken: %.*s\n", (unsigned long long)in->number, CS_FMT(why));
}

static int move(const flags *f, bool out)
{
    input in = {.at = 0};
    cs_buf_init(&in.bytes);
    cs_app_move m = {.config = {.file = f->config, .set = f->set.v, .n_set = f->set.n},
                     .write = write_line,
                     .read = read_line,
                     .refused = say_refused,
                     .self = &in};
    cs_buf message;
    cs_buf_init(&message);
    cs_err r = out ? cs_app_export(&m, &message) : cs_app_import(&m, &message);
    if (fflush(stdout) != 0 && r == CS_OK) {
        r = CS_ERR_IO;
    }
    if (r != CS_OK) {
        (void)cs_cmd_fail("%.*s", CS_FMT(cs_buf_view(&message)));
    } else {
        (void)fprintf(stderr, "%llu events %s, %llu left out\n", (unsigned long long)m.moved,
                      out ? "exported" : "imported", (unsigned long long)m.left);
    }
    cs_buf_destroy(&message);
    cs_buf_destroy(&in.bytes);
    return r == CS_OK && (out || m.left == 0) ? 0 : 1;
}

int cs_cmd_journal(int argc, char **argv)
{
    flags f = {.config = NULL};
    const cs_arg args[] = {
        {"config-file", 'c', CS_ARG_STRING, &f.config, NULL, "configuration that names the journal", NULL},
        {"set", 0, CS_ARG_LIST, &f.set, NULL, "override a value of the configuration", NULL},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list words = {NULL, 0};
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &words);
    if (status < 0) {
        bool out = words.n == 1 && strcmp(words.v[0], "export") == 0;
        bool in = words.n == 1 && strcmp(words.v[0], "import") == 0;
        status = out || in ? move(&f, out) : cs_cmd_fail("journal needs one word: export or import");
    }
    cs_arena_destroy(&a);
    return status;
}
