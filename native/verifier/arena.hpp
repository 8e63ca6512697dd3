// The only memory of the verifier beside the stack: a piece that the caller gives, handed out in order.
#pragma once

#include "zk/platform.hpp"

namespace zk {

class Arena {
  public:
    Arena(void* memory, u64 bytes) : at_((unsigned char*)memory), end_(at_ + bytes) {
        u64 skew = (8 - ((uintptr_t)memory & 7)) & 7;
        at_ = skew < bytes ? at_ + skew : end_;
    }

    // `count` objects, not initialised; null when the memory does not reach. All types here align to at most 8 bytes.
    template <class T>
    T* take(u64 count) {
        static_assert(alignof(T) <= 8, "the arena aligns to 8 bytes");
        if (count > (u64)(end_ - at_) / sizeof(T)) return nullptr;
        u64 bytes = (count * sizeof(T) + 7) & ~(u64)7;
        if (bytes > (u64)(end_ - at_)) return nullptr;
        T* result = (T*)at_;
        at_ += bytes;
        return result;
    }

  private:
    unsigned char* at_;
    unsigned char* end_;
};

}  // namespace zk
