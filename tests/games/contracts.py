"""What every analytic game is held to: a test class per game inherits ``GameContract``."""

import pickle
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shapley_core import indices
from shapley_core.errors import InputError, UnknownIndexError
from shapley_core.exact import exact
from shapley_core.game import Game
from shapley_core.indices import BetaShapley, IndexSpec, ProbabilisticValue, Semivalue
from shapley_core.reference import INDICES
from shapley_core.reference.indices import beta_shapley, weighted_banzhaf_interaction

# The inherited methods run in more than one class.
inherited = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.differing_executors]
)


def all_players(position):
    return {i for i in range(position.bit_length()) if position >> i & 1}


class GameContract:
    """Subclasses give ``small`` and ``large``."""

    @staticmethod
    def small():
        """A strategy of pairs: a game of 1 to 5 players, and its worth of a set in fractions."""
        raise NotImplementedError

    @staticmethod
    def large():
        """A game of a hundred players or more."""
        raise NotImplementedError

    def drawn(self, data):
        game, worth = data.draw(self.small())
        return game, [Fraction(worth(all_players(at))) for at in range(2**game.n_players)]

    @inherited
    @given(data=st.data())
    def test_worths_are_those_of_the_definition(self, data):
        game, worths = self.drawn(data)
        n = game.n_players
        coalitions = (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool)
        found = game(coalitions)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, [float(x) for x in worths], rtol=1e-14, atol=1e-14)
        np.testing.assert_array_equal(game(coalitions.astype(int)), found)
        assert game(coalitions[:0]).shape == (0,)

    @inherited
    @given(data=st.data())
    def test_every_index_is_exact(self, data):
        game, worths = self.drawn(data)
        n = game.n_players
        name = data.draw(st.sampled_from(indices.names()))
        top = min(n, indices.get(name).max_order or 3)
        order = data.draw(st.integers(1, top))
        found = game.exact_fractions(name, order)
        expected = {
            players: INDICES[name](worths, players, order)
            for size in range(1, order + 1)
            for players in combinations(range(n), size)
        }
        own_constant = indices.get(name).has_constant
        expected[()] = INDICES[name](worths, (), order) if own_constant else worths[0]
        assert found == expected

    @inherited
    @given(data=st.data())
    def test_parametrised_indices_are_exact(self, data):
        game, worths = self.drawn(data)
        n = game.n_players
        p = Fraction(data.draw(st.integers(0, 8)), 8)
        order = data.draw(st.integers(1, min(n, 2)))
        for players, value in game.exact_fractions(f"WBII({p})", order).items():
            if players:
                assert value == weighted_banzhaf_interaction(worths, players, p)
        alpha, beta = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
        values = game.exact_fractions(BetaShapley(alpha, beta))
        for i in range(n):
            assert values[i,] == beta_shapley(worths, (i,), alpha, beta)
        last = game.exact_fractions(Semivalue([0] * (n - 1) + [1]))
        for i in range(n):
            assert last[i,] == worths[-1] - worths[2**n - 1 - 2**i]

    @inherited
    @given(data=st.data())
    def test_values_agree_with_the_engine_for_tables(self, data):
        game, _ = self.drawn(data)
        n = game.n_players
        assert isinstance(game, Game)
        name, order = data.draw(st.sampled_from([("SV", 1), ("FSII", 2), ("JointSV", 2)]))
        order = min(order, n)
        values = game.exact(name, order)
        table = exact(game, name, order)
        np.testing.assert_allclose(values.values, table.values, rtol=1e-11, atol=1e-11)
        assert values.interactions == table.interactions
        assert (values.index, values.order, values.n_players) == (name, order, n)
        assert values.baseline == table.baseline
        assert values.is_exact
        fractions = game.exact_fractions(name, order)
        assert [float(fractions[one]) for one in values.interactions] == values.values.tolist()

    @inherited
    @given(data=st.data())
    def test_pickled_games_are_the_same(self, data):
        game, _ = self.drawn(data)
        again = pickle.loads(pickle.dumps(game))
        assert type(again) is type(game)
        assert again.player_names == game.player_names
        assert again.exact_fractions("SV") == game.exact_fractions("SV")
        assert repr(again) == repr(game)

    def test_many_players(self):
        game = self.large()
        n = game.n_players
        assert n >= 100
        everyone = game(np.array([[False] * n, [True] * n]))
        for name in ("SV", "STII", "JointSV"):
            total = sum(value for one, value in game.exact_fractions(name).items() if one)
            assert float(total) == pytest.approx(everyone[1] - everyone[0], rel=1e-14)
        values = game.exact("BV").values
        assert values.shape == (n,)
        assert np.isfinite(values).all()

    def test_what_is_no_coalition_or_index(self):
        game = self.large()
        with pytest.raises(InputError, match="bool matrix"):
            game(np.zeros(game.n_players, dtype=bool))
        with pytest.raises(UnknownIndexError, match="known are"):
            game.exact("Shaply")
        with pytest.raises(UnknownIndexError, match=r"shapley_core\.exact"):
            game.exact(ProbabilisticValue([[1.0, 0.0]]))
        with pytest.raises(UnknownIndexError, match="order"):
            game.exact("SII", 0)
        with pytest.raises(UnknownIndexError, match="order"):
            game.exact("SV", 2)
        with pytest.raises(InputError, match="smaller order"):
            game.exact("SII", 50)
        with pytest.raises(TypeError, match="order"):
            game.exact("SII", 2.0)
        clash = IndexSpec("SV", "derivative", "nowhere", frozenset(), moebius=lambda s, t, k: 1)
        with pytest.raises(InputError, match="built-in"):
            game.exact(clash)
