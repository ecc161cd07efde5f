/* Integers of any size: the one header of src/value that shows GMP, for number*.c only. */
#ifndef CS_VALUE_NUMBER_BIG_H
#define CS_VALUE_NUMBER_BIG_H

#include <gmp.h>

#include "internal.h"

/* Initialises z with the integer part of a number (towards zero). The caller clears it. */
void cs_number__to_big(mpz_t z, cs_value number);
/* The number that z is; copies. */
cs_value cs_number__from_big(cs_arena *a, const mpz_t z);
/* Initialises z with an integer float. */
void cs_number__float_to_big(mpz_t z, cs_float x);
/* May a result have so many bits? */
bool cs_number__bits_fit(size_t bits);

#endif
