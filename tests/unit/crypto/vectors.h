/* Keys and tokens made for these tests by another implementation (Python cryptography), and those of the RFCs. */
#ifndef CS_TEST_CRYPTO_VECTORS_H
#define CS_TEST_CRYPTO_VECTORS_H

static const char rsa_jwk[] =
    "{\"kty\":\"RSA\",\"kid\":\"rsa\",\"n\":\"s__8ei0epDN6mc0iyLqYyTKkMLDmSsEC4oUBv8bNQjxmQyKOXu-yg9Yo2civ9hMqo4"
    "CCbAp8rwfK9jZAPiPmBilhAMh_xgIoXC2paff4zdiQ_cktPOx7VAegSBBj1QF6aY1s1C6eElLASf9LA-t-GFZiSHNhldD5YQ"
    "rnBHFXvMEieAOl49VvnItmgRTnG8vC5fmzzm9N4-4vdj6VYzroGmuFDh8Rx7MQbvyVIV1EfRkV_vkrvssjkwAbuYuKHv0FDN"
    "Zid34dtnaSBGLgYUTaFcd9n-JqeIEfLuu5lP3o7wgoq7GbMhXfzoGJN51jQhdDJK4cSOGPR7Ry92blutcxaQ\",\"e\":\"AQAB\""
    ",\"d\":\"DPgxRtPcsPfhGfcjDhvM0bVviW8bntAGr0_mWv098at0slppb_t9LTzne163mAdUQ4zpSNPeHUX2WLR6v0d6pd_CJK"
    "pts3SZGCA1pGQoxhs4QkMGOo0vCzRT9xFQQistuPCG4oh73QXfo01M6ErF7oa95OrEYaU5rMV6dRJeICRam5fSM7SfK-KqDR"
    "ANEMKpw0pgWVzEZk2rEUeO-DokDj2YbTH8LpmtwyeEejxGcbwSJMvMRwVWSI3FOOISJFtHkLNjxWUhppfp0YMREaa-eskjO3"
    "dGab-B1w27eyiD2ELa6KYoatRt262N-RMCa-cHxRSE2dffB8lPZDFF6OCWYQ\",\"p\":\"-N9BDwupSRlH4RItu8ZLbEeE7L52S"
    "R8DOJ1S-diJMOOqhLArWFPFTgU3BmPw98XntnZQ2oT78yfo1OljAOOj9koG5XZNFjvPEFGGFPjpcjzODMZh1QehGgrBozT1G"
    "nonHg4_tDxxfSKR9R3fSDgRVy5fLsGKpJuRIl8yDUZGdgk\",\"q\":\"uSfB2SAAIuFODjasBB1KXkB_aMev5fqvwdmt5J5qOH2"
    "tLzDwl_AY65qKlk8q3lgroF23nyV1sbxKyMKFfwl2dXYppxJsRk5yb9-bnph85vD2yI29SBkkg2ZXQia0WXM_pbRMf5wxQs8"
    "Y_unMjbe8xAIOjcTi3ghC1HlZsq5euGE\",\"dp\":\"qDAohYR5-T6uhvqEEbxmyFxlBqGIys28nYwkwViHDpUtbdKo2F50ns-D"
    "ajwsYyZJ-9NlvOfWZXN5NDotgDJXYmCQ3I3gdsAgpYSSuqWlDmDtV1DSWOd5BmJyjluBsU0QFo3Gm4WlpM2yGhcACIxrm6Fp"
    "De4aRjgkEziGWNY_VBE\",\"dq\":\"SgmJzCatp0Tsj2ZxNlv4BuRHjkB7J70sVpmSnV5zHw-yFrK9IiRR8rQjQqN5gttC5qdS6"
    "4JxI5clWE3gT8Ia6jFLypDlVt-7htylP6--EiK8q8lxrMjQ_vIHZl5Ps40QIFSOWmC8mfhyCEy5DNox0zb3Vt0p0pr_DjNQG"
    "ND880E\",\"qi\":\"SZgJzKqDZAin9GFC3XwNpCovt9gxdFaEhBKF4BumIcPUwEFrrTqSyzNi0VHyqrESTNHe6Y_XY3N4t3kTts"
    "heTuA6nI3D_CFCBeZezCluSa9csJqSR23IdHYpOLNE08wU7eGP4R2V_tTsfkFj9JX1jjgk1_-1sWKulluKZagyXFs\"}";
