"""Tokens: what was sealed opens, for its kind and key alone, and nothing else does."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postreel.errors import InputError
from postreel.tokens import TokenKind, fingerprint, opened_token, sealed_token

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
REF = bytes(range(1, 17))

kinds = st.sampled_from(list(TokenKind))


@settings(max_examples=200)
@given(kinds, st.binary(min_size=16, max_size=16), st.integers(0, 65535))
def test_what_was_sealed_opens(kind: TokenKind, ref: bytes, extra: int) -> None:
    token = sealed_token(KEY, kind, ref, extra)
    assert opened_token(KEY, kind, token) == (ref, extra)
    assert len(token) == 48
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@settings(max_examples=100)
@given(kinds, kinds)
def test_a_token_of_one_kind_is_none_of_another(made: TokenKind, asked: TokenKind) -> None:
    assert (opened_token(KEY, asked, sealed_token(KEY, made, REF)) is not None) == (made == asked)


def test_another_key_opens_nothing() -> None:
    assert opened_token(OTHER_KEY, TokenKind.WHY, sealed_token(KEY, TokenKind.WHY, REF)) is None


@settings(max_examples=300)
@given(st.integers(0, 287), kinds)
def test_a_token_with_any_bit_turned_opens_nothing(bit: int, kind: TokenKind) -> None:
    raw = bytearray(base64.urlsafe_b64decode(sealed_token(KEY, kind, REF, 7)))
    raw[bit // 8] ^= 1 << bit % 8
    assert opened_token(KEY, kind, base64.urlsafe_b64encode(bytes(raw)).decode()) is None


@settings(max_examples=300)
@given(st.text(max_size=60), kinds)
def test_any_text_is_refused_without_an_error(text: str, kind: TokenKind) -> None:
    assert opened_token(KEY, kind, text) is None


@pytest.mark.parametrize("change", ["", "=", " ", "\n"])
def test_a_token_has_one_spelling(change: str) -> None:
    token = sealed_token(KEY, TokenKind.CLICK, b"\xff" * 15 + b"\x01")
    assert opened_token(KEY, TokenKind.CLICK, token[:-1] + change) is None
    assert opened_token(KEY, TokenKind.CLICK, token.replace("_", "/").replace("-", "+")) is None


def test_a_wrong_reference_number_or_key_is_refused_when_sealing() -> None:
    with pytest.raises(InputError):
        sealed_token(KEY, TokenKind.WHY, b"short")
    with pytest.raises(InputError):
        sealed_token(KEY, TokenKind.WHY, REF, 65536)
    with pytest.raises(InputError):
        sealed_token(b"short", TokenKind.WHY, REF)


def test_a_fingerprint_is_the_sha256_of_the_token() -> None:
    assert fingerprint("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
