// The streams of a PDB, put into a sound container and given the identity that the image asks for, so that what is
// fuzzed are the records: module lists, symbols, types. The container itself is fuzzed by symbols_fuzz.
//
// Input: per stream its size in 2 bytes and its bytes. The first is the type stream, the second the DBI stream, the
// third holds the public and global symbols, the others are modules: streams 6 and on.

#include "patchgen/program/pdb_symbols.hpp"
#include "patchgen/program/types.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/support/pe_builder.hpp"

#include <cstring>

namespace suture::program {
namespace {

using fuzz::Input;
using fuzz::require;

constexpr std::array<std::uint8_t, 16> kGuid{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr std::uint32_t kAge = 1;
constexpr std::size_t kMaxStreams = 24;
/// Most layouts whose members and uses are asked for: a program asks for those that changed.
constexpr std::size_t kMaxAsked = 256;

/// An MSF 7.00 file (LLVM documentation, "The MSF File Format"), whose streams lie one behind the other.
class Container {
  public:
    void add(Bytes stream) { streams_.push_back(std::move(stream)); }

    Bytes file() const {
        Bytes file(3 * kBlock); // superblock, and two maps of free blocks that nobody reads
        Bytes directory;
        test::append(directory, static_cast<std::uint32_t>(streams_.size()));
        for (const Bytes& stream : streams_)
            test::append(directory, static_cast<std::uint32_t>(stream.size()));
        for (const Bytes& stream : streams_)
            add_blocks(stream, directory, file);
        Bytes map; // of the directory's blocks
        add_blocks(directory, map, file);
        const auto map_at = static_cast<std::uint32_t>(file.size() / kBlock);
        file.insert(file.end(), map.begin(), map.end());
        test::align(file, kBlock);
        constexpr char kMagic[] = "Microsoft C/C++ MSF 7.00\r\n\x1a"
                                  "DS\0\0";
        std::memcpy(file.data(), kMagic, 32);
        const std::uint32_t fields[] = {kBlock,
                                        1,
                                        static_cast<std::uint32_t>(file.size() / kBlock),
                                        static_cast<std::uint32_t>(directory.size()),
                                        0,
                                        map_at};
        std::memcpy(file.data() + 32, fields, sizeof(fields));
        return file;
    }

  private:
    static constexpr std::uint32_t kBlock = 4096;

    static void add_blocks(ByteView bytes, Bytes& numbers, Bytes& file) {
        for (std::size_t at = 0; at < bytes.size(); at += kBlock) {
            test::append(numbers, static_cast<std::uint32_t>(file.size() / kBlock));
            const auto block = bytes.slice(at, std::min<std::size_t>(kBlock, bytes.size() - at));
            file.insert(file.end(), block->begin(), block->end());
            test::align(file, kBlock);
        }
    }

    std::vector<Bytes> streams_;
};

Bytes info_stream() {
    Bytes info;
    for (const std::uint32_t field : {20000404u, 0x5eed5eedu, kAge})
        test::append(info, field);
    info.insert(info.end(), kGuid.begin(), kGuid.end());
    return info;
}

Bytes container_of(ByteView bytes) {
    Input input(bytes);
    const auto next = [&] { return input.take(input.number<std::uint16_t>()).copy(); };
    Container container;
    const Bytes types = next();
    Bytes dbi = next();
    const Bytes symbols = next();
    if (dbi.size() >= 22) {
        test::put(dbi, 8, kAge);
        test::put(dbi, 20, std::uint16_t{5}); // number of the stream with symbols
    }
    container.add({});
    container.add(info_stream());
    container.add(types);
    container.add(std::move(dbi));
    container.add({});
    container.add(symbols);
    for (std::size_t i = 6; i < kMaxStreams && !input.rest().empty(); ++i)
        container.add(next());
    return container.file();
}

struct Subject {
    Bytes file;
    std::optional<pe::Image> image;
    pe::DebugInfo debug;

    Subject() {
        test::PeBuilder builder;
        builder.section(".text", test::PeBuilder::kCode, Bytes(0x1000, 0x90));
        builder.section(".rdata", test::PeBuilder::kReadOnly, Bytes(0x1000));
        builder.section(".data", test::PeBuilder::kData, Bytes(0x200), 0x1000);
        builder.debug(kGuid, kAge, "x.pdb");
        file = builder.file();
        image = *pe::Image::parse(file, pe::Layout::file);
        debug = *pe::debug_info_of(*image);
    }
};

void check_types(const Types& types) {
    const auto layouts = types.layouts();
    for (std::size_t i = 0; i < layouts.size(); ++i)
        require(!layouts[i].name.empty());
    for (const TypeLayout& layout : layouts.first(std::min(layouts.size(), kMaxAsked))) {
        (void)types.members(layout);
        const TypeUses uses = types.uses(layout);
        require(std::ranges::is_sorted(uses.holders) && std::ranges::is_sorted(uses.receivers));
    }
}

void read(ByteView bytes) {
    static const Subject subject;
    const Bytes file = container_of(bytes);
    const auto symbols = read_pdb_symbols(file, *subject.image, subject.debug);
    const auto again = read_pdb_symbols(file, *subject.image, subject.debug);
    require(symbols.has_value() == again.has_value());
    if (!symbols)
        return require(!symbols.error().message().empty() && symbols.error().code() != Code::symbols_mismatch);
    require(symbols->list == again->list && symbols->contributions == again->contributions);
    require(std::ranges::is_sorted(symbols->list));
    for (const Symbol& symbol : symbols->list) {
        const pe::Section* section = subject.image->section_at(symbol.at);
        require(section && symbol.size <= section->range.end() - symbol.at.value);
        require((symbol.kind == SymbolKind::data) == !section->executable());
    }
    std::uint64_t end = 0;
    for (const RvaRange& range : symbols->contributions) {
        require(range.begin.value >= end && range.size != 0);
        end = range.end();
        require(subject.image->in_one_section(range));
    }
    require((symbols->types == nullptr) == (again->types == nullptr));
    if (symbols->types)
        check_types(*symbols->types);
}

} // namespace
} // namespace suture::program

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    suture::program::read({data, size});
    return 0;
}

