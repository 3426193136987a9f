"""Made-up people in families, some with mistakes that imports meet in real life."""

from __future__ import annotations

import csv
import random
import string
import unicodedata
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import TypeAlias

import attrs

from usersapi_async._files import private

Person: TypeAlias = dict[str, str]
Family: TypeAlias = list[Person]

COLUMNS = (
    "key",
    "parent_key",
    "first_name",
    "last_name",
    "main_email",
    "username",
    "password",
    "date_of_birth",
    "phone",
    "your_instrument",
)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_PARENTS = _words(
    """
    Nina José Amara Liam Priya Tomás Hana Viktor Leila Bruno Ingrid Kofi Mei Rafael Zoë Samir Greta
    Diego Yuki Carla Anton Fatima Oliver Noor Pavel Rosa Emil Aisha Hugo Lucía Jonas Renée Idris Clara
    Mateo Sofia Henrik Wanjiru André Talia
    """
)
_CHILDREN = _words(
    """
    Ada Leo Mila Finn Ivy Noah Lena Oscar Elif Theo Maya Luca Anouk Jamal Chloé Otto Suri Felix Inès
    Malik Romy Hugo Zara Nils Esme Kai Dalia Jonah Lily Tariq Freya Milo Nadia Ravi Elsa Gabriel Juno
    Amir Stella Björn
    """
)
_SURNAMES = _words(
    """
    Simone Okafor Lindqvist García Nakamura Moreau Haddad Kowalski Müller Oyelaran Petrov Rossi Silva
    Tanaka Novák Eriksen Ibrahim Fontaine Banerjee Castillo Dubois Eze Fischer Greene Horváth Ivanova
    Jansen Kaplan Larsson Mwangi Núñez Olsen Pereira Quinn Rahman Schröder Torres Ueda Vargas Weiss
    Yilmaz Zhang Abebe Brandt Cohen Diallo
    """
)
_INSTRUMENTS = _words(
    """
    piano violin cello flute oboe guitar trumpet horn drums harp clarinet
    """
)
_DOMAINS = ("example.org", "example.com", "example.net")
_CHILDREN_PER_PARENT = (20, 30, 35, 12, 3)
"""How often a parent has none, one, two, … children."""

_FEWEST_TO_SPOIL = 20
_PEOPLE_PER_MISTAKE = 400


@attrs.frozen(kw_only=True)
class Sample:
    """The people in the order of the file, each parent before its children. ``spoilt`` holds the keys of
    those that can't be registered: because of a mistake, or because their parent can't."""

    people: tuple[Person, ...] = attrs.field(repr=False)
    families: int
    spoilt: frozenset[str] = attrs.field(repr=False)


def make_sample(people: int, seed: int) -> Sample:
    """The same people for the same number and seed."""
    rng = random.Random(seed)
    families: list[Family] = []
    left = people
    while left:
        (children,) = rng.choices(range(len(_CHILDREN_PER_PARENT)), _CHILDREN_PER_PARENT)
        families.append(_family(rng, len(families) + 1, min(children, left - 1)))
        left -= len(families[-1])
    return Sample(
        people=tuple(person for family in families for person in family),
        families=len(families),
        spoilt=_spoil(rng, families, people),
    )


def write_people(path: Path, sample: Sample) -> None:
    """The sample as a new CSV file with a header, for the eyes of its owner only, as such files should be."""
    # The mode of a file that is there already would stay.
    path.unlink(missing_ok=True)
    with open(path, "x", encoding="utf-8", newline="", opener=private) as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(sample.people)


def _family(rng: random.Random, number: int, children: int) -> Family:
    key = f"fam{number:04}"
    surname = rng.choice(_SURNAMES)
    parent = _person(key, rng.choice(_PARENTS), surname)
    login = f"{_plain(parent['first_name'])}.{_plain(surname)}{number}"
    parent["main_email"] = f"{login}@{rng.choice(_DOMAINS)}"
    # The service takes the email where there is no username.
    parent["username"] = rng.choice(("", login))
    parent["password"] = rng.choice(("", "", "".join(rng.choices(string.ascii_letters, k=10))))
    parent["phone"] = f"555 {rng.randrange(1000):03} {rng.randrange(10_000):04}"
    family = [parent]
    for position, name in enumerate(rng.sample(_CHILDREN, children), start=1):
        child = _person(f"{key}-{position}", name, surname)
        child["parent_key"] = key
        child["date_of_birth"] = (
            f"{rng.randrange(2008, 2020)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
        )
        child["your_instrument"] = rng.choice(_INSTRUMENTS)
        family.append(child)
    return family


def _person(key: str, first_name: str, last_name: str) -> Person:
    return {**dict.fromkeys(COLUMNS, ""), "key": key, "first_name": first_name, "last_name": last_name}


def _plain(name: str) -> str:
    """The name in letters that every mail server takes."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()


def _spoil(rng: random.Random, families: list[Family], people: int) -> frozenset[str]:
    """Puts mistakes in, and gives the keys of all whom they hit."""
    if people < _FEWEST_TO_SPOIL:
        return frozenset()
    each = max(1, people // _PEOPLE_PER_MISTAKE)
    hit = rng.sample(families, min(each * len(_MISTAKES), len(families)))
    for family, mistake in zip(hit, cycle(_MISTAKES), strict=False):
        mistake(family[0])
    spoilt = {person["key"] for family in hit for person in family}
    siblings = [(family[0], child) for family in families for child in family[1:]]
    sound = [(parent, child) for parent, child in siblings if child["key"] not in spoilt]
    for parent, child in rng.sample(sound, min(each, len(sound))):
        # Its parent has it already, since a child is only sent once its parent's id is known.
        child["username"] = parent["username"] or parent["main_email"]
        spoilt.add(child["key"])
    return frozenset(spoilt)


def _mistype_email(parent: Person) -> None:
    parent["main_email"] = parent["main_email"].replace("@", " at ")


def _move_to_dead_domain(parent: Person) -> None:
    parent["main_email"] = parent["main_email"].partition("@")[0] + "@lighthouse.invalid"


def _shorten_password(parent: Person) -> None:
    parent["password"] = "abc12"  # noqa: S105 (a password that no service takes)


_MISTAKES: tuple[Callable[[Person], None], ...] = (_mistype_email, _move_to_dead_domain, _shorten_password)
