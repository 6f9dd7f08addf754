"""The model that serves, beside the one that was trained: on the same holdout, listener by listener."""

from __future__ import annotations

import json
import tarfile
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .blend import combined, fold_in
from .candidates import about_at
from .data import Dataset
from .errors import SegueError, one_line
from .evaluate import iso, moment
from .export import Exported, load
from .metrics import Ranking, ScoreRows, bootstrap
from .pairs import Pairs
from .ranker import Ranked
from .runtime import say
from .segments import EVERYBODY
from .shown import Impressions

MODEL = "model.tar.gz"
MOST_BYTES = 64 << 30  # unpacked
BELOW = -1e30  # an artist that a model does not know: behind all that it knows, and ranked


@dataclass(frozen=True)
class Champion:
    """`until` (ms): the last event that it was trained on. Without a model, `reason` says why it cannot be compared."""

    run_id: str = ""
    until: int = 0
    exported: Exported | None = None
    reason: str = ""


def read_champion(folder: Path, device: torch.device) -> Champion | None:
    """The model of the channel `champion`; None where the channel is no part of the job. One that cannot be read (an archive
    that is damaged, another schema version) comes with the reason: a training is not to fail for what it is compared
    with."""
    archive = folder / MODEL
    if not archive.is_file():
        return None
    with tempfile.TemporaryDirectory(prefix="segue-champion-") as scratch:
        try:
            _unpack(archive, Path(scratch))
            about = json.loads((Path(scratch) / "model.json").read_text(encoding="utf-8"))
            return Champion(str(about["runId"]), moment(about["trainedOn"]["last"]), load(Path(scratch), device))
        except (SegueError, OSError, EOFError, tarfile.TarError, ValueError, KeyError, TypeError) as error:
            return Champion(reason=f"its model cannot be read: {one_line(error).replace(scratch, MODEL)}")


def contestant(
    champion: Champion | None, data: Dataset, cutoff: int, device: torch.device, impressions: Impressions | None = None
) -> tuple[Champion | None, ScoreRows | None]:
    """The champion, with the reason where it cannot be compared, which is also said, and else its scores. A model that was
    trained on what comes after the cutoff (ms) knows the answers."""
    if champion is None:
        return None, None
    if champion.exported is not None and champion.until >= cutoff:
        seen = f"{champion.run_id} was trained until {iso(champion.until)}: too little has come since to compare by"
        champion = replace(champion, exported=None, reason=seen)
    if champion.exported is None:
        say(f"champion: not compared: {champion.reason}")
        return champion, None
    return champion, scorer(champion.exported, data, cutoff, device, impressions)


def against(champion: Champion | None, rankings: dict[str, Ranking], seed: int) -> dict[str, object] | None:
    """What evaluation.json says of the champion beside its metrics."""
    if champion is None:
        return None
    if champion.exported is None:
        return {"runId": champion.run_id or None, "compared": False, "reason": champion.reason}
    differences = difference(rankings["model"], rankings["champion"], seed)
    return {"runId": champion.run_id, "compared": True, "until": iso(champion.until), "differences": differences}


def _unpack(archive: Path, scratch: Path) -> None:
    """Its arrays and JSON files; the code that lies beside them is not run, and not unpacked."""
    with tarfile.open(archive) as packed:
        files = [file for file in packed if file.isfile() and Path(file.name).parent == Path(".")]
        if sum(file.size for file in files) > MOST_BYTES:
            raise SegueError(f"{MODEL} holds more than {MOST_BYTES >> 30} GiB")
        for file in files:
            with packed.extractfile(file) as source, (scratch / Path(file.name).name).open("wb") as target:
                while block := source.read(1 << 20):
                    target.write(block)


def scorer(
    exported: Exported, data: Dataset, before: int, device: torch.device, impressions: Impressions | None = None
) -> ScoreRows:
    """Scores of the dataset's artists as the champion gives them to listeners of whom it knows the interactions before a
    moment (ms), by the worths that it learned; to a listener of whom it knows none, what is popular."""
    history = exported.worths.history(data, before, impressions)
    numbers = exported.artist_numbers
    at = np.minimum(np.searchsorted(numbers, data.artist_numbers), len(numbers) - 1)
    known = numbers[at] == data.artist_numbers

    def theirs_of(pairs: Pairs) -> Pairs:
        use = known[pairs.columns]
        shape = (pairs.height, len(numbers))
        return Pairs.build(pairs.rows[use], at[pairs.columns[use]], pairs.values[use], shape)

    own = theirs_of(history)
    score = combined(exported.blend, fold_in(exported.model, own, device), own)
    if exported.ranker is not None:
        about = about_at(data, exported.ranker.facts, before)
        met = theirs_of(data.pairs(data.times < before, positive=False))
        everyone = np.ones(len(numbers), bool)
        about = replace(about, recent=theirs_of(about.recent))
        score = Ranked(exported.blend, exported.ranker, about, met, everyone).scorer(own, device)
    columns = torch.from_numpy(np.flatnonzero(known)).to(device)
    theirs = torch.from_numpy(at[known]).to(device)
    popular = torch.zeros(len(numbers), device=device)
    listed, scores = exported.segments[EVERYBODY]
    place = np.minimum(np.searchsorted(numbers, listed), len(numbers) - 1)
    found = numbers[place] == np.array(listed)
    popular[torch.from_numpy(place[found]).to(device)] = torch.tensor(scores, device=device)[torch.from_numpy(found)]
    unknown = torch.from_numpy(own.lengths == 0).to(device)

    def score_rows(rows: Tensor) -> Tensor:
        given = torch.where(unknown[rows].unsqueeze(1), popular, score(rows))
        result = given.new_full((len(rows), data.shape[1]), BELOW)
        result[:, columns] = given[:, theirs]
        return result

    return score_rows


def difference(model: Ranking, champion: Ranking, seed: int = 0) -> dict[str, dict[str, object]]:
    """The model's metrics less the champion's, of the same listeners, with the 95 % bootstrap interval of the mean
    difference over them: much narrower than what the two intervals say, as both see the same listeners."""
    found = {}
    for name, one, other in (
        (f"recall@{model.k}", model.recall, champion.recall),
        (f"ndcg@{model.k}", model.ndcg, champion.ndcg),
    ):
        by_listener = (one - other)[:, None]
        low, high = bootstrap(by_listener, seed)[:, 0]
        interval = [round(float(low), 6), round(float(high), 6)]
        found[name] = {"difference": round(float(by_listener.mean()), 6), "interval": interval}
    return found
