"""A request's headers: what is refused before anything is sent, and what is added."""

from __future__ import annotations

from types import MappingProxyType
from typing import cast

import pytest

from aiohttp_s3_client.headers import checked_headers, content_type_of, copy_headers, put_headers

CONTROL_CHARACTERS = [chr(code) for code in (*range(32), 127) if code != ord("\t")]


@pytest.mark.parametrize("character", CONTROL_CHARACTERS, ids=ascii)
@pytest.mark.parametrize("form", ["{}", "a{}", "{}b", "a{}b"])
def test_a_control_character_in_a_value_is_refused(character: str, form: str) -> None:
    """It would end the header, or be refused on the way; the header is named, its value is not shown."""
    with pytest.raises(
        ValueError, match="the header x-amz-meta-note holds a line break or another control char"
    ) as caught:
        checked_headers({"x-amz-meta-note": form.format(character)})
    assert form.format(character) not in str(caught.value).removeprefix("the header x-amz-meta-note holds")


@pytest.mark.parametrize("value", ["", " ", "a b", "tab\there", "é", "日本", '"quoted"', "a:b", "\xa0", "\x85"])
def test_any_other_value_is_taken_as_it_is(value: str) -> None:
    """What the value means is not the client's business."""
    assert checked_headers({"x-amz-meta-note": value})["X-Amz-Meta-Note"] == value


@pytest.mark.parametrize("name", ["", " ", "a b", "a:b", "a\r\nb", "a\0", "é", "(a)", "a/b", '"a"', "a "])
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    """The message shows it so that unseen characters are seen."""
    with pytest.raises(ValueError, match="cannot be a header's name") as caught:
        checked_headers({name: "value"})
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("Authorization", "made from the credentials"),
        ("Content-Length", "data_length="),
        ("Host", "made from the client's URL"),
        ("Transfer-Encoding", "sent with its length"),
        ("X-Amz-Date", "the moment of sending"),
    ],
)
@pytest.mark.parametrize("spelling", [str, str.lower, str.upper])
def test_a_header_of_the_clients_own_is_refused(name: str, cure: str, spelling: type[str]) -> None:
    """However it is spelt, and with what to do instead."""
    with pytest.raises(ValueError, match=f"the header {spelling(name)} cannot be given: .*{cure}"):
        checked_headers({spelling(name): "value"})


@pytest.mark.parametrize("value", [None, 5, 1.5, True, b"bytes", ["a"]])
def test_a_value_that_is_no_text_is_refused(value: object) -> None:
    """The message names the header and the type."""
    with pytest.raises(TypeError, match=f"the header x-amz-meta-note is a {type(value).__name__}: write its value"):
        checked_headers({"x-amz-meta-note": cast("str", value)})


def test_the_callers_headers_are_never_written_to() -> None:
    """Each function gives a copy."""
    given = MappingProxyType({"x-amz-meta-note": "a"})
    assert put_headers(given, "key.txt")["Content-Type"] == "text/plain"
    assert copy_headers(given, "/bucket/key")["x-amz-copy-source"] == "/bucket/key"
    checked_headers(given)["more"] = "b"
    assert given == {"x-amz-meta-note": "a"}


def test_no_headers_are_none() -> None:
    """Nothing given, nothing there."""
    assert dict(checked_headers(None)) == {}
    assert dict(checked_headers({})) == {}


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("notes.txt", "text/plain"),
        ("data.json", "application/json"),
        ("page.html", "text/html"),
        ("folder.txt/photo.png", "image/png"),
        ("PHOTO.JPG", "image/jpeg"),
        ("Page.HtMl", "text/html"),
        (".json", "application/json"),
        ("archive.tar.gz", "application/gzip"),
        ("archive.tgz", "application/gzip"),
        ("notes.txt.gz", "application/gzip"),
        ("log.gz", "application/gzip"),
        ("log.bz2", "application/x-bzip2"),
        ("log.xz", "application/x-xz"),
        ("a b+c%20é.txt", "text/plain"),
        ("/leading.txt", "text/plain"),
        ("data:,x.txt", "text/plain"),
        ("https://store.example/notes.txt", "text/plain"),
        ("notes.txt?query", "application/octet-stream"),
        ("notes.txt#part", "application/octet-stream"),
        ("noending", "application/octet-stream"),
        ("folder.txt/noending", "application/octet-stream"),
        ("folder.txt/", "application/octet-stream"),
        (".bashrc", "application/octet-stream"),
        ("ends.", "application/octet-stream"),
        (".", "application/octet-stream"),
        ("..", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("file.nobody-knows-this", "application/octet-stream"),
        ("data:,x", "application/octet-stream"),
        ("data:text/html,x", "application/octet-stream"),
        ("a.data:text/html,x", "application/octet-stream"),
        ("\0.\n", "application/octet-stream"),
        ("x." + "y" * 1000, "application/octet-stream"),
    ],
)
def test_the_end_of_a_name_says_its_content_type(name: str, content_type: str) -> None:
    """Whatever its case; a packed file is what it is packed as, and where nothing is known it is just bytes."""
    assert content_type_of(name) == content_type
    assert put_headers(None, name)["Content-Type"] == content_type


@pytest.mark.parametrize("spelling", ["Content-Type", "content-type", "CONTENT-TYPE"])
def test_the_callers_content_type_stays(spelling: str) -> None:
    """Nothing is guessed where it is said, and it is not said twice."""
    completed = put_headers({spelling: "x/y"}, "notes.txt")
    assert completed.getall("Content-Type") == ["x/y"]


@pytest.mark.parametrize(
    "name",
    [
        "Content-Type",
        "content-type",
        "Cache-Control",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Language",
        "Expires",
        "x-amz-meta-note",
        "X-Amz-Meta-Note",
    ],
)
def test_metadata_of_a_copy_replaces_the_sources(name: str) -> None:
    """S3 must be told, or it passes the header over."""
    completed = copy_headers({name: "value"}, "/bucket/key")
    assert completed["x-amz-metadata-directive"] == "REPLACE"
    assert "x-amz-tagging-directive" not in completed


def test_tags_of_a_copy_replace_the_sources() -> None:
    """They have a directive of their own, and leave the metadata alone."""
    completed = copy_headers({"X-Amz-Tagging": "a=b"}, "/bucket/key")
    assert completed["x-amz-tagging-directive"] == "REPLACE"
    assert "x-amz-metadata-directive" not in completed


@pytest.mark.parametrize(
    "headers", [None, {}, {"x-amz-storage-class": "STANDARD_IA"}, {"x-amz-copy-source-if-match": "a"}]
)
def test_a_copy_without_metadata_keeps_the_sources(headers: dict[str, str] | None) -> None:
    """Nothing is said, which means copy."""
    completed = copy_headers(headers, "/bucket/key")
    assert "x-amz-metadata-directive" not in completed
    assert completed["x-amz-copy-source"] == "/bucket/key"


def test_the_callers_own_directive_stays() -> None:
    """Whoever says what shall be done gets it."""
    given = {"Content-Type": "x/y", "x-amz-tagging": "a=b"}
    directives = {"X-Amz-Metadata-Directive": "COPY", "X-Amz-Tagging-Directive": "COPY"}
    completed = copy_headers(given | directives, "/bucket/key")
    assert completed.getall("x-amz-metadata-directive") == ["COPY"]
    assert completed.getall("x-amz-tagging-directive") == ["COPY"]
