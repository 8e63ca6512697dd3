// The thread pool behind parallel.hpp: workers wait for a job, take task numbers from a counter, and wait again.
#include "parallel.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

namespace zk_cpu {
namespace {

class Pool {
  public:
    explicit Pool(size_t helpers) {
        try {
            for (size_t i = 0; i < helpers; i++) threads_.emplace_back([this] { work(); });
        } catch (...) {  // those that there are do it
        }
    }

    ~Pool() {
        {
            std::lock_guard<std::mutex> hold(mutex_);
            stop_ = true;
        }
        wake_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }

    void run(size_t tasks, const std::function<void(size_t)>& body) {
        {
            std::lock_guard<std::mutex> hold(mutex_);
            body_ = &body;
            tasks_ = tasks;
            next_.store(0);
            failed_.store(false);
            busy_ = threads_.size();
            job_++;
        }
        wake_.notify_all();
        drain(body, tasks);
        std::unique_lock<std::mutex> hold(mutex_);
        done_.wait(hold, [this] { return busy_ == 0; });
        if (failed_.load()) throw std::bad_alloc();
    }

  private:
    void drain(const std::function<void(size_t)>& body, size_t tasks) {
        try {
            for (size_t task = next_.fetch_add(1); task < tasks && !failed_.load(); task = next_.fetch_add(1)) body(task);
        } catch (...) {
            failed_.store(true);
        }
    }

    void work() {
        size_t seen = 0;
        std::unique_lock<std::mutex> hold(mutex_);
        for (;;) {
            wake_.wait(hold, [&] { return stop_ || job_ != seen; });
            if (stop_) return;
            seen = job_;
            const std::function<void(size_t)>& body = *body_;
            size_t tasks = tasks_;
            hold.unlock();
            drain(body, tasks);
            hold.lock();
            if (--busy_ == 0) done_.notify_one();
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_, done_;
    std::vector<std::thread> threads_;
    const std::function<void(size_t)>* body_ = nullptr;
    std::atomic<size_t> next_{0};
    size_t tasks_ = 0, busy_ = 0, job_ = 0;
    std::atomic<bool> failed_{false};
    bool stop_ = false;
};

std::mutex callers;  // one job at a time
Pool* pool = nullptr;
pid_t pool_owner = 0;
size_t pool_threads = 0;  // as many as were asked for
std::atomic<size_t> wanted{0};

// A child of fork has the pool's memory and none of its threads: it forgets the old pool and makes its own.
Pool& ready_pool() {
    if (pool && pool_owner == getpid() && pool_threads != threads()) delete pool, pool = nullptr;
    if (!pool || pool_owner != getpid()) {
        pool = nullptr;
        pool_threads = threads();
        pool = new Pool(pool_threads - 1);
        pool_owner = getpid();
    }
    return *pool;
}

// A fork while a job runs would leave `callers` locked in the child for ever.
[[maybe_unused]] const int fork_handlers =
    pthread_atfork([] { callers.lock(); }, [] { callers.unlock(); }, [] { callers.unlock(); });

struct Scratch {
    void* memory = nullptr;
    size_t bytes = 0;
    ~Scratch() { free(memory); }
};

}  // namespace

bool& out_of_memory() {
    static thread_local bool marked = false;
    return marked;
}

void set_threads(size_t count) { wanted.store(count ? count : 1); }

size_t threads() {
    size_t count = wanted.load();
    if (count == 0) count = std::thread::hardware_concurrency();
    return count ? count : 1;
}

void for_each(size_t tasks, const std::function<void(size_t)>& body) {
    if (tasks <= 1 || threads() == 1) {
        for (size_t task = 0; task < tasks; task++) body(task);
        return;
    }
    std::lock_guard<std::mutex> hold(callers);
    ready_pool().run(tasks, body);
}

void* scratch(size_t bytes) {
    static thread_local Scratch mine;
    if (mine.bytes < bytes) {
        free(mine.memory);
        size_t rounded = (bytes + 4095) / 4096 * 4096;
        mine.bytes = 0;
        mine.memory = aligned_alloc(64, rounded);
        if (!mine.memory) throw std::bad_alloc();
        mine.bytes = rounded;
    }
    return mine.memory;
}

}  // namespace zk_cpu
