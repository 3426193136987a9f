"""Finding out what became of creates whose fate is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest

from usersapi_async import (
    AddEmail,
    BatchRunner,
    ConfigurationError,
    Create,
    CreateChild,
    Email,
    GetInfo,
    GetUserList,
    OutcomeUnknown,
    Payload,
    PayloadError,
    RequestRejected,
    RetryPolicy,
    Timeout,
    UserListResponse,
    UsersSession,
    reconcile,
)
from usersapi_async.emulator import Emulator, Fault

Doubts = dict[str | int, OutcomeUnknown]


async def in_doubt(emulator: Emulator, users: UsersSession, *payloads: Payload[Any], done: bool) -> Doubts:
    """Sends each payload so that its answer is lost, after the work or before it."""
    doubts: Doubts = {}
    for number, payload in enumerate(payloads):
        emulator.script(Fault.drop_after() if done else Fault.drop_before(), action=payload.action)
        with pytest.raises(OutcomeUnknown) as caught:
            await users.send(payload)
        doubts[f"{'done' if done else 'lost'} {number}"] = caught.value
    return doubts


def person(name: str, **doc: str) -> Create:
    """A create with these fields."""
    return Create(doc={"first_name": name, **doc})


async def test_found_and_absent_by_username_and_email(emulator: Emulator, users: UsersSession) -> None:
    """Who is in the list was created, who is not was not; letters' case makes no difference."""
    people = [person("A", username="Nina"), person("B", main_email="B@Example.org")]
    known = set(emulator.users)
    doubts = await in_doubt(emulator, users, *people, done=True)
    doubts |= await in_doubt(emulator, users, person("C", username="bob"), done=False)
    ids = list(emulator.users)

    result = await reconcile(users, doubts, known_ids=known, settle=0)
    assert result.found == {"done 0": ids[0], "done 1": ids[1]}
    assert result.absent == ("lost 0",)
    assert result.ambiguous == {}
    assert result.complete


async def test_children_by_parent_and_full_name(emulator: Emulator, users: UsersSession) -> None:
    """A child without email or username is known by its parent and its full name."""
    parent, other = (await users.create()).clogin_id, (await users.create()).clogin_id
    child = {"first_name": "Lisa", "last_name": "Simone"}
    await users.create_child(other, child)
    doubts = await in_doubt(emulator, users, CreateChild(connected_to=parent, doc=child), done=True)
    doubts |= await in_doubt(
        emulator, users, CreateChild(connected_to=parent, doc={"first_name": "Bo"}), done=False
    )
    result = await reconcile(users, doubts, known_ids={parent, other}, settle=0)
    assert result.found == {"done 0": max(emulator.users)}
    assert result.absent == ("lost 0",)


async def test_without_known_ids_a_match_is_ambiguous(emulator: Emulator, users: UsersSession) -> None:
    """A match may be somebody who was there before, unless the caller knows who was."""
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=True)
    result = await reconcile(users, doubts, settle=0)
    assert result.ambiguous == {"done 0": (max(emulator.users),)}
    assert result.found == {}
    assert result.absent == ()


async def test_somebody_known_or_given_is_not_the_one(emulator: Emulator, users: UsersSession) -> None:
    """An id from before the run, or one that this session was given for another row, doesn't count."""
    await users.create({"main_email": "nina@example.org"})
    doubts = await in_doubt(emulator, users, person("A", main_email="nina@example.org"), done=False)
    assert (await reconcile(users, doubts, known_ids=(), settle=0)).absent == ("lost 0",)


async def test_a_marker_is_exact(emulator: Emulator, users: UsersSession) -> None:
    """With a field of its own for each create nothing has to be known, and names may repeat."""
    twins = [person("A", import_ref="row 1"), person("A", import_ref="row 2")]
    doubts = await in_doubt(emulator, users, *twins, done=True)
    doubts |= await in_doubt(emulator, users, person("A", import_ref="row 3"), done=False)
    result = await reconcile(users, doubts, marker_field="import_ref", settle=0)
    assert result.found == dict(zip(("done 0", "done 1"), sorted(emulator.users), strict=True))
    assert result.absent == ("lost 0",)


