"""A person's own pictures. Enters: a file that Pillow reads. Leaves: pixels as they are meant to be seen; a file."""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from cli.own_files import MAX_EDGE, NotSeenError, smaller, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

#: What is read; other formats of Pillow's run programs or draw pages.
READ = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
#: What is written, by the ending of the file's name.
WRITTEN = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
#: A photo of 12 megapixels takes 1 MB when it is seen; no block shows at this quality.
QUALITY = 92
#: Greys of more than 8 bits.
DEEP = frozenset({"I", "I;16", "I;16B", "I;16L"})


@contextmanager
def opened_picture(path: Path) -> Iterator[Image.Image | None]:
    """A picture whose pixels are not read yet; None where it is none, or a GIF that moves.

    Raises:
        NotSeenError: it has far too many pixels.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(path, formats=READ)
        except UnidentifiedImageError:
            yield None
            return
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
            most = (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
            raise NotSeenError(f"{path} has more than {most} million pixels; make it smaller first.") from exc
    with image:
        yield None if image.format == "GIF" and getattr(image, "is_animated", False) else image


def pixels(image: Image.Image, path: Path, *, say: Callable[[str], None]) -> NDArray[np.uint8]:
    """``(H, W, 3)``, sRGB, turned as the camera was held; what is transparent is white.

    Args:
        image: opened, and made smaller here where it is too large.
        path: for the message.
        say: hears that it was made smaller.

    Raises:
        NotSeenError: the file breaks off, or holds what its format does not.
    """
    size = image.size
    try:
        image.thumbnail((MAX_EDGE, MAX_EDGE))
        if image.size != size:
            say(smaller(size, image.size))
        return np.asarray(_srgb(ImageOps.exif_transpose(image)))
    except (OSError, SyntaxError, ValueError) as exc:  # all of them are Pillow's for a broken file
        raise NotSeenError(f"{path} is broken: {exc}.") from exc


def _srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode in DEEP:  # Pillow would cut it off at 255
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    if profile:
        with suppress(ImageCms.PyCMSError):  # a profile of another kind of colours than the picture's
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            image = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
    return image.convert("RGB")


def write_picture(seen: NDArray[np.uint8], output: Path) -> None:
    """Write ``(H, W, 3)``; the ending of the name is one of `WRITTEN`."""
    with whole(output) as part:
        Image.fromarray(seen).save(part, WRITTEN[output.suffix.lower()], quality=QUALITY)
