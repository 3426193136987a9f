"""What stands on the page of a run, and what never does."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.disks import small_disk
from usersapi_async import (
    ActionRejected,
    AuthenticationError,
    BatchReport,
    BatchRunner,
    ConfigurationError,
    Create,
    Outcome,
    OutcomeUnknown,
    ReportError,
    RunRecorder,
    UsersSession,
    write_report,
)
from usersapi_async.reporting import _charts
from usersapi_async.reporting._facts import Facts
from usersapi_async.reporting._markup import count, duration, plural, rate
from usersapi_async.reporting._timeline import Span

from .support import (
    EMAIL,
    SCRIPT,
    Parsed,
    a_bit_of_everything,
    busy_facts,
    failed,
    in_doubt,
    not_attempted,
    page_of,
    rejected,
    report_of,
    statistics,
    succeeded,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_bit_of_everything() -> None:
    """Totals, verdict, advice, errors with their first rows, doubts: each in its place."""
    parsed = Parsed(page_of(a_bit_of_everything()))
    text = parsed.text
    assert "60 of 95 rows succeeded; 25 rows in doubt, 4 rows failed, 6 rows not attempted" in text
    assert "rows taken 95 succeeded 60 failed 4 in doubt 25 not attempted 6 rows a second 9.5" in text
    assert "requests 6,500 sent again 1" in text
    assert "Look up the 25 rows in doubt before anything is sent again." in text
    assert "Mend the 4 rows that failed, and feed them again." in text
    assert "Run the 6 rows that were not attempted." in text
    assert "The server set the pace. It asked for 1 pause, 1.0 s in all" in text
    assert "concurrency=Pace(limit=20)" in text
    assert "failed: ActionRejected, HTTP 200 2 rows" in text
    assert "*** is taken 1 row, first row 61" in text
    assert "a @ $.b; c @ $.d 1 row, first row 63" in text
    assert "in doubt: ConnectionLost 12 rows the connection broke 12 rows, first row 71" in text
    assert "retry after: 425, 429 1 500 ms 500 ms pause asked for with HTTP 429 1 1.0 s 1.0 s" in text
    assert "15 more Further rows in doubt" in text
    assert "began 2026-11-18 11:06:40 UTC · took 10 s · group 100909072 · usersapi-async" in text
    assert text.count("70 create 2026-11-18 11:06:40 UTC RequestTimeout") == 1


def test_nothing_runs_and_nothing_is_loaded() -> None:
    """What comes from outside is text, and the policy allows this style sheet alone."""
    html = page_of(a_bit_of_everything(), title=f"{SCRIPT}$style")
    parsed = Parsed(html)
    assert f"create: the service refused it: {SCRIPT}" in parsed.text
    assert parsed.texts.count(f"{SCRIPT}$style") == 2
    tags = {tag for tag, _ in parsed.tags}
    assert not tags & {"script", "img", "link", "iframe", "object", "base", "form", "use", "image"}
    assert parsed.having("style") == parsed.having("src") == []
    assert all(link.startswith("#") for link in parsed.having("href"))
    assert not any(name.startswith("on") for _, values in parsed.tags for name in values)
    (style,) = parsed.styles
    assert "url(" not in style
    assert "@import" not in style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert policy in parsed.having("content")


def test_nobody_is_shown() -> None:
    """Neither keys nor addresses in messages, unless the caller makes something of the keys."""
    outcomes = a_bit_of_everything()
    report = report_of(outcomes, stopped_by=f"20 rows in a row were refused alike: {EMAIL}", exhausted=False)
    html = page_of(outcomes, report=report)
    assert "quirke" not in html
    assert "20 rows in a row were refused alike: ***" in html
    assert "Keys are not shown." in html

    masked = page_of(outcomes, show_key=lambda key: f"{str(key)[:2]}…")
    assert "first row 62 (ph…)" in masked
    assert "quirke" not in masked
    shown = Parsed(page_of(outcomes, show_key=str)).text
    assert f"70 {EMAIL} create" in shown
    assert "Keys are not shown." not in shown


def test_links_lead_somewhere_and_names_are_single() -> None:
    """What refers to an element finds it."""
    parsed = Parsed(page_of(a_bit_of_everything()))
    names = parsed.having("id")
    assert len(names) == len(set(names))
    links = [link.removeprefix("#") for link in parsed.having("href")]
    assert {*links, *parsed.having("aria-labelledby")} <= set(names)
    assert links == ["main", "next", "time", "latency", "retries", "errors", "doubts", "about"]


def test_colours_have_no_meaning_alone() -> None:
    """Every drawing says in words what it shows, and its numbers stand in a table."""
    parsed = Parsed(page_of(a_bit_of_everything()))
    drawings = [values for tag, values in parsed.tags if tag == "svg" and values.get("role") == "img"]
    assert len(drawings) == 5
    labels = [values["aria-label"] or "" for values in drawings]
    assert labels[0] == "succeeded 63.2%, failed 4.2%, in doubt 26.3%, not attempted 6.3%"
    assert labels[1].startswith("Throughput over 1 min 0 s: succeeded ")
    assert "Averages of each span of time" in parsed.text
    assert parsed.text.count("59 s to 1 min 0 s") == 1 + 4


@pytest.mark.parametrize(
    ("outcomes", "values", "says", "advises"),
    [
        ([], {}, "No row was taken", "See that there was something to do."),
        ([succeeded(0)], {}, "The row succeeded", "Nothing. Every row succeeded."),
        ([succeeded(0), succeeded(1)], {}, "All 2 rows taken succeeded", "Nothing."),
        ([failed(0)], {}, "0 of 1 row succeeded; 1 row failed", "Mend the 1 row that failed"),
        ([not_attempted(0)], {}, "0 of 1 row succeeded; 1 row not attempted", "Run the 1 row"),
        (
            [succeeded(0)],
            {"exhausted": False, "stopped_by": "the deadline passed"},
            "The row succeeded",
            "its input: the deadline passed. It took 1 row; go on with the row of index 1,",
        ),
        ([succeeded(0)], {"exhausted": False}, "The row succeeded", "Nothing."),
        ([failed(0, AuthenticationError("no", status=401))], {}, "1 row failed", "Check the credentials."),
    ],
)
def test_verdict_and_advice(outcomes: list[Outcome], values: Any, says: str, advises: str) -> None:
    """One sentence that says how it went, and the first thing to do."""
    facts = Facts()
    for outcome in outcomes:
        facts.tally.add(outcome)
    text = Parsed(page_of(outcomes, facts, report=report_of(outcomes, **values))).text
    assert says in text
    assert f"What to do next {advises}" in text.replace(
        "Run the rest. The batch stopped before it had read all of ", ""
    )


def test_a_page_without_a_recorder() -> None:
    """Has no charts, says so, and when it was written."""
    text = Parsed(page_of([succeeded(0)], Facts(), report=report_of([succeeded(0)], elapsed=0.0))).text
    assert "Report of a run written 2026-11-18 11:08:20 UTC · usersapi-async" in text
    assert "Over time" not in text
    assert "How long it took" not in text
    assert "No call was recorded, so there is nothing to be shown over time." in text
    assert "This page knows the outcomes of 0 of 1 rows" in text


def test_a_run_without_trouble() -> None:
    """No retries, no pauses, no complaints, some rows of an earlier run."""
    outcomes: list[Outcome] = [succeeded(0, resumed=True), succeeded(1)]
    facts = busy_facts(outcomes)
    facts.retries.clear()
    facts.pauses.clear()
    text = Parsed(page_of(outcomes, facts)).text
    assert "Retries and pauses There were none." in text
    assert "1 row had been carried out by an earlier run already." in text
    assert "What did not succeed" not in text
    assert "In doubt" not in text


def test_a_session_that_sent_nothing() -> None:
    """All rows were wrong before anything was sent: there is no latency and no pace to tell."""
    facts = Facts(latest=statistics(latency=None))
    facts.timeline.add(Span(began=0, ended=0))
    text = Parsed(page_of([failed(0)], facts)).text
    assert "How long it took" not in text
    assert "Pace(limit" not in text
    assert "Latency over 0 ms: nothing" in page_of([failed(0)], facts)


def test_doubts_that_say_little() -> None:
    """One whose time isn't known, and more than the page holds."""
    outcomes: list[Outcome] = [in_doubt(index, sent_at=None) for index in range(150)]
    outcomes.append(in_doubt(150))
    bare = OutcomeUnknown("who knows")
    facts = busy_facts(outcomes)
    text = Parsed(page_of(outcomes, facts)).text
    assert "0 create RequestTimeout" in text
    assert "90 more Further rows in doubt" in text
    assert "And 51 rows besides." in text
    assert bare.cause is None


