// One run: it goes forward once, leaving snapshots, and back to any step afterwards.
#pragma once

#include <memory>

#include "interpret.hpp"

namespace zk_emu {

constexpr u64 kSnapshotSteps = 1ull << 18;

// A page as it was: its times, and in RAM its words.
struct PageCopy {
    u32 page;
    std::unique_ptr<u64[]> words;
    u64 bytes() const;
};

// The state at a step, as far as it differs from the previous snapshot's.
struct Snapshot {
    Cpu cpu;
    std::vector<PageCopy> pages;  // ascending
};

// Where the run ended, or how far it has come.
struct RunState {
    Outcome outcome;
    Cpu cpu;
    Counts counts;
    u64 output[32];
    bool ended() const { return outcome.stop != Stop::limit; }
};

class Session {
  public:
    // `snapshot_budget`: bytes. When the snapshots take more, every other one is merged into the next.
    Session(Program program, u64 snapshot_budget);

    bool open(const u8* input, u64 input_bytes) { return memory_.open(program_, input, input_bytes); }

    // Goes on from where the run has come to, until its end or until `limit` steps.
    const RunState& run(u64 limit);
    // False unless start <= stop <= steps run.
    bool count(u64 start, u64 stop, Counts* counts);
    bool replay(u64 start, u64 stop, Records* records);
    // Final records (token address, initial value, final value, time) ascending, of the state that the run has come to.
    // Returns how many there are; writes them if `out` has room for that many.
    u64 final_records(u64* out, u64 capacity);

    const Console& console() const { return console_; }
    const RunState& state() const { return run_; }
    const Program& program() const { return program_; }

  private:
    void seek(u64 step);
    void restore(size_t snapshots);
    void take_snapshot();
    void thin_out();

    Program program_;
    Memory memory_;
    Cpu cpu_;  // the moment that memory_ is at
    RunState run_;
    Console console_;
    std::vector<Snapshot> snapshots_;
    u64 interval_ = kSnapshotSteps;
    u64 budget_, bytes_ = 0;
};

}  // namespace zk_emu
