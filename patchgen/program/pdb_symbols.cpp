#include "patchgen/program/pdb_symbols.hpp"

#include "patchgen/program/pdb_types.hpp"

#include <fmt/format.h>
#include <llvm/DebugInfo/CodeView/SymbolDeserializer.h>
#include <llvm/DebugInfo/CodeView/SymbolRecord.h>
#include <llvm/DebugInfo/MSF/MSFCommon.h>
#include <llvm/DebugInfo/MSF/MappedBlockStream.h>
#include <llvm/DebugInfo/PDB/Native/PDBFile.h>
#include <llvm/DebugInfo/PDB/Native/RawConstants.h>
#include <llvm/DebugInfo/PDB/Native/RawTypes.h>
#include <llvm/Support/BinaryByteStream.h>

#include <algorithm>
#include <cstring>

namespace suture::program {

namespace {

namespace cv = llvm::codeview;
namespace pdb = llvm::pdb;

std::unexpected<Error> unreadable(std::string detail) {
    return fail(Code::symbols_unreadable, std::move(detail));
}

/// The streams of a PDB. LLVM reads the container; what the streams hold is walked here record by record, since LLVM's
/// own walkers take the structure of a stream for granted.
class Container {
  public:
    static Result<std::unique_ptr<Container>> open(ByteView bytes) {
        // What LLVM does not check before it allocates.
        const auto super = bytes.read<llvm::msf::SuperBlock>(0);
        if (!super)
            return unreadable("the PDB has no superblock");
        if (super->NumDirectoryBytes > bytes.size() || super->NumDirectoryBytes < 4 || super->BlockSize < 512 ||
            super->BlockSize > 0x10000 || super->NumBlocks > bytes.size() / super->BlockSize)
            return unreadable("the PDB is shorter than its superblock says");
        std::unique_ptr<Container> made(new Container(bytes));
        if (auto error = made->file_.parseFileHeaders())
            return unreadable("PDB: " + llvm::toString(std::move(error)));
        if (auto error = made->file_.parseStreamData())
            return unreadable("PDB: " + llvm::toString(std::move(error)));
        return made;
    }

    /// All bytes of a stream; empty where there is none of that number. They live as long as this object.
    Result<ByteView> stream(std::uint32_t index) {
        if (index >= file_.getNumStreams())
            return ByteView();
        const std::uint32_t size = file_.getStreamByteSize(index);
        if (size == 0 || size == UINT32_MAX)
            return ByteView();
        // Streams of a sound file share no blocks.
        taken_ += size;
        if (taken_ > 2 * file_size_)
            return unreadable("the streams of the PDB are larger than the file");
        auto stream = file_.safelyCreateIndexedStream(index);
        if (!stream)
            return unreadable("PDB: " + llvm::toString(stream.takeError()));
        llvm::ArrayRef<std::uint8_t> bytes;
        if (auto error = (*stream)->readBytes(0, size, bytes))
            return unreadable("PDB: " + llvm::toString(std::move(error)));
        return ByteView(bytes.data(), bytes.size());
    }

  private:
    explicit Container(ByteView bytes)
        : file_size_(bytes.size()), file_("",
                                          std::make_unique<llvm::BinaryByteStream>(
                                              llvm::ArrayRef(bytes.data(), bytes.size()), llvm::endianness::little),
                                          allocator_) {}

    llvm::BumpPtrAllocator allocator_;
    std::uint64_t file_size_;
    std::uint64_t taken_ = 0;
    pdb::PDBFile file_;
};

/// Where a name was found, best first.
enum class Scope : std::uint8_t { public_name, local, global };

struct Named {
    Symbol symbol;
    Scope scope = Scope::global;
};

class Reader {
  public:
    Reader(Container& container, const pe::Image& image) : container_(container), image_(image) {}

    Result<Symbols> read(const pe::DebugInfo& debug) {
        SUTURE_CHECK(check_identity(debug));
        SUTURE_TRY(const ByteView types, container_.stream(pdb::StreamTPI));
        types_ = std::make_shared<PdbTypes>(types);
        SUTURE_TRY(const ByteView records, container_.stream(header_.SymRecordStreamIndex));
        SUTURE_CHECK(take_records(records, 0));
        SUTURE_CHECK(take_modules());
        take_contributions();
        choose_names();
        types_->finish();
        symbols_.types = types_;
        settle(symbols_);
        return std::move(symbols_);
    }

