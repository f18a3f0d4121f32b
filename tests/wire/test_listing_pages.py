"""Pages of a listing: the fast way reads what the XML parser reads, in the stores' pages and in hostile ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus, unquote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiohttp_s3_client import InvalidResponseError, ObjectMeta
from aiohttp_s3_client.listing import LONGEST_LAYOUT, _layout, condense, object_metas
from aiohttp_s3_client.xml import _condensed_page, _objects_page, _whole_page, parse_objects_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp_s3_client import S3Client
    from aiohttp_s3_client.models import ObjectsPage

NAMESPACE: Final = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)

AWS: Final = (
    "<Contents><Key>{key}</Key><LastModified>2026-03-01T12:00:00.000Z</LastModified><ETag>&quot;e1&quot;</ETag>"
    "<Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>"
)
AWS_CHECKSUMS: Final = (
    "<Contents><Key>{key}</Key><LastModified>2026-03-01T12:00:00.000Z</LastModified><ETag>&quot;e1&quot;</ETag>"
    "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumAlgorithm>SHA256</ChecksumAlgorithm>"
    "<ChecksumType>FULL_OBJECT</ChecksumType><Size>5</Size>"
    "<Owner><DisplayName>me</DisplayName><ID>75aa</ID></Owner><StorageClass>STANDARD</StorageClass></Contents>"
)
AWS_RESTORED: Final = (
    "<Contents><Key>{key}</Key><LastModified>2026-03-01T12:00:00.000Z</LastModified><ETag>&quot;e1&quot;</ETag>"
    "<Size>5</Size><StorageClass>STANDARD</StorageClass><RestoreStatus><IsRestoreInProgress>false"
    "</IsRestoreInProgress><RestoreExpiryDate>2026-04-01T00:00:00Z</RestoreExpiryDate></RestoreStatus></Contents>"
)
MINIO: Final = (
    "<Contents><Key>{key}</Key><LastModified>2026-03-01T12:00:00.000Z</LastModified><ETag>&#34;e1&#34;</ETag>"
    "<Size>5</Size><Owner><ID>75aa</ID><DisplayName>minio</DisplayName></Owner>"
    "<StorageClass>STANDARD</StorageClass></Contents>"
)
SEAWEEDFS: Final = (
    "<Contents><Key>{key}</Key><ETag>&#34;e1&#34;</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass>"
    "<LastModified>2026-03-01T12:00:00Z</LastModified></Contents>"
)
PRETTY: Final = (
    "\n  <Contents>\n    <Key>{key}</Key>\n    <ETag>&quot;e1&quot;</ETag>\n    <Size>5</Size>\n  </Contents>"
)

OBJECT_A, OBJECT_B = (AWS.format(key=key) for key in "ab")


def page(content: str, *, namespace: str = NAMESPACE, url_encoded: bool = False) -> str:
    """Write a page with everything that stands around its objects."""
    encoding = "<EncodingType>url</EncodingType>" if url_encoded else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult{namespace}><Name>photos</Name><Prefix/>{encoding}'
        "<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>"
        f"{content}<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>"
    )


def outcome(read: Callable[[], ObjectsPage]) -> ObjectsPage | str:
    """Give what a way of reading gives, or what it says is wrong."""
    try:
        return read()
    except InvalidResponseError as error:
        return str(error)


def by_parser_alone(text: str) -> ObjectsPage:
    """Read a page the general way."""
    return _objects_page(*_whole_page(text))


def is_fast(text: str) -> bool:
    """Whether a page is read without an element for every object."""
    return _condensed_page(text) is not None


def assert_same(text: str) -> None:
    """Fail when the fast way takes a page and reads something else than the general one, or another error."""
    assert outcome(lambda: parse_objects_page(text.encode())) == outcome(lambda: by_parser_alone(text))


@pytest.mark.parametrize("layout", [AWS, AWS_CHECKSUMS, AWS_RESTORED, MINIO, SEAWEEDFS, PRETTY])
def test_layouts_of_the_stores_are_read_fast(layout: str) -> None:
    """What stores send takes the fast way, and means the same."""
    text = page("".join(layout.format(key=f"folder/{number}") for number in range(50)))
    assert is_fast(text)
    assert_same(text)


async def test_layout_of_the_server_at_hand_is_read_fast(client: S3Client, bucket: str) -> None:
    """The real server's own pages take the fast way, with encoded keys and without, with owners and without."""
    for key in ("a=b&c", "d+é/x y", "line\nbreak"):
        async with client.put(f"{bucket}/{key}", b"hello") as response:
            response.raise_for_status()
    for extra in ({}, {"encoding-type": "url"}, {"fetch-owner": "true"}):
        async with client.get(bucket, params={"list-type": "2", **extra}) as response:
            text = await response.text("utf-8")
        assert is_fast(text)
        assert_same(text)
        assert [item.key for item in parse_objects_page(text.encode()).objects] == ["a=b&c", "d+é/x y", "line\nbreak"]


