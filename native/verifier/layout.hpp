// What a share's proof consists of, derived from its instances: zisk_actors/stark/layout.py, without its lists.
//
// Rules: nothing here comes from a proof but the instances, which the rules have checked. Log heights of matrices, trees and
// domains are those of the LDEs.
#pragma once

#include "job.hpp"

namespace zk {

struct Matrix {
    const Chip* chip;  // null for the quotient
    u32 width;         // base columns
    u32 log_height;
    bool opened;    // its columns are opened out of the domain: all but fixed columns of absent chips
    u32 now, next;  // where its openings begin, at zeta and at the next row's point
};

struct Tree {
    Matrix* matrices;  // in order of commitment
    u32 count;
    u32 width;  // of all matrices
    u32 log_height, cap_log;
    u32 levels;  // which levels take rows, a bit each: that of a matrix's height, or the cap's where it is lower

    u64 cap_words() const { return count ? (u64)4 << cap_log : 0; }
    u32 depth() const { return log_height - cap_log; }
    u32 level_of(const Matrix& matrix) const { return matrix.log_height > cap_log ? matrix.log_height : cap_log; }
};

// The instances of one height.
struct Group {
    u32 log_rows, log_height;
    u32 start, next_start, end;  // openings: at zeta, then at the next row's point
    u32 bound_columns;           // main columns, which the contribution's binding covers
};

struct Layout {
    const Instance* instances;
    u32 instance_count;
    Tree trees[TREES];
    Group groups[MAX_HEIGHTS];  // tallest first
    u32 group_count;
    u32 log_domain;
    u32 openings;
    u32 layer_count;
    u32 final_log_size, final_degree;

