"""The model card, written from the evaluation of the same run."""

from __future__ import annotations

from typing import Any


def model_card(evaluation: dict[str, Any]) -> str:
    """Markdown in the shape of Mitchell et al. 2019, "Model Cards for Model Reporting"."""
    data, protocol, k = evaluation["data"], evaluation["protocol"], evaluation["protocol"]["k"][0]
    versions = ", ".join(f"{name} {version}" for name, version in evaluation["versions"].items())
    settings = ", ".join(f"{name} {value:g}" for name, value in evaluation["hyperparameters"].items())
    return f"""# Model card: {evaluation["runId"] or "unnamed run"}

## What it is

A matrix factorisation of implicit feedback (iALS) and, where `item_weight` is above 0, item-to-item weights by local
ridge regression and, where `filter_weight` is, a low-pass filter,
where `learned_weight` is, with directions learned by a softmax, trained by Segue. It scores artists for a listener from the artists
that the listener played; a listener without a history gets what is popular among those of the same age group and place.
Settings: {settings}. Made with {versions} on {evaluation["device"]}.

## Intended use

Lists of artists to offer to listeners of the service that the data come from. Not for deciding anything about a person,
and not for inferring age, place or any other trait of a listener.

## Data

{data["interactions"]:,} interactions of {data["listeners"]:,} listeners with {data["artists"]:,} artists,
from {data["first"]} to {data["last"]}. An interaction is a listener, an artist and a day, weighted by what was played,
liked, clicked and passed over ({_worths(evaluation["feedback"])}). Listeners are known by a pseudonymous id; the model holds no listener's data, only artists' vectors
and weights, and lists of segments of ten listeners or more.

## Evaluation

Temporal holdout at {protocol["cutoff"]}, {protocol["listeners"]:,} listeners: {protocol["rule"]}.
A listener's list is compared with {protocol["candidates"]:,} candidate artists.

{_metrics(evaluation["metrics"])}
{_champion(evaluation["champion"])}{_ranker(evaluation["ranker"])}
### By group

Recall@{k} and NDCG@{k} of the model. A group with few listeners has an uncertain figure.

{_groups(evaluation["groups"], k)}

{_calibration(evaluation["calibration"])}{_accuracy(evaluation["accuracy"])}With half of each history missing NDCG@{k} is {evaluation["robustness"][-1][f"ndcg@{k}"]:.4f}.

Beside the model: the popular list, random lists and item-kNN (cosine). `report.html` has the intervals and plots.

## Limits

- {_new_artists(evaluation["newArtists"], k)}
- Offline figures count only what listeners found by themselves; they do not say how a list would have been received.
- Popular artists are favoured: coverage@{k} is the share of candidates that appear in any list.
- Scores order artists for one listener. They are not probabilities, and not comparable between listeners.
"""


def _worths(feedback: dict[str, Any]) -> str:
    said = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in feedback["chosen"].items())
    return f"{said}; {'learned on the past' if feedback['trials'] else 'as given'}"


def _champion(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    if not found["compared"]:
        return f"\nNot compared with the champion: {found['reason']}.\n"
    said = (
        f"{name} {one['difference']:+.4f} ({one['interval'][0]:.4f} to {one['interval'][1]:.4f})"
        for name, one in found["differences"].items()
    )
    return f"\nLess the champion {found['runId']}, listener by listener: {', '.join(said)}.\n"


def _ranker(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    if "differences" not in found:
        return f"\nWithout a second stage: {found['reason']}.\n"
    said = (
        f"{name} {one['difference']:+.4f} ({one['interval'][0]:+.4f} to {one['interval'][1]:+.4f})"
        for name, one in found["differences"].items()
    )
    role = "orders the lists, here too" if found["used"] else "was tried and is not used"
    return (
        f"\nA second stage (LambdaRank over the first's {found['candidates']} best artists, {found['trees']} trees) {role}. "
        f"With it less without, listener by listener: {', '.join(said)}.\n"
    )


def _accuracy(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    low, high = found["interval"]
    return (
        f"Of {found['shown']:,} recommendations that earlier releases showed, {found['clicked']:,} were clicked: "
        f"accuracy {found['accuracy']:.4f} ({low:.4f} to {high:.4f}). "
    )


def _new_artists(found: dict[str, Any], k: int) -> str:
    said = "Artists that nobody had played when the model was trained are known by genre and followers alone"
    if not found["share"]:
        return f"{said}, and never recommended; rarely played ones seldom."
    low, high = found[f"ndcg@{k}"]["interval"]
    return (
        f"{said}. New ones get {found['slots']['with']:.1%} of the places, which changes NDCG@{k} by "
        f"{found[f'ndcg@{k}']['difference']:+.4f} ({low:+.4f} to {high:+.4f}); the other figures here are without them."
    )


def _calibration(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    low, high = found["interval"]
    return f"What is played differs from what scores predict by {found['error']:.4f} ({low:.4f} to {high:.4f}) on average. "


def _metrics(metrics: dict[str, dict[str, float]]) -> str:
    names = list(metrics["model"])
    rows = [[who, *(f"{values[name]:.4f}" for name in names)] for who, values in metrics.items()]
    return _table(["", *names], rows)


def _groups(groups: list[dict[str, Any]], k: int) -> str:
    rows = [
        [
            group["by"],
            group["value"] or "unknown",
            f"{group['listeners']:,}",
            f"{group[f'recall@{k}']:.4f}",
            f"{group[f'ndcg@{k}']:.4f}",
        ]
        for group in groups
    ]
    return _table(["by", "value", "listeners", f"recall@{k}", f"ndcg@{k}"], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
