"""The model directory: what training leaves for scoring, and nothing of any listener.

model.json           schema version, settings, ridge, score mapping, counts
artist_factors.npy   float32 [artists, rank], in the principal axes
spectrum.npy         float32 [rank], the diagonal of the factors' Gram matrix in these axes
artist_numbers.npy   int32 [artists], ascending
neighbour_starts.npy, neighbour_targets.npy, neighbour_weights.npy   int64 [artists + 1], int32 and float32: the
                     item-to-item weights by played artist (neighbours.py), empty where validation gave them no share
filter_axes.npy, filter_degrees.npy   float32 [artists, q], [artists]: the low-pass term (spectral.py), q = 0 where
                     validation gave it no share; its exponent and weight are in model.json
learned_inputs.npy, learned_outputs.npy   float32 [artists, d]: its learned part (learned.py), not there where it has none
segments.json        segment → artist numbers and scores, best first
new_artist_numbers.npy, new_artist_factors.npy   int32 [newcomers], ascending, and float32 [newcomers, rank]: artists that few
                     know yet (newcomers.py), for the places that `newArtists` in model.json keeps for them (quota.py)
ranker.txt, ranker_*.npy   where a second stage serves: its forest in LightGBM's text form, and what it knows of artists
                     (candidates.py); the names of the groups are in model.json
code/                this package and serve.sh, which the container runs
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .blend import Blend
from .candidates import Facts
from .errors import SegueError
from .evaluate import DAY, moment
from .forest import Forest
from .ials import Model, Ridge, Settings
from .learned import Learned
from .neighbours import Neighbours, assemble
from .newcomers import Newcomers, positions
from .quota import Quota
from .ranker import Ranker
from .segments import EVERYBODY, SegmentList
from .spectral import LowPass
from .worths import Worths

SCHEMA_VERSION = 4
FACTS = ("known", "trend", "age", "genres", "lifts")
SCORE_RULE = (
    "signed square root of the score over its bound for this listener, |listener's vector| × |the catalogue's longest "
    "vector|, likewise for the low-pass term, + Σ over the listener's artists of each one's strongest item-to-item weight: "
    "in [-1, 1] by Cauchy-Schwarz, "
    "and in the order of the plain score that the metrics rank by; the root spreads the small values that most pairs "
    "have over the bytes that hold them"
)


@dataclass(frozen=True)
class Exported:
    """A model directory in memory. `segments` holds artist numbers. `worths` are what it was trained with, and `today` the
    day (since 1970) of the last interaction that it was trained on, whose weight has age 0; 0 where nothing says."""

    model: Model
    artist_numbers: np.ndarray
    segments: dict[str, tuple[list[int], list[float]]]
    longest: float
    neighbours: Neighbours | None = None
    filter: LowPass | None = None
    newcomers: Newcomers | None = None
    quota: Quota = Quota()
    worths: Worths = Worths()
    today: int = 0
    ranker: Ranker | None = None

    @property
    def blend(self) -> Blend:
        return Blend(self.model, self.neighbours, self.filter)


def export(
    folder: Path,
    blend: Blend,
    artist_numbers: np.ndarray,
    segments: dict[str, SegmentList],
    facts: dict[str, object],
    newcomers: Newcomers | None = None,
    quota: Quota = Quota(),
    worths: Worths = Worths(),
    ranker: Ranker | None = None,
) -> None:
    """Writes the model directory; `facts` (run id, counts) go into model.json. Artists without an interaction to learn
    from have no vector, unless they are newcomers, and are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    model = blend.model
    trained = (model.artists != 0).any(1).cpu().numpy()
    factors = model.artists.cpu().numpy().astype(np.float32)[trained]
    np.save(folder / "artist_factors.npy", factors)
    np.save(folder / "spectrum.npy", model.spectrum.cpu().numpy().astype(np.float32))
    np.save(folder / "artist_numbers.npy", artist_numbers[trained].astype(np.int32))
    new = newcomers or Newcomers(artist_numbers[:0].astype(np.int32), model.artists[:0], artist_numbers[:0])
    np.save(folder / "new_artist_numbers.npy", new.numbers)
    np.save(folder / "new_artist_factors.npy", new.vectors.cpu().numpy())
    nothing = np.zeros(0, np.int64)
    items = assemble(nothing, nothing, nothing, len(factors))
    if blend.neighbours is not None:
        items = blend.neighbours.among(trained)
    np.save(folder / "neighbour_starts.npy", items.starts.cpu().numpy())
    np.save(folder / "neighbour_targets.npy", items.targets.cpu().numpy().astype(np.int32))
    np.save(folder / "neighbour_weights.npy", items.weights.cpu().numpy())
    low = LowPass.nothing(len(factors), model.artists.device)
    if blend.filter is not None:
        low = blend.filter.among(trained)
    np.save(folder / "filter_axes.npy", low.axes.cpu().numpy())
    np.save(folder / "filter_degrees.npy", low.degrees.cpu().numpy())
    for side in ("inputs", "outputs") if low.learned is not None else ():
        np.save(folder / f"learned_{side}.npy", getattr(low.learned, side).cpu().numpy())
    lists = {
        name: {
            "artists": artist_numbers[found.artists].tolist(),
            "scores": [round(float(score), 4) for score in found.scores],
            "listeners": found.listeners,
        }
        for name, found in segments.items()
    }
    (folder / "segments.json").write_text(json.dumps(lists, separators=(",", ":")), encoding="utf-8")
    about = {
        "schemaVersion": SCHEMA_VERSION,
        **facts,
        "settings": model.settings.as_dict(),
        "ridge": {
            "scale": model.ridge.scale,
            "a0": model.ridge.a0,
            "nu": model.ridge.nu,
            "artists": model.artists.shape[0],
        },
        "confidence": "1 + strength × log(1 + weight)",
        "newArtists": asdict(quota),
        "worths": asdict(worths),
        "filter": {"exponent": low.exponent, "weight": low.weight},
        "ranker": None if ranker is None else _export_ranker(folder, ranker, trained),
        "score": {"rule": SCORE_RULE, "longest": float(np.linalg.norm(factors, axis=1).max())},
    }
    (folder / "model.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    own = Path(__file__).resolve().parent
    code = folder / "code"
    shutil.copytree(own, code / "segue_ml", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    shutil.copy2(own.parent / "serve.sh", code / "serve.sh")


def _export_ranker(folder: Path, ranker: Ranker, trained: np.ndarray) -> dict[str, object]:
    facts = ranker.facts.among(trained)
    (folder / "ranker.txt").write_text(ranker.forest.text, encoding="utf-8")
    for name in FACTS:
        np.save(folder / f"ranker_{name}.npy", getattr(facts, name).cpu().numpy())
    return {"depth": ranker.depth, "groups": facts.groups}


def _load_ranker(folder: Path, about: dict[str, Any], device: torch.device) -> Ranker | None:
    """None for a model without, as all were of before there was one."""
    said = about.get("ranker")
    if said is None:
        return None
    forest = Forest.read((folder / "ranker.txt").read_text(encoding="utf-8"))
    facts = (torch.from_numpy(np.load(folder / f"ranker_{name}.npy", allow_pickle=False)) for name in FACTS)
    groups = {str(name): int(row) for name, row in said["groups"].items()}
    return Ranker(forest.to(device), Facts(*facts, groups).to(device), int(said["depth"])).check()


def _load_learned(folder: Path, device: torch.device) -> Learned | None:
    """None for a model without, as all were of before there was one."""
    if not (folder / "learned_inputs.npy").exists():
        return None
    inputs, outputs = (torch.from_numpy(_array(folder, f"learned_{side}")).to(device) for side in ("inputs", "outputs"))
    return Learned(inputs, outputs)


def _array(folder: Path, name: str) -> np.ndarray:
    """Raises SegueError where a number of it is none: nothing would be listed by it, and nobody would be told."""
    values = np.load(folder / f"{name}.npy", allow_pickle=False)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise SegueError(f"model: {name}.npy in {folder} holds {count:,} values that are not finite numbers; train it again")
    return values


def load(folder: Path, device: torch.device) -> Exported:
    """Reads a model directory. Raises SegueError when it is not one of this schema version, or damaged."""
    try:
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        if about.get("schemaVersion") != SCHEMA_VERSION:
            found = about.get("schemaVersion")
            raise SegueError(f"model: schema version {found} in {folder}; this code reads version {SCHEMA_VERSION}")
        factors, spectrum, numbers = (_array(folder, name) for name in ("artist_factors", "spectrum", "artist_numbers"))
        starts, targets, weights = (
            torch.from_numpy(_array(folder, f"neighbour_{part}")) for part in ("starts", "targets", "weights")
        )
        items = Neighbours(starts, targets.long(), weights).to(device)
        axes, degrees = (
            torch.from_numpy(_array(folder, f"filter_{part}")).to(device) for part in ("axes", "degrees")
        )
        low = LowPass(axes, degrees, float(about["filter"]["exponent"]), float(about["filter"]["weight"]), _load_learned(folder, device))
        segments = json.loads((folder / "segments.json").read_text(encoding="utf-8"))
        settings = Settings(**about["settings"])
        ridge = Ridge(about["ridge"]["scale"], about["ridge"]["a0"], about["ridge"]["nu"])
        longest = float(about["score"]["longest"])
        lists = {name: (found["artists"], found["scores"]) for name, found in segments.items()}
        width = int(about["ridge"]["artists"])
        quota = Quota(**about["newArtists"]).check()
        worths = Worths(**about["worths"])
        today = moment(about["trainedOn"]["last"]) // DAY if "trainedOn" in about else 0
        ranker = _load_ranker(folder, about, device)
        fresh, vectors = (_array(folder, f"new_artist_{part}") for part in ("numbers", "factors"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SegueError(f"model: {folder} is not a model directory: {type(error).__name__}: {error}") from error
    if factors.shape != (len(numbers), len(spectrum)) or EVERYBODY not in lists or (np.diff(numbers) <= 0).any():
        raise SegueError(f"model: the files in {folder} do not belong together")
    if vectors.shape != (len(fresh), len(spectrum)):
        raise SegueError(f"model: the files in {folder} do not belong together")
    if items.width != len(numbers) or len(axes) != len(numbers) or len(degrees) != len(numbers):
        raise SegueError(f"model: the files in {folder} do not belong together")
    learned = low.learned
    if learned is not None and not len(learned.inputs) == len(learned.outputs) == len(numbers):
        raise SegueError(f"model: the files in {folder} do not belong together")
    if ranker is not None and not ranker.facts.fits(len(numbers)):
        raise SegueError(f"model: the files in {folder} do not belong together")
    return Exported(
        Model(torch.from_numpy(factors).to(device), torch.from_numpy(spectrum).to(device), ridge, settings, width),
        numbers,
        lists,
        longest,
        items if len(items.weights) else None,
        low if axes.shape[1] or learned is not None else None,
        Newcomers(fresh, torch.from_numpy(vectors).to(device), positions(numbers, fresh)) if len(fresh) else None,
        quota,
        worths,
        today,
        ranker,
    )