static const char rsa_pem[] =
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAs//8ei0epDN6mc0iyLqY\nyTKk"
    "MLDmSsEC4oUBv8bNQjxmQyKOXu+yg9Yo2civ9hMqo4CCbAp8rwfK9jZAPiPm\nBilhAMh/xgIoXC2paff4zdiQ/cktPOx7VAe"
    "gSBBj1QF6aY1s1C6eElLASf9LA+t+\nGFZiSHNhldD5YQrnBHFXvMEieAOl49VvnItmgRTnG8vC5fmzzm9N4+4vdj6VYzro\nG"
    "muFDh8Rx7MQbvyVIV1EfRkV/vkrvssjkwAbuYuKHv0FDNZid34dtnaSBGLgYUTa\nFcd9n+JqeIEfLuu5lP3o7wgoq7GbMhXf"
    "zoGJN51jQhdDJK4cSOGPR7Ry92blutcx\naQIDAQAB\n-----END PUBLIC KEY-----\n";
static const char rs512_token[] =
    "eyJhbGciOiAiUlM1MTIifQ.eyJzdWIiOiJhbm4ifQ.FmX0oD7ke_jnvbwZCLIb8UDC2a94hix_Uzv4TsEgrb2bvrJxJkwe4q"
    "WPoLozPjk_YoM21js4r87w_8ZKIdCdp2M1FwyW1YrN87_rWeb3cNFKRwT8Ym0uVpCMjmZgHLdYyNiQ24JQbcRQ9f8jyHOc5h"
    "r1aZZkAnFeIe3UBujr2xJfm_MBgYap1pYvfPHXsZjXWsYW-9I8G7B4-k56an8yLPlVTviWbMozOA-RmjgUwUahWHvSnDatKK"
    "XnsGDDjFedJXEaSj_hjbsmqlY3zo-hBOHnFXz5FM7vwQbYUdcV1redxDGzl52MkBbaLKRBMfw0Ixg4KL60RCOH5JxDqvTblQ";
static const char ps256_token[] =
    "eyJhbGciOiAiUFMyNTYifQ.eyJzdWIiOiJhbm4ifQ.M76CTOSG7H1bUckwMbpZfo6eHV-38qcVNRVVdUTl7f_bupxQ5u77G7"
    "zKauKaYMatoZ9ToBODeh-pqbNtWNDsbGmNlT3ZiAbgYq5FJEYBui15XyKRlXW2vnhYJTojKw4DrIfD7lQ756wBP2IXVjJPjA"
    "ZSCgRT-mbUixqvHaraCjndjoalj0XYlO1GUgA5upGqQ6TqpG2DOR38WC5YkLhwA-ooc7VPU4t20eicwBXwlBhATh9PtuL8xK"
    "wwyfuBOXccZ-yqj1YsaceyYO1cfudNJ3KzM1sVxW3r39P0XUdrKzg1lIVmf8QpzioL3_PbToXK3h7ewmD-rncNzRNo0jpPVA";
static const char es384_jwk[] =
    "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"8PCnbBOpNgZdsxBg2YZ_joGRr7VQzZ52JWrk5A12HCpaoH9S4UJalJXip5yP-92V\""
    ",\"y\":\"ybMrwRHcEubJVClIxzsATgLP_lRiz68ckaCWEZq0rlZAi0PnChVtGZ5Kl9IDj-f3\",\"d\":\"NLe3i1w_0C84ojHHVdA"
    "SMgrT7wywUttZOzm47rLuSNHn0Z2JOPg7Ww_hRml70ZoL\"}";
static const char es384_token[] =
    "eyJhbGciOiAiRVMzODQifQ.eyJzdWIiOiJhbm4ifQ._fsGXo9yNarHhjmWDaIBoc_q4-Qw7jOxyRpzbb0NRmQr3K0QGkAhlw"
    "YvjAsapUxJJV1swI8OGJrhytnToDpgjhEBGfcEfzHTBwd2ZZl_nhmaSlIZmx5KxLuYvkfPuc86";
