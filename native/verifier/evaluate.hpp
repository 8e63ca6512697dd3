// What emitted evaluators are made of: operations on extension values in memory. See zisk_actors/air/emit_verifier.py.
//
// Rules: a value's words are any representatives. Each operation is a function: an evaluator is a list of calls.
#pragma once

#include "tables.hpp"

namespace zk {
inline namespace ZK_ISA {

using Ext = Fp3<Fp>;

ZK_HD Ext ext_of(const Value& value) { return {{value.words[0]}, {value.words[1]}, {value.words[2]}}; }
// With canonical words, for what is compared or absorbed.
ZK_HD Value value_of(Ext element) { return {{element.c0.canonical(), element.c1.canonical(), element.c2.canonical()}}; }
ZK_HD void put(Value* to, Ext element) { *to = {{element.c0.v, element.c1.v, element.c2.v}}; }

ZK_HD Ext ext_word(const u8* words, u64 index) {
    return {{word_of(words, 3 * index)}, {word_of(words, 3 * index + 1)}, {word_of(words, 3 * index + 2)}};
}

// Three openings of base columns as one of an extension column: a + x b + x^2 c, with x (c0, c1, c2) = (c2, c0 + c2, c1).
inline Ext extension_at(const u8* openings, u64 index) {
    Ext a = ext_word(openings, index), b = ext_word(openings, index + 1), c = ext_word(openings, index + 2);
    Ext high{b.c0 + c.c2, b.c1 + (c.c0 + c.c2), b.c2 + c.c1};
    return {a.c0 + high.c2, a.c1 + (high.c0 + high.c2), a.c2 + high.c1};
}

// Cells at zeta and at the next row's point; of the next row by their place among those that are opened there.
inline ZK_HD_FUNCTION void now(const Cells& at, Value* to, Part part, u32 column) {
    put(to, ext_word(at.openings, at.now[part] + column));
}
inline ZK_HD_FUNCTION void next(const Cells& at, Value* to, Part part, u32 place) {
    put(to, ext_word(at.openings, at.next[part] + place));
}
// The same of extension columns.
inline ZK_HD_FUNCTION void aux_now(const Cells& at, Value* to, u32 column) {
    put(to, extension_at(at.openings, at.now[AUX] + 3 * column));
}
inline ZK_HD_FUNCTION void aux_next(const Cells& at, Value* to, u32 place) {
    put(to, extension_at(at.openings, at.next[AUX] + 3 * place));
}

inline ZK_HD_FUNCTION void constant(Value* to, u64 word) { *to = {{word, 0, 0}}; }
inline ZK_HD_FUNCTION void add(Value* to, const Value* a, const Value* b) { put(to, ext_of(*a) + ext_of(*b)); }
inline ZK_HD_FUNCTION void add_word(Value* to, const Value* a, u64 word) { put(to, ext_of(*a) + Fp{word}); }
inline ZK_HD_FUNCTION void subtract(Value* to, const Value* a, const Value* b) { put(to, ext_of(*a) - ext_of(*b)); }
inline ZK_HD_FUNCTION void word_minus(Value* to, u64 word, const Value* a) { put(to, Fp{word} - ext_of(*a)); }
inline ZK_HD_FUNCTION void multiply(Value* to, const Value* a, const Value* b) { put(to, ext_of(*a) * ext_of(*b)); }
inline ZK_HD_FUNCTION void scale(Value* to, const Value* a, u64 word) { put(to, ext_of(*a) * Fp{word}); }
// total = total * gamma + constraint
inline ZK_HD_FUNCTION void horner(Value* total, const Value& gamma, const Value* constraint) {
    put(total, ext_of(*total) * ext_of(gamma) + ext_of(*constraint));
}

}  // namespace ZK_ISA
}  // namespace zk
