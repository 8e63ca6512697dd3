// The emulated machine: its rows, its memory and its state.
//
// Rules of native/emulator:
// * zisk_actors/machine/reference.py is the specification; rows come decoded from zisk_actors/machine/rom.py. Which ops there
//   are, what their operands mean and which records they yield is in the header that zisk_actors/machine/emit.py writes.
// * Every pass keeps the time of each cell's last access. That costs a few stores per step, and makes a snapshot complete: a
//   replay starts from the nearest one, whatever the cut of the run.
// * The address space [0x40000000, 0xc0000000) is one reservation of virtual memory, and so are its times. The operating
//   system gives pages when they are touched; nothing else is allocated in proportion to it.
// * The C ABI (api.cpp) lets no exception out and checks every size. A handle belongs to one thread at a time.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <vector>

#include "machine_tables.hpp"

namespace zk_emu {

using u8 = uint8_t;
using u32 = uint32_t;
using u64 = uint64_t;
using i64 = int64_t;

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the emulator reads guest memory in place: the host must be little-endian"
#endif

constexpr u32 kNoRow = 0xffffffffu;
constexpr unsigned kRegisters = 33;

// As in zisk_actors/machine/layout.py.
constexpr u64 kBase = 0x40000000, kSpan = 0x80000000;  // the reservation
constexpr u64 kInputEnd = 0x80000000, kInputData = kBase + 8;
constexpr u64 kCodeEnd = 0x88000000;
constexpr u64 kRamStart = 0xa0000000, kRamEnd = 0xc0000000;
constexpr u64 kConsole = 0xa0000200, kOutput = 0xa0010000;
constexpr u64 kReadOnlyCell = 1ull << 35, kRegisterCell = 1ull << 40;
constexpr u64 kExitCall = 93;

constexpr unsigned kPageBits = 12;
constexpr u64 kPageBytes = 1ull << kPageBits, kPageWords = kPageBytes / 8, kPages = kSpan >> kPageBits;
constexpr u64 kRamPage = (kRamStart - kBase) >> kPageBits;

// One ROM row. npc: the row that a CONST or a taken branch goes to, the link address of a jalr. imm: the value of a CONST,
// the immediate or the shift amount.
struct Row {
    u8 op, rd, rs1, rs2;
    u32 npc;
    i64 imm;
};

// Rows of consecutive words of code.
struct CodeRange {
    u64 start, end;  // byte addresses
    u32 first;       // row of `start`
};

struct Program {
    std::vector<Row> rows;  // one more than the ROM has: running off the end traps
    std::vector<CodeRange> code;
    std::vector<u64> image_cell, image_value;  // ascending by token address
    u32 entry;

    u32 row_at(u64 address) const;
    // Value of a cell at time 0 if it is in the image; false otherwise.
    bool image_at(u64 cell, u64* value) const;
};

enum PageFlag : u8 {
    kRead = 1,      // every word exists
    kWrite = 2,     // and may be stored to
    kPartial = 4,   // words exist that are in the image
    kTouched = 8,   // accessed since the last snapshot
    kAccessed = 16  // may have been accessed at any time
};

// Guest memory and the times of its words, both indexed from kBase. Not copyable.
class Memory {
  public:
    Memory() = default;
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    ~Memory();

    // Reserves the address space and lays out image and input. False if the system refuses.
    bool open(const Program& program, const u8* input, u64 input_bytes);
    // RAM as at the start, all times 0, no page touched.
    void reset(const Program& program);

    u64* words() const { return reinterpret_cast<u64*>(data_); }

    u8* data_ = nullptr;
    u64* last_ = nullptr;
    std::vector<u8> page_;

  private:
    void write_image(const Program& program, bool ram);
};

inline u64 cell_of(u64 address) { return (address >= kRamStart ? 0 : kReadOnlyCell) + (address >> 3); }
inline u64 address_of(u64 cell) { return (cell & (kReadOnlyCell - 1)) << 3; }

// Everything about a moment of the run that is not in memory.
struct Cpu {
    u64 x[kRegisters];
    u64 last[kRegisters];
    u64 step;
    u32 pc;
};

Cpu initial_cpu(const Program& program);

}  // namespace zk_emu