static const char es512_jwk[] =
    "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AXwSjspsJQ-budn51geySBCI2ND1IFYCjZs1XFnPJloPB2LFuCHImhoMM987mMD-2"
    "LsEifKghVPbGoflhgohTegj\",\"y\":\"ARaUfpPs7H4vHFadDl44UNHPRhwRIT9qygLkU6sS48MezY926TyYswIzJKgNQBgCoV"
    "yLeF-AhOZ06vB2CWkKktR7\",\"d\":\"AIpiUWrmzH5P4IUTia9Bux5YCAklzttqXuQZAryyXrPLd1ywrde8gPgooJUIHQKLw_A"
    "XoncKwxwTcZ8UFrI752z-\"}";
static const char es512_token[] =
    "eyJhbGciOiAiRVM1MTIifQ.eyJzdWIiOiJhbm4ifQ.AS8uiY-1JU6HentyNC81-PFFQ0JXSglHDA9-w0fXNCx0ydtWwZGkNM"
    "WHXsKKMaNLaymhNXFOlqunB7xDcDvzCZ-DABUzXhmdg-QMLFooJ1Y4-mJ165n8IaooNNKyQSiXA7Xz663dLyMvM4qXriL4Yw"
    "2pdNcRp9rsqV9uwXO6XVm6otAO";
static const char certificate_pem[] =
    "-----BEGIN CERTIFICATE-----\nMIIBBTCBraADAgECAgEBMAoGCCqGSM49BAMCMAwxCjAIBgNVBAMMAXQwIBcNMjAw\nMTA"
    "xMDAwMDAwWhgPMjA1MDAxMDEwMDAwMDBaMAwxCjAIBgNVBAMMAXQwWTATBgcq\nhkjOPQIBBggqhkjOPQMBBwNCAATYvlGq9d"
    "Tnh5dpbjZd170M7dWqp7gP9u3fjA2U\nTZ12rTE28aqBlAV/dWdenXMb6TX4a8Ag8aS0tf6u7VSjBtOsMAoGCCqGSM49BAMC\n"
    "A0cAMEQCIBhySNh3M97ShEgaZenXZWLsmmpMhrNzvtGDv6T2iS/WAiBN9NE/T/RG\ntDukE3VVysapf8z/bnFyV81dwYj4/B7"
    "9XQ==\n-----END CERTIFICATE-----\n";
static const char certificate_key_pem[] =
    "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIG9rnZAHoeRM5ex4NXdk2lS9FHLU0YG5rLn/6NhqB8GRoAoGCCqGSM49\n"
    "AwEHoUQDQgAE2L5RqvXU54eXaW42Xde9DO3Vqqe4D/bt34wNlE2ddq0xNvGqgZQF\nf3VnXp1zG+k1+GvAIPGktLX+ru1Uowb"
    "TrA==\n-----END EC PRIVATE KEY-----\n";
static const char secp256k1_pem[] =
    "-----BEGIN PUBLIC KEY-----\nMFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAELmZa585fNSS7E9gM5YU1tAk2TOVXXvlg\n+XL3"
    "+xQRcpUNn5LgVjMs/6WfhAKmqCRptxGfbHXEVZ3IJ1J4q5ksNQ==\n-----END PUBLIC KEY-----\n";
static const char rsa512_pem[] =
    "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK7HeIX/GIR1b2n9l3b8RF5AArLvgpEE\nYOlV"
    "gHEOQ49zWn4CeTcDbahe2mEh0NVjs7dG5BVkVsD7mR+uFYi7L90CAwEAAQ==\n-----END PUBLIC KEY-----\n";

/* RFC 7515, appendix A.1 and A.3; RFC 8037, appendix A. */
static const char hs256_jwk[] =
    "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgU"
    "uTwjAzZr1Z9CAow\"}";
static const char hs256_token[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                                  "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9p"
                                  "c19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
static const char es256_jwk[] = "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
                                "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LN"
                                "pXW6pCyStikYjKIWI5a0\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}";
static const char es256_token[] =
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.Dt"
    "EhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
static const char eddsa_jwk[] =
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\",\"x\":"
    "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";
static const char eddsa_token[] =
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGc"
    "vMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

#endif
