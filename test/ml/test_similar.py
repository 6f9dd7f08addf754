"""Similar artists and the vectors that serving folds in with, as lines of a scoring file; the vectors that the Lambda is
tested with (`python test/ml/test_similar.py` writes them anew)."""

from __future__ import annotations

import base64
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ml"))

from conftest import listener  # noqa: E402
from segue_ml import vectors as parts_of_vectors  # noqa: E402
from segue_ml.export import Exported, load  # noqa: E402
from segue_ml.ials import Model, Ridge, Settings, principal_axes  # noqa: E402
from segue_ml.learned import Learned  # noqa: E402
from segue_ml.neighbours import assemble  # noqa: E402
from segue_ml.lines import LineError, parse  # noqa: E402
from segue_ml.score import Scorer  # noqa: E402
from segue_ml.spectral import LowPass  # noqa: E402
from segue_ml.value import decode, release_tag  # noqa: E402
from segue_ml.vectors import HEADER, encode_part  # noqa: E402
from segue_ml.worths import Worths  # noqa: E402

CPU = torch.device("cpu")
RELEASE, MADE = "20261122t035200-1a2b3c4d", 1_795_319_520
VECTORS = {learned: ROOT / "test" / "vectors" / f"fold-in-v{4 if learned else 2}.json" for learned in (False, True)}
HISTORIES: list[list[tuple[int, float]]] = [
    [(3, 1.0)],
    [(3, 0.1), (7, 2.0), (12, 0.6)],
    [(number, 0.1) for number in range(1, 11)],
    [(5, 1.0), (6, 0.0)],
    [(40, 3.0), (2, 40.0)],
]


def small(rank: int = 6, artists: int = 60, terms: bool = True, learned: bool = False) -> Exported:
    """A model that any machine makes alike: three tastes, some artists of two; with both linear terms, and with a learned
    part of the second."""
    generator = np.random.default_rng(7)
    taste = np.eye(rank)[np.arange(artists) % 3] + 0.3 * generator.standard_normal((artists, rank))
    factors, spectrum = principal_axes(torch.from_numpy((taste / 3).astype(np.float32)))
    model = Model(factors, spectrum, Ridge(0.02, 0.03, 1.0), Settings(rank=rank), artists + 5)
    segments = {"@/": ([1, 2], [1.0, 0.5])}
    items, low = None, None
    if terms:
        # Artists with none, few and many weights.
        count = np.where(np.arange(artists) % 5 == 0, 0, np.where(np.arange(artists) % 7 == 0, 50, 4))
        owner = np.repeat(np.arange(artists), count)
        targets = np.concatenate([generator.choice(artists, one, replace=False) for one in count])
        items = assemble(owner, targets, (0.1 * generator.standard_normal(len(owner))).astype(np.float32), artists)
        axes = torch.from_numpy((0.2 * generator.standard_normal((artists, 4))).astype(np.float32))
        low = LowPass(axes, torch.from_numpy((1.0 + np.arange(artists) % 9).astype(np.float32)), 0.3, 0.4)
    if learned and low is not None:
        sides = (0.1 * generator.standard_normal((2, artists, 3))).astype(np.float32)
        low = low.beside(Learned(*(torch.from_numpy(side) for side in sides)))
    longest = float(factors.norm(dim=1).max())
    worths = Worths(like=5.0, click=0.5, half_life=30.0)
    return Exported(model, np.arange(1, artists + 1), segments, longest, items, low, worths=worths)


def as_serving_sees(exported: Exported, part: bytes) -> Exported:
    """The model with what the part holds, for the artists that it holds."""
    version, rank, count, width, *_ = HEADER.unpack_from(part)
    at = HEADER.size + 4 * rank

    def take(kind: str, number: int) -> np.ndarray:
        nonlocal at
        found = np.frombuffer(part, kind, number, at)
        at += found.nbytes
        return found

    scales = take("<f4", count)
    inputs, outputs = (take("<f4", count if width else 0) for _ in range(2))
    weight_scales, counts = take("<f4", count), take("u1", count)
    weights, targets = take("i1", int(counts.sum())), take("u1", 3 * int(counts.sum())).reshape(-1, 3)
    vectors, axes = take("i1", count * rank).reshape(count, rank), take("i1", count * width).reshape(count, width)
    played = take("i1", count * width).reshape(count, width) if version == 4 else axes
    numbers = take("u1", 3 * count).reshape(-1, 3) @ np.array([1, 256, 65536])
    owner = np.repeat(np.arange(count), counts)
    places = np.searchsorted(numbers, targets @ np.array([1, 256, 65536]))
    items = assemble(owner, places, weight_scales[owner] * weights, count) if len(owner) else None
    low = exported.filter
    if low is not None and low.learned is not None:
        sides = (torch.from_numpy(scale[:, None] * side) for scale, side in ((inputs, played), (outputs, axes)))
        low = replace(LowPass.nothing(count, CPU), learned=Learned(*sides))
    elif low is not None:
        # inputs × outputs = scale² × weight, outputs / inputs = weight × degree^2β
        scale = np.sqrt(inputs * outputs / low.weight)
        degrees = (outputs / inputs / low.weight) ** (0.5 / low.exponent)
        low = LowPass(*(torch.from_numpy(one.astype(np.float32)) for one in (scale[:, None] * axes, degrees)), low.exponent, low.weight)
    factors = torch.from_numpy(scales[:, None] * vectors)
    model = Model(factors, exported.model.spectrum, exported.model.ridge, exported.model.settings, exported.model.catalogue)
    return Exported(model, numbers, exported.segments, exported.longest, items, low)


