// The queries of a share: Merkle paths, the DEEP codeword, FRI. F::lanes queries go side by side.
//
// Rules: all that is read here has been checked for size and for canonical words. A fault anywhere is noted and the rest is
// looked at all the same: which error comes first does not depend on the order of the queries.
#pragma once

#include "layout.hpp"

namespace zk {

// Generators of the subgroups of order 2^k, and their inverses.
struct Roots {
    u64 forward[TWO_ADICITY + 1], inverse[TWO_ADICITY + 1];
};

// What the openings of one height are, and where.
struct DeepGroup {
    Value point, following, bound_point;  // the height's point, its next row's, and that of the contribution's binding
    Value now, then;                      // sums of power * opened value, at the first two
    Value bound;                          // the binding
};

// What the queries are checked against.
struct QueryPhase {
    const Layout* layout;
    const Parameters* parameters;
    const Partial* partial;
    const Roots* roots;
    const u64* indices;
    const Value* powers;       // of the DEEP challenge, one per opening and one per group's binding
    const Value* bind_powers;  // of the binding challenge, as many as a group has main columns
    const DeepGroup* groups;
    const Value* betas;  // each layer's folding challenge
};

inline namespace ZK_ISA {

ZK_HD bool equal(Fp a, u64 word) { return a.canonical() == word; }

inline Roots make_roots() {
    Roots roots;
    Fp forward{ROOT_OF_UNITY}, backward = inverse(forward);
    for (u32 k = TWO_ADICITY + 1; k-- > 0;) {
        roots.forward[k] = forward.canonical();
        roots.inverse[k] = backward.canonical();
        forward = square(forward);
        backward = square(backward);
    }
    return roots;
}

// Word `index` of one row of each lane.
template <class F>
ZK_HD F gather(const u8* const* rows, u64 index) {
    u64 words[F::lanes];
    for (size_t lane = 0; lane < F::lanes; lane++) words[lane] = word_of(rows[lane], index);
    return F::load(words);
}

template <class F>
ZK_HD F choose(const u64* table, const u64* indices) {
    u64 words[F::lanes];
    for (size_t lane = 0; lane < F::lanes; lane++) words[lane] = table[indices[lane]];
    return F::load(words);
}

// One row of each lane of a tree, by the lanes' queries.
template <class F>
struct Rows {
    const u8* rows[F::lanes];
    const u8* paths[F::lanes];

    Rows(const Opened& opened, const Tree& tree, const u64* queries) {
        for (size_t lane = 0; lane < F::lanes; lane++) {
            rows[lane] = opened.rows.data + 8 * queries[lane] * tree.width;
            paths[lane] = opened.paths.data + 8 * queries[lane] * tree.depth() * DIGEST;
        }
    }
};

// The digest of the rows that a level of a tree takes.
template <class F>
inline ZK_HD_FUNCTION void hash_level(const Tree& tree, u32 level, const Rows<F>& at, F* digest) {
    u32 width = 0, start = 0;
    for (u32 i = 0; i < tree.count; i++) width += tree.level_of(tree.matrices[i]) == level ? tree.matrices[i].width : 0;
    Hash<F> hash(TAG_LEAF, width);
    for (u32 i = 0; i < tree.count; i++) {
        const Matrix& matrix = tree.matrices[i];
        if (tree.level_of(matrix) == level) {
            for (u32 k = 0; k < matrix.width; k++) hash.absorb(gather<F>(at.rows, start + k));
        }
        start += matrix.width;
    }
    const F* found = hash.finish();
    for (int k = 0; k < DIGEST; k++) digest[k] = found[k];
}

// merkle.openings_match for the lanes' queries; indices: their entries of the domain of 2^log_domain points.
template <class F>
inline ZK_HD_FUNCTION bool paths_match(const Tree& tree, const Opened& opened, Blob cap, const u64* queries, const u64* indices,
                                       u32 log_domain) {
    Rows<F> at(opened, tree, queries);
    u64 position[F::lanes];
    for (size_t lane = 0; lane < F::lanes; lane++) {
        position[lane] = tree.log_height <= log_domain ? indices[lane] >> (log_domain - tree.log_height)
                                                       : indices[lane] << (tree.log_height - log_domain);
    }
    F node[DIGEST], injected[DIGEST], left[DIGEST], right[DIGEST];
    hash_level<F>(tree, tree.log_height, at, node);
    for (u32 step = 0; step < tree.depth(); step++) {
        for (int k = 0; k < DIGEST; k++) {
            u64 here[F::lanes], low[F::lanes], high[F::lanes];
            node[k].store(here);
            for (size_t lane = 0; lane < F::lanes; lane++) {
                u64 sibling = word_of(at.paths[lane], step * DIGEST + k);
                bool is_right = position[lane] & 1;
                low[lane] = is_right ? sibling : here[lane];
                high[lane] = is_right ? here[lane] : sibling;
            }
            left[k] = F::load(low);
            right[k] = F::load(high);
        }
        u32 level = tree.log_height - step - 1;
        bool takes = tree.levels >> level & 1;
        if (takes) hash_level<F>(tree, level, at, injected);
        compress<F>(left, right, takes ? injected : nullptr, node);
        for (u64& each : position) each >>= 1;
    }
    bool good = true;
    for (int k = 0; k < DIGEST; k++) {
        u64 here[F::lanes];
        node[k].store(here);
        for (size_t lane = 0; lane < F::lanes; lane++) good &= here[lane] == word_of(cap.data, position[lane] * DIGEST + k);
    }
    return good;
}

// w^bitrev(index), w a generator of order 2^log_size with `roots` its two-adic powers.
template <class F>
inline ZK_HD_FUNCTION F point_at(const u64* roots, const u64* indices, u32 log_size) {
    F point = F::splat(1);
    for (u32 bit = 0; bit < log_size; bit++) {
        u64 factors[F::lanes];
        for (size_t lane = 0; lane < F::lanes; lane++) factors[lane] = indices[lane] >> bit & 1 ? roots[bit + 1] : 1;
        point = point * F::load(factors);
    }
    return point;
}

// total + sum over `count` columns of powers[k] * the row's word columns[k] (or k where columns is null).
template <class F>
ZK_HD_FUNCTION void add_products(const u8* const* rows, u32 start, const u16* columns, u32 count, const Value* powers,
                                 Fp3<F>* total) {
    Fp3<F> sum = *total;
    for (u32 k = 0; k < count; k++)
        sum = sum + Fp3<F>::splat(powers[k].words) * gather<F>(rows, start + (columns ? columns[k] : k));
    *total = sum;
}

// The DEEP codeword at the lanes' queries. point: of the query in the domain of 2^log_domain points, without the coset's shift.
template <class F>
inline ZK_HD_FUNCTION Fp3<F> deep_at(const QueryPhase& phase, const u64* queries, F point) {
    const Layout& layout = *phase.layout;
    Fp3<F> numerators[3 * MAX_HEIGHTS];
    Adjugate<F> denominators[3 * MAX_HEIGHTS];
    F products[3 * MAX_HEIGHTS + 1];
    products[0] = F::splat(1);
    u32 terms = 0, log_height = layout.log_domain;
    for (u32 g = 0; g < layout.group_count; g++) {
        const Group& group = layout.groups[g];
        const DeepGroup& deep = phase.groups[g];
        // The group's codeword is lifted: its entry is the query's without the low bits, its point a power.
        for (; log_height > group.log_height; log_height--) point = square(point);
        F x = point * F::splat(COSET_SHIFT);
        Fp3<F> now = zero3<F>(), then = zero3<F>(), bound = zero3<F>();
        const Value *powers = phase.powers + group.start + g, *bind_powers = phase.bind_powers;
        for (int kind = 0; kind < TREES; kind++) {
            const Tree& tree = layout.trees[kind];
            Rows<F> at(phase.partial->trees[kind], tree, queries);
            u32 start = 0;
            for (u32 i = 0; i < tree.count; i++) {
                const Matrix& matrix = tree.matrices[i];
                if (matrix.opened && matrix.log_height == group.log_height) {
                    add_products<F>(at.rows, start, nullptr, matrix.width, powers + (matrix.now - group.start), &now);
                    if (kind == MAIN) {
                        add_products<F>(at.rows, start, nullptr, matrix.width, bind_powers, &bound);
                        bind_powers += matrix.width;
                    }
                    if (kind < PARTS) {
                        add_products<F>(at.rows, start, matrix.chip->next_columns[kind], matrix.chip->next_widths[kind],
                                        powers + (matrix.next - group.start), &then);
                    }
                }
                start += matrix.width;
            }
        }
        numerators[terms] = now - Fp3<F>::splat(deep.now.words);
        numerators[terms + 1] = then - Fp3<F>::splat(deep.then.words);
        numerators[terms + 2] = (bound - Fp3<F>::splat(deep.bound.words)) * Fp3<F>::splat(powers[group.end - group.start].words);
        const Value* poles[3] = {&deep.point, &deep.following, &deep.bound_point};
        for (int i = 0; i < 3; i++, terms++) {
            denominators[terms] = adjugate(x - Fp3<F>::splat(poles[i]->words));
            products[terms + 1] = products[terms] * denominators[terms].norm;
        }
    }
    // All norms inverted at once. None is zero: no pole is in the base field.
    F rest = inverse(products[terms]);
    Fp3<F> total = zero3<F>();
    while (terms-- > 0) {
        total = total + numerators[terms] * (denominators[terms].adjugate * (rest * products[terms]));
        rest = rest * denominators[terms].norm;
    }
    return total;
}

// fri.fold_rows of one leaf of eight elements. inverse_point: 1 / x at its first element; roots: of order 2^-k.
template <class F>
inline ZK_HD_FUNCTION Fp3<F> fold_leaf(Fp3<F>* elements, F inverse_point, const Value& beta, const u64* roots) {
    Ext factor = ext_of(beta);
    for (u32 log_arity = FOLD_LOG_ARITY; log_arity > 0; log_arity--) {
        Value half =
            value_of({over_power_of_two<1>(factor.c0), over_power_of_two<1>(factor.c1), over_power_of_two<1>(factor.c2)});
        for (u64 i = 0; i < (u64)1 << (log_arity - 1); i++) {
            // Elements 2i and 2i + 1 are those at x and -x, x being the first one's times a root of unity.
            Fp root{1};
            for (u32 bit = 0; bit + 1 < log_arity; bit++) {
                if (i >> bit & 1) root = root * Fp{roots[bit + 2]};
            }
            Fp3<F> even = elements[2 * i], odd = elements[2 * i + 1];
            Fp3<F> difference = (even - odd) * (inverse_point * F::splat(root.canonical()));
            Fp3<F> sum = even + odd;
            Fp3<F> mean{over_power_of_two<1>(sum.c0), over_power_of_two<1>(sum.c1), over_power_of_two<1>(sum.c2)};
            elements[i] = mean + difference * Fp3<F>::splat(half.words);
        }
        factor = square(factor);
        inverse_point = square(inverse_point);
    }
    return elements[0];
}

struct Faults {
    bool path, fold, final;
};

// fri.check_queries for the lanes' queries, which begin with `value`.
template <class F>
inline ZK_HD_FUNCTION void follow_layers(const QueryPhase& phase, const u64* queries, const u64* indices, F point, Fp3<F> value,
                                         Faults& faults) {
    const Layout& layout = *phase.layout;
    constexpr u64 ARITY = (u64)1 << FOLD_LOG_ARITY;
    u64 eighths[ARITY];  // of the unit circle, in storage order
    for (u64 i = 0; i < ARITY; i++) {
        u64 one = i;
        eighths[i] = point_at<Fp>(phase.roots->forward, &one, FOLD_LOG_ARITY).canonical();
    }
    F inverse_point = point_at<F>(phase.roots->inverse, indices, layout.log_domain);
    u64 position[F::lanes];
    for (size_t lane = 0; lane < F::lanes; lane++) position[lane] = indices[lane];
    for (u32 number = 0; number < layout.layer_count; number++) {
        const u8* rows[F::lanes];
        u64 within[F::lanes];
        for (size_t lane = 0; lane < F::lanes; lane++) {
            rows[lane] = phase.partial->layer_rows[number].rows.data + 8 * queries[lane] * 3 * ARITY;
            within[lane] = position[lane] & (ARITY - 1);
            position[lane] >>= FOLD_LOG_ARITY;
        }
        const F* parts[3] = {&value.c0, &value.c1, &value.c2};
        for (int c = 0; c < 3; c++) {
            u64 words[F::lanes];
            parts[c]->store(words);
            for (size_t lane = 0; lane < F::lanes; lane++)
                faults.fold |= words[lane] != word_of(rows[lane], 3 * within[lane] + c);
        }
        Fp3<F> elements[ARITY];
        for (u64 i = 0; i < ARITY; i++)
            elements[i] = {gather<F>(rows, 3 * i), gather<F>(rows, 3 * i + 1), gather<F>(rows, 3 * i + 2)};
        // From the query's point to the leaf's first one.
        F first = inverse_point * choose<F>(eighths, within);
        value = fold_leaf<F>(elements, first, phase.betas[number], phase.roots->inverse);
        for (u32 i = 0; i < FOLD_LOG_ARITY; i++) {
            point = square(point);
            inverse_point = square(inverse_point);
        }
    }
    Fp3<F> expected = zero3<F>();
    for (u32 i = layout.final_degree; i-- > 0;) {
        const u8* at = phase.partial->final.data;
        u64 words[3] = {word_of(at, 3 * i), word_of(at, 3 * i + 1), word_of(at, 3 * i + 2)};
        expected = expected * point + Fp3<F>::splat(words);
    }
    const F* left[3] = {&expected.c0, &expected.c1, &expected.c2};
    const F* right[3] = {&value.c0, &value.c1, &value.c2};
    for (int c = 0; c < 3; c++) {
        u64 a[F::lanes], b[F::lanes];
        left[c]->store(a);
        right[c]->store(b);
        for (size_t lane = 0; lane < F::lanes; lane++) faults.final |= a[lane] != b[lane];
    }
}

template <class F>
inline Verdict check_queries(const QueryPhase& phase) {
    const Layout& layout = *phase.layout;
    const Partial& partial = *phase.partial;
    Faults faults = {false, false, false};
    u64 count = phase.parameters->queries;
    for (u64 first = 0; first < count; first += F::lanes) {
        u64 queries[F::lanes], indices[F::lanes];
        for (size_t lane = 0; lane < F::lanes; lane++) {
            queries[lane] = first + lane < count ? first + lane : count - 1;
            indices[lane] = phase.indices[queries[lane]];
        }
        for (int kind = 0; kind < TREES; kind++) {
            const Tree& tree = layout.trees[kind];
            if (!tree.count) continue;
            faults.path |= !paths_match<F>(tree, partial.trees[kind], partial.caps[kind], queries, indices, layout.log_domain);
        }
        for (u32 i = 0; i < layout.layer_count; i++) {
            Matrix matrix;
            Tree tree = layer_tree(*phase.parameters, layout.log_domain - FOLD_LOG_ARITY * (i + 1), matrix);
            faults.path |= !paths_match<F>(tree, partial.layer_rows[i], partial.layers[i], queries, indices, layout.log_domain);
        }
        F point = point_at<F>(phase.roots->forward, indices, layout.log_domain);
        follow_layers<F>(phase, queries, indices, point, deep_at<F>(phase, queries, point), faults);
    }
    ZK_REQUIRE(!faults.path, wrong_path);
    ZK_REQUIRE(!faults.fold, wrong_fold);
    ZK_REQUIRE(!faults.final, wrong_final);
    return Verdict::accepted;
}

}  // namespace ZK_ISA
}  // namespace zk
