/* Runs a fuzz target over the files given as arguments, without libFuzzer: how a corpus becomes a plain test. Every
 * file is also tried cut off at each of its first 512 bytes. The closing line counts the files. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "countersign/base/thread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The content in a block of exactly its size, so that a sanitizer sees a byte too far. */
static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return NULL;
    }
    uint8_t *data = NULL;
    size_t n = 0;
    for (;;) {
        uint8_t part[4096];
        size_t got = fread(part, 1, sizeof part, f);
        if (got == 0) {
            break;
        }
        uint8_t *more = realloc(data, n + got);
        if (more == NULL) {
            break;
        }
        data = more;
        memcpy(data + n, part, got);
        n += got;
    }
    (void)fclose(f);
    *size = n;
    return data != NULL ? data : malloc(1);
}

static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    if (copy != NULL) {
        memcpy(copy, data, size);
        (void)LLVMFuzzerTestOneInput(copy, size);
    }
    free(copy);
}

int main(int argc, char **argv)
{
    cs_thread_grow_main();
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        size_t size = 0;
        uint8_t *data = read_file(argv[i], &size);
        if (data == NULL) {
            (void)fprintf(stderr, "%s: cannot be read\n", argv[i]);
            failed++;
            continue;
        }
        run(data, size);
        for (size_t cut = 0; cut < size && cut < 512; cut++) {
            run(data, cut);
        }
        free(data);
    }
    (void)printf("%d passed, %d failed\n", argc - 1 - failed, failed);
    return failed != 0;
}
