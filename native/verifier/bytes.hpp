// Untrusted bytes: words, and a cursor over msgpack.
//
// Rules: nothing is read beyond the end. The cursor takes what msgspec's strict decoding takes and remembers whether it was
// the one encoding that msgspec writes; after the first thing that does not fit it is broken and gives zeros.
#pragma once

#include "protocol.hpp"
#include "zk/fp3.hpp"

namespace zk {

struct Blob {
    const u8* data;
    u64 size;
};

// An integer of msgpack. Negative ones are only ever out of range: their value does not matter.
struct Int {
    u64 value;
    bool negative;

    bool is(u64 other) const { return !negative && value == other; }
    bool below(u64 bound) const { return !negative && value < bound; }
};

inline namespace ZK_ISA {

// A little-endian word at any address.
ZK_HD u64 load_word(const u8* from) {
    u64 word = 0;
    for (int i = 0; i < 8; i++) word |= (u64)from[i] << (8 * i);
    return word;
}

// Word `index` of a blob of words.
ZK_HD u64 word_of(const u8* words, u64 index) { return load_word(words + 8 * index); }

// Whether `blob` is `count` words.
inline bool has_words(Blob blob, u64 count) { return blob.size % 8 == 0 && blob.size / 8 == count; }

inline ZK_HD_FUNCTION bool all_canonical(Blob blob) {
    bool good = true;
    for (u64 i = 0; i < blob.size / 8; i++) good &= word_of(blob.data, i) < P;
    return good;
}

inline bool same_bytes(const u8* left, const u8* right, u64 size) {
    for (u64 i = 0; i < size; i++) {
        if (left[i] != right[i]) return false;
    }
    return true;
}

inline bool starts_with(Blob blob, const u8* prefix, u64 size) {
    return blob.size >= size && same_bytes(blob.data, prefix, size);
}

class Reader {
  public:
    explicit Reader(Blob blob) : at_(blob.data), end_(blob.data + blob.size), canonical_(true), broken_(false) {}

    // Something did not decode; everything read since is zero.
    bool broken() const { return broken_; }
    // All that was read is in the encoding that msgspec writes.
    bool canonical() const { return canonical_; }
    bool at_end() const { return at_ == end_; }

    Int integer() {
        u8 marker = byte();
        if (broken_ || marker < 0x80) return {marker, false};
        if (marker >= 0xe0) return {0, true};
        if (marker < 0xcc || marker > 0xd3) return refuse();
        int size = 1 << (marker & 3);
        u64 value = big_endian(size);
        if (broken_) return refuse();
        if (marker < 0xd0) {
            canonical_ &= size == 1 ? value >= 0x80 : value >> (4 * size) != 0;
            return {value, false};
        }
        int64_t number = (int64_t)(value << (64 - 8 * size)) >> (64 - 8 * size);
        canonical_ &= number < (size == 1 ? -32 : -((int64_t)1 << (4 * size - 1)));
        return {number < 0 ? 0 : (u64)number, number < 0};
    }

    // How many elements follow.
    u64 array() {
        u8 marker = byte();
        if (!broken_ && marker >= 0x90 && marker <= 0x9f) return marker & 0xf;
        if (broken_ || (marker != 0xdc && marker != 0xdd)) return refuse().value;
        int size = marker == 0xdc ? 2 : 4;
        u64 count = big_endian(size);
        canonical_ &= size == 2 ? count >= 16 : count >= 0x10000;
        return count;
    }

    // An array of exactly `count` elements follows.
    void array_of(u64 count) {
        if (array() != count) refuse();
    }

    Blob bytes() {
        u8 marker = byte();
        if (broken_ || marker < 0xc4 || marker > 0xc6) return {at_, refuse().value};
        int size = 1 << (marker - 0xc4);
        u64 length = big_endian(size);
        if (broken_ || length > (u64)(end_ - at_)) return {at_, refuse().value};
        canonical_ &= size == 1 || length >> (4 * size) != 0;
        at_ += length;
        return {at_ - length, length};
    }

    void integers(Int* to, u64 count) {
        for (u64 i = 0; i < count; i++) to[i] = integer();
    }

    // `count` integers, of which nothing is kept.
    void skip_integers(u64 count) {
        for (u64 i = 0; i < count && !broken_; i++) integer();
    }

  private:
    u8 byte() {
        if (at_ == end_) refuse();
        return broken_ ? 0 : *at_++;
    }

    u64 big_endian(int size) {
        if ((u64)(end_ - at_) < (u64)size) refuse();
        u64 value = 0;
        for (int i = 0; i < size && !broken_; i++) value = value << 8 | *at_++;
        return value;
    }

    Int refuse() {
        broken_ = true;
        at_ = end_;
        return {0, false};
    }

    const u8* at_;
    const u8* end_;
    bool canonical_;
    bool broken_;
};

}  // namespace ZK_ISA
}  // namespace zk
