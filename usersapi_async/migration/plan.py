"""A plan: a file that says of each user of the source what is to be done, and what they looked like.

One JSON object a line: a head, a step for each user with parents before children, and an end that tells
whether the file is whole. It holds people's data.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self, TypeAlias

import attrs

from usersapi_async._files import private
from usersapi_async.errors import ConfigurationError

from .fields import FieldMap, MovedValue

PathLike: TypeAlias = str | os.PathLike[str]
Work: TypeAlias = Literal["create", "update", "skip", "leave"]
"""What is to be done: ``skip`` who is there already, ``leave`` who can't be moved."""
Existing: TypeAlias = Literal["skip", "update"]

_FORMAT = "usersapi migration plan"
_VERSION = 1
_END = b'{"end":'
"""Only the last line begins so."""
_COUNTERS = ("works", "why", "left_out", "filled")
WORKS: tuple[Work, ...] = ("create", "update", "skip", "leave")


class PlanError(ConfigurationError):
    """The plan's file can't be used, or belongs to something else; the message shows nothing of people."""


@attrs.frozen(kw_only=True)
class MigrationOptions:
    """What a migration is to do. ``source`` and ``target`` are ids of groups of one organisation;
    ``existing`` says what becomes of who is in the target already; ``with_excluded`` moves those too whom
    their status excludes. Mails go out and forms are submitted only if asked for."""

    source: int
    target: int
    mapping: FieldMap = attrs.field(factory=FieldMap)
    existing: Existing = "skip"
    with_excluded: bool = False
    send_emails: bool = False
    submit_forms: bool = False

    def __attrs_post_init__(self) -> None:
        if self.source == self.target:
            raise ConfigurationError("source and target: expected two groups, got the same twice")
        if self.existing not in ("skip", "update"):
            raise ConfigurationError('existing: expected "skip" or "update"')


@attrs.frozen(kw_only=True)
class Step:
    """What is to be done for one user. ``doc`` is what is sent; ``parent`` is the parent's id, and
    ``waits`` tells that the parent is to be created before. ``why`` says why nobody is created.
    ``source`` and ``target`` are digests of what the user looked like there, None if they weren't."""

    work: Work
    clogin_id: int
    parent: int | None = None
    waits: bool = False
    doc: Mapping[str, MovedValue] = attrs.field(factory=dict, repr=False)
    why: str | None = None
    source: str
    target: str | None = None

    @property
    def key(self) -> str:
        """The same in every run."""
        return key_of(self.clogin_id, self.work)


def key_of(clogin_id: int, work: Work = "create") -> str:
    """The key of what is to be done for a user; that of a create is what children refer to."""
    return f"{'update' if work == 'update' else 'clogin'} {clogin_id}"


@attrs.define(kw_only=True)
class PlanSummary:
    """What a plan comes to.

    ``works`` counts the steps by what they do, ``children`` those who are some. ``why`` counts the reasons of
    those who are skipped or left, ``left_out`` fields with the reason why a value of theirs can't go. In
    ``places`` stands for each field of the source where it goes (None: nowhere), and in ``filled`` how many
    have something in it. ``escaped`` counts the users with texts that hold HTML's escapes. ``in_source`` and
    ``in_target`` count those who were seen; ``shifted`` tells that a list changed while it was read.
    """

    works: Counter[str] = attrs.field(factory=Counter)
    children: int = 0
    why: Counter[str] = attrs.field(factory=Counter)
    left_out: Counter[str] = attrs.field(factory=Counter)
    places: dict[str, str | None] = attrs.field(factory=dict)
    filled: Counter[str] = attrs.field(factory=Counter)
    escaped: int = 0
    in_source: int = 0
    in_target: int = 0
    shifted: bool = False

    @property
    def to_send(self) -> int:
        """How many creates and updates there are."""
        return self.works["create"] + self.works["update"]

    def add(self, step: Step) -> None:
        """Counts a step."""
        self.works[step.work] += 1
        self.children += step.parent is not None
        if step.why is not None:
            self.why[step.why] += 1


