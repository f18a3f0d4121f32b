"""S3's XML: what is read out of it, and what is refused, whatever a store or a proxy sends."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiohttp_s3_client import InvalidResponseError, ObjectMeta
from aiohttp_s3_client.models import ErrorDocument, ObjectsPage
from aiohttp_s3_client.xml import parse_error, parse_objects_page

if TYPE_CHECKING:
    from collections.abc import Callable

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
S3_NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
NAMESPACES = pytest.mark.parametrize(
    "namespace", ["", S3_NAMESPACE, ' xmlns="http://doc.s3.amazonaws.com/2006-03-01"', ' xmlns="urn:{odd ]name[*"']
)

ERROR = (
    "<Error><Code>NoSuchKey</Code><Message>It is not there.</Message><Resource>/photos/key</Resource>"
    "<RequestId>REQUEST</RequestId><HostId>HOST</HostId><Region>eu-west-1</Region></Error>"
)
PARSED_ERROR = ErrorDocument("NoSuchKey", "It is not there.", "/photos/key", "REQUEST", "HOST", "eu-west-1")

CONTENTS = (
    "<Contents><Key>a.txt</Key><LastModified>2026-03-01T12:30:00.000Z</LastModified><ETag>&quot;e1&quot;</ETag>"
    "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumAlgorithm>SHA256</ChecksumAlgorithm>"
    "<ChecksumType>FULL_OBJECT</ChecksumType><Size>434234</Size>"
    "<Owner><ID>75aa57</ID><DisplayName>mtd</DisplayName></Owner><StorageClass>STANDARD</StorageClass></Contents>"
)
PARSED_CONTENTS = ObjectMeta(
    key="a.txt",
    size=434234,
    etag='"e1"',
    last_modified=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
    storage_class="STANDARD",
    owner_id="75aa57",
    checksum_algorithms=("CRC64NVME", "SHA256"),
    checksum_type="FULL_OBJECT",
)
LISTING = (
    f"{DECLARATION}<ListBucketResult{S3_NAMESPACE}><Name>photos</Name><Prefix/><KeyCount>3</KeyCount>"
    "<MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
    f"<NextContinuationToken>1ueGcx+/=</NextContinuationToken>{CONTENTS}"
    "<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes></ListBucketResult>"
)
# A document of a few hundred bytes that would grow to gigabytes.
BILLION_LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY l0 "lol">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    + "]>"
)

texts = st.text(st.characters(codec="utf-8"), max_size=40)
# Documents that begin as a store's and are broken somewhere: cut, overwritten, or with something put in.
documents = st.sampled_from([ERROR.encode(), (DECLARATION + ERROR).encode(), LISTING.encode(), CONTENTS.encode()])
breaks = st.binary(max_size=8) | st.sampled_from(
    [b"<", b">", b"</", b"&", b"&quot;", b"&x;", b"<!DOCTYPE x>", b"<!--", b"<![CDATA[", b"\0", b"\xff", b' xmlns="}"']
)


@st.composite
def broken_documents(draw: st.DrawFn) -> bytes:
    """Break a document in up to three places."""
    document = draw(documents)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(document)))
        end = draw(st.integers(start, len(document)))
        document = document[:start] + draw(breaks) + document[end:]
    return document


def listing(content: str, namespace: str = S3_NAMESPACE) -> bytes:
    """Write a listing."""
    return f"{DECLARATION}\n<ListBucketResult{namespace}>{content}</ListBucketResult>".encode()


def contents(content: str) -> str:
    """Write an object of a listing, which has at least a key."""
    return f"<Contents><Key>key</Key>{content}</Contents>"


def only_object(content: str) -> ObjectMeta:
    """Read a listing with one object."""
    [found] = parse_objects_page(listing(contents(content))).objects
    return found


@NAMESPACES
@pytest.mark.parametrize("before", ["", DECLARATION, f"{DECLARATION}\n", f"\r\n \t{DECLARATION}", "\n\n", "\ufeff"])
def test_an_error_is_read_in_any_namespace(namespace: str, before: str) -> None:
    """Also behind the white space that S3 sends to keep a slow copy's connection open."""
    document = before + ERROR.replace("<Error>", f"<Error{namespace}>")
    assert parse_error(document.encode()) == PARSED_ERROR


