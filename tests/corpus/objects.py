"""What differs between two builds of a library, told from their object files: the truth that fixes.py compares with."""
import hashlib
import struct

CODE, UNINITIALISED, MANY_RELOCATIONS = 0x20, 0x80, 0x01000000
EXTERNAL, STATIC, WEAK = 2, 3, 105
X64 = 0x8664
# The bytes of a field by the type of its relocation; the others lie within an instruction of Arm64.
WIDTHS = {X64: {1: 8, 2: 4, 3: 4, **dict.fromkeys(range(4, 10), 4), 10: 2, 11: 4}, 0xAA64: {1: 4, 2: 4, 14: 8}}
IGNORED = (".debug", ".xdata", ".pdata", ".drectve", ".llvm", ".gfids", ".giats", ".gljmp", ".gehcont")
CONSTANTS = ("??_C@", "__xmm@", "__ymm@", "__real@")  # their names tell what they hold


class Object:
    """A COFF object file: `functions` and `data` by name, each as a digest that is equal only for equal meaning. `unit`
    is the name of its source, which tells static names of several sources apart."""

    def __init__(self, path, unit):
        self.bytes, self.unit = path.read_bytes(), unit
        machine, count, _, table, symbols = struct.unpack_from("<HHIII", self.bytes)
        self.machine, self.widths = machine, WIDTHS[machine]
        self.strings = table + 18 * symbols
        self.sections = [self.section(20 + 40 * index) for index in range(count)]
        self.symbols, at = {}, 0
        while at < symbols:
            value, section, _, storage, more = struct.unpack_from("<IhHBB", self.bytes, table + 18 * at + 8)
            name = self.name(self.bytes[table + 18 * at:table + 18 * at + 8])
            self.symbols[at] = (name, value, section - 1, storage)
            at += 1 + more
        self.named = {}  # section to offset to the names there
        for name, value, section, storage in self.symbols.values():
            if section >= 0 and storage in (EXTERNAL, WEAK, STATIC) and (value or name != self.sections[section][0]):
                self.named.setdefault(section, {}).setdefault(value, []).append((name, storage))
        for section, (name, flags, _, _) in enumerate(self.sections):
            # GNU as takes names that begin with L for labels that need no symbol.
            if flags & CODE and "$" in name and 0 not in self.named.get(section, {}):
                self.named.setdefault(section, {})[0] = [(name.split("$", 1)[1], STATIC)]
        self.marks = {}  # section to where relocations lead in it: anonymous data begins there
        for index, section in enumerate(self.sections):
            for relocation in section[3]:
                where, offset = self.target(index, relocation)
                if isinstance(where, int):
                    self.marks.setdefault(where, set()).add(offset)
        self.digests, self.functions, self.data = {}, {}, {}
        self.defined, self.undefined = set(), set()
        self.collect()

    def string(self, start):
        return self.bytes[self.strings + start:self.bytes.index(b"\0", self.strings + start)].decode("latin-1")

    def name(self, raw):
        if raw[:4] == b"\0\0\0\0":
            return self.string(struct.unpack_from("<I", raw, 4)[0])
        return raw.rstrip(b"\0").decode("latin-1")

    def section(self, at):
        """Name, flags, content and relocations."""
        name = self.name(self.bytes[at:at + 8]) if self.bytes[at] else ""
        if name.startswith("/"):
            name = self.string(int(name[1:]))
        size, start, fixups, _, count, _, flags = struct.unpack_from("<IIIIHHI", self.bytes, at + 16)
        first = 0
        if flags & MANY_RELOCATIONS and count == 0xFFFF:
            count, first = struct.unpack_from("<I", self.bytes, fixups)[0], 1
        content = bytes(size) if flags & UNINITIALISED else self.bytes[start:start + size]
        return name, flags, content, sorted(struct.unpack_from("<IIH", self.bytes, fixups + 10 * index)
                                            for index in range(first, count))

    def target(self, section, relocation):
        """(section, offset) that a relocation leads to, or (name, offset) for what other objects may define."""
        at, index, kind = relocation
        name, value, where, storage = self.symbols[index]
        addend = int.from_bytes(self.sections[section][2][at:at + self.widths.get(kind, 0)], "little", signed=True)
        return (name, addend) if where < 0 or storage in (EXTERNAL, WEAK) else (where, value + addend)

    def extent(self, section, start):
        name, flags, content, _ = self.sections[section]
        ends = set(self.named.get(section, {}))
        if not flags & CODE and start not in ends:
            ends |= self.marks.get(section, set())
        return min((end for end in ends if start < end), default=len(content))

    def label(self, section, start):
        name, storage = sorted(self.named[section][start])[0]
        name = name.removesuffix(".cold")
        return name if storage in (EXTERNAL, WEAK) else f"{self.unit}:{name}"

    def meaning(self, where, offset, path):
        """What a reference means, whatever the layout of the object file."""
        if not isinstance(where, int):
            return f"{where}+{offset}"
        start = max((start for start in self.named.get(where, {}) if start <= offset), default=None)
        return self.digest(where, offset, path) if start is None else f"{self.label(where, start)}+{offset - start}"

    def digest(self, section, start, path=()):
        """Of the bytes up to the next thing, with the meaning of their references in place of these."""
        key = section, start
        if key in self.digests:
            return self.digests[key]
        if key in path:
            return "recursive"
        _, flags, content, relocations = self.sections[section]
        end = self.extent(section, start)
        body, meanings = bytearray(content[start:end]), []
        for relocation in relocations:
            at, _, kind = relocation
            if not start <= at < end:
                continue
            width = self.widths.get(kind, 0)
            body[at - start:at - start + width] = bytes(width)
            where, offset = self.target(section, relocation)
            if not flags & CODE and self.machine == X64 and kind == 4 and isinstance(where, int):
                offset -= at - start  # entries of a jump table count from the table
            meanings.append((at - start, kind, self.meaning(where, offset, (*path, key))))
        if not flags & CODE:
            body = body.rstrip(b"\0")  # what is filled up to the next thing's alignment
        self.digests[key] = hashlib.sha256(repr((bytes(body), meanings)).encode()).hexdigest()
        return self.digests[key]

    def collect(self):
        for section, starts in self.named.items():
            name, flags, _, _ = self.sections[section]
            if name.startswith(IGNORED):
                continue
            for start, names in sorted(starts.items()):
                into = self.functions if flags & CODE else self.data
                size = "" if flags & CODE else self.extent(section, start) - start
                label = self.label(section, start)
                into[label] = f"{into.get(label, '')}{self.digest(section, start)} {size}"
                self.defined |= {one for one, storage in names if storage == EXTERNAL}
        for name, value, section, storage in self.symbols.values():
            if section == -1 and storage in (EXTERNAL, WEAK):
                (self.defined if value else self.undefined).add(name)
                if value:  # a common symbol
                    self.data[name] = f"common {value}"


def difference(before, after):
    """The part of truth.json for one target, from two lists of objects."""
    truth = {}
    for letter, part in (("f", "functions"), ("d", "data")):
        old, new = ({name: digest for one in objects for name, digest in getattr(one, part).items()
                     if not name.startswith(CONSTANTS)} for objects in (before, after))
        truth[f"{letter}_total"] = len(new)
        truth[f"{letter}_changed"] = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
        truth[f"{letter}_new"] = sorted(new.keys() - old.keys())
        truth[f"{letter}_removed"] = sorted(old.keys() - new.keys())
    old, new = ({name for one in objects for name in one.undefined} for objects in (before, after))
    truth["sym_new"] = sorted(new - old)
    return truth
