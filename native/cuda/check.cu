// Instantiates the kernel bodies in device code, so that nvcc compiles on any machine what a GPU build will launch:
//   nvcc -std=c++17 -arch=sm_90 -Inative -Inative/include -c native/cuda/check.cu -o /dev/null
#include "kernels/air.hpp"
#include "kernels/hash.hpp"
#include "kernels/logup.hpp"
#include "kernels/ntt.hpp"
#include "kernels/openings.hpp"
#include "kernels/quotient.hpp"

namespace zk_cuda {

using zk::Fp;
using zk::u64;

__constant__ zk::RoundConstants round_constants;

__device__ size_t thread() { return blockIdx.x * (size_t)blockDim.x + threadIdx.x; }

__global__ void permute_states(u64* states) { zk::PermuteStates<Fp, 1>{states, &round_constants}(thread()); }

__global__ void hash_rows(const u64* const* columns, size_t width, u64* digests) {
    zk::HashRows<Fp, 1>{columns, width, 1, zk::TAG_LEAF, digests, &round_constants}(thread());
}

__global__ void compress(const u64* children, const u64* injected, u64* nodes) {
    zk::Compress<Fp, 1>{children, injected, nodes, &round_constants}(thread());
}

__global__ void grind(const u64* seed, u64 bits, u64* words) {
    zk::Grind<Fp, 1>{seed, bits, &round_constants}(thread(), words + thread());
}

__global__ void radix_4(Fp* values, size_t quarter, zk::Twiddles twiddles) {
    zk::butterfly4_forward(values + thread(), quarter, twiddles, false);
    zk::butterfly4_inverse(values + thread(), quarter, twiddles, false);
}

__global__ void weights(zk::PointTable points, zk::Pole pole, u64* result, size_t stride) {
    zk::Weights<Fp, 4>{points, pole, result, stride}(4 * thread());
}

__global__ void deep(const zk::DeepTerm* terms, int count, zk::PointTable points, u64* codeword, size_t stride) {
    zk::Deep<Fp, 4>{terms, count, points, codeword, stride}(4 * thread());
}

__global__ void fold(const u64* codeword, size_t stride, zk::PointTable inverses, const u64* half_beta, u64* folded) {
    zk::Fold<Fp>{codeword, stride, inverses, half_beta, folded, stride / 2}(thread());
}

__global__ void add_scaled(const u64* left, const u64* right, const u64* scalar, u64* result, size_t stride) {
    zk::AddScaled<Fp>{left, right, scalar, result, stride, 0}(thread());
}

__global__ void scan(u64* column, int log_size, u64 offset, u64* sums) {
    zk::ScanSums<Fp>{column, log_size, offset, sums}(thread());
    zk::ScanApply<Fp>{column, log_size, offset, sums}(thread());
}

__global__ void first_row(zk::PointTable points, u64 scale, u64* selector) {
    zk::FirstRow<Fp, 4>{points, scale, selector}(4 * thread());
}

__global__ void extension(u64* column, size_t stride) {
    zk::Fp3<Fp> a = zk::Fp3<Fp>::load(column, stride, thread());
    zk::product(zk::inverse(a), a).store(column, stride, thread());
}

}  // namespace zk_cuda