  private:
    Result<void> check_identity(const pe::DebugInfo& debug) {
        SUTURE_TRY(const ByteView info, container_.stream(pdb::StreamPDB));
        SUTURE_TRY(dbi_, container_.stream(pdb::StreamDBI));
        const auto id = info.read<pdb::InfoStreamHeader>(0);
        const auto header = dbi_.read<pdb::DbiStreamHeader>(0);
        if (!id || !header)
            return unreadable("the PDB has no DBI stream");
        header_ = *header;
        if (!debug.has_pdb)
            return fail(Code::symbols_mismatch, "the image names no PDB");
        if (std::memcmp(id->Guid.Guid, debug.guid.data(), debug.guid.size()) != 0)
            return fail(Code::symbols_mismatch, "the GUID of the PDB is another one than the image's");
        if (header_.Age != debug.age)
            return fail(Code::symbols_mismatch, fmt::format("the PDB has age {}, the image wants age {}",
                                                            std::uint32_t{header_.Age}, debug.age));
        return {};
    }

    /// A part of the DBI stream: they follow each other behind the header.
    std::optional<ByteView> dbi_part(std::uint64_t before, std::int32_t size) const {
        if (size < 0)
            return std::nullopt;
        return dbi_.slice(sizeof(pdb::DbiStreamHeader) + before, static_cast<std::uint64_t>(size));
    }

    Result<void> take_modules() {
        const auto modules = dbi_part(0, header_.ModiSubstreamSize);
        if (!modules)
            return unreadable("the module list of the PDB does not fit");
        std::uint64_t at = 0;
        while (at < modules->size()) {
            const auto module = modules->read<pdb::ModuleInfoHeader>(at);
            if (!module)
                return unreadable("a module record of the PDB does not fit");
            at += sizeof(pdb::ModuleInfoHeader);
            for (int name = 0; name < 2; ++name) {
                const auto text = modules->c_string(at, kMaxSymbolName);
                if (!text)
                    return unreadable("a module name of the PDB has no end");
                at += text->size() + 1;
            }
            at = (at + 3) & ~std::uint64_t{3};
            if (module->ModDiStream == pdb::kInvalidStreamIndex || module->SymBytes == 0)
                continue;
            SUTURE_TRY(const ByteView stream, container_.stream(module->ModDiStream));
            const auto records = stream.slice(0, module->SymBytes);
            if (!records || records->size() < 4)
                return unreadable("the symbols of a PDB module do not fit");
            function_.reset();
            SUTURE_CHECK(take_records(*records, 4)); // a signature comes first
        }
        return {};
    }

    Result<void> take_records(ByteView records, std::uint64_t at) {
        while (at < records.size()) {
            const auto length = records.read<std::uint16_t>(at);
            const auto record = length ? records.slice(at, std::uint64_t{*length} + 2) : std::nullopt;
            if (!record || *length < 2)
                return unreadable("a symbol record of the PDB does not fit");
            SUTURE_CHECK(take_record(*record));
            at += record->size();
        }
        return {};
    }

