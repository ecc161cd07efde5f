/* The audit log alone: N records of decisions into a folder, what one costs in CPU, and how long the walk over them
 * takes. The suites of the audit log use it to make large logs.
 *
 *   audit_bench N DIR [interval|commit|none] */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "countersign/audit.h"
#include "countersign/base/time.h"

static double cpu_seconds(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* As large as a decision on a mutation. */
static cs_slice data_of(char *room, size_t size, long i)
{
    int n = snprintf(room, size,
                     "{\"bundles\":{\"safe-mutations\":{\"revision\":\"r1\"}},\"input\":{\"actor\":{\"roles\":["
                     "\"analyst\"],\"source\":\"jwt\",\"sub\":\"alice\",\"tenant\":\"t%ld\"},\"cost\":{\"currency\":"
                     "\"USD\",\"estimate_nanos\":%ld,\"source\":\"manifest\"},\"graphql\":{\"document_id\":"
                     "\"71f7dc5758652baac68e4a10c50be732b741c892ade2883a99358f52b555286b\",\"kind\":\"mutation\","
                     "\"operation_name\":\"MergeEntities\",\"variables\":{\"from\":[\"e1\",\"e2\"],\"to\":\"e3\"}},"
                     "\"version\":\"countersign/v1\"},\"outcome\":\"allow\",\"path\":\"countersign/authz/result\","
                     "\"requested_by\":\"127.0.0.1:4711\",\"result\":{\"allow\":true,\"reason\":{\"codes\":[]}}}",
                     i % 100, i);
    return cs_slice_make(room, (size_t)n);
}

static void fill(cs_audit *audit, long n)
{
    char data[2048], tenant[32], id[40];
    cs_buf text;
    cs_buf_init(&text);
    for (long i = 0; i < n; i++) {
        cs_audit_record r = {.type = "decision"};
        int length = snprintf(tenant, sizeof tenant, "t%ld", i % 100);
        r.tenant = cs_slice_make(tenant, (size_t)length);
        length = snprintf(id, sizeof id, "request-%ld", i);
        r.request_id = cs_slice_make(id, (size_t)length);
        cs_audit_write_begin(&text, cs_undefined(), CS_LIT(""));
        cs_buf_slice(&text, data_of(data, sizeof data, i));
        cs_audit_written written = cs_audit_write_end(&text, &r);
        while (cs_audit_put_written(audit, &written, NULL, NULL) == CS_AUDIT_FULL) {
            (void)cs_audit_wait(audit, CS_NS_PER_S);
        }
    }
    cs_buf_destroy(&text);
}

static cs_audit_sync sync_of(const char *word)
{
    return strcmp(word, "commit") == 0 ? CS_AUDIT_COMMIT
           : strcmp(word, "none") == 0 ? CS_AUDIT_NONE
                                       : CS_AUDIT_INTERVAL;
}

int main(int argc, char **argv)
{
    long n = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
    cs_error e;
    cs_audit *audit;
    cs_audit_options o = {.dir = argv[2], .sync = sync_of(argc > 3 ? argv[3] : "interval"), .file_bytes = 64U << 20};
    if (n <= 0 || cs_audit_open(&o, &audit, &e) != CS_OK) {
        fprintf(stderr, "audit_bench N DIR [interval|commit|none]%s%s\n", n > 0 ? ": " : "", n > 0 ? e.text : "");
        return 2;
    }
    double before = cpu_seconds();
    fill(audit, n);
    cs_audit_free(audit);
    double cpu = cpu_seconds() - before;
    int64_t start = cs_time_mono_ns();
    cs_audit_verdict v;
    cs_err err = cs_audit_verify(argv[2], &(cs_audit_verify_options){.key = NULL}, &v, &e);
    double seconds = (double)(cs_time_mono_ns() - start) / 1e9;
    printf("audit log: %ld records, %.2f us of CPU each; verified in %.2f s, %.2f us each: %s\n", n,
           cpu / (double)n * 1e6, seconds, seconds / (double)v.records * 1e6, err == CS_OK && v.good ? "good" : v.text);
    return err == CS_OK && v.good ? 0 : 1;
}
