/* Patterns: a regular expression or a glob, a text and a replacement with lines "---" between, through every function
 * that takes them. */
#include "calls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1U << 12) {
        return 0;
    }
    cs_slice rest = {(const char *)data, size};
    cs_value pattern = cs_string(fuzz_cut(&rest));
    cs_value text = cs_string(fuzz_cut(&rest));
    cs_value other = cs_string(rest);
    cs_value all = cs_int(-1);
    cs_value delimiters[] = {cs_string(CS_LIT(".")), cs_string(CS_LIT("/"))};
    fuzz_call_name("regex.is_valid", &pattern, 1);
    fuzz_call_name("regex.match", (cs_value[]){pattern, text}, 2);
    fuzz_call_name("regex.split", (cs_value[]){pattern, text}, 2);
    fuzz_call_name("regex.find_n", (cs_value[]){pattern, text, all}, 3);
    fuzz_call_name("regex.find_all_string_submatch_n", (cs_value[]){pattern, text, all}, 3);
    fuzz_call_name("regex.replace", (cs_value[]){text, pattern, other}, 3);
    fuzz_call_name("regex.template_match", (cs_value[]){pattern, text, cs_string(CS_LIT("{")), cs_string(CS_LIT("}"))},
                   4);
    fuzz_call_name("regex.globs_match", (cs_value[]){pattern, text}, 2);
    fuzz_call_name("glob.match", (cs_value[]){pattern, cs_array(delimiters, 2), text}, 3);
    fuzz_call_name("glob.match", (cs_value[]){pattern, cs_null(), text}, 3);
    return 0;
}
