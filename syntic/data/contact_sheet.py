"""Many small pictures in one file: what a gallery shows, and what marks on a map look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import DataError
from .atomic import write_atomically

TILE_PX = 64
COLUMNS = 25
_QUALITY = 80


@dataclass(frozen=True, eq=False)
class ContactSheet:
    """Square tiles in rows of `COLUMNS`, the first in the upper left corner.

    Attributes:
        image: all tiles.
        count: how many there are; the last row may be shorter.
    """

    image: Image.Image
    count: int

    @classmethod
    def of(cls, pictures: Sequence[Image.Image]) -> ContactSheet:
        """Lay pictures out, each cut to a centred square."""
        rows = max(1, -(-len(pictures) // COLUMNS))
        sheet = Image.new("RGB", (COLUMNS * TILE_PX, rows * TILE_PX))
        for number, picture in enumerate(pictures):
            tile = ImageOps.fit(picture.convert("RGB"), (TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
            sheet.paste(tile, cls._corner(number))
        return cls(sheet, len(pictures))

    def tile(self, number: int) -> Image.Image:
        """Return one picture.

        Raises:
            DataError: if there is none of that number.
        """
        if not 0 <= number < self.count:
            raise DataError(f"The contact sheet has {self.count} pictures; there is no number {number}.")
        left, top = self._corner(number)
        return self.image.crop((left, top, left + TILE_PX, top + TILE_PX))

    def encoded(self) -> bytes:
        """Return it as WebP."""
        buffer = BytesIO()
        self.image.save(buffer, "WEBP", quality=_QUALITY, method=4)
        return buffer.getvalue()

    def save(self, path: Path) -> None:
        """Write it as WebP."""

        def write(temporary: Path) -> None:
            temporary.write_bytes(self.encoded())

        write_atomically(path, write)

    @classmethod
    def load(cls, path: Path, count: int) -> ContactSheet:
        """Read what `save` wrote.

        Raises:
            DataError: if it cannot be read, or is too small for that many tiles.
        """
        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
        except (OSError, UnidentifiedImageError) as error:
            raise DataError(f"The pictures {path} cannot be read; run `emoji export` again.") from error
        if image.width != COLUMNS * TILE_PX or image.height * COLUMNS < count * TILE_PX:
            raise DataError(f"{path} does not hold {count} pictures; run `emoji export` again.")
        return cls(image, count)

    @staticmethod
    def _corner(number: int) -> tuple[int, int]:
        return number % COLUMNS * TILE_PX, number // COLUMNS * TILE_PX
