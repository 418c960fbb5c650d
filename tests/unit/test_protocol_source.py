"""YAML with positions: what a scalar means, where it is, and what is wrong."""

import math

import pytest

from protocols.errors import ProblemsFound
from protocols.source import DEEPEST_NESTING, Position, plain_scalar, read_source


def value_of(text: str):
    source = read_source(text, "x.yaml")
    assert source.problems == []
    return source.value


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1e-3", 0.001),
        ("2e5", 200_000.0),
        ("+.5", 0.5),
        ("2.", 2.0),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-0", 0),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("C/10", "C/10"),
        ("2C", "2C"),
        ("1_000", "1_000"),
        ("3,7", "3,7"),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("-.inf", -math.inf),
        ("٣", "٣"),
    ],
)
def test_plain_scalar(written: str, meant: object) -> None:
    assert plain_scalar(written) == meant
    assert type(plain_scalar(written)) is type(meant)
    assert value_of(f"a: {written}") == {"a": meant}


def test_not_a_number_is_one_of_yaml() -> None:
    assert math.isnan(plain_scalar(".nan"))


def test_a_number_of_more_digits_than_python_takes_is_text() -> None:
    assert plain_scalar("9" * 5000) == "9" * 5000


def test_quotes_make_text() -> None:
    assert value_of("a: '3.7'\nb: \"null\"\nc: |\n  12\n") == {"a": "3.7", "b": "null", "c": "12\n"}


def test_every_key_and_value_has_its_place() -> None:
    source = read_source("# a comment\nmethod:\n  - {step: tag,\n     tag: ä}\n  -   deep: [1, 20]\n", "x.yaml")
    assert source.key_at(("method",)) == Position(2, 1)
    assert source.value_at(("method",)) == Position(3, 3)
    assert source.key_at(("method", 0, "step")) == Position(3, 6)
    assert source.value_at(("method", 0, "step")) == Position(3, 12)
    assert source.key_at(("method", 0, "tag")) == Position(4, 6)
    assert source.value_at(("method", 1, "deep", 1)) == Position(5, 17)


def test_place_of_what_is_absent_is_its_parents() -> None:
    source = read_source("method:\n  - {step: tag}\n", "x.yaml")
    assert source.key_at(("method", 0, "tag")) == Position(2, 5)
    assert source.value_at(("window", "vs")) == Position(1, 1)


def test_a_byte_order_mark_does_not_move_the_first_column() -> None:
    assert read_source("\ufeffa: 1", "x.yaml").key_at(("a",)) == Position(1, 1)


def test_anchors_and_merge_keys() -> None:
    bases = "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\n"
    values = value_of(bases + "c1: {<<: *base, b: 5}\nc2: {<<: [*more, *base]}\nc3: *base\n")
    assert values["c1"] == {"a": 1, "b": 5}
    assert values["c2"] == {"a": 1, "b": 3, "c": 4}
    assert values["c3"] == values["base"]


def test_a_merged_value_is_where_it_was_written() -> None:
    source = read_source("base: &base\n  a: 1\nc: {<<: *base}\n", "x.yaml")
    assert source.value_at(("c", "a")) == Position(2, 6)


def test_an_anchor_may_be_used_again() -> None:
    assert value_of("a: &x 1\nb: &x 2\nc: *x\n")["c"] == 2


def test_merging_something_else_is_refused() -> None:
    problems = read_source("a: &a 1\nb: {<<: *a}\n", "x.yaml").problems
    assert [problem.what for problem in problems] == ["<< merges mappings only"]


def test_each_further_duplicate_names_the_first() -> None:
    problems = read_source("a: 1\nb: {c: 1, c: 2}\na: 2\na: 3\n", "x.yaml").problems
    assert [(problem.line, problem.column, problem.path) for problem in problems] == [
        (2, 11, "b.c"),
        (3, 1, "a"),
        (4, 1, "a"),
    ]
    assert all("first on line" in problem.what for problem in problems)


@pytest.mark.parametrize(
    ("text", "value", "remedy"),
    [
        ("{v: 3,7}", {"v": 3.7}, "write 3.7"),
        ("{v: -3, 75, w: 1}", {"v": -3.75, "w": 1}, "write -3.75"),
        ("{v: 0,05}", {"v": 0.05}, "write 0.05"),
    ],
)
def test_a_decimal_comma_between_braces_is_seen(text: str, value: object, remedy: str) -> None:
    source = read_source(text, "x.yaml")
    assert [problem.what_to_write for problem in source.problems] == [remedy]
    assert source.value == value


@pytest.mark.parametrize("text", ["[0.1, 0.2, 1, 2]", "[1,2,3]", "[1, 2, 3]", "[1,\n 2]", "['1','2', 3]"])
def test_a_list_without_a_decimal_comma_is_left_alone(text: str) -> None:
    assert read_source(text, "x.yaml").problems == []


@pytest.mark.parametrize("text", ["{" * 1000, "- " * 3000, "[" * (DEEPEST_NESTING + 1) + "]" * (DEEPEST_NESTING + 1)])
def test_nesting_has_an_end(text: str) -> None:
    with pytest.raises(ProblemsFound):
        read_source(text, "x.yaml")


def test_aliases_cannot_blow_a_small_file_up() -> None:
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(ProblemsFound):
        read_source("\n".join(lines), "x.yaml")


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n...\n"])
def test_an_empty_file_is_refused(text: str) -> None:
    with pytest.raises(ProblemsFound) as found:
        read_source(text, "x.yaml")
    assert [problem.what for problem in found.value.problems] == ["the file is empty"]


def test_a_character_that_is_none_has_a_place() -> None:
    with pytest.raises(ProblemsFound) as found:
        read_source("a: 1\nb: \x07", "x.yaml")
    assert [(problem.line, problem.column) for problem in found.value.problems] == [(2, 4)]