    // Functions that the DEEP codeword batches: every column's openings, and one binding per height.
    u32 batched() const { return openings + group_count; }
    // Main columns of the height that has most of them.
    u32 most_bound() const {
        u32 most = 0;
        for (u32 g = 0; g < group_count; g++) most = groups[g].bound_columns > most ? groups[g].bound_columns : most;
        return most;
    }
};

inline namespace ZK_ISA {

inline u32 cap_level(const Parameters& parameters, u32 log_height) {
    return parameters.cap_log < log_height ? parameters.cap_log : log_height;
}

// Heights, width, cap and levels of a tree whose matrices are in place.
inline void finish_tree(Tree& tree, const Parameters& parameters) {
    tree.width = tree.log_height = tree.levels = 0;
    for (u32 i = 0; i < tree.count; i++) {
        tree.width += tree.matrices[i].width;
        if (tree.matrices[i].log_height > tree.log_height) tree.log_height = tree.matrices[i].log_height;
    }
    tree.cap_log = cap_level(parameters, tree.log_height);
    for (u32 i = 0; i < tree.count; i++) tree.levels |= (u32)1 << tree.level_of(tree.matrices[i]);
}

// The tree of a FRI layer over 2^log_leaves leaves; `matrix` is its one matrix.
inline Tree layer_tree(const Parameters& parameters, u32 log_leaves, Matrix& matrix) {
    matrix = {nullptr, 3 << FOLD_LOG_ARITY, log_leaves, false, 0, 0};
    Tree tree{&matrix, 1, 0, 0, 0, 0};
    finish_tree(tree, parameters);
    return tree;
}

inline void place_openings(Layout& layout) {
    u32 place = 0;
    for (u32 g = 0; g < layout.group_count; g++) {
        Group& group = layout.groups[g];
        group.start = place;
        group.bound_columns = 0;
        for (Tree& tree : layout.trees) {
            for (u32 i = 0; i < tree.count; i++) {
                Matrix& matrix = tree.matrices[i];
                if (!matrix.opened || matrix.log_height != group.log_height) continue;
                matrix.now = place;
                place += matrix.width;
                if (&tree == &layout.trees[MAIN]) group.bound_columns += matrix.width;
            }
        }
        group.next_start = place;
        for (int part = 0; part < PARTS; part++) {
            Tree& tree = layout.trees[part];
            for (u32 i = 0; i < tree.count; i++) {
                Matrix& matrix = tree.matrices[i];
                if (!matrix.opened || matrix.log_height != group.log_height) continue;
                matrix.next = place;
                place += matrix.chip->next_widths[part];
            }
        }
        group.end = place;
    }
    layout.openings = place;
}

// The layout of a share; no_memory if the arena is too small for it.
inline Verdict make_layout(const ChipSet& chips, const Key& key, const Instance* instances, u32 count, Arena& arena,
                           Layout& layout) {
    const Parameters& parameters = *key.parameters;
    u32 heights = heights_of(instances, count);
    layout.instances = instances;
    layout.instance_count = count;
    layout.group_count = 0;
    for (u32 log_rows = MAX_LOG_HEIGHT + 1; log_rows-- > MIN_LOG_HEIGHT;) {
        if (heights >> log_rows & 1)
            layout.groups[layout.group_count++] = {log_rows, log_rows + parameters.log_blowup, 0, 0, 0, 0};
    }
    u32 rooms[TREES] = {key.fixed_count, count, count, 1};
    for (int kind = 0; kind < TREES; kind++) {
        layout.trees[kind].matrices = arena.take<Matrix>(rooms[kind]);
        layout.trees[kind].count = 0;
        ZK_REQUIRE(layout.trees[kind].matrices, no_memory);
    }
    auto add = [&](int kind, const Chip* chip, u32 width, u32 log_rows, bool opened) {
        Tree& tree = layout.trees[kind];
        tree.matrices[tree.count++] = {chip, width, log_rows + parameters.log_blowup, opened, 0, 0};
    };
    u64 present = 0;  // chips, a bit each
    for (u32 i = 0; i < count; i++) present |= (u64)1 << instances[i].chip;
    for (u32 chip = 0; chip < chips.count; chip++) {
        u32 width = chips.chips[chip].widths[FIXED];
        if (width) add(FIXED, &chips.chips[chip], width, key.fixed_log_height[chip], present >> chip & 1);
    }
    for (u32 i = 0; i < count; i++) {
        const Chip& chip = chips.chips[instances[i].chip];
        add(MAIN, &chip, chip.widths[MAIN], instances[i].log_height, true);
        if (chip.widths[AUX]) add(AUX, &chip, chip.widths[AUX], instances[i].log_height, true);
    }
    add(QUOTIENT, nullptr, QUOTIENT_WIDTH, layout.groups[0].log_rows, true);
    for (Tree& tree : layout.trees) finish_tree(tree, parameters);
    u32 log_rows = layout.groups[0].log_rows;
    layout.log_domain = log_rows + parameters.log_blowup;
    layout.layer_count = 0;
    for (u32 left = log_rows; left > parameters.final_log_degree; left -= FOLD_LOG_ARITY) layout.layer_count++;
    layout.final_log_size = layout.log_domain - FOLD_LOG_ARITY * layout.layer_count;
    layout.final_degree = (u32)1 << (layout.final_log_size - parameters.log_blowup);
    place_openings(layout);
    return Verdict::accepted;
}

// --- decoding: every blob has the size that the layout gives it, and canonical words ------------------------------------------

inline Verdict check_words(Blob blob, u64 count) {
    ZK_REQUIRE(has_words(blob, count), proof_shape);
    ZK_REQUIRE(all_canonical(blob), proof_word);
    return Verdict::accepted;
}

inline Verdict check_opened(const Opened& opened, const Tree& tree, u64 queries) {
    ZK_CHECK(check_words(opened.rows, queries * tree.width));
    return check_words(opened.paths, queries * tree.depth() * DIGEST);
}

// proof.unpack, in its order.
inline Verdict check_shape(const Partial& partial, const Layout& layout, const Parameters& parameters) {
    ZK_REQUIRE(partial.layer_count == layout.layer_count && partial.row_count == layout.layer_count, proof_shape);
    ZK_REQUIRE(partial.nonce.below(P), proof_word);
    for (int kind = 0; kind < TREES; kind++) {
        const Tree& tree = layout.trees[kind];
        ZK_CHECK(check_words(partial.caps[kind], tree.cap_words()));
        if (tree.count) {
            ZK_CHECK(check_opened(partial.trees[kind], tree, parameters.queries));
        } else {
            ZK_REQUIRE(!partial.trees[kind].rows.size && !partial.trees[kind].paths.size, proof_shape);
        }
    }
    ZK_CHECK(check_words(partial.sums, 3 * (u64)layout.instance_count));
    ZK_CHECK(check_words(partial.openings, 3 * (u64)layout.openings));
    Matrix matrix;
    for (u32 i = 0; i < layout.layer_count; i++) {
        Tree tree = layer_tree(parameters, layout.log_domain - FOLD_LOG_ARITY * (i + 1), matrix);
        ZK_CHECK(check_words(partial.layers[i], tree.cap_words()));
    }
    ZK_CHECK(check_words(partial.final, 3 * (u64)layout.final_degree));
    for (u32 i = 0; i < layout.layer_count; i++) {
        Tree tree = layer_tree(parameters, layout.log_domain - FOLD_LOG_ARITY * (i + 1), matrix);
        ZK_CHECK(check_opened(partial.layer_rows[i], tree, parameters.queries));
    }
    return Verdict::accepted;
}

}  // namespace ZK_ISA
}  // namespace zk