def test_fast_way_reads_every_field() -> None:
    """An object of the fullest layout arrives whole, between what else the page says."""
    text = page(AWS_CHECKSUMS.format(key="x"))
    assert is_fast(text)
    assert parse_objects_page(text.encode()) == by_parser_alone(text)
    assert parse_objects_page(text.encode()).objects == [
        ObjectMeta("x", 5, '"e1"', NOON, "STANDARD", "75aa", ("CRC32", "SHA256"), "FULL_OBJECT")
    ]
    assert parse_objects_page(text.encode()).common_prefixes == ["p/"]
    assert parse_objects_page(text.encode()).next_continuation_token == "next"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="no objects"),
        pytest.param("<Contents>", id="never closed"),
        pytest.param("</Contents><Contents>", id="closed before it is opened"),
        pytest.param("<Contents/>", id="an empty element"),
        pytest.param(f"<Contents></Contents>{OBJECT_A}", id="nothing inside of the first"),
        pytest.param(f"<Contents> </Contents>{OBJECT_A}", id="only space inside of the first"),
        pytest.param(f"<Contents><Size>1</Size></Contents>{OBJECT_A}", id="no key in the first"),
        pytest.param(OBJECT_A + OBJECT_A.replace("<Size>5</Size>", ""), id="another layout"),
        pytest.param(OBJECT_A + OBJECT_A.replace("</Key><Last", "</Key> <Last"), id="other space inside"),
        pytest.param(
            f"{OBJECT_A}<CommonPrefixes><Prefix>q/</Prefix></CommonPrefixes>{OBJECT_B}", id="something in between"
        ),
        pytest.param(f"{OBJECT_A}text{OBJECT_B}", id="text in between"),
        pytest.param(f"{OBJECT_A}<!-- -->{OBJECT_B}", id="a comment in between"),
        pytest.param(f"{OBJECT_A}<!--{OBJECT_B}-->{OBJECT_B}", id="an object in a comment among others"),
        pytest.param(f"<!--{OBJECT_A}{OBJECT_B}-->", id="all objects in a comment"),
        pytest.param(f"<!--{OBJECT_A}--><Contents/>", id="an empty element after a comment"),
        pytest.param(f"<!--{OBJECT_A}--><Contents >a\ta\ta\ta\ta</Contents >", id="a stand-in after a comment"),
        pytest.param(f"<![CDATA[{OBJECT_A}{OBJECT_B}]]>", id="all objects in CDATA"),
        pytest.param(f"<?target {OBJECT_A}{OBJECT_B}?>", id="all objects in an instruction"),
        pytest.param(f"<Other>{OBJECT_A}{OBJECT_B}</Other>", id="below another element"),
        pytest.param(f"<Contents>{OBJECT_A}</Contents>", id="objects inside of an object"),
        pytest.param(f'<Contents x="1"><Key>z</Key></Contents>{OBJECT_A}', id="an attribute at an object"),
        pytest.param(f'<x:Contents xmlns:x="x"><x:Key>z</x:Key></x:Contents>{OBJECT_A}', id="a prefix at an object"),
        pytest.param(OBJECT_A.replace("<Key>", '<Key x="1">'), id="an attribute inside"),
        pytest.param(OBJECT_A.replace("<Key>", '<Key xmlns="urn:other">'), id="another namespace inside"),
        pytest.param(OBJECT_A.replace("<Size>5</Size>", "<Size/>"), id="a self-closing tag inside"),
        pytest.param(OBJECT_A.replace(">5<", "><![CDATA[5]]><"), id="CDATA inside"),
        pytest.param(OBJECT_A.replace(">5<", "><!-- -->5<"), id="a comment in a value"),
        pytest.param(OBJECT_A.replace(">5<", "><?target?>5<"), id="an instruction inside"),
        pytest.param(OBJECT_A.replace("<Size>", "<!--<Size>3</Size>--><Size>"), id="a comment inside"),
        pytest.param(OBJECT_A.replace("<Size>", "text<Size>"), id="text beside the elements"),
        pytest.param(OBJECT_A.replace("<Key>a</Key>", "<Key><b>a</b></Key>"), id="an element in the key"),
        pytest.param(OBJECT_A.replace(">5<", "> <b>5</b><"), id="space and an element in the size"),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>a\tb"), id="a tab in a key"),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>a&#9;b"), id="an escaped tab in a key"),
        pytest.param(OBJECT_A.replace(">5<", ">5</Size><Size>6</Wrong><"), id="tags that do not match"),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>a]]>b"), id="the end of no CDATA"),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>a & b"), id="an ampersand"),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>&nbsp;"), id="an unknown entity"),
        pytest.param(
            OBJECT_A.replace("<Key>a", "<Key>&am") + OBJECT_B.replace("<Key>", "<Key>p;"), id="an entity cut in two"
        ),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>&#0;"), id="a reference to a character that is none"),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>\x01"), id="a control character"),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>\uffff"), id="a noncharacter"),
        pytest.param(f"{OBJECT_A}\x1c{OBJECT_B}", id="a control character in between"),
        pytest.param(OBJECT_A.replace("<Key>", "<1>x</1><Key>"), id="an impossible name"),
        pytest.param(OBJECT_A.replace("<Key>", "<x></x>" * (LONGEST_LAYOUT // 7) + "<Key>"), id="too many elements"),
        pytest.param(f"<Fo></Bar>{OBJECT_A}", id="broken before the objects"),
        pytest.param(f"{OBJECT_A}<Fo></Bar>", id="broken after the objects"),
    ],
)
@pytest.mark.parametrize("namespace", ["", NAMESPACE])
def test_unusual_page_is_left_to_the_parser(content: str, namespace: str) -> None:
    """Whatever the fast way is not made for, it does not touch, so that the result and the error are the parser's."""
    text = page(content, namespace=namespace)
    assert not is_fast(text)
    assert_same(text)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"{OBJECT_A}\n\u00a0{OBJECT_B}", id="any space in between"),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>&lt;/Key>&lt;Contents&gt;&lt;Key>b"), id="escaped markup"),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>&#60;&#x3c;"), id="a reference"),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>a&amp;lt;b"), id="escaped twice"),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>a&#13;&#10;b\r\nc\rd"), id="line breaks"),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>]]&gt;"), id="the end of no CDATA, escaped"),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>a]") + OBJECT_B, id="a bracket at the end"),
        pytest.param(
            OBJECT_A.replace("<Key>a", "<Key>Contents>Contents/&#x1F600;\u65e5\u672c"), id="the word, and Unicode"
        ),
        pytest.param(OBJECT_A.replace("<Key>a", "<Key>"), id="an empty key"),
        pytest.param(OBJECT_A.replace(">5<", "><"), id="an empty size"),
        pytest.param(OBJECT_A.replace(">5<", ">five<"), id="a size that is none"),
        pytest.param(OBJECT_A.replace(">5<", f">{'5' * 5000}<"), id="a size without end"),
        pytest.param(OBJECT_A.replace("2026-", "20-26"), id="a time that is none"),
        pytest.param(OBJECT_A.replace("00.000Z", "00"), id="a time without a zone"),
        pytest.param(OBJECT_A.replace("&quot;e1&quot;", ""), id="an empty entity tag"),
        pytest.param(OBJECT_A.replace("STANDARD", ""), id="an empty storage class"),
        pytest.param(OBJECT_A.replace("<Size>", "<Size>3</Size><Size>"), id="a size twice"),
        pytest.param(OBJECT_A.replace("<Size>", "<Owner></Owner><Size>"), id="an empty owner"),
        pytest.param(OBJECT_A.replace("<Size>", "<Owner></Owner><Owner><ID>x</ID></Owner><Size>"), id="two owners"),
        pytest.param(OBJECT_A.replace("<Size>", "<Owner><ID></ID></Owner><Size>"), id="an owner without identity"),
        pytest.param(
            OBJECT_A.replace("<Size>", "<Owner><Key>x</Key></Owner><ID>y</ID><Size>"), id="names at other places"
        ),
        pytest.param(OBJECT_A.replace("<Size>5</Size>", "<Size><b>5</b></Size>"), id="an element in the size"),
        pytest.param(
            OBJECT_A.replace("<Size>", "<ChecksumAlgorithm></ChecksumAlgorithm><Size>"), id="an empty algorithm"
        ),
        pytest.param(OBJECT_A.replace("<Size>", "<ChecksumType></ChecksumType><Size>"), id="an empty checksum type"),
    ],
)
def test_unusual_value_is_read_fast_and_right(content: str) -> None:
    """What may stand in a value does not stop the fast way, and means, or breaks, the same."""
    text = page(content)
    assert is_fast(text)
    assert_same(text)