@attrs.frozen(kw_only=True)
class Plan:
    """A plan in its file, read and found to be whole. ``account`` and ``base_url`` are what it was made with,
    ``made_at`` is Unix time."""

    path: Path
    options: MigrationOptions
    account: str
    base_url: str
    made_at: float
    summary: PlanSummary

    @classmethod
    def read(cls, path: PathLike) -> Self:
        """Reads a plan to its end. Raises `PlanError`."""
        path = Path(path)
        failure: str | None = None
        try:
            head, end = _checked(path)
            options = dict(head["options"])
            options["mapping"] = FieldMap(**options["mapping"])
            counted: dict[str, Any] = {
                name: Counter(value) if name in _COUNTERS else value for name, value in end["summary"].items()
            }
            return cls(
                path=path,
                options=MigrationOptions(**options),
                account=head["account"],
                base_url=head["base_url"],
                made_at=head["made_at"],
                summary=PlanSummary(**counted),
            )
        except OSError as error:
            failure = error.strerror or type(error).__name__
        except PlanError as error:
            failure = str(error)
        except (ValueError, TypeError, KeyError, AttributeError):
            failure = "not a plan that this version can read"
        raise PlanError(f"plan {path.name}: {failure}")

    def steps(self) -> Iterator[Step]:
        """What is to be done, parents before their children. Raises `PlanError`."""
        return (step for _, step in self.placed_steps())

    def placed_steps(self) -> Iterator[tuple[int, Step]]:
        """Each step with the place in the file where its line begins."""
        with self.path.open("rb") as file:
            place = len(file.readline())
            while not (line := file.readline()).startswith(_END):
                yield place, Step(**json.loads(line))
                place += len(line)

    def steps_at(self) -> Callable[[int], Step]:
        """What gives the step whose line begins at a place."""

        def step(place: int) -> Step:
            with self.path.open("rb") as file:
                file.seek(place)
                return Step(**json.loads(file.readline()))

        return step


def _checked(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The head and the end, if all lines are as they were written."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        first = file.readline()
        digest.update(first)
        head = json.loads(first)
        if head["format"] != _FORMAT or head["version"] != _VERSION:
            raise PlanError("not a plan that this version can read")
        for line in file:
            # It need not be the last line of a file that somebody changed.
            if line.startswith(_END):
                end: dict[str, Any] = json.loads(line)
                if end["end"] != digest.hexdigest() or file.readline():
                    raise PlanError("it was changed after it was made; make a new one")
                return head, end
            digest.update(line)
    raise PlanError("it is not whole: it was broken off while it was made")


class PlanWriter:
    """Writes a new plan. Use it with ``with``: a plan that is not finished leaves no file."""

    def __init__(self, path: PathLike, options: MigrationOptions, **about: Any) -> None:
        self._path = Path(path)
        self._head = {
            "format": _FORMAT,
            "version": _VERSION,
            **about,
            "options": attrs.asdict(options),
        }
        self._digest = hashlib.sha256()
        self._finished = False
        self._file: BinaryIO

    def __enter__(self) -> Self:
        failure: str | None = None
        try:
            self._file = open(self._path, "xb", opener=private)
        except FileExistsError:
            failure = "it is there already, and is not written over"
        except OSError as error:
            failure = error.strerror or type(error).__name__
        if failure is not None:
            raise PlanError(f"plan {self._path.name}: {failure}")
        self._add(self._head)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self._finished:
            with suppress(OSError):
                self._path.unlink()

    def add(self, step: Step) -> None:
        """Adds a step."""
        content = attrs.asdict(step, filter=lambda _, value: value not in (None, False, {}))
        self._add(content)

    def finish(self, summary: PlanSummary) -> None:
        """Adds the end."""
        self._add({"end": self._digest.hexdigest(), "summary": attrs.asdict(summary)})
        self._file.flush()
        os.fsync(self._file.fileno())
        self._finished = True

    def _add(self, content: Mapping[str, Any]) -> None:
        try:
            line = json.dumps(content, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            # A lone surrogate, which JSON can say in ASCII only.
            line = json.dumps(content).encode()
        self._digest.update(line + b"\n")
        self._file.write(line + b"\n")
