"""Copies of an image in which a constant of one function is another one."""
import re
import struct

# and r32, 3: an index modulo 4.
MODULO_4 = re.compile(rb"\x83[\xe0-\xe7]\x03", re.DOTALL)


def sections(image):
    """Address, size and file offset of each section, by name."""
    at = struct.unpack_from("<I", image, 60)[0]
    count, optional = (struct.unpack_from("<H", image, at + offset)[0] for offset in (6, 20))
    headers = (struct.unpack_from("<8s4I", image, at + 24 + optional + 40 * i) for i in range(count))
    return {name.rstrip(b"\0").decode(): (rva, min(size, raw_size), raw) for name, size, rva, raw_size, raw in headers}


def functions(image):
    """File offsets of begin and end of the functions that have unwind data."""
    found = sections(image)
    text, size, raw = found[".text"]
    _, table_size, table = found[".pdata"]
    for at in range(table, table + table_size - 11, 12):
        begin, end = struct.unpack_from("<2I", image, at)
        if text <= begin < end <= text + size:
            yield raw + begin - text, raw + end - text


def modulo_2_mutants(image):
    """For each function that computes modulo 4: a copy of the image where it computes modulo 2 instead."""
    for begin, end in functions(image):
        mutant = bytearray(image)
        for found in MODULO_4.finditer(image, begin, end):
            mutant[found.end() - 1] = 1
        if mutant != image:
            yield bytes(mutant)