def test_many_kinds_and_messages() -> None:
    """The most frequent are shown, the rest is counted."""
    outcomes: list[Outcome] = [rejected(index, f"message {index % 30}") for index in range(90)]
    outcomes += [failed(100 + index, ActionRejected("no", status=300 + index)) for index in range(60)]
    text = Parsed(page_of(outcomes)).text
    assert "failed: ActionRejected, HTTP 200 90 rows" in text
    assert "75 rows with other messages" in text
    assert "And 46 rows of further kinds." in text
    assert "of other kinds" not in text
    few: list[Outcome] = [failed(index, ActionRejected("no", status=300 + index % 50)) for index in range(50)]
    few += [failed(100 + at, ActionRejected("no", status=300 + at % 3)) for at in range(300)]
    assert "of other kinds" not in Parsed(page_of(few)).text


def test_the_size_is_bounded() -> None:
    """A million rows whose every text is long and has to be escaped."""
    outcomes: list[Outcome] = []
    for kind in range(45):
        outcomes += [
            failed(
                len(outcomes) + at,
                ActionRejected(f"{at}{'<&>' * 1000}", status=200 + kind),
                key='"' * 1000,
            )
            for at in range(25)
        ]
    outcomes += [in_doubt(len(outcomes) + at, key='"' * 1000) for at in range(200)]
    facts = busy_facts(outcomes, seconds=100_000)
    report = report_of(outcomes, taken=1_000_000 - len(outcomes), succeeded=1_000_000 - len(outcomes))
    html = page_of(outcomes, facts, report=report, show_key=str)
    assert 100_000 < len(html.encode()) < 300_000