async def test_a_field_that_the_list_never_shows_proves_nothing(
    emulator: Emulator, users: UsersSession
) -> None:
    """A marker that no listed user has makes nobody absent: the service may not list that field."""
    await users.create({"first_name": "Somebody"})
    doubts = await in_doubt(emulator, users, person("A", import_ref="row 1"), done=False)
    listing = _Listing(users, lambda page: _without_values(page))
    result = await reconcile(listing.users, doubts, marker_field="import_ref", settle=0)
    assert result.ambiguous == {"lost 0": ()}


async def test_two_matches_are_ambiguous(emulator: Emulator, users: UsersSession) -> None:
    """Two people with one email, or two doubts with one, can't be told apart."""
    same = [person("A", main_email="nina@example.org"), person("B", main_email="nina@example.org")]
    doubts = await in_doubt(emulator, users, *same, done=True)
    result = await reconcile(users, doubts, known_ids=(), settle=0)
    both = tuple(sorted(emulator.users))
    assert result.ambiguous == {"done 0": both, "done 1": both}


async def test_what_nothing_tells_apart_stays_in_doubt(emulator: Emulator, users: UsersSession) -> None:
    """A create without email or username, and actions that leave no trace in the list, stay ambiguous."""
    user = (await users.create()).clogin_id
    mail = AddEmail(clogin_id=user, emails=[Email(sender="a@b.org", to="c@d.org", subject="s", body="b")])
    doubts = await in_doubt(emulator, users, person("A"), mail, done=True)
    result = await reconcile(users, doubts, known_ids=(), settle=0)
    assert result.ambiguous == {"done 0": (), "done 1": ()}
    assert result.pages == 0


async def test_a_known_person(emulator: Emulator, users: UsersSession) -> None:
    """A create with a known id is asked for by that id in its group: one read proves that they are there, and
    only walks that they are not."""
    nina = (await users.create({"first_name": "Nina"})).clogin_id
    bob = (await users.create({"first_name": "Bob"})).clogin_id
    group = emulator.other_group_id
    doubts = await in_doubt(emulator, users, Create(clogin_id=nina, group_id=group), done=True)
    doubts |= await in_doubt(emulator, users, Create(clogin_id=bob, group_id=group), done=False)
    emulator.received.clear()
    result = await reconcile(users, doubts, settle=0)
    assert (result.found, result.absent, result.pages) == ({"done 0": nina}, ("lost 0",), 4)
    assert dict(emulator.received) == {"get_info": 2, "get_user_list": 2}


async def test_many_pages_and_the_excluded(emulator: Emulator, users: UsersSession) -> None:
    """The walk covers every page, overlapping, and those whose status excludes them."""
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=True)
    lost = next(iter(emulator.users))
    await BatchRunner(users).run([Create() for _ in range(160)])
    excluding = next(number for number, status in emulator.statuses.items() if status.excludes)
    await users.set_status(lost, excluding)
    result = await reconcile(users, doubts, known_ids=(), settle=0)
    assert result.found == {"done 0": lost}
    assert result.pages == 2 * 5


async def test_too_few_pages_make_nobody_absent(emulator: Emulator, users: UsersSession) -> None:
    """A walk that `max_pages` cuts short proves nothing, and says so."""
    await BatchRunner(users).run([Create() for _ in range(60)])
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=False)
    result = await reconcile(users, doubts, known_ids=(), settle=0, max_pages=1)
    assert (result.complete, result.absent, result.ambiguous) == (False, (), {"lost 0": ()})
    assert result.pages == 1


async def test_walks_that_never_agree_make_nobody_absent(emulator: Emulator, users: UsersSession) -> None:
    """While people come and go no two walks agree; after five the doubt stays."""
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=False)

    async def one_more(page: UserListResponse) -> UserListResponse:
        await users.create()
        return page

    result = await reconcile(_Listing(users, one_more).users, doubts, known_ids=(), settle=0)
    assert (result.complete, result.absent) == (False, ())
    assert result.pages == 5


async def test_a_walk_that_missed_somebody_does_not_count(emulator: Emulator, users: UsersSession) -> None:
    """A walk counts only if it saw as many as the service says there are; then two more must agree."""
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=True)
    await users.create()
    first = True

    async def hides_one_once(page: UserListResponse) -> UserListResponse:
        nonlocal first
        hidden, first = first, False
        return attrs.evolve(page, parents=page.parents[1:]) if hidden else page

    result = await reconcile(_Listing(users, hides_one_once).users, doubts, known_ids=(), settle=0)
    assert result.found == {"done 0": min(emulator.users)}
    # The first walk asked for a second page, since it was short of one user; the others needed none.
    assert result.pages == 2 + 1 + 1


