"""Similar artists and the vectors that serving folds in with, as lines of a scoring file; the vectors that the Lambda is
tested with (`python test/ml/test_similar.py` writes them anew)."""

from __future__ import annotations

import base64
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ml"))

from segue_ml.export import Exported, load  # noqa: E402
from segue_ml.ials import Model, Ridge, Settings, principal_axes  # noqa: E402
from segue_ml.score import LineError, Scorer, parse  # noqa: E402
from segue_ml.value import decode, release_tag  # noqa: E402
from segue_ml.vectors import HEADER, encode_part  # noqa: E402

CPU = torch.device("cpu")
RELEASE, MADE = "20261122t035200-1a2b3c4d", 1_795_319_520
VECTORS = ROOT / "test" / "vectors" / "fold-in-v1.json"
HISTORIES: list[list[tuple[int, float]]] = [
    [(3, 1.0)],
    [(3, 0.1), (7, 2.0), (12, 0.6)],
    [(number, 0.1) for number in range(1, 11)],
    [(5, 1.0), (6, 0.0)],
    [(40, 3.0), (2, 40.0)],
]


def small(rank: int = 6, artists: int = 60) -> Exported:
    """A model that any machine makes alike: three tastes, some artists of two."""
    generator = np.random.default_rng(7)
    taste = np.eye(rank)[np.arange(artists) % 3] + 0.3 * generator.standard_normal((artists, rank))
    factors, spectrum = principal_axes(torch.from_numpy((taste / 3).astype(np.float32)))
    model = Model(factors, spectrum, Ridge(0.02, 0.03, 1.0), Settings(rank=rank), artists + 5)
    return Exported(
        model, np.arange(1, artists + 1), {"@/": ([1, 2], [1.0, 0.5])}, float(factors.norm(dim=1).max()), None
    )


def as_serving_sees(exported: Exported, part: bytes) -> Exported:
    """The model with the factors that the part holds, for the artists that it holds."""
    _, rank, count, *_ = HEADER.unpack_from(part)
    at = HEADER.size + 4 * rank
    scales = np.frombuffer(part, "<f4", count, at)
    vectors = np.frombuffer(part, np.int8, count * rank, at + 4 * count).reshape(count, rank)
    numbers_at = at + 4 * count + count * rank
    numbers = [int.from_bytes(part[numbers_at + 3 * i : numbers_at + 3 * i + 3], "little") for i in range(count)]
    factors = torch.from_numpy(scales[:, None] * vectors)
    model = Model(factors, exported.model.spectrum, exported.model.ridge, exported.model.settings, exported.model.catalogue)
    return Exported(model, np.array(numbers), exported.segments, exported.longest, None)


def vectors() -> dict:
    exported = small()
    artists = [(number, f"a{number}") for number in range(1, 61)]
    tag = release_tag(RELEASE)
    parts = [encode_part(exported, tag, artists[:40]), encode_part(exported, tag, artists[40:])]
    scorer = Scorer(as_serving_sees(exported, encode_part(exported, tag, artists)), tag, MADE, 10, CPU)
    cases = []
    for history in HISTORIES:
        line = {"listenerId": "l", "artists": [n for n, _ in history], "weights": [w for _, w in history]}
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


def test_the_lambda_is_tested_with_what_this_code_makes() -> None:
    kept, made = json.loads(VECTORS.read_text(encoding="utf-8")), vectors()
    assert kept["cases"] == made["cases"]
    for before, now in zip(kept["parts"], made["parts"], strict=True):
        # The last bits of a float may differ between machines' linear algebra.
        assert len(before) == len(now) and before[: 2 * HEADER.size - 8] == now[: 2 * HEADER.size - 8]


def test_eight_bits_are_enough_for_the_same_lists() -> None:
    exported = small(rank=32, artists=900)
    part = encode_part(exported, 1, [(number, f"a{number}") for number in exported.artist_numbers.tolist()])
    line = json.dumps({"listenerId": "l", "artists": [3, 6, 9, 30], "weights": [1, 1, 2, 0.1]}).encode()
    exact, seen = (
        decode(base64.b64decode(Scorer(model, 1, MADE, 20, CPU).lines(line)[0].split(" ")[1]))
        for model in (exported, as_serving_sees(exported, part))
    )
    assert len(set(exact.artists) & set(seen.artists)) >= 18
    assert seen.scores == pytest.approx(exact.scores, abs=0.01)


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
    version, rank, count, found_tag, catalogue, *floats = HEADER.unpack_from(part)
    assert (name, version, rank, count, found_tag, catalogue) == ("#3", 1, 6, 2, tag, 65)
    assert floats == pytest.approx([0.03, 0.02, 1.0, 0.3, exported.longest])
    assert part.endswith(bytes([2, 0, 0, 5, 0, 0]) + b"b\ne")
    scales = struct.unpack_from("<2f", part, HEADER.size + 4 * rank)
    vectors = np.frombuffer(part, np.int8, 12, HEADER.size + 4 * rank + 8).reshape(2, 6)
    assert np.array(scales)[:, None] * vectors == pytest.approx(exported.model.artists[[1, 4]].numpy(), abs=0.01)


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
    VECTORS.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