@given(st.text(), st.text(alphabet=st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Co"])))
@settings(max_examples=50)
def test_any_text(text: str, odd: str) -> None:
    """Stays text, can be encoded, and turns nothing around."""
    outcomes: list[Outcome] = [rejected(0, f"{text}{odd}")]
    html = page_of(outcomes, Facts(), title=f"{odd}{text}")
    Parsed(html)
    html.encode()
    shown = html.replace("\n", "")
    assert shown.isprintable()


@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.integers(0, 10**6), st.booleans(), st.none() | st.floats(0, 1e4))
    )
)
def test_any_run_can_be_drawn(steps: list[tuple[float, int, bool, float | None]]) -> None:
    """Every chart stays within its frame, whatever happened and however long it took."""
    ends = [0.0, *itertools.accumulate(seconds for seconds, *_ in steps)]
    spans = [Span(began=0, ended=0)] + [
        Span(
            began=began,
            ended=ended,
            succeeded=number,
            requests=number,
            retries=number,
            failed=number // 2,
            limit=number,
            paused=paused,
            p50=latency,
        )
        for (began, ended), (_, number, paused, latency) in zip(itertools.pairwise(ends), steps, strict=True)
    ]
    for chart in _charts.ALL:
        parsed = Parsed(_charts.draw(chart, spans))
        for path in parsed.having("d"):
            assert re.fullmatch(r"(?:[MHVZ ]|\d+(?:\.\d)?)+", path)
            moves = re.findall(r"([MHV])([\d.]+)(?: ([\d.]+))?", path)
            assert all(float(value) <= 1000.05 for step, value, _ in moves if step in "MH")
            assert all(float(value) <= 100.05 for step, value, _ in moves if step == "V")


