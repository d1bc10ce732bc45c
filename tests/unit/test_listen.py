"""`[http]`: which addresses it takes, and that nobody gets in by accident."""

from pathlib import Path

import pytest

from tallystick import config
from tallystick.errors import ConfigurationError
from tallystick.listen import Address

TOKEN = "0123456789abcdef"


def load(tmp_path: Path, lines: str) -> config.Config:
    path = tmp_path / "tallystick.toml"
    path.write_text(f"[http]\n{lines}\n")
    return config.load(path, {})


@pytest.mark.parametrize(
    ("text", "shown", "is_loopback"),
    [
        ("127.0.0.1:8222", "127.0.0.1:8222", True),
        ("localhost:1", "127.0.0.1:1", True),
        ("127.9.9.9:80", "127.9.9.9:80", True),
        ("[::1]:8222", "[::1]:8222", True),
        ("0.0.0.0:8222", "0.0.0.0:8222", False),
        ("[::]:8222", "[::]:8222", False),
        ("192.0.2.1:65535", "192.0.2.1:65535", False),
        ("[::ffff:192.0.2.1]:1", "[::ffff:c000:201]:1", False),
    ],
)
def test_addresses_are_read(text: str, shown: str, is_loopback: bool) -> None:
    address = Address.parse(text)
    assert address.is_loopback is is_loopback
    assert str(address) in (shown, text)


@pytest.mark.parametrize(
    "text", ["8222", ":8222", "example.org:80", "127.0.0.1", "127.0.0.1:65536", "::1:80", "a:b", ""]
)
def test_what_is_no_address_is_refused_with_an_example(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"http\.listen.*(127\.0\.0\.1:8222|not empty)"):
        load(tmp_path, f'listen = "{text}"')


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:8222", "192.0.2.1:80"])
def test_off_loopback_nothing_listens_without_a_token_or_tls(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"tallystick\.toml:2: http\.listen .* can be reached from elsewhere"):
        load(tmp_path, f'listen = "{address}"')
    assert load(tmp_path, f'listen = "{address}"\ntoken = "{TOKEN}"').http.has_token
    assert load(tmp_path, f'listen = "{address}"\ntoken_file = "t"').http.has_token
    assert load(tmp_path, f'listen = "{address}"\ntls_certificate = "c"\ntls_key = "k"').http.listen == address


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ('tls_key = "k"', "go together"),
        ('tls_client_ca = "c"', "needs http.tls_certificate"),
        (f'token = "{TOKEN}"\ntoken_file = "t"', "give one of"),
        ('token = "short"', "16 to 256"),
        ('token = "with spaces in it, long enough"', "16 to 256"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, lines: str, word: str) -> None:
    with pytest.raises(ConfigurationError, match=word) as refused:
        load(tmp_path, lines)
    assert "spaces in it" not in str(refused.value)


def test_by_default_nothing_listens_and_the_token_is_not_shown(tmp_path: Path) -> None:
    assert config.load(None, {}).http.listen is None
    assert TOKEN not in load(tmp_path, f'token = "{TOKEN}"').as_toml_text()