    Result<void> take_record(ByteView bytes) {
        const auto kind = static_cast<cv::SymbolKind>(*bytes.read<std::uint16_t>(2));
        const cv::CVSymbol record(llvm::ArrayRef(bytes.data(), bytes.size()));
        switch (kind) {
        case cv::S_GPROC32:
        case cv::S_LPROC32:
        case cv::S_GPROC32_ID:
        case cv::S_LPROC32_ID: {
            SUTURE_TRY(const auto proc, as<cv::ProcSym>(record));
            const bool global = kind == cv::S_GPROC32 || kind == cv::S_GPROC32_ID;
            function_ = place(proc.Segment, proc.CodeOffset);
            // What the others have is in another stream.
            if (function_ && (kind == cv::S_GPROC32 || kind == cv::S_LPROC32))
                types_->add_use(proc.FunctionType.getIndex(), PdbTypes::Use::signature, *function_);
            return take(proc.Segment, proc.CodeOffset, proc.CodeSize, proc.Name, SymbolKind::function,
                        global ? Scope::global : Scope::local);
        }
        case cv::S_THUNK32: {
            SUTURE_TRY(const auto thunk, as<cv::Thunk32Sym>(record));
            function_.reset();
            return take(thunk.Segment, thunk.Offset, thunk.Length, thunk.Name, SymbolKind::function, Scope::global);
        }
        case cv::S_PUB32: {
            SUTURE_TRY(const auto name, as<cv::PublicSym32>(record));
            const bool function = (name.Flags & cv::PublicSymFlags::Function) != cv::PublicSymFlags::None;
            return take(name.Segment, name.Offset, 0, name.Name, function ? SymbolKind::function : SymbolKind::data,
                        Scope::public_name);
        }
        case cv::S_GDATA32:
        case cv::S_LDATA32: {
            SUTURE_TRY(const auto data, as<cv::DataSym>(record));
            use_in_data(data.Type.getIndex(), place(data.Segment, data.DataOffset));
            return take(data.Segment, data.DataOffset, types_->size_of(data.Type.getIndex()), data.Name,
                        SymbolKind::data, kind == cv::S_GDATA32 ? Scope::global : Scope::local);
        }
        case cv::S_GTHREAD32:
        case cv::S_LTHREAD32: {
            SUTURE_TRY(const auto data, as<cv::ThreadLocalDataSym>(record));
            use_in_data(data.Type.getIndex(), place(data.Segment, data.DataOffset));
            return take(data.Segment, data.DataOffset, types_->size_of(data.Type.getIndex()), data.Name,
                        SymbolKind::data, kind == cv::S_GTHREAD32 ? Scope::global : Scope::local);
        }
        default:
            take_type_use(kind, bytes);
            return {};
        }
    }

    /// A variable that the linker removed has no place, and holds nothing.
    void use_in_data(std::uint32_t type, std::optional<Rva> at) {
        if (at)
            types_->add_use(type, PdbTypes::Use::data, *at);
    }

    /// What records say of types, behind their length and kind. There are many of them, so they are not read in full.
    void take_type_use(cv::SymbolKind kind, ByteView bytes) {
        const auto type_at = [&](std::uint64_t offset) { return bytes.read<std::uint32_t>(offset).value_or(0); };
        const auto use = [&](std::uint32_t type, PdbTypes::Use how) {
            if (function_)
                types_->add_use(type, how, *function_);
        };
        switch (kind) {
        case cv::S_LOCAL: {
            constexpr std::uint16_t kIsParameter = 1;
            const bool parameter = (bytes.read<std::uint16_t>(8).value_or(0) & kIsParameter) != 0;
            return use(type_at(4), parameter ? PdbTypes::Use::parameter : PdbTypes::Use::local);
        }
        case cv::S_REGISTER:
            return use(type_at(4), PdbTypes::Use::local);
        case cv::S_FILESTATIC:
            return use(type_at(4), PdbTypes::Use::data);
        case cv::S_BPREL32:
        case cv::S_REGREL32:
            return use(type_at(8), PdbTypes::Use::local);
        case cv::S_HEAPALLOCSITE: // offset, section, length of the call
            return use(type_at(12), PdbTypes::Use::allocation);
        case cv::S_UDT:
            if (const auto name = bytes.c_string(8, kMaxSymbolName))
                types_->add_alias(type_at(4), *name);
            return;
        default:
            return;
        }
    }

    template <class Record>
    static Result<Record> as(const cv::CVSymbol& symbol) {
        auto record = cv::SymbolDeserializer::deserializeAs<Record>(symbol);
        if (!record)
            return unreadable("PDB symbol record: " + llvm::toString(record.takeError()));
        return std::move(*record);
    }

    std::optional<Rva> place(std::uint16_t segment, std::uint32_t offset) const {
        if (segment == 0 || segment > image_.sections().size())
            return std::nullopt; // absolute, or removed by the linker
        const auto& section = image_.sections()[segment - 1u];
        if (offset >= section.range.size)
            return std::nullopt;
        return section.range.begin + offset;
    }

