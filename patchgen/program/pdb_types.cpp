#include "patchgen/program/pdb_types.hpp"

#include <llvm/DebugInfo/CodeView/TypeDeserializer.h>
#include <llvm/DebugInfo/CodeView/TypeRecord.h>
#include <llvm/DebugInfo/PDB/Native/RawTypes.h>

#include <string>
#include <unordered_map>

namespace suture::program {

namespace {

namespace cv = llvm::codeview;

/// Size of a type below 0x1000, which has no record.
std::uint64_t size_of_simple(cv::TypeIndex index) {
    if (index.getSimpleMode() != cv::SimpleTypeMode::Direct)
        return 8;
    using enum cv::SimpleTypeKind;
    switch (index.getSimpleKind()) {
    case SignedCharacter:
    case UnsignedCharacter:
    case NarrowCharacter:
    case Character8:
    case SByte:
    case Byte:
    case Boolean8:
        return 1;
    case WideCharacter:
    case Character16:
    case Int16Short:
    case UInt16Short:
    case Int16:
    case UInt16:
    case Float16:
    case Boolean16:
        return 2;
    case Character32:
    case HResult:
    case Int32Long:
    case UInt32Long:
    case Int32:
    case UInt32:
    case Float32:
    case Boolean32:
        return 4;
    case Int64Quad:
    case UInt64Quad:
    case Int64:
    case UInt64:
    case Float64:
    case Boolean64:
        return 8;
    case Int128Oct:
    case UInt128Oct:
    case Int128:
    case UInt128:
        return 16;
    default:
        return 0;
    }
}

template <class Record>
std::optional<Record> record_as(llvm::ArrayRef<std::uint8_t> bytes) {
    auto record = cv::TypeDeserializer::deserializeAs<Record>(bytes);
    if (!record) {
        llvm::consumeError(record.takeError());
        return std::nullopt;
    }
    return std::move(*record);
}

/// What a record says of its size: a number, or that it is another type's.
struct Fact {
    std::uint64_t size = 0;
    std::optional<cv::TypeIndex> same_as = {};
    std::string declared = {}; ///< name of the class whose definition has the size
};

/// Sizes of classes by name, for records that are only declarations.
using Definitions = std::unordered_map<std::string, std::uint64_t>;

template <class Record>
Fact fact_of_class(llvm::ArrayRef<std::uint8_t> bytes, Definitions& definitions) {
    const auto record = record_as<Record>(bytes);
    if (!record)
        return {};
    const std::string name = (record->hasUniqueName() ? record->getUniqueName() : record->getName()).str();
    if (record->isForwardRef())
        return {.declared = name};
    definitions.emplace(name, record->getSize());
    return {.size = record->getSize()};
}

Fact fact_of(std::uint16_t kind, llvm::ArrayRef<std::uint8_t> bytes, Definitions& definitions) {
    switch (kind) {
    case cv::LF_POINTER:
        return {.size = 8};
    case cv::LF_MODIFIER:
        if (const auto record = record_as<cv::ModifierRecord>(bytes))
            return {.same_as = record->ModifiedType};
        return {};
    case cv::LF_ENUM:
        if (const auto record = record_as<cv::EnumRecord>(bytes))
            return {.same_as = record->UnderlyingType};
        return {};
    case cv::LF_ARRAY:
        if (const auto record = record_as<cv::ArrayRecord>(bytes))
            return {.size = record->getSize()};
        return {};
    case cv::LF_CLASS:
    case cv::LF_STRUCTURE:
        return fact_of_class<cv::ClassRecord>(bytes, definitions);
    case cv::LF_UNION:
        return fact_of_class<cv::UnionRecord>(bytes, definitions);
    default:
        return {};
    }
}

} // namespace

PdbTypeSizes::PdbTypeSizes(ByteView stream) {
    const auto header = stream.read<llvm::pdb::TpiStreamHeader>(0);
    if (!header || header->TypeIndexBegin < cv::TypeIndex::FirstNonSimpleIndex)
        return;
    first_ = header->TypeIndexBegin;
    const auto records = stream.slice(header->HeaderSize, header->TypeRecordBytes);
    if (!records)
        return;

    Definitions definitions;
    std::vector<std::pair<std::size_t, std::string>> declarations;
    std::uint64_t at = 0;
    while (const auto length = records->read<std::uint16_t>(at)) {
        const auto record = records->slice(at, std::uint64_t{*length} + 2);
        if (!record || *length < 2)
            break;
        auto fact = fact_of(*record->read<std::uint16_t>(2), {record->data(), record->size()}, definitions);
        if (fact.same_as)
            fact.size = size_of(fact.same_as->getIndex()); // records refer to earlier ones only
        if (!fact.declared.empty())
            declarations.emplace_back(sizes_.size(), std::move(fact.declared));
        sizes_.push_back(fact.size);
        at += record->size();
    }
    for (const auto& [index, name] : declarations)
        if (const auto found = definitions.find(name); found != definitions.end())
            sizes_[index] = found->second;
}

std::uint64_t PdbTypeSizes::size_of(std::uint32_t type_index) const {
    if (type_index < cv::TypeIndex::FirstNonSimpleIndex)
        return size_of_simple(cv::TypeIndex(type_index));
    return type_index >= first_ && type_index - first_ < sizes_.size() ? sizes_[type_index - first_] : 0;
}

} // namespace suture::program