@pytest.mark.parametrize("root", ["Contents", "ListAllMyBucketsResult", "s3:ListBucketResult"])
def test_objects_below_another_root_are_no_listing_of_ours(root: str) -> None:
    """Objects count right below ``<ListBucketResult>``, and in its own namespace."""
    declaration = ' xmlns:s3="urn:s3"' if ":" in root else ""
    text = f"<{root}{declaration}>{OBJECT_A}{OBJECT_B}</{root}>"
    assert_same(text)
    assert_same(OBJECT_A)


@pytest.mark.parametrize("cut", range(1, 700, 7))
def test_page_that_breaks_off_is_refused_as_the_parser_refuses_it(cut: int) -> None:
    """Half a document is never half a listing."""
    text = page(OBJECT_A + OBJECT_B)[:-cut]
    assert "not well-formed" in str(outcome(lambda: parse_objects_page(text.encode())))
    assert_same(text)


def test_document_type_is_refused_however_uniform_the_objects_are() -> None:
    """No entity of the document's own is expanded on the way."""
    text = page(OBJECT_A.replace("<Key>a", "<Key>&bomb;")).replace("?>", '?><!DOCTYPE x [<!ENTITY bomb "boom">]>')
    assert "document type" in str(outcome(lambda: parse_objects_page(text.encode())))
    assert_same(text)


