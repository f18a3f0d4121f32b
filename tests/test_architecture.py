"""The layers of the package: imports go down only, never in a circle, and never to what a layer must not know."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "aiohttp_s3_client"
FOLDER = Path(__file__).parents[1] / PACKAGE

VALUES, WIRE, NETWORK, OPERATIONS, TRANSFERS, CLIENT, PUBLIC, FRONT_ENDS = range(8)

# The first name below the package says the layer; the empty one is the package itself, which gathers the public names.
LAYERS = {
    "config": VALUES,
    "errors": VALUES,
    "models": VALUES,
    "checksums": WIRE,
    "content_range": WIRE,
    "endpoint": WIRE,
    "headers": WIRE,
    "multipart_documents": WIRE,
    "listing": WIRE,
    "sigv4": WIRE,
    "xml": WIRE,
    "body": NETWORK,
    "buffers": NETWORK,
    "credentials": NETWORK,
    "receive": NETWORK,
    "region": NETWORK,
    "direct": NETWORK,
    "endings": NETWORK,
    "files": NETWORK,
    "idle": NETWORK,
    "session": NETWORK,
    "threads": NETWORK,
    "transport": NETWORK,
    "bucket": OPERATIONS,
    "operations": OPERATIONS,
    "verbs": OPERATIONS,
    "bulk": TRANSFERS,
    "concurrency": TRANSFERS,
    "download": TRANSFERS,
    "journal": TRANSFERS,
    "key_paths": TRANSFERS,
    "multipart": TRANSFERS,
    "progress": TRANSFERS,
    "target": TRANSFERS,
    "source": TRANSFERS,
    "upload": TRANSFERS,
    "workers": TRANSFERS,
    "client": CLIENT,
    "": PUBLIC,
    "__main__": FRONT_ENDS,
    "cli": FRONT_ENDS,
    "fs": FRONT_ENDS,
    "integrations": FRONT_ENDS,
    "testing": FRONT_ENDS,
}

FORBIDDEN_EVERYWHERE = {"boto3", "botocore"}
FORBIDDEN_ON_THE_WIRE = {"aiohttp", "asyncio"}


def sources_of_the_package() -> dict[str, str]:
    """Read every module, by its dotted name."""
    sources = {}
    for path in sorted(FOLDER.rglob("*.py")):
        parts = path.relative_to(FOLDER.parent).with_suffix("").parts
        sources[".".join(part for part in parts if part != "__init__")] = path.read_text(encoding="utf-8")
    return sources


SOURCES = sources_of_the_package()


def first_name_below(module: str) -> str:
    """Give the part of a module's name that says its layer."""
    return [*module.split("."), ""][1]


def layer_of(module: str) -> int:
    """Look the layer of a module up, and fail when nobody has thought about it."""
    name = first_name_below(module)
    if name not in LAYERS:
        pytest.fail(f"give the module {module} a layer: add {name!r} to LAYERS")
    return LAYERS[name]


def imports_of(module: str, sources: dict[str, str]) -> set[str]:
    """Give the full names of what a module imports, also those for type checkers and those inside of functions."""
    found = set()
    for node in ast.walk(ast.parse(sources[module])):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {source_of(name.name, node, sources) for name in node.names}
    return found


def source_of(name: str, node: ast.ImportFrom, sources: dict[str, str]) -> str:
    """Give the module that ``from ... import name`` reads: a submodule of that name, or else the one in between."""
    if node.level:
        pytest.fail(f"line {node.lineno}: relative imports hide the layer, write the full name")
    origin = node.module or ""
    return f"{origin}.{name}" if f"{origin}.{name}" in sources else origin


def is_ours(name: str) -> bool:
    """Whether a module belongs to the package."""
    return name == PACKAGE or name.startswith(f"{PACKAGE}.")


