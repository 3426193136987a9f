"""The shape of the project: layers, exports, lazy imports, sizes, version and declared dependencies."""

from __future__ import annotations

import ast
import graphlib
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import usersapi_async

PACKAGE = "usersapi_async"
FOLDER = Path(usersapi_async.__file__).parent
PROJECT = Path(__file__).parents[1]

# Imports point up this list only: a module imports from those above it. Only the first part of a name counts,
# so the modules of a subpackage stand on one level; `__init__` is the package's own, with the public names.
LAYERS = [
    "_version",
    "errors",
    "observer",
    "_arguments",
    "_files",
    "_checks",
    "_lenient",
    "_masking",
    "_ceiling",
    "_concurrency",
    "_pacing",
    "assumptions",
    "responses",
    "payloads",
    "_converter",
    "wire",
    "webhooks",
    "retry",
    "rate",
    "_queue",
    "_timers",
    "limiter",
    "stats",
    "settings",
    "_attempts",
    "transport",
    "_http",
    "_connections",
    "_direct",
    "_transports",
    "_call",
    "_telling",
    "dispatch",
    "listing",
    "_recognition",
    "actions",
    "session",
    "_sighting",
    "reconciling",
    "batch",
    "reporting",
    "migration",
    "__init__",
    "otel",
    "cli",
]
# What needs packages beyond the core's, and the extras that have them.
EXTRAS_OF = {
    "cli": ("cli", "tables"),
    "otel": ("otel",),
    "_http": ("speed",),
    "_connections": ("speed",),
}
# Recommended by an extra, and imported by whoever runs the event loop.
RECOMMENDED = {"uvloop"}
# The service in one process judges the client, so it shares nothing with it; only the command line runs it.
APART = "emulator"
MAY_IMPORT_APART = {APART, "cli"}

# The distributions that are not named as their module is.
MODULE_OF = {"opentelemetry-api": "opentelemetry"}

PUBLIC = """
ActionRejected AddEmail AddEmailResponse AddProduct AddProductResponse AttemptStarted AuthenticationError
BatchReport BatchRunner CallFinished CallStarted CartEntry CertificateError ConfigurationError ConnectError
ConnectionLost Create CreateChild CreateChildResponse CreateResponse Credentials CredentialsEdited Custom
DeadlineExceeded Delivery Email Failed FormSubmitted GetInfo GetInfoResponse GetUserList InDoubt Journal
JournalError Kind Latency Limiter ListedUser Login LoginResponse LoginSucceeded MalformedResponse MetaInfo
NotAttempted Observer Outcome OutcomeUnknown Pace Paused Payload PayloadError Pool PoolTimeout Product
Progress RateLimit RateLimited Reconciliation Ref Remainder ReportError RequestRejected RequestTimeout
Response ResponseError ResultLine ResultWriter ResultsError RetryPolicy RetryScheduled RunRecorder
ServerError SessionError SetStatus SetStatusResponse SourceError Statistics Succeeded Timeout TransportError
Update UpdateResponse UserInfo UserListResponse UserRegistered UserStream UsersApiError UsersSession Verdict
WebhookError WebhookEvent __version__ classify parse_webhook present_ids read_remainder read_results
reconcile write_report
"""


def _name_of(path: Path) -> str:
    parts = path.relative_to(FOLDER).with_suffix("").parts
    return ".".join((PACKAGE, *(parts[:-1] if parts[-1] == "__init__" else parts)))


