"""Names and filters in the configuration file: what is taken, how it is written then, and what is refused."""

from __future__ import annotations

import pytest

from handlers.ldap.names import parted, parts, readable, within, written


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("ou=people,dc=example,dc=com", "ou=people,dc=example,dc=com"),
        (" OU = Staff , DC = example,DC=com ", "OU=Staff,DC=example,DC=com"),
        (r"cn=Lindqvist\, Maya,ou=a b", r"cn=Lindqvist\, Maya,ou=a b"),
        (r"cn=a\20\ ,o=x", r"cn=a\20\ ,o=x"),
        (r"cn=a+sn=b,2.5.4.10=\C3\A9", r"cn=a+sn=b,2.5.4.10=\C3\A9"),
        ("cn=fünf,o=x=y", "cn=fünf,o=x=y"),
    ],
)
def test_a_name_is_written_in_one_way(typed: str, name: str) -> None:
    assert written(typed) == name
    assert written(name) == name


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "people",
        "nonsense,dc=x",
        "ou=people,",
        ",dc=x",
        "ou=,dc=x",
        "ou=a;dc=x",
        "cn=a\\",
        "=x",
        "cn=<a>",
    ],
)
def test_what_is_no_name_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="isn't a name such as"):
        written(typed)


def test_a_comma_that_is_escaped_parts_nothing() -> None:
    assert parted(r"cn=Lindqvist\, Maya,ou=people,dc=x") == (r"cn=Lindqvist\, Maya", "ou=people,dc=x")
    assert parted("dc=x") == ("dc=x", "")


@pytest.mark.parametrize(
    "filter",
    [
        "(employeeType=staff)",
        "(&(o=Acme)(!(ou=Guests)))",
        "(|(a=1)(b>=2)(c~=3)(d=*)(e=x*y))",
        r"(cn=\28odd\29)",
        "(memberOf:1.2.840.113556.1.4.1941:=cn=a,dc=x)",
    ],
)
def test_a_filter_is_taken(filter: str) -> None:
    assert readable(filter)


@pytest.mark.parametrize(
    "filter",
    ["", "o=Acme", "(o=Acme", "(o=Acme))", "()", "(&)", "(!(a=1)(b=2))", "(a=1)(b=2)", "(a)", "(&(a=1)", "((a=1))"],
)  # fmt: skip
def test_what_is_no_filter_is_refused(filter: str) -> None:
    assert not readable(filter)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ou=people,dc=x", "OU = People , DC=X"),
        (r"o=Acme\, Inc.", r"O=acme\2C  inc."),
        (r"cn=M\c3\bcller,dc=x", "CN=MÜLLER,dc=x"),
        ("cn=a+sn=b,dc=x", "SN=b+cn=A,dc=x"),
        (r"cn=a\ ,dc=x", "cn=a,dc=x"),
    ],
)
def test_two_spellings_of_a_name_are_the_same(one: str, other: str) -> None:
    assert parts(one) == parts(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(r"cn=a\2Cdc=x", "cn=a,dc=x"), (r"cn=a\+sn=b", "cn=a+sn=b"), (r"cn=a\=b", "cn=ab"), ("cn=a", "sn=a")],
)
def test_what_is_escaped_parts_nothing_and_counts(one: str, other: str) -> None:
    assert parts(one) != parts(other)


def test_a_name_lies_within_those_that_it_ends_with() -> None:
    assert within(r"uid=kim,ou=people,o=Acme\2C Inc.", r"O=acme\, inc.")
    assert within("dc=x", "dc=x")
    assert within("dc=x", "")
    assert not within("ou=people,dc=x", "dc=acme,dc=x")
    assert not within("ou=people,dc=ax", "dc=x")
    assert not within("dc=x", "ou=people,dc=x")
