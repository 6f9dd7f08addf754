"""The solver against the objective that it claims to minimise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from segue_ml import conjugate, ials
from segue_ml.errors import SegueError
from segue_ml.blend import fold_in
from segue_ml.conjugate import NearRows
from segue_ml.ials import Model, Ridge, Rows, Settings, contributions, default_settings, solve_rows, train
from segue_ml.pairs import Pairs

CPU = torch.device("cpu")


def matrix(listeners: int, artists: int, density: float, seed: int) -> Pairs:
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(rng.random((listeners, artists)) < density)
    return Pairs.build(rows, columns, rng.exponential(2.0, len(rows)), (listeners, artists))


def dense(pairs: Pairs, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Observed (0 or 1) and confidence as dense float64 matrices."""
    seen, trust = np.zeros((pairs.height, pairs.width)), np.zeros((pairs.height, pairs.width))
    seen[pairs.rows, pairs.columns] = 1
    trust[pairs.rows, pairs.columns] = 1 + strength * np.log1p(pairs.values.astype(np.float64))
    return seen, trust


def penalty(pairs: Pairs, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Ridge of each listener and of each artist, from the definition."""
    of_artists = np.bincount(pairs.columns, minlength=pairs.width)
    by_listener = (pairs.lengths + settings.a0 * pairs.width) ** settings.nu
    by_artist = (of_artists + settings.a0 * pairs.height) ** settings.nu
    average = np.sqrt(by_listener[pairs.lengths > 0].mean() * by_artist[of_artists > 0].mean())
    return settings.ridge / average * by_listener, settings.ridge / average * by_artist


def objective(pairs: Pairs, settings: Settings, listeners: np.ndarray, artists: np.ndarray) -> float:
    seen, trust = dense(pairs, settings.strength)
    scores = listeners @ artists.T
    by_listener, by_artist = penalty(pairs, settings)
    return float(
        (trust * (seen - scores) ** 2).sum()
        + settings.a0 * (scores**2).sum()
        + by_listener @ (listeners**2).sum(1)
        + by_artist @ (artists**2).sum(1)
    )


def reference_listeners(pairs: Pairs, settings: Settings, artists: np.ndarray) -> np.ndarray:
    """Each listener's normal equations, dense, in float64."""
    seen, trust = dense(pairs, settings.strength)
    by_listener, _ = penalty(pairs, settings)
    gram = settings.a0 * artists.T @ artists
    return np.stack(
        [
            np.linalg.solve(
                gram + (artists.T * trust[row]) @ artists + by_listener[row] * np.eye(artists.shape[1]),
                artists.T @ (trust[row] * seen[row]),
            )
            for row in range(pairs.height)
        ]
    )


@given(
    seed=st.integers(0, 1000),
    rank=st.integers(1, 24),
    density=st.sampled_from([0.02, 0.2, 0.7]),
    nu=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_listeners_solve_their_normal_equations(seed: int, rank: int, density: float, nu: float) -> None:
    pairs = matrix(30, 40, density, seed)
    if not pairs.count:
        return
    settings = Settings(rank=rank, sweeps=2, nu=nu, ridge=2.0, a0=0.2, strength=0.7, seed=seed)
    model = train(pairs, settings, CPU)
    found = fold_in(model, pairs, CPU).numpy()
    expected = reference_listeners(pairs, settings, model.artists.numpy().astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4)


def test_every_sweep_lowers_the_objective_and_ends_at_a_stationary_point() -> None:
    pairs = matrix(60, 50, 0.15, 3)
    settings = Settings(rank=8, sweeps=60, ridge=0.5, a0=0.1, nu=1.0, strength=0.5)
    values = []

    def watch(_sweep: int, model: Model, listeners: torch.Tensor) -> bool:
        values.append(objective(pairs, settings, listeners.double().numpy(), model.artists.double().numpy()))
        return False

    train(pairs, settings, CPU, watch)
    assert all(later <= earlier * (1 + 1e-5) for earlier, later in itertools.pairwise(values))
    assert values[-1] < 0.9 * values[0]
    assert values[-2] - values[-1] < 1e-3 * values[-1]


@given(seed=st.integers(0, 1000), long=st.integers(1, 12), rank=st.integers(1, 12))
def test_dual_form_gives_the_primal_solution(seed: int, long: int, rank: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    factors = torch.randn(3, long, rank, generator=generator)
    trust = 1 + torch.rand(3, long, generator=generator) * 4
    diagonal = 0.5 + torch.rand(3, rank, generator=generator)
    found = solve_rows(factors, trust, diagonal)
    wide = factors.double()
    normal = torch.diag_embed(diagonal.double()) + wide.mT @ (trust.double().unsqueeze(2) * wide)
    expected = torch.linalg.inv(normal) @ (wide.mT @ trust.double().unsqueeze(2))
    torch.testing.assert_close(found.double(), expected.squeeze(2), rtol=1e-3, atol=1e-4)


@given(seed=st.integers(0, 1000), long=st.integers(1, 12), rank=st.integers(1, 12))
def test_contributions_add_up_to_the_score(seed: int, long: int, rank: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    factors = torch.randn(2, long, rank, generator=generator)
    trust = 1 + torch.rand(2, long, generator=generator)
    diagonal = 0.5 + torch.rand(2, rank, generator=generator)
    targets = torch.randn(2, 5, rank, generator=generator)
    shares = contributions(factors, trust, diagonal, targets)
    assert shares.shape == (2, 5, long)
    scores = (targets @ solve_rows(factors, trust, diagonal).unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(shares.sum(2), scores, rtol=1e-3, atol=1e-4)
    # The definition: c_i s_a' M^-1 s_i with M the listener's normal matrix.
    normal = torch.diag_embed(diagonal) + factors.mT @ (trust.unsqueeze(2) * factors)
    expected = targets @ torch.linalg.inv(normal.double()).float() @ (factors * trust.unsqueeze(2)).mT
    torch.testing.assert_close(shares, expected, rtol=1e-2, atol=1e-3)


def test_padding_blocks_and_very_long_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = matrix(40, 60, 0.3, 5)
    settings = Settings(rank=6, sweeps=3)
    whole = train(pairs, settings, CPU)
    monkeypatch.setattr(ials, "CPU_BLOCK", 64)
    small = train(pairs, settings, CPU)
    # The axes' signs are arbitrary; what scores are made of is not.
    torch.testing.assert_close(small.artists @ small.artists.T, whole.artists @ whole.artists.T, rtol=1e-3, atol=1e-4)
    monkeypatch.setattr(ials, "LONGEST_ROW", 7)
    rows = Rows(pairs, ials.confidence(pairs.values, settings.strength), settings.rank, CPU)
    assert len(rows.long) > 30
    torch.testing.assert_close(whole.listeners(rows), fold_in(whole, pairs, CPU), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("order", [100, 160, 256, 400])
def test_large_systems_in_a_batch_are_solved_right(order: int) -> None:
    # PyTorch's batched LU on a CPU is wrong above order 150 with several threads.
    generator = torch.Generator().manual_seed(order)
    factors = torch.randn(8, order, order, generator=generator) / order**0.5
    trust, diagonal = torch.full((8, order), 2.0), torch.full((8, order), 0.5)
    found = solve_rows(factors, trust, diagonal)
    normal = torch.diag_embed(diagonal) + 2 * factors.mT @ factors
    torch.testing.assert_close((normal @ found.unsqueeze(2)).squeeze(2), 2 * factors.sum(1), rtol=1e-3, atol=1e-3)


def test_same_seed_same_model_and_another_seed_another() -> None:
    pairs = matrix(80, 60, 0.1, 9)
    first, again, other = (train(pairs, Settings(rank=8, sweeps=3, seed=seed), CPU) for seed in (4, 4, 5))
    assert torch.equal(first.artists, again.artists)
    assert not torch.equal(first.artists, other.artists)


def test_far_more_dimensions_than_the_data_have_are_turned_all_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    factors = torch.randn(5, 64, generator=generator)
    factors[:, 5:] *= 1e-20  # whose squares LAPACK cannot turn in single precision
    turned, spectrum = ials.principal_axes(factors)
    assert torch.allclose(turned @ turned.T, factors @ factors.T, atol=1e-4)
    assert torch.allclose(turned.T @ turned, spectrum.diag(), atol=1e-4)


def test_folding_in_needs_only_the_model_and_the_history() -> None:
    pairs = matrix(50, 40, 0.2, 11)
    model = train(pairs, Settings(rank=8, sweeps=8), CPU)
    one = pairs.where(pairs.rows == 17)
    alone = fold_in(model, Pairs(np.array([0, one.count]), one.columns, one.values, one.width), CPU)
    torch.testing.assert_close(alone[0], fold_in(model, pairs, CPU)[17], rtol=1e-3, atol=1e-5)


def test_listeners_and_artists_without_interactions_have_the_zero_vector() -> None:
    pairs = Pairs.build(np.array([0, 0, 2]), np.array([1, 2, 2]), np.ones(3), (4, 5))
    model = train(pairs, Settings(rank=2, sweeps=2, ridge=0.1), CPU)
    assert not model.artists[[0, 3, 4]].any()
    assert model.artists[[1, 2]].any()
    assert not fold_in(model, pairs, CPU)[[1, 3]].any()


def test_ridge_is_the_geometric_mean_of_the_two_sides() -> None:
    pairs = matrix(50, 40, 0.2, 2)
    ridge = Ridge.of(Settings(ridge=3.0, nu=0.7), pairs)
    sides = [
        float(ridge(torch.from_numpy(side.lengths[side.lengths > 0]).float(), side.width).mean())
        for side in (pairs, pairs.transpose())
    ]
    assert sides[0] * sides[1] == pytest.approx(9.0, rel=1e-4)


@pytest.mark.parametrize("name, value", [("rank", 0), ("a0", 0.0), ("ridge", float("nan")), ("sweeps", 0), ("nu", -1)])
def test_settings_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(SegueError, match=f"{name}: "):
        Settings().changed(**{name: value}).check()


def test_nothing_to_train_on_is_said() -> None:
    empty = Pairs.build(np.zeros(0, int), np.zeros(0, int), np.zeros(0), (3, 3))
    with pytest.raises(SegueError, match="nothing to train on"):
        train(empty, Settings(rank=2), CPU)


def test_default_settings_grow_with_the_data_and_fit_it() -> None:
    def diagonal(artists: int, listeners: int) -> Pairs:
        at = np.arange(max(artists, listeners))
        return Pairs.build(at % listeners, at % artists, np.ones(len(at)), (listeners, artists))

    sizes = (200, 3_000), (1_500, 3_000), (20_000, 3_000), (200_000, 3_000), (20_000, 30_000), (200_000, 90_000)
    assert [default_settings(diagonal(*size)).rank for size in sizes] == [32, 64, 288, 896, 544, 1024]
    assert default_settings(matrix(5, 400, 0.9, 1)).rank == 5
    sparse, full = (default_settings(matrix(300, 200, density, 1)).ridge for density in (0.05, 0.8))
    assert full == pytest.approx(4 * sparse, rel=0.05)  # sixteen times the interactions: the square root of that


@given(seed=st.integers(0, 1000), rank=st.integers(1, 24), ridge=st.sampled_from([0.05, 1.0, 20.0]))
def test_sweeps_solve_rows_nearly_and_each_by_itself(seed: int, rank: int, ridge: float) -> None:
    pairs = matrix(40, 30, 0.3, seed)
    if not pairs.count:
        return
    settings = Settings(rank=rank, ridge=ridge, a0=0.1, strength=0.7)
    factors = torch.randn(30, rank, generator=torch.Generator().manual_seed(seed))
    side = Model(*ials.principal_axes(factors), Ridge.of(settings, pairs), settings, 30)
    trust = ials.confidence(pairs.values, settings.strength)
    exact = Rows(pairs, trust, rank, CPU).solve(side.artists, side)
    near = NearRows(pairs, trust, rank)
    found = near.solve(side.artists, side)
    assert float((found - exact).norm()) <= 0.03 * float(exact.norm())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conjugate, "FLOATS", 3 * rank)
        patch.setattr(conjugate, "PAIRS", 25)
        cut = NearRows(pairs, trust, rank)
    assert len(cut.blocks) > len(near.blocks)
    # No block changes a row, but for rounding at the limit: several processes cut otherwise.
    again = cut.solve(side.artists, side)
    assert float((again - found).norm()) <= 0.002 * float(found.norm())
    means = torch.randn(40, rank, generator=torch.Generator().manual_seed(seed + 1))
    drawn = Rows(pairs, trust, rank, CPU).solve(side.artists, side, means)
    assert float((near.solve(side.artists, side, means) - drawn).norm()) <= 0.03 * float((drawn - exact).norm() + exact.norm())


def test_what_cannot_be_solved_ends_all_the_same() -> None:
    pairs = matrix(8, 6, 0.5, 1)
    side = Model(torch.full((6, 3), torch.nan), torch.ones(3), Ridge(1.0, 0.1, 1.0), Settings(rank=3), 6)
    assert torch.isnan(NearRows(pairs, np.ones(pairs.count, np.float32), 3).solve(side.artists, side)).any()
    nothing = Model(torch.zeros(6, 3), torch.zeros(3), Ridge(1.0, 0.1, 1.0), Settings(rank=3), 6)
    assert not NearRows(pairs, np.ones(pairs.count, np.float32), 3).solve(nothing.artists, nothing).any()
