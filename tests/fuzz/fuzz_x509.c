/* Certificates, requests, keys: the first byte says which function gets the DER that follows. Chains are certificates
 * one behind the other, the root first. */
#include "calls.h"

#include "countersign/base/encode.h"

static cs_value pem_block(cs_arena *a, const char *type, cs_slice base64)
{
    size_t n;
    char *text = cs_arena_printf(a, &n, "-----BEGIN %s-----\n%.*s\n-----END %s-----\n", type, CS_FMT(base64), type);
    return cs_string(cs_slice_make(text, n));
}

/* The options of a verification out of one byte. */
static cs_value options(cs_arena *a, uint8_t bits)
{
    static const char *const names[] = {"example.com", "a.example.com", "127.0.0.1", "*.example.com"};
    cs_value *usage = cs_arena_new(a, cs_value);
    *usage = cs_string(bits & 4 ? CS_LIT("KeyUsageClientAuth") : CS_LIT("KeyUsageAny"));
    cs_value o = cs_object_new(a, 3);
    if (bits & 8) {
        cs_object_put_text(a, o, "DNSName", cs_string(cs_slice_of(names[bits & 3])));
    }
    if (bits & 16) {
        cs_object_put_text(a, o, "CurrentTime", cs_int(bits & 32 ? FUZZ_NOW_NS : INT64_C(1400000000000000000)));
    }
    cs_object_put_text(a, o, "KeyUsages", cs_array(usage, 1));
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"CERTIFICATE",     "CERTIFICATE REQUEST", "PRIVATE KEY",
                                        "RSA PRIVATE KEY", "EC PRIVATE KEY",      "PUBLIC KEY"};
    if (size < 2 || size > 1U << 15) {
        return 0;
    }
    cs_slice der = cs_slice_make((const char *)data + 2, size - 2);
    cs_arena arena;
    cs_arena_init(&arena, (size_t)1 << 26);
    cs_slice base64 = cs_base64_encode(&arena, der, CS_BASE64_STD);
    cs_value block = pem_block(&arena, types[data[0] % 6], base64);
    cs_value bare = cs_string(base64);
    cs_value verify[] = {bare, options(&arena, data[1])};
    cs_value token[] = {cs_string(CS_LIT("eyJhbGciOiJFUzI1NiJ9.e30.AAAA")), block};
    switch (data[0] >> 4 & 7) {
    case 0:
    case 1:
        fuzz_call_name("crypto.x509.parse_certificates", &bare, 1);
        break;
    case 2:
        fuzz_call_name("crypto.x509.parse_and_verify_certificates", &bare, 1);
        fuzz_call_name("crypto.x509.parse_and_verify_certificates_with_options", verify, 2);
        break;
    case 3:
        fuzz_call_name("crypto.x509.parse_certificate_request", &bare, 1);
        break;
    case 4:
        fuzz_call_name("crypto.parse_private_keys", &block, 1);
        break;
    case 5:
        fuzz_call_name("crypto.x509.parse_rsa_private_key", &block, 1);
        fuzz_call_name("crypto.parse_private_keys", &bare, 1);
        break;
    case 6:
        fuzz_call_name("io.jwt.verify_es256", token, 2);
        fuzz_call_name("io.jwt.verify_rs256", token, 2);
        break;
    default:
        fuzz_call_name("crypto.x509.parse_keypair", (cs_value[]){block, block}, 2);
        break;
    }
    cs_arena_destroy(&arena);
    return 0;
}
