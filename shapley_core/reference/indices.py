"""The indices as they are defined, in fractions, for games of a few players.

A game is a list of 2^n worths (Fraction or int), player i in a coalition if bit i of its position
is set; an interaction is a tuple of players. Nothing here is shared with the engine or with its
tables of weights: this is what they are held to.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, permutations
from math import comb, factorial

Worths = Sequence[Fraction | int]
Interaction = tuple[int, ...]
ZERO = Fraction(0)


def n_players(v: Worths) -> int:
    """Number of players of a game."""
    return len(v).bit_length() - 1


def position(players: Sequence[int]) -> int:
    """Position of a coalition in the list of worths."""
    return sum(1 << player for player in players)


def subsets(players: Sequence[int]) -> Iterator[Interaction]:
    """All subsets of some players."""
    for size in range(len(players) + 1):
        yield from combinations(players, size)


def outside(v: Worths, S: Interaction) -> list[int]:
    """The players that are not in S."""
    return [player for player in range(n_players(v)) if player not in S]


def derivative(v: Worths, S: Interaction, T: Interaction) -> Fraction:
    """Δ_S(T) = Σ_{L ⊆ S} (-1)^(s - l) v(T ∪ L)."""
    return sum(((-1) ** (len(S) - len(L)) * Fraction(v[position(T + L)]) for L in subsets(S)), ZERO)


def derivative_sum(v: Worths, S: Interaction, weight: Callable[[int], Fraction | int]) -> Fraction:
    """Σ_{T ⊆ N∖S} weight(t) Δ_S(T)."""
    return sum((weight(len(T)) * derivative(v, S, T) for T in subsets(outside(v, S))), ZERO)


def joining_sum(v: Worths, S: Interaction, weight: Callable[[int], Fraction | int]) -> Fraction:
    """Σ_{T ⊆ N∖S} weight(t) (v(T ∪ S) - v(T))."""
    return sum(
        (
            weight(len(T)) * (Fraction(v[position(T + S)]) - v[position(T)])
            for T in subsets(outside(v, S))
        ),
        ZERO,
    )


def shapley_value(v: Worths, S: Interaction, k: int = 1) -> Fraction:
    """Shapley (1953): the mean marginal contribution over all orders of arrival."""
    (player,) = S
    n = n_players(v)
    total = ZERO
    for order in permutations(range(n)):
        before = order[: order.index(player)]
        total += Fraction(v[position((*before, player))]) - v[position(before)]
    return total / factorial(n)


def banzhaf_value(v: Worths, S: Interaction, k: int = 1) -> Fraction:
    """The mean marginal contribution over all coalitions of the others."""
    return joining_sum(v, S, lambda t: Fraction(1, 2 ** (n_players(v) - 1)))


def shapley_interaction(v: Worths, S: Interaction, k: int = 0) -> Fraction:
    """Grabisch and Roubens (1999): Σ_T t! (n-t-s)! / (n-s+1)! Δ_S(T)."""
    n, s = n_players(v), len(S)
    return derivative_sum(
        v, S, lambda t: Fraction(factorial(t) * factorial(n - t - s), factorial(n - s + 1))
    )


def banzhaf_interaction(v: Worths, S: Interaction, k: int = 0) -> Fraction:
    """Grabisch and Roubens (1999): 2^-(n-s) Σ_T Δ_S(T)."""
    return derivative_sum(v, S, lambda t: Fraction(1, 2 ** (n_players(v) - len(S))))


def weighted_banzhaf_interaction(v: Worths, S: Interaction, p: Fraction) -> Fraction:
    """Marichal and Mathonet (2011): Σ_T p^t (1-p)^(n-s-t) Δ_S(T)."""
    rest = n_players(v) - len(S)
    return derivative_sum(v, S, lambda t: p**t * (1 - p) ** (rest - t))


def chaining_interaction(v: Worths, S: Interaction, k: int = 0) -> Fraction:
    """Marichal and Roubens (1999): Σ_T s (n-s-t)! (s+t-1)! / n! Δ_S(T)."""
    n, s = n_players(v), len(S)
    return derivative_sum(
        v, S, lambda t: Fraction(s * factorial(n - s - t) * factorial(s + t - 1), factorial(n))
    )


def bernoulli(m: int) -> Fraction:
    """Bernoulli number with B_1 = -1/2, by Σ_{j <= m} C(m+1, j) B_j = 0."""
    numbers = [Fraction(1)]
    for j in range(1, m + 1):
        numbers.append(-sum((comb(j + 1, i) * numbers[i] for i in range(j)), ZERO) / (j + 1))
    return numbers[m]


def n_shapley(v: Worths, S: Interaction, k: int) -> Fraction:
    """Bordt and von Luxburg (2023), Definition 7: corrected order by order, up to order k."""
    value = shapley_interaction(v, S)
    for order in range(len(S) + 1, k + 1):
        above = combinations(outside(v, S), order - len(S))
        value += bernoulli(order - len(S)) * sum(
            (shapley_interaction(v, S + K) for K in above), ZERO
        )
    return value


def shapley_taylor(v: Worths, S: Interaction, k: int) -> Fraction:
    """Sundararajan et al. (2020): Δ_S(∅) below order k, else k/n Σ_T Δ_S(T) / C(n-1, t)."""
    if len(S) < k:
        return derivative(v, S, ())
    n = n_players(v)
    return derivative_sum(v, S, lambda t: Fraction(k, n * comb(n - 1, t)))


def solve(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    """Solve a regular linear system by elimination."""
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    size = len(rows)
    for column in range(size):
        pivot = next(row for row in range(column, size) if rows[row][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column][column]
        rows[column] = [x / head for x in rows[column]]
        for row in range(size):
            factor = rows[row][column]
            if row != column and factor:
                rows[row] = [x - factor * y for x, y in zip(rows[row], rows[column], strict=True)]
    return [row[-1] for row in rows]


def faithful(
    v: Worths, k: int, weight: Callable[[int], Fraction], ends_fixed: bool
) -> dict[Interaction, Fraction]:
    """The weighted least squares fit of v by Σ_{S ⊆ T, |S| <= k} I(S).

    With ``ends_fixed`` the fit meets v exactly on ∅ and N (by Lagrange multipliers), and the
    weight is asked for the sizes between only.
    """
    n = n_players(v)
    terms = [S for S in subsets(range(n)) if len(S) <= k]
    ends: list[Interaction] = [(), tuple(range(n))]
    fitted = [T for T in subsets(range(n)) if not (ends_fixed and T in ends)]
    held = ends if ends_fixed else []
    size = len(terms) + len(held)
    matrix = [[ZERO] * size for _ in range(size)]
    right = [ZERO] * size
    for T in fitted:
        w = weight(len(T))
        inside = [at for at, S in enumerate(terms) if set(S) <= set(T)]
        for a in inside:
            right[a] += w * v[position(T)]
            for b in inside:
                matrix[a][b] += w
    for extra, T in enumerate(held, start=len(terms)):
        right[extra] = Fraction(v[position(T)])
        for at, S in enumerate(terms):
            if set(S) <= set(T):
                matrix[at][extra] = matrix[extra][at] = Fraction(1)
    return dict(zip(terms, solve(matrix, right), strict=False))


@lru_cache(maxsize=64)
def faith_shapley_fit(v: tuple[Fraction | int, ...], k: int) -> dict[Interaction, Fraction]:
    """Tsai et al. (2023): the fit with the Shapley kernel, exact on ∅ and N."""
    n = n_players(v)
    return faithful(v, k, lambda t: Fraction(n - 1, comb(n, t) * t * (n - t)), ends_fixed=True)


def faith_shapley(v: Worths, S: Interaction, k: int) -> Fraction:
    """One value of ``faith_shapley_fit``."""
    return faith_shapley_fit(tuple(v), k)[S]


@lru_cache(maxsize=64)
def faith_banzhaf_fit(v: tuple[Fraction | int, ...], k: int) -> dict[Interaction, Fraction]:
    """Tsai et al. (2023): the fit with equal weights, and an intercept at ()."""
    return faithful(v, k, lambda t: Fraction(1), ends_fixed=False)


def faith_banzhaf(v: Worths, S: Interaction, k: int) -> Fraction:
    """One value of ``faith_banzhaf_fit``; the intercept at S = ()."""
    return faith_banzhaf_fit(tuple(v), k)[S]


def k_additive(v: Worths, S: Interaction, k: int) -> Fraction:
    """Pelegrina et al. (2023): SII of the k-additive game fitted with the Shapley kernel."""
    fit = faith_shapley_fit(tuple(v), k)
    game = [
        sum((value for U, value in fit.items() if position(U) & at == position(U)), ZERO)
        for at in range(len(v))
    ]
    return shapley_interaction(game, S)


def moebius(v: Worths, S: Interaction, k: int = 0) -> Fraction:
    """Harsanyi (1963) dividends: Σ_{L ⊆ S} (-1)^(s - l) v(L)."""
    return derivative(v, S, ())


def co_moebius(v: Worths, S: Interaction, k: int = 0) -> Fraction:
    """Grabisch et al. (2000): Σ_{L ⊆ S} (-1)^l v(N∖L)."""
    everyone = len(v) - 1
    return sum(((-1) ** len(L) * Fraction(v[everyone - position(L)]) for L in subsets(S)), ZERO)


def fourier(v: Worths, S: Interaction, k: int = 0) -> Fraction:
    """2^-n Σ_T (-1)^|S ∩ T| v(T)."""
    here = position(S)
    odd = sum((Fraction(worth) for at, worth in enumerate(v) if (at & here).bit_count() % 2), ZERO)
    return (sum((Fraction(worth) for worth in v), ZERO) - 2 * odd) / len(v)


def shapley_generalised(v: Worths, S: Interaction, k: int = 0) -> Fraction:
    """Marichal et al. (2007): Σ_T t! (n-t-s)! / (n-s+1)! (v(T ∪ S) - v(T))."""
    n, s = n_players(v), len(S)
    return joining_sum(
        v, S, lambda t: Fraction(factorial(t) * factorial(n - t - s), factorial(n - s + 1))
    )


def banzhaf_generalised(v: Worths, S: Interaction, k: int = 0) -> Fraction:
    """Marichal et al. (2007): 2^-(n-s) Σ_T (v(T ∪ S) - v(T))."""
    return joining_sum(v, S, lambda t: Fraction(1, 2 ** (n_players(v) - len(S))))


def chaining_generalised(v: Worths, S: Interaction, k: int = 0) -> Fraction:
    """Marichal et al. (2007): Σ_T s / ((s+t) C(n, s+t)) (v(T ∪ S) - v(T))."""
    n, s = n_players(v), len(S)
    return joining_sum(v, S, lambda t: Fraction(s, (s + t) * comb(n, s + t)))


def joint_shapley(v: Worths, S: Interaction, k: int) -> Fraction:
    """Harris et al. (2022), by arrival: a uniformly random block of 1 to k of the rest comes next.

    Sums the gain of S over all states in which it may arrive, times the chance that it does.
    """
    n = n_players(v)
    chance = [ZERO] * len(v)
    chance[0] = Fraction(1)
    value = ZERO
    here = position(S)
    for state in range(len(v) - 1):
        rest = [player for player in range(n) if not state >> player & 1]
        blocks = [position(B) for size in range(1, k + 1) for B in combinations(rest, size)]
        for block in blocks:
            each = chance[state] / len(blocks)
            chance[state | block] += each
            if block == here:
                value += each * (Fraction(v[state | block]) - v[state])
    return value


def beta_shapley(v: Worths, S: Interaction, alpha: int, beta: int) -> Fraction:
    """Kwon and Zou (2022): Σ_T B(t + beta, n - 1 - t + alpha) / B(alpha, beta) Δ_i(T).

    Whole alpha and beta only.
    """

    def beta_function(a: int, b: int) -> Fraction:
        return Fraction(factorial(a - 1) * factorial(b - 1), factorial(a + b - 1))

    n = n_players(v)
    return joining_sum(
        v,
        S,
        lambda t: beta_function(t + beta, n - 1 - t + alpha) / beta_function(alpha, beta),
    )


INDICES: dict[str, Callable[[Worths, Interaction, int], Fraction]] = {
    "SV": shapley_value,
    "BV": banzhaf_value,
    "SII": shapley_interaction,
    "BII": banzhaf_interaction,
    "CHII": chaining_interaction,
    "k-SII": n_shapley,
    "STII": shapley_taylor,
    "FSII": faith_shapley,
    "FBII": faith_banzhaf,
    "kADD-SHAP": k_additive,
    "Moebius": moebius,
    "Co-Moebius": co_moebius,
    "Fourier": fourier,
    "SGV": shapley_generalised,
    "BGV": banzhaf_generalised,
    "CHGV": chaining_generalised,
    "JointSV": joint_shapley,
}
