#pragma once
/* The small languages inside values: durations, sizes, CPU shares. Pure; -1 when the text is not
 * one or is over the maximum, *out untouched then. */
#include <stdint.h>

#include "runtime/base/auto.h"

/* "1h5m30s20ms", "500us", "1.5s", "0"; h, m, s, ms, us; rounded up to a millisecond. */
must_check int units_duration_ms(const char *s, uint64_t max_ms, uint64_t *out);
/* The same with d (24 h), w and y (365 d) too, in whole seconds: lifetimes of cached files. */
must_check int units_lifetime_s(const char *s, uint64_t max_s, uint64_t *out);
/* "64m", "1.5gb", "1024": b, k, kb, m, mb, g, gb (and kib, …) in any case, powers of 1024. */
must_check int units_size(const char *s, uint64_t *out);
/* "1.5" is 1500 thousandths of a CPU; at most three decimals. */
must_check int units_cpu_millis(const char *s, uint64_t *out);