async def waits(users: UsersSession, doubt: OutcomeUnknown, now: float, **options: Any) -> bool:
    """Whether reconciling, at Unix time `now`, waits before it reads."""
    try:
        async with asyncio.timeout(0):
            await reconcile(users, {"a": doubt}, known_ids=(), clock=lambda: now, **options)
    except TimeoutError:
        return True
    return False


async def test_it_waits_until_a_late_request_has_taken_effect(
    emulator: Emulator, users: UsersSession
) -> None:
    """The reads begin once the settle time after the end of the last attempt is over, by the given clock."""
    users = users.with_options(retry=RetryPolicy(settle=30), timeout=Timeout(attempt=60))
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=False)
    doubt = doubts["lost 0"]
    assert doubt.sent_at is not None
    assert doubt.ended_at is not None
    assert doubt.ended_at >= doubt.sent_at
    emulator.received.clear()
    assert await waits(users, doubt, doubt.ended_at + 29)
    # An error from elsewhere may not tell when the attempt ended, or tell nothing at all.
    doubt.ended_at = None
    assert await waits(users, doubt, doubt.sent_at + 60 + 29)
    assert await waits(users.with_options(timeout=Timeout(attempt=None)), doubt, doubt.sent_at + 3600)
    doubt.sent_at = None
    assert await waits(users, doubt, 1e12)
    assert not emulator.received
    result = await reconcile(users, doubts, known_ids=(), settle=0)
    assert result.absent == ("lost 0",)


async def test_no_wait_when_the_time_is_over(emulator: Emulator, users: UsersSession) -> None:
    """A doubt that is older than the settle time is looked at at once."""
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=False)
    ended_at = doubts["lost 0"].ended_at
    assert ended_at is not None
    result = await reconcile(users, doubts, known_ids=(), settle=30, clock=lambda: ended_at + 31)
    assert result.absent == ("lost 0",)


async def test_a_marker_that_is_listed_empty_proves_nothing(emulator: Emulator, users: UsersSession) -> None:
    """A service that lists a field it was asked for, and shows it of nobody, may not know it."""
    await users.create({"first_name": "Somebody"})
    doubts = await in_doubt(emulator, users, person("A", import_ref="row 1"), done=True)

    def blanked(page: UserListResponse) -> UserListResponse:
        blank = [attrs.evolve(user, values={**user.values, "import_ref": " "}) for user in page.parents]
        return attrs.evolve(page, parents=tuple(blank))

    result = await reconcile(_Listing(users, blanked).users, doubts, marker_field="import_ref", settle=0)
    assert (result.absent, result.ambiguous) == ((), {"done 0": ()})


async def test_values_that_the_server_spells_otherwise(emulator: Emulator, users: UsersSession) -> None:
    """Escaped for HTML, in another Unicode form, with other blanks: the same person."""
    doubts = await in_doubt(emulator, users, person("A", username="Zoe\u0308 O'Neil & co"), done=True)

    def respelled(page: UserListResponse) -> UserListResponse:
        odd = {"username": " ZO\u00cb  O&#039;Neil &amp; co"}
        return attrs.evolve(page, parents=tuple(attrs.evolve(user, values=odd) for user in page.parents))

    result = await reconcile(_Listing(users, respelled).users, doubts, known_ids=(), settle=0)
    assert result.found == {"done 0": max(emulator.users)}


