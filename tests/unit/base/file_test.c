/* Files and gzip: limits, atomic replacement, order and links of a walk. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "countersign/base/file.h"
#include "countersign/base/gzip.h"

static char dir[] = "/tmp/countersign-file-XXXXXX";

static void setup(void)
{
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(chdir(dir), 0);
}

static cs_err note(void *self, const char *relative, cs_error *e)
{
    (void)e;
    cs_buf_text(self, relative);
    cs_buf_byte(self, '\n');
    return CS_OK;
}

static cs_err stop(void *self, const char *relative, cs_error *e)
{
    (*(int *)self)++;
    return cs_fail(e, CS_ERR_CONFLICT, "at %s", relative);
}

static void rm(void)
{
    char command_dir[64];
    (void)snprintf(command_dir, sizeof command_dir, "%s", dir);
    cr_assert_eq(chdir("/"), 0);
    static const char *const paths[] = {"a/b/c.txt", "a/b",   "a/link", "a/out", "a/loop", "a",
                                        "a.txt",     "b.txt", "x/y/z",  "x/y",   "x"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", command_dir, paths[i]);
        (void)remove(path);
    }
    cr_assert_eq(rmdir(dir), 0, "something was left behind");
}

TestSuite(file, .init = setup, .fini = rm);

Test(file, replace_and_read)
{
    cs_error e;
    cs_buf b;
    cs_buf_init(&b);
    cr_assert_eq(cs_file_read("a.txt", 100, &b, &e), CS_ERR_NOT_FOUND);
    cr_assert_str_eq(e.text, "open a.txt: no such file or directory");
    cr_assert_eq(cs_file_replace("a.txt", CS_LIT("one"), &e), CS_OK);
    cr_assert_eq(cs_file_replace("a.txt", CS_LIT("four"), &e), CS_OK);
    cs_buf_text(&b, "x");
    cr_assert_eq(cs_file_read("a.txt", 4, &b, &e), CS_OK);
    cr_assert_str_eq(cs_buf_cstr(&b), "xfour");
    cr_assert_eq(cs_file_read("a.txt", 3, &b, &e), CS_ERR_LIMIT);
    cr_assert_str_eq(cs_buf_cstr(&b), "xfour");
    cr_assert_eq(cs_file_replace("no/such/folder", CS_LIT(""), &e), CS_ERR_NOT_FOUND);
    cs_buf_destroy(&b);
}

Test(file, walk_is_in_bytewise_order_and_stays_inside)
{
    cs_error e;
    cr_assert_eq(cs_file_mkdirs("a/b", &e), CS_OK);
    cr_assert_eq(cs_file_mkdirs("a/b", &e), CS_OK);
    cr_assert_eq(cs_file_replace("a/b/c.txt", CS_LIT("1"), &e), CS_OK);
    cr_assert_eq(cs_file_replace("a.txt", CS_LIT("2"), &e), CS_OK);
    cr_assert_eq(cs_file_replace("b.txt", CS_LIT("3"), &e), CS_OK);
    cr_assert_eq(symlink("../b.txt", "a/link"), 0);
    cr_assert_eq(symlink("/etc/passwd", "a/out"), 0);
    cr_assert_eq(symlink("..", "a/loop"), 0);
    cs_buf found;
    cs_buf_init(&found);
    cr_assert_eq(cs_file_walk(".", note, &found, &e), CS_OK);
    /* '.' sorts before '/'. */
    cr_assert_str_eq(cs_buf_cstr(&found), "a.txt\na/b/c.txt\na/link\nb.txt\n");
    int calls = 0;
    cr_assert_eq(cs_file_walk(".", stop, &calls, &e), CS_ERR_CONFLICT);
    cr_assert_eq(calls, 1);
    cr_assert_eq(cs_file_mkdirs("a.txt/x", &e), CS_ERR_IO);
    cs_buf_destroy(&found);
}

static cs_slice packed(cs_buf *b, const char *text, size_t n)
{
    cs_buf_clear(b);
    cs_gzip_deflate(cs_slice_make(text, n), 6, b);
    return cs_buf_view(b);
}

Test(gzip, there_and_back_with_a_cap)
{
    cs_error e;
    size_t n = 3000000;
    char *zeros = calloc(1, n);
    cs_buf in = {0};
    cs_buf out = {0};
    cs_slice gz = packed(&in, zeros, n);
    cr_assert(cs_gzip_is(gz));
    cr_assert_lt(gz.n, 10000);
    cr_assert_eq(cs_gzip_inflate(gz, n, &out, &e), CS_OK);
    cr_assert_eq(out.n, n);
    cr_assert_eq(memcmp(out.p, zeros, n), 0);
    cs_buf_clear(&out);
    cr_assert_eq(cs_gzip_inflate(gz, n - 1, &out, &e), CS_ERR_LIMIT);
    cr_assert_eq(out.n, 0);
    cs_buf_destroy(&in);
    cs_buf_destroy(&out);
    free(zeros);
}

Test(gzip, members_truncation_damage)
{
    cs_error e;
    cs_buf in = {0};
    cs_buf out = {0};
    (void)packed(&in, "hello ", 6);
    cs_gzip_deflate(CS_LIT("world"), 9, &in);
    cr_assert_eq(cs_gzip_inflate(cs_buf_view(&in), 100, &out, &e), CS_OK);
    cr_assert_str_eq(cs_buf_cstr(&out), "hello world");
    cs_slice one = packed(&in, "hello", 5);
    for (size_t n = 0; n < one.n; n++) {
        cr_assert_eq(cs_gzip_inflate(cs_slice_sub(one, 0, n), 100, &out, &e), CS_ERR_SYNTAX, "%zu bytes", n);
        cr_assert_eq(out.n, 11);
    }
    in.p[in.n - 6] ^= 1; /* the check sum */
    cr_assert_eq(cs_gzip_inflate(cs_buf_view(&in), 100, &out, &e), CS_ERR_SYNTAX);
    cs_buf_text(&in, "tail");
    in.p[in.n - 10] ^= 1;
    cr_assert_eq(cs_gzip_inflate(cs_buf_view(&in), 100, &out, &e), CS_ERR_SYNTAX);
    cs_buf_destroy(&in);
    cs_buf_destroy(&out);
}
