/* The process_* figures that Prometheus' own clients have, read from /proc. What cannot be read is left out. */
#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include "countersign/base/file.h"
#include "metrics/internal.h"

#define PROC_MAX ((size_t)1048576)

static bool read_proc(const char *path, cs_buf *out)
{
    cs_buf_clear(out);
    return cs_file_read(path, PROC_MAX, out, NULL) == CS_OK;
}

static void put(cs_buf *out, const char *name, const char *kind, const char *help)
{
    cs_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s ", name, help, name, kind, name);
}

static void put_cpu(cs_buf *out)
{
    struct rusage use;
    if (getrusage(RUSAGE_SELF, &use) == 0) {
        int64_t us = (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * INT64_C(1000000) + use.ru_utime.tv_usec +
                     use.ru_stime.tv_usec;
        put(out, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.");
        cs_buf_printf(out, "%lld.%06lld\n", (long long)(us / 1000000), (long long)(us % 1000000));
    }
}

static void put_memory(cs_buf *out, cs_buf *text)
{
    uint64_t pages[2] = {0};
    if (!read_proc("/proc/self/statm", text)) {
        return;
    }
    cs_slice rest = cs_slice_trim(cs_buf_view(text));
    cs_slice field = {0};
    for (size_t i = 0; i < 2; i++) {
        if (!cs_slice_next(&rest, ' ', &field) || !cs_slice_u64(field, &pages[i])) {
            return;
        }
    }
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    put(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.");
    cs_buf_printf(out, "%llu\n", (unsigned long long)(pages[0] * page));
    put(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.");
    cs_buf_printf(out, "%llu\n", (unsigned long long)(pages[1] * page));
}

static void put_files(cs_buf *out)
{
    DIR *folder = opendir("/proc/self/fd");
    uint64_t open_fds = 0;
    if (folder != NULL) {
        for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
            open_fds += entry->d_name[0] != '.';
        }
        (void)closedir(folder);
        /* One of them was the folder's own. */
        put(out, "process_open_fds", "gauge", "Number of open file descriptors.");
        cs_buf_printf(out, "%llu\n", (unsigned long long)(open_fds - 1));
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        put(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.");
        cs_buf_printf(out, "%llu\n", (unsigned long long)limit.rlim_cur);
    }
}

/* The boot time of the machine, in Unix seconds, from the line "btime N". */
static bool boot_time(cs_buf *text, uint64_t *out)
{
    if (!read_proc("/proc/stat", text)) {
        return false;
    }
    cs_slice rest = cs_buf_view(text);
    cs_slice line = {0};
    while (cs_slice_next(&rest, '\n', &line)) {
        if (cs_slice_starts(line, CS_LIT("btime "))) {
            return cs_slice_u64(cs_slice_trim(cs_slice_sub(line, 6, line.n)), out);
        }
    }
    return false;
}

static void put_start(cs_buf *out, cs_buf *text)
{
    uint64_t boot = 0;
    uint64_t ticks = 0;
    if (!boot_time(text, &boot) || !read_proc("/proc/self/stat", text)) {
        return;
    }
    /* The second field, the name in brackets, may hold blanks: count from its end. Field 22 is the start in clock
     * ticks. */
    cs_slice stat = cs_buf_view(text);
    size_t bracket = stat.n;
    while (bracket > 0 && stat.p[bracket - 1] != ')') {
        bracket--;
    }
    cs_slice rest = cs_slice_trim(cs_slice_sub(stat, bracket, stat.n));
    cs_slice field = {0};
    for (int i = 3; i <= 22; i++) {
        if (!cs_slice_next(&rest, ' ', &field)) {
            return;
        }
    }
    long hertz = sysconf(_SC_CLK_TCK);
    if (hertz > 0 && cs_slice_u64(field, &ticks)) {
        uint64_t hundredths = ticks * 100 / (uint64_t)hertz;
        put(out, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.");
        cs_buf_printf(out, "%llu.%02u\n", (unsigned long long)(boot + hundredths / 100), (unsigned)(hundredths % 100));
    }
}

void cs_metrics__process(cs_buf *out)
{
    cs_buf text;
    cs_buf_init(&text);
    put_cpu(out);
    put_memory(out, &text);
    put_files(out);
    put_start(out, &text);
    cs_buf_destroy(&text);
}