def vectors(learned: bool) -> dict:
    exported = small(learned=learned)
    artists = [(number, f"a{number}") for number in range(1, 61)]
    tag = release_tag(RELEASE)
    parts = [encode_part(exported, tag, artists[:40]), encode_part(exported, tag, artists[40:])]
    scorer = Scorer(as_serving_sees(exported, encode_part(exported, tag, artists)), tag, MADE, 10, CPU)
    cases = []
    for history in HISTORIES:
        line = listener("l", *(list(part) for part in zip(*history, strict=True)))
        found = decode(base64.b64decode(scorer.lines(json.dumps(line).encode())[0].split(" ")[1]))
        reasons = [found.reason_artists[reason - 1] if reason else 0 for reason in found.reasons]
        cases.append(
            {
                "history": [[f"a{number}", weight] for number, weight in history],
                "artists": found.artists,
                "scores": [round(score, 4) for score in found.scores],
                "strongest": reasons,
            }
        )
    return {"release": RELEASE, "parts": [part.hex() for part in parts], "cases": cases}


@pytest.mark.parametrize("learned", [False, True])
def test_the_lambda_is_tested_with_what_this_code_makes(learned: bool) -> None:
    kept, made = json.loads(VECTORS[learned].read_text(encoding="utf-8")), vectors(learned)
    assert kept["cases"] == made["cases"]
    for before, now in zip(kept["parts"], made["parts"], strict=True):
        # The last bits of a float may differ between machines' linear algebra.
        assert len(before) == len(now) and before[:64] == now[:64]


@pytest.mark.parametrize("terms, learned", [(False, False), (True, False), (True, True)])
def test_eight_bits_are_enough_for_the_same_lists(terms: bool, learned: bool) -> None:
    exported = small(32, 900, terms, learned)
    part = encode_part(exported, 1, [(number, f"a{number}") for number in exported.artist_numbers.tolist()])
    line = json.dumps(listener("l", [3, 6, 9, 30], [1, 1, 2, 0.1])).encode()
    exact, seen = (
        decode(base64.b64decode(Scorer(model, 1, MADE, 20, CPU).lines(line)[0].split(" ")[1]))
        for model in (exported, as_serving_sees(exported, part))
    )
    assert len(set(exact.artists) & set(seen.artists)) >= 18
    assert seen.scores == pytest.approx(exact.scores, abs=0.01)


def test_the_largest_part_is_a_line_that_publishing_takes() -> None:
    artists = 512
    model = Model(torch.randn(artists, 4096), torch.ones(4096), Ridge(0.02, 0.03, 1.0), Settings(rank=4096), artists)
    low = LowPass(torch.randn(artists, 512), torch.ones(artists)).beside(Learned(*torch.randn(2, artists, 128)))
    owner = np.repeat(np.arange(artists), parts_of_vectors.NEIGHBOURS)
    items = assemble(owner, np.arange(len(owner)) % artists, np.ones(len(owner), np.float32), artists)
    exported = Exported(model, np.arange(1, artists + 1), {"@/": ([1], [1.0])}, 1.0, items, low, worths=Worths())
    part = encode_part(exported, 1, [(number, f"{number:0>64}") for number in range(1, artists + 1)])
    publishing = (ROOT / "lambdas" / "publish" / "lines.ts").read_text(encoding="utf-8")
    found = re.search(r"MAX_LINE_BYTES = 1 << (\d+)", publishing)
    assert found and 0.8 * 2 ** int(found[1]) < len(base64.b64encode(part)) < 2 ** int(found[1]) - 100


def test_the_model_in_bytes_that_is_judged_is_what_serving_computes_with() -> None:
    exported = small(learned=True)
    part = encode_part(exported, 1, [(number, f"a{number}") for number in range(1, 61)])
    judged, seen = parts_of_vectors.as_bytes(exported.blend).filter, as_serving_sees(exported, part).filter
    assert judged is not None and seen is not None and part[0] == 4
    for side in ("inputs", "outputs"):
        torch.testing.assert_close(getattr(judged, side)(), getattr(seen, side)())


