# SPDX-License-Identifier: MIT
"""Contenders, jobs, rounds, and the tables that come of them."""
import contextlib
import statistics
import sys
from dataclasses import dataclass, field

from .processes import Absent

LIMIT, OURS, PEER = "limit", "lanyard", "peer"


@dataclass
class Contender:
    """name is printed. role is LIMIT, OURS or PEER. open(context, stack) starts what lasts for all rounds, registers its end
    with the ExitStack, and returns measure(), which gives one number. Either may raise Absent."""
    name: str
    role: str
    open: object


@dataclass
class Job:
    name: str
    title: str
    unit: str
    contenders: list
    higher: bool = True       # is more better?
    digits: int = 0           # after the point, in the table
    target: float = None      # what ours must reach ...
    of_limit: bool = True     # ... as a ratio to the limit, or as a value
    reference: str = None     # name of the contender that the ratio is to, if not the limit
    note: str = ""


@dataclass
class Grid:
    """A table that is not one number a contender. rows(context, progress) yields its rows as text, in the order of the heading."""
    name: str
    title: str
    rows: object
    heading: list
    note: str = ""


@dataclass
class Row:
    contender: Contender
    values: list = field(default_factory=list)
    absent: str = ""

    @property
    def median(self):
        return statistics.median(self.values)


def run(job, context):
    """All rounds of one job, interleaved: A B C, A B C, ... Returns its rows."""
    if isinstance(job, Grid):
        return list(job.rows(context, progress))
    rows = [Row(c) for c in job.contenders]
    with contextlib.ExitStack() as stack:
        measures = {}
        for row in rows:
            try:
                measures[id(row)] = row.contender.open(context, stack)
            except Absent as why:
                row.absent = str(why)
        for number in range(context.rounds):
            for row in rows:
                if row.absent:
                    continue
                progress(f"{job.name}: round {number + 1} of {context.rounds}: {row.contender.name}")
                try:
                    row.values.append(measures[id(row)]())
                except Absent as why:
                    row.absent = str(why)
        progress("")
    return rows


def progress(text):
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def ratio(row, base):
    """The median of the ratios round by round, in which what disturbs a whole round cancels out."""
    pairs = [(a, b) for a, b in zip(row.values, base.values) if b]
    return statistics.median(a / b for a, b in pairs) if pairs else float("nan")


def _base(job, rows):
    for row in rows:
        wanted = row.contender.name == job.reference if job.reference else row.contender.role == LIMIT
        if wanted and row.values and not row.absent:
            return row
    return None


def number(value, digits):
    return "-" if value != value else f"{value:,.{digits}f}"  # a ratio to nothing is no number


def cells(job, rows):
    """The table as text: a list of rows of cells, the heading first."""
    if isinstance(job, Grid):
        yield job.heading
        yield from rows
        return
    base = _base(job, rows)
    ours = [r for r in rows if r.contender.role == OURS and r.values and not r.absent]
    yield ["", job.unit, "min .. max", f"of {job.reference or 'the limit'}", "lanyard to it"]
    for row in rows:
        if row.absent or not row.values:
            yield [row.contender.name, "absent", row.absent, "", ""]
            continue
        to_limit = number(ratio(row, base), 2) if base and row is not base else ""
        to_it = number(ratio(ours[0], row), 2) if ours and row is not ours[0] else ""
        spread = f"{number(min(row.values), job.digits)} .. {number(max(row.values), job.digits)}"
        yield [row.contender.name, number(row.median, job.digits), spread, to_limit, to_it]


def verdict(job, rows):
    """One line: what was asked, what ours reached."""
    if isinstance(job, Grid) or job.target is None:
        return ""
    base, got = _base(job, rows), []
    for row in rows:
        if row.contender.role != OURS or row.absent or not row.values or (job.of_limit and not base):
            continue
        value = ratio(row, base) if job.of_limit else row.median
        reached = value >= job.target if job.higher else value <= job.target
        got.append(f"{row.contender.name} {number(value, 2 if job.of_limit else job.digits)}"
                   f" ({'reached' if reached else 'missed'})")
    asked = f"{'at least' if job.higher else 'at most'} {job.target:g}" + (f" of {job.reference or 'the limit'}" if job.of_limit else f" {job.unit}")
    return f"Goal: {asked}. {'; '.join(got) or 'Not measured'}."


def as_text(job, rows):
    table = list(cells(job, rows))
    widths = [max(len(r[i]) for r in table if i != 2 or r[1] != "absent") for i in range(5)]
    lines = [f"{job.name}: {job.title}"]
    for r in table:
        if r[1] == "absent":
            lines.append(f"  {r[0]:<{widths[0]}}  absent: {r[2]}")
        else:
            lines.append("  " + f"{r[0]:<{widths[0]}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(r[1:], widths[1:])))
    lines += [f"  {text}" for text in (job.note, verdict(job, rows)) if text]
    return "\n".join(lines) + "\n"


def as_markdown(job, rows):
    lines = [f"### {job.title}", "", f"Job `{job.name}`. {job.note}".rstrip(), ""]
    for i, r in enumerate(cells(job, rows)):
        if r[1] == "absent":
            r = [r[0], "absent", r[2], "", ""]
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in r) + " |")
        if i == 0:
            lines.append("| --- | ---: | ---: | ---: | ---: |")
    text = verdict(job, rows)
    return "\n".join(lines + ([""] if text else []) + ([text] if text else [])) + "\n"
