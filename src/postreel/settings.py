"""One frozen `Settings`, read once: from the options of a command, the environment, the home's settings.toml.

A backend is named by a URL; its scheme chooses the implementation, and `app.py` alone imports it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from postreel.errors import SettingsError

FILE_NAME = "settings.toml"
SANDBOX_BASE_URL = "https://postreel.example"


class Settings(BaseSettings):
    """Everything that can be set. Each field is also an environment variable, `POSTREEL_` and its name."""

    model_config = SettingsConfigDict(env_prefix="POSTREEL_", frozen=True, extra="forbid")

    home: Path = Path(platformdirs.user_data_dir("postreel"))
    records: str = "sqlite:///postreel.db"
    events: str = "file:events/"
    models: str = "file:models/"
    transport: str = "maildir:outbox/"
    sandbox: bool = False
    sender_name: str = "Postreel"
    sender_address: str = ""
    postal_address: str = ""
    base_url: str = ""
    brand: str = "Postreel"
    language: str = "en"
    timezone: str = "UTC"
    watch_url: str = ""
    dkim_selector: str = "postreel"
    policy: str = ""
    host: str = "127.0.0.1"
    port: int = 8484

    @field_validator("base_url", "watch_url")
    @classmethod
    def _is_https(cls, value: str) -> str:
        if value and not value.startswith("https://"):
            raise ValueError("must begin with https:// (links in mails are followed over the open net)")
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is said on the command line goes before the environment, and that before the home's file."""
        home = Path(str(init_settings().get("home", cls.model_fields["home"].default)))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, home / FILE_NAME)

    @property
    def mail_domain(self) -> str:
        """The domain that mails are sent from and signed for."""
        return self.sender_address.rpartition("@")[2]


def home_named(option: str | None) -> Path:
    """The home folder: the option, else `POSTREEL_HOME`, else the platform's data folder."""
    chosen = option or os.environ.get("POSTREEL_HOME")
    return Path(chosen).expanduser().absolute() if chosen else Path(platformdirs.user_data_dir("postreel"))


def read_settings(home: Path, **options: Any) -> Settings:
    """The settings of this home.

    Raises:
        SettingsError: the home was not set up, or a setting cannot be used; says which and why.
    """
    if not (home / FILE_NAME).is_file():
        raise SettingsError(f"{home} is not set up; run `postreel init` (or `postreel init --sandbox`) first")
    return checked_settings(home=home, **options)


def checked_settings(**options: Any) -> Settings:
    """Settings from these options, the environment and the home's file.

    Raises:
        SettingsError: one cannot be used.
    """
    try:
        return Settings(**options)
    except ValidationError as fault:
        first = fault.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"setting {name!r}: {first['msg']}") from None


def written_settings(settings: Settings, names: tuple[str, ...]) -> str:
    """The text of a settings.toml with these fields."""
    values = settings.model_dump(mode="json")
    # A JSON string, number or boolean is also a TOML one.
    return "".join(f"{name} = {json.dumps(values[name], ensure_ascii=False)}\n" for name in names)