#ifdef SUTURE_FUZZ
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

/// Half of the mutations change one stream, or one record of it, and put the sizes around it right.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
    using namespace suture;
    if (seed % 2 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    std::vector<Bytes> streams;
    fuzz::Input input({data, size});
    while (!input.rest().empty())
        streams.push_back(input.take(input.number<std::uint16_t>()).copy());
    if (streams.empty())
        return LLVMFuzzerMutate(data, size, max_size);
    const std::size_t index = seed / 2 % streams.size();
    Bytes& stream = streams[index];
    // Records begin behind the header of the type stream, at once in the symbols, behind a signature in modules.
    struct Record {
        std::size_t at;
        std::size_t size;
    };
    const std::size_t first = index == 0 ? 56 : index == 2 ? 0 : 4;
    std::vector<Record> records;
    for (std::size_t at = first; index != 1 && at + 2 <= stream.size();) {
        const std::size_t length = *ByteView(stream).read<std::uint16_t>(at) + std::size_t{2};
        if (length < 4 || length > stream.size() - at)
            break;
        records.push_back({at, length});
        at += length;
    }
    if (records.empty() || seed / 64 % 8 == 0) {
        const std::size_t old = stream.size();
        stream.resize(std::min<std::size_t>(old + 64, 0xffff));
        stream.resize(LLVMFuzzerMutate(stream.data(), old, stream.size()));
    } else {
        const Record record = records[seed / 512 % records.size()];
        const auto begin = stream.begin() + static_cast<std::ptrdiff_t>(record.at);
        Bytes body(begin + 2, begin + static_cast<std::ptrdiff_t>(record.size));
        const std::size_t old = body.size();
        body.resize(old + 32);
        body.resize(std::max<std::size_t>(2, LLVMFuzzerMutate(body.data(), old, body.size())));
        Bytes changed(stream.begin(), begin);
        test::append(changed, static_cast<std::uint16_t>(body.size()));
        changed.insert(changed.end(), body.begin(), body.end());
        if (seed / 64 % 8 == 1) // twice
            changed.insert(changed.end(), changed.begin() + static_cast<std::ptrdiff_t>(record.at), changed.end());
        changed.insert(changed.end(), begin + static_cast<std::ptrdiff_t>(record.size), stream.end());
        stream = std::move(changed);
        if (index == 0 && stream.size() >= 20)
            test::put(stream, 16, static_cast<std::uint32_t>(stream.size() - 56)); // bytes of records
    }
    Bytes result;
    for (Bytes& one : streams) {
        one.resize(std::min<std::size_t>(one.size(), 0xffff));
        test::append(result, static_cast<std::uint16_t>(one.size()));
        result.insert(result.end(), one.begin(), one.end());
    }
    result.resize(std::min(result.size(), max_size));
    std::ranges::copy(result, data);
    return result.size();
}
#endif
