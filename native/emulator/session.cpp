// Snapshots and what is built on them.
#include "session.hpp"

#include <string.h>

#include <algorithm>
#include <utility>

namespace zk_emu {

namespace {

u64 words_of_page(u64 page) { return page >= kRamPage ? 2 * kPageWords : kPageWords; }

}  // namespace

u64 PageCopy::bytes() const { return 8 * words_of_page(page) + sizeof(PageCopy); }

Session::Session(Program program, u64 snapshot_budget) : program_(std::move(program)), budget_(snapshot_budget) {
    cpu_ = initial_cpu(program_);
    run_ = {};
    run_.cpu = cpu_;
    console_.limit = 1 << 20;  // events.CONSOLE_LIMIT
    console_.bytes.reserve(console_.limit);
}

const RunState& Session::run(u64 limit) {
    if (run_.ended() || limit <= run_.cpu.step) return run_;
    seek(run_.cpu.step);
    while (!run_.ended() && cpu_.step < limit) {
        const u64 next = (cpu_.step / interval_ + 1) * interval_;
        run_.outcome = interpret<Mode::run>(program_, memory_, cpu_, std::min(next, limit), run_.counts, nullptr, &console_);
        run_.cpu = cpu_;
        if (cpu_.step == next && !run_.ended()) take_snapshot();
    }
    memcpy(run_.output, memory_.data_ + (kOutput - kBase), sizeof run_.output);
    return run_;
}

bool Session::count(u64 start, u64 stop, Counts* counts) {
    if (start > stop || stop > run_.cpu.step) return false;
    seek(start);
    interpret<Mode::count>(program_, memory_, cpu_, stop, *counts, nullptr, nullptr);
    return true;
}

bool Session::replay(u64 start, u64 stop, Records* records) {
    if (start > stop || stop > run_.cpu.step) return false;
    seek(start);
    Counts ignored = {};
    interpret<Mode::emit>(program_, memory_, cpu_, stop, ignored, records, nullptr);
    return true;
}

u64 Session::final_records(u64* out, u64 capacity) {
    seek(run_.cpu.step);
    u64 count = 0;
    auto put = [&](u64 cell, u64 initial, u64 value, u64 time) {
        if (out != nullptr && count < capacity) {
            u64* record = out + 4 * count;
            record[0] = cell, record[1] = initial, record[2] = value, record[3] = time;
        }
        count++;
    };
    auto put_pages = [&](u64 first, u64 end, bool ram) {
        for (u64 page = first; page < end; page++) {
            if ((memory_.page_[page] & (kTouched | kAccessed)) == 0) continue;
            for (u64 word = page * kPageWords; word < (page + 1) * kPageWords; word++) {
                if (memory_.last_[word] == 0) continue;
                const u64 cell = cell_of(kBase + 8 * word), value = memory_.words()[word];
                u64 initial = ram ? 0 : value;
                program_.image_at(cell, &initial);
                put(cell, initial, value, memory_.last_[word]);
            }
        }
    };
    put_pages(kRamPage, kPages, true);
    put_pages(0, kRamPage, false);
    const Cpu initial = initial_cpu(program_);
    for (unsigned r = 0; r < kRegisters; r++) put(kRegisterCell + r, initial.x[r], cpu_.x[r], cpu_.last[r]);
    return count;
}

// Brings memory and cpu to a step that the run has been at.
void Session::seek(u64 step) {
    auto later = std::upper_bound(snapshots_.begin(), snapshots_.end(), step,
                                  [](u64 s, const Snapshot& snapshot) { return s < snapshot.cpu.step; });
    const u64 nearest = later == snapshots_.begin() ? 0 : (later - 1)->cpu.step;
    if (cpu_.step > step || cpu_.step < nearest) restore(static_cast<size_t>(later - snapshots_.begin()));
    Counts ignored = {};
    interpret<Mode::run>(program_, memory_, cpu_, step, ignored, nullptr, nullptr);
}

// To the state of the last of the first `snapshots` snapshots; to the start for 0.
void Session::restore(size_t snapshots) {
    memory_.reset(program_);
    cpu_ = snapshots == 0 ? initial_cpu(program_) : snapshots_[snapshots - 1].cpu;
    std::vector<bool> done(kPages, false);
    for (size_t i = snapshots; i-- > 0;) {
        for (const PageCopy& copy : snapshots_[i].pages) {
            if (done[copy.page]) continue;
            done[copy.page] = true;
            memory_.page_[copy.page] |= kAccessed;
            memcpy(memory_.last_ + copy.page * kPageWords, copy.words.get(), kPageBytes);
            if (copy.page >= kRamPage)
                memcpy(memory_.words() + copy.page * kPageWords, copy.words.get() + kPageWords, kPageBytes);
        }
    }
}

void Session::take_snapshot() {
    Snapshot snapshot = {cpu_, {}};
    u64 bytes = 0;
    for (u64 page = 0; page < kPages; page++) {
        if ((memory_.page_[page] & kTouched) == 0) continue;
        PageCopy copy = {static_cast<u32>(page), std::unique_ptr<u64[]>(new u64[words_of_page(page)])};
        memcpy(copy.words.get(), memory_.last_ + page * kPageWords, kPageBytes);
        if (page >= kRamPage) memcpy(copy.words.get() + kPageWords, memory_.words() + page * kPageWords, kPageBytes);
        bytes += copy.bytes();
        snapshot.pages.push_back(std::move(copy));
    }
    snapshots_.push_back(std::move(snapshot));
    bytes_ += bytes;
    // Only now: a snapshot that found no memory leaves the flags for the next one.
    for (u8& flags : memory_.page_) {
        if ((flags & kTouched) != 0) flags = static_cast<u8>((flags | kAccessed) & ~kTouched);
    }
    while (bytes_ > budget_ && snapshots_.size() > 1) thin_out();
}

// Twice the interval: each snapshot at an odd multiple goes into the next one, which keeps its own pages.
void Session::thin_out() {
    interval_ *= 2;
    std::vector<Snapshot> kept;
    std::vector<PageCopy> carried;
    for (Snapshot& snapshot : snapshots_) {
        std::vector<PageCopy> merged;
        auto old = carried.begin();
        for (PageCopy& copy : snapshot.pages) {
            while (old != carried.end() && old->page < copy.page) merged.push_back(std::move(*old++));
            if (old != carried.end() && old->page == copy.page) bytes_ -= (old++)->bytes();
            merged.push_back(std::move(copy));
        }
        while (old != carried.end()) merged.push_back(std::move(*old++));
        carried.clear();
        if (snapshot.cpu.step % interval_ == 0 || &snapshot == &snapshots_.back()) {
            kept.push_back({snapshot.cpu, std::move(merged)});
        } else {
            carried = std::move(merged);
        }
    }
    snapshots_ = std::move(kept);
}

}  // namespace zk_emu
