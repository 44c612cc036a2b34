#pragma once

#include "patchgen/program/address_words.hpp"

#include <string_view>

namespace suture::program {

/// Whether a type descriptor of Microsoft's C++ lies there.
bool is_type_descriptor(const pe::Image& image, Rva at);
/// Name of the type that a type descriptor at `at` is for, or nothing if there is none.
std::optional<std::string_view> type_described_at(const pe::Image& image, Rva at);
/// Whether a complete object locator lies there, which tells what type the objects of a virtual function table have.
bool is_object_locator(const pe::Image& image, Rva at);

/// Words of the type information of Microsoft's C++: what complete object locators (the targets of `pointers`) and
/// what describes thrown objects (`taken`: addresses that code takes) lead to. The layouts are those of Microsoft's
/// public headers rttidata.h and ehdata.h.
/// `relocations`: of the image, to tell where tables of virtual functions begin.
AddressWords type_information_of(const pe::Image& image, std::span<const Rva> pointers, std::span<const Rva> taken,
                                 std::span<const pe::Relocation> relocations);

} // namespace suture::program