def test_a_prefixed_error_is_read() -> None:
    """A prefix is another way to write a namespace."""
    prefixed = re.sub(r"<(/?)(\w)", r"<\1s3:\2", ERROR).replace("<s3:Error>", '<s3:Error xmlns:s3="urn:s3">')
    assert parse_error(prefixed.encode()) == PARSED_ERROR


@pytest.mark.parametrize(
    ("content", "parsed"),
    [
        ("", ErrorDocument("")),
        ("<Code/>", ErrorDocument("")),
        ("<Code>SlowDown</Code>", ErrorDocument("SlowDown")),
        ("<Message>a &lt;b&gt; &amp;&#32;&quot;c&quot;</Message>", ErrorDocument("", 'a <b> & "c"')),
        ("<Message><![CDATA[a <b>]]></Message>", ErrorDocument("", "a <b>")),
        ("<Code>A</Code><!-- a comment --><?an instruction?><Unknown><Code>B</Code></Unknown>", ErrorDocument("A")),
        ("<Key>key</Key><BucketName>photos</BucketName>", ErrorDocument("", resource="key")),
        ("<BucketName>photos</BucketName>", ErrorDocument("", resource="photos")),
        ("<Resource/><Key>key</Key>", ErrorDocument("", resource="key")),
    ],
)
def test_an_error_may_say_little(content: str, parsed: ErrorDocument) -> None:
    """What is absent is empty, what is unknown is passed over, and entities are decoded."""
    assert parse_error(f"<Error>{content}</Error>".encode()) == parsed


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b" \n",
        b"plain text",
        b"<html><body><h1>503 Slow Down</h1><br></body></html>",
        b"<!DOCTYPE html><html></html>",
        b"<html><Error><Code>SlowDown</Code></Error></html>",
        b'{"Code": "SlowDown"}',
        b"<CopyObjectResult><ETag>a</ETag></CopyObjectResult>",
        b"<Errors/>",
        b"<error><Code>SlowDown</Code></error>",
        ERROR.encode()[:-1],
        ERROR.encode()[:30],
        ERROR.encode() * 2,
        ERROR.encode() + b"<",
        ERROR.encode().replace(b"there", b"\xff"),
        ERROR.encode("utf-16"),
        b"<Error>\0</Error>",
        b"<Error><Code>&unknown;</Code></Error>",
        b"<a>" * 100_000,
    ],
)
def test_what_is_no_error_document_is_none(document: bytes) -> None:
    """A proxy's page, an empty throttle, something cut off: no error of S3's, and no exception either."""
    assert parse_error(document) is None


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE Error>",
        '<!DOCTYPE Error SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE Error [<!ENTITY file SYSTEM "file:///etc/passwd">]>',
        BILLION_LAUGHS,
    ],
)
@pytest.mark.parametrize("entity", ["", "&l9;", "&file;"])
def test_a_document_type_is_refused_unread(doctype: str, entity: str) -> None:
    """No entity is ever expanded and no file opened."""
    error = f"{DECLARATION}{doctype}<Error><Code>A</Code><Message>{entity}</Message></Error>"
    assert parse_error(error.encode()) is None
    with pytest.raises(InvalidResponseError, match="document type is refused"):
        parse_objects_page(f"{doctype}<ListBucketResult>{entity}</ListBucketResult>".encode())


def test_a_listing_as_aws_sends_it_is_read() -> None:
    """Every field has its place."""
    assert parse_objects_page(LISTING.encode()) == ObjectsPage(
        objects=[PARSED_CONTENTS], common_prefixes=["b/"], is_truncated=True, next_continuation_token="1ueGcx+/="
    )


@NAMESPACES
def test_a_listing_is_read_in_any_namespace(namespace: str) -> None:
    """Stores write their own, or none."""
    content = f"{CONTENTS}<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>"
    page = parse_objects_page(listing(content, namespace))
    assert (page.objects, page.common_prefixes, page.is_truncated) == ([PARSED_CONTENTS], ["b/"], False)


