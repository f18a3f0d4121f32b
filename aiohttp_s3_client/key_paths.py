"""Which file below a folder a key names, and which it must not."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from pathlib import PurePath, PureWindowsPath
from typing import Final, TypeVar

__all__ = ("path_below", "place_of")

_AnyPath = TypeVar("_AnyPath", bound=PurePath)

_DRIVE: Final = re.compile("[A-Za-z]:")
# What a file on Windows cannot be called, or would be called differently, or is a device.
# Source: https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
_NO_WINDOWS_NAME: Final = re.compile(
    r""" .* [\x00-\x1f<>:"|?*\\] .*
    | .* [ .]
    | (con | prn | aux | nul | conin\$ | conout\$ | (com | lpt)[0-9¹²³]) [ ]* (\. .*)?""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)


def path_below(folder: _AnyPath, key: str) -> _AnyPath:
    """Give the path of the file below ``folder`` that ``key`` names; two keys never give the same path.

    Folders of ``PureWindowsPath`` and of ``PurePosixPath`` have the rules of their systems, wherever this runs.

    Raises:
        ValueError: The path would be outside of the folder, or no file can be called so.

    """
    fault = _fault_of(key, on_windows=isinstance(folder, PureWindowsPath))
    if fault is not None:
        raise ValueError(f"the key {key!r} {fault}: it is not written below {str(folder)!r}")
    return folder / key


def _fault_of(key: str, *, on_windows: bool) -> str | None:
    """Say why a key is no path below a folder; None if it is one.

    What leads out of a folder on one system is refused on all: the files may be taken to another.
    """
    segments = key.split("/")
    faults = {
        "holds a NUL": "\0" in key,
        "is an absolute path": key.startswith(("/", "\\")),
        "begins with a drive letter": _DRIVE.match(key) is not None,
        "leads out of its folder by '..'": ".." in key.replace("\\", "/").split("/"),
        "has an empty segment or '.', which no path keeps": "" in segments or "." in segments,
        "is no name of a file on Windows": on_windows and any(map(_NO_WINDOWS_NAME.fullmatch, segments)),
    }
    return next((fault for fault, is_there in faults.items() if is_there), None)


def place_of(path: PurePath) -> int:
    """Give a number for a path: two that lead to one file on this system have the same."""
    place = os.path.normcase(os.path.abspath(path))  # noqa: PTH100 - it takes the dots away, too
    if sys.platform == "darwin":
        # Its file systems know neither case nor the form of a letter with an accent.
        place = unicodedata.normalize("NFC", place).casefold()
    return hash(place)