# What is put into a document at random: markup, escapes, and what is not allowed.
pieces: Final = (
    st.sampled_from(["x", "é", " ", "\n", "\t", "\r", "\0", "\x1f", "\ufffe", "<", ">", "&", "+", "%", "]]>"])
    | st.sampled_from(
        ["&amp;", "&lt;", "&quot;", "&#34;", "&#9;", "&#10;", "&#xe9;", "&x;", "%25", "%3D", "%0A", "%C3"]
    )
    | st.sampled_from(["<Contents>", "</Contents>", "<Contents/>", "<Key/>", "<Key>x</Key>", "<Owner>", "</Owner>"])
    | st.sampled_from(["<!--", "-->", "<!--x-->", "<![CDATA[", "<![CDATA[x]]>", "<?x?>", OBJECT_A])
)
texts: Final = st.text(st.characters(codec="utf-8"), max_size=8)
legal_texts: Final = texts.map(lambda text: "".join(sign for sign in text if sign.isprintable()))


@st.composite
def layouts(draw: st.DrawFn) -> list[str]:
    """Choose the elements of an object, and their order; some twice, some unknown, sometimes not the key."""
    names = ["Key", "Size", "ETag", "LastModified", "StorageClass", "Owner", "ChecksumAlgorithm", "ChecksumType", "Etc"]
    chosen = draw(st.lists(st.sampled_from(names), max_size=9))
    return draw(st.permutations(chosen if draw(st.integers(0, 9)) == 0 else ["Key", *chosen]))


@st.composite
def written_values(draw: st.DrawFn, name: str) -> str:
    """Write a value as a store may: escaped, in numbers, as CDATA, encoded; or as none should."""
    match name:
        case "Size":
            return draw(st.integers(0, 10**12).map(str) | st.sampled_from(["", "1_0", " 1", "x"]))
        case "LastModified":
            moment = NOON + timedelta(milliseconds=draw(st.integers(0, 10**12)))
            return draw(st.sampled_from([moment.isoformat(), f"{moment:%Y-%m-%dT%H:%M:%SZ}", "2026-03-01T12:00:00"]))
        case "Owner":
            return "".join(draw(st.permutations(["<ID>i</ID>", "<DisplayName>&amp;</DisplayName>"])))
    text = draw(texts)
    ways: list[Callable[[str], str]] = [escape, quote, quote_plus, lambda text: "".join(f"&#{ord(c)};" for c in text)]
    if draw(st.integers(0, 30)) == 0:
        ways = [str, lambda text: f"<![CDATA[{text}]]>"]
    return draw(st.sampled_from(ways))(text)


