/* The document of a package: all rules below it, laid under the base data at the same path. */
#include "rego/plan/internal.h"

void cs_plan__extent(cs_planner *p, uint32_t node, cs_code *code)
{
    cs_builder b;
    cs_plan__begin(&b, p, code);
    const cs_node *n = &p->program->nodes[node];
    uint32_t acc = cs_plan__reg(&b);
    uint32_t key = cs_plan__reg(&b);
    uint32_t value = cs_plan__reg(&b);
    cs_plan__emit(&b, CS_OP_NEWOBJECT, acc, 0, 0, 0, 0);
    for (uint32_t i = 0; i < n->n_children; i++) {
        const cs_node *child = &p->program->nodes[n->children[i]];
        bool hidden = node == 0 && cs_equal(child->key, cs_string(CS_LIT("system")));
        if (child->document == CS_NO_CODE || hidden) {
            continue;
        }
        uint32_t skip = cs_plan__label(&b);
        cs_plan__emit(&b, CS_OP_CALL, value, 0, 0, child->document, skip);
        cs_plan__emit(&b, CS_OP_LOADK, key, 0, 0, cs_plan__k(&b, child->key), 0);
        cs_plan__emit(&b, CS_OP_PUT, acc, key, value, 0, 0);
        cs_plan__place(&b, skip);
    }
    cs_plan__emit(&b, CS_OP_SEAL, acc, 0, 0, 0, 0);
    cs_plan__emit(&b, CS_OP_UNDERLAY, acc, 0, 0, node, 0);
    cs_plan__emit(&b, CS_OP_RETURN, acc, 0, 0, 0, 0);
    cs_plan__finish(&b);
}
