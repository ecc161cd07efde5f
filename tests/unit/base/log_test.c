/* The lines of the log: escaping, formats, levels. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>

#include "countersign/base/log.h"

/* What the log wrote, with the time of the line replaced by T. */
static void wrote(const char *want)
{
    char text[1024] = {0};
    FILE *err = cr_get_redirected_stderr();
    size_t n = fread(text, 1, sizeof text - 1, err);
    text[n] = '\0';
    char *year = strstr(text, "20");
    if (year != NULL) {
        char *end = strchr(year, 'Z');
        cr_assert_not_null(end);
        memmove(year + 1, end + 1, strlen(end + 1) + 1);
        *year = 'T';
    }
    cr_assert_str_eq(text, want, "%s", text);
}

TestSuite(log, .init = cr_redirect_stderr);

Test(log, json)
{
    cs_log(CS_LOG_INFO, "a \"quoted\"\n\x01\xFF line", 4,
           (cs_log_field[]){CS_LOG_I("workers", -2),
                            CS_LOG_F("ratio", 0.1),
                            {.key = "raw", .kind = CS_LOG_RAW, .text = CS_LIT("[1,{}]")},
                            {.key = "on", .kind = CS_LOG_BOOL, .i = 1}});
    (void)fflush(stderr);
    wrote("{\"level\":\"info\",\"msg\":\"a \\\"quoted\\\"\\n\\u0001\xEF\xBF\xBD line\",\"on\":true,\"ratio\":0.1,"
          "\"raw\":[1,{}],\"time\":\"T\",\"workers\":-2}\n");
}

Test(log, text)
{
    cs_log_setup(CS_LOG_WARN, CS_LOG_TEXT);
    cs_logf(CS_LOG_INFO, "not %s", "written");
    cs_log(CS_LOG_WARN, "two words", 3,
           (cs_log_field[]){CS_LOG_S("k", CS_LIT("plain")),
                            CS_LOG_S("lines", CS_LIT("a\nb")),
                            {.key = "raw", .kind = CS_LOG_RAW, .text = CS_LIT("[1,{}]")}});
    wrote("[WARNING] two words\n  k = \"plain\"\n  lines = |\n      a\n      b\n\n"
          "  raw = |\n      [\n        1,\n        {}\n      ]\n\n");
}

Test(log, levels)
{
    cs_log_level level = CS_LOG_INFO;
    cr_assert(cs_log_level_parse(CS_LIT("WARN"), &level) && level == CS_LOG_WARN);
    cr_assert(cs_log_level_parse(CS_LIT("warning"), &level) && level == CS_LOG_WARN);
    cr_assert(cs_log_level_parse(CS_LIT("Debug"), &level) && level == CS_LOG_DEBUG);
    cr_assert_not(cs_log_level_parse(CS_LIT("loud"), &level));
    wrote("");
}
