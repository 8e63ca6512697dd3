// Threads for loops of independent tasks.
//
// Rules: `for_each` runs body(0..tasks) on the calling thread and the pool's, and returns when all are done; a second caller
// waits its turn. The pool is made on first use, again after a fork, and again when the thread count changes; where the system
// gives fewer threads, those do it. What a body throws is thrown by `for_each` as std::bad_alloc, after all threads have stopped.
#pragma once

#include <stddef.h>

#include <functional>

namespace zk_cpu {

void for_each(size_t tasks, const std::function<void(size_t)>& body);

// Threads used by for_each, the caller's included; at least 1.
void set_threads(size_t count);
size_t threads();

// Memory of the calling thread for the duration of one task, 64-byte aligned; a later call may return the same memory. Throws
// std::bad_alloc.
void* scratch(size_t bytes);

// Whether a call of this thread over the C interface did not find its memory; asking forgets it.
bool& out_of_memory();

// The body of a function of the C interface: nothing throws across it. Without memory the thread is marked, and the result is 0.
template <class Body>
auto guarded(const Body& body) -> decltype(body()) {
    try {
        return body();
    } catch (...) {
        out_of_memory() = true;
    }
    return decltype(body())();
}

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