@pytest.mark.parametrize("total", [2, 1, None, 3])
async def test_children_that_are_nested_under_their_parent(
    emulator: Emulator, users: UsersSession, total: int | None
) -> None:
    """They are looked at too; a walk whose total fits neither way of counting makes nobody absent."""
    parent = (await users.create({"first_name": "P"})).clogin_id
    child = CreateChild(connected_to=parent, doc={"first_name": "Lisa"})
    doubts = await in_doubt(emulator, users, child, done=True)
    other = CreateChild(connected_to=parent, doc={"first_name": "Bo"})
    doubts |= await in_doubt(emulator, users, other, done=False)

    def nested(page: UserListResponse) -> UserListResponse:
        bare = tuple(
            attrs.evolve(one, user_info=attrs.evolve(one.user_info, connected_to=None))
            for one in page.children
        )
        families = tuple(attrs.evolve(one, children=bare) for one in page.parents)
        # The second page, asked for where the total is 2, begins behind the parent.
        return attrs.evolve(page, parents=families, children=(), total_users=total)

    result = await reconcile(_Listing(users, nested).users, doubts, known_ids={parent}, settle=0)
    assert result.found == {"done 0": max(emulator.users)}
    assert (result.absent, result.complete) == ((("lost 0",), True) if total in (1, 2) else ((), False))


async def test_a_parent_and_its_child_with_one_email(emulator: Emulator, users: UsersSession) -> None:
    """A family shares an email: the parent is not taken for the child, nor the child for the parent."""
    email = "nina@example.org"
    known = (await users.create({"main_email": email})).clogin_id
    doubts = await in_doubt(emulator, users, person("Nina", main_email=email), done=True)
    parent = max(emulator.users)
    child = CreateChild(connected_to=parent, doc={"first_name": "Lisa", "main_email": email})
    doubts["child"] = (await in_doubt(emulator, users, child, done=True))["done 0"]
    lost = CreateChild(connected_to=known, doc={"first_name": "Bo", "main_email": email})
    doubts |= await in_doubt(emulator, users, lost, done=False)
    result = await reconcile(users, doubts, known_ids={known}, settle=0)
    assert result.found == {"done 0": parent, "child": max(emulator.users)}
    assert result.absent == ("lost 0",)


async def test_what_the_list_leaves_open_is_ambiguous(emulator: Emulator, users: UsersSession) -> None:
    """A child whose parent isn't listed may be this one; so may somebody with the email and another name."""
    parent = (await users.create()).clogin_id
    child = CreateChild(connected_to=parent, doc={"first_name": "Lisa", "main_email": "l@example.org"})
    doubts = await in_doubt(emulator, users, child, done=True)
    doubts["name"] = (await in_doubt(emulator, users, person("A", username="nina"), done=True))["done 0"]
    nameless, renamed = sorted(emulator.users)[-2:]

    def changed(page: UserListResponse) -> UserListResponse:
        bare = [
            attrs.evolve(one, user_info=attrs.evolve(one.user_info, connected_to=None))
            for one in page.children
        ]
        renames = [attrs.evolve(one, values={**one.values, "first_name": "B"}) for one in page.parents]
        return attrs.evolve(page, parents=tuple(renames), children=tuple(bare))

    result = await reconcile(_Listing(users, changed).users, doubts, known_ids=(), settle=0)
    assert result.ambiguous == {"done 0": (nameless,), "name": (renamed,)}


