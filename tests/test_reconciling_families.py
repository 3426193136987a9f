"""Who is a child, and whose, when doubts are settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from usersapi_async import Create, CreateChild, ListedUser, UserListResponse, UsersSession, reconcile

from .doubts import Listing, forgetful, in_doubt

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator


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


async def test_both_names_must_be_shown(emulator: Emulator, users: UsersSession) -> None:
    """A list that never shows last names makes no child with a last name absent."""
    parent = (await users.create({"first_name": "Nina"})).clogin_id
    named = CreateChild(connected_to=parent, doc={"first_name": "Lisa", "last_name": "Simone"})
    short = CreateChild(connected_to=parent, doc={"first_name": "Bo"})
    doubts = await in_doubt(emulator, users, named, short, done=False)
    result = await reconcile(users, doubts, known_ids=(parent,), settle=0)
    assert (result.absent, result.ambiguous) == (("lost 1",), {"lost 0": ()})


async def test_a_child_is_sought_under_its_parent(emulator: Emulator, users: UsersSession) -> None:
    """Whoever stands elsewhere is somebody else: a namesake's child, the parent itself, an adult."""
    doc = {"main_email": "family@example.org"}
    parent, other = [(await users.create(doc)).clogin_id for _ in range(2)]
    await users.create_child(other, doc)
    child = CreateChild(connected_to=parent, doc=doc)
    users = users.with_options()
    lost = await in_doubt(emulator, users, child, done=False)
    nobody_known = forgetful(users)
    assert (await reconcile(nobody_known, lost, known_ids=(), settle=0)).absent == ("lost 0",)
    done = await in_doubt(emulator, users, child, done=True)
    result = await reconcile(nobody_known, done, known_ids=(), settle=0)
    assert result.found == {"done 0": max(emulator.users)}


async def test_an_adult_is_sought_among_adults(emulator: Emulator, users: UsersSession) -> None:
    """A child with the same email is not the one whose create is in doubt."""
    doc = {"main_email": "family@example.org"}
    parent = (await users.create()).clogin_id
    await users.create_child(parent, doc)
    doubts = await in_doubt(emulator, users, Create(doc=doc), done=False)
    result = await reconcile(forgetful(users), doubts, known_ids=(), settle=0)
    assert result.absent == ("lost 0",)


@pytest.mark.parametrize("unknown", [None, 0])
async def test_a_list_that_does_not_tell_families(
    emulator: Emulator, users: UsersSession, unknown: int | None
) -> None:
    """Without ``connected_to`` a match may be the child, and may be the adult."""
    doc = {"main_email": "family@example.org"}
    parent = (await users.create()).clogin_id
    child = CreateChild(connected_to=parent, doc=doc)
    doubts = await in_doubt(emulator, users, child, done=True)
    adult = await in_doubt(emulator, users, Create(doc=doc), done=False)
    (the_child,) = {*emulator.users} - {parent}

    def untold(page: UserListResponse) -> UserListResponse:
        def changed(user: ListedUser) -> ListedUser:
            return attrs.evolve(user, user_info=attrs.evolve(user.user_info, connected_to=unknown))

        return attrs.evolve(page, users=tuple(map(changed, page.everyone)), parents=(), children=())

    untelling = Listing(users, untold).users
    result = await reconcile(untelling, doubts, known_ids=(), settle=0)
    assert result.ambiguous == {"done 0": (the_child,)}
    result = await reconcile(untelling, adult, known_ids=(), settle=0)
    assert result.found == {"lost 0": the_child}
    result = await reconcile(untelling, doubts | adult, known_ids=(), settle=0)
    assert result.ambiguous == {"done 0": (the_child,), "lost 0": (the_child,)}


async def test_a_marker_elsewhere_is_not_nothing(emulator: Emulator, users: UsersSession) -> None:
    """Somebody with the marker who stands elsewhere in a family was created, if not as it was meant."""
    parent, other = [(await users.create()).clogin_id for _ in range(2)]
    doc = {"import_ref": "row 1"}
    moved = (await users.create_child(other, doc)).clogin_id
    doubts = await in_doubt(emulator, users, CreateChild(connected_to=parent, doc=doc), done=False)
    result = await reconcile(users, doubts, marker_field="import_ref", settle=0)
    assert result.ambiguous == {"lost 0": (moved,)}


@pytest.mark.parametrize(("counted", "sound"), [("all", True), ("top", True), ("other", False)])
async def test_nested_families(emulator: Emulator, users: UsersSession, counted: str, *, sound: bool) -> None:
    """Children who stand under their parent are seen; a walk counts if the total fits one way to count."""
    parent = (await users.create()).clogin_id
    doc = {"first_name": "Lisa"}
    await users.create_child(parent, {"first_name": "Bo"})
    doubts = await in_doubt(emulator, users, CreateChild(connected_to=parent, doc=doc), done=True)
    gone = CreateChild(connected_to=parent, doc={"first_name": "Jo"})
    doubts |= await in_doubt(emulator, users, gone, done=False)
    total = {"all": 3, "top": 1, "other": 2}[counted]

    def nested(page: UserListResponse) -> UserListResponse:
        parents = tuple(attrs.evolve(user, children=page.children) for user in page.parents)
        return attrs.evolve(page, parents=parents, children=(), total_users=total)

    result = await reconcile(Listing(users, nested).users, doubts, known_ids=(parent,), settle=0)
    assert result.found == {"done 0": max(emulator.users)}
    assert result.absent == (("lost 0",) if sound else ())
    assert result.complete is sound


async def test_a_known_person_elsewhere_in_a_family(emulator: Emulator, users: UsersSession) -> None:
    """Somebody who is there, but not where the create would have put them, is neither found nor absent."""
    parent, other = [(await users.create()).clogin_id for _ in range(2)]
    child = (await users.create_child(other)).clogin_id
    doubts = await in_doubt(
        emulator,
        users,
        Create(clogin_id=child),
        CreateChild(connected_to=parent, clogin_id=child),
        done=False,
    )
    doubts |= await in_doubt(emulator, users, CreateChild(connected_to=other, clogin_id=child), done=True)
    result = await reconcile(users, doubts, settle=0)
    assert result.found == {"done 0": child}
    assert result.ambiguous == {"lost 0": (child,), "lost 1": (child,)}
