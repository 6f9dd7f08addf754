"""Vectors and scores of listeners and artists of whom only features are known."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from segue_ml.__main__ import main
from segue_ml.cold_start import Taste, artist_vectors, word_kernel
from segue_ml.pairs import Pairs

LISTENERS, ARTISTS = 400, 60


def world(seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Who plays what [listeners, artists], the listeners' country, the artists' tags: a country plays its own genre more."""
    rng = np.random.default_rng(seed)
    country, genre = rng.integers(0, 4, LISTENERS), rng.integers(0, 4, ARTISTS)
    played = rng.random((LISTENERS, ARTISTS)) < np.where(country[:, None] == genre, 0.5, 0.08)
    tags = [f"genre{own}:5|common:2|only{at}" for at, own in enumerate(genre)]
    return played, np.array([f"C{one}" for one in country], object), tags


def as_pairs(played: np.ndarray) -> Pairs:
    rows, columns = np.nonzero(played)
    return Pairs.build(rows, columns, np.ones(len(rows)), played.shape)


@pytest.mark.parametrize("directions", [0, 2])
def test_a_new_listener_gets_what_the_country_plays(directions: int) -> None:
    played, country, _ = world()
    seen = played.copy()
    seen[300:] = False
    sex = np.array(["f", "m"] * (LISTENERS // 2), object)
    taste = Taste.of(as_pairs(seen), [sex, country], 50.0, directions)
    top = np.argsort(-taste.scores([sex[300:], country[300:]]), axis=1)[:, :10]
    popular = np.argsort(-seen.sum(0))[:10]
    own = np.take_along_axis(played[300:], top, 1).mean()
    assert own > 1.3 * played[300:][:, popular].mean()


def test_unknown_and_unseen_values_say_nothing() -> None:
    played, country, _ = world()
    country[:50] = ""
    taste = Taste.of(as_pairs(played), [country], 50.0, 2)
    found = taste.scores([np.array(["", "C9"], object)])
    np.testing.assert_allclose(found, np.tile(taste.everybody, (2, 1)))
    assert (np.diff(taste.everybody[np.argsort(-played.sum(0), kind="stable")]) <= 0).all()


def test_a_small_value_is_shrunk_more_than_a_large_one() -> None:
    played = np.zeros((110, 2), bool)
    played[:, 0], played[100:, 1] = True, True
    feature = np.array(["large"] * 98 + ["small"] * 2 + ["other"] * 10, object)
    taste = Taste.of(as_pairs(played), [feature], 50.0, 0)
    lift = dict(zip(taste.names[0].tolist(), taste.lifts[0][:, 1], strict=True))  # neither plays the second artist
    assert lift["large"] < lift["small"] < 0 < lift["other"]


def test_a_new_artist_stands_where_its_words_say() -> None:
    rng = np.random.default_rng(0)
    _, _, tags = world()
    genre = np.array([int(text[5]) for text in tags])
    directions = rng.normal(size=(4, 8))
    factors = directions[genre] + 0.1 * rng.normal(size=(ARTISTS, 8))
    factors[:12] = 0
    tags[11] = "nobody else's"
    kernel = word_kernel([tags])
    found = artist_vectors(kernel, factors, 0.3)
    assert (np.argmax(found[:11] @ directions.T, axis=1) == np.argmax(directions[genre[:11]] @ directions.T, axis=1)).all()
    assert not found[11].any()
    # In closed form: (K + ridge) A = factors.
    old = np.arange(12, ARTISTS)
    system = kernel[np.ix_(old, old)] + 0.3 * np.eye(len(old))
    np.testing.assert_allclose(found, kernel[:, old] @ np.linalg.inv(system) @ factors[old], atol=1e-9)
    np.testing.assert_allclose(np.diag(kernel)[:11], 1.0)


def test_the_command_prints_and_writes_the_table(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    played, country, tags = world()
    tables = {
        "interactions": [("user", "artist"), *((f"u{row}", f"a{column}") for row, column in zip(*np.nonzero(played), strict=True))],
        "listeners": [("user", "sex", "country"), *((f"u{at}", "fm"[at % 2], where) for at, where in enumerate(country))],
        "artists": [("artist", "name", "tags"), *((f"a{at}", f"Artist, {at}", text) for at, text in enumerate(tags))],
    }
    options = []
    for name, rows in tables.items():
        with (tmp_path / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        options += [f"--{name}", str(tmp_path / f"{name}.csv")]
    assert main(["cold-start", *options, "--words", "tags", "--share", "0.25", "--json", str(tmp_path / "out.json")]) == 0
    assert "segments, shrunk" in capsys.readouterr().out
    found = json.loads((tmp_path / "out.json").read_text())
    listeners, artists, folded = (found[name] for name in ("new listeners", "new artists", "folded in"))
    assert listeners["segments and features"]["ndcg@20"] > 1.1 * listeners["popularity"]["ndcg@20"]
    assert artists["words and their pairs"]["ndcg@20"] > 1.2 * artists["random"]["ndcg@20"]
    for name in ("folded in", "folded in, in bytes"):
        assert folded[name]["recall@20"] > 0.9 * folded["trained on"]["recall@20"]
    assert main(["cold-start", *options]) == 1
    assert "--words: --artists has no column 'genres'" in capsys.readouterr().err
    with (tmp_path / "interactions.csv").open("a", encoding="utf-8") as file:
        file.write("u1,nobody\n")
    assert main(["cold-start", *options, "--words", "tags"]) == 1
    assert "'nobody' is in neither" in capsys.readouterr().err
