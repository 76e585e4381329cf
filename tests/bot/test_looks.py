"""The colours are the ones agreed on, and everybody can read what is written in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "bot" / "web"
CSS = (WEB / "static" / "countersign.css").read_text(encoding="utf-8")
TOKENS = {
    "paper": ("#FFFFFF", "#111418"),
    "ink": ("#14181F", "#E8ECF1"),
    "quiet": ("#5A6573", "#9AA6B4"),
    "line": ("#D9DFE6", "#2A313A"),
    "accent": ("#1F5FBF", "#7FB2FF"),
    "good": ("#1B7F4B", "#5CCB92"),
    "warn": ("#9A5B00", "#F0B35A"),
    "danger": ("#B3261E", "#FF8A80"),
}


def scheme(dark: bool) -> dict[str, str]:
    light, night = CSS.split("@media (prefers-color-scheme: dark)", 1)
    block = night.split("}", 1)[0] if dark else light
    return dict(re.findall(r"--(\w+): (#[0-9A-F]{6});", block))


def luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance of an sRGB colour."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_reckoned_as_the_standard_does() -> None:
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)
    assert contrast("#FFFFFF", "#767676") == pytest.approx(4.54, abs=0.01)  # the well-known lightest grey


@pytest.mark.parametrize("dark", [False, True])
def test_the_tokens_are_the_ones_agreed_on(dark: bool) -> None:
    assert {name: scheme(dark)[name] for name in TOKENS} == {n: pair[dark] for n, pair in TOKENS.items()}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("ground", ["paper", "wash"])
@pytest.mark.parametrize("text", ["ink", "quiet", "accent", "good", "warn", "danger"])
def test_text_and_shapes_stand_out_from_their_ground(text: str, ground: str, dark: bool) -> None:
    colours = scheme(dark)
    assert contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("button", ["accent", "danger", "ink"])
def test_words_on_a_filled_button_stand_out(button: str, dark: bool) -> None:
    colours = scheme(dark)
    assert contrast(colours["paper"], colours[button]) >= 4.5


def test_pages_need_nothing_that_a_strict_policy_forbids() -> None:
    for page in sorted((WEB / "templates").glob("*.html")):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:|https?://", text), page.name
        assert all("src=" in script for script in re.findall(r"<script[^>]*>", text)), page.name


def test_every_form_that_changes_something_carries_the_token() -> None:
    for page in sorted((WEB / "templates").glob("*.html")):
        for form in re.findall(r"<form[^>]*>.*?</form>", page.read_text(encoding="utf-8"), re.DOTALL):
            only_script = 'id="signing"' in form
            assert only_script or "parts.token()" in form, page.name


def test_colour_and_motion_follow_the_reader() -> None:
    for wish in ("prefers-color-scheme", "prefers-reduced-motion", "@media print", ":focus-visible"):
        assert wish in CSS
    assert "url(" not in CSS
    assert "@import" not in CSS
