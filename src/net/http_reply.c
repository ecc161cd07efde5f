/* The head of a reply, the words of the statuses, the date. */
#include <stdio.h>

#include "countersign/base/time.h"
#include "internal.h"

static const struct {
    int status;
    const char *text;
} statuses[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Request Entity Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Entity"},
    {423, "Locked"},
    {425, "Too Early"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *cs_http_status_text(int status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (statuses[i].status == status) {
            return statuses[i].text;
        }
    }
    return "";
}

bool cs_net__status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

void cs_net__write_head(cs_buf *out, const cs_net__reply *reply)
{
    if (reply->status == 200) {
        cs_buf_slice(out, CS_LIT("HTTP/1.1 200 OK\r\n"));
    } else {
        cs_buf_slice(out, CS_LIT("HTTP/1.1 "));
        cs_buf_i64(out, reply->status);
        cs_buf_byte(out, ' ');
        cs_buf_text(out, cs_http_status_text(reply->status));
        cs_buf_slice(out, CS_LIT("\r\n"));
    }
    if (reply->content_type != NULL) {
        cs_buf_slice(out, CS_LIT("Content-Type: "));
        cs_buf_text(out, reply->content_type);
        cs_buf_slice(out, CS_LIT("\r\n"));
    }
    cs_buf_slice(out, reply->extra);
    cs_buf_slice(out, CS_LIT("Date: "));
    cs_buf_slice(out, reply->date);
    if (cs_net__status_has_body(reply->status)) {
        cs_buf_slice(out, CS_LIT("\r\nContent-Length: "));
        cs_buf_u64(out, reply->length);
    }
    if (reply->close) {
        cs_buf_slice(out, CS_LIT("\r\nConnection: close"));
    } else if (reply->keep_alive_old) {
        cs_buf_slice(out, CS_LIT("\r\nConnection: keep-alive"));
    }
    cs_buf_slice(out, CS_LIT("\r\n\r\n"));
}

void cs_net__write_date(int64_t wall_ns, char out[30])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t seconds = wall_ns / CS_NS_PER_S;
    int64_t day = seconds / 86400;
    int64_t rest = seconds % 86400;
    int64_t year;
    int month, of_month;
    cs_time_civil_from_days(day, &year, &month, &of_month);
    char text[64];
    (void)snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + (day + 4) % 7 * 3, of_month,
                   months + (month - 1) * 3, (int)year, (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
    memcpy(out, text, 29);
    out[29] = 0;
}
