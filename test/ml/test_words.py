"""Artists' words as a prior of their factors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from segue_ml import ials
from segue_ml.__main__ import main
from segue_ml.errors import SegueError
from segue_ml.evaluate import random_holdout
from segue_ml.ials import Model, Ridge, Rows, Settings, train
from segue_ml.metrics import rank_all
from segue_ml.pairs import Pairs
from segue_ml.tune import choose
from segue_ml.words import Prior, Words, WordTable, read_words, words_of

CPU = torch.device("cpu")
GROUPS, ARTISTS, LISTENERS = 6, 300, 240


def sparse_world(seed: int = 0) -> tuple[Pairs, list[str]]:
    """Listeners of taste groups with few plays among many artists, whose words name the group."""
    rng = np.random.default_rng(seed)
    of_artist, of_listener = rng.integers(GROUPS, size=ARTISTS), rng.integers(GROUPS, size=LISTENERS)
    chance = np.where(of_listener[:, None] == of_artist, 0.12, 0.01)
    rows, columns = np.nonzero(rng.random((LISTENERS, ARTISTS)) < chance)
    pairs = Pairs.build(rows, columns, np.ones(len(rows)), (LISTENERS, ARTISTS))
    return pairs, [f"group {group}:3|common|{'odd' if number % 2 else 'even'}" for number, group in enumerate(of_artist)]


def test_words_with_and_without_counts() -> None:
    assert words_of("rock:1|post-rock|a:b|") == {"rock": 1.0, "post-rock": 1.0, "a:b": 1.0}
    assert words_of("rock:8")["rock"] == pytest.approx(1 + np.log(8))
    assert words_of("") == {}


def test_a_word_of_one_artist_is_dropped_and_one_of_two_features_is_two() -> None:
    table = WordTable.of([["rock|own", "rock:3", ""], ["rock", "", "rock"]])
    assert table.owners.tolist() == [2, 2]
    assert list(zip(table.rows.tolist(), table.columns.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 0), (2, 1)]
    assert table.weights == pytest.approx([1, 1, 1 + np.log(3), 1])


def test_words_that_say_nothing_are_none() -> None:
    assert Words.of([], CPU) is None
    assert Words.of([["", ""]], CPU) is None
    assert Words.of([["all", "all"]], CPU) is None  # what everybody has tells nobody apart


@given(seed=st.integers(0, 500), strength=st.sampled_from([0.5, 3.0, 30.0]))
def test_means_are_the_ridge_regression_on_the_words(seed: int, strength: float) -> None:
    rng = np.random.default_rng(seed)
    texts = ["|".join(f"w{word}" for word in np.flatnonzero(rng.random(9) < 0.3)) for _ in range(40)]
    words = Words.of([texts], CPU)
    if words is None:
        return
    table, factors = words.of_artists.to_dense().double(), torch.from_numpy(rng.normal(size=(40, 5)))
    lengths = table.norm(dim=1)
    assert torch.allclose(lengths[lengths > 0], torch.ones(1, dtype=torch.double), atol=1e-6)
    torch.testing.assert_close(words.of_words.to_dense().T.double(), table)
    ridges = torch.from_numpy(rng.uniform(0.5, 2.0, 40) * (rng.random(40) < 0.8))
    factors[ridges == 0] = 0
    scale = strength * ridges.sum() / (ridges > 0).sum()
    normal = table.T @ (ridges[:, None] * table) + scale * torch.eye(table.shape[1])
    exact = table @ torch.linalg.solve(normal, table.T @ (ridges[:, None] * factors))
    found = Prior(words, ridges.float(), strength).means(factors.float()).double()
    assert float((found - exact).norm()) <= 5e-3 * float(exact.norm()) + 1e-6


@pytest.mark.parametrize("rank", [3, 12])  # rows of 3 to 9 are solved in either form
def test_rows_are_drawn_to_their_means(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(rank)
    rows, columns = np.nonzero(rng.random((8, 20)) < 0.3)
    pairs = Pairs.build(rows, columns, rng.uniform(1, 5, len(rows)), (8, 20))
    settings = Settings(rank=rank, ridge=1.5, a0=0.1, nu=0.5)
    factors, spectrum = ials.principal_axes(torch.from_numpy(rng.normal(size=(20, rank)).astype(np.float32)))
    side = Model(factors, spectrum, Ridge.of(settings, pairs), settings, 20)
    means = torch.from_numpy(rng.normal(size=(8, rank)).astype(np.float32))
    trust = ials.confidence(pairs.values, settings.strength)
    found = [Rows(pairs, trust, rank, CPU).solve(factors, side, means)]
    monkeypatch.setattr(ials, "LONGEST_ROW", 2)  # rows solved a part at a time
    found.append(Rows(pairs, trust, rank, CPU).solve(factors, side, means))
    for row in range(8):
        own = slice(pairs.starts[row], pairs.starts[row + 1])
        played, weight = factors[pairs.columns[own]].double(), torch.from_numpy(trust[own]).double()
        ridge = float(side.ridge(torch.tensor(float(len(played))), 20))
        normal = (played.T * weight) @ played + settings.a0 * torch.diag(spectrum.double()) + ridge * torch.eye(rank)
        expected = torch.linalg.solve(normal, played.T @ weight + ridge * means[row].double())
        for one in found:
            torch.testing.assert_close(one[row].double(), expected, atol=1e-4, rtol=1e-4)


def test_words_help_where_artists_have_few_listeners() -> None:
    pairs, texts = sparse_world()
    known, hidden = random_holdout(pairs, 1)
    words, settings = Words.of([texts], CPU), Settings(rank=16, sweeps=6, ridge=2.0)

    def recall(given: Words | None, ridge: float) -> float:
        model = train(known, settings.changed(word_ridge=ridge), CPU, words=given)
        listeners = model.listeners(Rows(known, ials.confidence(known.values, 0.3), 16, CPU))
        return rank_all(lambda rows: listeners[rows] @ model.artists.T, hidden, known, 20, CPU).means()["recall@20"]

    without = recall(None, 0.0)
    assert recall(words, 3.0) > 1.1 * without
    assert recall(words, 0.0) == without and recall(None, 3.0) == without


@pytest.mark.parametrize("telling", [True, False])
def test_the_ridge_of_words_is_chosen_and_zero_where_they_say_nothing(telling: bool) -> None:
    pairs, texts = sparse_world()
    if not telling:
        texts = [f"{number % 7}" for number in np.random.default_rng(3).permutation(ARTISTS)]
    part, hidden = random_holdout(pairs, 2)
    start = Settings(rank=16, sweeps=6, ridge=2.0)
    settings = choose(part, hidden, start, CPU, words=Words.of([texts], CPU)).settings
    assert (settings.word_ridge > 0) == telling
    fixed = choose(part, hidden, start, CPU, frozenset({"a0", "word_ridge"}), words=Words.of([texts], CPU)).settings
    assert fixed.word_ridge == 0 and fixed.a0 == start.a0


def test_words_are_read_by_line(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("0 rock:3 live\n\n2 jazz\n0 indie\n9 beyond\n", encoding="utf-8")
    assert read_words(file, "--words", 4) == ["rock:3|live|indie", "", "jazz", ""]
    for text, message in (
        ("0 rock\nrock 1\n", "--words: line 2 begins with 'rock', not with an artist's index"),
        ("7 rock\n", "--words: no words of an artist in"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(SegueError, match=message):
            read_words(file, "--words", 4)
    with pytest.raises(SegueError, match="--words: cannot read"):
        read_words(tmp_path / "none", "--words", 4)


def test_the_benchmark_takes_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs, texts = sparse_world()
    known, hidden = random_holdout(pairs, 1)
    for name, found in (("train", known), ("test", hidden)):
        lines = (" ".join(map(str, [row, *found.columns[found.starts[row] : found.starts[row + 1]]])) for row in range(LISTENERS))
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    (tmp_path / "words").write_text("\n".join(f"{at} {text.replace(' ', '-').replace('|', ' ')}" for at, text in enumerate(texts)))
    files = ["benchmark", *(part for name in ("train", "test") for part in (f"--{name}", str(tmp_path / name)))]
    assert main([*files, "--word-ridge", "3"]) == 1
    assert "word_ridge: 3 without --words" in capsys.readouterr().err
    recalls = []
    for more in ([], ["--words", str(tmp_path / "words")]):
        assert main([*files, *more]) == 0
        recalls.append(float(capsys.readouterr().out.split("Recall@20 ")[1].split()[0]))
    assert recalls[1] > 1.1 * recalls[0]
