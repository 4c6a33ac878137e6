"""One row of the table from the findings of all processes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from launch.doctor.check_result import VERDICTS, Check, Finding, Verdict, worst

MAX_PARTS = 4  # of a row


class Part(NamedTuple):
    """A finding, and the ranks that have it; none where all of them have."""

    finding: Finding
    where: str
    ranks: tuple[int, ...]


class Row(NamedTuple):
    """A check over all processes: the worst verdict, and the parts that differ."""

    name: str
    verdict: Verdict
    parts: list[Part]
    cures: list[str]

    @classmethod
    def single(cls, name: str, finding: Finding) -> "Row":
        """The row of a single finding."""
        cures = [finding.cure] if finding.cure else []
        return cls(name, finding.verdict, [Part(finding, "", ())], cures)


def merge(check: Check, found: Mapping[int, Finding], hosts: Mapping[int, str]) -> Row | None:
    """None if no process had anything to check. `hosts` names the host of each rank."""
    if not found:
        return None
    parts = _parts(check, found, hosts)
    kinds = {each.alike for each in found.values() if each.alike}
    verdicts: list[Verdict] = [each.verdict for each in found.values()]
    cures = list(dict.fromkeys(part.finding.cure for part in parts if part.finding.cure))
    if len(kinds) > 1:
        verdicts.append(_difference(check, found))
        cures.append(check.cure)
    return Row(check.name, worst(verdicts), parts, list(filter(None, dict.fromkeys(cures))))


def _difference(check: Check, found: Mapping[int, Finding]) -> Verdict:
    """A run over processes of which some have no GPU cannot work."""
    kinds = {each.alike for each in found.values() if each.alike}
    return "failed" if check.name == "devices" and "cpu" in kinds else check.differing


def _parts(check: Check, found: Mapping[int, Finding], hosts: Mapping[int, str]) -> list[Part]:
    """The worst first; where all is well, one part for all."""
    groups = dict[tuple[str, ...], list[int]]()
    for rank, each in found.items():
        text = "" if each.score is not None else each.figure
        groups.setdefault((each.verdict, text, each.cure, each.alike), []).append(rank)
    parts = list[Part]()
    for ranks in groups.values():
        shown = min(ranks, key=lambda rank: (found[rank].score or 0, rank))
        whole = len(groups) == 1
        where = "" if whole else places(ranks, hosts, check.by)
        measured_once = whole and check.by == "together"
        if not measured_once and len({found[rank].figure for rank in ranks}) > 1:
            least = places([shown], hosts, check.by)
            where = f"{least}, the least of {where or len(ranks)}"
        parts.append(Part(found[shown], where, tuple(ranks)))
    return sorted(parts, key=lambda part: -VERDICTS.index(part.finding.verdict))


def places(ranks: Sequence[int], hosts: Mapping[int, str], by: str) -> str:
    """`n07 (ranks 0-7), n08 (rank 9)`; only hosts where one process of each has looked."""
    names = dict[str, list[int]]()
    for rank in sorted(ranks):
        names.setdefault(hosts.get(rank, "unknown host"), []).append(rank)
    if by == "host":
        return ", ".join(names)
    return ", ".join(f"{host} ({rank_range(each)})" for host, each in names.items())


def rank_range(ranks: Sequence[int]) -> str:
    """`rank 3`, `ranks 0-2, 5`; the ranks ascend."""
    spans = list[list[int]]()
    for rank in ranks:
        if spans and rank == spans[-1][-1] + 1:
            spans[-1].append(rank)
        else:
            spans.append([rank])
    text = ", ".join(f"{s[0]}-{s[-1]}" if len(s) > 1 else str(s[0]) for s in spans)
    return f"rank{'s' * (len(ranks) > 1)} {text}"