@st.composite
def written_objects(draw: st.DrawFn, layout: list[str], space: str) -> str:
    """Write one object in a layout."""
    elements = [f"<{name}>{draw(written_values(name))}</{name}>" for name in layout]
    return f"<Contents>{space}{space.join(elements)}{space}</Contents>"


@st.composite
def written_pages(draw: st.DrawFn) -> str:
    """Write a page as a store might, with an object or two out of line now and then."""
    usual, space = draw(layouts()), draw(st.sampled_from(["", "", "\n  ", "\r\n"]))
    count = draw(st.integers(0, 5))
    objects = [
        draw(written_objects(draw(layouts()) if draw(st.integers(0, 20)) == 0 else usual, space)) for _ in range(count)
    ]
    content = space.join(objects)
    namespace = draw(st.sampled_from(["", NAMESPACE, ' xmlns:s3="urn:s3"']))
    return page(content, namespace=namespace, url_encoded=draw(st.booleans()))


@given(written_pages())
def test_any_page_is_read_as_the_parser_reads_it(text: str) -> None:
    """Over random layouts, values and ways of writing them, there is no difference."""
    assert_same(text)


@given(written_pages(), st.lists(st.tuples(st.floats(0, 1), pieces), min_size=1, max_size=3), st.integers(0, 3))
def test_damaged_page_is_read_or_refused_as_the_parser_does(
    text: str, insertions: list[tuple[float, str]], lost: int
) -> None:
    """Over random damage there is no difference, neither in what is read nor in what is said of the error."""
    for where, piece in insertions:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + lost :]
    assert_same(text)


@given(st.lists(legal_texts.filter(bool), min_size=1), st.sampled_from([AWS, AWS_CHECKSUMS, MINIO, SEAWEEDFS, PRETTY]))
def test_uniform_page_of_any_keys_is_read_fast(keys: list[str], layout: str) -> None:
    """Escaped keys come back as they are, and never push a uniform page off the fast way."""
    text = page("".join(layout.format(key=escape(key)) for key in keys))
    assert is_fast(text)
    assert [item.key for item in parse_objects_page(text.encode()).objects] == keys


encoded_keys: Final = (
    texts.map(quote)
    | texts.map(quote_plus)
    | st.lists(
        st.sampled_from(["%", "%3", "%3D", "%3d", "%25", "%2", "%32", "%33", "D", "+", "%2B", "%20", "%0A", "\n", "\r"])
        | st.sampled_from(["%C3", "%A9", "%E2%82", "%AC", "%F0%9F", "%FF", "%00", "é", "=", "/", "%2F", "a", "\u2028"])
        | texts
    ).map("".join)
).filter(bool)


punctuated_keys: Final = st.text("aD3=:&+/~ ", min_size=1).map(quote_plus)


@given(st.lists(encoded_keys, min_size=1) | st.lists(punctuated_keys, min_size=1))
@example(["+", "a+b%2B%3D"])
@example(["a%33 %%33D"])
@example(["%253D"])
@example(["%C3", "%A9"])
@example(["%", "3D%3D"])
@example(["a%0Ab", "c"])
@example(["+%2B", "%25%33%44"])
def test_keys_decoded_together_are_decoded_as_if_alone(keys: list[str]) -> None:
    """Decoding a page in one go is ``unquote_plus`` of every key, also of broken escapes and invalid UTF-8."""
    _, _, columns = _whole_page(page(OBJECT_A * len(keys)))
    metas = object_metas(columns._replace(key=keys), url_encoded=True)
    assert [meta.key for meta in metas] == [unquote_plus(key) for key in keys]


def test_page_of_a_thousand_objects_is_read_without_their_elements() -> None:
    """What the fast way hands to the parser has one ``<Contents>``, and no tag of an object."""
    condensed = condense(page("".join(AWS.format(key=number) for number in range(1000))))
    assert condensed is not None
    assert condensed.objects_count == 1000
    assert condensed.document.count("<") == page("").count("<") + 2


def test_learned_layouts_are_few() -> None:
    """A store that writes every page in a layout of its own does not fill the memory."""
    for number in range(100):
        assert is_fast(page(OBJECT_A.replace("<Key>", f"<x{number}>y</x{number}><Key>")))
    assert _layout.cache_info().currsize <= 32