def test_axes_end_at_round_numbers() -> None:
    """The next one that is not below."""
    tops = {0: 1, 0.003: 0.004, 0.99: 1, 1: 1, 1.1: 2, 2.5: 4, 7: 8, 9: 10, 10: 10, 130: 200, 4100: 5000}
    assert {value: pytest.approx(_charts._round_up(value)) for value in tops} == tops


def test_words_for_numbers() -> None:
    """With as many digits as say something."""
    seconds = (0, 0.0012, 0.0456, 0.99951, 0.9994, 3.44, 9.96, 59.6, 60, 3599.6, 3600, 7385, 4e6)
    assert [duration(value) for value in seconds] == [
        "0 ms",
        "1.2 ms",
        "46 ms",
        "1.0 s",
        "999 ms",
        "3.4 s",
        "10 s",
        "1 min 0 s",
        "1 min 0 s",
        "1 h 0 min",
        "1 h 0 min",
        "2 h 3 min",
        "1,111 h 6 min",
    ]
    assert [rate(value) for value in (0, 0.0123, 0.5, 1, 20, 99.94, 1234.5)] == [
        "0",
        "0.012",
        "0.5",
        "1",
        "20",
        "99.9",
        "1,234",
    ]
    assert (count(12345), plural(1, "row"), plural(0, "row"), plural(2, "box", "boxes")) == (
        "12,345",
        "1 row",
        "0 rows",
        "2 boxes",
    )


async def test_a_batch_is_written(users: UsersSession, tmp_path: Path) -> None:
    """A collected batch needs no adding; the file is its owner's alone, and replaces an older one."""
    path = tmp_path / "run.html"
    path.write_text("old")
    path.chmod(0o644)
    with RunRecorder(users) as recorder:
        rows: list[Any] = [{"first_name": "Nina"}, {"password": "short"}, {"first_name": "Bob"}]
        report = await BatchRunner(recorder.users).run(rows, build=lambda row: Create(doc=row))
    for _ in range(2):
        write_report(path, report, recorder, title="A night")
    (written,) = tmp_path.iterdir()  # noqa: ASYNC240 (nothing else runs meanwhile)
    assert written == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = Parsed(path.read_text("utf-8")).text
    assert "A night" in text
    assert "2 of 3 rows succeeded; 1 row failed" in text
    assert "must have 6 characters or more @ $.doc.password 1 row, first row 1" in text
    assert recorder.facts.tally.counted == 3


def test_only_what_it_can_be_made_of(tmp_path: Path) -> None:
    """Wrong arguments are told before anything is written."""
    for arguments, says in (
        ({"report": "x"}, "report: expected BatchReport"),
        ({"recorder": "x"}, "recorder: expected RunRecorder"),
        ({"show_key": "x"}, "show_key: expected a function"),
        ({"title": 5}, "title: expected str"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            write_report(tmp_path / "a.html", **{"report": BatchReport(), **arguments})  # type: ignore[arg-type]  # what is tested
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_can_not_be_written(tmp_path: Path) -> None:
    """The error names the file and the system's reason, and nothing half-written stays."""
    with pytest.raises(ReportError, match=r"report a\.html: No such file or directory"):
        write_report(tmp_path / "none" / "a.html", BatchReport())
    path = tmp_path / "a.html"
    path.write_text("old")
    with small_disk(1000), pytest.raises(ReportError, match=r"report a\.html: File too large"):
        write_report(path, BatchReport())
    assert path.read_text() == "old"
    (tmp_path / "folder").mkdir()
    with pytest.raises(ReportError, match=r"report folder: Is a directory"):
        write_report(tmp_path / "folder", BatchReport())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.html", "folder"]