def test_a_part_holds_the_strongest_weights_of_each_artist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_of_vectors, "NEIGHBOURS", 32)
    exported = small()
    items = exported.neighbours
    assert items is not None
    seen = as_serving_sees(exported, encode_part(exported, 1, [(number, f"a{number}") for number in range(1, 61)]))
    assert seen.neighbours is not None
    for artist in (0, 1, 7):  # with none, 4 and 50 weights
        own = slice(int(items.starts[artist]), int(items.starts[artist + 1]))
        strongest = np.argsort(-items.weights[own].abs().numpy(), kind="stable")[:32]
        expected = dict(zip(items.targets[own][strongest].tolist(), items.weights[own][strongest].tolist(), strict=True))
        kept = slice(int(seen.neighbours.starts[artist]), int(seen.neighbours.starts[artist + 1]))
        found = dict(zip(seen.neighbours.targets[kept].tolist(), seen.neighbours.weights[kept].tolist(), strict=True))
        assert found.keys() == expected.keys() and len(found) in (0, 4, 32)
        assert list(found.values()) == pytest.approx([expected[target] for target in found], abs=0.002)


def test_similar_artists_share_the_taste_and_leave_the_artist_out() -> None:
    lines = Scorer(small(), release_tag(RELEASE), MADE, 10, CPU).lines(
        b'{"artist":4,"artistId":"x4"}\n{"segment":"@/"}\n{"artist":999,"artistId":"new"}\n{"artist":5,"artistId":"x5"}\n'
    )
    names, values = zip(*(line.split(" ") for line in lines), strict=True)
    assert names == ("~x4", "@/", "~new", "~x5")
    four, _, unknown, _ = (decode(base64.b64decode(value)) for value in values)
    assert (four.source, unknown.artists) == ("similar", [])
    assert 4 not in four.artists and len(four.artists) == 10
    assert sum(number % 3 == 1 for number in four.artists) >= 8
    assert four.scores == sorted(four.scores, reverse=True) and 0 < four.scores[-1] < four.scores[0] <= 1


def test_cosines_of_a_trained_model(trained) -> None:
    exported = load(trained.model, CPU)
    number = int(exported.artist_numbers[3])
    found = Scorer(exported, 1, MADE, 5, CPU).lines(json.dumps({"artist": number, "artistId": "a"}).encode())
    value = decode(base64.b64decode(found[0].split(" ")[1]))
    cosines = torch.nn.functional.cosine_similarity(exported.model.artists[3:4], exported.model.artists)
    cosines[3] = -1
    assert value.artists == exported.artist_numbers[cosines.topk(5).indices.numpy()].tolist()
    assert value.scores == pytest.approx(cosines.topk(5).values.tolist(), abs=1 / 254)


def test_a_part_of_the_vectors_is_a_line_too() -> None:
    exported, tag = small(), release_tag(RELEASE)
    (line,) = Scorer(exported, tag, MADE, 10, CPU).lines(b'{"vectors":3,"artists":[[2,"b"],[77,"gone"],[5,"e"]]}')
    name, text = line.split(" ")
    part = base64.b64decode(text)
    version, rank, count, width, found_tag, catalogue, *floats = HEADER.unpack_from(part)
    assert (name, version, rank, count, width, found_tag, catalogue) == ("#3", 2, 6, 2, 4, tag, 65)
    assert exported.filter is not None
    longest = float(exported.filter.outputs().norm(dim=1).max())
    assert floats == pytest.approx([0.03, 0.02, 1.0, 0.3, exported.longest, longest, 5.0, 0.5, 30.0])
    assert part.endswith(bytes([2, 0, 0, 5, 0, 0]) + b"b\ne")
    plain = small(terms=False)
    seen = as_serving_sees(plain, encode_part(plain, tag, [(2, "b"), (77, "gone"), (5, "e")]))
    assert seen.model.artists.numpy() == pytest.approx(exported.model.artists[[1, 4]].numpy(), abs=0.01)
    assert seen.neighbours is None and seen.filter is None


@pytest.mark.parametrize(
    "line, message",
    [
        (b'{"artist":0,"artistId":"a"}', "line 3: artist: 0, 'a'"),
        (b'{"artist":1}', "line 3: artist: stands with artistId"),
        (b'{"artist":1,"artistId":"a b"}', "line 3: artist: 1, 'a b'"),
        (b'{"vectors":16,"artists":[]}', "line 3: vectors: 16"),
        (b'{"vectors":0}', "line 3: vectors: stands with artists"),
        (b'{"vectors":0,"artists":[[1]]}', "line 3: artists: not a list"),
        (b'{"vectors":0,"artists":[[1,2]]}', "line 3: artists: 1, 2"),
    ],
)
def test_a_bad_line_is_named(line: bytes, message: str) -> None:
    with pytest.raises(LineError) as error:
        parse(line, 3)
    assert str(error.value).startswith(message)


if __name__ == "__main__":
    for learned, file in VECTORS.items():
        file.write_text(json.dumps(vectors(learned), indent=1) + "\n", encoding="utf-8")