def test_an_empty_listing_is_an_empty_page() -> None:
    """It has nothing, and is the end."""
    page = parse_objects_page(listing(""))
    assert (page.objects, page.common_prefixes) == ([], [])
    assert (page.is_truncated, page.next_continuation_token) == (False, None)


def test_an_empty_page_need_not_be_the_last() -> None:
    """A store may have looked through a thousand deleted keys."""
    content = "<IsTruncated>true</IsTruncated><NextContinuationToken>more</NextContinuationToken>"
    page = parse_objects_page(listing(content))
    assert (page.objects, page.is_truncated, page.next_continuation_token) == ([], True, "more")


@pytest.mark.parametrize("token", ["", "<NextContinuationToken/>"])
def test_a_truncated_page_may_have_no_token(token: str) -> None:
    """That is for the caller to judge; an empty one is none."""
    page = parse_objects_page(listing(f"<IsTruncated>true</IsTruncated>{token}"))
    assert (page.is_truncated, page.next_continuation_token) == (True, None)


def test_absent_fields_are_none() -> None:
    """Only the key is needed."""
    assert only_object("") == ObjectMeta("key", None, None, None, None, None, (), None)
    assert only_object("<Size/><ETag/><LastModified/><StorageClass/><Owner/>") == only_object("")


def test_unknown_elements_are_passed_over() -> None:
    """Stores add their own, at every level."""
    unknown = "<Unknown a='b'><Key>other</Key></Unknown>"
    found = parse_objects_page(listing(f"{unknown}{contents(unknown)}<CommonPrefixes>{unknown}</CommonPrefixes>"))
    assert ([item.key for item in found.objects], found.common_prefixes) == (["key"], [])


def test_prefixes_of_several_elements_are_gathered() -> None:
    """AWS writes an element for each, some stores one for all."""
    one_each = (
        "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>"
    )
    one_for_all = "<CommonPrefixes><Prefix>a/</Prefix><Prefix>b/</Prefix></CommonPrefixes>"
    assert parse_objects_page(listing(one_each)).common_prefixes == ["a/", "b/"]
    assert parse_objects_page(listing(one_for_all)).common_prefixes == ["a/", "b/"]


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("a%20b", "a b"),
        ("a+b", "a b"),
        ("a%2Bb", "a+b"),
        ("a%2bb", "a+b"),
        ("100%25", "100%"),
        ("%252F", "%2F"),
        ("a/b", "a/b"),
        ("a%2Fb", "a/b"),
        ("%C3%A9", "é"),
        ("é", "é"),
        ("%F0%9F%A6%8A", "🦊"),
        ("%01%0A%0D%7F", "\x01\n\r\x7f"),
        ("100%", "100%"),
        ("%zz", "%zz"),
    ],
)
def test_keys_and_prefixes_are_decoded_when_the_store_encoded_them(encoded: str, key: str) -> None:
    """Once, as AWS encodes them, with a plus for a space."""
    content = (
        f"<EncodingType>url</EncodingType><Contents><Key>{encoded}</Key><ETag>{encoded}</ETag></Contents>"
        f"<CommonPrefixes><Prefix>{encoded}</Prefix></CommonPrefixes>"
    )
    page = parse_objects_page(listing(content))
    assert (page.objects[0].key, page.common_prefixes) == (key, [key])
    assert page.objects[0].etag == encoded


