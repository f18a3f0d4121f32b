"""No secret comes out of any provider: not printed, not logged, not in an error or in what caused it."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, cast

import pytest

from aiohttp_s3_client import CredentialsError
from aiohttp_s3_client.credentials import (
    AnonymousCredentials,
    ConfigCredentials,
    EnvironmentCredentials,
    PartialCredentials,
    StaticCredentials,
    URLCredentials,
    collect_credentials,
    merge_credentials,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aiohttp_s3_client.credentials import AbstractCredentials

SECRET = "hunter2"
TOKEN = "to7ken"
PRIVATE = (SECRET, TOKEN)
KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN}
LINES = f"aws_access_key_id = AKID\naws_secret_access_key = {SECRET}\naws_session_token = {TOKEN}\n"


def profile(folder: Path, text: str, encoding: str = "utf-8") -> ConfigCredentials:
    """Read a file with ``text``."""
    path = folder / "credentials"
    path.write_text(text, encoding=encoding)
    return ConfigCredentials(path, folder / "config", environ={})


PRINTED: dict[str, Callable[[Path], object]] = {
    "partial": lambda _: PartialCredentials("here", "AKID", SECRET, TOKEN),
    "static": lambda _: StaticCredentials("AKID", SECRET, TOKEN),
    "value": lambda _: StaticCredentials("AKID", SECRET, TOKEN).current,
    "url": lambda _: URLCredentials(f"https://AKID:{SECRET}@host"),
    "environment": lambda _: EnvironmentCredentials(KEYS),
    "config": lambda folder: profile(folder, f"[default]\n{LINES}"),
    "merged": lambda _: merge_credentials(StaticCredentials("AKID", SECRET), EnvironmentCredentials(KEYS)),
    "collected": lambda _: collect_credentials(environ=KEYS | {"AWS_REGION": "eu-west-1"}),
}

ERRORS: dict[str, Callable[[Path], object]] = {
    "static without an ID": lambda _: StaticCredentials("", SECRET, TOKEN),
    "static with a line end": lambda _: StaticCredentials("AKID", f"{SECRET}\n"),
    "static token with a line end": lambda _: StaticCredentials("AKID", "secret", f"{TOKEN}\r\nx: y"),
    "static of bytes": lambda _: StaticCredentials("AKID", cast("str", SECRET.encode())),
    "half a URL": lambda _: URLCredentials(f"https://:{SECRET}@host").current,
    "a slash in the URL's secret": lambda _: URLCredentials(f"https://AKID:{SECRET}/x@host"),
    "a slash before the secret's end": lambda _: URLCredentials(f"https://AKID:x/{SECRET}@host"),
    "a URL without its host": lambda _: URLCredentials(f"https://AKID:{SECRET}"),
    "a URL with a bad port": lambda _: URLCredentials(f"https://AKID:{SECRET}@host:port"),
    "a line end in the URL's secret": lambda _: URLCredentials(f"https://AKID:{SECRET}%0A@host"),
    "half an environment": lambda _: EnvironmentCredentials({"AWS_SECRET_ACCESS_KEY": SECRET}).current,
    "a token in the environment": lambda _: EnvironmentCredentials({"AWS_SESSION_TOKEN": TOKEN}).current,
    "a line end in the environment": lambda _: EnvironmentCredentials(KEYS | {"AWS_SESSION_TOKEN": f"a\n{TOKEN}"}),
    "half a profile": lambda folder: profile(folder, f"[default]\naws_secret_access_key = {SECRET}\n").current,
    "a token in a profile": lambda folder: profile(folder, f"[default]\naws_session_token = {TOKEN}\n").current,
    "two lines in a profile": lambda folder: profile(folder, f"[default]\n{LINES}  {SECRET}\n"),
    "no section": lambda folder: profile(folder, LINES),
    "no equals sign": lambda folder: profile(folder, f"[default]\n{SECRET}\n"),
    "twice the setting": lambda folder: profile(folder, f"[default]\n{LINES}{LINES}"),
    "twice the section": lambda folder: profile(folder, f"[a]\n{LINES}[a]\n{LINES}"),
    "not UTF-8": lambda folder: profile(folder, f"[default]\n{LINES}é", "latin-1"),
    "unknown profile": lambda folder: ConfigCredentials(
        folder / "credentials", folder / "config", profile="x", environ=KEYS
    ),
    "half a merge": lambda _: merge_credentials(
        PartialCredentials("here", None, SECRET), PartialCredentials("there", "AKID", "other", TOKEN)
    ),
    "keys beside a provider": lambda _: collect_credentials(
        credentials=AnonymousCredentials(), secret_access_key=SECRET, session_token=TOKEN
    ),
    "half a collection": lambda folder: collect_credentials(
        secret_access_key=SECRET, session_token=TOKEN, environ={"HOME": str(folder)}
    ),
    "no provider": lambda _: collect_credentials(credentials=cast("AbstractCredentials", ("AKID", SECRET))),
}


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Give an error and all that it came from, also what a traceback would not show."""
    pending: list[BaseException | None] = [error]
    while pending:
        link = pending.pop()
        if link is not None:
            yield link
            pending += [link.__cause__, link.__context__]


@pytest.mark.parametrize("make", PRINTED.values(), ids=PRINTED)
def test_printed_identity_shows_its_key_id_and_no_secret(make: Callable[[Path], object], tmp_path: Path) -> None:
    """In every way that Python has to print a thing."""
    made = make(tmp_path)
    for text in (repr(made), str(made), f"{made}", format(made), f"{[made]}"):
        assert "AKID" in text
        assert not any(private in text for private in PRIVATE)


@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS)
def test_error_and_its_causes_show_no_secret(
    make: Callable[[Path], object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in its text, nor in its arguments and attributes, nor in what is logged."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises((CredentialsError, ValueError, TypeError)) as caught:
        make(tmp_path)
    texts = [caplog.text, "".join(traceback.format_exception_only(caught.value))]
    for link in chain_of(caught.value):
        texts += [str(link), repr(link), repr(link.args), repr(vars(link))]
    assert not [text for text in texts if any(private in text for private in PRIVATE)]


def test_warning_about_a_broken_file_shows_no_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log is read by more people than the file."""
    path = tmp_path / "credentials"
    path.write_text(f"[default]\n{LINES}{SECRET}\n")
    environ = KEYS | {"HOME": str(tmp_path), "AWS_SHARED_CREDENTIALS_FILE": str(path)}
    collect_credentials(environ=environ)
    assert "line 5" in caplog.text
    assert not any(private in caplog.text for private in PRIVATE)


def test_anonymous_credentials_print_as_such() -> None:
    """There is nothing to hide, and nothing to show."""
    assert repr(AnonymousCredentials("eu-west-1")) == "<AnonymousCredentials>"


def test_printed_provider_names_its_source() -> None:
    """To see in a log whose identity a program runs with."""
    assert repr(EnvironmentCredentials({})) == "<EnvironmentCredentials access_key_id=None from environment>"
    merged = merge_credentials(PartialCredentials("here", "AKID"), PartialCredentials("there", None, SECRET))
    assert repr(merged) == "<KnownCredentials access_key_id='AKID' from here and there>"