def may_import(module: str, target: str) -> bool:
    """Whether the layers allow an import."""
    own, other = layer_of(module), layer_of(target)
    if own == VALUES:
        return False
    if own == FRONT_ENDS:
        return (
            other == PUBLIC or first_name_below(target) == first_name_below(module) or module == f"{PACKAGE}.__main__"
        )
    return other <= own


def violations(module: str, sources: dict[str, str]) -> list[str]:
    """Say everything that is wrong with the imports of one module."""
    found = []
    for target in sorted(imports_of(module, sources)):
        library = target.split(".")[0]
        if is_ours(target) and not may_import(module, target):
            found.append(f"{module} must not import {target}: it is not in a layer below")
        if library in FORBIDDEN_EVERYWHERE:
            found.append(f"{module} must not import {target}: this library works without it")
        if layer_of(module) == WIRE and library in FORBIDDEN_ON_THE_WIRE:
            found.append(f"{module} must not import {target}: the wire layer is pure functions")
    return found


def assert_no_circle(sources: dict[str, str]) -> None:
    """Fail when modules import each other in a circle."""
    graph = {module: {name for name in imports_of(module, sources) if is_ours(name)} for module in sources}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("modules import each other: " + " <- ".join(error.args[1]))


@pytest.mark.parametrize("module", SOURCES)
def test_module_imports_only_what_is_below_it(module: str) -> None:
    """Every module can be read without knowing what stands on it."""
    assert violations(module, SOURCES) == []


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    """Within a layer, too, there is an order to read in."""
    assert_no_circle(SOURCES)


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("sigv4", "from aiohttp_s3_client.transport import Transport"),
        ("sigv4", "import aiohttp_s3_client.transport"),
        ("sigv4", "from aiohttp_s3_client import transport"),
        ("sigv4", "if TYPE_CHECKING:\n    from aiohttp_s3_client.client import S3Client"),
        ("sigv4", "def sign():\n    from aiohttp_s3_client.client import S3Client"),
        ("transport", "from aiohttp_s3_client import S3Client"),
        ("models", "from aiohttp_s3_client.errors import S3Error"),
        ("sigv4", "import aiohttp.client"),
        ("xml", "from asyncio import sleep"),
        ("client", "from botocore.auth import SigV4Auth"),
        ("credentials.sso", "import boto3"),
        ("testing.local_s3", "from aiohttp_s3_client.transport import Transport"),
        ("testing.local_s3", "from aiohttp_s3_client.cli import main"),
    ],
)
def test_forbidden_import_is_found(module: str, statement: str) -> None:
    """The check sees every way of writing an import."""
    name = f"{PACKAGE}.{module}"
    sources = {**SOURCES, f"{PACKAGE}.transport": "", name: statement}
    assert len(violations(name, sources)) == 1


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("sigv4", "from aiohttp_s3_client.models import Credentials"),
        ("transport", "from aiohttp_s3_client import sigv4"),
        ("client", "import aiohttp"),
        ("testing.local_s3", "from aiohttp_s3_client import S3Client"),
        ("testing.local_s3", "from aiohttp_s3_client.testing.server_process import ServerProcess"),
    ],
)
def test_import_from_below_is_allowed(module: str, statement: str) -> None:
    """What the layers are for stays possible."""
    name = f"{PACKAGE}.{module}"
    sources = {**SOURCES, f"{PACKAGE}.sigv4": "", name: statement}
    assert violations(name, sources) == []


def test_circle_is_found() -> None:
    """Two modules of one layer that need each other are told by name."""
    sources = {f"{PACKAGE}.body": f"import {PACKAGE}.transport", f"{PACKAGE}.transport": f"import {PACKAGE}.body"}
    with pytest.raises(pytest.fail.Exception, match=r"body <- .*transport"):
        assert_no_circle(sources)


def test_module_without_a_layer_is_found() -> None:
    """A new module gets a place before it gets users."""
    with pytest.raises(pytest.fail.Exception, match=r"give the module .*\.helpers a layer"):
        violations(f"{PACKAGE}.helpers", {f"{PACKAGE}.helpers": "import json"})