@pytest.mark.parametrize("encoding", ["", "<EncodingType/>", "<EncodingType>none</EncodingType>"])
@pytest.mark.parametrize("key", ["a b", "a+b", "a%20b", "100%", "%2B"])
def test_keys_are_left_alone_when_the_store_did_not_encode_them(key: str, encoding: str) -> None:
    """Some stores ignore the wish, and a percent sign is then just that."""
    content = f"{encoding}<Contents><Key>{key}</Key></Contents><CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>"
    page = parse_objects_page(listing(content))
    assert (page.objects[0].key, page.common_prefixes) == (key, [key])


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T12:30:00.000Z", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        ("2026-03-01T12:30:00Z", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        ("2026-03-01T12:30:00.123456789Z", datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC)),
        ("2026-03-01T12:30:00", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        ("2026-03-01T13:30:00+01:00", datetime(2026, 3, 1, 13, 30, tzinfo=timezone(timedelta(hours=1)))),
        ("20260301T123000Z", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_always_aware(text: str, moment: datetime) -> None:
    """One without a zone is UTC."""
    found = only_object(f"<LastModified>{text}</LastModified>").last_modified
    assert found == moment
    assert found is not None
    assert found.utcoffset() == moment.utcoffset()


@pytest.mark.parametrize("size", ["0", "1", str(5 * 2**40)])
def test_a_size_is_a_number_of_bytes(size: str) -> None:
    """As large as S3 allows, and larger."""
    assert only_object(f"<Size>{size}</Size>").size == int(size)


@pytest.mark.parametrize(
    "content",
    [
        contents("<Size>many</Size>"),
        contents("<Size>1.5</Size>"),
        contents(f"<Size>{'9' * 5000}</Size>"),
        contents("<LastModified>yesterday</LastModified>"),
        contents("<LastModified>2026-02-30T00:00:00Z</LastModified>"),
        contents("<LastModified>Sun, 01 Mar 2026 12:30:00 GMT</LastModified>"),
        "<Contents/>",
        "<Contents><Key/></Contents>",
        "<Contents><Size>1</Size></Contents>",
    ],
)
def test_an_object_that_cannot_be_read_is_no_part_of_a_listing(content: str) -> None:
    """A listing without it would be wrong without a word."""
    with pytest.raises(InvalidResponseError, match="a listing holds an object that cannot be read"):
        parse_objects_page(listing(content))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "not well-formed XML"),
        (b"OK", "not well-formed XML"),
        (LISTING.encode()[:-5], "not well-formed XML"),
        (LISTING.encode().replace(b"a.txt", b"\xff"), "not well-formed XML"),
        (LISTING.encode().replace(b"a.txt", b"&#x1;"), "not well-formed XML"),
        (ERROR.encode(), "the answer is <Error>"),
        (f"<ListAllMyBucketsResult{S3_NAMESPACE}/>".encode(), "the answer is <ListAllMyBucketsResult>"),
        (b"<html><body></body></html>", "the answer is <html>"),
    ],
)
def test_what_is_no_listing_is_refused(document: bytes, message: str) -> None:
    """The error says what came instead."""
    with pytest.raises(InvalidResponseError, match=message):
        parse_objects_page(document)


@given(st.lists(st.tuples(texts.filter(bool), texts), max_size=5), st.sampled_from(["", S3_NAMESPACE]))
def test_any_key_comes_back_from_an_encoded_listing(pairs: list[tuple[str, str]], namespace: str) -> None:
    """Whatever is in it, when the store encodes every byte."""

    def encoded(text: str) -> str:
        return "".join(f"%{byte:02X}" for byte in text.encode())

    content = "<EncodingType>url</EncodingType>" + "".join(
        f"<Contents><Key>{encoded(key)}</Key></Contents><CommonPrefixes><Prefix>{encoded(prefix)}</Prefix></CommonPrefixes>"
        for key, prefix in pairs
    )
    page = parse_objects_page(listing(content, namespace))
    assert [item.key for item in page.objects] == [key for key, _ in pairs]
    assert page.common_prefixes == [prefix for _, prefix in pairs]


@given(st.binary() | broken_documents())
@example(b"<a>" * 100_000)
@example(b'<ListBucketResult xmlns="a}b"><Contents><Key>k</Key></Contents></ListBucketResult>')
@example(b"<ListBucketResult><Contents><Key>k</Key><Size>\xd9\xa1</Size></Contents></ListBucketResult>")
def test_nothing_but_our_own_error_comes_of_garbage(document: bytes) -> None:
    """A listing is read, or refused with the one error; an error document is read, or is none."""

    def outcome(parse: Callable[[bytes], object]) -> object:
        try:
            return parse(document)
        except InvalidResponseError as error:
            return error

    assert isinstance(outcome(parse_objects_page), ObjectsPage | InvalidResponseError)
    assert isinstance(parse_error(document), ErrorDocument | None)
