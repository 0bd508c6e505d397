"""The organisational domain, by the public suffix list."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mailfix.host import Host
from mailfix.mail_records.public_suffix import PublicSuffixes, parse_list
from mailfix.model import Known, Unknown
from mailfix.probes import public_suffix

EXCERPT = """\
// ===BEGIN ICANN DOMAINS===
ac
biz
ck
*.ck
!www.ck
cn
com.cn
公司.cn
com
jp
ac.jp
kyoto.jp
ide.kyoto.jp
*.kobe.jp
!city.kobe.jp
*.mm
us
ak.us
k12.ak.us   trailing words are no part of the rule
中国
// ===BEGIN PRIVATE DOMAINS===
uk.com
"""
INSTALLED = Path(public_suffix.FILES[0])
needs_list = pytest.mark.skipif(not INSTALLED.exists(), reason="needs the package publicsuffix")

# The list's own test vectors (tests/test_psl.txt there, public domain); None is a public suffix.
VECTORS = {
    "example": None,
    "example.example": "example.example",
    "b.example.example": "example.example",
    "a.b.example.example": "example.example",
    "biz": None,
    "domain.biz": "domain.biz",
    "a.b.domain.biz": "domain.biz",
    "com": None,
    "example.com": "example.com",
    "b.example.com": "example.com",
    "a.b.example.com": "example.com",
    "uk.com": None,
    "example.uk.com": "example.uk.com",
    "a.b.example.uk.com": "example.uk.com",
    "test.ac": "test.ac",
    "mm": None,
    "c.mm": None,
    "b.c.mm": "b.c.mm",
    "a.b.c.mm": "b.c.mm",
    "jp": None,
    "test.jp": "test.jp",
    "www.test.jp": "test.jp",
    "ac.jp": None,
    "test.ac.jp": "test.ac.jp",
    "www.test.ac.jp": "test.ac.jp",
    "kyoto.jp": None,
    "test.kyoto.jp": "test.kyoto.jp",
    "ide.kyoto.jp": None,
    "b.ide.kyoto.jp": "b.ide.kyoto.jp",
    "a.b.ide.kyoto.jp": "b.ide.kyoto.jp",
    "c.kobe.jp": None,
    "b.c.kobe.jp": "b.c.kobe.jp",
    "a.b.c.kobe.jp": "b.c.kobe.jp",
    "city.kobe.jp": "city.kobe.jp",
    "www.city.kobe.jp": "city.kobe.jp",
    "ck": None,
    "test.ck": None,
    "b.test.ck": "b.test.ck",
    "a.b.test.ck": "b.test.ck",
    "www.ck": "www.ck",
    "www.www.ck": "www.ck",
    "us": None,
    "test.us": "test.us",
    "www.test.us": "test.us",
    "ak.us": None,
    "test.ak.us": "test.ak.us",
    "k12.ak.us": None,
    "test.k12.ak.us": "test.k12.ak.us",
    "www.test.k12.ak.us": "test.k12.ak.us",
    "xn--85x722f.com.cn": "xn--85x722f.com.cn",
    "xn--85x722f.xn--55qx5d.cn": "xn--85x722f.xn--55qx5d.cn",
    "www.xn--85x722f.xn--55qx5d.cn": "xn--85x722f.xn--55qx5d.cn",
    "xn--55qx5d.cn": None,
    "xn--85x722f.xn--fiqs8s": "xn--85x722f.xn--fiqs8s",
    "www.xn--85x722f.xn--fiqs8s": "xn--85x722f.xn--fiqs8s",
    "xn--fiqs8s": None,
}


@pytest.fixture(scope="module")
def excerpt() -> PublicSuffixes:
    return parse_list(EXCERPT)


@pytest.mark.parametrize("name", VECTORS)
def test_the_lists_own_vectors(excerpt: PublicSuffixes, name: str) -> None:
    assert excerpt.organisational_domain(name) == (VECTORS[name] or name)


@needs_list
@pytest.mark.parametrize("name", VECTORS)
def test_the_lists_own_vectors_by_the_installed_list(name: str) -> None:
    suffixes = parse_list(INSTALLED.read_text("utf-8"))
    assert suffixes.organisational_domain(name) == (VECTORS[name] or name)


@pytest.mark.parametrize("label", ["xn--", "xn---", "xn--99999999", "xn--\xe9", "xn--0"])
def test_labels_that_are_no_punycode_stay_as_they_are(excerpt: PublicSuffixes, label: str) -> None:
    assert excerpt.organisational_domain(f"www.{label}.com") == f"{label}.com"


@needs_list
def test_the_list_is_read_in_a_moment() -> None:
    text = INSTALLED.read_text("utf-8")
    started = time.process_time()
    parse_list(text)
    assert time.process_time() - started < 0.5


def test_without_the_package_it_says_what_to_install(tmp_path: Path) -> None:
    assert public_suffix.read(Host.within(5), (str(tmp_path / "none"),)) == Unknown(
        "the public suffix list is not installed: install the package publicsuffix"
    )


def test_a_cut_list_is_not_taken_for_the_list(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(EXCERPT, "utf-8")
    found = public_suffix.read(Host.within(5), (str(tmp_path / "list"),))
    assert isinstance(found, Unknown)
    assert "not the whole" in found.reason


def test_the_list_is_found_in_its_second_place(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("".join(f"suffix{n}\n" for n in range(2000)))
    files = (str(tmp_path / "none"), str(tmp_path / "list"))
    found = public_suffix.read(Host.within(5), files)
    assert isinstance(found, Known)
    assert found.value.organisational_domain("a.b.suffix7") == "b.suffix7"
