// Threads for loops of independent tasks.
//
// Rules: `for_each` runs body(0..tasks) on the calling thread and the pool's, and returns when all are done; a second caller
// waits its turn. The pool is made on first use, again after a fork, and again when the thread count changes. Bodies do not
// throw.
#pragma once

#include <stddef.h>

#include <functional>

namespace zk_cpu {

void for_each(size_t tasks, const std::function<void(size_t)>& body);

// Threads used by for_each, the caller's included; at least 1.
void set_threads(size_t count);
size_t threads();

// Memory of the calling thread for the duration of one task, 64-byte aligned; a later call may return the same memory.
void* scratch(size_t bytes);

// [0, count) in pieces of `grain` (the last may be shorter), one task each.
template <class Body>
void for_ranges(size_t count, size_t grain, const Body& body) {
    if (count == 0) return;
    size_t tasks = (count + grain - 1) / grain;
    for_each(tasks, [&](size_t task) {
        size_t begin = task * grain;
        body(begin, begin + grain < count ? begin + grain : count);
    });
}

}  // namespace zk_cpu