async def test_pages_of_any_size(
    emulator: Emulator, users: UsersSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages overlap by what they hold, so that nobody is skipped; few are asked for at once."""
    monkeypatch.setattr("usersapi_async.emulator.reading.PAGE_SIZE", 5)
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=True)
    await BatchRunner(users).run([Create() for _ in range(120)])
    most = 0

    def counted(page: UserListResponse) -> UserListResponse:
        nonlocal most
        most = max(most, users.limiter.in_flight)
        return page

    result = await reconcile(_Listing(users, counted).users, doubts, known_ids=(), settle=0)
    assert result.found == {"done 0": min(emulator.users)}
    assert result.pages == 2 * 31
    assert most <= 8


async def test_a_read_that_fails_loses_nothing(emulator: Emulator, users: UsersSession) -> None:
    """What is settled by then is told, and the error; the rest stays in doubt."""
    nina = (await users.create({"first_name": "Nina"})).clogin_id
    group = emulator.other_group_id
    doubts = await in_doubt(emulator, users, Create(clogin_id=nina, group_id=group), done=True)
    doubts |= await in_doubt(emulator, users, person("A", username="bob"), done=False)
    emulator.script(Fault.status(403), action="get_user_list")
    result = await reconcile(users, doubts, known_ids=(), settle=0)
    assert (result.found, result.absent) == ({"done 0": nina}, ())
    assert (result.ambiguous, result.complete) == ({"lost 0": ()}, False)
    assert isinstance(result.error, RequestRejected)
    assert not [task for task in asyncio.all_tasks() if "_few_at_once" in str(task.get_coro())]


async def test_nothing_settled_raises(emulator: Emulator, users: UsersSession) -> None:
    """When all that came of it is an error, the error comes out."""
    await BatchRunner(users).run([Create() for _ in range(120)])
    doubts = await in_doubt(emulator, users, person("A", username="bob"), done=False)
    emulator.script(None, Fault.status(403), action="get_user_list")
    with pytest.raises(RequestRejected):
        await reconcile(users, doubts, known_ids=(), settle=0)


async def test_an_answer_that_names_no_group_proves_nothing(emulator: Emulator, users: UsersSession) -> None:
    """A read of somebody known counts only if it says that they are in this group."""
    nina = (await users.create({"first_name": "Nina"})).clogin_id
    doubts = await in_doubt(
        emulator, users, Create(clogin_id=nina, group_id=emulator.other_group_id), done=True
    )

    class Silent(UsersSession):
        async def send(self, payload: Payload[Any]) -> Any:
            answer = await super().send(payload)
            return attrs.evolve(answer, user_info=None) if isinstance(payload, GetInfo) else answer

    silent = users.with_options()
    silent.__class__ = Silent
    emulator.received.clear()
    assert (await reconcile(silent, doubts, settle=0)).found == {"done 0": nina}
    assert emulator.received == {"get_info": 1, "get_user_list": 2}


async def test_a_report_s_doubts_fit(emulator: Emulator, users: UsersSession) -> None:
    """What a batch leaves in doubt can be handed over as it is."""
    emulator.script(Fault.drop_after())
    report = await BatchRunner(users, concurrency=1).run([("row 1", person("A", username="nina"))])
    result = await reconcile(users, report.doubts, known_ids=(), settle=0)
    assert result.found == {"row 1": max(emulator.users)}
    assert "row 1" not in repr(result)


async def test_nothing_in_doubt_sends_nothing(emulator: Emulator, users: UsersSession) -> None:
    """Without a doubt there is nothing to ask."""
    assert (await reconcile(users, {})).complete
    assert not emulator.requests


@pytest.mark.parametrize("wrong", [{"settle": -1}, {"max_pages": 0}])
async def test_wrong_arguments_are_named(users: UsersSession, wrong: dict[str, Any]) -> None:
    """A setting that can't be right is refused by its name."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        await reconcile(users, {}, **wrong)
    odd: list[Any] = [[], {"a": ValueError()}, None]
    for doubts in odd:
        with pytest.raises(ConfigurationError, match="doubts: expected a mapping of keys to OutcomeUnknown"):
            await reconcile(users, doubts)


async def test_find_user(emulator: Emulator, users: UsersSession) -> None:
    """People are found by username or main email, the excluded too, and nobody is an empty tuple."""
    nina = (await users.create({"username": "Nina", "main_email": "n@example.org"})).clogin_id
    twin = (await users.create({"main_email": "N@example.org", "username": "twin"})).clogin_id
    excluding = next(number for number, status in emulator.statuses.items() if status.excludes)
    await users.set_status(twin, excluding)
    assert [user.clogin_id for user in await users.find_user(username="nina ")] == [nina]
    assert {user.clogin_id for user in await users.find_user(main_email="n@EXAMPLE.org")} == {nina, twin}
    assert await users.find_user(username="nobody") == ()
    with pytest.raises(PayloadError, match="username or main_email"):
        await users.find_user()


class _Listing:
    """A session whose pages pass through a function on their way."""

    def __init__(
        self, users: UsersSession, change: Callable[[UserListResponse], Any | Awaitable[Any]]
    ) -> None:
        class Changing(UsersSession):
            async def send(self, payload: Payload[Any]) -> Any:
                answer = await super().send(payload)
                if not isinstance(payload, GetUserList):
                    return answer
                changed = change(answer)
                return await changed if isinstance(changed, Awaitable) else changed

        self.users = users.with_options()
        self.users.__class__ = Changing


def _without_values(page: UserListResponse) -> UserListResponse:
    return attrs.evolve(page, parents=tuple(attrs.evolve(user, values={}) for user in page.parents))
