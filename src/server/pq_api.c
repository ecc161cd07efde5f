/* GET /v1/persisted-queries/drift: what clients ask for and the list of operations does not have. */
#include "countersign/base/time.h"
#include "internal.h"

void cs_server__drift_get(cs_server__request *r)
{
    const cs_world *world = cs_store_pin(r->w->reader);
    const cs_value *operations = cs_object_get_text(cs_world_data(world), "operations");
    cs_value v = cs_pq_drift_document(r->server->drift, operations != NULL ? *operations : cs_undefined(),
                                      cs_time_wall_ns(), r->arena);
    cs_store_unpin(r->w->reader);
    cs_server__send_value(r, 200, v);
}
