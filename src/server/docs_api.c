/* GET /docs/api and /docs/api/openapi.json: the description of every endpoint, built in from docs/. */
#include "internal.h"

/* Bytes as numbers, made by the Makefile. */
static const unsigned char openapi[] = {
#include "server/openapi.inc"
};
static const unsigned char page[] = {
#include "server/api_page.inc"
};

static void send(cs_server__request *r, const unsigned char *bytes, size_t n, const char *type)
{
    cs_buf_put(cs_http_body(r->x), bytes, n);
    cs_server__send(r, 200, type);
}

void cs_server__docs_openapi(cs_server__request *r)
{
    send(r, openapi, sizeof openapi, "application/json");
}

void cs_server__docs_page(cs_server__request *r)
{
    send(r, page, sizeof page, "text/html; charset=utf-8");
}
