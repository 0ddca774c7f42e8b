/* Leaf loops of masking: in C for `restrict`, without which each row pays for a check whether its
 * arrays overlap.
 */
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER)
#define restrict __restrict
#endif

/* out = mask ? present : absent, byte by byte; mask bytes are 0 or 255. A word of 8 bytes at a
 * time: rows of tables are short, and numbers of 8 bytes the rule. */
static inline void blend(
    const uint8_t *restrict mask, const uint8_t *restrict present, const uint8_t *restrict absent,
    int64_t n_bytes, uint8_t *restrict out)
{
    int64_t at = 0;
    for (; at + 8 <= n_bytes; at += 8) {
        uint64_t m, x, z;
        memcpy(&m, mask + at, 8);
        memcpy(&x, present + at, 8);
        memcpy(&z, absent + at, 8);
        x = z ^ ((x ^ z) & m);
        memcpy(out + at, &x, 8);
    }
    for (; at < n_bytes; at++)
        out[at] = (uint8_t)(absent[at] ^ ((present[at] ^ absent[at]) & mask[at]));
}

/* sums[k] += weight[d] * outputs[d, k], in the order of d: the same bits however the donors are
 * cut into calls. */
static inline void add_weighted(
    const double *restrict outputs, const double *restrict weight, int64_t n_donors,
    int64_t n_outputs, double *restrict sums)
{
    int64_t d, k;
    if (n_outputs == 1) {
        double sum = sums[0];
        for (d = 0; d < n_donors; d++)
            sum += weight[d] * outputs[d];
        sums[0] = sum;
        return;
    }
    for (d = 0; d < n_donors; d++)
        for (k = 0; k < n_outputs; k++)
            sums[k] += weight[d] * outputs[d * n_outputs + k];
}