FILES = {_name_of(path): path for path in sorted(FOLDER.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in FILES.items()}


def _layer(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def _origin(module: str, node: ast.ImportFrom) -> str:
    """The absolute name of what `node` imports from."""
    if not node.level:
        return node.module or ""
    above = node.level - (FILES[module].name == "__init__.py")
    parts = module.split(".")
    return ".".join(filter(None, [*parts[: len(parts) - above], node.module]))


def _all_imports(module: str) -> set[str]:
    """Everything that a module imports, anywhere in it and also for type checkers alone."""
    found: set[str] = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(module, node)
            for alias in node.names:
                submodule = f"{origin}.{alias.name}"
                found.add(submodule if submodule in FILES else origin)
    return found


IMPORTS = {module: _all_imports(module) for module in FILES}
OWN_IMPORTS = {module: {name for name in names if name in FILES} for module, names in IMPORTS.items()}


def _run(code: str) -> str:
    """What a fresh interpreter prints for `code`."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own code)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _loaded_by(module: str) -> set[str]:
    return set(_run(f"import sys, {module}; print(*sys.modules)").split())


def _requirements(*extras: str) -> set[str]:
    """The modules that belong to what pyproject.toml requires."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    listed = project["dependencies"] + [
        line for extra in extras for line in project["optional-dependencies"][extra]
    ]
    distributions = {re.split(r"[^\w-]", line)[0] for line in listed}
    return {MODULE_OF.get(name, name) for name in distributions}


def _third_party(layers: set[str]) -> set[str]:
    imported = {name for module in FILES if _layer(module) in layers for name in IMPORTS[module]}
    return {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {PACKAGE}


def test_every_module_has_a_layer() -> None:
    """No module stands outside the layers, and no layer lacks its modules."""
    present = {_layer(module) for module in FILES}
    assert present - {*LAYERS, APART} == set(), "new modules: give each its place in LAYERS"
    assert {*LAYERS, APART} - present == set(), "no such modules: take them out of LAYERS"


def test_imports_point_up() -> None:
    """A module imports only from its own layer and from those above it in the list."""
    rank = {layer: place for place, layer in enumerate(LAYERS)}
    wrong = [
        f"{module} imports {imported}"
        for module, names in OWN_IMPORTS.items()
        for imported in names
        if APART not in (_layer(module), _layer(imported)) and rank[_layer(imported)] > rank[_layer(module)]
    ]
    assert wrong == []


def test_emulator_stands_apart() -> None:
    """The emulator imports nothing of the client, and nothing but the command line imports it."""
    wrong = [
        f"{module} imports {imported}"
        for module, names in OWN_IMPORTS.items()
        for imported in names
        if (_layer(module) == APART and _layer(imported) != APART)
        or (_layer(imported) == APART and _layer(module) not in MAY_IMPORT_APART)
    ]
    assert wrong == []


def test_no_import_cycles() -> None:
    """No modules import each other in a circle, not even where only type checkers see it."""
    graphlib.TopologicalSorter(OWN_IMPORTS).prepare()


def test_dependencies_are_declared_and_used() -> None:
    """What the core imports is what the project depends on; other layers add their extra's, no more."""
    core = {*LAYERS, APART} - {*EXTRAS_OF}
    # The plugin is imported by pytest alone.
    assert _third_party(core) - {"pytest"} == _requirements()
    for extras in set(EXTRAS_OF.values()):
        imported = _third_party({layer for layer, its in EXTRAS_OF.items() if its == extras})
        assert imported <= _requirements(*extras)
        assert imported >= _requirements(*extras) - _requirements() - RECOMMENDED


def test_public_names() -> None:
    """The public names are pinned: one that comes or goes is seen here."""
    assert sorted(usersapi_async.__all__) == PUBLIC.split()
    assert dir(usersapi_async) == sorted(usersapi_async.__all__)


def test_public_names_for_type_checkers() -> None:
    """Type checkers are told the same names, from the same modules, as are found when the program runs."""
    (block,) = [
        node
        for node in TREES[PACKAGE].body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    told = {
        node.module: [alias.name for alias in node.names]
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.level == 1
    }
    homes = {module: names.split() for module, names in usersapi_async._HOMES.items()}
    assert told == homes
    assert {*usersapi_async._HOME_OF, "__version__"} == set(usersapi_async.__all__)


@pytest.mark.parametrize("name", sorted(set(PUBLIC.split()) - {"__version__"}))
def test_public_name_has_its_home(name: str) -> None:
    """A public name is what its home calls so, and classes and functions are defined there."""
    home = importlib.import_module(f"{PACKAGE}.{usersapi_async._HOME_OF[name]}")
    value = getattr(usersapi_async, name)
    assert value is getattr(home, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert f"{value.__module__}.".startswith(f"{home.__name__}.")
        assert value.__doc__


def test_unknown_name() -> None:
    """A name that is not public is an AttributeError that tells it."""
    with pytest.raises(AttributeError, match="no attribute 'Nobody'"):
        _ = usersapi_async.Nobody


def test_each_module_imports_alone() -> None:
    """Each module can be the first of the package that a program imports."""
    names = [name for name in FILES if not name.endswith(".__main__")]
    printed = _run(
        f"""
import importlib, sys, traceback
for name in {names}:
    for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == {PACKAGE!r}]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except Exception:
        traceback.print_exc(file=sys.stdout)
"""
    )
    assert printed == ""


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        (PACKAGE, {"aiohttp", "attrs", "cattrs"}),
        (f"{PACKAGE}.errors", {"aiohttp", "attrs", "cattrs"}),
        (f"{PACKAGE}.payloads", {"aiohttp", "cattrs"}),
        (f"{PACKAGE}.session", {"httptools", "opentelemetry", "pytest", "rich", "typer", "uvloop"}),
        (f"{PACKAGE}._direct", {"uvloop"}),
        (f"{PACKAGE}.emulator.pytest_plugin", {"aiohttp", "attrs", "cattrs"}),
    ],
)
def test_imports_are_lazy(module: str, unwanted: set[str]) -> None:
    """Importing a part loads nothing heavy that this part does not need."""
    assert _loaded_by(module) & unwanted == set()


def test_modules_are_short() -> None:
    """No module is longer than 400 lines."""
    long = {name for name, path in FILES.items() if len(path.read_text("utf-8").splitlines()) > 400}
    assert long == set()


def test_typed() -> None:
    """The marker that makes type checkers read the annotations is in the package."""
    assert (FOLDER / "py.typed").is_file()


def test_version_is_the_changelogs() -> None:
    """The version is the latest that the changelog describes."""
    changelog = (PROJECT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## \[(\d[^\]]*)\] - \d{4}-\d{2}-\d{2}$", changelog, re.MULTILINE)
    assert versions[0] == usersapi_async.__version__
