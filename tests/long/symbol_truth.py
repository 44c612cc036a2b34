#!/usr/bin/env python3
"""Matching without symbols, judged by symbols, on Wine's DLLs: each beside a copy in which one constant of one function is
another one. No pair may be false, and 97 % of the functions must be found.

    tests/long/symbol_truth.py [FOLDER]
Environment: SUTURE_BIN, the folder of symbol-truth.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# mov eax, constant, and the end of a function: add rsp, n; pop ...; ret.
CONSTANT = re.compile(rb"\xb8([\x01-\x7f]\0\0\0)\x48\x83\xc4.(?:[\x58-\x5f]|\x41[\x58-\x5f])*\xc3", re.DOTALL)
FOLDERS = ("/usr/lib/x86_64-linux-gnu/wine/x86_64-windows", "/usr/lib/wine/x86_64-windows")
LEAST_IMAGES = 300
LEAST_FOUND = 0.97


def main():
    tool = pathlib.Path(os.environ["SUTURE_BIN"]) / "symbol-truth"
    folder = next(path for path in map(pathlib.Path, (*sys.argv[1:2], *FOLDERS)) if path.is_dir())
    images = known = found = false = 0
    with tempfile.TemporaryDirectory() as work:
        copy = pathlib.Path(work) / "changed.dll"
        for image in sorted(folder.iterdir()):
            content = bytearray(image.read_bytes())
            place = CONSTANT.search(content)
            if content[:2] != b"MZ" or not place:
                continue
            content[place.start(1)] ^= 1
            copy.write_bytes(content)
            answer = subprocess.run([tool, image, copy], capture_output=True, text=True)
            if "it has no symbols" in answer.stderr:
                continue
            figures = [int(word) for word in answer.stdout.split()]
            if len(figures) != 4:
                raise SystemExit(f"{image.name}: {answer.stdout}{answer.stderr}")
            images += 1
            known, found, false = known + figures[0], found + figures[1], false + figures[2]
            if figures[2]:
                print(f"{image.name}: {figures[2]} false")
    print(f"symbol truth: {images} images, {known} functions, {found} found ({100 * found / max(known, 1):.2f} %), "
          f"{false} false pairs")
    if images < LEAST_IMAGES or false or found < LEAST_FOUND * known:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
