// Program look-ups and the reservation of guest memory.
#include "machine.hpp"

#include <string.h>
#include <sys/mman.h>

#include <algorithm>

namespace zk_emu {

u32 Program::row_at(u64 address) const {
    auto after =
        std::upper_bound(code.begin(), code.end(), address, [](u64 a, const CodeRange& range) { return a < range.start; });
    if (after == code.begin()) return kNoRow;
    const CodeRange& range = *--after;
    if (address >= range.end || (address & 3) != 0) return kNoRow;
    return range.first + static_cast<u32>((address - range.start) >> 2);
}

bool Program::image_at(u64 cell, u64* value) const {
    auto found = std::lower_bound(image_cell.begin(), image_cell.end(), cell);
    if (found == image_cell.end() || *found != cell) return false;
    *value = image_value[static_cast<size_t>(found - image_cell.begin())];
    return true;
}

namespace {

void* reserve(u64 bytes) {
    void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? nullptr : at;
}

}  // namespace

Memory::~Memory() {
    if (data_ != nullptr) munmap(data_, kSpan);
    if (last_ != nullptr) munmap(last_, kSpan);
}

bool Memory::open(const Program& program, const u8* input, u64 input_bytes) {
    data_ = static_cast<u8*>(reserve(kSpan));
    last_ = static_cast<u64*>(reserve(kSpan));
    if (data_ == nullptr || last_ == nullptr) return false;
    page_.assign(kPages, 0);
    std::fill(page_.begin(), page_.begin() + ((kInputEnd - kBase) >> kPageBits), u8{kRead});
    std::fill(page_.begin() + kRamPage, page_.end(), u8{kRead | kWrite});
    std::vector<u32> words_in_page(kPages, 0);
    for (u64 cell : program.image_cell) {
        if (cell >= kReadOnlyCell) words_in_page[(address_of(cell) - kBase) >> kPageBits]++;
    }
    for (u64 page = 0; page < kPages; page++) {
        if (words_in_page[page] != 0) page_[page] |= words_in_page[page] == kPageWords ? kRead : kPartial;
    }
    if (input_bytes != 0) memcpy(data_ + (kInputData - kBase), input, input_bytes);
    write_image(program, false);
    write_image(program, true);
    return true;
}

void Memory::reset(const Program& program) {
    madvise(data_ + (kRamStart - kBase), kRamEnd - kRamStart, MADV_DONTNEED);
    madvise(last_, kSpan, MADV_DONTNEED);
    for (u8& flags : page_) flags &= static_cast<u8>(~kTouched);
    write_image(program, true);
}

void Memory::write_image(const Program& program, bool ram) {
    for (size_t i = 0; i < program.image_cell.size(); i++) {
        const u64 cell = program.image_cell[i];
        if ((cell < kReadOnlyCell) == ram) words()[(address_of(cell) - kBase) >> 3] = program.image_value[i];
    }
}

Cpu initial_cpu(const Program& program) {
    Cpu cpu = {};
    cpu.x[1] = 0x1000;  // layout.INITIAL_REGISTERS
    cpu.x[10] = kBase;
    cpu.x[11] = kOutput;
    cpu.pc = program.entry;
    return cpu;
}

}  // namespace zk_emu