    Result<void> take(std::uint16_t segment, std::uint32_t offset, std::uint64_t size, llvm::StringRef name,
                      SymbolKind kind, Scope scope) {
        const auto at = place(segment, offset);
        if (!at || name.size() > kMaxSymbolName)
            return {};
        const auto& section = image_.sections()[segment - 1u];
        if (size > section.range.end() - at->value)
            size = 0;
        if (kind == SymbolKind::function && !section.executable())
            kind = SymbolKind::data;
        if (kind == SymbolKind::data && section.executable())
            kind = SymbolKind::label;
        name_bytes_ += name.size();
        if (name_bytes_ > kMaxSymbolNameBytes || found_.size() >= kMaxSymbols)
            return unreadable("the PDB has more symbols than are read");
        const bool meaningless = is_meaningless({name.data(), name.size()});
        found_.push_back(
            {{*at, kind, static_cast<std::uint32_t>(size), meaningless ? std::string() : name.str()}, scope});
        return {};
    }

    void take_contributions() {
        const auto part =
            dbi_part(static_cast<std::uint32_t>(header_.ModiSubstreamSize), header_.SecContrSubstreamSize);
        const auto version = part ? part->read<std::uint32_t>(0) : std::nullopt;
        if (!version)
            return;
        const std::uint64_t stride = *version == pdb::DbiSecContribV2      ? sizeof(pdb::SectionContrib2)
                                     : *version == pdb::DbiSecContribVer60 ? sizeof(pdb::SectionContrib)
                                                                           : 0;
        if (stride == 0)
            return;
        for (std::uint64_t at = 4; part->contains(at, stride); at += stride) {
            const auto entry = *part->read<pdb::SectionContrib>(at);
            const auto begin = entry.Off < 0 ? std::nullopt : place(entry.ISect, static_cast<std::uint32_t>(entry.Off));
            if (!begin || entry.Size <= 0)
                continue;
            const auto size = static_cast<std::uint32_t>(entry.Size);
            if (size <= image_.sections()[entry.ISect - 1u].range.end() - begin->value)
                symbols_.contributions.push_back({*begin, size});
        }
    }

    /// A symbol with external linkage is there twice, with its decorated (public) and its plain name. The decorated one
    /// is kept, as it is the one that is unique; symbols with internal linkage have the plain one only.
    void choose_names() {
        symbols_.source = Source::pdb;
        std::ranges::sort(found_, [](const Named& a, const Named& b) {
            return std::tie(a.symbol.at, a.scope, a.symbol) < std::tie(b.symbol.at, b.scope, b.symbol);
        });
        for (std::size_t first = 0; first < found_.size();) {
            std::size_t last = first;
            bool has_public = false;
            std::uint32_t size = 0;
            auto kind = found_[first].symbol.kind;
            for (; last < found_.size() && found_[last].symbol.at == found_[first].symbol.at; ++last) {
                has_public |= found_[last].scope == Scope::public_name && !found_[last].symbol.name.empty();
                size = std::max(size, found_[last].symbol.size);
                if (found_[last].symbol.kind == SymbolKind::function)
                    kind = SymbolKind::function;
            }
            for (; first < last; ++first) {
                auto& symbol = found_[first].symbol;
                if (found_[first].scope == Scope::global && has_public)
                    continue;
                symbols_.list.push_back({symbol.at, kind, size, std::move(symbol.name)});
            }
        }
        found_.clear();
    }

    Container& container_;
    const pe::Image& image_;
    std::shared_ptr<PdbTypes> types_;
    std::optional<Rva> function_; ///< that the records at hand belong to
    ByteView dbi_;
    pdb::DbiStreamHeader header_{};
    std::vector<Named> found_;
    Symbols symbols_;
    std::size_t name_bytes_ = 0;
};

} // namespace

Result<Symbols> read_pdb_symbols(ByteView bytes, const pe::Image& image, const pe::DebugInfo& debug) {
    SUTURE_TRY(const auto container, Container::open(bytes));
    return Reader(*container, image).read(debug);
}

} // namespace suture::program
