/* The host of the engine's commands: the system's, with the network. */
#include "countersign/base/thread.h"
#include "countersign/config.h"
#include "countersign/net.h"
#include "load.h"

/* One for the life of the process, made by whoever asks first; its threads start only when a policy asks the network.
 */
static cs_host host;

static void make_host(void)
{
    host = *cs_host_system();
    host.schema_files = true;
    host.network = cs_network_new(&(cs_network_options){.read_env = cs_config_env});
}

void cs_cmd_host_limit(cs_value allow_net)
{
    (void)cs_cmd_host();
    host.allow_net = allow_net;
}

const cs_host *cs_cmd_host(void)
{
    static cs_once once = CS_ONCE_INIT;
    cs_once_run(&once, make_host);
    return &host;
}
