/* compensate: has a running server ask for the undoing of the last allowed operations. */
#include "countersign/json.h"
#include "remote.h"

int cs_cmd_compensate(int argc, char **argv)
{
    cs_remote remote = CS_REMOTE_DEFAULT;
    int64_t last = 50;
    const char *tenant = NULL;
    bool dry_run = false;
    const cs_arg args[] = {
        CS_REMOTE_URL_ARG(remote),
        CS_REMOTE_ARGS(remote),
        {"last", 0, CS_ARG_INT, &last, NULL, "how many of the newest", NULL},
        {"tenant", 0, CS_ARG_STRING, &tenant, NULL, "only of this one", NULL},
        {"dry-run", 0, CS_ARG_BOOL, &dry_run, NULL, "show them, ask for nothing", NULL},
    };
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_arg_list words;
    int status = cs_args_parse(&a, argc, argv, args, sizeof args / sizeof *args, &words);
    if (status == -1 && words.n != 0) {
        status = cs_cmd_fail("takes no arguments");
    } else if (status == -1) {
        cs_value body = cs_object_new(&a, 3);
        cs_object_put_text(&a, body, "last", cs_int(last));
        cs_object_put_text(&a, body, "dry_run", cs_bool(dry_run));
        if (tenant != NULL) {
            cs_object_put_text(&a, body, "tenant", cs_string(cs_slice_of(tenant)));
        }
        cs_buf text;
        cs_buf_init(&text);
        cs_json_write(&text, body, 0);
        cs_remote_request request = {.method = "POST", .url = "/v1/compensations/replay", .body = cs_buf_view(&text)};
        status = cs_remote_print(&a, &remote, &request);
        cs_buf_destroy(&text);
    }
    cs_arena_destroy(&a);
    return status;
}
