"""A window, where there is a screen: the frames as they come, and keys. Tk's, which comes with Python: our OpenCV has none."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from whylight.errors import WhylightError

KEYS = {
    "c": "next class",
    "m": "next method",
    "+": "stronger map",
    "-": "weaker map",
    "b": "boxes on or off",
    "space": "pause",
    "s": "snapshot",
    "r": "record, or stop it",
    "q": "quit",
}
_SPELLED = {"plus": "+", "equal": "+", "KP_Add": "+", "minus": "-", "KP_Subtract": "-", "Escape": "q"}


def has_screen() -> bool:
    """Whether a window could be shown."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY"))


class Window:
    """Shows pictures, one in place of the other, and collects the keys that are pressed; used in a `with` block of the main thread.

    Args:
        title: of the window.

    Raises:
        WhylightError: there is no screen, or Python was built without Tk.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._keys: list[str] = []
        self.is_open = False

    def __enter__(self) -> Self:
        try:
            import tkinter as tk
        except ModuleNotFoundError as error:
            raise WhylightError(
                "window: this Python has no tkinter (Debian: apt-get install python3-tk); write a video with --out, or use "
                "the page Live of `whylight serve`"
            ) from error
        self._tk = tk
        try:
            self._root = tk.Tk(className="whylight")
        except tk.TclError as error:
            raise WhylightError(f"window: there is no screen ({error}); write a video with --out") from error
        self._root.title(self._title)
        self._root.configure(background="black")
        self._label: Any = tk.Label(self._root, background="black", borderwidth=0)
        self._label.pack(expand=True, fill="both")
        self._root.bind("<Key>", lambda event: self._keys.append(_SPELLED.get(event.keysym, event.keysym)))
        self._root.protocol("WM_DELETE_WINDOW", lambda: self._keys.append("q"))
        self._most = int(0.9 * self._root.winfo_screenwidth()), int(0.85 * self._root.winfo_screenheight())
        self.is_open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_open:
            self.is_open = False
            self._root.destroy()

    def show(self, pixels: NDArray[np.uint8]) -> None:
        """Show a picture, (H, W, 3) uint8 RGB, smaller where it is larger than the screen."""
        height, width = pixels.shape[:2]
        part = min(1.0, self._most[0] / width, self._most[1] / height)
        if part < 1:
            size = max(1, round(width * part)), max(1, round(height * part))
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
            height, width = pixels.shape[:2]
        data = b"P6 %d %d 255 " % (width, height) + np.ascontiguousarray(pixels).tobytes()
        self._picture = self._tk.PhotoImage(master=self._root, data=data, format="PPM")
        self._label.configure(image=self._picture)
        self._root.update()

    def pressed(self) -> list[str]:
        """What was pressed since the last call."""
        self._root.update()
        pressed, self._keys = self._keys, []
        return pressed
