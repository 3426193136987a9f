"""Texts of others, made fit to be shown."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text without characters that could steer the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
