"""Pairs of pictures from a folder: what is given, and what is to be made of it."""

from __future__ import annotations

import dataclasses
import os

from kerasgen.data import folder, paths
from kerasgen.data.arrays import natural

PREFIX = "pairs:"


def from_pairs(source, seed, image_shape, max_pixels):
    """Describe the pairs of a folder: two sub-folders hold pictures of the same names, and the first is given.

    The first is that of natural order, as in A and B, edges and shoes. Published splits may lie in both or above both:
    A/train and B/train, or train/A and train/B. Pictures are read as `kerasgen.data.load` states.

    Raises:
        ValueError: not two sub-folders, or a picture without its other.
    """
    root = os.path.abspath(os.path.expanduser(source))
    if not os.path.isdir(root):
        raise ValueError(f"source: expected a folder of pairs, got {source!r}, which is none")
    files = paths.look(root)[1]
    sides = {}  # side -> where a picture lies, without its side and suffix -> file
    for file in files:
        parts = os.path.splitext(os.path.relpath(file, root))[0].split(os.sep)
        at = 1 if len(parts) > 2 and parts[0].lower() in paths.SPLITS else 0
        if len(parts) - at > 1:
            sides.setdefault(parts[at], {})[tuple(parts[:at] + parts[at + 1 :])] = file
    found = sorted(sides, key=natural)
    if len(found) != 2:
        raise ValueError(
            f"source: expected two sub-folders of pictures in {source!r}, got {', '.join(found) or 'none'}"
        )
    given, made = (sides[name] for name in found)
    alone = sorted(given.keys() ^ made.keys())
    if alone:
        side, other = found if alone[0] in given else found[::-1]
        lonely = os.path.join(*alone[0])
        raise ValueError(
            f"source: expected pairs, got {lonely!r} in {side!r} alone, of {len(alone)} not in {other!r} too"
        )

    def read(side, name):
        listed = [side[place] for place in sorted(side)]
        own = os.path.join(root, name)  # where splits, if there are any, lie in the sides
        above = own if all(file.startswith(own + os.sep) for file in listed) else root
        return folder.from_folder(name, above, listed, seed, image_shape, False, "raise", max_pixels)

    picture, x = read(given, found[0]), read(made, found[1])
    splits = {split: (rows, {"picture": picture.splits[split][0]}) for split, (rows, _) in x.splits.items()}
    return dataclasses.replace(x, name=PREFIX + root, splits=splits, origin="a folder of pairs of pictures")
